"""Pair sums of stress moments: the contracted elastic interaction of (2.13)-(2.15).

Units are reduced: lengths in a unit of the caller's, energies such that the interaction of moments T, T' at distance
r, direction n, is, with v = T n, q = n.v, t = tr T and primes likewise,

    u(T, T') = r^-3 [ c0 T:T' + c1 v.v' + c2 (-t t'/2 + 3/2 (t q' + q t') - 15/2 q q') ].

(c0, c1, c2) = (1 - alpha, 6 alpha - 3, alpha) is the tensor of (2.15), (-2 - 4 alpha, 6 + 24 alpha, 4 alpha) that
of Joffrin and Levelut (A1); to SI it is multiplied by -1/(8 pi rho c_t^2 unit^3). The field of T' is h(T') = du/dT,
so that u = T:h(T').

Layout: ``positions`` (3, n) and ``moments``, ``field`` (6, n), float64, C-contiguous; rows of moments are xx, yy, zz,
yz, xz, xy, plain tensor components. Blocks at distance zero do not interact: a block may stand among its own sources.
Other squares of distances must be from 1e-300 to 1e300. Nothing is checked.

Examples
--------
>>> import numpy as np
>>> from mbfast.kernels import stress
>>> x, z, c = np.array([[0, 0], [0, 0], [0, 1.0]]), np.array([0, 0, 1.0, 0, 0, 0]), (0.0, 0.0, 1.0)
>>> t = np.stack([z, z], axis=1)  # two zz in line: u = -1/2 + 3 - 15/2
>>> print(stress.pair_energy(0.0, 0.0, 1.0, *z, *z, *c), stress.pair_field(0.0, 0.0, 1.0, *z, *c)[2])
-5.0 -5.0
>>> field, energies, forces, virial = np.zeros_like(t), np.zeros(2), np.zeros((3, 2)), np.zeros((9, 2))
>>> stress.field(x, x, t, *c, field)  # of both at both
>>> stress.source_field(x, x[:, 1].copy(), z, *c, field)  # and of the second once more
>>> stress.source_energies(x, t, x[:, 1].copy(), z, *c, energies)
>>> print(field[2].round(9), energies.round(9), f"{stress.energy(0, 2, x, t, 0, x, t, *c):.6f}")
[-10.  -5.] [-5.  0.] -5.000000
>>> stress.forces(x, t, x, t, *c, forces)
>>> stress.virial(x, t, x, t, *c, virial)
>>> print(forces[2].round(9), virial[8].round(9), stress.pair_gradient(0.0, 0.0, 1.0, *z, *z, *c)[2])
[ 15. -15.] [7.5 7.5] 15.0

Of spins half of the energies are left, and a flip, or a moment turned around, changes the signs of all:

>>> spins, local = np.ones(2), np.full(2, stress.coupling(0, 1, x, t, *c))
>>> print(stress.flip(0, spins, x, t, *c, local), spins, local)
5.0 [-1.  1.] [-2.5  2.5]
>>> field[:] = 0.0
>>> stress.field(x, x, t, *c, field)
>>> print(f"{stress.change_moment(0, -z, x, t, *c, field):.6f}", field[2].round(9))
20.000000 [-5.  5.]
"""

import math
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.simd import VECTORS as V
from mbfast._core.simd import dot, times
from mbfast._core.tracing import traced
from mbfast.kernels import _pairs

_TILE = _pairs.tile_size(10)


@jit(fastmath=FAST)
def pair_field(
    dx: float, dy: float, dz: float, xx: float, yy: float, zz: float, yz: float, xz: float, xy: float,
    c0: float, c1: float, c2: float,
) -> tuple[float, float, float, float, float, float]:  # fmt: skip
    """Field h(T') at the displacement (dx, dy, dz) from the moment T', in the order of its six components."""
    r2 = dx * dx + dy * dy + dz * dz
    i2 = 1.0 / r2 if r2 > 0.0 else 0.0
    a3 = i2 * math.sqrt(i2)
    a5 = a3 * i2
    wx = xx * dx + xy * dy + xz * dz
    wy = xy * dx + yy * dy + yz * dz
    wz = xz * dx + yz * dy + zz * dz
    t = xx + yy + zz
    q = (dx * wx + dy * wy + dz * wz) * i2
    diagonal = a3 * c2 * (1.5 * q - 0.5 * t)
    p = a5 * c2 * (0.75 * t - 3.75 * q)
    m = a5 * c1 * 0.5
    ux = m * wx + p * dx
    uy = m * wy + p * dy
    uz = m * wz + p * dz
    e = a3 * c0
    return (
        e * xx + 2.0 * dx * ux + diagonal,
        e * yy + 2.0 * dy * uy + diagonal,
        e * zz + 2.0 * dz * uz + diagonal,
        e * yz + (dy * uz + dz * uy),
        e * xz + (dx * uz + dz * ux),
        e * xy + (dx * uy + dy * ux),
    )


