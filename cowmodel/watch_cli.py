"""The command `cowmodel watch`: a scenario step by step, on a terminal or as a page."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cowmodel.errors import ConfigError
from cowmodel.scenario_cli import file_argument, find_scenario, set_up, settings_option

if TYPE_CHECKING:
    from cowmodel.watch.snapshot import Story

_KEYS: dict[str, Callable[[int, int], int]] = {
    **dict.fromkeys(("n", " ", "\r", "\x1b[C", "\x1b[B"), lambda place, last: min(place + 1, last)),
    **dict.fromkeys(("b", "\x7f", "\x1b[D", "\x1b[A"), lambda place, last: max(place - 1, 0)),
    **dict.fromkeys(("f", "\x1b[H", "\x1b[1~"), lambda place, last: 0),
    **dict.fromkeys(("l", "\x1b[F", "\x1b[4~"), lambda place, last: last),
}
"""By key, or what an arrow, Home or End sends, the place to go to."""
_QUIT = ("q", "\x1b")
_PLAIN_COLUMNS = 110


@click.command
@file_argument
@settings_option
@click.option("--costs", help="A preset, or the path of your own: the same as --set machine.costs=COSTS.")
@click.option("--step", "number", type=int, help="Show this step only.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page, which needs no network.")
def watch(
    file: Path, settings: tuple[str, ...], costs: str | None, number: int | None, page: Path | None
) -> None:
    """Show a scenario step by step: page tables, frames, what changed, why, and what it cost.

    Example: cowmodel watch a02-child-then-parent.scn --html copy-on-write.html
    """
    from cowmodel.watch.snapshot import watched

    if page and number is not None:
        raise ConfigError("--step: expected none with --html, a page of all steps, got one; leave one out")
    priced = (*settings, f"machine.costs={costs}") if costs else settings
    story = watched(find_scenario(file), set_up(priced), _rules(priced))
    if page:
        _write(page, story)
    elif number is not None:
        _print(story, [_place(story, number)])
    elif sys.stdin.isatty() and sys.stdout.isatty():
        _browse(story)
    else:
        _print(story, list(range(len(story.snapshots))))


def _rules(settings: tuple[str, ...]) -> str:
    """Return what differs from the usual model, for the head of a picture."""
    return ", ".join(settings) if settings else "the usual model: Linux 6.18, prices of vm-linux6.18"


def _place(story: "Story", number: int) -> int:
    numbers = [snapshot.number for snapshot in story.snapshots]
    if number not in numbers:
        raise ConfigError(f"--step: expected one of the steps {numbers[0]} to {numbers[-1]}, got {number}")
    return numbers.index(number)


def _write(page: Path, story: "Story") -> None:
    from cowmodel.watch.page import html

    try:
        page.write_text(html(story), encoding="utf-8")
    except OSError as problem:
        raise ConfigError(
            f"--html {page}: expected a file that can be written, got: {problem.strerror}; name another"
        ) from problem
    click.echo(f"written to {page}", err=True)


def _print(story: "Story", places: list[int]) -> None:
    """Print steps; where nobody watches without colours, and as wide as a page."""
    from rich.console import Console

    from cowmodel.watch.terminal import step

    console = Console(width=None if sys.stdout.isatty() else _PLAIN_COLUMNS, highlight=False)
    for place in places:
        console.print(step(story, place))


def _browse(story: "Story") -> None:
    """Show one step at a time, until somebody has seen enough."""
    from rich.console import Console

    from cowmodel.watch.terminal import step

    console, place, last = Console(highlight=False), 0, len(story.snapshots) - 1
    key = ""
    while key not in _QUIT:
        place = _KEYS[key](place, last) if key in _KEYS else place
        console.clear()
        console.print(step(story, place))
        console.print("n next  b back  f first  l last  q quit", style="reverse")
        key = click.getchar()
