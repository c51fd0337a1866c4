"""Folios of several frames: handed out, counted and freed as one, whoever maps which of their pages.

An entry that maps a part of a folio, or all of it at once, holds the folio's order (`paging.order_of`), which
with the natural alignment gives the first frame, its head. The folio's record counts

    TOTAL    entries that map it or a part of it; at 0 it is freed, all of it
    ENTIRE   those of them that map all of it at once
    OWNER    two address spaces that map it, by their root table plus 1, and how many entries each has (COUNT)
    ORDER    its order
    SHARED   whether others may map it than the one that asks

A third address space finds no place and is not kept track of. Whether a folio is SHARED is looked at anew
only when an address space lets go of its last entry, or one that is not kept track of of any: so a last
sharer may not be known as such.

Beside that a folio may count as dirty, as a whole, and of its frames it is known which were written: the
others are full of zeros, as nothing but a write changes what a folio was filled with.

References
----------
Linux, folio_add_return_large_mapcount and folio_sub_return_large_mapcount, include/linux/rmap.h (6.15).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cowmodel.hardware.frames import SHARERS as ALL_SHARERS
from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.paging import (
    FRAME_MASK,
    FRAME_SHIFT,
    LARGE,
    ORDER_MASK,
    ORDER_SHIFT,
    Numbers,
    Words,
    frame_of,
    order_of,
)
from cowmodel.hardware.reserve import reserved

LEAST_ORDER = 2  # Linux: the smallest folio of anonymous memory after a single page
TOTAL, ENTIRE, SHARED, OWNER, COUNT = range(5)
SECOND = 2  # the second owner and its count come so much after the first
ORDER, FIELDS = 7, 8

Rule = Callable[[Any, Any, Any, int], None]


# Both are compiled into modules of the engine, whose caches do not see it when they change.
def map_one(records: Any, record: int, count: int, owner: int) -> None:
    """Count entries more of the folio whose record begins at `record`, of one address space."""
    records[record + TOTAL] += count
    if records[record + OWNER] == owner:
        records[record + COUNT] += count
    elif records[record + SECOND + OWNER] == owner:
        records[record + SECOND + COUNT] += count
    elif not records[record + OWNER]:  # those who are not kept track of may map it
        records[record + OWNER], records[record + COUNT] = owner, count
        if records[record + TOTAL] != count:
            records[record + SHARED] = 1
    elif not records[record + SECOND + OWNER]:
        records[record + SECOND + OWNER], records[record + SECOND + COUNT] = owner, count
        records[record + SHARED] = 1


def unmap_one(records: Any, record: int, count: int, owner: int) -> int:
    """Count entries less, and return how many are left."""
    total = records[record + TOTAL] - count
    records[record + TOTAL] = total
    place = record if records[record + OWNER] == owner else record + SECOND
    left = 0
    if records[place + OWNER] == owner:
        left = max(0, records[place + COUNT] - count)
        records[place + COUNT] = left
        if not left:
            records[place + OWNER] = 0
    if not left and (records[record + COUNT] == total or records[record + SECOND + COUNT] == total):
        records[record + SHARED] = 0
    return int(total)


def map_parts(records: Any, heads: Any, counts: Any, owner: int) -> None:
    """Count entries more of folios: so many of each, of one address space."""
    for at in range(len(heads)):
        map_one(records, (heads[at] >> LEAST_ORDER) * FIELDS, counts[at], owner)


def unmap_parts(records: Any, heads: Any, counts: Any, owner: int) -> None:
    """Count entries less of folios, and put what is left into `counts`."""
    for at in range(len(heads)):
        counts[at] = unmap_one(records, (heads[at] >> LEAST_ORDER) * FIELDS, counts[at], owner)


class Folios:
    """The folios among `frames`.

    Attributes
    ----------
    records : int32[8 F]
        Eight numbers a folio, by head, shifted by `LEAST_ORDER`; all 0 for one that nothing maps.
    dirty : bool[F]
        Folios that count as dirty whatever the entries say that map them (Linux: PG_dirty).
    written : bool[total + 1]
        Frames of folios that a process has written to.
    rules : (callable, callable)
        `map_parts` and `unmap_parts`; an engine may put compiled ones in their place.
    """

    def __init__(self, frames: FrameTable) -> None:
        self._frames = frames
        places = (frames.total >> LEAST_ORDER) + 1
        self.records = reserved(places * FIELDS, np.int32)
        self.dirty, self.written = reserved(places, np.bool_), reserved(frames.total + 1, np.bool_)
        self._end = 0  # of the records that were ever used
        self.rules: tuple[Rule, Rule] = map_parts, unmap_parts

    def add(self, words: Words, root: int) -> None:
        """Count entries more, uint64[n] of one level, of the address space with table `root`."""
        heads, counts, orders = self._count(words, 1)
        self.rules[0](self.records, heads, counts, root + 1)
        self.records[(heads >> LEAST_ORDER) * FIELDS + ORDER] = orders
        self._end = max(self._end, int(heads.max(initial=-1) >> LEAST_ORDER) + 1)

    def remove(self, words: Words, root: int) -> int:
        """Count entries less, uint64[n] of one level; return how many folios became free."""
        heads, counts, orders = self._count(words, -1)
        self.rules[1](self.records, heads, counts, root + 1)
        free = counts == 0
        frees = 0
        for order in set(orders[free].tolist()):
            gone = heads[free & (orders == order)]
            self._forget(gone, 1 << order)
            frees += self._frames.release(gone, 1 << order)
        return frees

    def dissolve(self, word: int) -> int:
        """Make single frames of the folio of which an entry maps a part; return how many nothing maps.

        Those are free then. The entries that map the others are the caller's to change.
        """
        record = _record(word)
        frames = (record // FIELDS << LEAST_ORDER) + np.arange(1 << self.records[record + ORDER])
        unmapped = frames[self._frames.sharers[frames] == 0]
        self._forget(frames[:1], len(frames))
        self._frames.release(unmapped)
        return len(unmapped)

    def _forget(self, heads: Numbers, pages: int) -> None:
        """Forget all of folios of so many frames."""
        places = heads >> LEAST_ORDER
        self.records.reshape(-1, FIELDS)[places] = 0
        self.dirty[places] = False
        self.written[heads[:, None] + np.arange(pages)] = False

    @property
    def any(self) -> bool:
        """Whether there ever was one."""
        return self._end > 0

    def kept(self) -> int:
        """Return the frames that nothing maps, but which stay: pinned, or with others of their folio."""
        records = self.records.reshape(-1, FIELDS)[: self._end]
        parts = np.flatnonzero((records[:, TOTAL] > 0) & (records[:, ENTIRE] == 0))
        sizes, sharers = 1 << records[parts, ORDER], self._frames.sharers
        heads = parts << LEAST_ORDER
        runs = zip(heads.tolist(), sizes.tolist(), strict=True)
        unmapped: int = sum(size - int(np.count_nonzero(sharers[head : head + size])) for head, size in runs)
        return unmapped + self._frames.held

    def total(self, word: int) -> int:
        """Return how many entries map the folio of an entry, or a part of it."""
        return int(self.records[_record(word) + TOTAL])

    def totals(self, words: Words) -> Numbers:
        """Return how many entries map the folio of each of `words`, or a part of it, int64[n]."""
        return self.records[self._records(words) + TOTAL].astype(np.int64)

    def shared(self, word: int) -> bool:
        """Return whether others may map the folio of an entry than one address space."""
        return bool(self.records[_record(word) + SHARED])

    def others(self, words: Words) -> NDArray[np.bool_]:
        """Return whether others may map the folio of each of `words` than the address space that does."""
        records = self._records(words)
        return (self.records[records + SHARED] > 0) & (self.records[records + TOTAL] > 1)

    def dirty_of(self, words: Words) -> NDArray[np.bool_]:
        """Return whether the folio of each of `words` counts as dirty; a frame by itself is none."""
        return (order_of(words) > 0) & self.dirty[self._records(words) // FIELDS]

    def mark_dirty(self, words: Words, dirty: bool = True) -> None:
        """Let the folios of which `words` map a part count as dirty from now on, or no more."""
        self.dirty[self._records(words) // FIELDS] = dirty

    def note_written(self, vpns: Numbers, words: Words) -> None:
        """Take note that pages were written, int64[n], which entries map, uint64[n], of level 1 or 2."""
        orders = order_of(words)
        inside = np.where(words & np.uint64(LARGE) != 0, vpns & (1 << orders) - 1, 0)
        self.written[(frame_of(words) + inside)[orders > 0]] = True

    def most_mapped(self, word: int) -> int:
        """Return how many entries map the page of an entry's folio that most do."""
        record = _record(word)
        head = record // FIELDS << LEAST_ORDER
        each = self._frames.sharers[head : head + (1 << self.records[record + ORDER])]
        return int(each.max() + self.records[record + ENTIRE])

    def sharers(self, words: Words) -> Numbers:
        """Return how many entries map the page that each of `words`, of level 1, maps, int64[n]."""
        pfns, orders = frame_of(words), order_of(words)
        whole = self.records[self._records(words) + ENTIRE]
        return self._frames.sharers[pfns].astype(np.int64) + np.where(orders > 0, whole, 0)

    def _records(self, words: Words) -> Numbers:
        """Return where the record begins of the folio of each of `words`, int64[n]."""
        orders = order_of(words)
        return (frame_of(words) >> orders << orders >> LEAST_ORDER) * FIELDS

    def _count(self, words: Words, sign: int) -> tuple[Numbers, Numbers, Numbers]:
        """Count parts, or whole folios, for themselves.

        Return the heads of folios, how many of `words` in a row map each, and their orders.
        """
        pfns, orders = frame_of(words), order_of(words)
        if len(words) and words[0] & np.uint64(LARGE):
            self.records[(pfns >> LEAST_ORDER) * FIELDS + ENTIRE] += sign
        else:
            self._frames.sharers[pfns] += sign
        self._frames.counters[ALL_SHARERS] += sign * len(words)
        heads = pfns >> orders << orders
        starts = np.flatnonzero(np.concatenate(([True], heads[1:] != heads[:-1]))[: len(heads)])
        return heads[starts], np.concatenate((starts[1:], [len(heads)])) - starts, orders[starts]


def _record(word: int) -> int:
    order = (word & ORDER_MASK) >> ORDER_SHIFT
    return ((word & FRAME_MASK) >> FRAME_SHIFT >> order << order >> LEAST_ORDER) * FIELDS
