"""A run, played again, and looked at: the state of every page of every process, moment by moment.

A page whose frame is its own was copied if the frame is another than it was at the moment before, or, of a
child that is new, than its parent's was::

    frame 7, 2 sharers  ->  frame 9, 1 sharer     copied
    frame 7, 2 sharers  ->  frame 7, 1 sharer     kept

Who watches changes nothing: moments are events that do nothing, and no result depends on how many there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cowmodel.experiment.config import Configuration
from cowmodel.experiment.run import build
from cowmodel.hardware.frames import ZERO_FRAME
from cowmodel.hardware.page_table import Run
from cowmodel.hardware.paging import PRESENT, SPECIAL, Numbers, Words, frame_of, order_of
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.passes import pages_of
from cowmodel.kernel.process import Process
from cowmodel.machine import Activity, Machine
from cowmodel.program import start
from cowmodel.report.sharing import proportional_bytes, sharing_graph
from cowmodel.workload.streams import Streams

if TYPE_CHECKING:
    import networkx as nx

STATES = {
    "absent": "no entry maps it yet",
    "zero": "reads as zeros, from the one frame that all share",
    "own": "its frame is its own, and was never seen shared",
    "shared": "other processes map its frame too",
    "copied": "its frame is its own, made by a copy",
    "kept": "its frame is its own again: those that shared it made copies, or are gone",
}
ABSENT, ZERO, OWN, SHARED, COPIED, KEPT = range(len(STATES))
_NO_FRAME = -1
_MOST_MOMENTS, _FEWEST_MOMENTS = 96, 12
_MOST_PAGES = 1 << 27
"""Of all moments together, a byte each."""
BIRTHS = ("fork", "vfork", "spawn")


@dataclass(frozen=True)
class Sheet:
    """The pages of one process at one moment.

    Attributes
    ----------
    vpns : int64[n]
        All pages that are mapped, in order.
    frames : int64[n]
        Where they are; -1 for nowhere.
    states : int8[n]
        Places in `STATES`.
    """

    vpns: Numbers
    frames: Numbers
    states: NDArray[np.int8]


NOTHING = Sheet(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int8))


@dataclass
class Film:
    """What was seen of a run.

    Attributes
    ----------
    page_bytes : int
    times_ps : list of int
        The moments.
    states : dict of int to dict of int to list of (int, int8[n])
        From pid and number of a moment to the mappings then: first page, states.
    births : list of (int, int, str, int)
        Parent, child, the verb, and when, in ps.
    ends_ps : dict of int to int
        When each process ended, by pid.
    graph : nx.Graph
        Who shared with whom at the moment `graph_ps`, when most pages were shared.
    pss_bytes : dict of int to float
        What each had then.
    processes : list of Process
        All that ever were.
    """

    page_bytes: int
    times_ps: list[int] = field(default_factory=list)
    states: dict[int, dict[int, list[tuple[int, NDArray[np.int8]]]]] = field(default_factory=dict)
    births: list[tuple[int, int, str, int]] = field(default_factory=list)
    ends_ps: dict[int, int] = field(default_factory=dict)
    graph: "nx.Graph[int] | None" = None
    graph_ps: int = 0
    pss_bytes: dict[int, float] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)


def play(configuration: Configuration, replication: int, end_ps: int, peak_bytes: int) -> Film:
    """Make a run again, and look at its memory at moments from its begin to its end.

    Parameters
    ----------
    end_ps : int
        How long it takes.
    peak_bytes : int
        The most memory that it takes: of a large one fewer moments are looked at.

    Raises
    ------
    SimulationError
        If the modelled machine cannot go on.
    """
    machine = build(configuration)
    film = Film(machine.kernel.geometry.page_bytes)
    pages = max(1, peak_bytes // film.page_bytes)
    moments = min(_MOST_MOMENTS, max(_FEWEST_MOMENTS, _MOST_PAGES // pages))
    machine.environment.process(_watched(machine, film, max(1, end_ps // moments), moments))
    streams = Streams(configuration.run.seed, replication)
    start(machine, partial(configuration.workload.main, streams=streams))
    actions = machine.run().actions
    film.births = [(a.pid, a.child, a.action, a.time_ps) for a in actions if a.action in BIRTHS]
    film.ends_ps = {a.pid: a.time_ps for a in actions if a.action == "exit"}
    film.processes = machine.kernel.everyone
    return film


def _watched(machine: Machine, film: Film, step_ps: int, moments: int) -> Activity:
    """Look at all processes every now and then; no longer than so many times, or nothing would ever end."""
    sheets: dict[int, Sheet] = {}
    most = (-1, -1)
    for moment in range(moments):
        film.times_ps.append(machine.now)
        sheets = {one.pid: read(machine.kernel, one, _before(sheets, one)) for one in machine.kernel.alive}
        for pid, sheet in sheets.items():
            film.states.setdefault(pid, {})[moment] = list(_mappings(sheet))
        seen = sum(int((sheet.states == SHARED).sum()) for sheet in sheets.values()), len(sheets)
        if seen > most:
            most, film.graph, film.graph_ps = seen, sharing_graph(machine.kernel), machine.now
            film.pss_bytes = proportional_bytes(machine.kernel)
        yield machine.pause(step_ps)


def _before(sheets: dict[int, Sheet], process: Process) -> Sheet:
    """Return what was seen of a process before, or of the parent whose memory it has got."""
    if process.pid in sheets:
        return sheets[process.pid]
    return sheets.get(process.parent.pid, NOTHING) if process.parent else NOTHING


def read(kernel: Kernel, process: Process, before: Sheet) -> Sheet:
    """Look at a process, of which, or of whose parent, something was seen before."""
    vmas = sorted(process.memory.vmas, key=lambda vma: vma.first)
    vpns = np.concatenate([np.empty(0, np.int64), *(np.arange(vma.first, vma.end) for vma in vmas)])
    frames, sharers = np.full(len(vpns), _NO_FRAME), np.zeros(len(vpns), np.int64)
    for vma in vmas:
        for run in vma.runs():
            for pages, pfns, counts in _leafs(kernel, process, run):
                at = np.searchsorted(vpns, pages)
                frames[at], sharers[at] = pfns, counts
    return Sheet(vpns, frames, _judged(vpns, frames, sharers, before))


def _leafs(kernel: Kernel, process: Process, run: Run) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """Yield pages that entries map, their frames, and how many entries map each, int64[n] each."""
    leaf_pages = kernel.geometry.leaf_pages(run.level)
    for block in process.memory.page_table.blocks(run):
        row, column = np.nonzero(block.entries & np.uint64(PRESENT))
        leafs = block.entries[row, column]
        heads = block.firsts[row] + column * leaf_pages
        pages = (heads[:, None] + np.arange(leaf_pages)).ravel()
        inside = (pages >= run.first) & (pages <= run.last)
        frames = np.where(leafs & np.uint64(SPECIAL), ZERO_FRAME, frame_of(leafs))
        pfns = (frames[:, None] + np.where(frames > 0, 1, 0)[:, None] * np.arange(leaf_pages)).ravel()
        yield pages[inside], pfns[inside], _sharers(kernel, leafs, leaf_pages)[inside]


def _sharers(kernel: Kernel, leafs: Words, leaf_pages: int) -> Numbers:
    """Return how many entries map each page of leafs, int64[n * leaf_pages]."""
    pages = pages_of(leafs, leaf_pages)
    sharers = np.repeat(kernel.frames.sharers[frame_of(leafs)].astype(np.int64), leaf_pages)
    parts = order_of(pages) > 0
    sharers[parts] = kernel.folios.sharers(pages[parts])
    return sharers


def _judged(vpns: Numbers, frames: Numbers, sharers: Numbers, before: Sheet) -> NDArray[np.int8]:
    """Return in which states pages are, given what was seen before."""
    at = np.minimum(np.searchsorted(before.vpns, vpns), max(0, len(before.vpns) - 1))
    known = before.vpns[at] == vpns if len(before.vpns) else np.zeros(len(vpns), np.bool_)
    old_frames, old = np.full(len(vpns), _NO_FRAME), np.full(len(vpns), ABSENT, np.int8)
    old_frames[known], old[known] = before.frames[at[known]], before.states[at[known]]
    stayed = frames == old_frames
    states = np.full(len(vpns), OWN, np.int8)
    states[(old_frames > ZERO_FRAME) & ~stayed] = COPIED
    states[stayed & (old >= SHARED)] = KEPT
    states[stayed & (old == COPIED)] = COPIED
    states[sharers > 1] = SHARED
    states[frames == ZERO_FRAME] = ZERO
    states[frames == _NO_FRAME] = ABSENT
    return states


def _mappings(sheet: Sheet) -> Iterator[tuple[int, NDArray[np.int8]]]:
    """Cut a sheet where pages do not follow each other."""
    cuts = np.flatnonzero(np.diff(sheet.vpns) != 1) + 1
    for vpns, states in zip(np.split(sheet.vpns, cuts), np.split(sheet.states, cuts), strict=True):
        if len(vpns):
            yield int(vpns[0]), states
