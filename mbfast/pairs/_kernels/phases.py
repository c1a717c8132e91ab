"""Phases between two points of a cube, averaged over both: from tables of `mbfast.pairs.phases`.

Layout: float64, C-contiguous. Nothing is checked.
"""

import math
from typing import Any

from mbfast._core.jit import jit

_SERIES = "float64, float64[:, :, ::1], float64[:, ::1], float64[:, :, :, ::1], float64[::1]"


@jit(f"void(float64[::1], {_SERIES}, float64[:, ::1])")
def averaged_phase(q: Any, width: float, panels: Any, powers: Any, waves: Any, ends: Any, out: Any) -> None:
    """Fill out (2, q.size) with the two functions at q >= 0.

    Panel p is a Chebyshev series for p width <= q < (p + 1) width, the first one of the functions over q^2 and q^4;
    beyond the panels the functions are powers of 1/q, and waves cos(q end) of those of q^-1/2 from the eighth on.
    """
    for i in range(q.size):
        panel = int(min(q[i] / width, float(panels.shape[0])))
        if panel < panels.shape[0]:
            x = 4.0 * (q[i] / width - panel) - 2.0
            c, d = panels[panel, 0], panels[panel, 1]
            after, value, after_fourth, fourth = 0.0, 0.0, 0.0, 0.0
            for n in range(c.size - 1, 0, -1):
                after, value = value, x * value - after + c[n]
                after_fourth, fourth = fourth, x * fourth - after_fourth + d[n]
            second = 0.5 * x * value - after + c[0]
            fourth = 0.5 * x * fourth - after_fourth + d[0]
            square = q[i] * q[i] if panel == 0 else 1.0
            out[0, i], out[1, i] = second * square, fourth * square * square
        else:
            inverse = 1.0 / q[i]
            root, fourth = math.sqrt(inverse), inverse * inverse * inverse * inverse
            for function in range(2):
                c = powers[function]
                out[function, i] = c[0] + inverse * (c[1] + inverse * (c[2] + inverse * c[3]))
            for end in range(ends.size if q[i] < 2e4 else 0):  # below rounding errors beyond
                cosine, sine = math.cos(q[i] * ends[end]) * fourth, math.sin(q[i] * ends[end]) * fourth
                for function in range(2):
                    c, s = waves[end, function, 0], waves[end, function, 1]
                    of_cosine, of_sine = 0.0, 0.0
                    for n in range(c.size - 1, -1, -1):
                        of_cosine = of_cosine * root + c[n]
                        of_sine = of_sine * root + s[n]
                    out[function, i] += cosine * of_cosine - sine * of_sine
