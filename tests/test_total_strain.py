"""The response by the strain of the wave: the local field by exact averages, by lattices and cubes, and its flow."""

import itertools
import math
from collections import namedtuple
from fractions import Fraction

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from materials import JOFFRIN_LEVELUT, SILICA, largest

import mbfast
from mbfast._core.voigt import WEIGHTS
from mbfast.pairs.cubes import averaged_tensors
from mbfast.renormalization.terms import DerivedTerms, TotalStrainTerms

pytestmark = pytest.mark.compiled  # its kernels have tests without the JIT of their own

MODULI = np.array([SILICA.density * SILICA.c_l**2, SILICA.density * SILICA.c_t**2])
NODES = np.geomspace(1e5, 1e15, 128)
PLACE = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])  # of components ij among six
ZERO, ONE = Fraction(0), Fraction(1)
DELTA = [[ONE if i == j else ZERO for j in range(3)] for i in range(3)]
ALONG = [[ONE if i == j == 2 else ZERO for j in range(3)] for i in range(3)]
ACROSS = [[ONE / 2 if {i, j} == {0, 2} else ZERO for j in range(3)] for i in range(3)]
INDICES = tuple(itertools.product(range(3), repeat=4))


def spectrum(kelvin=0.0):
    shape = (NODES / 1e12) ** 0.1 * np.exp(-NODES / 2e13)
    return mbfast.Spectrum(NODES, -7e7 * shape, -3e7 * shape**1.1, kelvin)


def compression_and_shear(tensor):
    """Eigenvalues of an isotropic tensor, or of the average of one over rotations, for the mean and the deviator."""
    l, t = mbfast.isotropic_moduli(tensor)  # noqa: E741
    return np.array([3.0 * l - 4.0 * t, 2.0 * t])


def exact_local_field(beta):
    """-2 times the mean over directions of Lambda's Fourier transform in units of 1/(rho c_t^2); beta = c_t^2/c_l^2.

    It is that of k_j k_l ((d_ik - k_i k_k) + beta k_i k_k), symmetric in i, j and in k, l, with the exact averages
    of products of two and four components of unit vectors.
    """
    d, p = DELTA, {}
    for i, j, k, l in INDICES:  # noqa: E741
        four = (d[i][j] * d[k][l] + d[i][k] * d[j][l] + d[i][l] * d[j][k]) / 15
        two = sum(d[a][c] * d[b][e] for a, b in ((i, j), (j, i)) for c, e in ((k, l), (l, k))) / 12
        p[i, j, k, l] = two + (beta - 1) * four
    return p


def acting(p, strain):
    inner = tuple(itertools.product(range(3), repeat=2))
    return [[sum(p[i, j, m, n] * strain[m][n] for m, n in inner) for j in range(3)] for i in range(3)]


def stressed(l, t, strain):  # noqa: E741
    trace = sum(strain[i][i] for i in range(3))
    return [[(l - 2 * t) * trace * DELTA[i][j] + 2 * t * strain[i][j] for j in range(3)] for i in range(3)]


@settings(max_examples=20)
@given(st.fractions(Fraction(1, 9), 1, max_denominator=60), st.fractions(-5, 5), st.fractions(-5, 5))
def test_change_of_the_response_is_chi_p_chi_exactly(beta, l, t):  # noqa: E741
    p, alpha = exact_local_field(beta), 1 - beta
    of_k, of_g = (1 - alpha) / 3, (5 - 2 * alpha) / 15
    changes = []
    for strain in (ALONG, ACROSS):
        stress = stressed(l, t, strain)
        field = acting(p, stress)
        changes.append(sum(stress[i][j] * field[i][j] for i in range(3) for j in range(3)))
    chi_k, chi_g = 3 * l - 4 * t, 2 * t
    of_l, of_t = changes
    assert (3 * of_l - 4 * of_t, 2 * of_t) == (of_k * chi_k**2, of_g * chi_g**2)


