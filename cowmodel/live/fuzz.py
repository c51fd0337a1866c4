"""Random scenarios on both, and the smallest of them that still differs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cowmodel.errors import CowmodelError
from cowmodel.live.author import Author, text
from cowmodel.live.compare import Comparison, compare
from cowmodel.scenario.read import parse
from cowmodel.scenario.setup import Setup

_OPERATIONS = 20  # of a scenario


@dataclass(frozen=True)
class Found:
    """What came of a random scenario: its text, shrunk if there is a difference, and the differences."""

    text: str
    operations: int
    differences: list[str]
    not_modelled: str


def tried(seed: int, number: int, backing: str, program: Path, setup: Setup) -> Found:
    """Write scenario `number` of a seed, run it on both, and shrink it if they differ."""

    def compared(lines: list[str]) -> Comparison:
        return compare(parse(text(author.settings, lines), Path("fuzz")), program, setup)

    def fails(lines: list[str]) -> bool:
        try:
            return bool(compared(lines).differences)
        except CowmodelError:  # what is left makes no sense
            return False

    author = Author(np.random.default_rng([seed, number]), backing)
    author.write(_OPERATIONS)
    came, lines = compared(author.lines), author.lines
    if came.differences:
        lines = shrunk(lines, fails)
        came = compared(lines)
    return Found(text(author.settings, lines), len(author.lines), came.differences, came.not_modelled)


def shrunk(lines: list[str], fails: Callable[[list[str]], bool]) -> list[str]:
    """Return as few of `lines` as still fail, none of which can be left out.

    Examples
    --------
    >>> shrunk(["a", "b", "c", "d"], lambda lines: {"b", "d"} <= {*lines})
    ['b', 'd']
    """
    for place in range(len(lines)):
        fewer = lines[:place] + lines[place + 1 :]
        if fails(fewer):
            return shrunk(fewer, fails)
    return lines
