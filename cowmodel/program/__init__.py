"""Programs: how an activity acts as one process of the modelled machine.

    def main(program):
        heap = yield from program.mmap(64 << 20)
        yield from program.populate(heap)
        child = yield from program.fork(saver)
        yield from program.access(heap, pages, written=8)
        yield from program.wait(child)

Each verb is a generator that lets the time pass which the kernel's work costs. `thread.py` holds a core and
lets time pass, `memory.py` has the verbs about memory, `program.py` those about processes.
"""

from cowmodel.program.program import Activity, Main, Program, start

__all__ = ["Activity", "Main", "Program", "start"]
