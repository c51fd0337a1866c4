"""Switches of the running kernel: set for the time of a scenario, and put back whatever happens.

Only one process at a time may set them. Ctrl-C and the signals that ask a program to end also put them back;
after SIGKILL they stay as they are.
"""

import fcntl
import re
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from cowmodel.live import proc
from cowmodel.scenario.steps import Settings
from cowmodel.speed.running_kernel import CannotMeasure

THP = Path("/sys/kernel/mm/transparent_hugepage")
POOL = proc.POOL / "nr_hugepages"
LOCK = Path(tempfile.gettempdir(), "cowmodel-live.lock")
_ENDING = (signal.SIGTERM, signal.SIGHUP)

QUIET: dict[Path, str] = {
    THP / "enabled": "madvise",
    THP / "use_zero_page": "1",
    # khugepaged would make huge pages behind a scenario's back; it sleeps for longer than that takes
    THP / "khugepaged/scan_sleep_millisecs": "100000000",
    THP / "khugepaged/alloc_sleep_millisecs": "100000000",
    Path("/sys/kernel/mm/ksm/run"): "0",
    Path("/proc/sys/kernel/numa_balancing"): "0",
}
"""What no scenario wants to be disturbed by, where the kernel has it."""


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
            for file, value in reversed(changed.items()):
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


def _check(settings: Settings) -> None:
    """Refuse what only root can set and is not set already."""
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
