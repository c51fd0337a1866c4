"""Fork of 1 GiB against the size of its folios, before and after the kernel copies entries in batches."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cowmodel.report.paper import COLUMN_IN, legend, panels
from cowmodel.report.style import CLOSED_FORM, PUBLISHED, series_style
from cowmodel.units import format_size, parse_size

KIB = 1024
NAMES = {"xeon4210r-linux6.8-rc1": "entry by entry", "xeon4210r-linux6.8": "in batches"}
# D. Hildenbrand, LKML 20240129124649.189745, January 2024: fork of 1 GiB by KiB of its folios, in ms.
SIZES_KIB = [4, 16, 32, 64, 128, 256, 512, 1024]
BEFORE_MS = [14.328, 14.263, 14.334, 14.046, 14.011, 13.993, 13.983, 13.986]
AFTER_MS = [14.035, 11.960, 10.940, 10.444, 10.063, 9.938, 9.850, 9.820]
FIXED_MS, BATCHES_MS = 9.786, 8.70  # fitted to the rows of 16 KiB and 1 MiB


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw a line for each kernel, the published rows, and the law of batches."""
    runs = tables["runs"]
    figure, (axes,) = panels(1, 1, COLUMN_IN, 2.7)
    sizes = np.geomspace(16, 1024, 100)
    axes.plot(sizes, FIXED_MS + BATCHES_MS * 4 / sizes, label="9.79 ms + 8.70 ms / pages", **CLOSED_FORM)
    looks = series_style(NAMES.values())
    for costs, group in runs.groupby("machine.costs", sort=False):
        folios = group["workload.backing"].str.removeprefix("mthp ").replace("base", "4 KiB").map(parse_size)
        name = NAMES[str(costs)]
        axes.plot(folios / KIB, group["fork_us.mean"] / 1000, label=name, **looks[name])
    for published in (BEFORE_MS, AFTER_MS):
        axes.plot(SIZES_KIB, published, label="measured", **PUBLISHED)
    axes.set(xscale="log", xlabel="size of folios", ylabel="fork of 1 GiB [ms]", ylim=(0, 16))
    ticks = [4, 16, 64, 256, 1024]
    axes.set_xticks(ticks, [format_size(size * KIB) for size in ticks])
    axes.minorticks_off()
    legend(figure, axes)
    return figure
