"""Section III: the brackets and sums over blocks of (3.5), and what (3.7) adds up to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np

from mbfast._core.voigt import POLARIZATIONS, Polarization
from mbfast.audit import _causes as causes
from mbfast.audit._claims import Computed, claim
from mbfast.audit._common import DELTA, L_1, OMEGA_C, SILICA, deviation
from mbfast.audit._response import LAMBDA
from mbfast.pairs.angular import angular_coefficients
from mbfast.pairs.averages import lattice_sum, phase_sum
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.rates import absorption_rates
from mbfast.spectra.spectrum import Spectrum

NODES = np.geomspace(1e5, OMEGA_C, 128)


@cache
def smooth() -> Spectrum:
    """Return spectra of which nothing jumps, l and t of different shape, at 1 K."""
    x = NODES / 3e13
    return Spectrum(NODES, -4e7 * x**0.02 / (1 + x * x), -3e7 * x**0.05 / (1 + x) ** 2, 1.0, above="power")


# (3.5): prefactor (1 - e^-βħω) A²k²N0³ lnN0/(40π³(ρc_t²)²) times a bracket. The golden rule gives, with S_6 in place
# of lnN0, (4/π)/(8π)² P_a = (1/16π³) P_a, and P_a = (6/5) bracket for Λ of (2.15).
_BRACKETS = {
    "longitudinal": {"c0": "55", "c1": "176", "c2": "688", "d0": "44", "d1": "176", "d2": "176"},
    "transverse": {"c0": "35", "c1": "112", "c2": "656", "d0": "28", "d1": "112", "d2": "112"},
}
_BY_POLARIZATION = tuple({"polarization": polarization, "p": polarization[0]} for polarization in POLARIZATIONS)


def _brackets() -> Iterator[dict[str, object]]:
    for polarization, numbers in _BRACKETS.items():
        for key, printed in numbers.items():
            power = f"α^{key[1]}" + (" x" if key[0] == "d" else "")
            yield {"polarization": polarization, "p": polarization[0], "key": key, "power": power, "printed": printed}


@claim("eq3.5.{p}.{key}", "3.5", "bracket, {polarization}: {power}", cause=causes.BRACKETS, over=_brackets())
def _bracket(polarization: Polarization, key: str) -> Computed:
    p, q = int(key[1]), int(key[0] == "d")
    ours = angular_coefficients("corrected", polarization)[p][q] * 5 / 6
    theirs = angular_coefficients("joffrin-levelut", polarization)[p][q] * 5 / 24
    note = f"from Λ of (2.15); half of Joffrin and Levelut's (A1), which the appendix corrects, gives {theirs}"
    return Computed(float(ours), note if ours != int(_BRACKETS[polarization][key]) else "")


@claim("eq3.5.prefactor", "3.5", "40π³ times the factor of the bracket", printed="1", cause=causes.FACTOR_3_5)
def _bracket_prefactor() -> Computed:
    ours = 40 * math.pi**3 * (4 / math.pi) / (8 * math.pi) ** 2 * 6 / 5
    return Computed(ours, "golden rule with uncorrelated blocks, and S_6 = Σ(L/x)⁶ per block in place of ln N0")


@cache
def _cube(n: int) -> BlockLattice:
    return BlockLattice((n, n, n), 1.0)


@claim(
    "eq3.5.growth",
    "3.5",
    "growth of the sum over blocks, N0 = 8 to 64",
    printed="2.00",
    cause=causes.LOGARITHM,
    test="tests/test_lattice_sums.py::test_lattice_sums_converge_to_the_known_ones",
)
def _growth_of_coupling() -> Computed:
    note = "printed: ln 64/ln 8; the summand falls as x^-6, so the sum converges, to 8.4019 for the cubic lattice"
    return Computed(lattice_sum(_cube(64), 6) / lattice_sum(_cube(8), 6), note)


@claim("eq3.6", "3.6", "power of L by which ε(2), ε(3) per volume scale", printed="-3")
def _power() -> Computed:
    sizes = np.array([1.0, 2.0]) * L_1
    rates = absorption_rates(smooth(), StressInteraction.of(SILICA), sizes, 2.0, at=[1e9])
    volumes = (2.0 * sizes[:, None]) ** 3
    powers = [np.log2(np.divide(*(part / volumes)[::-1])) for term in (rates.second, rates.third) for part in term]
    return Computed(float(np.mean(powers)), "the same power in both, as said; K_l, K_t of order one are assumed")


@claim(
    "eq3.7.growth.{p}",
    "3.7",
    "growth of the sum over blocks, N0 = 8 to 64, {polarization}",
    printed="2.00",
    cause=causes.LOGARITHM,
    over=_BY_POLARIZATION,
)
def _growth_of_phase(polarization: Polarization) -> Computed:
    long, fitting = (
        [-phase_sum(LAMBDA, _cube(n), [0.0, 0.0, k / n], polarization) for n in (8, 16, 32, 64)]
        for k in (1e-6, 2 * math.pi)
    )
    listed = [", ".join(f"{value:.3f}" for value in values) for values in (long, fitting)]
    note = (
        f"printed: ln 64/ln 8; Σ Λ̃ êê/x³ for N0 = 8, 16, 32, 64 is {listed[0]} for waves longer than the cube, "
        f"{listed[1]} for one as long: bounded, as Λ averages to zero over directions"
    )
    return Computed(long[-1] / long[0], note)


@claim("eq3.7", "3.7", "1/ρc_a² from the Fourier transform of Λ")
def _fourier() -> Computed:
    """Compare 1/rho c_a^2 of (3.7) with Lambda's Fourier transform, -1/2 k_j k_l times the inverse of Christoffel's."""
    k, moduli = np.array([0.48, -0.6, 0.64]), np.array([SILICA.modulus_l, SILICA.modulus_t])
    across = np.linalg.svd(k[None])[2][1]
    acoustic = moduli[0] * np.outer(k, k) + moduli[1] * (DELTA - np.outer(k, k))
    green = np.linalg.inv(acoustic)
    found = []
    for u in (k, across):
        # the stress (chi_l - 2 chi_t) tr e + 2 chi_t e acts on the wave as chi_a u does
        source = np.array([1.7 - 2.0, 2.0])  # chi_l = 1.7, chi_t = 1
        strain = 0.5 * (np.outer(k, u) + np.outer(u, k))
        force = (source[0] * np.trace(strain) * DELTA + source[1] * strain) @ k
        found.append(2.0 * -0.5 * force @ green @ force)
    note = "δχ_a = -χ_a²/ρc_a² of waves shorter than the sample, a block's own field in it"
    return Computed(deviation(np.array(found), -(np.array([1.7, 1.0]) ** 2) / moduli), note)


@claim(
    "eq3.7.total.{p}",
    "3.7",
    "-δχ ρc²/χ² by the interaction at all scales, a-SiO2, {polarization}",
    printed="~20",
    cause=causes.LOGARITHM,
    test="tests/test_flow.py::test_sum_over_all_pairs_is_bounded",
    over=_BY_POLARIZATION,
)
def _all_scales(polarization: Polarization) -> Computed:
    ratio, alpha = SILICA.c_l**2 / SILICA.c_t**2, StressInteraction.of(SILICA).alpha
    value = (5 + 4 * alpha) / 15
    if polarization == "longitudinal":  # with chi_l/chi_t = c_l^2/c_t^2
        value = (8 / 3 * (1 - alpha) * (ratio - 2) + 8 / 3 - 16 / 5 * alpha) / ratio
    note = (
        "every pair of blocks counted: bounded, as Λ averages to zero over directions; with a block's own field 1, "
        "the Fourier transform; the printed form adds ln N0 at every step, ln(R/L_1) = 12.2 in all"
    )
    return Computed(value, note)
