"""Which objects are written how often, and on which pages they lie."""

from collections.abc import Iterator
from itertools import chain, islice

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from scipy.special import chdtrc

from cowmodel.errors import ConfigError
from cowmodel.workload.locality import (
    LOCALITIES,
    Locality,
    alias_table,
    object_accesses,
    parse_locality,
    zipf_weights,
)

OBJECTS, DRAWS = 50, 100_000
EVERY = ["uniform", "zipf 0.99", "hot 0.9 of 0.1", "sequential", "strided 3", "permutation"]


def counts(text: str, objects: int = OBJECTS) -> np.ndarray:
    draw = parse_locality(text).draw(objects, np.random.default_rng(1))
    return np.bincount(draw(DRAWS), minlength=objects)


def assert_frequencies(found: np.ndarray, shares: np.ndarray) -> None:
    """Compare counts with expected shares, to five standard deviations each."""
    sigmas = np.sqrt(DRAWS * shares * (1 - shares))
    assert np.all(np.abs(found - DRAWS * shares) <= 5 * sigmas + 1e-9)


# ------------------------------------------------------------------ frequencies
def chance_of_such_counts(found: np.ndarray, shares: np.ndarray) -> float:
    """Return how often draws with these shares would be at least as far from them (chi-square)."""
    expected = found.sum() * shares
    return chdtrc(len(shares) - 1, ((found - expected) ** 2 / expected).sum())


def test_every_listed_locality_is_among_those_tested_here():
    assert [text.split()[0] for text in EVERY] == list(LOCALITIES)


@pytest.mark.parametrize("text", EVERY)
def test_every_object_drawn_is_one_of_those_there_are(text: str):
    draw = parse_locality(text).draw(7, np.random.default_rng(1))

    drawn = draw(5000)

    assert drawn.dtype == np.int64
    assert np.unique(drawn).tolist() == list(range(7))


def test_uniform_writes_every_object_equally_often():
    assert_frequencies(counts("uniform"), np.full(OBJECTS, 1 / OBJECTS))


@pytest.mark.parametrize("exponent", [0, 0.5, 0.99, 2])
def test_zipf_writes_the_k_th_most_popular_with_weight_k_to_the_minus_s(exponent: float):
    weights = np.arange(1, OBJECTS + 1) ** -float(exponent)
    popular = np.random.default_rng(1).permutation(OBJECTS)

    found = counts(f"zipf {exponent}")

    assert_frequencies(found[popular], weights / weights.sum())


@pytest.mark.parametrize("exponent", [0.5, 0.99, 1.5])
def test_many_draws_of_zipf_are_as_near_to_the_weights_as_chance_has_it(exponent: float):
    weights = np.arange(1, 1001) ** -exponent
    popular = np.random.default_rng(2).permutation(1000)
    draw = parse_locality(f"zipf {exponent}").draw(1000, np.random.default_rng(2))

    found = np.bincount(draw(1_000_000), minlength=1000)

    assert 0.001 < chance_of_such_counts(found[popular], weights / weights.sum()) < 0.999


def test_zipf_scatters_the_popular_objects_over_the_heap():
    most_popular = np.argsort(counts("zipf 0.99", objects=1000))[-100:]

    assert 350 < most_popular.mean() < 650
    assert np.ptp(most_popular) > 800


@pytest.mark.parametrize(
    ("text", "share", "hot"),
    [
        ("hot 0.9 of 0.1", 0.9, 5),
        ("hot 0.5 of 0.5", 0.5, 25),
        ("hot 0.1 of 0.9", 0.1, 45),
        ("hot 1 of 0.1", 1, 5),
        ("hot 0.9 of 0.001", 0.9, 1),
    ],
)
def test_hot_writes_a_share_to_the_objects_at_the_start_of_the_heap(text: str, share: float, hot: int):
    shares = np.where(np.arange(OBJECTS) < hot, share / hot, (1 - share) / (OBJECTS - hot))

    assert_frequencies(counts(text), shares)


