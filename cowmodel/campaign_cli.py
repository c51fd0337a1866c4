"""Commands about campaigns: sweep, and what comes before and after it."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cowmodel.errors import ConfigError, SimulationError
from cowmodel.where_cli import Where, running

if TYPE_CHECKING:
    from cowmodel.campaign.plan import Plan
    from cowmodel.campaign.store import Failure, Store

_MOST_FAILURES = 20

changes = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change a value of the configuration, such as policy.copy=eager; may be repeated.",
)
results_folder = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder of the results of all experiments.",
)
only_some = click.option(
    "--only", default="", metavar="CONDITION", help="Points alone that meet it, such as 'machine.cores <= 2'."
)


@click.command
@click.argument("experiment")
@changes
@only_some
@click.option(
    "--dry-run", is_flag=True, help="Tell how many runs there would be, how long, how large; make none."
)
@running
@results_folder
def sweep(
    experiment: str,
    settings: tuple[str, ...],
    only: str,
    dry_run: bool,
    results: Path,
    **where: Any,
) -> None:
    """Make the runs of an experiment that are missing, and collect all as tables.

    Runs that failed before stay failed: `cowmodel retry` makes them again.

    Example: cowmodel sweep fork-latency --workers 2
    """
    plan, store = opened(experiment, settings, only, results)
    if dry_run:
        return _estimate(plan, store, Where(**where))
    with store.alone(plan.experiment.name):
        _sweep(plan, store, Where(**where))
    return None


@click.command
@click.argument("experiment")
@changes
@only_some
@running
@results_folder
def retry(experiment: str, settings: tuple[str, ...], only: str, results: Path, **where: Any) -> None:
    """Make the runs of an experiment again that failed, and those that are missing.

    Example: cowmodel retry fork-latency
    """
    plan, store = opened(experiment, settings, only, results)
    with store.alone(plan.experiment.name):
        store.forget(set(store.failures()) & {run.name for _, run in plan.runs()})
        _sweep(plan, store, Where(**where))


@click.command
@click.argument("experiment")
@changes
@results_folder
def status(experiment: str, settings: tuple[str, ...], results: Path) -> None:
    """Tell which runs of an experiment are finished, failed or missing, and what else is there.

    Example: cowmodel status fork-latency
    """
    from cowmodel.campaign.census import census, told

    plan, store = opened(experiment, settings, "", results)
    for line in told(census(plan, store)):
        click.echo(line)


@click.command
@click.argument("experiment")
@changes
@results_folder
def collect(experiment: str, settings: tuple[str, ...], results: Path) -> None:
    """Write the tables of the runs that are finished.

    Example: cowmodel collect fork-latency
    """
    plan, store = opened(experiment, settings, "", results)
    with store.alone(plan.experiment.name):
        _collected(plan, store)


@click.command
@click.argument("experiment")
@changes
@results_folder
@click.option("--yes", is_flag=True, help="Remove them; without it they are listed only.")
def clean(experiment: str, settings: tuple[str, ...], results: Path, yes: bool) -> None:
    """Remove runs that the experiment does not want any more, and what is known of failed ones.

    Example: cowmodel clean fork-latency --yes
    """
    from cowmodel.campaign.census import census

    plan, store = opened(experiment, settings, "", results)
    with store.alone(plan.experiment.name):
        unwanted = [name for names in census(plan, store).others.values() for name in names]
        failed = sorted(store.failures())
        for name in (*unwanted, *failed):
            click.echo(f"{'removed' if yes else 'would remove'} {name}")
        if yes:
            store.forget([*unwanted, *failed])


@click.command
@click.argument("file")
@changes
def show(file: str, settings: tuple[str, ...]) -> None:
    """Show the configuration that a file leads to, or the points of an experiment, each by its difference.

    Example: cowmodel show configs/redis-bgsave.toml --set policy.copy=eager
    """
    from cowmodel.campaign.show import shown

    for line in shown(file, settings):
        click.echo(line)


def typed() -> str:
    """Return what the user has typed."""
    return shlex.join(["cowmodel", *sys.argv[1:]])


def opened(experiment: str, settings: tuple[str, ...], only: str, results: Path) -> "tuple[Plan, Store]":
    """Read an experiment, and open its results."""
    from cowmodel.campaign.experiment import find, read_experiment
    from cowmodel.campaign.plan import Plan
    from cowmodel.campaign.store import Store

    asked = read_experiment(find(experiment), settings, typed())
    store = Store(results / asked.name)
    store.check()
    return Plan(asked, store, only), store


def _sweep(plan: "Plan", store: "Store", where: Where) -> None:
    """Make what is missing, collect, show what came of it, and say at the end what failed."""
    failures = completed(plan, store, where)
    if len(failures) < sum(1 for _ in plan.runs()):
        _collected(plan, store)
    if failures:
        raise SimulationError(told(failures, plan, store))


@contextmanager
def _kept() -> Iterator[None]:
    """Say of a file that cannot be written, as on a full disk, what then."""
    try:
        yield
    except OSError as error:
        if error.filename is None:  # our output, which somebody has closed
            raise
        raise ConfigError(
            f"{error.filename}: {error.strerror}; what is finished is kept: the same command goes on"
        ) from error


@_kept()
def completed(plan: "Plan", store: "Store", where: Where) -> "list[tuple[str, Failure]]":
    """Make what is missing, showing how far it is, and return what failed.

    Raises
    ------
    ConfigError
        If a run cannot be written, or the executor ends.
    """
    from cowmodel.campaign.census import census

    name, before = plan.experiment.name, census(plan, store)
    failed_before = f", {len(before.failed)} failed before (`cowmodel retry {name}`)" if before.failed else ""
    click.echo(f"{name}: {before.wanted} runs, {before.finished} finished before{failed_before}", err=True)
    try:
        return _made(plan, store, where, before.missing)
    except KeyboardInterrupt:
        now = census(plan, store)
        done = f"{now.finished} of {now.wanted} runs are finished"
        click.echo(f"interrupted: {done}; the same command goes on", err=True)
        raise click.exceptions.Exit(130) from None


def told(failures: "list[tuple[str, Failure]]", plan: "Plan", store: "Store") -> str:
    """Say what failed, a line a run."""
    total = sum(1 for _ in plan.runs())
    lines = [f"  {run}: {failure.message} ({failure.kind})" for run, failure in failures[:_MOST_FAILURES]]
    if len(failures) > _MOST_FAILURES:
        lines.append(f"  ... and {len(failures) - _MOST_FAILURES} more in {store.failed}")
    return "\n".join([f"{len(failures)} of {total} runs failed:", *lines])


def _made(plan: "Plan", store: "Store", where: Where, missing: int) -> list[tuple[str, "Failure"]]:
    """Make runs, showing how far it is, and return those that failed."""
    from cowmodel.campaign.sweep import sweep as sweeping
    from cowmodel.progress import Progress

    failures: list[tuple[str, Failure]] = []
    if not missing:
        return failures
    with Progress(sys.stderr) as progress:
        ended = sweeping(
            plan, store, where.executor(missing), where.job(plan.experiment, store), progress.more
        )
        for run, failure in ended:
            progress.one(failure is not None)
            if failure:
                failures.append((str(run), failure))
    return failures


@_kept()
def _collected(plan: "Plan", store: "Store") -> None:
    """Write the tables, name them, and show the headlines."""
    from cowmodel.campaign.collect import collect as collecting
    from cowmodel.report.summary import headlines

    for path in collecting(plan, store):
        click.echo(path)
    import pandas as pd

    if not (runs := pd.read_parquet(store.folder / "summary.parquet")).empty:
        click.echo(headlines(runs))
    for warning in _warnings(plan):
        click.echo(warning, err=True)


def _warnings(plan: "Plan") -> Iterator[str]:
    """Go through what to say about metrics of too few replications; of one, nobody takes an interval."""
    from cowmodel.campaign.statistics import few

    n = plan.experiment.file.replications
    for share in (None, *plan.experiment.file.quantiles) if n > 1 else ():
        if told := few(n, share):
            yield f"warning: {told}"


def _estimate(plan: "Plan", store: "Store", where: Where) -> None:
    """Tell what a sweep would take, from runs that are finished, or from a pilot run."""
    from cowmodel.campaign.estimate import estimated

    for line in estimated(plan, store, where.executor(1), where.job(plan.experiment, store)):
        click.echo(line)
