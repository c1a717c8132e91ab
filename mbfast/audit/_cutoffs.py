"""Scales and cutoff lengths of sections IV and V."""

from __future__ import annotations

import math
from functools import partial

from mbfast import units
from mbfast.audit._claims import Claim, Computed, claim, register
from mbfast.audit._table import GLASSES
from mbfast.cutoffs import cutoff_length, dipole_cutoff_length
from mbfast.glasses import Glass

OMEGA, OMEGA_C = 1e7, 1e15  # rad/s: the ultrasonic phonon and the extreme cutoff of section IV
L_1, R = 50 * units.ANGSTROM, 1e-3  # m: the starting scale and the phonon's wavelength


@claim(
    "rg.log_scale",
    equation="4.2",
    quantity="ln(R/L_1), R = 1 mm, L_1 = 50 Å",
    printed="~20",
    flaw="slip",
    test="tests/test_findings.py::test_logarithm_of_the_scales",
)
def _log_scale() -> Computed:
    note = f"20 would need R = {L_1 * math.exp(20):.1f} m; log_2(R/L_1) is {math.log2(R / L_1):.1f}"
    return Computed(math.log(R / L_1), note)


@claim("cutoff.temperature", equation="4.4", quantity="ħω_c/k_B, ω_c = 1e15 rad/s", printed="~1e4", unit="K")
def _temperature() -> Computed:
    return Computed(units.HBAR * OMEGA_C / units.K_B, "an order of magnitude")


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


_LENGTHS = "tests/test_findings.py::test_cutoff_lengths"

for _glass in GLASSES:
    if _glass.density is not None:
        _quantity = f"L_c, {_glass.name}, ω = 1e7, ω_c = 1e15 rad/s"
        _compute = partial(_stress_cutoff, _glass)
        register(Claim(f"cutoff.stress.{_glass.name}", "4.4", _quantity, "~1.7", "Å", _compute, "slip", _LENGTHS))

_GAUSSIAN = (4 * math.pi) ** (2 / 3)

# Section V, CGS as printed: n0 M^2 (erg/cm^3), epsilon, ne mu^2, rho (g/cm^3), c (cm/s), and the two strengths.
_DIELECTRICS = {
    "BK7": (1e8, 3.7, 6e-3, 2.51, 6.5e5, "1.62e-3", "0.94e-4"),
    "SiO2": (2.04e8, 3.81, 1.46e-4, 2.2, 5.8e5, "3.83e-5", "2.76e-4"),
}


def _register_dielectric(name: str) -> None:
    n0_m2, epsilon, ne_mu2, rho, c, printed_dielectric, printed_elastic = _DIELECTRICS[name]
    stress = n0_m2 * units.ERG_PER_CM3
    modulus = rho * units.G_PER_CM3 * (c * 1e-2) ** 2
    dielectric_strength, elastic_strength = ne_mu2 / epsilon, stress / modulus

    def length() -> Computed:
        computed = float(dipole_cutoff_length(ne_mu2, epsilon, stress, modulus, OMEGA, OMEGA_C)) / units.ANGSTROM
        ratio = dielectric_strength / elastic_strength
        # n_e mu^2 is a Gaussian number, (5.2) is rationalised: in its units the strength is 4 pi larger
        note = (
            f"strengths {ratio:.3g} : 1 as printed; with the 4π that Gaussian n_e μ² needs in (5.2) "
            f"{computed * _GAUSSIAN:.2g} Å; "
            f"the printed 1.7 Å times the ratio^(2/3) {1.7 * ratio ** (2 / 3):.2g}"
        )
        return Computed(computed, note)

    entries = (
        ("dielectric", "n_e μ²/ε", printed_dielectric, dielectric_strength),
        ("elastic", "n_0 M²/ρc²", printed_elastic, elastic_strength),
    )
    for key, quantity, printed, value in entries:
        compute = partial(Computed, value)
        register(Claim(f"strength.{name}.{key}", "sec. V", f"{name}: {quantity}", printed, "", compute))
    quantity = f"L_c of dipoles, {name}, ω = 1e7, ω_c = 1e15 rad/s"
    register(Claim(f"cutoff.dipole.{name}", "5.10", quantity, "~10", "Å", length, "slip", _LENGTHS))


for _name in _DIELECTRICS:
    _register_dielectric(_name)
