"""Two-level systems of silica in time, by rejection-free kinetic Monte Carlo: heat release, holes, spectral diffusion.

Spins with elastic moments sigma t/2 flip one at a time, and `mbfast.kernels.stress.flip` keeps the fields of all others
up. A flip that costs c (`mbfast.kernels.spins.flip_cost`) has the rate a f(c/kT) with an attempt rate a, in two forms:

- over a barrier V above the higher well: a = Gamma_0 exp(-V/kT), f(x) = min(1, exp(-x));
- by tunnelling with one phonon (Jaeckle, Z. Phys. 257, 212 (1972)): of c Delta_0^2 n(c) upwards and of
  |c| Delta_0^2 (n(|c|) + 1) downwards, which is f(x) = x/(exp(x) - 1) for both, times a = K Delta_0^2 kT; with H =
  gamma e sigma_z and so t = 2 gamma, K = (gamma_l^2/c_l^5 + 2 gamma_t^2/c_t^5)/(2 pi rho hbar^4).

Both have f(x)/f(-x) = exp(-x): detailed balance. As every flip changes all costs, a step sums all rates anew, O(N).

Shown, each beside its reference: (1) seven spins in a few nanometres against Boltzmann's distribution of their 128
states, and at two times against the exponential of the matrix of rates; (2) the heat that glass releases after a fall
of temperature, which is logarithmic in time (Zimmermann and Weber, Phys. Rev. Lett. 46, 661 (1981)); (3) a hole burnt
into the distribution of splittings, which is refilled by relaxation and widened by spectral diffusion, whose kernel is
a Lorentzian as wide as there are flipped neighbours (Klauder and Anderson, Phys. Rev. 125, 912 (1962); Black and
Halperin, Phys. Rev. B 16, 2879 (1977)).

Not shown: Delta_0 does not enter energies (it is far below them here), flips are of single spins, no coherence is kept,
and phonons are always in equilibrium. The spins of the hole feel all others but do not act on them: there are far more
of them than silica has in so narrow a band. The density of states is of silica's order, no fit; it counts Delta > 0
alone, and with a P that is for either sign of Delta the pi^2/24 of the heat release is pi^2/12. What (2) and (3) are
compared with has flips that do not depend on each other; the gap that interactions open changes it by a percent or so,
which these runs do not resolve.

Units within: nm, eV for moments, K for energies (E/k_B) and temperatures, s.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
from scipy.linalg import expm

from mbfast.examples import _kinetic_theory as theory
from mbfast.examples._checks import Check, run_example
from mbfast.examples._kinetic_figure import draw
from mbfast.examples._kinetic_theory import HALF, NM, SILICA, Cooling, volume_per_spin
from mbfast.kernels import spins, stress
from mbfast.units import EV, K_B

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mbfast._core.validate import FloatArray


class Spins(NamedTuple):
    """Two-level systems at points: positions (3, n) in nm, moments (6, n) in eV, spins (n,), the others (n,) in K.

    Those from number `acting` on feel the fields of the others but have none. `coefficients` are those of
    `mbfast.kernels.stress` times its unit, K nm^3/eV^2.
    """

    positions: FloatArray
    moments: FloatArray
    asymmetries: FloatArray
    spins: FloatArray
    local: FloatArray
    coefficients: tuple[float, float, float]
    acting: int


class Bath(NamedTuple):
    """What makes spins flip: a temperature (K), the attempt rate of each (1/s), and which of the two forms."""

    temperature: float
    attempts: FloatArray
    tunnelling: bool


@numba.njit
def relative_rate(x, tunnelling):  # type: ignore[no-untyped-def]
    """Return f(x), the rate of a flip that costs x kT in units of its attempt rate."""
    y = abs(x)
    boltzmann_factor = math.exp(-y)
    emission = 1.0  # y/(1 - exp(-y)) = n + 1 times y, by its series where the difference would lose digits
    if tunnelling:
        emission = y / (1.0 - boltzmann_factor) if y > 1e-3 else 1.0 + y / 2.0 + y * y / 12.0
    return emission * boltzmann_factor if x > 0.0 else emission


@numba.njit
def next_flip(system, bath, sums, rng):  # type: ignore[no-untyped-def]
    """Return how long nothing flips (s), and which spin then does: a part of all rates, whose sums are in `sums`."""
    total = 0.0
    for s in range(len(sums)):
        x = spins.flip_cost(s, system.spins, system.asymmetries, system.local) / bath.temperature
        total += bath.attempts[s] * relative_rate(x, bath.tunnelling)
        sums[s] = total
    place, s = rng.random() * total, 0
    while s < len(sums) - 1 and sums[s] <= place:  # the product may be rounded to the total itself
        s += 1
    return rng.exponential() / total, s


@numba.njit
def flip(s, system):  # type: ignore[no-untyped-def]
    """Flip spin s, and update the local fields of all others if it acts on them."""
    if s < system.acting:
        c0, c1, c2 = system.coefficients
        stress.flip(s, system.spins, system.positions, system.moments, c0, c1, c2, system.local)
    else:
        system.spins[s] = -system.spins[s]


@numba.njit
def evolve(system, bath, times, rng, states, splittings):  # type: ignore[no-untyped-def]
    """Follow the spins from time 0 on, in place; fill states and splittings Delta + 2 local (times, n) at the times."""
    now, sums = 0.0, np.empty(len(system.spins))
    for k in range(len(times)):
        while True:
            wait, s = next_flip(system, bath, sums, rng)
            if now + wait > times[k]:  # the process has no memory: what is left of the wait may be drawn anew
                break
            now += wait
            flip(s, system)
        now = times[k]
        for t in range(len(system.spins)):  # slices would take seconds more to compile
            states[k, t] = system.spins[t]
            splittings[k, t] = system.asymmetries[t] + 2.0 * system.local[t]


@numba.njit
def residence(system, bath, duration, rng, shares):  # type: ignore[no-untyped-def]
    """Fill shares (blocks, 2^n) with the part of each of successive blocks of time (s) that a state lasts.

    Bit s of the number of a state is set where spin s is 1.
    """
    sums, state = np.empty(len(system.spins)), 0
    for s in range(len(system.spins)):
        state += (system.spins[s] > 0.0) << s
    for block in range(len(shares)):
        left = duration
        while left > 0.0:
            wait, s = next_flip(system, bath, sums, rng)
            shares[block, state] += min(wait, left) / duration
            if wait < left:
                flip(s, system)
                state ^= 1 << s
            left -= wait


# --- what the spins of silica are ---


def spins_at(
    positions: FloatArray, asymmetries: FloatArray, temperature: float, acting: int, rng: np.random.Generator
) -> Spins:
    """Return spins of silica at points (3, n) in nm, each alone in equilibrium at a temperature, and their fields."""
    n = len(asymmetries)
    c0, c1, c2 = (SILICA.prefactor * c * EV**2 / NM**3 / K_B for c in SILICA.coefficients)
    up = rng.random(n) < 1.0 / (1.0 + np.exp(asymmetries / temperature))
    made = Spins(
        positions,
        theory.random_moments(n, rng),
        asymmetries,
        np.where(up, 1.0, -1.0),
        np.zeros(n),
        (c0, c1, c2),
        acting,
    )
    sources = 0.5 * made.spins[:acting] * made.moments[:, :acting]
    field, weights = np.zeros((6, n)), np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    if acting:
        stress.field(positions, np.ascontiguousarray(positions[:, :acting]), sources, c0, c1, c2, field)
    made.local[:] = weights @ (made.moments * field)
    return made


def log_uniform(low: float, high: float, n: int, rng: np.random.Generator) -> FloatArray:
    """Return n numbers with a flat distribution of their logarithm."""
    return low * (high / low) ** rng.random(n)


def settle(system: Spins, temperature: float, duration: float, rng: np.random.Generator) -> None:
    """Bring spins into equilibrium with each other: all have the same attempt rate, for so many of its inverse."""
    n = len(system.spins)
    nothing = np.empty((1, n))
    evolve(system, Bath(temperature, np.ones(n), False), np.array([duration]), rng, nothing, nothing.copy())


def ball(n: int, radius: float, rng: np.random.Generator) -> FloatArray:
    """Return points (3, n) that lie anywhere in a ball around 0."""
    directions = rng.normal(size=(3, n))
    return np.ascontiguousarray(radius * np.cbrt(rng.random(n)) * directions / np.linalg.norm(directions, axis=0))


def mean_check(name: str, values: FloatArray, reference: FloatArray | float, source: str) -> Check:
    """Compare a mean over samples, with its error, and a reference, which may depend on the sample."""
    error = float(np.std(values - reference, ddof=1) / math.sqrt(len(values)))
    return Check(name, float(values.mean()), error, float(np.mean(reference)), source)


# --- (1) detailed balance: seven spins, enumerated ---


def close_spins(tunnelling: bool, rng: np.random.Generator, n: int = 7) -> tuple[Spins, Bath]:
    """Return spins at 0.1 K so near to each other, about 5 nm, that they interact as strongly as they are hot."""
    corners = np.array([[i, j, k] for i in range(n) for j in (0, 1) for k in (0, 1)][:n], dtype=float)
    positions = np.ascontiguousarray(5.0 * (corners + rng.uniform(-0.15, 0.15, (n, 3))).T)
    system = spins_at(positions, rng.uniform(-0.2, 0.2, n), 0.1, n, rng)
    if tunnelling:
        return system, Bath(0.1, theory.phonon_rate() * log_uniform(2e-3, 6e-3, n, rng) ** 2 * 0.1, True)
    return system, Bath(0.1, 1e12 * np.exp(-rng.uniform(2.3, 2.5, n) / 0.1), False)


def balance(tunnelling: bool, blocks: int, runs: int, rng: np.random.Generator) -> list[Check]:
    """Compare the time spent in each state, and where many runs are at two times, with what is exact for 128 states."""
    system, bath = close_spins(tunnelling, rng)
    levels = theory.energies(system.positions, system.moments, system.asymmetries)
    matrix, wanted = theory.rate_matrix(levels, *bath), theory.boltzmann(levels, bath.temperature)
    root = np.sqrt(wanted)  # makes the matrix symmetric
    slowest = -1.0 / np.linalg.eigvalsh(root[:, None] * matrix / root)[-2]
    shares = np.zeros((blocks, len(levels)))
    residence(system, bath, 30.0 * slowest, rng, np.zeros((1, len(levels))))  # from where it starts into equilibrium
    residence(system, bath, 30.0 * slowest, rng, shares)
    often = wanted > 0.005
    off = shares.mean(axis=0)[often] - wanted[often]
    p, d = int(often.sum()), blocks - int(often.sum())
    found = off @ np.linalg.solve(np.cov(shares[:, often].T) / blocks, off) * d / (p * (blocks - 1))
    spread = math.sqrt(2 * d**2 * (p + d - 2) / (p * (d - 2) ** 2 * (d - 4)))
    form = "tunnelling" if tunnelling else "barriers"
    return [
        mean_check(f"{form}: energy (K) of seven spins", shares @ levels, float(wanted @ levels), "Boltzmann"),
        Check(f"{form}: F of the times spent in {p} states", found, spread, d / (d - 2), "Hotelling's T^2, Boltzmann"),
        *(
            finite_time(f"{form}: chi^2 per degree of freedom, {name}", system, bath, matrix, part * slowest, runs, rng)
            for name, part in (("early", 0.1), ("later", 1.0))
        ),
    ]


def finite_time(
    name: str, system: Spins, bath: Bath, matrix: FloatArray, time: float, runs: int, rng: np.random.Generator
) -> Check:
    """Compare where runs from one state are at a time (s) with the exponential of the matrix of rates."""
    start = int((system.spins > 0) @ (1 << np.arange(len(system.spins))))
    counts, states, splittings = np.zeros(len(matrix)), *np.empty((2, 1, len(system.spins)))
    for _ in range(runs):
        copy = system._replace(spins=system.spins.copy(), local=system.local.copy())
        evolve(copy, bath, np.array([time]), rng, states, splittings)
        counts[int((states[0] > 0) @ (1 << np.arange(len(system.spins))))] += 1
    expected = runs * expm(time * matrix)[start]
    order = np.argsort(expected)
    rare = max(int((expected < 10.0).sum()), int((np.cumsum(expected[order]) < 10.0).sum()) + 1)  # are one class
    found, wanted = (np.append(those[order[:rare]].sum(), those[order[rare:]]) for those in (counts, expected))
    chi2, freedom = float(np.sum((found - wanted) ** 2 / wanted)), len(wanted) - 1
    return Check(name, chi2 / freedom, math.sqrt(2 / freedom), 1.0, "exponential of the matrix of rates")


# --- (2) heat released after a fall of temperature ---


def cool(
    cooling: Cooling, times: FloatArray, n: int, samples: int, volume: float | None, rng: np.random.Generator
) -> FloatArray:
    """Return the heat (samples, times) in K that one of n spins has released: of silica, or of a volume (nm^3) each.

    Without a volume spins do not interact.
    """
    heat = np.empty((samples, len(times)))
    states, splittings = np.empty((2, 1 + len(times), n))
    for sample in range(samples):
        positions = ball(n, math.cbrt(3.0 * n * (volume or 1.0) / (4.0 * math.pi)), rng)
        asymmetries = rng.uniform(-cooling.widest, cooling.widest, n)
        system = spins_at(positions, asymmetries, cooling.before, n if volume else 0, rng)
        if volume:
            settle(system, cooling.before, 20.0, rng)
        bath = Bath(cooling.after, log_uniform(cooling.low, cooling.high, n, rng), cooling.tunnelling)
        evolve(system, bath, np.concatenate([[0.0], times]), rng, states, splittings)
        energy = (states * (asymmetries + splittings)).mean(axis=1) / 4  # of Delta + local = (Delta + splitting)/2
        heat[sample] = energy[0] - energy[1:]
    return heat


# --- (3) a hole, and spectral diffusion ---


class Burnt(NamedTuple):
    """What samples show at times: sizes of shifts (K) of the spins that are followed, (samples, times, followed).

    `flipped` (samples, times) is the share of the others that has flipped, `depths` (samples, times, bins) the hole.
    """

    shifts: FloatArray
    flipped: FloatArray
    depths: FloatArray


def burn(times: FloatArray, n: int, followed: int, samples: int, bins: int, rng: np.random.Generator) -> Burnt:
    """Burn a hole into the band in a ball of n spins in equilibrium and follow it; `followed` spins are of the band."""
    found = Burnt(*(np.empty((samples, len(times), *more)) for more in ((followed,), (), (bins,))))
    edges = HALF * np.linspace(-theory.BAND, theory.BAND, bins + 1)
    states, splittings = np.empty((2, 1 + len(times), n + followed))
    radius = math.cbrt(3.0 * n * volume_per_spin(theory.WIDEST, theory.DECADES) / (4.0 * math.pi))
    for sample in range(samples):
        positions = np.hstack([ball(n, radius, rng), ball(followed, theory.INNER * radius, rng)])
        system = spins_at(positions, rng.uniform(-theory.WIDEST, theory.WIDEST, n + followed), theory.HOT, n, rng)
        settle(system, theory.HOT, 10.0, rng)
        offsets = HALF * rng.uniform(-theory.BAND, theory.BAND, followed)
        system.asymmetries[n:] = theory.CENTRE + offsets - 2.0 * system.local[n:]
        chance = np.where(np.abs(offsets) < HALF, 0.5, 1.0 / (1.0 + math.exp(theory.CENTRE / theory.HOT)))
        system.spins[n:] = np.where(rng.random(followed) < chance, 1.0, -1.0)
        bath = Bath(theory.HOT, log_uniform(theory.SLOWEST, theory.FASTEST, n + followed, rng), True)
        evolve(system, bath, np.concatenate([[0.0], times]), rng, states, splittings)
        found.shifts[sample] = np.abs(splittings[1:, n:] - splittings[0, n:])
        found.flipped[sample] = (states[1:, :n] != states[0, :n]).mean(axis=1)
        missing = 1.0 + states[1:, n:] / math.tanh(theory.CENTRE / (2.0 * theory.HOT))
        for k in range(len(times)):
            weighted = np.histogram(splittings[1 + k, n:] - theory.CENTRE, edges, weights=missing[k])[0]
            found.depths[sample, k] = weighted / (followed / bins)
    return found


# --- the example ---

AFTER = np.geomspace(0.03, 3e4, 13)
"""When heat is recorded, in units of the inverse of the largest attempt rate; from number 4 on its slope is flat."""


def heat_checks(
    alone: int, n: int, samples: int, rng: np.random.Generator
) -> tuple[list[Check], tuple[FloatArray, ...]]:
    """Compare released heat with what is exact; return times, the exact heat (J/m^3), and that of three simulations."""
    quench, barriers = theory.TUNNELLING, theory.BARRIERS
    volume = volume_per_spin(quench.widest, 4.0)
    to_si, times = K_B / (volume * NM**3), AFTER / quench.high
    free = to_si * cool(quench, times, 25, alone, None, rng)
    silica, dense = (to_si * cool(quench, times, n, samples, volume / factor, rng) for factor in (1.0, 100.0))
    exact = to_si * quench.heat(times)
    over = cool(barriers, AFTER / barriers.high, 25, alone, None, rng)
    law = math.pi**2 / 24 * theory.DENSITY * K_B**2 * (quench.before**2 - quench.after**2)
    slope = (free[:, 12] - free[:, 4]) / math.log(AFTER[12] / AFTER[4])
    slope_over = (over[:, 8] - over[:, 5]) / math.log(AFTER[8] / AFTER[5])
    exact_over = float(barriers.heat(AFTER[-1:] / barriers.high)[0])
    end = f"{times[-1] / 86400:.0f} days"
    found = float(silica[:, -1].mean())  # its error is that of as many free spins, which more samples tell better
    error = float(free[:, -1].std(ddof=1)) * math.sqrt(25 / silica.shape[0] / n)
    checks = [
        mean_check("tunnelling: heat (J/m^3) while t grows by e", slope, law, "Zimmermann and Weber"),
        mean_check(f"tunnelling: heat (J/m^3) in {end}", free[:, -1], exact[-1], "exact mean"),
        Check(f"interacting as in silica: heat (J/m^3) in {end}", found, error, exact[-1], "without interaction"),
        mean_check("barriers: heat (K) of a spin while t grows by e", slope_over, barriers.slope(), "closed form"),
        mean_check("barriers: heat (K) of a spin in the end", over[:, -1], exact_over, "exact mean"),
    ]
    return checks, (times, exact, free, silica, dense)


SINCE = np.geomspace(1.0, 1e3, 7)
"""When the hole is looked at, in units of the inverse of the largest attempt rate."""


def hole_checks(
    n: int, followed: int, samples: int, rng: np.random.Generator
) -> tuple[list[Check], tuple[FloatArray, ...]]:
    """Compare widths of shifts and depths of the hole with theory; return times, what samples show, expected widths."""
    times, bins = SINCE / theory.FASTEST, 16
    mean, square = theory.shift_moments(rng)
    burnt = burn(times, n, followed, samples, bins, rng)
    expected = theory.width(theory.flipped_share(times), mean) - theory.lacking(n, mean, square)
    medians = theory.pooled_medians(burnt.shifts)
    growth = theory.TO_MHZ * (medians[:, -1] - medians[:, 1]) / math.log(SINCE[-1] / SINCE[1])
    law = (
        theory.TO_MHZ
        * math.pi**2
        / 3
        * theory.DENSITY
        * K_B
        * NM**3
        * theory.HOT
        * math.tanh(theory.WIDEST / 2 / theory.HOT)
        * mean
    )
    inside = burnt.depths[:, :, bins * 3 // 8 : bins * 5 // 8].mean(axis=2)
    depth = theory.mean_depth(expected) * theory.left_over(times)
    flips = burnt.flipped[:, -1:]
    counted = theory.median_shift(flips, n, mean, square)
    relative = burnt.shifts[:, -1:] / counted[:, :, None]
    ratio = theory.pooled_medians(relative)[:, 0]
    # the bound is that of all samples: by the slope of the share beyond it goes what each adds to the bound
    beyond = (relative[:, 0] > 3.0 * ratio.mean()).mean(axis=1) - 0.6 / math.pi * (ratio / ratio.mean() - 1.0)
    tail = float(np.mean(theory.beyond_three(counted / theory.width(flips, mean))))
    checks = [
        mean_check("half width of shifts, over that by the flips of each sample", ratio, 1.0, "Lorentzian"),
        mean_check("shifts beyond three half widths", beyond, tail, "Lorentzian"),
        mean_check("flipped spins", burnt.flipped[:, -1], float(theory.flipped_share(times)[-1]), "exact mean"),
        mean_check("growth of the half width (MHz) while t grows by e", growth, law, "closed form"),
        *(
            mean_check(f"depth of the hole after {times[k]:.2g} s", inside[:, k], depth[k], "relaxed Lorentzian")
            for k in (2, 4, 6)
        ),
    ]
    return checks, (times, burnt.depths, medians, expected)


def compute(
    seed: int,
    *,
    blocks: int = 400,
    runs: int = 2000,
    alone: int = 2000,
    together: tuple[int, int] = (250, 24),
    burnt: tuple[int, int, int] = (1000, 600, 16),
) -> tuple[list[Check], Callable[[], Figure]]:
    """Return the checks and a function that draws the figure.

    Parameters
    ----------
    seed : int
        Of the random numbers, not negative.
    blocks, runs : int
        Of time, and from one state to a given time, of the seven spins.
    alone : int
        Samples of 25 spins that do not interact.
    together : tuple of int
        How many interacting spins cool down, and in how many samples.
    burnt : tuple of int
        How many spins make a hole diffuse, how many of the hole and its sides are followed, and in how many samples.

    Returns
    -------
    list of Check, function

    Raises
    ------
    ValueError
        If seed is below 0.
    """
    rng = np.random.default_rng(seed)
    balanced = [check for tunnelling in (True, False) for check in balance(tunnelling, blocks, runs, rng)]
    released, heat = heat_checks(alone, *together, rng)
    widened, holes = hole_checks(*burnt, rng)
    return [*balanced, *released, *widened], functools.partial(draw, heat, holes)


def main() -> None:
    """Print the checks, and draw the figure if a file is named."""
    run_example(__doc__, compute)


if __name__ == "__main__":
    main()
