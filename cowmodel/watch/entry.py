"""The bits of an entry as letters, and runs of numbers, for people.

P present   W writable   A accessed   D dirty   H huge      a dot where a bit is off
d           was dirty when it lost W: kept in a software bit
"""

import numpy as np

from cowmodel.hardware.paging import (
    ACCESSED,
    CACHED,
    DIRTY,
    GUARDED,
    LARGE,
    MERGED,
    ORDER_MASK,
    ORDER_SHIFT,
    PRESENT,
    SAVED_DIRTY,
    SPECIAL,
    USER,
    WRITE,
    Numbers,
)

BITS = {"P": PRESENT, "W": WRITE, "A": ACCESSED, "D": DIRTY, "H": LARGE}
MEANINGS = {
    "P": "present",
    "W": "writable",
    "A": "accessed",
    "D": "dirty (d: was dirty when it became read-only)",
    "H": "huge: one entry maps a large page",
}
OFF = "·"
_NOTES = {
    SPECIAL: "the zero page",
    CACHED: "the frame is a file's or shared memory's",
    MERGED: "merged with equal pages",
    GUARDED: "the mapping may not be written",
}
FOREIGN = {_NOTES[CACHED], _NOTES[MERGED]}
"""Notes of frames that are never given to one who writes."""
_MOST_RUNS = 3


def letters(word: int) -> str:
    """Return the bits of an entry.

    Examples
    --------
    >>> letters(PRESENT | WRITE | ACCESSED | DIRTY), letters(PRESENT | SAVED_DIRTY)
    ('PWAD·', 'P··d·')
    """
    off = {"D": "d"} if word & SAVED_DIRTY else {}
    return "".join(letter if word & bit else off.get(letter, OFF) for letter, bit in BITS.items())


def notes(word: int) -> tuple[str, ...]:
    """Return what software bits of an entry say."""
    said = [note for bit, note in _NOTES.items() if word & bit]
    order = 0 if word & SPECIAL else (word & ORDER_MASK) >> ORDER_SHIFT
    if order:
        said.append(f"in a folio of {1 << order} pages")
    return tuple(said) if word & USER else (*said, "its process may not access it")


def span(numbers: Numbers, sizes: Numbers | int = 1) -> str:
    """Write numbers that rise, each with so many behind it, as few runs, or only the first and the last.

    Examples
    --------
    >>> span(np.array([4])), span(np.arange(1, 65)), span(np.array([1, 2, 5])), span(np.array([8]), 4)
    ('4', '1–64', '1–2, 5', '8–11')
    >>> span(np.arange(0, 100, 2))
    '0…98'
    """
    ends = numbers + sizes
    starts = numbers[np.append(True, numbers[1:] != ends[:-1])].tolist()
    lasts = (ends[np.append(numbers[1:] != ends[:-1], True)] - 1).tolist()
    if len(starts) > _MOST_RUNS:
        return f"{starts[0]}…{lasts[-1]}"
    pairs = zip(starts, lasts, strict=True)
    return ", ".join(f"{first}" if first == last else f"{first}–{last}" for first, last in pairs)
