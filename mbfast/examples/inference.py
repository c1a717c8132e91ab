"""C_l, C_t and ω_c from a mock measurement, through the flow: ``python -m mbfast.examples.inference [FILE.png]``.

Blocks of 5 nm hold two-level systems of a constant distribution, with the tunnelling strengths C_l and C_t up to the
cutoff ω_c. The printed flow (4.1) takes their spectra to a sample of 1 mm, where resonant absorption and shifts of both
sound velocities are measured. Least squares in the logarithms of the three numbers, whose objective is
`mbfast.ttls_susceptibility` and `mbfast.flow`, and emcee, if it is installed, find them again. References are the true
values and the Fisher information of a closed form: without the terms in L^-3 each step of the flow is
f -> f - ln N0 f^2 of the analytic function f = chi~/(rho c^2), which is known at 5 nm.

What is measured is little more than the strengths at 1 mm. The cutoff shows itself only in how they change with
frequency and temperature, by some per cent, and as a logarithm: it takes velocities known to 1e-7 to find it within a
factor of 2 or 3, and C_l and C_t at 5 nm go with it. The covariance gives the error of each number; all three together
lie in a needle so thin that its bend shows, which the sample follows and an ellipsoid does not.

If samples follow the form "total-strain", which the Hamiltonian implies, the same measurement says nothing about the
cutoff. That they follow either form is assumed, not shown; as is that sizes, density, velocities and N0 are known, and
that relaxation is subtracted: at 0.1 K it would add 0.1 % to the lowest absorption. Of P and gamma only P gamma^2
enters.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

import mbfast
from mbfast import units
from mbfast.examples._checks import Check, run_example

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mbfast._core.validate import FloatArray

CAPTION = """Mock measurement of vitreous silica (ρ = 2200 kg/m³, c_l = 5800 m/s, c_t = 3800 m/s) and what it says.
    Above: inverse quality by resonant absorption, and shift of the sound velocity from its value at 10 mK, longitudinal
    (blue, circles, full lines) and transverse (red, squares, broken lines), at 0.3, 1 and 3 GHz: points are data, lines
    join the values of the fit. Errors, 1 % and 10⁻⁷, are smaller than the points. Below left: data less fit in units of
    the error, and (grey) the standard deviation of the fit. Below right: C_t at 5 nm and the cutoff: ellipses of one
    and two standard deviations of the fit, so narrow that they look like lines, a sample of the posterior (grey dots),
    and the true values (cross)."""

SILICA = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)  # kg/m^3, m/s
MODULI = SILICA.density * np.array([SILICA.c_l, SILICA.c_t]) ** 2
START, STOP, N0 = 5e-9, 1e-3, 8.0  # m
TRUE = np.log([2.9e-4, 3.1e-4, 1e14])  # C_l, C_t, omega_c (rad/s)
USUAL = np.log([3e-4, 3e-4, 1e13])  # of glasses: where the search starts
LOWER, UPPER = np.log([3e-5, 3e-5, 1e12]), np.log([1e-3, 1e-3, 1e17])
STEPS = np.array([1e-3, 1e-3, 0.05])  # of central differences
NODES = 192  # with fewer of them their places, which move with the cutoff, would show in the derivatives
STATES = 8e44  # P-bar, 1/(J m^3)

Form = Literal["printed", "total-strain"]


@dataclass(frozen=True)
class Measurement:
    """Where absorption and velocities are measured, and how well.

    Velocities are compared with those at the first temperature, which are known much better.
    """

    kelvin: FloatArray  # (m,)
    omega: FloatArray  # rad/s, (k,)
    of_quality: float  # standard deviation of the logarithm of 1/Q
    of_velocity: float  # and of the relative change of velocity

    def scaled(self, quality: FloatArray, change: FloatArray) -> FloatArray:
        """Return ln(1/Q) and changes of velocity from (2, m, k), l and t, in units of the noise, as one vector."""
        shifts = change[:, 1:] - change[:, :1]
        return np.concatenate([np.log(quality).ravel() / self.of_quality, shifts.ravel() / self.of_velocity])

    def unscaled(self, vector: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return 1/Q (2, m, k) and velocity shifts (2, m - 1, k) of such a vector."""
        m, k = self.kelvin.size, self.omega.size
        quality, shifts = np.split(vector, [2 * m * k])
        return np.exp(self.of_quality * quality).reshape(2, m, k), self.of_velocity * shifts.reshape(2, m - 1, k)


