"""Figures look alike, survive grey print, and are equal bytes for equal tables."""

import errno
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cowmodel import catalog
from cowmodel.report.paper import COLUMN_IN
from cowmodel.report.style import STYLE, draw_band, save, series_style

DRAW = """
import sys, pathlib, matplotlib as mpl
from matplotlib.figure import Figure
from cowmodel.report.style import STYLE, save
with mpl.rc_context(STYLE):
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 10, 100], [1, 2, 3], label="cow")
    axes.set(xscale="log", xlabel="size (MiB)")
    axes.legend()
    save(figure, pathlib.Path(sys.argv[1]), "figure")
"""


def test_two_processes_write_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        subprocess.run([sys.executable, "-c", DRAW, str(tmp_path / name)], check=True)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["figure.pdf", "figure.png", "figure.svg"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_no_date_and_no_version_of_a_library_is_written(tmp_path: Path) -> None:
    for path in save(Figure(), tmp_path, "figure"):
        content = path.read_bytes()
        assert b"CreationDate" not in content
        assert b"Matplotlib v" not in content
        assert mpl.__version__.encode() not in content


def test_only_the_formats_asked_for_are_written(tmp_path: Path) -> None:
    save(Figure(), tmp_path, "figure", ["png"])
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]


def test_the_fonts_of_a_pdf_are_in_it_as_outlines_that_can_be_searched(tmp_path: Path) -> None:
    figure = Figure()
    figure.text(0.5, 0.5, "fork [ms]")
    (path,) = save(figure, tmp_path, "figure", ["pdf"])
    content = path.read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_a_full_disk_leaves_no_half_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(figure: Figure, file: Path, **_: object) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match=r"figure\.pdf"):
        save(Figure(), tmp_path, "figure")
    assert list(tmp_path.iterdir()) == []


def test_a_policy_looks_the_same_whatever_is_beside_it() -> None:
    alone = series_style(["cow-flip"])["cow-flip"]
    assert series_style(catalog.POLICIES)["cow-flip"] == alone
    assert series_style(["other", "cow-flip", "eager"])["cow-flip"] == alone


def test_a_backing_looks_the_same_whatever_is_beside_it() -> None:
    alone = series_style(["hugetlb 2 MiB"])["hugetlb 2 MiB"]
    assert series_style(["base", "hugetlb 2 MiB"])["hugetlb 2 MiB"] == alone


def test_no_two_of_sixteen_series_look_alike() -> None:
    looks = series_style(f"series {number}" for number in range(16)).values()
    assert len({tuple(look.values()) for look in looks}) == 16


def test_other_names_take_no_look_of_a_policy_beside_them() -> None:
    looks = series_style(["other", "eager", "another"]).values()
    assert len({look["color"] for look in looks}) == 3


def test_policies_differ_without_colour() -> None:
    looks = series_style(catalog.POLICIES).values()
    assert len({look["marker"] for look in looks}) == len(catalog.POLICIES)
    assert len({look["linestyle"] for look in looks}) == len(catalog.POLICIES)


def test_a_band_is_shaded_where_the_table_has_one() -> None:
    axes = Figure().subplots()
    runs = pd.DataFrame({"fork_us.mean": [2.0, 3.0]})
    draw_band(axes, [0, 1], runs, "fork_us.mean", 0.5, "red")
    assert not axes.collections
    banded = runs.assign(**{"fork_us.mean_low": [1.0, 2.0], "fork_us.mean_high": [4.0, 6.0]})
    draw_band(axes, [0, 1], banded, "fork_us.mean", 0.5, "red")
    (shade,) = axes.collections
    assert shade.get_datalim(axes.transData).bounds == (0, 0.5, 1, 2.5)


def test_a_figure_is_one_column_wide() -> None:
    with mpl.rc_context(STYLE):
        assert Figure().get_figwidth() == COLUMN_IN
