"""Susceptibilities of super blocks: all levels, recursions from the ground state and from thermal states."""

import numpy as np
import pytest

import mbfast

ENERGY, STRESS = 1e-24, 1e-19
OMEGA = np.linspace(-2e10, 6e10, 200)
OPTIONS = {"volume": 1e-24, "broadening": 1e9, "threads": 1}


def wells(n):
    rng = np.random.default_rng(1)
    blocks = [mbfast.Block.two_level(*(ENERGY * rng.normal(size=2)), STRESS * rng.normal(size=6)) for _ in range(n)]
    return mbfast.SuperBlock(mbfast.StressInteraction(2200, 5800, 3800), 5e-9 * rng.permutation(GRID)[:n], blocks)


GRID = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 3)


@pytest.mark.parametrize(
    ("method", "kelvin", "n"), [("exact", 0.1, 8), ("lanczos", 0.0, 14), ("lanczos", 0.1, 10), ("chebyshev", 0.0, 14)]
)
def test_susceptibility(benchmark, method, kelvin, n):
    made = wells(n)
    benchmark.group = f"susceptibility of {n} two-level blocks at {kelvin} K"
    found = benchmark(
        lambda: made.susceptibility(
            OMEGA, kelvin, method=method, vectors=2, steps=None if method == "exact" else 60,
            rng=np.random.default_rng(2), **OPTIONS,
        )
    )  # fmt: skip
    assert found.method == method
