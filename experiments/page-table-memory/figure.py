"""Page-table memory against density and against the number of processes."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from cowmodel.report.style import TWO_COLUMNS_IN, series_style

DATA_MIB = 16


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw both panels."""
    runs = tables["runs"].copy()
    runs["tables_mib"] = runs["peak_bytes.page_tables"] / 2**20
    runs["levels"] = runs["machine.paging"].map({"x86-64": "4 levels", "x86-64-5level": "5 levels"})
    figure, (left, right) = plt.subplots(1, 2, figsize=(TWO_COLUMNS_IN, 2.5), sharey=True)
    workers = [1, 16, 64]
    looks = series_style([f"{1 + count} processes" for count in workers])
    for count in workers:
        name = f"{1 + count} processes"
        for levels, group in runs[runs["workload.workers"] == count].groupby("levels"):
            style = (
                looks[name] if levels == "4 levels" else {"marker": "x", "color": "grey", "linestyle": "none"}
            )
            label = name if levels == "4 levels" else ("5 levels" if count == 1 else None)
            left.plot(group["workload.every"], group["tables_mib"], label=label, **style)
    left.axhline(DATA_MIB, color="red", linewidth=0.7)
    left.text(1, DATA_MIB * 1.15, "the data", color="red", fontsize=7)
    left.set(xscale="log", yscale="log", ylabel="page tables [MiB]", xlabel="mapped / resident pages [1]")
    left.legend(loc="upper left", bbox_to_anchor=(0.0, 0.93))
    spreads = [1, 16, 512]
    looks = series_style([_name(every) for every in spreads])
    for every in spreads:
        group = runs[(runs["workload.every"] == every) & (runs["levels"] == "4 levels")]
        right.plot(
            1 + group["workload.workers"], group["tables_mib"], label=_name(every), **looks[_name(every)]
        )
    right.axhline(DATA_MIB, color="red", linewidth=0.7)
    right.set(xscale="log", xlabel="processes [1]")
    ticks = sorted(1 + runs["workload.workers"].unique())
    right.set_xticks(ticks, [str(count) for count in ticks])
    right.minorticks_off()
    right.legend(loc="upper left", bbox_to_anchor=(0.0, 1.0))
    return figure


def _name(every: int) -> str:
    return "dense" if every == 1 else f"one page in {every}"
