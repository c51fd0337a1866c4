"""Threads: one address space on several cores."""

from functools import partial

import numpy as np
import pytest

from cowmodel.engine.contention import Contention
from cowmodel.errors import ConfigError, SimulationError
from cowmodel.kernel.work import Work
from cowmodel.program import Activity, Program
from tests.machine.bench import bench, prices, run
from tests.toy import PAGE

TRAP, SHOOTDOWN, HIT = 100, 1000, 1


def writer(program: Program, heap: object, pages: int, think_ps: int = 0) -> Activity:
    yield from program.think(think_ps)
    yield from program.access(heap, np.arange(pages), written=1)  # type: ignore[arg-type]


def test_a_process_ends_with_its_last_thread_and_its_threads_see_the_same_memory():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(4 * PAGE)
        thread = yield from program.thread(partial(writer, heap=heap, pages=4))
        yield from program.join(thread)
        yield from program.access(heap, np.arange(4), written=0)

    machine = run(bench(prices(traps=TRAP, hits=HIT), cores=2), main)

    (process,) = machine.kernel.everyone
    assert (process.faults, process.threads, process.space) == ({"zero_fill": 4}, 1, None)


def test_a_process_cannot_exit_while_other_threads_of_it_run():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(4 * PAGE)
        yield from program.thread(partial(writer, heap=heap, pages=4, think_ps=10))
        yield from program.exit()

    with pytest.raises(SimulationError, match="process 1 exits while it has 1 other threads; join them"):
        run(bench(prices(), cores=2), main)


@pytest.mark.parametrize(("other_runs", "shootdowns"), [(True, 1), (False, 0)])
def test_a_copy_interrupts_the_other_cores_that_run_the_address_space(other_runs: bool, shootdowns: int):
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(4 * PAGE)
        yield from program.populate(heap)
        child = yield from program.fork(idle)
        busy = partial(reader, heap=heap) if other_runs else idle
        thread = yield from program.thread(busy)
        yield from program.access(heap, np.arange(1), written=1)
        yield from program.join(thread)
        yield from program.wait(child)

    machine = run(bench(prices(traps=TRAP, hits=HIT, shootdowns=SHOOTDOWN), cores=3), main)

    (copy,) = [fault for fault in machine.records.fault_counts if fault.kind == "cow_copy"]
    assert copy.work.shootdowns == shootdowns


def idle(program: Program) -> Activity:
    yield from program.think(10**6)


def reader(program: Program, heap: object) -> Activity:
    yield from program.access(heap, np.zeros(10_000, np.int64), written=0)  # type: ignore[arg-type]


def test_a_fault_waits_while_a_verb_of_another_thread_changes_the_mappings():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(4 * PAGE)
        thread = yield from program.thread(partial(writer, heap=heap, pages=1, think_ps=10))
        yield from program.mmap(PAGE)
        yield from program.join(thread)

    machine = run(bench(prices(traps=TRAP, mappings=500), cores=2), main)

    (fault,) = machine.records.fault_table().itertuples()
    assert (fault.time_ps, fault.waited_ps) == (510, 490)


def test_memory_serves_transfers_one_after_the_other():
    contention = Contention(bandwidth=4096 * 10**9)
    page = Work(copied_bytes=PAGE)

    assert [contention.wait_for_memory(now, page) for now in (0, 400, 5000)] == [0, 600, 0]
    assert contention.wait_for_memory(5000, Work(traps=1)) == 0


def test_a_memory_that_nothing_gets_through_is_refused():
    with pytest.raises(ConfigError, match="machine.bandwidth: expected at least 1 byte a second, got 0"):
        Contention(bandwidth=0)