SILICA_RUN = Measurement(np.geomspace(0.01, 0.1, 4), 2.0 * np.pi * np.array([3e8, 1e9, 3e9]), 0.01, 1e-7)


def susceptibilities(
    logs: FloatArray, omega: FloatArray, kelvin: FloatArray, *, reduced: bool
) -> NDArray[np.complex128]:
    """Return chi_l and chi_t of the blocks, or chi~, (2, temperatures, frequencies), in Pa."""
    couplings = np.sqrt(np.exp(logs[:2]) * MODULI / STATES)[:, None, None]
    return mbfast.ttls_susceptibility(omega, kelvin[:, None], STATES, couplings, math.exp(logs[2]), reduced=reduced)


def predicted(run: Measurement, logs: FloatArray, form: Form = "printed") -> FloatArray:
    """Return what is measured at 1 mm for the logarithms of C_l, C_t and omega_c, in units of the noise."""
    omega = np.geomspace(1e6, math.exp(logs[2]), NODES)
    below = np.minimum(omega, math.exp(logs[2]) * (1.0 - 1e-12))  # the closed form ends at the cutoff
    chi = susceptibilities(logs, below, run.kelvin, reduced=True).imag
    blocks = mbfast.Spectrum(omega, chi[0], chi[1], run.kelvin)
    flown = mbfast.flow(blocks, SILICA, start=START, stop=STOP, n0=N0, form=form, keep="ends")
    if (flown.status != "done").any():
        raise ValueError(f"logs must be those of a glass that is stable at {STOP} m, got {logs.tolist()}")
    sample = mbfast.Spectrum(omega, *flown.final, run.kelvin)
    absorbing = np.stack(sample.unreduced(run.omega))
    real = [mbfast.kramers_kronig(omega, part, at=run.omega).value for part in sample.unreduced(omega)]
    of_modulus = MODULI[:, None, None]
    return run.scaled(-absorbing / of_modulus, np.stack(real) / (2.0 * of_modulus))


def jacobian(run: Measurement, logs: FloatArray, form: Form = "printed", steps: FloatArray = STEPS) -> FloatArray:
    """Return the derivatives of `predicted` by the three logarithms, by central differences."""
    both = [(predicted(run, logs + step, form), predicted(run, logs - step, form)) for step in np.diag(steps)]
    columns = [(ahead - behind) / (2.0 * step) for (ahead, behind), step in zip(both, steps, strict=True)]
    return np.stack(columns, axis=-1)


class Fit(NamedTuple):
    """Logarithms of C_l, C_t and omega_c, their covariance, the derivatives, and the sum of squares."""

    logs: FloatArray
    covariance: FloatArray
    jacobian: FloatArray
    squares: float

    @property
    def deviations(self) -> FloatArray:
        """Standard deviations of the three."""
        return np.sqrt(np.diag(self.covariance))


def fitted(run: Measurement, data: FloatArray) -> Fit:
    """Return the least squares of data in units of their noise."""
    # along the curved valley of small sums of squares "dogbox" takes few steps, where "trf" takes some twenty
    found = least_squares(
        lambda logs: predicted(run, logs) - data, USUAL, jac=lambda logs: jacobian(run, logs), bounds=(LOWER, UPPER),
        method="dogbox", x_scale="jac", xtol=1e-6, ftol=1e-4,
    )  # fmt: skip
    return Fit(found.x, np.linalg.inv(found.jac.T @ found.jac), found.jac, 2.0 * found.cost)


