"""Every scenario that ships: the running kernel counts what it expects, and the model the same."""

from pathlib import Path

import pytest

from cowmodel.live.compare import compare
from cowmodel.scenario.read import parse, read_scenario, shipped
from cowmodel.scenario.setup import setup
from cowmodel.speed.running_kernel import CannotMeasure

pytestmark = pytest.mark.live


@pytest.mark.parametrize("path", shipped().values(), ids=lambda path: path.stem)
def test_the_running_kernel_agrees_with_scenario_and_model(path: Path, oracle: Path):
    try:
        came = compare(read_scenario(path), oracle, setup({}))
    except CannotMeasure as reason:
        pytest.skip(str(reason))

    assert came.differences == []
    assert came.steps > 0


def test_another_policy_differs_and_every_difference_is_told(oracle: Path):
    scenario = read_scenario(shipped()["a04-exit-then-flip.scn"])

    came = compare(scenario, oracle, setup({"policy.copy": "cow"}))

    assert [line.partition("step ")[2] for line in came.differences if "accessed." in line] == [
        "5, write: accessed.copied: model 64, running kernel 0",
        "5, write: accessed.same_frame: model 0, running kernel 64",
    ]


def test_an_expectation_that_the_kernel_does_not_meet_is_a_difference(oracle: Path):
    scenario = parse("map P0 A anon pages=4 page=4k\ntouch P0 A all #= minflt 5", Path("x.scn"))

    came = compare(scenario, oracle, setup({}))

    assert came.differences == ["x.scn:2: step 2, touch: expected minflt 5, got 4, on the running kernel"]
