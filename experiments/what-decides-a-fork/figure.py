"""Shares of the variance of the times of a fork and of a fault, by price."""

import pandas as pd
from matplotlib.figure import Figure

from cowmodel.report.influence import draw_bars
from cowmodel.report.paper import PAGE_IN, legend, panels

TITLES = {"fork_us.mean": "time of the fork", "fault_us.mean": "mean time of a fault"}


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw a panel for each metric."""
    table = tables["sensitivity"].copy()
    table["parameter"] = table["parameter"].str.removeprefix("machine.factors.").str.replace("_", " ")
    table["parameter"] = table["parameter"].replace("workload.heap", "size of the heap")
    figure, both = panels(1, 2, PAGE_IN, 2.8)
    for axes, (metric, title) in zip(both, TITLES.items(), strict=True):
        draw_bars(axes, table[table["metric"] == metric])
        axes.set_title(title)
    legend(figure, *both)
    return figure


def share(tables: dict[str, pd.DataFrame], metric: str, parameter: str) -> float:
    """Return the total index of a parameter."""
    table = tables["sensitivity"].set_index(["metric", "parameter"])
    return float(table.loc[(metric, parameter), "total"])


def entries(tables: dict[str, pd.DataFrame]) -> float:
    """Return the share of the price of entries in the time of a fork."""
    return share(tables, "fork_us.mean", "machine.factors.pte_entries")


def first_indices(tables: dict[str, pd.DataFrame]) -> float:
    """Return the sum of the first indices of the time of a fork."""
    table = tables["sensitivity"]
    return float(table[table["metric"] == "fork_us.mean"]["first"].sum())
