"""Whatever verbs a kernel is given, in whatever order: what must hold after each of them."""

import copy
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cowmodel.catalog import PAGINGS, POLICIES
from cowmodel.errors import ConfigError, OutOfMemory, SegmentationFault, SimulationError
from cowmodel.hardware.arena import FREED_ROWS
from cowmodel.hardware.paging import FRAME_MASK, FRAME_SHIFT, LARGE, PRESENT, WRITE
from cowmodel.kernel.accounting import count, unmapped_cache_bytes, usage
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma

SETTINGS = settings(
    max_examples=240,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
PICK = st.integers(0, 99)  # the so-manieth, counted round, of what there is


LEVEL = st.sampled_from((1, 1, 1, 1, 2, 2, 2, 3))  # of a mapping's leafs
PLACE = st.integers(-4, 12) | st.sampled_from((1 << 9, 1 << 11, 1 << 13, 1 << 18))  # in leafs
SHARED = st.sampled_from((False, False, False, True))


class Leaf(NamedTuple):
    """An entry that maps memory, as a walk of the tree finds it."""

    page: int
    level: int
    pfn: int
    writable: bool


class Tree(NamedTuple):
    """What a walk of one page table finds: leafs, and rows of the tables with level and page."""

    leafs: list[Leaf]
    tables: list[tuple[int, int, int]]


class KernelMachine(RuleBasedStateMachine):
    """Every verb of the kernel, on machines of a few frames and of a few huge pages."""

    @initialize(
        paging=st.sampled_from(list(PAGINGS)),
        policy=st.sampled_from(list(POLICIES)),
        frames=st.integers(5, 16) | st.sampled_from((20, 30, 60)),
        huge=st.integers(0, 6),
        mappings=st.lists(st.tuples(LEVEL, st.integers(1, 6), SHARED), max_size=4),
    )
    def boot(
        self,
        paging: str,
        policy: str,
        frames: int,
        huge: int,
        mappings: list[tuple[int, int, bool]],
    ) -> None:
        geometry = PAGINGS[paging]
        pages = 1 + frames + huge * geometry.leaf_pages(2)
        self.kernel = Kernel(geometry, pages * geometry.page_bytes, POLICIES[policy]())
        first, _ = self.kernel.spawn()
        for level, leafs, shared in mappings:
            self.mmap(0, level, leafs, shared, None)
        for vma in list(first.memory.vmas):
            self.attempt(partial(self.kernel.populate, first, vma))

    # ------------------------------------------------------------------ verbs
    @precondition(lambda self: len(self.kernel.alive) < 6)
    @rule(pick=PICK, orphan=st.booleans())
    def spawn(self, pick: int, orphan: bool) -> None:
        alive = self.kernel.alive
        parent = None if orphan or not alive else alive[pick % len(alive)]
        self.attempt(lambda: self.kernel.spawn(parent))

    @precondition(lambda self: self.kernel.alive)
    @rule(
        pick=PICK,
        level=LEVEL,
        leafs=st.integers(0, 6),
        shared=SHARED,
        place=st.none() | PLACE,
    )
    def mmap(self, pick: int, level: int, leafs: int, shared: bool, place: int | None) -> None:
        geometry = self.kernel.geometry
        leaf = geometry.leaf_pages(min(level, geometry.top))
        backing = BASE if level == 1 else Backing("hugetlb", leaf * geometry.page_bytes)
        size_bytes = leafs * leaf * geometry.page_bytes
        at = None if place is None else (1 << 40) // geometry.page_bytes + place * leaf
        process = self.process(pick)
        self.attempt(lambda: self.kernel.mmap(process, size_bytes, backing, shared, at))

    @precondition(lambda self: self.mapping_processes())
    @rule(accesses=st.lists(st.tuples(PICK, PICK, PICK, st.booleans()), min_size=1, max_size=8))
    def access(self, accesses: list[tuple[int, int, int, bool]]) -> None:
        for pick, pick_vma, pick_page, write in accesses:
            process, vma = self.mapping(pick, pick_vma)
            leaf = self.kernel.geometry.leaf_pages(vma.level)
            vpn = vma.first + (pick_page * leaf + pick_page % leaf) % vma.pages
            verb = self.kernel.write if write else self.kernel.read
            if self.attempt(partial(verb, process, vpn)):
                assert self.kernel.touch(process, vpn, write)

    @precondition(lambda self: self.read_only())
    @rule(picks=st.lists(PICK, min_size=1, max_size=4))
    def write_what_is_read_only(self, picks: list[int]) -> None:
        for pick in picks:
            if choices := self.read_only():
                process, page = choices[pick % len(choices)]
                self.attempt(partial(self.kernel.write, process, page))

    @precondition(lambda self: self.mapping_processes())
    @rule(pick=PICK, pick_vma=PICK)
    def populate(self, pick: int, pick_vma: int) -> None:
        process, vma = self.mapping(pick, pick_vma)
        self.attempt(lambda: self.kernel.populate(process, vma))

    @precondition(lambda self: 0 < len(self.kernel.alive) < 6)
    @rule(pick=PICK)
    def fork(self, pick: int) -> None:
        parents = self.mapping_processes() or self.kernel.alive
        self.attempt(lambda: self.kernel.fork(parents[pick % len(parents)]))

    @precondition(lambda self: self.mapping_processes())
    @rule(pick=PICK, pick_vma=PICK, first=PICK, leafs=st.none() | st.integers(1, 3))
    def munmap(self, pick: int, pick_vma: int, first: int, leafs: int | None) -> None:
        process, vma = self.mapping(pick, pick_vma)
        leaf = self.kernel.geometry.leaf_pages(vma.level)
        start = 0 if leafs is None else first * leaf % vma.pages
        pages = None if leafs is None else min(leafs * leaf, vma.pages - start)
        outside = [(-leaf, leaf), (0, 0), (0, vma.pages + leaf), (vma.pages, None)]
        pieces_of_huge_pages = [(1, None), (0, 1)] if leaf > 1 else []
        for wrong in outside + pieces_of_huge_pages:
            assert not self.attempt(partial(self.kernel.munmap, process, vma, *wrong))
        assert self.attempt(lambda: self.kernel.munmap(process, vma, start, pages))

    @precondition(lambda self: self.mapping_processes())
    @rule(pick=PICK, pick_vma=PICK, place=PLACE)
    def mremap(self, pick: int, pick_vma: int, place: int) -> None:
        process, vma = self.mapping(pick, pick_vma)
        to = (1 << 40) // self.kernel.geometry.page_bytes + place
        outside = (vma.first, vma.pages, self.kernel.geometry.user_pages)
        for wrong in [(vma.first, vma.pages - 1, to), (0, 1, to), outside]:
            assert not self.attempt(partial(self.kernel.mremap, process, *wrong))
        self.attempt(lambda: self.kernel.mremap(process, vma.first, vma.pages, to))

    @precondition(lambda self: len(self.kernel.alive) > 1)
    @rule(pick=PICK, by=st.sampled_from(("exit", "exit", "exec")))
    def end(self, pick: int, by: str) -> None:
        process = self.process(pick)
        if by == "exit":
            assert self.attempt(lambda: self.kernel.exit(process))
        else:
            self.attempt(lambda: self.kernel.exec(process))

    @precondition(lambda self: any(process.children for process in self.kernel.alive))
    @rule(pick=PICK)
    def wait(self, pick: int) -> None:
        children = [child for process in self.kernel.alive for child in process.children]
        exited = [child for child in children if child.space is None]
        child = (exited or children)[pick % len(exited or children)]
        parent = child.parent
        assert parent
        assert self.attempt(lambda: self.kernel.wait(parent, child)) is bool(exited)

    @rule(pick=PICK, other=PICK, vpn=st.sampled_from((-1, 0, 1 << 26, 1 << 40, 1 << 60)))
    def misuse(self, pick: int, other: int, vpn: int) -> None:
        """Access what is not mapped, wait for a stranger, use a process that has exited."""
        kernel, everyone = self.kernel, self.kernel.everyone
        process, child = everyone[pick % len(everyone)], everyone[other % len(everyone)]
        if process.space is None or process.space.find(vpn) is None:
            assert not self.attempt(lambda: kernel.read(process, vpn))
            assert not self.attempt(lambda: kernel.write(process, vpn))
        if process.space is None or process is not child.parent:
            assert not self.attempt(lambda: kernel.wait(process, child))
        if process.space is None:
            for verb in (kernel.fork, kernel.exec, kernel.exit):
                assert not self.attempt(partial(verb, process))
            assert not self.attempt(lambda: kernel.mmap(process, 1))

    # ------------------------------------------------------------- invariants
    @invariant()
    def sharers_equal_the_entries_that_map_each_frame(self) -> None:
        frames = self.kernel.frames

        mapped = Counter(leaf.pfn for tree in self.trees() for leaf in tree.leafs if leaf.pfn)

        used = np.flatnonzero(frames.sharers)
        assert dict(zip(used.tolist(), frames.sharers[used].tolist(), strict=True)) == mapped
        assert frames.total_sharers == mapped.total()

    @invariant()
    def a_writable_private_entry_has_its_frame_to_itself(self) -> None:
        for process, leaf, vma in self.mapped():
            if leaf.writable and vma.private:
                assert self.kernel.frames.sharers[leaf.pfn] == 1, (process.pid, leaf)

    @invariant()
    def a_shared_entry_is_writable_and_maps_the_frame_of_its_object(self) -> None:
        for process, leaf, vma in self.mapped():
            if vma.object:
                at = (leaf.page - vma.first) // self.kernel.geometry.leaf_pages(vma.level)
                held = int(vma.object.pfns[vma.offset + at])
                assert (leaf.writable, leaf.pfn) == (True, held), (process.pid, leaf)

    @invariant()
    def used_and_table_and_free_frames_are_all_frames(self) -> None:
        frames = self.kernel.frames
        assert min(frames.used, frames.table_pages, frames.free) >= 0
        assert frames.used + frames.table_pages + frames.free == frames.total

    @invariant()
    def pss_and_unmapped_cache_are_the_frames_in_use(self) -> None:
        kernel = self.kernel
        pss_bytes = sum(usage(kernel, process).pss_bytes for process in kernel.alive)
        used_bytes = kernel.frames.used * kernel.geometry.page_bytes
        assert pss_bytes + unmapped_cache_bytes(kernel) == pytest.approx(used_bytes)

    @invariant()
    def usage_that_is_remembered_is_what_would_be_counted(self) -> None:
        for process in self.kernel.alive:
            assert usage(self.kernel, process) == count(self.kernel, process)

    @invariant()
    def frames_in_use_overlap_neither_each_other_nor_the_free_ones(self) -> None:
        frames = self.kernel.frames

        in_use = self.in_use()

        owners = np.zeros(frames.total + 1, np.int64)
        for pfn, pages in in_use.items():
            assert 0 < pfn <= frames.total + 1 - pages and pfn % pages == 0
            owners[pfn : pfn + pages] += 1
        assert owners.max(initial=0) <= 1
        assert owners.sum() == frames.used
        assert not owners[self.free_base_frames()].any()

    @invariant()
    def table_pages_equal_those_a_walk_finds(self) -> None:
        rows: list[int] = []
        for process in self.kernel.alive:
            tables = self.tree(process).tables
            counted = Counter(level for level, _, _ in tables)
            levels = range(self.kernel.geometry.top + 1)
            assert process.memory.page_table.tables == [counted[level] for level in levels]
            rows += [row for _, row, _ in tables]
        assert len(set(rows)) == len(rows) == self.kernel.frames.table_pages

    @invariant()
    def every_table_below_the_root_meets_a_mapping(self) -> None:
        geometry = self.kernel.geometry
        for process in self.kernel.alive:
            for level, _, page in self.tree(process).tables:
                end = page + geometry.table_pages(level)
                met = [v for v in process.memory.vmas if v.first < end and page < v.end]
                assert met or level == geometry.top, (process.pid, level, page)

    @invariant()
    def mappings_are_in_order_and_disjoint(self) -> None:
        for process in self.kernel.alive:
            vmas = process.memory.vmas
            for before, after in itertools.pairwise(vmas):
                assert before.first < before.end <= after.first

    @invariant()
    def shared_objects_count_their_mappings(self) -> None:
        vmas = [vma for process in self.kernel.alive for vma in process.memory.vmas if vma.object]
        for vma in vmas:
            assert vma.object
            assert vma.object.mappings == sum(other.object is vma.object for other in vmas)

    @invariant()
    def processes_are_those_alive_and_those_still_to_be_waited_for(self) -> None:
        kernel = self.kernel
        for process in kernel.everyone:
            parent = process.parent
            zombie = process.space is None and parent is not None and process in parent.children
            assert (process.pid in kernel.processes) is (process.space is not None or zombie)

    def teardown(self) -> None:
        if not hasattr(self, "kernel"):
            return
        for process in self.kernel.alive:
            self.kernel.exit(process)
        frames = self.kernel.frames
        assert (frames.used, frames.table_pages, frames.total_sharers) == (0, 0, 0)
        assert not frames.cached.any()
        assert not self.kernel.processes

    # ---------------------------------------------------------------- helpers
    def attempt(self, verb: Callable[[], object]) -> bool:
        """Return whether `verb` worked; if it raised, it must have changed nothing."""
        before = self.snapshot()
        try:
            verb()
        except (OutOfMemory, SegmentationFault, SimulationError, ConfigError):
            assert_same(before, self.snapshot())
            return False
        return True

    def snapshot(self) -> dict[str, Any]:
        """Return all that a verb could change, as plain copies."""
        kernel = self.kernel
        rows = [row for tree in self.trees() for _, row, _ in tree.tables]
        return {
            "tables": {row: kernel.arena.rows[row].tobytes() for row in rows},
            "arena": [kernel.arena.counters.tolist(), free_rows(kernel)],
            "frames": copy.deepcopy(vars(kernel.frames)),
            "processes": list(kernel.processes),
            "everyone": [described(process) for process in kernel.everyone],
        }

    def process(self, pick: int) -> Process:
        return self.kernel.alive[pick % len(self.kernel.alive)]

    def mapping_processes(self) -> list[Process]:
        return [process for process in self.kernel.alive if process.memory.vmas]

    def mapping(self, pick: int, pick_vma: int) -> tuple[Process, Vma]:
        processes = self.mapping_processes()
        process = processes[pick % len(processes)]
        return process, process.memory.vmas[pick_vma % len(process.memory.vmas)]

    def read_only(self) -> list[tuple[Process, int]]:
        return [
            (process, leaf.page)
            for process in self.kernel.alive
            for leaf in self.tree(process).leafs
            if not leaf.writable
        ]

    def trees(self) -> list[Tree]:
        return [self.tree(process) for process in self.kernel.alive]

    def tree(self, process: Process) -> Tree:
        """Walk a page table from its root, entry by entry."""
        geometry, tree = self.kernel.geometry, Tree([], [])
        root = process.memory.page_table.walk(0, geometry.top) // geometry.entries
        self.descend(tree, root, geometry.top, 0)
        return tree

    def descend(self, tree: Tree, row: int, level: int, first: int) -> None:
        tree.tables.append((level, row, first))
        words = self.kernel.arena.rows[row]
        for index in np.flatnonzero(words).tolist():
            word, page = int(words[index]), first + index * self.kernel.geometry.leaf_pages(level)
            number = (word & FRAME_MASK) >> FRAME_SHIFT
            assert word & PRESENT
            if level == 1 or word & LARGE:
                tree.leafs.append(Leaf(page, level, number, bool(word & WRITE)))
            else:
                self.descend(tree, number, level - 1, page)

    def mapped(self) -> Iterator[tuple[Process, Leaf, Vma]]:
        """Yield every leaf with the mapping that it must lie in."""
        for process in self.kernel.alive:
            for leaf in self.tree(process).leafs:
                vma = process.memory.find(leaf.page)
                assert vma and vma.level == leaf.level, (process.pid, leaf)
                yield process, leaf, vma

    def in_use(self) -> dict[int, int]:
        """Return {first frame: frames} of every leaf that is mapped or held by a shared object."""
        leaf_pages = self.kernel.geometry.leaf_pages
        found = {leaf.pfn: leaf_pages(leaf.level) for _, leaf, _ in self.mapped() if leaf.pfn}
        for process in self.kernel.alive:
            for vma in process.memory.vmas:
                held = vma.object.pfns.tolist() if vma.object else []
                found |= {pfn: leaf_pages(vma.level) for pfn in held if pfn}
        return found

    def free_base_frames(self) -> list[int]:
        """Return every base frame that could still be had, by taking them from a copy."""
        spare = copy.deepcopy(self.kernel.frames)
        low, high = 0, spare.free
        while low < high:
            middle = (low + high + 1) // 2
            try:
                spare.require({1: middle})
                low = middle
            except OutOfMemory:
                high = middle - 1
        return spare.allocate(low).tolist()


def free_rows(kernel: Kernel) -> list[int]:
    """Return the rows of the arena that were given back, in order."""
    rows: list[int] = kernel.arena.freed[: kernel.arena.counters[FREED_ROWS]].tolist()
    return rows


def described(process: Process) -> tuple[object, ...]:
    """Return what makes up a process, its mappings and their shared objects."""
    vmas = process.space.vmas if process.space else []
    return (
        process.pid,
        process.parent.pid if process.parent else None,
        process.space is None,
        [child.pid for child in process.children],
        dict(process.faults),
        process.copied_bytes,
        [(v.first, v.pages, v.level, v.offset, v.written, id(v.object)) for v in vmas],
        [(v.object.mappings, v.object.pfns.tolist()) for v in vmas if v.object],
        list(process.space.page_table.tables) if process.space else [],
    )


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    frames_before, frames_after = before.pop("frames"), after.pop("frames")
    assert before == after
    assert frames_before.keys() == frames_after.keys()
    for name, value in frames_before.items():
        assert np.array_equal(value, frames_after[name]), name


def test_every_invariant_holds_after_every_verb_and_a_failed_verb_changes_nothing() -> None:
    run_state_machine_as_test(KernelMachine, settings=SETTINGS)
