"""Runs of the flow from TOML files, and the command that does them."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from materials import SILICA
from typer.testing import CliRunner

import mbfast
from mbfast.cli import app
from mbfast.files.flow import read_flow_config

pytestmark = pytest.mark.compiled

MATERIAL = '[material]\nglass = "a-SiO2"\n'
SPECTRUM = '[spectrum]\nkind = "constant"\nlongitudinal = -7e7\ntransverse = -3e7\nnodes = 128\n'


@pytest.fixture
def write(tmp_path):
    def written(text, name="run.toml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return written


def command(*arguments):
    return CliRunner().invoke(app, ["flow", *map(str, arguments)])


def test_a_file_is_the_flow_it_describes(write):
    text = MATERIAL + SPECTRUM + 'temperature = 2\n[flow]\nn0 = 3\nform = "derived"\nstart = 1e-9\nk_l = 0.5\n'
    run = read_flow_config(write(text)).run()
    omega = np.geomspace(1e5, 1e15, 128)
    spectrum = mbfast.Spectrum(omega, np.full(128, -7e7), np.full(128, -3e7), 2.0)
    other = mbfast.flow(spectrum, SILICA, n0=3, form="derived", start=1e-9, k_l=0.5)
    assert np.array_equal(run.longitudinal, other.longitudinal)
    assert np.array_equal(run.scales, other.scales)


def test_defaults_are_those_of_the_functions(write):
    values = read_flow_config(write(MATERIAL + SPECTRUM)).values["flow"]
    defaults = {name: p.default for name, p in inspect.signature(mbfast.flow).parameters.items()}
    assert values == {name: defaults[name] for name in ("start", "stop", "n0", "k_l", "k_t", "form", "linear")}
    of_rates = inspect.signature(mbfast.absorption_rates).parameters
    assert [of_rates[name].default for name in ("k_l", "k_t", "form")] == [values[n] for n in ("k_l", "k_t", "form")]


@pytest.mark.parametrize("kelvin", [0.0, 1.0])
def test_tunnelling_strengths(write, kelvin):
    # Im chi = (1 - exp(-x)) Im chi~ = -pi C rho c^2 tanh(x/2)
    text = (
        MATERIAL
        + f"""[spectrum]
