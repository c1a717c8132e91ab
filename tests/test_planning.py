"""Predictions, the choice of a method, and refusal of what does not fit."""

import logging
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from materials import SILICA, WEIGHTS
from typer.testing import CliRunner

import mbfast
from mbfast._core import jit, speeds
from mbfast.cli import app
from mbfast.pairs import fields, planning
from mbfast.pairs.planning import _speed, auto_method, hypothetical
from mbfast.pairs.problem import PairProblem


@pytest.fixture(autouse=True)
def known_speeds(monkeypatch):
    monkeypatch.setattr(planning, "_speed", lambda *_: 0.5)  # twice as fast as the reference machine


def of(shape, kind="stress", *, rtol=None, boundary="open", images=None, averaged=False):
    return hypothetical(shape, kind, rtol=rtol, boundary=boundary, images=images, averaged=averaged)


def test_the_fastest_comes_first_and_costs_grow():
    small = planning.predict(1000)
    large = planning.predict(1_000_000)
    assert [p.method for p in small] == ["direct", "ewald"]
    assert [p.method for p in large] == ["ewald", "direct"]
    direct = {p.method: p for p in large}["direct"]
    assert direct.seconds == pytest.approx(0.5 * 3.3e-9 * 1e12)
    lattice = planning.predict((64, 64, 64))
    assert lattice[0].method == "fft"
    assert planning.predict((64, 64, 64), "dipole")[0].memory < lattice[0].memory


def test_periodic_lattices_that_need_no_padding_are_cheap():
    def cost(n, boundary):
        return mbfast.LatticeField.estimate(of((n, n, n), boundary=boundary))

    whole, padded, free = cost(128, "periodic"), cost(127, "periodic"), cost(128, "open")
    assert whole.seconds < 0.5 * free.seconds
    assert free.seconds < padded.seconds
    assert whole.memory < free.memory < padded.memory
    lattice = mbfast.BlockLattice((12, 15, 20), 1.0)
    made = mbfast.LatticeField(SILICA, lattice, boundary="periodic")
    assert made.nbytes < made.cost.memory


def test_tolerances_cost():
    def seconds(rtol):
        return {p.method: p.seconds for p in planning.predict(10_000, rtol=rtol)}["ewald"]

    assert seconds(1e-3) < seconds(1e-6) < seconds(1e-12) == seconds(None)


def test_what_cannot_be_taken_comes_last():
    periodic = planning.predict((8, 8, 8), boundary="periodic")
    assert (periodic[-1].method, periodic[0].why_not, periodic[1].why_not) == ("direct", "", "")
    images = planning.predict((8, 8, 8), boundary="periodic", images=1)
    assert images[-1].method == "ewald"
    assert "which sums over all of them" in images[-1].why_not
    assert "blocks must be points" in planning.predict((8, 8, 8), averaged=True)[-1].why_not
    assert planning.predict(0)[0].seconds == 0.0


@pytest.mark.parametrize(
    ("problem", "method"),
    [
        (of(10_000), "direct"),
        (of(10_001, rtol=1e-3), "ewald"),
        (of(1_000_000), "ewald"),
        (of((12, 12, 12)), "direct"),
        (of((13, 13, 13)), "fft"),
        (of((13, 13, 13), averaged=True), "fft"),
        (of((2, 2, 2), boundary="periodic"), "fft"),
        (of((2, 2, 2), boundary="periodic", averaged=True), "fft"),
        (of(2, boundary="periodic"), "ewald"),
        (of((2, 2, 2), boundary="periodic", images=1), "direct"),
        (of((13, 13, 13), boundary="periodic", images=1), "fft"),
        (of(20_000, boundary="periodic", images=1), "direct"),
    ],
)
def test_the_choice_is_that_of_the_problem(problem, method, monkeypatch):
    monkeypatch.setattr(planning, "_speed", lambda *_: pytest.fail("a speed was measured"))
    taken, exact, why = auto_method(problem)
    assert (taken, exact.rtol) == (method, problem.rtol)
    assert why
    assert auto_method(problem)[0] == taken


