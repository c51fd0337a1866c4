"""The command `cowmodel calibrate`: find out what this machine costs, and write it down as a preset."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cowmodel.errors import ConfigError

if TYPE_CHECKING:
    from cowmodel.live.calibrate import Calibration

_MOST_LINES = 10  # that tell how far it is, where there is no terminal


@click.command
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("this-machine.toml"),
    show_default=True,
    metavar="NAME.toml",
    help="The preset to write, with what was measured beside it as NAME.csv.",
)
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True, help="More are surer.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option(
    "--show",
    type=click.Path(path_type=Path),
    metavar="NAME.toml",
    help="Measure nothing; draw what was measured for this preset, and what its prices make of it.",
)
def calibrate(out: Path, rounds: int, force: bool, show: Path | None) -> None:
    """Measure this machine, a minute or two, and write a preset with its prices; as root, with all.

    Example: cowmodel calibrate --out this-machine.toml
    """
    if show:
        _show(show)
        return
    from cowmodel.speed.running_kernel import CannotMeasure

    _check(out, force)
    try:
        found = _measured(rounds)
    except CannotMeasure as reason:
        click.echo(f"skipped: {reason}", err=True)
        return
    _write(out, found, rounds)
    _tell(out, found)


def _check(out: Path, force: bool) -> None:
    """Refuse what cannot be written, before anything is measured."""
    if out.suffix != ".toml":
        raise ConfigError(f"--out: expected a name that ends in .toml, got {str(out)!r}")
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"--out: expected a folder that is there, got {str(out.parent)!r}; make it first")
    for file in (out, out.with_suffix(".csv")):
        if file.exists() and not force:
            raise ConfigError(f"{file}: expected no such file, got one; give another --out, or --force")


def _measured(rounds: int) -> "Calibration":
    from cowmodel.live.benchmarks import benchmarks
    from cowmodel.live.calibrate import calibrate
    from cowmodel.live.processes import agent

    with agent() as program, _progress(rounds * len(list(benchmarks()))) as told:
        return calibrate(program, rounds, told)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Give a function to call after each of `total` plays: a bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield _in_lines(total)
        return
    with click.progressbar(length=total, label="measuring", file=sys.stderr) as bar:
        yield lambda: bar.update(1)


def _in_lines(total: int) -> Callable[[], None]:
    done = 0

    def told() -> None:
        nonlocal done
        done += 1
        if done * _MOST_LINES // total > (done - 1) * _MOST_LINES // total:
            click.echo(f"{done} of {total} benchmarks played", err=True)

    return told


def _write(out: Path, found: "Calibration", rounds: int) -> None:
    """Write both files; a failure leaves no half of one."""
    from cowmodel.cost.written import write_preset
    from cowmodel.experiment.replacing import replacing
    from cowmodel.live.calibrate import machine

    with replacing(out.with_suffix(".csv")) as table, replacing(out) as preset:
        unfinished = table.with_name(preset.name)
        write_preset(unfinished, machine(), rounds, found.fit, found.drift)
        unfinished.replace(preset)


def _tell(out: Path, found: "Calibration") -> None:
    from cowmodel.cost.preset import load_preset
    from cowmodel.live.account import account
    from cowmodel.live.calibrate import guest

    for line in account(found, load_preset(out), guest(), os.geteuid() == 0):
        click.echo(line)
    click.echo(f"written to {out} and {out.with_suffix('.csv')}", err=True)


def _show(preset: Path) -> None:
    from cowmodel.report.calibration import show

    for path in show(preset):
        click.echo(path)
