"""Oracles: the formulas as they are written, in plain NumPy or mpmath, importing nothing of mbfast."""

import itertools
import math

import mpmath
import numpy as np
import scipy.linalg
from scipy.special import erfc, spherical_jn

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


def pair_derivatives(change, positions, moments, shifts=((0.0, 0.0, 0.0),)):
    """Forces (N, 3) and virial (3, 3) of the energy of all ordered pairs, from the change of a tensor by (2.17), (5.3).

    The shifts are as many as their opposites: a block's images move with it.
    """
    forces, virial = np.zeros((len(positions), 3)), np.zeros((3, 3))
    for s, x in enumerate(positions):
        for t, y in enumerate(positions):
            for shift in shifts:
                r = x - y - np.asarray(shift)
                if np.any(r):
                    contraction = "ij,ijkl,kl" if moments.ndim == 3 else "i,ij,j"
                    gradient = [np.einsum(contraction, moments[s], change(r, e), moments[t]) for e in DELTA]
                    forces[s] -= 2 * np.array(gradient)
                    virial += np.outer(gradient, r)
    return forces, virial


def difference(function, h):
    """Derivative of a function of one number at zero, by an eighth-order difference."""
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    return sum(c * (function(n * h) - function(-n * h)) for n, c in weights.items()) / h


def pair_energy(interaction, positions, moments):
    """Energy of all ordered pairs without prefactor, in the precision of the positions."""
    s, t = np.nonzero(~np.eye(len(positions), dtype=bool))
    tensors = pair_tensor(interaction, positions[s] - positions[t])
    contraction = "nij,nijkl,nkl" if moments.ndim == 3 else "ni,nij,nj"
    return np.einsum(contraction, moments[s], tensors, moments[t])


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


LOBATTO = np.concatenate([[-1.0], np.sort(np.polynomial.legendre.Legendre.basis(7).deriv().roots()), [1.0]])


