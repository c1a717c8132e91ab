r"""Phases between two points of a cube, averaged over both: the functions whose differences are (3.7), step by step.

Averaged over the directions of a wave, Lambda between two points times the strains there is a combination of
j_2(kd)/d^3 and j_4(kd)/d^3, spherical Bessel functions. All pairs of points of a cube of side R add up to

.. math:: \Phi_l(q) = \int_0^{\sqrt 3} A(u)\,\frac{j_l(qu)}{u}\,du, \quad q = kR,
          \quad A(u) = \int \prod_a (1 - u|n_a|)_+ \, d\Omega,

per volume. A step from blocks of side L to N0 L adds the pairs of points within the larger cube that are not within a
smaller one: Phi(k N0 L) - Phi(kL). So steps from L_1 to R add up to Phi(kR) - Phi(kL_1), into however many parts of
whatever size the sample was cut. Phi begins as q^2 (l = 2) and q^4 (l = 4), and tends to 4 pi/3 and 8 pi/15.

A is known in closed form. It is analytic but at u = 1, sqrt 2 and sqrt 3, its ends, where a sphere reaches the faces,
edges and corners of the cube of displacements. Below q = 64 Chebyshev series are fitted to the integral by Gauss's
rule. Beyond, each end gives its asymptotic series: u = 0 some powers of 1/q, after which it breaks off; each other end
one in q^-1/2 times exp(iq end), of what A's next piece is more than the one before.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.special import gamma

from mbfast._core.validate import FloatArray
from mbfast.kernels import displacements
from mbfast.pairs._kernels import phases

ALL_PAIRS = (4.0 * math.pi / 3.0, 8.0 * math.pi / 15.0)  # what they tend to
_ORDERS = (2, 4)
_ENDS = (1.0, math.sqrt(2.0), math.sqrt(3.0))
_NEAR = (4.0 * math.pi, -6.0 * math.pi, 8.0, -1.0)  # A(u) up to u = 1, by powers
_WIDTH, _PANELS, _DEGREE, _NODES = 4.0, 16, 21, 80
_FIRST, _TERMS = 8, 21  # powers of q^-1/2


def cube_phases(q: FloatArray) -> FloatArray:
    """Return Phi_2 and Phi_4, shape (2, ...), at q >= 0, with errors of some 1e-15."""
    out = np.empty((2, q.size))
    tables = _tables()
    phases.averaged_phase(np.ascontiguousarray(q, dtype=np.float64).ravel(), _WIDTH, *tables, out)
    return out.reshape(2, *q.shape)


class _Tables(NamedTuple):
    panels: FloatArray  # (panels, 2, degree + 1)
    powers: FloatArray  # (2, 4)
    waves: FloatArray  # (3, 2, 2, terms), real and imaginary parts
    ends: FloatArray  # (3,)


def _to_the_faces(u: Any) -> Any:
    """Return A up to 1."""
    return _NEAR[0] + u * (_NEAR[1] + u * (_NEAR[2] + u * _NEAR[3]))


def _to_the_edges(u: Any, v: Any) -> Any:
    """Return A between 1 and sqrt 2, v = sqrt(u^2 - 1)."""
    square = u * u
    bracket = square * (square + 3.0 - 8.0 * v) - 4.0 * v + 12.0 * square * np.arctan(v) + math.pi * (3.0 - 4.0 * u)
    return 2.0 / u * (bracket - 0.5)


def _to_the_corners(u: Any, w: Any) -> Any:
    """Return A between sqrt 2 and sqrt 3, w = sqrt(u^2 - 2)."""
    square = u * u
    first = (1.0 + square) * (6.0 * math.pi + 8.0 * w - 5.0 - square - 24.0 * np.arctan(w))
    return (first + 16.0 * u * (np.arctan(u * w) + np.arctan(w / u) - 0.5 * math.pi)) / u


# What A's next piece is more than the one before, at the end + s^2: analytic in s
def _beyond_faces(s: Any) -> Any:
    return _to_the_edges(1.0 + s * s, s * np.sqrt(2.0 + s * s)) - _to_the_faces(1.0 + s * s)


def _beyond_edges(s: Any) -> Any:
    u = _ENDS[1] + s * s
    return _to_the_corners(u, s * np.sqrt(2.0 * _ENDS[1] + s * s)) - _to_the_edges(u, np.sqrt(u * u - 1.0))


def _beyond_corners(s: Any) -> Any:
    u = _ENDS[2] + s * s
    return -_to_the_corners(u, np.sqrt(u * u - 2.0))


@functools.cache
def _tables() -> _Tables:
    powers = np.array([[a * _moment(order, n) for n, a in enumerate(_NEAR)] for order in _ORDERS])
    jumps = (_beyond_faces, _beyond_edges, _beyond_corners)
    waves = np.array([[_wave(order, *pair) for order in _ORDERS] for pair in zip(_ENDS, jumps, strict=True)])
    return _Tables(_fitted(), powers, waves, np.array(_ENDS))


def _moment(order: int, power: float) -> float:
    """Return the integral of z^(power - 1) j_order(z) over all z > 0, of Abel's kind where it does not converge."""
    ratio = gamma(0.5 * (order + power)) / gamma(0.5 * (order + 3.0 - power))
    return float(2.0 ** (power - 2.0) * math.sqrt(math.pi) * ratio)


