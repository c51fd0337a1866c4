"""The compiled engine: the same order and the same rules as the reference, in compiled kernels.

kernels.advance   hits, copies and flips of base pages, cores, frames and page tables as arrays
this class        what is rare, which it leaves to the kernel in Python, and the records
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from cowmodel.engine.burst import Burst, Completion, Observer
from cowmodel.errors import ConfigError
from cowmodel.hardware.page_table import PageTable
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.choices import AtWrite
from cowmodel.kernel.fault import COPY, FLIP, FLIPPED, Fault, copied
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.work import Work

_LOG_ROWS = 1 << 14
_WHOLE = 1 << 12  # tables of a mapping that are looked up all at once
_MOST_SHARERS = 256  # of which the policy is asked beforehand; more are rare


class CompiledEngine:
    """Carries out bursts in compiled code.

    Parameters
    ----------
    kernel : Kernel
    price : callable
        Work to picoseconds.
    observer : Observer
        Told of each fault.

    Raises
    ------
    ConfigError
        If a hit takes no time.
    """

    def __init__(self, kernel: Kernel, price: Callable[[Work], int], observer: Observer) -> None:
        from cowmodel.engine import kernels  # costs half a second that a reference run need not pay

        self._code, self._kernel, self._price, self._observer = kernels, kernel, price, observer
        page = kernel.geometry.page_bytes
        self._faults = (  # by the kinds of the kernels
            Fault(FLIP[False], FLIPPED),
            Fault(COPY[False], copied(page, frees=0)),
            Fault(COPY[False], copied(page, frees=1)),
        )
        self._costs = np.array([price(fault.work) for fault in self._faults], np.int64)
        self._hit_ps = price(Work(hits=1))
        if self._hit_ps < 1:
            raise ConfigError(
                "machine.engine: expected a price of hits of at least 1 ps, got 0: accesses that take no time"
                " have no order of time; set the price, or engine = 'reference'"
            )
        self._flips = _asked(kernel)
        self._bits = kernel.geometry.index_bits[0]
        self._bursts: dict[int, Burst] = {}
        self._known: dict[int, tuple[PageTable, int, int, int]] = {}  # what the directories cover
        self._cores = np.zeros((0, 7), np.int64)
        self._accesses = self._directories = np.zeros((0, 0), np.int64)
        self._log, self._logged = np.zeros((_LOG_ROWS, 4), np.int64), np.zeros(1, np.int64)

    def start(self, core: int, burst: Burst, clock_ps: int, limit_ps: int) -> None:
        """Let `core`, idle so far, run `burst` from `clock_ps` until it is done or reaches `limit_ps`."""
        code = self._code
        assert core not in self._bursts, f"core {core} is running a burst already"
        count = len(burst.vpns) - burst.done
        self._accesses = _with_room(self._accesses, core, count)
        self._cores = _with_room(self._cores, core, 7)
        self._bursts[core] = burst
        rest = slice(burst.done, None)
        np.left_shift(burst.vpns[rest], 1, out=self._accesses[core, :count])
        self._accesses[core, :count] |= burst.written[rest] > 0
        state = self._cores[core]
        state[code.POSITION] = state[code.HITS] = 0
        state[code.CLOCK], state[code.END], state[code.LIMIT] = clock_ps, count, limit_ps
        state[code.STATE] = code.RUNNING
        if count:
            self._look_up(core, int(burst.vpns.min()), int(burst.vpns.max()))

    def _look_up(self, core: int, first: int, last: int) -> None:
        """See that the directory of `core` tells where the pages first..last have their entries."""
        space = self._bursts[core].process.memory
        known = self._known.get(core)
        current = known and known[:2] == (space.page_table, space.page_table.version)
        if known and current and known[2] <= first and last <= known[3]:
            return
        if (vma := space.find(first)) and vma.pages >> self._bits < _WHOLE:  # all of it, for bursts to come
            first, last = vma.first, max(last, vma.last)
        places = space.page_table.directory(first, last)
        self._directories = _with_room(self._directories, core, len(places))
        self._directories[core, : len(places)] = places
        self._cores[core, self._code.FIRST] = first >> self._bits
        self._known[core] = (space.page_table, space.page_table.version, first, last)

    def advance(self, horizon_ps: float) -> Completion | None:
        """Make the accesses that begin before `horizon_ps`, in order of (time, core), up to a completion."""
        if not self._bursts:
            return None
        code, kernel = self._code, self._kernel
        horizon = int(min(horizon_ps, code.NEVER - 1))
        while True:
            ended, core = code.advance(
                kernel.arena.flat,
                self._bits,
                kernel.frames.sharers,
                kernel.frames.cached,
                kernel.frames.freed,
                kernel.frames.counters,
                self._flips,
                self._costs,
                self._directories,
                self._cores,
                self._accesses,
                self._log,
                self._logged,
                self._hit_ps,
                horizon,
            )
            self._settle()
            if ended == code.RARE:
                self._handle(core)
            elif ended == code.COMPLETED:
                del self._bursts[core]
                return Completion(core, int(self._cores[core, code.CLOCK]))
            elif ended == code.NOTHING:
                return None

    def _handle(self, core: int) -> None:
        """Let the kernel in Python carry out the access at which a core stands."""
        code, burst, state = self._code, self._bursts[core], self._cores[core]
        vpn, write = divmod(int(self._accesses[core, state[code.POSITION]]), 2)
        clock = int(state[code.CLOCK])
        while not self._kernel.touch(burst.process, vpn, bool(write)):
            fault = self._kernel.fault(burst.process, vpn, bool(write))
            cost = self._price(fault.work)
            self._observer.fault(clock, core, burst.process, vpn, fault, cost)
            clock += cost
        state[code.CLOCK] = clock + self._hit_ps
        state[code.POSITION] += 1
        state[code.HITS] = 0
        state[code.STATE] = code.RUNNING
        if self._directories[core, (vpn >> self._bits) - state[code.FIRST]] < 0:
            del self._known[core]  # there is a table or a large leaf now
            self._look_up(core, int(burst.vpns.min()), int(burst.vpns.max()))

    def _settle(self) -> None:
        """Bring what the kernels counted to the processes, the bursts and the records."""
        code = self._code
        for core, burst in self._bursts.items():
            done = len(burst.vpns) - int(self._cores[core, code.END] - self._cores[core, code.POSITION])
            if done > burst.done:
                written = int(burst.written[burst.done : done].sum())
            else:  # hits were taken back
                written = -int(burst.written[done : burst.done].sum())
            burst.process.written_bytes += written
            self._kernel.written_bytes += written
            burst.done = done
        if self._logged[0]:
            self._record(self._log[: self._logged[0]])
            self._logged[0] = 0

    def _record(self, log: Numbers) -> None:
        """Count the logged faults and pass them on."""
        kinds = len(self._faults)
        counts = np.bincount(log[:, 1] * kinds + log[:, 3], minlength=kinds * len(self._cores))
        for core, burst in self._bursts.items():
            for fault, count in zip(self._faults, counts[core * kinds :].tolist(), strict=False):
                if count:
                    burst.process.faults[fault.kind] += count
                    burst.process.copied_bytes += count * fault.work.copied_bytes
        totals = counts.reshape(-1, kinds).sum(axis=0).tolist()
        happened = {fault: count for fault, count in zip(self._faults, totals, strict=True) if count}
        pids = {core: burst.process.pid for core, burst in self._bursts.items()}
        self._observer.faults(happened, lambda: self._columns(log.copy(), pids))

    def _columns(self, log: Numbers, pids: dict[int, int]) -> dict[str, Any]:
        """Return logged faults as the columns of a table of faults."""
        times, cores, vpns, kinds = log.T
        pid = np.array([pids.get(core, 0) for core in range(len(self._cores))])[cores]
        names = np.array([fault.kind for fault in self._faults], object)
        sizes = np.array([fault.work.copied_bytes for fault in self._faults])
        return {
            "time_ps": times,
            "core": cores,
            "pid": pid,
            "vpn": vpns,
            "kind": names[kinds],
            "copied_bytes": sizes[kinds],
            "cost_ps": self._costs[kinds],
        }


def _with_room(rows: Numbers, row: int, columns: int) -> Numbers:
    """Return `rows`, grown so that it has row `row` and so many columns."""
    height, width = rows.shape
    if row < height and columns <= width:
        return rows
    grown = np.zeros((max(row + 1, height), width if columns <= width else max(columns, 2 * width)), np.int64)
    grown[:height, :width] = rows
    return grown


def _asked(kernel: Kernel) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return whether the policy flips with so many sharers; place 0 says whether it seeks last sharers."""
    policy = kernel.policy
    flips = [policy.at_write(sharers) is AtWrite.FLIP for sharers in range(1, _MOST_SHARERS)]
    assert not any(flips[1:]), f"{policy} flips a frame that others map"
    return np.array([policy.seeks_last_sharer(), *flips])