def test_auto_asks_for_an_exact_sum_where_no_rtol_is_given():
    problem = PairProblem.of(SILICA, mbfast.BlockLattice((2, 2, 2), 1.0), boundary="periodic")
    assert auto_method(problem)[1].rtol == 1e-12


def test_the_choice_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="mbfast"):
        mbfast.pair_field(SILICA, 1e-9 * np.eye(3), np.ones((3, 6)))
    assert caplog.messages[0] == "auto takes direct: few blocks, or explicit images of positions"
    assert "<DirectField: StressInteraction" in caplog.messages[1]
    assert "rtol 1e-13" in caplog.messages[1]


@pytest.mark.compiled
def test_what_does_not_fit_is_refused_with_what_would(monkeypatch):
    lattice = mbfast.BlockLattice((64, 64, 64), 1e-9)
    needed = mbfast.LatticeField.estimate(PairProblem.of(SILICA, lattice)).memory
    monkeypatch.setattr(fields, "available_memory", lambda: 0.9 * needed)
    monkeypatch.setattr(planning, "available_memory", lambda: 0.9 * needed)
    for call in (
        lambda: mbfast.LatticeField(SILICA, lattice),
        lambda: mbfast.pair_field(SILICA, lattice, np.zeros((64, 64, 64, 6))),
    ):
        with pytest.raises(MemoryError, match=r"method 'fft' needs 0\.\d+ GB, .* what would fit: direct \(0\.\d+ GB\)"):
            call()
    monkeypatch.setattr(planning, "available_memory", lambda: 1e6)
    with pytest.raises(MemoryError, match=r"what would fit: about \S+ of the number of blocks by 'fft'"):
        mbfast.LatticeField(SILICA, lattice)


@pytest.mark.compiled
def test_auto_is_as_exact_as_the_direct_sum():
    rng = np.random.default_rng(3)
    positions, moments = 1e-7 * rng.random((10_500, 3)), rng.normal(size=(10_500, 6))
    direct = mbfast.pair_field(SILICA, positions, moments, method="direct")
    auto = mbfast.pair_sum(SILICA, positions, moments)
    assert np.abs(auto.field - direct).max() <= 1e-12 * np.abs(direct).max()
    coarse = mbfast.pair_energy(SILICA, positions, moments, rtol=1e-4)
    assert coarse == pytest.approx(np.sum(direct * moments * WEIGHTS), rel=1e-2)
    lattice = mbfast.BlockLattice((13, 14, 15), 1e-9)
    moments = rng.normal(size=(13, 14, 15, 3))
    mu = mbfast.DipoleInteraction(1e-11)
    of_lattice = [mbfast.pair_field(mu, lattice, moments, method=method) for method in ("auto", "fft", "direct")]
    assert np.array_equal(of_lattice[0], of_lattice[1])
    assert np.abs(of_lattice[0] - of_lattice[2]).max() < 1e-13 * np.abs(of_lattice[2]).max()


@pytest.mark.compiled
def test_periodic_without_images_is_the_sum_over_all():
    rng = np.random.default_rng(4)
    positions, moments = 1e-8 * rng.random((20, 3)), rng.normal(size=(20, 3))
    mu, options = mbfast.DipoleInteraction(1e-11), {"boundary": "periodic", "cell": [1e-8] * 3}
    auto = mbfast.pair_field(mu, positions, moments, macroscopic="vacuum", **options)
    shells = mbfast.pair_field(mu, positions, moments, images=12, image_shape="spherical", **options)
    assert np.abs(auto - shells).max() < 0.02 * np.abs(auto).max()  # shells end abruptly


