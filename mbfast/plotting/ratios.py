"""Figures of Meissner-Berret ratios: figure 1, and the solutions of (4.5)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mbfast._core.validate import FloatArray
from mbfast.glasses import Glass
from mbfast.meissner_berret import OriginFit, fit_through_origin, meissner_berret_ratio, rms_deviation
from mbfast.plotting._axes import name_points
from mbfast.plotting._check import members
from mbfast.plotting.style import COLOURS, LINES, WIDE, finish, new_axes, styled
from mbfast.renormalization.ratio import RatioForm, self_consistent_ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled()
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
        `save_figure` writes it and its caption, which has Pearson's r of the ratios as they are and, where the table
        prints them, as they are rounded there.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `glasses` is not a sequence of at least one Glass.
    ValueError
        If `exclude` has a name that none of the glasses has.

    Examples
    --------
    >>> import mbfast
    >>> figure = mbfast.plotting.meissner_berret_figure(mbfast.load_glasses(), exclude=["PMMA", "PS"])
    """
    glasses = members("glasses", glasses, Glass)
    names = [glass.name for glass in glasses]
    if not isinstance(exclude, Collection) or isinstance(exclude, str) or any(name not in names for name in exclude):
        raise ValueError(f"exclude must consist of names of the glasses, {', '.join(names)}, got {exclude!r}")
    x = np.asarray(meissner_berret_ratio(gamma_l=[g.gamma_l for g in glasses], gamma_t=[g.gamma_t for g in glasses]))
    y = np.asarray(meissner_berret_ratio(c_l=[g.c_l for g in glasses], c_t=[g.c_t for g in glasses]))
    rounded = [[float(cell or "nan") for cell in (g.printed.mb_exp, g.printed.mb_theo)] for g in glasses]
    kept = np.array([g.name not in exclude for g in glasses])
    line = np.array([min(x.min(), y.min()) - 0.05, max(x.max(), y.max()) + 0.05])
    figure, axes = new_axes(95.0)
    axes.plot(line, line, LINES[1], color="0.5", label="theory: $y = x$")
    said = []
    for chosen, colour, style, word in ((np.ones_like(kept), 1, 0, "Solid"), (kept, 2, 2, "Dash-dotted")):
        fit, of_rounded = _fit(chosen, x, y), _fit(chosen, *np.transpose(rounded))
        if fit is None or (colour == 2 and kept.all()):
            continue
        count, r = chosen.sum(), f"$r$ = {fit.pearson_r:.3f}"
        r += f" (rounded: {of_rounded.pearson_r:.3f})" if of_rounded else ""
        label = f"{count} glasses: $y$ = {fit.slope:.3f} $x$, {r}"
        axes.plot(line, fit.slope * line, LINES[style], color=COLOURS[colour], label=label)
        said += [f"{word}: the least-squares line through the origin of {count} glasses, of slope {fit.slope:.4f} ± "]
        said += [f"{fit.slope_stderr:.4f}; Pearson's r = {fit.pearson_r:.3f}"]
        said += [f", and {of_rounded.pearson_r:.3f} of the ratios as the table rounds them. " if of_rounded else ". "]
    axes.plot(x[kept], y[kept], "ko")
    axes.plot(x[~kept], y[~kept], "ko", fillstyle="none")
    axes.set(xlim=line, ylim=line, xlabel=r"experiment: $\gamma_l/\gamma_t$", ylabel=r"theory: $c_l/c_t$")
    axes.locator_params(nbins=8)
    out = f" Open circles: {', '.join(exclude)}, left out of the second line." if exclude else ""
    caption = f"""The Meissner-Berret ratio of {len(glasses)} glasses: c_l/c_t, which the theory predicts by (4.5),
        against γ_l/γ_t of the couplings as measured, neither rounded. Dashed: y = x. {"".join(said)}{out}"""
    finish(figure, caption)
    name_points(axes, x, y, names)
    return figure


def _fit(chosen: NDArray[np.bool_], x: FloatArray, y: FloatArray) -> OriginFit | None:
    """Return the line through the origin and the chosen points, if they are numbers and differ."""
    x, y = x[chosen], y[chosen]
    if x.size < 2 or not np.isfinite([x, y]).all() or not np.ptp(x) or not np.ptp(y):
        return None
    return fit_through_origin(x, y)


