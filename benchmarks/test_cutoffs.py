"""Cutoff lengths against the same formula in NumPy and numexpr, one thread each; every contender is checked first.

`element-wise` has three arrays of the size of the result; `grid` is 13 materials x frequencies x cutoffs, broadcast.
"""

import numpy as np
import pytest

import mbfast
from mbfast.kernels import cutoffs as kernels

HBAR = 1.0545718176461565e-34


def numpy_cbrt(modulus, omega, omega_c):
    return np.cbrt(HBAR * omega_c / (modulus * np.log(omega_c / omega)))


def numpy_power(modulus, omega, omega_c):
    return (HBAR * omega_c / (modulus * np.log(omega_c / omega))) ** (1 / 3)


def numexpr_power(modulus, omega, omega_c):  # noqa: ARG001 - numexpr takes them from the frame
    numexpr = pytest.importorskip("numexpr")
    numexpr.set_num_threads(1)
    return numexpr.evaluate(
        "(HBAR * omega_c / (modulus * log(omega_c / omega))) ** (1 / 3)", global_dict={"HBAR": HBAR}
    )


CONTENDERS = {
    "mbfast": mbfast.cutoff_length,
    "kernel": kernels.cutoff_length,
    "numpy cbrt": numpy_cbrt,
    "numpy **(1/3)": numpy_power,
    "numexpr": numexpr_power,
}


def arguments(rng, layout, size):
    if layout == "element-wise":
        shapes = [(size,)] * 3
    else:
        side = round((size / 13) ** 0.5)
        shapes = [(13, 1, 1), (side, 1), (side,)]
    decades = ((9, 11), (5, 9), (10, 15))
    return [10 ** rng.uniform(*span, shape) for span, shape in zip(decades, shapes, strict=True)]


def numpy_dipole(dielectric, permittivity, stress, modulus, omega, omega_c):
    strength = dielectric / permittivity / (stress / modulus)
    return np.cbrt(strength**2 * HBAR * omega_c / (modulus * np.log(omega_c / omega)))


DIPOLE_CONTENDERS = {
    "mbfast": mbfast.dipole_cutoff_length,
    "kernel": kernels.dipole_cutoff_length,
    "numpy cbrt": numpy_dipole,
}


def compared(case, benchmark, group, name, functions, data, rtol):
    expected = functions["numpy cbrt"](*data)
    case(
        group, name, lambda: functions[name](*data), rtol,
        of=lambda result: np.abs(result / expected - 1.0), rounds=5 if expected.size > 1_000_000 else None,
    )  # fmt: skip
    benchmark.extra_info["evaluations"] = expected.size


@pytest.mark.parametrize("contender", DIPOLE_CONTENDERS)
@pytest.mark.parametrize("layout", ["element-wise", "grid"])
def test_dipole_cutoff_length(case, benchmark, rng, layout, contender):
    modulus, omega, omega_c = arguments(rng, layout, 1_000_000)
    spans = ((-3, -2), (0, 1), (7, 8))
    data = [*(10 ** rng.uniform(*span, modulus.shape) for span in spans), modulus, omega, omega_c]
    compared(case, benchmark, f"dipole cutoff lengths, {layout}, 1e6", contender, DIPOLE_CONTENDERS, data, 1e-14)


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("layout", ["element-wise", "grid"])
@pytest.mark.parametrize("size", ["1e4", pytest.param("1e6", marks=pytest.mark.quick), "1e7"])
def test_cutoff_length(case, benchmark, rng, size, layout, contender):
    if size == "1e7" and (benchmark.disabled or contender not in {"mbfast", "numpy cbrt"}):
        pytest.skip("timed once for each size of the cache")
    data = arguments(rng, layout, int(float(size)))
    compared(case, benchmark, f"cutoff lengths, {layout}, {size}", contender, CONTENDERS, data, 4e-15)
