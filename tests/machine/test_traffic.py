"""Memory that verbs and faults of several cores share: prices of 1 ps a byte, memory of 1 byte a ps."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from cowmodel.catalog import COSTS, ENGINES, PAGINGS, POLICIES
from cowmodel.cost.preset import load_preset
from cowmodel.engine.contention import Contention
from cowmodel.engine.traffic import Traffic, moved_bytes
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.work import Work
from cowmodel.machine import Machine
from cowmodel.program import Activity, Main, Program, start
from cowmodel.records import ActionRow
from cowmodel.workload.concurrent_forks import ConcurrentForks
from cowmodel.workload.streams import Streams
from tests.machine.bench import bench, fresh_pages, prices, run
from tests.toy import PAGE, fault_rows

BYTE_A_PS = 10**12  # bytes a second


def filler(pages: int, begin_ps: int = 0) -> Main:
    """Return a program that fills so many pages in one verb."""

    def main(program: Program) -> Activity:
        heap = yield from program.mmap(pages * PAGE)
        yield from program.think(begin_ps)
        yield from program.populate(heap)
        yield from program.think(10**9)  # an exit moves memory too

    return main


def filled(*mains: Main, bandwidth: int | None = BYTE_A_PS, **more_prices: float) -> list[ActionRow]:
    """Return the actions that filled pages, by process."""
    costs = prices(zeroed_bytes=1, **more_prices)
    machine = bench(costs, cores=len(mains), frames=128, contention=Contention(bandwidth=bandwidth))
    run(machine, *mains)
    rows = [row for row in machine.records.actions if row.action == "populate"]
    return sorted(rows, key=lambda row: row.pid)


def pages_taken(rows: list[ActionRow]) -> list[float]:
    """Return for how long each was under way, in the time that memory needs for a page."""
    return [(row.cost_ps + row.waited_ps) / PAGE for row in rows]


# --------------------------------------------------------------- verbs among themselves
@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
def test_so_many_equal_verbs_that_only_move_memory_each_take_so_many_times_as_long(count: int):
    rows = filled(*[filler(3)] * count)

    assert pages_taken(rows) == [3 * count] * count


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("bandwidth", [8 * BYTE_A_PS, None])
def test_verbs_for_which_there_is_bandwidth_take_as_long_as_one(count: int, bandwidth: int | None):
    rows = filled(*[filler(3)] * count, bandwidth=bandwidth)

    assert [(row.cost_ps, row.waited_ps) for row in rows] == [(3 * PAGE, 0)] * count


def test_verbs_that_together_want_a_third_more_than_there_is_take_a_third_longer():
    rows = filled(filler(3), filler(3), bandwidth=3 * BYTE_A_PS // 2)

    assert pages_taken(rows) == [4, 4]


def test_a_verb_alone_is_no_faster_than_memory():
    assert pages_taken(filled(filler(3), bandwidth=BYTE_A_PS // 2)) == [6]


def test_verbs_share_memory_only_while_they_are_under_way_together():
    """|==== alone ====|---- both, 2 of each ----|== alone ==|: 4 + 4 + 2 pages of time."""
    rows = filled(filler(8), filler(2, begin_ps=4 * PAGE))

    assert pages_taken(rows) == [10, 4]


def test_the_shorter_of_two_is_over_first_and_leaves_memory_to_the_other():
    assert pages_taken(filled(filler(6), filler(2))) == [8, 4]


def test_a_third_verb_slows_two_others_from_when_it_begins():
    """Two until 4, where 2 and 4 pages are left; three until 10, where 2 and 2 are; two until 14."""
    rows = filled(filler(4), filler(6), filler(4, begin_ps=4 * PAGE))

    assert pages_taken(rows) == [10, 14, 10]


def test_a_verb_that_needs_less_than_its_share_is_not_slowed():
    """One moves 4 pages in the time of 16, which leaves 3/4 of memory to another that could use all of it."""
    traffic = Traffic(BYTE_A_PS, np.zeros(2, np.int64))
    small = traffic.begin(0, 16 * PAGE, 4 * PAGE)
    large = traffic.begin(0, 6 * PAGE, 6 * PAGE)

    assert traffic.remaining_ps(0, small) == 16 * PAGE
    assert traffic.remaining_ps(0, large) == 8 * PAGE
    traffic.end(large)
    assert traffic.remaining_ps(8 * PAGE, small) == 8 * PAGE


def test_what_is_moved_while_memory_is_busy_is_its_bandwidth():
    rng = np.random.default_rng(5)
    works = [(int(rng.integers(1, 20)), int(rng.integers(0, 30)) * PAGE) for _ in range(6)]

    rows = filled(*(filler(pages, begin_ps) for pages, begin_ps in works))

    spans = sorted((row.time_ps, row.time_ps + row.cost_ps + row.waited_ps) for row in rows)
    busy_ps = 0
    until = 0
    for begin, end in spans:
        busy_ps += max(0, end - max(begin, until))
        until = max(until, end)
    assert busy_ps == pytest.approx(sum(row.cost_ps for row in rows), abs=len(rows))
    assert sum(later[0] < first[1] for first, later in pairwise(spans)) >= 3


def test_a_fork_moves_the_entries_and_the_records_of_their_frames():
    assert moved_bytes(Work(pte_entries=512, protections=512, pte_tables=1)) == 512 * (8 + 8 + 64)
    assert moved_bytes(Work(pmd_entries=1, parts=16, batches=1)) == 80 + 16 * 16 + 64
    assert moved_bytes(Work(drops=2, large_drops=1, dropped_parts=15)) == 3 * 72 + 15 * 8
    assert moved_bytes(Work(forks=1, vmas=3, traps=2, flushes=1)) == 0


def test_demands_are_met_before_what_is_left_is_shared_equally():
    traffic = Traffic(100, np.zeros(2, np.int64))
    small, *large = (traffic.begin(0, 10**12, moved) for moved in (10, 60, 90))

    times = [traffic.remaining_ps(0, transfer) for transfer in (small, *large)]

    assert times == [10**12, -(-60 * 10**12 // 45), 2 * 10**12]


# ------------------------------------------------------------------------ with faults
def test_faults_get_half_of_memory_while_a_verb_could_use_all_and_the_verb_the_other_half():
    costs = prices(zeroed_bytes=1)
    machine = bench(costs, cores=2, contention=Contention(bandwidth=BYTE_A_PS))

    run(machine, filler(10), fresh_pages(20))

    (verb,) = [row for row in machine.records.actions if row.action == "populate"]
    assert pages_taken([verb]) == [pytest.approx(20, abs=1)]
    faults = fault_rows(machine.records)
    last = faults[-1].time_ps + faults[-1].cost_ps + faults[-1].waited_ps
    assert last == pytest.approx(30 * PAGE, abs=PAGE)  # as memory needs for all of it
    waits = [row.waited_ps for row in faults]
    assert waits[:2] == [0, PAGE]
    assert set(waits[12:]) == {0}


def test_faults_that_need_less_than_a_verb_leaves_do_not_wait():
    costs = prices(zeroed_bytes=1, traps=3 * PAGE)
    machine = bench(costs, cores=2, contention=Contention(bandwidth=2 * BYTE_A_PS))

    run(machine, filler(10), fresh_pages(20))

    assert {row.waited_ps for row in machine.records.actions if row.action == "populate"} == {0}
    assert {row.waited_ps for row in fault_rows(machine.records)} == {0}


@pytest.mark.parametrize("bandwidth", [10**8, 10**9])
def test_engines_agree_where_forks_and_faults_share_memory(bandwidth: int):
    seen = []
    for engine in ENGINES.values():
        kernel = Kernel(PAGINGS["x86-64"], 64 << 20, POLICIES["cow-flip"]())
        contention = Contention(bandwidth=bandwidth)
        machine = Machine(kernel, load_preset(COSTS["vm-linux6.18"]), engine, 3, contention=contention)
        for seed in range(2):
            keys = {"heap": "1 MiB", "backing": "base", "processes": 2 + seed, "written": 0.5}
            forks, streams = ConcurrentForks.model_validate(keys), Streams(seed, 0)
            start(machine, partial(forks.main, streams=streams))
        machine.run()
        seen.append((machine.now, machine.records.actions, fault_rows(machine.records)))

    assert seen[0] == seen[1]
    assert any(row.waited_ps for row in seen[0][1])
    assert any(row.waited_ps for row in seen[0][2])
