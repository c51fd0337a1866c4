"""Random scenarios: model and running kernel count the same, and what differs is made small."""

from pathlib import Path

import numpy as np
import pytest

from cowmodel.live.author import BACKINGS, Author, text
from cowmodel.live.fuzz import shrunk, tried
from cowmodel.scenario.model import ModelStage
from cowmodel.scenario.play import play
from cowmodel.scenario.read import parse
from cowmodel.scenario.setup import setup


@pytest.mark.parametrize("backing", list(BACKINGS))
@pytest.mark.parametrize("number", range(5))
def test_model_and_running_kernel_count_the_same(oracle: Path, backing: str, number: int):
    found = tried(7, number, backing, oracle, setup({}))

    assert found.differences == [], found.text
    assert not found.not_modelled


def test_a_difference_is_found_and_made_small(oracle: Path):
    machine = setup({"policy.copy": "cow"})  # the running kernel flips

    found = next(found for n in range(20) if (found := tried(7, n, "base", oracle, machine)).differences)

    verbs = [line.split()[0] for line in found.text.splitlines()]
    assert verbs[0] == "name"
    assert "map" in verbs and {"write", "rmw"} & {*verbs}
    assert len(verbs) < 8


@pytest.mark.parametrize("backing", list(BACKINGS))
def test_what_is_written_can_be_read_and_played(backing: str):
    for number in range(4):
        author = Author(np.random.default_rng([1, number]), backing)
        author.write(30)
        scenario = parse(text(author.settings, author.lines))

        rows = list(play(scenario, ModelStage(scenario, setup({}))))

        assert len(rows) == len(author.lines)


def test_none_of_the_lines_that_are_left_can_be_spared():
    tries: list[list[str]] = []

    def fails(lines: list[str]) -> bool:
        tries.append(lines)
        return {"b", "e"} <= {*lines}

    assert shrunk(list("abcdef"), fails) == ["b", "e"]
    assert ["b"] in tries
    assert ["e"] in tries
