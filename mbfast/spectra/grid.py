"""Sampled spectra as piecewise polynomials, and what is known of them beyond their nodes."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray

from mbfast._core.validate import (
    FloatArray,
    broadcast_shape,
    float_array,
    require_choice,
    require_finite,
    require_positive,
)
from mbfast.kernels.spectra import RULE
from mbfast.spectra._kernels import products as kernels

Edge: TypeAlias = Literal["power", "zero"] | float
"""How a spectrum goes on beyond its nodes: the power law of the last two, not at all, or with a given exponent."""


Variable: TypeAlias = Literal["auto", "log", "linear"]


LARGEST_VALUE = 1e150  # products of two values stay within the range of a double


ROUNDING = 1e-15


RANGE = 1e30  # seventh powers of what is smaller would leave the range of a double


_STEEPEST = 100.0  # stated exponent


_BASE = 0.25  # of a logarithmic derivative: shorter ones drown in rounding errors


_LOBATTO = np.array([-1.0, *np.sort(legendre.legroots(legendre.legder(np.eye(8)[7]))), 1.0])


_GAUSS_OF_LOBATTO = legendre.legvander(RULE[0], 7) @ np.linalg.inv(legendre.legvander(_LOBATTO, 7))


class Estimate(NamedTuple):
    """An integral at every frequency, and its estimated error.

    Attributes
    ----------
    value : ndarray, shape (..., n)
        The integral of the interpolant, exact to rounding errors.
    error : ndarray, shape (...)
        Estimate, one number a spectrum, of the largest absolute error that comes of interpolating (from the next term
        of Newton's formula) and of rounding. What the spectrum is beyond its nodes is taken as stated.
    """

    value: FloatArray
    error: FloatArray | np.float64


class Stencils(NamedTuple):
    """Cell i takes matrices[which[i]] (8, m) times the m samples from starts[i] on."""

    starts: NDArray[np.int64]
    which: NDArray[np.int64]
    matrices: FloatArray

    def values(self, samples: FloatArray) -> FloatArray:
        """Return the values at the Gauss points of the cells, (rows, cells, 8), of samples (rows, nodes)."""
        out = np.empty((samples.shape[0], self.starts.size, 8))
        for row, result in zip(samples, out, strict=True):
            kernels.interpolate(row, *self, result)
        return out


@dataclass(frozen=True, eq=False)
class Interpolant:
    """Cells between nodes, in units of the last node, and the stencils that make polynomials of samples.

    Attributes
    ----------
    nodes : ndarray, shape (n,)
        The last is 1.
    unit : float
        The last node, rad/s.
    spacing : {"log", "uniform", "any"}
        Where nodes repeat themselves, all cells but a few at the ends have the same matrix.
    value, error, curvature : Stencils
        Of the interpolant, of the next term of Newton's formula, and of the term after a straight line.
    lebesgue : float
        What the interpolant may amplify errors of samples by.
    """

    nodes: FloatArray
    unit: float
    spacing: Literal["log", "uniform", "any"]
    value: Stencils
    error: Stencils
    curvature: Stencils
    lebesgue: float


def interpolant(omega: ArrayLike, interpolation: str, degree: int) -> Interpolant:
    """Check the nodes and the way to interpolate between them."""
    nodes = check_nodes(omega)
    require_choice("interpolation", interpolation, ("auto", "log", "linear"))
    try:
        wanted = operator.index(degree)
    except TypeError:
        raise TypeError(f"degree must be a whole number, got {degree!r}") from None
    require_choice("degree", wanted, (1, 3, 5, 7))
    unit = float(nodes[-1])
    x = nodes / unit
    n = x.size
    spacing: Literal["log", "uniform", "any"] = "any"
    # to the rounding errors of a person's linspace or geomspace
    step = (x[-1] - x[0]) / (n - 1)
    log_step = -np.log(x[0]) / (n - 1)
    if np.abs(x - x[0] - step * np.arange(n)).max() <= min(16 * np.finfo(float).eps, 1e-6 * step):
        spacing = "uniform"
    elif np.abs(np.log(x / x[0]) - log_step * np.arange(n)).max() <= min(1e-12, 1e-6 * log_step):
        spacing = "log"
    logarithmic = interpolation == "log" or (interpolation == "auto" and spacing != "uniform")
    if logarithmic and spacing == "uniform":
        spacing = "any"
    size = min(wanted + 1, n)
    value = _stencils(x, spacing, logarithmic, size)
    if size < n:
        error = _next_term(value, _stencils(x, spacing, logarithmic, size + 1))
    else:  # no node is left over: the last term instead of the next
        error = _next_term(_stencils(x, spacing, logarithmic, size - 1), value)
    three = min(3, n)
    curvature = _next_term(_stencils(x, spacing, logarithmic, three - 1), _stencils(x, spacing, logarithmic, three))
    lebesgue = float(np.abs(value.matrices).sum(axis=-1).max())
    return Interpolant(x, unit, spacing, value, error, curvature, lebesgue)


def check_nodes(omega: ArrayLike) -> FloatArray:
    """Return increasing positive frequencies, or raise."""
    nodes = float_array("omega", omega)
    if nodes.ndim != 1 or nodes.size < 2:
        raise ValueError(f"omega must have shape (n,) with n >= 2, got {nodes.shape}")
    require_positive("omega", nodes, unit="rad/s")
    falls = np.flatnonzero(np.diff(nodes) <= 0.0)
    if falls.size:
        i = int(falls[0])
        raise ValueError(f"omega must be increasing, got {nodes[i]:g} and then {nodes[i + 1]:g} at index {i + 1}")
    close = np.flatnonzero(np.diff(nodes) < 1e-12 * nodes[1:])
    if close.size:
        i = int(close[0])
        raise ValueError(
            f"omega must have nodes at least 1e-12 of themselves apart, got {nodes[i]!r} and {nodes[i + 1]!r}"
        )
    if nodes[0] < nodes[-1] / RANGE:
        raise ValueError(f"omega must span a factor of at most {RANGE:g}, got {nodes[0]:g} to {nodes[-1]:g}")
    return nodes


def check_targets(name: str, frequencies: ArrayLike, unit: float) -> FloatArray:
    """Return frequencies (m,) in units of the last node."""
    array = float_array(name, frequencies)
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (m,), got {array.shape}")
    require_positive(name, array, unit="rad/s")
    x = array / unit
    if ((x < 1.0 / RANGE) | (x > RANGE)).any():
        raise ValueError(f"{name} must be within a factor {RANGE:g} of the last node, {unit:g} rad/s")
    return x


def _stencils(x: FloatArray, spacing: str, logarithmic: bool, size: int) -> Stencils:
    """Lagrange's interpolation, in x or its logarithm, over the `size` nodes around each cell."""
    cells = x.size - 1
    starts = np.clip(np.arange(cells) - (size - 1) // 2, 0, x.size - size)
    if spacing == "any":
        which, shown = np.arange(cells), np.arange(cells)
    else:  # a cell's matrix depends on its place in its stencil alone
        _, shown, which = np.unique(np.arange(cells) - starts, return_index=True, return_inverse=True)
    stencil = x[starts[shown, None] + np.arange(size)]
    a, b = x[shown, None], x[shown + 1, None]
    points, stencil = 0.5 * (b - a) * (1.0 + _LOBATTO), stencil - a
    points[:, -1:] = b - a  # exactly
    if logarithmic:
        # of what is close to a, and of what is far
        points, stencil = (
            np.log1p(points / a),
            np.where(np.abs(stencil) < 0.5 * a, np.log1p(stencil / a), np.log((stencil + a) / a)),
        )
    matrices = np.ones((shown.size, 8, size))
    for r in range(size):
        for k in range(size):
            if k != r:
                matrices[:, :, r] *= (points - stencil[:, k, None]) / (stencil[:, r] - stencil[:, k])[:, None]
    # through values at points that include the ends, so that cells join; then by values at Gauss points
    return Stencils(starts.astype(np.int64), which.astype(np.int64), _GAUSS_OF_LOBATTO @ matrices)


def _next_term(small: Stencils, large: Stencils) -> Stencils:
    """Return the difference of two interpolations, the stencils of one of which contain the other's."""
    shifts = small.starts - large.starts
    cells, size = small.starts.size, small.matrices.shape[2]
    kinds = np.stack([small.which, large.which, shifts])
    _, shown, which = np.unique(kinds, axis=1, return_index=True, return_inverse=True)
    matrices = large.matrices[large.which[shown]].copy()
    for i, cell in enumerate(shown):
        matrices[i, :, shifts[cell] : shifts[cell] + size] -= small.matrices[small.which[cell]]
    return Stencils(large.starts, which.reshape(cells).astype(np.int64), matrices)


class Tail(NamedTuple):
    """A power law beyond the first or last node, one a row: amplitude at the node (0: nothing) and exponent."""

    amplitude: FloatArray
    exponent: FloatArray

    def of(self, row: int) -> tuple[float, float]:
        """Return amplitude and exponent of a row."""
        return float(self.amplitude[row]), float(self.exponent[row])


def tail(name: str, edge: Edge, samples: FloatArray, nodes: FloatArray) -> Tail:
    """Resolve how rows of samples go on beyond their end: `below` the first node or `above` the last."""
    end, inner = (0, 1) if name == "below" else (-1, -2)
    amplitude = samples[:, end]
    if edge == "zero":
        return Tail(np.zeros_like(amplitude), np.zeros_like(amplitude))
    if edge != "power":
        return Tail(amplitude, np.full_like(amplitude, edge))
    exponent = _exponent(samples, nodes, end, inner)
    if np.isnan(exponent.sum()):
        row = int(np.argmax(np.isnan(exponent)))
        raise ValueError(
            f"{name} must be stated (zero, or an exponent): no power law goes through the values "
            f"{samples[row, end]:g} and {samples[row, inner]:g} at the {'first' if end == 0 else 'last'} two nodes"
        )
    return Tail(amplitude, exponent)


def uncertainty(name: str, edge: Edge, samples: FloatArray, nodes: FloatArray) -> FloatArray:
    """Return how uncertain exponents are: by rounding, and by what they change by within a factor e of frequency."""
    if edge != "power":
        return np.zeros(samples.shape[0])
    n = nodes.size
    first, second, away = (0, 1, 1) if name == "below" else (n - 1, n - 2, -1)
    step = abs(math.log(nodes[first] / nodes[second]))
    result = np.full(samples.shape[0], ROUNDING / step)
    third = second + away
    while 0 <= third < n and abs(math.log(nodes[third] / nodes[second])) < _BASE:
        third += away
    third = min(max(third, 0), n - 1)
    if third != second:
        other = abs(math.log(nodes[third] / nodes[second]))
        change = _exponent(samples, nodes, first, second) - _exponent(samples, nodes, second, third)
        noise = 4.0 * ROUNDING * (1.0 / step + 1.0 / other)
        change = np.maximum(np.nan_to_num(np.abs(change), nan=1.0) - noise, 0.0)
        result += change / (0.5 * (step + other))
    return result


def _exponent(samples: FloatArray, nodes: FloatArray, one: int, other: int) -> FloatArray:
    result = np.empty(samples.shape[0])
    kernels.exponents(samples, one % nodes.size, other % nodes.size, math.log(nodes[one] / nodes[other]), result)
    return result


def check_edge(name: str, edge: Any) -> Edge:
    """Return a checked `below` or `above`."""
    if isinstance(edge, str):
        if edge not in ("power", "zero"):
            raise ValueError(f"{name} must be power, zero or an exponent, got {edge!r}")
        return edge  # type: ignore[return-value]
    exponent = float_array(name, edge)
    if exponent.ndim:
        raise TypeError(f"{name} must be power, zero or one exponent, got an array of shape {exponent.shape}")
    require_finite(name, exponent)
    if abs(exponent) > _STEEPEST:
        raise ValueError(f"{name} must be an exponent of magnitude at most {_STEEPEST:g}, got {float(exponent):g}")
    return float(exponent)


def require_exponents(name: str, given: Tail, low: float, high: float, why: str) -> None:
    """Raise a ValueError where a power law cannot be integrated."""
    if ((given.exponent > low) & (given.exponent < high)).all():
        return
    wrong = (given.amplitude != 0.0) & ~((given.exponent > low) & (given.exponent < high))
    if wrong.any():
        exponent = given.exponent[np.argmax(wrong)]
        limits = " and ".join(
            text for text, limit in ((f"above {low:g}", low), (f"below {high:g}", high)) if np.isfinite(limit)
        )
        raise ValueError(f"{name} must be a power law with an exponent {limits} ({why}), got {exponent:.6g}")


def power_cells(amplitude: FloatArray, exponent: FloatArray, node: float, end: float) -> tuple[FloatArray, FloatArray]:
    """Return breaks and values (p, cells, 8) of p power laws from `end` to a node above it, or from a node to `end`.

    Where they have fallen below 1e-20 of their values at the node they are taken as zero.
    """
    there = amplitude != 0.0
    decay = (exponent if end < node else -exponent)[there]
    # a ratio so small that a polynomial of degree 7 represents the power laws to rounding errors
    step = math.log1p(1.0 / (20.0 + 8.0 * float(np.abs(exponent[there]).max(initial=0.0))))
    length = abs(math.log(end / node))
    reach = length if (decay <= 0.0).any() else float(np.min([length, 46.0 / decay.min(initial=np.inf)]))
    n = math.ceil(reach / step) if there.any() else 0
    direction = -1.0 if end < node else 1.0
    breaks = node * np.exp(direction * reach / max(n, 1) * np.arange(n + 1))
    if n == 0 or reach < length:
        breaks = np.append(breaks, end)
    else:
        breaks[-1] = end
    breaks[0] = node
    middle, half = 0.5 * (breaks[1:] + breaks[:-1]), 0.5 * np.abs(np.diff(breaks))
    values = np.zeros((amplitude.size, breaks.size - 1, 8))
    points = middle[:n, None] + half[:n, None] * RULE[0]
    values[there, :n] = amplitude[there, None, None] * (points / node) ** exponent[there, None, None]
    if end < node:
        return breaks[::-1].copy(), values[:, ::-1].copy()
    return breaks, values


def rows(name: str, samples: ArrayLike, nodes: int) -> FloatArray:
    """Return samples (..., nodes) as a checked array."""
    array = float_array(name, samples)
    if array.ndim == 0 or array.shape[-1] != nodes:
        raise ValueError(f"{name} must have shape (..., {nodes}), one value a node, got {array.shape}")
    if array.size and not np.abs(array).max() <= LARGEST_VALUE:
        require_finite(name, array)
        raise ValueError(f"{name} must not exceed {LARGEST_VALUE:g} in magnitude, got {np.abs(array).max():g}")
    return array


def batch(**arrays: FloatArray) -> tuple[tuple[int, ...], list[FloatArray]]:
    """Broadcast the leading axes of arrays (..., n) and return their common shape, and each as (rows, n)."""
    if all(array.ndim == 1 for array in arrays.values()):
        return (), [array[None] for array in arrays.values()]
    shape = broadcast_shape(**{name: array[..., 0] for name, array in arrays.items()})
    flat = [
        np.ascontiguousarray(np.broadcast_to(array, (*shape, array.shape[-1])).reshape(-1, array.shape[-1]))
        for array in arrays.values()
    ]
    return shape, flat


def roughness(samples: FloatArray, made: Interpolant) -> FloatArray:
    """Return, at the nodes, how wrong the interpolant may be where its terms do not fall: at jumps, kinks and cusps.

    There the next term e is not small beside the first one, c, a parabola's difference from a straight line, and the
    error may be as large as c. Where samples are smooth the result, 100 e^2/c, is far below e.
    """
    result = np.zeros_like(samples)
    if samples.shape[1] < 3:
        return result
    e, c = (np.abs(stencils.values(samples)).max(axis=-1) for stencils in (made.error, made.curvature))
    with np.errstate(invalid="ignore", divide="ignore"):
        cells = np.minimum(np.where(c > 0.0, 100.0 * e / c, 0.0) * e, c)
    result[:, :-1] = cells
    np.maximum(result[:, 1:], cells, out=result[:, 1:])
    return result
