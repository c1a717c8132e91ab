"""Frequencies at which spectra are sampled, the polynomials between them and the power laws beyond them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray

from mbfast._core import validate
from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import FloatArray, ReadOnly
from mbfast.kernels.spectra import RULE
from mbfast.spectra._kernels import products as kernels
from mbfast.spectra.tails import ROUNDING, Edge, End

Variable: TypeAlias = Literal["auto", "log", "linear"]

# products of two values, and one times the seventh power of RANGE, stay within the range of a double
LARGEST_VALUE = 1e80
RANGE = 1e30  # seventh powers of what is smaller would leave the range of a double

_FIRST = 30.0  # logarithm of the factor of frequencies, within a cell that begins at zero, over which an error counts
# complex numbers from NumPy 2.5 on
_LOBATTO = np.array([-1.0, *np.sort(legendre.legroots(legendre.legder(np.eye(8)[7])).real), 1.0])
_GAUSS_OF_LOBATTO = legendre.legvander(RULE[0], 7) @ np.linalg.inv(legendre.legvander(_LOBATTO, 7))


class Estimate(NamedTuple):
    """An integral at every frequency, and its estimated error.

    Attributes
    ----------
    value : ndarray, shape (..., n)
        The integral of the interpolant, exact to rounding errors.
    error : ndarray, shape (...)
        Estimate, one number a spectrum, of the largest absolute error that comes of interpolating (from the terms of
        Newton's formula) and of rounding: above the error wherever the nodes show what is between them. What the
        spectrum is beyond its nodes is taken as stated.

    Examples
    --------
    >>> import numpy as np, mbfast
    >>> value, error = mbfast.convolve(np.linspace(1.0, 2.0, 9), np.ones(9), below="zero", at=[3.0])
    >>> print(f"{value[0]:.6f}", bool(error < 1e-12))
    1.000000 True
    """

    value: FloatArray
    error: FloatArray | np.float64


class Stencils(NamedTuple):
    """Cell i takes matrices[which[i]] (8, m) times the m samples from starts[i] on."""

    starts: NDArray[np.int64]
    which: NDArray[np.int64]
    matrices: FloatArray

    @property
    def size(self) -> int:
        """Number m of samples that a cell takes."""
        return int(self.matrices.shape[2])

    def values(self, samples: FloatArray) -> FloatArray:
        """Return the values at the Gauss points of the cells, (rows, cells, 8), of samples (rows, nodes)."""
        out = np.empty((samples.shape[0], self.starts.size, 8))
        for row, result in zip(samples, out, strict=True):
            kernels.interpolate(row, *self, result)
        return out


@dataclass(frozen=True, eq=False, init=False)
class FrequencyGrid(ReadOnly):
    """Frequencies at which spectra are sampled, and what spectra are between and beyond them: checked once.

    `convolve`, `kramers_kronig`, their plans and `Spectrum` take a grid in the place of `omega`, and then build none.

    Parameters
    ----------
    omega : array_like, shape (n,)
        Nodes (rad/s): positive and increasing, any spacing, n >= 2; for `kramers_kronig` the first of >= 3 may be 0.
    below, above, interpolation, degree
        As in `convolve`.

    Attributes
    ----------
    omega, below, above, interpolation, degree
        As given; `omega` is a copy, not to be changed.
    nodes : ndarray, shape (n,)
        The nodes in units of the last one, `unit` (rad/s).
    low, high : End
        How spectra go on below the first node and above the last.
    spacing : {"log", "uniform", "any"}
        Where nodes repeat themselves, all cells but a few at the ends have the same matrix.
    value, error, last, linear, curvature : Stencils
        Of the interpolant, of the next and the last two terms of Newton's formula, of straight lines, of the next term.
    lebesgue : float
        The factor by which the interpolant may amplify errors of samples.

    Raises
    ------
    TypeError
        If `omega` does not consist of real numbers, `degree` is not a whole number, or `below` or `above` is an array.
    ValueError
        If `omega` is not one-dimensional, positive (or 0, then positive) and increasing, has fewer than two nodes,
        nodes closer than 1e-12 of themselves, or spans a factor above 1e30; if `interpolation` is not auto, log or
        linear, or `degree` not 1, 3, 5 or 7; if `below` or `above` is not power, zero or an exponent from -100 to 100.

    Examples
    --------
    >>> import numpy as np, mbfast
    >>> grid = mbfast.FrequencyGrid(np.geomspace(1e5, 1e15, 512), above="power")
    >>> print(grid.spacing, grid.unit, grid.above)
    log 1000000000000000.0 power
    >>> x = grid.omega * 1e-10
    >>> print(f"{mbfast.kramers_kronig(grid, x / (1 + x**2)).value[0]:.6f}")
    1.000000
    >>> smooth, step = grid.roughness(np.stack([np.ones(512), np.where(x < 1, 0.0, 1.0)])).max(axis=1)
    >>> bool(smooth < 1e-12), bool(step > 0.01), bool(grid.remainder(np.ones((1, 512))).max() < 1e-12)
    (True, True, True)
    """

    omega: FloatArray
    below: Edge
    above: Edge
    interpolation: Variable
    degree: int
    nodes: FloatArray = field(repr=False)
    unit: float = field(repr=False)
    low: End = field(repr=False)
    high: End = field(repr=False)
    spacing: Literal["log", "uniform", "any"]
    value: Stencils = field(repr=False)
    error: Stencils = field(repr=False)
    last: Stencils = field(repr=False)
    linear: Stencils = field(repr=False)
    curvature: Stencils = field(repr=False)
    lebesgue: float = field(repr=False)

    def __init__(
        self,
        omega: ArrayLike,
        below: Edge = "power",
        above: Edge = "zero",
        interpolation: Variable = "auto",
        degree: int = 7,
    ) -> None:
        given = _checked_nodes(omega)
        validate.require_choice("interpolation", interpolation, ("auto", "log", "linear"))
        wanted = validate.whole_number("degree", degree)
        validate.require_choice("degree", wanted, (1, 3, 5, 7))
        unit = float(given[-1])
        x = given / unit
        spacing = _spacing(x)
        logarithmic = interpolation == "log" or (interpolation == "auto" and spacing != "uniform")
        if logarithmic and spacing == "uniform":
            spacing = "any"

        size, three = min(wanted + 1, x.size), min(3, x.size)
        least = max(min(size, x.size - 2), 1)  # where no nodes are left over, the last terms are taken
        more = min(least + 2, x.size)  # one term alone vanishes by symmetry of the samples
        sizes = {size, max(least - 2, 1), least, more, 2, three}
        if logarithmic and x[0] == 0.0:  # a straight line from zero, and a parabola to estimate its error
            made = {number: _stencils_from_zero(x, number, 3 if number == more else min(number, 2)) for number in sizes}
        else:
            made = {number: _stencils(x, spacing, logarithmic, number) for number in sizes}
        given.setflags(write=False)
        low, high = End("below", below, x), End("above", above, x)
        self.__dict__.update(
            omega=given,
            below=low.edge,
            above=high.edge,
            low=low,
            high=high,
            interpolation=interpolation,
            degree=wanted,
            nodes=x,
            unit=unit,
            spacing=spacing,
            value=made[size],
            error=_difference(made[least], made[more]),
            last=_difference(made[max(least - 2, 1)], made[least]),
            linear=made[2],
            curvature=_difference(made[2], made[three]),
            lebesgue=float(np.abs(made[size].matrices).sum(axis=-1).max()),
        )

    @classmethod
    def of(cls, omega: ArrayLike | FrequencyGrid, *options: Any) -> FrequencyGrid:
        """Return the grid of `omega`, or `omega` itself if it is one: `options` are then left at their defaults."""
        if not isinstance(omega, FrequencyGrid):
            return cls(omega, *options)
        if options != FrequencyGrid.__init__.__defaults__:
            raise ValueError(
                "below, above, interpolation and degree must be left out beside a grid, which has its own, "
                f"got {', '.join(map(repr, options))}"
            )
        return omega

    def require_positive(self) -> FrequencyGrid:
        """Return the grid; a ValueError if its first node is zero."""
        validate.require_positive("omega", self.omega, unit="rad/s")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """What makes the same grid of its nodes: keyword arguments, as those of `convolve`."""
        return {name: getattr(self, name) for name in ("below", "above", "interpolation", "degree")}

    def with_below(self, below: Edge) -> FrequencyGrid:
        """Return the same grid, the same interpolant, for spectra that go on otherwise below the first node."""
        low = End("below", below, self.nodes)
        return self._with(low=low, below=low.edge)

    def straight(self) -> FrequencyGrid:
        """Return the same grid with straight lines between the nodes: what is positive at nodes is so between them."""
        return self._with(value=self.linear)

    def _with(self, **changed: Any) -> FrequencyGrid:
        other = copy.copy(self)
        other.__dict__.update(changed)
        return other

    def roughness(self, samples: FloatArray) -> FloatArray:
        """Return, of cells (rows, n - 1), how wrong the interpolant may be where its terms do not fall.

        At jumps, kinks and cusps the next terms e are not small beside the first one, c, a parabola's difference from a
        straight line, and the error may be as large as the larger of them. Of smooth samples 100 e^2/c is far below e.
        The same holds of the Legendre coefficients of a cell over which frequencies change by a large factor.
        """
        return self._both(samples)[0]

    def remainder(self, samples: FloatArray) -> FloatArray:
        """Return, of cells (rows, n - 1), about how much of the interpolant's error is left after its next terms.

        Where terms fall, half of a geometric series of the last ones d and the next ones e, e^2/(d - e), and elsewhere
        `roughness`, which is never less.
        """
        return self._both(samples)[1]

    def _both(self, samples: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the roughness and the remainder."""
        if samples.shape[-1] < 3:
            nothing = np.zeros((samples.shape[0], samples.shape[-1] - 1))
            return nothing, nothing
        e, d, c = (
            np.abs(stencils.values(samples)).max(axis=-1) for stencils in (self.error, self.last, self.curvature)
        )
        high, before = np.abs(self.value.values(samples) @ RULE[[9, 8]].T).transpose(2, 0, 1)
        wide = _share(high, before) * high
        near = _widened(e, 1)  # in the cell of a jump the terms are small by symmetry: as large as in its neighbours
        rough = np.minimum(100.0 * _share(near, c) * near, np.maximum(near, c))
        rough[:, [0, -1]] += 2.0 * e[:, [0, -1]]  # at an end of the nodes the terms to come add up to several e
        if self.last.size <= 4:  # d has c in it
            return rough + wide, rough + wide
        rough += np.minimum(10.0 * _share(d, c), 1.0) * d
        last = _widened(d, 2)  # terms vanish where they change their signs
        rest = np.divide(0.5 * near * near, last - near, out=rough.copy(), where=near < 0.4 * last)
        return rough + wide, np.minimum(rough, rest) + wide


def _widened(cells: FloatArray, reach: int) -> FloatArray:
    """Return the largest value of the cells at most `reach` away."""
    padded = np.pad(cells, ((0, 0), (reach, reach)))
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=-1).max(axis=-1))


