"""Susceptibilities of a block from its levels, (2.9)-(2.11)."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args, overload

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from mbfast import units
from mbfast._core import validate
from mbfast._core.matrices import stress_matrices
from mbfast._core.validate import FloatArray
from mbfast.kernels import levels as kernels
from mbfast.spectra.moduli import Moduli, moduli_of_invariants
from mbfast.spectra.thermal import check_temperature, inverse_thermal_frequency, thermal_ratio

LineShape: TypeAlias = Literal["gaussian", "lorentzian", "histogram"]


@overload
def susceptibility_from_levels(
    energies: ArrayLike,
    stress: ArrayLike,
    volume: float,
    temperature: ArrayLike,
    omega: ArrayLike,
    broadening: float | None = None,
    *,
    shape: LineShape = "gaussian",
    components: Literal["isotropic"] = "isotropic",
    reduced: bool = True,
) -> Moduli: ...


@overload
def susceptibility_from_levels(
    energies: ArrayLike,
    stress: ArrayLike,
    volume: float,
    temperature: ArrayLike,
    omega: ArrayLike,
    broadening: float | None = None,
    *,
    shape: LineShape = "gaussian",
    components: Literal["tensor"],
    reduced: bool = True,
) -> FloatArray: ...


@np.errstate(under="ignore")  # of occupations: nothing may depend on what the caller has set
def susceptibility_from_levels(
    energies: ArrayLike,
    stress: ArrayLike,
    volume: float,
    temperature: ArrayLike,
    omega: ArrayLike,
    broadening: float | None = None,
    *,
    shape: LineShape = "gaussian",
    components: Literal["isotropic", "tensor"] = "isotropic",
    reduced: bool = True,
) -> Moduli | FloatArray:
    r"""Imaginary part of the stress-stress susceptibility of a block, from its levels.

    Parameters
    ----------
    energies : array_like, shape (n,)
        E_n (J), in any order.
    stress : array_like, shape (n, n, 3, 3) or (n, n, 6)
        <m|T_ij|n> (J), real or complex, Hermitian in m, n and symmetric in i, j; as six xx, yy, zz, yz, xz, xy.
    volume : float
        L^3 (m^3).
    temperature : array_like, shape (...)
        T (K), zero allowed.
    omega : array_like, shape (k,)
        Frequencies (rad/s) of any sign; for a histogram the increasing edges of k - 1 bins.
    broadening : float
        Width of a line (rad/s): a Gaussian's standard deviation, a Lorentzian's half width. None for a histogram.
    shape : {"gaussian", "lorentzian", "histogram"}
        Of a line; a histogram has the average over each bin of the unbroadened lines, an edge being in the bin above.
    components : {"isotropic", "tensor"}
        The moduli of the average over rotations, or all components.
    reduced : bool
        Im chi~ of (2.11), or Im chi of (2.9).

    Returns
    -------
    Moduli or ndarray
        Two arrays (..., k), or one (..., k, 6, 6); in Pa, k - 1 for a histogram.

    Raises
    ------
    TypeError
        If an argument does not consist of real numbers, or `stress` of complex ones.
    ValueError
        If `energies` is not one-dimensional, is empty or not finite; if `stress` has not these shapes, is not finite,
        or not Hermitian and symmetric to 1e-12 of its largest element; if `volume` or `broadening` is not positive; if
        `temperature` is negative; if `omega` is not one-dimensional, not finite or above 1e35 in magnitude, or for a
        histogram not at least two increasing edges; if `broadening` is missing, or given for one; if `shape` or
        `components` is unknown.

    Notes
    -----
    With populations p_m and lines at hbar w_mn = E_n - E_m the symmetrised spectrum is

    .. math:: S_{ijkl}(\omega) = -\frac{\pi}{\hbar L^3} \sum_{mn} p_m \langle m|T_{ij}|n\rangle\langle n|T_{kl}|m\rangle
              \left[g(\omega-w_{mn}) + g(\omega+w_{mn})\right],

    and Im chi~ = S/(1 + exp(-hbar omega/k_B T)), Im chi = S tanh(hbar omega/2 k_B T). Without broadening, g = delta,
    that is (2.9)-(2.11). With it, detailed balance and the sum rule, that Im chi~ integrated over all frequencies of
    both signs is -(pi/hbar L^3) <T_ij T_kl>, hold at every temperature, T = 0 included, to rounding errors. A
    broadened line does not keep the first moment. Of complex matrices the part that is symmetric in ij, kl is taken;
    the other one vanishes under time reversal.

    Examples
    --------
    One two-level system in a block of 5 nm at 1 K:

    >>> import numpy as np, mbfast
    >>> from mbfast.units import EV, HBAR
    >>> stress = np.zeros((2, 2, 6))
    >>> stress[0, 1, 5] = stress[1, 0, 5] = 0.5 * EV
    >>> energies = [0.0, HBAR * 1e11]
    >>> omega = np.linspace(-2e11, 2e11, 5)
    >>> moduli = mbfast.susceptibility_from_levels(energies, stress, 5e-9**3, 1.0, omega, 1e10)
    >>> print(f"{moduli.transverse[3]:.4g} {moduli.transverse[1] / moduli.transverse[3]:.6f}")
    -8.325e+09 0.465882
    """
    w, re, im = _levels(energies, stress)
    box = validate.positive_number("volume", volume, unit="m^3")
    kelvin = check_temperature(temperature)
    validate.require_choice("shape", shape, get_args(LineShape))
    validate.require_choice("components", components, ("isotropic", "tensor"))
    validate.require_flag("reduced", reduced)
    frequencies, width = _frequencies(omega, shape, broadening)
    histogram, sorting = shape == "histogram", np.argsort(frequencies, kind="stable")
    results = np.zeros((kelvin.size, 2 if components == "isotropic" else 21, frequencies.size - histogram))
    for each, result in zip(kelvin.reshape(-1, 1), results, strict=True):
        populations = np.exp(-thermal_ratio(w, each)[0])  # at T = 0 the ground states alone
        populations /= populations.sum()
        if histogram:
            rate = float(inverse_thermal_frequency(each)[0])
            kernels.add_bins(w, populations, re, im, rate, frequencies, int(reduced), result)
            np.divide(result, np.diff(frequencies), out=result)
        else:
            spectrum = np.zeros_like(result)
            lorentzian = int(shape == "lorentzian")
            kernels.add_lines(w, populations, re, im, frequencies[sorting], width, lorentzian, spectrum)
            x = thermal_ratio(frequencies, each)[0]
            result[:, sorting] = spectrum
            np.multiply(result, expit(x) if reduced else np.tanh(0.5 * x), out=result)
    results *= -np.pi / (units.HBAR * box)
    results = results.reshape(*kelvin.shape, *results.shape[1:])
    if components == "isotropic":
        return moduli_of_invariants(results[..., 0, :], results[..., 1, :])
    rows, columns = np.triu_indices(6)
    tensor = np.empty((*kelvin.shape, results.shape[-1], 6, 6))
    tensor[..., rows, columns] = tensor[..., columns, rows] = np.moveaxis(results, -2, -1)
    return tensor


def _levels(energies: ArrayLike, stress: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return increasing frequencies (n,) above the ground state, and real and imaginary parts of stresses (6, n, n)."""
    levels = validate.float_array("energies", energies)
    if levels.ndim != 1 or levels.size == 0:
        raise ValueError(f"energies must have shape (n,), got {levels.shape}")
    validate.require_bounded("energies", levels)
    matrices = stress_matrices(stress, levels.size, levels_first=True)
    order = np.argsort(levels, kind="stable")
    components = matrices[:, order][:, :, order]
    frequencies = (levels[order] - levels[order[0]]) / units.HBAR
    return frequencies, np.ascontiguousarray(components.real), np.ascontiguousarray(components.imag)


def _frequencies(omega: ArrayLike, shape: LineShape, broadening: float | None) -> tuple[FloatArray, float]:
    """Return frequencies or edges (k,), and the width of a line, 0 for a histogram."""
    frequencies = validate.float_array("omega", omega)
    if frequencies.ndim != 1:
        raise ValueError(f"omega must have shape (k,), got {frequencies.shape}")
    validate.require_bounded("omega", frequencies)
    if shape == "histogram":
        if broadening is not None:
            raise ValueError(f"broadening has no meaning for a histogram, got {broadening!r}")
        if frequencies.size < 2 or (np.diff(frequencies) <= 0.0).any():
            raise ValueError("omega must be increasing edges, at least 2, for a histogram")
        return frequencies, 0.0
    if broadening is None:
        raise ValueError(f"broadening must be given for a {shape}, got None")
    return frequencies, validate.positive_number("broadening", broadening, unit="rad/s")
