"""Second order in the coupling between blocks, for any number of them, from their pairs and triples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast import units
from mbfast._core.extrapolation import weights_at_zero
from mbfast._core.machine import available_memory
from mbfast._core.validate import FloatArray, positive_number
from mbfast.spectra.thermal import check_kelvin
from mbfast.superblock.coupled import CoupledBlocks, check_coupled_blocks
from mbfast.superblock.kubo import matrices_size
from mbfast.superblock.perturbation import check_complex_frequencies
from mbfast.superblock.response import products, waves

# Couplings of a cluster, of the distance of hbar z from its lines or of what k_B T and the lowest gap allow, whichever
# is smaller: the even part of the response at three of them, less that at zero, is extrapolated with an error of some
# 1e-9.
_NODES = np.array([0.02, 0.03, 0.04])
_SQUARES = _NODES**2
_WEIGHTS = weights_at_zero(_SQUARES)
# of the response at zero, and of what it changes by with levels, when couplings are as large as the energy
_ROUNDING = 8.0 * 2.0**-52 * float(np.sum(np.abs(_WEIGHTS) / _SQUARES))
_ALLOWED = 1e-4  # of the largest contribution, as estimated: measured errors were some ten or hundred times smaller
_ELEMENTS = 1 << 21  # of the matrices of clusters that are done in one go


@np.errstate(under="ignore")  # of occupations
def second_order(
    super_block: CoupledBlocks,
    omega: ArrayLike,
    temperature: float,
    *,
    volume: float,
    wavevector: ArrayLike | None = None,
) -> NDArray[np.complex128]:
    r"""Moduli of the second order in the coupling of blocks of the susceptibility of a super block.

    Parameters
    ----------
    super_block : SuperBlock or CoupledBlocks
        The blocks, or `mbfast.superblock.coupled.CoupledBlocks`: of each three of them states are made, and no others.
    omega : array_like, shape (k,)
        Complex frequencies (rad/s), with a positive imaginary part: omega + i broadening for Lorentzian lines.
    temperature : float
        T (K), positive.
    volume : float
        Of the super block (m^3).
    wavevector : array_like, shape (3,), optional
        k (1/m); None: 0.

    Returns
    -------
    ndarray, shape (2, k)
        Of longitudinal and transverse strain, in Pa, averaged over rotations and over k and -k; of dipoles (1, k), the
        mean. To some 1e-6 of the largest contribution of a pair or triple, with rounding errors up to 1e-5 of it.

    Raises
    ------
    TypeError
        If super_block is none, omega does not consist of numbers, or temperature, volume or wavevector of real ones.
    ValueError
        If omega is not one-dimensional, finite and above the real axis, temperature or volume not positive, or
        wavevector has not three finite numbers.
    ArithmeticError
        If the estimate of rounding errors, ten to some hundred times too large, is above 1e-4 of the largest
        contribution: where lines are far narrower than the range of levels, or k_B T is far below it and a block has
        two ground states.
    MemoryError
        If the matrices of three blocks do not fit into memory; the message has the numbers.

    Notes
    -----
    Two couplings reach three blocks. Two pairs without a block in common each change the response of their own blocks
    to first order alone. So, c_2 being the second order of some blocks as if they were all,

    .. math:: c_2 = \sum_{s<t<u} c_2(s, t, u) - (N - 3) \sum_{s<t} c_2(s, t).

    As in `first_order`, all is the part that is even in k: the mean over k and -k. The second order of a cluster is
    measured: the part of its exact response that is even in the coupling, less that without one, extrapolated to no
    coupling. The time grows as N^3; 64 two-level blocks take some seconds.

    Examples
    --------
    >>> import mbfast
    >>> from mbfast.superblock.clusters import second_order
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> block = mbfast.Block.two_level(0.0, 1e-24, [0, 0, 0, 0, 0, 1.6e-20])
    >>> cube = mbfast.SuperBlock(silica, mbfast.BlockLattice((2, 2, 2), 5e-9), block)
    >>> second_order(cube, [9e9 + 1e9j], 0.1, volume=1e-24).shape
    (2, 1)
    """
    check_coupled_blocks(super_block)
    z, kelvin = check_complex_frequencies(omega), check_kelvin(temperature)
    if kelvin == 0.0:
        raise ValueError("temperature must be positive, got 0")
    box, clusters = positive_number("volume", volume, unit="m^3"), _Clusters(super_block, z, kelvin, wavevector)
    n = super_block.n_blocks
    result = np.zeros((len(clusters.mixing), z.size), np.complex128)
    largest = float(np.prod(np.sort(super_block.dims)[-3:]))
    poles = 3.0 * z.itemsize * largest**2 * z.size  # what they are made of, and the weights of lines, beside them
    needed, free = matrices_size(largest, super_block.dtype.itemsize) + poles, available_memory()
    if needed > free:
        raise MemoryError(
            f"three blocks with {largest:.4g} states, at {z.size} frequencies, need {needed / 1e9:.3g} GB, "
            f"{free / 1e9:.3g} GB are available"
        )
    for size, factor in ((2, 1.0 if n == 2 else 3.0 - n), (3, 1.0)):
        if factor:
            result += factor * sum((clusters.second(group) for group in clusters.groups(size)), np.zeros_like(result))
    clusters.require_digits()
    return result * (clusters.unit / box * clusters.unit)


class _Clusters:
    """What the blocks of clusters need: matrices in units of `energy` (J) and `unit` (J or C m)."""

    def __init__(
        self, system: CoupledBlocks, z: NDArray[np.complex128], kelvin: float, wavevector: ArrayLike | None
    ) -> None:
        numbers = range(system.n_blocks)
        self._dims, self._alone = system.dims, [system.block_hamiltonian(s) for s in numbers]
        levels = [np.linalg.eigvalsh(hamiltonian) for hamiltonian in self._alone]
        # populations bend where levels cross the lowest, or at k_B T from there
        lowest = min((float(block[1] - block[0]) for block in levels if block.size > 1), default=0.0)
        self._energy = max(units.K_B * kelvin, lowest)
        self._spans = np.array([np.ptp(block) for block in levels]) / self._energy
        self._error = self._largest = 0.0  # of clusters so far
        self._z, self._beta = z * (units.HBAR / self._energy), self._energy / (units.K_B * kelvin)
        stresses = [system.block_stress(s) for s in numbers]
        self.unit = max(float(np.abs(stress).max()) for stress in stresses) or 1.0
        combinations, self.mixing = products(system.interaction.components, "isotropic")
        self._stresses = [stress / self.unit for stress in stresses]
        self._alone = [  # from their lowest levels
            (hamiltonian - block[0] * np.eye(block.size)) / self._energy
            for hamiltonian, block in zip(self._alone, levels, strict=True)
        ]
        self._couplings = system.couplings * (self.unit / self._energy * self.unit)
        phases = waves(system, wavevector)
        self._waves = [  # of a block, (waves, rows, d, d)
            np.array([[w[s] * x for x in np.tensordot(combinations, self._stresses[s], 1)] for w in phases])
            for s in numbers
        ]
        self.mixing = self.mixing / self._energy

    def groups(self, size: int) -> Iterator[NDArray[np.int64]]:
        """Yield clusters of so many blocks (n, size) whose blocks have the same numbers of levels, not too many."""
        waiting: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        for cluster in itertools.combinations(range(len(self._dims)), size):
            dims = tuple(self._dims[s] for s in cluster)
            found = waiting.setdefault(dims, [])
            found.append(cluster)
            if len(found) >= _ELEMENTS // (math.prod(dims) ** 2 * self._z.size):
                yield np.array(waiting.pop(dims))
        yield from map(np.array, waiting.values())

    def second(self, clusters: NDArray[np.int64]) -> NDArray[np.complex128]:
        """Return the second order of the response (c, k), summed over clusters (n, size)."""
        columns = list(range(clusters.shape[1]))
        dims = [self._dims[s] for s in clusters[0]]
        alone, operators = (
            np.sum([_placed(np.array([parts[s] for s in clusters[:, c]]), c, dims) for c in columns], axis=0)
            for parts in (self._alone, self._waves)
        )
        coupled: Any = 0.0
        for a, b in itertools.combinations(columns, 2):
            j = 2.0 * self._couplings[clusters[:, a], clusters[:, b]]
            left, right = (np.array([self._stresses[s] for s in clusters[:, c]]) for c in (a, b))
            left = np.einsum("nab,naij->nbij", j, left)
            coupled = coupled + sum(
                _placed(left[:, i], a, dims) @ _placed(right[:, i], b, dims) for i in range(left.shape[1])
            )
        sizes = np.abs(coupled).sum(axis=-1).max(axis=-1)
        uncoupled = self._elements(alone, operators)
        gaps = uncoupled[0][:, :, None] - uncoupled[0][:, None]
        gaps[:, range(gaps.shape[1]), range(gaps.shape[1])] = np.inf  # no line
        energies = np.minimum(np.abs(self._z - gaps.reshape(len(gaps), -1, 1)).min(axis=(1, 2)), 1.0)
        scale = energies / np.where(sizes > 0.0, sizes, 1.0)
        free, change = self._response(*uncoupled), self._sensitivity(*uncoupled, _NODES[-1] * energies)
        del uncoupled  # as large as the operators
        result = np.zeros_like(free)
        for weight, x in zip(_WEIGHTS, _NODES, strict=True):
            g = x * scale[:, None, None]
            both = [self._response(*self._elements(alone + sign * g * coupled, operators)) for sign in (1.0, -1.0)]
            result += weight / x**2 * (0.5 * (both[0] + both[1]) - free)
        squares = (sizes / energies) ** 2
        result *= squares[:, None, None]
        ranges = np.maximum(energies, self._spans[clusters].sum(axis=1))
        errors = _ROUNDING * (ranges * change + np.abs(free).max(axis=(1, 2))) * squares
        self._error = float(np.maximum(self._error, errors.max()))  # NaN, too
        self._largest = max(self._largest, float(np.abs(result).max()))
        return np.asarray(result.sum(axis=0))

    def require_digits(self) -> None:
        """Raise an ArithmeticError if rounding errors may be of the order of what was summed."""
        if not self._error <= _ALLOWED * self._largest:
            part = self._error / self._largest if self._largest else np.inf
            raise ArithmeticError(
                f"rounding errors may be {part:.1g} of the second order, {_ALLOWED:g} is allowed: imaginary parts of "
                "omega, or temperature and splittings of ground states, are too small beside the levels"
            )

    def _sensitivity(
        self, levels: FloatArray, elements: NDArray[Any], populations: FloatArray, couplings: FloatArray
    ) -> FloatArray:
        """Return how much responses (n,) change for each change of levels, couplings (n,) mixing near ones."""
        moved = 2.0 * self._beta * populations * (populations @ (1.0 - np.eye(levels.shape[1])))
        own = np.einsum("nwrii->nwri", elements).real  # which mixtures of two states have between them
        gaps, coupled = levels[:, :, None] - levels[:, None, :], couplings[:, None, None]
        angles = coupled / np.maximum(np.abs(gaps), coupled)
        mixed = (0.5 * (own[..., :, None] - own[..., None, :]) * angles[:, None, None]) ** 2
        squares = np.abs(elements) ** 2
        lines, both = (np.einsum("cr,nwrij->ncij", np.abs(self.mixing), x) for x in (squares, squares + mixed))
        poles = 1.0 / np.abs(self._z - gaps[..., None])
        changes = (moved[:, None, :] + moved[:, :, None]) * (1.0 - np.eye(levels.shape[1]))
        differences = np.abs(populations[:, None, :] - populations[:, :, None])
        total = np.einsum("ncij,nij,nijk->nck", lines, differences, poles**2, optimize=True)
        total += np.einsum("ncij,nij,nijk->nck", both, changes, poles, optimize=True)
        return np.asarray(total.max(axis=(1, 2)))

    def _response(self, levels: FloatArray, elements: NDArray[Any], populations: FloatArray) -> NDArray[np.complex128]:
        """Return the responses (n, c, k) of clusters, of what `_elements` has of them."""
        squares = np.einsum("cr,nwrij->ncij", self.mixing, elements.real**2 + elements.imag**2)
        squares *= (populations[:, None, :] - populations[:, :, None])[:, None]  # from j to i
        gaps = levels[:, :, None] - levels[:, None, :]
        n, c = squares.shape[:2]
        poles = 1.0 / (self._z - gaps.reshape(n, -1, 1))
        return np.asarray(squares.reshape(n, c, -1) @ poles)

    def _elements(
        self, hamiltonian: NDArray[Any], operators: NDArray[Any]
    ) -> tuple[FloatArray, NDArray[Any], FloatArray]:
        """Return levels (n, D) of clusters (n, D, D), elements of operators (n, waves, rows, D, D), and populations."""
        levels, states = np.linalg.eigh(hamiltonian)
        populations = np.exp(-self._beta * (levels - levels[:, :1]))
        populations /= populations.sum(axis=1, keepdims=True)
        bras = states.conj().swapaxes(1, 2)[:, None, None]
        elements = bras @ operators @ states[:, None, None]
        return levels, elements, populations


def _placed(matrices: NDArray[Any], place: int, dims: list[int]) -> NDArray[Any]:
    """Return matrices (..., d, d) of one of some blocks on the product of all (..., D, D)."""
    before, after = int(np.prod(dims[:place])), int(np.prod(dims[place + 1 :]))
    size = before * dims[place] * after
    spread = np.einsum("ab,...ij,cd->...aicbjd", np.eye(before), matrices, np.eye(after))
    return np.asarray(spread.reshape(*matrices.shape[:-2], size, size))
