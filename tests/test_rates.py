"""Absorption rates: closed forms, pairs of blocks one by one, and what must not matter."""

import itertools
import math

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from materials import SILICA

import mbfast
from mbfast import units
from mbfast.pairs.angular import cube_coefficients
from mbfast.pairs.averages import cube_pairs
from mbfast.renormalization.terms import PointTerms

pytestmark = pytest.mark.compiled  # spectra of hundreds of nodes

L, OMEGA_C = 5e-9, 1e15
NODES = np.geomspace(1e5, OMEGA_C, 256)
TERMS = ("single", "first", "second", "third", "interaction", "dipole")


def constant(temperature=0.0, l=-7e7, t=-3e7):  # noqa: E741
    return mbfast.Spectrum(NODES, np.full(NODES.size, l), np.full(NODES.size, t), temperature)


def smooth(temperature=0.0, scale=1.0, slope=0.1):
    shape = (NODES / 1e12) ** slope * np.exp(-NODES / 2e13)
    return mbfast.Spectrum(NODES, -7e7 * scale * shape, -3e7 * scale * shape**1.1, temperature)


@pytest.mark.parametrize("kelvin", [0.0, 0.3])
@pytest.mark.parametrize("n0", [2, 5.5])
def test_printed_terms_of_constant_spectra(kelvin, n0):
    # far below omega_c the convolution is (omega + 2 k T/hbar) f^2 and Re chi~ the logarithm
    at = np.array([1e7, 3e9, 1e11])
    rates = mbfast.absorption_rates(constant(kelvin), SILICA, L, n0, at=at, strain=1e-6, k_l=1.5, k_t=0.5)
    for a, (f, k) in enumerate(((-7e7, 1.5), (-3e7, 0.5))):
        wanted = naive.printed_rates(a, f, -7e7, -3e7, at, kelvin, SILICA, L, n0, 1e-6, k, OMEGA_C)
        for name in TERMS[:-1]:
            # the thermal tail is cut at omega_c with exp(-hbar omega_c/k T) = 0; the logarithm is exact
            np.testing.assert_allclose(getattr(rates, name)[a], wanted[name], rtol=1e-11, err_msg=name)


@pytest.mark.parametrize("form", ["corrected", "joffrin-levelut"])
def test_derived_second_term_is_the_golden_rule_on_pairs(form):
    # l = 2.4 t throughout, so that x is a number; the sum over pairs is that of the wave itself, k L ~ 1e-6
    material = mbfast.StressInteraction(2200, 5800, 3800, form=form)
    at, n0, kelvin = np.array([1e9]), 3, 0.2
    t = smooth(kelvin).transverse
    spectrum = mbfast.Spectrum(NODES, 2.4 * t, t, kelvin)
    rates = mbfast.absorption_rates(spectrum, material, L, n0, form="derived-points", at=at)
    integral = spectrum.convolve(at=at).value
    thermal = -np.expm1(-units.HBAR * at / (units.K_B * kelvin))
    lattice = mbfast.BlockLattice((n0, n0, n0), L)
    for a, polarization in enumerate(("longitudinal", "transverse")):
        pairs = naive.mean_over_directions(
            lambda k, polarization=polarization: mbfast.strain_coupling_sum(
                material, lattice, 200.0 * k, polarization, 0.4
            )
        )
        wanted = 4 / math.pi * L**6 * units.HBAR * at * thermal * n0**3 * pairs * integral
        np.testing.assert_allclose(
            rates.second[a], wanted, rtol=1e-9
        )  # k L squared, and the cancellation in u_s - u_s'


@pytest.mark.parametrize("kelvin", [0.0, 5.0])
def test_derived_interaction_term_is_the_response_of_coupled_blocks(kelvin):
    # blocks that respond with chi to the strain and to each other's fields, all N of them at once, to first order
    n0, at = 2, np.array([2e11, 3e12])
    spectrum = smooth(kelvin)
    rates = mbfast.absorption_rates(spectrum, SILICA, L, n0, form="derived-points", at=at)
    chi = naive.response(spectrum, at)
    positions = mbfast.BlockLattice((n0, n0, n0), L).positions
    couplings = np.zeros((8, 8, 3, 3, 3, 3))
    for s, r in itertools.permutations(range(8), 2):
        couplings[s, r] = SILICA.tensor(positions[s] - positions[r])
    for i, omega in enumerate(at):
        for a, velocity in enumerate((SILICA.c_l, SILICA.c_t)):
            change = naive.mean_over_directions(
                lambda k, a=a, i=i, q=omega / velocity: naive.coupled_response(
                    couplings, positions, L, chi[0][i], chi[1][i], q * k, transverse=a == 1
                ),
                order=10,
            )
            wanted = -2 * (n0 * L) ** 3 * omega * change.imag
            # derivatives by differences lose half of the digits
            assert rates.interaction[a][i] == pytest.approx(wanted, rel=2e-6)


