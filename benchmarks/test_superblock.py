"""H|psi> of super blocks against QuSpin's and SciPy's, in one run, each compared with ours before it is timed.

QuSpin multiplies by a matrix in CSR format, by a threaded product of its own, or without a matrix, by
quantum_LinearOperator.
"""

import os

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

import mbfast
from mbfast._core.machine import usable_cores

CORES = usable_cores()
SILICA = mbfast.StressInteraction(2200.0, 5800.0, 3800.0)
SIZES = [10, 12, 16, 20, 24]
THREADS = sorted({1, CORES})


def timed(benchmark, function, group, name, rounds=10):
    benchmark.group, benchmark.name = group, name
    benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)


def skip_untimed(benchmark, n, most):
    if benchmark.disabled and n > most:
        pytest.skip("only timed")


def positions(rng, n):
    grid = np.stack(np.unravel_index(np.arange(n), (3, 3, 3)), axis=-1)
    return 5e-9 * (grid + 0.2 * rng.random((n, 3)))


def two_level(rng, n):
    blocks = [mbfast.Block.two_level(*rng.normal(0, 1e-24, 2), rng.normal(0, 1e-19, 6)) for _ in range(n)]
    return mbfast.SuperBlock(SILICA, positions(rng, n), blocks)


def general(rng, n, d):
    blocks = []
    for _ in range(n):
        stress = rng.normal(size=(6, d, d)) + 1j * rng.normal(size=(6, d, d))
        blocks.append(mbfast.Block(rng.normal(0, 1e-24, d), 1e-19 * (stress + stress.conj().swapaxes(1, 2))))
    return mbfast.SuperBlock(SILICA, positions(rng, n), blocks)


def by_quspin(made, matrix_free):
    """The same Hamiltonian in units of 1e-24 J, of Pauli matrices, by QuSpin with OMP_NUM_THREADS threads."""
    operators, basis = (pytest.importorskip(f"quspin.{name}") for name in ("operators", "basis"))

    n = made.n_blocks
    along = [np.diagonal(made.block_stress(s), axis1=1, axis2=2)[:, 0] for s in range(n)]  # of sigma_z
    pairs = [[2e24 * along[s] @ made.couplings[s, t] @ along[t], s, t] for s in range(n) for t in range(s + 1, n)]
    own = [1e24 * np.diagonal(made.block_hamiltonian(s)) for s in range(n)]
    terms = [
        ["zz", pairs],
        ["z", [[0.5 * (a - b), s] for s, (a, b) in enumerate(own)]],
        ["x", [[1e24 * f, s] for s, f in enumerate(made.flips)]],
    ]
    options = {
        "basis": basis.spin_basis_1d(n, pauli=True),
        "dtype": np.float64,
        "check_symm": False,
        "check_herm": False,
    }
    if matrix_free:
        return operators.quantum_LinearOperator(terms, **options, check_pcon=False).dot
    return operators.hamiltonian(terms, [], **options, check_pcon=False).dot


def by_scipy(made):
    """The same Hamiltonian as a CSR matrix, put together pair by pair."""
    n, dims = made.n_blocks, made.dims

    def on(matrices):
        total = scipy.sparse.identity(1, format="csr")
        for s in range(n):
            total = scipy.sparse.kron(total, matrices.get(s, scipy.sparse.identity(dims[s])), "csr")
        return total

    total = sum(on({s: made.block_hamiltonian(s)}) for s in range(n))
    for s in range(n):
        for t in range(s + 1, n):
            parts = np.tensordot(2 * made.couplings[s, t], made.block_stress(t), 1)
            for first, second in zip(made.block_stress(s), parts, strict=True):
                total = total + on({s: first, t: second})
    return total.tocsr().dot


