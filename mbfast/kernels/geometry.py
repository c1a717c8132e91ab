"""Geometry for loops over blocks, in reduced units. Nothing is checked.

Examples
--------
>>> from mbfast.kernels import geometry
>>> geometry.lattice_index(1, 2, 3, 4, 5), geometry.lattice_position(33, 4, 5), geometry.nearest_image(0.75, 1.0)
(33, (1.0, 2.0, 3.0), -0.25)
"""

import math

from mbfast._core.jit import jit


@jit()
def lattice_index(i: int, j: int, k: int, n2: int, n3: int) -> int:
    """Index of block (i, j, k) of a lattice with n2 and n3 blocks along y and z, the last index running fastest."""
    return (i * n2 + j) * n3 + k


@jit()
def lattice_position(index: int, n2: int, n3: int) -> tuple[float, float, float]:
    """Position of a block by its index, in units of the spacing."""
    return float(index // (n2 * n3)), float(index // n3 % n2), float(index % n3)


@jit()
def nearest_image(d: float, period: float) -> float:
    """The displacement along one axis to the nearest periodic image, within half a period."""
    return d - period * math.floor(d / period + 0.5)
