"""What machine and engines say to each other.

    machine                                  engine
    start(core, burst, now, limit)    ->
    advance(horizon)                  ->     accesses that begin before the horizon, in order of (time, core)
                                      <-     completions: a core's burst is done, or its time limit reached

An access happens, with all its faults, when it begins; its cost moves the clock of its core.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cowmodel.errors import ConfigError
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.fault import Fault
from cowmodel.kernel.process import Process


@dataclass(eq=False)
class Burst:
    """Accesses that one process makes one after the other.

    Parameters
    ----------
    process : Process
    vpns : int64[n]
        Page of each access.
    written : int64[n]
        Bytes that it writes; 0 for a read.

    Attributes
    ----------
    done : int
        Accesses made so far.
    """

    process: Process
    vpns: Numbers
    written: Numbers
    done: int = 0

    def __post_init__(self) -> None:
        """Refuse what no engine could carry out."""
        kinds = [f"{column.dtype}{list(column.shape)}" for column in (self.vpns, self.written)]
        if kinds != [f"int64[{len(self.vpns)}]"] * 2:
            raise ConfigError(
                f"burst: expected pages and bytes written, both int64[n], got {kinds[0]} and {kinds[1]}"
            )
        if len(self.written) and self.written.min() < 0:
            raise ConfigError(f"burst: expected bytes written of at least 0, got {self.written.min()}")

    @property
    def finished(self) -> bool:
        """Whether no access is left."""
        return self.done == len(self.vpns)


class Completion(NamedTuple):
    """A core that needs a new decision, and its clock."""

    core: int
    clock_ps: int


Observer = Callable[[int, int, Process, int, Fault, int], None]
"""Told of each fault: time in ps, core, process, page, fault, cost in ps."""


class Engine(Protocol):
    """Carries out bursts."""

    def start(self, core: int, burst: Burst, clock_ps: int, limit_ps: int) -> None:
        """Let `core`, idle so far, run `burst` from `clock_ps` until it is done or reaches `limit_ps`."""

    def advance(self, horizon_ps: float) -> Completion | None:
        """Make the accesses that begin before `horizon_ps`, in order of (time, core).

        Stop at the first that ends a burst or reaches its limit; return None when there are none left.
        """
