"""The compiled passes against those with whole arrays: whatever is done, everything is left equal."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cowmodel.catalog import PAGINGS, POLICIES
from cowmodel.engine.compiled_passes import CompiledPasses
from cowmodel.errors import OutOfMemory, SimulationError
from cowmodel.hardware.arena import FREED_ROWS, FRESH_ROW
from cowmodel.hardware.frames import FREED
from cowmodel.hardware.paging import Geometry
from cowmodel.kernel.accounting import count
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.kernel import Kernel
from tests.toy import TOY

GEOMETRIES = {"toy": TOY} | PAGINGS


class Twins:
    """Two kernels to which the same is done, one of them with compiled passes."""

    def __init__(self, rng: np.random.Generator, geometry: Geometry, policy: str, frames: int) -> None:
        memory_bytes = (frames + 1) * geometry.page_bytes
        self.rng, self.geometry = rng, geometry
        self.kernels = [Kernel(geometry, memory_bytes, POLICIES[policy]()) for _ in range(2)]
        compiled = self.kernels[1]
        compiled.passes = CompiledPasses(compiled.arena, compiled.frames, compiled.folios)
        self.both(lambda kernel: kernel.spawn()[1])
        self.both(lambda kernel: kernel.open(8 * geometry.page_bytes, disk=False).pfns.tolist())
        self.both(lambda kernel: kernel.open(8 * geometry.page_bytes, disk=True).pfns.tolist())

    def both(self, verb: Callable[[Kernel], object]) -> None:
        """Do something to both kernels: the answers are equal, and so is all that is left."""
        first, second = [outcome(verb, kernel) for kernel in self.kernels]
        assert first == second
        expected, found = [state(kernel) for kernel in self.kernels]
        for what, value in expected.items():
            assert np.array_equal(found[what], value), what

    def act(self) -> None:
        """Do something at random to a process at random."""
        rng, alive = self.rng, [process.pid for process in self.kernels[0].alive]
        pid = int(rng.choice(alive))
        vmas = len(self.kernels[0].processes[pid].memory.vmas)
        verbs = [self.map] if vmas == 0 else [self.map, self.populate, self.touch, self.touch, self.unmap]
        verbs += [self.fork] * 2 if len(alive) < 5 else []
        verbs += [self.end] if len(alive) > 1 else []
        verbs[int(rng.integers(len(verbs)))](pid, int(rng.integers(max(vmas, 1))))

    def map(self, pid: int, at: int) -> None:
        """Map leafs of some level, most often across a border between tables."""
        rng, geometry = self.rng, self.geometry
        level = int(rng.choice([1, 1, 1, 2, geometry.leaf_levels[-1]]))
        leaf = geometry.leaf_pages(level)
        most = 4 if level > 1 else 3 * geometry.entries if rng.random() < 0.3 else 40
        leafs = int(rng.integers(1, most))
        border = int(rng.integers(1, 4)) << geometry.shifts[int(rng.integers(2, 4))]
        start = max(0, border - int(rng.integers(leafs + 3)) * leaf) // leaf * leaf
        shared = bool(rng.random() < 0.2)
        backing = BASE if level == 1 else Backing("hugetlb", leaf * geometry.page_bytes)
        size_bytes = leafs * leaf * geometry.page_bytes
        number = int(rng.integers(2)) if level == 1 and leafs <= 8 else None

        def verb(kernel: Kernel) -> object:
            file = None if number is None else kernel.files[number]
            return kernel.mmap(kernel.processes[pid], size_bytes, backing, shared, start, file)[1]

        self.both(verb)

    def populate(self, pid: int, at: int) -> None:
        """Populate a mapping, or some of its pages."""
        pages = self.kernels[0].processes[pid].memory.vmas[at].pages
        some = self.rng.integers(pages, size=int(self.rng.integers(1, 100)))
        whole = self.rng.random() < 0.6

        def verb(kernel: Kernel) -> object:
            vma = kernel.processes[pid].memory.vmas[at]
            return kernel.populate(kernel.processes[pid], vma, None if whole else vma.first + some)

        self.both(verb)

    def touch(self, pid: int, at: int) -> None:
        """Read and write pages."""
        pages = self.kernels[0].processes[pid].memory.vmas[at].pages
        some = self.rng.integers(pages, size=int(self.rng.integers(1, 20))).tolist()
        writes = (self.rng.random(len(some)) < 0.5).tolist()

        def verb(kernel: Kernel) -> object:
            process = kernel.processes[pid]
            first = process.memory.vmas[at].first
            verbs = [kernel.write if write else kernel.read for write in writes]
            return [verb(process, first + page) for verb, page in zip(verbs, some, strict=True)]

        self.both(verb)

    def unmap(self, pid: int, at: int) -> None:
        """Unmap a part of a mapping."""
        vma = self.kernels[0].processes[pid].memory.vmas[at]
        leaf = self.geometry.leaf_pages(vma.level)
        first = int(self.rng.integers(vma.pages // leaf)) * leaf
        pages = int(self.rng.integers(1, (vma.pages - first) // leaf + 1)) * leaf

        def verb(kernel: Kernel) -> object:
            process = kernel.processes[pid]
            return kernel.munmap(process, process.memory.vmas[at], first, pages)

        self.both(verb)

    def fork(self, pid: int, at: int) -> None:
        """Fork."""
        self.both(lambda kernel: kernel.fork(kernel.processes[pid])[1])

    def end(self, pid: int, at: int) -> None:
        """Exit, or exec."""
        if self.rng.random() < 0.7:
            self.both(lambda kernel: kernel.exit(kernel.processes[pid]))
        else:
            self.both(lambda kernel: kernel.exec(kernel.processes[pid]))


def outcome(verb: Callable[[Kernel], object], kernel: Kernel) -> object:
    try:
        return verb(kernel)
    except (OutOfMemory, SimulationError) as error:
        return str(error)


def state(kernel: Kernel) -> dict[str, Any]:
    """Return all that a pass could change, and what it could count."""
    arena, frames = kernel.arena, kernel.frames
    return {
        "entries": arena.rows[: arena.counters[FRESH_ROW]],
        "rows": arena.counters,
        "freed rows": arena.freed[: arena.counters[FREED_ROWS]],
        "counters": frames.counters,
        "sharers": frames.sharers,
        "cached": frames.cached,
        "freed": frames.freed[: frames.counters[FREED]],
        "freed large": str(frames._freed_large),
        "dirty": str([file.dirty for file in kernel.files]),
        "tables": [[p.memory.page_table.root, *p.memory.page_table.tables] for p in kernel.alive],
        "mappings": str([(v.first, v.end, v.written) for p in kernel.alive for v in p.memory.vmas]),
        "usage": [str(count(kernel, process)) for process in kernel.alive],
    }


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_compiled_passes_leave_what_passes_with_whole_arrays_leave(geometry: str, policy: str):
    for seed in range(8):
        rng = np.random.default_rng([seed, *geometry.encode(), *policy.encode()])
        leaf = GEOMETRIES[geometry].leaf_pages(2)
        twins = Twins(rng, GEOMETRIES[geometry], policy, int(rng.integers(20, 400)) + 12 * leaf)
        for _ in range(30):
            twins.act()
