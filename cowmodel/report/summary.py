"""The summary of a run as a table for people."""

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cowmodel.experiment.document import flat
from cowmodel.units import DURATIONS, format_count, format_duration, format_size

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS = 24

# What a person wants to know first.
HEADLINES = {
    "fork time": "fork_us.mean",
    "copies": "copies.total",
    "peak memory": "peak_bytes.memory",
}


def summary_rows(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Go through the labels and values of a summary, first those of `HEADLINES`; what is 0 is left out.

    Parameters
    ----------
    summary : dict
        As a run returns it; the unit of a number is in its name.
    """
    values = flat(summary)
    for label, name in HEADLINES.items():
        yield label, readable(name, values.pop(name))
    for name, value in values.items():
        if value != 0:
            yield name, readable(name, value)


def headlines(runs: "pd.DataFrame") -> str:
    """Write, for each of the first runs of a sweep, what is varied and the three numbers in a line.

    Parameters
    ----------
    runs : DataFrame
        As ``runs.csv`` holds it: varied paths up to `replication`, then the summary.
    """
    paths = [str(name) for name in runs.loc[:, :"replication"]]
    varied = {name: name.rpartition(".")[2] for name in paths if runs[name].nunique() > 1}
    shown = runs[list(varied)].rename(columns=varied).head(_MOST_ROWS)
    for label, name in HEADLINES.items():
        shown[label] = [readable(name, value) for value in runs[name].head(_MOST_ROWS)]
    more = f"\n... and {len(runs) - _MOST_ROWS} more in runs.csv" if len(runs) > _MOST_ROWS else ""
    return shown.to_string(index=False) + more


def readable(name: str, value: object) -> str:
    """Write a value with the unit that its name tells.

    Examples
    --------
    >>> readable("fork_us.mean", 2500.0), readable("copies.total", 12345), readable("fault_us.max", None)
    ('2.5 ms', '12,345', 'none')
    """
    if isinstance(value, list):
        return f"{len(value)} (see --json)"
    if isinstance(value, float) and math.isnan(value):
        return "none"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "none" if value is None else str(value)
    for unit, unit_ps in DURATIONS.items():
        if re.search(rf"_{unit}\b", name):
            return format_duration(round(value * unit_ps))
    if "_bytes" in name:
        return format_size(round(value))
    return format_count(value) if isinstance(value, int) else f"{value:.4g}"
