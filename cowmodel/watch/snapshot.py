"""Play a scenario on the model and keep, after each step, all that a picture of it needs."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cowmodel.kernel.fault import COPIES
from cowmodel.kernel.work import NOTHING, Work
from cowmodel.scenario.cast import Cast
from cowmodel.scenario.fields import STOPS, Row
from cowmodel.scenario.look import table_pages
from cowmodel.scenario.model import ModelStage
from cowmodel.scenario.setup import Setup
from cowmodel.scenario.steps import Fork, Map, Scenario, Step
from cowmodel.watch.boxes import Box, boxes
from cowmodel.watch.changes import Change, changes, marks
from cowmodel.watch.leafs import Leafs, leafs_of
from cowmodel.watch.price import Part, parts
from cowmodel.watch.reasons import Evidence, reasons
from cowmodel.watch.tree import Table, Tree


@dataclass(frozen=True)
class Space:
    """A live process: its name, its root table, and its table pages below that."""

    proc: str
    root: Table
    table_pages: int


@dataclass(frozen=True)
class Counts:
    """What a step counted, and how memory is after it.

    Attributes
    ----------
    faults, copies, flips : int
        Minor faults; those of them that copied; entries made writable in place.
    copied_bytes : int
        By faults or by fork.
    table_pages, frames : int
        Table pages of all live processes, without roots; frames that hold data.
    """

    faults: int
    copies: int
    flips: int
    copied_bytes: int
    table_pages: int
    frames: int


@dataclass(frozen=True)
class Snapshot:
    """The world after a step, and what the step did to it.

    Attributes
    ----------
    number : int
    line : str
        As the scenario writes it.
    why : tuple of str
    changes : tuple of Change
    spaces : tuple of Space
    boxes : tuple of Box
    counts : Counts
    cost_ps : int
    prices : tuple of Part
    """

    number: int
    line: str
    why: tuple[str, ...]
    changes: tuple[Change, ...]
    spaces: tuple[Space, ...]
    boxes: tuple[Box, ...]
    counts: Counts
    cost_ps: int
    prices: tuple[Part, ...]


@dataclass(frozen=True)
class Story:
    """A scenario that was played.

    Attributes
    ----------
    name, rules : str
        `rules` says under which policy, era and prices.
    processes : tuple of str
        All that ever live, the first to live first.
    snapshots : tuple of Snapshot
    """

    name: str
    rules: str
    processes: tuple[str, ...]
    snapshots: tuple[Snapshot, ...]


def watched(scenario: Scenario, machine: Setup, rules: str) -> Story:
    """Play a scenario.

    Raises
    ------
    SimulationError
        For what the model does not have, with file and line.
    """
    return Story(scenario.name, rules, tuple(scenario.processes), tuple(_played(scenario, machine)))


def _played(scenario: Scenario, machine: Setup) -> Iterator[Snapshot]:
    stage, cast, before = ModelStage(scenario, machine), Cast(), dict[str, Leafs]()
    for step in scenario.steps:
        if not cast.can(step):
            continue
        (told,) = stage.act([step], cast)
        if not (told.get("refused") and isinstance(step, Fork | Map)):
            cast.apply(step)
        after = _mapped(stage, cast)
        yield _snapshot(stage, machine, step, told, before, after)
        before = after


def _mapped(stage: ModelStage, cast: Cast) -> dict[str, Leafs]:
    return {
        proc: leafs_of(stage.kernel, stage.processes[proc], regions.values())
        for proc, regions in cast.regions.items()
    }


def _snapshot(
    stage: ModelStage,
    machine: Setup,
    step: Step,
    told: Row,
    before: Mapping[str, Leafs],
    after: Mapping[str, Leafs],
) -> Snapshot:
    kinds = {name.removeprefix("kinds."): int(count) for name, count in told.items() if name[:6] == "kinds."}
    stopped = next((stop for stop in STOPS if stop in told), "")
    work = sum((_times(work, count) for work, count in stage.works.items()), NOTHING)
    marked = {proc: marks(before.get(proc), leafs) for proc, leafs in after.items()}
    changed = changes(before, after, marked)
    summed, places = boxes(stage.kernel, after, stage.files.values())
    spaces = tuple(
        Space(
            proc,
            Tree(machine.geometry, leafs, marked[proc], places[proc]).root(),
            table_pages(stage.processes[proc]),
        )
        for proc, leafs in after.items()
    )
    return Snapshot(
        step.number,
        step.text,
        reasons(Evidence(step.op, step.proc, kinds, work, changed, stopped)),
        changed,
        spaces,
        summed,
        _counts(stage, Counter(kinds), work, spaces),
        sum(machine.costs.cost_ps(work) * times for work, times in stage.works.items()),
        parts(machine.costs, stage.works),
    )


def _counts(stage: ModelStage, kinds: Counter[str], work: Work, spaces: tuple[Space, ...]) -> Counts:
    copies = sum(kinds[kind] for kind in COPIES)
    tables = sum(space.table_pages for space in spaces)
    return Counts(kinds.total(), copies, work.flips, work.copied_bytes, tables, stage.kernel.frames.used)


def _times(work: Work, count: int) -> Work:
    return Work(*(number * count for number in work))
