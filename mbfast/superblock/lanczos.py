"""Recursions of Lanczos: ground states, bounds of a spectrum, and functions of H on a vector by quadrature.

The vectors of a recursion are not kept and not made orthogonal again: copies of converged levels that rounding errors
let appear share the weight of the level, and the sums over levels that are wanted here stay as accurate as the
recursion is long (V. Druskin and L. Knizhnerman, Comput. Math. Math. Phys. 31, 20 (1991); A. Greenbaum, Lin. Alg.
Appl. 113, 7 (1989)). The weights of the quadrature are the residues of the continued fraction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mbfast import units
from mbfast._core import tiles
from mbfast._core.tiles import cut
from mbfast._core.validate import FloatArray
from mbfast.superblock._kernels import recursions as kernels

if TYPE_CHECKING:
    from mbfast.superblock.hamiltonian import SuperBlock

Vector: TypeAlias = NDArray[Any]
"""A state, float64 or complex128, shape (D,)."""

_ENDED = 1e-13  # of the largest coefficient: the vectors span all that the first one reaches
_ZERO = 1e-280  # J, of all levels: 1e-12 of what is above has an inverse
_SAME = 1e-10  # of the spectrum's width: levels that rounding errors do not tell apart
_MANY_TILES = 1024  # up to which threads would not help; they take less than a tenth of a second
_CONVERGED = 1e-12  # residual of a ground state, of the spectrum's width
_LONGEST = 200  # steps for bounds
_LONGEST_SEARCH = 5000  # steps for a ground state
_DEGENERATE = 16  # ground states that are looked for


class Bounds(NamedTuple):
    """The middle and half the width (J) of an interval with all levels."""

    center: float
    half: float


class Operator(NamedTuple):
    """H, and the threads that it and sums over states take.

    Attributes
    ----------
    apply : callable
        Fills its second argument with H times the first, both (D,).
    dimension, dtype, threads
        D, and whether H is real.
    """

    apply: Callable[[Vector, Vector], object]
    dimension: int
    dtype: np.dtype[Any]
    threads: int

    @classmethod
    def of(cls, system: SuperBlock, threads: int) -> Operator:
        """Return the Hamiltonian of a super block, for a state or for several that lie side by side, (D k,)."""

        def apply(psi: Vector, out: Vector) -> None:
            system._sum.apply(psi.reshape(system.dimension, -1), out.reshape(system.dimension, -1), threads)

        return cls(apply, system.dimension, system.dtype, threads)

    def step(self, a: float, w: Vector, b: float, x: Vector, c: float, y: Vector) -> tuple[float, float]:
        """Make w the sum a w + b x + c y; return the real parts of <w|w> and <x|w>."""
        sums = self._in_tiles(kernels.step, (a, b, c), (w, x, y))
        return float(sums[0]), float(sums[1])

    def dot(self, x: Vector, y: Vector) -> float:
        """Return the real part of <x|y>."""
        return float(self._in_tiles(kernels.dot, (), (x, y))[0])

    def _in_tiles(
        self, kernel: Callable[..., None], numbers: tuple[float, ...], states: tuple[Vector, ...]
    ) -> FloatArray:
        flat = [state.view(np.float64) for state in states]
        n = -(-flat[0].size // kernels.TILE)
        sums = np.zeros((n, 2))
        if n <= _MANY_TILES:
            kernel(0, n, *numbers, *flat, sums)
        else:
            pieces = cut(n, min(-(-n // (4 * self.threads)), _MANY_TILES))
            tiles.run(lambda piece: kernel(*piece, *numbers, *flat, sums), pieces, threads=self.threads)
        result: FloatArray = sums.sum(axis=0)
        return result


class Lanczos:
    """The recursion from a vector: iterating runs it, and yields its vectors, none of which is kept.

    Parameters
    ----------
    operator : Operator
        H.
    start : ndarray, shape (D,)
        Not zero.
    steps : int
        Vectors, at least 1; fewer where they span an invariant space.
    unit : float
        An energy of the order of the levels (J).
    """

    def __init__(self, operator: Operator, start: Vector, steps: int, unit: float) -> None:
        self._operator, self._start, self._steps, self._unit = operator, start, steps, unit
        self._norm = operator.dot(start, start) ** 0.5
        self._alpha: list[float] = []
        self._beta = [1.0]  # of the vectors, which are not normalised

    def __iter__(self) -> Iterator[Vector]:
        q, operator = self._start / self._norm, self._operator
        before, w = np.zeros_like(q), np.empty_like(q)
        for step in range(self._steps):
            yield q
            operator.apply(q, w)
            norm = self._beta[-1]
            self._alpha.append(operator.dot(q, w) / (self._unit * norm**2))
            last = norm / self._beta[-2] if step else 0.0
            square, _ = operator.step(1.0 / (self._unit * norm), w, -self._alpha[-1] / norm, q, -last, before)
            self._beta.append(square**0.5)
            if self._beta[-1] <= _ENDED * max(*self._beta[1:], *map(abs, self._alpha)):
                return
            before, q, w = q, w, before

    def __len__(self) -> int:
        """Vectors so far."""
        return len(self._alpha)

    def _levels(self, n: int | None) -> tuple[FloatArray, FloatArray]:
        from scipy.linalg import eigh_tridiagonal  # noqa: PLC0415

        n = len(self) if n is None else n
        levels, vectors = eigh_tridiagonal(np.array(self._alpha[:n]), np.array(self._beta[1:n]))
        return levels * self._unit, vectors

    def quadrature(self, n: int | None = None) -> tuple[FloatArray, FloatArray]:
        """Return levels (n,) in J and weights (n,): <start|f(H)|start> = sum of weight f(level), from n vectors."""
        levels, vectors = self._levels(n)
        return levels, self._norm**2 * vectors[0] ** 2

    def expansion(self, n: int | None = None) -> tuple[FloatArray, FloatArray]:
        """Return levels (n,) in J and coefficients (n, n): f(H)|start> = sum of vector_i coefficient_il f(level_l)."""
        levels, vectors = self._levels(n)
        return levels, self._norm * vectors * vectors[0] / np.array(self._beta[: len(levels)])[:, None]

    def lowest(self) -> tuple[float, FloatArray, float]:
        """Return the lowest level (J), the coefficients of the vectors in its state, and its residual (J)."""
        from scipy.linalg import eigh_tridiagonal  # noqa: PLC0415

        n = len(self)
        level, vector = eigh_tridiagonal(
            np.array(self._alpha), np.array(self._beta[1:n]), select="i", select_range=(0, 0)
        )
        residual = self._unit * self._beta[-1] * abs(float(vector[-1, 0]))
        return float(level[0]) * self._unit, vector[:, 0] / np.array(self._beta[:n]), residual

    def ends(self) -> tuple[float, float, float]:
        """Return the lowest and the highest level so far, and the larger of the two residuals (J)."""
        levels, vectors = self._levels(None)
        return levels[0], levels[-1], self._unit * self._beta[-1] * float(np.abs(vectors[-1, [0, -1]]).max())


def random_vector(rng: np.random.Generator, dimension: int, dtype: np.dtype[Any]) -> Vector:
    """Return a vector (D,) of elements of magnitude 1 and random sign, or phase in steps of a quarter turn."""
    if dtype.kind != "c":
        return 1.0 - 2.0 * rng.integers(0, 2, dimension)
    return np.array([1.0, 1.0j, -1.0, -1.0j])[rng.integers(0, 4, dimension)]


def starting_vector(rng: np.random.Generator, operator: Operator) -> Vector:
    """Return a vector that has a part of every level: one of signs alone may be a level of a symmetric block."""
    return rng.normal(size=operator.dimension).astype(operator.dtype)


def bounds(operator: Operator) -> Bounds:
    """Return an interval that has all levels, from the recursion of a fixed vector until its ends stand still."""
    start = starting_vector(np.random.default_rng(1), operator)
    image = np.empty_like(start)
    operator.apply(start, image)
    unit = _size(operator, start, image)
    recursion = Lanczos(operator, start, min(_LONGEST, operator.dimension), unit)
    for _ in recursion:
        if len(recursion) and len(recursion) % 20 == 0:
            low, high, residual = recursion.ends()
            if residual < 1e-3 * (high - low):
                break
    low, high, residual = recursion.ends()
    # what is left out below stays so small that exp(-beta H/2) keeps its digits
    margin = residual + 1e-4 * (high - low) + 1e-12 * unit
    return Bounds(0.5 * (low + high), 0.5 * (high - low) + margin)


def _size(operator: Operator, start: Vector, image: Vector) -> float:
    """Return |image|/|start| (J), which is what levels are of the order of; image is changed."""
    largest = float(np.abs(image).max())
    if largest < _ZERO:
        return units.HBAR
    factor = 2.0 ** -min(math.frexp(largest)[1], 1000)  # squares of what is far from 1 are no doubles
    image *= factor
    return float((operator.dot(image, image) / operator.dot(start, start)) ** 0.5 / factor)


def ground_states(operator: Operator, interval: Bounds) -> tuple[float, Vector]:
    """Return the lowest level (J) and all states (g, D) that have it, to 1e-10 of the spectrum's width.

    Of states with one level the recursion from a vector finds one: each that is found is moved above all others, and
    the lowest is looked for again. The recursion is run twice, so that its vectors need not be kept.
    """
    found: list[Vector] = []
    half, lowest, rng = interval.half, np.inf, np.random.default_rng(2)

    def apply(x: Vector, out: Vector) -> None:
        operator.apply(x, out)
        for other in found:
            out += 3.0 * half * np.vdot(other, x) * other

    moved = operator._replace(apply=apply)
    while len(found) <= _DEGENERATE:
        start = starting_vector(rng, operator)
        recursion = Lanczos(moved, start, _LONGEST_SEARCH, half)
        for _ in recursion:
            if len(recursion) and len(recursion) % 10 == 0:
                level, _, residual = recursion.lowest()
                if residual < max(_CONVERGED * half, 1e-3 * (level - lowest)):
                    break
        level, coefficients, residual = recursion.lowest()
        if level - lowest > max(2.0 * _SAME * half, residual):
            return lowest, np.array(found)
        if residual > _SAME * half:
            raise ArithmeticError(
                f"the ground state is not found in {len(recursion)} steps: levels are too close to it"
            )
        state = np.zeros_like(start)
        for coefficient, vector in zip(coefficients, Lanczos(moved, start, len(recursion), half), strict=False):
            operator.step(1.0, state, coefficient, vector, 0.0, vector)
        lowest = min(lowest, level)
        found.append(state / operator.dot(state, state) ** 0.5)
    raise ValueError(f"temperature must be positive here: there are more than {_DEGENERATE} ground states")
