"""Convolutions cell by cell: exact integrals of products of two polynomials, at any frequencies and temperature."""

from typing import NamedTuple

import numpy as np

from mbfast._core import tiles
from mbfast._core.validate import FloatArray
from mbfast.kernels.spectra import RULE, coefficients
from mbfast.spectra._kernels import products as kernels
from mbfast.spectra.grid import FrequencyGrid, chunks
from mbfast.spectra.tails import LARGEST_TAIL, Tail

# Beyond this many units of temperature the Boltzmann factor is below 1e-26.
_COLD = 60.0
# Where a Boltzmann factor varies by no more than exp(1/4) it is a polynomial of degree 7 to rounding errors.
_STEP = 0.25
_CHUNK = 256  # frequencies in a tile
_CELLS = 1 << 19  # that meet these, at most: they take a tenth of a second


class _Side(NamedTuple):
    """One or two functions on one side of zero frequency, as the kernels take them, in units of the last node."""

    breaks: FloatArray
    coefficients: FloatArray
    moments: FloatArray
    amplitude: FloatArray
    exponent: FloatArray
    rate: float
    values: FloatArray


def convolve_cells(
    grid: FrequencyGrid,
    targets: FloatArray,
    samples: FloatArray,
    tails: tuple[Tail, Tail],
    rates: FloatArray,
    out: FloatArray,
    workers: int,
    *,
    own: FloatArray | None = None,
    change: bool = False,
) -> None:
    """Fill out (rows, m) with convolutions of one function or two, samples (rows, p, n), `tails` beyond the nodes.

    With `change` it is what they change by when samples are interpolated once better. `own` is filled with the
    convolutions of the first function with itself.
    """
    p, (low, high) = samples.shape[1], tails

    def prepare(row: int) -> list[tuple[_Side, _Side | None]]:
        values, ends = grid.value.values(samples[row]), np.array([part[row] for part in (*low, *high)])
        if not change:
            return [_sides(grid, targets, values, ends, rates[row])]
        # to first order: the next term of each function, which has no tails, with the other function
        return [
            _sides(grid, targets, np.stack([values[a], term]), np.stack([ends[:, a], np.zeros(4)], axis=1), rates[row])
            for a, term in zip(range(p)[::-1], grid.error.values(samples[row]), strict=True)
        ]

    def work(part: tuple[int, tiles.Tile]) -> None:
        row, piece = part[0], slice(*part[1])
        total = np.zeros((2, targets[piece].size))
        for positive, negative in prepared[row]:
            g, sums = positive[:2], total[: positive.amplitude.size]
            kernels.convolution(targets[piece], -1, *positive[:6], *g, RULE, grid.unit, sums)
            if negative is not None:
                kernels.convolution(targets[piece], 1, *negative[:6], *g, RULE, grid.unit, sums)
        total[: 3 - p] *= 2.0  # of a function with itself the two halves are equal
        out[row, piece] = total[1 if change else p - 1]
        if own is not None:
            own[row, piece] = total[0]

    pieces = chunks(targets.size, grid.nodes.size, _CHUNK, _CELLS)
    # what is prepared of a row takes a thousand times the memory of its samples
    for group in range(0, samples.shape[0], 4 * workers):
        members = range(group, min(group + 4 * workers, samples.shape[0]))
        prepared = dict(zip(members, tiles.run(prepare, members, threads=workers), strict=True))
        tiles.run(work, [(row, piece) for row in members for piece in pieces], threads=workers)


