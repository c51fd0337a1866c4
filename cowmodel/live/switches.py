"""Switches of the running kernel: set for the time of a scenario, and put back whatever happens.

Only one process at a time may set them. Ctrl-C and the signals that ask a program to end also put them back;
after SIGKILL they stay as they are.
"""

import fcntl
import re
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from cowmodel.live import proc
from cowmodel.scenario.steps import Settings
from cowmodel.speed.running_kernel import CannotMeasure

THP = Path("/sys/kernel/mm/transparent_hugepage")
KSM = Path("/sys/kernel/mm/ksm")
POOL = proc.POOL / "nr_hugepages"
VM = Path("/proc/sys/vm")
RULE, RATIO, LIMIT = VM / "overcommit_memory", VM / "overcommit_ratio", VM / "overcommit_kbytes"
RESERVE = VM / "user_reserve_kbytes"  # what the last request may not take
LOCK = Path(tempfile.gettempdir(), "cowmodel-live.lock")
_PATIENCE_S = 60
_ENDING = (signal.SIGTERM, signal.SIGHUP)

QUIET: dict[Path, str] = {
    THP / "enabled": "madvise",
    THP / "use_zero_page": "1",
    # khugepaged would make huge pages behind a scenario's back; it sleeps for longer than that takes
    THP / "khugepaged/scan_sleep_millisecs": "100000000",
    THP / "khugepaged/alloc_sleep_millisecs": "100000000",
    KSM / "run": "0",
    Path("/proc/sys/kernel/numa_balancing"): "0",
}
"""What no scenario wants to be disturbed by, where the kernel has it."""
_AWAKE = {KSM / "sleep_millisecs": "0", KSM / "pages_to_scan": "10000", KSM / "run": "1"}
_SCANS = (
    4  # one to know a page's bytes, one to see that they stay, one to find its like; and the one under way
)


def wanted(settings: Settings) -> dict[Path, str]:
    """Return how the switches should be for a scenario, by file."""
    sizes = dict.fromkeys(sorted(THP.glob("hugepages-*kB/enabled")), "never")
    sizes |= {THP / "hugepages-2048kB/enabled": "inherit"} if THP.exists() else {}
    sizes |= {THP / f"hugepages-{size >> 10}kB/enabled": when for size, when in settings.mthp.items()}
    pool = {} if settings.hugepages is None else {POOL: str(settings.hugepages)}
    return {file: value for file, value in QUIET.items() if file.exists()} | sizes | pool


@contextmanager
def switched(settings: Settings, privileged: bool) -> Iterator[None]:
    """Set the switches that a scenario wants; put back what they were.

    Raises
    ------
    CannotMeasure
        If one cannot be set that the scenario asks for.
    """
    if not privileged:
        _check(settings)
        yield
        return
    with LOCK.open("w") as lock, _ended_by_exceptions():
        fcntl.flock(lock, fcntl.LOCK_EX)
        changed: dict[Path, str] = {}
        try:
            _set(wanted(settings), changed)
            yield
        finally:
            _put_back(changed)


def merged() -> None:
    """Let the kernel merge pages that are equal, and return when it has.

    Raises
    ------
    CannotMeasure
        If the kernel cannot, or only root can let it.
    """
    changed: dict[Path, str] = {}
    try:
        _set(_AWAKE, changed)
        done = int(value_of(KSM / "full_scans")) + _SCANS
        until = time.monotonic() + _PATIENCE_S
        while int(value_of(KSM / "full_scans")) < done:
            if time.monotonic() > until:
                raise CannotMeasure(f"{KSM}/full_scans: expected {done} in {_PATIENCE_S} seconds, got fewer")
            time.sleep(0.001)
    except PermissionError as problem:
        raise CannotMeasure(f"{problem.filename}: only root can let pages be merged") from problem
    finally:
        _put_back(changed)


@contextmanager
def committed_at_most(left_bytes: int) -> Iterator[None]:
    """Let all processes together commit no more than so many bytes beside what is committed now.

    That goes for the whole machine: others are refused as well, so it is for the time of one system call.
    Linux counts to within 1/256 of the memory a CPU: let requests be larger, and not end near the limit.
    """
    before = {file: value_of(file) for file in (RULE, RESERVE, RATIO, LIMIT)}
    try:
        RESERVE.write_text("0")
        LIMIT.write_text(str(max(1, proc.committed_kb() + (left_bytes >> 10))))
        RULE.write_text("2")
        yield
    finally:
        for file, value in before.items():
            if file != LIMIT or value != "0":  # that would set the ratio to 0
                file.write_text(value)


def value_of(file: Path) -> str:
    """Return the value of a switch: of several words, the one in brackets."""
    text = file.read_text().strip()
    chosen = re.search(r"\[(.*?)\]", text)
    return chosen[1] if chosen else text


def _set(values: Mapping[Path, str], changed: dict[Path, str]) -> None:
    """Set switches, noting in `changed` what they were."""
    for file, value in values.items():
        if not file.exists():
            raise CannotMeasure(f"expected the switch {file}, got none; this kernel does not have it")
        if (before := value_of(file)) != value:
            changed[file] = before
            file.write_text(value)
            if (got := value_of(file)) != value:
                raise CannotMeasure(f"{file}: expected {value}, got {got}; too little memory in one piece?")


def _put_back(changed: dict[Path, str]) -> None:
    """Set switches to what they were, the last one first."""
    for file, value in reversed(changed.items()):
        file.write_text(value)


def _check(settings: Settings) -> None:
    """Refuse what only root can set and is not set already."""
    if settings.commit_bytes is not None:
        raise CannotMeasure(f"{RULE}: the scenario limits what is committed, and only root can set it")
    asked = wanted(settings).items() if settings.mthp else []
    pool = [] if settings.hugepages is None else [(POOL, str(settings.hugepages))]
    for file, value in [*asked, *pool]:
        if not file.exists() or ((file.parent.parent == THP or file == POOL) and value_of(file) != value):
            raise CannotMeasure(f"{file}: the scenario wants {value}, and only root can set it")


@contextmanager
def _ended_by_exceptions() -> Iterator[None]:
    """Let signals that end a program raise, so that what must be put back is."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    # outside the main thread nobody may set handlers, and no signal arrives
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, end) for number in _ENDING if main}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
