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

import numpy as np
import scipy.fft
from numpy.polynomial import legendre

from mbfast._core.validate import FloatArray
from mbfast.pairs._ewald.profile import IntArray, Profile, derivative, polynomials
from mbfast.pairs.cubes import averaged_derivatives
from mbfast.pairs.derivatives import FOURTH, SIXTH, Derivatives, powers_of_d
from mbfast.pairs.geometry import BlockLattice

_RADIUS, _BANDWIDTH = 6.0, 44.0  # spacings; the split's errors, as `_ewald.plan` has them, are 1e-13
_REACH = _RADIUS * (1.0 + 0.5 / _BANDWIDTH)
_POINTS = 10  # of Gauss's rule for half a cube's side: exact to rounding for waves of the split's band


def contact(parts: tuple[float, float]) -> tuple[float, float]:
    """Return (e, d), field e T + d tr T: that of the part of r's fourth derivatives of trace 8 pi, isotropic."""
    b, c = parts
    return 4.0 * math.pi * (2.0 * c / 15.0 - b / 3.0), 4.0 * math.pi * c / 15.0


def image_sums(lattice: BlockLattice) -> FloatArray:
    """Return fourth derivatives of r, as INDICES lists them, summed over spheres of images, (15, n1, n2, n3).

    They are those at the offsets (i, j, k) from a block, in spacings; at (0, 0, 0) of its own images alone.
    """
    result = np.empty((15, *lattice.shape))
    for function, modes in enumerate(image_modes(lattice)):
        for axis in (0, 1):  # modes of both signs; transforms of real numbers want one along the last axis
            back = np.arange((lattice.shape[axis] - 1) // 2, 0, -1)
            signs = -1.0 if FOURTH.odd[function, axis] else 1.0
            modes = np.concatenate([modes, signs * modes.take(back, axis)], axis)
        result[function] = scipy.fft.irfftn(modes, lattice.shape)
    return result


def image_modes(lattice: BlockLattice) -> FloatArray:
    """Return the transforms of `image_sums`, real, at wave vectors 2 pi m/n, m = 0 ... n/2 along each axis."""
    result = clamped_modes(lattice)
    trace = result[:3].sum(axis=0) + 2.0 * result[3:6].sum(axis=0)
    result[:3] -= trace / 5.0
    result[3:6] -= trace / 15.0
    return result


def clamped_modes(lattice: BlockLattice, of: Derivatives = FOURTH) -> FloatArray:
    """Return the transforms of sums over all images without a mean, as a clamped body has them.

    They are real, and those of fifth derivatives imaginary.
    """
    result = _octant(lattice, of)
    offsets, near = _near(lattice.averaged, of)
    some = (offsets >= 0).all(axis=0)
    whole = np.zeros((len(of.names), *[offsets.max() + 1] * 3))
    whole[:, *offsets[:, some]] = near[:, some]
    far = np.arange(whole.shape[1])
    angles = [2.0 * math.pi / n * (np.outer(np.arange(n // 2 + 1), far) % n) for n in lattice.shape]
    twice = np.where(far > 0, 2.0, 1.0)  # offsets of both signs
    waves = [(twice * np.cos(angle), twice * np.sin(angle)) for angle in angles]
    for function, part in enumerate(whole):
        for axis, odd in enumerate(of.odd[function]):
            part = np.tensordot(part, waves[axis][int(odd)], (0, 1))
        result[function] += part if of.odd[function].sum() in (0, 3) else -part
    return result


def _octant(lattice: BlockLattice, of: Derivatives) -> FloatArray:
    """Return the modes of the smooth part at wave vectors 2 pi m/n, m = 0 ... n/2 along each axis."""
    band = _BANDWIDTH / _RADIUS
    value = Profile(_BANDWIDTH, flat=True).band(cubed=of is SIXTH)
    first = [2.0 * math.pi / n * np.arange(n // 2 + 1) for n in lattice.shape]
    turns = 2.0 * math.pi * np.arange(-math.ceil(band / (2.0 * math.pi)), math.ceil(band / (2.0 * math.pi)) + 1)
    result = np.zeros((len(of.names), *map(len, first)))
    for turn in itertools.product(turns, repeat=3):
        kept = [np.flatnonzero(np.abs(k + g) < band) for k, g in zip(first, turn, strict=True)]
        if not all(map(len, kept)):
            continue
        k = [(k + g)[some] for k, g, some in zip(first, turn, kept, strict=True)]
        squares = np.add.outer(np.add.outer(k[0] ** 2, k[1] ** 2), k[2] ** 2)
        weight = -8.0 * math.pi * value(_RADIUS**2 * squares) / np.where(squares > 0.0, squares, np.inf) ** 2
        if of is SIXTH:
            weight *= 4.0 / np.where(squares > 0.0, squares, np.inf)
        if lattice.averaged:
            k_ = [np.sinc(0.5 * x / math.pi) ** 2 for x in k]
            weight *= k_[0][:, None, None] * k_[1][:, None] * k_[2]
        powers = [x ** np.arange(7.0)[:, None] for x in k]
        for function, (p, q, r) in enumerate(of.powers):
            term = weight * powers[0][p][:, None, None] * powers[1][q][:, None] * powers[2][r]
            result[function][np.ix_(*kept)] += term
    return result


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