def test_sum_over_pairs_of_long_waves_vanishes_and_is_bounded():
    rates = [
        mbfast.absorption_rates(smooth(), SILICA, L, 8, form="derived", at=[omega]) for omega in (1e8, 1e9, 1e12, 3e13)
    ]
    shares = np.array([np.abs(r.interaction.transverse / r.first.transverse)[0] for r in rates])
    assert shares[1] / shares[0] == pytest.approx(100, rel=0.15)  # as k^2, but for Re chi
    printed = mbfast.absorption_rates(smooth(), SILICA, L, 8, at=[1e9])
    assert shares.max() < 0.2 * (printed.interaction.transverse / printed.first.transverse)[0]


def test_derived_dipoles_by_pairs():
    at, epsilon, n0 = np.array([1e10]), 3.8 * 8.8541878128e-12, 3
    dielectric = -1e-4 * epsilon * np.exp(-NODES / 1e13)
    spectrum = smooth(0.5)
    rates = mbfast.absorption_rates(
        spectrum, SILICA, L, n0, form="derived-points", at=at, dielectric=dielectric, permittivity=epsilon
    )
    integral = mbfast.convolve(NODES, dielectric, at=at, temperature=0.5).value
    thermal = -np.expm1(-units.HBAR * at / (units.K_B * 0.5))
    lattice, mu = mbfast.BlockLattice((n0, n0, n0), L), mbfast.DipoleInteraction(epsilon)
    for a, polarization in enumerate(("longitudinal", "transverse")):
        pairs = naive.mean_over_directions(
            lambda k, polarization=polarization: mbfast.strain_coupling_sum(mu, lattice, 200.0 * k, polarization)
        )
        wanted = 4 / math.pi * L**6 * units.HBAR * at * thermal * n0**3 * pairs * integral
        np.testing.assert_allclose(rates.dipole[a], wanted, rtol=1e-9)


@pytest.mark.parametrize("form", ["derived", "total-strain"])
def test_cubes_absorb_as_points_but_for_the_sums_over_pairs(form):
    # in both forms by the golden rule; for cubes all pairs of an infinite lattice, less those of larger blocks, as L^-3
    n0, epsilon, x = 3, 3e-11, 0.4
    t = smooth(0.2).transverse
    options = {"at": [1e9], "dielectric": -1e-4 * epsilon * np.exp(-NODES / 1e13), "permittivity": epsilon}
    spectrum = mbfast.Spectrum(NODES, (2.0 + x) * t, t, 0.2)
    cubes, points = (
        mbfast.absorption_rates(spectrum, SILICA, L, n0, form=kind, **options) for kind in (form, "derived-points")
    )
    positions = np.argwhere(np.ones((n0, n0, n0)))
    distances = np.linalg.norm(positions[:, None] - positions, axis=2)
    share = (1 - n0**-3) / (np.sum(distances[distances > 0.0] ** -6.0) / n0**3)

    def polynomial(table):
        return sum(SILICA.alpha**p * (float(row[0]) + float(row[1]) * x) for p, row in enumerate(table))

    for a, polarization in enumerate(("longitudinal", "transverse")):
        ratio = polynomial(cube_coefficients("corrected", polarization))
        ratio /= polynomial(mbfast.angular_coefficients("corrected", polarization))
        np.testing.assert_allclose(cubes.second[a], points.second[a] * ratio * share, rtol=1e-12)
        ratio = cube_coefficients("dipole", polarization)[0][0]
        ratio /= float(mbfast.angular_coefficients("dipole", polarization, moment_change="gradient")[0][0])
        np.testing.assert_allclose(cubes.dipole[a], points.dipole[a] * ratio * share, rtol=1e-12)


def test_printed_dipoles():
    epsilon = 3.8 * 8.8541878128e-12
    rates = mbfast.absorption_rates(
        constant(), SILICA, L, 4, at=[1e9], dielectric=np.full(NODES.size, -1e-13), permittivity=epsilon
    )
    common = 64 * math.log(4) / (960 * math.pi**2) * (1e-13 / epsilon) ** 2 * units.HBAR * 1e9**2
    np.testing.assert_allclose([d[0] for d in rates.dipole], [94 * common, 53 * common], rtol=1e-11)