def interpolated(nodes, samples, degree=7, logarithmic=True):
    """Breaks and polynomials of x: in each cell, through Lagrange's interpolation at eight Lobatto points."""
    size = min(degree + 1, len(nodes))
    pieces = []
    for i in range(len(nodes) - 1):
        start = min(max(i - (size - 1) // 2, 0), len(nodes) - size)
        a, b = nodes[i], nodes[i + 1]
        points = 0.5 * (a + b) + 0.5 * (b - a) * LOBATTO
        stencil = nodes[start : start + size]
        t, s = (np.log(points / a), np.log(stencil / a)) if logarithmic else (points, stencil)
        values = np.zeros(8)
        for r in range(size):
            others = [k for k in range(size) if k != r]
            values += samples[start + r] * np.prod([(t - s[k]) / (s[r] - s[k]) for k in others], axis=0)
        pieces.append(np.polynomial.Polynomial.fit(points, values, 7, domain=[a, b]))
    return pieces


class NaiveSpectrum:
    """A sampled spectrum at any frequency: polynomials, a power law below, nothing above, detailed balance."""

    def __init__(self, nodes, samples, rate=np.inf, exponent=None, **options):
        self.nodes, self.rate = np.asarray(nodes, dtype=float), rate
        self.pieces = interpolated(self.nodes, samples, **options)
        self.first = samples[0]
        if exponent is None:
            exponent = math.log(samples[1] / samples[0]) / math.log(nodes[1] / nodes[0])
        self.exponent = exponent

    def __call__(self, x):
        if x < 0.0:
            return 0.0 if np.isinf(self.rate) else math.exp(self.rate * x) * self(-x)
        if x < self.nodes[0]:
            return self.first * (x / self.nodes[0]) ** self.exponent
        if x > self.nodes[-1]:
            return 0.0
        return self.pieces[min(np.searchsorted(self.nodes, x, side="right"), len(self.pieces)) - 1](x)


def convolution(f, g, omega):
    """Integral of f(y) g(omega - y), by Gauss's rule between the points where one of them has a break."""
    return half_convolution(f, g, omega) + half_convolution(g, f, omega)


def half_convolution(f, g, omega):
    """The part with y < omega/2, where omega - y is known without cancellation."""
    # toward a power law's singularity, and wherever a Boltzmann factor falls, in shorter and shorter steps
    near = f.nodes[0] * 2.0 ** -np.arange(100.0)
    breaks = np.concatenate([[0.0], near, -near, f.nodes, -f.nodes, omega - g.nodes, omega - near])
    if np.isfinite(f.rate):
        breaks = np.concatenate([breaks, -np.arange(0.0, 40.0, 0.5) / f.rate])
    breaks = np.unique(np.clip(breaks, -f.nodes[-1] if np.isfinite(f.rate) else 0.0, min(f.nodes[-1], omega / 2)))
    points, weights = np.polynomial.legendre.leggauss(16)
    total = []
    for a, b in itertools.pairwise(breaks):
        y = 0.5 * (a + b) + 0.5 * (b - a) * points
        total.append(0.5 * (b - a) * sum(w * f(v) * g(omega - v) for w, v in zip(weights, y, strict=True)))
    return math.fsum(total)


def kramers_kronig(f, omega, *, inverse=False):
    """Principal value between zero and the last node, by taking off what the pole sees."""
    top = f.nodes[-1]
    # the function between two breaks, continued, has a pole at omega
    steps = omega * 2.0 ** -np.arange(1.0, 20.0)
    breaks = [[0.0, omega], omega - steps, omega + steps, f.nodes, f.nodes[0] * 2.0 ** -np.arange(60.0)]
    breaks = np.unique(np.concatenate(breaks))
    breaks = breaks[breaks <= top]
    points, weights = np.polynomial.legendre.leggauss(24)
    here, total = f(omega), []
    for a, b in itertools.pairwise(breaks):
        y = 0.5 * (a + b) + 0.5 * (b - a) * points
        values = np.array([f(v) for v in y])
        rest = (y * values - omega * here) if not inverse else omega * (values - here)
        total.append(0.5 * (b - a) * np.sum(weights * rest / (y**2 - omega**2)))
    pole = 0.5 * here * math.log((top - omega) / (top + omega))  # of omega/(y^2 - omega^2) from 0 to the top
    return (-1 if inverse else 1) * 2.0 / math.pi * (math.fsum(total) + pole)


def levels(energies, stress, volume, temperature, omega, sigma, hbar, k_b):
    """Im chi~_ijkl (6, 6) of (2.11) at one frequency, S/(1 + exp(-x)) with Gaussian lines: one term after another."""
    weights = [math.exp(-(e - min(energies)) / (k_b * temperature)) for e in energies]
    z = math.fsum(weights)
    total = np.zeros((6, 6))
    for m, n in itertools.product(range(len(energies)), repeat=2):
        line = (energies[n] - energies[m]) / hbar
        shape = sum(math.exp(-0.5 * ((omega - s * line) / sigma) ** 2) for s in (1, -1)) / (
            math.sqrt(2 * math.pi) * sigma
        )
        pair = np.outer(stress[m, n], np.conj(stress[m, n])).real
        total += weights[m] / z * pair * shape
    return -math.pi / (hbar * volume) * total / (1.0 + math.exp(-hbar * omega / (k_b * temperature)))


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
    x_axis, y_axis, z_axis = sorted("xyz", key=lambda axis: -axes.count(axis))
    x, y, z = (mpmath.mpf(int(offset["xyz".index(axis)])) for axis in (x_axis, y_axis, z_axis))
    asinh = lambda u, v: mpmath.asinh(u / v) if v else mpmath.mpf(0)  # noqa: E731

    def undone(x, y, z):
        p2 = x * x + z * z
        r, p = mpmath.sqrt(p2 + y * y), mpmath.sqrt(p2)
        match axes.count(x_axis), axes.count(y_axis):
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

    if axes.count(z_axis):
        return mpmath.quad(lambda t: differences(z + t) - differences(z + t - 1), [0, 1])
    return mpmath.quad(lambda t: (1 - abs(t)) * differences(z + t), [-1, 0, 1])


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


def averaged_over_cubes(tensor, offset, n=18):
    """Average over two unit cubes, not the same, of a tensor that scales as r^-3, by Gauss's rule."""
    points, weights = np.polynomial.legendre.leggauss(n)
    points, weights = 0.5 + 0.5 * points, 0.5 * weights
    grid = np.stack(np.meshgrid(points, points, points, indexing="ij"), axis=-1).reshape(-1, 3)
    volume = np.einsum("i,j,k->ijk", weights, weights, weights).ravel()
    total = 0.0
    for corner in itertools.product((-1, 0), repeat=3):
        low = np.asarray(offset) + corner
        if np.all((low == 0) | (low == -1)):  # a corner at the origin: three pyramids, smooth along and across
            t, edges = grid[:, :1], np.concatenate([np.ones((len(grid), 1)), grid[:, 1:]], axis=1)
            pieces = [(np.roll(t * edges, axis, axis=1) * (2 * low + 1), volume * t[:, 0] ** 2) for axis in range(3)]
        else:
            pieces = [(low + grid, volume)]
        for u, measure in pieces:
            density = np.prod(1 - np.abs(u - offset), axis=1) * measure
            total = total + np.einsum("n,n...->...", density, tensor(u))
    return total


def pair_tensor(interaction, r):
    """(2.15), (A1) or (5.2) without prefactor, at all r (n, 3); interaction: ("dipole",) or (form, alpha)."""
    x = np.linalg.norm(r, axis=1)
    n = r / x[:, None]
    nn = np.einsum("ni,nj->nij", n, n)
    if interaction[0] == "dipole":
        return (DELTA - 3 * nn) / x[:, None, None] ** 3
    form, alpha = interaction
    f = DELTA - 3 * nn
    second = -np.einsum("ij,kl->ijkl", DELTA, DELTA) - np.einsum("ik,jl->ijkl", DELTA, DELTA)
    second = second - np.einsum("jk,il->ijkl", DELTA, DELTA) - 15 * np.einsum("nij,nkl->nijkl", nn, nn)
    for a, b in (("ij", "kl"), ("ik", "jl"), ("il", "jk"), ("jk", "il"), ("jl", "ik"), ("kl", "ij")):
        second += 3 * np.einsum(f"n{a},{b}->nijkl", nn, DELTA)
    if form == "corrected":
        places = (("jl", "ik"), ("jk", "il"), ("ik", "jl"), ("il", "jk"))
        first = 0.25 * sum(np.einsum(f"n{a},{b}->nijkl", f, DELTA) for a, b in places)
        return (first + 0.5 * alpha * second) / x[:, None, None, None, None] ** 3
    return (-2 * np.einsum("njl,ik->nijkl", f, DELTA) + 2 * alpha * second) / x[:, None, None, None, None] ** 3


def sphere_of_images(interaction, positions, moments, vectors, radius):
    """Field of all images within a sphere around each block, whose edge is smooth: converges faster than any power.

    Without the prefactor; the edge cuts r/radius off at about a half.
    """
    reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int) + 1
    shifts = (np.array(list(np.ndindex(*(2 * reach + 1)))) - reach) @ vectors
    spacing = abs(np.linalg.det(vectors)) ** (1 / 3)
    field = np.zeros_like(moments)
    for s, x in enumerate(positions):
        for t, y in enumerate(positions):
            r = x - y - shifts
            distance = np.linalg.norm(r, axis=1)
            r = r[(distance > 1e-9 * spacing) & (distance < radius)]
            edge = 0.5 * erfc(12 * (np.linalg.norm(r, axis=1) / radius - 0.5))
            tensor = np.einsum("n,n...->...", edge, pair_tensor(interaction, r))
            if tensor.ndim == 4:
                h = np.einsum("ijkl,kl", tensor, moments[t])
                field[s] += 0.5 * (h + h.T)
            else:
                field[s] += tensor @ moments[t]
    return field


def mean_mode(interaction, moment):
    """Mean over directions k of the transform of the tensor's field, contact term included, without the prefactor.

    Dipoles: 4 pi k k.p. Stress: h = -k_j k_l G_ik T_kl/2 with the prefactor -1/(8 pi rho c_t^2) and Green's function
    G = (delta - alpha k k)/(rho c_t^2); for (A1), whose two parts have other factors, -2 and 4 alpha.
    """
    points, weights = np.polynomial.legendre.leggauss(8)
    total = np.zeros_like(moment)
    for z, w in zip(points, weights, strict=True):
        for phi in 2 * np.pi * np.arange(16) / 16:
            k = np.array([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z])
            if interaction[0] == "dipole":
                total += w / 32 * 4 * np.pi * k * (k @ moment)
                continue
            form, alpha = interaction
            transverse, both = (1.0, alpha) if form == "corrected" else (-2.0, 4 * alpha)
            green = transverse * DELTA - both * np.outer(k, k)
            h = 4 * np.pi * np.einsum("j,l,ik,kl", k, k, green, moment)
            total += w / 32 * 0.5 * (h + h.T)
    return total


def reduced_field(targets, positions, moments, coefficients=()):
    """Fields (m, 3 or 6) in reduced units by extended precision: of dipoles, or of stress given (c0, c1, c2)."""
    targets, positions, moments = (np.asarray(a, dtype=np.longdouble) for a in (targets, positions, moments))
    d = targets[:, None] - positions
    r2 = np.sum(d * d, axis=-1)
    inverse = np.where(r2 > 0, 1 / np.sqrt(np.where(r2 > 0, r2, 1)), 0)
    n, a3 = d * inverse[..., None], inverse**3
    if not len(coefficients):
        q = np.sum(n * moments, axis=-1)
        return np.sum(a3[..., None] * (moments - 3 * q[..., None] * n), axis=1)
    c0, c1, c2 = (np.longdouble(c) for c in coefficients)
    places = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
    whole = moments[:, [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    v = np.sum(whole * n[..., None, :], axis=-1)
    q, t = np.sum(n * v, axis=-1), moments[:, 0] + moments[:, 1] + moments[:, 2]
    field = [
        c0 * moments[:, k] + c1 * (n[..., i] * v[..., j] + n[..., j] * v[..., i]) / 2
        + c2 * ((3 * q - t) / 2 * (i == j) + (3 * t - 15 * q) / 2 * n[..., i] * n[..., j])
        for k, (i, j) in enumerate(places)
    ]  # fmt: skip
    return np.stack([np.sum(a3 * h, axis=1) for h in field], axis=-1)


def on_block(matrices, s, dims):
    """A matrix of block s, or several (..., d, d), as one on the product of all blocks, block 0 the slowest."""
    before, after = np.eye(math.prod(dims[:s])), np.eye(math.prod(dims[s + 1 :]))
    return np.kron(before, np.kron(matrices, after))


def super_block(tensor, positions, energies, stresses):
    """(2.16) by Kronecker products, in the basis of the blocks' levels; stresses (3, 3, d, d), or dipoles (3, d, d)."""
    dims = [len(levels) for levels in energies]
    total = sum(on_block(np.diag(levels), s, dims) for s, levels in enumerate(energies))
    for s, t in itertools.permutations(range(len(dims)), 2):
        coupling = tensor(positions[s] - positions[t])
        for index in np.ndindex(coupling.shape):
            half = len(index) // 2
            first, second = stresses[s][index[:half]], stresses[t][index[half:]]
            total = total + coupling[index] * on_block(first, s, dims) @ on_block(second, t, dims)
    return total


def kubo(hamiltonian, operators, temperature, z, volume, hbar, k_b):
    """Response of <A_a^+> to a field times A_b e^-izt at complex z, Kubo's sum over levels; operators (c, D, D)."""
    energies, states = np.linalg.eigh(hamiltonian)
    energies = energies - energies[0]
    p = np.exp(-energies / (k_b * temperature)) if temperature else 1.0 * (energies == 0.0)
    p = p / p.sum()
    a = states.conj().T @ operators @ states
    total = np.zeros((len(a), len(a)), complex)
    for m, n in itertools.product(range(len(p)), repeat=2):
        factor = (p[m] - p[n]) / (hbar * z - (energies[n] - energies[m]))
        total += factor * np.outer(a[:, n, m].conj(), a[:, n, m])
    return total / volume


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


def free_energy(hamiltonian, kt):
    """-kT ln Tr exp(-H/kT)."""
    levels = np.linalg.eigvalsh(hamiltonian)
    return levels[0] - kt * np.log(np.exp(-(levels - levels[0]) / kt).sum())


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
