"""Functions that are piecewise polynomials: their coefficients and values, and integrals with a pole (Kramers-Kronig).

A function is given on n cells between increasing breaks ``b``: by its values at the eight Gauss points of each,
``values`` (n, 8), or by the coefficients, lowest first, of its polynomial of degree 7 in the local coordinate -1...1,
``c`` (n, 8). Below the first break it may go on as a power law, ``amplitude (x/b[0])**exponent``.

``rule`` (18, 8) is `RULE`: the Gauss points t_q, their weights w_q, the eight functionals ``(n + 1/2) w_q P_n(t_q)``
that take values to Legendre coefficients, and the eight that take them to the coefficients of powers. It is an
argument, because numba would freeze a global array into the machine code.

Arrays are float64 and C-contiguous; nothing is checked.

Examples
--------
>>> import numpy as np
>>> from mbfast.kernels import spectra
>>> b, c, out = np.array([1.0, 3.0]), np.empty((1, 8)), np.empty(2)
>>> spectra.coefficients((2.0 + spectra.RULE[:1]) ** 2, spectra.RULE, c)  # x^2 at the Gauss points of 1...3
>>> spectra.evaluate(np.array([0.5, 2.5]), b, c, 1.0, 2.0, out)
>>> out.round(12).tolist()
[0.25, 6.25]
>>> weights = np.empty(8)
>>> spectra.cauchy_weights(5.0, 1.0, 3.0, 0, spectra.RULE, weights)
>>> print(f"{weights.sum():.6f} {np.log(2 / 4) / 2:.6f}")  # the integral of 1/(2 (y - 5))
-0.346574 -0.346574
"""

from typing import Any

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from mbfast._core.jit import FAST, jit
from mbfast._core.search import count_below


def _rule() -> NDArray[np.float64]:
    points, weights = legendre.leggauss(8)
    functionals = (np.arange(8)[:, None] + 0.5) * weights * legendre.legvander(points, 7).T
    powers = np.zeros((8, 8))
    for n in range(8):
        powers[: n + 1, n] = legendre.leg2poly(np.eye(8)[n, : n + 1])
    return np.vstack([points, weights, functionals, powers @ functionals])


RULE = _rule()


@jit("void(float64[:,::1], float64[:,::1], float64[:,::1])", fastmath=FAST)
def coefficients(values: Any, rule: Any, c: Any) -> None:
    """Fill the coefficients c (n, 8) of the polynomials through the values (n, 8)."""
    for i in range(values.shape[0]):
        for k in range(8):
            total = 0.0
            for q in range(8):
                total += rule[10 + k, q] * values[i, q]
            c[i, k] = total


@jit("void(float64[::1], float64[::1], float64[:,::1], float64, float64, float64[::1])")
def evaluate(x: Any, b: Any, c: Any, amplitude: float, exponent: float, out: Any) -> None:
    """Fill the function's values at x > 0; zero above the last break."""
    for i in range(x.size):
        if x[i] < b[0]:
            out[i] = amplitude * (x[i] / b[0]) ** exponent if amplitude != 0.0 else 0.0
        elif x[i] > b[-1]:
            out[i] = 0.0
        else:
            j = min(max(count_below(b, x[i], True) - 1, 0), b.size - 2)
            t = (2.0 * x[i] - b[j] - b[j + 1]) / (b[j + 1] - b[j])
            p = c[j, 7]
            for k in range(6, -1, -1):
                p = p * t + c[j, k]
            out[i] = p


