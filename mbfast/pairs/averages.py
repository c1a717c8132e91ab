"""Averages over pairs of blocks: the lattice sums behind the logarithms of (3.5) and (3.7)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import tiles, validate
from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import LARGEST, SMALLEST, FloatArray, float_array, require_bounded, require_choice
from mbfast.kernels import displacements
from mbfast.pairs.angular import WaveMomentChange, squared_change
from mbfast.pairs.geometry import ROWS, BlockLattice, Cloud, as_blocks
from mbfast.pairs.interactions import Interaction, check_interaction


def lattice_sum(
    blocks: BlockLattice | ArrayLike, power: float, *, spacing: float | None = None, threads: int | None = None
) -> float:
    """N^-1 sum over ordered pairs of (spacing/x)^power.

    Parameters
    ----------
    blocks : BlockLattice or array_like, shape (N, 3)
        A finite lattice, summed over offsets, or positions (m), summed over pairs.
    power : float
        Finite.
    spacing : float, optional
        Unit of length (m); wanted for positions, known for a lattice.
    threads : int, optional
        None: as many as this process may use, see `set_threads`. The result does not depend on it.

    Returns
    -------
    float
        Zero for fewer than two blocks.

    Raises
    ------
    TypeError
        If blocks, power or spacing do not consist of real numbers, or threads is no whole number.
    ValueError
        If blocks have another shape, are not finite, coincide or are cubes; power is not finite; spacing is not
        positive, missing for positions, or given for a lattice; threads is below 1.

    Notes
    -----
    For power > 3 the sum over a cube of N0^3 blocks converges as N0 grows; power 6, the sum in (3.5), to
    8.4019239748..., where the paper has a logarithm of N0.

    Examples
    --------
    >>> import mbfast
    >>> for n in (2, 8, 32):
    ...     print(f"{mbfast.lattice_sum(mbfast.BlockLattice((n, n, n), 5e-9), 6):.4f}")
    3.4120
    6.9457
    8.0216
    """
    exponent = validate.finite_number("power", power)
    geometry = _centres(blocks)
    scale = 1.0
    if not isinstance(geometry, BlockLattice):
        if spacing is None:
            raise ValueError("spacing must be given for positions, got None")
        scale = geometry.unit / validate.positive_number("spacing", spacing, unit="m")
    elif spacing is not None:
        raise ValueError("spacing is known for a lattice, got one")
    return _average(geometry, lambda d, w: float(displacements.inverse_power(d * scale, w, exponent)), threads)


def phase_sum(
    interaction: Interaction, blocks: BlockLattice | ArrayLike, wavevector: ArrayLike, polarization: str | ArrayLike,
    *, threads: int | None = None,
) -> float:  # fmt: skip
    """N^-1 sum over ordered pairs of Lambda_ijkl e_ij e_kl cos(k.x): the sum in (3.7).

    Parameters
    ----------
    interaction : Interaction
        For vectors: of mu_ij u_i u_j cos(k.x), u the polarization.
    blocks : BlockLattice or array_like, shape (N, 3)
        A finite lattice, summed over offsets, or positions (m), summed over pairs.
    wavevector : array_like, shape (3,)
        k (1/m), not zero: its direction makes the strain.
    polarization : {"longitudinal", "transverse"} or array_like, shape (3,)
        u along k; the mean over the two directions across k; or a unit vector u. The strain is
        e_ij = (k_i u_j + u_i k_j)/(2|k|).
    threads : int, optional
        None: as many as this process may use, see `set_threads`. The result does not depend on it.

    Returns
    -------
    float
        In 1/J (stress) or V/(C m^2) (dipoles).

    Raises
    ------
    TypeError
        If interaction is no Interaction, blocks, wavevector or polarization do not consist of real numbers, or threads
        is no whole number.
    ValueError
        If blocks have another shape, are not finite, coincide or are cubes; wavevector is no vector from 1e-35 to 1e35
        1/m long; polarization is unknown or no unit vector; threads is below 1.

    Notes
    -----
    Lambda has harmonics of order 2 and 4 alone, so its average over directions vanishes and the sum does not grow as
    the ln N0 of (3.7); for wavelengths of the size of the sample it depends on the shape of the sample.

    Examples
    --------
    >>> import mbfast
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> for n in (4, 16):
    ...     cube = mbfast.BlockLattice((n, n, n), 5e-9)
    ...     value = mbfast.phase_sum(silica, cube, [0, 0, 1.0], "longitudinal")
    ...     print(f"{value / silica.prefactor * cube.spacing**3:.4f}")
    -2.2069
    -2.6871
    """
    geometry, k, directions = _in_a_wave(interaction, blocks, wavevector, polarization)
    k_reduced = k * geometry.unit
    size = np.linalg.norm(k)
    terms = [interaction.wave_terms(0.5 * (np.outer(k, u) + np.outer(u, k)) / size, u) for u in directions]
    waves = [(strain, np.array(coefficients)) for strain, coefficients in terms]

    def term(d: FloatArray, weights: FloatArray) -> float:
        return math.fsum(displacements.phase(d, weights, k_reduced, *wave) for wave in waves) / len(waves)

    return _average(geometry, term, threads) * interaction.prefactor / geometry.unit**3


def strain_coupling_sum(
    interaction: Interaction, blocks: BlockLattice | ArrayLike, wavevector: ArrayLike, polarization: str | ArrayLike,
    x: float | None = None, *, moment_change: WaveMomentChange | None = None, coherent: bool = True,
    threads: int | None = None,
) -> float:  # fmt: skip
    r"""N^-1 sum over ordered pairs of M M* X X: what a wave's change of the interaction absorbs, the sum in (3.5).

    Parameters
    ----------
    interaction, blocks, wavevector, polarization
        As in `phase_sum`; the interaction is what is changed.
    x : float, optional
        Im chi~_l/Im chi~_t - 2; wanted for stress, without meaning for dipoles.
    moment_change : {"none", "gradient", "strain"}, optional
        How dipoles follow the wave, as in `angular_coefficients`; None: "gradient". For stress only the change of
        Lambda is known: "none".
    coherent : bool
        As in `angular_coefficients`.
    threads : int, optional
        None: as many as this process may use, see `set_threads`. The result does not depend on it.

    Returns
    -------
    float
        Per squared strain amplitude (A k)^2, in 1/J^2 (stress) or V^2/(C m^2)^2 (dipoles).

    Raises
    ------
    TypeError
        For the arguments that `phase_sum` refuses; if x is no number, or coherent is not True or False.
    ValueError
        For the arguments that `phase_sum` refuses; if x is missing for stress, given for dipoles, or not finite;
        moment_change is unknown or not for this interaction.

    Notes
    -----
    M is the change of Lambda (2.17), or of mu (5.3)-(5.8), when block s moves by u A exp(ik.x_s), without the limit of
    long waves: |u_s - u_s'| = 2 A |sin(k.(x_s - x_s')/2)|. In that limit, and with the directions averaged, the sum is
    S_6 P_a(alpha, x)/(8 pi rho c_t^2 L^3)^2, with S_6 = ``lattice_sum(blocks, 6)`` and `angular_coefficients`.

    Examples
    --------
    >>> import mbfast
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> cube = mbfast.BlockLattice((16, 16, 16), 5e-9)
    >>> value = mbfast.strain_coupling_sum(silica, cube, [0, 0, 1e4], "longitudinal", x=0.3)
    >>> print(f"{value * (cube.spacing**3 / silica.prefactor) ** 2:.1f}")
    613.5
    """
    geometry, k, directions = _in_a_wave(interaction, blocks, wavevector, polarization)
    k_reduced = k * geometry.unit
    if moment_change is None:
        moment_change = interaction.moment_changes[0]  # type: ignore[assignment]
    require_choice("moment_change", moment_change, interaction.moment_changes)
    validate.require_flag("coherent", coherent)
    a, b = squared_change(interaction.form, interaction.alpha, x)
    kernel: Any = displacements.strain_coupling
    how: tuple[object, ...] = a, b
    if moment_change != "none":
        kernel, how = displacements.dipole_strain_coupling, (moment_change == "strain", coherent)

    def term(d: FloatArray, weights: FloatArray) -> float:
        return math.fsum(kernel(d, weights, k_reduced, u, *how) for u in directions) / len(directions)

    return _average(geometry, term, threads) * (interaction.prefactor / geometry.unit**3) ** 2


@functools.lru_cache(maxsize=32)
def cube_pairs(side: float) -> tuple[FloatArray, FloatArray]:
    """Distances between blocks of a cube, in units of the spacing, and how many ordered pairs a block have them.

    Of a cube of `side` blocks, cut anywhere from an infinite lattice: the mean over all places if `side` is not whole.
    """
    squares = np.arange(math.ceil(side), dtype=np.int64) ** 2
    along = (1.0 - np.arange(squares.size) / side) * np.where(squares > 0, 2.0, 1.0)
    plane = squares[:, None] + squares
    total = np.zeros(3 * int(squares[-1]) + 1)
    for square, weight in zip(squares, along, strict=True):
        counted = np.bincount((plane + square).ravel(), (weight * np.outer(along, along)).ravel())
        total[: counted.size] += counted
    total[0] = 0.0  # a block with itself
    found = np.flatnonzero(total)
    return np.sqrt(found), total[found]


def _centres(blocks: BlockLattice | ArrayLike) -> BlockLattice | Cloud:
    geometry = as_blocks(blocks)
    if isinstance(geometry, BlockLattice) and geometry.averaged:
        raise ValueError("blocks must be points, as sums over pairs are of distances of centres, got averaged=True")
    return geometry


def _in_a_wave(
    interaction: object, blocks: BlockLattice | ArrayLike, wavevector: ArrayLike, polarization: str | ArrayLike
) -> tuple[BlockLattice | Cloud, FloatArray, list[FloatArray]]:
    """Check all four; return where the blocks are, the wavevector and the polarizations to average over."""
    check_interaction(interaction)
    return _centres(blocks), *_wave(wavevector, polarization)


def _wave(wavevector: ArrayLike, polarization: str | ArrayLike) -> tuple[FloatArray, list[FloatArray]]:
    k = float_array("wavevector", wavevector)
    require_bounded("wavevector", k)
    if k.shape != (3,) or not SMALLEST <= np.linalg.norm(k) <= LARGEST:
        wanted = f"one vector of shape (3,), not zero, but from {SMALLEST:g} to {LARGEST:g} 1/m long"
        raise ValueError(f"wavevector must be {wanted}, got {k.tolist()}")
    direction = k / np.linalg.norm(k)
    if isinstance(polarization, str):
        if polarization == "longitudinal":
            return k, [direction]
        if polarization == "transverse":
            first = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
            first /= np.linalg.norm(first)
            return k, [first, np.cross(direction, first)]
        raise ValueError(f"polarization must be longitudinal, transverse or a unit vector, got {polarization!r}")
    u = float_array("polarization", polarization)
    if u.shape != (3,) or not abs(np.linalg.norm(u) - 1.0) < 1e-6:
        raise ValueError(f"polarization must be a unit vector of shape (3,), got {u.tolist()}")
    return k, [u / np.linalg.norm(u)]


def _average(
    geometry: BlockLattice | Cloud, term: Callable[[FloatArray, FloatArray], float], threads: int | None
) -> float:
    """N^-1 times the sum of an even function of the displacement over ordered pairs."""
    workers = tiles.check_threads(threads)
    n = geometry.n_blocks
    if n < 2:
        return 0.0
    if isinstance(geometry, BlockLattice):
        shape = geometry.shape
        pieces = cut(shape[0] * (2 * shape[1] - 1) * (2 * shape[2] - 1), ROWS)
        parts = tiles.run(lambda piece: term(*_offsets(shape, piece)), pieces, threads=workers)
    else:
        parts = tiles.run(lambda tile: _pairs(geometry, tile, term), cut(n, 64), threads=workers)
    return 2.0 * math.fsum(parts) / n


def _offsets(shape: tuple[int, int, int], piece: Tile) -> tuple[FloatArray, FloatArray]:
    """Offsets of one of each pair d, -d, (3, n), and how many pairs of blocks have them, (n,): a piece of them."""
    grid = (shape[0], 2 * shape[1] - 1, 2 * shape[2] - 1)
    x, y, z = np.unravel_index(np.arange(*piece), grid)
    y, z = y - (shape[1] - 1), z - (shape[2] - 1)
    upper = (x > 0) | (y > 0) | ((y == 0) & (z > 0))
    d = np.array([x[upper], y[upper], z[upper]], dtype=np.float64)
    return d, np.prod(np.array(shape)[:, None] - np.abs(d), axis=0)


def _pairs(cloud: Cloud, tile: Tile, term: Callable[[FloatArray, FloatArray], float]) -> float:
    """Sum the term over the pairs of the blocks of a tile with later ones."""
    first, start = cloud.reduced(tile), tile[0]
    parts = []
    for j0, j1 in cut(cloud.n_blocks - start, ROWS):
        later = cloud.reduced((start + j0, start + j1))
        for i in range(first.shape[1]):
            tiles.pause()
            d = later[:, max(i + 1 - j0, 0) :] - first[:, i : i + 1]
            parts.append(term(d, np.ones(d.shape[1])))
    return math.fsum(parts)
