"""Rows of a scenario for people: a table of what says most, aligned."""

from collections.abc import Iterable, Sequence

from cowmodel.scenario.fields import STOPS, Row
from cowmodel.units import format_count, format_duration

COLUMNS = {
    "faults": "minflt",
    "new": "accessed.new",
    "zeroed": "accessed.zero_to_anon",
    "copied": "accessed.copied",
    "same": "accessed.same_frame",
    "flips": "flips",
    "others new": "other.new",
    "present": "pages.present",
    "tables": "pt_pages",
    "frames": "frames.unique",
    "shared": "frames.shared",
}
"""Headings, and the fields below them."""


def table(rows: Iterable[Row]) -> str:
    """Write a line for each row, below a line of headings."""
    lines = [("step", "operation", *COLUMNS, "time"), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_aligned(line, widths) for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    operation = " ".join(str(row[name]) for name in ("op", "proc", "region", "child") if name in row)
    stops = "".join(f" ({name})" for name in STOPS if name in row)
    counts = (format_count(int(row[field])) if field in row else "" for field in COLUMNS.values())
    time = format_duration(int(row["ns"]) * 1000) if "ns" in row else ""
    return str(row["step"]), operation + stops, *counts, time


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Put numbers to the right and the operation to the left of their columns."""
    padded = (
        cell.ljust(width) if place == 1 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()
