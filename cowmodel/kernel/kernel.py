"""The kernel: physical memory, processes, and the verbs that change them.

Every verb returns the `Work` it took, beside what it made. A verb that raises has changed nothing.

Examples
--------
>>> from cowmodel import PAGINGS
>>> from cowmodel.policy.copying import LastSharerFlip
>>> kernel = Kernel(PAGINGS["x86-64"], memory_bytes=1 << 24, policy=LastSharerFlip())
>>> parent, _ = kernel.spawn()
>>> heap, _ = kernel.mmap(parent, 1 << 20)
>>> _ = kernel.populate(parent, heap)
>>> child, work = kernel.fork(parent)
>>> work.copied_bytes, kernel.write(child, heap.first).copied_bytes
(0, 4096)
"""

import numpy as np

from cowmodel.errors import ConfigError, SimulationError
from cowmodel.hardware.page_table import NO_SLOT, PageTable
from cowmodel.hardware.paging import ACCESSED, DIRTY, PRESENT, WRITE, Numbers
from cowmodel.kernel import fault as faults
from cowmodel.kernel.address_space import AddressSpace, Family, SharedObject, Vma
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.fault import FILL, Fault, Pending
from cowmodel.kernel.fork import exit_space, fork_space, unmap
from cowmodel.kernel.populate import populate_whole
from cowmodel.kernel.process import Process
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import NOTHING, Work

FLUSH_CEILING = 33  # Linux: tlb_single_page_flush_ceiling; more pages are cheaper to flush all at once
_LOWEST_BYTES = 1 << 40  # where mappings start, clear of null pointers and aligned to every leaf


