"""Section III: the brackets and sums over blocks of (3.5), and what (3.7) adds up to."""

import math
from functools import cache

import numpy as np

from mbfast._core.voigt import POLARIZATIONS
from mbfast.audit import _causes as causes
from mbfast.audit._claims import Claim, Claims, claims_of
from mbfast.audit._common import DELTA, L_1, OMEGA, OMEGA_C, SILICA, deviation
from mbfast.audit._response import LAMBDA, energy_of_wave
from mbfast.pairs.angular import angular_coefficients
from mbfast.pairs.averages import lattice_sum, phase_sum
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.rates import AbsorptionRates, absorption_rates
from mbfast.spectra.spectrum import Spectrum

NODES = np.geomspace(1e5, OMEGA_C, 128)


@cache
def smooth() -> Spectrum:
    """Return spectra of which nothing jumps, l and t of different shape, at 1 K."""
    x = NODES / 3e13
    return Spectrum(NODES, -4e7 * x**0.02 / (1 + x * x), -3e7 * x**0.05 / (1 + x) ** 2, 1.0, above="power")


def constant_rates(
    material: StressInteraction, of_l: float, of_t: float, kelvin: float, n0: float = 2.0, dielectric: float = 0.0
) -> AbsorptionRates:
    """Return the printed terms at L_1 of Im chi~_l, Im chi~_t and Im chi~/epsilon that are constant up to omega_c."""
    long, across, electric = (np.full(NODES.size, value) for value in (of_l, of_t, dielectric))
    spectrum = Spectrum(NODES, long, across, kelvin)
    return absorption_rates(spectrum, material, L_1, n0, at=[OMEGA], dielectric=electric, permittivity=1.0)


# (3.5): prefactor (1 - e^-βħω) A²k²N0³ lnN0/(40π³(ρc_t²)²) times a bracket. The golden rule gives, with S_6 in place
# of lnN0, (4/π)/(8π)² P_a = (1/16π³) P_a, and P_a = (6/5) bracket for Λ of (2.15).
_POWERS = {"c0": "α^0", "c1": "α^1", "c2": "α^2", "d0": "α^0 x", "d1": "α^1 x", "d2": "α^2 x"}
_BRACKETS = (("55", "176", "688", "44", "176", "176"), ("35", "112", "656", "28", "112", "112"))


def _cube(n: int) -> BlockLattice:
    return BlockLattice((n, n, n), 1.0)


@claims_of("3.5")
def _second_term() -> Claims:
    for polarization, bracket in zip(POLARIZATIONS, _BRACKETS, strict=True):
        corrected = angular_coefficients("corrected", polarization)
        original = angular_coefficients("joffrin-levelut", polarization)
        for (key, power), printed in zip(_POWERS.items(), bracket, strict=True):
            p, q = int(key[1]), int(key[0] == "d")
            ours = corrected[p][q] * 5 / 6
            note = f"from Λ of (2.15); half of Joffrin and Levelut's (A1) gives {original[p][q] * 5 / 24}"
            id_, quantity = f"eq3.5.{polarization[0]}.{key}", f"bracket, {polarization}: {power}"
            yield Claim(id_, quantity, printed, float(ours), note if ours != int(printed) else "", causes.BRACKETS)
    factor = 40 * math.pi**3 * (4 / math.pi) / (8 * math.pi) ** 2 * 6 / 5
    note = (
        "golden rule with uncorrelated blocks, and S_6 = Σ(L/x)⁶ per block in place of ln N0; half of Joffrin and "
        "Levelut's Λ, which gives the printed brackets, leaves this factor, too"
    )
    yield Claim("eq3.5.prefactor", "40π³ times the factor of the bracket", "1", factor, note, causes.FACTOR_3_5)
    growth = lattice_sum(_cube(64), 6) / lattice_sum(_cube(8), 6)
    note = (
        "printed: ln 64/ln 8; the summand falls as x^-6, so the sum converges: of points on a cubic lattice to 8.4019, "
        "71 % of it from the six neighbours across faces"
    )
    test = "tests/test_lattice_sums.py::test_lattice_sums_converge_to_the_known_ones"
    quantity = "growth of the sum over blocks, N0 = 8 to 64"
    yield Claim("eq3.5.growth", quantity, "2.00", growth, note, causes.LOGARITHM, test=test)


