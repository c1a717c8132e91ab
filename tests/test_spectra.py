import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from materials import SILICA
from numpy.testing import assert_allclose

import mbfast
from mbfast.kernels import spectra as kernels
from mbfast.spectra._kernels import products
from mbfast.units import HBAR, K_B

NODES = np.geomspace(1e9, 1e12, 60)
RATE = HBAR / K_B  # s at 1 K


def spectrum(temperature=1.0, **options):
    return mbfast.Spectrum(NODES, -2e7 * NODES**0.1, -1e7 * np.exp(-NODES / 1e13), temperature, **options)


@given(st.floats(7, 11.9), st.floats(-2, 2))
def test_detailed_balance(decade, kelvins):
    w, kelvin = 10.0**decade, 10.0**kelvins
    for left, right in zip(*(spectrum(kelvin)([s * w]) for s in (-1, 1)), strict=True):
        assert_allclose(left, math.exp(-RATE * w / kelvin) * right, rtol=1e-13)
    full = spectrum(kelvin).unreduced([-w, w])
    for moduli, reduced in zip(full, spectrum(kelvin)([w]), strict=True):
        assert_allclose(moduli, -np.expm1(-RATE * w / kelvin) * reduced * np.array([-1, 1]), rtol=1e-12)


def test_values_at_and_beyond_the_nodes():
    l, t = spectrum(above="power")(np.array([1e8, *NODES, 1e13]))  # noqa: E741
    assert_allclose(l, -2e7 * np.array([1e8, *NODES, 1e13]) ** 0.1, rtol=1e-12)
    assert_allclose(t[1:-1], -1e7 * np.exp(-NODES / 1e13), rtol=1e-13)
    assert spectrum()([1e13]).longitudinal == 0.0
    assert spectrum(below="zero")([1e8]).longitudinal == 0.0
    assert_allclose(spectrum(below=2.0)([1e8]).longitudinal, -2e7 * 1e9**0.1 * 1e-2, rtol=1e-13)
    between = np.sqrt(NODES[1:] * NODES[:-1])
    assert_allclose(spectrum()(between).transverse, -1e7 * np.exp(-between / 1e13), rtol=1e-9)


def test_zero_temperature_is_exact():
    cold = spectrum(0.0)
    assert_allclose(cold([-1e10, -1e5]).transverse, 0.0, atol=0)
    assert_allclose(cold([0.0]).transverse, 0.5 * spectrum(1.0)([0.0]).transverse)
    assert_allclose(cold.unreduced([1e10]).transverse, cold([1e10]).transverse, rtol=0)
    assert cold.unreduced([0.0]).transverse == 0.0


@pytest.mark.compiled
def test_integrals_are_those_of_the_functions():
    warm = spectrum([0.5, 2.0])
    value, error = warm.convolve("longitudinal", "transverse", at=[1e10, 1e11])
    assert value.shape == (2, 2)
    assert error.shape == (2,)
    expected = mbfast.convolve(NODES, warm.longitudinal, warm.transverse, at=[1e10, 1e11], temperature=[0.5, 2.0])
    assert np.array_equal(value, expected.value)
    assert np.array_equal(warm.convolve().value, mbfast.convolve(NODES, warm.transverse, temperature=[0.5, 2.0]).value)
    assert np.array_equal(
        warm.kramers_kronig("longitudinal", at=[1e10]).value,
        mbfast.kramers_kronig(NODES, warm.longitudinal, at=[1e10]).value,
    )


def test_a_grid_stands_in_the_place_of_its_nodes():
    options = {"below": 0.5, "above": "power", "interpolation": "linear", "degree": 3}
    grid = mbfast.FrequencyGrid(NODES, **options)
    assert grid.options == options
    f = np.sqrt(NODES) / (1 + NODES / 1e11) ** 2
    for function in (mbfast.convolve, mbfast.kramers_kronig):
        for one, other in zip(function(grid, f), function(NODES, f, **options), strict=True):
            assert np.array_equal(one, other)
    one = mbfast.Spectrum(grid, -f, -f)
    assert one.grid is grid
    assert (one.below, one.above, one.interpolation, one.degree) == tuple(options.values())
    assert np.array_equal(one([1e8, 1e13]), mbfast.Spectrum(NODES, -f, -f, **options)([1e8, 1e13]))


