"""A mapping: pages of one backing, with the same rights.

Vma      pages first .. first + pages, private or shared
object   -> MemoryObject: frames that outlive any one mapping
"""

from dataclasses import dataclass, field, replace

from cowmodel.hardware.page_table import Run
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.memory_object import MemoryObject


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
    readable, writable : bool
        What is writable is readable too.
    moved : int
        Pages from where it began, as far as it has a past, to where it is (Linux: vm_pgoff, compared).
    locked : bool
        Whether its pages are to stay (Linux: mlock).
    inherited, wiped : bool
        Whether a child gets it, and whether with nothing in it (Linux: MADV_DONTFORK, MADV_WIPEONFORK).
    mergeable : bool
        Whether its pages may be made one with others that are equal (Linux: MADV_MERGEABLE).
    accounted : bool
        Whether its pages are promised, as memory that may be needed (Linux: VM_ACCOUNT).
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
    readable: bool = True
    writable: bool = True
    moved: int = 0
    locked: bool = False
    inherited: bool = True
    wiped: bool = False
    mergeable: bool = False
    accounted: bool = False
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
    def own(self) -> bool:
        """Whether it may have base pages of its own, which are promised before it may be written."""
        return self.private and self.level == 1

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

        They may differ in the rights to read and to write, not in others. Mappings of huge pages are never
        joined again (Linux: VM_DONTEXPAND).
        """
        names = ("origin", "moved", "locked", "inherited", "wiped", "mergeable", "accounted")
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        return same and self.level == 1 and (self.end == other.first or other.end == self.first)

    def absorbs(self, other: "Vma") -> bool:
        """Return whether `other`, whose rights have changed, becomes one with this.

        If one of them has pages of its own and the other none, it does unless they may be a parent's as well.
        """
        both, either = self.anon_vma and other.anon_vma, self.anon_vma or other.anon_vma
        found = self.anon_vma is other.anon_vma or bool(not both and either and not either.inherited)
        rights = self.readable == other.readable and self.writable == other.writable
        return self.continues(other) and rights and found

    def places(self, heads: Numbers, leaf_pages: int = 1) -> Numbers:
        """Return which leafs of the object are at pages `heads`."""
        return self.offset + (heads - self.first) // leaf_pages

    @property
    def backed_end(self) -> int:
        """Page after the last behind which there can be memory: a file may be shorter."""
        if self.object is None or self.level > 1:
            return self.end
        return min(self.end, self.first + len(self.object.pfns) - self.offset)

    def part(self, first: int, end: int, leaf_pages: int) -> "Vma":
        """Return the part from `first` to `end`, which refers to the same object."""
        shift = (first - self.first) // leaf_pages
        return replace(self, first=first, pages=end - first, offset=self.offset + shift)
