"""What interacts: the tensors of stress moments (2.14)-(2.17) and of electric dipoles (5.2), (5.3), as data for sums.

Equations, here and in the other modules of pair sums, are those of D. Zhou and A. J. Leggett, arXiv:1510.05528.
Methods of summation ask an interaction for data, never for its class: how many components a moment has, the prefactor,
the coefficients of the compiled sums, and which derivatives of r make its tensor. A new interaction is a small class
below `TensorInteraction` or `VectorInteraction` that says its prefactor; every method then takes it.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import validate
from mbfast._core.validate import (
    LARGEST,
    SMALLEST,
    FloatArray,
    float_array,
    require_bounded,
    require_choice,
    require_finite,
)
from mbfast._core.voigt import PLACES
from mbfast.glasses import Glass, elastic_parameter, medium
from mbfast.kernels import dipole, stress

Form = Literal["corrected", "joffrin-levelut"]

_DELTA = np.eye(3)


class Interaction(ABC):
    """An interaction of pairs of moments, as the methods of summation see it.

    Attributes
    ----------
    components : int
        Independent components of a moment: 6 (a symmetric tensor) or 3 (a vector).
    prefactor : float
        SI value of the reduced interaction, before division by the cube of the unit of length (m^3/J or V m/C).
    coefficients : tuple of float
        Trailing arguments of the kernels.
    parts : tuple of two float
        (b, c): with F the fourth derivatives of r and G_ij = -d_i d_j (1/r) = -F_ijkk/2, the reduced tensor is b G_ij
        for vectors, and the part of b delta_ik G_jl that is symmetric in all exchanges, plus (c/2) F_ijkl, for tensors.
    kernels : module
        ``field``, ``energy``, ... of `mbfast.kernels.stress` or `mbfast.kernels.dipole`.
    form : str
        Whose averages in `angular_coefficients` are those of this tensor.
    alpha : float
        The parameter of these averages, 1 - c_t^2/c_l^2; 0 for vectors.
    conditions : tuple of str
        What may hold a periodic body; the first is the default.
    moment_changes : tuple of str
        How moments may follow a wave, as in `angular_coefficients`; the first is the default.

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> vacuum = mbfast.DipoleInteraction(8.8541878128e-12)
    >>> r, along = np.array([0, 0, 5e-9]), np.array([0, 0, 1.0])
    >>> bool(np.allclose(vacuum.tensor_change(r, 1e-6 * r), -3e-6 * vacuum.tensor(r)))  # as r^-3
    True
    >>> print(*(f"{part:.4f}" for part in vacuum.uniform_field("vacuum")), vacuum.wave_terms(np.eye(3), along)[0])
    4.1888 0.0000 [0. 0. 1. 0. 0. 0.]
    """

    components: ClassVar[int]
    kernels: ClassVar[Any]
    conditions: ClassVar[tuple[str, ...]]
    moment_changes: ClassVar[tuple[str, ...]]
    form: str

    @property
    @abstractmethod
    def prefactor(self) -> float: ...

    @property
    @abstractmethod
    def coefficients(self) -> tuple[float, ...]: ...

    @property
    @abstractmethod
    def parts(self) -> tuple[float, float]: ...

    @property
    @abstractmethod
    def alpha(self) -> float: ...

    @abstractmethod
    def uniform_field(self, condition: str) -> tuple[float, float]:
        """Return (e, d): the condition adds the field e T + d tr T of all moments T, times the cell's volume."""

    @abstractmethod
    def wave_terms(self, strain: FloatArray, u: FloatArray) -> tuple[FloatArray, tuple[float, ...]]:
        """Return what is contracted with the tensor in a wave: a strain, or u u for vectors.

        Parameters
        ----------
        strain, u
            The wave's strain (3, 3), and its polarization (3,).

        Returns
        -------
        tuple
            The six components, and the coefficients of `mbfast.kernels.displacements.phase`.
        """

    @property
    @abstractmethod
    def _structure(self) -> _Structure:
        """What the reduced tensor is made of."""

    def tensor(self, r: ArrayLike) -> FloatArray:
        """Tensor of the interaction at the displacements r: Lambda_ijkl (2.14) or mu_ij (5.2).

        Parameters
        ----------
        r : array_like, shape (..., 3)
            Displacements x_s - x_s' (m), from 1e-35 to 1e35 m long.

        Returns
        -------
        ndarray, shape (..., 3, 3, 3, 3) or (..., 3, 3)
            In 1/J, or V/(C m^2).

        Raises
        ------
        TypeError
            If r does not consist of real numbers.
        ValueError
            If the last axis of r is not 3, or a displacement is zero, not finite, or outside these limits.
        """
        n, x = _displacements(r)
        return self._structure.scaled(self.prefactor, self._structure.at(*_products(n, n)), x)

    def tensor_change(self, r: ArrayLike, dr: ArrayLike) -> FloatArray:
        """First-order change of the tensor when the displacements r become r + dr: (2.17) or (5.3).

        Parameters
        ----------
        r, dr : array_like, shape (..., 3)
            Displacements and their changes (m); their leading axes broadcast.

        Returns
        -------
        ndarray, shape (..., 3, 3, 3, 3) or (..., 3, 3)
            In 1/J, or V/(C m^2): the directional derivative, linear in dr.

        Raises
        ------
        TypeError, ValueError
            For an r that `tensor` refuses, or a dr that is no such array of finite numbers, at most 1e35 in magnitude.
        """
        n, x = _displacements(r)
        change, made = _vectors("dr", dr), self._structure
        require_bounded("dr", change)
        v = change / x
        along = np.add.reduce(n * v, axis=-1, keepdims=True)
        second, fourth = _products(n, n)
        moved, moved_twice = _products(n, v)
        stretched = 3.0 * made.constant + made.at(5.0 * second, 7.0 * fourth, constant=0.0)
        return made.scaled(self.prefactor, made.at(moved, moved_twice, constant=0.0) - along * stretched, x)


