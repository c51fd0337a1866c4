"""Figures from the tables on disk: no run is made, and none is looked at."""

import importlib.util
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from cowmodel.campaign.claims import Checked, Tables, check
from cowmodel.campaign.experiment import read_file
from cowmodel.campaign.file import Measurement
from cowmodel.errors import ConfigError
from cowmodel.report.style import STYLE, save


def draw(folder: Path, results: Path) -> list[Path]:
    """Draw the figure of an experiment.

    Parameters
    ----------
    folder : Path
        Of the experiment; its ``figure.py`` has ``draw(tables) -> Figure``.
    results : Path
        Of this experiment; its tables are read from here, and the figure is written here.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ConfigError
        If a table or ``figure.py`` is missing, or ``figure.py`` fails; with its line.
    OSError
        If a file cannot be written, with its path.
    """
    code = folder / "figure.py"
    if not code.is_file():
        raise ConfigError(f"{code}: no such file; expected draw(tables) -> matplotlib Figure in it")
    tables = read_tables(folder, results)
    mpl.use("Agg")
    with mpl.rc_context(STYLE):
        return save(_drawn(code, tables), results, "figure")


def check_claims(folder: Path, results: Path) -> list[Checked]:
    """Check what an experiment claims against its tables on disk.

    Raises
    ------
    ConfigError
        If a table is missing, or a claim is about nothing that there is.
    """
    claims = read_file(folder).claim
    tables = read_tables(folder, results) if claims else {}

    def function(name: str) -> Callable[[Tables], float]:
        code = folder / "figure.py"
        if not callable(found := getattr(_loaded(code), name, None)):
            raise ConfigError(f"{code}: expected a function {name}(tables) for a claim, got none")
        return lambda tables: _called(code, found, tables)

    return [check(claim, tables, function) for claim in claims]


def read_tables(folder: Path, results: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of an experiment."""
    if isinstance(file := read_file(folder), Measurement):
        return {name: _table(results / f"{name}.csv", file.command) for name in file.tables}
    made_by = f"cowmodel sweep {results.name}"
    more = ("sensitivity",) if file.sensitivity else ()
    files = {"runs": "summary.csv"} | {name: f"{name}.csv" for name in ("statistics", *more, *file.tables)}
    return {name: _table(results / path, made_by) for name, path in files.items()}


def _table(path: Path, made_by: str) -> pd.DataFrame:
    """Read one table that the command `made_by` has written."""
    if not path.exists():
        raise ConfigError(f"{path}: not there yet; run `{made_by}` first")
    try:
        return pd.read_csv(path)
    except ValueError as error:
        raise ConfigError(f"{path}: expected a table of `{made_by}`: {error}") from error


def _drawn(code: Path, tables: Tables) -> Figure:
    """Draw by the experiment's own code."""
    figure = _called(code, lambda tables: _loaded(code).draw(tables), tables)
    if not isinstance(figure, Figure):
        raise ConfigError(f"{code}: expected draw to return a matplotlib Figure, got {figure!r}")
    return figure


def _called(code: Path, function: Callable[[Tables], Any], tables: Tables) -> Any:
    """Call the experiment's own code; what goes wrong in it is told with its line."""
    try:
        return function(tables)
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [str(at.lineno) for at in frames if at.filename == str(code.absolute())]
        place = ":".join([str(code), *lines[-1:]])
        raise ConfigError(f"{place}: {type(error).__name__}: {error}") from error


def _loaded(code: Path) -> ModuleType:
    """Import a file by its path."""
    spec = importlib.util.spec_from_file_location(f"{code.parent.name}.figure", code)
    assert spec and spec.loader, "a path that ends in .py always has a loader"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
