"""The figure of `mbfast.examples.kinetic_monte_carlo`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mbfast.examples import _kinetic_theory as theory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mbfast._core.validate import FloatArray

CAPTION = """Two-level systems of silica (8·10⁴⁴ per J and m³), simulated flip by flip. Left: heat released after a fall
    of temperature from 1 K to 0.1 K, with Δ₀/k from 10⁻⁸ K to 10⁻⁴ K. The line is the exact mean without interaction,
    whose slope is that of Zimmermann and Weber between its first bend and the longest relaxation time, beyond the
    panel; points are means of samples with and without interaction, and those of a glass with a hundred times as many
    two-level systems, divided by a hundred: there interactions open a gap. Middle: a hole burnt at 0.1 K around ε =
    0.5 K, by the share of spins that it has removed from their equilibrium; lines are the rectangle that was burnt,
    widened by a Lorentzian and refilled by relaxation. Right: the half width of this Lorentzian, measured as the median
    shift of splittings in all samples; the line is that of randomly placed 1/r³ sources. It grows with ln t, for flips
    come at rates whose logarithms are evenly distributed. Bars are standard errors over samples."""


def draw(heat: tuple[FloatArray, ...], holes: tuple[FloatArray, ...]) -> Figure:
    """Draw heat: times, exact, three simulations; holes: times, depths, medians, expected widths. Needs matplotlib."""
    from mbfast.plotting.style import WIDE, finish, new_figure, styled  # noqa: PLC0415

    with styled():
        figure = new_figure(WIDE, 78.0)
        left, middle, right = figure.subplots(1, 3)
        _draw_heat(left, *heat)
        times, depths, medians, half = holes
        _draw_hole(middle, times, depths, half)
        _draw_width(right, times, medians, half)
        finish(figure, CAPTION, conditions="silica, left: from 1 K to 0.1 K, middle and right: at 0.1 K", columns=2)
    return figure


def _points(axes: Axes, x: FloatArray, samples: FloatArray, look: int, label: str | None = None) -> None:
    """Draw means over samples (samples, x) with their errors."""
    from mbfast.plotting.style import COLOURS, MARKERS  # noqa: PLC0415

    error = samples.std(axis=0, ddof=1) / math.sqrt(len(samples))
    axes.errorbar(
        x, samples.mean(axis=0), error, fmt=MARKERS[look], color=COLOURS[1 + look], markersize=2.5, lw=0.8, label=label
    )


def _draw_heat(
    axes: Axes, times: FloatArray, exact: FloatArray, free: FloatArray, silica: FloatArray, dense: FloatArray
) -> None:
    axes.semilogx(times, exact, "k-", label="exact without interaction")
    _points(axes, times, free, 0, label="simulated without interaction")
    _points(axes, times, silica, 1, label="with that of silica")
    _points(axes, times, dense, 2, label="at a hundredfold density")
    axes.set(xlabel="$t$ (s)", ylabel="released heat (J/m³)", ylim=(0.0, None), xticks=[1e0, 1e2, 1e4, 1e6])
    axes.minorticks_off()


def _draw_hole(axes: Axes, times: FloatArray, depths: FloatArray, half: FloatArray) -> None:
    from mbfast.plotting.style import COLOURS, LINES  # noqa: PLC0415

    band = theory.HALF * theory.BAND
    fine = np.linspace(-band, band, 400)
    centres = band * (np.arange(0.5, depths.shape[2]) / depths.shape[2] * 2.0 - 1.0)
    for look, k in enumerate((1, 3, 6)):
        line = theory.hole(fine, half[k]) * theory.left_over(times[k : k + 1])
        axes.plot(
            theory.TO_MHZ * fine, line, ls=LINES[look], color=COLOURS[4 + look], label=f"hole after {times[k]:.2g} s"
        )
        _points(axes, theory.TO_MHZ * centres, depths[:, k], 3 + look)
    axes.set(xlabel="$(\\varepsilon-\\varepsilon_0)/h$ (MHz)", ylabel="depth of the hole", ylim=(-0.05, 0.7))


def _draw_width(axes: Axes, times: FloatArray, medians: FloatArray, half: FloatArray) -> None:
    axes.semilogx(times, theory.TO_MHZ * half, "k-")
    _points(axes, times, theory.TO_MHZ * medians, 1)
    axes.set(xlabel="$t$ (s)", ylabel="half width (MHz)", ylim=(0.0, 25.0), xticks=[1e-2, 1e-1, 1e0])
    axes.minorticks_off()