class _Structure(NamedTuple):
    """x^3 times a reduced tensor: a constant (m,), a map (9, m) of n n, and the coefficient of n n n n, if any."""

    constant: FloatArray
    linear: FloatArray
    quartic: float | None

    def at(self, second: FloatArray, fourth: FloatArray, *, constant: FloatArray | float | None = None) -> FloatArray:
        """Return the sum (..., m) for products (..., 9) and (..., 81) of unit vectors."""
        result: FloatArray = second @ self.linear
        result += self.constant if constant is None else constant
        return result if self.quartic is None else result + self.quartic * fourth

    def scaled(self, prefactor: float, tilde: FloatArray, x: FloatArray) -> FloatArray:
        """Return prefactor tilde/x^3 with its axes."""
        axes = (3, 3) if self.quartic is None else (3, 3, 3, 3)
        return (tilde * (prefactor / (x * x * x))).reshape(tilde.shape[:-1] + axes)


class TensorInteraction(Interaction):
    """An interaction of symmetric tensors by three coefficients (c0, c1, c2), c1 = 3 (c2 - c0), of `kernels.stress`."""

    components = 6
    kernels: ClassVar[Any] = stress
    conditions = ("clamped", "stress-free")
    moment_changes = ("none",)

    @property
    def parts(self) -> tuple[float, float]:
        """(c0 + c2, c2)."""
        c0, _, c2 = self.coefficients
        return c0 + c2, c2

    @property
    def local_strain(self) -> tuple[float, float]:
        """(P_K, P_G) in 1/Pa: where all blocks have the stress tau and the total strain is e, each meets e + P tau.

        P multiplies the mean stress by P_K and the deviator by P_G. -P tau is the strain of a sphere (Eshelby's) in its
        own field: P is -2 times the mean over directions of Lambda's Fourier transform, the contact term that a sum
        over other blocks lacks, here with b G_ij and c F_ijkl of `parts`. For Lambda of (2.15) P_K = (1 - alpha)/(3 rho
        c_t^2) and P_G = (5 - 2 alpha)/(15 rho c_t^2).
        """
        b, c = self.parts
        contact = -8.0 * math.pi / 3.0 * self.prefactor
        return contact * (b - c), contact * (b - 0.4 * c)

    def uniform_field(self, condition: str) -> tuple[float, float]:
        """Return that of the strain -C^-1 tau of a body without stress on average; a ValueError if no medium is so."""
        if condition == self.conditions[0]:
            return 0.0, 0.0
        # C e = -tau, C = lambda tr + 2 mu, 2 h = e, in units of -1/(8 pi mu)
        alpha = self.alpha
        if self.form != "corrected" or alpha <= 0.25:
            clamped = "clamped for form='joffrin-levelut', and where c_l^2 <= 4/3 c_t^2, as there is no medium at rest"
            raise ValueError(f"macroscopic must be {clamped}: got 'stress-free' for {self!r}")
        return 2.0 * math.pi, -2.0 * math.pi * (2.0 * alpha - 1.0) / (4.0 * alpha - 1.0)

    def wave_terms(self, strain: FloatArray, u: FloatArray) -> tuple[FloatArray, tuple[float, ...]]:  # noqa: ARG002
        return np.array([strain[i, j] for i, j in PLACES]), (*self.coefficients, 0.0)

    @functools.cached_property
    def _structure(self) -> _Structure:
        c0, c1, c2 = self.coefficients
        ij_kl, ik_jl, il_jk = (np.einsum(f"{a}->ijkl", _DELTA, _DELTA) for a in ("ij,kl", "ik,jl", "il,jk"))
        constant = 0.5 * c0 * (ik_jl + il_jk) - 0.5 * c2 * ij_kl
        squares = np.eye(9).reshape(9, 3, 3)
        pairs = sum(np.einsum(f"a{a},{b}->aijkl", squares, _DELTA) for a, b in (("ij", "kl"), ("kl", "ij")))
        crossed = (("ik", "jl"), ("il", "jk"), ("jk", "il"), ("jl", "ik"))
        fours = sum(np.einsum(f"a{a},{b}->aijkl", squares, _DELTA) for a, b in crossed)
        linear = 1.5 * c2 * pairs + 0.25 * c1 * fours
        if self.form == "joffrin-levelut":  # not symmetric in i and j
            constant += il_jk - ik_jl
            linear += 6.0 * np.einsum("ajl,ik->aijkl", squares, _DELTA) - 1.5 * fours
        return _Structure(constant.ravel(), np.reshape(linear, (9, 81)), -7.5 * c2)


