"""Copy policies: when a process gets its own copy of a private page.

    policy           at fork   write, others share it   write, last sharer   the last sharer is found
    eager            copy      -                        flip                 -
    cow              share     copy                     copy                 -
    cow-flip         share     copy                     flip                 on its own fault
    cow-eager-flip   share     copy                     flip                 as soon as it is the last

A policy of your own is one more class here and one more line in `catalog.py`.
"""

from cowmodel.kernel.choices import AtFork, AtWrite


class CopyOnWrite:
    """Share at fork; every write to a read-only entry copies, the last sharer's too.

    That goes for a huge page as well that a first read has mapped read-only.
    """

    def at_fork(self) -> AtFork:
        """Share."""
        return AtFork.SHARE

    def at_write(self, sharers: int) -> AtWrite:
        """Copy, whoever still shares."""
        return AtWrite.COPY

    def seeks_last_sharer(self) -> bool:
        """Do not."""
        return False


class LastSharerFlip(CopyOnWrite):
    """Share at fork; a write copies, but the last sharer's only makes its entry writable (Linux).

    References
    ----------
    Linux, wp_can_reuse_anon_folio and wp_page_reuse, mm/memory.c.
    """

    def at_write(self, sharers: int) -> AtWrite:
        """Copy while anyone else maps the frame."""
        return AtWrite.COPY if sharers > 1 else AtWrite.FLIP


class EagerFlip(LastSharerFlip):
    """As the last-sharer flip, but the kernel finds the last sharer and flips its entry at once."""

    def seeks_last_sharer(self) -> bool:
        """Do, through the reverse map."""
        return True


class EagerCopy(LastSharerFlip):
    """Copy all private memory at fork; nothing is shared, so no write copies (V7 UNIX)."""

    def at_fork(self) -> AtFork:
        """Copy."""
        return AtFork.COPY
