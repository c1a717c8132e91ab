"""What one core of this machine can do at most, multiply-adds and traffic with memory, and how times grow."""

import functools
import math
import time

import numba
import numpy as np

from mbfast._core.simd import VECTORS
from mbfast._core.tracing import counted, traced


@traced
def _multiply_adds(n, x, out):
    """Write ten sums, which need not wait for each other, of n products each."""
    sums = [VECTORS.zeros(x) for _ in range(10)]
    for _ in counted(n):
        for row in range(10):
            sums[row] += sums[row] * x
    for row in range(10):
        out[row] = VECTORS.total(sums[row])


def least(function, rounds):
    """Return the least processor time of so many calls (s), which other programs change far less than a clock's."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


@functools.cache
def multiply_adds():
    """Return how many multiply-adds of vectors one core does in a second."""

    @numba.njit
    def call(n, x, out):
        _multiply_adds(n, x, out)

    out = np.zeros(10)
    call(1, 0.5, out)
    return 1e6 / least(lambda: call(100_000, 0.5, out), 30)


@functools.cache
def bandwidth():
    """Return the bytes that one core reads and writes in a second: a[:] = b + 3 c of arrays of 64 MB."""

    @numba.njit
    def triad(a, b, c):
        for i in range(a.size):
            a[i] = b[i] + 3.0 * c[i]

    arrays = np.ones((3, 8 << 20))
    triad(*arrays[:, :1])
    return arrays.nbytes / least(lambda: triad(*arrays), 10)


def fitted(sizes, times):
    """Return the exponent of times in sizes, and its standard error."""
    x, y = np.log(sizes), np.log(times)
    x, y = x - x.mean(), y - y.mean()
    slope = (x @ y) / (x @ x)
    return slope, math.sqrt(np.sum((y - slope * x) ** 2) / (len(x) - 2) / (x @ x))
