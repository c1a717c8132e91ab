"""The lowest levels of a super block, each as often as there are states that have it.

Lanczos' recursion with thick restarts (K. Wu and H. Simon, SIAM J. Matrix Anal. Appl. 22, 602 (2000)), all vectors kept
orthogonal. Of states with one level it sees the one that its first vector has a part of, and others as rounding errors
let them in. So it goes on: from another random vector, orthogonal to the states that are found, until what is lowest
there is above them. That need be exact only as far as it is told, to a thousandth of its distance. Once a level was
missed there will be others, and several vectors start at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast._core.validate import FloatArray
from mbfast.superblock.lanczos import Bounds, Operator, Vector, bounds, starting_vector

# Of half the spectrum's width
_CONVERGED = 1e-12  # residual of a state
_SAME = 1e-11  # levels that are not told apart
_ENDED = 1e-13  # what is left of a vector that spans no more
_ROUNDING = 32 * 2.0**-52  # of the largest level: what residuals keep, however converged

_TOLD = 1e-3  # residual of a level that is not wanted, of its distance from those that are
_MORE = 20  # vectors beyond two for each level
_AT_A_TIME = 8  # vectors that start where levels were missed
_RESTARTS = 10_000
_COLUMNS = 4096  # of vectors that are combined in one go


def vectors_needed(count: int) -> int:
    """Return how many vectors so many levels take, with those beside the basis."""
    return 2 * count + _MORE + _AT_A_TIME + 4


def lowest_levels(operator: Operator, count: int) -> FloatArray:
    """Return so many levels (J), the lowest first; there must be more states than `vectors_needed`."""
    basis = _Basis(operator, vectors_needed(count) - _AT_A_TIME - 4)
    center, half = basis.interval
    rounding = _ROUNDING * (abs(center) + half) / half
    converged, same = max(_CONVERGED, rounding), max(_SAME, rounding)
    locked: FloatArray | None = None  # levels of the states that the last random vectors were orthogonal to
    for _ in range(_RESTARTS):
        levels, residuals, states = basis.fill()
        if residuals[:count].max() > converged:
            basis.restart(levels, states, (count + len(levels)) // 2)
        elif locked is None or (levels[:count] < locked - same).any():
            starts = 1 if locked is None else min(_AT_A_TIME, 1 + count // 4)
            locked = levels[:count]
            basis.restart(levels, states, count, starts)
        elif residuals[count] > max(converged, _TOLD * (levels[count] - levels[count - 1])):
            basis.restart(levels, states, (count + len(levels)) // 2)
        else:
            return center + half * locked
    raise RuntimeError(f"the {count} lowest levels are not found in {_RESTARTS} restarts of Lanczos' recursion")


class _Basis:
    """Orthonormal vectors, and H between them, which is diagonal for those that a restart has kept."""

    def __init__(self, operator: Operator, size: int) -> None:
        self.interval: Bounds = bounds(operator)
        self._operator, self._rng = operator, np.random.default_rng(0)
        self._vectors = np.empty((size, operator.dimension), operator.dtype)
        self._matrix = np.zeros((size, size), operator.dtype)
        self._kept = 0
        # what comes next, each with the first vector that H times it may have a part of
        self._next: list[tuple[int, Vector]] = []

    def fill(self) -> tuple[FloatArray, FloatArray, NDArray[Any]]:
        """Add vectors up to the size; return levels and residuals (size,) in half widths, and states as columns."""
        center, half = self.interval
        for j in range(self._kept, len(self._vectors)):
            first, q = self._new(j)
            w = np.empty_like(q)
            self._vectors[j] = q
            self._operator.apply(q, w)
            self._operator.step(1.0 / half, w, -center / half, q, 0.0, q)
            self._matrix[first : j + 1, j] = self._without(w, first, j + 1)
            self._next.append((j, w))
        levels, states = np.linalg.eigh(self._matrix, UPLO="U")
        last = [j for j, _ in self._next]
        for _, w in self._next:
            self._without(w, 0, len(levels))
        products = np.array([[np.vdot(w, other) for _, other in self._next] for _, w in self._next])
        squares = np.einsum("ai,ab,bi->i", states[last].conj(), products, states[last]).real
        return levels, np.sqrt(np.maximum(squares, 0.0)), states

    def restart(self, levels: FloatArray, states: NDArray[Any], kept: int, starts: int = 0) -> None:
        """Keep the lowest states, and go on from the vectors that were next, or from so many random ones."""
        for first in range(0, self._operator.dimension, _COLUMNS):
            part = slice(first, first + _COLUMNS)
            self._vectors[:kept, part] = states[:, :kept].T @ self._vectors[:, part]
        self._matrix[:] = 0.0
        self._matrix[range(kept), range(kept)] = levels[:kept]
        self._kept = kept
        going_on = [w for _, w in self._next]
        self._next = [(0, w) for w in ([self._random() for _ in range(starts)] if starts else going_on)]

    def _new(self, n: int) -> tuple[int, Vector]:
        """Return a unit vector that is orthogonal to the first n, and what else `_next` says of it."""
        while True:
            first, w = self._next.pop(0) if self._next else (0, self._random())
            before, left = np.inf, self._operator.dot(w, w) ** 0.5
            while _ENDED < left < 0.5 * before:  # the less is left, the more rounding errors of what was taken off
                self._without(w, 0, n)
                before, left = left, self._operator.dot(w, w) ** 0.5
            if left > _ENDED:
                return first, w / left

    def _without(self, w: Vector, first: int, stop: int) -> NDArray[Any]:
        """Take the part along some of the vectors off w; return its coefficients."""
        vectors = self._vectors[first:stop]
        result: NDArray[Any] = (vectors @ w.conj()).conj()
        w -= result @ vectors
        return result

    def _random(self) -> Vector:
        vector = starting_vector(self._rng, self._operator)
        result: Vector = vector / self._operator.dot(vector, vector) ** 0.5
        return result
