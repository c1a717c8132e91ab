"""Sums over all pairs of blocks, points or cubes, O(N^2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import jobs, tiles
from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import FloatArray, real_array
from mbfast._core.voigt import WEIGHTS
from mbfast.pairs._kernels import averaged
from mbfast.pairs.cubes import averaged_tensors
from mbfast.pairs.fields import SPARE, Cost, PairField, nbytes_of
from mbfast.pairs.geometry import ROWS, BlockLattice
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.moments import Moments, as_rows
from mbfast.pairs.problem import Boundary, ImageShape, PairProblem

_SOURCES = 1 << 17  # blocks held in the kernels' layout at a time: 9 MB
_PAIR = {6: 3.3e-9, 3: 1.6e-9}  # seconds a pair, on one core of an EPYC of the third generation
_CUBES = 11.0  # times that, between cubes
_LEAST, _MOST = 8.5e-4, 4_000_000  # seconds, and pairs, of a tile: a thread takes 1e-4 s to start
_JOURNEY = 6e7  # pairs that are computed together in another process, or kept together, at least: some 0.1 s
_LARGE, _RESERVE = 3, 12  # that many times this are together, until that many times this are left, so that all end soon


class DirectField(PairField):
    r"""Fields by sums over all pairs, O(N^2), of blocks anywhere or on a lattice, points or cubes.

    `pair_field` does the same for one set of moments, `LatticeField` and `EwaldField` in O(N log N).

    Parameters
    ----------
    interaction, blocks, boundary, cell, images, image_shape, at, self_field, threads
        As in `pair_field`; sums are over explicit images, positions are copied, threads are those of the set-up.

    Attributes
    ----------
    interaction, boundary, cost
        As of every `PairField`.
    rtol : float
        1e-13: errors relative to the largest field, which are rounding alone.
    nbytes : int
        Memory held (bytes): 24 a block up to 131,072 blocks, and 288 (stress) or 72 (dipoles) a cube.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For the arguments that `pair_field` refuses.

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> vacuum = mbfast.DipoleInteraction(8.8541878128e-12)
    >>> field = mbfast.DirectField(vacuum, [[0, 0, 0], [0, 0, 5e-9]])
    >>> print(f"{-2 * field([[0, 0, 0], [0, 0, 3.33564e-30]])[0, 2]:.4g} V/m")  # of 1 debye, 5 nm away
    4.797e+05 V/m
    >>> dipoles = 3.33564e-30 * np.array([[0, 0, 1.0], [0, 0, 1.0]])
    >>> virial, forces = field.virial(dipoles), field.forces(dipoles)
    >>> print(f"{field.energy(dipoles):.4g} J, {forces[1, 2]:.4g} N, {virial[2, 2]:.4g} J")
    -1.6e-24 J, -9.6e-16 N, 4.8e-24 J
    >>> bool(np.allclose(field.operator() @ dipoles.ravel(), field(dipoles).ravel()))
    True
    """

    method = "direct"

    def __init__(
        self, interaction: Interaction, blocks: BlockLattice | ArrayLike, *, boundary: Boundary = "open",
        cell: ArrayLike | None = None, images: int | None = None, image_shape: ImageShape = "cubic",
        at: ArrayLike | None = None, self_field: bool = False, threads: int | None = None,
    ) -> None:  # fmt: skip
        kept = blocks if isinstance(blocks, BlockLattice) else real_array("blocks", blocks).copy()
        options = {"boundary": boundary, "cell": cell, "images": images, "image_shape": image_shape, "at": at}
        self._make(PairProblem.of(interaction, kept, **options, self_field=self_field), threads)  # type: ignore[arg-type]

    @classmethod
    def estimate(cls, problem: PairProblem) -> Cost:
        """Count all pairs."""
        components, n, averaged_ = problem.interaction.components, problem.geometry.n_blocks, problem.geometry.averaged
        seconds = _PAIR[components] * n * problem.n_targets * problem.copies * (_CUBES if averaged_ else 1.0)
        memory = 8.0 * (n + problem.n_targets) * (components + 1.5) + SPARE + 80.0 * problem.copies
        return Cost(seconds, memory + (8.0 * (components**2 + 8) * n if averaged_ else 0.0))

    def _set_up(self, workers: int) -> None:
        problem = self.problem
        self._afford(self.estimate(problem))
        self._shifts, self._scale = problem.shifts, problem.scale
        self._pieces, self._sources = self._tiles(), cut(self._n, _SOURCES)
        self._places = problem.geometry.reduced() if self._n <= _SOURCES else None
        self._tensors = self._of_offsets(workers) if problem.geometry.averaged else None
        self.nbytes = nbytes_of(self._places, self._tensors, self._shifts)

    def _reduced(self, tile: Tile) -> FloatArray:
        if self._places is None:
            return self.problem.geometry.reduced(tile)
        return self._places if tile == (0, self._n) else np.ascontiguousarray(self._places[:, slice(*tile)])

    def _tiles(self) -> list[Tile]:
        return cut(self._targets, tile_size(self.problem))

    def _fill(self, moments: Moments, out: FloatArray, workers: int, progress: tiles.Progress) -> None:
        target = out.reshape(self._targets, moments.width)
        piece_of = self._points if self._tensors is None else self._cubes
        work = partial(piece_of, moments, self._scale * moments.unit)
        few = len(self._pieces) == len(self._sources) == 1
        if few and progress is False and not jobs.elsewhere():  # without what few blocks would wait for
            target[:] = as_rows(work(self._sources[0])(self._pieces[0]), moments.width)
            return
        # sources are read until the end, and out may be the moments
        result = np.empty_like(target) if moments.share_memory_with(out) else target
        result[:] = 0.0
        self._add(work, result, workers, progress, "field")
        if result is not target:
            target[:] = result

    def _add(
        self, work: Callable[[Tile], Callable[[Tile], FloatArray]], rows: FloatArray, workers: int,
        progress: tiles.Progress, label: str,
    ) -> None:  # fmt: skip
        """Add to rows (targets, w) what a piece of the sources makes, by components, at each tile of the targets."""
        if jobs.elsewhere():
            parts = self._parts([self._pieces] * len(self._sources))
            places = iter([slice(targets[0][0], targets[-1][1]) for _, targets in parts])

            def take(part: FloatArray) -> None:
                rows[next(places)] += part

            some = partial(_rows, work, rows.shape[1])
            jobs.run_in_order(some, parts, take, threads=workers, progress=progress, label=label)
            return

        def add(tile: Tile, of_piece: Callable[[Tile], FloatArray]) -> None:
            rows[slice(*tile)] += as_rows(of_piece(tile), rows.shape[1])

        with tiles.counter(progress, len(self._pieces) * len(self._sources), label) as advance:
            for piece in self._sources:
                tiles.run(partial(add, of_piece=work(piece)), self._pieces, threads=workers, advance=advance)

    def _points(
        self, moments: Moments, scale: float, piece: Tile, sums: str = "field", width: int = 0
    ) -> Callable[[Tile], FloatArray]:
        """Return what gives the sums of a kernel over a piece of the sources at a tile of targets, (width, m)."""
        kernel, coefficients = getattr(self.interaction.kernels, sums), self.interaction.coefficients
        positions, sources = self._reduced(piece), moments.components(*piece)

        def at(tile: Tile) -> FloatArray:
            targets = self._reduced(tile) if self.problem.at is None else self.problem.at[slice(*tile)].T.copy()
            own = (moments.components(*tile),) if width else ()  # what is the target's, not the field's, wants them
            result = np.zeros((width or len(sources), targets.shape[1]))
            for shift in self._shifts:
                moved = targets + shift[:, None] if len(self._shifts) > 1 else targets
                kernel(moved, *own, positions, sources, *coefficients, result)
            result *= scale
            return result

        return at

    def _cubes(self, moments: Moments, scale: float, piece: Tile) -> Callable[[Tile], FloatArray]:
        """Return what gives the field (components, m) of a piece of the sources at a tile of targets."""
        rows, (_, n2, n3) = np.ascontiguousarray(moments.components(*piece).T), self.problem.geometry.leading

        def at(tile: Tile) -> FloatArray:
            field = np.zeros((tile[1] - tile[0], rows.shape[1]))
            averaged.field(*tile, *piece, n2, n3, self._tensors, rows, field)
            return scale * field.T

        return at

    def _forces(self, moments: Moments, workers: int, progress: tiles.Progress) -> FloatArray:
        scale = 2.0 * self._scale * moments.unit / self.problem.geometry.unit * moments.unit
        return self._of_targets(moments, scale, "forces", 3, workers, progress)

    def _virial(self, moments: Moments, workers: int, progress: tiles.Progress) -> FloatArray:
        if self._tensors is not None:
            return super()._virial(moments, workers, progress)
        scale = 2.0 * self._scale * moments.unit * moments.unit
        rows = self._of_targets(moments, scale, "virial", 9, workers, progress)
        return np.reshape(rows.T.copy().sum(axis=1), (3, 3))

    def _of_targets(
        self, moments: Moments, scale: float, sums: str, width: int, workers: int, progress: tiles.Progress
    ) -> FloatArray:
        """Return rows (N, width) of what a kernel sums up for each block."""
        rows = np.zeros((self._n, width))
        self._add(partial(self._points, moments, scale, sums=sums, width=width), rows, workers, progress, sums)
        return rows

    def _of_offsets(self, workers: int) -> FloatArray:
        """Matrices (N, c, c) from a cube's moment to its field, images included, at the offsets from the first."""
        components = self.interaction.components
        result = np.zeros((self._n, components, components))

        def add(tile: Tile) -> None:
            offsets, some = self.problem.geometry.reduced(tile).T, slice(*tile)
            for shift in self._shifts:
                tensors = averaged_tensors(self.interaction, offsets + shift)
                if tile[0] == 0 and not shift.any():
                    tensors[0] = 0.0  # a block and itself
                result[some] += tensors
            result[some] *= WEIGHTS[:components]

        tiles.run(add, cut(self._n, ROWS), threads=workers)
        return result

    def _energy(self, moments: Moments, workers: int, progress: tiles.Progress) -> float:
        """Return the energy; that of points with open boundaries computes each pair once."""
        if self.boundary == "periodic" or self._tensors is not None:
            return super()._energy(moments, workers, progress)
        pieces = [[tile for tile in self._pieces if tile[0] < piece[1] - 1] for piece in self._sources]
        work = partial(self._below, moments)
        parts: list[float] = []
        if jobs.elsewhere():
            sums = jobs.run(
                partial(_sums, work), self._parts(pieces), threads=workers, progress=progress, label="energy"
            )
            parts = np.concatenate([[], *sums]).tolist()  # there may be none
        else:
            with tiles.counter(progress, sum(map(len, pieces)), "energy") as advance:
                for piece, targets in zip(self._sources, pieces, strict=True):
                    parts += tiles.run(work(piece), targets, threads=workers, advance=advance)
        return 2.0 * math.fsum(parts) * (self._scale * moments.unit) * moments.unit

    def _below(self, moments: Moments, piece: Tile) -> Callable[[Tile], float]:
        """Return what gives the energy of a tile of targets with the sources of a piece that come before them."""
        kernels, coefficients = self.interaction.kernels, self.interaction.coefficients
        positions, sources = self._reduced(piece), moments.components(*piece)

        def at(tile: Tile) -> float:
            own = moments.components(*tile)
            return float(kernels.energy(*tile, self._reduced(tile), own, piece[0], positions, sources, *coefficients))

        return at

    def _parts(self, pieces: list[list[Tile]]) -> list[tuple[Tile, list[Tile]]]:
        """Cut the tiles of each piece of the sources into ranges that are worth a journey to another process."""
        parts = []
        for piece, targets in zip(self._sources, pieces, strict=True):
            pairs = max(1, self._pieces[0][1] * (piece[1] - piece[0]) * len(self._shifts))
            cost, last = pairs * (1.0 if self._tensors is None else _CUBES), piece == self._sources[-1]
            first = 0
            for count, size in ranges(len(targets), cost, last):
                for _ in range(count):
                    parts.append((piece, targets[first : first + size]))
                    first += size
        return parts


