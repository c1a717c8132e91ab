"""The command for lattices that are larger than memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from mbfast._core.tiles import set_threads
from mbfast.cli.command import Scheduler, Threads, command, computed_by
from mbfast.cli.output import Quiet, echo
from mbfast.cli.runs import held_of, medium_of


@command
def latticefield(
    moments: Annotated[Path, typer.Argument(metavar="MOMENTS.npy", help="Or .zarr.", show_default=False)],
    output: Annotated[Path, typer.Argument(metavar="FIELD.npy", help="Or .zarr.", show_default=False)],
    spacing: Annotated[float, typer.Option(metavar="M", help="Distance of neighbours.", show_default=False)],
    memory: Annotated[str, typer.Option(help="What may be used of it, such as 3GB.", show_default=False)],
    folder: Annotated[Path, typer.Option(help="For what does not fit: new, or of such a field.", show_default=False)],
    glass: Annotated[str | None, typer.Option(metavar="NAME", help="The medium of stress moments.")] = None,
    density: Annotated[float | None, typer.Option(metavar="KG/M3", help="Or: its mass density,")] = None,
    c_l: Annotated[float | None, typer.Option(metavar="M/S", help="its longitudinal sound velocity,")] = None,
    c_t: Annotated[float | None, typer.Option(metavar="M/S", help="and its transverse one.")] = None,
    form: Annotated[str | None, typer.Option(help="Of its tensor: corrected (default) or joffrin-levelut.")] = None,
    permittivity: Annotated[float | None, typer.Option(metavar="F/M", help="The medium of dipoles.")] = None,
    cubes: Annotated[bool, typer.Option("--cubes", help="Blocks are cubes that touch, not points.")] = False,
    self_field: Annotated[bool, typer.Option("--self-field", help="Add the own field of each cube.")] = False,
    boundary: Annotated[str, typer.Option(help="open or periodic.")] = "open",
    images: Annotated[int | None, typer.Option(help="Shells of images; by default all of them.")] = None,
    image_shape: Annotated[str, typer.Option(help="cubic or spherical.")] = "cubic",
    macroscopic: Annotated[str | None, typer.Option(help="As of pairsum; all images.")] = None,
    threads: Threads = None,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
) -> None:
    """Field of a lattice that is larger than memory, by way of a folder on disk: mbfast.pairs.stored.

    MOMENTS has the shape (n1, n2, n3, 6), (n1, n2, n3, 3, 3) or (n1, n2, n3, 3), and FIELD gets the same, as float64,
    whole or not at all. The same command goes on with what an interrupted one has left in the folder. What is needed is
    said before anything is written. Workers of a --scheduler must see the same files, and take as much memory each.

    Example: mbfast latticefield moments.npy field.npy --spacing 5e-9 --glass a-SiO2 --memory 3GB --folder scratch
    """
    from mbfast.pairs.geometry import BlockLattice  # noqa: PLC0415
    from mbfast.pairs.stored import StoredLatticeField, shape_of  # noqa: PLC0415

    set_threads(threads)
    shape = shape_of(moments)
    if len(shape) < 4:
        raise ValueError(f"{moments}: moments on a lattice are wanted, (n1, n2, n3, ...), got shape {shape}")
    constants = {"glass": glass, "density": density, "c_l": c_l, "c_t": c_t, "form": form, "permittivity": permittivity}
    columns = 3 if shape[3:] == (3,) else 6
    interaction, _ = medium_of(f"{moments}: moments of shape {shape[3:]}", columns, constants)
    options: dict[str, Any] = {"boundary": boundary, "images": images, "image_shape": image_shape}
    options |= {"macroscopic": held_of(macroscopic), "self_field": self_field}
    start = time.perf_counter()
    lattice = BlockLattice((shape[0], shape[1], shape[2]), spacing, averaged=cubes)
    with computed_by(scheduler):
        field = StoredLatticeField(interaction, lattice, folder, memory=memory, progress=not quiet, **options)
        field(moments, output, progress=not quiet)
    took = f"{time.perf_counter() - start:.2f} s, {field.needed / 1e9:.3g} GB planned of {field.memory / 1e9:.3g} GB"
    echo(f"{lattice.n_blocks} blocks, {boundary}, {took}, written to {output}", [output])
