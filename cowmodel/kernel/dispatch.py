"""Page faults: what an access does that the page table does not permit.

    a permitted one  nothing: the fault was spurious
    no entry         anonymous: a zeroed frame of its own, or for a read the shared zero frame
                     an object behind it: the object's frame, or, private and written, a copy of it
    read-only entry  private: the zero frame is replaced, an object's copied, else the policy says which
                     shared: made writable, the object is told

`begin` decides and takes the frame, `commit` maps it if the entry is still what it was, and lets go of the
old frame only then. Two processes that write the same shared page at once both copy; of two threads that
do, one comes too late.

After the fault the instruction is executed again and finds the access permitted.

References
----------
Linux, handle_pte_fault, do_wp_page, wp_page_copy, mm/memory.c.
"""

import numpy as np

from cowmodel.errors import SegmentationFault
from cowmodel.hardware.page_table import NO_SLOT
from cowmodel.hardware.paging import (
    ACCESSED,
    DIRTY,
    LARGE,
    ORDER_MASK,
    ORDER_SHIFT,
    SPECIAL,
    WRITE,
    frame_of,
    leaf_bits,
    with_frame,
)
from cowmodel.kernel import anonymous, cached, large_folio
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.fault import Fault, Pending, given_back, replaced
from cowmodel.kernel.process import Process
from cowmodel.kernel.reverse_map import flip_last_sharers
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work

_NOT_MARKS = ~np.uint64(ACCESSED | DIRTY)


def begin(kernel: KernelState, process: Process, vpn: int, write: bool) -> Fault | Pending:
    """Make `vpn` accessible to `process` as far as one fault does, or all but that.

    Raises
    ------
    SegmentationFault
        If no mapping covers the page, or it forbids the access.
    BusError
        If no huge page is left for it, or it is behind the end of a file.
    OutOfMemory
        If no frame is left; nothing has changed then.
    """
    space = process.memory
    vma = space.find(vpn)
    if vma is None or not (vma.writable if write else vma.readable):
        verb = "wrote to" if write else "read"
        kind = "read-only mapping" if vma and vma.readable else "mapping without rights"
        where = f"in a {kind}" if vma else "outside its mappings"
        raise SegmentationFault(f"process {process.pid} {verb} page {vpn:#x}, {where}")
    slot = space.page_table.walk(vpn, vma.level)
    word = kernel.arena.words[slot] if slot != NO_SLOT else 0
    if not word:
        begun = _missing(kernel, space, vma, vpn, write)
    elif write and not word & WRITE:
        begun = _write_protected(kernel, space, vma, vpn, slot)
    else:
        return Fault("spurious", Work(traps=1))
    if isinstance(begun, Pending):
        space.own(vma)
    return begun


def _write_protected(
    kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int, slot: int
) -> Fault | Pending:
    if not vma.private:
        return cached.upgrade(kernel, vma, vpn, slot)
    if kernel.arena.words[slot] & LARGE and vma.huge_level:
        return large_folio.write_protected(kernel, space, vma, vpn, slot)
    return anonymous.write_protected(kernel, vma, vpn, slot)


def _missing(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int, write: bool) -> Fault | Pending:
    if vma.object:
        return cached.missing(kernel, space, vma, vpn, write)
    mapped = large_folio.missing(kernel, space, vma, vpn, write) if vma.folios else None
    return mapped or anonymous.missing(kernel, space, vma, vpn, write)


def commit(kernel: KernelState, process: Process, pending: Pending) -> Fault:
    """Map what a fault that was begun has taken, or give it back if an entry has changed since.

    fill:  none  ->  [present, write] sharers 1            a write, or any access to a huge page
    copy:  [present] sharers n  ->  [present, write] a new frame, sharers 1;  the old one n - 1
    """
    kind, work, _, vpn, pfn, write, seen, level, order = pending
    table, leaf = process.memory.page_table, kernel.geometry.leaf_pages(level)
    slot, pages = table.walk(vpn, level), max(leaf, 1 << order)
    entries = kernel.arena.flat[slot : slot + pages // leaf]
    kernel.frames.hold_pending(-pages)
    if slot == NO_SLOT or ((entries ^ np.uint64(seen)) & _NOT_MARKS).any():
        if pending.vma.level > 1:
            kernel.hugetlb.drop(kernel.frames, np.array([pfn]), kept=pending.vma.reserved and not seen)
        kernel.frames.release(np.array([pfn]), pages)
        table.deposit(-(kind == "thp_fill"))
        return Fault("late", work + given_back(pages * kernel.geometry.page_bytes, pending.vma.level > 1))
    entries[:] = with_frame(np.arange(pfn, pfn + pages, leaf), leaf_bits(level, write) | order << ORDER_SHIFT)
    if order:
        kernel.folios.add(entries, table.root)
        kernel.recent.hand_on()
    else:
        kernel.frames.share(np.array([pfn]))
        kernel.recent.add([pfn] * (level == 1))
    work += Work(filled_parts=len(entries) - 1)
    return Fault(kind, work + _let_go(kernel, process, pending) if seen else work)


def _let_go(kernel: KernelState, process: Process, pending: Pending) -> Work:
    """Forget the entry that was replaced; its frame has a sharer less."""
    space, old, leaf = process.memory, np.array([pending.seen], np.uint64), pending.vma.level
    used = kernel.frames.used
    if pending.level > 1 and pending.order and pending.seen & SPECIAL:
        kernel.tlbs.flush(space.page_table.root)
        return Work(flushes=1, shootdowns=space.other_cores)
    kernel.tlbs.drop(space.page_table.root, np.array([pending.vpn]))
    work = replaced(space.other_cores)
    if pending.seen & SPECIAL:
        return work
    if pending.seen & ORDER_MASK:
        kernel.folios.remove(old, space.page_table.root)
    else:
        kernel.frames.drop(frame_of(old), kernel.geometry.leaf_pages(leaf))
        if leaf > 1:
            kernel.hugetlb.drop(kernel.frames, frame_of(old), kept=False)
        work += flip_last_sharers(kernel, np.array([pending.vpn - pending.vma.moved]), frame_of(old), leaf)
    freed_bytes = (used - kernel.frames.used) * kernel.geometry.page_bytes
    return work + Work(releases=1) + given_back(freed_bytes, pooled=leaf > 1)
