"""Numbers in any container: the bits of those in a plain array, or refused by name; no mask and no unit is lost."""

import functools
import inspect
import re
import warnings
from fractions import Fraction

import numpy as np
import pytest
from conftest import ROUNDS
from hypothesis import given, settings
from hypothesis import strategies as st
from test_every_argument import ABSORPTION, CALLS, OMEGA
from test_fuzz import plain

pytestmark = pytest.mark.compiled

# of numbers that the table of calls leaves at their defaults: other calls
CELL = {"boundary": "periodic", "cell": np.array([1e-7, 1.2e-7, 1.1e-7])}
MORE = [
    ("pair_field", "at", {"at": np.array([[1e-9, 2e-9, 3e-9]])}),
    *((name, "cell", CELL) for name in ("pair_sum", "EwaldField", "SuperBlock")),
    ("SuperBlock", "strain", {"strain": np.array([1e-3, 0.0, 0.0, 0.0, 2e-3, 0.0])}),
    ("SuperBlock.stress", "wavevector", {"wavevector": np.array([1e7, 0.0, 1e6])}),
    ("disordered_response", "chi", {"chi": -1e9 * np.eye(6)}),
    ("convolve", "at", {"at": OMEGA[2:5].copy()}),
    ("convolve", "g", {"g": 2.0 * ABSORPTION}),
    ("convolve", "temperature", {"temperature": np.array([0.0, 1.0])}),
    ("kramers_kronig", "at", {"at": OMEGA[2:5].copy()}),
    ("Spectrum", "temperature", {"temperature": np.array(1.0)}),
    ("absorption_rates", "at", {"at": np.array(1e9)}),
    ("flow", "n0", {"n0": np.array([2.0, 3.0]), "stop": 5e-8}),
    ("ttls_susceptibility", "relaxation", {"relaxation": OMEGA.copy()}),
    ("superblock.orders.measure_orders", "couplings", {"couplings": np.array([0.25, 0.5, 1.0])}),
]
# those that are the same functions, draw figures, or take no arrays
LEFT_OUT = ("plotting", "files", "viewing", "run_each", "superblock.evolution", "superblock.response", "pairs.cluster")
LEFT_OUT += ("superblock.absorption", "SuperBlock.absorption")
NUMBERS = [
    (name, argument, {})
    for name, (_, arguments) in CALLS.items()
    for argument, value in arguments.items()
    if not name.startswith(LEFT_OUT) and argument != "out" and np.asarray(plain(value)).dtype.kind in "fc"
] + MORE


class Other(np.ndarray):
    """A subclass that says nothing of its own."""


