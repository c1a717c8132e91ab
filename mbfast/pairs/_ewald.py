"""The parts of an Ewald sum: the split, the mesh of its smooth part, the cells of its near pairs, the cost model.

The mesh is our own non-uniform transform. Both ways through it, 1e5 blocks of stress on 144^3 nodes take 0.4 of the
time of finufft's types 1 and 2 (three complex transforms of two numbers each, 1e-6, upsampling 1.25): the split
ends where a mesh without oversampling fails, six numbers a node share the weights, and no two threads add to one node,
whose order of additions would be left to chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.linalg
import scipy.special
from numpy.polynomial import Chebyshev, chebyshev, legendre
from numpy.typing import NDArray

from mbfast._core import tiles as _tiles
from mbfast._core.validate import FloatArray
from mbfast.pairs import _fft
from mbfast.pairs._kernels import ewald as kernels

IntArray: TypeAlias = NDArray[np.int64]
Shape: TypeAlias = tuple[int, ...]
Factors: TypeAlias = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""From k^2 to the factors of the harmonic and the biharmonic part."""

_ROWS = 1 << 13  # blocks of a tile of the mesh
_CUBE = 8  # nodes along its side
_PAIRS = 1 << 22  # pairs of a tile of near ones
_COLUMNS = 1 << 12  # numbers of a tile of a mesh's rows
_REACH = 2  # cells that the radius spans
_POINTS, _GAUSS = legendre.leggauss(256)  # exact to rounding for waves of up to 200 radians a unit


class Profile:
    """Slepian's function of bandwidth c on [-1, 1], zero beyond: the function whose transform ends at c, as far as any.

    With `flat` its transform g becomes g - k g'/2 = 1 + O(k^4), as the biharmonic r needs it (Hasimoto): otherwise what
    r leaves beyond the radius would be 1/r.
    """

    def __init__(self, c: float, *, flat: bool = False) -> None:
        n = np.arange(0.0, 2.0 * c + 60.0, 2.0)  # degrees of Legendre's polynomials, which make an eigenproblem of it
        diagonal = n * (n + 1.0) + c * c * (2.0 * n * (n + 1.0) - 1.0) / ((2.0 * n - 1.0) * (2.0 * n + 3.0))
        beside = c * c * (n + 1.0) * (n + 2.0) / ((2.0 * n + 3.0) * np.sqrt((2.0 * n + 1.0) * (2.0 * n + 5.0)))
        vector = scipy.linalg.eigh_tridiagonal(diagonal, beside[:-1], select="i", select_range=(0, 0))[1][:, 0]
        self._series = np.zeros(2 * n.size - 1)
        self._series[::2] = vector * np.sqrt(n + 0.5) / (2.0 * vector[0] * math.sqrt(0.5))  # of integral 1
        self.flat = flat
        self.c = c

    def __call__(self, x: FloatArray) -> FloatArray:
        """Values on [-1, 1]."""
        return np.asarray(legendre.legval(x, self._series), dtype=np.float64)

    def transform(self, k: FloatArray) -> FloatArray:
        """Integral of the profile times cos(kx), or g - k g'/2 of it, at k of shape (n,)."""
        angle = np.multiply.outer(k, _POINTS)
        waves = np.cos(angle)
        if self.flat:
            waves += 0.5 * angle * np.sin(angle)
        values: FloatArray = waves @ (_GAUSS * self(_POINTS))
        return values

    def band(self) -> Callable[[FloatArray], FloatArray]:
        """Return the transform as a function of k^2 that is quick on large arrays, and zero beyond the band."""
        square = self.c * self.c
        nodes = lambda u: self.transform(self.c * np.sqrt(0.5 * (u + 1.0)))  # noqa: E731
        series = Chebyshev.interpolate(nodes, int(0.5 * self.c) + 16).coef

        def value(k2: FloatArray) -> FloatArray:
            u = np.minimum(2.0 / square * k2 - 1.0, 1.0)
            return np.where(k2 < square, chebyshev.chebval(u, series), 0.0)

        return value


