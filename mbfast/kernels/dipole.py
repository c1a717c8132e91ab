"""Pair sums of electric dipoles: the contracted interaction of (5.1), (5.2).

Units are reduced: the interaction of p, p' at displacement d = r n is u(p, p') = r^-3 [p.p' - 3 (n.p)(n.p')]; to SI
it is multiplied by 1/(8 pi epsilon unit^3). The field of p' is h(p') = du/dp, so that u = p.h(p').

Layout: ``positions``, ``moments``, ``field`` (3, n), float64, C-contiguous. Blocks at distance zero do not interact.
The functions are those of `mbfast.kernels.stress`, without coefficients.
"""

import math
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit


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


@jit(fastmath=FAST)
def _field_at(
    x: float, y: float, z: float, sx: Any, sy: Any, sz: Any, px: Any, py: Any, pz: Any
) -> tuple[float, float, float]:
    """Field at a point of the sources in the slices."""
    # pair_field written out, with a select that leaves LLVM nothing to compute twice; the division and the square root
    # are then what it waits for.
    hx = hy = hz = 0.0
    for j in range(sx.size):
        dx = x - sx[j]
        dy = y - sy[j]
        dz = z - sz[j]
        r2 = dx * dx + dy * dy + dz * dz
        i2 = 1.0 / (r2 if r2 > 0.0 else np.inf)
        a3 = i2 * math.sqrt(i2)
        q = -3.0 * (dx * px[j] + dy * py[j] + dz * pz[j]) * i2
        hx += a3 * (px[j] + q * dx)
        hy += a3 * (py[j] + q * dy)
        hz += a3 * (pz[j] + q * dz)
    return hx, hy, hz


@jit("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])", fastmath=FAST)
def field(targets: Any, positions: Any, moments: Any, out: Any) -> None:
    """Add to out (3, m) the field at targets (3, m) of all sources."""
    for j0 in range(0, positions.shape[1], 4096):
        j1 = min(j0 + 4096, positions.shape[1])
        sx, sy, sz = positions[0, j0:j1], positions[1, j0:j1], positions[2, j0:j1]
        px, py, pz = moments[0, j0:j1], moments[1, j0:j1], moments[2, j0:j1]
        for i in range(targets.shape[1]):
            h = _field_at(targets[0, i], targets[1, i], targets[2, i], sx, sy, sz, px, py, pz)
            for a in range(3):
                out[a, i] += h[a]


@jit("float64(int64, int64, float64[:, ::1], float64[:, ::1], int64, float64[:, ::1], float64[:, ::1])", fastmath=FAST)
def energy(i0: int, i1: int, targets: Any, target_moments: Any, j0: int, positions: Any, moments: Any) -> float:
    """Sum u(p_i, p_j) over pairs i < j: i in [i0, i1) are the targets, j counts the sources from j0 on."""
    total = 0.0
    for k0 in range(0, positions.shape[1], 4096):
        k1 = min(k0 + 4096, positions.shape[1])
        for i in range(i0, min(i1, j0 + k1)):
            k = max(k0, i + 1 - j0)  # the first source beyond i
            hx, hy, hz = _field_at(
                targets[0, i - i0], targets[1, i - i0], targets[2, i - i0],
                positions[0, k:k1], positions[1, k:k1], positions[2, k:k1],
                moments[0, k:k1], moments[1, k:k1], moments[2, k:k1],
            )  # fmt: skip
            total += target_moments[0, i - i0] * hx + target_moments[1, i - i0] * hy + target_moments[2, i - i0] * hz
    return total


@jit("void(float64[:, ::1], float64[::1], float64[::1], float64[:, ::1])", fastmath=FAST)
def source_field(targets: Any, source: Any, moment: Any, out: Any) -> None:
    """Add to out (3, m) the field at targets (3, m) of one source at source (3,) with moment (3,)."""
    x, y, z, px, py, pz = source[0], source[1], source[2], moment[0], moment[1], moment[2]
    tx, ty, tz = targets[0], targets[1], targets[2]
    o0, o1, o2 = out[0], out[1], out[2]
    for i in range(tx.size):
        h = pair_field(tx[i] - x, ty[i] - y, tz[i] - z, px, py, pz)
        o0[i] += h[0]
        o1[i] += h[1]
        o2[i] += h[2]


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


