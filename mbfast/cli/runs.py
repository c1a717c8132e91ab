"""Commands that compute from files: flows and pair sums."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from mbfast._core.archive import Content, behind_links, check_writable, write_files
from mbfast._core.checkpoint import command_of
from mbfast._core.tiles import set_threads
from mbfast.cli.command import CheckpointFile, Scheduler, Threads, command, computed_by
from mbfast.cli.output import Plain, Quiet, echo, figure_files, rendered, show
from mbfast.glasses import medium

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mbfast.files.config import Config
    from mbfast.pairs.interactions import Interaction


@command
def flow(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run.", show_default=False)],
    threads: Threads = None,
    plain: Plain = False,
    checkpoint: CheckpointFile = None,
    scheduler: Scheduler = None,
) -> None:
    """Renormalize the spectra of a material from blocks to a sample (4.1), as a TOML file says.

    Writes the arrays (.npz: omega, scales, Im chi~ and the terms by scale; mbfast.Flow.load reads it) and, if wanted,
    the figures, as PNG, PDF and SVG with their captions (NAME.caption.txt). Sections and keys are in the help of
    mbfast.files.flow.read_flow_config; the least is

    \b
    [material]
    glass = "a-SiO2"
    [spectrum]
    kind = "tunnelling"
    tunnelling_l = 3.1e-4
    tunnelling_t = 2.9e-4

    Example: mbfast flow silica.toml
    """  # noqa: D301
    from mbfast.files.flow import read_flow_config  # noqa: PLC0415

    set_threads(threads)
    wanted = read_flow_config(config)
    inputs = [config] + ([config.parent / name] if (name := wanted.values["spectrum"]["file"]) else [])
    images = _checked_figures(wanted, ("spectra", "ratio", "shares"), inputs, checkpoint)
    with computed_by(scheduler):
        result = wanted.run(checkpoint=checkpoint)
    outputs: dict[Path, Content] = {wanted.data: result.save}
    if images:
        from mbfast.plotting import flow_figures  # noqa: PLC0415

        outputs |= rendered(flow_figures(result), images)
    write_files(outputs)
    shown = int(np.argmin(np.abs(np.log(result.omega / 1e7))))
    columns = result.scales, result.longitudinal[:, shown], result.transverse[:, shown], result.ratio[:, shown]
    rows = [
        (f"{at:.3g}", f"{of_l:.5g}", f"{of_t:.5g}", f"{of_both:.5f}")
        for at, of_l, of_t, of_both in zip(*columns, strict=True)
    ]
    ending = {
        "done": "",
        "diverged": f"; it diverges: at {result.stopped_at:.3g} m the block is no longer stable",
        "emission": f"; it stops at {result.stopped_at:.3g} m: the next step would make Im χ̃ positive",
    }
    steps = result.scales.size - 1
    line = f"at {result.omega[shown]:.3g} rad/s, {steps} steps, written to {wanted.data}{ending[str(result.status)]}"
    show(("L (m)", "Im χ̃_l (Pa)", "Im χ̃_t (Pa)", "sqrt(l/t)"), rows, [line], plain=plain, beside=outputs)


@command
def superblock(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to measure.", show_default=False)],
    threads: Threads = None,
    plain: Plain = False,
    quiet: Quiet = False,
    checkpoint: CheckpointFile = None,
    scheduler: Scheduler = None,
) -> None:
    """Measure what perturbation theory leaves of exact super blocks, over ensembles that a TOML file describes.

    Prints the error of orders 0, 0 and 1, 0 to 2 by coupling, for single super blocks, and the second order as
    measured. Writes the arrays (.npz; mbfast.superblock.remainders.Orders.load reads it) and, if wanted, the figures
    with their captions. Sections and keys are in the help of mbfast.files.superblock.read_super_block_config; the
    least is

    \b
    [material]
    glass = "a-SiO2"
    [blocks]
    kind = "two-level"
    size = 5e-20
    max_splitting = 1e-23
    min_tunnelling = 1e-24
    [response]
    omega_max = 1e11
    broadening = 1e10

    Example: mbfast superblock cubes.toml
    """  # noqa: D301
    from mbfast.files.superblock import read_super_block_config  # noqa: PLC0415

    set_threads(threads)
    wanted = read_super_block_config(config)
    images = _checked_figures(wanted, ("errors", "blocks"), [config], checkpoint)
    with computed_by(scheduler):
        result = wanted.run(progress=not quiet, checkpoint=checkpoint)
    outputs: dict[Path, Content] = {wanted.data: result.save}
    if images:
        from mbfast.plotting import orders_figures  # noqa: PLC0415

        outputs |= rendered(orders_figures(result), images)
    write_files(outputs)
    errors, second = [result.errors(order) for order in (0, 1, 2)], result.share("second")
    rows, lines = [], []
    for s, name in enumerate(result.names):
        for c, component in enumerate(result.components):
            for n, g in enumerate(result.couplings):
                cells = (f"{error.value[s, n, c]:.3g} ± {error.error[s, n, c]:.1g}" for error in errors)
                rows.append((name, component, f"{g:.4g}", *cells))
            change = f"({second.value[s, c]:.3g} ± {second.error[s, c]:.1g}) g^2"
            lines.append(f"{name}, {component}: the second order changes the mean absorption by {change} of itself")
    lines.append(f"{result.exact.shape[1]} super blocks each, written to {wanted.data}")
    headings = ("super block", "strain", "g", "error of order 0", "of orders 0 and 1", "of orders 0 to 2")
    show(headings, rows, lines, plain=plain, keys=3, beside=outputs)


@command
def pairsum(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Positions and moments.", show_default=False)],
    glass: Annotated[str | None, typer.Option(metavar="NAME", help="The medium of stress moments.")] = None,
    density: Annotated[float | None, typer.Option(metavar="KG/M3", help="Or: its mass density,")] = None,
    c_l: Annotated[float | None, typer.Option(metavar="M/S", help="its longitudinal sound velocity,")] = None,
    c_t: Annotated[float | None, typer.Option(metavar="M/S", help="and its transverse one.")] = None,
    form: Annotated[str | None, typer.Option(help="Of its tensor: corrected (default) or joffrin-levelut.")] = None,
    permittivity: Annotated[float | None, typer.Option(metavar="F/M", help="The medium of dipoles.")] = None,
    method: Annotated[str, typer.Option(help="auto, direct, fft or ewald.")] = "auto",
    boundary: Annotated[str | None, typer.Option(help="open, or periodic: the default if there is a cell.")] = None,
    cell: Annotated[str | None, typer.Option(metavar="A,B,C", help="Periods (m), in place of the file's.")] = None,
    images: Annotated[int | None, typer.Option(help="Shells of images; direct and fft only.")] = None,
    image_shape: Annotated[str | None, typer.Option(help="cubic or spherical; direct and fft only.")] = None,
    macroscopic: Annotated[
        str | None,
        typer.Option(
            help="clamped, stress-free, tin-foil, vacuum or a mean stress (Pa), XX,YY,ZZ,YZ,XZ,XY; all images."
        ),
    ] = None,
    rtol: Annotated[float | None, typer.Option(help="Relative error that is allowed.")] = None,
    self_field: Annotated[bool, typer.Option("--self-field", help="Add the own field of each block, a cube.")] = False,
    threads: Threads = None,
    output: Annotated[Path | None, typer.Option(metavar="OUT.npz", help="By default FILE's STEM-fields.npz.")] = None,
    quiet: Quiet = False,
    checkpoint: CheckpointFile = None,
    scheduler: Scheduler = None,
) -> None:
    """Fields and energies of blocks whose positions and moments are in a file: .npz, .npy, .csv or extended XYZ.

    What such a file consists of is in the help of mbfast.files.blocks.read_blocks. Moments of 3 numbers are dipoles,
    those of 6 or 9 are stress. Writes an .npz of field (in the layout of the moments), energies (T_s : h_s of each
    block), energy (their sum, J), positions, moments, method, rtol, error, and inputs (JSON; null is what was not
    given); mbfast.PairResult.load reads it.

    Example: mbfast pairsum blocks.csv --glass a-SiO2 --method ewald --cell 1e-7,1e-7,1e-7
    """
    from mbfast.files.blocks import read_blocks  # noqa: PLC0415
    from mbfast.pairs.sums import pair_sum  # noqa: PLC0415

    set_threads(threads)
    target = Path(f"{file.stem}-fields.npz") if output is None else output
    check_writable(target, checkpoint)
    if behind_links(target) == behind_links(file):
        raise ValueError(f"{target}: the output would replace the input")
    data = read_blocks(file)
    constants = {"glass": glass, "density": density, "c_l": c_l, "c_t": c_t, "form": form, "permittivity": permittivity}
    interaction, material = medium_of(f"{file}: moments of {data.columns} numbers", data.columns, constants)
    if boundary is None:
        boundary = "open" if cell is None and data.cell is None else "periodic"
    periods = (
        _numbers("--cell", cell, "three positive lengths a,b,c in m", 3)
        if cell is not None
        else data.cell
        if boundary == "periodic"
        else None
    )
    held = held_of(macroscopic)
    given: dict[str, Any] = {"images": images, "image_shape": image_shape, "macroscopic": held, "rtol": rtol}
    given |= {"method": method, "boundary": boundary, "cell": periods}
    given |= {"self_field": True} if self_field else {}
    arguments = {name: value for name, value in given.items() if value is not None}
    start = time.perf_counter()
    if checkpoint is not None:
        arguments["checkpoint"] = checkpoint
    with computed_by(scheduler):
        result = pair_sum(interaction, data.blocks, data.moments, progress=not quiet, **arguments)
    seconds = time.perf_counter() - start
    given |= {"file": str(file), "material": material, "threads": threads}
    given["cell"] = None if periods is None else periods.tolist()
    result.asked(**given).save(target)
    made = f"by {result.method} (rtol {result.rtol:g}, error of the field {result.error:.1e})"
    line = f"{data.n_blocks} blocks, {boundary}: {result.energy:.6e} J {made}, {seconds:.2f} s, written to {target}"
    echo(line, [target])


@command
def resume(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What --checkpoint named.", show_default=False)],
) -> None:
    """Go on with a command that was given --checkpoint FILE and did not end: it runs again, in its folder.

    Parts in the file are not computed again, and the result is the same to the last bit. The inputs must be what they
    were. FILE stays when the command has ended. The command, which is printed, is what FILE says: trust it as a script.

    Example: mbfast resume blocks.checkpoint
    """
    found = command_of(file)
    arguments, moved = found["arguments"], ["--checkpoint", str(file.absolute())]  # where it is now
    end = arguments.index("--") if "--" in arguments else len(arguments)  # of the options
    arguments = [*arguments[:end], *moved, *arguments[end:]]
    os.chdir(found["folder"])
    typer.echo(f"mbfast {shlex.join(arguments)}", err=True)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "mbfast", *arguments])


def _checked_figures(
    wanted: Config, names: Iterable[str], inputs: Iterable[Path], checkpoint: Path | None
) -> dict[Path, str]:
    """Return `figure_files` of these names, once it is known that all outputs can be written and none is an input."""
    images = figure_files(wanted.figures, names)
    check_writable(wanted.data, *images, checkpoint)
    if behind_links(wanted.data) in map(behind_links, inputs):
        raise ValueError(f"{wanted.data}: output.data must not be a file that is read")
    return images


def medium_of(what: str, columns: int, given: dict[str, Any]) -> tuple[Interaction, dict[str, Any]]:
    """Return the interaction that moments of so many numbers have, and what describes it."""
    from mbfast.pairs.interactions import DipoleInteraction, StressInteraction  # noqa: PLC0415

    present = {name: value for name, value in given.items() if value is not None}
    got = ", ".join(map(_option, present)) or "neither"
    if columns == 3:
        if list(present) != ["permittivity"]:
            raise ValueError(f"{what} are dipoles: --permittivity is wanted, and no other medium, got {got}")
        return DipoleInteraction(given["permittivity"]), present
    if "permittivity" in present:
        raise ValueError(f"{what} are stress: --glass or all of --density, --c-l and --c-t are wanted, got {got}")
    form: Any = present.get("form", "corrected")
    try:
        density, c_l, c_t = medium(*(given[name] for name in ("glass", "density", "c_l", "c_t")), called=_option)
    except ValueError as error:
        raise ValueError(f"{what} are stress: {error}") from None
    described = {"glass": given["glass"], "density": density, "c_l": c_l, "c_t": c_t, "form": form}
    return StressInteraction(density, c_l, c_t, form=form), described


def held_of(macroscopic: str | None) -> Any:
    """Return a condition as it is, and a mean stress as six numbers."""
    if macroscopic is None or "," not in macroscopic:
        return macroscopic
    return _numbers("--macroscopic", macroscopic, "six components xx,yy,zz,yz,xz,xy in Pa", 6).tolist()


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _numbers(option: str, text: str, wanted: str, count: int) -> NDArray[np.float64]:
    try:
        numbers = np.array([float(number) for number in text.split(",")])
    except ValueError:
        numbers = np.empty(0)
    if numbers.shape != (count,) or not (np.isfinite(numbers).all() and (count > 3 or (numbers > 0.0).all())):
        raise ValueError(f"{option}: {wanted} are wanted, got {text!r}")
    return numbers
