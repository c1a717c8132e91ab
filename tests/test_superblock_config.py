"""Ensembles of super blocks from TOML files, the command that measures them, and its figures."""

import functools
import os
import re
import sys

import numpy as np
import pytest
from legible import assert_legible
from materials import SILICA
from typer.testing import CliRunner

import mbfast
from mbfast import plotting
from mbfast.__main__ import main
from mbfast.cli import app
from mbfast.files.superblock import read_super_block_config
from mbfast.superblock import ensembles
from mbfast.superblock.orders import COUPLINGS, measure_orders
from mbfast.superblock.remainders import Orders

pytestmark = pytest.mark.compiled  # its kernels have tests without the JIT of their own

MATERIAL = '[material]\nglass = "a-SiO2"\n'
WELLS = '[blocks]\nkind = "two-level"\nsize = 5e-20\nmax_splitting = 1e-23\nmin_tunnelling = 1e-24\n'
GAUSSIAN = '[blocks]\nkind = "gaussian"\nsize = 2e-20\nspread = 1e-24\nn_levels = '
RESPONSE = "[response]\nomega_max = 1e11\nbroadening = 1e10\nfrequencies = 3\n"
SMALL = MATERIAL + WELLS + 'shapes = ["2x1x1", "1x1x2"]\n' + RESPONSE + "[sampling]\nmembers = 3\n"


@pytest.fixture
def write(tmp_path):
    def written(text):
        (tmp_path / "run.toml").write_text(text, encoding="utf-8")
        return tmp_path / "run.toml"

    return written


def command(*arguments):
    return CliRunner().invoke(app, ["superblock", *map(str, arguments)])


def test_a_file_is_the_ensemble_it_describes(write):
    result = read_super_block_config(write(SMALL)).run()

    def drawn(shape, rng):
        blocks = ensembles.isotropic_two_level_blocks(2, 5e-20, 1e-23, 1e-24, rng=rng)
        return mbfast.SuperBlock(SILICA, mbfast.BlockLattice(shape, 5e-9), blocks)

    draws = {"2x1x1": functools.partial(drawn, (2, 1, 1)), "1x1x2": functools.partial(drawn, (1, 1, 2))}
    rng = np.random.default_rng(1)
    omega = np.array([0.0, 5e10, 1e11]) + 1e10j
    other = measure_orders(draws, omega, 0.1, block_volume=5e-9**3, members=3, rng=rng)
    assert np.array_equal(result.exact, other.exact)
    assert np.array_equal(result.couplings, COUPLINGS)
    assert list(result.names) == ["2x1x1", "1x1x2"]
    assert result.inputs == {**other.inputs, "config": SMALL}


def test_many_levels_and_a_wave(write):
    blocks = '[blocks]\nkind = "gaussian"\nsize = 2e-20\nn_levels = 3\nspread = 1e-24\nx = 0.5\nensemble = "GUE"\n'
    sampling = "[sampling]\nmembers = 2\nseed = 5\ncouplings = [0.1, 0.2, 1]\n"
    text = MATERIAL + blocks + 'shapes = ["2x1x1"]\n' + RESPONSE + "wavevector = [0, 0, 1e8]\n" + sampling
    result = read_super_block_config(write(text)).run()
    rng = np.random.default_rng(5)
    drawn = [
        mbfast.SuperBlock(
            SILICA,
            mbfast.BlockLattice((2, 1, 1), 5e-9),
            ensembles.gaussian_blocks(2, 3, 1e-24, 2e-20, 0.5, ensemble="GUE", rng=rng),
        )
        for _ in range(2)
    ]
    systems = iter(drawn)
    other = measure_orders(
        {"2x1x1": lambda **_: next(systems)}, result.omega, 0.1, block_volume=5e-9**3, members=2, rng=rng,
        wavevector=[0, 0, 1e8], couplings=[0.1, 0.2, 1],
    )  # fmt: skip
    assert np.array_equal(result.exact, other.exact)


