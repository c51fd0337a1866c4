"""The timeline of a run: that a viewer can read it, and that it shows what the tables say."""

import gzip
import json
import re
import time
from collections import Counter, defaultdict
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowmodel.cost.model import CostModel
from cowmodel.engine.contention import Contention
from cowmodel.errors import ConfigError
from cowmodel.experiment.config import load
from cowmodel.experiment.run import Outcome, priced, simulate
from cowmodel.kernel.vma import Vma
from cowmodel.machine import Machine
from cowmodel.program import Activity, Program
from cowmodel.report.timeline import timeline
from cowmodel.report.trace_events import TraceEvents, check_path, write
from tests.machine.bench import bench, fresh_pages, prices, run
from tests.toy import PAGE

MEMORY_BYTES = 8 << 30
CONFIGS = Path(__file__).parents[2] / "configs"
BUSY = (  # threads that share two cores, and all that can be waited for
    "workload.heap=8 MiB",
    "workload.threads=4",
    "workload.arrivals=poisson 100000/s",
    "workload.before=5 ms",
    "workload.save=10 ms",
    "workload.after=2 ms",
    "machine.quantum=20 us",
    "machine.bandwidth=1 GB/s",
)


class Slice(NamedTuple):
    """What lies on a track, times in ps; `path` are the names of those around it, and its own."""

    track: tuple[int, int]
    category: str
    path: tuple[str, ...]
    begin_ps: int
    end_ps: int
    arguments: dict[str, int]

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def length_ps(self) -> int:
        return self.end_ps - self.begin_ps


class Drawn(NamedTuple):
    """What a viewer makes of a trace."""

    slices: list[Slice]
    flows: dict[int, list[dict[str, Any]]]
    counters: dict[tuple[int, str], list[tuple[int, int]]]
    names: dict[tuple[int, int], str]

    def named(self, name: str) -> list[Slice]:
        return [one for one in self.slices if one.name == name]


def picoseconds(time_us: Decimal) -> int:
    whole = time_us * 10**6
    assert whole == int(whole), f"{time_us} us is no whole number of ps"
    return int(whole)


def read(text: str) -> Drawn:
    """Read a trace as a viewer does; refuse what it would drop or draw wrongly."""
    whole = json.loads(text, parse_float=Decimal)
    assert whole["displayTimeUnit"] == "ns"
    drawn, now = Drawn([], defaultdict(list), defaultdict(list), {}), 0
    stacks: dict[tuple[int, int], list[tuple[dict[str, Any], int]]] = defaultdict(list)
    for event in whole["traceEvents"]:
        track = event["pid"], event["tid"]
        if event["ph"] == "M":
            drawn.names[track] = event["args"].get("name", drawn.names.get(track))
            continue
        now, earlier, stack = picoseconds(event["ts"]), now, stacks[track]
        assert now >= earlier, f"goes back in time: {event}"
        if event["ph"] == "B":
            stack.append((event, now))
        elif event["ph"] == "E":
            assert stack, f"ends what has not begun: {event}"
            path = tuple(begun["name"] for begun, _ in stack)
            begun, since = stack.pop()
            drawn.slices.append(Slice(track, begun["cat"], path, since, now, begun.get("args", {})))
        elif event["ph"] == "C":
            drawn.counters[event["pid"], event["name"]].append((now, *event["args"].values()))
        else:
            drawn.flows[event["id"]].append(event | {"inside": [begun["name"] for begun, _ in stack]})
    assert not any(stacks.values()), "something does not end"
    assert {track for track in stacks if track[1]} <= drawn.names.keys(), "a track has no name"
    return drawn


@cache
def outcome_of(config: str, *changes: str) -> tuple[Outcome, CostModel]:
    configuration = load(CONFIGS / f"{config}.toml", ["run.record_faults=true", *changes])
    return simulate(configuration, 0), priced(configuration)


def text_of(config: str, *changes: str) -> str:
    outcome, costs = outcome_of(config, *changes)
    return timeline(outcome.tables, costs, MEMORY_BYTES)


def drawn_from(machine: Machine) -> Drawn:
    return read(timeline(Outcome({}, machine.records, 0).tables, machine.costs, MEMORY_BYTES))


def check_agrees(drawn: Drawn, outcome: Outcome) -> None:
    """Check that every fault and verb lies where the tables say, in what its thread did on its core."""
    faults, actions = outcome.tables["faults"], outcome.tables["actions"]
    for category, table, name in (("fault", faults, "kind"), ("verb", actions, "action")):
        ends = table.time_ps + table.cost_ps + table.waited_ps
        told = Counter(zip(table.pid, table[name], table.time_ps, ends, strict=True))
        seen = [one for one in drawn.slices if one.category == category]
        assert Counter((one.track[0], one.name, one.begin_ps, one.end_ps) for one in seen) == told
    waits = [one for one in drawn.slices if one.category == "wait" and len(one.path) == 4]
    assert sum(one.length_ps for one in waits) == faults.waited_ps.sum()
    for one in drawn.slices:
        if one.category == "fault" and one.length_ps:
            assert one.path[0].startswith("core ")
            assert one.path[1].startswith("accesses")


