"""The page table of one address space: a radix tree over rows of the arena.

Single pages are walked as the processor does, entry by entry. Whole runs are handled a block of tables at
a time: `blocks` hands out copies of the rows with everything outside the run zeroed, so that `OR` puts
entries into another tree, and `XOR` takes bits out of this one, without touching a neighbour's entries.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cowmodel.hardware.arena import Arena
from cowmodel.hardware.paging import (
    FRAME_MASK,
    FRAME_SHIFT,
    LARGE,
    PRESENT,
    SPECIAL,
    TABLE,
    WRITE,
    Numbers,
    Words,
    frame_of,
    with_frame,
)

NO_SLOT = -1
_BLOCK_WORDS = 1 << 17  # 1 MiB of entries at a time stays in the cache


class Run(NamedTuple):
    """Pages first..last of one mapping, and the level of the leafs that are meant.

    `folios` says whether they may be folios of several frames, or parts of them.
    """

    level: int
    first: int
    last: int
    folios: bool = False


@dataclass(frozen=True)
class Block:
    """Some tables of one level, with the entries of one run of pages.

    Attributes
    ----------
    rows : int64[n]
        Rows of the tables.
    firsts : int64[n]
        First page that each table covers.
    entries : uint64[n, E]
        A copy of the tables, zero outside the run.
    """

    rows: Numbers
    firsts: Numbers
    entries: Words

    @property
    def owned(self) -> NDArray[np.bool_]:
        """Which entries map a frame that counts sharers, bool[n, E]."""
        owned: NDArray[np.bool_] = self.entries & np.uint64(PRESENT | SPECIAL) == PRESENT
        return owned


class PageTable:
    """A tree of table pages in `arena`, born with an empty root.

    Attributes
    ----------
    root : int
        Row of the root table.
    tables : list of int
        Table pages of each level; `tables[level]`, entry 0 unused.
    version : int
        Changes when a table comes or goes, so that what was looked up may no longer be true.
    prunes : int
        Changes when a table goes, or a table comes in place of a leaf, so that a slot may no longer be.
    deposits : int
        Tables of level 1 that are kept for large leafs which may have to be split; `tables` counts them.
    """

    def __init__(self, arena: Arena) -> None:
        self._arena, self._geometry = arena, arena.geometry
        self.root = int(arena.take(1)[0])
        self.tables = [0] * self._geometry.top + [1]
        self.version = self.prunes = 0
        self.deposits = 0

    def walk(self, vpn: int, level: int = 1) -> int:
        """Return the slot for `vpn` in its table of `level`, or of the large leaf above it.

        NO_SLOT says that a table on the way is missing. With level 1 this is what the processor does.
        """
        words, mask = self._arena.words, self._geometry.entries - 1
        row = self.root
        for here in range(self._geometry.top, level - 1, -1):
            slot = row * (mask + 1) + (vpn >> self._geometry.shifts[here] & mask)
            word = words[slot]
            if here == level or word & LARGE:
                return slot
            if not word & PRESENT:
                break
            row = (word & FRAME_MASK) >> FRAME_SHIFT
        return NO_SLOT

    def maps(self, vpn: int) -> bool:
        """Return whether an entry maps `vpn`."""
        slot = self.walk(vpn)
        return slot != NO_SLOT and self._arena.words[slot] != 0

    def leaf(self, vpn: int) -> tuple[int, bool]:
        """Return the level of the leaf that maps `vpn`, and whether it is writable."""
        level = self._geometry.leaf_levels[-1]
        while not (word := self._arena.words[self.walk(vpn, level)]) & LARGE and level > 1:
            level -= 1
        return level, bool(word & WRITE)

    def slots(self, vpns: Numbers, level: int) -> Numbers:
        """Return the slots for `vpns` in tables of `level`, NO_SLOT where there is no such table.

        Parameters
        ----------
        vpns : int64[n]
        level : int
        """
        slots = self.root * self._geometry.entries + self._indices(vpns, self._geometry.top)
        for lower in range(self._geometry.top - 1, level - 1, -1):
            words = np.where(slots == NO_SLOT, np.uint64(0), self._arena.flat[slots])
            inner = frame_of(words) * self._geometry.entries + self._indices(vpns, lower)
            slots = np.where(words & np.uint64(PRESENT | LARGE) == PRESENT, inner, NO_SLOT)
        return slots

    def entries(self, vpns: Numbers, level: int) -> Words:
        """Return the entries for `vpns` in tables of `level`, 0 where there is none or no such table."""
        slots = self.slots(vpns, level)
        return np.where(slots == NO_SLOT, np.uint64(0), self._arena.flat[slots])

    def tables_over(self, level: int, first: int, last: int) -> tuple[Numbers, Numbers]:
        """Return rows and first pages of the tables of `level` that cover any page of first..last."""
        rows, firsts = np.array([self.root]), np.array([0])
        for upper in range(self._geometry.top, level, -1):
            span = self._geometry.leaf_pages(upper)
            words = self._arena.rows[rows]
            at, index = np.nonzero(words & np.uint64(PRESENT | LARGE) == PRESENT)
            starts = firsts[at] + index * span
            inside = (starts <= last) & (starts + span > first)
            rows, firsts = frame_of(words[at, index])[inside], starts[inside]
        return rows, firsts

    def missing(self, level: int, vpns: Numbers) -> int:
        """Return how many tables, down to `level`, `vpns`, which rise, lack."""
        lacking = 0
        if len(vpns) == 1 and self.walk(int(vpns[0]), level) != NO_SLOT:  # most often
            return 0
        for lower in range(self._geometry.top - 1, level - 1, -1):
            starts = self._starts(vpns, lower)
            lacking += int((self.slots(starts, lower) == NO_SLOT).sum())
        return lacking

    def grow(self, level: int, vpns: Numbers) -> list[int]:
        """Make the tables down to `level` that `vpns`, which rise, lack; return how many of each level."""
        made = [0] * len(self.tables)
        if len(vpns) == 1 and self.walk(int(vpns[0]), level) != NO_SLOT:
            return made
        for lower in range(self._geometry.top - 1, level - 1, -1):
            slots = self.slots(self._starts(vpns, lower), lower + 1)
            words = self._arena.flat
            slots = slots[words[slots] == 0]
            words[slots] = with_frame(self._arena.take(len(slots)), TABLE)
            made[lower] = len(slots)
        self.count(made)
        return made

    def count(self, made: list[int], pruned: bool = False) -> None:
        """Take note of `made[level]` tables more of each level."""
        self.tables = [sum(pair) for pair in zip(self.tables, made, strict=True)]
        self.version += 1
        self.prunes += pruned

    def deposit(self, count: int) -> None:
        """Keep tables for so many large leafs that come, or (negative) let go of those of leafs that went."""
        self._arena.hold(count)
        self.tables[1] += count
        self.deposits += count
        self.prunes += count < 0
        self.version += count < 0

    def split(self, vpn: int) -> int:
        """Put the table that was kept for the large leaf at `vpn` in its place; return its row."""
        slot = self.walk(vpn, 2)
        self.deposit(-1)
        row = int(self._arena.take(1)[0])
        self._arena.flat[slot] = with_frame(np.array([row]), TABLE)[0]
        self.tables[1] += 1
        return row

    def blocks(self, run: Run, pointers: bool = False) -> Iterator[Block]:
        """Yield the tables that have the leafs of a run, a cache-sized block at a time.

        Entries that point to tables of a lower level are as if they were not there, if not asked for.
        """
        level, first, last, _ = run
        rows, firsts = self.tables_over(level, first, last)
        size = max(1, _BLOCK_WORDS // self._geometry.entries)
        span = self._geometry.leaf_pages(level)
        for start in range(0, len(rows), size):
            some = slice(start, start + size)
            block = Block(rows[some], firsts[some], self._arena.rows[rows[some]])
            block.entries[0, : max(0, (first - block.firsts[0]) // span)] = 0
            block.entries[-1, max(0, (last - block.firsts[-1]) // span + 1) :] = 0
            if level > 1 and not pointers:
                block.entries[block.entries & np.uint64(LARGE) == 0] = 0
            yield block

    def prune(self, first: int, last: int, floor: int, ceiling: int, highest: int | None = None) -> int:
        """Free the tables over first..last that lie inside floor..ceiling, where nothing is mapped.

        Those above level `highest` stay. Return how many were freed.
        """
        gone = [0] * len(self.tables)
        for level in range(1, (highest or self._geometry.top - 1) + 1):
            rows, firsts = self.tables_over(level, first, last)
            idle = (firsts >= floor) & (firsts + self._geometry.table_pages(level) <= ceiling)
            self._arena.flat[self.slots(firsts[idle], level + 1)] = 0
            self._arena.give_back(rows[idle])
            gone[level] = int(idle.sum())
        self.count([-number for number in gone], pruned=True)
        return sum(gone)

    def free_root(self) -> None:
        """Give back the last table of a tree from which all others are gone."""
        self._arena.give_back(np.array([self.root]))
        self.tables[self._geometry.top] = 0

    def _starts(self, vpns: Numbers, level: int) -> Numbers:
        """Return the first page, once each, of the tables of `level` that cover `vpns`, which rise."""
        span = self._geometry.table_pages(level)
        starts = vpns // span * span
        return starts[np.flatnonzero(np.diff(starts, prepend=-1))]

    def _indices(self, vpns: Numbers, level: int) -> Numbers:
        return vpns >> self._geometry.shifts[level] & (self._geometry.entries - 1)
