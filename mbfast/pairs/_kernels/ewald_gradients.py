"""Derivatives of what is smooth in an Ewald sum, on its mesh, by positions; as `mbfast.pairs._kernels.ewald`."""

from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.numba_private import counted, traced
from mbfast.pairs._kernels.ewald import _weights


@traced
def _add_two_twice(v: Any, x: Any, a: Any, w: Any, b: Any, y: Any, v_: Any, w_: Any, y_: Any, n: Any) -> None:
    """Add n elements of x from a on times v, and those from b on times w, to y; and with other factors to y_."""
    for k in counted(n):
        y[k] = y[k] + (v * x[a + k] + w * x[b + k])
        y_[k] = y_[k] + (v_ * x[a + k] + w_ * x[b + k])


@traced
def _add_to_three(v: Any, w: Any, y: Any, y_: Any, of_x: Any, of_y: Any, of_z: Any, n: Any) -> None:
    """Add n elements of y times v and times w, and of y_ times w, to three rows."""
    for k in counted(n):
        of_x[k] = of_x[k] + v * y[k]
        of_y[k] = of_y[k] + w * y_[k]
        of_z[k] = of_z[k] + w * y[k]


@jit(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], int64, int64, float64[::1], float64[:, ::1], "
    "float64[:, ::1])",
    fastmath=FAST,
)
def gradient(places: Any, window: Any, slopes: Any, ny: int, nz: int, mesh: Any, own: Any, out: Any) -> None:
    """Fill out (n, 3) with the derivatives by place of what `interpolate` makes, contracted with own (n, m).

    slopes (d, w) are the derivatives of the weights in window, as polynomials alike.
    """
    width, m = window.shape[1], own.shape[1]
    size, step, weights, rows = width * m, nz * m, np.empty((6, width)), np.empty((5, width * m))
    wx, wy, wz, vx, vy, vz = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    row, other, of_x, of_y, of_z = rows[0], rows[1], rows[2], rows[3], rows[4]
    for i in range(places.shape[0]):
        ix = _weights(places[i, 0], window, wx)
        iy = _weights(places[i, 1], window, wy)
        iz = _weights(places[i, 2], window, wz)
        _weights(places[i, 0], slopes, vx)
        _weights(places[i, 1], slopes, vy)
        _weights(places[i, 2], slopes, vz)
        rows[2:] = 0.0
        for p in range(width):
            first = (((ix + p) * ny + iy) * nz + iz) * m
            rows[:2] = 0.0
            for q in range(0, width - 1, 2):
                a, b = first + q * step, first + (q + 1) * step
                _add_two_twice(wy[q], mesh, a, wy[q + 1], b, row, vy[q], vy[q + 1], other, size)
            if width % 2:  # the last row, and nothing of it again
                a = first + (width - 1) * step
                _add_two_twice(wy[width - 1], mesh, a, 0.0, a, row, vy[width - 1], 0.0, other, size)
            _add_to_three(vx[p], wx[p], row, other, of_x, of_y, of_z, size)
        gx = gy = gz = 0.0
        for p in range(width):
            for a in range(m):
                gx += wz[p] * own[i, a] * of_x[p * m + a]
                gy += wz[p] * own[i, a] * of_y[p * m + a]
                gz += vz[p] * own[i, a] * of_z[p * m + a]
        out[i, 0], out[i, 1], out[i, 2] = gx, gy, gz