@pytest.mark.compiled
def test_speeds_are_measured_once_and_kept(tmp_path, run_python):
    compiled = jit.all_kernels()[0].cache_folder
    if compiled is not None:  # with what is compiled already, but without what was measured
        shutil.copytree(compiled, tmp_path / compiled.name, ignore=shutil.ignore_patterns("*.json"))
    code = "from mbfast.pairs.planning import _speed; print(_speed('direct 3', 1), _speed('direct 3', 1))"
    first = run_python(code, NUMBA_CACHE_DIR=str(tmp_path))
    assert first == run_python(code, NUMBA_CACHE_DIR=str(tmp_path))


@pytest.fixture
def speed(tmp_path, monkeypatch):
    """What is given as the speed by a process that measures the number it gets, and the file of speeds."""
    kernel = SimpleNamespace(cache_folder=tmp_path)
    monkeypatch.setattr(speeds, "jit", SimpleNamespace(all_kernels=lambda: [kernel], target=lambda: ("cpu", 128)))

    def measured(seconds, threads=1):
        monkeypatch.setattr(planning, "_measured", lambda *_: seconds)
        _speed.cache_clear()
        return _speed("direct 3", threads)

    yield measured, tmp_path / "speeds.json"
    _speed.cache_clear()


def test_damaged_speeds_are_measured_again(speed):
    measured, file = speed
    assert measured(0.5) == measured(0.25) == 0.5
    content = file.read_bytes()
    others = [content.replace(b"0.5", value) for value in (b"0.7", b"NaN", b"[" * 100_000)]
    for text in (*others, b"[1]", b'{"key": 1}', b"\xff" + content):
        file.write_bytes(text)
        assert measured(0.25) == 0.25, text[:100]
        assert measured(0.75) == 0.25  # it is mended


def test_speeds_belong_to_a_number_of_threads(speed):
    measured, _ = speed
    assert measured(0.5, threads=1) == 0.5
    assert measured(0.25, threads=2) == 0.25


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (((1, 2),), {}, ValueError, r"shape must be three whole numbers of blocks, or one, got \(1, 2\)"),
        ((-1,), {}, ValueError, "shape must be three whole numbers"),
        ((True,), {}, ValueError, "shape must be three whole numbers"),
        ((10, "charge"), {}, ValueError, "kind must be one of stress, dipole, got 'charge'"),
        ((10,), {"images": 1}, ValueError, "cell and images belong to boundary='periodic', got images"),
        ((10,), {"boundary": "periodic", "images": -5}, ValueError, "images must be at least 0 shells"),
        ((10,), {"rtol": "fine"}, TypeError, "rtol must consist of real numbers"),
    ],
)
def test_bad_arguments(arguments, options, error, words):
    with pytest.raises(error, match=words):
        planning.predict(*arguments, **options)


@pytest.mark.compiled
def test_the_command():
    def plan(*arguments):
        return CliRunner().invoke(app, ["plan", *arguments])

    table = plan("--blocks", "64x64x64", "--kind", "dipole").stdout.splitlines()
    assert table[3].split("│")[1].strip() == "fft"
    assert table[-2].startswith("auto takes fft")
    assert table[-1].endswith("GB are available")
    assert "does not fit" in plan("--blocks", "1e6x1e6x1e6").stdout
    for arguments, words in (
        (("--blocks", "many"), "--blocks must be a whole number, or three with x between them, got 'many'"),
        (("--blocks", "1.5"), "--blocks must be a whole number"),
        (("--blocks", "10", "--averaged"), "--averaged belongs to a lattice"),
        (("--blocks", "10", "--rtol", "1e-20"), "rtol must be from 1e-12, the least that rounding allows, to 0.01"),
        (("--blocks", "10", "--kind", "charge"), "kind must be one of stress, dipole"),
        (("--blocks", "10", "--images", "2"), "cell and images belong to boundary='periodic'"),
    ):
        result = plan(*arguments)
        assert (result.exit_code, words in result.stderr) == (2, True)
