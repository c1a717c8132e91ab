"""Two-level blocks as spins: costs of flips against energies of moments, one by one and by tables of a lattice."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import mbfast
from mbfast.kernels import dipole, spins, stress

SILICA = mbfast.StressInteraction(2200, 5800, 3800)
DIPOLE = mbfast.DipoleInteraction(3e-11)
LAWS = {"stress": (stress, SILICA, SILICA.coefficients), "dipole": (dipole, DIPOLE, ())}
WEIGHTS = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])


def system(kind, seed, n):
    """Spins, asymmetries, positions, moments, and the local fields by the field of all moments."""
    kernels, interaction, coefficients = LAWS[kind]
    rng = np.random.default_rng(seed)
    c = interaction.components
    x, t = rng.random((3, n)), rng.normal(size=(c, n))
    sigma, delta = rng.choice([-1.0, 1.0], n), rng.normal(size=n)
    field = np.zeros((c, n))
    kernels.field(x, x, 0.5 * sigma * t, *coefficients, field)
    return kernels, coefficients, sigma, delta, x, t, np.einsum("a,as,as->s", WEIGHTS[:c], t, field)


def energy(kernels, coefficients, sigma, delta, x, t):
    """The energy of (2.13) of the moments sigma t/2, and of the asymmetries."""
    n, moments = len(sigma), 0.5 * sigma * t
    return 2.0 * kernels.energy(0, n, x, moments, 0, x, moments, *coefficients) + 0.5 * sigma @ delta


@pytest.mark.parametrize("kind", LAWS)
def test_costs_are_differences_of_energies_of_all_states(kind):
    kernels, coefficients, _, delta, x, t, _ = system(kind, 1, 5)
    couplings = [[kernels.coupling(s, u, x, t, *coefficients) if s != u else 0.0 for u in range(5)] for s in range(5)]
    energies = {}
    for states in itertools.product((-1.0, 1.0), repeat=5):
        energies[states] = energy(kernels, coefficients, np.array(states), delta, x, t)
    scale = 1e-12 * max(map(abs, energies.values()))
    for states, before in energies.items():
        sigma = np.array(states)
        local = np.array(couplings) @ sigma
        for s, u in itertools.combinations(range(5), 2):
            one, two = sigma.copy(), sigma.copy()
            one[s], two[[s, u]] = -sigma[s], -sigma[[s, u]]
            cost = spins.flip_cost(s, sigma, delta, local)
            assert cost == pytest.approx(energies[tuple(one)] - before, abs=scale)
            cost = spins.pair_flip_cost(s, u, couplings[s][u], sigma, delta, local)
            assert cost == pytest.approx(energies[tuple(two)] - before, abs=scale)


@pytest.mark.parametrize("kind", LAWS)
@given(st.integers(0, 2**32 - 1))
def test_flips_keep_local_fields_and_the_energy_up(kind, seed):
    kernels, coefficients, sigma, delta, x, t, local = system(kind, seed, 21)
    before = energy(kernels, coefficients, sigma, 0.0 * delta, x, t)
    gained = sum(kernels.flip(s, sigma, x, t, *coefficients, local) for s in (3, 20, 3, 0, 7))
    after = energy(kernels, coefficients, sigma, 0.0 * delta, x, t)
    size = (
        np.abs(t).max() ** 2 * 21 / np.min(np.linalg.norm((x[:, :, None] - x[:, None]) + 9 * np.eye(21), axis=0)) ** 3
    )
    assert gained == pytest.approx(after - before, abs=1e-11 * size)
    field = np.zeros_like(t)
    kernels.field(x, x, 0.5 * sigma * t, *coefficients, field)
    assert_allclose(local, np.einsum("a,as,as->s", WEIGHTS[: len(t)], t, field), rtol=0, atol=1e-11 * size)


@pytest.mark.parametrize("kind", LAWS)
def test_energies_of_a_source_are_those_of_its_field(kind):
    kernels, coefficients, _, _, x, t, _ = system(kind, 2, 21)
    source, moment, own = x[:, 4].copy(), t[:, 5].copy(), WEIGHTS[: len(t)]
    field, out = np.zeros_like(t), np.ones(21)
    kernels.source_field(x, source, moment, *coefficients, field)
    kernels.source_energies(x, t, source, moment, *coefficients, out)
    wanted = np.einsum("a,as,as->s", own, t, field)
    assert out[4] == 1.0  # nothing with itself
    assert_allclose(out, 1.0 + wanted, rtol=0, atol=1e-13 * np.abs(wanted).max())


@pytest.mark.thinned(2, bare=1)
@pytest.mark.parametrize("condition", ["clamped", "stress-free"])
@pytest.mark.parametrize(
    "shape",
    [(1, 3, 2), (1, 1, 1), *(pytest.param(shape, marks=pytest.mark.compiled) for shape in ((2, 3, 11), (3, 2, 8)))],
)
def test_tables_of_a_lattice_have_its_fields(shape, condition):
    lattice = mbfast.BlockLattice(shape, 5e-9, averaged=True)
    made = mbfast.LatticeField(SILICA, lattice, boundary="periodic", macroscopic=condition, self_field=True)
    table, n = made.coupling_table(), lattice.n_blocks
    moments = np.random.default_rng(3).normal(size=(n, 6))
    wanted, found = made(moments.reshape(*shape, 6)).reshape(n, 6), np.zeros((6, n))
    for s, moment in enumerate(moments):
        spins.lattice_field(s, moment, table, found)
    # 21 products of n blocks, each to rounding, beside the field's own 1e-13; the field of one clamped cube cancels
    size = np.abs(moments).sum() * abs(SILICA.prefactor) / lattice.spacing**3
    assert_allclose(found.T, wanted, rtol=0, atol=1e-12 * size)
    rows = np.ascontiguousarray(moments.T)
    energies = np.zeros(n)
    spins.lattice_energies(n - 1, moments[0], table, rows, energies)
    found[:] = 0.0
    spins.lattice_field(n - 1, moments[0], table, found)
    assert_allclose(energies, WEIGHTS @ (rows * found), rtol=0, atol=1e-12 * size * np.abs(moments).max())


@pytest.mark.parametrize("kind", LAWS)
def test_flips_on_a_periodic_lattice(kind):
    _, interaction, _ = LAWS[kind]
    lattice = mbfast.BlockLattice((3, 2, 9), 5e-9)
    made = mbfast.LatticeField(interaction, lattice, boundary="periodic")
    table, n, c = made.coupling_table(), lattice.n_blocks, interaction.components
    rng = np.random.default_rng(4)
    sigma, t = rng.choice([-1.0, 1.0], n), rng.normal(size=(c, n))

    def total():
        return made.energy((0.5 * sigma * t).T.reshape(*lattice.shape, c))

    local = np.array(
        [sum(spins.lattice_coupling(s, u, table, t) * sigma[u] for u in range(n) if u != s) for s in range(n)]
    )
    chosen = (0, n - 1, 17, 0, *np.flatnonzero(sigma != np.roll(sigma, 1))[:3].tolist())  # some beside another spin
    for s in chosen:
        before, cost = total(), spins.flip_cost(s, sigma, np.zeros(n), local)
        assert spins.lattice_flip(s, sigma, table, t, local) == pytest.approx(cost, rel=1e-12)
        assert total() - before == pytest.approx(cost, abs=1e-11 * abs(before) + 1e-11 * np.abs(table).max())
    moments, found = (0.5 * sigma * t).T, np.zeros((c, n))
    for s in range(n):
        spins.lattice_field(s, moments[s].copy(), table, found)
    wanted = made(moments.reshape(*lattice.shape, c)).reshape(n, c)
    assert_allclose(found.T, wanted, rtol=0, atol=1e-12 * np.abs(moments).sum() * np.abs(table).max())
    again = [sum(spins.lattice_coupling(s, u, table, t) * sigma[u] for u in range(n) if u != s) for s in range(n)]
    assert_allclose(local, again, rtol=0, atol=1e-12 * np.abs(table).max() * n)


def test_no_table_of_open_or_empty_lattices():
    with pytest.raises(ValueError, match=r"coupling_table is that of a periodic lattice"):
        mbfast.LatticeField(SILICA, mbfast.BlockLattice((2, 2, 2), 1e-9)).coupling_table()
    with pytest.raises(ValueError, match="of one block at least"):
        mbfast.LatticeField(SILICA, mbfast.BlockLattice((0, 2, 2), 1e-9), boundary="periodic").coupling_table()
    shells = {"boundary": "periodic", "images": 1}  # opposite ends of the cell see others
    with pytest.raises(ValueError, match="of one block at least, with all images"):
        mbfast.LatticeField(SILICA, mbfast.BlockLattice((3, 2, 2), 1e-9), **shells).coupling_table()
    made = mbfast.LatticeField(SILICA, mbfast.BlockLattice((1, 2, 2), 1e-9), boundary="periodic")
    with pytest.raises(ValueError, match="threads"):
        made.coupling_table(threads=0)
