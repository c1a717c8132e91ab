"""Kinetic Monte Carlo of two-level systems: rates and fields exactly, closed forms by quadrature, a short run."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from legible import assert_legible
from numpy.testing import assert_allclose
from scipy.integrate import dblquad, quad
from scipy.optimize import brentq

from mbfast.examples import _kinetic_theory as theory
from mbfast.examples import kinetic_monte_carlo as kinetic
from mbfast.kernels import stress
from mbfast.units import EV, HBAR, K_B

# what they build on has tests without the JIT; one worker compiles the example
pytestmark = [pytest.mark.compiled, pytest.mark.xdist_group("kinetic")]

FORMS = pytest.mark.parametrize("tunnelling", [True, False], ids=["tunnelling", "barriers"])
SMALL = {"blocks": 200, "runs": 300, "alone": 200, "together": (60, 6), "burnt": (300, 200, 6)}


@FORMS
@given(x=st.floats(-600.0, 600.0))
def test_rates_obey_detailed_balance_to_rounding(tunnelling, x):
    up, down = (kinetic.relative_rate(y, tunnelling) for y in (abs(x), -abs(x)))
    assert up == pytest.approx(down * math.exp(-abs(x)), rel=1e-15)
    wanted = (x / math.expm1(x) if x else 1.0) if tunnelling else min(1.0, math.exp(-x))
    assert kinetic.relative_rate(x, tunnelling) == pytest.approx(wanted, rel=1e-12)  # 1 - exp(-1e-3) has lost 3 digits


def test_the_phonon_rate_is_that_of_the_golden_rule():
    """The sum of Delta_0^2/(4 E^2) (2 pi/hbar) |t:e|^2 over the phonons of energy E, whose strain is k times A."""
    t = EV * np.diag(theory.eigenvalues())
    nodes, weights = np.polynomial.legendre.leggauss(4)  # |t:e|^2 is of fourth order in the direction
    phi = 2 * np.pi * np.arange(6) / 6
    sine = np.sqrt(1 - nodes[:, None] ** 2)
    k = np.stack(np.broadcast_arrays(sine * np.cos(phi), sine * np.sin(phi), nodes[:, None]))
    mean = weights[:, None] / 12
    along = np.einsum("aij,ab,bij->ij", k, t, k) ** 2
    across = np.sum(np.einsum("ab,bij->aij", t, k) ** 2, axis=0) - along
    assert np.sum(mean * along) == pytest.approx((2 * theory.GLASS.gamma_l) ** 2, rel=1e-12)
    assert np.sum(mean * across) == pytest.approx(2 * (2 * theory.GLASS.gamma_t) ** 2, rel=1e-12)
    rate, energy, splitting = 0.0, K_B, 1e-3 * K_B
    for squares, c in ((along, theory.GLASS.c_l), (across, theory.GLASS.c_t)):
        wave, omega = energy / (HBAR * c), energy / HBAR
        amplitude = HBAR / (2 * theory.SILICA.density * omega)  # times the volume, of one phonon
        states = wave**2 / (2 * np.pi**2) / (HBAR * c)  # by energy, over the volume
        rate += (
            2 * np.pi / HBAR * (splitting / (2 * energy)) ** 2 * wave**2 * amplitude * states * np.sum(mean * squares)
        )
    assert theory.phonon_rate() * 1e-3**2 * 1.0 == pytest.approx(rate, rel=1e-12)  # at E = kT = k 1 K, and n = 1


@FORMS
def test_matrix_of_rates_is_in_detailed_balance(tunnelling):
    system, bath = kinetic.close_spins(tunnelling, np.random.default_rng(1), 5)
    levels = theory.energies(*system[:3])
    matrix, p = theory.rate_matrix(levels, *bath), theory.boltzmann(levels, bath.temperature)
    flow = p[:, None] * matrix
    scale = np.abs(flow).max()
    assert_allclose(flow, flow.T, rtol=1e-12, atol=1e-300)
    assert_allclose(matrix.sum(axis=1), 0.0, atol=1e-14 * np.abs(matrix).max())
    assert_allclose(p @ matrix, 0.0, atol=1e-14 * scale * len(p))
    assert np.count_nonzero(matrix) == len(p) * 6


@FORMS
def test_sums_of_rates_are_those_of_the_matrix_along_a_run(tunnelling):
    """The rates from local fields, kept up by flips in units of nm, eV and K, and those from energies in SI."""
    rng = np.random.default_rng(2)
    system, bath = kinetic.close_spins(tunnelling, rng, 5)
    matrix = theory.rate_matrix(theory.energies(*system[:3]), *bath)
    sums = np.empty(5)
    for _ in range(20):
        state = int((system.spins > 0) @ (1 << np.arange(5)))
        wait, s = kinetic.next_flip(system, bath, sums, rng)
        assert wait > 0.0
        # errors of costs, 1e-12 of couplings up to 100 kT, are those of logarithms of rates
        assert_allclose(np.diff(sums, prepend=0.0), matrix[state, state ^ (1 << np.arange(5))], rtol=1e-9)
        assert sums[-1] == pytest.approx(-matrix[state, state], rel=1e-9)
        kinetic.flip(s, system)


def test_only_what_has_a_rate_flips():
    rng = np.random.default_rng(3)
    system, _ = kinetic.close_spins(True, rng, 5)
    bath = kinetic.Bath(0.1, np.array([0.0, 0.0, 2.0, 0.0, 0.0]), False)
    assert {kinetic.next_flip(system, bath, np.empty(5), rng)[1] for _ in range(20)} == {2}


def test_spins_that_do_not_act_feel_the_others():
    rng = np.random.default_rng(4)
    positions = 10.0 * rng.random((3, 6))
    system = kinetic.spins_at(positions, rng.normal(size=6), 1.0, 4, rng)
    bath = kinetic.Bath(1.0, np.ones(6), False)
    states, splittings = np.empty((2, 3, 6))
    kinetic.evolve(system, bath, np.array([0.0, 1.0, 4.0]), rng, states, splittings)
    c = system.coefficients
    couplings = np.array(
        [[stress.coupling(s, t, positions, system.moments, *c) if s != t else 0.0 for t in range(4)] for s in range(6)]
    )
    size = np.abs(couplings).sum()
    assert (states[2] != states[0]).any()
    assert_allclose(splittings, system.asymmetries + 2.0 * states[:, :4] @ couplings.T, rtol=0, atol=1e-12 * size)


def test_all_of_a_run_is_spent_in_some_state():
    rng = np.random.default_rng(5)
    system, bath = kinetic.close_spins(False, rng, 3)
    shares = np.zeros((4, 8))
    kinetic.residence(system, bath, 3.0 / bath.attempts.max(), rng, shares)
    assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)


def test_relaxation_over_barriers_is_its_integral_over_them():
    low, high = 1e-3, 1e2
    for t in (1e-3, 1.0, 1e2, 1e4):
        wanted = quad(lambda u, t=t: -math.expm1(-t * low * (high / low) ** u), 0, 1, epsabs=1e-12, limit=200)[0]
        assert theory.relaxed(np.array([t]), low, high)[0] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("cooling", [theory.TUNNELLING, theory.BARRIERS], ids=["tunnelling", "barriers"])
def test_heat_grows_with_the_logarithm_of_time_between_its_edges(cooling):
    middle = np.array([10.0, 100.0]) / cooling.high
    slope = float(np.diff(cooling.heat(middle))[0]) / math.log(10.0)
    # exp(-W/T) (1 + W/T) = 5e-4 of the integral is beyond W, exp(-10) before, and low t = 6e-4 after the edges
    assert slope == pytest.approx(cooling.slope(), rel=3e-3)
    total, t = float(cooling.heat(np.array([1e3 / cooling.low]))[0]), cooling
    excess = quad(lambda e: e / (math.exp(e / t.before) + 1) - e / (math.exp(e / t.after) + 1), 0, t.widest, limit=200)
    assert total == pytest.approx(excess[0] / t.widest, rel=1e-6)


def test_slope_per_volume_is_the_law_of_zimmermann_and_weber():
    quench = theory.TUNNELLING
    slope = quench.slope() * K_B / (theory.volume_per_spin(quench.widest, 4.0) * theory.NM**3)
    assert slope == pytest.approx(math.pi**2 / 24 * 8e44 * K_B**2 * (1.0**2 - 0.1**2), rel=1e-12)


def test_shift_of_a_flip_by_the_mean_square_of_two_isotropic_tensors():
    """<t_ij t_kl> = x d_ij d_kl + y (d_ik d_jl + d_il d_jk) gives <(Lambda t t')^2> in closed form."""
    t, alpha = theory.eigenvalues(), theory.SILICA.alpha
    y = (3 * np.sum(t**2) - t.sum() ** 2) / 30
    x = (t.sum() ** 2 - 6 * y) / 9
    square = 72 * alpha**2 - 48 * alpha + 30 + 24 * (1 - alpha) ** 2 * x / y
    unit = 2 * theory.SILICA.prefactor * EV**2 / theory.NM**3 / K_B
    mean, found = theory.shift_moments(np.random.default_rng(6), 50_000)
    assert found == pytest.approx(unit**2 * y**2 * square, rel=0.03)  # 5 errors of a mean with a relative spread of 1.3
    assert 0.5 < mean**2 / found < 1.0


def test_shifts_of_random_sources_have_the_median_of_a_lorentzian():
    """In a ball around the centre, by what is outside of it and by the fixed number in it, to first order."""
    rng, n, samples = np.random.default_rng(7), 60, 20_000
    r3 = rng.random((samples, n))  # in units of R^3, so that the density is 3 n/(4 pi)
    shifts = np.sort(np.abs(np.sum(rng.choice([-1.0, 1.0], (samples, n)) / r3, axis=1)))
    half = 2 * math.pi**2 / 3 * 3 * n / (4 * math.pi)
    median = shifts[samples // 2]
    wanted = half - 1 / math.pi + half / (2 * n)
    assert median == pytest.approx(wanted, rel=0.045)  # 4 errors, pi/(2 sqrt(samples)) each
    beyond = np.mean(shifts > 3 * median)
    assert beyond == pytest.approx(theory.beyond_three(wanted / half), abs=0.015)  # 4 errors, of it and the median


def test_a_given_number_of_flips_makes_the_median_larger():
    """Of the characteristic function (1 - half k/N)^N, by quadrature; what is left out is of order N^-2."""
    n, volume = 100, theory.volume_per_spin(theory.WIDEST, theory.DECADES)
    mean = 3 / (2 * math.pi**2) * volume  # half is 1 if all have flipped

    def beyond(y):
        return 1 - 2 / math.pi * quad(lambda k: math.sin(k * y) / k * (1 - k / n) ** n, 0, n, limit=500)[0]

    median = brentq(lambda y: beyond(y) - 0.5, 0.9, 1.1)
    assert theory.median_shift(np.array(1.0), n, mean, 0.0) == pytest.approx(median, abs=1.0 / n**2)
    assert theory.beyond_three(median) == pytest.approx(beyond(3 * median), abs=1.0 / n**2)


def test_the_median_of_pooled_samples_and_its_error():
    """Of sizes of Cauchy numbers, each of which a sample has twice: three of its six values are independent."""
    rng, few = np.random.default_rng(8), 3
    values = np.repeat(np.abs(rng.standard_cauchy((2000, 2, few))), 2, axis=2)
    values[:, 1] *= 5.0
    found = theory.pooled_medians(values)
    median, error = found.mean(axis=0), found.std(axis=0, ddof=1) / math.sqrt(2000)
    assert_allclose(median, np.median(values, axis=(0, 2)), rtol=1e-12)
    # pi/2 over the root of the number of independent values; the scatter of the scatter is 2 %
    assert_allclose(error, np.array([1.0, 5.0]) * math.pi / 2 / math.sqrt(2000 * few), rtol=0.1)
    assert np.abs((median - [1.0, 5.0]) / error).max() < 4.0
    own = np.median(values, axis=2).mean(axis=0)
    assert (own > median + 10.0 * error).all()


def test_width_is_that_of_the_counted_density():
    half = theory.width(0.5, 7.0)
    density = 0.5 / theory.volume_per_spin(theory.WIDEST, theory.DECADES)
    assert half == pytest.approx(2 * math.pi**2 / 3 * 7.0 * density, rel=1e-14)


def test_what_a_ball_lacks():
    def outside(a):  # the integral of 1/|r - a|^6 over r > 1, without 2 pi; s = 1/r
        value = dblquad(lambda u, s: s**2 / (1 - 2 * a * u * s + a * a * s * s) ** 3, 0, 1, -1, 1)[0]
        assert 2 * math.pi * value == pytest.approx(4 * math.pi / 3 / (1 - a * a) ** 3, rel=1e-6)
        return 1 / (1 - a * a) ** 3

    outside(0.0)
    outside(0.6)
    mean = quad(lambda a: 3 * a**2 / theory.INNER**3 / (1 - a * a) ** 3, 0, theory.INNER)[0]
    volume = 50 * theory.volume_per_spin(theory.WIDEST, theory.DECADES)
    assert theory.lacking(50, 3.0, 11.0) == pytest.approx(
        11 / (3 * math.pi) * mean * 4 * math.pi / (3 * volume), rel=1e-9
    )


def test_a_hole_is_its_rectangle_convolved():
    half = 0.7 * theory.HALF
    lorentzian = lambda u: half / math.pi / (u * u + half**2)  # noqa: E731
    for offset in (0.0, 0.4e-3, 1e-3):
        wanted = quad(lambda u, x=offset: lorentzian(x - u), -theory.HALF, theory.HALF)[0]
        assert theory.hole(np.array(offset), half) == pytest.approx(wanted, rel=1e-9)
    wanted = quad(lambda x: float(theory.hole(np.array(x), half)), -theory.HALF, theory.HALF)[0] / (2 * theory.HALF)
    assert theory.mean_depth(half) == pytest.approx(wanted, rel=1e-9)


def test_the_growth_of_the_width_is_flat_between_its_edges():
    t = np.array([20.0, 200.0]) / theory.FASTEST
    share = float(np.diff(theory.flipped_share(t))[0]) / math.log(10.0)
    closed = (
        theory.HOT / (2 * theory.WIDEST * theory.DECADES * math.log(10.0)) * math.tanh(theory.WIDEST / 2 / theory.HOT)
    )
    assert share == pytest.approx(closed, rel=2e-3)  # x coth(x/2) low t = 1e-3 has gone at the other edge


@pytest.mark.compiled
def test_a_short_run_agrees_and_is_drawn():
    pytest.importorskip("matplotlib")
    checks, draw = kinetic.compute(1, **SMALL)
    for check in checks:
        # six samples have errors that are themselves off by a third
        assert abs(check.deviation) < 6.0, str(check)
    assert_legible(draw())


@pytest.mark.slow
@pytest.mark.compiled
def test_twenty_seeds_scatter_as_their_errors_say():
    sizes = {"blocks": 200, "runs": 500, "alone": 300, "together": (60, 12), "burnt": (400, 300, 12)}
    runs = np.array([[check.deviation for check in kinetic.compute(seed, **sizes)[0]] for seed in range(20)])
    # of 20 numbers of unit spread: 4.5 errors of their mean; their mean square, mostly of chi^2 with 20, is 0.2 to 3
    assert np.abs(runs.mean(axis=0) * math.sqrt(20)).max() < 4.5
    squares = (runs**2).mean(axis=0)
    assert squares.min() > 0.2
    assert squares.max() < 3.0
    assert squares.mean() < 1.5
