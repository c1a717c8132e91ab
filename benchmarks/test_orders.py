"""Perturbation theory over ensembles of super blocks: diagonalisations of members, by their number of blocks."""

import numpy as np
import pytest

import mbfast
from mbfast.superblock import ensembles
from mbfast.superblock.clusters import second_order
from mbfast.superblock.coupled import CoupledBlocks
from mbfast.superblock.kubo import exact_susceptibility
from mbfast.superblock.orders import measure_orders

SILICA = mbfast.StressInteraction(2200.0, 5800.0, 3800.0)
OMEGA = np.linspace(0.0, 1e11, 16) + 1e10j


def drawn(shape, rng):
    lattice = mbfast.BlockLattice(shape, 5e-9)
    blocks = ensembles.isotropic_two_level_blocks(lattice.n_blocks, 5e-20, 1e-23, 1e-24, rng=rng)
    return mbfast.SuperBlock(SILICA, lattice, blocks)


@pytest.mark.parametrize("shape", [(2, 1, 1), (2, 2, 1), (2, 2, 2)], ids=lambda shape: "x".join(map(str, shape)))
def test_orders(benchmark, shape):
    if benchmark.disabled and shape == (2, 2, 2):
        pytest.skip("only timed")
    benchmark.group = "orders of four super blocks"
    found = benchmark(
        lambda: measure_orders(
            {"one": lambda rng: drawn(shape, rng)}, OMEGA, 0.1, block_volume=5e-9**3, members=4, threads=1,
            rng=np.random.default_rng(1),
        )
    )  # fmt: skip
    assert found.second.shape == (1, 4, 2, OMEGA.size)


def test_exact_susceptibility_of_ten_blocks(benchmark):
    if benchmark.disabled:
        pytest.skip("only timed")
    made = drawn((5, 2, 1), np.random.default_rng(1))
    benchmark.group = "susceptibility at complex frequencies, 10 two-level blocks"
    found = benchmark(lambda: exact_susceptibility(made, OMEGA, 0.1, volume=10 * 5e-9**3))
    assert found.shape == (2, OMEGA.size)


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 3, 3), (4, 4, 4)], ids=lambda shape: "x".join(map(str, shape)))
def test_second_order_from_pairs_and_triples(benchmark, shape):
    if benchmark.disabled and shape != (2, 2, 2):
        pytest.skip("only timed")
    lattice = mbfast.BlockLattice(shape, 5e-9)
    blocks = ensembles.isotropic_two_level_blocks(lattice.n_blocks, 5e-20, 1e-23, 1e-24, rng=np.random.default_rng(1))
    made = CoupledBlocks(SILICA, lattice, blocks)
    benchmark.group = f"second order, {lattice.n_blocks} two-level blocks"
    found = benchmark.pedantic(
        lambda: second_order(made, OMEGA[:4], 0.1, volume=lattice.n_blocks * 5e-9**3), rounds=2, warmup_rounds=1
    )
    assert found.shape == (2, 4)
