"""What interacts: the tensors of stress moments (2.14)-(2.17) and of electric dipoles (5.2), (5.3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.validate import (
    LARGEST,
    SMALLEST,
    FloatArray,
    float_array,
    one_number,
    require_choice,
    require_finite,
    require_positive,
)
from mbfast.glasses import Glass
from mbfast.kernels import dipole, stress

Form = Literal["corrected", "joffrin-levelut"]

_DELTA = np.eye(3)


class Interaction(Protocol):
    """What a method of summation needs to know.

    Attributes
    ----------
    components : int
        Independent components of a moment: 6 (stress) or 3 (dipole).
    prefactor : float
        SI value of the reduced interaction, before division by the cube of the unit of length (m^3/J or V m/C).
    coefficients : tuple of float
        Trailing arguments of the kernels.
    kernels : module
        ``field``, ``energy``, ... of `mbfast.kernels.stress` or of a module like it.
    tensor, tensor_change : callable
        The tensor at a displacement, and its first-order change.
    """

    @property
    def components(self) -> int: ...
    @property
    def prefactor(self) -> float: ...
    @property
    def coefficients(self) -> tuple[float, ...]: ...
    @property
    def kernels(self) -> ModuleType: ...
    def tensor(self, r: ArrayLike) -> FloatArray: ...
    def tensor_change(self, r: ArrayLike, dr: ArrayLike) -> FloatArray: ...


@dataclass(frozen=True)
class StressInteraction:
    r"""Elastic interaction of stress moments, V = sum over ordered pairs of Lambda_ijkl T_ij T'_kl (2.13).

    Parameters
    ----------
    density : float
        Mass density rho (kg/m^3).
    c_l, c_t : float
        Longitudinal and transverse sound velocities (m/s), c_l >= c_t.
    form : {"corrected", "joffrin-levelut"}
        Lambda of (2.15), or that of Joffrin and Levelut (A1), which is not symmetric in i and j.

    Attributes
    ----------
    alpha : float
        1 - c_t^2/c_l^2.

    Raises
    ------
    TypeError, ValueError
        If an argument is no positive number, c_l < c_t, or the form is unknown.

    Notes
    -----
    .. math:: \Lambda_{ijkl}(r) = -\frac{\tilde\Lambda_{ijkl}(n)}{8\pi\rho c_t^2 r^3},

    half of the symmetrised second derivative of Kelvin's Green function (times -1 twice: two moments attract as two
    sources do). Only the part symmetric in i, j and in k, l meets a stress moment.

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (2.13)-(2.17), (A1), (A15).

    Examples
    --------
    >>> import mbfast
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> print(f"{silica.alpha:.4f}", silica.tensor([0, 0, 5e-9]).shape)
    0.5707 (3, 3, 3, 3)
    """

    density: float
    c_l: float
    c_t: float
    form: Form = field(default="corrected", kw_only=True)

    def __post_init__(self) -> None:
        for name in ("density", "c_l", "c_t"):
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        if self.c_l < self.c_t:
            raise ValueError(f"c_l must not be below c_t, got c_l = {self.c_l:g} and c_t = {self.c_t:g} m/s")
        require_choice("form", self.form, get_args(Form))

    @classmethod
    def of(cls, glass: Glass) -> StressInteraction:
        """Return the interaction in a glass whose density is known; a ValueError if it is not."""
        if glass.density is None:
            raise ValueError(f"the density of {glass.name} is not known")
        return cls(glass.density, glass.c_l, glass.c_t)

    @property
    def alpha(self) -> float:
        """1 - c_t^2/c_l^2."""
        return (self.c_l - self.c_t) * (self.c_l + self.c_t) / self.c_l**2

    @property
    def components(self) -> int:
        """Six."""
        return 6

    @property
    def prefactor(self) -> float:
        """-1/(8 pi rho c_t^2), in m^3/J."""
        return -1.0 / (8.0 * math.pi * self.density * self.c_t**2)

    @property
    def coefficients(self) -> tuple[float, float, float]:
        """(c0, c1, c2) of `mbfast.kernels.stress`."""
        a = self.alpha
        return (1.0 - a, 6.0 * a - 3.0, a) if self.form == "corrected" else (-2.0 - 4.0 * a, 6.0 + 24.0 * a, 4.0 * a)

    @property
    def kernels(self) -> ModuleType:
        """`mbfast.kernels.stress`."""
        return stress

    def tensor(self, r: ArrayLike) -> FloatArray:
        """Lambda_ijkl at the displacements r.

        Parameters
        ----------
        r : array_like, shape (..., 3)
            Displacements x_s - x_s' (m), none of them zero.

        Returns
        -------
        ndarray, shape (..., 3, 3, 3, 3)
            In 1/J.
        """
        n, x = _displacements("r", r)
        constant, linear, quartic = self._parts()
        nnnn = np.einsum("...i,...j,...k,...l", n, n, n, n)
        tilde = constant + linear(_outer(n, n)) + quartic * nnnn
        result: FloatArray = self.prefactor * tilde / x[..., None, None, None, None] ** 3
        return result

    def tensor_change(self, r: ArrayLike, dr: ArrayLike) -> FloatArray:
        """First-order change of Lambda_ijkl when the displacements r become r + dr, (2.17).

        Parameters
        ----------
        r, dr : array_like, shape (..., 3)
            Displacements and their changes (m); their leading axes broadcast.

        Returns
        -------
        ndarray, shape (..., 3, 3, 3, 3)
            In 1/J: the directional derivative, linear in dr.
        """
        n, x = _displacements("r", r)
        v = _vectors("dr", dr) / x[..., None]
        constant, linear, quartic = self._parts()
        along = np.sum(n * v, axis=-1)[..., None, None, None, None]
        nn, nnnn = _outer(n, n), np.einsum("...i,...j,...k,...l", n, n, n, n)
        moved = sum(np.einsum("...i,...j,...k,...l", *(v if a == b else n for b in range(4))) for a in range(4))
        change = (
            -3.0 * along * constant
            + linear(_outer(v, n) + _outer(n, v))
            - 5.0 * along * linear(nn)
            + quartic * (moved - 7.0 * along * nnnn)
        )
        result: FloatArray = self.prefactor * change / x[..., None, None, None, None] ** 3
        return result

    def _parts(self) -> tuple[FloatArray, Callable[[FloatArray], FloatArray], float]:
        """Split x^3 Lambda~ into a constant, a part linear in d d/x^2, and the coefficient of d d d d/x^4."""
        ik_jl = np.einsum("ik,jl->ijkl", _DELTA, _DELTA)
        il_jk = np.einsum("il,jk->ijkl", _DELTA, _DELTA)
        all_three = np.einsum("ij,kl->ijkl", _DELTA, _DELTA) + ik_jl + il_jk
        if self.form == "corrected":
            a = 0.5 * self.alpha

            def linear(m: FloatArray) -> FloatArray:
                return -0.75 * (_six(m) - _pair(m)) + 3.0 * a * _six(m)

            return 0.5 * (ik_jl + il_jk) - a * all_three, linear, -15.0 * a
        a = 2.0 * self.alpha
        return (
            -2.0 * ik_jl - a * all_three,
            lambda m: 6.0 * np.einsum("...jl,ik->...ijkl", m, _DELTA) + 3.0 * a * _six(m),
            -15.0 * a,
        )


@dataclass(frozen=True)
class DipoleInteraction:
    r"""Interaction of electric dipoles, V = sum over ordered pairs of mu_ij p_i p'_j (5.1).

    Parameters
    ----------
    permittivity : float
        epsilon (F/m), absolute.

    Raises
    ------
    TypeError, ValueError
        If it is no positive number.

    Notes
    -----
    .. math:: \mu_{ij}(r) = \frac{\delta_{ij} - 3 n_i n_j}{8\pi\varepsilon r^3}

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (5.1)-(5.3).

    Examples
    --------
    >>> import mbfast
    >>> mu = mbfast.DipoleInteraction(3.81 * 8.8541878128e-12).tensor([0, 0, 5e-9])
    >>> print(f"{mu[2, 2] / mu[0, 0]:.3f}", mu.shape)
    -2.000 (3, 3)
    """

    permittivity: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "permittivity", _number("permittivity", self.permittivity))

    @property
    def components(self) -> int:
        """Three."""
        return 3

    @property
    def prefactor(self) -> float:
        """1/(8 pi epsilon), in V m/C."""
        return 1.0 / (8.0 * math.pi * self.permittivity)

    @property
    def coefficients(self) -> tuple[()]:
        """None."""
        return ()

    @property
    def kernels(self) -> ModuleType:
        """`mbfast.kernels.dipole`."""
        return dipole

    def tensor(self, r: ArrayLike) -> FloatArray:
        """mu_ij at the displacements r.

        Parameters
        ----------
        r : array_like, shape (..., 3)
            Displacements x_s - x_s' (m), none of them zero.

        Returns
        -------
        ndarray, shape (..., 3, 3)
            In V/(C m^2).
        """
        n, x = _displacements("r", r)
        result: FloatArray = self.prefactor * (_DELTA - 3.0 * _outer(n, n)) / x[..., None, None] ** 3
        return result

    def tensor_change(self, r: ArrayLike, dr: ArrayLike) -> FloatArray:
        """First-order change of mu_ij when the displacements r become r + dr, (5.3).

        Parameters
        ----------
        r, dr : array_like, shape (..., 3)
            Displacements and their changes (m); their leading axes broadcast.

        Returns
        -------
        ndarray, shape (..., 3, 3)
            In V/(C m^2): the directional derivative, linear in dr.
        """
        n, x = _displacements("r", r)
        v = _vectors("dr", dr) / x[..., None]
        along = np.sum(n * v, axis=-1)[..., None, None]
        change = (5.0 * _outer(n, n) - _DELTA) * along - _outer(v, n) - _outer(n, v)
        result: FloatArray = self.prefactor * 3.0 * change / x[..., None, None] ** 3
        return result


def _number(name: str, value: float) -> float:
    number = one_number(name, value)
    require_positive(name, np.asarray(number), unit="")
    return number


def _vectors(name: str, value: ArrayLike) -> FloatArray:
    array = float_array(name, value)
    if array.ndim == 0 or array.shape[-1] != 3:
        raise ValueError(f"{name} must have shape (..., 3), got {array.shape}")
    require_finite(name, array)
    return array


def _displacements(name: str, value: ArrayLike) -> tuple[FloatArray, FloatArray]:
    array = _vectors(name, value)
    x = np.linalg.norm(array, axis=-1)
    if np.any(x < SMALLEST) or np.any(x > LARGEST):
        raise ValueError(
            f"{name} must not be zero, but from {SMALLEST:g} to {LARGEST:g} m long: got {x.min():g} to {x.max():g} m"
        )
    return array / x[..., None], x


def _outer(u: FloatArray, v: FloatArray) -> FloatArray:
    product: FloatArray = np.einsum("...i,...j->...ij", u, v)
    return product


def _pair(m: FloatArray) -> FloatArray:
    """m_ij delta_kl + m_kl delta_ij, for a symmetric m."""
    result: FloatArray = np.einsum("...ij,kl->...ijkl", m, _DELTA) + np.einsum("...kl,ij->...ijkl", m, _DELTA)
    return result


def _six(m: FloatArray) -> FloatArray:
    """Sum of m times delta over the six ways to place the indices, for a symmetric m."""
    placed = ("ik,jl", "il,jk", "jk,il", "jl,ik")
    result: FloatArray = _pair(m) + sum(
        np.einsum(f"...{a},{b}->...ijkl", m, _DELTA) for a, b in (p.split(",") for p in placed)
    )
    return result