@settings(max_examples=20)
@given(st.fractions(1, 9, max_denominator=60))
def test_ratio_solves_the_exact_equation(square):  # of c_l^2/c_t^2
    p, y = exact_local_field(1 / square), (8 + 2 * square) / 5
    changes = []
    for strain in (ALONG, ACROSS):
        stress = stressed(y, ONE, strain)
        field = acting(p, stress)
        changes.append(sum(stress[i][j] * field[i][j] for i in range(3) for j in range(3)))
    assert changes[0] == y * changes[1]
    ratio = mbfast.self_consistent_ratio(math.sqrt(square), 1.0, form="total-strain")
    assert ratio == pytest.approx(math.sqrt(y), rel=1e-15)


def test_limits_of_the_ratio():
    of = mbfast.self_consistent_ratio
    assert of(3.0, 3.0, form="total-strain") == pytest.approx(math.sqrt(2.0), rel=1e-15)  # alpha = 0: x = 0
    assert of(1e20, 1.0, form="total-strain") == pytest.approx(1e20 * math.sqrt(0.4), rel=1e-15)  # no compression
    c = np.linspace(1.0, 4.0, 50)
    ratios = of(c, 1.0, form="total-strain")
    assert (np.diff(ratios) > 0).all()
    assert (ratios > math.sqrt(4.0 / 3.0)).all()  # a body that absorbs compression
    np.testing.assert_allclose(ratios, of(1e3 * c, 1e3, form="total-strain"), rtol=1e-14)


@pytest.mark.parametrize("material", [SILICA, JOFFRIN_LEVELUT], ids=["corrected", "jl"])
def test_local_strain_is_that_of_a_cube_averaged_over_directions(material):
    own = -2.0 * material.prefactor * averaged_tensors(material, [0, 0, 0])
    np.testing.assert_allclose(material.local_strain, compression_and_shear(own), rtol=1e-12)


def test_local_strain_is_eshelbys():
    alpha, nu = SILICA.alpha, 0.5 - 0.5 * (1.0 / SILICA.alpha - 1.0)  # c_t^2/c_l^2 = (1 - 2 nu)/(2 (1 - nu))
    of_k, of_g = np.array(SILICA.local_strain) * MODULI[1]
    assert of_k == pytest.approx((1 - alpha) / 3, rel=1e-14)
    assert of_g == pytest.approx((4 - 5 * nu) / (15 * (1 - nu)), rel=1e-14)


def fields_of_waves(lattice, **options):
    """The field (6, 6) of each of six stresses at the first block, in waves of one period along the third axis."""
    field = mbfast.LatticeField(SILICA, lattice, boundary="periodic", **options)
    n = lattice.shape[2]
    wave = np.cos(2.0 * math.pi * (np.arange(n) if n > 1 else np.zeros(1)) / n)
    moments = np.multiply.outer(np.eye(6) / WEIGHTS[:, None], np.broadcast_to(wave, lattice.shape))
    return np.stack([field(np.ascontiguousarray(np.moveaxis(m, 0, -1)))[0, 0, 0] for m in moments], axis=1)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 3)])
def test_blocks_of_a_body_without_strain_meet_the_local_strain(shape):
    # all points with one stress in a clamped body: the total strain is zero, and each meets P tau
    lattice = mbfast.BlockLattice(shape, 1.0)
    field = mbfast.LatticeField(SILICA, lattice, boundary="periodic")
    moments = np.eye(6) / WEIGHTS[:, None]
    met = np.stack([2.0 * field(np.broadcast_to(m, (*shape, 6)).copy())[0, 0, 0] for m in moments], axis=1)
    np.testing.assert_allclose(compression_and_shear(met), SILICA.local_strain, rtol=1e-11)


