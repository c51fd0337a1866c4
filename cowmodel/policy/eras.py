"""Versions of Linux, by the rules that they follow; each row says what was different until then.

    4.19, 5.4   a write to a shared huge page copies 2 MiB; whether anyone else maps a page decides
    5.8         ... splits it and copies 4 KiB; so does one to the huge zero page
    5.10, 5.15  a page of a large folio is written in place only as the last that is mapped
    6.1, 6.6    mprotect gives the right to write back without faults; a huge page by its references
    6.12        folios of more sizes, whose pages are never written in place
    6.18        ... are, if one address space has them all; empty tables are freed at once

The batches of pages that a processor has yet to put on the kernel's lists are not modelled: from 5.9 to 5.17
a last sharer copied those that were still in one.

References
----------
Linux, mm/memory.c, mm/huge_memory.c and mm/mprotect.c of those versions; commits 09854ba94c6a (5.9),
6c287605fd56 (5.19), 64fe24a3e05e (6.1), 1da190f4d0a6 (6.15).
"""

from dataclasses import replace

from cowmodel.kernel.era import Era, LargeReuse

_LINUX_6_12 = Era(LargeReuse.NEVER, huge_zero_split=True, tables_freed=False)
_LINUX_6_1 = replace(_LINUX_6_12, large_reuse=LargeReuse.LAST_MAPPING, folio_sizes=False)
_LINUX_5_10 = replace(_LINUX_6_1, huge_by_pages=True, rights_restored=False, hugetlb_refaults=False)
_LINUX_5_8 = replace(_LINUX_5_10, large_reuse=LargeReuse.NO_PAGE_SHARED)
_LINUX_4_19 = replace(_LINUX_5_8, huge_copied_whole=True, huge_zero_split=False)

ERAS: dict[str, Era] = {
    "linux-4.19": _LINUX_4_19,
    "linux-5.4": _LINUX_4_19,
    "linux-5.8": _LINUX_5_8,
    "linux-5.10": _LINUX_5_10,
    "linux-5.15": _LINUX_5_10,
    "linux-6.1": _LINUX_6_1,
    "linux-6.6": _LINUX_6_1,
    "linux-6.12": _LINUX_6_12,
    "linux-6.18": Era(),
}
