"""Bytes copied for each byte written against page size: by object size, and by locality."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.paper import PAGE_IN, panels
from cowmodel.report.style import CLOSED_FORM, series_style
from cowmodel.units import format_size, parse_size

HEAP_BYTES, WRITES = 64 << 20, 2000
PAGE_BYTES = {"x86-64": 4 << 10, "arm64-16k": 16 << 10, "arm64-64k": 64 << 10}


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw both panels."""
    runs = tables["statistics"].copy()
    base = runs["machine.paging"].map(PAGE_BYTES)
    runs["page_bytes"] = base.where(runs["workload.backing"] == "base", 2 << 20).astype(int)
    figure, (left, right) = panels(1, 2, PAGE_IN, 2.6, sharey=True)
    _panel(left, runs[runs["workload.locality"] == "uniform"], "workload.object")
    left.set(title="uniform writes, by object size")
    sizes = np.geomspace(4 << 10, 2 << 20, 100)
    for index, size in enumerate(runs["workload.object"].unique()):
        label = "closed form" if index == 0 else None
        left.plot(sizes, _closed_form(sizes, parse_size(size)), label=label, **CLOSED_FORM)
    _legend(left)
    _panel(right, runs[runs["workload.object"] == "64 B"], "workload.locality")
    right.set(title="objects of 64 B, by locality")
    _legend(right)
    return figure


def _panel(axes: Axes, runs: pd.DataFrame, column: str) -> None:
    looks = series_style(runs[column].unique())
    for name, group in runs.groupby(column, sort=False):
        group = group.sort_values("page_bytes")
        ends = [group["mean"] - group["mean_low"], group["mean_high"] - group["mean"]]
        look = looks[name] | {"linestyle": "none"}
        axes.errorbar(group["page_bytes"], group["mean"], yerr=ends, label=name, capsize=2, **look)
    axes.set(xscale="log", yscale="log", xlabel="page size", ylabel="bytes copied / bytes written [1]")
    axes.set_xticks(
        [*PAGE_BYTES.values(), 2 << 20], [format_size(s) for s in (*PAGE_BYTES.values(), 2 << 20)]
    )
    axes.minorticks_off()


def _legend(axes: Axes) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=4)


def _closed_form(page_bytes: np.ndarray, object_bytes: int) -> np.ndarray:
    """Return the expected amplification of WRITES uniform writes of aligned objects."""
    pages = HEAP_BYTES / np.maximum(page_bytes, object_bytes)
    touched = -pages * np.expm1(WRITES * np.log1p(-1 / pages))
    return touched * np.maximum(page_bytes, object_bytes) / (WRITES * object_bytes)
