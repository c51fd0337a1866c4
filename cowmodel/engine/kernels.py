"""The compiled kernels: accesses from fault to fault, in the order of time.

For a process with one thread, *which* accesses fault is its own affair; only whether a fault copies
or flips depends on the other cores. So hits run ahead, up to the horizon, and only faults are taken in
global order of (time, core), a copy or a fill twice: D decides, C commits.

    core 0   h h h h D . . C h h h          D taken first: the earliest
    core 1   h h h h h h h D                waits for its turn
    core 2   h h h h h h h h h h|           ran to the horizon

A core whose process has several threads, whose accesses have times or take time besides, or that has a TLB,
from which nothing can be taken back, is STRICT: its hits too wait for their turn. `tree`, int64[2 C, 2], is
a tournament of the cores, C of them being a power of two: a node has when its first core acts next, twice,
and that core; node n has won against its neighbour, or lost to it, for node n // 2.

    cores  int64[C, 23] --ROW--> pages, places  int64[R, N]     a burst a row; a place is slot * 2 + write
      |                                   |
    tree   int64[2 C, 2]               words    uint64[T * E]     page-table entries, by slot
    who comes first                       |
                                       sharers  int32[F]          entries that map a frame, by frame

The state of a core is one row of `cores`, int64[C, 23]:

    CLOCK POSITION END LIMIT   now; next access, end of the burst, time limit
    ROW FIRST                  its row of `Lists`; the table of level 1 at which that row's directory begins
    FILL_FROM FILL_END         pages without an entry that a write may fill here
    HITS                       hits since its last fault: they can be taken back
    STATE                      IDLE, RUNNING, FAULTING and COMMITTING (wait for their turn), DONE,
                               STOPPED (by a signal, in its turn)
    STRICT PACED TIMED         whether hits wait for their turn; whether accesses have times, or a `Service`
    OTHERS LOCKED              other cores of the space; until when it is locked
    BEGAN NEW SEEN             of a fault under way: its start, new frame (-1: the caller has it), entry found
    QUEUED                     and how long it waited for memory
    OWNER                      what the space is in the records of large folios

What a kernel cannot resolve (no table, the zero frame, frames of objects or merged ones, huge leafs, last
sharers that are looked for, frames while any are dirty or pinned, no memory) goes back to the caller as RARE.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types

from cowmodel.engine.burst import NEVER_PS
from cowmodel.engine.common import WHERES
from cowmodel.engine.jit import compiled, part, prefetch, unsigned
from cowmodel.hardware import folios
from cowmodel.hardware.folios import FIELDS as FOLIO_FIELDS
from cowmodel.hardware.folios import LEAST_ORDER, SHARED, TOTAL
from cowmodel.hardware.frames import CEILING, FREED, FRESH, NOTED, PEAK, PENDING, SHARERS, TABLES, USED
from cowmodel.hardware.paging import (
    ACCESSED,
    CACHED,
    DIRTY,
    FRAME_MASK,
    FRAME_SHIFT,
    GUARDED,
    LARGE,
    LEAF,
    MERGED,
    ORDER_MASK,
    ORDER_SHIFT,
    PRESENT,
    SAVED_DIRTY,
    SPECIAL,
    USER,
    WRITE,
)
from cowmodel.hardware.tlb import (
    ASID_AT,
    FOUND,
    LEVEL_AT,
    LOADS,
    MASK,
    PAGE_AT,
    REFUSED,
    ROOT,
    SECOND,
    SLOT,
    START,
    UPPER,
    WAYS,
)
from cowmodel.kernel.fault import NEAR_PAGES

CLOCK, POSITION, END, LIMIT, ROW, FIRST, FILL_FROM, FILL_END, HITS = range(9)
STATE, STRICT, PACED, OTHERS, LOCKED, BEGAN, NEW, SEEN, OWNER, DOUBLINGS, LAST, WHERE = range(9, 21)
TIMED, QUEUED, FIELDS = range(21, 24)
IDLE, RUNNING, FAULTING, COMMITTING, DONE, STOPPED = range(6)
NOTHING, COMPLETED, RARE, LOG_FULL = range(4)  # what `advance` ended with
FLIP, COPY, COPY_AND_FREE, LATE_COPY, FILL, LATE_FILL, SPURIOUS, KINDS = range(8)  # of faults
AHEAD = 16  # accesses to look ahead: rows of places have as many more at their end
_NEAR = 8
_PERMITTED, _PENDING, _RARE = -1, -2, -3  # a fault that is none; that is to commit; for the caller
NEVER = np.int64(NEVER_PS)


class Memory(NamedTuple):
    """Page tables and frames: `Arena.flat`, the arrays of `FrameTable`, `Folios.records`."""

    words: Any
    sharers: Any
    cached: Any
    freed: Any
    counters: Any
    records: Any


def memory_of(kernel: Any) -> Memory:
    """Return the arrays of a kernel's memory."""
    frames = kernel.frames
    of_frames = frames.sharers, frames.cached, frames.freed, frames.counters
    return Memory(kernel.arena.flat, *of_frames, kernel.folios.records)


