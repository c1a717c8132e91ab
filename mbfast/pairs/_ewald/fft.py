"""Transforms of one axis on one thread, without scaling: by ducc0, where it is installed, else by SciPy.

ducc0 took half of SciPy's time, on meshes whose components run fastest.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import scipy.fft

from mbfast._core.validate import FloatArray


@functools.cache
def ducc() -> Any:
    """Return ducc0's transforms; None where it is not installed, or cannot start its threads, one a core."""
    try:
        import ducc0.fft  # noqa: PLC0415

        ducc0.fft.r2c(np.zeros(2))
    except (ImportError, RuntimeError):
        return None
    return ducc0.fft


def good_length(least: float) -> int:
    """Return the next length that is quick to transform."""
    return int(scipy.fft.next_fast_len(math.ceil(least), real=True))


def real(array: FloatArray, axis: int) -> Any:
    """Transform real numbers: the modes 0 to n//2."""
    return library.r2c(array, axes=(axis,)) if (library := ducc()) else scipy.fft.rfft(array, axis=axis)


def real_backward(modes: Any, axis: int, n: int) -> Any:
    """Transform the modes of n real numbers back."""
    if library := ducc():
        return library.c2r(modes, axes=(axis,), lastsize=n, forward=False)
    return scipy.fft.irfft(modes, n, axis=axis, norm="forward")


def turn(array: Any, *, forward: bool) -> None:
    """Transform along the first axis in place, forward or back."""
    if library := ducc():
        library.c2c(array, axes=(0,), forward=forward, out=array)
    else:
        array[...] = scipy.fft.fft(array, axis=0) if forward else scipy.fft.ifft(array, axis=0, norm="forward")
