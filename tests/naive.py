"""Oracles of the tests alone, in plain NumPy or mpmath, importing nothing of mbfast; others are in `mbfast.testing`."""

import functools
import itertools
import math

import mpmath
import numpy as np
import scipy.integrate
import scipy.linalg
from scipy.special import spherical_jn

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


def difference(function, h):
    """Derivative of a function of one number at zero, by an eighth-order difference."""
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    return sum(c * (function(n * h) - function(-n * h)) for n, c in weights.items()) / h


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
    return difference(lambda s: tensor(r + s * v), 0.01 * np.linalg.norm(r) / np.linalg.norm(v))


def coupling_sum(tensor, positions, k, directions, x=None, moment_change="none", coherent=True):
    """N^-1 times the double sum of M M* X X for a wave u exp(ik.x) of unit strain amplitude, complex and indexed."""
    total = 0.0
    isotropic = None
    if x is not None:
        outer = lambda a, b: np.einsum(f"{a},{b}->ijkl", np.eye(3), np.eye(3))  # noqa: E731
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


def printed_rates(a, f, f_l, f_t, omega, kelvin, material, size, n0, strain, k, omega_c):
    """(3.1)-(3.7) as printed, with hbar, for spectra constant to omega_c; a = 0 longitudinal, 1 transverse."""
    hbar, k_b = 1.0545718176461565e-34, 1.380649e-23
    thermal = 1.0 if kelvin == 0 else 1 - np.exp(-hbar * omega / (k_b * kelvin))
    modulus, shear = (material.density * c**2 for c in ((material.c_l, material.c_t)[a], material.c_t))
    alpha, x = 1 - material.c_t**2 / material.c_l**2, f_l / f_t - 2
    bracket = (
        (55 + 176 * alpha + 688 * alpha**2) + 44 * (1 + 4 * alpha + 4 * alpha**2) * x,
        (35 + 112 * alpha + 656 * alpha**2) + 28 * (1 + 4 * alpha + 4 * alpha**2) * x,
    )[a]
    integral = (omega + 2 * k_b * kelvin / hbar) * f_t**2
    real = f / np.pi * np.log((omega_c**2 - omega**2) / omega**2)
    common = thermal * strain**2 * n0**3 * omega
    return {
        "single": -2 * size**3 * strain**2 * omega * thermal * f,
        "first": -2 * n0**3 * size**3 * strain**2 * omega * thermal * f,
        "second": common * np.log(n0) / (40 * np.pi**3 * shear**2) * bracket * hbar * integral,
        "third": k * common * np.log(n0) / (np.pi**3 * shear**2) * hbar * integral,
        "interaction": 4 * common * size**3 * np.log(n0) / modulus * f * real,
    }


