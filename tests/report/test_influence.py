"""The figure of a sensitivity analysis shows what its table says."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from cowmodel.report.influence import bars
from cowmodel.report.style import STYLE

SOBOL = pd.DataFrame(
    {
        "parameter": ["policy.copy", "workload.heap"],
        "first": [0.2, 0.5],
        "first_low": [-0.1, 0.4],
        "first_high": [0.4, 0.6],
        "total": [0.3, 0.8],
        "total_low": [0.1, 0.7],
        "total_high": [0.5, 0.9],
    }
)
MORRIS = SOBOL.filter(regex="parameter|total").rename(columns=lambda name: name.replace("total", "mu_star"))


def test_the_largest_total_index_is_on_top() -> None:
    axes = bars(SOBOL).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["policy.copy", "workload.heap"]
    total, first = axes.containers[0], axes.containers[2]
    assert [bar.get_width() for bar in total] == [0.3, 0.8]
    assert [bar.get_width() for bar in first] == [0.2, 0.5]


def test_each_interval_is_drawn_from_end_to_end() -> None:
    axes = bars(SOBOL).axes[0]
    total, first = (lines for lines in axes.collections if isinstance(lines, LineCollection))
    assert np.array(total.get_segments())[:, :, 0] == pytest.approx(np.array([[0.1, 0.5], [0.7, 0.9]]))
    assert np.array(first.get_segments())[:, :, 0] == pytest.approx(np.array([[-0.1, 0.4], [0.4, 0.6]]))


def test_effects_of_morris_have_one_bar_a_parameter() -> None:
    axes = bars(MORRIS).axes[0]
    assert [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)] == [0.3, 0.8]
    assert axes.get_xlabel() == "effect [unit of the metric]"


def test_long_names_and_many_parameters_stay_inside_the_figure() -> None:
    names = [f"workload.written_fraction_{number}" for number in range(12)]
    table = pd.concat([SOBOL] * 6).assign(parameter=names)
    with mpl.rc_context(STYLE):
        figure = bars(table)
        FigureCanvasAgg(figure).draw()
        boxes = [figure.legends[0].get_window_extent(), figure.axes[0].get_tightbbox()]
    assert all(box is not None and figure.bbox.contains(*box.min) for box in boxes)
    assert all(box is not None and figure.bbox.contains(*box.max) for box in boxes)