# ------------------------------------------------------------------- that it is valid
@pytest.mark.parametrize(
    ("config", "changes"),
    [
        ("snapshot-server", ()),
        ("redis-bgsave", ()),
        ("fork-tree", ()),
        ("fork-tree", ("machine.cores=1", "machine.quantum=20 us")),
        ("fork-exec", ()),
        ("prefork-server", ()),
        ("prefork-server", ("machine.cores=2", "machine.quantum=50 us", "machine.bandwidth=2 GB/s")),
        ("prefork-server", ("workload.backing=hugetlb 2 MiB",)),
        ("prefork-server", ("workload.backing=thp", "machine.costs=epyc7302p-linux5.6")),
        ("concurrent-forks", ("machine.bandwidth=3 GB/s",)),
        ("request-server", ()),
        ("request-server", BUSY),
        ("scenario", ()),
    ],
)
def test_slices_nest_and_show_every_fault_and_verb_of_the_tables(config: str, changes: tuple[str, ...]):
    check_agrees(read(text_of(config, *changes)), outcome_of(config, *changes)[0])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99),
    cores=st.integers(1, 3),
    threads=st.integers(1, 4),
    quantum_ns=st.integers(100, 50_000),
    bandwidth=st.sampled_from([(), ("machine.bandwidth=1 GB/s",)]),
    engine=st.sampled_from(["compiled", "reference"]),
)
def test_slices_nest_however_cores_are_shared(
    seed: int, cores: int, threads: int, quantum_ns: int, bandwidth: tuple[str, ...], engine: str
):
    spans = ("workload.before=200 us", "workload.save=1 ms", "workload.after=0 ns")
    machine = f"machine.cores={cores}", f"machine.quantum={quantum_ns} ns", f"machine.engine={engine}"
    work = f"workload.threads={threads}", "workload.heap=256 KiB", "workload.arrivals=poisson 200000/s"
    changes = f"run.seed={seed}", *spans, *machine, *work, *bandwidth

    check_agrees(read(text_of("request-server", *changes)), outcome_of("request-server", *changes)[0])


def test_where_nothing_takes_time_slices_nest_all_the_same():
    def main(program: Program) -> Activity:
        child = yield from program.fork(fresh_pages(3))
        thread = yield from program.thread(fresh_pages(2))
        yield from program.join(thread)
        yield from program.wait(child)

    machine = run(bench(prices(hits=1)), main)

    check_agrees(drawn_from(machine), Outcome({}, machine.records, 0))


def test_times_are_microseconds_to_the_picosecond():
    assert re.findall(r'"ts":[^}]*', text_of("fork-tree"))
    assert re.findall(r'"ts":(?![0-9]+\.[0-9]{6}})[^}]*', text_of("fork-tree")) == []


def test_times_that_are_cut_to_nanoseconds_nest_as_well():
    cut = re.sub(r'("ts":[0-9]+\.[0-9]{3})[0-9]{3}', r"\1", text_of("request-server", *BUSY))

    assert len(read(cut).slices) == len(read(text_of("request-server", *BUSY)).slices)


def test_no_two_tracks_have_the_same_tid():
    drawn = read(text_of("request-server", *BUSY))
    tids = [tid for _, tid in drawn.names if tid]

    assert len(set(tids)) == len(tids)


# -------------------------------------------------------------------- what it shows
def test_each_core_shows_who_holds_it():
    def main(program: Program) -> Activity:
        yield from program.mmap(PAGE)
        child = yield from program.fork(fresh_pages(1))
        yield from program.wait(child)

    drawn = drawn_from(run(bench(prices(mappings=20, forks=100, traps=10), cores=2), main))

    cores = [(drawn.names[one.track], one.name, one.begin_ps, one.end_ps) for one in drawn.slices]
    assert [core for core in cores if core[0].startswith("core")] == [
        ("core 0", "process 1", 0, 120),
        ("core 0", "process 2", 120, 150),
    ]


def test_a_time_slice_that_ends_cuts_accesses_in_two_and_the_other_waits_for_the_core():
    drawn = drawn_from(run(bench(prices(hits=1, traps=9), quantum_ps=25), fresh_pages(4), fresh_pages(4)))

    accesses = [one for one in drawn.named("accesses") if one.track[0] == 1]
    waits = [one for one in drawn.named("waits for the core") if one.track[0] == 1]
    assert [(one.begin_ps, one.end_ps) for one in accesses] == [(0, 29), (58, 69)]
    assert [(one.begin_ps, one.end_ps) for one in waits] == [(29, 58)]


