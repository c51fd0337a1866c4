"""Paging as data: a geometry says how a page number is cut into table indices, a word holds the bits.

A virtual page number (`vpn`) is cut from the right into one index a level; level 1 holds the leafs of
one base page, a leaf at level 2 or 3 maps everything below it at once:

    x86-64:  | level 4 | level 3 | level 2 | level 1 | offset |
                 9         9         9         9        12 bits
                        1 GiB leaf 2 MiB leaf 4 KiB leaf

All entries are written with x86-64's bits, also in arm64 geometries: of an entry's bits the model reads
only those that both have (valid, writable, for user mode, accessed, dirty, block), so one encoding serves.

References
----------
Intel, Software Developer's Manual, volume 3A, chapter 4; Arm, Architecture Reference Manual, D8;
Linux, arch/x86/include/asm/pgtable_types.h for the software bits.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

PRESENT = 1 << 0
WRITE = 1 << 1
USER = 1 << 2  # of a leaf: its process may access it
ACCESSED = 1 << 5
DIRTY = 1 << 6
LARGE = 1 << 7  # PS: this entry above level 1 is a leaf
SPECIAL = 1 << 9  # software: a frame without sharers, here the zero frame
EXCLUSIVE = 1 << 10  # software: of a guarded entry, the frame is its owner's alone
SOFT_DIRTY = 1 << 11  # software
ORDER_SHIFT = 52
ORDER_MASK = 0xF << ORDER_SHIFT  # software: order of the folio whose frames it maps, 0 for a frame by itself
CACHED = 1 << 56  # software: the frame is an object's, not the mapping's own
GUARDED = 1 << 57  # software: the rights of the mapping forbid to write
SAVED_DIRTY = 1 << 58  # software: was dirty when it lost WRITE (Linux 6.6 and later)
MERGED = 1 << 59  # software: the frame was made one of several that were equal (Linux: KSM)
NO_EXECUTE = 1 << 63

FRAME_SHIFT = 12
FRAME_MASK = ((1 << 40) - 1) << FRAME_SHIFT
TABLE = PRESENT | WRITE | USER | ACCESSED
LEAF = PRESENT | USER | ACCESSED | NO_EXECUTE

_SAVE_SHIFT = np.uint64(52)  # from DIRTY to SAVED_DIRTY
_EXCLUDE_SHIFT = np.uint64(9)  # from WRITE to EXCLUSIVE
_ALL = (1 << 64) - 1

Words = NDArray[np.uint64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Geometry:
    """How one processor cuts a virtual page number and which leafs it knows.

    Parameters
    ----------
    name : str
    page_bytes : int
        Bytes of a base page, which is also the size of a frame and of a table page.
    index_bits : tuple of int
        Bits of the index of each level, level 1 first.
    leaf_levels : tuple of int
        Levels at which an entry may map memory.
    user_bits : int
        Bits of the largest address a process may use.
    """

    name: str
    page_bytes: int
    index_bits: tuple[int, ...]
    leaf_levels: tuple[int, ...]
    user_bits: int

    @property
    def top(self) -> int:
        """Level of the root table."""
        return len(self.index_bits)

    @cached_property
    def entries(self) -> int:
        """Entries of a table page (the root of some geometries uses fewer)."""
        return int(2 ** self.index_bits[0])

    @cached_property
    def user_pages(self) -> int:
        """Base pages a process may map: page numbers run from 0 to this, exclusive."""
        return (1 << self.user_bits) // self.page_bytes

    @cached_property
    def shifts(self) -> tuple[int, ...]:
        """Bits of a page number below the index of each level; `shifts[level]`, entry 0 unused."""
        return (0, *(sum(self.index_bits[:level]) for level in range(self.top)))

    def leaf_pages(self, level: int) -> int:
        """Return the base pages that one entry of `level` covers."""
        return 1 << self.shifts[level]

    def table_pages(self, level: int) -> int:
        """Return the base pages that one table of `level` covers."""
        return self.leaf_pages(level) * self.entries

    def leaf_bytes(self, level: int) -> int:
        """Return the bytes that a leaf of `level` maps."""
        return self.leaf_pages(level) * self.page_bytes


_SMALL = 4096
PAGINGS: dict[str, Geometry] = {
    geometry.name: geometry
    for geometry in (
        Geometry("x86-64", _SMALL, (9, 9, 9, 9), (1, 2, 3), 47),
        Geometry("x86-64-5level", _SMALL, (9, 9, 9, 9, 9), (1, 2, 3), 56),
        Geometry("arm64-4k", _SMALL, (9, 9, 9, 9), (1, 2, 3), 48),
        Geometry("arm64-16k", 4 * _SMALL, (11, 11, 11, 1), (1, 2), 48),
        Geometry("arm64-64k", 16 * _SMALL, (13, 13, 6), (1, 2), 48),
    )
}


def frame_of(words: Words) -> Numbers:
    """Return the frame (or table row) numbers that `words` hold."""
    return ((words & np.uint64(FRAME_MASK)) >> np.uint64(FRAME_SHIFT)).astype(np.int64)


def order_of(words: Words) -> Numbers:
    """Return the orders of the folios of which entries map frames; 0 for a frame by itself."""
    return ((words & np.uint64(ORDER_MASK)) >> np.uint64(ORDER_SHIFT)).astype(np.int64)


def heads_of(words: Words) -> Numbers:
    """Return the first frames of the folios of which entries map frames, or of frames by themselves."""
    orders = order_of(words)
    heads: Numbers = frame_of(words) >> orders << orders
    return heads


def with_frame(pfns: Numbers, bits: int) -> Words:
    """Return entries with `bits` set that map `pfns`."""
    return pfns.astype(np.uint64) << np.uint64(FRAME_SHIFT) | np.uint64(bits)


def leaf_bits(level: int, write: bool) -> int:
    """Return the bits of a leaf of `level` that was just accessed, for writing or not."""
    return LEAF | (LARGE if level > 1 else 0) | (WRITE | DIRTY if write else 0)


def make_writable(words: Words) -> Words:
    """Return `words` with WRITE; one that was dirty when it lost it is dirty again."""
    saved = (words & np.uint64(SAVED_DIRTY)) >> _SAVE_SHIFT
    return words & np.uint64(_ALL ^ (SAVED_DIRTY | MERGED)) | saved | np.uint64(WRITE)


def guard(words: Words) -> Words:
    """Return `words` of a mapping that may not be written any more; those that were writable stay exclusive.

    present write dirty  ->  present guarded exclusive saved-dirty
    """
    guarded = write_protect(words) | np.where(words, np.uint64(GUARDED), np.uint64(0))
    return guarded | (words & np.uint64(WRITE)) << _EXCLUDE_SHIFT


def unguard(words: Words) -> Words:
    """Return `words` of a mapping that may be written again; without a fault where they are exclusive."""
    alone = words & np.uint64(EXCLUSIVE) != 0
    words = words & np.uint64(_ALL ^ (GUARDED | EXCLUSIVE))
    return np.where(alone, make_writable(words), words)


def expose(words: Words, readable: bool) -> Words:
    """Return `words` of a mapping that its process may read, or may not even read.

    present user write  ->  present write      Linux clears PRESENT instead, and marks the entry in GLOBAL
    """
    shown = np.where(words, np.uint64(USER * readable), np.uint64(0))
    return words & np.uint64(_ALL ^ USER) | shown


def write_protect(words: Words) -> Words:
    """Return `words` without WRITE; an entry that was dirty stays so, in its software bit.

    present write dirty  ->  present saved-dirty
    """
    saved = (words & np.uint64(DIRTY)) << _SAVE_SHIFT
    return words & np.uint64(_ALL ^ (WRITE | DIRTY)) | saved
