"""How fast the engines are: measured side by side with what one would use instead.

::

    naive.py           the SimPy script that one writes first     ─┐
    worlds.py          the same work on the modelled machine       ├─ measures.py ─> rounds.py ─> CSV
    running_kernel.py  the same work on the running kernel (C)     │   (what holds)   (medians)
    commands.py        whole commands and fresh interpreters      ─┘

Everything is CPU time; those who are compared take turns, so that a busy machine slows all of them.
"""
