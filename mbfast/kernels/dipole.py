"""Pair sums of electric dipoles: the contracted interaction of (5.1), (5.2).

Units are reduced: the interaction of p, p' at displacement d = r n is u(p, p') = r^-3 [p.p' - 3 (n.p)(n.p')]; to SI
it is multiplied by 1/(8 pi epsilon unit^3). The field of p' is h(p') = du/dp, so that u = p.h(p').

Layout: ``positions``, ``moments``, ``field`` (3, n), float64, C-contiguous. Blocks at distance zero do not interact.
The functions are those of `mbfast.kernels.stress`, without coefficients.

Examples
--------
>>> import numpy as np
>>> from mbfast.kernels import dipole
>>> x, z = np.array([[0, 0], [0, 0], [0, 1.0]]), np.array([0, 0, 1.0])
>>> p = np.stack([z, z], axis=1)  # two in line: u = 1 - 3
>>> print(dipole.pair_energy(0.0, 0.0, 1.0, *z, *z), dipole.pair_field(0.0, 0.0, 1.0, *z)[2])
-2.0 -2.0
>>> field, energies, forces, virial = np.zeros_like(p), np.zeros(2), np.zeros((3, 2)), np.zeros((9, 2))
>>> dipole.field(x, x, p, field)  # of both at both
>>> dipole.source_field(x, x[:, 1].copy(), z, field)  # and of the second once more
>>> dipole.source_energies(x, p, x[:, 1].copy(), z, energies)
>>> print(field[2].round(9), energies.round(9), f"{dipole.energy(0, 2, x, p, 0, x, p):.6f}")
[-4. -2.] [-2.  0.] -2.000000
>>> dipole.forces(x, p, x, p, forces)
>>> dipole.virial(x, p, x, p, virial)
>>> print(forces[2].round(9), virial[8].round(9), dipole.pair_gradient(0.0, 0.0, 1.0, *z, *z)[2])
[ 6. -6.] [3. 3.] 6.0

Of spins half of the energies are left, and a flip, or a moment turned around, changes the signs of all:

>>> spins, local = np.ones(2), np.full(2, dipole.coupling(0, 1, x, p))
>>> print(dipole.flip(0, spins, x, p, local), spins, local)
2.0 [-1.  1.] [-1.  1.]
>>> field[:] = 0.0
>>> dipole.field(x, x, p, field)
>>> print(f"{dipole.change_moment(0, -z, x, p, field):.6f}", field[2].round(9))
8.000000 [-2.  2.]
"""

import math
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.simd import dot
from mbfast._core.tracing import traced
from mbfast.kernels import _pairs

_TILE = _pairs.tile_size(9)


@jit(fastmath=FAST)
def pair_field(dx: float, dy: float, dz: float, px: float, py: float, pz: float) -> tuple[float, float, float]:
    """Field h(p') at the displacement (dx, dy, dz) from the dipole p'."""
    r2 = dx * dx + dy * dy + dz * dz
    i2 = 1.0 / r2 if r2 > 0.0 else 0.0
    a3 = i2 * math.sqrt(i2)
    q = -3.0 * (dx * px + dy * py + dz * pz) * i2
    return a3 * (px + q * dx), a3 * (py + q * dy), a3 * (pz + q * dz)


@jit(fastmath=FAST)
def pair_energy(
    dx: float, dy: float, dz: float, px: float, py: float, pz: float, px_: float, py_: float, pz_: float
) -> float:
    """Energy u(p, p') of two dipoles at the displacement (dx, dy, dz)."""
    hx, hy, hz = pair_field(dx, dy, dz, px_, py_, pz_)
    return px * hx + py * hy + pz * hz


