"""The passes of the kernel with compiled code where there are many entries: on base pages.

Folios of several frames are left to the passes with arrays.
"""

import numpy as np

from cowmodel.engine import compiled_folios, fork_passes, passes
from cowmodel.hardware.arena import Arena
from cowmodel.hardware.folios import Folios
from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.page_table import PageTable, Run
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.passes import Counts, Dropped, Heard, Passes, Shared

_LANES = 8


class CompiledPasses(Passes):
    """What `Passes` does, faster.

    Left to it are large leafs, large folios, dirty and pinned frames, and policies that seek last sharers.
    """

    def __init__(self, arena: Arena, frames: FrameTable, folios: Folios) -> None:
        super().__init__(arena, frames, folios)
        folios.rules = compiled_folios.map_parts, compiled_folios.unmap_parts
        geometry = arena.geometry
        self._tree = arena.flat, geometry.index_bits[0], np.array(geometry.shifts, np.uint64)
        self._memory = frames.sharers, frames.freed, frames.counters

    def count(self, table: PageTable, run: Run) -> Counts:
        """Count the entries, those that point to tables too, in all tables over the run."""
        return Counts(*map(int, passes.count(*self._tree, table.root, *run[:3])))

    def count_sharers(self, table: PageTable, run: Run, most: int) -> Numbers:
        """Return how many pages of the run n entries map in all, int64[most + 1]; n is no larger."""
        if run.folios:
            return super().count_sharers(table, run, most)
        counts = np.zeros((_LANES, most + 1), np.int64)
        passes.sharers_of(*self._tree, table.root, *run[:3], self._frames.sharers, counts)
        total: Numbers = counts.sum(axis=0) * self._arena.geometry.leaf_pages(run.level)
        return total

    def graft(self, parent: PageTable, child: PageTable, run: Run) -> list[int]:
        """Make the tables over the run that only the parent has; return how many of each level."""
        arena, counts = self._arena, np.zeros(len(child.tables), np.int64)
        where = parent.root, child.root, *run[:3]
        fork_passes.graft(*self._tree, *where, arena.freed, arena.counters, counts)
        made: list[int] = counts.tolist()
        self._note(child, made)
        return made

    def share(self, parent: PageTable, child: PageTable, run: Run) -> Shared:
        """Let the child map the parent's frames, both read-only; return what it got."""
        if run.folios:
            return super().share(parent, child, run)
        where = parent.root, child.root, *run[:3]
        got = fork_passes.share(*self._tree, *where, self._frames.sharers, self._frames.counters)
        return Shared(*map(int, got))

    def fill(self, table: PageTable, run: Run) -> int:
        """Map a new frame, written, at each leaf of the run without an entry; return how many."""
        if run.level > 1:
            return super().fill(table, run)
        return int(passes.fill(*self._tree, table.root, *run[:3], *self._memory))

    def drop(self, table: PageTable, run: Run, tell: Heard | None = None) -> Dropped:
        """Empty the entries of the run; return what they were."""
        if run.level > 1 or run.folios or tell or self._frames.noted:
            return super().drop(table, run, tell)
        where = table.root, *run[:3]
        gone = passes.drop(*self._tree, *where, *self._memory, self._frames.cached)
        return Dropped(*map(int, gone))

    def prune(self, table: PageTable, first: int, last: int, floor: int, ceiling: int) -> int:
        """Free the tables over first..last in floor..ceiling, where nothing is mapped; return how many."""
        gone = np.zeros(len(table.tables), np.int64)
        run = table.root, first, last, floor, ceiling
        passes.prune(*self._tree, *run, self._arena.freed, self._arena.counters, gone)
        self._note(table, (-gone).tolist(), pruned=True)
        return int(gone.sum())

    def _note(self, table: PageTable, made: list[int], pruned: bool = False) -> None:
        """Take note of `made[level]` tables more that compiled code took from the arena."""
        table.count(made, pruned)
        self._frames.hold_tables(sum(made))
