"""The machine: kernel actions in simulated time. The only module that knows SimPy.

SimPy owns the clock and every structural event: fork, exit, wait, timer, time slice, sample. A burst of
accesses is one event; the engine carries it out up to the next structural event, so two queues are merged:

    step:  engine.advance(time of the next SimPy event)  ->  completions become events;  then SimPy's step

Order is (time, class, core): structural events first, then accesses by core. Time is integer picoseconds.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy

from cowmodel.cost.model import CostModel
from cowmodel.engine.burst import LAST_PS, NEVER_PS, Burst, Completion, Engine, Observer
from cowmodel.engine.contention import Contention
from cowmodel.engine.traffic import moved_bytes
from cowmodel.errors import ConfigError, SimulationError
from cowmodel.hardware.tlb import TlbGeometry, Tlbs
from cowmodel.kernel.accounting import unmapped_cache_bytes, usage
from cowmodel.kernel.fault import COPIES, FLIPS
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import Work
from cowmodel.records import MemoryRow, Records

Activity = Generator[simpy.Event, Any, Any]
"""What SimPy runs."""

Event = simpy.Event
"""What an activity can wait for."""

EngineMaker = Callable[[Kernel, Callable[[Work], int], Observer, Contention], Engine]

_MOST_SAMPLES = 1_000_000
_WATCH_PS = 10**12
_WARM_PS = 10**10  # for so long the caches hold what fork uses
_ACCESS = 2  # priority of completions: after SimPy's own URGENT 0 and NORMAL 1, then by core


class MergedEnvironment(simpy.Environment):
    """A SimPy environment that lets `advance` catch up before each event."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        super().__init__(initial_time=0)
        self._advance = advance

    def step(self) -> None:
        """Let accesses that begin before the next event happen, then process it."""
        self._advance(self.peek())
        super().step()


