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
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.memory_object import MemoryObject

if TYPE_CHECKING:
    from cowmodel.kernel.accounting import Usage


class Origin:
    """What all parts of one mapping have in common."""


@dataclass(frozen=True, eq=False)
class AnonVma:
    """What the kernel finds the mappings of own pages by; `inherited` if some may be a parent's as well."""

    inherited: bool = False


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
    accounted : bool
        Whether its pages are counted as memory that may be needed (Linux: VM_ACCOUNT).
    anon_vma : AnonVma or None
        None as long as no page of its own was put in.
    orders : tuple of int
        Orders of the folios that a fault may fill page by page, the largest first.
    huge_level : int
        Level of the leaf that may map a folio as a whole; 0 for none.
    reserved, robbed : bool
        Whether the hugetlb pool keeps for it the pages that it has yet to touch; whether one was taken
        from it for a mapping of which that is so (Linux: HPAGE_RESV_OWNER, HPAGE_RESV_UNMAPPED).
    origin : Origin
        The same for parts of one mapping, which may be joined again.

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
    accounted: bool = True
    anon_vma: AnonVma | None = None
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
    def written(self) -> bool:
        """Whether a page of its own was ever put in: only then does fork copy its entries.

        Anything else the child can find again by itself.
        """
        return self.anon_vma is not None

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
        anon_vma = AnonVma(inherited=True) if self.written and not self.wiped else None
        return replace(self, locked=False, reserved=False, robbed=False, anon_vma=anon_vma)

    def continues(self, other: "Vma") -> bool:
        """Return whether this and `other` are parts of one mapping, side by side.

        They may differ in the right to write, not in others. Mappings of huge pages are never joined again
        (Linux: VM_DONTEXPAND).
        """
        names = ("origin", "locked", "inherited", "wiped", "accounted")
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        return same and self.level == 1 and (self.end == other.first or other.end == self.first)

    def absorbs(self, other: "Vma") -> bool:
        """Return whether `other`, whose rights have changed, becomes one with this.

        If one of them has pages of its own and the other none, it does unless they may be a parent's as well.
        """
        both, either = self.anon_vma and other.anon_vma, self.anon_vma or other.anon_vma
        found = self.anon_vma is other.anon_vma or bool(not both and either and not either.inherited)
        return self.continues(other) and self.writable == other.writable and found

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

    @property
    def mapped_pages(self) -> int:
        """Pages of all mappings."""
        return sum(vma.pages for vma in self.vmas)

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

    def own(self, vma: Vma) -> None:
        """See that pages of its own can be put into `vma`."""
        if vma.anon_vma is None:
            near = (other.anon_vma for other in reversed(self._beside(vma)) if other.continues(vma))
            vma.anon_vma = next((found for found in near if found and not found.inherited), AnonVma())

    def _beside(self, vma: Vma) -> list[Vma]:
        """Return the mapping before `vma` and the one after it, those that there are."""
        at = self.vmas.index(vma)
        return self.vmas[max(0, at - 1) : at] + self.vmas[at + 1 : at + 2]

    def _join(self, changed: Vma) -> None:
        """Make one of `changed` and what absorbs it; of two that do not go together, only the first does."""
        near = [vma for vma in self._beside(changed) if vma.absorbs(changed)]
        if len({id(vma.anon_vma) for vma in near if vma.anon_vma}) > 1:
            del near[1]
        for vma in near:
            self.vmas.remove(vma)
            changed.offset = min(vma, changed, key=lambda part: part.first).offset
            changed.first, changed.pages = min(vma.first, changed.first), vma.pages + changed.pages
            changed.anon_vma = changed.anon_vma or vma.anon_vma
            if changed.object:
                changed.object.mappings -= 1

    def gap(self, first: int, end: int) -> tuple[int, int]:
        """Return the end of the mapping before `first` and the start of the one from `end` on."""
        before = [vma.end for vma in self.vmas if vma.end <= first]
        after = [vma.first for vma in self.vmas if vma.first >= end]
        return max(before, default=0), min(after, default=1 << 60)
