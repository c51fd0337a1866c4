"""Whatever the README and the documentation show is done here: commands, Python, configurations, changes."""

import doctest
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cowmodel.campaign.file import ExperimentFile, Measurement
from cowmodel.catalog import WORKLOADS
from cowmodel.experiment.config import SECTIONS, TABLES, check
from cowmodel.experiment.schema import configuration_schema, schema_of
from tests.docs.blocks import Block, blocks

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
LANGUAGES = ("python", "sh", "toml", "diff", "text")
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "runs", ".*_cache", ".hypothesis", "gallery"
)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def having(mark: str) -> list[Path]:
    return [page for page in PAGES if any(block.mark == mark for block in blocks(page))]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tree, as working directory, whose program the commands run; what was compiled stays."""
    place = tmp_path / "cowmodel"
    shutil.copytree(ROOT, place, ignore=LEFT_OUT)
    monkeypatch.chdir(place)
    monkeypatch.setenv("PYTHONPATH", str(place))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    return place


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_a_page_shows_works(page: Path, copy: Path) -> None:
    _do(block for block in blocks(page) if block.mark != "slow")


@pytest.mark.slow
@pytest.mark.parametrize("page", having("slow"), ids=named)
def test_what_takes_long_works_too(page: Path, copy: Path) -> None:
    _do(blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_block_has_a_language_and_who_is_not_run_a_reason(page: Path) -> None:
    assert [str(block) for block in blocks(page) if block.language not in LANGUAGES] == []
    assert [str(block) for block in blocks(page) if block.mark == "not run" and not block.said] == []


def _do(shown: Iterator[Block]) -> None:
    """Do what the blocks of a page show, one after the other."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in shown:
        if block.mark == "not run":
            continue
        if block.mark == "file":
            path = Path(block.said)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        if block.language == "python" and block.mark != "file":
            _python(block, names)
        elif block.language in DONE:
            DONE[block.language](block)


def _python(block: Block, names: dict[str, Any]) -> None:
    if ">>>" not in block.text:
        exec(compile(block.text, str(block), "exec"), names)
        return
    found = doctest.DocTestParser().get_doctest(block.text, names, str(block), str(block.page), block.line)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    failed, _ = runner.run(found, out=said.append, clear_globs=False)
    names.update(found.globs)
    assert not failed, "".join(said)


def _sh(block: Block) -> None:
    """Run line after line; a line that ends in a backslash goes on."""
    for line in block.text.replace("\\\n", " ").splitlines():
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{block}: {line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def _diff(block: Block) -> None:
    done = subprocess.run(["patch", "-p1"], input=block.text, capture_output=True, text=True)
    assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"


def _toml(block: Block) -> None:
    """Check a whole configuration; of a part of one, and of an experiment, the names of keys."""
    table = tomllib.loads(block.text)
    if {"machine", "policy", "workload", "run"} <= table.keys():
        check(table, str(block), ROOT / "configs")
        return
    unknown = _unknown(table)
    assert not unknown, f"{block}: no such keys: {unknown}"


def _unknown(table: dict[str, Any]) -> list[str]:
    """Return the keys of parts of a file that nothing has: configuration, preset or experiment."""
    if "prices" in table:
        return []  # a preset, which `cowmodel check` of the page checks
    if not table.keys() <= {*TABLES, "extends"}:
        return sorted(table.keys() - _keys(ExperimentFile, Measurement))
    inside = {name: value for name, value in table.items() if isinstance(value, dict)}
    return [f"{name}.{key}" for name, value in inside.items() for key in value if key not in KEYS[name]]


def _keys(*models: Any) -> set[str]:
    definitions = schema_of(*models)["$defs"]
    return {key for model in models for key in definitions[model.__name__]["properties"]}


def _keys_of_workloads() -> set[str]:
    definitions = configuration_schema()["$defs"]
    return {key for model in WORKLOADS.values() for key in definitions[model.__name__]["properties"]}


KEYS = {name: _keys(model) for name, model in SECTIONS.items()} | {"workload": _keys_of_workloads()}
DONE: dict[str, Callable[[Block], None]] = {"sh": _sh, "toml": _toml, "diff": _diff}
