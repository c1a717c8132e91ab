import itertools
import math
import pickle

import numpy as np
import pytest
from conftest import JIT_OFF, OTHER_DEGREES
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import beta, gamma, kve

import mbfast
from mbfast import testing
from mbfast.kernels.spectra import RULE
from mbfast.spectra.grid import FrequencyGrid
from mbfast.spectra.tails import Tail
from mbfast.spectra.uniform import UniformConvolution
from mbfast.units import HBAR, K_B

KELVIN = HBAR / K_B  # temperature of a rate of 1 s
TEN_DECADES = np.geomspace(1e-10, 1.0, 2048)
LOW = np.geomspace(1e-6, 1e2, 1400)


def worst(estimate, exact):
    """Largest error relative to the maximum, and what was estimated."""
    value, error = estimate
    size = np.abs(exact).max()
    return np.abs(value - exact).max() / size, float(error) / size


# naive quadrature: thousands of terms of one sign; omega - y cannot tell apart the y below its rounding error
NAIVE = {"rtol": 3e-12}


@pytest.mark.parametrize("logarithmic", [True, False])
@pytest.mark.parametrize("degree", [7, *OTHER_DEGREES[1:]])
@pytest.mark.parametrize("rate", [np.inf, 0.4, 30.0])
def test_direct_against_naive(rate, degree, logarithmic):
    rng = np.random.default_rng(degree)
    nodes = np.cumsum(rng.uniform(0.05, 0.4, 14))
    f, g = np.exp(-nodes) * nodes**0.4, 1.0 / (1.0 + nodes**2)
    options = {"degree": degree, "interpolation": "log" if logarithmic else "linear"}
    at = np.array([0.3 * nodes[0], nodes[0], 1.01 * nodes[3], nodes[7], 0.999 * nodes[-1], 1.7 * nodes[-1]])
    temperature = KELVIN / rate
    plan = mbfast.ConvolutionPlan(nodes, at=at, method="direct", **options)
    a, b = (testing.SampledSpectrum(nodes, h, rate, degree=degree, logarithmic=logarithmic) for h in (f, g))
    assert_allclose(plan(f, g, temperature=temperature), [testing.convolution(a, b, w) for w in at], **NAIVE)
    assert_allclose(plan(f, temperature=temperature), [testing.convolution(a, a, w) for w in at], **NAIVE)


@pytest.mark.parametrize("exponent", [-0.5, *(pytest.param(s, marks=pytest.mark.compiled) for s in (0.0, 3.0))])
def test_a_stated_exponent_below(exponent):
    nodes = np.geomspace(1.0, 5.0, 12)
    f = np.cos(0.2 * nodes)
    spectrum = testing.SampledSpectrum(nodes, f, 2.0, exponent=exponent)
    at = 0.99 * nodes
    value = mbfast.convolve(nodes, f, at=at, temperature=KELVIN / 2.0, below=exponent).value
    assert_allclose(value, [testing.convolution(spectrum, spectrum, w) for w in at], **NAIVE)


def test_nothing_below():
    nodes = np.linspace(1.0, 3.0, 40)
    value = mbfast.convolve(nodes, np.ones(40), below="zero", method="direct").value
    # a box from 1 to 3: the triangle begins at 2
    assert_allclose(value, np.maximum(nodes - 2.0, 0.0), atol=1e-14)


@pytest.mark.parametrize(
    "nodes",
    [
        np.linspace(1, 24, 24),
        *(
            pytest.param(np.linspace(low, high, n), marks=pytest.mark.compiled)
            for low, high, n in ((1.7, 14, 30), (0.37, 60, 430), (5, 80, 420), (12.3, 60, 320))
        ),
    ],
)
@pytest.mark.parametrize("degree", [7, *OTHER_DEGREES])
def test_fft_equals_direct(nodes, degree):
    f, g = nodes**-0.4 * np.exp(-nodes / 100), 1.2 + 0.3 * np.cos(nodes / 7)
    fft, direct = (mbfast.ConvolutionPlan(nodes, method=m, degree=degree) for m in ("fft", "direct"))
    for samples in ((f,), (g,), (f, g)):
        expected = direct(*samples)
        # rounding errors of the transform are relative to the largest value
        assert_allclose(fft(*samples), expected, rtol=0, atol=3e-14 * expected.max())
        assert fft.error(*samples) == pytest.approx(direct.error(*samples), rel=0.2)
    assert np.array_equal(mbfast.ConvolutionPlan(nodes, degree=degree)(f, g), fft(f, g))


