"""The second order in the coupling from pairs and triples, against all levels of the whole super block."""

import itertools
import tracemalloc

import naive
import numpy as np
import pytest
from materials import DIPOLES, INTERACTIONS, SILICA
from numpy.testing import assert_allclose

import mbfast
from mbfast.superblock import clusters, ensembles
from mbfast.superblock.clusters import second_order
from mbfast.superblock.coupled import CoupledBlocks
from mbfast.superblock.kubo import exact_susceptibility
from mbfast.superblock.perturbation import first_order

pytestmark = pytest.mark.compiled  # its kernels have tests without the JIT of their own

ENERGY, SIDE = 1e-24, 5e-9
OMEGA = np.linspace(0.0, 3e10, 3) + 1e10j


def mixed(seed, kinds, interaction):
    rng = np.random.default_rng(seed)
    c, unit = interaction.components, {6: 2e-20, 3: 5e-30}[interaction.components]
    blocks = []
    for d in kinds:
        stress = rng.normal(size=(c, d, d)) + 1j * rng.normal(size=(c, d, d))
        blocks.append(mbfast.Block(rng.normal(0, ENERGY, d), unit * (stress + stress.conj().swapaxes(1, 2))))
    return SIDE * (np.arange(3.0 * len(kinds)).reshape(-1, 3) % 4 + 0.3 * rng.random((len(kinds), 3))), blocks


@pytest.mark.parametrize("kinds", [(2, 3), (2, 2, 3), (2, 3, 2, 2)], ids=["pair", "triple", "four"])
@INTERACTIONS
def test_pairs_and_triples_are_all_of_the_second_order(kinds, interaction):
    positions, blocks = mixed(len(kinds), kinds, interaction)
    made, more = mbfast.SuperBlock(interaction, positions, blocks), {"volume": SIDE**3, "wavevector": [1e8, 0, 2e8]}
    found = second_order(made, OMEGA, 0.05, **more)
    assert (second_order(CoupledBlocks(interaction, positions, blocks), OMEGA, 0.05, **more) == found).all()
    # even part of the whole by Richardson, with couplings far smaller than the width
    h = 0.03 * 1e10 * mbfast.units.HBAR / np.abs(made.dense()).max()
    at = [sum(exact_susceptibility(made, OMEGA, 0.05, coupling=s * g, **more) for s in (1, -1)) / 2 for g in (h, 2 * h)]
    alone = exact_susceptibility(made, OMEGA, 0.05, coupling=0.0, **more)
    (one, two), (x, y) = ([v - alone for v in at], (h * h, 4 * h * h))
    wanted = (one / x * y - two / y * x) / (y - x)
    assert_allclose(found, wanted, rtol=0, atol=1e-3 * np.abs(wanted).max())


def test_of_a_pair_it_falls_as_the_sixth_power():
    blocks = ensembles.isotropic_two_level_blocks(2, 1e-20, 3e-24, 1e-24, rng=np.random.default_rng(1))
    direction = np.array([0.48, -0.6, 0.64])
    near, far = (
        second_order(mbfast.SuperBlock(SILICA, [0 * direction, x * direction], blocks), OMEGA, 0.05, volume=SIDE**3)
        for x in (SIDE, 2 * SIDE)
    )
    assert_allclose(near, 64 * far, rtol=0, atol=1e-7 * np.abs(near).max())


def test_one_block_has_none():
    made = mbfast.SuperBlock(SILICA, [[0, 0, 0]], mbfast.Block.two_level(0.0, ENERGY, [1e-20, 0, 0, 0, 0, 0]))
    assert not second_order(made, OMEGA, 0.05, volume=SIDE**3).any()


@pytest.mark.compiled
def test_more_blocks_than_states_fit():
    blocks = ensembles.isotropic_two_level_blocks(50, 1e-20, 3e-24, 1e-24, rng=np.random.default_rng(2))
    made = CoupledBlocks(SILICA, mbfast.BlockLattice((5, 5, 2), SIDE), blocks)
    assert "50 blocks" in repr(made)
    assert first_order(made, OMEGA, 0.05, volume=SIDE**3).hartree.shape == (3, 6, 6)


def test_what_is_refused(monkeypatch):
    positions, blocks = mixed(3, (2, 2), DIPOLES)
    made = CoupledBlocks(DIPOLES, positions, blocks)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        second_order(made, OMEGA, 0.0, volume=SIDE**3)
    with pytest.raises(TypeError, match="super_block must be a SuperBlock or CoupledBlocks"):
        second_order(blocks, OMEGA, 0.1, volume=SIDE**3)
    monkeypatch.setattr(clusters, "available_memory", lambda: 1e3)
    with pytest.raises(MemoryError, match=r"three blocks with 4 states, at 3 frequencies, need .* GB are available"):
        second_order(made, OMEGA, 0.1, volume=SIDE**3)
    monkeypatch.setattr(clusters, "available_memory", lambda: 1e6)
    with pytest.raises(MemoryError, match="at 5000 frequencies"):
        second_order(made, 1j * np.arange(1.0, 5001.0), 0.1, volume=SIDE**3)


