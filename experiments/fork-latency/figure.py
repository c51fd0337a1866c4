"""Fork latency against resident size, log-log, with the measurements that the prices were not read from."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from cowmodel.report.style import ONE_COLUMN_IN, series_style
from cowmodel.units import parse_size

# Zhao, Gong, Fonseca, On-demand-fork, EuroSys 2021: mean fork time of Linux 5.6, base pages; 2 MiB pages.
MEASURED_MS = {"1 GiB": 6.54, "50 GiB": 253.94}
MEASURED_2M_MS = {"1 GiB": 0.17}


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw a line for each backing and policy."""
    runs = tables["runs"]
    figure, axes = plt.subplots(figsize=(ONE_COLUMN_IN, 3.1))
    looks = series_style(runs["workload.backing"].unique())
    for (backing, policy), group in runs.groupby(["workload.backing", "policy.copy"], sort=False):
        sizes = group["workload.heap"].map(parse_size) / 2**30
        look = looks[backing] | {"linestyle": "-" if policy == "cow-flip" else ":"}
        label = backing if policy == "cow-flip" else None
        axes.plot(sizes, group["fork_us.mean"] / 1000, label=label, **look)
    axes.plot([], "-", color="grey", label="copy-on-write")
    axes.plot([], ":", color="grey", label="eager copy")
    for points in (MEASURED_MS, MEASURED_2M_MS):
        sizes = [parse_size(size) / 2**30 for size in points]
        label = "measured" if points is MEASURED_MS else None
        axes.plot(sizes, list(points.values()), "*", color="red", markersize=7, zorder=5, label=label)
    axes.set(xscale="log", yscale="log", xlabel="resident memory [GiB]", ylabel="fork [ms]")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
