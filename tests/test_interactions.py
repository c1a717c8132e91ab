import itertools
import math
import sys

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from materials import INTERACTIONS, NUMBERS, UNIT_DIPOLES, oracle_tensor
from numpy.testing import assert_allclose

import mbfast
from mbfast import testing

EPS = sys.float_info.epsilon
FORMS = ("corrected", "joffrin-levelut")

directions = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(size=3))


def stress(form="corrected", c_l=5800.0):
    return mbfast.StressInteraction(2200.0, c_l, 3800.0, form=form)


def reduced(interaction, n):
    """Tensor at a unit vector over its prefactor: Lambda~ or mu~."""
    return interaction.tensor(n / np.linalg.norm(n)) / interaction.prefactor


@pytest.mark.parametrize("form", FORMS)
@given(r=directions)
def test_stress_tensor_is_the_printed_one(form, r):
    assert_allclose(
        stress(form).tensor(r), testing.stress_tensor(r, *NUMBERS, form), rtol=0, atol=60 * EPS * scale(form, r)
    )


def scale(form, r):
    return np.abs(testing.stress_tensor(r, *NUMBERS, form)).max()


@given(r=directions)
def test_dipole_tensor_is_the_printed_one(r):
    expected = testing.dipole_tensor(r, 3e-11)
    assert_allclose(mbfast.DipoleInteraction(3e-11).tensor(r), expected, rtol=0, atol=30 * EPS * np.abs(expected).max())


@INTERACTIONS
@given(r=directions)
def test_the_oracle_of_sums_is_the_printed_tensor(interaction, r):
    if interaction.components == 3:
        expected = testing.dipole_tensor(r, 3.4e-11)
    else:
        expected = testing.stress_tensor(r, *NUMBERS, interaction.form)
    assert_allclose(oracle_tensor(interaction)(r), expected, rtol=0, atol=100 * EPS * np.abs(expected).max())


@given(r=directions)
def test_index_symmetries(r):
    lam = reduced(stress(), r)
    for order in ((1, 0, 2, 3), (0, 1, 3, 2), (2, 3, 0, 1)):
        assert_allclose(lam.transpose(order), lam, rtol=0, atol=50 * EPS)
    other = reduced(stress("joffrin-levelut"), r)
    assert_allclose(other.transpose(2, 3, 0, 1), other, rtol=0, atol=100 * EPS)


def test_joffrin_levelut_is_not_symmetric_in_i_and_j():
    lam = reduced(stress("joffrin-levelut"), np.array([1.0, 0.0, 0.0]))
    assert np.abs(lam - lam.transpose(1, 0, 2, 3)).max() > 1


@given(r=directions)
def test_traces(r):
    n = r / np.linalg.norm(r)
    alpha = stress().alpha
    quadrupole = np.eye(3) - 3 * np.outer(n, n)
    lam = reduced(stress(), r)
    # in units of its largest elements, which are of the order of ten
    assert_allclose(np.einsum("iikl", lam), (1 - alpha) * quadrupole, atol=100 * EPS)
    assert_allclose(np.einsum("ijjl->il", lam), (1.25 - alpha) * quadrupole, atol=100 * EPS)
    assert abs(np.einsum("iikk", lam)) < 100 * EPS
    other = reduced(stress("joffrin-levelut"), r)
    assert_allclose(np.einsum("iikl", other), -2 * (1 + 2 * alpha) * quadrupole, atol=300 * EPS)
    assert abs(np.trace(reduced(mbfast.DipoleInteraction(1.0), r))) < 10 * EPS


@given(r=directions)
def test_full_contractions_do_not_depend_on_direction(r):
    # |Lambda~|^2 as a polynomial in alpha, from the direction z by hand: sum over independent elements
    a = stress().alpha
    z = reduced(stress(), np.array([0.0, 0.0, 1.0]))
    assert np.sum(reduced(stress(), r) ** 2) == pytest.approx(np.sum(z**2), rel=1e-13)
    # elements at n = z: xxxx = 1 - 3a/2, zzzz = -2, xxyy = -a/2, xxzz = a, xyxy = (1-a)/2, xzxz = a - 1/4
    by_hand = 2 * (1 - 1.5 * a) ** 2 + 4 + 2 * (a / 2) ** 2 + 4 * a**2 + 4 * ((1 - a) / 2) ** 2 + 8 * (a - 0.25) ** 2
    assert np.sum(z**2) == pytest.approx(by_hand, rel=1e-13)
    assert np.sum(reduced(mbfast.DipoleInteraction(1.0), r) ** 2) == pytest.approx(6, rel=1e-13)


