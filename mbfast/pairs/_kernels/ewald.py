"""Ewald sums: the mesh for what is smooth; near pairs are those of `mbfast.pairs._kernels.near`.

The reduced interactions of `mbfast.kernels.stress` and `mbfast.kernels.dipole` are derivatives of r and 1/r. With D the
operator (1/r) d/dr and the near part of r, psi, or of 1/r, phi, in place of these,

    stress   h = (c2/2) d_i d_j d_k d_l psi T'_kl - b sym(d_j d_l phi T'_il),  b = c0 + c2, phi = laplacian(psi)/2,
    dipole   h = -d_i d_j phi p'_j;

(c0, c1, c2) with c0 + c1/3 = c2, as both forms of Lambda have it, leave no other term. Near functions are those of r
and 1/r less polynomials of r^2, which the mesh adds, and vanish beyond a radius.

Layout: blocks by component, (3, n) and (6, n), on the mesh by row, with components running fastest. Nothing is checked.
"""

import math
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.tracing import independent, traced


@traced
def _add(w: Any, x: Any, a: Any, y: Any, b: Any, n: Any) -> None:
    """Add n elements of x from a on times w to those of y from b on."""
    for k in independent(n):
        y[b + k] = y[b + k] + w * x[a + k]


@traced
def _add_to_two(x: Any, v: Any, y: Any, a: Any, w: Any, b: Any, n: Any) -> None:
    """Add n elements of x times v to those of y from a on, and times w to those of y from b on."""
    for k in independent(n):
        y[a + k] = y[a + k] + v * x[k]
        y[b + k] = y[b + k] + w * x[k]


@traced
def _add_two(v: Any, x: Any, a: Any, w: Any, b: Any, y: Any, n: Any) -> None:
    """Add n elements of x from a on times v, and those from b on times w, to y."""
    for k in independent(n):
        y[k] = y[k] + (v * x[a + k] + w * x[b + k])


@jit(fastmath=FAST)
def _weights(place: float, window: Any, weights: Any) -> int:
    """Fill weights with the window's values at the nodes around a place; return the first of these nodes."""
    first = math.floor(place)
    u = 2.0 * (place - first) - 1.0
    for p in range(weights.size):
        weights[p] = window[0, p]
    for k in range(1, window.shape[0]):
        row = window[k]
        for p in range(weights.size):
            weights[p] = weights[p] * u + row[p]
    return first


@jit("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], int64, int64, int64, int64, float64[::1])", fastmath=FAST)
def spread(places: Any, values: Any, window: Any, start: int, stop: int, ny: int, nz: int, mesh: Any) -> None:
    """Add values (n, m) at places (n, 3), in steps of the mesh, to the nodes of its planes [start, stop).

    A place x meets the w nodes from floor(x) on; window (d, w) has their weights, polynomials of 2 (x - floor(x)) - 1,
    highest power first. mesh: of the planes (stop - start, ny, nz, m), flat.
    """
    width, m = window.shape[1], values.shape[1]
    wx, wy, wz, row = np.empty(width), np.empty(width), np.empty(width), np.empty(width * m)
    size, step = row.size, nz * m
    for i in range(places.shape[0]):
        if not start - width < math.floor(places[i, 0]) < stop:
            continue
        ix = _weights(places[i, 0], window, wx) - start
        iy = _weights(places[i, 1], window, wy)
        iz = _weights(places[i, 2], window, wz)
        for p in range(width):
            for a in range(m):
                row[p * m + a] = wz[p] * values[i, a]
        for p in range(max(-ix, 0), min(width, stop - start - ix)):
            first = (((ix + p) * ny + iy) * nz + iz) * m
            for q in range(0, width - 1, 2):  # two rows at a time: a short loop has its price
                one, other = first + q * step, first + (q + 1) * step
                _add_to_two(row, wx[p] * wy[q], mesh, one, wx[p] * wy[q + 1], other, size)
            if width % 2:
                _add(wx[p] * wy[width - 1], row, 0, mesh, first + (width - 1) * step, size)


@jit("void(float64[:, ::1], float64[:, ::1], int64, int64, float64[::1], float64[:, ::1])", fastmath=FAST)
def interpolate(places: Any, window: Any, ny: int, nz: int, mesh: Any, out: Any) -> None:
    """Fill out (n, m) with the sums of the mesh's nodes, (nx, ny, nz, m), flat, by the weights of `spread`."""
    width, m = window.shape[1], out.shape[1]
    wx, wy, wz, row = np.empty(width), np.empty(width), np.empty(width), np.empty(width * m)
    size, step = row.size, nz * m
    for i in range(places.shape[0]):
        ix = _weights(places[i, 0], window, wx)
        iy = _weights(places[i, 1], window, wy)
        iz = _weights(places[i, 2], window, wz)
        row[:] = 0.0
        for p in range(width):
            first = (((ix + p) * ny + iy) * nz + iz) * m
            for q in range(0, width - 1, 2):
                one, other = first + q * step, first + (q + 1) * step
                _add_two(wx[p] * wy[q], mesh, one, wx[p] * wy[q + 1], other, row, size)
            if width % 2:
                _add(wx[p] * wy[width - 1], mesh, first + (width - 1) * step, row, 0, size)
        out[i] = 0.0
        for p in range(width):
            for a in range(m):
                out[i, a] += wz[p] * row[p * m + a]


