"""Spectra of a system of levels: (2.9)-(2.11) line by line.

Energies come as frequencies ``w`` (n,), increasing; stresses as two arrays ``re``, ``im`` (6, n, n), the Hermitian
matrices of xx, yy, zz, yz, xz, xy; populations as ``p`` (n,). Products of stresses come as 21 components, the upper
triangle of the 6 x 6 matrix row by row, or as 2: C_iikk and C_ijij.

Examples
--------
>>> import numpy as np
>>> from mbfast.kernels import levels
>>> w, p, out = np.array([0, 2.0]), np.array([1.0, 0]), np.zeros((2, 1))
>>> re, im = np.zeros((2, 6, 2, 2))
>>> re[5] = [[0, 1.0], [1.0, 0]]  # xy, and so C_ijij = 2
>>> levels.add_lines(w, p, re, im, np.array([2.0]), 0.1, 1, out)
>>> print(f"{out[1, 0] * np.pi * 0.1:.3f}")  # a Lorentzian at its peak, and the tail of that at -2
2.001
>>> bins = np.zeros((2, 2))
>>> levels.add_bins(w, p, re, im, np.inf, np.array([0, 1.0, 3.0]), 1, bins)
>>> bins[1].tolist()
[0.0, 2.0]
"""

import math
from typing import Any

import numpy as np

from mbfast._core.jit import jit
from mbfast._core.search import count_below


@jit()
def _products(re: Any, im: Any, m: int, n: int, out: Any) -> None:
    """Fill the real parts of <m|T_ij|n><n|T_kl|m>."""
    if out.size == 2:
        trace_re, trace_im = re[0, m, n] + re[1, m, n] + re[2, m, n], im[0, m, n] + im[1, m, n] + im[2, m, n]
        out[0] = trace_re * trace_re + trace_im * trace_im
        total = 0.0
        for c in range(6):
            total += (1.0 if c < 3 else 2.0) * (re[c, m, n] ** 2 + im[c, m, n] ** 2)
        out[1] = total
    else:
        k = 0
        for c in range(6):
            for d in range(c, 6):
                out[k] = re[c, m, n] * re[d, m, n] + im[c, m, n] * im[d, m, n]
                k += 1


@jit(
    "void(int64, int64, float64[::1], float64[::1], float64[:,:,::1], float64[:,:,::1], float64[::1], float64, int64,"
    "float64[:,::1])"
)
def _add_lines(
    begin: int, end: int, w: Any, p: Any, re: Any, im: Any, omega: Any, width: float, lorentzian: int, out: Any
) -> None:
    """As `add_lines`, of the levels m in [begin, end) and those above each."""
    product = np.empty(out.shape[0])
    shape = np.empty(omega.size)
    for m in range(begin, end):
        for n in range(m, w.size):
            weight = (p[m] + p[n]) * (0.5 if m == n else 1.0)
            if weight == 0.0:
                continue
            _products(re, im, m, n, product)
            line = w[n] - w[m]
            for side in range(2):
                center = line if side == 0 else -line
                if lorentzian:
                    first, last = 0, omega.size
                    for i in range(omega.size):
                        d = (omega[i] - center) / width
                        shape[i] = weight / (math.pi * width * (1.0 + d * d))
                else:  # beyond nine widths it is below 1e-17 of its maximum
                    first = count_below(omega, center - 9.0 * width, False)
                    last = count_below(omega, center + 9.0 * width, False)
                    for i in range(first, last):
                        d = (omega[i] - center) / width
                        shape[i] = weight * math.exp(-0.5 * d * d) / (math.sqrt(2.0 * math.pi) * width)
                for c in range(product.size):
                    for i in range(first, last):
                        out[c, i] += product[c] * shape[i]


@jit(
    "void(float64[::1], float64[::1], float64[:,:,::1], float64[:,:,::1], float64[::1], float64, int64, float64[:,::1])"
)
def add_lines(w: Any, p: Any, re: Any, im: Any, omega: Any, width: float, lorentzian: int, out: Any) -> None:
    """Add the symmetrised spectrum to out (2 or 21, omega.size).

    That is the sum over lines of (p_m + p_n) <m|T|n><n|T|m> (g(omega - w_mn) + g(omega + w_mn)), m = n counted half,
    with a Gaussian g of standard deviation `width` or a Lorentzian of that half width; omega must increase.
    """
    _add_lines(0, w.size, w, p, re, im, omega, width, lorentzian, out)


@jit(
    "void(int64, int64, float64[::1], float64[::1], float64[:,:,::1], float64[:,:,::1], float64, float64[::1], int64,"
    "float64[:,::1])"
)
def _add_bins(
    begin: int, end: int, w: Any, p: Any, re: Any, im: Any, rate: float, edges: Any, reduced: int, out: Any
) -> None:
    """As `add_bins`, of the levels m in [begin, end) and those above each."""
    product = np.empty(out.shape[0])
    for m in range(begin, end):
        for n in range(m, w.size):
            line = w[n] - w[m]
            _products(re, im, m, n, product)
            for side in range(1 if m == n else 2):
                center = line if side == 0 else -line
                if reduced:
                    weight = p[m] if side == 0 else p[n]
                else:
                    weight = p[m] * (-math.expm1(-rate * line) if line > 0.0 else 0.0) * (1.0 if side == 0 else -1.0)
                k = count_below(edges, center, True) - 1
                if center == edges[-1]:
                    k = edges.size - 2
                if weight != 0.0 and 0 <= k < edges.size - 1:
                    for c in range(product.size):
                        out[c, k] += weight * product[c]


@jit(
    "void(float64[::1], float64[::1], float64[:,:,::1], float64[:,:,::1], float64, float64[::1], int64, float64[:,::1])"
)
def add_bins(w: Any, p: Any, re: Any, im: Any, rate: float, edges: Any, reduced: int, out: Any) -> None:
    """Add what the lines weigh in the bins between edges to out (2 or 21, bins); `rate` is hbar/(k_B T).

    A line at w_mn weighs p_m <m|T|n><n|T|m>, unreduced p_m - p_n. Bins include their lower edge, the last both.
    """
    _add_bins(0, w.size, w, p, re, im, rate, edges, reduced, out)
