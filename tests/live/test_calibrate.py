"""Prices of the running kernel; how high they are is its own affair."""

from pathlib import Path

import pytest

from cowmodel.cost.preset import load_preset
from cowmodel.cost.written import write_preset
from cowmodel.live.account import account
from cowmodel.live.benchmarks import benchmarks
from cowmodel.live.calibrate import calibrated, machine, played
from cowmodel.live.prediction import summary, timed_and_predicted
from cowmodel.scenario.read import parse
from cowmodel.scenario.setup import setup
from cowmodel.speed.running_kernel import CannotMeasure

pytestmark = pytest.mark.live


def test_prices_of_two_benchmarks_are_positive_and_can_be_loaded(program: Path, tmp_path: Path):
    two = [one for one in benchmarks() if one.once.name in ("faults-4m", "calls")]
    try:
        found = calibrated(played(two, program, rounds=1))
    except CannotMeasure as reason:
        pytest.skip(str(reason))

    write_preset(tmp_path / "mine.toml", machine(), 1, found.fit, found.drift)

    costs = load_preset(tmp_path / "mine.toml")
    assert (found.fit.prices_ps >= 0).all()
    assert (found.fit.predicted_ns > 0).all()
    assert costs.prices["spawns"].value_ps > 0
    assert any("spawns" in line for line in account(found, costs, guest=True, tells_frames=False))


def test_each_step_of_a_scenario_is_measured_and_predicted(program: Path):
    text = "map P0 A anon pages=64 page=4k\ntouch P0 A all\nfork P0 P1\nfork P1 P2\nexit P2\nexit P1\n"
    try:
        steps = timed_and_predicted(parse(text), program, setup({}).costs, sessions=1)
    except CannotMeasure as reason:
        pytest.skip(str(reason))

    assert [step.kind for step in steps] == ["other", "faults", "fork", "fork", "exit", "exit"]
    assert all(step.measured_us > 0 and step.predicted_us > 0 for step in steps)
    assert [line.split(":")[0] for line in summary(steps)] == ["faults", "fork", "exit"]


def test_the_exit_of_a_process_does_not_take_what_its_own_children_took(program: Path):
    text = "map P0 A anon size=16m page=4k\nfork P0 P1\nfork P1 P2\nwrite P2 A all\nexit P2\nexit P1\n"
    try:
        steps = timed_and_predicted(parse(text), program, setup({}).costs, sessions=1)
    except CannotMeasure as reason:
        pytest.skip(str(reason))

    took = {step.step: step.measured_us for step in steps}
    assert took["6 exit"] < took["4 write"]
