"""Convolutions on uniform nodes: sums over all pairs of samples, and the ends."""

import math
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit

STEEPEST = 16.0  # exponent of a power law below the nodes that the rules integrate to rounding errors


@jit("void(float64[::1], float64[::1], int64, float64[::1])", fastmath=FAST)
def causal_product(f: Any, g: Any, first: int, out: Any) -> None:
    """Fill out[m - first] with the sum over a of f[a] g[m - a]; f and g have as many samples as m can count."""
    n, m, stop = f.size, first, first + out.size
    turned = f[::-1].copy()  # so that all arrays are read in one direction
    while m + 4 <= stop:  # four sums share the loads of g
        part = g[: m + 1]
        f0, f1, f2, f3 = turned[n - 1 - m :], turned[n - 2 - m :], turned[n - 3 - m :], turned[n - 4 - m :]
        total0, total1, total2, total3 = 0.0, 0.0, 0.0, 0.0
        for a in range(part.size):
            total0 += part[a] * f0[a]
            total1 += part[a] * f1[a]
            total2 += part[a] * f2[a]
            total3 += part[a] * f3[a]
        g1, g2, g3 = g[m + 1], g[m + 2], g[m + 3]
        four = out[m - first : m - first + 4]
        four[0] = total0
        four[1] = total1 + f[0] * g1
        four[2] = total2 + f[1] * g1 + f[0] * g2
        four[3] = total3 + f[2] * g1 + f[1] * g2 + f[0] * g3
        m += 4
    while m < stop:
        part, other = g[: m + 1], turned[n - 1 - m :]
        total = 0.0
        for a in range(part.size):
            total += part[a] * other[a]
        out[m - first] = total
        m += 1


@jit("void(complex128[:,::1], complex128[:,::1], complex128[:,::1])", fastmath=FAST)
def piecewise_products(f: Any, g: Any, out: Any) -> None:
    """Fill out[q] with the sum over a of f[a] g[q - a], element by element."""
    for begin in range(0, out.shape[1], 128):  # what stays in the first cache
        end = min(begin + 128, out.shape[1])
        for q in range(out.shape[0]):
            total = out[q, begin:end]
            total[:] = 0.0
            for a in range(0, q, 2):  # two products share the load of the total
                f0, f1 = f[a, begin:end], f[a + 1, begin:end]
                g0, g1 = g[q - a, begin:end], g[q - a - 1, begin:end]
                for i in range(total.size):
                    total[i] += f0[i] * g0[i] + f1[i] * g1[i]
            if q % 2 == 0:
                f0, g0 = f[q, begin:end], g[0, begin:end]
                for i in range(total.size):
                    total[i] += f0[i] * g0[i]


@jit("void(float64[:,::1], int64, float64[::1])")
def join(parts: Any, step: int, out: Any) -> None:
    """Fill out with the sum of the parts, each `step` elements after the one before; no more than two overlap."""
    for q in range(parts.shape[0]):
        begin, end = q * step, min((q + 1) * step, out.size)
        for m in range(begin, end):
            out[m] = parts[q, m - begin]
        if q > 0:
            for m in range(begin, min(end, begin + parts.shape[1] - step)):
                out[m] += parts[q - 1, m - begin + step]


@jit(fastmath=FAST)
def _add_filtered(taps: Any, x: Any, first: int, out: Any) -> None:
    """Add to out[i], from i = first on, the sum over t of taps[t] x[i - first + t]."""
    n = out.size - first
    for begin in range(0, n, 1024):  # what stays in the first cache
        end = min(begin + 1024, n)
        part = out[first + begin : first + end]
        t = 0
        while t + 8 <= taps.size:  # as many at a time as registers hold
            a0, a1, a2, a3 = taps[t], taps[t + 1], taps[t + 2], taps[t + 3]
            a4, a5, a6, a7 = taps[t + 4], taps[t + 5], taps[t + 6], taps[t + 7]
            x0, x1, x2, x3 = x[begin + t :], x[begin + t + 1 :], x[begin + t + 2 :], x[begin + t + 3 :]
            x4, x5, x6, x7 = x[begin + t + 4 :], x[begin + t + 5 :], x[begin + t + 6 :], x[begin + t + 7 :]
            for i in range(part.size):
                part[i] += ((a0 * x0[i] + a1 * x1[i]) + (a2 * x2[i] + a3 * x3[i])) + (
                    (a4 * x4[i] + a5 * x5[i]) + (a6 * x6[i] + a7 * x7[i])
                )
            t += 8
        while t < taps.size:
            other, tap = x[begin + t : end + t], taps[t]
            for i in range(part.size):
                part[i] += tap * other[i]
            t += 1


@jit()
def _gap_weights(kappa: float, amplitude: float, exponent: float, powers: Any, rule: Any, out: Any) -> None:
    """Fill out[j, s] with the integrals over u from j to min(j + 1, kappa) of a power law and a stencil's polynomials.

    The power law is ``amplitude (u/kappa)**exponent``; polynomial s is ``sum(powers[s, p] (u - j)**p)``. ``rule`` has
    the points and weights of a quadrature on -1...1.
    """
    for j in range(out.shape[0]):
        width = min(1.0, kappa - j)
        if j == 0:
            for s in range(out.shape[1]):
                total, power = 0.0, width
                for p in range(powers.shape[1]):
                    total += powers[s, p] * power / (exponent + p + 1.0)
                    power *= width
                out[0, s] = amplitude * (width / kappa) ** exponent * total
        else:
            out[j] = 0.0
            for q in range(rule.shape[1]):
                v = 0.5 * width * (1.0 + rule[0, q])
                weight = 0.5 * width * rule[1, q] * amplitude * ((j + v) / kappa) ** exponent
                for s in range(out.shape[1]):
                    total = 0.0
                    for p in range(powers.shape[1] - 1, -1, -1):
                        total = total * v + powers[s, p]
                    out[j, s] += weight * total


