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
from cowmodel.hardware.paging import ACCESSED, DIRTY, WRITE, frame_of, leaf_bits, with_frame
from cowmodel.kernel import anonymous, cached
from cowmodel.kernel.fault import Fault, Pending, replaced
from cowmodel.kernel.process import Process
from cowmodel.kernel.reverse_map import flip_last_sharers
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import Work


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
        missing = cached.missing if vma.object else anonymous.missing
        return missing(kernel, space, vma, vpn, write)
    if write and not word & WRITE:
        if not vma.private:
            return cached.upgrade(kernel, vma, vpn, slot)
        return anonymous.write_protected(kernel, vma, vpn, slot)
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
