"""What both views say in the same words: levels, boxes of frames, counts and prices."""

from typing import TYPE_CHECKING

from cowmodel.scenario.steps import PAGE_BYTES
from cowmodel.units import format_count, format_duration, format_size

if TYPE_CHECKING:
    from cowmodel.watch.boxes import Box
    from cowmodel.watch.changes import Change
    from cowmodel.watch.snapshot import Counts, Snapshot, Space
    from cowmodel.watch.tree import Entries, Rest

_NAMES = ("", "PTE", "PMD", "PUD", "P4D", "PGD")
_MOST_NAMES = 4
TAGS = {
    "": "",
    "new": "new",
    "another frame": "new frame",
    "writable": "now writable",
    "read-only": "now read-only",
    "split": "split",
    "other bits": "other bits",
}
"""By what became of an entry, a few letters for a picture."""


def level_name(level: int, top: int) -> str:
    """Return what Linux calls a level; with four of them there is no P4D.

    Examples
    --------
    >>> level_name(4, 4), level_name(4, 5)
    ('PGD', 'P4D')
    """
    return _NAMES[-1] if level == top else _NAMES[level]


def alike(count: int) -> str:
    """Say that one stands for many.

    Examples
    --------
    >>> alike(64), alike(1)
    ('× 64 like this', '')
    """
    return f"× {format_count(count)} like this" if count > 1 else ""


def pages(region: str, numbers: str) -> str:
    """Say which pages of a region.

    Examples
    --------
    >>> pages("A", "3"), pages("A", "0–63")
    ('A page 3', 'A pages 0–63')
    """
    return f"{region} page{'s' * (not numbers.isdigit())} {numbers}"


def shared_by(box: "Box") -> str:
    """Say who maps what is in a box."""
    if not box.mappers:
        return "nobody maps it"
    names = box.mappers
    who = " + ".join(names) if len(names) <= _MOST_NAMES else f"{len(names)} processes"
    return f"shared: {who}" if len(box.mappers) > 1 else f"only {who}"


def content(box: "Box") -> str:
    """Say what is in a box, and how much."""
    if box.kind == "zero page":
        return "the zero page"
    size = f"{format_size(box.unit_pages * PAGE_BYTES)} " if box.unit_pages > 1 else ""
    return f"{size}{box.kind}" + (f" × {format_count(box.count)}" if box.count > 1 else "")


def numbers(box: "Box") -> str:
    """Say which frames are in a box."""
    many = box.count > 1 or box.unit_pages > 1
    return f"frame{'s' * many} {box.frames}"


def tables(space: "Space") -> str:
    """Say how many table pages a process has."""
    many = f"{format_count(space.table_pages)} table page{'s' * (space.table_pages != 1)} below the root"
    return many if space.table_pages else "nothing mapped yet"


def more(rest: "Rest") -> str:
    """Say that there is more than is shown."""
    return f"… and {format_count(rest.count)} more entries of other kinds"


def happened(change: "Change") -> str:
    """Say what a step did to entries.

    Examples
    --------
    >>> from cowmodel.watch.changes import Change
    >>> happened(Change("P1", "A", "writable", 1, "3", "P····", "PW···", (), "7", "7", (1, 1)))
    'P1 A 3: P···· frame 7 → PW··· frame 7'
    """
    before = f"{change.before} {frames(change.frames_before)}" if change.before else "nothing"
    after = f"{change.after} {frames(change.frames_after)}" if change.after else "nothing"
    times = f" (× {format_count(change.count)})" if change.count > 1 else ""
    return f"{change.proc} {change.region} {change.pages}: {before} → {after}{times}"


def frames(text: str) -> str:
    """Say which frames.

    Examples
    --------
    >>> frames("0"), frames("17"), frames("1–64")
    ('zero page', 'frame 17', 'frames 1–64')
    """
    return "zero page" if text == "0" else f"frame{'' if text.isdigit() else 's'} {text}"


def counted(counts: "Counts") -> dict[str, str]:
    """Return the counts of a step with their headings."""
    return {
        "minor faults": format_count(counts.faults),
        "copies": format_count(counts.copies),
        "flips": format_count(counts.flips),
        "copied": format_size(counts.copied_bytes),
        "frames in use": format_count(counts.frames),
        "table pages": format_count(counts.table_pages),
    }


def priced(snapshot: "Snapshot", most: int = 6) -> list[tuple[str, str, str, float]]:
    """Return what a step cost, by parts: what, how often, time, and its share; small ones in one line."""
    total = sum(part.cost_ps for part in snapshot.prices) or 1.0
    rows = [(part.what, part.count, part.cost_ps) for part in snapshot.prices[:most]]
    if rest := snapshot.prices[most:]:
        rows.append((f"{len(rest)} more", "", sum(part.cost_ps for part in rest)))
    return [(what, count, format_duration(round(ps)), ps / total) for what, count, ps in rows]


def described(entries: "Entries") -> str:
    """Say in one sentence what an entry maps, for who cannot see the picture."""
    change = f"; {entries.change}" if entries.change else ""
    notes = "".join(f"; {note}" for note in entries.notes)
    said = f"{pages(entries.region, entries.pages)}, bits {entries.bits}, {frames(entries.frames)}"
    return f"{said}{notes}{change} {alike(entries.count)}".strip()