@pytest.mark.compiled
@pytest.mark.parametrize("averaged", [False, True], ids=["points", "cubes"])
def test_blocks_in_a_long_wave_meet_the_local_strain_beside_the_waves(averaged):
    # of waves n blocks long; the strain of the wave is 2 Lambda^(k) tau, by the closed form
    n = 256
    k = np.array([0.0, 0.0, 1.0])
    green = (np.eye(3) - np.outer(k, k)) / MODULI[1] + np.outer(k, k) / MODULI[0]
    full = np.einsum("j,l,ik->ijkl", k, k, green)
    full = 0.25 * (full + full.transpose(1, 0, 2, 3) + full.transpose(0, 1, 3, 2) + full.transpose(1, 0, 3, 2))
    rows, columns = [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]
    of_wave = -full[rows, columns][:, rows, columns]
    met = 2.0 * fields_of_waves(mbfast.BlockLattice((1, 1, n), 1.0, averaged=averaged))
    # a wave changes over a block as (2 pi/n)^2 = 6e-4, of terms that are some times P
    np.testing.assert_allclose(compression_and_shear(met - of_wave), SILICA.local_strain, rtol=5e-3)


@pytest.mark.compiled
@pytest.mark.parametrize("lattice", [
    (mbfast.BlockLattice((2, 2, 2), 1.0), "periodic"),
    (mbfast.BlockLattice((3, 3, 3), 1.0, averaged=True), "open"),
], ids=["points", "cubes"])  # fmt: skip
def test_equal_blocks_by_a_solver_of_all_orders(lattice):
    # per total strain; chi/(rho c^2) is 1e-6, so that the second order is no more of the first
    blocks, boundary = lattice
    l, t = -7e4, -3e4  # noqa: E741
    options = {"boundary": boundary, "strain": "total", "rtol": 1e-12}
    chi = mbfast.Moduli(*(np.full(blocks.shape, part) for part in (l, t)))
    found = compression_and_shear(mbfast.disordered_response(SILICA, blocks, chi, **options).tensor.real)
    change = (found - compression_and_shear(mbfast.isotropic_tensor(l, t))) / SILICA.local_strain
    np.testing.assert_allclose(change, [(3.0 * l - 4.0 * t) ** 2, (2.0 * t) ** 2], rtol=1e-4)
    if blocks.averaged:  # chi by the strain within a block: nothing is left
        within = mbfast.disordered_response(SILICA, blocks, chi, **options, self_field=True).tensor.real
        of_within = (compression_and_shear(within) - [3.0 * l - 4.0 * t, 2.0 * t]) / SILICA.local_strain
        assert largest(of_within) < 1e-4 * largest(change)


@pytest.mark.compiled
@pytest.mark.parametrize("n0", [1, 2, 3])
def test_a_super_block_has_the_field_of_one_block_in_itself(n0):
    # so a response by the strain in it, its own field and all, is the same for all sizes; pairs alone add nothing
    lattice = mbfast.BlockLattice((n0,) * 3, 1.0, averaged=True)
    means = []
    for own in (True, False):
        fields = []
        for moment in np.eye(6) / WEIGHTS[:, None]:
            moments = np.broadcast_to(moment, (*lattice.shape, 6)).copy()
            h = mbfast.pair_field(SILICA, lattice, moments, self_field=own)
            fields.append(2.0 * h.mean(axis=(0, 1, 2)))
        means.append(compression_and_shear(np.stack(fields, axis=1)))
    np.testing.assert_allclose(means[0], np.negative(SILICA.local_strain), rtol=1e-11)
    assert largest(means[1]) < 1e-11 * max(SILICA.local_strain)


