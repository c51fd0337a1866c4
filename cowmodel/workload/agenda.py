"""A scenario as turns, one after the other: what its processes do, and what that takes besides.

exit P1   ->   P1: exit    then   P0: wait for P1, if P0 is alive
the end   ->   exit of whoever is alive, the youngest first
par 2     ->   the accesses of two processes in one turn
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from cowmodel.scenario.cast import Cast
from cowmodel.scenario.steps import Fork, Map, Plain, Scenario, Stat, Step

WAIT = "wait"


class Act(NamedTuple):
    """What a process does in a turn.

    Attributes
    ----------
    feature : str
        What of a kernel it takes.
    step : Step
        Whose part it is.
    region : Map or None
        What that is about.
    """

    feature: str
    step: Step
    region: Map | None


Turn = dict[str, Act]
"""Who does something, and what."""


def turns(scenario: Scenario) -> Iterator[Turn]:
    """Yield the turns of a scenario, up to when nobody is left."""
    cast, parents = Cast(), dict[str, str]()
    for steps in completed(scenario).groups():
        if not cast.regions:  # nobody is left to look
            continue
        yield {_who(step, cast): Act(step.feature, step, _region(step, cast)) for step in steps}
        for step in steps:
            cast.apply(step)
            if isinstance(step, Fork):
                parents[step.child] = step.proc
            elif step.op == "exit":
                if parent := parents.pop(step.proc, ""):
                    yield {parent: Act(WAIT, step, None)}
                parents = {child: parent for child, parent in parents.items() if parent != step.proc}


def completed(scenario: Scenario) -> Scenario:
    """Return the scenario with the exits, at its end, of those that no step of it lets exit."""
    cast, last = Cast(), scenario.steps[-1:]
    for step in scenario.steps:
        cast.apply(step)
    number, line = (last[0].number, last[0].line) if last else (0, 0)
    exits = (
        Plain(number=number + count, line=line, op="exit", proc=proc, expected=())
        for count, proc in enumerate(reversed(cast.regions), 1)
    )
    return replace(scenario, steps=(*scenario.steps, *exits))


def _who(step: Step, cast: Cast) -> str:
    """Return the process that does a step; of a look at all, the oldest."""
    return next(iter(cast.regions)) if isinstance(step, Stat) else step.proc


def _region(step: Step, cast: Cast) -> Map | None:
    if isinstance(step, Map):
        return step
    return cast.region(step) if step.region else None
