"""What a call costs beyond its arithmetic: ten blocks, one vector, three numbers, beside the same formula in NumPy."""

import numpy as np
import pytest

import mbfast

SILICA, DIPOLES = mbfast.StressInteraction(2200, 5800, 3800), mbfast.DipoleInteraction(3.4e-11)
RNG = np.random.default_rng(0)
POSITIONS = 1e-8 * RNG.random((10, 3))
STRESSES, VECTORS = 1e-19 * RNG.normal(size=(10, 6)), 1e-29 * RNG.normal(size=(10, 3))
VECTOR, CUTOFF = [1e-9, 2e-9, -0.7e-9], (3e10, 1e7, 1e15)


def dipole_tensors(r):
    x = np.sqrt(np.einsum("...i,...i", r, r))[..., None, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        tensors = DIPOLES.prefactor * (np.eye(3) - 3 * r[..., :, None] * r[..., None, :] / x**2) / x**3
    return np.where(x > 0, tensors, 0.0)


def dipole_field_by_numpy():
    return np.einsum("stij,tj->si", dipole_tensors(POSITIONS[:, None] - POSITIONS), VECTORS)


def cutoff_by_numpy(modulus, omega, omega_c):
    return np.cbrt(1.0545718176461565e-34 * omega_c / (modulus * np.log(omega_c / omega)))


FIELD, OTHER = mbfast.DirectField(DIPOLES, POSITIONS), mbfast.DirectField(SILICA, POSITIONS)
CASES = {
    "field of 10 dipoles": {
        "pair_field": lambda: mbfast.pair_field(DIPOLES, POSITIONS, VECTORS),
        "DirectField": lambda: FIELD(VECTORS),
        "NumPy": dipole_field_by_numpy,
    },
    "field of 10 stresses": {
        "pair_field": lambda: mbfast.pair_field(SILICA, POSITIONS, STRESSES),
        "DirectField": lambda: OTHER(STRESSES),
    },
    "dipole tensor of one vector": {
        "mbfast": lambda: DIPOLES.tensor(VECTOR),
        "NumPy": lambda: dipole_tensors(np.array(VECTOR)),
    },
    "stress tensor of one vector": {"mbfast": lambda: SILICA.tensor(VECTOR)},
    "cutoff length of three numbers": {
        "mbfast": lambda: mbfast.cutoff_length(*CUTOFF),
        "NumPy": lambda: cutoff_by_numpy(*CUTOFF),
    },
}


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, names in CASES.items() for name in names])
def test_small_calls(benchmark, group, name):
    benchmark.group, benchmark.name = group, name
    expected = list(CASES[group].values())[-1]()
    result = benchmark(CASES[group][name])
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
