"""Cost against written fraction for two page sizes, and the map of who wins over all of them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.style import TWO_COLUMNS_IN, series_style
from cowmodel.units import format_size

LEAF_BYTES = {
    ("x86-64", "base"): 4 << 10,
    ("arm64-16k", "base"): 16 << 10,
    ("arm64-64k", "base"): 64 << 10,
    ("x86-64", "hugetlb 2 MiB"): 2 << 20,
    ("x86-64", "hugetlb 1 GiB"): 1 << 30,
}
# Prices of the preset: fixed part of a copying fault, and copying.
FAULT_US, COPY_US_PER_BYTE = 1.92, 1 / 10_670


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw both panels."""
    runs = tables["runs"].copy()
    runs["cost_ms"] = (runs["fork_us.sum"] + runs["fault_us.sum"]) / 1000
    runs["leaf_bytes"] = [
        LEAF_BYTES[key] for key in zip(runs["machine.paging"], runs["workload.backing"], strict=True)
    ]
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(TWO_COLUMNS_IN, 2.5))
    _cost(left, runs, 4 << 10)
    left.legend(loc="upper left")
    _cost(middle, runs, 2 << 20)
    _map(right, runs)
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=3)
    return figure


def _cost(axes: Axes, runs: pd.DataFrame, leaf: int) -> None:
    looks = series_style(["cow-flip", "eager"])
    for policy, group in runs[runs["leaf_bytes"] == leaf].groupby("policy.copy", sort=False):
        axes.plot(group["workload.written"] * 100, group["cost_ms"], label=policy, **looks[policy])
    axes.set(
        xlabel="written pages [%]",
        ylabel="fork and faults [ms]",
        title=f"{format_size(leaf)} pages",
        ylim=(0, None),
    )


def _map(axes: Axes, runs: pd.DataFrame) -> None:
    """Mark, for each page size and fraction, which policy costs less."""
    table = runs.pivot_table("cost_ms", ["leaf_bytes", "workload.written"], "policy.copy").reset_index()
    cheaper = table["cow-flip"] < table["eager"]
    marks = {"copy-on-write": (cheaper, "o", "#0072B2"), "eager copy": (~cheaper, "s", "#D55E00")}
    for name, (where, marker, colour) in marks.items():
        points = table[where]
        axes.plot(
            points["workload.written"] * 100,
            points["leaf_bytes"],
            marker,
            color=colour,
            markersize=3,
            label=name,
        )
    sizes = np.geomspace(4 << 10, 1 << 30, 200)
    copy_us = sizes * COPY_US_PER_BYTE
    axes.plot(100 * copy_us / (FAULT_US + copy_us), sizes, "k-", label="f* = copy / (fault + copy)")
    axes.set(xlabel="written pages [%]", title="which costs less", yscale="log")
    axes.set_yticks(list(LEAF_BYTES.values()), [format_size(size) for size in LEAF_BYTES.values()])
    axes.minorticks_off()