def _compared(c: FloatArray, measured: FloatArray) -> str:
    """Return the solutions beside what was measured, in words."""
    told = []
    for form, *_ in _SOLUTIONS:
        ratios = np.asarray(self_consistent_ratio(c, 1.0, form=form))
        fit = _fit(np.isfinite(ratios), measured, ratios)
        line = f"slope {fit.slope:.3f}, r = {fit.pearson_r:.3f}, " if fit else ""
        solved = np.isfinite(ratios).all()
        off = f"rms deviation {100 * rms_deviation(measured, ratios):.1f} %" if solved else "not all have a solution"
        told.append(f"{form}: {line}{off}")
    return "; ".join(told)


class _Solution(NamedTuple):
    """A curve of `self_consistent_figure`, and alpha of the pole where it ends."""

    form: RatioForm
    label: str
    pole: float | None = None


_SOLUTIONS = (
    _Solution("printed", "(3.7) as it is: $c_l/c_t$"),
    _Solution("phase-sum", "(3.7) with its sum over blocks", 5.0 / 6.0),
    _Solution("derived", "with the stresses that strains induce", 35.0 / 44.0),
    _Solution("total-strain", "the same, by the strain of the wave"),
)


@styled()
def self_consistent_figure(glasses: Sequence[Glass]) -> Figure:
    """Draw the solutions of (4.5) as functions of c_l/c_t, and what the glasses have.

    Parameters
    ----------
    glasses : sequence of Glass
        The points: gamma_l/gamma_t at c_l/c_t.

    Returns
    -------
    matplotlib.figure.Figure
        Poles are drawn as thin lines, and named in its caption.

    Raises
    ------
    ImportError, TypeError
        As `meissner_berret_figure` does.

    Examples
    --------
    >>> import mbfast
    >>> figure = mbfast.plotting.self_consistent_figure(mbfast.load_glasses(names=["a-SiO2", "BK7"]))
    """
    glasses = members("glasses", glasses, Glass)
    x, y = ([getattr(g, f"{of}_l") / getattr(g, f"{of}_t") for g in glasses] for of in ("c", "gamma"))
    low, high, top = min(1.15, *x), max(2.3, *x) + 0.02, max(2.6, 1.1 * max(y))
    figure, axes = new_axes(95.0, WIDE)
    c, poles = np.linspace(low, high, 400), []
    for number, (form, label, alpha) in enumerate(_SOLUTIONS):
        colour = COLOURS[1 + number]
        pole = np.inf if alpha is None else (1.0 - alpha) ** -0.5
        below = np.append(c[c < pole], [] if pole > high else pole * (1.0 - 1e-6))
        values = np.asarray(self_consistent_ratio(below, 1.0, form=form))
        axes.plot(below, values, LINES[(1, 3, 0, 2)[number]], color=colour, label=f"{form}: {label}")
        if pole < high:
            axes.axvline(pole, color=colour, linewidth=0.5)
            poles.append(f"of {form} at c_l/c_t = {pole:.3f}, the thin line")
        elif alpha is not None:
            poles.append(f"of {form} at {pole:.3f}, beyond the figure")
    axes.plot(x, y, "ko")
    axes.set(xlim=(low, high), ylim=(min(0.4, 0.9 * min(y)), top), xlabel=r"$c_l/c_t$", ylabel=r"$\gamma_l/\gamma_t$")
    caption = f"""The ratio sqrt(Im χ̃_l/Im χ̃_t) = γ_l/γ_t of a sample whose absorption is that of the interaction
        between its blocks, by (4.5), as a function of c_l/c_t, and what {len(glasses)} glasses have (points). It
        depends neither on the temperature nor on ω_c. Poles: {"; ".join(poles)}. There the denominator of y =
        v_l/v_t vanishes (`mbfast.self_consistent_ratio`), and above it no positive ratio solves the equation. Beside
        these glasses, by form: {_compared(np.array(x), np.array(y))}. A curve near the points does not show that a
        sample's absorption is that of the interaction, which is small beside what its blocks absorb by themselves."""
    finish(figure, caption)
    name_points(axes, x, y, [glass.name for glass in glasses])
    return figure
