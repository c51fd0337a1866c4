"""When what happens: programs on cores, in simulated time."""

from collections.abc import Callable

import numpy as np
import pytest

from cowmodel.engine.burst import LAST_PS, FaultRow
from cowmodel.errors import ConfigError, OutOfMemory, SegmentationFault, SimulationError
from cowmodel.machine import Machine
from cowmodel.program import Activity, Main, Program
from cowmodel.records import ActionRow
from tests.machine.bench import bench, fresh_pages, prices, run
from tests.toy import fault_rows

PAGE = 4096
Diary = list[tuple[str, int]]


def idle(program: Program) -> Activity:
    """Exit at once."""
    yield from ()


def sleeper(duration_ps: int) -> Main:
    """Return a program that thinks and exits."""

    def main(program: Program) -> Activity:
        yield from program.think(duration_ps)

    return main


def diary_of(write: Callable[[Diary], Main], machine: Machine) -> Diary:
    """Run a program that keeps a diary; return it."""
    diary: Diary = []
    run(machine, write(diary))
    return diary


# ------------------------------------------------------------------ fork, wait
def test_fork_delays_the_parent_and_the_child_starts_when_it_is_done():
    def write(diary: Diary) -> Main:
        def child(program: Program) -> Activity:
            diary.append(("child", program.now))
            yield from ()

        def main(program: Program) -> Activity:
            diary.append(("before", program.now))
            forked = yield from program.fork(child)
            diary.append(("after", program.now))
            yield from program.wait(forked)

        return main

    diary = diary_of(write, bench(prices(forks=700), cores=2))

    assert sorted(diary) == [("after", 700), ("before", 0), ("child", 700)]


@pytest.mark.parametrize("pages", [0, 1, 5])
def test_a_fork_takes_longer_by_each_entry(pages: int):
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(8 * PAGE)
        yield from program.populate(heap, np.arange(pages))
        child = yield from program.fork(idle)
        yield from program.wait(child)

    machine = run(bench(prices(forks=700, pte_entries=30)), main)

    (fork,) = [row for row in machine.records.actions if row.action == "fork"]
    assert fork.cost_ps == 700 + 30 * pages


def test_a_fork_costs_more_unless_another_was_made_within_10_ms_before():
    def main(program: Program) -> Activity:
        for pause_ps in (0, 10**10 - 700, 10**10 - 700 + 1, 10**12):
            yield from program.fork(idle)
            yield from program.think(pause_ps)
        yield from program.fork(idle)

    machine = run(bench(prices(forks=700, cold_forks=50), cores=6), main)

    forks = [row.cost_ps for row in machine.records.actions if row.action == "fork"]
    assert forks == [750, 700, 700, 750, 750]
    assert machine.records.action_work.cold_forks == 3


def test_a_spawn_is_no_fork_and_is_never_cold():
    def main(program: Program) -> Activity:
        yield from program.spawn(idle)

    machine = run(bench(prices(spawns=700, cold_forks=50), cores=2), main)

    assert machine.records.action_work.cold_forks == 0


def test_fork_returns_the_program_of_the_child():
    def write(diary: Diary) -> Main:
        def main(program: Program) -> Activity:
            child = yield from program.fork(idle)
            diary.append(("child", child.process.pid))
            diary.append(("parent", child.process.parent.pid))
            yield from program.wait(child)

        return main

    assert diary_of(write, bench(prices())) == [("child", 2), ("parent", 1)]


def test_wait_returns_when_the_child_has_exited_and_reaps_it():
    def write(diary: Diary) -> Main:
        def main(program: Program) -> Activity:
            child = yield from program.fork(sleeper(5000))
            yield from program.wait(child)
            diary.append(("waited", program.now))
            diary.append(("processes", len(program.machine.kernel.processes)))

        return main

    diary = diary_of(write, bench(prices(forks=700, exits=40, waits=3)))

    assert diary == [("waited", 700 + 5000 + 40 + 3), ("processes", 1)]