class VectorInteraction(Interaction):
    """An interaction of vectors by (delta_ij - 3 n_i n_j)/r^3: one differs from another by its prefactor alone."""

    components = 3
    kernels: ClassVar[Any] = dipole
    conditions = ("tin-foil", "vacuum")
    moment_changes = ("gradient", "none", "strain")
    form = "dipole"
    alpha = 0.0
    coefficients = ()
    parts = (1.0, 0.0)
    _structure = _Structure(_DELTA.ravel(), -3.0 * np.eye(9), None)

    def uniform_field(self, condition: str) -> tuple[float, float]:
        """Return that of a sphere of images in a vacuum; nothing for one between short-circuited plates."""
        return (0.0, 0.0) if condition == self.conditions[0] else (4.0 * math.pi / 3.0, 0.0)

    def wave_terms(self, strain: FloatArray, u: FloatArray) -> tuple[FloatArray, tuple[float, ...]]:  # noqa: ARG002
        return np.array([u[i] * u[j] for i, j in PLACES]), (1.0, 0.0, 0.0, -3.0)  # of 1 - 3 (n.u)^2: u u has trace 1


@dataclass(frozen=True)
class StressInteraction(TensorInteraction):
    r"""Elastic interaction of stress moments, V = sum over ordered pairs of Lambda_ijkl T_ij T'_kl (2.13).

    Parameters
    ----------
    density : float
        Mass density rho (kg/m^3).
    c_l, c_t : float
        Longitudinal and transverse sound velocities (m/s), c_l >= c_t.
    form : {"corrected", "joffrin-levelut"}
        Lambda of (2.15), or that of Joffrin and Levelut (A1), which is not symmetric in i and j.

    Raises
    ------
    TypeError
        If density, c_l or c_t is not one real number.
    ValueError
        If density, c_l or c_t is not positive (1e-35 to 1e35), c_l is below c_t, or the form is unknown.

    Notes
    -----
    .. math:: \Lambda_{ijkl}(r) = -\frac{\tilde\Lambda_{ijkl}(n)}{8\pi\rho c_t^2 r^3},

    half of the symmetrised second derivative of Kelvin's Green function (times -1 twice: two moments attract as two
    sources do), by (2.14)-(2.17) and (A15). Only the part symmetric in i, j and in k, l meets a stress moment.

    Examples
    --------
    >>> import mbfast
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> print(f"{silica.alpha:.4f}", silica.tensor([0, 0, 5e-9]).shape)
    0.5707 (3, 3, 3, 3)
    >>> import numpy as np
    >>> silica = mbfast.StressInteraction.of("a-SiO2")
    >>> r = np.array([0, 0, 5e-9])
    >>> bool(np.allclose(silica.tensor_change(r, 1e-6 * r), -3e-6 * silica.tensor(r), rtol=1e-12, atol=0))  # it is r^-3
    True
    """

    density: float
    c_l: float
    c_t: float
    form: Form = field(default="corrected", kw_only=True)

    def __post_init__(self) -> None:
        for name in ("density", "c_l", "c_t"):
            object.__setattr__(self, name, validate.positive_number(name, getattr(self, name), unit=""))
        if self.c_l < self.c_t:
            raise ValueError(f"c_l must not be below c_t, got c_l = {self.c_l:g} and c_t = {self.c_t:g} m/s")
        require_choice("form", self.form, get_args(Form))

    @classmethod
    def of(cls, glass: Glass | str, density: float | None = None) -> StressInteraction:
        """Return the interaction in a glass, or the one of that name.

        Parameters
        ----------
        glass, density
            As of `mbfast.glasses.medium`, also for errors.

        Returns
        -------
        StressInteraction
        """
        return cls(*medium(glass, density))

    @property
    def alpha(self) -> float:
        """1 - c_t^2/c_l^2."""
        return elastic_parameter(self.c_l, self.c_t)

    @property
    def prefactor(self) -> float:
        """-1/(8 pi rho c_t^2), in m^3/J."""
        return -1.0 / (8.0 * math.pi * self.density * self.c_t**2)

    @property
    def coefficients(self) -> tuple[float, float, float]:
        """(c0, c1, c2) of `mbfast.kernels.stress`."""
        a = self.alpha
        return (1.0 - a, 6.0 * a - 3.0, a) if self.form == "corrected" else (-2.0 - 4.0 * a, 6.0 + 24.0 * a, 4.0 * a)


