"""Cost against written fraction for two page sizes, and the map of who wins over all of them."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.paper import PAGE_IN, legend, panels
from cowmodel.report.style import CLOSED_FORM, series_style
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
    runs = _costs(tables)
    figure, (left, middle, right) = panels(1, 3, PAGE_IN, 2.5)
    _cost(left, runs, 4 << 10)
    _cost(middle, runs, 2 << 20)
    _map(right, runs)
    legend(figure, left, right, loc="outside lower center")
    return figure


def _costs(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the runs with the cost of fork and faults, and the size of a page."""
    runs = tables["runs"].copy()
    runs["cost_ms"] = (runs["fork_us.sum"] + runs["fault_us.sum"]) / 1000
    keys = zip(runs["machine.paging"], runs["workload.backing"], strict=True)
    runs["leaf_bytes"] = [LEAF_BYTES[key] for key in keys]
    return runs


def _break_even(tables: dict[str, pd.DataFrame], leaf: int) -> float:
    """Return the written fraction up to which copy-on-write costs less, between two points on a line."""
    runs = _costs(tables)
    table = runs[runs["leaf_bytes"] == leaf].pivot_table("cost_ms", "workload.written", "policy.copy")
    return float(np.interp(0, table["cow-flip"] - table["eager"], table.index))


def break_even_4_kib(tables: dict[str, pd.DataFrame]) -> float:
    """Return that of base pages."""
    return _break_even(tables, 4 << 10)


def break_even_2_mib(tables: dict[str, pd.DataFrame]) -> float:
    """Return that of pages of 2 MiB."""
    return _break_even(tables, 2 << 20)


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
    looks = series_style(["cow-flip", "eager"])
    for policy, where in (("cow-flip", cheaper), ("eager", ~cheaper)):
        look = looks[policy] | {"linestyle": "none", "markersize": 3}
        axes.plot(table["workload.written"][where] * 100, table["leaf_bytes"][where], **look)
    sizes = np.geomspace(4 << 10, 1 << 30, 200)
    copy_us = sizes * COPY_US_PER_BYTE
    axes.plot(100 * copy_us / (FAULT_US + copy_us), sizes, label="f* = copy / (fault + copy)", **CLOSED_FORM)
    axes.set(xlabel="written pages [%]", ylabel="page size", title="which costs less", yscale="log")
    axes.set_yticks(list(LEAF_BYTES.values()), [format_size(size) for size in LEAF_BYTES.values()])
    axes.minorticks_off()
