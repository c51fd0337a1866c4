"""Random scenarios on the model: after every step, what is counted is what the tables say."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from cowmodel.catalog import ERAS
from cowmodel.errors import OutOfMemory
from cowmodel.hardware.folios import COUNT, ENTIRE, FIELDS, LEAST_ORDER, ORDER, OWNER, SECOND, SHARED, TOTAL
from cowmodel.hardware.paging import (
    CACHED,
    EXCLUSIVE,
    LARGE,
    ORDER_MASK,
    ORDER_SHIFT,
    PRESENT,
    SPECIAL,
    WRITE,
)
from cowmodel.kernel.accounting import count, unmapped_cache_bytes, usage
from cowmodel.kernel.kernel import Kernel
from cowmodel.live.author import BACKINGS, Author
from cowmodel.scenario.model import ModelStage
from cowmodel.scenario.play import play
from cowmodel.scenario.read import parse
from cowmodel.scenario.setup import setup

FRAME = (1 << 40) - 1


class Leaf(NamedTuple):
    """One entry that maps memory, read bit by bit."""

    root: int
    level: int
    page: int
    pfn: int
    word: int

    @property
    def order(self) -> int:
        return (self.word & ORDER_MASK) >> ORDER_SHIFT

    @property
    def head(self) -> int:
        return self.pfn >> self.order << self.order


class Tree(NamedTuple):
    """All tables of a process, by level, and all leafs."""

    tables: Counter[int]
    leafs: list[Leaf]


def tree(kernel: Kernel, root: int) -> Tree:
    """Walk down from a root, entry by entry."""
    found = Tree(Counter(), [])

    def walk(level: int, row: int, first: int) -> None:
        found.tables[level] += 1
        for index in np.flatnonzero(kernel.arena.rows[row]).tolist():
            word, page = int(kernel.arena.rows[row][index]), first + (index << 9 * (level - 1))
            assert word & PRESENT
            if level == 1 or word & LARGE:
                found.leafs.append(Leaf(root, level, page, word >> 12 & FRAME, word))
            else:
                walk(level - 1, word >> 12 & FRAME, page)

    walk(kernel.geometry.top, root, 0)
    return found


def check(kernel: Kernel) -> None:
    """Assert that frames, folios, tables and usages are what the tables say."""
    trees = [tree(kernel, process.memory.page_table.root) for process in kernel.alive]
    leafs = [leaf for one in trees for leaf in one.leafs if not leaf.word & SPECIAL]
    entire = Counter(leaf.pfn for leaf in leafs if leaf.order and leaf.level > 1)
    singles = Counter(leaf.pfn for leaf in leafs if not leaf.order or leaf.level == 1)
    used = np.flatnonzero(kernel.frames.sharers)
    assert dict(zip(used.tolist(), kernel.frames.sharers[used].tolist(), strict=True)) == singles
    assert kernel.frames.total_sharers == len(leafs)
    check_folios(kernel, leafs, entire)
    for process, one in zip(kernel.alive, trees, strict=True):
        table = process.memory.page_table
        large = sum(leaf.order > 0 and leaf.level > 1 for leaf in one.leafs)
        assert table.deposits == large
        assert table.tables[1:] == [one.tables[level] + large * (level == 1) for level in range(1, 5)]
        told, counted = usage(kernel, process), count(kernel, process)
        assert told.pss_bytes == pytest.approx(counted.pss_bytes)  # a sum by mapping, which may be cut since
        assert replace(told, pss_bytes=0) == replace(counted, pss_bytes=0)
    check_frames(kernel, leafs)
    for leaf in leafs:
        if leaf.word & (WRITE | EXCLUSIVE) and not leaf.word & CACHED:
            owner = next(p.memory for p in kernel.alive if p.memory.page_table.root == leaf.root)
            vma = owner.find(leaf.page)
            assert vma is None or not vma.private or singles[leaf.pfn] + entire[leaf.head] == 1, leaf


def check_folios(kernel: Kernel, leafs: list[Leaf], entire: Counter[int]) -> None:
    """Assert that the records of large folios are right, and that none is left of those that are gone."""
    parts = [leaf for leaf in leafs if leaf.order]
    totals, orders = Counter(leaf.head for leaf in parts), {leaf.head: leaf.order for leaf in parts}
    owners = Counter((leaf.head, leaf.root + 1) for leaf in parts)
    records = kernel.folios.records.reshape(-1, FIELDS)
    assert (np.flatnonzero(records.any(axis=1)) << LEAST_ORDER).tolist() == sorted(totals)
    for head, total in totals.items():
        record = records[head >> LEAST_ORDER].tolist()
        assert (record[TOTAL], record[ENTIRE], record[ORDER]) == (total, entire[head], orders[head])
        for place in (0, SECOND):
            assert record[place + COUNT] <= owners[head, record[place + OWNER]]
        if len({owner for other, owner in owners if other == head}) > 1:
            assert record[SHARED]


def check_frames(kernel: Kernel, leafs: list[Leaf]) -> None:
    """Assert that the frames in use are those that are mapped, kept, or held by an object."""
    held = set[int]()
    for leaf in leafs:
        pages = 1 << leaf.order if leaf.order else kernel.geometry.leaf_pages(leaf.level)
        held |= {*range(leaf.head, leaf.head + pages)}
    for vma in (vma for process in kernel.alive for vma in process.memory.vmas if vma.object):
        assert vma.object
        for pfn in vma.object.pfns[vma.object.pfns > 0].tolist():
            held |= {*range(pfn, pfn + kernel.geometry.leaf_pages(vma.level))}
    held |= {pfn for file in kernel.files for pfn in file.pfns.tolist()}
    for head, pages in kernel.frames.lingering.items():
        held |= {*range(head, head + pages)}
    page = kernel.geometry.page_bytes
    assert kernel.frames.used == len(held)
    pss = sum(usage(kernel, process).pss_bytes for process in kernel.alive)
    unmapped = unmapped_cache_bytes(kernel) + kernel.folios.kept() * page
    assert pss + unmapped == pytest.approx(kernel.frames.used * page)


def scenarios(backing: str, count: int) -> Iterator[str]:
    for number in range(count):
        author = Author(np.random.default_rng([3, number]), backing)
        author.write(25)
        yield "\n".join(["name random", *author.settings, *author.lines])


@pytest.mark.parametrize("policy", ["cow-flip", "cow", "eager"])
@pytest.mark.parametrize("backing", list(BACKINGS))
def test_what_is_counted_is_what_the_tables_say(backing: str, policy: str):
    for text in scenarios(backing, 4):
        scenario = parse(text)
        stage = ModelStage(scenario, setup({"policy.copy": policy, "machine.memory": "1 GiB"}))
        try:
            for _ in play(scenario, stage):
                check(stage.kernel)
        except OutOfMemory:
            assert policy == "eager"
            check(stage.kernel)


@pytest.mark.parametrize("era", [era for era in ERAS if era != "linux-6.18"])
def test_in_every_era(era: str):
    for text in scenarios("folios", 3):
        scenario = parse(text)
        stage = ModelStage(scenario, setup({"kernel.era": era, "machine.memory": "1 GiB"}))
        for _ in play(scenario, stage):
            check(stage.kernel)


def test_nothing_is_left_when_all_have_exited():
    for text in scenarios("mixed", 6):
        scenario = parse(text)
        stage = ModelStage(scenario, setup({"machine.memory": "1 GiB"}))
        assert list(play(scenario, stage))
        for process in stage.kernel.alive:
            stage.kernel.exit(process)
        frames = stage.kernel.frames
        files = sum(len(file.pfns) for file in stage.kernel.files)
        assert (frames.used, frames.table_pages, frames.total_sharers) == (files, 0, 0)
        assert not stage.kernel.folios.records.any()
        assert not frames.dirty - {pfn for file in stage.kernel.files for pfn in file.pfns.tolist()}
