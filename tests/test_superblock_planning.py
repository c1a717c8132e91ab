"""What a super block would take: memory as it is refused, times that grow as they must, and the command."""

import numpy as np
import pytest
from materials import SILICA
from test_response import KELVIN, SCALE, VOLUME, wells
from typer.testing import CliRunner

from mbfast.cli import app
from mbfast.superblock import hamiltonian, kubo, planning, routes
from mbfast.superblock.drive import StrainWave
from mbfast.superblock.ensembles import gaussian_blocks
from mbfast.superblock.evolution import Propagator
from mbfast.superblock.hamiltonian import SuperBlock
from mbfast.superblock.kubo import exact_susceptibility
from mbfast.superblock.sums import BlockSum

pytestmark = pytest.mark.compiled  # its kernels have tests without the JIT of their own


@pytest.fixture(autouse=True)
def known_speeds(monkeypatch):
    monkeypatch.setattr(planning, "_speed", lambda *_: 1e-10)


def predicted(n, levels=2):
    return {found.task: found for found in planning.predict(n, levels)}


def complex_blocks():
    rng = np.random.default_rng(1)
    positions = 5e-9 * rng.random((3, 3))
    return SuperBlock(SILICA, positions, gaussian_blocks(3, 4, 1e-24, 1e-20, ensemble="GUE", rng=rng))


SINE = StrainWave([0, 0, 0, 0, 0, 1e-6], SCALE, 1.0 / SCALE, envelope="sine")
RESPONSE = {"volume": VOLUME, "broadening": 0.2 * SCALE}
TASKS = {
    "H psi": lambda made: made._refuse_memory("H|psi>", 2),
    "10 lowest levels": lambda made: made._lowest(10, 1),
    "all levels": lambda made: made.energies(),
    "susceptibility, all levels": lambda made: made.susceptibility([SCALE], KELVIN, method="exact", **RESPONSE),
    "susceptibility, T = 0": lambda made: made.susceptibility([SCALE], 0.0, method="lanczos", steps=4, **RESPONSE),
    "susceptibility, T > 0": lambda made: made.susceptibility(
        [SCALE], KELVIN, method="chebyshev", steps=150, rng=np.random.default_rng(1), vectors=2, **RESPONSE
    ),
    "evolution, 1000 products": lambda made: made.evolve(np.ones(made.dimension), 0.1 / SCALE),
    "100 steps in a wave": lambda made: made.evolve(np.ones(made.dimension), 0.1 / SCALE, wave=SINE, rtol=1e-2),
    "orders of one super block": lambda made: exact_susceptibility(made, [1j * SCALE], KELVIN, volume=VOLUME),
}


@pytest.mark.compiled  # minutes without the JIT
@pytest.mark.parametrize("make", [lambda: wells(1, 6), complex_blocks], ids=["real", "complex"])
@pytest.mark.parametrize("task", TASKS)
def test_memory_is_what_is_refused(monkeypatch, make, task):
    made = make()
    needed = predicted(made.n_blocks, made.dims[0])[task].memory
    for module in (hamiltonian, kubo, routes):
        monkeypatch.setattr(module, "available_memory", lambda: 1.001 * needed)
    TASKS[task](made)
    for module in (hamiltonian, kubo, routes):
        monkeypatch.setattr(module, "available_memory", lambda: 0.999 * needed)
    with pytest.raises(MemoryError):
        TASKS[task](made)


@pytest.mark.compiled
@pytest.mark.parametrize("n", [2, 7])
def test_products_of_a_step_in_a_wave(monkeypatch, n):
    made, counted, apply = wells(1, n), [], BlockSum.apply
    long = StrainWave(SINE.strain, SCALE, 20.0 / SCALE, envelope="sine", rise=5.0 / SCALE)
    propagator = Propagator(made, long, 1e-6, 1)
    monkeypatch.setattr(BlockSum, "apply", lambda *arguments: counted.append(apply(*arguments)))
    (_,) = propagator.through(np.ones(made.dimension, complex), np.array([0.0, 20.0 / SCALE]), lambda _: None)
    monkeypatch.setattr(planning, "_speed", lambda name, _: float(name == "call"))
    found = predicted(n)["100 steps in a wave"].seconds / 100  # each product takes 1 s
    assert len(counted) / propagator.steps == pytest.approx(found, rel=0.35)


def test_the_most_blocks_are_those_that_fit(monkeypatch):
    monkeypatch.setattr(planning, "available_memory", lambda: 1e9)
    for task, found in predicted(9).items():
        assert predicted(found.blocks)[task].memory <= 1e9 < predicted(found.blocks + 1)[task].memory
        assert found.blocks < 62
    assert predicted(9)["H psi"].blocks == 25  # 24 bytes a state


def test_times_grow_with_states():
    def seconds(n, levels=2):
        return {task: found.seconds for task, found in predicted(n, levels).items()}

    few, more = seconds(20), seconds(21)
    for task in few:
        cubic = ("levels" in task and "lowest" not in task) or "orders" in task
        assert more[task] / few[task] == pytest.approx(8.0 if cubic else 2.05, rel=0.06)
    assert seconds(10, 4)["H psi"] > few["H psi"]
    assert few["susceptibility, T > 0"] > few["susceptibility, T = 0"] > few["H psi"]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((0,), ValueError, "n_blocks must be at least 1, got 0"),
        ((8, 1), ValueError, "levels must be at least 2, got 1"),
        ((63,), ValueError, r"n_blocks must make at most 2\*\*62 states, got 63 blocks of 2 levels"),
        ((20, 32), ValueError, r"n_blocks must make at most 2\*\*62 states, got 20 blocks of 32 levels"),
        ((2.5,), TypeError, "n_blocks must be a whole number"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        planning.predict(*arguments)


def test_the_command():
    def plan(*arguments):
        return CliRunner().invoke(app, ["plan", *arguments])

    lines = plan("--superblock", "20").stdout.splitlines()
    assert [line.split("│")[1].strip() for line in lines[3:-3]] == list(predicted(20))
    assert lines[-2] == "20 blocks of 2 levels: 1.049e+06 states"
    assert lines[-1].endswith("GB are available")
    assert "does not fit" in plan("--superblock", "40", "--levels", "2").stdout
    for arguments, words in (
        ((), "--blocks or --superblock is wanted, got neither"),
        (("--blocks", "8", "--superblock", "8"), "--blocks or --superblock is wanted, got both"),
        (("--superblock", "8", "--rtol", "1e-3"), "--images, --averaged and --workers belong to --blocks"),
        (("--blocks", "8", "--levels", "3"), "--levels belongs to --superblock"),
        (("--superblock", "0"), "n_blocks must be at least 1, got 0"),
    ):
        result = plan(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert words in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.compiled
@pytest.mark.parametrize("size", [planning._Size(6, 2), planning._Size(3, 3)], ids=["real", "complex"])
def test_speeds_are_measured(size):
    for seconds in (planning._product(size, 1), planning._step(1), planning._call(1), planning._overlaps(1)):
        assert 0.0 < seconds < np.inf
    assert planning._MEASURED.keys() == set("product-two-level product-general step call levels overlaps".split())
