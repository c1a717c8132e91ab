"""Fields as linear operators in SciPy's solvers, against dense matrices of their pair tensors."""

import numpy as np
import pytest
from materials import UNIT_DIPOLES, UNIT_STRESS
from numpy.testing import assert_allclose
from scipy.sparse import eye_array
from scipy.sparse.linalg import aslinearoperator, cg, gmres, minres

import mbfast

pytestmark = pytest.mark.compiled  # what they build on has tests without the JIT

LATTICE = mbfast.BlockLattice((3, 2, 2), 1.5)
INTERACTIONS = {"dipole": UNIT_DIPOLES, "stress": UNIT_STRESS}
METHODS = {
    "direct": (mbfast.DirectField, {}),
    "fft": (mbfast.LatticeField, {}),
    "ewald": (mbfast.EwaldField, {"rtol": 1e-10}),
}


def field_of(method, interaction):
    cls, options = METHODS[method]
    return cls(interaction, LATTICE.positions if method == "ewald" else LATTICE, **options)


def dense(interaction):
    """H of the pairs of the lattice, on moments.ravel(), by the interaction's tensor alone."""
    positions, size = LATTICE.positions, 3 if interaction.components == 3 else 9
    blocks = np.zeros((len(positions), size, len(positions), size))
    for s, x in enumerate(positions):
        for u, y in enumerate(positions):
            if s != u:
                tensor = interaction.tensor(x - y).reshape(size, size)
                blocks[s, :, u] = tensor
    matrix = blocks.reshape(len(positions) * size, -1)
    if size == 9:  # of tensors it takes and gives the symmetric part
        swapped = np.arange(9).reshape(3, 3).T.ravel()
        half = 0.5 * (np.eye(9) + np.eye(9)[swapped])
        part = np.kron(np.eye(len(positions)), half)
        matrix = part @ matrix @ part
    return matrix


@pytest.mark.parametrize(
    "method", [pytest.param(m, marks=pytest.mark.compiled) if m == "ewald" else m for m in METHODS]
)
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_blocks_that_answer_to_their_field(kind, method):
    h = field_of(method, INTERACTIONS[kind]).operator()
    matrix = dense(INTERACTIONS[kind])
    assert_allclose(matrix, matrix.T, rtol=0, atol=1e-14)
    rng = np.random.default_rng(3)
    answer, applied = 0.3, rng.normal(size=len(matrix))
    strongest = np.linalg.eigvalsh(answer * 2.0 * matrix)
    assert strongest[0] > -1.0  # stable, so that cg may be taken
    expected = np.linalg.solve(np.eye(len(matrix)) + 2.0 * answer * matrix, applied)
    system = aslinearoperator(eye_array(len(matrix))) + 2.0 * answer * h
    # the residual is 1e-12 or that of the Ewald sum, and the condition number below 10
    scale = np.abs(expected).max()
    for solver in (cg, minres, gmres):
        found, failed = solver(system, applied, rtol=1e-12)
        assert failed == 0
        assert_allclose(found, expected, rtol=0, atol=1e-8 * scale)


@pytest.mark.parametrize("kind", INTERACTIONS)
def test_an_answer_of_its_own_at_each_block(kind):
    # (1 + 2 a H) with a diagonal a: not symmetric, for gmres
    h = field_of("fft", INTERACTIONS[kind]).operator()
    matrix, rng = dense(INTERACTIONS[kind]), np.random.default_rng(4)
    answers = np.repeat(rng.uniform(0.1, 0.4, LATTICE.n_blocks), len(matrix) // LATTICE.n_blocks)
    applied = rng.normal(size=len(matrix))
    expected = np.linalg.solve(np.eye(len(matrix)) + 2.0 * answers[:, None] * matrix, applied)
    diagonal = aslinearoperator(np.diag(answers))
    found, failed = gmres(aslinearoperator(eye_array(len(matrix))) + 2.0 * diagonal @ h, applied, rtol=1e-12)
    assert failed == 0
    assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
