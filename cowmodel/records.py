"""What a run leaves behind: flat rows, one kind a table, units in the field names.

faults    every page fault, if the run records them     actions   every verb that an activity called
samples   memory of each process, now and then          memory    the machine's frames at the same times
requests  what a server answered, if there is one       spans     who held which core, accessed and waited,
                                                        if the run records faults
"""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cowmodel.engine.burst import FaultRow
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.accounting import Usage
from cowmodel.kernel.fault import Fault
from cowmodel.kernel.work import NOTHING

if TYPE_CHECKING:
    import pandas as pd


class ActionRow(NamedTuple):
    """One verb other than an access.

    `child` is 0 where it has none; `allocations` are leafs, of which fork takes one a copy; `written_bytes`
    is what all processes had written until then; `waited_ps`, how much longer than `cost_ps` it took, since
    others used memory too.
    """

    time_ps: int
    core: int
    pid: int
    action: str
    child: int
    allocations: int
    copied_bytes: int
    written_bytes: int
    cost_ps: int
    waited_ps: int


class Span(StrEnum):
    """What a thread does, or has to wait for, other than verbs and faults."""

    CORE = "holds the core"
    CORE_WAIT = "waits for the core"
    SWITCH = "switches"
    MMAP_WAIT = "waits for the mmap lock"
    ACCESSES = "accesses"
    PACED = "accesses and pauses"


class SpanRow(NamedTuple):
    """A time that a thread has spent; for `CORE_WAIT`, the core is the one that it got.

    `thread` numbers all threads of the machine in the order in which they began. While it holds a core it
    switches, waits for the mmap lock, and accesses one after the other; faults are in the midst of accesses.
    Of accesses each of which has its time, `PACED`, the pauses in between are part.
    """

    time_ps: int
    end_ps: int
    core: int
    pid: int
    thread: int
    span: Span


class MemoryRow(NamedTuple):
    """Memory of the machine at one time.

    `cached_bytes` are shared objects that nothing maps just now, `pending_bytes` new memory of faults under
    way, `kept_bytes` pages that nothing maps, but which are pinned, or of a folio of which others are mapped;
    `pss_bytes` and `entries` are sums over the processes, so that pss + cached + pending + kept = used and
    entries = sharers. Faults are counted from the start on,
    minor ones as `ru_minflt` does, with those of populate; copies and flips are kinds of faults.
    """

    time_ps: int
    processes: int
    used_bytes: int
    cached_bytes: int
    pending_bytes: int
    kept_bytes: int
    pss_bytes: float
    table_bytes: int
    entries: int
    sharers: int
    minor_faults: int
    copies: int
    flips: int
    copied_bytes: int
    written_bytes: int


REQUEST = ("thread", "arrival_ps", "start_ps", "end_ps")
"""A request: the thread of the server that answered it; when it came, was begun, and was over."""


class Records:
    """The tables of one run, in order of time.

    Parameters
    ----------
    keep_faults : bool
        Whether every fault gets a row, or is only counted.

    Attributes
    ----------
    keeps_rows : bool
        The same, and whether spans get one.
    fault_counts : Counter of Fault
        How often each kind with its work occurred; always kept.
    actions : list of ActionRow
    action_work : Work
        Of all actions together.
    samples : list of (time in ps, Usage)
        Memory of each process.
    memory : list of MemoryRow
    spans : list of SpanRow
        In the order in which they ended.
    thread_numbers : iterator of int
        Those of threads that are yet to begin.
    """

    def __init__(self, keep_faults: bool) -> None:
        self.keeps_rows = keep_faults
        self._fault_rows: list[FaultRow] = []
        self._fault_batches: list[Mapping[str, Any]] = []
        self.fault_counts: Counter[Fault] = Counter()
        self.actions: list[ActionRow] = []
        self.action_work = NOTHING
        self.samples: list[tuple[int, Usage]] = []
        self.memory: list[MemoryRow] = []
        self.spans: list[SpanRow] = []
        self.thread_numbers = itertools.count(1)
        self._request_batches = [(np.zeros(0, np.int64),) * len(REQUEST)]

    def fault(self, row: FaultRow, fault: Fault) -> None:
        """Take note of one fault."""
        self.fault_counts[fault] += 1
        if self.keeps_rows:
            self._fault_rows.append(row)

    def faults(self, counts: Mapping[Fault, int], columns: Callable[[], Mapping[str, Any]]) -> None:
        """Take note of many faults, later than those before."""
        self.fault_counts.update(counts)
        if self.keeps_rows:
            self._settle()
            self._fault_batches.append(columns())

    def span(self, row: SpanRow) -> None:
        """Take note of a time that a thread has spent."""
        if self.keeps_rows:
            self.spans.append(row)

    def requests(self, thread: int, arrival_ps: Numbers, start_ps: Numbers, end_ps: Numbers) -> None:
        """Take note of requests that a thread has answered."""
        self._request_batches.append((np.full(len(end_ps), thread), arrival_ps, start_ps, end_ps))

    def request_columns(self) -> dict[str, Numbers]:
        """Return the columns of `REQUEST`, int64[n] each, in order of arrival, then of thread."""
        columns = [np.concatenate(column) for column in zip(*self._request_batches, strict=True)]
        order = np.lexsort(columns[:2])
        return {name: column[order] for name, column in zip(REQUEST, columns, strict=True)}

    def fault_table(self) -> "pd.DataFrame":
        """Return a row a fault; none unless they are kept."""
        import pandas as pd  # costs what a small run does

        self._settle()
        if not self._fault_batches:
            return pd.DataFrame(columns=FaultRow._fields)
        fields = FaultRow._fields
        return pd.DataFrame({name: np.concatenate([b[name] for b in self._fault_batches]) for name in fields})

    def _settle(self) -> None:
        """Turn the rows that came one by one into columns."""
        if self._fault_rows:
            columns = zip(FaultRow._fields, zip(*self._fault_rows, strict=True), strict=True)
            self._fault_batches.append(
                {name: np.array(values, object if name == "kind" else np.int64) for name, values in columns}
            )
            self._fault_rows = []
