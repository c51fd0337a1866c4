"""The SimPy script that one writes first: page tables are dictionaries, and every write is an event.

entry = pages[vpn]      writable:                        hit
                        read-only, frame has sharers:    copy, the frame loses one
                        read-only, frame has no other:   flip

It is what the engines are compared with, and shares no code with them.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import simpy

HIT_PS, COPY_PS, FLIP_PS = 33_000, 2_800_000, 850_000


class Frame:
    """A page of memory and how many entries map it."""

    __slots__ = ("sharers",)

    def __init__(self) -> None:
        self.sharers = 1


class Entry:
    """An entry of a page table."""

    __slots__ = ("frame", "writable")

    def __init__(self, frame: Frame, writable: bool) -> None:
        self.frame, self.writable = frame, writable


Pages = dict[int, Entry]


@dataclass
class Counts:
    """What happened."""

    copies: int = 0
    flips: int = 0


def resident(pages: int) -> Pages:
    """Return a heap with all its pages."""
    return {vpn: Entry(Frame(), True) for vpn in range(pages)}


def fork(parent: Pages) -> Pages:
    """Share every page of `parent`, read-only on both sides."""
    child = {}
    for vpn, entry in parent.items():
        entry.writable = False
        entry.frame.sharers += 1
        child[vpn] = Entry(entry.frame, False)
    return child


def writer(
    environment: simpy.Environment, pages: Pages, order: Sequence[int], counts: Counts
) -> Generator[simpy.Event, None, None]:
    """Write pages one after the other."""
    for vpn in order:
        entry = pages[vpn]
        if entry.writable:
            yield environment.timeout(HIT_PS)
        elif entry.frame.sharers > 1:
            entry.frame.sharers -= 1
            entry.frame, entry.writable = Frame(), True
            counts.copies += 1
            yield environment.timeout(COPY_PS)
        else:
            entry.writable = True
            counts.flips += 1
            yield environment.timeout(FLIP_PS)


def run(heaps: Sequence[Pages], orders: Sequence[Sequence[int]]) -> tuple[float, Counts]:
    """Let a process a heap write in its order; return the CPU seconds that it took, and what happened."""
    environment, counts = simpy.Environment(), Counts()
    for pages, order in zip(heaps, orders, strict=True):
        environment.process(writer(environment, pages, order, counts))
    before = time.process_time()
    environment.run()
    return time.process_time() - before, counts
