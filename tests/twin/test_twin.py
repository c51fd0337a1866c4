"""The kernel and its twin agree, after every operation of random lives of a few processes."""

import random
from collections import Counter

import numpy as np
import pytest

from cowmodel.catalog import PAGINGS, POLICIES
from cowmodel.hardware.paging import PRESENT, WRITE, frame_of
from cowmodel.kernel.accounting import unmapped_cache_bytes, usage
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from tests.twin.twin import GEOMETRIES, ZERO, Region, Space, Twin

WORLDS = 20  # of each paging and policy
STEPS = (40, 120)
MOST_PROCESSES = 5
FILE_PAGES = 24
MEMORY_PAGES = {1: 1 << 14, 2: 96, 3: 40}  # leafs of the largest level in use, always enough


class World:
    """One kernel, its twin, and a random life for both."""

    def __init__(self, paging: str, policy: str, seed: int) -> None:
        self.random = random.Random(f"{paging} {policy} {seed}")
        self.geometry = PAGINGS[paging]
        levels = self.geometry.leaf_levels
        self.levels = self.random.choice([(1,), levels[:2], levels])
        largest = self.geometry.leaf_bytes(self.levels[-1])
        memory_bytes = MEMORY_PAGES[self.levels[-1]] * largest + (1 << 14) * self.geometry.page_bytes
        self.kernel = Kernel(self.geometry, memory_bytes, POLICIES[policy]())
        self.twin = Twin(paging, policy)
        self.processes: dict[int, Process] = {}
        self.log: list[str] = []
        for disk in (False, True):
            self.kernel.open(FILE_PAGES * self.geometry.page_bytes, disk)
            self.twin.open(FILE_PAGES, told=disk)
        self.spawn()

    # ------------------------------------------------------------- operations
    def step(self) -> None:
        operations = {
            self.spawn: 1,
            self.mmap: 8,
            self.read: 30,
            self.write: 60,
            self.populate: 8,
            self.fork: 8,
            self.munmap: 6,
            self.exec: 1,
            self.exit: 4,
        }
        self.random.choices(list(operations), list(operations.values()))[0]()

    def spawn(self) -> None:
        if len(self.processes) < MOST_PROCESSES:
            process, _ = self.kernel.spawn()
            self.note(f"spawn {process.pid}")
            self.processes[process.pid] = process
            self.twin.spawn(process.pid)

    def mmap(self) -> None:
        process, space = self.pick_process()
        level, shared = self.random.choice(self.levels), self.random.random() < 0.3
        leaf = self.geometry.leaf_pages(level)
        pages = leaf * self.random.choice((1, 1, 2, 5, 12, 24) if level == 1 else (1, 1, 2))
        first = self.place(leaf)
        if any(region.first < first + pages and first < region.end for region in space.regions):
            return
        backing = BASE if level == 1 else Backing("hugetlb", self.geometry.leaf_bytes(level))
        size_bytes = pages * self.geometry.page_bytes
        number = self.random.choice((None, None, 0, 1)) if level == 1 else None
        self.note(f"mmap {process.pid} {first:#x} {pages} level {level} shared {shared} file {number}")
        file = None if number is None else self.kernel.files[number]
        self.kernel.mmap(process, size_bytes, backing, shared, first, file)
        self.twin.mmap(process.pid, first, pages, level, shared, number)

    def place(self, leaf: int) -> int:
        """Return a page near a border of two tables, so that mappings meet in one and cross it."""
        border = (1 << 40) // self.geometry.page_bytes + self.geometry.table_pages(1)
        if leaf == 1:
            return border + self.random.randint(-64, 40)
        return border // leaf * leaf + self.random.randint(0, 3) * leaf

    def read(self) -> None:
        self.access(write=False)

    def write(self) -> None:
        self.access(write=True)

    def access(self, write: bool) -> None:
        process, region = self.pick_region()
        if process is None or region is None:
            return
        page = self.pick_page(region, self.twin.spaces[process.pid])
        self.note(f"{'write' if write else 'read'} {process.pid} {page:#x}")
        before = process.faults.copy()
        (self.kernel.write if write else self.kernel.read)(process, page)
        kinds = self.twin.access(process.pid, page, write)
        assert process.faults - before == Counter(kinds), self.story()

    def populate(self) -> None:
        process, region = self.pick_region()
        if process is None or region is None:
            return
        self.note(f"populate {process.pid} {region.first:#x}")
        before = process.faults.copy()
        self.kernel.populate(process, vma_at(process, region.first))
        kinds = self.twin.populate(process.pid, region.first)
        assert process.faults - before == Counter(kinds), self.story()

    def fork(self) -> None:
        if len(self.processes) < MOST_PROCESSES:
            process, _ = self.pick_process()
            child, work = self.kernel.fork(process)
            self.note(f"fork {process.pid} -> {child.pid}")
            self.processes[child.pid] = child
            assert work.copied_bytes == self.twin.fork(process.pid, child.pid), self.story()

    def munmap(self) -> None:
        process, region = self.pick_region()
        if process is None or region is None:
            return
        leaf = self.geometry.leaf_pages(region.level)
        leafs = (region.end - region.first) // leaf
        start = self.random.randrange(leafs) if self.random.random() < 0.6 else 0
        count = self.random.randint(1, leafs - start)
        first, end = region.first + start * leaf, region.first + (start + count) * leaf
        self.note(f"munmap {process.pid} {first:#x} .. {end:#x}")
        self.kernel.munmap(process, vma_at(process, region.first), start * leaf, count * leaf)
        self.twin.munmap(process.pid, first, end)

    def exec(self) -> None:
        process, _ = self.pick_process()
        self.note(f"exec {process.pid}")
        self.kernel.exec(process)
        copied = self.twin.spaces[process.pid].copied_bytes
        self.twin.exec(process.pid)
        self.twin.spaces[process.pid].copied_bytes = copied

    def exit(self) -> None:
        if len(self.processes) > 1:
            self.end(self.pick_process()[0])

    def end(self, process: Process) -> None:
        self.note(f"exit {process.pid}")
        self.kernel.exit(process)
        self.twin.exit(process.pid)
        del self.processes[process.pid]

    # ------------------------------------------------------------- comparison
    def compare(self) -> None:
        frames, page_bytes = self.kernel.frames, self.geometry.page_bytes
        twin_of: dict[int, int] = {0: ZERO}
        for pid, process in self.processes.items():
            space = self.twin.spaces[pid]
            found = self.entries(process)
            assert found.keys() == space.entries.keys(), self.story()
            for head, (pfn, writable) in found.items():
                frame, may_write = space.entries[head]
                assert twin_of.setdefault(pfn, frame) == frame, self.story()
                assert writable == may_write, self.story()
            self.compare_counts(process)
        assert len(set(twin_of.values())) == len(twin_of), self.story()
        of_kernel = {twin_of[pfn]: int(frames.sharers[pfn]) for pfn in twin_of if pfn}
        mapped = {frame: count for frame, count in self.twin.sharers.items() if count}
        assert of_kernel == mapped, self.story()
        assert frames.used == self.twin.used_pages(), self.story()
        unmapped = sum(self.twin.frame_pages[frame] for frame in self.twin.sharers.keys() - mapped)
        assert unmapped_cache_bytes(self.kernel) == unmapped * page_bytes, self.story()
        spaces = self.twin.spaces.values()
        assert frames.table_pages == sum(len(space.tables) for space in spaces), self.story()

    def compare_counts(self, process: Process) -> None:
        pid, page_bytes = process.pid, self.geometry.page_bytes
        used, tables = usage(self.kernel, process), self.twin.table_counts(pid)
        assert used.rss_bytes == self.twin.rss_pages(pid) * page_bytes, self.story()
        assert used.uss_bytes == self.twin.uss_pages(pid) * page_bytes, self.story()
        assert used.pss_bytes == pytest.approx(self.twin.pss_pages(pid) * page_bytes), self.story()
        counted = dict(enumerate(process.memory.page_table.tables))
        assert counted == {level: tables[level] for level in counted}, self.story()
        assert process.copied_bytes == self.twin.spaces[pid].copied_bytes, self.story()

    def entries(self, process: Process) -> dict[int, tuple[int, bool]]:
        """Return {head page: (pfn, writable)} of all that `process` has an entry for."""
        found: dict[int, tuple[int, bool]] = {}
        for vma in process.memory.vmas:
            heads = np.arange(vma.first, vma.end, self.geometry.leaf_pages(vma.level))
            slots = process.memory.page_table.slots(heads, vma.level)
            words = self.kernel.arena.flat[slots] * (slots >= 0).astype(np.uint64)
            for head, word, pfn in zip(heads.tolist(), words.tolist(), frame_of(words).tolist(), strict=True):
                if word & PRESENT:
                    found[head] = pfn, bool(word & WRITE)
        return found

    # ------------------------------------------------------------------ picks
    def pick_process(self) -> tuple[Process, Space]:
        pid = self.random.choice(list(self.processes))
        return self.processes[pid], self.twin.spaces[pid]

    def pick_region(self) -> tuple[Process | None, Region | None]:
        process, space = self.pick_process()
        if not space.regions:
            return None, None
        return process, self.random.choice(space.regions)

    def pick_page(self, region: Region, space: Space) -> int:
        """Return any page of `region`, or as often one whose entry is read-only."""
        heads = range(region.first, region.end, self.geometry.leaf_pages(region.level))
        read_only = [head for head in heads if not space.entries.get(head, (ZERO, True))[1]]
        if read_only and self.random.random() < 0.5:
            return self.random.choice(read_only)
        return self.random.randrange(region.first, region.end)

    def note(self, line: str) -> None:
        self.log.append(line)

    def story(self) -> str:
        return "they differ after\n" + "\n".join(self.log)


def vma_at(process: Process, page: int) -> Vma:
    vma = process.memory.find(page)
    assert vma is not None
    return vma


@pytest.mark.parametrize("paging", PAGINGS)
def test_the_twin_cuts_page_numbers_as_the_paging_says(paging: str) -> None:
    geometry = PAGINGS[paging]

    page_bytes, bits = GEOMETRIES[paging]

    assert (geometry.page_bytes, geometry.index_bits) == (page_bytes, bits)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("paging", PAGINGS)
def test_kernel_and_twin_agree_after_every_operation(paging: str, policy: str) -> None:
    for seed in range(WORLDS):
        world = World(paging, policy, seed)

        for _ in range(world.random.randint(*STEPS)):
            world.step()
            world.compare()
        for process in list(world.processes.values()):
            world.end(process)
            world.compare()

        assert world.kernel.frames.used == 2 * FILE_PAGES
        assert world.kernel.frames.table_pages == 0
