"""Large folios of private anonymous memory: transparent huge pages, and folios between those and a page.

    no table           a write fills a folio that one large leaf maps; a table is kept for its split
                       a read maps the huge zero page, which a first write replaces
    no entry           a write fills the largest folio that fits where nothing is
    read-only leaf     its last mapper makes it writable; anybody else splits it: nothing is copied, and the
                       fault goes on with the one page that is written
    read-only part     in place if nobody else maps the folio, else this page is copied, into a single frame

A split is the affair of one address space: others go on mapping the folio as a whole. What its entry said is
dirty, the folio is from then on.

References
----------
Linux, do_huge_pmd_anonymous_page, do_huge_pmd_wp_page, __split_huge_pmd_locked, mm/huge_memory.c;
alloc_anon_folio, wp_can_reuse_anon_folio, mm/memory.c.
"""

from collections import Counter

import numpy as np

from cowmodel.hardware.frames import ZERO_FRAME
from cowmodel.hardware.page_table import NO_SLOT
from cowmodel.hardware.paging import (
    DIRTY,
    LARGE,
    LEAF,
    ORDER_MASK,
    ORDER_SHIFT,
    SAVED_DIRTY,
    SPECIAL,
    make_writable,
)
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.choices import AtWrite
from cowmodel.kernel.fault import FLIPPED, Fault, Pending, copied, filled, take
from cowmodel.kernel.passes import pages_of
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import NOTHING, Work, tables_work


def missing(
    kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int, write: bool
) -> Fault | Pending | None:
    """Map a large folio at a page that has no entry, or begin to; return None if only a page fits.

    none  ->  [present, special, large] the zero frame     a read, if no table is there
    """
    if (block := _free_block(kernel, space, vma, vpn)) is not None:
        return _map_block(kernel, space, vma, block, write)
    if not write:
        return None
    table, here = space.page_table, np.array([vpn])
    tables = table.missing(1, here)
    for order in vma.orders:
        if _fits(kernel, space, vma, vpn, order) and kernel.frames.has_room({1: tables, 1 << order: 1}):
            work = filled(kernel.geometry.page_bytes << order) + tables_work(table.grow(1, here))
            return take(kernel, "zero_fill", work, vma, vpn, order=order)
    return None


def write_protected(
    kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int, slot: int
) -> Fault | Pending:
    """Give the writer a page, of what a large leaf maps, that it may write, or begin to.

    [present, large] the only entry of its folio  ->  [present, large, write]
    """
    entry, leaf = kernel.arena.flat[slot : slot + 1], kernel.geometry.leaf_pages(vma.huge_level)
    word, block = int(entry[0]), vpn & -leaf
    whole_bytes, has_room = leaf * kernel.geometry.page_bytes, kernel.frames.has_room({leaf: 1})
    if word & SPECIAL:
        if has_room and not kernel.era.huge_zero_split:
            return _take_whole(kernel, "thp_zero_replace", filled(whole_bytes), vma, block, seen=word)
    elif kernel.policy.at_write(kernel.era.huge_sharers(kernel.folios, word)) is AtWrite.FLIP:
        entry[:] = make_writable(entry)
        return Fault("thp_reuse", FLIPPED)
    elif has_room and kernel.era.huge_copied_whole:
        return _take_whole(kernel, "thp_copy", copied(whole_bytes), vma, block, seen=word)
    kernel.frames.require({1: 1})
    work, page_bytes = split(kernel, space, vpn), kernel.geometry.page_bytes
    seen = int(kernel.arena.flat[space.page_table.walk(vpn)])
    if word & SPECIAL:
        return take(kernel, "zero_replace", work + filled(page_bytes), vma, vpn, seen=seen)
    return take(kernel, "thp_split_copy", work + copied(page_bytes), vma, vpn, seen=seen)


