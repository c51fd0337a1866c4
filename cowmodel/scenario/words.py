"""The words of a line: positional ones, `key=value` options, and the numbers in them.

Sizes are written as in `64m`: here, and only here, k, m and g are powers of 1024.
"""

import re
from collections.abc import Iterable

from cowmodel.errors import ConfigError, suggest

_SHIFTS = {"": 0, "k": 10, "m": 20, "g": 30}
_LARGEST = 1 << 45


class Words:
    """What is left to read of a line.

    Parameters
    ----------
    words : iterable of str
    usage : str
        How such a line is written; part of every message.
    """

    def __init__(self, words: Iterable[str], usage: str) -> None:
        words = list(words)
        self._usage = usage
        self._plain = [word for word in words if "=" not in word]
        pairs = [word.partition("=") for word in words if "=" in word]
        self._options = {key: value for key, _, value in pairs}
        if len(self._options) < len(pairs):
            raise ConfigError(f"expected each option once, got {' '.join(words)!r}; write {usage!r}")

    def __bool__(self) -> bool:
        """Return whether a positional word is left."""
        return bool(self._plain)

    def peek(self) -> str:
        """Return the next positional word, or an empty one."""
        return self._plain[0] if self._plain else ""

    def take(self, what: str) -> str:
        """Return the next positional word.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if not self._plain:
            raise ConfigError(f"expected {what}, got the end of the line; write {self._usage!r}")
        return self._plain.pop(0)

    def choose(self, what: str, shelf: Iterable[str]) -> str:
        """Return the next positional word, which is one of `shelf`.

        Raises
        ------
        ConfigError
        """
        return chosen(what, self.take(what), shelf)

    def option(self, key: str, default: str | None = None) -> str:
        """Return the value of an option.

        Raises
        ------
        ConfigError
            If it is missing and has no default.
        """
        value = self._options.pop(key, default)
        if value is None:
            raise ConfigError(f"expected {key}=..., got none; write {self._usage!r}")
        return value

    def has(self, key: str) -> bool:
        """Return whether option `key` is given and not yet read."""
        return key in self._options

    def options(self) -> dict[str, str]:
        """Return all options that are not yet read."""
        rest, self._options = self._options, {}
        return rest

    def finish(self) -> None:
        """Refuse what is left over.

        Raises
        ------
        ConfigError
        """
        if rest := self._plain + [f"{key}=..." for key in self._options]:
            raise ConfigError(f"expected the end of the line, got {rest[0]!r}; write {self._usage!r}")


def chosen(what: str, word: str, shelf: Iterable[str]) -> str:
    """Return `word`, which is one of `shelf`.

    Raises
    ------
    ConfigError
    """
    shelf = list(shelf)
    if word not in shelf:
        raise ConfigError(f"expected {what}: {suggest('', word, shelf)}")
    return word


def whole(what: str, text: str, least: int = 0, most: int = (1 << 64) - 1) -> int:
    """Read a whole number.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> whole("a count", "0x10")
    16
    """
    if not re.fullmatch(r"\d{1,20}|0x[0-9a-f]{1,16}", text) or not least <= int(text, 0) <= most:
        bounds = f" of at least {least:,}" if most >> 63 else f" from {least:,} to {most:,}"
        raise ConfigError(f"expected {what}, a whole number{bounds}, got {text!r}")
    return int(text, 0)


def size(what: str, text: str) -> int:
    """Read a size in bytes.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> size("a size", "64m")
    67108864
    """
    match = re.fullmatch(r"(\d{1,15})([kmg]?)", text)
    value = int(match[1]) << _SHIFTS[match[2]] if match else _LARGEST + 1
    if value > _LARGEST:
        raise ConfigError(f"expected {what}, such as 64m (units k, m, g of 1024), got {text!r}")
    return value


def span(what: str, text: str) -> tuple[int, int]:
    """Read `FROM-TO`, or one number for both.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> span("pages", "3-9"), span("pages", "7")
    ((3, 9), (7, 7))
    """
    match = re.fullmatch(r"(\d{1,15})(?:-(\d{1,15}))?", text)
    if not match or int(match[1]) > int(match[2] or match[1]):
        raise ConfigError(f"expected {what} as FROM-TO, both ends included, such as 0-63, got {text!r}")
    return int(match[1]), int(match[2] or match[1])
