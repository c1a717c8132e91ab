"""What plastic flow of cubes takes: one event by the table, and all that yield at once, against one lattice field."""

import numpy as np
import pytest

import mbfast
from mbfast.examples import _plasticity as plasticity


@pytest.fixture(scope="module")
def body(request):
    n = 8 if request.config.getoption("benchmark_disable") else 64
    return plasticity.Body(n, "strain", np.random.default_rng(1))


@pytest.fixture(scope="module")
def made(body):
    return mbfast.LatticeField(plasticity.SILICA, body.lattice, boundary="periodic", self_field=True)


def timed(benchmark, function, name):
    benchmark.group, benchmark.name = "plastic flow, 64^3", name
    benchmark.pedantic(function, rounds=15, warmup_rounds=1)


def test_field(benchmark, made, rng):
    moments = rng.normal(size=(*made.lattice.shape, 6))
    out = np.empty_like(moments)
    timed(benchmark, lambda: made(moments, out=out), "field")


def test_event(benchmark, body, rng):
    body.stress[5] = 1e9
    cubes = iter(rng.integers(0, body.n**3, 100).tolist())
    arrays = body.table, body.stress, body.plastic
    timed(benchmark, lambda: plasticity.yield_one(next(cubes), 0.5, *arrays), "one event")


def test_search(benchmark, body):
    timed(benchmark, lambda: plasticity.weakest(body.stress, body.thresholds), "the weakest cube")


def test_update(benchmark, body, made, rng):
    """Most cubes yield in each update, as their thresholds are low."""
    moments = np.zeros((*made.lattice.shape, 6))
    field, thresholds = np.zeros_like(moments), np.full(body.n**3, 1e8)
    flat, draws = (field.reshape(-1, 6), moments.reshape(-1, 6)), np.array([1e8, 0.9])
    medium = plasticity.MU, plasticity.SIDE**3

    def update():
        events, _ = plasticity.yield_at_once(*flat, thresholds, 1e9, medium, body.table, draws, rng)
        made(moments, out=field)
        return events

    assert update() > 0
    timed(benchmark, update, "an update at once")
