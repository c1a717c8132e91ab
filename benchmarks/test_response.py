"""Susceptibilities of super blocks beside the eigenvectors that all their lines take, of as many blocks or of fewer."""

import numpy as np
import pytest

import mbfast
from mbfast.testing.superblock import on_block

from .test_spectra import moduli_by_numpy

ENERGY, STRESS = 1e-24, 1e-19
OMEGA = np.linspace(-2e10, 6e10, 200)
OPTIONS = {"volume": 1e-24, "broadening": 1e9}
GRID = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 3)


def wells(n):
    rng = np.random.default_rng(1)
    blocks = [mbfast.Block.two_level(*(ENERGY * rng.normal(size=2)), STRESS * rng.normal(size=6)) for _ in range(n)]
    return mbfast.SuperBlock(mbfast.StressInteraction(2200, 5800, 3800), 5e-9 * rng.permutation(GRID)[:n], blocks)


def matrix_of(made):
    """The Hamiltonian in units of 1e-24 J, which LAPACK's thresholds allow for."""
    return made.hamiltonian(threads=1) @ np.eye(made.dimension) / ENERGY


GROUP = "susceptibility of two-level blocks"


def by_levels(made):
    """Im chi~_l at 0.1 K, from eigenvectors."""
    energies, states = np.linalg.eigh(matrix_of(made))
    total = sum(np.array([on_block(part, s, made.dims) for part in made.block_stress(s)]) for s in range(made.n_blocks))
    stress = np.moveaxis(states.T @ total @ states, 0, -1)
    energies = ENERGY * (energies - energies[0])
    return moduli_by_numpy(energies, stress, OPTIONS["volume"], 0.1, OMEGA, OPTIONS["broadening"])


def test_eigenvectors(case):
    matrix = matrix_of(wells(8))
    case(GROUP, "eigenvectors, 8 blocks", lambda: np.linalg.eigh(matrix))


FEW = [("exact", 0.1, 8), *((method, 0.0, n) for method in ("lanczos", "chebyshev") for n in (8, 14))]
MANY = [("exact", 0.1, 12), ("lanczos", 0.0, 20), ("lanczos", 0.1, 20), ("lanczos", 0.0, 24)]
ROWS = [
    *(pytest.param(*row, marks=pytest.mark.quick) for row in FEW),
    *(pytest.param(*row, marks=pytest.mark.slow) for row in MANY),
]


@pytest.mark.parametrize(("method", "kelvin", "n"), ROWS)
def test_susceptibility(case, benchmark, method, kelvin, n):
    """All levels by the sum over pairs of them, recursions by all levels; of many blocks once, on all cores."""
    if benchmark.disabled and n > 8:
        pytest.skip("only timed")
    made, many = wells(n), (method, kelvin, n) in MANY
    options = OPTIONS | {"threads": None if many else 1, "rng": np.random.default_rng(1)}

    def by(method):
        return made.susceptibility(OMEGA, kelvin, method=method, **options).imaginary.longitudinal

    expected = None if n > 8 else by("exact") if method != "exact" else by_levels(made)
    case(GROUP, f"{method}, {n} blocks at {kelvin:g} K", lambda: by(method), expected, rounds=1 if many else 3)
