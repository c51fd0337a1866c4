"""What every engine owes the machine: accesses in the order of (time, core), up to a horizon."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest

from cowmodel.catalog import ENGINES, PAGINGS, POLICIES
from cowmodel.engine.burst import NEVER_PS, Burst, Completion, Engine, FaultRow, Service
from cowmodel.engine.contention import Contention
from cowmodel.errors import ConfigError, SegmentationFault
from cowmodel.kernel.fault import Fault
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.machine import EngineMaker
from tests.machine.bench import prices
from tests.toy import PAGE, boot

HIT, TRAP, FLIP, COPY = 10, 100, 1000, 10_000
FOREVER = 1 << 60
COSTS = prices(hits=HIT, traps=TRAP, flips=FLIP, copied_bytes=COPY / PAGE)


class Witness:
    """An observer that keeps what it is told."""

    keeps_rows = True

    def __init__(self) -> None:
        self.seen: list[FaultRow] = []

    def fault(self, row: FaultRow, fault: Fault) -> None:
        assert (row.kind, row.copied_bytes) == (fault.kind, fault.work.copied_bytes)
        self.seen.append(row)

    def faults(self, counts: Mapping[Fault, int], columns: Callable[[], Mapping[str, Any]]) -> None:
        told = columns()
        rows = zip(*(told[name] for name in FaultRow._fields), strict=True)
        self.seen.extend(FaultRow(*row) for row in rows)
        assert sum(counts.values()) == len(told["time_ps"])


class Bench(NamedTuple):
    """An engine, its kernel, and the faults that it told of."""

    kernel: Kernel
    engine: Engine
    seen: list[FaultRow]

    def process(self, pages: int = 8, populated: bool = False) -> Process:
        process, _ = self.kernel.spawn()
        heap, _ = self.kernel.mmap(process, pages * PAGE, at_page=0)
        if populated:
            self.kernel.populate(process, heap)
        return process

    def advance(self, horizon_ps: float = np.inf) -> list[Completion]:
        """Advance until there is nothing to do before the horizon."""
        return list(iter(lambda: self.engine.advance(horizon_ps), None))


@pytest.fixture(params=list(ENGINES))
def bench(request: pytest.FixtureRequest) -> Bench:
    maker: EngineMaker = ENGINES[request.param]
    kernel, witness = boot(), Witness()
    return Bench(
        kernel, maker(kernel, COSTS.cost_ps, witness, Contention(page_table_locks=False)), witness.seen
    )


def burst(process: Process, *pages: int, written: int = 1) -> Burst:
    vpns = np.array(pages, np.int64)
    return Burst(process, vpns, np.full(len(vpns), written, np.int64))


# ------------------------------------------------------------------------ order
def test_an_access_happens_when_it_begins_and_its_cost_moves_the_clock(bench: Bench):
    process = bench.process()
    bench.engine.start(0, burst(process, 0, 1, 2), 1000, FOREVER)

    completions = bench.advance()

    assert [(seen.time_ps, seen.vpn) for seen in bench.seen] == [(1000, 0), (1110, 1), (1220, 2)]
    assert completions == [Completion(0, 1330)]


def test_accesses_of_all_cores_happen_in_the_order_of_time(bench: Bench):
    one, other = bench.process(), bench.process()
    bench.engine.start(0, burst(one, 0, 1, 2), 0, FOREVER)
    bench.engine.start(1, burst(other, 0, 1, 2), 50, FOREVER)

    bench.advance()

    assert [(seen.time_ps, seen.core) for seen in bench.seen] == [
        (0, 0), (50, 1), (110, 0), (160, 1), (220, 0), (270, 1),
    ]  # fmt: skip


def test_at_the_same_time_the_lower_core_comes_first(bench: Bench):
    parent = bench.process(populated=True)
    child, _ = bench.kernel.fork(parent)
    bench.engine.start(1, burst(parent, 3), TRAP + COPY, FOREVER)  # when the copy is mapped
    bench.engine.start(0, burst(child, 3), 0, FOREVER)

    bench.advance()

    assert [(seen.core, seen.kind) for seen in bench.seen] == [(0, "cow_copy"), (1, "cow_reuse")]


def test_two_cores_that_write_a_shared_page_at_once_both_copy(bench: Bench):
    parent = bench.process(populated=True)
    child, _ = bench.kernel.fork(parent)
    bench.engine.start(0, burst(parent, 3), TRAP + COPY - 1, FOREVER)
    bench.engine.start(1, burst(child, 3), 0, FOREVER)

    bench.advance()

    assert [(seen.core, seen.kind) for seen in bench.seen] == [(1, "cow_copy"), (0, "cow_copy")]


def test_of_two_threads_that_write_a_page_at_once_one_comes_too_late(bench: Bench):
    process = bench.process(populated=True)
    bench.kernel.fork(process)
    process.threads = process.memory.cores = 2
    bench.engine.start(0, burst(process, 3), 0, FOREVER)
    bench.engine.start(1, burst(process, 3), 5, FOREVER)

    bench.advance()

    assert [(seen.core, seen.kind) for seen in bench.seen] == [(0, "cow_copy"), (1, "late")]
    assert bench.kernel.frames.pending == 0


def test_who_comes_first_decides_who_copies(bench: Bench):
    parent = bench.process(populated=True)
    child, _ = bench.kernel.fork(parent)
    bench.engine.start(0, burst(parent, 3), TRAP + COPY + 1, FOREVER)
    bench.engine.start(1, burst(child, 3), 0, FOREVER)

    bench.advance()

    assert [(seen.core, seen.kind) for seen in bench.seen] == [(1, "cow_copy"), (0, "cow_reuse")]


def test_completions_come_in_the_order_of_time_and_core(bench: Bench):
    processes = [bench.process(4, populated=True) for _ in range(3)]
    for core, (process, accesses) in enumerate(zip(processes, (3, 1, 1), strict=True)):
        bench.engine.start(core, burst(process, *range(accesses)), 0, FOREVER)

    completions = bench.advance()

    assert completions == [Completion(1, HIT), Completion(2, HIT), Completion(0, 3 * HIT)]


# --------------------------------------------------------------- horizon, limit
def test_an_access_begins_only_before_the_horizon(bench: Bench):
    process = bench.process()
    accesses = burst(process, 0, 1, 2)
    bench.engine.start(0, accesses, 0, FOREVER)

    before = [(bench.advance(horizon), accesses.done) for horizon in (0, 1, 101, 111)]

    assert before == [([], 0), ([], 0), ([], 1), ([], 1)]


def test_a_burst_goes_on_behind_the_horizon_as_if_there_had_been_none(bench: Bench):
    process = bench.process()
    bench.engine.start(0, burst(process, 0, 1, 2), 0, FOREVER)

    completions = [bench.advance(horizon) for horizon in (50, 115, 1000)]

    assert completions == [[], [], [Completion(0, 330)]]
    assert [seen.time_ps for seen in bench.seen] == [0, 110, 220]


def test_the_engine_stops_at_a_completion_before_it_makes_any_later_access(bench: Bench):
    one, other = bench.process(), bench.process()
    long = burst(other, *range(8))
    bench.engine.start(0, burst(one, 0), 0, FOREVER)
    bench.engine.start(1, long, 0, FOREVER)

    completion = bench.engine.advance(np.inf)

    assert completion == Completion(0, 110)
    assert long.done <= 1


def test_at_its_time_limit_a_burst_is_handed_back_unfinished(bench: Bench):
    process = bench.process()
    accesses = burst(process, 0, 1, 2)
    bench.engine.start(0, accesses, 0, limit_ps=111)

    completions = bench.advance()

    assert completions == [Completion(0, 210)]  # after its second fault
    assert (accesses.done, accesses.finished) == (1, False)


def test_a_burst_that_is_started_again_goes_on_where_it_was(bench: Bench):
    process = bench.process()
    accesses = burst(process, 0, 1, 2)
    bench.engine.start(0, accesses, 0, limit_ps=110)
    bench.advance()

    bench.engine.start(1, accesses, 500, FOREVER)

    assert bench.advance() == [Completion(1, 610 + 110)]
    assert [(seen.core, seen.vpn) for seen in bench.seen] == [(0, 0), (1, 1), (1, 2)]


def test_an_empty_burst_is_complete_when_it_starts(bench: Bench):
    bench.engine.start(0, burst(bench.process()), 70, FOREVER)

    assert bench.advance(70) == []
    assert bench.advance(71) == [Completion(0, 70)]


def test_an_idle_engine_has_no_completion(bench: Bench):
    assert bench.engine.advance(np.inf) is None


# ----------------------------------------------------------------------- faults
def test_each_fault_is_told_of_once_with_its_cost(bench: Bench):
    parent = bench.process(populated=True)
    child, _ = bench.kernel.fork(parent)
    bench.engine.start(0, burst(child, 5, 5, 5), 0, FOREVER)
    bench.advance()

    bench.engine.start(0, burst(parent, 5, 5), 50_000, FOREVER)
    bench.advance()

    assert bench.seen == [
        FaultRow(0, 0, child.pid, 5, "cow_copy", PAGE, TRAP + COPY, 0, 0, 0, 0),
        FaultRow(50_000, 0, parent.pid, 5, "cow_reuse", 0, TRAP + FLIP, 0, 0, 0, FLIP),
    ]


def test_an_access_that_hits_is_told_of_to_nobody(bench: Bench):
    process = bench.process(populated=True)
    bench.engine.start(0, burst(process, 0, 1, written=0), 0, FOREVER)

    assert (bench.advance(), bench.seen) == ([Completion(0, 2 * HIT)], [])


@pytest.mark.parametrize(("written", "kinds"), [(0, {"zero_map"}), (1, {"zero_fill"}), (999, {"zero_fill"})])
def test_an_access_that_writes_no_byte_is_a_read(written: int, kinds: set[str], bench: Bench):
    process = bench.process()
    bench.engine.start(0, burst(process, 0, 1, written=written), 0, FOREVER)

    bench.advance()

    assert {seen.kind for seen in bench.seen} == kinds
    assert process.written_bytes == 2 * written


def test_a_burst_ends_before_an_access_that_cannot_be_made_and_says_why(bench: Bench):
    process = bench.process()
    stopped = burst(process, 0, 40, 1)
    bench.engine.start(0, stopped, 0, FOREVER)

    assert bench.advance() is not None
    assert (stopped.done, stopped.finished) == (1, True)
    assert isinstance(stopped.signal, SegmentationFault)
    assert str(stopped.signal) == "process 1 wrote to page 0x28, outside its mappings"


def test_a_core_runs_one_burst_at_a_time(bench: Bench):
    process = bench.process()
    bench.engine.start(0, burst(process, 0), 0, FOREVER)

    with pytest.raises(AssertionError, match="core 0 is running a burst already"):
        bench.engine.start(0, burst(process, 1), 0, FOREVER)


# ----------------------------------------------------------------------- bursts
@pytest.mark.parametrize(
    ("vpns", "written", "kinds"),
    [
        (np.zeros(3, np.int32), np.zeros(3, np.int64), "int32[3] and int64[3]"),
        (np.zeros(3, np.int64), np.zeros(3, np.float64), "int64[3] and float64[3]"),
        (np.zeros(3, np.int64), np.zeros(2, np.int64), "int64[3] and int64[2]"),
        (np.zeros(3, np.int64), np.zeros((3, 1), np.int64), "int64[3] and int64[3, 1]"),
    ],
)
def test_a_burst_of_the_wrong_form_is_refused(vpns: np.ndarray, written: np.ndarray, kinds: str):
    process, _ = boot().spawn()

    with pytest.raises(ConfigError) as caught:
        Burst(process, vpns, written)

    assert str(caught.value) == f"burst: expected pages and bytes written, both int64[n], got {kinds}"


# ------------------------------------------------------------------------ out of the cache
NEW, OLD, AWAY = 20, 50, 3
IN_MEMORY = prices(hits=HIT, traps=TRAP, cold_frames=NEW, cold_records=OLD, far_doublings=AWAY)


@pytest.fixture(params=list(ENGINES))
def small(request: pytest.FixtureRequest) -> Bench:
    """Return a bench whose cache holds 32 pages."""
    maker: EngineMaker = ENGINES[request.param]
    kernel = Kernel(PAGINGS["x86-64"], 400 * PAGE, POLICIES["cow-flip"](), cache_bytes=32 * PAGE)
    witness = Witness()
    engine = maker(kernel, IN_MEMORY.cost_ps, witness, Contention(page_table_locks=False))
    return Bench(kernel, engine, witness.seen)


def more_ps(bench: Bench, core: int = 0) -> list[int]:
    """Return what each fault of a core cost more than a trap."""
    return [row.cost_ps - TRAP for row in bench.seen if row.core == core]


def child_of(bench: Bench, pages: int) -> Process:
    """Return the child of a process that has written so many pages."""
    return bench.kernel.fork(bench.process(pages, populated=True))[0]


@pytest.mark.parametrize(("pages", "more", "away"), [(32, 0, 0), (33, NEW, AWAY)])
def test_new_frames_are_cold_and_far_from_each_other_where_more_is_mapped_than_the_cache_holds(
    small: Bench, pages: int, more: int, away: int
):
    process = small.process(pages)

    small.engine.start(0, burst(process, 31, 23, 9, 18), 0, FOREVER)
    small.advance()

    assert more_ps(small) == [more + away, more, more + away, more + away]


@pytest.mark.parametrize(
    ("pages", "more", "doublings"),
    [(32, 0, 0), (33, NEW + OLD, 1), (64, NEW + OLD, 1), (65, NEW + OLD, 2), (128, NEW + OLD, 2)],
)
def test_copies_look_at_a_frame_that_is_the_further_in_large_memory_if_the_fault_before_was_not_near(
    small: Bench, pages: int, more: int, doublings: int
):
    child = child_of(small, pages)

    small.engine.start(0, burst(child, 31, 23, 9, 18), 0, FOREVER)
    small.advance()

    far = more + doublings * AWAY
    assert more_ps(small) == [far, more, far, far]


def test_a_fault_is_near_or_far_from_the_last_of_its_core_in_whatever_burst_that_was(small: Bench):
    mine, yours = child_of(small, 33), child_of(small, 33)
    small.engine.start(0, burst(mine, 30), 0, FOREVER)
    small.engine.start(1, burst(yours, 8), 0, FOREVER)
    small.advance()

    small.engine.start(0, burst(mine, 8), 5000, FOREVER)
    small.engine.start(1, burst(yours, 16), 5000, FOREVER)
    small.advance()

    near, far = NEW + OLD, NEW + OLD + AWAY
    assert (more_ps(small, 0), more_ps(small, 1)) == ([far, far], [near, near])  # a core begins near page 8


def test_an_access_without_a_fault_takes_no_part_in_that(small: Bench):
    child, vpns = child_of(small, 33), np.array([10, 31, 11])

    small.engine.start(0, Burst(child, vpns, np.array([1, 0, 1])), 0, FOREVER)
    small.advance()

    assert more_ps(small) == [NEW + OLD + AWAY, NEW + OLD]


def test_rare_faults_are_like_others_in_what_they_find_and_where_they_leave_the_core(small: Bench):
    process = small.process(60, populated=True)
    child, _ = small.kernel.fork(process)
    shared, _ = small.kernel.mmap(child, 4 * PAGE, at_page=100, shared=True)
    bursts = [(child, [30, 31]), (process, [30, 50]), (child, [shared.first]), (process, [3])]

    for number, (who, pages) in enumerate(bursts):
        small.engine.start(0, burst(who, *pages), 5000 * number, FOREVER)
        small.advance()

    assert [(row.kind, row.cost_ps - TRAP) for row in small.seen] == [
        ("cow_copy", NEW + OLD + AWAY),
        ("cow_copy", NEW + OLD),
        ("cow_reuse", OLD),
        ("cow_copy", NEW + OLD + AWAY),
        ("shared_map", NEW + AWAY),
        ("cow_copy", NEW + OLD + AWAY),
    ]


def test_memory_that_is_mapped_between_two_bursts_may_make_all_of_it_cold(small: Bench):
    process = small.process(32)
    small.engine.start(0, burst(process, 20), 0, FOREVER)
    small.advance()

    small.kernel.mmap(process, PAGE, at_page=64)
    small.engine.start(0, burst(process, 5), 5000, FOREVER)
    small.advance()

    assert more_ps(small) == [0, NEW + AWAY]


# ---------------------------------------------------------------------- service
def served(process: Process, *busy: int, earliest: list[int] | None = None) -> Burst:
    times = None if earliest is None else np.array(earliest, np.int64)
    made, service = burst(process, *range(len(busy))), Service.of(np.array(busy, np.int64))
    return replace(made, earliest_ps=times, service=service)


def when(made: Burst) -> list[tuple[int, int]]:
    assert made.service
    return list(zip(made.service.began_ps.tolist(), made.service.ended_ps.tolist(), strict=True))


def test_processor_time_besides_comes_when_the_access_has_been_made(bench: Bench):
    made = served(bench.process(populated=True), 5, 0, 7)
    bench.engine.start(0, made, 1000, FOREVER)

    assert bench.advance() == [Completion(0, 1042)]
    assert when(made) == [(1000, 1015), (1015, 1025), (1025, 1042)]


def test_an_access_that_faults_began_when_the_fault_did(bench: Bench):
    made = served(bench.process(), 5, 5)
    bench.engine.start(0, made, 1000, FOREVER)

    bench.advance()

    assert when(made) == [(1000, 1000 + TRAP + HIT + 5), (1115, 1115 + TRAP + HIT + 5)]


def test_an_access_begins_when_it_is_time_and_all_before_it_are_over(bench: Bench):
    made = served(bench.process(populated=True), 100, 100, 100, earliest=[50, 60, 500])
    bench.engine.start(0, made, 0, NEVER_PS)

    bench.advance()

    assert when(made) == [(50, 160), (160, 270), (500, 610)]


def test_no_time_limit_ends_within_what_an_access_takes_besides(bench: Bench):
    made = served(bench.process(populated=True), 100, 100)
    bench.engine.start(0, made, 0, 50)

    assert bench.advance() == [Completion(0, 110)]
    bench.engine.start(0, made, 1000, FOREVER)
    bench.advance()

    assert when(made) == [(0, 110), (1000, 1110)]


def test_a_burst_that_is_cut_tells_the_whole_when_its_accesses_were_made(bench: Bench):
    made = served(bench.process(populated=True), 5, 5, 5)
    for part in made.parts(2):
        bench.engine.start(0, part, 1000, FOREVER)
        bench.advance()

    assert when(made) == [(1000, 1015), (1015, 1030), (1000, 1015)]


@pytest.mark.parametrize(
    ("busy", "wrong"),
    [
        (np.zeros(2), r"a processor time, int64, for each of 1 accesses, got float64\[2\]"),
        (np.zeros(2, np.int64), r"a processor time, int64, for each of 1 accesses, got int64\[2\]"),
        (np.array([-1]), "processor times of at least 0 ps, got -1"),
    ],
)
def test_processor_times_that_do_not_fit_are_refused(bench: Bench, busy: Any, wrong: str):
    process = bench.process()
    with pytest.raises(ConfigError, match=wrong):
        Burst(process, np.zeros(1, np.int64), np.ones(1, np.int64), service=Service.of(busy))
