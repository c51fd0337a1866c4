"""What made a result: version, source, commit, libraries."""

import hashlib
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
# What starts runs, collects, shows or describes them cannot change one.
NOT_THE_MODEL = (
    *(
        "campaign/*",
        "campaign/*/*",
        "report/*",
        "report/*/*",
        "report/*/*/*",
        "experiment/schema.py",
        "live/*",
        "speed/*",
        "*cli.py",
        "progress.py",
        "__main__.py",
    ),
)
LIBRARIES = ("simpy", "networkx", "numpy", "scipy", "pandas", "pyarrow", "pydantic")


def version() -> str:
    """Tell the version of cowmodel."""
    return metadata.version("cowmodel")


@cache
def source() -> str:
    """Hash the files of the model, so that a run made by other code is not taken for this one's.

    Returns
    -------
    str
        SHA-256 of names and contents of all Python and TOML files that can change a run.
    """
    digest = hashlib.sha256()
    files = {file for pattern in ("*.py", "*.toml") for file in PACKAGE.rglob(pattern)}
    for file in sorted(files):
        name = file.relative_to(PACKAGE)
        if not any(name.match(pattern) for pattern in NOT_THE_MODEL):
            digest.update(f"{name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def commit() -> dict[str, Any]:
    """Tell the commit of the checkout that the package lies in, and whether files differ from it.

    Returns
    -------
    dict
        ``commit`` and ``dirty``; empty outside a checkout, or where git is not installed.
    """
    checkout = PACKAGE.parent
    if not (checkout / ".git").exists():
        return {}
    try:
        head = _git(checkout, "rev-parse", "HEAD")
        return {"commit": head.strip(), "dirty": bool(_git(checkout, "status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def _git(checkout: Path, *words: str) -> str:
    command = ["git", "-C", str(checkout), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@cache
def provenance() -> dict[str, Any]:
    """Describe the program and the machine that it runs on; may differ where results do not."""
    return {
        "version": version(),
        "source": source(),
        **commit(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }
