"""What a call costs beyond its arithmetic: ten blocks, one vector, three numbers, beside the same formula in NumPy."""

import numpy as np
import pytest

import mbfast
from mbfast.testing.pairs import dipole_tensor, stress_tensor

from .test_cutoffs import numpy_cbrt
from .test_pair_sums import DIPOLE, STRESS, by_numpy

SILICA, PERMITTIVITY = (2200, 5800, 3800), 3.4e-11
RNG = np.random.default_rng(0)
POSITIONS, STRESSES, VECTORS = (RNG.normal(size=(10, components)) for components in (3, 6, 3))
VECTOR, CUTOFF = [1e-9, 2e-9, -0.7e-9], (3e10, 1e7, 1e15)
DIPOLES, BODY = mbfast.DipoleInteraction(PERMITTIVITY), mbfast.StressInteraction(*SILICA)
FIELD, OTHER = (mbfast.DirectField(interaction, POSITIONS) for interaction in (DIPOLE, STRESS))
CASES = {
    "field of ten dipoles": {
        "NumPy": by_numpy("dipole", "field", POSITIONS, VECTORS, None),
        "pair_field": lambda: mbfast.pair_field(DIPOLE, POSITIONS, VECTORS),
        "DirectField": lambda: FIELD(VECTORS),
    },
    "field of ten stresses": {
        "NumPy": by_numpy("stress", "field", POSITIONS, STRESSES, None),
        "pair_field": lambda: mbfast.pair_field(STRESS, POSITIONS, STRESSES),
        "DirectField": lambda: OTHER(STRESSES),
    },
    "dipole tensor of one vector": {
        "NumPy": lambda: dipole_tensor(VECTOR, PERMITTIVITY),
        "mbfast": lambda: DIPOLES.tensor(VECTOR),
    },
    "stress tensor of one vector": {
        "NumPy": lambda: stress_tensor(VECTOR, *SILICA),
        "mbfast": lambda: BODY.tensor(VECTOR),
    },
    "cutoff length of three numbers": {
        "NumPy": lambda: numpy_cbrt(*CUTOFF),
        "mbfast": lambda: mbfast.cutoff_length(*CUTOFF),
    },
}


@pytest.mark.quick
@pytest.mark.parametrize(("group", "name"), [(group, name) for group, names in CASES.items() for name in names])
def test_small_calls(case, group, name):
    case(group, name, CASES[group][name], CASES[group]["NumPy"]())
