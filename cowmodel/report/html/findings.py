"""What there is to report of an experiment: all that is read, before any of it is drawn."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cowmodel.campaign.claims import Checked
from cowmodel.campaign.experiment import Experiment, Point, read_experiment, read_file
from cowmodel.campaign.file import Measurement, Question
from cowmodel.campaign.plan import Plan
from cowmodel.campaign.recipe import Run
from cowmodel.campaign.store import Store, read_json
from cowmodel.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sweep:
    """What a sweep has left, beside its tables.

    Attributes
    ----------
    experiment : Experiment
    made : list of (Point, Run)
        What the tables hold.
    missing : list of str
        Runs that are wanted and not in the tables, those that failed too.
    failed : list of (str, int, str, str)
        Point, replication, kind of failure and message.
    newer : int
        Runs that were finished after the tables had been collected.
    """

    experiment: Experiment
    made: list[tuple[Point, Run]]
    missing: list[str]
    failed: list[tuple[str, int, str, str]]
    newer: int


@dataclass(frozen=True)
class Findings:
    """All that is reported.

    Attributes
    ----------
    name : str
    file : Question
        What the experiment says.
    tables : dict of str to DataFrame
        ``runs`` and ``statistics`` of a sweep; of a measurement whatever it has.
    provenance : dict
    hashes : dict of str to str
        SHA-256 of each table on disk.
    figure : str
        The experiment's own figure as SVG; empty if it is not drawn yet.
    claims : list of Checked
    unchecked : str
        Why claims cannot be checked; empty if they can.
    sweep : Sweep or None
        None of a measurement.
    """

    name: str
    file: Question
    tables: "dict[str, pd.DataFrame]"
    provenance: dict[str, Any]
    hashes: dict[str, str]
    figure: str
    claims: list[Checked] = field(default_factory=list)
    unchecked: str = ""
    sweep: Sweep | None = None


def find(folder: Path, results: Path, settings: Sequence[str] = ()) -> Findings:
    """Read an experiment and its results.

    Parameters
    ----------
    folder : Path
        Of the experiment.
    results : Path
        Of this experiment.
    settings : sequence of str
        Changes of the base from the command line, as those of the sweep.

    Raises
    ------
    ConfigError
        If there are no results yet, or something is wrong with them.
    """
    from cowmodel.report.sources import read_tables

    name, file = folder.resolve().name, read_file(folder)
    provenance = _provenance(folder, results)
    sweep = None if isinstance(file, Measurement) else _sweep(folder, results, settings, provenance)
    claims, unchecked = _claims(folder, results)
    drawn = results / "figure.svg"
    return Findings(
        name,
        file,
        dict(read_tables(folder, results)),
        provenance,
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(results.glob("*.csv"))},
        drawn.read_text(encoding="utf-8") if drawn.exists() else "",
        claims,
        unchecked,
        sweep,
    )


def _provenance(folder: Path, results: Path) -> dict[str, Any]:
    path = results / "provenance.json"
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return said
    except FileNotFoundError:
        remedy = f"run `cowmodel sweep {folder.name}` first"
        if (results / "runs").is_dir():
            remedy = f"run `cowmodel collect {folder.name}`, which makes tables of the runs that are there"
        raise ConfigError(f"{results}: expected results to report, got none; {remedy}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: expected what `cowmodel collect` writes, got {error}; run it again"
        ) from error


def _claims(folder: Path, results: Path) -> tuple[list[Checked], str]:
    """Check what is claimed; of a sweep that is not finished, there may be nothing yet to check it by."""
    from cowmodel.report.sources import check_claims

    try:
        return check_claims(folder, results), ""
    except ConfigError as error:
        return [], str(error)


def _sweep(folder: Path, results: Path, settings: Sequence[str], provenance: dict[str, Any]) -> Sweep:
    experiment, store = read_experiment(folder, settings), Store(results)
    store.check()
    missing: list[str] = provenance["missing"]
    unknown, there = set(missing), store.finished()
    wanted = list(Plan(experiment, store).runs())
    made = [(point, run) for point, run in wanted if str(run) not in unknown]
    if not made:
        raise ConfigError(
            f"{results}: expected a finished run to report, got none of {len(missing)}; "
            f"`cowmodel status {experiment.name}` tells why"
        )
    newer = sum(run.name in there for _, run in wanted if str(run) in unknown)
    return Sweep(experiment, made, missing, _failed(store), newer)


def _failed(store: Store) -> list[tuple[str, int, str, str]]:
    said = [read_json(path) for path in sorted(store.failed.glob("*.json"))]
    failed = [
        (
            ", ".join(f"{path} {value}" for path, value in one.get("point", {}).items()) or "the base",
            int(one.get("replication", 0)),
            str(one.get("kind", "error")),
            str(one.get("message", "")),
        )
        for one in said
    ]
    return sorted(failed)
