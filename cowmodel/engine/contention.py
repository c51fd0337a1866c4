"""What cores wait for: each thing that one core uses at a time has a time from which it is free.

page-table lock   one a table page; held while a fault changes an entry of it, shootdowns included
mmap lock         one an address space; threads change its mappings one at a time, and their faults wait
memory            shared by all that move much at the same time; nobody goes faster than its price

Faults are served in the order of time, so whoever asks first is served first. Verbs are too long for that:
those that run at the same time share memory at every moment (`Traffic`). What verbs leave is for the faults,
at least as much as for a verb; what faults have moved, verbs have not.

What is not modelled: locks of the frame allocator and of the reverse map; caches, be it that cores share one
or that the record of a frame goes back and forth between two that handle it, as where processes with the same
memory fork at once; memory that answers later the more is asked of it, short of its bandwidth; the time of a
core that a shootdown interrupts (two threads that copy at once take longer than here, as they interrupt each
other); NUMA; two threads of one physical core. Three processes that forked at once took 3.45 times as long as
one on the machine of On-demand-fork (EuroSys 2021, doi 10.1145/3447786.3456258). If all its memory channels
are in use, it has bandwidth for all three, and here they take as long as one.
"""

from dataclasses import dataclass, field

import numpy as np

from cowmodel.engine.traffic import PS_PER_S, Traffic
from cowmodel.errors import ConfigError
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.work import Work


@dataclass(eq=False)
class Contention:
    """Which of these are modelled, and from when each is free.

    Parameters
    ----------
    page_table_locks, mmap_locks : bool
    bandwidth : int or None
        Bytes that all cores together can copy or zero in a second; None for any number.

    Attributes
    ----------
    tables_ps : int64[T]
        By row of the arena, from when the lock of that table is free.
    memory_ps : int64[2]
        From when memory is free for a fault; for how long faults have asked for it, so far.
    traffic : Traffic or None
        What verbs move; None where bandwidth has no limit.
    """

    page_table_locks: bool = True
    mmap_locks: bool = True
    bandwidth: int | None = None
    tables_ps: Numbers = field(init=False, default_factory=lambda: np.zeros(0, np.int64))
    memory_ps: Numbers = field(init=False, default_factory=lambda: np.zeros(2, np.int64))
    traffic: Traffic | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Refuse a memory that nothing gets through."""
        if self.bandwidth is not None:
            if self.bandwidth < 1:
                raise ConfigError(
                    f"machine.bandwidth: expected at least 1 byte a second, got {self.bandwidth}"
                )
            self.traffic = Traffic(self.bandwidth, self.memory_ps)

    def transfer_ps(self, work: Work) -> int:
        """Return how long memory is busy with the `work` of a fault."""
        moved = work.copied_bytes + work.zeroed_bytes
        return -(-moved * PS_PER_S // self.traffic.for_faults) if self.traffic else 0

    def wait_for_memory(self, now_ps: int, work: Work) -> int:
        """Use memory for `work` as soon as it is free; return how long that takes to come."""
        if not (busy := self.transfer_ps(work)):
            return 0
        self.memory_ps[1] += busy
        return _wait(self.memory_ps, 0, now_ps, busy)

    def wait_for_table(self, now_ps: int, row: int, held_ps: int) -> int:
        """Hold the lock of a table as soon as it is free; return how long that takes to come."""
        return _wait(self.tables_ps, row, now_ps, held_ps) if self.page_table_locks else 0


def _wait(free_ps: Numbers, place: int, now_ps: int, held_ps: int) -> int:
    start = max(now_ps, int(free_ps[place]))
    free_ps[place] = start + held_ps
    return start - now_ps
