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
from typing import Any

import numpy as np

from cowmodel.engine.burst import NEVER_PS, Burst
from cowmodel.errors import ConfigError, SegmentationFault, SimulationError
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.address_space import Vma
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.memory_object import MemoryObject
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import NOTHING, Work
from cowmodel.machine import Activity, Machine
from cowmodel.records import ActionRow

__all__ = ["Activity", "Main", "Program", "start"]

_BURST = 1 << 16  # accesses, of which an engine's lists fit into the processor's cache


class Program:
    """How an activity acts as one thread of a process: each verb takes the simulated time that it costs.

    Verbs are generators, used as `heap = yield from program.mmap(...)`. A program holds a core from its
    first verb until it thinks, waits, exits or has used up its time slice while others wait.

    Attributes
    ----------
    process : Process
    core, last_core : int or None
        The core that it holds; the one it held last.
    ended : simpy.Event
        Fires when the thread has ended; with the last one, the process.
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
        file: MemoryObject | None = None,
    ) -> Activity:
        """Map anonymous memory, or a file; return the Vma."""
        kernel = self.machine.kernel
        return (
            yield from self._change(
                "mmap", lambda: kernel.mmap(self.process, size_bytes, backing, shared, at_page, file)
            )
        )

    def munmap(self, vma: Vma, first: int = 0, pages: int | None = None) -> Activity:
        """Unmap `pages` pages of `vma`."""
        kernel = self.machine.kernel
        yield from self._change("munmap", lambda: (None, kernel.munmap(self.process, vma, first, pages)))

    def populate(self, vma: Vma, pages: Numbers | None = None) -> Activity:
        """Write to the pages of `vma` (numbered from its start) that have no entry yet, all in one action."""
        vpns, kernel = None if pages is None else vma.first + pages, self.machine.kernel
        yield from self._change("populate", lambda: (None, kernel.populate(self.process, vma, vpns)))

    def access(
        self, vma: Vma, pages: Numbers, written: Numbers | int, earliest_ps: Numbers | None = None
    ) -> Activity:
        """Access pages of `vma`, numbered from its start, one after the other.

        Once it runs, it keeps its core in pauses as long as no other program waits for one.

        Parameters
        ----------
        vma : Vma
        pages : int64[n]
        written : int64[n] or int
            Bytes that each access writes; 0 for a read.
        earliest_ps : int64[n], optional
            When each is to begin, if all before it are over; these rise.

        Raises
        ------
        ConfigError
            If a page is not one of `vma`.
        """
        burst = Burst(self.process, pages, _each(written, pages), earliest_ps, vma.first, (0, vma.pages - 1))
        if len(pages) and pages.view(np.uint64).max() >= vma.pages:  # negative ones are huge
            reach = f"{pages.min()} to {pages.max()}"
            raise ConfigError(f"burst: expected pages from 0 to {vma.pages - 1}, got {reach}")
        yield from self._carry_out(burst)

    def access_vpns(
        self, vpns: Numbers, written: Numbers | int, earliest_ps: Numbers | None = None
    ) -> Activity:
        """Access pages by their numbers, wherever they are mapped.

        Raises
        ------
        SegmentationFault
            If a page is outside the address space; before any access is made.
        """
        burst = Burst(self.process, vpns, _each(written, vpns), earliest_ps)
        if len(vpns) and not 0 <= vpns.min() <= vpns.max() < self.machine.kernel.geometry.user_pages:
            wrong, pid = vpns.min() if vpns.min() < 0 else vpns.max(), self.process.pid
            raise SegmentationFault(f"process {pid} accesses page {wrong:#x}, outside the address space")
        yield from self._carry_out(burst)

    def _carry_out(self, burst: Burst) -> Activity:
        for part in burst.parts(_BURST):
            while not part.finished:
                yield from self.think(max(0, part.pauses_until_ps - self.now))
                core, done = (yield from self._on_core()), part.done
                yield self.machine.burst(core, part, self._slice_end)
                found, loads = self.machine.kernel.tlbs.taken(core)
                work = Work(hits=part.done - done, tlb_hits=found, walk_loads=loads)
                self.machine.records.action_work += work

    def fork(self, main: "Main") -> Activity:
        """Fork; `main` acts as the child once the parent has paid. Return the child's program."""
        child = yield from self._change("fork", lambda: self.machine.kernel.fork(self.process))
        self.machine.sample_if_fuller()
        return start(self.machine, main, child)

    def spawn(self, main: "Main") -> Activity:
        """Start a process that shares nothing; return its program."""
        yield from self._on_core()
        child, work = self.machine.kernel.spawn(self.process)
        yield from self._spend("spawn", work, child)
        return start(self.machine, main, child)

    def exec(self) -> Activity:
        """Replace the process's memory by an empty address space; raise as `exit` does."""
        self._must_be_the_last("execs")
        core = yield from self._on_core()
        work = self.machine.kernel.exec(self.process)
        self.process.memory.cores = 1
        self.machine.switch(core, self.process)
        yield from self._spend("exec", work)

    def wait(self, child: "Program") -> Activity:
        """Sleep until `child` has exited, then reap it."""
        self._leave()
        yield child.ended
        yield from self._on_core()
        yield from self._spend("wait", self.machine.kernel.wait(self.process, child.process), child.process)

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
            yield self.machine.pause(duration_ps)

    def thread(self, main: "Main") -> Activity:
        """Start a thread of this process; return its program, for which `join` waits."""
        yield from self._on_core()
        self.process.threads += 1
        yield from self._spend("thread", Work(threads=1))
        return start(self.machine, main, self.process)

    def join(self, thread: "Program") -> Activity:
        """Sleep until `thread` has ended."""
        self._leave()
        yield thread.ended

    def exit(self) -> Activity:
        """End the process.

        Raises
        ------
        SimulationError
            If other threads of it have not ended.
        """
        self._must_be_the_last("exits")
        yield from self._on_core()
        self.machine.sample_if_fuller()
        yield from self._spend("exit", self.machine.kernel.exit(self.process))
        self._leave()
        self.ended.succeed()

    def live(self, main: "Main") -> Activity:
        """Do what `main` does, then end: the process too, unless it has other threads or has exited."""
        yield from main(self)
        if self.process.threads > 1:
            self._leave()
            self.process.threads -= 1
            self.ended.succeed()
        elif self.process.space:
            yield from self.exit()

    def _must_be_the_last(self, verb: str) -> None:
        if others := self.process.threads - 1:
            raise SimulationError(
                f"process {self.process.pid} {verb} while it has {others} other threads; join them first"
            )

    def _change(self, action: str, verb: Callable[[], tuple[Any, Work]]) -> Activity:
        """Let `verb` change the mappings, after the faults under way and before others; return its result."""
        yield from self._on_core()
        if self.process.threads == 1:
            result, work = verb()
            yield from self._spend(action, work, result)
            return result
        machine, space = self.machine, self.process.memory
        with machine.mmap_lock(self.process).request() as held:
            yield held
            space.locked_until_ps = NEVER_PS
            while ready := machine.engine.faults_end(self.process):
                yield machine.pause(ready + 1 - self.now)
            result, work = verb()
            space.locked_until_ps = self.now + machine.contention.mmap_locks * machine.costs.cost_ps(work)
            yield from self._spend(action, work, result)
        return result

    def _spend(self, action: str, work: Work, made: object = None) -> Activity:
        """Let the time of `work`, which has been done and concerns process `made`, pass."""
        assert self.core is not None
        cost = self.machine.costs.cost_ps(work)
        self.machine.records.action_work += work
        self.machine.records.actions.append(
            ActionRow(
                time_ps=self.now,
                core=self.core,
                pid=self.process.pid,
                action=action,
                child=made.pid if isinstance(made, Process) else 0,
                allocations=work.allocations,
                copied_bytes=work.copied_bytes,
                written_bytes=self.machine.kernel.written_bytes,
                cost_ps=cost,
            )
        )
        yield self.machine.pause(cost)

    def _on_core(self) -> Activity:
        """Hold a core, one with time left in its slice if others wait; return its number."""
        if self.machine.contended and self.now >= self._slice_end:
            self._leave()
        if self.core is None:
            self.core = self.last_core = yield self.machine.acquire(self.last_core)
            self.process.memory.cores += 1
            switch = self.machine.switch(self.core, self.process)
            if switch != NOTHING:
                self.machine.records.action_work += switch
                yield self.machine.pause(self.machine.costs.cost_ps(switch))
            self._slice_end = self.now + self.machine.quantum_ps
        return self.core

    def _leave(self) -> None:
        if self.core is not None:
            self.machine.release(self.core)
            self.core = None
            if self.process.space:
                self.process.space.cores -= 1


def _each(written: Numbers | int, pages: Numbers) -> Numbers:
    """Return the bytes that each access writes."""
    return np.broadcast_to(np.asarray(written, np.int64), pages.shape)


Main = Callable[[Program], Activity]
"""Acts as a process; returns when the process is to exit."""


def start(machine: Machine, main: Main, process: Process | None = None) -> Program:
    """Let `main` act as `process`, by default a new one, from now on."""
    program = Program(machine, process or machine.kernel.spawn()[0])
    machine.launch(program.live(main))
    return program