class Kernel(KernelState):
    """The verbs of an operating system; its parameters and attributes are those of its state."""

    def spawn(self, parent: Process | None = None) -> tuple[Process, Work]:
        """Start a process with nothing mapped, whose parent, if any, shares nothing with it.

        Raises
        ------
        SimulationError
            If the parent has exited.
        OutOfMemory
        """
        if parent:
            parent.must_live()
        return self._enter(self._new_space(), parent), Work(spawns=1, pgd_tables=1)

    def mmap(
        self,
        process: Process,
        size_bytes: int,
        backing: Backing = BASE,
        shared: bool = False,
        at_page: int | None = None,
    ) -> tuple[Vma, Work]:
        """Map anonymous memory, rounded up to whole leafs, at `at_page` or after the last mapping.

        Raises
        ------
        ConfigError
            If the size is not positive, or the paging has no such leaf.
        SimulationError
            If the place is taken, not aligned or outside the address space.
        """
        level = backing.level(self.geometry)
        leaf = self.geometry.leaf_pages(level)
        if size_bytes <= 0:
            raise ConfigError(f"mmap: expected a size of at least one byte, got {size_bytes}")
        leafs = -(-size_bytes // (leaf * self.geometry.page_bytes))
        first = self._place(process.memory, leaf) if at_page is None else at_page
        self._check_place(process.memory, first, first + leafs * leaf, leaf)
        vma = Vma(first, leafs * leaf, level, SharedObject(leafs) if shared else None)
        process.memory.insert(vma)
        return vma, Work(mappings=1)

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

    def begin_fault(self, process: Process, vpn: int, write: bool) -> Fault | Pending:
        """Handle the page fault of an access that `touch` refused, as far as it goes at once.

        Raises
        ------
        SegmentationFault
            If no mapping covers the page.
        OutOfMemory
            If no frame is left.
        """
        fault = faults.begin(self, process, vpn, write)
        process.memory.family.changes += 1
        return fault if isinstance(fault, Pending) else _noted(process, fault)

    def commit_fault(self, process: Process, pending: Pending) -> Fault:
        """Map what a fault has prepared."""
        process.memory.family.changes += 1
        return _noted(process, faults.commit(self, process, pending))

    def fault(self, process: Process, vpn: int, write: bool) -> Fault:
        """Handle a page fault from beginning to end; raise as `begin_fault` does."""
        fault = self.begin_fault(process, vpn, write)
        return self.commit_fault(process, fault) if isinstance(fault, Pending) else fault

    def populate(self, process: Process, vma: Vma, vpns: Numbers | None = None) -> Work:
        """Write to the pages `vpns` of `vma` (all of them if None) that have no entry yet.

        Raises
        ------
        SimulationError
            If `process` has no such mapping, or it no such pages.
        OutOfMemory
        """
        vma = self._own(process, vma)
        if vpns is None and not vma.shared:
            work = populate_whole(self, process.memory, vma)
        else:
            work = self._fill(process, vma, vpns)
        process.memory.family.changes += 1
        process.faults["shared_map" if vma.shared else FILL[vma.level > 1]] += work.traps
        return work

    def fork(self, parent: Process) -> tuple[Process, Work]:
        """Make a child that sees the parent's memory as it is now.

        Raises
        ------
        SimulationError
            If the parent has exited.
        OutOfMemory
            If its tables, and with an eager policy its frames, do not fit.
        """
        space, work = fork_space(self, parent.memory)
        return self._enter(space, parent), work

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
        start, leafs = vma.first + first, pages // leaf
        root = process.memory.page_table.root
        if leafs <= FLUSH_CEILING:
            flush = Work(invalidations=leafs)
            self.tlbs.drop(root, np.arange(start, start + pages, leaf))
        else:
            flush = Work(flushes=1)
            self.tlbs.flush(root)
        flush += Work(mappings=1, shootdowns=process.memory.other_cores)
        return flush + unmap(self, process.memory, start, start + pages)

    def exec(self, process: Process) -> Work:
        """Replace the memory of `process` by an empty address space.

        Raises
        ------
        SimulationError
            If it has exited.
        OutOfMemory
            If there is no room for a root table beside those that it gives up.
        """
        old, process.space = process.memory, self._new_space()
        return Work(execs=1, pgd_tables=1) + exit_space(self, old)

    def exit(self, process: Process) -> Work:
        """End `process`; its parent may wait for it, its children have no parent any more.

        Raises
        ------
        SimulationError
            If it has exited already.
        """
        space, process.space = process.memory, None
        for child in process.children:
            child.parent = None
            if child.space is None:
                del self.processes[child.pid]
        if process.parent is None:
            del self.processes[process.pid]
        return Work(exits=1) + exit_space(self, space)

    def wait(self, parent: Process, child: Process) -> Work:
        """Let `parent` take note that `child` has exited.

        Raises
        ------
        SimulationError
            If it has not, or is not a child of `parent`.
        """
        parent.must_live()
        if child not in parent.children or child.space is not None:
            state = "is still running" if child in parent.children else "is not its child"
            raise SimulationError(f"process {parent.pid} waits for process {child.pid}, which {state}")
        parent.children.remove(child)
        del self.processes[child.pid]
        return Work(waits=1)

    def _access(self, process: Process, vpn: int, write: bool) -> Work:
        work = NOTHING
        while not self.touch(process, vpn, write):  # re-executed after each fault
            work += self.fault(process, vpn, write).work
        return work + Work(hits=1)

    def _fill(self, process: Process, vma: Vma, vpns: Numbers | None) -> Work:
        leaf = self.geometry.leaf_pages(vma.level)
        wanted = np.full(vma.pages // leaf, vpns is None)
        if vpns is not None and len(vpns):
            if not vma.first <= vpns.min() <= vpns.max() < vma.end:
                raise SimulationError(
                    f"process {process.pid} populates pages that are not all in that mapping"
                )
            wanted[(vpns - vma.first) // leaf] = True
        heads = vma.first + np.flatnonzero(wanted) * leaf
        slots = process.memory.page_table.slots(heads, vma.level)
        heads = heads[(slots == NO_SLOT) | (self.arena.flat[slots] == 0)]
        return faults.fill(self, process.memory, vma, heads)

    def _own(self, process: Process, vma: Vma) -> Vma:
        """Return the mapping of `process` at the pages of `vma`, which may be its parent's."""
        own = process.memory.find(vma.first)
        if own is None or (own.first, own.end) != (vma.first, vma.end):
            raise SimulationError(
                f"process {process.pid} has no mapping of pages {vma.first:#x} to {vma.last:#x}; it may have"
                " been unmapped or cut"
            )
        return own

    def _new_space(self) -> AddressSpace:
        self.frames.require({1: 1})
        return AddressSpace(PageTable(self.arena), Family())

    def _enter(self, space: AddressSpace, parent: Process | None) -> Process:
        process = Process(len(self.everyone) + 1, parent, space)
        self.everyone.append(process)
        self.processes[process.pid] = process
        if parent:
            parent.children.append(process)
        return process

    def _place(self, space: AddressSpace, leaf: int) -> int:
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
