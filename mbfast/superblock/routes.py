"""Ways to the lines of a super block: all levels, recursions from its ground states, or from thermal states."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mbfast import units
from mbfast._core.machine import available_memory
from mbfast._core.validate import FloatArray
from mbfast.spectra.thermal import thermal_ratio
from mbfast.superblock.chebyshev import Chebyshev, thermal_state
from mbfast.superblock.lanczos import Bounds, Lanczos, Operator, Vector, ground_states, random_vector
from mbfast.superblock.lines import Lines, Shape
from mbfast.superblock.sums import BlockSum

if TYPE_CHECKING:
    from mbfast.superblock.hamiltonian import SuperBlock

_DEGREE = {"gaussian": 5.26, "lorentzian": 13.9}  # of polynomials, times half width/width: 1e-6 is left out
_LONGEST = (300, 150)  # steps of Lanczos at T = 0, and of thermal states
_ELEMENTS = 1 << 21  # of the matrices of an operator between some levels and others
_MATRICES = 5.0  # of D x D, of all levels, their states and an operator between them
_VECTORS = 8.0  # of a recursion from one state, with the diagonals of H and of an operator
_MOST = 100_000  # polynomials that are made unasked
_BATCH = 16  # vectors of a recursion that are multiplied at a time with those that are kept
_SAME = 1e-11  # of the spectrum's width: levels that rounding errors do not tell apart
# half the range of levels over 2 k_B T: far below it nothing is left of a random vector, and above it the functions of
# Bessel that `thermal_state` takes are no numbers
_COLDEST = 1e9
_SMALLEST = 1e-24  # part of a random vector's norm that is left at low temperatures
_PART = 0.8  # of the steps, with which the whole is compared


class Sample(NamedTuple):
    """Lines, the same with fewer steps, the norm that divides them, and the relaxational part (rows,) in J."""

    lines: Lines
    shorter: Lines | None = None
    norm: float = 1.0
    relaxation: FloatArray | None = None


class Recursion(Protocol):
    """What `Lanczos` and `Chebyshev` have in common."""

    def __iter__(self) -> Iterator[Vector]: ...
    def __len__(self) -> int: ...
    def quadrature(self, n: int | None = None) -> tuple[FloatArray, FloatArray]: ...  # noqa: D102
    def expansion(self, n: int | None = None) -> tuple[FloatArray, FloatArray]: ...  # noqa: D102


class Plan(NamedTuple):
    """How recursions are run: H, where its levels are, what starts one, how many steps, and its lines' width."""

    operator: Operator
    interval: Bounds
    start: Callable[[Vector], Recursion]
    steps: int
    width: float


@dataclass
class Question:
    """Of which operators of a super block the response is asked, and at which temperature, checked.

    Attributes
    ----------
    system, temperature, threads
        The super block, K, and how many.
    combinations : ndarray, shape (rows, 6 or 3)
        Components that are added up in the operator of a row.
    waves : list of ndarray, shape (N,)
        Factors of the blocks: the operators are those of all of them.
    """

    system: SuperBlock
    temperature: float
    threads: int
    combinations: FloatArray
    waves: list[FloatArray]

    @property
    def beta(self) -> float:
        """1/(k_B T)."""
        return 1.0 / (units.K_B * self.temperature)

    @functools.cached_property
    def unit(self) -> float:
        """What operators are divided by: the largest element of a block's stress (J)."""
        return max(float(np.abs(self.system.block_stress(s)).max()) for s in range(self.system.n_blocks)) or 1.0

    def operators(self) -> Iterator[tuple[int, Callable[..., Vector]]]:
        """Yield row and Hermitian operator, as a function of states (D,) or (D, n), for all rows and waves.

        They are stresses divided by the unit.
        """
        stresses = [self.system.block_stress(s) / self.unit for s in range(self.system.n_blocks)]
        for row, combination in enumerate(self.combinations):
            for wave in self.waves:
                parts = [w * np.tensordot(combination, t, axes=1) for w, t in zip(wave, stresses, strict=True)]
                yield row, partial(_applied, BlockSum(parts), threads=self.threads)

    def hamiltonian(self) -> Operator:
        """Return H for recursions."""
        return Operator.of(self.system, self.threads)

    def require_memory(self, what: str, per_state: float, instead: Callable[[float], str]) -> None:
        """Raise a MemoryError if so many numbers for each state do not fit; `instead` says what would, of so many."""
        size = self.system.dimension * self.system.dtype.itemsize
        free = available_memory()
        if per_state * size > free:
            raise MemoryError(
                f"{what} of {self.system.dimension:.4g} states needs {per_state * size / 1e9:.3g} GB, "
                f"{free / 1e9:.3g} GB are available: {instead(free / size)}"
            )


