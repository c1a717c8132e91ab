"""Functions of compiled code that are written down once, by a Python function, in place of typed by numba.

See `traced`; vectors of numbers are those of `mbfast._core.simd`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numba
import numpy as np

from mbfast._core.numba_private import cgutils, intrinsic, ir

# What LLVM may do to the operations of `traced` functions, and to those on vectors, which stand in the best order.
_FLAGS, _VECTOR_FLAGS = ("reassoc", "nsz", "arcp", "contract", "afn"), ("nsz", "contract")


class Number:
    """A number, real or whole, or a vector of them (`mbfast._core.simd`), of a function that is written by `traced`."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def lanes(self, width: int) -> Any:
        """Return the number `width` times, as a vector."""
        vector = ir.VectorType(self.value.type, width)
        first = self.builder.insert_element(ir.Constant(vector, ir.Undefined), self.value, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
        return self.builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)

    def pair(self, other: Any) -> tuple[Any, Any]:
        """Return its own value and that of another number, both as vectors if one of them is."""
        kind = self.value.type
        if not isinstance(other, Number):
            constant = ir.Constant(getattr(kind, "element", kind), other)
            return self.value, ir.Constant(kind, [constant] * kind.count) if hasattr(kind, "count") else constant
        if hasattr(kind, "count") == hasattr(other.value.type, "count"):
            return self.value, other.value
        if hasattr(kind, "count"):
            return self.value, other.lanes(kind.count)
        return self.lanes(other.value.type.count), other.value

    @property
    def is_real(self) -> bool:
        """Whether it, or its lanes, are real numbers."""
        return isinstance(getattr(self.value.type, "element", self.value.type), ir.DoubleType)

    def _with(self, real: str, whole: str, other: Any, *, first: bool = True) -> Number:
        pair = self.pair(other) if first else self.pair(other)[::-1]
        operation = getattr(self.builder, real if self.is_real else whole)
        flags = (_VECTOR_FLAGS if hasattr(pair[0].type, "count") else _FLAGS) if self.is_real else ()
        return Number(self.builder, operation(*pair, flags=flags))

    def __add__(self, other: Any) -> Number:
        return self._with("fadd", "add", other)

    def __sub__(self, other: Any) -> Number:
        return self._with("fsub", "sub", other)

    def __mul__(self, other: Any) -> Number:
        return self._with("fmul", "mul", other)

    def __truediv__(self, other: Any) -> Number:
        return self._with("fdiv", "sdiv", other)

    def __floordiv__(self, other: Any) -> Number:  # of whole numbers that are not negative
        return self._with("fdiv", "udiv", other)

    def __radd__(self, other: Any) -> Number:
        return self._with("fadd", "add", other, first=False)

    def __rsub__(self, other: Any) -> Number:
        return self._with("fsub", "sub", other, first=False)

    def __rmul__(self, other: Any) -> Number:
        return self._with("fmul", "mul", other, first=False)

    def __rtruediv__(self, other: Any) -> Number:
        return self._with("fdiv", "sdiv", other, first=False)

    def __neg__(self) -> Number:
        return self._with("fsub", "sub", -0.0, first=False)

    def __gt__(self, other: Any) -> Number:
        compare = self.builder.fcmp_ordered if self.is_real else self.builder.icmp_signed
        return Number(self.builder, compare(">", *self.pair(other)))


class Sum(Number):
    """A number that loops add to, by ``+=``, or replace, by ``[:] =``."""

    def __init__(self, builder: Any, start: Any) -> None:
        self.builder, self._place = builder, cgutils.alloca_once_value(builder, start)

    @property
    def value(self) -> Any:
        """What it is at this place of the function."""
        return self.builder.load(self._place)

    def __iadd__(self, other: Any) -> Sum:
        self[:] = self + other
        return self

    def __setitem__(self, _whole: Any, number: Number) -> None:
        self.builder.store(number.value, self._place)


