"""One archive of an experiment, from which a stranger makes it again.

::

    NAME/README.md                         what it is, and with which commands it is made again
    NAME/experiments/NAME/...              question, sweep, claims, figure code
    NAME/configs/..., and where else       the base, what it extends, and the files that they name
    NAME/results/NAME/...                  tables, figures, provenance; without the runs

Paths are those of the house, so that all commands are. Equal contents give equal bytes.
"""

import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from cowmodel.campaign.experiment import Experiment, read_experiment
from cowmodel.errors import ConfigError
from cowmodel.experiment.config import load
from cowmodel.experiment.document import read_toml
from cowmodel.experiment.provenance import version
from cowmodel.experiment.replacing import replacing

_BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The least date that an archive can hold."""


def bundle(folder: Path, results: Path, out: Path) -> Path:
    """Pack an experiment.

    Parameters
    ----------
    folder : Path
        Of the experiment, such as ``experiments/break-even``.
    results : Path
        Of this experiment.
    out : Path
        The archive.

    Raises
    ------
    ConfigError
        If there are no results yet, or a file lies outside the house.
    OSError
        If the archive cannot be written, with its path.
    """
    if not (results / "provenance.json").exists():
        raise ConfigError(f"{results}: no results yet; run `cowmodel sweep {folder.name}` first")
    experiment, house = read_experiment(folder), folder.resolve().parent.parent
    name = experiment.name
    files = {_inside(path, house): path for path in _sources(experiment, folder)}
    files |= {f"results/{name}/{path.name}": path for path in results.iterdir() if path.is_file()}
    with replacing(out) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, f"{name}/README.md", _readme(experiment).encode())
        for place, path in sorted(files.items()):
            _add(archive, f"{name}/{place}", path.read_bytes())
    return out


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _BEGINNING), content, zipfile.ZIP_DEFLATED)


def _inside(path: Path, house: Path) -> str:
    """Return where a file lies in the house."""
    place = os.path.relpath(path.resolve(), house)
    if place.startswith(".."):
        raise ConfigError(f"{path}: expected a file in {house}, as all of a bundle; move it there")
    return place


def _sources(experiment: Experiment, folder: Path) -> Iterator[Path]:
    """Go through the files that an experiment is made from."""
    yield from (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    yield from _extended(experiment.file.base)
    for written in experiment.inputs:
        # the names of presets that ship are no files of the house
        if (path := experiment.recipe.folder / written).exists():
            yield from (one for one in ([path] if path.is_file() else path.rglob("*")) if one.is_file())


def _extended(base: Path) -> Iterator[Path]:
    """Go through a configuration and those that it extends."""
    load(base)
    yield base
    while extends := read_toml(base).get("extends"):
        base = base.parent / extends
        yield base


def _readme(experiment: Experiment) -> str:
    """Say what the bundle is, and how to make it again."""
    name = experiment.name
    lines: Iterable[str] = (
        f"# {name}",
        "",
        experiment.file.question,
        "",
        experiment.file.outcome or experiment.file.expectation,
        "",
        f"Made with cowmodel {version()} (`results/{name}/provenance.json` says more). In this folder:",
        "",
        "```sh",
        f"pip install cowmodel=={version()}",
        f"mv results/{name} as-published",
        f"cowmodel sweep {name}        # makes all runs, and the tables",
        f"cowmodel figure {name}       # draws the figure",
        f"cowmodel reproduce {name}    # checks what is claimed",
        f"diff as-published results/{name}",
        "```",
        "",
    )
    return "\n".join(lines)