@pytest.mark.parametrize("n", [20, 21, 22, 23, 401, 402, 419, 1023, 2001, 4096, 4102, 4103, 9001])
def test_products_of_whole_numbers(n):
    """Summed or transformed in pieces, of any length, with the zeros that follow: exact after rounding."""
    stencil = UniformConvolution(FrequencyGrid(np.arange(1.0, n + 1)))._value
    samples = np.zeros((2, n + 10))
    samples[:, :n] = np.random.default_rng(n).integers(-9, 10, (2, n))
    for rows in (samples, samples[:1]):
        product = stencil._product(rows, n)
        assert np.array_equal(np.round(product), np.convolve(rows[0], rows[-1])[: n + 10])
        assert_allclose(product, np.round(product), atol=1e-9)


@pytest.mark.parametrize("n", [100, 394, 395, 1000, 1995, 4096, 20000])
@pytest.mark.compiled
def test_fft_of_every_length_and_a_second_call(n):
    nodes = np.linspace(2.0, 2.0 * n, n)
    plan = mbfast.ConvolutionPlan(nodes, method="fft")
    first = plan(np.exp(-nodes / n))
    # e^-x e^-(w-x) over 0...w
    assert_allclose(plan(np.exp(-nodes / n), np.exp(-nodes / n)), first, rtol=1e-12)
    exponential = mbfast.ConvolutionPlan(nodes, below=0.0)(np.ones(n), np.exp(-nodes / n))
    start = 2.0 * (math.exp(-2.0 / n))  # the gap below the first node is taken as constant
    exact = n * (np.exp(-2.0 / n) - np.exp(-nodes / n)) + start
    assert_allclose(exponential[1:], exact[1:], rtol=1e-11)
    assert np.array_equal(plan(np.exp(-nodes / n)), first)


def test_fft_refuses_what_it_cannot():
    with pytest.raises(ValueError, match="method must be direct here"):
        mbfast.ConvolutionPlan(LOW, method="fft")
    plan = mbfast.ConvolutionPlan(np.arange(1.0, 50.0), method="fft")
    with pytest.raises(ValueError, match="method must be direct or auto at T > 0"):
        plan(np.ones(49), temperature=1.0)
    with pytest.raises(ValueError, match="exponents above 16"):
        plan(np.arange(1.0, 50.0) ** 20)


@settings(max_examples=1 if JIT_OFF else 60)
@given(st.integers(0, 2**32 - 1), st.floats(-2, 2), st.floats(0.1, 10))
@example(76, 1.0, 1.0)
def test_invariants(seed, temperature_decade, factor):
    rng = np.random.default_rng(seed)
    nodes = np.cumsum(rng.uniform(0.02, 1.0, 12))
    f, g = rng.uniform(0.5, 2.0, (2, 12))
    kelvin = KELVIN * 10.0**temperature_decade
    plan = mbfast.ConvolutionPlan(nodes, method="direct", below=0.3)
    result = plan(f, g, temperature=kelvin)
    tolerance = {"rtol": 1e-11, "atol": 1e-11 * np.abs(result).max()}  # wild interpolants cancel
    assert_allclose(plan(g, f, temperature=kelvin), result, **tolerance)
    assert_allclose(plan(factor * f, g, temperature=kelvin), factor * result, **tolerance)
    stretched = mbfast.ConvolutionPlan(factor * nodes, method="direct", below=0.3)
    assert_allclose(stretched(f, g, temperature=factor * kelvin), factor * result, **tolerance)
    # rounding errors are relative to what is summed, which may be much larger than its sum
    terms = np.array([plan(f, temperature=kelvin), 2 * result, plan(g, temperature=kelvin)])
    both = plan(f + g, temperature=kelvin)
    assert_allclose(both, terms.sum(axis=0), rtol=1e-11, atol=1e-11 * np.abs(terms).max())


