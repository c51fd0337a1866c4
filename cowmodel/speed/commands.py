"""Whole commands and fresh interpreters: what a process of its own takes, from its start to its end."""

import os
import subprocess
import sys
from collections.abc import Callable

from cowmodel.speed.running_kernel import CannotMeasure


def python_cpu_s(*words: str) -> float:
    """Run `python ...` and return its CPU time, with that of its start; raise as `cpu_s` does."""
    return cpu_s(sys.executable, *words)


def cpu_s(*command: str) -> float:
    """Run a command and return its CPU time, with that of its start and of its children.

    Raises
    ------
    CannotMeasure
        If it fails, with the last line that it wrote.
    """
    with _started(command, subprocess.DEVNULL) as process:
        assert process.stderr
        said = process.stderr.read().strip()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    _check(process, command, said)
    return used.ru_utime + used.ru_stime


def numbers(function: Callable[..., object], *arguments: object) -> list[float]:
    """Call a function in a fresh interpreter and return the numbers that it returns.

    Raises
    ------
    CannotMeasure
        If it fails, with the last line that it wrote.
    """
    call = f"{function.__name__}({', '.join(map(repr, arguments))})"
    code = f"from {function.__module__} import {function.__name__}; print(*{call})"
    command = sys.executable, "-c", code
    process = _started(command, subprocess.PIPE)
    printed, said = process.communicate()
    _check(process, command, said)
    return [float(number) for number in printed.split()]


def _started(command: tuple[str, ...], output: int) -> subprocess.Popen[str]:
    # Modules are compiled once, as for everybody who has not switched that off.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True, env=environment)


def _check(process: subprocess.Popen[str], command: tuple[str, ...], said: str) -> None:
    if process.returncode:
        last = (said.splitlines() or ["no message"])[-1]
        raise CannotMeasure(f"{' '.join(command)}: ended with {process.returncode}: {last}")
