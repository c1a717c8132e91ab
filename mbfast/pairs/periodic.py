r"""Sums over all images of a block on a periodic lattice, of points or cubes, and what holds the body.

The fourth derivatives of r, averaged over both cubes where blocks are cubes, are split as in an Ewald sum. The smooth
part has few modes, which fold onto those of the lattice, exactly: no mesh is needed. What is left ends at a radius.
These sums are those over spheres of images: their trace d_iikk vanishes but for a block and itself. A body that is
held otherwise has a uniform field more, which the methods add.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.polynomial import legendre

from mbfast._core.tiles import cut
from mbfast._core.validate import FloatArray
from mbfast.pairs._ewald.profile import IntArray, Profile, derivative, polynomials
from mbfast.pairs._kernels import periodic as kernels
from mbfast.pairs.cubes import averaged_derivatives
from mbfast.pairs.derivatives import FOURTH, SIXTH, Derivatives, powers_of_d
from mbfast.pairs.geometry import BlockLattice

_RADIUS, _BANDWIDTH = 6.0, 44.0  # spacings; the split's errors, as `_ewald.plan` has them, are 1e-13
_BAND = _BANDWIDTH / _RADIUS
_REACH = _RADIUS * (1.0 + 0.5 / _BANDWIDTH)
_TOGETHER = 4096  # offsets of a plane whose sums are made together
_POINTS = 10  # of Gauss's rule for half a cube's side: exact to rounding for waves of the split's band


def contact(parts: tuple[float, float]) -> tuple[float, float]:
    """Return (e, d), field e T + d tr T: that of the part of r's fourth derivatives of trace 8 pi, isotropic."""
    b, c = parts
    return 4.0 * math.pi * (2.0 * c / 15.0 - b / 3.0), 4.0 * math.pi * c / 15.0


def image_sums(lattice: BlockLattice) -> FloatArray:
    """Return fourth derivatives of r, as INDICES lists them, summed over spheres of images, (15, n1, n2, n3).

    They are those at the offsets (i, j, k) from a block, in spacings; at (0, 0, 0) of its own images alone.
    """
    sums = ImageSums(lattice, (0, 1, 2))
    lines = np.concatenate([sums.lines(some) for some in sums.pieces], axis=1)
    return np.concatenate([sums.planes(lines[..., start:stop]) for start, stop in cut(lattice.shape[2], sums.step)], 3)


