"""Susceptibilities of a block: from its levels, of two-level systems, and their isotropic form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, expit

from mbfast import units
from mbfast._core.validate import (
    LARGEST,
    FloatArray,
    broadcast_shape,
    float_array,
    one_number,
    real_array,
    require_bounded,
    require_choice,
    require_finite,
    require_positive,
)
from mbfast.kernels import levels as kernels
from mbfast.spectra.grid import check_temperature, inverse_thermal_frequency

if TYPE_CHECKING:
    from mbfast._core.voigt import Polarization

LineShape: TypeAlias = Literal["gaussian", "lorentzian", "histogram"]

_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_TWICE = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
# ln of what the tail of tanh beyond a cutoff may be
_COLD = 40.0


class Moduli(NamedTuple):
    """A quantity for longitudinal and for transverse strain.

    Attributes
    ----------
    longitudinal, transverse : ndarray
        Of one shape.
    """

    longitudinal: FloatArray
    transverse: FloatArray


def isotropic_tensor(longitudinal: ArrayLike, transverse: ArrayLike) -> FloatArray:
    """Tensor of an isotropic block from its two moduli.

    Parameters
    ----------
    longitudinal, transverse : array_like, shape (...)
        chi_l and chi_t; they broadcast against each other.

    Returns
    -------
    ndarray, shape (..., 3, 3, 3, 3)

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Notes
    -----
    (2.12): (chi_l - 2 chi_t) d_ij d_kl + chi_t (d_ik d_jl + d_il d_jk).

    Examples
    --------
    >>> import mbfast
    >>> tensor = mbfast.isotropic_tensor(3.0, 1.0)
    >>> print(tensor[0, 0, 0, 0], tensor[0, 1, 0, 1], tensor[0, 0, 1, 1])
    3.0 1.0 1.0
    """
    chi_l, chi_t = float_array("longitudinal", longitudinal), float_array("transverse", transverse)
    broadcast_shape(longitudinal=chi_l, transverse=chi_t)
    d = np.eye(3)
    pairs = np.einsum("ik,jl->ijkl", d, d) + np.einsum("il,jk->ijkl", d, d)
    chi_l, chi_t = chi_l[..., None, None, None, None], chi_t[..., None, None, None, None]
    result: FloatArray = (chi_l - 2.0 * chi_t) * np.einsum("ij,kl->ijkl", d, d) + chi_t * pairs
    return result


def isotropic_moduli(tensor: ArrayLike) -> Moduli:
    """Moduli of the average of a tensor over all rotations.

    Parameters
    ----------
    tensor : array_like, shape (..., 3, 3, 3, 3) or (..., 6, 6)
        chi_ijkl; as 6 x 6 in the order xx, yy, zz, yz, xz, xy, without factors 2.

    Returns
    -------
    Moduli
        chi_l = (C_iikk + 2 C_ijij)/15 and chi_t = (3 C_ijij - C_iikk)/30, shape (...).

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import numpy as np, mbfast
    >>> moduli = mbfast.isotropic_moduli(mbfast.isotropic_tensor(3.0, 1.0))
    >>> print(f"{moduli.longitudinal:.15g} {moduli.transverse:.15g}")
    3 1
    """
    c = float_array("tensor", tensor)
    if c.ndim >= 4 and c.shape[-4:] == (3, 3, 3, 3):
        return _isotropic(np.einsum("...iikk->...", c), np.einsum("...ijij->...", c))
    if c.ndim < 2 or c.shape[-2:] != (6, 6):
        raise ValueError(f"tensor must have shape (..., 3, 3, 3, 3) or (..., 6, 6), got {c.shape}")
    return _isotropic(c[..., :3, :3].sum(axis=(-1, -2)), np.einsum("...aa,a->...", c, _TWICE))


def _isotropic(iikk: FloatArray, ijij: FloatArray) -> Moduli:
    return Moduli((iikk + 2.0 * ijij) / 15.0, (3.0 * ijij - iikk) / 30.0)


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
    TypeError, ValueError
        If an argument is not as described.

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

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (2.9)-(2.12).

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
    levels = float_array("energies", energies)
    if levels.ndim != 1 or levels.size == 0:
        raise ValueError(f"energies must have shape (n,), got {levels.shape}")
    require_bounded("energies", levels)
    order = np.argsort(levels, kind="stable")
    re, im = (np.ascontiguousarray(part[:, order][:, :, order]) for part in _stress(stress, levels.size))
    box = one_number("volume", volume)
    require_positive("volume", np.asarray(box), unit="m^3")
    kelvin = check_temperature(temperature)
    frequencies = float_array("omega", omega)
    if frequencies.ndim != 1:
        raise ValueError(f"omega must have shape (k,), got {frequencies.shape}")
    require_finite("omega", frequencies)
    require_choice("shape", shape, get_args(LineShape))
    require_choice("components", components, ("isotropic", "tensor"))
    width = 0.0
    if shape == "histogram":
        if broadening is not None:
            raise ValueError(f"broadening has no meaning for a histogram, got {broadening!r}")
        if frequencies.size < 2 or (np.diff(frequencies) <= 0.0).any():
            raise ValueError("omega must be increasing edges, at least 2, for a histogram")
    else:
        if broadening is None:
            raise ValueError(f"broadening must be given for a {shape}, got None")
        width = one_number("broadening", broadening)
        require_positive("broadening", np.asarray(width), unit="rad/s")

    w = (levels[order] - levels[order[0]]) / units.HBAR
    results = np.zeros((kelvin.size, 2 if components == "isotropic" else 21, frequencies.size - (shape == "histogram")))
    rates = inverse_thermal_frequency(kelvin.ravel())
    bins = np.diff(frequencies)
    for rate, result in zip(rates, results, strict=True):
        # at T = 0 the ground states alone; inf * 0 is theirs
        populations = np.exp(-np.where(w > 0.0, rate, 0.0) * w)
        populations /= populations.sum()
        if shape == "histogram":
            kernels.add_bins(w, populations, re, im, rate, frequencies, int(reduced), result)
            np.divide(result, bins, out=result)
        else:
            sorting = np.argsort(frequencies, kind="stable")
            spectrum = np.zeros_like(result)
            lorentzian = int(shape == "lorentzian")
            kernels.add_lines(w, populations, re, im, frequencies[sorting], width, lorentzian, spectrum)
            x = np.where(frequencies != 0.0, rate, 0.0) * frequencies
            result[:, sorting] = spectrum
            np.multiply(result, expit(x) if reduced else np.tanh(0.5 * x), out=result)
    results *= -np.pi / (units.HBAR * box)
    results = results.reshape(*kelvin.shape, *results.shape[1:])
    if components == "isotropic":
        return _isotropic(results[..., 0, :], results[..., 1, :])
    rows, columns = np.triu_indices(6)
    tensor = np.empty((*kelvin.shape, results.shape[-1], 6, 6))
    tensor[..., rows, columns] = tensor[..., columns, rows] = np.moveaxis(results, -2, -1)
    return tensor


def _stress(stress: ArrayLike, n: int) -> tuple[FloatArray, FloatArray]:
    """Return real and imaginary parts of the matrices, (6, n, n) each."""
    if isinstance(stress, np.ma.MaskedArray):
        raise TypeError("stress must be a plain array, got a masked one: fill it first")
    given = np.asarray(stress)
    if given.dtype.kind != "c":
        given = real_array("stress", stress)
    matrices = given.astype(np.complex128)
    if matrices.shape not in ((n, n, 3, 3), (n, n, 6)):
        raise ValueError(f"stress must have shape ({n}, {n}, 3, 3) or ({n}, {n}, 6), got {matrices.shape}")
    if not np.abs(matrices).max(initial=0.0) <= LARGEST:
        raise ValueError(f"stress must be finite, with magnitudes up to {LARGEST:g} J")
    tolerance = 1e-12 * np.abs(matrices).max(initial=0.0)
    if matrices.ndim == 4:
        if np.abs(matrices - matrices.swapaxes(2, 3)).max(initial=0.0) > tolerance:
            raise ValueError("stress must be symmetric in its last two axes")
        matrices = np.stack([matrices[..., i, j] for i, j in _VOIGT], axis=-1)
    if np.abs(matrices - matrices.swapaxes(0, 1).conj()).max(initial=0.0) > tolerance:
        raise ValueError("stress must be Hermitian in its first two axes")
    components = np.moveaxis(matrices, -1, 0)
    return components.real, components.imag


def ttls_susceptibility(
    omega: ArrayLike,
    temperature: ArrayLike,
    density: ArrayLike,
    coupling: ArrayLike,
    cutoff: ArrayLike,
    *,
    reduced: bool = False,
) -> NDArray[np.complex128]:
    r"""Resonant susceptibility of two-level systems with a constant distribution.

    Parameters
    ----------
    omega : array_like
        Frequency (rad/s), positive and below `cutoff`.
    temperature : array_like
        T (K), zero allowed; k_B T at most hbar `cutoff`/40.
    density : array_like
        P-bar (1/(J m^3)), of systems in asymmetry and the logarithm of the tunnelling element, both positive.
    coupling : array_like
        gamma_a (J): a strain e changes the energy by gamma_a (D sigma_z + M sigma_x) e. (2.1) has half its gamma there.
    cutoff : array_like
        omega_c (rad/s): no system has a larger splitting.
    reduced : bool
        chi~ instead of chi: Im chi~ of (2.11), and as Re chi~ the one-sided transform of it that (4.3) takes.

    Returns
    -------
    ndarray of complex128
        chi_a (Pa), of the shape to which the arguments broadcast.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Notes
    -----
    With A = pi P gamma^2, T_c = hbar omega_c/k_B and y = hbar omega/(2 pi k_B T)

    .. math:: \mathrm{Im}\,\chi = -A \tanh\frac{\hbar\omega}{2k_BT}, \quad
              \mathrm{Re}\,\chi = -\frac{2A}{\pi}\left[\ln\frac{\hbar\sqrt{\omega_c^2-\omega^2}}{2\pi k_BT}
              - \mathrm{Re}\,\psi(\tfrac12 + iy)\right],

    exact but for a relative exp(-hbar omega_c/k_B T). Im chi~ = -A/(1 + exp(-hbar omega/k_B T)); its one-sided
    transform is the mean of Re chi at T and at T = 0, and diverges as omega -> 0.

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (2.1), (2.11), (4.3). S. Hunklinger and W. Arnold, Physical Acoustics
    12, 155 (1976).

    Examples
    --------
    >>> import mbfast
    >>> from mbfast.units import EV
    >>> chi = mbfast.ttls_susceptibility(1e9, [0.0, 1.0], 8e44, 1.04 * EV, 1e15)
    >>> print(f"{chi[0]:.4g} {chi[1]:.4g}")
    -6.137e+08-6.978e+07j -4.028e+08-2.665e+05j
    """
    arguments = {
        "omega": float_array("omega", omega),
        "temperature": check_temperature(temperature),
        "density": float_array("density", density),
        "coupling": float_array("coupling", coupling),
        "cutoff": float_array("cutoff", cutoff),
    }
    for name, unit in (("omega", "rad/s"), ("cutoff", "rad/s")):
        require_positive(name, arguments[name], unit=unit)
    _require_not_negative("density", arguments["density"], 1e70)
    _require_not_negative("coupling", arguments["coupling"])
    broadcast_shape(**arguments)
    w, kelvin, states, gamma, top = np.broadcast_arrays(*arguments.values())
    if (w >= top).any():
        raise ValueError("omega must be below cutoff")
    if (units.K_B * kelvin * _COLD > units.HBAR * top).any():
        raise ValueError(f"temperature must be at most hbar cutoff/({_COLD:g} k_B), got {kelvin.max():g} K")
    strength = np.pi * states * gamma**2
    x = inverse_thermal_frequency(kelvin) * w
    at_zero = -strength / np.pi * (np.log((top - w) / w) + np.log1p(top / w))
    real = at_zero - 2.0 * strength / np.pi * (np.log(w) - _thermal_logarithm(w, kelvin))
    if reduced:
        return np.asarray(0.5 * (real + at_zero) - 1j * strength * expit(x))
    return np.asarray(real - 1j * strength * np.tanh(0.5 * x))


def _require_not_negative(name: str, array: FloatArray, largest: float = LARGEST) -> None:
    require_bounded(name, array, largest)
    if (array < 0.0).any():
        raise ValueError(f"{name} must not be negative, got {array.min():g}")


def _thermal_logarithm(omega: FloatArray, temperature: FloatArray) -> FloatArray:
    """Return ln(2 pi k_B T/hbar) + Re psi(1/2 + i hbar omega/(2 pi k_B T)), which is ln(omega) at T = 0."""
    thermal = 2.0 * np.pi * units.K_B / units.HBAR * np.where(temperature > 0.0, temperature, 1.0)
    y = omega / thermal
    # psi loses nothing up to 1e8; beyond, the next term of its series is below the rounding error
    warm = np.log(thermal) + digamma(0.5 + 1j * np.minimum(y, 1e8)).real
    return np.where((temperature > 0.0) & (y < 1e8), warm, np.log(omega))


def tunnelling_strength(density: ArrayLike, coupling: ArrayLike, modulus: ArrayLike) -> FloatArray:
    """Tunnelling strength C_a = P gamma_a^2/(rho c_a^2), dimensionless.

    Parameters
    ----------
    density, coupling : array_like
        P-bar (1/(J m^3)) and gamma_a (J), as in `ttls_susceptibility`.
    modulus : array_like
        rho c_a^2 (Pa).

    Returns
    -------
    ndarray or float64

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import mbfast
    >>> from mbfast.units import EV
    >>> print(f"{mbfast.tunnelling_strength(8e44, 1.04 * EV, 2200 * 5800**2):.1e}")
    3.0e-04
    """
    arguments = {
        "density": float_array("density", density),
        "coupling": float_array("coupling", coupling),
        "modulus": float_array("modulus", modulus),
    }
    _require_not_negative("density", arguments["density"], 1e70)
    _require_not_negative("coupling", arguments["coupling"])
    require_positive("modulus", arguments["modulus"], unit="Pa")
    broadcast_shape(**arguments)
    result: FloatArray = arguments["density"] * arguments["coupling"] ** 2 / arguments["modulus"]
    return result[()]


def sound_velocity_shift(
    omega: ArrayLike, temperature: ArrayLike, reference: ArrayLike, strength: ArrayLike
) -> FloatArray:
    r"""Relative change of a sound velocity with temperature, by resonant two-level systems.

    Parameters
    ----------
    omega : array_like
        Frequency of the sound (rad/s), far below the cutoff of the systems.
    temperature, reference : array_like
        T and T_0 (K), zero allowed.
    strength : array_like
        C_a of `tunnelling_strength`.

    Returns
    -------
    ndarray or float64
        (c_a(T) - c_a(T_0))/c_a.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Notes
    -----
    delta(rho c^2) = Re chi, so the shift is C [l(T) - l(T_0)] with l(T) = ln T + Re psi(1/2 + i hbar omega/2 pi k_B T):
    C ln(T/T_0), the slope from which experiments infer C, for hbar omega << k_B T.

    Examples
    --------
    >>> import math, mbfast
    >>> print(f"{mbfast.sound_velocity_shift(1e8, 1.0, 0.1, 3e-4) / (3e-4 * math.log(10)):.6f}")
    0.999995
    """
    arguments = {
        "omega": float_array("omega", omega),
        "temperature": check_temperature(temperature),
        "reference": check_temperature(reference, "reference"),
        "strength": float_array("strength", strength),
    }
    require_positive("omega", arguments["omega"], unit="rad/s")
    require_bounded("strength", arguments["strength"])
    broadcast_shape(**arguments)
    w, kelvin, other, c = np.broadcast_arrays(*arguments.values())
    result: FloatArray = c * (_thermal_logarithm(w, kelvin) - _thermal_logarithm(w, other))
    return result[()]


@dataclass(frozen=True, slots=True)
class TwoLevelSystem:
    """A two-level system and its coupling to strain, (2.1).

    Parameters
    ----------
    asymmetry, tunnelling : float
        Delta and Delta_0 (J), not both zero.
    gamma_l, gamma_t : float
        Couplings gamma (J) to longitudinal and transverse strain, as in (2.1): a strain e couples as (gamma/2) e.

    Examples
    --------
    >>> import mbfast
    >>> from mbfast.units import EV, K_B
    >>> system = mbfast.TwoLevelSystem(0.6 * K_B, 0.8 * K_B, 1.0 * EV, 0.65 * EV)
    >>> print(f"{system.splitting / K_B:.3f} K, D = {system.diagonal:.3f}, M = {system.off_diagonal:.3f}")
    1.000 K, D = 0.600, M = 0.800
    """

    asymmetry: float
    tunnelling: float
    gamma_l: float
    gamma_t: float

    def __post_init__(self) -> None:
        for name in ("asymmetry", "tunnelling", "gamma_l", "gamma_t"):
            value = one_number(name, getattr(self, name))
            require_bounded(name, np.asarray(value))
            object.__setattr__(self, name, value)
        if self.splitting == 0.0:
            raise ValueError("asymmetry and tunnelling must not both be zero")

    @property
    def splitting(self) -> float:
        """E = sqrt(Delta^2 + Delta_0^2) (J)."""
        return float(np.hypot(self.asymmetry, self.tunnelling))

    @property
    def diagonal(self) -> float:
        """D = Delta/E."""
        return self.asymmetry / self.splitting

    @property
    def off_diagonal(self) -> float:
        """M = Delta_0/E."""
        return self.tunnelling / self.splitting

    def hamiltonian(self, basis: Literal["energy", "local"] = "energy") -> FloatArray:
        """Return the Hamiltonian (J) of shape (2, 2): diag(E, -E)/2, or (Delta sigma_z + Delta_0 sigma_x)/2."""
        if self._is_energy(basis):
            return 0.5 * np.diag([self.splitting, -self.splitting])
        return 0.5 * np.array([[self.asymmetry, self.tunnelling], [self.tunnelling, -self.asymmetry]])

    def coupling(self, polarization: Polarization, basis: Literal["energy", "local"] = "energy") -> FloatArray:
        """Return the operator (J) that multiplies a strain: (gamma/2)(D sigma_z + M sigma_x), or (gamma/2) sigma_z."""
        if polarization not in ("longitudinal", "transverse"):
            raise ValueError(f"polarization must be longitudinal or transverse, got {polarization!r}")
        gamma = self.gamma_l if polarization == "longitudinal" else self.gamma_t
        d, m = (self.diagonal, self.off_diagonal) if self._is_energy(basis) else (1.0, 0.0)
        return 0.5 * gamma * np.array([[d, m], [m, -d]])

    def absorption_rate(
        self,
        omega: ArrayLike,
        temperature: float,
        strain: float,
        broadening: float,
        polarization: Polarization,
        *,
        basis: Literal["energy", "local"] = "energy",
    ) -> FloatArray:
        """Power absorbed from a wave in resonance, by the golden rule between the diagonalised levels.

        Parameters
        ----------
        omega : array_like
            Frequency of the wave (rad/s).
        temperature : float
            T (K), zero allowed.
        strain : float
            Complex amplitude A k: the strain is A k exp(-i omega t) and its complex conjugate.
        broadening : float
            Standard deviation of the line (rad/s), a Gaussian in the place of the delta function.
        polarization : {"longitudinal", "transverse"}
            Of the wave.
        basis : {"energy", "local"}
            In which the Hamiltonian is set up; the result does not depend on it.

        Returns
        -------
        ndarray or float64
            Watts; (2.2), (pi/2 hbar)(A k)^2 M^2 E tanh(E/2 k_B T) gamma^2 delta(E - hbar omega).
        """
        frequencies = float_array("omega", omega)
        require_finite("omega", frequencies)
        rate = float(inverse_thermal_frequency(check_temperature(one_number("temperature", temperature))))
        amplitude, width = one_number("strain", strain), one_number("broadening", broadening)
        require_finite("strain", np.asarray(amplitude))
        require_positive("broadening", np.asarray(width), unit="rad/s")
        energies, states = np.linalg.eigh(self.hamiltonian(basis))
        element = states[:, 0] @ self.coupling(polarization, basis) @ states[:, 1]
        gap = (energies[1] - energies[0]) / units.HBAR
        line = np.exp(-0.5 * ((frequencies - gap) / width) ** 2) / (np.sqrt(2.0 * np.pi) * width)
        result: FloatArray = (
            2.0 * np.pi / units.HBAR * (amplitude * element) ** 2 * gap * np.tanh(0.5 * rate * gap) * line
        )
        return result[()]

    def _is_energy(self, basis: str) -> bool:
        if basis not in ("energy", "local"):
            raise ValueError(f"basis must be energy or local, got {basis!r}")
        return basis == "energy"
