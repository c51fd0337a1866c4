"""Time until a command runs against the size of its parent, by how it is started, log-log."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cowmodel.report.paper import COLUMN_IN, legend, panels
from cowmodel.report.style import series_style
from cowmodel.units import format_size, parse_size

PS_PER_MS = 1e9
MIB = 2**20
NAMES = {
    ("fork", "base", 0.0): "fork and exec, fragmented",
    ("fork", "base", 1.0): "fork and exec",
    ("fork", "thp", 1.0): "fork and exec, thp",
    ("spawn", "base", 1.0): "spawn",
}


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw a line for each way to start a command."""
    actions = tables["actions"]
    figure, (axes,) = panels(1, 1, COLUMN_IN, 2.8)
    looks = series_style(NAMES.values())
    ways = ["workload.start", "workload.backing", "machine.contiguity"]
    for way, group in actions.groupby(ways, sort=False):
        name = NAMES[way]
        times = group.groupby("workload.heap", sort=False).apply(until_it_runs_ms)
        axes.plot([parse_size(size) / MIB for size in times.index], times, label=name, **looks[name])
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="resident memory of the parent",
        ylabel="until the command runs [ms]",
        ylim=(0.1, 1000),
    )
    ticks = [1, 16, 256, 4096]
    axes.set_xticks(ticks, [format_size(size * MIB) for size in ticks])
    axes.minorticks_off()
    legend(figure, axes)
    return figure


def until_it_runs_ms(actions: pd.DataFrame) -> float:
    """Return the time from the start of the call, fork or spawn, to the end of the last, exec or spawn."""
    calls = actions[actions["action"].isin(("fork", "exec", "spawn"))]
    ends = calls["time_ps"] + calls["cost_ps"] + calls["waited_ps"]
    return float(np.max(ends) - np.min(calls["time_ps"])) / PS_PER_MS
