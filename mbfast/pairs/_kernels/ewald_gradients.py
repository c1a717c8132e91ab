"""Derivatives of Ewald sums by positions: of near pairs, and of what is smooth on its mesh.

Notation and layout are those of `mbfast.pairs._kernels.ewald`. With w = T d, q = d.w, t = tr T, primes likewise, and
psi_n = D^n psi, phi_n = D^n phi, the near energies of two moments are

    stress   u = E T:T' + M w.w' + (c2/2) [psi_4 q q' + psi_3 (t q' + t' q) + psi_2 t t'],
             E = (c2 - 5/2 b) psi_2 - b r^2 psi_3/2, M = (2 c2 - 7/2 b) psi_3 - b r^2 psi_4/2,
    dipole   u = -phi_1 p.p' - phi_2 (d.p)(d.p'),

and as the gradient of a function f of r is d Df, theirs want psi_3 to psi_5, and phi_2 and phi_3.
"""

import math
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.numba_private import counted, traced
from mbfast.pairs._kernels.ewald import _gather, _place, _polynomial, _weights


@jit(fastmath=FAST)
def _stress_at(
    x: float, y: float, z: float, xx_: float, yy_: float, zz_: float, yz_: float, xz_: float, xy_: float,
    sx: Any, sy: Any, sz: Any, xx: Any, yy: Any, zz: Any, yz: Any, xz: Any, xy: Any,
    third: Any, fourth: Any, fifth: Any, square: float, b: float, c2: float,
) -> Any:  # fmt: skip
    """Sums of du/dd and of (du/dd_i) d_j, given the smooth parts of r^4 D^3 psi, r^6 D^4 psi and r^8 D^5 psi."""
    fx = fy = fz = wxx = wxy = wxz = wyx = wyy = wyz = wzx = wzy = wzz = 0.0
    t_, half = xx_ + yy_ + zz_, 0.5 * c2
    for j in range(sx.size):
        dx, dy, dz = x - sx[j], y - sy[j], z - sz[j]
        r2 = dx * dx + dy * dy + dz * dz
        inside = 1.0 if (r2 > 0.0) & (r2 < square) else 0.0
        i2 = 1.0 / (r2 if r2 > 0.0 else 1.0)
        i1 = math.sqrt(i2)
        i2 *= inside
        i4 = i2 * i2
        d3 = i4 * (3.0 * i1 - third[j])
        d4 = i4 * i2 * (-15.0 * i1 - fourth[j])
        d5 = i4 * i4 * (105.0 * i1 - fifth[j])
        ux = xx[j] * dx + xy[j] * dy + xz[j] * dz
        uy = xy[j] * dx + yy[j] * dy + yz[j] * dz
        uz = xz[j] * dx + yz[j] * dy + zz[j] * dz
        vx = xx_ * dx + xy_ * dy + xz_ * dz
        vy = xy_ * dx + yy_ * dy + yz_ * dz
        vz = xz_ * dx + yz_ * dy + zz_ * dz
        s = xx_ * xx[j] + yy_ * yy[j] + zz_ * zz[j] + 2.0 * (yz_ * yz[j] + xz_ * xz[j] + xy_ * xy[j])
        t = xx[j] + yy[j] + zz[j]
        q = dx * ux + dy * uy + dz * uz
        q_ = dx * vx + dy * vy + dz * vz
        e = ((c2 - 3.5 * b) * d3 - 0.5 * b * r2 * d4) * s + half * (d3 * t * t_ + d4 * (t_ * q + t * q_) + d5 * q * q_)
        e += ((2.0 * c2 - 4.5 * b) * d4 - 0.5 * b * r2 * d5) * (ux * vx + uy * vy + uz * vz)
        m = (2.0 * c2 - 3.5 * b) * d3 - 0.5 * b * r2 * d4
        k, k_ = c2 * (d3 * t + d4 * q), c2 * (d3 * t_ + d4 * q_)
        gx = m * (xx_ * ux + xy_ * uy + xz_ * uz + xx[j] * vx + xy[j] * vy + xz[j] * vz) + k * vx + k_ * ux + e * dx
        gy = m * (xy_ * ux + yy_ * uy + yz_ * uz + xy[j] * vx + yy[j] * vy + yz[j] * vz) + k * vy + k_ * uy + e * dy
        gz = m * (xz_ * ux + yz_ * uy + zz_ * uz + xz[j] * vx + yz[j] * vy + zz[j] * vz) + k * vz + k_ * uz + e * dz
        fx += gx
        fy += gy
        fz += gz
        wxx += gx * dx
        wxy += gx * dy
        wxz += gx * dz
        wyx += gy * dx
        wyy += gy * dy
        wyz += gy * dz
        wzx += gz * dx
        wzy += gz * dy
        wzz += gz * dz
    return fx, fy, fz, wxx, wxy, wxz, wyx, wyy, wyz, wzx, wzy, wzz


