import math
import sys

import naive
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import mbfast
from mbfast.kernels import cutoffs as kernels

# One multiplication, a logarithm good to 2 ulp whose error the cube root divides by three, and 1 ulp for the root.
RTOL = 4 * sys.float_info.epsilon

decades = st.floats(-35, 35)
moduli = st.floats(1e-35, 1e35)


@st.composite
def frequencies(draw):
    """Pairs omega < omega_c from neighbouring doubles to seventy decades apart."""
    omega = 10.0 ** draw(st.floats(-34.99, 34.9))
    omega_c = min(omega * (1 + 10.0 ** draw(st.floats(-15.5, 70))), 1e35)
    assume(omega < omega_c)
    return omega, omega_c


@given(moduli, frequencies())
@example(1e35, (1e-35, 1e35))
@example(1e-35, (math.nextafter(1e35, 0), 1e35))
@example(1.0, (1.0, 1.5))  # the borders of the reduced range of the logarithm
@example(1.0, (1.5, 2.0))
def test_stress_length_is_accurate_over_its_whole_domain(modulus, pair):
    exact = naive.cutoff_length_mp(modulus, *pair)
    assert abs(mbfast.cutoff_length(modulus, *pair) / exact - 1) <= RTOL


@given(decades, decades, decades, moduli, frequencies())
@example(35.0, -35.0, -35.0, 1e35, (1e-35, 1e35))
@example(-35.0, 35.0, 35.0, 1e-35, (math.nextafter(1e35, 0), 1e35))
@example(-35.0, 35.0, 35.0, 1e35, (1e-35, math.nextafter(1e-35, 1)))
def test_dipole_length_is_accurate_over_its_whole_domain(dielectric, permittivity, stress, modulus, pair):
    numbers = [min(max(10.0**decade, 1e-35), 1e35) for decade in (dielectric, permittivity, stress)]
    exact = naive.dipole_cutoff_length_mp(*numbers, modulus, *pair)
    # three quotients more than above
    assert abs(mbfast.dipole_cutoff_length(*numbers, modulus, *pair) / exact - 1) <= 2 * RTOL


def random_arguments(rng, shape):
    return 10 ** rng.uniform(8, 12, shape), 10 ** rng.uniform(5, 9, shape), 10 ** rng.uniform(10, 16, shape)


@pytest.mark.parametrize(
    "shapes", [((50,), (50,), (50,)), ((3, 1, 1), (4, 1), (5,)), ((), (7,), ()), ((2, 3), (3,), ())]
)
def test_arrays_give_what_the_formula_gives(shapes):
    rng = np.random.default_rng(1)
    modulus, omega, omega_c = (random_arguments(rng, shape)[which] for which, shape in enumerate(shapes))
    expected = naive.cutoff_length(modulus, omega, omega_c)
    result = mbfast.cutoff_length(modulus, omega, omega_c)
    assert result.shape == expected.shape
    # NumPy's own formula loses eps/ln(omega_c/omega) in the quotient: less than 1e-15 here
    assert_allclose(result, expected, rtol=2e-15)


def test_dipole_arrays_give_what_the_formula_gives():
    rng = np.random.default_rng(2)
    dielectric, permittivity = rng.uniform(1e-4, 1e-2, (4, 1)), rng.uniform(2, 9, (4, 1))
    stress, (modulus, omega, omega_c) = -(10 ** rng.uniform(6, 8, (4, 1))), random_arguments(rng, 6)
    expected = naive.dipole_cutoff_length(dielectric, permittivity, stress, modulus, omega, omega_c)
    assert_allclose(
        mbfast.dipole_cutoff_length(dielectric, permittivity, stress, modulus, omega, omega_c), expected, rtol=3e-15
    )


@given(moduli, st.floats(0.01, 100), frequencies())
def test_length_scales_as_the_inverse_cube_root_of_the_modulus(modulus, factor, pair):
    assume(1e-35 <= modulus * factor**3 <= 1e35)
    ratio = mbfast.cutoff_length(modulus * factor**3, *pair) / mbfast.cutoff_length(modulus, *pair)
    assert ratio == pytest.approx(1 / factor, rel=4 * RTOL)  # the product modulus * factor**3 rounds as well


@given(moduli, frequencies())
def test_equal_strengths_make_the_dipole_length_the_stress_length(modulus, pair):
    dipole = mbfast.dipole_cutoff_length(1.0, 1.0, modulus, modulus, *pair)
    assert dipole == pytest.approx(mbfast.cutoff_length(modulus, *pair), rel=2 * RTOL)


def test_only_magnitudes_of_susceptibilities_enter():
    arguments = (3.7, 1e7, 1e10, 1e7, 1e15)
    positive = mbfast.dipole_cutoff_length(6e-3, *arguments)
    assert mbfast.dipole_cutoff_length(-6e-3, 3.7, -1e7, *arguments[2:]) == positive


def test_scalars_give_scalars_and_nothing_gives_nothing():
    assert isinstance(mbfast.cutoff_length(1e10, 1e7, 1e15), np.float64)
    assert mbfast.cutoff_length([], 1e7, 1e15).shape == (0,)
    assert mbfast.cutoff_length(np.ones((0, 1)), [1e7, 1e8], 1e15).shape == (0, 2)


