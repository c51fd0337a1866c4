"""Claims: numbers that the tables on disk confirm or refute."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from cowmodel.campaign.claims import Checked, Claim, Tables, check
from cowmodel.errors import ConfigError

RUNS = pd.DataFrame(
    {
        "policy.copy": ["cow", "cow", "eager", "eager"],
        "workload.heap": ["1 GiB", "2 GiB", "1 GiB", "2 GiB"],
        "replication": [0, 0, 0, 0],
        "fork_us.mean": [5000.0, 10000.0, 100000.0, 200000.0],
        "peak_bytes.memory": [4096, 4096, 8192, 8192],
    }
)


def checked(**words: Any) -> Checked:
    claim = Claim.model_validate({"says": "so", **words}, strict=False)
    return check(claim, {"runs": RUNS}, functions)


def functions(name: str) -> Callable[[Tables], float]:
    return lambda tables: float(len(tables["runs"]))


def test_a_claim_is_about_the_mean_of_the_runs_that_meet_a_condition():
    found = checked(of="fork_us.mean", where="policy.copy == 'cow'", **{"is": 7500.0}, within=0.01)

    assert found.found.estimate == 7500
    assert found.holds


@pytest.mark.parametrize(("value", "holds"), [("5.1 ms", True), ("5.3 ms", False), ("4.9 ms", True)])
def test_a_claim_with_a_unit_is_read_in_the_unit_of_its_column(value: str, holds: bool):
    where = "policy.copy == 'cow' and workload.heap == 1 GiB"

    found = checked(of="fork_us.mean", where=where, **{"is": value}, plus_minus="0.1 ms")

    assert found.holds is holds


def test_a_ratio_is_that_of_two_conditions():
    found = checked(
        of="fork_us.mean",
        where="policy.copy == 'eager'",
        over="policy.copy == 'cow'",
        at_least=19,
        at_most=21,
    )

    assert found.found.estimate == 20
    assert found.holds


def test_a_bound_is_part_of_where_a_claim_holds():
    assert checked(of="peak_bytes.memory", where="policy.copy == 'cow'", at_most="4 KiB").holds
    assert not checked(of="peak_bytes.memory", where="policy.copy == 'cow'", at_most="4095 B").holds


def test_a_function_of_the_figure_tells_what_no_column_holds():
    assert checked(of="figure.runs", **{"is": 4.0}, plus_minus=0.5).found.estimate == 4


def test_a_claim_that_does_not_hold_says_so_with_both_numbers():
    said = str(checked(of="fork_us.mean", at_most=1000.0))

    assert said.startswith("DOES NOT HOLD: so: 78750")
    assert said.endswith("wanted -inf to 1000")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"of": "fork_us.men", "at_most": 1.0}, "of: no 'fork_us.men' among .*; did you mean 'fork_us.mean'"),
        (
            {"of": "fork_us.mean", "at_most": "1 KiB"},
            "expected a number in the unit of fork_us.mean, got '1 KiB'",
        ),
        ({"of": "fork_us.mean", "at_most": 1.0, "where": "policy.copy == 'cov'"}, "no run with a value of"),
        (
            {"of": "fork_us.mean", "at_most": 1.0, "where": "policy.cpy == 'cow'"},
            "did you mean 'policy.copy'",
        ),
    ],
)
def test_a_claim_about_nothing_is_refused(words: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        checked(**words)


@pytest.mark.parametrize("words", [{}, {"is": 1.0}, {"within": 0.1, "at_most": 1.0}])
def test_a_claim_that_nothing_could_refute_is_refused(words: dict[str, Any]):
    with pytest.raises(ValidationError, match="expected"):
        Claim.model_validate({"says": "so", "of": "fork_us.mean", **words})
