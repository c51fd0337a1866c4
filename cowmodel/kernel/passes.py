"""Passes over the entries of a run of pages: the inner loops of fork, unmap, populate and samples.

With whole arrays, a block of tables at a time. An engine may offer compiled ones with the same outcome, down
to the order in which frames and tables are taken and given back.

Every run lies in one mapping: pages first..last, whose leafs are at `level`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cowmodel.hardware.arena import Arena
from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.page_table import Block, PageTable
from cowmodel.hardware.paging import (
    ACCESSED,
    CACHED,
    EXCLUSIVE,
    LARGE,
    Numbers,
    Words,
    frame_of,
    leaf_bits,
    with_frame,
    write_protect,
)

_NOT_ACCESSED, _NOT_EXCLUSIVE = ~np.uint64(ACCESSED), ~np.uint64(EXCLUSIVE)
_CHUNK = 1 << 18  # leafs filled at a time, so that temporary arrays stay small

Heard = Callable[[Numbers, Numbers], None]
"""Told of pages, int64[n], and of the frames there, int64[n]."""


class Counts(NamedTuple):
    """Entries of a run: all of them, those whose frame counts sharers, and large leafs."""

    used: int
    owned: int
    large: int


class Passes:
    """The passes over entries in `arena` that map `frames`."""

    def __init__(self, arena: Arena, frames: FrameTable) -> None:
        self._arena, self._frames = arena, frames

    def count(self, table: PageTable, level: int, first: int, last: int) -> Counts:
        """Count the entries of `level`, in all tables over the run."""
        used, owned, large = 0, 0, 0
        for block in table.blocks(level, first, last):
            used += int(np.count_nonzero(block.entries))
            owned += int(np.count_nonzero(block.owned))
            large += int(np.count_nonzero(block.entries & np.uint64(LARGE)))
        return Counts(used, owned, large)

    def count_sharers(self, table: PageTable, level: int, first: int, last: int, most: int) -> Numbers:
        """Return how many entries of the run map a frame with n sharers, int64[most + 1]; n is no larger."""
        counts = np.zeros(most + 1, np.int64)
        for block in table.blocks(level, first, last):
            counts += np.bincount(self._frames.sharers[block.pfns], minlength=most + 1)
        return counts

    def graft(self, parent: PageTable, child: PageTable, level: int, first: int, last: int) -> list[int]:
        """Make the tables over the run that only the parent has; return how many of each level."""
        made = [0] * len(child.tables)
        for lower in range(len(made) - 2, level - 1, -1):
            _, firsts = parent.tables_over(lower, first, last)
            made = [sum(pair) for pair in zip(made, child.grow(lower, firsts), strict=True)]
        return made

    def share(self, parent: PageTable, child: PageTable, level: int, first: int, last: int) -> int:
        """Let the child map the parent's frames, both read-only; return the entries that it got.

        parent [present, write] sharers 1  ->  parent [present] sharers 2
                                               child  [present]
        """
        entries = 0
        for block in parent.blocks(level, first, last):
            self._frames.share(block.pfns)
            protected = write_protect(block.entries) & _NOT_EXCLUSIVE  # nothing is dirty that is not writable
            self._arena.rows[block.rows] ^= block.entries ^ protected
            entries += self._put(child, level, block, protected)
        return entries

    def copy(self, parent: PageTable, child: PageTable, level: int, first: int, last: int) -> tuple[int, int]:
        """Give the child frames of its own; return the entries that it got, and the leafs this took.

        parent [present, write] sharers 1  ->  the same; child [present, write] a new frame, sharers 1

        What an object holds is shared.
        """
        entries, copied, leaf = 0, 0, self._arena.geometry.leaf_pages(level)
        for block in parent.blocks(level, first, last):
            held = block.entries & np.uint64(CACHED) != 0
            own = block.owned & ~held
            self._frames.share(frame_of(block.entries[held]))
            new = self._frames.allocate(int(np.count_nonzero(own)), leaf)
            self._frames.share(new)
            block.entries[own] = with_frame(new, leaf_bits(level, write=True))
            entries += self._put(child, level, block, block.entries)
            copied += len(new)
        return entries, copied

    def _put(self, child: PageTable, level: int, block: Block, entries: Words) -> int:
        """Put entries, as not accessed yet, where `block` is in the child's table; return how many."""
        rows = child.slots(block.firsts, level) // self._arena.geometry.entries
        self._arena.rows[rows] |= entries & _NOT_ACCESSED
        return int(np.count_nonzero(entries))

    def fill(self, table: PageTable, level: int, first: int, last: int) -> int:
        """Map a new frame, written, at each leaf of the run without an entry; return how many.

        The tables are there.
        """
        filled, leaf = 0, self._arena.geometry.leaf_pages(level)
        for start in range(first, last + 1, _CHUNK * leaf):
            heads = np.arange(start, min(start + _CHUNK * leaf, last + 1), leaf)
            slots = table.slots(heads, level)
            slots = slots[self._arena.flat[slots] == 0]
            pfns = self._frames.allocate(len(slots), leaf)
            self._frames.share(pfns)
            self._arena.flat[slots] = with_frame(pfns, leaf_bits(level, write=True))
            filled += len(slots)
        return filled

    def drop(
        self, table: PageTable, level: int, first: int, last: int, tell: Heard | None = None
    ) -> tuple[int, int]:
        """Empty the entries of the run; return how many there were, and how many leafs became free.

        [present] sharers n  ->  none, sharers n - 1; with none left and no shared object, the frame is free

        `tell`, if given, is told of the frames that lost a sharer.
        """
        entries, frees, leaf = 0, 0, self._arena.geometry.leaf_pages(level)
        for block in table.blocks(level, first, last):
            pfns = block.pfns
            self._arena.rows[block.rows] ^= block.entries
            entries += int(np.count_nonzero(block.entries))
            frees += self._frames.drop(pfns, leaf)
            if tell:
                at, index = np.nonzero(block.owned)
                tell(block.firsts[at] + index * leaf, pfns)
        return entries, frees

    def prune(self, table: PageTable, first: int, last: int, floor: int, ceiling: int) -> None:
        """Free the tables over first..last that lie inside floor..ceiling, where nothing is mapped."""
        table.prune(first, last, floor, ceiling)
