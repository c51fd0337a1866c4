"""The compiled passes of fork: the child gets its tables, and then the entries of its parent.

A table is gone over twice: first its entries, without a branch, then the sharers of the frames that they map,
which lie anywhere. What other passes do too, and the arguments, are in `cowmodel.engine.passes`; when that
changes, numba's cache of this module does not see it.
"""

import numpy as np

from cowmodel.engine.jit import compiled, part, unsigned
from cowmodel.engine.passes import NOWHERE, RUNS, after, owns, slot_of, stretch
from cowmodel.hardware.arena import FREED_ROWS, FRESH_ROW
from cowmodel.hardware.frames import SHARERS
from cowmodel.hardware.paging import (
    ACCESSED,
    DIRTY,
    EXCLUSIVE,
    FRAME_MASK,
    FRAME_SHIFT,
    SAVED_DIRTY,
    TABLE,
    WRITE,
)

_U = unsigned
_ONE, _NIL = _U(1), _U(0)
_WE, _D = _U(WRITE | EXCLUSIVE), _U(DIRTY)
_NOT_A, _NOT_WDE = _U(~ACCESSED % (1 << 64)), _U(~(WRITE | DIRTY | EXCLUSIVE) % (1 << 64))
_SAVE = _U(SAVED_DIRTY.bit_length() - DIRTY.bit_length())  # from DIRTY to SAVED_DIRTY
_FRAME, _SHIFT = _U(FRAME_MASK), _U(FRAME_SHIFT)
_W_AT = _U(WRITE.bit_length() - 1)
_TABLE = _U(TABLE)


@compiled(f"void({RUNS}, i4[::1], i8[::1], i8[::1])")
def graft(words, bits, shifts, parent, child, level, first, last, freed_rows, rows, made):
    """Make the tables over the run that `parent` has and `child` lacks; add them to `made[level]`.

    Upper levels first, and from the left, as `PageTable.grow` takes rows of the arena.
    """
    here = _U(len(shifts) - 2)
    while here >= level:
        page = first
        while True:
            _, length, page = stretch(words, bits, shifts, parent, here, page, last)
            if length == _NIL:
                break
            slot = slot_of(words, bits, shifts, child, here + _ONE, page)
            if words[slot] == _NIL:
                if rows[FREED_ROWS]:
                    rows[FREED_ROWS] -= 1
                    row = _U(freed_rows[_U(rows[FREED_ROWS])])
                else:
                    row = _U(rows[FRESH_ROW])
                    rows[FRESH_ROW] += 1
                words[slot] = row << _SHIFT | _TABLE
                made[here] += 1
            page = after(shifts, here, page, length)
        here -= _ONE


@part
def write_protect(word):
    """Return an entry that is read-only and shared; one that was dirty stays so, in its software bit."""
    return word & _NOT_WDE | (word & _D) << _SAVE


@part
def give(words, at, to, length):
    """Copy entries to a child, read-only and not accessed.

    Return how many are used, how many were writable, any that was not shared yet, and any bit in which
    frames are not in order.
    """
    used, writable, written, unlike, one = _NIL, _NIL, _NIL, _NIL, words[at]
    for index in range(length):
        word = words[at + _U(index)]
        words[to + _U(index)] = write_protect(word) & _NOT_A
        used += _ONE if word else _NIL
        writable += word >> _W_AT & _ONE
        written |= word
        unlike |= word ^ (one + (_U(index) << _SHIFT))
    return used, writable, written & _WE, unlike & _FRAME


@part
def add_sharer(words, at, length, sharers, unlike, before):
    """Count one sharer more of each frame. Quicker if they are in order, as when new.

    Return how many, how many do not follow the frame before, which is `before` the first, and the last.
    """
    owned, jumps = _NIL, _NIL
    if not unlike and owns(words[at]):
        pfn = (words[at] & _FRAME) >> _SHIFT
        for index in range(length):
            sharers[pfn + _U(index)] += 1
        return np.int64(length), _NIL if pfn == before + _ONE else _ONE, pfn + _U(length) - _ONE
    for slot in range(at, at + length):
        word = words[_U(slot)]
        pfn, owner = (word & _FRAME) >> _SHIFT, owns(word)
        sharers[pfn] += np.int32(owner)
        owned += owner
        jumps += _NIL if pfn == before + _ONE else owner
        before = pfn if owner else before
    return np.int64(owned), jumps, before


@compiled(f"UniTuple(i8, 3)({RUNS}, i4[::1], i8[::1])")
def share(words, bits, shifts, parent, child, level, first, last, sharers, counters):
    """Share the frames of the run with a child that has the tables.

    Return the entries that it got, how many were writable, and how many frames do not follow the one before.
    """
    entries, protections, jumps, before, page = _NIL, _NIL, _NIL, NOWHERE, first
    while True:
        at, length, page = stretch(words, bits, shifts, parent, level, page, last)
        if length == _NIL:
            return np.int64(entries), np.int64(protections), np.int64(jumps)
        to = slot_of(words, bits, shifts, child, level, page)
        used, writable, own, unlike = give(words, at, to, length)
        if own:
            for slot in range(at, at + length):
                words[_U(slot)] = write_protect(words[_U(slot)])
        owned, apart, before = add_sharer(words, to, length, sharers, unlike, before)
        counters[SHARERS] += owned
        entries += used
        protections += writable
        jumps += apart
        page = after(shifts, level, page, length)
