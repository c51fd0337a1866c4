"""The way to a cluster of Dask: to a scheduler that is there already, or to one for this sweep alone.

A scheduler without TLS runs whatever anybody sends to it. The one that is started here listens on the
loopback interface alone; what is between machines wants ``tls://`` and certificates.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cowmodel.campaign.executors import ATTEMPTS, PRELOADED
from cowmodel.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Client, Security

_PATIENCE_S = 30
"""How long a scheduler may take to answer, and how long the first worker may take to come."""
_CERTIFICATES = ("ca.pem", "cert.pem", "key.pem")
_OF_OUR_OWN = {
    # one run at a time with each worker: no other is blamed for its death
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,
}
"""What a scheduler that is started here does otherwise than Dask's."""


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


@contextmanager
def client_of(cluster: Cluster) -> Iterator["Client"]:
    """Give a client of a cluster that has at least one worker.

    Raises
    ------
    ConfigError
        If the package `distributed` is not installed, there is no scheduler, it wants or has no
        certificates, or it has no workers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError("executor dask: it needs Dask; install 'cowmodel[distributed]'") from None
    security = _security(cluster.tls)
    with _silence(), _scheduler(cluster) as where:
        try:
            client = Client(**where, timeout=_PATIENCE_S, set_as_default=False, security=security)
        # TypeError: an address at tls:// and no certificates
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"scheduler: expected one that answers at {' '.join(where.values())}, got {error}: start it "
                "with `dask scheduler`, name the folder of its certificates with --tls if it is at tls://, "
                "or say --executor dask alone for one of this sweep's own"
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
def _silence() -> Iterator[None]:
    """Keep Dask's log off the terminal: what of it matters to a sweep is said in our words."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _scheduler(cluster: Cluster) -> Iterator[dict[str, str]]:
    """Give the words by which a client finds the scheduler, and end it with us if it is ours."""
    from dask import config
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
        own = {
            "n_workers": cluster.workers,
            "threads_per_worker": 1,
            "host": "127.0.0.1",
            "dashboard_address": None,
            "preload": [PRELOADED],
            "silence_logs": logging.CRITICAL,
        }
        with config.set(_OF_OUR_OWN), LocalCluster(**own) as cluster_here:
            yield {"address": cluster_here.scheduler_address}


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
