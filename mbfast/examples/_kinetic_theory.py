"""What `mbfast.examples.kinetic_monte_carlo` must find: closed forms and exact means of spins without interaction.

Energies are in K, lengths in nm, times in s.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import exp1

import mbfast
from mbfast.units import EV, HBAR, K_B

if TYPE_CHECKING:
    from mbfast._core.validate import FloatArray

(GLASS,) = mbfast.load_glasses(names=["a-SiO2"])
SILICA = mbfast.StressInteraction(GLASS.density or 0.0, GLASS.c_l, GLASS.c_t)
DENSITY = 8e44
"""Two-level systems (1/(J m^3)) by Delta > 0 and ln Delta_0, of silica's order: P gamma_t^2/(rho c_t^2) is 3e-4."""

NM = 1e-9

TO_MHZ = K_B / (2e6 * math.pi * HBAR)
"""From K to the frequency (MHz) of a phonon of this energy."""


def phonon_rate() -> float:
    """Return K k_B^3, in 1/(s K^3): a = K k_B^3 Delta_0^2 T."""
    couplings = GLASS.gamma_l**2 / GLASS.c_l**5 + 2 * GLASS.gamma_t**2 / GLASS.c_t**5
    return float(couplings * K_B**3 / (2 * math.pi * SILICA.density * HBAR**4))


def eigenvalues() -> FloatArray:
    """Return those of t (eV) that give silica's gamma_l and gamma_t.

    (2 gamma)^2 is the mean over directions of the square of what t has of a wave of unit strain: (2 t:t + (tr t)^2)/15
    of longitudinal ones, (3 t:t - (tr t)^2)/30 of one polarization of transverse ones. These fix t:t and the trace. The
    deviator is chosen to be a pure shear.
    """
    square = (12 * GLASS.gamma_l**2 + 24 * GLASS.gamma_t**2) / EV**2
    trace = math.sqrt(60 * GLASS.gamma_l**2 / EV**2 - 2 * square)
    return trace / 3 + math.sqrt((square - trace**2 / 3) / 2) * np.array([1.0, 0.0, -1.0])


def random_moments(n: int, rng: np.random.Generator) -> FloatArray:
    """Return t (6, n) in eV, of random orientations and signs."""
    axes = np.linalg.qr(rng.normal(size=(n, 3, 3)))[0]
    t = np.einsum("sai,i,sbi->abs", axes, eigenvalues(), axes) * rng.choice([-1.0, 1.0], n)
    return np.ascontiguousarray([t[0, 0], t[1, 1], t[2, 2], t[1, 2], t[0, 2], t[0, 1]])


def all_states(n: int) -> FloatArray:
    """Return the spins (2^n, n) of all states; bit s of the number of a state is set where spin s is 1."""
    return np.where(np.arange(2**n)[:, None] >> np.arange(n) & 1, 1.0, -1.0)


def energies(positions: FloatArray, moments: FloatArray, asymmetries: FloatArray) -> FloatArray:
    """Return the energies (K) of all states, by the sum over pairs (2.13) of their moments in SI units."""
    states = all_states(len(asymmetries))
    sites, halves = NM * positions.T, EV * moments.T / 2
    pairs = [mbfast.pair_energy(SILICA, sites, state[:, None] * halves, threads=1) for state in states]
    return np.array(pairs) / K_B + states @ asymmetries / 2


def rate_matrix(levels: FloatArray, temperature: float, attempts: FloatArray, tunnelling: bool) -> FloatArray:
    """Return the rates (1/s) from each state, a row, to each other, a column, and on the diagonal minus their sum."""
    matrix, states = np.zeros((len(levels), len(levels))), np.arange(len(levels))
    for s, attempt in enumerate(attempts):
        others = states ^ 1 << s
        x = (levels[others] - levels) / temperature
        matrix[states, others] = attempt * (x / np.expm1(x) if tunnelling else np.minimum(1.0, np.exp(-x)))
    matrix[states, states] = -matrix.sum(axis=1)
    return matrix


def boltzmann(levels: FloatArray, temperature: float) -> FloatArray:
    """Return the probabilities of states in equilibrium."""
    weights = np.exp((levels.min() - levels) / temperature)
    return np.asarray(weights / weights.sum())


