"""An address space: its mappings, in page order, what is pinned in it, and its page table."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from cowmodel.hardware.page_table import PageTable
from cowmodel.kernel.vma import AnonVma, Vma

if TYPE_CHECKING:
    from cowmodel.kernel.accounting import Usage


@dataclass(eq=False)
class Family:
    """Address spaces that forks made from one: no others can map the same frames, but those of files.

    Attributes
    ----------
    changes : int
        How often one of them may have mapped or unmapped something, or got a table.
    """

    changes: int = 0


class Pin(NamedTuple):
    """A page that is held in place.

    Attributes
    ----------
    first : int
        First page of those that were pinned together.
    level : int
        That of the mapping.
    head : int
        First frame of the folio that is held, or the frame of a leaf by itself.
    """

    first: int
    level: int
    head: int


class AddressSpace:
    """The mappings of a process, in page order, and its page table.

    Attributes
    ----------
    vmas : list of Vma
    page_table : PageTable
    family : Family
    usage : tuple of int and Usage, or None
        What it used when it was last counted, after so many changes in the family.
    pins : list of Pin
        What is pinned for it; a child has none.
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
        self.pins: list[Pin] = []
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

    def move(self, first: int, end: int, shift: int) -> None:
        """Put the mappings in first..end, exclusive, `shift` pages further, where nothing is.

        What is anonymous and has no page of its own begins anew there. Pins go along.
        """
        for vma in self.overlapping(first, end):
            moved = vma.moved + shift if vma.object or vma.written else 0
            self.vmas.remove(vma)
            there = replace(vma, first=vma.first + shift, moved=moved)
            self.insert(there)
            self._join(there)
        self.pins = [one._replace(first=one.first + shift * (first <= one.first < end)) for one in self.pins]

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
