"""The compiled passes over page tables: what exit, munmap, populate and a sample do to each entry.

Each goes over the leafs of one run of pages, a table of it at a time, as `cowmodel.kernel.passes` does with
whole arrays; that is the readable account of the same rules. Those of fork are in `fork_passes`.

Arguments that all of them have:

    words        uint64[T * E], the arena
    bits         of an index: a table has E = 2 ** bits entries
    shifts       uint64[levels + 1], `Geometry.shifts`
    root         row of the root table; `level` of the leafs; `first` and `last` page of the run

All whole numbers are unsigned: an index that might be negative costs a check that no loop is vectorised with.
"""

import numpy as np

from cowmodel.engine.jit import compiled, part, unsigned
from cowmodel.hardware.arena import FREED_ROWS
from cowmodel.hardware.frames import FREED, FRESH, PEAK, SHARERS, TABLES, USED
from cowmodel.hardware.paging import (
    DIRTY,
    FRAME_MASK,
    FRAME_SHIFT,
    LARGE,
    LEAF,
    PRESENT,
    SPECIAL,
    WRITE,
)

_U = unsigned
_ONE, _NIL = _U(1), _U(0)
_P, _L = _U(PRESENT), _U(LARGE)
_PL, _PS = _U(PRESENT | LARGE), _U(PRESENT | SPECIAL)
_FRAME, _SHIFT = _U(FRAME_MASK), _U(FRAME_SHIFT)
NOWHERE = _U(1 << 62)  # no frame follows it
_NEW_LEAF = _U(LEAF | WRITE | DIRTY)

_RUN = "u8[::1], u8, u8[::1], u8, u8, u8, u8"  # words, bits, shifts, root, level, first, last
RUNS = "u8[::1], u8, u8[::1], u8, u8, u8, u8, u8"  # with the root of a child after that of its parent
_FRAMES = "i4[::1], i4[::1], i8[::1]"  # sharers, freed, counters


@part
def owns(word):
    """Return 1 for an entry that maps a frame which counts sharers, else 0."""
    return _ONE if word & _PS == _P else _NIL


@part
def stretch(words, bits, shifts, root, level, page, last):
    """Return the first entries of `level` for pages page..last that lie side by side in one table.

    As slot of the first, how many there are, and the page of the first; none if no table is left.
    """
    mask = (_ONE << bits) - _ONE
    while page <= last:
        row, here = root, _U(len(shifts) - 1)
        while here > level:
            word = words[row << bits | page >> shifts[here] & mask]
            if word & _PL != _P:
                break
            row = (word & _FRAME) >> _SHIFT
            here -= _ONE
        number = page >> shifts[here]
        if here == level:
            low = number & mask
            return row << bits | low, min(mask + _ONE - low, (last >> shifts[here]) - number + _ONE), page
        page = (number + _ONE) << shifts[here]
    return _NIL, _NIL, page


@part
def after(shifts, level, page, count):
    """Return the first page after `count` entries of `level`, of which the first covers `page`."""
    return ((page >> shifts[level]) + count) << shifts[level]


@part
def slot_of(words, bits, shifts, root, level, page):
    """Return the slot for `page` in its table of `level`, which is there."""
    mask = (_ONE << bits) - _ONE
    row, here = root, _U(len(shifts) - 1)
    while here > level:
        row = (words[row << bits | page >> shifts[here] & mask] & _FRAME) >> _SHIFT
        here -= _ONE
    return row << bits | page >> shifts[level] & mask


@compiled(f"UniTuple(i8, 3)({_RUN})")
def count(words, bits, shifts, root, level, first, last):
    """Return how many entries are used, how many of them own a frame, and how many are large leafs."""
    used, owned, large, page = _NIL, _NIL, _NIL, first
    while True:
        at, length, page = stretch(words, bits, shifts, root, level, page, last)
        if length == _NIL:
            return np.int64(used), np.int64(owned), np.int64(large)
        for slot in range(at, at + length):
            word = words[_U(slot)]
            used += _ONE if word else _NIL
            owned += owns(word) & (_ONE if level == _ONE or word & _L else _NIL)
            large += _ONE if word & _L else _NIL
        page = after(shifts, level, page, length)


