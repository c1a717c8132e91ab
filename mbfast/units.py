"""Physical constants in SI units (exact by the definition of the SI, but for rounding) and the paper's CGS factors."""

from typing import Final

HBAR: Final = 1.0545718176461565e-34
"""Reduced Planck constant, J s."""

K_B: Final = 1.380649e-23
"""Boltzmann constant, J/K."""

EV: Final = 1.602176634e-19
"""Electron volt, J."""

ERG_PER_CM3: Final = 0.1
"""Energy density of 1 erg/cm^3, J/m^3."""

G_PER_CM3: Final = 1000.0
"""Mass density of 1 g/cm^3, kg/m^3."""

ANGSTROM: Final = 1e-10
"""1 angstrom, m."""