class Rules(NamedTuple):
    """What is asked beforehand.

    `flips[n]`, bool[256], says whether the policy flips with n sharers; more are rare. `owners`, whether a
    page of a large folio has one sharer if its folio has one owner; else such pages are rare. `costs`,
    int64[kinds, WHERES * (1 + n)], has the part before the table is locked, then the whole with so many other
    cores, less one; each by where the fault is.
    """

    bits: Any
    flips: Any
    owners: Any
    costs: Any
    hit_ps: Any
    transfer_ps: Any


class Lists(NamedTuple):
    """Bursts, one a row: pages, places (slot * 2 + 1 for a write), times before which they do not begin.

    `busy`, `began` and `ended` are those of the `Service` of a burst that has one.
    `directories` is what `directory` says of the process; a slot that it does not know is the last of the
    arena, where nothing ever is.
    """

    pages: Any
    places: Any
    earliest: Any
    directories: Any
    busy: Any
    began: Any
    ended: Any


class Tlb(NamedTuple):
    """The arrays of `Tlbs`, of length 0 without TLBs; `prices` of an access at each step of its translation.

    `shifts` are those of the geometry.
    """

    caches: Any
    entries: Any
    cores: Any
    generations: Any
    shifts: Any
    prices: Any


class Free(NamedTuple):
    """What cores wait for: `memory_ps` and `tables_ps` of `Contention`; no tables, no locks."""

    memory: Any
    tables: Any


class Told(NamedTuple):
    """What the caller learns of faults: `counts[core, kind, place]`, and a row a fault if `log` has any.

    A place is WHERES * other cores + where. A row of the log, int64[L, 8], is began, core, page, kind, place,
    waited in all, for memory, for the table; `logged[0]` are full.
    """

    counts: Any
    log: Any
    logged: Any


_ROW, _ROWS, _CUBE = types.int64[::1], types.int64[:, ::1], types.int64[:, :, ::1]
_MEMORY = types.NamedTuple(
    [types.uint64[::1], types.int32[::1], types.boolean[::1], types.int32[::1], _ROW, types.int32[::1]],
    Memory,
)
_RULES = types.NamedTuple(
    [types.int64, types.boolean[::1], types.boolean, _ROWS, types.int64, types.int64], Rules
)
_LISTS = types.NamedUniTuple(_ROWS, 7, Lists)
_TLB = types.NamedTuple([_ROWS, _ROWS, _ROWS, _ROW, _ROW, _ROW], Tlb)
_FREE = types.NamedUniTuple(_ROW, 2, Free)
_TOLD = types.NamedTuple([_CUBE, _ROWS, _ROW], Told)
_PAIR = types.UniTuple(types.int64, 2)
_READ = types.Array(types.int64, 1, "A", readonly=True)

_BITS = unsigned
_P, _PU, _W, _A = _BITS(PRESENT), _BITS(PRESENT | USER), _BITS(WRITE), _BITS(ACCESSED)
_PW, _AD = _BITS(PRESENT | WRITE), _BITS(ACCESSED | DIRTY)
_NOT_AD = _BITS(~(ACCESSED | DIRTY) % (1 << 64))
_W_AT, _D_AT = _BITS(WRITE.bit_length() - 1), _BITS(DIRTY.bit_length() - 1)
_PL = _BITS(PRESENT | LARGE)
_NOT_SIMPLE, _PART = _BITS(SPECIAL | LARGE | CACHED | GUARDED | MERGED), _BITS(ORDER_MASK)
_NOT_SAVED = _BITS(~SAVED_DIRTY % (1 << 64))
_LARGE, _THREE_BITS = _BITS(LARGE), 7
_FRAME, _SHIFT = _BITS(FRAME_MASK), _BITS(FRAME_SHIFT)
_NEW_LEAF = _BITS(LEAF | WRITE | DIRTY)
_ONE, _ORDER_AT = _BITS(1), _BITS(ORDER_SHIFT)
unmap_one = part(folios.unmap_one)


