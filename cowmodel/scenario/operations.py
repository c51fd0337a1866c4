"""The operations of the language: how each is written, and the step that its line stands for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cowmodel.errors import ConfigError
from cowmodel.scenario.draft import Draft
from cowmodel.scenario.read_pattern import read_pattern
from cowmodel.scenario.settings import SET_USAGE
from cowmodel.scenario.steps import PAGE_BYTES, Access, Fork, Map, Move, Plain, Ranged, Stat, Step
from cowmodel.scenario.words import Words, chosen, size, span, whole

KINDS = ("anon", "shared", "file", "fileshared")
PAGES = {"4k": PAGE_BYTES, "thp": 2 << 20, "mthp": PAGE_BYTES, "hugetlb": 2 << 20}
ADVICE = ("dontneed", "free", "populate_read", "populate_write", "wipeonfork", "dontfork")
RIGHTS = ("none", "r", "rw")
MOST_MERGED = 256  # Linux: max_page_sharing, as it is by default
UNITS = {"4k": PAGE_BYTES, "2m": 2 << 20, "1g": 1 << 30}

_ACCESS = "PROC REGION PATTERN [unit=4k|2m|1g] [off=BYTES] [cpu=K]"
_LAUNCH = {op: f"{op} PROC" for op in ("exit", "vfork", "spawn", "forkexec")}
USAGE = {
    "name": "name ID",
    "set": SET_USAGE,
    "map": "map PROC REGION anon|shared|file|fileshared pages=N|size=64m page=4k|thp|mthp|hugetlb"
    " [shift=1m] [file=SLOT] [from=BYTES]",
    "touch": f"touch {_ACCESS} [r|w]",
    **{op: f"{op} {_ACCESS}" for op in ("write", "read", "rmw")},
    "fork": "fork PROC CHILD",
    "munmap": "munmap PROC REGION [FROM-TO]",
    "madvise": f"madvise PROC REGION [FROM-TO] {'|'.join(ADVICE)}",
    "mprotect": f"mprotect PROC REGION [FROM-TO] {'|'.join(RIGHTS)}",
    "mremap": "mremap PROC REGION",
    "mlock": "mlock PROC REGION [FROM-TO]",
    "pin": "pin PROC REGION [FROM-TO]",
    "unpin": "unpin PROC REGION",
    "merge": "merge PROC REGION [FROM-TO]",
    **_LAUNCH,
    "stat": "stat",
    "par": "par N",
}
"""How a line is written, by its first word."""


def _map(draft: Draft, words: Words, head: dict[str, Any]) -> Map:
    name, slot = draft.new_region(head["proc"], words)
    kind = words.choose("a kind of memory", KINDS)
    page = chosen("page=", words.option("page"), PAGES)
    file = draft.settings.file(words.option("file")) if "file" in kind else None
    pages = _pages(words)
    shift = size("shift", words.option("shift", "0"))
    leaf = PAGES["hugetlb"] if page == "hugetlb" else PAGE_BYTES
    if (pages * PAGE_BYTES) % leaf or shift % leaf:
        raise ConfigError(
            f"expected size and shift as multiples of {leaf:,} bytes with page={page}; round them"
        )
    if file and page != "4k":
        raise ConfigError(f"expected page=4k for a file, got page={page}")
    return Map(
        **head,
        region=name,
        kind=kind,
        page=page,
        pages=pages,
        shift_bytes=shift,
        slot=slot,
        file=file,
        from_bytes=_from(words) if file else 0,
    )


def _from(words: Words) -> int:
    """Read `from=BYTES`, where in its file a region starts."""
    start = size("from", words.option("from", "0"))
    if start % PAGE_BYTES:
        raise ConfigError(f"expected whole 4 KiB pages as from=, got {start:,} bytes")
    return start


def _pages(words: Words) -> int:
    """Read `pages=N` or `size=SIZE`, as 4 KiB pages."""
    if words.has("pages"):
        return whole("pages", words.option("pages"), least=1, most=1 << 26)
    size_bytes = size("size", words.option("size"))
    if size_bytes % PAGE_BYTES or not 0 < size_bytes <= 1 << 38:
        raise ConfigError(f"expected a size of whole 4 KiB pages, up to 256g, got {size_bytes:,} bytes")
    return size_bytes // PAGE_BYTES


def _access(draft: Draft, words: Words, head: dict[str, Any]) -> Access:
    region = draft.mapped(head, words)
    unit = UNITS[chosen("unit=", words.option("unit", "4k"), UNITS)]
    offset = whole("off, a byte of the unit", words.option("off", "0"), most=unit - 1)
    pattern = read_pattern(words, -(-region.pages * PAGE_BYTES // unit))
    if pattern.highest * unit + offset >= region.pages * PAGE_BYTES:
        raise ConfigError(f"expected accesses inside the region of {region.pages:,} pages, got one behind it")
    cpu = whole("cpu", words.option("cpu"), most=1023) if words.has("cpu") else None
    rights = words.take("r or w") if head["op"] == "touch" and words else "w"
    write = head["op"] != "read" and chosen("r or w", rights, ("r", "w")) == "w"
    return Access(
        **head,
        region=region.region,
        pattern=pattern,
        write=write,
        unit_bytes=unit,
        offset_bytes=offset,
        cpu=cpu,
        group=draft.join_group(head["proc"]),
    )


def _fork(draft: Draft, words: Words, head: dict[str, Any]) -> Fork:
    return Fork(**head, child=draft.new_child(words))


def _ranged(draft: Draft, words: Words, head: dict[str, Any]) -> Ranged:
    region = draft.mapped(head, words)
    first, last = 0, region.pages - 1
    if words.peek()[:1].isdigit():
        first, last = span("pages", words.take("pages"))
    if last >= region.pages:
        raise ConfigError(f"expected pages up to {region.pages - 1:,}, got {last:,}; the region ends there")
    how = words.choose("what to do", HOW[head["op"]]) if head["op"] in HOW else ""
    return Ranged(**head, region=region.region, first=first, last=last, how=how)


def _move(draft: Draft, words: Words, head: dict[str, Any]) -> Move:
    region = draft.mapped(head, words)
    if region.page == "hugetlb":  # a page that is taken from others is sought where it was
        raise ConfigError("expected base pages or large folios to move, got page=hugetlb, which stays")
    there = replace(region, slot=draft.cast.free_slot())
    return Move(**head, region=region.region, there=there)


def _unpin(draft: Draft, words: Words, head: dict[str, Any]) -> Ranged:
    region = draft.mapped(head, words)
    return Ranged(**head, region=region.region, first=0, last=region.pages - 1)


def _merge(draft: Draft, words: Words, head: dict[str, Any]) -> Ranged:
    step = _ranged(draft, words, head)
    region, pages = draft.cast.region(step), step.last - step.first + 1
    if region.feature != "map anon page=4k":
        raise ConfigError(f"expected anonymous memory with page=4k to merge, got {region.feature[4:]}")
    if pages > MOST_MERGED:
        raise ConfigError(f"expected at most {MOST_MERGED} pages, which may share a frame, got {pages:,}")
    if any(other.op == "merge" for other in draft.steps):
        raise ConfigError(
            "expected one merge in a scenario, got another; KSM would also merge what became equal meanwhile"
        )
    return step


def _plain(draft: Draft, words: Words, head: dict[str, Any]) -> Plain:
    return Plain(**head)


def _stat(draft: Draft, words: Words, head: dict[str, Any]) -> Stat:
    return Stat(**head)


HOW = {"madvise": ADVICE, "mprotect": RIGHTS}
READERS: dict[str, Callable[[Draft, Words, dict[str, Any]], Step]] = {
    "map": _map,
    **dict.fromkeys(("touch", "write", "read", "rmw"), _access),
    "fork": _fork,
    **dict.fromkeys(("munmap", "madvise", "mprotect", "mlock", "pin"), _ranged),
    "unpin": _unpin,
    "merge": _merge,
    "mremap": _move,
    **dict.fromkeys(_LAUNCH, _plain),
    "stat": _stat,
}


def ranks_as_access(op: str) -> bool:
    """Return whether `op` may run at the same time as others."""
    return READERS[op] is _access