def assert_same(made, function, unit=1.0):
    psi = np.random.default_rng(0).normal(size=made.dimension).astype(made.dtype)
    ours = made.apply(psi)
    assert np.abs(unit * function(psi) - ours).max() < 1e-11 * np.abs(ours).max()


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("n", SIZES)
def test_two_level_blocks(benchmark, rng, n, threads):
    skip_untimed(benchmark, n, 12)
    made = two_level(rng, n)
    psi = rng.normal(size=made.dimension)
    out = np.empty_like(psi)
    timed(
        benchmark,
        lambda: made.apply(psi, out=out, threads=threads),
        f"{n} two-level blocks",
        f"mbfast, {threads} threads",
    )


@pytest.mark.parametrize("n", SIZES[:-1])
@pytest.mark.parametrize("way", ["CSR", "matrix-free"])
def test_two_level_blocks_by_quspin(benchmark, rng, n, way):
    skip_untimed(benchmark, n, 10)
    made = two_level(rng, n)
    product = by_quspin(made, way == "matrix-free")
    mean = 1e24 * sum(np.trace(made.block_hamiltonian(s)) / 2 for s in range(n))  # which QuSpin's terms leave out
    psi = rng.normal(size=made.dimension)
    assert_same(made, lambda psi: product(psi) + mean * psi, 1e-24)
    threads = os.environ.get("OMP_NUM_THREADS", str(CORES))
    timed(benchmark, lambda: product(psi), f"{n} two-level blocks", f"QuSpin {way}, {threads} threads", rounds=5)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize(("n", "d"), [(4, 4), (8, 4), (10, 4), (5, 8), (4, 16), (3, 32)])
def test_general_blocks(benchmark, rng, n, d, threads):
    skip_untimed(benchmark, n * d, 16)
    made = general(rng, n, d)
    psi = rng.normal(size=(made.dimension, 2)) @ [1, 1j]
    out = np.empty_like(psi)
    group = f"{n} complex blocks of {d} levels"
    timed(benchmark, lambda: made.apply(psi, out=out, threads=threads), group, f"mbfast, {threads} threads")


@pytest.mark.parametrize(("n", "d"), [(4, 4), (8, 4), (5, 8)])
def test_general_blocks_by_scipy(benchmark, rng, n, d):
    skip_untimed(benchmark, n * d, 16)
    made = general(rng, n, d)
    product = by_scipy(made)
    assert_same(made, product)
    psi = rng.normal(size=(made.dimension, 2)) @ [1, 1j]
    timed(benchmark, lambda: product(psi), f"{n} complex blocks of {d} levels", "SciPy CSR, 1 thread")


@pytest.mark.parametrize("n", [6, 10, 12])
def test_all_levels(benchmark, rng, n):
    skip_untimed(benchmark, n, 6)
    made = two_level(rng, n)
    timed(benchmark, made.energies, f"all levels of {n} two-level blocks", "mbfast, LAPACK", rounds=1)


def equal_blocks(n):
    """Two-level blocks without stress: a level of m excitations has n over m states."""
    block = mbfast.Block.two_level(3e-25, 1e-24, np.zeros(6))
    return mbfast.SuperBlock(SILICA, 5e-9 * np.arange(3.0 * n).reshape(n, 3), block)


@pytest.mark.parametrize("n", [10, 16, 20])
@pytest.mark.parametrize("kind", ["random", "equal"])
def test_lowest_levels(benchmark, rng, n, kind):
    skip_untimed(benchmark, n, 10)
    made = two_level(rng, n) if kind == "random" else equal_blocks(n)
    timed(benchmark, lambda: made.energies(5), f"5 levels, {n} {kind} two-level blocks", "mbfast", 3)


@pytest.mark.parametrize("n", [10, 16, 20])
def test_lowest_levels_by_arpack(benchmark, rng, n):
    # of equal blocks it may miss some
    skip_untimed(benchmark, n, 10)
    made = two_level(rng, n)
    operator = made.hamiltonian() * 1e24

    def levels():
        return scipy.sparse.linalg.eigsh(operator, 5, which="SA", v0=np.arange(1.0, made.dimension + 1))[0]

    np.testing.assert_allclose(1e-24 * np.sort(levels()), made.energies(5), rtol=1e-9)
    timed(benchmark, levels, f"5 levels, {n} random two-level blocks", "ARPACK", 3)
