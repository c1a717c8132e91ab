"""Dipoles that relax by torques and forces, to ground states: ``python -m mbfast.examples.dipole_relaxation [FILE]``.

Dipoles of one length p on a cubic lattice have few ground states, which Luttinger and Tisza found among all arrays of
twice the lattice's period. Here 2 x 2 x 2 primitive cells with all their images relax from random directions, by the
torque p x E of the electric field E = -2 h. How the body is held decides what they reach. Between short-circuited
plates ("tin-foil"), as in a needle, the dipoles of bcc and fcc become parallel. A sphere of images in a vacuum has a
depolarizing field, so that parallel dipoles gain nothing, and none are left. In the simple cubic lattice antiparallel
lines of dipoles are best in both. The method of Luttinger and Tisza itself takes one line here: p^2 times the least
eigenvalue of the map from dipoles to fields is a lower bound of the energy of a dipole.

Dipoles may move as well. With a repulsion of your own between any two, (sigma/r)^12, two and three in free space relax
to a chain, and six to a ring.

What this does not show: the energies in a sphere are those of twice the primitive period. With four times the
primitive period of fcc there is a state of less energy, with domains, as the example finds; without a restriction on
the period the least energy does not depend on the shape (R. B. Griffiths, Phys. Rev. 176, 655 (1968)). And each
relaxation ends in some local minimum. That the lowest is that of all is known on lattices, as it reaches the bound; of
clusters it is only the lowest of forty.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.sparse.linalg import eigsh

import mbfast
from mbfast.examples._checks import Check, run_example

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mbfast._core.validate import FloatArray

POINT = mbfast.DipoleInteraction(1 / (4 * math.pi))  # unit dipoles at unit distances have energies in p^2/4 pi eps a^3
CELLS = {  # vectors of the primitive cell, as rows, in units of the cube's side
    "sc": np.eye(3),
    "bcc": np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]),
    "fcc": np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]),
}
PARALLEL = -2 * math.pi / 3  # half of the energy in the Lorentz field n p/(3 eps)
LUTTINGER_TISZA = {  # energy of a dipole over n p^2/(4 pi eps), n dipoles per volume, of arrays of twice the period
    ("sc", "tin-foil"): -2.676788684,
    ("sc", "vacuum"): -2.676788684,
    ("bcc", "tin-foil"): PARALLEL,
    ("bcc", "vacuum"): -1.985920929,
    ("fcc", "tin-foil"): PARALLEL,
    ("fcc", "vacuum"): -1.807573634,
}
"""J. M. Luttinger and L. Tisza, Phys. Rev. 70, 954 (1946), to three decimals; to nine in the samples of OpenMD."""
EXACT = 1e-7  # of energies, which stop where slopes are 1e-6: errors are squares of them over curvatures, and rtol
CAPTION = """Dipoles of one length p, relaxed from random starts. Top left: on 2 × 2 × 2 cells of the simple cubic
    lattice, of side a, periodic, in antiparallel lines along each axis; any mixture of the three axes has the same
    energy. Top right: six dipoles that may move, in free space, with a repulsion (σ/r)¹² p²/(4πεσ³) between any two,
    seen across their plane. Bottom left: energies of a dipole on three lattices, from each start, over n p²/(4πε) for
    n dipoles per volume, by the number of iterations, between short-circuited plates (solid) and in a sphere in a
    vacuum (dashed); diamonds at the right are the energies of Luttinger and Tisza. Bottom right: energies of six
    dipoles from all starts, over p²/(4πεσ³); the lowest become a ring, most others a chain. There is no temperature."""


class Relaxed(NamedTuple):
    """What a relaxation ends with."""

    energy: float  # of all
    positions: FloatArray  # (N, 3)
    dipoles: FloatArray  # (N, 3), of length 1
    torque: float  # the largest component of p x E of a dipole
    energies: list[float]  # after each iteration

    @property
    def energy_of_one(self) -> float:
        """Of a dipole, on average."""
        return self.energy / len(self.dipoles)


def relaxed(
    energy_and_slopes: Callable[[FloatArray, FloatArray], tuple[float, FloatArray, FloatArray]],
    positions: FloatArray, dipoles: FloatArray, *, free: bool, steps: int = 800,
) -> Relaxed:  # fmt: skip
    """Minimize an energy by the directions of dipoles, and by their positions if these are `free`.

    The function takes positions and unit dipoles (N, 3) and returns the energy, the forces and the electric field at
    the dipoles. Directions are those of vectors of any length, so that no constraint is left.
    """
    n = len(dipoles)

    def both(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        places, vectors = (x[: 3 * n], x[3 * n :]) if free else (positions, x)
        lengths = np.linalg.norm(vectors.reshape(n, 3), axis=1, keepdims=True)
        return places.reshape(n, 3), vectors.reshape(n, 3) / lengths, lengths

    def slopes(x: FloatArray) -> tuple[float, FloatArray]:
        places, p, lengths = both(x)
        energy, forces, field = energy_and_slopes(places, p)
        turning = np.cross(p, np.cross(p, field)) / lengths  # p x torque: what is left of -E across p
        return energy, np.concatenate([-forces.ravel()] * free + [turning.ravel()])

    energies: list[float] = []
    start = np.concatenate([positions.ravel()] * free + [dipoles.ravel()])
    options = {"gtol": 1e-6, "ftol": 0.0, "maxiter": steps}
    found = minimize(
        slopes, start, jac=True, method="L-BFGS-B", options=options,
        callback=lambda intermediate_result: energies.append(float(intermediate_result.fun)),
    )  # fmt: skip
    places, p, _ = both(found.x)
    torque = np.abs(np.cross(p, energy_and_slopes(places, p)[2])).max()
    return Relaxed(float(found.fun), places, p, float(torque), energies)


def lattice(name: str, condition: str, period: int) -> tuple[mbfast.EwaldField, float]:
    """Return the field of dipoles on period^3 primitive cells of a lattice, and how many there are per volume."""
    vectors = CELLS[name]
    places = np.array(list(np.ndindex(period, period, period))) @ vectors
    options: dict[str, Any] = {"boundary": "periodic", "macroscopic": condition, "rtol": 1e-8}
    density = 1.0 / abs(float(np.linalg.det(vectors)))
    return mbfast.EwaldField(POINT, places, cell=period * vectors, **options), density


def relaxed_on_lattice(name: str, condition: str, period: int, starts: int, rng: np.random.Generator) -> list[Relaxed]:
    """Relax dipoles on a lattice from random directions; energies are those of all over n p^2/(4 pi eps)."""
    summed, density = lattice(name, condition, period)
    places = np.array(list(np.ndindex(period, period, period))) @ CELLS[name]

    def energy_and_slopes(_: FloatArray, p: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        h = summed(p, threads=1) / density
        return float(np.sum(p * h)), np.zeros(0), -2.0 * h

    return [relaxed(energy_and_slopes, places, rng.normal(size=places.shape), free=False) for _ in range(starts)]


def bound(name: str, condition: str, period: int, rng: np.random.Generator) -> float:
    """Return the bound of Luttinger and Tisza: the least eigenvalue of the map from dipoles to fields, h over n p."""
    summed, density = lattice(name, condition, period)
    operator = summed.operator(threads=1)
    return float(eigsh(operator, 1, which="SA", v0=rng.normal(size=operator.shape[0]))[0][0]) / density


def soft_dipoles(positions: FloatArray, p: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Energy, forces and electric field of dipoles in free space that repel each other, in sigma and p^2/4 pi eps."""
    summed = mbfast.DirectField(POINT, positions, threads=1)
    h = summed(p, threads=1)
    d = positions[:, None] - positions
    r2 = np.sum(d * d, axis=2) + np.diag(np.full(len(p), np.inf))
    repulsion = r2**-6.0  # (sigma/r)^12, of each pair twice
    pushed = np.sum((12.0 * repulsion / r2)[:, :, None] * d, axis=1)
    return float(np.sum(p * h) + 0.5 * np.sum(repulsion)), summed.forces(p, threads=1) + pushed, -2.0 * h


