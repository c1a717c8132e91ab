"""Near pairs of Ewald sums, in vectors (`mbfast._core.simd`).

Notation and layout are those of `mbfast.pairs._kernels.ewald`. Of near functions only the smooth parts are given, as
polynomials; what is singular is written out. With w = T d, q = d.w, t = tr T, primes likewise, and psi_n = D^n psi,
phi_n = D^n phi, the near energies of two moments are

    stress   u = E T:T' + M w.w' + (c2/2) [psi_4 q q' + psi_3 (t q' + t' q) + psi_2 t t'],
             E = (c2 - 5/2 b) psi_2 - b r^2 psi_3/2, M = (2 c2 - 7/2 b) psi_3 - b r^2 psi_4/2,
    dipole   u = -phi_1 p.p' - phi_2 (d.p)(d.p'),

and as the gradient of a function f of r is d Df, theirs want psi_3 to psi_5, and phi_2 and phi_3.
"""

from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.simd import VECTORS as V
from mbfast._core.simd import dot, times
from mbfast._core.tracing import counted, traced
from mbfast.kernels._pairs import Law

_BLOCKS = 3  # of sources at a time: the polynomials of one alone would wait for results
_MORE = _BLOCKS * 8  # sources without moments, at the end


def _gather(law: Any, cell: Any, around: Any, sources: Any, near: Any) -> Any:
    """Copy positions and moments of the sources in the columns of cells around a cell; return their number.

    The last one follows some times more, without a moment.
    """
    (low, high, starts), (positions, moments) = around, sources
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