def _bessel(n: int, x: FloatArray) -> FloatArray:
    """j_n(x)/x^n, j_n the spherical Bessel function."""
    small = x < 0.5
    double_factorial = float(np.prod(np.arange(2 * n + 1, 0, -2)))
    term, series = np.full_like(x, 1.0 / double_factorial), np.zeros_like(x)
    for k in range(1, 9):
        series += term
        term = term * -0.5 * x * x / (k * (2 * (n + k) + 1))
    safe = np.where(small, 1.0, x)
    values: FloatArray = np.where(small, series, scipy.special.spherical_jn(n, safe) / safe**n)
    return values


def derivative(profile: Profile, order: int, r: FloatArray) -> FloatArray:
    """((1/r) d/dr)^order of the smooth part of r (flat profiles) or 1/r, that of the modes within the band."""
    k = 0.5 * profile.c * (_POINTS + 1.0)
    transform = profile.transform(k) * (-2.0 / k**2 if profile.flat else 1.0)  # over 4 pi/k^2
    weights = 0.5 * profile.c * _GAUSS * transform * k ** (2 * order)
    values: FloatArray = (-1.0) ** order * 2.0 / math.pi * (_bessel(order, np.multiply.outer(r, k)) @ weights)
    return values


def polynomials(profile: Profile, orders: tuple[int, ...], cutoff: float, error: float) -> FloatArray:
    """Return derivatives of the smooth part in powers of 2 (r/cutoff)^2 - 1, highest first, in fours."""
    rows = []
    for order in orders:
        value = lambda u, order=order: derivative(profile, order, np.sqrt(0.5 * (u + 1.0)))  # noqa: E731
        series = Chebyshev.interpolate(value, int(0.5 * profile.c) + 16).coef
        series = chebyshev.chebtrim(series, error) * cutoff ** -(2.0 * order - (1.0 if profile.flat else -1.0))
        rows.append(chebyshev.cheb2poly(series))
    length = 4 * math.ceil(max(map(len, rows)) / 4)
    return np.array([np.pad(row, (0, length - len(row)))[::-1] for row in rows])


def cut_biharmonic(p: FloatArray) -> FloatArray:
    """k^4/(-8 pi) times the transform, at k = p/R, of r less 3R/8 + 3r^2/(4R) - r^4/(8R^3), zero beyond R.

    With this polynomial two derivatives vanish at R; its fourth ones are uniform.
    """
    return 1.0 - 7.5 * _bessel(1, p) + 1.5 * _bessel(0, p)


def cut_harmonic(p: FloatArray) -> FloatArray:
    """k^2/(4 pi) times the transform, at k = p/R, of 1/r less 3/(2R) - r^2/(2R^3), zero beyond R, as its derivative."""
    return 1.0 - 3.0 * _bessel(1, p)


class Window:
    """Weights of the nodes near a point: Slepian's function again, of the bandwidth at which aliases begin."""

    def __init__(self, width: int, oversampling: float) -> None:
        self.width = width
        self._profile = Profile(_bandwidth(width, oversampling))
        # node floor(x) + p of a point at x = floor(x) + t has the distance p - t + 1 - width/2; u = 2 t - 1
        u, degree = np.cos(math.pi * (np.arange(64) + 0.5) / 64), width + 4
        distance = np.arange(width) + 0.5 - 0.5 * width - 0.5 * u[:, None]
        series = chebyshev.chebfit(u, self._profile(2.0 / width * distance) * (2.0 / width), degree)
        powers = [np.pad(q := chebyshev.cheb2poly(row), (0, degree + 1 - q.size)) for row in np.eye(degree + 1)]
        self.weights: FloatArray = np.ascontiguousarray((np.array(powers).T @ series)[::-1])

    def at(self, nodes: FloatArray) -> tuple[IntArray, FloatArray]:
        """First nodes and weights, (n, width), of points at `nodes` steps."""
        first = np.floor(nodes)
        u = (2.0 * (nodes - first) - 1.0)[:, None]
        values = np.zeros((nodes.size, self.width))
        for row in self.weights:
            values = values * u + row
        return first.astype(np.int64), values

    def transform(self, angle: FloatArray) -> FloatArray:
        """Sum of the weights times exp(-i angle distance) but for aliases, at phases of a step of the mesh."""
        return self._profile.transform(0.5 * self.width * angle)


def _bandwidth(width: int, oversampling: float) -> float:
    """Bandwidth of a window: half its width times the least wavenumber that the mesh takes for one of the band."""
    return 0.5 * math.pi * width * (2.0 - 1.0 / oversampling)


