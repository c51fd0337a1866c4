"""Programs: how an activity acts as one process of the modelled machine.

    def main(program):
        heap = yield from program.mmap(64 << 20)
        yield from program.populate(heap)
        child = yield from program.fork(saver)
        yield from program.access(heap, pages, written=8)
        yield from program.wait(child)

Each verb is a generator that lets the time pass which the kernel's work costs.
"""

from collections.abc import Callable

import numpy as np

from cowmodel.engine.burst import Burst
from cowmodel.errors import ConfigError, SegmentationFault
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.address_space import Vma
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import NOTHING, Work
from cowmodel.machine import Activity, Machine
from cowmodel.records import ActionRow

__all__ = ["Activity", "Main", "Program", "start"]


class Program:
    """How an activity acts as one process: each verb takes the simulated time that it costs.

    Verbs are generators, used as `heap = yield from program.mmap(...)`. A program holds a core from its
    first verb until it thinks, waits, exits or has used up its time slice while others wait.

    Attributes
    ----------
    process : Process
    core, last_core : int or None
        The core that it holds; the one it held last.
    ended : simpy.Event
        Fires when the process has exited.
    """

    def __init__(self, machine: Machine, process: Process) -> None:
        self.machine, self.process = machine, process
        self.core: int | None = None
        self.last_core: int | None = None
        self.ended = machine.environment.event()
        self._slice_end = 0

    @property
    def now(self) -> int:
        """Simulated time in picoseconds."""
        return self.machine.now

    def mmap(
        self,
        size_bytes: int,
        backing: Backing = BASE,
        shared: bool = False,
        at_page: int | None = None,
    ) -> Activity:
        """Map anonymous memory; return the Vma."""
        yield from self._on_core()
        vma, work = self.machine.kernel.mmap(self.process, size_bytes, backing, shared, at_page)
        yield from self._spend("mmap", work)
        return vma

    def munmap(self, vma: Vma, first: int = 0, pages: int | None = None) -> Activity:
        """Unmap `pages` pages of `vma`."""
        yield from self._on_core()
        yield from self._spend("munmap", self.machine.kernel.munmap(self.process, vma, first, pages))

    def populate(self, vma: Vma, pages: Numbers | None = None) -> Activity:
        """Write to the pages of `vma` (numbered from its start) that have no entry yet, all in one action."""
        yield from self._on_core()
        vpns = None if pages is None else vma.first + pages
        yield from self._spend("populate", self.machine.kernel.populate(self.process, vma, vpns))

    def access(self, vma: Vma, pages: Numbers, written: Numbers | int) -> Activity:
        """Access pages of `vma`, numbered from its start, one after the other.

        Parameters
        ----------
        vma : Vma
        pages : int64[n]
        written : int64[n] or int
            Bytes that each access writes; 0 for a read.

        Raises
        ------
        ConfigError
            If a page is not one of `vma`.
        """
        if len(pages) and not 0 <= pages.min() <= pages.max() < vma.pages:
            reach = f"{pages.min()} to {pages.max()}"
            raise ConfigError(f"burst: expected pages from 0 to {vma.pages - 1}, got {reach}")
        yield from self._burst(vma.first + pages, written)

    def access_vpns(self, vpns: Numbers, written: Numbers | int) -> Activity:
        """Access pages by their numbers, wherever they are mapped.

        Raises
        ------
        SegmentationFault
            If a page is outside the address space; before any access is made.
        """
        if len(vpns) and not 0 <= vpns.min() <= vpns.max() < self.machine.kernel.geometry.user_pages:
            wrong = vpns.min() if vpns.min() < 0 else vpns.max()
            pid = self.process.pid
            raise SegmentationFault(f"process {pid} accesses page {wrong:#x}, outside the address space")
        yield from self._burst(vpns, written)

    def _burst(self, vpns: Numbers, written: Numbers | int) -> Activity:
        burst = Burst(self.process, vpns, np.broadcast_to(np.asarray(written, np.int64), vpns.shape))
        while not burst.finished:
            core = yield from self._on_core()
            yield self.machine.burst(core, burst, self._slice_end)
        self.machine.records.action_work += Work(hits=burst.done)

    def fork(self, main: "Main") -> Activity:
        """Fork; `main` acts as the child once the parent has paid. Return the child's program."""
        yield from self._on_core()
        child, work = self.machine.kernel.fork(self.process)
        yield from self._spend("fork", work, child.pid)
        self.machine.sample_if_fuller()
        return start(self.machine, main, child)

    def spawn(self, main: "Main") -> Activity:
        """Start a process that shares nothing; return its program."""
        yield from self._on_core()
        child, work = self.machine.kernel.spawn(self.process)
        yield from self._spend("spawn", work, child.pid)
        return start(self.machine, main, child)

    def exec(self) -> Activity:
        """Replace the process's memory by an empty address space."""
        yield from self._on_core()
        yield from self._spend("exec", self.machine.kernel.exec(self.process))

    def wait(self, child: "Program") -> Activity:
        """Sleep until `child` has exited, then reap it."""
        self._leave()
        yield child.ended
        yield from self._on_core()
        yield from self._spend(
            "wait", self.machine.kernel.wait(self.process, child.process), child.process.pid
        )

    def think(self, duration_ps: int) -> Activity:
        """Do nothing for a while, off the core; for no time at all, go on.

        Raises
        ------
        ConfigError
            If the duration is not a whole number of picoseconds, or negative.
        """
        if duration_ps < 0 or duration_ps != int(duration_ps):
            raise ConfigError(f"think: expected whole picoseconds, at least 0, got {duration_ps!r}")
        if duration_ps:
            self._leave()
            yield self.machine.environment.timeout(duration_ps)

    def exit(self) -> Activity:
        """End the process."""
        yield from self._on_core()
        self.machine.sample_if_fuller()
        yield from self._spend("exit", self.machine.kernel.exit(self.process))
        self._leave()
        self.ended.succeed()

    def live(self, main: "Main") -> Activity:
        """Do what `main` does, then exit, unless it has done so."""
        yield from main(self)
        if self.process.space:
            yield from self.exit()

    def _spend(self, action: str, work: Work, child: int = 0) -> Activity:
        """Let the time of `work`, which has been done, pass."""
        assert self.core is not None
        cost = self.machine.costs.cost_ps(work)
        self.machine.records.action_work += work
        self.machine.records.actions.append(
            ActionRow(
                time_ps=self.now,
                core=self.core,
                pid=self.process.pid,
                action=action,
                child=child,
                allocations=work.allocations,
                copied_bytes=work.copied_bytes,
                written_bytes=self.machine.kernel.written_bytes,
                cost_ps=cost,
            )
        )
        yield self.machine.environment.timeout(cost)

    def _on_core(self) -> Activity:
        """Hold a core with time left in its slice; return its number."""
        if self.core is not None and self.now >= self._slice_end:
            if self.machine.contended:
                self._leave()
            else:
                self._slice_end = self.now + self.machine.quantum_ps
        if self.core is None:
            self.core = self.last_core = yield self.machine.acquire(self.last_core)
            switch = self.machine.switch_work(self.core, self.process.pid)
            if switch != NOTHING:
                self.machine.records.action_work += switch
                yield self.machine.environment.timeout(self.machine.costs.cost_ps(switch))
            self._slice_end = self.now + self.machine.quantum_ps
        return self.core

    def _leave(self) -> None:
        if self.core is not None:
            self.machine.release(self.core)
            self.core = None


Main = Callable[[Program], Activity]
"""Acts as a process; returns when the process is to exit."""


def start(machine: Machine, main: Main, process: Process | None = None) -> Program:
    """Let `main` act as `process`, by default a new one, from now on."""
    program = Program(machine, process or machine.kernel.spawn()[0])
    machine.launch(program.live(main))
    return program
