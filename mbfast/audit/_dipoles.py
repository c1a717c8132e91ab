"""Section V: the strengths of electric dipoles, and the absorption and the cutoff length that they add."""

import math
from typing import NamedTuple

from mbfast import units
from mbfast._core.voigt import POLARIZATIONS
from mbfast.audit import _causes as causes
from mbfast.audit._absorption import constant_rates
from mbfast.audit._claims import Claim, Claims, claims_of
from mbfast.audit._common import GLASSES, L_1, OMEGA, OMEGA_C, SILICA
from mbfast.cutoffs import dipole_cutoff_length
from mbfast.glasses import Glass
from mbfast.pairs.angular import angular_coefficients
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.rates import AbsorptionRates


class _Dielectric(NamedTuple):
    """A glass of the table, and what section V prints of it."""

    glass: Glass
    ne_mu2: float  # erg/cm^3
    epsilon: float
    stress: float  # n0 M^2, Pa
    density: float  # kg/m^3
    c: float  # m/s
    dielectric: str  # the strengths: n_e mu^2/epsilon
    elastic: str  # and n0 M^2/(rho c^2)

    @property
    def modulus(self) -> float:
        return self.density * self.c**2

    @property
    def strengths(self) -> tuple[float, float]:
        return self.ne_mu2 / self.epsilon, self.stress / self.modulus

    def rates(self, kelvin: float) -> AbsorptionRates:
        """Return the printed terms of constant strengths: Im chi~/epsilon = -pi n_e mu^2/epsilon."""
        material = StressInteraction(self.density, self.c, self.c * self.glass.c_t / self.glass.c_l)
        elastic = math.pi * float(self.elastic) * self.density
        of_l, of_t = (-elastic * c**2 for c in (material.c_l, material.c_t))
        return constant_rates(material, of_l, of_t, kelvin, dielectric=-math.pi * float(self.dielectric))


_BK7 = next(glass for glass in GLASSES if glass.name == "BK7")
_ERG = units.ERG_PER_CM3
_DIELECTRICS = {
    "BK7": _Dielectric(_BK7, 6e-3, 3.7, 1e8 * _ERG, 2510.0, 6500.0, "1.62e-3", "0.94e-4"),
    "SiO2": _Dielectric(SILICA, 1.46e-4, 3.81, 2.04e8 * _ERG, 2200.0, 5800.0, "3.83e-5", "2.76e-4"),
}


@claims_of("sec. V")
def _strengths() -> Claims:
    for name, given in _DIELECTRICS.items():
        electric, elastic = given.strengths
        yield Claim(f"strength.{name}.dielectric", f"{name}: n_e μ²/ε", given.dielectric, electric)
        yield Claim(f"strength.{name}.elastic", f"{name}: n_0 M²/ρc²", given.elastic, elastic)


@claims_of("5.8")
def _absorption() -> Claims:
    for polarization, printed in zip(POLARIZATIONS, ("94", "53"), strict=True):
        together = angular_coefficients("dipole", polarization, moment_change="gradient", coherent=True)
        squares = angular_coefficients("dipole", polarization, moment_change="strain", coherent=False)
        note = f"Δμ and Δp added before squaring, Δp by (5.4); squares, Δp by the symmetric strain: {5 * squares[0][0]}"
        found = float(5 * together[0][0])
        yield Claim(f"eq5.8.{polarization[0]}", f"coefficient, {polarization}", printed, found, note, causes.SQUARES)
    factor = 960 * math.pi**2 * (4 / math.pi) / (8 * math.pi) ** 2 / 5
    note = "12/π: the golden rule gives 1/(80π³), and S_6 in place of ln N0"
    yield Claim("eq5.8.prefactor", "960π² times the factor of the coefficient", "1", factor, note, causes.FACTOR_5_8)


@claims_of("5.9")
def _estimate() -> Claims:
    given = _DIELECTRICS["BK7"]
    rates, strengths = given.rates(1.0), (float(given.dielectric) / float(given.elastic)) ** 2
    estimate = strengths * units.HBAR * OMEGA_C / math.log(OMEGA_C / OMEGA) / (given.modulus * L_1**3)
    found = float(rates.dipole.longitudinal[0] / rates.interaction.longitudinal[0]) / estimate
    quantity = "ε_dipole/v at L_1 in units of the estimate, BK7, 1e7 rad/s, 1 K"
    yield Claim("eq5.9", quantity, "~1", found, "as in (4.3): the integral is far below ω_c", causes.INTEGRAL)


@claims_of("5.10")
def _cutoff() -> Claims:
    for name, given in _DIELECTRICS.items():
        of = (given.ne_mu2, given.epsilon, given.stress, given.modulus, OMEGA, OMEGA_C)
        length = float(dipole_cutoff_length(*of)) / units.ANGSTROM
        ratio = given.strengths[0] / given.strengths[1]
        cold, hot = (
            float(given.rates(kelvin).dipole_cutoff_length.longitudinal[0]) / units.ANGSTROM for kelvin in (1.0, 1e4)
        )
        # n_e mu^2 is a Gaussian number, (5.2) is rationalised: in its units the strength is 4 pi larger
        note = (
            f"strengths {ratio:.3g} : 1 as printed; with the 4π that Gaussian n_e μ² needs in (5.2) "
            f"{length * (4 * math.pi) ** (2 / 3):.2g} Å; the printed 1.7 Å times the ratio^(2/3) "
            f"{1.7 * ratio ** (2 / 3):.2g}; the printed terms are equal at {cold:.2g} Å (1 K) and {hot:.2g} Å (1e4 K)"
        )
        quantity = f"L_c of dipoles, {name}, ω = 1e7, ω_c = 1e15 rad/s"
        yield Claim(f"cutoff.dipole.{name}", quantity, "~10", length, note, causes.DIPOLE_LENGTH, "Å")
