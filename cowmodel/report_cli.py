"""The command that writes reports."""

from pathlib import Path

import click

from cowmodel.campaign_cli import changes, results_folder
from cowmodel.errors import ConfigError


@click.command
@click.argument("experiment", required=False)
@changes
@results_folder
@click.option("--out", type=click.Path(path_type=Path), help="The file; results/NAME/report.html by default.")
@click.option(
    "--multi",
    type=click.Path(path_type=Path, file_okay=False),
    help="Report all experiments that have results in this folder, with an index.html there.",
)
def report(
    experiment: str | None, settings: tuple[str, ...], results: Path, out: Path | None, multi: Path | None
) -> None:
    """Write an HTML file about an experiment: figures, tables, and the memory of one of its runs.

    It is complete in itself, works without a network, and without JavaScript.

    Example: cowmodel report fork-latency
    """
    if (experiment is None) == (multi is None):
        raise ConfigError("report: expected the name of an experiment, or --multi FOLDER; give one of them")
    if experiment:
        click.echo(_one(experiment, results, settings, out))
        return
    assert multi
    if out or settings:
        raise ConfigError("report: --out and --set are about one experiment; leave them out with --multi")
    _all(multi)


def _one(experiment: str, results: Path, settings: tuple[str, ...], out: Path | None) -> Path:
    from cowmodel.campaign.experiment import find
    from cowmodel.report.html.findings import find as findings
    from cowmodel.report.html.page import page, write

    folder = find(experiment)
    own = results / folder.resolve().name
    return write(out or own / "report.html", page(findings(folder, own, settings)))


def _all(results: Path) -> None:
    """Report each experiment that has results; tell at the end what could not be reported."""
    from cowmodel.report.html.index import report_all

    wrong = []
    for path, problem in report_all(results):
        if problem:
            wrong.append(problem)
        else:
            click.echo(path)
    if wrong:
        raise ConfigError("\n".join(wrong))
