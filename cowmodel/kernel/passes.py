"""Passes over the entries of a run of pages: the inner loops of fork, unmap, populate and samples.

With whole arrays, a block of tables at a time. An engine may offer compiled ones with the same outcome, down
to the order in which frames and tables are taken and given back.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cowmodel.hardware.arena import Arena
from cowmodel.hardware.folios import Folios
from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.page_table import Block, PageTable, Run
from cowmodel.hardware.paging import (
    ACCESSED,
    CACHED,
    EXCLUSIVE,
    FRAME_SHIFT,
    LARGE,
    ORDER_MASK,
    PRESENT,
    WRITE,
    Numbers,
    Words,
    frame_of,
    leaf_bits,
    order_of,
    with_frame,
    write_protect,
)
from cowmodel.kernel.work import Work, entries_work

_NOT_ACCESSED, _NOT_EXCLUSIVE = ~np.uint64(ACCESSED), ~np.uint64(EXCLUSIVE)
_NOT_LARGE = ~np.uint64(LARGE)
_CHUNK = 1 << 18  # leafs filled at a time, so that temporary arrays stay small

Heard = Callable[[Numbers, Numbers], None]
"""Told of pages, int64[n], and of the frames there, int64[n]."""


class Counts(NamedTuple):
    """Entries of a level: all of them, leafs whose frame counts sharers, and large leafs."""

    used: int
    owned: int
    large: int


class Shared(NamedTuple):
    """What a child got: entries, of which some were writable, and those whose frame follows no other's.

    Of parts of large folios, how many, how many runs inside one folio they are, and how many were writable.
    """

    entries: int
    protections: int = 0
    jumps: int = 0
    parts: int = 0
    batches: int = 0
    part_protections: int = 0

    def work(self, level: int) -> Work:
        """Return the work of that, of entries of `level`."""
        if level > 1:
            return entries_work(level, self.entries) + Work(large_protections=self.protections)
        single = entries_work(level, self.entries - self.parts)
        single += Work(protections=self.protections - self.part_protections, entry_jumps=self.jumps)
        return single + Work(parts=self.parts, batches=self.batches, part_protections=self.part_protections)


class Dropped(NamedTuple):
    """What was emptied: entries, how many leafs became free, and entries whose frame follows no other's.

    Also parts of large folios that do follow one, of the same folio.
    """

    entries: int
    frees: int
    jumps: int = 0
    joined: int = 0

    def work(self, level: int) -> Work:
        """Return the work of that, of entries of `level`."""
        if level > 1:
            return Work(large_drops=self.entries, frees=self.frees)
        single = self.entries - self.joined
        return Work(drops=single, dropped_parts=self.joined, drop_jumps=self.jumps, frees=self.frees)


class Chain:
    """Looks along the frames that entries map, in order of pages, for those that follow the one before.

    Attributes
    ----------
    jumps : int
        Those that do not, so far.
    parts, joined, writable : int
        Parts of large folios; those that follow another of the same folio; those that may be written.
    """

    def __init__(self) -> None:
        self._last, self.jumps, self.parts, self.joined, self.writable = -1, 0, 0, 0, 0

    def add(self, words: Words) -> None:
        """Look along entries that map frames, which come after the ones before."""
        if not len(words):
            return
        pfns = frame_of(words)
        follows = np.diff(pfns, prepend=self._last) == 1
        self._last = int(pfns[-1])
        self.jumps += len(words) - int(np.count_nonzero(follows))
        if not np.bitwise_or.reduce(words) & np.uint64(ORDER_MASK):
            return
        orders = order_of(words)
        heads = pfns >> orders << orders
        self.parts += int(np.count_nonzero(orders))
        self.writable += int(np.count_nonzero(words[orders > 0] & np.uint64(WRITE)))
        self.joined += int(np.count_nonzero(follows & (orders > 0) & (pfns > heads)))


class Passes:
    """The passes over entries in `arena` that map `frames`."""

    def __init__(self, arena: Arena, frames: FrameTable, folios: Folios) -> None:
        self._arena, self._frames, self._folios = arena, frames, folios

    def count(self, table: PageTable, run: Run) -> Counts:
        """Count the entries, those that point to tables too, in all tables over the run."""
        used, owned, large = 0, 0, 0
        for block in table.blocks(run, pointers=True):
            used += int(np.count_nonzero(block.entries))
            leafs = block.entries & np.uint64(LARGE if run.level > 1 else PRESENT) != 0
            owned += int(np.count_nonzero(block.owned & leafs))
            large += int(np.count_nonzero(block.entries & np.uint64(LARGE)))
        return Counts(used, owned, large)

    def count_sharers(self, table: PageTable, run: Run, most: int) -> Numbers:
        """Return how many pages of the run n entries map in all, int64[most + 1]; n is no larger."""
        counts, leaf = np.zeros(most + 1, np.int64), self._arena.geometry.leaf_pages(run.level)
        for block in table.blocks(run):
            single, parts = _kinds(block.entries[block.owned])
            sharers = self._frames.sharers[frame_of(single)]
            counts += leaf * np.bincount(sharers, minlength=most + 1)
            counts += np.bincount(self._folios.sharers(pages_of(parts, leaf)), minlength=most + 1)
        return counts

    def graft(self, parent: PageTable, child: PageTable, run: Run) -> list[int]:
        """Make the tables over the run that only the parent has; return how many of each level."""
        made = [0] * len(child.tables)
        for lower in range(len(made) - 2, run.level - 1, -1):
            _, firsts = parent.tables_over(lower, run.first, run.last)
            made = [sum(pair) for pair in zip(made, child.grow(lower, firsts), strict=True)]
        return made

    def share(self, parent: PageTable, child: PageTable, run: Run) -> Shared:
        """Let the child map the parent's frames, both read-only; return what it got.

        parent [present, write] sharers 1  ->  parent [present] sharers 2
                                               child  [present]
        """
        entries, writable, chain = 0, 0, Chain()
        for block in parent.blocks(run):
            owned = block.entries[block.owned]
            self._map(child, owned)
            chain.add(owned)
            writable += int(np.count_nonzero(owned & np.uint64(WRITE)))
            protected = write_protect(block.entries) & _NOT_EXCLUSIVE  # nothing is dirty that is not writable
            self._arena.rows[block.rows] ^= block.entries ^ protected
            entries += self._put(child, run, block, protected)
        batches = chain.parts - chain.joined
        return Shared(entries, writable, chain.jumps, chain.parts, batches, chain.writable)

    def repeat(self, parent: PageTable, child: PageTable, run: Run) -> int:
        """Let the child map what the parent does, with the same rights; return the entries that it got."""
        entries = 0
        for block in parent.blocks(run):
            self._map(child, block.entries[block.owned])
            entries += self._put(child, run, block, block.entries)
        return entries

    def copy(self, parent: PageTable, child: PageTable, run: Run) -> tuple[int, int]:
        """Give the child frames of its own; return the entries that it got, and the leafs this took.

        parent [present, write] sharers 1  ->  the same; child [present, write] a new frame, sharers 1

        A folio that the parent maps as a whole becomes a folio of the child's; parts become single frames.
        What an object holds is shared.
        """
        entries, copied, leaf = 0, 0, self._arena.geometry.leaf_pages(run.level)
        for block in parent.blocks(run):
            own = block.owned & (block.entries & np.uint64(CACHED) == 0)
            new = self._frames.allocate(int(np.count_nonzero(own)), leaf)
            order = block.entries[own] & np.uint64(ORDER_MASK if run.level > 1 else 0)
            if run.folios and run.level > 1:
                parts = np.arange(leaf)[:, None]
                self._folios.written[new + parts] = self._folios.written[frame_of(block.entries[own]) + parts]
            block.entries[own] = with_frame(new, leaf_bits(run.level, write=True)) | order
            self._map(child, block.entries[block.owned])
            entries += self._put(child, run, block, block.entries)
            copied += len(new)
        return entries, copied

    def fill(self, table: PageTable, run: Run) -> int:
        """Map a new frame, written, at each leaf of the run without an entry; return how many.

        The tables are there.
        """
        filled, (level, first, last, _) = 0, run
        leaf = self._arena.geometry.leaf_pages(level)
        for start in range(first, last + 1, _CHUNK * leaf):
            heads = np.arange(start, min(start + _CHUNK * leaf, last + 1), leaf)
            slots = table.slots(heads, level)
            slots = slots[self._arena.flat[slots] == 0]
            pfns = self._frames.allocate(len(slots), leaf)
            self._frames.share(pfns)
            self._arena.flat[slots] = with_frame(pfns, leaf_bits(level, write=True))
            filled += len(slots)
        return filled

    def drop(self, table: PageTable, run: Run, tell: Heard | None = None) -> Dropped:
        """Empty the entries of the run; return what they were.

        [present] sharers n  ->  none, sharers n - 1; with none left and no object, the frame is free

        `tell`, if given, is told of the frames that lost a sharer.
        """
        entries, frees, leaf, chain = 0, 0, self._arena.geometry.leaf_pages(run.level), Chain()
        for block in table.blocks(run):
            self._arena.rows[block.rows] ^= block.entries
            single, parts = _kinds(owned := block.entries[block.owned])
            chain.add(owned)
            entries += int(np.count_nonzero(block.entries))
            pfns = frame_of(single)
            frees += self._frames.drop(pfns, leaf) + self._folios.remove(parts, table.root)
            if tell:
                at, index = np.nonzero(block.owned)
                tell(block.firsts[at] + index * leaf, pfns)
            if run.folios and run.level > 1:
                table.deposit(-int(np.count_nonzero(block.entries)))
        return Dropped(entries, frees, chain.jumps, chain.joined)

    def prune(self, table: PageTable, first: int, last: int, floor: int, ceiling: int) -> int:
        """Free the tables over first..last in floor..ceiling, where nothing is mapped; return how many."""
        return table.prune(first, last, floor, ceiling)

    def _map(self, child: PageTable, owned: Words) -> None:
        """Count the sharers that entries which map frames will be in the child."""
        single, parts = _kinds(owned)
        self._frames.share(frame_of(single))
        self._folios.add(parts, child.root)

    def _put(self, child: PageTable, run: Run, block: Block, entries: Words) -> int:
        """Put entries, as not accessed yet, where `block` is in the child's table; return how many."""
        rows = child.slots(block.firsts, run.level) // self._arena.geometry.entries
        self._arena.rows[rows] |= entries & _NOT_ACCESSED
        count = int(np.count_nonzero(entries))
        if run.folios and run.level > 1:
            child.deposit(count)
        return count


def _kinds(owned: Words) -> tuple[Words, Words]:
    """Return of entries that map frames those of single frames or hugetlb pages, and those of folios."""
    if not np.bitwise_or.reduce(owned) & np.uint64(ORDER_MASK):  # most often, and quick to see
        return owned, owned[:0]
    parts = owned & np.uint64(ORDER_MASK) != 0
    return owned[~parts], owned[parts]


def pages_of(words: Words, leaf: int) -> Words:
    """Return entries of level 1 for the single pages of leafs of `leaf` pages, uint64[n * leaf]."""
    if leaf == 1:
        return words
    offsets = np.arange(leaf, dtype=np.uint64) << np.uint64(FRAME_SHIFT)
    pages: Words = (words[:, None] & _NOT_LARGE) + offsets
    return pages.ravel()
