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
    """What the cost model chose. Lengths but the cutoff are in units of this."""

    cutoff: float
    bandwidth: float
    components: int
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
        return Profile(self.bandwidth, flat=_MODELS[self.components].flat)

    def window(self) -> Window:
        """Return the mesh's window."""
        return Window(self.width, self.oversampling)


class _Model(NamedTuple):
    """What the cost of moments of so many components depends on, beside `_NODE` and `_WEIGHT`."""

    flat: bool  # whether the biharmonic part is wanted, and with it profiles that are flat
    pair: float  # ns for what is evaluated for a pair within a cube
    factor: float  # errors of the split in units of moment times density: factor c^power exp(-c)/sqrt(n)
    power: float


# What one thread of an EPYC of the third generation needs, in ns: for both ways of a number of a node through all
# transforms, and of a number to a node it has a weight for.
_NODE, _WEIGHT = 25.0, 0.8
_MODELS = {6: _Model(True, 150.0, 0.35, 4.3), 3: _Model(False, 60.0, 1.9, 2.5)}
_NODES = 1 << 24  # 800 MB of stress, and as much transformed
_SAMPLE = 1 << 15
_SHARE = 0.4  # of rtol, for either error


def choose(positions: FloatArray, lengths: FloatArray, rtol: float, *, components: int, periodic: bool) -> Plan:
    """Return the cheapest plan for positions (N, 3), not negative; lengths of the box's vectors, or of their extent."""
    n, model = len(positions), _MODELS[components]
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
        near = n * around * model.pair
        bandwidth = _bandwidth_for(rtol, around, model)
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
            shapes: tuple[Shape, ...] = (tuple(_fft.good_length(float(count)) for count in nodes),)
            if not periodic:
                shapes = _octaves(lengths / cutoff, step, width)
            cost = near + components * (n * width**3 * _WEIGHT + sum(map(math.prod, shapes)) * _NODE)
            if best is None or cost < best.cost:
                best = Plan(cutoff, bandwidth, components, width, oversampling, shapes, cost)
        if hopeless:
            break
    assert best is not None  # radii as long as the sample need few nodes
    return best


def _bandwidth_for(rtol: float, around: float, model: _Model) -> float:
    """Return the split's least bandwidth for rtol.

    Pairs beyond the radius see where the band ends: moments without order have root mean square errors, in units of
    moment times density, of factor c^power exp(-c)/sqrt(n), n the number of blocks in a cube of the radius: a fit, good
    to a third from c = 12 to 36. Ordered ones may see a few times as much.
    """
    c = 8.0
    while model.factor * c**model.power * math.exp(-c) > _SHARE * rtol * math.sqrt(around):
        c += 0.25
    return c


def _width_for(rtol: float, around: float, bandwidth: float, oversampling: float) -> int:
    """Return a window's least width, in nodes, for rtol.

    Aliases make errors, in the units of `_bandwidth_for`, of 2 c^1.5 exp(-w)/sqrt(n), w the window's bandwidth.
    """
    least = math.log(2.0 * bandwidth**1.5 / (_SHARE * rtol * math.sqrt(around)))
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
