"""A scenario on the model and on the running kernel, side by side: every count that both tell must agree.

Times are not compared, and of accesses at the same time only what does not depend on who comes first: of two
processes that write a shared page at once one copies, or both do.
"""

import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from cowmodel.errors import SimulationError
from cowmodel.live.stage import live
from cowmodel.scenario.expectations import unmet
from cowmodel.scenario.fields import STOPS, Row
from cowmodel.scenario.model import ModelStage
from cowmodel.scenario.play import play
from cowmodel.scenario.setup import Setup
from cowmodel.scenario.steps import Scenario
from cowmodel.speed.running_kernel import CannotMeasure

OLDEST = 6, 15  # Linux: since then a large folio is written in place by the rules that the model follows
_NOT_COMPARED = re.compile(r"ns|line|majflt|kinds\..*")
_RACING = re.compile(r"(accessed|other)\..*|flips|smaps_kb\..*|frames\..*|pool\..*")


@dataclass(frozen=True)
class Comparison:
    """What came of a scenario on both.

    Attributes
    ----------
    scenario : Scenario
    steps : int
        Rows that were compared, or only checked if the model could not go on.
    differences : list of str
        One for each count that differs, or is not what the scenario expects.
    not_modelled : str
        Why the model could not go on; empty if it could.
    """

    scenario: Scenario
    steps: int
    differences: list[str]
    not_modelled: str


def unsuitable() -> str:
    """Return why the running kernel cannot be compared with the model; empty if it can."""
    name, release = os.uname().sysname, os.uname().release
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if name != "Linux" or not numbers:
        return f"the model follows Linux, this is {name}"
    if (int(numbers[1]), int(numbers[2])) < OLDEST:
        return f"the model follows Linux {OLDEST[0]}.{OLDEST[1]} and later, this is {release}"
    return ""


def compare(scenario: Scenario, program: Path, setup: Setup) -> Comparison:
    """Run a scenario on both; if there is a difference, once more, since what has a cause comes again.

    The kernel may move pages behind a scenario's back, to make room for huge ones.

    Raises
    ------
    CannotMeasure
        If the running kernel cannot be asked, or is not one that the model follows.
    """
    if reason := unsuitable():
        raise CannotMeasure(reason)
    came = _compared(scenario, program, setup)
    return _compared(scenario, program, setup) if came.differences else came


def _compared(scenario: Scenario, program: Path, setup: Setup) -> Comparison:
    with closing(live(scenario, program)) as rows:
        measured, not_modelled = list(rows), ""
    try:
        modelled = list(play(scenario, ModelStage(scenario, setup)))
    except SimulationError as problem:
        modelled, not_modelled = [], str(problem)
    found = [] if not_modelled else list(differences(scenario, modelled, measured))
    expected = [f"{line}, on the running kernel" for line in unmet(scenario, measured)]
    return Comparison(scenario, len(measured), found + expected, not_modelled)


def differences(scenario: Scenario, modelled: list[Row], measured: list[Row]) -> Iterator[str]:
    """Yield a line for each count that both tell and that differs."""
    groups = {step.number: step.group for step in scenario.steps}
    reused = set[object]()  # who has made a huge leaf writable in place
    for model, kernel in zip_longest(modelled, measured, fillvalue=Row()):
        place = {**model, **kernel}
        reused |= {place.get("proc")} if model.get("kinds.thp_reuse") else set()
        for field in (field for field in model if field in kernel):
            racing = groups[int(place["step"])] and _RACING.fullmatch(field)
            # a guest's TLB may hold single pages of it, read-only: each costs a spurious fault
            spurious = (
                field == "minflt" and place.get("proc") in reused and int(kernel[field]) > int(model[field])
            )
            excused = racing or spurious or _NOT_COMPARED.fullmatch(field)
            if model[field] != kernel[field] and not excused:
                where = f"{scenario.path}:{place['line']}: step {place['step']}, {place['op']}"
                yield f"{where}: {field}: model {model[field]}, running kernel {kernel[field]}"
        for signal in sorted({*STOPS} & (model.keys() ^ kernel.keys())):
            who = "the model" if signal in model else "the running kernel"
            yield f"{scenario.path}:{place['line']}: step {place['step']}: {signal} only on {who}"
