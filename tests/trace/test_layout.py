import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cowmodel.trace.layout import compact

addresses = st.lists(st.integers(0, 5000) | st.integers(0, 2**51), min_size=1, max_size=60)


@given(addresses)
def test_equal_pages_stay_equal_and_different_ones_different(recorded: list[int]):
    _, page = compact(np.array(recorded, dtype=np.int64))

    assert len(set(zip(recorded, page.tolist(), strict=True))) == len(set(recorded))
    assert len(set(page.tolist())) == len(set(recorded))


@given(addresses)
def test_pages_of_one_group_of_512_stay_in_one_group_at_their_place(recorded: list[int]):
    _, page = compact(np.array(recorded, dtype=np.int64))

    groups = {(there // 512, here // 512) for there, here in zip(recorded, page, strict=True)}
    assert len(groups) == len({there for there, _ in groups}) == len({here for _, here in groups})
    assert (page % 512 == np.array(recorded) % 512).all()


@given(addresses)
def test_areas_hold_every_page_and_do_not_overlap(recorded: list[int]):
    areas, page = compact(np.array(recorded, dtype=np.int64))

    first = np.array([area.first_page for area in areas])
    end = first + [area.pages for area in areas]
    home = np.searchsorted(first, page, side="right") - 1
    assert (page < end[home]).all()
    assert (end[:-1] <= first[1:]).all()
