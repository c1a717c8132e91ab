"""Figures. Needs matplotlib, of the extra ``plot``; nothing here touches pyplot or its global state."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from mbfast import units
from mbfast._core.validate import positive_number
from mbfast.cutoffs import cutoff_length
from mbfast.glasses import Glass
from mbfast.meissner_berret import fit_through_origin, meissner_berret_ratio
from mbfast.pairs.averages import lattice_sum, phase_sum
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.flow import Flow
from mbfast.renormalization.rates import absorption_rates
from mbfast.renormalization.ratio import RatioForm, self_consistent_ratio
from mbfast.spectra.spectrum import Spectrum
from mbfast.superblock.remainders import Orders

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")


def figure_class() -> type[Figure]:
    """Return matplotlib's class of figures, or raise an ImportError that says what to install."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise ImportError("figures need matplotlib: pip install 'mbfast[plot]'") from None
    return Figure


def _new(width: float = 7.0, height: float = 5.0) -> tuple[Figure, Axes]:
    figure = figure_class()(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _members(name: str, values: Iterable[T], kind: type[T]) -> tuple[T, ...]:
    found = tuple(values) if isinstance(values, Iterable) else ()
    if not found or not all(isinstance(value, kind) for value in found):
        raise TypeError(f"{name} must be at least one {kind.__name__}, in a sequence, got {values!r}")
    return found


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
    TypeError
        If `glasses` is not a sequence of at least one Glass.
    ValueError
        If `exclude` has a name that none of the glasses has.
    """
    glasses = _members("glasses", glasses, Glass)
    names = [glass.name for glass in glasses]
    if not isinstance(exclude, Collection) or isinstance(exclude, str) or any(name not in names for name in exclude):
        raise ValueError(f"exclude must consist of names of the glasses, {', '.join(names)}, got {exclude!r}")
    x = np.asarray(meissner_berret_ratio(gamma_l=[g.gamma_l for g in glasses], gamma_t=[g.gamma_t for g in glasses]))
    y = np.asarray(meissner_berret_ratio(c_l=[g.c_l for g in glasses], c_t=[g.c_t for g in glasses]))
    kept = np.array([g.name not in exclude for g in glasses])
    line = np.array([min(x.min(), y.min()) - 0.05, max(x.max(), y.max()) + 0.05])
    figure, axes = _new(height=5.6)
    axes.plot(line, line, "--", color="0.5", label="theory: y = x")
    fits = [(np.ones_like(kept), "C0", "-"), *([] if kept.all() else [(kept, "C3", "-.")])]
    for chosen, colour, style in fits:
        if chosen.sum() >= 2 and np.ptp(x[chosen]) and np.ptp(y[chosen]):  # else there is no line to fit
            fit = fit_through_origin(x[chosen], y[chosen])
            label = f"{chosen.sum()} glasses: y = {fit.slope:.3f} x, r = {fit.pearson_r:.3f}"
            axes.plot(line, fit.slope * line, style, color=colour, label=label)
    axes.plot(x[kept], y[kept], "o", color="k", markersize=5)
    axes.plot(x[~kept], y[~kept], "o", color="k", markersize=5, fillstyle="none")
    for glass, point in zip(glasses, zip(x, y, strict=True), strict=True):
        axes.annotate(glass.name, point, xytext=(5, -3), textcoords="offset points", fontsize=8)
    axes.set(xlim=line, ylim=line, xlabel=r"experiment: $\gamma_l/\gamma_t$", ylabel=r"theory: $c_l/c_t$")
    axes.legend(loc="lower right", fontsize=9)
    return figure


def self_consistent_figure(glasses: Sequence[Glass]) -> Figure:
    """Draw the solutions of (4.5) as functions of c_l/c_t, and what the glasses have.

    Parameters
    ----------
    glasses : sequence of Glass
        The points: gamma_l/gamma_t at c_l/c_t.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError, TypeError
        As `meissner_berret_figure` does.
    """
    glasses = _members("glasses", glasses, Glass)
    figure, axes = _new()
    c = np.linspace(1.2, 2.15, 200)
    curves: tuple[tuple[RatioForm, str, str], ...] = (
        ("printed", "--", "(3.7) as printed: $c_l/c_t$"),
        ("phase-sum", ":", "(3.7) with its sum over blocks"),
        ("derived", "-", "with the stresses that strains induce"),
    )
    for form, style, label in curves:
        axes.plot(c, np.asarray(self_consistent_ratio(c, 1.0, form=form)), style, label=label)
    above: list[tuple[float, float]] = []  # points with labels above them; one that is near has it below
    for x, y, name in sorted((glass.c_l / glass.c_t, glass.gamma_l / glass.gamma_t, glass.name) for glass in glasses):
        low = any(x - other_x < 0.08 and abs(y - other_y) < 0.1 for other_x, other_y in above)
        above += [] if low else [(x, y)]
        axes.plot(x, y, "ko", markersize=4)
        axes.annotate(name, (x, y), xytext=(4, -9 if low else 3), textcoords="offset points", fontsize=7)
    axes.set(ylim=(0.4, 3.0), xlabel=r"$c_l/c_t$", ylabel=r"$\gamma_l/\gamma_t$")
    axes.legend(fontsize=9)
    return figure


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
        If one of `sides` is below 1.
    """
    sides = _members("sides", sides, int)
    if min(sides) < 1:
        raise ValueError(f"sides must be at least 1, got {min(sides)}")
    figure, axes = _new()
    silica = StressInteraction(2200.0, 5800.0, 3800.0)
    cubes = [BlockLattice((n, n, n), 1e-9) for n in sides]
    axes.plot(sides, np.log(sides), "k--", label=r"$\ln N_0$, as printed")
    axes.plot(sides, [lattice_sum(cube, 6) for cube in cubes], "o-", label=r"(3.5): $\sum (L/x)^6$")
    for polarization, marker in (("longitudinal", "s"), ("transverse", "^")):
        for length, waves, style in (("long", 1e-3, "-"), ("one", 1.0, ":")):
            sums = []
            for n, cube in zip(sides, cubes, strict=True):
                k = [0, 0, 2 * np.pi * waves / (n * cube.spacing)]
                sums.append(phase_sum(silica, cube, k, polarization) * cube.spacing**3 / silica.prefactor)
            axes.plot(sides, sums, marker + style, label=f"(3.7): {polarization}, {length} wave along [001]")
    axes.set(xscale="log", xlabel=r"$N_0$", ylabel="sum per block", ylim=(-4.0, 13.0))
    axes.legend(fontsize=8, loc="upper left")
    return figure


def flow_figures(run: Flow, *, at: float = 1e7) -> dict[str, Figure]:
    """Draw one flow: spectra by scale, the ratio by scale, and the shares of the terms by scale.

    Parameters
    ----------
    run : Flow
        Without leading axes, and with every scale kept.
    at : float
        Frequency (rad/s) of the shares; the nearest node is taken.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        "spectra", "ratio", "shares".

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `run` is not a Flow, or `at` no number.
    ValueError
        If `run` has leading axes, so that it is not one flow, or `at` is not from 1e-35 to 1e35.
    """
    if not isinstance(run, Flow):
        raise TypeError(f"run must be a Flow, got {run!r}")
    if run.scales.ndim != 1:
        raise ValueError(f"run must be one flow, got some of shape {run.scales.shape[:-1]}")
    at = positive_number("at", at, unit="rad/s")
    figures: dict[str, Figure] = {}
    shades = np.linspace(0.85, 0.0, run.scales.size)
    figures["spectra"], axes = _new()
    for samples, name, colour in ((run.longitudinal, "l", 0), (run.transverse, "t", 2)):
        for values, shade, scale in zip(samples, shades, run.scales, strict=True):
            rgb = [shade] * 3
            rgb[colour] = max(shade, 0.6)
            label = f"{name}, L = {scale:.2g} m" if scale in (run.scales[0], run.scales[-1]) else None
            axes.plot(run.omega, -values, color=rgb, label=label)
    axes.set(xscale="log", yscale=_logarithmic(axes))
    axes.set(xlabel=r"$\omega$ (rad/s)", ylabel=r"$-\mathrm{Im}\,\tilde\chi$ (Pa)")
    axes.legend(fontsize=9)
    figures["ratio"], axes = _new()
    for number in np.linspace(0, run.omega.size - 1, 6).astype(int)[:-1]:
        axes.plot(run.scales, run.ratio[:, number], ".-", label=f"{run.omega[number]:.1e} rad/s")
    axes.set(xscale="log", xlabel="L (m)", ylabel=r"$\sqrt{\mathrm{Im}\,\tilde\chi_l/\mathrm{Im}\,\tilde\chi_t}$")
    low, high = axes.get_ylim()
    if high - low < 0.01 * high:  # a ratio that does not change is not drawn as if it did
        axes.set_ylim(0.99 * low, 1.01 * high)
    axes.legend(fontsize=9)
    figures["shares"], axes = _new()
    node = int(np.argmin(np.abs(np.log(run.omega / at))))
    for label, term in zip(("(3.5)", "(3.6)", "(3.7)"), run.shares, strict=True):
        for values, style, name in zip(term, ("-", "--"), "lt", strict=True):
            axes.plot(run.scales[1:], np.abs(values[:, node]), style, marker=".", label=f"{label}, {name}")
    axes.set(xscale="log", yscale=_logarithmic(axes), title=f"of one step, at {run.omega[node]:.1e} rad/s")
    axes.set(xlabel="L after the step (m)", ylabel="share of absorption")
    axes.legend(fontsize=9)
    return figures


def _logarithmic(axes: Axes) -> str:
    """Return which scale its lines allow."""
    return "log" if any((np.asarray(line.get_ydata()) > 0.0).any() for line in axes.lines) else "linear"


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
    """
    omega, omega_c = positive_number("omega", omega, unit="rad/s"), positive_number("omega_c", omega_c, unit="rad/s")
    known = [glass for glass in _members("glasses", glasses, Glass) if glass.density is not None]
    if not known:
        raise ValueError("glasses must have one whose density is known, got none")
    figure, axes = _new()
    names = [glass.name for glass in known]
    estimates = np.array([cutoff_length(glass.modulus_t, omega, omega_c) for glass in known])
    axes.plot(names, estimates / units.ANGSTROM, "ks", label="(4.4)")
    nodes = np.geomspace(1e5, omega_c, 32)
    for kelvin, marker in ((0.0, "o"), (1.0, "^"), (1e4, "v")):
        lengths = []
        for glass in known:
            l, t = (np.full(32, -1e-3 * modulus) for modulus in (glass.modulus_l, glass.modulus_t))  # noqa: E741
            spectrum = Spectrum(nodes, l, t, kelvin)
            rates = absorption_rates(spectrum, StressInteraction.of(glass), 5e-9, 2.0, at=[omega])
            lengths.append(float(rates.cutoff_length.transverse[0]))
        axes.plot(names, np.array(lengths) / units.ANGSTROM, marker, label=f"(3.5) + (3.6) = (3.7), {kelvin:g} K")
    axes.axhline(1.7, linestyle=":", color="0.5", label="1.7 Å, as printed")
    axes.set(yscale="log", ylabel="$L_c$ (Å)", ylim=(2e-4, 2e2))
    axes.legend(fontsize=9, loc="upper center", ncols=2)
    return figure


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
    """
    if not isinstance(result, Orders):
        raise TypeError(f"result must be Orders, got {result!r:.80}")
    figures: dict[str, Figure] = {}
    kinds = (("single super blocks", result.errors), ("mean over the ensemble", result.mean_errors))
    largest, g = int(np.argmax(result.n_blocks)), result.couplings
    figures["errors"], both = _pair()
    for axes, (title, errors) in zip(both, kinds, strict=True):
        for order in (0, 1, 2):
            found = errors(order)
            for c, (name, marker) in enumerate(zip(result.components, "os", strict=False)):
                value, error = found.value[largest, :, c], found.error[largest, :, c]
                label = f"{_ORDERS[order]}, {name}"
                axes.errorbar(g, value, error, fmt=marker, color=f"C{order}", label=label, markersize=5, capsize=2,
                              fillstyle="none" if c else "full")  # fmt: skip
            guide = found.value[largest, 0, 0] * (g / g[0]) ** (order + 1)
            axes.plot(g, guide, ":", color=f"C{order}", label=f"slope {order + 1}")
        axes.set(title=title, xlabel="g, factor of the couplings", xscale="log", yscale=_logarithmic(axes))
    both[0].set_ylabel("error, relative to order 0 (r.m.s.)")
    handles = both[0].get_legend_handles_labels()
    figures["errors"].legend(*handles, loc="outside lower center", ncols=3, fontsize=8)
    figures["errors"].suptitle(f"What perturbation theory leaves of {result.names[largest]}, {_of(result)}")
    figures["blocks"], both = _pair()
    places = np.arange(result.n_blocks.size)
    for c, (name, marker) in enumerate(zip(result.components, "os", strict=False)):
        x = places + 0.1 * (c - 0.5 * (len(result.components) - 1))
        for order in (0, 1, 2):
            found = result.errors(order)
            both[0].errorbar(x, found.value[:, -1, c], found.error[:, -1, c], fmt=marker, color=f"C{order}",
                             label=f"{_ORDERS[order]}, {name}", capsize=2,
                             fillstyle="none" if c else "full")  # fmt: skip
        share = result.share("second")
        both[1].errorbar(x, share.value[:, c], share.error[:, c], fmt=marker, color=f"C{c}", label=name, capsize=2)
    both[0].set(title=f"errors of single super blocks at g = {g[-1]:g}", ylabel="error, relative to order 0 (r.m.s.)")
    both[0].set(yscale=_logarithmic(both[0]))
    both[1].axhline(0.0, color="0.5", linewidth=0.8)
    both[1].set(title="second order of the mean", ylabel="relative change of the absorption / g²")
    labels = [f"{name}\n{n}" for name, n in zip(result.names, result.n_blocks, strict=True)]
    for axes in both:
        axes.set_xticks(places, labels)
        axes.set(xlim=(-0.5, places.size - 0.5), xlabel="shape, number of blocks")
    both[1].legend(fontsize=8)
    handles = both[0].get_legend_handles_labels()
    figures["blocks"].legend(*handles, loc="outside lower left", ncols=2, fontsize=8)
    figures["blocks"].suptitle(f"How it grows with the number of blocks, {_of(result)}")
    return figures


_ORDERS = ("order 0", "orders 0, 1", "orders 0, 1, 2")


def _pair() -> tuple[Figure, tuple[Axes, Axes]]:
    figure = figure_class()(figsize=(10.0, 4.8), layout="constrained")
    return figure, (figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2))


