"""Vectors of numbers in functions that are written by `traced`; under NUMBA_DISABLE_JIT=1 they are NumPy's arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from mbfast._core.numba_private import Number, Sum, part

ir = part("llvmlite:ir")


@dataclass(frozen=True, slots=True)
class Plain:
    """The operations on NumPy's arrays.

    Attributes
    ----------
    width : int
        Numbers in a vector, a power of 2.
    """

    width: int

    def load(self, array: Any, place: Any) -> Any:
        """Return the elements from place on."""
        return array[place : place + self.width].copy()

    def store(self, array: Any, place: Any, vector: Any) -> None:
        """Put a vector into the elements from place on."""
        array[place : place + self.width] = vector

    def zeros(self, _like: Any) -> Any:
        """Return zeros that a loop may add to by ``+=``, in the function that a number belongs to."""
        return np.zeros(self.width)


class Written(Plain):
    """The operations as they are written for LLVM."""

    __slots__ = ()

    def _place(self, array: Any, place: Any) -> Any:
        return array.builder.bitcast(array.place(place), ir.VectorType(ir.DoubleType(), self.width).as_pointer())

    def load(self, array: Any, place: Any) -> Any:
        """As of `Plain`."""
        return Number(array.builder, array.builder.load(self._place(array, place), align=8))

    def store(self, array: Any, place: Any, vector: Any) -> None:
        """As of `Plain`."""
        array.builder.store(vector.value, self._place(array, place), align=8)

    def zeros(self, like: Any) -> Any:
        """As of `Plain`."""
        return Sum(like.builder, ir.Constant(ir.VectorType(ir.DoubleType(), self.width), 0.0))


EIGHT = (Plain if numba.config.DISABLE_JIT else Written)(8)
