"""Points in a CSV file, from a spreadsheet or another program: a column a path, a row a point.

::

    machine.memory,policy.copy
    1 GiB,cow
    2 GiB,cow-flip
"""

import csv
import io
from pathlib import Path
from typing import Any

from cowmodel.errors import ConfigError
from cowmodel.experiment.document import plain_value


def read_points(path: Path, place: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Read the paths and, for each point, the values at them: TOML values, or else text.

    Parameters
    ----------
    place : str
        Put before each message.

    Raises
    ------
    ConfigError
        If the file cannot be read, is no UTF-8 text, has an empty cell, a row that is not as long as the
        first, a path twice, or no point; with the line.
    """
    where = f"{place}: {path}"
    (_, header), *rows = _lines(path, where) or [(1, [])]
    paths = tuple(cell.strip() for cell in header)
    if not all(paths) or len(set(paths)) < len(paths) or not paths:
        raise ConfigError(f"{where}:1: expected a different path in each column, got {','.join(header)!r}")
    if not rows:
        raise ConfigError(f"{where}: expected a row a point behind the first, got none")
    return paths, [_point(paths, row, f"{where}:{line}") for line, row in rows]


def _lines(path: Path, where: str) -> list[tuple[int, list[str]]]:
    """Read the cells of each line that has any, with its number."""
    reader = csv.reader(io.StringIO(_text(path, where), newline=""), strict=True)
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise ConfigError(f"{where}:{reader.line_num}: expected comma-separated values: {error}") from error


def _text(path: Path, where: str) -> str:
    try:
        return (content := path.read_bytes()).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{where}: expected a CSV file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{where}:{line}: expected UTF-8 text, got byte {content[error.start]:#x}; save it as UTF-8"
        ) from error


def _point(paths: tuple[str, ...], row: list[str], where: str) -> tuple[Any, ...]:
    if len(row) != len(paths):
        raise ConfigError(f"{where}: expected {len(paths)} cells, one for each path, got {len(row)}")
    for path, cell in zip(paths, row, strict=True):
        if not cell.strip():
            raise ConfigError(
                f"{where}: {path}: expected a value, got an empty cell; leave the row or the column out"
            )
    return tuple(plain_value(cell.strip()) for cell in row)