@jit(fastmath=FAST)
def pair_energy(
    dx: float, dy: float, dz: float,
    xx: float, yy: float, zz: float, yz: float, xz: float, xy: float,
    xx_: float, yy_: float, zz_: float, yz_: float, xz_: float, xy_: float,
    c0: float, c1: float, c2: float,
) -> float:  # fmt: skip
    """Energy u(T, T') of two moments, T' at the displacement (dx, dy, dz) from T or the reverse."""
    hxx, hyy, hzz, hyz, hxz, hxy = pair_field(dx, dy, dz, xx_, yy_, zz_, yz_, xz_, xy_, c0, c1, c2)
    return xx * hxx + yy * hyy + zz * hzz + 2.0 * (yz * hyz + xz * hxz + xy * hxy)


class _Law(_pairs.Law):
    """`pair_field` for the loops of `_pairs`, with all factors that are common to the sources taken out of them.

    What remains are two matrices, E = Sum a3 T' and D = Sum d u, and S = Sum a3 q, all scaled by c1/2; the traces of D
    and of the T' in the diagonal follow from E and S.
    """

    components, count, sums, targets = 6, 10, 12, 1

    def __init__(self, c0: Any, c1: Any, c2: Any) -> None:
        self.c0, self.c2 = c0, c2
        # c1 vanishes at alpha = 1/2: what is divided by must not
        self.factor = 0.5 * c1 + V.where(V.most(c1, -c1) > 0.0, 0.0 * c1, 1e-30)
        self.kappa = 3.75 * c2 / self.factor

    def rows(self, x: Any, t: Any) -> Any:
        """Position, c1/2 T' and 3/4 c2 tr T'."""
        return [*x, *[self.factor * a for a in t], 0.75 * self.c2 * (t[0] + t[1] + t[2])]

    def _parts(self, d: Any, i1: Any, i2: Any, rows: Any) -> Any:
        """Return a3, a3 q and u."""
        a3 = i1 * i2
        a5, w = a3 * i2, times(rows[3:9], d)
        q = dot(d, w) * i2
        p = rows[9] - self.kappa * q
        return a3, a3 * q, *[a5 * (w[a] + p * d[a]) for a in range(3)]

    def add(self, d: Any, i1: Any, i2: Any, rows: Any, _own: Any, sums: Any) -> None:
        """Add to S, E, and D without its third element."""
        dx, dy, dz = d
        a3, s, ux, uy, uz = self._parts(d, i1, i2, rows)
        sums[0] += s
        for a in range(6):
            sums[1 + a] += a3 * rows[3 + a]
        for a, part in ((7, dx * ux), (8, dy * uy), (9, dy * uz), (10, dx * uz), (11, dx * uy)):
            sums[a] += part
        for a, part in ((9, dz * uy), (10, dz * ux), (11, dy * ux)):
            sums[a] += part

    def one(self, d: Any, i1: Any, i2: Any, rows: Any) -> Any:
        """Return the field of one source."""
        dx, dy, dz = d
        a3, s, ux, uy, uz = self._parts(d, i1, i2, rows)
        isotropic = 0.5 * self.c2 / self.factor * (rows[3] + rows[4] + rows[5])
        h = [a3 * (self.c0 / self.factor * rows[3 + a] - (isotropic if a < 3 else 0.0)) for a in range(6)]
        diagonal = 1.5 * self.c2 / self.factor * s
        return [
            h[0] + (2.0 * dx * ux + diagonal),
            h[1] + (2.0 * dy * uy + diagonal),
            h[2] + (2.0 * dz * uz + diagonal),
            h[3] + (dy * uz + dz * uy),
            h[4] + (dx * uz + dz * ux),
            h[5] + (dx * uy + dy * ux),
        ]

    def between(self, d: Any, i1: Any, i2: Any, rows: Any, own: Any) -> Any:
        """Return the energy of one source and a target's moment; little has to wait for r^-1."""
        t = rows[3:9]
        w, v = times(t, d), times(own, d)
        q = dot(d, w) * i2
        p = rows[9] - self.kappa * q
        e, of_trace = 0.5 * self.c0 / self.factor, self.c2 / self.factor
        half = e * dot(own, t) + (2.0 * e) * dot(own[3:], t[3:]) + i2 * (dot(v, w) + p * dot(d, v))
        half += (own[0] + own[1] + own[2]) * (0.75 * of_trace * q - 0.25 * of_trace * (t[0] + t[1] + t[2]))
        return (i1 + i1) * i2 * half

    def finish(self, sums: Any) -> Any:
        """Return the field."""
        s, exx, eyy, ezz, eyz, exz, exy, dxx, dyy, dyz, dxz, dxy = sums
        t = (exx + eyy + ezz) / self.factor
        e = self.c0 / self.factor
        dzz = (1.0 - self.kappa) * s + 0.75 * self.c2 * t - dxx - dyy
        diagonal = self.c2 * (1.5 * s / self.factor - 0.5 * t)
        return [
            e * exx + 2.0 * dxx + diagonal,
            e * eyy + 2.0 * dyy + diagonal,
            e * ezz + 2.0 * dzz + diagonal,
            e * eyz + dyz,
            e * exz + dxz,
            e * exy + dxy,
        ]