def _of(result: Orders) -> str:
    return f"{result.exact.shape[1]} super blocks each, {result.temperature:g} K"


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
    """
    from mbfast.audit import _superblock  # noqa: PLC0415

    figure, axes = _new()
    rows = [row for kind in _superblock.RECORDED.values() for row in kind]
    sums, shares, errors = np.array([(_superblock.sixth(row.shape), -row.share, row.error) for row in rows]).T
    factor = np.sum(shares * sums / errors**2) / np.sum((sums / errors) ** 2)
    longer = {
        "chains": [(2**n, 1, 1) for n in range(1, 13)],
        "sheets": [(n, n, 1) for n in (2, 3, 4, 6, 8, 16, 32, 64)],
        "cubes": [(n, n, n) for n in (2, 3, 4, 6, 8, 12, 16)],
    }
    for number, (kind, found) in enumerate(_superblock.RECORDED.items()):
        n = [np.prod(row.shape) for row in found]
        axes.errorbar(
            n, [-row.share for row in found], [row.error for row in found], fmt="os^"[number], color=f"C{number}",
            capsize=2, label=f"{kind}: all pairs and triples of blocks",
        )  # fmt: skip
        pairs = [factor * _superblock.sixth(shape) for shape in longer[kind]]
        label = rf"as pairs alone: {factor:.2f} $\Sigma(L/x)^6$ per block" if number == 2 else None
        axes.plot([np.prod(shape) for shape in longer[kind]], pairs, "-", color=f"C{number}", linewidth=1, label=label)
    first, sides = _superblock.RECORDED["cubes"][0], np.linspace(1.0, 16.0, 400)
    label = r"as $\ln N_0$, the cube of $N_0 = 2$ given"
    axes.plot(sides**3, -first.share * np.log(sides) / np.log(2.0), "k--", linewidth=1, label=label)
    axes.set(
        xscale="log", xlabel="blocks of the super block", ylabel=r"absorption lost, $-\delta\dot E/\dot E^{(1)}u^2$"
    )
    axes.set(xlim=(1.7, 4500.0), ylim=(0.0, 4.5), title="Second order of the interaction in the mean absorption")
    axes.legend(fontsize=9, loc="upper left")
    return figure
