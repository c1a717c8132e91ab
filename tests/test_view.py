"""What figures, files for ParaView and windows show of fields, and the command that makes them."""

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from legible import assert_legible
from materials import DIPOLES, SILICA, full
from typer.testing import CliRunner

import mbfast
from mbfast import viewing
from mbfast.cli import app
from mbfast.files.blocks import BlockData
from mbfast.plotting import caption_of, field_figure
from mbfast.plotting._fields import Fields
from mbfast.plotting._scale import scale_of

pytestmark = pytest.mark.compiled  # what they build on has tests without the JIT

SPACING = 5e-9
COMPONENTS = ("xx", "yy", "zz", "yz", "xz", "xy")


def invoke(*arguments):
    return CliRunner().invoke(app, ["view", *map(str, arguments)])


def made(blocks, components=6, scale=1e-6, seed=0, **inputs):
    """A pair sum with random numbers in place of what would be computed."""
    rng = np.random.default_rng(seed)
    lattice = isinstance(blocks, mbfast.BlockLattice)
    positions = blocks.positions if lattice else np.asarray(blocks)
    leading = blocks.shape if lattice else (len(positions),)
    field, moments = (size * rng.normal(size=(*leading, components)) for size in (scale, 1e-19))
    described = {"shape": list(blocks.shape), "spacing": blocks.spacing, "averaged": False} if lattice else None
    inputs = {"lattice": described, "interaction": repr(SILICA if components == 6 else DIPOLES)} | inputs
    energies = 1e-25 * rng.normal(size=len(positions))
    return mbfast.PairResult(field, energies, positions, moments, "direct", 1e-12, 0.0, inputs)


def lattice(*shape):
    return mbfast.BlockLattice(shape, SPACING)


def cloud(n, seed=1):
    return 1e-7 * np.random.default_rng(seed).random((n, 3))


def maps(figure):
    """What each map shows, (right, up), in the unit of the bar of colours."""
    return [np.asarray(axes.images[0].get_array()).T for axes in figure.axes if axes.images]


@pytest.mark.parametrize("component", [*COMPONENTS, "norm", "trace", "von-mises"])
@pytest.mark.parametrize(("quantity", "factor"), [("strain", 2.0), ("field", 1.0), ("moments", 1.0)])
def test_numbers_of_tensors_are_those_of_their_matrices(component, quantity, factor):
    result = made(cloud(20))
    tensors = factor * full(result.moments if quantity == "moments" else result.field)
    if component == "norm":
        expected = np.linalg.norm(tensors, axis=(1, 2))
    elif component == "trace":
        expected = np.trace(tensors, axis1=1, axis2=2)
    elif component == "von-mises":  # from differences of the principal values: that of a stress is sqrt(3/2 s:s),
        a, b, c = np.linalg.eigvalsh(tensors).T  # that of a strain, sqrt(2/3 e:e), is two thirds of the same
        expected = np.sqrt(((a - b) ** 2 + (b - c) ** 2 + (c - a) ** 2) / 2) * (1 if quantity == "moments" else 2 / 3)
    else:
        expected = tensors[:, "xyz".index(component[0]), "xyz".index(component[1])]
    scalar = Fields.of(result).scalar(quantity, component)
    assert scalar.values == pytest.approx(expected, rel=1e-12, abs=1e-12 * np.abs(tensors).max())
    assert scalar.signed == (component not in {"norm", "von-mises"})


