"""What nine versions of Linux do in the same steps: a panel a scenario, a bar a version."""

from pathlib import PurePosixPath

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.paper import PAGE_IN, panels
from cowmodel.report.style import COLOURS

MIB = 1 << 20
LOOKS = ({"color": COLOURS[2]}, {"color": COLOURS[6], "hatch": "///"})
COPIES, FLIPS = "copied", "written in place"


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw the four panels."""
    runs = tables["runs"].copy()
    runs["scenario"] = [PurePosixPath(file).stem for file in runs["workload.file"]]
    runs["era"] = runs["kernel.era"].str.removeprefix("linux-")
    figure, axes = panels(2, 2, PAGE_IN, 4.2)
    by_name = {name: group.set_index("era") for name, group in runs.groupby("scenario", sort=False)}
    snapshot, after = by_name["snapshot-of-huge-pages"], by_name["after-a-snapshot"]
    _bars(axes[0], {"": snapshot["copied_bytes.by_faults"] / MIB})
    axes[0].set(ylabel="copied [MiB]", title="500 writes during a snapshot, huge pages")
    _logarithmic(axes[0], [1, 10, 100])
    later = {name: after[f"{name}.by_faults"] - snapshot[f"{name}.by_faults"] for name in ("copies", "flips")}
    _bars(axes[1], {COPIES: later["copies"] / 1000, FLIPS: later["flips"] / 1000})
    axes[1].set(ylabel="faults [1000]", title="all written after it")
    axes[1].set_ylim(0, 20)
    axes[1].legend(ncols=2, loc="upper center")
    _bars(axes[2], {"": by_name["garbage-collector"]["flips.by_faults"] / 1000})
    axes[2].set(ylabel="faults [1000]", title="right to write taken and given back, 16 MiB")
    _bars(axes[3], {"": by_name["sparse-array"]["peak_bytes.memory"] / MIB})
    axes[3].set(ylabel="memory [MiB]", title="one write in each 2 MiB, after reads")
    _logarithmic(axes[3], [0.1, 1, 10, 100])
    for each in axes:
        each.set_xlabel("version of Linux")
    return figure


def _logarithmic(axes: Axes, ticks: list[float]) -> None:
    axes.set(yscale="log", ylim=(ticks[0], ticks[-1]))
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _bars(axes: Axes, parts: dict[str, "pd.Series[float]"]) -> None:
    """Draw a bar for each version, of parts one upon the other; write down what is 0."""
    total = sum(parts.values()) * 0
    for (label, part), look in zip(parts.items(), LOOKS, strict=False):
        axes.bar(part.index, part, bottom=total, label=label or None, width=0.7, **look)
        total = total + part
    for place, value in enumerate(total):
        if not value:
            axes.annotate("0", (place, 0), (0, 2), textcoords="offset points", ha="center")
    axes.tick_params(axis="x", labelsize=7)
