"""The gate every number passes on its way from a caller to a kernel."""

import math
import numbers
import operator
from collections.abc import Callable, Collection
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from mbfast._core.machine import require_room

FloatArray: TypeAlias = NDArray[np.float64]

# Products and quotients of a handful of such numbers, squared, stay within the range of a double.
SMALLEST, LARGEST = 1e-35, 1e35


class ReadOnly:
    """A value whose read-only arrays stay so in copies and after pickling: a copy of an array alone is writable."""

    def __getstate__(self) -> tuple[dict[str, Any], list[str]]:
        arrays = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return vars(self), [name for name, array in arrays.items() if not array.flags.writeable]

    def __setstate__(self, state: tuple[dict[str, Any], list[str]]) -> None:
        values, read_only = state
        self.__dict__.update(values)
        for name in read_only:
            values[name].setflags(write=False)


def plain_array(name: str, value: ArrayLike) -> NDArray[Any]:
    """Return `value` as an array of whatever type it has; a TypeError if that would lose its units or its mask."""
    if type(value) not in {np.ndarray, float, int}:
        _refuse_what_is_lost(name, value)
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be a rectangular array of real numbers, got a ragged nested sequence") from None


def _refuse_what_is_lost(name: str, value: object) -> None:
    if isinstance(value, list | tuple):
        for element in value:
            if type(element) not in {float, int}:
                _refuse_what_is_lost(name, element)
    elif isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array, got a masked one: fill it first")
    elif getattr(value, "requires_grad", False):
        got = "got a tensor that requires a gradient: mbfast.adapters.torch has functions of such"
        raise TypeError(f"{name} must be plain numbers, {got}")
    elif hasattr(value, "dims") and hasattr(value, "data"):  # arrays of xarray: what they hold may have units
        _refuse_what_is_lost(name, value.data)
    elif hasattr(value, "to"):  # as the quantities of astropy, unyt and pint have
        unit = getattr(value, "unit", getattr(value, "units", None))
        if unit is not None:
            kind = type(value).__name__
            raise TypeError(f"{name} must be plain numbers in SI units, got {kind} in {str(unit) or '1'}: convert it")