class _Points:
    """Blocks among the nodes of a mesh, cube of nodes by cube, so that what they meet stays in the caches."""

    def __init__(self, nodes: FloatArray, window: Window) -> None:
        self._weights, width = window.weights, window.width
        first = np.floor(nodes).astype(np.int64)
        self.met: Shape = tuple(int(n) + width for n in first.max(axis=0))  # nodes that have a weight for one of them
        cubes = first // _CUBE
        self._order = np.argsort(np.ravel_multi_index(tuple(cubes.T), self.met), kind="stable")
        self._places = nodes[self._order]
        self._layer = cubes[self._order, 0]

    def spread(self, moments: FloatArray, met: Shape, workers: int) -> FloatArray:
        """Mesh (*met, m) of moments (N, m)."""
        values, mesh, width = moments[self._order], np.zeros((*met, moments.shape[1])), self._weights.shape[1]
        slab = 2 * width  # blocks near an edge are met twice

        def work(start: int) -> None:
            stop = min(start + slab, met[0])
            low, high = (start - width + 1) // _CUBE, (stop - 1) // _CUBE
            some = slice(*np.searchsorted(self._layer, [low, high + 1]))
            planes = mesh[start:stop].reshape(-1)
            kernels.spread(self._places[some], values[some], self._weights, start, stop, met[1], met[2], planes)

        _tiles.run(work, range(0, met[0], slab), threads=workers)
        return mesh

    def interpolate(self, mesh: FloatArray, out: FloatArray, workers: int) -> None:
        """Add the values of a mesh to out (N, m)."""
        flat = mesh.reshape(-1)

        def work(start: int) -> None:
            some = slice(start, start + _ROWS)
            part = np.empty((len(self._layer[some]), out.shape[1]))
            kernels.interpolate(self._places[some], self._weights, mesh.shape[1], mesh.shape[2], flat, part)
            out[self._order[some]] += part

        _tiles.run(work, range(0, len(out), _ROWS), threads=workers)


