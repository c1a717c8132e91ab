"""Blocks from files, and the command that sums over them."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from materials import SILICA, full
from typer.testing import CliRunner

import mbfast
from mbfast.cli import app
from mbfast.files.blocks import read_blocks
from mbfast.pairs import sums as pair_sums

VACUUM = mbfast.DipoleInteraction(8.8541878128e-12)
MEDIUM = {3: ("--permittivity", 8.8541878128e-12), 6: ("--glass", "a-SiO2")}
DIPOLE, STRESS = ("px", "py", "pz"), ("xx", "yy", "zz", "yz", "xz", "xy")
N = 12
XYZ = '1\nProperties=species:S:1:pos:R:3:moments:R:3 pbc="{pbc}"\nX 0 0 0 0 0 1e-30\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*arguments):
    return CliRunner().invoke(app, ["pairsum", *map(str, arguments)])


def sample(columns, n=N):
    rng = np.random.default_rng(columns)
    return 5e-8 * rng.random((n, 3)), (1.6e-19 if columns == 6 else 3e-30) * rng.normal(size=(n, columns))


def save(file, positions, moments, cell=None):
    """Write a file of whatever kind its name says."""
    table = np.hstack([positions, moments])
    if file.endswith(".npz"):
        np.savez(file, positions=positions, moments=moments, **({} if cell is None else {"cell": cell}))
    elif file.endswith(".npy"):
        np.save(file, table)
    elif file.endswith(".csv"):
        names = ["x", "y", "z", *(DIPOLE if moments.shape[1] == 3 else STRESS)]
        order = np.random.default_rng(0).permutation(len(names))
        lines = [" , ".join(names[i] for i in order)]
        lines += [",".join(repr(float(row[i])) for i in order) for row in table]
        Path(file).write_text("\ufeff" + "\n".join(lines) + "\n\n", encoding="utf-8")
    else:
        lattice = " ".join(repr(float(x)) for x in np.ravel(cell if cell is not None else np.zeros(9)) / 1e-10)
        periodic = f'Lattice="{lattice}" pbc="T T T"' if cell is not None else 'pbc="F F F"'
        lines = [str(len(table)), f"Properties=species:S:1:pos:R:3:moments:R:{moments.shape[1]} {periodic}"]
        table[:, :3] /= 1e-10
        lines += [" ".join(["H", *(repr(float(x)) for x in row)]) for row in table]
        Path(file).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("columns", [3, 6])
@pytest.mark.parametrize("kind", ["npz", "npy", "csv"])
def test_arrays_and_tables_round_trip_to_the_bit(kind, columns):
    positions, moments = sample(columns)
    save(f"blocks.{kind}", positions, moments)
    data = read_blocks(f"blocks.{kind}")
    assert np.array_equal(data.positions, positions)
    assert np.array_equal(data.moments, moments)
    assert (data.cell, data.n_blocks, data.columns) == (None, N, columns)


@pytest.mark.parametrize("columns", [3, 6, 9])
@pytest.mark.parametrize("cell", [None, np.diag([6e-8, 7e-8, 8e-8])])
def test_extended_xyz_is_in_angstrom(columns, cell):
    positions, moments = sample(min(columns, 6))
    if columns == 9:
        moments = full(moments)
    save("at@blocks.xyz", positions, moments.reshape(N, columns), cell)
    data = read_blocks("at@blocks.xyz")
    np.testing.assert_allclose(data.positions, positions, rtol=1e-15)  # there and back
    assert np.array_equal(data.moments, moments)
    assert data.columns == columns
    if cell is None:
        assert data.cell is None
    else:
        np.testing.assert_allclose(data.cell, cell, rtol=1e-15)


def test_moments_of_extended_xyz_are_in_si_units():
    text = '1\nLattice="10 0 0 0 10 0 0 0 10" Properties=species:S:1:pos:R:3:moments:R:9 pbc="F F F"\n'
    Path("one.extxyz").write_text(text + "X 1 2 3 1e-19 4e-19 5e-19 4e-19 2e-19 6e-19 5e-19 6e-19 3e-19\n", "utf-8")
    data = read_blocks("one.extxyz")
    assert np.array_equal(data.moments, 1e-19 * np.array([[[1.0, 4, 5], [4, 2, 6], [5, 6, 3]]]))
    np.testing.assert_allclose(data.positions, [[1e-10, 2e-10, 3e-10]], rtol=1e-15)
    assert data.cell is None


@pytest.mark.parametrize("averaged", [None, False, True])
@pytest.mark.parametrize("trailing", [(3,), (6,), (3, 3)])
def test_a_lattice(averaged, trailing):
    moments = np.random.default_rng(1).normal(size=(2, 3, 4, *trailing))
    more = {} if averaged is None else {"averaged": averaged}
    np.savez("lattice.npz", shape=(2, 3, 4), spacing=5e-9, moments=moments, other="text", **more)
    data = read_blocks("lattice.npz")
    assert data.blocks == mbfast.BlockLattice((2, 3, 4), 5e-9, averaged=bool(averaged))
    assert np.array_equal(data.moments, moments)
    assert np.array_equal(data.positions, data.blocks.positions)
    assert (data.n_blocks, data.columns) == (24, math.prod(trailing))


@pytest.mark.parametrize("columns", [3, 6])
@pytest.mark.parametrize("kind", ["npz", "npy", "csv", "xyz"])
def test_the_command_writes_what_the_api_returns(kind, columns):
    save(f"blocks.{kind}", *sample(columns))
    result = command(f"blocks.{kind}", *MEDIUM[columns])
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    assert sorted(path.name for path in Path().iterdir()) == ["blocks-fields.npz", f"blocks.{kind}"]
    data, interaction = read_blocks(f"blocks.{kind}"), SILICA if columns == 6 else VACUUM
    with np.load("blocks-fields.npz") as out:
        field = mbfast.pair_field(interaction, data.blocks, data.moments)
        assert np.array_equal(out["field"], field)
        assert np.array_equal(out["positions"], data.positions)
        assert np.array_equal(out["moments"], data.moments)
        # energies cancel: rounding is relative to the sum of their magnitudes
        size = 1e-13 * np.abs(out["energies"]).sum()
        assert out["energies"].shape == (N,)
        assert out["energy"] == math.fsum(out["energies"])
        energy = float(out["energy"])
        assert energy == pytest.approx(mbfast.pair_energy(interaction, data.blocks, data.moments), rel=0, abs=size)
    loaded = mbfast.PairResult.load("blocks-fields.npz")
    assert np.array_equal(loaded.field, field)
    assert (loaded.energy, loaded.method, loaded.inputs["file"]) == (energy, "direct", f"blocks.{kind}")
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"{N} blocks, open: {energy:.6e} J by direct (rtol 1e-13, error of the field ")
    assert line.endswith(" s, written to blocks-fields.npz")


def test_the_parameters_of_a_run():
    save("blocks.npz", *sample(6), cell=[6e-8, 7e-8, 8e-8])
    medium = ("--density", 2500, "--c-l", 6e3, "--c-t", 3e3, "--form", "joffrin-levelut")
    options = (
        "--method",
        "direct",
        "--images",
        1,
        "--image-shape",
        "spherical",
        "--threads",
        1,
        "--output",
        "new/o.npz",
    )
    assert command("blocks.npz", *medium, *options, "--quiet").exit_code == 0
    with np.load("new/o.npz") as out:
        assert json.loads(str(out["inputs"])) == {
            "version": mbfast.__version__,
            "file": "blocks.npz",
            "interaction": repr(mbfast.StressInteraction(2500, 6e3, 3e3, form="joffrin-levelut")),
            "method": "direct",
            "boundary": "periodic",
            "cell": [6e-8, 7e-8, 8e-8],
            "images": 1,
            "image_shape": "spherical",
            "macroscopic": None,
            "self_field": False,
            "rtol": None,
            "threads": 1,
            "lattice": None,
            "material": {"glass": None, "density": 2500.0, "c_l": 6e3, "c_t": 3e3, "form": "joffrin-levelut"},
        }
        assert (str(out["method"]), float(out["rtol"])) == ("direct", 1e-13)
        assert 0 < float(out["error"]) < 1e-12 * np.abs(out["field"]).max()
        material = mbfast.StressInteraction(2500, 6e3, 3e3, form="joffrin-levelut")
        positions, moments = sample(6)
        sums = {"boundary": "periodic", "cell": [6e-8, 7e-8, 8e-8], "images": 1, "image_shape": "spherical"}
        field = mbfast.pair_field(material, positions, moments, method="direct", **sums)
        assert np.array_equal(out["field"], field)


@pytest.mark.compiled
@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("method", ["direct", "fft"])
def test_a_lattice_through_the_command(method, averaged):
    moments = np.random.default_rng(3).normal(size=(2, 3, 2, 3, 3))
    moments = 1e-19 * (moments + moments.swapaxes(-1, -2))
    np.savez("lattice.npz", shape=(2, 3, 2), spacing=5e-9, averaged=averaged, moments=moments)
    result = command("lattice.npz", "--glass", "a-SiO2", "--method", method, *["--self-field"] * averaged)
    assert result.exit_code == 0, result.stderr
    lattice = mbfast.BlockLattice((2, 3, 2), 5e-9, averaged=averaged)
    with np.load("lattice-fields.npz") as out:
        field = mbfast.pair_field(SILICA, lattice, moments, method=method, self_field=averaged)
        assert np.array_equal(out["field"], field)
        assert np.array_equal(out["positions"], lattice.positions)
        assert out["energies"].shape == (12,)
        parameters = json.loads(str(out["inputs"]))
    assert parameters["lattice"] == {"shape": [2, 3, 2], "spacing": 5e-9, "averaged": averaged}
    assert parameters["self_field"] is averaged
    silica = {"glass": "a-SiO2", "density": 2200.0, "c_l": 5800.0, "c_t": 3800.0, "form": "corrected"}
    assert parameters["material"] == silica


@pytest.mark.compiled
@pytest.mark.parametrize(("columns", "held"), [(3, "vacuum"), (6, "stress-free"), (6, "1e9,0,-2e9,3e8,0,0")])
def test_periodic_ewald_sums(columns, held):
    positions, moments = sample(columns, 200)
    save("blocks.csv", positions, moments)
    save("blocks.xyz", positions, moments, np.diag([6e-8, 7e-8, 8e-8]))
    save("blocks.npz", positions, moments, [6e-8, 7e-8, 8e-8])
    macroscopic = [float(number) for number in held.split(",")] if "," in held else held
    options = (*MEDIUM[columns], "--method", "ewald", "--macroscopic", held, "--rtol", 1e-8)
    interaction = SILICA if columns == 6 else VACUUM
    sums = {"method": "ewald", "boundary": "periodic", "cell": [6e-8, 7e-8, 8e-8], "macroscopic": macroscopic}
    wanted = mbfast.pair_field(interaction, positions, moments, rtol=1e-8, **sums)
    given = ("--cell", "6e-8,7e-8,8e-8")
    for file, cell in (("blocks.csv", given), ("blocks.npz", ()), ("blocks.xyz", ()), ("blocks.xyz", given)):
        result = command(file, *options, *cell)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith("200 blocks, periodic: ")
        with np.load("blocks-fields.npz") as out:
            inputs = json.loads(str(out["inputs"]))
            assert (inputs["rtol"], inputs["macroscopic"]) == (1e-8, macroscopic)
            # in angstrom positions are rounded once more: eps of the cell, below 1e-12 of the closest pair's distance
            np.testing.assert_allclose(out["field"], wanted, rtol=0, atol=1e-11 * np.abs(wanted).max())


def test_open_boundaries_leave_the_cell_of_the_file():
    save("blocks.npz", *sample(3), cell=[6e-8, 7e-8, 8e-8])
    assert command("blocks.npz", *MEDIUM[3], "--boundary", "open").stdout.startswith("12 blocks, open: ")
    with np.load("blocks-fields.npz") as out:
        assert np.array_equal(out["field"], mbfast.pair_field(VACUUM, *sample(3)))
        assert json.loads(str(out["inputs"]))["cell"] is None


def test_only_what_was_given_is_passed_on_and_quiet_draws_nothing(monkeypatch):
    calls = []

    original = pair_sums.pair_sum

    def pair_sum(interaction, blocks, moments, **arguments):
        calls.append(arguments)
        return original(interaction, blocks, moments)

    monkeypatch.setattr(pair_sums, "pair_sum", pair_sum)
    save("blocks.npy", *sample(3))
    command("blocks.npy", *MEDIUM[3])
    command("blocks.npy", *MEDIUM[3], "--quiet", "--rtol", 1e-3)
    assert calls == [
        {"method": "auto", "boundary": "open", "progress": True},
        {"method": "auto", "boundary": "open", "progress": False, "rtol": 1e-3},
    ]


def test_what_does_not_fit_into_memory_is_refused(monkeypatch):
    def pair_sum(*arguments, **options):
        raise MemoryError("method='fft' needs 9 GB, and 1 GB is free")

    monkeypatch.setattr(pair_sums, "pair_sum", pair_sum)
    save("blocks.npy", *sample(3))
    refused(("blocks.npy", *MEDIUM[3]), "method='fft' needs 9 GB, and 1 GB is free")


def test_a_bar_on_a_terminal(monkeypatch):
    save("blocks.npy", *sample(3))
    assert command("blocks.npy", *MEDIUM[3]).stderr == ""
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, as rich sees it
    monkeypatch.setenv("TERM", "xterm")  # one that can draw
    result = command("blocks.npy", *MEDIUM[3])
    assert "field" in result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert command("blocks.npy", *MEDIUM[3], "--quiet").stderr == ""


def test_a_density_that_the_table_lacks():
    save("blocks.npy", *sample(6))
    assert "--density is wanted, as that of V52 is not known" in command("blocks.npy", "--glass", "V52").stderr
    assert command("blocks.npy", "--glass", "V52", "--density", 4800).exit_code == 0
    with np.load("blocks-fields.npz") as out:
        assert json.loads(str(out["inputs"]))["material"]["density"] == 4800.0


def test_no_blocks():
    Path("none.csv").write_text("x,y,z,px,py,pz\n", encoding="utf-8")
    assert command("none.csv", *MEDIUM[3]).stdout.startswith("0 blocks, open: 0.000000e+00 J by direct")


ONE, ROW = np.zeros((1, 3)), np.ones((1, 6))
LATTICE = {"shape": (1, 1, 1), "spacing": 5e-9, "moments": np.zeros((1, 1, 1, 6))}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"moments": ROW}, "x.npz: positions is missing; wanted are positions, or shape and spacing, and moments"),
        ({"positions": ONE}, "x.npz: moments is missing; wanted are positions"),
        ({"shape": (1, 1, 1), "moments": ROW}, "x.npz: spacing is missing; wanted are positions"),
        ({"averaged": True, "spacing": 1.0, "moments": ROW}, "x.npz: shape is missing; wanted are positions"),
        ({"positions": ONE, **LATTICE}, "x.npz: positions or a lattice are wanted, got positions and shape, spacing"),
        ({**LATTICE, "cell": (1, 1, 1)}, "x.npz: cell is known for a lattice, got one"),
        ({"positions": np.zeros((1, 2)), "moments": ROW}, "x.npz: positions must have shape (N, 3), got (1, 2)"),
        (
            {"positions": ONE, "moments": np.ones((2, 6))},
            "x.npz: moments must have shape (1, 6) or (1, 3, 3) or (1, 3), got (2, 6)",
        ),
        (
            {**LATTICE, "moments": ROW},
            "x.npz: moments must have shape (1, 1, 1, 6) or (1, 1, 1, 3, 3) or (1, 1, 1, 3), got (1, 6)",
        ),
        ({"positions": np.array([["a"] * 3]), "moments": ROW}, "x.npz: positions must consist of real numbers"),
        ({"positions": ONE, "moments": 1j * ROW}, "x.npz: moments must consist of real numbers, got dtype complex128"),
        ({"positions": ONE, "moments": np.array([[None] * 6])}, "x.npz: not a NumPy archive of numbers (Object arrays"),
        ({**LATTICE, "shape": (1, 1)}, "x.npz: shape must be three whole numbers of blocks, got [1, 1]"),
        ({**LATTICE, "shape": 1}, "x.npz: shape must be three whole numbers of blocks, got 1"),
        ({**LATTICE, "shape": (1, 1, 1.5)}, "x.npz: shape must be three whole numbers of blocks, got [1.0, 1.0, 1.5]"),
        ({**LATTICE, "spacing": -1.0}, "x.npz: spacing must be positive"),
        ({**LATTICE, "spacing": (1.0, 2.0)}, "x.npz: spacing must be one number, got an array of shape (2,)"),
        ({**LATTICE, "averaged": 2}, "x.npz: averaged must be True or False, got 2"),
    ],
)
def test_bad_archives(arrays, words):
    np.savez("x.npz", **arrays)
    refused(("x.npz", "--glass", "a-SiO2"), words)


def damaged():
    save("whole.npz", *sample(6))
    whole = Path("whole.npz").read_bytes()
    Path("whole.npz").unlink()
    return whole[: len(whole) // 2]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.txt", "", "x.txt: an .npz, .npy, .csv, .xyz or .extxyz file is wanted"),
        ("x.npz", "nonsense", "x.npz: not a NumPy archive of numbers ("),
        ("x.npz", "", "x.npz: not a NumPy archive of numbers (File is not a zip file)"),
        ("x.npz", "PK\3\4nonsense", "x.npz: not a NumPy archive of numbers (File is not a zip file)"),
        ("x.npz", damaged, "x.npz: not a NumPy archive of numbers (File is not a zip file)"),
        ("x.npz", np.zeros((1, 6)), "x.npz: not a NumPy archive of numbers ("),
        ("x.npy", "nonsense", "x.npy: not a NumPy array of numbers ("),
        ("x.npy", "", "x.npy: not a NumPy array of numbers ("),
        ("x.npy", np.array([[None] * 6]), "x.npy: not a NumPy array of numbers (Object arrays"),
        ("x.npy", np.array([["a"] * 6]), "x.npy: not a NumPy array of numbers (the array must consist of real"),
        (
            "x.npy",
            np.zeros((1, 7)),
            "x.npy: 6 or 9 columns are wanted, x, y, z and either px, py, pz or xx, yy, zz, yz",
        ),
        ("x.npy", np.zeros(6), "got shape (6,)"),
        ("x.csv", "", "x.csv: row 1: column x is missing; wanted are x, y, z and either px, py, pz or xx, yy, zz"),
        ("x.csv", "x,y,z,px,py\n", "x.csv: row 1: column pz is missing; wanted are"),
        ("x.csv", "x,y,z,px,py,pz,xx\n", "x.csv: row 1: unknown column 'xx'; wanted are"),
        ("x.csv", "x,y,z,px,py,pz,x\n", "x.csv: row 1: column x stands there twice"),
        ("x.csv", "x,y,z,px,py,pz\n1,2,3,4,5,6\n1,2\n", "x.csv: row 3: 6 cells are wanted, as in the header, got 2"),
        ("x.csv", "x,y,z,px,py,pz\n\n1,2,3,4,,6\n", "x.csv: row 3, column py: a finite number is wanted, got ''"),
        ("x.csv", "x,y,z,px,py,pz\n1,2,3,1_0,5,6\n", "x.csv: row 2, column px: a finite number is wanted, got '1_0'"),
        ("x.csv", "x,y,z,px,py,pz\n1,2,nan,4,5,6\n", "x.csv: row 2, column z: a finite number is wanted, got 'nan'"),
        ("x.csv", "x,y,z,px,py,pz\n1,٢,3,4,5,6\n", "x.csv: row 2, column y: a finite number is wanted, got '٢'"),
        ("x.csv", 'x,y,z,px,py,pz\n1,2,3,4,5,"6\n', "x.csv: row 2: unexpected end of data"),
        ("x.csv", lambda: b"x,y,z\n\xff", "x.csv: not a UTF-8 text file (invalid start byte at byte 6)"),
        ("x.xyz", "nonsense\n", "x.xyz: row 1: a number of blocks is wanted, got 'nonsense'"),
        ("x.xyz", "", "x.xyz: row 1: a number of blocks is wanted, got ''"),
        ("x.xyz", "-1\n\n", "x.xyz: row 1: a number of blocks is wanted, got '-1'"),
        ("x.xyz", XYZ.format(pbc="F F F").replace("1e-30", "0"), "x.xyz: moments are all zero: in SI units they"),
        ("x.xyz", lambda: b"\xff\xfe", "x.xyz: not a UTF-8 text file ("),
        ("x.xyz", 2 * XYZ.format(pbc="F F F"), "x.xyz: one frame is wanted, of the 1 blocks that row 1 announces, got"),
        ("x.xyz", "1\n\nH 0 0 0\n", "x.xyz: row 2: pos of 3 columns and moments of 3, 6 or 9 are wanted in Prop"),
        ("x.xyz", XYZ.format(pbc="T T F"), "x.xyz: row 2: pbc must be true along all three axes or along none, got 'T"),
        ("x.xyz", XYZ.format(pbc="yes"), "x.xyz: row 2: pbc must be true along all three axes or along none, got 'yes"),
        ("x.xyz", XYZ.format(pbc="T T T"), "x.xyz: row 2: Lattice must be 9 numbers where pbc is true, got ''"),
        ("x.xyz", XYZ.format(pbc='T" Lattice="1 0 0 0 1 0 0 0 x'), "x.xyz: row 2, column Lattice_9: a finite number"),
        ("x.xyz", "1\nProperties=pos:R:3:moments:R\n", "x.xyz: row 2: Properties must be name:type:columns, repeated"),
        ("x.xyz", "1\nProperties=pos:R:3:moments:R:-3\n", "x.xyz: row 2: Properties must be name:type:columns, rep"),
        ("x.xyz", "1\nProperties=pos:R:3:pos:R:3:moments:R:3\n0 0 0 0 0 0 0 0 1\n", "column pos_1 stands there twice"),
        ("x.xyz", XYZ.format(pbc="F") + "X 1 1 1 1 1 1\n", "announces, got more"),
        ("x.xyz", XYZ.format(pbc="F").replace("X 0", "X"), "x.xyz: row 3: 7 cells are wanted, as in the header, got 6"),
        ("x.xyz", XYZ.format(pbc="F").replace("X", "X 1"), "x.xyz: row 3: 7 cells are wanted, as in the header, got 8"),
        ("x.xyz", XYZ.format(pbc="F").replace("X 0", "X 1_0"), "x.xyz: row 3, column pos_1: a finite number is wanted"),
        (
            *("x.xyz", "1\nProperties=species:S:1:pos:R:3:moments:R:2\nX 0 0 0 1 1\n"),
            "x.xyz: row 2: pos of 3 columns and moments of 3, 6 or 9 are wanted in Properties, got species (1), pos ",
        ),
        (
            *("x.xyz", "1\nProperties=species:S:1:pos:R:3:moments:S:3\nX 0 0 0 a b c\n"),
            "x.xyz: row 3, column moments_1: a finite number is wanted, got 'a'",
        ),
    ],
)
def test_bad_files(name, content, words):
    if callable(content):
        Path(name).write_bytes(content())
    elif isinstance(content, str):
        Path(name).write_text(content, encoding="utf-8")
    else:
        with Path(name).open("wb") as stream:
            np.save(stream, content)
    refused((name, *MEDIUM[3]), words)


OF_STRESS = "blocks.npz: moments of 6 numbers are stress: --glass or all of --density, --c-l and --c-t are wanted, got "
OF_DIPOLES = "dipoles.npz: moments of 3 numbers are dipoles: --permittivity is wanted, and no other medium, got "


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.npz", *MEDIUM[6]), "none.npz: No such file or directory"),
        (("none.npy", *MEDIUM[6]), "none.npy: No such file or directory"),
        (("none.csv", *MEDIUM[6]), "none.csv: No such file or directory"),
        (("none.xyz", *MEDIUM[6]), "none.xyz: No such file or directory"),
        (("blocks.npz",), OF_STRESS + "neither"),
        (("blocks.npz", *MEDIUM[3]), OF_STRESS + "--permittivity"),
        (("blocks.npz", *MEDIUM[6], *MEDIUM[3]), OF_STRESS + "--glass, --permittivity"),
        (("blocks.npz", *MEDIUM[6], "--c-l", 1), OF_STRESS + "--glass, --c-l"),
        (("blocks.npz", "--density", 1, "--c-t", 1), OF_STRESS + "--density, --c-t"),
        (("blocks.npz", "--density", 1, "--c-t", 1, "--c-l", -1), "c_l must be"),
        (("blocks.npz", *MEDIUM[6], "--form", "own"), "form must be one of corrected, joffrin-levelut, got 'own'"),
        (("blocks.npz", "--glass", "quartz"), "unknown glass 'quartz'"),
        (("dipoles.npz",), OF_DIPOLES + "neither"),
        (("dipoles.npz", *MEDIUM[6]), OF_DIPOLES + "--glass"),
        (("dipoles.npz", *MEDIUM[3], "--form", "corrected"), OF_DIPOLES + "--form, --permittivity"),
        (("dipoles.npz", "--permittivity", 0), "permittivity must be"),
        (
            ("blocks.npz", *MEDIUM[6], "--method", "guess"),
            "method must be one of auto, direct, fft, ewald, got 'guess'",
        ),
        (
            ("blocks.npz", *MEDIUM[6], "--method", "fft"),
            "blocks must be a BlockLattice for method='fft', got positions",
        ),
        (("blocks.npz", *MEDIUM[6], "--boundary", "torus"), "boundary must be one of open, periodic, got 'torus'"),
        (("blocks.npz", *MEDIUM[6], "--boundary", "periodic", "--method", "ewald"), "cell must be given"),
        (("blocks.npz", *MEDIUM[6], "--boundary", "open", "--cell", "1,1,1"), "cell "),
        (
            ("blocks.npz", *MEDIUM[6], "--cell", "1,1"),
            "--cell: three positive lengths a,b,c in m are wanted, got '1,1'",
        ),
        (("blocks.npz", *MEDIUM[6], "--cell", "1,1,a"), "--cell: three positive lengths a,b,c in m are wanted"),
        (
            ("blocks.npz", *MEDIUM[6], "--cell", "1,1,1", "--macroscopic", "1,2"),
            "--macroscopic: six components xx,yy,zz",
        ),
        (("blocks.npz", *MEDIUM[6], "--cell", "1,1,nan"), "--cell: three positive lengths a,b,c in m are wanted"),
        (("blocks.npz", *MEDIUM[6], "--method", "ewald", "--rtol", 1), "rtol must be from 1e-12"),
        (("blocks.npz", *MEDIUM[6], "--threads", 0), "threads must be at least 1, got 0"),
        (("bad.npz", *MEDIUM[6], "--method", "direct"), "moments must be finite"),
        (("bad.npz", *MEDIUM[6], "--method", "ewald"), "moments must be finite"),
        (("twice.npz", *MEDIUM[6]), "blocks 0 and 1 coincide"),
        (("blocks.npz", *MEDIUM[6], "--output", "blocks.npz"), "blocks.npz: the output would replace the input"),
        (("blocks.npz", *MEDIUM[6], "--output", "link.npz"), "link.npz: the output would replace the input"),
        (("blocks.npz", *MEDIUM[6], "--output", "."), "a file is wanted, this is a folder"),
        (("blocks.npz", *MEDIUM[6], "--output", "blocks.npz/o.npz"), "cannot be written"),
    ],
)
def test_bad_arguments(arguments, words):
    save("blocks.npz", *sample(6))
    save("dipoles.npz", *sample(3))
    save("bad.npz", np.eye(3), np.array([[1.0], [np.inf], [1.0]]) * np.ones((3, 6)))
    save("twice.npz", np.zeros((2, 3)), np.ones((2, 6)))
    Path("link.npz").symlink_to("blocks.npz")
    refused(arguments, words)


def refused(arguments, words):
    """Check for one line on stderr, exit code 2, and all files as they were."""
    before = {path: path.read_bytes() for path in Path().iterdir()}
    result = command(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert result.stderr.startswith("mbfast pairsum: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


XYZ_OF_3 = '3\nProperties=species:S:1:pos:R:3:moments:R:3:note:S:1 pbc="F F F"\n' + "".join(
    f"{species} {i} 0 0 0 0 {i + 1}e-30 x\n" for i, species in enumerate(("H", "block", "Xx1D2"))
)


def test_species_are_any_words():
    Path("any.xyz").write_text(XYZ_OF_3, encoding="utf-8")
    data = read_blocks("any.xyz")
    np.testing.assert_allclose(data.positions, np.outer([0, 1e-10, 2e-10], [1, 0, 0]), rtol=1e-15)
    assert np.array_equal(data.moments, np.outer([1e-30, 2e-30, 3e-30], [0, 0, 1]))


@pytest.mark.parametrize("columns", [3, 6, 9])
@pytest.mark.parametrize("periodic", [False, True])
def test_what_ase_writes_is_read_as_ase_reads_it(columns, periodic):
    ase, io = pytest.importorskip("ase"), pytest.importorskip("ase.io")
    rng = np.random.default_rng(columns)
    atoms = ase.Atoms("HOX2", rng.normal(size=(4, 3)), cell=np.eye(3) + rng.random((3, 3)), pbc=periodic)
    atoms.new_array("moments", rng.normal(size=(4, columns)))
    atoms.info |= {"note": "a 'b' c", "number": 3}
    io.write("ase.extxyz", atoms)
    data, atoms = read_blocks("ase.extxyz"), io.read("ase.extxyz")
    np.testing.assert_allclose(data.positions, 1e-10 * atoms.positions, rtol=1e-15)
    assert np.array_equal(data.moments.reshape(4, columns), atoms.arrays["moments"])
    assert (data.cell is None) is not periodic
    if periodic:
        np.testing.assert_allclose(data.cell, 1e-10 * atoms.cell.array, rtol=1e-15)


@pytest.mark.parametrize("number", ["99999999999", "4", "2"])
def test_a_frame_has_the_blocks_that_it_announces(number):
    Path("many.xyz").write_text(XYZ_OF_3.replace("3", number, 1), encoding="utf-8")
    got = "more" if number == "2" else "3"
    words = rf"many.xyz: one frame is wanted, of the {number} blocks that row 1 announces, got {got}"
    with pytest.raises(ValueError, match=words):
        read_blocks("many.xyz")


@pytest.mark.parametrize("kind", ["npz", "npy", "csv", "xyz"])
def test_suffixes_in_capitals(kind):
    save(f"blocks.{kind}", *sample(3))
    Path(f"blocks.{kind}").rename(f"blocks.{kind.upper()}")
    assert read_blocks(f"blocks.{kind.upper()}").n_blocks == N


@pytest.mark.parametrize("kind", ["csv", "xyz"])
@pytest.mark.parametrize("letter", ["D", "d", "e"])
def test_marks_of_byte_order_and_exponents_of_fortran(kind, letter):
    positions, moments = sample(3)
    save(f"blocks.{kind}", positions, moments)
    text = Path(f"blocks.{kind}").read_text(encoding="utf-8-sig")
    Path(f"blocks.{kind}").write_text("\ufeff" + re.sub(r"(?<=\d)e(?=-\d)", letter, text), encoding="utf-8")
    data = read_blocks(f"blocks.{kind}")
    assert np.array_equal(data.moments, moments)


@pytest.mark.parametrize("header", ["{'descr': '<f8', 'fortran_order': False, 'shape': (", "[" * 5000, "1 +", "\x00"])
def test_damaged_headers_of_arrays(header):
    text = header.encode().ljust(5100) + b"\n"
    Path("damaged.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(48))
    with pytest.raises(ValueError, match=r"damaged.npy: not a NumPy array of numbers"):
        read_blocks("damaged.npy")
