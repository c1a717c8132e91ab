"""Oracles of periodic sums, over all images of all blocks: Ewald's sum, and spheres of images."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfc

from mbfast.testing.pairs import DELTA, Array, contracted, pair_tensor

_REACH = 6.3  # of x in erfc(x) and exp(-x²): both below 1e-17 there


def ewald_field(interaction: tuple[Any, ...], positions: Array, moments: Array, vectors: ArrayLike) -> Array:
    """Return the field of all images without the prefactor, by Ewald's sum, whose uniform mode k = 0 is left out.

    Parameters
    ----------
    interaction : ("dipole",) or (form, alpha)
        As of `mbfast.testing.pair_tensor`.
    positions : array, shape (N, 3)
        In any unit.
    moments : array, shape (N, 3, 3) or (N, 3)
        In any unit.
    vectors : array, shape (3, 3)
        Edges of the cell, a row each, in the unit of the positions.

    Returns
    -------
    array, of the shape of `moments`
        A block's own images count, the block itself does not.

    Notes
    -----
    The tensors are made of ∂_ijkl r, whose trace ∂_ijkk r is 2 ∂_ij 1/r. With r = f + g, f = r erfc(ηr) -
    exp(-η²r²)/(η√π), f'/r = erfc(ηr)/r and ĝ(k) = -8π/k⁴ (1 + k²/4η²) exp(-k²/4η²), f is summed over images and g over
    wave vectors k.

    With k = 0 left out the body is held so that its mean strain is zero, or its mean electric field (``macroscopic`` of
    `mbfast.EwaldField`); a sphere of images has `mean_mode` of all moments over the volume besides.

    Examples
    --------
    >>> import numpy as np
    >>> field = ewald_field(("dipole",), np.zeros((1, 3)), np.array([[0, 0, 1.0]]), np.eye(3))
    >>> print(f"{field[0, 2] / (-4 * np.pi / 3):.6f}")  # Lorentz
    1.000000
    """
    vectors = np.asarray(vectors, dtype=float)
    field = np.zeros_like(moments)
    for s, t in itertools.product(range(len(positions)), repeat=2):
        tensor = _composed(interaction, _fourth_derivatives(positions[s] - positions[t], vectors))
        field[s] += contracted(tensor, moments[t])
    return field


def _composed(interaction: tuple[Any, ...], g: Array) -> Array:
    """Return the tensor of fourth derivatives g of r."""
    second = -0.5 * np.einsum("ijkk->ij", g)  # of δ - 3nn over r³
    if interaction[0] == "dipole":
        return np.asarray(second)
    form, alpha = interaction
    if form != "corrected":
        return np.asarray(-2 * np.einsum("jl,ik->ijkl", second, DELTA) + 2 * alpha * g)
    places = ("jl,ik", "jk,il", "ik,jl", "il,jk")
    first = 0.25 * sum(np.einsum(f"{place}->ijkl", second, DELTA) for place in places)
    return np.asarray(first + 0.5 * alpha * g)


def _fourth_derivatives(r: Array, vectors: Array) -> Array:
    """Return the sum over images of ∂_ijkl r; at a block, that of its images."""
    volume = abs(np.linalg.det(vectors))
    eta = np.sqrt(np.pi) / np.cbrt(volume)
    total = np.zeros((3, 3, 3, 3))
    for shift in _grid(vectors, _REACH / eta + np.linalg.norm(r)):
        d = r - shift
        if d @ d > 1e-20 * np.cbrt(volume) ** 2:
            total += _derivatives_of_the_near_part(d, eta)
        else:  # g at the origin is the block's own
            total += 4 * eta**3 / (3 * np.sqrt(np.pi)) * _deltas()
    for k in _grid(2 * np.pi * np.linalg.inv(vectors).T, 2 * eta * _REACH):
        if np.any(k):
            k2 = k @ k
            weight = -8 * np.pi / k2**2 * (1 + k2 / (4 * eta**2)) * np.exp(-k2 / (4 * eta**2)) * np.cos(k @ r)
            total += weight / volume * np.einsum("i,j,k,l->ijkl", k, k, k, k)
    return total


def _grid(vectors: Array, radius: float) -> Array:
    """Return all whole combinations of vectors (rows) up to a length, and some beyond it."""
    reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int) + 1
    found: Array = (np.array(list(np.ndindex(*(2 * reach + 1)))) - reach) @ vectors
    return np.asarray(found[np.linalg.norm(found, axis=1) <= radius])


def _deltas() -> Array:
    return np.asarray(sum(np.einsum(f"{place}->ijkl", DELTA, DELTA) for place in ("ij,kl", "ik,jl", "il,jk")))


def _derivatives_of_the_near_part(d: Array, eta: float) -> Array:
    """Return ∂_ijkl f at d: of D = 1/r d/dr, D f = erfc(ηr)/r, and each further D takes one step of a recursion."""
    r2 = d @ d
    b = [erfc(eta * np.sqrt(r2)) / np.sqrt(r2)]
    for n in (1, 2, 3):
        b.append(((2 * n - 1) * b[-1] + (2 * eta**2) ** n / (eta * np.sqrt(np.pi)) * np.exp(-(eta**2) * r2)) / r2)
    places = ("ij,kl", "ik,jl", "il,jk", "kl,ij", "jl,ik", "jk,il")
    mixed = sum(np.einsum(f"{place}->ijkl", DELTA, np.outer(d, d)) for place in places)
    whole = -b[1] * _deltas() + b[2] * mixed - b[3] * np.einsum("i,j,k,l->ijkl", d, d, d, d)
    return np.asarray(whole)


def sphere_of_images(
    interaction: tuple[Any, ...], positions: Array, moments: Array, vectors: ArrayLike, radius: float
) -> Array:
    """Return the field of all images within a sphere around each block, without the prefactor.

    Parameters
    ----------
    interaction : ("dipole",) or (form, alpha)
        As of `mbfast.testing.pair_tensor`.
    positions : array, shape (N, 3)
        In any unit.
    moments : array, shape (N, 3, 3) or (N, 3)
        In any unit.
    vectors : array, shape (3, 3)
        Edges of the cell, a row each, in the unit of the positions.
    radius : float
        Of the sphere, in that unit. Its edge is smooth and cuts r/radius off at about a half, so that the error falls
        faster than any power of the radius.

    Returns
    -------
    array, of the shape of `moments`

    Examples
    --------
    >>> import numpy as np
    >>> field = sphere_of_images(("dipole",), np.zeros((1, 3)), np.array([[0, 0, 1.0]]), np.eye(3), 4.0)
    >>> bool(abs(field).max() < 1e-6)  # a cubic lattice
    True
    """
    vectors = np.asarray(vectors, dtype=float)
    reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int) + 1
    shifts = (np.array(list(np.ndindex(*(2 * reach + 1)))) - reach) @ vectors
    spacing = abs(np.linalg.det(vectors)) ** (1 / 3)
    field = np.zeros_like(moments)

    def summed(offset: Array) -> Array:
        r = offset - shifts
        distance = np.linalg.norm(r, axis=1)
        r = r[(distance > 1e-9 * spacing) & (distance < radius)]
        edge = 0.5 * erfc(12 * (np.linalg.norm(r, axis=1) / radius - 0.5))
        return np.asarray(np.einsum("n,n...->...", edge, pair_tensor(interaction, r)))

    own = summed(np.zeros(3))
    for s, x in enumerate(positions):
        field[s] += contracted(own, moments[s])
        for t, y in enumerate(positions[:s]):
            tensor = summed(x - y)  # that of y - x too: both tensor and lattice are even
            field[s] += contracted(tensor, moments[t])
            field[t] += contracted(tensor, moments[s])
    return field


def mean_mode(interaction: tuple[Any, ...], moment: Array) -> Array:
    """Return the mean over directions of k of the transform of the tensor's field, contact term included.

    Dipoles: 4π k k·p. Stress: h = -k_j k_l G_ik T_kl/2 with the prefactor -1/(8π ρ c_t²) and Green's function
    G = (δ - α k k)/(ρ c_t²); for (A1), whose two parts have other factors, -2 and 4α.

    Parameters
    ----------
    interaction : ("dipole",) or (form, alpha)
        As of `mbfast.testing.pair_tensor`.
    moment : array, shape (3, 3) or (3,)
        In any unit.

    Returns
    -------
    array, of the shape of `moment`
        Without the prefactor.

    Examples
    --------
    >>> import numpy as np
    >>> print(f"{mean_mode(('dipole',), np.array([0, 0, 1.0]))[2] / (4 * np.pi / 3):.6f}")
    1.000000
    """
    points, weights = np.polynomial.legendre.leggauss(8)
    total = np.zeros_like(moment)
    for z, w in zip(points, weights, strict=True):
        for phi in 2 * np.pi * np.arange(16) / 16:
            k = np.array([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z])
            if interaction[0] == "dipole":
                total += w / 32 * 4 * np.pi * k * (k @ moment)
                continue
            form, alpha = interaction
            transverse, both = (1.0, alpha) if form == "corrected" else (-2.0, 4 * alpha)
            green = transverse * DELTA - both * np.outer(k, k)
            h = 4 * np.pi * np.einsum("j,l,ik,kl", k, k, green, moment)
            total += w / 32 * 0.5 * (h + h.T)
    return total