class _Law(_pairs.Law):
    """`pair_field` for the loops of `_pairs`, for three targets at a time."""

    components, count, sums, targets = 3, 9, 3, 3

    def rows(self, x: Any, p: Any) -> Any:
        """Position, dipole, and -3 times the dipole."""
        return [*x, *p, *[-3.0 * a for a in p]]

    def one(self, d: Any, i1: Any, i2: Any, rows: Any) -> Any:
        """Return the field of one source."""
        p, p3 = rows[3:6], rows[6:]
        a3, q = i1 * i2, dot(d, p3) * i2
        return [a3 * (p[a] + q * d[a]) for a in range(3)]

    def between(self, d: Any, i1: Any, i2: Any, rows: Any, own: Any) -> Any:
        """Return the energy of one source and a target's moment."""
        return i1 * i2 * (dot(own, rows[3:6]) + dot(d, rows[6:]) * i2 * dot(own, d))

    def add(self, d: Any, i1: Any, i2: Any, rows: Any, _own: Any, sums: Any) -> None:
        """Add that field to the sums."""
        for a, h in enumerate(self.one(d, i1, i2, rows)):
            sums[a] += h


@traced
def _add_field(targets: Any, positions: Any, moments: Any, tile: Any, out: Any) -> None:
    _pairs.add(_Law(), targets, None, positions, moments, tile, out)


@jit("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])", fastmath=FAST)
def field(targets: Any, positions: Any, moments: Any, out: Any) -> None:
    """Add to out (3, m) the field at targets (3, m) of all sources."""
    _add_field(targets, positions, moments, np.empty(_TILE), out)


@traced
def _add_energy(
    targets: Any, own: Any, m: Any, before: Any, positions: Any, moments: Any, tile: Any, out: Any
) -> None:  # fmt: skip
    _pairs.add_energy(_Law(), targets, own, m, before, positions, moments, tile, out)


@jit("float64(int64, int64, float64[:, ::1], float64[:, ::1], int64, float64[:, ::1], float64[:, ::1])", fastmath=FAST)
def energy(i0: int, i1: int, targets: Any, target_moments: Any, j0: int, positions: Any, moments: Any) -> float:
    """Sum u(p_i, p_j) over pairs i < j: i in [i0, i1) are the targets, j counts the sources from j0 on."""
    out = np.zeros(1)
    _add_energy(targets, target_moments, i1 - i0, i0 - j0, positions, moments, np.empty(_TILE), out)
    return float(out[0])


@traced
def _add_source_field(targets: Any, source: Any, moment: Any, out: Any) -> None:
    _pairs.add_source_field(_Law(), targets, source, moment, out)


@jit("void(float64[:, ::1], float64[::1], float64[::1], float64[:, ::1])", fastmath=FAST)
def source_field(targets: Any, source: Any, moment: Any, out: Any) -> None:
    """Add to out (3, m) the field at targets (3, m) of one source at source (3,) with moment (3,)."""
    _add_source_field(targets, source, moment, out)


@jit("float64(int64, float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])", fastmath=FAST)
def change_moment(s: int, new: Any, positions: Any, moments: Any, field: Any) -> float:
    """Give block s the dipole new (3,): update moments and field in place; return the change of Sum_i p_i.h_i."""
    source, change = np.empty(3), np.empty(3)
    gain = 0.0
    for a in range(3):
        source[a] = positions[a, s]
        change[a] = new[a] - moments[a, s]
        moments[a, s] = new[a]
        gain += change[a] * field[a, s]
    source_field(positions, source, change, field)
    return 2.0 * gain  # the pairs (s, s') and (s', s)


@traced
def _add_source_energies(targets: Any, own: Any, source: Any, moment: Any, out: Any) -> None:
    _pairs.add_source_energies(_Law(), targets, own, source, moment, out)


@jit("void(float64[:, ::1], float64[:, ::1], float64[::1], float64[::1], float64[::1])", fastmath=FAST)
def source_energies(targets: Any, target_moments: Any, source: Any, moment: Any, out: Any) -> None:
    """Add to out (m,) the energies u(p_i, p') of targets (3, m) with target_moments (3, m) and one source."""
    _add_source_energies(targets, target_moments, source, moment, out)


@jit("float64(int64, float64[::1], float64[:, ::1], float64[:, ::1], float64[::1])", fastmath=FAST)
def flip(s: int, spins: Any, positions: Any, moments: Any, local: Any) -> float:
    """Flip spin s of two-level blocks p_i = spins_i moments_i/2; return the change of the energy of all pairs.

    spins (n,) are 1 or -1, and local (n,), in place, Sum_j u(moments_i, moments_j) spins_j/2: `mbfast.kernels.spins`.
    """
    source, change = np.empty(3), np.empty(3)
    for a in range(3):
        source[a] = positions[a, s]
        change[a] = -spins[s] * moments[a, s]
    cost = -2.0 * spins[s] * local[s]
    source_energies(positions, moments, source, change, local)
    spins[s] = -spins[s]
    return float(cost)