def split(kernel: KernelState, space: AddressSpace, vpn: int) -> Work:
    """Map the pages of the large leaf at `vpn` one by one, by the table that was kept for that.

    [large, bits] a folio  ->  512 x [bits] a part of it
    """
    table, leaf = space.page_table, kernel.geometry.leaf_pages(2)
    whole = kernel.arena.flat[[table.walk(vpn)]]
    parts = pages_of(whole, leaf)
    if int(whole[0]) & SPECIAL:
        parts[:] = whole & ~np.uint64(LARGE | ORDER_MASK)
    else:
        kernel.folios.add(parts, table.root)
        kernel.folios.remove(whole, table.root)
        if int(whole[0]) & (DIRTY | SAVED_DIRTY):
            kernel.folios.mark_dirty(whole)
    kernel.arena.rows[table.split(vpn)] = parts
    kernel.tlbs.flush(table.root)
    space.family.changes += 1
    return Work(splits=1, flushes=1, shootdowns=space.other_cores)


def split_at(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int) -> Work:
    """Split the large leaf that reaches over the boundary before page `vpn` of `vma`, if there is one."""
    if not vma.huge_level or vpn % kernel.geometry.leaf_pages(vma.huge_level) == 0:
        return NOTHING
    slot = space.page_table.walk(vpn)
    if slot == NO_SLOT or not kernel.arena.words[slot] & LARGE:
        return NOTHING
    return split(kernel, space, vpn)


def split_ends(kernel: KernelState, space: AddressSpace, first: int, end: int, **rights: bool) -> Work:
    """Split large leafs over the ends of first..end, where mappings will be cut that have other rights."""
    cuts = [(vma, at) for vma in space.differing(first, end, **rights) for at in (first, end)]
    return sum((split_at(kernel, space, vma, at) for vma, at in cuts if vma.first < at < vma.end), NOTHING)


def _free_block(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int) -> int | None:
    """Return the first page of the block for a large leaf at `vpn`, if it lies in `vma` and has no table."""
    leaf = kernel.geometry.leaf_pages(vma.huge_level)
    block = vpn & -leaf
    inside = vma.huge_level and vma.first <= block and block + leaf <= vma.end
    return block if inside and space.page_table.walk(vpn) == NO_SLOT else None


def _map_block(
    kernel: KernelState, space: AddressSpace, vma: Vma, block: int, write: bool
) -> Fault | Pending | None:
    """Map a folio, or for a read the huge zero page, by a large leaf; a table is kept for its split."""
    table, level, here = space.page_table, vma.huge_level, np.array([block])
    leaf = kernel.geometry.leaf_pages(level)
    demand = Counter({1: table.missing(level, here) + 1}) + Counter({leaf: int(write)})
    if not kernel.frames.has_room(demand):
        return None
    tables = tables_work(table.grow(level, here)) + Work(deposits=1)
    table.deposit(1)
    if write:
        work = filled(leaf * kernel.geometry.page_bytes) + tables
        return _take_whole(kernel, "thp_fill", work, vma, block)
    space.own(vma)
    bits = LEAF | SPECIAL | LARGE | _order(leaf) << ORDER_SHIFT
    kernel.arena.words[table.walk(block, level)] = ZERO_FRAME | bits
    return Fault("thp_zero_map", Work(traps=1) + tables)


def _take_whole(kernel: KernelState, kind: str, work: Work, vma: Vma, block: int, seen: int = 0) -> Pending:
    leaf = kernel.geometry.leaf_pages(vma.huge_level)
    return take(kernel, kind, work, vma, block, seen=seen, level=vma.huge_level, order=_order(leaf))


def _order(pages: int) -> int:
    return pages.bit_length() - 1


def _fits(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int, order: int) -> bool:
    """Return whether a folio of an order may lie at `vpn`: aligned, inside `vma`, where nothing is mapped."""
    first = vpn >> order << order
    slot = space.page_table.walk(first)
    empty = slot == NO_SLOT or not kernel.arena.flat[slot : slot + (1 << order)].any()
    return vma.first <= first and first + (1 << order) <= vma.end and empty
