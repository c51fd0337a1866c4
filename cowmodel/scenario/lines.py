"""A text as lines of words: comments away, `repeat` blocks unrolled, `%i` put in.

::

    repeat 2 {              fork P0 C0
        fork P0 C%i    ->   fork P0 C1
    }

A comment that starts with `#=` says what a step's counts should be: `write P1 A all  #= minflt 64, flips 0`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from cowmodel.errors import ConfigError
from cowmodel.scenario.words import whole

MOST_STEPS = 100_000
_WORD = re.compile(r"[^\s#]+")


class Line(NamedTuple):
    """The words of one line, and what follows `#=`."""

    number: int
    words: tuple[str, ...]
    expected: str = ""

    def during(self, iteration: int) -> "Line":
        """Return the line with the number of an iteration in place of `%i`."""
        return self._replace(words=tuple(word.replace("%i", str(iteration)) for word in self.words))


@dataclass
class Block:
    """Lines and blocks that are repeated; the text itself is one that runs once."""

    number: int = 0
    times: int = 1
    parts: list["Line | Block"] = field(default_factory=list)

    def unrolled(self) -> Iterator[Line]:
        """Yield the lines as they are carried out; `%i` is the iteration, from 0, of the innermost block."""
        for iteration in range(self.times):
            for part in self.parts:
                if isinstance(part, Block):
                    yield from part.unrolled()
                else:
                    yield part.during(iteration) if self.number else part

    def length(self) -> int:
        """Return how many lines `unrolled` would yield."""
        return self.times * sum(part.length() if isinstance(part, Block) else 1 for part in self.parts)


def blocks(text: str, problems: dict[str, None], where: str) -> Block:
    """Return the lines of `text`, nested as its braces are; add what is wrong to `problems`."""
    stack = [Block()]
    for number, raw in enumerate(text.splitlines(), start=1):
        try:
            _place(stack, _line(number, raw))
        except ConfigError as problem:
            problems[f"{where}:{number}: {problem}"] = None
    for block in stack[1:]:
        problems[
            f"{where}:{block.number}: expected '}}' alone on a line, got the end of the text; close repeat"
        ] = None
    if not problems and stack[0].length() > MOST_STEPS:
        problems[f"{where}: expected at most {MOST_STEPS:,} operations, repeats unrolled; repeat less"] = None
    return stack[0]


def _line(number: int, raw: str) -> Line:
    text, mark, comment = raw.partition("#")
    expected = comment[1:].strip() if mark and comment.startswith("=") else ""
    return Line(number, tuple(_WORD.findall(text)), expected)


def _place(stack: list[Block], line: Line) -> None:
    """Put a line where it belongs: into the innermost open block, which it may open or close."""
    match line.words:
        case ():
            if line.expected:
                raise ConfigError("expected an operation before '#=', got none; write both on one line")
        case ("repeat", times, "{"):
            block = Block(line.number, whole("a number of times", times, most=MOST_STEPS))
            stack[-1].parts.append(block)
            stack.append(block)
        case ("repeat", *_):
            stack.append(Block(line.number))  # so that its '}' is no second problem
            raise ConfigError(f"expected 'repeat N {{', got {' '.join(line.words)!r}")
        case ("}",):
            if len(stack) == 1:
                raise ConfigError("expected an operation, got '}'; no repeat is open")
            stack.pop()
        case _:
            stack[-1].parts.append(line)
