"""Logs here are short, but written as the tool writes them."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from cowmodel.errors import ConfigError
from cowmodel.trace import Exit, Fork, Trace, read_trace

CALL, BACK = "I  00400010,2", "I  00400012,6"


def log(pid: int, parent: int, *lines: str) -> str:
    header = f"=={pid}== Lackey, an example Valgrind tool\n=={pid}== Parent PID: {parent}\n"
    return header + f"=={pid}== \n" + "\n".join(lines) + f"\n=={pid}== \n=={pid}== Exit code: 0\n"


def save(folder: Path, *logs: str) -> Path:
    folder.mkdir(exist_ok=True)
    for text in logs:
        pid = text.split("==")[1]
        (folder / f"log.{pid}").write_text(text)
    return folder


def fork_of_one_child(folder: Path) -> Path:
    parent = log(100, 1, "I  00400000,16", " S 00600000,8", CALL, BACK, " S 00600000,8")
    child = log(101, 100, BACK, " L 00600000,8", "I  00400018,4", " S 00600000,8")
    return save(folder, parent, child)


def written_after(trace: Trace, process: int, record: int) -> list[int]:
    mine = (trace.process == process) & trace.write & (np.arange(trace.records) >= record)
    return trace.page[mine].tolist()


def test_the_fork_is_where_the_parent_comes_back_from_the_system_call(tmp_path: Path):
    trace = read_trace(fork_of_one_child(tmp_path))

    assert trace.forks == (Fork(parent=0, child=1, at_record=1),)
    assert trace.process.tolist() == [0, 0, 1, 1]
    assert trace.write.tolist() == [True, True, False, True]


def test_after_a_fork_the_first_write_of_either_side_is_a_record_again(tmp_path: Path):
    trace = read_trace(fork_of_one_child(tmp_path))

    assert written_after(trace, process=0, record=1) == [0]
    assert written_after(trace, process=1, record=1) == [0]


def test_a_process_exits_after_its_last_instruction(tmp_path: Path):
    trace = read_trace(fork_of_one_child(tmp_path))

    assert trace.exits == (Exit(0, at_record=3), Exit(1, at_record=4))


def test_after_a_fork_both_sides_run_one_instruction_a_tick(tmp_path: Path):
    steps = [f"I  {address:08x},4" for address in range(0x400018, 0x400028, 4)]
    parent = log(100, 1, CALL, BACK, *[x for s in steps for x in (s, " S 00600000,8")])
    child = log(101, 100, BACK, *[x for s in steps for x in (s, " S 00800000,8", " L 00900000,8")])

    trace = read_trace(save(tmp_path, parent, child))

    assert trace.process.tolist() == [0, 1, 1]
    assert trace.count.tolist() == [4, 1, 7]


def test_children_are_told_apart_by_the_order_of_their_numbers(tmp_path: Path):
    parent = log(7, 1, CALL, BACK, " S 00600000,8", CALL, BACK, " S 00601000,8")
    first, second = log(9, 7, BACK, " S 00600000,8"), log(10, 7, BACK, " S 00602000,8")

    trace = read_trace(save(tmp_path, second, first, parent))

    assert trace.forks == (Fork(0, 1, at_record=0), Fork(0, 2, at_record=2))
    assert written_after(trace, process=2, record=0) == [2]


def test_a_child_forks_too(tmp_path: Path):
    root = log(7, 1, CALL, BACK, " S 00600000,8")
    child = log(8, 7, BACK, CALL, BACK, " S 00601000,8")
    grandchild = log(9, 8, BACK, " S 00602000,8")

    trace = read_trace(save(tmp_path, root, child, grandchild))

    assert [(fork.parent, fork.child) for fork in trace.forks] == [(0, 1), (1, 2)]


def test_a_write_covers_reads_and_a_read_covers_no_write(tmp_path: Path):
    lines = ["I  00400000,4", " L 00600000,8", " S 00600008,8", " L 00600000,8", " M 00600000,4"]

    trace = read_trace(save(tmp_path, log(5, 1, *lines)))

    assert trace.write.tolist() == [False, True]
    assert trace.count.tolist() == [1, 3]


def test_an_access_that_crosses_a_page_is_two(tmp_path: Path):
    trace = read_trace(save(tmp_path, log(5, 1, "I  00400000,4", " S 00600ffc,8")))

    assert trace.page.tolist() == [0, 1]


def test_a_page_is_covered_until_64_others_came(tmp_path: Path):
    def sweep(pages: int) -> list[str]:
        return [f" S {(0x600 + page) << 12:08x},8" for page in range(pages)]

    covered = save(tmp_path / "a", log(5, 1, "I  00400000,4", *sweep(64), *sweep(64)))
    dropped = save(tmp_path / "b", log(5, 1, "I  00400000,4", *sweep(65), *sweep(65)))

    assert read_trace(covered).records == 64
    assert read_trace(dropped).records == 130


def test_a_folder_and_a_prefix_and_gzip_read_alike(tmp_path: Path):
    folder = fork_of_one_child(tmp_path)
    plain = read_trace(folder)
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    (folder / "recipe.txt").write_text("valgrind --tool=lackey ...")

    for packed in read_trace(folder), read_trace(folder / "log"):
        assert packed.page.tolist() == plain.page.tolist()
        assert packed.forks == plain.forks


def test_one_log_alone_is_a_trace_of_one_process(tmp_path: Path):
    path = save(tmp_path, log(5, 1, "I  00400000,4", " S 00600ffc,8")) / "log.5"

    assert read_trace(path).processes == 1


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_trace(path)
    return str(caught.value)


def test_a_line_that_is_cut_off_is_named(tmp_path: Path):
    path = save(tmp_path, log(5, 1, "I  00400000,4", " S 006")) / "log.5"

    assert refusal(path).startswith(f"{path}:5: expected a line such as ' L 1fff000640,8'")


def test_a_log_without_accesses_is_refused(tmp_path: Path):
    path = save(tmp_path, "==5== Lackey, an example\n==5== Parent PID: 1\n")

    assert "record it with --trace-mem=yes" in refusal(path)


def test_a_log_without_its_parent_is_refused(tmp_path: Path):
    path = save(tmp_path, "==5== Lackey, an example\nI  00400000,4\n")

    assert "record it with --log-file=PREFIX.%p" in refusal(path)


def test_a_log_whose_beginning_is_missing_is_refused(tmp_path: Path):
    path = save(tmp_path, log(5, 1, " S 00600000,8"))

    assert "expected a log that begins with an instruction" in refusal(path)


def test_logs_of_two_runs_in_one_folder_are_refused(tmp_path: Path):
    path = save(tmp_path, log(5, 1, CALL), log(6, 2, CALL))

    assert "got 2 processes without a parent (5, 6); keep each run" in refusal(path)


def test_a_child_that_began_with_exec_is_refused(tmp_path: Path):
    path = save(tmp_path, log(5, 1, CALL, BACK), log(6, 5, "I  00500000,4"))

    assert "one that began with exec" in refusal(path)


def test_a_missing_log_of_a_child_is_noticed(tmp_path: Path):
    path = save(tmp_path, log(5, 1, CALL, BACK, CALL, BACK), log(6, 5, BACK))

    assert "expected the logs of 2 children, got 1" in refusal(path)


def test_the_recorded_shell_forks_once_and_its_child_twice(traces: Path):
    trace = read_trace(traces / "busybox-sh")

    assert [(fork.parent, fork.child) for fork in trace.forks] == [(0, 1), (1, 2), (1, 3)]
    assert np.bincount(trace.process).tolist() == [69, 40, 19, 21]
    assert len(np.unique(trace.page)) == 38
    assert trace.count.sum() == 57_311
