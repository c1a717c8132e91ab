"""Sums over all pairs of blocks, points or cubes, O(N^2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import tiles
from mbfast._core.validate import FloatArray, real_array
from mbfast._core.voigt import WEIGHTS
from mbfast.pairs._kernels import averaged
from mbfast.pairs.cubes import averaged_tensors
from mbfast.pairs.fields import SPARE, Cost, PairField
from mbfast.pairs.geometry import ROWS, BlockLattice
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.moments import Moments, as_rows
from mbfast.pairs.problem import Boundary, ImageShape, PairProblem

_SOURCES = 1 << 17  # blocks held in the kernels' layout at a time: 9 MB
_PAIR = {6: 3.3e-9, 3: 1.6e-9}  # seconds a pair, on one core of an EPYC of the third generation
_CUBES = 11.0  # times that, between cubes

Tile = tuple[int, int]


class DirectField(PairField):
    r"""Fields by sums over all pairs, O(N^2), of blocks anywhere or on a lattice, points or cubes.

    Parameters
    ----------
    interaction : Interaction
        `StressInteraction`, `DipoleInteraction` or one of your own.
    blocks : BlockLattice or array_like, shape (N, 3)
        Where the blocks are (m). Positions are copied.
    boundary : {"open", "periodic"}
        "open": these blocks and no others. "periodic": the blocks and explicit images of them, the block's own
        included.
    cell : array_like, shape (3,) or (3, 3), optional
        Period along each axis, or three vectors as rows (m); wanted for periodic positions, known for a lattice.
    images : int, optional
        Shells of images, >= 0; wanted if periodic.
    image_shape : {"cubic", "spherical"}
        As in `pair_field`.
    threads : int, optional
        Of the set-up. None: as many as this process may use.

    Attributes
    ----------
    interaction, boundary
        As given.
    rtol : float
        1e-13: errors relative to the largest field, which are rounding alone.
    nbytes : int
        Memory held (bytes): 24 a block up to 131,072 blocks, and 288 (stress) or 72 (dipoles) a cube.
    cost : Cost
        Predicted seconds on one core of a reference machine, and memory.

    Raises
    ------
    TypeError
        If interaction is no Interaction, blocks or cell do not consist of real numbers, or threads is no whole number.
    ValueError
        If blocks have another shape, coincide or are not finite; boundary or image_shape is unknown; cell or images are
        missing, not as described, or given with an open boundary; threads is below 1.
    MemoryError
        If it would not fit into memory.

    See Also
    --------
    pair_field : the same for one set of moments.
    LatticeField, EwaldField : the same in O(N log N).

    Examples
    --------
    >>> import mbfast
    >>> vacuum = mbfast.DipoleInteraction(8.8541878128e-12)
    >>> field = mbfast.DirectField(vacuum, [[0, 0, 0], [0, 0, 5e-9]])
    >>> print(f"{-2 * field([[0, 0, 0], [0, 0, 3.33564e-30]])[0, 2]:.4g} V/m")  # of 1 debye, 5 nm away
    4.797e+05 V/m
    """

    method = "direct"

    def __init__(
        self,
        interaction: Interaction,
        blocks: BlockLattice | ArrayLike,
        *,
        boundary: Boundary = "open",
        cell: ArrayLike | None = None,
        images: int | None = None,
        image_shape: ImageShape = "cubic",
        threads: int | None = None,
    ) -> None:
        kept = blocks if isinstance(blocks, BlockLattice) else real_array("blocks", blocks).copy()
        problem = PairProblem.of(
            interaction, kept, boundary=boundary, cell=cell, images=images, image_shape=image_shape
        )
        self._make(problem, threads)

    @classmethod
    def why_not(cls, problem: PairProblem) -> str:
        """Refuse sums over all images."""
        return need_images(cls.method, problem)

    @classmethod
    def estimate(cls, problem: PairProblem) -> Cost:
        """Count all pairs."""
        n, components, averaged_ = problem.n_blocks, problem.interaction.components, problem.geometry.averaged
        seconds = _PAIR[components] * n * n * problem.copies * (_CUBES if averaged_ else 1.0)
        memory = 8.0 * n * (2 * components + 3) + SPARE + 24.0 * problem.copies
        return Cost(seconds, memory + (8.0 * (components**2 + 8) * n if averaged_ else 0.0))

    def _set_up(self, workers: int) -> None:
        problem = self.problem
        self._require_memory(self.estimate(problem))
        self._n, self._shifts = problem.n_blocks, problem.shifts
        self._scale = problem.scale
        self._targets, self._sources = self._tiles(), self._pieces()
        self._places = problem.placed.reduced(0, self._n) if self._n <= _SOURCES else None
        self._tensors = self._of_offsets(workers) if problem.geometry.averaged else None

    @property
    def nbytes(self) -> int:
        """Memory held (bytes)."""
        return sum(part.nbytes for part in (self._places, self._tensors, self._shifts) if part is not None)

    def _reduced(self, start: int, stop: int) -> FloatArray:
        if self._places is None:
            return self.problem.placed.reduced(start, stop)
        return self._places if stop - start == self._n else np.ascontiguousarray(self._places[:, start:stop])

    def _pieces(self) -> list[Tile]:
        """Ranges of sources that are held in the kernels' layout at a time."""
        return [(start, min(start + _SOURCES, self._n)) for start in range(0, self._n, _SOURCES)]

    def _tiles(self) -> list[Tile]:
        """Ranges of targets; they depend on N alone, and so do the sums' rounding errors."""
        size = 4_000_000 // (max(self._n, 1) * len(self._shifts))
        size = min(max(size, 64 if len(self._shifts) == 1 else 1), 1024)
        return [(start, min(start + size, self._n)) for start in range(0, self._n, size)]

    def _fill(self, moments: Moments, out: FloatArray, workers: int, progress: tiles.Progress) -> None:
        scale = self._scale * moments.unit
        target = out.reshape(self._n, moments.width)
        # sources are read until the end, and out may be the moments
        result = np.empty_like(target) if moments.share_memory_with(out) else target
        result[:] = 0.0

        def add(tile: Tile, field: Callable[[Tile], FloatArray]) -> None:
            result[slice(*tile)] += as_rows(field(tile), moments.width)

        work = self._work(moments, scale)
        targets, pieces = self._targets, self._sources
        if len(targets) * len(pieces) == 1 and progress is False:  # what few blocks would wait for
            add(targets[0], next(work))
        else:
            with tiles.counter(progress, len(targets) * len(pieces), "field") as advance:
                for field in work:
                    tiles.run(partial(add, field=field), targets, threads=workers, advance=advance)
        if result is not target:
            target[:] = result

    def _work(self, moments: Moments, scale: float) -> Iterator[Callable[[Tile], FloatArray]]:
        """Yield, piece by piece of the sources, what returns their field (components, m) at a tile of targets."""
        interaction = self.interaction
        kernels, coefficients = interaction.kernels, interaction.coefficients
        for piece in self._sources:
            positions, sources = self._reduced(*piece), moments.components(*piece)
            if self._tensors is not None:
                yield partial(self._between_cubes, piece=piece, sources=np.ascontiguousarray(sources.T), scale=scale)
                continue

            def points(tile: Tile, positions: FloatArray = positions, sources: FloatArray = sources) -> FloatArray:
                targets = self._reduced(*tile)
                field = np.zeros((interaction.components, targets.shape[1]))
                for shift in self._shifts:
                    moved = targets + shift[:, None] if len(self._shifts) > 1 else targets
                    kernels.field(moved, positions, sources, *coefficients, field)
                field *= scale
                return field

            yield points

    def _between_cubes(self, tile: Tile, piece: Tile, sources: FloatArray, scale: float) -> FloatArray:
        lattice = self.problem.lattice
        assert lattice is not None  # only lattices have cubes
        field = np.zeros((tile[1] - tile[0], sources.shape[1]))
        averaged.field(*tile, *piece, *lattice.shape[1:], self._tensors, sources, field)
        return scale * field.T

    def _of_offsets(self, workers: int) -> FloatArray:
        """Matrices (N, c, c) from a cube's moment to its field, images included, at the offsets from the first."""
        interaction, geometry = self.interaction, self.problem.placed
        components = interaction.components
        result = np.zeros((self._n, components, components))

        def add(start: int) -> None:
            offsets = geometry.reduced(start, min(start + ROWS, self._n)).T
            for shift in self._shifts:
                tensors = averaged_tensors(interaction, offsets + shift)
                if start == 0 and not shift.any():
                    tensors[0] = 0.0  # a block and itself
                result[start : start + ROWS] += tensors
            result[start : start + ROWS] *= WEIGHTS[:components]

        tiles.run(add, range(0, self._n, ROWS), threads=workers)
        return result

    def energy_of(self, moments: Moments, threads: int | None, progress: tiles.Progress) -> float:
        """Return the energy; that of points with open boundaries computes each pair once."""
        if self.boundary == "periodic" or self._tensors is not None:
            return super().energy_of(moments, threads, progress)
        workers = tiles.check_threads(threads)
        kernels, coefficients = self.interaction.kernels, self.interaction.coefficients

        def below(tile: Tile, first: int, positions: FloatArray, sources: FloatArray) -> float:
            own = moments.components(*tile)
            return float(kernels.energy(*tile, self._reduced(*tile), own, first, positions, sources, *coefficients))

        parts: list[float] = []
        work = [([tile for tile in self._targets if tile[0] < piece[1] - 1], piece) for piece in self._sources]
        with tiles.counter(progress, sum(len(targets) for targets, _ in work), "energy") as advance:
            for targets, piece in work:
                sources = moments.components(*piece)
                sums = partial(below, first=piece[0], positions=self._reduced(*piece), sources=sources)
                parts += tiles.run(sums, targets, threads=workers, advance=advance)
        return 2.0 * math.fsum(parts) * (self._scale * moments.unit) * moments.unit + 0.0  # no negative zero


def need_images(method: str, problem: PairProblem) -> str:
    """Say that a method that sums over explicit images has none, or is asked for what only all of them have."""
    if problem.boundary == "periodic" and problem.images is None:
        if problem.macroscopic is not None:
            return (
                f"macroscopic is for sums over all images, by method='ewald', got {problem.macroscopic!r} with "
                f"method={method!r}"
            )
        return f"images must be a whole number >= 0 of shells for method={method!r} if periodic, got None"
    return ""
