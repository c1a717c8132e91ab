"""States of coupled blocks: (2.16) with two-level blocks, in the basis where their stresses are diagonal.

Couplings, and what does not flip a block, are one diagonal (2^n,); what is left of H are flips, sum over s of
flips[s] sigma_x of block s. A state is (2^n, lanes), block 0 the slowest index; the lanes are states side by side.

Examples
--------
>>> import numpy as np
>>> from mbfast.kernels import superblock
>>> x, y = np.array([1.0, 0, 0, 0]), np.zeros(4)
>>> superblock.add_flips(np.array([2.0, 3.0]), x, y)
>>> y.tolist()
[0.0, 3.0, 2.0, 0.0]
"""

from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.simd import EIGHT
from mbfast._core.tracing import counted, traced


@traced
def _flip_three(x: Any, y: Any, first: Any, step: Any, n: Any, a: Any, b: Any, c: Any) -> None:
    """Add to n vectors of eight rows of y, `step` apart, a of x four, b two and c one row away."""
    for j in counted(n):
        places = [first + step * k + j * 8 for k in range(8)]
        rows = [EIGHT.load(x, place) for place in places]
        for k, place in enumerate(places):
            EIGHT.store(y, place, EIGHT.load(y, place) + a * rows[k ^ 4] + b * rows[k ^ 2] + c * rows[k ^ 1])


@traced
def _flip_one(x: Any, y: Any, first: Any, step: Any, f: Any) -> None:
    """Add to two rows of y, `step` apart and as long, f times the other one of x."""
    for j in counted(step):
        one = first + j
        other = one + step
        y[one] = y[one] + f * x[other]
        y[other] = y[other] + f * x[one]


@traced
def _add_product(x: Any, y: Any, n: Any, matrix: Any) -> None:
    """Add to every eight of 8 n elements of y the matrix (8, 8) times those of x."""
    columns = [EIGHT.load(matrix, 8 * k) for k in range(8)]
    for j in counted(n):
        sums = [EIGHT.load(y, j * 8), 0.0 * columns[0]]  # two, as each waits for the one before
        for k in range(8):
            sums[k % 2] = sums[k % 2] + x[j * 8 + k] * columns[k]
        EIGHT.store(y, j * 8, sums[0] + sums[1])


@jit("void(float64[::1], float64[::1], float64[::1])", fastmath=FAST)
def add_flips(flips: Any, x: Any, y: Any) -> None:
    """Add to y the sum over s of flips[s] sigma_x^s x; x and y have 2^flips.size times any number of lanes elements."""
    n = flips.size
    lanes = x.size >> n
    if x.size >= 8 and lanes in (1, 2, 4):  # blocks whose two halves are within eight elements
        matrix = np.zeros(64)
        while lanes < 8:
            n -= 1
            for k in range(8):
                matrix[8 * k + (k ^ lanes)] = flips[n]
            lanes *= 2
        _add_product(x, y, x.size // 8, matrix)
    while n >= 3 and lanes % 8 == 0:
        n -= 3
        for i in range(0, x.size, 8 * lanes):
            _flip_three(x, y, i, lanes, lanes // 8, flips[n], flips[n + 1], flips[n + 2])
        lanes *= 8
    while n:
        n -= 1
        for i in range(0, x.size, 2 * lanes):
            _flip_one(x, y, i, lanes, flips[n])
        lanes *= 2
