"""Configurations that only say what differs from another."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cowmodel.campaign.experiment import read_experiment
from cowmodel.campaign.recognise import describe
from cowmodel.errors import ConfigError
from cowmodel.experiment.config import load
from cowmodel.experiment.document import canonical, document, extended, read_toml

Edit = Callable[[Path, str, str], None]


@pytest.fixture
def eager(house: Path) -> Path:
    """A configuration that differs from configs/tree.toml in two values."""
    path = Path("configs/eager.toml")
    path.write_text('extends = "tree.toml"\n[policy]\ncopy = "eager"\n[machine]\ncores = 4\n')
    return path


def complaint(path: Path, *settings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, settings)
    return str(caught.value)


def test_what_is_not_said_is_the_other_s(eager: Path):
    other = read_toml(Path("configs/tree.toml"))
    other["policy"]["copy"], other["machine"]["cores"] = "eager", 4

    assert extended(eager) == other


def test_the_document_is_as_if_it_were_written_out(eager: Path):
    whole = eager.with_name("whole.toml")
    text = Path("configs/tree.toml").read_text()
    whole.write_text(text.replace('"cow-flip"', '"eager"').replace("cores = 2", "cores = 4"))

    assert canonical(load(eager).document) == canonical(load(whole).document)


def test_extensions_may_be_extended(eager: Path):
    last = eager.parent / "deep/last.toml"
    last.parent.mkdir()
    last.write_text('extends = "../eager.toml"\nmachine.cores = 1\n')

    found = extended(last)

    assert (found["machine"]["cores"], found["policy"]["copy"]) == (1, "eager")
    assert found["workload"]["heap"] == "1 MiB"


def test_settings_come_after(eager: Path):
    assert document(eager, ["policy.copy=cow"])["policy"]["copy"] == "cow"


def test_a_table_that_the_other_lacks_is_added(eager: Path):
    eager.write_text(eager.read_text() + '[kernel]\nera = "linux-5.4"\n')

    assert load(eager).kernel.era == "linux-5.4"


def test_a_list_is_in_the_place_of_the_other_s(eager: Path, edit: Edit):
    edit(Path("configs/tree.toml"), "cores = 2", 'cores = 2\nwithout = ["a", "b"]')
    edit(eager, "cores = 4", 'without = ["c"]')

    assert extended(eager)["machine"]["without"] == ["c"]


def test_an_experiment_may_vary_one_that_extends(eager: Path, edit: Edit):
    edit(Path("experiments/flips/experiment.toml"), "tree.toml", "eager.toml")

    experiment = read_experiment(Path("experiments/flips"))

    assert len(experiment.points) == 4


def test_one_that_says_nothing_but_what_it_extends_is_a_configuration(eager: Path):
    eager.write_text('extends = "tree.toml"\n')

    assert describe(eager) == "configuration of fork-tree"


@pytest.mark.parametrize(
    ("said", "circle"),
    [
        ("eager.toml", "configs/eager.toml -> configs/eager.toml"),
        ("../configs/eager.toml", "configs/eager.toml -> configs/eager.toml"),
        ("second.toml", "configs/second.toml -> configs/third.toml -> configs/second.toml"),
    ],
)
def test_a_circle_is_shown(eager: Path, said: str, circle: str):
    eager.with_name("second.toml").write_text('extends = "third.toml"')
    eager.with_name("third.toml").write_text('extends = "second.toml"')
    eager.write_text(f'extends = "{said}"')

    message = complaint(eager)

    assert message.startswith("configs/eager.toml: extends: ")
    assert f"got a circle: {circle}; take out one `extends`" in message


def test_a_file_that_is_not_there_gets_a_suggestion_and_is_told_with_who_extends_it(eager: Path, edit: Edit):
    edit(eager, "tree.toml", "three.toml")

    message = complaint(eager)

    assert message.startswith("configs/eager.toml: extends: configs/three.toml: no 'three.toml' among ")
    assert message.endswith("did you mean 'tree.toml'?")


def test_a_file_that_is_no_toml_is_told_with_who_extends_it(eager: Path):
    Path("configs/tree.toml").write_text("machine")

    assert complaint(eager).startswith("configs/eager.toml: extends: configs/tree.toml: not valid TOML: ")


@pytest.mark.parametrize("said", ["3", '["tree.toml"]', "true"])
def test_what_is_no_path_is_refused(eager: Path, edit: Edit, said: str):
    edit(eager, '"tree.toml"', said)

    assert complaint(eager).startswith(
        "configs/eager.toml: extends: expected the path of a configuration in quotes, got "
    )


def test_an_unknown_key_fails_with_the_file(eager: Path, edit: Edit):
    edit(eager, "cores", "cors")

    assert complaint(eager).startswith("configs/eager.toml: machine.cors: unknown key: no 'cors' among ")


def test_extends_is_no_path_of_a_setting(eager: Path):
    assert complaint(eager, "extends=tree.toml").startswith("--set extends: no 'extends' among ")
