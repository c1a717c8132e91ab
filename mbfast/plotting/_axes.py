"""Axes as a paper wants them: log axes labelled 1, 2, 5, 10, quantities with prefixes, names that stand clear."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core.validate import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def power(value: float, digits: int = 2, *, plain: bool = True) -> str:
    """Return a number as it is written in a text, in so many digits: if `plain`, without a power where it can.

    Whole numbers below 10⁴ have all their digits.

    Examples
    --------
    >>> from mbfast.plotting._axes import power
    >>> power(1e15), power(3.2e-7), power(0.25), power(2000), power(1234.5), power(float("nan"))
    ('10¹⁵', '3.2·10⁻⁷', '0.25', '2000', '1200', 'nan')
    """
    if value == 0.0 or not math.isfinite(value):
        return f"{value + 0.0:g}"  # -0.0 + 0.0 is 0.0
    whole = float(value).is_integer() and abs(value) < 1e4
    shown = value if whole else float(f"{value:.{digits - 1}e}")  # rounded first: it can round up to 10⁴
    if plain and 1e-3 <= abs(shown) < 1e4:
        return f"{shown:.{max(digits, 4)}g}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    ten = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return ten if mantissa == "1" else f"{mantissa}·{ten}"


def prefix(values: ArrayLike) -> tuple[float, str]:
    """Return the factor and the letter of the prefix of the SI that suits the largest magnitude of some values.

    Examples
    --------
    >>> from mbfast.plotting._axes import prefix
    >>> prefix([2.7e7, 9e7])
    (1000000.0, 'M')
    """
    largest = float(np.max(np.abs(values)))
    exponent = 3 * math.floor(math.log10(largest * (1.0 + 1e-9)) / 3.0) if 0.0 < largest < math.inf else 0
    exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
    return 10.0**exponent, _PREFIXES[exponent]


def axis_unit(values: ArrayLike, unit: str) -> tuple[float, str]:
    """Return the factor and the name of the unit in which an axis of positive values has short labels.

    That is the unit itself where there are many decades, so that powers of ten are the labels.

    Examples
    --------
    >>> from mbfast.plotting._axes import axis_unit
    >>> axis_unit([2.7e7, 9e7], "Pa"), axis_unit([5e-9, 1e-3], "m"), axis_unit([1e9, 5e9], "rad/s")
    ((1000000.0, 'MPa'), (1.0, 'm'), (1000000000.0, '10⁹ rad/s'))
    """
    positive = np.abs(np.asarray(values, dtype=float))
    positive = positive[(positive > 0.0) & np.isfinite(positive)]
    if positive.size == 0 or positive.max() > 1e4 * positive.min():
        return 1.0, unit
    factor, letter = prefix(positive)
    if "/" not in unit:
        return factor, f"{letter}{unit}"
    return factor, f"{power(factor, plain=False)} {unit}" if letter else unit


def ten_to(values: ArrayLike) -> tuple[float, str]:
    """Return a power of ten that makes some values short, and what a label of the axis says of it.

    Examples
    --------
    >>> from mbfast.plotting._axes import ten_to
    >>> ten_to([-3e-7, 2e-6]), ten_to([0.5])
    ((1e-06, ' (10⁻⁶)'), (1.0, ''))
    """
    finite = np.abs(np.asarray(values, dtype=float))
    largest = float(np.max(finite, initial=0.0, where=np.isfinite(finite)))
    if largest == 0.0 or 0.01 <= largest < 1000.0:
        return 1.0, ""
    factor = 10.0 ** math.floor(math.log10(largest))
    return factor, f" ({power(factor, plain=False)})"


def quantity(value: float, unit: str, digits: int = 3) -> str:
    """Return a number and its unit with a prefix of the SI.

    Examples
    --------
    >>> from mbfast.plotting._axes import quantity
    >>> quantity(5e-9, "m"), quantity(1e-3, "m"), quantity(2.7e7, "Pa"), quantity(999.6e-9, "m")
    ('5 nm', '1 mm', '27 MPa', '1 µm')
    """
    rounded = float(f"{value:.{digits - 1}e}")  # first, as it can round up to the next prefix
    factor, letter = prefix(rounded)
    return f"{power(rounded / factor, digits)} {letter}{unit}"


def log_axis(axis: Axis) -> None:
    """Make an axis logarithmic, labelled 1, 2, 5, 10, ... as numbers; by decades where there are many.

    It takes the limits that the axis has, so it is called when all is drawn. An axis whose data are nowhere positive
    stays linear.
    """
    from matplotlib import ticker  # noqa: PLC0415

    axes = axis.axes
    horizontal = axis is axes.xaxis
    values = [np.asarray(line.get_xdata() if horizontal else line.get_ydata(), dtype=float) for line in axes.lines]
    positive = np.concatenate([of_line[of_line > 0.0] for of_line in values] or [np.empty(0)])
    if not positive.size:
        return
    scale, limits = ("xscale", "xlim") if horizontal else ("yscale", "ylim")
    around = positive.min() / 1.2, positive.max() * 1.2
    if positive.min() == positive.max():
        axes.set(**{limits: around})
    axes.set(**{scale: "log"})
    if not min(axis.get_view_interval()) > 0.0:  # as some data are zero
        axes.set(**{limits: around})
    low, high = sorted(axis.get_view_interval())
    major, minor = _ticks(float(low), float(high))
    plain = _short(major)
    axis.set_major_locator(ticker.FixedLocator(major))
    axis.set_minor_locator(ticker.FixedLocator(minor))
    axis.set_major_formatter(
        ticker.FuncFormatter(lambda value, _: f"{value:.5g}" if plain else power(value, plain=False))
    )
    axis.set_minor_formatter(ticker.NullFormatter())


def _short(values: list[float]) -> bool:
    """Return whether numbers are written without powers of ten."""
    return all(1e-4 <= value < 1e5 for value in values)


def _ticks(low: float, high: float) -> tuple[list[float], list[float]]:
    """Return where a log axis has labels, and where it has ticks without."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    low, high = low * (1.0 - 1e-12), high * (1.0 + 1e-12)
    decades = [number for number in range(first, last + 1) if low <= 10.0**number <= high]
    parts = [digit * 10.0**number for number in range(first, last + 1) for digit in range(1, 10)]
    parts = [value for value in parts if low <= value <= high]
    if len(decades) > 3:
        stride = -(-len(decades) // 7)
        begin = decades[0] if (len(decades) - 1) % stride == 0 else 0
        major = [10.0**number for number in decades if (number - begin) % stride == 0]
        return major, parts if stride == 1 else [10.0**number for number in decades]
    for digits in ("125", "123456789"):
        major = [value for value in parts if f"{value:e}"[0] in digits]
        if len(major) >= 3:
            crowded = len(major) > 9 or not _short(major)
            return ([10.0**number for number in decades] if crowded and len(decades) >= 2 else major), parts
    step = 10.0 ** math.floor(math.log10((high - low) / 2.0))  # so small a part of a decade is as good as linear
    step *= next(factor for factor in (5.0, 2.0, 1.0) if high - low >= 2.0 * step * factor)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)], []


