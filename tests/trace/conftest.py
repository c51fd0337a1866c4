from pathlib import Path

import pytest


@pytest.fixture
def traces() -> Path:
    return Path(__file__).parents[2] / "configs" / "traces"
