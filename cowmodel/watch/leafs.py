"""What a process maps, as arrays: one row for each leaf of its page table, in page order."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cowmodel.hardware.paging import (
    FRAME_MASK,
    ORDER_MASK,
    SPECIAL,
    Numbers,
    Words,
    frame_of,
    heads_of,
    order_of,
)
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.scenario.look import vmas
from cowmodel.scenario.steps import Map

NOT_MAPPED = -1
NOT_FRAME = ~np.uint64(FRAME_MASK | ORDER_MASK)  # of an entry, all that does not say which frame it maps


@dataclass(frozen=True, eq=False)
class Leafs:
    """The leafs of one page table.

    Attributes
    ----------
    pages : int64[n]
        First page of each, rising.
    levels : int64[n]
    words : uint64[n]
        The entries.
    regions : int64[n]
        Which of the process's regions each is in, counted in the order of `names`.
    sharers : int64[n]
        Entries that map its first page; 0 for the zero page.
    sizes : int64[n]
        Base pages that it maps.
    names : tuple of str
    starts : tuple of int
        Names and first pages of the regions.
    """

    pages: Numbers
    levels: Numbers
    words: Words
    regions: Numbers
    sharers: Numbers
    sizes: Numbers
    names: tuple[str, ...]
    starts: tuple[int, ...]

    @property
    def heads(self) -> Numbers:
        """First frame of the leaf's folio, or of the leaf, int64[n]; 0 for the zero page."""
        return np.where(self.words & np.uint64(SPECIAL) != 0, 0, heads_of(self.words))

    @property
    def frames(self) -> Numbers:
        """First frame that each maps, int64[n]."""
        return frame_of(self.words)

    @property
    def units(self) -> Numbers:
        """Frames of the leaf's folio, or of the leaf, int64[n]."""
        units: Numbers = np.maximum(self.sizes, 1 << order_of(self.words))
        return units

    def covering(self, pages: Numbers) -> Numbers:
        """Return which leaf maps each of `pages`, int64[m]; NOT_MAPPED where none does."""
        at: Numbers = np.searchsorted(self.pages, pages, "right") - 1
        ends = np.append(self.pages + self.sizes, 0)
        at[(at < 0) | (pages >= ends[at])] = NOT_MAPPED
        return at

    def words_at(self, at: Numbers) -> Words:
        """Return the entries of leafs `at`, uint64[m]; 0 for NOT_MAPPED, which counts from the end."""
        return np.append(self.words, np.uint64(0))[at]

    def frames_at(self, pages: Numbers, at: Numbers) -> Numbers:
        """Return the frames of `pages` that the leafs `at` map, int64[m]; 0 for the zero page, or none."""
        words, firsts = self.words_at(at), np.append(self.pages, 0)[at]
        single = (words == 0) | (words & np.uint64(SPECIAL) != 0)
        return np.where(single, 0, frame_of(words) + pages - firsts)


def leafs_of(kernel: Kernel, process: Process, regions: Iterable[Map]) -> Leafs:
    """Return what a process maps in its regions."""
    regions = sorted(regions, key=lambda region: region.first_page)
    found = [(i, *piece) for i, region in enumerate(regions) for piece in _pieces(kernel, process, region)]
    lengths = [len(pages) for _, _, pages, _ in found]
    numbers = np.repeat(np.array([i for i, *_ in found], np.int64), lengths)
    levels = np.repeat(np.array([level for _, level, _, _ in found], np.int64), lengths)
    pages = np.concatenate([np.empty(0, np.int64), *(pages for _, _, pages, _ in found)])
    words = np.concatenate([np.empty(0, np.uint64), *(words for *_, words in found)])
    order = np.argsort(pages, kind="stable")
    pages, words, levels = pages[order], words[order], levels[order]
    sizes = 1 << np.array(kernel.geometry.shifts)[levels]
    names = tuple(region.region for region in regions)
    starts = tuple(region.first_page for region in regions)
    return Leafs(pages, levels, words, numbers[order], _sharers(kernel, words), sizes, names, starts)


def _pieces(kernel: Kernel, process: Process, region: Map) -> Iterable[tuple[int, Numbers, Words]]:
    """Yield level, pages and entries of the leafs of a region, a block of tables at a time."""
    for vma in vmas(process, region):
        for run in vma.runs():
            for block in process.memory.page_table.blocks(run):
                row, index = np.nonzero(block.entries)
                span = kernel.geometry.leaf_pages(run.level)
                yield run.level, block.firsts[row] + index * span, block.entries[row, index]


def _sharers(kernel: Kernel, words: Words) -> Numbers:
    """Return how many entries map the first page of each leaf."""
    return np.where(words & np.uint64(SPECIAL) != 0, 0, kernel.folios.sharers(words))
