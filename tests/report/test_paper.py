"""A figure on other paper: its panels find new places, and its legend fits."""

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from cowmodel.errors import ConfigError
from cowmodel.report.paper import PAGE_IN, PAPERS, Paper, label_outer, legend, on, panels, parse_paper
from cowmodel.report.style import STYLE


def places(figure: Figure) -> list[tuple[int, int]]:
    """Return row and column of each panel."""
    specs = [axes.get_subplotspec() for axes in figure.axes]
    return [(spec.rowspan.start, spec.colspan.start) for spec in specs if spec]


def test_a_figure_has_its_own_size_where_no_other_is_asked_for():
    figure, axes = panels(2, 2, PAGE_IN, 4.2)
    assert tuple(figure.get_size_inches()) == (PAGE_IN, 4.2)
    assert places(figure) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert list(axes) == figure.axes


def test_in_a_column_panels_stand_one_below_the_other_and_keep_their_height():
    with on(PAPERS["column"]):
        figure, _ = panels(1, 3, PAGE_IN, 2.5)
    assert tuple(figure.get_size_inches()) == (3.35, 7.5)
    assert places(figure) == [(0, 0), (1, 0), (2, 0)]


def test_paper_between_a_column_and_a_page_has_fewer_panels_a_row():
    with on(Paper(5.0)):
        figure, axes = panels(1, 3, PAGE_IN, 2.5)
    assert places(figure) == [(0, 0), (0, 1), (1, 0)]
    assert len(axes) == 3


def test_a_height_that_is_asked_for_is_kept():
    with on(parse_paper("3x2")):
        figure, _ = panels(1, 2, PAGE_IN, 2.5)
    assert tuple(figure.get_size_inches()) == (3.0, 2.0)


def test_paper_is_forgotten_behind_its_block():
    with pytest.raises(ZeroDivisionError), on(Paper(2.0)):
        raise ZeroDivisionError
    figure, _ = panels(1, 1, PAGE_IN, 2.5)
    assert figure.get_figwidth() == PAGE_IN


@pytest.mark.parametrize("text", ["", "5", "5x", "x3", "0.9x3", "3x51", "1e1x3", "infxinf"])
def test_what_is_no_paper_is_refused(text: str):
    with pytest.raises(ConfigError, match=f"expected column, page, or .*, got '{text}'"):
        parse_paper(text)


DPI = 100  # of matplotlib figures before they are saved


def told(width_in: float) -> Legend:
    """Return the legend of seven lines, two of which have one label."""
    with mpl.rc_context(STYLE):
        figure, (axes,) = panels(1, 1, width_in, 2.0)
        for number in [*range(6), 0]:
            axes.plot([0, 1], label=f"series {number}")
        legend(figure, axes)
    return figure.legends[0]


def test_a_legend_has_each_label_once():
    assert [text.get_text() for text in told(PAGE_IN).get_texts()] == [f"series {n}" for n in range(6)]


def test_a_legend_stands_in_as_few_rows_as_fit_on_the_paper():
    one, three = told(PAGE_IN).get_window_extent(), told(2.5).get_window_extent()
    assert one.width > 2.5 * DPI > three.width
    assert three.height > 1.5 * one.height


def test_panels_that_share_an_axis_name_it_once_a_row():
    figure, both = panels(1, 2, PAGE_IN, 2.0, sharey=True)
    for axes in both:
        axes.set_ylabel("fork [ms]")
    label_outer(figure)
    assert [axes.get_ylabel() for axes in both] == ["fork [ms]", ""]


def test_panels_that_share_none_each_name_their_own():
    figure, both = panels(1, 2, PAGE_IN, 2.0)
    for axes in both:
        axes.set_ylabel("fork [ms]")
    label_outer(figure)
    assert [axes.get_ylabel() for axes in both] == ["fork [ms]"] * 2
