"""Pair sums of stress moments: the contracted elastic interaction of (2.13)-(2.15).

Units are reduced: lengths in a unit of the caller's, energies such that the interaction of moments T, T' at distance
r, direction n, is, with v = T n, q = n.v, t = tr T and primes likewise,

    u(T, T') = r^-3 [ c0 T:T' + c1 v.v' + c2 (-t t'/2 + 3/2 (t q' + q t') - 15/2 q q') ].

(c0, c1, c2) = (1 - alpha, 6 alpha - 3, alpha) is the tensor of (2.15), (-2 - 4 alpha, 6 + 24 alpha, 4 alpha) that
of Joffrin and Levelut (A1); to SI it is multiplied by -1/(8 pi rho c_t^2 unit^3). The field of T' is h(T') = du/dT,
so that u = T:h(T').

Layout: ``positions`` (3, n) and ``moments``, ``field`` (6, n), float64, C-contiguous; rows of moments are xx, yy, zz,
yz, xz, xy, plain tensor components. Blocks at distance zero do not interact: a block may stand among its own sources.
Nothing is checked.
"""

import math
from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit


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


@jit(fastmath=FAST)
def _scaled(moments: Any, j0: int, j1: int, c1: float, c2: float, tile: Any) -> float:
    """Fill the rows of tile with c1/2 T' and 3/4 c2 tr T' of sources [j0, j1); return the factor c1/2."""
    factor = 0.5 * c1 if c1 != 0.0 else 1e-30  # c1 vanishes at alpha = 1/2: what is divided by it must not
    for j in range(j1 - j0):
        for a in range(6):
            tile[a, j] = factor * moments[a, j0 + j]
        tile[6, j] = 0.75 * c2 * (moments[0, j0 + j] + moments[1, j0 + j] + moments[2, j0 + j])
    return factor


@jit(fastmath=FAST)
def _field_at(
    x: float, y: float, z: float, sx: Any, sy: Any, sz: Any,
    xx: Any, yy: Any, zz: Any, yz: Any, xz: Any, xy: Any, trace: Any, factor: float, c0: float, c2: float,
) -> tuple[float, float, float, float, float, float]:  # fmt: skip
    """Field at a point of the sources in the slices, which are scaled as by `_scaled`."""
    # As pair_field, but with all factors that are common to the sources taken out of the loop. What remains are two
    # matrices, E = Sum a3 T' and D = Sum d u, and S = Sum a3 q, all scaled by c1/2; the traces of D and of the T' in
    # the diagonal follow from E and S. That is 40 multiplications or fused multiply-adds, a division and a square root
    # a pair, and LLVM makes of it a loop over full vectors, with contiguous loads and without branches or spills.
    exx = eyy = ezz = eyz = exz = exy = dxx = dyy = dyz = dxz = dxy = s = 0.0
    kappa = 3.75 * c2 / factor
    for j in range(sx.size):
        dx = x - sx[j]
        dy = y - sy[j]
        dz = z - sz[j]
        r2 = dx * dx + dy * dy + dz * dz
        i2 = 1.0 / (r2 if r2 > 0.0 else np.inf)
        a3 = i2 * math.sqrt(i2)
        a5 = a3 * i2
        wx = xx[j] * dx + xy[j] * dy + xz[j] * dz
        wy = xy[j] * dx + yy[j] * dy + yz[j] * dz
        wz = xz[j] * dx + yz[j] * dy + zz[j] * dz
        q = (dx * wx + dy * wy + dz * wz) * i2
        p = trace[j] - kappa * q
        ux = a5 * (wx + p * dx)
        uy = a5 * (wy + p * dy)
        uz = a5 * (wz + p * dz)
        s += a3 * q
        exx += a3 * xx[j]
        eyy += a3 * yy[j]
        ezz += a3 * zz[j]
        eyz += a3 * yz[j]
        exz += a3 * xz[j]
        exy += a3 * xy[j]
        dxx += dx * ux
        dyy += dy * uy
        dyz += dy * uz + dz * uy
        dxz += dx * uz + dz * ux
        dxy += dx * uy + dy * ux
    t = (exx + eyy + ezz) / factor
    e = c0 / factor
    dzz = (1.0 - kappa) * s + 0.75 * c2 * t - dxx - dyy
    diagonal = c2 * (1.5 * s / factor - 0.5 * t)
    return (
        e * exx + 2.0 * dxx + diagonal,
        e * eyy + 2.0 * dyy + diagonal,
        e * ezz + 2.0 * dzz + diagonal,
        e * eyz + dyz,
        e * exz + dxz,
        e * exy + dxy,
    )