def closed_form(run: Measurement, logs: FloatArray, form: Form = "printed") -> tuple[FloatArray, FloatArray]:
    """Return what `predicted` and `jacobian` do, without the terms in L^-3 and without `mbfast.flow`.

    In the form "total-strain" chi + P chi^2, for compression and for shear, is the response of the sample in waves
    longer than a block. In the printed form it is Im f, times 1 - exp(-hbar omega/k_B T), with f as in the head of this
    file, whose real part follows by Kramers and Kronig: here by Gauss's rule in ln Omega, the pole subtracted.
    """
    if form == "total-strain":
        chi, changes = _with_derivatives(logs, run.omega, run.kelvin, reduced=False)
        mixing = np.array([[3.0, -4.0], [0.0, 2.0]])  # of chi_l and chi_t to 3 K and to 2 G
        local = np.array(SILICA.local_strain)[:, None, None]
        modes, by_modes = (np.einsum("ab,...bmk->...amk", mixing, part) for part in (chi, changes))
        back = np.linalg.inv(mixing)
        chi = np.einsum("ab,bmk->amk", back, modes + local * modes**2)
        changes = np.einsum("ab,pbmk->pamk", back, by_modes * (1.0 + 2.0 * local * modes))
        return _observed(run, chi.imag, chi.real, changes.imag, changes.real)
    top = math.exp(logs[2])
    x, weights = np.polynomial.legendre.leggauss(16)
    edges = np.linspace(math.log(1e5), logs[2], 80)
    half = 0.5 * np.diff(edges)[:, None]
    nodes = np.exp((edges[:-1, None] + half * (1.0 + x)).ravel())
    both = np.concatenate([nodes, run.omega])
    f, changes = _flown(logs, both, run.kelvin)
    absorbed = -np.expm1(-units.HBAR * both / (units.K_B * run.kelvin[:, None]))
    parts = np.concatenate([f[None], changes]).imag * absorbed
    inner, outer = parts[..., : nodes.size], parts[..., nodes.size :]
    squares = run.omega[:, None] ** 2
    kernel = nodes**2 * (half * weights).ravel() / (nodes**2 - squares)
    constant = np.log((top**2 - squares) / (squares - 1e10))[:, 0]  # the integral of 2 Omega/(Omega^2 - omega^2)
    real = (2.0 * (inner @ kernel.T - outer * kernel.sum(axis=1)) + outer * constant) / math.pi
    return _observed(run, *(MODULI[:, None, None] * p for p in (outer[0], real[0], outer[1:], real[1:])))