def tile_size(problem: PairProblem) -> int:
    """Return how many targets are worked on together, which rounding errors of energies depend on; not on threads."""
    targets, copies = problem.n_targets, int(problem.copies)
    pairs = max(problem.geometry.n_blocks, 1) * copies  # of a target
    parts = max(1, DirectField.estimate(problem).seconds // _LEAST)
    size = max(math.ceil(targets / parts), min(_MOST // pairs, targets // 8))
    return min(max(size, 64 if copies == 1 else 1), 1024)


def ranges(tiles_: int, cost: float, last: bool) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return how many ranges there are of how many tiles each, large ones and after them small ones.

    Of `tiles_` tiles of targets that cost as much as so many pairs, the last of the sum's among them or not.
    """
    small = math.ceil(_JOURNEY / cost)
    large = _LARGE * small
    many = max(0, tiles_ - _RESERVE * small) // large if last else math.ceil(tiles_ / large)
    return (many, large), (math.ceil(max(0, tiles_ - many * large) / small), small)


def _rows(
    work: Callable[[Tile], Callable[[Tile], FloatArray]], width: int, part: tuple[Tile, list[Tile]]
) -> FloatArray:
    """Return the rows that a piece of the sources makes at neighbouring tiles of targets."""
    of_piece, targets = work(part[0]), part[1]
    return np.concatenate([as_rows(of_piece(tile), width) for tile in targets])


def _sums(work: Callable[[Tile], Callable[[Tile], float]], part: tuple[Tile, list[Tile]]) -> FloatArray:
    """Return the energies of tiles of targets with a piece of the sources."""
    of_piece, targets = work(part[0]), part[1]
    return np.array([of_piece(tile) for tile in targets])
