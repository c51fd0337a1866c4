"""How each run of a sweep is made, in whatever process: from a point to the files of its folder.

::

    Recipe (one a sweep)  +  Run (point, replication)  --->  Package (file name to bytes)

A recipe and a run are small and picklable, and are all that a run depends on but the code.
"""

import hashlib
import io
import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cowmodel.campaign.steady import Steady
from cowmodel.errors import ConfigError, suggest
from cowmodel.experiment.bands import Bands, find_bands
from cowmodel.experiment.config import OPTIONAL, Configuration, check
from cowmodel.experiment.document import Document, canonical, changed
from cowmodel.experiment.provenance import provenance, source, version
from cowmodel.experiment.run import Outcome, simulate

Package = dict[str, bytes]
"""The files in the folder of a run: from name to content."""

FORMAT = 1
"""What a reader has to know to read a store; counts up when older readers could not."""


class Run(NamedTuple):
    """One replication of one point.

    Attributes
    ----------
    point : Document
        From each path that the point changes to its value.
    replication : int
    name : str
        Hash of all that its result depends on; the name of its folder.
    """

    point: Document
    replication: int
    name: str

    def __str__(self) -> str:
        values = self.point | {"replication": self.replication}
        return ", ".join(f"{path}={value}" for path, value in values.items())


@dataclass(frozen=True)
class Recipe:
    """What all runs of a sweep have in common.

    Parameters
    ----------
    base : Document
        The configuration that points change.
    folder : Path
        What paths of files in it are relative to.
    draws : int
        How often each run is made again with drawn prices, for the bands of its times.
    tables : tuple of str
        The tables that a run keeps.
    steady : tuple of Steady
        Metrics of the steady part of its tables.
    command : str
        What the user typed; for the provenance alone.
    """

    base: Document
    folder: Path
    draws: int = 0
    tables: tuple[str, ...] = ()
    steady: tuple[Steady, ...] = ()
    command: str = ""

    def configuration(self, point: Document, place: str = "point") -> Configuration:
        """Return the base with the values of a point, checked.

        Raises
        ------
        ConfigError
            With a line for each thing that is wrong.
        """
        return check(changed(self.base, point, f"{place}: ", OPTIONAL), place, self.folder)

    def key(self, configuration: Configuration) -> str:
        """Return a hash of all that the results of a point depend on, but the replication."""
        made_by = {
            "document": configuration.document,
            "inputs": configuration.inputs,
            "draws": self.draws,
            "tables": self.tables,
            "steady": [one.model_dump() for one in self.steady],
            "version": version(),
            "source": source(),
        }
        return _hash(canonical(made_by))

    def made(self, run: Run) -> Package:
        """Make a run.

        Raises
        ------
        SimulationError
            If the modelled machine cannot go on.
        """
        started, before = time.perf_counter(), time.process_time()
        configuration = self.configuration(run.point)
        outcome = simulate(configuration, run.replication)
        bands = find_bands(configuration, run.replication, outcome.summary, self.draws)
        spent = {
            "cpu_s": time.process_time() - before,
            "wall_s": time.perf_counter() - started,
            "process_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
        }
        return self.packed(configuration, run.replication, outcome, bands, spent)

    def packed(
        self,
        configuration: Configuration,
        replication: int,
        outcome: Outcome,
        bands: Bands,
        spent: dict[str, float],
    ) -> Package:
        """Return the files of a run that has been made.

        Raises
        ------
        ConfigError
            If it has no table of one of the names, with those that it has.
        """
        made_by = {"seed": configuration.run.seed, "replication": replication, "command": self.command}
        whole = {
            "format": FORMAT,
            "configuration": configuration.document,
            "inputs": configuration.inputs,
            "draws": self.draws,
            "metrics": outcome.summary | {one.name: one.value(outcome.tables) for one in self.steady},
            "bands": bands._asdict(),
            "provenance": provenance() | made_by,
            "spent": spent,
        }
        tables = {f"{name}.parquet": _parquet(outcome, name) for name in self.tables}
        text = json.dumps(whole, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return {"run.json": text.encode(), **tables}


def run_of(key: str, point: Document, replication: int) -> Run:
    """Return a replication of the point whose results depend on `key`."""
    return Run(point, replication, _hash(f"{key} {replication}"))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _parquet(outcome: Outcome, name: str) -> bytes:
    """Return a table of a run as the bytes of a file."""
    if name not in outcome.tables:
        raise ConfigError(suggest("tables", name, outcome.tables))
    buffer = io.BytesIO()
    outcome.tables[name].to_parquet(buffer, compression="zstd", index=False)
    return buffer.getvalue()
