"""What can go wrong, and whose fault it is.

::

    Exception
    ├── CowmodelError
    │   ├── ConfigError            the user's file or command    exit code 2
    │   └── SimulationError        the modelled machine          exit code 1
    │       ├── OutOfMemory        ... has no free frame left
    │       │   └── CommitLimit    ... promises no more of them
    │       └── Signal             ... stops a process, which may go on
    │           ├── SegmentationFault   it accessed an unmapped page, or against rights
    │           └── BusError            there is nothing to map: no huge page, no file
    └── AssertionError             a broken invariant: our bug   traceback

A message reads ``where: what was expected, what came instead; what to do``.
"""

import difflib
from collections.abc import Iterable


class CowmodelError(Exception):
    """What a person is told in one message, without a traceback.

    Attributes
    ----------
    exit_code : int
        Status with which the command line ends.
    """

    exit_code = 1


class ConfigError(CowmodelError):
    """The user's file or command asks for something that cannot be done."""

    exit_code = 2


class SimulationError(CowmodelError):
    """The modelled machine cannot go on."""

    exit_code = 1


class OutOfMemory(SimulationError):
    """No frame is free for a fault or a fork that needs one."""


class CommitLimit(OutOfMemory):
    """The kernel does not overcommit memory so far: a mapping, a fork or a right to write is refused."""


class Signal(SimulationError):
    """A process is told that an access cannot be made."""


class SegmentationFault(Signal):
    """A process accessed a page outside its mappings, or against their rights."""


class BusError(Signal):
    """A process accessed a page of its own for which the pool has none left, or behind the end of a file."""


def suggest(what: str, name: str, shelf: Iterable[str]) -> str:
    """Say that `name` is not on the shelf, what is, and what was probably meant.

    Parameters
    ----------
    what : str
        The place or the kind of thing, put before the message; may be empty.
    name : str
        The name that was looked for.
    shelf : iterable of str
        The names that exist, in the order in which to show them.

    Examples
    --------
    >>> suggest("policy.copy", "cow-flp", ["eager", "cow", "cow-flip"])
    "policy.copy: no 'cow-flp' among eager, cow, cow-flip; did you mean 'cow-flip'?"
    >>> suggest("", "bow", [])
    "no 'bow': there is nothing to choose from"
    """
    names = list(shelf)
    where = f"{what}: " if what else ""
    if not names:
        return f"{where}no {name!r}: there is nothing to choose from"
    near = difflib.get_close_matches(name, names, n=1)
    remedy = f"; did you mean {near[0]!r}?" if near else ""
    return f"{where}no {name!r} among {', '.join(names)}{remedy}"