def _observed(
    run: Measurement, imag: FloatArray, real: FloatArray, by_imag: FloatArray, by_real: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what is measured of chi (2, m, k), and its derivatives of those of chi (3, 2, m, k)."""
    of_modulus = MODULI[:, None, None]
    vector = run.scaled(-imag / of_modulus, real / (2.0 * of_modulus))
    changes = zip(by_imag / imag, by_real / (2.0 * of_modulus), strict=True)
    return vector, np.stack([run.scaled(np.exp(of_log), shift) for of_log, shift in changes], axis=-1)


def _with_derivatives(
    logs: FloatArray, omega: FloatArray, kelvin: FloatArray, *, reduced: bool
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return chi or chi~ of the blocks (2, m, k) and their derivatives by the logarithms (3, 2, m, k)."""
    chi = susceptibilities(logs, omega, kelvin, reduced=reduced)
    changes = np.zeros((3, *chi.shape), dtype=np.complex128)
    changes[0, 0], changes[1, 1] = chi
    # of ln(omega_c^2 - omega^2), which Re chi has -C rho c^2 times
    changes[2] = -2.0 * (np.exp(logs[:2]) * MODULI)[:, None, None] / (1.0 - (omega / math.exp(logs[2])) ** 2)
    return chi, changes


def _flown(
    logs: FloatArray, omega: FloatArray, kelvin: FloatArray
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return f = chi~/(rho c^2) at 1 mm and its derivatives, as of `_with_derivatives`."""
    f, changes = (part / MODULI[:, None, None] for part in _with_derivatives(logs, omega, kelvin, reduced=True))
    left = math.log(STOP / START)
    while left > 0.0:
        step = min(left, math.log(N0))
        f, changes, left = f - step * f**2, changes * (1.0 - 2.0 * step * f), left - step
    return f, changes


def surrogate(run: Measurement, fit: Fit) -> Callable[[FloatArray], FloatArray]:
    """Return `predicted` near a fit, at fit.logs + L z with the covariance L L^T, as a polynomial of degree 2 in z.

    It is fitted to 15 flows: the centre, the corners of the cube of side 3 around it, and beyond its faces. The
    function takes many z (..., 3).
    """
    root = np.linalg.cholesky(fit.covariance)
    corners = 1.5 * np.array(list(itertools.product((-1.0, 1.0), repeat=3)))
    design = np.concatenate([np.zeros((1, 3)), corners, 2.5 * np.eye(3), -2.5 * np.eye(3)])
    values = np.stack([predicted(run, fit.logs + root @ z) for z in design])
    coefficients = np.linalg.lstsq(_monomials(design), values, rcond=None)[0]
    return lambda z: _monomials(z) @ coefficients


def _monomials(z: FloatArray) -> FloatArray:
    """Return 1, the components of z (..., 3) and their products, (..., 10)."""
    pairs = [z[..., i] * z[..., j] for i, j in itertools.combinations_with_replacement(range(3), 2)]
    return np.stack([np.ones(z.shape[:-1]), *np.moveaxis(z, -1, 0), *pairs], axis=-1)


def sampled(run: Measurement, data: FloatArray, fit: Fit, seed: int, steps: int = 1500) -> tuple[FloatArray, float]:
    """Return a sample (n, 3) of the logarithms by emcee, flat in them, and how many of them are independent.

    Needs emcee. Its walkers take the surrogate, since some 50,000 flows would take hours.
    """
    import emcee  # noqa: PLC0415

    near, walkers = surrogate(run, fit), 32

    def log_probability(z: FloatArray) -> FloatArray:
        return np.asarray(-0.5 * ((near(z) - data) ** 2).sum(axis=-1))

    sampler = emcee.EnsembleSampler(walkers, 3, log_probability, vectorize=True)
    generator = np.random.RandomState(seed)  # what emcee takes
    start = emcee.State(generator.normal(size=(walkers, 3)), random_state=generator.get_state())
    sampler.run_mcmc(start, steps)
    burnt = steps // 5
    z = sampler.get_chain(discard=burnt, flat=True)
    memory = float(np.max(sampler.get_autocorr_time(discard=burnt, tol=0)))
    return fit.logs + z @ np.linalg.cholesky(fit.covariance).T, len(z) / memory


def mock(run: Measurement, seed: int) -> FloatArray:
    """Return data of the true values, with noise, in units of the noise."""
    exact = predicted(run, TRUE)
    return exact + np.random.default_rng(seed).normal(size=exact.size)


def compute(seed: int, run: Measurement = SILICA_RUN) -> tuple[list[Check], Callable[[], Figure]]:
    """Measure, fit, and compare: return the checks, and what draws the figure."""
    data = mock(run, seed)
    fit = fitted(run, data)
    names = ("ln C_l", "ln C_t", "ln(omega_c s/rad)")
    checks = [
        Check(name, value, deviation, true, "true value")
        for name, value, deviation, true in zip(names, fit.logs, fit.deviations, TRUE, strict=True)
    ]
    half = np.array([0.5, -0.5, 0.0])  # ln of sqrt(C_l/C_t), the ratio of couplings times c_t/c_l
    velocities = SILICA.c_l / SILICA.c_t
    ratio, true_ratio = (velocities * math.exp(half @ logs) for logs in (fit.logs, TRUE))
    error = ratio * math.sqrt(half @ fit.covariance @ half)
    checks.append(Check("gamma_l/gamma_t", ratio, error, true_ratio, "true value"))
    free = data.size - 3
    checks.append(Check("sum of squares", fit.squares, math.sqrt(2.0 * free), free, "degrees of freedom"))
    exact = _deviations(closed_form(run, fit.logs)[1])
    spread = float(np.sqrt(np.linalg.cond(fit.covariance)))
    checks += [
        Check("deviation of ln omega_c", fit.deviations[2], 0.01 * exact[2], exact[2], "closed form"),
        Check("longest over shortest axis of the errors", spread, 0.01 * exact[3], exact[3], "closed form"),
    ]
    other, exact_other = (_deviations(j) for j in (jacobian(run, fit.logs, "total-strain"),
                                                   closed_form(run, fit.logs, "total-strain")[1]))  # fmt: skip
    share, exact_share = (fit.deviations[2] / other[2]) ** 2, (exact[2] / exact_other[2]) ** 2
    # of the cutoff C_l and C_t leave so little that terms in L^-3 change it: by 15 % at the end of the valley of fits
    name = "Fisher information about ln omega_c, total-strain over printed"
    checks.append(Check(name, share, 0.2 * exact_share, exact_share, "closed form"))
    sample = None
    if importlib.util.find_spec("emcee"):
        sample, independent = sampled(run, data, fit, seed)
        # of a Gaussian posterior, whose deviation a sample of so many shows to this; 2 % for what it is not
        error = fit.deviations[2] * (0.02 + 1.0 / math.sqrt(2.0 * independent))
        checks.append(
            Check("deviation of ln omega_c, emcee", sample[:, 2].std(), error, fit.deviations[2], "least squares")
        )
    return checks, lambda: draw(run, data, fit, sample)


def _deviations(derivatives: FloatArray) -> FloatArray:
    """Return the standard deviations of the three logarithms, and the longest over the shortest axis of the errors."""
    _, sizes, axes = np.linalg.svd(derivatives, full_matrices=False)
    return np.append(np.sqrt(((axes.T / sizes) ** 2).sum(axis=1)), sizes[0] / sizes[-1])


def draw(run: Measurement, data: FloatArray, fit: Fit, sample: FloatArray | None) -> Figure:
    """Draw data and fit, what the fit leaves, and the posterior. Needs matplotlib, of the extra plot."""
    from mbfast.plotting.style import COLOURS, MARKERS, WIDE, finish, new_figure, styled  # noqa: PLC0415

    (quality, shifts), (fit_quality, fit_shifts) = run.unscaled(data), run.unscaled(predicted(run, fit.logs))
    colours = COLOURS[1], COLOURS[2]
    with styled():
        figure = new_figure(WIDE, 115.0)
        (of_quality, of_velocity), (left_over, posterior) = figure.subplots(2, 2)
        names = ("longitudinal, data and fit", "transverse, data and fit")
        for a, line, marker in ((0, "-", MARKERS[0]), (1, "--", MARKERS[1])):
            of_quality.plot([], [], line, marker=marker, color=colours[a], label=names[a])
            look = {"color": colours[a], "ls": "", "marker": marker}
            of_quality.loglog(1e3 * run.kelvin, quality[a], **look)
            of_quality.loglog(1e3 * run.kelvin, fit_quality[a], line, color=colours[a])
            of_velocity.semilogx(1e3 * run.kelvin[1:], 1e4 * shifts[a], **look)
            of_velocity.semilogx(1e3 * run.kelvin[1:], 1e4 * fit_shifts[a], line, color=colours[a])
        for axes in (of_quality, of_velocity):
            axes.set(xlim=(8.0, 125.0), xticks=[10, 20, 50, 100], xticklabels=["10", "20", "50", "100"])
            axes.minorticks_off()
        of_quality.set(xlabel="$T$ (mK)", ylabel="$1/Q$")
        of_velocity.set(xlabel="$T$ (mK)", ylabel="$\\Delta c/c$ (10⁻⁴)")
        _draw_rest(left_over, data - predicted(run, fit.logs), fit)
        _draw_posterior(posterior, fit, sample)
        conditions = "a-SiO$_2$, blocks of 5 nm to 1 mm, printed form, mock data"
        finish(figure, CAPTION, conditions=conditions, columns=3)
    return figure


def _draw_rest(axes: Axes, rest: FloatArray, fit: Fit) -> None:
    """Draw data less fit, in units of the noise, with the deviation of the fit."""
    band = np.sqrt(np.einsum("ij,jk,ik->i", fit.jacobian, fit.covariance, fit.jacobian))
    number = np.arange(1, rest.size + 1)
    axes.fill_between(number, -band, band, step="mid", color="0.75", lw=0)
    axes.plot(number, rest, "ok", ms=2)
    axes.set(xlabel="datum, 1/Q first", ylabel="data less fit (errors)", ylim=(-4.5, 4.5))


def _draw_posterior(axes: Axes, fit: Fit, sample: FloatArray | None) -> None:
    """Draw C_t and the cutoff: a sample, ellipses of one and two standard deviations, and the true values."""
    from mbfast.plotting.style import COLOURS  # noqa: PLC0415

    if sample is not None:
        few = sample[:: max(1, len(sample) // 400)]
        x, y = few[:, 2] / math.log(10.0), 1e4 * np.exp(few[:, 1])
        axes.plot(x, y, ".", color="0.6", ms=2, label="sample of the posterior")
    angle = np.linspace(0.0, 2.0 * np.pi, 200)
    root = np.linalg.cholesky(fit.covariance[1:, 1:])
    for size, label in ((1.0, None), (2.0, "ellipses of the fit")):
        log_c, log_top = fit.logs[1:, None] + size * root @ np.stack([np.cos(angle), np.sin(angle)])
        axes.plot(log_top / math.log(10.0), 1e4 * np.exp(log_c), color=COLOURS[3], lw=0.8, label=label)
    true = TRUE[2] / math.log(10.0), 1e4 * math.exp(TRUE[1])
    axes.plot(*true, "x", color=COLOURS[0], ms=6, mew=1.5, label="true values")
    axes.set(xlabel="lg($\\omega_c$ s/rad)", ylabel="$C_t$ at 5 nm (10⁻⁴)")


if __name__ == "__main__":
    run_example(__doc__, compute)
