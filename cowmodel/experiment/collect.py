"""The finished runs of a sweep as tables: equal configurations and versions give equal bytes.

::

    results/NAME/runs.csv         a row a run: what is varied, replication, summary, ends of bands
    results/NAME/TABLE.csv        the rows of that table of all runs, behind the same columns
    results/NAME/provenance.json  what made them, and the commands to make them again
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from cowmodel.experiment.config import Configuration
from cowmodel.experiment.document import Document, canonical, columns_of_band, flat, readable_json
from cowmodel.experiment.provenance import version
from cowmodel.experiment.store import PlannedRun, read_summary, read_table, replacing
from cowmodel.experiment.sweep import Experiment


def plan(experiment: Experiment, results: Path) -> list[PlannedRun]:
    """List all runs of an experiment: points in the order of the file, then replications.

    Parameters
    ----------
    results : Path
        The folder of the results of this experiment.
    """
    return [
        PlannedRun(results / "runs", point.configuration, replication, point.values, experiment.file.draws)
        for point in experiment.points
        for replication in range(experiment.file.replications)
    ]


def collect(experiment: Experiment, runs: Sequence[PlannedRun], results: Path) -> list[Path]:
    """Write the tables of the runs that are finished.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ConfigError
        If the experiment collects a table that its runs do not have.
    OSError
        If a file cannot be written, with its path.
    """
    finished = [run for run in runs if run.finished()]
    missing = [str(run) for run in runs if not run.finished()]
    tables = {results / f"{name}.csv": _stacked(finished, name) for name in experiment.file.tables}
    _write_runs(results / "runs.csv", finished)
    for path, table in tables.items():
        with replacing(path) as file:
            table.to_csv(file, index=False, lineterminator="\n")
    with replacing(results / "provenance.json") as file:
        file.write_text(readable_json(_provenance(experiment, missing)), encoding="utf-8")
    return [results / "runs.csv", *tables, results / "provenance.json"]


def _write_runs(path: Path, runs: Iterable[PlannedRun]) -> None:
    """Write a row a run; a column that a run does not have is empty there, and those of bands are last."""
    lines, ends = [], []
    for run in runs:
        summary, bands = read_summary(run)
        lines.append(run.columns | _scalars(flat(summary)))
        ends.append(_ends(bands))
    columns = dict.fromkeys(column for line in [*lines, *ends] for column in line)
    rows = [line | band for line, band in zip(lines, ends, strict=True)]
    with replacing(path) as file, file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _ends(bands: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Give each end of each band a column."""
    pairs = (zip(columns_of_band(path), ends, strict=True) for path, ends in bands.items())
    return dict(chain.from_iterable(pairs))


def _scalars(summary: Document) -> Document:
    """Leave out lists, which are for `run.json`."""
    return {name: value for name, value in summary.items() if not isinstance(value, list)}


def _cell(value: object) -> object:
    """Write lists and tables as JSON; `csv` writes floats with all their digits."""
    return canonical(value) if isinstance(value, list | dict) else value


def _stacked(runs: Iterable[PlannedRun], name: str) -> pd.DataFrame:
    """Put the table of each run below the one before, behind the columns of its point."""
    parts = []
    for run in runs:
        part = read_table(run, name)
        for position, (column, value) in enumerate(run.columns.items()):
            part.insert(position, column, [_cell(value)] * len(part))
        parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _provenance(experiment: Experiment, missing: Sequence[str]) -> dict[str, Any]:
    """Say what made the tables; nothing in it depends on the day or the machine."""
    options = "".join(f" --set '{setting}'" for setting in experiment.settings)
    base = experiment.file.base.read_bytes()
    return {
        "experiment": experiment.file.model_dump(mode="json", exclude={"base"}),
        "base": {"file": experiment.file.base.name, "sha256": hashlib.sha256(base).hexdigest()},
        "inputs": dict(one for point in experiment.points for one in _inputs(point.configuration)),
        "version": version(),
        "commands": [
            f"cowmodel sweep experiments/{experiment.name}{options}",
            f"cowmodel figure experiments/{experiment.name}",
        ],
        "missing": list(missing),
    }


def _inputs(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Go through the files that a configuration names: the name as written, and the hash."""
    written = flat(configuration.document)
    return ((written[path], digest) for path, digest in configuration.inputs.items())
