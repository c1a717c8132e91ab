"""Copies and unpickled objects are as the original, and what is read-only in it is so in them."""

import copy
import functools
import pickle

import numpy as np
import pytest

import mbfast

OMEGA = np.geomspace(1e5, 1e15, 8)
GLASS = mbfast.StressInteraction(2200.0, 5800.0, 3800.0)


def spectrum():
    return mbfast.Spectrum(OMEGA, np.full(8, -2e7), np.full(8, -1e7), [0.0, 1.0])


MADE = {
    "FrequencyGrid": lambda: mbfast.FrequencyGrid(OMEGA),
    "Spectrum": spectrum,
    "OriginFit": lambda: mbfast.fit_through_origin([1, 2, 3], [2, 4, 6.6]),
    "ConvolutionPlan": lambda: mbfast.ConvolutionPlan(OMEGA),
    "KramersKronigPlan": lambda: mbfast.KramersKronigPlan(OMEGA),
    "PairResult": lambda: mbfast.pair_sum(mbfast.DipoleInteraction(1e-11), np.eye(3), np.eye(3)),
    "AbsorptionRates": lambda: mbfast.absorption_rates(spectrum(), GLASS, 5e-9, 2.0, at=[1e9]),
    "Flow": lambda: mbfast.flow(spectrum(), GLASS, stop=2e-8),
}
COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda value: pickle.loads(pickle.dumps(value))}


def arrays(value, name=""):
    """All arrays of an object of mbfast, by their names."""
    if isinstance(value, np.ndarray):
        return {name: value}
    parts = dict(enumerate(value)) if isinstance(value, tuple) else {}
    parts |= vars(value) if type(value).__module__.startswith("mbfast") and hasattr(value, "__dict__") else {}
    return {key: array for part, inner in parts.items() for key, array in arrays(inner, f"{name}.{part}").items()}


@functools.cache
def made(name):
    return MADE[name]()


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("name", MADE)
def test_copies_have_the_same_arrays_and_what_is_read_only_stays_so(name, copied):
    before, after = arrays(made(name)), arrays(copied(made(name)))
    assert after.keys() == before.keys()
    assert before
    for key, array in before.items():
        assert (after[key].dtype, after[key].tobytes()) == (array.dtype, array.tobytes()), key
        assert after[key].flags.writeable == array.flags.writeable, key


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize(("name", "attribute"), [("Spectrum", "temperature"), ("FrequencyGrid", "omega")])
def test_an_array_of_a_copy_cannot_be_changed(name, attribute, copied):
    with pytest.raises(ValueError, match="read-only"):
        getattr(copied(made(name)), attribute)[0] = 1.0
