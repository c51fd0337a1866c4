"""A configuration: one complete TOML file in four sections, checked before anything runs.

===============  ======================================================================
``[machine]``    paging, memory, cores, quantum, costs, engine; where not as usual: tlb, cache, the state of
                 memory (contiguity, unbacked), terms of the costs to do without or to
                 multiply (factors), and what cores wait for:
                 page_table_locks, mmap_locks, bandwidth
``[policy]``     copy
``[workload]``   name, and what the workload of that name asks for
``[run]``        seed, sample_every, record_faults
``[kernel]``     where not as usual: era, overcommit, commit_limit
===============  ======================================================================

Whatever is wrong is reported at once, one line each: file, path, what was expected, what came.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from cowmodel import catalog
from cowmodel.errors import ConfigError, suggest
from cowmodel.experiment.document import Document, document, flat
from cowmodel.experiment.names import Listed, Preset, Term
from cowmodel.experiment.validation import located, validated
from cowmodel.kernel.commitment import Overcommit
from cowmodel.kernel.state import CACHE_BYTES, check_memory
from cowmodel.kernel.work import Work
from cowmodel.workload.parameters import (
    Bandwidth,
    Contiguity,
    Count,
    Duration,
    Expected,
    Fraction,
    Parameters,
    Period,
    Size,
)
from cowmodel.workload.workload import Workload

Factor = Annotated[float, Field(ge=0), Expected("a number of at least 0")]
Cores = Annotated[int, Field(ge=1, le=4096), Expected("a whole number from 1 to 4096")]


class MachineTable(Parameters):
    """Hardware, prices and engine."""

    paging: Annotated[str, Listed("a name from `cowmodel list pagings`", "PAGINGS")] = Field(
        description="levels and page sizes of its page tables"
    )
    memory: Size = Field(description="physical memory")
    cores: Cores = Field(description="processor cores")
    quantum: Period = Field(description="time slice of a process where processes share a core")
    costs: Annotated[Path, Preset("a name from `cowmodel list costs` or a TOML file")] = Field(
        description="prices of elementary operations"
    )
    engine: Annotated[str, Listed("a name from `cowmodel list engines`", "ENGINES")] = Field(
        description="what carries out accesses; results are equal"
    )
    tlb: Annotated[bool, Expected("true or false")] = Field(
        default=False, description="true for a TLB in each core, whose misses are priced apart from hits"
    )
    page_table_locks: bool = Field(True, description="true if a fault holds the lock of its table page")
    mmap_locks: bool = Field(True, description="true if faults wait for a verb that changes mappings")
    bandwidth: Bandwidth | None = Field(None, description="what all cores together can copy in a second")
    cache: Size = Field(
        CACHE_BYTES, description="of the processor; faults in more mapped memory than it holds cost more"
    )
    contiguity: Contiguity = Field(
        1.0, description="how often neighbouring pages get neighbouring frames, of memory used before"
    )
    unbacked: Fraction = Field(0.0, description="share of new memory that no host backs yet, on a guest")
    without: list[Annotated[str, Term("a price of a preset")]] = Field(
        [], description="terms of the prices that are switched off"
    )
    factors: dict[Annotated[str, Term("a price of a preset")], Factor] = Field(
        {}, description="by term of the prices, what it is multiplied with"
    )


class PolicyTable(Parameters):
    """What the kernel chooses."""

    # Pydantic's models have a method `copy`.
    copying: Annotated[str, Listed("a name from `cowmodel list policies`", "POLICIES")] = Field(
        alias="copy", description="when private memory is copied"
    )


class KernelTable(Parameters):
    """Whose rules the kernel follows."""

    era: Annotated[str, Listed("a name from `cowmodel list eras`", "ERAS")] = Field(
        "linux-6.18", description="the version of Linux whose rules it follows"
    )
    overcommit: Annotated[str, Listed("one of always, heuristic, never", "OVERCOMMIT")] = Field(
        "always", description="whether more memory is promised than there is"
    )
    commit_limit: Size | None = Field(None, description="what is promised at most, with overcommit = 'never'")

    @property
    def limit_misfits(self) -> bool:
        """Whether there is a limit that nothing heeds, or none that is needed."""
        return (self.overcommit == Overcommit.NEVER.value) != (self.commit_limit is not None)


class RunTable(Parameters):
    """How a run is made and what it records."""

    seed: Count = Field(description="entropy of all random streams")
    sample_every: Duration = Field(description="simulated time between samples; 0 for the last alone")
    record_faults: bool = Field(
        description="true for tables of all faults, and of what threads did and waited for"
    )


class _Name(Parameters):
    """The part of ``[workload]`` that every workload has."""

    name: Annotated[str, Listed("a name from `cowmodel list workloads`", "WORKLOADS")]


@dataclass(frozen=True)
class Configuration:
    """All that a run depends on, except its replication and the version.

    Attributes
    ----------
    document : Document
        What the user wrote, after ``--set``.
    inputs : dict of str to str
        From the path of a value that names a file to a hash of names and contents.
    workload : Workload
        An instance of ``catalog.WORKLOADS[document["workload"]["name"]]``.
    """

    document: Document
    inputs: dict[str, str]
    machine: MachineTable
    kernel: KernelTable
    policy: PolicyTable
    workload: Workload
    run: RunTable


SECTIONS: dict[str, type[Parameters]] = {
    "machine": MachineTable,
    "kernel": KernelTable,
    "policy": PolicyTable,
    "run": RunTable,
}
TABLES = ("machine", "kernel", "policy", "workload", "run")
OPTIONAL = (
    *(
        f"{section}.{key}"
        for section, model in SECTIONS.items()
        for key, field in model.model_fields.items()
        if not field.is_required()
    ),
    *(f"machine.factors.{term}" for term in Work._fields),
)
"""Paths that a document may lack and a setting may add."""


def load(path: Path, settings: Iterable[str] = ()) -> Configuration:
    """Read and check a configuration file.

    Parameters
    ----------
    path : Path
        A TOML file.
    settings : iterable of str
        Changes as ``path=value``, made before the check.

    Raises
    ------
    ConfigError
        With a line for each thing that is wrong.
    """
    changes = list(settings)
    where = f"{path} with --set {' '.join(changes)}" if changes else str(path)
    return check(document(path, changes, OPTIONAL), where, path.parent)


def check(raw: Document, where: str, folder: Path) -> Configuration:
    """Check a document and hold its values in the units of the program.

    Parameters
    ----------
    raw : Document
        Kept as it is in the result.
    where : str
        Put before each line of an error.
    folder : Path
        What paths of files in the document are relative to.

    Raises
    ------
    ConfigError
        With a line for each thing that is wrong.
    """
    wrong = [suggest("unknown table", name, TABLES) for name in raw if name not in TABLES]
    sections: dict[str, Any] = {}
    for name in TABLES:
        try:
            sections[name] = _section(name, raw, folder)
        except ConfigError as error:
            wrong += str(error).splitlines()
    if not wrong:
        wrong = _misfits(**sections)
    if wrong:
        raise located(where, wrong)
    return Configuration(raw, _digests(sections), **sections)


def _misfits(
    machine: MachineTable, kernel: KernelTable, workload: Workload, policy: PolicyTable, **_: object
) -> list[str]:
    """Return the reasons why the tables, each right by itself, do not go together."""
    geometry = catalog.PAGINGS[machine.paging]
    try:
        check_memory(geometry, machine.memory)
    except ConfigError as problem:
        return [f"machine.{problem}"]
    if kernel.limit_misfits:
        return [
            "kernel.commit_limit: expected a size with overcommit = 'never', and none otherwise, got"
            f" {kernel.commit_limit} with {kernel.overcommit!r}"
        ]
    wrong = workload.misfits(geometry, machine.memory)
    try:
        for backing in workload.backings() if not wrong else ():
            backing.check_policy(catalog.POLICIES[policy.copying]())
    except ConfigError as problem:
        wrong.append(str(problem))
    return [f"workload.{misfit}" for misfit in wrong]


def _section(name: str, raw: Document, folder: Path) -> Parameters:
    """Check one table of a configuration."""
    optional = name in SECTIONS and not any(f.is_required() for f in SECTIONS[name].model_fields.values())
    if name not in raw and not optional:
        raise ConfigError(f"{name}: missing; expected a table [{name}]")
    table = raw.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{name}: expected a table [{name}], got {table!r}")
    if name in SECTIONS:
        return validated(SECTIONS[name], table, name, folder)
    kind = validated(_Name, {k: v for k, v in table.items() if k == "name"}, name, folder)
    rest = {key: value for key, value in table.items() if key != "name"}
    return validated(catalog.WORKLOADS[kind.name], rest, name, folder)


def _digests(sections: dict[str, Parameters]) -> dict[str, str]:
    """Hash the files that the sections name."""
    values = flat({name: section.model_dump() for name, section in sections.items()})
    return {path: _digest(value) for path, value in values.items() if isinstance(value, Path)}


def _digest(path: Path) -> str:
    """Hash a file, or names and contents of the files in a folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in filter(Path.is_file, files):
        digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
