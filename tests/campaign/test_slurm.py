"""The job script for Slurm, on a Slurm of one node that the test starts."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.campaign.clusters import HOUSE, wait_until
from tests.campaign.sweeping import RESULTS, everything_in, swept

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
SBIN = os.environ["PATH"] + ":/usr/sbin"
CONF = """\
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
MpiDefault=none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES State=UP
"""

missing = [name for name in PROGRAMS if not shutil.which(name, path=SBIN)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)} (Debian: slurm-wlm, munge)"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the daemons of Slurm"),
]


def free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], other.getsockname()[1]]


@pytest.fixture
def slurm(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Slurm of one node: this machine."""
    folder = tmp_path_factory.mktemp("slurm")
    conf = folder / "slurm.conf"
    key = folder / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    host = socket.gethostname().partition(".")[0]
    conf.write_text(CONF.format(folder=folder, host=host, ports=free_ports(), cpus=os.cpu_count()))
    monkeypatch.setenv("SLURM_CONF", str(conf))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{SBIN}")
    monkeypatch.setenv("PYTHONPATH", str(HOUSE))
    own = {"socket": "munge", "pid-file": "munge.pid", "log-file": "munge.log", "seed-file": "munge.seed"}
    munge = [f"--{word}={folder / name}" for word, name in own.items()]
    commands = [
        ["munged", "--foreground", "--force", f"--key-file={key}", *munge],
        ["slurmctld", "-D", "-f", str(conf)],
        ["slurmd", "-D", "-f", str(conf)],
    ]
    with ExitStack() as daemons, (folder / "log").open("wb") as log:
        for command in commands:
            daemon = daemons.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
            daemons.callback(daemon.terminate)
        wait_until(lambda: b"idle" in subprocess.run(["sinfo"], capture_output=True).stdout)
        yield


def submitted(*words: str) -> str:
    """Let a job end, and return what it said."""
    script = HOUSE / "configs/cluster/slurm.sh"
    subprocess.run(
        ["sbatch", "--wait", "--ntasks=2", "--output=said.txt", str(script), *words],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return Path("said.txt").read_text()


def test_a_job_gives_the_tables_of_a_single_process_and_leaves_nothing_else(house: Path, slurm: None):
    undisturbed = Path("undisturbed/flips")
    swept(undisturbed)

    said = submitted("flips")

    assert "8 of 8 runs ended" in said
    assert "rror" not in said
    for name in ("summary.csv", "summary.parquet", "statistics.csv", "samples.csv", "provenance.json"):
        assert (RESULTS / name).read_bytes() == (undisturbed / name).read_bytes()
    assert not [name for name in everything_in(Path()) if re.match(r"\.cluster", name)]
