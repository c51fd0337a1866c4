"""Bytes and comma-separated tables, with the place of every mistake."""

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cowmodel.errors import ConfigError
from cowmodel.trace.columns import Flags, Integers

GZIP_MAGIC = b"\x1f\x8b"


def read_bytes(path: Path) -> bytes:
    """Read a file, through gzip if its content is compressed.

    Raises
    ------
    ConfigError
        If the file is missing, cannot be read, is empty, or is not all of a gzip file.
    """
    try:
        content = path.read_bytes()
        if content.startswith(GZIP_MAGIC):
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise ConfigError(f"{path}: expected a trace, got no such file; check the path") from None
    except EOFError:
        raise ConfigError(f"{path}: expected a whole gzip file, got a truncated one; copy it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ConfigError(
            f"{path}: expected a sound gzip file, got a damaged one ({error}); copy it again"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{path}: expected a file that can be read, got {error.strerror!r}; check its rights"
        ) from None
    if not content.strip():
        raise ConfigError(f"{path}: expected a trace, got an empty file; record it again")
    return content


@dataclass(frozen=True)
class Table:
    """Comma-separated columns below a header line.

    Attributes
    ----------
    path : Path
        Where it was read.
    comments : tuple of str
        The lines before the header, without their ``#``.
    columns : dict of str to tuple of str
        Field texts by column name, as many in each.
    """

    path: Path
    comments: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]

    def integers(
        self, name: str, base: int = 10, least: int | None = None, most: int | None = None
    ) -> Integers:
        """Read a column of whole numbers from `least` to `most`."""
        fields = self.columns[name]
        try:
            values = np.array([int(field, base) for field in fields], dtype=np.int64)
        except (ValueError, OverflowError):
            raise self._bad_integer(name, base) from None
        if least is not None and values.min() < least:
            row = int(np.argmax(values < least))
            raise self.error(row, f"expected {name} of at least {least}, got {fields[row]!r}")
        if most is not None and values.max() > most:
            row = int(np.argmax(values > most))
            raise self.error(row, f"expected {name} of at most {most}, got {fields[row]!r}")
        return values

    def flags(self, name: str, meaning: Mapping[str, bool]) -> Flags:
        """Read a column of two labels."""
        fields = self.columns[name]
        for row, field in enumerate(fields):
            if field not in meaning:
                choice = " or ".join(meaning)
                raise self.error(row, f"expected {name} {choice}, got {field!r}")
        return np.array([meaning[field] for field in fields], dtype=np.bool_)

    def error(self, row: int, problem: str) -> ConfigError:
        """Say what is wrong with a row, and where it stands in the file."""
        line = len(self.comments) + 2 + row
        return ConfigError(f"{self.path}:{line}: {problem}; mend the line or record it again")

    def _bad_integer(self, name: str, base: int) -> ConfigError:
        """Find the first field of a column that is no 64-bit integer."""
        kind = "hexadecimal number" if base == 16 else "whole number"
        for row, field in enumerate(self.columns[name]):
            try:
                np.int64(int(field, base))
            except (ValueError, OverflowError):
                return self.error(row, f"expected a {kind} as {name}, got {field!r}")
        raise AssertionError(f"every field of {name} is an integer")


def read_table(path: Path, content: bytes) -> Table:
    """Split a table into its columns.

    Raises
    ------
    ConfigError
        If there is no row below the header, or a row has another number of fields.
    """
    lines = content.decode("utf-8", errors="replace").splitlines()
    header_at = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    comments = tuple(line.lstrip("# ") for line in lines[:header_at])
    names = lines[header_at].split(",")
    rows = [line.split(",") for line in lines[header_at + 1 :]]
    if not rows:
        raise ConfigError(f"{path}: expected records below the header, got none; record it again")
    table = Table(path, comments, {})
    for at, row in enumerate(rows):
        if len(row) != len(names):
            expected = f"expected {len(names)} fields ({lines[header_at]})"
            raise table.error(at, f"{expected}, got {len(row)}")
    return Table(path, comments, dict(zip(names, zip(*rows, strict=True), strict=True)))
