"""Estimated errors of flows: above the true ones, by at most thirty times, with what the flow makes of them."""

import math

import numpy as np
import pytest
from materials import SILICA

import mbfast

pytestmark = pytest.mark.compiled  # spectra of hundreds of nodes

PMMA = mbfast.StressInteraction(1180, 3150, 1570)
FINER = 3  # times as many cells, so that errors of degree 7 are smaller by some 3^8
BEYOND = 30  # cells more at both ends


def falling(x):
    return x**0.02 / (1 + (x / 0.03) ** 2)


def peaked(x):
    return 0.5 * np.exp(-(np.log(1e3 * x) ** 2)) + 1 / (1 + (x / 0.03) ** 2)


def debye(x):
    return 1e4 * x / (1 + (1e4 * x) ** 2) + 0.03 * x**0.1 / (1 + (100 * x) ** 2)


def kink(x):
    return np.minimum((1e5 * x) ** 0.3, (1e5 * x) ** -0.2)


def step(x):
    return np.where(x < 1e-4, 1.0, 0.3) * x**-0.02


def flat(x):
    return np.ones_like(x)


def spectrum(shape, nodes, kelvin, scale):
    x = nodes / 1e15
    of_l, of_t = -7e7 * scale * shape(x), -3e7 * scale * shape(x) * (1 + 0.3 * np.tanh(np.log(1e4 * x) / 3))
    return mbfast.Spectrum(nodes, of_l, of_t, kelvin, above="zero" if shape is flat else "power")


def finer(given, shape, kelvin, scale):
    """The same spectrum with more nodes, and with nodes where power laws stand for it, and where the first one is."""
    nodes = given.omega
    inside = np.geomspace(nodes[0], nodes[-1], (nodes.size - 1) * FINER + 1)
    factor, more = (inside[-1] / inside[0]) ** (1 / (inside.size - 1)), BEYOND * FINER
    below = inside[0] * factor ** np.arange(-more, 0.0)
    above = inside[-1] * factor ** np.arange(1.0, more * (shape is not flat) + 1.0)
    parts = zip(given(below), spectrum(shape, inside, kelvin, scale)(inside), given(above), strict=True)
    both = (np.concatenate(part) for part in parts)
    return mbfast.Spectrum(np.concatenate([below, inside, above]), *both, kelvin, above=given.above), more


def true_and_estimated(shape, n, kelvin, material, scale=1.0, **options):
    """The largest error at the nodes, where the spectrum does not jump, and its estimate, of l and of t."""
    given = spectrum(shape, np.geomspace(1e5, 1e15, n), kelvin, scale)
    fine, first = finer(given, shape, kelvin, scale)
    coarse, better = (mbfast.flow(start, material, keep="ends", **options) for start in (given, fine))
    assert coarse.status == better.status == "done"
    same = slice(first, first + (n - 1) * FINER + 1, FINER)
    inside = slice(None, -1 if shape is flat else None)
    pairs = zip(coarse.final, better.final, strict=True)
    errors = [np.abs(one - other[same])[inside].max() for one, other in pairs]
    return list(zip(errors, coarse.error, strict=True))


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize(
    ("form", "shape", "kelvin", "material", "options"),
    [
        ("printed", falling, 0.0, SILICA, {"n0": 1.7}),
        ("printed", peaked, 1.0, PMMA, {"n0": 8.0, "scale": 0.2}),
        ("printed", debye, 300.0, SILICA, {"n0": 2.0, "start": 1e-10, "stop": 1e-8}),  # with all terms
        ("derived", falling, 1.0, SILICA, {"n0": 2.0}),
        ("derived", peaked, 0.0, PMMA, {"n0": 10.0}),
        ("derived", peaked, 300.0, SILICA, {"n0": 2.0, "start": 2e-10, "stop": 1e-6}),
        ("derived", debye, 0.0, SILICA, {"n0": 1.7}),
    ],
)
def test_smooth_spectra(form, shape, kelvin, material, options, linear):
    for true, estimate in true_and_estimated(shape, 128, kelvin, material, form=form, linear=linear, **options):
        assert true < estimate < 30 * true


@pytest.mark.parametrize("form", ["printed", "derived"])
@pytest.mark.parametrize(("shape", "factor"), [(kink, 30), (flat, 30), (step, 100)])
def test_kinks_jumps_and_steps(shape, factor, form):
    # where in a cell a step is, which decides on its error, no sample shows
    for true, estimate in true_and_estimated(shape, 96, 1.0, SILICA, form=form):
        assert true < estimate < factor * true


@pytest.mark.parametrize("scale", [3.0, 6.0])
def test_the_growth_of_errors_is_part_of_them(scale):
    # chi/(1 + chi ln(L/L_1)/rho c^2), whose derivative is the square of what |chi| grows by: printed flows near the end
    options = {"n0": 1.5, "k_l": 0, "k_t": 0}
    bare, grown = (true_and_estimated(falling, 128, 0.0, SILICA, scale, linear=x, **options) for x in (True, False))
    for (_, without), (true, estimate) in zip(bare, grown, strict=True):
        assert true < estimate < 30 * true
        assert estimate > without
    assert grown[0][1] > 1.05 * (scale / 3) * bare[0][1]


def test_of_an_analytic_flow():
    # chi~ = -a/(1 - i omega tau) by (4.3), small steps: chi -> chi - ln N0 chi^2/rho c^2 of an analytic function
    nodes, tau = np.geomspace(1e5, 1e15, 96), 1e-10
    chi = np.array([[-7e8], [-3e8]]) / (1 - 1j * nodes * tau)
    given = mbfast.Spectrum(nodes, *-np.abs(chi.imag), above="power")
    result = mbfast.flow(given, SILICA, start=1e-3, stop=1.0, n0=1.5, k_l=0, k_t=0)
    moduli = 2200 * np.array([[5800.0], [3800.0]]) ** 2
    for before, after in zip(result.scales[:-1], result.scales[1:], strict=True):
        chi = chi - math.log(after / before) * chi**2 / moduli
    for found, exact, estimate in zip(result.final, chi.imag, result.error, strict=True):
        true = np.abs(found - -np.abs(exact)).max()
        assert true < estimate < 30 * true
