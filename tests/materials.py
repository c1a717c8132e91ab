"""Materials, moments and comparisons that tests share; the formulas themselves are in mbfast.testing and naive.py."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import mbfast
from mbfast import testing

NUMBERS = (2200.0, 5800.0, 3800.0)  # of silica: kg/m^3, m/s, m/s
SILICA = mbfast.StressInteraction(*NUMBERS)
JOFFRIN_LEVELUT = mbfast.StressInteraction(*NUMBERS, form="joffrin-levelut")
DIPOLES = mbfast.DipoleInteraction(3.4e-11)
INTERACTIONS = pytest.mark.parametrize(
    "interaction", [SILICA, JOFFRIN_LEVELUT, DIPOLES], ids=["stress", "jl", "dipole"]
)
# where both forms take the same way with other coefficients, and it is a long one
OF_STRESS_AND_DIPOLES = pytest.mark.parametrize(
    "interaction",
    [SILICA, pytest.param(JOFFRIN_LEVELUT, marks=pytest.mark.slow), DIPOLES],
    ids=["stress", "jl", "dipole"],
)
# 8 pi rho c_t^2 = 8 pi epsilon = 1: the prefactors are -1 and 1
UNIT_STRESS = mbfast.StressInteraction(1 / (8 * np.pi), 1.5, 1.0)
UNIT_JOFFRIN_LEVELUT = mbfast.StressInteraction(1 / (8 * np.pi), 1.5, 1.0, form="joffrin-levelut")
UNIT_DIPOLES = mbfast.DipoleInteraction(1 / (8 * np.pi))

# the order of six components, as documented, and how often each stands in a tensor
PLACES = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
WEIGHTS = np.array([1.0, 1, 1, 2, 2, 2])


def full(components):
    """(..., 6) as (..., 3, 3)."""
    return components[..., [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]


def six(tensor):
    """(..., 3, 3) as (..., 6): the upper triangle."""
    return np.stack([tensor[..., i, j] for i, j in PLACES], axis=-1)


def random_moments(seed, shape, interaction):
    """Electric dipoles (*shape, 3), or symmetric stress (*shape, 3, 3), of the order of one."""
    rng = np.random.default_rng(seed)
    if interaction.components == 3:
        return rng.normal(size=(*shape, 3))
    moments = rng.normal(size=(*shape, 3, 3))
    return moments + moments.swapaxes(-1, -2)


def largest(a):
    """Largest magnitude of an element."""
    return np.abs(a).max()


def size(moments):
    """Largest norm of a moment (n, ...)."""
    return np.sqrt(np.max(np.sum(np.square(moments), axis=tuple(range(1, moments.ndim)))))


def worst(field, expected, moments, made):
    """Error over what rtol promises, relative to the largest field or the unit."""
    return largest(field - expected) / (made.rtol * max(largest(expected), made.unit * size(moments)))


def named(interaction):
    """What the formulas of mbfast.testing call it."""
    if interaction.components == 3:
        return ("dipole",)
    return interaction.form, 1 - interaction.c_t**2 / interaction.c_l**2


def oracle_tensor(interaction):
    """The tensor of one vector; test_interactions.py holds it to the printed formulas, index by index."""
    if interaction.components == 3:
        prefactor = 1 / (8 * np.pi * interaction.permittivity)
    else:
        prefactor = -1 / (8 * np.pi * interaction.density * interaction.c_t**2)
    return lambda r: prefactor * testing.pair_tensor(named(interaction), np.array([r]))[0]


def assert_fields_equal(field, expected, rtol=1e-13):
    """Relative to the largest: close pairs dominate a sum of inverse cubes, and a transform spreads its errors."""
    assert_allclose(field, expected, rtol=0, atol=rtol * np.abs(expected).max(initial=0.0))
