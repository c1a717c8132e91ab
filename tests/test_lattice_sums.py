import itertools
import math
import sys

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from materials import DIPOLES, INTERACTIONS, JOFFRIN_LEVELUT, SILICA, oracle_tensor
from numpy.testing import assert_allclose

import mbfast

EPS = sys.float_info.epsilon
LATTICE = mbfast.BlockLattice((2, 3, 2), 2e-9)
CLOUD = np.random.default_rng(8).normal(size=(9, 3)) * 3e-9
WAVE = np.array([1e8, -2e8, 0.7e8])
ALONG = WAVE / np.linalg.norm(WAVE)
OBLIQUE = np.array([0.6, 0.0, 0.8])
POLARIZATIONS = pytest.mark.parametrize(
    "polarization", ["longitudinal", "transverse", OBLIQUE], ids=["l", "t", "vector"]
)


def directions(polarization):
    if isinstance(polarization, str):
        return [ALONG] if polarization == "longitudinal" else naive.transverse_directions(WAVE)
    return [polarization]


@given(st.tuples(*[st.integers(1, 4)] * 3), st.floats(-3, 15))
def test_lattice_sum_equals_the_double_sum(shape, power):
    lattice = mbfast.BlockLattice(shape, 2e-9)
    expected = naive.lattice_sum(lattice.positions, power, 2e-9)
    # the double sum takes distances of rounded positions: a few eps each, times the power
    assert mbfast.lattice_sum(lattice, power) == pytest.approx(expected, rel=100 * EPS)
    by_pairs = mbfast.lattice_sum(lattice.positions, power, spacing=2e-9)
    assert by_pairs == pytest.approx(expected, rel=100 * EPS)


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("power", "infinite"),  # theta splitting; Burrows et al., J. Math. Phys. 2020, 10.1063/5.0021159
    [(6, 8.4019239748275399931), (8, 6.9458079272263696242), (12, 6.2021490450475185519)],
)
def test_lattice_sums_converge_to_the_known_ones(power, infinite):
    # A cube of n^3 blocks lacks, of each offset, a share (|x|+|y|+|z|)/n to first order: extrapolate in 1/n.
    n = np.array([16, 24, 32, 48, 64])
    sums = [mbfast.lattice_sum(mbfast.BlockLattice((m, m, m), 1.0), power) for m in n]
    limit = np.polynomial.polynomial.polyfit(1 / n, sums, 4)[0]
    # power 6 has a term n^-3 ln n as well, which the polynomial does not hold
    assert limit == pytest.approx(infinite, rel=2e-5)
    assert all(a < b < infinite for a, b in itertools.pairwise(sums))


# By an independent derivation: exact fractions, and sums for silica's alpha.
@pytest.mark.parametrize(
    ("n", "sixth", "longitudinal"),
    [
        (2, 737 / 216, -1.48767745),
        (3, 509138851 / 104976000, -1.97377334),
        (16, 7.65255906398840872, -2.68713892383817),
    ],
)
def test_known_sums_over_cubes(n, sixth, longitudinal):
    cube = mbfast.BlockLattice((n, n, n), 1.0)
    assert mbfast.lattice_sum(cube, 6) == pytest.approx(sixth, rel=1e-14)
    unit = mbfast.StressInteraction(1 / (8 * np.pi), SILICA.c_l / SILICA.c_t, 1.0)
    along, across = (-mbfast.phase_sum(unit, cube, [0, 0, 1e-6], p) for p in ("longitudinal", "transverse"))
    assert along == pytest.approx(longitudinal, rel=1e-7)  # alpha was rounded to seven digits
    assert across == pytest.approx(-along / 2, rel=1e-9)  # the harmonic of order 4 is cubic, that of order 2 is gone


@POLARIZATIONS
@INTERACTIONS
def test_phase_sum_equals_the_double_sum(interaction, polarization):
    tensor = oracle_tensor(interaction)
    for blocks, positions in ((LATTICE, LATTICE.positions), (CLOUD, CLOUD)):
        expected = naive.phase_sum(tensor, positions, WAVE, directions(polarization))
        result = mbfast.phase_sum(interaction, blocks, WAVE, polarization)
        # harmonics of both signs cancel; relative to the largest term
        bound = np.abs(tensor(positions[1] - positions[0])).max()
        assert result == pytest.approx(expected, rel=1e-11, abs=1e-13 * bound)


