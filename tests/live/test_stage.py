"""What the language asks of a running kernel is what that kernel does, count by count."""

import pytest

from tests.live.conftest import Ask

pytestmark = pytest.mark.live
START = "map P0 A anon pages=64 page=4k\ntouch P0 A all\n"


def test_the_harness_takes_no_fault_of_its_own(ask: Ask):
    for row in ask(
        START + "write P0 A all\nfork P0 P1\nread P1 A all\nforkexec P0\nspawn P0\nvfork P0\nread P0 A all"
    )[2:]:
        assert row["minflt"] == 0


def test_page_tables_are_those_of_the_regions_in_parent_and_child(ask: Ask):
    rows = ask("map P0 A anon pages=2048 page=4k\ntouch P0 A all\nfork P0 P1\nmunmap P1 A\nexit P0\nstat")

    assert (rows[1]["pt_pages"], rows[2]["child_pt_pages"], rows[3]["pt_pages"]) == (6, 6, 0)


def test_a_transparent_huge_page_is_split_and_copied_4_kib_at_a_time(ask: Ask):
    rows = ask(
        "map P0 A anon size=4m page=thp\ntouch P0 A all unit=2m\nfork P0 P1\nwrite P1 A all\nwrite P0 A all"
    )
    if rows[1]["smaps_kb.AnonHugePages"] != 4096:
        pytest.skip("no huge pages to be had")

    assert (rows[1]["minflt"], rows[1]["other.new"], rows[1]["pt_pages"]) == (2, 1022, 4)
    assert (rows[3]["minflt"], rows[3]["accessed.copied"]) == (1024, 1024)
    assert int(rows[4]["minflt"]) >= 2 and rows[4]["accessed.same_frame"] == 1024


def test_a_folio_of_64_kib_is_filled_in_one_fault(ask: Ask):
    rows = ask(
        "set mthp 64k=madvise\nmap P0 A anon size=256k page=mthp\ntouch P0 A all\nfork P0 P1\n"
        "write P1 A 0\nwrite P1 A 1-15\nwrite P0 A 0-15"
    )

    assert [row["minflt"] for row in rows] == [0, 4, 0, 1, 15, 16]
    assert [row.get("accessed.copied") for row in rows[3:]] == [1, 15, 0]


@pytest.mark.parametrize("where", ["tmpfs", "disk"])
def test_a_file_is_mapped_16_pages_a_fault_and_copied_on_write(ask: Ask, where: str):
    rows = ask(
        f"set file F 1m {where}\nmap P0 A file pages=256 page=4k file=F\nread P0 A all\nwrite P0 A 0-63\n"
        "fork P0 P1\nread P1 A all\nwrite P1 A 0-63\nwrite P0 A 0-63"
    )

    assert [(row["minflt"], row["majflt"]) for row in rows[1:]] == [
        (16, 0),
        (64, 0),
        (0, 0),
        (0, 0),
        (64, 0),
        (64, 0),
    ]
    assert [row["accessed.copied"] for row in (rows[2], rows[5], rows[6])] == [64, 64, 0]


def test_a_shared_file_on_disk_is_made_writable_page_by_page(ask: Ask):
    rows = ask(
        "set file F 1m disk\nmap P0 A fileshared pages=256 page=4k file=F\nread P0 A all\nwrite P0 A 0-63\n"
        "fork P0 P1\nread P1 A 0-63\nwrite P1 A 0-127\nwrite P0 A 0-127"
    )

    assert [row["minflt"] for row in rows[1:]] == [16, 64, 0, 4, 128, 64]


def test_pages_not_for_forks_are_not_in_the_child(ask: Ask):
    rows = ask(
        START + "madvise P0 A 0-31 dontfork\nfork P0 P1\nread P1 A 0\nwrite P1 A 32-63\nwrite P0 A all"
    )

    assert (rows[3]["inherit.A.shared"], rows[3]["inherit.A.parent_only"]) == (32, 32)
    assert (rows[4]["sigsegv"], rows[4]["minflt"]) == (1, 0)
    assert (rows[5]["accessed.copied"], rows[6]["minflt"], rows[6]["flips"]) == (32, 32, 32)


def test_pages_that_forks_wipe_are_zero_in_the_child(ask: Ask):
    rows = ask(START + "madvise P0 A wipeonfork\nfork P0 P1\nread P1 A all\nwrite P1 A all\nwrite P0 A all")

    assert (rows[4]["pages.zero"], rows[5]["accessed.zero_to_anon"], rows[6]["minflt"]) == (64, 64, 0)


def test_rights_that_come_back_cost_no_fault_on_pages_of_its_own(ask: Ask):
    rows = ask(START + "mprotect P0 A r\nwrite P0 A 0\nmprotect P0 A rw\nwrite P0 A all")

    assert rows[3]["sigsegv"] == 1
    assert rows[5]["minflt"] == 0


def test_a_lock_takes_the_faults_beforehand(ask: Ask):
    rows = ask("map P0 A anon pages=64 page=4k\nmlock P0 A\nwrite P0 A all")

    assert [row["minflt"] for row in rows] == [0, 64, 0]


def test_processes_that_write_at_the_same_time_take_all_their_faults(ask: Ask):
    rows = ask(START + "fork P0 P1\npar 2\nwrite P0 A all\nwrite P1 A all")

    assert [row["minflt"] for row in rows[3:]] == [64, 64]
    assert 64 <= sum(int(row["accessed.copied"]) for row in rows[3:]) <= 128


def test_counts_repeat_exactly(ask: Ask):
    text = (
        START
        + "fork P0 P1\nfork P1 P2\nwrite P1 A shuffle seed=1\nexit P0\nwrite P2 A random n=90 seed=2\nstat"
    )

    def counts() -> list[dict[str, int | str]]:
        return [{field: count for field, count in row.items() if field != "ns"} for row in ask(text)]

    first = counts()

    assert all(counts() == first for _ in range(5))
