"""H|psi> of super blocks against NumPy's, QuSpin's and SciPy's, each compared with NumPy's before it is timed.

QuSpin multiplies by a matrix in CSR format, by a threaded product of its own, or without a matrix, by
quantum_LinearOperator. NumPy multiplies along the axes of each block and of each pair of blocks.
"""

import itertools
import os

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import eigsh

import mbfast
from mbfast._core.machine import usable_cores

from .test_response import ENERGY, matrix_of

CORES = usable_cores()
SILICA = mbfast.StressInteraction(2200.0, 5800.0, 3800.0)
SIZES = [10, pytest.param(16, marks=pytest.mark.quick), pytest.param(20, marks=pytest.mark.slow)]
THREADS = sorted({1, CORES})


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


def by_numpy(made):
    """The same without a matrix, by products along axes."""
    dims, n = made.dims, made.n_blocks
    own = [made.block_hamiltonian(s) for s in range(n)]
    pairs = {}
    for s, t in itertools.combinations(range(n), 2):
        parts = np.tensordot(2 * made.couplings[s, t], made.block_stress(t), 1)
        pairs[s, t] = np.einsum("aij,akl->ikjl", made.block_stress(s), parts)

    def product(psi):
        x = psi.reshape(dims)
        out = sum(np.moveaxis(np.tensordot(matrix, x, (1, s)), 0, s) for s, matrix in enumerate(own))
        for (s, t), matrix in pairs.items():
            out += np.moveaxis(np.tensordot(matrix, x, ((2, 3), (s, t))), (0, 1), (s, t))
        return out.ravel()

    return product


@pytest.fixture
def compare(case, rng):
    """Compare products by a contender, in a unit, with those by NumPy, and time them."""

    def run(made, group, name, function, unit=1.0, rounds=None):
        psi = rng.normal(size=(made.dimension, 2)) @ [1, 1j if made.dtype.kind == "c" else 0]
        expected = by_numpy(made)(psi)
        case(f"H of {group}", name, lambda: function(psi), expected, of=lambda result: unit * result, rounds=rounds)

    return run


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("n", SIZES)
def test_two_level_blocks(compare, benchmark, rng, n, threads):
    skip_untimed(benchmark, n, 10)
    made = two_level(rng, n)
    out = np.empty(made.dimension)
    name = f"mbfast, {threads} threads"
    compare(made, f"{n} two-level blocks", name, lambda psi: made.apply(psi, out=out, threads=threads))


@pytest.mark.parametrize("n", SIZES)
def test_two_level_blocks_by_numpy(compare, benchmark, rng, n):
    skip_untimed(benchmark, n, 10)
    made = two_level(rng, n)
    compare(made, f"{n} two-level blocks", "NumPy", by_numpy(made), rounds=3)


@pytest.mark.parametrize("way", ["CSR", "matrix-free"])
@pytest.mark.parametrize("n", [10, 16, SIZES[2]])
def test_two_level_blocks_by_quspin(compare, benchmark, rng, n, way):
    skip_untimed(benchmark, n, 10)
    made = two_level(rng, n)
    product = by_quspin(made, way == "matrix-free")
    mean = 1e24 * sum(np.trace(made.block_hamiltonian(s)) / 2 for s in range(n))  # which QuSpin's terms leave out
    threads = os.environ.get("OMP_NUM_THREADS", str(CORES))
    name = f"QuSpin {way}, {threads} threads"
    compare(made, f"{n} two-level blocks", name, lambda psi: product(psi) + mean * psi, unit=1e-24, rounds=3)


GENERAL = [(4, 4), pytest.param(8, 4, marks=pytest.mark.quick), (5, 8), (4, 16), (3, 32)]


@pytest.mark.parametrize("name", ["NumPy", *(f"mbfast, {threads} threads" for threads in THREADS)])
@pytest.mark.parametrize(("n", "d"), GENERAL)
def test_general_blocks(compare, benchmark, rng, n, d, name):
    skip_untimed(benchmark, n * d, 16)
    made = general(rng, n, d)
    out, function = np.empty(made.dimension, complex), by_numpy(made)
    if name != "NumPy":
        threads = int(name.split()[1])
        function = lambda psi: made.apply(psi, out=out, threads=threads)  # noqa: E731 - the other is no lambda
    compare(made, f"{n} complex blocks of {d} levels", name, function)


@pytest.mark.parametrize(("n", "d"), [GENERAL[0], GENERAL[2]])
def test_general_blocks_by_scipy(compare, benchmark, rng, n, d):
    skip_untimed(benchmark, n * d, 16)
    made = general(rng, n, d)
    compare(made, f"{n} complex blocks of {d} levels", "SciPy CSR, 1 threads", by_scipy(made), rounds=5)


@pytest.mark.parametrize("name", ["NumPy", "mbfast, LAPACK"])
@pytest.mark.parametrize("n", [6, pytest.param(10, marks=pytest.mark.quick), pytest.param(12, marks=pytest.mark.slow)])
def test_all_levels(case, benchmark, rng, n, name):
    skip_untimed(benchmark, n, 6)
    made = two_level(rng, n)
    matrix = matrix_of(made)
    functions = {"NumPy": lambda: ENERGY * np.linalg.eigvalsh(matrix), "mbfast, LAPACK": made.energies}
    case(f"all levels of {n} two-level blocks", name, functions[name], functions["NumPy"](), rounds=3)


def equal_blocks(n):
    """Two-level blocks without stress: a level of m excitations has n over m states."""
    block = mbfast.Block.two_level(3e-25, 1e-24, np.zeros(6))
    return mbfast.SuperBlock(SILICA, 5e-9 * np.arange(3.0 * n).reshape(n, 3), block)


@pytest.mark.parametrize("name", ["ARPACK", "mbfast", "mbfast, equal blocks"])
@pytest.mark.parametrize("n", [pytest.param(10, marks=pytest.mark.quick), 16])
def test_lowest_levels(case, benchmark, rng, n, name):
    """Of equal blocks they are known, and ARPACK may miss some."""
    skip_untimed(benchmark, n, 10)
    made = equal_blocks(n) if "equal" in name else two_level(rng, n)
    operator = made.hamiltonian() * (1.0 / ENERGY)

    def by_arpack():
        return ENERGY * np.sort(eigsh(operator, 5, which="SA", v0=np.arange(1.0, made.dimension + 1))[0])

    split = np.hypot(3e-25, 1e-24)
    expected = split * np.array([-n / 2, *[1 - n / 2] * 4]) if "equal" in name else by_arpack()
    case(
        f"5 levels of {n} blocks", name, by_arpack if name == "ARPACK" else lambda: made.energies(5), expected, rounds=3
    )