@jit(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64, float64, float64, float64[:, ::1])", fastmath=FAST
)
def field(targets: Any, positions: Any, moments: Any, c0: float, c1: float, c2: float, out: Any) -> None:
    """Add to out (6, m) the field at targets (3, m) of all sources."""
    tile = np.empty((7, 2048))  # what is read again for every target stays in the nearest caches
    for j0 in range(0, positions.shape[1], 2048):
        j1 = min(j0 + 2048, positions.shape[1])
        n = j1 - j0
        factor = _scaled(moments, j0, j1, c1, c2, tile)
        sx, sy, sz = positions[0, j0:j1], positions[1, j0:j1], positions[2, j0:j1]
        xx, yy, zz, yz, xz, xy, trace = (
            tile[0, :n], tile[1, :n], tile[2, :n], tile[3, :n], tile[4, :n], tile[5, :n], tile[6, :n],
        )  # fmt: skip
        for i in range(targets.shape[1]):
            x, y, z = targets[0, i], targets[1, i], targets[2, i]
            h = _field_at(x, y, z, sx, sy, sz, xx, yy, zz, yz, xz, xy, trace, factor, c0, c2)
            for a in range(6):
                out[a, i] += h[a]


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
    total = 0.0
    tile = np.empty((7, 2048))
    for k0 in range(0, positions.shape[1], 2048):
        k1 = min(k0 + 2048, positions.shape[1])
        if j0 + k1 <= i0 + 1:  # no source beyond any target
            continue
        factor = _scaled(moments, k0, k1, c1, c2, tile)
        for i in range(i0, min(i1, j0 + k1 - 1)):
            k = max(k0, i + 1 - j0)  # the first source beyond i
            a, b = k - k0, k1 - k0
            hxx, hyy, hzz, hyz, hxz, hxy = _field_at(
                targets[0, i - i0], targets[1, i - i0], targets[2, i - i0],
                positions[0, k:k1], positions[1, k:k1], positions[2, k:k1],
                tile[0, a:b], tile[1, a:b], tile[2, a:b], tile[3, a:b], tile[4, a:b], tile[5, a:b], tile[6, a:b],
                factor, c0, c2,
            )  # fmt: skip
            total += (
                target_moments[0, i - i0] * hxx + target_moments[1, i - i0] * hyy + target_moments[2, i - i0] * hzz
                + 2.0 * (target_moments[3, i - i0] * hyz + target_moments[4, i - i0] * hxz
                         + target_moments[5, i - i0] * hxy)
            )  # fmt: skip
    return total


@jit("void(float64[:, ::1], float64[::1], float64[::1], float64, float64, float64, float64[:, ::1])", fastmath=FAST)
def source_field(targets: Any, source: Any, moment: Any, c0: float, c1: float, c2: float, out: Any) -> None:
    """Add to out (6, m) the field at targets (3, m) of one source at source (3,) with moment (6,)."""
    x, y, z = source[0], source[1], source[2]
    xx, yy, zz, yz, xz, xy = moment[0], moment[1], moment[2], moment[3], moment[4], moment[5]
    tx, ty, tz = targets[0], targets[1], targets[2]
    o0, o1, o2, o3, o4, o5 = out[0], out[1], out[2], out[3], out[4], out[5]
    for i in range(tx.size):
        h = pair_field(tx[i] - x, ty[i] - y, tz[i] - z, xx, yy, zz, yz, xz, xy, c0, c1, c2)
        o0[i] += h[0]
        o1[i] += h[1]
        o2[i] += h[2]
        o3[i] += h[3]
        o4[i] += h[4]
        o5[i] += h[5]


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
    a5 = i2 * i2 * math.sqrt(i2)
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
        a5 * (c1 * (xx * wx_ + xy * wy_ + xz * wz_ + xx_ * wx + xy_ * wy + xz_ * wz) + k * wx_ + k_ * wx + e * dx),
        a5 * (c1 * (xy * wx_ + yy * wy_ + yz * wz_ + xy_ * wx + yy_ * wy + yz_ * wz) + k * wy_ + k_ * wy + e * dy),
        a5 * (c1 * (xz * wx_ + yz * wy_ + zz * wz_ + xz_ * wx + yz_ * wy + zz_ * wz) + k * wz_ + k_ * wz + e * dz),
    )


