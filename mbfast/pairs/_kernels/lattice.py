"""Fields on a lattice by Fourier transforms: what is done between the transforms.

A convolution with offsets from -(n - 1) to n - 1 needs n blocks padded to 2n; here all transforms are of length m, the
next product of 2, 3 and 5 from n on. Values are first turned by exp(-i pi j/(2m)), so that what wraps around comes back
times i or -i. Along the first axis, z, values are real and the real part of the result is right. Along y and x they are
complex, and the mean of what they and their conjugates give is right: frequencies theta, -theta = 2 pi (k + 1/4)/m. So
no zeros are transformed but those up to m, and the kernel is wanted at m frequencies an axis, each for both signs.

The kernel's tensors are even or odd along each axis and their transforms real. Layout and order of frequencies are
those of `mbfast.pairs._kernels.transforms`.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.simd import EIGHT
from mbfast._core.tracing import independent, traced
from mbfast._core.voigt import PLACES
from mbfast.pairs._kernels.transforms import backward_address, call, forward_address, turned

_U: Any = np.uint64


@traced
def _copy(x: Any, a: Any, y: Any, b: Any, n: Any) -> None:
    """Copy n elements of x from a on to those of y from b on."""
    for v in independent(n):
        y[b + v] = x[a + v]


# columns of moments that a component stands for, by the number of columns
_COLUMNS: dict[int, list[tuple[int, ...]]] = {3: [(0,), (1,), (2,)], 6: [(0,), (1,), (2,), (3, 3), (4, 4), (5, 5)]}
_COLUMNS[9] = [(3 * i + j, 3 * j + i)[: 1 + (i != j)] for i, j in PLACES]


def _take(columns: list[tuple[int, ...]]) -> Any:
    """Components of n blocks, a step apart from a on in x, times a factor: to rows of y from b on."""

    def take(x: Any, a: Any, step: Any, n: Any, y: Any, b: Any, row: Any, factor: Any) -> None:
        for k in independent(n):
            p, o = a + k * step, b + k * row
            for c, (first, *other) in enumerate(columns):
                y[o + c] = factor * (x[p + first] + x[p + other[0]] if other else x[p + first])

    return traced(take)


def _give(columns: list[tuple[int, ...]]) -> Any:
    """The reverse: each component to all its columns."""

    def give(x: Any, a: Any, step: Any, n: Any, y: Any, b: Any, row: Any, factor: Any) -> None:
        for k in independent(n):
            p, o = a + k * step, b + k * row
            for c, places in enumerate(columns):
                h = factor * y[o + c]
                for place in sorted(set(places)):
                    x[p + place] = h

    return traced(give)


_take_three, _take_six, _take_nine = (_take(columns) for columns in _COLUMNS.values())
_give_three, _give_six, _give_nine = (_give(columns) for columns in _COLUMNS.values())


@jit(fastmath=FAST)
def take_line(columns: int, x: Any, a: int, step: int, n: int, y: Any, b: int, row: int, factor: float) -> None:
    """`_take` of moments of so many columns."""
    if columns == _U(3):
        _take_three(x, a, step, n, y, b, row, factor)
    elif columns == _U(6):
        _take_six(x, a, step, n, y, b, row, factor)
    else:
        _take_nine(x, a, step, n, y, b, row, factor)


@jit(fastmath=FAST)
def give_line(columns: int, x: Any, a: int, step: int, n: int, y: Any, b: int, row: int, factor: float) -> None:
    """`_give` of moments of so many columns."""
    if columns == _U(3):
        _give_three(x, a, step, n, y, b, row, factor)
    elif columns == _U(6):
        _give_six(x, a, step, n, y, b, row, factor)
    else:
        _give_nine(x, a, step, n, y, b, row, factor)


@traced
def _turn_there(x: Any, a: Any, n: Any, c: Any, s: Any) -> None:
    """n real numbers times c + s I, in place."""
    for v in independent(n):
        r = x[a + v]
        x[a + v], x[a + n + v] = c * r, s * r


@traced
def _turn_back(x: Any, a: Any, n: Any, c: Any, s: Any) -> None:
    """Real part of n numbers times c - s I, in place."""
    for v in independent(n):
        x[a + v] = c * x[a + v] + s * x[a + n + v]


@jit(
    "void(int64, int64, float64[::1], int64[:, ::1], int64, float64, int64, float64[:, ::1], uint64[:, ::1], "
    "float64[::1], float64[:, :, :, ::1], int64)",
    fastmath=FAST,
)
def _spread(
    j0: int, j1: int, moments: Any, axes: Any, columns: int, factor: float, width_: int, turn: Any, passes: Any,
    w: Any, out: Any, there: int,
) -> None:  # fmt: skip
    """Transform the moments of rows [j0, j1) along z into out (mz, blocks, ny, [2][width][components]).

    axes (2, 3) are the sides of the lattice and the steps from block to block, along x, y, z; moments come in so many
    columns and are multiplied by factor. Along x, width neighbours are the lanes of a block; the last block ends in
    zeros. turn (nz, 2) holds cos and sin of -pi j/(2 mz).
    """
    m, blocks, ny, row, width = _U(out.shape[0]), _U(out.shape[1]), _U(out.shape[2]), _U(out.shape[3]), _U(width_)
    nx, nz, lanes, components = _U(axes[0, 0]), _U(axes[0, 2]), row // _U(2), row // _U(2) // _U(width_)
    dx, dy, dz = _U(axes[1, 0]), _U(axes[1, 1]), _U(axes[1, 2])
    work = np.empty(m * row)
    for block in range(blocks):
        first = block * width
        work[:] = 0.0
        for j in range(_U(j0), _U(j1)):
            work[nz * row :] = 0.0
            for i in range(min(width, nx - first)):
                take_line(_U(columns), moments, (first + i) * dx + j * dy, dz, nz, work, i * components, row, factor)
            for k in range(nz):
                _turn_there(work, k * row, lanes, turn[k, 0], turn[k, 1])
            call(there, work, out.shape[0], out.shape[3] // 2, passes, w)
            for k in range(m):
                _copy(work, k * row, out, ((k * blocks + block) * ny + j) * row, row)


@jit(
    "void(int64, int64, float64[:, :, :, ::1], int64[:, ::1], int64, float64, int64, float64[:, ::1], "
    "uint64[:, ::1], float64[::1], float64[::1], int64)",
    fastmath=FAST,
)
def _collect(
    j0: int, j1: int, field: Any, axes: Any, columns: int, factor: float, width_: int, turn: Any, passes: Any, w: Any,
    out: Any, back: int,
) -> None:  # fmt: skip
    """Transform back rows [j0, j1) of what `spread` made, times factor, into out."""
    m, blocks, ny, row = _U(field.shape[0]), _U(field.shape[1]), _U(field.shape[2]), _U(field.shape[3])
    nx, nz, lanes, components = _U(axes[0, 0]), _U(axes[0, 2]), row // _U(2), row // _U(2) // _U(width_)
    dx, dy, dz, width = _U(axes[1, 0]), _U(axes[1, 1]), _U(axes[1, 2]), _U(width_)
    work = np.empty(m * row)
    for block in range(blocks):
        first = block * width
        for j in range(_U(j0), _U(j1)):
            for k in range(m):
                _copy(field, ((k * blocks + block) * ny + j) * row, work, k * row, row)
            call(back, work, field.shape[0], field.shape[3] // 2, passes, w)
            for k in range(nz):
                _turn_back(work, k * row, lanes, turn[k, 0], turn[k, 1])
            for i in range(min(width, nx - first)):
                give_line(_U(columns), out, (first + i) * dx + j * dy, dz, nz, work, i * components, row, factor)


# n is 8. LLVM makes no vectors of a loop known to be so short, if it must look first whether arrays overlap.
@traced
def _stress_matrix(k: Any, a: Any, n: Any, g: Any, f: Any, m: Any, b: Any) -> None:
    """Matrix of six components, the rows of its upper triangle, from the transforms of their functions.

    Lambda~ is g (delta_ik G_jl + delta_jk G_il + delta_il G_jk + delta_jl G_ik)/4 + f F. Functions odd along two axes
    lack a factor i from each.
    """
    h, quarter = g - 2.0 * f, 0.25 * g
    for v in independent(n):
        p, o = a + v, b + v
        gx, gy = k[p], k[p + 8]
        gxy = gy + gx  # -gz
        yyzz, xxzz, xxyy = f * k[p + 16], f * k[p + 24], f * k[p + 32]
        m[o] = h * gx - (xxzz + xxyy)
        m[o + 8] = xxyy
        m[o + 16] = xxzz
        m[o + 48] = h * gy - (yyzz + xxyy)
        m[o + 56] = yyzz
        m[o + 88] = gxy * -h - (yyzz + xxzz)
        m[o + 120] = yyzz - gx * quarter
        m[o + 144] = xxzz - gy * quarter
        m[o + 160] = xxyy + gxy * quarter
        # rows of yz, xz and xy: places of the products of the three functions, of xx yz, yy yz, ... in the first one
        for first, alone, places in (
            (40, 0, (24, 64, 96, 152)),
            (64, 1, (32, 72, 104, 136)),
            (88, 2, (40, 80, 112, 128)),
        ):
            functions = k[p + first], k[p + (first + 8)], k[p + (first + 16)]
            t = ((functions[1] + functions[0]) + functions[2]) * quarter
            for axis in range(3):
                product = f * functions[axis]
                m[o + places[axis]] = -product if axis == alone else t - product
            m[o + places[3]] = 0.5 * t - f * functions[alone]


@traced
def _dipole_matrix(k: Any, a: Any, n: Any, m: Any, b: Any) -> None:
    """As `_stress_matrix`, of three components, from theirs."""
    for v in independent(n):
        p, o = a + v, b + v
        gx, gy = k[p], k[p + 8]
        m[o] = gx
        m[o + 24] = gy
        m[o + 40] = -gx - gy
        m[o + 32] = -k[p + 16]
        m[o + 16] = -k[p + 24]
        m[o + 8] = -k[p + 32]


def _multiply(size: int) -> Any:
    """Eight lanes of `size` components at a, and those at a_, times the symmetric matrix at b, its upper triangle.

    Components have the signs from s on, before and after.
    """
    pairs = list(itertools.combinations_with_replacement(range(size), 2))

    def multiply(x: Any, a: Any, a_: Any, n: Any, k: Any, b: Any, signs: Any, s: Any) -> None:
        sign = [signs[s + c] for c in range(size)]
        for v in independent(n):
            m = {pair: k[b + v + 8 * place] for place, pair in enumerate(pairs)}
            for p in (a + v, a_ + v):
                t = [sign[c] * x[p + 8 * c] for c in range(size)]
                for c in range(size):
                    total = m[0, c] * t[0]
                    for d in range(1, size):
                        total = total + m[min(c, d), max(c, d)] * t[d]
                    x[p + 8 * c] = sign[c] * total

    return traced(multiply)


_multiply_six, _multiply_three = _multiply(6), _multiply(3)


@traced
def _turn(x: Any, a: Any, a_: Any, y: Any, b: Any, b_: Any, n: Any, c: Any, s: Any) -> None:
    """y = (c + s I) x for n lanes, real and imaginary parts from a and a_ on, and from b and b_ on."""
    for v in independent(n):
        y[b + v], y[b_ + v] = turned(x[a + v], x[a_ + v], c, s)


@traced
def _turn_and_add(
    x: Any, a: Any, a_: Any, z: Any, d: Any, d_: Any, y: Any, b: Any, b_: Any, n: Any, c: Any, s: Any
) -> None:
    """As `_turn`, plus what is in z, parts from d and d_ on."""
    for v in independent(n):
        r, i = turned(x[a + v], x[a_ + v], c, s)
        y[b + v], y[b_ + v] = z[d + v] + r, z[d_ + v] + i


@traced
def _turn_and_join(x: Any, a: Any, y: Any, b: Any, n: Any, c: Any, s: Any) -> None:
    """Sum of (c + s I) x of n lanes of y and of the conjugates of those of -y; rows are [real, imaginary][y, -y]."""
    for v in independent(n):
        o = a + v
        r, i = turned(x[o], x[o + n + n], c, s)
        i_, r_ = turned(x[o + n], x[o + n + n + n], c, s)
        y[b + v], y[b + n + v] = r + r_, i + i_


def _square(back: bool) -> Any:
    """Eight numbers, from `first` on, of each of eight rows of x: to rows of eight of y, at places; or `back`."""
    orders = [[i // 2 + i % 2 * 8 + start for i in range(8)] for start in (0, 4)]

    def move(x: Any, a: Any, row: Any, y: Any, b: Any, places: Any, first: Any) -> None:
        rows = [(x, a + first + row * i) for i in range(8)]
        eights = [(y, b + places[first + i]) for i in range(8)]
        numbers = [EIGHT.load(*place) for place in (eights if back else rows)]
        for _ in range(3):  # the digits of [row][number] go round by one
            pairs = zip(numbers[:4], numbers[4:], strict=True)
            numbers = [EIGHT.mixed(*pair, order) for pair in pairs for order in orders]
        for place, vector in zip(rows if back else eights, numbers, strict=True):
            EIGHT.store(*place, vector)

    return traced(move)


_to_eights, _from_eights = _square(back=False), _square(back=True)


@traced
def _copy_to(x: Any, a: Any, step: Any, n: Any, y: Any, b: Any) -> None:
    """Copy n elements of x, steps apart, to those of y from b on."""
    for v in independent(n):
        y[b + v] = x[a + v * step]


@traced
def _copy_from(x: Any, a: Any, step: Any, n: Any, y: Any, b: Any) -> None:
    """Undo `_copy_to`."""
    for v in independent(n):
        x[a + v * step] = y[b + v]


@jit(fastmath=FAST)
def tile_places(places: Any, components: Any, row: Any) -> None:
    """Fill places with where in a tile of such rows lanes [x][component] are."""
    for lane in range(_U(places.shape[0])):
        places[lane] = lane // components * row + lane % components * _U(8)


@jit(fastmath=FAST)
def to_tile(
    x: Any, a: Any, row: Any, parts: Any, lanes: Any, filled: Any, y: Any, b: Any, part: Any, places: Any
) -> None:
    """Turn `filled` rows of `parts` parts, the first lanes of each, into rows of eights, at places[lane]."""
    whole = lanes - lanes % _U(8) if filled == _U(8) else _U(0)
    step = _U(places.shape[0])
    for i in range(parts):
        for lane in range(_U(0), whole, _U(8)):
            _to_eights(x, a + i * step, row, y, b + i * part, places, lane)
        for lane in range(whole, lanes):
            _copy_to(x, a + i * step + lane, row, filled, y, b + i * part + places[lane])


@jit(fastmath=FAST)
def from_tile(
    x: Any, a: Any, row: Any, parts: Any, lanes: Any, filled: Any, y: Any, b: Any, part: Any, places: Any
) -> None:
    """Undo `to_tile`."""
    whole = lanes - lanes % _U(8) if filled == _U(8) else _U(0)
    step = _U(places.shape[0])
    for i in range(parts):
        for lane in range(_U(0), whole, _U(8)):
            _from_eights(x, a + i * step, row, y, b + i * part, places, lane)
        for lane in range(whole, lanes):
            _copy_from(x, a + i * step + lane, row, filled, y, b + i * part + places[lane])


@jit(fastmath=FAST)
def _matrices(
    kernel: Any, first: Any, eight: Any, mx: Any, components: Any, factors: Any, matrix: Any, elements: Any
) -> None:
    """Write the matrices of the mx values of x of a tile whose functions begin at `first`."""
    for kx in range(mx):
        a, b = first + kx * _U(kernel.shape[3]) * eight, kx * elements * _U(8)
        if components == _U(6):
            _stress_matrix(kernel, a, eight, factors[0], factors[1], matrix, b)
        else:
            _dipole_matrix(kernel, a, eight, matrix, b)


@jit(fastmath=FAST)
def _multiply_rows(
    work: Any, row_x: Any, eight: Any, mx: Any, components: Any, matrix: Any, elements: Any, signs: Any, side: Any
) -> None:
    """Multiply the mx rows of a tile by its matrices."""
    for kx in range(mx):
        for part in range(_U(2)):  # y and -y
            a, b = kx * row_x + part * _U(8) * components, kx * elements * _U(8)
            a_, sign = a + _U(16) * components, (side + side + part) * components
            if components == _U(6):
                _multiply_six(work, a, a_, eight, matrix, b, signs, sign)
            else:
                _multiply_three(work, a, a_, eight, matrix, b, signs, sign)


@jit(
    "void(int64, int64, float64[:, :, :, ::1], float64[:, :, :, :, ::1], float64[::1], float64[:, ::1], int64, int64, "
    "int64, int64, float64[:, ::1], uint64[:, ::1], float64[::1], float64[:, ::1], uint64[:, ::1], float64[::1], "
    "int64, int64)",
    fastmath=FAST,
)
def _planes(
    k0: int, k1: int, field: Any, kernel: Any, factors: Any, signs: Any, components_: int, width_: int,
    my_: int, mx_: int, turn_y: Any, passes_y: Any, w_y: Any, turn_x: Any, passes_x: Any, w_x: Any,
    there: int, back: int,
) -> None:  # fmt: skip
    """Convolve the planes [k0, k1) of what `spread` made with the kernel, in place.

    kernel (mz, tiles, mx, basis, 8): eight values of y are the lanes of a tile; factors are g and f of
    `_stress_matrix`. signs (4, components) are those of the components at x, y; x, -y; -x, y; -x, -y.
    """
    components, width, my, mx = _U(components_), _U(width_), _U(my_), _U(mx_)
    blocks, ny, nx = _U(field.shape[1]), _U(turn_y.shape[0]), _U(turn_x.shape[0])
    tiles, basis, eight = _U(kernel.shape[1]), _U(kernel.shape[3]), _U(kernel.shape[4])
    lanes, elements = components * width, components * (components + _U(1)) // _U(2)
    # Rows are [real, imaginary][y, -y][x][component] in transforms along y, [...][component][eight of y] along x.
    half = _U(16) * components
    row_y, row_x = _U(4) * lanes, _U(2) * half
    tile, places = np.empty(tiles * nx * row_x), np.empty(lanes, np.uint64)
    tile_places(places, components, row_x)
    tile[:] = 0.0
    work = np.empty(max(my * row_y, mx * row_x))
    kept = np.empty(nx * row_x)
    matrix = np.empty(mx * elements * _U(8))
    for k in range(_U(k0), _U(k1)):
        for block in range(blocks):
            first = block * width
            count = min(width, nx - first)
            work[ny * row_y : my * row_y] = 0.0
            for j in range(ny):
                a, b, c, s = ((k * blocks + block) * ny + j) * _U(2) * lanes, j * row_y, turn_y[j, 0], turn_y[j, 1]
                _turn(field, a, a + lanes, work, b, b + _U(2) * lanes, lanes, c, s)
                _turn(field, a + lanes, a, work, b + lanes, b + _U(3) * lanes, lanes, c, s)
            call(there, work, my_, 2 * components_ * width_, passes_y, w_y)
            for t in range(tiles):
                a, b, filled = _U(8) * t * row_y, (t * nx + first) * row_x, min(_U(8), my - _U(8) * t)
                to_tile(work, a, row_y, _U(4), count * components, filled, tile, b, _U(8) * components, places)
        for t in range(tiles):
            _matrices(kernel, (k * tiles + t) * mx * basis * eight, eight, mx, components, factors, matrix, elements)
            for side in range(_U(2)):
                re, im = side * half, (_U(1) - side) * half
                work[nx * row_x : mx * row_x] = 0.0
                for i in range(nx):
                    a, b = (t * nx + i) * row_x, i * row_x
                    _turn(tile, a + re, a + im, work, b, b + half, half, turn_x[i, 0], turn_x[i, 1])
                call(there, work, mx_, 16 * components_, passes_x, w_x)
                _multiply_rows(work, row_x, eight, mx, components, matrix, elements, signs, side)
                call(back, work, mx_, 16 * components_, passes_x, w_x)
                for i in range(nx):
                    a, b = i * row_x, (t * nx + i) * row_x
                    c, s = turn_x[i, 0], -turn_x[i, 1]
                    if side == _U(0):
                        _turn(work, a, a + half, kept, a, a + half, half, c, s)
                    else:
                        _turn_and_add(work, a, a + half, kept, a + half, a, tile, b + half, b, half, c, s)
        for block in range(blocks):
            first = block * width
            count = min(width, nx - first)
            for t in range(tiles):
                a, b, filled = _U(8) * t * row_y, (t * nx + first) * row_x, min(_U(8), my - _U(8) * t)
                from_tile(work, a, row_y, _U(4), count * components, filled, tile, b, _U(8) * components, places)
            call(back, work, my_, 2 * components_ * width_, passes_y, w_y)
            for j in range(ny):
                b, c, s = ((k * blocks + block) * ny + j) * _U(2) * lanes, turn_y[j, 0], -turn_y[j, 1]
                _turn_and_join(work, j * row_y, field, b, lanes, c, s)


@jit(
    "void(float64[:, :, ::1], int64[:, ::1], int64, int64, float64[:, ::1], uint64[:, ::1], float64[::1], "
    "float64[:, ::1], uint64[:, ::1], float64[::1], float64[::1], int64)",
    fastmath=FAST,
)
def _kernel_plane(
    samples: Any, odd: Any, my: int, mx: int, turn_y: Any, passes_y: Any, w_y: Any,
    turn_x: Any, passes_x: Any, w_x: Any, out: Any, there: int,
) -> None:  # fmt: skip
    """Transform samples (basis, ny, nx) of the kernel at offsets >= 0 along y and x into out.

    out, (tiles, mx, basis, 8) without axes, gets half of the transform of the functions continued to negative offsets,
    even or odd (odd[0] along x, odd[1] along y), divided by i for the odd ones; the rows of turn are those of `planes`,
    but the first, of offset 0, is halved.
    """
    basis, ny, nx = samples.shape
    lanes = basis * 8
    work = np.empty(max(my, mx) * 2 * lanes)
    row = 2 * lanes
    for first in range(0, nx, 8):
        count = min(8, nx - first)
        work[:] = 0.0
        for j in range(ny):
            for b in range(basis):
                for i in range(count):
                    at = j * row + 8 * b + i
                    work[at] = samples[b, j, first + i] * turn_y[j, 0]
                    work[at + lanes] = samples[b, j, first + i] * turn_y[j, 1]
        call(there, work, my, lanes, passes_y, w_y)
        for k in range(my):
            a, to = k * row, ((k // 8) * mx + first) * lanes + k % 8
            for i in range(count):
                for b in range(basis):
                    out[to + i * lanes + 8 * b] = work[a + odd[1, b] * lanes + 8 * b + i]
    for start in range(0, out.size, mx * lanes):
        _kernel_lines(out, start, lanes, mx, odd[0], turn_x, passes_x, w_x, there)


@jit(
    "void(float64[::1], int64, int64, int64, int64[::1], float64[:, ::1], uint64[:, ::1], float64[::1], int64)",
    fastmath=FAST,
)
def _kernel_lines(
    values: Any, start: int, step: int, m: int, odd: Any, turn: Any, passes: Any, w: Any, there: int
) -> None:
    """Transform m rows (basis, 8), from start on and step apart, the first of which are samples, as `kernel_plane`."""
    lanes = odd.size * 8
    work = np.empty(m * 2 * lanes)
    work[:] = 0.0
    for j in range(turn.shape[0]):
        for lane in range(lanes):
            at = j * 2 * lanes + lane
            work[at] = values[start + j * step + lane] * turn[j, 0]
            work[at + lanes] = values[start + j * step + lane] * turn[j, 1]
    call(there, work, m, lanes, passes, w)
    for k in range(m):
        for b in range(odd.size):
            at = k * 2 * lanes + odd[b] * lanes + 8 * b
            _copy(work, at, values, start + k * step + 8 * b, 8)


def with_addresses(kernel: Any, *addresses: Callable[[], Any]) -> Callable[..., None]:
    """Return the kernel with its last arguments given: addresses, which nothing may keep that could be pickled."""

    def call_it(*arguments: Any) -> None:
        kernel(*arguments, *[address() for address in addresses])

    return call_it


spread, collect = with_addresses(_spread, forward_address), with_addresses(_collect, backward_address)
planes = with_addresses(_planes, forward_address, backward_address)
_plane, kernel_lines = with_addresses(_kernel_plane, forward_address), with_addresses(_kernel_lines, forward_address)


def kernel_plane(*arguments: Any) -> None:
    """`_kernel_plane`, with its last array as it is."""
    *given, out = arguments
    _plane(*given, out.reshape(-1))
