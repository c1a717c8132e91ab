"""Susceptibilities of a block from its levels, (2.9)-(2.11)."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from mbfast import units
from mbfast._core import validate
from mbfast._core.matrices import stress_matrices
from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import FloatArray
from mbfast._core.voigt import WEIGHTS
from mbfast.kernels import levels as kernels
from mbfast.spectra.moduli import Moduli, moduli_of_invariants
from mbfast.spectra.thermal import check_temperature, inverse_thermal_frequency, thermal_ratio

LineShape: TypeAlias = Literal["gaussian", "lorentzian", "histogram"]

_ROWS, _COLUMNS = np.triu_indices(6)  # of the 21 components
_DEGENERATE = 1e-12  # of the highest energy: levels closer than that are one
_NUMBERS = 1 << 25  # that pairs of levels make in one call of a kernel


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
    relaxation_time: float | None = None,
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
    relaxation_time: float | None = None,
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
    relaxation_time: float | None = None,
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
    relaxation_time : float, optional
        tau (s) with which the populations of levels that the strain shifts follow, 0 included. None: they do not, as
        (2.9) has it, and what strain does not change of a stress is a line at zero frequency, broadened as all others.

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
        `components` is unknown; if `relaxation_time` is negative or not finite, given for a histogram, or given at a
        temperature of zero for a block with two ground states.

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

    A strain e shifts level m by <m|T|m> e. Where populations have time to follow, the response is larger than (2.9) by

    .. math:: -\frac{1}{k_BTL^3}\,\frac{1}{1-i\omega\tau}\Bigl[\sum_{E_m=E_n} p_m \langle m|T_{ij}|n\rangle
              \langle n|T_{kl}|m\rangle - \langle T_{ij}\rangle\langle T_{kl}\rangle\Bigr],

    the covariance of the shifts. With `relaxation_time` its imaginary part stands in the place of the lines at zero
    frequency. `static_susceptibility` has the limit omega tau << 1 of all, the second derivative of the free energy.

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
    debye = None
    if relaxation_time is not None:
        if histogram:
            raise ValueError(
                f"relaxation_time must be None for a histogram, which has lines alone, got {relaxation_time!r}"
            )
        debye = _debye(frequencies, relaxation_time, kelvin.ravel(), reduced=reduced)
        strengths = _strengths(w, re, im, kelvin, components) / box
        re, im = (np.where(_same(w), 0.0, part) for part in (re, im))
    results = np.zeros((kelvin.size, 2 if components == "isotropic" else 21, frequencies.size - histogram))
    for each, result in zip(kelvin.reshape(-1, 1), results, strict=True):
        populations = _populations(w, each[0])
        if histogram:
            rate = float(inverse_thermal_frequency(each)[0])
            for some in _ranges(w.size, 1):
                kernels._add_bins(*some, w, populations, re, im, rate, frequencies, int(reduced), result)
            np.divide(result, np.diff(frequencies), out=result)
        else:
            spectrum = np.zeros_like(result)
            lorentzian = int(shape == "lorentzian")
            for some in _ranges(w.size, frequencies.size * len(spectrum)):
                kernels._add_lines(*some, w, populations, re, im, frequencies[sorting], width, lorentzian, spectrum)
            x = thermal_ratio(frequencies, each)[0]
            result[:, sorting] = spectrum
            np.multiply(result, expit(x) if reduced else np.tanh(0.5 * x), out=result)
    results *= -np.pi / (units.HBAR * box)
    if debye is not None:
        results -= strengths[:, :, None] * debye[:, None]
    return _shaped(np.moveaxis(results.reshape(*kelvin.shape, *results.shape[1:]), -2, -1))


@np.errstate(under="ignore")  # as above
def static_susceptibility(
    energies: ArrayLike,
    stress: ArrayLike,
    volume: float,
    temperature: ArrayLike,
    *,
    components: Literal["isotropic", "tensor"] = "isotropic",
    relaxational: bool = True,
) -> Moduli | FloatArray:
    r"""Response of the stress of a block to a constant strain, from its levels.

    Parameters
    ----------
    energies, stress, volume, temperature, components
        As in `susceptibility_from_levels`.
    relaxational : bool
        Whether populations have followed the levels (isothermal), or are those before the strain, (2.9) at omega = 0.

    Returns
    -------
    Moduli or ndarray
        chi_l and chi_t (...), or (..., 6, 6), in Pa: none of them positive.

    Raises
    ------
    TypeError, ValueError
        As `susceptibility_from_levels` does for the same arguments; a TypeError if `relaxational` is not a bool, and a
        ValueError if it is true at a temperature of zero for a block with two ground states: the limit is infinite.

    Notes
    -----
    With populations p_m and the free energy F in a strain e,

    .. math:: L^3\chi_{ijkl} = -\sum_{E_m\ne E_n} \frac{p_m-p_n}{E_n-E_m}\,T^{mn}_{ij}T^{nm}_{kl} - \frac{1}{k_BT}
              \mathrm{cov}(T_{ij},T_{kl}) = \frac{\partial^2F}{\partial e_{ij}\partial e_{kl}},

    where the covariance, of what levels shift by, is the relaxational part.

    Examples
    --------
    >>> import numpy as np
    >>> from mbfast.spectra.levels import static_susceptibility
    >>> from mbfast.units import EV, K_B
    >>> stress = np.zeros((2, 2, 6))
    >>> stress[..., 5] = 0.5 * EV * np.array([[0.6, 0.8], [0.8, -0.6]])  # an asymmetry of 0.6 of the splitting
    >>> for relaxational in (False, True):
    ...     chi = static_susceptibility([-K_B / 2, K_B / 2], stress, 5e-9**3, 1.0, relaxational=relaxational)
    ...     print(f"{chi.transverse:.3g}")
    -4.4e+08
    -6.5e+08
    """
    w, re, im = _levels(energies, stress)
    box = validate.positive_number("volume", volume, unit="m^3")
    kelvin = check_temperature(temperature)
    validate.require_choice("components", components, ("isotropic", "tensor"))
    validate.require_flag("relaxational", relaxational)
    gaps = np.where(_same(w), np.inf, units.HBAR * (w[:, None] - w))
    results = np.zeros((*kelvin.shape, 21))
    for place in np.ndindex(kelvin.shape):
        p = _populations(w, kelvin[place])
        results[place] = _products((p[:, None] - p) / gaps, re, im)
    strengths = _strengths(w, re, im, kelvin, "tensor").reshape(results.shape) if relaxational else 0.0
    results = (results - strengths) / box
    if components == "isotropic":
        results = np.stack(_invariants(results), axis=-1)
    return _shaped(results)


def _ranges(n: int, numbers: int) -> list[Tile]:
    """Return ranges of n levels, each pair of which makes so many numbers: they take a tenth of a second at most."""
    return cut(n, max(1, _NUMBERS // (n * (16 + numbers))))


def _shaped(results: FloatArray) -> Moduli | FloatArray:
    """Return the moduli of two invariants (..., 2), or the matrix of 21 components (..., 21)."""
    if results.shape[-1] == 2:
        return moduli_of_invariants(results[..., 0], results[..., 1])
    tensor = np.empty((*results.shape[:-1], 6, 6))
    tensor[..., _ROWS, _COLUMNS] = tensor[..., _COLUMNS, _ROWS] = results
    return tensor


def _invariants(components: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return C_iikk and C_ijij of 21 components."""
    diagonal = _ROWS == _COLUMNS
    trace = np.where((_ROWS < 3) & (_COLUMNS < 3), np.where(diagonal, 1.0, 2.0), 0.0)
    return components @ trace, components @ np.where(diagonal, WEIGHTS[_ROWS], 0.0)


