"""How figures look in print, and how they are written: equal tables give equal bytes.

Colours are those of Okabe and Ito, which the colour-blind can tell apart; markers and line styles
tell them apart on grey paper too. What is not simulated has no colour: closed forms are thin grey lines,
what was measured or published is hollow stars.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel import catalog
from cowmodel.experiment.document import columns_of_band
from cowmodel.experiment.replacing import replacing
from cowmodel.report.paper import COLUMN_IN

# Okabe and Ito, Color Universal Design (2008); yellow, the faintest on white, last.
COLOURS = (
    "#000000",
    "#D55E00",
    "#0072B2",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#F0E442",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
LINES = ("-", "--", "-.", ":")

CLOSED_FORM: dict[str, Any] = {"color": "#555555", "linewidth": 0.8, "zorder": 3}
PUBLISHED: dict[str, Any] = {
    "color": "black",
    "marker": "*",
    "markersize": 7,
    "markerfacecolor": "white",
    "markeredgewidth": 0.7,
    "linestyle": "none",
    "zorder": 5,
}

STYLE: dict[Any, Any] = {
    "figure.figsize": (COLUMN_IN, COLUMN_IN * 0.72),
    "figure.constrained_layout.use": True,
    "savefig.dpi": 300,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.3,
    "grid.color": "#cccccc",
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    # Text as outlines in SVG needs no font at the reader's; Type 42 keeps PDF text searchable.
    "svg.fonttype": "path",
    "svg.hashsalt": "cowmodel",
    "pdf.fonttype": 42,
}

# A date or a program's version would make equal figures differ.
_METADATA: dict[str, dict[str, None]] = {
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
FORMATS = tuple(_METADATA)


def series_style(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Give each series a colour, a marker and a line.

    Parameters
    ----------
    names : iterable of str
        Names of series. A copy policy keeps its look whichever others are beside it, and so does
        the backing of a mapping; other names take the looks that are left, in order.

    Returns
    -------
    dict of str to dict
        From name to keywords of ``Axes.plot``.

    Examples
    --------
    >>> series_style(["fork", "spawn"])["spawn"]
    {'color': '#D55E00', 'marker': 's', 'linestyle': '--'}
    """
    return {name: look(number) for name, number in looks(names).items()}


def looks(names: Iterable[str]) -> dict[str, int]:
    """Return the number of the look of each series, as `series_style` gives them.

    Examples
    --------
    >>> looks(["fork", "base"])
    {'fork': 1, 'base': 0}
    """
    wanted = list(dict.fromkeys(names))
    fixed = {name: shelf.index(name) for shelf in _shelves() for name in wanted if name in shelf}
    free = (number for number in range(len(wanted) * 2) if number not in fixed.values())
    return {name: fixed[name] if name in fixed else next(free) for name in wanted}


def _shelves() -> list[list[str]]:
    """Names that have a look of their own; policies and backings are never in one legend."""
    return [["base", "hugetlb 2 MiB", "hugetlb 1 GiB"], list(catalog.POLICIES)]


def look(number: int) -> dict[str, Any]:
    """Give look `number`: 8 colours, with other markers and lines on the second round."""
    again = number // len(COLOURS)
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[(number + again) % len(MARKERS)],
        "linestyle": LINES[(number + again) % len(LINES)],
    }


def draw_band(
    axes: Axes, at: Iterable[float], runs: pd.DataFrame, column: str, scale: float, color: str
) -> None:
    """Shade between which ends a time lies, where a table has its band.

    Parameters
    ----------
    at : iterable of float
        Places on the horizontal axis, one a row of `runs`.
    scale : float
        What the ends are multiplied with.
    """
    ends = list(columns_of_band(column))
    if set(ends) <= set(runs):
        low, high = runs[ends].to_numpy().T * scale
        axes.fill_between(list(at), low, high, color=color, alpha=0.2, linewidth=0)


def save(figure: Figure, folder: Path, stem: str, formats: Iterable[str] = FORMATS) -> list[Path]:
    """Write a figure.

    Parameters
    ----------
    figure : Figure
        As drawn.
    folder : Path
        Made if it is not there.
    stem : str
        File name without its ending.
    formats : iterable of str
        Of `FORMATS`.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OSError
        If a file cannot be written, with its path; none of it is left behind then.
    """
    files = []
    for ending in dict.fromkeys(formats):
        path = folder / f"{stem}.{ending}"
        with replacing(path) as file, mpl.rc_context(STYLE):
            figure.savefig(file, format=ending, metadata=_METADATA[ending])
        files.append(path)
    return files
