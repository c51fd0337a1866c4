"""``cowmodel reproduce``, ``bundle`` and ``compare``."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cowmodel.cli import cli
from tests.campaign.sweeping import FLIPS, RESULTS, everything_in

Edit = Callable[[Path, str, str], None]

CLAIMS = """
[[claim]]
says = "ten copies at least"
of = "copies.total"
where = "policy.copy == 'cow'"
at_least = {copies}

[[claim]]
says = "eight runs"
of = "figure.runs"
is = 8.0
plus_minus = 0.0

"""


def command(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


@pytest.fixture
def claims(house: Path, edit: Edit) -> Callable[[int], None]:
    figure = FLIPS / "figure.py"
    figure.write_text(figure.read_text() + "\ndef runs(tables):\n    return len(tables['runs'])\n")

    def claim(copies: int) -> None:
        edit(FLIPS / "experiment.toml", "[[sweep]]", CLAIMS.format(copies=copies) + "[[sweep]]")

    return claim


def test_reproduce_makes_draws_and_checks_every_experiment(simulation: Any, claims: Callable[[int], None]):
    claims(10)

    result = command("reproduce", "--workers", "1")

    assert result.exit_code == 0, result.output
    assert simulation.calls == 8
    lines = result.stdout.splitlines()
    assert lines[0] == "flips"
    assert "  drawn: results/flips/figure.pdf" in lines
    assert lines[-2].startswith("  holds: ten copies at least: 10.5")
    assert lines[-1].startswith("  holds: eight runs: 8")


def test_reproduce_fails_where_a_claim_does_not_hold(simulation: Any, claims: Callable[[int], None]):
    claims(100)

    result = command("reproduce", "flips", "--workers", "1")

    assert result.exit_code == 1
    assert "  DOES NOT HOLD: ten copies at least: 10.5" in result.stdout
    assert result.stderr.endswith("1 not as claimed: flips: ten copies at least\n")


def test_reproduce_outside_the_house_says_where_to_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    result = command("reproduce")

    assert result.exit_code == 2
    assert result.stderr.startswith("experiments: no experiment here")


def test_a_bundle_holds_all_that_makes_the_experiment_and_what_came_out(house: Path, simulation: Any):
    command("sweep", "flips", "--workers", "1")
    command("figure", "flips")

    assert command("bundle", "flips").stdout == "flips.zip\n"

    with zipfile.ZipFile("flips.zip") as archive:
        names = archive.namelist()
        readme = archive.read("flips/README.md").decode()
    assert {
        "flips/configs/tree.toml",
        "flips/experiments/flips/experiment.toml",
        "flips/experiments/flips/figure.py",
        "flips/results/flips/summary.csv",
        "flips/results/flips/figure.svg",
        "flips/results/flips/provenance.json",
    } < set(names)
    assert "What does the flip save?" in readme
    assert "cowmodel sweep flips" in readme
    assert not any("/runs/" in name for name in names)


def test_a_stranger_makes_the_same_tables_from_a_bundle_alone(
    house: Path, simulation: Any, tmp_path: Path, edit: Edit, monkeypatch: pytest.MonkeyPatch
):
    Path("configs/leaf.toml").write_text('extends = "tree.toml"\n[machine]\ncores = 1\n')
    edit(FLIPS / "experiment.toml", "tree.toml", "leaf.toml")
    command("sweep", "flips", "--workers", "1")
    command("bundle", "flips")
    published = {path.name: path.read_bytes() for path in RESULTS.glob("*.csv")}
    zipfile.ZipFile("flips.zip").extractall(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere/flips")
    os.rename("results/flips", "as-published")

    result = command("sweep", "flips", "--workers", "1")

    assert result.exit_code == 0, result.output
    assert {path.name: path.read_bytes() for path in RESULTS.glob("*.csv")} == published


def test_bundles_of_equal_results_are_equal_bytes(house: Path, simulation: Any):
    command("sweep", "flips", "--workers", "1")
    command("bundle", "flips", "--out", "one.zip")
    command("bundle", "flips", "--out", "two.zip")

    assert Path("one.zip").read_bytes() == Path("two.zip").read_bytes()


def test_a_bundle_before_the_sweep_says_what_to_run(house: Path):
    result = command("bundle", "flips")

    assert result.exit_code == 2
    assert result.stderr == "results/flips: no results yet; run `cowmodel sweep flips` first\n"
    assert "flips.zip" not in everything_in(house)


def test_compare_prints_differences_between_policies(house: Path, simulation: Any):
    command("sweep", "flips", "--workers", "1")

    result = command("compare", "flips", "policy.copy", "copies.total")

    header, first, *_ = result.stdout.splitlines()
    assert header.split()[2:7] == ["metric", "first", "second", "n", "difference"]
    assert first.split()[-8:-3] == ["cow-flip", "2", "0.0", "0.0", "0.0"]
    assert "did you mean 'policy.copy'" in command("compare", "flips", "policy.cpy", "copies.total").stderr
