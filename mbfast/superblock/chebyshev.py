"""Chebyshev polynomials of H: functions of H on a vector, their quadrature, thermal states, evolution in time.

A line of width w in a spectrum of half width a needs polynomials up to the degree of about 5 a/w, whatever the levels
are. With fewer, the Jackson kernel makes a line of every level, nearly a Gaussian of standard deviation pi a/n in the
middle of the spectrum, sharper towards its ends; no weight becomes negative (A. Weisse, G. Wellein, A. Alvermann and
H. Fehske, Rev. Mod. Phys. 78, 275 (2006)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import ive, jv

from mbfast import units
from mbfast._core.validate import FloatArray
from mbfast.superblock.lanczos import Bounds, Operator, Vector

_OUTSIDE = "there are levels outside of the interval that was found: polynomials diverge"


class Chebyshev:
    """Polynomials of H on a vector, T_0 to T_(steps-1): iterating makes them, none of which is kept.

    Parameters
    ----------
    operator : Operator
        H.
    start : ndarray, shape (D,)
    steps : int
        Vectors, at least 2.
    interval : Bounds
        Where the levels are.
    damped : bool
        Whether the Jackson kernel is applied.
    """

    def __init__(
        self, operator: Operator, start: Vector, steps: int, interval: Bounds, *, damped: bool = False
    ) -> None:
        self._operator, self._start, self._steps = operator, start, steps
        self._interval, self._damped = interval, damped
        self._moments: list[float] = []

    def __iter__(self) -> Iterator[Vector]:
        operator, (center, half) = self._operator, self._interval
        before, t, w = self._start.copy(), self._start.copy(), np.empty_like(self._start)
        self._moments.append(operator.dot(t, t))
        yield t
        for step in range(1, self._steps):
            operator.apply(t, w)
            factor, last = (1.0, 0.0) if step == 1 else (2.0, -1.0)
            even, odd = operator.step(factor / half, w, -factor * center / half, t, last, before)
            # T_m T_n = (T_(m+n) + T_|m-n|)/2
            self._moments.append(odd if step == 1 else 2.0 * odd - self._moments[1])
            self._moments.append(2.0 * even - self._moments[0])
            before, t, w = t, w, before
            yield t

    def __len__(self) -> int:
        """Vectors so far."""
        return (len(self._moments) + 1) // 2

    def _levels(self, n: int) -> FloatArray:
        if max(map(abs, self._moments)) > 1.01 * self._moments[0]:
            raise ArithmeticError(_OUTSIDE)
        x: FloatArray = np.cos(np.pi * (np.arange(n) + 0.5) / n)
        return self._interval.center + self._interval.half * x

    def quadrature(self, n: int | None = None) -> tuple[FloatArray, FloatArray]:
        """Return levels (2n - 1,) in J and weights: <start|f(H)|start> = sum of weight f(level), from n vectors."""
        from scipy.fft import dct  # noqa: PLC0415

        moments = np.array(self._moments[: None if n is None else 2 * n - 1])
        if self._damped:
            moments *= jackson(moments.size)
        return self._levels(moments.size), dct(moments, type=3) / moments.size

    def expansion(self, n: int | None = None) -> tuple[FloatArray, FloatArray]:
        """Return levels (n,) in J and coefficients (n, n): f(H)|start> = sum of vector_i coefficient_il f(level_l)."""
        n = len(self) if n is None else n
        coefficients = np.cos(np.outer(np.arange(n), np.pi * (np.arange(n) + 0.5) / n)) * (2.0 / n)
        coefficients[0] *= 0.5
        if self._damped:
            coefficients *= jackson(n)[:, None]
        return self._levels(n), coefficients


def jackson(n: int) -> FloatArray:
    """Return the damping (n,) of Chebyshev moments by the Jackson kernel."""
    m, q = np.arange(n), np.pi / (n + 1)
    result: FloatArray = ((n - m + 1) * np.cos(q * m) + np.sin(q * m) / np.tan(q)) / (n + 1)
    return result


def thermal_state(operator: Operator, state: Vector, rate: float, interval: Bounds) -> Vector:
    """Return exp(-rate (H - E))|state>, E (J) being the lower end of the interval; rate in 1/J."""
    z = rate * interval.half
    orders = np.arange(int(10.0 * np.sqrt(z)) + 40)  # exp(-n^2/2z) falls below rounding errors
    coefficients = 2.0 * ive(orders, z) * np.where(orders % 2, -1.0, 1.0)
    coefficients[0] *= 0.5
    terms = Chebyshev(operator, state, 1 + int(np.flatnonzero(np.abs(coefficients) > 1e-17)[-1]), interval)
    result = np.zeros_like(state)
    for coefficient, t in zip(coefficients, terms, strict=False):
        operator.step(1.0, result, coefficient, t, 0.0, t)
    return result


def evolved(
    operator: Operator, state: Vector, time: float, interval: Bounds, tolerance: float,
    passed: Callable[[float], object] = lambda _: None,
) -> Vector:  # fmt: skip
    r"""Return exp(-i H t/hbar)|state>, complex, for a time t (s) of any sign.

    With H = c + a x and z = a t/hbar it is the phase exp(-i c t/hbar) times the sum of (2 - delta_n0) (-i)^n J_n(z)
    T_n(x) (H. Tal-Ezer and R. Kosloff, J. Chem. Phys. 81, 3967 (1984)). Terms are left out that are together below
    the tolerance times the norm of the state. Even ones have real coefficients and odd ones imaginary: both are summed
    up apart, so that a real state of a real H needs but real vectors. After each term `passed` is called with its share
    of the time (s).
    """
    z = abs(time) * interval.half / units.HBAR
    # beyond, J_n(z) is below 1e-17: it falls as the Airy function of (n - z) (2/z)^(1/3)
    orders = np.arange(int(z + 12.0 * z ** (1.0 / 3.0)) + 40)
    sizes = 2.0 * jv(orders, z)
    sizes[0] *= 0.5
    left_out = np.cumsum(np.abs(sizes[::-1]))[::-1]  # with the term itself
    n = max(2, int(np.count_nonzero(left_out > tolerance)))
    parts = [np.zeros_like(state), np.zeros_like(state)]
    for order, t in enumerate(Chebyshev(operator, state, n, interval)):
        operator.step(1.0, parts[order % 2], -sizes[order] if order % 4 > 1 else sizes[order], t, 0.0, t)
        passed(abs(time) / n)
    even, odd = parts
    result = even.astype(np.complex128, copy=False)
    result -= (1j if time >= 0.0 else -1j) * odd
    result *= np.exp(-1j * (interval.center * time / units.HBAR))
    if not abs(operator.dot(result, result) / operator.dot(state, state) - 1.0) < 1e-6 + 3.0 * tolerance:
        raise ArithmeticError(_OUTSIDE)
    return result
