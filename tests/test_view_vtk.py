"""Files for ParaView, as VTK's own readers see them, and windows, drawn where no one sees them."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from materials import full
from test_view import cloud, invoke, lattice, made

from mbfast import viewing

pytest.importorskip("pyvista", reason="files of VTK and windows need pyvista, of the extra view")

READERS = {".vti": "vtkXMLImageDataReader", ".vtp": "vtkXMLPolyDataReader", ".vtu": "vtkXMLUnstructuredGridReader"}


def read(file):
    """The data of a file, by the reader of VTK that ParaView has."""
    from vtkmodules import vtkIOXML

    reader = getattr(vtkIOXML, READERS[file.suffix])()
    reader.SetFileName(str(file))
    reader.Update()
    assert reader.GetErrorCode() == 0
    return reader.GetOutput()


def tensors(image, name):
    """The matrices (cells, 3, 3) that VTK makes of six components, by its principal values and directions."""
    from vtkmodules.vtkFiltersTensor import vtkTensorPrincipalInvariants

    found = vtkTensorPrincipalInvariants()
    found.SetInputData(image)
    found.GetCellDataArraySelection().EnableArray(name)
    found.Update()
    arrays = found.GetOutput().GetCellData()
    parts = [
        (arrays.GetArray(f"{name} - Sigma {i}"), arrays.GetArray(f"{name} - Sigma {i} (Vector)")) for i in (1, 2, 3)
    ]
    cells = range(image.GetNumberOfCells())
    return np.array([sum(s.GetValue(c) * np.outer(v.GetTuple(c), v.GetTuple(c)) for s, v in parts) for c in cells])


def cell_at(image, place):
    """The number of the cell that VTK finds at a place."""
    from vtkmodules.vtkCommonCore import mutable

    return image.FindCell(place, None, -1, 0.0, mutable(0), [0.0] * 3, [0.0] * 8)


@pytest.mark.parametrize("spacing", [5e-9, 1e-8 / 3.0])
@pytest.mark.parametrize("matrices", [False, True])
def test_each_cell_of_an_image_is_the_block_at_its_middle(tmp_path, spacing, matrices):
    result = made(replace(lattice(3, 4, 2), spacing=spacing))
    viewing.save_vtk(replace(result, field=full(result.field)) if matrices else result, tmp_path / "new" / "sum.vti")
    image = read(tmp_path / "new" / "sum.vti")
    arrays = image.GetCellData()
    assert image.GetNumberOfCells() == 24
    cells = [cell_at(image, place) for place in result.positions / 1e-9]  # nm
    middles = [np.reshape(image.GetCell(cell).GetBounds(), (3, 2)).mean(axis=1) for cell in cells]
    assert np.array(middles) == pytest.approx(result.positions / 1e-9, rel=1e-12, abs=1e-12)
    of_blocks = {"field": result.field, "strain": 2.0 * result.field, "moments": result.moments}
    for name, values in of_blocks.items():
        expected = full(values.reshape(24, 6))
        assert tensors(image, name)[cells] == pytest.approx(expected, abs=1e-6 * np.abs(expected).max())  # floats
        assert [list(arrays.GetArray(name).GetTuple(cell)[:3]) for cell in cells] == values.reshape(24, 6)[
            :, :3
        ].tolist()
    assert [arrays.GetArray("energy").GetValue(cell) for cell in cells] == result.energies.tolist()
    density = [arrays.GetArray("energy_density").GetValue(cell) for cell in cells]
    assert density == pytest.approx(result.energies / spacing**3)
    names = [arrays.GetArray("strain").GetComponentName(i) for i in range(6)]
    assert names == ["XX", "YY", "ZZ", "XY", "YZ", "XZ"]
    units = image.GetFieldData().GetAbstractArray("units")
    assert [units.GetValue(i) for i in range(units.GetNumberOfValues())] == [
        "positions: nm", "strain: 1", "field: 1", "energy: J", "energy_density: J/m^3", "moments: J",
    ]  # fmt: skip


@pytest.mark.parametrize("ending", [".vtp", ".vtu"])
def test_each_point_is_a_block(tmp_path, ending):
    result = made(cloud(7), 3)
    viewing.save_vtk(result, tmp_path / f"sum{ending}")
    points = read(tmp_path / f"sum{ending}")
    arrays = points.GetPointData()
    assert points.GetNumberOfCells() == 7  # vertices, without which nothing is drawn
    for s, place in enumerate(result.positions):
        assert 1e-9 * np.array(points.GetPoint(s)) == pytest.approx(place, rel=1e-14)
        assert arrays.GetArray("electric_field").GetTuple(s) == tuple(-2.0 * result.field[s])
        assert arrays.GetArray("moments").GetTuple(s) == tuple(result.moments[s])
        assert arrays.GetArray("energy").GetValue(s) == result.energies[s]


def test_the_command_writes_the_file_alone_or_with_a_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made(cloud(5)).save("sum.npz")
    assert invoke("sum.npz", "--vtk", "a.vtp").output.endswith(" m, written to a.vtp\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.vtp", "sum.npz"]
    assert invoke("sum.npz", "--vtk", "b.vtu", "--output", "b.png").output.endswith(", written to b.png and b.vtu\n")
    assert Path("b.png").exists()
    assert invoke("sum.npz", "--vtk", "c.vti").stderr.endswith("for blocks on no lattice, got 'c.vti'\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
def test_a_window_without_a_display(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr("pyvista.OFF_SCREEN", False)
    made(cloud(5)).save("sum.npz")
    done = invoke("sum.npz", "--window")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "mbfast view: a window needs a display, and the variable DISPLAY is not set\n"


@pytest.mark.parametrize("blocks", [lattice(5, 6, 7), cloud(30)], ids=["planes", "points"])
def test_a_window_shows_low_and_high_numbers_in_the_colours_of_the_figure(monkeypatch, blocks):
    import pyvista

    if not pyvista.system_supports_plotting():
        pytest.skip("VTK cannot draw here")
    monkeypatch.setattr("pyvista.OFF_SCREEN", True)
    shown = []
    monkeypatch.setattr(pyvista.Plotter, "show", lambda window: shown.append(window.screenshot(return_img=True)))
    viewing.show_window(made(blocks))
    colours = np.unique(shown[0].reshape(-1, 3), axis=0).astype(int)
    assert len(colours) > 50
    red, blue = ((colours[:, one] - colours[:, other]).max() for one, other in ((0, 2), (2, 0)))
    assert blue > 40  # of the dark blue end
    assert red > 40  # of the yellow one
