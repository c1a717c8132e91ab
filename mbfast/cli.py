"""The command ``mbfast``. Exit codes: 0 done, 2 bad usage or bad input (one line on stderr, nothing written)."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import io
import json
import math
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mbfast
from mbfast import units
from mbfast.glasses import load_glasses

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from mbfast.pairs.interactions import Interaction

P = ParamSpec("P")

app = typer.Typer(
    name="mbfast",
    help="Coupled blocks in glasses: the paper's numbers recomputed, Meissner-Berret ratios, cutoff lengths.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_FIGURES = (
    *("figure1", "self_consistent_ratio", "lattice_sums", "cutoff_lengths"),
    *("flow_spectra", "flow_ratio", "flow_shares"),
)
_TABLE_HELP = "Table of glasses; without it the 13 of the paper."


def _command(function: Callable[P, None]) -> Callable[P, None]:
    """Register a command whose bad input ends in one line on stderr and exit code 2."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            if isinstance(sys.stdout, io.TextIOWrapper):  # where γ cannot be written a ? is better than nothing
                sys.stdout.reconfigure(errors="replace")
            function(*args, **kwargs)
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:  # the reader of our output (head, less) has left
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
            message = str(error)
            if isinstance(error, OSError) and error.filename is not None:
                message = f"{error.filename}: {error.strerror}"
            typer.echo(f"mbfast {function.__name__}: {' '.join(message.split())}", err=True)
            raise typer.Exit(2) from None

    app.command()(run)
    return run


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(mbfast.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


@_command
def reproduce(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the records here.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the figures here, as PNG and SVG.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Print the findings by part, in Markdown, alone.")] = False,
) -> None:
    """Recompute what the paper prints, claim by claim, and compare.

    A verdict is "reproduced" (equal to rounding errors), "rounding" (equal to the printed digits; to half a decade for
    an estimate like ~10) or "differs" (why is said below the table). A finding says what follows: the claim "stands",
    is a "slip of printing" (rounding, arithmetic) that leaves the argument intact, or "does not follow" from the
    paper's own Hamiltonian or numbers; the test that shows it is named below the table.

    Figures: figure1, the solutions of (4.5), the sums over blocks beside ln N0, L_c by material, and a flow of silica.

    Example: mbfast reproduce --json claims.json --figures figures
    """
    from mbfast import audit  # noqa: PLC0415

    images = {}
    if figures is not None:
        images = {(name, kind): figures / f"{name}.{kind}" for name in _FIGURES for kind in ("png", "svg")}
    _check_writable(json_file, *images.values())
    outputs: dict[Path, bytes] = {}
    if images:
        drawn = _audit_figures(audit.EXCLUDED)
        outputs |= {file: _rendered(drawn[name], kind) for (name, kind), file in images.items()}
    records = list(audit.reproduce())
    if json_file is not None:
        text = json.dumps([record.as_dict() for record in records], indent=1, ensure_ascii=False)
        outputs[json_file] = f"{text}\n".encode()
    _write(outputs)
    if summary:
        _echo(audit.summary(records))
        return

    table = Table("eq.", "quantity")
    for heading in ("printed", "computed", "rel. diff.", "verdict", "finding"):
        table.add_column(heading, no_wrap=True)
    for record in records:
        table.add_row(
            record.equation,
            record.quantity,
            "" if record.printed is None else f"{record.printed.text} {record.unit}",
            f"{record.computed:.5g}",
            "" if record.relative_difference is None else f"{record.relative_difference:+.1e}",
            record.verdict,
            record.finding,
            style="red" if record.verdict == "differs" else None,
        )
    _print(table)
    for heading, wanted in (("What differs:", "differs"), ("Remarks:", "reproduced rounding")):
        _echo(heading)
        for record in records:
            if record.verdict in wanted and record.note:
                shown = f" [{record.finding}: {record.test}]" if record.verdict == "differs" else ""
                _echo(f"  ({record.equation}) {record.quantity}: {record.note}{shown}")
    verdicts, findings = (Counter(getattr(record, name) for record in records) for name in ("verdict", "finding"))
    counts = {verdict: f"{verdicts[verdict]} {verdict}" for verdict in audit.VERDICTS}
    counts["differs"] += f" ({findings['slip of printing']} slips of printing, "
    counts["differs"] += f"{findings['does not follow']} do not follow)"
    _echo(f"{len(records)} claims: " + ", ".join(counts.values()))


@_command
def ratio(
    csv: Annotated[Path | None, typer.Argument(metavar="[CSV]", help=_TABLE_HELP, show_default=False)] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Not in the fit; may be repeated.")] = None,
    figure: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it (.png, .svg, .pdf).")] = None,
) -> None:
    """Meissner-Berret ratios of a table of glasses: measured, predicted, and the fit through the origin.

    Example: mbfast ratio my_glasses.csv --exclude PMMA --figure ratios.svg
    """
    from mbfast.meissner_berret import fit_through_origin, meissner_berret_ratio  # noqa: PLC0415

    _check_writable(figure)
    if figure is not None and figure.suffix not in (".png", ".svg", ".pdf"):
        raise ValueError(f"{figure}: a figure is wanted as .png, .svg or .pdf")
    glasses = load_glasses(csv)
    excluded = exclude or []
    for name in excluded:
        if name not in (glass.name for glass in glasses):
            raise ValueError(f"unknown glass {name!r} to exclude: there are {', '.join(g.name for g in glasses)}")
    table = Table("glass", "γ_l/γ_t", "c_l/c_t", "(theo-exp)/exp", "")
    measured, predicted = [], []
    for glass in glasses:
        x = float(meissner_berret_ratio(gamma_l=glass.gamma_l, gamma_t=glass.gamma_t))
        y = float(meissner_berret_ratio(c_l=glass.c_l, c_t=glass.c_t))
        mark = "not in the fit" if glass.name in excluded else ""
        table.add_row(glass.name, f"{x:.3f}", f"{y:.3f}", f"{100 * (y / x - 1):+.1f} %", mark)
        if not mark:
            measured.append(x)
            predicted.append(y)
    summary = f"{len(measured)} glasses in the fit"
    if len(set(measured)) > 1 and len(set(predicted)) > 1:
        fit = fit_through_origin(measured, predicted)
        summary += f": c_l/c_t = ({fit.slope:.4f} ± {fit.slope_stderr:.4f}) γ_l/γ_t, r = {fit.pearson_r:.3f}"
    if figure is not None:
        from mbfast.plotting import meissner_berret_figure  # noqa: PLC0415

        image = meissner_berret_figure(glasses, exclude=excluded)
        _write({figure: _rendered(image, figure.suffix.removeprefix("."))})
    _print(table)
    _echo(summary)


@_command
def flow(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run.", show_default=False)],
) -> None:
    """Renormalize the spectra of a material from blocks to a sample (4.1), as a TOML file says.

    Writes the arrays (.npz: omega, scales, Im chi~ and the terms by scale) and, if wanted, the figures. Sections and
    keys are in the help of mbfast.files.flow.read_flow_config; the least is

    [material]
    glass = "a-SiO2"

    [spectrum]
    kind = "tunnelling"
    tunnelling_l = 3.1e-4
    tunnelling_t = 2.9e-4

    Example: mbfast flow silica.toml
    """
    from mbfast.files.flow import read_flow_config  # noqa: PLC0415

    wanted = read_flow_config(config)
    images = {}
    if wanted.figures is not None:
        names = ("spectra", "ratio", "shares")
        images = {(name, kind): wanted.figures / f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    _check_writable(wanted.data, *images.values())
    inputs = [config] + ([config.parent / name] if (name := wanted.values["spectrum"]["file"]) else [])
    if any(wanted.data.resolve() == file.resolve() for file in inputs):
        raise ValueError(f"{wanted.data}: output.data must not be a file that is read")
    result = wanted.run()
    arrays: dict[str, Any] = {
        "config": wanted.text,
        "form": wanted.values["flow"]["form"],
        "ratio": result.ratio,
        **{f"{name}_{p}": part for name, term in result.terms._asdict().items() for p, part in term._asdict().items()},
        **{f"error_{p}": part for p, part in result.error._asdict().items()},
    }
    for name in ("omega", "temperature", "scales", "longitudinal", "transverse", "status", "stopped_at"):
        arrays[name] = getattr(result, name)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    outputs = {wanted.data: buffer.getvalue()}
    if images:
        from mbfast.plotting import flow_figures  # noqa: PLC0415

        drawn = flow_figures(result)
        outputs |= {file: _rendered(drawn[name], kind) for (name, kind), file in images.items()}
    _write(outputs)
    shown = int(np.argmin(np.abs(np.log(result.omega / 1e7))))
    table = Table("L (m)", "Im χ̃_l (Pa)", "Im χ̃_t (Pa)", "sqrt(l/t)")
    rows = zip(result.scales, result.longitudinal, result.transverse, result.ratio, strict=True)
    for scale, of_l, of_t, ratio_of_both in rows:
        table.add_row(f"{scale:.3g}", f"{of_l[shown]:.5g}", f"{of_t[shown]:.5g}", f"{ratio_of_both[shown]:.5f}")
    _print(table)
    ending = {
        "done": "",
        "diverged": f"; it diverges: at {result.stopped_at:.3g} m the block is no longer stable",
        "emission": f"; it stops at {result.stopped_at:.3g} m: the next step would make Im χ̃ positive",
    }
    steps = result.scales.size - 1
    _echo(f"at {result.omega[shown]:.3g} rad/s, {steps} steps, written to {wanted.data}{ending[str(result.status)]}")


@_command
def pairsum(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Positions and moments.", show_default=False)],
    glass: Annotated[str | None, typer.Option(metavar="NAME", help="The medium of stress moments.")] = None,
    density: Annotated[float | None, typer.Option(metavar="KG/M3", help="Or: its mass density,")] = None,
    c_l: Annotated[float | None, typer.Option(metavar="M/S", help="its longitudinal sound velocity,")] = None,
    c_t: Annotated[float | None, typer.Option(metavar="M/S", help="and its transverse one.")] = None,
    form: Annotated[str | None, typer.Option(help="Of its tensor: corrected (default) or joffrin-levelut.")] = None,
    permittivity: Annotated[float | None, typer.Option(metavar="F/M", help="The medium of dipoles.")] = None,
    method: Annotated[str, typer.Option(help="auto, direct, fft or ewald.")] = "auto",
    boundary: Annotated[
        str | None, typer.Option(help="open or periodic; by default periodic if there is a cell.")
    ] = None,
    cell: Annotated[str | None, typer.Option(metavar="A,B,C", help="Periods (m), in place of the file's.")] = None,
    images: Annotated[int | None, typer.Option(help="Shells of images; direct and fft only.")] = None,
    image_shape: Annotated[str | None, typer.Option(help="cubic or spherical; direct and fft only.")] = None,
    macroscopic: Annotated[
        str | None, typer.Option(help="clamped, stress-free, tin-foil or vacuum; ewald only.")
    ] = None,
    rtol: Annotated[float | None, typer.Option(help="Relative error that is allowed.")] = None,
    threads: Annotated[int | None, typer.Option(help="By default as many as this process may use.")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="OUT.npz", help="By default FILE's stem and -fields.npz, in this folder.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Draw no progress bar.")] = False,
) -> None:
    """Fields and energies of blocks whose positions and moments are in a file: .npz, .npy, .csv or extended XYZ.

    What such a file consists of is in the help of mbfast.files.blocks.read_blocks. Moments of 3 numbers are dipoles,
    those of 6 or 9 are stress. Writes an .npz of field (in the layout of the moments), energies (T_s : h_s of each
    block), energy (their sum, J), positions, moments, and parameters (JSON; null is what was not given).

    Example: mbfast pairsum blocks.csv --glass a-SiO2 --method ewald --cell 1e-7,1e-7,1e-7
    """
    from mbfast.files.blocks import read_blocks  # noqa: PLC0415
    from mbfast.pairs.sums import pair_field  # noqa: PLC0415

    target = Path(f"{file.stem}-fields.npz") if output is None else output
    _check_writable(target)
    if target.resolve() == file.resolve():
        raise ValueError(f"{target}: the output would replace the input")
    data = read_blocks(file)
    medium = {"glass": glass, "density": density, "c_l": c_l, "c_t": c_t, "form": form, "permittivity": permittivity}
    interaction, material = _medium(f"{file}: moments of {data.columns} numbers", data.columns, medium)
    if boundary is None:
        boundary = "open" if cell is None and data.cell is None else "periodic"
    periods = _periods(cell) if cell is not None else data.cell if boundary == "periodic" else None
    given: dict[str, Any] = {"images": images, "image_shape": image_shape, "macroscopic": macroscopic, "rtol": rtol}
    given |= {"method": method, "boundary": boundary, "cell": periods, "threads": threads}
    arguments = {name: value for name, value in given.items() if value is not None}
    start = time.perf_counter()
    field = pair_field(interaction, data.blocks, data.moments, progress=not quiet, **arguments)
    seconds = time.perf_counter() - start
    energies = data.energies(field)
    energy = math.fsum(energies)
    lattice = dataclasses.asdict(data.blocks) if isinstance(data.blocks, mbfast.BlockLattice) else None
    parameters = {"version": mbfast.__version__, "file": str(file), **given}
    parameters |= {"cell": None if periods is None else periods.tolist(), "lattice": lattice, "material": material}
    buffer = io.BytesIO()
    np.savez(  # random numbers do not compress
        buffer,
        field=field,
        energies=energies,
        energy=energy,
        positions=data.positions,
        moments=data.moments,
        parameters=json.dumps(parameters, ensure_ascii=False),
    )
    _write({target: buffer.getvalue()})
    _echo(f"{data.n_blocks} blocks, {boundary}: {energy:.6e} J, method {method}, {seconds:.2f} s, written to {target}")


@_command
def cutoff(
    csv: Annotated[Path | None, typer.Option(metavar="CSV", help=_TABLE_HELP, show_default=False)] = None,
    glass: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this one; may be repeated.")] = None,
    modulus: Annotated[list[float] | None, typer.Option(metavar="PA", help="Moduli ρc² instead of glasses.")] = None,
    omega: Annotated[float, typer.Option(metavar="RAD/S", help="Angular frequency of the phonon.")] = 1e7,
    omega_c: Annotated[float, typer.Option(metavar="RAD/S", help="Cutoff of the susceptibility.")] = 1e15,
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
        table = Table("ρc² (Pa)", "L_c (Å)")
        for value in modulus:
            table.add_row(f"{value:g}", angstroms(value))
    else:
        table = Table("glass", "ρ (kg/m³)", "L_c with ρc_l² (Å)", "L_c with ρc_t² (Å)")
        angstroms(1.0)  # refuses bad frequencies even where no density is known
        for entry in load_glasses(csv, names=glass or None):
            if entry.density is None and not glass:
                table.add_row(entry.name, "not known")
            else:
                lengths = angstroms(entry.modulus_l), angstroms(entry.modulus_t)
                table.add_row(entry.name, f"{entry.density:g}", *lengths)
    _print(table)


@_command
def plan(
    blocks: Annotated[
        str, typer.Option(metavar="N or N1xN2xN3", help="Blocks anywhere, or of a lattice.", show_default=False)
    ],
    kind: Annotated[str, typer.Option(metavar="KIND", help="stress or dipole.")] = "stress",
    rtol: Annotated[float, typer.Option(help="What ewald is to reach.")] = 1e-6,
    boundary: Annotated[str, typer.Option(help="open or periodic.")] = "open",
    images: Annotated[int | None, typer.Option(help="Shells of explicit images, if periodic.")] = None,
    averaged: Annotated[bool, typer.Option("--averaged", help="Blocks are cubes, on a lattice.")] = False,
) -> None:
    """Predict time and memory of every method of a pair sum on this machine, before anything runs.

    Example: mbfast plan --blocks 128x128x128 --kind dipole
    """
    from mbfast.pairs import planning  # noqa: PLC0415

    sides = blocks.lower().split("x")
    try:
        numbers = [int(float(side)) if float(side) == int(float(side)) else -1 for side in sides]
    except (ValueError, OverflowError):
        numbers = [-1]
    if len(numbers) not in (1, 3) or min(numbers) < 0:
        raise ValueError(f"--blocks must be a whole number, or three with x between them, got {blocks!r}")
    if averaged and len(numbers) == 1:
        raise ValueError("--averaged belongs to a lattice: give --blocks as N1xN2xN3")
    shape = numbers[0] if len(numbers) == 1 else tuple(numbers)
    free = planning.available_memory()
    found = planning.predict(
        shape,
        kind,  # type: ignore[arg-type]
        rtol=rtol,
        boundary=boundary,  # type: ignore[arg-type]
        images=images,
        averaged=averaged,
    )
    table = Table("method", "time (s)", "memory (GB)", "")
    for prediction in found:
        remark = prediction.why_not or ("" if prediction.memory <= free else "does not fit")
        table.add_row(prediction.method, f"{prediction.seconds:.2g}", f"{prediction.memory / 1e9:.2g}", remark)
    _print(table)
    _echo(f"one field, set-up included; {free / 1e9:.3g} GB are available")


@_command
def info() -> None:
    """Versions, the processor compiled for, threads, and the cache of compiled kernels.

    Example: mbfast info
    """
    from mbfast._core import jit as _jit  # noqa: PLC0415
    from mbfast._core import tiles as _tiles  # noqa: PLC0415

    kernels = _jit.all_kernels()
    table = Table.grid("", "", padding=(0, 2))
    table.add_row("mbfast", mbfast.__version__)
    table.add_row("Python", f"{platform.python_version()} on {platform.platform()}")
    for package in ("numpy", "scipy", "numba", "llvmlite"):
        table.add_row(package, importlib.metadata.version(package))
    processor, width = _jit.target()
    table.add_row("processor", f"{processor}, vectors of up to {width} bits")
    table.add_row("threads", f"{_tiles.usable_cores()} of {os.cpu_count()} cores usable by this process")
    for folder in sorted({str(kernel.cache_folder or "none: kernels are compiled anew") for kernel in kernels}):
        table.add_row("cache folder", folder)
    files = [file for kernel in kernels for file in kernel.cache_files()]
    cached = sum(bool(kernel.cache_files()) for kernel in kernels)
    size = sum(file.stat().st_size for file in files) / 1024
    table.add_row("cache", f"{cached} of {len(kernels)} kernels, {size:.0f} KiB")
    _print(table)


@_command
def warmup() -> None:
    """Compile all kernels and keep them in the cache, so that the first call of each is fast; measure speeds for plan.

    Example: mbfast warmup
    """
    start = time.perf_counter()
    from mbfast._core import jit as _jit  # noqa: PLC0415
    from mbfast.pairs import planning  # noqa: PLC0415

    kernels = _jit.all_kernels()
    for kernel in track(kernels, "compiling", console=Console(stderr=True)):
        kernel.compile()
    planning.measure()
    _echo(f"{len(kernels)} kernels ready in {time.perf_counter() - start:.1f} s")


def _medium(what: str, columns: int, given: dict[str, Any]) -> tuple[Interaction, dict[str, Any]]:
    """Return the interaction that moments of so many numbers have, and what describes it."""
    from mbfast.pairs.interactions import DipoleInteraction, StressInteraction  # noqa: PLC0415

    got = ", ".join(f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None) or "neither"
    if columns == 3:
        if {name for name, value in given.items() if value is not None} != {"permittivity"}:
            raise ValueError(f"{what} are dipoles: --permittivity is wanted, and no other medium, got {got}")
        return DipoleInteraction(given["permittivity"]), {"permittivity": given["permittivity"]}
    density, c_l, c_t = (given[name] for name in ("density", "c_l", "c_t"))
    complete = (c_l, c_t) == (None, None) if given["glass"] is not None else None not in (density, c_l, c_t)
    if not complete or given["permittivity"] is not None:
        raise ValueError(f"{what} are stress: --glass or all of --density, --c-l and --c-t are wanted, got {got}")
    if given["glass"] is not None:
        (glass,) = load_glasses(names=[given["glass"]])
        density, c_l, c_t = glass.density if density is None else density, glass.c_l, glass.c_t
        if density is None:
            raise ValueError(f"--density is wanted, as that of {glass.name} is not known")
    form: Any = "corrected" if given["form"] is None else given["form"]
    material = {"glass": given["glass"], "density": density, "c_l": c_l, "c_t": c_t, "form": form}
    return StressInteraction(density, c_l, c_t, form=form), material


def _periods(text: str) -> NDArray[np.float64]:
    try:
        periods = np.array([float(length) for length in text.split(",")])
    except ValueError:
        periods = np.empty(0)
    if periods.shape != (3,) or not (periods > 0.0).all():
        raise ValueError(f"--cell: three positive lengths a,b,c in m are wanted, got {text!r}")
    return periods


def _echo(line: str) -> None:
    if sys.stdout is not None:
        sys.stdout.write(f"{line}\n")


def _print(table: Table) -> None:
    # Cells are text, not markup; into a pipe or a file nobody wants lines folded at 80 columns.
    terminal = sys.stdout is not None and sys.stdout.isatty()
    console = Console(
        file=io.StringIO(),
        force_terminal=terminal,
        width=None if terminal else 200,
        markup=False,
        emoji=False,
        highlight=False,
    )
    console.print(table)
    _echo(console.file.getvalue().rstrip("\n"))  # type: ignore[attr-defined]


def _audit_figures(excluded: Collection[str]) -> dict[str, Figure]:
    from mbfast import plotting  # noqa: PLC0415
    from mbfast.pairs.interactions import StressInteraction  # noqa: PLC0415
    from mbfast.renormalization.flow import flow as run  # noqa: PLC0415
    from mbfast.spectra.spectrum import Spectrum  # noqa: PLC0415

    glasses = load_glasses()
    silica = next(glass for glass in glasses if glass.name == "a-SiO2")
    omega = np.geomspace(1e5, 1e15, 256)
    # the strength of section V, constant to omega_c
    of_l, of_t = (np.full(256, -np.pi * 2.76e-4 * modulus) for modulus in (silica.modulus_l, silica.modulus_t))
    material = StressInteraction.of(silica)
    flows = plotting.flow_figures(run(Spectrum(omega, of_l, of_t, 1.0), material))
    return {
        "figure1": plotting.meissner_berret_figure(glasses, exclude=excluded),
        "self_consistent_ratio": plotting.self_consistent_figure(glasses),
        "lattice_sums": plotting.lattice_sums_figure(),
        "cutoff_lengths": plotting.cutoff_figure(glasses),
        **{f"flow_{name}": figure for name, figure in flows.items()},
    }


def _rendered(figure: Figure, kind: str) -> bytes:
    from matplotlib import rc_context  # noqa: PLC0415

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "mbfast"}):  # the same figure gives the same bytes
        figure.savefig(buffer, format=kind, dpi=160, metadata=None if kind == "png" else {_DATES[kind]: None})
    return buffer.getvalue()


