"""Fields on periodic lattices by Fourier transforms of the unpadded box: what is done between the transforms.

A convolution over all images of a lattice is a product at each of its own wave vectors. Two rows of moments along z,
real numbers, are the real and the imaginary part of one line; what their transforms are follows from those of the line
at k and -k, and one sign of k is kept. Along y and x values are complex and nothing is to be known about them.

The kernel's tensors are even or odd along each axis, so that their transforms are real, and are kept at frequencies of
one sign along z and x. Layout and order of frequencies are those of `mbfast.pairs._kernels.transforms`; `places` says
where a frequency is.
"""

from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.tracing import independent, traced
from mbfast.pairs._kernels.lattice import (
    _dipole_matrix,
    _multiply_six,
    _multiply_three,
    _stress_matrix,
    from_tile,
    give_line,
    take_line,
    tile_places,
    to_tile,
    with_addresses,
)
from mbfast.pairs._kernels.transforms import backward_address, call, forward_address

_U: Any = np.uint64


@traced
def _separate(z: Any, p: Any, q: Any, n: Any, x: Any, a: Any) -> None:
    """From n lines at k and -k, rows p and q of z, twice the transforms at k of their real and imaginary parts."""
    for v in independent(n):
        r, i, r_, i_ = z[p + v], z[p + n + v], z[q + v], z[q + n + v]
        o = a + v
        x[o], x[o + n] = r + r_, i - i_
        o = o + n + n
        x[o], x[o + n] = i + i_, r_ - r


@traced
def _unite(x: Any, a: Any, n: Any, z: Any, p: Any, q: Any) -> None:
    """Undo `_separate`, but for a factor of two."""
    for v in independent(n):
        o = a + v
        r, i = x[o], x[o + n]
        o = o + n + n
        r_, i_ = x[o], x[o + n]
        z[p + v], z[p + n + v] = r - i_, i + r_
        z[q + v], z[q + n + v] = r + i_, r_ - i


