"""The verbs about where pages are: that they stay, or are held, or become one with others."""

from cowmodel.errors import SegmentationFault, SimulationError
from cowmodel.kernel import pins
from cowmodel.kernel.large_folio import split_ends
from cowmodel.kernel.memory import Memory
from cowmodel.kernel.merge import check_mergeable, merge
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import NOTHING, Work


class Residence(Memory):
    """What a process asks about where its memory is."""

    def mlock(self, process: Process, first: int, pages: int) -> Work:
        """Make pages resident, those that may be written as a write would; a child does not inherit the lock.

        Raises
        ------
        SimulationError
            If one of them is not mapped.
        SegmentationFault, BusError
            If one may not be read, or is behind the end of a file; those before it are resident, all locked.
        OutOfMemory
        """
        end, work = self._whole(process, "mlock", first, pages), Work(mappings=1)
        if all(vma.level == 1 for vma in process.memory.overlapping(first, end)):  # huge ones stay anyway
            work += split_ends(self, process.memory, first, end, locked=True)
            list(process.memory.change(first, end, self.geometry.leaf_pages, locked=True))
        for vma in process.memory.overlapping(first, end):
            write = vma.writable and vma.private
            work += self._fault_in(process, max(first, vma.first), min(end, vma.end), write)
        return work

    def pin(self, process: Process, first: int, pages: int) -> Work:
        """Hold pages, made writable as a write would, where they are, until they are unpinned or it exits.

        Raises
        ------
        SimulationError
            If one of them is not mapped.
        SegmentationFault
            If one may not be written, or is of a shared mapping whose object is notified of writes.
        BusError, OutOfMemory

        References
        ----------
        Linux, pin_user_pages_fast with FOLL_LONGTERM, mm/gup.c; io_sqe_buffer_register, io_uring/rsrc.c.
        """
        end, space = self._mapped(process, "pin", first, pages), process.memory
        shared = [vma.object for vma in space.overlapping(first, end) if not vma.private]
        if any(behind and behind.notified for behind in shared):
            raise SegmentationFault(f"process {process.pid} pins pages whose file is to hear of each write")
        found, held, work = True, len(space.pins), Work(mappings=1)
        try:
            for vpn in range(first, end):
                # up to the first that may not be written, nothing is touched
                found = found and space.page_table.leaf(vpn)[1]
                work += NOTHING if found else self._fault_in(process, vpn, vpn + 1, write=True)
                pins.pin(self, space, first, vpn)
        except SimulationError:
            space.pins, gone = space.pins[:held], space.pins[held:]
            pins.let_go(self, gone)
            raise
        return work

    def unpin(self, process: Process, first: int, pages: int) -> Work:
        """Let go of what `pin` has held from one of these pages on, mapped or not.

        Raises
        ------
        SimulationError
            If the process has exited.
        """
        return Work(mappings=1) + pins.unpin(self, process.memory, first, first + pages)

    def merge(self, process: Process, first: int, pages: int) -> Work:
        """Write the same to all of some pages, and let the kernel make one of those that it can.

        Raises
        ------
        SimulationError
            If one of them is not mapped, is pinned, or is not private anonymous memory in base pages.
        SegmentationFault
            If one may not be written; those before it have been.
        OutOfMemory
        """
        end = self._mapped(process, "merge", first, pages)
        check_mergeable(self, process.memory, first, end)
        written = sum((self._access(process, vpn, write=True) for vpn in range(first, end)), NOTHING)
        return Work(mappings=1) + written + merge(self, process.memory, first, end)