def _sides(
    grid: FrequencyGrid, targets: FloatArray, values: FloatArray, ends: FloatArray, rate: float
) -> tuple[_Side, _Side | None]:
    """Return functions (p, cells, 8) on common breaks, and their mirror images, None at T = 0.

    `ends` (4, p) are the amplitudes and exponents of their power laws below and above the nodes.
    """
    nodes, low, high = grid.nodes, Tail(*ends[:2]), Tail(*ends[2:])
    there = high.amplitude != 0.0
    cold, rising = _COLD, high.exponent[there]
    for _ in range(5 if rising.size else 0):  # what rises is cut later
        cold = _COLD + 2.0 * max(rising.max(), 0.0) * np.log(cold)
    top = targets.max(initial=0.0) + (cold / rate if np.isfinite(rate) else 0.0)
    breaks, pieces = nodes, values
    if rising.size and top > 1.0:
        # of two factors of an integral over that width
        largest = LARGEST_TAIL / np.sqrt(max(top * grid.unit, 1.0))
        if (np.log(np.abs(high.amplitude[there])) + rising * np.log(top) > np.log(largest)).any():
            raise ValueError(f"above must not let the spectrum exceed {largest:g}, got {grid.above!r}")
        above_breaks, above_values = high.cells(1.0, top)
        breaks = np.concatenate([nodes, above_breaks[1:]])
        pieces = np.concatenate([values, above_values], axis=1)
    smallest = min(nodes[0], targets.min(initial=nodes[0]))
    # the kernel's wish: the power law ends below every cell, and below half of every frequency; rate first <= 1
    first = min(np.diff(breaks).min(), 0.4 * smallest / (10.0 + np.abs(low.exponent).max()))
    first = min(first, 1.0 / rate) if np.isfinite(rate) else first
    below_breaks, below_values = low.cells(nodes[0], first)
    breaks, pieces = np.append(below_breaks[:-1], breaks), np.concatenate([below_values, pieces], axis=1)
    whole = below_values[:, 0, 0] != 0.0  # else it has died out, or there is none
    rest = Tail(np.where(whole, low.amplitude * (first / nodes[0]) ** low.exponent, 0.0), low.exponent)
    positive = _side(breaks, pieces, rest)
    return positive, _mirrored(positive, rate, cold) if np.isfinite(rate) else None


def _side(b: FloatArray, values: FloatArray, below: Tail, rate: float = 0.0) -> _Side:
    c, m = np.empty_like(values), np.empty((values.shape[0], b.size, 8))
    for a, (amplitude, exponent) in enumerate(zip(*below, strict=True)):
        coefficients(values[a], RULE, c[a])
        kernels.moments(b, values[a], amplitude, exponent, rate, RULE, m[a])
    return _Side(b, c, m, *below, rate, values)


def _mirrored(side: _Side, rate: float, cold: float) -> _Side:
    """Return the functions times exp(-rate x), on cells that are short enough."""
    b, values = side.breaks, side.values
    cells = max(int(np.searchsorted(b, cold / rate)), 1)
    cells = min(cells, b.size - 1)
    width = np.diff(b[: cells + 1])
    fall = rate * width
    parts = np.maximum(np.ceil(fall / _STEP), 1.0)
    # its product with a polynomial has a term of degree 8, which an n-th of the cell has 2^-8 n times smaller
    lost = 0.25 * np.minimum(fall, _STEP) * np.abs(values[:, :cells] @ (RULE[9] + RULE[8]))
    size = np.abs(values).max(axis=(1, 2))[:, None]
    parts = np.maximum(parts, np.ceil((lost / (1e-15 * size + 1e-300)) ** 0.125).max(axis=0))
    parts = np.minimum(parts, np.ceil(cold / _STEP)).astype(np.int64)
    cell = np.repeat(np.arange(cells), parts)
    place = np.arange(cell.size) - np.repeat(np.cumsum(parts) - parts, parts)
    # of a cell that reaches far into the cold only the beginning matters
    width = np.minimum(width, cold / rate)
    finer = np.append(b[cell] + width[cell] * place / parts[cell], b[cells - 1] + width[-1])
    middle, half = 0.5 * (finer[1:] + finer[:-1]), 0.5 * np.diff(finer)
    x = middle[:, None] + half[:, None] * RULE[0]
    t = (2.0 * x - b[cell, None] - b[cell + 1, None]) / np.diff(b)[cell, None]
    y = np.zeros((values.shape[0], *x.shape))
    for k in range(7, -1, -1):
        y = y * t + side.coefficients[:, cell, k, None]
    return _side(finer, y * np.exp(-rate * x), Tail(side.amplitude, side.exponent), rate)
