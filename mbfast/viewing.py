"""Fields of blocks to be looked at in space: files for ParaView, and windows. They need pyvista, of the extra ``view``.

`read_fields` reads the file of a pair sum, or one of blocks. `save_vtk` writes what is known of each block in a format
of VTK, and `show_window` opens a window in which the blocks can be turned. The figure of a plane, for print, is
`mbfast.plotting.field_figure`, and ``mbfast view`` is the command for all three.
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbfast._core.archive import path_of, read_archive, regular, write_files
from mbfast._core.validate import FloatArray
from mbfast.files.blocks import BlockData, read_blocks
from mbfast.pairs.results import PairResult
from mbfast.plotting._fields import Fields, Scalar
from mbfast.plotting._scale import scale_of

if TYPE_CHECKING:
    import pyvista

_NANOMETRE = 1e-9
"""The unit of lengths in files and windows (m): VTK has tolerances that are made for numbers near one."""

_ORDER = [0, 1, 2, 5, 3, 4]  # of our six components as VTK has them: xx, yy, zz, xy, yz, xz
_COMPONENTS = {6: ("XX", "YY", "ZZ", "XY", "YZ", "XZ"), 3: ("X", "Y", "Z")}
_WRITERS = {".vti": "vtkXMLImageDataWriter", ".vtp": "vtkXMLPolyDataWriter", ".vtu": "vtkXMLUnstructuredGridWriter"}


def read_fields(path: str | os.PathLike[str]) -> PairResult | BlockData:
    """Read what can be drawn: a saved pair sum, or a file of blocks and their moments.

    Parameters
    ----------
    path : str or path-like
        What `PairResult.save` has written, or a file that `mbfast.files.blocks.read_blocks` reads.

    Returns
    -------
    PairResult or BlockData

    Raises
    ------
    OSError
        If the file cannot be read.
    TypeError
        If `path` is no path.
    ValueError
        If it is none of these, or another saved result; the message names the file.

    Examples
    --------
    >>> import pathlib, tempfile, mbfast, numpy as np
    >>> from mbfast.viewing import read_fields
    >>> result = mbfast.pair_sum(mbfast.DipoleInteraction(8.9e-12), 5e-9 * np.eye(3), 3e-30 * np.eye(3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result.save(pathlib.Path(folder) / "three.npz")
    ...     read_fields(pathlib.Path(folder) / "three.npz").field.shape
    (3, 3)
    """
    file = path_of("path", path)
    if zipfile.is_zipfile(regular(file)) and "format" in read_archive(file, ("format",)):
        return PairResult.load(file)
    return read_blocks(file)


def save_vtk(result: PairResult | BlockData, file: str | os.PathLike[str]) -> None:
    """Write what is known of each block to a file for ParaView and other programs that read the formats of VTK.

    The blocks of a lattice are the cells of an image, others are points; lengths are in nm. The arrays are those of
    `mbfast.plotting.field_figure`: strain or electric_field, field, moments, in SI units, energy and, of a lattice,
    energy_density. Tensors have the order of VTK, XX, YY, ZZ, XY, YZ, XZ. The array units of the whole says all this.

    Parameters
    ----------
    result : PairResult or BlockData
        A pair sum, or what `mbfast.files.blocks.read_blocks` returns.
    file : path-like
        Ending in .vti (a lattice), .vtp or .vtu (other blocks). What was there is replaced; folders are made.

    Returns
    -------
    None

    Raises
    ------
    ImportError
        If pyvista is not installed.
    OSError
        If `file` cannot be written.
    TypeError
        If `result` is none of these, or `file` no path.
    ValueError
        If `result` has no blocks or numbers that are not finite, or `file` has another ending.

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> from mbfast.viewing import save_vtk
    >>> plane = mbfast.BlockLattice((4, 4, 1), 5e-9)
    >>> silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)
    >>> result = mbfast.pair_sum(silica, plane, 1.6e-19 * np.ones((4, 4, 1, 6)))
    >>> save_vtk(result, "plane.vti")  # doctest: +SKIP
    """
    fields, path = Fields.of(result), path_of("file", file)
    write_files({path: vtk_content(fields, path)})


def vtk_content(fields: Fields, file: Path) -> bytes:
    """Return what goes into a file for ParaView; a ValueError if its ending is not one for these blocks."""
    endings = (".vti",) if fields.lattice is not None else (".vtp", ".vtu")
    ending = file.suffix.lower()
    if ending not in endings:
        kind = "a lattice" if fields.lattice is not None else "blocks on no lattice"
        raise ValueError(f"file must end in {' or '.join(endings)} for {kind}, got {str(file)!r}")
    data = _dataset(fields)
    from vtkmodules import vtkIOXML  # noqa: PLC0415

    writer = getattr(vtkIOXML, _WRITERS[ending])()
    writer.SetInputData(data.cast_to_unstructured_grid() if ending == ".vtu" else data)
    writer.SetHeaderTypeToUInt64()
    writer.SetDataModeToBinary()
    writer.WriteToOutputStringOn()
    if not writer.Write():
        raise MemoryError(f"VTK could not make the {len(fields.positions)} blocks of {file}")
    return str(writer.GetOutputString()).encode()


def _pyvista() -> Any:
    """Return the module, or raise an ImportError that says what to install."""
    try:
        import pyvista  # noqa: PLC0415
    except ImportError:
        raise ImportError("windows and files of VTK need pyvista: pip install 'mbfast[view]'") from None
    return pyvista


def _dataset(fields: Fields) -> Any:
    """Return an image whose cells are the blocks of a lattice, or points, with all that is known of each."""
    pv, lattice = _pyvista(), fields.lattice
    if lattice is None:
        data = pv.PolyData(fields.positions / _NANOMETRE)
        into = data.point_data
    else:
        side = lattice.spacing / _NANOMETRE
        corners = [n + 1 for n in lattice.shape]
        data = pv.ImageData(dimensions=corners, spacing=(side,) * 3, origin=(-0.5 * side,) * 3)
        into = data.cell_data
    units = ["positions: nm"]
    for name, (values, unit) in fields.arrays().items():
        array = name.replace("-", "_")
        into[array] = _in_order(fields, values[:, _ORDER] if values.ndim == 2 and values.shape[1] == 6 else values)
        for number, component in enumerate(_COMPONENTS[values.shape[1]] if values.ndim == 2 else ()):
            into[array].VTKObject.SetComponentName(number, component)
        units.append(f"{array}: {unit.replace('³', '^3') or '1'}")  # VTK has no other letters than ASCII
    data.field_data["units"] = units
    return data


def _in_order(fields: Fields, values: FloatArray) -> FloatArray:
    """Return rows in the order of VTK, in which the first index of a lattice runs fastest."""
    if fields.lattice is None:
        return values
    by_index = values.reshape(*fields.lattice.shape, -1)
    return np.ascontiguousarray(by_index.transpose(2, 1, 0, 3)).reshape(values.shape)


def show_window(result: PairResult | BlockData, *, quantity: str | None = None, component: str | None = None) -> None:
    """Open a window with the blocks in colours, which can be turned, and wait until it is closed.

    A lattice is shown by three planes through the block with the largest magnitude, which can be moved with the mouse;
    other blocks are points. The colours are those of `mbfast.plotting.field_figure`.

    Parameters
    ----------
    result, quantity, component
        As of `mbfast.plotting.field_figure`.

    Returns
    -------
    None

    Raises
    ------
    ImportError
        If pyvista is not installed.
    OSError
        If there is no display.
    TypeError, ValueError
        As `mbfast.plotting.field_figure` does.

    Examples
    --------
    >>> from mbfast.viewing import read_fields, show_window
    >>> show_window(read_fields("blocks-fields.npz"), quantity="energy")  # doctest: +SKIP
    """
    fields = Fields.of(result)
    scalar = fields.scalar(quantity, component)
    require_display()
    open_window(fields, scalar)


def require_display() -> None:
    """Raise an ImportError without pyvista, and an OSError if no window can be opened."""
    pv = _pyvista()
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY") and not pv.OFF_SCREEN:
        raise OSError("a window needs a display, and the variable DISPLAY is not set")


def open_window(fields: Fields, scalar: Scalar) -> None:
    """Open a window and wait until it is closed; an OSError if DISPLAY names no display."""
    window = _plotter(fields, scalar)
    if sys.platform.startswith("linux") and not (window.off_screen or "XOpenGL" in window.render_window.GetClassName()):
        window.close()
        raise OSError(f"a window needs a display, and {os.environ['DISPLAY']!r}, the variable DISPLAY, is none")
    window.show()


def _plotter(fields: Fields, scalar: Scalar) -> pyvista.Plotter:
    """Return the contents of a window."""
    pv, data, scale = _pyvista(), _dataset(fields), scale_of(scalar.values, scalar.unit, signed=scalar.signed)
    colours = np.asarray(scale.norm(scale.of(scalar.values)))  # 0 ... 1: VTK has no scale that is linear around zero
    data["colours"] = _in_order(fields, colours)
    ticks = np.array(scale.ticks)
    # the letters of VTK have no powers of ten
    labels = [f"{tick * scale.factor:.3g}".replace("e-0", "e-").replace("e+0", "e") for tick in ticks]
    unit = f" ({scalar.unit})" if scalar.unit else ""
    looks: dict[str, Any] = {
        "scalars": "colours",
        "clim": (0.0, 1.0),
        "cmap": scale.colours,
        "annotations": dict(zip(np.asarray(scale.norm(ticks)).tolist(), labels, strict=True)),
        "scalar_bar_args": {
            "title": "",
            "n_labels": 0,
            "vertical": True,
            "position_x": 0.85,
            "position_y": 0.2,
            "height": 0.6,
            "width": 0.1,
        },
        "lighting": False,
    }
    window = pv.Plotter(title="mbfast")
    if fields.lattice is None:
        window.add_mesh(data, render_points_as_spheres=True, point_size=8.0, **(looks | {"lighting": True}))
    elif min(fields.lattice.shape) == 1:
        window.add_mesh(data, **looks)
    else:
        centre = fields.positions[scalar.largest] / _NANOMETRE
        for normal in "xyz":
            window.add_mesh_slice(data, normal=normal, origin=centre, normal_rotation=False, factor=1.0, **looks)
    window.show_bounds(bounds=data.bounds, xtitle="x (nm)", ytitle="y (nm)", ztitle="z (nm)", location="outer")
    window.add_text(f"{scalar.words}{unit}", position="upper_edge", font_size=10)
    window.camera.zoom(0.85)  # room for the labels
    return window
