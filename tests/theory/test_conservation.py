"""What no fork tree may break: entries and sharers, frames and processes, copies and forks."""

from collections import Counter

import numpy as np
import pytest

from cowmodel.catalog import PAGINGS, POLICIES
from cowmodel.engine.reference import ReferenceEngine
from cowmodel.hardware.paging import PRESENT, frame_of
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from cowmodel.machine import Machine
from cowmodel.program import start
from cowmodel.workload.fork_tree import ForkTree
from cowmodel.workload.streams import Streams
from tests.theory.heaps import HUGE, Loaded, loaded, preset

LEAFS = 16
MOST_PROCESSES = 6

backings = pytest.mark.parametrize("backing", [BASE, HUGE], ids=str)
policies = pytest.mark.parametrize("policy", POLICIES)


def heap_of(leafs: int, policy: str, backing: Backing) -> Loaded:
    return loaded(leafs * (backing.leaf_bytes or 4096), policy, backing, heaps=MOST_PROCESSES + 2)


def heads(kernel: Kernel, heap: Vma) -> list[int]:
    """Return the first page of each leaf."""
    return list(range(heap.first, heap.end, kernel.geometry.leaf_pages(heap.level)))


def frames_at(kernel: Kernel, process: Process, heap: Vma) -> list[int]:
    """Return the frame behind each leaf of the heap, found as the processor finds it."""
    slots = [process.memory.page_table.walk(vpn) for vpn in heads(kernel, heap)]
    words = kernel.arena.flat[slots]
    assert np.all(words & np.uint64(PRESENT))
    return frame_of(words).tolist()


def random_step(kernel: Kernel, heap: Vma, rng: np.random.Generator) -> None:
    """Let a process fork, exit (all but the last) or write a page."""
    alive = kernel.alive
    process = alive[rng.integers(len(alive))]
    match rng.integers(10):
        case 0 | 1 if len(alive) < MOST_PROCESSES:
            kernel.fork(process)
        case 2 if len(alive) > 1:
            kernel.exit(process)
        case _:
            kernel.write(process, int(rng.choice(heads(kernel, heap))))


def everybody_writes_everything(kernel: Kernel, heap: Vma) -> None:
    """Let all processes write all leafs, in random order."""
    writes = [(process, vpn) for process in kernel.alive for vpn in heads(kernel, heap)]
    for at in np.random.default_rng(1).permutation(len(writes)):
        kernel.write(*writes[at])


@policies
@backings
@pytest.mark.parametrize("seed", range(3))
def test_sharers_are_the_entries_that_map_a_frame_and_no_frame_is_used_beside(
    policy: str, backing: Backing, seed: int
):
    kernel, _, heap, _ = heap_of(LEAFS, policy, backing)
    rng = np.random.default_rng(seed)
    for _ in range(200):
        random_step(kernel, heap, rng)

        mapped = Counter[int]()
        for process in kernel.alive:
            mapped.update(frames_at(kernel, process, heap))
        counted = np.flatnonzero(kernel.frames.sharers)
        assert mapped == dict(zip(counted, kernel.frames.sharers[counted], strict=True))
        assert kernel.frames.used == len(mapped) * kernel.geometry.leaf_pages(heap.level)


@policies
@backings
@pytest.mark.parametrize("seed", range(3))
def test_no_frame_is_left_when_all_have_exited(policy: str, backing: Backing, seed: int):
    kernel, _, heap, _ = heap_of(LEAFS, policy, backing)
    rng = np.random.default_rng(seed)
    for _ in range(200):
        random_step(kernel, heap, rng)

    for process in kernel.alive:
        kernel.exit(process)

    assert (kernel.frames.used, kernel.frames.table_pages) == (0, 0)
    assert kernel.frames.free == kernel.frames.total
    assert kernel.frames.total_sharers == 0


@backings
@pytest.mark.parametrize("leafs", [1, LEAFS])
@pytest.mark.parametrize("sharers", [2, 3, 4])
@pytest.mark.parametrize(
    ("policy", "transient"), [("eager", 0), ("cow", 1), ("cow-flip", 0), ("cow-eager-flip", 0)]
)
def test_k_sharers_never_have_more_than_k_frames_a_page_and_one_more_in_passing_without_a_flip(
    policy: str, transient: int, sharers: int, leafs: int, backing: Backing
):
    kernel, parent, heap, _ = heap_of(leafs, policy, backing)
    for _ in range(sharers - 1):
        kernel.fork(parent)

    everybody_writes_everything(kernel, heap)

    leaf = kernel.geometry.leaf_pages(heap.level)
    assert kernel.frames.used == sharers * leafs * leaf
    peak = kernel.frames.peak - kernel.frames.table_pages  # tables have not changed since fork
    assert peak == (sharers * leafs + transient) * leaf


@backings
def test_each_eager_fork_copies_every_page_once(backing: Backing):
    kernel, parent, heap, _ = heap_of(LEAFS, "eager", backing)
    leaf = kernel.geometry.leaf_pages(heap.level)
    family = [parent]
    for forks in range(1, MOST_PROCESSES):
        child, work = kernel.fork(family[forks // 2])  # generations, not only siblings
        family.append(child)

        assert work.allocations == LEAFS
        assert work.copied_bytes == LEAFS * leaf * 4096
        assert kernel.frames.used == (forks + 1) * LEAFS * leaf

    everybody_writes_everything(kernel, heap)

    assert all(not process.copied_bytes for process in family)


@pytest.mark.parametrize("policy", ["cow", "cow-flip", "cow-eager-flip"])
def test_a_fork_that_shares_copies_no_page(policy: str):
    kernel, parent, _, _ = heap_of(LEAFS, policy, BASE)

    _, work = kernel.fork(parent)

    assert (work.allocations, work.copied_bytes) == (0, 0)
    assert kernel.frames.used == LEAFS


@policies
def test_a_fork_tree_keeps_its_accounts_at_every_sample(policy: str):
    kernel = Kernel(PAGINGS["x86-64"], 16 << 20, POLICIES[policy]())
    machine = Machine(kernel, preset("vm-linux6.18"), ReferenceEngine, cores=2, sample_ps=50_000_000)
    tree = ForkTree.model_validate(
        {"heap": "256 KiB", "backing": "base", "generations": 3, "children": 2, "written": 0.5}
    )

    start(machine, lambda program: tree.main(program, Streams(1)))
    samples = machine.run().memory

    assert len(samples) > 20
    assert max(sample.processes for sample in samples) > 8
    for sample in samples:
        assert sample.entries == sample.sharers
        assert sample.pss_bytes + sample.cached_bytes + sample.pending_bytes == pytest.approx(
            sample.used_bytes, rel=1e-9
        )
    assert (samples[-1].used_bytes, samples[-1].table_bytes) == (0, 0)
