"""Commands about the paper: its claims, the ratios of the glasses, the cutoff lengths."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from mbfast import units
from mbfast._core.archive import Content, check_writable, write_files
from mbfast._core.tiles import set_threads
from mbfast.cli.command import Threads, command
from mbfast.cli.output import Plain, echo, figure_files, one_figure, rendered, show
from mbfast.glasses import load_glasses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mbfast.audit import Record
    from mbfast.renormalization.ratio import RatioForm


_FIGURES: tuple[str, ...] = ("figure1", "self_consistent_ratio", "lattice_sums", "disordered", "cutoff_lengths")
_FIGURES += ("flow_spectra", "flow_ratio", "flow_shares", "second_order")
_EQUATION_HELP = "Only these: 3.5, A16, table, 'fig. 1', 'sec. V'."
_TABLE_HELP = "Table of glasses; without it the 13 of the paper."


@command
def reproduce(
    equation: Annotated[
        list[str] | None, typer.Argument(metavar="[EQUATION]...", help=_EQUATION_HELP, show_default=False)
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write the records.")] = None,
    figures: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the figures here.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Print the findings by part, in Markdown, alone.")] = False,
    threads: Threads = None,
    plain: Plain = False,
) -> None:
    """Recompute what the paper prints, claim by claim, and compare.

    A verdict is "reproduced" (equal to rounding errors), "rounding" (equal to the printed digits; to half a decade for
    an estimate like ~10) or "differs" (why is said below the table). A finding says what follows: the claim "stands",
    is a "slip" (of printing, rounding, arithmetic, a factor) that leaves the argument intact, or "does not follow" from
    the paper's own Hamiltonian or numbers. Its cause, which many claims can share, and the test that shows it are
    named below the table.

    Figures: figure1, the solutions of (4.5), the sums over blocks beside ln N0, (3.7) in samples of blocks that differ,
    L_c by material, flows of silica, and the second order of the interaction in super blocks; each as PNG, PDF and SVG,
    of the width of a journal's column, with its caption in NAME.caption.txt.

    Example: mbfast reproduce 3.5 4.4

    Example: mbfast reproduce --json claims.json --figures figures
    """
    from mbfast import audit  # noqa: PLC0415

    set_threads(threads)
    images = figure_files(figures, _FIGURES)
    check_writable(json_file, *images)
    records = audit.reproduce(equation or None)  # refuses what is no equation
    outputs: dict[Path, Content] = rendered(_audit_figures(audit.EXCLUDED), images) if images else {}
    found = list(records)
    if json_file is not None:
        text = json.dumps([record.as_dict() for record in found], indent=1, ensure_ascii=False)
        outputs[json_file] = f"{text}\n".encode()
    write_files(outputs)
    if summary:
        echo(audit.summary(found), outputs)
    else:
        headings = ("eq.", "quantity", "printed", "computed", "rel. diff.", "verdict", "finding")
        red = [number for number, record in enumerate(found) if record.verdict == "differs"]
        show(headings, _rows(found), _lines(found), keys=2, red=red, plain=plain, beside=outputs)


def _rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for record in records:
        printed = "" if record.printed is None else f"{record.printed.text} {record.unit}".rstrip()
        difference = "" if record.relative_difference is None else f"{record.relative_difference:+.1e}"
        cells = (record.equation, record.quantity, printed, f"{record.computed:.5g}", difference)
        rows.append((*cells, record.verdict, record.finding))
    return rows


def _lines(records: Sequence[Record]) -> list[str]:
    """Return the reasons of what differs, the remarks on what does not, and the counts."""
    lines = []
    for heading, wanted in (("What differs:", "differs"), ("Remarks:", "reproduced rounding")):
        noted = [record for record in records if record.verdict in wanted and record.note]
        if noted:
            lines.append(heading)
        for record in noted:
            shown = f" [{record.finding}: {record.cause.name}; {record.test}]" if record.cause else ""
            lines.append(f"  ({record.equation}) {record.quantity}: {record.note}{shown}")
    verdicts = Counter(record.verdict for record in records)
    findings = Counter(record.finding for record in records)
    causes = Counter(finding for finding, _ in {(record.finding, record.cause) for record in records if record.cause})
    counts = f"{verdicts['reproduced']} reproduced, {verdicts['rounding']} rounding, {verdicts['differs']} differs"
    slips = f"{findings['slip']} slips, of {causes['slip']} causes"
    others = f"{findings['does not follow']} do not follow, of {causes['does not follow']} causes"
    return [*lines, f"{len(records)} claims: {counts} ({slips}; {others})"]


@command
def ratio(
    csv: Annotated[Path | None, typer.Argument(metavar="[CSV]", help=_TABLE_HELP, show_default=False)] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Not in the fit; may be repeated.")] = None,
    form: Annotated[
        str, typer.Option(help="Of the solution of (4.5): printed (c_l/c_t), derived, total-strain, ...")
    ] = "printed",
    figure: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it (.png, .pdf, .svg).")] = None,
    plain: Plain = False,
) -> None:
    """Meissner-Berret ratios of a table of glasses: measured, predicted, and the fit through the origin.

    The prediction is c_l/c_t, or another solution of (4.5): see mbfast.self_consistent_ratio. The figure is that of
    c_l/c_t, or with another form that of all solutions; its caption goes beside it, into NAME.caption.txt.

    Example: mbfast ratio my_glasses.csv --exclude PMMA --figure ratios.svg

    Example: mbfast ratio --form total-strain
    """
    from mbfast.meissner_berret import fit_through_origin, meissner_berret_ratio, rms_deviation  # noqa: PLC0415
    from mbfast.renormalization.ratio import self_consistent_ratio  # noqa: PLC0415

    images = one_figure(figure, "ratios")
    check_writable(*images)
    glasses = load_glasses(csv)
    of: RatioForm = form  # type: ignore[assignment]  # which the next line checks
    ratios = np.asarray(self_consistent_ratio([g.c_l for g in glasses], [g.c_t for g in glasses], form=of))
    excluded = exclude or []
    for name in excluded:
        if name not in (glass.name for glass in glasses):
            raise ValueError(f"unknown glass {name!r} to exclude: there are {', '.join(g.name for g in glasses)}")
    rows, measured, predicted = [], [], []
    for glass, y in zip(glasses, ratios.tolist(), strict=True):
        x = float(meissner_berret_ratio(gamma_l=glass.gamma_l, gamma_t=glass.gamma_t))
        solved = math.isfinite(y)
        mark = "not in the fit" if glass.name in excluded else "" if solved else "no solution, not in the fit"
        cells = (f"{y:.3f}", f"{100 * (y / x - 1):+.1f} %") if solved else ("", "")
        rows.append((glass.name, f"{x:.3f}", *cells, mark))
        if not mark:
            measured.append(x)
            predicted.append(y)
    name, summary = "c_l/c_t" if form == "printed" else form, f"{len(measured)} glasses in the fit"
    if len(set(measured)) > 1 and len(set(predicted)) > 1:
        fit = fit_through_origin(measured, predicted)
        summary += f": {name} = ({fit.slope:.4f} ± {fit.slope_stderr:.4f}) γ_l/γ_t, r = {fit.pearson_r:.3f}"
        summary += f", rms of (theo-exp)/exp {100 * rms_deviation(measured, predicted):.1f} %"
    if images:
        from mbfast.plotting import meissner_berret_figure, self_consistent_figure  # noqa: PLC0415

        first = form == "printed"
        drawn = meissner_berret_figure(glasses, exclude=excluded) if first else self_consistent_figure(glasses)
        write_files(rendered({"ratios": drawn}, images))
    show(("glass", "γ_l/γ_t", name, "(theo-exp)/exp", "remark"), rows, [summary], plain=plain, beside=images)


@command
def cutoff(
    csv: Annotated[Path | None, typer.Option(metavar="CSV", help=_TABLE_HELP, show_default=False)] = None,
    glass: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this one; may be repeated.")] = None,
    modulus: Annotated[list[float] | None, typer.Option(metavar="PA", help="Moduli ρc² instead of glasses.")] = None,
    omega: Annotated[float, typer.Option(metavar="RAD/S", help="Angular frequency of the phonon.")] = 1e7,
    omega_c: Annotated[float, typer.Option(metavar="RAD/S", help="Cutoff of the susceptibility.")] = 1e15,
    plain: Plain = False,
) -> None:
    """Cutoff lengths L_c (4.4) of glasses, or of given moduli.

    Example: mbfast cutoff --glass BK7 --glass a-SiO2 --omega 1e9 --omega-c 1e14
    """
    from mbfast.cutoffs import cutoff_length  # noqa: PLC0415

    def angstroms(value: float) -> str:
        return f"{float(cutoff_length(value, omega, omega_c)) / units.ANGSTROM:.4g}"

    if modulus:
        if glass or csv:
            raise ValueError("--modulus replaces the table of glasses: give it without --glass and --csv")
        show(("ρc² (Pa)", "L_c (Å)"), [(f"{value:g}", angstroms(value)) for value in modulus], plain=plain)
        return
    angstroms(1.0)  # refuses bad frequencies even where no density is known
    rows = []
    for entry in load_glasses(csv, names=glass or None):
        if entry.density is None and not glass:
            rows.append((entry.name, "not known", "", ""))
        else:
            lengths = angstroms(entry.modulus_l), angstroms(entry.modulus_t)
            rows.append((entry.name, f"{entry.density:g}", *lengths))
    show(("glass", "ρ (kg/m³)", "L_c with ρc_l² (Å)", "L_c with ρc_t² (Å)"), rows, plain=plain)


def _audit_figures(excluded: Collection[str]) -> dict[str, Figure]:
    from mbfast import plotting  # noqa: PLC0415
    from mbfast.pairs.interactions import StressInteraction  # noqa: PLC0415
    from mbfast.renormalization.flow import flow as run  # noqa: PLC0415
    from mbfast.spectra.spectrum import Spectrum  # noqa: PLC0415

    glasses, (silica,) = load_glasses(), load_glasses(names=["a-SiO2"])
    omega = np.geomspace(1e5, 1e15, 256)
    of_t = np.full(256, -np.pi * 2.76e-4 * silica.modulus_t)  # the strength of section V, constant to omega_c
    runs = []
    for start in (1.0, 0.8, 1.2):
        of_l = (start * silica.c_l / silica.c_t) ** 2 * of_t
        runs.append(run(Spectrum(omega, of_l, of_t, 1.0), StressInteraction.of(silica)))
    flows = plotting.flow_figures(runs[0], others=runs[1:])
    return {
        "figure1": plotting.meissner_berret_figure(glasses, exclude=excluded),
        "self_consistent_ratio": plotting.self_consistent_figure(glasses),
        "lattice_sums": plotting.lattice_sums_figure(),
        "disordered": plotting.disordered_figure(),
        "cutoff_lengths": plotting.cutoff_figure(glasses),
        "second_order": plotting.second_order_figure(),
        **{f"flow_{name}": figure for name, figure in flows.items()},
    }
