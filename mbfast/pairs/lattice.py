"""Fields on a lattice by Fourier transforms, O(N log N)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mbfast._core import tiles
from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import FloatArray
from mbfast._core.voigt import WEIGHTS
from mbfast.pairs.fields import SPARE, Cost, PairField
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.moments import Moments, total_of
from mbfast.pairs.pencils import Pencils, WaveKernel, aligned, is_circular, pieces_of, transform_length
from mbfast.pairs.problem import EXACT, Boundary, ImageShape, Macroscopic, PairProblem

_TILES = 4  # of each of the three steps for a thread
_PLANE = 10e-6  # seconds, beside those of its blocks, for a plane of the kernel
# numbers in a field up to which threads cost more than they do: without and with all images, unpadded
_SMALL = {False: 90_000, True: 300_000}
# By components, and whether periodic without padding: seconds for a number of the padded box times the logarithm of
# their count, set-up and field, on one core of an EPYC of the third generation, where the periodic ones follow from
# their share on the fifth; and bytes held for each.
_SECONDS = {(6, False): (50e-9, 208.0), (3, False): (18e-9, 88.0), (6, True): (14e-9, 80.0), (3, True): (6e-9, 36.0)}


class LatticeField(PairField):
    r"""Fields on a lattice by Fourier transforms, set up once and applied many times, in O(N log N).

    `pair_field` does the same for one set of moments, and by the direct sum.

    Parameters
    ----------
    interaction, lattice, boundary, images, image_shape, macroscopic, self_field, threads
        As in `pair_field`, the blocks being points or cubes on a `BlockLattice`. If periodic, without `images` all of
        them, the body being held as in `EwaldField`; with explicit images the very sum of ``pair_field(...,
        method="direct")``; threads are those of the set-up.

    Attributes
    ----------
    interaction, lattice, boundary, cost
        As given, and as of every `PairField`.
    rtol : float
        1e-13: errors relative to the largest field, which are rounding alone; 1e-12 for all images.
    nbytes : int
        Memory held after the first use (bytes), 112 + 96 a block for stress and 40 + 48 for dipoles, somewhat more
        where a side is no product of 2, 3 and 5; periodic with all images 28 + 48 and 10 + 24, and more on small
        lattices, if all sides are such products.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For the arguments that `pair_field` refuses, and for a lattice that is no BlockLattice.

    Notes
    -----
    The field is a convolution with a kernel whose transform is kept: 14 functions, the fourth derivatives of r that the
    21 different elements of Lambda follow from, by (A14), or 5 for the 6 of mu, at frequencies of one sign along each
    axis.

    All images of a block are summed once, in the set-up, by an Ewald split whose smooth part folds onto the modes of
    the lattice. What holds the body adds a uniform field of the mean moment. Of cubes, too, the field is that of all
    others and of the images, and a cube's own only with `self_field`.
    Where all sides are products of 2, 3 and 5, the field is then a product at the lattice's own wave vectors: nothing
    is padded, and rows of moments, which are real, are transformed in pairs. Other sides are padded to such products,
    as those of open lattices are; that takes three to four times as long.

    Forces, on points, and the virial take further derivatives of r, and SciPy's transforms of them, in each call:
    `mbfast.pairs.strained` says how.

    Results equal those of the direct sum up to rounding errors, some 1e-15 of the largest field, and do not depend on
    the number of threads, to the last bit. Fields may be computed in several threads at once, each with memory of its
    own for the transform of the moments. What takes about a millisecond is computed by one thread.

    The transforms are mbfast's own, all lines of a tile at once, so that padding is neither stored nor transformed.
    `mbfast.guide.performance` compares them to those of SciPy, FFTW and ducc0.

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> field = mbfast.LatticeField(silica, mbfast.BlockLattice((4, 4, 4), 5e-9))
    >>> moments = np.zeros((4, 4, 4, 6))
    >>> moments[0, 0, 0, 2] = 1.6e-19  # 1 eV along zz in one corner
    >>> print(f"{field(moments)[0, 0, 1, 2]:.3e}")  # h_zz at its neighbour along z
    3.206e-06
    >>> crystal = mbfast.LatticeField(silica, mbfast.BlockLattice((4, 4, 4), 5e-9), boundary="periodic")
    >>> table = crystal.coupling_table()  # the third of 21 is Lambda_xxzz
    >>> table.shape, bool(np.isclose(table[2, 0, 0, 1], crystal(moments)[0, 0, 1, 0] / 1.6e-19, rtol=1e-10))
    ((21, 4, 4, 4), True)
    """

    method = "fft"

    def __init__(
        self, interaction: Interaction, lattice: BlockLattice, *, boundary: Boundary = "open",
        images: int | None = None, image_shape: ImageShape = "cubic", macroscopic: Macroscopic | None = None,
        self_field: bool = False, threads: int | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(lattice, BlockLattice):
            raise TypeError(f"lattice must be a BlockLattice, got {type(lattice).__name__}")
        options = {"boundary": boundary, "images": images, "image_shape": image_shape, "macroscopic": macroscopic}
        self._make(PairProblem.of(interaction, lattice, **options, self_field=self_field), threads)  # type: ignore[arg-type]

    @classmethod
    def why_not(cls, problem: PairProblem) -> str:
        """Refuse positions, and points between the blocks."""
        if problem.lattice is None:
            return f"blocks must be a BlockLattice for method={cls.method!r}, got positions"
        if problem.at is not None:
            return f"at is for method='direct' and method='ewald', got method={cls.method!r}"
        return ""

    @classmethod
    def estimate(cls, problem: PairProblem) -> Cost:
        """Count the transforms of the padded box, and what holds their kernel."""
        lattice, components = problem.lattice, problem.interaction.components
        if lattice is None or not lattice.n_blocks:
            return Cost(0.0, SPARE)
        padded = math.prod(map(transform_length, lattice.shape))
        circular = is_circular(problem)
        every = lattice.n_blocks if problem.every_image and not circular else 0
        seconds, held = _SECONDS[components, circular]
        seconds = seconds * padded * math.log2(max(padded, 2)) + _PLANE * max(lattice.shape) + 1e-6 * every
        ends = 8.0 * problem.geometry.n_blocks * (2 * components + 3) + SPARE + 80.0 * problem.copies
        return Cost(seconds, ends + held * padded + 400.0 * every)

    def _set_up(self, workers: int) -> None:
        assert self.problem.lattice is not None  # nothing else is taken
        self.lattice, self.nbytes = self.problem.lattice, 0
        self._afford(self.estimate(self.problem))
        if self.problem.every_image:
            self.rtol = EXACT
        if self._derivatives:  # which have transforms of their own
            return
        self._pencils = Pencils(self.problem)
        self._kernel = self._circular_kernel(workers) if self._pencils.circular else self._transformed_kernel(workers)
        self._spare: list[FloatArray] = []
        self.nbytes = self._kernel.nbytes + 8 * math.prod(self._pencils.shape)

    def coupling_table(self, *, threads: int | None = None) -> FloatArray:
        """Couplings of a periodic lattice by offset, for `mbfast.kernels.spins`.

        Parameters
        ----------
        threads
            As in `__call__`.

        Returns
        -------
        ndarray, shape (21, n1, n2, n3) or (6, n1, n2, n3)
            Elements a <= b of Lambda (1/J), or of mu (J/(C m)^2), one after the other, a in the order xx, yy, zz, yz,
            xz, xy; at (0, 0, 0) of a block and its own images, and itself with `self_field`. A given mean stress, whose
            field does not depend on the moments, has no part in them.

        Raises
        ------
        TypeError, ValueError
            For the threads that `__call__` refuses; if the lattice is open or empty, or its images are counted in
            shells, so that opposite ends of the cell see others.
        """
        if not self.problem.every_image or not self._n:
            raise ValueError("coupling_table is that of a periodic lattice of one block at least, with all images")
        components, workers = self.interaction.components, tiles.check_threads(threads)
        table = []
        for b in range(components):
            source = np.zeros((*self.lattice.shape, components))
            source[0, 0, 0, b] = 1.0
            field = self.field_of(self.problem.moments(source), None, workers, progress=False, held=False)
            table += [(a, b, field[..., a] / WEIGHTS[b]) for a in range(b + 1)]
        return np.ascontiguousarray([values for a, b, values in sorted(table, key=lambda entry: entry[:2])])

    def _circular_kernel(self, workers: int) -> FloatArray:
        """Basis functions at the wave vectors of the lattice, (nz/2 + 1, tiles of y, nx/2 + 1, functions, 8)."""
        kernel, fill = aligned(self._pencils.kernel_shape), WaveKernel(self._pencils)

        def planes(some: Tile) -> None:
            fill(some, kernel[slice(*some)])

        tiles.run(planes, cut(len(kernel), self._pencils.step), threads=workers)
        return kernel

    def _transformed_kernel(self, workers: int) -> FloatArray:
        """Transform of the basis functions, (mz, tiles of y, mx, functions, 8)."""
        kernel, z = aligned(self._pencils.kernel_shape), self._pencils.axes[2]
        of: Callable[[Tile], FloatArray] = self._pencils.derivatives
        if self.problem.every_image and self._n:
            sums = self._pencils.image_sums()
            every = np.concatenate(tiles.run(sums.lines, sums.pieces, threads=workers), axis=1)
            of = lambda some: sums.planes(every[..., slice(*some)])  # noqa: E731

        def planes(some: Tile) -> None:
            self._pencils.offset_planes(of(some), kernel[slice(*some)])

        def lines(tile: int) -> None:
            self._pencils.kernel_lines(tile, kernel)

        if self._n:
            tiles.run(planes, cut(z.n, self._pencils.step), threads=workers)
            tiles.run(lines, range(kernel.shape[1]), threads=workers)
        return kernel

    def _fill(self, moments: Moments, out: FloatArray, workers: int, progress: tiles.Progress) -> None:
        pencils, sides = self._pencils, self.lattice.shape
        source, target = np.ascontiguousarray(moments.rows()), out
        try:
            field = self._spare.pop()
        except IndexError:
            field = aligned(pencils.shape)

        def spread(tile: Tile) -> None:
            pencils.spread(tile, source, sides, moments.width, moments.unit, field)

        def planes(tile: Tile) -> None:
            pencils.planes(tile, field, self._kernel)

        def collect(tile: Tile) -> None:
            pencils.collect(tile, field, sides, moments.width, moments.unit, target)

        # before `out`, which may be the moments, is filled
        boxes = source.reshape(*sides, moments.width)
        total = total_of(boxes[box] for box in self.lattice.pieces()) if pencils.adds_uniform else None
        small = out.size <= _SMALL[pencils.circular]
        share = 1 if small else _TILES * workers
        lengths = {spread: pencils.shape[2], planes: pencils.shape[0], collect: pencils.shape[2]}
        parts = [(work, pieces_of(n, field.size, share)) for work, n in lengths.items()]
        with tiles.counter(progress, sum(len(pieces) for _, pieces in parts), "field") as advance:
            tiles.run_steps(parts, threads=1 if small else workers, advance=advance)
        self._spare[:] = [field]  # new pages would cost as much as a transform
        if total is not None:
            out.reshape(self._n, -1)[:] += pencils.uniform_row(total)

    def _is_bounded(self, moments: Moments) -> bool:
        return self._pencils.is_bounded(moments.unit)
