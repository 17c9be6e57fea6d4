"""Cubic sums of four channels at once: one instruction for four where a loop over channels would take one for each.

Numba makes no such instructions of so short a loop by itself, so that they are written out. Rounding is the same.
Numba keeps compiled code by the date of its file: touch `_warp_kernel.py`, which this one ends up in, when it changes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 4
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)


@intrinsic  # type: ignore[untyped-decorator]
def weighted(typing: Any, pixels: Any, first: Any, stride: Any, x: Any, y: Any) -> Any:
    """Four channels of 4x4 pixels, times `x` across, times `y` down, summed: a tuple of float32.

    `pixels` is a flat array of float32, channels innermost; `first` the place in it of the upper left pixel and
    `stride` from one row to the next. The caller sees to it that all of them are inside.
    """
    weights: Any = types.UniTuple(types.float32, 4)  # type: ignore[no-untyped-call]
    return weights(pixels, types.intp, types.intp, weights, weights), _emit


def _emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    pixels, first, stride, x, y = given
    data = context.make_array(signature.args[0])(context, builder, pixels).data
    total = None
    for row in range(4):
        place = builder.add(first, builder.mul(stride, ir.Constant(stride.type, row)))
        across = None
        for column in range(4):
            at = builder.add(place, ir.Constant(place.type, column * LANES))
            taken = builder.load(builder.bitcast(builder.gep(data, [at]), _VECTOR.as_pointer()))
            taken.align = 4
            across = _plus(builder, across, builder.fmul(_all(builder, x, column), taken))
        total = _plus(builder, total, builder.fmul(_all(builder, y, row), across))
    lanes = [builder.extract_element(total, ir.Constant(ir.IntType(32), k)) for k in range(LANES)]
    return cgutils.pack_array(builder, lanes)  # type: ignore[no-untyped-call]


def _plus(builder: Any, total: Any, value: Any) -> Any:
    return value if total is None else builder.fadd(total, value)


def _all(builder: Any, weights: Any, k: int) -> Any:
    """Weight `k` in all lanes."""
    vector, weight = ir.Constant(_VECTOR, ir.Undefined), builder.extract_value(weights, k)
    for lane in range(LANES):
        vector = builder.insert_element(vector, weight, ir.Constant(ir.IntType(32), lane))
    return vector
