"""Page faults: what an access does that the page table does not permit.

    a permitted one  nothing: the fault was spurious
    no entry         private: a zeroed frame of its own, or for a read the shared zero frame
                     shared:  the object's frame, zeroed if it is new
    read-only entry  the zero frame: replaced; otherwise the policy says copy or flip

A fault that fills a private page with new memory takes time for that, in which others may act. So it has
two parts: `begin` decides and takes the frame, `commit` maps it if the entry is still what it was, and lets
go of the old frame only then. Two processes that write the same shared page at once both copy; of two
threads that do, one comes too late. All other faults are over with `begin`.

After the fault the instruction is executed again and finds the access permitted.

References
----------
Linux, handle_pte_fault, do_anonymous_page, do_wp_page, wp_page_copy, do_fault_around, mm/memory.c;
hugetlb_fault, mm/hugetlb.c. Kinds have the names of those paths.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np

from cowmodel.errors import SegmentationFault
from cowmodel.hardware.frames import ZERO_FRAME
from cowmodel.hardware.page_table import NO_SLOT
from cowmodel.hardware.paging import (
    ACCESSED,
    DIRTY,
    EXCLUSIVE,
    GUARDED,
    LEAF,
    SPECIAL,
    WRITE,
    Numbers,
    frame_of,
    leaf_bits,
    make_writable,
    with_frame,
)
from cowmodel.kernel.address_space import AddressSpace, Vma
from cowmodel.kernel.choices import AtWrite
from cowmodel.kernel.process import Process
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import NOTHING, Work, tables_work

FAULT_AROUND_BYTES = 64 << 10  # Linux: fault_around_bytes
_CHUNK = 1 << 18  # pages filled at a time, so that temporary arrays stay small
# kinds of base pages and of huge ones
FILL, COPY, FLIP = (
    ("zero_fill", "htlb_fill"),
    ("cow_copy", "htlb_copy"),
    ("cow_reuse", "htlb_reuse"),
)
KINDS = ("spurious", "late", "zero_map", "zero_replace", "shared_map", *FILL, *COPY, *FLIP)

FLIPPED = Work(traps=1, flips=1)


def filled(leaf_bytes: int) -> Work:
    """Return the work of a fault that maps a zeroed leaf."""
    return Work(traps=1, allocations=1, zeroed_bytes=leaf_bytes)


def copied(leaf_bytes: int) -> Work:
    """Return the work of copying a leaf, before it is mapped."""
    return Work(traps=1, allocations=1, copied_bytes=leaf_bytes)


def replaced(others: int, frees: int) -> Work:
    """Return the work of mapping a leaf in place of another, of which `frees` (0 or 1) are then free.

    `others` are the other cores that run the address space: they are told to forget the old translation.
    """
    return Work(invalidations=1, shootdowns=others, frees=frees)


class Fault(NamedTuple):
    """One page fault: its kind and what the kernel did."""

    kind: str
    work: Work


class Pending(NamedTuple):
    """A page fault that has a new frame and has yet to map it.

    Attributes
    ----------
    kind : str
    work : Work
        Of what was done so far.
    vma : Vma
    vpn : int
        First page of the leaf.
    pfn : int
        First frame of the new leaf, which nothing maps.
    write : bool
    seen : int
        The entry as the decision found it; 0 for none.
    """

    kind: str
    work: Work
    vma: Vma
    vpn: int
    pfn: int
    write: bool
    seen: int


def begin(kernel: KernelState, process: Process, vpn: int, write: bool) -> Fault | Pending:
    """Make `vpn` accessible to `process` as far as one fault does, or all but that.

    Raises
    ------
    SegmentationFault
        If no mapping covers the page, or it forbids the access.
    OutOfMemory
        If no frame is left; nothing has changed then.
    """
    space = process.memory
    vma = space.find(vpn)
    if vma is None or (write and not vma.writable):
        verb = "wrote to" if write else "read"
        where = "in a read-only mapping" if vma else "outside its mappings"
        raise SegmentationFault(f"process {process.pid} {verb} page {vpn:#x}, {where}")
    slot = space.page_table.walk(vpn, vma.level)
    word = kernel.arena.words[slot] if slot != NO_SLOT else 0
    if not word:
        return _missing(kernel, space, vma, vpn, write)
    if write and not word & WRITE:
        return _write_protected(kernel, vma, vpn, slot)
    return Fault("spurious", Work(traps=1))


def commit(kernel: KernelState, process: Process, pending: Pending) -> Fault:
    """Map the leaf of a fault that was begun, or give it back if the entry has changed since.

    fill:  none  ->  [present, write] sharers 1            a write, or any access to a huge page
    copy:  [present] sharers n  ->  [present, write] a new frame, sharers 1;  the old one n - 1
    """
    kind, work, vma, vpn, pfn, write, seen = pending
    frames, flat, leaf = kernel.frames, kernel.arena.flat, kernel.geometry.leaf_pages(vma.level)
    slot, new = process.memory.page_table.walk(vpn, vma.level), np.array([pfn])
    frames.hold_pending(-leaf)
    if slot == NO_SLOT or (int(flat[slot]) ^ seen) & ~(ACCESSED | DIRTY):
        frames.release(new, leaf)
        return Fault("late", work + Work(frees=1))
    frames.share(new)
    flat[slot] = with_frame(new, leaf_bits(vma.level, write))[0]
    if not seen:
        return Fault(kind, work)
    kernel.tlbs.drop(process.memory.page_table.root, np.array([vpn]))
    others, old = process.memory.other_cores, frame_of(np.array([seen], np.uint64))
    if kind == "zero_replace":
        return Fault(kind, work + replaced(others, frees=0))
    work += replaced(others, frames.drop(old, leaf))
    return Fault(kind, work + flip_last_sharers(kernel, np.array([vpn]), old, vma.level))


def _take(
    kernel: KernelState, kind: str, work: Work, vma: Vma, vpn: int, write: bool = True, seen: int = 0
) -> Pending:
    """Take a leaf for a page; the caller has made sure of the room."""
    leaf = kernel.geometry.leaf_pages(vma.level)
    vma.written = True
    kernel.frames.hold_pending(leaf)
    pfn = int(kernel.frames.allocate(1, leaf)[0])
    return Pending(kind, work, vma, vpn & -leaf, pfn, write, seen)


def _missing(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int, write: bool) -> Fault | Pending:
    """Map a page that has no entry, or begin to.

    none  ->  [present, special] the zero frame     a read of a private base page
    """
    large, leaf = vma.level > 1, kernel.geometry.leaf_pages(vma.level)
    here = np.array([vpn & -leaf])
    if vma.shared:
        work = fill(kernel, space, vma, here, write)
        if not (write or large):
            _map_around(kernel, space, vma, vpn)
        return Fault("shared_map", work)
    if write or large:
        kernel.frames.require(Counter({1: space.page_table.missing(vma.level, here)}) + Counter({leaf: 1}))
        work = filled(leaf * kernel.geometry.page_bytes) + tables_work(space.page_table.grow(vma.level, here))
        return _take(kernel, FILL[large], work, vma, vpn, write)
    kernel.frames.require({1: space.page_table.missing(1, here)})
    made = space.page_table.grow(1, here)
    kernel.arena.words[space.page_table.walk(vpn)] = ZERO_FRAME | LEAF | SPECIAL
    return Fault("zero_map", Work(traps=1) + tables_work(made))


def fill(kernel: KernelState, space: AddressSpace, vma: Vma, heads: Numbers, write: bool = True) -> Work:
    """Map the leafs at pages `heads`, which rise and have no entry, each in a fault of its own.

    Raises
    ------
    OutOfMemory
        If the frames and the tables do not all fit; nothing has changed then.
    """
    leaf, table = kernel.geometry.leaf_pages(vma.level), space.page_table
    new = len(heads) if vma.shared is None else int((_held(vma, heads, leaf) == 0).sum())
    kernel.frames.require(Counter({1: table.missing(vma.level, heads)}) + Counter({leaf: new}))
    made = table.grow(vma.level, heads)
    bits = leaf_bits(vma.level, write) | _rights(vma)
    for start in range(0, len(heads), _CHUNK):
        some = heads[start : start + _CHUNK]
        pfns = _frames_for(kernel, vma, some, leaf)
        kernel.frames.share(pfns)
        kernel.arena.flat[table.slots(some, vma.level)] = with_frame(pfns, bits)
    vma.written |= vma.shared is None and len(heads) > 0
    zeroed = new * leaf * kernel.geometry.page_bytes
    return Work(traps=len(heads), allocations=new, zeroed_bytes=zeroed) + tables_work(made)


def _rights(vma: Vma) -> int:
    """Return the bits of what a fault maps that does not depend on the access."""
    if not vma.writable:
        return GUARDED
    return WRITE if vma.shared else 0


def _held(vma: Vma, heads: Numbers, leaf: int) -> Numbers:
    """Return the frames that a shared mapping's object has for pages `heads`; 0 where it has none."""
    assert vma.shared
    return vma.shared.pfns[vma.offset + (heads - vma.first) // leaf]


def _frames_for(kernel: KernelState, vma: Vma, heads: Numbers, leaf: int) -> Numbers:
    """Return the frames to map at pages `heads`: new ones, or the object's, new where it has none."""
    if vma.shared is None:
        return kernel.frames.allocate(len(heads), leaf)
    pfns = _held(vma, heads, leaf)
    new = pfns == 0
    pfns[new] = kernel.frames.allocate(int(new.sum()), leaf)
    kernel.frames.cached[pfns] = True
    vma.shared.pfns[vma.offset + (heads - vma.first) // leaf] = pfns
    return pfns


def _map_around(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int) -> None:
    """Map the neighbours of `vpn` that the shared object already has; the fault's price covers them."""
    window = max(1, FAULT_AROUND_BYTES // kernel.geometry.page_bytes)
    start, table = max(vpn & -window, vma.first), kernel.geometry.table_pages(1)
    vpns = np.arange(start, min(start + window, (vpn | table - 1) + 1, vma.end))
    slots, pfns = space.page_table.slots(vpns, 1), _held(vma, vpns, 1)
    new = (slots != NO_SLOT) & (kernel.arena.flat[slots] == 0) & (pfns > 0)
    kernel.arena.flat[slots[new]] = with_frame(pfns[new], LEAF | _rights(vma))
    kernel.frames.share(pfns[new])


def _write_protected(kernel: KernelState, vma: Vma, vpn: int, slot: int) -> Fault | Pending:
    """Give the writer a page that it may write, or begin to.

    flip:  [present] sharers 1  ->  [present, write] the same frame
    """
    entry = kernel.arena.flat[slot : slot + 1]
    large, leaf = vma.level > 1, kernel.geometry.leaf_pages(vma.level)
    pfn, size = int(frame_of(entry)[0]), leaf * kernel.geometry.page_bytes
    sharers = int(kernel.frames.sharers[pfn])
    if pfn != ZERO_FRAME and kernel.policy.at_write(sharers) is AtWrite.FLIP:
        assert sharers == 1, f"{kernel.policy} flips a frame that {sharers} entries map"
        entry[:] = make_writable(entry)
        return Fault(FLIP[large], FLIPPED)
    kernel.frames.require({leaf: 1})
    if pfn == ZERO_FRAME:
        return _take(kernel, "zero_replace", filled(size), vma, vpn, seen=int(entry[0]))
    return _take(kernel, COPY[large], copied(size), vma, vpn, seen=int(entry[0]))


def flip_last_sharers(kernel: KernelState, vpns: Numbers, pfns: Numbers, level: int) -> Work:
    """Make the last entry that maps each frame writable, if the policy wants that.

    Parameters
    ----------
    vpns, pfns : int64[n]
        Pages at which private frames just lost a sharer. A frame lies at the same page in every process
        that shares it, since only fork shares private memory: that is the reverse map.
    level : int
    """
    if not kernel.policy.seeks_last_sharer():
        return NOTHING
    alone = kernel.frames.sharers[pfns] == 1
    vpns, pfns, flips = vpns[alone], pfns[alone], 0
    for process in kernel.alive:
        slots = process.memory.page_table.slots(vpns, level)
        words = np.where(slots == NO_SLOT, np.uint64(0), kernel.arena.flat[slots])
        found = (frame_of(words) == pfns) & (words & np.uint64(WRITE) == 0)
        guarded, flipped = words[found] & np.uint64(GUARDED) != 0, make_writable(words[found])
        kernel.arena.flat[slots[found]] = np.where(guarded, words[found] | np.uint64(EXCLUSIVE), flipped)
        flips += int(found.sum())
    return Work(searches=len(vpns), flips=flips)
