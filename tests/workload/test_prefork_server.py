"""prefork-server: a parent loads a heap and forks workers that each touch a share of it."""

from typing import Any

import pytest

from tests.workload.playing import Play, play, workload

PAGES = 64
WORKERS = (2, 3, 4)


def prefork(policy: str = "cow-flip", **keys: Any) -> Play:
    usual = {
        "heap": "256 KiB",
        "backing": "base",
        "every": 1,
        "workers": 3,
        "written": 0.25,
        "read": 0.5,
        "lifetime": "50 ms",
    }
    return play(workload("prefork-server", **usual | keys), policy)


def test_the_parent_forks_all_its_workers_and_waits_for_them():
    played = prefork()

    assert [len(played.everyone), played.actions("fork"), played.actions("wait")] == [4, 3, 3]
    assert played.pages(1) == []


def test_each_worker_writes_its_share_of_the_heap_and_reads_the_other():
    played = prefork()

    for worker in WORKERS:
        accesses = played.journal.accesses[worker]
        assert [written for _, written in accesses] == [1] * 16 + [0] * 32
        assert len(set(played.written(worker))) == 16
        assert len(set(played.pages(worker)[16:])) == 32


def test_workers_choose_their_pages_each_for_itself():
    played = prefork()

    assert len({tuple(played.pages(worker)) for worker in WORKERS}) == 3


@pytest.mark.parametrize("policy", ["cow", "cow-flip", "cow-eager-flip"])
def test_every_page_that_a_worker_writes_is_copied_since_the_parent_keeps_it(policy: str):
    played = prefork(policy)

    assert played.faults == {"zero_fill": PAGES, "cow_copy": 3 * 16}


def test_with_eager_copies_no_worker_faults():
    assert prefork("eager").faults == {"zero_fill": PAGES}


def test_the_worker_with_more_lifetime_ends_later():
    short, long = prefork(lifetime="1 ms"), prefork(lifetime="80 ms")

    assert long.machine.now - short.machine.now == 79 * 10**9


@pytest.mark.parametrize("every", [1, 2, 4, 10])
def test_with_one_page_in_so_many_resident_the_same_pages_are_spread_over_more(every: int):
    played = prefork(every=every, written=1.0, read=0.0)

    assert played.faults == {"zero_fill": PAGES, "cow_copy": 3 * PAGES}
    assert sorted(played.pages(2)) == list(range(0, PAGES * every, every))


def test_with_huge_pages_a_share_is_one_of_huge_pages():
    played = prefork(heap="8 MiB", backing="hugetlb 2 MiB", written=0.5, read=0.0)

    assert played.faults == {"htlb_fill": 4, "htlb_copy": 3 * 2}
    assert all(page % 512 == 0 for page in played.pages(2))


def test_the_workers_pages_do_not_depend_on_how_many_workers_there_are():
    few, many = prefork(workers=1), prefork(workers=5)

    assert few.pages(2) == many.pages(2)