def relaxed_clusters(n: int, starts: int, rng: np.random.Generator) -> list[Relaxed]:
    """Relax dipoles from random directions and places, so close that they may meet in a ring; the lowest to the end."""
    near, found = 0.4 * math.cbrt(n), []
    for _ in range(starts):
        places, p = near * rng.normal(size=(n, 3)), rng.normal(size=(n, 3))
        found.append(relaxed(soft_dipoles, places, p, free=True, steps=200))
    best = lowest(found)
    return [*found, relaxed(soft_dipoles, best.positions, best.dipoles, free=True)]


def even_energy(distances: FloatArray, attraction: FloatArray) -> float:
    """Return the least energy of pairs at multiples of one length d, the sum of 1/(x d)^12 - attraction/(x d)^3.

    With sums A and B it is A/d^12 - B/d^3, least at d^9 = 4 A/B.
    """
    repelled, attracted = float(np.sum(distances**-12.0)), float(np.sum(attraction / distances**3))
    return -0.75 * attracted * math.cbrt(0.25 * attracted / repelled)


def steps_apart(n: int) -> FloatArray:
    """Return by how many steps the two of each pair are apart along a chain."""
    return np.repeat(np.arange(1.0, n), np.arange(n - 1, 0, -1))


def chain_energy(n: int) -> float:
    """Return the exact energy of two or three dipoles head to tail in a line: their distances are the same."""
    return even_energy(steps_apart(n), np.full(n * (n - 1) // 2, 2.0))


def ring_energy(n: int) -> float:
    """Return the exact energy of n dipoles along a ring.

    Two whose directions differ by the angle t see each other at t/2 from them, so that they attract each other by
    3 cos(t/2)^2 - cos t = (3 + cos t)/2.
    """
    angles = 2.0 * math.pi / n * steps_apart(n)
    return even_energy(np.sin(0.5 * angles) / math.sin(math.pi / n), 0.5 * (3.0 + np.cos(angles)))


class Results(NamedTuple):
    """What the example computes, from every start."""

    lattices: dict[tuple[str, str], list[Relaxed]]
    domains: Relaxed  # the lowest of fcc in a vacuum, of four times the primitive period
    domains_bound: float
    clusters: dict[int, list[Relaxed]]


def relax_all(seed: int) -> Results:
    """Relax the lattices from four starts each, one of a longer period from two, and clusters from up to forty."""
    rng = np.random.default_rng(seed)
    lattices = {case: relaxed_on_lattice(*case, 2, 4, rng) for case in LUTTINGER_TISZA}
    domains = lowest(relaxed_on_lattice("fcc", "vacuum", 4, 2, rng))
    clusters = {n: relaxed_clusters(n, starts, rng) for n, starts in ((2, 2), (3, 3), (6, 40))}
    return Results(lattices, domains, bound("fcc", "vacuum", 4, rng), clusters)


def lowest(found: list[Relaxed]) -> Relaxed:
    """Return the one of the least energy."""
    return min(found, key=lambda one: one.energy)


def checks(results: Results) -> list[Check]:
    """Compare the lowest energies with exact and published ones."""
    of_dipoles, of_cluster = "energy of a dipole over n p²/(4πε)", "energy over p²/(4πεσ³)"
    found = []
    for (name, condition), published in LUTTINGER_TISZA.items():
        energy = lowest(results.lattices[name, condition]).energy_of_one
        source = "Luttinger and Tisza" if published != PARALLEL else "half of the Lorentz field"
        found.append(Check(f"{name}, {condition}, {of_dipoles}", energy, EXACT, published, source))
    energy, source = results.domains.energy_of_one, "least eigenvalue"
    found.append(
        Check(f"fcc, vacuum, four primitive periods, {of_dipoles}", energy, EXACT, results.domains_bound, source)
    )
    for n, cluster in results.clusters.items():
        exact, shape = (ring_energy(n), "exact ring") if n > 3 else (chain_energy(n), "exact chain")
        found.append(Check(f"{n} soft dipoles, {of_cluster}", lowest(cluster).energy, EXACT, exact, shape))
    return found


def compute(seed: int) -> tuple[list[Check], Callable[[], Figure]]:
    """Relax, and return the checks and what draws the figure."""
    results = relax_all(seed)
    return checks(results), functools.partial(draw, results)


def draw(results: Results) -> Figure:
    """Draw two ground states, and energies on the way to them. Needs matplotlib, of the extra plot."""
    from mbfast.plotting.style import WIDE, finish, new_figure, styled  # noqa: PLC0415

    with styled():
        figure = new_figure(WIDE, 125.0)
        _draw_lattice(figure.add_subplot(2, 2, 1, projection="3d"), results.lattices["sc", "vacuum"][0])
        _draw_ring(figure.add_subplot(2, 2, 2), lowest(results.clusters[6]))
        _draw_descents(figure.add_subplot(2, 2, 3), results.lattices)
        _draw_clusters(figure.add_subplot(2, 2, 4), results.clusters[6])
        finish(figure, CAPTION, columns=3)
    return figure


def _draw_lattice(axes: Axes, state: Relaxed) -> None:
    """Draw dipoles on a cube, and its edges."""
    x, p = state.positions, 0.55 * state.dipoles
    for one in range(8):
        for other in range(one):
            if np.sum((x[one] - x[other]) ** 2) < 1.5:
                axes.plot(*x[[one, other]].T, color="#BBBBBB", linewidth=0.6)
    axes.quiver(*(x - 0.5 * p).T, *p.T, color="#0072B2", linewidth=1.2, arrow_length_ratio=0.35)
    axes.set(title="simple cubic", xlabel="$x$ (a)", ylabel="$y$ (a)")
    axes.set(xticks=[0, 1], yticks=[0, 1], zticks=[0, 1])


def _draw_ring(axes: Axes, state: Relaxed) -> None:
    """Draw dipoles that move, in the plane that is nearest to them."""
    centred = state.positions - state.positions.mean(axis=0)
    plane = np.linalg.svd(centred)[2][:2].T
    x, p = centred @ plane, state.dipoles @ plane
    axes.quiver(*(x - 0.35 * p).T, *(0.7 * p).T, angles="xy", scale_units="xy", scale=1.0, width=0.012, color="#D55E00")
    axes.plot(*x.T, "o", color="#D55E00")
    axes.set(title="six dipoles that move", xlabel="$x$ (σ)", ylabel="$y$ (σ)", aspect="equal")
    axes.set(xlim=(-1.8, 1.8), ylim=(-1.8, 1.8))


def _draw_descents(axes: Axes, lattices: dict[tuple[str, str], list[Relaxed]]) -> None:
    """Draw the energies of lattices by the number of iterations."""
    from mbfast.plotting.style import COLOURS, LINES, MARKERS  # noqa: PLC0415

    last = max(len(run.energies) for runs in lattices.values() for run in runs)
    for (name, condition), runs in lattices.items():
        which = list(CELLS).index(name)
        look: dict[str, Any] = {
            "color": COLOURS[which + 1],
            "linestyle": LINES[("tin-foil", "vacuum").index(condition)],
            "marker": MARKERS[which],
            "markersize": 2.5,
            "markevery": 6,
        }
        for number, run in enumerate(runs):
            energies = np.array(run.energies) / len(run.dipoles)
            label = f"{name}, {condition}" if number == 0 else None
            axes.plot(np.arange(1, len(energies) + 1), energies, **look, label=label)
        axes.plot([last + 2], [LUTTINGER_TISZA[name, condition]], "D", color=look["color"], clip_on=False)
    axes.set(xlabel="iteration", ylabel="energy of a dipole (n p²/4πε)", xlim=(0, last + 2))


def _draw_clusters(axes: Axes, runs: list[Relaxed]) -> None:
    """Draw the energies of clusters by the number of iterations, and that of the ring."""
    for run in runs[:-1]:
        axes.plot(np.arange(1, len(run.energies) + 1), run.energies, color="#56B4E9", linewidth=0.7)
    axes.axhline(ring_energy(len(runs[0].dipoles)), color="#000000", linestyle=":", label="exact ring")
    axes.set(xscale="log", xlabel="iteration", ylabel="energy (p²/4πεσ³)", ylim=(-8.0, 0.0))


def main() -> None:
    """Relax lattices and clusters, and draw them if a file is named."""
    run_example(__doc__, compute)


if __name__ == "__main__":
    main()
