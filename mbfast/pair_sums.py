"""Energies and fields of blocks that interact in pairs, (2.13), (2.16) and (5.1)."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from mbfast import _tiles
from mbfast._moments import Moments, as_rows, cell_vectors, refuse_coincident_images
from mbfast._validate import FloatArray, require_choice
from mbfast.blocks import BlockLattice, Cloud, as_blocks
from mbfast.ewald import EwaldField, Macroscopic
from mbfast.interactions import Interaction

Method = Literal["auto", "direct", "ewald"]
Boundary = Literal["open", "periodic"]
ImageShape = Literal["cubic", "spherical"]

_SOURCES = 1 << 17  # blocks held in the kernels' layout at a time: 9 MB


def pair_field(
    interaction: Interaction,
    blocks: BlockLattice | ArrayLike,
    moments: ArrayLike,
    *,
    method: Method = "auto",
    boundary: Boundary = "open",
    cell: ArrayLike | None = None,
    images: int | None = None,
    image_shape: ImageShape = "cubic",
    macroscopic: Macroscopic | None = None,
    rtol: float = 1e-6,
    threads: int | None = None,
    progress: _tiles.Progress = False,
) -> FloatArray:
    r"""Field of all other blocks at each block, h_s = sum over s' != s of Lambda(x_s - x_s') : T_s'.

    Parameters
    ----------
    interaction : Interaction
        `StressInteraction` or `DipoleInteraction`.
    blocks : BlockLattice or array_like, shape (N, 3)
        Where the blocks are (m).
    moments : array_like
        Stress moments (J), shape (N, 3, 3), symmetric, or (N, 6) in the order xx, yy, zz, yz, xz, xy; dipoles (C m),
        shape (N, 3). On a lattice its shape stands in place of N.
    method : {"auto", "direct", "ewald"}
        "direct" sums over all pairs, O(N^2); "ewald" splits the interaction, O(N log N), see `EwaldField`, which is set
        up once for many sets of moments; "auto" is "direct".
    boundary : {"open", "periodic"}
        "open": these blocks and no others. "periodic": by "ewald" all images of them, the block's own included, with
        `macroscopic`; by "direct", a slow reference, explicit images. That sum converges conditionally: its limit
        depends on `image_shape`.
    cell : array_like, shape (3,) or (3, 3), optional
        Period along each axis, or three vectors as rows (m); wanted for periodic positions, known for a lattice.
    images : int, optional
        Shells of images, >= 0; wanted by "direct" if periodic.
    image_shape : {"cubic", "spherical"}
        Images with all of |n_1|, |n_2|, |n_3| <= images, or those within images times the cube root of the cell's
        volume.
    macroscopic, rtol : optional
        As in `EwaldField`; for "ewald" only. Direct sums are exact but for rounding.
    threads : int, optional
        None: as many as this process may use. The result does not depend on it, to the last bit.
    progress : bool or callable
        Draw a bar, if rich is installed, or call it, from the threads that work, with the numbers of tiles done and
        in all. "ewald" counts as one tile.

    Returns
    -------
    ndarray
        h, in the layout of `moments`, float64: dimensionless for stress, V/m for dipoles. As (2.13) counts each pair
        twice, dE/dT_s = 2 h_s: the strain at a block is 2 h, the electric field at a dipole -2 h.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; blocks coincide; moments are not symmetric.

    See Also
    --------
    pair_energy : the energy sum over s of T_s : h_s.
    EwaldField : the method "ewald" for many sets of moments.
    mbfast.kernels.stress, mbfast.kernels.dipole : the compiled sums.

    Notes
    -----
    For Joffrin and Levelut's form, whose tensor is not symmetric, this is the symmetric part of the field. Relative
    rounding errors are of the order of 1e-15. Memory beyond the arguments and the result: below 50 MB with open
    boundaries.

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (2.13)-(2.16), (5.1), (5.2).

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> lattice = mbfast.BlockLattice((4, 4, 4), 5e-9)
    >>> moments = np.zeros((4, 4, 4, 6))
    >>> moments[0, 0, 0, 2] = 1.6e-19  # 1 eV along zz in one corner
    >>> field = mbfast.pair_field(silica, lattice, moments)
    >>> print(f"{field[0, 0, 1, 2]:.3e}")  # h_zz at its neighbour along z
    3.206e-06
    """
    if method == "ewald":
        field = _ewald(interaction, blocks, boundary, cell, images, macroscopic, rtol, threads)
        with _tiles.counter(progress, 1, "field") as advance:
            result = field(moments)
            advance()
        return result
    system = _System(interaction, blocks, moments, method, boundary, cell, images, image_shape, macroscopic)
    return _field(interaction, system, _tiles.check_threads(threads), progress)


def pair_energy(
    interaction: Interaction,
    blocks: BlockLattice | ArrayLike,
    moments: ArrayLike,
    *,
    method: Method = "auto",
    boundary: Boundary = "open",
    cell: ArrayLike | None = None,
    images: int | None = None,
    image_shape: ImageShape = "cubic",
    macroscopic: Macroscopic | None = None,
    rtol: float = 1e-6,
    threads: int | None = None,
    progress: _tiles.Progress = False,
) -> float:
    """Energy of the interaction, the sum over ordered pairs (2.13): E = sum over s of T_s : h_s.

    Parameters
    ----------
    interaction, blocks, moments, method, boundary, cell, images, image_shape, macroscopic, rtol, threads, progress
        As in `pair_field`.

    Returns
    -------
    float
        Energy (J). Each pair counts twice, as in (2.13). If periodic: of one cell, its images included.

    Raises
    ------
    TypeError, ValueError
        As `pair_field`.

    Notes
    -----
    With open boundaries "direct" computes each pair once.

    Examples
    --------
    Two dipoles of 1 debye, head to tail, 5 nm apart:

    >>> import mbfast
    >>> vacuum = mbfast.DipoleInteraction(8.8541878128e-12)
    >>> energy = mbfast.pair_energy(vacuum, [[0, 0, 0], [0, 0, 5e-9]], [[0, 0, 3.33564e-30]] * 2)
    >>> print(f"{energy:.4g}")
    -1.6e-24
    """
    if method == "ewald":
        field = _ewald(interaction, blocks, boundary, cell, images, macroscopic, rtol, threads)
        with _tiles.counter(progress, 1, "energy") as advance:
            energy = field.energy(moments)
            advance()
        return energy
    system = _System(interaction, blocks, moments, method, boundary, cell, images, image_shape, macroscopic)
    workers = _tiles.check_threads(threads)
    if boundary == "periodic":
        return system.moments.contract(_field(interaction, system, workers, progress))
    geometry, kernels = system.geometry, interaction.kernels

    def below(tile: tuple[int, int], first: int, positions: FloatArray, sources: FloatArray) -> float:
        targets, own = geometry.reduced(*tile), system.moments.components(*tile)
        return float(kernels.energy(*tile, targets, own, first, positions, sources, *interaction.coefficients))

    parts: list[float] = []
    work = [([tile for tile in system.tiles() if tile[0] < piece[1] - 1], piece) for piece in system.pieces()]
    with _tiles.counter(progress, sum(len(tiles) for tiles, _ in work), "energy") as advance:
        for tiles, piece in work:
            sources = system.moments.components(*piece)
            sums = partial(below, first=piece[0], positions=geometry.reduced(*piece), sources=sources)
            parts += _tiles.run(sums, tiles, threads=workers, advance=advance)
    return 2.0 * math.fsum(parts) * system.scale * system.moments.unit + 0.0  # no negative zero


def _ewald(
    interaction: Interaction,
    blocks: BlockLattice | ArrayLike,
    boundary: Boundary,
    cell: ArrayLike | None,
    images: int | None,
    macroscopic: Macroscopic | None,
    rtol: float,
    threads: int | None,
) -> EwaldField:
    if images is not None:
        raise ValueError(f"images belong to method='direct', got {images!r} with method='ewald', which sums over all")
    return EwaldField(
        interaction, blocks, boundary=boundary, cell=cell, macroscopic=macroscopic, rtol=rtol, threads=threads
    )


def _field(interaction: Interaction, system: _System, workers: int, progress: _tiles.Progress) -> FloatArray:
    result = np.zeros(system.moments.shape)
    flat = result.reshape(system.n, system.moments.width)
    geometry, kernels = system.geometry, interaction.kernels

    def add(tile: tuple[int, int], positions: FloatArray, sources: FloatArray) -> None:
        targets = geometry.reduced(*tile)
        field = np.zeros((interaction.components, targets.shape[1]))
        for shift in system.shifts:
            kernels.field(targets + shift[:, None], positions, sources, *interaction.coefficients, field)
        field *= system.scale
        flat[slice(*tile)] += as_rows(field, flat.shape[1])

    tiles, pieces = system.tiles(), system.pieces()
    with _tiles.counter(progress, len(tiles) * len(pieces), "field") as advance:
        for piece in pieces:
            work = partial(add, positions=geometry.reduced(*piece), sources=system.moments.components(*piece))
            _tiles.run(work, tiles, threads=workers, advance=advance)
    return result


class _System:
    """The checked arguments of a pair sum, in reduced units."""

    def __init__(
        self,
        interaction: Interaction,
        blocks: BlockLattice | ArrayLike,
        moments: ArrayLike,
        method: str,
        boundary: str,
        cell: ArrayLike | None,
        images: int | None,
        image_shape: str,
        macroscopic: str | None,
    ) -> None:
        for name, value, known in (
            ("method", method, Method),
            ("boundary", boundary, Boundary),
            ("image_shape", image_shape, ImageShape),
        ):
            require_choice(name, value, get_args(known))
        if macroscopic is not None:
            raise ValueError(f"macroscopic belongs to method='ewald', got {macroscopic!r} with method={method!r}")
        if not all(hasattr(interaction, name) for name in ("components", "prefactor", "coefficients", "kernels")):
            raise TypeError(f"interaction must be a StressInteraction or a DipoleInteraction, got {interaction!r}")
        self.geometry = as_blocks(blocks)
        self.n = self.geometry.n_blocks
        leading = self.geometry.shape if isinstance(self.geometry, BlockLattice) else (self.n,)
        self.moments = Moments(moments, leading, interaction.components)
        self.shifts = np.zeros((1, 3))
        if boundary == "periodic":
            self.shifts = _image_shifts(self.geometry, cell, images, image_shape)
        elif cell is not None or images is not None:
            raise ValueError("cell and images belong to boundary='periodic', got them with boundary='open'")
        # of a field from moments in units of moments.unit and lengths in units of geometry.unit
        self.scale = interaction.prefactor / self.geometry.unit**3 * self.moments.unit

    def pieces(self) -> list[tuple[int, int]]:
        """Ranges of sources that are held in the kernels' layout at a time."""
        return [(start, min(start + _SOURCES, self.n)) for start in range(0, self.n, _SOURCES)]

    def tiles(self) -> list[tuple[int, int]]:
        """Ranges of targets; they depend on N alone, and so do the sums' rounding errors."""
        size = 4_000_000 // (max(self.n, 1) * len(self.shifts))
        size = min(max(size, 64 if len(self.shifts) == 1 else 1), 1024)
        return [(start, min(start + size, self.n)) for start in range(0, self.n, size)]


