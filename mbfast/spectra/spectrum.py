"""Sampled spectra of a block as objects: both polarisations, detailed balance, and their integrals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.validate import SMALLEST, FloatArray, float_array, require_bounded
from mbfast.kernels import spectra as kernels
from mbfast.kernels.spectra import RULE
from mbfast.spectra.convolution import convolve
from mbfast.spectra.dispersion import kramers_kronig
from mbfast.spectra.grid import (
    Edge,
    Estimate,
    Interpolant,
    Variable,
    batch,
    check_edge,
    check_nodes,
    interpolant,
    rows,
    tail,
)
from mbfast.spectra.moduli import Moduli
from mbfast.spectra.thermal import check_temperature, inverse_thermal_frequency

if TYPE_CHECKING:
    from mbfast._core.voigt import Polarization


@dataclass(frozen=True, eq=False)
class Spectrum:
    r"""Reduced susceptibilities Im chi~_l and Im chi~_t, sampled at positive frequencies.

    Parameters
    ----------
    omega : array_like, shape (n,)
        Nodes (rad/s): positive and increasing, with any spacing.
    longitudinal, transverse : array_like, shape (..., n)
        Im chi~_l and Im chi~_t (Pa) at the nodes, negative in the convention of the theory.
    temperature : array_like, shape (...)
        T (K), zero allowed; with the leading axes of the samples it broadcasts to those of all results.
    below, above, interpolation, degree
        As in `convolve`: how the samples go on beyond the nodes and between them.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Notes
    -----
    At negative frequencies detailed balance holds, Im chi~(-omega) = exp(-hbar omega/k_B T) Im chi~(omega), at T = 0
    zero. The samples are copied, and are not to be changed.

    Examples
    --------
    >>> import numpy as np, mbfast
    >>> omega = np.geomspace(1e5, 1e15, 512)
    >>> spectrum = mbfast.Spectrum(omega, np.full(512, -2e7), np.full(512, -1e7), temperature=1.0)
    >>> l, t = spectrum([-1e11, 1e11])
    >>> print(f"{l[0]:.6g} {l[1]:.6g} {t[1]:.6g}")
    -9.31764e+06 -2e+07 -1e+07
    >>> value, error = spectrum.convolve("transverse", "transverse", at=[1e9])
    >>> print(f"{value[0]:.6g}")
    2.62841e+25
    """

    omega: FloatArray
    longitudinal: FloatArray
    transverse: FloatArray
    temperature: FloatArray
    below: Edge = "power"
    above: Edge = "zero"
    interpolation: Variable = "auto"
    degree: int = 7

    def __init__(
        self,
        omega: ArrayLike,
        longitudinal: ArrayLike,
        transverse: ArrayLike,
        temperature: ArrayLike = 0.0,
        *,
        below: Edge = "power",
        above: Edge = "zero",
        interpolation: Variable = "auto",
        degree: int = 7,
    ) -> None:
        nodes = check_nodes(omega).copy()
        given = {
            name: rows(name, value, nodes.size)
            for name, value in (("longitudinal", longitudinal), ("transverse", transverse))
        }
        kelvin = check_temperature(temperature)
        batch(**given, temperature=kelvin[..., None])
        fields = {
            "omega": nodes,
            **{name: value.copy() for name, value in given.items()},
            "temperature": kelvin.copy(),
            "below": check_edge("below", below),
            "above": check_edge("above", above),
            "interpolation": interpolation,
            "degree": degree,
        }
        for name, value in fields.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_made", interpolant(nodes, interpolation, degree))

    @property
    def shape(self) -> tuple[int, ...]:
        """Leading axes of all results."""
        return np.broadcast_shapes(self.longitudinal.shape[:-1], self.transverse.shape[:-1], self.temperature.shape)

    @property
    def options(self) -> dict[str, Any]:
        """How the samples go on beyond the nodes and between them: arguments of `convolve` and `kramers_kronig`."""
        return {name: getattr(self, name) for name in ("below", "above", "interpolation", "degree")}

    def __call__(self, omega: ArrayLike) -> Moduli:
        """Return Im chi~_l and Im chi~_t (..., k) at frequencies (k,) of any sign; at zero their mean of both sides."""
        points = float_array("omega", omega)
        if points.ndim != 1:
            raise ValueError(f"omega must have shape (k,), got {points.shape}")
        _require_frequencies(points)
        factor = np.ones((*self.temperature.shape, points.size))
        rates = inverse_thermal_frequency(self.temperature)[..., None]
        negative = points < 0.0
        factor[..., negative] = np.exp(rates * points[negative])
        factor[..., points == 0.0] = np.where(np.isinf(rates), 0.5, 1.0)
        values = (self._evaluate(h, np.abs(points)) for h in (self.longitudinal, self.transverse))
        return Moduli(*(factor * np.where(factor > 0.0, h, 0.0) for h in values))

    def unreduced(self, omega: ArrayLike) -> Moduli:
        """Return Im chi_l and Im chi_t = (1 - exp(-hbar omega/k_B T)) Im chi~ (..., k), odd in omega."""
        points = float_array("omega", omega)
        _require_frequencies(points)
        moduli = self(np.abs(points))
        rates = inverse_thermal_frequency(self.temperature)[..., None]
        x = np.where(points != 0.0, rates, 0.0) * np.abs(points)
        factor = -np.sign(points) * np.expm1(-x)
        # zero at zero frequency, also where Im chi~ diverges there
        return Moduli(*(factor * np.where(points != 0.0, chi, 0.0) for chi in moduli))

    def convolve(
        self,
        first: Polarization = "transverse",
        second: Polarization = "transverse",
        *,
        at: ArrayLike | None = None,
        threads: int | None = None,
    ) -> Estimate:
        """Return the convolution of two of the spectra at the nodes or `at` other frequencies, see `convolve`."""
        f, g = self._of("first", first), None if first == second else self._of("second", second)
        return convolve(
            self.omega,
            f,
            g,
            at=at,
            temperature=self.temperature,
            threads=threads,
            **self.options,
        )

    def kramers_kronig(
        self, polarization: Polarization, *, at: ArrayLike | None = None, threads: int | None = None
    ) -> Estimate:
        """Return Re chi~, the one-sided transform of Im chi~ that (4.3) takes, see `kramers_kronig`."""
        return kramers_kronig(
            self.omega,
            self._of("polarization", polarization),
            at=at,
            threads=threads,
            **self.options,
        )

    def _of(self, name: str, polarization: str) -> FloatArray:
        if polarization not in ("longitudinal", "transverse"):
            raise ValueError(f"{name} must be longitudinal or transverse, got {polarization!r}")
        return self.longitudinal if polarization == "longitudinal" else self.transverse

    def _evaluate(self, samples: FloatArray, points: FloatArray) -> FloatArray:
        """Evaluate the interpolant of samples (..., n) at points (k,) >= 0."""
        made: Interpolant = self._made  # type: ignore[attr-defined]
        flat = samples.reshape(-1, samples.shape[-1])
        low, high = tail("below", self.below, flat, made.nodes), tail("above", self.above, flat, made.nodes)
        x = points / made.unit
        result = np.empty((flat.shape[0], points.size))
        for row, values in enumerate(made.value.values(flat)):
            c = np.empty_like(values)
            kernels.coefficients(values, RULE, c)
            with np.errstate(divide="ignore"):
                kernels.evaluate(x, made.nodes, c, low.amplitude[row], low.exponent[row], result[row])
            if high.amplitude[row] != 0.0:
                beyond = x > 1.0
                result[row, beyond] = high.amplitude[row] * x[beyond] ** high.exponent[row]
        return result.reshape(*samples.shape[:-1], points.size)


def _require_frequencies(points: FloatArray) -> None:
    require_bounded("omega", points)
    if (np.abs(points[points != 0.0]) < SMALLEST).any():
        raise ValueError(f"omega must be zero or at least {SMALLEST:g} rad/s in magnitude")
