"""Monte Carlo of two-level blocks: flips against the same loop in C++ and against changes of a moment; what is refused.

The times are those of 100 flips, all accepted; "attempts" are 10^5 that cost too much to be accepted.
"""

import ctypes
import math

import numba
import numpy as np
import pytest

import mbfast
from mbfast._core.voigt import WEIGHTS
from mbfast.kernels import dipole, spins, stress

KERNELS = {"stress": (stress, (1.0, 1.3, 0.5)), "dipole": (dipole, ())}
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


def by_changes(kind, x, t, sigma, local, flips):
    kernels, coefficients = KERNELS[kind]
    moments, field, function = 0.5 * sigma * t, np.zeros_like(t), kernels.change_moment

    @numba.njit
    def loop(flips, moments, x, field, coefficients):  # type: ignore[no-untyped-def]
        for s in flips:
            function(s, -moments[:, s], x, moments, *coefficients, field)

    def call():
        loop(flips, moments, x, field, coefficients)
        local[:] = (field * t * WEIGHTS[: len(t), None]).sum(axis=0)  # the first weights are those of a vector, too

    return call


def by_cpp(library, kind, x, t, sigma, local, flips):
    coefficients = [ctypes.c_double(c) for c in KERNELS[kind][1]]
    arrays = [ctypes.c_void_p(array.ctypes.data) for array in (flips, sigma, x, t, local)]
    arguments = (ctypes.c_int64(FLIPS), arrays[0], ctypes.c_int64(len(sigma)), *arrays[1:4], *coefficients, arrays[4])

    def call():
        getattr(library, f"{kind}_flips")(*arguments)

    call.keep = flips, sigma, x, t, local  # the arrays behind the pointers
    return call


CONTENDERS = {"C++": by_cpp, "mbfast, flip": by_flips, "change_moment": by_changes}
CHECKED = {"C++": "mbfast, flip", "mbfast, flip": "C++", "change_moment": "mbfast, flip"}


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("size", ["1e3", pytest.param("1e4", marks=pytest.mark.quick)])
@pytest.mark.parametrize("kind", KERNELS)
def test_flips(case, benchmark, reference, rng, kind, size, contender):
    """Local fields after the first hundred flips: each beside another's."""
    x, t, sigma, _, flips = system(rng, kind, int(float(size)))
    local, expected = np.zeros((2, sigma.size))

    def made(name, local):
        library = (reference,) if name == "C++" else ()
        return CONTENDERS[name](*library, kind, x, t, sigma.copy(), local, flips)

    made(CHECKED[contender], expected)()
    case(f"{kind} flips, N = {size}", contender, made(contender, local), expected, of=lambda _: local, rounds=9)
    benchmark.extra_info["evaluations"] = FLIPS * sigma.size


@pytest.mark.parametrize("kind", KERNELS)
def test_flips_by_table(case, benchmark, rng, kind):
    n = 22
    interaction = mbfast.StressInteraction(2200, 5800, 3800) if kind == "stress" else mbfast.DipoleInteraction(3e-11)
    lattice = mbfast.BlockLattice((n, n, n), 5e-9)
    table = mbfast.LatticeField(interaction, lattice, boundary="periodic").coupling_table()
    _, t, sigma, local, flips = system(rng, kind, n**3)
    begun, loop, few = sigma.copy(), compiled(spins.lattice_flip), range(8)

    def expected():
        changed = np.flatnonzero(sigma != begun)
        changes = [[spins.lattice_coupling(s, i, table, t) * (i != s) for i in changed] for s in few]
        return changes @ (sigma - begun)[changed]

    case(
        f"{kind} flips, N = 1e4", "mbfast, periodic lattice, table", lambda: loop(flips, (sigma, table, t, local)),
        expected, of=lambda _: local[few], rounds=9,
    )  # fmt: skip
    benchmark.extra_info["evaluations"] = FLIPS * n**3


@pytest.mark.parametrize("contender", ["bare, random numbers", "mbfast, attempts"])
def test_attempts(case, benchmark, rng, contender):
    @numba.njit
    def bare(s, sigma, asymmetries, _):  # type: ignore[no-untyped-def]
        return -asymmetries[s] * sigma[s]

    cost = bare if contender.startswith("bare") else spins.flip_cost

    @numba.njit
    def loop(attempts, sigma, asymmetries, local, rng):  # type: ignore[no-untyped-def]
        accepted = 0
        for _ in range(attempts):
            s = rng.integers(0, sigma.size)
            if rng.random() < math.exp(-cost(s, sigma, asymmetries, local)):
                accepted += 1
        return accepted

    sigma = rng.choice([-1.0, 1.0], 10_000)
    given = sigma, -1000.0 * sigma, np.zeros(10_000), rng
    case("flips that are refused", contender, lambda: loop(ATTEMPTS, *given), 0, rounds=9)
    benchmark.extra_info["evaluations"] = ATTEMPTS
