"""Which objects are written how often, and on which pages they lie."""

import numpy as np
import pytest

from cowmodel.errors import ConfigError
from cowmodel.workload.locality import LOCALITIES, Locality, object_accesses, parse_locality

OBJECTS, DRAWS = 50, 100_000


def counts(text: str, objects: int = OBJECTS) -> np.ndarray:
    draw = parse_locality(text).draw(objects, np.random.default_rng(1))
    return np.bincount(draw(DRAWS), minlength=objects)


def assert_frequencies(found: np.ndarray, shares: np.ndarray) -> None:
    """Compare counts with expected shares, to five standard deviations each."""
    sigmas = np.sqrt(DRAWS * shares * (1 - shares))
    assert np.all(np.abs(found - DRAWS * shares) <= 5 * sigmas + 1e-9)


# ------------------------------------------------------------------ frequencies
@pytest.mark.parametrize("text", ["uniform", "zipf 0.99", "hot 0.9 of 0.1", "sequential"])
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


@pytest.mark.parametrize("text", ["uniform", "zipf 0.99", "hot 0.9 of 0.1", "sequential"])
@pytest.mark.parametrize("objects", [20, 1 << 20])
def test_the_objects_are_the_same_however_many_are_drawn_at_a_time(text: str, objects: int):
    at_once, in_parts = (parse_locality(text).draw(objects, np.random.default_rng(3)) for _ in range(2))

    parts = [in_parts(count) for count in (1, 2, 7, 0, 90)]

    assert np.concatenate(parts).tolist() == at_once(100).tolist()


@pytest.mark.parametrize("text", ["uniform", "zipf 0.99", "hot 0.9 of 0.1", "hot 1 of 1", "sequential"])
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
        ("unifrm", "no 'unifrm' among uniform, zipf, hot, sequential; did you mean 'uniform'?"),
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
    ("objects", "object_bytes", "pages", "written"),
    [
        ([0, 1, 63, 64], 64, [0, 0, 0, 1], [64, 64, 64, 64]),
        ([2], 4096, [2], [4096]),
        ([1], 3000, [0, 1], [1096, 1904]),
        ([0, 1], 6144, [0, 1, 1, 2], [4096, 2048, 2048, 4096]),
        ([1], 10_000, [2, 3, 4], [2288, 4096, 3616]),
        ([3, 0, 3], 4096, [3, 0, 3], [4096, 4096, 4096]),
        ([], 100, [], []),
    ],
)
def test_an_object_is_written_on_each_page_on_which_it_lies(
    objects: list[int], object_bytes: int, pages: list[int], written: list[int]
):
    found = object_accesses(np.array(objects, np.int64), object_bytes, 4096)

    assert [column.tolist() for column in found] == [pages, written]


@pytest.mark.parametrize("object_bytes", [1, 100, 4095, 4096, 4097, 70_000])
@pytest.mark.parametrize("page_bytes", [4096, 16384])
def test_all_bytes_of_an_object_are_written(object_bytes: int, page_bytes: int):
    objects = np.arange(200)

    pages, written = object_accesses(objects, object_bytes, page_bytes)

    assert written.sum() == 200 * object_bytes
    assert (written.min(), written.max() <= page_bytes) > (0, False)
    assert pages.max() == (200 * object_bytes - 1) // page_bytes
