"""Extra memory over time during a snapshot, with the closed form of uniform writes."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cowmodel.report.paper import COLUMN_IN, legend, panels
from cowmodel.report.style import CLOSED_FORM, series_style

RATE_PER_S, PAGES = 160_000, 262_144
SAVE_S = 2.0


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw a line for each policy and page size."""
    memory, actions = tables["memory"], tables["actions"]
    forks = actions[actions["action"] == "fork"].set_index(["policy.copy", "workload.backing"])["time_ps"]
    figure, (axes,) = panels(1, 1, COLUMN_IN, 3.0)
    names = {key: _name(*key) for key in forks.index}
    looks = series_style(names.values())
    groups = memory.groupby(["policy.copy", "workload.backing"], sort=False)
    for number, (key, group) in enumerate(groups):
        time = (group["time_ps"] - forks[key]) / 1e12
        extra = (group["used_bytes"] - group["used_bytes"].where(time < 0).max()) / 2**30
        shown = time > -0.4
        look = looks[names[key]] | {
            "markevery": (2 * number, 12)
        }  # side by side where lines are one upon the other
        axes.plot(time[shown], extra[shown].clip(lower=0), label=names[key], **look)
    time = np.linspace(0, SAVE_S, 200)
    expected = PAGES * (1 - np.exp(-RATE_PER_S * time / PAGES)) * 4096 / 2**30
    axes.plot(time, expected, label="N (1 - exp(-rate t / N))", **CLOSED_FORM)
    axes.axvline(SAVE_S, color="grey", linewidth=0.6)
    axes.text(SAVE_S, 0.2, " snapshot ends", fontsize=7, rotation=90, ha="right", va="bottom")
    axes.set(
        xlabel="time since the fork [s]", ylabel="extra memory [GiB]", ylim=(-0.03, 1.15), xlim=(-0.4, 2.5)
    )
    legend(figure, axes)
    return figure


def share_copied(tables: dict[str, pd.DataFrame]) -> float:
    """Return the share of the heap that is copied when the snapshot ends, in base pages."""
    memory, actions = tables["memory"], tables["actions"]
    ours = [
        table[(table["policy.copy"] == "cow-flip") & (table["workload.backing"] == "base")]
        for table in (memory, actions)
    ]
    forked_ps = ours[1].loc[ours[1]["action"] == "fork", "time_ps"].iloc[0]
    time = (ours[0]["time_ps"] - forked_ps) / 1e12
    used = ours[0]["used_bytes"]
    return float((used[time <= SAVE_S].iloc[-1] - used[time < 0].max()) / (PAGES * 4096))


def _name(policy: str, backing: str) -> str:
    return policy if backing == "base" else f"{policy}, {backing}"
