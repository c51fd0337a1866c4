"""Where runs are made: in this process, in a pool of processes, or on a cluster.

Each executor is a function ``(job, runs) -> iterator of (run, how it ended)`` that takes runs as it has room
for them, so that a sweep of any length takes as little memory, and yields them in the order in which
they end.
"""

from collections.abc import Callable, Iterable, Iterator

from cowmodel.campaign.recipe import Package, Run
from cowmodel.campaign.store import Failure
from cowmodel.campaign.work import Job

Ended = Iterator[tuple[Run, Package | Failure | None]]
Executor = Callable[[Job, Iterable[Run]], Ended]

PRELOADED = "cowmodel.campaign.warm"
"""Imported where workers begin."""

ATTEMPTS = 5
"""How often a run may cost its worker's life, alone, before it is given up."""


def died(attempts: int) -> Failure:
    """Return the failure of a run whose worker died each time."""
    return Failure("crash", f"its worker died {attempts} times, perhaps for want of memory")


def serial(job: Job, runs: Iterable[Run]) -> Ended:
    """Make one run after the other in this process."""
    for run in runs:
        yield run, job.done(run)
