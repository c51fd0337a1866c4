"""The command line: reads arguments, calls the program, shows what came of it.

Commands import what they need inside, so that ``--help`` answers at once. Exit codes: 0 done, 1 a
simulation failed, 2 a file, a command or a disk is wrong, 130 Ctrl-C.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cowmodel.calibrate_cli import calibrate
from cowmodel.campaign_cli import changes, clean, collect, results_folder, retry, show, status, sweep, typed
from cowmodel.errors import ConfigError, CowmodelError
from cowmodel.report_cli import report
from cowmodel.reproduce_cli import bundle, compare, reproduce
from cowmodel.scenario_cli import scenario
from cowmodel.watch_cli import watch

if TYPE_CHECKING:
    from cowmodel.experiment.bands import Bands
    from cowmodel.experiment.config import Configuration
    from cowmodel.experiment.run import Outcome

SHELVES = ("pagings", "policies", "eras", "costs", "workloads", "engines")


class Commands(click.Group):
    """Commands whose errors are a message and an exit code, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except CowmodelError as error:
            _fail(ctx, str(error), error.exit_code)
        except KeyboardInterrupt:
            _fail(ctx, "interrupted", 130)
        except BrokenPipeError:
            # Whoever read our output has enough of it; Python would complain when it closes stdout.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)
        except OSError as error:
            _fail(ctx, f"{error.filename or 'output'}: {error.strerror or error}", 2)
        return result


def _fail(ctx: click.Context, message: str, code: int) -> None:
    click.echo(message, err=True)
    ctx.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cowmodel")
def cli() -> None:
    """Tell what fork() with copy-on-write costs a workload, by page size and copy policy."""


@cli.command
@click.argument("config", type=click.Path(path_type=Path))
@changes
@click.option("--seed", type=click.IntRange(min=0), help="The same as --set run.seed=N.")
@click.option(
    "--draws",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How often to run again with prices as they may be as well, for the bands behind times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the run to this folder.")
@click.option(
    "--timeline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also draw the run, for ui.perfetto.dev: .json or .json.gz; with --set run.record_faults=true.",
)
def run(
    config: Path,
    settings: tuple[str, ...],
    seed: int | None,
    draws: int,
    as_json: bool,
    out: Path | None,
    timeline: Path | None,
) -> None:
    """Run one configuration and print its summary.

    Behind a time, in brackets, stands where it lies in 90 % of cases, if prices have intervals.

    Example: cowmodel run configs/snapshot-server.toml --set policy.copy=eager
    """
    from cowmodel.experiment.bands import find_bands
    from cowmodel.experiment.config import load
    from cowmodel.experiment.run import simulate

    changed = settings if seed is None else (*settings, f"run.seed={seed}")
    if timeline:
        from cowmodel.report.trace_events import check_path

        check_path(timeline)
        changed = *changed, "run.record_faults=true"
    configuration = load(config, changed)
    outcome = simulate(configuration, 0)
    bands = find_bands(configuration, 0, outcome.summary, draws)
    folder = _written(out, configuration, draws, outcome, bands) if out else None
    if timeline:
        _draw_timeline(timeline, configuration, outcome)
    _show(str(config), configuration.document, outcome.summary, bands, as_json)
    for place in filter(None, (folder, timeline)):
        click.echo(f"written to {place}", err=True)


def _draw_timeline(path: Path, configuration: "Configuration", outcome: "Outcome") -> None:
    from cowmodel.experiment.run import priced
    from cowmodel.report.timeline import timeline
    from cowmodel.report.trace_events import write

    write(path, timeline(outcome.tables, priced(configuration), configuration.machine.memory))


def _written(
    out: Path, configuration: "Configuration", draws: int, outcome: "Outcome", bands: "Bands"
) -> Path:
    """Write a run to a folder in `out`, and return it."""
    from cowmodel.campaign.recipe import Recipe, run_of
    from cowmodel.campaign.store import commit

    recipe = Recipe(configuration.document, Path(), draws, tuple(outcome.tables), command=typed())
    name = run_of(recipe.key(configuration), {}, 0).name
    commit(out, name, recipe.packed(configuration, 0, outcome, bands, {}))
    return out / name


def _show(
    title: str, document: dict[str, Any], summary: dict[str, Any], bands: "Bands", as_json: bool
) -> None:
    if as_json:
        from cowmodel.experiment.document import readable_json
        from cowmodel.experiment.provenance import version

        whole = {
            "configuration": document,
            "summary": summary,
            "bands": bands._asdict(),
            "version": version(),
        }
        click.echo(readable_json(whole), nl=False)
        return
    from cowmodel.report.summary import HEADLINES, summary_rows

    click.echo(title)
    for number, (label, value) in enumerate(summary_rows(summary, bands.times)):
        click.secho(f" {label:<40} {value}", bold=number < len(HEADLINES))
    click.echo(f" {'bands':<40} {bands.note}")


@cli.command
@click.argument("experiment")
@click.option(
    "--format",
    "formats",
    type=click.Choice(("pdf", "svg", "png")),
    multiple=True,
    default=("pdf", "svg", "png"),
    show_default=True,
    help="Of the files; may be repeated.",
)
@click.option("--size", metavar="column|page|WxH", help="Of the paper, WxH in inches; else the figure's own.")
@results_folder
def figure(experiment: str, formats: tuple[str, ...], size: str | None, results: Path) -> None:
    """Draw the figure of an experiment from its tables on disk.

    Example: cowmodel figure fork-latency --format pdf --size column
    """
    from cowmodel.campaign.experiment import find
    from cowmodel.report.draw import draw

    folder = find(experiment)
    for path in draw(folder, results / folder.resolve().name, formats, size):
        click.echo(path)


@cli.command("list")
@click.argument("shelf", type=click.Choice(SHELVES), required=False)
def list_names(shelf: str | None) -> None:
    """List the names that a configuration may use.

    Example: cowmodel list policies
    """
    from cowmodel import catalog
    from cowmodel.report.shelf import described

    for title in [shelf] if shelf else SHELVES:
        names: dict[str, Any] = getattr(catalog, title.upper())
        if not shelf:
            click.echo(f"{title}:")
        for name, thing in names.items():
            click.echo(f"  {name:<24} {described(thing)}".rstrip())


@cli.command
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
def check(files: Sequence[Path]) -> None:
    """Check configurations, experiments and traces, and tell all that is wrong.

    Example: cowmodel check configs/*.toml experiments/* configs/traces/*.gz
    """
    from cowmodel.campaign.recognise import describe

    wrong = []
    for file in files:
        try:
            click.echo(f"{file}: {describe(file)}")
        except ConfigError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError("\n".join(wrong))


@cli.command
@click.argument("kind", type=click.Choice(["configuration", "experiment"]), default="configuration")
def schema(kind: str) -> None:
    """Print the JSON Schema of a configuration or of an experiment.toml, with which editors complete keys.

    Example: cowmodel schema configuration
    """
    from cowmodel.campaign.file import ExperimentFile, Measurement
    from cowmodel.experiment.document import readable_json
    from cowmodel.experiment.schema import configuration_schema, schema_of

    found = configuration_schema() if kind == "configuration" else schema_of(ExperimentFile, Measurement)
    click.echo(readable_json(found), nl=False)


COMMANDS = (
    sweep,
    status,
    retry,
    collect,
    clean,
    show,
    reproduce,
    bundle,
    compare,
    report,
    scenario,
    watch,
    calibrate,
)
for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    # Nothing here multiplies matrices; starting threads for it would take a small run's third.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    cli()
