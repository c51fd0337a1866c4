"""How the house is built, read from its source: who imports whom, how long things are, who knows names."""

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import cowmodel
from cowmodel.catalog import POLICIES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cowmodel"
MODULES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    ("errors",),
    ("units",),
    ("hardware", "trace"),
    ("kernel",),
    ("policy", "cost", "engine", "scenario"),
    ("records",),
    ("machine",),
    ("program",),
    ("workload",),
    ("catalog",),
    ("experiment",),
    ("campaign",),
    ("report", "speed", "scenario on the model"),
    ("live", "watch"),
    ("progress", "where_cli"),
    ("scenario_cli", "calibrate_cli", "campaign_cli"),
    ("reproduce_cli", "report_cli", "watch_cli"),
    ("cli", "demo"),
    ("__main__",),
)
"""Bottom first; what stands side by side does not import each other."""

LEVEL = {part: level for level, layer in enumerate(LAYERS) for part in layer}


class Import(NamedTuple):
    """A line that imports a module of this package or of another."""

    importer: Path
    line: int
    module: str
    for_types_only: bool

    @property
    def own(self) -> bool:
        return self.module.split(".")[0] == "cowmodel" and self.module != "cowmodel"

    def __str__(self) -> str:
        return f"{self.importer.relative_to(ROOT)}:{self.line} imports {self.module}"


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    """Return the dotted name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in MODULES}


ON_THE_MODEL = {"cowmodel.scenario.model", "cowmodel.scenario.setup"}
"""What of scenarios takes a whole model; the rest, the language first of all, is below workloads."""


def part_of(module: str) -> str:
    """Return the package or module below the top to which a module belongs; none for the top itself."""
    if module in ON_THE_MODEL:
        return "scenario on the model"
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> Iterator[Import]:
    """Yield every import of a module, also those inside functions."""
    guarded = {
        id(inner)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree(path)):
        for module in _imported(node):
            yield Import(path, node.lineno, module, id(node) in guarded)  # type: ignore[attr-defined]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom) or node.module is None:
        return []
    inner = [f"{node.module}.{alias.name}" for alias in node.names]
    return [name if name in NAMES else node.module for name in inner]


def every_import() -> list[Import]:
    return [found for path in MODULES for found in imports(path)]


def functions() -> Iterator[tuple[str, int]]:
    """Yield place and lines of every function, without its docstring."""
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if ast.get_docstring(node) is not None:
                    lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines


# --------------------------------------------------------------------- imports
def test_every_module_belongs_to_a_layer():
    parts = {part_of(name) for name in NAMES - {"cowmodel"}}

    assert parts <= LEVEL.keys()


def test_imports_point_strictly_downward():
    upward = [
        str(found)
        for found in every_import()
        if found.own and name_of(found.importer) != "cowmodel" and not _allowed(found)
    ]

    assert upward == []


def _allowed(found: Import) -> bool:
    importer, imported = part_of(name_of(found.importer)), part_of(found.module)
    return importer == imported or LEVEL[imported] < LEVEL[importer]


def test_no_modules_import_each_other_in_a_circle():
    graph: dict[str, set[str]] = {name: set() for name in NAMES}
    for found in every_import():
        importer = name_of(found.importer)
        # A package's own module that names its parts is no circle: it is run before them.
        if found.own and not found.for_types_only and not found.module.startswith(f"{importer}."):
            graph[importer].add(found.module)

    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))

    assert set(order) == NAMES


def test_the_package_itself_imports_none_of_its_modules():
    assert [str(found) for found in imports(PACKAGE / "__init__.py") if found.own] == []


def test_only_the_machine_knows_simpy_and_the_script_that_it_is_compared_with():
    importers = {name_of(found.importer) for found in every_import() if found.module.split(".")[0] == "simpy"}

    assert importers == {"cowmodel.machine", "cowmodel.speed.naive"}


@pytest.mark.parametrize(
    ("library", "parts"),
    [
        ("matplotlib", {"report"}),
        ("networkx", {"report"}),
        ("scipy", {"campaign", "cost", "report"}),
        ("rich", {"progress", "watch", "watch_cli"}),
        ("jinja2", {"report", "watch"}),
        ("pydantic", {"campaign", "experiment", "workload"}),
    ],
)
def test_a_library_is_imported_where_it_belongs(library: str, parts: set[str]):
    importers = {part_of(name_of(i.importer)) for i in every_import() if i.module.split(".")[0] == library}

    assert importers <= parts


def test_nobody_imports_relatively_or_everything():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and (node.level or any(a.name == "*" for a in node.names))
    ]

    assert found == []


# ----------------------------------------------------------------------- sizes
def test_no_module_is_longer_than_300_lines():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}

    del lengths["cowmodel/engine/kernels.py"]  # one module, or numba's cache would not see all changes
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}
    assert statistics.median(lengths.values()) <= 130


def test_no_function_is_longer_than_40_lines():
    kernels = "cowmodel/engine/kernels.py"  # each argument of a kernel has a line of its own, twice
    assert [(place, lines) for place, lines in functions() if lines > (60 if kernels in place else 40)] == []


def test_nine_in_ten_functions_have_fewer_than_20_lines():
    lengths = [lines for _, lines in functions()]

    assert sum(lines < 20 for lines in lengths) >= 0.9 * len(lengths)
    assert statistics.median(lengths) <= 8


# ----------------------------------------------------------------------- names
def test_no_policy_is_known_by_name_outside_the_catalogue():
    known = [
        f"{path.relative_to(ROOT)}:{node.lineno} says {node.value!r}"
        for path in MODULES
        if path != PACKAGE / "catalog.py"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and node.value in POLICIES
    ]

    assert known == []


@pytest.mark.parametrize("name", cowmodel.__all__)
def test_every_public_name_resolves_and_is_described_in_the_docstring(name: str):
    assert getattr(cowmodel, name) is not None
    assert f"`{name}`" in (cowmodel.__doc__ or "")


def test_a_name_that_is_not_public_does_not_resolve():
    with pytest.raises(AttributeError, match="module 'cowmodel' has no attribute 'Kernal'"):
        _ = cowmodel.Kernal


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, cowmodel; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.split()

    heavy = {"numpy", "scipy", "pandas", "matplotlib", "networkx", "pydantic", "simpy", "rich", "click"}
    assert heavy & set(loaded) == set()


# ------------------------------------------------------------------ docstrings
def test_every_module_says_in_its_first_line_what_there_is_to_know():
    silent = [str(path.relative_to(ROOT)) for path in MODULES if not ast.get_docstring(tree(path))]

    assert silent == []


def test_nothing_below_the_command_line_prints():
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        if part_of(name_of(path)) not in ("cli", "demo")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
    ]

    assert printing == []


def test_nobody_draws_from_a_global_stream_of_random_numbers():
    drawing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("np.random.seed", "np.random.rand")
    ] + [str(found) for found in every_import() if found.module == "random"]

    assert drawing == []
