"""Two-level systems: one of them (2.1), (2.2), their constant distribution, and what experiments take from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, expit

from mbfast import units
from mbfast._core import validate
from mbfast._core.validate import FloatArray
from mbfast._core.voigt import POLARIZATIONS, Polarization
from mbfast.spectra.relaxation import FACTORS, Convention, relaxed
from mbfast.spectra.thermal import check_kelvin, check_temperature, inverse_thermal_frequency

Basis: TypeAlias = Literal["energy", "local"]

# ln of what the tail of tanh beyond a cutoff may be
_COLD = 40.0
_UNITS = {"omega": "rad/s", "cutoff": "rad/s", "modulus": "Pa"}  # of what must be positive
_LARGEST = {"density": 1e70, "coupling": validate.LARGEST}  # of what must not be negative


def ttls_susceptibility(
    omega: ArrayLike,
    temperature: ArrayLike,
    density: ArrayLike,
    coupling: ArrayLike,
    cutoff: ArrayLike,
    *,
    reduced: bool = False,
    convention: Convention = "full",
    relaxation: ArrayLike | None = None,
) -> NDArray[np.complex128]:
    r"""Susceptibility of two-level systems with a constant distribution: resonant, and relaxational where asked for.

    See S. Hunklinger and W. Arnold, Physical Acoustics 12, 155 (1976), and J. Jaeckle, Z. Phys. 257, 212 (1972).

    Parameters
    ----------
    omega : array_like
        Frequency (rad/s), positive and below `cutoff`.
    temperature : array_like
        T (K), zero allowed; k_B T at most hbar `cutoff`/40.
    density : array_like
        P-bar (1/(J m^3)), of systems in asymmetry and the logarithm of the tunnelling element, both positive.
    coupling : array_like
        gamma_a (J), in the sense of `convention`.
    cutoff : array_like
        omega_c (rad/s): no system has a larger splitting.
    reduced : bool
        chi~ instead of chi: Im chi~ of (2.11), and as Re chi~ the one-sided transform of it that (4.3) takes.
    convention : {"full", "half"}
        Whether a strain e changes the energy by gamma (D sigma_z + M sigma_x) e, as where couplings are measured and
        C = P gamma^2/(rho c^2), or by half of that, as in (2.1): the same gamma then has a quarter of the effect.
    relaxation : array_like, optional
        K (1/(K^3 s)) of the rates K (Delta_0^2 E/k_B^3) coth(E/2 k_B T) with which populations follow the splittings
        that a strain shifts, see `mbfast.spectra.relaxation.one_phonon_rate`; positive. None: they do not follow.

    Returns
    -------
    ndarray of complex128
        chi_a (Pa), of the shape to which the arguments broadcast.

    Raises
    ------
    TypeError
        If an argument does not consist of real numbers.
    ValueError
        If `omega` or `cutoff` is not positive and finite, `omega` is not below `cutoff`, `temperature` is negative or
        too high, `density` or `coupling` is negative or not finite, or the arguments do not broadcast; if `convention`
        is unknown; if `relaxation` is not from 1e-35 to 1e35, or given with `reduced`: Im chi~ is then
        Im chi/(1 - exp(-hbar omega/k_B T)), and its transform has no closed form.

    Notes
    -----
    With A = pi P gamma^2, T_c = hbar omega_c/k_B and y = hbar omega/(2 pi k_B T)

    .. math:: \mathrm{Im}\,\chi = -A \tanh\frac{\hbar\omega}{2k_BT}, \quad
              \mathrm{Re}\,\chi = -\frac{2A}{\pi}\left[\ln\frac{\hbar\sqrt{\omega_c^2-\omega^2}}{2\pi k_BT}
              - \mathrm{Re}\,\psi(\tfrac12 + iy)\right],

    exact but for a relative exp(-hbar omega_c/k_B T). Im chi~ = -A/(1 + exp(-hbar omega/k_B T)); its one-sided
    transform is the mean of Re chi at T and at T = 0, and diverges as omega -> 0.

    A strain shifts the levels by D gamma; populations that follow add, to each system, -cov/(k_B T)/(1 - i omega tau)
    with cov = D^2 gamma^2/cosh^2(E/2 k_B T). With 1/tau as above, down to Delta_0 = 0, the integral over Delta_0 is

    .. math:: -P\gamma^2 \int_0^\infty \frac{dE}{k_BT}\,\frac{b\,\mathrm{artanh}(1/b) - 1}{\cosh^2(E/2k_BT)},
              \qquad b^2 = 1 - i\omega\tau_m,

    tau_m being tau at Delta_0 = E; that over E is computed to 1e-12. For omega tau_m << 1 at E ~ k_B T it is
    -(pi/2) P gamma^2 in Im chi: the plateau of attenuation, C pi/2 in the inverse quality.

    Examples
    --------
    >>> import mbfast
    >>> from mbfast.units import EV
    >>> chi = mbfast.ttls_susceptibility(1e9, [0.0, 1.0], 8e44, 1.04 * EV, 1e15)
    >>> print(f"{chi[0]:.4g} {chi[1]:.4g}")
    -6.137e+08-6.978e+07j -4.028e+08-2.665e+05j
    """
    w, kelvin, states, gamma, top = _checked(
        omega=omega, temperature=temperature, density=density, coupling=coupling, cutoff=cutoff
    )
    validate.require_flag("reduced", reduced)
    validate.require_choice("convention", convention, get_args(Convention))
    if (w >= top).any():
        raise ValueError("omega must be below cutoff")
    if (units.K_B * kelvin * _COLD > units.HBAR * top).any():
        raise ValueError(f"temperature must be at most hbar cutoff/({_COLD:g} k_B), got {kelvin.max():g} K")
    strength = np.pi * states * (FACTORS[convention] * gamma) ** 2
    x = inverse_thermal_frequency(kelvin) * w
    at_zero = -strength / np.pi * (np.log((top - w) / w) + np.log1p(top / w))
    real = at_zero - 2.0 * strength / np.pi * (np.log(w) - _thermal_logarithm(w, kelvin))
    if reduced:
        if relaxation is not None:
            raise ValueError(f"reduced must be False with relaxation, which has no closed form of it, got {reduced!r}")
        return np.asarray(0.5 * (real + at_zero) - 1j * strength * expit(x))
    resonant = np.asarray(real - 1j * strength * np.tanh(0.5 * x))
    if relaxation is None:
        return resonant
    rate = validate.float_array("relaxation", relaxation)
    validate.require_positive("relaxation", rate, unit="1/(K^3 s)")
    validate.broadcast_shape(relaxation=rate, omega=w)
    return np.asarray(resonant - strength / np.pi * relaxed(*np.broadcast_arrays(w, kelvin, rate)))


def _checked(**given: ArrayLike) -> tuple[FloatArray, ...]:
    """Return arguments, checked as their names want it and broadcast against each other."""
    arrays = {}
    for name, value in given.items():
        kelvin = name in ("temperature", "reference")
        arrays[name] = array = check_temperature(value, name) if kelvin else validate.float_array(name, value)
        if name in _UNITS:
            validate.require_positive(name, array, unit=_UNITS[name])
        elif not kelvin:
            validate.require_bounded(name, array, _LARGEST.get(name, validate.LARGEST))
            if name in _LARGEST and (array < 0.0).any():
                raise ValueError(f"{name} must not be negative, got {array.min():g}")
    validate.broadcast_shape(**arrays)
    return np.broadcast_arrays(*arrays.values())


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
        As `ttls_susceptibility` does for the same arguments; a ValueError if `modulus` is not positive and finite.

    Examples
    --------
    >>> import mbfast
    >>> from mbfast.units import EV
    >>> print(f"{mbfast.tunnelling_strength(8e44, 1.04 * EV, 2200 * 5800**2):.1e}")
    3.0e-04
    """
    states, gamma, stiffness = _checked(density=density, coupling=coupling, modulus=modulus)
    return np.asarray(states * gamma**2 / stiffness)[()]


