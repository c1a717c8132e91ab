"""Forces and the virial against the field of the same blocks; checked against Ewald sums to 1e-9."""

import pytest

import mbfast

from .test_pair_sums import DIPOLE, STRESS

CASES = {
    "direct, N = 1e4": (10_000, {}),
    "Ewald, open, N = 1e4": (10_000, {"rtol": 1e-6}),
    "Ewald, periodic, N = 1e4": (10_000, {"rtol": 1e-6, "boundary": "periodic", "cell": [1.0, 1.0, 1.0]}),
}


@pytest.mark.parametrize("what", ["field", "forces", "virial"])
@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=[pytest.mark.quick] * ("direct" in place)) for place in CASES]
)
@pytest.mark.parametrize("kind", ["stress", "dipole"])
def test_forces(case, benchmark, rng, kind, place, what):
    interaction, (n, options) = STRESS if kind == "stress" else DIPOLE, CASES[place]
    n = 1000 if benchmark.disabled else n
    positions, moments = rng.random((n, 3)), rng.normal(size=(n, interaction.components))
    made = (
        mbfast.EwaldField(interaction, positions, **options) if options else mbfast.DirectField(interaction, positions)
    )
    finer = mbfast.EwaldField(interaction, positions, **options | {"rtol": 1e-9})
    function, expected = ({"field": f, "forces": f.forces, "virial": f.virial}[what] for f in (made, finer))
    case(f"{kind} forces, {place}", what, lambda: function(moments), expected(moments), rounds=3)
