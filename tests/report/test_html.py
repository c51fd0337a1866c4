"""The report of an experiment: one file that is complete in itself, and says what is on disk."""

import hashlib
import re
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from cowmodel.campaign.executors import serial
from cowmodel.campaign.store import Store
from cowmodel.cli import cli
from cowmodel.errors import ConfigError
from tests.campaign.sweeping import FLIPS, RESULTS, job, planned, swept

Edit = Callable[[Path, str, str], None]
REPORT = RESULTS / "report.html"

CLAIM = """
[[claim]]
says = "some copies"
of = "copies.total"
at_least = 1

[[sweep]]
"""


def report(*words: str) -> Result:
    return CliRunner().invoke(cli, ["report", *words])


def reported(*words: str) -> str:
    done = report("flips", *words)
    assert done.exit_code == 0, done.output
    return REPORT.read_text()


def without_scripts(html: str) -> str:
    return re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)


@pytest.fixture
def results(house: Path) -> Path:
    swept()
    return house / RESULTS


# -------------------------------------------------------------------- contents
def test_a_report_tells_the_question_the_expectation_and_how_to_make_it_again(results: Path):
    html = reported()

    assert "<h1>What does the flip save?</h1>" in html
    assert "The last sharer&#39;s copy." in html
    assert (
        "cowmodel sweep experiments/flips\ncowmodel figure experiments/flips\ncowmodel report flips" in html
    )


def test_each_section_is_named_in_the_list_of_sections(results: Path):
    html = reported()

    anchors = re.findall(r'<a href="#(\w+)">', html.split("</nav>")[0])
    assert anchors == re.findall(r'<h2 id="(\w+)">', html)
    assert {"charts", "tables", "memory", "configuration", "failures"} < set(anchors)


def test_each_metric_is_drawn_against_each_path_that_is_varied_without_javascript(results: Path):
    page = without_scripts(reported())

    for metric in ("fork_us.mean", "copies.total", "peak_bytes.memory"):
        for path in ("policy.copy", "machine.memory"):
            assert re.search(rf'<svg[^>]*role="img"[^>]*>\s*<title[^>]*>{metric} against {path}', page)


def test_fork_tree_sharing_and_memory_map_are_drawn_without_javascript(results: Path):
    page = without_scripts(reported())

    assert "Fork tree of 4 processes" in page
    assert "Sharing graph of 4 processes" in page
    assert page.count("data:image/png;base64,") == 4


def test_what_points_change_is_beside_the_base(results: Path):
    html = reported()

    assert "<td>policy.copy</td><td>cow-flip</td><td>cow, cow-flip</td>" in html


def test_the_figure_of_the_experiment_is_in_the_report(results: Path):
    CliRunner().invoke(cli, ["figure", "flips"])

    assert 'src="data:image/svg+xml;base64,' in reported()


def test_claims_are_checked(results: Path, edit: Edit):
    edit(FLIPS / "experiment.toml", "[[sweep]]", CLAIM)

    assert '<span class="holds">Holds:</span> some copies' in reported()


def test_a_claim_that_cannot_be_checked_is_told_with_its_reason(results: Path, edit: Edit):
    edit(FLIPS / "experiment.toml", "[[sweep]]", CLAIM.replace("copies.total", "copies.totl"))

    assert "Claims cannot be checked yet" in reported()
    assert "did you mean &#39;copies.total&#39;?" in reported()


def test_a_measurement_is_reported_by_its_tables(house: Path):
    root = Path(__file__).parents[2]
    shutil.copytree(root / "experiments/engine_speed", "experiments/engine_speed")
    shutil.copytree(root / "results/engine_speed", "results/engine_speed")

    assert report("engine_speed").exit_code == 0

    page = without_scripts(Path("results/engine_speed/report.html").read_text())
    assert "(scaling.csv)" in page
    assert "Memory of one run" not in page


# ------------------------------------------------------------ complete in itself
def test_a_report_refers_to_nothing_outside_itself(results: Path):
    page = without_scripts(reported())

    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page) == []
    assert re.findall(r"url\(|@import|<link|<iframe", page) == []
    assert "default-src 'none'" in page


def test_what_an_experiment_says_is_text_and_never_markup(results: Path, edit: Edit):
    edit(FLIPS / "experiment.toml", "What does", "</script><script>alert(1)</script> What does")

    html = reported()

    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_only_scripts_whose_hashes_the_policy_names_are_run(results: Path):
    html = reported()

    named = re.findall(r"'(sha256-[^']+)'", html)
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    assert len(named) == len(scripts) == 2


