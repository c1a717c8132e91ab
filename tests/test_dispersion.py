import math

import numpy as np
import pytest
from conftest import OTHER_DEGREES
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import dawsn, digamma

import mbfast
from mbfast import testing

TEN_DECADES = np.geomspace(1e-5, 1e5, 2048)


def lorentz(omega, width):
    """Im and Re of a resonance at 1."""
    denominator = (1 - omega**2) ** 2 + (width * omega) ** 2
    return width * omega / denominator, (1 - omega**2) / denominator


def worst(estimate, exact):
    """Largest error relative to the maximum, and what was estimated; infinities must be equal."""
    value, error = estimate
    finite = np.isfinite(exact)
    assert np.array_equal(value[~finite], exact[~finite])
    size = np.abs(exact[finite]).max()
    return np.abs(value[finite] - exact[finite]).max() / size, float(error) / size


with np.errstate(divide="ignore"):
    CONSTANT = np.log(np.abs(TEN_DECADES[-1] ** 2 - TEN_DECADES**2) / TEN_DECADES**2) / np.pi
_thermal = 2 * np.pi * 0.3
_top = TEN_DECADES[-1]
_tanh = np.log(np.sqrt(np.abs(_top**2 - TEN_DECADES[:-1] ** 2)) / _thermal)
TLS = np.append(2 / np.pi * (_tanh - digamma(0.5 + 1j * TEN_DECADES[:-1] / _thermal).real), -np.inf)

# imaginary part, real part, how it goes on
PAIRS = {
    "Debye": (TEN_DECADES / (1 + TEN_DECADES**2), 1 / (1 + TEN_DECADES**2), {"above": "power"}),
    "Lorentz, 3": (*lorentz(TEN_DECADES, 3.0), {"above": "power"}),
    "Lorentz, 1": (*lorentz(TEN_DECADES, 1.0), {"above": "power"}),
    "Lorentz, 0.7": (*lorentz(TEN_DECADES, 0.7), {"above": "power"}),
    "constant to the cutoff": (np.ones(2048), CONSTANT, {}),
    "two-level systems to the cutoff": (np.tanh(TEN_DECADES / 0.6), TLS, {}),
    **{
        f"power {s}": (TEN_DECADES**s, -(TEN_DECADES**s) / math.tan(math.pi * s / 2), {"above": "power"})
        for s in (-0.8, -0.5, -0.1)
    },
    "power -1.5, anchored": (
        TEN_DECADES**-1.5,
        TEN_DECADES**-1.5 / math.tan(math.pi * 0.75),
        {"above": "power", "anchors": ([1e-5], [1e-5**-1.5 / math.tan(math.pi * 0.75)])},
    ),
    "power 0.5, anchored": (
        TEN_DECADES**0.5,
        -(TEN_DECADES**0.5) / math.tan(math.pi / 4),
        {"above": "power", "anchors": ([1.0], [-1.0])},
    ),
}
SLOW = 0.1 * TEN_DECADES  # what the power law from the first two nodes misses is below 1e-11
INVERSE = {
    "Debye": (1 / (1 + SLOW**2), SLOW / (1 + SLOW**2), {"above": "power"}),
    "Debye squared": (1 / (1 + SLOW**2) ** 2, SLOW * (3 + SLOW**2) / (2 * (1 + SLOW**2) ** 2), {"above": "power"}),
    "power -0.5": (-(TEN_DECADES**-0.5) / math.tan(-math.pi / 4), TEN_DECADES**-0.5, {"above": "power"}),
    "constant": (np.ones(2048), np.zeros(2048) + 0.0, {"above": "power"}),
}


def by_both(names, of_one):
    """Names and methods: that the direct one, which takes longest, is as exact is shown by default where it differs."""
    slow = [pytest.param(name, "direct", marks=pytest.mark.slow if name in of_one else ()) for name in names]
    return pytest.mark.parametrize(("name", "method"), [*((name, "fft") for name in names), *slow])


