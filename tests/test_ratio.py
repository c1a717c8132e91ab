"""The self-consistent ratio of (4.5): closed forms, and the equation that it solves."""

import math

import naive
import numpy as np
import pytest
from materials import SILICA

import mbfast

pytestmark = pytest.mark.compiled  # sums over the pairs of large cubes

C = np.array([1.2, 1.5, 1.8, 2.0])


def test_self_consistent_ratio_of_an_infinite_sample():
    alpha = 1 - C**-2.0
    exact = np.sqrt((40 - 32 * alpha) / (35 - 44 * alpha))
    np.testing.assert_allclose(mbfast.self_consistent_ratio(C, 1.0, form="derived"), exact, rtol=1e-14)
    exact = np.sqrt((5 + 4 * alpha) / (40 - 48 * alpha))
    np.testing.assert_allclose(mbfast.self_consistent_ratio(C, 1.0, form="phase-sum"), exact, rtol=1e-14)
    # alpha > 35/44: the term of chi_l outweighs that of chi_t
    assert math.isnan(mbfast.self_consistent_ratio(2.3, 1.0, form="derived"))


def test_cubes_of_any_side_tend_to_the_infinite_sample():
    limit, points = (mbfast.self_consistent_ratio(C[:3], 1.0, form=form) for form in ("derived", "derived-points"))
    assert np.array_equal(limit, points)
    # what is left is the surface of the super block and the size of a block, which is 1e-6 wavelengths
    found = [mbfast.self_consistent_ratio(C[:3], 1.0, form="derived", n0=n0, waves=1e-6 * n0) for n0 in (1e9, 1e15)]
    np.testing.assert_allclose(found, [limit, limit], rtol=1e-2)
    np.testing.assert_allclose(found[1], limit, rtol=1e-8)


@pytest.mark.parametrize("form", ["phase-sum", "derived-points"])
def test_large_cubes_tend_to_the_infinite_sample(form):
    limit = mbfast.self_consistent_ratio(C[:3], 1.0, form=form)
    few, many = (mbfast.self_consistent_ratio(C[:3], 1.0, form=form, n0=96, waves=w) for w in (6.0, 12.0))
    assert (np.abs(many / limit - 1) < 0.05).all()
    # the surface counts as one over the number of waves
    np.testing.assert_allclose(2 * many - few, limit, rtol=5e-3)


@pytest.mark.parametrize("form", ["phase-sum", "derived", "derived-points", "total-strain"])
def test_self_consistent_ratio_solves_v_l_over_v_t(form):
    # by the rates themselves, of spectra in this ratio, and by phase_sum
    n, waves = 4, 0.8
    sums_over = {} if form == "total-strain" else {"n0": n, "waves": waves}
    y = mbfast.self_consistent_ratio(5800, 3800, form=form, **sums_over) ** 2
    size = 5e-9
    omega = 1e6 if form == "total-strain" else 2 * np.pi * waves / (n * size) * 3800
    if form != "phase-sum":
        nodes = np.geomspace(1e5, 1e15, 192)
        t = -3e7 * nodes**0.02 / (1 + (nodes / 3e13) ** 2)
        spectrum = mbfast.Spectrum(nodes, y * t, t, above="power")
        rates = mbfast.absorption_rates(spectrum, SILICA, size, n, form=form, at=[omega]).interaction
        assert rates.longitudinal[0] / rates.transverse[0] == pytest.approx(y, rel=1e-10)
    else:
        lattice = mbfast.BlockLattice((n, n, n), size)
        sums = [
            naive.mean_over_directions(
                lambda k, c=c, name=name: mbfast.phase_sum(SILICA, lattice, omega / c * k, name), order=12
            )
            for c, name in ((5800.0, "longitudinal"), (3800.0, "transverse"))
        ]
        assert y * y * sums[0] / sums[1] == pytest.approx(y, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"c_l": 1.0, "c_t": 2.0}, r"c_l must not be below c_t, got c_l/c_t = 0\.5"),
        ({"c_l": -1.0}, "c_l must be positive"),
        ({"form": "lattice"}, "form must be one of printed, phase-sum, .*, total-strain, got 'lattice'"),
        ({"n0": 3}, "n0 and waves must not be given in the printed form"),
        ({"waves": 3, "form": "total-strain"}, "n0 and waves must not be given in the total-strain form"),
        ({"n0": 3, "form": "derived"}, "n0 and waves must be given both or not at all, got 3 and None"),
        ({"n0": 3, "waves": 0.0, "form": "derived"}, "waves must be positive"),
        ({"n0": 1, "waves": 1.0, "form": "derived"}, "n0 must be above 1"),
        ({"n0": 513, "waves": 1.0, "form": "phase-sum"}, "n0 must be at most 512 in the derived-points form, got 513"),
    ],
)
def test_bad_arguments_of_the_ratio(arguments, words):
    with pytest.raises(ValueError, match=words):
        mbfast.self_consistent_ratio(**({"c_l": 2.0, "c_t": 1.0} | arguments))