def test_faults_of_threads_at_the_same_time_lie_on_tracks_of_their_own():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(2 * PAGE)

        thread = yield from program.thread(partial(touch, heap=heap, page=1))
        yield from touch(program, heap, 0)
        yield from program.join(thread)

    machine = bench(prices(traps=9), cores=2, contention=Contention(page_table_locks=False))
    faults = drawn_from(run(machine, main)).named("zero_fill")

    assert [(one.track, one.begin_ps, one.end_ps) for one in faults] == [((1, 1), 0, 9), ((1, 2), 0, 9)]


def test_an_arrow_goes_from_a_fork_to_the_first_that_the_child_does():
    def main(program: Program) -> Activity:
        child = yield from program.fork(fresh_pages(1))
        yield from program.wait(child)

    drawn = drawn_from(run(bench(prices(forks=100, traps=10, waits=5)), main))

    ((start, end),) = drawn.flows.values()
    assert (start["ph"], start["pid"], start["inside"][-1]) == ("s", 1, "fork")
    assert (end["ph"], end["bp"], end["pid"], end["inside"]) == (
        "f",
        "e",
        2,
        ["core 0", "accesses", "zero_fill"],
    )


@pytest.mark.parametrize("config", ["fork-tree", "fork-exec", "prefork-server", "scenario"])
def test_every_arrow_has_both_ends_in_a_slice(config: str):
    drawn = read(text_of(config))
    children = {track[0] for track in drawn.names if drawn.names[track] == "main"} - {1}

    assert drawn.flows.keys() == children
    for events in drawn.flows.values():
        assert [event["ph"] for event in events] == ["s", "f"]
        assert all(event["inside"] for event in events)


def test_a_fault_that_copies_shows_how_much_of_it_is_copying():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(PAGE)
        yield from program.populate(heap)
        child = yield from program.fork(idle)
        yield from program.access(heap, np.array([0]), written=1)
        yield from program.wait(child)

    costs = prices(traps=100, copied_bytes=2, releases=50, hits=1)
    (copy,) = drawn_from(run(bench(costs, cores=2), main)).named("copies")

    assert copy.path == ("core 0", "accesses", "cow_copy", "copies")
    assert (copy.begin_ps, copy.length_ps, copy.arguments) == (200, 2 * PAGE, {"bytes": PAGE})


def idle(program: Program) -> Activity:
    yield from program.think(10**6)


def touch(program: Program, heap: Vma, page: int, after_ps: int = 0) -> Activity:
    yield from program.think(after_ps)
    yield from program.access(heap, np.array([page]), written=1)


def test_a_fault_shows_when_it_waits_for_the_lock_of_its_table():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(2 * PAGE)
        yield from program.populate(heap)
        child = yield from program.fork(idle)
        thread = yield from program.thread(partial(touch, heap=heap, page=1))
        yield from touch(program, heap, 0)
        yield from program.join(thread)
        yield from program.wait(child)

    (wait,) = drawn_from(run(bench(prices(traps=100, releases=50), cores=3), main)).named(
        "waits for the table lock"
    )

    assert (wait.path[-2], wait.begin_ps, wait.end_ps) == ("cow_copy", 300, 350)


def test_a_fault_shows_when_it_waits_for_a_verb_of_another_thread_and_then_for_memory():
    def main(program: Program) -> Activity:
        heap = yield from program.mmap(4 * PAGE)
        threads = []
        for page in range(2):
            threads.append((yield from program.thread(partial(touch, heap=heap, page=page, after_ps=10))))
        yield from program.mmap(PAGE)
        for thread in threads:
            yield from program.join(thread)

    contention = Contention(bandwidth=PAGE * 10**10)  # a page in 100 ps
    machine = bench(prices(traps=5, mappings=500), cores=3, contention=contention)
    drawn = drawn_from(run(machine, main))

    locks, memory = drawn.named("waits for the mmap lock"), drawn.named("waits for memory")
    assert [(one.path[-2], one.begin_ps, one.end_ps) for one in locks] == [("zero_fill", 510, 1000)] * 2
    assert [(one.path[-2], one.begin_ps, one.end_ps) for one in memory] == [("zero_fill", 1000, 1100)]


def test_a_verb_that_waits_for_another_thread_shows_it():
    def main(program: Program) -> Activity:
        thread = yield from program.thread(change)
        yield from change(program)
        yield from program.join(thread)

    def change(program: Program) -> Activity:
        yield from program.mmap(PAGE)

    (wait,) = drawn_from(run(bench(prices(mappings=500), cores=2), main)).named("waits for the mmap lock")

    assert (wait.path, wait.begin_ps, wait.end_ps) == (("core 1", "waits for the mmap lock"), 0, 500)


