"""Energies and fields of blocks that interact in pairs, (2.13), (2.16) and (5.1)."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import tiles as _tiles
from mbfast._core.validate import FloatArray, require_choice
from mbfast.pairs._kernels import averaged
from mbfast.pairs.cubes import averaged_tensors
from mbfast.pairs.ewald import EwaldField, Macroscopic
from mbfast.pairs.geometry import ROWS, BlockLattice, as_blocks
from mbfast.pairs.interactions import DipoleInteraction, Interaction, StressInteraction
from mbfast.pairs.lattice import LatticeField
from mbfast.pairs.moments import Boundary, ImageShape, Moments, as_rows, image_shifts
from mbfast.pairs.planning import choose_method, predict, require_memory

Method = Literal["auto", "direct", "fft", "ewald"]

_FEW, _FEW_ANYWHERE = 2000, 10_000  # blocks, of a lattice or not, up to which nothing is faster than the direct sum
_MANY = 200_000  # blocks up to which memory is no question
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
    rtol: float | None = None,
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
    method : {"auto", "direct", "fft", "ewald"}
        "direct" sums over all pairs, O(N^2); "fft" is `LatticeField`, for a `BlockLattice` only, and "ewald" is
        `EwaldField`, for any positions, to `rtol`: both O(N log N), and set up once for many sets of moments when used
        by themselves. "auto" takes what is predicted to be the fastest here of those that reach `rtol` and fit into
        memory, see `mbfast.pairs.planning.predict`, and tells the logger ``mbfast`` which; up to 2000 blocks of a
        lattice, or 10,000 anywhere, "direct".
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
    LatticeField, EwaldField : fields of many sets of moments on one lattice, or at the same positions.
    mbfast.kernels.stress, mbfast.kernels.dipole : the compiled sums.

    Notes
    -----
    For Joffrin and Levelut's form, whose tensor is not symmetric, this is the symmetric part of the field. Relative
    rounding errors are of the order of 1e-15. Memory beyond the arguments and the result: below 50 MB with open
    boundaries; on an averaged lattice 350 bytes a block more, for the tensors and the moments.

    On an averaged lattice, ``BlockLattice(..., averaged=True)``, Lambda is the average over the two cubes, to
    3e-14 of its largest component. Of that, points at the centres miss, at faces that touch, about 1 (stress, silica)
    or 0.18 (dipoles), n cubes apart about 0.6/n^2 or 0.4/n^4.

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
    method, rtol = _chosen(method, interaction, blocks, boundary, images, macroscopic, rtol)
    if method in ("fft", "ewald"):
        transforms = _transforms(
            method, interaction, blocks, boundary, cell, images, image_shape, macroscopic, rtol, threads
        )
        return transforms(moments, threads=threads, progress=progress)
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
    rtol: float | None = None,
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
    method, rtol = _chosen(method, interaction, blocks, boundary, images, macroscopic, rtol)
    if method in ("fft", "ewald"):
        transforms = _transforms(
            method, interaction, blocks, boundary, cell, images, image_shape, macroscopic, rtol, threads
        )
        return transforms.energy(moments, threads=threads, progress=progress)
    system = _System(interaction, blocks, moments, method, boundary, cell, images, image_shape, macroscopic)
    workers = _tiles.check_threads(threads)
    if boundary == "periodic" or system.cubes:
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


def _transforms(
    method: Method,
    interaction: Interaction,
    blocks: BlockLattice | ArrayLike,
    boundary: Boundary,
    cell: ArrayLike | None,
    images: int | None,
    image_shape: ImageShape,
    macroscopic: Macroscopic | None,
    rtol: float | None,
    threads: int | None,
) -> LatticeField | EwaldField:
    """Set up the method in O(N log N), and refuse the arguments of others."""
    if method == "fft":
        if not isinstance(blocks, BlockLattice):
            raise ValueError(f"method='fft' wants a BlockLattice, got {type(blocks).__name__}")
        if cell is not None:
            raise ValueError("cell is known for a lattice, got one")
        _refuse_macroscopic(macroscopic, method)
        return LatticeField(
            interaction, blocks, boundary=boundary, images=images, image_shape=image_shape, threads=threads
        )
    require_choice("image_shape", image_shape, get_args(ImageShape))
    if images is not None:
        raise ValueError(f"images belong to method='direct', got {images!r} with method='ewald', which sums over all")
    return EwaldField(
        interaction,
        blocks,
        boundary=boundary,
        cell=cell,
        macroscopic=macroscopic,
        rtol=1e-6 if rtol is None else rtol,
        threads=threads,
    )


def _chosen(
    method: Method,
    interaction: Interaction,
    blocks: BlockLattice | ArrayLike,
    boundary: Boundary,
    images: int | None,
    macroscopic: Macroscopic | None,
    rtol: float | None,
) -> tuple[Method, float | None]:
    """Return the method to take, and what it is to reach; refuse what does not fit into memory."""
    if not isinstance(interaction, (StressInteraction, DipoleInteraction)) or method not in get_args(Method):
        return method, rtol
    geometry = as_blocks(blocks)
    lattice = geometry if isinstance(geometry, BlockLattice) else None
    n, cubes = geometry.n_blocks, lattice is not None and lattice.averaged
    if method == "auto":
        rtol = 1e-12 if rtol is None else rtol
        if boundary == "periodic" and images is None and not cubes:
            return "ewald", rtol
        if macroscopic is not None:
            return "ewald", rtol
        if n <= (_FEW if lattice is not None else _FEW_ANYWHERE) or (lattice is None and images is not None):
            return "direct", rtol
    elif n <= _MANY or method == "direct":
        return method, rtol
    predictions = predict(
        n if lattice is None else lattice.shape,
        "stress" if isinstance(interaction, StressInteraction) else "dipole",
        rtol=1e-6 if rtol is None else rtol,
        boundary=boundary,
        images=images,
        averaged=cubes,
        positions=None if lattice is not None else geometry.reduced(0, n).T,
        methods=("direct", "ewald") if lattice is None or method == "ewald" else ("direct", "fft"),
    )
    if method == "auto":
        return choose_method(predictions), rtol
    require_memory(method, predictions)
    return method, rtol


def _refuse_macroscopic(macroscopic: str | None, method: str) -> None:
    if macroscopic is not None:
        raise ValueError(f"macroscopic belongs to method='ewald', got {macroscopic!r} with method={method!r}")


def _field(interaction: Interaction, system: _System, workers: int, progress: _tiles.Progress) -> FloatArray:
    result = np.zeros(system.moments.shape)
    flat = result.reshape(system.n, system.moments.width)
    if system.cubes:
        _add_averaged_field(interaction, system, system.cubes, flat, workers, progress)
        return result
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


def _add_averaged_field(
    interaction: Interaction,
    system: _System,
    cubes: BlockLattice,
    flat: FloatArray,
    workers: int,
    progress: _tiles.Progress,
) -> None:
    """Add the field between cubes, whose tensors are few on a lattice: one an offset, kept for all pairs."""
    tensors = _tensors_by_offset(interaction, system, workers)
    _, n2, n3 = cubes.shape

    def add(tile: tuple[int, int], piece: tuple[int, int], sources: FloatArray) -> None:
        field = np.zeros((tile[1] - tile[0], interaction.components))
        averaged.field(*tile, *piece, n2, n3, tensors, sources, field)
        flat[slice(*tile)] += as_rows(system.scale * field.T, flat.shape[1])

    tiles, pieces = system.tiles(), system.pieces()
    with _tiles.counter(progress, len(tiles) * len(pieces), "field") as advance:
        for piece in pieces:
            sources = np.ascontiguousarray(system.moments.components(*piece).T)
            _tiles.run(partial(add, piece=piece, sources=sources), tiles, threads=workers, advance=advance)


def _tensors_by_offset(interaction: Interaction, system: _System, workers: int) -> FloatArray:
    """Matrices (N, c, c) from a moment to its field, images included, at the offsets of the blocks from the first."""
    result = np.zeros((system.n, interaction.components, interaction.components))
    twice = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0][: interaction.components])  # yz stands for zy as well

    def add(start: int) -> None:
        offsets = system.geometry.reduced(start, min(start + ROWS, system.n)).T
        for shift in system.shifts:
            tensors = averaged_tensors(interaction, offsets + shift)
            if start == 0 and not shift.any():
                tensors[0] = 0.0  # a block and itself
            result[start : start + ROWS] += tensors
        result[start : start + ROWS] *= twice

    _tiles.run(add, range(0, system.n, ROWS), threads=workers)
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
        require_choice("method", method, get_args(Method))
        _refuse_macroscopic(macroscopic, method)
        if not all(hasattr(interaction, name) for name in ("components", "prefactor", "coefficients", "kernels")):
            raise TypeError(f"interaction must be a StressInteraction or a DipoleInteraction, got {interaction!r}")
        self.geometry = as_blocks(blocks)
        self.cubes = self.geometry if isinstance(self.geometry, BlockLattice) and self.geometry.averaged else None
        self.n = self.geometry.n_blocks
        leading = self.geometry.shape if isinstance(self.geometry, BlockLattice) else (self.n,)
        self.moments = Moments(moments, leading, interaction.components)
        self.shifts = image_shifts(self.geometry, boundary, cell, images, image_shape)
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
