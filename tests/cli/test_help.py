"""Help answers at once, and shows how each command is used."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from cowmodel.cli import cli

HEAVY = ("numpy", "scipy", "pandas", "matplotlib", "networkx", "pydantic", "numba", "simpy")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from cowmodel.cli import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit: pass\n"
        f"print('loaded:', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loaded: []" in done.stdout


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "cowmodel", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "sweep" in done.stdout


@pytest.mark.parametrize("command", ["run", "sweep", "figure", "list", "check"])
def test_the_help_of_each_command_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(cli, [command, "--help"]).output
    assert f"Example: cowmodel {command}" in shown


def test_an_unknown_command_exits_with_two() -> None:
    assert CliRunner().invoke(cli, ["swep"]).exit_code == 2
