"""When requests come to a server, and how long things take that chance decides.

poisson RATE              open: they come whether or not the server keeps up
closed CLIENTS, THINK     each client sends one, waits until it has been answered, thinks, sends the next

A time is `constant 20 us` or `exponential 20 us`, which is its mean then.
"""

import heapq
import re
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np

from cowmodel.errors import ConfigError, suggest
from cowmodel.hardware.paging import Numbers
from cowmodel.units import parse_duration, parse_rate
from cowmodel.workload.parameters import Parsed
from cowmodel.workload.streams import Streams

PS_PER_S = 10**12
_DAY_PS = 86_400 * PS_PER_S
_TAPE = 1 << 14  # requests that are handed out at a time


@dataclass(frozen=True)
class Spread:
    """Times that are all the same, or exponentially distributed."""

    exponential: bool
    mean_ps: int

    def draw(self, count: int, rng: np.random.Generator) -> Numbers:
        """Return so many times in ps; no number depends on how many are drawn at a time."""
        if self.exponential:
            return np.rint(rng.exponential(self.mean_ps, count)).astype(np.int64)
        return np.full(count, self.mean_ps)


class Queue(Protocol):
    """The requests that one thread of a server has to serve, first come, first served."""

    def due(self, now_ps: int, until_ps: int) -> Numbers:
        """Return when the next ones come, int64[n], as far as that is known at `now_ps`.

        It is empty only if none comes before `until_ps`. These are served before whatever else is to come.
        """

    def answered(self, ended_ps: Numbers) -> None:
        """Take note of when those that were due last were over."""


class Arrivals(Protocol):
    """A way in which requests come."""

    def most(self, span_ps: int, service: Spread) -> float:
        """Return about how many requests come in a time, at most, or infinity."""

    def queue(self, start_ps: int, span_ps: int, thread: int, threads: int, streams: Streams) -> Queue:
        """Return the requests of one thread, which come from `start_ps` on."""


@dataclass(frozen=True)
class Poisson:
    """Requests that come independently of each other, and of the server; each to a thread at random."""

    rate: float
    clients = np.inf  # so many that none waits for its answer before another comes

    def most(self, span_ps: int, service: Spread) -> float:
        """Return about how many requests come in a time."""
        return self.rate * span_ps / PS_PER_S

    def queue(self, start_ps: int, span_ps: int, thread: int, threads: int, streams: Streams) -> "OpenQueue":
        """Return the requests of one thread; a Poisson process that chance divides is several."""
        times = poisson_times(self.rate / threads, span_ps, streams[f"arrivals {thread}"])
        return OpenQueue(start_ps + times)


class OpenQueue:
    """Requests that come at times that are known beforehand."""

    def __init__(self, times_ps: Numbers) -> None:
        self._times_ps = times_ps

    def due(self, now_ps: int, until_ps: int) -> Numbers:
        """Return the next ones before `until_ps`, at most a tape of them."""
        count = min(int(np.searchsorted(self._times_ps, until_ps)), _TAPE)
        times, self._times_ps = self._times_ps[:count], self._times_ps[count:]
        return times

    def answered(self, ended_ps: Numbers) -> None:
        """Nobody waits for that."""


@dataclass(frozen=True)
class Clients:
    """Clients that each wait for an answer, then think; each stays with one thread."""

    clients: int
    think: Spread

    def most(self, span_ps: int, service: Spread) -> float:
        """Return how many requests there would be if none waited for another."""
        cycle_ps = self.think.mean_ps + service.mean_ps
        return self.clients * span_ps / cycle_ps if cycle_ps else np.inf

    def queue(
        self, start_ps: int, span_ps: int, thread: int, threads: int, streams: Streams
    ) -> "ClosedQueue":
        """Return the requests of one thread, whose clients think first."""
        count = len(range(thread, self.clients, threads))
        return ClosedQueue(count, self.think, start_ps, streams[f"think {thread}"])


class ClosedQueue:
    """Requests of clients whose next one depends on when this one is over.

    Whoever is served ends later than it began, and then thinks as long as was drawn beforehand. So of the
    requests whose times are known, those up to the first at which a new one could come can be handed out
    together, and it is exact. (Conservative simulation looks ahead so.)

    References
    ----------
    Chandy and Misra, Distributed Simulation: A Case Study in Design and Verification of Distributed Programs,
    IEEE Transactions on Software Engineering SE-5(5), 1979.
    """

    def __init__(self, clients: int, think: Spread, start_ps: int, rng: np.random.Generator) -> None:
        self._think, self._rng = think, rng
        self._coming = [start_ps + time for time in think.draw(clients, rng).tolist()]
        self._thoughts: list[int] = []
        heapq.heapify(self._coming)

    def due(self, now_ps: int, until_ps: int) -> Numbers:
        """Return those before `until_ps` that come before any that is not known yet."""
        times, self._thoughts, soonest = [], [], until_ps - 1
        while self._coming and self._coming[0] <= soonest:
            times.append(heapq.heappop(self._coming))
            self._thoughts.append(int(self._think.draw(1, self._rng)[0]))
            soonest = min(soonest, max(now_ps, times[-1]) + self._thoughts[-1])
        return np.array(times, np.int64)

    def answered(self, ended_ps: Numbers) -> None:
        """Let those clients think."""
        for ended, thought in zip(ended_ps.tolist(), self._thoughts, strict=True):
            heapq.heappush(self._coming, ended + thought)


def poisson_times(rate: float, span_ps: int, rng: np.random.Generator) -> Numbers:
    """Return the times of a Poisson process, ps, in order: given their count they are uniform."""
    count = rng.poisson(rate * span_ps / PS_PER_S)
    return np.sort(rng.integers(span_ps, size=count))


def parse_spread(text: str) -> Spread:
    """Read a time that may be left to chance.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> parse_spread("exponential 20 us")
    Spread(exponential=True, mean_ps=20000000)
    """
    name, _, time = text.strip().partition(" ")
    if name not in ("constant", "exponential"):
        raise ConfigError(suggest("", name, ["constant", "exponential"]))
    if (mean_ps := parse_duration(time.strip())) > _DAY_PS:
        raise ConfigError(f"expected a time of at most a day, got {text!r}")
    return Spread(name == "exponential", mean_ps)


def parse_arrivals(text: str) -> Poisson | Clients:
    """Read how requests come.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> parse_arrivals("poisson 20000/s")
    Poisson(rate=20000.0)
    >>> parse_arrivals("closed 50, constant 1 ms").clients
    50
    """
    name, _, numbers = text.strip().partition(" ")
    if name == "poisson":
        return Poisson(parse_rate(numbers.strip()))
    if name != "closed":
        raise ConfigError(suggest("", name, ["poisson", "closed"]))
    found = re.fullmatch(r"\s*(\d{1,6})\s*,\s*(.+)", numbers)
    if not found or not int(found[1]):
        example = "closed 50, constant 1 ms"
        raise ConfigError(
            f"expected clients, at least one, and how long each thinks, as {example!r}, got {text!r}"
        )
    return Clients(int(found[1]), parse_spread(found[2]))


ServiceTime = Annotated[
    Spread, Parsed("a time such as 'constant 20 us' or 'exponential 20 us'", parse_spread)
]
RequestArrivals = Annotated[
    Poisson | Clients, Parsed("'poisson 20000/s' or 'closed 50, constant 1 ms'", parse_arrivals)
]
