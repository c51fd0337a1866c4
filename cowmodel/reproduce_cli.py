"""Commands that make results again, check what they are claimed to say, compare, and pack them."""

from pathlib import Path
from typing import Any

import click

from cowmodel.campaign_cli import completed, opened, results_folder, told
from cowmodel.errors import ConfigError, CowmodelError, SimulationError
from cowmodel.where_cli import Where, running


@click.command
@click.argument("experiments", nargs=-1)
@running
@results_folder
def reproduce(experiments: tuple[str, ...], results: Path, **where: Any) -> None:
    """Make every experiment, draw every figure, and check every claim; of some experiments, if named.

    What is measured and not simulated is not measured again: its figure is drawn, and its claims are checked,
    from the tables that are there.

    Example: cowmodel reproduce break-even fork-latency
    """
    from cowmodel.campaign.experiment import find, names_in

    names = experiments or names_in(Path("experiments"))
    if not names:
        raise ConfigError("experiments: no experiment here; run this where the folder experiments is")
    wrong = []
    for name in names:
        try:
            wrong += _reproduced(find(name), results, Where(**where))
        except CowmodelError as problem:
            click.echo(f"  {problem}")
            wrong.append(name)
    if wrong:
        raise SimulationError(f"{len(wrong)} not as claimed: " + "; ".join(wrong))


def _reproduced(folder: Path, results: Path, where: Where) -> list[str]:
    """Make one experiment again, and return what is not as it claims."""
    from cowmodel.campaign.collect import collect
    from cowmodel.campaign.experiment import read_file
    from cowmodel.campaign.file import Measurement
    from cowmodel.report.draw import draw
    from cowmodel.report.sources import check_claims

    name = folder.resolve().name
    click.echo(name)
    if isinstance(file := read_file(folder), Measurement):
        click.echo(f"  not measured again; `{file.command}` does")
    else:
        plan, store = opened(str(folder), (), "", results)
        with store.alone(name):
            failures = completed(plan, store, where)
            collect(plan, store)
        if failures:
            raise SimulationError(told(failures, plan, store))
    for path in draw(folder, results / name):
        click.echo(f"  drawn: {path}")
    checked = check_claims(folder, results / name)
    for one in checked:
        click.echo(f"  {one}")
    return [f"{name}: {one.claim.says}" for one in checked if not one.holds]


@click.command
@click.argument("experiment")
@results_folder
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The archive; NAME.zip by default."
)
def bundle(experiment: str, results: Path, out: Path | None) -> None:
    """Pack an experiment, its tables and its figures into one archive from which others make it again.

    Example: cowmodel bundle break-even
    """
    from cowmodel.campaign.experiment import find
    from cowmodel.report.bundle import bundle as pack

    folder = find(experiment)
    name = folder.resolve().name
    click.echo(pack(folder, results / name, out or Path(f"{name}.zip")))


@click.command
@click.argument("experiment")
@click.argument("path")
@click.argument("metric")
@results_folder
def compare(experiment: str, path: str, metric: str, results: Path) -> None:
    """Compare what a path is varied over, such as policy.copy, replication by replication.

    Example: cowmodel compare request-latency policy.copy fork_us.mean
    """
    from cowmodel.campaign.results import open_results

    table = open_results(results / Path(experiment).name).compare(path, metric)
    click.echo(
        table.to_string(index=False) if len(table) else f"{path} has one value alone; nothing to compare"
    )
