r"""
How many pages does a writer copy?
==================================

After a fork a parent writes at random to its heap of N pages. The first write to a page copies it, later ones
do not. After w writes the expected number of copies is

.. math:: N \left(1 - \left(1 - \frac{1}{N}\right)^w\right).

The kernel counts, and no time passes: for that neither a machine nor prices are needed.
"""

import matplotlib.pyplot as plt
import numpy as np

from cowmodel import PAGINGS, POLICIES, Kernel

PAGE_BYTES, PAGES, WRITES = 4096, 4096, 12_000

kernel = Kernel(PAGINGS["x86-64"], memory_bytes=1 << 30, policy=POLICIES["cow-flip"]())
parent, _ = kernel.spawn()
heap, _ = kernel.mmap(parent, PAGES * PAGE_BYTES)
kernel.populate(parent, heap)
child, _ = kernel.fork(parent)

# %%
# Write, and note after each write how much has been copied so far.

rng = np.random.default_rng(1)
written = heap.first + rng.integers(PAGES, size=WRITES)
copied = np.cumsum([kernel.write(parent, int(page)).copied_bytes for page in written]) // PAGE_BYTES

# %%
# The curve of the model lies on the closed form.

writes = np.arange(1, WRITES + 1)
expected = PAGES * (1 - (1 - 1 / PAGES) ** writes)

figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
axes.plot(writes, copied, label="model")
axes.plot(writes, expected, "--", label="closed form")
axes.set(xlabel="writes after the fork", ylabel="copied pages")
axes.legend()

print(f"largest difference: {np.abs(copied - expected).max():.0f} of {PAGES} pages")
