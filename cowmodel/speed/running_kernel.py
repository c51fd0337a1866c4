"""The running kernel does the same work: a C program, built here with the system's compiler."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cowmodel.errors import SimulationError

SOURCE = Path(__file__).with_suffix(".c")


class CannotMeasure(SimulationError):
    """Something that a measurement needs is not on this machine; the message says what."""


class Phases(NamedTuple):
    """CPU time of the phases of one run of the program; of the children, all that they took."""

    fork_s: float
    children_s: float
    parent_s: float


@contextmanager
def built(source: Path | None = None) -> Iterator[Path]:
    """Build a program, of this module's source if of no other; it is there inside the block.

    Raises
    ------
    CannotMeasure
        If this is no Linux, or there is no compiler, or it fails.
    """
    if not sys.platform.startswith("linux"):
        raise CannotMeasure(f"the program is for Linux, this is {sys.platform}")
    if not (compiler := shutil.which("cc")):
        raise CannotMeasure("no C compiler: there is no `cc` on the path")
    with TemporaryDirectory(prefix="cowmodel-") as folder:
        source = source or SOURCE
        program = Path(folder, source.stem)
        _output([compiler, "-O2", "-o", str(program), str(source)])
        yield program


def arguments(size_bytes: int, children: int, writes: int = 1, seed: int = 1) -> list[str]:
    """Return the words behind the name of the program; it writes each page so often."""
    return [str(number) for number in (size_bytes, children, writes, seed)]


def run(program: Path, size_bytes: int, children: int) -> Phases:
    """Run the program once.

    Raises
    ------
    CannotMeasure
        If it fails, with what it said; most likely there is too little memory.
    """
    return parsed(_output([str(program), *arguments(size_bytes, children)]))


def parsed(text: str) -> Phases:
    """Read what the program printed.

    Raises
    ------
    CannotMeasure
        If it is not three numbers.

    Examples
    --------
    >>> parsed("0.031 0.806 0.226")
    Phases(fork_s=0.031, children_s=0.806, parent_s=0.226)
    """
    try:
        return Phases(*map(float, text.split()))
    except (TypeError, ValueError) as error:
        raise CannotMeasure(f"expected three times from {SOURCE.stem}, got {text!r}") from error


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        name, said = Path(command[0]).name, done.stderr.strip().partition("\n")[0]
        raise CannotMeasure(f"{name} ended with {done.returncode}: {said}")
    return done.stdout
