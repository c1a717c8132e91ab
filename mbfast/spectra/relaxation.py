"""Relaxation of two-level systems: populations that follow the splittings which a strain shifts."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mbfast import units
from mbfast._core import validate
from mbfast._core.validate import FloatArray

Convention: TypeAlias = Literal["full", "half"]
"""What a strain e changes: gamma (D sigma_z + M sigma_x) e, or half of that, as (2.1)."""

FACTORS = {"full": 1.0, "half": 0.5}

_LOG_ENERGIES = np.linspace(-38.0, 4.5, 426)  # of E/k_B T
_ROWS = 1024  # of frequencies and temperatures at once


def relaxed(omega: FloatArray, temperature: FloatArray, rate: FloatArray) -> NDArray[np.complex128]:
    """Return the integral of (b artanh(1/b) - 1)/cosh^2(y/2) over y = E/k_B T.

    By the trapezoidal rule in ln y, which converges as exp(-2 pi d/h): nothing is singular within d = pi/6 of the axis.
    """
    y, step = np.exp(_LOG_ENERGIES), _LOG_ENERGIES[1] - _LOG_ENERGIES[0]
    weights, shape = step * y / np.cosh(0.5 * y) ** 2, np.tanh(0.5 * y) / y**3  # of omega tau_m
    result, warm = np.zeros(omega.shape, dtype=np.complex128), temperature > 0.0
    scaled = np.maximum(omega[warm], validate.SMALLEST) / rate[warm] / temperature[warm] ** 3
    found = np.empty(scaled.size, dtype=np.complex128)
    for start in range(0, scaled.size, _ROWS):
        piece = slice(start, start + _ROWS)
        found[piece] = _over_tunnelling(np.multiply.outer(scaled[piece], shape)) @ weights
    result[warm] = found
    return result


def _over_tunnelling(phase: FloatArray) -> NDArray[np.complex128]:
    """Return b artanh(1/b) - 1 for b^2 = 1 - i phase; a series in 1/b^2 where the terms cancel."""
    result, far = np.empty(phase.shape, dtype=np.complex128), phase > 10.0
    inverse = 1.0 / (1.0 - 1j * phase[far])
    series = np.zeros_like(inverse)
    for n in range(14, 0, -1):
        series = (series + 1.0 / (2 * n + 1)) * inverse
    result[far] = series
    near = phase[~far]
    root = np.sqrt(1.0 - 1j * near)
    # artanh(1/b) is half the logarithm of (b + 1)/(b - 1), and (b - 1)(b + 1) = -i phase
    result[~far] = 0.5 * root * np.log((root + 1.0) ** 2 / (-1j * near)) - 1.0
    return result


def one_phonon_rate(
    density: float, c_l: float, c_t: float, gamma_l: float, gamma_t: float, *, convention: Convention = "full"
) -> float:
    r"""Constant K of the rates with which two-level systems emit and absorb one phonon.

    Parameters
    ----------
    density, c_l, c_t : float
        rho (kg/m^3) and the sound velocities (m/s).
    gamma_l, gamma_t : float
        Couplings (J), in the sense of `convention`.
    convention : {"full", "half"}
        As in `ttls_susceptibility`.

    Returns
    -------
    float
        K (1/(K^3 s)).

    Raises
    ------
    TypeError
        If an argument is not one real number.
    ValueError
        If rho or a velocity is not from 1e-35 to 1e35, a coupling is not finite, or `convention` is unknown.

    Notes
    -----
    The rate of a system is K (Delta_0^2 E/k_B^3) coth(E/2 k_B T). By the golden rule, with both transverse waves,

    .. math:: K = \frac{k_B^3}{2\pi\rho\hbar^4}\left(\frac{\gamma_l^2}{c_l^5} + \frac{2\gamma_t^2}{c_t^5}\right).

    Examples
    --------
    >>> from mbfast.spectra.relaxation import one_phonon_rate
    >>> from mbfast.units import EV
    >>> rate = one_phonon_rate(2200, 5800, 3800, 1.04 * EV, 0.65 * EV)
    >>> print(f"{rate:.2g}")
    4.9e+07
    """
    given = {"density": density, "c_l": c_l, "c_t": c_t}
    rho, of_l, of_t = (validate.positive_number(name, value, unit="") for name, value in given.items())
    validate.require_choice("convention", convention, get_args(Convention))
    one, other = (
        FACTORS[convention] * validate.bounded_number(name, value)
        for name, value in (("gamma_l", gamma_l), ("gamma_t", gamma_t))
    )
    per_hbar = (one / units.HBAR) ** 2 / of_l**5 + 2.0 * (other / units.HBAR) ** 2 / of_t**5
    return float(per_hbar / (2.0 * np.pi * rho) * (units.K_B / units.HBAR) ** 2 * units.K_B)
