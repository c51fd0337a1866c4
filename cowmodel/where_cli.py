"""The options that say where runs are made, and what they mean."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cowmodel.errors import ConfigError

if TYPE_CHECKING:
    from cowmodel.campaign.executors import Executor
    from cowmodel.campaign.experiment import Experiment
    from cowmodel.campaign.store import Store
    from cowmodel.campaign.work import Job

Command = Callable[..., Any]


def running(command: Command) -> Command:
    """Give a command the options that say where runs are made."""
    options = [
        click.option(
            "--executor",
            type=click.Choice(["serial", "local", "dask"]),
            help="Where runs are made; local unless a scheduler is named.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            default=lambda: len(os.sched_getaffinity(0)),
            show_default="cores",
            help="Processes that make runs on this machine.",
        ),
        click.option(
            "--scheduler", metavar="ADDRESS", help="Of a Dask scheduler, such as tcp://127.0.0.1:8786."
        ),
        click.option(
            "--scheduler-file", type=click.Path(path_type=Path), help="What `dask scheduler` has written."
        ),
        click.option(
            "--tls",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder with ca.pem, cert.pem and key.pem, for a scheduler at tls://.",
        ),
        click.option(
            "--shared", is_flag=True, help="Workers of a scheduler write to the folder of results themselves."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


class Where:
    """Where runs are made, as the options say."""

    def __init__(
        self,
        executor: str | None,
        workers: int,
        scheduler: str | None,
        scheduler_file: Path | None,
        tls: Path | None,
        shared: bool,
    ) -> None:
        self.dask = executor == "dask" or bool(scheduler or scheduler_file)
        if self.dask and executor not in (None, "dask"):
            raise ConfigError(f"--executor {executor}: expected dask with a scheduler; leave one of them out")
        self._serial = executor == "serial" or (executor is None and workers == 1)
        self._words = scheduler, scheduler_file, tls, workers
        self.shared = shared

    def executor(self, runs: int) -> "Executor":
        """Return what makes runs."""
        if self.dask:
            from cowmodel.campaign.executors.cluster import Cluster
            from cowmodel.campaign.executors.distributed import distributed

            return partial(distributed, Cluster(*self._words))
        if self._serial:
            from cowmodel.campaign.executors import serial

            return serial
        from cowmodel.campaign.executors.local import local

        return partial(local, max(1, min(self._words[-1], runs)))

    def job(self, experiment: "Experiment", store: "Store") -> "Job":
        """Return what a worker is told."""
        from cowmodel.campaign.work import Job

        by_workers = self.shared or not self.dask
        limits = experiment.file.limits.limits()
        return Job(experiment.recipe, limits, store.runs.resolve() if by_workers else None)
