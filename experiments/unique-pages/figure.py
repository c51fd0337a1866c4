"""Pages copied against writes, by locality, with mean and three standard deviations of the closed form."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cowmodel.report.paper import PAGE_IN, legend, panels
from cowmodel.report.style import CLOSED_FORM, series_style

PAGES, PAGE_BYTES = 1024, 4096
Shares = NDArray[np.float64]

HOT = int(PAGES * 0.1 + 0.5)
SHARES: dict[str, Shares] = {
    "uniform": np.ones(PAGES),
    "zipf 0.99": np.arange(1, PAGES + 1) ** -0.99,
    "hot 0.9 of 0.1": np.repeat([0.9 / HOT, 0.1 / (PAGES - HOT)], [HOT, PAGES - HOT]),
}


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw the points and their laws, and how far each point lies from its law."""
    figure, (left, right) = panels(1, 2, PAGE_IN, 2.8)
    memory = tables["memory"].assign(writes=tables["memory"]["written_bytes"] // PAGE_BYTES)
    looks = series_style(SHARES)
    for name, weights in SHARES.items():
        points = memory[
            (memory["workload.locality"] == name) & (memory["writes"] > 0) & (memory["processes"] > 0)
        ]
        _law(left, weights / weights.sum())
        look = looks[name] | {"linestyle": "none"}
        left.plot(points["writes"], points["copies"], label=name, **look | {"markersize": 2, "alpha": 0.5})
        _means(right, points, weights / weights.sum(), look)
    left.set(xlabel="writes [1]", ylabel="pages copied [1]", xlim=(0, 4200), ylim=(0, 1100))
    right.axhline(0, color="black", linewidth=0.6)
    right.axhspan(-3, 3, color="#eeeeee", zorder=0)
    right.set(xlabel="writes [1]", ylabel="mean of 30 runs less closed form\n[standard deviations of it]")
    right.set(xlim=(0, 4200), ylim=(-4, 4))
    legend(figure, left)
    return figure


def _law(axes: Axes, shares: Shares) -> None:
    writes = np.linspace(0, 4200, 60)
    mean, deviation = np.array([law(shares, int(count)) for count in writes]).T
    axes.plot(writes, mean, label="closed form, 3 standard deviations", **CLOSED_FORM)
    axes.fill_between(
        writes, mean - 3 * deviation, mean + 3 * deviation, color="grey", alpha=0.3, linewidth=0
    )


def _means(axes: Axes, points: pd.DataFrame, shares: Shares, look: dict[str, object]) -> None:
    """Draw, for each time, how far the mean of the replications is from the mean of their laws."""
    laws = np.array([law(shares, count) for count in points["writes"]])
    off = points.assign(off=points["copies"] - laws[:, 0], variance=laws[:, 1] ** 2).groupby("time_ps")
    sums = off[["writes", "off", "variance"]].sum()[off.size() == off.size().max()]
    axes.plot(sums["writes"] / off.size().max(), sums["off"] / np.sqrt(sums["variance"]), **look)


def law(shares: Shares, writes: int) -> tuple[float, float]:
    """Return mean and standard deviation of the pages touched by so many writes.

    Parameters
    ----------
    shares : float64[n]
        The chance of each page to be the one that a write goes to.

    References
    ----------
    Cárdenas, Analysis and performance of inverted data base structures, CACM 1975, for equal shares; the
    variance is that of the classical occupancy problem.
    """
    classes, sizes = np.unique(shares, return_counts=True)
    untouched = (1 - classes) ** writes
    both = (1 - classes[:, None] - classes) ** writes - untouched[:, None] * untouched
    variance = sizes @ (untouched - untouched**2) + sizes @ both @ sizes - sizes @ np.diag(both)
    return len(shares) - float(sizes @ untouched), float(np.sqrt(max(variance, 0)))