def test_the_command_writes_arrays_and_figures(write, tmp_path, monkeypatch):
    monkeypatch.setattr("mbfast.plotting.style.KINDS", ("svg",))  # of all kinds in test_flow_config.py
    text = SMALL + '[output]\ndata = "new/out.npz"\nfigures = "figures"\n'
    result = command(write(text), "--plain", "--quiet")
    assert result.exit_code == 0, result.stderr
    rows = [line.split("\t") for line in result.stdout.splitlines() if not line.startswith("#")]
    assert [len(row) for row in rows] == [6] * (1 + 2 * 2 * 5)
    loaded = Orders.load(tmp_path / "new/out.npz")
    value, error = loaded.errors(1)
    assert rows[2][:3] == ["2x1x1", "longitudinal", "0.125"]
    assert rows[2][4] == f"{value[0, 1, 0]:.3g} ± {error[0, 1, 0]:.1g}"
    share = loaded.share("second")
    change = f"({share.value[1, 0]:.3g} ± {share.error[1, 0]:.1g}) g^2"
    line = f"# 1x1x2, longitudinal: the second order changes the mean absorption by {change} of itself"
    assert line in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1] == f"# 3 super blocks each, written to {tmp_path / 'new/out.npz'}"
    assert loaded.inputs["config"] == text
    drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert drawn == [f"{name}.{kind}" for name in ("blocks", "errors") for kind in ("caption.txt", "svg")]
    again = read_super_block_config(tmp_path / "run.toml").run(threads=1)
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "new/out.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_one_frequency_above_zero(write):
    text = SMALL.replace("frequencies = 3", "frequencies = 1\nomega_min = 1e10")
    assert read_super_block_config(write(text)).omega.tolist() == [1e10 + 1e10j]


