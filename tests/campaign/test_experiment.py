"""An experiment: its points, in order, and what is wrong at any of them before the first run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cowmodel.campaign.experiment import find, read_experiment, read_file
from cowmodel.campaign.file import Measurement
from cowmodel.errors import ConfigError

Edit = Callable[[Path, str, str], None]


@pytest.fixture
def folder(house: Path) -> Path:
    return Path("experiments/flips")


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "experiment.toml"


def complaint(folder: Path, *settings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_experiment(folder, settings)
    return str(caught.value)


def test_the_points_are_all_combinations_and_the_last_list_varies_fastest(folder: Path) -> None:
    points = read_experiment(folder).points
    assert [tuple(point.values.values()) for point in points] == [
        (3, "cow", "64 MiB"),
        (3, "cow", "128 MiB"),
        (3, "cow-flip", "64 MiB"),
        (3, "cow-flip", "128 MiB"),
    ]


def test_a_point_is_the_base_with_other_values(folder: Path) -> None:
    experiment = read_experiment(folder)
    last = experiment.recipe.configuration(experiment.points[-1].values)
    assert last.machine.memory == 128 << 20
    assert last.document["workload"]["children"] == 3
    assert last.document["workload"]["heap"] == "1 MiB"


def test_paths_may_be_nested_tables(folder: Path, file: Path, edit: Edit) -> None:
    edit(file, '"policy.copy" =', "policy.copy =")
    assert len(read_experiment(folder).points) == 4


def test_a_point_of_two_sweeps_is_one(folder: Path, file: Path) -> None:
    more = '[[sweep]]\nset = { "workload.children" = 3 }\ngrid = { "policy.copy" = ["cow", "eager"] }'
    file.write_text(file.read_text() + more)
    points = read_experiment(folder).points
    assert len(points) == 5
    assert points[-1].columns == {
        "workload.children": 3,
        "policy.copy": "eager",
        "machine.memory": "64 MiB",
    }


def test_set_changes_the_base(folder: Path) -> None:
    experiment = read_experiment(folder, ["workload.heap=2 MiB"])
    for point in experiment.points:
        assert experiment.recipe.configuration(point.values).document["workload"]["heap"] == "2 MiB"


def test_set_refuses_a_path_that_the_sweep_varies(folder: Path) -> None:
    assert complaint(folder, "policy.copy=eager") == (
        "--set policy.copy: experiments/flips/experiment.toml gives it its values; change them there"
    )


def test_a_wrong_value_in_the_grid_is_told_once(folder: Path, file: Path, edit: Edit) -> None:
    edit(file, '["cow", ', '["cov", ')
    assert complaint(folder) == (
        "experiments/flips/experiment.toml: sweep 1: policy.copy: no 'cov' among eager, cow, "
        "cow-flip, cow-eager-flip; did you mean 'cow'?"
    )


def test_an_unknown_path_in_the_grid_gets_a_suggestion(folder: Path, file: Path, edit: Edit) -> None:
    edit(file, '"policy.copy"', '"policy.cpy"')
    message = complaint(folder)
    assert message.startswith("experiments/flips/experiment.toml: sweep 1: policy.cpy: no ")
    assert message.endswith("did you mean 'policy.copy'?")


def test_a_grid_needs_lists(folder: Path, file: Path, edit: Edit) -> None:
    edit(file, '["cow", "cow-flip"]', '"cow"')
    assert complaint(folder) == (
        "experiments/flips/experiment.toml: sweep 1: grid.policy.copy: expected a list of values, got 'cow'"
    )


def test_a_path_is_set_or_varied_but_not_both(folder: Path, file: Path, edit: Edit) -> None:
    edit(file, '"workload.children" = 3', '"policy.copy" = "cow"')
    assert "policy.copy: expected in one part of the sweep, got it in set and in grid" in complaint(folder)


def test_a_missing_question_says_what_is_expected(folder: Path, file: Path, edit: Edit) -> None:
    edit(file, "question =", "qestion =")
    assert complaint(folder).splitlines() == [
        "experiments/flips/experiment.toml: question: missing; expected what the experiment answers",
        "experiments/flips/experiment.toml: qestion: unknown key: no 'qestion' among question, "
        "expectation, outcome, claim, base, replications, until, draws, sweep, sensitivity, tables, metrics, "
        "quantiles, steady, limits; "
        "did you mean 'question'?",
    ]


def test_an_experiment_without_a_sweep_is_refused(folder: Path, file: Path) -> None:
    file.write_text(file.read_text().partition("[[sweep]]")[0])
    assert "sweep: expected one or more tables [[sweep]], or [sensitivity], got none" in complaint(folder)


def test_a_mistake_in_a_sweep_is_told_with_its_number(folder: Path, file: Path, edit: Edit) -> None:
    edit(file, "grid =", "gird =")
    assert "sweep.0.gird: unknown key: no 'gird' among set, grid, zip" in complaint(folder)


def test_a_base_that_is_not_there_is_named(folder: Path, file: Path, edit: Edit) -> None:
    edit(file, "tree.toml", "three.toml")
    assert "base: no file or folder 'experiments/flips/../../configs/three.toml'" in complaint(folder)


def test_a_mistake_in_the_base_is_told_as_the_base_s(folder: Path, edit: Edit) -> None:
    edit(Path("configs/tree.toml"), "cores = 2", "cores = 0")
    assert complaint(folder).startswith("configs/tree.toml: machine.cores: ")


@pytest.mark.parametrize("name", ["flips", "experiments/flips", "experiments/flips/experiment.toml"])
def test_an_experiment_is_found_by_name_folder_or_file(folder: Path, name: str) -> None:
    assert find(name) == folder


def test_an_unknown_experiment_gets_a_suggestion(folder: Path) -> None:
    with pytest.raises(ConfigError, match="experiments: no 'flip' among flips; did you mean"):
        find("flip")


MEASUREMENT = """
question = "How fast?"
expectation = "Fast."
command = "python -m stopwatch"
tables = ["times"]
"""


def test_a_measurement_has_a_command_in_the_place_of_a_sweep(folder: Path, file: Path) -> None:
    file.write_text(MEASUREMENT)
    said = read_file(folder)
    assert isinstance(said, Measurement)
    assert said.tables == ("times",)


def test_a_measurement_is_not_swept(folder: Path, file: Path) -> None:
    file.write_text(MEASUREMENT)
    assert complaint(folder) == f"{file}: it is measured, not swept; run `python -m stopwatch`"
