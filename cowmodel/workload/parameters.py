"""What a configuration may say: the types of its values, and the class that checks a table of them.

A quantity is text with a unit in the file and an integer in the program; whoever passes an integer
is asked for the unit. No field has a default: a silent default is a wrong result.

===============  =================  =========================
Type             In the file        In the program
===============  =================  =========================
``Size``         ``"64 MiB"``       int, bytes, at least 1
``Duration``     ``"250 ns"``       int, picoseconds
``Period``       ``"1 ms"``         int, picoseconds, at least 1
``Rate``         ``"2000/s"``       float, per second
``Bandwidth``    ``"10 GB/s"``      int, bytes per second, at least 1
``Count``        ``0``              int, at least 0
``Positive``     ``1``              int, at least 1
``Fraction``     ``0.25``           float, 0 to 1
``Contiguity``   ``"unknown"``      the same, or that text
``FilePath``     ``"sort.csv.gz"``  Path that exists
``PageBacking``  ``"base"``         Backing
===============  =================  =========================
"""

import glob
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from cowmodel.errors import ConfigError
from cowmodel.kernel.backing import Backing, parse_backing
from cowmodel.units import KINDS, format_quantity, parse_bandwidth, parse_duration, parse_rate, parse_size


class Parameters(BaseModel):
    """One table of a configuration: every key must be there, and no other.

    Examples
    --------
    >>> class Heap(Parameters):
    ...     resident: Size = Field(description="memory that is resident at the fork")
    >>> Heap.model_validate({"resident": "64 KiB"}).resident
    65536
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def problem(message: str) -> PydanticCustomError:
    """Make an error that pydantic reports word for word, with its place."""
    return PydanticCustomError("problem", "{message}", {"message": message})


@dataclass(frozen=True)
class Expected:
    """What a value should be, in words: put last in ``Annotated``, it words the type's errors.

    Parameters
    ----------
    what : str
        Completes "expected ...".
    """

    what: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Wrap the check of the annotated type."""
        return core_schema.no_info_wrap_validator_function(self._reword, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Let an editor show what is expected."""
        return handler(schema) | {"title": self.what}

    def _reword(self, value: object, inner: ValidatorFunctionWrapHandler) -> object:
        try:
            return inner(value)
        except ValidationError as error:
            raise problem(f"expected {self.what}, got {value!r}") from error


@dataclass(frozen=True)
class Read(Expected):
    """A value that the program holds in another form than the file: `read` turns text into it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Put `_check` in the place of the annotated type's own check."""
        return core_schema.with_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Let an editor expect text, whatever the program makes of it."""
        return {"type": "string", "title": self.what}

    def _check(self, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            raise problem(f"expected {self.what}, got {value!r}{self.remedy(value)}")
        return self.read(value, Path((info.context or {}).get("folder", ".")))

    def remedy(self, value: object) -> str:
        """Say what to do about a value that is not text."""
        return "; write it as text in quotes"

    def read(self, text: str, folder: Path) -> object:
        """Turn the text of a configuration in `folder` into the value, or raise a `problem`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Parsed(Read):
    """A value that a function reads.

    Parameters
    ----------
    parse : callable
        From text to the value; raises `ConfigError`.
    """

    parse: Callable[[str], Any]

    def read(self, text: str, folder: Path) -> Any:
        """Call the function."""
        try:
            return self.parse(text)
        except ConfigError as error:
            raise problem(str(error)) from error


@dataclass(frozen=True)
class Quantity(Parsed):
    """A number with a unit.

    Parameters
    ----------
    unit : str
        Unit to propose for a bare number.
    smallest : int
        Least number allowed, in the program's unit.
    """

    unit: str
    smallest: int = 0

    def remedy(self, value: object) -> str:
        """Propose a bare number again, with a unit."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "; write a number and a unit in quotes"
        return f"; add the unit, in quotes: '{value}{self.unit}'"

    def written(self, number: float) -> str:
        """Write a number of the program as the file has it."""
        return format_quantity(number, KINDS[self.unit.strip()])

    def read(self, text: str, folder: Path) -> float:
        """Parse number and unit."""
        number: float = super().read(text, folder)
        if number < self.smallest:
            raise problem(f"expected {self.what}, got {text!r}; it must be more than 0")
        return number


class Existing(Read):
    """A file or folder that is there; its path is relative to the folder of the configuration."""

    def read(self, text: str, folder: Path) -> Path:
        """Find it."""
        path = folder / text
        if not (path.exists() or any(path.parent.glob(f"{glob.escape(path.name)}.*"))):
            raise problem(
                f"no file or folder {str(path)!r}; a path is relative to the configuration's folder"
            )
        return path


Size = Annotated[int, Quantity("a size such as '4 KiB'", parse_size, " B", 1)]
Duration = Annotated[int, Quantity("a duration such as '250 ns'", parse_duration, " ns")]
Period = Annotated[int, Quantity("a duration above 0 such as '1 ms'", parse_duration, " ns", 1)]
Rate = Annotated[float, Quantity("a rate such as '2000/s'", parse_rate, "/s")]
Bandwidth = Annotated[int, Quantity("a bandwidth such as '10 GB/s'", parse_bandwidth, " B/s", 1)]
Count = Annotated[int, Field(ge=0, le=2**31), Expected("a whole number from 0 to 2^31")]
Positive = Annotated[int, Field(ge=1, le=2**31), Expected("a whole number from 1 to 2^31")]
Fraction = Annotated[float, Field(ge=0, le=1), Expected("a fraction between 0 and 1")]
Contiguity = Annotated[Fraction | Literal["unknown"], Expected("a fraction between 0 and 1, or 'unknown'")]
PageBacking = Annotated[Backing, Parsed("a backing such as 'base', 'thp' or 'hugetlb 2 MiB'", parse_backing)]
FilePath = Annotated[Path, Existing("the path of a file")]
