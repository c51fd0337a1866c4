"""The numbers beside a figure are those that it shows."""

import io

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.plotted import plotted


def begun() -> tuple[Figure, Axes]:
    figure = Figure()
    axes = figure.subplots()
    axes.set(title="by size", xlabel="size [GiB]", ylabel="fork [ms]")
    return figure, axes


def rows(figure: Figure) -> list[tuple[object, ...]]:
    table = pd.read_csv(io.StringIO(plotted(figure)), keep_default_na=False)
    return list(table[["series", "mark", "piece", "x", "y"]].itertuples(index=False, name=None))


def test_a_line_is_its_points_with_the_names_of_panel_and_axes():
    figure, axes = begun()
    axes.plot([1, 2], [0.5, 0.25], label="cow")
    assert plotted(figure) == (
        "panel,series,mark,piece,x_axis,y_axis,x,y\n"
        "1 by size,cow,line,0,size [GiB],fork [ms],1,0.5\n"
        "1 by size,cow,line,0,size [GiB],fork [ms],2,0.25\n"
    )


def test_an_error_bar_is_its_point_and_its_interval_without_caps():
    figure, axes = begun()
    axes.errorbar([1], [5], yerr=[[2], [3]], capsize=2, label="cow")
    assert rows(figure) == [
        ("cow", "line", 0, 1, 5),
        ("cow", "interval", 0, 1, 3),
        ("cow", "interval", 0, 1, 8),
    ]


def test_a_bar_goes_from_where_it_stands_to_its_end_at_the_word_below_it():
    figure, axes = begun()
    axes.bar(["4.19", "5.4"], [3, 4], bottom=[1, 1], label="copied")
    assert rows(figure) == [
        ("copied", "bar", 0, 4.19, 1),
        ("copied", "bar", 0, 4.19, 4),
        ("copied", "bar", 1, 5.4, 1),
        ("copied", "bar", 1, 5.4, 5),
    ]


def test_a_bar_to_the_side_has_its_word_at_the_other_axis():
    figure, axes = begun()
    axes.barh([0], [3])
    axes.set_yticks([0], ["flip"])
    assert rows(figure) == [("", "bar", 0, 0, "flip"), ("", "bar", 0, 3, "flip")]


def test_a_line_along_an_axis_is_the_one_place_where_it_stands():
    figure, axes = begun()
    axes.axhline(3, label="the data")
    axes.axvline(2)
    assert rows(figure) == [("the data", "line", 0, "", "3"), ("", "line", 0, "2", "")]


def test_a_band_is_its_outline():
    figure, axes = begun()
    axes.fill_between([0, 1], [1, 2], [4, 6], label="90 %")
    outline = {(x, y) for series, mark, _, x, y in rows(figure) if (series, mark) == ("90 %", "band")}
    assert outline == {(0, 1), (1, 2), (1, 6), (0, 4)}


def test_what_differs_in_the_last_digits_is_written_alike():
    for value in (0.1 + 0.2, 0.3):
        figure, axes = begun()
        axes.plot([value], [1])
        assert plotted(figure).endswith(",0.3,1\n")
