"""Section IV: the flow from blocks to a sample, the estimates (4.3) and (4.4), and the self-consistent ratio (4.5)."""

import math

import numpy as np

from mbfast import units
from mbfast._core.validate import FloatArray
from mbfast.audit import _causes as causes
from mbfast.audit._absorption import NODES, constant_rates, smooth
from mbfast.audit._claims import Claim, Claims, claims_of
from mbfast.audit._common import GLASSES, L_1, OMEGA, OMEGA_C, PREDICTED, SILICA, R, deviation
from mbfast.cutoffs import cutoff_length
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.flow import flow
from mbfast.renormalization.rates import AbsorptionRates, absorption_rates
from mbfast.spectra.convolution import convolve
from mbfast.spectra.dispersion import kramers_kronig
from mbfast.spectra.spectrum import Spectrum
from mbfast.spectra.two_level import ttls_susceptibility

_MATERIAL = StressInteraction.of(SILICA)
_STRENGTH = 2.76e-4  # n_0 M^2/rho c^2 of section V, the tunnelling strength C


def _rates(kelvin: float, n0: float = 2.0) -> AbsorptionRates:
    """Return the printed terms for Im chi~ = -pi C rho c^2 up to omega_c, with C = n_0 M^2/rho c^2 of section V."""
    of_l, of_t = (-math.pi * _STRENGTH * modulus for modulus in (SILICA.modulus_l, SILICA.modulus_t))
    return constant_rates(_MATERIAL, of_l, of_t, kelvin, n0)


@claims_of("4.2")
def _all_steps() -> Claims:
    note = f"20 would need R = {L_1 * math.exp(20):.1f} m; log_2(R/L_1) is {math.log2(R / L_1):.1f}"
    yield Claim("rg.log_scale", "ln(R/L_1), R = 1 mm, L_1 = 50 Å", "~20", math.log(R / L_1), note, causes.LOG_SCALE)
    added = [_rates(0.0, n0).interaction.transverse[0] / n0**3 / math.log(n0) for n0 in (2.0, 8.0)]
    runs = [flow(smooth(), _MATERIAL, start=L_1, stop=R, n0=n0, form="printed") for n0 in (2.0, 8.0)]
    worst = float(np.max(np.abs(runs[0].final.transverse / runs[1].final.transverse - 1)))
    note = f"ε(2) + ε(3), negligible, are as ln N0/(1 - N0^-3); where v follows χ̃, Im χ̃(R) differs by up to {worst:.1e}"
    yield Claim("eq4.2.n0", "v log_N0(R/L_1), N0 = 2 over N0 = 8", "1", added[0] / added[1], note)
    rates, quantity = _rates(0.0), "v log_N0(R/L_1)/ε(L_1), a-SiO2, 1e7 rad/s"
    ratio = float(rates.interaction.transverse[0] / rates.first.transverse[0]) * math.log(R / L_1) / math.log(2.0)
    response = (ttls_susceptibility(OMEGA, kelvin, _STRENGTH, 1.0, OMEGA_C).real for kelvin in (0.1, 1.0))
    grown = " and ".join(f"{2.0 * math.log(R / L_1) * abs(real):.2f}" for real in response)
    note = (
        "2 ln(R/L_1)|Re χ̃|/ρc², with Im χ̃ = -π·2.76e-4 ρc² (section V) up to ω_c = 1e15 rad/s at any T; with Re χ, the "
        f"response's own real part, {grown} at 0.1 and 1 K; the estimate leaves out |Re χ̃|/ρc²"
    )
    yield Claim("eq4.2.dominance", quantity, "~20", ratio, note, causes.RE_CHI)