def test_waiting_for_a_child_that_has_exited_takes_no_sleep():
    def write(diary: Diary) -> Main:
        def main(program: Program) -> Activity:
            child = yield from program.fork(idle)
            yield from program.think(9000)
            yield from program.wait(child)
            diary.append(("waited", program.now))

        return main

    assert diary_of(write, bench(prices(forks=700, waits=3))) == [("waited", 9703)]


def test_a_spawned_child_starts_when_the_spawn_is_done_and_shares_nothing():
    def write(diary: Diary) -> Main:
        def child(program: Program) -> Activity:
            diary.append(("child", program.now))
            diary.append(("mappings", len(program.process.memory.vmas)))
            yield from ()

        def main(program: Program) -> Activity:
            yield from program.mmap(PAGE)
            spawned = yield from program.spawn(child)
            yield from program.wait(spawned)

        return main

    assert diary_of(write, bench(prices(spawns=250))) == [("child", 250), ("mappings", 0)]


def test_a_process_exits_when_its_program_returns():
    machine = run(bench(prices(exits=40)), idle)

    assert machine.now == 40
    assert machine.kernel.processes == {}
    assert [(row.action, row.cost_ps) for row in machine.records.actions] == [("exit", 40)]


def test_a_program_may_exit_by_itself():
    def main(program: Program) -> Activity:
        yield from program.exit()

    machine = run(bench(prices(exits=40)), main)

    assert [row.action for row in machine.records.actions] == ["exit"]


def test_the_run_is_over_when_the_last_process_has_exited():
    def main(program: Program) -> Activity:
        yield from program.fork(sleeper(9000))

    machine = run(bench(prices(exits=1)), main)

    assert machine.now == 9001
    assert machine.kernel.processes == {}


# ---------------------------------------------------------------------- verbs
def test_each_verb_takes_the_time_of_its_work():
    def write(diary: Diary) -> Main:
        def main(program: Program) -> Activity:
            heap = yield from program.mmap(4 * PAGE)
            diary.append(("mmap", program.now))
            yield from program.populate(heap, np.array([0, 1]))
            diary.append(("populate", program.now))
            yield from program.access(heap, np.array([0, 2]), written=1)
            diary.append(("access", program.now))
            yield from program.munmap(heap, 0, 1)
            diary.append(("munmap", program.now))
            yield from program.exec()
            diary.append(("exec", program.now))
            yield from program.think(5)
            diary.append(("think", program.now))

        return main

    costs = prices(mappings=10_000, traps=100, hits=1, drops=1_000_000, execs=10**8)
    diary = diary_of(write, bench(costs))

    assert diary == [
        ("mmap", 10_000),
        ("populate", 10_200),
        ("access", 10_302),
        ("munmap", 1_020_302),
        ("exec", 103_020_302),
        ("think", 103_020_307),
    ]


def test_an_action_is_recorded_with_who_did_it_when_where_and_at_what_cost():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(2 * PAGE)
        yield from program.access(heap, np.array([0, 1]), written=5)
        child = yield from program.fork(idle)
        yield from program.wait(child)

    machine = run(bench(prices(mappings=20, hits=3, forks=700), cores=2, policy="eager"), main)

    (fork,) = [row for row in machine.records.actions if row.action == "fork"]
    assert fork == ActionRow(
        time_ps=26,
        core=0,
        pid=1,
        action="fork",
        child=2,
        allocations=2,
        copied_bytes=2 * PAGE,
        written_bytes=10,
        cost_ps=700,
        waited_ps=0,
    )


def test_a_fault_is_recorded_with_who_took_it_when_where_and_at_what_cost():
    machine = run(bench(prices(mappings=20, traps=100, hits=3)), fresh_pages(2))

    first = 1 << 28
    assert fault_rows(machine.records) == [
        FaultRow(20, 0, 1, first, "zero_fill", 0, 100, 0, 0, 0, 0),
        FaultRow(123, 0, 1, first + 1, "zero_fill", 0, 100, 0, 0, 0, 0),
    ]


