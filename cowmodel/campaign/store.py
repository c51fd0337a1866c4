"""The results of one experiment on disk: a folder a run, there whole or not at all.

::

    results/NAME/store.json                    what this folder is; made before anything else
    results/NAME/runs/0f3a...b2/run.json       configuration, metrics, bands, provenance, what it took
    results/NAME/runs/0f3a...b2/faults.parquet one file a table that the experiment keeps
    results/NAME/failed/77c0...1e.json         a run that could not be made, and why

A run appears by the renaming of a folder whose name began with a dot: whatever ends a sweep, and however,
leaves no half run. What dots are left then, the next sweep removes. Runs are not forced onto the disk: a
machine that loses its power may lose the latest, or leave them empty.
"""

import errno
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cowmodel.campaign.recipe import FORMAT, Package, Run
from cowmodel.errors import ConfigError
from cowmodel.experiment.document import readable_json
from cowmodel.experiment.provenance import source, version
from cowmodel.experiment.replacing import at, replacing

MARK = "store.json"


class Failure(NamedTuple):
    """Why a run could not be made.

    Attributes
    ----------
    kind : str
        ``simulation`` (the modelled machine cannot go on), ``time`` or ``memory`` (over its limit), ``crash``
        (its worker died each time), ``configuration``, or ``error`` (a mistake in the code).
    message : str
    """

    kind: str
    message: str


class Store:
    """The results of one experiment.

    Parameters
    ----------
    folder : Path
        Of this experiment, which need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs, self.failed = folder / "runs", folder / "failed"

    def check(self) -> None:
        """Make sure that the folder holds results that this version can read, or nothing at all.

        Raises
        ------
        ConfigError
            If it holds something else, or was written by a newer version.
        """
        mark = self.folder / MARK
        try:
            held = json.loads(mark.read_text(encoding="utf-8"))["format"]
        except FileNotFoundError:
            return self._check_empty()
        except (ValueError, KeyError, TypeError, OSError):
            held = None
        if not isinstance(held, int):
            raise ConfigError(f"{mark}: expected the format of a store of results; choose another --results")
        if held > FORMAT:
            raise ConfigError(
                f"{mark}: expected format {FORMAT} or older, got {held}, of a newer cowmodel; use that one, "
                "or choose another --results"
            )
        return None

    def _check_empty(self) -> None:
        # what begins with a dot is what somebody left half done, who was killed before there was a mark
        if others := sorted(name for name in _names(self.folder) if not name.startswith(".")):
            some = ", ".join(others[:3]) + ", ..." * (len(others) > 3)
            raise ConfigError(
                f"{self.folder}: expected results of a sweep or an empty folder, got {some} without {MARK}; "
                "move them away, or choose another --results"
            )

    @contextmanager
    def alone(self, experiment: str) -> Iterator[None]:
        """Write to the store, alone, after removing what others that ended left half done.

        Raises
        ------
        ConfigError
            If it is something else, or another process is writing to it.
        OSError
            If it cannot be written, with its path.
        """
        self.check()
        if not (self.folder / MARK).exists():
            with replacing(self.folder / MARK) as file:
                file.write_text(readable_json({"format": FORMAT, "experiment": experiment}))
        # the system unlocks it when we end, however we end
        with (self.folder / MARK).open() as mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"{self.folder}: another process is writing to it; wait, or choose another --results"
                ) from None
            self.sweep_up()
            yield

    def sweep_up(self) -> int:
        """Remove what is half done, and tell how much it was."""
        halves = [*self.folder.glob(".*"), *self.runs.glob(".*"), *self.failed.glob(".*")]
        for half in halves:
            shutil.rmtree(half, ignore_errors=True) if half.is_dir() else half.unlink(missing_ok=True)
        return len(halves)

    def finished(self) -> set[str]:
        """Return the names of all runs that are there; a folder there is whole."""
        return {name for name in _names(self.runs) if not name.startswith(".")}

    def failures(self) -> dict[str, Failure]:
        """Return why the runs that could not be made could not, by name."""
        found = {}
        for path in sorted(self.failed.glob("*.json")):
            said = read_json(path)
            found[path.stem] = Failure(said.get("kind", "error"), said.get("message", ""))
        return found

    def fail(self, run: Run, failure: Failure) -> None:
        """Take note that a run could not be made.

        Raises
        ------
        OSError
            If the note cannot be written, with its path.
        """
        made_by = {"version": version(), "source": source()}
        said = failure._asdict() | {"point": run.point, "replication": run.replication, "provenance": made_by}
        with replacing(self.failed / f"{run.name}.json") as file:
            file.write_text(readable_json(said), encoding="utf-8")

    def forget(self, names: Iterable[str]) -> None:
        """Remove what is known of runs, finished or failed."""
        for name in names:
            shutil.rmtree(self.runs / name, ignore_errors=True)
            (self.failed / f"{name}.json").unlink(missing_ok=True)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def read_json(path: Path) -> dict[str, Any]:
    """Read what a store holds.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
        if said.get("format", FORMAT) > FORMAT:
            raise ConfigError(
                f"{path}: expected format {FORMAT} or older, got {said['format']}; use a newer cowmodel"
            )
        return said
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{path}: expected a finished run; remove its folder") from error


def commit(runs: Path, name: str, package: Package) -> None:
    """Put a run on disk; of two that make the same, the later gives way.

    Raises
    ------
    OSError
        If it cannot be written, with its path.
    """
    # some 65 us, where TemporaryDirectory takes 180; not by process number: two machines may share it
    unfinished = f"{runs}/.{name}-{secrets.token_hex(8)}"
    try:
        os.makedirs(unfinished)
        for file, content in package.items():
            with open(f"{unfinished}/{file}", "wb") as stream:
                stream.write(content)
        os.rename(unfinished, runs / name)
    except BaseException as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if isinstance(error, OSError) and error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise at(runs / name, error) from error
        if not isinstance(error, OSError):
            raise
