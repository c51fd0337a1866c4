"""Latency over time, and its distribution while a child saves the heap, for each backing.

Lines are the first replication; bars, 95 % intervals of percentiles over all.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.paper import PAGE_IN, legend, panels
from cowmodel.report.style import series_style

PS_PER_MS = 1e9
POLICIES = ["eager", "cow-flip"]  # cow is as cow-flip until the saver has exited
TICKS_MS = [0.01, 0.1, 1, 10, 100]


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw a column for each backing: latency in windows of time above, its distribution below."""
    backings = tables["runs"]["workload.backing"].unique()
    figure, axes = panels(2, len(backings), PAGE_IN, 4.1, sharey="row")
    looks = {name: look | {"marker": ""} for name, look in series_style(POLICIES).items()}
    for backing, above, below in zip(backings, axes[: len(backings)], axes[len(backings) :], strict=True):
        here = {name: table[table["workload.backing"] == backing] for name, table in tables.items()}
        first = {
            name: table[table["replication"] == 0] for name, table in here.items() if "replication" in table
        }
        for policy in POLICIES:
            of_it = {name: table[table["policy.copy"] == policy] for name, table in first.items()}
            _over_time(above, of_it, looks[policy], policy)
            _distribution(below, of_it, looks[policy], policy)
            statistics = here["statistics"]
            _intervals(below, statistics[statistics["policy.copy"] == policy], looks[policy])
        above.set(title=backing, ylabel="99 % take up to [ms]")
        below.set_ylabel("take longer [%]")
    legend(figure, axes[-1])
    return figure


def _over_time(axes: Axes, tables: dict[str, pd.DataFrame], look: dict[str, Any], policy: str) -> None:
    """Draw the 99th percentile of those who came in each window of 10 ms, and mark the saver's life."""
    actions, windows = tables["actions"], tables["windows"]
    fork = actions[actions["action"] == "fork"].iloc[0]
    time_ms = (windows["time_ps"] - fork["time_ps"]) / PS_PER_MS
    axes.step(time_ms, windows["p99_ps"] / PS_PER_MS, where="post", **look)
    if policy == POLICIES[-1]:  # after an eager fork the save begins, and ends, later
        (exit_ps,) = actions.loc[(actions["action"] == "exit") & (actions["pid"] == fork["child"]), "time_ps"]
        axes.axvspan(0, (exit_ps - fork["time_ps"]) / PS_PER_MS, color="#eeeeee", zorder=0)
        axes.text(200, 0.062, "child saves the heap", fontsize=7, ha="center", color="#555555")
    axes.set(yscale="log", ylim=(0.05, 150), xlim=(-90, 640), xlabel="arrival after the fork's start [ms]")
    axes.set_yticks(TICKS_MS[1:], [f"{tick:g}" for tick in TICKS_MS[1:]])
    axes.minorticks_off()


def _distribution(axes: Axes, tables: dict[str, pd.DataFrame], look: dict[str, Any], policy: str) -> None:
    """Draw which share of the requests before and during took longer."""
    phases = dict(list(tables["latency"].groupby("phase")))
    if policy == POLICIES[0]:
        before = phases["before"]
        wide = {"color": "grey", "linewidth": 2.5, "alpha": 0.5}
        axes.plot(
            before["latency_ps"] / PS_PER_MS, 100 - before["percent"], label="before, all policies", **wide
        )
    during = phases["during"]
    axes.plot(during["latency_ps"] / PS_PER_MS, 100 - during["percent"], label=f"during, {policy}", **look)
    axes.set(xscale="log", yscale="log", ylim=(0.02, 100), xlim=(0.008, 150), xlabel="latency [ms]")
    axes.set_xticks(TICKS_MS, [f"{tick:g}" for tick in TICKS_MS])
    axes.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axes.minorticks_off()


def _intervals(axes: Axes, statistics: pd.DataFrame, look: dict[str, Any]) -> None:
    """Draw how sure percentiles are."""
    for _, row in statistics.iterrows():
        longer = 100 - float(row["metric"].partition(".p")[2])
        ends_ms = [[row["mean"] - max(row["mean_low"], 1)], [row["mean_high"] - row["mean"]]]
        axes.errorbar(
            row["mean"] / 1000,
            longer,
            xerr=[[end / 1000 for end in side] for side in ends_ms],
            fmt="none",
            ecolor=look["color"],
            elinewidth=1.2,
            capsize=2.5,
        )
