"""What is drawn from, and checked against: the tables of an experiment on disk, and its own code."""

import importlib.util
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from cowmodel.campaign.claims import Checked, Tables, check
from cowmodel.campaign.experiment import read_file
from cowmodel.campaign.file import Measurement
from cowmodel.errors import ConfigError

CODE = "figure.py"


def table_files(folder: Path, results: Path) -> dict[str, tuple[Path, str]]:
    """Return the tables of an experiment by name: the file, and which command writes it.

    Parameters
    ----------
    folder : Path
        Of the experiment.
    results : Path
        Of this experiment.
    """
    if isinstance(file := read_file(folder), Measurement):
        return {name: (results / f"{name}.csv", file.command) for name in file.tables}
    more = ("sensitivity",) if file.sensitivity else ()
    names = {"runs": "summary"} | {name: name for name in ("statistics", *more, *file.tables)}
    made_by = f"cowmodel sweep {results.name}"
    return {name: (results / f"{stem}.csv", made_by) for name, stem in names.items()}


def read_tables(folder: Path, results: Path) -> Tables:
    """Read the tables of an experiment.

    Raises
    ------
    ConfigError
        If one is missing, or is none.
    """
    return {name: _table(*source) for name, source in table_files(folder, results).items()}


def _table(path: Path, made_by: str) -> pd.DataFrame:
    """Read one table that the command `made_by` has written."""
    if not path.exists():
        raise ConfigError(f"{path}: not there yet; run `{made_by}` first")
    try:
        return pd.read_csv(path)
    except ValueError as error:
        raise ConfigError(f"{path}: expected a table of `{made_by}`: {error}") from error


def check_claims(folder: Path, results: Path) -> list[Checked]:
    """Check what an experiment claims against its tables.

    Raises
    ------
    ConfigError
        If a table is missing, or a claim is about nothing that there is.
    """
    claims = read_file(folder).claim
    tables = read_tables(folder, results) if claims else {}
    return [check(claim, tables, lambda name: own_function(folder, name)) for claim in claims]


def own_function(folder: Path, name: str) -> Callable[[Tables], Any]:
    """Return a function of the experiment's own code, which takes its tables.

    Raises
    ------
    ConfigError
        If there is none; and when it is called, if it fails, with the line.
    """
    code = folder / CODE
    if not code.is_file():
        raise ConfigError(f"{code}: no such file; expected {name}(tables) in it")
    return lambda tables: _called(code, name, tables)


def _called(code: Path, name: str, tables: Tables) -> Any:
    try:
        return getattr(_loaded(code), name)(tables)
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
