"""Tensors of blocks that are cubes: fourth derivatives of r at many offsets, and sums of tensors kept by offset.

Layout: float64, C-contiguous; lengths in sides of the cubes. Nothing is checked.
"""

import math
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit


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