@dataclass
class Task(Question):
    """A question, and what lines look like: their width (rad/s) and shape."""

    width: float
    shape: Shape

    def lines(self, half: float) -> Lines:
        """Return lines to be filled, between levels in an interval of half that width (J)."""
        return Lines(len(self.combinations), 2.0 * half / units.HBAR, self.width)


def _applied(operator: BlockSum, psi: Vector, out: Vector | None = None, *, threads: int) -> Vector:
    states = psi if operator.is_real else psi.astype(np.complex128, copy=False)
    result = np.empty_like(states) if out is None else out
    operator.apply(states.reshape(len(states), -1), result.reshape(len(states), -1), threads)
    return result


def levels_of(hamiltonian: NDArray[Any]) -> tuple[FloatArray, NDArray[Any]]:
    """Return all levels (D,) of a matrix, from the lowest, and their states as columns; the matrix is overwritten."""
    from scipy.linalg import eigh  # noqa: PLC0415

    energies, states = eigh(hamiltonian, overwrite_a=True, check_finite=False, driver="evd")
    return energies - energies[0], states


def occupations(energies: FloatArray, temperature: float) -> tuple[FloatArray, FloatArray]:
    """Return E/(k_B T) of levels that increase from zero, and their populations; ground states share theirs."""
    ratio = thermal_ratio(energies / units.HBAR, np.array(temperature))
    ratio[energies <= _SAME * energies[-1]] = 0.0  # the ground states
    populations: FloatArray = np.exp(-ratio)
    populations /= populations.sum()
    return ratio, populations


