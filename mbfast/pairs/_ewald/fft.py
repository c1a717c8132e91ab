"""Transforms of one axis on one thread, without scaling: by ducc0, where it is installed, else by SciPy.

ducc0 took half of SciPy's time, on meshes whose components run fastest.
"""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import scipy.fft

from mbfast._core.validate import FloatArray

_DUCC = importlib.util.find_spec("ducc0") is not None


def _ducc() -> Any:
    import ducc0.fft  # noqa: PLC0415

    return ducc0.fft


def good_length(least: float) -> int:
    """Return the next length that is quick to transform."""
    return int(scipy.fft.next_fast_len(math.ceil(least), real=True))


def real(array: FloatArray, axis: int) -> Any:
    """Transform real numbers: the modes 0 to n//2."""
    return _ducc().r2c(array, axes=(axis,)) if _DUCC else scipy.fft.rfft(array, axis=axis)


def real_backward(modes: Any, axis: int, n: int) -> Any:
    """Transform the modes of n real numbers back."""
    if _DUCC:
        return _ducc().c2r(modes, axes=(axis,), lastsize=n, forward=False)
    return scipy.fft.irfft(modes, n, axis=axis, norm="forward")


def turn(array: Any, *, forward: bool) -> None:
    """Transform along the first axis in place, forward or back."""
    if _DUCC:
        _ducc().c2c(array, axes=(0,), forward=forward, out=array)
    else:
        array[...] = scipy.fft.fft(array, axis=0) if forward else scipy.fft.ifft(array, axis=0, norm="forward")
