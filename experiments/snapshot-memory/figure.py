"""Extra memory over time during a snapshot, with the closed form of uniform writes."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cowmodel.report.style import ONE_COLUMN_IN, series_style

RATE_PER_S, PAGES = 160_000, 262_144
SAVE_S = 2.0


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw a line for each policy and page size."""
    memory, actions = tables["memory"], tables["actions"]
    forks = actions[actions["action"] == "fork"].set_index(["policy.copy", "workload.backing"])["time_ps"]
    figure, axes = plt.subplots(figsize=(ONE_COLUMN_IN, 3.0))
    names = {key: _name(*key) for key in forks.index}
    looks = series_style(names.values())
    for key, group in memory.groupby(["policy.copy", "workload.backing"], sort=False):
        time = (group["time_ps"] - forks[key]) / 1e12
        extra = (group["used_bytes"] - group["used_bytes"].where(time < 0).max()) / 2**30
        shown = time > -0.4
        look = looks[names[key]] | {"markevery": 12}
        axes.plot(time[shown], extra[shown].clip(lower=0), label=names[key], **look)
    time = np.linspace(0, SAVE_S, 200)
    expected = PAGES * (1 - np.exp(-RATE_PER_S * time / PAGES)) * 4096 / 2**30
    axes.plot(time, expected, color="red", linewidth=0.8, zorder=5, label="N (1 - exp(-rate t / N))")
    axes.axvline(SAVE_S, color="grey", linewidth=0.6)
    axes.text(SAVE_S, 0.2, " snapshot ends", fontsize=7, rotation=90, ha="right", va="bottom")
    axes.set(
        xlabel="time since the fork [s]", ylabel="extra memory [GiB]", ylim=(-0.03, 1.15), xlim=(-0.4, 2.5)
    )
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _name(policy: str, backing: str) -> str:
    return policy if backing == "base" else f"{policy}, {backing}"
