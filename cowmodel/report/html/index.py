"""Reports of all experiments that have results in a folder, and a page that leads to them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cowmodel.campaign.experiment import find as find_experiment
from cowmodel.errors import ConfigError, CowmodelError
from cowmodel.report.html.findings import Findings, find
from cowmodel.report.html.page import page, rendered, write


class Entry(NamedTuple):
    """A line of the index: where the report is, from there, and what it answers."""

    name: str
    place: str
    question: str
    answer: str
    missing: int


def report_all(results: Path) -> Iterator[tuple[Path, str]]:
    """Write a report beside the results of each experiment, and the index.

    Yields
    ------
    path : Path
        Of a report, or last of the index.
    problem : str
        Why there is none; empty if there is.

    Raises
    ------
    ConfigError
        If the folder has no results.
    OSError
        If a file cannot be written, with its path.
    """
    entries = []
    folders = sorted(path.parent for path in results.glob("*/provenance.json"))
    if not folders:
        raise ConfigError(
            f"{results}: expected folders of results in it, got none; run `cowmodel sweep` first"
        )
    for folder in folders:
        path = folder / "report.html"
        try:
            found = find(find_experiment(folder.name), folder)
            write(path, page(found))
        except CowmodelError as error:
            yield path, str(error)
            continue
        entries.append(_entry(found))
        yield path, ""
    yield write(results / "index.html", rendered("index.html", {"entries": entries})), ""


def _entry(found: Findings) -> Entry:
    file, missing = found.file, len(found.sweep.missing) if found.sweep else 0
    return Entry(
        found.name, f"{found.name}/report.html", file.question, file.outcome or file.expectation, missing
    )
