"""Cutoff lengths of the renormalization, (4.4) and (5.10), as universal functions.

Arguments are in SI units, positive, between 1e-35 and 1e35, with ``omega < omega_c``; elsewhere the result is NaN.
Within that domain no intermediate result over- or underflows, and the relative error is below 2e-15.

Both lengths have the form ``(material) * (hbar omega_c / ln(omega_c/omega))**(1/3)``; the two factors are offered on
their own, so that a grid of materials x frequencies costs one multiplication a point.

The logarithm and the cube root are written out, without a call, table or branch, so that LLVM turns the loop of the
universal function into full-width vector code, which it cannot do around a call of the C library's functions.

Examples
--------
>>> from mbfast.kernels import cutoffs
>>> material, frequencies = cutoffs.modulus_factor(3e10), cutoffs.frequency_factor(1e7, 1e15)
>>> bool(abs(material * frequencies / cutoffs.cutoff_length(3e10, 1e7, 1e15) - 1) < 1e-14)
True
>>> material = cutoffs.dipole_factor(0.07, 3.7, 1e7, 1e11)
>>> bool(abs(material * frequencies / cutoffs.dipole_cutoff_length(0.07, 3.7, 1e7, 1e11, 1e7, 1e15) - 1) < 1e-14)
True
"""

import numpy as np

from mbfast._core.jit import jit, ufunc

# Of fastmath only `contract`, for fused multiply-adds: no sum is long enough for more to pay.


@jit(fastmath={"contract"})
def _log_ratio(omega: float, omega_c: float) -> float:
    """ln(omega_c/omega) for omega_c >= omega, accurate down to neighbouring doubles."""
    # omega_c/omega = 2^k m with 2/3 <= m <= 3/2: k is the rounded difference of the exponents and leading mantissa
    # bits. Then ln m = 2 atanh(s) with s = (m-1)/(m+1), and s needs neither the quotient m nor a cancellation.
    bits = np.float64(omega).view(np.uint64)
    rounded = (np.float64(omega_c).view(np.uint64) - bits) + np.uint64(0x0008000000000000)
    k = (rounded >> np.uint64(52)) + np.uint64(0x4330000000000000)  # as a double: 2^52 + k, exactly
    scaled = np.uint64(bits + (rounded & np.uint64(0xFFF0000000000000))).view(np.float64)  # omega 2^k
    s = (omega_c - scaled) / (omega_c + scaled)
    z = s * s
    # minimax fit of (2 atanh(s)/s - 2)/z on 0 <= z <= 0.04, error 3e-15 (so 6e-17 of the logarithm)
    p = 0.15115603153501659876
    p = p * z + 0.15284021278438490598
    p = p * z + 0.18184597246826359353
    p = p * z + 0.22222183019460263681
    p = p * z + 0.28571428834021869925
    p = p * z + 0.3999999999934162513
    p = p * z + 0.66666666666666935758
    return (np.uint64(k).view(np.float64) - 4503599627370496.0) * 0.6931471805599453 + (2.0 * s + (s * z) * p)


@jit(fastmath={"contract"})
def _inverse_cube_root(x: float) -> float:
    """x**(-1/3) for a positive normal x (a finite number for x = 0)."""
    # A third of the exponent, taken from the bits, is within 3.5 %; two steps of fourth order then reach rounding.
    third = ((np.float64(x).view(np.uint64) >> np.uint64(32)) * np.uint64(0x55555556)) & np.uint64(0xFFFFFFFF00000000)
    r = np.uint64(np.uint64(0x553EF0FF289DD796) - third).view(np.float64)
    e = 1.0 - x * (r * r * r)
    r = r + r * (e * (1.0 / 3.0 + e * (2.0 / 9.0 + e * (14.0 / 81.0))))
    e = 1.0 - x * (r * r * r)
    return r + r * (e * (1.0 / 3.0 + e * (2.0 / 9.0 + e * (14.0 / 81.0))))


@jit(fastmath={"contract"})
def _inside(x: float) -> bool:
    """Whether x lies in the domain; a NaN does not."""
    return (x >= 1e-35) & (x <= 1e35)


@ufunc("float64(float64)", fastmath={"contract"})
def modulus_factor(modulus: float) -> float:
    """(rho c^2)**(-1/3), the material's factor of `cutoff_length` (Pa^-1/3)."""
    return _inverse_cube_root(modulus) if _inside(modulus) else np.nan


@ufunc("float64(float64, float64, float64, float64)", fastmath={"contract"})
def dipole_factor(dielectric: float, permittivity: float, stress: float, modulus: float) -> float:
    """(dielectric^2 modulus/(permittivity stress)^2)**(1/3), the material's factor of (5.10) (Pa^-1/3)."""
    inside = _inside(abs(dielectric)) & _inside(permittivity) & _inside(abs(stress)) & _inside(modulus)
    u = abs(dielectric) / (permittivity * abs(stress))
    return u * _inverse_cube_root(u / modulus) if inside else np.nan


@ufunc("float64(float64, float64)", fastmath={"contract"})
def frequency_factor(omega: float, omega_c: float) -> float:
    """(hbar omega_c / ln(omega_c/omega))**(1/3), the frequencies' factor of both lengths (J^1/3)."""
    inside = (omega >= 1e-35) & (omega < omega_c) & (omega_c <= 1e35)
    energy = 1.0545718176461565e-34 * omega_c
    return energy * _inverse_cube_root(energy * energy * _log_ratio(omega, omega_c)) if inside else np.nan


@ufunc("float64(float64, float64, float64)", fastmath={"contract"})
def cutoff_length(modulus: float, omega: float, omega_c: float) -> float:
    """L_c of (4.4) in m: modulus rho c^2 (Pa), omega and omega_c (rad/s)."""
    inside = _inside(modulus) & (omega >= 1e-35) & (omega < omega_c) & (omega_c <= 1e35)
    energy = 1.0545718176461565e-34 * omega_c
    length = energy * _inverse_cube_root(energy * energy * (modulus * _log_ratio(omega, omega_c)))
    return length if inside else np.nan


@ufunc("float64(float64, float64, float64, float64, float64, float64)", fastmath={"contract"})
def dipole_cutoff_length(
    dielectric: float, permittivity: float, stress: float, modulus: float, omega: float, omega_c: float
) -> float:
    """L_c of (5.10) in m: Im chi~ and epsilon in one unit, Im chi~_t and rho c^2 (Pa), omega and omega_c (rad/s)."""
    inside = _inside(abs(dielectric)) & _inside(permittivity) & _inside(abs(stress)) & _inside(modulus)
    inside &= (omega >= 1e-35) & (omega < omega_c) & (omega_c <= 1e35)
    u = abs(dielectric) / (permittivity * abs(stress))
    energy = 1.0545718176461565e-34 * omega_c
    length = u * energy * _inverse_cube_root(energy * energy * (u * _log_ratio(omega, omega_c) / modulus))
    return length if inside else np.nan
