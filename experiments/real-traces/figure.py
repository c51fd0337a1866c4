"""Faults and copied memory over time while Redis saves, by policy and by page size; a shell's faults."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.paper import PAGE_IN, panels
from cowmodel.report.style import series_style

PAGES = {
    ("x86-64", "base"): "4 KiB",
    ("arm64-16k", "base"): "16 KiB",
    ("arm64-64k", "base"): "64 KiB",
    ("x86-64", "hugetlb 2 MiB"): "hugetlb 2 MiB",
}


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw three panels."""
    memory, runs = tables["memory"], tables["runs"]
    redis = memory[memory["workload.trace"].str.contains("redis")].copy()
    leafs = zip(redis["machine.paging"], redis["workload.backing"], strict=True)
    redis["pages"] = [PAGES[leaf] for leaf in leafs]
    figure, axes = panels(1, 3, PAGE_IN, 2.7)
    redis["faults"] = redis["copies"] + redis["flips"]  # without those that filled the heap
    _over_time(axes[0], redis[redis["pages"] == "4 KiB"], "policy.copy", "faults", 1000)
    axes[0].set(ylabel="copies and flips [1000]", title="Redis, by policy")
    by_pages = redis[redis["policy.copy"] == "cow-flip"]
    _over_time(axes[1], by_pages, "pages", "copied_bytes", 2**20)
    axes[1].set(ylabel="copied by faults [MiB]", title="Redis, cow-flip, by page size")
    _shell(axes[2], runs[runs["workload.trace"].str.contains("busybox")])
    return figure


def _over_time(axes: Axes, memory: pd.DataFrame, column: str, value: str, scale: float) -> None:
    looks = series_style(memory[column].unique())
    for name, group in memory.groupby(column, sort=False):
        look = looks[name] | {"markevery": 10}
        axes.plot(group["time_ps"] / 1e12, group[value] / scale, label=name, **look)
    axes.set(xlabel="time [s]", xlim=(-0.2, 9.2))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=2, columnspacing=1)


def _shell(axes: Axes, runs: pd.DataFrame) -> None:
    """Stack a shell's copies, at fork and by faults, and flips."""
    policies = list(runs["policy.copy"])
    places, below = np.arange(len(policies)), np.zeros(len(policies))
    parts = {
        "copied at fork": (runs["copies.by_forks"], "#E69F00", "..."),
        "copied by faults": (runs["copies.by_faults"], "#0072B2", ""),
        "flipped": (runs["flips.total"], "#56B4E9", "///"),
    }
    for name, (values, colour, hatch) in parts.items():
        axes.bar(
            places,
            values,
            bottom=below,
            label=name,
            color=colour,
            hatch=hatch,
            edgecolor="black",
            linewidth=0.4,
        )
        below = below + values.to_numpy()
    axes.set_xticks(places, [policy.replace("cow-", "cow-\n", 1) for policy in policies], fontsize=6)
    axes.set(ylabel="pages [1]", title="shell with a pipeline", ylim=(0, below.max() * 1.1))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=2, columnspacing=1)
