"""The reference engine: one access at a time, in strict order of (time, core). Slow, and the oracle."""

from collections.abc import Callable
from dataclasses import dataclass

from cowmodel.engine.burst import NEVER_PS, Burst, Completion, Observer
from cowmodel.engine.common import access_prices
from cowmodel.engine.contention import Contention
from cowmodel.engine.handler import FaultHandler
from cowmodel.errors import Signal
from cowmodel.hardware.tlb import REFUSED
from cowmodel.kernel.fault import Pending, is_far
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import Work


@dataclass(eq=False)
class _Run:
    """A burst on a core, with its arrays as lists, which are quicker to read singly.

    `began_ps` is when the fault under way began, None without one; `pending` what it has prepared so far,
    `memory_wait_ps` for how long it waited for memory then.
    """

    core: int
    burst: Burst
    clock_ps: int
    limit_ps: int
    vpns: list[int]
    written: list[int]
    busy_ps: list[int]
    began_ps: int | None = None
    pending: Pending | None = None
    memory_wait_ps: int = 0

    @property
    def due(self) -> tuple[int, int]:
        """When it acts next, and its core."""
        if self.began_ps is None:
            return max(self.clock_ps, self.burst.pauses_until_ps * (not self.over)), self.core
        until = 0 if self.pending else self.burst.process.memory.locked_until_ps
        return max(self.clock_ps, until), self.core

    @property
    def over(self) -> bool:
        """Whether its burst is done, its time is up, or others wait and it has to pause."""
        if self.began_ps is not None:
            return False
        pauses = self.limit_ps < NEVER_PS and self.burst.pauses_until_ps > self.clock_ps
        return self.burst.finished or self.clock_ps >= self.limit_ps or pauses


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
        self._kernel = kernel
        self._handler = FaultHandler(kernel, price, observer, contention)
        self._prices = access_prices(kernel, price)
        self._runs: dict[int, _Run] = {}
        self._last_vpns: dict[int, int] = {}

    def start(self, core: int, burst: Burst, clock_ps: int, limit_ps: int) -> None:
        """Let `core`, idle so far, run `burst` from `clock_ps` until it is done or reaches `limit_ps`."""
        assert core not in self._runs, f"core {core} is running a burst already"
        vpns = (burst.first + burst.pages).tolist()
        busy = burst.service.busy_ps.tolist() if burst.service else [0] * len(vpns)
        self._runs[core] = _Run(core, burst, clock_ps, limit_ps, vpns, burst.written.tolist(), busy)

    def limit(self, core: int, limit_ps: int, now_ps: int) -> None:
        """Let the burst on `core` end, from `now_ps` on, when it reaches `limit_ps` or has to pause."""
        run = self._runs[core]
        run.limit_ps = limit_ps
        if run.began_ps is None:
            run.clock_ps = max(now_ps, run.clock_ps)

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
                if not run.over:
                    self._act(run, run.due[0])
                if run.over:
                    del self._runs[run.core]
                    return Completion(run.core, run.clock_ps)
        return None

    def _act(self, run: _Run, now: int) -> None:
        """Make an access, or begin the fault that it needs, or finish that fault."""
        burst = run.burst
        vpn, written = run.vpns[burst.done], run.written[burst.done]
        if burst.service and burst.service.began_ps[burst.done] < 0:
            burst.service.began_ps[burst.done] = now
        if run.pending:
            assert run.began_ps is not None
            times = run.began_ps, run.memory_wait_ps, now
            over = self._handler.commit(run.core, burst.process, vpn, run.pending, *times)
            run.clock_ps, run.pending, run.began_ps = over, None, None
        elif run.began_ps is None and (step := self._step(run, vpn, written > 0)) != REFUSED:
            run.clock_ps = now + self._prices[step] + run.busy_ps[burst.done]
            if burst.service:
                burst.service.ended_ps[burst.done] = run.clock_ps
            burst.done += 1
            burst.process.written_bytes += written
            self._kernel.written_bytes += written
        elif run.began_ps is None and burst.process.memory.locked_until_ps > now:
            run.began_ps = now
        else:
            began = now if run.began_ps is None else run.began_ps
            far = is_far(vpn, self._last_vpns.get(run.core, 0))
            try:
                over, run.memory_wait_ps, run.pending = self._handler.begin(
                    run.core, burst.process, vpn, written > 0, far, began, now
                )
                self._last_vpns[run.core] = vpn
            except Signal as signal:
                over, burst.signal = now, signal
            run.clock_ps, run.began_ps = over, began if run.pending else None

    def _step(self, run: _Run, vpn: int, write: bool) -> int:
        """Try an access; return the step at which it was translated, or REFUSED if it faults."""
        process = run.burst.process
        if not self._kernel.touch(process, vpn, write):
            return REFUSED
        return self._kernel.tlbs.translate(run.core, process.memory.page_table, vpn, write)
