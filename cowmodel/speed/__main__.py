"""``python -m cowmodel.speed``: measure, and write the tables of the experiment `engine_speed`.

::

    --small    a few measures in seconds; exit code 1 if one is worse than before; nothing is written
    --full     with those that take minutes or many gigabytes
"""

import os
from pathlib import Path
from typing import Any

import click

from cowmodel.campaign.experiment import read_file
from cowmodel.errors import SimulationError
from cowmodel.experiment.document import readable_json
from cowmodel.experiment.provenance import commit, source, version
from cowmodel.experiment.replacing import replacing
from cowmodel.speed.measures import FULL, GUARDS, USUAL, scaling
from cowmodel.speed.rounds import Result, best_of, contestant_rows, measure_row, measured, write_csv

EXPERIMENT = Path("experiments/engine_speed")
_TRIES = 3  # a machine that others use is slow now and then


@click.command
@click.option("--small", is_flag=True, help="See in seconds that nothing has become slow; write nothing.")
@click.option("--full", is_flag=True, help="Measure also what takes minutes or many gigabytes.")
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results") / EXPERIMENT.name,
    show_default=True,
    help="Folder of the tables.",
)
def speed(small: bool, full: bool, results: Path) -> None:
    """Measure how fast the engines are, beside a naive script and the running kernel."""
    if small:
        _check()
        return
    measures = FULL if full else USUAL
    found = [_shown(measured(measure)) for measure in measures]
    write_csv(results / "measures.csv", [measure_row(result) for result in found])
    write_csv(results / "contestants.csv", [row for result in found for row in contestant_rows(result)])
    write_csv(results / "scaling.csv", scaling(full))
    with replacing(results / "provenance.json") as file:
        file.write_text(readable_json(_provenance(full)), encoding="utf-8")


def _check() -> None:
    """Say what has become slower, if something has."""
    found = [(_shown(best_of(_TRIES, measure, guard)), guard) for measure, guard in GUARDS.items()]
    if slow := [f"{one}; guarded at {guard:g}" for one, guard in found if one.reaches(guard) is False]:
        raise click.ClickException("\n".join(["speed: slower than before:", *slow]))


def _shown(result: Result) -> Result:
    click.echo(result)
    return result


def _provenance(full: bool) -> dict[str, Any]:
    """Say what was measured, where; unlike simulated results, times are the machine's."""
    return {
        "experiment": read_file(EXPERIMENT).model_dump(mode="json", exclude={"outcome"}),
        "version": version(),
        "source": source(),
        **commit(),
        "machine": _machine(),
        "commands": [
            f"python -m cowmodel.speed{' --full' if full else ''}",
            f"cowmodel figure {EXPERIMENT}",
        ],
        "missing": [],
    }


def _machine() -> dict[str, Any]:
    cpus = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {"system": " ".join(os.uname()[::2]), "cores": os.cpu_count(), "processor": cpus[:1]}


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []


if __name__ == "__main__":
    try:
        speed()
    except SimulationError as error:
        raise SystemExit(str(error)) from error
