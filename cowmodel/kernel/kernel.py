"""The kernel: physical memory, processes, and the verbs that change them.

Every verb returns the `Work` it took, beside what it made. A verb that raises has changed nothing,
except for pages that it has faulted in before.

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

from cowmodel.errors import ConfigError, SimulationError
from cowmodel.hardware.page_table import PageTable
from cowmodel.kernel.address_space import AddressSpace, Family
from cowmodel.kernel.fork import exit_space, fork_space
from cowmodel.kernel.memory_object import MemoryObject
from cowmodel.kernel.process import Process
from cowmodel.kernel.residence import Residence
from cowmodel.kernel.work import NOTHING, Work


class Kernel(Residence):
    """The verbs of an operating system; its parameters and attributes are those of its state."""

    def open(self, size_bytes: int, disk: bool = False) -> MemoryObject:
        """Bring a file, written before, into the page cache, where it stays; return what mmap can map.

        On a disk it is clean, and notified of writes; elsewhere (Linux: tmpfs) it is neither.

        Raises
        ------
        ConfigError
            If the size is not positive.
        OutOfMemory
        """
        if size_bytes <= 0:
            raise ConfigError(f"open: expected a size of at least one byte, got {size_bytes}")
        file = MemoryObject(-(-size_bytes // self.geometry.page_bytes), notified=disk)
        self.frames.require({1: len(file.pfns)})
        file.pfns[:] = self.frames.allocate(len(file.pfns))
        self.frames.cached[file.pfns], file.dirty[:], file.mappings = True, not disk, 1
        self.files.append(file)
        return file

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

    def fork(self, parent: Process) -> tuple[Process, Work]:
        """Make a child that sees the parent's memory as it is now.

        Raises
        ------
        SimulationError
            If the parent has exited.
        OutOfMemory
            If its tables, and with an eager policy its frames, do not fit.
        CommitLimit
            If the kernel does not promise the child what it has promised the parent.
        """
        space, work = fork_space(self, parent.memory)
        return self._enter(space, parent), work

    def vfork(self, parent: Process) -> tuple[Process, Work]:
        """Make a child that has the parent's memory, not a copy; the parent waits until it exits or execs.

        Nothing is copied, protected or flushed: as far as memory goes the child is a new thread.

        Raises
        ------
        SimulationError
            If the parent has exited.
        """
        parent.memory.users += 1
        return self._enter(parent.memory, parent), Work(threads=1)

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
        return Work(execs=1, pgd_tables=1) + self._leave(old)

    def exit(self, process: Process) -> Work:
        """End `process`; its parent may wait for it, its children have no parent any more.

        Raises
        ------
        SimulationError
            If it has exited already.
        """
        space, process.space = process.memory, None
        work = Work(exits=int(space.users == 1))  # as a thread ends, whose memory stays
        for child in process.children:
            child.parent = None
            if child.space is None:
                del self.processes[child.pid]
        if process.parent is None:
            del self.processes[process.pid]
        return work + self._leave(space)

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

    def _new_space(self) -> AddressSpace:
        self.frames.require({1: 1})
        return AddressSpace(PageTable(self.arena), Family())

    def _leave(self, space: AddressSpace) -> Work:
        """Let go of what a space maps, if nobody else has it."""
        space.users -= 1
        return NOTHING if space.users else exit_space(self, space)

    def _enter(self, space: AddressSpace, parent: Process | None) -> Process:
        process = Process(len(self.everyone) + 1, parent, space)
        self.everyone.append(process)
        self.processes[process.pid] = process
        if parent:
            parent.children.append(process)
        return process
