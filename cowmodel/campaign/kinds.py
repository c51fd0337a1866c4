"""Values with kinds, as conditions compute with them: a size is no duration, and text is no number.

========  =============================================  =================================
Operator  Takes                                          Gives
========  =============================================  =================================
+ - %     two of one kind                                the same kind
* /       any quantities and numbers                     10 GB/s * 2 s is a size, and so on
//        two of one kind                                a number
< <= ...  two of one kind; text only by == and !=        true or false
in        a value and a list                             true or false
========  =============================================  =================================

A kind of quantity is the powers of bytes and of picoseconds in it; in these units are the numbers.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache, partial, reduce
from typing import Any, NamedTuple

from cowmodel.units import DURATIONS, parse_quantity

Kind = tuple[int, int] | str
"""Powers of bytes and of time; or ``text``, ``truth``, ``list``."""

NUMBER = (0, 0)
DIMENSIONS = {"number": NUMBER, "size": (1, 0), "duration": (0, 1), "rate": (0, -1), "bandwidth": (1, -1)}
NAMES: Mapping[Kind, str] = {powers: f"a {name}" for name, powers in DIMENSIONS.items()} | {
    "text": "text",
    "truth": "true or false",
    "list": "a list",
}


class Misfit(Exception):
    """An operator does not take values of these kinds."""


class Value(NamedTuple):
    """A number, text, a truth or a list, and its kind."""

    of: Any
    kind: Kind


def value_of(known: object) -> Value:
    """Give a value of a configuration or a condition its kind; text that is a quantity is a number.

    Raises
    ------
    Misfit
        If it is of another type, such as a table or a date.

    Examples
    --------
    >>> value_of("4 KiB"), value_of("cow")
    (Value(of=4096, kind=(1, 0)), Value(of='cow', kind='text'))
    """
    match known:
        case bool():
            return Value(known, "truth")
        case int() | float():
            return Value(known, NUMBER)
        case str():
            return _value_of_text(known)
        case list():
            return Value([value_of(one) for one in known], "list")
        case _:
            raise Misfit(f"expected a number, text, true, false or a list, got {known!r}")


@lru_cache(maxsize=1024)
def _value_of_text(text: str) -> Value:
    if (quantity := parse_quantity(text)) is None:
        return Value(text, "text")
    number, powers = quantity[0], DIMENSIONS[quantity[1]]
    # what is per second, per picosecond
    return Value(Fraction(number) / DURATIONS["s"] if powers[1] < 0 else number, powers)


def truth(value: Value) -> bool:
    """Return a truth as such.

    Raises
    ------
    Misfit
        If it is something else.
    """
    if value.kind != "truth":
        raise Misfit(f"expected a comparison, got {named(value)}; compare it with something")
    return bool(value.of)


def named(value: Value) -> str:
    """Name the kind of a value for people."""
    return NAMES.get(value.kind, "a product of quantities")


def _alike(verb: str, function: Callable[[Any, Any], Any], a: Value, b: Value) -> Value:
    if a.kind != b.kind or isinstance(a.kind, str):
        raise Misfit(
            f"cannot {verb} {named(a)} and {named(b)}; both must be numbers or quantities of one kind"
        )
    return Value(function(a.of, b.of), a.kind)


def _scaled(sign: int, function: Callable[[Any, Any], Any], a: Value, b: Value) -> Value:
    if isinstance(a.kind, str) or isinstance(b.kind, str):
        raise Misfit(
            f"cannot multiply or divide {named(a)} and {named(b)}; both must be numbers or quantities"
        )
    return Value(function(a.of, b.of), (a.kind[0] + sign * b.kind[0], a.kind[1] + sign * b.kind[1]))


def _whole_parts(a: Value, b: Value) -> Value:
    return Value(_alike("divide", operator.floordiv, a, b).of, NUMBER)


def _negative(a: Value) -> Value:
    return _scaled(1, operator.mul, Value(-1, NUMBER), a)


def _compared(function: Callable[[Any, Any], bool], a: Value, b: Value) -> Value:
    ordered = function not in (operator.eq, operator.ne)
    if a.kind != b.kind or a.kind == "list" or (ordered and isinstance(a.kind, str)):
        raise Misfit(
            f"cannot compare {named(a)} with {named(b)}; numbers and quantities compare with their own kind,"
            " text by == and != with text"
        )
    return Value(function(a.of, b.of), "truth")


def _within(expected: bool, a: Value, b: Value) -> Value:
    if b.kind != "list":
        raise Misfit(f"expected a list in brackets behind 'in', got {named(b)}")
    return Value(any(_compared(operator.eq, a, one).of for one in b.of) == expected, "truth")


def _extreme(function: Callable[[Any, Any], Any], *values: Value) -> Value:
    return reduce(partial(_alike, "compare", function), values)


OPERATIONS: Mapping[type[ast.AST], Callable[..., Value]] = {
    ast.Add: partial(_alike, "add", operator.add),
    ast.Sub: partial(_alike, "subtract", operator.sub),
    ast.Mod: partial(_alike, "divide", operator.mod),
    ast.Mult: partial(_scaled, 1, operator.mul),
    ast.Div: partial(_scaled, -1, operator.truediv),
    ast.FloorDiv: _whole_parts,
    ast.USub: _negative,
    ast.Not: lambda a: Value(not truth(a), "truth"),
    ast.Lt: partial(_compared, operator.lt),
    ast.LtE: partial(_compared, operator.le),
    ast.Gt: partial(_compared, operator.gt),
    ast.GtE: partial(_compared, operator.ge),
    ast.Eq: partial(_compared, operator.eq),
    ast.NotEq: partial(_compared, operator.ne),
    ast.In: partial(_within, True),
    ast.NotIn: partial(_within, False),
}
FUNCTIONS: Mapping[str, Callable[..., Value]] = {"min": partial(_extreme, min), "max": partial(_extreme, max)}
