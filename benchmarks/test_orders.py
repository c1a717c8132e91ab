"""Perturbation theory over ensembles of super blocks: diagonalisations of members, by their number of blocks."""

import math

import numpy as np
import pytest

import mbfast
from mbfast.spectra.moduli import isotropic_moduli
from mbfast.superblock import ensembles
from mbfast.superblock.clusters import second_order
from mbfast.superblock.coupled import CoupledBlocks
from mbfast.superblock.kubo import exact_susceptibility
from mbfast.superblock.orders import measure_orders
from mbfast.testing.superblock import kubo, on_block
from mbfast.units import HBAR, K_B

from .test_response import matrix_of

SILICA = mbfast.StressInteraction(2200.0, 5800.0, 3800.0)
OMEGA = np.linspace(0.0, 1e11, 16) + 1e10j


def drawn(shape, rng):
    lattice = mbfast.BlockLattice(shape, 5e-9)
    blocks = ensembles.isotropic_two_level_blocks(lattice.n_blocks, 5e-20, 1e-23, 1e-24, rng=rng)
    return mbfast.SuperBlock(SILICA, lattice, blocks)


def by_small_couplings(made, omega, **more):
    """Even part of the response in the coupling, extrapolated to none; 1e-7 is left for 8 blocks, a fourth power."""
    h = 0.003 * 1e10 * HBAR / (np.abs(made.couplings).max() * np.abs(made.block_stress(0)).max() ** 2)
    zero, *at = (
        sum(exact_susceptibility(made, omega, 0.1, coupling=sign * g, **more) for sign in (1, -1)) / 2
        for g in (0.0, h, 2 * h)
    )
    one, two = (value - zero for value in at)
    return (4 * one - two / 4) / (3 * h**2)


def by_kubo(made):
    n, hamiltonian = made.n_blocks, 1e-24 * matrix_of(made)
    stress = sum(np.array([on_block(part, s, made.dims) for part in made.block_stress(s)]) for s in range(n))
    found = [kubo(hamiltonian, stress, 0.1, z, n * 5e-9**3, HBAR, K_B) for z in OMEGA]
    return np.stack(isotropic_moduli(np.array(found)))


def eigenvectors(matrices):
    return lambda: np.linalg.eigh(matrices)


@pytest.mark.parametrize("name", ["eigenvectors", "mbfast"])
@pytest.mark.parametrize("shape", [(2, 1, 1), (2, 2, 1), (2, 2, 2)], ids=lambda shape: "x".join(map(str, shape)))
def test_orders(case, benchmark, shape, name):
    """Beside the eigenvectors of four members once; the exact part is compared with that of a member by itself."""
    if benchmark.disabled and shape == (2, 2, 2):
        pytest.skip("only timed")
    rng, n = np.random.default_rng(1), int(np.prod(shape))
    members, group = [drawn(shape, rng) for _ in range(4)], f"orders of four super blocks of {n}"
    if name == "eigenvectors":
        case(group, name, eigenvectors(np.array([matrix_of(member) for member in members])))
        return
    exact = exact_susceptibility(members[3], OMEGA, 0.1, volume=n * 5e-9**3)

    def measure():
        options = {"block_volume": 5e-9**3, "members": 4, "threads": 1, "rng": np.random.default_rng(1)}
        return measure_orders({"one": lambda rng: drawn(shape, rng)}, OMEGA, 0.1, **options)

    case(group, name, measure, exact, of=lambda found: found.exact[0, 3, 0, -1], rounds=2)


@pytest.mark.quick
@pytest.mark.parametrize("name", ["eigenvectors", "mbfast"])
def test_exact_susceptibility(case, benchmark, name):
    """Compared with Kubo's sum over all pairs of levels, of fewer blocks."""
    n = 4 if benchmark.disabled else 9
    made = drawn((n, 1, 1), np.random.default_rng(1))
    group = "susceptibility of 9 two-level blocks at complex frequencies"
    if name == "eigenvectors":
        case(group, name, eigenvectors(matrix_of(made)))
        return
    case(
        group,
        name,
        lambda: exact_susceptibility(made, OMEGA, 0.1, volume=n * 5e-9**3),
        by_kubo(made) if n == 4 else None,
    )


@pytest.mark.parametrize("name", ["eigenvectors", "mbfast"])
@pytest.mark.parametrize("n", [2, pytest.param(3, marks=pytest.mark.quick), 4], ids=lambda n: f"{n}^3")
def test_second_order_from_pairs_and_triples(case, benchmark, n, name):
    """Beside the eigenvectors of all triples once; compared with what small couplings of all blocks give."""
    if benchmark.disabled and n > 2:
        pytest.skip("only timed")
    lattice = mbfast.BlockLattice((n, n, n), 5e-9)
    blocks = ensembles.isotropic_two_level_blocks(n**3, 5e-20, 1e-23, 1e-24, rng=np.random.default_rng(1))
    made, group, more = (
        CoupledBlocks(SILICA, lattice, blocks),
        f"second order, {n}^3 two-level blocks",
        {"volume": 1e-24},
    )
    if name == "eigenvectors":
        triples = math.comb(n**3, 3)
        case(group, name, eigenvectors(np.random.default_rng(0).normal(size=(triples, 8, 8))))
        return
    expected = by_small_couplings(mbfast.SuperBlock(SILICA, lattice, blocks), OMEGA[:4], **more) if n == 2 else None
    case(group, name, lambda: second_order(made, OMEGA[:4], 0.1, **more), expected, rounds=1 if n > 3 else 3)