@jit("void(int64[::1], float64[:, ::1], float64[:, :, ::1], int64, int64, float64[:, :, ::1])", fastmath=FAST)
def restrict(first: Any, weights: Any, fine: Any, start: int, stop: int, coarse: Any) -> None:
    """Add the nodes of a mesh to those of a coarser one, along the middle axis; of the last axis, [start, stop).

    Node q meets the nodes from first[q] on with weights[q].
    """
    row = fine.shape[2]
    for o in range(fine.shape[0]):
        for q in range(fine.shape[1]):
            a, b = (o * fine.shape[1] + q) * row + start, (o * coarse.shape[1] + first[q]) * row + start
            for p in range(weights.shape[1]):
                _add(weights[q, p], fine, a, coarse, b + p * row, stop - start)


@jit("void(int64[::1], float64[:, ::1], float64[:, :, ::1], int64, int64, float64[:, :, ::1])", fastmath=FAST)
def prolong(first: Any, weights: Any, coarse: Any, start: int, stop: int, fine: Any) -> None:
    """Add to the nodes of a mesh what those of a coarser one make there: the transpose of `restrict`."""
    row = fine.shape[2]
    for o in range(fine.shape[0]):
        for q in range(fine.shape[1]):
            a, b = (o * fine.shape[1] + q) * row + start, (o * coarse.shape[1] + first[q]) * row + start
            for p in range(weights.shape[1]):
                _add(weights[q, p], coarse, b + p * row, fine, a, stop - start)


@jit(
    "void(complex128[:, :, :, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, :, :], "
    "float64[:, :, :], float64, float64)"
)
def stress_modes(
    modes: Any, kx: Any, ky: Any, kz: Any, harmonic: Any, biharmonic: Any, b: float, c2: float
) -> None:  # fmt: skip
    """Replace moments (nx, ny, nz, 6) by b H sym(k w)/k^2 - c2 B q k k/k^4, w = T k, q = k.w, and by 0 at k = 0.

    k is the sum of a row of each of kx, ky and kz; H and B are the factors of each mode.
    """
    for i in range(kx.shape[0]):
        for j in range(ky.shape[0]):
            for n in range(kz.shape[0]):
                x, y, z = kx[i, 0] + ky[j, 0] + kz[n, 0], kx[i, 1] + ky[j, 1] + kz[n, 1], kx[i, 2] + ky[j, 2] + kz[n, 2]
                k2 = x * x + y * y + z * z
                i2 = 1.0 / k2 if k2 > 0.0 else 0.0
                t = modes[i, j, n]
                wx = t[0] * x + t[5] * y + t[4] * z
                wy = t[5] * x + t[1] * y + t[3] * z
                wz = t[4] * x + t[3] * y + t[2] * z
                m = 0.5 * b * i2 * harmonic[i, j, n]
                p = -0.5 * c2 * i2 * i2 * biharmonic[i, j, n] * (x * wx + y * wy + z * wz)
                ux, uy, uz = m * wx + p * x, m * wy + p * y, m * wz + p * z
                t[0] = 2.0 * x * ux
                t[1] = 2.0 * y * uy
                t[2] = 2.0 * z * uz
                t[3] = y * uz + z * uy
                t[4] = x * uz + z * ux
                t[5] = x * uy + y * ux


@jit("void(complex128[:, :, :, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, :, :])")
def dipole_modes(modes: Any, kx: Any, ky: Any, kz: Any, harmonic: Any) -> None:
    """Replace dipoles (nx, ny, nz, 3) by H k (k.p)/k^2, and by 0 at k = 0; as `stress_modes`."""
    for i in range(kx.shape[0]):
        for j in range(ky.shape[0]):
            for n in range(kz.shape[0]):
                x, y, z = kx[i, 0] + ky[j, 0] + kz[n, 0], kx[i, 1] + ky[j, 1] + kz[n, 1], kx[i, 2] + ky[j, 2] + kz[n, 2]
                k2 = x * x + y * y + z * z
                t = modes[i, j, n]
                q = (harmonic[i, j, n] / k2 if k2 > 0.0 else 0.0) * (t[0] * x + t[1] * y + t[2] * z)
                t[0], t[1], t[2] = q * x, q * y, q * z