@jit(fastmath=FAST)
def coupling(s: int, t: int, positions: Any, moments: Any) -> float:
    """J_st = u(moments_s, moments_t)/2 of two blocks: see `mbfast.kernels.spins`."""
    dx, dy, dz = positions[0, s] - positions[0, t], positions[1, s] - positions[1, t], positions[2, s] - positions[2, t]
    px, py, pz = moments[0, s], moments[1, s], moments[2, s]
    return 0.5 * float(pair_energy(dx, dy, dz, px, py, pz, moments[0, t], moments[1, t], moments[2, t]))


def _contracted(
    dx: Any, dy: Any, dz: Any, i2: Any, px: Any, py: Any, pz: Any, px_: Any, py_: Any, pz_: Any
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Gradient of u(p, p') by d, without r^-5, given r^-2 and, for p', -3 p': of numbers, or of vectors."""
    q = dx * px + dy * py + dz * pz
    q_ = dx * px_ + dy * py_ + dz * pz_
    e = px * px_ + py * py_ + pz * pz_ - (5.0 * i2 * q) * q_
    return e * dx + q_ * px + q * px_, e * dy + q_ * py + q * py_, e * dz + q_ * pz + q * pz_


_gradient = jit(fastmath=FAST)(_contracted)


@jit(fastmath=FAST)
def pair_gradient(
    dx: float, dy: float, dz: float, px: float, py: float, pz: float, px_: float, py_: float, pz_: float
) -> tuple[float, float, float]:
    """Gradient of u(p, p') by the displacement (dx, dy, dz) from p' to p: minus the force on p."""
    r2 = dx * dx + dy * dy + dz * dz
    i2 = 1.0 / (r2 if r2 > 0.0 else np.inf)
    gx, gy, gz = _gradient(dx, dy, dz, i2, px, py, pz, -3.0 * px_, -3.0 * py_, -3.0 * pz_)
    a5 = i2 * i2 * math.sqrt(i2)
    return a5 * gx, a5 * gy, a5 * gz


class _Gradient:
    """The gradient, for the loops of `_pairs`."""

    components, count, targets = 3, 6, 1

    def rows(self, x: Any, p: Any) -> Any:
        """Position and -3 times the dipole."""
        return [*x, *[-3.0 * a for a in p]]

    def gradient(self, *numbers: Any) -> Any:
        """Return it."""
        return _contracted(*numbers)


class _Forces(_Gradient, _pairs.Forces): ...


class _Virial(_Gradient, _pairs.Virial): ...


@traced
def _add_forces(targets: Any, own: Any, positions: Any, moments: Any, tile: Any, out: Any) -> None:
    _pairs.add(_Forces(), targets, own, positions, moments, tile, out)


@jit("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])", fastmath=FAST)
def forces(targets: Any, target_moments: Any, positions: Any, moments: Any, out: Any) -> None:
    """Add to out (3, m) the forces of all sources on targets (3, m) with target_moments (3, m): -Sum du/dd.

    They are those of the energy of all pairs i < j, in units of it over that of length.
    """
    _add_forces(targets, target_moments, positions, moments, np.empty(_TILE), out)


@traced
def _add_virial(targets: Any, own: Any, positions: Any, moments: Any, tile: Any, out: Any) -> None:
    _pairs.add(_Virial(), targets, own, positions, moments, tile, out)


@jit("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])", fastmath=FAST)
def virial(targets: Any, target_moments: Any, positions: Any, moments: Any, out: Any) -> None:
    """Add to out (9, m), xx, xy, xz, yx, ..., half of Sum (du/dd_i) d_j over all sources, for each of the targets.

    Over all blocks these sum up to dE/dg_ij: E the energy of all pairs i < j, g the gradient of a displacement g x.
    """
    _add_virial(targets, target_moments, positions, moments, np.empty(_TILE), out)
