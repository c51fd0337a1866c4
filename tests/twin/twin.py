"""A second model of the rules, in dictionaries, that shares no code with cowmodel.

It was written from the rules alone (what Linux does at fork and at a fault, and the four policies
as deviations from it), before its author had read how cowmodel carries them out. Nothing here is
fast, and memory never runs out.

    process.entries   {head page of the leaf: [frame, writable]}
    twin.sharers      {frame: how many entries map it}; frame 0, all zeroes, is never counted
    process.tables    {(level, number of the table among those of its level)}
"""

from collections import Counter
from dataclasses import dataclass, field

ZERO = 0
AROUND_BYTES = 65536  # a read fault in shared memory maps what is there already, this far

# name: (bytes of a page, index bits of each level from the leafs up)
GEOMETRIES = {
    "x86-64": (4096, (9, 9, 9, 9)),
    "x86-64-5level": (4096, (9, 9, 9, 9, 9)),
    "arm64-4k": (4096, (9, 9, 9, 9)),
    "arm64-16k": (16384, (11, 11, 11, 1)),
    "arm64-64k": (65536, (13, 13, 6)),
}

# name: (fork copies, the last sharer's write flips, whoever becomes the last sharer is flipped)
POLICIES = {
    "eager": (True, True, False),
    "cow": (False, False, False),
    "cow-flip": (False, True, False),
    "cow-eager-flip": (False, True, True),
}


@dataclass
class Region:
    """Pages first .. end of one leaf size; `held` maps a leaf of the shared object to its frame."""

    first: int
    end: int
    level: int
    held: dict[int, int] | None = None
    start: int = 0  # the page at which leaf 0 of the shared object lies
    owned: bool = False  # whether a frame of its own was ever put in
    private: bool = True  # whether a write is copied, if need be
    told: bool = False  # whether the object wants to be told of the first write to each page


@dataclass
class Space:
    """One process: its regions, its entries, its tables and the bytes its faults copied."""

    regions: list[Region] = field(default_factory=list)
    entries: dict[int, list] = field(default_factory=dict)
    tables: set[tuple[int, int]] = field(default_factory=set)
    copied_bytes: int = 0