@given(st.floats(1.01, 4.0))
def test_cubes_of_any_side_are_means_over_places(side):
    # a cube of side n + p holds n + 1 planes with probability p, else n
    whole = int(side)
    p = side - whole
    distances, weights = cube_pairs(side)
    mean = 0.0
    for shape in itertools.product((whole, whole + 1), repeat=3):
        chance = math.prod(p if n > whole else 1 - p for n in shape)
        lattice = mbfast.BlockLattice(shape, 1.0)
        mean += chance * lattice.n_blocks * mbfast.lattice_sum(lattice, 6)
    assert float(np.sum(weights * distances**-6.0)) == pytest.approx(mean / side**3, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("polarization", ["longitudinal", "transverse"])
def test_averaged_phases_are_means_of_phase_sums(polarization):
    n, kl = 3, 0.9
    lattice = mbfast.BlockLattice((n, n, n), 1e-9)
    couplings = PointTerms.of(SILICA, n, 1.0, 1.0)
    velocity = SILICA.c_l if polarization == "longitudinal" else SILICA.c_t
    along, _, across = couplings.phases(np.array([kl * velocity / L]), L)
    mean = naive.mean_over_directions(
        lambda k: mbfast.phase_sum(SILICA, lattice, kl / 1e-9 * k, polarization), order=16
    )
    ours = along if polarization == "longitudinal" else across
    assert ours[0] / L**3 == pytest.approx(mean * 1e-27 / L**3, rel=1e-11)


@pytest.mark.parametrize("form", ["printed", "derived", "derived-points", "total-strain"])
def test_scaling(form):
    # second, third fall as L^-3 per volume; all terms are quadratic in the strain; (3.4) is N0^3 times (3.1)
    base, larger = (mbfast.absorption_rates(smooth(1.0), SILICA, size, 2, form=form, at=[1e8]) for size in (L, 2 * L))
    for name in ("second", "third"):
        for a in range(2):
            np.testing.assert_allclose(getattr(larger, name)[a], getattr(base, name)[a], rtol=1e-13)
    strained = mbfast.absorption_rates(smooth(1.0), SILICA, L, 2, form=form, at=[1e8], strain=3.0)
    np.testing.assert_allclose(strained.total, np.multiply(9.0, base.total), rtol=1e-13)
    np.testing.assert_allclose(base.first, np.multiply(8.0, base.single), rtol=1e-13)


@pytest.mark.parametrize("form", ["printed", "derived", "derived-points", "total-strain"])
def test_rates_broadcast(form):
    single = [
        mbfast.absorption_rates(smooth(kelvin), SILICA, size, 2.5, form=form)
        for kelvin, size in ((0.0, L), (1.0, 3 * L))
    ]
    both = mbfast.absorption_rates(smooth([0.0, 1.0]), SILICA, [L, 3 * L], 2.5, form=form)
    for name in (*TERMS, "total", "error", "cutoff_length"):
        for a in range(2):
            for i in range(2):
                np.testing.assert_allclose(getattr(both, name)[a][i], getattr(single[i], name)[a], rtol=1e-12)
    assert both.block_size.shape == (2,)
    sizes = mbfast.absorption_rates(smooth(), SILICA, [L, 3 * L], 2.5, form=form)  # of one spectrum
    for name in (*TERMS, "total", "error", "cutoff_length"):
        for a in range(2):
            np.testing.assert_allclose(getattr(sizes, name)[a][0], getattr(single[0], name)[a], rtol=1e-12)


@pytest.mark.parametrize("form", ["printed", "derived", "derived-points", "total-strain"])
def test_cutoff_length_is_where_the_terms_are_equal(form):
    rates = mbfast.absorption_rates(smooth(1.0), SILICA, L, 2, form=form, at=[1e12])
    at_length = mbfast.absorption_rates(
        smooth(1.0), SILICA, float(rates.cutoff_length.transverse[0]), 2, form=form, at=[1e12]
    )
    irrelevant = at_length.second.transverse + at_length.third.transverse
    if form == "printed":  # in the derived form the interaction term depends on L too
        np.testing.assert_allclose(irrelevant, np.abs(at_length.interaction.transverse), rtol=1e-12)
    assert rates.cutoff_length.transverse[0] < L


@pytest.mark.parametrize("form", ["printed", "derived", "derived-points", "total-strain"])
def test_error_covers_a_coarser_grid(form):
    at = [1e9, 1e12]
    fine = mbfast.absorption_rates(smooth(1.0), SILICA, L, 2, form=form, at=at)
    nodes = NODES[3::6]
    shape = (nodes / 1e12) ** 0.1 * np.exp(-nodes / 2e13)
    coarse = mbfast.absorption_rates(
        mbfast.Spectrum(nodes, -7e7 * shape, -3e7 * shape**1.1, 1.0), SILICA, L, 2, form=form, at=at
    )
    for a in range(2):
        # what the interpolation at `at` itself changes is no error of an integral
        difference = np.abs(coarse.interaction[a] - fine.interaction[a])
        assert (difference <= coarse.error[a] + 1e-6 * np.abs(fine.interaction[a])).all()


def test_at_t_0_forms_of_the_real_part_agree():
    # T = 0: Im chi = Im chi~; at T > 0 they do not
    for kelvin, same in ((0.0, True), (10.0, False)):
        spectrum = smooth(kelvin)
        of_reduced = spectrum.kramers_kronig("transverse", at=[1e10]).value
        response = mbfast.kramers_kronig(NODES, spectrum.unreduced(NODES).transverse, at=[1e10]).value
        assert np.allclose(of_reduced, response, rtol=1e-9) == same


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"spectrum": 1.0}, TypeError, r"spectrum must be a Spectrum, got 1\.0"),
        ({"interaction": "silica"}, TypeError, "interaction must be a StressInteraction, got 'silica'"),
        ({"interaction": mbfast.DipoleInteraction(1e-11)}, TypeError, "interaction must be a StressInteraction"),
        ({"block_size": -1.0}, ValueError, "block_size must be positive"),
        ({"n0": 1.0}, ValueError, r"n0 must be above 1 \(blocks along a side\), and at most 1e15, got 1"),
        ({"n0": math.nan}, ValueError, "n0 must be above 1"),
        (
            {"n0": 600, "form": "derived-points"},
            ValueError,
            "n0 must be at most 512 in the derived-points form, got 600",
        ),
        (
            {"form": "corrected"},
            ValueError,
            "form must be one of printed, derived, derived-points, total-strain, got 'corrected'",
        ),
        ({"k_l": -1.0}, ValueError, r"k_l must be from 0 to 1e\+35 \(an absorption\), got -1"),
        ({"strain": 0.0}, ValueError, "strain must be positive"),
        ({"at": [0.0]}, ValueError, "at must be positive"),
        ({"spectrum": constant(t=3e7)}, ValueError, r"spectrum must have Im chi~ <= 0 \(absorption\), got 3e\+07 Pa"),
        ({"spectrum": constant(t=0.0)}, ValueError, "spectrum must have Im chi~_t < 0 at every node in the printed"),
        ({"dielectric": np.full(256, -1e-13)}, ValueError, "permittivity must be given with dielectric, got None"),
        ({"permittivity": 1e-11}, ValueError, "dielectric must be given with permittivity, got None"),
        ({"dielectric": np.full(256, 1e-13), "permittivity": 1e-11}, ValueError, "dielectric must have Im chi~ <= 0"),
        ({"dielectric": [1.0], "permittivity": 1e-11}, ValueError, r"dielectric must have shape \(\.\.\., 256\)"),
    ],
)
def test_bad_arguments(changes, error, words):
    arguments = {"spectrum": constant(), "interaction": SILICA, "block_size": L, "n0": 2, "at": [1e9]} | changes
    with pytest.raises(error, match=words):
        mbfast.absorption_rates(**arguments)


