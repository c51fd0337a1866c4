"""Overcommit: how much memory the kernel promises, whatever of it is ever used.

    always      any amount
    heuristic   any amount, but no single request for more than the machine has
    never       as long as all that is promised together stays below a limit

A promise are the pages of private mappings that may be written (`Vma.accounted`), from mmap, fork or mprotect
on, and those of shared anonymous memory, once, when it is made. Huge pages of hugetlb have their own pool.

References
----------
Linux, __vm_enough_memory, mm/util.c; accountable_mapping, mm/vma.c; dup_mmap, mm/mmap.c; mprotect_fixup,
mm/mprotect.c; shmem_acct_size, mm/shmem.c.
"""

from collections.abc import Collection
from enum import Enum

from cowmodel.errors import CommitLimit


class Overcommit(Enum):
    """When the kernel refuses to promise memory (Linux: vm.overcommit_memory is 1, 0, 2)."""

    ALWAYS = "always"
    HEURISTIC = "heuristic"
    NEVER = "never"


class Commitment:
    """What is promised, and what may be.

    Parameters
    ----------
    rule : Overcommit
    limit_pages : int
        Of a single request, or of all together, as the rule says.

    Attributes
    ----------
    pages : int
        Base pages that are promised.
    """

    def __init__(self, rule: Overcommit = Overcommit.ALWAYS, limit_pages: int = 0) -> None:
        self.rule, self.limit_pages, self.pages = rule, limit_pages, 0

    def require(self, requests: Collection[int]) -> None:
        """Refuse requests for so many pages each, one of which cannot be granted, before anything changes.

        Raises
        ------
        CommitLimit
        """
        largest, together = max(requests, default=0), self.pages + sum(requests)
        if self.rule is Overcommit.HEURISTIC and largest > self.limit_pages:
            raise CommitLimit(
                f"overcommit: expected at most the {self.limit_pages:,} pages of the machine at a time, got a"
                f" request for {largest:,}; ask for less, or let overcommit be 'always'"
            )
        if self.rule is Overcommit.NEVER and requests and together >= self.limit_pages:
            raise CommitLimit(
                f"overcommit: expected less than {self.limit_pages:,} pages promised in all, got"
                f" {together:,}, {self.pages:,} of them before; unmap some, or raise the commit limit"
            )

    def take(self, pages: int) -> None:
        """Promise pages; the caller has asked `require` before."""
        self.pages += pages

    def give_back(self, pages: int) -> None:
        """Let go of a promise."""
        self.pages -= pages
