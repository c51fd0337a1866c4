"""Read a scenario: from text to a list of steps, each of which is possible after those before it.

A scenario has no conditions, so everything about names and bounds is checked here, and whoever runs the steps
need not. All that is wrong with a file is told at once; a line that only repeats another's mistake is not.
"""

import re
from pathlib import Path
from typing import Any

from cowmodel.errors import ConfigError, suggest
from cowmodel.scenario.draft import Draft
from cowmodel.scenario.expectations import expectations
from cowmodel.scenario.lines import Line, blocks
from cowmodel.scenario.operations import READERS, USAGE, ranks_as_access
from cowmodel.scenario.steps import Scenario, Step
from cowmodel.scenario.words import Words, chosen

CATALOGUE = Path(__file__).with_name("catalogue")


def read_scenario(path: Path) -> Scenario:
    """Read a scenario from a file.

    Raises
    ------
    ConfigError
        With a line for each problem: `FILE:LINE: expected ..., got ...; what to do`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(suggest(str(path), path.name, shipped() if path.suffix else ())) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path}: expected a scenario, a text; {problem}") from problem
    return parse(text, path)


def shipped() -> dict[str, Path]:
    """Return the scenarios that come with the package, by file name."""
    return {path.name: path for path in sorted(CATALOGUE.glob("*.scn"))}


def parse(text: str, path: Path = Path("scenario")) -> Scenario:
    r"""Read a scenario from its text; raise as `read_scenario` does.

    Examples
    --------
    >>> [step.feature for step in parse("map P0 A anon pages=4 page=4k\ntouch P0 A all").steps]
    ['map anon page=4k', 'touch']
    """
    problems: dict[str, None] = {}
    root, reader = blocks(text, problems, str(path)), Reader()
    if not problems:
        for line in root.unrolled():
            if problem := reader.read(line):
                problems[f"{path}:{line.number}: {problem}"] = None
        if reader.draft.together:
            problems[
                f"{path}: expected {reader.draft.together} more access lines after 'par', got the end"
            ] = None
    if problems:
        raise ConfigError("\n".join(problems))
    return Scenario(
        path, reader.draft.settings.name or path.stem, reader.draft.settings.done(), tuple(reader.draft.steps)
    )


class Reader:
    """Reads line after line.

    Attributes
    ----------
    draft : Draft
    """

    def __init__(self) -> None:
        self.draft = Draft()
        self._doubtful: set[str] = set()  # names of lines that were wrong: to miss them is no second mistake

    def read(self, line: Line) -> str:
        """Read a line; return what is wrong with it, nothing if that only follows from another's mistake."""
        try:
            self._read(line)
        except ConfigError as problem:
            missed = {*re.findall(r"no '(\w+)'", str(problem))}
            follows = bool(self._doubtful & missed)
            self._doubtful |= {*line.words[1:]}
            return "" if follows else str(problem)
        return ""

    def _read(self, line: Line) -> None:
        op = chosen("an operation", line.words[0], USAGE)
        words = Words(line.words[1:], USAGE[op])
        if op in ("name", "set"):
            self._set(op, words)
        elif op == "par":
            self.draft.begin_group(words)
        else:
            self.draft.add(self._step(op, line, words))
        words.finish()

    def _set(self, op: str, words: Words) -> None:
        if self.draft.steps:
            raise ConfigError(f"expected {op!r} before the first operation, got it after; move it up")
        self.draft.settings.read(op, words)

    def _step(self, op: str, line: Line, words: Words) -> Step:
        together = self.draft.together
        if together and not ranks_as_access(op):
            raise ConfigError(f"expected {together} more access lines after 'par', got {op!r}")
        head: dict[str, Any] = {
            "number": len(self.draft.steps) + 1,
            "line": line.number,
            "op": op,
            "proc": "" if op == "stat" else self.draft.cast.living(words.take("a process")),
            "expected": expectations(line.expected),
            "text": " ".join(line.words),
        }
        step = READERS[op](self.draft, words, head)
        words.finish()
        return step
