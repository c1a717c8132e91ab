"""Figures of flows: spectra, the ratio and the shares of the terms, by scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mbfast._core.validate import FloatArray, positive_number
from mbfast.plotting._axes import axis_unit, log_axis, power, quantity
from mbfast.plotting._check import members
from mbfast.plotting._material import material_of
from mbfast.plotting.style import COLOURS, LINES, MARKERS, finish, new_axes, styled, tinted
from mbfast.renormalization.flow import Flow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 7  # scales in the figure of spectra


@styled()
def flow_figures(run: Flow, *, at: float = 1e7, others: Sequence[Flow] = ()) -> dict[str, Figure]:
    """Draw one flow: spectra by scale, the ratio by scale, and the shares of the terms by scale.

    Parameters
    ----------
    run : Flow
        Without leading axes, and with every scale kept; made by `flow`, or loaded.
    at : float
        Frequency (rad/s) of the shares; the nearest node is taken.
    others : sequence of Flow
        Flows likewise that start from other ratios: drawn beside `run` in the figure of the ratio.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        "spectra", "ratio" (over c_l/c_t), "shares".

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `run` is not a Flow, `others` no sequence of them, or `at` no number.
    ValueError
        If `run` or one of `others` has leading axes, so that it is not one flow, or does not say its material, which
        `flow` writes into its inputs; or if `at` is not from 1e-35 to 1e35.

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> spectrum = mbfast.Spectrum(np.geomspace(1e5, 1e15, 64), np.full(64, -7e7), np.full(64, -3e7))
    >>> run = mbfast.flow(spectrum, mbfast.StressInteraction(2200, 5800, 3800), stop=4e-8)
    >>> list(mbfast.plotting.flow_figures(run))
    ['spectra', 'ratio', 'shares']
    """
    if not isinstance(run, Flow):
        raise TypeError(f"run must be a Flow, got {run!r}")
    beside = members("others", others, Flow, least=0)
    for name, flow in (("run", run), *(("others", other) for other in beside)):
        if flow.scales.ndim != 1:
            raise ValueError(f"{name} must be one flow, got some of shape {flow.scales.shape[:-1]}")
        if not isinstance(flow.inputs.get("interaction"), dict):
            raise ValueError(f"{name} must say its material, inputs['interaction'], got {flow.inputs!r}")
    at = positive_number("at", at, unit="rad/s")
    return {"spectra": _spectra(run), "ratio": _ratio((run, *beside)), "shares": _shares(run, at)}


def _conditions(run: Flow) -> tuple[str, str]:
    """Return material, T, cutoff and form, for a figure and for its caption."""
    drawn, written = material_of(run.inputs["interaction"])
    ends = run.inputs.get("spectrum", {}).get("above") == "zero"
    last, kelvin = power(float(run.omega[-1])), power(float(run.temperature), 3)
    form = f"{run.inputs.get('form', 'printed')} form" + (", linear" if run.inputs.get("linear") else "")
    cutoff = rf"$\omega_c$ = {last} rad/s" if ends else rf"$\omega \leq$ {last} rad/s"
    drawn += f", $T$ = {kelvin} K, {cutoff}, {form}"
    cutoff = f"Im χ̃ ending at ω_c = {last} rad/s" if ends else f"nodes up to {last} rad/s"
    return drawn, f"{written} at T = {kelvin} K, {cutoff}, in the {form}"


def _ending(run: Flow) -> str:
    """Return a sentence on a flow that does not reach its last scale."""
    why = {"diverged": "there the block is no longer stable", "emission": "the next step would make Im χ̃ positive"}
    status = str(run.status)
    return f"The flow ends at {quantity(float(run.stopped_at), 'm')}: {why[status]}." if status in why else ""


def _spectra(run: Flow) -> Figure:
    figure, axes = new_axes(78.0)
    shown = np.unique(np.linspace(0, run.scales.size - 1, _SHOWN).round().astype(int))
    factor, pascal = axis_unit([run.longitudinal[shown], run.transverse[shown]], "Pa")
    per_second, hertz = axis_unit(run.omega, "rad/s")
    for samples, name, colour, style in (
        (run.longitudinal, "l", COLOURS[1], LINES[0]),
        (run.transverse, "t", COLOURS[2], LINES[1]),
    ):
        shades = np.linspace(1.0, 0.3, shown.size)[::-1]
        for number, shade in zip(shown, shades, strict=True):
            label = f"${name}$, $L$ = {quantity(run.scales[number], 'm')}" if number in (0, shown[-1]) else None
            y = -samples[number] / factor
            axes.plot(run.omega / per_second, y, style, color=tinted(colour, shade), label=label)
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
    axes.set(xlabel=rf"$\omega$ ({hertz})", ylabel=rf"$-\mathrm{{Im}}\,\tilde\chi$ ({pascal})")
    conditions, written = _conditions(run)
    between = [quantity(run.scales[number], "m") for number in shown[1:-1]]
    lines = f"; between them L = {', '.join(between)}" if between else ""
    kink = ""
    if run.inputs.get("spectrum", {}).get("above") == "zero" and run.transverse[0, -1]:
        kink = """At the last node, where Im χ̃ jumps to zero, Re χ̃ is infinite, and is taken from the node before: hence
            a kink at the end, below which Re χ̃ changes its sign, so that curves cross."""
    caption = f"""Absorption -Im χ̃_l (full lines) and -Im χ̃_t (dashed) of {written}, as it is renormalized from
        blocks of {quantity(run.scales[0], "m")} (the lightest) to {quantity(run.scales[-1], "m")} (the darkest){lines}.
        {kink} {_ending(run)}"""
    finish(figure, caption, conditions=conditions, columns=2)
    return figure


def _ratio(runs: Sequence[Flow]) -> Figure:
    figure, axes = new_axes(84.0)
    several = len(runs) > 1
    metres, length = axis_unit(np.concatenate([run.scales for run in runs]), "m")
    nodes = np.linspace(0, runs[0].omega.size - 1, 6).astype(int)[: -1 : 2 if several else 1]
    lines = [[_relative_ratio(run, runs[0].omega[node]) for node in nodes] for run in runs]
    order = sorted(range(len(runs)), key=lambda which: float(lines[which][0][0]))
    for colour, which in enumerate(order if several else ()):
        label = f"from {power(float(lines[which][0][0]), 3)} $c_l/c_t$"
        axes.plot([], [], color=COLOURS[1 + colour], marker=MARKERS[colour], markersize=2.5, label=label)
    for number, node in enumerate(nodes):
        for colour, which in enumerate(order):
            look = 1 + (colour if several else number)
            (line,) = axes.plot(
                runs[which].scales / metres, lines[which][number], color=COLOURS[look], linestyle=LINES[number]
            )
            line.set(marker=MARKERS[colour if several else number], markersize=2.5, markevery=3)
        shown = "0.3" if several else COLOURS[1 + number]
        axes.plot([], [], linestyle=LINES[number], color=shown, label=f"{power(float(runs[0].omega[node]))} rad/s")
    low, high = axes.get_ylim()
    if high - low < 0.02:  # a ratio that does not change is not drawn as if it did
        axes.set_ylim(low - 0.01, high + 0.01)
    log_axis(axes.xaxis)
    axes.set(xlabel=f"$L$ ({length})")
    axes.set_ylabel(r"$(\mathrm{Im}\,\tilde\chi_l/\mathrm{Im}\,\tilde\chi_t)^{1/2}\,/\,(c_l/c_t)$")
    conditions, written = _conditions(runs[0])
    leaving = ""
    if runs[0].inputs.get("form") == "printed":
        leaving = """A flow from there stays there at all frequencies; from either side a flow leaves it where Re χ̃ is
            negative, the faster the larger -Re χ̃ is."""
    caption = f"""The ratio sqrt(Im χ̃_l/Im χ̃_t) over c_l/c_t, by the scale L, of {written}, at the frequencies that
        the lines stand for, with a symbol at every third step. At 1 is c_l/c_t, the solution of (4.5) as printed.
        {leaving} {" ".join(map(_ending, runs))}"""
    finish(figure, caption, conditions=conditions, columns=2)
    return figure


def _node(run: Flow, omega: float) -> int:
    """Return which node is next to a frequency."""
    return int(np.argmin(np.abs(np.log(run.omega / omega))))


def _relative_ratio(run: Flow, omega: float) -> FloatArray:
    """Return the ratio over c_l/c_t at the node next to a frequency, by scale."""
    material = run.inputs["interaction"]
    return np.asarray(run.ratio[:, _node(run, omega)] * material["c_t"] / material["c_l"])


def _shares(run: Flow, at: float) -> Figure:
    figure, axes = new_axes(80.0)
    node = _node(run, at)
    metres, length = axis_unit(run.scales, "m")
    for number, (label, term) in enumerate(zip(("(3.5)", "(3.6)", "(3.7)"), run.shares, strict=True)):
        for values, name, style in zip(term, "lt", LINES[:2], strict=True):
            (line,) = axes.plot(run.scales[1:] / metres, np.abs(values[:, node]), style, color=COLOURS[1 + number])
            line.set(marker=MARKERS[number], label=f"{label}, ${name}$", markersize=3.0)
            # symbols at every other step, in turn, so that both can be seen where they are equal
            line.set(fillstyle="none" if name == "t" else "full", markevery=(name == "t" and len(values) > 1, 2))
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
    frequency = f"{power(float(run.omega[node]))} rad/s"
    axes.set(xlabel=f"$L$ after the step ({length})", ylabel=r"share of $-\mathrm{Im}\,\tilde\chi$")
    conditions, written = _conditions(run)
    factors = run.scales[1:] / run.scales[:-1]
    kink = "" if factors.size else "This flow has no step."
    if factors.size > 1 and factors[-1] < 0.999 * factors[0]:
        kink = f"""The last step is one by {factors[-1]:.2f} instead of {factors[0]:.2f}, as R is no power of N0 times
            L_1: hence the kink at the end."""
    caption = f"""What (3.5), (3.6) and (3.7) add in one step to -Im χ̃, as a share of it after the step
        (magnitudes), by the scale L that the step leads to; {written}, ω = {frequency}. Full symbols: longitudinal,
        open ones: transverse, in turn at every other step, so that both are seen where the lines coincide. (3.5) and
        (3.6) fall as L⁻³. {kink} {_ending(run)}"""
    finish(figure, caption, conditions=rf"{conditions}, $\omega$ = {frequency}", columns=3)
    return figure
