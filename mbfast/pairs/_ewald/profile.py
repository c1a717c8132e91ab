"""The split of r and 1/r into a part that ends at a radius and one that has few modes: Slepian's function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.linalg
import scipy.special
from numpy.polynomial import Chebyshev, chebyshev, legendre
from numpy.typing import NDArray

from mbfast._core.validate import FloatArray

IntArray: TypeAlias = NDArray[np.int64]

_POINTS, _GAUSS = legendre.leggauss(256)  # exact to rounding for waves of up to 200 radians a unit


class Profile:
    """Slepian's function of bandwidth c on [-1, 1], zero beyond: the function whose transform ends at c, as far as any.

    With `flat` its transform g becomes g - k g'/2 = 1 + O(k^4), as the biharmonic r needs it (Hasimoto): otherwise what
    r leaves beyond the radius would be 1/r.
    """

    def __init__(self, c: float, *, flat: bool = False) -> None:
        n = np.arange(0.0, 2.0 * c + 60.0, 2.0)  # degrees of Legendre's polynomials, which make an eigenproblem of it
        diagonal = n * (n + 1.0) + c * c * (2.0 * n * (n + 1.0) - 1.0) / ((2.0 * n - 1.0) * (2.0 * n + 3.0))
        beside = c * c * (n + 1.0) * (n + 2.0) / ((2.0 * n + 3.0) * np.sqrt((2.0 * n + 1.0) * (2.0 * n + 5.0)))
        vector = scipy.linalg.eigh_tridiagonal(diagonal, beside[:-1], select="i", select_range=(0, 0))[1][:, 0]
        self._series = np.zeros(2 * n.size - 1)
        self._series[::2] = vector * np.sqrt(n + 0.5) / (2.0 * vector[0] * math.sqrt(0.5))  # of integral 1
        self.flat = flat
        self.c = c

    def __call__(self, x: FloatArray) -> FloatArray:
        """Values on [-1, 1]."""
        return np.asarray(legendre.legval(x, self._series), dtype=np.float64)

    def transform(self, k: FloatArray) -> FloatArray:
        """Integral of the profile times cos(kx), or g - k g'/2 of it, at k of shape (n,)."""
        angle = np.multiply.outer(k, _POINTS)
        waves = np.cos(angle)
        if self.flat:
            waves += 0.5 * angle * np.sin(angle)
        return np.asarray(waves @ (_GAUSS * self(_POINTS)))

    def band(self) -> Band:
        """Return the transform as a function of k^2."""
        nodes = lambda u: self.transform(self.c * np.sqrt(0.5 * (u + 1.0)))  # noqa: E731
        return Band(self.c * self.c, np.asarray(Chebyshev.interpolate(nodes, int(0.5 * self.c) + 16).coef, np.float64))


@dataclass(frozen=True)
class Band:
    """A function of k^2 that is quick on large arrays, and zero from a square on."""

    square: float
    series: FloatArray

    def __call__(self, k2: FloatArray) -> FloatArray:
        """Values."""
        u = np.minimum(2.0 / self.square * k2 - 1.0, 1.0)
        return np.where(k2 < self.square, chebyshev.chebval(u, self.series), 0.0)

    def slope(self) -> Band:
        """Return its derivative by k^2."""
        return Band(self.square, np.asarray(chebyshev.chebder(self.series, scl=2.0 / self.square), np.float64))


def _bessel(n: int, x: FloatArray) -> FloatArray:
    """j_n(x)/x^n, j_n the spherical Bessel function."""
    small = x < 0.5
    double_factorial = float(np.prod(np.arange(2 * n + 1, 0, -2)))
    term, series = np.full_like(x, 1.0 / double_factorial), np.zeros_like(x)
    for k in range(1, 9):
        series += term
        term = term * -0.5 * x * x / (k * (2 * (n + k) + 1))
    safe = np.where(small, 1.0, x)
    return np.where(small, series, scipy.special.spherical_jn(n, safe) / safe**n)


def derivative(profile: Profile, order: int, r: FloatArray) -> FloatArray:
    """((1/r) d/dr)^order of the smooth part of r (flat profiles) or 1/r, that of the modes within the band."""
    k = 0.5 * profile.c * (_POINTS + 1.0)
    transform = profile.transform(k) * (-2.0 / k**2 if profile.flat else 1.0)  # over 4 pi/k^2
    weights = 0.5 * profile.c * _GAUSS * transform * k ** (2 * order)
    return np.asarray((-1.0) ** order * 2.0 / math.pi * (_bessel(order, np.multiply.outer(r, k)) @ weights))


