"""Real traces, read into one columnar form.

::

    faults.py   write faults of a forking server     ─┐
    pages.py    data accesses reduced to pages        ├─ read.py ─> Trace (columns.py)
    lackey.py   valgrind lackey logs, one a process  ─┘

`read_trace` tells the formats apart by their content.
"""

from cowmodel.trace.columns import Area, Exit, Fork, Trace
from cowmodel.trace.read import read_trace

__all__ = ["Area", "Exit", "Fork", "Trace", "read_trace"]
