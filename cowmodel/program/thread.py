"""One thread of a process on the machine: it holds a core, and lets the time pass that work costs.

the mmap lock   |-- faults under way end --|-- verb --|        threads of the process alone have to wait
time                                       |== cost ==|
"""

from collections.abc import Callable
from typing import Any

from cowmodel.engine.burst import NEVER_PS
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import NOTHING, Work
from cowmodel.machine import Activity, Event, Machine
from cowmodel.records import ActionRow, Span, SpanRow


class Thread:
    """One thread of a process.

    Attributes
    ----------
    process : Process
    number : int
        Of all threads of the machine, from 1 on.
    core, last_core : int or None
        The core that it holds; the one it held last.
    ended : Event
        Fires when the thread has ended; with the last one, the process.
    released : Event
        Fires when its process has let go of the memory that it began with.
    """

    def __init__(self, machine: Machine, process: Process) -> None:
        self.machine, self.process = machine, process
        self.number = next(machine.records.thread_numbers)
        self.core: int | None = None
        self.last_core: int | None = None
        self.ended, self.released = machine.event(), machine.event()
        self._slice_end = self._held_since = 0

    @property
    def now(self) -> int:
        """Simulated time in picoseconds."""
        return self.machine.now

    def sleep(self, until: Event) -> Activity:
        """Do nothing, off the core, until an event has happened."""
        self._leave()
        yield until

    def _change(self, action: str, verb: Callable[[], tuple[Any, Work]]) -> Activity:
        """Let `verb` change the mappings, after the faults under way and before others; return its result."""
        yield from self._on_core()
        if self.process.threads == 1:
            result, work = verb()
            yield from self._spend(action, work, result)
            return result
        machine, space, asked = self.machine, self.process.memory, self.now
        with machine.mmap_lock(self.process).request() as held:
            yield held
            space.locked_until_ps = NEVER_PS
            try:
                while ready := machine.engine.faults_end(self.process):
                    yield machine.pause(ready + 1 - self.now)
                self._note(Span.MMAP_WAIT, asked)
                result, work = verb()
                if not machine.contention.mmap_locks:
                    space.locked_until_ps = self.now
                yield from self._spend(action, work, result)
            finally:
                space.locked_until_ps = self.now
        return result

    def _spend(self, action: str, work: Work, made: object = None) -> Activity:
        """Let the time of `work`, which has been done and concerns process `made`, pass."""
        assert self.core is not None
        if work.forks and self.machine.rests():
            work = work._replace(cold_forks=1)
        row = ActionRow(
            time_ps=self.now,
            core=self.core,
            pid=self.process.pid,
            action=action,
            child=made.pid if isinstance(made, Process) else 0,
            allocations=work.allocations,
            copied_bytes=work.copied_bytes,
            written_bytes=self.machine.kernel.written_bytes,
            cost_ps=self.machine.costs.cost_ps(work),
            waited_ps=0,
        )
        self.machine.records.action_work += work
        actions, place = self.machine.records.actions, len(self.machine.records.actions)
        actions.append(row)
        yield from self.machine.take(row.cost_ps, work)
        actions[place] = row._replace(waited_ps=self.now - row.time_ps - row.cost_ps)

    def _on_core(self) -> Activity:
        """Hold a core, one with time left in its slice if others wait; return its number."""
        if self.machine.contended and self.now >= self._slice_end:
            self._leave()
        if self.core is None:
            asked = self.now
            self.core = self.last_core = yield self.machine.acquire(self.last_core)
            self._held_since = self.now
            self._note(Span.CORE_WAIT, asked)
            self.process.memory.cores += 1
            switch = self.machine.switch(self.core, self.process)
            if switch != NOTHING:
                self.machine.records.action_work += switch
                yield self.machine.pause(self.machine.costs.cost_ps(switch))
                self._note(Span.SWITCH, self._held_since)
            self._slice_end = self.now + self.machine.quantum_ps
        return self.core

    def _leave(self) -> None:
        if self.core is not None:
            self._note(Span.CORE, self._held_since)
            self.machine.release(self.core)
            self.core = None
            if self.process.space:
                self.process.space.cores -= 1

    def _note(self, span: Span, since_ps: int) -> None:
        """Take note of what the thread has done since a time, on or for its core."""
        assert self.core is not None
        row = SpanRow(since_ps, self.now, self.core, self.process.pid, self.number, span)
        self.machine.records.span(row)
