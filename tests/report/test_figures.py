"""Every figure of the house can be read: on its own paper, and on paper that was asked for."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from cowmodel.report.draw import drawn

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(path.parent for path in (ROOT / "experiments").glob("*/experiment.toml"))
ON_PAPERS = [
    pytest.param(folder, paper, id=f"{folder.name}-{paper or 'own'}")
    for folder in EXPERIMENTS
    for paper in (None, "column")
]
SLACK = 1.0  # points, by which boxes of text are larger than their ink


Words = list[tuple[str, Bbox]]


@pytest.mark.parametrize(("folder", "paper"), ON_PAPERS)
def test_nothing_is_clipped_no_words_overlap_and_no_legend_hides_data(
    folder: Path, paper: str | None, monkeypatch: pytest.MonkeyPatch
):
    figure = drawn(folder, ROOT / "results" / folder.name, paper)
    words = written(figure, monkeypatch)

    assert clipped(figure, words) == []
    assert overlapping(words) == []
    assert hidden(figure) == []


def written(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> Words:
    """Return the words of a figure and where they stand, as they are when it is drawn."""
    texts: dict[Text, None] = {}
    draw = Text.draw

    def noted(text: Text, *arguments: Any) -> None:
        texts[text] = None
        draw(text, *arguments)

    figure.draw_without_rendering()  # layouts are found in the first pass
    monkeypatch.setattr(Text, "draw", noted)
    figure.draw_without_rendering()
    return [(text.get_text(), text.get_window_extent()) for text in texts if shown(text)]


def shown(text: Text) -> bool:
    return text.get_visible() and bool(text.get_text().strip())


def clipped(figure: Figure, words: Words) -> list[str]:
    """Return the words that are not wholly on the paper."""
    paper = figure.bbox.padded(SLACK)
    return [text for text, box in words if not (paper.contains(*box.min) and paper.contains(*box.max))]


def overlapping(words: Words) -> list[tuple[str, str]]:
    """Return pairs of words that are written one over the other."""
    boxes = [(text, box.padded(-SLACK)) for text, box in words]
    return [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)]


def hidden(figure: Figure) -> list[str]:
    """Return the lines that go through the legend of their panel."""
    legends = [(axes, legend) for axes in figure.axes if (legend := axes.get_legend())]
    return [str(line.get_label()) for axes, legend in legends for line in axes.lines if behind(legend, line)]


def behind(legend: Legend, line: Line2D) -> bool:
    path = line.get_path().transformed(line.get_transform())
    box = legend.get_window_extent().padded(-SLACK)
    if line.get_linestyle() == "None":
        return bool(box.count_contains(path.vertices))
    return bool(path.intersects_bbox(box, filled=False))
