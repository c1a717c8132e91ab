"""Convolutions on uniform nodes: sums over all pairs of samples, and the ends."""

import math
from typing import Any

from mbfast._jit import jit

_FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}


@jit("void(float64[::1], float64[::1], float64[::1])", fastmath=_FAST)
def causal_product(f: Any, g: Any, out: Any) -> None:
    """Fill out[m] with the sum over a of f[a] g[m - a]; samples outside the arrays are zero."""
    n = f.size
    for m in range(out.size):
        low, high = max(0, m - n + 1), min(m + 1, n)
        part, other = f[low:high], g[m + 1 - high : m + 1 - low][::-1]
        total = 0.0
        for a in range(part.size):
            total += part[a] * other[a]
        out[m] = total


@jit("void(float64[::1], float64[::1], int64, int64, float64[::1])", fastmath=_FAST)
def add_filtered(taps: Any, x: Any, shift: int, first: int, out: Any) -> None:
    """Add to out[i], from i = first on, the sum over t of taps[t] x[i + shift + t]; x is zero outside of its array."""
    for begin in range(first, out.size, 1024):  # what stays in the first cache
        for t in range(taps.size):
            start = max(begin, -shift - t)
            stop = min(min(begin + 1024, out.size), x.size - shift - t)
            if start < stop:
                part, other, tap = out[start:stop], x[start + shift + t : stop + shift + t], taps[t]
                for i in range(part.size):
                    part[i] += tap * other[i]


@jit("void(float64, float64, float64, float64[:,::1], float64[:,::1], float64[:,::1])")
def gap_weights(kappa: float, amplitude: float, exponent: float, powers: Any, rule: Any, out: Any) -> None:
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


@jit("void(float64[:,::1], float64[::1], int64, float64[::1])", fastmath=_FAST)
def add_gap_start(weights: Any, x: Any, stop: int, out: Any) -> None:
    """Add the part of the integral over one function's gap to out[1...stop - 1], where only a part of the gap counts."""
    for i in range(1, min(stop, out.size)):
        total = 0.0
        for j in range(min(weights.shape[0], i)):
            for s in range(weights.shape[1]):
                total += weights[j, s] * x[i - 1 - j + s]
        out[i] += total


@jit("void(float64, float64, float64, float64, float64, float64[:,::1], float64[::1])")
def add_gap_product(kappa: float, a: float, s: float, b: float, t: float, rule: Any, out: Any) -> None:
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


@jit("void(float64[::1], float64[:,::1], float64[:,::1], float64[::1])")
def extend(samples: Any, low: Any, high: Any, out: Any) -> None:
    """Fill out with the samples between those that polynomials through the first and the last make of them."""
    ghosts, m, n = low.shape[0], low.shape[1], samples.size
    for i in range(ghosts):
        total = 0.0
        for r in range(m):
            total += low[i, r] * samples[r]
        out[i] = total
    out[ghosts : ghosts + n] = samples
    for i in range(high.shape[0]):
        total = 0.0
        for r in range(m):
            total += high[i, r] * samples[n - m + r]
        out[ghosts + n + i] = total
