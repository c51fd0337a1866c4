"""The summary of a run as a table for people."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cowmodel.experiment.document import columns_of_band, flat
from cowmodel.units import format_band, format_count, format_duration, format_size, unit_of_time

if TYPE_CHECKING:
    import pandas as pd

Bands = Mapping[str, Sequence[float]]

_MOST_ROWS = 24

# What a person wants to know first.
HEADLINES = {
    "fork time": "fork_us.mean",
    "copies": "copies.total",
    "peak memory": "peak_bytes.memory",
}


def summary_rows(summary: dict[str, Any], bands: Bands) -> Iterator[tuple[str, str]]:
    """Go through the labels and values of a summary, first those of `HEADLINES`; what is 0 is left out.

    Parameters
    ----------
    summary : dict
        As a run returns it; the unit of a number is in its name.
    bands : mapping
        From the dotted path of a time to the ends of its band.
    """
    values = flat(summary)
    for label, name in HEADLINES.items():
        yield label, readable(name, values.pop(name), bands.get(name))
    for name, value in values.items():
        if value != 0:
            yield name, readable(name, value, bands.get(name))


def headlines(runs: "pd.DataFrame") -> str:
    """Write, for each of the first runs of a sweep, what is varied and the three numbers in a line.

    Parameters
    ----------
    runs : DataFrame
        As ``summary.csv`` holds it: varied paths up to `replication`, then the metrics.
    """
    paths = [str(name) for name in runs.loc[:, :"replication"]]
    varied = {name: name.rpartition(".")[2] for name in paths if runs[name].nunique() > 1}
    first = runs.head(_MOST_ROWS)
    shown = first[list(varied)].rename(columns=varied)
    for label, name in HEADLINES.items():
        shown[label] = [
            readable(name, value, band) for value, band in zip(first[name], _bands(first, name), strict=True)
        ]
    more = f"\n... and {len(runs) - _MOST_ROWS} more in summary.csv" if len(runs) > _MOST_ROWS else ""
    return shown.to_string(index=False) + more


def _bands(runs: "pd.DataFrame", name: str) -> list[Sequence[float] | None]:
    """Return the band of one time in each run."""
    ends = list(columns_of_band(name))
    if not set(ends) <= set(runs):
        return [None] * len(runs)
    return [None if math.isnan(low) else (low, high) for low, high in runs[ends].to_numpy()]


def readable(name: str, value: object, band: Sequence[float] | None = None) -> str:
    """Write a value with the unit that its name tells, and behind it the band, if it has one.

    Examples
    --------
    >>> readable("fork_us.mean", 2500.0), readable("copies.total", 12345), readable("fault_us.max", None)
    ('2.5 ms', '12,345', 'none')
    >>> readable("fork_us.mean", 2500.0, (2100.0, 3000.0))
    '2.5 ms (2.1-3)'
    """
    if isinstance(value, list):
        return f"{len(value)} (see --json)"
    if isinstance(value, float) and math.isnan(value):
        return "none"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "none" if value is None else str(value)
    if unit_ps := unit_of_time(name):
        times = [round(time * unit_ps) for time in (value, *(band or ()))]
        return format_band(*times) if band else format_duration(*times)
    if "_bytes" in name:
        return format_size(round(value))
    return format_count(value) if isinstance(value, int) else f"{value:.4g}"
