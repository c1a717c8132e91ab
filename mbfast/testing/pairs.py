"""Oracles of pair sums: tensors index by index, loops over all pairs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[Any]
Tensor: TypeAlias = Callable[[Array], Array]

DELTA = np.eye(3)
NO_IMAGES = ((0.0, 0.0, 0.0),)


def brace(n: ArrayLike) -> Array:
    """Return the braces of the second part of (2.15), index by index.

    Parameters
    ----------
    n : array, shape (3,)
        A unit vector.

    Returns
    -------
    array, shape (3, 3, 3, 3)

    Examples
    --------
    >>> tensor = brace([0.0, 0.0, 1.0])
    >>> bool((tensor == tensor.transpose(2, 3, 0, 1)).all())
    True
    """
    d, n = DELTA, np.asarray(n)
    result = np.empty((3, 3, 3, 3))
    for i, j, k, l_ in np.ndindex(3, 3, 3, 3):
        result[i, j, k, l_] = (
            -(d[i, j] * d[k, l_] + d[i, k] * d[j, l_] + d[j, k] * d[i, l_])
            + 3 * n[i] * (n[j] * d[k, l_] + n[k] * d[j, l_] + n[l_] * d[j, k])
            + 3 * (n[j] * n[k] * d[i, l_] + n[j] * n[l_] * d[i, k] + n[k] * n[l_] * d[i, j])
            - 15 * n[i] * n[j] * n[k] * n[l_]
        )
    return result


def stress_tensor(r: ArrayLike, density: float, c_l: float, c_t: float, form: str = "corrected") -> Array:
    """Return Λ of (2.14), (2.15), or of (A1), for one pair of stress moments, index by index.

    Parameters
    ----------
    r : array, shape (3,)
        Displacement between the blocks (m), not zero.
    density, c_l, c_t : float
        Mass density (kg/m³), velocities of longitudinal and transverse sound (m/s).
    form : {"corrected", "joffrin-levelut"}
        (2.15), or (A1).

    Returns
    -------
    array, shape (3, 3, 3, 3)
        In 1/J.

    Examples
    --------
    >>> near, far = (stress_tensor([0, 0, r], 2200, 5800, 3800) for r in (5e-9, 1e-8))
    >>> round(float(near[2, 2, 2, 2] / far[2, 2, 2, 2]), 12)
    8.0
    """
    r = np.asarray(r, dtype=float)
    x = np.sqrt(r @ r)
    n, alpha = r / x, 1 - c_t**2 / c_l**2
    first = np.empty((3, 3, 3, 3))

    def term(p: int, q: int, a: int, b: int) -> Any:
        return (DELTA[p, q] - 3 * n[p] * n[q]) * DELTA[a, b]

    for i, j, k, l_ in np.ndindex(3, 3, 3, 3):
        if form == "corrected":
            first[i, j, k, l_] = 0.25 * (term(j, l_, i, k) + term(j, k, i, l_) + term(i, k, j, l_) + term(i, l_, j, k))
        else:
            first[i, j, k, l_] = -2 * term(j, l_, i, k)
    second = (0.5 if form == "corrected" else 2.0) * alpha * brace(n)
    tensor: Array = -(first + second) / (8 * np.pi * density * c_t**2 * x**3)
    return tensor


def dipole_tensor(r: ArrayLike, permittivity: float) -> Array:
    """Return the tensor of (5.2) for one pair of electric dipoles.

    Parameters
    ----------
    r : array, shape (3,)
        Displacement between the blocks (m), not zero.
    permittivity : float
        ε (F/m).

    Returns
    -------
    array, shape (3, 3)
        In V/(C m): times a dipole (C m), a field (V/m).

    Examples
    --------
    >>> print(f"{dipole_tensor([0, 0, 1e-9], 8.8541878128e-12)[2, 2]:.4g}")
    -8.988e+36
    """
    r = np.asarray(r, dtype=float)
    x = np.sqrt(r @ r)
    tensor: Array = (DELTA - 3 * np.outer(r, r) / x**2) / (8 * np.pi * permittivity * x**3)
    return tensor


def pair_tensor(interaction: tuple[Any, ...], r: ArrayLike) -> Array:
    """Return (2.15), (A1) or (5.2) without their prefactors -1/(8π ρ c_t²), 1/(8π ε), of many pairs at once.

    Parameters
    ----------
    interaction : ("dipole",) or (form, alpha)
        The form, as of `stress_tensor`, and 1 - c_t²/c_l².
    r : array, shape (n, 3)
        Displacements, not zero, in any unit.

    Returns
    -------
    array, shape (n, 3, 3) or (n, 3, 3, 3, 3)
        In the inverse cube of that unit; of the floating type of r.

    Examples
    --------
    >>> import numpy as np
    >>> pair_tensor(("dipole",), np.array([[0, 0, 2.0]])).diagonal(axis1=1, axis2=2).tolist()
    [[0.125, 0.125, -0.25]]
    """
    r = np.asarray(r)
    x = np.linalg.norm(r, axis=1)
    n = r / x[:, None]
    nn = np.einsum("ni,nj->nij", n, n)
    result: Array
    if interaction[0] == "dipole":
        result = (DELTA - 3 * nn) / x[:, None, None] ** 3
        return result
    form, alpha = interaction
    f = DELTA - 3 * nn
    second = -np.einsum("ij,kl->ijkl", DELTA, DELTA) - np.einsum("ik,jl->ijkl", DELTA, DELTA)
    second = second - np.einsum("jk,il->ijkl", DELTA, DELTA) - 15 * np.einsum("nij,nkl->nijkl", nn, nn)
    for a, b in (("ij", "kl"), ("ik", "jl"), ("il", "jk"), ("jk", "il"), ("jl", "ik"), ("kl", "ij")):
        second += 3 * np.einsum(f"n{a},{b}->nijkl", nn, DELTA)
    if form == "corrected":
        places = (("jl", "ik"), ("jk", "il"), ("ik", "jl"), ("il", "jk"))
        first = 0.25 * sum(np.einsum(f"n{a},{b}->nijkl", f, DELTA) for a, b in places)
        result = (first + 0.5 * alpha * second) / x[:, None, None, None, None] ** 3
    else:
        result = (-2 * np.einsum("njl,ik->nijkl", f, DELTA) + 2 * alpha * second) / x[:, None, None, None, None] ** 3
    return result


def pair_field(tensor: Tensor, positions: Array, moments: Array, shifts: Iterable[ArrayLike] = NO_IMAGES) -> Array:
    """Return h_s, the sum over sources and images of tensor(x_s - x_s' - shift) T_s', symmetrized for stress.

    Parameters
    ----------
    tensor : function
        Of a displacement (3,): (3, 3, 3, 3) or (3, 3).
    positions : array, shape (N, 3)
        Of the blocks (m).
    moments : array, shape (N, 3, 3) or (N, 3)
        Stress moments (J) or electric ones (C m).
    shifts : iterable of (3,)
        Displacements of the images (m), zero for the blocks themselves.

    Returns
    -------
    array, of the shape of `moments`
        The strain is 2h, the electric field (V/m) -2h.

    Examples
    --------
    >>> import numpy as np
    >>> positions, dipoles = np.array([[0, 0, 0], [0, 0, 5e-9]]), np.array([[0, 0, 0], [0, 0, 3.33564e-30]])
    >>> field = pair_field(lambda r: dipole_tensor(r, 8.8541878128e-12), positions, dipoles)
    >>> print(f"{-2 * field[0, 2]:.4g} V/m")
    4.797e+05 V/m
    """
    field, shifts = np.zeros_like(moments), list(shifts)
    for s, x in enumerate(positions):
        for t, y in enumerate(positions):
            for shift in shifts:
                r = x - y - np.asarray(shift)
                if np.any(r):
                    field[s] += contracted(tensor(r), moments[t])
    return field


def contracted(tensor: Array, moment: Array) -> Array:
    """Return the field of one moment: symmetric, if it is a stress moment."""
    if tensor.ndim == 4:
        h = np.einsum("ijkl,kl", tensor, moment)
        return 0.5 * (h + h.T)  # type: ignore[no-any-return]
    return np.asarray(tensor @ moment)


def pair_energy(interaction: tuple[Any, ...], positions: Array, moments: Array) -> Any:
    """Return the energy of all ordered pairs without the prefactor, in the precision of the positions.

    Parameters
    ----------
    interaction : ("dipole",) or (form, alpha)
        As of `pair_tensor`.
    positions : array, shape (N, 3)
        In any unit, and of any floating type: np.longdouble has digits to spare.
    moments : array, shape (N, 3, 3) or (N, 3)
        In any unit.

    Returns
    -------
    float, of the type of `positions`
        Each pair counts twice, as in (2.13); times the prefactor of `mbfast.StressInteraction` it is in J.

    Examples
    --------
    >>> import numpy as np
    >>> float(pair_energy(("dipole",), np.array([[0, 0, 0], [0, 0, 1.0]]), np.array([[0, 0, 1.0], [0, 0, 1.0]])))
    -4.0
    """
    s, t = np.nonzero(~np.eye(len(positions), dtype=bool))
    tensors = pair_tensor(interaction, positions[s] - positions[t])
    contraction = "nij,nijkl,nkl" if moments.ndim == 3 else "ni,nij,nj"
    return np.einsum(contraction, moments[s], tensors, moments[t])


def pair_derivatives(
    change: Callable[[Array, Array], Array], positions: Array, moments: Array, shifts: Iterable[ArrayLike] = NO_IMAGES
) -> tuple[Array, Array]:
    """Return forces and the virial of the energy of all ordered pairs, from the change of a tensor by (2.17), (5.3).

    Parameters
    ----------
    change : function
        Of a displacement r (3,) and a step (3,): the directional derivative of the tensor at r, (3, 3, 3, 3) or (3, 3).
    positions : array, shape (N, 3)
        Of the blocks (m).
    moments : array, shape (N, 3, 3) or (N, 3)
        Held fixed.
    shifts : iterable of (3,)
        Displacements of the images, each beside its opposite: a block's images move with it.

    Returns
    -------
    forces : array, shape (N, 3)
        -dE/dx (N).
    virial : array, shape (3, 3)
        dE/dg_ij (J) for a displacement g x of all blocks and images.

    Examples
    --------
    >>> import numpy as np
    >>> def change(r, dr):  # of -2 n n/r^3, along the z axis alone
    ...     return np.diag([0, 0, 6.0]) * dr[2] / abs(r[2]) ** 3 / r[2]
    >>> forces, virial = pair_derivatives(change, np.array([[0, 0, 0], [0, 0, 1.0]]), np.array([[0, 0, 1.0]] * 2))
    >>> forces[:, 2].tolist(), float(virial[2, 2])
    ([12.0, -12.0], 12.0)
    """
    forces, virial, shifts = np.zeros((len(positions), 3)), np.zeros((3, 3)), list(shifts)
    contraction = "ij,ijkl,kl" if moments.ndim == 3 else "i,ij,j"
    for s, x in enumerate(positions):
        for t, y in enumerate(positions):
            for shift in shifts:
                r = x - y - np.asarray(shift)
                if np.any(r):
                    gradient = [np.einsum(contraction, moments[s], change(r, e), moments[t]) for e in DELTA]
                    forces[s] -= 2 * np.array(gradient)
                    virial += np.outer(gradient, r)
    return forces, virial


def averaged_over_cubes(tensor: Tensor, offset: ArrayLike, n: int = 18) -> Any:
    """Return the average over two unit cubes, not the same, of a tensor that scales as r⁻³, by Gauss's rule.

    Parameters
    ----------
    tensor : function
        Of displacements (m, 3), in edges of a cube: (m, ...).
    offset : array, shape (3,)
        Whole numbers: from one cube to the other, in edges.
    n : int
        Points along an axis.

    Returns
    -------
    array, of the shape of one tensor

    Examples
    --------
    >>> import numpy as np
    >>> far = averaged_over_cubes(lambda r: pair_tensor(("dipole",), r), [0, 0, 10])[2, 2]
    >>> bool(abs(1e3 * far / -2 - 1) < 1e-3)  # almost that of points
    True
    """
    points, weights = np.polynomial.legendre.leggauss(n)
    points, weights = 0.5 + 0.5 * points, 0.5 * weights
    grid = np.stack(np.meshgrid(points, points, points, indexing="ij"), axis=-1).reshape(-1, 3)
    volume = np.einsum("i,j,k->ijk", weights, weights, weights).ravel()
    total: Any = 0.0
    for corner in itertools.product((-1, 0), repeat=3):
        low = np.asarray(offset) + corner
        if np.all((low == 0) | (low == -1)):  # a corner at the origin: three pyramids, smooth along and across
            t, edges = grid[:, :1], np.concatenate([np.ones((len(grid), 1)), grid[:, 1:]], axis=1)
            pieces = [(np.roll(t * edges, axis, axis=1) * (2 * low + 1), volume * t[:, 0] ** 2) for axis in range(3)]
        else:
            pieces = [(low + grid, volume)]
        for u, measure in pieces:
            density = np.prod(1 - np.abs(u - offset), axis=1) * measure
            total = total + np.einsum("n,n...->...", density, tensor(u))
    return total


def reduced_field(targets: ArrayLike, positions: ArrayLike, moments: ArrayLike, coefficients: Any = ()) -> Array:
    """Return the field in the reduced units of `mbfast.kernels`, by extended precision.

    Parameters
    ----------
    targets : array, shape (m, 3)
        Where.
    positions : array, shape (N, 3)
        Of the blocks; one that is a target gives nothing there.
    moments : array, shape (N, 3) or (N, 6)
        Electric ones, or the components xx, yy, zz, yz, xz, xy of stress.
    coefficients : (c0, c1, c2), optional
        Those of a `mbfast.StressInteraction`, for stress.

    Returns
    -------
    array of np.longdouble, shape (m, 3) or (m, 6)

    Examples
    --------
    >>> reduced_field([[0, 0, 2.0]], [[0, 0, 0.0]], [[0, 0, 1.0]]).astype(float).tolist()
    [[0.0, 0.0, -0.25]]
    """
    targets, positions, moments = (np.asarray(a, dtype=np.longdouble) for a in (targets, positions, moments))
    d = targets[:, None] - positions
    r2 = np.sum(d * d, axis=-1)
    inverse = np.where(r2 > 0, 1 / np.sqrt(np.where(r2 > 0, r2, 1)), 0)
    n, a3 = d * inverse[..., None], inverse**3
    if not len(coefficients):
        q = np.sum(n * moments, axis=-1)
        return np.asarray(np.sum(a3[..., None] * (moments - 3 * q[..., None] * n), axis=1))
    c0, c1, c2 = (np.longdouble(c) for c in coefficients)
    places = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
    whole = moments[:, [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    v = np.sum(whole * n[..., None, :], axis=-1)
    q, t = np.sum(n * v, axis=-1), moments[:, 0] + moments[:, 1] + moments[:, 2]
    field = [
        c0 * moments[:, k] + c1 * (n[..., i] * v[..., j] + n[..., j] * v[..., i]) / 2
        + c2 * ((3 * q - t) / 2 * (i == j) + (3 * t - 15 * q) / 2 * n[..., i] * n[..., j])
        for k, (i, j) in enumerate(places)
    ]  # fmt: skip
    return np.stack([np.sum(a3 * h, axis=1) for h in field], axis=-1)


def spin_couplings(tensor: Tensor, positions: Array, moments: Array) -> Array:
    """Return J_st = μ_s Λ μ_t/2 of two-level blocks T_s = σ_s μ_s/2, as `mbfast.kernels.spins` has them.

    Parameters
    ----------
    tensor : function
        Of a displacement (3,): (3, 3, 3, 3) or (3, 3).
    positions : array, shape (N, 3)
        Of the blocks (m).
    moments : array, shape (N, 3, 3) or (N, 3)
        μ: twice what they are for spin 1.

    Returns
    -------
    array, shape (N, N)
        In J, zero on the diagonal.

    Examples
    --------
    >>> import numpy as np
    >>> ends, along = np.array([[0, 0, 0], [0, 0, 1.0]]), np.array([[0, 0, 1.0]] * 2)
    >>> spin_couplings(lambda r: pair_tensor(("dipole",), r[None])[0], ends, along).tolist()
    [[0.0, -1.0], [-1.0, 0.0]]
    """
    n = len(positions)
    couplings = np.zeros((n, n))
    for s, t in itertools.permutations(range(n), 2):
        couplings[s, t] = 0.5 * np.sum(moments[s] * contracted(tensor(positions[s] - positions[t]), moments[t]))
    return couplings


def spin_energy(couplings: Array, asymmetries: ArrayLike, spins: ArrayLike) -> float:
    """Return Sum_s Δ_s σ_s/2 + Sum_{s<t} J_st σ_s σ_t.

    Parameters
    ----------
    couplings : array, shape (N, N)
        J (J), zero on the diagonal.
    asymmetries : array, shape (N,)
        Δ (J).
    spins : array, shape (N,)
        1 or -1 each.

    Returns
    -------
    float
        In J.

    Examples
    --------
    >>> import numpy as np
    >>> couplings = np.array([[0, -1.0], [-1.0, 0]])
    >>> float(spin_energy(couplings, [0.5, 0.5], [1, 1])), float(spin_energy(couplings, [0.5, 0.5], [1, -1]))
    (-0.5, 1.0)
    """
    sigma, total = np.asarray(spins), 0.0
    for s in range(len(sigma)):
        total += 0.5 * np.asarray(asymmetries)[s] * sigma[s]
        for t in range(s):
            total += couplings[s, t] * sigma[s] * sigma[t]
    return float(total)


def flip_cost(couplings: Array, asymmetries: ArrayLike, spins: ArrayLike, flipped: Iterable[int]) -> float:
    """Return what flipping some spins at once costs: the difference of two energies of all.

    Parameters
    ----------
    couplings, asymmetries, spins : array
        As of `spin_energy`.
    flipped : iterable of int
        Which spins.

    Returns
    -------
    float
        In J.

    Examples
    --------
    >>> import numpy as np
    >>> float(flip_cost(np.array([[0, -1.0], [-1.0, 0]]), [0.5, 0.5], [1, 1], [0]))
    1.5
    """
    after = np.array(spins, dtype=float)
    after[list(flipped)] *= -1.0
    return spin_energy(couplings, asymmetries, after) - spin_energy(couplings, asymmetries, spins)
