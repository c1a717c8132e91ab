"""Super blocks in time, in peace beside SciPy's expm_multiply on the same operator, and in a wave beside products."""

import numpy as np
import pytest
from scipy.sparse.linalg import expm_multiply

from mbfast.superblock.drive import StrainWave
from mbfast.units import HBAR

from .test_response import ENERGY, STRESS, wells

TIME = HBAR / ENERGY


def made(benchmark, n):
    if benchmark.disabled and n > 8:
        pytest.skip("only timed")
    blocks = wells(n)
    psi = np.random.default_rng(2).normal(size=(blocks.dimension, 2)) @ [1, 1j]
    return blocks, psi / np.linalg.norm(psi)


@pytest.mark.parametrize("way", ["expm_multiply", "mbfast"])
@pytest.mark.parametrize("n", [8, pytest.param(14, marks=pytest.mark.quick)])
def test_in_peace(case, benchmark, n, way):
    blocks, psi = made(benchmark, n)
    time = 10.0 * TIME

    def by_scipy():
        exponent = blocks.hamiltonian(threads=1) * (-1j * time / HBAR)
        return expm_multiply(exponent, psi, traceA=-1j * time / HBAR * blocks.diagonal.sum())

    ways = {"mbfast": lambda: blocks.evolve(psi, time, rtol=1e-10, threads=1), "expm_multiply": by_scipy}
    expected = by_scipy() if way == "mbfast" else None
    case(f"{n} two-level blocks for 10 hbar/E", way, ways[way], expected, rounds=3 if way == "mbfast" else 1)


@pytest.mark.parametrize("way", ["products", "mbfast"])
@pytest.mark.parametrize("n", [4, pytest.param(8, marks=pytest.mark.quick)])
def test_in_a_wave(case, benchmark, n, way):
    """Beside a hundred products H|psi>; compared with an evolution of a thousandth of its tolerance."""
    blocks, psi = made(benchmark, n)
    wave = StrainWave([0, 0, 0, 0, 0, 0.1 * ENERGY / STRESS], 1.0 / TIME, 5.0 * TIME)
    begin, end = wave.window
    group = f"a pulse, {n} two-level blocks"
    if way == "products":
        case(group, way, lambda: [blocks.apply(psi, threads=1) for _ in range(100)])
        return

    def evolve(rtol):
        return blocks.evolve(psi, end, wave=wave, start=begin, rtol=rtol, threads=1)

    case(group, way, lambda: evolve(1e-6), evolve(1e-9), rounds=2)
