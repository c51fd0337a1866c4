from pathlib import Path

import numpy as np
import pytest

from cowmodel.errors import ConfigError
from cowmodel.trace import Area, read_trace

HEADER = "seq,rw,page,n\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "run.pages.csv"
    path.write_text(text)
    return path


def test_a_record_says_page_right_and_accesses(tmp_path: Path):
    trace = read_trace(write(tmp_path, HEADER + "0,W,1000,9\n9,R,1002,2\n11,R,1000,1\n"))

    assert trace.page.tolist() == [0, 2, 0]
    assert trace.write.tolist() == [True, False, False]
    assert trace.count.tolist() == [9, 2, 1]
    assert trace.process.tolist() == [0, 0, 0]


def test_an_order_of_accesses_is_no_time_and_has_no_fork(tmp_path: Path):
    trace = read_trace(write(tmp_path, HEADER + "0,W,1000,9\n"))

    assert (trace.time_ps, trace.expects_fault) == (None, None)
    assert (trace.forks, trace.exits) == ((), ())
    assert trace.resident_pages().tolist() == []


def test_distant_pages_are_areas_that_keep_their_place_in_512_pages(tmp_path: Path):
    trace = read_trace(write(tmp_path, HEADER + "0,W,1fff1ff,9\n9,R,4033,2\n11,R,4200,1\n"))

    assert trace.areas == (Area("0x4033", 0x33, 0x1CE), Area("0x1fff1ff", 1024 + 0x1FF, 1))
    assert trace.page.tolist() == [1024 + 0x1FF, 0x33, 512]
    assert trace.pages == 1536


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("9,W,xyz,1", "expected a hexadecimal number as page, got 'xyz'"),
        ("9,X,1000,1", "expected rw R or W, got 'X'"),
        ("9,W,1000,0", "expected n of at least 1, got '0'"),
        ("9,W,1000,", "expected a whole number as n, got ''"),
        ("9,W,10000000000000000,1", "expected a hexadecimal number as page"),
        ("0,W,1000,1", "expected seq above 0, got 0"),
        ("9,W", "expected 4 fields (seq,rw,page,n), got 2"),
    ],
)
def test_a_wrong_field_is_named_with_file_line_and_remedy(tmp_path: Path, row: str, problem: str):
    path = write(tmp_path, HEADER + "0,W,1000,9\n" + row + "\n")

    with pytest.raises(ConfigError) as caught:
        read_trace(path)

    assert str(caught.value).startswith(f"{path}:3: {problem}")
    assert "record it again" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "records", "accesses", "pages"),
    [("sort", 29_804, 5_299_866, 185), ("sqlite", 722, 15_832_249, 279)],
)
def test_the_recorded_traces_are_what_their_readme_says(
    traces: Path, name: str, records: int, accesses: int, pages: int
):
    trace = read_trace(traces / f"{name}.pages.csv.gz")

    assert trace.name == name
    assert (trace.records, trace.count.sum()) == (records, accesses)
    assert len(np.unique(trace.page)) == pages
