"""The compiled engine: the same order and the same rules as the reference, in compiled kernels.

kernels.advance   hits, copies and flips of base pages, cores, frames and page tables as arrays
this class        what is rare, which it leaves to the kernel in Python, and the records
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from cowmodel.engine.burst import NEVER_PS, Burst, Completion, Observer
from cowmodel.engine.common import common_faults, flips_by_sharers
from cowmodel.engine.contention import Contention
from cowmodel.engine.handler import FaultHandler
from cowmodel.errors import ConfigError
from cowmodel.hardware.page_table import PageTable
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.fault import COPY, Fault, Pending, copied
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import Work

_LOG_ROWS = 1 << 14
_WHOLE = 1 << 12  # tables of a mapping that are looked up all at once


class CompiledEngine:
    """Carries out bursts in compiled code.

    Parameters
    ----------
    kernel : Kernel
    price : callable
        Work to picoseconds.
    observer : Observer
        Told of each fault.
    contention : Contention

    Raises
    ------
    ConfigError
        If a hit takes no time.
    """

    def __init__(
        self, kernel: Kernel, price: Callable[[Work], int], observer: Observer, contention: Contention
    ) -> None:
        from cowmodel.engine import kernels  # costs half a second that a reference run need not pay

        self._code, self._kernel, self._price, self._observer = kernels, kernel, price, observer
        self._contention, self._handler = contention, FaultHandler(kernel, price, observer, contention)
        self._hit_ps = price(Work(hits=1))
        if self._hit_ps < 1:
            raise ConfigError(
                "machine.engine: expected a price of hits of at least 1 ps, got 0: accesses that take no time"
                " have no order of time; set the price, or engine = 'reference'"
            )
        self._flips = flips_by_sharers(kernel)
        self._bits, self._page_bytes = kernel.geometry.index_bits[0], kernel.geometry.page_bytes
        self._transfer_ps = contention.transfer_ps(copied(self._page_bytes))
        self._bursts: dict[int, Burst] = {}
        self._reach: dict[int, tuple[int, int]] = {}  # first and last page of a burst
        self._pending: dict[int, Pending] = {}
        self._known: dict[int, tuple[PageTable, int, int, int]] = {}  # what the directories cover
        self._cores = np.zeros((0, kernels.FIELDS), np.int64)
        self._accesses = self._directories = np.zeros((0, 0), np.int64)
        self._log, self._logged = np.zeros((_LOG_ROWS, 6), np.int64), np.zeros(1, np.int64)
        self._tables = contention.tables_ps if contention.page_table_locks else contention.tables_ps[:0]
        self._faults: dict[tuple[int, int], Fault] = {}
        self._costs = np.zeros((0, 0), np.int64)
        self._price_with(others=0)

    def _price_with(self, others: int) -> None:
        """See that faults have their prices with so many other cores that run the address space."""
        page, others = self._page_bytes, max(others, self._costs.shape[1] - 2)
        rows = []
        for kind, faults in enumerate(zip(*(common_faults(page, n) for n in range(others + 1)), strict=True)):
            self._faults.update({(kind, n): fault for n, fault in enumerate(faults)})
            works = [faults[0].work.prepared, *(fault.work for fault in faults)]
            rows.append([self._price(work) for work in works])
        self._costs = np.array(rows, np.int64)

    def faults_end(self, process: Process) -> int:
        """Return when the faults that threads of `process` have under way will be ready; 0 without any."""
        code = self._code
        committing = (
            int(self._cores[core, code.CLOCK])
            for core, burst in self._bursts.items()
            if burst.process is process and self._cores[core, code.STATE] == code.COMMITTING
        )
        return max(committing, default=0)

    def start(self, core: int, burst: Burst, clock_ps: int, limit_ps: int) -> None:
        """Let `core`, idle so far, run `burst` from `clock_ps` until it is done or reaches `limit_ps`."""
        code = self._code
        assert core not in self._bursts, f"core {core} is running a burst already"
        count = len(burst.vpns) - burst.done
        self._accesses = _with_room(self._accesses, core, count)
        self._cores = _with_room(self._cores, core, code.FIELDS)
        self._bursts[core] = burst
        rest = slice(burst.done, None)
        np.left_shift(burst.vpns[rest], 1, out=self._accesses[core, :count])
        self._accesses[core, :count] |= burst.written[rest] > 0
        state = self._cores[core]
        state[code.POSITION] = state[code.HITS] = 0
        state[code.CLOCK], state[code.END], state[code.LIMIT] = clock_ps, count, limit_ps
        state[code.STATE] = code.RUNNING
        if count:
            self._reach[core] = int(burst.vpns.min()), int(burst.vpns.max())
            self._look_up(core)

    def _look_up(self, core: int) -> None:
        """See that the directory of `core` tells where the pages of its burst have their entries."""
        space, (first, last) = self._bursts[core].process.memory, self._reach[core]
        known = self._known.get(core)
        current = known and known[:2] == (space.page_table, space.page_table.version)
        if known and current and known[2] <= first and last <= known[3]:
            return
        vma = space.find(first)
        fills = vma and vma.written and vma.shared is None and vma.level == 1
        self._cores[core, [self._code.FILL_FROM, self._code.FILL_END]] = (
            (vma.first, vma.end) if vma and fills else (0, 0)
        )
        if vma and vma.pages >> self._bits < _WHOLE:  # all of it, for bursts to come
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
        horizon = int(min(horizon_ps, NEVER_PS - 1))
        for core in self._bursts:
            self._meet(core)
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
                self._contention.memory_ps,
                self._tables,
                self._transfer_ps,
                self._hit_ps,
                horizon,
            )
            self._settle()
            if ended == code.RARE:
                self._handle(core)
            elif ended == code.COMPLETED:
                del self._bursts[core]
                self._reach.pop(core, None)
                return Completion(core, int(self._cores[core, code.CLOCK]))
            elif ended == code.NOTHING:
                return None

    def _meet(self, core: int) -> None:
        """Take over what structural events may have changed for a core."""
        code, state, process = self._code, self._cores[core], self._bursts[core].process
        if process.threads > 1:
            if process.memory.other_cores + 2 > self._costs.shape[1]:
                self._price_with(process.memory.other_cores)
            if core in self._reach:
                self._look_up(core)
        state[code.STRICT] = process.threads > 1
        state[code.OTHERS] = process.memory.other_cores
        state[code.LOCKED] = process.memory.locked_until_ps

    def _handle(self, core: int) -> None:
        """Let the kernel in Python do what a core is about to do."""
        code, burst, state = self._code, self._bursts[core], self._cores[core]
        vpn, write = divmod(int(self._accesses[core, state[code.POSITION]]), 2)
        if state[code.STATE] == code.COMMITTING:
            pending = self._pending.pop(core, None) or self._copy_under_way(core, vpn)
            began, now = int(state[code.BEGAN]), int(state[code.CLOCK])
            self._go_on(core, self._handler.commit(core, burst.process, vpn, pending, began, now))
        else:
            began = int(state[code.CLOCK])
            now = max(began, int(state[code.LOCKED]))
            clock, begun = self._handler.begin(core, burst.process, vpn, bool(write), began, now)
            if begun:
                self._pending[core], state[code.BEGAN] = begun, began
                state[code.CLOCK], state[code.NEW], state[code.STATE] = clock, -1, code.COMMITTING
            else:
                self._go_on(core, clock)
        appeared = self._directories[core, (vpn >> self._bits) - state[code.FIRST]] < 0
        for other, running in self._bursts.items():
            if running.process is burst.process and other in self._reach:
                if appeared:  # there is a table or a large leaf now
                    self._known.pop(other, None)
                self._look_up(other)

    def _copy_under_way(self, core: int, vpn: int) -> Pending:
        """Return the copy that compiled code began on a core."""
        code, state, vma = self._code, self._cores[core], self._bursts[core].process.memory.find(vpn)
        assert vma
        seen = int(state[code.SEEN]) % (1 << 64)
        return Pending(COPY[False], copied(self._page_bytes), vma, vpn, int(state[code.NEW]), True, seen)

    def _go_on(self, core: int, clock: int) -> None:
        """Let a core go on after a fault, if its time is not up."""
        code, state = self._code, self._cores[core]
        state[code.CLOCK] = clock
        state[code.STATE] = code.DONE if clock >= state[code.LIMIT] else code.RUNNING

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
        happened = Counter[Fault]()
        kinds, others = self._costs.shape
        counts = np.bincount((log[:, 1] * kinds + log[:, 3]) * others + log[:, 4])
        for code in np.flatnonzero(counts).tolist():
            core, fault = code // (kinds * others), self._faults[divmod(code % (kinds * others), others)]
            count, process = int(counts[code]), self._bursts[core].process
            process.faults[fault.kind] += count
            process.copied_bytes += count * fault.work.copied_bytes
            happened[fault] += count
        pids = {core: burst.process.pid for core, burst in self._bursts.items()}
        self._observer.faults(happened, lambda: self._columns(log.copy(), pids))

    def _columns(self, log: Numbers, pids: dict[int, int]) -> dict[str, Any]:
        """Return logged faults as the columns of a table of faults."""
        times, cores, vpns, kinds, others, waited = log.T
        faults = [self._faults[kind, 0] for kind in range(len(self._costs))]
        pid = np.array([pids.get(core, 0) for core in range(len(self._cores))])[cores]
        return {
            "time_ps": times,
            "core": cores,
            "pid": pid,
            "vpn": vpns,
            "kind": np.array([fault.kind for fault in faults], object)[kinds],
            "copied_bytes": np.array([fault.work.copied_bytes for fault in faults])[kinds],
            "cost_ps": self._costs[kinds, 1 + others],
            "waited_ps": waited,
        }


def _with_room(rows: Numbers, row: int, columns: int) -> Numbers:
    """Return `rows`, grown so that it has row `row` and so many columns."""
    height, width = rows.shape
    if row < height and columns <= width:
        return rows
    grown = np.zeros((max(row + 1, height), width if columns <= width else max(columns, 2 * width)), np.int64)
    grown[:height, :width] = rows
    return grown
