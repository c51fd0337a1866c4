"""Finished runs on disk: one folder each, named by what made it, there whole or not at all.

::

    results/NAME/runs/0f3a...b2/run.json         configuration, summary, bands, provenance
    results/NAME/runs/0f3a...b2/samples.parquet  one file a table
"""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cowmodel.errors import ConfigError
from cowmodel.experiment.bands import Bands, find_bands
from cowmodel.experiment.config import Configuration
from cowmodel.experiment.document import Document, canonical, readable_json
from cowmodel.experiment.provenance import provenance, source, version
from cowmodel.experiment.run import Outcome, simulate


@dataclass(frozen=True)
class PlannedRun:
    """One replication of one point, and where it goes.

    Parameters
    ----------
    runs : Path
        The folder of all runs.
    point : Document
        From each varied path to its value.
    draws : int
        How often it is made again, with drawn prices.
    """

    runs: Path
    configuration: Configuration
    replication: int
    point: Document
    draws: int = 0

    @property
    def columns(self) -> Document:
        """What tells this run from the others of its sweep."""
        return self.point | {"replication": self.replication}

    def __str__(self) -> str:
        return ", ".join(f"{path}={value}" for path, value in self.columns.items())

    @cached_property
    def folder(self) -> Path:
        """The folder of this run, named by a hash of all that its result depends on."""
        made_by = {
            "document": self.configuration.document,
            "inputs": self.configuration.inputs,
            "replication": self.replication,
            "draws": self.draws,
            "version": version(),
            "source": source(),
        }
        return self.runs / hashlib.sha256(canonical(made_by).encode()).hexdigest()[:16]

    def finished(self) -> bool:
        """Tell whether the run is on disk; a folder there is whole."""
        return self.folder.is_dir()


def perform(run: PlannedRun) -> None:
    """Make a run and put it on disk.

    Raises
    ------
    SimulationError
        If the modelled machine cannot go on; nothing is written then.
    OSError
        If it cannot be written, with the path.
    """
    outcome = simulate(run.configuration, run.replication)
    write_run(run, outcome, find_bands(run.configuration, run.replication, outcome.summary, run.draws))


def write_run(run: PlannedRun, outcome: Outcome, bands: Bands) -> None:
    """Put the outcome of a run on disk.

    Raises
    ------
    OSError
        If it cannot be written, with the path.
    """
    with replacing(run.folder) as folder:
        folder.mkdir()
        for name, table in outcome.tables.items():
            table.to_parquet(folder / f"{name}.parquet", compression="zstd", index=False)
        (folder / "run.json").write_text(readable_json(_described(run, outcome, bands)), encoding="utf-8")


def _described(run: PlannedRun, outcome: Outcome, bands: Bands) -> dict[str, Any]:
    """All of a run but its tables."""
    seed = {"seed": run.configuration.run.seed, "replication": run.replication}
    return {
        "configuration": run.configuration.document,
        "inputs": run.configuration.inputs,
        "summary": outcome.summary,
        "bands": bands._asdict(),
        "provenance": provenance() | seed,
    }


def read_summary(run: PlannedRun) -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Read the summary of a finished run, and the bands of its times.

    Raises
    ------
    ConfigError
        If its folder holds something else.
    """
    path = run.folder / "run.json"
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        return whole["summary"], whole["bands"]["times"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{path}: expected a finished run; remove the folder") from error


def read_table(run: PlannedRun, name: str) -> pd.DataFrame:
    """Read a table of a finished run.

    Raises
    ------
    ConfigError
        If the run has no such table, with the names of those it has.
    """
    path = run.folder / f"{name}.parquet"
    if not path.exists():
        has = ", ".join(sorted(file.stem for file in run.folder.glob("*.parquet")))
        raise ConfigError(f"tables: no {name!r} among {has or 'none'}")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
        raise ConfigError(f"{path}: expected the table of a finished run; remove the folder") from error


@contextmanager
def replacing(final: Path) -> Iterator[Path]:
    """Give a path to write a file or folder to, which becomes `final` when all went well.

    Whatever ends the block otherwise (a full disk, Ctrl-C) leaves no trace.

    Raises
    ------
    OSError
        If it cannot be written, with the path of `final`.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        # The dot keeps what is unfinished out of every glob.
        with tempfile.TemporaryDirectory(prefix=f".{final.name}-", dir=final.parent) as beside:
            unfinished = Path(beside, final.name)
            yield unfinished
            if final.is_dir():
                return
            os.replace(unfinished, final)
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, os.strerror(number), str(final)) from error
