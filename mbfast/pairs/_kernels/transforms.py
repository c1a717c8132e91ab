"""Fourier transforms along the rows of arrays whose lanes are transformed together, of lengths 2^a 3^b 5^c.

Data are rows of lanes, real parts then imaginary parts: loops are over contiguous lanes. Frequencies come in the order
in which the passes of `forward` leave them and `backward` takes them, digits reversed: nothing is ever sorted.
Conjugates are swaps of real and imaginary parts (which is i times the conjugate). Indices are unsigned: numba does not
guard them against being negative.

The kernels of `mbfast.pairs._kernels.lattice` call the transforms by their addresses: linked into each of them, as
numba does with a function that it knows, they would be compiled seven times.
"""

import functools
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, address, jit
from mbfast._core.numba_private import called_at

_U: Any = np.uint64


@jit(fastmath=FAST)
def turned(r: float, i: float, c: float, s: float) -> tuple[float, float]:
    """(r + i I)(c + s I)."""
    return r * c - i * s, r * s + i * c


@jit(fastmath=FAST)
def _two(ar: float, ai: float, br: float, bi: float) -> tuple[float, float, float, float]:
    return ar + br, ai + bi, ar - br, ai - bi


@jit(fastmath=FAST)
def _three(
    ar: float, ai: float, br: float, bi: float, cr: float, ci: float
) -> tuple[float, float, float, float, float, float]:
    sr, si = br + cr, bi + ci
    dr, di = 0.8660254037844386 * (br - cr), 0.8660254037844386 * (bi - ci)
    hr, hi = ar - 0.5 * sr, ai - 0.5 * si
    return ar + sr, ai + si, hr + di, hi - dr, hr - di, hi + dr


@jit(fastmath=FAST)
def _four(
    ar: float, ai: float, br: float, bi: float, cr: float, ci: float, dr: float, di: float
) -> tuple[float, float, float, float, float, float, float, float]:
    pr, pi, mr, mi = ar + cr, ai + ci, ar - cr, ai - ci
    qr, qi, nr, ni = br + dr, bi + di, br - dr, bi - di
    return pr + qr, pi + qi, mr + ni, mi - nr, pr - qr, pi - qi, mr - ni, mi + nr