def test_error_covers_that_of_dipoles():
    nodes = np.geomspace(1e9, 1e14, 9)
    fine = np.geomspace(1e9, 1e14, 300)
    options = {"at": [1e12], "permittivity": 1.0}
    few, many = (
        mbfast.absorption_rates(
            mbfast.Spectrum(x, np.full(x.size, -1e-3), np.full(x.size, -1e-3)),
            SILICA, L, 2, dielectric=-1e-4 * (x / 1e12) ** 0.1 * np.exp(-x / 1e13), **options,
        )
        for x in (nodes, fine)
    )  # fmt: skip
    assert np.abs(few.dipole.longitudinal - many.dipole.longitudinal) < few.error.longitudinal


def test_batches_of_dipoles_broadcast():
    dielectric = np.outer([1.0, 2.0, 3.0], np.full(NODES.size, -1e-13))
    rates = mbfast.absorption_rates(constant(), SILICA, L, 2, at=[1e9], dielectric=dielectric, permittivity=1e-11)
    np.testing.assert_allclose(rates.dipole.transverse[:, 0] / rates.dipole.transverse[0, 0], [1, 4, 9], rtol=1e-12)


def test_frequencies_at_a_jump_take_the_neighbours_real_part():
    nodes, there = (mbfast.absorption_rates(constant(), SILICA, L, 2, at=at) for at in (None, NODES))
    for a in range(2):
        np.testing.assert_allclose(there.interaction[a], nodes.interaction[a], rtol=1e-9)
