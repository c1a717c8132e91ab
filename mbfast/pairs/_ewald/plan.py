"""The cost model of an Ewald sum: radius, band, window and meshes that cost least."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from mbfast._core.validate import FloatArray
from mbfast.pairs._ewald import fft as _fft
from mbfast.pairs._ewald.profile import Profile, Window, window_bandwidth

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """What the cost model chose. Lengths but the cutoff are in units of this, and the density of its cube."""

    cutoff: float
    bandwidth: float
    components: int
    width: int
    oversampling: float
    shapes: tuple[Shape, ...]  # none where all pairs are near
    cost: float
    density: float  # of the blocks around a block
    rtol: float  # what it is made for
    images: float = 0.0  # near ones, of each

    @property
    def step(self) -> float:
        """Of the finest mesh."""
        return math.pi / (self.oversampling * self.bandwidth)

    @property
    def reach(self) -> float:
        """Radius of near pairs: half a radian of the last mode beyond the profile's end, where errors are largest."""
        return 1.0 + 0.5 / self.bandwidth

    def profile(self) -> Profile:
        """Return what splits the interaction."""
        return Profile(self.bandwidth, flat=_MODELS[self.components].flat)

    def window(self) -> Window:
        """Return the mesh's window."""
        return Window(self.width, self.oversampling)


class _Model(NamedTuple):
    """What the cost of moments of so many components depends on, beside what all have in common."""

    flat: bool  # whether the biharmonic part is wanted, and with it profiles that are flat
    pair: float  # ns for what is evaluated for a pair within a cube
    factor: float  # of the split's errors, see `_bandwidth_for`
    power: float


# What one thread of an EPYC of the third generation needs, in ns: for both ways of a number of a node through all
# transforms, of one to and from the mesh with its edges, of a number to a node it has a weight for, and for an image.
_NODE, _EDGE, _WEIGHT, _IMAGE = 20.0, 4.0, 0.8, 100.0
_MODELS = {6: _Model(True, 150.0, 7.5, 3.7), 3: _Model(False, 60.0, 12.0, 2.2)}
_ALL = 0.05  # of the time of a pair within a cube: that of a pair where all are near
_NODES = 1 << 24  # 800 MB of stress, and as much transformed
_SAMPLE = 1 << 15
_SHARE = 0.8  # of rtol, for either error: they do not add up


def choose(
    positions: FloatArray, box: FloatArray, rtol: float, *, components: int, strength: float = 1.0, periodic: bool,
    points: int = 0,
) -> Plan:  # fmt: skip
    """Return the cheapest plan for positions (N, 3) in a box from zero on, its vectors, reduced if periodic, as rows.

    Strength is the largest field of a wave of moments of size 1, in units of 4 pi times prefactor and density; points
    are those where the field is wanted, if not at the blocks.
    """
    n, model, error = len(positions), _MODELS[components], _SHARE * rtol / strength
    rows, targets = n + points, points or n
    sample = positions  # which of many, must have nothing to do with their order, as of a lattice
    if n > _SAMPLE:
        sample = positions[np.random.default_rng(0).choice(n, _SAMPLE, replace=False, shuffle=False)]
    lengths = np.linalg.norm(box, axis=1)
    longest, best = float(lengths.max()) or 1.0, None
    if periodic:
        largest = longest * min(4.0, max(1.0, 10.0 * n ** (-1.0 / 3.0)))  # few blocks want their images
    else:
        largest, everything = longest, 2.0 * longest
        around, cost = _around(sample, n, box, everything, periodic)[0], _ALL * model.pair * n * targets
        best = Plan(everything, 1.0, components, 0, 1.0, (), cost, around, rtol)
    for quarter in range(80):
        cutoff = largest * 2.0 ** (-0.25 * quarter)
        around, images = _around(sample, n, box, cutoff, periodic)
        if around < 1.0 and best is not None:
            break
        near, bandwidth = targets * around * model.pair + rows * images * _IMAGE, _bandwidth_for(error, around, model)
        hopeless = True  # smaller radii want larger meshes
        for oversampling in (1.0, 1.125, 1.25, 1.5):
            width = _width_for(error, around, bandwidth, oversampling)
            step = math.pi / (oversampling * bandwidth)
            nodes = np.ceil(lengths / cutoff / step)
            far = components * (
                rows * width**3 * _WEIGHT + float(np.prod(nodes)) * _NODE + float(np.prod(nodes + width)) * _EDGE
            )
            if float(np.prod(nodes + width)) > max(_NODES, 16.0 * rows) or (best is not None and far > best.cost):
                continue
            hopeless = False
            if best is not None and near + far > best.cost:
                continue
            shapes: tuple[Shape, ...] = (tuple(_fft.good_length(float(count)) for count in nodes),)
            if not periodic:
                shapes = _octaves(lengths / cutoff, step, width)
            edged = math.prod(side + width for side in shapes[0]) * _EDGE
            cost = near + components * (rows * width**3 * _WEIGHT + sum(map(math.prod, shapes)) * _NODE + edged)
            if best is None or cost < best.cost:
                best = Plan(cutoff, bandwidth, components, width, oversampling, shapes, cost, around, rtol, images)
        if hopeless:
            break
    assert best is not None  # radii as long as the sample need few nodes
    return best


