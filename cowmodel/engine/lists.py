"""Bursts as the kernels read them: a row of `kernels.Lists` for each that is not finished.

A row stays while its burst waits for a core, and is used again for the next burst, which most often is of
the same process: what its directory says is kept as long as no table of the process comes or goes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cowmodel.engine import compiled_folios, kernels
from cowmodel.engine.burst import Burst
from cowmodel.hardware.page_table import PageTable
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.kernel import Kernel

_ROWS = 8  # at least: growth copies


class _Known(NamedTuple):
    """Whose directory a row has, of which version, from which to which page."""

    table: PageTable
    version: int
    first: int
    last: int


class BurstLists:
    """Gives bursts their rows.

    Attributes
    ----------
    arrays : kernels.Lists
    """

    def __init__(self, kernel: Kernel) -> None:
        self._words, self._bits = kernel.arena.flat, kernel.geometry.index_bits[0]
        self._kernel_fills = kernel.era.lru_batch > 0
        self._shifts = np.array(kernel.geometry.shifts)
        self.arrays = kernels.Lists(*(np.zeros((0, 0), np.int64) for _ in kernels.Lists._fields))
        self._rows: dict[Burst, int] = {}
        self._free: list[int] = []
        self._known: dict[int, _Known] = {}
        self._translated: dict[int, tuple[PageTable, int]] = {}

    def enter(self, burst: Burst) -> int:
        """Give `burst` a row, unless it has one; return it."""
        if burst in self._rows:
            return self._rows[burst]
        row = self._rows[burst] = self._free.pop() if self._free else len(self._rows)
        count = len(burst.pages)
        pages = self._with_room(self.arrays.pages, row, count)
        places = self._with_room(self.arrays.places, row, count + kernels.AHEAD)
        self.arrays = self.arrays._replace(pages=pages, places=places)
        places[row, count : count + kernels.AHEAD] = (len(self._words) - 1) << 1
        if burst.earliest_ps is not None:
            earliest = self._with_room(self.arrays.earliest, row, count)
            earliest[row, :count] = burst.earliest_ps
            self.arrays = self.arrays._replace(earliest=earliest)
        if burst.service is not None:
            busy, began, ended = (
                self._with_room(rows, row, count)
                for rows in (self.arrays.busy, self.arrays.began, self.arrays.ended)
            )
            busy[row, :count], began[row, :count] = burst.service.busy_ps, burst.service.began_ps
            self.arrays = self.arrays._replace(busy=busy, began=began, ended=ended)
        self._translated.pop(row, None)
        return row

    def tell(self, burst: Burst, done: int) -> None:
        """Tell a burst, of which `done` accesses are made now, when those since it was told were."""
        if burst.service is not None:
            made = self._rows[burst], slice(burst.done, done)
            burst.service.began_ps[made[1]] = self.arrays.began[made]
            burst.service.ended_ps[made[1]] = self.arrays.ended[made]

    def leave(self, burst: Burst) -> None:
        """Take the row of a finished burst."""
        self._free.append(self._rows.pop(burst))

    def look_up(self, burst: Burst, position: int) -> tuple[int, int, int]:
        """See that the places of `burst` are true from `position` on.

        Returns
        -------
        first : int
            The table of level 1 at which the row's directory begins.
        fill_from, fill_end : int
            Pages that a write may fill.
        """
        row, space = self._rows[burst], burst.process.memory
        assert burst.reach
        first, last = (burst.first + page for page in burst.reach)
        vma, table = space.find(first), space.page_table
        known = self._known.get(row)
        if not known or known[:2] != (table, table.version) or not known.first <= first <= last <= known.last:
            if vma:  # all of it, for bursts to come
                first, last = vma.first, max(last, vma.last)
            known = self._known[row] = _Known(table, table.version, first, last)
            self._ask(row, known, first, last)
        begin = known.first >> self._bits
        if self._translated.get(row) != (table, table.prunes):
            self._translated[row] = table, table.prunes
            arrays = self.arrays
            where = self._bits, arrays.directories[row], begin
            accesses = burst.first, burst.pages, burst.written
            kernels.load(*where, *accesses, arrays.pages[row], arrays.places[row], position)
        fills = vma and vma.written and vma.writable and not (vma.object or vma.folios or vma.level > 1)
        fills = fills and not self._kernel_fills
        return (begin, vma.first, vma.end) if vma and fills else (begin, 0, 0)

    def note_written(self, burst: Burst, end: int, written: NDArray[np.bool_]) -> None:
        """Take note in `Folios.written` of the accesses made since `burst.done`, up to `end`, exclusive."""
        row, made = self._rows[burst], slice(burst.done, end)
        places, pages = self.arrays.places[row, made], self.arrays.pages[row, made]
        compiled_folios.note_written(written, self._words, places, pages)

    def knows(self, burst: Burst, position: int) -> bool:
        """Return whether an access has a slot."""
        return bool(self.arrays.places[self._rows[burst], position] >> 1 < len(self._words) - 1)

    def note(self, table: PageTable, version: int, first: int, last: int) -> None:
        """Take note that all that came since `version` of `table` are tables or leafs over first..last."""
        for row, known in self._known.items():
            if known.table is table and known.version == version:
                self._known[row] = known._replace(version=table.version)
                start, end = max(first, known.first), min(last, known.last)
                if start <= end:
                    self._ask(row, known, start, end)

    def _ask(self, row: int, known: _Known, first: int, last: int) -> None:
        """Let the directory of a row say what its table does about first..last."""
        start, end = (
            (page >> self._bits) - (known.first >> self._bits) for page in (first, last + (1 << self._bits))
        )
        directories = self._with_room(self.arrays.directories, row, end)
        kernels.directory(
            self._words, self._shifts, known.table.root, first >> self._bits, directories[row, start:end]
        )
        self.arrays = self.arrays._replace(directories=directories)

    def _with_room(self, rows: Numbers, row: int, columns: int) -> Numbers:
        """Return `rows`, grown so that it has row `row` and so many columns; what nobody uses is left out."""
        height, width = rows.shape
        if row < height and columns <= width:
            return rows
        taller = height if row < height else max(_ROWS, 2 * height)
        grown = np.empty((taller, width if columns <= width else max(columns, 2 * width)), np.int64)
        used = min(height, len(self._rows) + len(self._free))
        grown[:used, :width] = rows[:used]
        return grown
