"""The compiled engine: the same order and the same rules as the reference, in compiled kernels.

kernels.advance   hits, copies, flips and fills of base pages; cores, frames and page tables as arrays
this class        what is rare, which it leaves to the kernel in Python, and what the kernels counted
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from cowmodel.engine.burst import NEVER_PS, Burst, Completion, Observer
from cowmodel.engine.common import WHERES, access_prices, common_faults, flips_by_sharers, looking
from cowmodel.engine.contention import Contention
from cowmodel.engine.handler import FaultHandler
from cowmodel.errors import ConfigError, Signal
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.era import LargeReuse
from cowmodel.kernel.fault import COPY, Fault, Pending, copied, is_far
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import Work

_LOG_ROWS = 1 << 14


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
        from cowmodel.engine import kernels, lists  # cost half a second that a reference run need not pay
        from cowmodel.engine.compiled_passes import CompiledPasses

        self._code, self._kernel, self._price, self._observer = kernels, kernel, price, observer
        self._contention, self._handler = contention, FaultHandler(kernel, price, observer, contention)
        kernel.passes = CompiledPasses(kernel.arena, kernel.frames, kernel.folios)
        prices = np.array(access_prices(kernel, price))
        if prices[0] < 1:
            raise ConfigError(
                "machine.engine: expected a price of hits of at least 1 ps, got 0: accesses that take no time"
                " have no order of time; set the price, or engine = 'reference'"
            )
        self._bursts: dict[int, Burst] = {}
        self._threads: set[int] = set()  # cores whose bursts began when their process had several
        self._pending: dict[int, Pending] = {}
        self._lists = lists.BurstLists(kernel)
        tables = len(contention.tables_ps) * contention.page_table_locks
        self._memory = kernels.memory_of(kernel)
        tlbs, shifts = kernel.tlbs, np.array(kernel.geometry.shifts)
        self._tlb = kernels.Tlb(tlbs.caches, tlbs.entries, tlbs.cores, tlbs.generations, shifts, prices)
        self._free = kernels.Free(contention.memory_ps, contention.tables_ps[:tables])
        self._rules = kernels.Rules(
            kernel.geometry.index_bits[0],
            flips_by_sharers(kernel),
            kernel.era.large_reuse is LargeReuse.ONE_OWNER,
            np.zeros((kernels.KINDS, WHERES), np.int64),
            int(prices[0]),
            self._transfer_ps(),
        )
        self._faults: dict[tuple[int, int], Fault] = {}
        log = np.zeros((_LOG_ROWS * observer.keeps_rows, 8), np.int64)
        self._told = kernels.Told(np.zeros((1, kernels.KINDS, 0), np.int64), log, np.zeros(1, np.int64))
        self._cores, self._tree = np.zeros((1, kernels.FIELDS), np.int64), np.zeros((2, 2), np.int64)
        self._price_faults(others=0)

    def _transfer_ps(self) -> int:
        return self._contention.transfer_ps(copied(self._kernel.geometry.page_bytes))

    def _price_faults(self, others: int) -> None:
        """See that faults have their prices with so many other cores that run the address space."""
        page, wheres, rows = self._kernel.geometry.page_bytes, range(WHERES), []
        places = (common_faults(page, n, where) for n in range(others + 1) for where in wheres)
        for kind, faults in enumerate(zip(*places, strict=True)):
            self._faults.update({(kind, place): fault for place, fault in enumerate(faults)})
            works = [*(faults[where].work.prepared for where in wheres), *(fault.work for fault in faults)]
            rows.append([self._price(work) for work in works])
        self._rules = self._rules._replace(costs=np.array(rows, np.int64))
        self._make_room(len(self._cores))

    def _make_room(self, cores: int) -> None:
        """Make room for the states of so many cores, a power of two, and for what is counted of them."""
        states, code = np.zeros((cores, self._code.FIELDS), np.int64), self._code
        states[: len(self._cores)] = self._cores
        self._cores, self._tree = states, np.zeros((2 * cores, 2), np.int64)
        shape = cores, code.KINDS, self._rules.costs.shape[1] - WHERES
        self._told = self._told._replace(counts=np.zeros(shape, np.int64))

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
        while core >= len(self._cores):
            self._make_room(2 * len(self._cores))
        self._bursts[core] = burst
        state = self._cores[core]
        state[code.ROW] = self._lists.enter(burst)
        state[code.POSITION], state[code.END], state[code.HITS] = burst.done, len(burst.pages), 0
        state[code.CLOCK], state[code.LIMIT], state[code.STATE] = clock_ps, limit_ps, code.RUNNING
        state[code.PACED] = burst.earliest_ps is not None
        state[code.TIMED] = burst.service is not None
        timed = state[code.PACED] or state[code.TIMED]
        state[code.STRICT] = timed or burst.process.threads > 1 or len(self._tlb.cores) > 0
        if burst.process.threads > 1:
            self._threads.add(core)
        self._meet(core)

    def limit(self, core: int, limit_ps: int, now_ps: int) -> None:
        """Let the burst on `core` end, from `now_ps` on, when it reaches `limit_ps` or has to pause."""
        code, state = self._code, self._cores[core]
        state[code.LIMIT] = limit_ps
        if state[code.STATE] == code.FAULTING and state[code.CLOCK] >= now_ps:  # not begun yet
            state[code.STATE] = code.RUNNING
        if state[code.STATE] == code.RUNNING:
            state[code.CLOCK] = max(now_ps, state[code.CLOCK])

    def advance(self, horizon_ps: float) -> Completion | None:
        """Make the accesses that begin before `horizon_ps`, in order of (time, core), up to a completion."""
        if not self._bursts:
            return None
        code, horizon = self._code, int(min(horizon_ps, NEVER_PS - 1))
        if self._contention.traffic:  # of which verbs take more or less from time to time
            self._rules = self._rules._replace(transfer_ps=self._transfer_ps())
        for core in self._threads:
            self._meet(core)
        while True:
            ended, core = code.advance(
                self._memory,
                self._rules,
                self._lists.arrays,
                self._tlb,
                self._free,
                self._told,
                self._cores,
                self._tree,
                horizon,
            )
            self._settle()
            if ended == code.RARE:
                self._handle(core)
            elif ended == code.COMPLETED:
                burst = self._bursts.pop(core)
                self._threads.discard(core)
                if burst.finished:
                    self._lists.leave(burst)
                return Completion(core, int(self._cores[core, code.CLOCK]))
            elif ended == code.NOTHING:
                return None

    def _meet(self, core: int) -> None:
        """Take over what structural events may have changed for a core."""
        code, burst = self._code, self._bursts[core]
        space = burst.process.memory
        if space.other_cores * WHERES >= self._told.counts.shape[2]:
            self._price_faults(space.other_cores)
        state = self._cores[core]
        state[code.OWNER] = space.page_table.root + 1
        state[code.OTHERS], state[code.LOCKED] = space.other_cores, space.locked_until_ps
        state[code.DOUBLINGS] = self._kernel.doublings(space)
        self._look_up(core)

    def _look_up(self, core: int) -> None:
        """See that it is known where the pages of a burst have their entries."""
        code, burst = self._code, self._bursts[core]
        reach = self._lists.look_up(burst, int(self._cores[core, code.POSITION]))
        self._cores[core, code.FIRST : code.FILL_END + 1] = reach

    def _handle(self, core: int) -> None:
        """Let the kernel in Python do what a core is about to do."""
        code, burst, state = self._code, self._bursts[core], self._cores[core]
        at = int(state[code.POSITION])
        vpn, write, space = burst.first + int(burst.pages[at]), bool(burst.written[at]), burst.process.memory
        version = space.page_table.version
        if state[code.STATE] == code.COMMITTING:
            pending = self._pending.pop(core, None) or self._copy_under_way(core, vpn)
            times = int(state[code.BEGAN]), int(state[code.QUEUED]), int(state[code.CLOCK])
            self._go_on(core, self._handler.commit(core, burst.process, vpn, pending, *times))
        else:
            began, now = int(state[code.CLOCK]), int(max(state[code.CLOCK], state[code.LOCKED]))
            far = is_far(vpn, int(state[code.LAST]))
            try:
                clock, state[code.QUEUED], begun = self._handler.begin(
                    core, burst.process, vpn, write, far, began, now
                )
                state[code.LAST] = vpn
            except Signal as signal:
                burst.signal = signal
                state[code.CLOCK], state[code.STATE] = now, code.STOPPED
                return
            if begun:
                self._pending[core], state[code.BEGAN] = begun, began
                state[code.CLOCK], state[code.NEW], state[code.STATE] = clock, -1, code.COMMITTING
            else:
                self._go_on(core, clock)
        if not self._lists.knows(burst, at):  # there is a table or a large leaf now, or will be
            vma = space.find(vpn)
            assert vma
            leaf = self._kernel.geometry.leaf_pages(vma.level)
            self._lists.note(space.page_table, version, vpn & -leaf, vpn | leaf - 1)
        for other, running in self._bursts.items():
            if running.process is burst.process:
                self._look_up(other)

    def _copy_under_way(self, core: int, vpn: int) -> Pending:
        """Return the copy that compiled code began on a core."""
        code, state, vma = self._code, self._cores[core], self._bursts[core].process.memory.find(vpn)
        assert vma
        seen, where = int(state[code.SEEN]) % (1 << 64), int(state[code.WHERE])
        work = copied(self._kernel.geometry.page_bytes) + looking(COPY[False], where)
        return Pending(COPY[False], work, vma, vpn, int(state[code.NEW]), True, seen)

    def _go_on(self, core: int, clock: int) -> None:
        """Let a core go on after a fault, if its time is not up."""
        code, state = self._code, self._cores[core]
        state[code.CLOCK] = clock
        state[code.STATE] = code.DONE if clock >= state[code.LIMIT] else code.RUNNING

    def _settle(self) -> None:
        """Bring what the kernels counted to the processes, the bursts and the records."""
        position = self._code.POSITION
        for core, burst in self._bursts.items():
            done = int(self._cores[core, position])
            if done != burst.done:
                written = burst.written_between(burst.done, done)
                burst.process.written_bytes += written
                self._kernel.written_bytes += written
                self._lists.tell(burst, done)
                if written and self._kernel.folios.any:
                    self._lists.note_written(burst, done, self._kernel.folios.written)
                burst.done = done
        counts = self._told.counts.reshape(-1)
        if len(places := counts.nonzero()[0]):
            self._record(places.tolist(), counts[places].tolist())
            counts[places] = 0

    def _record(self, places: list[int], counts: list[int]) -> None:
        """Count the faults and pass them on: so many at each of the `places` of all `counts`."""
        happened, (_, kinds, most) = Counter[Fault](), self._told.counts.shape
        for at, count in zip(places, counts, strict=True):
            core, kind, place = at // most // kinds, at // most % kinds, at % most
            fault, process = self._faults[kind, place], self._bursts[core].process
            process.memory.family.changes += 1
            process.faults[fault.kind] += count
            process.copied_bytes += count * fault.work.copied_bytes
            happened[fault] += count
        log = self._told.log[: self._told.logged[0]]
        self._told.logged[0] = 0
        pids = {core: burst.process.pid for core, burst in self._bursts.items()}
        self._observer.faults(happened, lambda: self._columns(log.copy(), pids))

    def _columns(self, log: Numbers, pids: dict[int, int]) -> dict[str, Any]:
        """Return logged faults as the columns of a table of faults."""
        times, cores, vpns, kinds, places, waited, for_memory, for_table = log.T
        faults = [self._faults[kind, 0] for kind in range(self._code.KINDS)]
        pid = np.array([pids.get(core, 0) for core in range(len(self._cores))])[cores]
        return {
            "time_ps": times,
            "core": cores,
            "pid": pid,
            "vpn": vpns,
            "kind": np.array([fault.kind for fault in faults], object)[kinds],
            "copied_bytes": np.array([fault.work.copied_bytes for fault in faults])[kinds],
            "cost_ps": self._rules.costs[kinds, WHERES + places],
            "waited_ps": waited,
            "memory_wait_ps": for_memory,
            "table_wait_ps": for_table,
            "held_ps": self._rules.costs[kinds, WHERES + places] - self._rules.costs[kinds, places % WHERES],
        }
