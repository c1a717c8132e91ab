"""Tensors of blocks that are cubes: fourth derivatives of r at many offsets, and sums of tensors kept by offset.

Layout: float64, C-contiguous; lengths in sides of the cubes. Nothing is checked.
"""

import itertools
import math
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.tracing import independent, traced
from mbfast.pairs.derivatives import SIXTH


@jit("void(float64[:, ::1], float64[:, ::1], float64[::1], float64[:, ::1])", fastmath=FAST)
def fourth_derivatives(d: Any, nodes: Any, weights: Any, out: Any) -> None:
    """Set out (15, n) to the sum over nodes (3, m) of weight times the fourth derivatives of r at d (3, n) + node.

    A place at zero does not count. The order is xxxx, yyyy, zzzz, yyzz, xxzz, xxyy, xxyz, xyyz, xyzz, yyyz, yzzz, xxxz,
    xzzz, xxxy, xyyy.
    """
    nx, ny, nz = nodes[0], nodes[1], nodes[2]
    for i in range(d.shape[1]):
        x0, y0, z0 = d[0, i], d[1, i], d[2, i]
        xxxx = yyyy = zzzz = yyzz = xxzz = xxyy = xxyz = xyyz = xyzz = 0.0
        yyyz = yzzz = xxxz = xzzz = xxxy = xyyy = 0.0
        for k in range(nx.size):  # made of full vectors by LLVM
            x = x0 + nx[k]
            y = y0 + ny[k]
            z = z0 + nz[k]
            r2 = x * x + y * y + z * z
            i2 = 1.0 / (r2 if r2 > 0.0 else np.inf)
            f = weights[k] * i2 * math.sqrt(i2)
            a = x * x * i2
            b = y * y * i2
            c = z * z * i2
            xxxx += f * (18.0 * a - 15.0 * a * a - 3.0)
            yyyy += f * (18.0 * b - 15.0 * b * b - 3.0)
            zzzz += f * (18.0 * c - 15.0 * c * c - 3.0)
            yyzz += f * (3.0 * (b + c) - 15.0 * b * c - 1.0)
            xxzz += f * (3.0 * (a + c) - 15.0 * a * c - 1.0)
            xxyy += f * (3.0 * (a + b) - 15.0 * a * b - 1.0)
            f *= 3.0 * i2
            yz = f * y * z
            xz = f * x * z
            xy = f * x * y
            xxyz += yz * (1.0 - 5.0 * a)
            xyyz += xz * (1.0 - 5.0 * b)
            xyzz += xy * (1.0 - 5.0 * c)
            yyyz += yz * (3.0 - 5.0 * b)
            yzzz += yz * (3.0 - 5.0 * c)
            xxxz += xz * (3.0 - 5.0 * a)
            xzzz += xz * (3.0 - 5.0 * c)
            xxxy += xy * (3.0 - 5.0 * a)
            xyyy += xy * (3.0 - 5.0 * b)
        out[0, i], out[1, i], out[2, i] = xxxx, yyyy, zzzz
        out[3, i], out[4, i], out[5, i] = yyzz, xxzz, xxyy
        out[6, i], out[7, i], out[8, i] = xxyz, xyyz, xyzz
        out[9, i], out[10, i], out[11, i] = yyyz, yzzz, xxxz
        out[12, i], out[13, i], out[14, i] = xzzz, xxxy, xyyy


@traced
def _add_sixth(numbers: Any, n: Any, out: Any, first: Any, row: Any) -> None:
    """Add sixth derivatives to rows of out; rows of n numbers are x, y, z and what (1/r) d/dr, 3 to 6 times, makes."""
    for v in independent(n):
        x, y, z, *radial = [numbers[v + n * i] for i in range(7)]
        powers = [[None, x], [None, y], [None, z]]
        for axis, times in itertools.product(powers, range(5)):
            axis.append(axis[1 + times] * axis[1])
        products: dict[tuple[int, ...], Any] = {}
        for (function, *left, order), ways in zip(*(part.tolist() for part in SIXTH.terms), strict=True):
            if tuple(left) not in products:
                factors = [axis[p] for axis, p in zip(powers, left, strict=True) if p]
                products[tuple(left)] = math.prod(factors[1:], start=factors[0]) if factors else 1.0
            place = first + row * function + v
            out[place] = out[place] + radial[order - 3] * ways * products[tuple(left)]


