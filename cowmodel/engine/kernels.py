"""The compiled kernels: accesses from fault to fault, in the order of time.

For a process that runs on one core, *which* accesses fault is its own affair; only whether a fault copies
or flips depends on the other cores. So hits run ahead, up to the horizon, and only faults are taken in
global order of (time, core):

    core 0   h h h h F . . . . . . . .      F taken first: the earliest
    core 1   h h h h h h h F                waits for its turn
    core 2   h h h h h h h h h h|           ran to the horizon

The state of a core is one row of `cores`, int64[C, 7]:

    CLOCK POSITION END LIMIT   now; next access, end of the burst, time limit
    FIRST                      the table of level 1 at which its directory begins
    HITS                       hits since its last fault: they can be taken back
    STATE                      IDLE, RUNNING (hits may run), FAULTING (waits for its turn), DONE

`directories`, int64[C, D], is what `PageTable.directory` says of the process on a core. `accesses` is
int64[C, N]: page * 2 + 1 for a write. What a kernel cannot resolve (no entry, the zero frame,
huge leafs, a policy that looks for last sharers, no memory) goes back to the caller as RARE.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from cowmodel.hardware.frames import CEILING, FREED, FRESH, PEAK, TABLES, USED
from cowmodel.hardware.paging import (
    ACCESSED,
    DIRTY,
    FRAME_MASK,
    FRAME_SHIFT,
    LARGE,
    LEAF,
    PRESENT,
    SAVED_DIRTY,
    SPECIAL,
    WRITE,
)

CLOCK, POSITION, END, LIMIT, FIRST, HITS, STATE = range(7)
IDLE, RUNNING, FAULTING, DONE = range(4)
NOTHING, COMPLETED, RARE, LOG_FULL = range(4)  # what `advance` ended with
FLIP, COPY, COPY_AND_FREE = range(3)  # kinds in the log, and places in `costs`
_NEAR, _FAR = 8, 16  # accesses to look ahead
NEVER = np.int64(1) << np.int64(62)

_ADVANCE = (
    "UniTuple(i8, 2)(u8[::1], i8, i4[::1], b1[::1], i4[::1], i8[::1], b1[::1], i8[::1],"
    " i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[::1], i8, i8)"
)

# The kernels allocate nothing, and numba's reference counting would cost ten times what an access does.
part = njit(inline="always", _nrt=False)

_BITS = np.uint64
_P, _W, _A, _D = _BITS(PRESENT), _BITS(WRITE), _BITS(ACCESSED), _BITS(DIRTY)
_PW, _AD = _BITS(PRESENT | WRITE), _BITS(ACCESSED | DIRTY)
_NOT_SIMPLE, _SAVED = _BITS(SPECIAL | LARGE), _BITS(SAVED_DIRTY)
_FRAME, _SHIFT = _BITS(FRAME_MASK), _BITS(FRAME_SHIFT)
_NEW_LEAF = _BITS(LEAF | WRITE | DIRTY)


@intrinsic
def prefetch(context: Any, array: Any, index: Any) -> Any:
    """Ask the processor to load `array[index]` into its cache."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        struct = context.make_array(kind)(context, builder, args[0])
        item = cgutils.get_item_pointer(context, builder, kind, struct, [args[1]])
        address = builder.bitcast(item, cgutils.voidptr_t)
        flag = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, flag, flag, flag])
        call = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0")
        builder.call(call, [address, flag(0), flag(3), flag(1)])  # for reading, keep, data
        return context.get_dummy_value()

    return types.void(array, index), generate


@part
def find(directories, core, first, page, bits):
    """Return the slot of the leaf for `page`, or -1 where there is none."""
    place = directories[core, (page >> bits) - first]
    if place >= 0:
        return place + (page & ((np.int64(1) << bits) - 1))
    return -2 - place if place < -1 else np.int64(-1)


@part
def run(words, bits, sharers, directories, cores, accesses, core, hit_ps, horizon):
    """Let hits of a core run, up to a fault, the end, the time limit or the horizon.

    Entries are asked for `_FAR` accesses ahead, the sharers of read-only ones `_NEAR`.
    """
    clock, at, end = cores[core, CLOCK], cores[core, POSITION], cores[core, END]
    start, first, limit = at, cores[core, FIRST], cores[core, LIMIT]
    until = min(limit, horizon)
    while at < end and clock < until:
        if at + _FAR < end:
            slot = find(directories, core, first, accesses[core, at + _FAR] >> 1, bits)
            if slot >= 0:
                prefetch(words, slot)
            access = accesses[core, at + _NEAR]
            slot = find(directories, core, first, access >> 1, bits)
            if access & 1 and slot >= 0 and not words[slot] & _W:
                prefetch(sharers, np.int64((words[slot] & _FRAME) >> _SHIFT))
        access = accesses[core, at]
        slot = find(directories, core, first, access >> 1, bits)
        word = words[slot] if slot >= 0 else _BITS(0)
        needed, marked = (_PW, _AD) if access & 1 else (_P, _A)
        if word & needed != needed:
            cores[core, STATE] = FAULTING
            break
        if word & marked != marked:
            words[slot] = word | marked
        clock += hit_ps
        at += 1
    cores[core, HITS] += at - start
    cores[core, CLOCK], cores[core, POSITION] = clock, at
    if (at == end and (end > 0 or clock < horizon)) or clock >= limit:  # an empty burst ends in its turn
        cores[core, STATE] = DONE


