"""Section IV: the flow from blocks to a sample, the estimates (4.3) and (4.4), and the self-consistent ratio (4.5)."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from mbfast import units
from mbfast._core.validate import FloatArray
from mbfast.audit import _causes as causes
from mbfast.audit._absorption import NODES, smooth
from mbfast.audit._claims import Computed, claim
from mbfast.audit._common import EXCLUDED, GLASSES, L_1, OMEGA, OMEGA_C, SILICA, R, deviation
from mbfast.cutoffs import cutoff_length
from mbfast.glasses import Glass
from mbfast.meissner_berret import fit_through_origin, meissner_berret_ratio
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.flow import flow
from mbfast.renormalization.rates import AbsorptionRates, absorption_rates
from mbfast.renormalization.ratio import RatioForm, self_consistent_ratio
from mbfast.spectra.convolution import convolve
from mbfast.spectra.dispersion import kramers_kronig
from mbfast.spectra.spectrum import Spectrum

_MATERIAL = StressInteraction.of(SILICA)
_STRENGTH = 2.76e-4  # n_0 M^2/rho c^2 of silica, section V
_LOG_NODES = np.geomspace(1e5, OMEGA_C, 1024)


@claim("rg.log_scale", "4.2", "ln(R/L_1), R = 1 mm, L_1 = 50 Å", printed="~20", cause=causes.LOG_SCALE)
def _log_scale() -> Computed:
    note = f"20 would need R = {L_1 * math.exp(20):.1f} m; log_2(R/L_1) is {math.log2(R / L_1):.1f}"
    return Computed(math.log(R / L_1), note)


@cache
def _rates(kelvin: float, n0: float = 2.0) -> AbsorptionRates:
    """Return the printed terms for Im chi~ = -pi C rho c^2 up to omega_c, as the estimates of section IV have it."""
    of_l, of_t = (np.full(NODES.size, -math.pi * _STRENGTH * m) for m in (SILICA.modulus_l, SILICA.modulus_t))
    return absorption_rates(Spectrum(NODES, of_l, of_t, kelvin), _MATERIAL, L_1, n0, form="printed", at=[OMEGA])


@claim("eq4.2.n0", "4.2", "v log_N0(R/L_1), N0 = 2 over N0 = 8", printed="1")
def _of_n0() -> Computed:
    added = [_rates(0.0, n0).interaction.transverse[0] / n0**3 / math.log(n0) for n0 in (2.0, 8.0)]
    runs = [flow(smooth(), _MATERIAL, start=L_1, stop=R, n0=n0, form="printed") for n0 in (2.0, 8.0)]
    worst = float(np.max(np.abs(runs[0].final.transverse / runs[1].final.transverse - 1)))
    note = f"ε(2) + ε(3), negligible, are as ln N0/(1 - N0^-3); where v follows χ̃, Im χ̃(R) differs by up to {worst:.1e}"
    return Computed(float(added[0] / added[1]), note)


@claim("eq4.2.dominance", "4.2", "v log_N0(R/L_1)/ε(L_1), a-SiO2, 1e7 rad/s", printed="~20", cause=causes.RE_CHI)
def _dominance() -> Computed:
    rates = _rates(0.0)
    ratio = float(rates.interaction.transverse[0] / rates.first.transverse[0]) * math.log(R / L_1) / math.log(2.0)
    note = (
        "2 ln(R/L_1)|Re χ̃|/ρc², with Im χ̃ = -π·2.76e-4 ρc² (section V); the printed estimate leaves out |Re χ̃|/ρc²: "
        "what (4.5) neglects is the larger term"
    )
    return Computed(ratio, note)


@claim("eq4.3.logarithm", "4.3", "∫ΩdΩ/(Ω² - ω²) in units of ln(ω_c/ω), 1e7, 1e15 rad/s", printed="1")
def _logarithm() -> Computed:
    real = float(kramers_kronig(_LOG_NODES, np.ones(1024), at=[OMEGA]).value[0])
    note = "Im χ̃ constant to ω_c; Re χ̃ itself is 2/π of it, which (4.3) leaves out"
    return Computed(0.5 * math.pi * real / math.log(OMEGA_C / OMEGA), note)


@claim(
    "eq4.3.integral.{kelvin:g}K",
    "4.3",
    "∫Im χ̃ Im χ̃ dΩ in units of (Im χ̃)² ω_c, ω = 1e7, ω_c = 1e15 rad/s, T = {kelvin:g} K",
    printed="~1",
    cause=causes.INTEGRAL,
    over=tuple({"kelvin": kelvin} for kelvin in (0.0, 1.0, 1e4, 1e6)),
)
def _integral(kelvin: float) -> Computed:
    value = float(convolve(_LOG_NODES, np.ones(1024), at=[OMEGA], temperature=kelvin).value[0])
    thermal = 2.0 * units.K_B * kelvin / units.HBAR
    note = (
        f"it is (ω + 2k_BT/ħ)(Im χ̃)² below ω_c, here 2k_BT/ħω_c = {thermal / OMEGA_C:.2g}, and at most 2ω_c: "
        "the estimate holds for k_BT ~ ħω_c"
    )
    if kelvin == 0.0:
        note = "it is ω (Im χ̃)²: at T = 0 the estimate holds for ω near ω_c alone"
    return Computed(value / OMEGA_C, note)


@claim("eq4.3", "4.3", "ε(2)/v at L_1 in units of the estimate, 1e7 rad/s, 1 K", printed="~1", cause=causes.INTEGRAL)
def _irrelevant() -> Computed:
    rates = _rates(1.0)
    estimate = units.HBAR * OMEGA_C / math.log(OMEGA_C / OMEGA) / (SILICA.modulus_t * L_1**3)
    note = "the integral is (ω + 2k_BT/ħ)(Im χ̃)², not ω_c (Im χ̃)²: ε(2) is smaller still, as the argument needs"
    return Computed(float(rates.second.transverse[0] / rates.interaction.transverse[0]) / estimate, note)


@claim("cutoff.temperature", "4.4", "ħω_c/k_B, ω_c = 1e15 rad/s", printed="~1e4", unit="K")
def _temperature() -> Computed:
    return Computed(units.HBAR * OMEGA_C / units.K_B, "an order of magnitude")


@claim(
    "cutoff.stress.{glass.name}",
    "4.4",
    "L_c, {glass.name}, ω = 1e7, ω_c = 1e15 rad/s",
    printed="~1.7",
    unit="Å",
    cause=causes.STRESS_LENGTH,
    over=tuple({"glass": glass} for glass in GLASSES if glass.density is not None),
)
def _stress_cutoff(glass: Glass) -> Computed:
    longitudinal, transverse = (
        float(cutoff_length(modulus, OMEGA, OMEGA_C)) / units.ANGSTROM for modulus in (glass.modulus_l, glass.modulus_t)
    )
    logarithm = math.log(OMEGA_C / OMEGA)
    needed = units.HBAR * OMEGA_C / logarithm / (1.7 * units.ANGSTROM) ** 3
    note = (
        f"ρc_t² = {glass.modulus_t / 1e9:.1f} GPa (ρc_l²: {longitudinal:.2f} Å); 1.7 Å needs {needed / 1e9:.2f} GPa; "
        f"without the logarithm {transverse * logarithm ** (1 / 3):.2f} Å; the upper limit it is called, and < 50 Å"
    )
    return Computed(transverse, note)


@claim(
    "eq4.4",
    "4.4",
    "L_c at which ε(2) + ε(3) = v, a-SiO2, 1e7 rad/s, 1 K",
    printed="~1.7",
    unit="Å",
    cause=causes.LENGTH_OF_TERMS,
)
def _length() -> Computed:
    cold, hot = (float(_rates(kelvin).cutoff_length.transverse[0]) / units.ANGSTROM for kelvin in (1.0, 1e4))
    note = (
        f"from the printed terms; {hot:.2g} Å at 1e4 K, the temperature of ω_c: below 50 Å, as said; the derived v "
        "of waves longer than the super block nearly vanishes, though"
    )
    return Computed(cold, note)


def _ratios(form: RatioForm) -> FloatArray:
    return np.asarray(self_consistent_ratio([g.c_l for g in GLASSES], [g.c_t for g in GLASSES], form=form))


@claim("eq4.5", "4.5", "c_l/c_t from the solution of the printed equation")
def _self_consistent() -> Computed:
    """Take the rates of spectra in the ratio c_l^2/c_t^2, and compare that of v_l and v_t."""
    nodes, found = np.geomspace(1e7, OMEGA_C, 16), []
    for glass in GLASSES:
        of_t = -1e7 / (1 + (nodes / 3e13) ** 2)
        spectrum = Spectrum(nodes, (glass.c_l / glass.c_t) ** 2 * of_t, of_t, above="power")
        rates = absorption_rates(spectrum, StressInteraction(2500.0, glass.c_l, glass.c_t), L_1, 2.0, at=[1e9])
        found.append(math.sqrt(rates.interaction.longitudinal[0] / rates.interaction.transverse[0]))
    note = "c_l/c_t of all 13 glasses; the flow keeps this ratio, and leaves it from any other"
    return Computed(deviation(np.array(found), _ratios("printed")), note)


@claim(
    "eq4.5.flow",
    "4.5",
    "sqrt(Im χ̃_l/Im χ̃_t) c_t/c_l at 1 mm, a-SiO2, from 0.8 at 50 Å, 1e7 rad/s",
    printed="1.00",
    cause=causes.REPELS,
)
def _kept() -> Computed:
    of_t = smooth().transverse
    spectrum = Spectrum(NODES, (0.8 * SILICA.c_l / SILICA.c_t) ** 2 * of_t, of_t, 1.0, above="power")
    node = int(np.argmin(np.abs(NODES - OMEGA)))
    ratio = float(flow(spectrum, _MATERIAL, start=L_1, stop=R).ratio[-1, node])
    note = "the printed flow moves away from c_l/c_t, which it only keeps"
    return Computed(ratio * SILICA.c_t / SILICA.c_l, note)


@claim(
    "eq4.5.{form}",
    "4.5",
    "slope, 10 glasses, v from {what}",
    printed="1.061",
    cause=causes.SUM_OVER_BLOCKS,
    over=(
        {"form": "phase-sum", "what": "the sum of Λ ê ê cos, stress χ_a ê"},
        {"form": "derived", "what": "the sum with the stresses induced"},
    ),
)
def _slope(form: RatioForm) -> Computed:
    kept = np.array([glass.name not in EXCLUDED for glass in GLASSES])
    measured = np.asarray(
        meissner_berret_ratio(gamma_l=[g.gamma_l for g in GLASSES], gamma_t=[g.gamma_t for g in GLASSES])
    )
    ours = _ratios(form)
    ten, thirteen = fit_through_origin(measured[kept], ours[kept]), fit_through_origin(measured, ours)
    listed = ", ".join(f"{g.name} {value:.2f}" for g, value in zip(GLASSES, ours, strict=True))
    note = f"r = {ten.pearson_r:.3f}; all 13: {thirteen.slope:.3f}, r = {thirteen.pearson_r:.3f}; {listed}"
    return Computed(ten.slope, note)
