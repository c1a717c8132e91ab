"""The example that infers C_l, C_t and the cutoff: model and covariance against closed forms, scatter over seeds."""

import itertools

import numpy as np
import pytest
from legible import assert_legible
from numpy.testing import assert_allclose
from scipy import integrate, stats

from mbfast import units
from mbfast.examples import inference
from mbfast.examples.inference import SILICA_RUN, TRUE

pytestmark = pytest.mark.compiled  # what they build on has tests without the JIT

SMALL = inference.Measurement(SILICA_RUN.kelvin[::3], SILICA_RUN.omega[::2], 0.01, 1e-7)
FORMS = ("printed", "total-strain")


@pytest.mark.parametrize("form", FORMS)
def test_derivatives_of_the_closed_form(form):
    _, derivatives = inference.closed_form(SMALL, TRUE, form)
    for number, step in enumerate(np.diag([1e-4, 1e-4, 1e-2])):
        ahead, behind = (inference.closed_form(SMALL, TRUE + sign * step, form)[0] for sign in (1, -1))
        found = (ahead - behind) / (2.0 * step.sum())
        # (1e-4)^2/6 of central differences, times some ten of what cancels; and rounding of changes of velocity
        assert_allclose(derivatives[:, number], found, rtol=1e-6, atol=1e-7 * np.abs(derivatives).max())


def test_the_real_part_of_the_closed_form():
    # by quadrature in the frequency itself, to either side of the pole, against the sum in its logarithm
    kelvin, top = SMALL.kelvin[-1:], np.exp(TRUE[2])
    vector, _ = inference.closed_form(SMALL, TRUE)
    shifts = SMALL.unscaled(vector)[1][:, 0]

    def imaginary(omega, kelvin):
        f, _ = inference._flown(TRUE, np.array([omega]), kelvin)
        return f[1, 0, 0].imag * -np.expm1(-units.HBAR * omega / (units.K_B * kelvin[0]))

    def real(at, kelvin):
        inner = integrate.quad(
            lambda x: x * imaginary(x, kelvin) / (x + at), 0.01 * at, 3.0 * at, weight="cauchy", wvar=at, epsabs=1e-10
        )
        edges = np.linspace(np.log(3.0 * at), np.log(top), 9)
        pieces = [np.log([1e4, 0.01 * at]), *itertools.pairwise(edges)]

        def by_logarithm(y):
            return np.exp(2.0 * y) * imaginary(np.exp(y), kelvin) / (np.exp(2.0 * y) - at**2)

        outer = [integrate.quad(by_logarithm, *piece, epsabs=1e-10) for piece in pieces]
        return 2.0 / np.pi * sum(part[0] for part in (inner, *outer))

    at = SMALL.omega[0]
    expected = 0.5 * (real(at, kelvin) - real(at, SMALL.kelvin[:1]))
    assert shifts[1, 0] == pytest.approx(expected, abs=1e-9)  # a hundredth of the noise


@pytest.mark.compiled
@pytest.mark.parametrize("form", FORMS)
def test_the_model_is_that_of_the_closed_form(form):
    vector, derivatives = inference.closed_form(SMALL, TRUE, form)
    # in units of the noise; what is left are the terms in L^-3, 1e-5 of the rest
    assert_allclose(inference.predicted(SMALL, TRUE, form), vector, rtol=0, atol=0.05)
    found = inference.jacobian(SMALL, TRUE, form)
    assert_allclose(found, derivatives, rtol=0, atol=5e-5 * np.abs(derivatives).max())


def test_what_is_determined_and_what_is_not():
    _, derivatives = inference.closed_form(SILICA_RUN, TRUE)
    covariance = np.linalg.inv(derivatives.T @ derivatives)
    deviations = np.sqrt(np.diag(covariance))
    correlations = covariance / np.outer(deviations, deviations)
    assert correlations[0, 2] < -0.999
    assert correlations[1, 2] < -0.999
    assert 0.5 < deviations[2] < 1.5  # a factor of about e in the cutoff
    # with 1/Q alone, or velocities ten times worse, it is not known to a factor of 1000
    assert np.sqrt(np.linalg.inv(derivatives[:24].T @ derivatives[:24])[2, 2]) > 7.0
    worse = np.concatenate([derivatives[:24], 0.1 * derivatives[24:]])
    assert np.sqrt(np.linalg.inv(worse.T @ worse)[2, 2]) > 7.0
    other = inference.closed_form(SILICA_RUN, TRUE, "total-strain")[1]
    assert np.sqrt(np.linalg.inv(other.T @ other)[2, 2]) > 100.0


def test_scaled_and_back():
    rng = np.random.default_rng(1)
    quality, change = rng.random((2, 2, 2, 2))
    back, shifts = SMALL.unscaled(SMALL.scaled(quality, change))
    assert_allclose(back, quality, rtol=1e-12)
    assert_allclose(shifts, change[:, 1:] - change[:, :1], rtol=0, atol=1e-15)


@pytest.mark.compiled
@pytest.mark.slow
def test_the_fit_of_exact_data_finds_the_true_values(monkeypatch):
    monkeypatch.setattr(inference, "USUAL", TRUE + np.array([0.002, 0.002, -0.2]))
    monkeypatch.setattr(inference, "NODES", 64)  # for data and model alike
    fit = inference.fitted(SMALL, inference.predicted(SMALL, TRUE))
    assert_allclose((fit.logs - TRUE) / fit.deviations, 0.0, atol=0.01)
    assert fit.squares < 1e-3


@pytest.mark.compiled
@pytest.mark.slow
def test_the_example_and_its_figure():
    pytest.importorskip("emcee", reason="the sample is by emcee")
    checks, draw = inference.compute(3)
    assert len(checks) == 9
    assert max(abs(check.deviation) for check in checks) < 4.0
    assert_legible(draw())


@pytest.mark.compiled
@pytest.mark.slow
def test_the_surrogate_is_the_model_where_the_posterior_is():
    fit = inference.fitted(SILICA_RUN, inference.mock(SILICA_RUN, 4))
    near, root = inference.surrogate(SILICA_RUN, fit), np.linalg.cholesky(fit.covariance)
    for z in np.random.default_rng(5).normal(size=(6, 3)):
        assert_allclose(near(z), inference.predicted(SILICA_RUN, fit.logs + root @ z), rtol=0, atol=0.2)


@pytest.mark.compiled
@pytest.mark.slow
def test_the_covariance_is_the_scatter_over_seeds():
    data = [inference.mock(SILICA_RUN, seed) for seed in range(20)]
    fits = [inference.fitted(SILICA_RUN, of_seed) for of_seed in data]
    pulls = np.array([(fit.logs - TRUE) / fit.deviations for fit in fits])
    half = np.array([0.5, -0.5, 0.0])
    ratios = np.array([half @ (fit.logs - TRUE) / np.sqrt(half @ fit.covariance @ half) for fit in fits])
    for values in (*pulls.T, ratios):
        assert abs(values.mean()) < 3.3 / np.sqrt(20)  # one in a thousand
        assert stats.chi2.ppf(1e-3, 19) < 19 * values.var(ddof=1) < stats.chi2.ppf(0.999, 19)
    # of all three at once, in the likelihood: the region is a bent needle, which no ellipsoid follows
    exact = inference.predicted(SILICA_RUN, TRUE)
    gains = [((of_seed - exact) ** 2).sum() - fit.squares for of_seed, fit in zip(data, fits, strict=True)]
    assert stats.chi2.ppf(1e-3, 60) < sum(gains) < stats.chi2.ppf(0.999, 60)