def exponential(s, b, omega):
    """Of W^s e^-W with detailed balance: B and a Bessel function; T -> 0 leaves the Beta function."""
    at_zero = np.exp(-omega) * beta(s + 1, s + 1) * omega ** (2 * s + 1)
    if np.isinf(b):
        return at_zero
    p = b + 2.0
    warm = 2 / math.sqrt(math.pi) * gamma(s + 1) * (omega / p) ** (s + 0.5) * kve(s + 0.5, p * omega / 2)
    return at_zero + np.exp(-omega) * warm


# spectra and exact convolutions on ten decades, the last two with what the power law below is not exactly
PAIRS = {
    **{
        f"power {s}": (TEN_DECADES, TEN_DECADES**s, np.inf, TEN_DECADES ** (2 * s + 1) * beta(s + 1, s + 1))
        for s in (-0.9, -0.5, 0.0, 0.5, 1.0, 2.0)
    },
    **{
        f"constant, b = {b:g}": (TEN_DECADES, np.ones(2048), b, TEN_DECADES - 2 / b * np.expm1(-b * (1 - TEN_DECADES)))
        for b in (1e-3, 1.0, 50.0, 1e4, 1e8)
    },
    **{
        f"W^{s} e^-W, b = {b:g}": (LOW, LOW**s * np.exp(-LOW), b, exponential(s, b, LOW))
        for s in (0.5, 1.0, 2.0)
        for b in (np.inf, 100.0, 1.0, 0.01)
    },
    "TTLS": (LOW, 1 / (1 + np.exp(-10 * LOW)), 10.0, None),
    "Debye": (LOW, LOW / (1 + LOW**2), np.inf, None),
}
PAIRS["TTLS"] = (
    *PAIRS["TTLS"][:3],
    (LOW + 0.2 * (math.log1p(math.exp(-1000.0)) - np.log1p(np.exp(-10 * (100 - LOW))))) / -np.expm1(-10 * LOW),
)
_log = np.log1p(LOW**2)
PAIRS["Debye"] = (*PAIRS["Debye"][:3], 0.5 * (_log / LOW + (_log * LOW - 4 * np.arctan(LOW)) / (LOW**2 + 4)))


# what is between the extremes of each family
BETWEEN = {f"power {s}" for s in (-0.5, 0.5, 1.0)} | {f"constant, b = {b:g}" for b in (1.0, 1e4)}
BETWEEN |= {f"W^{s} e^-W, b = {b:g}" for s, b in ((0.5, 100.0), (0.5, 1.0), (1.0, np.inf), (1.0, 0.01), (2.0, 100.0))}


@pytest.mark.compiled
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in BETWEEN else ()) for name in PAIRS]
)
def test_exact_pairs(name):
    nodes, f, rate, exact = PAIRS[name]
    error, estimated = worst(mbfast.convolve(nodes, f, temperature=KELVIN / rate), exact)
    assert error < 1e-10
    # what is left of rounding errors may be far below the estimate
    assert error <= estimated < max(100 * error, 1e-10)


@pytest.mark.compiled
def test_gaussians_add_their_variances():
    nodes = np.geomspace(1e-2, 40.0, 2048)
    a, b, s, t = 6.0, 9.0, 0.8, 0.6
    f, g = np.exp(-0.5 * ((nodes - a) / s) ** 2), np.exp(-0.5 * ((nodes - b) / t) ** 2)
    width = math.hypot(s, t)
    exact = math.sqrt(2 * math.pi) * s * t / width * np.exp(-0.5 * ((nodes - a - b) / width) ** 2)
    error, estimated = worst(mbfast.convolve(nodes, f, g), exact)
    assert error < 1e-10  # what is left out below zero is e^(-28)
    assert error < estimated < 1e-9


