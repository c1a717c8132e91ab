"""mbfast inside your own Monte Carlo: dipoles on a lattice turn one by one, and the field at all others is kept up."""

import math

import numba
import numpy as np

import mbfast
from mbfast.kernels import dipole


@numba.njit
def sweep(positions, moments, field, temperature, steps, rng):  # type: ignore[no-untyped-def]
    """Try `steps` random reorientations at a temperature in reduced units; return the energy gained and the moves."""
    gained, accepted = 0.0, 0
    new = np.empty(3)
    for _ in range(steps):
        s = rng.integers(0, positions.shape[1])
        z, phi = rng.uniform(-1.0, 1.0), rng.uniform(0.0, 2.0 * math.pi)
        new[0], new[1], new[2] = math.sqrt(1 - z * z) * math.cos(phi), math.sqrt(1 - z * z) * math.sin(phi), z
        change = 0.0
        for a in range(3):
            change += 2.0 * (new[a] - moments[a, s]) * field[a, s]
        if change <= 0.0 or rng.random() < math.exp(-change / temperature):
            gained += dipole.change_moment(s, new, positions, moments, field)
            accepted += 1
    return gained, accepted


def main() -> None:
    """Cool 6 x 6 x 6 unit dipoles and compare the energy kept up with the energy summed anew."""
    lattice = mbfast.BlockLattice((6, 6, 6), 1.0)
    positions = np.ascontiguousarray(lattice.positions.T)
    moments = np.ascontiguousarray(np.tile([[0.0], [0.0], [1.0]], lattice.n_blocks))
    field = np.zeros_like(moments)
    dipole.field(positions, positions, moments, field)
    energy = float(np.sum(moments * field))
    rng = np.random.default_rng(1)
    for temperature in (8.0, 4.0, 2.0, 1.0):
        gained, accepted = sweep(positions, moments, field, temperature, 20 * lattice.n_blocks, rng)
        energy += gained
        print(f"T = {temperature:3.0f}: energy {energy / lattice.n_blocks:7.3f} a block, {accepted} moves accepted")
    field[:] = 0.0
    dipole.field(positions, positions, moments, field)
    print(f"summed anew: {float(np.sum(moments * field)) / lattice.n_blocks:7.3f}")


if __name__ == "__main__":
    main()