@pytest.mark.parametrize("text", ["hot 0.9 of 1", "hot 0.5 of 1", "hot 1 of 1"])
def test_where_all_objects_are_hot_each_is_written_equally_often(text: str):
    assert_frequencies(counts(text), np.full(OBJECTS, 1 / OBJECTS))


def test_sequential_writes_one_after_the_other_and_again_from_the_start():
    draw = parse_locality("sequential").draw(5, np.random.default_rng(1))

    assert [draw(3).tolist(), draw(0).tolist(), draw(6).tolist()] == [
        [0, 1, 2],
        [],
        [3, 4, 0, 1, 2, 3],
    ]


def rounds_of_strides(objects: int, stride: int) -> Iterator[int]:
    """Return, round after round, each pass over the objects after the other."""
    while True:
        yield from chain.from_iterable(range(first, objects, stride) for first in range(min(stride, objects)))


@pytest.mark.parametrize("objects", [1, 2, 7, 12, 64, 5000])
@pytest.mark.parametrize("stride", [1, 2, 3, 5, 7, 11, 12, 64, 4999, 5001])
def test_strided_writes_every_nth_then_every_nth_from_the_second_on(objects: int, stride: int):
    draw = parse_locality(f"strided {stride}").draw(objects, np.random.default_rng(1))

    assert draw(20_000).tolist() == list(islice(rounds_of_strides(objects, stride), 20_000))


def test_a_stride_beyond_the_heap_is_sequential():
    far, near = (
        parse_locality(text).draw(7, np.random.default_rng(1))
        for text in ("strided 9999999999", "sequential")
    )

    assert far(30).tolist() == near(30).tolist()


@pytest.mark.parametrize("text", ["sequential", "strided 3", "strided 7", "permutation"])
@pytest.mark.parametrize("objects", [1, 7, 100, 16_383, 16_384, 16_385, 40_000])
def test_each_object_is_written_once_a_round(text: str, objects: int):
    draw = parse_locality(text).draw(objects, np.random.default_rng(1))

    for _ in range(5):
        assert np.sort(draw(objects)).tolist() == list(range(objects))


@pytest.mark.parametrize("objects", [20, 40_000])
def test_every_round_of_a_permutation_has_an_order_of_its_own(objects: int):
    draw = parse_locality("permutation").draw(objects, np.random.default_rng(1))

    rounds = {tuple(draw(objects).tolist()) for _ in range(20)}

    assert len(rounds) == 20


def test_all_orders_of_a_permutation_are_equally_frequent():
    draw = parse_locality("permutation").draw(4, np.random.default_rng(1))

    orders, found = np.unique(draw(4 * DRAWS).reshape(-1, 4), axis=0, return_counts=True)

    assert len(orders) == 24
    assert 0.001 < chance_of_such_counts(found, np.full(24, 1 / 24)) < 0.999


# --------------------------------------------------------------------- batches
def assert_same_in_parts(text: str, objects: int, counts: list[int]) -> None:
    """Compare draws of so many with as many at once."""
    at_once, in_parts = (parse_locality(text).draw(objects, np.random.default_rng(3)) for _ in range(2))

    parts = [in_parts(count) for count in counts]

    assert [len(part) for part in parts] == counts
    assert np.concatenate(parts).tolist() == at_once(sum(counts)).tolist()


@pytest.mark.parametrize("text", EVERY)
@pytest.mark.parametrize("objects", [1, 20, 16_384, 1 << 20])
@pytest.mark.parametrize(
    "counts", [[10, 20], [1, 2, 7, 0, 90], [16_383, 2, 16_383, 16_384, 0], [1, 50_000, 1], [1] * 20_000]
)
def test_the_objects_are_the_same_however_many_are_drawn_at_a_time(
    text: str, objects: int, counts: list[int]
):
    assert_same_in_parts(text, objects, counts)


