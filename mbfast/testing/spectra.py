"""Oracles of spectra: Lagrange's interpolation, integrals by quadrature between all breaks, sums over levels."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mbfast.testing.pairs import Array

LOBATTO = np.concatenate([[-1.0], np.sort(np.polynomial.legendre.Legendre.basis(7).deriv().roots().real), [1.0]])


def interpolated(nodes: Array, samples: Array, degree: int = 7, *, logarithmic: bool = True) -> list[Any]:
    """Return a polynomial of frequency for each cell: that through Lagrange's interpolation at eight Lobatto points.

    Parameters
    ----------
    nodes : array, shape (n,)
        Frequencies, rising.
    samples : array, shape (n,)
        Of the spectrum at the nodes.
    degree : int
        Of the interpolation, between the nodes that are nearest.
    logarithmic : bool
        Whether it is one in the logarithm of the frequency.

    Returns
    -------
    list of numpy.polynomial.Polynomial
        n - 1 of them.

    Examples
    --------
    >>> import numpy as np
    >>> nodes = np.linspace(1.0, 9.0, 9)
    >>> pieces = interpolated(nodes, nodes**2, logarithmic=False)
    >>> len(pieces), round(float(pieces[4](5.5)), 10)
    (8, 30.25)
    """
    size = min(degree + 1, len(nodes))
    pieces: list[Any] = []
    for i in range(len(nodes) - 1):
        start = min(max(i - (size - 1) // 2, 0), len(nodes) - size)
        a, b = nodes[i], nodes[i + 1]
        points = 0.5 * (a + b) + 0.5 * (b - a) * LOBATTO
        stencil = nodes[start : start + size]
        t, s = (np.log(points / a), np.log(stencil / a)) if logarithmic else (points, stencil)
        values = np.zeros(8)
        for r in range(size):
            others = [k for k in range(size) if k != r]
            values += samples[start + r] * np.prod([(t - s[k]) / (s[r] - s[k]) for k in others], axis=0)
        pieces.append(np.polynomial.Polynomial.fit(points, values, 7, domain=[a, b]))
    return pieces


class SampledSpectrum:
    """A sampled spectrum at any frequency: polynomials, a power law below, nothing above, detailed balance.

    Parameters
    ----------
    nodes : array, shape (n,)
        Frequencies (rad/s), positive and rising.
    samples : array, shape (n,)
        At the nodes.
    rate : float
        ħ/(k_B T) (s): at -ω the spectrum is exp(-rate ω) times that at ω. Infinite at absolute zero.
    exponent : float, optional
        Of the power law below the first node; by default that of the first two samples.
    degree, logarithmic
        As of `interpolated`.

    Examples
    --------
    >>> import numpy as np
    >>> spectrum = SampledSpectrum(np.geomspace(1.0, 10.0, 9), np.geomspace(1.0, 10.0, 9) ** 2)
    >>> [round(float(spectrum(omega)), 3) for omega in (0.1, 3.0, 11.0)]  # below, among and above the nodes
    [0.01, 9.0, 0.0]
    """

    def __init__(
        self, nodes: ArrayLike, samples: Array, rate: float = np.inf, exponent: float | None = None, **options: Any
    ) -> None:
        self.nodes, self.rate = np.asarray(nodes, dtype=float), rate
        self.pieces = interpolated(self.nodes, samples, **options)
        self.first = samples[0]
        if exponent is None:
            exponent = math.log(samples[1] / samples[0]) / math.log(self.nodes[1] / self.nodes[0])
        self.exponent = exponent

    def __call__(self, x: ArrayLike) -> Any:
        """Return the spectrum at frequencies (rad/s) of any shape."""
        x = np.asarray(x, dtype=float)
        size = np.abs(x)
        cells = np.clip(np.searchsorted(self.nodes, size, side="right"), 1, len(self.pieces)) - 1
        values = np.empty(size.shape)
        for cell in np.unique(cells):
            values[cells == cell] = self.pieces[cell](size[cells == cell])
        below = size < self.nodes[0]
        values[below] = self.first * (size[below] / self.nodes[0]) ** self.exponent
        values[size > self.nodes[-1]] = 0.0
        negative = x < 0.0
        values[negative] *= 0.0 if np.isinf(self.rate) else np.exp(self.rate * x[negative])
        return values[()]


def convolution(f: SampledSpectrum, g: SampledSpectrum, omega: float) -> float:
    """Return the integral of f(y) g(ω - y) over all y, by Gauss's rule between the points where one has a break.

    Parameters
    ----------
    f, g : SampledSpectrum
        Of one temperature.
    omega : float
        ω (rad/s), positive.

    Returns
    -------
    float
        In the product of the units of both and rad/s.

    Examples
    --------
    >>> import numpy as np
    >>> nodes = np.geomspace(1e-3, 10.0, 40)
    >>> flat = SampledSpectrum(nodes, np.ones(40))
    >>> round(convolution(flat, flat, 1.0), 6)
    1.0
    """
    return _half_convolution(f, g, omega) + _half_convolution(g, f, omega)


def _half_convolution(f: SampledSpectrum, g: SampledSpectrum, omega: float) -> float:
    """Return the part with y < ω/2, where ω - y is known without cancellation."""
    # toward a power law's singularity, and wherever a Boltzmann factor falls, in shorter and shorter steps
    near = f.nodes[0] * 2.0 ** -np.arange(100.0)
    breaks = np.concatenate([[0.0], near, -near, f.nodes, -f.nodes, omega - g.nodes, omega - near])
    if np.isfinite(f.rate):
        breaks = np.concatenate([breaks, -np.arange(0.0, 40.0, 0.5) / f.rate])
    breaks = np.unique(np.clip(breaks, -f.nodes[-1] if np.isfinite(f.rate) else 0.0, min(f.nodes[-1], omega / 2)))
    points, weights = np.polynomial.legendre.leggauss(16)
    a, b = breaks[:-1, None], breaks[1:, None]
    y = 0.5 * (a + b) + 0.5 * (b - a) * points
    return math.fsum((0.5 * (b - a) * weights * f(y) * g(omega - y)).ravel())


def kramers_kronig(f: SampledSpectrum, omega: float, *, inverse: bool = False) -> float:
    """Return (2/π) P∫ y f(y)/(y² - ω²) dy from zero to the last node, by taking off what the pole sees.

    Parameters
    ----------
    f : SampledSpectrum
        An imaginary part, odd in frequency when not `inverse`.
    omega : float
        ω (rad/s), between zero and the last node, no node itself.
    inverse : bool
        Whether to return -(2/π) P∫ ω f(y)/(y² - ω²) dy: the imaginary part of the real part f.

    Returns
    -------
    float
        In the unit of f.

    Examples
    --------
    >>> import numpy as np
    >>> flat = SampledSpectrum(np.array([0.5, 2.0]), np.ones(2), exponent=0.0)  # 1 up to 2
    >>> print(f"{kramers_kronig(flat, 1.0):.6f} {np.log(3) / np.pi:.6f}")
    0.349699 0.349699
    """
    top = f.nodes[-1]
    # the function between two breaks, continued, has a pole at omega
    steps = omega * 2.0 ** -np.arange(1.0, 20.0)
    breaks = np.concatenate([[0.0, omega], omega - steps, omega + steps, f.nodes, f.nodes[0] * 2.0 ** -np.arange(60.0)])
    breaks = np.unique(breaks)
    breaks = breaks[breaks <= top]
    points, weights = np.polynomial.legendre.leggauss(24)
    a, b = breaks[:-1, None], breaks[1:, None]
    y = 0.5 * (a + b) + 0.5 * (b - a) * points
    here, values = f(omega), f(y)
    rest = (y * values - omega * here) if not inverse else omega * (values - here)
    total = (0.5 * (b - a) * weights * rest / (y**2 - omega**2)).ravel()
    pole = 0.5 * here * math.log((top - omega) / (top + omega))  # of omega/(y^2 - omega^2) from 0 to the top
    return float((-1 if inverse else 1) * 2.0 / math.pi * (math.fsum(total) + pole))


def levels(
    energies: Array, stress: Array, volume: float, temperature: float, omega: float, sigma: float,
    hbar: float, k_b: float,
) -> Array:  # fmt: skip
    """Return Im χ̃_ijkl of (2.11) at one frequency, S/(1 + exp(-ħω/k_B T)) with Gaussian lines, one term after another.

    Parameters
    ----------
    energies : array, shape (d,)
        Of the levels (J); two for a two-level system.
    stress : array, shape (d, d, 6)
        Matrix elements (J).
    volume, temperature, omega, sigma : float
        Of the block (m³), in K, in rad/s, and the standard deviation of a line (rad/s).
    hbar, k_b : float
        In J s and J/K: which digits of them is for the caller to say.

    Returns
    -------
    array, shape (6, 6)
        In Pa, negative for ω > 0.

    Examples
    --------
    >>> import numpy as np
    >>> stress = np.zeros((2, 2, 6))
    >>> stress[0, 1, 5] = stress[1, 0, 5] = 1.0
    >>> chi = levels(np.array([0, 1.0]), stress, 1.0, 1.0, 1.0, 0.1, 1.0, 1.0)
    >>> bool(chi[5, 5] < 0), bool(abs(chi[:5, :5]).max() == 0)
    (True, True)
    """
    weights = [math.exp(-(e - min(energies)) / (k_b * temperature)) for e in energies]
    z = math.fsum(weights)
    total = np.zeros((6, 6))
    for m, n in itertools.product(range(len(energies)), repeat=2):
        line = (energies[n] - energies[m]) / hbar
        shape = sum(math.exp(-0.5 * ((omega - s * line) / sigma) ** 2) for s in (1, -1)) / (
            math.sqrt(2 * math.pi) * sigma
        )
        pair = np.outer(stress[m, n], np.conj(stress[m, n])).real
        total += weights[m] / z * pair * shape
    return -math.pi / (hbar * volume) * total / (1.0 + math.exp(-hbar * omega / (k_b * temperature)))