@jit(fastmath=FAST)
def _forces_at(
    x: float, y: float, z: float, xx_: float, yy_: float, zz_: float, yz_: float, xz_: float, xy_: float,
    sx: Any, sy: Any, sz: Any, xx: Any, yy: Any, zz: Any, yz: Any, xz: Any, xy: Any, c0: float, c1: float, c2: float,
) -> tuple[float, float, float]:  # fmt: skip
    """Force on a target of the sources in the slices."""
    fx = fy = fz = 0.0
    for j in range(sx.size):
        gx, gy, gz = pair_gradient(
            x - sx[j], y - sy[j], z - sz[j], xx_, yy_, zz_, yz_, xz_, xy_,
            xx[j], yy[j], zz[j], yz[j], xz[j], xy[j], c0, c1, c2,
        )  # fmt: skip
        fx -= gx
        fy -= gy
        fz -= gz
    return fx, fy, fz


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
    for j0 in range(0, positions.shape[1], 2048):
        j1 = min(j0 + 2048, positions.shape[1])
        for i in range(targets.shape[1]):
            f = _forces_at(
                targets[0, i], targets[1, i], targets[2, i],
                target_moments[0, i], target_moments[1, i], target_moments[2, i],
                target_moments[3, i], target_moments[4, i], target_moments[5, i],
                positions[0, j0:j1], positions[1, j0:j1], positions[2, j0:j1],
                moments[0, j0:j1], moments[1, j0:j1], moments[2, j0:j1],
                moments[3, j0:j1], moments[4, j0:j1], moments[5, j0:j1], c0, c1, c2,
            )  # fmt: skip
            for a in range(3):
                out[a, i] += f[a]


@jit(fastmath=FAST)
def _virial_at(
    x: float, y: float, z: float, xx_: float, yy_: float, zz_: float, yz_: float, xz_: float, xy_: float,
    sx: Any, sy: Any, sz: Any, xx: Any, yy: Any, zz: Any, yz: Any, xz: Any, xy: Any, c0: float, c1: float, c2: float,
) -> tuple[float, float, float, float, float, float, float, float, float]:  # fmt: skip
    """Sum of (du/dd_i) d_j over the sources in the slices."""
    wxx = wxy = wxz = wyx = wyy = wyz = wzx = wzy = wzz = 0.0
    for j in range(sx.size):
        dx, dy, dz = x - sx[j], y - sy[j], z - sz[j]
        gx, gy, gz = pair_gradient(
            dx, dy, dz, xx_, yy_, zz_, yz_, xz_, xy_,
            xx[j], yy[j], zz[j], yz[j], xz[j], xy[j], c0, c1, c2,
        )  # fmt: skip
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
    for j0 in range(0, positions.shape[1], 2048):
        j1 = min(j0 + 2048, positions.shape[1])
        for i in range(targets.shape[1]):
            w = _virial_at(
                targets[0, i], targets[1, i], targets[2, i],
                target_moments[0, i], target_moments[1, i], target_moments[2, i],
                target_moments[3, i], target_moments[4, i], target_moments[5, i],
                positions[0, j0:j1], positions[1, j0:j1], positions[2, j0:j1],
                moments[0, j0:j1], moments[1, j0:j1], moments[2, j0:j1],
                moments[3, j0:j1], moments[4, j0:j1], moments[5, j0:j1], c0, c1, c2,
            )  # fmt: skip
            for a in range(9):
                out[a, i] += 0.5 * w[a]
