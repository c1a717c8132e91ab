"""Figures of what perturbation theory leaves of exact super blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mbfast.plotting._axes import log_axis, power, ten_to
from mbfast.plotting._material import material_of
from mbfast.plotting.style import COLOURS, LINES, MARKERS, WIDE, finish, new_figure, styled
from mbfast.superblock.remainders import Orders

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ORDERS = ("order 0", "orders 0, 1", "orders 0, 1, 2")


@styled()
def orders_figures(result: Orders) -> dict[str, Figure]:
    """Draw what perturbation theory leaves: its errors by coupling, and by the number of blocks, with the second order.

    Parameters
    ----------
    result : Orders
        Of one ensemble or several. The errors by coupling are those of the one with the most blocks.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        "errors", "blocks".

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `result` is no Orders.

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> from mbfast.superblock import ensembles
    >>> from mbfast.superblock.orders import measure_orders
    >>> silica, pair = mbfast.StressInteraction(2200, 5800, 3800), mbfast.BlockLattice((2, 1, 1), 5e-9)
    >>> def drawn(rng):
    ...     return mbfast.SuperBlock(silica, pair, ensembles.gaussian_blocks(2, 3, 1e-24, 1e-20, rng=rng))
    >>> rng, options = np.random.default_rng(1), {"block_volume": 5e-9**3, "members": 10}
    >>> result = measure_orders({"pairs": drawn}, [1e10 + 1e10j], 0.1, rng=rng, **options)  # doctest: +SKIP
    >>> figures = mbfast.plotting.orders_figures(result)  # doctest: +SKIP
    """
    if not isinstance(result, Orders):
        raise TypeError(f"result must be Orders, got {result!r:.80}")
    return {"errors": _errors(result), "blocks": _blocks(result)}


def _errors(result: Orders) -> Figure:
    figure = new_figure(WIDE, 82.0)
    both = figure.subplots(1, 2, sharex=True)
    largest, g = int(np.argmax(result.n_blocks)), result.couplings
    kinds = (("single super blocks", result.errors), ("mean over the ensemble", result.mean_errors))
    for axes, (title, errors) in zip(both, kinds, strict=True):
        for order in (0, 1, 2):
            found = errors(order)
            for c, name in enumerate(result.components):
                label = f"{_ORDERS[order]}, {name}" if axes is both[0] else ""
                x = g * 1.04 ** (2 * c - 1)  # beside each other
                _points(axes, x, found.value[largest, :, c], found.error[largest, :, c], (order, c), label, "y")
            guide = found.value[largest, 0, 0] * (g / g[0]) ** (order + 1)
            label = "slopes 1, 2, 3" if axes is both[0] and order == 0 else ""
            axes.plot(g, guide, linestyle=LINES[3], linewidth=0.8, color=COLOURS[1 + order], label=label)
        axes.set(title=title, xlabel="$g$, factor of the couplings")
        log_axis(axes.xaxis)
        log_axis(axes.yaxis)
    both[0].set_ylabel("error, relative to order 0 (r.m.s.)")
    drawn, written = _conditions(result)
    caption = f"""What perturbation theory in the couplings leaves of the exact susceptibility of super blocks of
        {result.n_blocks[largest]} blocks ({result.names[largest]}), by the factor g of all couplings; {written}.
        Left: of single super blocks; right: of the mean over the ensemble. Points, side by side: root mean squares,
        with standard errors. Dotted: the powers g, g² and g³ through the first points. Where an error of the mean is
        no larger than its bar it is noise of the ensemble, and lines bend where orders that are left out are no
        longer small."""
    finish(figure, caption, conditions=f"{drawn}, {result.names[largest]}", columns=3)
    return figure


def _blocks(result: Orders) -> Figure:
    places = np.arange(result.n_blocks.size)
    figure = new_figure(WIDE, 45.0 + 9.0 * places.size)
    both = figure.subplots(1, 2, sharey=True)
    share = result.share("second")
    factor, ten = ten_to(share.value)
    for c, name in enumerate(result.components):
        for order in (0, 1, 2):
            found = result.errors(order)
            y = places + 0.1 * (order - 1) + 0.05 * (2 * c - 1)
            label = f"{_ORDERS[order]}, {name}"
            _points(both[0], found.value[:, -1, c], y, found.error[:, -1, c], (order, c), label, "x")
        y = places + 0.1 * (2 * c - 1)
        _points(both[1], share.value[:, c] / factor, y, share.error[:, c] / factor, (3, c), f"second, {name}", "x")
    both[1].axvline(0.0, color="0.5", linewidth=0.6)
    log_axis(both[0].xaxis)
    both[0].set(title=f"single super blocks at $g$ = {power(float(result.couplings[-1]))}")
    both[0].set(xlabel="error, relative to order 0 (r.m.s.)")
    both[1].set(title="second order of the mean", xlabel=f"relative change of the absorption$/g^2${ten}")
    both[1].locator_params(axis="x", nbins=6)
    labels = [f"{name}\n{n} blocks" for name, n in zip(result.names, result.n_blocks, strict=True)]
    both[0].set_yticks(places, labels)
    both[0].set(ylim=(places.size - 0.5, -0.5))
    for axes in both:
        axes.tick_params("y", length=0.0)
    drawn, written = _conditions(result)
    caption = f"""How what perturbation theory leaves depends on the number of blocks; {written}. Left: errors of
        single super blocks, root mean squares at the largest couplings, after order 0, orders 0 and 1, orders 0 to
        2. Right: what the second order in g changes of the mean absorption, relative to that of the blocks alone;
        negative where the coupling takes absorption away. Bars are standard errors over the ensemble."""
    finish(figure, caption, conditions=drawn, columns=3)
    return figure


def _points(
    axes: Axes, x: ArrayLike, y: ArrayLike, bar: ArrayLike, look: tuple[int, int], label: str, along: str
) -> None:
    """Draw points with bars along x or y: of one colour and marker by order, full or open by component."""
    order, component = look
    along_y, along_x = (None, bar) if along == "x" else (bar, None)
    axes.errorbar(
        x, y, along_y, along_x, fmt=MARKERS[order], color=COLOURS[1 + order], elinewidth=0.7, capthick=0.7,
        fillstyle="none" if component else "full", label=label,
    )  # fmt: skip


def _conditions(result: Orders) -> tuple[str, str]:
    """Return material, T and how many super blocks, for a figure and for its caption."""
    drawn, written = material_of(result.inputs.get("interaction"))
    kelvin, members = power(float(result.temperature), 3), result.exact.shape[1]
    real = result.omega.real
    low, high, above = (power(float(value)) for value in (real.min(), real.max(), result.omega.imag.min()))
    drawn = ", ".join(filter(None, [drawn, f"$T$ = {kelvin} K", f"{members} super blocks each"]))
    written = f"""{written} at T = {kelvin} K, {members} super blocks of each kind, frequencies from {low} to
        {high} rad/s, {above} rad/s above the real axis; no cutoff ω_c enters"""
    return drawn, written
