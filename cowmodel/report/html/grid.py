"""Tables for people: cells as they are read, and beside them the number that they are sorted by."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cowmodel.report.html.axis import size_of, told, written

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS = 2000


class Cell(NamedTuple):
    """What is read, what it is sorted by (None: by what is read), and whether it was measured."""

    text: str
    number: float | None = None
    measured: bool = False


class Grid(NamedTuple):
    """A table; `omitted` rows are in `file` alone."""

    caption: str
    header: list[str]
    rows: list[list[Cell]]
    file: str = ""
    omitted: int = 0


def plain(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Grid:
    """Make a table of values as they are in a configuration."""
    cells = [[_value(value) for value in row] for row in rows]
    return Grid(caption, list(header), cells[:_MOST_ROWS], omitted=max(0, len(cells) - _MOST_ROWS))


def frame(caption: str, file: str, table: "pd.DataFrame", paths: Sequence[str] = ()) -> Grid:
    """Make a table of the rows of a file.

    Parameters
    ----------
    paths : sequence of str
        Columns of values of a configuration; others are numbers, with the unit that the name of the column
        tells, or in statistics that of the metric.
    """
    names = [str(name) for name in table]
    rows = [
        [_value(row[name]) if name in paths else _number(name, row) for name in names]
        for row in table.head(_MOST_ROWS).to_dict("records")
    ]
    return Grid(caption, names, rows, file, max(0, len(table) - _MOST_ROWS))


def _value(value: Any) -> Cell:
    return Cell(written(value), size_of(value)[0])


def _number(name: str, row: dict[Any, Any]) -> Cell:
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(written(value))
    if value != value:
        return Cell("–")
    # whole numbers count runs, whatever metric the row is about
    meaning = str(row.get("metric", name)) if isinstance(value, float) else name
    return Cell(told(meaning, value), float(value), measured=True)
