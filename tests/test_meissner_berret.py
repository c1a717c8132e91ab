import math
import sys

import naive
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import mbfast
from mbfast.meissner_berret import rms_deviation

EPS = sys.float_info.epsilon
positive = st.floats(1e-6, 1e6)


@given(positive, positive)
def test_from_couplings_and_from_velocities(longitudinal, transverse):
    expected = longitudinal / transverse
    assert mbfast.meissner_berret_ratio(gamma_l=longitudinal, gamma_t=transverse) == expected
    assert mbfast.meissner_berret_ratio(c_l=longitudinal, c_t=transverse) == expected


ordinary = st.floats(1e-3, 1e3)


@given(gamma_l=ordinary, gamma_t=ordinary, c_l=ordinary, c_t=ordinary, density=ordinary, states=ordinary)
def test_strengths_made_of_couplings_give_them_back(gamma_l, gamma_t, c_l, c_t, density, states):
    strengths = {
        f"tunnelling_{a}": states * gamma**2 / (density * c**2)
        for a, gamma, c in zip("lt", (gamma_l, gamma_t), (c_l, c_t), strict=True)
    }
    ratio = mbfast.meissner_berret_ratio(c_l=c_l, c_t=c_t, **strengths)
    assert ratio == pytest.approx(gamma_l / gamma_t, rel=10 * EPS)  # ten rounded operations


def test_materials_broadcast():
    ratio = mbfast.meissner_berret_ratio(c_l=[[4.0], [6.0]], c_t=[2.0, 3.0], tunnelling_l=1e-4, tunnelling_t=4e-4)
    assert np.array_equal(ratio, [[1.0, 2 / 3], [1.5, 1.0]])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, "got none of them"),
        ({"gamma_l": 1.0}, TypeError, "got gamma_l$"),
        ({"gamma_l": 1.0, "c_t": 1.0}, TypeError, "got gamma_l, c_t"),
        ({"gamma_l": 1.0, "gamma_t": 1.0, "c_l": 1.0, "c_t": 1.0}, TypeError, "wanted are gamma_l and gamma_t, or c_l"),
        ({"tunnelling_l": 1.0, "tunnelling_t": 1.0}, TypeError, "got tunnelling_l, tunnelling_t"),
        ({"gamma_l": 1.0, "gamma_t": 0.0}, ValueError, "gamma_t must be positive"),
        ({"c_l": [1.0, np.nan], "c_t": 1.0}, ValueError, "c_l must be positive.*got nan at index 1"),
        ({"c_l": [1.0, 2.0], "c_t": [1.0, 2.0, 3.0]}, ValueError, r"c_l \(2,\), c_t \(3,\)"),
    ],
)
def test_bad_sets_of_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        mbfast.meissner_berret_ratio(**arguments)


points = hnp.arrays(np.float64, st.integers(2, 30), elements=st.floats(-100, 100).map(lambda x: round(x, 3)))


@given(points, st.randoms(use_true_random=False))
def test_fit_is_the_textbook_sum(x, random):
    y = np.array([2 * a + random.uniform(-50, 50) for a in x])
    assume(np.ptp(x) > 1)
    fit = mbfast.fit_through_origin(x, y)
    slope, stderr, r = naive.fit_through_origin(x.tolist(), y.tolist())
    # sums of at most 30 terms: error 30 eps of the sum of magnitudes; 1e-11 leaves room for cancellation in r
    assert (fit.slope, fit.slope_stderr, fit.pearson_r) == pytest.approx((slope, stderr, r), rel=1e-11, abs=1e-11)
    assert fit.residuals == pytest.approx(y - slope * x, abs=1e-10)


@given(points)
def test_residuals_are_orthogonal_to_x(x):
    assume(np.ptp(x) > 1)
    y = np.cos(np.arange(x.size)) + x
    fit = mbfast.fit_through_origin(x, y)
    assert abs(fit.residuals @ x) <= 100 * EPS * np.abs(fit.residuals) @ np.abs(x) + 100 * EPS * x @ x


@given(points, st.floats(-100, 100))
def test_a_perfect_line(x, slope):
    assume(np.ptp(x) > 1)
    assume(abs(slope) > 1e-3)
    fit = mbfast.fit_through_origin(x, slope * x)
    assert fit.slope == pytest.approx(slope, rel=100 * EPS)
    assert abs(fit.pearson_r) == pytest.approx(1.0)
    assert fit.slope_stderr <= 1e-13 * abs(slope)


def test_squares_that_underflow_do_no_harm():
    x, y = np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 4.5])
    tiny, plain = mbfast.fit_through_origin(2.0**-600 * x, 2.0**-630 * y), mbfast.fit_through_origin(x, y)
    assert tiny.slope == 2.0**-30 * plain.slope
    assert tiny.slope_stderr == 2.0**-30 * plain.slope_stderr
    assert tiny.pearson_r == plain.pearson_r


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0], [1.0], r"n >= 2, got \(1,\) and \(1,\)"),
        ([1.0, 2.0], [1.0], r"got \(2,\) and \(1,\)"),
        ([[1.0, 2.0]], [[1.0, 2.0]], r"one shape \(n,\)"),
        ([1.0, 1.0], [1.0, 2.0], "x must vary"),
        ([1.0, 2.0], [3.0, 3.0], "y must vary.*got 3 throughout"),
        ([1.0, np.inf], [1.0, 2.0], "x must be finite, got inf at index 1"),
        ([5e-324, 1e-323], [1.0, 2.0], r"largest magnitudes, .* from 1e-300 to 1e300, got 9.88131e-324 and 2"),
        ([1e-200, 2e-200], [1e200, 2e200], r"and a quotient of them, .* got 2e-200 and 2e\+200"),
    ],
)
def test_bad_points(x, y, message):
    with pytest.raises(ValueError, match=message):
        mbfast.fit_through_origin(x, y)


def test_rms_deviation_is_the_root_mean_square():
    x, y = np.array([1.6, 1.5, 2.0]), np.array([1.6, 1.65, 1.6])
    assert rms_deviation(x, y) == pytest.approx(math.sqrt((0.0 + 0.01 + 0.04) / 3.0), rel=1e-13)
    assert rms_deviation(x, x) == 0.0
    assert rms_deviation(3.0 * x, 3.0 * y) == pytest.approx(rms_deviation(x, y), rel=1e-13)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([], [], r"n >= 1, got \(0,\) and \(0,\)"),
        ([1.0, 2.0], [1.0], r"got \(2,\) and \(1,\)"),
        ([1.0, 0.0], [1.0, 1.0], "measured must be positive"),
        ([1.0], [np.nan], "predicted must be"),
    ],
)
def test_bad_ratios(x, y, message):
    with pytest.raises(ValueError, match=message):
        rms_deviation(x, y)
