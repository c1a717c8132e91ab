"""Piecewise polynomials made of samples, and integrals over products of two of them: convolutions.

Breaks ``b``, ``values``, coefficients ``c`` and ``rule`` are those of `mbfast.kernels.spectra`; the power law below
the first break is ``amplitude (x/b[0])**exponent exp(-rate x)``. Nothing is checked.
"""

from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.search import count_below
from mbfast._core.simd import EIGHT
from mbfast._core.tracing import traced


@jit("void(float64[::1], int64[::1], int64[::1], float64[:,:,::1], float64[:,::1])", fastmath=FAST)
def interpolate(samples: Any, starts: Any, which: Any, matrices: Any, values: Any) -> None:
    """Fill the values (n, 8) at the Gauss points of cells from samples at nodes.

    Cell i takes ``matrices[which[i]]`` (8, m) times the m samples from ``starts[i]`` on.
    """
    for i in range(values.shape[0]):
        matrix, stencil, row = matrices[which[i]], samples[starts[i] : starts[i] + matrices.shape[2]], values[i]
        for q in range(8):
            total = 0.0
            for r in range(stencil.size):
                total += matrix[q, r] * stencil[r]
            row[q] = total


@jit("void(float64[:,::1], int64, int64, float64, float64[::1])")
def exponents(samples: Any, one: int, other: int, log_ratio: float, out: Any) -> None:
    """Fill the exponents of the power laws through two samples of each row at frequencies of that logarithmic ratio.

    Zero where the first sample is, NaN where the other is then zero or has another sign.
    """
    for i in range(out.size):
        a, b = samples[i, one], samples[i, other]
        if a == 0.0:
            out[i] = 0.0
        elif (b > 0.0) if a > 0.0 else (b < 0.0):
            out[i] = (np.log(abs(a)) - np.log(abs(b))) / log_ratio
        else:
            out[i] = np.nan


@jit()
def _edge_moments(x: float, b0: float, amplitude: float, exponent: float, rate: float, out: Any) -> None:
    """Integrals from 0 to x <= b0 of the power law times y^n, n = 0...7; rate x is at most 1."""
    power = amplitude * (x / b0) ** exponent * x if amplitude != 0.0 and x > 0.0 else 0.0
    for n in range(8):
        term, total = 1.0, 0.0
        for k in range(20):  # 1/20! is below the rounding error
            total += term / (exponent + n + k + 1.0)
            term *= -rate * x / (k + 1.0)
        out[n] = power * total if amplitude != 0.0 else 0.0
        power *= x


@jit("void(float64[::1], float64[:,::1], float64, float64, float64, float64[:,::1], float64[:,::1])", fastmath=FAST)
def moments(b: Any, values: Any, amplitude: float, exponent: float, rate: float, rule: Any, out: Any) -> None:
    """Fill the integrals from 0 to each break (n + 1, 8) of the function times y^k, k = 0...7."""
    _edge_moments(b[0], b[0], amplitude, exponent, rate, out[0])
    for i in range(values.shape[0]):
        middle, half = 0.5 * (b[i + 1] + b[i]), 0.5 * (b[i + 1] - b[i])
        for k in range(8):
            out[i + 1, k] = out[i, k]
        for q in range(8):
            y = middle + half * rule[0, q]
            term = half * rule[1, q] * values[i, q]
            for k in range(8):
                out[i + 1, k] += term
                term *= y


@jit(fastmath=FAST)
def _shift(b: Any, c: Any, k: int, w: float, sign: int, out: Any) -> None:
    """Coefficients in y of the polynomial of cell k at w + sign y."""
    r = 2.0 / (b[k + 1] - b[k])
    t = (w - b[k]) * r - 1.0
    for n in range(8):
        out[n] = c[k, n]
    for n in range(7):
        for m in range(6, n - 1, -1):
            out[m] += t * out[m + 1]
    power = 1.0
    for n in range(8):
        out[n] *= power
        power *= sign * r


def _adder(count: int) -> Any:
    """Return what adds to out (p, 8), for p = count, half times weight times products at the Gauss points t.

    They are those that `convolution` wants, of polynomials with the coefficients fc[:, j] at f0 + f1 t and gc[:, k]
    at g0 + g1 t. Of loops LLVM makes code that is several times slower: with AVX2 not even
    the coefficients of two polynomials fit into its registers.
    """

    def add(
        fc: Any, j: Any, gc: Any, k: Any, f0: Any, f1: Any, g0: Any, g1: Any, half: Any, rule: Any, out: Any
    ) -> None:  # fmt: skip
        points, weights = EIGHT.load(rule, 0), EIGHT.load(rule, 8)
        factors = []
        for c, cell, constant, slope in ((fc, j, f0, f1), (gc, k, g0, g1)):
            x = slope * points + constant
            for a in range(count):
                first = (a * c.sides[1] + cell) * 8
                result = c[first + 7]
                for power in range(6, -1, -1):
                    result = result * x + c[first + power]
                factors.append(result)
        f, g = factors[:count], factors[count:]
        products = [f[0] * g[0]] if count == 1 else [f[0] * g[0], f[0] * g[1] + f[1] * g[0]]
        for row, product in enumerate(products):
            EIGHT.store(out, 8 * row, EIGHT.load(out, 8 * row) + half * weights * product)

    return traced(add)


