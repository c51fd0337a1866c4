"""What every listed copy policy must do, and the table of what each does."""

import re
from itertools import product
from typing import NamedTuple

import pytest

from cowmodel.catalog import POLICIES
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.choices import AtFork, AtWrite, CopyPolicy
from cowmodel.policy import copying
from tests.toy import HUGE, PAGE, frames, picture, scene

MINE = "[present, write] sharers 1"


class Row(NamedTuple):
    """A row of the table in `policy/copying.py`."""

    policy: str
    at_fork: str
    shared: str
    last_sharer: str
    found: str


def documented() -> list[Row]:
    lines = (copying.__doc__ or "").splitlines()
    cells = [re.split(r"\s{2,}", line.strip()) for line in lines]
    return [Row(*row) for row in cells if len(row) == len(Row._fields)][1:]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
class TestEveryPolicy:
    def test_it_says_in_its_docstring_what_it_does(self, policy: type[CopyPolicy]):
        assert policy.__doc__

    def test_it_answers_every_question_with_one_of_the_choices(self, policy: type[CopyPolicy]):
        asked = policy()

        assert isinstance(asked.at_fork(), AtFork)
        assert {type(asked.at_write(sharers)) for sharers in range(1, 9)} == {AtWrite}
        assert isinstance(asked.seeks_last_sharer(), bool)

    def test_it_never_flips_a_frame_that_others_map(self, policy: type[CopyPolicy]):
        answers = {policy().at_write(sharers) for sharers in range(2, 100)}

        assert answers == {AtWrite.COPY}

    def test_it_answers_the_same_question_always_the_same(self, policy: type[CopyPolicy]):
        asked = policy()

        assert [asked.at_write(1) for _ in range(3)] == [policy().at_write(1)] * 3
        assert [asked.at_fork() for _ in range(3)] == [policy().at_fork()] * 3


@pytest.mark.parametrize("backing", [BASE, HUGE], ids=str)
@pytest.mark.parametrize("policy", POLICIES)
class TestUnderEveryPolicy:
    def test_a_write_is_seen_by_its_writer_alone(self, policy: str, backing: Backing):
        kernel, parent, heap = scene(pages=4, policy=policy, backing=backing)
        child, _ = kernel.fork(parent)
        before = frames(kernel, parent, heap)

        kernel.write(child, heap.first)

        assert frames(kernel, parent, heap) == before
        assert frames(kernel, child, heap)[0] != before[0]
        assert picture(kernel, child, heap)[0] == MINE

    def test_when_all_have_written_all_nobody_shares_anything(self, policy: str, backing: Backing):
        kernel, parent, heap = scene(pages=4, policy=policy, backing=backing)
        family = [parent, kernel.fork(parent)[0], kernel.fork(parent)[0]]

        for process, page in product(family, range(4)):
            kernel.write(process, page)

        mine = [pfn for process in family for pfn in frames(kernel, process, heap)]
        assert len(set(mine)) == len(mine)
        assert {entry for process in family for entry in picture(kernel, process, heap)} == {MINE}

    def test_when_all_have_exited_all_memory_is_free(self, policy: str, backing: Backing):
        kernel, parent, _ = scene(pages=4, policy=policy, backing=backing)
        child, _ = kernel.fork(parent)
        kernel.write(parent, 0)

        for process in (parent, child):
            kernel.exit(process)

        assert kernel.frames.free == kernel.frames.total


def test_the_table_has_a_row_for_each_listed_policy():
    assert [row.policy for row in documented()] == list(POLICIES)


@pytest.mark.parametrize("row", documented(), ids=lambda row: row.policy)
class TestTheTableIsTrue:
    def test_of_fork(self, row: Row):
        kernel, parent, heap = scene(pages=2, policy=row.policy)

        child, work = kernel.fork(parent)

        shared = frames(kernel, parent, heap) == frames(kernel, child, heap)
        assert ("share" if shared else "copy") == row.at_fork
        assert work.copied_bytes == (0 if shared else 2 * PAGE)

    def test_of_a_write_while_others_share(self, row: Row):
        kernel, parent, heap = scene(pages=2, policy=row.policy)
        child, _ = kernel.fork(parent)

        work = kernel.write(child, heap.first)

        assert {0: "-", PAGE: "copy"}[work.copied_bytes] == row.shared

    def test_of_a_write_of_the_last_sharer(self, row: Row):
        answer = POLICIES[row.policy]().at_write(sharers=1)

        assert answer.value == row.last_sharer

    def test_of_when_the_last_sharer_is_found(self, row: Row):
        kernel, parent, heap = scene(pages=2, policy=row.policy)
        child, _ = kernel.fork(parent)
        sought = kernel.write(child, heap.first).searches

        flipped = kernel.write(parent, heap.first).flips

        found = {(0, 0): "-", (0, 1): "on its own fault", (1, 0): "as soon as it is the last"}
        assert found[sought, flipped] == row.found
