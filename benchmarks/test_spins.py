"""Monte Carlo of two-level blocks: flips against the same loop in C++ and against changes of a moment; what is refused.

The times are those of 100 flips, all accepted; "attempts" are 10^5 that cost too much to be accepted.
"""

import ctypes
import math

import numba
import numpy as np
import pytest

import mbfast
from mbfast.kernels import dipole, spins, stress

KERNELS = {"stress": (stress, (1.0, 1.3, 0.5)), "dipole": (dipole, ())}
SIZES = {"1e3": 1_000, "1e4": 10_000}
FLIPS, ATTEMPTS = 100, 100_000


def system(rng, kind, n):
    components = 6 if kind == "stress" else 3
    x, t = rng.random((3, n)), rng.normal(size=(components, n))
    return x, t, rng.choice([-1.0, 1.0], n), np.zeros(n), rng.integers(0, n, FLIPS)


def compiled(function):
    """A loop over flips, as a user would compile one."""

    @numba.njit
    def loop(flips, arguments):  # type: ignore[no-untyped-def]
        total = 0.0
        for s in flips:
            total += function(s, *arguments)
        return total

    return loop


def by_flips(kind, x, t, sigma, local, flips):
    kernels, coefficients = KERNELS[kind]
    loop = compiled(kernels.flip)
    return lambda: loop(flips, (sigma, x, t, *coefficients, local))


def by_changes(kind, x, t, sigma, _local, flips):
    kernels, coefficients = KERNELS[kind]
    moments, field, function = 0.5 * sigma * t, np.zeros_like(t), kernels.change_moment

    @numba.njit
    def loop(flips, moments, x, field, coefficients):  # type: ignore[no-untyped-def]
        for s in flips:
            function(s, -moments[:, s], x, moments, *coefficients, field)

    return lambda: loop(flips, moments, x, field, coefficients)


def by_cpp(library, kind, x, t, sigma, local, flips):
    coefficients = [ctypes.c_double(c) for c in KERNELS[kind][1]]
    arrays = [ctypes.c_void_p(array.ctypes.data) for array in (flips, sigma, x, t, local)]
    arguments = (ctypes.c_int64(FLIPS), arrays[0], ctypes.c_int64(len(sigma)), *arrays[1:4], *coefficients, arrays[4])
    return lambda: getattr(library, f"{kind}_flips")(*arguments)


CONTENDERS = {"C++": by_cpp, "mbfast, flip": by_flips, "mbfast, change_moment": by_changes}


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KERNELS)
def test_flips(benchmark, request, rng, kind, size, contender):
    x, t, sigma, local, flips = system(rng, kind, SIZES[size])
    make = CONTENDERS[contender]
    library = (request.getfixturevalue("reference"),) if make is by_cpp else ()
    function = make(*library, kind, x, t, sigma, local, flips)
    if make is by_cpp:
        wanted, expected = sigma.copy(), local.copy()
        by_flips(kind, x, t, wanted, expected, flips)()
        function()
        assert np.abs(local - expected).max() <= 1e-11 * np.abs(expected).max()
    benchmark.group, benchmark.name = f"{kind} flips, N = {size}", contender
    benchmark.pedantic(function, rounds=9, warmup_rounds=1)
    if benchmark.stats is not None:
        benchmark.extra_info["evaluations"] = FLIPS * SIZES[size]


@pytest.mark.parametrize("kind", KERNELS)
def test_flips_by_table(benchmark, rng, kind):
    n = 22
    interaction = mbfast.StressInteraction(2200, 5800, 3800) if kind == "stress" else mbfast.DipoleInteraction(3e-11)
    lattice = mbfast.BlockLattice((n, n, n), 5e-9)
    table = mbfast.LatticeField(interaction, lattice, boundary="periodic").coupling_table()
    _, t, sigma, local, flips = system(rng, kind, n**3)
    loop = compiled(spins.lattice_flip)
    benchmark.group, benchmark.name = f"{kind} flips, N = 1e4", "mbfast, periodic lattice, table"
    benchmark.pedantic(lambda: loop(flips, (sigma, table, t, local)), rounds=9, warmup_rounds=1)


def test_attempts(benchmark, rng):
    cost = spins.flip_cost

    @numba.njit
    def loop(attempts, sigma, asymmetries, local, rng):  # type: ignore[no-untyped-def]
        accepted = 0
        for _ in range(attempts):
            s = rng.integers(0, sigma.size)
            if rng.random() < math.exp(-cost(s, sigma, asymmetries, local)):
                accepted += 1
        return accepted

    sigma = rng.choice([-1.0, 1.0], 10_000)
    asymmetries = -1000.0 * sigma
    assert loop(ATTEMPTS, sigma, asymmetries, np.zeros(10_000), rng) == 0
    benchmark.group, benchmark.name = "flips that are refused", "mbfast, attempts"
    benchmark.pedantic(lambda: loop(ATTEMPTS, sigma, asymmetries, np.zeros(10_000), rng), rounds=9, warmup_rounds=1)
    if benchmark.stats is not None:
        benchmark.extra_info["evaluations"] = ATTEMPTS
