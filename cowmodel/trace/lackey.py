"""Logs of valgrind's lackey tool for a program that forks, one log a process.

Record them with::

    valgrind --tool=lackey --trace-mem=yes --trace-children=yes --log-file=PREFIX.%p COMMAND

**Who forked whom, and where.** A log names its process and its parent in its header. A child's
log begins with the instruction behind the system call of fork, and the parent's log has that
instruction too, once for each child::

    log.100   ...  I 4610d1,2   I 4610d3,6   ...      2 bytes: the system call
    log.101                     I 4610d3,6   ...      begins where its parent came back

The k-th child by process number began at the k-th such place.

**What runs at the same time.** A log has no time and does not show waiting. Instructions are the
clock: after a fork both sides run one instruction a tick, the lower-numbered process first.

**What is kept.** Loads, stores and modifications, reduced to pages (`reduction.py`). What the
kernel writes for the program, such as the bytes of a read(), is not in a log.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cowmodel.errors import ConfigError
from cowmodel.trace.columns import Exit, Fork, Integers, Trace
from cowmodel.trace.lackey_log import FETCH, Log, read_log
from cowmodel.trace.layout import compact
from cowmodel.trace.reduction import Reduced, reduce_accesses

_BANNER = re.compile(rb"==\d+== Lackey, ")


def is_log(content: bytes) -> bool:
    """Tell whether a file is a lackey log."""
    return bool(_BANNER.match(content))


@dataclass(frozen=True)
class _Life:
    """One process on the common clock: `ticks` says when each line of its log happened."""

    log: Log
    parent: int | None
    ticks: Integers

    @property
    def begin(self) -> int:
        return int(self.ticks[0])


def read_logs(path: Path, contents: dict[Path, bytes], name: str) -> Trace:
    """Read the logs of one run.

    Parameters
    ----------
    path : Path
        The folder or prefix, for messages.
    contents : dict of Path to bytes
        Every log of the run.

    Raises
    ------
    ConfigError
        If a line is wrong, or the logs do not make one tree of forks.
    """
    logs = {log.pid: log for log in (read_log(p, content) for p, content in contents.items())}
    lives = _line_up(path, logs)
    parts = [_reduce(life, lives) for life in lives.values()]
    process = np.repeat(np.arange(len(parts), dtype=np.int32), [len(p.page) for p in parts])
    opened = np.concatenate([part.opened for part in parts])
    if not len(opened):
        raise ConfigError(f"{path}: expected data accesses, got none; record with --trace-mem=yes")
    order = np.lexsort((process, opened))
    areas, page = compact(np.concatenate([part.page for part in parts])[order])
    forks, exits = _family(lives, opened[order])
    return Trace(
        name=name,
        time_ps=None,
        process=process[order],
        page=page,
        write=np.concatenate([part.write for part in parts])[order],
        count=np.concatenate([part.count for part in parts])[order],
        expects_fault=None,
        areas=areas,
        forks=forks,
        exits=exits,
    )


def _family(lives: dict[int, _Life], opened: Integers) -> tuple[tuple[Fork, ...], tuple[Exit, ...]]:
    """Say before which record, opened at these ticks, each process was forked and ended."""
    number = {pid: at for at, pid in enumerate(lives)}
    forks = tuple(
        Fork(number[life.parent], number[pid], int(np.searchsorted(opened, life.begin)))
        for pid, life in lives.items()
        if life.parent is not None
    )
    ends = sorted((int(life.ticks[-1]) + 1, number[pid]) for pid, life in lives.items())
    return forks, tuple(Exit(who, int(np.searchsorted(opened, tick))) for tick, who in ends)


def _reduce(life: _Life, lives: dict[int, _Life]) -> Reduced:
    """Reduce a life to pages, beginning anew at each fork, which takes the right to write."""
    forks = [other.begin for other in lives.values() if other.parent == life.log.pid]
    return reduce_accesses(life.log, life.ticks, np.array(sorted(forks), dtype=np.int64))


def _line_up(path: Path, logs: dict[int, Log]) -> dict[int, _Life]:
    """Put every process on the clock of the root, in the order of their forks."""
    roots = [pid for pid, log in logs.items() if log.parent not in logs]
    if len(roots) != 1:
        raise ConfigError(
            f"{path}: expected the logs of one run, got {len(roots)} processes without a parent"
            f" ({', '.join(map(str, roots))}); keep each run in a folder of its own"
        )
    lives: dict[int, _Life] = {}
    waiting: list[tuple[int, int, int | None]] = [(0, roots[0], None)]
    while waiting:
        begin, pid, parent = min(waiting, key=lambda birth: birth[:2])
        waiting.remove((begin, pid, parent))
        log = logs[pid]
        # A fetch opens its tick; the loads and stores of the instruction belong to it.
        ticks = begin - 1 + np.cumsum(log.kind == FETCH)
        lives[pid] = _Life(log, parent, ticks)
        children = [logs[child] for child in sorted(logs) if logs[child].parent == pid]
        for child, place in zip(children, _fork_places(log, children), strict=True):
            waiting.append((int(ticks[place]), child.pid, pid))
    return lives


def _fork_places(parent: Log, children: list[Log]) -> list[int]:
    """Find the lines of the parent's log at which its children begin."""
    fetches = np.flatnonzero(parent.kind == FETCH)
    address, end = parent.address[fetches], parent.address[fetches] + parent.size[fetches]
    places: dict[int, list[int]] = {}
    for start in {child.start for child in children}:
        back = np.flatnonzero((address[1:] == start) & (end[:-1] == start)) + 1
        places[start] = fetches[back].tolist()
    for start, found in places.items():
        born = [child for child in children if child.start == start]
        if not found:
            raise ConfigError(
                f"{born[0].path}: expected a process that goes on from its parent's fork, got one"
                " that began with exec; record a program whose children do not exec"
            )
        if len(found) != len(born):
            raise ConfigError(
                f"{parent.path}: expected the logs of {len(found)} children, got {len(born)};"
                " keep every log of the run in one place"
            )
    return [places[child.start].pop(0) for child in children]
