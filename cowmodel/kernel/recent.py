"""The newest pages, which a processor hands on to the kernel's lists a batch at a time.

    |a|b|c|   a fault adds d   |a|b|c|d|   the batch is full, or memory is unmapped   | | | |

A page in the batch has a reference more, by which some versions of Linux take it for shared. Each CPU has a
batch of its own; here the machine has one, as if all ran on one CPU, so that whoever unmaps empties it.

References
----------
Linux 5.10, lru_cache_add and lru_add_drain, mm/swap.c; do_wp_page, mm/memory.c.
"""

from collections.abc import Iterable


class RecentPages:
    """The batch.

    Parameters
    ----------
    most : int
        Pages with which it is handed on; 0 if nobody cares.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pfns: list[int] = []

    def add(self, pfns: Iterable[int]) -> None:
        """Add new base pages, one after the other."""
        for pfn in pfns if self._most else ():
            self._pfns.append(pfn)
            if len(self._pfns) == self._most:
                self.hand_on()

    def hand_on(self) -> None:
        """Empty it."""
        self._pfns.clear()

    def references(self, pfn: int) -> int:
        """Return how many references, 0 or 1, a page that is mapped has from here.

        A page that was freed is in it still, as in Linux, and stays so when it is used again: it is new then.
        """
        return int(pfn in self._pfns)
