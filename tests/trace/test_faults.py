from pathlib import Path

import numpy as np
import pytest

from cowmodel.errors import ConfigError
from cowmodel.trace import Area, Exit, Fork, read_trace

DESCRIPTION = "# a run\n# child_exit_us=40 sets=3 areas=0:heap:600;1:[stack]:8\n"
HEADER = "t_us,proc,mode,ec,area,page,class\n"
ROWS = "-10,C,k,3,0,5,\n-5,P,u,7,0,5,dict\n2,P,u,6,1,7,\n2,C,u,7,0,599,value\n50,P,u,7,1,0,\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "run.faults.csv"
    path.write_text(text)
    return path


def test_the_fork_is_just_before_the_first_record_of_the_child_and_is_time_zero(tmp_path: Path):
    trace = read_trace(write(tmp_path, DESCRIPTION + HEADER + ROWS))

    assert trace.time_ps is not None
    assert trace.time_ps.tolist() == [0, 5_000_000, 12_000_000, 12_000_000, 60_000_000]
    assert trace.forks == (Fork(parent=0, child=1, at_record=0),)


def test_what_the_parent_did_before_the_child_began_has_negative_times(tmp_path: Path):
    rows = "-12,P,u,6,0,1,\n" + ROWS

    trace = read_trace(write(tmp_path, DESCRIPTION + HEADER + rows))

    assert trace.time_ps is not None
    assert trace.time_ps[0] == -2_000_000
    assert trace.forks == (Fork(0, 1, at_record=1),)


def test_a_child_that_faults_only_later_was_made_when_the_call_returned(tmp_path: Path):
    rows = "-3,P,u,7,0,1,\n4,C,u,7,0,1,\n"

    trace = read_trace(write(tmp_path, DESCRIPTION + HEADER + rows))

    assert trace.time_ps is not None
    assert trace.time_ps.tolist() == [-3_000_000, 4_000_000]
    assert trace.forks == (Fork(0, 1, at_record=1),)


def test_the_exit_of_the_child_moves_with_the_fork(tmp_path: Path):
    trace = read_trace(write(tmp_path, DESCRIPTION + HEADER + ROWS))

    assert trace.exits == (Exit(process=1, at_record=4, time_ps=50_000_000),)


def test_every_column_is_read(tmp_path: Path):
    trace = read_trace(write(tmp_path, DESCRIPTION + HEADER + ROWS))

    assert trace.name == "run"
    assert trace.process.tolist() == [1, 0, 0, 1, 0]
    assert trace.page.tolist() == [5, 5, 1031, 599, 1024]
    assert trace.write.tolist() == [True] * 5
    assert trace.count.tolist() == [1] * 5
    assert trace.expects_fault is not None
    assert trace.expects_fault.tolist() == [True, True, False, True, True]
    assert trace.areas == (Area("heap", 0, 600), Area("[stack]", 1024, 8))


def test_pages_found_present_were_resident_and_pages_touched_first_were_not(tmp_path: Path):
    rows = ROWS + "55,P,u,7,1,7,\n"

    trace = read_trace(write(tmp_path, DESCRIPTION + HEADER + rows))

    assert trace.resident_pages().tolist() == [5, 599, 1024]


def test_records_out_of_order_are_put_in_order(tmp_path: Path):
    shuffled = "".join(sorted(ROWS.splitlines(keepends=True), key=lambda row: row[::-1]))

    trace = read_trace(write(tmp_path, DESCRIPTION + HEADER + shuffled))

    assert trace.time_ps is not None
    assert (np.diff(trace.time_ps) >= 0).all()


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("x,P,u,7,0,1,", "expected a whole number as t_us, got 'x'"),
        ("1,Q,u,7,0,1,", "expected proc P or C, got 'Q'"),
        ("1,P,u,7,2,1,", "expected an area below 2, got 2"),
        ("1,P,u,7,0,600,", "expected a page below 600, got 600"),
        ("1,P,u,7,0,-1,", "expected page of at least 0, got '-1'"),
        ("1,P,u,7,0", "expected 7 fields"),
    ],
)
def test_a_wrong_field_is_named_with_file_line_and_remedy(tmp_path: Path, row: str, problem: str):
    path = write(tmp_path, DESCRIPTION + HEADER + ROWS + row + "\n")

    with pytest.raises(ConfigError) as caught:
        read_trace(path)

    assert str(caught.value).startswith(f"{path}:9: {problem}")
    assert "record it again" in str(caught.value)


@pytest.mark.parametrize("key", ["child_exit_us", "areas"])
def test_a_description_without_the_exit_or_the_areas_is_refused(tmp_path: Path, key: str):
    path = write(tmp_path, DESCRIPTION.replace(key, "other") + HEADER + ROWS)

    with pytest.raises(ConfigError, match=f"expected {key}=... in a comment"):
        read_trace(path)


@pytest.mark.parametrize("areas", ["0:heap", "1:heap:600", "0:heap:0", "0:heap:600;"])
def test_a_list_of_areas_that_does_not_add_up_is_refused(tmp_path: Path, areas: str):
    path = write(tmp_path, f"# child_exit_us=4 areas={areas}\n" + HEADER + ROWS)

    with pytest.raises(ConfigError, match="areas: expected '.:NAME:PAGES', got"):
        read_trace(path)


def test_the_redis_trace_is_what_its_readme_says(traces: Path):
    trace = read_trace(traces / "redis-bgsave.faults.csv.gz")

    assert trace.expects_fault is not None
    parent, child = trace.process == 0, trace.process == 1
    assert (trace.records, parent.sum(), child.sum()) == (17_589, 17_531, 58)
    assert (trace.expects_fault[parent].sum(), trace.expects_fault[child].sum()) == (17_530, 58)
    assert len(np.intersect1d(trace.page[parent], trace.page[child])) == 41
    assert len(trace.resident_pages()) == 17_547
    assert trace.exits == (Exit(1, 16_284, 7_834_649_000_000),)
