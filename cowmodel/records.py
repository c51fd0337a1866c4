"""What a run leaves behind: flat rows, one kind a table, units in the field names.

faults    every page fault, if the run records them     actions   every verb that an activity called
samples   memory of each process, now and then          memory    the machine's frames at the same times
"""

from collections import Counter
from typing import NamedTuple

from cowmodel.kernel.accounting import Usage
from cowmodel.kernel.fault import Fault
from cowmodel.kernel.work import NOTHING


class FaultRow(NamedTuple):
    """One page fault; `time_ps` is when the access began."""

    time_ps: int
    core: int
    pid: int
    vpn: int
    kind: str
    copied_bytes: int
    cost_ps: int


class ActionRow(NamedTuple):
    """One verb other than an access.

    `child` is 0 where it has none; `allocations` are leafs, of which fork takes one a copy; `written_bytes`
    is what all processes had written until then.
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


class MemoryRow(NamedTuple):
    """Memory of the machine at one time.

    `cached_bytes` are shared objects that nothing maps just now; `pss_bytes` and `entries` are sums over the
    processes, so that pss + cached = used and entries = sharers. Faults are counted from the start on,
    minor ones as `ru_minflt` does, with those of populate; copies and flips are kinds of faults.
    """

    time_ps: int
    processes: int
    used_bytes: int
    cached_bytes: int
    pss_bytes: float
    table_bytes: int
    entries: int
    sharers: int
    minor_faults: int
    copies: int
    flips: int
    copied_bytes: int
    written_bytes: int


class Records:
    """The tables of one run, in order of time.

    Attributes
    ----------
    faults : list of FaultRow
        Empty unless the run records faults.
    fault_counts : Counter of Fault
        How often each kind with its work occurred; always kept.
    actions : list of ActionRow
    action_work : Work
        Of all actions together.
    samples : list of (time in ps, Usage)
        Memory of each process.
    memory : list of MemoryRow
    """

    def __init__(self) -> None:
        self.faults: list[FaultRow] = []
        self.fault_counts: Counter[Fault] = Counter()
        self.actions: list[ActionRow] = []
        self.action_work = NOTHING
        self.samples: list[tuple[int, Usage]] = []
        self.memory: list[MemoryRow] = []
