"""The compiled engine against the reference: on random worlds, everything that can be seen is equal."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import numpy as np
import pytest

from cowmodel.catalog import COSTS, ENGINES, ERAS, PAGINGS, POLICIES
from cowmodel.cost.model import CostModel
from cowmodel.cost.preset import load_preset
from cowmodel.cost.price import Price
from cowmodel.engine.burst import Service
from cowmodel.engine.contention import Contention
from cowmodel.errors import ConfigError, SegmentationFault, SimulationError
from cowmodel.hardware.frames import FREED
from cowmodel.hardware.tlb import Cache, TlbGeometry
from cowmodel.kernel.advice import ADVICE
from cowmodel.kernel.backing import BASE, THP, Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.rights import RIGHTS
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work
from cowmodel.machine import Machine
from cowmodel.program import Activity, Program, start

ROUND = CostModel(  # prices of few digits, so that many things happen at the same time
    "round",
    "none",
    {field: Price(value, "assumed") for field, value in Work()._asdict().items()}
    | {name: Price(100, "assumed") for name in ("hits", "forks", "exits", "walk_loads", "cold_frames")}
    | {name: Price(100, "assumed") for name in ("cold_records", "filled_parts", "releases", "cold_forks")}
    | {name: Price(100, "assumed") for name in ("far_doublings", "mapped_around", "insertions", "notices")}
    | {name: Price(200, "assumed") for name in ("traps", "switches", "waits", "tlb_hits")},
)

TLBS = (
    TlbGeometry(),
    TlbGeometry(
        (Cache(8, 2), Cache(2, 1), Cache(1, 1)), (Cache(16, 4), Cache(2, 2)), upper=Cache(6, 3), asids=2
    ),
    TlbGeometry(
        (Cache(4, 4), Cache(1, 1), Cache(1, 1)), (Cache(4, 1), Cache(1, 1)), upper=Cache(2, 2), asids=1
    ),
)

CACHES = (32 << 20, 100 << 10, 0)  # over what most map; among what they map; under it


def world(seed: int, engine: str) -> Machine:
    """Return a machine on which a random family has lived its life."""
    rng = np.random.default_rng(seed)
    policy = POLICIES[rng.choice(list(POLICIES))]()
    paging = PAGINGS[rng.choice(["x86-64", "x86-64-5level", "arm64-16k"])]
    costs = ROUND if rng.random() < 0.5 else load_preset(COSTS["vm-linux6.18"])
    cores, quantum = int(rng.integers(1, 5)), int(rng.choice([1000, 50_000_000, 10**12]))
    sample_ps = int(rng.choice([0, 30_000, 10**7])) if costs.name == "round" else 10**9
    contention = Contention(
        page_table_locks=rng.random() < 0.8,
        mmap_locks=rng.random() < 0.8,
        bandwidth=int(rng.choice([10**9, 10**10])) * (10**5 if costs is ROUND else 1)
        if rng.random() < 0.4
        else None,
    )
    era = ERAS["linux-5.15" if seed % 5 == 4 else "linux-6.18"]
    kernel = Kernel(paging, 1 << 29, policy, era, cache_bytes=CACHES[seed // 2 % len(CACHES)])
    if seed % 5 == 0:
        kernel.frames.age(0.5)
    for disk in (False, True) if seed % 3 == 0 else ():
        kernel.open(40 << 12, disk)
    tlb = TLBS[seed // 4 % len(TLBS)] if seed % 4 == 0 else None
    machine = Machine(
        kernel, costs, ENGINES[engine], cores, quantum, sample_ps, contention=contention, tlb=tlb
    )
    start(machine, lambda program: life(program, int(seed), int(rng.integers(1, 4)), ()))
    machine.run()
    return machine


BACKINGS = BASE, Backing("hugetlb", 2 << 20), THP, Backing("mthp", folio_bytes=(16 << 10, 64 << 10))


def life(program: Program, seed: int, generations: int, inherited: tuple) -> Activity:
    """Map, access in bursts cut anywhere, advise, fork, think; wait for all children, and exit."""
    rng = np.random.default_rng([seed, program.process.pid])
    heaps = whole(program, inherited)
    for _ in range(int(rng.integers(0 if heaps else 1, 3))):
        backing = BASE
        if program_is_x86(program) and not program.machine.kernel.policy.seeks_last_sharer():
            backing = BACKINGS[int(rng.choice(len(BACKINGS), p=[0.6, 0.1, 0.15, 0.15]))]
        pages = 1100 if rng.random() < 0.1 else int(rng.integers(1, 40))  # many have a table for themselves
        shared, file = rng.random() < 0.2, None
        if (files := program.machine.kernel.files) and backing is BASE and rng.random() < 0.6:
            pages, shared, file = min(pages, 39), shared or rng.random() < 0.3, files[int(rng.integers(2))]
        heap = yield from program.mmap(pages << 12, backing, shared, file=file)
        heaps.append(heap)
        if rng.random() < 0.7:
            yield from program.populate(heap)
    children, threads = [], []
    for number in range(int(rng.integers(3)) if rng.random() < 0.4 else 0):
        work = partial(thread, seed=seed, number=number, heaps=tuple(heaps))
        threads.append((yield from program.thread(work)))
    for _ in range(int(rng.integers(1, 6))):
        heap = heaps[int(rng.integers(len(heaps)))]
        yield from work_on(program, rng, heap)
        match int(rng.integers(5)):
            case 0 | 1 if generations:
                child = yield from program.fork(
                    lambda other: life(other, seed, generations - 1, tuple(heaps))
                )
                children.append(child)
            case 2:
                yield from program.think(int(rng.integers(1, 10**6)))
            case 3 if children:
                yield from program.wait(children.pop(0))
            case 4 if program.process.threads == 1:  # others might be at work there just now
                with suppress(SimulationError):  # hugetlb pages stay
                    there = yield from program.mremap(heap, elsewhere(program))
                    heaps[heaps.index(heap)] = there
    for child in children:
        yield from program.wait(child)
    for other in threads:
        yield from program.join(other)


def thread(program: Program, seed: int, number: int, heaps: tuple) -> Activity:
    """Access the heaps of the process, now and then map more; fork a child that does so too."""
    rng = np.random.default_rng([seed, program.process.pid, number])
    held = whole(program, heaps)
    for _ in range(int(rng.integers(1, 5)) if held else 0):
        yield from work_on(program, rng, held[int(rng.integers(len(held)))])
        match int(rng.integers(5)):
            case 0:
                mine = yield from program.mmap(4 << 12)
                yield from program.access(mine, np.arange(1), written=1)
                yield from program.munmap(mine)
            case 1 if number < 10:
                child = yield from program.fork(partial(thread, seed=seed, number=10, heaps=heaps))
                yield from program.wait(child)


def elsewhere(program: Program) -> int:
    """Return a page behind all mappings, at the start of a table of level 2."""
    return program.process.memory.vmas[-1].end + (1 << 20) & -(1 << 18)


def whole(program: Program, heaps: tuple) -> list[Vma]:
    """Return the heaps that a fork left whole."""
    return [heap for heap in heaps if program.process.memory.covers(heap.first, heap.end)]


def work_on(program: Program, rng: np.random.Generator, heap: Vma) -> Activity:
    """Access a heap in bursts, and now and then change what may be done to it, or give advice."""
    for pages, wanted in bursts(rng, heap.pages):
        written = np.where(writable(program, heap)[pages], wanted, 0)
        earliest, service = times(rng, program.now, len(pages)), services(rng, len(pages))
        with suppress(SegmentationFault):  # nothing may be accessed there, or it was moved
            yield from program.access(heap, pages, written, earliest, service)
            if service is not None:
                program.machine.records.requests(program.process.pid, *service)
        if rng.random() < 0.2:
            yield from advise(program, rng, heap)


def writable(program: Program, heap: Vma) -> np.ndarray:
    """Return which pages of a heap may be written."""
    parts = program.process.memory.overlapping(heap.first, heap.end)
    rights = np.concatenate([np.full(part.pages, part.writable) for part in parts])
    return rights[heap.first - parts[0].first :]


def advise(program: Program, rng: np.random.Generator, heap: Vma) -> Activity:
    """Call a verb about rights, advice, pins or merging for some whole leafs of a heap."""
    first, pages = 0, heap.pages
    if heap.level == 1 and rng.random() < 0.8:
        first = int(rng.integers(heap.pages))
        pages = int(rng.integers(1, heap.pages - first + 1))
    match int(rng.integers(9)):
        case 0:
            alone = program.process.threads == 1  # or others might write there just now
            yield from program.mprotect(heap, str(rng.choice(list(RIGHTS))) if alone else "rw", first, pages)
        case 1:
            with suppress(SegmentationFault):
                yield from program.mlock(heap, first, pages)
        case 2 | 3 | 4 as verb:
            verbs = {2: program.pin, 3: program.unpin, 4: program.merge}
            with suppress(SimulationError):  # what may not be written, or cannot be merged
                yield from verbs[verb](heap, first, pages)
        case _:
            with suppress(SimulationError):  # not all advice is for all memory
                yield from program.madvise(heap, str(rng.choice(ADVICE)), first, pages)


def program_is_x86(program: Program) -> bool:
    return program.machine.kernel.geometry.name.startswith("x86")


def bursts(rng: np.random.Generator, pages: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut a run of random accesses into bursts at random places."""
    accesses = rng.integers(min(pages, 64), size=int(rng.integers(0, 60)))
    written = np.where(rng.random(len(accesses)) < 0.6, 8, 0)
    cuts = np.sort(rng.integers(0, len(accesses) + 1, size=3))
    yield from zip(np.split(accesses, cuts), np.split(written, cuts), strict=True)


