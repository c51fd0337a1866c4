"""What the kernel asks a copy policy.

The kernel knows how to share, copy and flip; a policy says when. It is asked when private memory meets
fork, when a write meets a read-only entry, and whether a frame's last sharer is worth looking for.
"""

from enum import Enum
from typing import Protocol


class AtFork(Enum):
    """What becomes of private memory at fork."""

    SHARE = "share"  # both read-only, the frames shared
    COPY = "copy"  # the child gets frames of its own at once


class AtWrite(Enum):
    """What a write to a read-only entry of private memory does."""

    COPY = "copy"  # a new frame for the writer
    FLIP = "flip"  # the entry becomes writable in place


class CopyPolicy(Protocol):
    """A rule for when private memory is copied. What it answers depends on its arguments alone."""

    def at_fork(self) -> AtFork:
        """Return what fork does with private memory."""

    def at_write(self, sharers: int) -> AtWrite:
        """Return what a write does to a read-only entry whose frame has `sharers` >= 1."""

    def seeks_last_sharer(self) -> bool:
        """Return whether the kernel flips a frame's last sharer as soon as there is only one."""
