"""Sums of functions of a displacement d = r n over many of them: what lattice and pair averages are made of.

``d`` (3, n) holds displacements in reduced units, none of them zero, ``weights`` (n,) how often each occurs; vectors
are (3,); float64, C-contiguous. Nothing is checked.

Examples
--------
>>> import numpy as np
>>> from mbfast.kernels import displacements
>>> d, once = 2.0 * np.vstack([np.eye(3), -np.eye(3)]).T.copy(), np.ones(6)  # the six neighbours at the distance 2
>>> float(displacements.inverse_power(d, once, 6.0)) * 2**6
6.0
>>> k, u, e = np.array([0, 0, 0.5]), np.array([1.0, 0, 0]), np.array([0, 0, 1.0, 0, 0, 0])
>>> print(f"{8 * displacements.phase(d, once, k, e, np.array([1.0, 0, 0, 0])):.4f}", f"{4 + 2 * np.cos(1.0):.4f}")
5.0806 5.0806
>>> print(f"{displacements.strain_coupling(d, once, k, u, 1.0, 0.0) * 2**8:.4f}", f"{2 * (4 * np.sin(0.5)) ** 2:.4f}")
7.3552 7.3552
>>> bool(displacements.dipole_strain_coupling(d, once, k, u, True, True) > 0)
True
>>> out = np.empty((2, 1))
>>> displacements.isotropic_phase(np.full(6, 2.0), once, np.array([1e-9]), out)
>>> bool(abs(out).max() < 1e-12)  # long waves
True
"""

import math
from typing import Any

from mbfast._core.jit import FAST, jit


@jit("float64(float64[:, ::1], float64[::1], float64)", fastmath=FAST)
def inverse_power(d: Any, weights: Any, power: float) -> float:
    """Sum of weight r^-power."""
    x, y, z = d[0], d[1], d[2]
    total = 0.0
    for i in range(x.size):
        total += weights[i] * (x[i] * x[i] + y[i] * y[i] + z[i] * z[i]) ** (-0.5 * power)
    return total


@jit("float64(float64[:, ::1], float64[::1], float64[::1], float64[::1], float64[::1])", fastmath=FAST)
def phase(d: Any, weights: Any, k: Any, e: Any, c: Any) -> float:
    """Sum of weight cos(k.d) r^-3 [c0 e:e + c1 (e n)^2 + c2 (-t^2/2 + 3 t q - 15/2 q^2) + c3 q].

    e (6,) is a strain in the order xx, yy, zz, yz, xz, xy, t = tr e, q = n.e n; c = (c0, c1, c2, c3).
    """
    xx, yy, zz, yz, xz, xy = e[0], e[1], e[2], e[3], e[4], e[5]
    kx, ky, kz = k[0], k[1], k[2]
    trace = xx + yy + zz
    constant = c[0] * (xx * xx + yy * yy + zz * zz + 2.0 * (yz * yz + xz * xz + xy * xy)) - 0.5 * c[2] * trace * trace
    c1, c2, linear = c[1], c[2], 3.0 * c[2] * trace + c[3]
    x, y, z = d[0], d[1], d[2]
    total = 0.0
    for i in range(x.size):
        i2 = 1.0 / (x[i] * x[i] + y[i] * y[i] + z[i] * z[i])
        wx = xx * x[i] + xy * y[i] + xz * z[i]
        wy = xy * x[i] + yy * y[i] + yz * z[i]
        wz = xz * x[i] + yz * y[i] + zz * z[i]
        v2 = (wx * wx + wy * wy + wz * wz) * i2
        q = (x[i] * wx + y[i] * wy + z[i] * wz) * i2
        bracket = constant + c1 * v2 + linear * q - 7.5 * c2 * q * q
        total += weights[i] * math.cos(kx * x[i] + ky * y[i] + kz * z[i]) * bracket * i2 * math.sqrt(i2)
    return total


@jit("float64(float64[:, ::1], float64[::1], float64[::1], float64[::1], float64, float64)", fastmath=FAST)
def strain_coupling(d: Any, weights: Any, k: Any, u: Any, a: float, b: float) -> float:
    """Sum of weight (2 sin(k.d/2)/|k|)^2 r^-8 [a + b (n.u)^2] for a polarization u."""
    kx, ky, kz, ux, uy, uz = k[0], k[1], k[2], u[0], u[1], u[2]
    scale = 4.0 / (kx * kx + ky * ky + kz * kz)
    x, y, z = d[0], d[1], d[2]
    total = 0.0
    for i in range(x.size):
        i2 = 1.0 / (x[i] * x[i] + y[i] * y[i] + z[i] * z[i])
        sine = math.sin(0.5 * (kx * x[i] + ky * y[i] + kz * z[i]))
        along = ux * x[i] + uy * y[i] + uz * z[i]
        i4 = i2 * i2
        total += weights[i] * scale * sine * sine * (a + b * along * along * i2) * i4 * i4
    return total