# mpmath quadrature of the definitions, and closed forms with incomplete Gamma functions, agreeing to 22 digits
@pytest.mark.compiled
@pytest.mark.parametrize(
    ("spectrum", "at_zero", "warm"),
    [
        (
            lambda w: np.sqrt(w) * np.exp(-w),
            [
                3.887916605492728124571e-5,
                0.09555421046414455461243,
                0.1759620242567859084605,
                0.003925496255734139673259,
            ],
            [0.07142527459840050778122, 0.1659138524999304469162, 0.1889326192543682838828, 0.003979596239898923595125],
        ),
        (
            lambda w: w / (1 + w**2),
            [1.666566672142539702596e-7, 0.04388679241137565749293, 0.4572861894498711786979, 0.4437584230349738443065],
            [0.0450017646110355334153, 0.1084067592058493560466, 0.4930367464192582959265, 0.4577538965181652178684],
        ),
    ],
)
def test_reference_numbers(spectrum, at_zero, warm):
    nodes = np.geomspace(1e-9, 60.0, 3000)
    for temperature, expected in ((0.0, at_zero), (0.3 * KELVIN, warm)):
        estimate = mbfast.convolve(nodes, spectrum(nodes), at=[0.01, 0.7, 3.0, 9.0], temperature=temperature)
        assert_allclose(estimate.value, expected, rtol=1e-12)


@pytest.mark.compiled
def test_the_product_of_detailed_balance_keeps_it():
    # C(-w) = e^(-bw) C(w): of W/(1 - e^(-bW)), C is w (w^2 + (2 pi/b)^2)/(6 (1 - e^(-bw)))
    b = 2.5
    nodes = np.geomspace(1e-7, 30.0, 2500)
    f = nodes / -np.expm1(-b * nodes)
    at = np.array([1e-3, 0.1, 1.0, 3.0])
    value = mbfast.convolve(nodes, f, at=at, temperature=KELVIN / b, above="power").value
    assert_allclose(value, at * (at**2 + (2 * np.pi / b) ** 2) / (6 * -np.expm1(-b * at)), rtol=1e-11)


CORNER = 2.222
FINE = np.unique(
    np.round(
        np.concatenate(
            [
                np.geomspace(0.01, 10, 2001),
                np.linspace(CORNER - 1, CORNER + 1, 4001),
                *(CORNER * (1 + sign * np.geomspace(1e-9, 0.5, 500)) for sign in (-1, 1)),
            ]
        ),
        11,
    )
)
ROUGH = {
    "step": lambda w: np.where(w < CORNER, 1.0, 0.0),
    "kink": lambda w: np.minimum(w, CORNER),
    "cusp": lambda w: np.abs(w - CORNER) ** 0.5,
    "peak": lambda w: 1 / ((w - CORNER) ** 2 + 0.1**2),
    "narrow peak": lambda w: 1 / ((w - CORNER) ** 2 + 0.03**2),
    "smooth": lambda w: 1 / (1 + w**2),
}


@pytest.mark.compiled
@pytest.mark.parametrize("shape", ROUGH)
def test_the_estimate_is_honest(shape):
    # against many more samples, and with the power law below the nodes stated, as it is not part of the estimate
    options = {"below": 0.0, "interpolation": "linear", "degree": 3, "method": "direct"}
    for n in (50, 150, 500) if "peak" not in shape else (150, 500):
        nodes = np.geomspace(0.01, 10.0, n)
        exact = mbfast.ConvolutionPlan(FINE, at=nodes, **options)(ROUGH[shape](FINE))
        for degree in (7, 3, 1):
            error, estimated = worst(mbfast.convolve(nodes, ROUGH[shape](nodes), degree=degree, below=0.0), exact)
            # what the corners make of the reference; and where a peak is just resolved the errors around it cancel
            assert error <= estimated + 1e-10
            assert estimated <= (1000 if "peak" in shape else 100) * error + 1e-12