class Array:
    """An array, contiguous and without axes, of a function that is written by `traced`; it knows its sides."""

    def __init__(self, builder: Any, data: Any, sides: Sequence[Number] = ()) -> None:
        self.builder, self._data, self.sides = builder, data, sides

    def place(self, place: Any) -> Any:
        """Return the pointer to an element."""
        return self.builder.gep(self._data, [place.value if isinstance(place, Number) else ir.IntType(64)(place)])

    def __getitem__(self, place: Any) -> Number:
        return Number(self.builder, self.builder.load(self.place(place)))

    def __setitem__(self, place: Any, number: Number) -> None:
        self.builder.store(number.value, self.place(place))


def counted(n: Any, start: Any = None) -> Iterator[Any]:
    """Yield 0, or start, ... n - 1; once, within a loop that is written, in a function that is written by `traced`."""
    if isinstance(n, Number):
        with cgutils.for_range(n.builder, n.value, None if start is None else start.value) as loop:
            yield Number(n.builder, loop.index)
    else:
        yield from range(0 if start is None else start, n)


class _LoopMark(ir.MDValue):  # type: ignore[misc]
    """What marks a loop, and the loads and stores in it, as steps that do not meet in memory; it names itself."""

    def __init__(self, module: Any) -> None:
        once = module.add_metadata([ir.MetaDataString(module, "llvm.loop.interleave.count"), ir.IntType(32)(1)])
        super().__init__(module, (), str(len(module.metadata)))
        self.operands = (self, once)

    __eq__, __hash__ = object.__eq__, object.__hash__


def independent(n: Any) -> Iterator[Any]:
    """As `counted`, for steps none of which reads or writes what another one writes.

    LLVM is told so: it would look first whether arrays overlap, which takes longer than short loops do.
    """
    if not isinstance(n, Number):
        yield from range(n)
        return
    builder = n.builder
    before, head = builder.block, builder.append_basic_block("steps")
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(n.value.type)
    index.add_incoming(ir.Constant(index.type, 0), before)
    body, after = builder.append_basic_block("step"), builder.append_basic_block("all")
    builder.cbranch(builder.icmp_unsigned("<", index, n.value), body, after)
    builder.position_at_end(body)
    yield Number(builder, index)
    mark, key = _LoopMark(builder.module), "llvm.mem.parallel_loop_access"
    for block in builder.function.blocks[builder.function.blocks.index(body) :]:
        for instruction in block.instructions:
            if instruction.opname in ("load", "store") and key not in instruction.metadata:
                instruction.set_metadata(key, mark)
    index.add_incoming(builder.add(index, ir.Constant(index.type, 1)), builder.block)
    builder.branch(head).set_metadata("llvm.loop", mark)
    builder.position_at_end(after)


class Flat(np.ndarray[Any, Any]):
    """What `Array` is without the JIT."""

    sides: tuple[int, ...] = ()

    @classmethod
    def of(cls, array: Any) -> Flat:
        """Return a view of a contiguous array."""
        flat = array.reshape(-1).view(cls)
        flat.sides = array.shape
        return flat  # type: ignore[no-any-return]


def traced(function: Callable[..., None]) -> Any:
    """Return a function of compiled code that does what a Python function of numbers and arrays does.

    The function is called once, with arguments that write down what is done with them: sums, differences, products and
    elements of arrays, in loops over `counted`. That takes a hundredth of the time of numba's inference of types. All
    else, such as lists and branches, belongs to the writing. Arrays, which must be contiguous, have one axis there, and
    `sides` for those they had.
    """
    if numba.config.DISABLE_JIT:
        return lambda *arguments: function(*[Flat.of(x) if isinstance(x, np.ndarray) else x for x in arguments])

    def written(context: Any, builder: Any, kind: Any, value: Any) -> Any:
        if not isinstance(kind, numba.types.Array):
            return Number(builder, value)
        array = context.make_array(kind)(context, builder, value)
        sides = [Number(builder, builder.extract_value(array.shape, axis)) for axis in range(kind.ndim)]
        return Array(builder, array.data, sides)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function(*[written(context, builder, *pair) for pair in zip(signature.args, values, strict=True)])
        return context.get_dummy_value()

    return intrinsic(function, [], generate)
