"""Figures from the tables on disk: no run is made, and none is looked at.

::

    results/NAME/figure.pdf, .svg, .png   as its code would have it; figure-column.pdf ... on other paper
    results/NAME/figure.csv               the numbers that it shows
    results/NAME/figure.json              what it was drawn from
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from cowmodel.campaign.experiment import read_file
from cowmodel.errors import ConfigError
from cowmodel.experiment.document import readable_json
from cowmodel.experiment.replacing import replacing
from cowmodel.report.paper import label_outer, on, parse_paper
from cowmodel.report.plotted import plotted
from cowmodel.report.sources import CODE, own_function, read_tables, table_files
from cowmodel.report.style import FORMATS, STYLE, save


def draw(
    folder: Path, results: Path, formats: Iterable[str] = FORMATS, paper: str | None = None
) -> list[Path]:
    """Draw the figure of an experiment, and write beside it what it shows and what it was drawn from.

    Parameters
    ----------
    folder : Path
        Of the experiment; its ``figure.py`` has ``draw(tables) -> Figure``.
    results : Path
        Of this experiment; its tables are read from here, and the figure is written here.
    formats : iterable of str
        Of `FORMATS`.
    paper : str, optional
        As `parse_paper` reads it, and part of the file name; the size that the code would have without.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ConfigError
        If there is no such paper, a table or ``figure.py`` is missing, or ``figure.py`` fails; with its line.
    OSError
        If a file cannot be written, with its path.
    """
    figure = drawn(folder, results, paper)
    with mpl.rc_context(STYLE):
        files = save(figure, results, f"figure-{paper}" if paper else "figure", formats)
    beside = {"figure.csv": plotted(figure), "figure.json": readable_json(_origin(folder, results))}
    for name, text in beside.items():
        with replacing(results / name) as file:
            file.write_text(text, encoding="utf-8")
    return [*files, *(results / name for name in beside)]


def drawn(folder: Path, results: Path, paper: str | None = None) -> Figure:
    """Return the figure of an experiment; parameters and errors are those of `draw`."""
    code, own = folder / CODE, own_function(folder, "draw")
    tables = read_tables(folder, results)
    asked = parse_paper(paper) if paper else None
    with mpl.rc_context(STYLE), on(asked):
        figure = own(tables)
        if not isinstance(figure, Figure):
            raise ConfigError(f"{code}: expected draw to return a matplotlib Figure, got {figure!r}")
        label_outer(figure)
    if asked and figure.get_figwidth() != asked.width_in:
        raise ConfigError(
            f"{code}: expected a figure {asked.width_in:g} inches wide, got {figure.get_figwidth():g};"
            " begin it with cowmodel.report.paper.panels"
        )
    return figure


def _origin(folder: Path, results: Path) -> dict[str, Any]:
    """Say what a figure was drawn from; the version is that of the tables, and nothing depends on the day."""
    tables = {
        path.name: {"rows": len(pd.read_csv(path)), "sha256": _hash(path)}
        for path, _ in table_files(folder, results).values()
    }
    return {
        "experiment": folder.resolve().name,
        "question": read_file(folder).question,
        "tables": tables,
        "version": _version(results / "provenance.json"),
        "code": {CODE: _hash(folder / CODE)},
        "command": f"cowmodel figure experiments/{folder.resolve().name}",
    }


def _version(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{path}: expected what made the tables, got {error}; make them anew") from error


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