@jit(fastmath=FAST)
def _add_gap_start(weights: Any, x: Any, stop: int, out: Any) -> None:
    """Add the integral over one function's gap to out[1...stop - 1], where only a part of the gap counts."""
    for i in range(1, min(stop, out.size)):
        total = 0.0
        for j in range(min(weights.shape[0], i)):
            for s in range(weights.shape[1]):
                total += weights[j, s] * x[i - 1 - j + s]
        out[i] += total


@jit()
def _add_gap_product(kappa: float, a: float, s: float, b: float, t: float, rule: Any, out: Any) -> None:
    """Add the integrals over u from i to kappa of ``a (u/kappa)**s b ((kappa + i - u)/kappa)**t`` to out[i]."""
    if a == 0.0 or b == 0.0:
        return
    out[0] += a * b * kappa * math.exp(math.lgamma(s + 1.0) + math.lgamma(t + 1.0) - math.lgamma(s + t + 2.0))
    i = 1
    while i < kappa and i < out.size:
        total, u0 = 0.0, float(i)
        while u0 < kappa:
            half = 0.5 * min(1.0, kappa - u0)
            for q in range(rule.shape[1]):
                u = u0 + half * (1.0 + rule[0, q])
                total += half * rule[1, q] * (u / kappa) ** s * ((kappa + i - u) / kappa) ** t
            u0 += 1.0
        out[i] += a * b * total
        i += 1


@jit("boolean(float64[::1], float64, float64, float64, float64[:,::1], float64[:,::1], float64[::1], float64[::1])")
def extend(
    samples: Any, largest: float, edge: float, log_ratio: float, low: Any, high: Any, tail: Any, out: Any
) -> bool:
    """Fill out with the samples between those that polynomials through the first and the last make of them, and zeros.

    `tail` gets amplitude and exponent of the power law below the first node: `edge`, or for NaN that of the first two
    samples. Whether all magnitudes are up to `largest` and the exponent between -1 and `STEEPEST` is returned.
    """
    ghosts, m, n = low.shape[0], low.shape[1], samples.size
    tail[0], tail[1] = samples[0], edge
    if np.isnan(edge):
        tail[1] = 0.0
        if samples[0] != 0.0:
            ratio = samples[0] / samples[1]
            if not ratio > 0.0:
                return False
            tail[1] = np.log(ratio) / log_ratio
    if not -1.0 < tail[1] <= STEEPEST:
        return False
    good = True
    for i in range(n):
        good &= abs(samples[i]) <= largest  # which a NaN is not
    if not good:
        return False
    for i in range(ghosts):
        total = 0.0
        for r in range(m):
            total += low[i, r] * samples[r]
        out[i] = total
    for i in range(n):
        out[ghosts + i] = samples[i]
    out[ghosts + n :] = 0.0
    for i in range(high.shape[0]):
        total = 0.0
        for r in range(m):
            total += high[i, r] * samples[n - m + r]
        out[ghosts + n + i] = total
    return True


@jit(
    "void(float64[:,::1], float64[::1], float64[::1], float64[:,::1], float64[:,::1], float64[:,::1], float64[:,::1],"
    " float64, float64[:,::1], float64[::1])"
)
def convolution(
    x: Any, product: Any, main: Any, off: Any, pairs: Any, powers: Any, rule: Any, kappa: float, tails: Any, out: Any
) -> None:
    """Fill out with the convolution of functions whose extended samples are the first and the last row of x.

    Both end with zeros, 2 size elements longer than out. `product` is their discrete convolution; `tails` has
    amplitude and exponent of the power law below the first node of each; `mbfast.spectra.uniform` makes the tables.
    """
    size, whole, same = pairs.shape[0], int(kappa), x.shape[0] == 1
    first = whole + 2
    out[:] = 0.0
    _add_filtered(main, product, first, out)
    if whole + 1 < out.size:
        for r in range(size):
            for s in range(size):
                out[whole + 1] += x[0, r] * pairs[r, s] * x[-1, s]
    taps = np.empty(max(2 * size, size + whole + 1))
    gap = np.empty((math.ceil(kappa), size))
    for side in range(x.shape[0]):
        one, other = x[side], x[x.shape[0] - 1 - side]
        factor = 2.0 if same else 1.0
        taps[:] = 0.0
        for e in range(2 * size):
            for p in range(size - 1):
                taps[e] -= factor * off[e, p] * one[p]
        if tails[side, 0] != 0.0:
            _gap_weights(kappa, factor * tails[side, 0], tails[side, 1], powers, rule, gap)
            for j in range(gap.shape[0]):
                for s in range(size):
                    taps[whole + 1 - j + s] += gap[j, s]
            _add_gap_start(gap, other, first, out)
        _add_filtered(taps, other, first, out)
    _add_gap_product(kappa, tails[0, 0], tails[0, 1], tails[-1, 0], tails[-1, 1], rule, out)
