"""Two sums at once: in two threads of Python, each with one thread of mbfast, against one after the other.

Kernels do not hold the interpreter's lock, so that on two free cores the ratio to "serial" comes near 2; on cores that
others use as well it is what they leave. The contender with the default lets two calls share the cores.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import mbfast
from mbfast._core.machine import usable_cores

STRESS = mbfast.StressInteraction(1 / (8 * np.pi), 1.5, 1.0)
N = 6_000


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
