"""Axes as a paper wants them: log axes labelled 1, 2, 5, 10, quantities with prefixes, names that stand clear."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.validate import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
_SUBDIVISIONS = ((1.0, 2.0, 5.0), (1.0, 2.0, 3.0, 5.0, 7.0))  # of a decade that is labelled


def power(value: float, digits: int = 2) -> str:
    """Return a number as it is written in a text, in so many digits.

    Examples
    --------
    >>> from mbfast.plotting.axes import power
    >>> power(1e15), power(3.2e-7), power(0.25), power(2000)
    ('10¹⁵', '3.2·10⁻⁷', '0.25', '2000')
    """
    if value == 0.0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.{max(digits, 4) if float(value).is_integer() else digits}g}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    ten = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return ten if mantissa == "1" else f"{mantissa}·{ten}"


def prefix(values: ArrayLike) -> tuple[float, str]:
    """Return the factor and the letter of the prefix of the SI that suits the largest magnitude of some values.

    Examples
    --------
    >>> from mbfast.plotting.axes import prefix
    >>> prefix([2.7e7, 9e7])
    (1000000.0, 'M')
    """
    largest = float(np.max(np.abs(values)))
    exponent = 3 * math.floor(math.log10(largest * (1.0 + 1e-9)) / 3.0) if 0.0 < largest < math.inf else 0
    exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
    return 10.0**exponent, _PREFIXES[exponent]


def quantity(value: float, unit: str, digits: int = 3) -> str:
    """Return a number and its unit with a prefix of the SI.

    Examples
    --------
    >>> from mbfast.plotting.axes import quantity
    >>> quantity(5e-9, "m"), quantity(1e-3, "m"), quantity(2.7e7, "Pa")
    ('5 nm', '1 mm', '27 MPa')
    """
    factor, letter = prefix(value)
    return f"{value / factor:.{digits}g} {letter}{unit}"


def log_axis(axis: Axis) -> None:
    """Make an axis logarithmic, labelled 1, 2, 5, 10, ... as numbers; by decades where there are many.

    It takes the limits that the axis has, so it is called when all is drawn. An axis whose data are nowhere positive
    stays linear.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        ``axes.xaxis`` or ``axes.yaxis``.
    """
    from matplotlib import ticker  # noqa: PLC0415

    axes = axis.axes
    horizontal = axis is axes.xaxis
    values = [np.asarray(line.get_xdata() if horizontal else line.get_ydata(), dtype=float) for line in axes.lines]
    if not any((of_line > 0.0).any() for of_line in values):
        return
    axes.set(**{"xscale" if horizontal else "yscale": "log"})
    low, high = sorted(axis.get_view_interval())
    decades = math.log10(high / low)
    axis.set_minor_formatter(ticker.NullFormatter())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: power(value)))
    if decades > 3.5:
        return  # matplotlib's own choice of decades
    for parts in _SUBDIVISIONS:
        locator = ticker.LogLocator(subs=parts)
        if sum(low <= value <= high for value in locator.tick_values(low, high)) >= 3:
            axis.set_major_locator(locator)
            axis.set_minor_locator(ticker.LogLocator(subs=tuple(range(2, 10))))
            return
    axis.set_major_locator(ticker.MaxNLocator(5, steps=[1, 2, 5, 10]))  # so small a part of a decade looks linear
    axis.set_minor_locator(ticker.NullLocator())


def name_points(axes: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str], *, size: float = 6.5) -> None:
    """Write names beside points, where they cover neither points nor names and, if possible, no line.

    Of the places around each point the one that covers least is taken, the nearest of equal ones; then once more with
    all names there. A name that is not next to its point gets a thin line to it. The same figure gives the same places.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With all points and lines drawn and its limits set; the figure's legend must be there.
    x, y : sequence of float
        The points, in data.
    names : sequence of str
        One each.
    size : float
        Of the letters (points).
    """
    figure = cast("Figure", axes.figure)
    figure.draw_without_rendering()  # makes the layout
    texts = [axes.text(0.0, 0.0, name, fontsize=size, transform=None) for name in names]
    extents = np.array([[box.width, box.height] for box in (text.get_window_extent() for text in texts)])
    for text in texts:
        text.remove()
    unit = figure.dpi / 72.0  # pixels a point
    points = axes.transData.transform(np.column_stack([x, y]))
    offsets = _offsets() * unit
    places = points[:, None] + _corners(offsets, extents)  # of lower left corners: (names, places, 2)
    boxes = np.concatenate([places, places + extents[:, None]], axis=-1)
    costs = _fixed_costs(axes, boxes, points, unit)
    chosen = np.argmin(costs, axis=1)
    for _ in range(3):
        for one in range(len(texts)):
            others = np.delete(boxes[np.arange(len(texts)), chosen], one, axis=0)
            chosen[one] = np.argmin(costs[one] + 100.0 * _overlaps(boxes[one], others, unit).sum(axis=1))
    for one, name in enumerate(names):
        offset = (places[one, chosen[one]] - points[one]) / unit
        arrow = None
        if chosen[one] >= _NEAR:
            arrow = {"arrowstyle": "-", "linewidth": 0.4, "shrinkA": 0.5, "shrinkB": 2.0, "color": "0.4"}
        placed: dict[str, Any] = {"xytext": tuple(offset), "textcoords": "offset points", "ha": "left", "va": "bottom"}
        axes.annotate(name, (x[one], y[one]), fontsize=size, arrowprops=arrow, **placed)


_NEAR = 8  # places without a line to the point: eight directions at the first distance


def _offsets() -> FloatArray:
    """Return where the nearest part of a name is, from its point (points): right and above first."""
    angles = np.radians([0, 90, 180, 270, 45, 315, 135, 225])
    finer = np.radians(np.arange(0, 360, 22.5))
    near = 3.2 * np.column_stack([np.cos(angles), np.sin(angles)])
    far = [r * np.column_stack([np.cos(finer), np.sin(finer)]) for r in (7.0, 11.0, 16.0)]
    return np.concatenate([near, *far])


def _corners(offsets: FloatArray, extents: FloatArray) -> FloatArray:
    """Return lower left corners, from the points, of boxes whose nearest part is at `offsets`: (boxes, places, 2)."""
    direction = offsets / np.hypot(*offsets.T)[:, None]
    share = 0.5 * (np.clip(direction * 1.6, -1.0, 1.0) - 1.0)  # 0: the box is on the positive side, -1: on the other
    return np.asarray(offsets + share * extents[:, None])


def _overlaps(boxes: FloatArray, others: FloatArray, unit: float) -> FloatArray:
    """Return 1.0 where boxes (n, 4: left, bottom, right, top), with a margin, overlap others (m, 4): (n, m)."""
    a, b = boxes[..., None, :], others
    margin = 0.8 * unit
    apart = (a[..., :2] >= b[..., 2:] + margin) | (b[..., :2] >= a[..., 2:] + margin)
    return np.asarray(~apart.any(axis=-1), dtype=np.float64)


def _fixed_costs(axes: Axes, boxes: FloatArray, points: FloatArray, unit: float) -> FloatArray:
    """Return what each place costs without the other names: what it covers, leaves, and how far away it is."""
    marks = np.concatenate([points - 2.2 * unit, points + 2.2 * unit], axis=-1)
    costs = 100.0 * _overlaps(boxes, marks, unit).sum(axis=-1)
    inside = axes.bbox.padded(-2.0 * unit).extents
    costs += 1000.0 * ((boxes[..., :2] < inside[:2]) | (boxes[..., 2:] > inside[2:])).any(axis=-1)
    for line in axes.lines:
        if line.get_linestyle() != "None":
            data = np.column_stack(line.get_data()).astype(float)
            path = line.get_transform().transform(data[np.isfinite(data).all(axis=1)])
            length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
            dense = np.arange(0.0, length[-1], 2.0 * unit)
            dots = np.column_stack([np.interp(dense, length, path[:, axis]) for axis in range(2)])
            costs += 10.0 * _overlaps(boxes, np.concatenate([dots, dots], axis=-1), unit).any(axis=-1)
    number = np.arange(boxes.shape[1])
    return np.asarray(costs + np.where(number < _NEAR, 0.0, 3.0) + 0.05 * number)
