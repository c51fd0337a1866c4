"""The reference engine: one access at a time, in strict order of (time, core). Slow, and the oracle."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from cowmodel.engine.burst import Burst, Completion, Observer
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.work import Work


@dataclass(eq=False)
class _Run:
    """A burst on a core, with its arrays as lists, which are quicker to read singly."""

    burst: Burst
    limit_ps: int
    vpns: list[int]
    written: list[int]


class ReferenceEngine:
    """Carries out bursts access by access.

    Parameters
    ----------
    kernel : Kernel
    price : callable
        Work to picoseconds.
    observer : Observer
        Told of each fault.
    """

    def __init__(self, kernel: Kernel, price: Callable[[Work], int], observer: Observer) -> None:
        self._kernel, self._price, self._observer = kernel, price, observer
        self._hit_ps = price(Work(hits=1))
        self._runs: dict[int, _Run] = {}
        self._clocks: list[tuple[int, int]] = []  # heap of (clock, core)

    def start(self, core: int, burst: Burst, clock_ps: int, limit_ps: int) -> None:
        """Let `core`, idle so far, run `burst` from `clock_ps` until it is done or reaches `limit_ps`."""
        assert core not in self._runs, f"core {core} is running a burst already"
        self._runs[core] = _Run(burst, limit_ps, burst.vpns.tolist(), burst.written.tolist())
        heapq.heappush(self._clocks, (clock_ps, core))

    def advance(self, horizon_ps: float) -> Completion | None:
        """Make the accesses that begin before `horizon_ps`, in order of (time, core), up to a completion."""
        while self._clocks and self._clocks[0][0] < horizon_ps:
            clock, core = heapq.heappop(self._clocks)
            until = min(self._clocks[0], (horizon_ps, 0)) if self._clocks else (horizon_ps, 0)
            run = self._runs[core]
            clock = self._serve(run, core, clock, until)
            if run.burst.finished or clock >= run.limit_ps:
                del self._runs[core]
                return Completion(core, clock)
            heapq.heappush(self._clocks, (clock, core))
        return None

    def _serve(self, run: _Run, core: int, clock: int, until: tuple[float, int]) -> int:
        """Make accesses of one core while it is first in order; return its clock."""
        burst, touch = run.burst, self._kernel.touch
        at, end, total = burst.done, len(run.vpns), 0
        while at < end and clock < run.limit_ps and (clock, core) < until:
            vpn, written = run.vpns[at], run.written[at]
            write = written > 0
            while not touch(burst.process, vpn, write):  # re-executed after each fault
                clock += self._fault(burst, core, clock, vpn, write)
            clock += self._hit_ps
            total += written
            at += 1
        burst.done = at
        burst.process.written_bytes += total
        self._kernel.written_bytes += total
        return clock

    def _fault(self, burst: Burst, core: int, clock: int, vpn: int, write: bool) -> int:
        fault = self._kernel.fault(burst.process, vpn, write)
        cost = self._price(fault.work)
        self._observer.fault(clock, core, burst.process, vpn, fault, cost)
        return cost
