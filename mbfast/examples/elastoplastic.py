r"""Plastic flow of a glass, block by block: ``python -m mbfast.examples.elastoplastic [FILE.png] [--seed N]``.

The model
---------
A periodic body of N cubes of volume V is sheared slowly. Cube s is elastic, like all others, but for its plastic strain
p_s, which has no trace: its mean stress is sigma_s = C:(e_s - p_s). Models of this class are those of G. Picard et al.,
Eur. Phys. J. E 15, 371 (2004), and of A. Nicolas et al., Rev. Mod. Phys. 90, 045006 (2018), who review them. Here
stresses are tensors in three dimensions, and they are those of cubes in an elastic body, exactly.

The energy is half the integral of (e - p):C:(e - p). Its part that is linear in e is that of stress moments T:e, so

    T_s = -V C:p_s,    sigma_s = C:(e + 2 h_s - p_s),    e the mean strain and h the field of all T, a cube's own too.

For one cube that yields by dp this is a table by offset d, the propagator G(d) = -2 V C:Lambda(d):C - C delta_d0, Pa.
Load is what the outside adds to all stresses alike: mu times the mean shear where the mean strain is held, and the mean
stress itself where that is held. The table, clamped or stress-free, is all that differs.

A cube yields where its shear stress, the root of half of s:s of its deviator s, exceeds its threshold. Along n, the
direction of s, its plastic strain then grows by

    dp = f |s|/k n,    k = -n:G(0):n,    which takes the stress along n down by the fraction f,

f being random, and the cube gets a new random threshold. An avalanche is all events at one load: always the cube that
exceeds its threshold most is the next one. Then the load is raised to the least value at which a cube yields.

Why the energy falls
--------------------
By sigma_s = -dE/dp_s/V an event changes the energy at held strain, or at held stress the enthalpy E - N V sigma:e, by

    dE = -V s:dp - V dp:G(0):dp/2 = -V |s|^2 f (1 - f/2)/k < 0    for 0 < f < 2.

Of cubes that yield at the same time, -G as a whole has no eigenvalue above 2 mu for strains without a trace, so that dE
is at most the sum of -V |s|^2 f/k (1 - f mu/k), which is negative for f < k/mu: 0.92 and more in silica. Fractions here
are below 0.9. With larger ones what is relaxed at once may overshoot and raise the energy, although none of its events
alone would: it does where all cubes of a body yield together.

What a run shows, and what not
------------------------------
Laminates, the own stress of a cube, sum rules, energies and work are compared with closed forms. Sizes of avalanches,
numbers of events, are to be distributed as S^-tau up to a cutoff L^d_f. J. Lin et al., PNAS 111, 14382 (2014), have tau
= 1.43 and d_f = 1.5 in three dimensions, for a scalar stress; Z. Budrikis et al., Nat. Commun. 8, 15928 (2017), have
1.28 for tensors. The bodies here are small. tau comes from how the mean size m and the mean M of S^2, over m, grow with
L, 2 - d ln m/d ln M, whatever the form of the cutoff, and once more from a fit of S^-tau exp(-S/S_c); half of what they
differ by is taken for the systematic error. That tells no universality class from another, and d_f, which comes out
near 1.1, has not reached its limit.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

import mbfast
from mbfast._core.validate import count_from, positive_number
from mbfast._core.voigt import WEIGHTS
from mbfast.examples._checks import Check, run_example
from mbfast.examples._plasticity import (
    HELD,
    MU,
    SIDE,
    SILICA,
    THRESHOLD,
    Body,
    at_once,
    cubes,
    lattice_field,
    propagator,
    stiffness,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mbfast._core.validate import FloatArray

FEWEST = 3.0  # load, in mean thresholds, from which on avalanches count: the flow is steady then


def growth_exponent(samples: Sequence[FloatArray]) -> float:
    """Exponent tau by how the mean m of sizes and M = <S^2>/m grow with the body: 2 - d ln m/d ln M."""
    means = np.array([sizes.mean() for sizes in samples])
    squares = np.array([(sizes**2).mean() for sizes in samples])
    return float(2.0 - np.polyfit(np.log(squares / means), np.log(means), 1)[0])


def growth_error(samples: Sequence[FloatArray], parts: int = 10) -> float:
    """Return the standard deviation of `growth_exponent`: the jackknife over parts of each run, one after the other."""
    variance = 0.0
    for at, sizes in enumerate(samples):
        pieces = np.array_split(sizes, parts)
        without = [np.concatenate(pieces[:k] + pieces[k + 1 :]) for k in range(parts)]
        values = [growth_exponent([*samples[:at], some, *samples[at + 1 :]]) for some in without]
        variance += (parts - 1) * float(np.var(values))
    return math.sqrt(variance)


def fitted_exponent(sizes: FloatArray) -> float:
    """Exponent tau of the likeliest S^-tau exp(-S/S_c) of whole numbers S."""
    from scipy.optimize import minimize  # noqa: PLC0415

    logs, mean, support = np.log(sizes).mean(), sizes.mean(), np.arange(1.0, 20.0 * sizes.max())

    def unlikely(parameters: FloatArray) -> float:
        tau, rate = parameters[0], math.exp(parameters[1])
        return float(tau * logs + rate * mean + np.log(np.sum(support**-tau * np.exp(-rate * support))))

    return float(minimize(unlikely, [1.4, -math.log(mean)], method="Nelder-Mead").x[0])


def laminate_error(n: int, strain: FloatArray, held: str = "strain") -> float:
    """Return the largest deviation, over that of C:p, of stresses in a body with a layer of cubes that yield, across z.

    Across the layer the traction is continuous, and strains may differ by (a_i z_j + z_i a_j)/2 alone.
    """
    table, found = propagator(cubes(n), HELD[held]), np.zeros((6, n**3))
    for s in range(0, n**3, n):
        lattice_field(s, strain, table, found)
    c = stiffness()
    traction = (c @ (WEIGHTS * strain))[[4, 3, 2]]  # xz, yz, zz
    a = traction / c[[4, 3, 2], [4, 3, 2]] / np.array([2.0, 2.0, 1.0])  # C_xzxz = mu: sigma_xz = 2 mu e_xz
    apart = np.array([0.0, 0.0, a[2], a[1], a[0], 0.0])
    mean = strain / n if held == "stress" else np.zeros(6)
    expected = np.tile(c @ (WEIGHTS * (mean - apart / n)), (n, 1)).T
    expected[:, 0] += c @ (WEIGHTS * (apart - strain))
    deviation = found.reshape(6, n, n, n) - expected[:, None, None]
    return float(np.abs(deviation).max() / np.abs(c @ (WEIGHTS * strain)).max())


def own_relief(n: int) -> tuple[float, float]:
    """Return -G(0)_xyxy/mu of a cube and its images, of n^3 to a period, held at zero mean strain; closed form.

    It is 1 - S, where S p is the cube's strain by its plastic strain p. For one cube S is 2/3 + alpha F/(2 pi), by the
    average F of d_xxyy r over pairs of points of the cube; for a sphere, F = -8 pi/15, that is Eshelby's. To it come
    the images, as points, by the same sum over a cubic lattice, and the uniform strain that takes off the mean.
    """
    alpha, root2, root3 = SILICA.alpha, math.sqrt(2.0), math.sqrt(3.0)
    cube = -4.0 + 8.0 * root2 - 4.0 * root3 - 8.0 * math.log1p(root2) + 4.0 * math.log(2.0 + root3)
    points = 4.6696510703881  # the sum of d_xxyy r over all others of a cubic lattice of points, by spheres
    own = 2.0 / 3.0 + alpha * cube / (2.0 * math.pi)
    images = alpha * points / (2.0 * math.pi) - (2.0 / 3.0 - 4.0 * alpha / 15.0)
    table = propagator(cubes(n), "clamped")
    return -table[20, 0, 0, 0] / MU, 1.0 - own - images / n**3


def far_strain(offset: tuple[int, int, int]) -> float:
    """Return the strain xy by one cube that yields in xy, in an infinite body, over that of a point at its centre."""
    lattice = mbfast.BlockLattice((1 + offset[0], 1 + offset[1], 1 + offset[2]), SIDE, averaged=True)
    moments = np.zeros((*lattice.shape, 6))
    moments[0, 0, 0, 5] = 1.0
    point = SILICA.tensor(SIDE * np.array(offset, dtype=np.float64))[0, 1, 0, 1] * 2.0
    return float(mbfast.LatticeField(SILICA, lattice)(moments)[offset][5] / point)


def propagator_checks(rng: np.random.Generator, n: int = 8) -> list[Check]:
    """Compare stresses of single events and of layers with closed forms."""
    strain = rng.normal(size=6)
    strain[:3] -= strain[:3].mean()  # no change of volume
    c, found = stiffness(), np.zeros((6, n**3))
    lattice_field(3, strain, propagator(cubes(n), "clamped"), found)
    lacking = np.abs(found.sum(axis=1) + c @ (WEIGHTS * strain)).max() / np.abs(found).max()
    relief, known = own_relief(n)
    distance = (12, 12, 0)
    source = f"that of a point, in the limit; 2/r² apart at {distance}"
    return [
        Check(
            "stresses of a laminate, largest deviation", laminate_error(n, strain), 1e-10, 0.0, "continuous traction"
        ),
        Check(
            "own xy stress relieved, clamped, over 2μ",
            relief,
            n**-5.0,
            known,
            "closed form for a cube and point images",
        ),
        Check("stresses of an event, summed, and C:p", float(lacking), 1e-10, 0.0, "the mean strain is held"),
        Check("strain of an event far away", far_strain(distance), 2.0 / 288.0, 1.0, source),
    ]


def body_checks(body: Body) -> list[Check]:
    """Compare what was kept up, event by event, with the same from the plastic strains alone."""
    energy, stress = body.anew()
    strains, stresses = body.curve
    name, source = f"held {body.held}", "summed anew"
    what = "work - losses, over the energy" if body.held == "strain" else "enthalpy kept up, over that"
    changed = float(np.abs(stress - body.stress).max() / np.abs(stress).max())
    return [
        Check(f"{name}: {what}", body.energy_kept / energy, 1e-10, 1.0, source),
        Check(f"{name}: stresses, largest deviation", changed, 1e-10, 0.0, source),
        Check(f"{name}: modulus at the start, over μ", float(stresses[1] / strains[1] / MU), 1e-10, 1.0, "ρ c_t²"),
        Check(f"{name}: events that raised the energy", float(body.history[:, 6].sum()), 0.5, 0.0, "f (1 - f/2) > 0"),
    ]


def avalanches(body: Body) -> FloatArray:
    """Return the numbers of events of the avalanches of steady flow."""
    steady: FloatArray = body.history[body.history[:, 0] > FEWEST * THRESHOLD, 4]
    return steady


def exponent_check(bodies: Sequence[Body]) -> Check:
    """Compare tau with that of the literature; half of what two routes differ by counts as an error."""
    samples = [avalanches(body) for body in bodies]
    tau, scatter, fitted = growth_exponent(samples), growth_error(samples), fitted_exponent(samples[-1])
    sides = ", ".join(str(body.n) for body in bodies)
    name = f"exponent of avalanche sizes, n = {sides} ({scatter:.2g} of the error by chance, a fit {fitted:.2f})"
    return Check(name, tau, math.hypot(scatter, 0.5 * (tau - fitted)), 1.43, "Lin et al. 2014, three dimensions")


def compute(
    seed: int,
    bodies: Sequence[tuple[int, float]] = ((8, 100.0), (12, 50.0), (20, 12.0)),
    *,
    together: tuple[int, int] = (12, 150),
    flowing: float = 1.0,
) -> tuple[list[Check], Callable[[], Figure]]:
    """Drive bodies of n^3 cubes at held strain, and the last one at held stress; return checks and the figure.

    Parameters
    ----------
    seed : int
        Of all random numbers.
    bodies : sequence of (int, float)
        n, and the load to drive to, in mean thresholds: two or more, the largest the last one.
    together : (int, int)
        n, and how many avalanches, of the body whose cubes yield at once.
    flowing : float
        Events a cube in one avalanche after which the body of a held stress flows.

    Returns
    -------
    checks : list of Check
        Numbers beside what they must be.
    draw : callable
        Draws the figure. Needs matplotlib, of the extra plot.

    Raises
    ------
    TypeError
        If seed, an n or a number of avalanches is no whole number, or a load or flowing is no number.
    ValueError
        If seed is below 0, bodies are fewer than two or do not grow from an n of 2 on, a load is below 4, the numbers
        of together are below 1, or flowing is not positive.
    """
    count_from(0, "seed", seed)
    sides = [count_from(2, "bodies", n) for n, _ in bodies]
    if len(sides) < 2 or sorted(set(sides)) != sides:
        raise ValueError(f"bodies must be two or more that grow, got n = {sides}")
    for _, load in bodies:
        if positive_number("bodies", load, unit="") < FEWEST + 1.0:
            raise ValueError(f"bodies must have loads of {FEWEST + 1.0:g} or more, so that they flow, got {load}")
    for count in together:
        count_from(1, "together", count)
    positive_number("flowing", flowing, unit="")

    def random(k: int) -> np.random.Generator:
        return np.random.default_rng([seed, k])

    def driven_to(k: int) -> Body:
        return Body(bodies[k][0], "strain", random(k)).drive(bodies[k][1] * THRESHOLD)

    last = len(bodies) - 1
    runs: list[Callable[[], Any]] = [
        *(functools.partial(driven_to, k) for k in range(last + 1)),
        lambda: Body(bodies[last][0], "stress", random(last)).drive(3.0 * THRESHOLD, flowing=flowing),
        lambda: at_once(together[0], random(last + 1), together[1]),
    ]
    with ThreadPoolExecutor() as pool:
        *driven, stressed, (steps, rises) = [run.result() for run in [pool.submit(run) for run in runs]]
    checks = [
        *propagator_checks(random(last + 2)),
        *body_checks(driven[-1]),
        *body_checks(stressed),
        Check(f"updates at once, of {steps}, that raised the energy", float(rises), 0.5, 0.0, "f μ/k < 1"),
        exponent_check(driven),
    ]
    return checks, lambda: draw(driven, stressed)


CAPTION = """Left: the mean shear stress of a periodic body of cubes of silica by its shear strain, as the mean strain
    is held and, from the same thresholds, as the mean stress is held, up to where it flows at one stress. Middle: the
    distribution of the numbers of events of an avalanche in steady flow at held strain, in bodies of n³ cubes, and the
    slope of the literature in three dimensions. Right: the plastic shear strain of a plane of the largest body at the
    end of the run at held strain. Cubes yield one after the other, their stresses kept up by a table of couplings."""


def draw(bodies: Sequence[Body], stressed: Body) -> Figure:
    """Draw stress by strain, how many avalanches have which size, and a plane of plastic strain."""
    from mbfast.plotting.style import COLOURS, LINES, MARKERS, WIDE, finish, new_figure, styled  # noqa: PLC0415

    largest = bodies[-1]
    with styled():
        figure = new_figure(WIDE, 62.0)
        left, middle, right = figure.subplots(1, 3)
        for body, name, k in ((largest, "strain held", 0), (stressed, "stress held", 1)):
            strain, stress = body.curve
            left.plot(100.0 * strain, 1e-9 * stress, linestyle=LINES[k], color=COLOURS[k], label=name)
        left.set(
            xlabel="shear strain (%)", ylabel="shear stress (GPa)", xlim=(0.0, 100.0 * largest.load / MU), ylim=0.0
        )
        for body, colour, marker in zip(bodies, COLOURS[1:], MARKERS, strict=False):
            sizes = avalanches(body)
            edges = np.unique(np.ceil(2.0 ** np.arange(0.0, 1.0 + np.log2(sizes.max() + 1.0), 0.75)))
            counts = np.histogram(sizes, edges)[0] / np.diff(edges) / len(sizes)
            some = counts > 0
            centres = np.sqrt(edges[:-1] * (edges[1:] - 1.0))
            middle.plot(centres[some], counts[some], marker, color=colour, label=f"$n$ = {body.n}")
        guide = np.array([2.0, 60.0])
        middle.plot(guide, 0.5 * guide**-1.43, LINES[2], color=COLOURS[0], label="slope 1.43")
        middle.set(xscale="log", yscale="log", xlabel="events $S$", ylabel="share of avalanches, $P(S)$")
        n = largest.n
        plane = 200.0 * largest.plastic[5].reshape(n, n, n)[:, :, n // 2]
        image = right.imshow(plane.T, cmap="cividis", origin="lower")
        right.set(xlabel="$x$ (cubes)", ylabel="$y$ (cubes)")
        figure.colorbar(image, ax=right, label="plastic shear strain (%)", location="right", shrink=0.9)
        conditions = f"silica, {n}³ cubes of {1e9 * SIDE:g} nm, yield stress {1e-9 * THRESHOLD:g} GPa on average"
        finish(figure, CAPTION, conditions=conditions, columns=4)
    return figure


if __name__ == "__main__":
    run_example(__doc__, compute, threaded=True)
