"""Intervals of differences between policies, with the same writes and with writes of their own."""

from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cowmodel.campaign.statistics import Interval, mean
from cowmodel.report.paper import PAGE_IN, legend, panels
from cowmodel.report.style import COLOURS

METRICS = {
    "simulated_ms": "length of the run [ms]",
    "fault_us.sum": "time in faults [us]",
    "copies.total": "copies [1]",
}
HOW = {"same": ("same writes", "o", COLOURS[2]), "own": ("writes of their own", "s", COLOURS[1])}


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw the interval of each difference, less the difference itself, by metric."""
    runs = tables["runs"]
    pairs = list(combinations(runs["policy.copy"].unique(), 2))
    figure, all_panels = panels(1, len(METRICS), PAGE_IN, 1.9, sharey=True)
    for axes, (metric, label) in zip(all_panels, METRICS.items(), strict=True):
        for row, pair in enumerate(pairs):
            for shift, (how, (name, marker, colour)) in zip((0.14, -0.14), HOW.items(), strict=True):
                half = difference(runs, metric, pair, how).half_width
                axes.errorbar(
                    0, row + shift, xerr=half, fmt=marker, color=colour, markersize=3, capsize=3, label=name
                )
        axes.set(xlabel=f"off its mean: {label}", ylim=(-0.5, len(pairs) - 0.5))
        axes.axvline(0, color="grey", linewidth=0.5, zorder=0)
        axes.grid(axis="y", visible=False)
    all_panels[0].set_yticks(range(len(pairs)), [f"{second} less {first}" for first, second in pairs])
    legend(figure, *all_panels)
    return figure


def difference(runs: pd.DataFrame, metric: str, pair: tuple[str, str], how: str) -> Interval:
    """Return the mean difference of a metric with its interval: of seed 1 twice, or of seeds 1 and 2."""
    seeds = (1, 1) if how == "same" else (1, 2)
    values = [
        runs[(runs["policy.copy"] == policy) & (runs["run.seed"] == seed)]
        .sort_values("replication")[metric]
        .to_numpy()
        for policy, seed in zip(pair, seeds, strict=True)
    ]
    return mean(np.subtract(values[1], values[0]).tolist())


def narrower(tables: dict[str, pd.DataFrame], metric: str, pair: tuple[str, str]) -> float:
    """Return how many times narrower an interval is with the same writes."""
    own, same = (difference(tables["runs"], metric, pair, how).half_width for how in ("own", "same"))
    return own / same


def narrower_length(tables: dict[str, pd.DataFrame]) -> float:
    """Return that for the length of the run, between copying and flipping for the last sharer."""
    return narrower(tables, "simulated_ms", ("cow", "cow-flip"))


def narrower_faults(tables: dict[str, pd.DataFrame]) -> float:
    """Return that for the time in faults."""
    return narrower(tables, "fault_us.sum", ("cow", "cow-flip"))


def narrower_copies(tables: dict[str, pd.DataFrame]) -> float:
    """Return that for copies."""
    return narrower(tables, "copies.total", ("cow", "cow-flip"))
