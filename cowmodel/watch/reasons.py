"""Why a step did what it did, in words: from the kinds of its faults, its work, and what it changed.

Nothing here decides anything: the kernel has, and says so by the names of its faults and in counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cowmodel.kernel.fault import FLIPS
from cowmodel.kernel.work import Work
from cowmodel.units import format_count, format_size
from cowmodel.watch.changes import GONE, Change
from cowmodel.watch.entry import FOREIGN
from cowmodel.watch.words import frames, pages

_AFTER_COPY = "mapped writable; the other entries stay as they are until their own write"
SENTENCES = {
    "zero_fill": "nothing is mapped: a frame is taken, zeroed and mapped writable",
    "zero_map": "a read where nothing is: the one zero page is mapped, read-only; no memory is taken",
    "zero_replace": "a write to the zero page: a zeroed frame takes its place; there is nothing to copy",
    "htlb_fill": "nothing is mapped: a huge page is taken from the pool, zeroed and mapped whole",
    "htlb_reuse": "last sharer of a huge page: flip, the entry becomes writable in place, nothing is copied",
    "cow_reuse": "the entry is read-only, and nobody else maps the frame any more. Last sharer: flip,"
    " the entry becomes writable in place, nothing is copied",
    "shared_map": "the mapping is shared: the one frame that all processes see is mapped, nothing is copied",
    "shared_upgrade": "first write through this entry: the file is told, the entry becomes writable in place",
    "file_map": "a read of a private file page: the page cache's own frame is mapped, read-only",
    "file_cow": "a write to a private file page: the page cache's frame is copied; the file never sees it",
    "thp_fill": "an empty, aligned 2 MiB: a folio of 512 frames is zeroed, and one entry maps it",
    "thp_zero_map": "a read of an empty 2 MiB: one entry maps the huge zero page; no memory is taken",
    "thp_zero_replace": "a write to the huge zero page: a zeroed folio of 512 frames takes its place",
    "thp_reuse": "last sharer of a huge page: flip, the one entry becomes writable in place",
    "thp_split_copy": "a shared huge page: the writer's entry is split into 512 small ones, and only the page"
    " written is copied; the others go on sharing the folio",
    "thp_copy": "a shared huge page: under these rules it is copied whole, 2 MiB for one byte",
    "spurious": "the entry permits it by now: the fault has nothing to do",
    "late": "another was faster: the frame that was taken is given back",
}
"""By kind of fault, what it found and did; copies of small and hugetlb pages have more to say."""
OPERATIONS = {
    "map": "A mapping is a promise: no frame, no entry, no table page yet. The first access faults.",
    "mremap": "The entries move to other pages; the frames stay what they are.",
    "mlock": "The pages are there from now on, and stay.",
    "pin": "Pinned: the frames are held in place, and a fork will copy them at once.",
    "unpin": "Held in place no more.",
    "merge": "Pages that are equal share one frame now, read-only: who writes copies, even the last.",
    "vfork": "The child borrows its parent's address space until it ends: there is nothing to copy.",
    "spawn": "A new program starts without a copy of its parent's address space.",
    "forkexec": "The child drops what fork gave it and starts another program: it was copied in vain.",
}
"""What is to be said of an operation beyond its faults and its work."""
_ROBBED = "no huge page is left to copy to: the owner of the mapping takes this one from all others"
_COPIES = {"cow_copy": "", "htlb_copy": "the huge page in "}
_STOPPED = {
    "sigsegv": "The process is stopped by SIGSEGV: its mapping does not permit the access.",
    "sigbus": "The process is stopped by SIGBUS: there is no page to give it.",
    "refused": "Refused, by a limit or for want of rights: nothing has changed.",
}


@dataclass(frozen=True)
class Evidence:
    """What is known of a step.

    Attributes
    ----------
    op, proc : str
        What is done, and who does it.
    kinds : mapping of str to int
        Its faults.
    work : Work
    changes : tuple of Change
    stopped : str
        'sigsegv', 'sigbus', 'refused' or empty.
    """

    op: str
    proc: str
    kinds: Mapping[str, int]
    work: Work
    changes: tuple[Change, ...]
    stopped: str = ""


def reasons(step: Evidence) -> tuple[str, ...]:
    """Return sentences that say why."""
    said = [*_faults(step), *_forked(step), *_split(step), *_dropped(step), *_others(step)]
    if step.stopped:
        said.append(_STOPPED[step.stopped])
    elif step.op in OPERATIONS:
        said.append(OPERATIONS[step.op])
    return tuple(said) or ("Nothing changes.",)


def _faults(step: Evidence) -> Iterator[str]:
    for kind, count in step.kinds.items():
        found = [change for change in step.changes if change.proc == step.proc and _fits(kind, change)]
        where = "; ".join(pages(change.region, change.pages) for change in found[:3])
        head = f"{_many(count, 'fault')}{f' ({where})' if where else ''}"
        yield f"{head}: {_sentence(kind, step, found)}."
    accesses = step.work.hits
    if accesses and not step.kinds and not step.stopped and step.op != "merge":
        yield f"{_many(accesses, 'access', 'es')}: the entries permit it, the kernel is not asked. No fault."


def _sentence(kind: str, step: Evidence, found: list[Change]) -> str:
    if kind == "htlb_reuse" and any(change.proc != step.proc for change in step.changes):
        return _ROBBED
    return _copied(kind, found) if kind in _COPIES else SENTENCES[kind]


def _fits(kind: str, change: Change) -> bool:
    """Return whether a change is one that faults of a kind make."""
    if kind in FLIPS:
        return change.what == "writable"
    if kind in _COPIES or kind in ("thp_split_copy", "thp_copy"):
        return change.what == "another frame" and change.sharers[1] > 0
    if kind in ("zero_replace", "thp_zero_replace"):
        return change.what == "another frame" and change.sharers[1] == 0
    return change.what == "new"


def _copied(kind: str, found: list[Change]) -> str:
    """Say why a frame was copied: who else has it."""
    if not found:
        return f"the entry is read-only and its frame is copied, {_AFTER_COPY}"
    change, more = found[0], " and others" * (len(found) > 1)
    old = _COPIES[kind] + frames(change.frames_before) + more
    to = f"copied to {frames(change.frames_after)}{more}"
    if FOREIGN & set(change.notes):
        held = ", ".join(change.notes)
        return f"the entry is read-only, and {old} cannot become its own ({held}): {to}, mapped writable"
    if change.sharers[1] > 1:
        least, most = min(one.sharers[0] for one in found), max(one.sharers[1] for one in found)
        many = f"{most}" if least == most else f"{least} to {most}"
        each = " each" * (change.count > 1)
        return f"the entry is read-only and {old} {_has(change)} {many} sharers{each}: {to}, {_AFTER_COPY}"
    held = f" ({', '.join(change.notes)})" if change.notes else ""
    return f"nobody else maps {old}{held}, but these rules copy all the same: {to}, mapped writable"


def _has(change: Change) -> str:
    return "has" if change.count == 1 else "have"


def _forked(step: Evidence) -> Iterator[str]:
    work = step.work
    if not work.forks:
        return
    entries = work.pte_entries + work.pmd_entries + work.pud_entries + work.parts
    tables = work.pte_tables + work.pmd_tables + work.pud_tables + work.p4d_tables
    protected = work.protections + work.part_protections + work.large_protections
    if not entries:
        yield (
            "fork: no entry is copied. What was only read, or is shared, the child finds again by faults"
            " of its own."
        )
        return
    memory = (
        f"and {format_size(work.copied_bytes)} of memory with them" if work.copied_bytes else "but no memory"
    )
    made = _many(tables, "new table page")
    yield f"fork: {_entries(entries)} copied into {made} below a new root, {memory}."
    if protected:
        yield (
            f"{_entries(protected)} lost the right to write, on both sides: parent and child share the frames"
            " until one of them writes."
        )
    if (already := _read_only(step) - protected) > 0:
        yield f"{_entries(already)} could not be written before either."
    if work.copied_bytes:
        yield "What was copied has frames of its own on each side: writes to it will not fault."


def _read_only(step: Evidence) -> int:
    """Return the entries of a child that may not be written."""
    given = [change for change in step.changes if change.proc != step.proc and change.what == "new"]
    return sum(change.count for change in given if "W" not in change.after)


def _split(step: Evidence) -> Iterator[str]:
    work = step.work
    if work.splits and not any(kind.startswith("thp_split") for kind in step.kinds):
        yield f"{_many(work.splits, 'huge entry became', '', 'huge entries became')} a table of small ones."
    if work.mapped_around:
        yield f"{_entries(work.mapped_around)} more in the same faults: neighbours in memory already."
    if work.filled_parts:
        yield f"{_entries(work.filled_parts)} more in the same faults: a folio is mapped as a whole."


def _dropped(step: Evidence) -> Iterator[str]:
    work = step.work
    gone = [change for change in step.changes if change.what == GONE]
    dropped = work.drops + work.large_drops + work.dropped_parts
    if not gone or not dropped:
        return
    said = [f"{_entries(dropped)} taken out of the page table"]
    if work.freed_bytes:
        said.append(f"{format_size(work.freed_bytes)} that nobody else maps is free again")
    if any(change.sharers[1] > 1 for change in gone):
        said.append("frames that others map too have a sharer less")
    if any(FOREIGN & set(change.notes) for change in gone):
        said.append("what is a file's or shared memory's stays as long as that does")
    if work.table_frees:
        said.append(f"{_many(work.table_frees, 'table page')} given back")
    yield "; ".join(said) + "."


def _others(step: Evidence) -> Iterator[str]:
    work = step.work
    at_once = work.flips - sum(step.kinds.get(kind, 0) for kind in FLIPS)
    if work.searches:
        yield (
            f"{_many(work.searches, 'frame')} had one sharer left; the kernel looked for it, and made"
            f" {_entries(at_once)} writable at once: no fault will follow."
        )
    if work.rewrites:
        yield f"{_entries(work.rewrites)} rewritten in place."


def _entries(count: int) -> str:
    return _many(count, "entry", "", "entries")


def _many(count: int, noun: str, ending: str = "s", plural: str = "") -> str:
    return f"{format_count(count)} {noun if count == 1 else plural or noun + ending}"