@part
def earliest(cores, state):
    """Return the core in `state` that is first in order of (time, core), and its clock; -1 if none is."""
    first, clock = np.int64(-1), NEVER
    for core in range(len(cores)):
        if cores[core, STATE] == state and cores[core, CLOCK] < clock:
            first, clock = np.int64(core), cores[core, CLOCK]
    return first, clock


@part
def go_on(cores, core, cost_ps):
    """Let a core go on after an access with a fault, which was executed again and hit."""
    cores[core, CLOCK] += cost_ps
    cores[core, POSITION] += 1
    cores[core, HITS] = 0
    cores[core, STATE] = RUNNING


@part
def take_back(cores, horizon, hit_ps):
    """Take back the hits that began at `horizon` or later: an event there may come before them."""
    for core in range(len(cores)):
        clock = cores[core, CLOCK]
        if cores[core, STATE] != IDLE and clock > horizon:
            late = min(cores[core, HITS], (clock - horizon) // hit_ps)
            if late > 0:
                cores[core, CLOCK] -= late * hit_ps
                cores[core, POSITION] -= late
                cores[core, HITS] -= late
                cores[core, STATE] = RUNNING


@part
def resolve(words, sharers, cached, freed, counters, flips, slot, access):
    """Copy or flip at a write to a read-only entry; return the kind, or -1 for anything else.

    As `cowmodel.kernel.fault` does it, for base pages. `flips[n]` says what the policy does with n sharers;
    places beyond its end, and a second sharer where last sharers are sought (`flips[0]`), are rare.
    """
    word = words[slot] if slot >= 0 else _BITS(0)
    old = np.int64((word & _FRAME) >> _SHIFT)
    count = sharers[old]
    if not (access & 1 and word & _P) or word & _W or word & _NOT_SIMPLE or count >= len(flips):
        return np.int64(-1)
    if flips[count]:
        words[slot] = word & ~_SAVED | _W | _AD
        return np.int64(FLIP)
    room = counters[CEILING] - counters[FRESH] + counters[FREED] - counters[TABLES]
    if room < 1 or (flips[0] and count == 2):
        return np.int64(-1)
    if counters[FREED]:
        counters[FREED] -= 1
        new = np.int64(freed[counters[FREED]])
    else:
        new = counters[FRESH]
        counters[FRESH] += 1
    counters[USED] += 1
    counters[PEAK] = max(counters[PEAK], counters[USED] + counters[TABLES])
    sharers[new] += 1
    words[slot] = _BITS(new) << _SHIFT | _NEW_LEAF
    sharers[old] -= 1
    if count > 1 or cached[old]:
        return np.int64(COPY)
    counters[USED] -= 1
    freed[counters[FREED]] = old
    counters[FREED] += 1
    return np.int64(COPY_AND_FREE)


@njit(_ADVANCE, cache=True, nogil=True, _nrt=False)
def advance(
    words,
    bits,
    sharers,
    cached,
    freed,
    counters,
    flips,
    costs,
    directories,
    cores,
    accesses,
    log,
    logged,
    hit_ps,
    horizon,
):
    """Make all accesses that begin before `horizon`; return what ended it and the core concerned.

    Each fault adds a row (time, core, page, kind) to `log`, int64[L, 4], and 1 to `logged[0]`.
    """
    while True:
        for core in range(len(cores)):
            if cores[core, STATE] == RUNNING:
                run(words, bits, sharers, directories, cores, accesses, core, hit_ps, horizon)
        first, at = earliest(cores, FAULTING)
        finished, end = earliest(cores, DONE)
        if finished >= 0 and end <= at:
            take_back(cores, end, hit_ps)
            cores[finished, STATE] = IDLE
            return np.int64(COMPLETED), finished
        if first < 0 or at >= horizon:
            return np.int64(NOTHING), np.int64(-1)
        if logged[0] == len(log):
            return np.int64(LOG_FULL), np.int64(-1)
        access = accesses[first, cores[first, POSITION]]
        slot = find(directories, first, cores[first, FIRST], access >> 1, bits)
        kind = resolve(words, sharers, cached, freed, counters, flips, slot, access)
        if kind < 0:
            return np.int64(RARE), first
        row = log[logged[0]]
        row[0], row[1], row[2], row[3] = at, first, access >> 1, kind
        logged[0] += 1
        go_on(cores, first, costs[kind] + hit_ps)
