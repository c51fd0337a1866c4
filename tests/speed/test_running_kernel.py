"""The C program: what it prints, and why it is skipped."""

import shutil
from pathlib import Path

import pytest

from cowmodel.speed import running_kernel
from cowmodel.speed.running_kernel import CannotMeasure, Phases, built, parsed, run

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


def test_three_numbers_are_the_phases():
    assert parsed("0.5 1.25 0.0\n") == Phases(fork_s=0.5, children_s=1.25, parent_s=0.0)


@pytest.mark.parametrize("text", ["", "0.5 1.0", "1 2 3 4", "a b c"])
def test_anything_else_is_told(text: str):
    with pytest.raises(CannotMeasure, match="expected three times from running_kernel, got"):
        parsed(text)


def test_without_a_compiler_the_reason_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CannotMeasure, match="there is no `cc` on the path"), built():
        pass


@needs_compiler
def test_a_compiler_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    wrong = tmp_path / "wrong.c"
    wrong.write_text("int main() { return }")
    monkeypatch.setattr(running_kernel, "SOURCE", wrong)
    with pytest.raises(CannotMeasure, match="cc ended with 1: .*wrong.c"), built():
        pass


@needs_compiler
def test_the_program_is_built_run_and_removed():
    with built() as program:
        phases = run(program, 1 << 20, children=2)
        assert all(phase >= 0 for phase in phases)
    assert not program.exists()


@needs_compiler
def test_what_the_program_says_is_the_reason():
    with (
        built() as program,
        pytest.raises(CannotMeasure, match="running_kernel ended with 2: expected a heap"),
    ):
        run(program, 100, children=1)
