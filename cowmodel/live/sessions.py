"""Scenarios played for their times again and again: what each step is on the model, and took each time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cowmodel.cost.fit import Measured
from cowmodel.live.timing import timed, with_jumps, works
from cowmodel.scenario.setup import setup
from cowmodel.scenario.steps import Scenario, Step


class Session(NamedTuple):
    """A scenario, played once: how long each step took, and how many frames were out of order."""

    ns: list[int]
    jumps: list[int | None]


def session(scenario: Scenario, program: Path, rehearsed: int = 0) -> Session:
    """Play a scenario, of which the first steps do not count.

    Raises
    ------
    CannotMeasure
    """
    steps = list(timed(scenario, program))[rehearsed:]
    return Session([step.ns for step in steps], [step.jumps for step in steps])


def measured(scenario: Scenario, sessions: Sequence[Session]) -> Iterator[tuple[Step, Measured]]:
    """Yield what each step that took time is and took; frames were out of order as often as mostly."""
    for at, (step, counted) in enumerate(zip(scenario.steps, works(scenario, setup({})), strict=True)):
        ns = tuple(float(one.ns[at]) for one in sessions)
        known = [jumps for one in sessions if (jumps := one.jumps[at]) is not None]
        jumps = int(np.median(known)) if known else None
        if min(ns) > 0:
            yield step, Measured(f"{scenario.name}: {step.number} {step.op}", with_jumps(counted, jumps), ns)
