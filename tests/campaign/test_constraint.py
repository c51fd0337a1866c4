"""Conditions on a configuration: what they mean, that nothing is executed, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowmodel.campaign.constraint import Constraint
from cowmodel.errors import ConfigError

CONFIGURATION: dict[str, Any] = {
    "machine": {
        "memory": "4 GiB",
        "cores": 2,
        "tlb": True,
        "bandwidth": "10 GB/s",
        "without": ["pte_copy"],
    },
    "policy": {"copy": "cow"},
    "workload": {"heap": "1 GiB", "rate": "20000/s", "save": "1 s", "written": 0.5, "read": 0},
}


def holds(text: str) -> bool:
    return Constraint(text, "constraint")(CONFIGURATION)


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        holds(text)
    where = f"constraint {text!r}: "
    assert str(caught.value).startswith(where)
    return str(caught.value).removeprefix(where)


@pytest.mark.parametrize(
    "text",
    [
        'workload.heap * 2 <= machine.memory and policy.copy != "eager"',
        "machine.memory <= 4 GiB",
        "machine.memory == 4GiB",
        "workload.heap + 3 GiB == machine.memory",
        "machine.memory - workload.heap == 3072 MiB",
        "machine.memory / workload.heap == 4",
        "machine.memory // workload.heap == 4",
        "machine.memory % 3 GiB == 1 GiB",
        "-machine.cores < 0",
        "1 KiB <= workload.heap < 2 GiB",
        "machine.cores in [1, 2, 4]",
        "machine.cores not in (3, 4)",
        "policy.copy in ['eager', \"cow\"]",
        "'pte_copy' in machine.without",
        "machine.tlb and not machine.tlb == false",
        "machine.tlb == true",
        "min(workload.heap, 2 GiB, machine.memory) == 1 GiB",
        "max(machine.cores, 3) == 3",
        "(machine.cores == 1 or\n  machine.cores == 2)",
        "1.5 KiB == 1536 B and 1e3 us == 1 ms and 1 μs == 1 us and 2/ms == 2000/s",
        "workload.rate * workload.save == 20000",
        "workload.heap / machine.bandwidth < workload.save",
        "(5 GB) / (10 GB/s) == 500 ms",
        "workload.written <= 0.5",
        "workload.read == 0 or 1 / workload.read > 1",
        "policy.copy != 'a 4 GiB b'",
    ],
)
def test_a_condition_that_is_true_holds(text: str):
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "machine.memory < 4 GiB",
        "machine.cores != 2",
        "not machine.tlb",
        "3 GiB <= workload.heap < 4 GiB",
        "machine.cores == 2 and machine.cores == 3",
        "machine.cores in [3, 4]",
        "'cow' not in ['cow']",
    ],
)
def test_a_condition_that_is_false_does_not(text: str):
    assert not holds(text)


numbers = st.integers(-9, 9) | st.sampled_from([0.25, 1.5, -2.75])
names = st.sampled_from(["x.a", "x.b", "x.c"])


def _joined(operators: list[str], inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda a, op, b: f"({a} {op} {b})", inner, st.sampled_from(operators), inner)


arithmetic = st.recursive(
    numbers.map(str) | names,
    lambda inner: (
        _joined(["+", "-", "*", "/", "//", "%"], inner)
        | st.builds("min({}, {})".format, inner, inner)
        | st.builds("max({}, {})".format, inner, inner)
        | st.builds("(-{})".format, inner)
    ),
    max_leaves=6,
)
comparisons = (
    _joined(["<", "<=", ">", ">=", "==", "!="], arithmetic)
    | st.builds("{} < {} <= {}".format, arithmetic, arithmetic, arithmetic)
    | st.builds("{} in [{}, {}]".format, arithmetic, arithmetic, arithmetic)
)
conditions = st.recursive(
    comparisons,
    lambda inner: _joined(["and", "or"], inner) | st.builds("not ({})".format, inner),
    max_leaves=4,
)


class Table:
    """What Python reads the values of names from."""

    def __init__(self, values: dict[str, float]) -> None:
        self.__dict__ = values


@given(conditions, st.fixed_dictionaries(dict.fromkeys("abc", numbers)))
def test_over_plain_numbers_a_condition_is_what_python_makes_of_it(text: str, values: dict[str, float]):
    condition = Constraint(text, "constraint")
    try:
        expected = eval(text, {"x": Table(values)})
    except ZeroDivisionError:
        with pytest.raises(ConfigError, match="zero"):
            condition({"x": values})
    else:
        assert condition({"x": values}) == expected


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_a_condition_does_not_depend_on_the_unit_that_sizes_are_written_in(a: int, b: int, c: int):
    condition = Constraint("x.a + x.b <= x.c or x.a % (x.c + 1 KiB) == x.b", "constraint")

    for unit_bytes, unit in ((1024, "KiB"), (1, "B")):
        written = {
            name: f"{size * 1024 // unit_bytes} {unit}" for name, size in {"a": a, "b": b, "c": c}.items()
        }
        assert condition({"x": written}) == (a + b <= c or a % (c + 1) == b)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("machine.memory < 1 s", "machine.memory < '1 s': cannot compare a size with a duration"),
        ("machine.memory <= 4", "machine.memory <= 4: cannot compare a size with a number"),
        ("policy.copy == 4", "policy.copy == 4: cannot compare text with a number"),
        ("policy.copy < 'd'", "policy.copy < 'd': cannot compare text with text"),
        ("workload.heap in [2, 1 GiB]", "cannot compare a size with a number"),
        ("machine.memory + 1 s > 1 s", "cannot add a size and a duration"),
        ("machine.memory % 2 == 1 B", "cannot divide a size and a number"),
        ("machine.memory * policy.copy == 1", "cannot multiply or divide a size and text"),
        ("machine.memory * machine.memory == 1", "cannot compare a product of quantities with a number"),
        ("min(machine.memory, 1) == 1", "min(machine.memory, 1): cannot compare a size and a number"),
        ("machine.tlb + 1 == 2", "cannot add true or false and a number"),
        ("machine.cores in machine.cores", "expected a list in brackets behind 'in', got a number"),
    ],
)
def test_kinds_that_do_not_go_together_are_refused(text: str, message: str):
    assert message in complaint(text)


@pytest.mark.parametrize("text", ["machine.cores", "machine.cores == 2 and 1", "not 'cow'", "", "1 == 1,"])
def test_what_is_neither_true_nor_false_is_refused(text: str):
    assert "expected a comparison, got " in complaint(text)


@pytest.mark.parametrize("text", ["machine.memry > 1", "machine.tlb or machine.memry > 1 GiB"])
def test_an_unknown_name_gets_a_suggestion_even_where_nobody_would_ask_for_it(text: str):
    message = complaint(text)

    assert message.startswith("no 'machine.memry' among machine.memory, machine.cores,")
    assert message.endswith("did you mean 'machine.memory'?")


def test_an_unknown_unit_gets_a_suggestion():
    assert complaint("machine.memory <= 4 Gib").endswith("did you mean 'GiB'?")


@pytest.mark.parametrize("operator", ["/", "//", "%"])
def test_a_division_by_zero_is_told_with_its_place(operator: str):
    assert complaint(f"1 {operator} workload.read > 1").startswith(f"1 {operator} workload.read: ")


def test_a_number_that_is_too_large_is_told_with_its_place():
    assert "too large" in complaint(f"1{'0' * 400} * workload.written > 1")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "open('x')",
        "min(machine.cores, key=machine.cores) == 1",
        "min(*[1, 2]) == 1",
        "min() == 1",
        "[1, 2][0] == 1",
        "(lambda: 1)() == 1",
        "[x for x in [1]] == 1",
        "(x := 3) == 3",
        "1 if machine.tlb else 2",
        "f'{machine.cores}' == '2'",
        "2 ** 3 == 8",
        "~machine.cores == 1",
        "1 & 1 == 1",
        "machine.cores is 2",
        "{1: 2} == 1",
        "b'x' == 'x'",
        "None == 1",
        "... == 1",
    ],
)
def test_what_python_knows_and_conditions_do_not_is_refused(text: str):
    assert " is no part of a condition; use dotted names, numbers, " in complaint(text)


@pytest.mark.parametrize(
    "text", ["(1).real == 1", "machine.memory.__class__ == 1", "true.x == 1", "().x == 1"]
)
def test_no_attribute_of_python_s_own_objects_is_reached(text: str):
    assert "among machine.memory, machine.cores, " in complaint(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("machine.cores = 2", "Maybe you meant '=='"),
        ("machine.cores ==", "invalid syntax"),
        ("1 == 1)", "unmatched ')'"),
        ("'cow", "unterminated string literal"),
        ("1 == 1 \0", "null bytes"),
        ("1 == " + "(" * 300 + "1" + ")" * 300, "too many nested parentheses"),
        ("1 == " + "-" * 5000 + "1", "expected a condition such as 'machine.cores <= 2'"),
    ],
)
def test_what_is_no_condition_is_refused_in_python_s_words(text: str, message: str):
    assert message in complaint(text)


def test_a_quantity_that_its_kind_does_not_have_is_refused():
    assert complaint("workload.heap > 0.5 B") == "'0.5 B': expected a whole number of bytes, got '0.5 B'"


@pytest.mark.parametrize("value", [{"a": 1}, None])
def test_a_value_that_is_none_of_numbers_text_and_lists_is_refused(value: object):
    with pytest.raises(ConfigError, match=r"machine.x: expected a number, text, true, false or a list, got"):
        Constraint("machine.x == 1", "constraint")({"machine": {"x": value}})