_add_product, _add_products = _adder(1), _adder(2)


@jit(fastmath=FAST)
def _within_cell(gb: Any, gc: Any, k: int, w: float, sign: int, m: Any, shifted: Any, out: Any) -> None:
    """Add to out (p, 8) the terms, power by power, of the integrals of f, with moments m (p, 8), times g in cell k."""
    for a in range(gc.shape[0]):
        _shift(gb, gc[a], k, w, sign, shifted[a])
    for n in range(8):
        out[0, n] += m[0, n] * shifted[0, n]
        if gc.shape[0] == 2:
            out[1, n] += m[0, n] * shifted[1, n] + m[1, n] * shifted[0, n]


@jit(
    "void(float64[::1], int64, float64[::1], float64[:,:,::1], float64[:,:,::1], float64[::1], float64[::1], float64,"
    " float64[::1], float64[:,:,::1], float64[:,::1], float64, float64[:,::1])"
)
def convolution(
    omega: Any, sign: int, fb: Any, fc: Any, fm: Any, amplitude: Any, exponent: Any, rate: float, gb: Any, gc: Any,
    rule: Any, factor: float, out: Any,
) -> None:  # fmt: skip
    """Add integrals over y > 0 of products of f(y) and g(omega + sign y), for one or two functions on common breaks.

    f and g are stacks of p functions, fc and gc (p, n, 8). Added, times `factor`, is the integral of f_0 g_0 to out[0],
    and for p = 2 that of f_0 g_1 + f_1 g_0 to out[1].

    With sign -1 the integral ends at y = omega/2: the other half is that with f and g exchanged. f comes with its
    `moments` fm (p, n + 1, 8) and its power laws, of which ``rate fb[0] <= 1``; g is not asked for below its first
    break: the cells at an omega, and omega/2, must be longer than fb[0], and ``omega/2 >= gb[0]``.
    """
    count = fc.shape[0]
    edge, shifted, terms = np.empty((count, 8)), np.empty((count, 8)), np.empty((count, 8))
    for i in range(omega.size):
        w = omega[i]
        x = max(0.0, w - gb[-1]) if sign < 0 else 0.0
        end = min(fb[-1], 0.5 * w if sign < 0 else gb[-1] - w)
        if x >= end:
            continue
        j, k = 0, min(count_below(gb, w if sign > 0 else w - x, sign > 0) - 1, gb.size - 2)
        terms[:] = 0.0  # j is the cell of f that the integral begins in, k that of g
        if x >= fb[0]:
            j = min(count_below(fb, x, True) - 1, fb.size - 2)
        elif x > 0.0:  # just above the last break of g: the rest of the power law lies in its last cell
            for a in range(count):
                _edge_moments(x, fb[0], amplitude[a], exponent[a], rate, edge[a])
                for n in range(8):
                    edge[a, n] = fm[a, 0, n] - edge[a, n]
            _within_cell(gb, gc, k, w, sign, edge, shifted, terms)
            x = fb[0]
        else:  # as long as g stays within this cell, moments of f give the integral
            first = w - gb[k] if sign < 0 else gb[k + 1] - w
            if first < fb[0]:  # a break of g within the power law of f: one side of it, then the other
                for a in range(count):
                    _edge_moments(first, fb[0], amplitude[a], exponent[a], rate, edge[a])
                _within_cell(gb, gc, k, w, sign, edge, shifted, terms)
                k += sign
                if k < gb.size - 1:
                    for a in range(count):
                        for n in range(8):
                            edge[a, n] = fm[a, 0, n] - edge[a, n]
                    _within_cell(gb, gc, k, w, sign, edge, shifted, terms)
            else:
                j = min(count_below(fb, min(first, end), True) - 1, fb.size - 2)
                for a in range(count):
                    for n in range(8):
                        edge[a, n] = fm[a, j, n]
                _within_cell(gb, gc, k, w, sign, edge, shifted, terms)
            x = fb[j]
        while x < end:
            f_end = fb[j + 1]
            g_end = w - gb[k] if sign < 0 else gb[k + 1] - w
            stop = min(f_end, g_end, end)
            if stop > x:
                middle, half = 0.5 * (stop + x), 0.5 * (stop - x)
                f1, g1 = 2.0 / (f_end - fb[j]), 2.0 / (gb[k + 1] - gb[k])
                f0, g0 = (middle - fb[j]) * f1 - 1.0, (w + sign * middle - gb[k]) * g1 - 1.0
                if count == 1:
                    _add_product(fc, j, gc, k, f0, f1 * half, g0, g1 * sign * half, half, rule, terms)
                else:
                    _add_products(fc, j, gc, k, f0, f1 * half, g0, g1 * sign * half, half, rule, terms)
                x = stop
            if f_end <= g_end:
                j += 1
            else:
                k += sign
        for a in range(count):
            total = 0.0
            for n in range(8):
                total += terms[a, n]
            out[a, i] += factor * total
