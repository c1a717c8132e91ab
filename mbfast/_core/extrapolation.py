"""Extrapolation of polynomials to zero, after Richardson: of what is even in a step, x is its square."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast._core.validate import FloatArray


def weights_at_zero(x: FloatArray) -> FloatArray:
    """Return what values at different x (n,), none of them zero, weigh (n,) in the polynomial through them at zero."""
    others = [np.delete(x, i) for i in range(x.size)]
    return np.array([np.prod(other / (other - at)) for other, at in zip(others, x, strict=True)])


def at_zero(x: FloatArray, values: NDArray[Any]) -> NDArray[Any]:
    """Return the polynomial through values (n, ...) at different x (n,) where x is zero."""
    return np.asarray(np.einsum("i,i...->...", weights_at_zero(x), values))
