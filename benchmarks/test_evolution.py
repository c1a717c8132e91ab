"""Super blocks in time, in peace beside SciPy's expm_multiply on the same operator, and in a wave."""

import numpy as np
import pytest
from scipy.sparse.linalg import expm_multiply

import mbfast
from mbfast.superblock.drive import StrainWave
from mbfast.units import HBAR

ENERGY, STRESS = 1e-24, 1e-19
TIME = HBAR / ENERGY
GRID = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 3)


def wells(n):
    rng = np.random.default_rng(1)
    blocks = [mbfast.Block.two_level(*(ENERGY * rng.normal(size=2)), STRESS * rng.normal(size=6)) for _ in range(n)]
    return mbfast.SuperBlock(mbfast.StressInteraction(2200, 5800, 3800), 5e-9 * rng.permutation(GRID)[:n], blocks)


def made(benchmark, n):
    if benchmark.disabled and n > 8:
        pytest.skip("only timed")
    return wells(n)


def state(dimension):
    psi = np.random.default_rng(2).normal(size=(dimension, 2)) @ [1, 1j]
    return psi / np.linalg.norm(psi)


@pytest.mark.parametrize("n", [8, 16, 20])
@pytest.mark.parametrize("way", ["mbfast", "expm_multiply"])
def test_in_peace(benchmark, n, way):
    blocks = made(benchmark, n)
    psi, time = state(blocks.dimension), 10.0 * TIME
    benchmark.group, benchmark.name = f"{n} two-level blocks for 10 hbar/E", way
    if way == "mbfast":
        result = benchmark.pedantic(lambda: blocks.evolve(psi, time, rtol=1e-10, threads=1), rounds=2)
    else:
        exponent = blocks.hamiltonian(threads=1) * (-1j * time / HBAR)
        trace = -1j * time / HBAR * blocks.diagonal.sum()
        result = benchmark.pedantic(lambda: expm_multiply(exponent, psi, traceA=trace), rounds=1)
    assert abs(np.linalg.norm(result) - 1.0) < 1e-9


@pytest.mark.parametrize("n", [4, 8, 12, 16])
def test_in_a_wave(benchmark, n):
    blocks = made(benchmark, n)
    wave = StrainWave([0, 0, 0, 0, 0, 0.1 * ENERGY / STRESS], 1.0 / TIME, 5.0 * TIME)
    psi, (begin, end) = state(blocks.dimension), wave.window
    benchmark.group, benchmark.name = "a pulse of 5 hbar/E, rtol=1e-6", f"{n} two-level blocks"
    result = benchmark.pedantic(lambda: blocks.evolve(psi, end, wave=wave, start=begin, rtol=1e-6, threads=1), rounds=1)
    assert abs(np.linalg.norm(result) - 1.0) < 1e-6
