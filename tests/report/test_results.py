"""What is committed in results/ belongs to what is committed in experiments/."""

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from cowmodel.campaign.experiment import read_experiment, read_file
from cowmodel.campaign.file import Measurement
from cowmodel.campaign.plan import Plan
from cowmodel.campaign.store import Store
from cowmodel.report.draw import draw

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(path.parent for path in (ROOT / "experiments").glob("*/experiment.toml"))
SWEPT = [folder for folder in EXPERIMENTS if not isinstance(read_file(folder), Measurement)]


def name_of(folder: Path) -> str:
    return folder.name


@pytest.mark.parametrize("folder", EXPERIMENTS, ids=name_of)
def test_every_figure_is_drawn_from_its_committed_tables_byte_for_byte(folder: Path, tmp_path: Path):
    committed = ROOT / "results" / folder.name
    for kept in (*committed.glob("*.csv"), committed / "provenance.json"):
        shutil.copy(kept, tmp_path)

    drawn = draw(folder, tmp_path)

    assert [path.suffix for path in drawn] == [".pdf", ".svg", ".png", ".csv", ".json"]
    for path in drawn:
        assert path.read_bytes() == (committed / path.name).read_bytes()


@pytest.mark.parametrize("folder", SWEPT, ids=name_of)
def test_the_committed_table_has_a_row_for_each_run_of_the_experiment(folder: Path):
    experiment = read_experiment(folder)

    runs = pd.read_csv(ROOT / "results" / folder.name / "summary.csv")

    assert len(runs) == len(list(Plan(experiment, Store(ROOT / "results" / folder.name)).runs()))
    assert (runs["accounting.most_unaccounted_bytes"] < 1).all()
    assert (runs["accounting.most_uncounted_sharers"] == 0).all()
    assert (runs["accounting.left_bytes"] == 0).all()


@pytest.mark.parametrize("folder", EXPERIMENTS, ids=name_of)
def test_a_committed_figure_is_of_the_committed_tables(folder: Path):
    committed = ROOT / "results" / folder.name
    said = json.loads((committed / "figure.json").read_text())

    for name, table in said["tables"].items():
        assert hashlib.sha256((committed / name).read_bytes()).hexdigest() == table["sha256"]


@pytest.mark.parametrize("folder", EXPERIMENTS, ids=name_of)
def test_the_committed_provenance_tells_the_question_and_what_came_out(folder: Path):
    said = json.loads((ROOT / "results" / folder.name / "provenance.json").read_text())

    file = read_file(folder)
    assert said["experiment"]["question"] == file.question
    assert file.outcome
    assert said["missing"] == []