class Twin:
    """All processes of one machine; a process is known by the key that the caller gives it."""

    def __init__(self, geometry: str, policy: str) -> None:
        self.page_bytes, self.bits = GEOMETRIES[geometry]
        self.fork_copies, self.last_flips, self.seeks_last = POLICIES[policy]
        self.spaces: dict[int, Space] = {}
        self.sharers: dict[int, int] = {}
        self.frame_pages: dict[int, int] = {}
        self.cached: set[int] = set()  # frames of shared objects
        self.files: list[
            tuple[dict[int, int], bool]
        ] = []  # what each holds, and whether it is told of writes
        self.next_frame = 1

    # ------------------------------------------------------------------ verbs
    def spawn(self, pid: int) -> None:
        self.spaces[pid] = Space(tables={(len(self.bits), 0)})

    def open(self, pages: int, told: bool) -> None:
        self.files.append(({page: self._new_frame(1) for page in range(pages)}, told))
        self.cached |= {*self.files[-1][0].values()}

    def mmap(
        self, pid: int, first: int, pages: int, level: int, shared: bool, file: int | None = None
    ) -> None:
        held, told = ({} if shared else None, False) if file is None else self.files[file]
        region = Region(first, first + pages, level, held, first, private=not shared, told=told)
        self.spaces[pid].regions.append(region)

    def access(self, pid: int, page: int, write: bool) -> list[str]:
        """Return the kinds of the faults that one access takes, the first first."""
        space, kinds = self.spaces[pid], []
        region = next(r for r in space.regions if r.first <= page < r.end)
        head = page - page % self.leaf(region.level)
        while head not in space.entries or (write and not space.entries[head][1]):
            kinds.append(self._fault(space, region, head, write))
        return kinds

    def populate(self, pid: int, first: int) -> list[str]:
        """Write to every leaf, without an entry, of the region that starts at `first`."""
        space = self.spaces[pid]
        region = next(r for r in space.regions if r.first == first)
        heads = range(region.first, region.end, self.leaf(region.level))
        untouched = [head for head in heads if head not in space.entries]
        return [kind for head in untouched for kind in self.access(pid, head, True)]

    def fork(self, pid: int, child_pid: int) -> int:
        """Return how many bytes the fork copied."""
        self.spawn(child_pid)
        parent, child = self.spaces[pid], self.spaces[child_pid]
        copied = 0
        for region in parent.regions:
            child.regions.append(Region(**vars(region)))  # the same shared object, not a copy
            if not region.owned:
                continue  # the child finds all of this again by itself
            child.tables |= self._tables_meeting(parent, region.first, region.end)
            for head in self._heads(parent, region.first, region.end):
                copied += self._inherit(parent, child, head)
        return copied

    def munmap(self, pid: int, first: int, end: int) -> None:
        space = self.spaces[pid]
        for head in self._heads(space, first, end):
            self._unmap(space, head)
        space.regions = [part for r in space.regions for part in self._without(r, first, end)]
        self._drop_unheld()
        space.tables = {t for t in space.tables if self._still_needed(space, t)}

    def exec(self, pid: int) -> None:
        self.exit(pid)
        self.spawn(pid)

    def exit(self, pid: int) -> None:
        space = self.spaces.pop(pid)
        for head in list(space.entries):
            self._unmap(space, head)
        self._drop_unheld()

    # ----------------------------------------------------------------- counts
    def leaf(self, level: int) -> int:
        """Return the base pages of a leaf of `level`."""
        return 1 << sum(self.bits[: level - 1])

    def used_pages(self) -> int:
        return sum(self.frame_pages.values())

    def rss_pages(self, pid: int) -> int:
        frames = [frame for frame, _ in self.spaces[pid].entries.values()]
        return sum(self.frame_pages[frame] for frame in frames if frame != ZERO)

    def pss_pages(self, pid: int) -> float:
        frames = [frame for frame, _ in self.spaces[pid].entries.values() if frame != ZERO]
        return sum(self.frame_pages[frame] / self.sharers[frame] for frame in frames)

    def uss_pages(self, pid: int) -> int:
        frames = [frame for frame, _ in self.spaces[pid].entries.values() if frame != ZERO]
        return sum(self.frame_pages[frame] for frame in frames if self.sharers[frame] == 1)

    def table_counts(self, pid: int) -> Counter[int]:
        return Counter(level for level, _ in self.spaces[pid].tables)

    # ----------------------------------------------------------------- faults
    def _fault(self, space: Space, region: Region, head: int, write: bool) -> str:
        if head in space.entries:
            return self._write_protect_fault(space, region, head)
        if region.held is not None and region.private and write:
            self._map(space, region, head, self._new_frame(1), True)
            space.copied_bytes += self.page_bytes
            return "file_cow"
        if region.held is not None:
            return self._shared_fault(space, region, head, write)
        if region.level > 1:
            self._map(space, region, head, self._new_frame(region.level), write)
            return "htlb_fill"
        if write:
            self._map(space, region, head, self._new_frame(1), True)
            return "zero_fill"
        self._map(space, region, head, ZERO, False)
        return "zero_map"

    def _write_protect_fault(self, space: Space, region: Region, head: int) -> str:
        if not region.private:
            space.entries[head][1] = True
            return "shared_upgrade"
        huge = region.level > 1
        old = space.entries[head][0]
        if old == ZERO:
            self._map(space, region, head, self._new_frame(1), True)
            return "zero_replace"
        if self.last_flips and self.sharers[old] == 1 and old not in self.cached:
            space.entries[head][1] = True
            return "htlb_reuse" if huge else "cow_reuse"
        self._unmap(space, head)
        self._map(space, region, head, self._new_frame(region.level), True)
        space.copied_bytes += self.leaf(region.level) * self.page_bytes
        return "htlb_copy" if huge else "cow_copy"

    def _shared_fault(self, space: Space, region: Region, head: int, write: bool) -> str:
        assert region.held is not None
        leaf = self.leaf(region.level)
        place = (head - region.start) // leaf
        if place not in region.held:
            region.held[place] = self._new_frame(region.level)
            self.cached.add(region.held[place])
        around = not region.private and not region.told  # what a read maps may be written
        self._map(space, region, head, region.held[place], write or around)
        if not write and region.level == 1:
            window = max(1, AROUND_BYTES // self.page_bytes)
            low, table = max(head // window * window, region.first), 1 << self.bits[0]
            for near in range(low, min(low + window, (head // table + 1) * table, region.end)):
                if near not in space.entries and near - region.start in region.held:
                    self._map(space, region, near, region.held[near - region.start], around)
        return "file_map" if region.private else "shared_map"

    # ---------------------------------------------------------------- entries
    def _map(self, space: Space, region: Region, head: int, frame: int, writable: bool) -> None:
        space.entries[head] = [frame, writable]
        space.tables |= {
            (level, self._table_of(level, head)) for level in range(region.level, len(self.bits) + 1)
        }
        if frame != ZERO:
            self.sharers[frame] += 1
            region.owned = region.owned or frame not in self.cached

    def _unmap(self, space: Space, head: int) -> None:
        frame, _ = space.entries.pop(head)
        if frame == ZERO:
            return
        self.sharers[frame] -= 1
        if frame in self.cached:
            return
        if self.sharers[frame] == 0:
            self._free(frame)
        elif self.sharers[frame] == 1 and self.seeks_last:
            for other in self.spaces.values():
                for entry in other.entries.values():
                    if entry[0] == frame:
                        entry[1] = True

    def _inherit(self, parent: Space, child: Space, head: int) -> int:
        frame = parent.entries[head][0]
        if frame == ZERO:
            child.entries[head] = [ZERO, False]
            return 0
        if self.fork_copies and frame not in self.cached:
            own = self.next_frame
            self.next_frame += 1
            self.frame_pages[own], self.sharers[own] = self.frame_pages[frame], 1
            child.entries[head] = [own, True]
            return self.frame_pages[own] * self.page_bytes
        self.sharers[frame] += 1
        parent.entries[head][1] = False
        child.entries[head] = [frame, False]
        return 0

    def _heads(self, space: Space, first: int, end: int) -> list[int]:
        return [head for head in space.entries if first <= head < end]

    # ----------------------------------------------------------------- frames
    def _new_frame(self, level: int) -> int:
        frame = self.next_frame
        self.next_frame += 1
        self.frame_pages[frame], self.sharers[frame] = self.leaf(level), 0
        return frame

    def _free(self, frame: int) -> None:
        del self.sharers[frame], self.frame_pages[frame]

    def _drop_unheld(self) -> None:
        """Free what belongs to shared objects that no region refers to any more."""
        regions = [region for space in self.spaces.values() for region in space.regions]
        kept = {frame for region in regions for frame in (region.held or {}).values()}
        kept |= {frame for held, _ in self.files for frame in held.values()}
        for frame in self.cached - kept:
            self._free(frame)
        self.cached &= kept

    # ----------------------------------------------------------------- tables
    def _table_of(self, level: int, page: int) -> int:
        return page >> sum(self.bits[:level])

    def _span(self, table: tuple[int, int]) -> tuple[int, int]:
        level, number = table
        pages = 1 << sum(self.bits[:level])
        return number * pages, (number + 1) * pages

    def _tables_meeting(self, space: Space, first: int, end: int) -> set[tuple[int, int]]:
        spans = {table: self._span(table) for table in space.tables}
        return {table for table, (low, high) in spans.items() if low < end and first < high}

    def _still_needed(self, space: Space, table: tuple[int, int]) -> bool:
        low, high = self._span(table)
        root = table[0] == len(self.bits)
        return root or any(low < r.end and r.first < high for r in space.regions)

    def _without(self, region: Region, first: int, end: int) -> list[Region]:
        """Return what is left of `region` without the pages first .. end."""
        if end <= region.first or region.end <= first:
            return [region]
        parts = [(region.first, min(first, region.end)), (max(end, region.first), region.end)]
        return [Region(**{**vars(region), "first": low, "end": high}) for low, high in parts if low < high]