@pytest.mark.compiled
def test_term_is_the_average_over_directions_of_a_cubes_own_field():
    kelvin = 0.01  # hbar omega = 0.76 k_B T
    at, size = np.array([1e9]), 5e-9
    rates = mbfast.absorption_rates(spectrum(kelvin), SILICA, size, 3, form="total-strain", at=at)
    six = -2.0 * SILICA.prefactor * averaged_tensors(SILICA, [0, 0, 0])
    chi = naive.response(spectrum(kelvin), at)
    for i, omega in enumerate(at):
        real, imaginary = (
            mbfast.isotropic_tensor(*part) for part in ((c[i].real for c in chi), (c[i].imag for c in chi))
        )
        whole = real + 1j * imaginary
        change = np.einsum("ijkl,klmn,mnop->ijop", whole, six[PLACE][:, :, PLACE], whole)
        for a, transverse in enumerate((False, True)):

            def mean(k, transverse=transverse, change=change):
                us = naive.transverse_directions(k) if transverse else [k]
                strains = [0.5 * (np.outer(k, u) + np.outer(u, k)) for u in us]
                return sum(np.einsum("ij,ijkl,kl", e, change, e) for e in strains).imag / len(us)

            wanted = -2.0 * (3 * size) ** 3 * omega * naive.mean_over_directions(mean, order=4)
            # derivatives by differences lose half of the digits
            assert rates.interaction[a][i] == pytest.approx(wanted, rel=2e-6)


Given = namedtuple("Given", "chi real")
SOME = Given(np.array([[-7.0], [-3.0]]) * 1e7, np.array([[-2.0], [-5.0]]) * 1e8)


def relevant(kind, reduced, given, n0=2.0):
    """The interaction's increments at transverse waves of k L = reduced."""
    return kind.of(SILICA, n0, 1.0, 1.0).relevant(np.array([reduced * SILICA.c_t]), 1.0, given)


@pytest.mark.parametrize("reduced", [1e-6, 0.1, 3.0, 50.0])
def test_all_scales_of_the_derived_v_are_it_less_lambdas_fourier_transform(reduced):
    # which is the printed v without its logarithm, for the whole sample, at any wavelength
    external = relevant(DerivedTerms, reduced, SOME, n0=1e9 / reduced)
    change = -2.0 * SOME.chi * SOME.real / MODULI[:, None]
    np.testing.assert_allclose(external - relevant(TotalStrainTerms, reduced, SOME), change, rtol=1e-7)


@pytest.mark.compiled
def test_a_block_as_large_as_the_wave_by_cubes_that_it_consists_of():
    # minus its own field, the sum over m^3 cubes and their own fields with the phases of their centres
    reduced, values = 2.5, []
    same = Given(*2 * [np.array([[-7.0], [-3.0]]) * 1e7])  # Im chi = Re chi, so that Im(chi chi) = 2 chi chi
    for m in (4, 8):
        lattice = mbfast.BlockLattice((m, m, m), 1.0 / m, averaged=True)
        field = mbfast.LatticeField(SILICA, lattice, self_field=True)
        places = lattice.positions.reshape(*lattice.shape, 3)
        chi = mbfast.isotropic_tensor(*same.chi[:, 0])

        def energy(k, transverse, field=field, places=places, chi=chi, m=m):
            us = naive.transverse_directions(k) if transverse else [k]
            phase = reduced * (1.0 if transverse else SILICA.c_t / SILICA.c_l) * (places @ k)
            total = 0.0
            for u in us:
                stress = np.einsum("ijkl,k,l->ij", chi, k, u)  # symmetric in k and l
                for wave in (np.cos(phase), np.sin(phase)):
                    total += field.energy(np.multiply.outer(wave, stress) / m**3)
            return total / len(us)

        values.append([-4.0 * naive.mean_over_directions(lambda k, t=t: energy(k, t), order=4) for t in (False, True)])
    coarse, fine = np.array(values)
    ours = relevant(TotalStrainTerms, reduced, same)[:, 0]
    assert np.abs(ours / relevant(TotalStrainTerms, 1e-3, same)[:, 0] - 1.0).min() > 0.05
    np.testing.assert_allclose((4.0 * fine - coarse) / 3.0, ours, rtol=2e-4)


