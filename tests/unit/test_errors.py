import pytest

from cowmodel.errors import (
    ConfigError,
    CowmodelError,
    OutOfMemory,
    SegmentationFault,
    SimulationError,
    suggest,
)


def test_a_mistake_of_the_user_ends_with_exit_code_2():
    assert ConfigError.exit_code == 2


@pytest.mark.parametrize("error", [SimulationError, OutOfMemory, SegmentationFault])
def test_a_machine_that_cannot_go_on_ends_with_exit_code_1(error: type[CowmodelError]):
    assert error.exit_code == 1
    assert issubclass(error, SimulationError)


def test_a_misspelt_name_is_answered_with_the_shelf_and_the_nearest_name():
    message = suggest("policy.copy", "cow-flp", ["eager", "cow", "cow-flip"])

    assert message == ("policy.copy: no 'cow-flp' among eager, cow, cow-flip; did you mean 'cow-flip'?")


def test_a_name_like_no_other_is_answered_with_the_shelf_alone():
    assert suggest("", "zzz", ["eager", "cow"]) == "no 'zzz' among eager, cow"


def test_an_empty_shelf_is_said_to_be_empty():
    assert suggest("backing", "thp", []) == "backing: no 'thp': there is nothing to choose from"