@claims_of("4.3")
def _estimate() -> Claims:
    nodes, ones = np.geomspace(1e5, OMEGA_C, 1024), np.ones(1024)
    real = float(kramers_kronig(nodes, ones, at=[OMEGA]).value[0])
    logarithm = 0.5 * math.pi * real / math.log(OMEGA_C / OMEGA)
    quantity = "∫ΩdΩ/(Ω² - ω²) in units of ln(ω_c/ω), 1e7, 1e15 rad/s"
    note = "Im χ̃ constant to ω_c; Re χ̃ itself is 2/π of it, which (4.3) leaves out"
    yield Claim("eq4.3.logarithm", quantity, "1", logarithm, note)
    for kelvin in (1.0, 1e4):
        value = float(convolve(nodes, ones, at=[OMEGA], temperature=kelvin).value[0]) / OMEGA_C
        thermal = 2.0 * units.K_B * kelvin / units.HBAR / OMEGA_C
        quantity = f"∫Im χ̃ Im χ̃ dΩ in units of (Im χ̃)² ω_c, ω = 1e7, ω_c = 1e15 rad/s, T = {kelvin:g} K"
        note = (
            f"it is (ω + 2k_BT/ħ)(Im χ̃)² below ω_c, {OMEGA / OMEGA_C:.0e} at T = 0, and at most 2ω_c(Im χ̃)²; "
            f"here 2k_BT/ħω_c = {thermal:.2g}"
        )
        yield Claim(f"eq4.3.integral.{kelvin:g}K", quantity, "~1", value, note, causes.INTEGRAL)
    rates = _rates(1.0)
    estimate = units.HBAR * OMEGA_C / math.log(OMEGA_C / OMEGA) / (SILICA.modulus_t * L_1**3)
    value = float(rates.second.transverse[0] / rates.interaction.transverse[0]) / estimate
    quantity, note = "ε(2)/v at L_1 in units of the estimate, 1e7 rad/s, 1 K", "the integral is far below ω_c (Im χ̃)²"
    yield Claim("eq4.3", quantity, "~1", value, note, causes.INTEGRAL)


@claims_of("4.4")
def _cutoff() -> Claims:
    kelvin = units.HBAR * OMEGA_C / units.K_B
    yield Claim("cutoff.temperature", "ħω_c/k_B, ω_c = 1e15 rad/s", "~1e4", kelvin, "an order of magnitude", unit="K")
    logarithm = math.log(OMEGA_C / OMEGA)
    needed = units.HBAR * OMEGA_C / logarithm / (1.7 * units.ANGSTROM) ** 3
    glasses = [glass for glass in GLASSES if glass.density is not None]
    lengths = [float(cutoff_length(glass.modulus_t, OMEGA, OMEGA_C)) / units.ANGSTROM for glass in glasses]
    listed = ", ".join(f"{glass.name} {length:.2f}" for glass, length in zip(glasses, lengths, strict=True))
    cold, hot = (float(_rates(kelvin).cutoff_length.transverse[0]) / units.ANGSTROM for kelvin in (1.0, 1e4))
    note = (
        f"by ρc_t² (Å): {listed}; 1.7 needs {needed / 1e9:.2f} GPa. The bound stands: all are far below 50 Å, and the "
        f"printed terms are equal at {cold:.2g} Å (a-SiO2, 1 K), {hot:.2g} Å at 1e4 K, the temperature of ω_c; the "
        "derived v of waves longer than the super block nearly vanishes, though"
    )
    quantity = "L_c, the largest of glasses of known density, ω = 1e7, ω_c = 1e15 rad/s"
    yield Claim("cutoff.stress", quantity, "~1.7", max(lengths), note, causes.STRESS_LENGTH, "Å")


def _of_rates() -> FloatArray:
    """Return the ratio of v_l and v_t of each glass, for spectra in the ratio c_l^2/c_t^2."""
    nodes, found = np.geomspace(1e7, OMEGA_C, 16), []
    for glass in GLASSES:
        of_t = -1e7 / (1 + (nodes / 3e13) ** 2)
        spectrum = Spectrum(nodes, (glass.c_l / glass.c_t) ** 2 * of_t, of_t, above="power")
        rates = absorption_rates(spectrum, StressInteraction(2500.0, glass.c_l, glass.c_t), L_1, 2.0, at=[1e9])
        found.append(math.sqrt(rates.interaction.longitudinal[0] / rates.interaction.transverse[0]))
    return np.array(found)


@claims_of("4.5")
def _self_consistent() -> Claims:
    note = "c_l/c_t of all 13 glasses; the flow keeps this ratio, and leaves it from any other"
    quantity = "c_l/c_t from the solution of the printed equation"
    yield Claim("eq4.5", quantity, None, deviation(_of_rates(), PREDICTED), note)
    of_t = smooth().transverse
    spectrum = Spectrum(NODES, (0.8 * SILICA.c_l / SILICA.c_t) ** 2 * of_t, of_t, 1.0, above="power")
    node = int(np.argmin(np.abs(NODES - OMEGA)))
    ratio = float(flow(spectrum, _MATERIAL, start=L_1, stop=R).ratio[-1, node]) * SILICA.c_t / SILICA.c_l
    quantity = "sqrt(Im χ̃_l/Im χ̃_t) c_t/c_l at 1 mm, a-SiO2, from 0.8 at 50 Å, 1e7 rad/s"
    note = "the flow moves away from c_l/c_t, which it only keeps; where Re χ̃ > 0, above what absorbs, it comes nearer"
    yield Claim("eq4.5.flow", quantity, "1.00", ratio, note, causes.REPELS)
