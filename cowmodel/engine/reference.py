"""The reference engine: one access at a time, in strict order of (time, core). Slow, and the oracle."""

from collections.abc import Callable
from dataclasses import dataclass

from cowmodel.engine.burst import Burst, Completion, FaultRow, Observer
from cowmodel.engine.contention import Contention
from cowmodel.kernel.fault import Fault, Pending
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import Work


@dataclass(eq=False)
class _Run:
    """A burst on a core, with its arrays as lists, which are quicker to read singly.

    `began_ps` is when the fault under way began, None without one; `pending` what it has prepared so far.
    """

    core: int
    burst: Burst
    clock_ps: int
    limit_ps: int
    vpns: list[int]
    written: list[int]
    began_ps: int | None = None
    pending: Pending | None = None

    @property
    def due(self) -> tuple[int, int]:
        """When it acts next, and its core."""
        waits = self.began_ps is not None and not self.pending
        until = self.burst.process.memory.locked_until_ps if waits else 0
        return max(self.clock_ps, until), self.core

    @property
    def over(self) -> bool:
        """Whether its burst is done or its time is up."""
        return self.began_ps is None and (self.burst.finished or self.clock_ps >= self.limit_ps)


class ReferenceEngine:
    """Carries out bursts access by access.

    Parameters
    ----------
    kernel : Kernel
    price : callable
        Work to picoseconds.
    observer : Observer
        Told of each fault.
    contention : Contention
    """

    def __init__(
        self, kernel: Kernel, price: Callable[[Work], int], observer: Observer, contention: Contention
    ) -> None:
        self._kernel, self._price, self._observer = kernel, price, observer
        self._contention = contention
        self._hit_ps = price(Work(hits=1))
        self._runs: dict[int, _Run] = {}

    def start(self, core: int, burst: Burst, clock_ps: int, limit_ps: int) -> None:
        """Let `core`, idle so far, run `burst` from `clock_ps` until it is done or reaches `limit_ps`."""
        assert core not in self._runs, f"core {core} is running a burst already"
        self._runs[core] = _Run(core, burst, clock_ps, limit_ps, burst.vpns.tolist(), burst.written.tolist())

    def faults_end(self, process: Process) -> int:
        """Return when the faults that threads of `process` have under way will be ready; 0 without any."""
        runs = (run for run in self._runs.values() if run.burst.process is process and run.pending)
        return max((run.clock_ps for run in runs), default=0)

    def advance(self, horizon_ps: float) -> Completion | None:
        """Make the accesses that begin before `horizon_ps`, in order of (time, core), up to a completion."""
        while self._runs:
            due = sorted(run.due for run in self._runs.values())[:2]
            run, until = self._runs[due[0][1]], min([*due[1:], (horizon_ps, 0)])
            if due[0][0] >= horizon_ps:
                break
            while run.due < until:
                self._act(run, run.due[0])
                if run.over:
                    del self._runs[run.core]
                    return Completion(run.core, run.clock_ps)
        return None

    def _act(self, run: _Run, now: int) -> None:
        """Make an access, or begin the fault that it needs, or finish that fault."""
        burst = run.burst
        if burst.finished:
            return
        vpn, written = run.vpns[burst.done], run.written[burst.done]
        if run.pending:
            self._commit(run, now, vpn)
        elif run.began_ps is None and self._kernel.touch(burst.process, vpn, written > 0):
            run.clock_ps += self._hit_ps
            burst.done += 1
            burst.process.written_bytes += written
            self._kernel.written_bytes += written
        elif run.began_ps is None and burst.process.memory.locked_until_ps > now:
            run.began_ps = now
        else:
            self._begin(run, now, vpn, written > 0)

    def _begin(self, run: _Run, now: int, vpn: int, write: bool) -> None:
        run.began_ps = now if run.began_ps is None else run.began_ps
        fault = self._kernel.begin_fault(run.burst.process, vpn, write)
        prepared = self._price(fault.work.prepared)
        ready = now + self._contention.wait_for_memory(now, fault.work) + prepared
        if isinstance(fault, Pending):
            run.pending, run.clock_ps = fault, ready
        else:
            self._end(run, now, ready, prepared, vpn, fault)

    def _commit(self, run: _Run, now: int, vpn: int) -> None:
        assert run.pending
        prepared = self._price(run.pending.work)
        fault, run.pending = self._kernel.commit_fault(run.burst.process, run.pending), None
        self._end(run, now, now, prepared, vpn, fault)

    def _end(self, run: _Run, now: int, ready: int, prepared: int, vpn: int, fault: Fault) -> None:
        """Let a fault that asks for the lock of its table `now` be over; from `ready` on it changes it."""
        process, cost = run.burst.process, self._price(fault.work)
        row = process.memory.page_table.walk(vpn) // self._kernel.geometry.entries
        held = cost - prepared
        waited = self._contention.wait_for_table(now, row, held) if row >= 0 else 0
        assert run.began_ps is not None
        began, run.began_ps, run.clock_ps = run.began_ps, None, ready + waited + held
        waited = run.clock_ps - began - cost
        copied = fault.work.copied_bytes
        row_of_table = FaultRow(began, run.core, process.pid, vpn, fault.kind, copied, cost, waited)
        self._observer.fault(row_of_table, fault)
