"""Oracles: the formulas as they are written, in plain NumPy or mpmath, importing nothing of mbfast."""

import mpmath
import numpy as np

HBAR = 6.62607015e-34 / (2 * np.pi)  # J s, exact by definition of the SI


def cutoff_length(modulus, omega, omega_c):
    """(4.4), straightforwardly."""
    return np.cbrt(HBAR * omega_c / (modulus * np.log(omega_c / omega)))


def dipole_cutoff_length(dielectric, permittivity, stress, modulus, omega, omega_c):
    """(5.10), straightforwardly."""
    numerator = dielectric**2 * modulus * HBAR * omega_c
    return np.cbrt(numerator / (permittivity**2 * stress**2 * np.log(omega_c / omega)))


def cutoff_length_mp(modulus, omega, omega_c):
    """(4.4) of the given doubles, to 40 digits; hbar is the double nearest to it, as in the kernel."""
    with mpmath.workdps(40):
        ratio = mpmath.mpf(omega_c) / mpmath.mpf(omega)
        return mpmath.cbrt(mpmath.mpf(1.0545718176461565e-34) * omega_c / (modulus * mpmath.log(ratio)))


def dipole_cutoff_length_mp(dielectric, permittivity, stress, modulus, omega, omega_c):
    """(5.10) of the given doubles, to 40 digits."""
    with mpmath.workdps(40):
        strength = mpmath.mpf(dielectric) / permittivity / stress * modulus
        return mpmath.cbrt(strength**2) * cutoff_length_mp(modulus, omega, omega_c)


def fit_through_origin(x, y):
    """Slope, its standard error, Pearson's r: one sum after the other."""
    n = len(x)
    sxx = sum(a * a for a in x)
    slope = sum(a * b for a, b in zip(x, y, strict=True)) / sxx
    variance = sum((b - slope * a) ** 2 for a, b in zip(x, y, strict=True)) / (n - 1)
    mx, my = sum(x) / n, sum(y) / n
    cov = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    r = cov / (sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y)) ** 0.5
    return slope, (variance / sxx) ** 0.5, r