@POLARIZATIONS
@pytest.mark.parametrize("interaction", [SILICA, JOFFRIN_LEVELUT], ids=["stress", "jl"])
def test_strain_coupling_of_stress_equals_the_double_sum(interaction, polarization):
    tensor = oracle_tensor(interaction)
    for blocks, positions in ((LATTICE, LATTICE.positions), (CLOUD, CLOUD)):
        expected = naive.coupling_sum(tensor, positions, WAVE, directions(polarization), x=0.3)
        result = mbfast.strain_coupling_sum(interaction, blocks, WAVE, polarization, 0.3)
        assert result == pytest.approx(expected, rel=1e-9)  # the oracle differentiates numerically


@POLARIZATIONS
@pytest.mark.parametrize("coherent", [True, False])
@pytest.mark.parametrize("change", ["none", "gradient", "strain"])
def test_strain_coupling_of_dipoles_equals_the_double_sum(change, coherent, polarization):
    tensor = oracle_tensor(DIPOLES)
    options = {"moment_change": change, "coherent": coherent}
    for blocks, positions in ((LATTICE, LATTICE.positions), (CLOUD, CLOUD)):
        expected = naive.coupling_sum(tensor, positions, WAVE, directions(polarization), **options)
        assert mbfast.strain_coupling_sum(DIPOLES, blocks, WAVE, polarization, **options) == pytest.approx(
            expected, rel=1e-9
        )


def test_a_rigid_rotation_costs_no_energy_only_with_the_full_gradient():
    """What decides between the choices of moment_change: M of a rotation u = G x, G antisymmetric."""
    gradient = np.cross(np.eye(3), [0.2, -0.5, 0.4])
    r = CLOUD[0] - CLOUD[1]
    mu, moved = DIPOLES.tensor(r), DIPOLES.tensor_change(r, gradient @ r)
    assert_allclose(moved + gradient.T @ mu + mu @ gradient, 0, atol=1e-14 * np.abs(mu).max())
    assert np.abs(moved).max() > 0.1 * np.abs(mu).max()  # all there is if dipoles follow the strain, which is zero


@pytest.mark.parametrize("polarization", ["longitudinal", "transverse"])
def test_long_waves_on_an_isotropic_sample_give_the_angular_average(polarization):
    # pairs in many directions, all at one distance: two blocks at a time, averaged over directions exactly to order 13
    cosines, weights = np.polynomial.legendre.leggauss(7)
    mean = {"stress": 0.0, "dipole": 0.0}
    for c, w in zip(cosines, weights, strict=True):
        for phi in 2 * np.pi * np.arange(14) / 14:
            s = math.sqrt(1 - c * c)
            pair = 3e-9 * np.array([[0, 0, 0], [s * math.cos(phi), s * math.sin(phi), c]])
            k = [0.0, 0.0, 1e2]  # |k.x| = 3e-7: the sine is its argument to 1e-14
            mean["stress"] += w / 28 * mbfast.strain_coupling_sum(SILICA, pair, k, polarization, 0.7)
            mean["dipole"] += w / 28 * mbfast.strain_coupling_sum(DIPOLES, pair, k, polarization)
    scale = (SILICA.prefactor / 3e-9**3) ** 2
    exact = mbfast.angular_coefficients("corrected", polarization)
    polynomial = sum(float(c) * SILICA.alpha**p * 0.7**q for p, row in enumerate(exact) for q, c in enumerate(row))
    assert mean["stress"] / scale == pytest.approx(polynomial, rel=1e-12)
    scale = (DIPOLES.prefactor / 3e-9**3) ** 2
    exact = mbfast.angular_coefficients("dipole", polarization, moment_change="gradient")
    assert mean["dipole"] / scale == pytest.approx(float(exact[0][0]), rel=1e-12)


def test_fewer_than_two_blocks_have_no_pairs():
    for blocks in (mbfast.BlockLattice((1, 1, 1), 1.0), mbfast.BlockLattice((0, 4, 4), 1.0)):
        assert mbfast.lattice_sum(blocks, 6) == 0.0
    assert mbfast.phase_sum(SILICA, [[0.0, 0.0, 0.0]], WAVE, "longitudinal") == 0.0
    assert mbfast.strain_coupling_sum(DIPOLES, np.empty((0, 3)), WAVE, "transverse") == 0.0


@pytest.mark.compiled
def test_the_bits_do_not_depend_on_the_number_of_threads():
    cube = mbfast.BlockLattice((9, 8, 7), 1e-9)
    for blocks in (cube, cube.positions):
        results = {mbfast.strain_coupling_sum(SILICA, blocks, WAVE, "transverse", 0.1, threads=n) for n in (1, 2, 5)}
        assert len(results) == 1


