"""Fork and accesses against the fraction accessed: times, and copy-on-write beside eager copying."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.paper import PAGE_IN, legend, panels
from cowmodel.report.style import series_style

PS_PER_MS = 1e9
POINT = ["workload.backing", "workload.read", "workload.written", "policy.copy"]
MIXES = {"only reads": 0.0, "half of them writes": 0.5, "only writes": 1.0}


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw times in base pages, and what copy-on-write takes beside eager copying in two page sizes."""
    times = tables["actions"].groupby(POINT, sort=False).apply(total_ms).unstack("policy.copy").reset_index()
    times["accessed"] = times["workload.read"] + times["workload.written"]
    times["ratio"] = times["cow-flip"] / times["eager"]
    figure, (left, middle, right) = panels(1, 3, PAGE_IN, 2.6)
    base, huge = (times[times["workload.backing"] == name] for name in ("base", "hugetlb 2 MiB"))
    _lines(left, base, "cow-flip", "")
    _lines(left, base, "eager", " (eager)", {"markerfacecolor": "white"})
    left.set(ylabel="fork and accesses [ms]", title="base pages, eager copy hollow", ylim=(0, 330))
    for axes, group, name in ((middle, base, "base pages"), (right, huge, "hugetlb 2 MiB")):
        _lines(axes, group, "ratio", "")
        axes.axhline(1, color="black", linewidth=0.6)
        axes.set(ylabel="copy-on-write / eager [1]", title=name)
        axes.set(yscale="log", ylim=(0.001, 10))
    legend(figure, middle)
    return figure


def _lines(
    axes: Axes, times: pd.DataFrame, column: str, suffix: str, more: dict[str, str] | None = None
) -> None:
    looks = series_style(MIXES)
    for mix, share in MIXES.items():
        points = times[(times["workload.written"] - share * times["accessed"]).abs() < 1e-9]
        points = points.sort_values("accessed")
        axes.plot(points["accessed"] * 100, points[column], label=mix + suffix, **looks[mix] | (more or {}))
    axes.set(xlabel="memory accessed [%]")


def total_ms(actions: pd.DataFrame) -> float:
    """Return the time from the start of the fork to the child's last access."""
    (forked,) = actions.loc[actions["action"] == "fork", "time_ps"]
    (child,) = actions.loc[actions["action"] == "fork", "child"]
    (ended,) = actions.loc[(actions["action"] == "exit") & (actions["pid"] == child), "time_ps"]
    return float(ended - forked) / PS_PER_MS
