"""mprotect, mremap, madvise, mlock, pin, unpin and merge in simulated time."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np
import pytest

from cowmodel.catalog import ENGINES
from cowmodel.engine.burst import FaultRow
from cowmodel.errors import SegmentationFault, SimulationError
from cowmodel.kernel.vma import Vma
from cowmodel.program import Activity, Program
from tests.machine.bench import bench, prices, run
from tests.toy import PAGE, fault_rows

TRAP, CALL = 100, 500
Verb = Callable[[Program, Vma], Activity]


def heap(program: Program, pages: int = 8) -> Activity:
    """Return a mapping of which every page was written."""
    vma = yield from program.mmap(pages * PAGE)
    yield from program.populate(vma)
    return vma


def after(verb: Verb) -> Callable[[Program], Activity]:
    """Return a program that has a heap and calls a verb on it."""

    def main(program: Program) -> Activity:
        vma = yield from heap(program)
        yield from verb(program, vma)

    return main


@pytest.mark.parametrize(
    ("verb", "action", "cost"),
    [
        (lambda program, vma: program.mprotect(vma, "r"), "mprotect", CALL),
        (lambda program, vma: program.madvise(vma, "dontneed"), "madvise dontneed", CALL + 8),
        (lambda program, vma: program.madvise(vma, "wipeonfork"), "madvise wipeonfork", CALL),
        (lambda program, vma: program.mlock(vma), "mlock", CALL),
        (lambda program, vma: program.pin(vma), "pin", CALL),
        (lambda program, vma: program.unpin(vma), "unpin", CALL),
        (lambda program, vma: program.merge(vma), "merge", CALL + 7),
    ],
)
def test_a_verb_takes_the_time_of_its_work_and_is_recorded(verb: Verb, action: str, cost: int):
    machine = run(bench(prices(mappings=CALL, drops=1)), after(verb))

    (row,) = [row for row in machine.records.actions if row.action == action]
    assert (row.pid, row.cost_ps, row.time_ps) == (1, cost, CALL)


def test_a_verb_is_about_the_pages_that_are_named_and_no_others():
    def main(program: Program) -> Activity:
        vma = yield from heap(program)
        yield from program.madvise(vma, "dontneed", 2, 3)
        yield from program.access(vma, np.arange(8), written=1)

    machine = run(bench(prices()), main)

    first = machine.records.fault_table().vpn.min() - 2
    assert [row.vpn - first for row in fault_rows(machine.records)] == [2, 3, 4]


def test_a_mapping_that_was_cut_is_still_meant_by_what_mmap_returned():
    def main(program: Program) -> Activity:
        vma = yield from heap(program)
        yield from program.mprotect(vma, "r", 2, 2)
        yield from program.mlock(vma, 3, 4)
        yield from program.mprotect(vma, "rw")
        yield from program.access(vma, np.arange(8), written=1)
        yield from program.madvise(vma, "dontneed")

    machine = run(bench(prices()), main)

    assert machine.records.action_work.drops == 8 + 0
    assert machine.kernel.written_bytes == 8


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        (lambda program, vma: program.madvise(vma, "populate_write"), "cow_copy"),
        (lambda program, vma: program.madvise(vma, "populate_read"), ""),
        (lambda program, vma: program.mlock(vma), "cow_copy"),
        (lambda program, vma: program.pin(vma), "cow_copy"),
        (lambda program, vma: program.merge(vma), "cow_copy"),
    ],
)
def test_faults_inside_a_verb_are_counted_but_not_listed_as_those_of_populate_are(verb: Verb, kind: str):
    def main(program: Program) -> Activity:
        vma = yield from heap(program)
        child = yield from program.fork(partial(idle, vma=vma))
        yield from verb(program, vma)
        yield from program.wait(child)

    machine = run(bench(prices(traps=TRAP), cores=2), main)

    process = machine.kernel.everyone[0]
    assert process.faults == {"zero_fill": 8} | ({kind: 8} if kind else {})
    assert process.copied_bytes == (8 * PAGE if kind else 0)
    assert fault_rows(machine.records) == []
    assert machine.records.action_work.traps == 8 + (8 if kind else 0)


def idle(program: Program, vma: Vma) -> Activity:
    yield from program.think(10**6)


def test_what_moved_is_where_the_returned_vma_says():
    def main(program: Program) -> Activity:
        vma = yield from heap(program)
        there = yield from program.mremap(vma, vma.first + 4096)
        yield from program.access(there, np.arange(8), written=1)
        yield from program.access(vma, np.arange(8), written=1)

    machine = bench(prices())

    with pytest.raises(SegmentationFault, match="outside its mappings"):
        run(machine, main)
    assert machine.kernel.everyone[0].written_bytes == 8
    assert [row.action for row in machine.records.actions][-2:] == ["populate", "mremap"]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_lower_core_does_just_when_another_is_stopped_comes_before(engine: str):
    def busy(program: Program) -> Activity:
        vma = yield from heap(program)
        yield from program.access(vma, np.arange(8), written=1)

    def stopped(program: Program) -> Activity:
        vma = yield from heap(program)
        yield from program.mprotect(vma, "none")
        with suppress(SegmentationFault):
            yield from program.access(vma, np.arange(1), 0, np.array([400]))
        yield from program.mprotect(vma, "rw")

    machine = bench(prices(hits=100), cores=2)
    machine.engine = ENGINES[engine](
        machine.kernel, machine.costs.cost_ps, machine.records, machine.contention
    )
    run(machine, busy, stopped)

    (row,) = [row for row in machine.records.actions if row.action == "mprotect" and row.time_ps]
    assert (row.time_ps, row.core, row.written_bytes) == (400, 1, 5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_read_that_the_rights_forbid_is_a_segmentation_fault_in_every_engine(engine: str):
    def main(program: Program) -> Activity:
        vma = yield from heap(program)
        yield from program.access(vma, np.arange(8), written=0)
        yield from program.mprotect(vma, "none", 4, 1)
        yield from program.access(vma, np.arange(8), written=0)

    machine = bench(prices(hits=1, traps=TRAP))
    machine.engine = ENGINES[engine](
        machine.kernel, machine.costs.cost_ps, machine.records, machine.contention
    )

    with pytest.raises(SegmentationFault, match="process 1 read page .* in a mapping without rights"):
        run(machine, main)

    assert machine.records.action_work.hits == 8 + 4


@pytest.mark.parametrize("engine", ENGINES)
def test_a_write_that_the_rights_forbid_is_a_segmentation_fault_in_every_engine(engine: str):
    def main(program: Program) -> Activity:
        vma = yield from heap(program)
        yield from program.mprotect(vma, "r", 4, 1)
        yield from program.access(vma, np.arange(8), written=1)

    machine = bench(prices(hits=1, traps=TRAP))
    machine.engine = ENGINES[engine](
        machine.kernel, machine.costs.cost_ps, machine.records, machine.contention
    )

    with pytest.raises(SegmentationFault, match="process 1 wrote to page .* in a read-only mapping"):
        run(machine, main)

    assert machine.kernel.everyone[0].written_bytes == 4


def test_a_fault_of_another_thread_waits_for_the_verb():
    def main(program: Program) -> Activity:
        vma = yield from program.mmap(4 * PAGE)
        thread = yield from program.thread(partial(writer, vma=vma))
        yield from program.madvise(vma, "dontneed")
        yield from program.join(thread)

    machine = run(bench(prices(traps=TRAP, mappings=CALL), cores=2), main)

    assert [(row.time_ps, row.waited_ps) for row in fault_rows(machine.records)] == [(CALL + 10, CALL - 10)]


def writer(program: Program, vma: Vma) -> Activity:
    yield from program.think(10)
    yield from program.access(vma, np.arange(1), written=1)


def test_a_verb_that_fails_lets_the_other_threads_go_on():
    def main(program: Program) -> Activity:
        vma = yield from program.mmap(4 * PAGE)
        thread = yield from program.thread(partial(writer, vma=vma))
        with pytest.raises(SimulationError, match="mlock of pages that are not all mapped"):
            yield from program.mlock(vma, 2, 9)
        yield from program.join(thread)

    faults: list[FaultRow] = fault_rows(run(bench(prices(traps=TRAP), cores=2), main).records)

    assert [(row.time_ps, row.waited_ps) for row in faults] == [(10, 0)]


# ------------------------------------------------------------------------------------- vfork
def rests(program: Program) -> Activity:
    yield from program.think(1000)


def executes(program: Program) -> Activity:
    yield from program.exec()
    yield from program.think(10**6)


@pytest.mark.parametrize("child", [rests, executes])
def test_a_parent_has_its_memory_alone_again_after_vfork(child: Callable[[Program], Activity]):
    def main(program: Program) -> Activity:
        vma = yield from heap(program)
        for _ in range(3):
            yield from program.vfork(child)
        assert program.process.memory.cores == 0  # it slept until then
        yield from program.mprotect(vma, "r")

    machine = run(bench(prices(), cores=4), main)

    assert machine.records.action_work.shootdowns == 0
    assert (machine.kernel.frames.used, machine.kernel.frames.table_pages) == (0, 0)


def test_a_parent_goes_on_when_the_child_of_vfork_execs_and_does_not_wait_for_its_end():
    times: list[int] = []

    def main(program: Program) -> Activity:
        yield from program.vfork(executes)
        times.append(program.now)

    machine = run(bench(prices()), main)

    assert times[0] < 10**6 <= machine.now


def test_memory_that_a_child_of_vfork_shares_is_counted_once():
    def main(program: Program) -> Activity:
        vma = yield from heap(program)

        def child(other: Program) -> Activity:
            yield from other.access(vma, np.arange(8), written=1)
            other.machine.sample()

        yield from program.vfork(child)

    for row in run(bench(prices()), main).records.memory:
        assert row.pss_bytes == row.used_bytes
        assert row.entries == row.sharers


def test_a_process_with_threads_does_not_vfork():
    def main(program: Program) -> Activity:
        yield from program.thread(rests)
        yield from program.vfork(rests)

    with pytest.raises(SimulationError, match="process 1 vforks while it has 1 other threads"):
        run(bench(prices(), cores=2), main)
