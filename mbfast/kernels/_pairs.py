"""The loops of the pair kernels, written by `traced` in vectors, for any law of interaction.

A law makes rows of the position and the moment of a source, the first three its position (``rows``). It adds what a
source makes at the displacement d to it, given r^-1 and r^-2, to some sums, if wanted with the target's own moment
(``add``), and makes of these what is added to the output (``finish``); for a single source the field may be had at once
(``one``), and the energy with a target's moment (``between``). All are expressions of numbers or vectors.
``components`` is the number of those of a moment, ``count`` that of the rows, ``sums`` that of the sums; ``targets``
says how many targets are served at a time, for which there must be registers, so that none waits for results.
"""

from collections.abc import Iterator
from typing import Any

from mbfast._core.simd import VECTORS as V
from mbfast._core.simd import dot
from mbfast._core.tracing import counted

TILE = 1024  # sources at a time: they stay in the nearer caches


class Law:
    """What laws have in common: that a result is its sums."""

    def finish(self, sums: Any) -> Any:
        """Return what is added to the output."""
        return sums


class Forces(Law):
    """The gradient of the pair energy by d: the force on the target. `gradient` is that times r^5."""

    gradient: Any
    sums = 3

    def add(self, d: Any, i1: Any, i2: Any, rows: Any, own: Any, sums: Any) -> None:
        """Add the gradient."""
        a5 = i2 * i2 * i1
        for a, g in enumerate(self.gradient(*d, i2, *own, *rows[3:])):
            sums[a] += a5 * g


class Virial(Forces):
    """Half of the products of that gradient and d, in the order xx, xy, xz, yx, ..."""

    sums = 9

    def add(self, d: Any, i1: Any, i2: Any, rows: Any, own: Any, sums: Any) -> None:
        """Add the products."""
        a5 = i2 * i2 * i1
        for a, g in enumerate(self.gradient(*d, i2, *own, *rows[3:])):
            scaled = a5 * g
            for b in range(3):
                sums[3 * a + b] += scaled * d[b]

    def finish(self, sums: Any) -> Any:
        """Return half of them."""
        return [0.5 * x for x in sums]


def tile_size(rows: int) -> int:
    """Return how long an array for a tile has to be."""
    return (TILE + V.width) * rows


def _points(law: Any, targets: Any, own: Any, i: Any, size: int) -> tuple[Any, Any]:
    """Return the positions of targets from i on, followed by their moments if they have some, and sums for each."""
    m, components = targets.sides[1], range(law.components if own is not None else 0)
    points = [
        [*(targets[a * m + i + k] for a in range(3)), *(own[a * m + i + k] for a in components)] for k in range(size)
    ]
    return points, [[V.zeros(i) for _ in range(law.sums)] for _ in points]


def _add(law: Any, points: Any, rows: Any, start: Any, last: Any, sums: Any) -> None:
    """Add what sources, from number start on, make at points; at the k-th only those beyond last + k."""
    for k, point in enumerate(points):
        d = [rows[a] - point[a] for a in range(3)]
        r2 = dot(d, d)
        if last is not None:
            r2 = V.where(V.lanes(start) > last + k, r2, 0.0)
        law.add(d, *V.inverse(r2, k), rows, point[3:], sums[k])


def _results(
    law: Any, targets: Any, own: Any, m: Any, positions: Any, moments: Any, tile: Any, before: Any = None
) -> Iterator[tuple[Any, Any]]:  # fmt: skip
    """Yield the numbers i of the first m targets and parts of their results, if given of sources beyond before + i."""
    n, tile = positions.sides[1], V.aligned(tile)
    tiles = V.least(m, 1) * ((n + (TILE - 1)) // TILE)
    for number in counted(tiles, None if before is None else V.most(before, 0) // TILE):
        first = number * TILE
        count, last = V.least(n - first, TILE), None if before is None else before - first
        points, sums = _points(law, targets, own, 0 * m, 1)
        for start, some in V.blocks(count):  # the first target fills the tile
            x = [V.load(positions, a * n + first + start, some, positions[a * n + n - 1]) for a in range(3)]
            t = [V.load(moments, a * n + first + start, some) for a in range(law.components)]
            rows = law.rows(x, t)
            for _ in V.when(m > 1):
                for row, vector in enumerate(rows):
                    V.store(tile, start * law.count + row * V.width, vector)
            _add(law, points, rows, start, last, sums)
        yield 0 * m, law.finish([V.total(x) for x in sums[0]])
        blocks = (count + (V.width - 1)) // V.width
        for i, size in V.groups(m, law.targets, 1):
            points, sums = _points(law, targets, own, i, size)
            pieces = [(0 * m, blocks, None)]
            if last is not None:  # blocks up to `middle` have sources that are left out
                middle = V.least((V.most(last + i + size, 0) + (V.width - 1)) // V.width, blocks)
                pieces = [(V.most(last + i + 1, 0) // V.width, middle, last + i), (middle, blocks, None)]
            for begin, end, left_out in pieces:
                for block in counted(end, begin):
                    rows = [V.load(tile, (block * law.count + row) * V.width) for row in range(law.count)]
                    _add(law, points, rows, block * V.width, left_out, sums)
            for k in range(size):
                yield i + k, law.finish([V.total(x) for x in sums[k]])


def add(law: Any, targets: Any, own: Any, positions: Any, moments: Any, tile: Any, out: Any) -> None:
    """Add to out the results of all sources at targets, with their own moments or None."""
    m = targets.sides[1]
    for i, result in _results(law, targets, own, m, positions, moments, tile):
        for a, h in enumerate(result):
            out[a * m + i] += h


def add_energy(
    law: Any, targets: Any, own: Any, m: Any, before: Any, positions: Any, moments: Any, tile: Any, out: Any
) -> None:  # fmt: skip
    """Add to out[0] the energies of the first m targets with sources: of target i, with those beyond before + i."""
    for i, field in _results(law, targets, None, m, positions, moments, tile, before):
        for a, h in enumerate(field):
            out[0] += own[a * own.sides[1] + i] * h * (1.0 if a < 3 else 2.0)


def add_source_field(law: Any, targets: Any, source: Any, moment: Any, out: Any) -> None:
    """Add to out the field of one source at m targets, a vector of them at a time."""
    m = targets.sides[1]
    rows = law.rows([source[a] for a in range(3)], [moment[a] for a in range(law.components)])
    for start, some in V.blocks(m):
        d = [V.load(targets, a * m + start, some) - rows[a] for a in range(3)]
        for a, h in enumerate(law.one(d, *V.inverse(dot(d, d)), rows)):
            V.store(out, a * m + start, V.load(out, a * m + start, some) + h, some)


def add_source_energies(law: Any, targets: Any, own: Any, source: Any, moment: Any, out: Any) -> None:
    """Add to out (m,) the energies of m targets, with their own moments, and one source, a vector of them at a time."""
    m, components = targets.sides[1], range(law.components)
    rows = law.rows([source[a] for a in range(3)], [moment[a] for a in components])
    for start, some in V.blocks(m):
        d = [V.load(targets, a * m + start, some) - rows[a] for a in range(3)]
        mine = [V.load(own, a * m + start, some) for a in components]
        energy = law.between(d, *V.inverse(dot(d, d)), rows, mine)
        V.store(out, start, V.load(out, start, some) + energy, some)
