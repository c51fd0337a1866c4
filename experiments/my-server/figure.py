"""What a snapshot costs, by page size: the pause of the fork, what is copied, and memory over time."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.paper import PAGE_IN, legend, panels
from cowmodel.report.style import series_style


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw a bar for each page size, and its memory in the first replication."""
    runs = tables["runs"].groupby("workload.backing", sort=False).mean(numeric_only=True)
    looks = series_style(runs.index)
    colours = [looks[backing]["color"] for backing in runs.index]
    figure, (pause, copied, memory) = panels(1, 3, PAGE_IN, 2.5, width_ratios=[1, 1, 1.4])
    pause.bar(runs.index, runs["fork_us.mean"] / 1000, color=colours)
    pause.set(ylabel="pause of the fork [ms]", yscale="log")
    if "fork_us.mean_low" in runs:  # the experiment draws prices
        _draw_ends(pause, runs)
    copied.bar(runs.index, runs["copied_bytes.by_faults"] / 2**20, color=colours)
    copied.set(ylabel="copied after the fork [MiB]")
    for axes in (pause, copied):
        axes.tick_params(axis="x", rotation=30)
    first = {name: tables[name].query("replication == 0") for name in ("memory", "actions")}
    _draw_memory(memory, first["memory"], first["actions"], looks)
    legend(figure, memory)
    return figure


def _draw_ends(axes: Axes, runs: pd.DataFrame) -> None:
    """Mark between which ends each pause lies in 90 % of cases."""
    fork, low, high = (runs[f"fork_us.mean{end}"] / 1000 for end in ("", "_low", "_high"))
    ends = [(fork - low).clip(lower=0), (high - fork).clip(lower=0)]
    axes.errorbar(runs.index, fork, ends, fmt="none", ecolor="grey", capsize=3)


def _draw_memory(
    axes: Axes, memory: pd.DataFrame, actions: pd.DataFrame, looks: dict[str, dict[str, str]]
) -> None:
    forks = actions[actions["action"] == "fork"].set_index("workload.backing")["time_ps"]
    for backing, group in memory.groupby("workload.backing", sort=False):
        time_s = (group["time_ps"] - forks[backing]) / 1e12
        look = looks[backing] | {"markevery": 6}
        axes.plot(time_s, group["used_bytes"] / 2**20, label=backing, **look)
    axes.set(xlabel="time since the fork [s]", ylabel="memory [MiB]", ylim=(0, None))