def test_without_a_record_of_faults_nobody_records_how_threads_spend_their_time():
    machine = run(bench(prices(traps=100), record_faults=False), fresh_pages(3))

    assert machine.records.spans == []


def test_without_a_record_of_faults_their_costs_are_counted_all_the_same():
    machine = run(bench(prices(traps=100), record_faults=False), fresh_pages(3))

    assert fault_rows(machine.records) == []
    assert [(fault.kind, count) for fault, count in machine.records.fault_counts.items()] == [
        ("zero_fill", 1),
        ("zero_fill", 2),
    ]


# ---------------------------------------------------------------------- cores
def test_two_programs_on_two_cores_run_at_the_same_time():
    machine = run(bench(prices(traps=100), cores=2), fresh_pages(2), fresh_pages(2))

    assert [(row.time_ps, row.core, row.pid) for row in fault_rows(machine.records)] == [
        (0, 0, 1),
        (0, 1, 2),
        (100, 0, 1),
        (100, 1, 2),
    ]


def test_two_busy_programs_on_one_core_alternate_by_the_quantum():
    machine = run(bench(prices(traps=100), quantum_ps=200), fresh_pages(5), fresh_pages(3))

    assert [(row.time_ps, row.pid) for row in fault_rows(machine.records)] == [
        (0, 1),
        (100, 1),
        (200, 2),
        (300, 2),
        (400, 1),
        (500, 1),
        (600, 2),
        (700, 1),
    ]


def test_an_access_that_began_in_a_slice_ends_in_it():
    machine = run(bench(prices(traps=100), quantum_ps=150), fresh_pages(3), fresh_pages(1))

    assert [(row.time_ps, row.pid) for row in fault_rows(machine.records)] == [
        (0, 1),
        (100, 1),
        (200, 2),
        (300, 1),
    ]


def test_each_switch_from_one_process_to_another_is_charged():
    machine = run(bench(prices(traps=100, switches=7), quantum_ps=100), fresh_pages(2), fresh_pages(2))

    assert [(row.time_ps, row.pid) for row in fault_rows(machine.records)] == [
        (0, 1),
        (107, 2),
        (214, 1),
        (321, 2),
    ]


def test_a_program_that_runs_alone_is_never_switched():
    machine = run(bench(prices(traps=100, switches=7), quantum_ps=100), fresh_pages(4))

    assert [row.time_ps for row in fault_rows(machine.records)] == [0, 100, 200, 300]


def test_going_on_after_a_thought_is_no_switch_if_nobody_else_ran():
    def main(program: Program) -> Activity:
        yield from program.mmap(PAGE)
        yield from program.think(50)
        yield from program.mmap(PAGE)

    machine = run(bench(prices(switches=7)), main)

    assert [(row.time_ps, row.action) for row in machine.records.actions] == [
        (0, "mmap"),
        (50, "mmap"),
        (50, "exit"),
    ]


def test_a_program_that_thinks_leaves_the_core_to_another():
    def main(program: Program) -> Activity:
        yield from program.mmap(PAGE)
        yield from program.think(1000)

    machine = run(bench(prices(traps=100)), main, fresh_pages(3))

    assert [(row.time_ps, row.pid) for row in fault_rows(machine.records)] == [(0, 2), (100, 2), (200, 2)]
    assert machine.now == 1000


def test_a_program_that_waits_leaves_the_core_to_its_child():
    def main(program: Program) -> Activity:
        child = yield from program.fork(fresh_pages(2))
        yield from program.wait(child)

    machine = run(bench(prices(traps=100, forks=50)), main)

    assert [(row.time_ps, row.pid) for row in fault_rows(machine.records)] == [(50, 2), (150, 2)]


def test_whoever_waits_longest_for_a_core_gets_it_first():
    machine = run(bench(prices(traps=100), quantum_ps=100), *[fresh_pages(2)] * 3)

    assert [row.pid for row in fault_rows(machine.records)] == [1, 2, 3, 1, 2, 3]


