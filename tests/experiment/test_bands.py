"""Bands: between which ends the times of a run lie when its prices, or its memory, are uncertain."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cowmodel.campaign.experiment import read_file
from cowmodel.cost.model import CostModel
from cowmodel.cost.preset import load_preset
from cowmodel.cost.price import NORMAL_95, Price
from cowmodel.errors import ConfigError, OutOfMemory
from cowmodel.experiment import bands as bands_module
from cowmodel.experiment.bands import Bands, bands_of, find_bands
from cowmodel.experiment.config import Configuration, load
from cowmodel.experiment.run import MIDDLE_CONTIGUITY, contiguity, simulate
from cowmodel.kernel.work import Work
from tests.campaign.sweeping import swept as sweep_to

Edit = Callable[[Path, str, str], None]
EXPERIMENT = Path("experiments/flips/experiment.toml")
FORK = Work(forks=1, pte_entries=512, pte_tables=1, flushes=1)


def made_up(intervals: Mapping[str, tuple[float, float]], **prices_ps: float) -> CostModel:
    free = dict.fromkeys(Work._fields, Price(0.0, "made up"))
    own = {field: Price(value, "made up", (), intervals.get(field)) for field, value in prices_ps.items()}
    return CostModel("made up", "none", free | own)


UNCERTAIN = made_up({"forks": (8e6, 14e6), "pte_entries": (9e3, 40e3)}, forks=1e7, pte_entries=2e4)


def configured(*settings: str) -> Configuration:
    return load(Path("configs/tree.toml"), ["machine.costs=vm-linux6.18", *settings])


def banded(configuration: Configuration, draws: int = 20) -> tuple[dict[str, Any], Bands]:
    summary = simulate(configuration, 0).summary
    return summary, find_bands(configuration, 0, summary, draws)


# -------------------------------------------------------------------- the estimate
def test_the_true_cost_lies_in_nine_of_ten_bands() -> None:
    rng, inside = np.random.default_rng(1), 0
    for case in range(400):
        times = [{"fork_us": UNCERTAIN.drawn(20 * case + draw).cost_ps(FORK)} for draw in range(20)]
        low, high = bands_of({"fork_us": 0.0}, times)["fork_us"]
        truth = 0.0
        for field, count in (("forks", 1), ("pte_entries", 512)):
            price, deviations = UNCERTAIN.prices[field], rng.standard_normal()
            assert price.interval_ps
            end = price.interval_ps[int(deviations > 0)]
            truth += count * price.value_ps * (end / price.value_ps) ** (abs(deviations) / NORMAL_95)
        inside += low <= truth <= high
    # the standard error of 400 cases is 1.5 %
    assert 0.9 - 3 * 0.015 < inside / 400 < 0.9 + 3 * 0.015


def test_with_nineteen_draws_the_ends_are_the_least_and_the_greatest() -> None:
    drawn = [{"fork_us": float(time)} for time in range(19)]

    assert bands_of({"fork_us": 5.0}, drawn) == {"fork_us": (0.0, 18.0)}


def test_with_39_draws_the_ends_are_the_second_of_both_sides() -> None:
    drawn = [{"fork_us": float(time)} for time in range(39)]

    assert bands_of({"fork_us": 5.0}, drawn) == {"fork_us": (1.0, 37.0)}


def test_counts_and_times_that_no_draw_moves_have_no_band() -> None:
    summary = {"fork_us.mean": 1.0, "simulated_ms": 2.0, "copies.total": 3, "fault_us.max": None}

    drawn = [{"fork_us.mean": 1.5, "simulated_ms": 2.0, "copies.total": 4, "fault_us.max": 1.0}] * 2

    assert list(bands_of(summary, drawn)) == ["fork_us.mean"]


def test_a_draw_that_has_no_such_time_is_left_out_of_its_band() -> None:
    drawn: list[dict[str, Any]] = [{"fork_us": 1.0}, {"fork_us": None}, {"fork_us": 3.0}]

    assert bands_of({"fork_us": 2.0}, drawn) == {"fork_us": (1.0, 3.0)}


# ------------------------------------------------------------------------- the runs
def test_the_band_of_a_fork_contains_its_time(house: Path) -> None:
    summary, (_, times) = banded(configured())

    for name in ("mean", "p50", "max"):
        low, high = times[f"fork_us.{name}"]
        assert low < summary["fork_us"][name] < high


def test_a_draw_is_the_same_for_two_policies(house: Path) -> None:
    kernels = [configured(f"policy.copy={policy}") for policy in ("cow", "cow-flip")]

    fork_us = [[simulate(one, 0, draw).summary["fork_us"]["mean"] for draw in range(3)] for one in kernels]

    assert fork_us[0] == fork_us[1]
    assert len(set(fork_us[0])) == 3


def test_a_difference_is_surer_than_what_it_is_the_difference_of(house: Path) -> None:
    runs = [configured(f"workload.heap={heap}") for heap in ("1 MiB", "2 MiB")]
    drawn = [[simulate(one, 0, draw).summary["fork_us"]["mean"] for draw in range(20)] for one in runs]
    widths = [float(np.ptp(times)) for times in drawn]

    paired = float(np.ptp(np.array(drawn[1]) - np.array(drawn[0])))

    assert paired < sum(widths)
    assert paired < max(widths) / 2


def test_the_same_command_gives_the_same_bands(house: Path) -> None:
    assert banded(configured(), 3) == banded(configured(), 3)


def test_without_intervals_there_are_no_bands_and_the_note_says_so(house: Path) -> None:
    _, bands = banded(load(Path("configs/tree.toml")))

    assert bands == Bands("none: no price that epyc7302p-linux5.6 measured has an interval", {})


def test_without_draws_no_run_is_made_again(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(bands_module, "simulate")

    assert find_bands(configured(), 0, {"fork_us": 1.0}, 0) == Bands("none: no draws asked for", {})


def test_the_note_says_how_many_cases_so_few_draws_hold(house: Path) -> None:
    _, bands = banded(configured(), 4)

    assert bands.note == "60 % of cases, by 4 draws of the prices of vm-linux6.18"


def test_a_draw_that_fails_is_counted_and_harms_no_other(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(configuration: Configuration, replication: int, draw: int) -> Any:
        if draw == 1:
            raise OutOfMemory("no frame is free")
        return simulate(configuration, replication, draw)

    monkeypatch.setattr(bands_module, "simulate", failing)

    _, (note, times) = banded(configured(), 3)

    assert note.endswith("by 2 draws of the prices of vm-linux6.18; 1 more failed, draw 1: no frame is free")
    assert "fork_us.mean" in times


# ------------------------------------------------------------------ unknown contiguity
def test_an_unknown_contiguity_is_in_the_middle_and_each_draw_has_its_own(house: Path) -> None:
    unknown = configured("machine.contiguity=unknown")

    drawn = [contiguity(unknown, draw) for draw in range(200)]

    assert contiguity(unknown) == MIDDLE_CONTIGUITY
    assert 0 < min(drawn) < 0.05
    assert 0.95 < max(drawn) < 1
    assert drawn[:3] == [contiguity(configured("machine.contiguity=unknown"), draw) for draw in range(3)]


def test_a_known_contiguity_is_the_same_in_each_draw(house: Path) -> None:
    assert contiguity(configured("machine.contiguity=0.3"), 7) == 0.3


def test_an_unknown_contiguity_makes_the_band_of_a_fork_wider(house: Path) -> None:
    known, unknown = (
        banded(configured("workload.heap=8 MiB", f"machine.contiguity={value}"))[1].times["fork_us.mean"]
        for value in ("0.5", "unknown")
    )

    assert unknown[1] - unknown[0] > 1.2 * (known[1] - known[0])


# ---------------------------------------------------------------------------- sweeps
@pytest.fixture
def swept(house: Path, edit: Edit) -> Callable[[int], str]:
    """Make the runs of the experiment with so many draws, and return its table."""
    edit(Path("configs/tree.toml"), "epyc7302p-linux5.6", "vm-linux6.18")

    def table(draws: int) -> str:
        edit(EXPERIMENT, "replications = 2", f"replications = 2\ndraws = {draws}")
        results = Path(f"results/{draws}")
        sweep_to(results)
        edit(EXPERIMENT, f"\ndraws = {draws}", "")
        table = pd.read_csv(results / "summary.csv", dtype=str).drop(columns="run")
        return table.to_csv(index=False)

    return table


def test_the_columns_of_the_run_are_those_without_draws_byte_for_byte(swept: Callable[[int], str]) -> None:
    without, banded = swept(0).splitlines(), swept(2).splitlines()

    assert all(line.startswith(f"{plain},") for line, plain in zip(banded, without, strict=True))
    more = banded[0].removeprefix(f"{without[0]},").split(",")
    assert {"fork_us.mean_low", "fork_us.mean_high"} <= set(more)
    assert all(column.endswith(("_low", "_high")) for column in more)


def test_a_run_on_disk_has_its_bands_beside_its_summary(swept: Callable[[int], str]) -> None:
    swept(2)
    said = json.loads(next(Path("results/2/runs").glob("*/run.json")).read_text())
    assert said["bands"]["note"] == "33 % of cases, by 2 draws of the prices of vm-linux6.18"
    low, high = said["bands"]["times"]["fork_us.mean"]
    assert low < high


@pytest.mark.parametrize("draws", ["-1", "true", '"20"'])
def test_draws_that_are_no_count_are_refused(house: Path, edit: Edit, draws: str) -> None:
    edit(EXPERIMENT, "replications = 2", f"replications = 2\ndraws = {draws}")
    with pytest.raises(ConfigError, match=r"draws: expected a whole number from 0 to 2\^31, got"):
        read_file(EXPERIMENT.parent)


# ------------------------------------------------------------------------- the presets
def preset(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(f'name = "mine"\nmachine = "m"\nextends = "vm-linux6.18"\n{text}')
    return path


def test_a_drift_moves_all_prices_of_a_draw_together(tmp_path: Path) -> None:
    prices = '[prices]\nhits = { value = "1 ns", source = "measured" }\n'
    still, drifting = (load_preset(preset(tmp_path, f"{key}{prices}")) for key in ("", "drift = 0.2\n"))

    factors = [
        {
            round(moved.value_ps / price.value_ps, 9)
            for moved, price in zip(
                drifting.drawn(draw).prices.values(), still.drawn(draw).prices.values(), strict=True
            )
            if price.value_ps
        }
        for draw in range(400)
    ]

    assert {len(of_a_draw) for of_a_draw in factors} == {1}
    assert sum(1 / 1.2 < factor < 1.2 for (factor,) in factors) == pytest.approx(360, abs=18)
    assert (still.uncertain, drifting.uncertain) == (False, True)


def test_what_is_inherited_is_as_uncertain_as_it_was_but_makes_no_bands(tmp_path: Path) -> None:
    heir = load_preset(preset(tmp_path, "[prices]\n"))

    assert heir.prices["flips"].interval_ps
    assert not heir.uncertain


@pytest.mark.parametrize("drift", ["-0.1", "1.5", "nan"])
def test_a_drift_that_is_no_fraction_is_refused(tmp_path: Path, drift: str) -> None:
    with pytest.raises(ConfigError, match="drift: expected a fraction between 0 and 1, got"):
        load_preset(preset(tmp_path, f"drift = {drift}\n[prices]\n"))


def test_a_drift_in_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"drift: expected a fraction such as 0\.2, got '20 %'"):
        load_preset(preset(tmp_path, 'drift = "20 %"\n[prices]\n'))
