"""Energies and fields of blocks that interact in pairs, (2.13), (2.16) and (5.1), by whichever method suits."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import jobs, tiles
from mbfast._core.validate import FloatArray, require_choice
from mbfast.pairs.fields import PairField, require_points
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.moments import Moments
from mbfast.pairs.planning import chosen
from mbfast.pairs.problem import Boundary, ImageShape, Macroscopic, PairProblem
from mbfast.pairs.results import PairResult

Method = Literal["auto", "direct", "fft", "ewald"]
_METHODS = get_args(Method)
_log = logging.getLogger("mbfast")


def pair_field(
    interaction: Interaction, blocks: BlockLattice | ArrayLike, moments: ArrayLike, *, method: Method = "auto",
    boundary: Boundary = "open", cell: ArrayLike | None = None, images: int | None = None,
    image_shape: ImageShape = "cubic", macroscopic: Macroscopic | None = None, rtol: float | None = None,
    at: ArrayLike | None = None, self_field: bool = False, threads: int | None = None,
    progress: tiles.Progress = False, checkpoint: str | os.PathLike[str] | None = None,
) -> FloatArray:  # fmt: skip
    r"""Field of all other blocks at each block, h_s = sum over s' != s of Lambda(x_s - x_s') : T_s', or at points.

    Parameters
    ----------
    interaction : Interaction
        `StressInteraction`, `DipoleInteraction` or one of your own.
    blocks : BlockLattice or array_like, shape (N, 3)
        Where the blocks are (m).
    moments : array_like
        Stress moments (J), shape (N, 3, 3), symmetric, or (N, 6) in the order xx, yy, zz, yz, xz, xy; dipoles (C m),
        shape (N, 3). On a lattice its shape stands in place of N.
    method : {"auto", "direct", "fft", "ewald"}
        "direct" sums over all pairs, O(N^2); "fft" is `LatticeField`, for a `BlockLattice` only, and "ewald" is
        `EwaldField`, for any positions, to `rtol`: both O(N log N), and set up once for many sets of moments when used
        by themselves. "auto" takes the one whose constants promise the least time of those that reach `rtol`: it is
        decided by sizes, boundary and rtol alone, and told to the logger ``mbfast``. Up to 2000 blocks of a lattice, or
        10,000 anywhere, it is "direct"; `mbfast.pairs.planning.predict` tells time and memory on this machine.
    boundary : {"open", "periodic"}
        "open": these blocks and no others. "periodic": by "ewald", and by "fft" on a lattice, all images of them, the
        block's own included, with `macroscopic`; by "direct", a slow reference, and by "fft", `images` shells. Their
        sum converges conditionally: its limit depends on `image_shape`.
    cell : array_like, shape (3,) or (3, 3), optional
        Period along each axis, or three vectors as rows (m); wanted for periodic positions, known for a lattice.
    images : int, optional
        Shells of explicit images, >= 0; wanted by "direct" if periodic.
    image_shape : {"cubic", "spherical"}
        Images with all of |n_1|, |n_2|, |n_3| <= images, or those within images times the cube root of the cell's
        volume.
    macroscopic : str or array_like, optional
        As in `EwaldField`; for sums over all images only.
    rtol : float, optional
        From 1e-12 to 0.01, what the method is to reach, as in `EwaldField`. None: 1e-12 for "auto", 1e-6 for "ewald".
        Direct sums and those by FFT are exact but for rounding; all images by FFT to 1e-12.
    at : array_like, shape (M, 3), optional
        Points between the blocks (m), as of probes, where the field of all blocks is wanted in place of that at the
        blocks; by "direct" and "ewald".
    self_field : bool
        Whether a cube's own field, `mbfast.pairs.cubes.averaged_tensors` at the offset 0, is part of the sum, its
        contact term included; for cubes only, ``BlockLattice(..., averaged=True)``.
    threads : int, optional
        None: as many as this process may use, see `set_threads`. The result does not depend on it, to the last bit.
    progress : bool or callable
        Draw a bar, if rich is installed, or call it, from the threads that work, with the numbers of tiles done and
        in all. "ewald" counts as one tile.
    checkpoint : str or path-like, optional
        A file that keeps the finished parts of a direct sum, 0.1 to 0.5 s each: the same call goes on with it after the
        process was killed, to the same bits. It is refused for other arguments, see `Checkpoint`; remove it when the
        result is safe.

    Returns
    -------
    ndarray
        h, in the layout of `moments`, (M, ...) at points, float64: dimensionless for stress, V/m for dipoles. As (2.13)
        counts each pair twice, dE/dT_s = 2 h_s: the strain at a block is 2 h, the electric field at a dipole -2 h.

    Raises
    ------
    TypeError
        If interaction is no Interaction; blocks, moments, cell, at or rtol do not consist of real numbers; images or
        threads are no whole numbers; self_field is not True or False.
    ValueError
        If method, boundary, image_shape or macroscopic is unknown; blocks or moments have another shape or are not
        finite; blocks coincide, up to periods; stress moments are not symmetric; cell is no box with a volume, or
        images no number of at least 0; cell, images or macroscopic are missing, or given where they have no meaning;
        rtol is below 1e-12 or above 0.01; threads is below 1; at has another shape, is not finite, or has a point
        where a block is; self_field is asked for of points; the method cannot take what is asked for, such as positions
        by "fft"; the field is beyond the range of doubles.
    MemoryError
        If the method would not fit into memory; the message says what would.

    Notes
    -----
    The compiled sums are those of `mbfast.kernels.stress` and `mbfast.kernels.dipole`. For Joffrin and Levelut's form,
    whose tensor is not symmetric, this is the symmetric part of the field. Relative rounding errors are of the order of
    1e-15. Memory beyond the arguments and the result: below 50 MB with open boundaries; on an averaged lattice 350
    bytes a block more, for the tensors and the moments.

    On an averaged lattice, ``BlockLattice(..., averaged=True)``, Lambda is the average over the two cubes, to
    3e-14 of its largest component. Of that, points at the centres miss, at faces that touch, about 1 (stress, silica)
    or 0.18 (dipoles), n cubes apart about 0.6/n^2 or 0.4/n^4.

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
    summed, checked, workers, kept = _prepared(
        interaction, blocks, moments, method, threads, checkpoint, boundary=boundary, cell=cell, images=images,
        image_shape=image_shape, macroscopic=macroscopic, rtol=rtol, at=at, self_field=self_field,
    )  # fmt: skip
    with kept:
        return summed.field_of(checked, None, workers, progress)


