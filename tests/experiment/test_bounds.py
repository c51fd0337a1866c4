"""What no machine and no run could be is refused when the configuration is read."""

from pathlib import Path

import pytest

from cowmodel.errors import ConfigError
from cowmodel.experiment.config import load

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("config", "setting", "said"),
    [
        ("fork-exec", "machine.memory=10 TB", "machine.memory: expected from 8 KiB to less than 8 TiB"),
        ("fork-exec", "machine.memory=1 B", "machine.memory: expected from 8 KiB to less than 8 TiB"),
        ("fork-exec", "machine.cores=1000000", "machine.cores: expected a whole number from 1 to 4096"),
        ("fork-exec", "workload.heap=2 GiB", "workload.heap: expected less than machine.memory"),
        ("fork-exec", "workload.backing=hugetlb 64 KiB", "workload.backing: x86-64 has no leaf of 64 KiB"),
        ("snapshot-server", "workload.rate=1e20/s", "workload.rate: expected at most 1,000,000,000 requests"),
        ("snapshot-server", "workload.before=1e8 s", "workload.before: expected at most"),
        ("snapshot-server", "workload.object=128 MiB", "workload.object: expected at most the heap"),
        ("prefork-server", "workload.every=2000000000", "workload.every: expected at most"),
        (
            "redis-bgsave",
            "workload.write_bytes=99999999999999999999",
            "workload.write_bytes: expected a whole",
        ),
        ("redis-bgsave", "workload.trace=../LICENSE", "workload.trace: "),
        ("redis-bgsave", f"run.seed={'9' * 5000}", "run.seed: expected a whole number"),
    ],
)
def test_it_is_refused_with_its_place(config: str, setting: str, said: str):
    with pytest.raises(ConfigError) as caught:
        load(CONFIGS / f"{config}.toml", [setting])

    assert said in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("object=128 MiB", "object: expected at most the heap"),
        ("objects=0", "objects: expected a whole number from 1"),
        ("threads=0", "threads: expected a whole number from 1"),
        ("service=20 us", "service: no '20' among constant, exponential"),
        ("service=constant -1 us", "service: expected a duration of at least 0"),
        ("service=constant 2e5 s", "service: expected a time of at most a day"),
        ("arrivals=poison 5/s", "arrivals: no 'poison' among poisson, closed; did you mean 'poisson'?"),
        ("arrivals=poisson -1/s", "arrivals: expected a rate of at least 0"),
        ("arrivals=poisson 1e20/s", "arrivals: expected at most 1,000,000,000 requests in all"),
        (
            "arrivals=closed 5",
            "arrivals: expected clients, at least one, and how long each thinks, as 'closed 5",
        ),
        ("arrivals=closed 0, constant 1 s", "arrivals: expected clients, at least one"),
        ("arrivals=closed 5, constant -1 s", "arrivals: expected a duration of at least 0"),
        ("arrivals=closed 1, constant 1 ms", "threads: expected at most one a client, of 1, got 2"),
        (
            "arrivals=closed 2, constant 0 s",
            "arrivals: expected at most 1,000,000,000 requests in all, got inf",
        ),
    ],
)
def test_a_server_that_could_not_be_is_refused_with_the_key(setting: str, said: str):
    usual = ["workload.threads=2", "workload.service=constant 0 s"]
    key = setting.partition("=")[0]

    with pytest.raises(ConfigError) as caught:
        load(
            CONFIGS / "request-server.toml",
            [*(one for one in usual if key not in one), f"workload.{setting}"],
        )

    assert f"workload.{said}" in str(caught.value)
