r"""Derivatives of the energy of a lattice: the virial, of points or cubes, and forces on points, by Fourier transforms.

All is displaced by u_i = g_ij x_j, cubes deform with it, and moments stay: then each tensor changes by the average of
r_j d_i Lambda over both blocks of a pair. Lambda consists of derivatives d_abcd r, and

.. math:: r_j\,\partial_{iabcd}\,r = \partial_{ijabcd}\,\frac{r^3}{3}
          - \sum_{e \in \{i,a,b,c,d\}} \delta_{je}\,\partial_{\{i,a,b,c,d\} - e}\,r,

as r_j r is the derivative of r^3/3. These are homogeneous of degree -3 as Lambda is, and averages, and sums over
images, are done in the same way. The virial is their product with the autocorrelation of the moments, offset by offset,
or, with all images, wave vector by wave vector. A clamped body's energy has no mode k = 0, strained or not; other
macroscopic conditions add a term proportional to 1/V.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mbfast._core import tiles
from mbfast._core.machine import available_memory
from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import FloatArray
from mbfast._core.voigt import WEIGHTS
from mbfast.pairs.cubes import averaged_derivatives, composition, offset_derivatives
from mbfast.pairs.derivatives import FIFTH, FOURTH, SIXTH, Derivatives
from mbfast.pairs.moments import Moments, isotropic
from mbfast.pairs.periodic import ImageModes
from mbfast.pairs.problem import PairProblem

_OFFSETS = 4096  # of a tile
_ALONE = 1 << 17  # numbers of a box up to which threads would mostly wait for one another, between calls of NumPy
_UNASKED = 1e8  # bytes taken whatever there is


def lattice_virial(problem: PairProblem, moments: Moments, workers: int, progress: tiles.Progress) -> FloatArray:
    """Return the virial (3, 3) of a lattice, in J; under a given mean stress without what that stress does."""
    _, box, octant = _boxes(problem)
    workers = workers if math.prod(box) > _ALONE else 1
    matrix = composition(problem.interaction)
    weights = _weights(problem)
    twice = np.triu(np.full(matrix.shape[:2], 2.0)) - np.eye(len(matrix))  # p, q and q, p are one
    matrix *= (np.multiply.outer(weights, weights) * twice)[:, :, None]
    spectra = _spectra(problem, moments, box)
    real, imaginary, slabs = spectra.real.copy(), spectra.imag.copy(), _slabs(spectra)
    folded = np.empty((2, 2, len(FOURTH.names), *octant))

    def correlate(function: int) -> None:
        """Fill in the part of the moments that a fourth derivative is multiplied with."""
        power = np.zeros(spectra.shape[1:])
        for some in slabs:
            for p, q in np.argwhere(matrix[:, :, function]):
                product = real[p, some] * real[q, some] + imaginary[p, some] * imaginary[q, some]
                power[some] += matrix[p, q, function] * product
        part = power / problem.geometry.n_blocks if problem.every_image else scipy.fft.irfftn(power, box)
        ends = np.arange(octant[2])
        part = part[:, :, : octant[2]] * np.where((-ends) % box[2] == ends, 1.0, 2.0)  # of d and -d
        for odd_x, along in enumerate(_folded(part, octant[0], 0)):
            for odd_y, both in enumerate(_folded(along, octant[1], 1)):
                folded[odd_x, odd_y, function] = both

    families = [(of, _functions(problem, of)) for of in (SIXTH, FOURTH)]

    def contract(some: Tile) -> list[FloatArray]:
        """Return sums over the offsets of a tile: of each part with each sixth and with each fourth derivative."""
        parts, sums = folded[:, :, :, slice(*some)].reshape(2, 2, len(FOURTH.names), -1), []
        for of, functions in families:
            values = functions(range(*some)).reshape(len(of.names), -1)
            found = np.empty((len(FOURTH.names), len(of.names)))
            for x, y in itertools.product((0, 1), repeat=2):
                same = np.flatnonzero((of.odd[:, :2] == (x, y)).all(axis=1))
                # no matrix product by BLAS: its bits depend on the number of threads
                found[:, same] = np.einsum("an,bn->ab", parts[x, y], values[same])
            sums.append(found)
        return sums

    pieces = cut(octant[0], math.ceil(_OFFSETS / (octant[1] * octant[2])))
    with tiles.counter(progress, len(FOURTH.names) + len(pieces), "virial") as advance:
        tiles.run(correlate, range(len(FOURTH.names)), threads=workers, advance=advance)
        sums = tiles.run(contract, pieces, threads=workers, advance=advance)
    sixth, fourth = (np.sum([pair[which] for pair in sums], axis=0) for which in (0, 1))
    virial = _assembled(sixth, fourth)
    if problem.every_image:
        total = real[:, 0, 0, 0]
        uniform = isotropic(*problem.interaction.uniform_field(problem.condition), total[None])[0]
        virial -= np.eye(3) * float(np.sum(weights * total * uniform)) / problem.geometry.n_blocks
    return virial * (problem.scale * moments.unit) * moments.unit


def lattice_forces(problem: PairProblem, moments: Moments, workers: int, progress: tiles.Progress) -> FloatArray:
    """Return the forces (N, 3) on the points of a lattice, in N."""
    shape, box, octant = _boxes(problem)
    workers = workers if math.prod(box) > _ALONE else 1
    matrix = composition(problem.interaction)
    rows, spectra = moments.components(0, problem.geometry.n_blocks), _spectra(problem, moments, box)
    functions, slabs = _functions(problem, FIFTH)(range(octant[0])), _slabs(spectra)
    modes, field = np.empty((len(functions), *spectra.shape[1:])), np.empty_like(spectra)
    result = np.empty((3, rows.shape[1]))
    spectra *= 1j * _weights(problem)[:, None, None, None]  # transforms of odd derivatives are imaginary

    def transform(function: int) -> None:
        """Fill in the imaginary part of the transform of a fifth derivative, which has no real one."""
        whole, odd = functions[function], FIFTH.odd[function]
        for axis in range(2 if problem.every_image else 3):
            whole = _unfolded(whole, box[axis], axis, odd=bool(odd[axis]))
        modes[function] = whole if problem.every_image else scipy.fft.rfftn(whole).imag

    def multiply(some: slice, step: NDArray[np.int64]) -> None:
        """Fill in a slab of the transforms of what acts on each component of the moments."""
        field[:, some] = 0.0
        for p, q in itertools.combinations_with_replacement(range(len(matrix)), 2):
            used = np.flatnonzero(matrix[p, q])
            if used.size:
                places = [FIFTH.place[tuple(FOURTH.powers[derivative] + step)] for derivative in used]
                tensor = sum(matrix[p, q, a] * modes[place, some] for a, place in zip(used, places, strict=True))
                for one, other in {(p, q), (q, p)}:
                    field[one, some] += tensor * spectra[other, some]

    def give(p: int) -> FloatArray:
        inside: FloatArray = scipy.fft.irfftn(field[p], box)[: shape[0], : shape[1], : shape[2]]
        return inside.ravel()

    with tiles.counter(progress, len(modes) + 3 * (len(slabs) + len(matrix)), "forces") as advance:
        tiles.run(transform, range(len(modes)), threads=workers, advance=advance)
        for axis in range(3):
            tiles.run(partial(multiply, step=np.eye(3, dtype=np.int64)[axis]), slabs, threads=workers, advance=advance)
            gradients = tiles.run(give, range(len(matrix)), threads=workers, advance=advance)
            result[axis] = sum(w * t * g for w, t, g in zip(_weights(problem), rows, gradients, strict=True))
    scale = -2.0 * problem.scale * moments.unit / problem.geometry.unit * moments.unit
    return scale * result.T


def _boxes(problem: PairProblem) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the sides of the lattice, of its transforms, and of an octant of offsets or wave vectors.

    A MemoryError if what is done there does not fit.
    """
    assert problem.lattice is not None
    shape = problem.lattice.shape
    box = shape if problem.every_image else tuple(scipy.fft.next_fast_len(2 * n - 1, real=True) for n in shape)
    needed, free = 8.0 * math.prod(box) * (19 + 2 * problem.interaction.components), available_memory()
    if needed > max(free, _UNASKED):
        numbers = f"{needed / 1e9:.3g} GB, {free / 1e9:.3g} GB are available"
        raise MemoryError(f"forces and the virial of a lattice of {problem.geometry.n_blocks} blocks need {numbers}")
    return shape, box, tuple(n // 2 + 1 for n in shape) if problem.every_image else shape


def _weights(problem: PairProblem) -> FloatArray:
    return WEIGHTS[: problem.interaction.components]


def _spectra(problem: PairProblem, moments: Moments, box: tuple[int, ...]) -> NDArray[np.complex128]:
    """Return the transforms of the moments by component."""
    rows = moments.components(0, problem.geometry.n_blocks).reshape(-1, *problem.geometry.leading)
    spectra: NDArray[np.complex128] = scipy.fft.rfftn(rows, box, axes=(1, 2, 3))
    return spectra


def _slabs(spectra: NDArray[np.complex128]) -> list[slice]:
    """Return parts along the first axis that stay in a cache."""
    size = math.ceil(_OFFSETS / math.prod(spectra.shape[2:]))
    return [slice(*some) for some in cut(spectra.shape[1], size)]


def _functions(problem: PairProblem, of: Derivatives) -> Callable[[range], FloatArray]:
    """Return what gives derivatives at steps along the first axis of the octant, or, with all images, transforms."""
    lattice = problem.lattice
    assert lattice is not None
    if not problem.every_image:
        return lambda steps: offset_derivatives(lattice, problem.shifts, 0, steps, of, itself=problem.self_field)
    modes = ImageModes(lattice, of=of, clamped=True)
    own = averaged_derivatives(np.zeros((3, 1)), of) if problem.self_field else np.zeros((len(of.names), 1))
    return lambda steps: modes(steps) + own[:, :, None, None]


def _folded(part: FloatArray, count: int, axis: int) -> tuple[FloatArray, FloatArray]:
    """Return sums and differences of what is at the offsets 0 ... count - 1 along an axis and at those opposite."""
    ahead = np.arange(count)
    back = -ahead % part.shape[axis]
    weights = np.where(ahead == back, 0.5, 1.0).reshape([-1 if other == axis else 1 for other in range(3)])
    one, other = weights * part.take(ahead, axis), weights * part.take(back, axis)
    return one + other, one - other


def _unfolded(part: FloatArray, size: int, axis: int, *, odd: bool) -> FloatArray:
    """Continue a function, even or odd along an axis, from the offsets ahead to those opposite, zero between."""
    ahead = np.arange(part.shape[axis])
    moved = np.moveaxis(part, axis, 0)
    whole = np.zeros((size, *moved.shape[1:]))
    whole[-ahead % size] = -moved if odd else moved
    whole[ahead] = moved
    return np.moveaxis(whole, 0, axis)


def _assembled(sixth: FloatArray, fourth: FloatArray) -> FloatArray:
    """Return the sum (3, 3) of what each fourth derivative becomes when all is strained."""
    steps = np.eye(3, dtype=np.int64)
    result = np.zeros((3, 3))
    for (i, j), (function, powers) in itertools.product(np.ndindex(3, 3), enumerate(FOURTH.powers)):
        result[i, j] += sixth[function, SIXTH.place[tuple(powers + steps[i] + steps[j])]]
        result[i, j] -= fourth[function, function] * (i == j)
        if powers[j]:
            result[i, j] -= powers[j] * fourth[function, FOURTH.place[tuple(powers - steps[j] + steps[i])]]
    return result