@jit(
    "void(int64[::1], int64[::1], float64[:, ::1], float64[:, ::1], int64[::1], int64[::1], int64[::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1], int64, float64, float64, float64, float64[:, ::1])",
    fastmath=FAST,
)
def near_stress(
    cells: Any, ends: Any, targets: Any, own: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, most: int, square: float, b: float, c2: float, out: Any,
) -> None:  # fmt: skip
    """Add to out (12, m) the sums of du/dd, 3, and of (du/dd_i) d_j, 9, over the sources near targets (3, m).

    As the function of that name for fields; own (6, m) are the targets' moments, polynomials those of r^4 D^3, r^6 D^4
    and r^8 D^5.
    """
    near, work = np.empty((9, most)), np.empty((4, most))
    for k in range(cells.size):
        n = _gather(cells[k], low, high, starts, positions, moments, near)
        sx, sy, sz = near[0, :n], near[1, :n], near[2, :n]
        xx, yy, zz, yz, xz, xy = near[3, :n], near[4, :n], near[5, :n], near[6, :n], near[7, :n], near[8, :n]
        u, third, fourth, fifth = work[0, :n], work[1, :n], work[2, :n], work[3, :n]
        for i in range(ends[k], ends[k + 1]):
            x, y, z = targets[0, i], targets[1, i], targets[2, i]
            _place(x, y, z, sx, sy, sz, square, u)
            _polynomial(polynomials[0], u, third)
            _polynomial(polynomials[1], u, fourth)
            _polynomial(polynomials[2], u, fifth)
            g = _stress_at(
                x, y, z, own[0, i], own[1, i], own[2, i], own[3, i], own[4, i], own[5, i], sx, sy, sz,
                xx, yy, zz, yz, xz, xy, third, fourth, fifth, square, b, c2,
            )  # fmt: skip
            for a in range(12):
                out[a, i] += g[a]


@jit(fastmath=FAST)
def _dipole_at(
    x: float, y: float, z: float, px_: float, py_: float, pz_: float,
    sx: Any, sy: Any, sz: Any, px: Any, py: Any, pz: Any, second: Any, third: Any, square: float,
) -> Any:  # fmt: skip
    """Sums of du/dd and of (du/dd_i) d_j, given the smooth parts of r^4 D^2 phi and r^6 D^3 phi."""
    fx = fy = fz = wxx = wxy = wxz = wyx = wyy = wyz = wzx = wzy = wzz = 0.0
    for j in range(sx.size):
        dx, dy, dz = x - sx[j], y - sy[j], z - sz[j]
        r2 = dx * dx + dy * dy + dz * dz
        inside = 1.0 if (r2 > 0.0) & (r2 < square) else 0.0
        i2 = 1.0 / (r2 if r2 > 0.0 else 1.0)
        i1 = math.sqrt(i2)
        i2 *= inside
        d2 = i2 * i2 * (second[j] - 3.0 * i1)  # with the sign of u
        d3 = i2 * i2 * i2 * (third[j] + 15.0 * i1)
        q = dx * px[j] + dy * py[j] + dz * pz[j]
        q_ = dx * px_ + dy * py_ + dz * pz_
        e = d2 * (px[j] * px_ + py[j] * py_ + pz[j] * pz_) + d3 * q * q_
        gx = e * dx + d2 * (q * px_ + q_ * px[j])
        gy = e * dy + d2 * (q * py_ + q_ * py[j])
        gz = e * dz + d2 * (q * pz_ + q_ * pz[j])
        fx += gx
        fy += gy
        fz += gz
        wxx += gx * dx
        wxy += gx * dy
        wxz += gx * dz
        wyx += gy * dx
        wyy += gy * dy
        wyz += gy * dz
        wzx += gz * dx
        wzy += gz * dy
        wzz += gz * dz
    return fx, fy, fz, wxx, wxy, wxz, wyx, wyy, wyz, wzx, wzy, wzz


@jit(
    "void(int64[::1], int64[::1], float64[:, ::1], float64[:, ::1], int64[::1], int64[::1], int64[::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1], int64, float64, float64[:, ::1])",
    fastmath=FAST,
)
def near_dipole(
    cells: Any, ends: Any, targets: Any, own: Any, low: Any, high: Any, starts: Any, positions: Any, moments: Any,
    polynomials: Any, most: int, square: float, out: Any,
) -> None:  # fmt: skip
    """Add to out (12, m) the sums over near dipoles, as `near_stress`; polynomials: of r^4 D^2 and r^6 D^3."""
    near, work = np.empty((6, most)), np.empty((3, most))
    for k in range(cells.size):
        n = _gather(cells[k], low, high, starts, positions, moments, near)
        sx, sy, sz, px, py, pz = near[0, :n], near[1, :n], near[2, :n], near[3, :n], near[4, :n], near[5, :n]
        u, second, third = work[0, :n], work[1, :n], work[2, :n]
        for i in range(ends[k], ends[k + 1]):
            x, y, z = targets[0, i], targets[1, i], targets[2, i]
            _place(x, y, z, sx, sy, sz, square, u)
            _polynomial(polynomials[0], u, second)
            _polynomial(polynomials[1], u, third)
            g = _dipole_at(
                x, y, z, own[0, i], own[1, i], own[2, i], sx, sy, sz, px, py, pz, second, third, square
            )  # fmt: skip
            for a in range(12):
                out[a, i] += g[a]


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
