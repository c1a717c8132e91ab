"""Figures. Needs matplotlib, of the extra ``plot``; nothing here touches pyplot or its global state."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mbfast.glasses import Glass
from mbfast.meissner_berret import fit_through_origin, meissner_berret_ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def meissner_berret_figure(glasses: Sequence[Glass], *, exclude: Collection[str] = ()) -> Figure:
    """Draw figure 1: c_l/c_t against gamma_l/gamma_t, with y = x and the least-squares lines through the origin.

    Parameters
    ----------
    glasses : sequence of Glass
        The points; a fit is drawn where there are at least two that differ.
    exclude : collection of str
        Names left out of a second fit (open symbols); empty for no second fit.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise ImportError("figures need matplotlib: pip install 'mbfast[plot]'") from None

    x = np.asarray(meissner_berret_ratio(gamma_l=[g.gamma_l for g in glasses], gamma_t=[g.gamma_t for g in glasses]))
    y = np.asarray(meissner_berret_ratio(c_l=[g.c_l for g in glasses], c_t=[g.c_t for g in glasses]))
    kept = np.array([g.name not in exclude for g in glasses])
    low, high = min(x.min(), y.min()) - 0.05, max(x.max(), y.max()) + 0.05
    line = np.array([low, high])

    figure = Figure(figsize=(7, 5.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(line, line, "--", color="0.5", label="theory: y = x")
    fits = [(np.ones_like(kept), "C0", "-")]
    if not kept.all():
        fits.append((kept, "C3", "-."))
    for chosen, colour, style in fits:
        if chosen.sum() < 2 or not (np.ptp(x[chosen]) and np.ptp(y[chosen])):
            continue  # no line to fit
        fit = fit_through_origin(x[chosen], y[chosen])
        label = f"{chosen.sum()} glasses: y = {fit.slope:.3f} x, r = {fit.pearson_r:.3f}"
        axes.plot(line, fit.slope * line, style, color=colour, label=label)
    axes.plot(x[kept], y[kept], "o", color="k", markersize=5)
    axes.plot(x[~kept], y[~kept], "o", color="k", markersize=5, fillstyle="none")
    for glass, at_x, at_y in zip(glasses, x, y, strict=True):
        axes.annotate(glass.name, (at_x, at_y), xytext=(5, -3), textcoords="offset points", fontsize=8)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel=r"experiment: $\gamma_l/\gamma_t$", ylabel=r"theory: $c_l/c_t$")
    axes.legend(loc="lower right", fontsize=9)
    return figure