def times(rng: np.random.Generator, now: int, count: int) -> np.ndarray | None:
    """Return when accesses may begin at the earliest: for most bursts, whenever they can."""
    if rng.random() < 0.75:
        return None
    return now + np.sort(rng.integers(-100, rng.choice([1000, 10_000, 10**6]), size=count) // 100 * 100)


def services(rng: np.random.Generator, count: int) -> Service | None:
    """Return what accesses take besides: nothing for most bursts."""
    if rng.random() < 0.75:
        return None
    return Service.of(rng.integers(0, rng.choice([100, 1000, 10**6]), size=count) // 100 * 100)


def seen(machine: Machine) -> dict[str, object]:
    """Return all that can be seen of a machine."""
    kernel = machine.kernel
    return {
        "end": machine.now,
        "faults": machine.records.fault_table().to_numpy().tolist(),
        "fault_counts": dict(machine.records.fault_counts),
        "actions": machine.records.actions,
        "samples": machine.records.samples,
        "memory": machine.records.memory,
        "work": machine.records.action_work,
        "requests": {name: column.tolist() for name, column in machine.records.request_columns().items()},
        "frames": kernel.frames.counters.tolist(),
        "freed": kernel.frames.freed[: kernel.frames.counters[FREED]].tolist(),
        "dirty": [file.dirty.tolist() for file in kernel.files],
        "processes": [(p.pid, dict(p.faults), p.copied_bytes, p.written_bytes) for p in kernel.everyone],
        "tlbs": [kernel.tlbs.entries.tolist(), kernel.tlbs.cores.tolist()],
        "entries": hashlib.sha256(kernel.arena.rows[:512].tobytes()).hexdigest(),
    }


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_engines_agree_on_all_that_can_be_seen_of_random_worlds(first: int):
    for seed in range(first, first + 20):
        reference, compiled = seen(world(seed, "reference")), seen(world(seed, "compiled"))
        for what, value in reference.items():
            assert compiled[what] == value, f"seed {seed}: {what}"


def test_hits_that_take_no_time_are_refused():
    with pytest.raises(ConfigError, match="expected a price of hits of at least 1 ps"):
        Machine(
            Kernel(PAGINGS["x86-64"], 1 << 20, POLICIES["cow"]()),
            CostModel("free", "none", ROUND.prices | {"hits": Price(0, "assumed")}),
            ENGINES["compiled"],
        )


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 11_000, 500))
def test_engines_agree_on_ten_thousand_random_worlds(first: int):
    for seed in range(first, first + 500):
        assert seen(world(seed, "compiled")) == seen(world(seed, "reference")), f"seed {seed}"


def test_engines_agree_without_compilation_as_a_debugger_sees_them():
    worlds = f"{__file__}::test_engines_agree_on_all_that_can_be_seen_of_random_worlds[0]"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", worlds]

    done = subprocess.run(
        command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
