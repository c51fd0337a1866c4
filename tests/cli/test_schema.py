"""``cowmodel schema``: what editors know of a file is what the program checks."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from click.testing import CliRunner

from cowmodel.catalog import POLICIES
from cowmodel.cli import cli

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = sorted(ROOT.glob("configs/*.toml"))
EXPERIMENTS = sorted(ROOT.glob("experiments/*/experiment.toml"))

Validate = Callable[[Any], Any]


def schema(*kind: str) -> dict[str, Any]:
    shown = CliRunner().invoke(cli, ["schema", *kind])
    assert shown.exit_code == 0, shown.output
    return dict(json.loads(shown.stdout))


@pytest.fixture(scope="module")
def configuration() -> Validate:
    return fastjsonschema.compile(schema("configuration"))


@pytest.fixture(scope="module")
def experiment() -> Validate:
    return fastjsonschema.compile(schema("experiment"))


@pytest.fixture
def table() -> dict[str, Any]:
    return tomllib.loads((ROOT / "configs/snapshot-server.toml").read_text())


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.stem)
def test_every_configuration_fits_the_schema(file: Path, configuration: Validate) -> None:
    table = tomllib.loads(file.read_text())
    assert configuration(table) == table


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.parent.name)
def test_every_experiment_fits_the_schema(file: Path, experiment: Validate) -> None:
    table = tomllib.loads(file.read_text())
    assert experiment(table).items() >= table.items()  # defaults are filled in


def test_a_file_that_extends_another_may_lack_keys(configuration: Validate) -> None:
    assert configuration({"extends": "other.toml", "machine": {"cores": 3}})


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("machine", "memroy", "1 GiB"),
        ("machine", "memory", 64),
        ("machine", "cores", 0),
        ("policy", "copy", "cow-flp"),
        ("workload", "name", "snapshot-sever"),
        ("workload", "workers", 3),
    ],
)
def test_a_key_or_value_that_the_program_refuses_does_not_fit(
    section: str, key: str, value: object, table: dict[str, Any], configuration: Validate
) -> None:
    table[section][key] = value
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        configuration(table)


@pytest.mark.parametrize(("section", "key"), [("machine", "memory"), ("workload", "heap"), ("run", "seed")])
def test_a_key_that_must_be_there_is_missed(
    section: str, key: str, table: dict[str, Any], configuration: Validate
) -> None:
    del table[section][key]
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        configuration(table)


def test_names_of_the_catalogue_are_offered() -> None:
    assert schema()["$defs"]["PolicyTable"]["properties"]["copy"]["enum"] == list(POLICIES)


def test_defaults_are_written_as_a_file_has_them() -> None:
    assert schema()["$defs"]["MachineTable"]["properties"]["cache"]["default"] == "8 MiB"


@pytest.mark.parametrize("kind", ["configuration", "experiment"])
def test_every_key_says_what_it_is_for_or_what_is_expected(kind: str) -> None:
    silent = [
        f"{table}.{key}"
        for table, model in schema(kind)["$defs"].items()
        for key, field in model["properties"].items()
        if not field.keys() & {"title", "description", "const"}
    ]
    assert silent == []


def test_an_unknown_kind_exits_with_two() -> None:
    assert CliRunner().invoke(cli, ["schema", "preset"]).exit_code == 2
