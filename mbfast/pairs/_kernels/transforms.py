"""Fourier transforms along the rows of arrays whose lanes are transformed together, of lengths 2^a 3^b 5^c.

Data are rows of lanes, real parts then imaginary parts: loops are over contiguous lanes. Frequencies come in the order
in which the passes of `forward` leave them and `backward` takes them, digits reversed: nothing is ever sorted.
Conjugates are swaps of real and imaginary parts (which is i times the conjugate). Indices are unsigned: numba does not
guard them against being negative.

The kernels of `mbfast.pairs._kernels.lattice` call the transforms by their addresses: linked into each of them, as
numba does with a function that it knows, they would be compiled seven times.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, address, jit
from mbfast._core.numba_private import called_at
from mbfast._core.tracing import independent, traced

_U: Any = np.uint64


def turned(r: Any, i: Any, c: Any, s: Any) -> tuple[Any, ...]:
    """(r + i I)(c + s I)."""
    return r * c - i * s, r * s + i * c


def _two(ar: Any, ai: Any, br: Any, bi: Any) -> tuple[Any, ...]:
    return ar + br, ai + bi, ar - br, ai - bi


def _three(ar: Any, ai: Any, br: Any, bi: Any, cr: Any, ci: Any) -> tuple[Any, ...]:
    sr, si = br + cr, bi + ci
    dr, di = 0.8660254037844386 * (br - cr), 0.8660254037844386 * (bi - ci)
    hr, hi = ar - 0.5 * sr, ai - 0.5 * si
    return ar + sr, ai + si, hr + di, hi - dr, hr - di, hi + dr


def _four(ar: Any, ai: Any, br: Any, bi: Any, cr: Any, ci: Any, dr: Any, di: Any) -> tuple[Any, ...]:
    pr, pi, mr, mi = ar + cr, ai + ci, ar - cr, ai - ci
    qr, qi, nr, ni = br + dr, bi + di, br - dr, bi - di
    return pr + qr, pi + qi, mr + ni, mi - nr, pr - qr, pi - qi, mr - ni, mi + nr


def _five(ar: Any, ai: Any, br: Any, bi: Any, cr: Any, ci: Any, dr: Any, di: Any, er: Any, ei: Any) -> tuple[Any, ...]:
    pr, pi, mr, mi = br + er, bi + ei, br - er, bi - ei
    qr, qi, nr, ni = cr + dr, ci + di, cr - dr, ci - di
    c1, c2, s1, s2 = 0.30901699437494745, -0.8090169943749475, 0.9510565162951535, 0.5877852522924731
    ur, ui = c1 * pr + (ar + c2 * qr), c1 * pi + (ai + c2 * qi)
    vr, vi = (ar + c2 * pr) + c1 * qr, (ai + c2 * pi) + c1 * qi
    fr, fi = s1 * mr + s2 * nr, s1 * mi + s2 * ni
    gr, gi = s2 * mr - s1 * nr, s2 * mi - s1 * ni
    return (qr + ar) + pr, (qi + ai) + pi, ur + fi, ui - fr, vr + gi, vi - gr, vr - gi, vi + gr, ur - fi, ui + fr


_BUTTERFLIES: dict[int, Callable[..., tuple[Any, ...]]] = {2: _two, 3: _three, 4: _four, 5: _five}


def _rows(radix: int, a: Any, ai: Any, step: Any, w: Any, t: Any) -> tuple[list[Any], list[Any]]:
    """Places of real and imaginary parts of rows from a and ai on, step apart, and twiddle factors of all but one."""
    rows, factors = [(a, ai)], []
    for q in range(radix - 1):
        a, ai = a + step, ai + step
        rows.append((a, ai))
        factors.append((w[t + 2 * q], w[t + (2 * q + 1)]))
    return rows, factors


def _split(radix: int) -> Any:
    """Butterfly of the rows at a (real parts) and ai (imaginary ones), step apart; twiddle factors t, ... come last."""

    def split(x: Any, a: Any, ai: Any, step: Any, lanes: Any, w: Any, t: Any) -> None:
        rows, factors = _rows(radix, a, ai, step, w, t)
        for k in independent(lanes):
            y = _BUTTERFLIES[radix](*[x[part + k] for row in rows for part in row])
            x[a + k], x[ai + k] = y[0], y[1]
            for q in range(1, radix):
                (b, bi), (c, s) = rows[q], factors[q - 1]
                x[b + k], x[bi + k] = turned(y[2 * q], y[2 * q + 1], c, s)

    return traced(split)


def _join(radix: int) -> Any:
    """The transpose of `_split`: the twiddle factors come first."""

    def join(x: Any, a: Any, ai: Any, step: Any, lanes: Any, w: Any, t: Any) -> None:
        rows, factors = _rows(radix, a, ai, step, w, t)
        for k in independent(lanes):
            turns = [turned(x[b + k], x[bi + k], c, s) for (b, bi), (c, s) in zip(rows[1:], factors, strict=True)]
            y = _BUTTERFLIES[radix](x[a + k], x[ai + k], *[part for turn in turns for part in turn])
            for q in range(radix):
                b, bi = rows[q]
                x[b + k], x[bi + k] = y[2 * q], y[2 * q + 1]

    return traced(join)


_split_two, _split_three, _split_four, _split_five = (_split(radix) for radix in (2, 3, 4, 5))
_join_two, _join_three, _join_four, _join_five = (_join(radix) for radix in (2, 3, 4, 5))


@jit(fastmath=FAST)
def _split_any(radix: int, x: Any, a: int, ai: int, step: int, lanes: int, w: Any, t: int) -> None:
    if radix == _U(4):
        _split_four(x, a, ai, step, lanes, w, t)
    elif radix == _U(2):
        _split_two(x, a, ai, step, lanes, w, t)
    elif radix == _U(3):
        _split_three(x, a, ai, step, lanes, w, t)
    elif radix == _U(5):
        _split_five(x, a, ai, step, lanes, w, t)


@jit(fastmath=FAST)
def _join_any(radix: int, x: Any, a: int, ai: int, step: int, lanes: int, w: Any, t: int) -> None:
    if radix == _U(4):
        _join_four(x, a, ai, step, lanes, w, t)
    elif radix == _U(2):
        _join_two(x, a, ai, step, lanes, w, t)
    elif radix == _U(3):
        _join_three(x, a, ai, step, lanes, w, t)
    elif radix == _U(5):
        _join_five(x, a, ai, step, lanes, w, t)


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
                    _split_any(first, x, a, a + n, step * row, n, w, t + _U(2) * (first - _U(1)) * k)
                for q in range(first):
                    a = (start + p + q * step) * row
                    _split_any(second, x, a, a + n, step_ * row, n, w, t_ + _U(2) * (second - _U(1)) * p)


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
                    _join_any(second, x, a + n, a, step_ * row, n, w, t_ + _U(2) * (second - _U(1)) * p)
                for q in range(second):
                    k = p + q * step_
                    a = (start + k) * row
                    _join_any(first, x, a + n, a, step * row, n, w, t + _U(2) * (first - _U(1)) * k)


@functools.cache
def forward_address() -> Any:
    """Address of `forward`, for `call`; of this process alone."""
    return address(forward)


@functools.cache
def backward_address() -> Any:
    """Address of `backward`."""
    return address(backward)


call: Any = called_at(forward)