@pytest.mark.compiled
@by_both(PAIRS, {"Debye", "Lorentz, 3", "Lorentz, 1", "power -0.5", "power -0.1", "power -1.5, anchored"})
def test_exact_pairs(name, method):
    imag, real, options = PAIRS[name]
    error, estimated = worst(mbfast.kramers_kronig(TEN_DECADES, imag, method=method, **options), real)
    assert error < 1e-10
    # what is left of rounding errors may be far below the estimate
    assert error <= estimated < max(100 * error, 1e-11)


@pytest.mark.compiled
@by_both(INVERSE, {"Debye squared", "constant"})
def test_exact_inverse_pairs(name, method):
    real, imag, options = INVERSE[name]
    value, error = mbfast.kramers_kronig(TEN_DECADES, real, inverse=True, method=method, **options)
    size = np.abs(imag).max() or 1.0
    difference = np.abs(value - imag).max()
    assert difference / size < 1e-10
    assert difference <= error <= 1e-10 * size


@pytest.mark.compiled
@pytest.mark.parametrize("method", ["fft", "direct"])
@pytest.mark.parametrize("nodes", [np.geomspace(1e-2, 40.0, 2048), np.linspace(0.02, 40.0, 2000)])
def test_gaussians_make_dawson_integrals(nodes, method):
    center, sigma = 6.0, 0.5
    x, y = (nodes - center) / (math.sqrt(2) * sigma), (nodes + center) / (math.sqrt(2) * sigma)
    # odd continuation to negative frequencies; the Gaussian there is below rounding errors
    exact = -2 / math.sqrt(math.pi) * (dawsn(x) - dawsn(y))
    error, estimated = worst(mbfast.kramers_kronig(nodes, np.exp(-(x**2)), method=method), exact)
    assert error < 1e-10
    assert error <= estimated < 1e-8


NODES = {
    "any": np.cumsum(np.random.default_rng(5).uniform(0.1, 0.5, 25)),
    "log": np.geomspace(0.2, 9.0, 100),
    "uniform": np.linspace(0.3, 9.0, 100),
    "offset": np.linspace(5.1, 9.0, 100),
}


@pytest.mark.thinned(3, bare=1)
@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("degree", [7, *OTHER_DEGREES[1:]])
@pytest.mark.parametrize("nodes", NODES)
def test_against_naive(nodes, degree, inverse):
    omega = NODES[nodes]
    samples = np.exp(-omega / 3) * (omega - 1.1)
    logarithmic = nodes in ("any", "log")
    options = {"degree": degree, "below": 0.4, "inverse": inverse}
    spectrum = testing.SampledSpectrum(omega, samples, exponent=0.4, degree=degree, logarithmic=logarithmic)
    at = np.array([0.2 * omega[0], omega[3], 1.003 * omega[5], 0.5 * (omega[-9] + omega[-8])])
    expected = np.array([testing.kramers_kronig(spectrum, w, inverse=inverse) for w in at])
    # both take differences of logarithms of what is close to the pole
    tolerance = {"rtol": 1e-11, "atol": 1e-12}
    assert_allclose(mbfast.kramers_kronig(omega, samples, at=at, **options).value, expected, **tolerance)
    for method in ("direct", "fft"):
        if method == "direct" or nodes != "any":
            value = mbfast.kramers_kronig(omega, samples, method=method, **options).value
            assert_allclose(value[3], expected[1], **tolerance)


@pytest.mark.thinned(3, bare=1)
@pytest.mark.parametrize("nodes", ["log", "uniform", "offset"])
@pytest.mark.parametrize("degree", [7, *OTHER_DEGREES])
@pytest.mark.parametrize("inverse", [False, True])
def test_fft_equals_direct(nodes, degree, inverse):
    omega = NODES[nodes]
    samples = np.vstack([np.exp(-omega), 1 / (1 + (omega - 3) ** 2)])
    options = {"degree": degree, "inverse": inverse, "above": -1.0, "below": 0.0}
    fft, direct = (mbfast.KramersKronigPlan(omega, method=m, **options) for m in ("fft", "direct"))
    # rounding errors of the transform are relative to the largest value
    assert_allclose(fft(samples), direct(samples), rtol=0, atol=1e-14)
    assert_allclose(fft.error(samples), direct.error(samples), rtol=0.01, atol=1e-16)  # of values of the order of one


