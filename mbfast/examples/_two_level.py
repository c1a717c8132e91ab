"""Two-level blocks in a Monte Carlo: compiled loops over the kernels of `mbfast.kernels.spins`, lattices, systems."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

import mbfast
from mbfast.kernels import spins
from mbfast.units import EV, K_B

if TYPE_CHECKING:
    from mbfast._core.validate import FloatArray

SILICA = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)  # kg/m³, m/s
SPACING = 5e-9  # m
UNIT = EV**2 / K_B  # J²/K: energies are in K, moments in eV
WEIGHTS = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])  # of the components of a symmetric tensor in its contractions


@numba.njit(nogil=True)
def anneal(flip, arguments, state, asymmetries, local, temperatures, rng, energies):  # type: ignore[no-untyped-def]
    """Make one Metropolis sweep at each temperature (K), fill energies with what was gained; return the flips.

    ``flip(s, *arguments)`` is a kernel, `stress.flip` or `spins.lattice_flip`, with what it takes.
    """
    flips, gained = 0, 0.0
    for sweep, temperature in enumerate(temperatures):
        for s in range(state.size):
            cost = spins.flip_cost(s, state, asymmetries, local)
            if cost <= 0.0 or rng.random() < math.exp(-cost / temperature):
                flip(s, *arguments)
                gained += cost
                flips += 1
        energies[sweep] = gained
    return flips


@numba.njit(nogil=True)
def descend(state, asymmetries, local, table, moments):  # type: ignore[no-untyped-def]
    """Flip blocks that gain energy until there is none; return the flips."""
    flips, before = 0, -1
    while flips > before:
        before = flips
        for s in range(state.size):
            if spins.flip_cost(s, state, asymmetries, local) < 0.0:
                spins.lattice_flip(s, state, table, moments, local)
                flips += 1
    return flips


@numba.njit(nogil=True)
def settle(state, asymmetries, local, table, moments, offsets, largest):  # type: ignore[no-untyped-def]
    """Flip blocks and pairs of blocks that gain energy until there are none; return the flips.

    ``largest`` bounds |J| at an offset and all that follow it. A pair gains only if 4 |J| is more than both costs, so
    that twice the lesser cost is less: the search goes out from soft blocks, and not farther than they can feel. It
    goes on after a flip where it was, and ends with a pass that finds nothing.
    """
    _, n1, n2, n3 = table.shape
    flips, found = descend(state, asymmetries, local, table, moments), True
    while found:
        found = False
        for s in range(state.size):
            i, j, k = s // (n2 * n3), s // n3 % n2, s % n3
            cost = spins.flip_cost(s, state, asymmetries, local)
            for m in range(largest.size):
                if cost >= 2.0 * largest[m]:
                    break
                t = ((i + offsets[m, 0]) % n1 * n2 + (j + offsets[m, 1]) % n2) * n3 + (k + offsets[m, 2]) % n3
                if cost + spins.flip_cost(t, state, asymmetries, local) >= 4.0 * largest[m]:
                    continue
                coupling = spins.lattice_coupling(s, t, table, moments)
                if spins.pair_flip_cost(s, t, coupling, state, asymmetries, local) < 0.0:
                    spins.lattice_flip(s, state, table, moments, local)
                    spins.lattice_flip(t, state, table, moments, local)
                    flips += 2 + descend(state, asymmetries, local, table, moments)
                    cost, found = spins.flip_cost(s, state, asymmetries, local), True
    return flips


@numba.njit(nogil=True)
def count_unstable(state, asymmetries, local, table, moments):  # type: ignore[no-untyped-def]
    """Return how many blocks and pairs of blocks would gain energy: by all pairs, whatever they cost."""
    n, unstable = state.size, 0
    for s in range(n):
        twice = np.zeros(n)  # 2 J_st
        spins.lattice_energies(s, moments[:, s].copy(), table, moments, twice)
        unstable += spins.flip_cost(s, state, asymmetries, local) < 0.0
        for t in range(s):
            unstable += spins.pair_flip_cost(s, t, 0.5 * twice[t], state, asymmetries, local) < 0.0
    return unstable


@numba.njit
def walk(flip, arguments, state, asymmetries, local, energies):  # type: ignore[no-untyped-def]
    """Go through all states, flip by flip (Gray's code), and fill energies with what was gained since the first."""
    gained = 0.0
    for number in range(1, energies.size):
        s = 0
        while number >> s & 1 == 0:
            s += 1
        gained += spins.flip_cost(s, state, asymmetries, local)
        flip(s, *arguments)
        energies[number] = gained


class Lattice:
    """A periodic lattice of blocks: its field, its couplings by offset in K for moments in eV, bounds of these."""

    def __init__(self, side: int) -> None:
        shape = (side, side, side)
        lattice = mbfast.BlockLattice(shape, SPACING)
        self.field = mbfast.LatticeField(SILICA, lattice, boundary="periodic")
        self.table = UNIT * self.field.coupling_table()
        n, norms = lattice.n_blocks, np.sqrt(WEIGHTS)
        matrices = np.empty((n, 6, 6))
        elements = itertools.combinations_with_replacement(range(6), 2)
        for (a, b), values in zip(elements, self.table.reshape(21, n), strict=True):
            matrices[:, a, b] = matrices[:, b, a] = norms[a] * norms[b] * values
        self.own = matrices[0]
        bounds = 0.5 * np.abs(np.linalg.eigvalsh(matrices)).max(axis=1)  # of |J|, as |t| = 1
        offsets = np.stack(np.unravel_index(np.arange(n), shape), axis=1)
        nearest = np.minimum(offsets, side - offsets)
        order = np.argsort((nearest**2).sum(axis=1), kind="stable")[1:]
        self.offsets = offsets[order]
        self.largest = np.maximum.accumulate(bounds[order][::-1])[::-1].copy()


@dataclass(frozen=True)
class System:
    """Blocks of a lattice: their moments (6, n) in eV, and (n,) states ±1, asymmetries and local fields in K."""

    lattice: Lattice
    moments: FloatArray
    asymmetries: FloatArray
    state: FloatArray
    local: FloatArray

    @property
    def arrays(self) -> tuple[FloatArray, ...]:
        """What the compiled loops take first."""
        return self.state, self.asymmetries, self.local, self.lattice.table, self.moments

    @property
    def costs(self) -> FloatArray:
        """What flips cost (K)."""
        return -self.state * (self.asymmetries + 2.0 * self.local)

    def anneal(self, temperatures: FloatArray, rng: np.random.Generator) -> int:
        """Make a sweep at each temperature (K); return the flips."""
        arguments = (self.state, self.lattice.table, self.moments, self.local)
        spin_arrays = (self.state, self.asymmetries, self.local)
        return int(anneal(spins.lattice_flip, arguments, *spin_arrays, temperatures, rng, np.empty_like(temperatures)))

    def settle(self) -> int:
        """Make the state stable; return the flips."""
        return int(settle(*self.arrays, self.lattice.offsets, self.lattice.largest))

    def summed_anew(self) -> FloatArray:
        """Return the local fields (K) by the field of all moments; a block's own images do not count."""
        moments = (0.5 * self.state * self.moments).T.reshape(*self.lattice.table.shape[1:], 6)
        field = self.lattice.field(moments, threads=1).reshape(-1, 6).T
        scaled = np.sqrt(WEIGHTS)[:, None] * self.moments
        own = 0.5 * np.sum(scaled * (self.lattice.own @ scaled), axis=0)
        found: FloatArray = UNIT * WEIGHTS @ (self.moments * field) - own * self.state
        return found


def random_moments(n: int, rng: np.random.Generator) -> FloatArray:
    """Return moments (6, n): traceless tensors with t:t = 1, all of which are equally likely."""
    matrices = rng.normal(size=(3, 3, n))
    matrices += matrices.transpose(1, 0, 2)
    matrices -= np.trace(matrices) / 3.0 * np.eye(3)[:, :, None]
    matrices /= np.sqrt((matrices**2).sum(axis=(0, 1)))
    return np.ascontiguousarray(matrices[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]])


def random_system(lattice: Lattice, width: float, rng: np.random.Generator) -> System:
    """Return blocks with asymmetries up to ±width (K), in the state of least energy without couplings."""
    n = lattice.table[0].size
    moments, asymmetries = random_moments(n, rng), rng.uniform(-width, width, n)
    system = System(lattice, moments, asymmetries, np.where(asymmetries > 0.0, -1.0, 1.0), np.zeros(n))
    system.local[:] = system.summed_anew()
    return system
