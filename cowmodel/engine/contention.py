"""What cores wait for: each thing that one core uses at a time has a time from which it is free.

page-table lock   one a table page; held while a fault changes an entry of it, shootdowns included
mmap lock         one an address space; faults of its threads wait while a verb changes its mappings
memory            shared by all that copy or zero at the same time; nobody goes faster than its price

Faults are served in the order of time, so whoever asks first is served first. What is not modelled: locks
of the frame allocator and of the reverse map, caches, and the time of a core that a shootdown interrupts.
"""

from dataclasses import dataclass, field

import numpy as np

from cowmodel.errors import ConfigError
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.work import Work

_PS_PER_S = 10**12


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
    memory_ps : int64[1]
        From when memory is free.
    """

    page_table_locks: bool = True
    mmap_locks: bool = True
    bandwidth: int | None = None
    tables_ps: Numbers = field(init=False, default_factory=lambda: np.zeros(0, np.int64))
    memory_ps: Numbers = field(init=False, default_factory=lambda: np.zeros(1, np.int64))

    def __post_init__(self) -> None:
        """Refuse a memory that nothing gets through."""
        if self.bandwidth is not None and self.bandwidth < 1:
            raise ConfigError(f"machine.bandwidth: expected at least 1 byte a second, got {self.bandwidth}")

    def transfer_ps(self, work: Work) -> int:
        """Return how long memory is busy with `work`."""
        moved = work.copied_bytes + work.zeroed_bytes
        return -(-moved * _PS_PER_S // self.bandwidth) if self.bandwidth else 0

    def wait_for_memory(self, now_ps: int, work: Work) -> int:
        """Use memory for `work` as soon as it is free; return how long that takes to come."""
        busy = self.transfer_ps(work)
        return _wait(self.memory_ps, 0, now_ps, busy) if busy else 0

    def wait_for_table(self, now_ps: int, row: int, held_ps: int) -> int:
        """Hold the lock of a table as soon as it is free; return how long that takes to come."""
        return _wait(self.tables_ps, row, now_ps, held_ps) if self.page_table_locks else 0


def _wait(free_ps: Numbers, place: int, now_ps: int, held_ps: int) -> int:
    start = max(now_ps, int(free_ps[place]))
    free_ps[place] = start + held_ps
    return start - now_ps
