"""Programs in C, OpenMP and Fortran that call kernels by their addresses, where there are compilers for them."""

import ctypes
import itertools
import os
import re
import runpy
import shutil
import subprocess

import numpy as np
import pytest
from legible import assert_legible

import mbfast
from mbfast import testing
from mbfast.examples import foreign
from mbfast.units import EV, K_B

pytestmark = pytest.mark.compiled  # what they build on has tests without the JIT

BLOCKS = foreign.Blocks.random(3)
SPINS = np.random.default_rng(4).choice([-1.0, 1.0], 512)


def library(language):
    """A library whose compiler had nothing to remark."""
    try:
        return foreign.load(language, "-Werror")
    except foreign.NotCompiledError as reason:
        if re.match("no compiler", str(reason)) or (
            language == "OpenMP" and re.search(r"unsupported option|omp\.h|-l[gi]?omp", str(reason))
        ):
            pytest.skip(str(reason))
        raise


@pytest.mark.parametrize(
    ("variable", "usual", "suffix", "options"),
    [("CC", "cc gcc clang", "c", ("-std=c11",)), ("CXX", "c++ g++ clang++", "cpp", ("-std=c++17",))],
)
def test_the_header(tmp_path, variable, usual, suffix, options):
    found = os.environ.get(variable) or next(filter(shutil.which, usual.split()), None)
    if found is None:
        pytest.skip(f"no compiler ({variable}: {usual})")
    file = tmp_path / f"header.{suffix}"
    file.write_text('#include "mbfast.h"\nmbfast_stress_field *field;\nmbfast_dipole_flip *flip;\n', encoding="utf-8")
    strict = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I", mbfast.get_include())
    subprocess.run([*found.split(), *options, *strict, str(file)], check=True)


@pytest.mark.compiled
def test_c_keeps_the_energy_up():
    run = foreign.Anneal(library("C"), BLOCKS, 5)
    for kelvin in (0.2, 0.01):
        accepted = run.run(kelvin, 5)
        assert 0 < accepted <= 5 * 512
        assert set(run.spins) == {-1.0, 1.0}
        # 2560 flips at most, each of which rounds sums over 512 blocks
        assert run.energies[-1] == pytest.approx(BLOCKS.energy(run.spins), rel=1e-11)
    assert len(run.energies) == 11
    assert run.energies[-1] < run.energies[5] < 0.0


@pytest.mark.compiled
def test_c_samples_boltzmann():
    """The mean energy of eight blocks, against all of their 256 states by the oracle of spins."""
    blocks, kelvin, sweeps, parts = foreign.Blocks.random(6, side=2), 0.02, 20_000, 50
    moments = EV * blocks.moments.T[:, [0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(8, 3, 3)
    tensor = lambda r: testing.stress_tensor(r, 2200, 5800, 3800)  # noqa: E731
    couplings = testing.spin_couplings(tensor, foreign.SPACING * blocks.positions.T, moments) / K_B
    energies = np.array([testing.spin_energy(couplings, np.zeros(8), s) for s in itertools.product((-1, 1), repeat=8)])
    weights = np.exp(-(energies - energies.min()) / kelvin)
    exact = weights @ energies / weights.sum()
    run = foreign.Anneal(library("C"), blocks, 7)
    assert run.energies[0] == pytest.approx(energies[-1], abs=1e-12 * np.abs(energies).max())  # all spins up
    run.run(kelvin, sweeps)
    means = np.mean(np.reshape(run.energies[1:], (parts, -1)), axis=1)  # of parts much longer than it remembers
    assert abs(means.mean() - exact) < 5 * means.std(ddof=1) / np.sqrt(parts)
    assert means.std() < 0.05 * abs(exact)  # so that it would notice another temperature


@pytest.mark.compiled
def test_openmp_maps_what_python_does():
    strain, threads = foreign.mapped(library("OpenMP").map_openmp, BLOCKS, SPINS)
    assert threads >= 1
    expected = foreign.strain_by_python(BLOCKS, SPINS)
    # a kernel of the same loop; scaling and the order of tiles cost some roundings of what the nearest blocks give
    np.testing.assert_allclose(strain, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.compiled
def test_fortran_maps_what_python_does():
    function = library("Fortran").map_fortran
    function.restype = ctypes.c_double
    strain, root_mean_square = foreign.mapped(function, BLOCKS, SPINS)
    expected = foreign.strain_by_python(BLOCKS, SPINS)
    np.testing.assert_allclose(strain, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert abs(foreign.STRAIN) * root_mean_square == pytest.approx(np.sqrt(np.mean(expected[0] ** 2)), rel=1e-12)


@pytest.mark.compiled
def test_as_a_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["foreign"])
    runpy.run_module("mbfast.examples.foreign", run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[:3]] == ["C", "OpenMP", "Fortran"] or "skipped" in "".join(lines)
    for line in lines[3:]:
        value, reference = re.search(r": (\S+) ± \S+, .*: (\S+)$", line).groups()
        assert value == reference


@pytest.mark.compiled
def test_without_compilers_it_says_what_is_skipped(monkeypatch, capsys):
    monkeypatch.setenv("CC", "no-such-compiler -O3")
    monkeypatch.setenv("FC", "false")  # which is there, and fails
    if not shutil.which("false"):
        pytest.skip("no command that fails")
    checks, figure = foreign.compute(1)
    assert checks == []
    text = capsys.readouterr().out
    assert "C: monte_carlo.c is skipped: no compiler (CC: no-such-compiler)\n" in text
    assert "OpenMP: map_openmp.c is skipped: no compiler (CC: no-such-compiler)\n" in text
    assert re.search(r"Fortran: map_fortran\.f90 is skipped: false -O2 .* failed:", text)
    with pytest.raises(SystemExit, match="the figure shows what C and OpenMP compute"):
        figure()


def test_a_compiler_is_taken_with_its_options(monkeypatch):
    monkeypatch.setenv("CC", "sh -c")
    assert foreign.compiler(foreign.PROGRAMS["C"]) == ["sh", "-c"]


@pytest.mark.compiled
def test_the_figure_is_legible():
    pytest.importorskip("matplotlib")
    strain = foreign.strain_by_python(BLOCKS, SPINS)
    stages = len(foreign.KELVIN)
    energies = np.linspace(0.0, -0.04, stages * foreign.SWEEPS + 1)
    assert_legible(foreign.draw(strain, list(energies), list(energies[:: foreign.SWEEPS])))
