"""Threads: one address space on several cores."""

from functools import partial

import numpy as np
import pytest

from cowmodel.engine.contention import Contention
from cowmodel.errors import ConfigError, SimulationError
from cowmodel.kernel.work import Work
from cowmodel.machine import Machine
from cowmodel.program import Activity, Program
from tests.machine.bench import bench, prices, run
from tests.toy import PAGE, fault_rows

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


def test_forks_by_threads_of_one_process_exclude_each_other_and_those_of_two_do_not():
    def twice(program: Program) -> Activity:
        thread = yield from program.thread(forker)
        yield from forker(program)
        yield from program.join(thread)

    def forker(program: Program) -> Activity:
        child = yield from program.fork(idle)
        yield from program.wait(child)

    threads = run(bench(prices(forks=700), cores=4), twice)
    processes = run(bench(prices(forks=700), cores=4), forker, forker)

    assert forks_begin(threads) == [0, 700]
    assert forks_begin(processes) == [0, 0]


def forks_begin(machine: Machine) -> list[int]:
    return [row.time_ps for row in machine.records.actions if row.action == "fork"]


@pytest.mark.parametrize(("second", "waits"), [(1, [0, 50]), (512, [0, 0])])
def test_faults_of_threads_wait_for_each_other_only_in_one_table_page(second: int, waits: list[int]):
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(1024 * PAGE)
        yield from program.populate(heap, np.array([0, second]))
        child = yield from program.fork(idle)
        thread = yield from program.thread(partial(one_page, heap=heap, page=second))
        yield from one_page(program, heap=heap, page=0)
        yield from program.join(thread)
        yield from program.wait(child)

    machine = run(bench(prices(copied_bytes=0.01, invalidations=50), cores=3), main)

    copies = [row for row in fault_rows(machine.records) if row.kind == "cow_copy"]
    assert sorted(row.waited_ps for row in copies) == waits


def one_page(program: Program, heap: object, page: int) -> Activity:
    yield from program.access(heap, np.array([page]), written=1)  # type: ignore[arg-type]


def test_a_fault_waits_until_a_fork_is_over_that_finds_the_caches_cold():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(4 * PAGE)
        thread = yield from program.thread(partial(writer, heap=heap, pages=1, think_ps=10))
        child = yield from program.fork(idle)
        yield from program.join(thread)
        yield from program.wait(child)

    machine = run(bench(prices(traps=TRAP, forks=500, cold_forks=300), cores=3), main)

    (fault,) = machine.records.fault_table().itertuples()
    assert (fault.time_ps, fault.waited_ps) == (10, 790)
