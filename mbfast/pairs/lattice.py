"""Fields on a lattice by Fourier transforms, O(N log N)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.fft

from mbfast._core import tiles
from mbfast._core.validate import FloatArray
from mbfast._core.voigt import NAMES, WEIGHTS, six
from mbfast.pairs._kernels import lattice as kernels
from mbfast.pairs._kernels import periodic as periodic_kernels
from mbfast.pairs.cubes import offset_derivatives
from mbfast.pairs.derivatives import INDICES, odd_along
from mbfast.pairs.fields import SPARE, Cost, PairField
from mbfast.pairs.geometry import BlockLattice, Tile, cut
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.moments import Moments, as_rows, isotropic
from mbfast.pairs.periodic import ImageModes, contact, image_sums
from mbfast.pairs.problem import EXACT, Boundary, ImageShape, Macroscopic, PairProblem

_LANES = 96  # of a transform along z
_TILES = 4  # of each of the three steps for a thread
_OFFSETS = 4096  # of a tile of the kernel's planes
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
        circular = _is_circular(problem)
        every = lattice.n_blocks if problem.every_image and not circular else 0
        seconds, held = _SECONDS[components, circular]
        seconds = seconds * padded * math.log2(max(padded, 2)) + _PLANE * max(lattice.shape) + 1e-6 * every
        ends = 8.0 * problem.geometry.n_blocks * (2 * components + 3) + SPARE + 80.0 * problem.copies
        return Cost(seconds, ends + held * padded + 400.0 * every)

    def _set_up(self, workers: int) -> None:
        assert self.problem.lattice is not None  # nothing else is taken
        lattice, components = self.problem.lattice, self.interaction.components
        self.lattice, self.nbytes = lattice, 0
        self._afford(self.estimate(self.problem))
        if self.problem.every_image:
            self.rtol = EXACT
        if self._derivatives:  # which have transforms of their own
            return
        # The shortest axis is the one padded most, the longest one is cut into the planes that threads share. Among
        # equals, blocks along the last one and then along the first one are next to each other in memory.
        order = sorted(range(3), key=lambda axis: lattice.shape[axis])
        self._order = [*sorted(order[:2], key=lambda axis: (lattice.shape[axis], -axis)), order[2]]
        self._axes = tuple(_Axis(lattice.shape[axis]) for axis in self._order)
        x, y, z = self._axes
        self._circular = _is_circular(self.problem)
        harmonic, biharmonic = self.interaction.parts
        self._factors = np.array([harmonic, 0.5 * biharmonic])
        blocks = max(1, math.ceil(x.n / (_LANES // components)))
        self._width = math.ceil(x.n / blocks)
        row = 2 * components * self._width
        # of the components where x, y is turned to -x, -y
        of_x, of_y = np.where(_ODD_COMPONENTS[components], -1.0, 1.0)[:, self._order[:2]].T
        self._uniform = np.zeros(2)
        if self.problem.every_image:
            held = self.interaction.uniform_field(self.problem.condition)
            self._uniform = np.add(held, contact(self.interaction.parts))
        if self._circular:
            self._shape = (z.n // 2 + 1, blocks, math.ceil(y.n / 2), 2 * row)
            self._signs = np.array([of_x * of_x, of_x])
            self._kernel = self._circular_kernel(workers)
        else:
            self._shape = (z.m, blocks, y.n, row)
            self._signs = np.array([of_x * of_x, of_x * of_y, of_x, of_y])  # what is transformed has both signs turned
            self._kernel = self._transformed_kernel(workers)
        self._spare: list[FloatArray] = []
        self.nbytes = self._kernel.nbytes + 8 * math.prod(self._shape)

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
        x, y, z = self._axes
        components = self.interaction.components
        odd = _ODD_FUNCTIONS[components][:, self._order]
        modes = ImageModes(self.lattice, (self._order[2], *self._order[:2]))
        kernel = _aligned((z.n // 2 + 1, math.ceil(y.n / 8), x.n // 2 + 1, len(odd), 8))
        frequencies = np.argsort(y.places)
        back = frequencies > y.n // 2
        # without a factor i for each of two axes
        signs = np.where(odd.any(axis=1, keepdims=True) & ~(odd[:, 1:2] & back), -1.0, 1.0)
        frequencies[back] = y.n - frequencies[back]

        def planes(some: Tile) -> None:
            functions = _composed(components, modes(range(*some)))
            for tile in range(kernel.shape[1]):
                lanes = slice(8 * tile, 8 * tile + 8)
                found = functions[..., frequencies[lanes]] * signs[:, None, None, lanes]
                kernel[slice(*some), tile, :, :, : found.shape[-1]] = found.transpose(1, 2, 0, 3)

        tiles.run(planes, cut(len(kernel), math.ceil(_OFFSETS / (x.n * y.n))), threads=workers)
        return kernel

    def _transformed_kernel(self, workers: int) -> FloatArray:
        """Transform of the basis functions, (mz, tiles of y, mx, functions, 8)."""
        x, y, z = self._axes
        odd = np.ascontiguousarray(_ODD_FUNCTIONS[self.interaction.components][:, self._order].T, dtype=np.int64)
        kernel = _aligned((z.m, math.ceil(y.m / 8), x.m, odd.shape[1], 8))
        shifts, backwards = self.problem.shifts, [1 + axis for axis in reversed(self._order)]
        sums = image_sums(self.lattice) if self.problem.every_image and self._n else None

        def planes(some: Tile) -> None:
            if sums is None:
                derivatives = offset_derivatives(self.lattice, shifts, self._order[2], range(*some))
            else:
                derivatives = sums.take(range(*some), 1 + self._order[2])
            samples = _composed(self.interaction.components, derivatives).transpose(0, *backwards)
            for k, plane in zip(range(*some), np.ascontiguousarray(samples.swapaxes(0, 1)), strict=True):
                kernels.kernel_plane(plane, odd, y.m, x.m, *y.halved_tables, *x.halved_tables, kernel[k])

        def lines(tile: int) -> None:
            step = kernel[0, 0, 0].size
            for start in range(tile * x.m * step, (tile + 1) * x.m * step, step):
                kernels.kernel_lines(flat, start, kernel[0].size, z.m, odd[2], *z.halved_tables)

        flat = kernel.reshape(-1)
        if self._n:
            tiles.run(planes, cut(z.n, math.ceil(_OFFSETS / (x.n * y.n))), threads=workers)
            tiles.run(lines, range(kernel.shape[1]), threads=workers)
        return kernel

    def _fill(self, moments: Moments, out: FloatArray, workers: int, progress: tiles.Progress) -> None:
        x, y, z = self._axes
        steps = moments.width * np.array([math.prod(self.lattice.shape[axis + 1 :]) for axis in range(3)])
        axes = np.ascontiguousarray(np.array([self.lattice.shape, steps])[:, self._order])
        unit = self.interaction.prefactor / self.lattice.spacing**3
        source, target = np.ascontiguousarray(moments.rows()).reshape(-1), out.reshape(-1)
        try:
            field = self._spare.pop()
        except IndexError:
            field = _aligned(self._shape)
        engine: Any
        others: tuple[Any, ...]
        if self._circular:
            engine, times, tables = periodic_kernels, 0.5, z.circular_tables
            others = self._at_zero(), self._width, y.n, *x.circular_tables, *y.circular_tables[1:]
        else:  # two for each axis along which the kernel goes to both sides; means of two along y and x
            engine, times, tables = kernels, 2.0, z.tables
            others = self.interaction.components, self._width, y.m, x.m, *y.tables, *x.tables
        scale = times / (x.m * y.m * z.m) * unit * moments.unit

        def spread(tile: Tile) -> None:
            engine.spread(*tile, source, axes, moments.width, 1.0 / moments.unit, self._width, *tables, field)

        def planes(tile: Tile) -> None:
            engine.planes(*tile, field, self._kernel, self._factors, self._signs, *others)

        def collect(tile: Tile) -> None:
            engine.collect(*tile, field, axes, moments.width, scale, self._width, *tables, target)

        # before `out`, which may be the moments, is filled
        uniform = self.problem.every_image and not self._circular
        total = moments.rows().sum(axis=0) if uniform else np.empty(0)
        small = out.size <= _SMALL[self._circular]
        share = 1 if small else _TILES * workers
        lengths = {spread: self._shape[2], planes: self._shape[0], collect: self._shape[2]}
        parts = [(work, cut(n, math.ceil(n / share))) for work, n in lengths.items()]
        with tiles.counter(progress, sum(len(pieces) for _, pieces in parts), "field") as advance:
            tiles.run_steps(parts, threads=1 if small else workers, advance=advance)
        self._spare[:] = [field]  # new pages would cost as much as a transform
        if uniform:
            mean = unit / self._n * (six(total) if total.ndim == 2 else total)
            out.reshape(self._n, -1)[:] += as_rows(
                isotropic(self._uniform[0], self._uniform[1], mean[None]).T, moments.width
            )

    def _is_bounded(self, moments: Moments) -> bool:
        # derivatives of r and sums over a block's images are below 1e4, at distances of a spacing or more
        if self.problem.held_field is not None:
            return False
        unit = abs(self.interaction.prefactor) / self.lattice.spacing**3
        most = 1e4 * self._n**2 * (sum(map(abs, self.interaction.parts)) + float(np.abs(self._uniform).sum()))
        # each factor of theirs, too
        return all(value < 1e290 for value in (unit, most, unit * moments.unit, most * (unit * moments.unit)))

    def _at_zero(self) -> FloatArray:
        """Return the matrix of the uniform field, of moments whose components off the diagonal come twice."""
        equal, trace = self._uniform
        matrix = np.diag(np.where(np.arange(self.interaction.components) < 3, equal, 0.5 * equal))
        matrix[:3, :3] += trace
        return matrix


def _composed(components: int, derivatives: FloatArray) -> FloatArray:
    """Return the functions that an interaction is made of, (14 or 5, ...), from the fourth derivatives of r (15, ...).

    With F these and G = -F_..kk/2 those of -1/r, which has no trace, the functions are for stress G_xx, G_yy; F_yyzz,
    F_xxzz, F_xxyy; then F_xx.., F_yy.., F_zz.. of yz, of xz, of xy; and for dipoles G_xx, G_yy, G_yz, G_xz, G_xy. The
    others follow.
    """
    of = dict(zip(INDICES, derivatives, strict=True))
    second, fourth = _FUNCTIONS[components]
    g = [-0.5 * sum(of["".join(sorted(axes + pair))] for pair in ("xx", "yy", "zz")) for axes in second]
    return np.stack([*g, *(of[axes] for axes in fourth)])


# Of what the tensors of six and of three components are made: some of G, and some of F.
_FOURTH = ("yyzz", "xxzz", "xxyy", "xxyz", "yyyz", "yzzz", "xxxz", "xyyz", "xzzz", "xxxy", "xyyy", "xyzz")
_FUNCTIONS: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {
    6: (("xx", "yy"), _FOURTH),
    3: (("xx", "yy", "yz", "xz", "xy"), ()),
}
# Along which axes components and functions are odd.
_ODD_COMPONENTS = {6: odd_along(NAMES), 3: odd_along("xyz")}
_ODD_FUNCTIONS = {components: odd_along(second + fourth) for components, (second, fourth) in _FUNCTIONS.items()}


def _aligned(shape: tuple[int, ...]) -> FloatArray:
    """Return an array of zeros that starts a cache line: vectors that cross lines cost a quarter of the speed."""
    array = np.zeros(math.prod(shape) + 8)
    start = -array.ctypes.data % 64 // 8
    return array[start : start + math.prod(shape)].reshape(shape)


class _Axis:
    """An axis of n blocks: the length m of its transforms and what `kernels` wants to know of them."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.m = transform_length(n)
        angles = -0.5 * math.pi / self.m * np.arange(n)
        turn = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        radices = _radices(self.m)
        radices += [1] * (len(radices) % 2)
        passes, factors, size = [], np.empty(0), self.m
        for radix in radices:
            steps = np.outer(np.arange(size // radix), np.arange(1, radix)).ravel() * (2.0 * math.pi / size)
            passes.append((radix, size, factors.size))
            factors = np.append(factors, np.stack([np.cos(steps), -np.sin(steps)], axis=-1))
            size //= radix
        # of a frequency, its digits reversed
        self.places = np.zeros(1, dtype=np.int64)
        for radix in reversed(radices):
            self.places = (np.arange(radix) * self.places.size + self.places[:, None]).ravel()
        pairs = [(r, r_, n, t, t_) for (r, n, t), (r_, _, t_) in zip(passes[::2], passes[1::2], strict=True)]
        tables = np.array(pairs, dtype=np.uint64).reshape(-1, 5), factors
        self.tables = turn, *tables
        self.circular_tables = self.places, *tables
        # of a function that is continued to both sides, half of what is at zero
        self.halved_tables = np.concatenate([0.5 * turn[:1], turn[1:]]), *tables


def _is_circular(problem: PairProblem) -> bool:
    """Whether all images are summed on a lattice that needs no padding: products at its own wave vectors, then."""
    return problem.every_image and all(transform_length(n) == n for n in problem.geometry.leading)


def transform_length(n: int) -> int:
    """Return the length of the transforms along an axis of n blocks: the next product of 2, 3 and 5."""
    if n > 1 << 40:  # more than any memory holds, and may be than SciPy knows the next of
        return n
    length: int = scipy.fft.next_fast_len(max(n, 1), real=True)
    return length


def _radices(m: int) -> list[int]:
    radices = []
    for radix in (4, 2, 3, 5):
        while m % radix == 0:
            radices.append(radix)
            m //= radix
    return radices
