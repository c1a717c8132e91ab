"""Random blocks: two-level systems of the standard distribution, levels of Gaussian matrices, isotropic stresses."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.machine import require_room
from mbfast._core.validate import FloatArray, bounded_number, count_from, float_array, positive_number, require_choice
from mbfast.superblock.block import Block

Ensemble = Literal["GOE", "GUE"]


def isotropic_stress(n: int, size: float, x: float = 0.0, *, rng: np.random.Generator) -> FloatArray:
    """Draw Gaussian stresses whose distribution is the same in all directions.

    Parameters
    ----------
    n : int
        How many.
    size : float
        t (J), the standard deviation of T_xy.
    x : float
        At least -2/3; Im chi_l/Im chi_t - 2 of blocks that have them.
    rng : numpy.random.Generator
        Where the numbers come from.

    Returns
    -------
    ndarray, shape (n, 6)
        <T_ij> = 0, <T_ij T_kl> = t^2 (x delta_ij delta_kl + delta_ik delta_jl + delta_il delta_jk).

    Raises
    ------
    TypeError
        If n is no whole number, size or x is not one real number, or rng is no Generator.
    ValueError
        If n is negative, size is not positive, or x is below -2/3 or not finite.
    MemoryError
        If n stresses do not fit into memory; the message has the numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from mbfast.superblock import ensembles
    >>> ensembles.isotropic_stress(4, 1e-19, rng=np.random.default_rng(1)).shape
    (4, 6)
    """
    number, generator = count_from(0, "n", n), check_generator(rng)
    t, ratio = positive_number("size", size, unit="J"), bounded_number("x", x)
    if ratio < -2.0 / 3.0:
        raise ValueError(f"x must be at least -2/3, got {ratio:g}")
    require_room(3.0 * 48.0 * number, "n = {} stresses", number)
    stress: FloatArray = generator.normal(size=(number, 6)) * ([math.sqrt(2.0)] * 3 + [1.0] * 3)
    # with b tr T added to the diagonal, x = 4 b + 6 b^2
    stress[:, :3] += (math.sqrt(4.0 + 6.0 * ratio) - 2.0) / 6.0 * stress[:, :3].sum(axis=1, keepdims=True)
    return t * stress


def two_level_blocks(
    n: int, stress: ArrayLike, max_splitting: float, min_tunnelling: float, *, rng: np.random.Generator
) -> list[Block]:
    """Draw two-level blocks of the standard distribution, P(Delta, Delta_0) ~ 1/Delta_0.

    Parameters
    ----------
    n : int
        How many.
    stress : array_like, shape (n, 6), (n, 3, 3) or (n, 3)
        The coupling of each, as in `Block.two_level`.
    max_splitting : float
        The largest E = sqrt(Delta^2 + Delta_0^2) (J).
    min_tunnelling : float
        The smallest Delta_0 (J), at most 0.99 of the largest E.
    rng : numpy.random.Generator
        Where the numbers come from.

    Returns
    -------
    list of Block
        With Delta of both signs, evenly distributed for each Delta_0, and E up to `max_splitting`.

    Raises
    ------
    TypeError
        If n is no whole number, max_splitting or min_tunnelling is not one real number, stress does not consist of real
        numbers, or rng is no Generator.
    ValueError
        If n is negative, max_splitting or min_tunnelling is not positive, min_tunnelling is above 0.99 max_splitting,
        or stress is not of n blocks, or one that `Block.two_level` refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from mbfast.superblock import ensembles
    >>> rng = np.random.default_rng(1)
    >>> stress = ensembles.isotropic_stress(8, 1e-19, rng=rng)
    >>> blocks = ensembles.two_level_blocks(8, stress, 1e-23, 1e-26, rng=rng)
    >>> len(blocks), bool(max(np.ptp(block.energies) for block in blocks) < 1e-23)
    (8, True)
    """
    number, generator = count_from(0, "n", n), check_generator(rng)
    most = positive_number("max_splitting", max_splitting, unit="J")
    least = positive_number("min_tunnelling", min_tunnelling, unit="J")
    if least > 0.99 * most:  # there is next to nothing to draw from
        raise ValueError(f"min_tunnelling must be at most 0.99 max_splitting, {most:g} J, got {least:g} J")
    couplings = float_array("stress", stress)
    if couplings.ndim == 0 or len(couplings) != number:
        raise ValueError(f"stress and n must be of as many blocks, got shape {couplings.shape} and n = {number}")
    blocks: list[Block] = []
    while len(blocks) < number:
        tunnelling = least * (most / least) ** generator.random()
        widest = math.sqrt(1.0 - (tunnelling / most) ** 2)  # asymmetries within the half disc
        if generator.random() < widest:
            asymmetry = most * widest * generator.uniform(-1.0, 1.0)
            blocks.append(Block.two_level(asymmetry, tunnelling, couplings[len(blocks)]))
    return blocks


def isotropic_two_level_blocks(
    n: int, size: float, max_splitting: float, min_tunnelling: float, x: float = 0.0, *, rng: np.random.Generator
) -> list[Block]:
    """Draw two-level blocks of the standard distribution with stresses of all directions.

    Parameters
    ----------
    n : int
        How many.
    size : float
        Of the stresses, as in `isotropic_stress`.
    max_splitting, min_tunnelling : float
        As in `two_level_blocks`.
    x : float
        As in `isotropic_stress`.
    rng : numpy.random.Generator
        Where the numbers come from: first those of the stresses.

    Returns
    -------
    list of Block

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `isotropic_stress` and `two_level_blocks` do.

    Examples
    --------
    >>> import numpy as np
    >>> from mbfast.superblock import ensembles
    >>> len(ensembles.isotropic_two_level_blocks(8, 1e-19, 1e-23, 1e-26, rng=np.random.default_rng(1)))
    8
    """
    return two_level_blocks(n, isotropic_stress(n, size, x, rng=rng), max_splitting, min_tunnelling, rng=rng)


def gaussian_blocks(
    n: int, n_levels: int, spread: float, size: float, x: float = 0.0, *, ensemble: Ensemble = "GOE",
    rng: np.random.Generator,
) -> list[Block]:  # fmt: skip
    """Draw blocks whose Hamiltonian and stresses are independent Gaussian matrices.

    Parameters
    ----------
    n, n_levels : int
        How many blocks, and levels of each.
    spread : float
        Standard deviation of the elements of H_0 off its diagonal (J): half the radius of Wigner's semicircle over the
        square root of the number of levels.
    size, x : float
        Of the matrix elements <m|T_ij|n>, m != n, as in `isotropic_stress`.
    ensemble : {"GOE", "GUE"}
        Real symmetric or complex Hermitian matrices.
    rng : numpy.random.Generator
        Where the numbers come from.

    Returns
    -------
    list of Block
        Their elements on the diagonal have twice the variance (GOE) or the same (GUE).

    Raises
    ------
    TypeError
        If n or n_levels is no whole number, spread, size or x is not one real number, or rng is no Generator.
    ValueError
        If n is negative, n_levels is below 1, spread or size is not positive, x is below -2/3 or not finite, or
        ensemble is unknown.
    MemoryError
        If n blocks of n_levels do not fit into memory; the message has the numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from mbfast.superblock import ensembles
    >>> ensembles.gaussian_blocks(2, 4, 1e-24, 1e-19, ensemble="GUE", rng=np.random.default_rng(1))
    [<Block: 4 levels, stress, complex128>, <Block: 4 levels, stress, complex128>]
    """
    number, d, generator = count_from(0, "n", n), count_from(1, "n_levels", n_levels), check_generator(rng)
    width = positive_number("spread", spread, unit="J")
    require_choice("ensemble", ensemble, get_args(Ensemble))
    parts = 1 if ensemble == "GOE" else 2
    require_room(8.0 * parts * d * d * (6.0 * number + 30.0), "n and n_levels, {} blocks of {} levels,", number, d)
    blocks = []
    for _ in range(number):
        # the same distribution in every basis: stresses are drawn in that of the levels
        elements = isotropic_stress(parts * d * d, size, x, rng=generator).T.reshape(6, parts, d, d)
        elements = np.concatenate([elements, width * generator.normal(size=(1, parts, d, d))])
        matrices = elements[:, 0] if parts == 1 else (elements[:, 0] + 1j * elements[:, 1]) / math.sqrt(2.0)
        matrices = (matrices + matrices.conj().swapaxes(1, 2)) / math.sqrt(2.0)
        blocks.append(Block(np.linalg.eigvalsh(matrices[6]), matrices[:6]))
    return blocks


def check_generator(rng: object) -> np.random.Generator:
    """Return a Generator, or raise a TypeError."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator, got {rng!r:.80}")
    return rng
