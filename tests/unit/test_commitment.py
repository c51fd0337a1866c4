"""Overcommit: what is promised, by mmap, fork and mprotect, and when that is refused."""

from collections.abc import Callable

import pytest

from cowmodel.catalog import PAGINGS
from cowmodel.errors import CommitLimit, OutOfMemory
from cowmodel.kernel.backing import THP, Backing
from cowmodel.kernel.commitment import Commitment, Overcommit
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from tests.toy import PAGE, boot, state


def limited(pages: int, rule: Overcommit = Overcommit.NEVER) -> tuple[Kernel, Process]:
    kernel = boot(2000, geometry=PAGINGS["x86-64"])
    kernel.commitment = Commitment(rule, pages)
    return kernel, kernel.spawn()[0]


def everything(kernel: Kernel) -> object:
    return state(kernel), kernel.commitment.pages, vars(kernel.hugetlb).copy()


def test_all_that_is_promised_together_stays_below_the_limit():
    kernel, process = limited(9)
    kernel.mmap(process, 4 * PAGE)
    kernel.mmap(process, 4 * PAGE)

    with pytest.raises(
        CommitLimit, match="expected less than 9 pages promised in all, got 9, 8 of them before"
    ):
        kernel.mmap(process, PAGE)


def test_by_the_heuristic_only_a_single_request_for_more_than_there_is_is_refused():
    kernel, process = limited(8, Overcommit.HEURISTIC)
    kernel.mmap(process, 8 * PAGE)
    kernel.mmap(process, 8 * PAGE)
    kernel.fork(process)

    with pytest.raises(
        CommitLimit, match="expected at most the 8 pages of the machine at a time, got a request"
    ):
        kernel.mmap(process, 9 * PAGE)


def test_any_amount_is_promised_as_usual():
    kernel = boot(5, geometry=PAGINGS["x86-64"])
    process, _ = kernel.spawn()

    kernel.mmap(process, 50 * PAGE)
    kernel.fork(process)

    assert kernel.commitment.pages == 100


def test_a_fork_that_copies_nothing_is_refused_if_the_child_may_not_write_all():
    kernel, process = limited(16)
    kernel.mmap(process, 8 * PAGE)
    before = everything(kernel)

    with pytest.raises(CommitLimit):
        kernel.fork(process)

    assert everything(kernel) == before


def fork(kernel: Kernel, process: Process) -> None:
    kernel.fork(process)


def mmap(kernel: Kernel, process: Process) -> None:
    kernel.mmap(process, 8 * PAGE)


def share(kernel: Kernel, process: Process) -> None:
    kernel.mmap(process, 8 * PAGE, shared=True)


def unguard(kernel: Kernel, process: Process) -> None:
    kernel.mprotect(process, process.memory.vmas[0].first, 8, "rw")


@pytest.mark.parametrize("verb", [fork, mmap, share, unguard])
def test_what_is_refused_changes_nothing(verb: Callable[[Kernel, Process], None]):
    kernel, process = limited(12)
    heap, _ = kernel.mmap(process, 8 * PAGE)
    kernel.mprotect(process, heap.first, 8, "r")
    kernel.mmap(process, 8 * PAGE)
    before = everything(kernel)

    with pytest.raises(CommitLimit):
        verb(kernel, process)

    assert everything(kernel) == before


def test_a_fork_for_which_there_is_no_memory_promises_nothing():
    kernel = boot(5, geometry=PAGINGS["x86-64"])
    process, _ = kernel.spawn()
    heap, _ = kernel.mmap(process, PAGE)
    kernel.write(process, heap.first)
    before = everything(kernel)

    with pytest.raises(OutOfMemory):
        kernel.fork(process)

    assert everything(kernel) == before


def test_shared_memory_is_promised_once_until_nobody_maps_it():
    kernel, process = limited(20)
    heap, _ = kernel.mmap(process, 8 * PAGE, shared=True)
    child, _ = kernel.fork(process)
    kernel.munmap(child, heap, 0, 4)
    kernel.exit(process)
    assert kernel.commitment.pages == 8

    kernel.exit(child)

    assert kernel.commitment.pages == 0


def test_files_and_hugetlb_pages_are_not_promised_but_copies_of_files_are():
    kernel, process = limited(100)
    file = kernel.open(4 * PAGE)
    kernel.mmap(process, 4 * PAGE, shared=True, file=file)
    kernel.mmap(process, 1024 * PAGE, Backing("hugetlb", 2 << 20))
    assert kernel.commitment.pages == 0

    kernel.mmap(process, 4 * PAGE, file=file)

    assert kernel.commitment.pages == 4


def test_a_mapping_of_large_folios_is_promised_as_one_of_base_pages():
    kernel, process = limited(100)

    kernel.mmap(process, 8 * PAGE, THP)

    assert kernel.commitment.pages == 8


def readonly(kernel: Kernel, process: Process, written: bool) -> Vma:
    heap, _ = kernel.mmap(process, 8 * PAGE)
    if written:
        kernel.write(process, heap.first)
    kernel.mprotect(process, heap.first, 8, "r")
    return heap


@pytest.mark.parametrize(("written", "pages"), [(False, 0), (True, 8)])
def test_what_becomes_read_only_is_not_promised_any_more_unless_it_was_written(written: bool, pages: int):
    kernel, process = limited(100)

    readonly(kernel, process, written)

    assert kernel.commitment.pages == pages


def test_a_right_to_write_given_back_to_a_part_is_a_promise_of_that():
    kernel, process = limited(100)
    heap = readonly(kernel, process, written=False)

    for _ in range(2):
        kernel.mprotect(process, heap.first + 2, 3, "rw")

    assert kernel.commitment.pages == 3


def test_a_child_is_promised_what_it_inherits_even_if_that_is_wiped():
    kernel, process = limited(100)
    heap, _ = kernel.mmap(process, 8 * PAGE)
    kernel.madvise(process, heap.first, 3, "dontfork")
    kernel.madvise(process, heap.first + 3, 5, "wipeonfork")

    child, _ = kernel.fork(process)
    assert kernel.commitment.pages == 8 + 5
    kernel.munmap(child, child.memory.vmas[0], 1, 2)
    assert kernel.commitment.pages == 8 + 3
    kernel.exec(child)
    assert kernel.commitment.pages == 8


def test_the_child_of_vfork_is_promised_nothing():
    kernel, process = limited(9)
    kernel.mmap(process, 8 * PAGE)

    child, _ = kernel.vfork(process)
    kernel.exit(child)

    assert kernel.commitment.pages == 8