class Convertible:
    """What makes an array of itself."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self._array, dtype)


def unaligned(array):
    held = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    held[...] = array
    return held


def read_only(array):
    held = array.copy()
    held.setflags(write=False)
    return held


def matrix(array):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix(array) if array.ndim == 2 else array


def mapped(array, folder):
    if not array.size:
        return array
    held = np.memmap(folder / "numbers", array.dtype, "w+", shape=array.shape)
    held[...] = array
    return held


def of_pandas(array):
    pandas = pytest.importorskip("pandas", reason="it comes with xarray")
    return {1: pandas.Series, 2: pandas.DataFrame}.get(array.ndim, np.array)(array)


def of_xarray(array):
    return pytest.importorskip("xarray", reason="of the extra test").DataArray(array)


def of_dask(array):
    return pytest.importorskip("dask.array", reason="of the extra test").from_array(array)


def repeated(array):
    return np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array


def fractions(array):
    """Objects: all but what no fraction is, and zeros, which have no sign as fractions."""
    exact = np.vectorize(lambda x: Fraction(x) if x and np.isfinite(x) else x, otypes=[object])
    return array if array.dtype.kind == "c" or not array.size else exact(array)


SAME = {
    "list": np.ndarray.tolist,
    "tuple": lambda array: tuple(array.tolist()) if array.ndim else array.item(),
    "of arrays": lambda array: list(array) if array.ndim else array[()],
    "backwards": lambda array: np.flip(np.flip(array).copy()),
    "every second": repeated,
    "Fortran": lambda array: array.copy(order="F"),
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder()),
    "unaligned": unaligned,
    "read-only": read_only,
    "subclass": lambda array: array.copy().view(Other),
    "convertible": Convertible,
    "fractions": fractions,
    "objects": lambda array: array if array.dtype.kind == "c" else array.astype(object),
    "long double": lambda array: array.astype(np.result_type(array, np.longdouble)),
    "matrix": matrix,
    "pandas": of_pandas,
    "xarray": of_xarray,
    "dask": of_dask,
}
# what is converted to doubles is as if the caller had done that
CONVERTED = ["f2", "f4", "i1", "u1", "i4", "u8"]


def masked(array):
    return np.ma.array(array, mask=np.arange(array.size).reshape(array.shape) == 0)


@functools.cache
def registry():
    return pytest.importorskip("pint", reason="of the extra test").UnitRegistry()


def of_pint(array):
    return registry().Quantity(array, "nm")


def of_other_type(dtype):
    return lambda array: np.ones(array.shape, dtype)


REFUSED = {
    "masked": masked,
    "masks in a list": lambda array: [masked(row) for row in array] if array.ndim > 1 else masked(array),
    "pint": of_pint,
    "pint in a list": lambda array: [of_pint(row) for row in array] if array.ndim else of_pint(array),
    "pint in xarray": lambda array: of_xarray(of_pint(array)),
    **{dtype: of_other_type(dtype) for dtype in ("?", "S3", "U3", "M8[s]", "m8[s]", "f8,f8", "V4")},
    "texts": lambda array: np.array(array.astype(str).tolist(), dtype=object),
    "with None": lambda array: np.where(np.ones(array.shape, bool), None, array),
}


def bits(result, depth=0):
    """What a result consists of, to the last bit: of an object of mbfast, what it holds, be it of another type."""
    if isinstance(result, np.ndarray | np.generic | float | complex | int):
        array = np.asarray(result)
        if depth and array.dtype.kind in "iuf":
            array = array.astype(float)
        return array.dtype.str, array.shape, array.tobytes()
    if isinstance(result, tuple | list):
        return [bits(value, depth) for value in result]
    if isinstance(result, dict):
        return {key: bits(value, depth) for key, value in result.items()}
    if type(result).__module__.startswith("mbfast") and depth < 4:
        held = {**getattr(result, "__dict__", {})}
        return {key: bits(value, depth + 1) for key, value in held.items() if "seconds" not in key}
    return type(result).__name__


def outcome(name, argument, value, more):
    """The bits of a result, or how it is refused; an AssertionError if that is without a name, or in other ways."""
    function, arguments = CALLS[name]
    arguments = {**arguments, **more, argument: value}
    if "rng" in arguments:
        arguments["rng"] = np.random.default_rng(1)
    names = {*inspect.signature(function).parameters, "below", "above"}  # these are of the plan that is called
    try:
        return bits(function(**arguments))
    except (ValueError, TypeError, ArithmeticError, MemoryError) as error:
        refused = error
    assert any(re.search(rf"\b{key}\b", str(refused)) for key in names), f"{refused!r} names no argument"
    assert "\n" not in str(refused)
    return type(refused)


def of_call(name, argument, more):
    """The plain array of doubles that a call takes."""
    value = {**CALLS[name][1], **more}[argument]
    return np.array(value, dtype=complex if np.iscomplexobj(value) else float)


@functools.cache
def expected(number):
    name, argument, more = NUMBERS[number]
    return outcome(name, argument, of_call(name, argument, more), more)


def some_calls(first):
    """Some of all calls, others for each container; all of them with MBFAST_FUZZ=16."""
    step = max(1, 16 // ROUNDS)
    return [(number, *NUMBERS[number]) for number in range(first % step, len(NUMBERS), step)]


def failures(make, wanted, first):
    """Calls whose outcome with a container is another one than is wanted, by number of the call and array."""
    found = []
    for number, name, argument, more in some_calls(first):
        array = of_call(name, argument, more)
        given = make(array)
        try:
            if outcome(name, argument, given, more) != wanted(number, given):
                found.append((name, argument, "another result"))
        except Exception as error:
            found.append((name, argument, repr(error)))
    return found


@pytest.mark.parametrize("container", SAME)
def test_the_same_numbers_in_another_container_give_the_same_bits(container):
    assert failures(SAME[container], lambda number, _: expected(number), list(SAME).index(container)) == []


def test_the_same_numbers_in_a_file_give_the_same_bits(tmp_path):
    assert failures(lambda array: mapped(array, tmp_path), lambda number, _: expected(number), 0) == []


@pytest.mark.parametrize("dtype", CONVERTED)
def test_other_types_are_as_their_doubles(dtype):
    def wanted(number, given):
        name, argument, more = NUMBERS[number]
        return outcome(name, argument, given.astype(np.result_type(given, float)), more)

    def converted(array):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return array.astype(np.result_type(dtype, np.complex64) if array.dtype.kind == "c" else dtype)

    assert failures(converted, wanted, CONVERTED.index(dtype)) == []


@pytest.mark.parametrize("container", REFUSED)
def test_what_is_more_or_less_than_numbers_is_refused(container):
    found = []
    for _, name, argument, more in some_calls(list(REFUSED).index(container)):
        try:
            given = REFUSED[container](of_call(name, argument, more))
            if outcome(name, argument, given, more) not in (TypeError, ValueError):
                found.append((name, argument, "is taken"))
        except AssertionError as error:
            found.append((name, argument, repr(error)))
    assert found == []


SHAPES = {
    "as it is": lambda array: array,
    "one number": lambda array: array.flat[0],
    "none": lambda array: array[..., :0] if array.ndim else array.reshape(1)[:0],
    "column": lambda array: array.reshape(-1, 1),
    "row": lambda array: array.reshape(1, -1),
    "axis before": lambda array: array[None],
    "axis behind": lambda array: array[..., None],
    "two of it": lambda array: np.stack([array, array]),
    "turned": np.transpose,
    "flat": np.ravel,
    "one less": lambda array: array[:-1] if array.ndim else array,
}
ODD = st.sampled_from([0.0, -0.0, 5e-324, -1e-310, 1e-300, 1e-150, 1e150, -1e300, np.inf, -np.inf, np.nan])


@given(data=st.data(), number=st.integers(0, len(NUMBERS) - 1), shape=st.sampled_from(sorted(SHAPES)))
@settings(max_examples=80 * ROUNDS)
def test_any_numbers_of_any_shape_are_taken_or_refused_alike(data, number, shape):
    """Another container makes no difference; what is no number is refused, and whatever is refused, is so by name."""
    name, argument, more = NUMBERS[number]
    array = np.array(SHAPES[shape](of_call(name, argument, more)))
    for _ in range(data.draw(st.integers(0, 2 if array.size else 0))):
        array.flat[data.draw(st.integers(0, array.size - 1))] = data.draw(ODD)
    plainly = outcome(name, argument, array, more)
    assert isinstance(plainly, type) or not np.isnan(array).any()
    contained = SAME[data.draw(st.sampled_from(sorted(SAME)))](array.copy())
    assert outcome(name, argument, contained, more) == plainly
