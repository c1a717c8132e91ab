"""The derivation of Lambda in the appendix, formula by formula: phonons are integrated out of a few blocks."""

import math

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

import mbfast
from mbfast import testing

GLASS = mbfast.load_glasses(names=["a-SiO2"])[0]
DELTA = np.eye(3)
FOUR = (("jl", "ik"), ("jk", "il"), ("il", "jk"), ("ik", "jl"))  # the placements in the first part of (2.15)
R = np.array([1.1, -0.9, 1.3])
CIRCLE = np.exp(2j * np.pi * np.arange(24) / 24)

RNG = np.random.default_rng(151005528)
BLOCKS, WAVES = 4, 5
X, MOMENTS = RNG.normal(size=(BLOCKS, 3)), RNG.normal(size=(BLOCKS, 3, 3))
MOMENTS = MOMENTS + MOMENTS.transpose(0, 2, 1)
Q = RNG.normal(size=(WAVES, 3))
UNIT = Q / np.linalg.norm(Q, axis=1)[:, None]
E = np.stack([np.stack([k, *naive.transverse_directions(k)]) for k in UNIT])  # (waves, 3 polarizations, 3)
OMEGA = np.linalg.norm(Q, axis=1)[:, None] * np.array([GLASS.c_l, GLASS.c_t, GLASS.c_t]) / GLASS.c_t  # c_t = 1
U = RNG.normal(size=(WAVES, 3)) + 1j * RNG.normal(size=(WAVES, 3))
DYADS = np.einsum("qj,qmi->qmij", Q, E) + np.einsum("qi,qmj->qmij", Q, E)
PHASES = np.exp(-1j * Q @ X.T)
SHIFT = 1j / (2 * math.sqrt(BLOCKS) * OMEGA**2) * np.einsum("qmij,sij,qs->qm", DYADS, MOMENTS, PHASES)  # (A7)


def assert_same(ours, other):
    """To 1e-10 of the largest element: some derivatives are differences of high order."""
    assert_allclose(ours, other, rtol=0, atol=1e-10 * np.max(np.abs(other)))


def strains(u):
    """(A3), modes q and -q together."""
    modes = 1j * u[:, :, None] * PHASES.conj()[:, None, :]
    return np.einsum("qms,qmij->sij", 2 * modes.real, DYADS) / (2 * math.sqrt(BLOCKS))


def potential(u):
    """(A2), with m = 1; q and -q share one |u|^2 each, so that a pair has m w^2 |u|^2."""
    return np.sum(OMEGA**2 * np.abs(u) ** 2) + np.sum(strains(u) * MOMENTS)


def test_strain_is_the_derivative_of_the_waves():  # (A3)
    def displacement(r):  # both q and -q
        return np.einsum("qm,qmi,q->i", U, E, np.exp(1j * Q @ r)).real * 2 / math.sqrt(BLOCKS)

    for s, x in enumerate(X):
        gradient = np.stack([naive.derivative(displacement, x, axis) for axis in DELTA], axis=1)
        assert_same(strains(U)[s], 0.5 * (gradient + gradient.T))


def test_transverse_polarizations_add_up_to_the_projector():  # (A4)
    ours = np.einsum("qmi,qmj->qij", E[:, 1:], E[:, 1:])
    assert_same(ours, DELTA - np.einsum("qi,qj->qij", UNIT, UNIT))


def test_completed_square_is_the_energy():  # (A2), (A6)
    square = np.sum(OMEGA**2 * (np.abs(U - SHIFT) ** 2 - np.abs(SHIFT) ** 2))
    assert square == pytest.approx(potential(U), rel=1e-10)


def test_energy_is_stationary_at_the_shifted_position():  # (A7)
    step = 1e-3 * (U - SHIFT)
    assert abs(potential(SHIFT + step) - potential(SHIFT - step)) < 1e-10 * abs(potential(U))


