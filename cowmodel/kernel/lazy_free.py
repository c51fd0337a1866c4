"""MADV_FREE: entries are made clean, and the kernel may take back pages that stay so.

With memory to spare, as here, nothing else comes of it. A next write makes the entry dirty, without a fault.

    a page                    [present, write, dirty]  ->  [present, write]      not if it counts as dirty,
    a large folio, all of it  the same for all its entries                       and others map it
    ... mapped by one leaf    the same, unless others may map it
    a part of a folio         single frames are made of it first, unless others may map it, or it is
                              pinned: then nothing

References
----------
Linux, madvise_free_pte_range, mm/madvise.c; madvise_free_huge_pmd, __folio_split, mm/huge_memory.c;
try_to_map_unused_to_zeropage, mm/migrate.c.
"""

import numpy as np
from numpy.typing import NDArray

from cowmodel.errors import SimulationError
from cowmodel.hardware.frames import ZERO_FRAME
from cowmodel.hardware.page_table import NO_SLOT, Run
from cowmodel.hardware.paging import (
    ACCESSED,
    DIRTY,
    LARGE,
    LEAF,
    ORDER_MASK,
    SAVED_DIRTY,
    SPECIAL,
    Numbers,
    Words,
    frame_of,
    heads_of,
    order_of,
)
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.large_folio import split
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import NOTHING, Work

_CLEAN = ~np.uint64(ACCESSED | DIRTY | SAVED_DIRTY)
_SINGLE = ~np.uint64(ORDER_MASK)


def free(kernel: KernelState, space: AddressSpace, first: int, end: int) -> Work:
    """Make the entries of pages first..end, exclusive, all of which are mapped, clean.

    Raises
    ------
    SimulationError
        If they are not private anonymous memory, of hugetlb pages, or locked.

    Notes
    -----
    Linux keeps the last of the pages, n mod 31, referred to by a list of the CPU until something there frees
    mapped memory, and would copy them where it could flip: a matter of time, which is not modelled.
    """
    work, vmas, changed = Work(mappings=1), space.overlapping(first, end), [np.zeros(0, np.int64)]
    if any(vma.object or vma.level > 1 or vma.locked for vma in vmas):
        raise SimulationError(
            "madvise: expected private pages, not of hugetlb or locked, to free, got others"
        )
    kernel.recent.hand_on()
    for vma in vmas:
        start, stop = max(first, vma.first), min(end, vma.end)
        if vma.folios:
            work += _split_parts(kernel, space, vma, start, stop)
        for run in vma.runs(start, stop):
            changed += _clean(kernel, space, _whole_leafs(kernel, run))
    heads = np.concatenate(changed)
    return work + Work(rewrites=len(heads)) + kernel.forget(space, heads)


