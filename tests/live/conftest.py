"""The running kernel as the oracle: asked as root, on Linux 6.15 or later, where there is a compiler."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cowmodel.live.compare import unsuitable
from cowmodel.live.processes import agent
from cowmodel.live.stage import live
from cowmodel.scenario.fields import Row
from cowmodel.scenario.read import parse
from cowmodel.speed.running_kernel import CannotMeasure

Ask = Callable[[str], list[Row]]


@pytest.fixture(scope="session")
def program() -> Iterator[Path]:
    try:
        with agent() as built:
            yield built
    except CannotMeasure as reason:
        pytest.skip(str(reason))


@pytest.fixture
def oracle(program: Path) -> Path:
    """Return the program, where the kernel tells everything and counts as the model is meant to."""
    if reason := unsuitable():
        pytest.skip(reason)
    if os.geteuid() != 0 or not os.access("/proc/kpagecount", os.R_OK):
        pytest.skip("only root may see which frame a page is in")
    return program


@pytest.fixture
def ask(oracle: Path) -> Ask:
    """Return a function that plays a text on the running kernel, or skips where that cannot be."""

    def played(text: str) -> list[Row]:
        try:
            return list(live(parse(text), oracle))
        except CannotMeasure as reason:
            pytest.skip(str(reason))

    return played
