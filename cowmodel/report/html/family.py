"""Two pictures of nodes and edges: who forked whom, and who shares memory with whom."""

import math
from collections import Counter
from typing import NamedTuple

import networkx as nx

from cowmodel.report.html.memory import Film
from cowmodel.report.sharing import fork_tree
from cowmodel.units import format_duration, format_size

_MOST = 60
"""Processes that are drawn; of more, the first."""
_CIRCLE = 0.42
_HEIGHT, _LINE_HEIGHT = 300, 34


class Node(NamedTuple):
    """A process: its pid, where it is drawn, each from 0 to 1, and what is said of it."""

    pid: int
    x: float
    y: float
    text: str


class Edge(NamedTuple):
    """What is between two processes; `weight` is from 0 to 1."""

    source: int
    target: int
    weight: float
    text: str


class Picture(NamedTuple):
    """Nodes, edges, how many processes are left out, and how high it is best drawn, in pixels."""

    nodes: list[Node]
    edges: list[Edge]
    omitted: int
    height: int


def tree(film: Film) -> Picture:
    """Draw who forked whom: a generation a column, children below each other beside their parent."""
    drawn = {process.pid for process in film.processes[:_MOST]}
    births = [birth for birth in film.births if birth[1] in drawn]
    family = fork_tree((parent, child) for parent, child, _, _ in births)
    family.add_nodes_from(drawn)
    roots = [pid for pid in sorted(family) if not family.in_degree(pid)]
    depths, heights = _depths(family, roots), _heights(family, roots)
    deepest, lines = max(depths.values()) or 1, max(heights.values()) + 1
    said = _biographies(film)
    nodes = [
        Node(pid, depths[pid] / deepest, (heights[pid] + 0.5) / lines, said[pid]) for pid in sorted(family)
    ]
    edges = [
        Edge(parent, child, 0.2, f"{parent} {verb}s {child} after {format_duration(time_ps)}")
        for parent, child, verb, time_ps in births
    ]
    height = max(_HEIGHT // 2, round(lines * _LINE_HEIGHT))
    return Picture(nodes, edges, len(film.processes) - len(drawn), height)


def _depths(family: "nx.DiGraph[int]", roots: list[int]) -> dict[int, int]:
    depths: dict[int, int] = {}
    for root in roots:
        depths |= nx.single_source_shortest_path_length(family, root)
    return depths


def _heights(family: "nx.DiGraph[int]", roots: list[int]) -> dict[int, float]:
    """Give leafs a line each, and parents the middle of their children."""
    heights: dict[int, float] = {}
    lines = Counter[str]()
    for root in roots:
        for pid in nx.dfs_postorder_nodes(family, root):
            if children := [heights[child] for child in family.successors(pid)]:
                heights[pid] = (min(children) + max(children)) / 2
            else:
                heights[pid] = lines["used"]
                lines["used"] += 1
    return heights


def _biographies(film: Film) -> dict[int, str]:
    """Say of each process when it began and ended, and what it wrote and copied."""
    begun = {child: time_ps for _, child, _, time_ps in film.births}
    said = {}
    for process in film.processes:
        end = film.ends_ps.get(process.pid)
        last = format_duration(end) if end else "the end"
        life = f"from {format_duration(begun.get(process.pid, 0))} to {last}"
        copied, written = format_size(process.copied_bytes), format_size(process.written_bytes)
        said[process.pid] = f"process {process.pid}, {life}: wrote {written}, its faults copied {copied}"
    return said


def sharing(film: Film) -> Picture:
    """Draw who shared memory with whom when most was shared: processes on a circle, in order of pid."""
    graph = film.graph or nx.Graph()
    pids = sorted(graph)[:_MOST]
    turn = {pid: 2 * math.pi * place / len(pids) - math.pi / 2 for place, pid in enumerate(pids)}
    nodes = [
        Node(
            pid,
            round(0.5 + _CIRCLE * math.cos(angle), 4),
            round(0.5 + _CIRCLE * math.sin(angle), 4),
            f"process {pid}, in proportion (PSS) {format_size(round(film.pss_bytes[pid]))}",
        )
        for pid, angle in turn.items()
    ]
    shared: list[tuple[int, int, int]] = sorted(graph.subgraph(pids).edges(data="shared_bytes"))
    most = max((size for _, _, size in shared), default=1)
    edges = [
        Edge(one, other, size / most, f"{one} and {other} share {format_size(size)}")
        for one, other, size in shared
    ]
    return Picture(nodes, edges, len(graph) - len(pids), _HEIGHT)
