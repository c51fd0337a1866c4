"""A run that is played again: states of pages, who forked whom, who shared with whom; and axes."""

from pathlib import Path

import numpy as np
import pytest

from cowmodel.experiment.config import load
from cowmodel.experiment.run import simulate
from cowmodel.report.html.axis import across, up
from cowmodel.report.html.family import sharing, tree
from cowmodel.report.html.heat import heats
from cowmodel.report.html.memory import (
    ABSENT,
    COPIED,
    KEPT,
    NOTHING,
    OWN,
    SHARED,
    STATES,
    ZERO,
    Film,
    Sheet,
    play,
    read,
)
from cowmodel.report.style import look, looks, series_style
from tests.toy import HUGE, scene


def states(sheet: Sheet) -> list[int]:
    return sheet.states.tolist()


def film_of(house: Path) -> Film:
    configuration = load(house / "configs/tree.toml")
    summary = simulate(configuration, 0).summary
    end_ps = round(summary["simulated_ms"] * 10**9)
    return play(configuration, 0, end_ps, summary["peak_bytes"]["memory"])


# ---------------------------------------------------------------------- states
def test_a_page_without_an_entry_is_absent_and_one_that_was_written_is_own():
    kernel, parent, heap = scene(pages=2, populated=False)
    kernel.write(parent, heap.first)

    assert states(read(kernel, parent, NOTHING)) == [OWN, ABSENT]


def test_a_page_that_was_only_read_reads_as_zeros():
    kernel, parent, heap = scene(pages=1, populated=False)
    kernel.read(parent, heap.first)

    assert states(read(kernel, parent, NOTHING)) == [ZERO]


def test_a_write_to_a_shared_page_makes_a_copy_and_leaves_the_other_the_frame():
    kernel, parent, heap = scene(pages=2)
    before = read(kernel, parent, NOTHING)
    child, _ = kernel.fork(parent)
    shared, childs = read(kernel, parent, before), read(kernel, child, before)
    kernel.write(parent, heap.first)

    assert states(shared) == states(childs) == [SHARED, SHARED]
    assert states(read(kernel, parent, shared)) == [COPIED, SHARED]
    assert states(read(kernel, child, childs)) == [KEPT, SHARED]


def test_a_copy_that_no_moment_saw_shared_is_known_by_its_frame():
    kernel, parent, heap = scene(pages=1)
    before = read(kernel, parent, NOTHING)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)

    assert states(read(kernel, child, before)) == [COPIED]


def test_a_copy_stays_a_copy():
    kernel, parent, heap = scene(pages=1)
    before = read(kernel, parent, NOTHING)
    kernel.fork(parent)
    kernel.write(parent, heap.first)
    copied = read(kernel, parent, before)

    assert states(read(kernel, parent, copied)) == [COPIED]


def test_all_pages_of_a_huge_leaf_are_copied_with_it():
    kernel, parent, heap = scene(pages=8, backing=HUGE)
    before = read(kernel, parent, NOTHING)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)

    assert states(read(kernel, child, before)) == [COPIED] * 4 + [SHARED] * 4


# ------------------------------------------------------------------------ film
def test_who_watches_changes_nothing(house: Path):
    configuration = load(house / "configs/tree.toml")
    once = simulate(configuration, 0)

    film = play(configuration, 0, round(once.summary["simulated_ms"] * 10**9), 1 << 20)

    assert film.ends_ps == {row.pid: row.time_ps for row in once.records.actions if row.action == "exit"}


def test_of_large_memory_fewer_moments_are_looked_at(house: Path):
    configuration = load(house / "configs/tree.toml")

    film = play(configuration, 0, 10**9, 1 << 60)

    assert len(film.times_ps) == 12


def test_the_fork_tree_has_children_beside_each_other_and_their_parent_before_them(house: Path):
    picture = tree(film_of(house))

    assert [(edge.source, edge.target) for edge in picture.edges] == [(1, 2), (1, 3)]
    assert [(node.x, node.y) for node in picture.nodes] == [(0, 0.5), (1, 0.25), (1, 0.75)]


def test_the_sharing_graph_is_of_the_moment_when_most_is_shared(house: Path):
    film = film_of(house)
    shared = [
        sum(
            int((pages == SHARED).sum()) for maps in film.states.values() for _, pages in maps.get(moment, [])
        )
        for moment in range(len(film.times_ps))
    ]

    picture = sharing(film)

    assert film.graph_ps == film.times_ps[shared.index(max(shared))]
    assert [(edge.source, edge.target) for edge in picture.edges] == [(1, 2), (1, 3), (2, 3)]


def test_each_cell_of_a_map_tells_the_shares_of_all_states(house: Path):
    film = film_of(house)
    heat = heats(film)[0]

    digits = np.array([int(digit, 36) for digit in heat.cells]).reshape(-1, len(heat.firsts), len(STATES))

    assert len(digits) == len(heat.times) == len(film.times_ps)
    assert set(np.unique(digits.sum(axis=2))) <= {0, 34, 35, 36}
    assert (digits.sum(axis=2) > 0).any()


# ------------------------------------------------------------------------ axes
@pytest.mark.parametrize(
    ("values", "kind", "ticks"),
    [
        (["2 MiB", "1 MiB"], "value", ["1 MiB", "2 MiB"]),
        (["1 MiB", "1 GiB"], "log", ["1 MiB", "1 GiB"]),
        ([0.0, 0.5, 1.0], "value", ["0", "0.5", "1"]),
        (["cow", "eager"], "value", ["cow", "eager"]),
        (["1 MiB", "1 ms"], "value", ["1 MiB", "1 ms"]),
        ([True, False], "value", ["true", "false"]),
    ],
)
def test_an_axis_is_by_size_if_all_values_have_one_of_a_kind(values: list, kind: str, ticks: list[str]):
    axis, _ = across("path", values)

    assert (axis.kind, [text for _, text in axis.ticks]) == (kind, ticks)


@pytest.mark.parametrize(
    ("name", "numbers", "ticks"),
    [
        ("fork_us.mean", [900.0, 100.0], ["0", "200 us", "400 us", "600 us", "800 us", "1 ms"]),
        ("peak_bytes.memory", [3.0 * 2**20], ["0", "1 MiB", "2 MiB", "3 MiB"]),
        ("copies.total", [0.0], ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ("copies.total", [1.0, 900.0], ["1", "10", "100", "1,000"]),
    ],
)
def test_ticks_of_a_metric_are_round_in_its_unit(name: str, numbers: list[float], ticks: list[str]):
    axis = up(name, numbers)

    assert [text for _, text in axis.ticks] == ticks
    assert all(0 <= axis.share(number) <= 1 for number in numbers)


def test_a_policy_has_the_look_that_it_has_in_figures():
    assert look(looks(["cow-flip"])["cow-flip"]) == series_style(["cow-flip"])["cow-flip"]
