"""Work: how many elementary operations an action took.

The kernel counts work, a cost model prices it, and only the machine lets time pass. Each field has one
price in every cost preset, under the same name.
"""

from typing import NamedTuple


class Work(NamedTuple):
    """Counts of elementary operations; work adds up with `+`.

    Attributes
    ----------
    hits : int
        Accesses that the page table permits.
    traps : int
        Page faults: exception, lookup of the mapping, return.
    allocations : int
        Leafs taken from the frame allocator, of any size.
    zeroed_bytes, copied_bytes : int
    unbacked_bytes : int
        Of these, what no memory of the host backs yet, on a guest; the cost model knows how many to expect.
    mapped_around, filled_parts : int
        Entries that a fault fills beside that of its own page: neighbours that an object has; the others of a
        new folio that is mapped by single pages.
    insertions, evictions : int
        Leafs put into an object; given back when it goes.
    notices : int
        Writes to shared pages that an object is told of.
    flips : int
        Entries made writable in place.
    splits : int
        Large leafs that became a table of entries.
    releases : int
        Old frames of which a fault took leave, to go on with a copy.
    cold_frames, cold_records : int
        Of faults in memory that is larger than the cache: new frames; old ones, of which the kernel looks up
        how they are used.
    far_doublings : int
        Of faults that fill, copy or flip and are not near the one before: by how many doublings memory is
        larger than the cache, since the further it is beyond that, the longer take entries and records.
    searches : int
        Frames whose last sharer the kernel looked for through the reverse map.
    invalidations, flushes : int
        Translations thrown out of the TLB one by one; whole address spaces thrown out.
    shootdowns : int
        Other cores that were interrupted to do the same.
    forks, threads, spawns, execs, exits, waits, mappings : int
        Calls of the verbs, whatever their size; a mapping is one mmap or munmap, a thread also a vfork with
        the end of that child.
    rewrites : int
        Entries that mprotect or advice changed.
    cold_forks : int
        Forks that find the kernel's own code and data out of the caches: more memory than these hold was
        written since the last one, or none was made just before.
    vmas : int
        Mappings duplicated by fork.
    pte_entries, pmd_entries, pud_entries : int
        Leaf entries of level 1, 2 and 3 copied by fork.
    parts, batches : int
        Entries of level 1 copied by fork that map parts of large folios, which do not count among
        `pte_entries`; runs of them that are copied together, each inside one folio.
    scans : int
        Table pages of level 1 that fork goes over.
    protections, part_protections, large_protections : int
        Entries made read-only by fork: of level 1, but for parts of large folios; these parts; larger ones.
    entry_jumps : int
        Entries of level 1 shared by fork whose frame does not follow that of the entry before.
    pte_tables, pmd_tables, pud_tables, p4d_tables, pgd_tables : int
        Table pages allocated at level 1 to 4; roots.
    deposits : int
        Table pages kept for the split of a large leaf.
    drops, large_drops : int
        Entries of level 1, and larger ones, taken out of a page table; of parts of a folio that lie side by
        side the first.
    dropped_parts : int
        The others of these.
    drop_jumps : int
        Entries of level 1 taken out whose frame does not follow that of the entry before.
    table_frees : int
        Table pages below the root given back, other than those kept for splits, which go with their leafs.
    withdrawals : int
        Table pages that were kept for the split of a large leaf, given back with it.
    frees, freed_bytes : int
        Leafs, or folios, given back; the size of those that go to the frame allocator, not to a pool of huge
        pages or with an object, whose price is that of `evictions`.
    switches : int
        Times a core went from one process to another.
    tlb_hits, walk_loads : int
        Hits that the second level of a TLB translated; loads from page tables by walks. Both are 0 where no
        TLBs are modelled: the price of hits stands for them then.

    Examples
    --------
    >>> (Work(traps=1, copied_bytes=4096) + Work(traps=1)).traps
    2
    """

    hits: int = 0
    traps: int = 0
    allocations: int = 0
    zeroed_bytes: int = 0
    copied_bytes: int = 0
    unbacked_bytes: int = 0
    mapped_around: int = 0
    filled_parts: int = 0
    insertions: int = 0
    evictions: int = 0
    notices: int = 0
    flips: int = 0
    splits: int = 0
    releases: int = 0
    cold_frames: int = 0
    cold_records: int = 0
    far_doublings: int = 0
    searches: int = 0
    invalidations: int = 0
    flushes: int = 0
    shootdowns: int = 0
    forks: int = 0
    threads: int = 0
    spawns: int = 0
    execs: int = 0
    exits: int = 0
    waits: int = 0
    mappings: int = 0
    rewrites: int = 0
    cold_forks: int = 0
    vmas: int = 0
    pte_entries: int = 0
    pmd_entries: int = 0
    pud_entries: int = 0
    parts: int = 0
    batches: int = 0
    scans: int = 0
    protections: int = 0
    part_protections: int = 0
    large_protections: int = 0
    entry_jumps: int = 0
    pte_tables: int = 0
    pmd_tables: int = 0
    pud_tables: int = 0
    p4d_tables: int = 0
    pgd_tables: int = 0
    deposits: int = 0
    drops: int = 0
    large_drops: int = 0
    dropped_parts: int = 0
    drop_jumps: int = 0
    table_frees: int = 0
    withdrawals: int = 0
    frees: int = 0
    freed_bytes: int = 0
    switches: int = 0
    tlb_hits: int = 0
    walk_loads: int = 0

    def __add__(self, other: "Work") -> "Work":  # type: ignore[override]  # sums, not concatenation
        """Return the work of both."""
        return Work(*map(int.__add__, self, other))

    @property
    def prepared(self) -> "Work":
        """What of a fault's work is done before an entry is changed, outside the lock of its table."""
        return self._replace(**_UNDER_LOCK)


NOTHING = Work()
_UNDER_LOCK = dict.fromkeys(
    (
        "mapped_around",
        "filled_parts",
        "flips",
        "releases",
        "searches",
        "invalidations",
        "flushes",
        "shootdowns",
        "drops",
        "frees",
        "freed_bytes",
    ),
    0,
)
OF_TLBS = ("tlb_hits", "walk_loads")  # counted where TLBs are modelled

_ENTRIES = ("", "pte_entries", "pmd_entries", "pud_entries")
_TABLES = ("", "pte_tables", "pmd_tables", "pud_tables", "p4d_tables")


def entries_work(level: int, count: int) -> Work:
    """Return the work of copying `count` leaf entries of `level`."""
    return Work(**{_ENTRIES[level]: count})


def tables_work(made: list[int]) -> Work:
    """Return the work of allocating `made[level]` tables of each level below the root."""
    return Work(**{_TABLES[level]: count for level, count in enumerate(made) if count})