@given(some.sampled_from(EVERY), some.integers(1, 40_000), some.lists(some.integers(0, 40_000), min_size=1))
def test_the_objects_are_the_same_in_parts_of_any_size(text: str, objects: int, counts: list[int]):
    assert_same_in_parts(text, objects, counts)


# ----------------------------------------------------------------- alias table
def chances(thresholds: np.ndarray, aliases: np.ndarray) -> np.ndarray:
    """Return with what chance such a table draws each object."""
    return (thresholds + np.bincount(aliases, 1 - thresholds, len(aliases))) / len(aliases)


@pytest.mark.parametrize("exponent", [0.0, 0.3, 0.99, 1.0, 2.0, 40.0])
@pytest.mark.parametrize("objects", [1, 2, 3, 50, 1000, 1 << 16])
def test_the_table_of_zipf_draws_each_object_with_exactly_its_chance(objects: int, exponent: float):
    weights = np.arange(1, objects + 1) ** -exponent
    popular = np.random.default_rng(1).permutation(objects)

    found = chances(*alias_table(zipf_weights(objects, np.random.default_rng(1), exponent)))

    np.testing.assert_allclose(found[popular], weights / weights.sum(), rtol=1e-9, atol=1e-15)


def test_the_table_of_many_objects_draws_each_with_exactly_its_chance():
    weights = zipf_weights(1 << 22, np.random.default_rng(1), 0.99)

    assert np.abs(chances(*alias_table(weights)) - weights / weights.sum()).max() < 1e-13


any_weights = some.lists(some.floats(0, 1e6), min_size=1, max_size=60)
small_weights = some.lists(some.integers(0, 4).map(float), min_size=1, max_size=8)  # columns end flush


@given((any_weights | small_weights).filter(lambda weights: sum(weights) > 1e-3))
@example([1.0, 3.0, 1.0, 3.0])
def test_an_alias_table_draws_each_object_with_a_chance_as_its_weight(weights: list[float]):
    thresholds, aliases = alias_table(np.array(weights))

    assert thresholds.min() >= 0
    assert thresholds.max() <= 1
    np.testing.assert_allclose(chances(thresholds, aliases), np.array(weights) / sum(weights), atol=1e-12)


@pytest.mark.parametrize("weights", [[0.1] * 3, [0.1] * 49, [1 / 3] * 7, [0, 0, 1]])
def test_an_alias_table_stands_weights_that_round_badly(weights: list[float]):
    shares = np.array(weights) / sum(weights)

    np.testing.assert_allclose(chances(*alias_table(np.array(weights))), shares, atol=1e-12)


@pytest.mark.parametrize("text", [*EVERY, "hot 1 of 1", "zipf 400"])
def test_a_heap_of_one_object_has_it_written_always(text: str):
    draw = parse_locality(text).draw(1, np.random.default_rng(1))

    assert draw(4).tolist() == [0, 0, 0, 0]


