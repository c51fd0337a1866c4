"""One log of valgrind's lackey tool, as columns.

::

    ==101== Parent PID: 100
    I  004610d3,6        fetch an instruction of 6 bytes
     L 1fff000640,8      load
     S 1fff000648,8      store
     M 0421c7cc,4        modify: load and store
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cowmodel.errors import ConfigError
from cowmodel.trace.columns import Integers

FETCH, LOAD, STORE, MODIFY = range(4)
KINDS = {b"I  ": FETCH, b" L ": LOAD, b" S ": STORE, b" M ": MODIFY}

_LINE = re.compile(rb"(I  | L | S | M )[0-9a-f]{1,15},[0-9]{1,4}")
_PARENT = re.compile(rb"^==(\d+)== Parent PID: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Log:
    """What one process executed.

    Attributes
    ----------
    path : Path
        The file.
    pid, parent : int
        Process numbers, as recorded.
    kind : uint8[n]
        FETCH, LOAD, STORE or MODIFY.
    address : int64[n]
        First byte.
    size : int64[n]
        Bytes.
    """

    path: Path
    pid: int
    parent: int
    kind: npt.NDArray[np.uint8]
    address: Integers
    size: Integers

    @property
    def start(self) -> int:
        """Address of the first instruction."""
        return int(self.address[0])


def read_log(path: Path, content: bytes) -> Log:
    """Read a log.

    Raises
    ------
    ConfigError
        If the header does not name the parent, a line is none of lackey's, or there is none.
    """
    header = _PARENT.search(content)
    if not header:
        raise ConfigError(
            f"{path}: expected a lackey log that names its parent process, got none;"
            " record it with --log-file=PREFIX.%p"
        )
    lines = content.splitlines()
    events = [line for line in lines if not line.startswith(b"==")]
    if not events:
        raise ConfigError(
            f"{path}: expected memory accesses in the log, got none; record it with --trace-mem=yes"
        )
    _check(path, lines, events)
    kind = np.array([KINDS[line[:3]] for line in events], dtype=np.uint8)
    fields = [line[3:].split(b",") for line in events]
    address = np.array([int(field[0], 16) for field in fields], dtype=np.int64)
    size = np.array([int(field[1]) for field in fields], dtype=np.int64)
    return Log(path, int(header[1]), int(header[2]), kind, address, size)


def _check(path: Path, lines: list[bytes], events: list[bytes]) -> None:
    """Refuse a line of another format, and a log whose beginning is missing."""
    bad = next((line for line in events if not _LINE.fullmatch(line)), None)
    if bad is not None:
        shown = bad[:40].decode("utf-8", errors="replace")
        raise ConfigError(
            f"{path}:{lines.index(bad) + 1}: expected a line such as ' L 1fff000640,8',"
            f" got {shown!r}; the log may be cut off: record it again"
        )
    if not events[0].startswith(b"I"):
        raise ConfigError(
            f"{path}: expected a log that begins with an instruction, got"
            f" {events[0].decode()!r}; record it again"
        )