def sound_velocity_shift(
    omega: ArrayLike, temperature: ArrayLike, reference: ArrayLike, strength: ArrayLike
) -> FloatArray:
    r"""Relative change of a sound velocity with temperature, by resonant two-level systems.

    delta(rho c^2) = Re chi, so the shift is C [l(T) - l(T_0)] with l(T) = ln T + Re psi(1/2 + i hbar omega/2 pi k_B T):
    C ln(T/T_0), the slope from which experiments infer C, for hbar omega << k_B T.

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
        As `ttls_susceptibility` does for the same arguments and `reference`; a ValueError if `strength` is not finite.

    Examples
    --------
    >>> import math, mbfast
    >>> print(f"{mbfast.sound_velocity_shift(1e8, 1.0, 0.1, 3e-4) / (3e-4 * math.log(10)):.6f}")
    0.999995
    """
    w, kelvin, other, c = _checked(omega=omega, temperature=temperature, reference=reference, strength=strength)
    return np.asarray(c * (_thermal_logarithm(w, kelvin) - _thermal_logarithm(w, other)))[()]


@dataclass(frozen=True, slots=True)
class TwoLevelSystem:
    """A two-level system and its coupling to strain, (2.1).

    Parameters
    ----------
    asymmetry, tunnelling : float
        Delta and Delta_0 (J), not both zero.
    gamma_l, gamma_t : float
        Couplings gamma (J) to longitudinal and transverse strain, in the sense of `convention`.
    convention : {"full", "half"}
        Whether a strain e changes the energy by gamma (D sigma_z + M sigma_x) e, as where couplings are measured and in
        `ttls_susceptibility`, or by half of that, as in (2.1): with "half" absorption is that of (2.2).

    Raises
    ------
    TypeError
        If an argument is not one real number.
    ValueError
        If an argument is not finite, or `asymmetry` and `tunnelling` are both zero or below 1e-35 J in magnitude; if
        `convention` is unknown. Methods refuse an unknown polarization or basis.

    Examples
    --------
    >>> import mbfast
    >>> from mbfast.units import EV, K_B
    >>> system = mbfast.TwoLevelSystem(0.6 * K_B, 0.8 * K_B, 1.0 * EV, 0.65 * EV)
    >>> print(f"{system.splitting / K_B:.3f} K, D = {system.diagonal:.3f}, M = {system.off_diagonal:.3f}")
    1.000 K, D = 0.600, M = 0.800
    >>> print(system.hamiltonian().tolist() == [[system.splitting / 2, 0], [0, -system.splitting / 2]])
    True
    >>> print(f"{system.coupling('transverse')[0, 1] / EV:.2f} eV")  # gamma_t M
    0.52 eV
    >>> from mbfast.units import HBAR
    >>> print(f"{system.absorption_rate(system.splitting / HBAR, 0.1, 1e-8, 1e9, 'transverse'):.2e} W")
    2.16e-18 W
    """

    asymmetry: float
    tunnelling: float
    gamma_l: float
    gamma_t: float
    convention: Convention = "full"

    def __post_init__(self) -> None:
        for name in ("asymmetry", "tunnelling", "gamma_l", "gamma_t"):
            object.__setattr__(self, name, validate.bounded_number(name, getattr(self, name)))
        validate.require_choice("convention", self.convention, get_args(Convention))
        if self.splitting < validate.SMALLEST:
            raise ValueError(f"asymmetry and tunnelling must not both be below {validate.SMALLEST:g} J in magnitude")

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

    def hamiltonian(self, basis: Basis = "energy") -> FloatArray:
        """Return the Hamiltonian (J) of shape (2, 2): diag(E, -E)/2, or (Delta sigma_z + Delta_0 sigma_x)/2."""
        validate.require_choice("basis", basis, get_args(Basis))
        if basis == "energy":
            return 0.5 * np.diag([self.splitting, -self.splitting])
        return 0.5 * np.array([[self.asymmetry, self.tunnelling], [self.tunnelling, -self.asymmetry]])

    def coupling(self, polarization: Polarization, basis: Basis = "energy") -> FloatArray:
        """Return the operator that multiplies a strain.

        Parameters
        ----------
        polarization : {"longitudinal", "transverse"}
            Of the strain.
        basis : {"energy", "local"}
            In which the operator is written.

        Returns
        -------
        ndarray, shape (2, 2)
            gamma (D sigma_z + M sigma_x), or gamma sigma_z, in J; half of that with the convention "half".
        """
        validate.require_choice("polarization", polarization, POLARIZATIONS)
        validate.require_choice("basis", basis, get_args(Basis))
        gamma = FACTORS[self.convention] * (self.gamma_l if polarization == "longitudinal" else self.gamma_t)
        d, m = (self.diagonal, self.off_diagonal) if basis == "energy" else (1.0, 0.0)
        return gamma * np.array([[d, m], [m, -d]])

    @np.errstate(under="ignore")  # far from the line
    def absorption_rate(
        self,
        omega: ArrayLike,
        temperature: float,
        strain: float,
        broadening: float,
        polarization: Polarization,
        *,
        basis: Basis = "energy",
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
            Watts; (2 pi/hbar)(A k)^2 M^2 E tanh(E/2 k_B T) gamma^2 delta(E - hbar omega), and with the convention
            "half" a quarter of that: (2.2).

        Raises
        ------
        TypeError
            If `omega` does not consist of real numbers, or another argument is not one real number.
        ValueError
            If `omega` or `strain` is not finite or above 1e35, `temperature` is negative or `broadening` not positive.
        """
        frequencies = validate.float_array("omega", omega)
        validate.require_bounded("omega", frequencies)
        rate = float(inverse_thermal_frequency(np.asarray(check_kelvin(temperature))))
        amplitude = validate.bounded_number("strain", strain)
        width = validate.positive_number("broadening", broadening, unit="rad/s")
        energies, states = np.linalg.eigh(self.hamiltonian(basis))
        element = states[:, 0] @ self.coupling(polarization, basis) @ states[:, 1]
        gap = (energies[1] - energies[0]) / units.HBAR
        line = np.exp(-0.5 * ((frequencies - gap) / width) ** 2) / (np.sqrt(2.0 * np.pi) * width)
        power = 2.0 * np.pi / units.HBAR * (amplitude * element) ** 2 * gap * np.tanh(0.5 * rate * gap)
        return np.asarray(power * line)[()]