def name_points(axes: Axes, x: ArrayLike, y: ArrayLike, names: Sequence[str], *, size: float = 6.5) -> None:
    """Write names beside points, where they cover neither points nor names and, if possible, no line.

    Of the places around each point the one that covers least is taken, the nearest of equal ones, again and again with
    all names there. A name that is not next to its point gets a thin line to it. The same figure gives the same places.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With all points and lines drawn and its limits set; the figure's legend must be there.
    x, y : array_like, shape (n,)
        The points, in data.
    names : sequence of str
        One each.
    size : float
        Of the letters (points).
    """
    figure = cast("Figure", axes.figure)
    figure.draw_without_rendering()  # makes the layout
    texts = [axes.text(0.0, 0.0, name, fontsize=size, transform=None, parse_math=False) for name in names]
    extents = np.array([[box.width, box.height] for box in (text.get_window_extent() for text in texts)])
    for text in texts:
        text.remove()
    unit = figure.dpi / 72.0  # pixels a point
    data = np.column_stack([x, y])
    points = axes.transData.transform(data)
    offsets = _offsets() * unit
    places = points[:, None] + _corners(offsets, extents)  # of lower left corners: (names, places, 2)
    boxes = np.concatenate([places, places + extents[:, None]], axis=-1)
    dots = points[:, None, None] + np.array([0.4, 0.7, 1.0])[:, None] * offsets[:, None]  # of the lines to names
    ways = np.concatenate([dots, dots], axis=-1)
    costs = _fixed_costs(axes, boxes, ways, points, unit)
    orders = [np.argsort(points @ towards, kind="stable") for towards in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    chosen = min((_choose(costs, boxes, ways, order, unit) for order in orders), key=lambda found: found[0])[1]
    for one, name in enumerate(names):
        offset = (places[one, chosen[one]] - points[one]) / unit
        arrow = None
        if chosen[one] >= _NEAR:
            arrow = {"arrowstyle": "-", "linewidth": 0.4, "shrinkA": 0.5, "shrinkB": 2.0, "color": "0.4"}
        placed: dict[str, Any] = {"xytext": tuple(offset), "textcoords": "offset points", "ha": "left", "va": "bottom"}
        placed["parse_math"] = False  # a name is text
        axes.annotate(name, tuple(data[one]), fontsize=size, arrowprops=arrow, **placed)


_NEAR = 8  # places without a line to the point: eight directions at the first distance


def _offsets() -> FloatArray:
    """Return where the nearest part of a name is, from its point (points): right and above first."""
    angles = np.radians([0, 90, 180, 270, 45, 315, 135, 225])
    finer = np.radians(np.arange(0, 360, 22.5))
    near = 3.2 * np.column_stack([np.cos(angles), np.sin(angles)])
    far = [r * np.column_stack([np.cos(finer), np.sin(finer)]) for r in (7.0, 11.0, 16.0, 22.0)]
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


def _choose(
    costs: FloatArray, boxes: FloatArray, ways: FloatArray, order: NDArray[np.intp], unit: float
) -> tuple[float, NDArray[np.intp]]:
    """Return what the places of all names cost, and which they are, found one by one in this order, four times."""
    chosen = np.argmin(costs, axis=1)
    total, rows = np.inf, np.arange(len(costs))
    for _ in range(4):
        total = 0.0
        for one in order:
            others = np.delete(rows, one)
            there, lines = boxes[others, chosen[others]], ways[others, chosen[others]].reshape(-1, 4)
            here = costs[one] + 100.0 * _overlaps(boxes[one], there, unit).sum(axis=1)
            here += 20.0 * (
                _overlaps(ways[one], there, unit).sum(axis=(1, 2)) + _overlaps(boxes[one], lines, unit).sum(axis=1)
            )
            chosen[one] = np.argmin(here)
            total += float(here[chosen[one]])
    return total, chosen


def _fixed_costs(axes: Axes, boxes: FloatArray, ways: FloatArray, points: FloatArray, unit: float) -> FloatArray:
    """Return what each place costs without the other names: what it covers, leaves, and how far away it is."""
    marks = np.concatenate([points - 2.2 * unit, points + 2.2 * unit], axis=-1)
    costs = 100.0 * _overlaps(boxes, marks, unit).sum(axis=-1)
    met = _overlaps(ways, marks, unit).sum(axis=2)  # another point there would be taken for the named one
    costs += 20.0 * (met.sum(axis=-1) - met[np.arange(len(points)), :, np.arange(len(points))])
    inside = axes.bbox.padded(-2.0 * unit).extents
    costs += 1000.0 * ((boxes[..., :2] < inside[:2]) | (boxes[..., 2:] > inside[2:])).any(axis=-1)
    for line in axes.lines:
        if line.get_linestyle() != "None":
            data = np.column_stack(line.get_data()).astype(float)
            path = line.get_transform().transform(data[np.isfinite(data).all(axis=1)])
            length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
            dense = np.arange(0.0, length[-1], max(3.0 * unit, length[-1] / 1e5))  # it may end at a pole
            dots = np.column_stack([np.interp(dense, length, path[:, axis]) for axis in range(2)])
            dots = dots[((dots >= inside[:2]) & (dots <= inside[2:])).all(axis=1)]
            costs += 10.0 * _overlaps(boxes, np.concatenate([dots, dots], axis=-1), unit).any(axis=-1)
    number = np.arange(boxes.shape[1])
    return np.asarray(costs + np.where(number < _NEAR, 0.0, 3.0) + 0.05 * number)
