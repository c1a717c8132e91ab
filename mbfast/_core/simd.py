"""Vectors of numbers, as wide as the processor's registers, in functions that are written by `traced`.

`VECTORS` writes loads, stores, sums and r^-1; ``+ - * / >`` are those of numbers, and numbers go with vectors. What is
added to in a loop starts as ``zeros``; ``blocks`` takes care of what is left when n is no multiple of the width. Under
NUMBA_DISABLE_JIT=1 the same functions compute with NumPy. The potential of n charges at a point::

    @traced
    def potential(point, positions, charges, out):
        v, n, total = VECTORS, charges.sides[0], VECTORS.zeros(point[0])
        for start, count in v.blocks(n):
            d = [v.load(positions, a * n + start, count, point[a]) - point[a] for a in range(3)]
            inverse, _ = v.inverse(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
            total += inverse * v.load(charges, start, count)
        out[0] = v.total(total)
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from mbfast._core.numba_private import ir, processor
from mbfast._core.tracing import Array, Number, Sum, counted


@dataclass(frozen=True, slots=True)
class Plain:
    """The operations on NumPy's arrays.

    Attributes
    ----------
    width : int
        Numbers in a vector, a power of 2.
    estimates : int
        Of so many values of r^-1 in a row, the last is an estimate of AVX-512, refined to rounding error; the others
        are made by division and square root, and all are if it is 0.
    """

    width: int
    estimates: int

    def load(self, array: Any, place: Any, count: Any = None, rest: Any = 0.0) -> Any:
        """Return the elements from place on; only `count` of them if that is given, and then `rest`."""
        if count is None:
            return array[place : place + self.width].copy()
        return np.append(array[place : place + count], [rest] * (self.width - count))

    def store(self, array: Any, place: Any, vector: Any, count: Any = None) -> None:
        """Put a vector, or only the first `count` of its lanes, into the elements from place on."""
        array[place : place + self.width][:count] = vector[:count]

    def blocks(self, n: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the first of every `width` elements of n and None, and of what is left, if any, and its number."""
        for start in range(0, n, self.width):
            yield start, None if start + self.width <= n else n - start

    def when(self, condition: Any) -> Iterator[None]:
        """Yield once if a condition on numbers holds."""
        if condition:
            yield

    def lanes(self, first: Any) -> Any:
        """Return the whole numbers from first on."""
        return first + np.arange(self.width)

    def zeros(self, _like: Any) -> Any:
        """Return zeros that a loop may add to by ``+=``, in the function that a number belongs to."""
        return np.zeros(self.width)

    def counter(self, _like: Any) -> Any:
        """Return a whole number, zero, that a loop may add to."""
        return np.zeros((), dtype=np.int64)

    def where(self, condition: Any, one: Any, other: Any) -> Any:
        """Return, lane by lane, one where the condition holds and else the other."""
        return np.where(condition, one, other)

    def mixed(self, one: Any, other: Any, order: list[int]) -> Any:
        """Return lanes of two vectors, those of the other counted from the width on."""
        return np.concatenate([one, other])[order]

    def least(self, one: Any, other: Any) -> Any:
        """Return the smaller of two numbers."""
        return min(one, other)

    def most(self, one: Any, other: Any) -> Any:
        """Return the greater of two numbers."""
        return max(one, other)

    def groups(self, n: Any, size: int, first: int) -> Iterator[tuple[Any, int]]:
        """Yield the first of every `size` of the numbers [first, n), and the size; and each of what is left, and 1."""
        whole = self.most(n - first, 0) // size
        for group in counted(whole):
            yield group * size + first, size
        if size > 1:
            for i in counted(n, whole * size + first):
                yield i, 1

    def aligned(self, array: Any) -> Any:
        """Return an array without what stands before the first cache line that begins in it."""
        return array

    def inverse(self, square: Any, _number: int = 0) -> tuple[Any, Any]:
        """Return r^-1 and r^-2 of r^2, zero or from 1e-300 to 1e300, number so and so in a row; zeros for zero."""
        second = 1.0 / np.where(square > 0.0, square, np.inf)
        return np.sqrt(second), second

    def total(self, vector: Any) -> Any:
        """Return the sum of all lanes: the halves are added until one is left."""
        while len(vector) > 1:
            vector = vector[: len(vector) // 2] + vector[len(vector) // 2 :]
        return vector[0]


class Written(Plain):
    """The operations as they are written for LLVM."""

    __slots__ = ()

    @property
    def _type(self) -> Any:
        return ir.VectorType(ir.DoubleType(), self.width)

    def _call(self, builder: Any, name: str, result: Any, *arguments: Any) -> Any:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return builder.call(builder.module.declare_intrinsic(name, fnty=kind), arguments)

    def _masked(self, array: Any, what: str, result: Any, *arguments: Any) -> Any:
        return self._call(array.builder, f"llvm.masked.{what}.v{self.width}f64.p0v{self.width}f64", result, *arguments)

    def _place(self, array: Any, place: Any) -> Any:
        return array.builder.bitcast(array.place(place), self._type.as_pointer())

    def load(self, array: Any, place: Any, count: Any = None, rest: Any = 0.0) -> Any:
        """As of `Plain`."""
        pointer = self._place(array, place)
        if count is None:
            return Number(array.builder, array.builder.load(pointer, align=8))
        mask, rest = count > self.lanes(0 * count), self.zeros(count) + rest
        return Number(array.builder, self._masked(array, "load", self._type, pointer, _ALIGN, mask.value, rest.value))

    def store(self, array: Any, place: Any, vector: Any, count: Any = None) -> None:
        """As of `Plain`."""
        pointer = self._place(array, place)
        if count is None:
            array.builder.store(vector.value, pointer, align=8)
        else:
            mask = count > self.lanes(0 * count)
            self._masked(array, "store", ir.VoidType(), vector.value, pointer, _ALIGN, mask.value)

    def blocks(self, n: Any) -> Iterator[tuple[Any, Any]]:
        """As of `Plain`: yields twice, within a loop that is written and within a branch."""
        whole = n // self.width
        for block in counted(whole):
            yield block * self.width, None
        rest = n - whole * self.width
        for _ in self.when(rest > 0):
            yield whole * self.width, rest

    def when(self, condition: Any) -> Iterator[None]:
        """As of `Plain`: yields within a branch."""
        with condition.builder.if_then(condition.value):
            yield

    def lanes(self, first: Any) -> Any:
        """As of `Plain`."""
        counting = ir.Constant(ir.VectorType(first.value.type, self.width), list(range(self.width)))
        return first + Number(first.builder, counting)

    def zeros(self, like: Any) -> Any:
        """As of `Plain`."""
        return Sum(like.builder, ir.Constant(self._type, 0.0))

    def counter(self, like: Any) -> Any:
        """As of `Plain`."""
        return Sum(like.builder, ir.IntType(64)(0))

    def where(self, condition: Any, one: Any, other: Any) -> Any:
        """As of `Plain`."""
        pair = one.pair(other) if isinstance(one, Number) else other.pair(one)[::-1]
        return Number(condition.builder, condition.builder.select(condition.value, *pair))

    def mixed(self, one: Any, other: Any, order: list[int]) -> Any:
        """As of `Plain`."""
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
        return Number(one.builder, one.builder.shuffle_vector(one.value, other.value, lanes))

    def least(self, one: Any, other: Any) -> Any:
        """As of `Plain`."""
        return self.where(one > other, other, one)

    def most(self, one: Any, other: Any) -> Any:
        """As of `Plain`."""
        return self.where(one > other, one, other)

    def aligned(self, array: Any) -> Any:
        """As of `Plain`."""
        start = array.place(0)
        place = array.builder.ptrtoint(start, ir.IntType(64))
        place = array.builder.and_(array.builder.add(place, ir.IntType(64)(63)), ir.IntType(64)(-64))
        return Array(array.builder, array.builder.inttoptr(place, start.type))

    def inverse(self, square: Any, number: int = 0) -> tuple[Any, Any]:
        """As of `Plain`."""
        builder, positive = square.builder, square > 0.0
        if not self.estimates or number % self.estimates < self.estimates - 1:
            second = 1.0 / self.where(positive, square, math.inf)
            return Number(builder, self._call(builder, f"llvm.sqrt.v{self.width}f64", self._type, second.value)), second
        nothing, mask = ir.Constant(self._type, 0.0), builder.bitcast(positive.value, ir.IntType(8))
        first = Number(builder, self._call(builder, _ESTIMATE, self._type, square.value, nothing, mask))
        error = 1.0 - square * (first * first)  # below 2^-13: from its fourth power on, nothing is left
        first = first + (first * error) * (0.5 + error * (0.375 + error * 0.3125))
        return first, first * first

    def total(self, vector: Any) -> Any:
        """As of `Plain`."""
        value, builder, width = vector.value, vector.builder, self.width
        while width > 1:
            width //= 2
            nothing, whole = ir.Constant(value.type, ir.Undefined), ir.VectorType(ir.IntType(32), width)
            halves = [ir.Constant(whole, list(range(first, first + width))) for first in (0, width)]
            value = builder.fadd(*[builder.shuffle_vector(value, nothing, half) for half in halves])
        return Number(builder, builder.extract_element(value, ir.IntType(32)(0)))


_ALIGN, _ESTIMATE = ir.IntType(32)(8), "llvm.x86.avx512.rsqrt14.pd.512"

# The width and the estimates of each. AMD's divider takes no longer than the estimate with what refines it: these
# processors do best with both at the same time.
CHOICES = {"estimate": (8, 1), "both": (8, 2), "512": (8, 0), "256": (4, 0), "128": (2, 0)}


def _chosen() -> str:
    """Return the choice of MBFAST_SIMD, or else that for the processor."""
    name, features = processor()
    has, wanted = features.split(","), os.environ.get("MBFAST_SIMD", "")
    if wanted not in ("", *CHOICES):
        raise ValueError(f"MBFAST_SIMD must be one of {', '.join(CHOICES)}, got {wanted[:80]!r}")
    if "+avx512f" in has:
        return wanted or ("both" if "+sse4a" in has else "estimate")  # which AMD's processors alone have
    if CHOICES.get(wanted, (0, 0))[1]:
        raise ValueError(f"MBFAST_SIMD={wanted} needs AVX-512, which {name} does not have")
    return wanted or ("256" if "+avx" in has else "128")


CHOICE = _chosen()
STAMP = f".{CHOICE}"  # what is compiled with VECTORS depends on it
_KIND = Plain if numba.config.DISABLE_JIT else Written
VECTORS, EIGHT = _KIND(*CHOICES[CHOICE]), _KIND(8, 0)


def dot(a: Any, b: Any) -> Any:
    """Return the scalar product of two vectors of space."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def times(t: Any, d: Any) -> Any:
    """Return the product of a symmetric tensor of six components and a vector of space."""
    return [dot(row, d) for row in ((t[0], t[5], t[4]), (t[5], t[1], t[3]), (t[4], t[3], t[2]))]
