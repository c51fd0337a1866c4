"""The compact page space of a trace.

Areas are laid one after another, each as far into a group of 512 pages (2 MiB at 4 KiB) as it
began where it was recorded, and none shares a group with another::

    recorded   0x400 ..... 0x5eb     0x4000 . 0x4002     0x1ffefff 0x1fff000
    here       0 ........... 491     512 ...... 514      1535 ......... 1536

So pages that are neighbours on a larger page here were neighbours there.
"""

import numpy as np

from cowmodel.trace.columns import Area, Integers

ALIGNMENT_PAGES = 512


def lay_out(names: list[str], pages: list[int], offsets: list[int]) -> tuple[Area, ...]:
    """Lay areas one after another, each in groups of 512 pages of its own.

    Parameters
    ----------
    names, pages, offsets : list
        Of each area its name, its length, and how far into a group of 512 pages it began where
        it was recorded (0 if that is not known).
    """
    areas: list[Area] = []
    group = 0
    for name, length, offset in zip(names, pages, offsets, strict=True):
        areas.append(Area(name, group * ALIGNMENT_PAGES + offset, length))
        group += -(-(offset + length) // ALIGNMENT_PAGES)
    return tuple(areas)


def compact(addresses: Integers) -> tuple[tuple[Area, ...], Integers]:
    """Turn page numbers of a sparse address space into those of a compact one.

    Pages less than 512 pages apart belong to one area.

    Parameters
    ----------
    addresses : int64[n]
        Page numbers as recorded.

    Returns
    -------
    areas : tuple of Area
        Named by their first recorded page, in hexadecimal.
    page : int64[n]
        The page numbers in the space of the areas.
    """
    touched = np.unique(addresses)
    breaks = np.flatnonzero(np.diff(touched) >= ALIGNMENT_PAGES)
    first = touched[np.concatenate([[0], breaks + 1])]
    last = touched[np.concatenate([breaks, [len(touched) - 1]])]
    areas = lay_out(
        [f"0x{page:x}" for page in first.tolist()],
        (last - first + 1).tolist(),
        (first % ALIGNMENT_PAGES).tolist(),
    )
    starts = np.array([area.first_page for area in areas], dtype=np.int64)
    home = np.searchsorted(first, addresses, side="right") - 1
    return areas, starts[home] + addresses - first[home]
