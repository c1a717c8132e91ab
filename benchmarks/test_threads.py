"""Threads: two sums at once, and what the default number of threads gains or costs where there is little to do.

Two sums are done in two threads of Python, each with one thread of mbfast, against one after the other. Kernels do not
hold the interpreter's lock, so that on two free cores the ratio to "serial" comes near 2; on cores that others use as
well it is what they leave. The contender with the default lets two calls share the cores.

Of small problems the default is to cost nothing, as far as no more threads are started than are worth it.
"""

import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import mbfast
from mbfast._core.machine import usable_cores

from .test_response import OMEGA, OPTIONS, wells

STRESS = mbfast.StressInteraction(1 / (8 * np.pi), 1.5, 1.0)
N = 6_000
RNG = np.random.default_rng(1)


def contenders(positions, samples):
    """Functions that return the fields of both samples."""

    def field(moments, threads=1):
        return mbfast.pair_field(STRESS, positions, moments, threads=threads)

    def at_once(threads):
        def both():
            with ThreadPoolExecutor(2) as pool:
                return list(pool.map(lambda moments: field(moments, threads), samples))

        return both

    return {
        "serial": lambda: [field(moments) for moments in samples],
        "two calls at once, threads=1": at_once(1),
        "two calls at once, threads=None": at_once(None),
        "two calls in turn, threads=None": lambda: [field(moments, None) for moments in samples],
    }


@pytest.mark.skipif(usable_cores() < 2, reason="needs two cores")
@pytest.mark.parametrize("name", contenders(None, None))
def test_two_sums_at_once(case, rng, name):
    functions = contenders(rng.random((N, 3)), rng.normal(size=(2, N, 6)))
    case(f"two fields of {N} blocks", name, functions[name], functions["serial"]())


CUBE = mbfast.BlockLattice((16, 16, 16), 1.0)
MOMENTS, POSITIONS = RNG.normal(size=(*CUBE.shape, 6)), RNG.random((1500, 3))
CLOUD, CELL = MOMENTS.reshape(-1, 6)[:1500], {"boundary": "periodic", "cell": np.eye(3)}
STATE = RNG.normal(size=1 << 16) / 256


def ewald(threads=1):
    return mbfast.EwaldField(STRESS, POSITIONS[:600], threads=threads, **CELL)


# made at their first use, and kept
made_ewald = functools.cache(ewald)
direct = functools.cache(lambda: mbfast.DirectField(STRESS, POSITIONS))
lattice = functools.cache(lambda: mbfast.LatticeField(STRESS, CUBE))
blocks = functools.cache(lambda: wells(16))


def susceptibility(method, threads):
    options = {"method": method, "threads": threads}
    return blocks().susceptibility(OMEGA, 0.0, **options, **OPTIONS).imaginary.longitudinal


SMALL = {
    "field of 1500 blocks": lambda threads: direct()(CLOUD, threads=threads),
    "energy of 1500 blocks": lambda threads: direct().energy(CLOUD, threads=threads),
    "Ewald field of 600 blocks": lambda threads: made_ewald()(CLOUD[:600], threads=threads),
    "Ewald virial of 600 blocks": lambda threads: made_ewald().virial(CLOUD[:600], threads=threads),
    "Ewald set-up of 600 blocks": lambda threads: ewald(threads).unit,
    "lattice field, 16^3": lambda threads: lattice()(MOMENTS, threads=threads),
    "lattice forces, 16^3": lambda threads: lattice().forces(MOMENTS, threads=threads),
    "lattice virial, 16^3": lambda threads: lattice().virial(MOMENTS, threads=threads),
    "H of 16 blocks": lambda threads: blocks().apply(STATE, threads=threads),
    "levels of 16 blocks": lambda threads: blocks().energies(3, threads=threads),
    "evolution of 16 blocks": lambda threads: blocks().evolve(STATE, [1e-9], threads=threads),
    "recursion of 16 blocks": lambda threads: susceptibility("lanczos", threads),
    "polynomials of 16 blocks": lambda threads: susceptibility("chebyshev", threads),
}


@pytest.mark.skipif(usable_cores() < 2, reason="needs two cores")
@pytest.mark.parametrize("name", ["one", "as many as there are"])
@pytest.mark.parametrize("problem", SMALL)
def test_small_problems(case, problem, name):
    function, threads = SMALL[problem], 1 if name == "one" else None
    case(f"default threads, {problem}", name, lambda: function(threads), lambda: function(1), rounds=3)