class ImageSums:
    """What `image_sums` returns, made in pieces: first along the last two axes, in an order of the axes, then along x.

    Attributes
    ----------
    pieces : list of range
        Wave vectors along x whose `lines` are made together.
    step : int
        Offsets along z whose `planes` are made together.
    """

    def __init__(self, lattice: BlockLattice, order: Sequence[int]) -> None:
        self._sides = [lattice.shape[axis] for axis in order]
        self._odd = FOURTH.odd[:, order]
        self._modes = ImageModes(lattice, order)
        x, y, z = self._sides
        self.pieces = [range(*some) for some in cut(x // 2 + 1, math.ceil(_TOGETHER / max(1, y * z)))]
        self.step = math.ceil(_TOGETHER / max(1, x * y))

    def lines(self, some: range) -> FloatArray:
        """Return transforms of some modes along y and z, (15, modes, ny, nz)."""
        modes = self._modes(some)
        result = np.empty((*modes.shape[:2], *self._sides[1:]))
        for function, values in enumerate(modes):
            result[function] = self._back(self._back(values, function, 1), function, 2)
        return result

    def planes(self, lines: FloatArray) -> FloatArray:
        """Return the sums at some offsets along z, (15, nx, ny, offsets), of all lines there."""
        result = np.empty((len(lines), self._sides[0], *lines.shape[2:]))
        for function, values in enumerate(lines):
            sums = self._back(values, function, 0)
            # of an odd axis i sin is wanted, and -sin is what there is: for both
            result[function] = -sums if self._odd[function].any() else sums
        return result

    def _back(self, values: FloatArray, function: int, axis: int) -> FloatArray:
        odd = self._odd[function, axis]
        result: FloatArray = scipy.fft.irfft(1j * values if odd else values, self._sides[axis], axis)
        return result


class ImageModes:
    """Transforms of `image_sums`, real ones, at wave vectors 2 pi m/n, m = 0 ... n/2 along each axis.

    Axes come in the order that is asked for. If `clamped` they are those of sums without a mean, as a clamped body has
    them, and of other derivatives than the fourth; of fifth ones the transforms are imaginary.
    """

    def __init__(
        self, lattice: BlockLattice, order: Sequence[int] = (0, 1, 2), of: Derivatives = FOURTH, *,
        clamped: bool = False,
    ) -> None:  # fmt: skip
        self._of, self._clamped = of, clamped
        self._powers = np.ascontiguousarray(of.powers[:, order])
        turns = 2.0 * math.pi * np.arange(-math.ceil(_BAND / (2.0 * math.pi)), math.ceil(_BAND / (2.0 * math.pi)) + 1)
        self._k, self._weights, self._waves = [], [], []
        offsets, near = _near(lattice.averaged, of)
        some = (offsets >= 0).all(axis=0)
        self._near = np.zeros((len(near), *[offsets.max() + 1] * 3))
        signs = np.where(of.odd.sum(axis=1) % 3, -1.0, 1.0)[:, None]
        self._near[:, *offsets[list(order)][:, some]] = signs * near[:, some]
        far = np.arange(self._near.shape[1])
        for axis in order:
            n = lattice.shape[axis]
            m = np.arange(n // 2 + 1)
            k = np.add.outer(turns, 2.0 * math.pi / n * m)
            self._k.append(k)
            self._weights.append(np.sinc(0.5 * k / math.pi) ** 2 if lattice.averaged else np.ones_like(k))
            angles = 2.0 * math.pi / n * (np.outer(m, far) % n)
            waves = np.where(of.odd[:, axis, None, None], np.sin(angles), np.cos(angles))
            self._waves.append(np.where(far > 0, 2.0, 1.0) * waves)  # offsets of both signs

    def __call__(self, steps: range) -> FloatArray:
        """Return those at some steps along the first axis, (functions, steps, m2, m3)."""
        some = slice(steps.start, steps.stop)
        first, second, third = self._waves
        part = np.einsum("fkx,fxyz->fkyz", first[:, some], self._near)
        result: FloatArray = second[:, None] @ (part @ third[:, None].swapaxes(-1, -2))
        x, y, z = self._k
        weights = self._weights[0][:, some].copy(), self._weights[1], self._weights[2].ravel()
        k, (series, power), flat = (x[:, some].copy(), y, z.ravel()), _series(self._of is SIXTH), result.reshape(-1)
        kernels.smooth_modes(*k, *weights, _BAND**2, series, power, self._powers, flat, z.shape[1])
        if not self._clamped:
            trace = result[:3].sum(axis=0) + 2.0 * result[3:6].sum(axis=0)
            result[:3] -= trace / 5.0
            result[3:6] -= trace / 15.0
        return result


@functools.cache
def _series(cubed: bool) -> tuple[FloatArray, int]:
    """Chebyshev's series, in 2 (k/band)^2 - 1, of the transform's smooth part times a power of k^2, and the power."""
    series = Profile(_BANDWIDTH, flat=True).band(cubed=cubed).series
    return (-32.0 if cubed else -8.0) * math.pi * series, 2 + cubed  # six factors i make minus one


@functools.cache
def _near(averaged: bool, of: Derivatives) -> tuple[IntArray, FloatArray]:
    """Return whole offsets (3, n) and what the smooth part lacks there, (k, n); at zero what it has of the block."""
    farthest = _REACH + (math.sqrt(3.0) if averaged else 0.0)
    wedge = np.array(list(itertools.combinations_with_replacement(range(math.ceil(farthest), -1, -1), 3))).T
    wedge = wedge[:, np.linalg.norm(wedge, axis=0) < farthest].astype(np.float64)  # x >= y >= z >= 0
    values = _cubes(wedge, of) if averaged else _points(wedge, of)
    # the same by exchange of axes and by mirrors; what is equal or zero along an axis is its own image
    offsets, result = [], []
    for order in itertools.permutations(range(3)):
        turned, its = wedge[list(order)], values[of.turned(order)]
        for signs in itertools.product((1.0, -1.0), repeat=3):
            mirrored = [axis for axis in range(3) if signs[axis] < 0.0]
            offsets.append(turned * np.array(signs)[:, None])
            result.append(np.where(of.odd[:, mirrored].sum(axis=1) % 2, -1.0, 1.0)[:, None] * its)
    every, first = np.unique(np.concatenate(offsets, axis=1).astype(np.int64), axis=1, return_index=True)
    return every, np.concatenate(result, axis=1)[:, first]


def _points(d: FloatArray, of: Derivatives) -> FloatArray:
    """Return what the smooth part lacks at offsets (3, n) of points; at zero, what it has."""
    r, profile = np.linalg.norm(d, axis=0), Profile(_BANDWIDTH, flat=True)
    bare = powers_of_d(r, of.orders)
    # D of r^3/3 is r
    smooth = {n: derivative(profile, n - 1, r / _RADIUS) * _RADIUS ** (3.0 - 2.0 * n) for n in of.orders}
    return of.at(d, {n: bare[n] - smooth[n] for n in of.orders})


def _cubes(d: FloatArray, of: Derivatives) -> FloatArray:
    """Return what the average of the smooth part, by Gauss's rule, lacks at offsets (3, n) of cubes."""
    profile, farthest = Profile(_BANDWIDTH, flat=True), _REACH + 2.0 * math.sqrt(3.0)
    series = polynomials(profile, tuple(n - 1 for n in of.orders), _RADIUS, farthest / _RADIUS, 1e-15)
    x, w = legendre.leggauss(_POINTS)
    x, w = 0.5 * (x + 1.0), 0.25 * w * (1.0 - x)  # of 1 - u on [0, 1]
    x, w = np.concatenate([-x, x]), np.concatenate([w, w])
    points = np.stack(np.meshgrid(x, x, x, indexing="ij")).reshape(3, -1)
    weights = np.multiply.outer(np.multiply.outer(w, w), w).ravel()
    values = np.where(d.any(axis=0), averaged_derivatives(d, of), 0.0)
    for column, place in enumerate(d.T):
        u = place[:, None] + points
        square = np.sum(u * u, axis=0)
        smooth = [np.polyval(row, 2.0 * square / farthest**2 - 1.0) for row in series]
        values[:, column] -= (
            of.at(u, {n: s / square ** (n - 2.0) for n, s in zip(of.orders, smooth, strict=True)}) @ weights
        )
    return values
