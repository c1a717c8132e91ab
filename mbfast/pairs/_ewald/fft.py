"""Transforms of one axis on one thread, without scaling: by ducc0, where it is installed, else by SciPy.

ducc0 took half of SciPy's time, on meshes whose components run fastest.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mbfast._core.validate import FloatArray

ComplexArray = NDArray[np.complex128]

_DUCC = importlib.util.find_spec("ducc0") is not None


def good_length(least: int) -> int:
    """Return the next length that is quick to transform."""
    return int(scipy.fft.next_fast_len(least, real=True))


def real(array: FloatArray, axis: int) -> ComplexArray:
    """Transform real numbers: the modes 0 to n//2."""
    if _DUCC:
        return _ducc().r2c(array, axes=(axis,))  # type: ignore[no-any-return]
    return scipy.fft.rfft(array, axis=axis)  # type: ignore[no-any-return]


def real_backward(modes: ComplexArray, axis: int, n: int) -> FloatArray:
    """Transform the modes of n real numbers back."""
    if _DUCC:
        return _ducc().c2r(modes, axes=(axis,), lastsize=n, forward=False)  # type: ignore[no-any-return]
    return scipy.fft.irfft(modes, n, axis=axis, norm="forward")  # type: ignore[no-any-return]


def forward(array: ComplexArray) -> None:
    """Transform along the first axis in place."""
    if _DUCC:
        _ducc().c2c(array, axes=(0,), out=array)
    else:
        array[...] = scipy.fft.fft(array, axis=0)


def backward(array: ComplexArray) -> None:
    """Transform back along the first axis in place."""
    if _DUCC:
        _ducc().c2c(array, axes=(0,), forward=False, out=array)
    else:
        array[...] = scipy.fft.ifft(array, axis=0, norm="forward")


def _ducc() -> Any:
    import ducc0.fft  # noqa: PLC0415

    return ducc0.fft
