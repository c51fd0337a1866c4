"""The compiled kernels: accesses from fault to fault, in the order of time.

For a process with one thread, *which* accesses fault is its own affair; only whether a fault copies
or flips depends on the other cores. So hits run ahead, up to the horizon, and only faults are taken in
global order of (time, core), a copy or a fill twice: D decides, C commits.

    core 0   h h h h D . . C h h h          D taken first: the earliest
    core 1   h h h h h h h D                waits for its turn
    core 2   h h h h h h h h h h|           ran to the horizon

A core whose process has several threads is STRICT: its hits too wait for their turn.

The state of a core is one row of `cores`, int64[C, 15]:

    CLOCK POSITION END LIMIT   now; next access, end of the burst, time limit
    FIRST                      the table of level 1 at which its directory begins
    FILL_FROM FILL_END         pages without an entry that a write may fill here
    HITS                       hits since its last fault: they can be taken back
    STATE                      IDLE, RUNNING, FAULTING and COMMITTING (wait for their turn), DONE
    STRICT OTHERS LOCKED       whether hits wait; other cores of the space; until when it is locked
    BEGAN NEW SEEN             of a fault under way: its start, new frame (-1: the caller has it), entry found

`directories`, int64[C, D], is what `PageTable.directory` says of the process on a core. `accesses` is
int64[C, N]: page * 2 + 1 for a write. `costs[kind]` has the part before the table is locked, then the whole
with so many other cores; `free`, int64[1], and `tables`, int64[T], are those of `Contention`. What a kernel
cannot resolve (no table, the zero frame, huge leafs, last sharers that are looked for, no memory) goes back
to the caller as RARE.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from cowmodel.hardware.frames import CEILING, FREED, FRESH, PEAK, PENDING, TABLES, USED
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

CLOCK, POSITION, END, LIMIT, FIRST, FILL_FROM, FILL_END, HITS = range(8)
STATE, STRICT, OTHERS, LOCKED, BEGAN, NEW, SEEN, FIELDS = range(8, 16)
IDLE, RUNNING, FAULTING, COMMITTING, DONE = range(5)
NOTHING, COMPLETED, RARE, LOG_FULL = range(4)  # what `advance` ended with
FLIP, COPY, COPY_AND_FREE, LATE_COPY, FILL, LATE_FILL, SPURIOUS = range(7)  # kinds in `log` and `costs`
_PREPARED = 0  # place in `costs[kind]`
_PERMITTED, _PENDING, _RARE = -1, -2, -3  # a fault that is none; that is to commit; for the caller
_NEAR, _FAR = 8, 16  # accesses to look ahead
NEVER = np.int64(1) << np.int64(62)

_ADVANCE = (
    "UniTuple(i8, 2)(u8[::1], i8, i4[::1], b1[::1], i4[::1], i8[::1], b1[::1], i8[:, ::1],"
    " i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[::1], i8[::1], i8[::1], i8, i8, i8)"
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
def due(cores, core):
    """Return when a core acts next in global order; NEVER where it does not."""
    state, clock = cores[core, STATE], cores[core, CLOCK]
    if state == FAULTING:
        return max(clock, cores[core, LOCKED])
    if state == COMMITTING or (state == RUNNING and cores[core, STRICT]):
        return clock
    return NEVER


@part
def next_turn(cores, horizon):
    """Return the core that acts first in order of (time, core), when, and until when it is the first."""
    first, at, until = np.int64(-1), NEVER, horizon
    for core in range(len(cores)):
        when = due(cores, core)
        if when < at:
            if first >= 0:
                until = min(until, at)  # a lower number goes first at equal times
            first, at = np.int64(core), when
        elif first >= 0 and when < NEVER:
            until = min(until, when + 1)
    return first, at, until


@part
def first_done(cores):
    """Return the core that is first done, and when; -1 if none is."""
    first, end = np.int64(-1), NEVER
    for core in range(len(cores)):
        if cores[core, STATE] == DONE and cores[core, CLOCK] < end:
            first, end = np.int64(core), cores[core, CLOCK]
    return first, end


@part
def go_on(cores, core, clock):
    """Let a core go on after a fault: its access is executed again, if its time is not up."""
    cores[core, CLOCK] = clock
    cores[core, STATE] = DONE if clock >= cores[core, LIMIT] else RUNNING


@part
def take_back(cores, horizon, hit_ps):
    """Take back the hits that began at `horizon` or later: an event there may come before them."""
    for core in range(len(cores)):
        clock = cores[core, CLOCK]
        if cores[core, STATE] != IDLE and not cores[core, STRICT] and clock > horizon:
            late = min(cores[core, HITS], (clock - horizon) // hit_ps)
            if late > 0:
                cores[core, CLOCK] -= late * hit_ps
                cores[core, POSITION] -= late
                cores[core, HITS] -= late
                cores[core, STATE] = RUNNING


@part
def wait(free, place, now, held):
    """Use what is free from `free[place]` on for `held`; return how long it takes to come."""
    start = max(now, free[place])
    free[place] = start + held
    return start - now


@part
def take_frame(freed, counters):
    """Return a base frame for a fault that is to commit; the caller has made sure of the room."""
    if counters[FREED]:
        counters[FREED] -= 1
        new = np.int64(freed[counters[FREED]])
    else:
        new = counters[FRESH]
        counters[FRESH] += 1
    counters[USED] += 1
    counters[PENDING] += 1
    counters[PEAK] = max(counters[PEAK], counters[USED] + counters[TABLES])
    return new


@part
def give_back(freed, counters, pfn):
    """Free a base frame."""
    counters[USED] -= 1
    freed[counters[FREED]] = pfn
    counters[FREED] += 1


@part
def decide(words, sharers, freed, counters, flips, cores, core, slot, access, now):
    """Begin the fault of a core as `cowmodel.kernel.fault.begin` does; return its kind, or what else it is.

    `flips[n]` says whether the policy flips with n sharers; more than it has places for are rare.
    """
    word = words[slot] if slot >= 0 else _BITS(0)
    needed = _PW if access & 1 else _P
    if word & needed == needed:  # others have seen to it since
        return np.int64(SPURIOUS if now > cores[core, CLOCK] else _PERMITTED)
    if not access & 1 or slot < 0 or word & _NOT_SIMPLE:
        return np.int64(_RARE)
    if word & _P:
        count = sharers[np.int64((word & _FRAME) >> _SHIFT)]
        if count >= len(flips):
            return np.int64(_RARE)
        if flips[count]:
            words[slot] = word & ~_SAVED | _W | _AD
            return np.int64(FLIP)
    elif word or not cores[core, FILL_FROM] <= access >> 1 < cores[core, FILL_END]:
        return np.int64(_RARE)
    if counters[CEILING] - counters[FRESH] + counters[FREED] - counters[TABLES] < 1:
        return np.int64(_RARE)
    cores[core, NEW] = take_frame(freed, counters)
    cores[core, SEEN] = np.int64(word)
    cores[core, STATE] = COMMITTING
    return np.int64(_PENDING)


@part
def commit(words, sharers, cached, freed, counters, flips, cores, core, slot):
    """Map the new frame of a core as `cowmodel.kernel.fault.commit` does; return the kind of the fault.

    A sharer that is the last from now on is rare where last sharers are sought (`flips[0]`).
    """
    seen, new = _BITS(cores[core, SEEN]), cores[core, NEW]
    if new < 0:
        return np.int64(_RARE)
    old = np.int64((seen & _FRAME) >> _SHIFT)
    late = slot < 0 or (words[slot] ^ seen) & ~_AD
    if not late and seen and flips[0] and sharers[old] == 2:
        return np.int64(_RARE)
    counters[PENDING] -= 1
    if late:
        give_back(freed, counters, new)
        return np.int64(LATE_COPY if seen else LATE_FILL)
    sharers[new] += 1
    words[slot] = _BITS(new) << _SHIFT | _NEW_LEAF
    if not seen:
        return np.int64(FILL)
    sharers[old] -= 1
    if sharers[old] or cached[old]:
        return np.int64(COPY)
    give_back(freed, counters, old)
    return np.int64(COPY_AND_FREE)


@part
def end_fault(costs, cores, log, logged, tables, core, now, row, page, kind):
    """Let a fault be over that asks for the lock of the table in `row` now; add it to the log."""
    others = cores[core, OTHERS] if kind in (COPY, COPY_AND_FREE) else np.int64(0)
    cost = costs[kind, 1 + others]
    held = cost - costs[kind, _PREPARED]
    ready = now if cores[core, STATE] == COMMITTING else now + costs[kind, _PREPARED]
    if len(tables) and row >= 0:
        ready += wait(tables, row, now, held)
    began, line = cores[core, BEGAN], log[logged[0]]
    line[0], line[1], line[2], line[3] = began, core, page, kind
    line[4], line[5] = others, ready + held - began - cost
    logged[0] += 1
    go_on(cores, core, ready + held)


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
    memory,
    tables,
    transfer_ps,
    hit_ps,
    horizon,
):
    """Make all accesses that begin before `horizon`; return what ended it and the core concerned.

    Each fault adds a row (began, core, page, kind, other cores, waited) to `log`, int64[L, 6], and 1 to
    `logged[0]`. A transfer of a page keeps memory busy for `transfer_ps`; without `tables` none is locked.
    """
    while True:
        for core in range(len(cores)):
            if cores[core, STATE] == RUNNING and not cores[core, STRICT]:
                run(words, bits, sharers, directories, cores, accesses, core, hit_ps, horizon)
        first, at, until = next_turn(cores, horizon)
        finished, end = first_done(cores)
        if finished >= 0 and end <= at:
            take_back(cores, end, hit_ps)
            cores[finished, STATE] = IDLE
            return np.int64(COMPLETED), finished
        if first < 0 or at >= horizon:
            return np.int64(NOTHING), np.int64(-1)
        if cores[first, STATE] == RUNNING:
            run(words, bits, sharers, directories, cores, accesses, first, hit_ps, min(until, end))
            continue
        if logged[0] == len(log):
            return np.int64(LOG_FULL), np.int64(-1)
        access = accesses[first, cores[first, POSITION]]
        slot = find(directories, first, cores[first, FIRST], access >> 1, bits)
        if cores[first, STATE] == FAULTING:
            cores[first, BEGAN], cores[first, HITS] = cores[first, CLOCK], 0
            kind = decide(words, sharers, freed, counters, flips, cores, first, slot, access, at)
        else:
            kind = commit(words, sharers, cached, freed, counters, flips, cores, first, slot)
        if kind == _RARE:
            return np.int64(RARE), first
        if kind == _PERMITTED:
            go_on(cores, first, at)
        elif kind == _PENDING:
            likely = COPY if cores[first, SEEN] else FILL
            cores[first, CLOCK] = at + wait(memory, 0, at, transfer_ps) + costs[likely, _PREPARED]
        else:
            end_fault(costs, cores, log, logged, tables, first, at, slot >> bits, access >> 1, kind)
