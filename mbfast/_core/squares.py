"""Squares of eight by eight numbers that compiled code moves at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from mbfast._core.numba_private import intrinsic, ir
from mbfast._core.tracing import Number


def square(function: Callable[..., None], *, back: bool = False) -> Any:
    """Return a function of compiled code that moves eight times eight numbers; `function` says the same in Python.

    Arguments are x, a, row, y, b, places, first: numbers first ... first + 7 of the rows of x, from a on and row apart,
    belong to the eights of y at b + places[first ...]; `back` moves those of y.
    """
    if numba.config.DISABLE_JIT:
        return function
    vector = ir.VectorType(ir.DoubleType(), 8)
    halves = [ir.Constant(ir.VectorType(ir.IntType(32), 8), [i // 2 + i % 2 * 8 + j for i in range(8)]) for j in (0, 4)]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def place(array: int, number: Number) -> Any:
            data = context.make_array(signature.args[array])(context, builder, values[array]).data
            return builder.gep(data, [number.value])

        a, row, b, first = (Number(builder, values[i]) for i in (1, 2, 4, 6))
        starts = [Number(builder, builder.load(place(5, first + i))) for i in range(8)]
        rows = [builder.bitcast(place(0, a + first + row * i), vector.as_pointer()) for i in range(8)]
        eights = [builder.bitcast(place(3, b + start), vector.as_pointer()) for start in starts]
        numbers = [builder.load(pointer, align=8) for pointer in (eights if back else rows)]
        for _ in range(3):  # the digits of [row][number] go round by one
            pairs = zip(numbers[:4], numbers[4:], strict=True)
            numbers = [builder.shuffle_vector(one, two, half) for one, two in pairs for half in halves]
        for pointer, eight in zip(rows if back else eights, numbers, strict=True):
            builder.store(eight, pointer, align=8)
        return context.get_dummy_value()

    return intrinsic(function, [], generate)
