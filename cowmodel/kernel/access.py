"""Accesses of a process, one by one, and the faults that they take."""

import numpy as np

from cowmodel.hardware.page_table import NO_SLOT
from cowmodel.hardware.paging import ACCESSED, DIRTY, ORDER_MASK, PRESENT, USER, WRITE, Numbers
from cowmodel.kernel import dispatch
from cowmodel.kernel.fault import Fault, Pending, out_of_cache
from cowmodel.kernel.populate import mark_dirty
from cowmodel.kernel.process import Process
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import NOTHING, Work

_NEEDED = PRESENT | USER


class Accesses(KernelState):
    """What a process does to single pages."""

    def read(self, process: Process, vpn: int) -> Work:
        """Read one byte of page `vpn`; raise as `fault` does."""
        return self._access(process, vpn, write=False)

    def write(self, process: Process, vpn: int) -> Work:
        """Write one byte of page `vpn`; raise as `fault` does."""
        return self._access(process, vpn, write=True)

    def touch(self, process: Process, vpn: int, write: bool, stores: bool = True) -> bool:
        """Try an access as the processor does: mark the entry and return True, or False for a fault.

        A write `stores` something, unless the kernel only wants the page to be ready for that.
        """
        slot = process.memory.page_table.walk(vpn)
        if slot == NO_SLOT or not 0 <= vpn < self.geometry.user_pages:
            return False
        word = self.arena.words[slot]
        needed, marked = _NEEDED | write * WRITE, ACCESSED | write * DIRTY
        if word & needed != needed:
            return False
        if word & marked != marked:
            self.arena.words[slot] = word | marked
        if word & ORDER_MASK and write and stores:
            self.note_written(process, np.array([vpn]))
        return True

    def note_written(self, process: Process, vpns: Numbers) -> None:
        """Take note that pages were written, which matters of large folios alone."""
        table = process.memory.page_table
        parts, wholes = table.entries(vpns, 1), table.entries(vpns, 2)
        self.folios.note_written(vpns, np.where(parts == 0, wholes, parts))

    def begin_fault(self, process: Process, vpn: int, write: bool, far: bool = False) -> Fault | Pending:
        """Handle the page fault of an access that `touch` refused, as far as it goes at once.

        `far` says that the fault before it was not near.

        Raises
        ------
        SegmentationFault
            If no mapping covers the page, or it forbids the access.
        BusError
            If no huge page is left for it, or it is behind the end of a file.
        OutOfMemory
            If no frame is left.
        """
        process.memory.family.changes += 1  # a bus error leaves the tables that it has made
        fault = dispatch.begin(self, process, vpn, write)
        if doublings := self.doublings(process.memory):
            more = out_of_cache(fault.kind, fault.work.allocations > 0, doublings, far)
            fault = fault._replace(work=fault.work + more)
        return fault if isinstance(fault, Pending) else _noted(process, fault)

    def commit_fault(self, process: Process, pending: Pending) -> Fault:
        """Map what a fault has prepared."""
        process.memory.family.changes += 1
        return _noted(process, dispatch.commit(self, process, pending))

    def fault(self, process: Process, vpn: int, write: bool, far: bool = False) -> Fault:
        """Handle a page fault from beginning to end; raise as `begin_fault` does."""
        fault = self.begin_fault(process, vpn, write, far)
        return self.commit_fault(process, fault) if isinstance(fault, Pending) else fault

    def _fault_in(self, process: Process, first: int, end: int, write: bool) -> Work:
        """Fault in pages first..end, exclusive, as accesses would."""
        work = NOTHING
        for vpn in range(first, end):
            if not (write and mark_dirty(self, process.memory, vpn)):
                work += self._access(process, vpn, write, stores=False)._replace(hits=0)
        return work

    def _access(self, process: Process, vpn: int, write: bool, stores: bool = True) -> Work:
        work = Work(hits=1)
        while not self.touch(process, vpn, write, stores):  # re-executed after each fault
            work += self.fault(process, vpn, write).work
        return work

    def _fill_by_faults(self, process: Process, vpns: Numbers) -> Work:
        """Write to those pages, which rise, that have no entry when it is their turn."""
        work, at, table = NOTHING, 0, process.memory.page_table
        while at < len(vpns):
            vpn, pages = int(vpns[at]), 1
            if not table.maps(vpn):
                fault = self.fault(process, vpn, write=True)
                work += fault.work
                pages = max(1, fault.work.zeroed_bytes // self.geometry.page_bytes)
            at = int(np.searchsorted(vpns, (vpn & -pages) + pages))
        return work


def _noted(process: Process, fault: Fault) -> Fault:
    """Count a fault that is over."""
    process.faults[fault.kind] += 1
    process.copied_bytes += fault.work.copied_bytes
    return fault
