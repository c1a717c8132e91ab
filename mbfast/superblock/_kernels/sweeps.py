"""Sweeps over the states of a super block, in tiles that stay in the cache.

States ``x``, ``y`` come flat, of (D, lanes) real numbers: states side by side, and real and imaginary parts.
"""

from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.numba_private import counted, traced
from mbfast._core.simd import EIGHT
from mbfast.kernels.superblock import add_flips

SIDE = 16  # elements of each row that `sparse` takes at once


@jit("void(int64, int64, float64[::1], float64[::1], int64, float64[::1], float64[::1])", fastmath=FAST)
def low_flips(begin: int, end: int, diagonal: Any, flips: Any, lanes: int, x: Any, y: Any) -> None:
    """Fill the tiles [begin, end) of y: the diagonal times x, and the flips of the last blocks, those within a tile."""
    rows = 1 << flips.size
    size = rows * lanes
    for tile in range(begin, end):
        d, u, v = diagonal[tile * rows : (tile + 1) * rows], x[tile * size :][:size], y[tile * size :][:size]
        if lanes == 1:
            for i in range(rows):
                v[i] = d[i] * u[i]
        elif lanes == 2:  # as of the complex; LLVM wants to know the step
            for i in range(rows):
                v[2 * i] = d[i] * u[2 * i]
                v[2 * i + 1] = d[i] * u[2 * i + 1]
        else:
            for i in range(rows):
                for j in range(i * lanes, (i + 1) * lanes):
                    v[j] = d[i] * u[j]
        add_flips(flips, u, v)


@jit("void(int64, int64, float64[::1], int64, int64, float64[::1], float64[::1])", fastmath=FAST)
def high_flips(begin: int, end: int, flips: Any, stride: int, width: int, x: Any, y: Any) -> None:
    """Add to y the flips of consecutive blocks; the two halves of the last one are `stride` elements apart.

    A tile is at most `width` elements of each of 2^flips.size rows; tiles [begin, end) are done.
    """
    rows = 1 << flips.size
    per = (stride + width - 1) // width
    u, v = np.empty(rows * width), np.empty(rows * width)
    for tile in range(begin, end):
        column = tile % per * width
        first = tile // per * rows * stride + column
        n = min(width, stride - column)
        for row in range(rows):
            a, b, c = x[first + row * stride :][:n], u[row * n :][:n], v[row * n :][:n]
            for i in range(n):
                b[i] = a[i]
                c[i] = 0.0
        add_flips(flips, u[: rows * n], v[: rows * n])
        for row in range(rows):
            a, c = y[first + row * stride :][:n], v[row * n :][:n]
            for i in range(n):
                a[i] += c[i]


@traced
def _multiply(rows: Any, starts: Any, columns: Any, values: Any, u: Any, v: Any) -> None:
    """Fill rows of v, SIDE elements each, with a sparse matrix times those of u; columns count elements.

    A row has its elements in pairs, and starts count these: of sums each waits for the one before, so there are two.
    """
    for row in counted(rows):
        first = starts[row]
        sums = [EIGHT.zeros(values[first]) for _ in range(SIDE // 4)]
        for pair in counted(starts[row + 1] - first):
            for one in range(2):
                place = (first + pair) * 2 + one
                value, column = values[place], columns[place]
                for part in range(SIDE // 8):
                    sums[2 * part + one] += value * EIGHT.load(u, column + 8 * part)
        for part in range(SIDE // 8):
            EIGHT.store(v, row * SIDE + 8 * part, sums[2 * part] + sums[2 * part + 1])


@jit(
    "void(int64, int64, int64[::1], int64[::1], float64[::1], int64[::1], int64[::1], int64, int64, float64[::1], "
    "float64[::1])",
    fastmath=FAST,
)
def sparse(
    begin: int, end: int, starts: Any, columns: Any, values: Any, rows: Any, others: Any, lanes: int, step: int, x: Any,
    y: Any,
) -> None:  # fmt: skip
    """Add to y a sparse matrix on some of the blocks times x.

    The elements that it takes are `rows` from each of those of the other blocks, `others`, with their lanes 0, step,
    ... ; of these [begin, end), counted lane by lane, are done.
    """
    u, v = np.zeros(rows.size * SIDE), np.empty(rows.size * SIDE)
    places = np.zeros(SIDE, np.int64)
    for first in range(begin, end, SIDE):
        n = min(SIDE, end - first)
        for i in range(n):
            places[i] = others[(first + i) // lanes] + (first + i) % lanes * step
        for row in range(rows.size):
            a = u[row * SIDE :][:SIDE]
            for i in range(n):
                a[i] = x[rows[row] + places[i]]
        _multiply(rows.size, starts, columns, values, u, v)
        for row in range(rows.size):
            a = v[row * SIDE :][:SIDE]
            for i in range(n):
                y[rows[row] + places[i]] += a[i]


@jit("void(float64[::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[::1])", fastmath=FAST)
def outer_sums(slow: Any, fast: Any, factors: Any, columns: Any, out: Any) -> None:
    """Fill out with slow[i] + fast[j] + the sum over c of factors[i, c] columns[c, j], j the fast index."""
    for i in range(slow.size):
        row, first = out[i * fast.size :][: fast.size], slow[i]
        for j in range(fast.size):
            row[j] = first + fast[j]
        for c in range(columns.shape[0]):
            factor, column = factors[i, c], columns[c]
            for j in range(fast.size):
                row[j] += factor * column[j]
