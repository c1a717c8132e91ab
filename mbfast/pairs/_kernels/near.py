"""Near pairs of Ewald sums, in vectors (`mbfast._core.simd`).

Notation and layout are those of `mbfast.pairs._kernels.ewald`. Of near functions only the smooth parts are given, as
polynomials; what is singular is written out.
"""

from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.numba_private import counted, traced
from mbfast._core.simd import VECTORS as V

_BLOCKS = 3  # of sources at a time: the polynomials of one alone would wait for results
_MORE = _BLOCKS * 8  # sources without moments, at the end


def _gather(law: Any, cell: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any, near: Any) -> Any:
    """Copy positions and moments of the sources in the columns of cells around a cell; return their number.

    The last one follows some times more, without a moment.
    """
    n, most = V.counter(cell), near.sides[1]
    for c in counted(low.sides[0]):
        first, end = starts[cell + low[c]], starts[cell + high[c] + 1]
        for start, some in V.blocks(end - first):
            for a in range(3 + law.components):
                array, row = (positions, a) if a < 3 else (moments, a - 3)
                V.store(near, a * most + n + start, V.load(array, row * array.sides[1] + first + start, some))
        n += end - first
    last = V.most(n - 1, 0)
    for a in range(3 + law.components):
        for k in range(_BLOCKS):
            more = V.zeros(cell) + (near[a * most + last] if a < 3 else 0.0)
            V.store(near, a * most + n + k * V.width, more)
    return n