@jit("float64(float64[:, ::1], float64[::1], float64[::1], float64[::1], boolean, boolean)", fastmath=FAST)
def dipole_strain_coupling(d: Any, weights: Any, k: Any, u: Any, symmetric: bool, coherent: bool) -> float:
    """Sum of weight |M|^2/|k|^2 for dipoles that move and turn in a wave u exp(ik.x), at unit strain amplitude.

    M = dmu (u_s - u_s') + G_s^T mu + mu G_s', with G the gradient of the wave (`symmetric`: its symmetric part);
    not `coherent`: the squares of the first term and of the rest are added.
    """
    size = math.sqrt(k[0] * k[0] + k[1] * k[1] + k[2] * k[2])
    total = 0.0
    for i in range(weights.size):
        r = math.sqrt(d[0, i] * d[0, i] + d[1, i] * d[1, i] + d[2, i] * d[2, i])
        half = 0.5 * (k[0] * d[0, i] + k[1] * d[1, i] + k[2] * d[2, i])
        # With the common phase taken out, u_s - u_s' is 2 sin(k.d/2) and the gradients carry exp(+-i k.d/2).
        moved = 2.0 * math.sin(half) / (size * r)
        cosine, sine = math.cos(half), math.sin(half)
        nu = (d[0, i] * u[0] + d[1, i] * u[1] + d[2, i] * u[2]) / r
        nk = (d[0, i] * k[0] + d[1, i] * k[1] + d[2, i] * k[2]) / (r * size)
        squares = 0.0
        for a in range(3):
            na, ka, ua = d[a, i] / r, k[a] / size, u[a]
            wa, va = ua - 3.0 * na * nu, ka - 3.0 * na * nk
            for b in range(3):
                nb, kb, ub = d[b, i] / r, k[b] / size, u[b]
                wb, vb = ub - 3.0 * nb * nu, kb - 3.0 * nb * nk
                change = 3.0 * (5.0 * na * nb * nu - (nu if a == b else 0.0) - (na * ub + ua * nb)) * moved
                left, right = ka * wb, wa * kb
                if symmetric:
                    left, right = 0.5 * (left + ua * vb), 0.5 * (right + va * ub)
                even, odd = cosine * (left + right), sine * (left - right)
                if coherent:
                    squares += (change + even) * (change + even) + odd * odd
                else:
                    squares += change * change + even * even + odd * odd
        total += weights[i] * squares / (r * r * r * r * r * r)
    return total


@jit("void(float64[::1], float64[::1], float64[::1], float64[:, ::1])")
def isotropic_phase(r: Any, weights: Any, k: Any, out: Any) -> None:
    """Fill out (2, k.size) with the sums of weight r^-3 j_2(k r) and of weight r^-3 j_4(k r), j_l spherical Bessel.

    They are the averages over all directions of k of cos(k.d) P_l(n.k), times -1 for l = 2.
    """
    for i in range(k.size):
        second, fourth = 0.0, 0.0
        for m in range(r.size):
            z = k[i] * r[m]
            square = z * z
            if z < 3.0:  # power series, to rounding errors: the closed forms cancel
                term2, term4 = square / 15.0, square * square / 945.0
                j2, j4 = 0.0, 0.0
                for n in range(1, 18):
                    j2 += term2
                    j4 += term4
                    term2 *= -0.5 * square / (n * (2 * n + 5))
                    term4 *= -0.5 * square / (n * (2 * n + 9))
            else:
                sine, cosine, i1 = math.sin(z), math.cos(z), 1.0 / z
                i2 = i1 * i1
                j2 = ((3.0 * i2 - 1.0) * sine - 3.0 * i1 * cosine) * i1
                j4 = ((1.0 - 45.0 * i2 + 105.0 * i2 * i2) * sine + (10.0 - 105.0 * i2) * i1 * cosine) * i1
            weight = weights[m] / (r[m] * r[m] * r[m])
            second += weight * j2
            fourth += weight * j4
        out[0, i], out[1, i] = second, fourth
