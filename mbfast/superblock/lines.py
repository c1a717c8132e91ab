"""Spectra that are sums of lines, and their real parts."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import dawsn

from mbfast._core.validate import FloatArray
from mbfast.superblock._kernels.gather import gather

Shape: TypeAlias = Literal["gaussian", "lorentzian"]

_FEW = 20_000  # lines that are kept as they are
_PER_WIDTH = 16  # nodes in a width: interpolation in 8 of them is exact to 1e-8 of a line's maximum
_REACH = 9.0  # widths, beyond which a Gaussian is below 1e-17 of its maximum
_ELEMENTS = 1 << 21  # of an array of shapes


class Lines:
    """Lines of several spectra: a frequency each and its weight in every spectrum; many are gathered on a grid.

    Parameters
    ----------
    rows : int
        Spectra.
    limit, width : float
        The largest frequency, and the width that lines will have (rad/s).
    """

    def __init__(self, rows: int, limit: float, width: float) -> None:
        self._rows, self._step = rows, width / _PER_WIDTH
        self._half = math.ceil(limit / self._step) + 8
        self._grid: FloatArray | None = None
        self._kept: list[tuple[int, FloatArray, FloatArray]] = []
        self._count = 0

    def add(self, row: int, frequencies: FloatArray, weights: FloatArray) -> None:
        """Add lines of one spectrum at frequencies (n,) with weights (n,)."""
        self._kept.append((row, frequencies, weights))
        self._count += frequencies.size
        if self._count > max(_FEW, 2 * self._half):
            self._gather()

    def _gather(self) -> None:
        """Put what is kept on the grid: what a smooth function of the frequency is there, by its values at 8 nodes."""
        size = 2 * self._half + 1
        if self._grid is None:
            self._grid = np.zeros((self._rows, size))
        for row, frequencies, weights in self._kept:
            gather(frequencies, weights, 1.0 / self._step, self._grid[row])
        self._kept, self._count = [], 0

    def collected(self) -> tuple[FloatArray, FloatArray]:
        """Return increasing frequencies (n,) and weights (rows, n)."""
        frequencies = np.concatenate([np.empty(0), *(part[1] for part in self._kept)])
        weights, first = np.zeros((self._rows, frequencies.size)), 0
        for row, _, values in self._kept:
            weights[row, first : first + values.size] = values
            first += values.size
        if self._grid is not None:
            frequencies = np.append(frequencies, self._step * np.arange(-self._half, self._half + 1))
            weights = np.append(weights, self._grid, axis=1)
        order = np.argsort(frequencies, kind="stable")
        return frequencies[order], weights[:, order]


def symmetrised(
    frequencies: FloatArray, weights: FloatArray, omega: FloatArray, width: float, shape: Shape
) -> FloatArray:
    """Return the sums (rows, k) of weight (g(omega - w) + g(omega + w)) over lines at w, which must increase."""
    result = np.zeros((weights.shape[0], omega.size))
    order = np.argsort(omega, kind="stable")
    for chosen in np.array_split(order, 1 + omega.size * frequencies.size // _ELEMENTS):
        for sign in (1.0, -1.0):
            at = sign * omega[chosen]
            part = slice(None)
            if shape == "gaussian" and at.size:
                ends = (at.min() - _REACH * width, at.max() + _REACH * width)
                part = slice(*np.searchsorted(frequencies, ends))
            x = (at - frequencies[part, None]) / width
            if shape == "gaussian":
                g = np.exp(-0.5 * x * x) / (math.sqrt(2.0 * math.pi) * width)
            else:
                g = 1.0 / (math.pi * width * (1.0 + x * x))
            result[:, chosen] += weights[:, part] @ g
    return result


def reactive(frequencies: FloatArray, weights: FloatArray, omega: FloatArray, width: float, shape: Shape) -> FloatArray:
    """Return the sums (rows, k) of weight (q(w - omega) + q(w + omega)), q being 1/w for lines of a width."""
    result = np.zeros((weights.shape[0], omega.size))
    for chosen in np.array_split(np.arange(omega.size), 1 + omega.size * frequencies.size // _ELEMENTS):
        for sign in (1.0, -1.0):
            x = (frequencies[:, None] - sign * omega[chosen]) / width
            q = math.sqrt(2.0) * dawsn(x / math.sqrt(2.0)) if shape == "gaussian" else x / (1.0 + x * x)
            result[:, chosen] += weights @ (q / width)
    return result
