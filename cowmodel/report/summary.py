"""The summary of a run as a table for people."""

from typing import Any

from rich.table import Table

from cowmodel.experiment.document import flat
from cowmodel.units import DURATIONS, format_count, format_duration, format_size

# What a person wants to know first.
HEADLINES = {
    "fork time": "fork_us.mean",
    "copies": "copies",
    "peak memory": "peak_bytes.memory",
}


def summary_table(summary: dict[str, Any], title: str) -> Table:
    """Lay a summary out, the three numbers of `HEADLINES` first; what is 0 is left out.

    Parameters
    ----------
    summary : dict
        As a run returns it; the unit of a number is in its name.
    title : str
        Put above.
    """
    values = flat(summary)
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    table.add_column(no_wrap=True)
    for label, name in HEADLINES.items():
        table.add_row(label, readable(name, values.pop(name)), style="bold")
    for name, value in values.items():
        if value != 0:
            table.add_row(name, readable(name, value))
    return table


def readable(name: str, value: object) -> str:
    """Write a value with the unit that its name tells.

    Examples
    --------
    >>> readable("fork_us.mean", 2500.0), readable("copies", 12345), readable("fault_us.max", None)
    ('2.5 ms', '12,345', 'none')
    """
    if isinstance(value, list):
        return f"{len(value)} (see --json)"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "none" if value is None else str(value)
    for unit, unit_ps in DURATIONS.items():
        if f"_{unit}" in name:
            return format_duration(round(value * unit_ps))
    if "_bytes" in name:
        return format_size(round(value))
    return format_count(value) if isinstance(value, int) else f"{value:.4g}"
