"""First order in the coupling between blocks, from the blocks one by one: (3.7) as derived, and what it leaves out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast import units
from mbfast._core.validate import SMALLEST, FloatArray, plain_array, positive_number, require_bounded
from mbfast.spectra.thermal import check_kelvin, thermal_ratio
from mbfast.superblock.coupled import CoupledBlocks, check_coupled_blocks
from mbfast.superblock.response import waves

_SAME = 1e-12  # of a block's levels


class FirstOrder(NamedTuple):
    """Orders 0 and 1 of a susceptibility in the coupling of blocks, complex tensors (k, 6, 6), or (k, 3, 3), in Pa.

    Attributes
    ----------
    uncoupled : ndarray
        Of the blocks alone, each with what an external strain and its own images add to it.
    random_phase : ndarray
        That the stress that one block responds with strains another, which responds: (3.7) as derived.
    hartree : ndarray
        That each block has other levels and populations in the mean stress of its neighbours.
    """

    uncoupled: NDArray[np.complex128]
    random_phase: NDArray[np.complex128]
    hartree: NDArray[np.complex128]


@np.errstate(under="ignore")  # of occupations
def first_order(
    super_block: CoupledBlocks,
    omega: ArrayLike,
    temperature: float,
    *,
    volume: float,
    wavevector: ArrayLike | None = None,
) -> FirstOrder:
    r"""Susceptibility of a super block to first order in the coupling of its blocks.

    Parameters
    ----------
    super_block : SuperBlock or CoupledBlocks
        The blocks, or `mbfast.superblock.coupled.CoupledBlocks`: of them all, no state is made.
    omega : array_like, shape (k,)
        Complex frequencies (rad/s), with a positive imaginary part: omega + i broadening for Lorentzian lines.
    temperature : float
        T (K), zero allowed.
    volume : float
        Of the super block (m^3).
    wavevector : array_like, shape (3,), optional
        k (1/m); None: 0.

    Returns
    -------
    FirstOrder
        The first order is random_phase + hartree for the couplings as they are.

    Raises
    ------
    TypeError
        If super_block is none, omega does not consist of numbers, or temperature, volume or wavevector of real ones.
    ValueError
        If omega is not one-dimensional, finite and above the real axis, temperature is negative, volume not positive,
        or wavevector has not three finite numbers; at a temperature of zero if a block has two ground states.

    Notes
    -----
    With v_s(z) the response of one block, <T_s> its mean and Lambda g the coupling,

    .. math:: \frac{d\chi}{dg} = \frac{2}{V} \sum_{s\ne t} e^{-ik\cdot x_{st}}\, v_s : \Lambda_{st} : v_t +
              \frac{1}{V} \sum_s \partial_h v_s(z; H_s + h : T_s) \cdot 2\sum_{t\ne s} \Lambda_{st} : \langle T_t\rangle

    at g = 0, of which the part symmetric in both indices and even in k is taken. Populations follow h isothermally.
    The second part averages to zero over random signs of the stresses, but not for one super block.

    Examples
    --------
    >>> import mbfast
    >>> from mbfast.superblock.perturbation import first_order
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> block = mbfast.Block.two_level(0.0, 1e-24, [0, 0, 0, 0, 0, 1.6e-19])
    >>> pair = mbfast.SuperBlock(silica, [[0, 0, 0], [0, 0, 5e-9]], block)
    >>> orders = first_order(pair, [0j + 1e8j], 0.0, volume=2 * 5e-9**3)
    >>> print(f"{(orders.random_phase[0, 5, 5] / orders.uncoupled[0, 5, 5]).real:.3f} {abs(orders.hartree).max():.1f}")
    0.220 0.0
    """
    check_coupled_blocks(super_block)
    z = check_complex_frequencies(omega)
    kelvin = check_kelvin(temperature)
    box = positive_number("volume", volume, unit="m^3")
    factors = waves(super_block, wavevector)
    blocks = [
        _OneBlock(super_block.block_hamiltonian(s), super_block.block_stress(s), kelvin)
        for s in range(super_block.n_blocks)
    ]
    couplings = super_block.couplings.copy()
    couplings[np.diag_indices(len(blocks))] = 0.0  # of a block with its own images: that is in its Hamiltonian
    fields = 2.0 * np.einsum("stab,tb->sa", couplings, np.array([block.mean for block in blocks]))
    single = np.array([block.response(z) for block in blocks])
    hartree = np.array([block.response_change(z, field) for block, field in zip(blocks, fields, strict=True)]).sum(
        axis=0
    )
    paired = np.zeros_like(hartree)
    for factor in factors:
        wave = factor[:, None, None, None] * single
        paired += np.einsum("skad,skdb->kab", wave, 2.0 * np.einsum("stdc,tkcb->skdb", couplings, wave))
    uncoupled, paired, hartree = (0.5 / box * (x + x.swapaxes(1, 2)) for x in (single.sum(axis=0), paired, hartree))
    return FirstOrder(uncoupled, paired, hartree)


def check_complex_frequencies(omega: ArrayLike) -> NDArray[np.complex128]:
    """Return complex frequencies (k,) above the real axis, or raise a TypeError or a ValueError."""
    z = plain_array("omega", omega)
    if z.dtype.kind not in "iufc":
        raise TypeError(f"omega must consist of numbers, got dtype {z.dtype}")
    z = z.astype(np.complex128)
    if z.ndim != 1 or not z.size:
        raise ValueError(f"omega must have shape (k,) with k of 1 or more, got {z.shape}")
    require_bounded("omega", np.abs(z))
    if not (z.imag >= SMALLEST).all():
        raise ValueError(f"omega must have positive imaginary parts, from {SMALLEST:g} rad/s, got {z.imag.min():g}")
    return z


class _OneBlock:
    """A block: its levels, the matrices of its stress between them, and what they are on average."""

    def __init__(self, hamiltonian: NDArray[Any], stress: NDArray[Any], temperature: float) -> None:
        energies, states = np.linalg.eigh(hamiltonian)
        energies -= energies[0]
        self._stress = states.conj().T @ stress @ states
        self._gaps = energies[:, None] - energies
        same = np.abs(self._gaps) <= _SAME * energies[-1]
        if temperature == 0.0 and energies.size > 1 and same[0, 1]:
            raise ValueError("temperature must be positive, got 0: a block has two ground states")
        populations = np.exp(-thermal_ratio(energies / units.HBAR, np.array(temperature)))
        self._populations = populations / populations.sum()
        self.mean: FloatArray = np.einsum("amm,m->a", self._stress, self._populations).real
        # derivatives of populations, and of states times their differences, by energies
        self._beta = 1.0 / (units.K_B * temperature) if temperature else 0.0
        steps, lower = np.abs(np.where(same, 1.0, self._gaps)), np.maximum.outer(self._populations, self._populations)
        self._slopes = np.where(
            same, -self._beta * lower, -np.abs(np.subtract.outer(self._populations, self._populations)) / steps
        )

    def _driven(self, z: NDArray[np.complex128], source: NDArray[Any]) -> NDArray[np.complex128]:
        """Return X (k, b, d, d) with hbar z X = [H, X] + source."""
        result: NDArray[np.complex128] = source / (units.HBAR * z[:, None, None, None] - self._gaps)
        return result

    def response(self, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return d<T_a>/d(field of T_b) at complex frequencies (k, a, b)."""
        density = np.diag(self._populations)
        driven = self._driven(z, _commutator(self._stress, density))
        result: NDArray[np.complex128] = np.einsum("amn,kbnm->kab", self._stress, driven)
        return result

    def response_change(self, z: NDArray[np.complex128], field: FloatArray) -> NDArray[np.complex128]:
        """Return the derivative of the response (k, a, b) when the field times T is added to H, at one temperature."""
        added, density = np.tensordot(field, self._stress, axes=1), np.diag(self._populations)
        mean = field @ self.mean
        change = added * self._slopes + self._beta * mean * density
        driven = self._driven(z, _commutator(self._stress, density))
        second = self._driven(z, _commutator(added, driven) + _commutator(self._stress, change))
        result: NDArray[np.complex128] = np.einsum("amn,kbnm->kab", self._stress, second)
        return result


def _commutator(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    result: NDArray[Any] = a @ b - b @ a
    return result
