"""Ewald sums against our direct sum and a fast multipole method, fmm3dpy; checked at the smallest size.

The fast multipole call gives less, the potential of dipoles and its gradient at the same places. Its precision 1e-6 is
relative to the root mean square over blocks, which close pairs dominate; ours is to the field at the mean distance.
"""

import numpy as np
import pytest

import mbfast

SIZES = [pytest.param("1e4", marks=pytest.mark.quick), "3e4"] + [
    pytest.param(size, marks=pytest.mark.slow) for size in ("1e5", "1e6")
]
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


CONTENDERS = {"lfmm3d": by_multipoles, "direct": by_direct, "ewald, with set-up": by_ewald, "ewald, set up": by_plan}


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["stress", "dipole"])
def test_ewald(case, benchmark, rng, kind, size, contender):
    n, interaction = int(float(size)), STRESS if kind == "stress" else DIPOLE
    if benchmark.disabled:
        n = min(n, 10_000)
    if (contender == "direct" and n > 100_000) or (contender == "lfmm3d" and kind == "stress"):
        pytest.skip("takes hours" if contender == "direct" else "dipoles alone")
    positions, moments = rng.random((n, 3)), rng.normal(size=(n, interaction.components))
    function = CONTENDERS[contender](interaction, positions, moments)
    expected, promised = None, None
    if n <= 10_000:
        expected = mbfast.pair_field(interaction, positions, moments, method="direct")
        promised = RTOL * (np.sqrt(np.mean(expected**2)) if contender == "lfmm3d" else n)
    case(
        f"{kind} fields at any positions, N = {size}", contender, function, promised,
        of=lambda field: np.sqrt(np.mean((field - expected) ** 2)), rounds=1 if n > 30_000 else 3,
    )  # fmt: skip
