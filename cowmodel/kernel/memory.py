"""The verbs about the memory of one process: mappings, advice and rights, accesses and their faults.

A verb that raises has changed nothing; one that faults pages in, one after the other, keeps those it has got.
"""

import numpy as np

from cowmodel.errors import ConfigError, SegmentationFault, SimulationError
from cowmodel.hardware.page_table import NO_SLOT
from cowmodel.hardware.paging import ACCESSED, DIRTY, PRESENT, WRITE, Numbers
from cowmodel.kernel import cached, dispatch
from cowmodel.kernel.address_space import AddressSpace, Vma
from cowmodel.kernel.advice import POPULATE, advise
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.fault import FILL, Fault, Pending, out_of_cache
from cowmodel.kernel.fork import unmap
from cowmodel.kernel.large_folio import split_ends
from cowmodel.kernel.memory_object import MemoryObject
from cowmodel.kernel.populate import empty_leafs, mark_dirty, populate_whole
from cowmodel.kernel.process import Process
from cowmodel.kernel.rights import protect
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import NOTHING, Work

_LOWEST_BYTES = 1 << 40  # where mappings start, clear of null pointers and aligned to every leaf


class Memory(KernelState):
    """What a process does with its memory."""

    def mmap(
        self,
        process: Process,
        size_bytes: int,
        backing: Backing = BASE,
        shared: bool = False,
        at_page: int | None = None,
        file: MemoryObject | None = None,
    ) -> tuple[Vma, Work]:
        """Map anonymous memory, or a file from its start, in whole leafs, at `at_page` or after all others.

        Raises
        ------
        ConfigError
            If the size is not positive, the paging has no such leaf, or the policy does not go with it.
        SimulationError
            If the place is taken, not aligned or outside the address space, or the file has not so many base
            pages.
        OutOfMemory
            If the hugetlb pool has not so many pages to keep for it.
        """
        backing.check_policy(self.policy)
        level = backing.level(self.geometry)
        leaf = self.geometry.leaf_pages(level)
        if size_bytes <= 0:
            raise ConfigError(f"mmap: expected a size of at least one byte, got {size_bytes}")
        leafs = -(-size_bytes // (leaf * self.geometry.page_bytes))
        first = self._place(process.memory, backing) if at_page is None else at_page
        self._check_place(process.memory, first, first + leafs * leaf, leaf)
        behind = file or (MemoryObject(leafs) if shared else None)
        if file and (backing != BASE or leafs > len(file.pfns)):
            raise SimulationError(f"mmap: expected at most the {len(file.pfns):,} base pages of the file")
        vma = Vma(first, leafs * leaf, level, behind, not shared, reserved=level > 1 and not shared)
        self._allow_folios(vma, backing)
        if level > 1:
            self.hugetlb.reserve(leafs)
        if behind:
            behind.mappings += 1
        process.memory.insert(vma)
        return vma, Work(mappings=1)

    def munmap(self, process: Process, vma: Vma, first: int = 0, pages: int | None = None) -> Work:
        """Take `pages` pages from the `first` of `vma` on, by default all, out of the address space.

        Raises
        ------
        SimulationError
            If they are not pages of `vma`, or cut a huge page.
        """
        vma = self._own(process, vma)
        pages = vma.pages - first if pages is None else pages
        leaf = self.geometry.leaf_pages(vma.level)
        if not 0 <= first < first + pages <= vma.pages:
            raise SimulationError(f"process {process.pid} unmaps pages that are not all in that mapping")
        if first % leaf or pages % leaf:
            raise SimulationError(f"process {process.pid} unmaps part of a huge page of {leaf} base pages")
        start = vma.first + first
        flush = self.forget(process.memory, np.arange(start, start + pages, leaf))
        return Work(mappings=1) + flush + unmap(self, process.memory, start, start + pages)

    def mprotect(self, process: Process, first: int, pages: int, writable: bool) -> Work:
        """Take the right to write from pages, or give it back.

        Raises
        ------
        SimulationError
            If one of them is not mapped, or a huge page would be cut.
        """
        end = self._mapped(process, "mprotect", first, pages)
        work, locked = protect(self, process.memory, first, end, writable)
        return sum((self._fault_in(process, *run, write=True) for run in locked), work)

    def madvise(self, process: Process, first: int, pages: int, advice: str) -> Work:
        """Advise about pages: one of `cowmodel.kernel.advice.ADVICE`.

        Raises
        ------
        SimulationError
            If one of them is not mapped, a huge page would be cut, or the advice is not known.
        SegmentationFault
            If pages that may not be written are to be populated for that.
        OutOfMemory
        """
        end = self._mapped(process, "madvise", first, pages)
        if advice not in POPULATE:
            return advise(self, process.memory, first, end, advice)
        write = POPULATE[advice]
        if write and not all(vma.writable for vma in process.memory.overlapping(first, end)):
            raise SegmentationFault(f"process {process.pid} populates pages that it may not write")
        return self._fault_in(process, first, end, write)

    def mlock(self, process: Process, first: int, pages: int) -> Work:
        """Make pages resident, those that may be written as a write would; a child does not inherit the lock.

        Raises
        ------
        SimulationError
            If one of them is not mapped.
        OutOfMemory
        """
        end, work = self._mapped(process, "mlock", first, pages), Work(mappings=1)
        if all(vma.level == 1 for vma in process.memory.overlapping(first, end)):  # huge ones stay anyway
            work += split_ends(self, process.memory, first, end, locked=True)
            list(process.memory.change(first, end, self.geometry.leaf_pages, locked=True))
        for vma in process.memory.overlapping(first, end):
            write = vma.writable and vma.private
            work += self._fault_in(process, max(first, vma.first), min(end, vma.end), write)
        return work

    def populate(self, process: Process, vma: Vma, vpns: Numbers | None = None) -> Work:
        """Write to the pages `vpns` of `vma` (all of them if None) that have no entry yet.

        Raises
        ------
        SimulationError
            If `process` has no such mapping, or it no such pages.
        SegmentationFault
            If it may not write there.
        OutOfMemory
        """
        vma = self._own(process, vma)
        if not vma.writable:
            raise SegmentationFault(f"process {process.pid} populates pages that it may not write")
        if vma.folios or (vma.object and vma.private):
            return self._fill_by_faults(process, empty_leafs(self, process, vma, vpns))
        if vpns is None and vma.private:
            work = populate_whole(self, process.memory, vma)
        else:
            work = cached.fill(self, process.memory, vma, empty_leafs(self, process, vma, vpns))
        process.memory.family.changes += 1
        process.faults["shared_map" if vma.object else FILL[vma.level > 1]] += work.traps
        return work

    def read(self, process: Process, vpn: int) -> Work:
        """Read one byte of page `vpn`; raise as `fault` does."""
        return self._access(process, vpn, write=False)

    def write(self, process: Process, vpn: int) -> Work:
        """Write one byte of page `vpn`; raise as `fault` does."""
        return self._access(process, vpn, write=True)

    def touch(self, process: Process, vpn: int, write: bool) -> bool:
        """Try an access as the processor does: mark the entry and return True, or False for a fault."""
        slot = process.memory.page_table.walk(vpn)
        if slot == NO_SLOT or not 0 <= vpn < self.geometry.user_pages:
            return False
        word = self.arena.words[slot]
        needed, marked = (PRESENT | WRITE, ACCESSED | DIRTY) if write else (PRESENT, ACCESSED)
        if word & needed != needed:
            return False
        if word & marked != marked:
            self.arena.words[slot] = word | marked
        return True

    def begin_fault(self, process: Process, vpn: int, write: bool, far: bool = False) -> Fault | Pending:
        """Handle the page fault of an access that `touch` refused, as far as it goes at once.

        `far` says that the fault before it was not near.

        Raises
        ------
        SegmentationFault
            If no mapping covers the page.
        BusError
            If no huge page is left for it.
        OutOfMemory
            If no frame is left.
        """
        process.memory.family.changes += 1  # a bus error leaves the tables that it has made
        fault = dispatch.begin(self, process, vpn, write)
        if far | (cold := self.is_cold(process.memory)):
            more = out_of_cache(fault.kind, fault.work.allocations > 0, cold, far)
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

    def _mapped(self, process: Process, verb: str, first: int, pages: int) -> int:
        """Return the page after the last, if all are mapped and no huge page is cut."""
        space, end = process.memory, first + pages
        if pages < 1 or not space.covers(first, end):
            raise SimulationError(f"process {process.pid}: {verb} of pages that are not all mapped")
        for vma in space.overlapping(first, end):
            leaf = self.geometry.leaf_pages(vma.level)
            if max(first, vma.first) % leaf or min(end, vma.end) % leaf:
                raise SimulationError(f"process {process.pid}: {verb} of part of a huge page")
        return end

    def _fault_in(self, process: Process, first: int, end: int, write: bool) -> Work:
        """Fault in pages first..end, exclusive, as accesses would."""
        work = NOTHING
        for vpn in range(first, end):
            if not (write and mark_dirty(self, process.memory, vpn)):
                work += self._access(process, vpn, write)._replace(hits=0)
        return work

    def _access(self, process: Process, vpn: int, write: bool) -> Work:
        work = Work(hits=1)
        while not self.touch(process, vpn, write):  # re-executed after each fault
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

    def _own(self, process: Process, vma: Vma) -> Vma:
        """Return the mapping of `process` at the pages of `vma`, which may be its parent's."""
        own = process.memory.find(vma.first)
        if own is None or (own.first, own.end) != (vma.first, vma.end):
            raise SimulationError(
                f"process {process.pid} has no mapping of pages {vma.first:#x} to {vma.last:#x}; it may have"
                " been unmapped or cut"
            )
        return own

    def _allow_folios(self, vma: Vma, backing: Backing) -> None:
        """Let faults in `vma` fill the folios of its backing; what is shared has single pages."""
        orders = () if vma.object else backing.orders(self.geometry)
        smaller = tuple(order for order in orders if order < self.geometry.shifts[2])
        vma.huge_level = 2 * (len(smaller) < len(orders))
        vma.orders = smaller if self.era.folio_sizes else ()

    def _place(self, space: AddressSpace, backing: Backing) -> int:
        leaf = backing.alignment(self.geometry)
        after = space.vmas[-1].end if space.vmas else _LOWEST_BYTES // self.geometry.page_bytes
        return -(-after // leaf) * leaf

    def _check_place(self, space: AddressSpace, first: int, end: int, leaf: int) -> None:
        where = f"mmap of pages {first:#x} to {end - 1:#x}"
        if first % leaf:
            raise SimulationError(f"{where}: expected a start aligned to {leaf} pages")
        if first < 0 or end > self.geometry.user_pages:
            raise SimulationError(
                f"{where}: outside the {self.geometry.user_pages:,} pages of {self.geometry.name}"
            )
        if space.overlapping(first, end):
            raise SimulationError(f"{where}: something is mapped there already")


def _noted(process: Process, fault: Fault) -> Fault:
    """Count a fault that is over."""
    process.faults[fault.kind] += 1
    process.copied_bytes += fault.work.copied_bytes
    return fault