def test_the_library_that_ships_is_the_one_whose_hash_is_recorded():
    vendor = resources.files("cowmodel.report.html") / "vendor"

    digest, name = (vendor / "SHA256SUMS").read_text().split()

    assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest
    assert "Apache License" in (vendor / "LICENSE").read_text()
    assert "Apache ECharts" in (vendor / "NOTICE").read_text()


def test_the_same_results_give_the_same_report_byte_for_byte(results: Path):
    assert reported() == reported()


def test_a_report_of_a_thousand_points_is_smaller_than_5_MB(results: Path):
    for name in ("summary.csv", "statistics.csv"):
        table = pd.read_csv(RESULTS / name)
        more = [table.assign(**{"machine.memory": f"{64 + n} MiB"}) for n in range(500)]
        pd.concat(more).to_csv(RESULTS / name, index=False)

    html = reported()

    assert len(pd.read_csv(RESULTS / "summary.csv")) == 4000
    assert len(html) < 5_000_000


# --------------------------------------------------------------- half finished
def test_a_finished_sweep_is_not_marked(results: Path):
    assert "Half finished" not in reported()


def test_a_half_finished_sweep_is_drawn_and_marked_as_such(house: Path):
    plan, store = planned(), Store(RESULTS)
    with store.alone("flips"):
        made = list(serial(job(plan), list(plan.missing())[:5]))
    assert len(made) == 5
    CliRunner().invoke(cli, ["collect", "flips"])

    page = without_scripts(reported())

    assert "These tables hold 5 of 8 runs; 0 failed." in page
    assert "copies.total against policy.copy" in page


def test_runs_that_were_finished_after_the_tables_are_told(results: Path):
    moved = sorted((RESULTS / "runs").iterdir())[0]
    shutil.move(moved, "aside")
    CliRunner().invoke(cli, ["collect", "flips"])
    shutil.move("aside", moved)

    assert "1 more are finished by now; cowmodel collect flips adds them." in reported()


def test_failed_runs_are_told_with_their_reason(house: Path, edit: Edit):
    edit(FLIPS / "experiment.toml", '"128 MiB"', '"1100 KiB"')
    swept()

    page = without_scripts(reported())

    assert "4 failed" in page
    assert page.count("give the machine more memory or the workload less") == 4


# ------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["flops"], "no 'flops' among flips; did you mean 'flips'?"),
        (["flips"], "expected results to report, got none; run `cowmodel sweep flips` first"),
        ([], "expected the name of an experiment, or --multi FOLDER"),
        (["flips", "--multi", "results"], "expected the name of an experiment, or --multi FOLDER"),
        (["--multi", "results", "--out", "x.html"], "--out and --set are about one experiment"),
        (["--multi", "results"], "expected folders of results in it, got none"),
    ],
)
def test_what_cannot_be_reported_is_told_with_a_remedy(house: Path, words: list[str], problem: str):
    done = report(*words)

    assert done.exit_code == 2
    assert problem in done.output


def test_runs_without_tables_are_to_be_collected_first(results: Path):
    (RESULTS / "provenance.json").unlink()

    done = report("flips")

    assert done.exit_code == 2
    assert "run `cowmodel collect flips`, which makes tables of the runs that are there" in done.output


def test_a_sweep_of_which_all_runs_failed_has_nothing_to_report(house: Path, edit: Edit):
    edit(FLIPS / "experiment.toml", '"64 MiB", "128 MiB"', '"1100 KiB"')
    with pytest.raises(ConfigError, match="no run of flips as it is now is finished"):
        swept()

    done = report("flips")

    assert done.exit_code == 2
    assert "expected results to report, got none" in done.output


def test_a_path_that_cannot_be_written_is_told(results: Path):
    Path("file").touch()

    done = report("flips", "--out", "file/report.html")

    assert done.exit_code == 2
    assert "file/report.html: " in done.output


def test_a_folder_in_the_place_of_the_file_is_told(results: Path):
    done = report("flips", "--out", "results")

    assert done.exit_code == 2
    assert "results: expected a file to write, got a folder" in done.output


# ----------------------------------------------------------------------- index
def test_an_index_leads_to_the_reports_of_all_experiments(results: Path):
    done = report("--multi", "results")

    assert done.output.split() == ["results/flips/report.html", "results/index.html"]
    assert (
        '<a href="flips/report.html">flips</a>: What does the flip save?'
        in Path("results/index.html").read_text()
    )


def test_what_one_experiment_lacks_does_not_keep_others_from_the_index(results: Path):
    shutil.copytree(RESULTS, "results/strangers")

    done = report("--multi", "results")

    assert done.exit_code == 2
    assert "no 'strangers' among flips" in done.output
    assert "strangers" not in Path("results/index.html").read_text()
