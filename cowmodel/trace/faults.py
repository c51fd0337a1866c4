"""Write faults of a server that forks to save, and of its child.

The file gives times since the call that forks *returned* in the parent; the child may run, and
fault, before that. So the fork is placed just before the child's first record (or at the
return, if that is earlier), and all times are shifted to make it 0::

    recorded   -3514 C  -3498 C  ...  -3083 P  ...  0: the call returns
    here           0 C     16 C  ...    431 P  ...  3514

`ec` is the x86 error code of the fault: bit 0 is set if the page was present (so a write met a
write-protected entry, and is copied or flipped), bit 1 if the access was a write.
"""

import re
from pathlib import Path

import numpy as np

from cowmodel.errors import ConfigError
from cowmodel.trace.columns import Area, Exit, Fork, Integers, Trace
from cowmodel.trace.layout import lay_out
from cowmodel.trace.text import Table, read_table

HEADER = "t_us,proc,mode,ec,area,page,class"
PRESENT, WRITE = 1, 2
MOST_US = 10**12  # 11 days, whose picoseconds fit 64 bits
PS_PER_US = 1_000_000


def read_faults(path: Path, content: bytes, name: str) -> Trace:
    """Read a table of write faults.

    Raises
    ------
    ConfigError
        If a field or the description of the run is missing or wrong, with its line.
    """
    table = read_table(path, content)
    recorded_us = table.integers("t_us", least=-MOST_US, most=MOST_US)
    order = np.argsort(recorded_us, kind="stable")
    is_child = table.flags("proc", {"P": False, "C": True})[order]
    areas = _areas(table)
    page = _pages(table, areas)[order]
    error_code = table.integers("ec", least=0)[order]
    fork_us = min(0, int(recorded_us[order][is_child].min(initial=0)))
    time_ps = (recorded_us[order] - fork_us) * PS_PER_US
    exit_ps = (int(_described(table, "child_exit_us", r"\d{1,12}")) - fork_us) * PS_PER_US
    return Trace(
        name=name,
        time_ps=time_ps,
        process=is_child.astype(np.int32),
        page=page,
        write=(error_code & WRITE) != 0,
        count=np.ones(len(page), dtype=np.int64),
        expects_fault=(error_code & PRESENT) != 0,
        areas=areas,
        forks=(Fork(0, 1, int(np.searchsorted(time_ps, 0))),),
        exits=(Exit(1, int(np.searchsorted(time_ps, exit_ps)), exit_ps),),
    )


def _areas(table: Table) -> tuple[Area, ...]:
    """Lay out the areas that the description lists as ``index:name:pages;...``."""
    parts = _described(table, "areas", r"\S+").split(";")
    found = [re.fullmatch(r"(\d+):(.+):(\d+)", part) for part in parts]
    for index, (part, match) in enumerate(zip(parts, found, strict=True)):
        if not match or int(match[1]) != index or int(match[3]) == 0:
            raise ConfigError(
                f"{table.path}: areas: expected '{index}:NAME:PAGES', got {part!r};"
                " mend the description or record it again"
            )
    known = [match for match in found if match]
    return lay_out([m[2] for m in known], [int(m[3]) for m in known], [0] * len(known))


def _pages(table: Table, areas: tuple[Area, ...]) -> Integers:
    """Give the pages their numbers in the space of the areas."""
    area, page = table.integers("area", least=0), table.integers("page", least=0)
    if area.max() >= len(areas):
        row = int(np.argmax(area >= len(areas)))
        raise table.error(row, f"expected an area below {len(areas)}, got {area[row]}")
    lengths = np.array([a.pages for a in areas])[area]
    if (page >= lengths).any():
        row = int(np.argmax(page >= lengths))
        raise table.error(row, f"expected a page below {lengths[row]}, got {page[row]}")
    return np.array([a.first_page for a in areas], dtype=np.int64)[area] + page


def _described(table: Table, key: str, value: str) -> str:
    """Find ``key=value`` in the comments above the header."""
    for comment in table.comments:
        if match := re.search(rf"(?:^|\s){key}=({value})", comment):
            return match[1]
    raise ConfigError(
        f"{table.path}: expected {key}=... in a comment above the header, got none;"
        " take the comments of the recording along"
    )
