"""Any trace, told apart by its content."""

import re
from pathlib import Path

from cowmodel.errors import ConfigError
from cowmodel.trace import faults, lackey, pages
from cowmodel.trace.columns import Trace
from cowmodel.trace.text import read_bytes

TABLES = {faults.HEADER: faults.read_faults, pages.HEADER: pages.read_pages}

_ENDINGS = re.compile(r"(\.(faults|pages))?(\.csv|\.log)?(\.gz)?$")


def read_trace(path: str | Path) -> Trace:
    """Read a trace.

    Parameters
    ----------
    path : str or Path
        A table of faults or of page accesses, or a lackey log, any of them in gzip or not; or
        the lackey logs of a program that forks, as the folder that holds them or as the prefix
        of ``PREFIX.PID``.

    Raises
    ------
    ConfigError
        If the file is missing, unreadable, truncated, of another format, or a field is wrong;
        with the file, the line, what was expected and what to do.
    """
    path = Path(path)
    name = _ENDINGS.sub("", path.name)
    if path.is_dir():
        return lackey.read_logs(path, _logs_in(path), name)
    if not path.exists() and (found := _logs_with(path)):
        return lackey.read_logs(path, {log: read_bytes(log) for log in found}, name)
    content = read_bytes(path)
    if lackey.is_log(content):
        return lackey.read_logs(path, {path: content}, name)
    header = _header(content)
    if header not in TABLES:
        raise ConfigError(
            f"{path}: expected a trace with the header {' or '.join(map(repr, TABLES))}"
            f" or a lackey log, got {header[:60]!r}; configs/traces/README.md shows the formats"
        )
    return TABLES[header](path, content, name)


def _header(content: bytes) -> str:
    """First line that is no comment."""
    lines = content[:100_000].decode("utf-8", errors="replace").splitlines()
    return next((line for line in lines if not line.startswith("#")), "")


def _logs_with(prefix: Path) -> list[Path]:
    """Files named ``PREFIX.PID``."""
    number = re.compile(re.escape(prefix.name) + r"\.\d+(\.gz)?")
    beside = prefix.parent.iterdir() if prefix.parent.is_dir() else ()
    return sorted(path for path in beside if number.fullmatch(path.name))


def _logs_in(folder: Path) -> dict[Path, bytes]:
    """Lackey logs among the files of a folder; a recipe may lie beside them."""
    contents = {path: read_bytes(path) for path in sorted(folder.iterdir()) if path.is_file()}
    logs = {path: content for path, content in contents.items() if lackey.is_log(content)}
    if not logs:
        raise ConfigError(
            f"{folder}: expected lackey logs in the folder, got none of {len(contents)} files;"
            " name the trace file itself"
        )
    return logs