@dataclass(frozen=True)
class DipoleInteraction(VectorInteraction):
    r"""Interaction of electric dipoles, V = sum over ordered pairs of mu_ij p_i p'_j (5.1).

    Parameters
    ----------
    permittivity : float
        epsilon (F/m), absolute.

    Raises
    ------
    TypeError
        If the permittivity is not one real number.
    ValueError
        If the permittivity is not positive (1e-35 to 1e35).

    Notes
    -----
    The tensor (5.2), and its change (5.3), are those of

    .. math:: \mu_{ij}(r) = \frac{\delta_{ij} - 3 n_i n_j}{8\pi\varepsilon r^3}

    Examples
    --------
    >>> import mbfast
    >>> mu = mbfast.DipoleInteraction(3.81 * 8.8541878128e-12).tensor([0, 0, 5e-9])
    >>> print(f"{mu[2, 2] / mu[0, 0]:.3f}", mu.shape)
    -2.000 (3, 3)
    """

    permittivity: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "permittivity", validate.positive_number("permittivity", self.permittivity, unit=""))

    @property
    def prefactor(self) -> float:
        """1/(8 pi epsilon), in V m/C."""
        return 1.0 / (8.0 * math.pi * self.permittivity)


def check_interaction(value: object) -> Interaction:
    """Return an interaction, or raise a TypeError."""
    if not isinstance(value, Interaction):
        raise TypeError(f"interaction must be an Interaction (StressInteraction, DipoleInteraction), got {value!r}")
    return value


def check_stress(value: object) -> StressInteraction:
    """Return the interaction of stress moments in a material, or raise a TypeError."""
    if not isinstance(value, StressInteraction):
        raise TypeError(f"interaction must be a StressInteraction, got {value!r}")
    return value


def _vectors(name: str, value: ArrayLike) -> FloatArray:
    array = float_array(name, value)
    if array.ndim == 0 or array.shape[-1] != 3:
        raise ValueError(f"{name} must have shape (..., 3), got {array.shape}")
    return array


def _displacements(value: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return unit vectors (..., 3) and lengths (..., 1)."""
    array = _vectors("r", value)
    x: FloatArray = np.sqrt(np.einsum("...i,...i->...", array, array))[..., None]  # einsum never warns of overflow
    if x.size:
        low, high = (x.item(),) * 2 if x.size == 1 else (x.min(), x.max())
        if not (low >= SMALLEST and high <= LARGEST):
            require_finite("r", array)
            limits = f"from {SMALLEST:g} to {LARGEST:g} m long"
            raise ValueError(f"r must not be zero, but {limits}: got {low:g} to {high:g} m")
    return array / x, x


def _products(n: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return n n (..., 9) and n n n n (..., 81), or for another v their derivatives along it."""
    nn = (n[..., :, None] * n[..., None, :]).reshape(*n.shape[:-1], 9)
    if v is n:
        return nn, (nn[..., :, None] * nn[..., None, :]).reshape(*n.shape[:-1], 81)
    nv = n[..., :, None] * v[..., None, :]
    moved = np.reshape(nv + np.swapaxes(nv, -1, -2), (*nv.shape[:-2], 9))
    twice = moved[..., :, None] * nn[..., None, :] + nn[..., :, None] * moved[..., None, :]
    return moved, twice.reshape(*moved.shape[:-1], 81)
