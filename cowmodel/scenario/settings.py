"""Read `name` and `set` lines: what a scenario asks of the machine before its first operation."""

from collections.abc import Callable

from cowmodel.errors import ConfigError
from cowmodel.scenario.steps import PAGE_BYTES, Backed, Settings
from cowmodel.scenario.words import Words, chosen, size, whole

WHEN = ("always", "inherit", "madvise", "never")
SET_USAGE = "set mthp 64k=madvise ... | set hugepages N | set file SLOT SIZE [tmpfs|disk] | set commit SIZE"


class SettingsReader:
    """Collects settings.

    Attributes
    ----------
    name : str
        Empty until it is read.
    """

    def __init__(self) -> None:
        self.name = ""
        self._mthp: dict[int, str] = {}
        self._hugepages: int | None = None
        self._files: dict[str, Backed] = {}
        self._commit_bytes: int | None = None

    def read(self, op: str, words: Words) -> None:
        """Read what follows `name` or `set`.

        Raises
        ------
        ConfigError
        """
        if op == "name":
            self.name = words.take("a name")
            return
        READERS[words.choose("what to set", READERS)](self, words)

    def file(self, slot: str) -> str:
        """Return `slot`, which was set.

        Raises
        ------
        ConfigError
        """
        return chosen("a file that was set", slot, self._files)

    def done(self) -> Settings:
        """Return what was set."""
        return Settings(self._mthp, self._hugepages, self._files, self._commit_bytes)

    def set_mthp(self, words: Words) -> None:
        """Read `64k=madvise 2m=never`."""
        sizes = words.options()
        if not sizes:
            raise ConfigError("expected sizes such as 64k=madvise, got none")
        for text, when in sizes.items():
            size_bytes = size("the size of a folio", text)
            if size_bytes & (size_bytes - 1) or not 4 * PAGE_BYTES <= size_bytes <= 2 << 20:
                raise ConfigError(f"expected a size of 16k, 32k ... 2m, got {text!r}")
            self._mthp[size_bytes] = chosen(f"{text}=", when, WHEN)

    def set_hugepages(self, words: Words) -> None:
        """Read `N`."""
        self._hugepages = whole("2 MiB pages", words.take("a number of pages"), most=1 << 20)

    def set_file(self, words: Words) -> None:
        """Read `SLOT SIZE [tmpfs|disk]`."""
        slot = words.take("the name of the file")
        if slot in self._files:
            raise ConfigError(f"expected a new name for the file, got {slot!r} again")
        size_bytes = size("the size of the file", words.take("a size"))
        if size_bytes % PAGE_BYTES or not size_bytes:
            raise ConfigError(f"expected whole 4 KiB pages, got {size_bytes:,} bytes")
        where = words.choose("where", ("tmpfs", "disk")) if words else "tmpfs"
        self._files[slot] = Backed(size_bytes, disk=where == "disk")

    def set_commit(self, words: Words) -> None:
        """Read `SIZE`."""
        size_bytes = size("what may be committed", words.take("a size"))
        if size_bytes % PAGE_BYTES or not size_bytes:
            raise ConfigError(f"expected whole 4 KiB pages to commit, got {size_bytes:,} bytes")
        self._commit_bytes = size_bytes


READERS: dict[str, Callable[[SettingsReader, Words], None]] = {
    "mthp": SettingsReader.set_mthp,
    "hugepages": SettingsReader.set_hugepages,
    "file": SettingsReader.set_file,
    "commit": SettingsReader.set_commit,
}