def _whole_leafs(kernel: KernelState, run: Run) -> Run:
    """Return the part of a run, perhaps none, that cuts no leaf: one that is not split stays as it is."""
    leaf = kernel.geometry.leaf_pages(run.level)
    first, end = -(-run.first // leaf) * leaf, (run.last + 1) // leaf * leaf
    return run._replace(first=first, last=max(first, end) - 1)


def _clean(kernel: KernelState, space: AddressSpace, run: Run) -> list[Numbers]:
    """Make the entries of a run of pages clean; return at which pages they were not."""
    pages, leaf = [], kernel.geometry.leaf_pages(run.level)
    for block in space.page_table.blocks(run):
        cleaned = _cleaned(kernel, block.entries)
        kernel.arena.rows[block.rows] ^= block.entries ^ cleaned
        at, index = np.nonzero(block.entries != cleaned)
        pages.append(block.firsts[at] + index * leaf)
    return pages


def _cleaned(kernel: KernelState, words: Words) -> Words:
    """Return entries made clean, other than of the zero frame and of what is dirty and shared."""
    pfns, frames = frame_of(words), kernel.frames
    dirty = np.isin(pfns, list(frames.dirty))
    shared = dirty & (frames.sharers[pfns] > 1)
    frames.clean(pfns[dirty & ~shared])
    stays = shared | (words & np.uint64(SPECIAL) != 0)
    folios = ~stays & (words & np.uint64(ORDER_MASK) != 0)
    if folios.any():
        stays[folios] = _stays(kernel, words[folios])
    return np.where(stays, words, words & _CLEAN)


def _stays(kernel: KernelState, words: Words) -> NDArray[np.bool_]:
    """Return which entries of large folios, or of parts, stay as they are; let others' folios be clean.

    All parts of one folio are among them, or others may map it.
    """
    large = words & np.uint64(LARGE) != 0
    several, dirty = kernel.folios.others(words), kernel.folios.dirty_of(words)
    whole = _all_parts(words)
    alone = np.where(large, ~several, kernel.folios.totals(words) == 1 << order_of(words))
    stays: NDArray[np.bool_] = np.where(large, several, ~whole | (dirty & ~alone))
    kernel.folios.mark_dirty(words[dirty & ~stays], False)
    return stays


def _all_parts(words: Words) -> NDArray[np.bool_]:
    """Return of each part of a folio whether all of its parts are there."""
    orders = order_of(words)
    heads = heads_of(words)
    _, of, counts = np.unique(heads, return_inverse=True, return_counts=True)
    whole: NDArray[np.bool_] = counts[of] == 1 << orders
    return whole


def _stays_whole(kernel: KernelState, words: Words) -> NDArray[np.bool_]:
    """Return which folios, of which `words` map a part, are not split: pinned ones, and those of others."""
    pinned = np.isin(heads_of(words), list(kernel.frames.pins))
    return kernel.folios.others(words) | pinned


def _split_parts(kernel: KernelState, space: AddressSpace, vma: Vma, first: int, end: int) -> Work:
    """Make single frames of folios of which only a part is meant, if they can be split."""
    work, table = NOTHING, space.page_table
    for vpn in (first, end - 1):
        slot = table.walk(vpn)
        word = kernel.arena.flat[[slot]] if slot != NO_SLOT else np.zeros(1, np.uint64)
        leaf = kernel.geometry.leaf_pages(2)
        within = first <= vpn & -leaf and (vpn | leaf - 1) < end
        if word[0] & np.uint64(LARGE | SPECIAL) == LARGE and not (within or _stays_whole(kernel, word)[0]):
            work += split(kernel, space, vpn) + _dissolve(kernel, space, vpn)
    for block in table.blocks(Run(1, first, end - 1)):
        for row, start in zip(block.entries, block.firsts.tolist(), strict=True):
            at = np.flatnonzero(row & np.uint64(ORDER_MASK))
            cut = at[~(_all_parts(row[at]) | _stays_whole(kernel, row[at]))]
            for vpn in (start + cut).tolist():
                if kernel.arena.words[table.walk(vpn)] & ORDER_MASK:  # not with a page before it
                    work += _dissolve(kernel, space, vpn)
    return work


def _dissolve(kernel: KernelState, space: AddressSpace, vpn: int) -> Work:
    """Make single frames of the folio of which the entry of `vpn` maps a part, and nobody else any.

    part of a folio, written         ->  a frame, with the same bits; dirty if the folio, or a part of it, is
    part of a folio, full of zeros   ->  [present, special] the zero frame
    """
    slots, words, locked = _parts_with(kernel, space, vpn)
    dirty = kernel.folios.dirty_of(words) | (words & np.uint64(DIRTY | SAVED_DIRTY) != 0)
    zeros = ~(kernel.folios.written[frame_of(words)] | locked) & kernel.era.zeros_shared
    gone = kernel.folios.dissolve(int(words[0]))
    kernel.arena.flat[slots] = np.where(zeros, np.uint64(ZERO_FRAME | LEAF | SPECIAL), words & _SINGLE)
    gone += kernel.frames.drop(frame_of(words[zeros]))
    if dirty.any():
        for pfn in frame_of(words[~zeros]).tolist():
            kernel.frames.mark_dirty(pfn)
    kernel.tlbs.flush(space.page_table.root)
    space.family.changes += 1
    return Work(flushes=1, shootdowns=space.other_cores, drops=int(np.count_nonzero(zeros)), frees=gone)


def _parts_with(
    kernel: KernelState, space: AddressSpace, vpn: int
) -> tuple[Numbers, Words, NDArray[np.bool_]]:
    """Return the slots and the entries of all parts of the folio at `vpn`, and which are in locked memory."""
    word = kernel.arena.flat[[space.page_table.walk(vpn)]]
    order = int(order_of(word)[0])
    vpns = (vpn >> order << order) + np.arange(1 << order)
    words = space.page_table.entries(vpns, 1)
    mine = (order_of(words) == order) & (frame_of(words) >> order == frame_of(word) >> order)
    locked = [vma is not None and vma.locked for vma in map(space.find, vpns[mine].tolist())]
    return space.page_table.slots(vpns[mine], 1), words[mine], np.array(locked)
