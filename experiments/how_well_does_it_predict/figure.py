"""Predicted against measured times with bands of the prices, and how far off each class of steps is."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from cowmodel.report.paper import PAGE_IN, panels
from cowmodel.report.style import series_style

KINDS = ["faults", "fork", "exit", "other"]
HOLDS, SHORT, BOTH = "#0072B2", "#D55E00", "#777777"
NOT_KNOWN = "frames not known"


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw both panels."""
    figure, (left, right) = panels(1, 2, PAGE_IN, 3.4, width_ratios=[1, 1.05])
    _points(left, tables["points"])
    _classes(right, tables["terms"])
    return figure


def _points(axes: Axes, points: pd.DataFrame) -> None:
    known = points[~points["class"].str.contains(NOT_KNOWN)]
    kinds = known["class"].str.split(",").str[0]
    for kind, look in series_style(KINDS).items():
        group = known[kinds == kind]
        below = (group["predicted_us"] - group["low_us"]).clip(lower=0)
        above = (group["high_us"] - group["predicted_us"]).clip(lower=0)
        axes.errorbar(
            group["measured_us"],
            group["predicted_us"],
            yerr=[below, above],
            label=kind,
            elinewidth=0.6,
            alpha=0.8,
            **{**look, "linestyle": "none"},
        )
    ends = np.array([known["measured_us"].min(), known["measured_us"].max()])
    axes.plot(ends, ends, color="k", linewidth=0.6)
    axes.set(xscale="log", yscale="log", xlabel="measured [µs]", ylabel="predicted, 5 to 95 % [µs]")
    axes.legend(loc="upper left")


def _classes(axes: Axes, terms: pd.DataFrame) -> None:
    """Draw the median error of each class, a line to the worst, and for all of a kind what must hold."""
    classes = terms[~terms["class"].str.contains(NOT_KNOWN) & (terms["what"] != "worst_error")][::-1]
    places = np.arange(len(classes))
    colours = [
        BOTH if pd.isna(holds) else HOLDS if str(holds) == "True" else SHORT for holds in classes["holds"]
    ]
    axes.barh(places, classes["median_error"], color=colours, height=0.6)
    axes.hlines(places, classes["median_error"], classes["worst_error"], color="k", linewidth=0.5)
    axes.plot(classes["at_most"], places, "d", color="k", markersize=3, linestyle="none", label="at most")
    names = [f"{name} ({number})" for name, number in zip(classes["class"], classes["points"], strict=True)]
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", labelsize=6, length=0)
    axes.set(
        xlabel="error: median, line to the worst, cut at 60 [%]",
        xlim=(0, 0.6),
        ylim=(-0.8, len(classes) - 0.2),
    )
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)