@pytest.mark.parametrize("form", FORMS)
@given(r=directions, seed=st.integers(0, 2**32 - 1))
def test_rotation_of_all_four_indices(form, r, seed):
    q = testing.random_rotation(np.random.default_rng(seed))
    turned = np.einsum("ai,bj,ck,dl,ijkl->abcd", q, q, q, q, reduced(stress(form), r), optimize=True)
    assert_allclose(reduced(stress(form), q @ r), turned, atol=500 * EPS)


@given(r=directions, factor=st.floats(1e-9, 1e9))
def test_falls_as_the_cube_of_the_distance(r, factor):
    tensor = stress().tensor(r)
    assert_allclose(stress().tensor(factor * r) * factor**3, tensor, atol=30 * EPS * np.abs(tensor).max())


def test_vanishes_averaged_over_directions():
    # a product rule that is exact to order 7: Gauss-Legendre in cos(theta), equidistant in phi
    cosines, weights = np.polynomial.legendre.leggauss(4)
    phi = 2 * np.pi * np.arange(8) / 8
    for interaction in (stress(), stress("joffrin-levelut"), mbfast.DipoleInteraction(1.0)):
        mean = sum(
            w / 16 * reduced(interaction, np.array([np.sqrt(1 - c * c) * np.cos(p), np.sqrt(1 - c * c) * np.sin(p), c]))
            for c, w in zip(cosines, weights, strict=True)
            for p in phi
        )
        assert np.abs(mean).max() < 50 * EPS


@given(r=directions)
def test_half_the_second_derivative_of_kelvins_green_function(r):
    # G_ik = [(2-a) d_ik + a n_i n_k]/(8 pi rho c_t^2 x); the second derivatives from analytic first ones by differences
    alpha, pre = stress().alpha, 1 / (8 * np.pi * 2200.0 * 3800.0**2)

    def first(v):
        x = np.linalg.norm(v)
        n = v / x
        d = np.eye(3)
        minus = -(2 - alpha) * np.einsum("ik,j->ikj", d, n)
        plus = alpha * (
            np.einsum("ij,k->ikj", d, n) + np.einsum("kj,i->ikj", d, n) - 3 * np.einsum("i,k,j->ikj", n, n, n)
        )
        return pre * (minus + plus) / x**2

    second = np.stack([naive.derivative(first, r, e) for e in np.eye(3)], axis=-1)  # G_ik,jl
    half = 0.5 * second.transpose(0, 2, 1, 3)
    half = 0.5 * (half + half.transpose(1, 0, 2, 3))
    half = 0.5 * (half + half.transpose(0, 1, 3, 2))
    # the eighth-order difference is good to 1e-12 of the largest element
    assert_allclose(stress().tensor(r), half, atol=1e-11 * np.abs(half).max())


@pytest.mark.parametrize("interaction", [stress(), stress("joffrin-levelut"), mbfast.DipoleInteraction(2e-11)], ids=str)
@given(r=directions, v=directions)
def test_change_is_the_derivative(interaction, r, v):
    expected = naive.derivative(interaction.tensor, r, v)
    bound = np.abs(interaction.tensor(r)).max() * np.linalg.norm(v) / np.linalg.norm(r)
    assert_allclose(interaction.tensor_change(r, v), expected, atol=1e-10 * bound)


@pytest.mark.parametrize("interaction", [stress(), stress("joffrin-levelut"), mbfast.DipoleInteraction(2e-11)], ids=str)
@given(r=directions, axis=directions)
def test_a_rigid_rotation_turns_the_tensor(interaction, r, axis):
    """Moving r by axis x r changes the tensor as rotating all its indices does."""
    w = np.cross(np.eye(3), axis)  # w @ v = axis x v
    tensor = interaction.tensor(r)
    turned = sum(np.moveaxis(np.tensordot(w, tensor, (1, a)), 0, a) for a in range(tensor.ndim))
    assert_allclose(
        interaction.tensor_change(r, w @ r), turned, atol=1e-13 * np.abs(tensor).max() * np.linalg.norm(axis)
    )


def test_printed_change_of_the_dipole_tensor():
    rng = np.random.default_rng(5)
    for r, change in rng.normal(size=(20, 2, 3)):
        x, dx = np.linalg.norm(r), np.linalg.norm(change)
        n, m = r / x, change / dx
        printed = 3 * dx / x**4 * ((5 * np.outer(n, n) - np.eye(3)) * (n @ m) - np.outer(m, n) - np.outer(n, m))
        assert_allclose(UNIT_DIPOLES.tensor_change(r, change), printed, atol=50 * EPS * dx / x**4)


