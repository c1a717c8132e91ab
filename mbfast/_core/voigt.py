"""The order of a symmetric tensor's six components and what each stands for; the two polarizations of a strain."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

NAMES = ("xx", "yy", "zz", "yz", "xz", "xy")
PLACES = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
WEIGHTS = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])  # yz stands for zy as well
FULL = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])  # which of the six each of the nine is

Polarization = Literal["longitudinal", "transverse"]
POLARIZATIONS: tuple[Polarization, Polarization] = ("longitudinal", "transverse")


def symmetric_six(name: str, tensor: NDArray[np.float64], rounding: float, wanted: str = "symmetric") -> Any:
    """Return the six components (6,) of a tensor (3, 3) that is symmetric to so much, or raise a ValueError."""
    if np.abs(tensor - tensor.T).max() > rounding * np.abs(tensor).max():
        raise ValueError(f"{name} must be {wanted}, got {tensor.tolist()}")
    return six(tensor)


def six(tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the six components (..., 6) of a tensor (..., 3, 3): those off the diagonal are the means of both."""
    both = [tensor[..., i, j] if i == j else 0.5 * (tensor[..., i, j] + tensor[..., j, i]) for i, j in PLACES]
    return np.stack(both, axis=-1)
