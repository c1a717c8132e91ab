"""The figure of fields: planes of a lattice, or a cloud of blocks from three sides, in colours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mbfast._core.validate import FloatArray, finite_number, whole_number
from mbfast.files.blocks import BlockData
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.results import PairResult
from mbfast.plotting import _axes
from mbfast.plotting._axes import power, prefix
from mbfast.plotting._fields import Fields, Scalar
from mbfast.plotting._material import material_of
from mbfast.plotting._scale import Scale, scale_of
from mbfast.plotting.style import COLUMN, WIDE, finish, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 100_000  # of a cloud: more would only cover each other
_NAMES = "xyz"
_SIDES = {2: (0, 1), 1: (0, 2), 0: (1, 2)}  # by the axis one looks along: the axes to the right and upwards
_THINNEST, _STRIP = 8.5, 6.0  # length by width of what is drawn true to scale; of the strip that is drawn if not


@dataclass(frozen=True, eq=False)
class _Panel:
    """A view: the axes to the right and upwards, and a map of values (right, up), or values at points (M, 3) in m."""

    sides: tuple[int, int]
    title: str
    values: FloatArray
    points: FloatArray | None = None
    areas: FloatArray | None = None


@styled()
def field_figure(
    result: PairResult | BlockData,
    *,
    quantity: str | None = None,
    component: str | None = None,
    plane: tuple[str, int] | None = None,
    slab: tuple[str, float, float] | None = None,
) -> Figure:
    """Draw one number of each block: planes of a lattice as maps, other blocks as points seen along the axes.

    Of a lattice these are the three planes through the block with the largest magnitude, those that are one block thin
    left out. Signed numbers are red and blue, others dark to light. The colours are linear or, where values differ by
    more than a hundredfold, logarithmic, and the same in all views.

    Parameters
    ----------
    result : PairResult or BlockData
        A pair sum, or what `mbfast.files.blocks.read_blocks` returns, of which only the moments can be drawn.
    quantity : {"strain", "electric-field", "field", "moments", "energy", "energy-density"}, optional
        The strain 2h of stress moments, dimensionless; the electric field -2h of dipoles (V/m); the field h as it was
        computed; the moments (J or C m); the energy T_s : h_s (J), or, of a lattice, that by the volume of a block. By
        default the first of these that there is.
    component : str, optional
        Of tensors: xx, yy, zz, yz, xz, xy, trace, norm (the root of the sum of all nine squares, default) or von-mises
        (the same of the part without trace, times sqrt(2/3), or sqrt(3/2) of moments). Of vectors: x, y, z or norm.
    plane : tuple of str and int, optional
        Only this plane of a lattice: ("z", 3) has the blocks whose third index is 3.
    slab : tuple of str and two float, optional
        Of blocks on no lattice only those between two places (m), seen along this axis: ("z", 0.0, 1e-8).

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `result` is none of these, or the numbers of `plane` or `slab` are none.
    ValueError
        If `result` has no blocks, or numbers that are not finite; if `quantity` or `component` is none that it has; if
        `plane` or `slab` names no axis, no plane of the lattice or no blocks, or belongs to the other kind of blocks.

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> silica, plane = mbfast.StressInteraction(2200, 5800, 3800), mbfast.BlockLattice((4, 4, 1), 5e-9)
    >>> result = mbfast.pair_sum(silica, plane, np.full((4, 4, 1, 6), 1.6e-19))
    >>> figure = mbfast.plotting.field_figure(result, component="xx")
    """
    fields = Fields.of(result)
    scalar = fields.scalar(quantity, component)
    if fields.lattice is None:
        if plane is not None:
            raise ValueError(f"plane belongs to a lattice, slab to other blocks, got {plane!r}")
        extent, panels, shown = _views(fields.positions, scalar.values, slab)
    else:
        if slab is not None:
            raise ValueError(f"slab belongs to blocks on no lattice, plane to those of one, got {slab!r}")
        extent, panels, shown = _planes(fields.lattice, scalar, plane)
    scale = scale_of(np.concatenate([panel.values.ravel() for panel in panels]), scalar.unit, signed=scalar.signed)
    figure = new_figure(COLUMN if len(panels) == 1 else WIDE)
    shown += _draw(figure, panels, extent, scale, f"{scalar.label}{scale.unit}")
    conditions, told = _told(fields, scalar)
    finish(figure, f"{told} {shown} {scale.words}", conditions=conditions)
    return figure


def _planes(
    lattice: BlockLattice, scalar: Scalar, plane: tuple[str, int] | None
) -> tuple[FloatArray, list[_Panel], str]:
    """Return the extent of a lattice (3, 2), in m, its planes and what a caption says of them."""
    values = scalar.values.reshape(lattice.shape)
    centre = np.unravel_index(scalar.largest, lattice.shape)
    cuts = {axis: int(centre[axis]) for axis in _flat(np.array(lattice.shape) > 1)}
    if plane is not None:
        axis, (index,) = _axis_and("plane", plane, 1, '("z", 3)')
        cuts = {axis: whole_number("plane's index", index)}
        if not 0 <= cuts[axis] < lattice.shape[axis]:
            raise ValueError(f"plane must be one of {_NAMES[axis]} = 0 to {lattice.shape[axis] - 1}, got {index}")
    ends = lattice.spacing * np.column_stack([np.full(3, -0.5), np.array(lattice.shape) - 0.5])
    panels = []
    for axis, index in cuts.items():
        title = f"${_NAMES[axis]}$ = {_axes.quantity(index * lattice.spacing, 'm')}"
        of_plane, (right, up) = np.take(values, index, axis), _SIDES[axis]
        if lattice.shape[up] > _THINNEST * lattice.shape[right]:  # lies better than it stands
            right, up, of_plane = up, right, of_plane.T
        panels.append(_Panel((right, up), title, of_plane))
    which = ", ".join(f"{_NAMES[axis]} = {index}" for axis, index in cuts.items())
    shown = f"Shown {'is the plane' if len(cuts) == 1 else 'are the planes'} of the blocks {which}, counted from 0."
    return ends, panels, shown


def _views(
    positions: FloatArray, values: FloatArray, slab: tuple[str, float, float] | None
) -> tuple[FloatArray, list[_Panel], str]:
    """Return the extent of blocks anywhere (3, 2), in m, views along the axes and what a caption says of them."""
    axes, shown = None, "Seen along the axes."
    if slab is not None:
        axis, ends = _axis_and("slab", slab, 2, '("z", 0.0, 1e-8)')
        low, high = (finite_number("slab's ends", end) for end in ends)
        inside = (low <= positions[:, axis]) & (positions[:, axis] <= high)
        if not inside.any():
            raise ValueError(f"slab must have blocks in it, got none with {_NAMES[axis]} from {low:g} to {high:g} m")
        axes, positions, values = [axis], positions[inside], values[inside]
        between = " to ".join(_axes.quantity(end, "m") for end in (low, high))
        shown = f"Only the {len(values)} blocks from {between} along {_NAMES[axis]}."
    order = np.argsort(np.abs(values), kind="stable")[-MOST_POINTS:]  # the largest on top
    if len(values) > MOST_POINTS:
        shown += f" Drawn are the {MOST_POINTS} of the largest magnitudes."
    low, high = positions.min(axis=0), positions.max(axis=0)
    axes = _flat(high > low) if axes is None else axes
    shown += " Larger points are nearer." if len(order) > 1 else ""
    room = max(float((high - low).max()), 1e-12 * float(np.abs(positions).max())) or 5e-9
    middle, half = 0.5 * (low + high), np.maximum(0.5 * (high - low) + 0.06 * room, 0.15 * room)
    panels = []
    for axis in axes:
        towards = positions[order, axis] * (-1.0 if axis == 1 else 1.0)  # x to the right and z upwards: y goes away
        depth = (towards - towards.min()) / (np.ptp(towards) or 1.0)
        areas = min(max(1800.0 / len(order), 0.3), 14.0) * (0.35 + 1.3 * depth if depth.any() else 1.0 + depth)
        panels.append(_Panel(_SIDES[axis], f"along ${_NAMES[axis]}$", values[order], positions[order], areas))
    return np.column_stack([middle - half, middle + half]), panels, shown


def _flat(wide: NDArray[np.bool_]) -> list[int]:
    """Return the axes to look along: those across which there is a plane to see, z if there is none."""
    seen = [axis for axis, (across, up) in _SIDES.items() if wide[across] and wide[up]]
    return seen or [next(axis for axis, sides in _SIDES.items() if wide[list(sides)].any() or not wide.any())]


def _axis_and(name: str, value: object, numbers: int, example: str) -> tuple[int, tuple[Any, ...]]:
    if not isinstance(value, tuple | list) or len(value) != numbers + 1 or value[0] not in (*_NAMES,):
        raise ValueError(f"{name} must be an axis and what is wanted of it, such as {example}, got {value!r}")
    return _NAMES.index(value[0]), tuple(value[1:])


def _draw(figure: Figure, panels: list[_Panel], extent: FloatArray, scale: Scale, label: str) -> str:
    """Draw panels side by side in one scale of lengths and one of colours; return what a caption says of lengths."""
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    lengths = np.ptp(extent, axis=1)
    right, up = (lengths[[panel.sides[side] for panel in panels]] for side in (0, 1))
    thin = right > _THINNEST * up
    columns = np.maximum(right, 0.5 * right.max())  # room for a title and for labels
    mm = (25.4 * figure.get_figwidth() - 22.0 - 13.0 * len(panels)) / columns.sum()  # without bar and labels
    heights = mm * np.where(thin, columns / _STRIP, up)
    figure.set_figheight((min(max(float(heights.max()), 30.0), 90.0) + 20.0) / 25.4)
    far = np.abs(extent).min(axis=1) > 100.0 * lengths.max()
    origin = np.where(far, extent.mean(axis=1), 0.0)
    factor, unit = _length_unit(float(np.abs(extent - origin[:, None]).max()))
    names = [f"${name}{f' - {name}_0' if is_far else ''}$ ({unit})" for name, is_far in zip(_NAMES, far, strict=True)]
    subplots = figure.subplots(1, len(panels), squeeze=False, width_ratios=columns)[0]
    for axes, panel, is_thin, height in zip(subplots, panels, thin, heights, strict=True):
        _draw_panel(axes, panel, extent, origin, factor, scale)
        axes.set(aspect="auto" if is_thin else "equal", title=panel.title)
        axes.set_box_aspect(1.0 / _STRIP if is_thin else None)
        axes.set(xlabel=names[panel.sides[0]], ylabel=names[panel.sides[1]])
        for axis, room in ((axes.xaxis, 40.0), (axes.yaxis, height)):
            low, high = axis.get_view_interval()
            places = MaxNLocator(min(max(int(room / 6.0), 1), 4), steps=[1, 2, 5, 10]).tick_values(low, high)
            ticks = [place for place in places if low <= place <= high]
            axis.set_ticks(ticks if room > 7.0 else ticks[-1:])  # mm
    bar = figure.colorbar(ScalarMappable(scale.norm, scale.colours), ax=list(subplots), label=label, ticks=scale.ticks)
    bar.ax.set_yticklabels(scale.labels)
    bar.ax.minorticks_off()
    starts = [f"{_NAMES[axis]}0 = {_axes.quantity(float(origin[axis]), 'm', 9)}" for axis in np.flatnonzero(far)]
    told = f" Lengths are from {', '.join(starts)}." if starts else ""
    return f"{told} Thin views are widened." if thin.any() else told


def _draw_panel(axes: Axes, panel: _Panel, extent: FloatArray, origin: FloatArray, factor: float, scale: Scale) -> None:
    """Draw a map or points. Lengths are in m; those of the axes are from the origin, in multiples of the factor."""
    sides, values = list(panel.sides), scale.of(panel.values)
    style: dict[str, Any] = {"norm": scale.norm, "cmap": scale.colours}
    left, right, bottom, top = ((extent - origin[:, None])[sides] / factor).ravel().tolist()
    if panel.points is None:
        axes.imshow(values.T, extent=(left, right, bottom, top), origin="lower", **style)
        return
    x, y = ((panel.points - origin)[:, sides] / factor).T
    # edges, as the middle of a map of colours may be white
    axes.scatter(x, y, panel.areas, values, linewidths=0.15, edgecolors="0.3", rasterized=len(x) > 500, **style)
    axes.set(xlim=(left, right), ylim=(bottom, top))


def _length_unit(largest: float) -> tuple[float, str]:
    """Return the factor (m) and the name of the unit of an axis."""
    factor, letter = prefix(largest)
    if factor <= largest * (1.0 + 1e-9) and largest < 1000.0 * factor:
        return factor, f"{letter}m"
    factor = 10.0 ** math.floor(math.log10(largest))  # beyond all prefixes
    return factor, f"{power(factor, plain=False)} m"


def _told(fields: Fields, scalar: Scalar) -> tuple[str, str]:
    """Return what the figure says above its axes, and what its caption says first."""
    drawn, written = material_of(fields.parameters)
    lattice, block = fields.lattice, scalar.largest
    if lattice is None:
        blocks = f"{len(fields.positions)} block{'s' * (len(fields.positions) > 1)}"
    else:
        form = "cubes" if lattice.averaged else "points"
        blocks = f"{' × '.join(map(str, lattice.shape))} blocks, {form} {_axes.quantity(lattice.spacing, 'm')} apart"
    sentences = [f"{scalar.words[0].upper()}{scalar.words[1:]} at {blocks}{f', in {written}' if drawn else ''}."]
    if (boundary := fields.inputs.get("boundary")) in {"open", "periodic"}:
        sentences.append(f"The boundary is {boundary}.")
        own = "has its own field" if fields.inputs.get("self_field") else "has no field of its own here"
        sentences.append(f"Each block {own}.")
    number = f"{power(float(scalar.values[block]), 3)} {scalar.unit}".rstrip()
    place = ", ".join(_axes.quantity(float(x), "m", 4) for x in fields.positions[block])
    sentences.append(f"The largest magnitude of all blocks is that of {number} at ({place}).")
    return ", ".join(part for part in (drawn, blocks) if part), " ".join(sentences)
