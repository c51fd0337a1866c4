"""The numbers that a figure shows, read from what is drawn: also what its code computed or quotes.

A row a vertex::

    panel  series  mark      piece  x_axis                y_axis     x    y
    1      eager   line          0  written pages [%]     fork [ms]  5    3.4
    1              interval      0  ...                              5    3.1     from here
    1              interval      0  ...                              5    3.6     to here

The tables that a figure is drawn from lie beside it already; of what it shows they are only a part.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

_DIGITS = "%.10g"  # sums differ in the last of 17 from machine to machine


class Vertex(NamedTuple):
    """One row; `piece` counts bars, intervals and bands of a series; `x` or `y` is empty along an axis."""

    panel: str
    series: str
    mark: str
    piece: int
    x_axis: str
    y_axis: str
    x: object
    y: object


def plotted(figure: Figure) -> str:
    """Return as CSV what lines, bars, intervals and bands of a figure show; not its words and pictures."""
    rows = [
        Vertex(_name(number, axes), series, mark, piece, axes.get_xlabel(), axes.get_ylabel(), x, y)
        for number, axes in enumerate(figure.axes, start=1)
        for series, mark, piece, points in _marks(axes)
        for x, y in points
    ]
    table = pd.DataFrame(rows, columns=Vertex._fields)
    return table.to_csv(index=False, lineterminator="\n", float_format=_DIGITS)


def _name(number: int, axes: Axes) -> str:
    return f"{number} {axes.get_title()}".strip()


def _marks(axes: Axes) -> Iterator[tuple[str, str, int, Any]]:
    """Yield series, kind and points of each mark, the series of an interval being that of its line."""
    labels, caps = _of_errorbars(axes)
    for line in axes.lines:
        if line not in caps:
            yield _label(labels.get(line, line)), "line", 0, _points(axes, line)
    for bars in axes.containers:
        if isinstance(bars, BarContainer):
            for piece, (start, end) in enumerate(_bars(axes, bars)):
                yield _label(bars), "bar", piece, (start, end)
    for many in axes.collections:
        if isinstance(many, LineCollection | PolyCollection):
            mark = "interval" if isinstance(many, LineCollection) else "band"
            for piece, path in enumerate(many.get_paths()):
                yield _label(labels.get(many, many)), mark, piece, path.vertices


def _of_errorbars(axes: Axes) -> tuple[dict[Artist, ErrorbarContainer], set[Artist]]:
    """Return whose label lines and intervals of error bars have, and the caps, which say nothing new."""
    labels: dict[Artist, ErrorbarContainer] = {}
    caps: set[Artist] = set()
    for bars in axes.containers:
        if isinstance(bars, ErrorbarContainer):
            line, ends, intervals = bars.lines
            labels |= dict.fromkeys([line, *intervals], bars)
            caps |= set(ends)
    return labels, caps


def _label(artist: Artist | BarContainer | ErrorbarContainer) -> str:
    label = str(artist.get_label())
    return "" if label.startswith("_") else label


def _points(axes: Axes, line: Line2D) -> Iterator[tuple[object, object]]:
    """Yield the points of a line; of one that goes along a whole axis, only where it stands on the other."""
    is_x, is_y = line.get_transform().contains_branch_seperately(axes.transData)
    if is_x and is_y:
        yield from zip(*map(np.atleast_1d, line.get_data(orig=False)), strict=True)
    else:
        x, y = (np.atleast_1d(values)[0] for values in line.get_data(orig=False))
        yield x if is_x else None, y if is_y else None


def _bars(axes: Axes, bars: BarContainer) -> Iterator[tuple[tuple[object, object], tuple[object, object]]]:
    """Yield where each bar starts and ends, its place by the words at the axis, if there are any."""
    for bar in bars.patches:
        (x, y), width, height = bar.get_xy(), bar.get_width(), bar.get_height()
        if bars.orientation == "horizontal":
            place = _word(axes.yaxis, y + height / 2)
            yield (x, place), (x + width, place)
        else:
            place = _word(axes.xaxis, x + width / 2)
            yield (place, y), (place, y + height)


def _word(axis: Axis, place: float) -> object:
    return axis.get_major_formatter()(round(place, 6)).replace("\n", " ") or place
