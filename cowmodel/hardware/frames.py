"""The frames of physical memory: who maps each, which are free.

    0        fresh                    ceiling         total
    |zero|--handed out--|----untouched----|--large frames--|

Base frames come from the most recently freed first (a LIFO, as a kernel's per-CPU lists), else from the
bottom of untouched memory; large ones, naturally aligned, from its top, and stay large when freed, as the
pages of a hugetlb pool do. Frame 0 is the zero frame: it belongs to the kernel and is never counted.
Table pages take room, but have no frame number here: they are rows of the arena.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from cowmodel.errors import OutOfMemory
from cowmodel.hardware.paging import Numbers
from cowmodel.hardware.reserve import reserved

ZERO_FRAME = 0
MOST_FRAMES = 1 << 31  # frame numbers are kept in 32 bits where there are many

# Places in `FrameTable.counters`, which compiled code shares.
USED, TABLES, PEAK, PEAK_TABLES, FRESH, CEILING, FREED, PENDING, SHARERS, NOTED = range(10)


class FrameTable:
    """Physical memory of a fixed size.

    Parameters
    ----------
    total : int
        Frames that can be handed out.

    Attributes
    ----------
    sharers : int32[total + 1]
        Entries that map each frame; a large frame is counted at its first.
    cached : bool[total + 1]
        Frames that an object holds, so that they stay without a sharer.
    dirty : set of int
        Base frames that count as dirty whatever the entries say that map them (Linux: PG_dirty). A frame
        that a process maps more than once is one of them.
    pins : Counter of int
        How often each frame, or folio by its first, is pinned, so that it stays when nothing maps it.
    lingering : dict of int to int
        Those that nothing but a pin keeps, and how many frames they are.
    freed : int32[total + 1]
        The stack of freed base frames.
    counters : int64[10]
        Frames that hold data; that hold page tables; the most of both together, and of tables, so far;
        where untouched memory starts and ends; how many base frames are on the stack; how many frames
        that hold data are taken by faults which have yet to map them; the sum of `sharers`; the entries of
        `dirty` and `pins`, so that it is 0 where no frame asks for more care than others.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.sharers = reserved(total + 1, np.int32)
        self.dirty = set[int]()
        self.pins = Counter[int]()
        self.lingering = dict[int, int]()
        self.cached = reserved(total + 1, np.bool_)
        self.freed = reserved(total + 1, np.int32)
        self.counters = np.zeros(10, np.int64)
        self.counters[[FRESH, CEILING]] = ZERO_FRAME + 1, total + 1
        self._freed_large: dict[int, list[int]] = {}

    @property
    def used(self) -> int:
        """Frames that hold data."""
        return int(self.counters[USED])

    @property
    def table_pages(self) -> int:
        """Frames that hold page tables."""
        return int(self.counters[TABLES])

    @property
    def peak(self) -> int:
        """The most frames that held data or tables so far."""
        return int(self.counters[PEAK])

    @property
    def peak_tables(self) -> int:
        """The most frames that held tables so far."""
        return int(self.counters[PEAK_TABLES])

    @property
    def pending(self) -> int:
        """Frames that faults have taken and not yet mapped."""
        return int(self.counters[PENDING])

    @property
    def free(self) -> int:
        """Frames that hold neither data nor tables."""
        return self.total - self.used - self.table_pages

    @property
    def total_sharers(self) -> int:
        """Entries, in all page tables, that map a frame other than the zero frame."""
        return int(self.counters[SHARERS])

    @property
    def held(self) -> int:
        """Frames that nothing but a pin keeps."""
        return sum(self.lingering.values())

    @property
    def noted(self) -> bool:
        """Whether any frame is dirty or pinned."""
        return bool(self.counters[NOTED])

    def age(self, contiguity: float) -> None:
        """Let half of memory be what was used and given back before, so that it is handed out first.

        Parameters
        ----------
        contiguity : float
            How often a frame is followed by its neighbour then, from 0 to 1.
        """
        used = np.arange(ZERO_FRAME + 1, ZERO_FRAME + 1 + self.total // 2)
        rng = np.random.default_rng(0)  # any order with as many neighbours does as well
        pieces = np.cumsum(rng.random(len(used)) >= contiguity)
        order = np.argsort(rng.permutation(len(used) + 1)[pieces], kind="stable")
        self.counters[FRESH] += len(used)
        self._push(used[order][::-1])

    def require(self, demand: Mapping[int, int]) -> None:
        """Refuse a demand that memory cannot meet, before anything changes.

        What is granted must be allocated with the largest leafs first: alignment leaves less over then.

        Parameters
        ----------
        demand : mapping of int to int
            How many leafs of each size, the size in frames; a table page is a leaf of one frame.

        Raises
        ------
        OutOfMemory
        """
        if not self.has_room(demand):
            raise OutOfMemory(
                f"memory: expected room for {_spoken(demand)}, found {self.free:,} of {self.total:,} frames"
                f" free, {self._kept():,} of them kept as huge ones; give the machine more memory or the"
                " workload less"
            )

    def has_room(self, demand: Mapping[int, int]) -> bool:
        """Return whether memory can meet a demand, as `require` takes it."""
        fresh, ceiling = self.counters[[FRESH, CEILING]].tolist()
        room = ceiling - fresh
        for pages in sorted(demand, reverse=True):
            new = demand[pages] - len(self._freed_large.get(pages, ()))
            if pages > 1 and new > 0:
                ceiling = (ceiling // pages - new) * pages
                room -= new * pages
        room += int(self.counters[FREED]) - self.table_pages
        return bool(ceiling >= fresh and room >= demand.get(1, 0))

    def allocate(self, count: int, pages: int = 1) -> Numbers:
        """Take `count` leafs of `pages` frames each; return their first frames, int64[count].

        The caller has asked `require` before.
        """
        self._charge(count * pages)
        if pages > 1:
            return np.array([self._allocate_large(pages) for _ in range(count)], np.int64)
        freed, fresh = self.counters[[FREED, FRESH]].tolist()
        reused = min(count, freed)
        pfns = np.empty(count, np.int64)
        pfns[:reused] = self.freed[freed - reused : freed][::-1]
        pfns[reused:] = np.arange(fresh, fresh + count - reused)
        self.counters[[FREED, FRESH]] = freed - reused, fresh + count - reused
        return pfns

    def release(self, pfns: Numbers, pages: int = 1) -> int:
        """Give back leafs that nothing maps or holds any more, unless they are pinned; return how many."""
        if self.noted:
            pinned = np.isin(pfns, list(self.pins))
            self.lingering |= dict.fromkeys(pfns[pinned].tolist(), pages)
            pfns = pfns[~pinned]
            self.clean(pfns)
        self.counters[USED] -= len(pfns) * pages
        if pages > 1:
            self._freed_large.setdefault(pages, []).extend(pfns.tolist())
        else:
            self._push(pfns)
        return len(pfns)

    def pin(self, heads: Numbers) -> None:
        """Pin frames, or folios by their first ones, once more."""
        self.pins.update(heads.tolist())
        self._note()

    def unpin(self, heads: Numbers) -> int:
        """Take back as many pins; return how many leafs became free."""
        self.pins.subtract(heads.tolist())
        idle = [head for head in dict.fromkeys(heads.tolist()) if not self.pins[head]]
        for head in idle:
            del self.pins[head]
        self._note()
        alone = [(head, self.lingering.pop(head)) for head in idle if head in self.lingering]
        return sum(self.release(np.array([head]), pages) for head, pages in alone)

    def mark_dirty(self, pfn: int) -> None:
        """Let a base frame count as dirty from now on."""
        self.dirty.add(pfn)
        self._note()

    def clean(self, pfns: Numbers) -> None:
        """Let frames count as dirty no more."""
        self.dirty.difference_update(pfns.tolist())
        self._note()

    def share(self, pfns: Numbers) -> None:
        """Count one more entry that maps each of `pfns`, all different but for dirty ones."""
        self._count(pfns, 1)

    def drop(self, pfns: Numbers, pages: int = 1) -> int:
        """Count one entry less for each of `pfns`, as in `share`; return how many leafs became free."""
        self._count(pfns, -1)
        orphans = pfns[(self.sharers[pfns] == 0) & ~self.cached[pfns]]
        if self.dirty:  # each once
            orphans = orphans[np.sort(np.unique(orphans, return_index=True)[1])]
        return self.release(orphans, pages)

    def hold_tables(self, count: int) -> None:
        """Let page tables take `count` frames of room (give them back if negative)."""
        self.counters[TABLES] += count
        self.counters[PEAK_TABLES] = max(self.counters[PEAK_TABLES], self.counters[TABLES])
        self._charge(0)

    def hold_pending(self, frames: int) -> None:
        """Note that a fault is about to take so many frames, or (negative) has done with them."""
        self.counters[PENDING] += frames

    def _count(self, pfns: Numbers, sign: int) -> None:
        """Count one entry more, or less, for each of `pfns`."""
        if self.dirty:
            np.add.at(self.sharers, pfns, sign)
        else:
            self.sharers[pfns] += sign  # quicker, and only right if all are different
        self.counters[SHARERS] += sign * len(pfns)

    def _note(self) -> None:
        self.counters[NOTED] = len(self.dirty) + len(self.pins)

    def _kept(self) -> int:
        return sum(pages * len(heads) for pages, heads in self._freed_large.items())

    def _charge(self, frames: int) -> None:
        self.counters[USED] += frames
        self.counters[PEAK] = max(self.counters[PEAK], self.counters[USED] + self.counters[TABLES])

    def _allocate_large(self, pages: int) -> int:
        if freed := self._freed_large.get(pages):
            return freed.pop()
        ceiling = int(self.counters[CEILING])
        end = ceiling // pages * pages
        self._push(np.arange(end, ceiling))  # what alignment leaves over serves as base frames
        self.counters[CEILING] = end - pages
        return end - pages

    def _push(self, pfns: Numbers) -> None:
        start = int(self.counters[FREED])
        self.freed[start : start + len(pfns)] = pfns
        self.counters[FREED] += len(pfns)


def _spoken(demand: Mapping[int, int]) -> str:
    return " and ".join(
        f"{count:,} more frame{'s' * (count > 1)}"
        if pages == 1
        else f"{count:,} aligned run{'s' * (count > 1)} of {pages:,} frames"
        for pages, count in sorted(demand.items())
        if count
    )
