"""Steps of recursions of states: three vectors and their products in one pass.

States come flat, as real numbers, complex ones with their parts side by side. Sums are those of tiles of `TILE`
elements, so that they do not depend on how many threads there are.
"""

from typing import Any

from mbfast._core.jit import FAST, jit

TILE = 4096


@jit(
    "void(int64, int64, float64, float64, float64, float64[::1], float64[::1], float64[::1], float64[:,::1])",
    fastmath=FAST,
)
def step(begin: int, end: int, a: float, b: float, c: float, w: Any, x: Any, y: Any, sums: Any) -> None:
    """w = a w + b x + c y in the tiles [begin, end), whose sums of w w and of w x become sums[:, 0] and [:, 1]."""
    for tile in range(begin, end):
        p, q, r = w[tile * TILE :][:TILE], x[tile * TILE :][:TILE], y[tile * TILE :][:TILE]
        square, product = 0.0, 0.0
        for i in range(p.size):
            value = a * p[i] + b * q[i] + c * r[i]
            p[i] = value
            square += value * value
            product += value * q[i]
        sums[tile, 0], sums[tile, 1] = square, product


@jit("void(int64, int64, float64[::1], float64[::1], float64[:,::1])", fastmath=FAST)
def dot(begin: int, end: int, x: Any, y: Any, sums: Any) -> None:
    """The sums of x y over the tiles [begin, end) become sums[:, 0]."""
    for tile in range(begin, end):
        p, q = x[tile * TILE :][:TILE], y[tile * TILE :][:TILE]
        total = 0.0
        for i in range(p.size):
            total += p[i] * q[i]
        sums[tile, 0] = total
