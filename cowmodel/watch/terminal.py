"""A step on a terminal: what it was and why, page tables as trees, frames, counts and price."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cowmodel.units import format_duration
from cowmodel.watch import words
from cowmodel.watch.snapshot import Snapshot, Space, Story
from cowmodel.watch.tree import Entries, Rest, Table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.tree import Tree as Branch

_STYLES = ("blue", "red", "green", "magenta", "cyan", "yellow")


def step(story: Story, place: int) -> "RenderableType":
    """Return what is shown of the step at a place of the story."""
    from rich.console import Group
    from rich.rule import Rule
    from rich.text import Text

    snapshot = story.snapshots[place]
    head = f"Step {snapshot.number} of {story.snapshots[-1].number}: {snapshot.line}"
    counts = "   ".join(f"{what} {count}" for what, count in words.counted(snapshot.counts).items())
    return Group(
        Rule(Text(head, style="bold"), align="left", characters="─"),
        *(Text(f"  {reason}", style="bold yellow") for reason in snapshot.why),
        "",
        *(_space(space, story.processes) for space in snapshot.spaces),
        _frames(snapshot, story.processes),
        "",
        Text(counts),
        _prices(snapshot),
    )


def _space(space: Space, processes: Sequence[str]) -> "Branch":
    from rich.text import Text
    from rich.tree import Tree as Branch

    style = _STYLES[processes.index(space.proc) % len(_STYLES)]
    head = f"{space.proc}  {words.tables(space)}"
    branch = Branch(Text(head, style=f"bold {style}"), guide_style=style)
    _grow(branch, space.root, space.root.level)
    return branch


def _grow(branch: "Branch", table: Table, top: int) -> None:
    """Put what is below a table below a branch."""
    from rich.text import Text

    for child in table.children:
        match child:
            case Table():
                label = f"{words.level_name(table.level, top)} {child.indexes}"
                _grow(branch.add(Text(f"{label}  {words.alike(child.count)}".rstrip())), child, top)
            case Entries():
                branch.add(Text(_entry(child, top), style="bold" if child.change else ""))
            case Rest():
                branch.add(Text(words.more(child)))


def _entry(entries: Entries, top: int) -> str:
    label = f"{words.level_name(entries.level, top)} {entries.indexes}"
    change = f"[{words.TAGS[entries.change]}]" if entries.change else ""
    said = (label, entries.bits, f"→ {words.frames(entries.frames)}", words.alike(entries.count), change)
    return "  ".join(text for text in (*said, *entries.notes) if text)


def _frames(snapshot: Snapshot, processes: Sequence[str]) -> "RenderableType":
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid.grid(padding=(0, 2))
    for box in snapshot.boxes:
        alone = len(box.mappers) == 1
        style = _STYLES[processes.index(box.mappers[0]) % len(_STYLES)] if alone else "bold"
        cells = words.numbers(box), words.content(box), words.shared_by(box)
        grid.add_row(*(Text(cell, style=style) for cell in cells))
    return grid


def _prices(snapshot: Snapshot) -> "RenderableType":
    from rich.table import Table as Grid

    grid = Grid.grid(padding=(0, 2))
    for justify in ("left", "right", "right", "left"):
        grid.add_column(justify=justify)
    grid.add_row("time", "", format_duration(snapshot.cost_ps), "")
    for what, count, time, share in words.priced(snapshot):
        grid.add_row(f"  {what}", count, time, "█" * round(20 * share))
    return grid
