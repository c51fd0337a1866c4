"""Runs on a cluster of Dask: by a scheduler that is there already, or by one for this sweep alone.

A scheduler without TLS runs whatever anybody sends to it. The one that is started here listens on the
loopback interface alone; what is between machines wants ``tls://`` and certificates.

Workers need the same code. Those that ``dask worker --nthreads 1 --preload cowmodel.campaign.warm`` starts
have loaded and run everything before the first run; with more threads, limits of one run would hit another.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cowmodel.campaign.executors import PRELOADED, Ended, died
from cowmodel.campaign.recipe import Package, Run
from cowmodel.campaign.store import Failure
from cowmodel.campaign.work import Job
from cowmodel.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Client, Future, Security

_AHEAD = 4
_PATIENCE_S = 30
"""How long a scheduler may take to answer, and how long it may have no worker."""
_CERTIFICATES = ("ca.pem", "cert.pem", "key.pem")


class Cluster(NamedTuple):
    """Where the scheduler is; with neither address nor file, one is started on this machine.

    Attributes
    ----------
    address : str or None
        Such as ``tcp://127.0.0.1:8786``.
    scheduler_file : Path or None
        What ``dask scheduler --scheduler-file`` has written.
    tls : Path or None
        A folder with ``ca.pem``, ``cert.pem`` and ``key.pem``.
    workers : int
        Processes, of a scheduler that is started here.
    """

    address: str | None = None
    scheduler_file: Path | None = None
    tls: Path | None = None
    workers: int = 1


def distributed(cluster: Cluster, job: Job, runs: Iterable[Run]) -> Ended:
    """Make runs on a cluster.

    Raises
    ------
    ConfigError
        If the package `distributed` is not installed, there is no scheduler, or it has no workers, or ends.
    """
    with _client(cluster) as client:
        try:
            yield from _made(client, job, iter(runs))
        except CancelledError as error:
            where = client.scheduler.address if client.scheduler else "there"
            raise ConfigError(
                f"scheduler: expected one at {where} until the end, and it is gone: "
                "what is finished is kept; start it again, and the same command goes on"
            ) from error


def _made(client: "Client", job: Job, rest: Iterator[Run]) -> Ended:
    """Keep the workers busy; a run whose worker dies goes to another until the scheduler gives it up."""
    from dask import config
    from distributed import KilledWorker, as_completed

    attempts = config.get("distributed.scheduler.allowed-failures") + 1
    under_way: dict[Future[Package | Failure | None], Run] = {}
    ended = as_completed(loop=client.loop)

    def submit(most: int) -> None:
        for run in islice(rest, most):
            future = client.submit(job.done, run, key=run.name, pure=False)
            under_way[future] = run
            ended.add(future)

    submit(_AHEAD * sum(client.nthreads().values()))
    for future in ended:
        try:
            result = future.result()
        except KilledWorker:
            result = died(attempts)
        yield under_way.pop(future), result
        submit(1)


@contextmanager
def _client(cluster: Cluster) -> Iterator["Client"]:
    """Give a client of the cluster, which has at least one worker."""
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError("executor dask: it needs Dask; install 'cowmodel[distributed]'") from None
    with _scheduler(cluster) as where:
        try:
            client = Client(
                **where, timeout=_PATIENCE_S, set_as_default=False, security=_security(cluster.tls)
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"scheduler: expected one that answers at {where}, got {error}: "
                "start it with `dask scheduler`, or say --executor dask alone for one of this sweep's own"
            ) from error
        with client:
            try:
                client.wait_for_workers(1, timeout=_PATIENCE_S)
            except TimeoutError:
                raise ConfigError(
                    f"scheduler: expected a worker within {_PATIENCE_S} s, got none; start `dask worker`"
                ) from None
            yield client


@contextmanager
def _scheduler(cluster: Cluster) -> Iterator[dict[str, object]]:
    """Give the words by which a client finds the scheduler, and end it with us if it is ours."""
    from distributed import LocalCluster

    if cluster.scheduler_file:
        if not cluster.scheduler_file.is_file():
            raise ConfigError(
                f"--scheduler-file: no file {str(cluster.scheduler_file)!r}; `dask scheduler` writes it"
            )
        yield {"scheduler_file": str(cluster.scheduler_file)}
    elif cluster.address:
        yield {"address": cluster.address}
    else:
        with LocalCluster(
            n_workers=cluster.workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            preload=[PRELOADED],
        ) as own:
            yield {"address": own.scheduler_address}


def _security(tls: Path | None) -> "Security | None":
    """Return the certificates in a folder."""
    if tls is None:
        return None
    if missing := [name for name in _CERTIFICATES if not (tls / name).is_file()]:
        raise ConfigError(
            f"--tls: expected ca.pem, cert.pem and key.pem in {str(tls)!r}, no {missing[0]} is there"
        )
    from distributed import Security

    ca, certificate, key = (str(tls / name) for name in _CERTIFICATES)
    return Security(
        tls_ca_file=ca,
        tls_client_cert=certificate,
        tls_client_key=key,
        require_encryption=True,
    )