def _products(weights: FloatArray, re: FloatArray, im: FloatArray) -> FloatArray:
    """Return sums over levels m and n of weights (n, n) times T_ij T_kl between them, (21,)."""
    pairs = zip(_ROWS, _COLUMNS, strict=True)
    return np.array([np.sum(weights * (re[a] * re[b] + im[a] * im[b])) for a, b in pairs])


def _populations(w: FloatArray, kelvin: FloatArray) -> FloatArray:
    """Return the populations of levels; at T = 0 the ground states have all."""
    populations = np.exp(-thermal_ratio(w, np.asarray(kelvin)))
    return np.asarray(populations / populations.sum())


def _same(w: FloatArray) -> NDArray[np.bool_]:
    """Return which levels (n, n) have one energy."""
    return np.asarray(np.abs(w[:, None] - w) <= _DEGENERATE * w[-1])


def _strengths(w: FloatArray, re: FloatArray, im: FloatArray, kelvin: FloatArray, components: str) -> FloatArray:
    """Return the covariances of the shifts of levels over k_B T (J), (temperatures, 2 or 21)."""
    if w.size > 1 and w[1] <= _DEGENERATE * w[-1] and (kelvin == 0.0).any():
        raise ValueError("temperature must be positive where populations relax, got 0: a block has two ground states")
    found = np.zeros((kelvin.size, 21))
    real, imaginary = (np.where(_same(w), part, 0.0) for part in (re, im))
    for each, result in zip(kelvin.ravel(), found, strict=True):
        if each > 0.0:
            p = _populations(w, np.asarray(each))
            mean = np.einsum("amm,m->a", re, p)
            shifted = real - mean[:, None, None] * np.eye(w.size)
            result[:] = _products(p[:, None], shifted, imaginary) / (units.K_B * each)
    return np.stack(_invariants(found), axis=-1) if components == "isotropic" else found


def _debye(omega: FloatArray, relaxation_time: float, kelvin: FloatArray, *, reduced: bool) -> FloatArray:
    """Return omega tau/(1 + omega^2 tau^2), `reduced` over 1 - exp(-hbar omega/k_B T), (temperatures, k)."""
    tau = validate.bounded_number("relaxation_time", relaxation_time)
    if tau < 0.0:
        raise ValueError(f"relaxation_time must not be negative, got {tau:g} s")
    phase = omega * tau
    if not reduced:
        return np.broadcast_to(phase / (1.0 + phase**2), (kelvin.size, omega.size))
    x = thermal_ratio(omega, kelvin)
    # x/(1 - exp(-x)) is 1 at zero; at T = 0 nothing relaxes
    share = np.divide(x, -np.expm1(-x), out=np.ones_like(x), where=(x != 0.0) & np.isfinite(x))
    rates = np.where(kelvin > 0.0, units.K_B * kelvin / units.HBAR, 0.0)[:, None]
    return np.asarray(share * rates * tau / (1.0 + phase**2))


def _levels(energies: ArrayLike, stress: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return increasing frequencies (n,) above the ground state, and real and imaginary parts of stresses (6, n, n)."""
    levels = validate.float_array("energies", energies)
    if levels.ndim != 1 or levels.size == 0:
        raise ValueError(f"energies must have shape (n,), got {levels.shape}")
    validate.require_bounded("energies", levels)
    matrices = stress_matrices(stress, levels.size, levels_first=True)
    order = np.argsort(levels, kind="stable")
    real, imaginary = np.empty((2, *matrices.shape))
    for matrix, re, im in zip(matrices, real, imaginary, strict=True):
        ordered = matrix[np.ix_(order, order)]
        re[:], im[:] = ordered.real, ordered.imag
    return (levels[order] - levels[order[0]]) / units.HBAR, real, imaginary


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
