"""Cutoff lengths: the scale below which the terms E(2), E(3) of the renormalization are not negligible."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.jit import compiled
from mbfast._core.validate import FloatArray, broadcast_shape, float_array, require_nonzero, require_positive
from mbfast.kernels import cutoffs as kernels

_UNITS = {"dielectric": "", "permittivity": "", "stress": "Pa", "modulus": "Pa", "omega": "rad/s", "omega_c": "rad/s"}
_PLAIN = {float, np.float64}  # integers may be too large for a double


def cutoff_length(modulus: ArrayLike, omega: ArrayLike, omega_c: ArrayLike) -> FloatArray | np.float64:
    r"""Scale at which stress-stress absorption by changed couplings equals the renormalization-relevant one.

    `dipole_cutoff_length` is the same for dipoles; `mbfast.kernels.cutoffs` has the functions for compiled code.

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

    Notes
    -----
    With Im chi~ constant up to omega_c the ratio of the terms is (4.3)

    .. math:: \frac{\dot\varepsilon^{(2,3)}}{\dot v} \sim \frac{1}{\rho c_a^2 L^3}
              \frac{\hbar\omega_c}{\ln(\omega_c/\omega)} = \left(\frac{L_c}{L}\right)^3,

    and L_c is (4.4): an order of magnitude, without factors of order one. It is evaluated to a relative 2e-15.

    Examples
    --------
    >>> import mbfast
    >>> silica = mbfast.load_glasses(names=["a-SiO2"])[0]
    >>> print(f"{mbfast.cutoff_length(silica.modulus_t, 1e7, 1e15):.3g} m")
    5.65e-11 m
    """
    given = {"modulus": modulus, "omega": omega, "omega_c": omega_c}
    return _evaluate(kernels.cutoff_length, kernels.modulus_factor, given)


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
    TypeError, ValueError
        As `cutoff_length`, but `dielectric` and `stress` may be negative.

    Notes
    -----
    (5.10), with (5.9) as (L_c/L)^3:

    .. math:: L_c^3 = \left(\frac{\mathrm{Im}\,\tilde\chi/\varepsilon}
              {\mathrm{Im}\,\tilde\chi_t/\rho c_a^2}\right)^2
              \frac{\hbar\omega_c}{\rho c_a^2\ln(\omega_c/\omega)},

    the length of `cutoff_length` times the ratio of the dielectric and elastic strengths to the power 2/3.

    Examples
    --------
    BK7 with the strengths of section V, 6e-3 (Gaussian) for epsilon = 3.7, and 1e8 erg/cm^3:

    >>> import math, mbfast
    >>> print(f"{mbfast.dipole_cutoff_length(4 * math.pi * 6e-3, 3.7, 1e7, 2510 * 6500**2, 1e7, 1e15):.3g} m")
    1.36e-09 m
    """
    given = {"dielectric": dielectric, "permittivity": permittivity, "stress": stress, "modulus": modulus}
    given["omega"], given["omega_c"] = omega, omega_c
    return _evaluate(kernels.dipole_cutoff_length, kernels.dipole_factor, given)


def _evaluate(
    fused: Callable[..., Any], factor: Callable[..., Any], given: Mapping[str, ArrayLike]
) -> FloatArray | np.float64:
    """Return the length: by one kernel, or as the product of what the material and the last two, frequencies, make."""
    if _PLAIN.issuperset(map(type, given.values())):
        with np.errstate(all="ignore"):
            length = compiled(fused)(*given.values())
        if not math.isnan(length):
            return np.float64(length)
    arguments = {name: float_array(name, value) for name, value in given.items()}
    broadcast_shape(**arguments)
    # The kernels run at full width on contiguous operands only, so what must be repeated is repeated in memory; where
    # the result is larger than either group of arguments (a grid), each factor is evaluated on its own group.
    groups = [
        [np.ascontiguousarray(x).reshape(x.shape) for x in np.broadcast_arrays(*group)]
        for group in (list(arguments.values())[:-2], (arguments["omega"], arguments["omega_c"]))
    ]
    with np.errstate(all="ignore"):
        if groups[0][0].shape == groups[1][0].shape:
            evaluated = [compiled(fused)(*groups[0], *groups[1])]
        else:
            evaluated = [compiled(factor)(*groups[0]), compiled(kernels.frequency_factor)(*groups[1])]
        # The kernels mark bad arguments by NaN: one look at their results is cheaper than one at each argument.
        if any(part.size == 0 or np.isnan(part.min()) for part in evaluated):
            _refuse_bad(arguments)
        return np.asarray(functools.reduce(np.multiply, evaluated))[()]


def _refuse_bad(arguments: Mapping[str, FloatArray]) -> None:
    """Raise the ValueError that names the first argument outside the kernels' domain, if there is one."""
    for name, array in arguments.items():
        if name in ("dielectric", "stress"):
            require_nonzero(name, array, unit=_UNITS[name])
        else:
            require_positive(name, array, unit=_UNITS[name])
    omega, omega_c = np.broadcast_arrays(arguments["omega"], arguments["omega_c"])
    wrong = np.flatnonzero(omega >= omega_c)
    if wrong.size:
        pair = f"omega = {omega.flat[wrong[0]]:g} and omega_c = {omega_c.flat[wrong[0]]:g}"
        raise ValueError(f"omega must be below omega_c, got {pair} rad/s")
