"""The combinations of values that a ``[[sweep]]`` stands for.

::

    set  = { "machine.cores" = 2 }
    grid = { "policy.copy" = ["cow", "cow-flip"], "machine.memory" = ["1 GiB", "2 GiB"] }

gives cow 1 GiB, cow 2 GiB, cow-flip 1 GiB, cow-flip 2 GiB, each on 2 cores. A path is quoted, or
spelled as nested tables.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field

from cowmodel.errors import ConfigError
from cowmodel.experiment.document import Document
from cowmodel.workload.parameters import Parameters


class Sweep(Parameters):
    """One ``[[sweep]]`` of an experiment: fixed values, and lists of which each is combined."""

    set: dict[str, Any] = Field(default={}, description="from path to value")
    grid: dict[str, Any] = Field(description="from path to a list of values")


def combinations(sweeps: Iterable[Sweep], where: str) -> Iterator[tuple[str, Document]]:
    """Go through all combinations, the last list of a sweep varying fastest.

    Parameters
    ----------
    sweeps : iterable of Sweep
        In the order of the file.
    where : str
        The file, put before each message.

    Yields
    ------
    place, values
        The sweep, for messages, and the value at each path.

    Raises
    ------
    ConfigError
        If a grid has something else than a list of values, or a path that is also set.
    """
    for number, sweep in enumerate(sweeps, start=1):
        place = f"{where}: sweep {number}"
        fixed, lists = by_path(sweep.set), by_path(sweep.grid)
        for path, values in lists.items():
            if not isinstance(values, list) or not values:
                raise ConfigError(f"{place}: grid.{path}: expected a list of values, got {values!r}")
            if path in fixed:
                raise ConfigError(f"{place}: {path}: expected in set or in grid, got it in both")
        for values in itertools.product(*lists.values()):
            yield place, fixed | dict(zip(lists, values, strict=True))


def by_path(table: Document, prefix: str = "") -> Document:
    """Lay nested tables out with dotted keys; a key that has a dot is a whole path already.

    Examples
    --------
    >>> by_path({"policy": {"copy": ["cow"]}, "machine.cores": [1, 2]})
    {'policy.copy': ['cow'], 'machine.cores': [1, 2]}
    """
    result: Document = {}
    for key, value in table.items():
        if isinstance(value, dict) and "." not in key:
            result |= by_path(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result