def test_high_powers_of_positions_stay_finite():
    chain = mbfast.BlockLattice((300, 1, 1), 1.0)
    for power in (120.0, -120.0):
        by_pairs = mbfast.lattice_sum(chain.positions, power, spacing=1.0)
        assert by_pairs == pytest.approx(mbfast.lattice_sum(chain, power), rel=1e-12)


@pytest.mark.compiled
def test_long_thin_and_large_flat_lattices_come_in_pieces():
    line = mbfast.BlockLattice((1, 1, 200_000), 1.0)
    expected = sum(2 * (200_000 - k) / 200_000 / k**4 for k in range(1, 2000))
    assert mbfast.lattice_sum(line, 4) == pytest.approx(expected, rel=1e-9)  # the tail beyond 2000
    assert mbfast.lattice_sum(mbfast.BlockLattice((200_000, 1, 1), 1.0), 4) == pytest.approx(expected, rel=1e-9)


def test_a_unit_vector_is_the_named_polarization():
    along = mbfast.phase_sum(SILICA, LATTICE, WAVE, "longitudinal")
    assert mbfast.phase_sum(SILICA, LATTICE, WAVE, ALONG) == pytest.approx(along, rel=1e-13)
    assert mbfast.phase_sum(SILICA, LATTICE, WAVE, ALONG.astype(np.float32)) == pytest.approx(along, rel=1e-6)
    pair = [mbfast.phase_sum(SILICA, LATTICE, WAVE, u) for u in naive.transverse_directions(WAVE)]
    assert_allclose(np.mean(pair), mbfast.phase_sum(SILICA, LATTICE, WAVE, "transverse"), rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mbfast.lattice_sum(LATTICE, np.nan), ValueError, "power must be finite"),
        (lambda: mbfast.lattice_sum(LATTICE, [6]), TypeError, "power must be one number"),
        (lambda: mbfast.phase_sum(SILICA, LATTICE, [0, 0, 1e-40], "transverse"), ValueError, "wavevector must be one"),
        (
            lambda: mbfast.strain_coupling_sum(SILICA, LATTICE, WAVE, "transverse", [0.3, 0.4]),
            TypeError,
            "x must be one number",
        ),
        (lambda: mbfast.lattice_sum(LATTICE, 6, spacing=1.0), ValueError, "spacing is known for a lattice"),
        (lambda: mbfast.lattice_sum(CLOUD, 6), ValueError, "spacing must be given for positions"),
        (lambda: mbfast.lattice_sum(CLOUD, 6, spacing=-1.0), ValueError, "spacing must be positive"),
        (lambda: mbfast.lattice_sum(CLOUD[[0, 0]], 6, spacing=1.0), ValueError, "blocks 0 and 1 coincide"),
        (lambda: mbfast.lattice_sum(LATTICE, 6, threads=0), ValueError, "threads must be at least 1"),
        (
            lambda: mbfast.phase_sum(SILICA, LATTICE, [0, 0, 0], "transverse"),
            ValueError,
            "wavevector must be one vector",
        ),
        (lambda: mbfast.phase_sum(SILICA, LATTICE, [[0, 0, 1]], "transverse"), ValueError, "wavevector must be one"),
        (
            lambda: mbfast.phase_sum(SILICA, LATTICE, WAVE, "sideways"),
            ValueError,
            "polarization must be longitudinal, t",
        ),
        (lambda: mbfast.phase_sum(SILICA, LATTICE, WAVE, [0, 0, 2]), ValueError, "polarization must be a unit vector"),
        (lambda: mbfast.strain_coupling_sum(SILICA, LATTICE, WAVE, "transverse"), ValueError, "x = .* must be given"),
        (
            lambda: mbfast.strain_coupling_sum(SILICA, LATTICE, WAVE, "transverse", np.inf),
            ValueError,
            "x must be finite",
        ),
        (
            lambda: mbfast.strain_coupling_sum(DIPOLES, LATTICE, WAVE, "transverse", 0.3),
            ValueError,
            "x belongs to stress",
        ),
        (
            lambda: mbfast.strain_coupling_sum(SILICA, LATTICE, WAVE, "transverse", 0.3, moment_change="strain"),
            ValueError,
            "moment_change must be one of none, got 'strain'",
        ),
        (
            lambda: mbfast.strain_coupling_sum(DIPOLES, LATTICE, WAVE, "transverse", moment_change="turn"),
            ValueError,
            "moment_change must be one of gradient, none, strain",
        ),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