@jit(fastmath={"contract"})
def _cauchy(x: float, a: float, b: float, factor: float, rule: Any, out: Any) -> None:
    """Add `factor` times the weights, at the Gauss points of the cell a...b, of the integral with 1/(y - x).

    At an end of the cell the divergent logarithm is left out, ln of a length of 1: it cancels against the next cell's.
    """
    half = 0.5 * (b - a)
    z = (x - 0.5 * (a + b)) / half
    if abs(z) > 30.0:  # eight points are exact to (2 z)^-9, also for P_7
        for q in range(8):
            out[q] += factor * rule[1, q] / (rule[0, q] - z)
        return
    # moments of Legendre polynomials: -2 Q_n(z), Legendre functions of the second kind
    q0, q1, q2, q3, q4, q5, q6, q7 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if x in (a, b):
        s = 1.0 if x == b else -1.0
        q0 = -s * np.log(b - a)
        q1 = 2.0 + s * q0
        q2 = s * 3.0 + q0
        q3 = 11.0 / 3.0 + s * q0
        q4 = s * 25.0 / 6.0 + q0
        q5 = 137.0 / 30.0 + s * q0
        q6 = s * 49.0 / 10.0 + q0
        q7 = 363.0 / 70.0 + s * q0
    else:
        # forward recurrence: errors grow as P_n(z), at most a few hundred where it is used
        q0 = np.log(abs((b - x) / (x - a)))
        if abs(z) < 1.5:
            q1 = 2.0 + z * q0
            q2 = (3.0 * z * q1 - q0) / 2.0
            q3 = (5.0 * z * q2 - 2.0 * q1) / 3.0
            q4 = (7.0 * z * q3 - 3.0 * q2) / 4.0
            q5 = (9.0 * z * q4 - 4.0 * q3) / 5.0
            q6 = (11.0 * z * q5 - 5.0 * q4) / 6.0
            q7 = (13.0 * z * q6 - 6.0 * q5) / 7.0
        else:  # backward from where the solution that decays is the only one left
            high, low = 0.0, 1.0
            for n in range(28, 7, -1):
                high, low = low, ((2 * n + 1) * z * low - (n + 1) * high) / n
            q7 = low
            q6 = (15.0 * z * q7 - 8.0 * high) / 7.0
            q5 = (13.0 * z * q6 - 7.0 * q7) / 6.0
            q4 = (11.0 * z * q5 - 6.0 * q6) / 5.0
            q3 = (9.0 * z * q4 - 5.0 * q5) / 4.0
            q2 = (7.0 * z * q3 - 4.0 * q4) / 3.0
            q1 = (5.0 * z * q2 - 3.0 * q3) / 2.0
            scale = q0 / (3.0 * z * q1 - 2.0 * q2)
            q1, q2, q3, q4 = q1 * scale, q2 * scale, q3 * scale, q4 * scale
            q5, q6, q7 = q5 * scale, q6 * scale, q7 * scale
    for q in range(8):
        out[q] += factor * (
            q0 * rule[2, q] + q1 * rule[3, q] + q2 * rule[4, q] + q3 * rule[5, q]
            + q4 * rule[6, q] + q5 * rule[7, q] + q6 * rule[8, q] + q7 * rule[9, q]
        )  # fmt: skip


@jit()
def cauchy_weights(omega: float, a: float, b: float, parity: int, rule: Any, out: Any) -> None:
    """Fill the weights (8,), at the Gauss points of the cell a...b, of a Kramers-Kronig integral's principal value.

    Its kernel is y/(y^2 - omega^2) (parity 1) or omega/(y^2 - omega^2) (parity -1), or the half of them that has its
    pole at omega, 1/(2 (y - omega)) (parity 0). At an end of the cell the logarithm that cancels against the next
    cell's is left out.
    """
    middle, half = 0.5 * (a + b), 0.5 * (b - a)
    if parity != 0 and abs(omega - middle) > 30.0 * half and abs(omega + middle) > 30.0 * half:
        for q in range(8):
            y = middle + half * rule[0, q]
            out[q] = half * rule[1, q] * (y if parity > 0 else omega) / ((y - omega) * (y + omega))
    else:
        for q in range(8):
            out[q] = 0.0
        _cauchy(omega, a, b, 0.5, rule, out)
        if parity != 0:
            _cauchy(-omega, a, b, 0.5 * parity, rule, out)
