"""The kernel's switches are put back after a scenario, however it ends; an ordinary user is told less."""

import contextlib
import fcntl
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cowmodel.live.stage import live
from cowmodel.live.switches import (
    KSM,
    LIMIT,
    LOCK,
    RATIO,
    RESERVE,
    RULE,
    committed_at_most,
    switched,
    value_of,
    wanted,
)
from cowmodel.scenario.read import parse
from cowmodel.speed.running_kernel import CannotMeasure

pytestmark = pytest.mark.live
TEXT = "set mthp 64k=madvise\nset hugepages 1\nmap P0 A anon pages=64 page=4k\ntouch P0 A all\n"
# The interpreter may lie where nobody else may read: load all, then give up root, and be readable again.
AS_NOBODY = """
import ctypes, json, os
from cowmodel.live.processes import agent
from cowmodel.live.stage import live
from cowmodel.scenario.read import parse
os.setgroups([]), os.setgid(65534), os.setuid(65534)
PR_SET_DUMPABLE = 4
ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
text = "map P0 A anon pages=64 page=4k\\ntouch P0 A all\\nfork P0 P1\\nwrite P1 A all"
with agent() as program:
    for row in live(parse(text), program):
        print(json.dumps(row))
"""


def now() -> dict[Path, str]:
    return {file: value_of(file) for file in wanted(parse(TEXT).settings)}


def switches() -> dict[Path, str]:
    """Return how the switches are while no scenario has set them, also none of another test."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        return now()


def test_a_scenario_sets_what_it_asks_for_and_puts_it_back(oracle: Path):
    before, settings = switches(), parse(TEXT).settings

    with switched(settings, privileged=True):
        assert now() == wanted(settings)

    assert switches() == before


def test_a_scenario_that_fails_puts_them_back(oracle: Path):
    before = switches()

    with pytest.raises(CannotMeasure, match="mmap|map anon page=hugetlb: the kernel refused it"):
        list(live(parse(TEXT + "map P0 B anon size=64m page=hugetlb"), oracle))

    assert switches() == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_ends_the_program_puts_them_back(
    oracle: Path, tmp_path: Path, number: signal.Signals, code: int
):
    before, file = switches(), tmp_path / "x.scn"
    file.write_text(TEXT + "repeat 50000 {\nread P0 A all\n}\n")
    command = [sys.executable, "-m", "cowmodel", "scenario", "live", str(file), "--json"]

    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline()  # so it is in the middle of it
    set_then = now()
    process.send_signal(number)
    process.communicate(timeout=20)

    assert process.returncode == code
    assert set_then == wanted(parse(TEXT).settings)
    assert switches() == before


LIMITED = "set commit 1g\nmap P0 A anon size=2g page=4k\nmap P0 B anon size=512m page=4k\n"


def overcommit() -> list[str]:
    return [value_of(file) for file in (RULE, RATIO, LIMIT, RESERVE)]


def test_what_may_be_committed_is_limited_for_a_call_and_then_as_before(oracle: Path):
    before = overcommit()

    with contextlib.closing(live(parse(LIMITED), oracle)) as played:
        first = next(played)
        between = overcommit()
        rest = list(played)

    assert (first["refused"], [row.get("refused", 0) for row in rest]) == (1, [0])
    assert before == between == overcommit()


def test_what_may_be_committed_is_as_before_after_an_error_too(oracle: Path):
    before = overcommit()

    with pytest.raises(KeyboardInterrupt), committed_at_most(4 << 30):
        assert value_of(RULE) == "2"
        raise KeyboardInterrupt

    assert before == overcommit()


def test_only_root_can_limit_what_is_committed():
    with (
        pytest.raises(CannotMeasure, match="limits what is committed, and only root can set it"),
        switched(parse(LIMITED).settings, privileged=False),
    ):
        pass


def test_a_switch_that_this_kernel_does_not_have_is_told(oracle: Path):
    settings = parse("set mthp 32k=madvise").settings
    missing = type(settings)({1 << 33: "madvise"}, None, {})

    with pytest.raises(CannotMeasure, match="expected the switch .*, got none"), switched(missing, True):
        pass


def test_an_ordinary_user_is_told_faults_and_sizes_but_no_frames(oracle: Path):
    done = subprocess.run([sys.executable, "-c", AS_NOBODY], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (rows[1]["minflt"], rows[1]["accessed.new"], rows[1]["pt_pages"]) == (64, 64, 3)
    assert (rows[3]["minflt"], rows[3]["smaps_kb.Rss"]) == (64, 256)
    assert not any(field.startswith(("frames.", "inherit.", "accessed.copied")) for field in rows[3])


def test_what_only_root_can_set_is_told_to_others():
    missing = parse("set hugepages 999").settings

    with pytest.raises(CannotMeasure, match="only root can set it"), switched(missing, privileged=False):
        pass


def test_what_merging_is_told_is_put_back_also_when_it_is_cut_short(
    oracle: Path, monkeypatch: pytest.MonkeyPatch
):
    def ksm() -> dict[str, str]:
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            return {name: value_of(KSM / name) for name in ("run", "sleep_millisecs", "pages_to_scan")}

    def cut_short(seconds: float) -> None:
        raise KeyboardInterrupt

    before, text = ksm(), TEXT + "merge P0 A\n"
    assert list(live(parse(text), oracle))[-1]["frames.unique"] == 1
    assert ksm() == before
    monkeypatch.setattr("cowmodel.live.switches.time.sleep", cut_short)

    with pytest.raises(KeyboardInterrupt):
        list(live(parse(text), oracle))

    assert ksm() == before
