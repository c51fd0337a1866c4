"""Files and folders that are there whole or not at all, whatever ends the program."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(final: Path) -> Iterator[Path]:
    """Give a path to write a file to, which becomes `final` when all went well.

    Whatever ends the block otherwise (a full disk, Ctrl-C) leaves no trace.

    Raises
    ------
    OSError
        If it cannot be written, with the path of `final`.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        # The dot keeps what is unfinished out of every glob.
        with tempfile.TemporaryDirectory(prefix=f".{final.name}-", dir=final.parent) as beside:
            unfinished = Path(beside, final.name)
            yield unfinished
            os.replace(unfinished, final)
    except OSError as error:
        raise at(final, error) from error


def at(path: Path, error: OSError) -> OSError:
    """Return an error of the same number that tells its path."""
    number = error.errno or errno.EIO
    return OSError(number, os.strerror(number), str(path))
