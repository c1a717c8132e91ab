"""Pair sums against C++ and NumPy, in one run; checked against NumPy at the smaller size.

Pairs are ordered pairs, N^2 of them, whoever computes each once or twice; GFlop/s count the operations of the formula
as written in reference.cpp (a division or a square root as one). The share is that of this machine's multiply-adds,
measured in the same run: of those instructions on vectors of mbfast's inner loops that add, multiply or do both. The
C++ reference works on the kernels' layout, the API on rows of moments, checks included.
"""

import ctypes

import numpy as np
import pytest

import mbfast
from mbfast._core.machine import usable_cores
from mbfast._core.simd import VECTORS

from .roofline import multiply_adds

INSTRUCTIONS = {"stress": 43, "dipole": 17}  # of the inner loop, for a vector of pairs
REFINEMENT = 7  # more where r^-1 is an estimate; of three dipoles in turn it is for one, of stress for none
FLOPS = {("stress", "field"): 91, ("stress", "energy"): 90, ("dipole", "field"): 30, ("dipole", "energy"): 32}
STRESS = mbfast.StressInteraction(1 / (8 * np.pi), 1.5, 1.0)  # reduced units: prefactors -1 and 1
DIPOLE = mbfast.DipoleInteraction(1 / (8 * np.pi))
CORES = usable_cores()


def instructions(kind):
    """Instructions of mbfast on vectors for a pair."""
    estimated = {0: 0.0, 1: 1.0, 2: 1 / 3 if kind == "dipole" else 0.0}[VECTORS.estimates]
    return (INSTRUCTIONS[kind] + REFINEMENT * estimated) / VECTORS.width


def data(rng, kind, n):
    positions = rng.random((n, 3))
    return positions, rng.normal(size=(n, 6 if kind == "stress" else 3))


def by_mbfast(kind, what, positions, moments, threads):
    interaction = STRESS if kind == "stress" else DIPOLE
    function = mbfast.pair_field if what == "field" else mbfast.pair_energy
    return lambda: function(interaction, positions, moments, threads=threads)


def by_cpp(library, kind, what, positions, moments, threads):
    x, t = np.ascontiguousarray(positions.T), np.ascontiguousarray(moments.T)
    n = ctypes.c_int64(len(positions))
    coefficients = [ctypes.c_double(c) for c in STRESS.coefficients] if kind == "stress" else []
    arrays = [ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(t.ctypes.data), *coefficients]
    function, sign = getattr(library, f"{kind}_{what}"), -1.0 if kind == "stress" else 1.0
    out = np.empty_like(t)

    def call():
        if what == "energy":
            return sign * function(n, *arrays, threads)
        function(n, *arrays, ctypes.c_void_p(out.ctypes.data), threads)
        return sign * out.T

    call.keep = x, t  # the arrays behind the pointers
    return call


def by_numpy(kind, what, positions, moments, _threads):
    def field():
        return np.concatenate(
            [numpy_field(kind, positions[i : i + 64], positions, moments, i) for i in range(0, len(positions), 64)]
        )

    weights = np.array([1.0, 1, 1, 2, 2, 2]) if kind == "stress" else np.ones(3)
    return field if what == "field" else lambda: float(np.sum(weights * moments * field()))


def numpy_field(kind, targets, positions, moments, start):
    d = targets[:, None] - positions[None]
    r2 = np.einsum("ija,ija->ij", d, d)
    r2[np.arange(len(targets)), start + np.arange(len(targets))] = np.inf
    i2 = 1 / r2
    a3 = i2 * np.sqrt(i2)
    if kind == "dipole":
        q = -3 * np.einsum("ija,ja->ij", d, moments) * i2
        return np.einsum("ij,ja->ia", a3, moments) + np.einsum("ij,ija->ia", a3 * q, d)
    c0, c1, c2 = STRESS.coefficients
    matrix = moments[:, [0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(-1, 3, 3)
    w = np.einsum("jab,ijb->ija", matrix, d)
    trace = np.einsum("jaa->j", matrix)
    q = np.einsum("ija,ija->ij", d, w) * i2
    u = (0.5 * c1 * a3 * i2)[..., None] * w + (c2 * a3 * i2 * (0.75 * trace - 3.75 * q))[..., None] * d
    h = c0 * np.einsum("ij,jab->iab", a3, matrix)
    outer = np.einsum("ija,ijb->iab", d, u)
    h += outer + outer.transpose(0, 2, 1)
    h += np.einsum("ij->i", c2 * a3 * (1.5 * q - 0.5 * trace))[:, None, None] * np.eye(3)
    return -h.reshape(-1, 9)[:, [0, 4, 8, 5, 2, 1]]


CONTENDERS = {
    "C++, 1 thread": (by_cpp, 1),
    "mbfast, 1 thread": (by_mbfast, 1),
    f"C++, {CORES} threads": (by_cpp, CORES),
    f"mbfast, {CORES} threads": (by_mbfast, CORES),
    "NumPy": (by_numpy, None),
}


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("size", ["1e3", pytest.param("2e4", marks=pytest.mark.quick)])
@pytest.mark.parametrize("what", ["field", "energy"])
@pytest.mark.parametrize("kind", ["stress", "dipole"])
def test_pair_sum(case, benchmark, request, rng, kind, what, size, contender):
    n = min(int(float(size)), 10_000 if benchmark.disabled else 100_000)
    if n > 1_000 and contender == "NumPy":
        pytest.skip("slower by two orders of magnitude")
    positions, moments = data(rng, kind, n)
    make, threads = CONTENDERS[contender]
    library = (request.getfixturevalue("reference"),) if make is by_cpp else ()
    function = make(*library, kind, what, positions, moments, threads)
    expected = (by_numpy if n == 1_000 else by_mbfast)(kind, what, positions, moments, CORES)()
    case(f"{kind} {what}, N = {size}", contender, function, expected, rounds=5 if n == 1_000 else 4)
    if benchmark.stats is not None:
        rate = n * n / benchmark.stats["median"]
        benchmark.extra_info |= {"pairs/s": rate, "GFlop/s": 1e-9 * rate * FLOPS[kind, what]}
        if make is by_mbfast:
            computed = rate if what == "field" else 0.5 * rate  # energies: each pair once
            benchmark.extra_info["share"] = computed * instructions(kind) / (multiply_adds() * threads)
