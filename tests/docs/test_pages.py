"""The documentation: complete, and built without a warning."""

import subprocess
import sys
from pathlib import Path

import pytest

import cowmodel

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", cowmodel.__all__)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    assert f"cowmodel.{name}" in (ROOT / "docs/reference/api.rst").read_text()


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.stem)
def test_every_page_can_be_reached_from_the_first(page: Path) -> None:
    index = ROOT / "docs/index.md"
    name = page.relative_to(index.parent).with_suffix("")
    assert page == index or f"\n{name}\n" in index.read_text()


@pytest.mark.slow
def test_the_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(tmp_path / "trees")]
    done = subprocess.run([*command, "docs", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "gallery/plot_copied_pages.html").exists()