def pair_energy(
    interaction: Interaction, blocks: BlockLattice | ArrayLike, moments: ArrayLike, *, method: Method = "auto",
    boundary: Boundary = "open", cell: ArrayLike | None = None, images: int | None = None,
    image_shape: ImageShape = "cubic", macroscopic: Macroscopic | None = None, rtol: float | None = None,
    self_field: bool = False, threads: int | None = None, progress: tiles.Progress = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> float:  # fmt: skip
    """Energy of the interaction, the sum over ordered pairs (2.13): E = sum over s of T_s : h_s.

    Parameters
    ----------
    interaction, blocks, moments, method, boundary, cell, images, image_shape, macroscopic, rtol
    self_field, threads, progress, checkpoint
        As in `pair_field`. With open boundaries "direct" computes each pair once.

    Returns
    -------
    float
        Energy (J). Each pair counts twice, as in (2.13). If periodic: of one cell, its images included.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For the arguments that `pair_field` refuses.

    Examples
    --------
    Two dipoles of 1 debye, head to tail, 5 nm apart:

    >>> import mbfast
    >>> vacuum = mbfast.DipoleInteraction(8.8541878128e-12)
    >>> energy = mbfast.pair_energy(vacuum, [[0, 0, 0], [0, 0, 5e-9]], [[0, 0, 3.33564e-30]] * 2)
    >>> print(f"{energy:.4g}")
    -1.6e-24
    """
    summed, checked, workers, kept = _prepared(
        interaction, blocks, moments, method, threads, checkpoint, boundary=boundary, cell=cell, images=images,
        image_shape=image_shape, macroscopic=macroscopic, rtol=rtol, self_field=self_field,
    )  # fmt: skip
    with kept:
        return summed.energy_of(checked, workers, progress)


def pair_sum(
    interaction: Interaction, blocks: BlockLattice | ArrayLike, moments: ArrayLike, *, method: Method = "auto",
    boundary: Boundary = "open", cell: ArrayLike | None = None, images: int | None = None,
    image_shape: ImageShape = "cubic", macroscopic: Macroscopic | None = None, rtol: float | None = None,
    self_field: bool = False, threads: int | None = None, progress: tiles.Progress = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> PairResult:  # fmt: skip
    """Field, energies and energy at once, with what made them: method, rtol and estimated error.

    Parameters
    ----------
    interaction, blocks, moments, method, boundary, cell, images, image_shape, macroscopic, rtol
    self_field, threads, progress, checkpoint
        As in `pair_field`.

    Returns
    -------
    PairResult

    Raises
    ------
    TypeError, ValueError, MemoryError
        For the arguments that `pair_field` refuses.

    Examples
    --------
    >>> import mbfast
    >>> vacuum = mbfast.DipoleInteraction(8.8541878128e-12)
    >>> result = mbfast.pair_sum(vacuum, [[0, 0, 0], [0, 0, 5e-9]], [[0, 0, 3.33564e-30]] * 2)
    >>> print(f"{result.energy:.4g} J by {result.method}, {result.rtol:g}")
    -1.6e-24 J by direct, 1e-13
    """
    summed, checked, workers, kept = _prepared(
        interaction, blocks, moments, method, threads, checkpoint, boundary=boundary, cell=cell, images=images,
        image_shape=image_shape, macroscopic=macroscopic, rtol=rtol, self_field=self_field,
    )  # fmt: skip
    with kept:
        return PairResult.of(summed, checked, summed.field_of(checked, None, workers, progress))


def pair_forces(
    interaction: Interaction, blocks: BlockLattice | ArrayLike, moments: ArrayLike, *, method: Method = "auto",
    boundary: Boundary = "open", cell: ArrayLike | None = None, images: int | None = None,
    image_shape: ImageShape = "cubic", macroscopic: Macroscopic | None = None, rtol: float | None = None,
    threads: int | None = None, progress: tiles.Progress = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> FloatArray:  # fmt: skip
    """Force on each block, a point, at fixed moments: F_s = -dE/dx_s, E being `pair_energy`, by (2.17) and (5.3).

    Parameters
    ----------
    interaction, blocks, moments, method, boundary, cell, images, image_shape, macroscopic, rtol
    threads, progress, checkpoint
        As in `pair_field`.

    Returns
    -------
    ndarray, shape (N, 3) or (n1, n2, n3, 3)
        In N. If periodic: a block's images move with it.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For the arguments that `pair_field` refuses, and if blocks are cubes.

    Examples
    --------
    Two dipoles of 1 debye, head to tail, 5 nm apart, attract each other:

    >>> import mbfast
    >>> vacuum = mbfast.DipoleInteraction(8.8541878128e-12)
    >>> forces = mbfast.pair_forces(vacuum, [[0, 0, 0], [0, 0, 5e-9]], [[0, 0, 3.33564e-30]] * 2)
    >>> print(f"{forces[0, 2]:.4g} {forces[1, 2]:.4g} N")
    9.6e-16 -9.6e-16 N
    """
    summed, checked, workers, kept = _prepared(
        interaction, blocks, moments, method, threads, checkpoint, "forces", boundary=boundary, cell=cell,
        images=images, image_shape=image_shape, macroscopic=macroscopic, rtol=rtol,
    )  # fmt: skip
    with kept:
        return summed.forces_of(checked, workers, progress)


def pair_virial(
    interaction: Interaction, blocks: BlockLattice | ArrayLike, moments: ArrayLike, *, method: Method = "auto",
    boundary: Boundary = "open", cell: ArrayLike | None = None, images: int | None = None,
    image_shape: ImageShape = "cubic", macroscopic: Macroscopic | None = None, rtol: float | None = None,
    self_field: bool = False, threads: int | None = None, progress: tiles.Progress = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> FloatArray:  # fmt: skip
    """Virial W_ij = dE/dg_ij: E being `pair_energy` at fixed moments, when all is displaced by u_i = g_ij x_j.

    Parameters
    ----------
    interaction, blocks, moments, method, boundary, cell, images, image_shape, macroscopic, rtol
    self_field, threads, progress, checkpoint
        As in `pair_field`.

    Returns
    -------
    ndarray, shape (3, 3)
        In J, as of `PairField.virial`. If periodic: of one cell, which deforms with its blocks; cubes do, too.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For the arguments that `pair_field` refuses.

    Examples
    --------
    In free space the energy falls with the cube of all lengths, so that the trace is -3 E:

    >>> import mbfast
    >>> vacuum = mbfast.DipoleInteraction(8.8541878128e-12)
    >>> virial = mbfast.pair_virial(vacuum, [[0, 0, 0], [0, 0, 5e-9]], [[0, 0, 3.33564e-30]] * 2)
    >>> print(f"{virial.trace():.4g} J")
    4.8e-24 J
    """
    summed, checked, workers, kept = _prepared(
        interaction, blocks, moments, method, threads, checkpoint, "virial", boundary=boundary, cell=cell,
        images=images, image_shape=image_shape, macroscopic=macroscopic, rtol=rtol, self_field=self_field,
    )  # fmt: skip
    with kept:
        return summed.virial_of(checked, workers, progress)


def _prepared(
    interaction: Interaction, blocks: BlockLattice | ArrayLike, moments: ArrayLike, method: Method, threads: int | None,
    checkpoint: str | os.PathLike[str] | None, what: Literal["field", "forces", "virial"] = "field", **options: Any,
) -> tuple[PairField, Moments, int, AbstractContextManager[None]]:  # fmt: skip
    """Check all arguments, those of `PairProblem.of` as they are given, and set the method up for what is wanted."""
    problem = PairProblem.of(interaction, blocks, **options)
    if what == "forces":
        require_points(problem)
    workers = tiles.check_threads(threads)
    require_choice("method", method, _METHODS)
    checked = problem.moments(moments, workers)
    # "auto" on a cluster, which is there for what takes long, is the one method whose parts it computes
    made, problem = chosen(problem, "direct" if method == "auto" and jobs.elsewhere() else method)
    if made.method != "direct" and (checkpoint is not None or jobs.elsewhere()):
        kind = "a cluster" if checkpoint is None else "checkpoint"
        got = f"{made.method!r}, which 'auto' takes" if method == "auto" else f"{method!r}"
        raise ValueError(f"{kind} is for method='direct', whose parts do not need each other, got {got}")
    kept: AbstractContextManager[None] = nullcontext()
    if checkpoint is not None:
        inputs = {"interaction": interaction, "blocks": blocks, "moments": moments, **options}
        given = {name: value if isinstance(value, BlockLattice) else _plain(value) for name, value in inputs.items()}
        kept = jobs.kept(checkpoint, "pair sum", given)
    summed = made.of(problem, threads=workers, derivatives=what != "field")
    _log.info("pair sum by %r", summed)
    return summed, checked, workers, kept


def _plain(value: object) -> object:
    """Return what is like an array as one, so that a checkpoint tells them apart by their numbers alone."""
    return np.asarray(value) if hasattr(value, "__array__") or isinstance(value, Sequence) else value
