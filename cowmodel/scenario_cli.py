"""The commands of `cowmodel scenario`: a text that says what processes do, on the model and on the kernel."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cowmodel.errors import ConfigError, CowmodelError, suggest

if TYPE_CHECKING:
    from cowmodel.live.compare import Comparison
    from cowmodel.scenario.fields import Row
    from cowmodel.scenario.setup import Setup
    from cowmodel.scenario.steps import Scenario

file_argument = click.argument("file", type=click.Path(path_type=Path))
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each step.")
settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change the model: policy.copy, kernel.era, machine.costs, machine.paging, machine.memory.",
)


@click.group
def scenario() -> None:
    """Play scenarios, texts that say what processes do, on the model and on the running kernel."""


@scenario.command
@file_argument
@as_json_option
@settings_option
def run(file: Path, as_json: bool, settings: tuple[str, ...]) -> None:
    """Play a scenario on the model.

    Example: cowmodel scenario run fork-tree.scn --set policy.copy=cow
    """
    from cowmodel.scenario.model import ModelStage
    from cowmodel.scenario.play import play

    read, machine = find_scenario(file), set_up(settings)
    _show(play(read, ModelStage(read, machine)), as_json)


@scenario.command
@file_argument
@as_json_option
def live(file: Path, as_json: bool) -> None:
    """Play a scenario on the running Linux kernel; as root, with all counts.

    Example: cowmodel scenario live fork-tree.scn --json
    """
    from cowmodel.live.processes import agent
    from cowmodel.live.stage import live

    read = find_scenario(file)
    with agent() as program, closing(live(read, program)) as rows:
        _show(rows, as_json)


@scenario.command
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE...]")
@settings_option
@click.option("--times", is_flag=True, help="Compare times instead, with those that prices predict.")
@click.pass_context
def compare(ctx: click.Context, files: Sequence[Path], settings: tuple[str, ...], times: bool) -> None:
    """Play scenarios on both and list every difference; all that ship, if none is named.

    Example: cowmodel scenario compare fork-tree.scn
    """
    from cowmodel.live.processes import agent
    from cowmodel.scenario.read import shipped
    from cowmodel.speed.running_kernel import CannotMeasure

    machine = set_up(settings)
    scenarios = [find_scenario(file) for file in files or shipped().values()]
    different = 0
    try:
        with agent() as program:
            if times:
                _compare_times(scenarios, program, machine)
                return
            for one in scenarios:
                different += _compared(one, program, machine)
    except CannotMeasure as reason:
        click.echo(f"skipped: {reason}", err=True)
    ctx.exit(min(different, 1))


@scenario.command
@click.option("--seed", type=int, default=0, show_default=True, help="Entropy of the scenarios.")
@click.option("--count", type=click.IntRange(1), default=100, show_default=True, help="Operations in all.")
@click.option("--backing", "backings", multiple=True, help="What regions are made of; all by default.")
@settings_option
@click.pass_context
def fuzz(
    ctx: click.Context, seed: int, count: int, backings: Sequence[str], settings: tuple[str, ...]
) -> None:
    """Play random scenarios on both; write the shortest that differs to a file.

    Example: cowmodel scenario fuzz --seed 1 --count 1000 --backing base
    """
    from cowmodel.live.author import BACKINGS
    from cowmodel.live.processes import agent
    from cowmodel.speed.running_kernel import CannotMeasure

    machine = set_up(settings)
    for wrong in [backing for backing in backings if backing not in BACKINGS]:
        raise ConfigError(suggest("--backing", wrong, BACKINGS))
    try:
        with agent() as program:
            different = [_fuzzed(seed, count, one, program, machine) for one in backings or BACKINGS]
    except CannotMeasure as reason:
        click.echo(f"skipped: {reason}", err=True)
        return
    ctx.exit(int(any(different)))


def _fuzzed(seed: int, count: int, backing: str, program: Path, machine: "Setup") -> bool:
    """Try scenarios up to so many operations; return whether one of them differed."""
    from cowmodel.live.fuzz import tried

    done = number = skipped = 0
    while done < count:
        found = tried(seed, number, backing, program, machine)
        if found.differences:
            file = Path(f"fuzz-{backing}-{seed}-{number}.scn")
            file.write_text(found.text, encoding="utf-8")
            click.echo("\n".join([f"{backing}: scenario {number} differs: {file}", *found.differences]))
            return True
        done, number, skipped = done + found.operations, number + 1, skipped + bool(found.not_modelled)
    click.echo(f"{backing}: {number} scenarios, {done} operations, {skipped} not modelled: no difference")
    return False


def _compared(one: "Scenario", program: Path, machine: "Setup") -> bool:
    """Compare a scenario, say what came of it, and return whether there was a difference."""
    from cowmodel.live.compare import compare
    from cowmodel.speed.running_kernel import CannotMeasure

    try:
        came = compare(one, program, machine)
    except CannotMeasure as reason:
        click.echo(f"{one.name}: skipped: {reason}")
        return False
    click.echo("\n".join([f"{one.name}: {_verdict(came)}", *(f"  {line}" for line in came.differences)]))
    return bool(came.differences)


def _compare_times(scenarios: Sequence["Scenario"], program: Path, machine: "Setup") -> None:
    """Print of each step what it took and should take, at the end how far off that is."""
    from cowmodel.live.prediction import summary, timed_and_predicted
    from cowmodel.speed.running_kernel import CannotMeasure

    found = []
    for one in scenarios:
        try:
            steps = timed_and_predicted(one, program, machine.costs)
        except CowmodelError as reason:
            told = "skipped" if isinstance(reason, CannotMeasure) else "not modelled"
            click.echo(f"{one.name}: {told}: {reason}")
            continue
        click.echo("\n".join([f"{one.name}:", *(f"  {step}" for step in steps)]))
        found += steps
    click.echo("\n".join(summary(found)))


def _verdict(came: "Comparison") -> str:
    if came.differences:
        return f"{len(came.differences)} differences in {came.steps} rows"
    if came.not_modelled:
        place = came.not_modelled.partition(": expected")[0]
        return f"{came.steps} rows as expected, on the running kernel only (not modelled: {place})"
    return f"{came.steps} rows agree"


def find_scenario(file: Path) -> "Scenario":
    """Read a scenario, by its path or by the name of one that ships; raise as `read_scenario` does."""
    from cowmodel.scenario.read import read_scenario, shipped

    return read_scenario(file if file.exists() else shipped().get(file.name, file))


def set_up(settings: Sequence[str]) -> "Setup":
    """Return the machine that settings describe; raise as `setup` does."""
    from cowmodel.experiment.document import parse_settings
    from cowmodel.scenario.setup import setup

    return setup(parse_settings(settings))


def _show(rows: Iterable["Row"], as_json: bool) -> None:
    """Print rows, also those before one at which a stage could not go on."""
    from cowmodel.scenario.table import table

    failed: list[CowmodelError] = []
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    click.echo(table(_until_failure(rows, failed)))
    if failed:
        raise failed[0]


def _until_failure(rows: Iterable["Row"], failed: list[CowmodelError]) -> Iterator["Row"]:
    """Yield rows; put the error that ends them into `failed`."""
    try:
        yield from rows
    except CowmodelError as problem:
        failed.append(problem)
