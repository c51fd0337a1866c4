"""Fork latency against resident size, log-log: on a machine whose prices are known, and on one that varies.

Left, measurements that the prices were not read from. Right, bands of 90 % from the intervals of the prices,
of base pages also from a contiguity that nobody knows, and the medians that the prices were read from.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.paper import PAGE_IN, legend, panels
from cowmodel.report.style import PUBLISHED, draw_band, series_style
from cowmodel.units import format_size, parse_size

GIB = 2**30
TICKS_GIB = [2.0**power for power in (-8, -5, -2, 1, 4)]

# Zhao, Gong, Fonseca, On-demand-fork, EuroSys 2021: mean fork time of Linux 5.6, base pages; 2 MiB pages.
MEASURED_MS = {"1 GiB": 6.54, "50 GiB": 253.94}
MEASURED_2M_MS = {"1 GiB": 0.17}
# The same of On-demand-fork itself, which shares table pages, as no policy here does.
SHARED_TABLES_MS = {"1 GiB": 0.10, "50 GiB": 0.94}

# First fork after a pause, all pages written, on the machine of vm-linux6.18: median, in us.
SIZES_GIB = [2.0**power for power in (-8, -6, -4, -2, 0, 1, 2, 3)]
BASE_US = [149, 320, 1454, 7728, 31448, 60431, 95000, 133689]
THP_US = [90, 112, 120, 212, 712, 1348, 2434, 5044]
HUGETLB_US = [91, 100, 110, 114, 200, 448, 794, 1381]


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw a panel for each machine, and in it a line for each backing and policy."""
    runs = tables["runs"]
    figure, both = panels(1, 2, PAGE_IN, 3.1, sharey=True)
    looks = series_style(runs["workload.backing"].unique())
    for axes, (costs, group) in zip(both, runs.groupby("machine.costs", sort=False), strict=True):
        _draw_forks(axes, group, looks)
        axes.set(xscale="log", yscale="log", xlabel="resident memory", ylabel="fork [ms]", title=costs)
        axes.set_xticks(TICKS_GIB, [format_size(round(size * GIB)) for size in TICKS_GIB])
        axes.minorticks_off()
    _draw_published(both[0])
    _draw_medians(both[1])
    legend(figure, *both)
    return figure


def _draw_forks(axes: Axes, runs: pd.DataFrame, looks: dict[str, dict[str, str]]) -> None:
    for (backing, policy), group in runs.groupby(["workload.backing", "policy.copy"], sort=False):
        sizes = group["workload.heap"].map(parse_size) / GIB
        look = looks[backing] | {"linestyle": "-" if policy == "cow-flip" else ":"}
        label = backing if policy == "cow-flip" else None
        axes.plot(sizes, group["fork_us.mean"] / 1000, label=label, **look)
        draw_band(axes, sizes, group, "fork_us.mean", 1 / 1000, look["color"])


def _draw_published(axes: Axes) -> None:
    axes.plot([], ":", color="grey", label="eager copy")
    shared = PUBLISHED | {"marker": "P", "markersize": 6}
    published = [(MEASURED_MS, PUBLISHED, "measured"), (MEASURED_2M_MS, PUBLISHED, "measured")]
    for points, look, label in [*published, (SHARED_TABLES_MS, shared, "measured, shared tables")]:
        sizes = [parse_size(size) / GIB for size in points]
        axes.plot(sizes, list(points.values()), label=label, **look)


def _draw_medians(axes: Axes) -> None:
    for medians in (BASE_US, THP_US, HUGETLB_US):
        axes.plot(SIZES_GIB, [median / 1000 for median in medians], **PUBLISHED)