def mean_over_directions(function, order=6):
    """Mean of a function of a unit vector, exact for polynomials of degree 2 order - 1 that are even."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    total = 0.0
    for z, w in zip(nodes, weights, strict=True):
        for phi in 2 * np.pi * (np.arange(2 * order) + 0.37) / (2 * order):
            k = np.array([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z])
            total = total + w / (4 * order) * function(k)
    return total


def response(spectrum, omega):
    """chi_l, chi_t of a block: Im chi = (1 - exp(-x)) Im chi~, Re chi by a principal-value integral in ln omega."""
    hbar, k_b = 1.0545718176461565e-34, 1.380649e-23
    grid = np.geomspace(spectrum.omega[0], spectrum.omega[-1], 400_001)
    kelvin = float(spectrum.temperature)

    def unreduced(points, a):
        thermal = 1.0 if kelvin == 0 else 1 - np.exp(-hbar * points / (k_b * kelvin))
        return thermal * spectrum(points)[a]

    result = []
    for a in range(2):
        values = []
        for w in omega:
            here = unreduced(np.array([w]), a)[0]
            # the integral of 1/(y^2 - w^2) over (0, inf) vanishes: subtract y f(y) - w f(w) over it
            y = grid * (1 + 1e-9)
            inside = (y * unreduced(y, a) - w * here) / (y**2 - w**2) * y
            total = np.trapezoid(inside, np.log(y))
            for end in (y[0], y[-1]):  # the subtracted term beyond the grid
                total += (-1 if end == y[0] else 1) * w * here / (2 * w) * np.log(abs((end - w) / (end + w)))
            values.append(2 / np.pi * total + 1j * here)
        result.append(np.array(values))
    return result


def coupled_response(couplings, positions, size, chi_l, chi_t, k, *, transverse):
    """First-order change of the response of N blocks, T_s = L^3 chi (e_s + 2 sum Lambda T_s'), per volume.

    couplings (N, N, 3, 3, 3, 3): Lambda, zero for s = s'.
    """
    n, unit = len(positions), k / np.linalg.norm(k)
    d = np.eye(3)
    chi = (chi_l - 2 * chi_t) * np.einsum("ij,kl->ijkl", d, d) + chi_t * (
        np.einsum("ik,jl->ijkl", d, d) + np.einsum("il,jk->ijkl", d, d)
    )
    first = np.cross(unit, d[np.argmin(np.abs(unit))])
    first /= np.linalg.norm(first)
    polarizations = [first, np.cross(unit, first)] if transverse else [unit]
    phases, change = np.exp(1j * positions @ k), 0.0
    for u in polarizations:
        strain = 0.5 * (np.outer(unit, u) + np.outer(u, unit))
        stress = size**3 * np.multiply.outer(phases, np.einsum("ijkl,kl->ij", chi, strain))
        fields = np.einsum("stijkl,tkl->sij", couplings, stress)
        summed = np.einsum("s,skl->kl", phases.conj(), 2 * fields)
        change = change + size**3 * np.sum(strain * np.einsum("ijkl,kl->ij", chi, summed))
    return change / (n * size**3 * len(polarizations))


SECOND_DIFFERENCE = {-1: 1, 0: -2, 1: 1}


def averaged_fourth_derivative(axes, offset):
    """Average of a fourth derivative of r over two unit cubes, contact term included, by mpmath.

    With W the double integral of a function over one axis, its average over that axis is the second difference of W;
    each pair of derivatives along the axis undoes W. What is left is one integral, over the axis sorted last.
    """
    sorted_axes = sorted("xyz", key=lambda axis: -axes.count(axis))
    counts = tuple(axes.count(axis) for axis in sorted_axes)
    return _averaged_fourth_derivative(
        counts, tuple(int(offset["xyz".index(axis)]) for axis in sorted_axes), mpmath.mp.dps
    )


@functools.cache  # places alike in all three axes have four values instead of fifteen
def _averaged_fourth_derivative(counts, offset, _dps):
    x, y, z = map(mpmath.mpf, offset)
    asinh = lambda u, v: mpmath.asinh(u / v) if v else mpmath.mpf(0)  # noqa: E731

    def undone(x, y, z):
        p2 = x * x + z * z
        r, p = mpmath.sqrt(p2 + y * y), mpmath.sqrt(p2)
        match counts[:2]:
            case 4, 0:  # d_xx of the double integral of r over y
                return y * asinh(y, p) - r - (x * x * r / p2 if p2 else 0)
            case 3, 1:  # d_x of the single integral of r over y
                return x * asinh(y, p)
            case 2, 2:
                return r
            case _:  # 2, 1, 1: the single integral of r over y; that over z is the one left
                return (y * r + p2 * asinh(y, p)) / 2

    def differences(z):
        steps = SECOND_DIFFERENCE.items()
        return mpmath.fsum(a * b * undone(x + i, y + j, z) for i, a in steps for j, b in steps)

    # far from the origin, where derivatives of r jump, Gauss's rule takes a tenth of the points
    method = "gauss-legendre" if max(map(abs, offset)) > 8 else "tanh-sinh"
    if counts[2]:
        return mpmath.quad(lambda t: differences(z + t) - differences(z + t - 1), [0, 1], method=method)
    return mpmath.quad(lambda t: (1 - abs(t)) * differences(z + t), [-1, 0, 1], method=method)


def newell(offset):
    """The demagnetising tensor of two unit cubes, by the closed forms of Newell, Williams and Dunlop (1993)."""
    asinh = lambda u, v, w: mpmath.asinh(u / mpmath.hypot(v, w)) if v or w else mpmath.mpf(0)  # noqa: E731
    atan = lambda u, v: mpmath.atan(u / v) if v else mpmath.mpf(0)  # noqa: E731

    def f(x, y, z):
        r = mpmath.sqrt(x * x + y * y + z * z)
        first = y * (z * z - x * x) * asinh(y, x, z) + z * (y * y - x * x) * asinh(z, x, y)
        return first / 2 - x * y * z * atan(y * z, x * r) + (2 * x * x - y * y - z * z) * r / 6

    def g(x, y, z):
        r = mpmath.sqrt(x * x + y * y + z * z)
        logarithms = x * y * z * asinh(z, x, y)
        logarithms += y * (3 * z * z - y * y) * asinh(x, y, z) / 6 + x * (3 * z * z - x * x) * asinh(y, x, z) / 6
        angles = z**3 * atan(x * y, z * r) / 6
        angles += z * y * y * atan(x * z, y * r) / 2 + z * x * x * atan(y * z, x * r) / 2
        return logarithms - angles - x * y * r / 3

    result = mpmath.zeros(3)
    for a, b in itertools.product(range(3), repeat=2):
        order = [a, *(i for i in range(3) if i != a)] if a == b else [a, b, 3 - a - b]
        for steps in itertools.product(SECOND_DIFFERENCE, repeat=3):
            place = [mpmath.mpf(int(offset[i]) + steps[i]) for i in order]
            factor = math.prod(SECOND_DIFFERENCE[s] for s in steps)
            result[a, b] -= factor * (f if a == b else g)(*place) / (4 * mpmath.pi)
    return result


def second_order(alone, coupling, operators, temperature, z, volume, hbar, k_b):
    """Coefficient of g^2 in `kubo` of alone + g coupling, T > 0: equations of motion and Dyson's series, no levels.

    chi = Tr A^+ X with hbar z X = [H, X] + [A, rho], order by order; that of exp(-beta H) is a corner of a triangular
    matrix's exponential.
    """
    d = len(alone)
    a, b, zero = -alone / (k_b * temperature), -coupling / (k_b * temperature), np.zeros((d, d))
    corner = scipy.linalg.expm(np.block([[a, b, zero], [zero, a, b], [zero, zero, a]]))
    n = [corner[:d, k * d : (k + 1) * d] for k in range(3)]
    weights = [np.trace(x) for x in n]
    rho = [n[0] / weights[0]]
    rho.append((n[1] - weights[1] * rho[0]) / weights[0])
    rho.append((n[2] - weights[1] * rho[1] - weights[2] * rho[0]) / weights[0])
    liouville = np.kron(alone, np.eye(d)) - np.kron(np.eye(d), alone.T)  # [H, .] of matrices in a row
    resolvent = np.linalg.inv(hbar * z * np.eye(d * d) - liouville)
    total = np.zeros((len(operators), len(operators)), complex)
    for j, second in enumerate(operators):
        x = np.zeros((d, d))
        for r in rho:
            source = coupling @ x - x @ coupling + second @ r - r @ second
            x = (resolvent @ source.ravel()).reshape(d, d)
        for i, first in enumerate(operators):
            total[i, j] = np.trace(first.conj().T @ x)
    return total / volume


def in_a_wave(hamiltonian, wave, envelope, omega, psi, times, hbar):
    """States (n, D) of H + f(t) (W e^-iwt + h.c.) at increasing times, from psi at the first, by SciPy's solver."""

    def slope(t, y):
        carried = np.exp(-1j * omega * t) * wave
        return (hamiltonian + envelope(t) * (carried + carried.conj().T)) @ y / (1j * hbar)

    span, psi = (times[0], times[-1]), np.asarray(psi, complex)
    done = scipy.integrate.solve_ivp(slope, span, psi, "DOP853", times, rtol=1e-12, atol=1e-13)
    return done.y.T


def golden_rule(hamiltonian, wave, envelope, omega, temperature, corners, hbar, k_b):
    """Energy that W e^-iwt + h.c. times an envelope, smooth between times, leaves to second order: by quadrature."""
    energies, states = np.linalg.eigh(hamiltonian)
    energies = energies - energies[0]
    p = np.exp(-energies / (k_b * temperature)) if temperature else 1.0 * (energies == 0.0)
    w = states.conj().T @ wave @ states
    x, weights = np.polynomial.legendre.leggauss(80)
    t = np.concatenate([a + 0.5 * (b - a) * (1.0 + x) for a, b in itertools.pairwise(corners)])
    weights = np.concatenate([0.5 * (b - a) * weights for a, b in itertools.pairwise(corners)])
    total = 0.0
    for m, n in itertools.product(range(len(p)), repeat=2):
        driven = w[n, m] * np.exp(-1j * omega * t) + w[m, n].conj() * np.exp(1j * omega * t)
        gap = energies[n] - energies[m]
        amplitude = np.sum(weights * envelope(t) * driven * np.exp(1j * gap * t / hbar)) / hbar
        total += p[m] / p.sum() * gap * abs(amplitude) ** 2
    return total


def cube_phase(order, q, nodes):
    """Integral over displacements u of two points of a cube of prod(1 - |u_a|) j_order(q u)/u^3.

    Six pyramids along the axes, u = s (1, a, b): what is integrated is smooth in s, a and b.
    """
    x, w = np.polynomial.legendre.leggauss(nodes)
    x, w = 0.5 * (x + 1), 0.5 * w
    s, a, b = np.meshgrid(x, x, x, indexing="ij", sparse=True)
    rho = np.sqrt(1 + a * a + b * b)
    integrand = (1 - s) * (1 - s * a) * (1 - s * b) * spherical_jn(order, q * s * rho) / (s * rho**3)
    return 24 * np.einsum("ijk,i,j,k", integrand, w, w, w)