def relaxed(times: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the mean of 1 - exp(-rate t) over a flat distribution of ln rate from low to high.

    With dV = kT d ln rate it is that of barriers V, with d ln Delta_0 = d ln rate/2 that of tunnelling; its slope by
    ln t, (exp(-low t) - exp(-high t))/ln(high/low), is flat between two edges in which t is in an exponent of V's.
    """
    return np.asarray(1.0 - (exp1(low * times) - exp1(high * times)) / np.log(high / low))


def mean_over_splittings(widest: float) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of the mean over a flat distribution of splittings from 0 to the widest (K)."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    return widest * (1.0 + nodes) / 2, weights / 2


def total_rate(x: FloatArray, tunnelling: bool) -> FloatArray:
    """Return x coth(x/2) or 1 + exp(-x): how fast a spin of splitting x kT relaxes, in units of its attempt rate."""
    return np.asarray(x / np.tanh(x / 2.0) if tunnelling else 1.0 + np.exp(-x))


class Cooling(NamedTuple):
    """A fall of temperature (K), the widest |Delta| (K), and from what to what attempt rates (1/s) are at its end."""

    before: float
    after: float
    widest: float
    low: float
    high: float
    tunnelling: bool

    def heat(self, times: FloatArray) -> FloatArray:
        """Return the mean heat (K) that a spin without interaction has released at times (s) above 0: exact."""
        splittings, weights = mean_over_splittings(self.widest)
        excited = splittings * (1 / (np.exp(splittings / self.before) + 1) - 1 / (np.exp(splittings / self.after) + 1))
        rates = total_rate(splittings / self.after, self.tunnelling)
        return (weights * excited) @ relaxed(times[None, :], self.low * rates[:, None], self.high * rates[:, None])

    def slope(self) -> float:
        """Return the slope of it by ln t between its edges, for |Delta| without end."""
        return math.pi**2 / 12 * (self.before**2 - self.after**2) / self.widest / math.log(self.high / self.low)


def volume_per_spin(widest: float, decades: float) -> float:
    """Return in nm^3 how much silica has one two-level system with |Delta| below a bound (K), in decades of Delta_0."""
    return 1.0 / (DENSITY * NM**3 * K_B * widest * math.log(10.0) * decades)


TUNNELLING = Cooling(1.0, 0.1, 10.0, phonon_rate() * 1e-16 * 0.1, phonon_rate() * 1e-8 * 0.1, True)
"""Silica from 1 K to 0.1 K, with Delta_0 from 1e-8 K to 1e-4 K."""

BARRIERS = Cooling(10.0, 1.0, 100.0, 1e12 * math.exp(-36.0), 1e12 * math.exp(-24.0), False)
"""From 10 K to 1 K, with barriers from 24 K to 36 K and Gamma_0 = 1e12/s."""

HOT, WIDEST, DECADES = 0.1, 0.5, 3.0  # K, K, of Delta_0
SLOWEST, FASTEST = (phonon_rate() * splitting**2 * HOT for splitting in (1e-5, 1e-2))  # 1/s: of Delta_0 in K
CENTRE, HALF, BAND = 0.5, 4e-4, 4.0  # K, K, in units of HALF: of the hole, and of the band around it that is followed
INNER = 0.8  # spins of the hole are this deep in the ball, in units of its radius


def shift_moments(rng: np.random.Generator, samples: int = 200_000) -> tuple[float, float]:
    """Return the means of |v| (K nm^3) and v^2, v/r^3 being the shift 4 J of a splitting by a flip at distance r."""
    tensor = 2.0 * SILICA.tensor(np.array([0.0, 0.0, NM])).reshape(9, 9) * EV**2 / K_B
    first, second = (random_moments(samples, rng)[[0, 5, 4, 5, 1, 3, 4, 3, 2]] for _ in range(2))
    shifts = np.einsum("as,ab,bs->s", first, tensor, second, optimize=True)
    return float(np.abs(shifts).mean()), float((shifts**2).mean())


def flipped_share(times: FloatArray) -> FloatArray:
    """Return which part of the spins in equilibrium is in the other state after times (s): 2 p (1 - p), if relaxed."""
    splittings, weights = mean_over_splittings(WIDEST)
    x = splittings / HOT
    rates = total_rate(x, True)
    done = relaxed(times[None, :], SLOWEST * rates[:, None], FASTEST * rates[:, None])
    return np.asarray((weights / (2.0 * np.cosh(x / 2.0) ** 2)) @ done)


def width(flipped: FloatArray, mean: float) -> FloatArray:
    """Return the half width (K) of the distribution of shifts, by the share of spins that has flipped.

    Of n flipped spins per volume, anywhere, each shifts by v/r^3. The sum has the characteristic function
    exp(-n W(k)), where, with y = |k v|/r^3,

        W(k) = int d^3r <1 - cos(k v/r^3)> = (4 pi/3) |k| <|v|> int_0^inf dy (1 - cos y)/y^2 = (2 pi^2/3) <|v|> |k|,

    as v has either sign. This is a Lorentzian with the half width (2 pi^2/3) n <|v|>, the median of the shift's size.
    """
    return 2.0 * math.pi**2 / 3.0 * mean / volume_per_spin(WIDEST, DECADES) * flipped


def lacking(n: int, mean: float, square: float) -> float:
    """Return by how much less (K) the median is, as there is nothing outside of the ball of n spins.

    At a distance a from its centre, W(k) lacks (k^2/2) <v^2> (4 pi/3) R^3/(R^2 - a^2)^3, where what follows k^2 <v^2>/2
    is the integral of 1/r^6 over the outside. To first order the median lacks this without k^2, times the density of
    flipped spins, over the width: the same for any density.
    """
    b, cube = INNER, 3.0 * n * volume_per_spin(WIDEST, DECADES) / (4.0 * math.pi)
    outside = 3.0 / b**3 * (b / (4.0 * (1.0 - b**2) ** 2) - b / (8.0 * (1.0 - b**2)) - math.atanh(b) / 8.0)
    return square / (math.pi * mean) * outside / cube


def median_shift(flipped: FloatArray, n: int, mean: float, square: float) -> FloatArray:
    """Return the median size (K) of shifts in balls in each of which this share of n spins has flipped.

    As the number N of flipped spins is given, the characteristic function is (1 - W(k)/V)^N with W of one spin in the
    volume V, and not exp(-n W(k)). To second order in N W/V = half |k| that multiplies it by exp(-(half k)^2/(2 N)),
    which adds half/(2 N) to the median, in the way in which what is outside takes `lacking` from it.
    """
    return width(flipped + 0.5 / n, mean) - lacking(n, mean, square)


def pooled_medians(values: FloatArray) -> FloatArray:
    """Return what each sample adds to the median m of the values (samples, times, followed) of all, (samples, times).

    It is m + (1/2 - share below m)/density at m, where the density is that of a Lorentzian, 1/(pi m). Its mean is m,
    its scatter over samples the error of m to first order, although the values of one sample, which have the same
    neighbours, depend on each other. A mean of their own medians would be too large, as the median of a few sizes is.
    """
    median = np.median(values, axis=(0, 2))
    below = (values < median[:, None]).mean(axis=2)
    return np.asarray(median * (1.0 + math.pi * (0.5 - below)))


def beyond_three(relative: FloatArray) -> FloatArray:
    """Return the share of shifts beyond three medians, where the median is so little off that of the Lorentzian.

    A factor exp(c k^2) of the characteristic function adds -2 c f'(y) to the share of |shift| < y, with the Lorentzian
    f of half width h, and takes c/h off the median. Beyond three of these 12 c/(25 pi h^2) more is left.
    """
    return 1.0 - 2.0 / math.pi * math.atan(3.0) + 12.0 / (25.0 * math.pi) * (1.0 - relative)


def hole(offsets: FloatArray, half: FloatArray) -> FloatArray:
    """Return the depth of a hole that was 1 within HALF of its centre, convolved with a Lorentzian of a half width."""
    return np.asarray((np.arctan((offsets + HALF) / half) - np.arctan((offsets - HALF) / half)) / math.pi)


def mean_depth(half: FloatArray) -> FloatArray:
    """Return its mean within HALF of the centre."""
    u = 2.0 * HALF / half
    return np.asarray((2.0 * np.arctan(u) - np.log1p(u**2) / u) / math.pi)


def left_over(times: FloatArray) -> FloatArray:
    """Return how much of a hole relaxation has left."""
    rate = total_rate(np.array([CENTRE / HOT]), True)
    return 1.0 - relaxed(times, SLOWEST * rate, FASTEST * rate)