def test_the_command_leaves_threads_to_super_blocks(tmp_path, monkeypatch):
    for name, given in (("OPENBLAS_NUM_THREADS", None), ("MKL_NUM_THREADS", "3")):
        monkeypatch.setenv(name, given or "")
        if given is None:
            monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", ["mbfast", "superblock", str(tmp_path / "none.toml")])
    with pytest.raises(SystemExit):
        main()
    assert (os.environ["OPENBLAS_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == ("1", "3")


def test_figures_show_what_was_measured(write):
    result = read_super_block_config(write(SMALL)).run()
    figures = plotting.orders_figures(result)
    assert list(figures) == ["errors", "blocks"]
    single, mean = figures["errors"].axes
    for axes, errors in ((single, result.errors), (mean, result.mean_errors)):
        bars = [container for container in axes.containers if container.has_yerr]
        assert len(bars) == 6
        assert np.array_equal(bars[3].lines[0].get_ydata(), errors(1).value[0, :, 1])
    errors, second = figures["blocks"].axes
    assert np.array_equal(errors.containers[0].lines[0].get_xdata(), result.errors(0).value[:, -1, 0])
    shares = second.containers[1].lines[0].get_xdata() / result.share("second").value[:, 1]
    assert shares == pytest.approx(shares[0])
    assert [label.get_text() for label in errors.get_yticklabels()] == ["2x1x1\n2 blocks", "1x1x2\n2 blocks"]
    for figure in figures.values():
        assert_legible(figure)
        assert "a-SiO2 at T = 0.1 K, 3 super blocks" in plotting.caption_of(figure)
    with pytest.raises(TypeError, match="result must be Orders, got 5"):
        plotting.orders_figures(5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "run.toml: line 1: x: unknown; there are material, blocks, response, sampling, output"),
        (MATERIAL + "[blocks]\nlevels = 2\n", "line 4: blocks.levels: unknown key; there are kind, shapes, spacing"),
        ("[material]\nglass = 'glass'\n", "line 2: material.glass: unknown glass 'glass'"),
        (MATERIAL, "run.toml: blocks.kind: one of two-level, gaussian is wanted"),
        (MATERIAL + '[blocks]\nkind = "gaussian"\n', "line 3: blocks.size: wanted, beside size, n_levels, spread"),
        (SMALL.replace("members", "n_levels = 2\nmembers"), "line 14: sampling.n_levels: unknown key"),
        (
            MATERIAL + WELLS + "spread = 1.0\n" + RESPONSE,
            "line 8: blocks.spread: not wanted here, beside kind = 'two-l",
        ),
        (MATERIAL + WELLS + "ensemble = 'GUE'\n" + RESPONSE, "line 8: blocks.ensemble: not wanted here"),
        (SMALL.replace('"1x1x2"', '"2"'), 'line 8: blocks.shapes: shapes must be some lattices that differ, as ["2x1x'),
        (SMALL.replace('"1x1x2"', '"2x1x1"'), "line 8: blocks.shapes: shapes must be some lattices that differ"),
        (SMALL.replace('"1x1x2"', '"4x4x4"'), "blocks.shapes: shapes must be of at most 16384 states, got 2^64 in 4x4"),
        # both would take minutes, or an integer of millions of digits
        (
            MATERIAL + GAUSSIAN + '1\nshapes = ["9x9x9"]\n' + RESPONSE,
            "line 7: blocks.n_levels: n_levels must be at least 2, got 1",
        ),
        (
            MATERIAL + GAUSSIAN + '9000000000\nshapes = ["99x99x99"]\n' + RESPONSE,
            "line 8: blocks.shapes: shapes must be of at most 16384 states, got 9000000000^970299 in 99x99x99",
        ),
        (SMALL.replace('"1x1x2"', "7"), "line 8: blocks.shapes: a string is wanted, got 7"),
        (SMALL.replace("5e-20", "-1.0"), "line 5: blocks.size: size must be positive"),
        (SMALL.replace("1e-24", "1e-23"), "line 7: blocks.min_tunnelling: min_tunnelling must be at most 0.99"),
        (MATERIAL + WELLS + "x = -1\n" + RESPONSE, "line 8: blocks.x: x must be at least -2/3, got -1"),
        (MATERIAL + WELLS + "spacing = 0\n" + RESPONSE, "line 8: blocks.spacing: spacing must be positive"),
        (MATERIAL + WELLS, "run.toml: response.omega_max: wanted, in rad/s"),
        (MATERIAL + WELLS + "[response]\nomega_max = 1e11\n", "line 8: response.broadening: wanted, in rad/s"),
        (SMALL.replace("1e10", "0"), "line 11: response.broadening: broadening must be positive"),
        (
            SMALL.replace("= 1e11", "= -1.0"),
            "line 10: response.omega_max: omega_max must be above omega_min, 0 rad/s, and",
        ),
        (
            SMALL.replace("= 1e11", "= 1e11\nomega_min = -1"),
            "line 11: response.omega_min: omega_min must not be negative",
        ),
        (
            SMALL.replace("= 3\n[", "= 0\n["),
            "line 12: response.frequencies: frequencies must be from 1 to 16384, got 0",
        ),
        (
            SMALL.replace("= 3\n[", "= 1\n["),
            "line 12: response.frequencies: frequencies must be at least 2, or omega_min positive, got 1 at 0",
        ),
        (
            SMALL.replace("[sampling]", "temperature = -1\n[sampling]"),
            "line 13: response.temperature: temperature must ",
        ),
        (
            SMALL.replace("[sampling]", "wavevector = [1, 2]\n[sampling]"),
            "line 13: response.wavevector: wavevector must have shape (3,), got (2,)",
        ),
        (SMALL.replace("members = 3", "members = 1"), "line 14: sampling.members: members must be at least 2, got 1"),
        (SMALL + "seed = -1\n", "line 15: sampling.seed: seed must not be negative, got -1"),
        (SMALL + "couplings = [1, 2]\n", "line 15: sampling.couplings: couplings must have shape (n,) with n of 3"),
        (SMALL + "couplings = 1\n", "line 15: sampling.couplings: a list is wanted, got 1"),
        (SMALL + "couplings = [1, 2, nan]\n", "line 15: sampling.couplings: a finite number is wanted, got nan"),
        (SMALL + "[output]\ndata = 'run.toml'\n", "run.toml: output.data must not be a file that is read"),
    ],
)
def test_bad_files_name_line_and_key_and_write_nothing(write, tmp_path, text, words):
    result = command(write(text))
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]


def test_the_example_of_the_help_is_complete(write):
    from mbfast.cli import runs

    text = re.sub("^    ", "", runs.superblock.__doc__.partition("\b\n")[2].partition("\n\n")[0], flags=re.MULTILINE)
    config = read_super_block_config(write(text))
    assert list(config.draws) == ["2x1x1", "2x2x1", "2x2x2"]
    assert config.data.name == "superblock.npz"
    assert config.figures is None