@part
def frame(word):
    """Return the frame that an entry maps."""
    return (word & _FRAME) >> _SHIFT


@compiled(types.void(types.uint64[::1], _ROW, types.int64, types.int64, _ROW))
def directory(words, shifts, root, first, places):
    """Say, from table `first` of level 1 on, where leafs are: twice a slot, and 1 if pages count from there.

    That is the first entry of the table; else it is the slot of a large leaf, or the last of the arena for
    nothing.
    """
    top, bits = len(shifts) - 1, shifts[2]
    for at in range(_BITS(len(places))):
        page, here = (first + np.int64(at)) << bits, top
        slot = root << bits | page >> shifts[here] & ((1 << bits) - 1)
        word = words[_BITS(slot)]
        while here > 1 and word & _PL == _P:
            here -= 1
            slot = np.int64(frame(word)) << bits | page >> shifts[here] & ((1 << bits) - 1)
            word = words[_BITS(slot)]
        if here > 1 and word & _PL != _PL:
            slot = len(words) - 1
        places[at] = slot << 1 | np.int64(here == 1)


@part
def find(bits, directory, first, page):
    """Return the slot of the leaf for `page`, or the last slot where there is none."""
    place = directory[_BITS((page >> bits) - first)]
    return (place >> 1) + (page & ((np.int64(1) << bits) - 1) & -(place & 1))


@part
def find_anew(bits, lists, state, at):
    """Return the slot for an access that had none so far."""
    row = _BITS(state[ROW])
    return _BITS(find(bits, lists.directories[row], state[FIRST], lists.pages[row, at]))


@compiled(
    types.void(
        *(types.int64, _ROW, types.int64, types.int64),
        *(_READ, _READ, _ROW, _ROW, types.int64),
    )
)
def load(bits, directory, table, first, given, written, pages, places, start):
    """Put the accesses of a burst, from `start` on, into a row of `Lists`, with their slots.

    `given` are pages, numbered from `first`; `directory` begins at `table` of level 1.
    """
    for at in range(_BITS(start), _BITS(len(given))):
        page = first + given[at]
        pages[at] = page
        places[at] = find(bits, directory, table, page) << 1 | np.int64(written[at] > 0)


@part
def ways_of(tlb, which, level, page):
    """Return where the set begins and ends in which page `page` of a level would be."""
    cache = tlb.caches[_BITS(which)]
    start = _BITS(cache[START] + (page + level & cache[MASK]) * cache[WAYS])
    return start, start + _BITS(cache[WAYS])


@part
def use(entries, start, end, key, bits):
    """Put an entry first in its set, in place of the last if it was not there; return it, or 0 then.

    The others up to its place move on by one as they are looked at. `bits` are those that a key leaves open.
    """
    before = key
    for at in range(start, end):
        entry = entries[at]
        entries[at] = before
        if _BITS(entry ^ key) <= _BITS(bits):
            entries[start] = entry
            return entry
        before = entry
    return np.int64(0)


@part
def tagged(tlb, core, level, page):
    """Return the entry of a leaf or of an upper level for the address space that a core runs."""
    asid = tlb.cores[core, SLOT] + 1
    return (page >> tlb.shifts[_BITS(level)]) << PAGE_AT | level << LEVEL_AT | asid << ASID_AT


@part
def leaf_level(memory, tlb, core, page):
    """Return the level of the large leaf that maps a page."""
    shifts, level = tlb.shifts, len(tlb.shifts) - 1
    bits = shifts[2]
    row = tlb.cores[core, ROOT]
    while True:
        word = memory.words[_BITS(row << bits | page >> shifts[_BITS(level)] & ((1 << bits) - 1))]
        if word & _LARGE:
            return level
        row, level = np.int64(frame(word)), level - 1