_DATES = {"svg": "Date", "pdf": "CreationDate"}


def _check_writable(*files: Path | None) -> None:
    """Find out before any work whether the outputs can be written; folders are made on the way."""
    outputs = [file for file in files if file is not None]
    for file in outputs:
        if file.is_dir():
            raise ValueError(f"{file}: a file is wanted, this is a folder")
        if sum(other.resolve() == file.resolve() for other in outputs) > 1:
            raise ValueError(f"{file}: two outputs cannot go to one file")
        target = file.resolve() if file.exists() else next(p for p in file.absolute().parents if p.exists())
        if not os.access(target, os.W_OK) or not (target.is_dir() or file.exists()):
            raise ValueError(f"{file}: cannot be written, {target} is not writable")


def _write(outputs: dict[Path, bytes]) -> None:
    """Write all files or, should one fail, none; pipes and devices are written to, not replaced."""
    in_place = [file for file in outputs if file.exists() and not file.is_file()]
    targets = {file: file.resolve() for file in outputs if file not in in_place}
    unfinished = {target.with_name(f".{target.name}.{os.getpid()}"): file for file, target in targets.items()}
    try:
        for partial, file in unfinished.items():
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(outputs[file])
        for partial, file in unfinished.items():
            partial.replace(targets[file])
    finally:
        for partial in unfinished:
            partial.unlink(missing_ok=True)
    for file in in_place:
        file.write_bytes(outputs[file])
