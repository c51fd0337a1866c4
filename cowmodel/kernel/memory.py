"""The verbs about the memory of one process, beside accesses: mappings, advice and rights.

A verb that raises has changed nothing; one that faults pages in, one after the other, keeps those it has got.
"""

from contextlib import suppress

import numpy as np

from cowmodel.errors import BusError, ConfigError, SegmentationFault, SimulationError
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel import cached
from cowmodel.kernel.access import Accesses
from cowmodel.kernel.advice import POPULATE, advise
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.fault import FILL
from cowmodel.kernel.fork import unmap
from cowmodel.kernel.memory_object import MemoryObject
from cowmodel.kernel.move import move
from cowmodel.kernel.place import behind_all, check_free
from cowmodel.kernel.populate import empty_leafs, populate_whole
from cowmodel.kernel.process import Process
from cowmodel.kernel.rights import protect
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work


class Memory(Accesses):
    """What a process does with its memory."""

    def mmap(
        self,
        process: Process,
        size_bytes: int,
        backing: Backing = BASE,
        shared: bool = False,
        at_page: int | None = None,
        file: MemoryObject | None = None,
        file_page: int = 0,
    ) -> tuple[Vma, Work]:
        """Map anonymous memory, or a file from its page `file_page` on, at `at_page` or after all others.

        It is mapped in whole leafs. Behind the end of the file nothing can be accessed.

        Raises
        ------
        ConfigError
            If the size is not positive, the paging has no such leaf, or the policy does not go with it.
        SimulationError
            If the place is taken, not aligned or outside the address space, or a file is not to be mapped in
            base pages.
        OutOfMemory
            If the hugetlb pool has not so many pages to keep for it.
        CommitLimit
            If the kernel does not promise so many pages.
        """
        backing.check_policy(self.policy)
        level = backing.level(self.geometry)
        leaf = self.geometry.leaf_pages(level)
        if size_bytes <= 0:
            raise ConfigError(f"mmap: expected a size of at least one byte, got {size_bytes}")
        leafs = -(-size_bytes // (leaf * self.geometry.page_bytes))
        alignment = backing.alignment(self.geometry)
        first = behind_all(self.geometry, process.memory, alignment) if at_page is None else at_page
        check_free(self.geometry, process.memory, "mmap", first, first + leafs * leaf, leaf)
        behind = file or (MemoryObject(leafs) if shared else None)
        if file and backing != BASE:
            raise SimulationError(f"mmap: expected base pages of the file, got {backing}")
        if file_page < 0 or (file_page and not file):
            raise SimulationError(f"mmap: expected a page of a file to begin at, got {file_page}")
        reserved = level > 1 and not shared
        vma = Vma(first, leafs * leaf, level, behind, not shared, file_page, reserved=reserved)
        self._allow_folios(vma, backing)
        promised = leafs if vma.own or (level == 1 and not file) else 0
        self.commitment.require([promised] * (promised > 0))
        if level > 1:
            self.hugetlb.reserve(leafs)
        self.commitment.take(promised)
        vma.accounted = vma.own
        if behind:
            behind.mappings += 1
            behind.promised = promised * shared
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

    def mremap(self, process: Process, first: int, pages: int, to: int) -> Work:
        """Move the mappings in `pages` pages from `first` on, with all that they map, to page `to`.

        Raises
        ------
        SimulationError
            If nothing is mapped at `first`, a mapping would be cut, or cannot be moved there.
        OutOfMemory
        """
        work = move(self, process.memory, first, first + pages, to)
        process.faults["cow_copy"] += work.traps
        process.copied_bytes += work.copied_bytes
        return work

    def mprotect(self, process: Process, first: int, pages: int, rights: str) -> Work:
        """Give pages the rights `rights`: "none", "r" or "rw".

        Raises
        ------
        SimulationError
            If one of them is not mapped, a huge page would be cut, or there are no such rights.
        CommitLimit
            If the kernel does not promise the pages that are to be writable.
        """
        end = self._whole(process, "mprotect", first, pages)
        work, locked = protect(self, process.memory, first, end, rights)
        for run in locked:
            with suppress(BusError):  # behind the end of a file nothing can be written
                work += self._fault_in(process, *run, write=True)
        return work

    def madvise(self, process: Process, first: int, pages: int, advice: str) -> Work:
        """Advise about pages: one of `cowmodel.kernel.advice.ADVICE`.

        Raises
        ------
        SimulationError
            If one of them is not mapped, a huge page would be cut, or the advice is not known.
        SegmentationFault
            If pages are to be populated that may not be accessed so; those before the first stay so.
        BusError
            The same of pages behind the end of a file.
        OutOfMemory
        """
        end = self._whole(process, "madvise", first, pages)
        if advice not in POPULATE:
            return advise(self, process.memory, first, end, advice)
        return self._fault_in(process, first, end, POPULATE[advice])

    def populate(self, process: Process, vma: Vma, vpns: Numbers | None = None) -> Work:
        """Write to the pages `vpns` of `vma` (all of them if None) that have no entry yet.

        Raises
        ------
        SimulationError
            If `process` has no such mapping, or it no such pages.
        SegmentationFault
            If it may not write there.
        BusError
            If one is behind the end of a file.
        OutOfMemory
        """
        vma = self._own(process, vma)
        if not vma.writable:
            raise SegmentationFault(f"process {process.pid} populates pages that it may not write")
        if vma.folios or (vma.object and vma.private):
            empty = empty_leafs(self, process, vma, vpns)
            work = self._fill_by_faults(process, empty)
            self.note_written(process, empty)
            return work
        if vpns is None and vma.private and not self.era.lru_batch:  # which wants to be told of the frames
            work = populate_whole(self, process.memory, vma)
        else:
            work = cached.fill(self, process.memory, vma, empty_leafs(self, process, vma, vpns))
        process.memory.family.changes += 1
        process.faults["shared_map" if vma.object else FILL[vma.level > 1]] += work.traps
        return work

    def _mapped(self, process: Process, verb: str, first: int, pages: int) -> int:
        """Return the page after the last, if all are mapped."""
        end = first + pages
        if pages < 1 or not process.memory.covers(first, end):
            raise SimulationError(f"process {process.pid}: {verb} of pages that are not all mapped")
        return end

    def _whole(self, process: Process, verb: str, first: int, pages: int) -> int:
        """Return the page after the last, if all are mapped and no huge page is cut."""
        end = self._mapped(process, verb, first, pages)
        for vma in process.memory.overlapping(first, end):
            leaf = self.geometry.leaf_pages(vma.level)
            if max(first, vma.first) % leaf or min(end, vma.end) % leaf:
                raise SimulationError(f"process {process.pid}: {verb} of part of a huge page")
        return end

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
