"""What a file may say as a JSON Schema: for editors, which complete and check, and for the documentation.

::

    #:schema build/configuration.json        first line of a TOML file, for an editor that knows Tombi
    [machine]
    memory = "1 GiB"                         title: a size such as '4 KiB'; description: physical memory

A schema knows names, types and which keys must be there. What only reading tells, such as whether a file
exists or a heap fits, `cowmodel check` tells.

References
----------
JSON Schema, draft 2020-12.
"""

from collections.abc import Iterable

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from cowmodel import catalog
from cowmodel.experiment.config import SECTIONS
from cowmodel.experiment.document import Document
from cowmodel.workload.parameters import Parameters, Quantity

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Titles(GenerateJsonSchema):
    """Keep what is expected as the title, where pydantic would write the key once more."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Do not."""
        return False


def configuration_schema() -> Document:
    """Return the JSON Schema of a configuration.

    A workload's keys are those of its name. A file with ``extends`` may lack any key, so that of such a file
    only the names of tables and keys are checked.
    """
    workloads = tuple(catalog.WORKLOADS.values())
    refs, schema = _definitions([*SECTIONS.values(), *workloads])
    definitions = schema["$defs"]
    for name, model in catalog.WORKLOADS.items():
        table = definitions[model.__name__]
        table["properties"] = {"name": {"const": name}} | table.get("properties", {})
        table["required"] = ["name", *table.get("required", [])]
    tables = {name: refs[model] for name, model in SECTIONS.items()}
    tables["workload"] = {"oneOf": [refs[model] for model in workloads]}
    whole = {
        "type": "object",
        "properties": tables,
        "required": ["machine", "policy", "workload", "run"],
        "additionalProperties": False,
    }
    return {"$schema": _DIALECT, "anyOf": [whole, _extending(tables)], "$defs": definitions}


def _extending(tables: Document) -> Document:
    """Describe a file that only says what differs from another."""
    path = {"type": "string", "title": "the path of a configuration"}
    loose = {name: {"type": "object"} for name in tables}
    return {
        "type": "object",
        "properties": {"extends": path} | loose,
        "required": ["extends"],
        "additionalProperties": False,
    }


def schema_of(*models: type[Parameters]) -> Document:
    """Return the JSON Schema of a file that says what one of these models asks for."""
    refs, schema = _definitions(models)
    return {"$schema": _DIALECT, "anyOf": [refs[model] for model in models]} | schema


def _definitions(models: Iterable[type[Parameters]]) -> tuple[dict[type[Parameters], Document], Document]:
    """Return a reference to each model, and what these refer to."""
    asked = list(models)
    refs, schema = models_json_schema(
        [(model, "validation") for model in asked], by_alias=True, schema_generator=_Titles
    )
    for model in asked:
        _write_defaults(model, schema["$defs"][model.__name__])
    return {model: refs[model, "validation"] for model in asked}, schema


def _write_defaults(model: type[Parameters], table: Document) -> None:
    """Write the defaults of quantities as the file has them; pydantic knows them as the program does."""
    for key, field in model.model_fields.items():
        for note in field.metadata:
            if isinstance(note, Quantity) and isinstance(field.default, int):
                table["properties"][field.alias or key]["default"] = note.written(field.default)
