"""Oracles: the formulas as they are written, in plain NumPy or mpmath, importing nothing of mbfast."""

import itertools
import math

import mpmath
import numpy as np

HBAR = 6.62607015e-34 / (2 * np.pi)  # J s, exact by definition of the SI


def cutoff_length(modulus, omega, omega_c):
    """(4.4), straightforwardly."""
    return np.cbrt(HBAR * omega_c / (modulus * np.log(omega_c / omega)))


def dipole_cutoff_length(dielectric, permittivity, stress, modulus, omega, omega_c):
    """(5.10), straightforwardly."""
    numerator = dielectric**2 * modulus * HBAR * omega_c
    return np.cbrt(numerator / (permittivity**2 * stress**2 * np.log(omega_c / omega)))


def cutoff_length_mp(modulus, omega, omega_c):
    """(4.4) of the given doubles, to 40 digits; hbar is the double nearest to it, as in the kernel."""
    with mpmath.workdps(40):
        ratio = mpmath.mpf(omega_c) / mpmath.mpf(omega)
        return mpmath.cbrt(mpmath.mpf(1.0545718176461565e-34) * omega_c / (modulus * mpmath.log(ratio)))


def dipole_cutoff_length_mp(dielectric, permittivity, stress, modulus, omega, omega_c):
    """(5.10) of the given doubles, to 40 digits."""
    with mpmath.workdps(40):
        strength = mpmath.mpf(dielectric) / permittivity / stress * modulus
        return mpmath.cbrt(strength**2) * cutoff_length_mp(modulus, omega, omega_c)


def fit_through_origin(x, y):
    """Slope, its standard error, Pearson's r: one sum after the other."""
    n = len(x)
    sxx = sum(a * a for a in x)
    slope = sum(a * b for a, b in zip(x, y, strict=True)) / sxx
    variance = sum((b - slope * a) ** 2 for a, b in zip(x, y, strict=True)) / (n - 1)
    mx, my = sum(x) / n, sum(y) / n
    cov = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    r = cov / (sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y)) ** 0.5
    return slope, (variance / sxx) ** 0.5, r


DELTA = np.eye(3)


def brace(n):
    """The braces of the second part of (2.15), index by index."""
    d = DELTA
    result = np.empty((3, 3, 3, 3))
    for i, j, k, l_ in np.ndindex(3, 3, 3, 3):
        result[i, j, k, l_] = (
            -(d[i, j] * d[k, l_] + d[i, k] * d[j, l_] + d[j, k] * d[i, l_])
            + 3 * n[i] * (n[j] * d[k, l_] + n[k] * d[j, l_] + n[l_] * d[j, k])
            + 3 * (n[j] * n[k] * d[i, l_] + n[j] * n[l_] * d[i, k] + n[k] * n[l_] * d[i, j])
            - 15 * n[i] * n[j] * n[k] * n[l_]
        )
    return result


def stress_tensor(r, density, c_l, c_t, form="corrected"):
    """(2.14), (2.15), or (A1)."""
    r = np.asarray(r, dtype=float)
    x = np.sqrt(r @ r)
    n, alpha = r / x, 1 - c_t**2 / c_l**2
    first = np.empty((3, 3, 3, 3))
    for i, j, k, l_ in np.ndindex(3, 3, 3, 3):
        term = lambda p, q, a, b: (DELTA[p, q] - 3 * n[p] * n[q]) * DELTA[a, b]  # noqa: E731
        if form == "corrected":
            first[i, j, k, l_] = 0.25 * (term(j, l_, i, k) + term(j, k, i, l_) + term(i, k, j, l_) + term(i, l_, j, k))
        else:
            first[i, j, k, l_] = -2 * term(j, l_, i, k)
    second = (0.5 if form == "corrected" else 2.0) * alpha * brace(n)
    return -(first + second) / (8 * np.pi * density * c_t**2 * x**3)


def dipole_tensor(r, permittivity):
    """(5.2)."""
    r = np.asarray(r, dtype=float)
    x = np.sqrt(r @ r)
    return (DELTA - 3 * np.outer(r, r) / x**2) / (8 * np.pi * permittivity * x**3)


def pair_field(tensor, positions, moments, shifts=((0.0, 0.0, 0.0),)):
    """h_s as the sum over sources and images of tensor(x_s - x_s' - shift) T_s', symmetrised for stress."""
    field = np.zeros_like(moments)
    for s, x in enumerate(positions):
        for t, y in enumerate(positions):
            for shift in shifts:
                r = x - y - np.asarray(shift)
                if np.any(r):
                    lam = tensor(r)
                    if lam.ndim == 4:
                        h = np.einsum("ijkl,kl", lam, moments[t])
                        field[s] += 0.5 * (h + h.T)
                    else:
                        field[s] += lam @ moments[t]
    return field


def lattice_sum(positions, power, spacing):
    """N^-1 times the double sum of (spacing/x)^power."""
    pairs = itertools.permutations(positions, 2)
    return math.fsum((spacing / np.sqrt((x - y) @ (x - y))) ** power for x, y in pairs) / len(positions)


def transverse_directions(k):
    """Two unit vectors across k."""
    return np.linalg.svd(k[None] / np.linalg.norm(k))[2][1:]


def phase_sum(tensor, positions, k, directions):
    """N^-1 times the double sum of tensor e e cos(k.x), averaged over the polarizations."""
    total = 0.0
    for u in directions:
        e = 0.5 * (np.outer(k, u) + np.outer(u, k)) / np.linalg.norm(k)
        for s, x in enumerate(positions):
            for t, y in enumerate(positions):
                if s != t:
                    lam = tensor(x - y)
                    value = np.einsum("ijkl,ij,kl", lam, e, e) if lam.ndim == 4 else u @ lam @ u
                    total += value * np.cos(k @ (x - y))
    return total / len(positions) / len(directions)


def derivative(tensor, r, v):
    """Directional derivative of a tensor by an eighth-order difference."""
    h = 0.01 * np.linalg.norm(r) / np.linalg.norm(v)
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    return sum(c * (tensor(r + s * h * v) - tensor(r - s * h * v)) for s, c in weights.items()) / h


def coupling_sum(tensor, positions, k, directions, x=None, moment_change="none", coherent=True):
    """N^-1 times the double sum of M M* X X for a wave u exp(ik.x) of unit strain amplitude, complex and indexed."""
    total = 0.0
    isotropic = None
    if x is not None:
        outer = lambda a, b: np.einsum(f"{a},{b}->ijkl", DELTA, DELTA)  # noqa: E731
        isotropic = x * outer("ij", "kl") + outer("ik", "jl") + outer("il", "jk")
    for u in directions:
        gradient = 1j * np.outer(u, k)
        if moment_change == "strain":
            gradient = 0.5 * (gradient + gradient.T)
        for s, xs in enumerate(positions):
            for t, xt in enumerate(positions):
                if s == t:
                    continue
                ws, wt = np.exp(1j * k @ xs), np.exp(1j * k @ xt)
                moved = derivative(tensor, xs - xt, u) * (ws - wt)
                if isotropic is not None:
                    total += np.einsum(
                        "ijkl,pqrs,ijpq,klrs", moved, moved.conj(), isotropic, isotropic, optimize=True
                    ).real
                    continue
                mu = tensor(xs - xt)
                turned = 0 * mu if moment_change == "none" else gradient.T @ mu * ws + mu @ gradient * wt
                if coherent:
                    total += np.sum(np.abs(moved + turned) ** 2)
                else:
                    total += np.sum(np.abs(moved) ** 2) + np.sum(np.abs(turned) ** 2)
    return total / len(positions) / len(directions) / (k @ k)
