"""Quantities for longitudinal and for transverse strain, and the isotropic tensor they make."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core.validate import FloatArray, broadcast_shape, float_array, number_array, require_bounded
from mbfast._core.voigt import WEIGHTS


class Moduli(NamedTuple):
    """A quantity for longitudinal and for transverse strain.

    Attributes
    ----------
    longitudinal, transverse : ndarray
        Of one shape; complex where they are those of a complex tensor.

    Examples
    --------
    >>> import mbfast
    >>> both = mbfast.Moduli(longitudinal=3.0, transverse=1.0)
    >>> longitudinal, transverse = both
    >>> transverse == both.transverse
    True
    """

    longitudinal: FloatArray
    transverse: FloatArray


def isotropic_tensor(longitudinal: ArrayLike, transverse: ArrayLike) -> FloatArray:
    """Tensor (2.12) of an isotropic block: (chi_l - 2 chi_t) d_ij d_kl + chi_t (d_ik d_jl + d_il d_jk).

    Parameters
    ----------
    longitudinal, transverse : array_like, shape (...)
        chi_l and chi_t; they broadcast against each other.

    Returns
    -------
    ndarray, shape (..., 3, 3, 3, 3)

    Raises
    ------
    TypeError
        If a modulus does not consist of real numbers.
    ValueError
        If a modulus is not finite, or above 1e35 in magnitude, or the two do not broadcast.

    Examples
    --------
    >>> import mbfast
    >>> tensor = mbfast.isotropic_tensor(3.0, 1.0)
    >>> print(tensor[0, 0, 0, 0], tensor[0, 1, 0, 1], tensor[0, 0, 1, 1])
    3.0 1.0 1.0
    """
    chi_l, chi_t = float_array("longitudinal", longitudinal), float_array("transverse", transverse)
    require_bounded("longitudinal", chi_l)
    require_bounded("transverse", chi_t)
    broadcast_shape(longitudinal=chi_l, transverse=chi_t)
    d = np.eye(3)
    pairs = np.einsum("ik,jl->ijkl", d, d) + np.einsum("il,jk->ijkl", d, d)
    chi_l, chi_t = chi_l[..., None, None, None, None], chi_t[..., None, None, None, None]
    return np.asarray((chi_l - 2.0 * chi_t) * np.einsum("ij,kl->ijkl", d, d) + chi_t * pairs)


def isotropic_moduli(tensor: ArrayLike) -> Moduli:
    """Moduli of the average of a tensor over all rotations.

    Parameters
    ----------
    tensor : array_like, shape (..., 3, 3, 3, 3) or (..., 6, 6)
        chi_ijkl, real or complex; as 6 x 6 in the order xx, yy, zz, yz, xz, xy, without factors 2.

    Returns
    -------
    Moduli
        chi_l = (C_iikk + 2 C_ijij)/15 and chi_t = (3 C_ijij - C_iikk)/30, shape (...).

    Raises
    ------
    TypeError
        If `tensor` does not consist of numbers.
    ValueError
        If `tensor` is not finite, or above 1e35 in magnitude, or its last axes are neither (3, 3, 3, 3) nor (6, 6).

    Examples
    --------
    >>> import numpy as np, mbfast
    >>> moduli = mbfast.isotropic_moduli(mbfast.isotropic_tensor(3.0, 1.0))
    >>> print(f"{moduli.longitudinal:.15g} {moduli.transverse:.15g}")
    3 1
    """
    c = number_array("tensor", tensor)
    require_bounded("tensor", c)
    if c.ndim >= 4 and c.shape[-4:] == (3, 3, 3, 3):
        return moduli_of_invariants(np.einsum("...iikk->...", c), np.einsum("...ijij->...", c))
    if c.ndim < 2 or c.shape[-2:] != (6, 6):
        raise ValueError(f"tensor must have shape (..., 3, 3, 3, 3) or (..., 6, 6), got {c.shape}")
    return moduli_of_six(c)


def moduli_of_six(tensor: NDArray[Any]) -> Moduli:
    """Return the moduli of tensors (..., 6, 6) averaged over rotations, of any magnitude."""
    return moduli_of_invariants(tensor[..., :3, :3].sum(axis=(-1, -2)), np.einsum("...aa,a->...", tensor, WEIGHTS))


def moduli_of_invariants(iikk: NDArray[Any], ijij: NDArray[Any]) -> Moduli:
    """Return the moduli of a tensor averaged over rotations, from its two contractions."""
    return Moduli((iikk + 2.0 * ijij) / 15.0, (3.0 * ijij - iikk) / 30.0)
