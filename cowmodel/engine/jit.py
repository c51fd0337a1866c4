"""How compiled code is made, and what stands in for it while NUMBA_DISABLE_JIT is set.

Without compilation a debugger and a coverage tool see every line. Python's own numbers then take the place
of unsigned ones: NumPy would turn a sum of signed and unsigned numbers into a fraction.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_ALL = (1 << 64) - 1

# Kernels allocate nothing, and numba's reference counting would cost ten times what an access does.
part = njit(inline="always", _nrt=False)


def compiled(signature: Any) -> Any:
    """Compile a kernel when its module is imported, or load it from the cache."""
    return njit(signature, cache=True, nogil=True, _nrt=False)


@intrinsic
def _prefetch(context: Any, array: Any, index: Any) -> Any:
    """Ask the processor to load `array[index]` into its cache."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        struct = context.make_array(kind)(context, builder, args[0])
        item = cgutils.get_item_pointer(context, builder, kind, struct, [args[1]])
        address = builder.bitcast(item, cgutils.voidptr_t)
        flag = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, flag, flag, flag])
        call = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0")
        builder.call(call, [address, flag(0), flag(3), flag(1)])  # for reading, keep, data
        return context.get_dummy_value()

    return types.void(array, index), generate


unsigned: Any = (lambda number: int(number) & _ALL) if config.DISABLE_JIT else np.uint64
prefetch: Any = (lambda array, index: None) if config.DISABLE_JIT else _prefetch
