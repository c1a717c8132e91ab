"""The figure of what is left of the interaction on average: its second order, by the number of blocks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mbfast.plotting._axes import log_axis
from mbfast.plotting.style import COLOURS, LINES, MARKERS, finish, new_axes, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGER = {
    "chains": [(2**n, 1, 1) for n in range(1, 13)],
    "sheets": [(n, n, 1) for n in (2, 3, 4, 6, 8, 16, 32, 64)],
    "cubes": [(n, n, n) for n in (2, 3, 4, 6, 8, 12, 16)],
}


@styled()
def second_order_figure() -> Figure:
    """Draw what is left of the interaction on average, its second order, by the number of blocks, beside ln N0.

    Returns
    -------
    matplotlib.figure.Figure
        From the numbers that the audit has recorded for (3.8), of chains, sheets and cubes.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from mbfast.plotting import second_order_figure
    >>> figure = second_order_figure()  # doctest: +SKIP
    """
    from mbfast.audit import _superblock as measured  # noqa: PLC0415
    from mbfast.audit._common import SILICA  # noqa: PLC0415

    figure, axes = new_axes(84.0)
    rows = [row for kind in measured.RECORDED.values() for row in kind]
    sums, shares, errors = np.array([(measured.sixth(row.shape), -row.share, row.error) for row in rows]).T
    factor = float(np.sum(shares * sums / errors**2) / np.sum((sums / errors) ** 2))
    for number, (kind, found) in enumerate(measured.RECORDED.items()):
        n = [math.prod(row.shape) for row in found]
        values, bars = [-row.share for row in found], [row.error for row in found]
        colour, label = COLOURS[1 + number], f"{kind}: pairs and triples"
        axes.errorbar(n, values, bars, fmt=MARKERS[number], color=colour, label=label)
        pairs = [factor * measured.sixth(shape) for shape in _LONGER[kind]]
        label = rf"{kind}: {factor:.2f} $\Sigma(L/x)^6$"
        line = LINES[(0, 2, 3)[number]]
        axes.plot([math.prod(shape) for shape in _LONGER[kind]], pairs, linestyle=line, color=colour, label=label)
    first, sides = measured.RECORDED["cubes"][0], np.linspace(1.0, 16.0, 400)
    steps = -first.share * np.log(sides) / math.log(2.0)
    axes.plot(sides**3, steps, linestyle=LINES[1], color=COLOURS[0], label=r"cubes: $\propto\ln N_0$")
    axes.set(xlim=(1.7, 4500.0), ylim=(0.0, 4.5))
    log_axis(axes.xaxis)
    axes.set(xlabel="blocks of the super block", ylabel=r"absorption lost, $-\delta\dot E/(\dot E^{(1)}u^2)$")
    members = ", ".join(f"{row.members} of {'x'.join(map(str, row.shape))}" for row in rows)
    caption = f"""What the second order of the interaction takes away of the mean absorption Ė(1) of super blocks, in
        units of u² with u = t²/(8πρc_t²L³E), by their number of blocks: two-level blocks of one splitting E and size
        t of stress in {SILICA.name}, of random signs and directions, at k_BT = E/2, at frequencies E/2ħ above the
        real axis. Points: from all pairs and triples of blocks, means over random super blocks ({members}) with
        standard errors. Lines: what pairs alone would make of it, {factor:.2f} times the sum of (L/x)⁶ per block,
        for chains, sheets and cubes; the factor is fitted to all points. Dashed: ln N0, through the cube of N0 = 2.
        No cutoff ω_c enters."""
    conditions = rf"{SILICA.name}, two-level blocks of one splitting $E$, $k_BT = E/2$"
    finish(figure, caption, conditions=conditions, columns=2)
    return figure