@np.errstate(over="ignore")  # a long double beyond the doubles is infinite, which the checks refuse by its name
def as_doubles(array: ArrayLike, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an array of numbers as doubles, or as another such type: itself if it consists of them."""
    return np.asarray(array, dtype=dtype)


def real_array(name: str, value: ArrayLike) -> NDArray[Any]:
    """Return `value` as an array of whatever real type and layout it has; a TypeError if it has none."""
    array = plain_array(name, value)
    if array.dtype.kind in "iuf":
        return array
    strange = (type(x).__name__ for x in array.flat if isinstance(x, bool) or not isinstance(x, numbers.Real))
    kind = next(strange, None) if array.dtype.kind == "O" else ""
    if kind is not None:
        among = f" with {kind} among its elements" if kind else ""
        raise TypeError(f"{name} must consist of real numbers, got dtype {array.dtype}{among}")
    try:
        return as_doubles(array)
    except OverflowError:
        raise ValueError(f"{name} must consist of numbers that doubles can hold, got larger whole numbers") from None


def float_array(name: str, value: ArrayLike) -> FloatArray:
    """Return `value` as a C-contiguous float64 array; a TypeError if it does not consist of real numbers."""
    array = real_array(name, value)
    if array.dtype != np.float64 or not array.flags.c_contiguous:
        require_room(8.0 * array.size, "{} of shape {} as float64", name, array.shape)
    return np.asarray(as_doubles(array), order="C")


def number_array(name: str, value: ArrayLike) -> NDArray[Any]:
    """Return `value` as float64, or as complex128 if it is complex; a TypeError if it does not consist of numbers."""
    array = plain_array(name, value)
    dtype = np.dtype(np.complex128 if array.dtype.kind == "c" else np.float64)
    if array.dtype != dtype:
        require_room(float(dtype.itemsize) * array.size, "{} of shape {} as {}", name, array.shape, dtype)
    return as_doubles(array if dtype.kind == "c" else real_array(name, array), dtype)


def wave_vector(wavevector: ArrayLike | None) -> FloatArray:
    """Return k (3,), zero for None, or raise a TypeError or a ValueError that names the argument `wavevector`."""
    k = np.zeros(3) if wavevector is None else float_array("wavevector", wavevector)
    if k.shape != (3,):
        raise ValueError(f"wavevector must have shape (3,), got {k.shape}")
    require_bounded("wavevector", k)
    return k


def one_number(name: str, value: ArrayLike, require: Callable[..., None] | None = None, **wanted: str) -> float:
    """Return `value` as a Python float; a TypeError if it is not one real number, and the errors of `require`."""
    array = float_array(name, value)
    if array.ndim:
        raise TypeError(f"{name} must be one number, got an array of shape {array.shape}")
    if require is not None:
        require(name, array, **wanted)
    return float(array)


def positive_number(name: str, value: ArrayLike, *, unit: str) -> float:
    """Return one positive physical quantity as a Python float: the errors of `one_number` and `require_positive`."""
    return one_number(name, value, require_positive, unit=unit)


def finite_number(name: str, value: ArrayLike) -> float:
    """Return one number as a Python float: the errors of `one_number` and `require_finite`."""
    return one_number(name, value, require_finite)


def bounded_number(name: str, value: ArrayLike) -> float:
    """Return one number as a Python float: the errors of `one_number` and `require_bounded`."""
    return one_number(name, value, require_bounded)


def whole_number(name: str, value: object) -> int:
    """Return `value` as a Python int; a TypeError if it is no whole number, or True or False."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        pass
    raise TypeError(f"{name} must be a whole number, got {value!r}")


def count_from(least: int, name: str, value: object) -> int:
    """Return `value` as a Python int: the errors of `whole_number`, and a ValueError below the least one."""
    number = whole_number(name, value)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def require_flag(name: str, value: object) -> None:
    """Raise a TypeError if `value` is not True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")


def require_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Raise a ValueError that lists the choices if `value` is not one of them."""
    if not isinstance(value, str | numbers.Real | None) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, got {value!r}")


def require_finite(name: str, array: NDArray[Any]) -> None:
    """Raise a ValueError if an element is not finite."""
    _require(name, array, np.isfinite(array), "finite")


def require_bounded(name: str, array: NDArray[Any], largest: float = LARGEST) -> None:
    """Raise a ValueError if an element is not finite, or larger in magnitude than any physical quantity."""
    _require(name, array, np.abs(array) <= largest, f"finite, with magnitudes up to {largest:g}")


def require_positive(name: str, array: FloatArray, *, unit: str) -> None:
    """Raise a ValueError if an element is not a positive physical quantity, between 1e-35 and 1e35."""
    good = (array >= SMALLEST) & (array <= LARGEST)
    _require(name, array, good, f"positive, from {SMALLEST:g} to {LARGEST:g} {unit}".rstrip())


def require_nonzero(name: str, array: FloatArray, *, unit: str) -> None:
    """Raise a ValueError if the magnitude of an element is not between 1e-35 and 1e35."""
    good = (abs(array) >= SMALLEST) & (abs(array) <= LARGEST)
    _require(name, array, good, f"nonzero, with a magnitude from {SMALLEST:g} to {LARGEST:g} {unit}".rstrip())


def check_out(out: NDArray[Any] | None, shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return `out`, or a new array for None: a TypeError if it is of another type, a ValueError for its layout."""
    if out is None:
        require_room(float(np.dtype(dtype).itemsize) * math.prod(shape), "out of shape {}", shape)
        return np.empty(shape, dtype)
    wanted = f"out must be a writable, C-contiguous {np.dtype(dtype)} array of shape {shape}"
    if type(out) is not np.ndarray or out.dtype != dtype:  # a subclass may index in its own way
        dtype = f" of {out.dtype}" if isinstance(out, np.ndarray) else ""
        raise TypeError(f"{wanted}, got {type(out).__name__}{dtype}")
    if out.shape != shape or not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError(f"{wanted}, got shape {out.shape} and strides {out.strides}, writable: {out.flags.writeable}")
    return out


def broadcast_shape(**arrays: Any) -> tuple[int, ...]:
    """Return the common shape of the named arrays (or the like), or raise a ValueError that lists their shapes."""
    try:
        common = np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"shapes must broadcast against each other, got {shapes}") from None
    require_room(8.0 * math.prod(common), "what {} are broadcast to, of shape {},", ", ".join(arrays), common)
    return common


def _require(name: str, array: NDArray[Any], good: NDArray[np.bool_], wanted: str) -> None:
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        where = f" at index {index[0] if len(index) == 1 else index}" if index else ""
        raise ValueError(f"{name} must be {wanted}, got {array[index]:g}{where}")