def test_a_program_comes_back_to_the_core_it_had_if_that_is_idle():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(3 * PAGE)
        for page in range(3):
            yield from program.access(heap, np.array([page]), written=1)
            yield from program.think(1000)

    machine = run(bench(prices(traps=100), cores=3), main, main)

    assert [(row.pid, row.core) for row in fault_rows(machine.records)] == [(1, 0), (2, 1)] * 3


def test_a_program_whose_core_is_taken_goes_to_another():
    def main(program: Program) -> Activity:
        yield from program.mmap(PAGE)
        yield from program.think(50)
        yield from fresh_pages(1)(program)

    machine = run(bench(prices(traps=100), cores=2), main, fresh_pages(1), fresh_pages(2))

    assert [(row.time_ps, row.pid, row.core) for row in fault_rows(machine.records)] == [
        (0, 3, 0),
        (0, 2, 1),
        (100, 3, 0),
        (100, 1, 1),
    ]


@pytest.mark.parametrize(("cores", "quantum_ps"), [(0, 1), (1, 0)])
def test_a_machine_without_a_core_or_a_quantum_is_refused(cores: int, quantum_ps: int):
    with pytest.raises(ConfigError) as caught:
        bench(prices(), cores=cores, quantum_ps=quantum_ps)

    assert str(caught.value) == (
        f"machine: expected a core and a quantum, got {cores} cores, {quantum_ps} ps"
    )


