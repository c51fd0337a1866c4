"""Charts: a metric against a path that is varied, a line for each combination of the others."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cowmodel.experiment.document import columns_of_band
from cowmodel.report.html.axis import Axis, across, told, up, written

if TYPE_CHECKING:
    import pandas as pd

_MOST_LINES = 16
"""More lines than that nobody tells apart: all points are one cloud then."""

INTERVALS = "95 % interval of the mean over replications"
BANDS = "90 % band, as far as prices are known"


class Dot(NamedTuple):
    """A point: its place, the ends of its interval (None without one), and what it says."""

    x: float
    y: float
    low: float | None
    high: float | None
    text: str


class Line(NamedTuple):
    """Points of one name and look; a cloud is not joined."""

    name: str
    look: int
    joined: bool
    dots: list[Dot]


class Chart(NamedTuple):
    """One picture; `bars` says what the vertical bars are, and is empty if there are none."""

    metric: str
    path: str
    x: Axis
    y: Axis
    lines: list[Line]
    bars: str

    @property
    def title(self) -> str:
        """What it shows."""
        return f"{self.metric} against {self.path}"


def varied(runs: "pd.DataFrame") -> list[str]:
    """Return the paths that have more than one value; of two that always change together, the later."""
    paths = [str(name) for name in runs.loc[:, :"replication"]][:-1]
    several = [path for path in paths if runs[path].nunique(dropna=False) > 1]
    points = len(runs[several].drop_duplicates())
    return [
        path
        for place, path in enumerate(several)
        if not any(_together(runs, path, other, points) for other in several[place + 1 :])
    ]


def _together(runs: "pd.DataFrame", one: str, other: str, points: int) -> bool:
    """Tell whether two paths have a value each for a value of the other; in a design, all do by chance."""
    pairs = len(runs[[one, other]].drop_duplicates())
    return pairs == runs[one].nunique(dropna=False) == runs[other].nunique(dropna=False) < points


def charts(runs: "pd.DataFrame", statistics: "pd.DataFrame") -> list[Chart]:
    """Draw each metric of the statistics against each path that is varied.

    Parameters
    ----------
    runs, statistics : DataFrame
        As ``summary.csv`` and ``statistics.csv`` hold them.
    """
    paths = varied(runs)
    found = []
    for metric, rows in statistics.groupby("metric", sort=False):
        known = _with_bands(str(metric), rows.dropna(subset=["mean"]), runs)
        if len(known):
            found += [_chart(str(metric), path, paths, known) for path in paths]
    return found


def _with_bands(metric: str, rows: "pd.DataFrame", runs: "pd.DataFrame") -> "pd.DataFrame":
    """Put the bands of its time beside a metric, where the runs have them."""
    ends, paths = list(columns_of_band(metric)), [str(name) for name in runs.loc[:, :"replication"]][:-1]
    if not set(ends) <= set(runs):
        return rows.assign(band_low=math.nan, band_high=math.nan)
    bands = runs.groupby(paths, sort=False, dropna=False)[ends].mean().reset_index()
    named = bands.rename(columns=dict(zip(ends, ("band_low", "band_high"), strict=True)))
    return rows.merge(named, on=paths, how="left")


def _chart(metric: str, path: str, paths: Sequence[str], rows: "pd.DataFrame") -> Chart:
    x, places = across(path, rows[path])
    others = [other for other in paths if other != path]
    dots = [(_name(row, others), _dot(metric, places[written(row[path])], row)) for _, row in rows.iterrows()]
    names = list(dict.fromkeys(name for name, _ in dots))
    if len(names) > _MOST_LINES:
        lines = [Line("all points", 0, False, [d._replace(text=f"{name}: {d.text}") for name, d in dots])]
    else:
        lines = list(_lines(names, dots))
    heights = [end for _, dot in dots for end in (dot.y, dot.low, dot.high) if end is not None]
    replicated = rows["mean_low"].notna().any()
    bars = (INTERVALS if replicated else BANDS) if any(dot.low is not None for _, dot in dots) else ""
    return Chart(metric, path, x, up(metric, heights), lines, bars)


def _lines(names: Sequence[str], dots: Sequence[tuple[str, Dot]]) -> Iterator[Line]:
    from cowmodel.report.style import looks

    for name, look in looks(names).items():
        own = sorted((dot for other, dot in dots if other == name), key=lambda dot: dot.x)
        yield Line(name, look, True, own)


def _name(row: Any, others: Sequence[str]) -> str:
    """Name a line by what is varied beside the axis; one path alone needs no name of its own."""
    if len(others) == 1:
        return written(row[others[0]])
    return ", ".join(f"{other.rpartition('.')[2]} {written(row[other])}" for other in others) or "all"


def _dot(metric: str, x: float, row: Any) -> Dot:
    """Return a point with its interval over replications, or else its band."""
    value = float(row["mean"])
    pairs = ((float(row[f"{kind}_low"]), float(row[f"{kind}_high"])) for kind in ("mean", "band"))
    low, high = next((pair for pair in pairs if pair[0] < pair[1]), (None, None))
    text = told(metric, value)
    if low is not None and high is not None:
        text += f" ({told(metric, low)} to {told(metric, high)})"
    return Dot(x, value, low, high, text)