def test_without_a_matrix(monkeypatch):
    from mbfast.spectra import dispersion

    samples = np.exp(-NODES["any"])
    expected = mbfast.KramersKronigPlan(NODES["any"])(samples)
    monkeypatch.setattr(dispersion, "_LARGEST_MATRIX", 10)
    plan = mbfast.KramersKronigPlan(NODES["any"])
    assert_allclose(plan(samples, threads=2), expected, rtol=1e-12, atol=1e-13)
    assert np.array_equal(plan(samples, threads=2), plan(samples, threads=1))


# mpmath quadrature of the principal value and closed forms, agreeing to 22 digits
@pytest.mark.compiled
@pytest.mark.parametrize(
    ("imag", "nodes", "options", "expected"),
    [
        (
            lambda w: np.sqrt(w) * np.exp(-w),
            np.geomspace(1e-9, 60.0, 3000),
            {},
            [1.027524602662150371666, 0.2228697262077415244052, -0.08090550153109938272668, -3.397105142520285330e-4],
        ),
        (
            lambda w: w / (1 + w**2) ** 2,
            np.geomspace(1e-6, 1e5, 3000),
            {"above": "power"},
            [0.499850024996500449945, 0.1148596910049096887528, -0.04, -1.997601599104460574826e-4],
        ),
        (
            lambda w: np.tanh(w / 0.6),
            np.geomspace(1e-6, 10.0, 3000),
            {},
            [2.312173449291040084732, 1.823374567898491695565, 0.747890072703862751558, -0.01295633593436031839254],
        ),
    ],
)
def test_reference_numbers(imag, nodes, options, expected):
    estimate = mbfast.kramers_kronig(nodes, imag(nodes), at=[0.01, 0.7, 3.0, 50.0], **options)
    assert_allclose(estimate.value, expected, rtol=1e-11)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_scale_and_linearity(seed, factor):
    rng = np.random.default_rng(seed)
    nodes = np.cumsum(rng.uniform(0.02, 1.0, 12))
    f, g = rng.normal(size=(2, 12))
    one = mbfast.KramersKronigPlan(nodes, below=0.5, above=-1.0)
    stretched = mbfast.KramersKronigPlan(factor * nodes, below=0.5, above=-1.0)
    a, b = one(f), one(g)
    size = np.abs(a).max() + np.abs(b).max()
    assert_allclose(one(f - 2 * g), a - 2 * b, atol=1e-12 * size)
    assert_allclose(stretched(f), a, atol=1e-11 * size)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.booleans())
def test_anchors_take_their_values_and_change_a_polynomial(seed, k, inverse):
    rng = np.random.default_rng(seed)
    nodes = np.geomspace(1.0, 3.0, 12)
    anchors, known = np.sort(rng.uniform(0.5, 4.0, k)) + np.arange(k), rng.normal(size=k)
    at = np.append(anchors, rng.uniform(0.5, 4.0, 9))
    options = {"at": at, "below": 0.5, "above": -0.5, "inverse": inverse}
    samples = rng.uniform(0.5, 1.0, 12)
    value = mbfast.kramers_kronig(nodes, samples, anchors=(anchors, known), **options).value
    assert_allclose(value[:k], known, rtol=1e-9, atol=1e-9)
    difference = value - mbfast.kramers_kronig(nodes, samples, **options).value
    if inverse:
        difference = difference / at
    fitted = np.polynomial.Polynomial(np.polynomial.polynomial.polyfit(at[:k] ** 2, difference[:k], k - 1))
    assert_allclose(difference, fitted(at**2), atol=1e-8 * np.abs(difference).max())


