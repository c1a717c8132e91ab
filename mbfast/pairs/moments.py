"""Moments of blocks, checked and laid out as kernels want them."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core import tiles
from mbfast._core.validate import FloatArray, as_doubles, real_array
from mbfast._core.voigt import FULL, WEIGHTS, six
from mbfast.pairs.geometry import ROWS

_LARGEST_MOMENT = 1e150  # the product of two, and of a reduced coupling, is still a double
LAYOUTS: dict[int, tuple[tuple[int, ...], ...]] = {6: ((6,), (3, 3)), 3: ((3,),)}


class Moments:
    """Checked moments, handed out as the kernels want them: by component, in a unit near the largest."""

    def __init__(self, moments: ArrayLike, leading: tuple[int, ...], components: int, workers: int = 1) -> None:
        array = real_array("moments", moments)
        layouts = LAYOUTS[components]
        n = math.prod(leading)
        if array.size == 0 and leading == (0,):
            array = np.empty((0, *(array.shape[1:] if array.shape[1:] in layouts else layouts[0])))
        wanted = [leading + layout for layout in layouts]
        if array.shape not in wanted:
            raise ValueError(f"moments must have shape {' or '.join(map(str, wanted))}, got {array.shape}")
        self.shape = array.shape
        layout = array.shape[len(leading) :]
        self.layout, self.width = layout, math.prod(layout)
        self._rows = array if len(leading) == 1 else array.reshape(n, *layout)
        if 0 < n <= ROWS:  # without what few blocks would wait for
            sizes = [largest_of(self._rows)]
        else:
            sizes = tiles.run(lambda start: largest_of(self._piece(start)), range(0, n, ROWS), threads=workers)
        for number, size in enumerate(sizes):
            if math.isnan(size):
                refuse(self._piece(number * ROWS), number * ROWS)
        self.largest = max(sizes, default=0.0)
        self.unit = unit_of(self.largest)

    def _piece(self, start: int) -> NDArray[Any]:
        return self._rows[start : start + ROWS]

    def components(self, start: int, stop: int) -> FloatArray:
        """Moments of the blocks [start, stop), shape (components, stop - start), C-contiguous."""
        rows = np.asarray(self._rows[start:stop], dtype=np.float64) / self.unit
        return np.ascontiguousarray((rows if rows.ndim == 2 else six(rows)).T)

    def rows(self) -> FloatArray:
        """All moments, in the layout in which they came, shape (N, ...)."""
        return np.asarray(self._rows, dtype=np.float64)

    def share_memory_with(self, array: FloatArray) -> bool:
        """Whether writing to an array may change these moments."""
        return np.may_share_memory(self._rows, array)

    def products(self, field: FloatArray) -> FloatArray:
        """T_s : h_s of each block, (N,)."""
        rows, of_rows = (part.reshape(len(self._rows), self.width) for part in (self._rows, field))
        weights = WEIGHTS if self.width == len(WEIGHTS) else np.ones(self.width)
        result: FloatArray = np.einsum("si,si,i->s", rows, of_rows, weights)
        return result

    def contract(self, field: FloatArray) -> float:
        """Sum of T_s : h_s over all blocks."""
        rows = field.reshape(self._rows.shape)
        weights = WEIGHTS if self._rows.shape[1:] == WEIGHTS.shape else np.array(1.0)
        pieces = (slice(start, start + ROWS) for start in range(0, len(rows), ROWS))
        return math.fsum(float(np.sum(weights * rows[p] * self._rows[p])) for p in pieces)


def largest_of(piece: NDArray[Any]) -> float:
    """Return the largest magnitude of some moments; not a number if that may not be, as of asymmetry."""
    doubles = as_doubles(piece)
    if doubles.ndim == 3 and _asymmetric(doubles, piece.dtype)[0].any():
        return math.nan
    largest = max(float(np.maximum.reduce(doubles, axis=None)), -float(np.minimum.reduce(doubles, axis=None)))
    return largest if largest <= _LARGEST_MOMENT else math.nan


def refuse(piece: NDArray[Any], start: int) -> NoReturn:
    """Raise a ValueError that says what is wrong with some moments, the first of which is that of block `start`."""
    doubles = as_doubles(piece)
    large = ~(np.abs(doubles) <= _LARGEST_MOMENT)
    if large.any():
        row = int(np.argwhere(large)[0, 0])
        limit = f"finite, at most {_LARGEST_MOMENT:g}"
        raise ValueError(f"moments must be {limit}, got {piece[row].tolist()} for block {start + row}")
    wrong, difference = _asymmetric(doubles, piece.dtype)
    row = int(np.argmax(wrong))
    raise ValueError(
        f"stress moments must be symmetric, got {doubles[row].tolist()} for block {start + row}: "
        f"T and its transpose differ by {difference[row]:g}"
    )


def unit_of(largest: float) -> float:
    """Return the unit of moments up to a largest magnitude: a power of two, as the change is exact then."""
    # its inverse is a double
    return 2.0 ** max(math.frexp(largest)[1], -1000) if largest > 0.0 else 1.0


def total_of(pieces: Iterable[FloatArray]) -> FloatArray:
    """Return the sum of all moments (..., columns), piece after piece: those of `BlockLattice.pieces`."""
    return functools.reduce(np.add, (piece.reshape(-1, piece.shape[-1]).sum(axis=0) for piece in pieces))


@np.errstate(invalid="ignore")  # of infinities
def _asymmetric(piece: FloatArray, dtype: np.dtype[Any]) -> tuple[NDArray[np.bool_], FloatArray]:
    """Return which matrices are not symmetric, and by how much they differ from their transposes."""
    difference = np.abs(piece - piece.transpose(0, 2, 1)).max(axis=(1, 2))
    # products of a few matrices leave some eps of the type they were computed in; more is no rounding
    eps = float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0
    return difference > max(500.0 * eps, 1e-13) * np.abs(piece).max(axis=(1, 2)), difference


def as_rows(field: FloatArray, width: int) -> FloatArray:
    """Field by component (components, m) as rows (m, width)."""
    return field.T if len(field) == width else field[FULL.ravel()].T


def isotropic(equal: float, trace: float, moments: FloatArray) -> FloatArray:
    """Return rows of components (n, m) times a number, plus, in the first three columns, their sum times another."""
    field = equal * moments
    field[:, :3] += trace * moments[:, :3].sum(axis=1, keepdims=True)
    return field
