"""Lists of accesses: the same in any implementation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowmodel.scenario.patterns import Listed, Random, Run, Shuffle, Zipf, draws, shuffled

MASK = (1 << 64) - 1
seeds = st.integers(0, MASK)


class SplitMix:
    """The generator as its authors wrote it, draw by draw."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def next(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return z ^ z >> 31

    def shuffle(self, first: int, last: int) -> list[int]:
        order = list(range(first, last + 1))
        for i in range(len(order) - 1, 0, -1):
            j = self.next() % (i + 1)
            order[i], order[j] = order[j], order[i]
        return order


def zipf(seed: int, first: int, last: int, count: int, skew: float) -> list[int]:
    """Return a zipf list as the specification says it, draw by draw."""
    generator, sums, total = SplitMix(seed), [], 0.0
    pages = generator.shuffle(first, last)
    for rank in range(len(pages)):
        total += (rank + 1) ** -skew
        sums.append(total)
    aims = [(generator.next() >> 11) / 2**53 * total for _ in range(count)]
    return [pages[next(rank for rank, reached in enumerate(sums) if reached > aim)] for aim in aims]


def test_the_first_three_draws_of_seed_1_are_those_of_the_specification():
    assert draws(1, 3).tolist() == [0x910A2DEC89025CC1, 0xBEEB8DA1658EEC67, 0xF893A2EEFB32555E]


@given(seeds, st.integers(0, 50), st.integers(0, 50))
def test_draws_are_those_of_the_generator_step_by_step(seed: int, count: int, skip: int):
    generator = SplitMix(seed)
    expected = [generator.next() for _ in range(skip + count)][skip:]

    assert draws(seed, count, skip).tolist() == expected


@given(seeds, st.integers(0, 1000), st.integers(0, 40))
def test_a_shuffle_is_the_one_of_fisher_and_yates_with_those_draws(seed: int, first: int, more: int):
    assert shuffled(seed, first, first + more).tolist() == SplitMix(seed).shuffle(first, first + more)


@given(seeds, st.integers(0, 1000), st.integers(0, 300), st.integers(1, 60))
def test_random_draws_are_taken_modulo_the_range(seed: int, first: int, more: int, count: int):
    generator = SplitMix(seed)
    expected = [first + generator.next() % (more + 1) for _ in range(count)]

    assert Random(first, first + more, count, seed).indices().tolist() == expected


@given(seeds, st.integers(0, 100), st.integers(0, 40), st.integers(1, 30), st.floats(0, 3))
def test_zipf_draws_follow_the_shuffle_of_the_same_generator(
    seed: int, first: int, more: int, count: int, skew: float
):
    expected = zipf(seed, first, first + more, count, skew)

    assert Zipf(first, first + more, count, seed, skew).indices().tolist() == expected


@given(seeds, st.integers(1, 200))
def test_a_shuffle_has_every_index_once_and_its_beginning_is_that_of_the_whole(seed: int, count: int):
    whole = Shuffle(0, 199, 200, seed).indices()

    assert sorted(whole.tolist()) == list(range(200))
    assert Shuffle(0, 199, count, seed).indices().tolist() == whole[:count].tolist()


def test_with_a_high_skew_almost_all_accesses_go_to_few_pages():
    _, counts = np.unique(Zipf(0, 999, 10_000, 7, 2.0).indices(), return_counts=True)

    assert np.sort(counts)[-10:].sum() > 9000


@pytest.mark.parametrize(
    ("pattern", "indices"),
    [
        (Run(3, 6), [3, 4, 5, 6]),
        (Run(3, 6, backwards=True), [6, 5, 4, 3]),
        (Run(0, 10, 4), [0, 4, 8]),
        (Listed((Run(5, 5), Run(1, 3))), [5, 1, 2, 3]),
    ],
)
def test_runs_and_lists_keep_their_order(pattern: Run | Listed, indices: list[int]):
    assert pattern.indices().tolist() == indices
    assert (pattern.lowest, pattern.highest, len(pattern)) == (min(indices), max(indices), len(indices)) or (
        pattern == Run(0, 10, 4)
    )