def test_the_electric_field_is_that_of_coulomb():
    """E of a dipole p is 2p/(4 pi eps r^3) on its axis, and -p/(4 pi eps r^3) beside it."""
    p, r = 3e-30, 4e-9
    positions = [[0.0, 0.0, 0.0], [r, 0.0, 0.0], [0.0, r, 0.0]]
    result = mbfast.pair_sum(DIPOLES, positions, [[p, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    scalar = Fields.of(result).scalar(None, "x")
    unit = p / (4 * np.pi * DIPOLES.permittivity * r**3)
    assert scalar.values == pytest.approx([0.0, 2.0 * unit, -unit], rel=1e-12)
    assert (scalar.label, scalar.unit) == ("electric field $E_{x}$", "V/m")


def test_the_strain_is_what_a_moment_gains_its_energy_by():
    """A block gains T_ij e_ij when a small moment T is put where the strain of the others is e."""
    positions = SPACING * np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
    moments = np.zeros((2, 6))
    moments[0] = 1.6e-19 * np.arange(1, 7)
    result = mbfast.pair_sum(SILICA, positions, moments)
    for column, name in enumerate(COMPONENTS):
        more = moments.copy()
        more[1, column] = 1e-19
        gain = mbfast.pair_energy(SILICA, positions, more) / (1e-19 * (2.0 if column > 2 else 1.0))
        assert Fields.of(result).scalar("strain", name).values[1] == pytest.approx(gain, rel=1e-9)


def test_energies_by_volume_add_up_to_the_energy():
    result = made(lattice(3, 2, 2))
    density = Fields.of(result).scalar("energy-density", None)
    assert math.fsum(density.values) * SPACING**3 == pytest.approx(result.energy, rel=1e-12)
    assert "energy-density" not in Fields.of(made(cloud(3))).arrays()


@pytest.mark.parametrize("matrices", [False, True])
def test_the_planes_are_those_of_the_largest_block_in_right_handed_axes(matrices):
    result = made(lattice(4, 5, 6))
    result.field[1, 3, 2] = [0.0, 0.0, 0.0, 0.0, 0.0, -9e-6]
    values = 2.0 * result.field[..., 5]
    figure = field_figure(replace(result, field=full(result.field)) if matrices else result, component="xy")
    labels = [(axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes[:3]]
    assert labels == [
        ("$z$ = 10 nm", "$x$ (nm)", "$y$ (nm)"),
        ("$y$ = 15 nm", "$x$ (nm)", "$z$ (nm)"),
        ("$x$ = 5 nm", "$y$ (nm)", "$z$ (nm)"),
    ]
    for drawn, plane in zip(maps(figure), (values[:, :, 2], values[:, 3], values[1]), strict=True):
        assert 1e-5 * drawn == pytest.approx(plane, rel=1e-12)
    assert figure.axes[3].get_ylabel() == "strain $e_{xy}$ (10⁻⁵)"
    assert figure.axes[0].images[0].get_extent() == pytest.approx([-2.5, 17.5, -2.5, 22.5])
    assert "that of -1.8·10⁻⁵ at (5 nm, 15 nm, 10 nm)" in caption_of(figure)
    assert "z = 2, y = 3, x = 1, counted from 0" in caption_of(figure)
    assert_legible(figure)


@pytest.mark.parametrize(("axis", "index"), [("x", 1), ("y", 0), ("z", 5)])
def test_one_plane(axis, index):
    result = made(lattice(4, 5, 6))
    figure = field_figure(result, quantity="moments", component="yz", plane=(axis, index))
    (drawn,) = maps(figure)
    assert 1e-19 * drawn == pytest.approx(np.take(result.moments[..., 3], index, "xyz".index(axis)), rel=1e-12)
    assert_legible(figure)


def test_a_slab_has_the_blocks_between_its_ends():
    result = made(cloud(60), 3)
    inside = (result.positions[:, 1] >= 2e-8) & (result.positions[:, 1] <= 7e-8)
    figure = field_figure(result, component="norm", slab=("y", 2e-8, 7e-8))
    points = figure.axes[0].collections[0]
    places = result.positions[inside][:, [0, 2]]
    drawn = points.get_offsets().data
    assert drawn[np.argsort(drawn[:, 0])] == pytest.approx(1e9 * places[np.argsort(places[:, 0])], rel=1e-12)
    assert f"Only the {inside.sum()} blocks from 20 nm to 70 nm along y." in caption_of(figure)
    assert_legible(figure)


def test_points_are_larger_when_they_are_nearer_and_the_largest_values_lie_on_top():
    result = made(cloud(40), 3)
    order = np.argsort(np.linalg.norm(result.field, axis=1))
    towards = {"along $z$": (2, 1.0), "along $y$": (1, -1.0), "along $x$": (0, 1.0)}  # the reader, in such axes
    for axes in field_figure(result).axes[:3]:
        points, (axis, sign) = axes.collections[0], towards[axes.get_title()]
        assert (np.argsort(points.get_sizes()) == np.argsort(sign * result.positions[order, axis])).all()
        assert (np.diff(points.get_array()) >= 0.0).all()


def test_of_a_crowd_the_largest_are_drawn(monkeypatch):
    monkeypatch.setattr("mbfast.plotting.fields.MOST_POINTS", 50)
    figure = field_figure(made(cloud(60), 3))
    assert [len(axes.collections[0].get_offsets()) for axes in figure.axes[:3]] == [50] * 3
    assert "Drawn are the 50 of the largest magnitudes." in caption_of(figure)


SHAPES = {
    "cube": (12, 12, 12),
    "upright plane": (1, 5, 9),
    "line": (1, 1, 40),
    "thin": (64, 40, 4),
    "lying": (4, 64, 64),
    "one": (1, 1, 1),
    "beam": (60, 8, 8),
}


@pytest.mark.compiled  # long, and nothing in it is compiled
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_lattices_of_any_shape_can_be_read(shape):
    component = "xy" if shape[0] > 1 else None
    assert_legible(field_figure(made(lattice(*shape), boundary="open", self_field=True), component=component))


CLOUDS = {
    "many": cloud(1000),
    "line": cloud(10) * [0, 0, 1],
    "origin": [[0, 0, 0]],
    "far": 1.0 + cloud(30),
    "large": 1e12 * cloud(30),
    "small": 1e-20 * cloud(30),
}


@pytest.mark.compiled  # long, and nothing in it is compiled
@pytest.mark.parametrize("positions", CLOUDS.values(), ids=CLOUDS)
def test_clouds_of_any_shape_can_be_read(positions):
    assert_legible(field_figure(made(positions, 3, 1e5), component="y" if len(positions) > 10 else "norm"))


VALUES = {
    "zero": np.zeros(64),
    "nearly constant": 1.0 + 1e-9 * np.arange(64),
    "narrow": 5e4 + np.arange(64),
    "wide": np.geomspace(1e-20, 1e5, 64) * np.where(np.arange(64) % 2, 1, -1),
    "subnormal": np.full(64, 5e-324),
    "huge": np.linspace(-1e300, 1e300, 64),
}


@pytest.mark.compiled  # long, and nothing in it is compiled
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_fields_of_any_size_can_be_read(values):
    result = made(lattice(4, 4, 4), 3, interaction="Own()")
    result.field[..., 0], result.field[..., 1:] = values.reshape(4, 4, 4), 0.0
    figure = field_figure(result, plane=("z", 0), component="x" if (values < 0.0).any() else "norm")
    assert_legible(figure)
    assert all(np.isfinite(drawn).all() for drawn in maps(figure))


@settings(max_examples=40)  # each makes a scale of matplotlib
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=30), st.floats(-290.0, 0.0), st.booleans())
def test_colours_keep_the_order_of_numbers(values, exponent, signed):
    numbers = np.sort(np.array(values) * 10.0**exponent)
    numbers = numbers if signed else np.sort(np.abs(numbers))
    scale = scale_of(numbers, "V/m", signed=signed)
    colours = np.asarray(scale.norm(scale.of(numbers)))
    assert np.isfinite(colours).all()
    assert (np.diff(colours) >= -1e-12).all()
    assert colours.min() >= -1e-12
    assert colours.max() <= 1.0 + 1e-12
    if signed:
        assert float(scale.norm(0.0)) == pytest.approx(0.5)
        opposite = np.asarray(scale.norm(scale.of(-numbers)))
        assert opposite == pytest.approx(1.0 - colours)
    assert (np.diff(scale.ticks) > 0.0).all()
    assert len(set(scale.labels)) == len(scale.ticks) == len(scale.labels)


def test_a_wide_range_has_a_logarithmic_scale():
    for values, words in ((np.linspace(1.0, 90.0, 100), "linear scale"), (np.geomspace(1e-4, 1.0, 99), "logarithmic")):
        for signed in (False, True):
            assert words in scale_of(values, "", signed=signed).words
    assert scale_of(np.geomspace(1e-4, 1.0, 99), "", signed=False).labels == ("10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰")


BAD = {
    "no blocks": (made(np.empty((0, 3)), 3), {}, "result must have at least one block, got none"),
    "not finite": (replace(made(cloud(2)), field=np.full((2, 6), np.nan)), {}, "result.field must be finite"),
    "shapes": (replace(made(cloud(2)), field=np.zeros((2, 3))), {}, "result.field and result.energies must be of"),
    "rows": (replace(made(cloud(2)), moments=np.zeros((3, 6))), {}, r"result.moments must have shape \(2, 6\) or"),
    "places": (replace(made(cloud(2)), positions=np.zeros((2, 2))), {}, r"result.positions must have shape \(N, 3\)"),
    "lattice": (made(lattice(2, 2, 2), lattice={"shape": 5}), {}, r"result.inputs\['lattice'\] must describe"),
    "other lattice": (
        made(lattice(2, 2, 2), lattice={"shape": (9, 1, 1), "spacing": 1.0}), {},
        r"result.positions must have shape \(9, 3\), that of its lattice",
    ),
    "quantity": (made(cloud(2), 3), {"quantity": "strain"}, "quantity must be one of electric-field, field, energy, "),
    "density": (made(cloud(2)), {"quantity": "energy-density"}, "quantity must be one of strain, field, energy, mom"),
    "component": (made(cloud(2), 3), {"component": "xx"}, "component must be one of x, y, z, norm, got 'xx'"),
    "of energy": (made(cloud(2)), {"quantity": "energy", "component": "xx"}, "component must be None for energy"),
    "plane": (made(lattice(2, 2, 2)), {"plane": ("z", 2)}, "plane must be one of z = 0 to 1, got 2"),
    "plane below": (made(lattice(2, 2, 2)), {"plane": ("z", -1)}, "plane must be one of z = 0 to 1, got -1"),
    "no plane": (made(cloud(2)), {"plane": ("z", 2)}, "plane belongs to a lattice"),
    "no slab": (made(lattice(2, 2, 2)), {"slab": ("z", 0.0, 1.0)}, "slab belongs to blocks on no lattice"),
    "empty slab": (made(cloud(2)), {"slab": ("z", 1.0, 2.0)}, "slab must have blocks in it, got none with z from 1 to"),
}  # fmt: skip


@pytest.mark.parametrize(("result", "options", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_drawn(result, options, words):
    with pytest.raises(ValueError, match=words):
        field_figure(result, **options)


def test_energies_that_have_no_density_in_doubles(tmp_path):
    lattice = mbfast.BlockLattice((2, 1, 1), 1e-9)
    result = mbfast.pair_sum(mbfast.DipoleInteraction(1.0), lattice, np.ones((2, 1, 1, 3)))
    large = replace(result, energies=np.full_like(result.energies, 1e290))
    with pytest.raises(ValueError, match="energies by volume must be finite, got inf"):
        field_figure(large)


def test_a_file_of_blocks_has_moments_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("two.csv").write_text("x,y,z,px,py,pz\n0,0,0,0,0,3e-30\n0,0,5e-9,0,4e-30,0\n", encoding="utf-8")
    assert isinstance(viewing.read_fields("two.csv"), BlockData)
    done = invoke("two.csv")
    place = "(0, 0, 5e-09) m, written to two-view.png"
    assert done.output == f"2 blocks, norm of the moments: largest 4e-30 C m at block 1, {place}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["two-view.caption.txt", "two-view.png", "two.csv"]
    assert "quantity must be one of moments, got 'field'" in invoke("two.csv", "--quantity", "field").stderr


def test_the_command_draws_what_the_function_draws(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = made(lattice(4, 5, 6))
    result.save("sum.npz")
    block = np.unravel_index(np.abs(result.field[..., 0]).argmax(), result.field.shape[:3])
    done = invoke("sum.npz", "--component", "xx", "--plane", "y=2", "--output", "new/x.svg")
    largest = f"{2.0 * result.field[block][0]:.4g} at block {tuple(map(int, block))}, "
    assert done.output.startswith(f"120 blocks, component xx of the strain: largest {largest}")
    assert done.output.count("\n") == 1
    figure = field_figure(mbfast.PairResult.load("sum.npz"), component="xx", plane=("y", 2))
    mbfast.plotting.save_figure(figure, "own.svg")
    assert Path("new/x.svg").read_bytes() == Path("own.svg").read_bytes()
    assert Path("new/x.caption.txt").read_text(encoding="utf-8") == f"{caption_of(figure)}\n"


def test_a_loaded_sum_knows_its_lattice(tmp_path):
    mbfast.pair_sum(SILICA, lattice(2, 1, 1), np.ones((2, 1, 1, 6))).save(tmp_path / "sum")
    assert mbfast.PairResult.load(tmp_path / "sum").lattice == lattice(2, 1, 1)
    assert viewing.read_fields(tmp_path / "sum").lattice == lattice(2, 1, 1)
    assert made(cloud(2)).lattice is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.npz",), "none.npz: No such file or directory"),
        (("other.npz",), "other.npz: a saved pair-sum of mbfast is wanted, got 'mbfast flow 1'"),
        (("torn.npz",), "torn.npz: not a NumPy archive of numbers"),
        (("sum.txt",), "sum.txt: an .npz, .npy, .csv, .xyz or .extxyz file is wanted"),
        (("sum.npz", "--plane", "w=1"), "--plane: an axis and its numbers are wanted, such as z=3, got 'w=1'"),
        (("sum.npz", "--plane", "z=1.5"), "--plane: an axis and its numbers are wanted, such as z=3, got 'z=1.5'"),
        (
            ("sum.npz", "--slab", "z=1:b"),
            "--slab: an axis and its numbers are wanted, such as z=1e-8:2e-8, got 'z=1:b'",
        ),
        (("sum.npz", "--plane", "z=7"), "sum.npz: plane must be one of z = 0 to 2, got 7"),
        (("sum.npz", "--slab", "z=0:1"), "sum.npz: slab belongs to blocks on no lattice"),
        (("sum.npz", "--quantity", "charge"), "sum.npz: quantity must be one of strain, field, energy, energy-density"),
        (("sum.npz", "--component", "x"), "sum.npz: component must be one of xx, yy, zz, yz, xz, xy, norm, von-mises"),
        (("sum.npz", "--output", "sum.npz"), "a figure is wanted as .png, .pdf or .svg"),
        (("sum.npz", "--vtk", "sum.npz"), "sum.npz: the output would replace the input"),
        (("sum.npz", "--vtk", "sum.vtp"), "file must end in .vti for a lattice, got 'sum.vtp'"),
        (("sum.npz", "--output", "torn.npz/x.png"), "torn.npz is no folder"),
    ],
)
def test_bad_input_is_one_line_exit_2_and_nothing_written(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    made(lattice(3, 3, 3)).save("sum.npz")
    Path("torn.npz").write_bytes(Path("sum.npz").read_bytes()[:900])
    Path("sum.txt").touch()
    np.savez("other.npz", format="mbfast flow 1")
    before = sorted(tmp_path.iterdir())
    done = invoke(*arguments)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("mbfast view: ")
    assert message in done.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("arguments", [("--window",), ("--vtk", "sum.vti")])
def test_without_pyvista_it_says_what_to_install(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    made(lattice(2, 2, 2)).save("sum.npz")
    monkeypatch.setitem(sys.modules, "pyvista", None)
    done = invoke("sum.npz", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "mbfast view: windows and files of VTK need pyvista: pip install 'mbfast[view]'\n"
    assert [path.name for path in tmp_path.iterdir()] == ["sum.npz"]
