"""Writes Chrome trace-event JSON, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

A trace has tracks, each the (pid, tid) of a thread. Slices on a track nest, a flow is an arrow from one
slice to another, a counter belongs to a pid. A slice is written as its begin (``B``) and its end (``E``),
not as one event with a duration (``X``): readers cut times down to nanoseconds, and slices that share an end
may overlap when times and durations are cut. Times are microseconds with six decimals: whole picoseconds.

References
----------
Trace Event Format, Google, 2016 (docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU).
"""

import gzip
import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cowmodel.errors import ConfigError
from cowmodel.hardware.paging import Numbers

_ENDINGS = (".json", ".json.gz")
_PS_PER_US = 10**6
_GZIP_LEVEL = 4  # a quarter more bytes than level 6, in half its time
_quoted = cache(json.dumps)

# What comes first of events at one time: a slice that ends has to make room for those that begin, and a flow
# leaves and reaches the slice that has just begun.
_END, _INSTANT, _BEGIN, _FLOW, _COUNTER = range(5)

Columns = Mapping[str, Numbers | Iterable[int]]
"""By name of an argument, one whole number for each slice."""


class TraceEvents:
    """Collects the events of a trace, in any order."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._heads: list[str] = []
        self._keys: list[tuple[Numbers, Numbers, Numbers]] = []

    def name_process(self, pid: int, name: str, order: int) -> None:
        """Give a pid its name and its place among the others."""
        self._name(pid, 0, "process_name", "name", name)
        self._name(pid, 0, "process_sort_index", "sort_index", order)

    def name_track(self, pid: int, tid: int, name: str) -> None:
        """Give a track its name."""
        self._name(pid, tid, "thread_name", "name", name)

    def slices(
        self,
        category: str,
        tracks: tuple[Iterable[int], Iterable[int]],
        begin_ps: Numbers,
        end_ps: Numbers,
        depth: int,
        names: Iterable[str],
        columns: Columns | None = None,
    ) -> None:
        """Add slices.

        Parameters
        ----------
        category : str
        tracks : (iterable of int, iterable of int)
            The pid and tid of each.
        begin_ps, end_ps : int64[n]
        depth : int
            Of slices that begin together the outer has the lesser one.
        names : iterable of str
            Of each.
        columns : mapping, optional
            Arguments of each.
        """
        places = [f'"pid":{pid},"tid":{tid},' for pid, tid in zip(*map(_plain, tracks), strict=True)]
        said = [f'"name":{_quoted(name)},"cat":"{category}",' for name in names]
        if columns:
            template = '"args":{' + ",".join(f"{_quoted(key)}:%d" for key in columns) + "},"
            rows = zip(*map(_plain, columns.values()), strict=True)
            said = [text + template % row for text, row in zip(said, rows, strict=True)]
        instant, number = begin_ps == end_ps, 2 * np.arange(len(places))
        begins = [f'"ph":"B",{place}{text}' for place, text in zip(places, said, strict=True)]
        self._add(begins, begin_ps, np.where(instant, _INSTANT, _BEGIN), np.where(instant, number, depth))
        ends = [f'"ph":"E",{place}' for place in places]
        self._add(ends, end_ps, np.where(instant, _INSTANT, _END), np.where(instant, number + 1, 0))

    def flow(self, number: int, name: str, source: tuple[int, int, int], sink: tuple[int, int, int]) -> None:
        """Add an arrow between the slices at two places, each a pid, a tid and a time in ps."""
        for order, (phase, (pid, tid, time_ps)) in enumerate([('"s"', source), ('"f","bp":"e"', sink)]):
            head = f'"ph":{phase},"pid":{pid},"tid":{tid},"id":{number},"name":{_quoted(name)},"cat":"flow",'
            self._add([head], np.array([time_ps]), _FLOW, order)

    def counter(
        self, name: str, unit: str, pids: Iterable[int], time_ps: Numbers, values: Iterable[int]
    ) -> None:
        """Say what a number of each of these pids was from a time on."""
        heads = [
            f'"ph":"C","pid":{pid},"tid":0,"name":{_quoted(name)},"args":{{"{unit}":{value}}},'
            for pid, value in zip(_plain(pids), _plain(values), strict=True)
        ]
        self._add(heads, time_ps, _COUNTER, 0)

    def json(self) -> str:
        """Return the trace, a line an event, in the order of time."""
        time, rank, tie = (np.concatenate(key) for key in zip(*self._keys, strict=True))
        order = np.lexsort((tie, rank, time))
        whole, part = np.divmod(time[order], _PS_PER_US)
        heads, rows = self._heads, zip(order.tolist(), whole.tolist(), part.tolist(), strict=True)
        lines = self._names + [f'{{{heads[at]}"ts":{us}.{ps:06d}}}' for at, us, ps in rows]
        return '{"displayTimeUnit":"ns","traceEvents":[\n' + ",\n".join(lines) + "\n]}\n"

    def _name(self, pid: int, tid: int, kind: str, key: str, value: str | int) -> None:
        event = {"ph": "M", "pid": pid, "tid": tid, "name": kind, "args": {key: value}}
        self._names.append(json.dumps(event, separators=(",", ":")))

    def _add(self, heads: list[str], time_ps: Numbers, rank: Any, tie: Any) -> None:
        self._heads += heads
        shape = (len(heads),)
        self._keys.append((time_ps, np.broadcast_to(rank, shape), np.broadcast_to(tie, shape)))


def _plain(values: Iterable[int]) -> list[int]:
    """Return numbers as Python's own, which are written faster."""
    return np.asarray(values).tolist()  # type: ignore[no-any-return]


def check_path(path: Path) -> None:
    """Refuse a path at which no trace could be written, before anything is run.

    Raises
    ------
    ConfigError
        If it is a folder, has another ending, is in no folder that is there, or may not be written.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: expected a file to write, got a folder; name a file in it")
    if not path.name.endswith(_ENDINGS):
        raise ConfigError(
            f"{path}: expected a name that ends in {' or '.join(_ENDINGS)}, got {path.name!r}; rename it"
        )
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: expected a folder {str(path.parent)!r}, got none; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"{path}: expected a file that may be written, got no permission; choose another")


def write(path: Path, text: str) -> None:
    """Write a trace, compressed if the path says so; equal traces give equal bytes.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    content = text.encode()
    path.write_bytes(gzip.compress(content, _GZIP_LEVEL, mtime=0) if path.suffix == ".gz" else content)