@jit(fastmath=FAST)
def pair_gradient(
    dx: float, dy: float, dz: float, px: float, py: float, pz: float, px_: float, py_: float, pz_: float
) -> tuple[float, float, float]:
    """Gradient of u(p, p') by the displacement (dx, dy, dz) from p' to p: minus the force on p."""
    r2 = dx * dx + dy * dy + dz * dz
    i2 = 1.0 / (r2 if r2 > 0.0 else np.inf)
    a5 = -3.0 * i2 * i2 * math.sqrt(i2)
    q = dx * px + dy * py + dz * pz
    q_ = dx * px_ + dy * py_ + dz * pz_
    e = px * px_ + py * py_ + pz * pz_ - 5.0 * i2 * q * q_
    return (a5 * (e * dx + q_ * px + q * px_), a5 * (e * dy + q_ * py + q * py_), a5 * (e * dz + q_ * pz + q * pz_))


@jit(fastmath=FAST)
def _forces_at(
    x: float, y: float, z: float, px_: float, py_: float, pz_: float,
    sx: Any, sy: Any, sz: Any, px: Any, py: Any, pz: Any,
) -> tuple[float, float, float]:  # fmt: skip
    """Force on a target of the sources in the slices."""
    fx = fy = fz = 0.0
    for j in range(sx.size):
        gx, gy, gz = pair_gradient(x - sx[j], y - sy[j], z - sz[j], px_, py_, pz_, px[j], py[j], pz[j])
        fx -= gx
        fy -= gy
        fz -= gz
    return fx, fy, fz


@jit("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])", fastmath=FAST)
def forces(targets: Any, target_moments: Any, positions: Any, moments: Any, out: Any) -> None:
    """Add to out (3, m) the forces of all sources on targets (3, m) with target_moments (3, m): -Sum du/dd.

    They are those of the energy of all pairs i < j, in units of it over that of length.
    """
    for j0 in range(0, positions.shape[1], 4096):
        j1 = min(j0 + 4096, positions.shape[1])
        for i in range(targets.shape[1]):
            f = _forces_at(
                targets[0, i], targets[1, i], targets[2, i],
                target_moments[0, i], target_moments[1, i], target_moments[2, i],
                positions[0, j0:j1], positions[1, j0:j1], positions[2, j0:j1],
                moments[0, j0:j1], moments[1, j0:j1], moments[2, j0:j1],
            )  # fmt: skip
            for a in range(3):
                out[a, i] += f[a]


@jit(fastmath=FAST)
def _virial_at(
    x: float, y: float, z: float, px_: float, py_: float, pz_: float,
    sx: Any, sy: Any, sz: Any, px: Any, py: Any, pz: Any,
) -> tuple[float, float, float, float, float, float, float, float, float]:  # fmt: skip
    """Sum of (du/dd_i) d_j over the sources in the slices."""
    wxx = wxy = wxz = wyx = wyy = wyz = wzx = wzy = wzz = 0.0
    for j in range(sx.size):
        dx, dy, dz = x - sx[j], y - sy[j], z - sz[j]
        gx, gy, gz = pair_gradient(dx, dy, dz, px_, py_, pz_, px[j], py[j], pz[j])
        wxx += gx * dx
        wxy += gx * dy
        wxz += gx * dz
        wyx += gy * dx
        wyy += gy * dy
        wyz += gy * dz
        wzx += gz * dx
        wzy += gz * dy
        wzz += gz * dz
    return wxx, wxy, wxz, wyx, wyy, wyz, wzx, wzy, wzz


@jit("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])", fastmath=FAST)
def virial(targets: Any, target_moments: Any, positions: Any, moments: Any, out: Any) -> None:
    """Add to out (9, m), xx, xy, xz, yx, ..., half of Sum (du/dd_i) d_j over all sources, for each of the targets.

    Over all blocks these sum up to dE/dg_ij: E the energy of all pairs i < j, g the gradient of a displacement g x.
    """
    for j0 in range(0, positions.shape[1], 4096):
        j1 = min(j0 + 4096, positions.shape[1])
        for i in range(targets.shape[1]):
            w = _virial_at(
                targets[0, i], targets[1, i], targets[2, i],
                target_moments[0, i], target_moments[1, i], target_moments[2, i],
                positions[0, j0:j1], positions[1, j0:j1], positions[2, j0:j1],
                moments[0, j0:j1], moments[1, j0:j1], moments[2, j0:j1],
            )  # fmt: skip
            for a in range(9):
                out[a, i] += 0.5 * w[a]
