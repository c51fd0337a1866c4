"""Heat maps: the pages of a process over time, summed up, as the share of pages in each state.

A cell is a mixture of the colours of the states of its pages, so that a region that is copied page by page
turns from one colour to another.
"""

import base64
import io
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cowmodel.report.html.memory import STATES, Film
from cowmodel.units import format_duration, format_size

_MOST_ROWS = 100
_MOST_PROCESSES = 6
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PLAIN: dict[str, Any] = {"Software": None}  # a version would make equal pictures differ
COLOURS = ("#d9d9d9", "#a6cbe3", "#0072b2", "#e69f00", "#d55e00", "#009e73")
"""Of `STATES`, from those of Okabe and Ito."""


class Heat(NamedTuple):
    """The map of one process.

    Attributes
    ----------
    pid : int
    pages : int
        All that it ever mapped.
    firsts : list of str
        The first page of each row.
    times : list of str
        The moments of the columns, of the whole run.
    cells : str
        Column by column, row by row, a digit of base 36 for each state: its share in 35ths.
    image : str
        The same as a PNG, in base 64.
    text : str
        What it shows, in words.
    """

    pid: int
    pages: int
    firsts: list[str]
    times: list[str]
    cells: str
    image: str
    text: str


def heats(film: Film) -> list[Heat]:
    """Draw the processes that mapped most."""
    spans = {pid: _joined(moments.values()) for pid, moments in film.states.items()}
    sizes = {pid: sum(end - first for first, end in span) for pid, span in spans.items()}
    largest = sorted((pid for pid in sizes if sizes[pid]), key=lambda pid: (-sizes[pid], pid))
    return [_heat(film, pid, spans[pid], sizes[pid]) for pid in sorted(largest[:_MOST_PROCESSES])]


def _joined(moments: Iterable[list[tuple[int, NDArray[np.int8]]]]) -> list[tuple[int, int]]:
    """Return which pages were mapped at any moment: first, and the one after the last."""
    joined: list[tuple[int, int]] = []
    for first, end in sorted({(first, first + len(states)) for maps in moments for first, states in maps}):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((first, end))
    return joined


def _heat(film: Film, pid: int, spans: list[tuple[int, int]], pages: int) -> Heat:
    starts = np.cumsum([0, *(end - first for first, end in spans)])
    rows = min(_MOST_ROWS, pages)
    seen = film.states[pid]
    shares = [_shares(seen.get(moment, []), spans, starts, rows) for moment in range(len(film.times_ps))]
    heads = -(-np.arange(rows) * pages // rows)  # the first page, of all, that falls into each row
    firsts = [_address(int(head), spans, starts, film.page_bytes) for head in heads]
    times = [format_duration(time_ps) for time_ps in film.times_ps]
    grid = np.stack(shares)  # moments, rows, states
    return Heat(
        pid, pages, firsts, times, _cells(grid), _image(grid), "; ".join(_told(film, pid, grid, pages))
    )


def _shares(
    maps: list[tuple[int, NDArray[np.int8]]],
    spans: list[tuple[int, int]],
    starts: NDArray[np.int64],
    rows: int,
) -> NDArray[np.float64]:
    """Return the share of the pages of each row that are in each state, float64[rows, states]."""
    counts = np.zeros(rows * len(STATES))
    for first, states in maps:
        span = max(n for n, (low, _) in enumerate(spans) if low <= first)
        place = starts[span] + first - spans[span][0] + np.arange(len(states))
        row = place * rows // starts[-1]
        counts += np.bincount(row * len(STATES) + states, minlength=len(counts))
    sizes = np.bincount(np.arange(starts[-1]) * rows // starts[-1], minlength=rows)
    shares: NDArray[np.float64] = counts.reshape(rows, -1) / sizes[:, None]
    return shares


def _address(place: int, spans: list[tuple[int, int]], starts: NDArray[np.int64], page_bytes: int) -> str:
    """Return the address of a page that is counted from the first of all spans."""
    span = int(np.searchsorted(starts, place, side="right")) - 1
    return f"{(spans[span][0] + place - int(starts[span])) * page_bytes:#x}"


def _cells(grid: NDArray[np.float64]) -> str:
    return "".join(_DIGITS[share] for share in np.rint(grid * 35).astype(int).ravel())


def _image(grid: NDArray[np.float64]) -> str:
    """Mix the colours of each cell; what is not mapped is clear."""
    from matplotlib.colors import to_rgb
    from matplotlib.image import imsave

    mixed = grid @ np.array([to_rgb(colour) for colour in COLOURS])
    mapped = grid.sum(axis=2, keepdims=True)
    picture = np.concatenate([mixed / np.maximum(mapped, 1e-9), mapped], axis=2).swapaxes(0, 1)
    buffer = io.BytesIO()
    imsave(buffer, np.rint(picture * 255).astype(np.uint8), format="png", metadata=_PLAIN)
    return base64.b64encode(buffer.getvalue()).decode()


def _told(film: Film, pid: int, grid: NDArray[np.float64], pages: int) -> Iterator[str]:
    """Say in words what it shows, at its first moment with pages, in the middle, and at its last."""
    seen = [moment for moment, maps in film.states[pid].items() if maps]
    yield f"{format_size(pages * film.page_bytes)} mapped, seen at {len(seen)} moments"
    for moment in dict.fromkeys((seen[0], seen[len(seen) // 2], seen[-1])):
        shares = zip(STATES, grid[moment].mean(axis=0), strict=True)
        mixed = ", ".join(f"{100 * share:.0f} % {state}" for state, share in shares if share >= 0.005)
        yield f"after {format_duration(film.times_ps[moment])} {mixed}"
