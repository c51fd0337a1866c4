"""What `make` says where a piece of the machine is missing."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")


def make_with(python: Path, folder: Path) -> str:
    """Run the checks of the set-up with another python, where no uv is; return what it says."""
    tools = folder / "bin"
    tools.mkdir()
    for tool in ("make", "sh", "rm"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    done = subprocess.run(
        ["make", "-C", str(ROOT), f"PYTHON={python}", "lock"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    return done.stderr


def fake(folder: Path, body: str) -> Path:
    python = folder / "python3"
    python.write_text(f"#!/bin/sh\n{body}\n")
    python.chmod(0o755)
    return python


def test_a_missing_python_is_said_with_the_package_to_install(tmp_path: Path):
    said = make_with(tmp_path / "python3", tmp_path)

    assert "install Python 3.11 or later (Debian: apt install python3 python3-venv)" in said


def test_an_old_python_is_said_with_its_version(tmp_path: Path):
    python = fake(tmp_path, 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')

    said = make_with(python, tmp_path)

    assert "expected Python 3.11 or later, got Python 3.9.2" in said


def test_a_python_without_venv_is_said_with_the_package_to_install(tmp_path: Path):
    python = fake(tmp_path, 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac')

    said = make_with(python, tmp_path)

    assert "comes without venv or ensurepip; install them (Debian: apt install python3-venv)" in (said)
