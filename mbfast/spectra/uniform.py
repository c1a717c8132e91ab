"""Convolutions on uniform nodes by one discrete convolution of the samples.

Away from the ends the interpolant of a cell is a fixed combination of the samples around it, so the integral over all
pairs of cells is one convolution of the samples, filtered by a few taps. Samples extrapolated beyond the ends make that
true of all cells; the pairs of samples that belong to no pair of cells are taken off, which a second short filter does,
with taps made of the first samples. The gap between zero and the first node, `kappa` cells long, has taps of its own.
"""

from __future__ import annotations

import math
import threading
from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mbfast._core.validate import FloatArray
from mbfast.spectra._kernels import uniform as kernels
from mbfast.spectra.grid import LARGEST_VALUE, FrequencyGrid, lagrange

_DIRECT = 400  # samples up to which the discrete convolution is faster summed than transformed
# Pieces that samples are cut into before they are transformed, up to so many samples: small ones stay in the first
# caches, but are multiplied each with each.
_PIECES = ((2000, 2), (np.inf, 8))
_LAST = 16  # sums at the end that may be left to be done without transforms, so that 4096 samples take powers of two
# integrates the steepest power laws that the kernel takes over a cell to rounding errors
_RULE = np.array(np.polynomial.legendre.leggauss(16))


class UniformConvolution:
    """The convolution at T = 0, at the nodes."""

    def __init__(self, grid: FrequencyGrid) -> None:
        n = grid.nodes.size
        spacing = (1.0 - grid.nodes[0]) / (n - 1)
        self._unit = spacing * grid.unit
        self._edge = {"power": np.nan, "zero": 0.0}[grid.below] if isinstance(grid.below, str) else grid.below
        self._tailed = grid.below != "zero"
        self._log_ratio = float(np.log(grid.nodes[0] / grid.nodes[1]))
        kappa = grid.nodes[0] / spacing
        nearest = np.round(kappa)
        kappa = float(nearest if abs(kappa - nearest) < 64 * np.finfo(float).eps * (n + kappa) else kappa)
        self._size, self._kappa = grid.value.size, kappa
        self._value = _Stencil(self._size, kappa)
        self.possible = n >= fewest(self._size) and kappa < 1000.0

    @cached_property
    def _better(self) -> _Stencil:
        """What changes the convolution by the next terms, which only its error asks for."""
        return _Stencil(self._size + 2, self._kappa)

    def run(
        self, samples: list[FloatArray], out: FloatArray, *, exponents: list[float] | None = None, change: bool = False
    ) -> bool:
        """Fill out (n,) with the convolution of two functions, or of one with itself, or its change by the next terms.

        `exponents` are those below the nodes, if they are not those of the samples. False is returned, and out spoilt,
        for samples that are not finite or whose power law is not for this method.
        """
        below = exponents or [self._edge] * len(samples), self._tailed, self._log_ratio
        if not self._value.run(samples, *below, out):
            return False
        if change:
            better = np.empty_like(out)
            self._better.run(samples, *below, better)
            np.subtract(better, out, out=out)
        out *= self._unit
        return True


def fewest(size: int) -> int:
    """Return the least number of nodes for stencils of that size and of two nodes more, whose ends must not meet."""
    return 2 * (size + 2)