def exact(task: Task) -> Sample:
    """Return the lines between all levels that are populated and all others."""
    dimension = task.system.dimension
    task.require_memory(
        "method='exact'",
        _MATRICES * dimension,
        lambda free: f"{(free * dimension / _MATRICES) ** 0.5:.0f} states would fit, or take method='lanczos'",
    )
    energies, states = levels_of(task.system.dense(threads=task.threads))
    _, populations = occupations(energies, task.temperature)
    rows = np.flatnonzero(populations)  # of increasing levels: the first ones
    bras, lines = states[:, rows].conj().T, task.lines(0.5 * energies[-1])
    spread, mean = np.zeros(len(task.combinations)), np.zeros((len(task.combinations), len(task.waves)))
    columns = max(1, _ELEMENTS // rows.size)
    for number, (row, operator) in enumerate(task.operators()):
        for first in range(0, dimension, columns):
            chosen = slice(first, first + columns)
            elements = bras @ operator(np.ascontiguousarray(states[:, chosen]))
            gaps = energies[chosen] - energies[rows, None]
            products = populations[rows, None] * (elements * elements.conj()).real
            spread[row] += products[np.abs(gaps) <= _SAME * energies[-1]].sum()
            mean[row, number % len(task.waves)] += (
                populations[chosen][: max(rows.size - first, 0)] @ np.diagonal(elements, -first).real
            )
            lines.add(row, gaps.ravel() / units.HBAR, products.ravel())
    return Sample(lines, relaxation=None if task.temperature == 0.0 else task.beta * ((mean**2).sum(axis=1) - spread))


def plan(
    task: Task, route: Literal["lanczos", "chebyshev"], operator: Operator, interval: Bounds, steps: int | None
) -> Plan:
    """Return how recursions are run."""
    ground, scale = task.temperature == 0.0, interval.half / units.HBAR
    needed = int(_DEGREE[task.shape] * scale / task.width / (2.0 if ground else 1.0)) + 2
    if steps is None and route == "chebyshev" and needed > _MOST:
        raise ValueError(f"broadening must be wider, or steps given: it needs {needed} polynomials, above {_MOST}")
    n = needed if steps is None else steps
    if route == "lanczos":
        n = min(n, task.system.dimension, n if steps else _LONGEST[not ground])
        start: Callable[[Vector], Recursion] = partial(Lanczos, operator, steps=n, unit=interval.half)
        width = task.width
    else:
        own = np.pi * scale * (1.0 / (2 * n - 1) if ground else 2.0**0.5 / n) if n < needed else 0.0
        start = partial(Chebyshev, operator, steps=n, interval=interval, damped=n < needed)
        width = float(np.hypot(task.width, own))
    if ground:
        task.require_memory(f"{_VECTORS:.0f} vectors", _VECTORS, lambda free: f"{free:.3g} vectors fit")
    else:
        kept = 0.5 * (n + _BATCH) + _VECTORS
        task.require_memory(
            f"{kept:.0f} vectors for {n} steps",
            kept,
            lambda free: f"steps={max(0, int(2.0 * (free - _VECTORS) - _BATCH))} would fit",
        )
    return Plan(operator, interval, start, n, width)


def _part(chain: Recursion) -> int:
    """Return the number of steps with which the whole is compared."""
    return max(1, int(_PART * len(chain)))


def ground(task: Task, by: Plan) -> Sample:
    """Return the lines from the ground states, by the quadrature of each operator on them."""
    lowest, states = ground_states(by.operator, by.interval)
    lines, shorter = task.lines(by.interval.half), task.lines(by.interval.half)
    for row, operator in task.operators():
        for state in states:
            excited = operator(state)
            if not excited.any():
                continue
            chain = by.start(excited)
            for _ in chain:
                pass
            for which, n in ((lines, len(chain)), (shorter, _part(chain))):
                levels, weights = chain.quadrature(n)
                which.add(row, (levels - lowest) / units.HBAR, weights / len(states))
    return Sample(lines, shorter)


def typical_state(
    operator: Operator, interval: Bounds, temperature: float, rng: np.random.Generator
) -> tuple[Vector, float]:
    """Return exp(-beta (H - E)/2)|r> of a random vector, E being the lower end of the interval, and its square."""
    start, rate, norm = random_vector(rng, operator.dimension, operator.dtype), 0.5 / (units.K_B * temperature), 0.0
    if rate * interval.half < _COLDEST:
        state = thermal_state(operator, start, rate, interval)
        norm = operator.dot(state, state)
    if norm < _SMALLEST * operator.dimension:
        raise ValueError(f"temperature must be 0, or above {temperature:g} K: nothing is left of a random vector")
    return state, norm


def thermal(task: Task, by: Plan, rng: np.random.Generator) -> Sample:
    """Return the lines from one typical thermal state, by recursions from it and from each operator on it."""
    dimension, dtype = task.system.dimension, task.system.dtype
    state, norm = typical_state(by.operator, by.interval, task.temperature, rng)
    chain, bras = by.start(state), np.empty((by.steps, dimension), _single(dtype))
    for number, vector in enumerate(chain):
        np.conjugate(vector, out=bras[number], casting="same_kind")
    lines, shorter = task.lines(by.interval.half), task.lines(by.interval.half)
    for row, operator in task.operators():
        excited = operator(state)
        if not excited.any():
            continue
        other = by.start(excited)
        overlaps = _overlaps(bras[: len(chain)], other, operator)
        for which, n, m in ((lines, len(chain), len(other)), (shorter, _part(chain), _part(other))):
            (lower, left), (upper, right) = chain.expansion(n), other.expansion(m)
            weights = left.T @ overlaps[:n, :m] @ right
            which.add(row, (upper - lower[:, None]).ravel() / units.HBAR, weights.ravel())
    return Sample(lines, shorter, norm)


def _single(dtype: np.dtype[np.generic]) -> type[np.float32 | np.complex64]:
    return np.complex64 if dtype.kind == "c" else np.float32


def _overlaps(bras: Vector, chain: Recursion, operator: Callable[..., Vector]) -> FloatArray:
    """Return the real parts of <bra|A|vector> (bras, vectors of the chain); the bras are conjugated already."""

    def images() -> Iterator[Vector]:  # all in one place
        image = None
        for vector in chain:
            image = operator(vector, image)
            yield image

    kets, products = images(), []
    for first in kets:
        batch, n = np.empty((_BATCH, first.size), _single(first.dtype)), 1
        batch[0] = first
        for n, ket in enumerate(itertools.islice(kets, _BATCH - 1), 2):
            batch[n - 1] = ket
        products.append((bras @ batch[:n].T).real.astype(np.float64))
    return np.concatenate(products, axis=1)
