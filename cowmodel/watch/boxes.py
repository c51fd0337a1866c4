"""The frames that are in use, summed up: a box for all that are alike and that the same processes map."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cowmodel.hardware.paging import MERGED, SPECIAL, Numbers, order_of
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.memory_object import MemoryObject
from cowmodel.watch.entry import span
from cowmodel.watch.leafs import Leafs

KINDS = ("anonymous", "zero page", "pinned", "folio", "hugetlb", "file", "shared memory", "merged")


@dataclass(frozen=True)
class Box:
    """Frames, or folios, that are alike.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    region : str
        Where the first process that maps them has them; empty if none does.
    mappers : tuple of str
        Processes that map them.
    sharers : int
        Entries that map each of them; 0 for a folio, whose pages may have more or fewer.
    count, unit_pages : int
        How many there are; frames of each.
    frames : str
        Their numbers.
    """

    kind: str
    region: str
    mappers: tuple[str, ...]
    sharers: int
    count: int
    unit_pages: int
    frames: str


def boxes(
    kernel: Kernel, everyone: Mapping[str, Leafs], files: Iterable[MemoryObject]
) -> tuple[tuple[Box, ...], dict[str, Numbers]]:
    """Sum up the frames that processes map, and those of files that nobody does.

    Returns
    -------
    boxes : tuple of Box
        In the order in which processes map them.
    places : dict of str to int64[n]
        By process, the box of what each leaf maps.
    """
    held = np.concatenate([np.empty(0, np.int64), *(file.pfns[file.pfns > 0] for file in files)])
    if not any(len(leafs.pages) for leafs in everyone.values()):
        return _unmapped(np.unique(held)), {proc: leafs.regions for proc, leafs in everyone.items()}
    heads = np.concatenate([leafs.heads for leafs in everyone.values()])
    unique, first, unit = np.unique(heads, return_index=True, return_inverse=True)
    mappers, by_mapper = _who(unique, everyone)
    names, regions = _regions(everyone)
    columns = [
        _kinds(kernel, everyone, held)[first],
        regions[first],
        by_mapper,
        _sharers(everyone)[first],
        np.concatenate([leafs.units for leafs in everyone.values()])[first],
    ]
    keys, at, box = _in_order(np.stack(columns), first)
    made = tuple(
        _box(unique[at == number], key, names, mappers) for number, key in enumerate(keys.T.tolist())
    )
    ends = np.cumsum([len(leafs.pages) for leafs in everyone.values()])[:-1]
    places = dict(zip(everyone, np.split(box[unit], ends), strict=True))
    return made + _unmapped(np.setdiff1d(held, unique)), places


def _box(heads: Numbers, key: list[int], names: list[str], mappers: list[tuple[str, ...]]) -> Box:
    kind, region, who, sharers, unit_pages = key
    frames = span(heads, unit_pages if kind != 1 else 1)
    return Box(KINDS[kind], names[region], mappers[who], sharers, len(heads), unit_pages, frames)


def _in_order(columns: Numbers, first: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return different columns, the first to be mapped first, and twice of each which of them it is."""
    keys, at = np.unique(columns, axis=1, return_inverse=True)
    at = at.ravel()
    earliest = np.full(keys.shape[1], np.iinfo(np.int64).max)
    np.minimum.at(earliest, at, first)
    order = np.argsort(earliest)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return keys[:, order], rank[at], rank[at]


def _who(heads: Numbers, everyone: Mapping[str, Leafs]) -> tuple[list[tuple[str, ...]], Numbers]:
    """Return different sets of processes, and which of them maps each of `heads`.

    Sets are told apart process by process: those that map the same so far, by whether the next maps it too.
    """
    groups, at = [()], np.zeros(len(heads), np.int64)
    found: list[tuple[str, ...]] = list(groups)
    for proc, leafs in everyone.items():
        pairs, at = np.unique(at * 2 + np.isin(heads, leafs.heads), return_inverse=True)
        found = [found[pair // 2] + (proc,) * (pair % 2) for pair in pairs.tolist()]
    return found, at


def _regions(everyone: Mapping[str, Leafs]) -> tuple[list[str], Numbers]:
    """Return names of regions, and which of them each leaf is in."""
    names = list(dict.fromkeys(name for leafs in everyone.values() for name in leafs.names))
    each = [
        np.array([names.index(name) for name in leafs.names], np.int64)[leafs.regions]
        for leafs in everyone.values()
    ]
    return names, np.concatenate(each)


def _kinds(kernel: Kernel, everyone: Mapping[str, Leafs], held: Numbers) -> Numbers:
    """Return of each leaf what it maps, as a place in `KINDS`."""
    words = np.concatenate([leafs.words for leafs in everyone.values()])
    heads = np.concatenate([leafs.heads for leafs in everyone.values()])
    sizes = np.concatenate([leafs.sizes for leafs in everyone.values()])
    tests = (
        words & np.uint64(SPECIAL) != 0,
        np.isin(heads, list(kernel.frames.pins)),
        order_of(words) > 0,
        sizes > 1,
        np.isin(heads, held),
        kernel.frames.cached[heads],
        words & np.uint64(MERGED) != 0,
    )
    return np.select(tests, range(1, len(KINDS)))


def _sharers(everyone: Mapping[str, Leafs]) -> Numbers:
    """Return of each leaf how many entries map its frame; 0 for a part of a folio."""
    sharers = np.concatenate([leafs.sharers for leafs in everyone.values()])
    words = np.concatenate([leafs.words for leafs in everyone.values()])
    return np.where(order_of(words) > 0, 0, sharers)


def _unmapped(heads: Numbers) -> tuple[Box, ...]:
    return (Box("file", "", (), 0, len(heads), 1, span(heads)),) if len(heads) else ()
