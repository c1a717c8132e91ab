"""Random systems: each takes a ``numpy.random.Generator`` first, and gives the same numbers for the same seed."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from mbfast.testing.pairs import Array

_DENSEST = 0.3  # share of the box that spheres as wide as the least distance may take: none fits at random from 0.38 on


def random_positions(rng: Generator, n: int, box: ArrayLike, *, least: float = 0.0, periodic: bool = False) -> Array:
    """Return blocks anywhere in a box, none nearer to another than so much: one after the other, where there is room.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    n : int
        How many.
    box : array, shape (3,)
        Its edges, in any unit.
    least : float
        Least distance between two blocks, in that unit.
    periodic : bool
        Whether distances go to the nearest image.

    Returns
    -------
    array, shape (n, 3)

    Raises
    ------
    ValueError
        If so many blocks with `least` between them do not fit into `box` at random.

    Examples
    --------
    >>> import numpy as np
    >>> points = random_positions(np.random.default_rng(1), 30, [1.0, 1.0, 1.0], least=0.15)
    >>> distances = np.linalg.norm(points[:, None] - points, axis=-1) + np.eye(30)
    >>> bool(distances.min() >= 0.15)
    True
    """
    box = np.asarray(box, dtype=float)
    share = n * np.pi / 6 * least**3 / np.prod(box)
    if not share <= _DENSEST:
        raise ValueError(
            f"least must leave room: spheres of this diameter may take {_DENSEST:g} of the box, got {share:.3g}"
        )
    points = np.empty((n, 3))
    for s in range(n):
        while True:
            points[s] = box * rng.random(3)
            r = points[:s] - points[s]
            if periodic:
                r -= box * np.round(r / box)
            if s == 0 or np.min(np.sum(r * r, axis=1)) >= least * least:
                break
    return points


def random_dipoles(rng: Generator, n: int, size: float = 1.0) -> Array:
    """Return electric dipoles whose components are Gaussian.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    n : int
        How many.
    size : float
        Standard deviation of a component (C m).

    Returns
    -------
    array, shape (n, 3)

    Examples
    --------
    >>> import numpy as np
    >>> random_dipoles(np.random.default_rng(1), 5, 3e-30).shape
    (5, 3)
    """
    return size * rng.normal(size=(n, 3))


def random_stress(rng: Generator, n: int, size: float = 1.0) -> Array:
    """Return symmetric stress moments, Gaussian and isotropic: no direction is preferred, and traces are not zero.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    n : int
        How many.
    size : float
        Standard deviation of xx, yy, zz (J); that of yz, xz, xy is smaller by √2.

    Returns
    -------
    array, shape (n, 3, 3)

    Examples
    --------
    >>> import numpy as np
    >>> moments = random_stress(np.random.default_rng(1), 5, 1.6e-19)
    >>> bool((moments == moments.swapaxes(1, 2)).all())
    True
    """
    moments = rng.normal(size=(n, 3, 3))
    return np.asarray(0.5 * size * (moments + moments.swapaxes(-1, -2)))


def random_levels(rng: Generator, d: int, spread: float = 1.0, size: float = 1.0) -> tuple[Array, Array]:
    """Return the levels of one block and its stress between them, for `mbfast.Block`.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    d : int
        How many levels.
    spread : float
        Standard deviation of the levels (J).
    size : float
        Root of the mean square of an element xx of the stress between two levels (J).

    Returns
    -------
    energies : array, shape (d,)
        Rising.
    stress : array, shape (3, 3, d, d), complex
        Symmetric in the first two places, Hermitian in the others.

    Examples
    --------
    >>> import numpy as np
    >>> energies, stress = random_levels(np.random.default_rng(1), 4)
    >>> bool((np.diff(energies) > 0).all()), bool(np.allclose(stress, stress.conj().swapaxes(2, 3)))
    (True, True)
    """
    energies = np.sort(spread * rng.normal(size=d))
    stress = np.empty((3, 3, d, d), complex)
    matrices = rng.normal(size=(6, d, d)) + 1j * rng.normal(size=(6, d, d))
    matrices = 0.5 * size * (matrices + matrices.conj().swapaxes(-1, -2))
    for (i, j), matrix in zip(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)), matrices, strict=True):
        stress[i, j] = stress[j, i] = matrix if i == j else matrix / np.sqrt(2.0)
    return energies, stress


def random_spectrum(rng: Generator, omega: ArrayLike, size: float = 1.0, bumps: int = 4) -> Array:
    """Return samples of an absorption Im χ̃, negative and smooth: bumps of a width of one e-fold or more, and a power.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    omega : array, shape (n,)
        Frequencies (rad/s), positive and rising.
    size : float
        Magnitude of the largest sample (Pa).
    bumps : int
        How many.

    Returns
    -------
    array, shape (n,)
        Below the lowest bumps it falls like a power of ω between 0.2 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> samples = random_spectrum(np.random.default_rng(1), np.geomspace(1e9, 1e13, 50), 7e7)
    >>> bool((samples < 0).all()), f"{samples.min():.3g}"
    (True, '-7e+07')
    """
    x = np.log(np.asarray(omega, dtype=float))
    power, span = rng.uniform(0.2, 1.0), x[-1] - x[0]
    samples = np.exp(power * (x - x[-1]))
    for _ in range(bumps):
        centre, width = rng.uniform(x[0], x[-1]), max(1.0, span * rng.uniform(0.05, 0.2))
        samples = samples + rng.uniform(0.1, 1.0) * np.exp(-0.5 * ((x - centre) / width) ** 2)
    scaled: Array = -size * samples / samples.max()
    return scaled


def random_rotation(rng: Generator) -> Array:
    """Return a rotation, all alike probable.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.

    Returns
    -------
    array, shape (3, 3)
        Orthogonal, with determinant 1.

    Examples
    --------
    >>> import numpy as np
    >>> turned = random_rotation(np.random.default_rng(1))
    >>> bool(np.allclose(turned @ turned.T, np.eye(3))), round(float(np.linalg.det(turned)), 12)
    (True, 1.0)
    """
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q * np.linalg.det(q))
