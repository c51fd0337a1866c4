"""Runs on a cluster of Dask.

Workers need the same code, and one of other code is told so before it makes a run. Those that
``dask worker --nthreads 1 --preload cowmodel.campaign.warm`` starts have loaded and run everything before
the first run; with more threads, limits of one run would hit another.
"""

import pickle
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from itertools import islice
from typing import TYPE_CHECKING

from cowmodel.campaign.executors import Ended, died
from cowmodel.campaign.executors.cluster import Cluster, client_of
from cowmodel.campaign.recipe import Package, Run
from cowmodel.campaign.store import Failure
from cowmodel.campaign.work import Job
from cowmodel.errors import ConfigError
from cowmodel.experiment.provenance import source

if TYPE_CHECKING:
    from distributed import Client, Future

_UNDER_WAY = 2048
"""Runs that the scheduler has at a time, so many that workers that come later find some."""


def distributed(cluster: Cluster, job: Job, runs: Iterable[Run]) -> Ended:
    """Make runs on a cluster.

    Raises
    ------
    ConfigError
        If there is no cluster, its scheduler ends, or a worker has other code.
    """
    with client_of(cluster) as client:
        from distributed.comm.core import CommClosedError

        assert client.scheduler, "a client that is connected has a scheduler"
        where = client.scheduler.address
        try:
            yield from _made(client, job, iter(runs))
        except (CancelledError, CommClosedError) as error:
            raise ConfigError(
                f"scheduler: expected one at {where} until the end, and it is gone: "
                "what is finished is kept; start it again, and the same command goes on"
            ) from error


def _made(client: "Client", job: Job, rest: Iterator[Run]) -> Ended:
    """Keep the workers busy; a run whose worker dies goes to another until the scheduler gives it up."""
    from distributed import KilledWorker, as_completed

    under_way: dict[Future[Package | Failure | None], Run] = {}
    ended = as_completed(loop=client.loop)

    def submit(most: int) -> None:
        for run in islice(rest, most):
            # no key of its own: another sweep on this scheduler may be making the same run
            future = client.submit(_done, source(), pickle.dumps((job, run)), pure=False)
            under_way[future] = run
            ended.add(future)

    submit(_UNDER_WAY)
    for future in ended:
        try:
            result = future.result()
        except KilledWorker as error:
            result = died(error.allowed_failures + 1)
        yield under_way.pop(future), result
        submit(1)


def _done(code: str, sealed: bytes) -> Package | Failure | None:
    """Make a run, on a worker; `sealed` is opened only by the code that sealed it.

    Raises
    ------
    ConfigError
        If the worker has other code.
    OSError
        If the run cannot be written, with its path.
    """
    if code != source():
        from distributed import get_worker

        raise ConfigError(
            f"worker {get_worker().address}: expected the model with source {code[:10]}, got {source()[:10]};"
            " install the same cowmodel there, and start that worker again"
        )
    job, run = pickle.loads(sealed)
    result: Package | Failure | None = job.done(run)
    return result
