"""Convolutions on uniform nodes by one discrete convolution of the samples.

Away from the ends the interpolant of a cell is a fixed combination of the samples around it, so the integral over all
pairs of cells is one convolution of the samples, filtered by a few taps. Samples extrapolated beyond the ends make that
true of all cells; the pairs of samples that belong to no pair of cells are taken off, which a second short filter does,
with taps made of the first samples. The gap between zero and the first node, `kappa` cells long, has taps of its own.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft

from mbfast._interpolant import Interpolant, Tail
from mbfast._validate import FloatArray
from mbfast.kernels import uniform as kernels

_DIRECT = 384  # samples up to which the discrete convolution is faster summed than transformed
STEEPEST = 16.0  # exponent of a power law that the rule integrates over a cell to rounding errors
_RULE = np.array(np.polynomial.legendre.leggauss(16))


class UniformConvolution:
    """The convolution at T = 0, at the nodes, in units of the last node."""

    def __init__(self, made: Interpolant) -> None:
        n = made.nodes.size
        self.spacing = (1.0 - made.nodes[0]) / (n - 1)
        kappa = made.nodes[0] / self.spacing
        nearest = np.round(kappa)
        kappa = float(nearest if abs(kappa - nearest) < 64 * np.finfo(float).eps * (n + kappa) else kappa)
        size = made.value.matrices.shape[2]
        self._value, self._better = _Stencil(size, kappa), _Stencil(size + 1, kappa)
        self.possible = n >= 2 * (size + 1) and kappa < 1000.0

    def run(self, f: FloatArray, g: FloatArray, low_f: Tail, low_g: Tail, out: FloatArray, *, change: bool) -> None:
        """Fill out (rows, n) with the convolutions of rows f and g, or with their change by the next term."""
        for row in range(f.shape[0]):
            tails = [(float(t.amplitude[row]), float(t.exponent[row])) for t in (low_f, low_g)]
            self._value.run(f[row], g[row], tails[0], tails[1], out[row], same=f is g)
            if change:
                better = np.empty_like(out[row])
                self._better.run(f[row], g[row], tails[0], tails[1], better, same=f is g)
                out[row] = better - out[row]
        out *= self.spacing


class _Stencil:
    """What follows from the number of nodes in a stencil and from kappa.

    Extended samples have index p = a + (size - 1)//2, so that cell c combines those from p = c on. Cells c of f and c' of
    g meet at node i where c + c' = i - whole - 1, for u in c below 1 - fraction, and c + c' = i - whole - 2 above.
    """

    def __init__(self, size: int, kappa: float) -> None:
        self._size, self._kappa, self._whole = size, kappa, int(kappa)
        fraction, offset = kappa - int(kappa), (size - 1) // 2
        nodes = np.arange(size) - float(offset)
        self._main = np.zeros(2 * size)  # taps on the product, from i - whole - 2 on
        self._off = np.zeros((2 * size, size - 1))  # of pairs without cells: taps on one function, by samples of the other
        for part, (begin, end) in enumerate(((1.0 - fraction, 1.0), (0.0, 1.0 - fraction))):
            u = begin + 0.5 * (end - begin) * (1.0 + _RULE[0])
            weights = 0.5 * (end - begin) * _RULE[1]
            pairs = _lagrange(nodes, u).T @ (weights[:, None] * _lagrange(nodes, begin + end - u))
            for r in range(size):
                for s in range(size):
                    self._main[r + s + part] += pairs[r, s]
                    for p in range(r):
                        self._off[r + s + part - p, p] += pairs[r, s]
        self._first_pair = pairs
        self._powers = np.array([_coefficients(1.0 - nodes, r) for r in range(size)])  # seen from the cell's end
        self._low = _lagrange(np.arange(float(size)), np.arange(-offset, 0.0))
        self._high = _lagrange(np.arange(1.0 - size, 1.0), np.arange(1.0, size - offset - 1.0))

    def run(
        self,
        f: FloatArray,
        g: FloatArray,
        low_f: tuple[float, float],
        low_g: tuple[float, float],
        out: FloatArray,
        *,
        same: bool,
    ) -> None:
        size, whole, n = self._size, self._whole, f.size
        extended = np.empty((1 if same else 2, n + size - 2))
        for samples, row in zip((f, g), extended, strict=False):
            kernels.extend(samples, self._low, self._high, row)
        first = whole + 2
        out[:] = 0.0
        kernels.add_filtered(self._main, _product(extended, n + 2 * size), -first, first, out)
        if whole + 1 < n:
            out[whole + 1] += extended[0, :size] @ self._first_pair @ extended[-1, :size]
        for (amplitude, exponent), one, other in ((low_f, 0, -1), (low_g, -1, 0))[: 1 if same else 2]:
            taps = np.zeros(max(2 * size, size + whole + 1))
            taps[: 2 * size] = self._off @ -extended[one, : size - 1]
            if amplitude != 0.0:
                gap = np.empty((math.ceil(self._kappa), size))
                kernels.gap_weights(self._kappa, amplitude, exponent, self._powers, _RULE, gap)
                for j, weights in enumerate(gap):
                    taps[whole + 1 - j : whole + 1 - j + size] += weights
                if same:
                    gap *= 2.0
                kernels.add_gap_start(gap, extended[other], first, out)
            if same:
                taps *= 2.0
            kernels.add_filtered(taps, extended[other], -first, first, out)
        kernels.add_gap_product(self._kappa, *low_f, *low_g, _RULE, out)


def _product(extended: FloatArray, needed: int) -> FloatArray:
    """Return the first `needed` elements of the discrete convolution of the first and the last row."""
    n = extended.shape[1]
    if n <= _DIRECT:
        result = np.empty(needed)
        kernels.causal_product(extended[0], extended[-1], result)
        return result
    # short enough to be as fast as can be; what wraps around falls on a few elements that are then summed
    length = scipy.fft.next_fast_len(max(2 * n - 16, needed), real=True)
    spectra = scipy.fft.rfft(extended, length)
    result = scipy.fft.irfft(spectra[0] * spectra[-1], length)[:needed]
    if length < 2 * n - 1:
        kernels.causal_product(extended[0], extended[-1], result[: 2 * n - 1 - length])
    return result


def _lagrange(nodes: FloatArray, x: FloatArray) -> FloatArray:
    """Return Lagrange's polynomials of the nodes at points x, (x, nodes)."""
    result = np.ones((x.size, nodes.size))
    for r in range(nodes.size):
        for k in range(nodes.size):
            if k != r:
                result[:, r] *= (x - nodes[k]) / (nodes[r] - nodes[k])
    return result


def _coefficients(nodes: FloatArray, r: int) -> FloatArray:
    """Return the coefficients, lowest first, of Lagrange's polynomial r of the nodes."""
    others = np.delete(nodes, r)
    return np.polynomial.polynomial.polyfromroots(others) / np.prod(nodes[r] - others)