def _fitted() -> FloatArray:
    """Return the Chebyshev series of the panels."""
    t, weight = np.polynomial.legendre.leggauss(_NODES)
    t, weight = 0.5 * (t + 1.0), 0.5 * weight
    u, mass = [t], [weight * _to_the_faces(t)]
    pieces: tuple[tuple[float, float, Callable[[FloatArray], FloatArray]], ...] = (
        (_ENDS[0], _ENDS[1], lambda u: _to_the_edges(u, np.sqrt(u * u - 1.0))),
        (_ENDS[1], _ENDS[2], lambda u: _to_the_corners(u, np.sqrt(u * u - 2.0))),
    )
    for low, high, piece in pieces:  # analytic in the root of the distance from the lower end
        u.append(low + (high - low) * t * t)
        mass.append(2.0 * (high - low) * t * weight * piece(u[-1]))
    distances = np.concatenate(u)
    points = np.cos(math.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    q = _WIDTH * (np.arange(_PANELS)[:, None] + 0.5 * (points + 1.0))
    values = np.empty((2, q.size))
    displacements.isotropic_phase(distances, np.concatenate(mass) * distances**2, q.ravel(), values)
    values = values.reshape(2, *q.shape)
    for order, of_order in zip(_ORDERS, values, strict=True):
        of_order[0] /= q[0] ** order
    series = scipy.fft.dct(values, axis=-1) / points.size
    series[..., 0] *= 0.5
    return np.ascontiguousarray(series.transpose(1, 0, 2))


def _wave(order: int, end: float, jump: Callable[[NDArray[np.complex128]], NDArray[np.complex128]]) -> FloatArray:
    """Return the coefficients (2, terms) of q^-(8 + n)/2 in the integral of jump j_order(qu)/u, over exp(iq end).

    j_l(z) is the real part of exp(iz) times a sum over m = 0 ... l of beta_m z^(-m-1), and the integral of eps^p
    exp(iq eps) is Gamma(p + 1) (i/q)^(p + 1).
    """
    circle = 0.4 * np.exp(2j * math.pi / 128 * np.arange(128))  # singularities are farther away than that
    total = np.zeros(_FIRST + _TERMS, dtype=np.complex128)
    for m in range(order + 1):
        ways = math.factorial(order + m) / (math.factorial(m) * 2**m * math.factorial(order - m))
        beta = (-1j) ** (order + 1) * 1j**m * ways
        taken = _TERMS + _FIRST - 4 - 2 * m
        series = np.fft.fft(jump(circle) * (end + circle**2) ** (-m - 2.0)).real[:taken] / circle.size
        powers = np.arange(taken)
        series /= 0.4**powers
        total[2 * m + 4 :] += beta * series * gamma(0.5 * powers + 1.0) * 1j ** (0.5 * powers + 1.0)
    return np.stack([total.real, total.imag])[:, _FIRST:]