def _share(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the quotient of positive numbers, at most 1."""
    return np.divide(one, other, out=np.ones_like(one), where=other > one)


def _checked_nodes(omega: ArrayLike) -> FloatArray:
    """Return a copy of increasing positive frequencies, or raise."""
    nodes = validate.float_array("omega", omega)
    positive = nodes[1:] if nodes.ndim == 1 and nodes.size > 2 and nodes[0] == 0.0 else nodes
    if nodes.ndim != 1 or nodes.size < 2:
        raise ValueError(f"omega must have shape (n,) with n >= 2, got {nodes.shape}")
    validate.require_positive("omega", positive, unit="rad/s")
    falls = np.flatnonzero(np.diff(nodes) <= 0.0)
    if falls.size:
        i = int(falls[0])
        raise ValueError(f"omega must be increasing, got {nodes[i]:g} and then {nodes[i + 1]:g} at index {i + 1}")
    close = np.flatnonzero(np.diff(nodes) < 1e-12 * nodes[1:])
    if close.size:
        one, other = nodes[close[0] : close[0] + 2]
        raise ValueError(f"omega must have nodes at least 1e-12 of themselves apart, got {one!r} and {other!r}")
    if positive[0] < nodes[-1] / RANGE:
        raise ValueError(f"omega must span a factor of at most {RANGE:g}, got {positive[0]:g} to {nodes[-1]:g}")
    return nodes + 0.0


def _spacing(x: FloatArray) -> Literal["log", "uniform", "any"]:
    """Return how nodes are spaced, to the rounding errors of a person's linspace or geomspace."""
    n = x.size
    step = (x[-1] - x[0]) / (n - 1)
    if np.abs(x - x[0] - step * np.arange(n)).max() <= min(16 * np.finfo(float).eps, 1e-6 * step):
        return "uniform"
    if x[0] == 0.0:
        return "any"
    log_step = -np.log(x[0]) / (n - 1)
    if np.abs(np.log(x / x[0]) - log_step * np.arange(n)).max() <= min(1e-12, 1e-6 * log_step):
        return "log"
    return "any"


def _stencils(x: FloatArray, spacing: str, logarithmic: bool, size: int) -> Stencils:
    """Lagrange's interpolation, in x or its logarithm, over the `size` nodes around each cell."""
    cells = x.size - 1
    starts = np.clip(np.arange(cells) - (size - 1) // 2, 0, x.size - size)
    if spacing == "any":
        which, shown = np.arange(cells), np.arange(cells)
    else:  # a cell's matrix depends on its place in its stencil alone
        _, shown, which = np.unique(np.arange(cells) - starts, return_index=True, return_inverse=True)
    nodes = x[starts[shown, None] + np.arange(size)]
    a, b = x[shown, None], x[shown + 1, None]
    points, stencil = 0.5 * (b - a) * (1.0 + _LOBATTO), nodes - a
    points[:, -1:] = b - a  # exactly
    apart = nodes[:, :, None] - nodes[:, None, :]  # of two nodes far from a, too
    if logarithmic:
        points, stencil = np.log1p(points / a), _log_ratio(stencil, a, nodes)
        apart = _log_ratio(apart, nodes[:, None, :], nodes[:, :, None])
    matrices = lagrange(stencil, points, apart)
    # through values at points that include the ends, so that cells join; then by values at Gauss points
    return Stencils(starts.astype(np.int64), which.astype(np.int64), _GAUSS_OF_LOBATTO @ matrices)


def _stencils_from_zero(x: FloatArray, size: int, first: int) -> Stencils:
    """Return `_stencils` in the logarithm of nodes that begin at zero: in their first cell over `first` nodes in x."""
    zero = _stencils(x[: max(first, 2)], "any", False, first)
    rest = _stencils(x[1:], "any", True, min(size, x.size - 1))
    missing = size - rest.size
    matrices = np.zeros((x.size - 1, 8, size))
    matrices[0, :, :first], matrices[1:, :, missing:] = zero.matrices[0], rest.matrices
    return Stencils(np.append(0, rest.starts + 1 - missing), np.arange(x.size - 1), matrices)


def _log_ratio(difference: FloatArray, one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the logarithm of other/one, whose difference is given, where they are close and where they are not."""
    return np.where(np.abs(difference) < 0.5 * one, np.log1p(np.maximum(difference / one, -0.5)), np.log(other / one))


def lagrange(nodes: FloatArray, x: FloatArray, apart: FloatArray | None = None) -> FloatArray:
    """Return Lagrange's polynomials of nodes (..., s) at points x (..., m), as an array (..., m, s).

    `apart` (..., s, s) are the differences of nodes, where they are known better than from their values.
    """
    apart = nodes[..., :, None] - nodes[..., None, :] if apart is None else apart
    result = np.ones((*x.shape, nodes.shape[-1]))
    for r in range(nodes.shape[-1]):
        for k in range(nodes.shape[-1]):
            if k != r:
                result[..., r] *= (x - nodes[..., k, None]) / apart[..., r, k, None]
    return result


def _difference(small: Stencils, large: Stencils) -> Stencils:
    """Return the difference of two interpolations, the stencils of one of which contain the other's."""
    shifts = small.starts - large.starts
    most = int(shifts.max(initial=0)) + 1  # they are not negative
    kinds = (small.which * len(large.matrices) + large.which) * most + shifts
    _, shown, which = np.unique(kinds, return_index=True, return_inverse=True)
    matrices = large.matrices[large.which[shown]].copy()
    for i, cell in enumerate(shown):
        matrices[i, :, shifts[cell] : shifts[cell] + small.size] -= small.matrices[small.which[cell]]
    return Stencils(large.starts, which.reshape(-1).astype(np.int64), matrices)


def rows(name: str, samples: ArrayLike, grid: FrequencyGrid) -> FloatArray:
    """Return samples (..., nodes) as a checked array."""
    array, nodes = validate.float_array(name, samples), grid.nodes.size
    if array.ndim == 0 or array.shape[-1] != nodes:
        raise ValueError(f"{name} must have shape (..., {nodes}), one value a node, got {array.shape}")
    # nodes that are very close to one another make the interpolant much larger than the samples
    largest = LARGEST_VALUE / max(1e-10 * grid.lebesgue, 1.0)
    if array.size and not np.abs(array).max() <= largest:
        validate.require_finite(name, array)
        raise ValueError(
            f"{name} must not exceed {largest:g} in magnitude, for degree {grid.degree} and these nodes, "
            f"got {np.abs(array).max():g}"
        )
    return array


def batch(**arrays: FloatArray) -> tuple[tuple[int, ...], list[FloatArray]]:
    """Broadcast the leading axes of arrays (..., n) and return their common shape, and each as (rows, n)."""
    if all(array.ndim == 1 for array in arrays.values()):
        return (), [array[None] for array in arrays.values()]
    shape = validate.broadcast_shape(**{name: array[..., 0] for name, array in arrays.items()})
    flat = [
        np.ascontiguousarray(np.broadcast_to(array, (*shape, array.shape[-1])).reshape(-1, array.shape[-1]))
        for array in arrays.values()
    ]
    return shape, flat


def check_targets(grid: FrequencyGrid, name: str, frequencies: ArrayLike | None, *, zero: bool = False) -> FloatArray:
    """Return checked frequencies (m,), positive or `zero`, in units of the last node; the nodes for None."""
    if frequencies is None:
        return grid.nodes
    array = validate.float_array(name, frequencies)
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (m,), got {array.shape}")
    array = array + 0.0  # -0.0 is zero
    positive = np.where(array == 0.0, grid.unit, array) if zero else array
    validate.require_positive(name, positive, unit="rad/s, or zero" if zero else "rad/s")
    x = array / grid.unit
    if ((positive < grid.unit / RANGE) | (x > RANGE)).any():
        raise ValueError(f"{name} must be within a factor {RANGE:g} of the last node, {grid.unit:g} rad/s")
    return x


def chunks(n: int, cells: int, most: int, together: int) -> list[Tile]:
    """Return ranges of n frequencies, at most so many, which meet so many cells each and not too many together."""
    return cut(n, max(1, min(most, together // cells)))


def everywhere(grid: FrequencyGrid, rough: FloatArray, largest: FloatArray) -> FloatArray:
    """Return what may be wrong with transforms at any frequency (rows,): by rough cells (rows, n - 1), and rounding."""
    logs = np.log(np.where(grid.nodes > 0.0, grid.nodes, grid.nodes[1] * np.exp(-_FIRST)))
    rounding = 2.0 * ROUNDING * max(grid.lebesgue, 8.0) * (1.0 - logs[0])
    return np.asarray(rough @ np.diff(logs) + rounding * largest)
