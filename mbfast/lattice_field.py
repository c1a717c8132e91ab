"""Fields on a lattice by Fourier transforms, O(N log N)."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast import _tiles
from mbfast._moments import Boundary, ImageShape, Moments, image_shifts
from mbfast._validate import FloatArray
from mbfast.blocks import BlockLattice
from mbfast.interactions import DipoleInteraction, Interaction, StressInteraction
from mbfast.kernels import lattice as kernels

_LANES = 48  # of a transform along z, half of those of the others
_TILES = 16  # at least, of each of the three steps


class LatticeField:
    r"""Field of moments on a lattice, h_s = sum over s' of Lambda(x_s - x_s') : T_s', set up once, applied many times.
    """

    def __init__(
        self,
        interaction: Interaction,
        lattice: BlockLattice,
        *,
        boundary: Boundary = "open",
        images: int | None = None,
        image_shape: ImageShape = "cubic",
        threads: int | None = None,
    ) -> None:
        if not isinstance(lattice, BlockLattice):
            raise TypeError(f"lattice must be a BlockLattice, got {lattice!r}")
        self.interaction, self.lattice, self.boundary = interaction, lattice, boundary
        if not isinstance(interaction, StressInteraction | DipoleInteraction):
            raise TypeError(f"interaction must be a StressInteraction or a DipoleInteraction, got {interaction!r}")
        shifts = image_shifts(lattice, boundary, None, images, image_shape)
        workers = _tiles.check_threads(threads)
        # The shortest axis is the one padded most, the longest one is cut into the planes that threads share.
        self._order = sorted(range(3), key=lambda axis: lattice.shape[axis])
        self._x, self._y, self._z = (_Axis(lattice.shape[axis]) for axis in self._order)
        self._factors = np.zeros(2)
        if isinstance(interaction, StressInteraction):
            c0, _, c2 = interaction.coefficients
            self._factors[:] = c0 + c2, 0.5 * c2
        components = interaction.components
        flips = np.where(_ODD[components], -1.0, 1.0)[:, self._order]
        signs = np.array([[flips[:, 0] ** 0, flips[:, 0] * flips[:, 1]], [flips[:, 0], flips[:, 1]]])
        self._signs = np.repeat(signs.reshape(2, -1), 8, axis=1)
        blocks = max(1, -(-self._x.n // max(1, _LANES // components)))
        self._width = -(-self._x.n // blocks)
        self._field_shape = (self._z.m, blocks, self._y.n, 2 * components * self._width)
        self._field: FloatArray | None = None
        self._lock = threading.Lock()
        self._kernel = _kernel(interaction, lattice, shifts, self._order, workers)

    @property
    def nbytes(self) -> int:
        """Memory that it holds after its first use (bytes): the kernel's transform and the moments'."""
        return self._kernel.nbytes + 8 * math.prod(self._field_shape)

    def __call__(self, moments: ArrayLike, *, out: FloatArray | None = None, threads: int | None = None) -> FloatArray:
        checked = Moments(moments, self.lattice.shape, self.interaction.components)
        if out is None:
            out = np.empty(checked.shape)
        else:
            _check_out(out, checked.shape)
        workers = _tiles.check_threads(threads)
        if out.size:
            with self._lock:
                self._apply(checked, out, workers)
        return out

    def energy(self, moments: ArrayLike, *, threads: int | None = None) -> float:
        checked = Moments(moments, self.lattice.shape, self.interaction.components)
        return checked.contract(self(moments, threads=threads)) + 0.0

    def _apply(self, moments: Moments, out: FloatArray, workers: int) -> None:
        if self._field is None:
            self._field = _aligned(self._field_shape)
        x, y, z, field = self._x, self._y, self._z, self._field
        components = self.interaction.components
        places = _PLACES[moments.width]
        # a tensor's components off the diagonal stand for two
        weights = np.where(np.arange(components) < 3, 0.5, 1.0) / moments.unit
        tables = z.turn, *z.tables

        def run(work: Callable[[int, int], None], n: int) -> None:
            size = -(-n // (_TILES * workers))
            tiles = [(start, min(start + size, n)) for start in range(0, n, size)]
            _tiles.run(lambda tile: work(*tile), tiles, threads=workers)

        source, target = (self._view(array, moments.width) for array in (moments.array(), out))
        run(lambda j0, j1: kernels.spread(source, places, weights, self._width, j0, j1, *tables, field), y.n)
        run(
            lambda k0, k1: kernels.planes(
                field, k0, k1, self._kernel, self._factors, self._signs, components, self._width,
                y.m, y.turn, *y.tables, x.m, x.turn, *x.tables,
            ),
            z.m,
        )  # fmt: skip
        # twice for each axis along which the kernel goes to both sides; means of two along y and x
        scale = 8.0 / 4.0 / (x.m * y.m * z.m) * moments.unit * self.interaction.prefactor / self.lattice.spacing**3
        run(lambda j0, j1: kernels.collect(field, places, scale, self._width, j0, j1, *tables, target), y.n)

    def _view(self, array: FloatArray, width: int) -> FloatArray:
        return array.reshape(*self.lattice.shape, width).transpose(*self._order, 3)


def offset_tensors(
    interaction: Interaction, lattice: BlockLattice, offsets: FloatArray, shifts: FloatArray
) -> FloatArray:
    """Return the basis functions of the interaction, (14 or 5, n), at offsets (3, n), summed over shifts (s, 3).

    Offsets and shifts are whole numbers of spacings; see `kernels.fourth_derivatives` and `kernels.second_derivatives`.
    """
    stress = isinstance(interaction, StressInteraction)
    samples = np.empty((14 if stress else 5, offsets.shape[1]))
    (kernels.fourth_derivatives if stress else kernels.second_derivatives)(offsets, shifts, samples)
    return samples


# Along which axes components of moments, xx, yy, zz, yz, xz, xy or x, y, z, are odd, and the basis functions are; columns of
# the components.
_YZ, _XZ, _XY = (False, True, True), (True, False, True), (True, True, False)
_ODD = {6: np.array([(False,) * 3] * 3 + [_YZ, _XZ, _XY]), 3: np.eye(3, dtype=bool)}
_ODD_FUNCTIONS = {
    6: np.array([(False,) * 3] * 5 + [_YZ] * 3 + [_XZ] * 3 + [_XY] * 3),
    3: np.array([(False,) * 3] * 2 + [_YZ, _XZ, _XY]),
}
_PLACES = {
    9: np.array([(0, 0), (4, 4), (8, 8), (5, 7), (2, 6), (1, 3)]),
    6: np.repeat(np.arange(6)[:, None], 2, axis=1),
    3: np.repeat(np.arange(3)[:, None], 2, axis=1),
}


def _kernel(
    interaction: Interaction,
    lattice: BlockLattice,
    shifts: FloatArray,
    order: list[int],
    workers: int,
) -> FloatArray:
    """Transform of the basis functions, (mz, tiles of y, mx, functions, 8)."""
    odd = _ODD_FUNCTIONS[interaction.components]
    x, y, z = (_Axis(lattice.shape[axis]) for axis in order)
    kernel = _aligned((z.m, -(-y.m // 8), x.m, len(odd), 8))
    parities = np.ascontiguousarray(odd[:, order].T, dtype=np.int64)
    places = np.empty((3, y.n, x.n))
    places[order[0]], places[order[1]] = np.arange(x.n), np.arange(y.n)[:, None]

    def plane(k: int) -> None:
        offsets = places.copy()
        offsets[order[2]] = k
        samples = offset_tensors(interaction, lattice, offsets.reshape(3, -1), shifts)
        kernels.kernel_plane(
            samples.reshape(len(odd), y.n, x.n), parities, y.m, y.halved, *y.tables, x.m, x.halved, *x.tables, kernel[k]
        )

    def lines(t: int) -> None:
        for i in range(x.m):
            kernels.kernel_lines(kernel[:, t, i], parities[2], z.halved, *z.tables)

    _tiles.run(plane, range(z.n), threads=workers)
    _tiles.run(lines, range(kernel.shape[1]), threads=workers)
    return kernel


def _aligned(shape: tuple[int, ...]) -> FloatArray:
    """Return an array of zeros that starts a cache line: vectors that cross lines cost a quarter of the speed."""
    array = np.zeros(math.prod(shape) + 8)
    start = -array.ctypes.data % 64 // 8
    return array[start : start + math.prod(shape)].reshape(shape)


def _check_out(out: object, shape: tuple[int, ...]) -> None:
    if not isinstance(out, np.ndarray) or out.dtype != np.float64:
        raise TypeError(f"out must be a float64 array, got {getattr(out, 'dtype', type(out).__name__)}")
    if out.shape != shape or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be writable, C-contiguous and of shape {shape}, got shape {out.shape}")


class _Axis:
    """An axis of n blocks: the length of its transforms, their passes and factors."""

    def __init__(self, n: int) -> None:
        self.n, self.m = n, _fast_length(n)
        angles = -0.5 * math.pi * np.arange(n) / self.m
        self.turn = np.ascontiguousarray(np.stack([np.cos(angles), np.sin(angles)], axis=-1))
        self.halved = self.turn.copy()  # of a function that is continued to both sides, half of what is at zero
        self.halved[:1] *= 0.5
        radices = _radices(self.m)
        sizes = [self.m // math.prod(radices[:i]) for i in range(len(radices))]
        factors: list[FloatArray] = [np.zeros(2)]
        starts, count = [], 2
        for radix, size in zip(radices, sizes, strict=True):
            places = np.outer(np.arange(size // radix), np.arange(1, radix)).ravel() * (2.0 * math.pi / size)
            factors.append(np.stack([np.cos(places), -np.sin(places)], axis=-1).ravel())
            starts.append(count)
            count += factors[-1].size
        self.factors = np.concatenate(factors)
        pairs = [
            [radices[i], *(radices[i + 1 : i + 2] or [1]), sizes[i], starts[i], *(starts[i + 1 : i + 2] or [0])]
            for i in range(0, len(radices), 2)
        ]
        self.passes = np.array(pairs, dtype=np.uint64).reshape(-1, 5)

    @property
    def tables(self) -> tuple[NDArray[np.uint64], FloatArray]:
        return self.passes, self.factors


def _radices(m: int) -> list[int]:
    radices = []
    for radix in (4, 2, 3, 5):
        while m % radix == 0:
            radices.append(radix)
            m //= radix
    return radices if m == 1 else []


def _fast_length(n: int) -> int:
    m = n
    while m > 1 and not _radices(m):
        m += 1
    return m
