"""TLBs in simulated time: what accesses cost, spurious faults, and translations that stay true."""

from functools import partial

import numpy as np
import pytest

from cowmodel.catalog import ENGINES, PAGINGS
from cowmodel.hardware.page_table import NO_SLOT, PageTable
from cowmodel.hardware.paging import PRESENT, WRITE
from cowmodel.hardware.tlb import ROOT, SLOT, Cache, TlbGeometry, Tlbs
from cowmodel.kernel.vma import Vma
from cowmodel.machine import Machine
from cowmodel.program import Activity, Main, Program
from tests.machine.bench import prices, run
from tests.toy import PAGE, boot
from tests.twin.test_engines import ROUND, TLBS, seen, world

HIT, FOUND, LOAD, TRAP = 10, 100, 1000, 100_000
COSTS = prices(hits=HIT, tlb_hits=FOUND, walk_loads=LOAD, traps=TRAP)

with_each_engine = pytest.mark.parametrize("engine", list(ENGINES))


def machine(engine: str, main: Main, tlb: TlbGeometry | None = None, cores: int = 3) -> Machine:
    """Run a program, its pages populated without time, where an access costs what its translation does."""
    kernel = boot(512, "cow-flip", PAGINGS["x86-64"])
    return run(Machine(kernel, COSTS, ENGINES[engine], cores, tlb=tlb or TlbGeometry()), main)


def reads(pages: list[int], size: int) -> Main:
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(size * PAGE)
        yield from program.populate(heap)
        start = program.now
        yield from program.access(heap, np.array(pages), written=0)
        program.process.copied_bytes = program.now - start  # for the test to look at

    return main


@with_each_engine
@pytest.mark.parametrize(
    ("pages", "work_ps", "found", "loads"),
    [
        ([0], 4 * LOAD, 0, 4),
        ([0, 0, 0], 4 * LOAD, 0, 4),
        ([0, 1], 5 * LOAD, 0, 5),
        ([0, 16, 32, 48, 64, 0], 8 * LOAD + FOUND, 1, 8),
    ],
)
def test_an_access_costs_a_hit_and_what_its_translation_took(
    pages: list[int], work_ps: int, found: int, loads: int, engine: str
):
    done = machine(engine, reads(pages, 65))

    work = done.records.action_work
    assert (work.hits, work.tlb_hits, work.walk_loads) == (len(pages), found, loads)
    assert done.kernel.everyone[0].copied_bytes == len(pages) * HIT + work_ps


def late_writer(program: Program, heap: Vma, pages: np.ndarray) -> Activity:
    """Read pages and, without leaving the core, write them after somebody else, the last one first."""
    both, written = np.append(pages, pages[::-1]), np.repeat([0, 8], len(pages))
    yield from program.access(heap, both, written, program.now + np.repeat([0, 10**9], len(pages)))


def two_writers(program: Program, count: int) -> Activity:
    """Let a thread read pages that another then flips, and write them last."""
    heap, pages = (yield from program.mmap(count * PAGE)), np.arange(count)
    yield from program.populate(heap)
    child = yield from program.fork(lambda other: other.think(1))
    yield from program.wait(child)
    thread = yield from program.thread(partial(late_writer, heap=heap, pages=pages))
    yield from program.think(10**8)
    yield from program.access(heap, pages, written=8)
    yield from program.join(thread)


@with_each_engine
@pytest.mark.parametrize(
    ("tlb", "spurious"),
    [
        (TlbGeometry(), 64),
        (TlbGeometry((Cache(4, 4), Cache(1, 1), Cache(1, 1)), (Cache(16, 16), Cache(1, 1))), 16),
        (TlbGeometry((Cache(4, 4), Cache(1, 1), Cache(1, 1)), (Cache(64, 1), Cache(1, 1))), 64),
        (TlbGeometry((Cache(4, 1), Cache(1, 1), Cache(1, 1)), (Cache(32, 1), Cache(1, 1))), 32),
    ],
)
def test_a_thread_takes_a_spurious_fault_for_each_flipped_page_that_it_has_cached_read_only(
    tlb: TlbGeometry, spurious: int, engine: str
):
    done = machine(engine, partial(two_writers, count=64), tlb)

    faults = done.kernel.everyone[0].faults
    assert (faults["cow_reuse"], faults["spurious"]) == (64, spurious)


