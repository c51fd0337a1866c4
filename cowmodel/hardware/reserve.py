"""Arrays as large as the modelled memory may grow: address space now, memory when it is touched.

Growth never copies, and a view, or a pointer in compiled code, stays valid.
"""

import mmap
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_NORESERVE = 0x4000  # Linux: MAP_NORESERVE
_WORTH_HUGE_PAGES = 4 << 20  # bytes after which rounding up to huge pages does not show

Scalar = TypeVar("Scalar", bound=np.generic)


def reserved(count: int, kind: type[Scalar]) -> NDArray[Scalar]:
    """Return `count` zeros.

    Examples
    --------
    >>> reserved(1 << 36, np.uint8)[-1]
    np.uint8(0)
    """
    size_bytes = count * np.dtype(kind).itemsize
    memory = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
    if size_bytes > _WORTH_HUGE_PAGES:
        memory.madvise(mmap.MADV_HUGEPAGE, _WORTH_HUGE_PAGES)
    return np.frombuffer(memory, kind)