def _around(sample: FloatArray, n: int, box: FloatArray, cutoff: float, periodic: bool) -> tuple[float, float]:
    """Return how many blocks are in a cube of the radius around one, at least on average, and how many images of it."""
    cells = np.floor(sample / cutoff).astype(np.int64) @ np.array([1, 1 << 20, 1 << 40])
    counts = np.unique(cells, return_counts=True)[1]
    others = float(np.sum(counts * (counts - 1.0))) * n / len(sample) ** 2
    if not periodic:
        return max(others, n / float(np.prod(np.maximum(np.diag(box) / cutoff, 1.0)))), 0.0
    turns = cutoff * np.linalg.norm(np.linalg.inv(box), axis=0)  # over the distances of opposite faces
    others = (others + 1.0) * float(np.prod(np.maximum(turns, 1.0))) - 1.0
    return max(others, n * cutoff**3 / abs(float(np.linalg.det(box)))), float(np.prod(1.0 + 2.0 * turns)) - 1.0


def _bandwidth_for(error: float, around: float, model: _Model) -> float:
    """Return the split's least bandwidth for an error of moments of size 1, in units of the density.

    Pairs beyond the radius see where the band ends. The worst are ordered moments: the largest error of plane waves of
    all directions on cubic, tetragonal, face- and body-centred lattices with neighbours at the very radius was, for
    c = 8 to 38 and n = 1 to 80 blocks in a cube of the radius, at most factor c^power exp(-c)/n^(1/3), and within a
    factor of 3 of it; moments without order have 0.1 of it or less.
    """
    c = 8.0
    while model.factor * c**model.power * math.exp(-c - 0.5) > error * around ** (1.0 / 3.0):
        c += 0.25
    return c


def _width_for(error: float, around: float, bandwidth: float, oversampling: float) -> int:
    """Return a window's least width, in nodes, for an error as in `_bandwidth_for`.

    Aliases of plane waves make errors of at most 7 c^1.5 exp(-w)/sqrt(n), w the window's bandwidth, and within a factor
    of 4 of it: as found on lattices at nodes and between them, c = 10 to 25, n = 1 to 27, w within 2 of c.
    """
    least = math.log(7.0 * bandwidth**1.5 / (error * math.sqrt(around)))
    return max(4, math.ceil(least / window_bandwidth(1, oversampling)))


def _octaves(extent: FloatArray, step: float, width: int) -> tuple[Shape, ...]:
    """Shapes of the meshes of `OpenFar`, as many as cost least."""
    best: tuple[Shape, ...] = ()
    shapes: list[Shape] = []
    met = [int(a / step) + width for a in extent]
    for octave in range(40):
        h, radius = step * 2.0**octave, 2.0**octave
        far = float(np.linalg.norm(extent)) + 2.0 * radius  # where the cut-off potential, smoothed, ends
        last = tuple(_fft.good_length(max((a + far) / h, n)) for a, n in zip(extent, met, strict=True))
        if not best or sum(map(math.prod, [*shapes, last])) < sum(map(math.prod, best)):
            best = (*shapes, last)
        ends = zip(extent, met, strict=True)
        shapes.append(tuple(_fft.good_length(max((a + 2.0 * radius) / h, n)) for a, n in ends))
        met = [(n - 1) // 2 + width for n in met]
        if sum(map(math.prod, shapes)) > sum(map(math.prod, best)):
            break
    return best
