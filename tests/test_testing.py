"""What mbfast.testing is: free of all that mbfast compiles, documented, and right by routes of its own."""

import inspect

import numpy as np
import pytest
from materials import DIPOLES, INTERACTIONS, JOFFRIN_LEVELUT, PLACES, SILICA, WEIGHTS, largest, named, oracle_tensor
from numpy.testing import assert_allclose
from test_docstrings import documented, parameters, sections

import mbfast
from mbfast import testing
from mbfast.kernels import dipole, stress

SKEW = np.array([[1.1, 0.0, 0.2], [0.3, 0.9, 0.0], [-0.2, 0.1, 1.0]])
FUNCTIONS = [name for name in testing.__all__ if inspect.isfunction(getattr(testing, name))]


def test_it_needs_nothing_that_is_compiled(run_python):
    """It is imported where numba is not installed, and imports nothing of mbfast but itself."""
    code = """
import sys
sys.modules.update(dict.fromkeys(("numba", "llvmlite")))
from mbfast import testing
print(*sorted(name for name in sys.modules if name.startswith("mbfast") and not name.startswith("mbfast.testing")))
"""
    assert run_python(code) == "mbfast\n"


def test_mbfast_is_imported_without_any_other_package(run_python):
    """As by a build of Python for which they are not there yet."""
    code = """
import sys
sys.modules.update(dict.fromkeys(("numba", "llvmlite", "numpy", "scipy")))
import mbfast
print(mbfast.__version__)
"""
    assert run_python(code) == f"{mbfast.__version__}\n"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstrings_name_all_that_is_taken(name):
    parts = sections(getattr(testing, name))
    assert documented(parts["Parameters"]) == parameters(getattr(testing, name))
    assert parts["Returns"].strip()


def test_every_function_is_listed_and_in_the_table_of_its_module():
    homes = {getattr(testing, name).__module__ for name in testing.__all__}
    assert {f"`{home}`" for home in homes} <= set(testing.__doc__.replace("|", " ").split())


def test_the_field_of_a_cubic_lattice_of_dipoles():
    """Its sphere gives nothing by symmetry, so that what k = 0 would add is all there is: Lorentz's field."""
    unit = np.array([[0.0, 0.6, 0.8]])
    field = testing.ewald_field(("dipole",), np.zeros((1, 3)), unit, 2.0 * np.eye(3))
    assert_allclose(field, -4 * np.pi / 3 * unit / 8.0, rtol=0, atol=1e-14)


@pytest.mark.thinned(1)
@INTERACTIONS
@pytest.mark.parametrize("vectors", [np.eye(3), SKEW], ids=["cube", "skew"])
def test_two_ways_to_add_up_all_images(interaction, vectors):
    rng, kind = np.random.default_rng(3), named(interaction)
    moments = (testing.random_dipoles if kind == ("dipole",) else testing.random_stress)(rng, 2)
    positions = testing.random_positions(rng, 2, [1.0, 1.0, 1.0], least=0.3) @ vectors
    field = testing.ewald_field(kind, positions, moments, vectors)
    uniform = testing.mean_mode(kind, moments.sum(axis=0)) / np.linalg.det(vectors)
    spheres = testing.sphere_of_images(kind, positions, moments, vectors, 18.0)
    # the sphere's edge is R/12 wide: of the cell's shortest wave vectors k it leaves exp(-(k R/24)^2), below 1e-7 here
    assert_allclose(field + uniform, spheres, rtol=0, atol=1e-6 * largest(field))


@pytest.mark.compiled
@INTERACTIONS
def test_periodic_sums_equal_the_naive_one(interaction):
    rng, kind = np.random.default_rng(4), named(interaction)
    moments = (testing.random_dipoles if kind == ("dipole",) else testing.random_stress)(rng, 3)
    positions = rng.random((3, 3)) @ SKEW
    rtol = 1e-9
    mine = mbfast.pair_field(interaction, positions, moments, boundary="periodic", cell=SKEW, rtol=rtol)
    expected = interaction.prefactor * testing.ewald_field(kind, positions, moments, SKEW)
    assert_allclose(mine, expected, rtol=0, atol=rtol * largest(expected))


@pytest.mark.parametrize("interaction", [SILICA, JOFFRIN_LEVELUT, DIPOLES], ids=["stress", "jl", "dipole"])
def test_spins_have_the_energy_of_their_moments(interaction):
    rng, kind = np.random.default_rng(5), named(interaction)
    positions = testing.random_positions(rng, 6, [4.0, 4.0, 4.0], least=1.0)
    moments = (testing.random_dipoles if kind == ("dipole",) else testing.random_stress)(rng, 6)
    sigma = rng.choice([-1.0, 1.0], 6)
    couplings = testing.spin_couplings(oracle_tensor(interaction), positions, moments)
    states = 0.5 * moments * sigma.reshape(6, *[1] * (moments.ndim - 1))
    energy = interaction.prefactor * testing.pair_energy(kind, positions, states)
    assert testing.spin_energy(couplings, np.zeros(6), sigma) == pytest.approx(energy, rel=1e-12)
    fields = np.full(6, 0.25 * largest(couplings))
    both = testing.flip_cost(couplings, fields, sigma, (1, 4))
    after = np.where(np.isin(np.arange(6), (1, 4)), -sigma, sigma)
    one = testing.flip_cost(couplings, fields, sigma, (1,))
    middle = np.where(np.arange(6) == 1, -sigma, sigma)
    assert both == pytest.approx(one + testing.flip_cost(couplings, fields, middle, (4,)), abs=1e-12 * abs(energy))
    assert testing.flip_cost(couplings, fields, after, (4, 1)) == pytest.approx(-both, abs=1e-12 * abs(energy))


