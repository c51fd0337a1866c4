"""A run as a timeline, drawn from its tables: a track a core, a track a thread, counters of memory.

    machine    core 0  | process 1                       | process 2 |
    process 1  main    | core 0                          | waits for the core | core 0
                       | mmap | fork | accesses          |
                                          | cow_copy   |
                                              | copies |
    process 2  main    an arrow from the fork ---------> | core 0

A thread's track has which core it holds, and waits for; in that its verbs and accesses, in these its faults,
and in a fault what makes it long: what it waits for and what it copies. A copy lies inside its fault instead
of at the end of an arrow, since how much of a fault is copying is what differs from page size to page size.
What is not a fault in accesses is user time, and pauses where each access has a time of its own. Verbs share
memory at every moment: where bandwidth has a limit they take longer, by `waited_ps` in their arguments.
"""

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from cowmodel.cost.model import CostModel
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.work import Work
from cowmodel.records import Span
from cowmodel.report.trace_events import TraceEvents

if TYPE_CHECKING:
    import pandas as pd

_NESTED = {Span.CORE: 0, Span.CORE_WAIT: 0}  # depth; of all others 1
_CATEGORIES = {Span.CORE: "core", Span.ACCESSES: "user", Span.PACED: "user"}  # of all others wait


def timeline(tables: "Mapping[str, pd.DataFrame]", costs: CostModel, memory_bytes: int) -> str:
    """Draw a run that has recorded its faults.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        `Outcome.tables`.
    costs : CostModel
        The prices of the run.
    memory_bytes : int
        Of the machine.

    Returns
    -------
    str
        Chrome trace-event JSON.
    """
    spans, events = tables["spans"], TraceEvents()
    actions, faults = (_on_threads(tables[name], spans) for name in ("actions", "faults"))
    machine, first_core = int(spans.pid.max()) + 1, int(spans.thread.max()) + 1
    _name_threads(events, spans)
    _draw_cores(events, spans[spans.span == Span.CORE], machine, first_core)
    _draw_spans(events, spans)
    _draw_actions(events, actions)
    _draw_faults(events, faults, costs)
    _draw_births(events, actions, spans)
    _draw_memory(events, tables, machine, memory_bytes)
    _draw_requests(events, tables["requests"], machine + 1, first_core + int(spans.core.max()) + 1)
    return events.json()


def _on_threads(rows: "pd.DataFrame", spans: "pd.DataFrame") -> "pd.DataFrame":
    """Return rows by when they began, with the thread that held their core then, and their end."""
    import pandas as pd

    held = spans.loc[spans.span == Span.CORE, ["time_ps", "core", "pid", "thread"]]
    keys = {name: np.int64 for name in ("time_ps", "core", "pid")}
    earlier, later = (one.astype(keys).sort_values("time_ps", kind="stable") for one in (held, rows))
    found = pd.merge_asof(later, earlier, on="time_ps", by=["core", "pid"])
    return found.assign(end_ps=(found.time_ps + found.cost_ps + found.waited_ps).astype(np.int64))


def _name_threads(events: TraceEvents, spans: "pd.DataFrame") -> None:
    pairs = sorted(set(zip(spans.pid.tolist(), spans.thread.tolist(), strict=True)))
    for pid, threads in groupby(pairs, itemgetter(0)):
        events.name_process(pid, f"process {pid}", pid + 1)
        for number, (_, thread) in enumerate(threads, 1):
            events.name_track(pid, thread, "main" if number == 1 else f"thread {number}")


def _draw_cores(events: TraceEvents, held: "pd.DataFrame", machine: int, first_core: int) -> None:
    """Draw who holds which core."""
    events.name_process(machine, "machine", 0)
    for core in sorted(held.core.unique()):
        events.name_track(machine, first_core + int(core), f"core {core}")
    held = held[held.end_ps > held.time_ps]
    tracks = np.full(len(held), machine), held.core + first_core
    names = [f"process {pid}" for pid in held.pid]
    events.slices("core", tracks, held.time_ps.to_numpy(), held.end_ps.to_numpy(), 0, names)


def _draw_spans(events: TraceEvents, spans: "pd.DataFrame") -> None:
    """Draw what threads do and wait for, unless it is over at once."""
    lasting = spans[spans.end_ps > spans.time_ps]
    for span in Span:
        rows = lasting[lasting.span == span]
        names = [f"core {core}" for core in rows.core] if span == Span.CORE else [span] * len(rows)
        category, depth = _CATEGORIES.get(span, "wait"), _NESTED.get(span, 1)
        times = rows.time_ps.to_numpy(), rows.end_ps.to_numpy()
        events.slices(category, (rows.pid, rows.thread), *times, depth, names)


def _draw_actions(events: TraceEvents, actions: "pd.DataFrame") -> None:
    times = actions.time_ps.to_numpy(), actions.end_ps.to_numpy()
    said = {name: actions[name] for name in ("child", "copied_bytes", "waited_ps")}
    events.slices("verb", (actions.pid, actions.thread), *times, 1, actions.action, said)


