"""The page-fault handler in time: the kernel resolves a fault, this says how long it takes, and tells of it.

begin     waits for memory, prepares         ->  over, or to commit when that is ready
commit    waits for the lock of the table    ->  over
"""

from collections.abc import Callable

from cowmodel.engine.burst import FaultRow, Observer
from cowmodel.engine.contention import Contention
from cowmodel.kernel.fault import Fault, Pending
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import Work


class FaultHandler:
    """Handles faults of the cores, for every engine.

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

    def begin(
        self, core: int, process: Process, vpn: int, write: bool, far: bool, began_ps: int, now_ps: int
    ) -> tuple[int, int, Pending | None]:
        """Handle a fault that began at `began_ps`; return when it is over, or ready to commit, and that.

        In between, how long it waits for memory; `far` says that the last one of the core was not near.
        """
        self._kernel.tlbs.fault(core, vpn)
        fault = self._kernel.begin_fault(process, vpn, write, far)
        waits = self._contention.wait_for_memory(now_ps, fault.work)
        ready = now_ps + waits + self._prepared_ps(fault.work)
        if isinstance(fault, Pending):
            return ready, waits, fault
        return self._end(core, process, vpn, fault, began_ps, waits, now_ps, ready), waits, None

    def commit(
        self,
        core: int,
        process: Process,
        vpn: int,
        pending: Pending,
        began_ps: int,
        memory_wait_ps: int,
        now_ps: int,
    ) -> int:
        """Commit what is ready now; return when the fault is over."""
        fault = self._kernel.commit_fault(process, pending)
        return self._end(core, process, vpn, fault, began_ps, memory_wait_ps, now_ps, now_ps)

    def _end(
        self,
        core: int,
        process: Process,
        vpn: int,
        fault: Fault,
        began_ps: int,
        memory_wait_ps: int,
        now_ps: int,
        ready_ps: int,
    ) -> int:
        """Return when a fault is over that asks for the lock of its table now and needs it once ready."""
        cost = self._price(fault.work)
        row = process.memory.page_table.walk(vpn) // self._kernel.geometry.entries
        held = cost - self._prepared_ps(fault.work)
        table_wait = self._contention.wait_for_table(now_ps, row, held) if row >= 0 else 0
        end = ready_ps + table_wait + held
        what = began_ps, core, process.pid, vpn, fault.kind, fault.work.copied_bytes
        waits = end - began_ps - cost, memory_wait_ps, table_wait
        self._observer.fault(FaultRow(*what, cost, *waits, held), fault)
        return end

    def _prepared_ps(self, work: Work) -> int:
        return self._price(work.prepared)