@with_each_engine
def test_without_a_tlb_there_are_no_spurious_faults_and_nothing_is_counted(engine: str):
    kernel = boot(512, "cow-flip", PAGINGS["x86-64"])

    done = run(Machine(kernel, COSTS, ENGINES[engine], 3), partial(two_writers, count=64))

    work = done.records.action_work
    assert (done.kernel.everyone[0].faults["spurious"], work.tlb_hits, work.walk_loads) == (0, 0, 0)


def lies(tlbs: Tlbs, core: int, table: PageTable) -> list[tuple[int, int]]:
    """Return level and page of what a core has cached of the address space it runs that is not true."""
    entries, found = tlbs.entries[core], []
    asid = int(tlbs.cores[core, SLOT]) + 1
    for entry in entries[entries >> 1 & 7 == asid].tolist():
        level, page = entry >> 4 & 7, entry >> 7
        slot = table.walk(page << table._geometry.shifts[level], level)
        word = 0 if slot == NO_SLOT else table._arena.words[slot]
        if not word & PRESENT or (entry & 1 and not word & WRITE):
            found.append((level, page))
    return found


def test_what_a_core_has_cached_never_permits_more_than_the_page_table(monkeypatch: pytest.MonkeyPatch):
    looked_up, checked = Tlbs.translate, []

    def translate(tlbs: Tlbs, core: int, table: PageTable, vpn: int, write: bool) -> int:
        assert tlbs.cores[core, ROOT] == table.root
        checked.append(vpn)
        assert lies(tlbs, core, table) == []
        return looked_up(tlbs, core, table, vpn, write)

    monkeypatch.setattr(Tlbs, "translate", translate)
    for seed in range(0, 48, 4):
        world(seed, "reference")

    assert len(checked) > 1000


def reader_and_writer(program: Program, heap: Vma, seed: int, number: int) -> Activity:
    """Read and write pages at random times, on a core that is kept; now and then fork."""
    rng = np.random.default_rng([seed, number])
    for _ in range(4):
        pages, written = rng.integers(heap.pages, size=80), np.where(rng.random(80) < 0.5, 8, 0)
        times = program.now + np.sort(rng.integers(100_000, size=80)) if rng.random() < 0.5 else None
        yield from program.access(heap, pages, written, times)
        if rng.random() < 0.4:
            child = yield from program.fork(lambda other: other.think(1))
            yield from program.wait(child)


def crowd(seed: int, engine: str) -> Machine:
    """Let threads read and write the same pages, which forks make shared and others make writable again."""

    def main(program: Program) -> Activity:
        heap = yield from program.mmap(32 * PAGE)
        threads = []
        for number in range(3):
            work = partial(reader_and_writer, heap=heap, seed=seed, number=number)
            threads.append((yield from program.thread(work)))
        yield from reader_and_writer(program, heap, seed, 3)
        for thread in threads:
            yield from program.join(thread)

    kernel = boot(512, ["cow-flip", "cow-eager-flip"][seed % 2], PAGINGS["x86-64"])
    tlb, cores = TLBS[seed % len(TLBS)], 2 + seed % 4
    return run(Machine(kernel, ROUND, ENGINES[engine], cores, 10**7, tlb=tlb), main)


def test_engines_agree_on_threads_that_take_spurious_faults():
    spurious = 0
    for seed in range(40):
        reference, compiled = crowd(seed, "reference"), crowd(seed, "compiled")
        assert seen(compiled) == seen(reference), f"seed {seed}"
        spurious += compiled.kernel.everyone[0].faults["spurious"]

    assert spurious > 100
