"""Copies and faults a page against the number of sharers, wide families and deep ones, and such a family."""

import networkx as nx
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.report.paper import PAGE_IN, legend, panels
from cowmodel.report.sharing import fork_tree
from cowmodel.report.style import series_style

PAGES = 256  # a heap of 1 MiB


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw copies, faults and the tree."""
    runs = tables["runs"].copy()
    runs["copies_a_page"] = runs["copies.total"] / PAGES
    runs["faults_a_page"] = (runs["copies.by_faults"] + runs["flips.by_faults"]) / PAGES
    figure, (left, middle, right) = panels(1, 3, PAGE_IN, 2.4)
    _lines(left, runs, "copies_a_page", "copies a page")
    _lines(middle, runs, "faults_a_page", "faults a page")
    legend(figure, left)
    _tree(right, tables["actions"])
    return figure


def _lines(axes: Axes, runs: pd.DataFrame, column: str, label: str) -> None:
    looks = series_style(runs["policy.copy"].unique())
    wide, deep = runs[runs["workload.generations"] == 1], runs[runs["workload.children"] == 2]
    for policy, group in wide.groupby("policy.copy", sort=False):
        axes.plot(group["processes"], group[column], label=policy, **looks[policy])
    circle = {"marker": "o", "color": "grey", "fillstyle": "none", "markersize": 7, "linestyle": "none"}
    axes.plot(deep["processes"], deep[column], label="two children each", **circle)
    axes.set(xlabel="processes that share [1]", ylabel=f"{label} [1]", xlim=(1, 17), ylim=(-0.7, 17))
    axes.set_xticks([2, 4, 8, 12, 16])
    axes.set_yticks([0, 4, 8, 12, 16])


def _tree(axes: Axes, actions: pd.DataFrame) -> None:
    deep = actions[(actions["workload.generations"] == 3) & (actions["policy.copy"] == "cow-flip")]
    forks = deep[deep["action"] == "fork"]
    tree = fork_tree(zip(forks["pid"], forks["child"], strict=True))
    layers: dict[int, list[int]] = {}
    for pid in nx.dfs_preorder_nodes(tree, 1):  # in this order no edges cross
        layers.setdefault(nx.shortest_path_length(tree, 1, pid), []).append(pid)
    places = nx.multipartite_layout(tree, layers, align="horizontal")
    places = {pid: (x, -y) for pid, (x, y) in places.items()}
    nx.draw_networkx(
        tree, places, ax=axes, node_size=90, font_size=6, node_color="#56B4E9", arrowsize=6, width=0.6
    )
    axes.set_title("three generations, by pid")
    axes.axis("off")
