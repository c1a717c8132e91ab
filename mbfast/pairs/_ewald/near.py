"""Near pairs of an Ewald sum, found through cells."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mbfast._core import tiles
from mbfast._core.tiles import Tile
from mbfast._core.validate import FloatArray
from mbfast.pairs._ewald.plan import Shape
from mbfast.pairs._ewald.profile import IntArray

_PAIRS = 1 << 20  # pairs of a tile of near ones, in gradients 20 ms
_REACH = 2  # cells that the radius spans


class Near:
    """Pairs nearer than a radius, found through cells; images in a periodic box are sources of their own.

    Positions (N, 3) are taken as they are, without rounding, which close pairs would feel. Fractions, of the box's
    vectors, say in which cell a block is. Points that follow the blocks are targets in place of these.
    """

    def __init__(
        self, positions: FloatArray, fractions: FloatArray, box: FloatArray, radius: float, *, blocks: int,
        periodic: bool,
    ) -> None:  # fmt: skip
        n, self._square = len(positions), radius * radius
        margin = radius * (1.0 + 1e-9) * np.linalg.norm(np.linalg.inv(box), axis=0)
        every, owners, step = fractions, np.arange(n), margin / _REACH
        if periodic:
            turns = np.zeros((n, 3))
            for axis in range(3):
                every, turns, owners = _repeated(every, turns, owners, axis, float(margin[axis]))
            positions = np.concatenate([positions, positions[owners[n:]] + turns[n:] @ box])
        cells = np.floor((every - every.min(axis=0)) / step).astype(np.int64) + _REACH
        shape = tuple(int(c) + _REACH + 1 for c in cells.max(axis=0))
        ids = np.ravel_multi_index(tuple(cells.T), shape)
        sources, targets = np.flatnonzero(owners < blocks), np.arange(blocks if blocks < n else 0, n)
        order = sources[np.argsort(ids[sources], kind="stable")]
        self._owners = owners[order]
        self._positions = np.ascontiguousarray(positions[order].T)
        self._starts = np.searchsorted(ids[order], np.arange(math.prod(shape) + 1)).astype(np.int64)
        self._low, self._high = _columns(box * step[:, None], shape, radius)
        self._order = targets[np.argsort(ids[targets], kind="stable")]
        self._targets = np.ascontiguousarray(positions[self._order].T)
        self._cells, first = np.unique(ids[self._order], return_index=True)
        self._ends = np.append(first, len(targets)).astype(np.int64)
        count = np.zeros(self._cells.size, dtype=np.int64)
        for low, high in zip(self._low, self._high, strict=True):
            count += self._starts[self._cells + high + 1] - self._starts[self._cells + low]
        self._most = int(count.max())
        work = np.cumsum(count * np.diff(self._ends) + 100)
        bounds = np.unique(np.searchsorted(work, np.arange(_PAIRS, work[-1], _PAIRS)))
        bounds = np.concatenate([[0], bounds[bounds > 0], [self._cells.size]])
        self._pieces = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))

    def add(
        self, kernel: Callable[..., None], moments: FloatArray, polynomials: FloatArray,
        coefficients: tuple[float, ...], out: FloatArray, workers: int, *, own: bool = False,
    ) -> None:  # fmt: skip
        """Add to out (N, w) the sums of a kernel over near moments (N, m); `own`: it wants those of the targets too."""
        sources = np.ascontiguousarray(moments[self._owners].T)

        def work(piece: Tile) -> None:
            ends = self._ends[piece[0] : piece[1] + 1]
            some = slice(ends[0], ends[-1])
            part = np.zeros((out.shape[1], int(ends[-1] - ends[0])))
            targets = [self._targets[:, some], *([moments[self._order[some]].T] if own else [])]
            these = self._cells[slice(*piece)], ends - ends[0], *map(np.ascontiguousarray, targets)
            around = self._low, self._high, self._starts, self._positions, sources
            kernel(*these, *around, polynomials, self._most, self._square, *coefficients, part)
            out[self._order[some]] += part.T

        tiles.run(work, self._pieces, threads=workers)


def _repeated(
    fractions: FloatArray, turns: FloatArray, owners: IntArray, axis: int, margin: float
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return blocks followed by their images along an axis within a margin of the cell, as fractions are of it."""
    lowest, highest = np.ceil(-margin - fractions[:, axis]), np.floor(1.0 + margin - fractions[:, axis])
    counts = (highest - lowest).astype(np.int64)  # without the block itself
    rows = np.repeat(np.arange(len(counts)), counts)
    steps = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) + lowest[rows]
    steps += steps >= 0.0
    moved, turned = fractions[rows], turns[rows]
    moved[:, axis] += steps
    turned[:, axis] += steps
    return np.concatenate([fractions, moved]), np.concatenate([turns, turned]), np.concatenate([owners, owners[rows]])


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
    base = around[:, None] * shape[1] + around
    some = near.any(axis=2)
    low, high = base * shape[2] + first - _REACH, base * shape[2] + last - _REACH
    return low[some].astype(np.int64), high[some].astype(np.int64)
