"""The cost of a write fault by what the kernel does in it, a panel a machine."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.experiment.document import columns_of_band
from cowmodel.report.paper import PAGE_IN, legend, panels
from cowmodel.report.style import COLOURS, PUBLISHED

# Of the two faults of a run the dearer copies, and the other, where the rest of the machine is gone, flips.
DEARER, CHEAPER = "fault_us.max", "fault_us.p50"
KINDS = {
    "flip": ("base", None, CHEAPER),
    "copy 4 KiB": ("base", None, DEARER),
    "split 2 MiB, copy 4 KiB": ("thp", "linux-6.18", DEARER),
    "copy a table, copy 4 KiB": (None, None, DEARER),
    "copy 2 MiB, thp before 5.8": ("thp", "linux-5.4", DEARER),
    "copy 2 MiB, hugetlb": ("hugetlb 2 MiB", None, DEARER),
    "copy 1 GiB, hugetlb": ("hugetlb 1 GiB", None, DEARER),
}
# What no preset prices and no policy does: that machine's split, and table pages that are shared.
NOT_PRICED = {("epyc7302p-linux5.6", "split 2 MiB, copy 4 KiB")}
# Zhao, Gong, Fonseca, On-demand-fork, EuroSys 2021, table 1: worst faults, us.
PUBLISHED_US = {"copy 4 KiB": 2.3, "copy a table, copy 4 KiB": 12.2, "copy 2 MiB, hugetlb": 198.4}
BAR: dict[str, Any] = {"color": COLOURS[6], "edgecolor": "black", "linewidth": 0.5, "height": 0.65}


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw a panel for each machine, and in it a bar for each kind of fault."""
    runs = tables["runs"]
    figure, both = panels(1, 2, PAGE_IN, 2.3, sharey=True)
    for axes, (costs, group) in zip(both, runs.groupby("machine.costs", sort=False), strict=True):
        _bars(axes, group, str(costs))
        axes.set(xscale="log", xlim=(0.1, 3e6), xlabel="one write fault [µs]", title=costs)
        axes.grid(axis="y", visible=False)
    places = [list(KINDS).index(kind) for kind in PUBLISHED_US]
    both[0].plot(list(PUBLISHED_US.values()), places, label="measured (On-demand-fork)", **PUBLISHED)
    both[0].invert_yaxis()
    legend(figure, *both)
    return figure


def _bars(axes: Axes, runs: pd.DataFrame, costs: str) -> None:
    for place, (kind, (backing, era, column)) in enumerate(KINDS.items()):
        here = runs[runs["workload.backing"] == backing]
        here = here if era is None else here[here["kernel.era"] == era]
        if here.empty or (costs, kind) in NOT_PRICED:
            _write(axes, "none", 0.1, place)
            continue
        (run,) = here.to_dict("records")
        low, high = (run[end] for end in columns_of_band(column))
        axes.barh(place, run[column], label="simulated", **BAR)
        if not np.isnan(low):
            axes.hlines(place, low, high, color="black", linewidth=1.2, label="90 % of cases")
        _write(axes, _short(run[column]), np.nanmax([run[column], high, PUBLISHED_US.get(kind, 0)]), place)
    axes.set_yticks(range(len(KINDS)), list(KINDS))


def _write(axes: Axes, text: str, us: float, place: int) -> None:
    axes.annotate(text, (us, place), (6, 0), textcoords="offset points", va="center", fontsize=7)


def _short(us: float) -> str:
    return f"{us:.3g} µs" if us < 1000 else f"{us / 1000:.3g} ms"
