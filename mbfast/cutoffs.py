"""Cutoff lengths: the scale below which the terms E(2), E(3) of the renormalization are not negligible."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.jit import compiled
from mbfast._core.validate import FloatArray, broadcast_shape, float_array, require_nonzero, require_positive
from mbfast.kernels import cutoffs as kernels

_UNITS = {"dielectric": "", "permittivity": "", "stress": "Pa", "modulus": "Pa", "omega": "rad/s", "omega_c": "rad/s"}
_PLAIN = {float, np.float64}  # integers may be too large for a double


@overload
def cutoff_length(modulus: float, omega: float, omega_c: float) -> np.float64: ...
@overload
def cutoff_length(modulus: ArrayLike, omega: ArrayLike, omega_c: ArrayLike) -> FloatArray: ...
def cutoff_length(modulus: ArrayLike, omega: ArrayLike, omega_c: ArrayLike) -> FloatArray | np.float64:
    r"""Scale at which stress-stress absorption by changed couplings equals the renormalization-relevant one.

    Parameters
    ----------
    modulus : array_like
        Elastic modulus rho c_a^2 (Pa) of the polarization in question.
    omega : array_like
        Angular frequency of the phonon (rad/s), below `omega_c`.
    omega_c : array_like
        Angular frequency up to which Im chi~ is constant (rad/s).

    Returns
    -------
    ndarray or float64
        L_c in m, of the shape to which the arguments broadcast.

    Raises
    ------
    TypeError
        If an argument does not consist of real numbers.
    ValueError
        If an argument is not positive and finite, if ``omega >= omega_c`` anywhere, or if the shapes do not broadcast.

    See Also
    --------
    dipole_cutoff_length : the same for electric dipoles.
    mbfast.kernels.cutoffs : the universal functions, for compiled code.

    Notes
    -----
    With Im chi~ constant up to omega_c the ratio of the terms is (4.3)

    .. math:: \frac{\dot\varepsilon^{(2,3)}}{\dot v} \sim \frac{1}{\rho c_a^2 L^3}
              \frac{\hbar\omega_c}{\ln(\omega_c/\omega)} = \left(\frac{L_c}{L}\right)^3,

    and L_c is (4.4). It is an estimate of the order of magnitude: factors of order one are left out. Relative error of
    the evaluation: below 2e-15.

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (4.3) and (4.4).

    Examples
    --------
    >>> import mbfast
    >>> silica = mbfast.load_glasses(names=["a-SiO2"])[0]
    >>> print(f"{mbfast.cutoff_length(silica.modulus_t, 1e7, 1e15):.3g} m")
    5.65e-11 m
    """
    length = _of_numbers(kernels.cutoff_length, modulus, omega, omega_c)
    if length is not None:
        return length
    material, frequencies = {"modulus": modulus}, {"omega": omega, "omega_c": omega_c}
    return _evaluate(kernels.cutoff_length, kernels.modulus_factor, material, frequencies)


@overload
def dipole_cutoff_length(
    dielectric: float, permittivity: float, stress: float, modulus: float, omega: float, omega_c: float
) -> np.float64: ...
@overload
def dipole_cutoff_length(
    dielectric: ArrayLike,
    permittivity: ArrayLike,
    stress: ArrayLike,
    modulus: ArrayLike,
    omega: ArrayLike,
    omega_c: ArrayLike,
) -> FloatArray: ...
def dipole_cutoff_length(
    dielectric: ArrayLike,
    permittivity: ArrayLike,
    stress: ArrayLike,
    modulus: ArrayLike,
    omega: ArrayLike,
    omega_c: ArrayLike,
) -> FloatArray | np.float64:
    r"""Scale at which absorption by electric dipoles equals the renormalization-relevant one.

    Parameters
    ----------
    dielectric : array_like
        Im chi~, the reduced dielectric susceptibility of (5.6), in the unit of `permittivity`. Its sign (negative in
        the convention of the theory) does not matter.
    permittivity : array_like
        Dielectric constant epsilon, in the unit of `dielectric`: only their ratio enters. Both rationalised, as (5.2)
        is: a Gaussian susceptibility, such as n_e mu^2 beside a relative epsilon, is to be multiplied by 4 pi.
    stress : array_like
        Im chi~_t, the reduced stress susceptibility (Pa), of either sign.
    modulus : array_like
        Elastic modulus rho c_a^2 (Pa).
    omega, omega_c : array_like
        As in `cutoff_length` (rad/s).

    Returns
    -------
    ndarray or float64
        L_c in m, of the shape to which the arguments broadcast.

    Raises
    ------
    TypeError
        If an argument does not consist of real numbers.
    ValueError
        If `dielectric` or `stress` is zero or not finite, if another argument is not positive and finite, if
        ``omega >= omega_c`` anywhere, or if the shapes do not broadcast.

    Notes
    -----
    (5.10), with (5.9) as (L_c/L)^3:

    .. math:: L_c^3 = \left(\frac{\mathrm{Im}\,\tilde\chi/\varepsilon}
              {\mathrm{Im}\,\tilde\chi_t/\rho c_a^2}\right)^2
              \frac{\hbar\omega_c}{\rho c_a^2\ln(\omega_c/\omega)},

    the length of `cutoff_length` times the ratio of the dimensionless dielectric and elastic strengths to the power
    2/3.

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (5.9) and (5.10).

    Examples
    --------
    BK7 with the strengths of section V, 6e-3 (Gaussian) for epsilon = 3.7, and 1e8 erg/cm^3:

    >>> import math, mbfast
    >>> print(f"{mbfast.dipole_cutoff_length(4 * math.pi * 6e-3, 3.7, 1e7, 2510 * 6500**2, 1e7, 1e15):.3g} m")
    1.36e-09 m
    """
    length = _of_numbers(kernels.dipole_cutoff_length, dielectric, permittivity, stress, modulus, omega, omega_c)
    if length is not None:
        return length
    material = {"dielectric": dielectric, "permittivity": permittivity, "stress": stress, "modulus": modulus}
    frequencies = {"omega": omega, "omega_c": omega_c}
    return _evaluate(kernels.dipole_cutoff_length, kernels.dipole_factor, material, frequencies)


def _of_numbers(fused: Callable[..., Any], *arguments: ArrayLike) -> np.float64 | None:
    """Return the length if the arguments are plain numbers within the kernels' domain."""
    for argument in arguments:
        if type(argument) not in _PLAIN:
            return None
    with np.errstate(all="ignore"):
        length = compiled(fused)(*arguments)
    return None if math.isnan(length) else np.float64(length)


