"""Ewald sums against our direct sum and a fast multipole method, fmm3dpy, in one run; checked at the smallest size.

The fast multipole call gives less, the potential of dipoles and its gradient at the same places. Its precision 1e-6 is
relative to the root mean square over blocks, which close pairs dominate; ours is to the field at the mean distance.
"""

import numpy as np
import pytest

import mbfast

SIZES = {"1e4": 10_000, "1e5": 100_000, "1e6": 1_000_000}
STRESS = mbfast.StressInteraction(1 / (8 * np.pi), 1.5, 1.0)
DIPOLE = mbfast.DipoleInteraction(1 / (8 * np.pi))
RTOL = 1e-6


def by_direct(interaction, positions, moments):
    return lambda: mbfast.pair_field(interaction, positions, moments, method="direct")


def by_ewald(interaction, positions, moments):
    return lambda: mbfast.pair_field(interaction, positions, moments, method="ewald", rtol=RTOL)


def by_plan(interaction, positions, moments):
    field = mbfast.EwaldField(interaction, positions, rtol=RTOL)
    return lambda: field(moments)


def by_multipoles(_interaction, positions, moments):
    fmm3dpy = pytest.importorskip("fmm3dpy")
    sources, dipoles = np.ascontiguousarray(positions.T), np.ascontiguousarray(moments[:, :3].T)
    return lambda: fmm3dpy.lfmm3d(eps=RTOL, sources=sources, dipvec=dipoles, pg=2).grad.T * (4 * np.pi)


CONTENDERS = {
    "lfmm3d": by_multipoles,
    "mbfast direct": by_direct,
    "mbfast ewald, with set-up": by_ewald,
    "mbfast ewald, set up": by_plan,
}


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["stress", "dipole"])
def test_ewald(benchmark, rng, kind, size, contender):
    n, interaction = SIZES[size], STRESS if kind == "stress" else DIPOLE
    slow = contender == "mbfast direct" and n > 100_000
    if slow or (benchmark.disabled and n > 10_000):
        pytest.skip("hours" if slow else "only timed")
    positions, moments = rng.random((n, 3)), rng.normal(size=(n, interaction.components))
    function = CONTENDERS[contender](interaction, positions, moments)
    if n <= 10_000:
        same = DIPOLE if contender == "lfmm3d" else interaction
        expected = mbfast.pair_field(same, positions, moments[:, : same.components], method="direct")
        error, typical = np.sqrt(np.mean((function() - expected) ** 2)), np.sqrt(np.mean(expected**2))
        assert error <= RTOL * (typical if contender == "lfmm3d" else n)
    benchmark.group, benchmark.name = f"{kind} field at any positions, N = {size}", contender
    benchmark.pedantic(function, rounds=1 if n > 100_000 or contender in {"lfmm3d", "mbfast direct"} else 3)
