"""The files of a scenario on the running kernel."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from cowmodel.scenario.steps import PAGE_BYTES, Backed


@contextmanager
def cached_file(made: Backed) -> Iterator[int]:
    """Make a file that is in the page cache, one page at a time, so that it lies there in single pages."""
    folder = "/var/tmp" if made.disk else "/dev/shm"
    fd, name = tempfile.mkstemp(prefix="cowmodel-", dir=folder)
    os.unlink(name)
    try:
        for _ in range(made.size_bytes // PAGE_BYTES):
            os.write(fd, b"f" * PAGE_BYTES)
        os.fsync(fd)
        yield fd
    finally:
        os.close(fd)
