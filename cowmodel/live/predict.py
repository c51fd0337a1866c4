"""``python -m cowmodel.live.predict``: calibrate, and predict what was not measured for it.

It writes the tables of the experiment `how_well_does_it_predict`, and the preset that they are about.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from cowmodel.campaign.experiment import read_file
from cowmodel.cost.fit import Measured
from cowmodel.cost.model import CostModel
from cowmodel.cost.preset import load_preset
from cowmodel.cost.written import write_preset
from cowmodel.errors import SimulationError
from cowmodel.experiment.document import readable_json
from cowmodel.experiment.provenance import commit, source, version
from cowmodel.experiment.replacing import replacing
from cowmodel.live.benchmarks import benchmarks
from cowmodel.live.calibrate import Played, calibrated, machine, played
from cowmodel.live.prediction import Predicted, predictions
from cowmodel.live.processes import agent
from cowmodel.live.unseen import unseen
from cowmodel.scenario.steps import Step
from cowmodel.speed.rounds import write_csv

EXPERIMENT = Path("experiments/how_well_does_it_predict")
PRESET = "this-machine.toml"
Row = dict[str, Any]


@click.command
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True, help="Of the calibration.")
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results") / EXPERIMENT.name,
    show_default=True,
    help="Folder of the tables.",
)
def predict(rounds: int, results: Path) -> None:
    """Calibrate; then measure and predict scenarios that the calibration has not seen."""
    results.mkdir(parents=True, exist_ok=True)
    fitted, others = [list(benchmarks()), list(unseen())]
    with agent() as program:
        # in turn: between two sittings a machine that others use is as much as half as fast again
        came = played([*fitted, *others], program, rounds)
    names = {one.once.name for one in fitted}
    found = calibrated(Played({name: came.steps[name] for name in came.steps if name in names}, {}))
    write_preset(results / PRESET, machine(), rounds, found.fit, found.drift)
    costs = load_preset(results / PRESET)
    points = [
        row
        for name, steps in came.steps.items()
        if name not in names
        for row in _points(name.split("-")[1], steps, costs)
    ]
    write_csv(results / "points.csv", points)
    write_csv(results / "terms.csv", terms(points))
    with replacing(results / "provenance.json") as file:
        file.write_text(readable_json(_provenance(rounds, came.skipped)), encoding="utf-8")


def _points(backing: str, steps: list[tuple[Step, Measured]], costs: CostModel) -> list[Row]:
    """Return a row a step, and a second for forks and exits, as if the order of frames were not known."""
    known = [_row(point, f"{point.kind}, {backing}") for point in predictions(steps, costs)]
    guessed = [
        _row(point, f"{point.kind}, {backing}, frames not known")
        for point in predictions(steps, costs, frames_known=False)
        if point.kind in ("fork", "exit")
    ]
    return known + guessed


def _row(point: Predicted, group: str) -> Row:
    row = point._asdict()
    del row["kind"]
    return {"scenario": row.pop("scenario"), "step": row.pop("step"), "class": group} | row


def _error(row: Row) -> float:
    return float(row["predicted_us"] / row["measured_us"] - 1)


BARS: Sequence[tuple[str, str, float]] = (
    ("faults", "median_error", 0.05),
    ("faults", "worst_error", 0.15),
    ("fork", "median_error", 0.15),
    ("exit", "median_error", 0.15),
    ("thp", "median_error", 0.10),
    ("hugetlb", "median_error", 0.10),
    ("frames not known", "outside", 0.10),
)
"""What must hold: of all classes with a word in their name, how large an error may be."""


def terms(points: Iterable[Row]) -> Iterator[Row]:
    """Yield how far off predictions are by class, then what must hold with what came of it."""
    rows = list(points)
    for group in dict.fromkeys(row["class"] for row in rows):
        yield _errors(group, [row for row in rows if row["class"] == group]) | dict.fromkeys(_VERDICT)
    for word, what, bar in BARS:
        chosen = [row for row in rows if word in row["class"].split(", ") and _asked(word, row)]
        errors = _errors(f"all of {word}", chosen)
        yield errors | dict(zip(_VERDICT, (what, bar, errors[what] <= bar), strict=True))


_VERDICT = "what", "at_most", "holds"


def _asked(word: str, row: Row) -> bool:
    """Return whether a row counts: calls of microseconds do not, nor guesses among what is known."""
    guessed = "frames not known" in row["class"]
    return guessed == (word == "frames not known") and not row["class"].startswith("other")


def _errors(name: str, rows: Sequence[Row]) -> Row:
    errors = np.abs([_error(row) for row in rows])
    outside = [not row["low_us"] <= row["measured_us"] <= row["high_us"] for row in rows]
    return {
        "class": name,
        "points": len(rows),
        "median_error": float(np.median(errors)),
        "worst_error": float(np.max(errors)),
        "outside": float(np.mean(outside)),
    }


def _provenance(rounds: int, skipped: dict[str, str]) -> Row:
    """Say what was measured, where; unlike simulated results, times are the machine's."""
    return {
        "experiment": read_file(EXPERIMENT).model_dump(mode="json", exclude={"outcome"}),
        "version": version(),
        "source": source(),
        **commit(),
        "machine": {"described": machine(), "root": os.geteuid() == 0},
        "commands": [
            f"python -m cowmodel.live.predict --rounds {rounds}",
            f"cowmodel figure {EXPERIMENT}",
        ],
        "missing": [f"{name}: {reason}" for name, reason in skipped.items()],
    }


if __name__ == "__main__":
    try:
        predict()
    except SimulationError as error:
        raise SystemExit(str(error)) from error