class _Stencil:
    """What follows from the number of nodes in a stencil and from kappa.

    Extended samples have index p = a + (size - 1)//2, so that cell c combines those from p = c on. Cells c of f and c'
    of g meet at node i where c + c' = i - whole - 1, for u in c below 1 - fraction, and c + c' = i - whole - 2 above.
    """

    def __init__(self, size: int, kappa: float) -> None:
        self._kappa = kappa
        self._kept = threading.local()
        fraction, offset = kappa - int(kappa), (size - 1) // 2
        nodes = np.arange(size, dtype=np.float64) - offset
        self._main = np.zeros(2 * size)  # taps on the product, from i - whole - 2 on
        # of pairs of samples without cells: taps on one function, by samples of the other
        self._off = np.zeros((2 * size, size - 1))
        for part, (begin, end) in enumerate(((1.0 - fraction, 1.0), (0.0, 1.0 - fraction))):
            u = begin + 0.5 * (end - begin) * (1.0 + _RULE[0])
            weights = 0.5 * (end - begin) * _RULE[1]
            pairs = lagrange(nodes, u).T @ (weights[:, None] * lagrange(nodes, begin + end - u))
            for r in range(size):
                for s in range(size):
                    self._main[r + s + part] += pairs[r, s]
                    for p in range(r):
                        self._off[r + s + part - p, p] += pairs[r, s]
        self._pairs = pairs
        self._powers = np.array([_coefficients(1.0 - nodes, r) for r in range(size)])  # seen from the cell's end
        self._low = lagrange(np.arange(float(size)), np.arange(-offset, 0.0))
        self._high = lagrange(np.arange(1.0 - size, 1.0), np.arange(1.0, size - offset - 1.0))

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._kept = threading.local()

    def run(
        self, samples: list[FloatArray], edges: list[float], tailed: bool, log_ratio: float, out: FloatArray
    ) -> bool:
        """Fill out with the convolution of two functions, or of one with itself, in units of the spacing."""
        size, n = self._pairs.shape[0], out.size
        extended, tails = self._buffer("extended", len(samples), n + 2 * size), np.empty((len(samples), 2))
        for given, edge, row, tail in zip(samples, edges, extended, tails, strict=True):
            if not kernels.extend(given, LARGEST_VALUE, edge, log_ratio, self._low, self._high, tail, row):
                return False
        if not tailed:
            tails[:, 0] = 0.0
        product = self._product(extended, n + size - 2)
        tables = self._main, self._off, self._pairs, self._powers, _RULE
        kernels.convolution(extended, product, *tables, self._kappa, tails, out)
        return True

    def _buffer(self, name: str, rows: int, columns: int, dtype: type = np.float64) -> NDArray[Any]:
        """Return an array of this thread that stays: the page faults of large new ones cost as much as a transform."""
        kept = getattr(self._kept, name, None)
        if kept is None or len(kept) < rows:
            kept = np.empty((rows, columns), dtype)
            setattr(self._kept, name, kept)
        return kept[:rows]

    def _product(self, extended: FloatArray, n: int) -> FloatArray:
        """Return the discrete convolution of the first and the last row, which are zero from n on."""
        needed = extended.shape[1]
        result: FloatArray = self._buffer("result", 1, needed)[0]
        if n <= _DIRECT:
            kernels.causal_product(extended[0], extended[-1], 0, result)
            return result
        pieces = next(pieces for most, pieces in _PIECES if n <= most)
        length = scipy.fft.next_fast_len(2 * math.ceil((n - _LAST) / pieces) - 1, real=True)
        piece, rows = (length + 1) // 2, len(extended)
        covered = min(pieces * piece, needed)
        parts = self._buffer("parts", rows, pieces * piece)
        parts[:, :covered], parts[:, covered:] = extended[:, :covered], 0.0
        spectra = self._buffer("spectra", rows * pieces, length // 2 + 1, np.complex128)
        np.fft.rfft(parts.reshape(rows * pieces, piece), length, out=spectra)
        products = self._buffer("products", pieces, length // 2 + 1, np.complex128)
        kernels.piecewise_products(spectra[:pieces], spectra[-pieces:], products)
        sums = np.fft.irfft(products, length, out=self._buffer("sums", pieces, length))
        kernels.join(sums, piece, result[:covered])
        kernels.causal_product(extended[0], extended[-1], covered, result[covered:])
        return result


def _coefficients(nodes: FloatArray, r: int) -> FloatArray:
    """Return the coefficients, lowest first, of Lagrange's polynomial r of the nodes."""
    others = np.delete(nodes, r)
    return np.asarray(np.polynomial.polynomial.polyfromroots(others) / np.prod(nodes[r] - others))
