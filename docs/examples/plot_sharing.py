"""
Who shares with whom?
=====================

A family of processes is a graph: an edge for each two processes that map the same frames, with the bytes
that they share. Shared memory in equal parts, and all that is a process's alone, is its PSS.
"""

import matplotlib.pyplot as plt
import networkx as nx

from cowmodel import PAGINGS, POLICIES, Kernel, proportional_bytes, sharing_graph

kernel = Kernel(PAGINGS["x86-64"], memory_bytes=1 << 30, policy=POLICIES["cow-flip"]())
parent, _ = kernel.spawn()
heap, _ = kernel.mmap(parent, 4 << 20)
kernel.populate(parent, heap)

# %%
# Three workers, which write a quarter, a half and three quarters of the heap.

for quarters in (1, 2, 3):
    worker, _ = kernel.fork(parent)
    for page in range(heap.pages * quarters // 4):
        kernel.write(worker, heap.first + page)

# %%
# The graph is one of networkx, for its layouts and algorithms.

graph = sharing_graph(kernel)
shared_mib = {(a, b): f"{bytes_ / 2**20:.0f} MiB" for a, b, bytes_ in graph.edges(data="shared_bytes")}
figure, axes = plt.subplots(figsize=(4, 3), layout="constrained")
places = nx.circular_layout(graph)
nx.draw_networkx(graph, places, ax=axes, node_color="#56B4E9")
nx.draw_networkx_edge_labels(graph, places, shared_mib, ax=axes, font_size=8)
axes.set_axis_off()

for pid, pss_bytes in proportional_bytes(kernel).items():
    print(f"process {pid}: {pss_bytes / 2**20:.2f} MiB")
