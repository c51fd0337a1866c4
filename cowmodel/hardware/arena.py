"""The arena: every table page of every process is one row of one array of entries.

An entry that points to a table holds that table's row number where a leaf holds its frame number.
"""

import numpy as np

from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.paging import Geometry, Numbers, Words
from cowmodel.hardware.reserve import reserved

# Places in `Arena.counters`, which compiled code shares.
FRESH_ROW, FREED_ROWS = range(2)


class Arena:
    """Table pages, at most as many as there are frames to hold them.

    Attributes
    ----------
    rows : uint64[T, E]
        The tables; E entries each.
    flat : uint64[T * E]
        The same entries in one line; a `slot` = row * E + index names one.
    words : memoryview of uint64, T * E
        The same again, from which a single entry is read quickest.
    freed : int32[T]
        The stack of rows given back.
    counters : int64[2]
        The first row that was never taken; how many rows are on the stack.
    """

    def __init__(self, geometry: Geometry, frames: FrameTable) -> None:
        self.geometry = geometry
        self._frames = frames
        capacity = frames.total + 1
        self.flat: Words = reserved(capacity * geometry.entries, np.uint64)
        self.rows = self.flat.reshape(capacity, geometry.entries)
        self.words = self.flat.data
        self.freed = reserved(capacity, np.int32)
        self.counters = np.zeros(2, np.int64)

    def take(self, count: int) -> Numbers:
        """Return the numbers of `count` empty rows; the caller has made sure of the room."""
        self._frames.hold_tables(count)
        fresh, freed = self.counters.tolist()
        reused = min(count, freed)
        rows = np.empty(count, np.int64)
        rows[:reused] = self.freed[freed - reused : freed][::-1]
        rows[reused:] = np.arange(fresh, fresh + count - reused)
        self.counters[:] = fresh + count - reused, freed - reused
        return rows

    def hold(self, count: int) -> None:
        """Take room for so many rows that have no number yet, or (negative) give it back."""
        self._frames.hold_tables(count)

    def give_back(self, rows: Numbers) -> None:
        """Make `rows`, from which all entries are gone, free."""
        self._frames.hold_tables(-len(rows))
        start = int(self.counters[FREED_ROWS])
        self.freed[start : start + len(rows)] = rows
        self.counters[FREED_ROWS] += len(rows)