@traced
def _add_field(
    targets: Any, positions: Any, moments: Any, tile: Any, c0: Any, c1: Any, c2: Any, out: Any
) -> None:  # fmt: skip
    _pairs.add(_Law(c0, c1, c2), targets, None, positions, moments, tile, out)


@jit(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64, float64, float64, float64[:, ::1])", fastmath=FAST
)
def field(targets: Any, positions: Any, moments: Any, c0: float, c1: float, c2: float, out: Any) -> None:
    """Add to out (6, m) the field at targets (3, m) of all sources."""
    _add_field(targets, positions, moments, np.empty(_TILE), c0, c1, c2, out)


@traced
def _add_energy(
    targets: Any, own: Any, m: Any, before: Any, positions: Any, moments: Any, tile: Any, c0: Any, c1: Any, c2: Any,
    out: Any,
) -> None:  # fmt: skip
    _pairs.add_energy(_Law(c0, c1, c2), targets, own, m, before, positions, moments, tile, out)


@jit(
    "float64(int64, int64, float64[:, ::1], float64[:, ::1], int64, float64[:, ::1], float64[:, ::1], "
    "float64, float64, float64)",
    fastmath=FAST,
)
def energy(
    i0: int, i1: int, targets: Any, target_moments: Any, j0: int, positions: Any, moments: Any,
    c0: float, c1: float, c2: float,
) -> float:  # fmt: skip
    """Sum u(T_i, T_j) over pairs i < j: i in [i0, i1) are the targets, j counts the sources from j0 on."""
    out, tile = np.zeros(1), np.empty(_TILE)
    _add_energy(targets, target_moments, i1 - i0, i0 - j0, positions, moments, tile, c0, c1, c2, out)
    return float(out[0])


@traced
def _add_source_field(targets: Any, source: Any, moment: Any, c0: Any, c1: Any, c2: Any, out: Any) -> None:
    _pairs.add_source_field(_Law(c0, c1, c2), targets, source, moment, out)


@jit("void(float64[:, ::1], float64[::1], float64[::1], float64, float64, float64, float64[:, ::1])", fastmath=FAST)
def source_field(targets: Any, source: Any, moment: Any, c0: float, c1: float, c2: float, out: Any) -> None:
    """Add to out (6, m) the field at targets (3, m) of one source at source (3,) with moment (6,)."""
    _add_source_field(targets, source, moment, c0, c1, c2, out)


@jit(
    "float64(int64, float64[::1], float64[:, ::1], float64[:, ::1], float64, float64, float64, float64[:, ::1])",
    fastmath=FAST,
)
def change_moment(
    s: int, new: Any, positions: Any, moments: Any, c0: float, c1: float, c2: float, field: Any
) -> float:  # fmt: skip
    """Give block s the moment new (6,): update moments and field in place; return the change of Sum_i T_i:h_i."""
    source, change = np.empty(3), np.empty(6)
    for a in range(3):
        source[a] = positions[a, s]
    gain = 0.0
    for a in range(6):
        change[a] = new[a] - moments[a, s]
        moments[a, s] = new[a]
        gain += (1.0 if a < 3 else 2.0) * change[a] * field[a, s]
    source_field(positions, source, change, c0, c1, c2, field)
    return 2.0 * gain  # the pairs (s, s') and (s', s)


