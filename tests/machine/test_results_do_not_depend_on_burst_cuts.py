"""Where a program cuts its accesses into bursts, and where a time slice ends, must not matter.

Only while no other program waits for a core: then a cut is where the core may change hands.
"""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cowmodel.catalog import POLICIES
from cowmodel.hardware.frames import FREED
from cowmodel.machine import Machine
from cowmodel.program import Activity, Main, Program
from tests.machine.bench import bench, prices, run
from tests.toy import PAGE, contents, fault_rows

PAGES = 6
COSTS = prices(hits=3, traps=100, copied_bytes=0.05, flips=40, forks=250, searches=11, exits=5)
COARSE = prices(traps=100)  # many accesses then begin at the same time
WHOLE = 10**9  # a quantum that never ends

accesses = st.lists(st.tuples(st.integers(0, PAGES - 1), st.integers(0, 2)), max_size=24)
cuts = st.lists(st.integers(0, 24), max_size=6).map(sorted)


class Story(NamedTuple):
    """What parent, child and grandchild access after the forks."""

    parent: list[tuple[int, int]]
    child: list[tuple[int, int]]
    grandchild: list[tuple[int, int]]


def cut(program: Program, made: list[tuple[int, int]], at: list[int]) -> Activity:
    """Make accesses to the first mapping, in as many bursts as `at` says."""
    heap = program.process.memory.vmas[0]
    table = np.array(made, np.int64).reshape(-1, 2)
    for part in np.split(table, at):
        yield from program.access(heap, part[:, 0], part[:, 1])


def family(story: Story, at: Story, diary: list[Any]) -> Main:
    """Return a program that forks a child that forks a child; all three then access the heap."""

    def note(program: Program) -> None:
        diary.append((program.process.pid, program.now))

    def grandchild(program: Program) -> Activity:
        yield from cut(program, story.grandchild, at.grandchild)  # type: ignore[arg-type]
        note(program)
        yield from program.think(10**6)

    def child(program: Program) -> Activity:
        forked = yield from program.fork(grandchild)
        yield from cut(program, story.child, at.child)  # type: ignore[arg-type]
        note(program)
        yield from program.wait(forked)

    def main(program: Program) -> Activity:
        heap = yield from program.mmap(PAGES * PAGE)
        yield from program.populate(heap, np.arange(PAGES - 1))
        forked = yield from program.fork(child)
        yield from cut(program, story.parent, at.parent)  # type: ignore[arg-type]
        note(program)
        yield from program.think(10**5)
        diary.append(pictured(program.machine))
        yield from program.wait(forked)

    return main


def pictured(machine: Machine) -> dict[str, Any]:
    """Return entries and frames as they are now."""
    frames = contents(machine.kernel.frames)
    frames["freed"] = frames["freed"][: frames["counters"][FREED]]  # the rest was never written
    return {"entries": machine.kernel.arena.flat.tolist(), "frames": frames}


def told(story: Story, at: Story, quantum_ps: int, policy: str, coarse: bool) -> list[Any]:
    """Run a story; return all that is left of it."""
    machine = bench(COARSE if coarse else COSTS, cores=3, quantum_ps=quantum_ps, policy=policy)
    diary: list[Any] = []
    run(machine, family(story, at, diary))
    records = machine.records
    faults = [dict(process.faults) for process in machine.kernel.everyone]
    return [
        sorted(map(str, diary)),
        faults,
        fault_rows(records),
        records.actions,
        records.memory,
        machine.now,
    ]


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(
    story=st.builds(Story, accesses, accesses, accesses),
    at=st.builds(Story, cuts, cuts, cuts),
    quantum_ps=st.sampled_from([1, 7, 100, 450, WHOLE]),
    policy=st.sampled_from(list(POLICIES)),
    coarse=st.booleans(),
)
def test_cuts_change_neither_tables_nor_frames_nor_counts_nor_times(
    story: Story, at: Story, quantum_ps: int, policy: str, coarse: bool
):
    whole = told(story, Story([], [], []), WHOLE, policy, coarse)

    cut_up = told(story, at, quantum_ps, policy, coarse)

    assert cut_up == whole
