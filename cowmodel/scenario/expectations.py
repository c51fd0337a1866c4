"""What the counts of a step should be, as a scenario says it behind `#=`."""

import re
from collections.abc import Iterable, Iterator

from cowmodel.errors import ConfigError
from cowmodel.scenario import fields
from cowmodel.scenario.fields import Row
from cowmodel.scenario.steps import Expectation, Scenario


def expectations(text: str) -> tuple[Expectation, ...]:
    """Read what follows `#=`.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> [str(one) for one in expectations("minflt 64, flips >=1")]
    ['minflt 64', 'flips >=1']
    """
    return tuple(_expectation(part) for part in text.split(",")) if text else ()


def _expectation(text: str) -> Expectation:
    match = re.fullmatch(r"\s*([\w.]+)\s*(|>=|<=)\s*(-?\d{1,18})\s*", text)
    if not match:
        raise ConfigError(f"expected '#= FIELD NUMBER, FIELD >=NUMBER', got {text.strip()!r}")
    if not fields.known(match[1]):
        raise ConfigError(
            f"expected a field of the output, got {match[1]!r}; see cowmodel/scenario/fields.py"
        )
    return Expectation(match[1], match[2], int(match[3]))


def unmet(scenario: Scenario, rows: Iterable[Row]) -> Iterator[str]:
    """Yield a line for each count that is not what the scenario expects, or that no row tells.

    Kinds of faults, and what takes frame numbers to know, are not expected of a row without them: not every
    stage can tell.
    """
    steps, told = {step.number: step for step in scenario.steps}, set[int]()
    for row in rows:
        step = steps[int(row["step"])]
        told.add(step.number)
        for one in step.expected:
            got = row.get(one.field, 0 if one.field in fields.STOPS else None)
            if got is None and fields.optional(one.field):
                continue
            if got is None or not one.holds(int(got)):
                yield f"{scenario.path}:{step.line}: step {step.number}, {step.op}: expected {one}, got {got}"
    for step in scenario.steps:
        if step.expected and step.number not in told:
            yield f"{scenario.where(step)}: expected {step.expected[0]}, but the step was left out"
