"""trace: what was recorded is what is replayed, and faults where the recording has them."""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from cowmodel.trace import Trace, read_trace
from tests.toy import fault_rows
from tests.workload.playing import FIRST, Play, play, workload

TRACES = Path(__file__).parents[2] / "configs" / "traces"
REDIS, SHELL = "redis-bgsave.faults.csv.gz", "busybox-sh"
GROWING = ["sort.pages.csv.gz", "sqlite.pages.csv.gz"]
NAMES = [REDIS, SHELL, *GROWING]


@cache
def recorded(name: str) -> Trace:
    return read_trace(TRACES / name)


@cache
def replayed(name: str, policy: str = "cow-flip") -> Play:
    replay = workload("trace", trace=str(TRACES / name), backing="base", write_bytes=8)
    return play(replay, policy, memory_bytes=256 << 20)


def pid_of(process: int) -> int:
    """Return the pid of a process of the trace; forks are numbered in their order in both."""
    return process + 1


def faulted(name: str, policy: str, *kinds: str) -> Counter[tuple[int, int]]:
    """Count the faults of some kinds by process and page of the trace."""
    rows = fault_rows(replayed(name, policy).machine.records)
    return Counter((row.pid - 1, row.vpn - FIRST) for row in rows if row.kind in kinds)


# ------------------------------------------------------------------------ replay
@pytest.mark.parametrize("name", NAMES)
def test_each_process_makes_the_accesses_of_its_records_in_their_order(name: str):
    trace, played = recorded(name), replayed(name)

    for process in range(trace.processes):
        mine = trace.process == process
        assert played.pages(pid_of(process)) == trace.page[mine].tolist()
        writes = [written > 0 for _, written in played.journal.accesses[pid_of(process)]]
        assert writes == trace.write[mine].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_write_stands_for_as_many_bytes_as_the_configuration_says(name: str):
    written = sum(process.written_bytes for process in replayed(name).everyone)

    assert written == 8 * int(recorded(name).write.sum())


@pytest.mark.parametrize("name", NAMES)
def test_there_are_the_forks_of_the_trace_and_each_child_is_waited_for(name: str):
    trace, played = recorded(name), replayed(name)

    forks = [(row.pid, row.child) for row in played.machine.records.actions if row.action == "fork"]
    assert forks == [(pid_of(fork.parent), pid_of(fork.child)) for fork in trace.forks]
    assert played.actions("wait") == len(trace.forks)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_resident_before_the_trace_is_so_before_the_replay(name: str):
    trace, played = recorded(name), replayed(name)

    populated = played.everyone[0].faults["zero_fill"] - sum(
        row.kind == "zero_fill" and row.pid == 1 for row in fault_rows(played.machine.records)
    )
    assert populated == len(trace.resident_pages())


def test_the_areas_of_a_trace_are_mapped_where_they_lie():
    spans = [(area.first_page, area.first_page + area.pages) for area in recorded(REDIS).areas]
    played = replayed(REDIS)

    mapped = [row for row in played.machine.records.actions if row.action == "mmap"]
    assert 1 <= len(mapped) <= len(spans)
    assert {row.pid for row in mapped} == {1}


# ------------------------------------------------------------------------- redis
@pytest.mark.parametrize("policy", ["cow", "cow-flip"])
def test_redis_copies_or_flips_at_each_recorded_protection_fault_and_nowhere_else(policy: str):
    trace = recorded(REDIS)
    assert trace.expects_fault is not None
    expected = zip(
        trace.process[trace.expects_fault].tolist(), trace.page[trace.expects_fault].tolist(), strict=True
    )

    found = faulted(REDIS, policy, "cow_copy", "cow_reuse")

    assert found == Counter(expected)
    assert found.total() == 17_588


def test_redis_fills_a_page_at_the_one_recorded_first_touch():
    trace = recorded(REDIS)
    assert trace.expects_fault is not None
    (at,) = np.flatnonzero(~trace.expects_fault)

    found = faulted(REDIS, "cow-flip", "zero_fill", "zero_map", "zero_replace")

    assert found == {(int(trace.process[at]), int(trace.page[at])): 1}


def test_redis_flips_what_its_child_wrote_too_or_has_left():
    trace = recorded(REDIS)
    (end,) = trace.exits
    late = int((trace.process[end.at_record :] == 0).sum())
    both = set(trace.page[trace.process == 0].tolist()) & set(trace.page[trace.process == 1].tolist())

    flips, copies = (faulted(REDIS, "cow-flip", kind) for kind in ("cow_reuse", "cow_copy"))

    at_once = sum((0, page) in copies and (1, page) in copies for page in both)  # then both copy
    assert (late, len(both)) == (1305, 41)
    assert at_once <= 3
    assert flips.total() == 1305 + 41 - at_once


def test_redis_without_a_flip_copies_all_of_them():
    assert faulted(REDIS, "cow", "cow_copy").total() == 17_588


