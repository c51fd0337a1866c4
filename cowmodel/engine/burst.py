"""What machine and engines say to each other.

    machine                                  engine
    start(core, burst, now, limit)    ->
    limit(core, limit, now)           ->     others wait for a core: make room when time is up, or in a pause
    advance(horizon)                  ->     accesses that begin before the horizon, in order of (time, core)
                                      <-     completions: a core's burst is done, or its time limit reached

An access that the page table permits happens when it begins; its cost moves the clock of its core. A fault
happens when it begins and, where it maps new memory, once more when that is ready; then the access is
executed again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from cowmodel.errors import ConfigError, Signal
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.fault import Fault
from cowmodel.kernel.process import Process

NEVER_PS = 1 << 61  # compiled code orders by twice the time
LAST_PS = NEVER_PS >> 1  # 13 days: where clocks end


class Service(NamedTuple):
    """What accesses take of their processor besides, and when they were made.

    What an access takes besides comes when it has been made, and no time slice ends within. An access began
    when it was first tried, a fault included, and was over when that processor time was.

    Attributes
    ----------
    busy_ps : int64[n]
        Processor time that each takes besides; given.
    began_ps, ended_ps : int64[n]
        When each that was made began, and was over; filled in.
    """

    busy_ps: Numbers
    began_ps: Numbers
    ended_ps: Numbers

    @classmethod
    def of(cls, busy_ps: Numbers) -> "Service":
        """Return one of which nothing has been made."""
        return cls(busy_ps, np.full(len(busy_ps), -1), np.full(len(busy_ps), -1))


@dataclass(eq=False)
class Burst:
    """Accesses that one process makes one after the other, each as soon as it can and its time has come.

    Parameters
    ----------
    process : Process
    pages : int64[n]
        Page of each access, numbered from page `first`.
    written : int64[n]
        Bytes that it writes; 0 for a read.
    earliest_ps : int64[n], optional
        Before which it does not begin; these rise.
    first : int
    reach : (int, int), optional
        Two of `pages`, or beyond, between which all are; by default the least and the greatest.
    service : Service, optional
        Processor time besides, and when each began and was over; nothing of that by default.

    Attributes
    ----------
    done : int
        Accesses made so far.
    signal : Signal or None
        Why the next one cannot be made.
    """

    process: Process
    pages: Numbers
    written: Numbers
    earliest_ps: Numbers | None = None
    first: int = 0
    reach: tuple[int, int] | None = None
    service: Service | None = None
    done: int = field(init=False, default=0)
    signal: Signal | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Refuse what no engine could carry out."""
        pages, written = self.pages, self.written
        if not (
            pages.dtype == written.dtype == np.int64 and pages.ndim == 1 and pages.shape == written.shape
        ):
            raise ConfigError(
                "burst: expected pages and bytes written, both int64[n], got"
                f" {pages.dtype}{list(pages.shape)} and {written.dtype}{list(written.shape)}"
            )
        if len(written) and (least := written[: 1 if self.constant else None].min()) < 0:
            raise ConfigError(f"burst: expected bytes written of at least 0, got {least}")
        times = self.earliest_ps
        if times is not None and not (times.dtype == np.int64 and times.shape == pages.shape):
            raise ConfigError(
                f"burst: expected a time, int64, for each of {len(pages)} accesses, got"
                f" {times.dtype}{list(times.shape)}"
            )
        if times is not None and len(times) and (np.diff(times) < 0).any():
            raise ConfigError("burst: expected times that rise, each no earlier than the one before it")
        self._check_service()
        if self.reach is None:
            self.reach = (int(pages.min()), int(pages.max())) if len(pages) else (0, 0)

    def _check_service(self) -> None:
        if self.service is None:
            return
        for column in self.service:
            if not (column.dtype == np.int64 and column.shape == self.pages.shape):
                raise ConfigError(
                    f"burst: expected a processor time, int64, for each of {len(self.pages)} accesses, got"
                    f" {column.dtype}{list(column.shape)}"
                )
        if (least := self.service.busy_ps.min(initial=0)) < 0:
            raise ConfigError(f"burst: expected processor times of at least 0 ps, got {least}")

    def parts(self, most: int) -> "Iterator[Burst]":
        """Cut it into bursts of at most so many accesses."""
        if len(self.pages) <= most:
            yield self
            return
        for start in range(0, len(self.pages), most):
            part = slice(start, start + most)
            times = None if self.earliest_ps is None else self.earliest_ps[part]
            service = None if self.service is None else Service(*(column[part] for column in self.service))
            yield replace(
                self, pages=self.pages[part], written=self.written[part], earliest_ps=times, service=service
            )

    @property
    def constant(self) -> bool:
        """Whether every access writes as many bytes."""
        return self.written.strides == (0,)

    @property
    def finished(self) -> bool:
        """Whether no access is left, or the next one is refused."""
        return self.signal is not None or self.done == len(self.pages)

    @property
    def pauses_until_ps(self) -> int:
        """Before when the next access does not begin."""
        return 0 if self.earliest_ps is None or self.finished else int(self.earliest_ps[self.done])

    @property
    def busy_ps(self) -> int:
        """About how much processor time its accesses take besides, however much that is."""
        return 0 if self.service is None else int(self.service.busy_ps.sum(dtype=np.float64))

    def written_between(self, start: int, end: int) -> int:
        """Return the bytes that accesses start..end, exclusive, write; less than 0 backwards."""
        low, high = sorted((start, end))
        if self.constant:
            return int(self.written[0]) * (end - start)
        return int(self.written[low:high].sum()) * (1 if low == start else -1)


class FaultRow(NamedTuple):
    """One page fault; `time_ps` is when it began, `waited_ps` how long it waited for locks and memory.

    Of that `memory_wait_ps` for memory, `table_wait_ps` for the lock of its table page, the rest for the
    mmap lock; `held_ps` is the part of `cost_ps` for which it held the lock of the table, at its end::

        | waits: mmap lock | waits: memory | prepares, copies | waits: table | holds it |
    """

    time_ps: int
    core: int
    pid: int
    vpn: int
    kind: str
    copied_bytes: int
    cost_ps: int
    waited_ps: int
    memory_wait_ps: int
    table_wait_ps: int
    held_ps: int


class Completion(NamedTuple):
    """A core that needs a new decision, and its clock."""

    core: int
    clock_ps: int


class Observer(Protocol):
    """Is told of each fault, in the order in which they are over.

    Attributes
    ----------
    keeps_rows : bool
        Whether it wants to know more of many than how often each occurred.
    """

    keeps_rows: bool

    def fault(self, row: FaultRow, fault: Fault) -> None:
        """Take note of one."""

    def faults(self, counts: Mapping[Fault, int], columns: Callable[[], Mapping[str, Any]]) -> None:
        """Take note of many: how often each occurred; `columns()` has the fields of `FaultRow`."""


class Engine(Protocol):
    """Carries out bursts."""

    def start(self, core: int, burst: Burst, clock_ps: int, limit_ps: int) -> None:
        """Let `core`, idle so far, run `burst` from `clock_ps` until it is done or reaches `limit_ps`."""

    def limit(self, core: int, limit_ps: int, now_ps: int) -> None:
        """Let the burst on `core` end, from `now_ps` on, when it reaches `limit_ps` or has to pause."""

    def faults_end(self, process: Process) -> int:
        """Return when the faults that threads of `process` have under way will be ready; 0 without any."""

    def advance(self, horizon_ps: float) -> Completion | None:
        """Make the accesses that begin before `horizon_ps`, in order of (time, core).

        Stop at the first that ends a burst or reaches its limit; return None when there are none left.
        """
