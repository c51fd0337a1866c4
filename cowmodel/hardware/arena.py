"""The arena: every table page of every process is one row of one array of entries.

Memory is reserved once and committed by touching, so growth never copies and a view stays valid. An entry
that points to a table holds that table's row number where a leaf holds its frame number.
"""

import mmap

import numpy as np

from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.paging import Geometry, Numbers, Words

_NORESERVE = 0x4000  # Linux: address space now, memory when it is touched


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
    """

    def __init__(self, geometry: Geometry, frames: FrameTable) -> None:
        self.geometry = geometry
        self._frames = frames
        capacity = frames.total + 1
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
        memory = mmap.mmap(-1, capacity * geometry.entries * 8, flags=flags)
        self.words = memoryview(memory).cast("Q")
        self.rows: Words = np.frombuffer(memory, np.uint64).reshape(capacity, geometry.entries)
        self.flat = self.rows.reshape(-1)
        self._fresh = 0
        self._freed: list[int] = []

    def take(self, count: int) -> Numbers:
        """Return the numbers of `count` empty rows; the caller has made sure of the room."""
        self._frames.hold_tables(count)
        reused = [self._freed.pop() for _ in range(min(count, len(self._freed)))]
        fresh = range(self._fresh, self._fresh + count - len(reused))
        self._fresh = fresh.stop
        return np.array([*reused, *fresh], np.int64)

    def give_back(self, rows: Numbers) -> None:
        """Make `rows`, from which all entries are gone, free."""
        self._frames.hold_tables(-len(rows))
        self._freed.extend(rows.tolist())