class _Modes:
    """A convolution on a mesh: transformed, multiplied mode by mode, transformed back.

    Parameters: the box's vectors, its rows; nodes along each; factors of the modes; the window, and the steps, along
    each axis, of the meshes it was used on, as its effect there is to be undone.
    """

    def __init__(
        self, box: FloatArray, shape: Shape, factors: Factors, window: Window, steps: list[FloatArray], workers: int
    ) -> None:
        self._shape = shape
        inverse = 2.0 * math.pi * np.linalg.inv(box)
        half = (shape[0], shape[1], shape[2] // 2 + 1)
        self._k, undo = [], []
        for axis, n in enumerate(shape):
            numbers = np.arange(half[axis]) if axis == 2 else np.fft.fftfreq(n, 1.0 / n)
            self._k.append(np.multiply.outer(numbers, inverse[:, axis]))
            angles = 2.0 * math.pi / float(np.linalg.norm(box[axis])) * np.abs(numbers)
            effect = np.prod([window.transform(angles * step[axis]) for step in steps], axis=0)
            undo.append(1.0 / np.maximum(effect**2, 1e-100))
            if n % 2 == 0:
                undo[-1][n // 2] = 0.0  # the mode without a partner
        scale = 4.0 * math.pi / abs(float(np.linalg.det(box)))
        self._harmonic, self._biharmonic = np.empty(half), np.empty(half)

        def fill(i: int) -> None:
            k = self._k[0][i] + self._k[1][:, None, :] + self._k[2]
            weight = scale * undo[0][i] * undo[1][:, None] * undo[2]
            harmonic, biharmonic = factors(np.einsum("jna,jna->jn", k, k))
            self._harmonic[i], self._biharmonic[i] = harmonic * weight, biharmonic * weight

        _tiles.run(fill, range(half[0]), threads=workers)

    def apply(self, multiply: Callable[..., None], mesh: FloatArray, workers: int) -> None:
        """Convolve in place. Slab by slab, then pencil by pencil: what is zero is neither transformed nor stored."""
        nx, ny, nz = self._shape
        mx, my, mz, m = mesh.shape
        modes = np.empty((mx, ny, nz // 2 + 1, m), dtype=np.complex128)

        def forth(i: int) -> None:
            rows = np.zeros((my, nz, m))
            rows[:, :mz] = mesh[i]
            modes[i, :my] = _fft.real(rows, 1)
            modes[i, my:] = 0.0
            _fft.forward(modes[i])

        def through(j: int) -> None:
            pencil = np.zeros((nx, 1, *modes.shape[2:]), dtype=np.complex128)
            pencil[:mx] = modes[:, j : j + 1]
            _fft.forward(pencil)
            factors = self._harmonic[:, j : j + 1], self._biharmonic[:, j : j + 1]
            multiply(pencil, self._k[0], self._k[1][j : j + 1], self._k[2], *factors)
            _fft.backward(pencil)
            modes[:, j : j + 1] = pencil[:mx]

        def back(i: int) -> None:
            _fft.backward(modes[i])
            mesh[i] = _fft.real_backward(modes[i, :my], 1, nz)[:, :mz]

        _tiles.run(forth, range(mx), threads=workers)
        _tiles.run(through, range(ny), threads=workers)
        _tiles.run(back, range(mx), threads=workers)


class PeriodicFar:
    """The smooth part in a periodic box: one sum over modes."""

    def __init__(self, fractions: FloatArray, box: FloatArray, plan: Plan, workers: int) -> None:
        window, band = plan.window(), plan.profile().band()
        self._shape, self._width = plan.shapes[0], window.width
        self._points = _Points(fractions * np.array(self._shape), window)
        steps = np.linalg.norm(box, axis=1) / self._shape
        self._modes = _Modes(box, self._shape, lambda k2: (band(k2),) * 2, window, [steps], workers)

    def add(self, multiply: Callable[..., None], moments: FloatArray, out: FloatArray, workers: int) -> None:
        """Add to out (N, m) the field of moments (N, m)."""
        mesh = self._points.spread(moments, tuple(n + self._width for n in self._shape), workers)
        for axis, n in enumerate(self._shape):  # what was spread beyond the box comes back on the other side
            across = np.moveaxis(mesh, axis, 0)
            for start in range(n, len(across), n):
                beyond = across[start : start + n]
                across[: len(beyond)] += beyond
            mesh = np.moveaxis(across[:n], 0, axis)
        mesh = np.ascontiguousarray(mesh)
        self._modes.apply(multiply, mesh, workers)
        self._points.interpolate(np.pad(mesh, [(0, self._width)] * 3 + [(0, 0)], mode="wrap"), out, workers)


class OpenFar:
    r"""The smooth part in free space, octave by octave.

    What is smooth beyond the radius r_l = 2^l is what is so beyond 2 r_l and a part that ends there: of this, a box
    longer than the sample by 2 r_l holds all, and the rest needs but a mesh of twice the step, on which the nodes of
    the finer one stand for the blocks. The last is cut off where no pair of blocks is left, and so ends too.
    """

    def __init__(self, positions: FloatArray, extent: FloatArray, plan: Plan, workers: int) -> None:
        window, band = plan.window(), plan.profile().band()
        self._points = _Points(positions / plan.step, window)
        self._modes, self._transfers, steps = [], [], []
        met = self._points.met
        self.radius = float(np.linalg.norm(extent)) + 2.0 ** (len(plan.shapes) - 1)
        for octave, shape in enumerate(plan.shapes):
            last, scale = octave == len(plan.shapes) - 1, 4.0**octave
            steps.append(np.full(3, plan.step * 2.0**octave))

            def factors(k2: FloatArray, scale: float = scale, last: bool = last) -> tuple[FloatArray, FloatArray]:
                rest = band(scale * k2)
                if not last:
                    return (rest - band(4.0 * scale * k2),) * 2
                p = self.radius * np.sqrt(k2)
                return rest * cut_harmonic(p), rest * cut_biharmonic(p)

            self._modes.append(_Modes(np.diag(steps[-1] * shape), shape, factors, window, list(steps), workers))
            if not last:
                self._transfers.append([window.at(0.5 * np.arange(float(n))) for n in met])
                met = tuple(int(first[-1]) + window.width for first, _ in self._transfers[-1])

    def add(self, multiply: Callable[..., None], moments: FloatArray, out: FloatArray, workers: int) -> None:
        """Add to out (N, m) the field of moments (N, m)."""
        mesh = self._points.spread(moments, self._points.met, workers)
        self._convolve(0, multiply, mesh, workers)
        self._points.interpolate(mesh, out, workers)

    def _convolve(self, octave: int, multiply: Callable[..., None], mesh: FloatArray, workers: int) -> None:
        if octave == len(self._transfers):
            self._modes[octave].apply(multiply, mesh, workers)
            return
        fine = [mesh]
        for axis in _AXES:
            fine.append(_restrict(axis, *self._transfers[octave][axis], fine[-1], workers))
        coarse = fine[-1]
        fine[1:] = [np.zeros(part.shape) for part in fine[1:-1]]  # zeroed when touched, by the threads
        self._convolve(octave + 1, multiply, coarse, workers)
        self._modes[octave].apply(multiply, mesh, workers)
        for axis in reversed(_AXES):
            _prolong(axis, *self._transfers[octave][axis], coarse, fine[-1], workers)
            coarse = fine.pop()


_AXES = (1, 0, 2)  # the fastest first: no long rows, and not yet the short ones


def _restrict(axis: int, first: IntArray, weights: FloatArray, mesh: FloatArray, workers: int) -> FloatArray:
    """Return what the nodes of a mesh make on one that is coarser along an axis."""
    result = np.zeros((*mesh.shape[:axis], int(first[-1]) + weights.shape[1], *mesh.shape[axis + 1 :]))
    _transfer(kernels.restrict, axis, first, weights, mesh, result, workers)
    return result


def _prolong(axis: int, first: IntArray, weights: FloatArray, mesh: FloatArray, fine: FloatArray, workers: int) -> None:
    """Add to a mesh what the nodes of one that is coarser along an axis make on it."""
    _transfer(kernels.prolong, axis, first, weights, mesh, fine, workers)


def _transfer(
    kernel: Callable[..., None], axis: int, first: IntArray, weights: FloatArray, source: FloatArray,
    target: FloatArray, workers: int,
) -> None:  # fmt: skip
    outer = math.prod(source.shape[:axis])
    source, target = (mesh.reshape(outer, mesh.shape[axis], -1) for mesh in (source, target))
    columns = source.shape[2]
    width, rows = (_COLUMNS, 1) if outer == 1 else (columns, max(1, (1 << 16) // (columns * source.shape[1])))
    tiles = [(o, k) for o in range(0, outer, rows) for k in range(0, columns, width)]

    def work(tile: tuple[int, int]) -> None:
        some = slice(tile[0], tile[0] + rows)
        kernel(first, weights, source[some], tile[1], min(tile[1] + width, columns), target[some])

    _tiles.run(work, tiles, threads=workers)


class Near:
    """Pairs nearer than a radius, found through cells; images of a periodic box are sources of their own.

    Positions (N, 3) are taken as they are, without rounding, which close pairs would feel. Fractions, of the box's
    vectors, say in which cell a block is.
    """

    def __init__(
        self, positions: FloatArray, fractions: FloatArray, box: FloatArray, images: IntArray, radius: float
    ) -> None:
        n, self._square = len(positions), radius * radius
        margin = radius * (1.0 + 1e-9) * np.linalg.norm(np.linalg.inv(box), axis=0)
        all_fractions, all_positions, owners = [fractions], [positions], [np.arange(n)]
        for image in images:
            moved = fractions + image
            close = np.flatnonzero(((moved > -margin) & (moved < 1.0 + margin)).all(axis=1))
            all_fractions.append(moved[close])
            all_positions.append(positions[close] + image @ box)
            owners.append(close)
        every, step = np.concatenate(all_fractions), margin / _REACH
        cells = np.floor((every - every.min(axis=0)) / step).astype(np.int64) + _REACH
        shape = tuple(int(c) + _REACH + 1 for c in cells.max(axis=0))
        ids = np.ravel_multi_index(tuple(cells.T), shape)
        order = np.argsort(ids, kind="stable")
        self._owners = np.concatenate(owners)[order]
        self._positions = np.ascontiguousarray(np.concatenate(all_positions)[order].T)
        self._starts = np.searchsorted(ids[order], np.arange(math.prod(shape) + 1)).astype(np.int64)
        self._low, self._high = _columns(box * step[:, None], shape, radius)
        self._order = np.argsort(ids[:n], kind="stable")
        self._targets = np.ascontiguousarray(positions[self._order].T)
        self._cells, first = np.unique(ids[self._order], return_index=True)
        self._ends = np.append(first, n).astype(np.int64)
        count = np.zeros(self._cells.size, dtype=np.int64)
        for low, high in zip(self._low, self._high, strict=True):
            count += self._starts[self._cells + high + 1] - self._starts[self._cells + low]
        self._most = int(count.max())
        work = np.cumsum(count * np.diff(self._ends) + 100)
        bounds = np.unique(np.searchsorted(work, np.arange(_PAIRS, work[-1], _PAIRS)))
        bounds = np.concatenate([[0], bounds[bounds > 0], [self._cells.size]])
        self._pieces = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))

    def add(
        self,
        kernel: Callable[..., None],
        moments: FloatArray,
        polynomials: FloatArray,
        coefficients: tuple[float, ...],
        out: FloatArray,
        workers: int,
    ) -> None:
        """Add to out (N, m) the near field of moments (N, m)."""
        sources = np.ascontiguousarray(moments[self._owners].T)

        def work(piece: tuple[int, int]) -> None:
            ends = self._ends[piece[0] : piece[1] + 1]
            some = slice(ends[0], ends[-1])
            part = np.zeros((moments.shape[1], int(ends[-1] - ends[0])))
            targets = np.ascontiguousarray(self._targets[:, some])
            around = self._low, self._high, self._starts, self._positions, sources
            kernel(
                self._cells[slice(*piece)], ends - ends[0], targets, *around,
                polynomials, self._most, self._square, *coefficients, part,
            )  # fmt: skip
            out[self._order[some]] += part.T

        _tiles.run(work, self._pieces, threads=workers)


def _columns(steps: FloatArray, shape: Shape, radius: float) -> tuple[IntArray, IntArray]:
    """Columns of cells, along the last axis, within the radius of a cell, as offsets of their first and last cells."""
    around = np.arange(-_REACH, _REACH + 1)
    offsets = np.stack(np.meshgrid(around, around, around, indexing="ij"), axis=-1)
    corners = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T @ steps
    # cells apart by d have points as near as |d steps| less the longest diagonal; if rectangular, as near as their gap
    gap = np.linalg.norm(offsets @ steps, axis=-1) - np.linalg.norm(corners, axis=1).max()
    if np.count_nonzero(steps) == 3:
        gap = np.linalg.norm(np.maximum(np.abs(offsets) - 1, 0) @ steps, axis=-1)
    near = gap < radius
    first, last = np.argmax(near, axis=2), 2 * _REACH - np.argmax(near[:, :, ::-1], axis=2)
    base = np.ravel_multi_index((around[:, None] + _REACH, around[None, :] + _REACH), shape[:2]) - (
        _REACH * shape[1] + _REACH
    )
    some = near.any(axis=2)
    low, high = base * shape[2] + first - _REACH, base * shape[2] + last - _REACH
    return low[some].astype(np.int64), high[some].astype(np.int64)


@dataclass(frozen=True)
class Plan:
    """What the cost model chose. Lengths but the cutoff are in units of this."""

    cutoff: float
    bandwidth: float
    flat: bool
    width: int
    oversampling: float
    shapes: tuple[Shape, ...]
    cost: float

    @property
    def step(self) -> float:
        """Of the finest mesh."""
        return math.pi / (self.oversampling * self.bandwidth)

    def profile(self) -> Profile:
        """Return what splits the interaction."""
        return Profile(self.bandwidth, flat=self.flat)

    def window(self) -> Window:
        """Return the mesh's window."""
        return Window(self.width, self.oversampling)


def choose(positions: FloatArray, lengths: FloatArray, rtol: float, *, flat: bool, periodic: bool) -> Plan:
    """Return the cheapest plan for positions (N, 3), not negative; lengths of the box's vectors, or of their extent."""
    n, components = len(positions), 6 if flat else 3
    sample = positions  # which of many, must have nothing to do with their order, as of a lattice
    if n > _SAMPLE:
        sample = positions[np.random.default_rng(0).choice(n, _SAMPLE, replace=False, shuffle=False)]
    longest = float(lengths.max()) or 1.0
    best = None
    for quarter in range(80):
        cutoff = longest * 2.0 ** (-0.25 * quarter)
        cells = np.floor(sample / cutoff).astype(np.int64) @ np.array([1, 1 << 20, 1 << 40])
        counts = np.unique(cells, return_counts=True)[1]
        # in a cube of the radius: as it is around a block, and at least on average
        around = float(np.sum(counts * (counts - 1.0))) * n / len(sample) ** 2
        around = max(around, n / float(np.prod(np.maximum(lengths / cutoff, 1.0))))
        near = n * around * _PAIR[flat]
        bandwidth = _bandwidth_for(rtol, around, flat=flat)
        hopeless = True  # smaller radii want larger meshes
        for oversampling in (1.0, 1.125, 1.25, 1.5):
            width = _width_for(rtol, around, bandwidth, oversampling)
            step = math.pi / (oversampling * bandwidth)
            nodes = np.ceil(lengths / cutoff / step)
            far = components * (n * width**3 * _WEIGHT + float(np.prod(nodes)) * _NODE)
            if float(np.prod(nodes + width)) > max(_NODES, 16.0 * n) or (best is not None and far > best.cost):
                continue
            hopeless = False
            if best is not None and near + far > best.cost:
                continue
            shapes: tuple[Shape, ...] = (tuple(_fft.good_length(int(count)) for count in nodes),)
            if not periodic:
                shapes = _octaves(lengths / cutoff, step, width)
            cost = near + components * (n * width**3 * _WEIGHT + sum(map(math.prod, shapes)) * _NODE)
            if best is None or cost < best.cost:
                best = Plan(cutoff, bandwidth, flat, width, oversampling, shapes, cost)
        if hopeless:
            break
    assert best is not None  # radii as long as the sample need few nodes
    return best


# What one thread of an EPYC of the third generation needs, in ns: for both ways of a number of a node through all
# transforms, of a number to a node it has a weight for, and for what is evaluated for a pair within a cube.
_NODE, _WEIGHT, _PAIR = 25.0, 0.8, {True: 150.0, False: 60.0}
_NODES = 1 << 24  # 800 MB of stress, and as much transformed
_SAMPLE = 1 << 15
_SHARE = 0.4  # of rtol, for either error


def _bandwidth_for(rtol: float, around: float, *, flat: bool) -> float:
    """Return the split's least bandwidth for rtol.

    Pairs beyond the radius see where the band ends: moments without order have root mean square errors, in units of
    moment times density, of 0.35 c^4.3 exp(-c)/sqrt(n) (if not flat 1.9 c^2.5 exp(-c)/sqrt(n)), n the number of blocks
    in a cube of the radius: a fit, good to a third from c = 12 to 36. Ordered ones may see a few times as much.
    """
    factor, power = (0.35, 4.3) if flat else (1.9, 2.5)
    c = 8.0
    while factor * c**power * math.exp(-c) > _SHARE * rtol * math.sqrt(around):
        c += 0.25
    return c


def _width_for(rtol: float, around: float, bandwidth: float, oversampling: float) -> int:
    """Return a window's least width, in nodes, for rtol.

    Aliases make errors, in the units of `_bandwidth_for`, of 2 c^1.5 exp(-w)/sqrt(n), w the window's bandwidth.
    """
    least = math.log(2.0 * bandwidth**1.5 / (_SHARE * rtol * math.sqrt(around)))
    return max(4, math.ceil(least / _bandwidth(1, oversampling)))


def _octaves(extent: FloatArray, step: float, width: int) -> tuple[Shape, ...]:
    """Shapes of the meshes of `OpenFar`, as many as cost least."""
    best: tuple[Shape, ...] = ()
    shapes: list[Shape] = []
    met = [int(a / step) + width for a in extent]
    for octave in range(40):
        h, radius = step * 2.0**octave, 2.0**octave
        far = float(np.linalg.norm(extent)) + 2.0 * radius  # where the cut-off potential, smoothed, ends
        last = tuple(_length(max((a + far) / h, n)) for a, n in zip(extent, met, strict=True))
        if not best or sum(map(math.prod, [*shapes, last])) < sum(map(math.prod, best)):
            best = (*shapes, last)
        shapes.append(tuple(_length(max((a + 2.0 * radius) / h, n)) for a, n in zip(extent, met, strict=True)))
        met = [(n - 1) // 2 + width for n in met]
        if sum(map(math.prod, shapes)) > sum(map(math.prod, best)):
            break
    return best


def _length(least: float) -> int:
    return int(_fft.good_length(math.ceil(least)))