@jit(
    "void(int64, int64, float64[::1], int64[:, ::1], int64, float64, int64, int64[::1], uint64[:, ::1], float64[::1], "
    "float64[:, :, :, ::1], int64)",
    fastmath=FAST,
)
def _spread(
    j0: int, j1: int, moments: Any, axes: Any, columns: int, factor: float, width_: int, places: Any, passes: Any,
    w: Any, out: Any, there: int,
) -> None:  # fmt: skip
    """Transform the pairs of rows [j0, j1) along z into out (nz/2 + 1, blocks, pairs, [2][2][width][components]).

    Arguments are those of `mbfast.pairs._kernels.lattice.spread`.
    """
    half, blocks, pairs, width = _U(out.shape[0]), _U(out.shape[1]), _U(out.shape[2]), _U(width_)
    nx, ny, nz = _U(axes[0, 0]), _U(axes[0, 1]), _U(axes[0, 2])
    dx, dy, dz = _U(axes[1, 0]), _U(axes[1, 1]), _U(axes[1, 2])
    lanes, row, components = _U(out.shape[3]) // _U(4), _U(out.shape[3]) // _U(2), _U(out.shape[3]) // (_U(4) * width)
    work = np.empty(nz * row)
    for block in range(blocks):
        first = block * width
        work[:] = 0.0
        for pair in range(_U(j0), _U(j1)):
            for part in range(_U(2)):
                j = pair + pair + part
                if j < ny:
                    for i in range(min(width, nx - first)):
                        a, b = (first + i) * dx + j * dy, part * lanes + i * components
                        take_line(_U(columns), moments, a, dz, nz, work, b, row, factor)
                else:
                    for k in range(nz):
                        work[k * row + lanes : (k + _U(1)) * row] = 0.0
            call(there, work, axes[0, 2], out.shape[3] // 4, passes, w)
            for k in range(half):
                p, q = _U(places[k]), _U(places[(nz - k) % nz])
                _separate(work, p * row, q * row, lanes, out, ((k * blocks + block) * pairs + pair) * _U(2) * row)


@jit(
    "void(int64, int64, float64[:, :, :, ::1], int64[:, ::1], int64, float64, int64, int64[::1], uint64[:, ::1], "
    "float64[::1], float64[::1], int64)",
    fastmath=FAST,
)
def _collect(
    j0: int, j1: int, field: Any, axes: Any, columns: int, factor: float, width_: int, places: Any, passes: Any, w: Any,
    out: Any, back: int,
) -> None:  # fmt: skip
    """Transform back pairs of rows [j0, j1) of what `spread` made, times factor, into out."""
    half, blocks, pairs, width = _U(field.shape[0]), _U(field.shape[1]), _U(field.shape[2]), _U(width_)
    nx, ny, nz = _U(axes[0, 0]), _U(axes[0, 1]), _U(axes[0, 2])
    dx, dy, dz = _U(axes[1, 0]), _U(axes[1, 1]), _U(axes[1, 2])
    lanes, row = _U(field.shape[3]) // _U(4), _U(field.shape[3]) // _U(2)
    components = lanes // width
    work = np.empty(nz * row)
    for block in range(blocks):
        first = block * width
        for pair in range(_U(j0), _U(j1)):
            for k in range(half):
                p, q = _U(places[k]), _U(places[(nz - k) % nz])
                _unite(field, ((k * blocks + block) * pairs + pair) * _U(2) * row, lanes, work, p * row, q * row)
            call(back, work, axes[0, 2], field.shape[3] // 4, passes, w)
            for part in range(min(_U(2), ny - pair - pair)):
                for i in range(min(width, nx - first)):
                    a, b = (first + i) * dx + (pair + pair + part) * dy, part * lanes + i * components
                    give_line(_U(columns), out, a, dz, nz, work, b, row, factor)


@jit(fastmath=FAST)
def _multiply(
    tile: Any, a: Any, row: Any, eight: Any, components: Any, places: Any, kernel: Any, b: Any, factors: Any,
    signs: Any, matrix: Any,
) -> None:  # fmt: skip
    """Multiply the rows of a tile from a on, one for each frequency of x, by the kernel from b on."""
    nx, basis = _U(places.shape[0]), _U(kernel.shape[3])
    for k in range(nx // _U(2) + _U(1)):
        if components == _U(6):
            _stress_matrix(kernel, b + k * basis * eight, eight, factors[0], factors[1], matrix, _U(0))
        else:
            _dipole_matrix(kernel, b + k * basis * eight, eight, matrix, _U(0))
        for side in range(_U(2) if _U(0) < k + k < nx else _U(1)):
            at = a + row * (_U(places[nx - k]) if side else _U(places[k]))
            if components == _U(6):
                _multiply_six(tile, at, at + eight * components, eight, matrix, _U(0), signs, side * components)
            else:
                _multiply_three(tile, at, at + eight * components, eight, matrix, _U(0), signs, side * components)


@jit(
    "void(int64, int64, float64[:, :, :, ::1], float64[:, :, :, :, ::1], float64[::1], float64[:, ::1], "
    "float64[:, ::1], int64, int64, int64[::1], uint64[:, ::1], float64[::1], uint64[:, ::1], float64[::1], int64, "
    "int64)",
    fastmath=FAST,
)
def _planes(
    k0: int, k1: int, field: Any, kernel: Any, factors: Any, signs: Any, uniform: Any, width_: int, ny_: int,
    places_x: Any, passes_x: Any, w_x: Any, passes_y: Any, w_y: Any, there: int, back: int,
) -> None:  # fmt: skip
    """Multiply the planes [k0, k1) of what `spread` made by the kernel, in place.

    kernel (nz/2 + 1, tiles, nx/2 + 1, basis, 8): eight places of y are the lanes of a tile; factors are g and f of
    `_stress_matrix`; signs (2, components) are 1, and those of the components where x is turned to -x; uniform
    (components, components) is added to the kernel at frequency 0.
    """
    components_ = signs.shape[1]
    blocks, components, width, nx, ny = _U(field.shape[1]), _U(components_), _U(width_), _U(places_x.shape[0]), _U(ny_)
    tiles, eight = _U(kernel.shape[1]), _U(kernel.shape[4])
    # rows are [real, imaginary][x][component] in transforms along y, [...][component][eight of y] along x
    lanes, row_x = components * width, _U(16) * components
    row_y = lanes + lanes
    step = _U(field.shape[2]) * _U(2) * row_y
    flat, tile, matrix = field.reshape(-1), np.zeros(nx * row_x), np.empty(components * components * eight)
    places = np.empty(lanes, np.uint64)
    tile_places(places, components, row_x)
    total = np.empty(components)
    for k in range(_U(k0), _U(k1)):
        for block in range(blocks):
            start = (k * blocks + block) * step
            call(there, flat[start : start + step], ny_, components_ * width_, passes_y, w_y)
        for t in range(tiles):
            filled = min(eight, ny - eight * t)  # lanes; in the last tile the others are left as they are: finite
            for block in range(blocks):
                count, a = min(width, nx - block * width), (k * blocks + block) * step + eight * t * row_y
                b = block * width * row_x
                to_tile(flat, a, row_y, _U(2), count * components, filled, tile, b, eight * components, places)
            call(there, tile, places_x.shape[0], 8 * components_, passes_x, w_x)
            for c in range(components):
                total[c] = tile[eight * c] if k + t == _U(0) else 0.0
            b = (k * tiles + t) * _U(kernel.shape[2]) * _U(kernel.shape[3]) * eight
            _multiply(tile, _U(0), row_x, eight, components, places_x, kernel, b, factors, signs, matrix)
            for c in range(components):
                for d in range(components):
                    tile[eight * c] += uniform[c, d] * total[d]
            call(back, tile, places_x.shape[0], 8 * components_, passes_x, w_x)
            for block in range(blocks):
                count, a = min(width, nx - block * width), (k * blocks + block) * step + eight * t * row_y
                b = block * width * row_x
                from_tile(flat, a, row_y, _U(2), count * components, filled, tile, b, eight * components, places)
        for block in range(blocks):
            start = (k * blocks + block) * step
            call(back, flat[start : start + step], ny_, components_ * width_, passes_y, w_y)


@traced
def _next_term(u: Any, n: Any, x: Any, a: Any, b: Any, coefficient: Any) -> None:
    """One step of Clenshaw's sum: the sums at b give way to the next ones."""
    for v in independent(n):
        x[b + v] = (u[v] * x[a + v] + coefficient) - x[b + v]


@traced
def _add_power(w: Any, z: Any, a: Any, n: Any, x: Any, b: Any) -> None:
    """Add w to n elements of x from b on, and multiply it by z from a on."""
    for v in independent(n):
        x[b + v] = x[b + v] + w[v]
        w[v] = w[v] * z[a + v]


@traced
def _add_times(x: Any, a: Any, factor: Any, y: Any, b: Any, n: Any) -> None:
    """Add n elements of x from a on times a factor to those of y from b on."""
    for v in independent(n):
        y[b + v] = y[b + v] + factor * x[a + v]


@jit(fastmath=FAST)
def _profile(
    plane: float, z: Any, weight: Any, a: int, nz: int, band: float, series: Any, power: int, u: Any, clenshaw: Any,
    w: Any,
) -> None:  # fmt: skip
    """Fill w with weights times Chebyshev's sum over k^(2 power), nothing beyond the band, at k^2 = plane + z^2."""
    for v in range(nz):
        u[v] = 4.0 / band * (plane + z[a + v] * z[a + v]) - 2.0
        clenshaw[v], clenshaw[nz + v] = 0.0, 0.0
    first, second = _U(0), nz
    for term in range(_U(series.size) - _U(1)):
        _next_term(u, nz, clenshaw, first, second, series[_U(series.size) - _U(1) - term])
        first, second = second, first
    for v in range(nz):
        square = plane + z[a + v] * z[a + v]
        value = 0.5 * u[v] * clenshaw[first + v] + series[0] - clenshaw[second + v]
        w[v] = value * weight[a + v] / square**power if 0.0 < square < band else 0.0


@jit(
    "void(float64[:, ::1], float64[:, ::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[::1], float64, "
    "float64[::1], int64, int64[:, ::1], float64[::1], int64)",
    fastmath=FAST,
)
def smooth_modes(
    kx: Any, ky: Any, kz: Any, weights_x: Any, weights_y: Any, weights_z: Any, band: float, series: Any, power: int,
    powers: Any, out: Any, nz_: int,
) -> None:  # fmt: skip
    """Add products of powers of k, times a function of k^2 over its power and weights, to out (powers, nx, ny, nz).

    Rows of kx (turns, nx) fold onto each other; kz has them one after the other. series is Chebyshev's in
    2 k^2/band - 1; beyond the band is nothing. Rows of powers are of one sum.
    """
    nx, ny, nz, highest = _U(kx.shape[1]), _U(ky.shape[1]), _U(nz_), _U(powers[0, 0] + powers[0, 1] + powers[0, 2])
    sums = np.empty((highest + _U(1)) * nz)
    u, clenshaw, w = np.empty(nz), np.empty(nz + nz), np.empty(nz)
    for i in range(nx):
        for a in range(_U(kx.shape[0])):
            for j in range(ny):
                for b in range(_U(ky.shape[0])):
                    x, y = kx[a, i], ky[b, j]
                    if x * x + y * y >= band:
                        continue
                    for v in range(_U(sums.size)):
                        sums[v] = 0.0
                    for c in range(_U(kz.size) // nz):
                        _profile(x * x + y * y, kz, weights_z, c * nz, nz, band, series, power, u, clenshaw, w)
                        for times in range(highest + _U(1)):
                            _add_power(w, kz, c * nz, nz, sums, times * nz)
                    for f in range(_U(powers.shape[0])):
                        factor = weights_x[a, i] * weights_y[b, j]
                        for _ in range(powers[f, 0]):
                            factor *= x
                        for _ in range(powers[f, 1]):
                            factor *= y
                        _add_times(sums, _U(powers[f, 2]) * nz, factor, out, ((f * nx + i) * ny + j) * nz, nz)


spread, collect = with_addresses(_spread, forward_address), with_addresses(_collect, backward_address)
planes = with_addresses(_planes, forward_address, backward_address)
