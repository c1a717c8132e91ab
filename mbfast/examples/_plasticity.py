"""The body of `mbfast.examples.elastoplastic`, which derives it: cubes that yield one by one, or at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numba
import numpy as np

import mbfast
from mbfast._core.validate import FloatArray, require_choice
from mbfast._core.voigt import WEIGHTS
from mbfast.kernels import spins

SILICA = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)  # kg/m^3, m/s
MU = SILICA.density * SILICA.c_t**2  # Pa
SIDE = 1.5e-9  # m
THRESHOLD = 1e9  # Pa, the mean; thresholds are uniform from zero to twice this
FRACTION = 0.9  # the most of its stress that a cube relieves; uniform from zero
ROWS = np.triu_indices(6)  # the order of a table's elements

HELD = {"strain": "clamped", "stress": "stress-free"}

lattice_field = spins.lattice_field


def cubes(n: int) -> mbfast.BlockLattice:
    """Return the lattice of a body."""
    return mbfast.BlockLattice((n, n, n), SIDE, averaged=True)


def stiffness() -> FloatArray:
    """Return C (6, 6), in Pa: plain tensor components, so that sigma = C @ (WEIGHTS * e)."""
    c: FloatArray = np.diag(2.0 * MU / WEIGHTS)
    c[:3, :3] += SILICA.density * SILICA.c_l**2 - 2.0 * MU
    return c


def propagator(lattice: mbfast.BlockLattice, macroscopic: str) -> FloatArray:
    """Return G (21, n1, n2, n3), in Pa, the stress at an offset from a cube by its plastic strain: a coupling table."""
    held = mbfast.LatticeField(SILICA, lattice, boundary="periodic", macroscopic=macroscopic, self_field=True)
    places = np.empty((6, 6), dtype=np.int64)
    places[ROWS] = places[ROWS[::-1]] = np.arange(21)
    c = stiffness()
    table = np.einsum(
        "ab,bcxyz,dc->adxyz", -2.0 * lattice.spacing**3 * c * WEIGHTS, held.coupling_table()[places], c * WEIGHTS
    )
    table[..., 0, 0, 0] -= c
    return np.ascontiguousarray(table[ROWS])


@numba.njit
def own_stiffness(n, table):  # type: ignore[no-untyped-def]
    """-n:G(0):n of a tensor n (6,), in Pa: what its own stress falls by with a plastic strain along n."""
    total, row = 0.0, 0
    for a in range(6):
        for b in range(a, 6):
            weight = (1.0 if a < 3 else 2.0) * (1.0 if b < 3 else 2.0) * (1.0 if a == b else 2.0)
            total -= weight * table[row, 0, 0, 0] * n[a] * n[b]
            row += 1
    return total


@numba.njit
def squared_shear(stress, s):  # type: ignore[no-untyped-def]
    """Half of the square of the deviator of the stress of cube s: the square of its shear stress."""
    xx, yy, zz, yz, xz, xy = stress[0, s], stress[1, s], stress[2, s], stress[3, s], stress[4, s], stress[5, s]
    return ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2) / 6.0 + yz * yz + xz * xz + xy * xy


@numba.njit
def find_step(stress, s, fraction, table, strain):  # type: ignore[no-untyped-def]
    """Fill the plastic strain (6,) by which cube s relieves a fraction of its shear stress."""
    size = math.sqrt(2.0 * squared_shear(stress, s))
    mean = (stress[0, s] + stress[1, s] + stress[2, s]) / 3.0
    for a in range(6):
        strain[a] = (stress[a, s] - (mean if a < 3 else 0.0)) / size
    length = fraction * size / own_stiffness(strain, table)
    for a in range(6):
        strain[a] *= length


@numba.njit
def mean_xy(rows):  # type: ignore[no-untyped-def]
    """Mean of the xy components of (6, n)."""
    total = 0.0
    for s in range(rows.shape[1]):
        total += rows[5, s]
    return total / rows.shape[1]


@numba.njit
def half_work(strain, stress, s):  # type: ignore[no-untyped-def]
    """Half of the energy, by volume, that a plastic strain takes from the body at the stress of cube s."""
    total = 0.0
    for a in range(6):
        total += (0.5 if a < 3 else 1.0) * strain[a] * stress[a, s]
    return total


@numba.njit
def yield_one(s, fraction, table, stress, plastic):  # type: ignore[no-untyped-def]
    """Let cube s yield, bring the stresses of all up to date; return the change of the energy, by V, in Pa."""
    strain = np.empty(6)
    find_step(stress, s, fraction, table, strain)
    change = -half_work(strain, stress, s)
    lattice_field(s, strain, table, stress)
    for a in range(6):
        plastic[a, s] += strain[a]
    return change - half_work(strain, stress, s)


@numba.njit
def next_to_yield(stress, thresholds):  # type: ignore[no-untyped-def]
    """Return the load that is lacking until a cube yields, and which one."""
    least, at = math.inf, -1
    for s in range(thresholds.size):
        xy = stress[5, s]
        rest = thresholds[s] ** 2 - squared_shear(stress, s) + xy * xy
        lacking = math.sqrt(max(rest, 0.0)) - xy
        if lacking < least:
            least, at = lacking, s
    return max(least, 0.0), at


@numba.njit
def weakest(stress, thresholds):  # type: ignore[no-untyped-def]
    """Return the cube that exceeds its threshold by the largest factor, or -1."""
    most, at = 1.0, -1
    for s in range(thresholds.size):
        ratio = squared_shear(stress, s) / thresholds[s] ** 2
        if ratio > most:
            most, at = ratio, s
    return at


@numba.njit(nogil=True)
def drive(table, stress, plastic, thresholds, load, limits, draws, rng, history):  # type: ignore[no-untyped-def]
    """Raise the load, avalanche by avalanche, and fill rows of history; return the load and how many rows.

    limits are the largest load (Pa) and the most events of one avalanche, beyond which the body flows; draws the mean
    threshold and the largest fraction. A row has load, mean xy stress before and after, mean xy plastic strain after,
    events, change of the energy of the body by its volume (Pa), and how many events raised it.
    """
    for row in range(len(history)):
        lacking, s = next_to_yield(stress, thresholds)
        if load + lacking > limits[0]:
            return load, row
        load += lacking
        for t in range(thresholds.size):
            stress[5, t] += lacking
        events, changed, rises, before = 0, 0.0, 0, mean_xy(stress)
        while s >= 0 and events < limits[1]:
            change = yield_one(s, draws[1] * rng.random(), table, stress, plastic)
            thresholds[s] = 2.0 * draws[0] * rng.random()
            events, changed, rises = events + 1, changed + change, rises + (change > 0.0)
            s = weakest(stress, thresholds)
        out = history[row]
        out[0], out[1], out[2], out[3] = load, before, mean_xy(stress), mean_xy(plastic)
        out[4], out[5], out[6] = events, changed / thresholds.size, rises
        if s >= 0:
            return load, row + 1
    return load, len(history)


@numba.njit(nogil=True)
def yield_at_once(field, moments, thresholds, load, medium, table, draws, rng):  # type: ignore[no-untyped-def]
    """Let all cubes above their thresholds yield; return how many, and the energy (J) that all had before, but for C.

    field and moments (n, 6) are h and T; medium is (mu, V). What the energy is short of, that of the load, is constant.
    """
    (mu, volume), events, energy, stress, strain = medium, 0, 0.0, np.empty((6, 1)), np.empty(6)
    for s in range(thresholds.size):
        mean = (field[s, 0] + field[s, 1] + field[s, 2]) / 3.0
        for a in range(6):
            h, t = field[s, a], moments[s, a]
            energy += (1.0 if a < 3 else 2.0) * t * (h + t / (4.0 * mu * volume))
            stress[a, 0] = 4.0 * mu * (h - (mean if a < 3 else 0.0)) + t / volume
        energy += 2.0 * moments[s, 5] * load / (2.0 * mu)
        stress[5, 0] += load
        if squared_shear(stress, 0) > thresholds[s] ** 2:
            find_step(stress, 0, draws[1] * rng.random(), table, strain)
            thresholds[s] = 2.0 * draws[0] * rng.random()
            events += 1
            for a in range(6):
                moments[s, a] -= 2.0 * mu * volume * strain[a]
    return events, energy


@dataclass
class Body:
    """A periodic body of n^3 cubes without plastic strain, whose mean strain ("strain") or mean stress is held.

    Attributes
    ----------
    stress, plastic : ndarray, shape (6, N)
        Of each cube (Pa; 1), and `thresholds` (N,), its threshold (Pa).
    load : float
        The xy stress (Pa) that the outside has added to all cubes.
    history : ndarray, shape (avalanches, 7)
        As `drive` fills it.
    """

    n: int
    held: str
    rng: np.random.Generator
    threshold: float = THRESHOLD
    fraction: float = FRACTION
    load: float = 0.0
    history: FloatArray = field(default_factory=lambda: np.empty((0, 7)))

    def __post_init__(self) -> None:
        require_choice("held", self.held, HELD)
        self.lattice = cubes(self.n)
        self.table = propagator(self.lattice, HELD[self.held])
        self.stress, self.plastic = np.zeros((2, 6, self.n**3))
        self.thresholds = 2.0 * self.threshold * self.rng.random(self.n**3)

    def drive(self, most: float, *, flowing: float = math.inf, rows: int = 1000) -> Body:
        """Raise the load up to `most` (Pa), or to an avalanche of `flowing` events a cube; return the body."""
        draws, limits = np.array([self.threshold, self.fraction]), np.array([most, flowing * self.n**3])
        done = rows
        while done == rows and not self.flows(flowing):
            new = np.empty((rows, 7))
            arrays = self.table, self.stress, self.plastic, self.thresholds
            self.load, done = drive(*arrays, self.load, limits, draws, self.rng, new)
            self.history = np.concatenate([self.history, new[:done]])
        return self

    def flows(self, flowing: float) -> bool:
        """Whether the last avalanche had that many events a cube."""
        return bool(len(self.history) and self.history[-1, 4] >= flowing * self.n**3)

    @property
    def curve(self) -> tuple[FloatArray, FloatArray]:
        """Mean shear strain, twice e_xy, and mean stress xy (Pa), before and after each avalanche, from zero on."""
        load, before, after, plastic = self.history[:, :4].T
        strain = np.repeat(load[:, None] / MU, 2, axis=1)
        if self.held == "stress":
            strain += 2.0 * np.stack([np.append(0.0, plastic[:-1]), plastic], axis=1)
        return np.append(0.0, strain), np.append(0.0, np.stack([before, after], axis=1))

    @property
    def energy_kept(self) -> float:
        """Energy, or enthalpy under a held stress, by volume (Pa): work at the boundary, and what events changed."""
        strain, stress = self.curve
        work = 0.5 * (stress[1:] + stress[:-1]) * np.diff(strain)
        if self.held == "stress":
            work = -0.5 * (strain[1:] + strain[:-1]) * np.diff(stress)
        return float(work[::2].sum() + self.history[:, 5].sum())  # every other step is an avalanche, at one load

    def anew(self) -> tuple[float, FloatArray]:
        """Return the energy, or enthalpy, by volume (Pa), and all stresses (6, N), from the plastic strains alone."""
        c, volume = stiffness(), SIDE**3
        load = np.append(np.zeros(5), self.load)
        strain = np.linalg.solve(c * WEIGHTS, load)
        if self.held == "stress":  # C:(e - p) is the load on average
            strain += self.plastic.mean(axis=1)
        moments = -volume * (self.plastic.T * WEIGHTS) @ c
        rows = moments.reshape(*self.lattice.shape, 6)
        made = mbfast.LatticeField(SILICA, self.lattice, boundary="periodic", self_field=True)
        stress = c @ (WEIGHTS * (strain + 2.0 * made(rows).reshape(-1, 6) - self.plastic.T)).T
        energy = made.energy(rows) + float(np.sum(WEIGHTS * moments * (strain - 0.5 * self.plastic.T)))
        energy = energy / (volume * self.n**3) + 0.5 * float(strain @ (WEIGHTS * (c @ (WEIGHTS * strain))))
        return energy - (float(load @ (WEIGHTS * strain)) if self.held == "stress" else 0.0), stress


def at_once(
    n: int, rng: np.random.Generator, avalanches: int, threshold: float = THRESHOLD, fraction: float = FRACTION
) -> tuple[int, int]:
    """Let all cubes above their thresholds yield together, the mean strain held; return steps, and those that rise.

    Of n^3 cubes, in so many avalanches: each step is one field of the lattice.
    """
    lattice = cubes(n)
    made = mbfast.LatticeField(SILICA, lattice, boundary="periodic", self_field=True)
    own = np.ascontiguousarray(propagator(lattice, "clamped")[:, :1, :1, :1])
    moments, load = np.zeros((*lattice.shape, 6)), 0.0
    h, thresholds = np.zeros_like(moments), 2.0 * threshold * rng.random(n**3)
    flat = h.reshape(-1, 6), moments.reshape(-1, 6)
    medium, draws, steps, rises = (MU, SIDE**3), np.array([threshold, fraction]), 0, 0
    for _ in range(avalanches):
        stress = (4.0 * MU * flat[0] + flat[1] / SIDE**3).T + np.append(np.zeros(5), load)[:, None]
        load += next_to_yield(np.ascontiguousarray(stress), thresholds)[0] + 1e-9 * threshold
        events, before = 1, math.inf
        while events:
            events, energy = yield_at_once(*flat, thresholds, load, medium, own, draws, rng)
            steps, rises = steps + 1, rises + (energy > before + 1e-12 * abs(before))  # more than rounding makes
            before = energy
            made(moments, out=h)
    return steps, rises