@jit("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])", fastmath=FAST)
def sixth_derivatives(d: Any, nodes: Any, weights: Any, out: Any) -> None:
    """Add to out (28, n) sums over nodes (3, m) of sixth derivatives, at d (3, n) + node, never zero.

    They are of weights (2, m) times r^3/3 and its second Laplacian, 8/r.
    """
    n, flat, rows = d.shape[1], out.reshape(-1), np.empty((7, 128))
    for start in range(0, n, 128):
        count = min(128, n - start)
        numbers = rows.reshape(-1)[: 7 * count]
        dx, dy, dz = d[0, start : start + count], d[1, start : start + count], d[2, start : start + count]
        x, y, z = numbers[:count], numbers[count : 2 * count], numbers[2 * count : 3 * count]
        d3, d4 = numbers[3 * count : 4 * count], numbers[4 * count : 5 * count]
        d5, d6 = numbers[5 * count : 6 * count], numbers[6 * count :]
        for k in range(nodes.shape[1]):
            first, second = weights[0, k], 8.0 * weights[1, k]
            for v in range(count):
                x[v], y[v], z[v] = dx[v] + nodes[0, k], dy[v] + nodes[1, k], dz[v] + nodes[2, k]
                i2 = 1.0 / (x[v] * x[v] + y[v] * y[v] + z[v] * z[v])
                i4, f = i2 * i2, i2 * math.sqrt(i2)
                d3[v] = f * (-first - 15.0 * i4 * second)
                d4[v] = f * i2 * (3.0 * first + 105.0 * i4 * second)
                d5[v] = f * i4 * (-15.0 * first - 945.0 * i4 * second)
                d6[v] = f * i4 * i2 * (105.0 * first + 10395.0 * i4 * second)
            _add_sixth(numbers, count, flat, start, n)


@jit(
    "void(int64, int64, int64, int64, int64, int64, float64[:, :, ::1], float64[:, ::1], float64[:, ::1])",
    fastmath=FAST,
)
def field(i0: int, i1: int, j0: int, j1: int, n2: int, n3: int, tensors: Any, moments: Any, out: Any) -> None:
    """Add to out (i1 - i0, c) the field at the blocks [i0, i1) of a lattice (n1, n2, n3) of the blocks [j0, j1).

    moments (j1 - j0, c) has 6 components (stress) or 3 (dipoles). tensors (n1 n2 n3, c, c) holds the matrices that turn
    a moment into the field at an offset (x, y, z) in [0, n1) x [0, n2) x [0, n3); at others they follow by reflection.
    """
    components = moments.shape[1]
    signs, moment, h = np.empty(components), np.empty(components), np.empty(components)
    signs[:] = 1.0
    for i in range(i0, i1):
        ix, iy, iz = i // (n2 * n3), i // n3 % n2, i % n3
        jx, jy, jz = j0 // (n2 * n3), j0 // n3 % n2, j0 % n3
        for j in range(j1 - j0):
            sx = 1.0 if ix >= jx else -1.0
            sy = 1.0 if iy >= jy else -1.0
            sz = 1.0 if iz >= jz else -1.0
            if components == 3:
                signs[0], signs[1], signs[2] = sx, sy, sz
            else:
                signs[3], signs[4], signs[5] = sy * sz, sx * sz, sx * sy
            tensor = tensors[(abs(ix - jx) * n2 + abs(iy - jy)) * n3 + abs(iz - jz)]
            for b in range(components):
                moment[b] = signs[b] * moments[j, b]
            for a in range(components):
                total = 0.0
                for b in range(components):
                    total += tensor[a, b] * moment[b]
                h[a] = signs[a] * total
            for a in range(components):
                out[i - i0, a] += h[a]
            jz += 1
            if jz == n3:
                jz = 0
                jy += 1
                if jy == n2:
                    jy = 0
                    jx += 1