def test_clusters_are_made_some_at_a_time(monkeypatch):
    monkeypatch.setattr(clusters, "_ELEMENTS", 1 << 16)
    many = clusters._Clusters.__new__(clusters._Clusters)
    many._dims, many._z = (2, 3) * 50, OMEGA
    tracemalloc.start()
    sizes = [len(group) for group in many.groups(3)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(sizes) == 161_700
    assert peak < 2e6  # all triples are 12 MB
    many._dims = (2, 3, 2, 2, 3)
    for size in (2, 3):
        found = [tuple(cluster) for group in many.groups(size) for cluster in group.tolist()]
        assert sorted(found) == list(itertools.combinations(range(5), size))


def pair(positions, splittings, stress=1e-20):
    rng = np.random.default_rng(3)
    blocks = [mbfast.Block.two_level(a, d, stress * rng.normal(size=6)) for a, d in splittings]
    return mbfast.SuperBlock(SILICA, positions, blocks)


COLD = pair([[0, 0, 0], [0, 3e-9, 4e-9]], ((3e-24, 8e-24), (-7e-24, 5e-24)))


def test_it_is_that_of_the_ground_state_however_cold():
    # at 0.01 K the other levels have exp(-60) already
    omega = np.array([3e10 + 1e9j, 9e10 + 1e8j])
    found = [second_order(COLD, omega, kelvin, volume=SIDE**3) for kelvin in (1e-2, 1e-5, 1e-8, 1e-30)]
    assert_allclose(found[1:], [found[0]] * 3, rtol=0, atol=1e-7 * np.abs(found[0]).max())


def test_the_static_limit_needs_no_width():
    narrow, none = (second_order(COLD, [1j * width], 0.1, volume=SIDE**3) for width in (1e5, 1e-35))
    assert_allclose(none, narrow, rtol=1e-7)


@pytest.mark.parametrize("width", [1e10, 1e8, 1e7, 1e4])
def test_narrow_lines_are_right_or_refused(width):
    gap = np.ptp(np.linalg.eigvalsh(COLD.block_hamiltonian(0))) / mbfast.units.HBAR
    omega, unit = np.array([0.3, 1.0]) * gap + 1j * width, np.abs(COLD.block_stress(0)).max()
    alone = np.kron(COLD.block_hamiltonian(0), np.eye(2)) + np.kron(np.eye(2), COLD.block_hamiltonian(1))
    left, right = (COLD.block_stress(s) / unit for s in (0, 1))
    parts = np.array([np.kron(a, np.eye(2)) + np.kron(np.eye(2), b) for a, b in zip(left, right, strict=True)])
    for z in omega:
        scaled = [x / ENERGY for x in (alone, COLD.dense() - alone, mbfast.units.HBAR, mbfast.units.K_B)]
        tensor = naive.second_order(*scaled[:2], parts, 0.1, z, 1.0, *scaled[2:])
        both = [np.stack(mbfast.isotropic_moduli(x)) for x in (tensor.real, tensor.imag)]
        wanted = (both[0] + 1j * both[1]) * (unit**2 / ENERGY / SIDE**3)
        if z == omega[1] and width < 1e5:  # on the line, where rounding errors are 1e8 times larger
            with pytest.raises(ArithmeticError, match=r"rounding errors may be .* 0.0001 is allowed"):
                second_order(COLD, [z], 0.1, volume=SIDE**3)
        else:
            found = second_order(COLD, [z], 0.1, volume=SIDE**3)[:, 0]
            assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("seed", range(3))
def test_narrow_lines_far_from_the_frequency_are_not_refused(seed):
    # lines between levels of one transition lie as near as 1e8 rad/s, but weigh nothing
    blocks = ensembles.isotropic_two_level_blocks(4, 2e-20, 1e-23, 1e-24, rng=np.random.default_rng(seed))
    made = CoupledBlocks(SILICA, mbfast.BlockLattice((4, 1, 1), SIDE), blocks)
    assert np.isfinite(second_order(made, [1e9 + 1e8j], 0.1, volume=SIDE**3)).all()


@pytest.mark.parametrize("kelvin", [1e-6, 1e-9])
def test_two_ground_states_need_heat(kelvin):
    rng = np.random.default_rng(1)
    stress = 1e-20 * rng.normal(size=(2, 6, 3, 3))
    blocks = [mbfast.Block([0.0, 0.0, 3e-24], x + x.swapaxes(1, 2)) for x in stress]
    made = mbfast.SuperBlock(SILICA, [[0, 0, 0], [0, 3e-9, 4e-9]], blocks)
    with pytest.raises(ArithmeticError, match="temperature and splittings of ground states, are too small"):
        second_order(made, [1e9 + 1e8j], kelvin, volume=SIDE**3)


def test_no_frequencies_are_refused_everywhere():
    for function in (first_order, second_order, exact_susceptibility):
        with pytest.raises(ValueError, match=r"omega must have shape \(k,\) with k of 1 or more, got \(0,\)"):
            function(COLD, [], 0.1, volume=SIDE**3)