def _draw_faults(events: TraceEvents, faults: "pd.DataFrame", costs: CostModel) -> None:
    """Draw faults, and inside of each what it waits for and copies, in the order that `FaultRow` draws."""
    began, end, waited, for_memory, for_table, held = (
        faults[name].to_numpy(np.int64)
        for name in ("time_ps", "end_ps", "waited_ps", "memory_wait_ps", "table_wait_ps", "held_ps")
    )
    tracks = faults.pid.to_numpy(), faults.thread.to_numpy()
    events.slices("fault", tracks, began, end, 2, faults.kind, {"page": faults.vpn})
    may_begin, asks = began + waited - for_memory - for_table, end - held - for_table
    prepares = may_begin + for_memory
    copies = np.minimum(_copy_ps(faults.copied_bytes.to_numpy(np.int64), costs), asks - prepares)
    parts = (
        ("wait", Span.MMAP_WAIT, began, may_begin),
        ("wait", "waits for memory", may_begin, prepares),
        ("copy", "copies", asks - copies, asks),
        ("wait", "waits for the table lock", asks, end - held),
    )
    for category, name, start, stop in parts:
        some = np.flatnonzero(stop > start)
        pids, threads = (column[some] for column in tracks)
        said = {"bytes": faults.copied_bytes.to_numpy()[some]} if category == "copy" else None
        events.slices(category, (pids, threads), start[some], stop[some], 3, [name] * len(some), said)


def _copy_ps(copied_bytes: Numbers, costs: CostModel) -> Numbers:
    """Return the part of the cost of faults that is for the bytes which they copy."""
    sizes, which = np.unique(copied_bytes, return_inverse=True)
    return np.array([costs.cost_ps(Work(copied_bytes=size)) for size in sizes.tolist()], np.int64)[which]


def _draw_births(events: TraceEvents, actions: "pd.DataFrame", spans: "pd.DataFrame") -> None:
    """Draw an arrow from each fork, or the like, to the first that the child does."""
    lasting = spans[spans.end_ps > spans.time_ps].sort_values("time_ps", kind="stable")
    firsts = {place[0]: place for place in _places(lasting.drop_duplicates("pid"))}
    made = actions[(actions.child > 0) & (actions.action != "wait")]
    for place, child, action in zip(_places(made), made.child.tolist(), made.action.tolist(), strict=True):
        if child in firsts:
            events.flow(child, action, place, firsts[child])


def _places(rows: "pd.DataFrame") -> list[tuple[int, int, int]]:
    """Return on which track rows begin, and when."""
    return list(zip(rows.pid.tolist(), rows.thread.tolist(), rows.time_ps.tolist(), strict=True))


def _draw_memory(
    events: TraceEvents, tables: "Mapping[str, pd.DataFrame]", machine: int, memory_bytes: int
) -> None:
    """Draw what each process and all together use, nothing from when a process exits, and what is free."""
    samples, memory, actions = (tables[name] for name in ("samples", "memory", "actions"))
    exits = actions[actions.action == "exit"]
    for name, column in (("RSS", "rss_bytes"), ("PSS", "pss_bytes")):
        values = samples[column].round().astype(np.int64)
        events.counter(name, "bytes", samples.pid, samples.time_ps.to_numpy(), values)
        events.counter(name, "bytes", exits.pid, exits.time_ps.to_numpy(), np.zeros(len(exits), np.int64))
    used, tables_bytes = memory.used_bytes, memory.table_bytes
    of_all = {
        "used memory": used,
        "free memory": memory_bytes - used - tables_bytes,
        "page tables": tables_bytes,
    }
    for name, values in of_all.items():
        events.counter(name, "bytes", np.full(len(memory), machine), memory.time_ps.to_numpy(), values)


def _draw_requests(events: TraceEvents, requests: "pd.DataFrame", pid: int, first_tid: int) -> None:
    """Draw requests on a track for each thread that answers, and how many wait for that."""
    if not len(requests):
        return
    events.name_process(pid, "requests", 1)
    for thread in sorted(requests.thread.unique()):
        events.name_track(pid, first_tid + int(thread), f"thread {thread}")
    starts, arrivals = requests.start_ps.to_numpy(), requests.arrival_ps.to_numpy()
    tracks = np.full(len(requests), pid), requests.thread + first_tid
    said = {"waited_ps": starts - arrivals}
    events.slices("request", tracks, starts, requests.end_ps.to_numpy(), 0, ["request"] * len(starts), said)
    times, change = np.r_[arrivals, starts], np.repeat([1, -1], len(starts))
    order = np.lexsort((-change, times))
    events.counter(
        "waiting requests", "requests", np.full(len(times), pid), times[order], change[order].cumsum()
    )
