"""Folios of several frames: handed out, counted and freed as one, whoever maps which of their pages.

An entry that maps a part of a folio, or all of it at once, holds the folio's order (`paging.order_of`), which
with the natural alignment gives the first frame, its head. The folio's record counts

    TOTAL    entries that map it or a part of it; at 0 it is freed, all of it
    ENTIRE   those of them that map all of it at once
    OWNER    two address spaces that map it, by their root table plus 1, and how many entries each has (COUNT)
    SHARED   whether others may map it than the one that asks

A third address space finds no place and is not kept track of. Whether a folio is SHARED is looked at anew
only when an address space lets go of its last entry, or one that is not kept track of of any: so a last
sharer may not be known as such.

References
----------
Linux, folio_add_return_large_mapcount and folio_sub_return_large_mapcount, include/linux/rmap.h (6.15).
"""

import numpy as np
from numpy.typing import NDArray

from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.paging import LARGE, Numbers, Words, frame_of, order_of
from cowmodel.hardware.reserve import reserved

LEAST_ORDER = 2  # Linux: the smallest folio of anonymous memory after a single page
TOTAL, ENTIRE, SHARED = range(3)
_OWNERS, _COUNTS = (3, 5), (4, 6)
_FIELDS = 8


class Folios:
    """The folios among `frames`.

    Attributes
    ----------
    records : int32[F, 8]
        By head, shifted by `LEAST_ORDER`; all 0 for a folio that nothing maps.
    """

    def __init__(self, frames: FrameTable) -> None:
        self._frames = frames
        count = (frames.total >> LEAST_ORDER) + 1
        self.records = reserved(count * _FIELDS, np.int32).reshape(count, _FIELDS)

    def add(self, words: Words, root: int) -> None:
        """Count entries more, uint64[n] of one level, of the address space with table `root`."""
        heads, counts, _ = self._count(words, 1)
        record, owner = self.records[heads >> LEAST_ORDER], root + 1
        record[:, TOTAL] += counts
        known = (record[:, _OWNERS[0]] == owner) | (record[:, _OWNERS[1]] == owner)
        for place, count in zip(_OWNERS, _COUNTS, strict=True):
            takes = ~known & (record[:, place] == 0)
            # the second place finds the first taken; the first may find those who are not kept track of
            record[takes & ((place == _OWNERS[1]) | (record[:, TOTAL] != counts)), SHARED] = 1
            record[takes, place] = owner
            known |= takes
            record[:, count] += np.where(record[:, place] == owner, counts, 0)
        self.records[heads >> LEAST_ORDER] = record

    def remove(self, words: Words, root: int) -> int:
        """Count entries less, uint64[n] of one level; return how many folios became free."""
        heads, counts, orders = self._count(words, -1)
        record, owner = self.records[heads >> LEAST_ORDER], root + 1
        record[:, TOTAL] -= counts
        stays = np.zeros(len(heads), np.bool_)
        for place, count in zip(_OWNERS, _COUNTS, strict=True):
            record[:, count] -= np.where(record[:, place] == owner, counts, 0)
            gone = (record[:, place] == owner) & (record[:, count] <= 0)
            stays |= (record[:, place] == owner) & ~gone
            record[gone, place] = record[gone, count] = 0
        alone = (record[:, _COUNTS] == record[:, [TOTAL]]).any(axis=1)
        record[~stays & alone, SHARED] = 0
        self.records[heads >> LEAST_ORDER] = record
        free = record[:, TOTAL] == 0
        for order in np.unique(orders[free]).tolist():
            self._frames.release(heads[free & (orders == order)], 1 << order)
        return int(free.sum())

    def total(self, word: int) -> int:
        """Return how many entries map the folio of an entry, or a part of it."""
        return int(self._record(word)[TOTAL])

    def alone(self, word: int) -> bool:
        """Return whether the part that an entry maps may be written in place: nobody else maps the folio.

        One page that is left of it is not kept: the rest of the folio could not be freed.
        """
        record = self._record(word)
        return bool(record[TOTAL] > 1 and not record[SHARED])

    def sharers(self, words: Words) -> Numbers:
        """Return how many entries map the page that each of `words`, of level 1, maps, int64[n]."""
        pfns, orders = frame_of(words), order_of(words)
        whole = self.records[self._heads(pfns, orders) >> LEAST_ORDER, ENTIRE]
        return self._frames.sharers[pfns].astype(np.int64) + np.where(orders > 0, whole, 0)

    def _record(self, word: int) -> NDArray[np.int32]:
        words = np.array([word], np.uint64)
        head = self._heads(frame_of(words), order_of(words))[0]
        record: NDArray[np.int32] = self.records[head >> LEAST_ORDER]
        return record

    def _count(self, words: Words, sign: int) -> tuple[Numbers, NDArray[np.int32], Numbers]:
        """Count parts, or whole folios, for themselves; return heads, entries of each, and orders."""
        pfns, orders = frame_of(words), order_of(words)
        if len(words) and words[0] & np.uint64(LARGE):
            self.records[pfns >> LEAST_ORDER, ENTIRE] += sign
        else:
            self._frames.sharers[pfns] += sign
        heads, first, counts = np.unique(self._heads(pfns, orders), return_index=True, return_counts=True)
        return heads, counts.astype(np.int32), orders[first]

    @staticmethod
    def _heads(pfns: Numbers, orders: Numbers) -> Numbers:
        return pfns >> orders << orders
