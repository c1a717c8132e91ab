"""The figure of (3.7) in samples of blocks that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mbfast.plotting._axes import log_axis
from mbfast.plotting.style import COLOURS, LINES, MARKERS, finish, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled()
def disordered_figure() -> Figure:
    """Draw what (3.7) adds up to in samples of random blocks, to all orders, and its scatter over samples, by N0.

    The numbers are recorded ones of `mbfast.audit`, up to N0 = 128. Benchmarks make them again, those of up to 8 blocks
    along a side tests as well.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import mbfast
    >>> figure = mbfast.plotting.disordered_figure()  # doctest: +SKIP
    """
    from mbfast.audit._common import SILICA  # noqa: PLC0415
    from mbfast.audit._disordered import MEAN, RECORDED  # noqa: PLC0415

    figure = new_figure(height=112.0)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    sides = np.array([external.n0 for external, _, _ in RECORDED])
    upper.plot(sides, np.log(sides), LINES[1], color=COLOURS[0], label=r"$\ln N_0$, as printed")
    samples = (
        ("full", "external", [external for external, _, _ in RECORDED]),
        ("none", "total", [total for _, _, total in RECORDED]),
    )
    for a, (name, line, marker) in enumerate((("l", LINES[0], MARKERS[0]), ("t", LINES[2], MARKERS[1]))):
        derived = [first[a] for _, first, _ in RECORDED]
        upper.plot(sides, derived, line, color=COLOURS[a + 1], label=f"${name}$, first order, as derived")
        for fill, strain, rows in samples:
            style: dict[str, Any] = {"marker": marker, "fillstyle": fill, "color": COLOURS[a + 1], "linestyle": "none"}
            upper.plot(sides, [row.mean[a] for row in rows], label=f"${name}$, per {strain} strain", **style)
            lower.plot(sides, [row.scatter[a] for row in rows], **style)
    guide = RECORDED[0][0].scatter[0] * (sides / sides[0]) ** -1.5
    lower.plot(sides, guide, LINES[3], color="0.5", label=r"$\propto N_0^{-3/2}$")
    upper.set(ylabel=r"$-\delta\chi_a\,\rho c_a^2/\chi_a^2$", ylim=(-1.0, 5.2))
    lower.set(xlabel="$N_0$", ylabel="standard deviation")
    log_axis(lower.xaxis)
    log_axis(lower.yaxis)
    counts = ", ".join(f"{row.samples} (N0 = {row.n0})" for row, _, _ in RECORDED)
    caption = f"""What (3.7) adds up to in samples of N0 × N0 × N0 cubes in {SILICA.name} that differ, to all orders of
        the random phases: the change of the effective χ_a by the interaction, in units of -χ_a²/ρc_a², for waves along
        [001] with one wavelength along the side, longitudinal (l) and transverse (t). Each block has χ_a =
        {MEAN.real:g} (1 + 0.3i) ρc_a² times a number of the exponential distribution of mean 1. Full symbols: open
        samples, per external strain; solid and dash-dotted lines: equal cubes to first order, (3.7) as derived. Open
        symbols: periodic samples, per total strain, that of the wave, where only the local field is left. Dashed: ln
        N0, as (3.7) is printed. Below: the standard deviation over samples, which falls as N0^(-3/2), as that of a mean
        over so many independent blocks does. Samples: {counts}. Temperature and cutoff enter through χ_a alone."""
    finish(figure, caption, conditions=rf"{SILICA.name}, $\alpha$ = {SILICA.alpha:.3f}, waves along [001]", columns=2)
    return figure