@pytest.mark.compiled
def test_rates_do_not_depend_on_n0_or_size_but_by_volume():
    base, *others = (
        mbfast.absorption_rates(spectrum(1.0), SILICA, size, n0, form="total-strain", at=[1e6])
        for n0, size in ((2.0, 5e-9), (1.3, 5e-9), (64.0, 5e-9), (2.0, 1e-7))
    )
    for other in others:
        for a in range(2):
            share, wanted = (r.interaction[a] / r.first[a] for r in (other, base))
            np.testing.assert_allclose(share, wanted, rtol=1e-8)  # waves are longer than the blocks
    assert (np.stack(base.interaction) < 0).all()  # Re chi < 0: the field of others is against the strain
    printed = mbfast.absorption_rates(spectrum(1.0), SILICA, 5e-9, 2.0, at=[1e6])
    assert (np.stack(printed.interaction) > 0).all()


def test_the_ratio_by_the_strain_of_the_wave_attracts_where_re_chi_is_negative():
    # the printed one repels, see test_the_printed_flow_leaves_the_self_consistent_ratio
    square = float(mbfast.self_consistent_ratio(SILICA.c_l, SILICA.c_t, form="total-strain")) ** 2
    shape, low = spectrum().transverse, NODES < 3e7  # waves far longer than a block
    real = mbfast.KramersKronigPlan(NODES)(shape)
    local_k, local_g = SILICA.local_strain
    for factor in (0.9, 1.1):
        z, fixed = (3.0 * factor * square - 4.0) / 2.0, (3.0 * square - 4.0) / 2.0
        assert fixed == pytest.approx(local_g / local_k, rel=1e-12)
        given_ = mbfast.Spectrum(NODES, factor * square * shape, shape)
        rates = mbfast.absorption_rates(given_, SILICA, 1e-7, 2.0, form="total-strain")
        share = [rates.interaction[a] / rates.first[a] for a in range(2)]  # delta chi_a/chi_a
        y = factor * square
        of_k = (3.0 * y * share[0] - 4.0 * share[1]) / (3.0 * y - 4.0)
        assert (real[low] < 0.0).all()
        wanted = 2.0 * (2.0 * real) * local_k * (z - fixed)  # d ln z, chi_G = 2 chi_t
        np.testing.assert_allclose((of_k - share[1])[low], wanted[low], rtol=1e-6)


@pytest.mark.compiled
@pytest.mark.parametrize("linear", [False, True])
def test_a_flow_takes_the_local_field_once_for_any_n0(linear):
    options = {"form": "total-strain", "start": 1e-7, "linear": linear}
    rates = mbfast.absorption_rates(spectrum(), SILICA, 1e-7, 2.0, form="total-strain")
    finals = []
    for n0 in (1.3, 2.0, 2.7, 64.0):
        run = mbfast.flow(spectrum(), SILICA, n0=n0, **options)
        finals.append(np.stack(run.final))
        for a, given_ in enumerate((run.longitudinal[0], run.transverse[0])):
            first, *later = run.terms.interaction[a]
            share = (rates.interaction[a] / rates.first[a])[:-1]  # at the last node, a jump, others stand for Re chi
            np.testing.assert_allclose((first / given_)[:-1], share, rtol=1e-7, atol=1e-10 * np.abs(share).max())
            assert not np.any(later)
    for final in finals:  # what differs is (3.5) + (3.6), which fall as L^-3
        np.testing.assert_allclose(final[:, NODES < 1e14], finals[0][:, NODES < 1e14], rtol=1e-6)


def test_a_flow_of_a_single_step_and_of_none():
    one, none = (mbfast.flow(spectrum(), SILICA, form="total-strain", start=1e-7, stop=s) for s in (1.5e-7, 1e-7))
    assert one.scales.size == 2
    assert one.terms.interaction.transverse[0].any()
    assert none.scales.size == 1
