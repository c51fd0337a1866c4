"""Mappings and the address space that they make up.

Vma      pages first .. first + pages, all of one backing, private or shared
object   -> MemoryObject: frames that outlive any one mapping
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cowmodel.hardware.page_table import PageTable
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.memory_object import MemoryObject

if TYPE_CHECKING:
    from cowmodel.kernel.accounting import Usage


class Origin:
    """What all parts of one mapping have in common."""


@dataclass(eq=False)
class Vma:
    """A run of pages with the same rights and backing.

    Attributes
    ----------
    first, pages : int
        First page and number of base pages.
    level : int
        Level of its leafs.
    object : MemoryObject or None
        The frames behind it; None for anonymous private memory.
    private : bool
        Whether a write is the writer's own.
    offset : int
        Leaf of the object at `first`.
    writable : bool
    locked : bool
        Whether its pages are to stay (Linux: mlock).
    inherited, wiped : bool
        Whether a child gets it, and whether with nothing in it (Linux: MADV_DONTFORK, MADV_WIPEONFORK).
    written : bool
        Whether a page of its own was ever put in (Linux: it has an `anon_vma`). Only then does fork copy
        its entries: anything else the child can find again by itself.
    origin : Origin
        The same for parts of one mapping, which may be joined again; a child's parts may not, once written
        (Linux: each has an `anon_vma` of its own).

    References
    ----------
    Linux, vma_needs_copy, mm/memory.c.
    """

    first: int
    pages: int
    level: int
    object: MemoryObject | None = None
    private: bool = True
    offset: int = 0
    writable: bool = True
    locked: bool = False
    inherited: bool = True
    wiped: bool = False
    written: bool = False
    origin: Origin = field(default_factory=Origin, repr=False)

    @property
    def end(self) -> int:
        """Page after the last."""
        return self.first + self.pages

    @property
    def last(self) -> int:
        """Last page."""
        return self.end - 1

    def duplicate(self) -> "Vma":
        """Return the child's copy at fork."""
        if self.object:
            self.object.mappings += 1
        written = self.written and not self.wiped
        return replace(self, locked=False, written=written, origin=Origin() if written else self.origin)

    def joins(self, after: "Vma") -> bool:
        """Return whether `after` is a part of the same mapping, next to it, with the same rights.

        Mappings of huge pages are not joined again (Linux: VM_DONTEXPAND).
        """
        names = ("origin", "writable", "locked", "inherited", "wiped")
        same = all(getattr(self, name) == getattr(after, name) for name in names)
        return same and self.end == after.first and self.level == 1

    def places(self, heads: Numbers, leaf_pages: int = 1) -> Numbers:
        """Return which leafs of the object are at pages `heads`."""
        return self.offset + (heads - self.first) // leaf_pages

    def part(self, first: int, end: int, leaf_pages: int) -> "Vma":
        """Return the part from `first` to `end`, which refers to the same object."""
        shift = (first - self.first) // leaf_pages
        return replace(self, first=first, pages=end - first, offset=self.offset + shift)


@dataclass(eq=False)
class Family:
    """Address spaces that forks made from one: no others can map the same frames, but those of files.

    Attributes
    ----------
    changes : int
        How often one of them may have mapped or unmapped something, or got a table.
    """

    changes: int = 0


class AddressSpace:
    """The mappings of a process, in page order, and its page table.

    Attributes
    ----------
    vmas : list of Vma
    page_table : PageTable
    family : Family
    usage : tuple of int and Usage, or None
        What it used when it was last counted, after so many changes in the family.
    cores : int
        Cores that run it at the moment.
    locked_until_ps : int
        Faults that begin earlier wait until then.
    """

    def __init__(self, page_table: PageTable, family: Family) -> None:
        self.page_table, self.family = page_table, family
        self.usage: tuple[int, Usage] | None = None
        self.vmas: list[Vma] = []
        self.cores = 0
        self.locked_until_ps = 0

    @property
    def other_cores(self) -> int:
        """Cores that run it, beside one that acts for it."""
        return max(0, self.cores - 1)

    def find(self, vpn: int) -> Vma | None:
        """Return the mapping of page `vpn`."""
        at = bisect_right(self.vmas, vpn, key=lambda vma: vma.first)
        return self.vmas[at - 1] if at and vpn < self.vmas[at - 1].end else None

    def overlapping(self, first: int, end: int) -> list[Vma]:
        """Return the mappings that have a page in first..end, exclusive."""
        return [vma for vma in self.vmas if vma.first < end and first < vma.end]

    def insert(self, vma: Vma) -> None:
        """Add `vma`, which overlaps no other."""
        self.vmas.insert(bisect_left(self.vmas, vma.first, key=lambda other: other.first), vma)

    def covers(self, first: int, end: int) -> bool:
        """Return whether all pages first..end, exclusive, are mapped."""
        return sum(min(vma.end, end) - max(vma.first, first) for vma in self.overlapping(first, end)) == (
            end - first
        )

    def change(self, first: int, end: int, leaf_pages: Callable[[int], int], **rights: Any) -> Iterator[Vma]:
        """Give mappings other rights between `first` and `end`; yield those, or parts, that had others.

        What reaches over the ends is cut, and what then has the rights of its neighbours is joined to them.
        """
        for vma in self.overlapping(first, end):
            if any(getattr(vma, name) != value for name, value in rights.items()):
                inside = self._cut(vma, max(first, vma.first), min(end, vma.end), leaf_pages(vma.level))
                vars(inside).update(rights)
                yield inside
                self._join(inside.first, inside.end)

    def _cut(self, vma: Vma, first: int, end: int, leaf_pages: int) -> Vma:
        """Make up to three mappings of one, of which one is first..end, and return that."""
        cuts = sorted({vma.first, first, end, vma.end})
        parts = [vma.part(*pair, leaf_pages) for pair in pairwise(cuts)]
        self.vmas.remove(vma)
        for part in parts:
            self.insert(part)
        if vma.object:
            vma.object.mappings += len(parts) - 1
        return parts[cuts.index(first)]

    def _join(self, first: int, end: int) -> None:
        """Make one of parts of a mapping with the same rights that meet in first..end or at its ends."""
        for before, after in list(pairwise(self.vmas)):
            if first <= after.first <= end and before.joins(after):
                after.first, after.pages, after.offset = before.first, after.end - before.first, before.offset
                after.written |= before.written
                self.vmas.remove(before)
                if after.object:
                    after.object.mappings -= 1

    def gap(self, first: int, end: int) -> tuple[int, int]:
        """Return the end of the mapping before `first` and the start of the one from `end` on."""
        before = [vma.end for vma in self.vmas if vma.end <= first]
        after = [vma.first for vma in self.vmas if vma.first >= end]
        return max(before, default=0), min(after, default=1 << 60)