def test_subtractive_forms_of_truncated_spectra_agree_with_their_definition():
    # one anchor: (2/pi)(w^2 - a^2) P int W Im/((W^2 - w^2)(W^2 - a^2)), by partial fractions of two poles
    nodes = np.geomspace(0.1, 10.0, 60)
    samples = nodes / (1 + nodes**2)
    spectrum = testing.SampledSpectrum(nodes, samples)
    a, w = 0.77, 2.3
    known = 0.4
    expected = known + testing.kramers_kronig(spectrum, w) - testing.kramers_kronig(spectrum, a)
    value = mbfast.kramers_kronig(nodes, samples, at=[w], anchors=([a], [known])).value
    assert_allclose(value, [expected], rtol=1e-10)


def test_a_jump_makes_the_value_at_it_infinite():
    nodes = np.linspace(1.0, 2.0, 20)
    value, error = mbfast.kramers_kronig(nodes, np.ones(20), below="zero")
    assert value[0] == np.inf
    assert value[-1] == -np.inf
    assert np.isfinite(value[1:-1]).all()
    assert np.isfinite(error)
    inverse = mbfast.kramers_kronig(nodes, -np.ones(20), below="zero", inverse=True).value
    assert inverse[0] == np.inf
    assert inverse[-1] == -np.inf
    assert np.isfinite(mbfast.kramers_kronig(nodes, np.sin(np.pi * (nodes - 1)), below="zero").value[0])


@pytest.mark.compiled
@pytest.mark.parametrize("n", [300, 700, 2048])
@pytest.mark.parametrize("width", [1.0, 0.3, 0.1, 0.03, 0.01])
def test_the_estimate_is_honest_where_samples_are_too_few(n, width):
    nodes = np.geomspace(1e-5, 1e5, n)
    if width < 0.5 * math.log(nodes[1] / nodes[0]):
        pytest.skip("no sample sees the peak")
    imag, real = lorentz(nodes, width)
    error, estimated = worst(mbfast.kramers_kronig(nodes, imag, above="power"), real)
    assert error <= estimated <= 100 * error


@pytest.mark.compiled
@pytest.mark.parametrize("shape", ["step", "kink", "cusp"])
def test_the_estimate_is_honest_for_corners(shape):
    corner = 2.222
    near = np.geomspace(1e-9, 0.5, 500)
    fine = [np.geomspace(0.01, 10, 2001), np.linspace(1, 3, 4001), corner * (1 - near), corner * (1 + near)]
    fine = np.unique(np.round(np.concatenate(fine), 11))
    function = {
        "step": lambda w: np.where(w < corner, 1.0, 0.0),
        "kink": lambda w: np.minimum(w, corner),
        "cusp": lambda w: np.abs(w - corner) ** 0.5,
    }[shape]
    for n in (50, 150, 500):
        nodes = np.geomspace(0.01, 10.0, n)
        options = {"at": nodes[:-1], "below": 0.0}
        exact = mbfast.kramers_kronig(fine, function(fine), interpolation="linear", degree=3, **options).value
        for degree in (7, 3, 1):
            error, estimated = worst(mbfast.kramers_kronig(nodes, function(nodes), degree=degree, **options), exact)
            assert error <= estimated <= 100 * error