def _evaluate(
    fused: Callable[..., Any],
    factor: Callable[..., Any],
    material: Mapping[str, ArrayLike],
    frequencies: Mapping[str, ArrayLike],
) -> FloatArray | np.float64:
    arguments = {name: float_array(name, value) for name, value in {**material, **frequencies}.items()}
    broadcast_shape(**arguments)
    # The kernels run at full width on contiguous operands only, so what must be repeated is repeated in memory; where
    # the result is larger than either group of arguments (a grid), each factor is evaluated on its own group.
    groups = [
        [np.ascontiguousarray(x).reshape(x.shape) for x in np.broadcast_arrays(*(arguments[name] for name in group))]
        for group in (material, frequencies)
    ]
    with np.errstate(all="ignore"):
        if groups[0][0].shape == groups[1][0].shape:
            evaluated = [compiled(fused)(*groups[0], *groups[1])]
        else:
            evaluated = [compiled(factor)(*groups[0]), compiled(kernels.frequency_factor)(*groups[1])]
        # The kernels mark bad arguments by NaN: one look at their results is cheaper than one at each argument.
        if any(part.size == 0 or np.isnan(part.min()) for part in evaluated):
            _refuse_bad(arguments)
        result: FloatArray = functools.reduce(np.multiply, evaluated)
    return result[()]


def _refuse_bad(arguments: Mapping[str, FloatArray]) -> None:
    """Raise the ValueError that names the first argument outside the kernels' domain, if there is one."""
    for name, array in arguments.items():
        if name in ("dielectric", "stress"):
            require_nonzero(name, array, unit=_UNITS[name])
        else:
            require_positive(name, array, unit=_UNITS[name])
    omega, omega_c = np.broadcast_arrays(arguments["omega"], arguments["omega_c"])
    wrong = omega >= omega_c
    if wrong.any():
        first = np.unravel_index(np.argmax(wrong), wrong.shape)
        raise ValueError(
            f"omega must be below omega_c, got omega = {omega[first]:g} and omega_c = {omega_c[first]:g} rad/s"
        )
