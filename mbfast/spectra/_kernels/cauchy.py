"""Kramers-Kronig integrals: weights of many cells, the matrix of an interpolant, power laws beyond the nodes.

Breaks ``b``, ``rule`` and ``parity`` are those of `mbfast.kernels.spectra.cauchy_weights`. Nothing is checked.
"""

from typing import Any

import numpy as np

from mbfast._core.jit import jit
from mbfast.kernels.spectra import cauchy_weights


@jit("void(float64[::1], float64[::1], float64[::1], int64, float64[:,::1], float64[:,::1])")
def cauchy_table(omega: Any, a: Any, b: Any, parity: int, rule: Any, out: Any) -> None:
    """Fill the rows of out with `cauchy_weights` of corresponding frequencies and cells."""
    for i in range(omega.size):
        cauchy_weights(omega[i], a[i], b[i], parity, rule, out[i])


@jit("void(float64[::1], float64[::1], float64[:,:,::1], int64, float64[:,::1], float64[:,::1])", fastmath={"contract"})
def cauchy(omega: Any, b: Any, values: Any, parity: int, rule: Any, out: Any) -> None:
    """Add the integrals of functions values (m, n, 8) with the kernel of `cauchy_weights` to out (m, omega.size)."""
    weights = np.empty(8)
    for i in range(omega.size):
        for j in range(b.size - 1):
            cauchy_weights(omega[i], b[j], b[j + 1], parity, rule, weights)
            for row in range(values.shape[0]):
                total = 0.0
                for q in range(8):
                    total += weights[q] * values[row, j, q]
                out[row, i] += total


@jit(
    "void(float64[::1], float64[::1], int64[::1], int64[::1], float64[:,:,::1], int64, float64[:,::1], float64[:,::1])",
    fastmath={"contract"},
)
def cauchy_matrix(omega: Any, b: Any, starts: Any, which: Any, matrices: Any, parity: int, rule: Any, out: Any) -> None:
    """Add the matrix (omega.size, nodes) that takes samples to `cauchy` of their interpolant."""
    weights = np.empty(8)
    for i in range(omega.size):
        for j in range(b.size - 1):
            cauchy_weights(omega[i], b[j], b[j + 1], parity, rule, weights)
            matrix, row = matrices[which[j]], out[i, starts[j] : starts[j] + matrices.shape[2]]
            for r in range(row.size):
                total = 0.0
                for q in range(8):
                    total += weights[q] * matrix[q, r]
                row[r] += total


@jit("void(float64[::1], float64, float64, float64, int64, int64, int64, float64[::1])", fastmath={"contract"})
def power_tail(
    omega: Any, end: float, amplitude: float, exponent: float, above: int, parity: int, skip: int, out: Any
) -> None:
    """Add the integral of ``amplitude (y/end)**exponent`` with the kernel of `cauchy_weights`, by its power series.

    Over y > end for omega <= end/2 (above 1), without the first `skip` terms; over y < end for omega >= 2 end (0).
    """
    odd, terms = ((1 - parity) if above else (1 + parity)) // 2, np.zeros(28)  # 4^-28 is below the rounding error
    for n in range(skip if above else 0, terms.size):
        terms[n] = amplitude / (2 * n + odd - exponent) if above else -amplitude / (2 * n + 1 + odd + exponent)
    for i in range(omega.size):
        ratio = omega[i] / end if above else end / omega[i]
        square, power, total = ratio * ratio, (ratio if odd else 1.0), 0.0
        if not above:
            power *= ratio
        for n in range(terms.size):
            total += power * terms[n]
            power *= square
        out[i] += total