def polynomials(profile: Profile, orders: tuple[int, ...], cutoff: float, reach: float, error: float) -> FloatArray:
    """Return derivatives of the smooth part times what makes them lengths, in powers of 2 (r/(reach cutoff))^2 - 1.

    This is r^(2 n - 2) for the derivative n of r, r^(2 n) for that of 1/r: without it, derivatives near r = 0 are so
    large that rounding errors of the polynomials are larger than all else at the radius. Highest power first, in fours.
    """
    rows = []
    for order in orders:

        def value(u: FloatArray, order: int = order) -> FloatArray:
            r = reach * np.sqrt(0.5 * (u + 1.0))
            return derivative(profile, order, r) * r ** (2 * order - 2 * profile.flat)

        series = Chebyshev.interpolate(value, int(0.5 * profile.c) + 20).coef
        rows.append(chebyshev.cheb2poly(chebyshev.chebtrim(series, error) / cutoff))
    length = 4 * math.ceil(max(map(len, rows)) / 4)
    return np.array([np.pad(row, (0, length - len(row)))[::-1] for row in rows])


def cut_biharmonic(p: FloatArray) -> FloatArray:
    """k^4/(-8 pi) times the transform, at k = p/R, of r less 3R/8 + 3r^2/(4R) - r^4/(8R^3), zero beyond R.

    With this polynomial two derivatives vanish at R; its fourth ones are uniform.
    """
    return 1.0 - 7.5 * _bessel(1, p) + 1.5 * _bessel(0, p)


def cut_harmonic(p: FloatArray) -> FloatArray:
    """k^2/(4 pi) times the transform, at k = p/R, of 1/r less 3/(2R) - r^2/(2R^3), zero beyond R, as its derivative."""
    return 1.0 - 3.0 * _bessel(1, p)


@dataclass(frozen=True)
class Octave:
    """The smooth part beyond 2^n radii, but what is so beyond 2^(n + 1), unless it is the last; that may be cut off."""

    band: Band
    scale: float = 1.0  # 4^n
    last: bool = True
    radius: float | None = None

    def factors(self, k2: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the factors of the harmonic and the biharmonic part at k^2."""
        rest = self.band(self.scale * k2)
        if not self.last:
            rest -= self.band(4.0 * self.scale * k2)
        if self.radius is None:
            return rest, rest
        p = self.radius * np.sqrt(k2)
        return rest * cut_harmonic(p), rest * cut_biharmonic(p)

    def slopes(self, k2: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the derivatives of both by k^2: that of j_n(p)/p^n by p^2 is -j_(n + 1)(p)/(2 p^(n + 1))."""
        derivative = self.band.slope()
        slope = self.scale * derivative(self.scale * k2)
        if not self.last:
            slope -= 4.0 * self.scale * derivative(4.0 * self.scale * k2)
        if self.radius is None:
            return slope, slope
        p, rest = self.radius * np.sqrt(k2), self.radius**2 * self.band(self.scale * k2)
        harmonic = slope * cut_harmonic(p) + 1.5 * rest * _bessel(2, p)
        return harmonic, slope * cut_biharmonic(p) + rest * (3.75 * _bessel(2, p) - 0.75 * _bessel(1, p))


class Window:
    """Weights of the nodes near a point: Slepian's function again, of the bandwidth at which aliases begin."""

    def __init__(self, width: int, oversampling: float) -> None:
        self.width = width
        self._profile = Profile(window_bandwidth(width, oversampling))
        # node floor(x) + p of a point at x = floor(x) + t has the distance p - t + 1 - width/2; u = 2 t - 1
        u, degree = np.cos(math.pi * (np.arange(64) + 0.5) / 64), width + 4
        distance = np.arange(width) + 0.5 - 0.5 * width - 0.5 * u[:, None]
        series = chebyshev.chebfit(u, self._profile(2.0 / width * distance) * (2.0 / width), degree)
        powers = [np.pad(q := chebyshev.cheb2poly(row), (0, degree + 1 - q.size)) for row in np.eye(degree + 1)]
        self.weights: FloatArray = np.ascontiguousarray((np.array(powers).T @ series)[::-1])
        self.slopes: FloatArray = 2.0 * np.arange(degree, 0, -1)[:, None] * self.weights[:-1]  # their derivatives

    def at(self, nodes: FloatArray) -> tuple[IntArray, FloatArray]:
        """First nodes and weights, (n, width), of points at `nodes` steps."""
        first = np.floor(nodes)
        u = (2.0 * (nodes - first) - 1.0)[:, None]
        values = np.zeros((nodes.size, self.width))
        for row in self.weights:
            values = values * u + row
        return first.astype(np.int64), values

    def transform(self, angle: FloatArray) -> FloatArray:
        """Sum of the weights times exp(-i angle distance) but for aliases, at phases of a step of the mesh."""
        return self._profile.transform(0.5 * self.width * angle)


def window_bandwidth(width: int, oversampling: float) -> float:
    """Bandwidth of a window: half its width times the least wavenumber that the mesh takes for one of the band."""
    return 0.5 * math.pi * width * (2.0 - 1.0 / oversampling)