class Machine:
    """Cores that run the processes of a kernel.

    Parameters
    ----------
    kernel : Kernel
    costs : CostModel
    make_engine : callable
        Engine class, given the kernel, the price of work and an observer of faults.
    cores : int
    quantum_ps : int
        Time after which a program makes room, as soon as another waits for a core: between two accesses,
        or two verbs, since the kernel is not preempted within one.
    sample_ps : int
        Time between samples of memory; 0 for those at structural events alone.
    record_faults : bool
        Whether every fault gets a row in the records, or is only counted.
    contention : Contention, optional
        What cores wait for; by default locks but not memory.
    tlb : TlbGeometry, optional
        The TLB of each core; by default none is modelled.

    Attributes
    ----------
    records : Records
    tlb : TlbGeometry or None
    now : int
        Simulated time, ps.
    """

    def __init__(
        self,
        kernel: Kernel,
        costs: CostModel,
        make_engine: EngineMaker,
        cores: int = 1,
        quantum_ps: int = 4 * 10**9,
        sample_ps: int = 0,
        record_faults: bool = True,
        contention: Contention | None = None,
        tlb: TlbGeometry | None = None,
    ) -> None:
        if cores < 1 or quantum_ps < 1:
            raise ConfigError(f"machine: expected a core and a quantum, got {cores} cores, {quantum_ps} ps")
        self.kernel, self.costs, self.records = kernel, costs, Records(record_faults)
        self.quantum_ps, self._sample_ps = quantum_ps, sample_ps
        self.contention = contention or Contention()
        self.contention.tables_ps = np.zeros(len(kernel.arena.rows), np.int64)
        self.tlb = tlb
        if tlb:
            kernel.tlbs = Tlbs(tlb, kernel.geometry, cores, len(kernel.arena.rows))
        self.engine = make_engine(kernel, costs.cost_ps, self.records, self.contention)
        self.environment = MergedEnvironment(self._advance)
        self._bursts: dict[int, simpy.Event] = {}
        self._slice_ends: dict[int, int] = {}
        self._idle = list(range(cores))
        self._queue: deque[simpy.Event] = deque()
        self._last_pid: dict[int, int] = {}
        self._last_fork_ps = -_WARM_PS - 1
        self._mmap_locks: dict[Process, simpy.Resource] = {}
        leaf = kernel.geometry.leaf_bytes(max(kernel.geometry.leaf_levels))
        once = dict.fromkeys(
            ("hits", "traps", "allocations", "flips", "searches", "invalidations", "frees"), 1
        )
        self._dearest_ps = costs.cost_ps(Work(**once, zeroed_bytes=leaf, copied_bytes=leaf, shootdowns=cores))
        self._running = 0
        self._fullest = -1
        self._over, self._crowd = self.event(), self.event()

    @property
    def now(self) -> int:
        """Simulated time in picoseconds."""
        return int(self.environment.now)

    def event(self) -> Event:
        """Return something that has yet to happen: by its `succeed()`."""
        return self.environment.event()

    def launch(self, activity: Activity) -> None:
        """Let an activity begin now; the run is over when all have ended."""
        self._running += 1
        self.environment.process(self._counted(activity))

    def run(self) -> Records:
        """Run until every process has exited; return what was recorded."""
        self.environment.process(self._watch())
        self.environment.run(until=self._over)
        self.sample()
        return self.records

    def sample_if_fuller(self) -> None:
        """Record the memory if more of it is in use than at any sample so far."""
        if self.kernel.frames.used > self._fullest:
            self.sample()

    def sample(self) -> None:
        """Record the memory of every process and of the machine, as it is now."""
        kernel, page = self.kernel, self.kernel.geometry.page_bytes
        self._fullest = max(self._fullest, kernel.frames.used)
        usages = [usage(kernel, process) for process in kernel.alive]
        spaces = {process.memory: one for process, one in zip(kernel.alive, usages, strict=True)}
        once = spaces.values()  # what a child of vfork has is its parent's
        faults = sum((process.faults for process in kernel.everyone), Counter[str]())
        self.records.samples.extend((self.now, one) for one in usages)
        self.records.memory.append(
            MemoryRow(
                time_ps=self.now,
                processes=len(usages),
                used_bytes=kernel.frames.used * page,
                cached_bytes=unmapped_cache_bytes(kernel),
                pending_bytes=kernel.frames.pending * page,
                kept_bytes=kernel.folios.kept() * page,
                pss_bytes=sum(one.pss_bytes for one in once),
                table_bytes=kernel.frames.table_pages * page,
                entries=sum(one.entries for one in once),
                sharers=kernel.frames.total_sharers,
                minor_faults=faults.total(),
                copies=sum(faults[kind] for kind in COPIES),
                flips=sum(faults[kind] for kind in FLIPS),
                copied_bytes=sum(process.copied_bytes for process in kernel.everyone),
                written_bytes=kernel.written_bytes,
            )
        )

    def _counted(self, activity: Activity) -> Activity:
        yield from activity
        self._running -= 1
        if not self._running:
            self._over.succeed()

    def _watch(self) -> Activity:
        """Take samples; say so if nothing can happen any more, or too many are taken."""
        while True:
            if self._sample_ps:
                self.sample()
            if len(self.records.memory) > _MOST_SAMPLES:
                raise SimulationError(
                    f"{_MOST_SAMPLES:,} samples of memory were taken; choose a larger run.sample_every"
                )
            yield self.environment.timeout(self._sample_ps or _WATCH_PS)
            if self.environment.peek() == float("inf") and not self._bursts:
                pids = ", ".join(str(process.pid) for process in self.kernel.alive)
                raise SimulationError(f"processes {pids} wait for each other for ever; nothing else happens")

    def _advance(self, horizon_ps: float) -> None:
        while completion := self.engine.advance(min(horizon_ps, self.environment.peek())):
            self._complete(completion)

    def _complete(self, completion: Completion) -> None:
        event, delay = self._bursts.pop(completion.core), completion.clock_ps - self.now
        event._ok, event._value = True, None  # what succeed() does, which knows neither delay nor priority
        self.environment.schedule(event, _ACCESS + completion.core, delay)  # type: ignore[arg-type]

    def burst(self, core: int, burst: Burst, slice_end_ps: int) -> simpy.Event:
        """Start `burst` on `core`; the event fires when it is done or has to make room for others.

        Raises
        ------
        SimulationError
            If the clock could pass its end, were every access the dearest fault.
        """
        first = self.now if burst.earliest_ps is None else max(self.now, *burst.earliest_ps[-1:].tolist())
        self._check_clock(first + burst.busy_ps + len(burst.pages) * self._dearest_ps)
        self._bursts[core], self._slice_ends[core] = self.environment.event(), slice_end_ps
        self.engine.start(core, burst, self.now, slice_end_ps if self._queue else NEVER_PS)
        return self._bursts[core]

    def pause(self, duration_ps: int) -> simpy.Event:
        """Return what fires when a time has passed.

        Raises
        ------
        SimulationError
            If the clock would pass its end.
        """
        self._check_clock(self.now + duration_ps)
        return self.environment.timeout(duration_ps)

    def take(self, cost_ps: int, work: Work) -> Activity:
        """Let the time of a verb pass: its cost, or more where others use memory at the same time."""
        traffic = self.contention.traffic
        if not traffic or not (moved := moved_bytes(work)):
            yield self.pause(cost_ps)
            return
        transfer = traffic.begin(self.now, cost_ps, moved)
        self._tell_others()
        while left_ps := traffic.remaining_ps(self.now, transfer):
            yield self.pause(left_ps) | self._crowd
        traffic.end(transfer)
        self._tell_others()

    def _tell_others(self) -> None:
        """Let verbs under way see how much of memory is theirs now."""
        self._crowd, changed = self.event(), self._crowd
        changed.succeed()

    def _check_clock(self, until_ps: int) -> None:
        if until_ps > LAST_PS:
            raise SimulationError(
                f"expected to end within {LAST_PS:,} ps (13 days), as far as clocks go, got up to"
                f" {until_ps:,} ps; wait or work less, or lower the prices"
            )

    def acquire(self, preferred: int | None) -> simpy.Event:
        """Ask for a core, best the `preferred` one; the event's value is its number."""
        event = self.environment.event()
        if not self._idle:
            self._queue.append(event)
            for core in self._bursts:
                self.engine.limit(core, self._slice_ends[core], self.now)
        else:
            self._idle.sort(key=lambda core: (core != preferred, core))
            event.succeed(self._idle.pop(0))
        return event

    def release(self, core: int) -> None:
        """Give `core` to the program that has waited longest, or let it idle."""
        self.kernel.tlbs.leave(core)
        if self._queue:
            self._queue.popleft().succeed(core)
        else:
            self._idle.append(core)

    def mmap_lock(self, process: Process) -> simpy.Resource:
        """Return what threads of `process` hold, one at a time, while they change its mappings."""
        return self._mmap_locks.setdefault(process, simpy.Resource(self.environment))

    @property
    def contended(self) -> bool:
        """Whether a program waits for a core."""
        return bool(self._queue)

    def rests(self) -> bool:
        """Take note of a fork; return whether none was made for so long that the caches forgot."""
        before, self._last_fork_ps = self._last_fork_ps, self.now
        return self.now - before > _WARM_PS

    def switch(self, core: int, process: Process) -> Work:
        """Let the address space of `process` run on `core`, from which another may have to go."""
        self.kernel.tlbs.enter(core, process.memory.page_table.root)
        switches = int(self._last_pid.get(core, process.pid) != process.pid)
        self._last_pid[core] = process.pid
        return Work(switches=switches)