@claims_of("3.6")
def _third_term() -> Claims:
    sizes = np.array([1.0, 2.0]) * L_1
    rates = absorption_rates(smooth(), StressInteraction.of(SILICA), sizes, 2.0, at=[1e9])
    volumes = (2.0 * sizes[:, None]) ** 3
    powers = [np.log2(np.divide(*(part / volumes)[::-1])) for term in (rates.second, rates.third) for part in term]
    note = "the same power in both, as said; K_l, K_t of order one are assumed"
    yield Claim("eq3.6", "power of L by which ε(2), ε(3) per volume scale", "-3", np.mean(powers), note)


def _fourier() -> float:
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
    return deviation(np.array(found), -(np.array([1.7, 1.0]) ** 2) / moduli)


@claims_of("3.7")
def _interaction_term() -> Claims:
    for polarization in POLARIZATIONS:
        long, fitting = (
            [-phase_sum(LAMBDA, _cube(n), [0.0, 0.0, k / n], polarization) for n in (8, 16, 32, 64)]
            for k in (1e-6, 2 * math.pi)
        )
        listed = [", ".join(f"{value:.3f}" for value in values) for values in (long, fitting)]
        note = (
            f"Σ Λ̃ êê/x³ for N0 = 8, 16, 32, 64 is {listed[0]} for waves longer than the cube, {listed[1]} for one as "
            "long: not as ln N0, but bounded, as Λ averages to zero over directions"
        )
        quantity = f"growth of the sum over blocks, N0 = 8 to 64, {polarization}"
        yield Claim(f"eq3.7.growth.{polarization[0]}", quantity, "2.00", long[-1] / long[0], note, causes.LOGARITHM)
    for polarization in POLARIZATIONS:
        growth = energy_of_wave(polarization, 64) / energy_of_wave(polarization, 8)
        note = "of cubes in periodic boxes, their own fields in it: 1/ρc_a² for each N0, the Fourier transform of Λ"
        quantity = f"growth of the sum over blocks and images, waves that fit, N0 = 8 to 64, {polarization}"
        test = "tests/test_periodic.py::test_laminates_of_cubes"
        yield Claim(f"eq3.7.periodic.{polarization[0]}", quantity, "2.00", growth, note, causes.LOGARITHM, test=test)
    note = "δχ_a = -χ_a²/ρc_a² of waves shorter than the sample, a block's own field in it"
    yield Claim("eq3.7", "1/ρc_a² from the Fourier transform of Λ", None, _fourier(), note)
    ratio, alpha = SILICA.c_l**2 / SILICA.c_t**2, StressInteraction.of(SILICA).alpha
    # of longitudinal waves with chi_l/chi_t = c_l^2/c_t^2
    totals = (8 / 3 * (1 - alpha) * (ratio - 2) + 8 / 3 - 16 / 5 * alpha) / ratio, (5 + 4 * alpha) / 15
    note = (
        "every pair of blocks counted; with a block's own field 1, the Fourier transform of Λ, which averages to zero "
        "over directions; the steps of a derived flow add up to it for any N0, whole or not; the printed form adds "
        "ln N0 at every step, ln(R/L_1) = 12.2 in all"
    )
    test = "tests/test_flow.py::test_linear_derived_flows_add_up_to_all_pairs_for_any_n0"
    for polarization, total in zip(POLARIZATIONS, totals, strict=True):
        quantity = f"-δχ ρc²/χ² by the interaction at all scales, a-SiO2, {polarization}"
        yield Claim(f"eq3.7.total.{polarization[0]}", quantity, "~20", total, note, causes.LOGARITHM, test=test)