def test_redis_under_an_eager_kernel_copies_at_the_fork_and_at_no_write():
    played = replayed(REDIS, "eager")

    (fork,) = [row for row in played.machine.records.actions if row.action == "fork"]
    assert fork.copied_bytes == 17_547 * 4096
    assert faulted(REDIS, "eager", "cow_copy", "cow_reuse").total() == 0


def test_redis_makes_each_access_no_earlier_than_it_was_recorded():
    trace, rows = recorded(REDIS), fault_rows(replayed(REDIS).machine.records)
    assert trace.time_ps is not None
    fork = next(row for row in replayed(REDIS).machine.records.actions if row.action == "fork")
    recorded_ps = dict(
        zip(
            zip(trace.process.tolist(), trace.page.tolist(), strict=True), trace.time_ps.tolist(), strict=True
        )
    )

    delays = [row.time_ps - fork.time_ps - recorded_ps[row.pid - 1, row.vpn - FIRST] for row in rows]

    assert min(delays) >= 0
    assert np.median(delays) < 10**9


def test_the_saving_child_of_redis_exits_when_it_was_recorded_to():
    (end,) = recorded(REDIS).exits
    actions = replayed(REDIS).machine.records.actions
    fork = next(row for row in actions if row.action == "fork")

    exited = next(row for row in actions if row.action == "exit" and row.pid == 2)

    assert end.time_ps == 7_834_649 * 10**6
    assert exited.time_ps - fork.time_ps == end.time_ps


# ------------------------------------------------------------------ sort, sqlite
@pytest.mark.parametrize("name", GROWING)
def test_a_program_that_does_not_fork_fills_pages_it_writes_first(name: str):
    first = first_records(recorded(name))

    found = faulted(name, "cow-flip", "zero_fill")

    assert found == Counter({(0, page): 1 for page, write in first.items() if write})


@pytest.mark.parametrize("name", GROWING)
def test_a_program_that_does_not_fork_maps_the_zero_page_where_it_reads_first(name: str):
    trace = recorded(name)
    first, written = first_records(trace), set(trace.page[trace.write].tolist())

    maps, replaced = (faulted(name, "cow-flip", kind) for kind in ("zero_map", "zero_replace"))

    read = {page for page, write in first.items() if not write}
    assert maps == Counter({(0, page): 1 for page in read})
    assert replaced == Counter({(0, page): 1 for page in read & written})


@pytest.mark.parametrize("name", GROWING)
def test_a_program_that_does_not_fork_copies_and_flips_nothing(name: str):
    assert faulted(name, "cow-flip", "cow_copy", "cow_reuse").total() == 0


@pytest.mark.parametrize(
    ("name", "maps", "fills", "replaced"),
    [("sort.pages.csv.gz", 104, 81, 40), ("sqlite.pages.csv.gz", 192, 87, 9)],
)
def test_sort_and_sqlite_have_their_numbers_of_faults(name: str, maps: int, fills: int, replaced: int):
    assert replayed(name).faults == {"zero_map": maps, "zero_fill": fills, "zero_replace": replaced}


def first_records(trace: Trace) -> dict[int, bool]:
    """Return of each page whether its first record is a write."""
    pages, at = np.unique(trace.page, return_index=True)
    return dict(zip(pages.tolist(), trace.write[at].tolist(), strict=True))


# -------------------------------------------------------------------- busybox-sh
def test_the_shell_forks_a_subshell_that_forks_a_pipeline():
    parents = [process.parent for process in replayed(SHELL).everyone]
    forks = [(fork.parent, fork.child) for fork in recorded(SHELL).forks]

    assert len(parents) == 4
    assert forks == [(0, 1), (1, 2), (1, 3)]


@pytest.mark.parametrize("policy", ["cow", "cow-flip"])
def test_the_processes_of_the_shell_write_protected_pages_where_a_forked_heap_has_them(policy: str):
    copied = faulted(SHELL, policy, "cow_copy", "cow_reuse")

    assert copied == expected_of_a_shell(recorded(SHELL))


def expected_of_a_shell(trace: Trace) -> Counter[tuple[int, int]]:
    """Count, by the rule alone, first writes after a fork to pages that were written before it."""
    written, protected, expected = [set[int]()], [set[int]()], Counter[tuple[int, int]]()
    columns = (trace.process.tolist(), trace.page.tolist(), trace.write.tolist())
    for record, (process, page, write) in enumerate(zip(*columns, strict=True)):
        for fork in (fork for fork in trace.forks if fork.at_record == record):
            protected[fork.parent] |= written[fork.parent]
            written.append(set(written[fork.parent]))
            protected.append(set(protected[fork.parent]))
        if write and page in protected[process]:
            expected[process, page] += 1
            protected[process].discard(page)
        if write:
            written[process].add(page)
    return expected
