"""Predictions, the choice of a method, and refusal of what does not fit."""

import logging

import numpy as np
import pytest
from typer.testing import CliRunner

import mbfast
from mbfast.cli import app
from mbfast.pairs import planning

SILICA = mbfast.StressInteraction(2200, 5800, 3800)
# seconds, as on a machine of 2024
SPEEDS = {
    f"{method} {kind}": value
    for method, value in (("direct", 1e-9), ("fft", 1e-8), ("ewald", 1e-9))
    for kind in ("stress", "dipole")
}


@pytest.fixture(autouse=True)
def speeds(monkeypatch):
    monkeypatch.setattr(planning, "_speed", SPEEDS.__getitem__)


def test_the_fastest_comes_first_and_costs_grow():
    small = planning.predict(1000)
    large = planning.predict(100_000)
    assert [p.method for p in small] == ["direct", "ewald"]
    assert [p.method for p in large] == ["ewald", "direct"]
    direct = {p.method: p for p in large}["direct"]
    assert direct.seconds == pytest.approx(1e-9 * 1e10)
    lattice = planning.predict((64, 64, 64))
    assert lattice[0].method == "fft"
    assert planning.predict((64, 64, 64), "dipole")[0].memory < lattice[0].memory


def test_tolerances_cost():
    def seconds(rtol):
        return {p.method: p.seconds for p in planning.predict(10_000, rtol=rtol)}["ewald"]

    assert seconds(1e-3) < seconds(1e-6) < seconds(1e-12)


def test_what_cannot_be_taken_comes_last():
    periodic = planning.predict((8, 8, 8), boundary="periodic")
    assert (periodic[0].method, periodic[0].why_not) == ("ewald", "")
    images = planning.predict((8, 8, 8), boundary="periodic", images=1)
    assert images[-1].method == "ewald"
    assert images[-1].why_not == "it sums over all images"
    assert planning.predict((8, 8, 8), averaged=True)[-1].why_not == "it takes points"
    assert planning.predict(0)[0].seconds == 0.0


def test_the_choice_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="mbfast"):
        assert planning.choose_method(planning.predict(100_000)) == "ewald"
    assert caplog.messages[0].startswith("auto takes ewald (predicted: ewald ")


def test_memory_decides_and_refuses(monkeypatch):
    found = planning.predict((64, 64, 64))
    monkeypatch.setattr(planning, "available_memory", lambda: 0.5 * (found[0].memory + 9e7))
    assert planning.choose_method(found) == "direct"
    with pytest.raises(MemoryError, match=r"method 'fft' needs 0\.\d+ GB, .* what would fit: direct \(0\.\d+ GB"):
        planning.require_memory("fft", found)
    monkeypatch.setattr(planning, "available_memory", lambda: 1e6)
    with pytest.raises(MemoryError, match=r"what would fit: by it about \d+\.\d% of these blocks"):
        planning.choose_method(found)


@pytest.mark.compiled
def test_auto_takes_the_predicted_method_and_is_as_exact(caplog, monkeypatch):
    rng = np.random.default_rng(3)
    positions, moments = 1e-7 * rng.random((10_500, 3)), rng.normal(size=(10_500, 6))
    direct = mbfast.pair_field(SILICA, positions, moments, method="direct")
    monkeypatch.setattr(planning, "_speed", (SPEEDS | {"ewald stress": 1e-15}).__getitem__)
    with caplog.at_level(logging.INFO, logger="mbfast"):
        auto = mbfast.pair_field(SILICA, positions, moments)
        coarse = mbfast.pair_energy(SILICA, positions, moments, rtol=1e-4)
    assert [message.split()[2] for message in caplog.messages] == ["ewald", "ewald"]
    assert np.abs(auto - direct).max() < 1e-12 * np.abs(direct).max()
    assert coarse == pytest.approx(np.sum(direct * moments * [1, 1, 1, 2, 2, 2]), rel=1e-2)
    lattice = mbfast.BlockLattice((13, 14, 15), 1e-9)
    moments = rng.normal(size=(13, 14, 15, 3))
    mu = mbfast.DipoleInteraction(1e-11)
    monkeypatch.setattr(planning, "_speed", (SPEEDS | {"fft dipole": 1e-15}).__getitem__)
    fields = [mbfast.pair_field(mu, lattice, moments, method=method) for method in ("auto", "fft", "direct")]
    assert np.array_equal(fields[0], fields[1])
    assert np.abs(fields[0] - fields[2]).max() < 1e-13 * np.abs(fields[2]).max()


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
    code = "from mbfast import planning as p; p.measure(); print([p._speed(name) for name in p._MEASUREMENTS])"
    first = run_python(code, NUMBA_CACHE_DIR=str(tmp_path))
    assert first == run_python(code, NUMBA_CACHE_DIR=str(tmp_path))
    (file,) = tmp_path.rglob("speeds.json")
    for damage in ("", "[1]", '{"key": 1}'):
        file.write_text(damage, encoding="utf-8")
        again = run_python(
            "from mbfast.pairs.planning import _speed; print(_speed('direct dipole') > 0)",
            NUMBA_CACHE_DIR=str(tmp_path),
        )
        assert again.strip() == "True"
        assert '"key"' in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (((1, 2),), ValueError, r"shape must be three whole numbers of blocks, or one, got \(1, 2\)"),
        ((-1,), ValueError, "shape must be three whole numbers"),
        ((10, "charge"), ValueError, "kind must be one of stress, dipole, got 'charge'"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        planning.predict(*arguments)


@pytest.mark.compiled
def test_the_command(monkeypatch):
    def plan(*arguments):
        return CliRunner().invoke(app, ["plan", *arguments])

    table = plan("--blocks", "64x64x64", "--kind", "dipole").stdout.splitlines()
    assert table[3].split("│")[1].strip() == "fft"
    assert table[-1].endswith("GB are available")
    assert "does not fit" in plan("--blocks", "1e6x1e6x1e6").stdout
    for arguments, words in (
        (("--blocks", "many"), "--blocks must be a whole number, or three with x between them, got 'many'"),
        (("--blocks", "1.5"), "--blocks must be a whole number"),
        (("--blocks", "10", "--averaged"), "--averaged belongs to a lattice"),
        (("--blocks", "10", "--rtol", "1e-20"), "rtol must be from 1e-12, the least that rounding allows, to 0.01"),
        (("--blocks", "10", "--kind", "charge"), "kind must be one of stress, dipole"),
    ):
        result = plan(*arguments)
        assert (result.exit_code, words in result.stderr) == (2, True)
