"""Eras: in which rules versions of Linux differ, as data. The kernel's other rules are the same in all.

References
----------
Linux, wp_can_reuse_anon_folio and do_wp_page, mm/memory.c (before 5.9: reuse_swap_page, mm/swapfile.c);
do_huge_pmd_wp_page, mm/huge_memory.c.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from cowmodel.hardware.folios import Folios


class LargeReuse(Enum):
    """When a page of a large folio, which is mapped page by page, is written in place."""

    NO_PAGE_SHARED = "no page of the folio has two mappings"
    LAST_MAPPING = "the page is the last of the folio that is mapped"
    NEVER = "never"
    ONE_OWNER = "one address space is known to have all mappings, of two pages or more"


@dataclass(frozen=True)
class Era:
    """The rules of one version; by default those of Linux 6.18.

    Parameters
    ----------
    large_reuse : LargeReuse
    huge_by_pages : bool
        Whether a huge page has its last mapper if no page of it has two mappings; otherwise if nothing else
        maps any of it.
    huge_copied_whole : bool
        Whether a write to a shared huge page copies all of it, instead of a split and one page.
    huge_zero_split : bool
        Whether a write to the huge zero page splits it, instead of a huge page in its place.
    folio_sizes : bool
        Whether there are folios of anonymous memory between a page and a huge page.
    rights_restored : bool
        Whether mprotect makes pages that are a process's alone writable again without a fault.
    tables_freed : bool
        Whether MADV_DONTNEED of all that a table of level 1 covers frees it.
    pins_copied, hugetlb_pins_copied : bool
        Whether fork copies at once what is pinned, in hugetlb pages as well. Since then a pin is a reference
        like others: a folio that has one is not its writer's alone.
    merged_reused : bool
        Whether the last that maps a merged page gets it to write, instead of a copy.
    zeros_shared : bool
        Whether pages full of zeros of a large folio that is split become the zero page.
    hugetlb_refaults : bool
        Whether fork leaves shared hugetlb pages for the child to find by itself.
    lru_batch : int
        With how many new pages a CPU's batch is handed on, in which a last sharer copies them; 0 if it does
        not (until 5.8 references do not count, since 5.18 the batch is handed on first).
    """

    large_reuse: LargeReuse = LargeReuse.ONE_OWNER
    huge_by_pages: bool = False
    huge_copied_whole: bool = False
    huge_zero_split: bool = False
    folio_sizes: bool = True
    rights_restored: bool = True
    tables_freed: bool = True
    pins_copied: bool = True
    hugetlb_pins_copied: bool = True
    merged_reused: bool = False
    zeros_shared: bool = True
    hugetlb_refaults: bool = True
    lru_batch: int = 0

    def alone(self, folios: Folios, word: int) -> bool:
        """Return whether the part of a folio that an entry of level 1 maps is the writer's alone."""
        return _ALONE[self.large_reuse](folios, word)

    def huge_sharers(self, folios: Folios, word: int) -> int:
        """Return how many share the huge page that a large leaf maps, as far as a write asks."""
        return folios.most_mapped(word) if self.huge_by_pages else folios.total(word)


_ALONE: dict[LargeReuse, Callable[[Folios, int], bool]] = {
    LargeReuse.NO_PAGE_SHARED: lambda folios, word: folios.most_mapped(word) == 1,
    LargeReuse.LAST_MAPPING: lambda folios, word: folios.total(word) == 1,
    LargeReuse.NEVER: lambda folios, word: False,
    LargeReuse.ONE_OWNER: lambda folios, word: folios.total(word) > 1 and not folios.shared(word),
}
