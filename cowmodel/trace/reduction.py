"""Accesses to bytes, reduced to accesses to pages.

A record opens when an access is not covered by the last 64 distinct pages. A page that was
written covers reads and writes, a page that was only read covers reads. So the first read and
the first write of each page are always there, and a hot page costs one record and not millions.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from cowmodel.trace.columns import Flags, Integers
from cowmodel.trace.lackey_log import FETCH, LOAD, Log

PAGE_BYTES = 4096
COVERING_PAGES = 64


@dataclass(frozen=True, eq=False)
class Reduced:
    """Records of one process.

    Attributes
    ----------
    opened : int64[n]
        Tick of the access that opened the record.
    page : int64[n]
        Page number as recorded.
    write : bool[n]
        Whether a write opened it.
    count : int64[n]
        Accesses until the next record opened.
    """

    opened: Integers
    page: Integers
    write: Flags
    count: Integers


def reduce_accesses(log: Log, ticks: Integers, cuts: Integers) -> Reduced:
    """Reduce the data accesses of a log.

    Parameters
    ----------
    log : Log
        Its loads, stores and modifications are the accesses.
    ticks : int64[n]
        When each line of the log happened, never falling.
    cuts : int64[k]
        Ticks before which nothing covers what comes after: the forks of the process.
    """
    tick, page, write = _page_accesses(log, ticks)
    span = np.searchsorted(cuts, tick, side="right")
    opening = _opening(page, write, span)
    count = np.diff(np.append(opening, len(page)))
    return Reduced(tick[opening], page[opening], write[opening], count)


def _page_accesses(log: Log, ticks: Integers) -> tuple[Integers, Integers, Flags]:
    """Keep the data accesses; one that crosses into the next page becomes two."""
    data = log.kind != FETCH
    first = log.address[data] // PAGE_BYTES
    last = (log.address[data] + log.size[data] - 1) // PAGE_BYTES
    pages = 1 + (last > first).astype(np.int64)
    second = np.zeros(pages.sum(), dtype=np.int64)
    second[(np.cumsum(pages) - 1)[pages == 2]] = 1
    write = log.kind[data] != LOAD
    return np.repeat(ticks[data], pages), np.repeat(first, pages) + second, np.repeat(write, pages)


def _opening(page: Integers, write: Flags, span: Integers) -> Integers:
    """Find the accesses that open a record."""
    # Only a change of page, of right or of span can open one: the rest is covered by its neighbour.
    same = (np.diff(page) == 0) & (write[:-1] >= write[1:]) & (np.diff(span) == 0)
    candidates = np.flatnonzero(np.concatenate([[True], ~same])) if len(page) else np.arange(0)
    covering: OrderedDict[int, bool] = OrderedDict()
    opening: list[int] = []
    era = -1
    columns = (candidates, page[candidates], write[candidates], span[candidates])
    for at, where, writes, when in zip(*(c.tolist() for c in columns), strict=True):
        if when != era:
            covering.clear()
            era = when
        if not covering.get(where, False) and (writes or where not in covering):
            opening.append(at)
        covering[where] = writes or covering.get(where, False)
        covering.move_to_end(where)
        if len(covering) > COVERING_PAGES:
            covering.popitem(last=False)
    return np.array(opening, dtype=np.int64)