@traced
def _add_source_energies(
    targets: Any, own: Any, source: Any, moment: Any, c0: Any, c1: Any, c2: Any, out: Any
) -> None:  # fmt: skip
    _pairs.add_source_energies(_Law(c0, c1, c2), targets, own, source, moment, out)


@jit(
    "void(float64[:, ::1], float64[:, ::1], float64[::1], float64[::1], float64, float64, float64, float64[::1])",
    fastmath=FAST,
)
def source_energies(
    targets: Any, target_moments: Any, source: Any, moment: Any, c0: float, c1: float, c2: float, out: Any
) -> None:  # fmt: skip
    """Add to out (m,) the energies u(T_i, T') of targets (3, m) with target_moments (6, m) and one source."""
    _add_source_energies(targets, target_moments, source, moment, c0, c1, c2, out)


@jit(
    "float64(int64, float64[::1], float64[:, ::1], float64[:, ::1], float64, float64, float64, float64[::1])",
    fastmath=FAST,
)
def flip(
    s: int, spins: Any, positions: Any, moments: Any, c0: float, c1: float, c2: float, local: Any
) -> float:  # fmt: skip
    """Flip spin s of two-level blocks T_i = spins_i moments_i/2; return the change of the energy of all pairs.

    spins (n,) are 1 or -1, and local (n,), in place, Sum_j u(moments_i, moments_j) spins_j/2: `mbfast.kernels.spins`.
    """
    source, change = np.empty(3), np.empty(6)
    for a in range(3):
        source[a] = positions[a, s]
    for a in range(6):
        change[a] = -spins[s] * moments[a, s]
    cost = -2.0 * spins[s] * local[s]
    source_energies(positions, moments, source, change, c0, c1, c2, local)
    spins[s] = -spins[s]
    return float(cost)


@jit(fastmath=FAST)
def coupling(s: int, t: int, positions: Any, moments: Any, c0: float, c1: float, c2: float) -> float:
    """J_st = u(moments_s, moments_t)/2 of two blocks: see `mbfast.kernels.spins`."""
    dx, dy, dz = positions[0, s] - positions[0, t], positions[1, s] - positions[1, t], positions[2, s] - positions[2, t]
    energy = pair_energy(
        dx, dy, dz,
        moments[0, s], moments[1, s], moments[2, s], moments[3, s], moments[4, s], moments[5, s],
        moments[0, t], moments[1, t], moments[2, t], moments[3, t], moments[4, t], moments[5, t],
        c0, c1, c2,
    )  # fmt: skip
    return 0.5 * float(energy)