@pytest.mark.parametrize("traps", [100, LAST_PS // 4])
def test_a_clock_that_would_pass_its_end_is_refused_before_anything_changes(traps: int):
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(9 * PAGE)
        yield from program.think(LAST_PS - 1000)
        yield from program.access(heap, np.arange(9), written=1)

    machine = bench(prices(traps=traps))

    with pytest.raises(SimulationError, match=f"expected to end within {LAST_PS:,} ps"):
        run(machine, main) if traps > 100 else run(machine, lambda program: program.think(LAST_PS + 1))
    assert machine.kernel.frames.used == 0


# ---------------------------------------------------------------- accesses with times
def at_times(times: list[int]) -> Main:
    """Return a program that writes fresh pages, each at its time at the earliest."""

    def main(program: Program) -> Activity:
        heap = yield from program.mmap(len(times) * PAGE)
        yield from program.access(heap, np.arange(len(times)), 1, np.array(times))

    return main


def test_an_access_begins_at_its_time_or_when_those_before_it_are_over():
    machine = run(bench(prices(traps=100)), at_times([50, 60, 400]))

    assert [row.time_ps for row in fault_rows(machine.records)] == [50, 150, 400]


def test_a_program_keeps_its_core_in_a_pause_while_nobody_waits():
    machine = run(bench(prices(traps=100, switches=7), cores=2), at_times([0, 5000]), fresh_pages(3))

    assert machine.records.action_work.switches == 0


def test_a_program_that_waits_for_a_core_gets_it_in_a_pause():
    machine = run(bench(prices(traps=100), quantum_ps=10**9), at_times([0, 5000, 5000]), fresh_pages(3))

    began = [(row.pid, row.time_ps) for row in fault_rows(machine.records)]
    assert began == [(1, 0), (2, 100), (2, 200), (2, 300), (1, 5000), (1, 5100)]


def test_a_program_that_comes_to_wait_gets_the_core_in_the_middle_of_a_pause():
    def late(program: Program) -> Activity:
        yield from program.think(1000)
        yield from fresh_pages(1)(program)

    machine = run(bench(prices(traps=100), quantum_ps=10**9), at_times([0, 5000]), late)

    assert [(row.pid, row.time_ps) for row in fault_rows(machine.records)] == [(1, 0), (2, 1000), (1, 5000)]


@pytest.mark.parametrize("pages", [np.zeros(3, np.int32), np.zeros(2), np.zeros((1, 1), np.int64)])
def test_accesses_of_the_wrong_type_are_refused(pages: np.ndarray):
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(4 * PAGE)
        yield from program.access(heap, pages, 1)

    with pytest.raises(ConfigError, match=r"burst: expected pages and bytes written, both int64\[n\], got"):
        run(bench(prices(traps=100)), main)


@pytest.mark.parametrize("times", [[1, 0], [1], [0.5, 1.0]])
def test_times_that_do_not_rise_or_are_not_one_an_access_are_refused(times: list[float]):
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(2 * PAGE)
        yield from program.access(heap, np.arange(2), 1, np.array(times))

    with pytest.raises(ConfigError, match="burst: expected (a time, int64|times that rise)"):
        run(bench(prices(traps=100)), main)


# ---------------------------------------------------------------------- samples
def test_memory_is_sampled_at_each_period_and_at_the_end():
    machine = run(bench(prices(traps=100), sample_ps=150), fresh_pages(5))

    assert [row.time_ps for row in machine.records.memory] == [0, 150, 300, 450, 500]


def test_without_a_period_memory_is_sampled_when_it_is_fuller_and_at_the_end():
    machine = run(bench(prices(traps=100)), fresh_pages(5))

    full, last = machine.records.memory
    assert (full.time_ps, full.processes, full.used_bytes) == (500, 1, 5 * PAGE)
    assert (last.time_ps, last.processes, last.used_bytes, last.table_bytes) == (500, 0, 0, 0)


def test_a_deadlock_is_said_with_the_processes_that_wait():
    def main(program: Program) -> Activity:
        yield from program.wait(program)

    with pytest.raises(SimulationError, match="processes 1 wait for each other for ever"):
        run(bench(prices()), main)


@pytest.mark.parametrize("duration", [-1, 0.5])
def test_thinking_takes_whole_picoseconds(duration: float):
    def main(program: Program) -> Activity:
        yield from program.think(duration)  # type: ignore[arg-type]

    with pytest.raises(ConfigError, match="think: expected whole picoseconds"):
        run(bench(prices()), main)


def test_a_sample_shows_the_memory_of_its_moment():
    machine = run(bench(prices(traps=100, hits=1), sample_ps=150), fresh_pages(4))

    assert [(row.used_bytes // PAGE, row.minor_faults) for row in machine.records.memory] == [
        (0, 0),
        (2, 1),
        (3, 2),
        (4, 4),
        (0, 4),
    ]


@pytest.mark.parametrize("period", [100, 50])
def test_what_happens_at_the_time_of_a_sample_happens_after_it(period: int):
    machine = run(bench(prices(traps=100), sample_ps=period), fresh_pages(3))

    sampled = {row.time_ps: row.minor_faults for row in machine.records.memory[:-1]}
    assert {time: sampled[time] for time in (0, 100, 200)} == {0: 0, 100: 0, 200: 1}


@pytest.mark.parametrize("forker_first", [True, False])
def test_a_fork_comes_before_an_access_at_the_same_time(forker_first: bool):
    def forker(program: Program) -> Activity:
        yield from program.think(100)
        child = yield from program.fork(idle)
        yield from program.wait(child)

    mains = [forker, fresh_pages(4)]
    machine = run(bench(prices(traps=50), cores=2), *(mains if forker_first else reversed(mains)))

    (fork,) = [row for row in machine.records.actions if row.action == "fork"]
    accessed = [row.time_ps for row in fault_rows(machine.records)]
    assert accessed == [0, 50, 100, 150]
    assert (fork.time_ps, fork.written_bytes) == (100, 1)


def read_or_write(diary: Diary, name: str, accesses: list[int], thought_ps: int = 0) -> Main:
    """Return a program that reads (0) or writes (1) fresh pages, thinks, and notes when it is done."""

    def main(program: Program) -> Activity:
        heap = yield from program.mmap(len(accesses) * PAGE)
        yield from program.access(heap, np.arange(len(accesses)), np.array(accesses))
        yield from program.think(thought_ps)
        diary.append((name, program.now))

    return main


def test_a_timer_comes_before_the_end_of_a_burst_at_the_same_time():
    diary: Diary = []
    machine = bench(prices(traps=500, allocations=500), cores=2)

    run(machine, read_or_write(diary, "burst", [1]), read_or_write(diary, "timer", [0], thought_ps=500))

    assert diary == [("timer", 1000), ("burst", 1000)]


def test_of_bursts_that_end_at_the_same_time_that_of_the_lower_core_comes_first():
    diary: Diary = []
    machine = bench(prices(traps=500, allocations=500), cores=2)

    run(machine, read_or_write(diary, "core 0", [0, 0]), read_or_write(diary, "core 1", [1]))

    assert diary == [("core 0", 1000), ("core 1", 1000)]


def test_accounting_closes_at_every_sample():
    def child(program: Program) -> Activity:
        heap, shared = program.process.memory.vmas
        yield from program.access(heap, np.arange(0, 8, 2), written=1)
        yield from program.access(shared, np.arange(4), written=1)

    def main(program: Program) -> Activity:
        heap = yield from program.mmap(8 * PAGE)
        shared = yield from program.mmap(4 * PAGE, shared=True)
        yield from program.populate(heap)
        yield from program.populate(shared)
        children = []
        for _ in range(2):
            children.append((yield from program.fork(child)))
        yield from program.munmap(shared, 0, 2)
        yield from program.access(heap, np.arange(8), written=1)
        for forked in children:
            yield from program.wait(forked)

    machine = run(bench(prices(traps=100, forks=250), cores=2, sample_ps=37), main)

    assert len(machine.records.memory) > 20
    for row in machine.records.memory:
        assert row.entries == row.sharers
        assert row.pss_bytes + row.cached_bytes + row.pending_bytes + row.kept_bytes == pytest.approx(
            row.used_bytes
        )
    assert {row.processes for row in machine.records.memory} == {0, 1, 2, 3}


def test_copies_flips_and_bytes_are_counted_from_the_start():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(3 * PAGE)
        yield from program.populate(heap)
        child = yield from program.fork(sleeper(10_000))
        yield from program.access(heap, np.arange(2), written=7)
        yield from program.wait(child)
        yield from program.access(heap, np.arange(3), written=1)

    machine = run(bench(prices()), main)

    last = machine.records.memory[-1]
    assert (last.minor_faults, last.copies, last.flips) == (3 + 3, 2, 1)
    assert (last.copied_bytes, last.written_bytes) == (2 * PAGE, 2 * 7 + 3)


# ---------------------------------------------------------------------- errors
def test_a_segmentation_fault_in_a_burst_ends_the_simulation():
    def main(program: Program) -> Activity:
        yield from program.access_vpns(np.array([7]), written=1)

    with pytest.raises(SimulationError) as caught:
        run(bench(prices()), main)

    assert isinstance(caught.value, SegmentationFault)
    assert str(caught.value) == "process 1 wrote to page 0x7, outside its mappings"


def test_running_out_of_memory_in_a_burst_ends_the_simulation():
    with pytest.raises(OutOfMemory, match="expected room for 1 more frame, found 0 of 16 frames free"):
        run(bench(prices(), frames=16), fresh_pages(20))


def test_running_out_of_memory_in_a_verb_ends_the_simulation():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(10 * PAGE)
        yield from program.populate(heap)
        yield from program.fork(idle)

    with pytest.raises(OutOfMemory):
        run(bench(prices(), frames=16, policy="eager"), main)


def test_an_access_outside_its_mapping_is_refused_before_any_is_made():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(4 * PAGE)
        yield from program.access(heap, np.array([0, 4]), written=1)

    machine = bench(prices())
    with pytest.raises(ConfigError) as caught:
        run(machine, main)

    assert str(caught.value) == "burst: expected pages from 0 to 3, got 0 to 4"
    assert fault_rows(machine.records) == []


def test_accesses_to_no_page_take_no_time():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(4 * PAGE)
        yield from program.access(heap, np.array([], np.int64), written=1)

    assert run(bench(prices(hits=9)), main).now == 0