@compiled(f"void({_RUN}, i4[::1], i8[:, ::1])")
def sharers_of(words, bits, shifts, root, level, first, last, sharers, counts):
    """Add to `counts[:, n]` the entries whose frame has n sharers, in turn to each of its 8 rows.

    Neighbours have the same n most often, and an addition waits for the one before in the same place.
    """
    page = first
    while True:
        at, length, page = stretch(words, bits, shifts, root, level, page, last)
        if length == _NIL:
            return
        for slot in range(at, at + length):
            word = words[_U(slot)]
            n = _U(sharers[(word & _FRAME) >> _SHIFT])
            counts[_U(slot) & _U(7), n] += np.int64(owns(word))
        page = after(shifts, level, page, length)


@compiled(f"i8({_RUN}, {_FRAMES})")
def fill(words, bits, shifts, root, level, first, last, sharers, freed, counters):
    """Map a new base frame, written, at each page of the run without an entry; return how many.

    Those freed last come first, then untouched ones from the lowest on; there are enough.
    """
    filled, page = 0, first
    while True:
        at, length, page = stretch(words, bits, shifts, root, level, page, last)
        if length == _NIL:
            counters[SHARERS] += filled
            counters[USED] += filled
            counters[PEAK] = max(counters[PEAK], counters[USED] + counters[TABLES])
            return np.int64(filled)
        for slot in range(at, at + length):
            if words[_U(slot)] == _NIL:
                if counters[FREED]:
                    counters[FREED] -= 1
                    pfn = _U(freed[_U(counters[FREED])])
                else:
                    pfn = _U(counters[FRESH])
                    counters[FRESH] += 1
                words[_U(slot)] = pfn << _SHIFT | _NEW_LEAF
                sharers[pfn] += 1
                filled += 1
        page = after(shifts, level, page, length)


@compiled(f"UniTuple(i8, 3)({_RUN}, {_FRAMES}, b1[::1])")
def drop(words, bits, shifts, root, level, first, last, sharers, freed, counters, cached):
    """Empty the entries of the run, of base pages, and let go of their frames.

    Return how many entries there were, how many frames became free, and how many do not follow the last one.
    """
    entries, owned, top, page = _NIL, 0, _U(counters[FREED]), first
    jumps, before = _NIL, NOWHERE
    while True:
        at, length, page = stretch(words, bits, shifts, root, level, page, last)
        if length == _NIL:
            frees = np.int64(top) - counters[FREED]
            counters[FREED] += frees
            counters[USED] -= frees
            counters[SHARERS] -= owned
            return np.int64(entries), frees, np.int64(jumps)
        for slot in range(at, at + length):
            word = words[_U(slot)]
            entries += _ONE if word else _NIL
            if owns(word):
                pfn = (word & _FRAME) >> _SHIFT
                left = sharers[pfn] - 1
                sharers[pfn] = left
                owned += 1
                jumps += _NIL if pfn == before + _ONE else _ONE
                before = pfn
                freed[top] = pfn  # above the top of the stack unless it is free indeed
                top += _ONE if left == 0 and not cached[pfn] else _NIL
            words[_U(slot)] = _NIL
        page = after(shifts, level, page, length)


@compiled(f"void({RUNS}, i4[::1], i8[::1], i8[::1])")
def prune(words, bits, shifts, root, first, last, floor, ceiling, freed_rows, rows, gone):
    """Free the tables over first..last that lie inside floor..ceiling; add them to `gone[level]`.

    Lowest levels first, and from the left, as `PageTable.prune` gives back rows of the arena.
    """
    for level in range(_ONE, _U(len(shifts) - 1)):
        span, page = shifts[level] + bits, first
        while True:
            at, length, page = stretch(words, bits, shifts, root, level, page, last)
            if length == _NIL:
                break
            start = page >> span << span
            if start >= floor and start + (_ONE << span) <= ceiling:
                words[slot_of(words, bits, shifts, root, level + _ONE, page)] = _NIL
                freed_rows[_U(rows[FREED_ROWS])] = at >> bits
                rows[FREED_ROWS] += 1
                gone[level] += 1
            page = after(shifts, level, page, length)