def _image_shifts(
    geometry: BlockLattice | Cloud, cell: ArrayLike | None, images: int | None, image_shape: str
) -> FloatArray:
    """Return the displacements of the images, the cell itself among them, in units of the geometry, shape (n, 3)."""
    if isinstance(images, bool) or not isinstance(images, (int, np.integer)) or images < 0:
        raise ValueError(f"images must be a whole number >= 0 of shells if periodic, got {images!r}")
    vectors = cell_vectors(geometry, cell)
    if not geometry.n_blocks:
        return np.zeros((1, 3))
    volume = abs(float(np.linalg.det(vectors)))
    if images and isinstance(geometry, Cloud):
        refuse_coincident_images(geometry, vectors)
    reach = int(images)
    if image_shape == "spherical":  # a vector of length L has no coordinate beyond L times that of the inverse
        heights = 1.0 / np.linalg.norm(np.linalg.inv(vectors), axis=0)
        radius = reach * volume ** (1 / 3)
        reach = math.ceil(radius / heights.min())
    steps = np.arange(-reach, reach + 1)
    planes = []
    for first in steps:
        second, third = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
        shifts = np.stack([np.full(second.size, first), second, third], axis=-1) @ vectors
        if image_shape == "spherical":
            shifts = shifts[np.linalg.norm(shifts, axis=1) <= radius * (1 + 1e-12)]
        planes.append(shifts)
    return np.concatenate(planes)