def test_energy_at_the_shifted_position_is_the_double_sum():  # (A8)
    ours = -np.sum(OMEGA**2 * np.abs(SHIFT) ** 2)  # q and -q: twice the half
    cosines = np.cos(np.einsum("qa,sta->qst", Q, X[:, None] - X[None]))
    projected = np.einsum("qmij,sij->qms", DYADS, MOMENTS)
    printed = -2 * np.einsum("qm,qms,qmt,qst->", 1 / (8 * BLOCKS * OMEGA**2), projected, projected, cosines)
    assert ours == pytest.approx(printed, rel=1e-10)


def test_sum_over_polarizations():  # (A9)
    ours = np.einsum("qm,qmij,qmkl->qijkl", -1 / (8 * OMEGA**2), DYADS, DYADS)
    hh = np.einsum("qi,qj->qij", UNIT, UNIT)
    four = sum(np.einsum(f"q{a},{b}->qijkl", hh, DELTA) for a, b in FOUR)
    assert_same(ours, 0.5 * GLASS.alpha * np.einsum("qij,qkl->qijkl", hh, hh) - four / 8)


def test_limits_and_their_factors_make_the_tensor():  # (A10), (A11): N blocks in (A3) and m/a^3 = rho
    x = np.linalg.norm(R)
    n = R / x
    f1 = -testing.brace(n) / (8 * np.pi * x**3)
    f2 = (DELTA - 3 * np.outer(n, n)) / (4 * np.pi * x**3)
    four = sum(np.einsum(f"{a},{b}->ijkl", f2, DELTA) for a, b in FOUR)
    material = mbfast.StressInteraction(1 / (8 * math.pi * GLASS.c_t**2), GLASS.c_l, GLASS.c_t)
    assert_same(material.tensor(R), 8 * np.pi * (0.5 * GLASS.alpha * f1 - four / 8))


@pytest.mark.parametrize("rate", [0.3, 1.0])
@pytest.mark.parametrize("power", [1, 2])
def test_regularised_integrals(rate, power):  # (A12), (A13)
    # (2 pi)^-3 times the integral of exp(iq.x) g(q) is 1/(2 pi^2 x) times that of q sin(qx) g(q) from 0
    x = 1.3
    closed = math.exp(-rate * x) / (8 * math.pi * rate if power == 2 else 4 * math.pi * x)
    options = {"weight": "sin", "wvar": x, "epsabs": 1e-12, "limlst": 400}
    integral = quad(lambda q: q / (q * q + rate * rate) ** power, 0, math.inf, **options)[0]
    assert integral / (2 * math.pi**2 * x) == pytest.approx(closed, rel=1e-10)


def test_limits_of_the_regularised_integrals():  # (A11), (A14), from the derivatives of (A13) at lambda = 1e-6
    rate, x = 1e-6, np.linalg.norm(R)
    length = lambda r: np.sqrt(r @ r)  # noqa: E731
    # the constant 1/(8 pi lambda) has no derivatives: left out, it takes no digits
    first = lambda r: np.expm1(-rate * length(r)) / (8 * np.pi * rate)  # noqa: E731
    second = lambda r: -np.exp(-rate * length(r)) / (4 * np.pi * length(r))  # noqa: E731
    for v in np.random.default_rng(151005528).normal(size=(6, 3)):
        along = v / np.linalg.norm(v)  # a symmetric tensor is known by its values on vvvv and vv
        f1, f2 = (
            math.factorial(order) * np.mean([f(R + 0.5 * z * along) / (0.5 * z) ** order for z in CIRCLE]).real
            for f, order in ((first, 4), (second, 2))
        )
        c = along @ R / x
        assert f1 == pytest.approx((3 - 18 * c**2 + 15 * c**4) / (8 * np.pi * x**3), abs=1e-10 / (8 * np.pi * x**3))
        assert f2 == pytest.approx((1 - 3 * c**2) / (4 * np.pi * x**3), abs=1e-10 / (4 * np.pi * x**3))
