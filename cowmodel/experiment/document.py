"""TOML files as plain tables, and the dotted paths by which a value in them is named.

::

    [machine]                    machine.memory = "1 GiB"
    memory = "1 GiB"        <->  machine.cores = 2
    cores = 2

A document is what the user wrote, text and all, after ``extends`` and ``--set``; it is what runs are
identified by.
"""

import json
import os
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cowmodel.errors import ConfigError, suggest

Document = dict[str, Any]


def document(path: Path, settings: Iterable[str] = (), optional: Collection[str] = ()) -> Document:
    """Read a configuration, put over what it extends, and change it by settings.

    Parameters
    ----------
    path : Path
        The file.
    settings : iterable of str
        Changes as ``path=value``, in order.
    optional : collection of str
        Paths that it may lack and a setting may add.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, or a setting names a path that is not in it.
    """
    return changed(extended(path), parse_settings(settings), "--set ", optional)


def extended(path: Path, chain: Sequence[Path] = ()) -> Document:
    """Read a configuration; with ``extends = "other.toml"`` it only says what differs from the other.

    Tables are put over tables, key by key; any other value is in the place of the other's. The path of the
    other is relative to the folder of this one; those of all other files, whoever says them, to the folder of
    the configuration that is run.

    Parameters
    ----------
    path : Path
        The file.
    chain : sequence of Path
        The files that extend it, the first one first.

    Raises
    ------
    ConfigError
        If a file cannot be read or is not TOML, or files extend each other in a circle.
    """
    table, files = read_toml(path), [*chain, path]
    if any(path.samefile(file) for file in chain):
        circle = files[next(n for n, file in enumerate(files) if path.samefile(file)) :]
        told = " -> ".join(os.path.normpath(file) for file in circle)
        raise ConfigError(f"expected files that end somewhere, got a circle: {told}; take out one `extends`")
    if (other := table.pop("extends", None)) is None:
        return table
    if not isinstance(other, str):
        raise ConfigError(f"{path}: extends: expected the path of a configuration in quotes, got {other!r}")
    try:
        return _over(extended(path.parent / other, files), table)
    except ConfigError as error:
        raise ConfigError(f"{path}: extends: {error}") from error


def _over(below: Document, above: Document) -> Document:
    """Put a document over another, of which stays what the upper one does not say."""
    merged = {
        key: _over(below[key], value)
        if isinstance(value, dict) and isinstance(below.get(key), dict)
        else value
        for key, value in above.items()
    }
    return below | merged


def read_toml(path: Path) -> Document:
    """Read a TOML file.

    Raises
    ------
    ConfigError
        If it is missing, unreadable, a folder, not text, or not TOML; with the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(_missing(path)) from None
    except OSError as error:
        raise ConfigError(f"{path}: expected a TOML file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected a TOML file, got bytes that are no UTF-8 text") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets as deep
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def _missing(path: Path) -> str:
    """Say that a file is not there, and which of its neighbours may be meant."""
    if not path.parent.is_dir():
        return f"{path}: no such file, and no folder {str(path.parent)!r}"
    neighbours = sorted(file.name for file in path.parent.glob("*.toml"))
    return suggest(str(path), path.name, neighbours)


def parse_settings(settings: Iterable[str]) -> Document:
    """Read changes written as ``path=value``: the value is TOML, or else plain text.

    Raises
    ------
    ConfigError
        If one has no ``=``.

    Examples
    --------
    >>> parse_settings(["machine.memory=1 GiB", "machine.cores=2"])
    {'machine.memory': '1 GiB', 'machine.cores': 2}
    """
    values = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"--set {setting}: expected path=value, such as 'machine.memory=1 GiB'")
        values[path.strip()] = plain_value(text.strip())
    return values


def plain_value(text: str) -> object:
    """Read a TOML value; what is none is text.

    Examples
    --------
    >>> plain_value("2"), plain_value("2 MiB")
    (2, '2 MiB')
    """
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text


def changed(
    table: Document, values: Mapping[str, object], where: str, optional: Collection[str] = ()
) -> Document:
    """Copy a document with other values at some of its paths.

    Parameters
    ----------
    table : Document
        Left as it is; tables without a path in `values` are shared with it.
    values : mapping
        From dotted path to value.
    where : str
        Put before each path in messages.
    optional : collection of str
        Paths that its tables may lack.

    Raises
    ------
    ConfigError
        If any other path is not in the document, with one line for each.
    """
    unknown = [path for path in values if not _has(table, path.split("."), path in optional)]
    if unknown:
        known = [*paths(table), *(path for path in optional if _has(table, path.split("."), True))]
        raise ConfigError("\n".join(suggest(f"{where}{path}", path, known) for path in unknown))
    result = table
    for path, value in values.items():
        result = _with(result, path.split("."), value)
    return result


def _has(table: Document, keys: Sequence[str], may_lack: bool) -> bool:
    """Tell whether there is a value at a path, or, where it may be missing, room for one."""
    *tables, key = keys
    inner: Any = table
    for name in tables:
        inner = inner.get(name, {} if may_lack else None)
        if not isinstance(inner, dict):
            return False
    # A section as a whole is no value: its name is a mistake for one of its paths.
    return may_lack or (key in inner and (inner is not table or not isinstance(inner[key], dict)))


def _with(table: Document, keys: Sequence[str], value: object) -> Document:
    """Copy the tables on the way to a value, and no others."""
    key, *rest = keys
    return table | {key: _with(table.get(key, {}), rest, value) if rest else value}


def paths(table: Document, prefix: str = "") -> Iterator[str]:
    """Go through the dotted paths of all values, and of the tables below the first level.

    Examples
    --------
    >>> list(paths({"policy": {"copy": "cow"}}))
    ['policy.copy']
    """
    for key, value in table.items():
        if isinstance(value, dict):
            if prefix:
                yield f"{prefix}{key}"
            yield from paths(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def flat(table: Mapping[str, Any], prefix: str = "") -> Document:
    """Lay nested tables out as one, with dotted keys.

    Examples
    --------
    >>> flat({"fork": {"count": 2}, "faults": 3})
    {'fork.count': 2, 'faults': 3}
    """
    result: Document = {}
    for key, value in table.items():
        # not Mapping: an abstract class takes longer to ask, and a large sweep has millions of values
        if isinstance(value, dict):
            result |= flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result


def columns_of_band(path: str) -> tuple[str, str]:
    """Name the columns of a table for the ends of the band of the time at `path`.

    Examples
    --------
    >>> columns_of_band("fork_us.mean")
    ('fork_us.mean_low', 'fork_us.mean_high')
    """
    return f"{path}_low", f"{path}_high"


def canonical(value: object) -> str:
    """Write a value as JSON in the one form that equal values share.

    Examples
    --------
    >>> canonical({"b": 1, "a": "µs"})
    '{"a":"µs","b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def readable_json(value: object) -> str:
    """Write JSON for people and for ``diff``: sorted, a line for each value.

    Raises
    ------
    ValueError
        For a number that is not finite, which JSON does not have.
    """
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return text + "\n"