def test_a_grid_can_be_pickled_and_is_frozen():
    grid = mbfast.FrequencyGrid(NODES)
    f = np.exp(-NODES / 1e11)
    assert np.array_equal(mbfast.convolve(pickle.loads(pickle.dumps(grid)), f).value, mbfast.convolve(grid, f).value)
    with pytest.raises(ValueError, match="read-only"):
        grid.omega[0] = 1.0
    with pytest.raises(AttributeError):
        grid.degree = 3


def test_another_edge_below_takes_the_same_interpolant():
    grid = mbfast.FrequencyGrid(NODES, "zero")
    other = grid.with_below(2.0)
    assert (grid.below, other.below) == ("zero", 2.0)
    assert other.value is grid.value
    f = np.exp(-NODES / 1e11)
    assert np.array_equal(mbfast.convolve(other, f).value, mbfast.convolve(NODES, f, below=2.0).value)


def test_options_beside_a_grid_are_refused():
    grid = mbfast.FrequencyGrid(NODES)
    with pytest.raises(ValueError, match=r"degree must be left out beside a grid, which has its own, got .* 3"):
        mbfast.convolve(grid, np.ones(60), degree=3)
    with pytest.raises(ValueError, match=r"below, .* must be left out beside a grid"):
        mbfast.Spectrum(grid, -np.ones(60), -np.ones(60), below="zero")


@pytest.fixture
def interpolants(monkeypatch):
    """Nodes between which an interpolant was built."""
    from mbfast.spectra import grid

    made, check = [], grid._checked_nodes
    monkeypatch.setattr(grid, "_checked_nodes", lambda omega: made.append(omega) or check(omega))
    return made


@pytest.mark.compiled
def test_a_spectrum_and_its_integrals_build_one_interpolant(interpolants):
    one = spectrum()
    one([1e10])
    one.convolve("longitudinal", "transverse")
    one.kramers_kronig("transverse", at=[1e10])
    for form in ("printed", "derived"):
        mbfast.absorption_rates(one, SILICA, 5e-9, 2, form=form, dielectric=-np.ones(60), permittivity=1.0)
    mbfast.flow(one, SILICA, stop=1e-8)
    assert len(interpolants) == 1