@jit(fastmath=FAST)
def _five(
    ar: float, ai: float, br: float, bi: float, cr: float, ci: float, dr: float, di: float, er: float, ei: float
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    pr, pi, mr, mi = br + er, bi + ei, br - er, bi - ei
    qr, qi, nr, ni = cr + dr, ci + di, cr - dr, ci - di
    c1, c2, s1, s2 = 0.30901699437494745, -0.8090169943749475, 0.9510565162951535, 0.5877852522924731
    ur, ui = ar + c1 * pr + c2 * qr, ai + c1 * pi + c2 * qi
    vr, vi = ar + c2 * pr + c1 * qr, ai + c2 * pi + c1 * qi
    fr, fi = s1 * mr + s2 * nr, s1 * mi + s2 * ni
    gr, gi = s2 * mr - s1 * nr, s2 * mi - s1 * ni
    return ar + pr + qr, ai + pi + qi, ur + fi, ui - fr, vr + gi, vi - gr, vr - gi, vi + gr, ur - fi, ui + fr


@jit(fastmath=FAST)
def _split(radix: int, x: Any, a: int, ai: int, step: int, lanes: int, w: Any, t: int) -> None:
    """Butterfly of the rows at a (real parts) and ai (imaginary ones), step apart; twiddle factors t, ... come last."""
    b, bi = a + step, ai + step
    c, ci = b + step, bi + step
    d, di = c + step, ci + step
    if radix == _U(4):
        w1r, w1i, w2r, w2i, w3r, w3i = w[t], w[t + _U(1)], w[t + _U(2)], w[t + _U(3)], w[t + _U(4)], w[t + _U(5)]
        for k in range(lanes):
            y = _four(x[a + k], x[ai + k], x[b + k], x[bi + k], x[c + k], x[ci + k], x[d + k], x[di + k])
            x[a + k], x[ai + k] = y[0], y[1]
            x[b + k], x[bi + k] = turned(y[2], y[3], w1r, w1i)
            x[c + k], x[ci + k] = turned(y[4], y[5], w2r, w2i)
            x[d + k], x[di + k] = turned(y[6], y[7], w3r, w3i)
    elif radix == _U(2):
        w1r, w1i = w[t], w[t + _U(1)]
        for k in range(lanes):
            y2 = _two(x[a + k], x[ai + k], x[b + k], x[bi + k])
            x[a + k], x[ai + k] = y2[0], y2[1]
            x[b + k], x[bi + k] = turned(y2[2], y2[3], w1r, w1i)
    elif radix == _U(3):
        w1r, w1i, w2r, w2i = w[t], w[t + _U(1)], w[t + _U(2)], w[t + _U(3)]
        for k in range(lanes):
            y3 = _three(x[a + k], x[ai + k], x[b + k], x[bi + k], x[c + k], x[ci + k])
            x[a + k], x[ai + k] = y3[0], y3[1]
            x[b + k], x[bi + k] = turned(y3[2], y3[3], w1r, w1i)
            x[c + k], x[ci + k] = turned(y3[4], y3[5], w2r, w2i)
    elif radix == _U(5):
        e, ei = d + step, di + step
        w1r, w1i, w2r, w2i = w[t], w[t + _U(1)], w[t + _U(2)], w[t + _U(3)]
        w3r, w3i, w4r, w4i = w[t + _U(4)], w[t + _U(5)], w[t + _U(6)], w[t + _U(7)]
        for k in range(lanes):
            y5 = _five(
                x[a + k], x[ai + k], x[b + k], x[bi + k], x[c + k], x[ci + k], x[d + k], x[di + k], x[e + k], x[ei + k]
            )
            x[a + k], x[ai + k] = y5[0], y5[1]
            x[b + k], x[bi + k] = turned(y5[2], y5[3], w1r, w1i)
            x[c + k], x[ci + k] = turned(y5[4], y5[5], w2r, w2i)
            x[d + k], x[di + k] = turned(y5[6], y5[7], w3r, w3i)
            x[e + k], x[ei + k] = turned(y5[8], y5[9], w4r, w4i)


@jit(fastmath=FAST)
def _join(radix: int, x: Any, a: int, ai: int, step: int, lanes: int, w: Any, t: int) -> None:
    """The transpose of `_split`: the twiddle factors come first."""
    b, bi = a + step, ai + step
    c, ci = b + step, bi + step
    d, di = c + step, ci + step
    if radix == _U(4):
        w1r, w1i, w2r, w2i, w3r, w3i = w[t], w[t + _U(1)], w[t + _U(2)], w[t + _U(3)], w[t + _U(4)], w[t + _U(5)]
        for k in range(lanes):
            br, bj = turned(x[b + k], x[bi + k], w1r, w1i)
            cr, cj = turned(x[c + k], x[ci + k], w2r, w2i)
            dr, dj = turned(x[d + k], x[di + k], w3r, w3i)
            y = _four(x[a + k], x[ai + k], br, bj, cr, cj, dr, dj)
            x[a + k], x[ai + k] = y[0], y[1]
            x[b + k], x[bi + k] = y[2], y[3]
            x[c + k], x[ci + k] = y[4], y[5]
            x[d + k], x[di + k] = y[6], y[7]
    elif radix == _U(2):
        w1r, w1i = w[t], w[t + _U(1)]
        for k in range(lanes):
            br, bj = turned(x[b + k], x[bi + k], w1r, w1i)
            x[a + k], x[ai + k], x[b + k], x[bi + k] = _two(x[a + k], x[ai + k], br, bj)
    elif radix == _U(3):
        w1r, w1i, w2r, w2i = w[t], w[t + _U(1)], w[t + _U(2)], w[t + _U(3)]
        for k in range(lanes):
            br, bj = turned(x[b + k], x[bi + k], w1r, w1i)
            cr, cj = turned(x[c + k], x[ci + k], w2r, w2i)
            y3 = _three(x[a + k], x[ai + k], br, bj, cr, cj)
            x[a + k], x[ai + k] = y3[0], y3[1]
            x[b + k], x[bi + k] = y3[2], y3[3]
            x[c + k], x[ci + k] = y3[4], y3[5]
    elif radix == _U(5):
        e, ei = d + step, di + step
        w1r, w1i, w2r, w2i = w[t], w[t + _U(1)], w[t + _U(2)], w[t + _U(3)]
        w3r, w3i, w4r, w4i = w[t + _U(4)], w[t + _U(5)], w[t + _U(6)], w[t + _U(7)]
        for k in range(lanes):
            br, bj = turned(x[b + k], x[bi + k], w1r, w1i)
            cr, cj = turned(x[c + k], x[ci + k], w2r, w2i)
            dr, dj = turned(x[d + k], x[di + k], w3r, w3i)
            er, ej = turned(x[e + k], x[ei + k], w4r, w4i)
            y5 = _five(x[a + k], x[ai + k], br, bj, cr, cj, dr, dj, er, ej)
            x[a + k], x[ai + k] = y5[0], y5[1]
            x[b + k], x[bi + k] = y5[2], y5[3]
            x[c + k], x[ci + k] = y5[4], y5[5]
            x[d + k], x[di + k] = y5[6], y5[7]
            x[e + k], x[ei + k] = y5[8], y5[9]


# Passes are done two at a time, on the rows that both need: they stay in the nearest cache.
@jit("void(float64[::1], int64, int64, uint64[:, ::1], float64[::1])", fastmath=FAST, by_address=True)
def forward(x: Any, m: int, lanes: int, passes: Any, w: Any) -> None:
    """Transform x (m, 2, lanes) along its rows, y_k = Sum_j x_j exp(-2 pi i jk/m), k in reversed digits.

    A row of passes is: two radices, the length of what they split, and the places of their factors in w.
    """
    n, row = _U(lanes), _U(2 * lanes)
    for i in range(_U(passes.shape[0])):
        first, second, size, t, t_ = passes[i, 0], passes[i, 1], passes[i, 2], passes[i, 3], passes[i, 4]
        step = size // first
        step_ = step // second
        for start in range(_U(0), _U(m), size):
            for p in range(step_):
                for q in range(second):
                    k = p + q * step_
                    a = (start + k) * row
                    _split(first, x, a, a + n, step * row, n, w, t + _U(2) * (first - _U(1)) * k)
                for q in range(first):
                    a = (start + p + q * step) * row
                    _split(second, x, a, a + n, step_ * row, n, w, t_ + _U(2) * (second - _U(1)) * p)


@jit("void(float64[::1], int64, int64, uint64[:, ::1], float64[::1])", fastmath=FAST, by_address=True)
def backward(x: Any, m: int, lanes: int, passes: Any, w: Any) -> None:
    """Undo `forward`, but for a factor m: the transposed passes, on conjugates."""
    n, row = _U(lanes), _U(2 * lanes)
    count = _U(passes.shape[0])
    for j in range(count):
        i = count - _U(1) - j
        first, second, size, t, t_ = passes[i, 0], passes[i, 1], passes[i, 2], passes[i, 3], passes[i, 4]
        step = size // first
        step_ = step // second
        for start in range(_U(0), _U(m), size):
            for p in range(step_):
                for q in range(first):
                    a = (start + p + q * step) * row
                    _join(second, x, a + n, a, step_ * row, n, w, t_ + _U(2) * (second - _U(1)) * p)
                for q in range(second):
                    k = p + q * step_
                    a = (start + k) * row
                    _join(first, x, a + n, a, step * row, n, w, t + _U(2) * (first - _U(1)) * k)


@functools.cache
def forward_address() -> int:
    """Address of `forward`, for `call`; of this process alone."""
    return int(address(forward))


@functools.cache
def backward_address() -> int:
    """Address of `backward`."""
    return int(address(backward))


call: Any = called_at(forward)
