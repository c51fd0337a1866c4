"""Translation lookaside buffers: what each core remembers of page tables, so that it need not walk them.

    access  ->  first level, one cache a page size    found: step 0
            ->  second level                          found: step 1
            ->  a walk of n loads                     step 1 + n

A walk begins below the deepest entry of an upper level that the paging-structure cache has: a base page in
four levels takes 4 loads, 1 if its entry of level 2 is there. Every cache is exact LRU: `entries`,
int64[C, E], has the sets of all caches of a core one after the other, the most recently used way of a set
first, empty ways (0) last. An entry of a cache, of a leaf or of an upper level, is

    | page number >> bits below its level | level  | ASID + 1 | writable |
      bits 7 and up                         4 - 6    1 - 3      0

and what a core has besides is one row of `cores`, int64[C, 5]:

    ROOT SLOT    the address space that it runs, by the row of its root table, -1 for none; the ASID of that
    NEXT         the ASID to be used again next
    FOUND LOADS  found in the second level, loads by walks, since they were last asked for

References
----------
Intel, Software Developer's Manual, volume 3A, 4.10; Linux, choose_new_asid and switch_mm_irqs_off,
arch/x86/mm/tlb.c.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cowmodel.errors import ConfigError
from cowmodel.hardware.page_table import PageTable
from cowmodel.hardware.paging import Geometry, Numbers
from cowmodel.hardware.reserve import reserved

ROOT, SLOT, NEXT, FOUND, LOADS, FIELDS = range(6)
START, MASK, WAYS = range(3)  # of a cache: its first entry, its sets less one, its ways
SECOND, UPPER = 3, 5  # caches before: the first level; all that hold leafs
REFUSED = -1  # the step of a write for which a read-only translation is cached
PAGE_AT, LEVEL_AT, ASID_AT = 7, 4, 1
_FIELD = 7  # three bits


class Cache(NamedTuple):
    """So many entries in sets of so many ways."""

    entries: int
    ways: int


_UPPER = Cache(32, 4)


@dataclass(frozen=True)
class TlbGeometry:
    """The caches of a core.

    Parameters
    ----------
    first : Caches
        First level: for leafs of level 1, 2 and 3.
    second : Caches
        Second level: for leafs of level 1 and 2 together, and of level 3.
    upper : Cache
        The paging-structure cache, for entries of all upper levels.
    asids : int
        Address spaces that a core remembers at the same time, at most 7.
    """

    first: tuple[Cache, Cache, Cache] = (Cache(64, 4), Cache(32, 4), Cache(4, 4))
    second: tuple[Cache, Cache] = (Cache(2048, 16), Cache(16, 16))
    upper: Cache = _UPPER
    asids: int = 6

    def __post_init__(self) -> None:
        """Refuse what has no whole sets, a power of two of them."""
        for entries, ways in self.caches:
            sets, rest = divmod(entries, max(1, ways))
            if ways < 1 or rest or sets < 1 or sets & (sets - 1):
                raise ConfigError(f"tlb: expected 2^k sets of {ways} ways, got {entries} entries")
        if not 1 <= self.asids <= _FIELD:
            raise ConfigError(f"tlb: expected 1 to {_FIELD} ASIDs, got {self.asids}")

    @property
    def caches(self) -> tuple[Cache, ...]:
        """All of them, in the order of `Tlbs.entries`."""
        return *self.first, *self.second, self.upper


class NoTlbs:
    """What kernel and programs tell the TLBs of a machine, without any: every access is at step 0."""

    caches: Numbers = np.zeros((0, 3), np.int64)
    entries: Numbers = np.zeros((0, 0), np.int64)
    cores: Numbers = np.zeros((0, FIELDS), np.int64)
    generations: Numbers = np.zeros(0, np.int64)

    def enter(self, core: int, root: int) -> None:
        """Let `core` run the address space with its root table in row `root`."""

    def leave(self, core: int) -> None:
        """Let `core` run none."""

    def fault(self, core: int, vpn: int) -> None:
        """Forget on `core` what led to page `vpn`, as a page fault does."""

    def drop(self, root: int, vpns: Numbers) -> None:
        """Forget, wherever it is remembered, what led to pages `vpns` of an address space."""

    def flush(self, root: int) -> None:
        """Forget, wherever it is remembered, an address space."""

    def end(self, root: int) -> None:
        """Know that an address space is no more."""

    def translate(self, core: int, table: PageTable, vpn: int, write: bool) -> int:
        """Look up a page that `table` permits to access, and remember it; return the step, or REFUSED."""
        return 0

    def taken(self, core: int) -> tuple[int, int]:
        """Return what `core` found in its second level, and its loads by walks, since this was last asked."""
        return 0, 0


class Tlbs(NoTlbs):
    """The TLBs of all cores.

    Parameters
    ----------
    tlb : TlbGeometry
    geometry : Geometry
    cores : int
    rows : int
        Rows of the arena: no root table has a higher number.

    Attributes
    ----------
    caches : int64[6, 3]
        START, MASK and WAYS of each: of the first level, of the second, of upper levels.
    entries, cores : int64[C, E], int64[C, 5]
    generations : int64[T]
        By root table, how often something of an address space had to be forgotten (Linux: `tlb_gen`).
    """

    def __init__(self, tlb: TlbGeometry, geometry: Geometry, cores: int, rows: int) -> None:
        self._geometry, self._asids = geometry, tlb.asids
        sizes = np.array(tlb.caches)
        self.caches = np.stack(
            [sizes[:, 0].cumsum() - sizes[:, 0], sizes[:, 0] // sizes[:, 1] - 1, sizes[:, 1]], 1
        )
        self.entries = np.zeros((cores, sizes[:, 0].sum()), np.int64)
        self.cores = np.zeros((cores, FIELDS), np.int64)
        self.cores[:, ROOT] = -1
        self.generations = reserved(rows, np.int64)
        # of each ASID, the root of its address space and the generation up to which it was told
        self._known = np.full((cores, tlb.asids, 2), -1)

    def enter(self, core: int, root: int) -> None:
        """Let `core` run an address space: with the ASID that it has here, or the one used longest ago."""
        state, known = self.cores[core], self._known[core]
        own = np.flatnonzero(known[:, 0] == root)
        slot, generation = int(own[0] if len(own) else state[NEXT]), self.generations[root]
        if not len(own):
            state[NEXT] = (slot + 1) % self._asids
        if tuple(known[slot]) != (root, generation):
            self._take_out(core, self._tagged(core, slot))
        known[slot] = root, generation
        state[ROOT], state[SLOT] = root, slot

    def leave(self, core: int) -> None:
        """Let `core` run no address space; it was told of all that happened to the one so far."""
        state = self.cores[core]
        if state[ROOT] >= 0:
            self._known[core, state[SLOT], 1] = self.generations[state[ROOT]]
            state[ROOT] = -1

    def fault(self, core: int, vpn: int) -> None:
        """Forget on `core` what led to page `vpn`, as a page fault does."""
        self._forget(core, np.array([vpn]))

    def drop(self, root: int, vpns: Numbers) -> None:
        """Forget what led to pages `vpns`: now where the address space runs, elsewhere when it runs again."""
        self.generations[root] += 1
        for core in self._running(root):
            self._forget(core, vpns)

    def flush(self, root: int) -> None:
        """Forget an address space: now where it runs, elsewhere when it runs again."""
        self.generations[root] += 1
        for core in self._running(root):
            self._take_out(core, self._tagged(core, int(self.cores[core, SLOT])))

    def end(self, root: int) -> None:
        """Know that an address space is no more; what is left of it goes when its ASIDs are used again."""
        self.cores[self.cores[:, ROOT] == root, ROOT] = -1
        self._known[self._known[:, :, 0] == root] = -1

    def translate(self, core: int, table: PageTable, vpn: int, write: bool) -> int:
        """Look up a page that `table` permits to access, and remember it; return the step, or REFUSED."""
        level, writable = table.leaf(vpn)
        key = self._key(core, level, vpn)
        first, second = self._set(core, level - 1, key), self._set(core, SECOND + level // 3, key)
        step = 0
        found = use(first, key)
        if not found:
            step = 1
            found = use(second, key)
        if not found:
            step += self._walk(core, level, vpn)
            found = second[0] = key | writable
        first[0] = found
        if write and not found & 1:
            return REFUSED
        self.cores[core, FOUND] += step == 1
        self.cores[core, LOADS] += max(0, step - 1)
        return step

    def taken(self, core: int) -> tuple[int, int]:
        """Return what `core` found in its second level, and its loads by walks, since this was last asked."""
        found, loads = self.cores[core, FOUND : LOADS + 1].tolist()
        self.cores[core, FOUND : LOADS + 1] = 0
        return found, loads

    def _walk(self, core: int, level: int, vpn: int) -> int:
        """Return the loads of a walk. Upper levels are looked for, and remembered, from below."""
        top = self._geometry.top
        for upper in range(level + 1, top + 1):
            key = self._key(core, upper, vpn)
            if use(self._set(core, UPPER, key), key):
                return upper - level
        return top + 1 - level

    def _key(self, core: int, level: int, vpn: int) -> int:
        asid = int(self.cores[core, SLOT]) + 1
        return (vpn >> self._geometry.shifts[level]) << PAGE_AT | level << LEVEL_AT | asid << ASID_AT

    def _set(self, core: int, cache: int, key: int) -> Numbers:
        """Return the set in which an entry would be, as a view; levels begin in different sets."""
        start, mask, ways = self.caches[cache].tolist()
        start += ((key >> PAGE_AT) + (key >> LEVEL_AT & _FIELD) & mask) * ways
        return self.entries[core, start : start + ways]

    def _running(self, root: int) -> list[int]:
        return [core for core, running in enumerate(self.cores[:, ROOT].tolist()) if running == root]

    def _tagged(self, core: int, slot: int) -> NDArray[np.bool_]:
        """Return which entries of a core have an ASID."""
        tagged: NDArray[np.bool_] = self.entries[core] >> ASID_AT & _FIELD == slot + 1
        return tagged

    def _forget(self, core: int, vpns: Numbers) -> None:
        """Take out the entries that lead to pages of the address space that a core runs."""
        entries, shifts = self.entries[core], np.array(self._geometry.shifts)
        below = shifts[entries >> LEVEL_AT & _FIELD]
        leads = np.any([entries >> PAGE_AT == vpn >> below for vpn in vpns.tolist()], axis=0)
        self._take_out(core, leads & self._tagged(core, int(self.cores[core, SLOT])))

    def _take_out(self, core: int, gone: NDArray[np.bool_]) -> None:
        """Take entries out; those behind them in their sets move up."""
        for start, mask, ways in self.caches.tolist():
            part = slice(start, start + (mask + 1) * ways)
            lost, sets = gone[part].reshape(-1, ways), self.entries[core, part].reshape(-1, ways)
            if lost.any():
                order = np.argsort(lost, axis=1, kind="stable")
                sets[:] = np.take_along_axis(np.where(lost, 0, sets), order, axis=1)


def use(ways: Numbers, key: int) -> int:
    """Put an entry first in its set, in place of the last if it was not there; return it, or 0 then."""
    places = np.flatnonzero(ways ^ key < 2)
    at = int(places[0]) if len(places) else len(ways) - 1
    found = int(ways[at]) if len(places) else 0
    ways[1 : at + 1] = ways[:at].copy()
    ways[0] = found or key
    return found
