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
