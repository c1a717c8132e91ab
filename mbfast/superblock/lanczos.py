"""Recursions of Lanczos: ground states, bounds of a spectrum, and functions of H on a vector by quadrature.

The vectors of a recursion are not kept and not made orthogonal again: copies of converged levels that rounding errors
let appear share the weight of the level, and the sums over levels that are wanted here stay as accurate as the
recursion is long (V. Druskin and L. Knizhnerman, Comput. Math. Math. Phys. 31, 20 (1991); A. Greenbaum, Lin. Alg.
Appl. 113, 7 (1989)). The weights of the quadrature are the residues of the continued fraction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import LinearOperator, eigsh

from mbfast._core.validate import FloatArray

Vector: TypeAlias = NDArray[Any]
"""A state, float64 or complex128, shape (D,)."""
Apply: TypeAlias = Callable[[Vector], Vector]
"""What returns H psi (J) in a new array."""

_ENDED = 1e-13  # of the largest coefficient: the vectors span all that the first one reaches
_SAME = 1e-10  # of the spectrum's width: levels that rounding errors do not tell apart
_FEW_VECTORS = 1 << 18  # states above which ARPACK keeps fewer vectors
_LONGEST = 200  # steps for bounds
_DENSE = 64  # states up to which the whole matrix is diagonalised


class Bounds(NamedTuple):
    """The middle and half the width (J) of an interval with all levels."""

    center: float
    half: float


class Lanczos:
    """The recursion from a vector: iterating runs it, and yields its normalised vectors, none of which is kept.

    Parameters
    ----------
    apply : callable
        H psi.
    start : ndarray, shape (D,)
        Not zero.
    steps : int
        Vectors, at least 1; fewer where they span an invariant space.
    """

    def __init__(self, apply: Apply, start: Vector, steps: int) -> None:
        self._apply, self._start, self._steps = apply, start, steps
        self._norm = float(np.linalg.norm(start))
        self._alpha: list[float] = []
        self._beta: list[float] = []

    def __iter__(self) -> Iterator[Vector]:
        q = self._start / self._norm
        before = np.zeros_like(q)
        scale = 0.0
        for step in range(self._steps):
            yield q
            w = self._apply(q)
            self._alpha.append(float(np.vdot(q, w).real))
            w -= self._alpha[-1] * q
            if step:
                before *= self._beta[-1]
                w -= before
            self._beta.append(float(np.linalg.norm(w)))
            scale = max(scale, abs(self._alpha[-1]), self._beta[-1])
            if self._beta[-1] <= _ENDED * scale:
                return
            w /= self._beta[-1]
            before, q = q, w

    def __len__(self) -> int:
        """Vectors so far."""
        return len(self._alpha)

    def _levels(self, n: int | None) -> tuple[FloatArray, FloatArray]:
        alpha = np.array(self._alpha[:n])
        beta = np.array(self._beta[: alpha.size - 1])
        scale = max(np.abs(alpha).max(), beta.max(initial=0.0), np.finfo(float).tiny)
        levels, vectors = eigh_tridiagonal(alpha / scale, beta / scale)
        return levels * scale, vectors

    def quadrature(self, n: int | None = None) -> tuple[FloatArray, FloatArray]:
        """Return levels (n,) in J and weights (n,): <start|f(H)|start> = sum of weight f(level), from n vectors."""
        levels, vectors = self._levels(n)
        return levels, self._norm**2 * vectors[0] ** 2

    def expansion(self, n: int | None = None) -> tuple[FloatArray, FloatArray]:
        """Return levels (n,) in J and coefficients (n, n): f(H)|start> = sum of vector_i coefficient_il f(level_l)."""
        levels, vectors = self._levels(n)
        return levels, self._norm * vectors * vectors[0]

    def ends(self) -> tuple[float, float, float]:
        """Return the lowest and the highest level so far, and the larger of the two residuals."""
        levels, vectors = self._levels(None)
        return levels[0], levels[-1], self._beta[-1] * float(np.abs(vectors[-1, [0, -1]]).max())


def random_vector(rng: np.random.Generator, dimension: int, dtype: np.dtype[Any]) -> Vector:
    """Return a vector (D,) of elements of magnitude 1 and random sign, or phase in steps of a quarter turn."""
    if dtype.kind != "c":
        return 1.0 - 2.0 * rng.integers(0, 2, dimension)
    return np.array([1.0, 1.0j, -1.0, -1.0j])[rng.integers(0, 4, dimension)]


def bounds(hamiltonian: LinearOperator) -> Bounds:
    """Return an interval that has all levels, from the recursion of a fixed vector until its ends stand still."""
    start = random_vector(np.random.default_rng(1), hamiltonian.shape[0], hamiltonian.dtype)
    recursion = Lanczos(hamiltonian.matvec, start, min(_LONGEST, hamiltonian.shape[0]))
    for _ in recursion:
        if len(recursion) and len(recursion) % 20 == 0:
            low, high, residual = recursion.ends()
            if residual < 1e-3 * (high - low):
                break
    low, high, residual = recursion.ends()
    # what is left out below stays so small that exp(-beta H/2) keeps its digits
    margin = residual + 1e-4 * (high - low) + 1e-12 * max(abs(low), abs(high)) + np.finfo(float).tiny
    return Bounds(0.5 * (low + high), 0.5 * (high - low) + margin)


def arpack_vectors(dimension: int) -> int:
    """Return how many states are kept while the lowest are looked for."""
    return 20 if dimension <= _FEW_VECTORS else 10


def ground_states(hamiltonian: LinearOperator, interval: Bounds) -> tuple[float, Vector]:
    """Return the lowest level (J) and all states (g, D) that have it, to 1e-10 of the spectrum's width."""
    dimension = hamiltonian.shape[0]
    if dimension <= _DENSE:
        levels, vectors = np.linalg.eigh(hamiltonian.matmat(np.eye(dimension, dtype=hamiltonian.dtype)) / interval.half)
        same = levels - levels[0] <= 2.0 * _SAME
        return float(levels[0]) * interval.half, np.ascontiguousarray(vectors[:, same].T)
    # ARPACK takes 1e-11 for small, whatever the unit
    reduced = LinearOperator(
        hamiltonian.shape,
        lambda x: (hamiltonian.matvec(x) - interval.center * np.ravel(x)) / interval.half,
        dtype=hamiltonian.dtype,
    )
    start = random_vector(np.random.default_rng(2), dimension, hamiltonian.dtype)
    wanted = 2  # one more than there are ground states
    while True:
        kept = max(arpack_vectors(dimension), 2 * wanted + 1)
        levels, vectors = eigsh(reduced, k=wanted, which="SA", v0=start, ncv=min(kept, dimension))
        order = np.argsort(levels)
        levels, vectors = levels[order], vectors[:, order]
        same = levels - levels[0] <= 2.0 * _SAME
        if not same.all() or wanted > 16:
            break
        wanted *= 2
    if same.all():
        raise ValueError(f"temperature must be positive here: there are {wanted} ground states or more")
    return float(levels[0]) * interval.half + interval.center, np.ascontiguousarray(vectors[:, same].T)
