"""Who shares memory with whom: the fork tree and the sharing graph, a node a process.

Never a node a page: pages are columns of a sparse matrix A (processes x frames, entries per frame). With
the frames' sizes s and sharers n, A (s / n) is each process's PSS and A diag(s) A' what each pair shares.
"""

from collections.abc import Iterable

import networkx as nx
import numpy as np
from scipy import sparse

from cowmodel.hardware.page_table import Run
from cowmodel.hardware.paging import Numbers, frame_of
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.passes import pages_of
from cowmodel.kernel.process import Process


def fork_tree(forks: Iterable[tuple[int, int]]) -> "nx.DiGraph[int]":
    """Return the tree of processes, by pid, that pairs of parent and child make up."""
    return nx.DiGraph(list(forks))


def incidence(kernel: Kernel) -> tuple[list[Process], sparse.csr_array, Numbers]:
    """Return who is alive, which frames each maps, and how large these are.

    Returns
    -------
    processes : list of Process, p of them
    entries : sparse int64[p, F]
        How many entries of a process map a frame (the first of a large one).
    sizes : int64[F]
        Bytes that an entry of that frame maps; 0 where no entry does.
    """
    processes = kernel.alive
    sizes = np.zeros(len(kernel.frames.sharers), np.int64)
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for row, process in enumerate(processes):
        for vma in process.memory.vmas:
            for run in vma.runs():
                pfns, leaf_bytes = _mapped(kernel, process, run)
                sizes[pfns] = leaf_bytes
                rows.append(np.full(len(pfns), row))
                columns.append(pfns)
    where = np.concatenate(rows), np.concatenate(columns)
    ones = np.ones(len(where[0]), np.int64)
    return processes, sparse.csr_array((ones, where), shape=(len(processes), len(sizes))), sizes


def _mapped(kernel: Kernel, process: Process, run: Run) -> tuple[Numbers, int]:
    """Return the frames that the leafs of a run map, of folios each, int64[n], and the bytes of one."""
    words = [block.entries[block.owned] for block in process.memory.page_table.blocks(run)]
    leafs = np.concatenate([np.empty(0, np.uint64), *words])
    if run.folios:
        return frame_of(pages_of(leafs, kernel.geometry.leaf_pages(run.level))), kernel.geometry.page_bytes
    return frame_of(leafs), kernel.geometry.leaf_bytes(run.level)


def proportional_bytes(kernel: Kernel) -> dict[int, float]:
    """Return the PSS of each process alive, by pid; the sum is what they map together."""
    processes, entries, sizes = incidence(kernel)
    shares = entries @ (sizes / np.maximum(entries.sum(axis=0), 1))
    return {process.pid: float(share) for process, share in zip(processes, shares, strict=True)}


def sharing_graph(kernel: Kernel) -> "nx.Graph[int]":
    """Return the processes alive, by pid, with an edge of `shared_bytes` between those that share any."""
    processes, entries, sizes = incidence(kernel)
    mapped = (entries > 0).astype(np.int64)
    common = (mapped @ sparse.diags_array(sizes, dtype=None) @ mapped.T).tocoo()
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(process.pid for process in processes)
    for one, other, shared in zip(*common.coords, common.data, strict=True):
        if one < other:
            graph.add_edge(processes[one].pid, processes[other].pid, shared_bytes=int(shared))
    return graph