# ----------------------------------------------------------------------- texts
@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("uniform", ()),
        ("zipf 0.99", (0.99,)),
        ("zipf 0", (0.0,)),
        ("hot 0.9 of 0.1", (0.9, 0.1)),
        ("hot 1 of 1", (1.0, 1.0)),
        ("  sequential ", ()),
        ("strided 16", (16.0,)),
        ("permutation", ()),
    ],
)
def test_a_locality_is_a_name_and_its_numbers(text: str, numbers: tuple[float, ...]):
    assert parse_locality(text) == Locality(text.split()[0], numbers)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("uniform 1", "expected a locality such as 'uniform', got 'uniform 1'"),
        ("zipf", "expected a locality such as 'zipf 0.99', got 'zipf'"),
        ("zipf much", "expected a locality such as 'zipf 0.99', got 'zipf much'"),
        ("zipf 0.9 0.1", "expected a locality such as 'zipf 0.99', got 'zipf 0.9 0.1'"),
        ("hot 0.9", "expected a locality such as 'hot 0.9 of 0.1', got 'hot 0.9'"),
        ("hot 0.9 0.1", "expected a locality such as 'hot 0.9 of 0.1', got 'hot 0.9 0.1'"),
        ("hot 90 of 10", "expected a locality such as 'hot 0.9 of 0.1', got 'hot 90 of 10'"),
        ("hot 0 of 0.1", "expected a locality such as 'hot 0.9 of 0.1', got 'hot 0 of 0.1'"),
        ("hot nan of 0.1", "expected a locality such as 'hot 0.9 of 0.1', got 'hot nan of 0.1'"),
        ("strided", "expected a locality such as 'strided 16', got 'strided'"),
        ("strided 0", "expected a locality such as 'strided 16', got 'strided 0'"),
        ("strided 2.5", "expected a locality such as 'strided 16', got 'strided 2.5'"),
        ("strided 99999999999", "expected a locality such as 'strided 16', got 'strided 99999999999'"),
        ("permutation 2", "expected a locality such as 'permutation', got 'permutation 2'"),
        (
            "unifrm",
            "no 'unifrm' among uniform, zipf, hot, sequential, strided, permutation; did you mean 'uniform'?",
        ),
    ],
)
def test_a_locality_in_another_form_is_refused_with_the_right_one(text: str, said: str):
    with pytest.raises(ConfigError) as caught:
        parse_locality(text)

    assert str(caught.value) == said


@pytest.mark.parametrize("text", ["hot of 0.9 0.1", "hot 0.9 0.1 of"])
def test_the_of_stands_between_share_and_part(text: str):
    with pytest.raises(ConfigError):
        parse_locality(text)


@pytest.mark.parametrize("text", ["zipf nan", "zipf inf", "zipf -1"])
def test_an_exponent_is_a_number_of_at_least_0(text: str):
    with pytest.raises(ConfigError):
        parse_locality(text)


def test_an_empty_text_is_no_locality():
    with pytest.raises(ConfigError):
        parse_locality("")


def test_every_listed_locality_has_a_form_that_can_be_read():
    for name in LOCALITIES:
        with pytest.raises(ConfigError) as caught:
            parse_locality(f"{name} one two three four")
        form = str(caught.value).split("'")[1]
        assert parse_locality(form).name == name


# --------------------------------------------------------------------- objects
@pytest.mark.parametrize(
    ("objects", "object_bytes", "owner", "pages", "written"),
    [
        ([0, 1, 63, 64], 64, [0, 1, 2, 3], [0, 0, 0, 1], [64, 64, 64, 64]),
        ([2], 4096, [0], [2], [4096]),
        ([1], 3000, [0, 0], [0, 1], [1096, 1904]),
        ([0, 1], 6144, [0, 0, 1, 1], [0, 1, 1, 2], [4096, 2048, 2048, 4096]),
        ([1], 10_000, [0, 0, 0], [2, 3, 4], [2288, 4096, 3616]),
        ([3, 0, 3], 4096, [0, 1, 2], [3, 0, 3], [4096, 4096, 4096]),
        ([], 100, [], [], []),
    ],
)
def test_an_object_is_written_on_each_page_on_which_it_lies(
    objects: list[int], object_bytes: int, owner: list[int], pages: list[int], written: list[int]
):
    found = object_accesses(np.array(objects, np.int64), object_bytes, 4096)

    assert [column.tolist() for column in found] == [owner, pages, written]


@pytest.mark.parametrize("object_bytes", [1, 100, 4095, 4096, 4097, 70_000])
@pytest.mark.parametrize("page_bytes", [4096, 16384])
def test_all_bytes_of_an_object_are_written(object_bytes: int, page_bytes: int):
    objects = np.arange(200)

    _, pages, written = object_accesses(objects, object_bytes, page_bytes)

    assert written.sum() == 200 * object_bytes
    assert (written.min(), written.max() <= page_bytes) > (0, False)
    assert pages.max() == (200 * object_bytes - 1) // page_bytes
