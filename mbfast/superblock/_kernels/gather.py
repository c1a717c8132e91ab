"""Lines put on a grid of frequencies."""

from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit


@jit("void(float64[::1], float64[::1], float64, float64[::1])", fastmath=FAST)
def gather(places: Any, weights: Any, scale: float, grid: Any) -> None:
    """Add lines to a grid: what a sum over it makes of a smooth function is that of its interpolation in 8 nodes.

    Places times the scale are those in the grid, with the middle node as zero.
    """
    middle = (grid.size - 1) // 2
    numerators = np.empty(8)  # of Lagrange's polynomials
    denominators = np.array([-5040.0, 720.0, -240.0, 144.0, -144.0, 240.0, -720.0, 5040.0])
    for line in range(places.size):
        place = places[line] * scale
        node = np.floor(place)
        u = place - node + 3.0  # between 3 and 4
        below, above = weights[line], 1.0
        for j in range(8):
            numerators[j] = below
            below *= u - j
        for j in range(7, -1, -1):
            numerators[j] *= above
            above *= u - j
        first = int(node) + middle - 3
        for j in range(8):
            grid[first + j] += numerators[j] / denominators[j]
