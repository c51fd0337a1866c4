"""Sweeps on a cluster of Dask, each part of it a process of its own: equal tables, whatever dies."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from cowmodel.campaign.executors.cluster import Cluster
from cowmodel.campaign.executors.local import local
from cowmodel.campaign.store import Store
from cowmodel.campaign.sweep import sweep
from cowmodel.cli import cli
from cowmodel.errors import ConfigError
from tests.campaign.clusters import HOUSE, Started, started, wait_until
from tests.campaign.coded import ended, job, runs
from tests.campaign.sweeping import FLIPS, RESULTS, planned, swept
from tests.campaign.sweeping import job as job_of

pytest.importorskip("distributed", reason="distributed is not installed")
from cowmodel.campaign.executors import distributed as executor
from cowmodel.campaign.executors.distributed import distributed

Edit = Callable[[Path, str, str], None]
TABLES = ("summary.csv", "summary.parquet", "statistics.csv", "samples.csv", "provenance.json")
UNDISTURBED = Path("undisturbed/flips")
SWEEP = [sys.executable, "-m", "cowmodel", "sweep", "flips"]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A cluster that no test disturbs."""
    with started(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def tables(results: Path) -> dict[str, bytes]:
    return {name: (results / name).read_bytes() for name in TABLES}


def number_of_runs() -> int:
    return len([*(RESULTS / "runs").glob("[!.]*")])


def more_runs_than(number: int) -> bool:
    return number_of_runs() > number


@pytest.mark.parametrize(("by", "shared"), [("address", False), ("file", True)])
def test_a_cluster_gives_the_tables_of_a_single_process(
    by: str, shared: bool, standing: Started, house: Path
):
    swept(UNDISTURBED)
    cluster = Cluster(standing.address) if by == "address" else Cluster(scheduler_file=standing.file)

    ended = swept(RESULTS, partial(distributed, cluster), shared)

    assert len(ended) == 8
    assert tables(RESULTS) == tables(UNDISTURBED)


def test_a_worker_of_other_code_is_named_with_both_hashes_and_nothing_is_stored(
    standing: Started, house: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(executor, "source", lambda: "0123456789abcdef")

    with pytest.raises(
        ConfigError, match=r"worker tcp://\S+: expected .*source 0123456789, got [0-9a-f]{10};"
    ):
        swept(RESULTS, partial(distributed, Cluster(standing.address)))
    assert number_of_runs() == 0


def test_workers_that_write_to_another_folder_are_noticed(standing: Started, house: Path):
    plan, store = planned(), Store(RESULTS)
    elsewhere = job_of(plan, Path("elsewhere"))

    with pytest.raises(ConfigError, match="they see another folder; leave --shared out"):
        list(sweep(plan, store, partial(distributed, Cluster(standing.address)), elsewhere))


def test_a_scheduler_at_tls_is_not_asked_without_certificates(house: Path):
    result = CliRunner().invoke(cli, ["sweep", "flips", "--scheduler", "tls://127.0.0.1:9"])

    assert result.exit_code == 2
    assert "scheduler: expected one that answers at tls://127.0.0.1:9" in result.stderr
    assert "name the folder of its certificates with --tls" in result.stderr


# ------------------------------------------------------------ what is disturbed


@pytest.fixture
def long_sweep(house: Path, edit: Edit) -> None:
    """An experiment of 100 runs of some milliseconds, and its tables, made without disturbance."""
    edit(FLIPS / "experiment.toml", "replications = 2", "replications = 25")
    swept(UNDISTURBED)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_local_workers_gives_the_tables_of_a_single_process(workers: int, long_sweep: None):
    swept(RESULTS, partial(local, workers))

    assert tables(RESULTS) == tables(UNDISTURBED)


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--shared",)], ids=["over the wire", "shared"])
def test_workers_of_a_cluster_that_are_killed_change_no_table_and_show_no_log(
    words: tuple[str, ...], long_sweep: None, tmp_path: Path
):
    rng, killed, enough = random.Random(4), 0, 1
    with started(tmp_path / "cluster") as cluster:
        command = [*SWEEP, "--scheduler-file", str(cluster.file), *words]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            while process.poll() is None:
                time.sleep(rng.uniform(0, 0.1))
                # only after some progress: a run that is disturbed each time would be taken for the killer
                if number_of_runs() >= enough and (makers := cluster.makers()):
                    with suppress(ProcessLookupError):
                        os.kill(rng.choice(makers), signal.SIGKILL)
                        killed, enough = killed + 1, number_of_runs() + 25
            assert process.stderr
            said = process.stderr.read().decode().splitlines()
    assert process.returncode == 0
    assert killed >= 2
    assert tables(RESULTS) == tables(UNDISTURBED)
    assert said[0] == "flips: 100 runs, 0 finished before"
    assert all(re.match(r"\d+ of 100 runs ended", line) for line in said[1:])


@pytest.mark.slow
def test_a_coordinator_that_is_killed_goes_on_at_the_same_cluster(long_sweep: None, tmp_path: Path):
    rng, before = random.Random(5), 0
    with started(tmp_path / "cluster") as cluster:
        command = [*SWEEP, "--scheduler", cluster.address]
        for _ in range(3):
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                wait_until(partial(more_runs_than, before))
                time.sleep(rng.uniform(0, 0.1))
                process.kill()
            assert before < number_of_runs() < 100
            before = number_of_runs()
        subprocess.run(command, check=True, capture_output=True)

    assert tables(RESULTS) == tables(UNDISTURBED)


@pytest.mark.slow
def test_a_run_that_always_kills_its_worker_is_a_crash_and_all_others_are_made(tmp_path: Path):
    codes = [*["pass"] * 5, "import os; os._exit(9)", *["pass"] * 5]
    with started(tmp_path / "cluster") as cluster:
        results = list(distributed(Cluster(cluster.address), job(None), runs(*codes)))

    found = ended(results)
    assert len(found.finished) == 10
    assert found.failed["run0005"] == ("crash", "its worker died 4 times, perhaps for want of memory")


@pytest.mark.slow
def test_a_scheduler_that_dies_is_told_and_the_same_command_goes_on(long_sweep: None, tmp_path: Path):
    file = tmp_path / "cluster/scheduler.json"
    command = [*SWEEP, "--scheduler-file", str(file)]
    with (
        started(file.parent) as cluster,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process,
    ):
        wait_until(lambda: number_of_runs() > 20)
        cluster.scheduler.kill()
        _, said = process.communicate(timeout=60)
    finished = number_of_runs()
    *_, last = said.decode().splitlines()
    assert process.returncode == 2
    assert re.match(
        r"scheduler: expected one at tcp://127.0.0.1:\d+ until the end, and it is gone: what is finished is",
        last,
    )
    assert b"Traceback" not in said
    assert 20 < finished < 100

    file.unlink()
    with started(file.parent):
        again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert again.stderr.startswith(f"flips: 100 runs, {finished} finished before")
    assert tables(RESULTS) == tables(UNDISTURBED)


@pytest.mark.slow
def test_a_worker_with_another_model_stores_nothing(house: Path, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(HOUSE / "cowmodel", other / "cowmodel")
    with (other / "cowmodel/units.py").open("a") as model:
        model.write("# changed\n")
    with started(tmp_path / "cluster", code=other) as cluster:
        result = CliRunner().invoke(cli, ["sweep", "flips", "--shared", "--scheduler", cluster.address])

    assert result.exit_code == 2
    assert re.search(r"worker tcp://\S+: expected the model with source \w{10}, got \w{10};", result.stderr)
    assert number_of_runs() == 0


@pytest.mark.slow
def test_certificates_made_as_the_guide_says_are_needed_and_enough(
    house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = re.findall(
        r"^(?:umask|mkdir|openssl) .*$", (HOUSE / "docs/howto/cluster.md").read_text(), re.MULTILINE
    )
    subprocess.run(["sh", "-ec", "\n".join(made)], check=True, capture_output=True)
    files = {"ca-file": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
    words = [f"--tls-{what}={Path('tls', name).resolve()}" for what, name in files.items()]
    swept(UNDISTURBED)
    with started(tmp_path / "cluster", words=("--protocol", "tls", *words)) as cluster:
        by_tls, by_tcp = cluster.address, cluster.address.replace("tls", "tcp")
        with_them = CliRunner().invoke(cli, ["sweep", "flips", "--scheduler", by_tls, "--tls", "tls"])
        monkeypatch.setattr("cowmodel.campaign.executors.cluster._PATIENCE_S", 3)
        without = CliRunner().invoke(cli, ["sweep", "flips", "--results", "x", "--scheduler", by_tcp])

    assert by_tls.startswith("tls://")
    assert with_them.exit_code == 0, with_them.stderr
    assert tables(RESULTS) == tables(UNDISTURBED)
    assert without.exit_code == 2
    assert f"scheduler: expected one that answers at {by_tcp}" in without.stderr
