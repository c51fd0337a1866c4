"""How far each measure is from what must hold, and CPU time against the number of accesses."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from cowmodel.report.paper import PAGE_IN, panels
from cowmodel.report.style import series_style

HOLDS, SHORT = "#0072B2", "#D55E00"


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw both panels."""
    measures = tables["measures"].dropna(subset="median").sort_values("measure", ascending=False)
    height = 1.2 + 0.19 * len(measures)
    figure, (left, right) = panels(1, 2, PAGE_IN, height, width_ratios=[1.25, 1])
    _bars(left, measures)
    _scaling(right, tables["scaling"])
    return figure


def _bars(axes: Axes, measures: pd.DataFrame) -> None:
    """Draw each value as a share of its floor; where less is better, the floor as a share of the value."""
    value, floor, aim = _better(measures, "median"), 1.0, _better(measures, "aim")
    places = np.arange(len(measures))
    colours = [HOLDS if holds else SHORT for holds in value >= floor]
    # On a log axis a bar has no natural start: it begins at the floor, and goes to the side of the value.
    axes.barh(places, value - floor, left=floor, color=colours, height=0.6)
    low, high = _better(measures, "min"), _better(measures, "max")
    axes.hlines(places, np.minimum(low, high), np.maximum(low, high), color="k", linewidth=0.8)
    axes.axvline(floor, color="k", linewidth=0.8)
    axes.plot(aim, places, "d", color="k", markersize=3, linestyle="none", label="aim")
    labels = [
        f"{name}: {median:.3g} {unit}"
        for name, median, unit in zip(measures["measure"], measures["median"], measures["unit"], strict=True)
    ]
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", labelsize=5.5, length=0)
    axes.set(xscale="log", xlabel="times better\nthan floor [1]", ylim=(-0.8, len(measures) - 0.2))
    axes.set_xticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)


def _better(measures: pd.DataFrame, column: str) -> pd.Series:
    """Return by how many times a column is better than the floor."""
    share = measures[column] / measures["floor"]
    return share.where(~measures["at_most"], 1 / share)


def _scaling(axes: Axes, scaling: pd.DataFrame) -> None:
    looks = series_style(scaling["work"])
    for work, group in scaling.groupby("work", sort=False):
        axes.plot(group["accesses"], group["median_s"] / group["accesses"] * 1e9, label=work, **looks[work])
    axes.set(
        xscale="log", yscale="log", xlabel="accesses [1]", ylabel="CPU time an access [ns]", ylim=(4, 1000)
    )
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)
