"""What compiled code is told beforehand: the common faults, and what the policy says to a write."""

from collections.abc import Callable

import numpy as np

from cowmodel.kernel.choices import AtWrite
from cowmodel.kernel.fault import (
    COPY,
    FILL,
    FLIP,
    FLIPPED,
    Fault,
    copied,
    filled,
    given_back,
    out_of_cache,
    replaced,
)
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.state import MOST_DOUBLINGS
from cowmodel.kernel.work import Work

_MOST_SHARERS = 256  # of which the policy is asked beforehand; more are rare


WHERES = 2 * (MOST_DOUBLINGS + 1)  # a fault is 2 * doublings of memory over the cache + whether it is far


def common_faults(page_bytes: int, others: int, where: int) -> tuple[Fault, ...]:
    """Return the faults that compiled code resolves, in the order of its kinds."""
    flips, looks, finds, none = (
        looking(kind, where) for kind in (FLIP[False], COPY[False], FILL[False], "spurious")
    )
    copy, fill, lost = copied(page_bytes), filled(page_bytes), given_back(page_bytes)
    copies = copy + looks + replaced(others) + Work(releases=1)
    return (
        Fault(FLIP[False], FLIPPED + flips),
        Fault(COPY[False], copies),
        Fault(COPY[False], copies + lost),
        Fault("late", copy + looks + lost),
        Fault(FILL[False], fill + finds),
        Fault("late", fill + finds + lost),
        Fault("spurious", Work(traps=1) + none),
    )


def looking(kind: str, where: int) -> Work:
    """Return what a fault of `kind` takes more for where it is."""
    return out_of_cache(kind, kind in (*COPY, *FILL), doublings=where // 2, far=where % 2 > 0)


def access_prices(kernel: Kernel, price: Callable[[Work], int]) -> list[int]:
    """Return what an access costs at each step of its translation."""
    walks = (Work(hits=1, walk_loads=loads) for loads in range(1, kernel.geometry.top + 1))
    return [price(work) for work in (Work(hits=1), Work(hits=1, tlb_hits=1), *walks)]


def flips_by_sharers(kernel: Kernel) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return whether the policy flips with so many sharers; place 0 says whether it seeks last sharers.

    Where that depends on other references too, it says nothing, so that the kernel is asked each time.
    """
    policy = kernel.policy
    if kernel.era.lru_batch:
        return np.array([policy.seeks_last_sharer()])
    flips = [policy.at_write(sharers) is AtWrite.FLIP for sharers in range(1, _MOST_SHARERS)]
    assert not any(flips[1:]), f"{policy} flips a frame that others map"
    return np.array([policy.seeks_last_sharer(), *flips])
