"""What a store holds, held against what an experiment wants."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from cowmodel.campaign.plan import Plan
from cowmodel.campaign.store import Failure, Store, read_json
from cowmodel.errors import ConfigError


class Census(NamedTuple):
    """How far an experiment is.

    Attributes
    ----------
    wanted, finished : int
        Runs, as far as is known by now.
    failed : list of (run, Failure)
    others : dict of str to list of str
        Runs that are there and not wanted (of another version of the model, or of points that the experiment
        does not have any more), by what made them.
    """

    wanted: int
    finished: int
    failed: list[tuple[str, Failure]]
    others: dict[str, list[str]]

    @property
    def missing(self) -> int:
        """Runs that are neither finished nor failed."""
        return self.wanted - self.finished - len(self.failed)


def census(plan: Plan, store: Store) -> Census:
    """Count what is there."""
    there, failures = store.finished(), store.failures()
    wanted = {run.name: run for _, run in plan.runs()}
    failed = [(str(wanted[name]), failure) for name, failure in failures.items() if name in wanted]
    others: dict[str, list[str]] = {}
    for name in sorted(there - wanted.keys()):
        others.setdefault(_maker(store, name), []).append(name)
    return Census(len(wanted), len(there & wanted.keys()), failed, others)


def _maker(store: Store, name: str) -> str:
    """Say what made a run."""
    try:
        made_by = read_json(store.runs / name / "run.json")["provenance"]
        commit = f", commit {made_by['commit'][:10]}" if "commit" in made_by else ""
        return f"cowmodel {made_by['version']}, source {made_by['source'][:10]}{commit}"
    except (ConfigError, KeyError, TypeError):
        return "something else"


def told(found: Census) -> Iterator[str]:
    """Go through the lines that say it."""
    ended = f"{found.finished} finished, {len(found.failed)} failed, {found.missing} missing"
    yield f"{found.wanted} runs wanted: {ended}"
    for kind, number in Counter(failure.kind for _, failure in found.failed).items():
        first = next((run, failure) for run, failure in found.failed if failure.kind == kind)
        yield f"  failed ({kind}): {number}, such as {first[0]}: {first[1].message}"
    for maker, names in found.others.items():
        yield f"  not of this experiment as it is now, and in no table: {len(names)} runs by {maker}"
