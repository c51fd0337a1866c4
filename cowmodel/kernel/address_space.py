"""Mappings and the address space that they make up.

Vma      pages first .. first + pages, all of one backing, private or shared
object   -> MemoryObject: frames that outlive any one mapping
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cowmodel.hardware.page_table import PageTable, Run
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
    orders : tuple of int
        Orders of the folios that a fault may fill page by page, the largest first.
    huge_level : int
        Level of the leaf that may map a folio as a whole; 0 for none.
    reserved, robbed : bool
        Whether the hugetlb pool keeps for it the pages that it has yet to touch; whether one was taken
        from it for a mapping of which that is so (Linux: HPAGE_RESV_OWNER, HPAGE_RESV_UNMAPPED).
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
    orders: tuple[int, ...] = ()
    huge_level: int = 0
    reserved: bool = False
    robbed: bool = False
    origin: Origin = field(default_factory=Origin, repr=False)

    @property
    def end(self) -> int:
        """Page after the last."""
        return self.first + self.pages

    @property
    def last(self) -> int:
        """Last page."""
        return self.end - 1

    @property
    def folios(self) -> bool:
        """Whether faults may map folios of several frames."""
        return bool(self.orders or self.huge_level)

    def runs(self, first: int = 0, end: int = 1 << 60) -> list[Run]:
        """Return what leafs it may have in pages first..end, exclusive: large ones first."""
        levels = dict.fromkeys((self.huge_level or self.level, self.level))
        return [Run(level, max(first, self.first), min(end, self.end) - 1, self.folios) for level in levels]

    def duplicate(self) -> "Vma":
        """Return the child's copy at fork."""
        if self.object:
            self.object.mappings += 1
        written = self.written and not self.wiped
        origin = Origin() if written else self.origin
        return replace(self, locked=False, reserved=False, robbed=False, written=written, origin=origin)

    def absorbs(self, other: "Vma") -> bool:
        """Return whether `other`, whose rights have changed, becomes one with this, next to it.

        They are parts of one mapping, with the same rights; pages of its own that only the other has keep
        them apart. Mappings of huge pages are not joined again (Linux: VM_DONTEXPAND).

        References
        ----------
        Linux, is_mergeable_anon_vma, mm/vma.c.
        """
        names = ("origin", "writable", "locked", "inherited", "wiped")
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        meets = self.end == other.first or other.end == self.first
        return same and meets and self.level == 1 and (self.written or not other.written)

    def part(self, first: int, end: int, leaf_pages: int) -> "Vma":
        """Return the part from `first` to `end`, which refers to the same object."""
        shift = (first - self.first) // leaf_pages
        return replace(self, first=first, pages=end - first, offset=self.offset + shift)


@dataclass(eq=False)
class Family:
    """Address spaces that forks made from one: no others can map the same frames.

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
    users : int
        Processes that have it: more than one after vfork.
    cores : int
        Cores that run it at the moment.
    locked_until_ps : int
        Faults that begin earlier wait until then.
    """

    def __init__(self, page_table: PageTable, family: Family) -> None:
        self.page_table, self.family = page_table, family
        self.usage: tuple[int, Usage] | None = None
        self.vmas: list[Vma] = []
        self.users, self.cores = 1, 0
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

    def differing(self, first: int, end: int, **rights: Any) -> list[Vma]:
        """Return the mappings that have a page in first..end, exclusive, and other rights."""
        found = self.overlapping(first, end)
        return [vma for vma in found if any(getattr(vma, name) != rights[name] for name in rights)]

    def change(self, first: int, end: int, leaf_pages: Callable[[int], int], **rights: Any) -> Iterator[Vma]:
        """Give mappings other rights between `first` and `end`; yield those, or parts, that had others.

        What reaches over the ends is cut, and what then has the rights of its neighbours is joined to them.
        """
        for vma in self.differing(first, end, **rights):
            inside = self._cut(vma, max(first, vma.first), min(end, vma.end), leaf_pages(vma.level))
            vars(inside).update(rights)
            yield inside
            self._join(inside)

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

    def _join(self, changed: Vma) -> None:
        """Make one of `changed` and the neighbours that absorb it."""
        at = self.vmas.index(changed)
        for vma in self.vmas[max(0, at - 1) : at + 2]:
            if vma is not changed and vma.absorbs(changed):
                self.vmas.remove(vma)
                changed.offset = min(vma, changed, key=lambda part: part.first).offset
                changed.first, changed.pages = min(vma.first, changed.first), vma.pages + changed.pages
                changed.written |= vma.written
                if changed.object:
                    changed.object.mappings -= 1

    def gap(self, first: int, end: int) -> tuple[int, int]:
        """Return the end of the mapping before `first` and the start of the one from `end` on."""
        before = [vma.end for vma in self.vmas if vma.end <= first]
        after = [vma.first for vma in self.vmas if vma.first >= end]
        return max(before, default=0), min(after, default=1 << 60)
