"""Figures of what the terms of a step are made of: sums over blocks, and the lengths where the terms are equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mbfast import units
from mbfast._core.validate import positive_number
from mbfast.cutoffs import cutoff_length
from mbfast.glasses import Glass, load_glasses
from mbfast.pairs.averages import lattice_sum, phase_sum
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import StressInteraction
from mbfast.plotting._axes import log_axis, power
from mbfast.plotting._check import members, whole_numbers
from mbfast.plotting.style import COLOURS, LINES, finish, new_axes, styled
from mbfast.renormalization.rates import absorption_rates
from mbfast.spectra.spectrum import Spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 1 << 20  # blocks along a side of a cube that has no more of them than a lattice may have


@styled()
def lattice_sums_figure(sides: Sequence[int] = (2, 3, 4, 6, 8, 12, 16, 24, 32)) -> Figure:
    """Draw the sums behind (3.5) and (3.7) as functions of N0, beside ln N0.

    Parameters
    ----------
    sides : sequence of int
        N0.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `sides` is not a sequence of at least one whole number.
    ValueError
        If one of `sides` is below 1 or above 1,048,576.

    Examples
    --------
    >>> import mbfast
    >>> figure = mbfast.plotting.lattice_sums_figure(sides=(2, 3, 4))  # doctest: +SKIP
    """
    sides = whole_numbers("sides", sides)
    if not all(1 <= side <= _LONGEST for side in sides):
        raise ValueError(f"sides must be from 1 to {_LONGEST}, got {', '.join(map(str, sides)):.80}")
    figure, axes = new_axes(88.0)
    (silica,) = load_glasses(names=["a-SiO2"])
    interaction = StressInteraction.of(silica)
    cubes = [BlockLattice((n, n, n), 1e-9) for n in sides]
    axes.plot(sides, np.log(sides), LINES[1], color=COLOURS[0], label=r"$\ln N_0$, as printed")
    sixth = [lattice_sum(cube, 6) for cube in cubes]
    axes.plot(sides, sixth, "o-", color=COLOURS[1], label=r"(3.5): $\sum (L/x)^6$")
    for polarization, marker, colour in (("longitudinal", "s", 2), ("transverse", "^", 3)):
        for length, waves, style in ((r"k \to 0", 1e-3, LINES[0]), (r"k = 2\pi/N_0L", 1.0, LINES[3])):
            sums = []
            for n, cube in zip(sides, cubes, strict=True):
                k = [0, 0, 2 * np.pi * waves / (n * cube.spacing)]
                sums.append(phase_sum(interaction, cube, k, polarization) * cube.spacing**3 / interaction.prefactor)
            fill = "full" if waves < 1.0 else "none"
            label = f"(3.7), ${polarization[0]}$, ${length}$"
            axes.plot(sides, sums, marker=marker, linestyle=style, fillstyle=fill, color=COLOURS[colour], label=label)
    log_axis(axes.xaxis)
    axes.set(xlabel=r"$N_0$", ylabel="sum per block")
    caption = f"""Sums over the pairs of a super block of N0 × N0 × N0 blocks of side L at the centres of cubes, per
        block, beside ln N0, which (3.5) and (3.7) have as printed. (3.5): Σ (L/x)⁶, which tends to 8.402. (3.7): Σ
        Λ_ijkl e_ij e_kl cos(k·x) L³ in units of the prefactor of Λ, for waves along [001] in {silica.name} (α = 1 -
        c_t²/c_l² = {silica.alpha:.3f}), longitudinal (l) and transverse (t); full symbols: waves much longer than
        the super block, open ones: one wavelength along its side. None of them grows like ln N0. At small N0 the
        wave has few blocks (two where N0 = 2), so that its sum begins elsewhere. Lines join whole N0 and mean
        nothing between them. The sums depend neither on the temperature nor on ω_c."""
    conditions = rf"{silica.name}, $\alpha$ = {silica.alpha:.3f}, waves along [001]"
    finish(figure, caption, conditions=conditions, columns=2)
    return figure


@styled()
def cutoff_figure(glasses: Sequence[Glass], *, omega: float = 1e7, omega_c: float = 1e15) -> Figure:
    """Draw L_c of glasses whose density is known: by (4.4), and where (3.5) + (3.6) equal (3.7) at 0, 1 and 1e4 K.

    Parameters
    ----------
    glasses : sequence of Glass
        Those without a density are left out. Their Im chi~ is taken constant, 1e-3 rho c_a^2.
    omega, omega_c : float
        Frequency of the phonon, and up to which Im chi~ is constant (rad/s).

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError, TypeError
        As `meissner_berret_figure` does.
    ValueError
        If no density of `glasses` is known; if `omega` or `omega_c` is not positive, or as `cutoff_length` says.

    Examples
    --------
    >>> import mbfast
    >>> figure = mbfast.plotting.cutoff_figure(mbfast.load_glasses(names=["a-SiO2", "BK7"]))
    """
    omega, omega_c = positive_number("omega", omega, unit="rad/s"), positive_number("omega_c", omega_c, unit="rad/s")
    known = [glass for glass in members("glasses", glasses, Glass) if glass.density is not None]
    if not known:
        raise ValueError("glasses must have one whose density is known, got none")
    figure, axes = new_axes(42.0 + 5.0 * len(known))
    names = [glass.name for glass in known]
    estimates = np.array([cutoff_length(glass.modulus_t, omega, omega_c) for glass in known])
    axes.plot(estimates / units.ANGSTROM, names, "s", color=COLOURS[0], label="(4.4)")
    nodes = np.geomspace(1e5, omega_c, 32)
    for kelvin, marker, colour in ((0.0, "o", 1), (1.0, "^", 2), (1e4, "v", 3)):
        lengths = []
        for glass in known:
            l, t = (np.full(32, -1e-3 * modulus) for modulus in (glass.modulus_l, glass.modulus_t))  # noqa: E741
            spectrum = Spectrum(nodes, l, t, kelvin)
            rates = absorption_rates(spectrum, StressInteraction.of(glass), 5e-9, 2.0, at=[omega])
            lengths.append(float(rates.cutoff_length.transverse[0]))
        label = f"(3.5) + (3.6) = (3.7), {power(kelvin)} K"
        axes.plot(np.array(lengths) / units.ANGSTROM, names, marker, color=COLOURS[colour], label=label)
    for length, style, what in ((1.7, LINES[3], "1.7 Å, as printed"), (50.0, LINES[1], "50 Å, the smallest blocks")):
        axes.axvline(length, linestyle=style, color="0.5", label=what)
    log_axis(axes.xaxis)
    axes.invert_yaxis()
    axes.set(xlabel="$L_c$ (Å)")
    axes.tick_params("y", length=0.0)
    frequencies = f"ω = {power(omega)} rad/s, ω_c = {power(omega_c)} rad/s"
    caption = f"""The length L_c below which (3.5) and (3.6) are more than (3.7), of transverse phonons, in glasses
        whose density is known; {frequencies}, Im χ̃_a = -10⁻³ ρc_a², constant to ω_c. Squares: (4.4), an order of
        magnitude. Others: where the terms as printed are equal, for N0 = 2, at three temperatures: L_c³ grows with T
        as the integral of (3.5) does, ω + 2k_BT/ħ, and at most 2ω_c. Vertical lines: what is printed, and the
        smallest blocks."""
    drawn = rf"$\omega$ = {power(omega)}, $\omega_c$ = {power(omega_c)} rad/s, $-$Im $\tilde\chi_a$ = 10⁻³ $\rho c_a^2$"
    finish(figure, caption, conditions=drawn, columns=2)
    return figure
