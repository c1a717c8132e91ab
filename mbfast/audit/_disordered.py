"""Section III: (3.7) summed to all orders of the random phases, over samples of blocks that differ."""

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from mbfast._core.validate import FloatArray
from mbfast._core.voigt import FULL, POLARIZATIONS, six
from mbfast.audit import _causes as causes
from mbfast.audit._claims import Claim, Claims, claims_of
from mbfast.audit._common import L_1, SILICA
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import StressInteraction
from mbfast.pairs.lattice import LatticeField
from mbfast.renormalization.disordered import Strain, disordered_response
from mbfast.spectra.moduli import Moduli, isotropic_tensor

MEAN = -0.1 * (1.0 + 0.3j)  # of chi_a/rho c_a^2; each block has that times a number of the exponential distribution
_INTERACTION = StressInteraction.of(SILICA)
_MODULI = np.array([SILICA.modulus_l, SILICA.modulus_t])
_STRAINS = np.array([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.5, 0.0, 0.0]])  # zz, and yz of a wave along z
_STRESSES = (2, 3)


class Row(NamedTuple):
    """Means and standard deviations over samples of N0^3 blocks, longitudinal and transverse."""

    n0: int
    samples: int
    mean: tuple[float, float]
    scatter: tuple[float, float]


# N0 and samples; per external strain means and scatter; to first order; per total strain means and scatter
_NUMBERS = (
    (4, 8, ((0.3958, 0.1962), (0.0334, 0.0169)), (0.3771, 0.1921), ((-0.4498, -0.5221), (0.0231, 0.0143))),
    (8, 8, ((0.4059, 0.2010), (0.0258, 0.0059)), (0.3707, 0.1783), ((-0.4208, -0.5015), (0.0146, 0.0054))),
    (16, 8, ((0.4005, 0.1894), (0.0091, 0.0083)), (0.3676, 0.1721), ((-0.4239, -0.5044), (0.0038, 0.0053))),
    (32, 8, ((0.3990, 0.1880), (0.0030, 0.0023)), (0.3667, 0.1703), ((-0.4247, -0.5048), (0.0016, 0.0013))),
    (64, 8, ((0.3975, 0.1876), (0.00067, 0.00072)), (0.3665, 0.1698), ((-0.4253, -0.5051), (0.00062, 0.00036))),
    (128, 4, ((0.3982, 0.1873), (0.00051, 0.00021)), (0.3664, 0.1696), ((-0.4252, -0.5054), (0.00045, 0.00016))),
)
# Per external strain, to first order, and per total strain: what `row` and `first_order` make. Benchmarks make them
# again, those of up to 8 blocks along a side tests as well.
RECORDED = tuple(
    (Row(n0, samples, *external), first, Row(n0, samples, *total)) for n0, samples, external, first, total in _NUMBERS
)


def _cubes(n0: int) -> BlockLattice:
    return BlockLattice((n0, n0, n0), L_1, averaged=True)


def _wave(n0: int) -> FloatArray:
    """One wavelength along z."""
    return np.array([0.0, 0.0, 2.0 * math.pi / (n0 * L_1)])


def row(n0: int, samples: int, strain: Strain) -> Row:
    """Return -delta chi_a rho c_a^2/chi_a^2, chi_a the blocks' mean, which (3.7) as printed has as ln N0.

    Per external strain the samples are open, per total strain periodic; the random numbers are those of the seed n0.
    """
    rng, found = np.random.default_rng(n0), np.empty((samples, 2))
    for sample in found:
        factors = rng.exponential(size=(n0, n0, n0))
        made = disordered_response(
            _INTERACTION, _cubes(n0), Moduli(*(MEAN * modulus * factors for modulus in _MODULI)), wavevector=_wave(n0),
            strain=strain, applied=_STRAINS, boundary="open" if strain == "external" else "periodic", rtol=1e-6,
        )  # fmt: skip
        mean = MEAN * _MODULI * factors.mean()
        sample[:] = np.real((mean - made.stress[range(2), _STRESSES]) * _MODULI / mean**2)
    (l, t), (of_l, of_t) = found.mean(axis=0), found.std(axis=0, ddof=1)  # noqa: E741
    return Row(n0, samples, (float(l), float(t)), (float(of_l), float(of_t)))


@cache
def first_order(n0: int) -> tuple[float, float]:
    """Return the same of equal blocks per external strain, to first order in Lambda: (3.7) as derived, of cubes."""
    phases = np.exp(1j * _wave(n0)[2] * L_1 * np.arange(n0))
    field = LatticeField(_INTERACTION, _cubes(n0))
    tensor = isotropic_tensor(*_MODULI)
    found = []
    for strain, modulus in zip(_STRAINS, _MODULI, strict=True):
        stress, total = six(np.einsum("ijkl,kl->ij", tensor, strain[FULL])), 0.0
        for wave in (phases.real, phases.imag):
            moments = np.ascontiguousarray(np.broadcast_to(wave[:, None] * stress, (n0, n0, n0, 6)))
            total += 2.0 * L_1**3 * field.energy(moments)
        found.append(-total / n0**3 / modulus)
    return float(found[0]), float(found[1])


@claims_of("3.7")
def _samples() -> Claims:
    sides = (4, 8, 16)
    for strain in ("external", "total"):
        rows = [row(n0, 4, strain) for n0 in sides]
        for a, polarization in enumerate(POLARIZATIONS):
            listed = ", ".join(f"{r.mean[a]:.3f} ± {r.scatter[a]:.3f}" for r in rows)
            derived = ", ".join(f"{first_order(n0)[a]:.3f}" for n0 in sides)
            beside = f"; to first order, of equal blocks, {derived}" if strain == "external" else ""
            external, _, total = RECORDED[-1]
            largest = external if strain == "external" else total
            recorded = f"for {largest.n0} {largest.mean[a]:.4f} ± {largest.scatter[a]:.5f} is recorded"
            note = f"-δχ ρc²/χ² for N0 = 4, 8, 16 is {listed}{beside}; {recorded}; printed: ln N0"
            quantity = f"growth of all orders in random samples per {strain} strain, N0 = 4 to 16, {polarization}"
            growth = rows[-1].mean[a] / rows[0].mean[a]
            test = "tests/test_disordered.py::test_random_samples_do_not_grow_as_a_logarithm"
            id_ = f"eq3.7.samples.{strain}.{polarization[0]}"
            yield Claim(id_, quantity, "2.00", growth, note, causes.LOGARITHM, test=test)
