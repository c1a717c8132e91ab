"""Sweeps over the states of a super block, in tiles that stay in the cache.

States ``x``, ``y`` come flat, of (D, lanes) real numbers: states side by side, and real and imaginary parts.
"""

from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.simd import EIGHT
from mbfast._core.tracing import counted, traced
from mbfast.kernels.superblock import add_flips

SIDE = 16  # states of other blocks that are done at once


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
        elif lanes == 2:  # as of the complex: a step that is known lets LLVM use vectors
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
def _multiply(rows: Any, starts: Any, columns: Any, values: Any, places: Any, u: Any, v: Any) -> None:
    """Add to elements of v, SIDE from each of the places, a sparse matrix times u; columns count elements of u.

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
            place = places[row] + 8 * part
            EIGHT.store(v, place, EIGHT.load(v, place) + (sums[2 * part] + sums[2 * part + 1]))


@jit()
def _gather(first: int, n: int, rows: Any, others: Any, lanes: int, step: int, at: Any, x: Any, u: Any) -> None:
    """Fill u with n states of the other blocks and lanes, from `first` on, side by side, and `at` with their places."""
    for i in range(n):
        at[i] = others[(first + i) // lanes] + (first + i) % lanes * step
    for row in range(rows.size):
        a = u[row * SIDE :][:SIDE]
        for i in range(n):
            a[i] = x[rows[row] + at[i]]


@jit()
def _scatter(n: int, rows: Any, at: Any, v: Any, y: Any) -> None:
    """Add to y what was computed for n states side by side."""
    for row in range(rows.size):
        a = v[row * SIDE :][:SIDE]
        for i in range(n):
            y[rows[row] + at[i]] += a[i]


@jit(
    "void(int64, int64, int64[::1], int64[::1], float64[::1], int64[::1], int64[::1], int64[::1], int64, int64, "
    "float64[::1], float64[::1])",
    fastmath=FAST,
)
def sparse(
    begin: int, end: int, starts: Any, columns: Any, values: Any, places: Any, rows: Any, others: Any, lanes: int,
    step: int, x: Any, y: Any,
) -> None:  # fmt: skip
    """Add to y a sparse matrix on some of the blocks times x.

    Their states are `rows` from each of those of the other blocks, `others`, with their lanes 0, step, ... ; of these
    [begin, end), counted lane by lane, are done.
    """
    u, v, at = np.zeros(rows.size * SIDE), np.empty(rows.size * SIDE), np.zeros(SIDE, np.int64)
    for first in range(begin, end, SIDE):
        n = min(SIDE, end - first)
        _gather(first, n, rows, others, lanes, step, at, x, u)
        v[:] = 0.0
        _multiply(rows.size, starts, columns, values, places, u, v)
        _scatter(n, rows, at, v, y)


@jit(
    "void(int64, int64, int64[::1], int64[::1], float64[::1], int64[::1], int64[::1], int64[::1], float64[::1], "
    "int64[::1], int64[::1], int64[::1], int64, int64, float64[::1], float64[::1])",
    fastmath=FAST,
)
def products(
    begin: int, end: int, starts: Any, columns: Any, values: Any, places: Any, starts_: Any, columns_: Any,
    values_: Any, places_: Any, rows: Any, others: Any, lanes: int, step: int, x: Any, y: Any,
) -> None:  # fmt: skip
    """Add to y the sum of products of an operator on one block and one on another times x.

    The operators on the one, of which there are as many, stand below each other in a sparse matrix, and so do those on
    the other (with _), which are first. `rows` are the states of both, the other the faster, and then their parts.
    """
    u, v, w = np.zeros(rows.size * SIDE), np.empty(rows.size * SIDE), np.empty(rows.size * SIDE)
    at = np.zeros(SIDE, np.int64)
    one, other = places.size, places_.size  # states of each, and their parts
    parts = one * other // rows.size
    for first in range(begin, end, SIDE):
        n = min(SIDE, end - first)
        _gather(first, n, rows, others, lanes, step, at, x, u)
        v[:] = 0.0
        for k in range((starts.size - 1) // one):
            w[:] = 0.0
            for i in range(one // parts):
                a, b = u[i * other * SIDE :], w[i * parts * SIDE :]
                _multiply(other, starts_[k * other :], columns_, values_, places_, a, b)
            for j in range(other // parts):
                a, b = w[j * one * SIDE :], v[j * parts * SIDE :]
                _multiply(one, starts[k * one :], columns, values, places, a, b)
        _scatter(n, rows, at, v, y)


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
