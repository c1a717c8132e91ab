"""The smooth part on a mesh.

The mesh is our own non-uniform transform. Both ways through it, 1e5 blocks of stress on 144^3 nodes take 0.4 of the
time of finufft's types 1 and 2 (three complex transforms of two numbers each, 1e-6, upsampling 1.25): the split
ends where a mesh without oversampling fails, six numbers a node share the weights, and no two threads add to one node,
whose order of additions would be left to chance.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from mbfast._core import tiles
from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import FloatArray
from mbfast.pairs._ewald import fft as _fft
from mbfast.pairs._ewald.plan import Plan, Shape
from mbfast.pairs._ewald.profile import IntArray, Octave, Window
from mbfast.pairs._kernels import ewald as kernels
from mbfast.pairs._kernels.ewald_gradients import gradient

ModeEnergy: TypeAlias = Callable[..., tuple[FloatArray, FloatArray]]
"""From modes of moments, wave vectors, harmonic and biharmonic factors and their slopes to energies and d/dk."""

_NUMBERS = 1 << 23  # of nodes that the blocks of a tile meet: 20 ms
_CUBE = 8  # nodes along its side
_MODES = 1 << 15  # whose factors are made together: of fewer, threads would wait for one another, and not for NumPy
_COLUMNS = 1 << 12  # numbers of a tile of a mesh's rows
_AXES = (1, 0, 2)  # of transfers to coarser meshes, the fastest first: no long rows, and not yet the short ones


class _Points:
    """Blocks among the nodes of a mesh, cube of nodes by cube, so that what they meet stays in the caches."""

    def __init__(self, nodes: FloatArray, window: Window) -> None:
        self._weights, self._slopes, width = window.weights, window.slopes, window.width
        first = np.floor(nodes).astype(np.int64)
        self.met: Shape = tuple(int(n) + width for n in first.max(axis=0))  # nodes that have a weight for one of them
        cubes = first // _CUBE
        self._order = np.argsort(np.ravel_multi_index(tuple(cubes.T), self.met), kind="stable")
        self._places = nodes[self._order]
        self._layer = cubes[self._order, 0]

    def _step(self, components: int) -> int:
        """Return how many blocks are worked on before Ctrl-C is looked for."""
        width: int = self._weights.shape[1]
        return max(1, _NUMBERS // (width**3 * components))

    def spread(self, moments: FloatArray, met: Shape, workers: int) -> FloatArray:
        """Mesh (*met, m) of moments (N, m)."""
        values, mesh, width = moments[self._order], np.zeros((*met, moments.shape[1])), self._weights.shape[1]
        slab, step = 2 * width, self._step(moments.shape[1])  # blocks near an edge are met twice

        def work(start: int) -> None:
            stop = min(start + slab, met[0])
            low, high = (start - width + 1) // _CUBE, (stop - 1) // _CUBE
            some = slice(*np.searchsorted(self._layer, [low, high + 1]))
            planes = mesh[start:stop].reshape(-1)
            for first in range(some.start, some.stop, step):  # by the blocks' order, whatever there are threads
                tiles.pause()
                these = slice(first, min(first + step, some.stop))
                given = self._places[these], values[these], self._weights, start, stop, met[1], met[2]
                kernels.spread(*given, planes)

        tiles.run(work, range(0, met[0], slab), threads=workers)
        return mesh

    def interpolate(self, mesh: FloatArray, out: FloatArray, workers: int) -> None:
        """Add the values of a mesh to out (N, m)."""
        flat, step = mesh.reshape(-1), self._step(out.shape[1])

        def work(start: int) -> None:
            some = slice(start, start + step)
            part = np.empty((len(self._layer[some]), out.shape[1]))
            kernels.interpolate(self._places[some], self._weights, mesh.shape[1], mesh.shape[2], flat, part)
            out[self._order[some]] += part

        tiles.run(work, range(0, len(out), step), threads=workers)

    def gradient(self, mesh: FloatArray, moments: FloatArray, workers: int) -> FloatArray:
        """Return the derivatives by node, (N, 3), of the values of a mesh, contracted with moments (N, m)."""
        flat, out, step = mesh.reshape(-1), np.empty((len(moments), 3)), self._step(2 * moments.shape[1])

        def work(start: int) -> None:
            some = self._order[start : start + step]
            places, part = self._places[start : start + step], np.empty((len(some), 3))
            gradient(places, self._weights, self._slopes, mesh.shape[1], mesh.shape[2], flat, moments[some], part)
            out[some] = part

        tiles.run(work, range(0, len(out), step), threads=workers)
        return out


class _Modes:
    """A convolution on a mesh: transformed, multiplied mode by mode, transformed back.

    The rows of box are its vectors, shape the nodes along each; steps are, along each axis, those of the meshes that
    the window was used on, as its effect there is to be undone.
    """

    def __init__(
        self, box: FloatArray, shape: Shape, octave: Octave, window: Window, steps: list[FloatArray], workers: int
    ) -> None:
        self._shape, self._octave = shape, octave
        inverse = 2.0 * math.pi * np.linalg.inv(box)
        half = (shape[0], shape[1], shape[2] // 2 + 1)
        self._k, self._undo = [], []
        for axis, n in enumerate(shape):
            numbers = np.arange(half[axis]) if axis == 2 else np.fft.fftfreq(n, 1.0 / n)
            self._k.append(np.multiply.outer(numbers, inverse[:, axis]))
            angles = 2.0 * math.pi / float(np.linalg.norm(box[axis])) * np.abs(numbers)
            effect = np.prod([window.transform(angles * step[axis]) for step in steps], axis=0)
            self._undo.append(1.0 / np.maximum(effect**2, 1e-100))
            if n % 2 == 0:
                self._undo[-1][n // 2] = 0.0  # the mode without a partner
        self._undo[0] *= 4.0 * math.pi / abs(float(np.linalg.det(box)))
        self._harmonic, self._biharmonic = np.empty(half), np.empty(half)

        def fill(tile: Tile) -> None:
            some = slice(*tile)
            self._harmonic[some], self._biharmonic[some] = self._weighted(octave.factors, some, slice(None))

        tiles.run(fill, cut(half[0], math.ceil(_MODES / (half[1] * half[2]))), threads=workers)

    def _weighted(self, function: Callable[..., tuple[FloatArray, FloatArray]], i: slice, j: slice) -> FloatArray:
        """Two functions of k^2, of some of the rows of modes, less what the window does to them: (2, i, j, modes)."""
        k = self._k[0][i, None, None] + self._k[1][j, None] + self._k[2]
        weight = self._undo[0][i, None, None] * self._undo[1][j, None] * self._undo[2]
        return np.asarray(weight * np.array(function(np.einsum("ijna,ijna->ijn", k, k))))

    def apply(self, multiply: Callable[..., None], mesh: FloatArray, workers: int) -> None:
        """Convolve in place."""
        my, mz, nz = *mesh.shape[1:3], self._shape[2]

        def through(pencil: Any, j: slice) -> None:
            factors = self._harmonic[:, j], self._biharmonic[:, j]
            multiply(pencil, self._k[0], self._k[1][j], self._k[2], *factors)
            _fft.turn(pencil, forward=False)

        def back(i: int) -> None:
            _fft.turn(modes[i], forward=False)
            mesh[i] = _fft.real_backward(modes[i, :my], 1, nz)[:, :mz]

        modes = self._through(through, mesh, workers)
        tiles.run(back, range(len(mesh)), threads=workers)

    def virial(self, energy: ModeEnergy, mesh: FloatArray, workers: int) -> FloatArray:
        """Return the derivative (3, 3) of the energy of a mesh by a gradient of displacement, the box's included.

        Wave vectors change as k does when k.x is kept, and the volume, whose inverse the factors have, by the trace.
        """
        copies, parts = np.full(self._k[2].shape[0], 2.0), np.zeros((self._shape[1], 3, 3))
        copies[0] = 1.0

        def through(pencil: Any, j: slice) -> None:
            k = self._k[0][:, None] + self._k[1][j] + self._k[2]
            slopes = self._weighted(self._octave.slopes, slice(None), j)
            energies, gradients = energy(pencil, k[:, None], self._harmonic[:, j], self._biharmonic[:, j], *slopes)
            parts[j.start] -= np.eye(3) * np.sum(copies * energies)
            parts[j.start] -= np.einsum("n,ina,inb->ab", copies, k, gradients[:, 0])

        self._through(through, mesh, workers)
        return np.asarray(parts.sum(axis=0), dtype=np.float64)

    def _through(self, through: Callable[[Any, slice], None], mesh: FloatArray, workers: int) -> Any:
        """Return the modes of two axes for what `through` makes, of all three, pencil by pencil.

        Slab by slab, then pencil by pencil: what is zero is neither transformed nor stored.
        """
        nx, ny, nz = self._shape
        mx, my, mz, m = mesh.shape
        modes = np.empty((mx, ny, nz // 2 + 1, m), dtype=np.complex128)

        def forth(i: int) -> None:
            rows = np.zeros((my, nz, m))
            rows[:, :mz] = mesh[i]
            modes[i, :my] = _fft.real(rows, 1)
            modes[i, my:] = 0.0
            _fft.turn(modes[i], forward=True)

        def work(j: int) -> None:
            some = slice(j, j + 1)
            pencil = np.zeros((nx, 1, *modes.shape[2:]), dtype=np.complex128)
            pencil[:mx] = modes[:, some]
            _fft.turn(pencil, forward=True)
            through(pencil, some)
            modes[:, some] = pencil[:mx]

        tiles.run_steps([(forth, range(mx)), (work, range(ny))], threads=workers)
        return modes


class Far(ABC):
    """The smooth part of blocks on a mesh."""

    _points: _Points
    _nodes: FloatArray  # (3, 3), from derivatives by node to those by position

    def add(self, multiply: Callable[..., None], moments: FloatArray, out: FloatArray, workers: int) -> None:
        """Add to out (N, m) the field of moments (N, m)."""
        self._points.interpolate(self._field(multiply, moments, workers), out, workers)

    def gradient(self, multiply: Callable[..., None], moments: FloatArray, own: FloatArray, workers: int) -> FloatArray:
        """Return the gradient (N, 3) at each block of the field of moments (N, m), contracted with own (N, m)."""
        return self._points.gradient(self._field(multiply, moments, workers), own, workers) @ self._nodes

    @abstractmethod
    def _field(self, multiply: Callable[..., None], moments: FloatArray, workers: int) -> FloatArray:
        """Return the field at all nodes that are met."""

    @abstractmethod
    def virial(self, energy: ModeEnergy, moments: FloatArray, workers: int) -> FloatArray:
        """Return the derivative (3, 3) of the energy by a gradient of displacement."""


class PeriodicFar(Far):
    """The smooth part in a periodic box: one sum over modes."""

    def __init__(self, fractions: FloatArray, box: FloatArray, plan: Plan, workers: int) -> None:
        window, octave = plan.window(), Octave(plan.profile().band())
        self._shape, self._width = plan.shapes[0], window.width
        self._points = _Points(fractions * np.array(self._shape), window)
        steps = np.linalg.norm(box, axis=1) / self._shape
        self._modes = _Modes(box, self._shape, octave, window, [steps], workers)
        self._nodes: FloatArray = np.transpose(np.linalg.inv(box) * self._shape)

    def _field(self, multiply: Callable[..., None], moments: FloatArray, workers: int) -> FloatArray:
        mesh = self._spread(moments, workers)
        self._modes.apply(multiply, mesh, workers)
        return _repeated(mesh, self._width, workers)

    def virial(self, energy: ModeEnergy, moments: FloatArray, workers: int) -> FloatArray:
        return self._modes.virial(energy, self._spread(moments, workers), workers)

    def _spread(self, moments: FloatArray, workers: int) -> FloatArray:
        mesh = self._points.spread(moments, tuple(n + self._width for n in self._shape), workers)
        for axis, n in enumerate(self._shape):  # what was spread beyond the box comes back on the other side
            across = np.moveaxis(mesh, axis, 0)
            for start in range(n, len(across), n):
                beyond = across[start : start + n]
                across[: len(beyond)] += beyond
            mesh = np.moveaxis(across[:n], 0, axis)
        return _repeated(mesh, 0, workers)


class OpenFar(Far):
    r"""The smooth part in free space, octave by octave.

    What is smooth beyond the radius r_l = 2^l is what is so beyond 2 r_l and a part that ends there: of this, a box
    longer than the sample by 2 r_l holds all, and the rest needs but a mesh of twice the step, on which the nodes of
    the finer one stand for the blocks. The last is cut off where no pair of blocks is left, and so ends too.
    """

    def __init__(self, positions: FloatArray, extent: FloatArray, plan: Plan, workers: int) -> None:
        window, band = plan.window(), plan.profile().band()
        self._points, self._nodes = _Points(positions / plan.step, window), np.eye(3) / plan.step
        self._modes, self._transfers, steps = [], [], []
        met = self._points.met
        self.radius = float(np.linalg.norm(extent)) + 2.0 ** (len(plan.shapes) - 1)
        for octave, shape in enumerate(plan.shapes):
            last = octave == len(plan.shapes) - 1
            steps.append(np.full(3, plan.step * 2.0**octave))
            part = Octave(band, 4.0**octave, last, self.radius if last else None)
            self._modes.append(_Modes(np.diag(steps[-1] * shape), shape, part, window, list(steps), workers))
            if not last:
                self._transfers.append([window.at(0.5 * np.arange(float(n))) for n in met])
                met = tuple(int(first[-1]) + window.width for first, _ in self._transfers[-1])

    def _field(self, multiply: Callable[..., None], moments: FloatArray, workers: int) -> FloatArray:
        mesh = self._points.spread(moments, self._points.met, workers)
        self._convolve(0, multiply, mesh, workers)
        return mesh

    def virial(self, energy: ModeEnergy, moments: FloatArray, workers: int) -> FloatArray:
        mesh = self._points.spread(moments, self._points.met, workers)
        virial: FloatArray = self._modes[0].virial(energy, mesh, workers)
        for modes, transfers in zip(self._modes[1:], self._transfers, strict=True):
            mesh = _restricted(mesh, transfers, workers)[-1]
            virial += modes.virial(energy, mesh, workers)
        return virial

    def _convolve(self, octave: int, multiply: Callable[..., None], mesh: FloatArray, workers: int) -> None:
        if octave == len(self._transfers):
            self._modes[octave].apply(multiply, mesh, workers)
            return
        transfers = self._transfers[octave]
        fine = _restricted(mesh, transfers, workers)
        coarse = fine[-1]
        fine[1:] = [np.zeros(part.shape) for part in fine[1:-1]]  # zeroed when touched, by the threads
        self._convolve(octave + 1, multiply, coarse, workers)
        self._modes[octave].apply(multiply, mesh, workers)
        for axis in reversed(_AXES):
            _transfer(kernels.prolong, axis, transfers[axis], coarse, fine[-1], workers)
            coarse = fine.pop()


def _repeated(mesh: FloatArray, width: int, workers: int) -> FloatArray:
    """Return a mesh (nx, ny, nz, m) of a periodic box, and so many more nodes along each axis: C-contiguous."""
    nx, ny, nz, m = mesh.shape
    out, y, z = np.empty((nx + width, ny + width, nz + width, m)), *(np.arange(width) % n for n in (ny, nz))

    def fill(i: int) -> None:
        plane = out[i]
        plane[:ny, :nz] = mesh[i % nx]
        plane[ny:, :nz] = plane[y, :nz]
        plane[:, nz:] = plane[:, z]

    tiles.run(fill, range(nx + width), threads=workers)
    return out


def _restricted(mesh: FloatArray, transfers: list[tuple[IntArray, FloatArray]], workers: int) -> list[FloatArray]:
    """Return a mesh, and what is coarser along one axis, two, and all of them."""
    fine = [mesh]
    for axis in _AXES:
        first, weights = transfers[axis]
        shape = list(fine[-1].shape)
        shape[axis] = int(first[-1]) + weights.shape[1]
        fine.append(np.zeros(shape))
        _transfer(kernels.restrict, axis, transfers[axis], fine[-2], fine[-1], workers)
    return fine


def _transfer(
    kernel: Callable[..., None], axis: int, how: tuple[IntArray, FloatArray], source: FloatArray, target: FloatArray,
    workers: int,
) -> None:  # fmt: skip
    """Add to a mesh what the nodes of one that is finer or coarser along an axis make on it."""
    outer = math.prod(source.shape[:axis])
    source, target = (mesh.reshape(outer, mesh.shape[axis], -1) for mesh in (source, target))
    columns = source.shape[2]
    width, rows = (_COLUMNS, 1) if outer == 1 else (columns, max(1, (1 << 16) // (columns * source.shape[1])))
    pieces = [(o, k) for o in range(0, outer, rows) for k in range(0, columns, width)]

    def work(tile: Tile) -> None:
        some = slice(tile[0], tile[0] + rows)
        kernel(*how, source[some], tile[1], min(tile[1] + width, columns), target[some])

    tiles.run(work, pieces, threads=workers)
