"""What plastic flow of cubes takes: one event by the table, and all that yield at once, against one lattice field."""

import numpy as np
import pytest

import mbfast
from mbfast.examples import _plasticity as plasticity

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def body(request):
    n = 8 if request.config.getoption("benchmark_disable") else 64
    return plasticity.Body(n, "strain", np.random.default_rng(1))


@pytest.fixture(scope="module")
def made(body):
    return mbfast.LatticeField(plasticity.SILICA, body.lattice, boundary="periodic", self_field=True)


GROUP = "plastic flow, 64^3 cubes"


def test_field(case, made, rng):
    moments = rng.normal(size=(*made.lattice.shape, 6))
    out = np.empty_like(moments)
    case(GROUP, "field", lambda: made(moments, out=out), rounds=15)


def test_event(case, body, rng):
    """Stresses that events brought up to date are those of the plastic strains, by a lattice field."""
    body.stress[5] = body.load = 1e9
    cubes = iter(rng.integers(0, body.n**3, 100).tolist())
    arrays = body.table, body.stress, body.plastic
    case(GROUP, "event", lambda: plasticity.yield_one(next(cubes), 0.5, *arrays), rounds=15)
    expected = body.anew()[1]
    assert np.abs(body.stress - expected).max() <= 1e-9 * np.abs(expected).max()


def test_search(case, body):
    excess = np.sqrt([plasticity.squared_shear(body.stress, s) for s in range(body.n**3)]) / body.thresholds
    case(GROUP, "search", lambda: plasticity.weakest(body.stress, body.thresholds), np.argmax(excess), rounds=15)


def test_update(case, body, made, rng):
    """Most cubes yield in each update, as their thresholds are low."""
    moments = np.zeros((*made.lattice.shape, 6))
    field, thresholds = np.zeros_like(moments), np.full(body.n**3, 1e8)
    flat, draws = (field.reshape(-1, 6), moments.reshape(-1, 6)), np.array([1e8, 0.9])
    medium = plasticity.MU, plasticity.SIDE**3

    def update():
        events, _ = plasticity.yield_at_once(*flat, thresholds, 1e9, medium, body.table, draws, rng)
        made(moments, out=field)
        return events

    case(GROUP, "update", update, body.n**3, rounds=15)  # at first all do