@pytest.mark.compiled
def test_batches_are_rows_and_threads_do_not_matter():
    rng = np.random.default_rng(3)
    nodes = np.geomspace(0.1, 10.0, 12)
    f, g = rng.uniform(0.5, 1.0, (4, 1, 12)), rng.uniform(0.5, 1.0, 12)
    temperature = KELVIN * np.array([0.0, 0.5, 3.0])
    plan = mbfast.ConvolutionPlan(nodes, below=0.0)
    result = plan(f, g, temperature=temperature, threads=2)
    assert result.shape == (4, 3, 12)
    assert plan.error(f, g, temperature=temperature).shape == (4, 3)
    for i in range(4):
        for j in range(3):
            assert np.array_equal(plan(f[i, 0], g, temperature=temperature[j], threads=1), result[i, j])
    assert plan(np.empty((0, 12))).shape == (0, 12)
    out = np.empty((4, 3, 12))
    assert plan(f, g, temperature=temperature, out=out) is out
    assert np.array_equal(out, result)


@pytest.mark.parametrize("nodes", [np.geomspace(1.0, 9.0, 20), np.linspace(1.0, 9.0, 20)])
def test_results_may_replace_samples_and_plans_can_be_pickled(nodes):
    f = np.exp(-nodes)
    plan = mbfast.ConvolutionPlan(nodes, below=0.0)
    expected = plan(f)
    assert np.array_equal(pickle.loads(pickle.dumps(plan))(f), expected)
    transform = mbfast.KramersKronigPlan(nodes, below=0.0)
    real = transform(f)
    both = f.copy(), f.copy()
    assert np.array_equal(plan(both[0], out=both[0]), expected)
    assert np.array_equal(transform(both[1], out=both[1]), real)
    several = np.stack([f, 2 * f])
    plan(several, out=several)
    assert_allclose(several, [expected, 4 * expected], rtol=1e-13)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"omega": [1.0, 3.0, 2.0]}, ValueError, "omega must be increasing, got 3 and then 2 at index 2"),
        ({"omega": [1.0, 2.0, 2.0]}, ValueError, "omega must be increasing, got 2 and then 2"),
        ({"omega": [0.0, 1.0, 2.0]}, ValueError, "omega must be positive.*got 0 at index 0"),
        ({"omega": [1.0, np.nan, 2.0]}, ValueError, "omega must be positive.*got nan at index 1"),
        ({"omega": [1.0]}, ValueError, r"omega must have shape \(n,\) with n >= 2, got \(1,\)"),
        ({"omega": [[1.0, 2.0]]}, ValueError, r"omega must have shape \(n,\)"),
        ({"omega": ["a", "b"]}, TypeError, "omega must consist of real numbers"),
        ({"f": [1.0, np.nan, 1.0]}, ValueError, "f must be finite, got nan at index 1"),
        ({"f": [1.0, 1e160, 1.0]}, ValueError, r"f must not exceed 1e\+80 in magnitude"),
        ({"f": [1.0, 1.0]}, ValueError, r"f must have shape \(..., 3\), one value a node, got \(2,\)"),
        ({"g": [1.0, 1.0, np.inf]}, ValueError, "g must be finite"),
        ({"g": 1.0}, ValueError, "g must have shape"),
        ({"f": np.ones((2, 3)), "g": np.ones((3, 3))}, ValueError, r"shapes must broadcast.*f \(2,\), .*g \(3,\)"),
        ({"temperature": -1.0}, ValueError, "temperature must not be negative, got -1 K"),
        ({"temperature": np.nan}, ValueError, "temperature must be finite"),
        ({"temperature": 1e-40}, ValueError, "temperature must be positive, from 1e-35"),
        ({"at": [1.0, -1.0]}, ValueError, "at must be positive"),
        ({"at": 1.0}, ValueError, r"at must have shape \(m,\), got \(\)"),
        ({"below": "nothing"}, ValueError, "below must be power, zero or an exponent, got 'nothing'"),
        ({"below": -1.0}, ValueError, r"below must be a power law with an exponent above -1 .*got -1"),
        ({"below": [1.0]}, TypeError, "below must be power, zero or one exponent"),
        ({"above": np.nan}, ValueError, "above must be finite"),
        ({"f": [9.0, 1.0, 1.0]}, ValueError, "below must be a power law with an exponent above -1 .*got -3.16993"),
        ({"f": [1.0, -1.0, 1.0]}, ValueError, r"below must be stated .* the values 1 and -1 at the first two nodes"),
        ({"f": [1.0, 1.0, 0.0], "above": "power", "temperature": 1e-11}, None, ""),
        (
            {"f": [1.0, 0.0, 1.0], "below": "zero", "above": "power"},
            ValueError,
            r"above must be stated .* the values 1 and 0 at the last two nodes",
        ),
        ({"degree": 4}, ValueError, "degree must be one of 1, 3, 5, 7, got 4"),
        ({"degree": 2.5}, TypeError, "degree must be a whole number"),
        ({"interpolation": "cubic"}, ValueError, "interpolation must be one of auto, log, linear, got 'cubic'"),
        ({"method": "slow"}, ValueError, "method must be one of auto, direct, fft, got 'slow'"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
        ({"omega": [1.0, 1.0 + 1e-14, 2.0]}, ValueError, "omega must have nodes at least 1e-12 of themselves apart"),
        ({"omega": [1e-20, 1.0, 1e20]}, ValueError, r"omega must span a factor of at most 1e\+30"),
        ({"at": [1e-34]}, ValueError, r"at must be within a factor 1e\+30 of the last node"),
        ({"temperature": 1e-15, "omega": [1e20, 2e20, 4e20]}, None, ""),
        ({"temperature": 1e-34, "omega": [1e34, 2e34, 4e34]}, ValueError, "temperature must be zero or at least"),
        ({"above": 1e3}, ValueError, "above must be an exponent of magnitude at most 100, got 1000"),
        ({"above": 99.0, "at": [1e9]}, ValueError, r"above must not let the spectrum exceed 3\S*e\+145"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    arguments = {"omega": [1.0, 2.0, 4.0], "f": [1.0, 1.0, 1.0], **change}
    if error is None:
        mbfast.convolve(**arguments)
        return
    with pytest.raises(error, match=message):
        mbfast.convolve(**arguments)


@pytest.mark.parametrize(
    ("out", "error"),
    [
        (np.empty(4), ValueError),
        (np.empty(6)[::2], ValueError),
        (np.empty((1, 3)), ValueError),
        (np.empty(3, dtype=np.float32), TypeError),
        ([0.0, 0.0, 0.0], TypeError),
    ],
)
def test_out_must_fit(out, error):
    with pytest.raises(error, match=r"out must be a writable, C-contiguous float64 array of shape \(3,\)"):
        mbfast.ConvolutionPlan([1.0, 2.0, 4.0])(np.ones(3), out=out)


@pytest.mark.parametrize("exponent", [-0.9, 0.0, 2.0])
def test_targets_just_beyond_the_last_node(exponent):
    nodes = np.array([1.0, 1.3, 1.9, 2.0, 2.7, 3.1, 3.2, 3.9, 4.0])
    at = 4.0 * (1 + 10.0 ** -np.arange(15.0, 1.0, -2.0))
    # w - y is in 3...4 for y up to 1; what the power law has below w - 4 is left out
    exact = 2 * ((1 - (at - 4) ** (exponent + 1)) / (exponent + 1) + at / 2 - 1)
    value = mbfast.convolve(nodes, np.ones(9), at=at, below=exponent).value
    assert_allclose(value, exact, rtol=1e-13)


@pytest.mark.compiled
@pytest.mark.parametrize("exponent", [5, 15, 60])
def test_what_rises_above_the_nodes_is_not_cut_by_temperature(exponent):
    nodes = np.array([1.0, 1.3, 1.9, 2.0, 2.7, 3.1, 3.2, 3.9, 4.0])
    value = mbfast.convolve(nodes, np.ones(9), at=[1.0], below="zero", above=exponent, temperature=KELVIN).value[0]

    def f(x):
        return np.where(x < 1, 0.0, np.where(x <= 4, 1.0, (x / 4) ** exponent))

    # 2 int e^-y f(y) f(1 + y), from 1; breaks at 3 and 4
    total = 0.0
    points, weights = np.polynomial.legendre.leggauss(20)
    edges = np.concatenate([[1.0, 3.0, 4.0], np.arange(5.0, 600.0)])
    for a, b in itertools.pairwise(edges):
        y = 0.5 * (a + b) + 0.5 * (b - a) * points
        total += 0.5 * (b - a) * np.sum(weights * np.exp(-y) * f(y) * f(1 + y))
    assert value == pytest.approx(2 * total, rel=1e-11)


def test_nothing_at_nowhere():
    nodes = np.geomspace(1.0, 9.0, 20)
    assert mbfast.convolve(nodes, nodes, at=[]).value.shape == (0,)
    assert mbfast.kramers_kronig(nodes, nodes, at=[], anchors=([], [])).value.shape == (0,)


def test_fast_path_checks_as_the_other():
    plan = mbfast.ConvolutionPlan(np.arange(1.0, 41.0))
    f = np.ones(40)
    with pytest.raises(TypeError, match="f must be a plain array, got a masked one"):
        plan(np.ma.masked_less(f, 0.0))
    with pytest.raises(ValueError, match="threads must be at least 1"):
        plan(f, threads=0)
    f[3] = np.nan
    with pytest.raises(ValueError, match="f must be finite, got nan at index 3"):
        plan(f)
    with pytest.raises(ValueError, match="g must be finite"):
        plan(np.ones(40), f)


def test_two_nodes_are_enough():
    assert_allclose(mbfast.convolve([1.0, 2.0], [1.0, 2.0]).value, [1 / 6, 8 / 6], rtol=1e-12)


@pytest.mark.compiled
@pytest.mark.parametrize("kelvin", [0.0, 0.7])
@pytest.mark.parametrize("nodes", [np.geomspace(1e8, 1e13, 60), np.linspace(1e11, 1e13, 100)])
def test_pairs_are_both_convolutions(kelvin, nodes):
    f, g = 1 / (1 + nodes / 1e12), np.sqrt(nodes) / (1e6 + nodes / 1e6)
    plan = mbfast.ConvolutionPlan(nodes, above="power")
    own, both = plan.pair([f, 2 * f], g, temperature=kelvin)
    for i, factor in enumerate((1.0, 2.0)):
        for ours, other in (
            (own[i], plan(factor * f, temperature=kelvin)),
            (both[i], plan(factor * f, g, temperature=kelvin)),
        ):
            np.testing.assert_allclose(ours, other, rtol=1e-13)  # on other breaks


@pytest.mark.parametrize("lowest", [1e-14, 1e-17, 1e-26])
def test_a_node_far_below_the_others(lowest):
    omega = np.append(lowest, np.geomspace(1.0, 1e3, 30))
    result = mbfast.convolve(omega, np.ones(31), np.ones(31))
    assert np.abs(result.value - omega).max() <= result.error < 1e-8 * omega[-1]


def test_nothing_is_written_where_a_later_row_is_refused():
    omega = np.arange(1.0, 65.0)
    plan = mbfast.ConvolutionPlan(omega, method="fft")
    samples = np.stack([omega * np.exp(-omega), omega**20 * np.exp(-omega)])
    out = np.full(samples.shape, 7.0)
    with pytest.raises(ValueError, match="method must be direct or auto"):
        plan(samples, out=out)
    assert (out == 7.0).all()
    assert plan(samples[0], out=out[0]) is not None
    assert np.array_equal(out[0], plan(samples[0]))


def test_batches_of_nothing():
    omega, f = np.geomspace(1.0, 1e3, 40), np.ones(40)
    assert mbfast.convolve(omega, f, temperature=[]).value.shape == (0, 40)
    plan = mbfast.ConvolutionPlan(omega)
    assert [part.shape for part in plan.pair(f, np.ones((2, 0, 40)), temperature=1.0)] == [(2, 0, 40)] * 2


@pytest.mark.parametrize("steep", [50.0, 1e4, 1e8, 1e15])
@pytest.mark.parametrize("upwards", [False, True])
def test_a_steep_power_law_needs_few_cells(steep, upwards):
    # beside a flat one on common breaks: their number must not grow with the exponent
    exponents = np.array([-steep, -3.0] if upwards else [steep, 0.5])
    end = 1e6 if upwards else 1e-6
    breaks, values = Tail(np.array([2.0, 1.0]), exponents).cells(1.0, end)
    assert breaks.size < 2000
    assert (np.diff(breaks) > 0.0).all()
    integrals = (values @ RULE[1]) @ (0.5 * np.diff(breaks))
    exact = np.array([2.0, 1.0]) * (1.0 - end ** (exponents + 1.0)) / np.abs(exponents + 1.0)
    # whatever falls within 1e-10 of its node has the right integral, not the right shape
    assert_allclose(integrals, exact, rtol=1e-13 if steep < 1e4 else 1e-7)


@pytest.mark.compiled
@pytest.mark.parametrize("gap", [1e-3, 1e-6, 2e-12])
def test_a_steep_first_cell_beside_a_flat_one(gap):
    omega = np.append([1.0, 1.0 + gap], np.geomspace(1.5, 1e3, 30))
    f = np.append([1e-10, 1.0], np.ones(30))
    value = mbfast.convolve(omega, f, np.ones(32), degree=1).value
    # f begins with a step at 1, g is 1 from 0 on; half of what the step's cell has, and a power law before it
    assert_allclose(value, np.maximum(omega - 1.0 - 0.5 * gap, 0.0), atol=3.0 * gap + 1e-12)


@pytest.mark.compiled
@pytest.mark.parametrize("exponent", [-20.0, -100.0])
def test_cells_above_the_nodes_may_be_the_narrowest(exponent):
    nodes = np.linspace(1.0, 4.0, 9)
    value = mbfast.convolve(nodes, np.ones(9), at=[4.0], below=0.0, above=exponent, temperature=KELVIN).value[0]
    # 4, and twice the integral over y > 0 of e^-y f(y) f(4 + y)
    points, weights = np.polynomial.legendre.leggauss(40)
    total = 0.0
    for a, b in itertools.pairwise([*(4.0 * np.arange(13.0) / 12.0), 6.0, 9.0, 20.0]):
        y = 0.5 * (a + b) + 0.5 * (b - a) * points
        total += (
            0.5 * (b - a) * np.sum(weights * np.exp(-y) * np.maximum(y / 4, 1.0) ** exponent * (1 + y / 4) ** exponent)
        )
    assert value == pytest.approx(4.0 + 2.0 * total, rel=1e-11)


@pytest.mark.compiled
@pytest.mark.parametrize("size", [1e80, 1e-150, 1e-310])
@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_extremes_give_numbers(size, unit):
    nodes = unit * np.geomspace(1e-3, 1.0, 12)
    for options in ({}, {"above": "power", "temperature": max(1e4 * unit * KELVIN, 1e-34)}):
        value, error = mbfast.convolve(nodes, np.full(12, size), **options)
        assert np.isfinite(value).all()
        assert np.isfinite(error)
    value, error = mbfast.kramers_kronig(nodes, np.full(12, size), at=nodes[:-1])
    assert np.isfinite(value).all()
    assert np.isfinite(error)
    spectrum = mbfast.Spectrum(nodes, np.full(12, -size), np.full(12, -size), 1.0, above=99.0)
    assert np.isfinite(spectrum(nodes).transverse).all()
    with pytest.raises(ValueError, match=r"omega must not be where a power law beyond the nodes exceeds 1e\+150"):
        spectrum([min(nodes[-1] * 1e6, 1e35)])