def test_samples_are_copied_and_frozen():
    samples = -np.ones(60)
    one = mbfast.Spectrum(NODES, samples, samples)
    samples[:] = 0.0
    assert one.longitudinal[0] == -1.0
    with pytest.raises(ValueError, match="read-only"):
        one.transverse[0] = 1.0
    with pytest.raises(AttributeError, match="cannot assign to field 'degree'"):
        one.degree = 3


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"omega": NODES[::-1]}, ValueError, "omega must be increasing"),
        ({"longitudinal": np.ones(59)}, ValueError, r"longitudinal must have shape \(..., 60\)"),
        ({"transverse": np.full(60, np.nan)}, ValueError, "transverse must be finite"),
        ({"temperature": -1.0}, ValueError, "temperature must not be negative"),
        ({"temperature": [1.0, 2.0], "transverse": np.ones((3, 60))}, ValueError, "shapes must broadcast"),
        ({"below": "none"}, ValueError, "below must be power, zero or an exponent"),
        ({"degree": 0}, ValueError, "degree must be one of"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    arguments = {"omega": NODES, "longitudinal": np.ones(60), "transverse": np.ones(60), **change}
    with pytest.raises(error, match=message):
        mbfast.Spectrum(**arguments)


def test_bad_names_and_frequencies():
    with pytest.raises(ValueError, match="first must be one of longitudinal, transverse, got 'l'"):
        spectrum().convolve("l")
    with pytest.raises(ValueError, match="polarization must be one of longitudinal, transverse"):
        spectrum().kramers_kronig("t")
    with pytest.raises(ValueError, match=r"omega must have shape \(k,\), got \(\)"):
        spectrum()(1e9)
    with pytest.raises(ValueError, match="omega must be finite"):
        spectrum()([np.inf])


# --- the kernels ---------------------------------------------------------------------------------------------------


def test_rule():
    t, w = kernels.RULE[:2]
    for power in range(16):
        assert np.sum(w * t**power) == pytest.approx(2 / (power + 1) if power % 2 == 0 else 0, abs=4e-15)
    values = np.polynomial.polynomial.polyval(t, np.arange(1.0, 9.0))
    assert_allclose(kernels.RULE[10:] @ values, np.arange(1.0, 9.0), rtol=1e-12)
    legendre = np.polynomial.legendre.poly2leg(np.arange(1.0, 9.0))
    assert_allclose(kernels.RULE[2:10] @ values, legendre, rtol=1e-12)


@settings(max_examples=25)  # quadratures to 60 digits
@given(st.floats(-3, 3), st.sampled_from([1, -1]), st.integers(0, 7))
def test_cauchy_weights_are_legendre_functions(decade, side, n):
    # of P_n on -1...1: -2 Q_n(z), by mpmath
    import mpmath

    z = side * (1 + 10.0**decade)
    weights = np.empty(8)
    kernels.cauchy_weights(z, -1.0, 1.0, 0, kernels.RULE, weights)
    computed = np.sum(weights * np.polynomial.legendre.legval(kernels.RULE[0], np.eye(8)[n]))
    with mpmath.workdps(60):  # half of it for parity 0
        exact = float(
            mpmath.quad(lambda x: mpmath.legendre(n, x) / (x - z) / 2, [-1, 0, 1])
            if decade > -1
            else -mpmath.re(mpmath.legenq(n, 0, mpmath.mpf(z), type=3))
        )
    assert computed == pytest.approx(exact, rel=1e-10, abs=2e-14)


@pytest.mark.compiled
def test_kernels_can_be_called_from_compiled_code():
    import numba

    @numba.njit
    def weight(omega, rule):
        out = np.empty(8)
        kernels.cauchy_weights(omega, 1.0, 2.0, 1, rule, out)
        return out.sum()

    # of a constant: ln|(4 - w^2)/(1 - w^2)|/2
    assert weight(0.3, kernels.RULE) == pytest.approx(0.5 * math.log((4 - 0.09) / (1 - 0.09)), rel=1e-14)


@pytest.mark.slow  # to compile; of functions that are no public ones
@pytest.mark.compiled
def test_a_convolution_within_compiled_code():
    import numba

    @numba.njit
    def at_one(rule, steps):
        # of x with itself: x^3/6; sampled at the Gauss points of cells from 1e-3 on, a power law below
        b = np.linspace(1e-3, 1.0, steps + 1)
        values = np.empty((steps, 8))
        for i in range(steps):
            for q in range(8):
                values[i, q] = 0.5 * (b[i] + b[i + 1]) + 0.5 * (b[i + 1] - b[i]) * rule[0, q]
        c, m, out = np.empty((1, steps, 8)), np.empty((1, steps + 1, 8)), np.zeros((1, 1))
        kernels.coefficients(values, rule, c[0])
        products.moments(b, values, b[0], 1.0, 0.0, rule, m[0])
        products.convolution(np.array([1.0]), -1, b, c, m, b[:1].copy(), np.ones(1), 0.0, b, c, rule, 2.0, out)
        return out[0, 0]

    assert at_one(kernels.RULE, 10) == pytest.approx(1 / 6, rel=1e-13)