def _contracted(
    dx: Any, dy: Any, dz: Any, i2: Any,
    xx: Any, yy: Any, zz: Any, yz: Any, xz: Any, xy: Any,
    xx_: Any, yy_: Any, zz_: Any, yz_: Any, xz_: Any, xy_: Any,
    c0: Any, c1: Any, c2: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Gradient of u(T, T') by d, without r^-5, given r^-2: of numbers, or of vectors."""
    wx = xx * dx + xy * dy + xz * dz
    wy = xy * dx + yy * dy + yz * dz
    wz = xz * dx + yz * dy + zz * dz
    wx_ = xx_ * dx + xy_ * dy + xz_ * dz
    wy_ = xy_ * dx + yy_ * dy + yz_ * dz
    wz_ = xz_ * dx + yz_ * dy + zz_ * dz
    s = xx * xx_ + yy * yy_ + zz * zz_ + 2.0 * (yz * yz_ + xz * xz_ + xy * xy_)
    t = 1.5 * c2 * (xx + yy + zz)
    t_ = 1.5 * c2 * (xx_ + yy_ + zz_)
    q = (dx * wx + dy * wy + dz * wz) * i2
    q_ = (dx * wx_ + dy * wy_ + dz * wz_) * i2
    k = 2.0 * t - 15.0 * c2 * q
    k_ = 2.0 * t_ - 15.0 * c2 * q_
    # u = r^-3 [c0 s + c1 v.v' + c2 (...)]: v = w/r, and c2 (...) = 3/2 c2 (t q' + q t' - 5 q q') - c2 t t'/2
    e = (xx + yy + zz) * t_ - 3.0 * c0 * s
    e -= 5.0 * (c1 * i2 * (wx * wx_ + wy * wy_ + wz * wz_) + t * q_ + (t_ - 10.5 * c2 * q_) * q)
    return (
        c1 * (xx * wx_ + xy * wy_ + xz * wz_ + xx_ * wx + xy_ * wy + xz_ * wz) + k * wx_ + k_ * wx + e * dx,
        c1 * (xy * wx_ + yy * wy_ + yz * wz_ + xy_ * wx + yy_ * wy + yz_ * wz) + k * wy_ + k_ * wy + e * dy,
        c1 * (xz * wx_ + yz * wy_ + zz * wz_ + xz_ * wx + yz_ * wy + zz_ * wz) + k * wz_ + k_ * wz + e * dz,
    )


_gradient = jit(fastmath=FAST)(_contracted)


@jit(fastmath=FAST)
def pair_gradient(
    dx: float, dy: float, dz: float,
    xx: float, yy: float, zz: float, yz: float, xz: float, xy: float,
    xx_: float, yy_: float, zz_: float, yz_: float, xz_: float, xy_: float,
    c0: float, c1: float, c2: float,
) -> tuple[float, float, float]:  # fmt: skip
    """Gradient of u(T, T') by the displacement (dx, dy, dz) from T' to T: minus the force on T."""
    r2 = dx * dx + dy * dy + dz * dz
    i2 = 1.0 / (r2 if r2 > 0.0 else np.inf)
    gx, gy, gz = _gradient(
        dx, dy, dz, i2, xx, yy, zz, yz, xz, xy, xx_, yy_, zz_, yz_, xz_, xy_, c0, c1, c2
    )  # fmt: skip
    a5 = i2 * i2 * math.sqrt(i2)
    return a5 * gx, a5 * gy, a5 * gz


class _Gradient:
    """The gradient, for the loops of `_pairs`."""

    components, count, targets = 6, 9, 1

    def rows(self, x: Any, t: Any) -> Any:
        """Position and moment."""
        return [*x, *t]

    def __init__(self, *coefficients: Any) -> None:
        self.coefficients = coefficients

    def gradient(self, *numbers: Any) -> Any:
        """Return it."""
        return _contracted(*numbers, *self.coefficients)


class _Forces(_Gradient, _pairs.Forces): ...


class _Virial(_Gradient, _pairs.Virial): ...


@traced
def _add_forces(
    targets: Any, own: Any, positions: Any, moments: Any, tile: Any, c0: Any, c1: Any, c2: Any, out: Any
) -> None:  # fmt: skip
    _pairs.add(_Forces(c0, c1, c2), targets, own, positions, moments, tile, out)


@jit(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64, float64, float64, "
    "float64[:, ::1])",
    fastmath=FAST,
)
def forces(
    targets: Any, target_moments: Any, positions: Any, moments: Any, c0: float, c1: float, c2: float, out: Any
) -> None:
    """Add to out (3, m) the forces of all sources on targets (3, m) with target_moments (6, m): -Sum du/dd.

    They are those of the energy of all pairs i < j, in units of it over that of length.
    """
    _add_forces(targets, target_moments, positions, moments, np.empty(_TILE), c0, c1, c2, out)


@traced
def _add_virial(
    targets: Any, own: Any, positions: Any, moments: Any, tile: Any, c0: Any, c1: Any, c2: Any, out: Any
) -> None:  # fmt: skip
    _pairs.add(_Virial(c0, c1, c2), targets, own, positions, moments, tile, out)


@jit(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64, float64, float64, "
    "float64[:, ::1])",
    fastmath=FAST,
)
def virial(
    targets: Any, target_moments: Any, positions: Any, moments: Any, c0: float, c1: float, c2: float, out: Any
) -> None:
    """Add to out (9, m), xx, xy, xz, yx, ..., half of Sum (du/dd_i) d_j over all sources, for each of the targets.

    Over all blocks these sum up to dE/dg_ij: E the energy of all pairs i < j, g the gradient of a displacement g x.
    """
    _add_virial(targets, target_moments, positions, moments, np.empty(_TILE), c0, c1, c2, out)
