"""Conditions on a configuration, as text: read, never executed.

::

    workload.heap * 2 <= machine.memory and policy.copy != "eager"
    4 KiB <= workload.object < 1 MiB or machine.cores in [1, 2, 4]
    workload.heap / (10 GB/s) < workload.save

A name is the path of a value in the configuration; ``true`` and ``false`` are written as in TOML. Python's
parser reads the text; of what it finds, only what is listed here becomes part of a condition.
"""

import ast
import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, NoReturn

from cowmodel.campaign.kinds import FUNCTIONS, OPERATIONS, Misfit, Value, truth, value_of
from cowmodel.errors import ConfigError, suggest
from cowmodel.experiment.document import Document, paths
from cowmodel.units import KINDS

Part = Callable[[Mapping[str, Value]], Value]
"""A part of a condition: from the values of all names to its own."""

_QUANTITY = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?<![\w.])(?P<number>\d+(?:\.\d*)?(?:e[+-]?\d+)?)\s*"""
    r"""(?P<unit>(?!(?:and|or|not|in|is|if|else|for)\b)[^\W\d_]+(?:/m?s)?|/m?s)(?![\w.])"""
)
_ALLOWED = (
    "dotted names, numbers, quantities such as 4 GiB, text in quotes, + - * / // %, comparisons, in [...],"
    " min, max, and, or, not"
)


class Constraint:
    """A condition, read once and asked of many configurations.

    Parameters
    ----------
    text : str
        The condition.
    where : str
        Put before each message.

    Raises
    ------
    ConfigError
        If the text is no condition, or has a part that conditions do not have.

    Examples
    --------
    >>> fits = Constraint("2 * workload.heap <= machine.memory", "constraint")
    >>> fits({"workload": {"heap": "1 GiB"}, "machine": {"memory": "2 GiB"}})
    True
    """

    def __init__(self, text: str, where: str) -> None:
        self._where = f"{where} {text!r}"
        self._names: dict[str, list[str]] = {}
        try:
            # In parentheses a condition may go over several lines.
            self._whole = self._truth(ast.parse(f"({self._quoted(text)}\n)", mode="eval").body)
        except SyntaxError as error:
            self._fail(
                f"expected a condition such as 'machine.cores <= 2', got what Python calls {error.msg}"
            )
        except (ValueError, RecursionError, MemoryError) as error:
            self._fail(f"expected a condition such as 'machine.cores <= 2': {error}")

    def __call__(self, document: Document) -> bool:
        """Tell whether a configuration meets the condition.

        Raises
        ------
        ConfigError
            If it has no value at the path of a name, or one of another kind than the condition needs.
        """
        # All names are looked up: an unknown one is a mistake also where nobody would ask for it.
        values = {name: self._looked_up(keys, document) for name, keys in self._names.items()}
        return bool(self._whole(values).of)

    def _fail(self, problem: str) -> NoReturn:
        raise ConfigError(f"{self._where}: {problem}")

    def _quoted(self, text: str) -> str:
        """Put quantities in quotes, as a configuration has them."""
        return _QUANTITY.sub(self._checked, text)

    def _checked(self, found: re.Match[str]) -> str:
        if found["text"]:
            return found[0]
        unit = found["unit"].replace("μ", "µ")
        if unit not in KINDS:
            self._fail(suggest(f"{found[0]!r}: expected a number and a unit", unit, KINDS))
        return repr(f"{found['number']} {unit}")

    def _looked_up(self, keys: list[str], document: Document) -> Value:
        found: Any = document
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                self._fail(suggest("", ".".join(keys), paths(document)))
            found = found[key]
        return self._value(found, ".".join(keys))

    def _value(self, known: object, told: str) -> Value:
        try:
            return value_of(known)
        except (Misfit, ConfigError) as problem:
            self._fail(f"{told}: {problem}")

    def _read(self, node: ast.expr) -> Part:
        """Turn a part of the parsed text into a function of the values of names."""
        match node:
            case ast.Name(id="true" | "false" as word):
                return lambda values: Value(word == "true", "truth")
            case ast.Name() | ast.Attribute():
                path = ast.unparse(node)
                self._names[path] = path.split(".")
                return itemgetter(path)
            case ast.Constant(value=bool() | int() | float() | str() as known):
                value = self._value(known, ast.unparse(node))
                return lambda values: value
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return self._applied(node, lambda *values: Value(values, "list"), *parts)
            case ast.BoolOp(op=op, values=parts):
                return self._joined(all if isinstance(op, ast.And) else any, [self._truth(p) for p in parts])
            case ast.UnaryOp(op=op, operand=part) if type(op) in OPERATIONS:
                return self._applied(node, OPERATIONS[type(op)], part)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
                return self._applied(node, OPERATIONS[type(op)], left, right)
            case ast.Compare(left=left, ops=ops, comparators=rest) if all(
                type(op) in OPERATIONS for op in ops
            ):
                pairs = zip(ops, [left, *rest], rest, strict=False)
                return self._joined(
                    all, [self._applied(node, OPERATIONS[type(op)], a, b) for op, a, b in pairs]
                )
            case ast.Call(func=ast.Name(id=name), args=[_, *_] as parts, keywords=[]) if name in FUNCTIONS:
                return self._applied(node, FUNCTIONS[name], *parts)
        self._fail(f"{ast.unparse(node)!r} is no part of a condition; use {_ALLOWED}")

    def _truth(self, node: ast.expr) -> Part:
        return self._applied(node, lambda value: Value(truth(value), "truth"), node)

    @staticmethod
    def _joined(all_or_any: Callable[..., bool], parts: list[Part]) -> Part:
        """Ask one part after the other, up to the one that decides."""
        return lambda values: Value(all_or_any(part(values).of for part in parts), "truth")

    def _applied(self, node: ast.expr, function: Callable[..., Value], *parts: ast.expr) -> Part:
        """Call a function on the values of parts; where it fails, tell on which part of the text."""
        read = [self._read(part) for part in parts]

        def value(values: Mapping[str, Value]) -> Value:
            operands = [part(values) for part in read]
            try:
                return function(*operands)
            except (Misfit, ArithmeticError) as problem:
                self._fail(f"{ast.unparse(node)}: {problem}")

        return value