def _sums(law: Any, point: Any, own: Any, near: Any, n: Any, polynomials: Any, square: Any) -> Any:
    """Return the sums over n near sources at a point with a moment of its own, if it is wanted."""
    size, most, degree = _BLOCKS * V.width, near.sides[1], polynomials.sides[1]
    sums = [V.zeros(n) for _ in range(law.sums)]
    for number in counted((n + (size - 1)) // size):
        blocks = [number * size + k * V.width for k in range(_BLOCKS)]
        displacements = [[point[a] - V.load(near, a * most + j) for a in range(3)] for j in blocks]
        squares = [dot(d, d) for d in displacements]
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
            law.add(d, r2, i1, i2, smooth[k], moment, own, sums)
    return [V.total(x) for x in sums]


def _add(
    law: Any, cells: Any, ends: Any, targets: Any, own: Any, around: Any, sources: Any, smooth: Any, near: Any, out: Any
) -> None:  # fmt: skip
    """Add to out the sums over near sources at targets."""
    m = targets.sides[1]
    for k in counted(cells.sides[0]):
        n = _gather(law, cells[k], around, sources, near)
        for i in counted(ends[k + 1], ends[k]):
            point = [targets[a * m + i] for a in range(3)]
            moment = None if own is None else [own[a * m + i] for a in range(law.components)]
            for a, h in enumerate(law.finish(_sums(law, point, moment, near, n, *smooth))):
                out[a * m + i] += h


class _Stress(Law):
    """The near field of stress, given the smooth parts of r^2 D^2 psi, r^4 D^3 psi and r^6 D^4 psi."""

    components, functions, sums = 6, 3, 7

    def __init__(self, b: Any, c2: Any) -> None:
        self.b, self.c2 = b, c2

    def add(self, d: Any, r2: Any, i1: Any, i2: Any, smooth: Any, moment: Any, _own: Any, sums: Any) -> None:
        """Add the parts of the field."""
        b, c2 = self.b, self.c2
        dx, dy, dz = d
        i4 = i2 * i2
        d2 = -i2 * (i1 + smooth[0])
        d3 = i4 * (3.0 * i1 - smooth[1])
        d4 = -(i4 * i2) * (15.0 * i1 + smooth[2])
        w, t = times(moment, d), moment[0] + moment[1] + moment[2]
        q = dot(d, w)
        e = (c2 - 2.5 * b) * d2 - (0.5 * b) * (r2 * d3)
        m = (c2 - 1.75 * b) * d3 - (0.25 * b) * (r2 * d4)
        p = (0.25 * c2) * (d3 * t + d4 * q)
        ux, uy, uz = [m * w[a] + p * d[a] for a in range(3)]
        for a, one, other in (
            *((a, e, moment[a]) for a in range(6)),
            *((a, d[a] + d[a], u) for a, u in enumerate((ux, uy, uz))),
            *((3, dy, uz), (3, dz, uy), (4, dx, uz), (4, dz, ux), (5, dx, uy), (5, dy, ux), (6, d2, t), (6, d3, q)),
        ):
            sums[a] += one * other

    def finish(self, sums: Any) -> Any:
        """Return the field, with the isotropic part."""
        return [sums[a] + (0.5 * self.c2 * sums[6] if a < 3 else 0.0) for a in range(6)]


class _Dipole(Law):
    """The near field of dipoles, given the smooth parts of r^2 D phi and r^4 D^2 phi."""

    components, functions, sums = 3, 2, 3

    def add(self, d: Any, _r2: Any, i1: Any, i2: Any, smooth: Any, p: Any, _own: Any, h: Any) -> None:
        """Add the field."""
        d1 = i2 * (i1 + smooth[0])
        q = (i2 * i2) * (smooth[1] - 3.0 * i1) * dot(d, p)
        for a in range(3):
            h[a] += d1 * p[a]
            h[a] += q * d[a]


@traced
def _add_stress(
    cells: Any, ends: Any, targets: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, near: Any, square: Any, b: Any, c2: Any, out: Any,
) -> None:  # fmt: skip
    around, smooth = (low, high, starts), (polynomials, square)
    _add(_Stress(b, c2), cells, ends, targets, None, around, (positions, moments), smooth, near, out)


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
    around, smooth = (low, high, starts), (polynomials, square)
    _add(_Dipole(), cells, ends, targets, None, around, (positions, moments), smooth, near, out)


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


class _StressGradient(Law):
    """du/dd and (du/dd_i) d_j of stress, given the smooth parts of r^4 D^3 psi, r^6 D^4 psi and r^8 D^5 psi."""

    components, functions, sums = 6, 3, 12

    def __init__(self, b: Any, c2: Any) -> None:
        self.b, self.c2 = b, c2

    def add(self, d: Any, r2: Any, i1: Any, i2: Any, smooth: Any, moment: Any, own: Any, sums: Any) -> None:
        """Add the gradient and its products with the displacement."""
        b, c2 = self.b, self.c2
        i4 = i2 * i2
        d3 = i4 * (3.0 * i1 - smooth[0])
        d4 = -(i4 * i2) * (15.0 * i1 + smooth[1])
        d5 = (i4 * i4) * (105.0 * i1 - smooth[2])
        u, v = times(moment, d), times(own, d)
        s = dot(own, moment) + 2.0 * dot(own[3:], moment[3:])
        t, t_ = moment[0] + moment[1] + moment[2], own[0] + own[1] + own[2]
        q, q_ = dot(d, u), dot(d, v)
        e = ((c2 - 3.5 * b) * d3 - (0.5 * b) * (r2 * d4)) * s
        e = e + (0.5 * c2) * (d3 * (t * t_) + d4 * (t_ * q + t * q_) + d5 * (q * q_))
        e = e + ((2.0 * c2 - 4.5 * b) * d4 - (0.5 * b) * (r2 * d5)) * dot(u, v)
        m = (2.0 * c2 - 3.5 * b) * d3 - (0.5 * b) * (r2 * d4)
        k, k_ = c2 * (d3 * t + d4 * q), c2 * (d3 * t_ + d4 * q_)
        both = zip(d, u, v, times(own, u), times(moment, v), strict=True)
        _add_gradient([m * (tu + sv) + k * v_ + k_ * u_ + e * x for x, u_, v_, tu, sv in both], d, sums)


class _DipoleGradient(Law):
    """du/dd and (du/dd_i) d_j of dipoles, given the smooth parts of r^4 D^2 phi and r^6 D^3 phi."""

    components, functions, sums = 3, 2, 12

    def add(self, d: Any, _r2: Any, i1: Any, i2: Any, smooth: Any, p: Any, own: Any, sums: Any) -> None:
        """Add the gradient and its products with the displacement."""
        i4 = i2 * i2
        d2 = i4 * (smooth[0] - 3.0 * i1)  # with the sign of u
        d3 = (i4 * i2) * (smooth[1] + 15.0 * i1)
        q, q_ = dot(d, p), dot(d, own)
        e = d2 * dot(p, own) + d3 * (q * q_)
        _add_gradient([e * x + d2 * (q * o + q_ * s) for x, s, o in zip(d, p, own, strict=True)], d, sums)


def _add_gradient(g: Any, d: Any, sums: Any) -> None:
    """Add a gradient to three sums, and its products with the displacement to nine."""
    for i in range(3):
        sums[i] += g[i]
        for j in range(3):
            sums[3 + 3 * i + j] += g[i] * d[j]


@traced
def _add_stress_gradient(
    cells: Any, ends: Any, targets: Any, own: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, near: Any, square: Any, b: Any, c2: Any, out: Any,
) -> None:  # fmt: skip
    around, smooth = (low, high, starts), (polynomials, square)
    _add(_StressGradient(b, c2), cells, ends, targets, own, around, (positions, moments), smooth, near, out)


@jit(
    "void(int64[::1], int64[::1], float64[:, ::1], float64[:, ::1], int64[::1], int64[::1], int64[::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1], int64, float64, float64, float64, float64[:, ::1])",
    fastmath=FAST,
)
def near_stress_gradient(
    cells: Any, ends: Any, targets: Any, own: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, most: int, square: float, b: float, c2: float, out: Any,
) -> None:  # fmt: skip
    """Add to out (12, m) the sums of du/dd, 3, and of (du/dd_i) d_j, 9, over the sources near targets (3, m).

    As `near_stress`; own (6, m) are the targets' moments, polynomials those of r^4 D^3, r^6 D^4 and
    r^8 D^5.
    """
    near = np.empty((9, most + _MORE))
    _add_stress_gradient(
        cells, ends, targets, own, low, high, starts, positions, moments, polynomials, near, square, b, c2, out
    )


@traced
def _add_dipole_gradient(
    cells: Any, ends: Any, targets: Any, own: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, near: Any, square: Any, out: Any,
) -> None:  # fmt: skip
    around, smooth = (low, high, starts), (polynomials, square)
    _add(_DipoleGradient(), cells, ends, targets, own, around, (positions, moments), smooth, near, out)


@jit(
    "void(int64[::1], int64[::1], float64[:, ::1], float64[:, ::1], int64[::1], int64[::1], int64[::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1], int64, float64, float64[:, ::1])",
    fastmath=FAST,
)
def near_dipole_gradient(
    cells: Any, ends: Any, targets: Any, own: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, most: int, square: float, out: Any,
) -> None:  # fmt: skip
    """Add to out (12, m) the sums over near dipoles, as `near_stress_gradient`; polynomials: of r^4 D^2 and r^6 D^3."""
    near = np.empty((6, most + _MORE))
    _add_dipole_gradient(
        cells, ends, targets, own, low, high, starts, positions, moments, polynomials, near, square, out
    )