@pytest.mark.parametrize("kind", ["stress", "dipole"])
def test_flips_cost_what_the_kernels_say(kind):
    interaction, kernels = (SILICA, stress) if kind == "stress" else (DIPOLES, dipole)
    coefficients = interaction.coefficients if kind == "stress" else ()
    rng = np.random.default_rng(6)
    positions = testing.random_positions(rng, 7, [4.0, 4.0, 4.0], least=1.0)
    moments = (testing.random_stress if kind == "stress" else testing.random_dipoles)(rng, 7)
    couplings = testing.spin_couplings(oracle_tensor(interaction), positions, moments) / interaction.prefactor
    columns = moments.T if kind == "dipole" else np.array([moments[:, i, j] for i, j in PLACES])
    x, t, sigma = positions.T.copy(), np.ascontiguousarray(columns), rng.choice([-1.0, 1.0], 7)
    field = np.zeros_like(t)
    kernels.field(x, x, 0.5 * sigma * t, *coefficients, field)
    local = np.einsum("a,as,as->s", WEIGHTS[: len(t)], t, field)
    for s in (2, 5, 2, 0):
        cost = testing.flip_cost(couplings, np.zeros(7), sigma, (s,))
        assert kernels.flip(s, sigma, x, t, *coefficients, local) == pytest.approx(cost, abs=1e-12 * largest(couplings))


@pytest.mark.parametrize("periodic", [False, True])
def test_random_blocks_keep_their_distance(periodic):
    box, least = np.array([3.0, 1.0, 2.0]), 0.25
    points = testing.random_positions(np.random.default_rng(7), 150, box, least=least, periodic=periodic)
    assert points.shape == (150, 3)
    assert np.all((points >= 0.0) & (points < box))
    r = points[:, None] - points
    r -= periodic * box * np.round(r / box)
    assert np.min(np.linalg.norm(r, axis=-1) + 9.0 * np.eye(150)) >= least


def test_blocks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"least must leave room: .* of the box, got 0\.524"):
        testing.random_positions(np.random.default_rng(1), 1000, [10.0, 10.0, 10.0], least=1.0)
    with pytest.raises(ValueError, match="least must leave room"):
        testing.random_positions(np.random.default_rng(1), 2, [1.0, 1.0, 1.0], least=np.nan)


def test_random_stress_is_isotropic():
    """<T_ij T_kl> = (δ_ik δ_jl + δ_il δ_jk)/2, a mean of n products, of standard deviations up to √(2/n)."""
    moments = testing.random_stress(np.random.default_rng(8), 20_000, 3.0)
    assert np.array_equal(moments, moments.swapaxes(-1, -2))
    d = np.eye(3)
    expected = 0.5 * (np.einsum("ik,jl->ijkl", d, d) + np.einsum("il,jk->ijkl", d, d))
    assert_allclose(np.einsum("nij,nkl->ijkl", moments, moments) / (9.0 * 20_000), expected, rtol=0, atol=5 * 0.01)


def test_random_rotations():
    q = testing.random_rotation(np.random.default_rng(9))
    assert_allclose(q @ q.T, np.eye(3), rtol=0, atol=1e-14)
    assert np.linalg.det(q) == pytest.approx(1.0, abs=1e-14)


def test_random_levels_make_a_block():
    energies, tensor = testing.random_levels(np.random.default_rng(10), 4, 1e-24, 1e-19)
    block = mbfast.Block(energies, tensor)
    assert np.all(np.diff(energies) > 0.0)
    assert len(block.energies) == 4
    assert np.array_equal(tensor, tensor.swapaxes(0, 1))
    assert np.array_equal(tensor, tensor.conj().swapaxes(2, 3))


def test_random_spectra_are_absorption():
    omega = np.geomspace(1e6, 1e13, 200)
    samples = testing.random_spectrum(np.random.default_rng(11), omega, 5.0)
    assert samples.max() < 0.0
    assert samples.min() == -5.0
    # bumps are one e-fold wide at least, and nodes 0.08 apart: two samples differ by less than a tenth of the largest
    assert largest(np.diff(samples)) < 0.5
    assert mbfast.Spectrum(omega, samples, samples, 1.0).omega.shape == (200,)


@pytest.mark.parametrize("name", [name for name in testing.__all__ if name.startswith("random_")])
def test_the_same_seed_gives_the_same_numbers(name):
    arguments = {"random_positions": (5, [1.0, 1.0, 1.0]), "random_rotation": (), "random_spectrum": ([1.0, 2.0],)}
    one, two = (getattr(testing, name)(np.random.default_rng(12), *arguments.get(name, (3,))) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a, b)
