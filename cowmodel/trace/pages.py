"""Data accesses of one process, reduced to pages: ``seq,rw,page,n``.

`seq` is the index of the record's first access, `page` is hexadecimal, `n` counts the accesses
until the next record opens. `seq` orders the records but is no time.
"""

from pathlib import Path

import numpy as np

from cowmodel.trace.columns import Trace
from cowmodel.trace.layout import compact
from cowmodel.trace.text import read_table

HEADER = "seq,rw,page,n"


def read_pages(path: Path, content: bytes, name: str) -> Trace:
    """Read a table of page accesses.

    Raises
    ------
    ConfigError
        If a field is missing or wrong, or `seq` does not rise, with its line.
    """
    table = read_table(path, content)
    sequence = table.integers("seq", least=0)
    if (falls := np.diff(sequence) <= 0).any():
        row = int(np.argmax(falls)) + 1
        raise table.error(row, f"expected seq above {sequence[row - 1]}, got {sequence[row]}")
    areas, page = compact(table.integers("page", base=16, least=0))
    return Trace(
        name=name,
        time_ps=None,
        process=np.zeros(len(page), dtype=np.int32),
        page=page,
        write=table.flags("rw", {"R": False, "W": True}),
        count=table.integers("n", least=1),
        expects_fault=None,
        areas=areas,
    )