def test_batches_and_out():
    nodes = NODES["log"]
    samples = np.random.default_rng(0).uniform(0.5, 1.0, (3, 2, 100))
    plan = mbfast.KramersKronigPlan(nodes, below=0.0, anchors=[1.0, 2.0])
    known = np.array([0.1, 0.2])
    result = plan(samples, known, out=np.empty((3, 2, 100)))
    assert plan.error(samples).shape == (3, 2)
    for i, j in np.ndindex(3, 2):
        assert_allclose(plan(samples[i, j], known), result[i, j], rtol=1e-12, atol=1e-13)
    assert plan(np.empty((0, 100)), known).shape == (0, 100)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"omega": [1.0, 1.0, 2.0]}, ValueError, "omega must be increasing"),
        ({"omega": [-1.0, 1.0, 2.0]}, ValueError, "omega must be positive"),
        ({"imag": [1.0, np.inf, 1.0]}, ValueError, "imag must be finite"),
        ({"imag": [1.0]}, ValueError, r"imag must have shape \(..., 3\)"),
        ({"imag": [1j, 1.0, 1.0]}, TypeError, "imag must consist of real numbers"),
        ({"at": [[1.0]]}, ValueError, r"at must have shape \(m,\), got \(1, 1\)"),
        ({"at": [0.0]}, ValueError, "at must be positive, got 0: .* as imag does not vanish towards zero"),
        ({"at": [-1.0]}, ValueError, "at must be positive, from .*, or zero, got -1"),
        ({"omega": [0.0, 1.0, 2.0]}, ValueError, "omega must be positive, got 0: there is no static limit"),
        (
            {"at": [0.0], "below": -0.5, "inverse": True},
            ValueError,
            "at must be positive, got 0: .* the real part diverges as below has it",
        ),
        ({"omega": [0.0, 1.0]}, ValueError, "omega must be positive"),
        ({"anchors": ([1.0], [1e81])}, ValueError, r"known .* must be finite, with magnitudes up to 1e\+80"),
        ({"anchors": (np.arange(1.0, 9.0), np.ones(8)), "at": [1e20]}, ValueError, "anchors must be fewer"),
        (
            {"imag": [1e79] * 3, "above": 5.0, "anchors": ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]), "at": [1e16]},
            ValueError,
            "above must not let",
        ),
        ({"below": -2.0}, ValueError, "below must be a power law with an exponent above -2 .*got -2"),
        ({"above": 0.0}, ValueError, "above must be a power law with an exponent below 0 .*anchors help.*got 0"),
        ({"above": "power"}, ValueError, "above must be a power law with an exponent below 0"),
        ({"above": 2.0, "anchors": ([1.0], [0.0])}, ValueError, "above must be a power law with an exponent below 2"),
        ({"above": 1.0, "inverse": True}, ValueError, "above must be a power law with an exponent below 1"),
        ({"below": -1.0, "inverse": True}, ValueError, "below must be a power law with an exponent above -1"),
        ({"anchors": ([1.0, 1.0], [0.0, 0.0])}, ValueError, "anchors must be different frequencies"),
        (
            {"anchors": ([1.0], [0.0, 1.0])},
            ValueError,
            r"known must have shape \(1,\), one value an anchor, got \(2,\)",
        ),
        ({"anchors": ([1.0], [np.nan])}, ValueError, "known .* must be finite"),
        ({"anchors": ([0.0], [1.0])}, ValueError, "anchors must be positive, got 0: there is no static limit"),
        ({"anchors": ([0.0], [1.0]), "inverse": True}, ValueError, "anchors must be positive"),
        ({"anchors": ([1.0], None)}, ValueError, "known must be given for the 1 anchors"),
        ({"method": "fft", "omega": [1.0, 2.0, 9.0]}, ValueError, "method must be direct here"),
        ({"method": "fast"}, ValueError, "method must be one of auto, direct, fft"),
        ({"threads": 1.5}, TypeError, "threads must be a whole number"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    arguments = {"omega": [1.0, 2.0, 4.0], "imag": [1.0, 1.0, 1.0], **change}
    with pytest.raises(error, match=message):
        mbfast.kramers_kronig(**arguments)


def test_anchors_at_a_jump_are_refused():
    nodes = np.geomspace(1.0, 10.0, 20)
    with pytest.raises(ValueError, match="anchors must not be where a spectrum jumps"):
        mbfast.kramers_kronig(nodes, np.ones(20), at=[2.0], anchors=([10.0], [0.0]))


@pytest.mark.parametrize("n", [2, 3, 8, 17, 18, 19, 40])
@pytest.mark.parametrize("inverse", [False, True])
def test_few_nodes(n, inverse):
    nodes = np.geomspace(1.0, 3.0, n)
    options = {"above": -1.0, "below": 0.0, "inverse": inverse}
    direct = mbfast.kramers_kronig(nodes, np.exp(-nodes), method="direct", **options)
    if n < 20:
        with pytest.raises(ValueError, match="fft needs at=None and at least"):
            mbfast.KramersKronigPlan(nodes, method="fft", **options)
    else:
        fft = mbfast.kramers_kronig(nodes, np.exp(-nodes), method="fft", **options)
        assert_allclose(fft.value, direct.value, atol=1e-14)
        assert fft.error == pytest.approx(direct.error, rel=0.1)


def test_steep_power_laws_beside_a_node():
    # the jump of slope at the last node times a logarithm: what the cells of the power law must hold
    nodes = np.array([1.0, 1.3, 1.9, 2.0, 2.7, 3.1, 3.2, 3.9, 4.0])
    for exponent in (-1.0, -16.0, -90.0):
        beside = 4.0 * (1 + 2.0 ** -np.arange(20.0, 50.0, 6.0))
        estimate = mbfast.kramers_kronig(nodes, np.ones(9), at=beside, below=0.0, above=exponent)
        # between 0 and 4, and (4/w)^|s| above: 2F1 by its series in closed form is for the constant alone
        tail = [_power_above(exponent, w / 4.0) for w in beside]
        inner = np.log(np.abs(16.0 - beside**2) / beside**2) / np.pi
        assert_allclose(estimate.value, inner + tail, atol=max(float(estimate.error), 1e-12))


def _power_above(s, z):
    """(2/pi) P int_1^inf y^(s+1)/(y^2 - z^2) dy for z > 1, by mpmath."""
    import mpmath

    with mpmath.workdps(40):
        z, s = mpmath.mpf(z), mpmath.mpf(s)
        # with u = y^-2, (1/2) P int_0^1 u^(-s/2-1)/(1 - z^2 u) du: the mean of 2F1 on both sides of its cut
        a = -s / 2
        value = mpmath.re(mpmath.hyp2f1(1, a, a + 1, z**2)) / a / 2
        return float(2 / mpmath.pi * value)


def test_known_may_be_the_result():
    omega = np.geomspace(1.0, 1e3, 40)
    plan = mbfast.KramersKronigPlan(omega, at=omega[[3, 9]], anchors=omega[[5, 20]])
    samples, known = omega * np.exp(-omega / 30.0), np.array([1.0, 2.0])
    wanted = plan(samples, known)
    assert np.array_equal(plan(samples, known, out=known), wanted)


def test_batches_of_nothing():
    omega = np.geomspace(1.0, 1e3, 40)
    assert mbfast.kramers_kronig(omega, np.zeros((0, 40))).value.shape == (0, 40)
    assert mbfast.KramersKronigPlan(omega)(np.zeros((2, 0, 40))).shape == (2, 0, 40)


def test_the_static_limit_of_the_inverse_transform_of_a_plateau():
    omega = np.geomspace(1e-4, 1e4, 400)  # the power law of the first nodes falls as omega^-1e-8
    value, error = mbfast.kramers_kronig(omega, 1.0 / (1.0 + omega**2), at=[0.0, 1.0], above="power", inverse=True)
    assert_allclose(value, [0.0, 0.5], rtol=0, atol=error)


@pytest.mark.parametrize("lowest", [1e-14, 1e-17, 1e-26])
def test_a_node_far_below_the_others(lowest):
    omega = np.append(lowest, np.geomspace(1.0, 1e3, 30))
    at = np.sqrt(omega[:-1] * omega[1:])
    transform = mbfast.kramers_kronig(omega, np.ones(31), at=at)
    exact = (np.log(1e3 - at) + np.log(1e3 + at) - 2.0 * np.log(at)) / np.pi
    assert np.abs(transform.value - exact).max() <= transform.error < 1e-7 * exact.max()