def _add(law: Any, point: Any, near: Any, n: Any, polynomials: Any, square: Any) -> Any:
    """Return the sums over n near sources at a point."""
    size, most, degree = _BLOCKS * V.width, near.sides[1], polynomials.sides[1]
    sums = [V.zeros(n) for _ in range(law.sums)]
    for number in counted((n + (size - 1)) // size):
        blocks = [number * size + k * V.width for k in range(_BLOCKS)]
        displacements = [[V.load(near, a * most + j) - point[a] for a in range(3)] for j in blocks]
        squares = [d[0] * d[0] + d[1] * d[1] + d[2] * d[2] for d in displacements]
        arguments = [2.0 / square * r2 - 1.0 for r2 in squares]
        smooth = [[V.zeros(n) for _ in range(law.functions)] for _ in blocks]
        for four in counted(degree // 4):  # powers
            for power in range(4):
                for f in range(law.functions):
                    c = polynomials[f * degree + four * 4 + power]
                    for u, values in zip(arguments, smooth, strict=True):
                        values[f][:] = values[f] * u + c
        for k, (j, d, r2) in enumerate(zip(blocks, displacements, squares, strict=True)):
            i1, i2 = V.inverse(V.where(square > r2, r2, 0.0), k)
            moment = [V.load(near, (3 + a) * most + j) for a in range(law.components)]
            law.add(d, r2, i1, i2, smooth[k], moment, sums)
    return [V.total(x) for x in sums]


def _fields(
    law: Any, cells: Any, ends: Any, targets: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, near: Any, square: Any, out: Any,
) -> None:  # fmt: skip
    """Add to out the near field at targets."""
    m = targets.sides[1]
    for k in counted(cells.sides[0]):
        n = _gather(law, cells[k], low, high, starts, positions, moments, near)
        for i in counted(ends[k + 1], ends[k]):
            sums = _add(law, [targets[a * m + i] for a in range(3)], near, n, polynomials, square)
            for a, h in enumerate(law.finish(sums)):
                out[a * m + i] += h


class _Stress:
    """The near field of stress, given the smooth parts of r^2 D^2 psi, r^4 D^3 psi and r^6 D^4 psi."""

    components, functions, sums = 6, 3, 7

    def __init__(self, b: Any, c2: Any) -> None:
        self.b, self.c2 = b, c2

    def add(self, d: Any, r2: Any, i1: Any, i2: Any, smooth: Any, moment: Any, sums: Any) -> None:
        """Add the parts of the field."""
        b, c2 = self.b, self.c2
        (dx, dy, dz), (xx, yy, zz, yz, xz, xy) = d, moment
        i4 = i2 * i2
        d2 = -i2 * (i1 + smooth[0])
        d3 = i4 * (3.0 * i1 - smooth[1])
        d4 = -(i4 * i2) * (15.0 * i1 + smooth[2])
        wx = xx * dx + xy * dy + xz * dz
        wy = xy * dx + yy * dy + yz * dz
        wz = xz * dx + yz * dy + zz * dz
        t = xx + yy + zz
        q = dx * wx + dy * wy + dz * wz
        e = (c2 - 2.5 * b) * d2 - (0.5 * b) * (r2 * d3)
        m = (c2 - 1.75 * b) * d3 - (0.25 * b) * (r2 * d4)
        p = (0.25 * c2) * (d3 * t + d4 * q)
        ux, uy, uz = m * wx + p * dx, m * wy + p * dy, m * wz + p * dz
        for a, one, other in (
            *((a, e, moment[a]) for a in range(6)),
            *((a, d[a] + d[a], u) for a, u in enumerate((ux, uy, uz))),
            *((3, dy, uz), (3, dz, uy), (4, dx, uz), (4, dz, ux), (5, dx, uy), (5, dy, ux), (6, d2, t), (6, d3, q)),
        ):
            sums[a] += one * other

    def finish(self, sums: Any) -> Any:
        """Return the field."""
        return [sums[a] + (0.5 * self.c2 * sums[6] if a < 3 else 0.0) for a in range(6)]


class _Dipole:
    """The near field of dipoles, given the smooth parts of r^2 D phi and r^4 D^2 phi."""

    components, functions, sums = 3, 2, 3

    def add(self, d: Any, _r2: Any, i1: Any, i2: Any, smooth: Any, p: Any, h: Any) -> None:
        """Add the field."""
        d1 = i2 * (i1 + smooth[0])
        q = (i2 * i2) * (smooth[1] - 3.0 * i1) * (d[0] * p[0] + d[1] * p[1] + d[2] * p[2])
        for a in range(3):
            h[a] += d1 * p[a]
            h[a] += q * d[a]

    def finish(self, h: Any) -> Any:
        """Return the field."""
        return h


@traced
def _add_stress(
    cells: Any, ends: Any, targets: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, near: Any, square: Any, b: Any, c2: Any, out: Any,
) -> None:  # fmt: skip
    _fields(_Stress(b, c2), cells, ends, targets, low, high, starts, positions, moments, polynomials, near, square, out)


@jit(
    "void(int64[::1], int64[::1], float64[:, ::1], int64[::1], int64[::1], int64[::1], float64[:, ::1], "
    "float64[:, ::1], float64[:, ::1], int64, float64, float64, float64, float64[:, ::1])",
    fastmath=FAST,
)
def near_stress(
    cells: Any, ends: Any, targets: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, most: int, square: float, b: float, c2: float, out: Any,
) -> None:  # fmt: skip
    """Add to out (6, m) the near field at targets (3, m), which stand in `cells` in order, [ends[k], ends[k + 1]).

    Sources are in order of their cells; those of cell c are [starts[c], starts[c + 1]). Sources of [c + low, c + high]
    for each pair of low and high, at most `most`, are near c. polynomials (3, 4k): r^2 D^2, r^4 D^3, r^6 D^4 of the
    smooth part, in powers of 2 r^2/square - 1, highest first; the near field ends at r^2 = square.
    """
    near = np.empty((9, most + _MORE))
    _add_stress(cells, ends, targets, low, high, starts, positions, moments, polynomials, near, square, b, c2, out)


@traced
def _add_dipole(
    cells: Any, ends: Any, targets: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, near: Any, square: Any, out: Any,
) -> None:  # fmt: skip
    _fields(_Dipole(), cells, ends, targets, low, high, starts, positions, moments, polynomials, near, square, out)


@jit(
    "void(int64[::1], int64[::1], float64[:, ::1], int64[::1], int64[::1], int64[::1], float64[:, ::1], "
    "float64[:, ::1], float64[:, ::1], int64, float64, float64[:, ::1])",
    fastmath=FAST,
)
def near_dipole(
    cells: Any, ends: Any, targets: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, most: int, square: float, out: Any,
) -> None:  # fmt: skip
    """Add to out (3, m) the near field of dipoles, as `near_stress`; polynomials (2, 4k): of r^2 D and r^4 D^2."""
    near = np.empty((6, most + _MORE))
    _add_dipole(cells, ends, targets, low, high, starts, positions, moments, polynomials, near, square, out)
