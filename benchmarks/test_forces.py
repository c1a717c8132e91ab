"""Forces and the virial against the field of the same blocks, in one run; checked where nothing is timed."""

import numpy as np
import pytest

import mbfast

STRESS = mbfast.StressInteraction(1 / (8 * np.pi), 1.5, 1.0)
DIPOLE = mbfast.DipoleInteraction(1 / (8 * np.pi))
CASES = {
    "direct, N = 2e4": (20_000, {}),
    "Ewald, open, N = 1e5": (100_000, {"rtol": 1e-6}),
    "Ewald, periodic, N = 1e5": (100_000, {"rtol": 1e-6, "boundary": "periodic", "cell": [1.0, 1.0, 1.0]}),
}


@pytest.mark.parametrize("what", ["field", "forces", "virial"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["stress", "dipole"])
def test_forces(benchmark, rng, kind, case, what):
    interaction, (n, options) = STRESS if kind == "stress" else DIPOLE, CASES[case]
    n = 1000 if benchmark.disabled else n
    positions, moments = rng.random((n, 3)), rng.normal(size=(n, interaction.components))
    direct = mbfast.DirectField(interaction, positions)
    made = mbfast.EwaldField(interaction, positions, **options) if options else direct
    function = {"field": made, "forces": made.forces, "virial": made.virial}[what]
    if benchmark.disabled and what != "field" and "boundary" not in options:
        expected = getattr(direct, what)(moments)
        assert np.abs(function(moments) - expected).max() <= 1e-6 * np.abs(expected).max()
    benchmark.group, benchmark.name = f"{kind} forces, {case}", what
    benchmark.pedantic(lambda: function(moments), rounds=3, warmup_rounds=1)
