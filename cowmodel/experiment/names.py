"""Values of a configuration that are names: of the catalogue, of a preset, of a term of its prices."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cowmodel import catalog
from cowmodel.cost.preset import load_preset
from cowmodel.errors import ConfigError, suggest
from cowmodel.kernel.work import Work
from cowmodel.workload.parameters import Existing, Read, problem


@dataclass(frozen=True)
class Listed(Read):
    """A name of the catalogue.

    Parameters
    ----------
    shelf : str
        Name of the dictionary in `cowmodel.catalog`.
    """

    shelf: str

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Let an editor offer the names."""
        return super().__get_pydantic_json_schema__(schema, handler) | {
            "enum": list(getattr(catalog, self.shelf))
        }

    def read(self, text: str, folder: Path) -> str:
        """Look the name up."""
        shelf = getattr(catalog, self.shelf)
        if text not in shelf:
            raise problem(suggest("", text, shelf))
        return text


class Preset(Read):
    """A listed preset of prices, or the TOML file of one: text with a ``/`` or ending ``.toml``."""

    def read(self, text: str, folder: Path) -> Path:
        """Find the file, and read it once to see that it is right."""
        if "/" not in text and not text.endswith(".toml"):
            Listed(self.what, "COSTS").read(text, folder)
            return catalog.COSTS[text]
        path = Existing(self.what).read(text, folder)
        try:
            load_preset(path)
        except ConfigError as error:
            raise problem(str(error)) from error
        return path


class Term(Read):
    """A field of work, which has a price."""

    def read(self, text: str, folder: Path) -> str:
        """Look it up."""
        if text not in Work._fields:
            raise problem(suggest("", text, Work._fields))
        return text
