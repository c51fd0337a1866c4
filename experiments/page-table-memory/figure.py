"""Page-table memory against density and against the number of processes."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.paper import PAGE_IN, panels
from cowmodel.report.style import CLOSED_FORM, series_style

DATA_MIB = 16


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw both panels."""
    runs = tables["runs"].copy()
    runs["tables_mib"] = runs["peak_bytes.page_tables"] / 2**20
    runs["levels"] = runs["machine.paging"].map({"x86-64": "4 levels", "x86-64-5level": "5 levels"})
    figure, (left, right) = panels(1, 2, PAGE_IN, 2.7, sharey=True)
    four = runs[runs["levels"] == "4 levels"]
    counts = {
        f"{1 + workers} processes": four[four["workload.workers"] == workers] for workers in (1, 16, 64)
    }
    for (name, group), look in zip(counts.items(), series_style(counts).values(), strict=True):
        left.plot(group["workload.every"], group["tables_mib"], label=name, **look)
    five = runs[(runs["levels"] == "5 levels") & runs["workload.workers"].isin((1, 16, 64))]
    crosses = {"marker": "+", "markersize": 7, "color": "black", "linestyle": "none"}
    left.plot(five["workload.every"], five["tables_mib"], label="5 levels", **crosses)
    left.set(xscale="log", xlabel="mapped / resident pages [1]", title="by density")
    _ticks(left, sorted(runs["workload.every"].unique()))
    spreads = {_name(every): four[four["workload.every"] == every] for every in (1, 16, 512)}
    for (name, group), look in zip(spreads.items(), series_style(spreads).values(), strict=True):
        right.plot(1 + group["workload.workers"], group["tables_mib"], label=name, **look)
    right.set(xscale="log", xlabel="processes [1]", title="by number of processes")
    _ticks(right, sorted(1 + runs["workload.workers"].unique()))
    for axes in (left, right):
        axes.axhline(DATA_MIB, label="the data", **CLOSED_FORM)
        axes.set(yscale="log", ylabel="page tables [MiB]")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3)
    return figure


def _ticks(axes: Axes, places: list[int]) -> None:
    axes.set_xticks(places, [str(place) for place in places])
    axes.minorticks_off()


def _name(every: int) -> str:
    return "dense" if every == 1 else f"one page in {every}"
