"""Temperatures: what they do to spectra by detailed balance."""

import numpy as np
from numpy.typing import ArrayLike

from mbfast import units
from mbfast._core.validate import FloatArray, float_array, one_number, require_finite, require_positive


def check_temperature(temperature: ArrayLike, name: str = "temperature") -> FloatArray:
    """Return temperatures (K), zero among them."""
    array = float_array(name, temperature)
    array = array + 0.0  # -0.0 is zero
    if array.any():
        require_finite(name, array)
        if (array < 0.0).any():
            raise ValueError(f"{name} must not be negative, got {array.min():g} K")
        require_positive(name, np.where(array == 0.0, 1.0, array), unit="K, or zero")
    return array


def check_kelvin(temperature: ArrayLike) -> float:
    """Return one temperature (K), zero allowed; a TypeError if it is not one real number, or a ValueError."""
    return float(check_temperature(one_number("temperature", temperature)))


def inverse_thermal_frequency(temperature: FloatArray) -> FloatArray:
    """Return hbar/(k_B T) in s; infinity at T = 0."""
    with np.errstate(divide="ignore"):
        return units.HBAR / (units.K_B * temperature)


def thermal_ratio(omega: FloatArray, temperature: FloatArray) -> FloatArray:
    """Return hbar omega/(k_B T), (..., n): infinite at T = 0, but zero where omega is."""
    rates = inverse_thermal_frequency(temperature)[..., None]
    return np.asarray(np.where(omega != 0.0, rates, 0.0) * omega)


def absorbed_fraction(omega: FloatArray, temperature: FloatArray) -> FloatArray:
    """Return 1 - exp(-hbar omega/k_B T), (..., n): what of Im chi~ is left when stimulated emission is subtracted."""
    return np.asarray(-np.expm1(-thermal_ratio(omega, temperature)))
