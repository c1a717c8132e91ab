"""The command that shows fields of blocks: a figure, a file for ParaView, a window."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from mbfast._core.archive import Content, behind_links, check_writable, naming, write_files
from mbfast.cli.command import command
from mbfast.cli.output import echo, one_figure, rendered

if TYPE_CHECKING:
    from mbfast.plotting._fields import Fields, Scalar


@command
def view(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A pair sum, or blocks.", show_default=False)],
    quantity: Annotated[
        str | None,
        typer.Option(help="strain (2h), electric-field (-2h), field (h), moments, energy or energy-density."),
    ] = None,
    component: Annotated[
        str | None, typer.Option(help="xx, yy, zz, yz, xz, xy, trace, von-mises; x, y, z; or norm (default).")
    ] = None,
    plane: Annotated[str | None, typer.Option(metavar="z=3", help="Of a lattice: only this plane of blocks.")] = None,
    slab: Annotated[
        str | None, typer.Option(metavar="z=LOW:HIGH", help="Of other blocks: only those between two places (m).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Or .pdf, .svg. Without --vtk and --window: STEM-view.png.")
    ] = None,
    vtk: Annotated[Path | None, typer.Option(metavar="OUT.vti", help="For ParaView; .vtp or .vtu of a cloud.")] = None,
    window: Annotated[bool, typer.Option("--window", help="Open a window, in which the blocks can be turned.")] = False,
) -> None:
    """Show the fields of a pair sum, or the moments of a file of blocks: as a figure, in ParaView or in a window.

    FILE is what pairsum and mbfast.PairResult.save write, or what pairsum reads. Of a lattice the figure has three
    planes through the block with the largest magnitude, of other blocks three views; its caption is written beside it.
    More is in the help of mbfast.plotting.field_figure and of mbfast.viewing.

    Example: mbfast view blocks-fields.npz --component xy --plane z=0
    """
    from mbfast import viewing  # noqa: PLC0415
    from mbfast.plotting import field_figure  # noqa: PLC0415
    from mbfast.plotting._fields import Fields  # noqa: PLC0415

    target = Path(f"{file.stem}-view.png") if output is None and vtk is None and not window else output
    images = one_figure(target, "view")
    check_writable(*images, vtk)
    if behind_links(file) in map(behind_links, (*images, *([vtk] if vtk else []))):
        raise ValueError(f"{file}: the output would replace the input")
    cuts: dict[str, Any] = {
        "plane": None if plane is None else _cut("--plane", "z=3", plane, "[0-9]+", int),
        "slab": None if slab is None else _cut("--slab", "z=1e-8:2e-8", slab, "[^:]+:[^:]+", float),
    }
    result = viewing.read_fields(file)
    with naming(file):
        fields = Fields.of(result)
        scalar = fields.scalar(quantity, component)
        figures = {"view": field_figure(result, quantity=quantity, component=component, **cuts)} if images else {}
    if window:
        viewing.require_display()
    outputs: dict[Path, Content] = {} if vtk is None else {vtk: viewing.vtk_content(fields, vtk)}
    write_files(outputs | rendered(figures, images))
    written = " and ".join(str(path) for path in (target, vtk) if path is not None)
    echo(f"{_summary(fields, scalar)}{', written to ' if written else ''}{written}", [*images, *outputs])
    if window:
        viewing.open_window(fields, scalar)


def _cut(option: str, example: str, text: str, pattern: str, kind: type[float]) -> tuple[Any, ...]:
    """Return the axis and the numbers that an option gives, as ("z", 3)."""
    axis, _, rest = text.partition("=")
    try:
        if axis in {"x", "y", "z"} and re.fullmatch(pattern, rest):
            return (axis, *map(kind, rest.split(":")))
    except ValueError:
        pass
    raise ValueError(f"{option}: an axis and its numbers are wanted, such as {example}, got {text!r}")


def _summary(fields: Fields, scalar: Scalar) -> str:
    block = scalar.largest
    which: Any = block
    if fields.lattice is not None:
        which = tuple(map(int, np.unravel_index(block, fields.lattice.shape)))
    place = ", ".join(f"{x:.4g}" for x in fields.positions[block])
    number = f"{scalar.values[block]:.4g} {scalar.unit}".rstrip()
    blocks = "1 block" if len(fields.positions) == 1 else f"{len(fields.positions)} blocks"
    return f"{blocks}, {scalar.words}: largest {number} at block {which}, ({place}) m"
