"""Check a table against the class that says what is in it, and say what is wrong as a person would.

Pydantic finds every mistake at once, with its place; the words are ours.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from cowmodel.errors import ConfigError, suggest
from cowmodel.experiment.document import Document
from cowmodel.workload.parameters import Expected, Parameters

P = TypeVar("P", bound=Parameters)


def validated(model: type[P], table: Document, place: str, folder: Path) -> P:
    """Check one table.

    Parameters
    ----------
    model : type
        Says what is in the table.
    table : Document
        What the user wrote.
    place : str
        Dotted path of the table, put before each line of an error; may be empty.
    folder : Path
        What paths of files in the table are relative to.

    Raises
    ------
    ConfigError
        With a line for each thing that is wrong, each opening with its dotted path.
    """
    try:
        # JSON has lists alone: in strict Python mode a tuple field would refuse the list of TOML.
        return model.model_validate_json(
            json.dumps(table, default=partial(_refuse, place)), context={"folder": str(folder)}
        )
    except ValidationError as error:
        lines = [
            ": ".join(filter(None, [_place(place, one), _explain(one, model)])) for one in error.errors()
        ]
        raise ConfigError("\n".join(lines)) from error


def _refuse(place: str, value: object) -> str:
    raise ConfigError(f"{place}: expected text, numbers, true or false, got the date {str(value)!r}")


def located(where: str, lines: Iterable[str]) -> ConfigError:
    """Make one error of many lines, each with the file that it is about."""
    return ConfigError("\n".join(f"{where}: {line}" for line in lines))


def _place(place: str, error: ErrorDetails) -> str:
    return ".".join(filter(None, [place, *map(str, error["loc"])]))


def _explain(error: ErrorDetails, model: type[Parameters]) -> str:
    """Word one error of pydantic as the rest of the program words its own."""
    *table, key = error["loc"] or ("",)
    kind, message, value = error["type"], error["msg"], error["input"]
    fields = _fields([model], table)
    match kind:
        case "missing":
            return f"missing; expected {_described(fields[str(key)])}"
        case "extra_forbidden":
            return suggest("unknown key", str(key), fields)
        case "literal_error" | "enum":
            return suggest("", str(value), re.findall(r"'([^']*)'", message))
        case "problem" | "value_error":
            return message.removeprefix("Value error, ")
        case "list_type" | "tuple_type":
            return f"expected a list in brackets, got {value!r}"
        case _:
            return f"expected {message.removeprefix('Input should be ')}, got {value!r}"


def _fields(models: list[type[BaseModel]], place: list[int | str]) -> dict[str, FieldInfo]:
    """Find the keys of the table at `place`, through nested tables and lists of them."""
    fields = {f.alias or name: f for m in models for name, f in m.model_fields.items()}
    if not place:
        return fields
    head, *rest = place
    # The number of a list's item, and the tag of a union, are no keys: stay where we are.
    deeper = list(_models(fields[str(head)].annotation)) if head in fields else models
    return _fields(deeper, rest)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Go through the models in a type such as ``tuple[Phase, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _described(field: FieldInfo) -> str:
    """Say what a field should hold, and what for."""
    what = [note.what for note in field.metadata if isinstance(note, Expected)]
    return ": ".join([*what, *filter(None, [field.description])]) or f"{field.annotation}"
