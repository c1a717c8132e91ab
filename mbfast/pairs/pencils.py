"""How a field on a lattice is computed by transforms: axes, lengths, shapes, and the parts that kernels do.

The moments are `spread`: transformed along z, line by line. Of what they make, plane after plane is transformed along y
and x, multiplied by the kernel, and transformed back. Fields are `collect`ed: transformed back along z. Each part can
be done in pieces, of some lines or some planes, in memory or not: a piece makes the same bits.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import scipy.fft

from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import FloatArray
from mbfast._core.voigt import NAMES, six
from mbfast.pairs._kernels import lattice as kernels
from mbfast.pairs._kernels import periodic as periodic_kernels
from mbfast.pairs.cubes import offset_derivatives
from mbfast.pairs.derivatives import INDICES, odd_along
from mbfast.pairs.fields import own_field, own_tensor
from mbfast.pairs.geometry import ROWS, Box
from mbfast.pairs.moments import as_rows, isotropic
from mbfast.pairs.periodic import ImageModes, ImageSums, contact
from mbfast.pairs.problem import PairProblem

EIGHT = 8  # places of y that are the lanes of a tile of the kernel
_LANES = 96  # of a transform along z
_OFFSETS = 4096  # of a tile of the kernel's planes
_NUMBERS = 1 << 22  # of a tile of lines or planes, at most: they take less than a tenth of a second


class Pencils:
    """The transforms of a problem on a lattice.

    Attributes
    ----------
    order : list of int
        The lattice's axes that are x, y and z here.
    axes : tuple of _Axis
        Of x, y and z.
    circular : bool
        Whether the field is a product at the lattice's own wave vectors; if not, all is padded.
    width, blocks : int
        Neighbours along x that are transformed together, and how many such blocks there are.
    shape : tuple of int
        Of what the moments are spread to: planes, blocks, lines (rows of y, or pairs of them), numbers.
    kernel_shape : tuple of int
        Of the kernel: planes, tiles of y, places of x, functions, 8.
    uniform : ndarray, shape (2,)
        The field of a mean moment where all images are summed, as of `isotropic`.
    """

    def __init__(self, problem: PairProblem) -> None:
        assert problem.lattice is not None  # nothing else is taken
        self.problem, self.lattice = problem, problem.lattice
        self._sides: tuple[int, ...] = problem.lattice.shape
        self.components = components = problem.interaction.components
        # The shortest axis is the one padded most, the longest one is cut into the planes that threads share. Among
        # equals, blocks along the last one and then along the first one are next to each other in memory.
        order = sorted(range(3), key=lambda axis: self._sides[axis])
        self.order = [*sorted(order[:2], key=lambda axis: (self._sides[axis], -axis)), order[2]]
        self.axes = tuple(_Axis(self._sides[axis]) for axis in self.order)
        x, y, z = self.axes
        self.circular = is_circular(problem)
        harmonic, biharmonic = problem.interaction.parts
        self._factors = np.array([harmonic, 0.5 * biharmonic])
        self.blocks = max(1, math.ceil(x.n / (_LANES // components)))
        self.width = math.ceil(x.n / self.blocks)
        row = 2 * components * self.width
        # of the components where x, y is turned to -x, -y
        of_x, of_y = np.where(_ODD_COMPONENTS[components], -1.0, 1.0)[:, self.order[:2]].T
        self.uniform = np.zeros(2)
        if problem.every_image:
            held = problem.interaction.uniform_field(problem.condition)
            self.uniform = np.add(held, contact(problem.interaction.parts))
        functions = len(_ODD_FUNCTIONS[components])
        if self.circular:
            self.shape = (z.n // 2 + 1, self.blocks, math.ceil(y.n / 2), 2 * row)
            self._signs = np.array([of_x * of_x, of_x])
            self.kernel_shape = (z.n // 2 + 1, math.ceil(y.n / EIGHT), x.n // 2 + 1, functions, EIGHT)
        else:
            self.shape = (z.m, self.blocks, y.n, row)
            self._signs = np.array([of_x * of_x, of_x * of_y, of_x, of_y])  # what is transformed has both signs turned
            self.kernel_shape = (z.m, math.ceil(y.m / EIGHT), x.m, functions, EIGHT)

    @property
    def step(self) -> int:
        """How many planes of the kernel are made together."""
        x, y, _ = self.axes
        return math.ceil(_OFFSETS / max(1, x.n * y.n))

    @property
    def per_line(self) -> int:
        """How many rows of y a line has."""
        return 1 + self.circular

    @property
    def scale(self) -> float:
        """The unit of the field of moments that are one."""
        return self.problem.interaction.prefactor / self.lattice.spacing**3

    def spread(
        self, tile: Tile, source: FloatArray, sides: tuple[int, ...], columns: int, unit: float, field: FloatArray
    ) -> None:
        """Transform a tile of lines of the moments of a box of blocks, of such sides, into field."""
        z = self.axes[2]
        engine: Any = periodic_kernels if self.circular else kernels
        tables = z.circular_tables if self.circular else z.tables
        given = self._box(sides, columns), columns, 1.0 / unit, self.width
        engine.spread(*tile, source.reshape(-1), *given, *tables, field)

    def planes(self, tile: Tile, field: FloatArray, kernel: FloatArray, first: int = 0) -> None:
        """Multiply a tile of planes by the kernel; the first of all that are given is number `first`."""
        x, y, _ = self.axes
        common = self._factors, self._signs
        if self.circular:
            at_zero = self._at_zero if not first else np.zeros_like(self._at_zero)
            others = at_zero, self.width, y.n, *x.circular_tables, *y.circular_tables[1:]
            periodic_kernels.planes(*tile, field, kernel, *common, *others)
        else:  # two for each axis along which the kernel goes to both sides; means of two along y and x
            kernels.planes(*tile, field, kernel, *common, self.components, self.width, y.m, x.m, *y.tables, *x.tables)

    def collect(
        self, tile: Tile, field: FloatArray, sides: tuple[int, ...], columns: int, unit: float, target: FloatArray
    ) -> None:
        """Transform a tile of lines back, into the field of a box of blocks of such sides."""
        x, y, z = self.axes
        engine: Any = periodic_kernels if self.circular else kernels
        tables = z.circular_tables if self.circular else z.tables
        scale = (0.5 if self.circular else 2.0) / (x.m * y.m * z.m) * self.scale * unit
        given = self._box(sides, columns), columns, scale, self.width
        engine.collect(*tile, field, *given, *tables, target.reshape(-1))

    def _box(self, sides: tuple[int, ...], columns: int) -> Any:
        steps = columns * np.array([math.prod(sides[axis + 1 :]) for axis in range(3)])
        return np.ascontiguousarray(np.array([sides, steps])[:, self.order])

    @functools.cached_property
    def _at_zero(self) -> FloatArray:
        """The matrix of the uniform field, of moments whose components off the diagonal come twice."""
        equal, trace = self.uniform
        matrix = np.diag(np.where(np.arange(self.components) < 3, equal, 0.5 * equal))
        matrix[:3, :3] += trace
        return matrix

    @property
    def adds_uniform(self) -> bool:
        """Whether what holds the body is not in the kernel: `uniform_row` is to be added."""
        return self.problem.every_image and not self.circular

    def uniform_row(self, total: FloatArray) -> FloatArray:
        """Return the uniform field, in the columns of the sum of all moments: of their mean."""
        mean = self.scale / self.lattice.n_blocks * (six(total.reshape(3, 3)) if total.size > 6 else total)
        return as_rows(isotropic(self.uniform[0], self.uniform[1], mean[None]).T, total.size)

    def box(self, blocks: Tile, lines: Tile) -> tuple[Box, tuple[int, int, int]]:
        """Return where the lattice has some blocks of x and some lines, and how many blocks that is along each axis."""
        x, y, z = self.axes
        ranges = {
            self.order[0]: slice(blocks[0] * self.width, min(blocks[1] * self.width, x.n)),
            self.order[1]: slice(lines[0] * self.per_line, min(lines[1] * self.per_line, y.n)),
            self.order[2]: slice(0, z.n),
        }
        sides = tuple(ranges[axis].stop - ranges[axis].start for axis in range(3))
        return (ranges[0], ranges[1], ranges[2]), (sides[0], sides[1], sides[2])

    def finish(self, field: FloatArray, moments: FloatArray | None, unit: float, total: FloatArray | None) -> None:
        """Add to rows of a field what does not come from pairs: of what holds the body, and of each block itself.

        moments are those of the same rows, if a block's own field is wanted, and total is the sum of all, if it is.
        """
        columns = field.shape[1]
        row, held = None if total is None else self.uniform_row(total), self.problem.held_field
        tensor = np.empty(0) if moments is None else self.problem.scale * unit * own_tensor(self.problem)
        for some in (slice(*tile) for tile in cut(len(field), ROWS)):
            if row is not None:
                field[some] += row
            if moments is not None:
                rows = moments[some] / unit
                components = np.ascontiguousarray((six(rows.reshape(-1, 3, 3)) if columns > 6 else rows).T)
                field[some] += as_rows(own_field(tensor, components), columns)
            if held is not None:
                field[some] += as_rows(held, columns)

    def refuse_infinite(self, field: FloatArray, box: Box) -> None:
        """Raise a ValueError if the field of a box of blocks, (n1, n2, n3, columns), is beyond the range of doubles."""
        finite = np.isfinite(field).all(axis=-1)
        if not finite.all():
            places = np.argwhere(~finite)[0] + [some.start for some in box]
            block = int(np.ravel_multi_index(tuple(places), self.lattice.shape))
            raise ValueError(f"moments and blocks make a field beyond the range of doubles (1.8e308) at block {block}")

    def is_bounded(self, unit: float) -> bool:
        """Whether it is known beforehand that no field of moments up to a unit is beyond the range of doubles."""
        # derivatives of r and sums over a block's images are below 1e4, at distances of a spacing or more
        if self.problem.held_field is not None:
            return False
        scale = abs(self.scale)
        parts = sum(map(abs, self.problem.interaction.parts)) + float(np.abs(self.uniform).sum())
        most = 1e4 * self.lattice.n_blocks**2 * parts
        # each factor of theirs, too
        return all(value < 1e290 for value in (scale, most, scale * unit, most * (scale * unit)))

    @property
    def _odd(self) -> Any:
        return np.ascontiguousarray(_ODD_FUNCTIONS[self.components][:, self.order].T, dtype=np.int64)

    def derivatives(self, some: Tile) -> FloatArray:
        """Return derivatives of r, of explicit images or open, (15, nx, ny, nz) at some offsets along z."""
        derivatives = offset_derivatives(self.lattice, self.problem.shifts, self.order[2], range(*some))
        return derivatives.transpose(0, *(1 + axis for axis in self.order))

    def image_sums(self) -> ImageSums:
        """Return what makes the derivatives of all images, where they are not a product at wave vectors."""
        return ImageSums(self.lattice, self.order)

    def offset_planes(self, derivatives: FloatArray, kernel: FloatArray) -> None:
        """Transform planes of a padded kernel, of derivatives (15, nx, ny, nz), along y and x."""
        x, y, _ = self.axes
        samples = composed(self.components, derivatives).transpose(3, 0, 2, 1)
        for plane, out in zip(np.ascontiguousarray(samples), kernel, strict=True):
            kernels.kernel_plane(plane, self._odd, y.m, x.m, *y.halved_tables, *x.halved_tables, out)

    def kernel_lines(self, tile: int, kernel: FloatArray) -> None:
        """Transform a tile of a padded kernel, (mz, tiles, mx, functions, 8), along z, in place."""
        x, _, z = self.axes
        flat, step = kernel.reshape(-1), kernel[0, 0, 0].size
        for start in range(tile * x.m * step, (tile + 1) * x.m * step, step):
            kernels.kernel_lines(flat, start, kernel[0].size, z.m, self._odd[2], *z.halved_tables)


class WaveKernel:
    """The kernel at a lattice's own wave vectors: fills planes of it when it is called."""

    def __init__(self, pencils: Pencils) -> None:
        y, order = pencils.axes[1], pencils.order
        odd = _ODD_FUNCTIONS[pencils.components][:, order]
        self._components = pencils.components
        self._modes = ImageModes(pencils.lattice, (order[2], *order[:2]))
        frequencies = np.argsort(y.places)
        back = frequencies > y.n // 2
        # without a factor i for each of two axes
        self._signs = np.where(odd.any(axis=1, keepdims=True) & ~(odd[:, 1:2] & back), -1.0, 1.0)
        self._frequencies = np.where(back, y.n - frequencies, frequencies)

    def __call__(self, some: Tile, kernel: FloatArray) -> None:
        """Fill planes of the kernel, (planes, tiles of y, nx/2 + 1, functions, 8)."""
        functions = composed(self._components, self._modes(range(*some)))
        for tile in range(kernel.shape[1]):
            lanes = slice(EIGHT * tile, EIGHT * tile + EIGHT)
            found = functions[..., self._frequencies[lanes]] * self._signs[:, None, None, lanes]
            kernel[:, tile, :, :, : found.shape[-1]] = found.transpose(1, 2, 0, 3)


def composed(components: int, derivatives: FloatArray) -> FloatArray:
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


def pieces_of(n: int, size: int, share: int) -> list[Tile]:
    """Return the tiles of n lines or planes of an array of so many numbers, for so many tasks, or for more."""
    return cut(n, max(1, min(math.ceil(n / share), n * _NUMBERS // max(size, 1))))


def aligned(shape: tuple[int, ...]) -> FloatArray:
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


def is_circular(problem: PairProblem) -> bool:
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
