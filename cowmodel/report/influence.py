"""The figure of a sensitivity analysis: bars of indices with their intervals, the largest on top."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.paper import COLUMN_IN, legend, panels
from cowmodel.report.style import COLOURS

_INDICES = {
    "total": "total: with others",
    "first": "first: alone",
    "mu_star": "mean size of the effect",
}
"""What a table may hold, with an interval each, the one that decides the order first."""

_AXES = {"total": "share of the variance [1]", "mu_star": "effect [unit of the metric]"}
_FILLS = (COLOURS[6], "white")  # apart on grey paper too, and light enough for the intervals over them
_ROW_IN = 0.3
_EDGES_IN = 0.75  # axis and legend


def _indices_of(table: pd.DataFrame) -> list[str]:
    return [name for name in _INDICES if {name, f"{name}_low", f"{name}_high"} <= set(table)]


def bars(table: pd.DataFrame) -> Figure:
    """Draw a table of one metric, as `cowmodel.campaign.sensitivity` makes them, as a figure of its own."""
    figure, (axes,) = panels(1, 1, COLUMN_IN, _EDGES_IN + _ROW_IN * len(table))
    draw_bars(axes, table)
    legend(figure, axes)
    return figure


def draw_bars(axes: Axes, table: pd.DataFrame) -> None:
    """Draw a table of one metric.

    Parameters
    ----------
    table : DataFrame
        A row a parameter.
    """
    names = _indices_of(table)
    table = table.sort_values(names[0], ascending=True, kind="stable")
    places, height = np.arange(len(table)), 0.8 / len(names)
    for number, (name, fill) in enumerate(zip(names, _FILLS, strict=False)):
        at = places + height * ((len(names) - 1) / 2 - number)
        look: dict[str, Any] = {"facecolor": fill, "edgecolor": COLOURS[0], "linewidth": 0.6}
        axes.barh(at, table[name], height, label=_INDICES[name], **look)
        low, high = table[[f"{name}_low", f"{name}_high"]].to_numpy().T
        ends: dict[str, Any] = {"fmt": "none", "ecolor": COLOURS[0], "elinewidth": 0.8, "capsize": 2}
        axes.errorbar((low + high) / 2, at, xerr=(high - low) / 2, **ends)
    axes.axvline(0, color=COLOURS[0], linewidth=0.6)
    axes.grid(axis="y", visible=False)
    axes.set_yticks(places, table["parameter"])
    axes.set_xlabel(_AXES[names[0]])
