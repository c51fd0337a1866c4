"""How large a figure is: as its code says, or on paper that was asked for, where panels find new places.

::

    a page, 7.0 in:   [ a ] [ b ]      a column, 3.35 in:   [ a ]
                                                            [ b ]

A ``figure.py`` says with `panels` what it would like, and need not know what paper it is drawn on.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.errors import ConfigError

COLUMN_IN = 3.35
PAGE_IN = 7.0
_LEAST_IN, _MOST_IN = 1.0, 50.0

Place = Literal["outside upper center", "outside lower center"]


class Paper(NamedTuple):
    """What a figure is to fit on; without a height it is as high as its rows of panels need."""

    width_in: float
    height_in: float | None = None


PAPERS = {"column": Paper(COLUMN_IN), "page": Paper(PAGE_IN)}

_paper: ContextVar[Paper | None] = ContextVar("paper", default=None)


def parse_paper(text: str) -> Paper:
    """Read `'column'`, `'page'`, or width and height in inches.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> parse_paper("column"), parse_paper("5x3.2")
    (Paper(width_in=3.35, height_in=None), Paper(width_in=5.0, height_in=3.2))
    """
    if text in PAPERS:
        return PAPERS[text]
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", text)
    if not found or not all(_LEAST_IN <= float(side) <= _MOST_IN for side in found.groups()):
        names, sides = ", ".join(PAPERS), f"{_LEAST_IN:g} to {_MOST_IN:g} inches"
        raise ConfigError(
            f"--size: expected {names}, or width and height of {sides} such as '5x3.2', got {text!r}"
        )
    return Paper(*map(float, found.groups()))


@contextmanager
def on(paper: Paper | None) -> Iterator[None]:
    """Let figures that are begun in this block have the size of `paper`, or with None their own."""
    before = _paper.set(paper)
    try:
        yield
    finally:
        _paper.reset(before)


def panels(
    rows: int, columns: int, width_in: float, height_in: float, **axes: Any
) -> tuple[Figure, Sequence[Axes]]:
    """Begin a figure.

    Parameters
    ----------
    rows, columns : int
        Of panels, on paper of `width_in`; on narrower paper fewer stand side by side, and in more rows.
    width_in, height_in : float
        Size of the figure where no other paper was asked for; the height is that of all rows.
    **axes
        As of ``Figure.subplots``.

    Returns
    -------
    figure : Figure
    panels : sequence of Axes, rows * columns of them
        From left to right, from top to bottom.
    """
    paper = _paper.get() or Paper(width_in)
    across = min(columns, max(1, round(columns * paper.width_in / width_in)))
    down = -(-rows * columns // across)
    figure = Figure(figsize=(paper.width_in, paper.height_in or height_in * down / rows))
    if "width_ratios" in axes:
        axes["width_ratios"] = axes["width_ratios"][:across]
    places = figure.subplots(down, across, squeeze=False, **axes).ravel().tolist()
    for unused in places[rows * columns :]:
        unused.remove()
    return figure, places[: rows * columns]


def legend(figure: Figure, *panels: Axes, loc: Place = "outside upper center") -> None:
    """Tell once what each label of the panels looks like, in as few rows as the paper is wide enough for."""
    entries = [axes.get_legend_handles_labels() for axes in panels]
    looks = {label: look for pair in entries for look, label in zip(*pair, strict=True)}
    for rows in range(1, len(looks) + 1):
        columns = -(-len(looks) // rows)
        told = figure.legend(list(looks.values()), list(looks), loc=loc, ncols=columns)
        if columns == 1 or told.get_window_extent().width <= figure.bbox.width:
            return
        told.remove()


def label_outer(figure: Figure) -> None:
    """Leave the name of a shared vertical axis to the panel at the left."""
    for axes in figure.axes:
        place, shared = axes.get_subplotspec(), axes.get_shared_y_axes().get_siblings(axes)
        if place and not place.is_first_col() and len(shared) > 1:
            axes.set_ylabel("")
