"""What verbs move through memory at the same time: each gets its share, at every moment.

verb A   |====-----------====|       as fast as its price while there is bandwidth for all, slower while there
verb B        |-----------|          is not: then none gets more than another, unless that one needs no more

What is moved is counted in bytes that are read once and written once, as a copy does: half of what passes
between memory and caches.

====================  ==  =================================================================
copied, zeroed byte    1
entry, at fork        80  the parent's and the child's of 8 bytes, the record of its frame
part of a folio       16  both entries; the record, of the folio, once a batch
entry taken out       72  the entry, the record of its frame
====================  ==  =================================================================

That is a lower bound: the record of a frame is one line (64 bytes, `struct page`) where the kernel counts
sharers, and whatever else it looks at is left out. A new table is cleared in the cache where its entries are
then written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.work import Work

PS_PER_S = 10**12
_ENTRY, _RECORD = 8, 64
_MOVED = {
    "copied_bytes": 1,
    "zeroed_bytes": 1,
    **dict.fromkeys(("pte_entries", "pmd_entries", "pud_entries"), 2 * _ENTRY + _RECORD),
    "parts": 2 * _ENTRY,
    "batches": _RECORD,
    **dict.fromkeys(("drops", "large_drops"), _ENTRY + _RECORD),
    "dropped_parts": _ENTRY,
}


def moved_bytes(work: Work) -> int:
    """Return how much a verb moves.

    Examples
    --------
    >>> moved_bytes(Work(copied_bytes=4096, pte_entries=10))
    4896
    """
    return sum(size * getattr(work, field) for field, size in _MOVED.items())


@dataclass(eq=False)
class Transfer:
    """What one verb moves.

    Attributes
    ----------
    demand : int
        Bytes a second that it moves as long as nothing slows it.
    left_ps : Fraction
        Time that it still takes then.
    """

    demand: int
    left_ps: Fraction


class Traffic:
    """Verbs that share memory.

    Faults are served one after the other (`Contention`); all together they get what verbs leave, but at least
    as much as a verb that needs more than its share. What they have moved is known afterwards: verbs have
    moved so much less then.

    Parameters
    ----------
    bandwidth : int
        Bytes a second.
    faults_ps : int64[2]
        From when memory is free for a fault; for how long faults have asked for it since this was last read.

    Attributes
    ----------
    for_faults : int
        Bytes a second that faults get.
    """

    def __init__(self, bandwidth: int, faults_ps: Numbers) -> None:
        self.bandwidth = self.for_faults = bandwidth
        self._faults_ps = faults_ps
        self._transfers: list[Transfer] = []
        self._settled_ps = self._of_faults = 0

    def begin(self, now_ps: int, cost_ps: int, moved: int) -> Transfer:
        """Let a verb move so many bytes, more than 0, in `cost_ps` if nothing slows it, from now on."""
        self._settle(now_ps)
        cost_ps = max(cost_ps, -(-moved * PS_PER_S // self.bandwidth))
        transfer = Transfer(max(1, moved * PS_PER_S // cost_ps), Fraction(cost_ps))
        self._transfers.append(transfer)
        self._leave_to_faults()
        return transfer

    def end(self, transfer: Transfer) -> None:
        """Let others have the share of a verb that is over."""
        self._transfers.remove(transfer)
        self._leave_to_faults()

    def remaining_ps(self, now_ps: int, transfer: Transfer) -> int:
        """Return how long a verb still takes if nothing changes and no fault comes; 0 if it is over."""
        self._settle(now_ps)
        share = self._shares(self.bandwidth)[self._transfers.index(transfer)]
        return max(0, -(-transfer.left_ps * transfer.demand // share))

    def _settle(self, now_ps: int) -> None:
        """Take what has been moved until now from what is left."""
        passed_ps, self._settled_ps = now_ps - self._settled_ps, now_ps
        free_ps, asked_ps = self._faults_ps.tolist()
        self._faults_ps[1] = 0
        if not self._transfers:
            self._of_faults = max(0, free_ps - now_ps) * self.for_faults
            return
        self._of_faults += asked_ps * self.for_faults
        moved = min(self._of_faults, self.bandwidth * passed_ps // (len(self._transfers) + 1))
        self._of_faults -= moved  # more than that was promised to later moments
        shares = self._shares(self.bandwidth * passed_ps - moved, passed_ps)
        for transfer, share in zip(self._transfers, shares, strict=True):
            transfer.left_ps -= share / transfer.demand

    def _leave_to_faults(self) -> None:
        left = self.bandwidth - sum(self._shares(self.bandwidth))
        self.for_faults = max(int(left), self.bandwidth // (len(self._transfers) + 1), 1)

    def _shares(self, capacity: int, duration: int = 1) -> Sequence[Fraction]:
        """Share a capacity for a while: nobody gets more than is needed, nor, with less, less than others."""
        left, wanted = Fraction(capacity), [transfer.demand * duration for transfer in self._transfers]
        shares = [left] * len(wanted)
        for others, place in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
            shares[place] = min(Fraction(wanted[place]), left / (len(wanted) - others))
            left -= shares[place]
        return shares
