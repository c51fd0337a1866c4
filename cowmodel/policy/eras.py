"""Versions of Linux, by the rules that they follow; each row says what was different until then.

    4.19        a write to a shared huge page copies 2 MiB; whether anyone else maps a page decides
    5.4         the last that maps a merged page may write it in place
    5.8         a write to a shared huge page splits it and copies 4 KiB; so does one to the huge zero page
    5.10        a page of a large folio is written in place only as the last that is mapped, another not while
                it is among the newest of a processor, a merged one never; fork copies what is pinned
    5.15        ... hugetlb pages too
    6.1, 6.6    mprotect gives the right to write back without faults; a huge page by its references
    6.12        folios of more sizes, whose pages are never written in place; zeros of one that is split are
                the zero page's
    6.18        ... are, if one address space has them all; empty tables are freed at once

References
----------
Linux, mm/memory.c, mm/huge_memory.c, mm/hugetlb.c, mm/ksm.c and mm/mprotect.c of those versions; commits
09854ba94c6a, 70e806e4e645 (5.9), 4eae4efa2c29 (5.12), 6c287605fd56 (5.19), 64fe24a3e05e (6.1), 1da190f4d0a6
(6.15).
"""

from dataclasses import replace

from cowmodel.kernel.era import Era, LargeReuse

_LINUX_6_12 = Era(LargeReuse.NEVER, huge_zero_split=True, tables_freed=False)
_LINUX_6_1 = replace(_LINUX_6_12, large_reuse=LargeReuse.LAST_MAPPING, folio_sizes=False, zeros_shared=False)
_LINUX_5_15 = replace(
    _LINUX_6_1, huge_by_pages=True, rights_restored=False, hugetlb_refaults=False, lru_batch=15
)
_LINUX_5_10 = replace(_LINUX_5_15, hugetlb_pins_copied=False)
_LINUX_5_8 = replace(
    _LINUX_5_10,
    large_reuse=LargeReuse.NO_PAGE_SHARED,
    pins_copied=False,
    merged_reused=True,
    lru_batch=0,
)
_LINUX_5_4 = replace(_LINUX_5_8, huge_copied_whole=True, huge_zero_split=False)
_LINUX_4_19 = replace(_LINUX_5_4, merged_reused=False)

ERAS: dict[str, Era] = {
    "linux-4.19": _LINUX_4_19,
    "linux-5.4": _LINUX_5_4,
    "linux-5.8": _LINUX_5_8,
    "linux-5.10": _LINUX_5_10,
    "linux-5.15": _LINUX_5_15,
    "linux-6.1": _LINUX_6_1,
    "linux-6.6": _LINUX_6_1,
    "linux-6.12": _LINUX_6_12,
    "linux-6.18": Era(),
}