@part
def walk(tlb, core, level, page):
    """Return the loads of a walk, as `Tlbs._walk` does."""
    upper, top = level + 1, len(tlb.shifts) - 1
    while upper <= top:
        wanted = tagged(tlb, core, upper, page)
        start, end = ways_of(tlb, UPPER, upper, wanted >> PAGE_AT)
        if use(tlb.entries[core], start, end, wanted, 0):
            break
        upper += 1
    return upper - level


@part
def translate(memory, tlb, core, page, word, write):
    """Look up a page that entry `word` permits to access, as `Tlbs.translate` does."""
    entries, level, second = tlb.entries[core], np.int64(1), np.int64(SECOND)
    if word & _LARGE:
        level = leaf_level(memory, tlb, core, page)
        second += level // SECOND
    key, step = tagged(tlb, core, level, page), np.int64(0)
    first, end = ways_of(tlb, level - 1, level, key >> PAGE_AT)
    second, second_end = ways_of(tlb, second, level, key >> PAGE_AT)
    found = use(entries, first, end, key, 1)
    if not found:
        step = np.int64(1)
        found = use(entries, second, second_end, key, 1)
        if not found:
            found = key | np.int64(word >> _W_AT & _ONE)
            entries[second] = found
            step += walk(tlb, core, level, page)
        entries[first] = found
    if np.int64(write) > found & 1:
        return np.int64(REFUSED)
    if step == 1:
        tlb.cores[core, FOUND] += 1
    elif step:
        tlb.cores[core, LOADS] += step - 1
    return step


@part
def take_out(tlb, core, which, level, page):
    """Take what leads to a page out of the set of its `level`; what is behind it moves up."""
    entries, asid = tlb.entries[core], tlb.cores[core, SLOT] + 1
    start, end = ways_of(tlb, which, level, page >> tlb.shifts[_BITS(level)])
    to = start
    for at in range(start, end):
        entry = entries[at]
        below = tlb.shifts[_BITS(entry >> LEVEL_AT & _THREE_BITS)]
        leads = entry >> PAGE_AT == page >> below and entry >> ASID_AT & _THREE_BITS == asid
        entries[to] = entry
        to += _BITS(not leads)
    for at in range(to, end):
        entries[at] = 0