kind = "tunnelling"
tunnelling_l = 3e-4
tunnelling_t = 2e-4
temperature = {kelvin}
nodes = 64
[flow]
stop = 5e-9
"""
    )
    run = read_flow_config(write(text)).run()
    spectrum = mbfast.Spectrum(run.omega, *run.final, kelvin)
    wanted = mbfast.ttls_susceptibility(run.omega, kelvin, 1.0, np.sqrt(2e-4 * 2200 * 3800**2), 1e30).imag
    np.testing.assert_allclose(spectrum.unreduced(run.omega).transverse, wanted, rtol=1e-12)


@pytest.mark.parametrize("kind", ["npz", "csv"])
def test_spectra_from_files(write, tmp_path, kind):
    omega = np.geomspace(1e6, 1e14, 40)
    of_l, of_t = -7e7 / (1 + omega / 1e13), -3e7 / (1 + omega / 1e13)
    if kind == "npz":
        np.savez(tmp_path / "s.npz", omega=omega, longitudinal=of_l, transverse=of_t, more="text")
    else:
        rows = [",".join([*map(repr, map(float, row)), "text"]) for row in zip(of_t, omega, of_l, strict=True)]
        write("transverse, omega, longitudinal, more\n" + "\n".join(rows) + "\n", "s.csv")
    run = read_flow_config(write(MATERIAL + f'[spectrum]\nkind = "file"\nfile = "s.{kind}"\n')).run()
    assert np.array_equal(run.longitudinal[0], of_l)
    assert np.array_equal(run.omega, omega)


def test_the_command_writes_arrays_and_figures(write, tmp_path):
    text = MATERIAL + SPECTRUM + '[output]\ndata = "new/out.npz"\nfigures = "figures"\n'
    result = command(write(text))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1].endswith(f"18 steps, written to {tmp_path / 'new/out.npz'}")
    with np.load(tmp_path / "new/out.npz") as arrays:
        run = read_flow_config(tmp_path / "run.toml").run()
        assert np.array_equal(arrays["transverse"], run.transverse)
        assert np.array_equal(arrays["interaction_longitudinal"], run.terms.interaction.longitudinal)
        assert str(arrays["config"]) == text
        assert str(arrays["status"]) == "done"
    loaded = mbfast.Flow.load(tmp_path / "new/out.npz")
    assert np.array_equal(loaded.transverse, run.transverse)
    assert loaded.inputs == run.inputs
    assert run.inputs["config"] == text
    drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
    names = ("ratio", "shares", "spectra")
    assert drawn == [f"{name}.{kind}" for name in names for kind in ("caption.txt", "pdf", "png", "svg")]


def test_a_flow_of_no_steps_has_its_figures(write, tmp_path, monkeypatch):
    monkeypatch.setattr("mbfast.plotting.style.KINDS", ("svg",))  # of all kinds above
    text = MATERIAL + SPECTRUM + '[flow]\nstop = 5e-9\n[output]\nfigures = "figures"\n'
    result = command(write(text))
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "figures/shares.svg").stat().st_size > 1000


def test_a_flow_that_diverges_says_so(write):
    text = MATERIAL + SPECTRUM.replace("7e7", "7e8").replace("3e7", "5e8")
    assert "it diverges: at " in command(write(text)).stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[flow\n", "run.toml: Expected ']' at the end of a table declaration (at line 1, column 6)"),
        ("x = 1\n", "run.toml: line 1: x: unknown; there are material, spectrum, flow, output"),
        ("flow = 1\n", "run.toml: line 1: flow: a section [flow] is wanted, got 1"),
        (
            MATERIAL + "colour = 1\n",
            "run.toml: line 3: material.colour: unknown key; there are glass, density, c_l, c_t",
        ),
        (MATERIAL + SPECTRUM + "[flow]\n\nn0 = '2'\n", "run.toml: line 10: flow.n0: a number is wanted, got '2'"),
        (MATERIAL + SPECTRUM + "[flow]\nlinear = 1\n", "line 9: flow.linear: true or false is wanted, got 1"),
        (MATERIAL + SPECTRUM.replace("128", "1.5"), "line 7: spectrum.nodes: a whole number is wanted, got 1.5"),
        (MATERIAL + SPECTRUM.replace("128", "1"), "line 7: spectrum.nodes: nodes must be from 2 to 100000, got 1"),
        (MATERIAL, "run.toml: spectrum.kind: one of constant, tunnelling, file is wanted"),
        (
            MATERIAL + "[spectrum]\nkind = 'flat'\n",
            "line 4: spectrum.kind: one of constant, tunnelling, file is wanted",
        ),
        (MATERIAL + "[spectrum]\nkind = 'constant'\n", "line 3: spectrum.longitudinal: wanted, beside longitudinal"),
        (MATERIAL + SPECTRUM + "file = 'x.npz'\n", "line 8: spectrum.file: not wanted here, beside kind = 'constant'"),
        (
            MATERIAL + "[spectrum]\nkind = 'file'\nfile = 'x.npz'\nnodes = 5\n",
            "line 6: spectrum.nodes: not wanted here",
        ),
        (
            MATERIAL + "c_l = 1.0\n" + SPECTRUM,
            "line 3: material.c_l: glass or all of density, c_l and c_t are wanted, got glass, c_l",
        ),
        (
            "[material]\nc_l = 1.0\n" + SPECTRUM,
            "line 1: material.density: glass or all of density, c_l and c_t are wanted, got c_l",
        ),
        ("[material]\nglass = 'glass'\n" + SPECTRUM, "line 2: material.glass: unknown glass 'glass'"),
        (
            "[material]\nglass = 'V52'\n" + SPECTRUM,
            "line 1: material.density: density is wanted, as that of V52 is not known",
        ),
        (
            MATERIAL + SPECTRUM.replace("-3e7", "3e7"),
            "line 3: spectrum: spectrum must have Im chi~ <= 0 (absorption), got",
        ),
        (MATERIAL + SPECTRUM + "[flow]\nn0 = 1\n", "line 9: flow.n0: n0 must be above 1"),
        (MATERIAL + SPECTRUM + "[flow]\nstop = 1e-9\n", "line 9: flow.stop: stop must not be below start"),
        (MATERIAL + SPECTRUM + "temperature = -1\n", "line 8: spectrum.temperature: temperature must not be negative"),
        (
            MATERIAL + SPECTRUM + "omega_min = 1e16\n",
            "line 8: spectrum.omega_min: omega_min must be positive and below",
        ),
        (MATERIAL + SPECTRUM + "omega_min = nan\n", "line 8: spectrum.omega_min: a finite number is wanted, got nan"),
        (
            MATERIAL + SPECTRUM + f"omega_c = 1{'0' * 400}\n",
            "line 8: spectrum.omega_c: a finite number is wanted, got a",
        ),
        (
            MATERIAL + SPECTRUM.replace("transverse = -3e7", '"transverse" = true'),
            "line 6: spectrum.transverse: a number",
        ),
        (MATERIAL + "[spectrum]\nkind = 'file'\nfile = 'damaged.npz'\n", "damaged.npz: not a NumPy archive of numbers"),
        (MATERIAL + "[spectrum]\nkind = 'file'\nfile = 'damaged.npz'\n", "run.toml: line 5: spectrum.file: "),
        ("[material]\nc_l = 1.0\ndensity = 1\nc_t = 2\n" + SPECTRUM, "line 2: material.c_l: c_l must not be below c_t"),
        (MATERIAL + "[spectrum]\nkind = 'file'\nfile = 'batch.npz'\n", "batch.npz: longitudinal must have shape (n,)"),
        (MATERIAL + "[spectrum]\nkind = 'file'\nfile = 'unsorted.csv'\n", "unsorted.csv: omega must be increasing"),
        (
            MATERIAL + SPECTRUM + "[output]\ndata = 'run.toml'\n",
            "run.toml: output.data must not be a file that is read",
        ),
        (
            MATERIAL + SPECTRUM + "[flow]\nform = 'own'\n",
            "line 9: flow.form: form must be one of printed, derived, derived-points, total-strain",
        ),
        (MATERIAL + "[spectrum]\nkind = 'file'\nfile = 'x.npz'\n", "x.npz: No such file or directory"),
        (MATERIAL + "[spectrum]\nkind = 'file'\nfile = 'x.txt'\n", "x.txt: an .npz or .csv file is wanted"),
        *(
            (MATERIAL + f"[spectrum]\nkind = 'file'\nfile = '{file}'\n", f"{file}: {words}")
            for file, words in {
                "word.csv": "row 3, column longitudinal: a finite number is wanted, got 'x'",
                "script.csv": "row 2, column transverse: a finite number is wanted, got '１'",
                "short.csv": "row 2: 3 cells are wanted, as in the header, got 2",
                "twice.csv": "row 1: column omega stands there twice",
                "few.csv": "row 1: column longitudinal is missing; wanted are omega, longitudinal, transverse",
                "few.npz": "longitudinal is missing; wanted are omega, longitudinal, transverse",
            }.items()
        ),
    ],
)
def test_bad_files_name_line_and_key_and_write_nothing(write, tmp_path, text, words):
    write("omega,longitudinal,transverse\n1,-1,-1\n2,x,-1\n", "word.csv")
    write("omega,longitudinal,transverse\n1,-1,１\n", "script.csv")
    write("omega,longitudinal,transverse\n1,-1\n", "short.csv")
    write("omega,longitudinal,transverse,omega\n1,-1,-1,1\n", "twice.csv")
    write("omega, transverse\n1e5,-1\n", "few.csv")
    write("omega,longitudinal,transverse\n2e5,-1,-1\n1e5,-1,-1\n", "unsorted.csv")
    write("PK\x03\x04 damaged", "damaged.npz")
    np.savez(tmp_path / "few.npz", omega=np.arange(1.0, 9.0))
    np.savez(tmp_path / "batch.npz", omega=np.arange(1.0, 9.0), longitudinal=-np.ones((2, 8)), transverse=-np.ones(8))
    before = sorted(tmp_path.iterdir())
    result = command(write(text))
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "run.toml"])


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    assert "none.toml: No such file" in command(tmp_path / "none.toml").stderr
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    assert "not a UTF-8 text file" in command(tmp_path / "bytes.toml").stderr


def test_an_output_that_cannot_be_written_stops_before_the_flow(write, tmp_path):
    (tmp_path / "folder").mkdir()
    result = command(write(MATERIAL + SPECTRUM + '[output]\ndata = "folder"\n'))
    assert (result.exit_code, "a file is wanted, this is a folder" in result.stderr) == (2, True)
    assert isinstance(read_flow_config(tmp_path / "run.toml").data, Path)
