"""Sampled spectra of a block as objects: both polarisations, detailed balance, and their integrals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.validate import SMALLEST, FloatArray, ReadOnly, float_array, require_bounded, require_choice
from mbfast._core.voigt import POLARIZATIONS, Polarization
from mbfast.kernels import spectra as kernels
from mbfast.kernels.spectra import RULE
from mbfast.spectra.convolution import convolve
from mbfast.spectra.dispersion import kramers_kronig
from mbfast.spectra.grid import Estimate, FrequencyGrid, Variable, batch, rows
from mbfast.spectra.moduli import Moduli
from mbfast.spectra.tails import LARGEST_TAIL, Edge
from mbfast.spectra.thermal import absorbed_fraction, check_temperature, thermal_ratio


@dataclass(frozen=True, eq=False)
class Spectrum(ReadOnly):
    r"""Reduced susceptibilities Im chi~_l and Im chi~_t, sampled at positive frequencies.

    Negative ones follow by detailed balance, Im chi~(-omega) = exp(-hbar omega/k_B T) Im chi~(omega), zero at T = 0.

    Parameters
    ----------
    omega : array_like, shape (n,), or FrequencyGrid
        Nodes (rad/s), as in `convolve`.
    longitudinal, transverse : array_like, shape (..., n)
        Im chi~_l and Im chi~_t (Pa) at the nodes, negative in the convention of the theory.
    temperature : array_like, shape (...)
        T (K), zero allowed; with the leading axes of the samples it broadcasts to those of all results.
    below, above, interpolation, degree
        As in `convolve`: how the samples go on beyond the nodes and between them.

    Attributes
    ----------
    grid : FrequencyGrid
        The nodes, and what the spectra are between and beyond them.
    omega, longitudinal, transverse, temperature, below, above, interpolation, degree
        As given; arrays are copies, not to be changed.

    Raises
    ------
    TypeError
        If an argument does not consist of real numbers, or `degree` is not a whole number.
    ValueError
        If the nodes, samples or options are not what `convolve` takes, `temperature` is negative or not finite, or
        leading axes do not broadcast. A call wants one-dimensional, finite frequencies, where the power laws beyond
        the nodes do not exceed 1e150; methods refuse what functions of their names do, and unknown polarizations.

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
    >>> real, error = spectrum.kramers_kronig("longitudinal", at=[1e9])
    >>> print(f"{real[0]:.4g}", f"{spectrum.unreduced([1e9]).longitudinal[0] / spectrum([1e9]).longitudinal[0]:.6f}")
    -1.759e+08 0.007609
    """

    omega: FloatArray
    longitudinal: FloatArray
    transverse: FloatArray
    temperature: FloatArray
    below: Edge
    above: Edge
    interpolation: Variable
    degree: int
    grid: FrequencyGrid = field(repr=False)

    def __init__(
        self,
        omega: ArrayLike | FrequencyGrid,
        longitudinal: ArrayLike,
        transverse: ArrayLike,
        temperature: ArrayLike = 0.0,
        *,
        below: Edge = "power",
        above: Edge = "zero",
        interpolation: Variable = "auto",
        degree: int = 7,
    ) -> None:
        grid = FrequencyGrid.of(omega, below, above, interpolation, degree).require_positive()
        arrays = {
            "longitudinal": rows("longitudinal", longitudinal, grid).copy(),
            "transverse": rows("transverse", transverse, grid).copy(),
            "temperature": check_temperature(temperature).copy(),
        }
        batch(**{**arrays, "temperature": arrays["temperature"][..., None]})
        for array in arrays.values():
            array.setflags(write=False)
        self.__dict__.update(grid=grid, omega=grid.omega, **grid.options, **arrays)

    @property
    def shape(self) -> tuple[int, ...]:
        """Leading axes of all results."""
        return np.broadcast_shapes(self.longitudinal.shape[:-1], self.transverse.shape[:-1], self.temperature.shape)

    @property
    def options(self) -> dict[str, Any]:
        """How the samples go on beyond the nodes and between them: arguments of `convolve` and `kramers_kronig`."""
        return self.grid.options

    @np.errstate(under="ignore")  # whatever the caller has set
    def __call__(self, omega: ArrayLike) -> Moduli:
        """Return Im chi~_l and Im chi~_t (..., k) at frequencies (k,) of any sign.

        At zero it is the mean of both sides, infinite where the power law below the nodes falls.
        """
        points = _frequencies(omega)
        size = np.abs(points)
        factor = np.ones((*self.temperature.shape, points.size))
        negative = points < 0.0
        factor[..., negative] = np.exp(-thermal_ratio(size[negative], self.temperature))
        factor[..., points == 0.0] = np.where(self.temperature == 0.0, 0.5, 1.0)[..., None]
        values = (self._evaluate(h, size) for h in (self.longitudinal, self.transverse))
        return Moduli(*(factor * np.where(factor > 0.0, h, 0.0) for h in values))

    @np.errstate(under="ignore")  # whatever the caller has set
    def unreduced(self, omega: ArrayLike) -> Moduli:
        """Return Im chi_l and Im chi_t = (1 - exp(-hbar omega/k_B T)) Im chi~ (..., k), odd in omega."""
        points = _frequencies(omega)
        moduli = self(np.abs(points))
        factor = np.sign(points) * absorbed_fraction(np.abs(points), self.temperature)
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
        """Return the convolution of two of the spectra.

        Parameters
        ----------
        first, second : {"longitudinal", "transverse"}
            Which spectra.
        at, threads
            As in `convolve`.

        Returns
        -------
        Estimate
            As of `convolve`.
        """
        f, g = self._of("first", first), self._of("second", second)
        return convolve(
            self.grid, f, None if first == second else g, at=at, temperature=self.temperature, threads=threads
        )

    def kramers_kronig(
        self, polarization: Polarization, *, at: ArrayLike | None = None, threads: int | None = None
    ) -> Estimate:
        """Return Re chi~, the one-sided transform of Im chi~ that (4.3) takes.

        Parameters
        ----------
        polarization : {"longitudinal", "transverse"}
            Which spectrum.
        at, threads
            As in `kramers_kronig`.

        Returns
        -------
        Estimate
            As of `kramers_kronig`.
        """
        return kramers_kronig(self.grid, self._of("polarization", polarization), at=at, threads=threads)

    def _of(self, name: str, polarization: Polarization) -> FloatArray:
        require_choice(name, polarization, POLARIZATIONS)
        return self.longitudinal if polarization == "longitudinal" else self.transverse

    def _evaluate(self, samples: FloatArray, points: FloatArray) -> FloatArray:
        """Evaluate the interpolant of samples (..., n) at points (k,) >= 0."""
        grid, flat = self.grid, samples.reshape(-1, samples.shape[-1])
        low, high = grid.low.tail(flat), grid.high.tail(flat)
        x = points / grid.unit
        result = np.empty((flat.shape[0], points.size))
        for row, values in enumerate(grid.value.values(flat)):
            c = np.empty_like(values)
            kernels.coefficients(values, RULE, c)
            with np.errstate(divide="ignore", over="ignore"):
                kernels.evaluate(x, grid.nodes, c, low.amplitude[row], low.exponent[row], result[row])
                if high.amplitude[row] != 0.0:
                    beyond = x > 1.0
                    result[row, beyond] = high.amplitude[row] * x[beyond] ** high.exponent[row]
        if not np.abs(result[:, points > 0.0]).max(initial=0.0) <= LARGEST_TAIL:
            raise ValueError(f"omega must not be where a power law beyond the nodes exceeds {LARGEST_TAIL:g}")
        return result.reshape(*samples.shape[:-1], points.size)


def _frequencies(omega: ArrayLike) -> FloatArray:
    points = float_array("omega", omega)
    if points.ndim != 1:
        raise ValueError(f"omega must have shape (k,), got {points.shape}")
    require_bounded("omega", points)
    if (np.abs(points[points != 0.0]) < SMALLEST).any():
        raise ValueError(f"omega must be zero or at least {SMALLEST:g} rad/s in magnitude")
    return points