@part
def forget(tlb, core, page):
    """Take out what leads to a page, as `Tlbs.fault` does."""
    for level in range(1, SECOND + 1):
        take_out(tlb, core, level - 1, level, page)
        take_out(tlb, core, SECOND + level // SECOND, level, page)
    for level in range(2, len(tlb.shifts)):
        take_out(tlb, core, UPPER, level, page)


@part
def shoot_down(tlb, core, page):
    """Take out, wherever it runs, what leads to a page of a core's address space, as `Tlbs.drop` does."""
    root = tlb.cores[core, ROOT]
    tlb.generations[_BITS(root)] += 1
    for other in range(_BITS(len(tlb.cores))):
        if tlb.cores[other, ROOT] == root:
            forget(tlb, other, page)


@part
def note(lists, state, at, entered, clock, made):
    """Take note in its `Service` that an access began at `entered` or when its time came; return the clock.

    That is later by the processor time that it takes besides, if it has been `made`.
    """
    row = _BITS(state[ROW])
    if lists.began[row, at] < 0:
        lists.began[row, at] = max(entered, lists.earliest[row, at]) if state[PACED] else entered
    if made:
        clock += lists.busy[row, at]
        lists.ended[row, at] = clock
    return clock


@part
def run(memory, rules, lists, tlb, state, core, clock, horizon, translated):
    """Let hits of a core run from `clock`, up to a fault, the end, the time limit or the horizon.

    Return its state and its clock then. `translated` says whether there are TLBs, and is known when this is
    compiled. Entries are asked for `AHEAD` accesses ahead, the sharers of
    read-only ones `_NEAR`.
    """
    words, row = memory.words, _BITS(state[ROW])
    places, pages, earliest = lists.places[row], lists.pages[row], lists.earliest
    at, end, limit = _BITS(state[POSITION]), _BITS(state[END]), state[LIMIT]
    start, until, paced, stage, entered = at, min(limit, horizon), state[PACED], RUNNING, clock
    if state[TIMED]:  # one access at a time: to ask in the loop would cost all others an eighth
        end = min(end, at + _ONE)
    while at < end:
        begin = max(clock, earliest[row, at]) if paced else clock
        if begin >= until or (begin > clock and limit < NEVER):
            break
        place = _BITS(places[at])
        word, write = words[place >> _ONE], place & _ONE
        needed, marked = _PU | write << _W_AT, _A | write << _D_AT
        if word & needed != needed:
            if place >> _ONE == _BITS(len(words) - 1):  # there may be a table now
                slot = find_anew(rules.bits, lists, state, at)
                if slot != place >> _ONE:
                    places[at] = slot << _ONE | write
                    continue
            clock, stage = begin, FAULTING
            break
        prefetch(words, _BITS(places[at + _BITS(AHEAD)]) >> _ONE)
        near = words[_BITS(places[at + _BITS(_NEAR)]) >> _ONE]
        if not near & _W:
            prefetch(memory.sharers, frame(near))
        if word & marked != marked:
            words[place >> _ONE] = word | marked
        cost = rules.hit_ps
        if translated:
            step = translate(memory, tlb, core, pages[at], word, write)
            if step == REFUSED:
                clock, stage = begin, FAULTING
                break
            cost = tlb.prices[_BITS(step)]
        clock = begin + cost
        at += _ONE
    state[HITS] += np.int64(at - start)
    state[POSITION] = np.int64(at)
    end = _BITS(state[END])
    if state[TIMED] and (at > start or stage == FAULTING):
        clock = note(lists, state, start, entered, clock, at > start)
    if stage == RUNNING:
        ends = at == end and (end or clock < horizon)  # an empty burst ends in its turn
        rests = paced and at < end and limit < NEVER and earliest[row, at] > clock
        if ends or clock >= limit or rests:
            stage = DONE
    return stage, clock


@part
def key(lists, state, stage, clock):
    """Return when a core acts next, twice: a completion comes before all that others do at its time."""
    if stage == FAULTING:
        clock = max(clock, state[LOCKED])
    elif stage == IDLE:
        clock = NEVER
    elif state[PACED] and stage == RUNNING and state[LIMIT] == NEVER and state[POSITION] < state[END]:
        clock = max(clock, lists.earliest[_BITS(state[ROW]), _BITS(state[POSITION])])
    return 2 * clock - np.int64(stage == DONE)


@part
def climb(tree, core, mine):
    """Let a core that acts next at `mine` climb as far as it acts before others.

    Without a branch: which core comes next cannot be predicted. At equal times the lower one wins, which is
    the left one of two nodes.
    """
    node, who = _BITS(len(tree) >> 1) + core, np.int64(core)
    tree[node, 0], tree[node, 1] = mine, who
    while node > _ONE:
        other = tree[node ^ _ONE, 0]
        take = -np.int64(other < mine + np.int64(node & _ONE))
        mine ^= (mine ^ other) & take
        who ^= (who ^ tree[node ^ _ONE, 1]) & take
        node >>= _ONE
        tree[node, 0], tree[node, 1] = mine, who


@part
def runner_up(tree, core):
    """Return until when the first core acts before all others."""
    node, until = _BITS(len(tree) >> 1) + core, 2 * NEVER
    while node > _ONE:
        until = min(until, tree[node ^ _ONE, 0] + np.int64(~node & _ONE))
        node >>= _ONE
    return (until + 1) >> 1


@part
def take_back(cores, horizon, stopped, hit_ps):
    """Take back the hits that began at `horizon` or later: an event there may come before them.

    Those that began just then on cores before `stopped` came before it.
    """
    for core in range(_BITS(len(cores))):
        state = cores[core]
        if state[STATE] != IDLE and not state[STRICT] and state[CLOCK] > horizon:
            late = min(state[HITS], (state[CLOCK] - horizon - np.int64(core < stopped)) // hit_ps)
            if late > 0:
                state[CLOCK] -= late * hit_ps
                state[POSITION] -= late
                state[HITS] -= late
                state[STATE] = RUNNING


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
        new = np.int64(freed[_BITS(counters[FREED])])
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
    freed[_BITS(counters[FREED])] = pfn
    counters[FREED] += 1


@part
def record_of(word):
    """Return where the record begins of the folio of which an entry maps a part."""
    order = (word & _PART) >> _ORDER_AT
    return np.int64(frame(word) >> order << order >> _BITS(LEAST_ORDER)) * FOLIO_FIELDS


@part
def sharers_of(memory, owners, word):
    """Return how many share the frame of an entry, as far as a write asks; 0 if that is not known here."""
    if not word & _PART:
        return np.int64(memory.sharers[frame(word)])
    record = record_of(word)
    if not owners or memory.records[record + TOTAL] == 1:
        return np.int64(0)
    return np.int64(1 + (memory.records[record + SHARED] > 0))


@part
def decide(memory, rules, state, slot, write, page, now):
    """Begin a fault as `cowmodel.kernel.dispatch.begin` does; return its kind, or what else it is."""
    counters, word = memory.counters, memory.words[slot]
    needed = _PU | write << _W_AT
    if word & needed == needed:  # others have seen to it since, or a TLB refuses it
        return np.int64(SPURIOUS if now > state[CLOCK] or state[STRICT] else _PERMITTED)
    if not write or slot == _BITS(len(memory.words) - 1) or word & _NOT_SIMPLE:
        return np.int64(_RARE)
    if word & _P:
        count = sharers_of(memory, rules.owners, word)
        if count >= len(rules.flips) or not count:
            return np.int64(_RARE)
        if rules.flips[_BITS(count)]:
            if counters[NOTED]:  # it may be pinned
                return np.int64(_RARE)
            memory.words[slot] = word & _NOT_SAVED | _W | _AD
            return np.int64(FLIP)
    elif word or not state[FILL_FROM] <= page < state[FILL_END]:
        return np.int64(_RARE)
    if counters[CEILING] - counters[FRESH] + counters[FREED] - counters[TABLES] < 1:
        return np.int64(_RARE)
    state[NEW] = take_frame(memory.freed, counters)
    state[SEEN] = np.int64(word)
    return np.int64(_PENDING)


@part
def commit(memory, flips, state, slot):
    """Map the new frame of a core as `cowmodel.kernel.dispatch.commit` does; return the kind of the fault.

    A sharer that is the last from now on is rare where last sharers are sought (`flips[0]`).
    """
    words, sharers, counters = memory.words, memory.sharers, memory.counters
    seen, new = _BITS(state[SEEN]), state[NEW]
    if new < 0:
        return np.int64(_RARE)
    old = frame(seen)
    late = (words[slot] ^ seen) & _NOT_AD
    if not late and seen and flips[0] and sharers[old] == 2:
        return np.int64(_RARE)
    if not late and seen and counters[NOTED]:  # its frame may be one of those, and become free
        return np.int64(_RARE)
    of_folio = seen & _PART
    if not late and of_folio and memory.records[record_of(seen) + TOTAL] == 1:
        return np.int64(_RARE)
    counters[PENDING] -= 1
    if late:
        give_back(memory.freed, counters, new)
        return np.int64(LATE_COPY if seen else LATE_FILL)
    sharers[_BITS(new)] += 1
    words[slot] = _BITS(new) << _SHIFT | _NEW_LEAF
    if not seen:
        counters[SHARERS] += 1
        return np.int64(FILL)
    left = sharers[old] - 1
    sharers[old] = left
    if of_folio:
        unmap_one(memory.records, record_of(seen), 1, state[OWNER])
    if left or of_folio or memory.cached[old]:
        return np.int64(COPY)
    give_back(memory.freed, counters, old)
    return np.int64(COPY_AND_FREE)


@part
def end_fault(costs, tables, told, state, core, now, ready, row, page, kind):
    """Return when a fault is over that asks for the lock of the table in `row` now; take note of it.

    It needs the lock once it is ready.
    """
    others = state[OTHERS] if kind in (COPY, COPY_AND_FREE) else np.int64(0)
    place = _BITS(WHERES * others + state[WHERE])
    cost = costs[_BITS(kind), place + _BITS(WHERES)]
    held = cost - costs[_BITS(kind), _BITS(state[WHERE])]
    queued = wait(tables, row, now, held) if len(tables) else np.int64(0)
    end = ready + queued + held
    told.counts[core, _BITS(kind), place] += 1
    if len(told.log):
        line = told.log[_BITS(told.logged[0])]
        line[0], line[1], line[2], line[3] = state[BEGAN], np.int64(core), page, kind
        line[4], line[5] = np.int64(place), end - state[BEGAN] - cost
        line[6], line[7] = state[QUEUED], queued
        told.logged[0] += 1
    return end


@part
def turn(memory, rules, lists, tlb, free, told, state, core, now, translated):
    """Do what is due now of a core's fault; return its state and its clock then.

    RUNNING says that the access is to be executed again; IDLE that the fault is rare, and nothing done.
    """
    row, at, costs = _BITS(state[ROW]), _BITS(state[POSITION]), rules.costs
    page, place = lists.pages[row, at], _BITS(lists.places[row, at])
    slot, ready = place >> _ONE, now
    if state[STATE] == FAULTING:
        state[BEGAN], state[HITS], state[QUEUED] = state[CLOCK], 0, 0
        if translated:
            forget(tlb, core, page)
        kind = decide(memory, rules, state, slot, place & _ONE, page, now)
        if kind == _PERMITTED:
            return RUNNING, now
        if kind != _RARE:
            state[WHERE] = 2 * state[DOUBLINGS] + (abs(page - state[LAST]) > NEAR_PAGES)
            state[LAST] = page
        if kind == _PENDING:
            if rules.transfer_ps:
                free.memory[1] += rules.transfer_ps
                state[QUEUED] = wait(free.memory, 0, now, rules.transfer_ps)
            return COMMITTING, now + state[QUEUED] + costs[COPY if state[SEEN] else FILL, _BITS(state[WHERE])]
        ready += costs[_BITS(max(kind, FLIP)), _BITS(state[WHERE])]
    else:
        kind = commit(memory, rules.flips, state, slot)
        if translated and kind in (COPY, COPY_AND_FREE):
            shoot_down(tlb, core, page)
    if kind == _RARE:
        return IDLE, now
    table = slot >> _BITS(rules.bits)
    return RUNNING, end_fault(costs, free.tables, told, state, core, now, ready, table, page, kind)


@part
def go_on(memory, rules, lists, tlb, free, told, cores, tree, horizon, translated):
    """Make all accesses that begin before `horizon`; return what ended it and the core concerned."""
    for core in range(_BITS(len(tree) >> 1)):
        state = cores[core]
        climb(tree, core, key(lists, state, state[STATE], state[CLOCK]))
    while True:
        now, core = tree[1, 0] >> 1, _BITS(tree[1, 1])
        state = cores[core]
        stage, clock = state[STATE], now
        if stage in (DONE, STOPPED):
            take_back(cores, state[CLOCK], core if stage == STOPPED else _BITS(0), rules.hit_ps)
            state[STATE] = IDLE
            return np.int64(COMPLETED), np.int64(core)
        if now >= horizon:
            return np.int64(NOTHING), np.int64(-1)
        until = min(horizon, runner_up(tree, core)) if state[STRICT] else horizon
        if stage != RUNNING:
            if len(told.log) and told.logged[0] == len(told.log):
                return np.int64(LOG_FULL), np.int64(-1)
            stage, clock = turn(memory, rules, lists, tlb, free, told, state, core, now, translated)
            if stage == IDLE:
                return np.int64(RARE), np.int64(core)
        if stage == RUNNING:
            stage, clock = run(memory, rules, lists, tlb, state, core, clock, until, translated)
        state[STATE], state[CLOCK] = stage, clock
        climb(tree, core, key(lists, state, stage, clock))


@compiled(_PAIR(_MEMORY, _RULES, _LISTS, _TLB, _FREE, _TOLD, _ROWS, _ROWS, types.int64))
def advance(memory, rules, lists, tlb, free, told, cores, tree, horizon):
    """Make all accesses that begin before `horizon`; return what ended it and the core concerned."""
    if len(tlb.cores):  # once here, so that what has no TLB is as quick as if there were none
        return go_on(memory, rules, lists, tlb, free, told, cores, tree, horizon, True)
    return go_on(memory, rules, lists, tlb, free, told, cores, tree, horizon, False)
