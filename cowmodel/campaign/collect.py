"""The finished runs of a sweep as tables: equal configurations and versions give equal bytes.

::

    results/NAME/summary.parquet     a row a run: what is varied, replication, run, metrics, ends of bands
    results/NAME/summary.csv         the same, to be read and compared as text
    results/NAME/statistics.csv      a row a point and metric of the experiment, with intervals
    results/NAME/sensitivity.csv     how much each parameter moves each metric, where that is asked
    results/NAME/TABLE.csv           the rows of that table of all runs, behind what is varied
    results/NAME/provenance.json     what made them, and the commands to make them again

Units are in the names of columns, and in their metadata in Parquet.
"""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cowmodel.campaign.experiment import Experiment, Point
from cowmodel.campaign.plan import Plan
from cowmodel.campaign.recipe import Run
from cowmodel.campaign.store import Store, read_json
from cowmodel.campaign.tables import statistics
from cowmodel.errors import ConfigError
from cowmodel.experiment.document import Document, canonical, columns_of_band, flat, readable_json
from cowmodel.experiment.provenance import version
from cowmodel.experiment.replacing import replacing
from cowmodel.units import unit_of_column

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_AT_ONCE = 2048
"""Rows that are held as Python objects at a time; a row has some 150 values."""

Row = dict[str, Any]


def collect(plan: Plan, store: Store) -> list[Path]:
    """Write the tables of the runs that are finished.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ConfigError
        If no run is finished, a folder holds something else than a finished run, or there is no metric of a
        name. Tables that are there are left as they are.
    OSError
        If a file cannot be written, with its path.
    """
    experiment, there = plan.experiment, store.finished()
    wanted = list(plan.runs())
    finished = [(point, run) for point, run in wanted if run.name in there]
    if not finished:
        raise ConfigError(
            f"{store.runs}: no run of {experiment.name} as it is now is finished, so its tables are left as "
            f"they are; run `cowmodel sweep {experiment.name}`"
        )
    missing = [str(run) for _, run in wanted if run.name not in there]
    summary = summarised(finished, store)
    written = [
        _write(store.folder / "summary.csv", summary),
        _write(store.folder / "summary.parquet", summary),
    ]
    varied = [*experiment.points[0].columns]
    found = statistics(summary, varied, experiment.file.metrics, experiment.file.quantiles)
    written.append(_write_frame(store.folder / "statistics.csv", found))
    if asked := experiment.file.sensitivity:
        influence = asked.table(experiment.recipe, summary.to_pandas())
        if influence is not None:
            written.append(_write_frame(store.folder / "sensitivity.csv", influence))
    for name in experiment.file.tables:
        written.append(_write_frame(store.folder / f"{name}.csv", _stacked(finished, store, name)))
    with replacing(store.folder / "provenance.json") as file:
        file.write_text(readable_json(_provenance(experiment, missing)), encoding="utf-8")
    return [*written, store.folder / "provenance.json"]


def summarised(runs: Sequence[tuple[Point, Run]], store: Store) -> "pa.Table":
    """Return a row a run; a column that a run does not have is empty there, and those of bands are last."""
    import pyarrow as pa

    rest, parts, bands = iter(runs), [], []
    while some := list(islice(rest, _AT_ONCE)):
        lines, ends = zip(*(_line(run, store) for _, run in some), strict=True)
        parts.append(_columns(lines))
        bands.append(_columns(ends))
    columns = [_points(runs)]
    columns += [pa.concat_tables(some, promote_options="permissive") for some in (parts, bands)]
    fields = {name: table.column(name) for table in columns for name in table.column_names}
    schema = [
        pa.field(name, column.type, metadata={"unit": unit} if (unit := unit_of_column(name)) else None)
        for name, column in fields.items()
    ]
    return pa.table(list(fields.values()), pa.schema(schema))


def _points(runs: Sequence[tuple[Point, Run]]) -> "pa.Table":
    """Return what is varied, the replication, and the name of each run."""
    import pyarrow as pa

    varied = {path: _uniform([point.columns[path] for point, _ in runs]) for path in runs[0][0].columns}
    own = {"replication": [run.replication for _, run in runs], "run": [run.name for _, run in runs]}
    return pa.table(varied | own)


def _uniform(values: list[Any]) -> list[Any]:
    """Return values of one type: if they are not, or if they are lists, as text."""
    kinds = {type(value) for value in values if value is not None}
    if (len(kinds) <= 1 and not kinds & {list, dict}) or kinds == {int, float}:
        return values
    return [value if isinstance(value, str) else canonical(value) for value in values]


def _line(run: Run, store: Store) -> tuple[Row, Row]:
    """Return the metrics of a run, without lists, and the ends of the bands of its times."""
    whole = read_json(store.runs / run.name / "run.json")
    try:
        metrics, bands = flat(whole["metrics"]), whole["bands"]["times"]
    except (KeyError, TypeError, AttributeError) as error:
        where = store.runs / run.name
        raise ConfigError(f"{where}: expected a finished run; remove the folder") from error
    ends = {name: end for path in bands for name, end in zip(columns_of_band(path), bands[path], strict=True)}
    return {name: value for name, value in metrics.items() if not isinstance(value, list)}, ends


def _columns(lines: Sequence[Row]) -> "pa.Table":
    import pyarrow as pa

    names = dict.fromkeys(name for line in lines for name in line)
    if not names:  # a table keeps its number of rows by its columns alone
        return pa.table({"": pa.nulls(len(lines))}).drop_columns([""])
    return pa.table({name: [line.get(name) for line in lines] for name in names})


def _write(path: Path, table: "pa.Table") -> Path:
    """Write a table as its ending says."""
    from pyarrow import csv, parquet

    with replacing(path) as file:
        if path.suffix == ".csv":
            csv.write_csv(table, file)
        else:
            parquet.write_table(table, file, compression="zstd")
    return path


def _write_frame(path: Path, frame: "pd.DataFrame") -> Path:
    with replacing(path) as file:
        frame.to_csv(file, index=False, lineterminator="\n")
    return path


def _stacked(runs: Iterable[tuple[Point, Run]], store: Store, name: str) -> "pd.DataFrame":
    """Put the table of each run below the one before, behind the columns of its point."""
    import pandas as pd

    parts = []
    for point, run in runs:
        part = pd.read_parquet(store.runs / run.name / f"{name}.parquet")
        for position, (column, value) in enumerate(
            (point.columns | {"replication": run.replication}).items()
        ):
            cell = canonical(value) if isinstance(value, list | dict) else value
            part.insert(position, column, [cell] * len(part))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _provenance(experiment: Experiment, missing: Sequence[str]) -> Document:
    """Say what made the tables; nothing in it depends on the day or the machine."""
    options = "".join(f" --set '{setting}'" for setting in experiment.settings)
    base = experiment.file.base.read_bytes()
    return {
        "experiment": experiment.file.model_dump(mode="json", exclude={"base"}, exclude_defaults=True),
        "base": {"file": experiment.file.base.name, "sha256": hashlib.sha256(base).hexdigest()},
        "inputs": experiment.inputs,
        "version": version(),
        "commands": [
            f"cowmodel sweep experiments/{experiment.name}{options}",
            f"cowmodel figure experiments/{experiment.name}",
        ],
        "missing": list(missing),
    }
