"""Exact susceptibility at complex frequencies, of a super block whose couplings have any factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast import units
from mbfast._core.machine import available_memory
from mbfast._core.validate import FloatArray, bounded_number, positive_number
from mbfast.spectra.thermal import check_kelvin
from mbfast.superblock.perturbation import check_complex_frequencies
from mbfast.superblock.response import check_super_block, products, waves
from mbfast.superblock.routes import Question, levels_of, occupations
from mbfast.superblock.sums import BlockSum

if TYPE_CHECKING:
    from mbfast.superblock.hamiltonian import SuperBlock

_FAR = 1e-4  # of hbar z: with gaps below that as the unit, powers of z might be no doubles
_MATRICES = 14.0  # of D x D that one diagonalisation has at a time


def exact_susceptibility(
    super_block: SuperBlock, omega: ArrayLike, temperature: float, *, volume: float,
    wavevector: ArrayLike | None = None, coupling: float = 1.0,
) -> NDArray[np.complex128]:  # fmt: skip
    r"""Moduli of the susceptibility of a super block at complex frequencies, from all its levels.

    Parameters
    ----------
    super_block : SuperBlock
        The blocks: of 12 with two levels at most, or as many states.
    omega : array_like, shape (k,)
        Complex frequencies (rad/s), with a positive imaginary part: omega + i broadening for Lorentzian lines.
    temperature : float
        T (K), zero allowed.
    volume : float
        Of the super block (m^3).
    wavevector : array_like, shape (3,), optional
        k (1/m); None: 0.
    coupling : float
        g, of any sign: a factor of the interaction between different blocks. That of a block with its own images, and
        an external strain, are as they are.

    Returns
    -------
    ndarray, shape (2, k)
        Of longitudinal and transverse strain, in Pa, averaged over rotations; of dipoles (1, k), the mean.

    Raises
    ------
    TypeError
        If super_block is none, omega does not consist of numbers, or temperature, volume, wavevector or coupling of
        real ones.
    ValueError
        If omega is not one-dimensional, finite and above the real axis, temperature is negative, volume not positive,
        wavevector has not three finite numbers, coupling is not finite, or the result is beyond the range of doubles.
    MemoryError
        If the matrices do not fit into memory; the message has the numbers.

    Notes
    -----
    .. math:: \chi_a(z) = \frac{1}{V} \sum_{mn} \frac{(p_m - p_n) |\langle n|A_a|m\rangle|^2}{\hbar z - (E_n - E_m)},

    of which the mean over k and -k is returned: for complex stresses at k != 0 the two differ. It is the response of
    the closed system, which `first_order` expands: without the shifted populations of the isothermal one. It is
    analytic in z, and in g wherever the distance of g V from zero is small against hbar Im z. The response of
    `SuperBlock.susceptibility` at real frequencies differs by what broadening does to its thermal factor.

    Examples
    --------
    >>> import mbfast
    >>> from mbfast.superblock.kubo import exact_susceptibility
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> block = mbfast.Block.two_level(0.0, 1e-24, [0, 0, 0, 0, 0, 1.6e-19])
    >>> pair = mbfast.SuperBlock(silica, [[0, 0, 0], [0, 0, 5e-9]], block)
    >>> chi = exact_susceptibility(pair, [9e9 + 1e9j], 0.1, volume=2 * 5e-9**3, coupling=0.5)
    >>> chi.shape, bool((chi.imag < 0).all())
    ((2, 1), True)
    """
    check_super_block(super_block)
    z, kelvin = check_complex_frequencies(omega), check_kelvin(temperature)
    box, g = positive_number("volume", volume, unit="m^3"), bounded_number("coupling", coupling)
    return Expansion.of(super_block, kelvin, wavevector, box).at(g, z)


class Expansion:
    """A super block with the couplings of its blocks times any factor: H(g) = H_0 + g V, both as matrices.

    Attributes
    ----------
    range : float
        Above the distance of the highest from the lowest level (J), of any factor from -1 to 1.
    """

    def __init__(self, question: Question, mixing: FloatArray, volume: float) -> None:
        system = question.system
        self._question, self._mixing, self._volume = question, mixing, volume
        self._operators = list(question.operators())
        unit = np.eye(system.dimension, dtype=system.dtype)
        self._alone = np.empty_like(unit)
        BlockSum([system.block_hamiltonian(s) for s in range(system.n_blocks)]).apply(unit, self._alone, 1)
        self._coupling = system.dense(threads=1) - self._alone
        sizes = (np.abs(matrix).sum(axis=1).max() for matrix in (self._alone, self._coupling))
        self.range = 2.0 * float(sum(sizes))

    @classmethod
    def of(cls, system: SuperBlock, temperature: float, wavevector: ArrayLike | None, volume: float) -> Expansion:
        """Make the matrices, or raise a MemoryError if they do not fit."""
        combinations, mixing = products(system.interaction.components, "isotropic")
        cls.require_memory(system)
        return cls(Question(system, temperature, 1, combinations, waves(system, wavevector)), mixing, volume)

    @staticmethod
    def require_memory(system: SuperBlock, workers: int = 1) -> None:
        """Raise a MemoryError if the matrices of so many diagonalisations at once do not fit."""
        needed = matrices_size(system.dimension, system.dtype.itemsize) * workers
        free = available_memory()
        if needed > free:
            what = "all levels" if workers == 1 else f"all levels of {workers} super blocks at once"
            fitting = system.dimension * (free / needed) ** 0.5
            raise MemoryError(
                f"{what} of {system.dimension:.4g} states needs {needed / 1e9:.3g} GB, "
                f"{free / 1e9:.3g} GB are available: {fitting:.0f} states would fit"
            )

    @np.errstate(all="ignore")  # of occupations, and far from all lines; what is not finite is refused
    def at(self, g: float, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return the susceptibility (c, k) with a factor of the couplings, at complex frequencies (k,)."""
        energies, columns = levels_of(self._alone + g * self._coupling)
        gaps, weights = self._lines(energies, np.ascontiguousarray(columns))
        scale = max(float(gaps.max(initial=0.0)), _FAR * units.HBAR * float(np.abs(z).max()))
        squares, result = (gaps / scale) ** 2, np.empty((len(weights), z.size), np.complex128)
        weights *= 2.0 * gaps / scale
        for number, u in enumerate((z * (units.HBAR / scale)) ** 2):
            # 1/(u - squares)
            real = u.real - squares
            shared = 1.0 / (real * real + u.imag * u.imag)
            result[:, number].imag = -u.imag * np.einsum("cn,n->c", weights, shared)
            real *= shared
            result[:, number].real = np.einsum("cn,n->c", weights, real)
        result *= self._question.unit / self._volume * (self._question.unit / scale)
        if not np.isfinite(result).all():
            raise ValueError("levels, coupling and omega make numbers beyond the range of doubles (1.8e308)")
        return result

    def _lines(self, energies: FloatArray, states: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
        """Return the gaps (n,) of pairs of levels, and what they weigh (c, n): p_m - p_n times |<n|A|m>|^2."""
        ratio, populations = occupations(energies, self._question.temperature)
        rows = np.flatnonzero(populations)  # of increasing levels: the first ones
        change = -np.expm1(ratio[rows, None] - ratio) * populations[rows, None]
        above = np.flatnonzero(np.arange(energies.size) > rows[:, None])
        bras, squares = states[:, rows].conj().T, np.zeros((len(self._mixing), above.size))
        for row, operator in self._operators:
            elements = (bras @ operator(states)).ravel()[above]
            square = elements.real**2 + elements.imag**2 if elements.dtype.kind == "c" else elements**2
            for component in np.flatnonzero(self._mixing[:, row]):
                squares[component] += self._mixing[component, row] * square
        gaps = (energies - energies[rows, None]).ravel()[above]
        squares *= change.ravel()[above]
        apart = slice(None) if gaps.all() else np.flatnonzero(gaps)
        return gaps[apart], squares[:, apart]


def matrices_size(dimension: float, itemsize: int) -> float:
    """Return the bytes that the matrices of one diagonalisation take."""
    return _MATRICES * itemsize * dimension**2
