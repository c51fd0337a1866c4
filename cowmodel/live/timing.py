"""How long the steps of a scenario take on the running kernel, beside the work that they are on the model.

What decides the time of a fork and cannot be known beforehand is measured too: how many frames of the memory
that it goes over do not follow the frame before.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.work import Work
from cowmodel.live.stage import LiveStage, staged
from cowmodel.live.switches import THP, value_of
from cowmodel.scenario.cast import Cast
from cowmodel.scenario.model import ModelStage
from cowmodel.scenario.setup import Setup
from cowmodel.scenario.steps import Fork, Map, Ranged, Scenario, Step
from cowmodel.speed.running_kernel import CannotMeasure

Works = Counter[Work]
"""Pieces of work, and how often each occurred."""


class Timed(NamedTuple):
    """A step of a scenario on the running kernel.

    Attributes
    ----------
    step : Step
    ns : int
        How long it took.
    jumps : int or None
        Of the pages that fork, exit, munmap and MADV_DONTNEED go over, how many lie in a frame that does not
        follow that of the page before; None where frames are not told.
    """

    step: Step
    ns: int
    jumps: int | None


def timed(scenario: Scenario, program: Path) -> Iterator[Timed]:
    """Play a scenario on the running kernel and yield how long its steps take.

    Raises
    ------
    CannotMeasure
        Also if the scenario has huge pages and this kernel gives none.
    """
    huge = any(isinstance(step, Map) and step.page == "thp" for step in scenario.steps)
    if huge and os.geteuid() != 0 and (not THP.exists() or value_of(THP / "enabled") == "never"):
        raise CannotMeasure(f"{THP / 'enabled'}: the scenario wants madvise, and only root can set it")
    with staged(scenario, program, times_exits=True) as stage:
        cast = Cast()
        for steps in scenario.groups():
            jumps = _jumps(stage, cast, steps)
            rows = stage.act(steps, cast)
            for step, row in zip(steps, rows, strict=True):
                cast.apply(step)
                yield Timed(step, int(row.get("ns", 0)), jumps)


def works(scenario: Scenario, setup: Setup) -> list[Works]:
    """Play a scenario on the model; return what each step comes to."""
    stage, cast, found = ModelStage(scenario, setup), Cast(), list[Works]()
    for steps in scenario.groups():
        for step in steps:
            stage.act([step], cast)
            cast.apply(step)
            found.append(stage.works.copy())
    return found


def with_jumps(works: Works, jumps: int | None) -> Works:
    """Return work with as many frames out of order as were found, where the model has any."""
    if jumps is None:
        return works
    known = Works()
    for work, count in works.items():
        entries, drops = work.pte_entries + work.batches, work.drops
        known[
            work._replace(
                entry_jumps=min(jumps, entries) if work.entry_jumps else 0,
                drop_jumps=min(jumps, drops) if work.drop_jumps else 0,
            )
        ] += count
    return known


def _jumps(stage: LiveStage, cast: Cast, steps: Sequence[Step]) -> int | None:
    """Return how many of the frames that a step goes over are out of order."""
    step = steps[0]
    if not stage.tells_frames:
        return None
    if isinstance(step, Fork) or step.op == "exit":
        regions = sorted(cast.regions[step.proc].values(), key=lambda region: region.first_page)
        return _out_of_order(
            np.concatenate([np.zeros(0, int), *(stage.frames(step.proc, r) for r in regions)])
        )
    if isinstance(step, Ranged):
        frames = stage.frames(step.proc, cast.region(step))
        return _out_of_order(frames[step.first : step.last + 1])
    return None


def _out_of_order(frames: Numbers) -> int:
    """Return how many frames do not follow the one before; absent and zero pages have none.

    Examples
    --------
    >>> _out_of_order(np.array([7, 8, -1, 9, 5, 0]))
    2
    """
    present = frames[frames > 0]
    return int(np.count_nonzero(np.diff(present, prepend=-1) != 1))
