from itertools import product
from math import sqrt

import pytest

from tests.theory.closed_forms import touched


@pytest.mark.parametrize(("pages", "writes"), [(2, (3,)), (3, (4,)), (3, (2, 3)), (4, (5,))])
def test_the_closed_forms_agree_with_counting_every_outcome(pages: int, writes: tuple[int, ...]):
    runs = [list(product(range(pages), repeat=count)) for count in writes]
    counts = [len(set.intersection(*map(set, run))) for run in product(*runs)]
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / len(counts)

    assert touched(pages, *writes) == pytest.approx((mean, sqrt(variance)), rel=1e-12)


@pytest.mark.parametrize(("writes", "mean"), [((15_000 + 9_000,), 13_976.3), ((15_000, 9_000), 3_824.1)])
def test_two_writers_on_20000_pages_have_the_published_expectations(writes: tuple[int, ...], mean: float):
    assert touched(20_000, *writes).mean == pytest.approx(mean, abs=0.05)