@pytest.mark.parametrize(
    "modulus",
    [
        [31, 36],
        (31.0, 36.0),
        np.array([31, 36], dtype=np.float32),
        np.array([31, 36], dtype=">f8"),
        np.array([31, 0, 36, 0], dtype=np.uint8)[::2],
        np.broadcast_to(np.array([31.0, 36.0]), (2, 2)),
    ],
    ids=["ints", "tuple", "float32", "big-endian", "strided", "read-only"],
)
def test_every_kind_of_real_array_is_taken(modulus):
    expected = naive.cutoff_length(np.array([31.0, 36.0]), 1e7, 1e15)
    assert_allclose(mbfast.cutoff_length(modulus, 1e7, 1e15), np.broadcast_to(expected, np.shape(modulus)), rtol=2e-15)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1e9, 0, 1e15), ValueError, r"omega must be positive, from 1e-35 to 1e\+35 rad/s, got 0"),
        ((1e9, -1e7, 1e15), ValueError, "omega must be positive"),
        ((1e9, [1e7, 1e-36], 1e15), ValueError, "omega must be positive.*got 1e-36 at index 1"),
        (([[1e9]], [1e7, -1.0], 1e15), ValueError, "omega must be positive.*got -1 at index 1"),
        (([1e9, 1e-36], [1e7, 1e8], 1e15), ValueError, "modulus must be positive.*got 1e-36"),
        (
            (np.ma.array([1e9, 2e9], mask=[0, 1]), 1e7, 1e15),
            TypeError,
            "modulus must be a plain array, got a masked one",
        ),
        ((0, 1e7, 1e15), ValueError, r"modulus must be positive, from 1e-35 to 1e\+35 Pa, got 0"),
        (([1e9, -3], 1e7, 1e15), ValueError, r"modulus must be positive.*got -3 at index 1"),
        (([[1e9, np.nan]], 1e7, 1e15), ValueError, r"modulus must be positive.*got nan at index \(0, 1\)"),
        ((np.inf, 1e7, 1e15), ValueError, "modulus must be positive.*got inf"),
        ((1e9, 1e15, 1e15), ValueError, "omega must be below omega_c"),
        ((1e9, [1e7, 1e16], 1e15), ValueError, r"got omega = 1e\+16 and omega_c = 1e\+15 rad/s"),
        ((1e9, [[1e7], [1e9]], [1e8, 1e10]), ValueError, r"got omega = 1e\+09 and omega_c = 1e\+08 rad/s"),
        ((1e9, 1e7, 1e40), ValueError, "omega_c must be positive"),
        (([1e9, 2e9], [1e7, 1e7], [1e15, 1e36]), ValueError, "omega_c must be positive"),
        ((1e9, [1, 2], [3, 4, 5]), ValueError, r"omega \(2,\), omega_c \(3,\)"),
        (([1, 2], [1, 2, 3], 1e15), ValueError, r"modulus \(2,\), omega \(3,\), omega_c \(\)"),
        ((1j, 1e7, 1e15), TypeError, "modulus must consist of real numbers, got dtype complex128"),
        (("1e9", 1e7, 1e15), TypeError, "modulus must consist of real numbers"),
        ((None, 1e7, 1e15), TypeError, "modulus must consist of real numbers, got dtype object"),
        (([[1, 2], [3]], 1e7, 1e15), ValueError, "modulus must be a rectangular array"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        mbfast.cutoff_length(*arguments)


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, 0.0, "dielectric must be nonzero"),
        (1, -1.0, "permittivity must be positive"),
        (2, np.nan, "stress must be nonzero, with a magnitude"),
        (3, 0.0, "modulus must be positive"),
        (4, 1e16, "omega must be below omega_c"),
    ],
)
def test_bad_dipole_arguments_are_named(position, value, message):
    arguments = [6e-3, 3.7, 1e7, 1e10, 1e7, 1e15]
    arguments[position] = value
    with pytest.raises(ValueError, match=message):
        mbfast.dipole_cutoff_length(*arguments)


ARGUMENTS = {
    "modulus_factor": "modulus",
    "dipole_factor": "dielectric permittivity stress modulus",
    "frequency_factor": "omega omega_c",
    "cutoff_length": "modulus omega omega_c",
    "dipole_cutoff_length": "dielectric permittivity stress modulus omega omega_c",
}
AT = {"dielectric": 6e-3, "permittivity": 3.7, "stress": 1e7, "modulus": 1e10, "omega": 1e7, "omega_c": 1e15}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_kernels_give_numbers_within_their_domain_alone(name):
    function, arguments = getattr(kernels, name), ARGUMENTS[name].split()
    for changed in arguments:
        low, high = 1e-35, 1e35
        inside, outside = [low, high], [math.nextafter(low, 0), math.nextafter(high, math.inf), 0.0, math.nan]
        if changed == "omega":  # below omega_c
            inside[1], outside[1] = math.nextafter(AT["omega_c"], 0), AT["omega_c"]
        if changed == "omega_c":
            inside[0], outside[0] = math.nextafter(AT["omega"], math.inf), AT["omega"]
        if changed in ("dielectric", "stress"):  # whose sign does not matter
            inside, outside = [*inside, *(-x for x in inside)], [*outside, *(-x for x in outside)]
        for values, numbers in ((inside, True), (outside, False)):
            for value in values:
                with np.errstate(all="ignore"):  # what is thrown away may overflow
                    result = function(*[{**AT, changed: value}[argument] for argument in arguments])
                assert np.isfinite(result) == numbers, f"{changed} = {value!r}"


@pytest.mark.compiled
def test_kernels_can_be_called_from_compiled_code():
    import numba

    @numba.njit
    def largest(moduli, omega, omega_c):
        result = 0.0
        for modulus in moduli:
            result = max(result, kernels.cutoff_length(modulus, omega, omega_c))
        return result

    moduli = np.array([2.4e9, 3.2e10])
    assert largest(moduli, 1e7, 1e15) == mbfast.cutoff_length(moduli, 1e7, 1e15).max()