def test_counters_follow_the_samples_and_a_process_that_exited_uses_nothing():
    drawn, (outcome, _) = read(text_of("fork-tree")), outcome_of("fork-tree")
    memory, samples = outcome.tables["memory"], outcome.tables["samples"]
    machine = next(pid for (pid, tid), name in drawn.names.items() if name == "machine")

    for name, column in (("used memory", "used_bytes"), ("page tables", "table_bytes")):
        assert drawn.counters[machine, name] == list(zip(memory.time_ps, memory[column], strict=True))
    free = MEMORY_BYTES - memory.used_bytes - memory.table_bytes
    assert drawn.counters[machine, "free memory"] == list(zip(memory.time_ps, free, strict=True))
    for pid in samples.pid.unique().tolist():
        of_process = samples[samples.pid == pid]
        rss = drawn.counters[pid, "RSS"]
        assert rss[:-1] == list(zip(of_process.time_ps, of_process.rss_bytes, strict=True))
        assert rss[-1][1] == drawn.counters[pid, "PSS"][-1][1] == 0


def test_requests_lie_on_a_track_for_each_thread_and_none_waits_in_the_end():
    drawn, (outcome, _) = read(text_of("request-server", *BUSY)), outcome_of("request-server", *BUSY)
    requests, seen = outcome.tables["requests"], drawn.named("request")
    (waiting,) = [values for (_, name), values in drawn.counters.items() if name == "waiting requests"]

    assert Counter((one.begin_ps, one.end_ps) for one in seen) == Counter(
        zip(requests.start_ps, requests.end_ps, strict=True)
    )
    assert len({one.track for one in seen}) == 4
    assert min(number for _, number in waiting) == waiting[-1][1] == 0


# ------------------------------------------------------------------------ bytes and speed
@pytest.mark.parametrize("config", ["fork-tree", "prefork-server"])
def test_both_engines_give_the_same_timeline(config: str):
    assert text_of(config, "machine.engine=reference") == text_of(config)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path):
    for name in ("one.json.gz", "two.json.gz"):
        outcome_of.cache_clear()
        write(tmp_path / name, text_of("fork-tree"))

    first = (tmp_path / "one.json.gz").read_bytes()
    assert first == (tmp_path / "two.json.gz").read_bytes()
    assert gzip.decompress(first).decode() == text_of("fork-tree")


def test_a_path_without_gz_is_written_as_it_is(tmp_path: Path):
    write(tmp_path / "plain.json", text_of("fork-exec"))

    assert (tmp_path / "plain.json").read_text() == text_of("fork-exec")


def test_a_hundred_thousand_faults_are_drawn_in_less_than_four_times_the_time_of_reading_them(tmp_path: Path):
    outcome, costs = outcome_of("concurrent-forks", "workload.heap=200 MiB")
    assert len(outcome.tables["faults"]) > 100_000

    started = time.process_time()
    text = timeline(outcome.tables, costs, MEMORY_BYTES)
    write(tmp_path / "run.json.gz", text)
    drawn = time.process_time()
    json.loads(text)
    was_read = time.process_time()

    assert drawn - started < 4 * (was_read - drawn)


# ------------------------------------------------------------------------ what is refused
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("run.txt", "run.txt: expected a name that ends in .json or .json.gz, got 'run.txt'; rename it"),
        ("run.gz", "run.gz: expected a name that ends in .json or .json.gz, got 'run.gz'; rename it"),
        ("there.json", "there.json: expected a file to write, got a folder; name a file in it"),
        ("none/run.json", "none/run.json: expected a folder 'none', got none; make it first"),
    ],
)
def test_a_path_that_cannot_be_is_refused(
    name: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("there.json").mkdir()

    with pytest.raises(ConfigError) as refused:
        check_path(Path(name))

    assert str(refused.value) == told


def test_a_place_where_nobody_may_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)

    with pytest.raises(ConfigError, match=r"expected a file that may be written, got no permission"):
        check_path(tmp_path / "run.json")


def test_a_trace_of_nothing_is_one_all_the_same():
    events = TraceEvents()
    events.slices("verb", ([], []), np.zeros(0, np.int64), np.zeros(0, np.int64), 0, [])

    assert json.loads(events.json())["traceEvents"] == []


def test_a_run_without_faults_is_drawn():
    def main(program: Program) -> Activity:
        yield from program.mmap(PAGE)

    drawn = drawn_from(run(bench(prices(mappings=20, exits=5)), main))

    assert [one.path for one in drawn.slices if one.category == "verb"] == [
        ("core 0", "mmap"),
        ("core 0", "exit"),
    ]