def test_what_holds_a_periodic_body():
    """Without stress C e = -tau and the field is e/2; around a sphere of images E = -P/(3 epsilon), the field -E/2."""
    mu, lame = 2200 * 3800.0**2, 2200 * (5800.0**2 - 2 * 3800.0**2)
    stiffness = np.diag([2 * mu] * 6)  # plain components, no factors 2
    stiffness[:3, :3] += lame
    tau = np.random.default_rng(6).normal(size=6)
    e, d = stress().uniform_field("stress-free")
    found = stress().prefactor * (e * tau + d * tau[:3].sum() * np.array([1, 1, 1, 0, 0, 0]))
    assert_allclose(found, 0.5 * np.linalg.solve(stiffness, -tau), rtol=1e-13)
    dipoles = mbfast.DipoleInteraction(3e-11)
    e, d = dipoles.uniform_field("vacuum")
    assert dipoles.prefactor * e == pytest.approx(1 / (6 * 3e-11), rel=1e-14)
    assert (d, stress().uniform_field("clamped"), dipoles.uniform_field("tin-foil")) == (0.0, (0.0, 0.0), (0.0, 0.0))


def test_media_without_a_rigidity_of_their_volume_cannot_be_free():
    # c_l^2 = 4/3 c_t^2, where the compressibility is infinite, to the last bits on both sides
    pairs = itertools.product(np.linspace(1.0, 2.0, 20), 1.0 + EPS * np.arange(-4, 5))
    materials = [mbfast.StressInteraction(1.0, c_l, c_l * math.sqrt(0.75) * bits) for c_l, bits in pairs]
    assert {np.sign(material.alpha - 0.25) for material in materials} == {-1.0, 0.0, 1.0}
    for material in materials:
        if material.alpha > 0.25:
            assert np.isfinite(material.uniform_field("stress-free")).all()
        else:
            with pytest.raises(ValueError, match=r"macroscopic must be clamped .* got 'stress-free'"):
                material.uniform_field("stress-free")


def test_leading_axes_broadcast():
    rng = np.random.default_rng(1)
    r, dr = rng.normal(size=(4, 1, 3)), rng.normal(size=(5, 3))
    for interaction in (stress(), mbfast.DipoleInteraction(1e-11)):
        rank = (3,) * (4 if interaction.components == 6 else 2)
        assert interaction.tensor(r).shape == (4, 1, *rank)
        change = interaction.tensor_change(r, dr)
        assert change.shape == (4, 5, *rank)
        assert_allclose(change[2, 3], interaction.tensor_change(r[2, 0], dr[3]), rtol=1e-14)
        assert interaction.tensor(np.empty((0, 3))).shape == (0, *rank)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: mbfast.StressInteraction(0, 2, 1), ValueError, "density must be positive"),
        (lambda: mbfast.StressInteraction(1, np.nan, 1), ValueError, "c_l must be positive"),
        (lambda: mbfast.StressInteraction(1, 1, 2), ValueError, "c_l must not be below c_t, got c_l = 1 and c_t = 2"),
        (lambda: mbfast.StressInteraction([1, 2], 2, 1), TypeError, "density must be one number"),
        (lambda: mbfast.StressInteraction("1", 2, 1), TypeError, "density must consist of real numbers"),
        (lambda: mbfast.StressInteraction(1, 2, 1, form="a1"), ValueError, "form must be one of corrected, joffrin"),
        (lambda: mbfast.DipoleInteraction(-1.0), ValueError, "permittivity must be positive"),
        (lambda: stress().tensor([1.0, 2.0]), ValueError, r"r must have shape \(\.\.\., 3\), got \(2,\)"),
        (lambda: stress().tensor([0.0, 0.0, 0.0]), ValueError, "r must not be zero"),
        (lambda: stress().tensor([0.0, 0.0, np.inf]), ValueError, "r must be finite"),
        (
            lambda: stress().tensor_change([0.0, 0.0, 1.0], 1.0),
            ValueError,
            r"dr must have shape \(\.\.\., 3\), got \(\)",
        ),
        (lambda: mbfast.BlockLattice((2, 2), 1.0), ValueError, "shape must be three whole numbers"),
        (lambda: mbfast.BlockLattice((2, 2, 2.5), 1.0), ValueError, "shape must be three whole numbers"),
        (lambda: mbfast.BlockLattice((2, 2, -1), 1.0), ValueError, "shape must be three whole numbers"),
        (lambda: mbfast.BlockLattice((2, 2, 2), 0.0), ValueError, "spacing must be positive"),
        (lambda: mbfast.BlockLattice((2, 2, 2), -1e-9), ValueError, "spacing must be positive"),
        (lambda: mbfast.BlockLattice((2, 2, 2), [1.0, 2.0]), TypeError, "spacing must be one number"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
