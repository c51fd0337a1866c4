"""What is counted of a step, from what every process maps before and after: one rule for model and kernel.

Who runs steps tells of each region an array with one number for each 4 KiB page::

    -1 ABSENT   nothing is mapped      0 ZERO   the zero page      n   frame n

`accessed.*` counts the pages that the step accessed, `other.*` those of the same region that it did not.
"""

import re
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from cowmodel.hardware.paging import Numbers

ABSENT, ZERO = -1, 0

Row = dict[str, int | str]
"""One line of output: fields by name."""

CHANGES = ("new", "zero_to_anon", "copied", "same_frame", "gone")
OTHER_CHANGES = ("new", "zero_to_anon", "copied", "gone")
FRAMES = ("unique", "shared", "mappings", "zero_mappings")
SMAPS = ("Rss", "Pss", "Private_Dirty", "Shared_Dirty", "Anonymous", "AnonHugePages")
HEIRS = ("shared", "copied", "parent_only", "child_only")
STOPS = ("sigsegv", "sigbus", "refused")
POOL = ("free", "reserved")
FIELDS = (
    "accesses",
    "distinct",
    "minflt",
    "majflt",
    "flips",
    "pt_pages",
    "child_pt_pages",
    "pages.present",
    "pages.zero",
    *STOPS,
    *(f"accessed.{change}" for change in CHANGES),
    *(f"other.{change}" for change in OTHER_CHANGES),
    *(f"frames.{name}" for name in FRAMES),
    *(f"smaps_kb.{name}" for name in SMAPS),
    *(f"pool.{name}" for name in POOL),
    "ns",
)
_NEED_FRAMES = re.compile(
    r"(accessed|other)\.(zero_to_anon|copied|same_frame)|pages\.zero|frames\..*|inherit\..*|flips"
)


def known(field: str) -> bool:
    """Return whether a step may have such a field.

    Examples
    --------
    >>> known("accessed.copied"), known("inherit.A.shared"), known("accessed.flipped")
    (True, True, False)
    """
    heirs = re.fullmatch(rf"inherit\.\w+\.({'|'.join(HEIRS)})", field)
    return field in FIELDS or heirs is not None or re.fullmatch(r"kinds\.\w+", field) is not None


def optional(field: str) -> bool:
    """Return whether not everybody who runs scenarios can tell such a field."""
    return field.startswith("kinds.") or _NEED_FRAMES.fullmatch(field) is not None


def told_without_frames(row: Row) -> Row:
    """Return what is left of a row where only presence is known, not which frame it is."""
    return {field: value for field, value in row.items() if not _NEED_FRAMES.fullmatch(field)}


def changes(before: Numbers, after: Numbers) -> dict[str, int]:
    """Count what became of some pages.

    Examples
    --------
    >>> changes(np.array([-1, 0, 5, 5, 5]), np.array([7, 8, 9, 5, -1]))
    {'new': 1, 'zero_to_anon': 1, 'copied': 1, 'same_frame': 1, 'gone': 1}
    """
    was, stays = before != ABSENT, (before != ABSENT) & (after != ABSENT)
    differs = stays & (before != after)
    counted = (
        ~was & (after != ABSENT),
        differs & (before == ZERO),
        differs & (before != ZERO),
        stays & (before == after),
        was & (after == ABSENT),
    )
    return {name: int(np.count_nonzero(pages)) for name, pages in zip(CHANGES, counted, strict=True)}


def region_changes(before: Numbers, after: Numbers, accessed: Numbers | None) -> Row:
    """Return `accessed.*`, if pages were accessed, and `other.*` of one region."""
    hit: NDArray[np.bool_] = np.zeros(len(before), np.bool_)
    row: Row = {}
    if accessed is not None:
        hit[accessed] = True
        row |= {f"accessed.{name}": count for name, count in changes(before[hit], after[hit]).items()}
    others = changes(before[~hit], after[~hit])
    return row | {f"other.{name}": others[name] for name in OTHER_CHANGES}


def flips(row: Row) -> int:
    """Return the faults that mapped nothing new and copied nothing, of a step on small private pages."""
    explained = [f"{pages}.{change}" for pages in ("accessed", "other") for change in CHANGES[:3]]
    return int(row["minflt"]) - sum(int(row.get(field, 0)) for field in explained)


def present(pages: Numbers) -> Row:
    """Return `pages.*` of one region."""
    counts = np.count_nonzero(pages != ABSENT), np.count_nonzero(pages == ZERO)
    return {"pages.present": int(counts[0]), "pages.zero": int(counts[1])}


def frames(everything: Iterable[Numbers]) -> Row:
    """Return `frames.*` over all regions of all live processes."""
    pages = np.concatenate([np.empty(0, np.int64), *everything])
    _, mappings = np.unique(pages[pages > ZERO], return_counts=True)
    counts = len(mappings), (mappings > 1).sum(), mappings.sum(), (pages == ZERO).sum()
    return {f"frames.{name}": int(count) for name, count in zip(FRAMES, counts, strict=True)}


def inherited(parent: Mapping[str, Numbers], child: Mapping[str, Numbers]) -> Row:
    """Return `inherit.*` of every region after a fork."""
    row: Row = {}
    for name, own in child.items():
        theirs = parent[name]
        both, same = (own != ABSENT) & (theirs != ABSENT), own == theirs
        counted = both & same, both & ~same, (theirs != ABSENT) & ~both, (own != ABSENT) & ~both
        row |= {f"inherit.{name}.{heir}": int(n.sum()) for heir, n in zip(HEIRS, counted, strict=True)}
    return row
