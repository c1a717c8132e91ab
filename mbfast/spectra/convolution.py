"""Convolution integrals of spectra over many decades of frequency."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Literal, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from mbfast import units
from mbfast._core import tiles
from mbfast._core.validate import FloatArray, check_out, require_choice
from mbfast.spectra._kernels.uniform import STEEPEST
from mbfast.spectra.direct import convolve_cells
from mbfast.spectra.grid import RANGE, Estimate, FrequencyGrid, Variable, batch, check_targets, rows
from mbfast.spectra.tails import ROUNDING, Edge, Tail
from mbfast.spectra.thermal import check_temperature, inverse_thermal_frequency
from mbfast.spectra.uniform import UniformConvolution, fewest

# Factors on the effects of the next term and of `roughness`, from jumps, kinks, cusps, narrow peaks and smooth spectra,
# of degrees 1 to 7: the estimate is then above the error, mostly less than a hundred times.
_SAFETY, _ROUGH = 3.0, 2.0


def convolve(
    omega: ArrayLike | FrequencyGrid,
    f: ArrayLike,
    g: ArrayLike | None = None,
    *,
    at: ArrayLike | None = None,
    temperature: ArrayLike = 0.0,
    below: Edge = "power",
    above: Edge = "zero",
    interpolation: Variable = "auto",
    degree: int = 7,
    method: Literal["auto", "direct", "fft"] = "auto",
    threads: int | None = None,
) -> Estimate:
    r"""Convolution integral of two spectra, with the negative frequencies that detailed balance gives them.

    For many spectra on the same nodes take a `ConvolutionPlan`.

    Parameters
    ----------
    omega : array_like, shape (n,), or FrequencyGrid
        Nodes (rad/s): positive and increasing, with any spacing. A grid has its own `below`, `above`, `interpolation`
        and `degree`, which are then left out here.
    f, g : array_like, shape (..., n)
        Samples of the two spectra, reduced ones such as Im chi~; g None: f itself. Leading axes broadcast.
    at : array_like, shape (m,), optional
        Positive frequencies of the result (rad/s); None: the nodes.
    temperature : array_like, shape (...)
        T (K), zero allowed; broadcasts against the leading axes of f and g.
    below : {"power", "zero"} or float
        What the spectra are below the first node: the power law through their first two values, nothing, or a power
        law with this exponent through the first.
    above : {"zero", "power"} or float
        The same above the last node.
    interpolation : {"auto", "log", "linear"}
        Variable in which neighbouring samples are interpolated; auto: omega on nodes that are uniform to rounding
        errors of double precision, else its logarithm.
    degree : {7, 5, 3, 1}
        Of the interpolating polynomials; a low one suits noise and steps.
    method : {"auto", "direct", "fft"}
        FFT is for uniform nodes, interpolation in omega, T = 0 and ``at=None``; auto takes it where it can.
    threads : int, optional
        None: as many as this process may use, see `set_threads`. The result does not depend on it.

    Returns
    -------
    Estimate
        value (..., n or m) in the units of f, of g and rad/s; error (...).

    Raises
    ------
    TypeError
        If an argument does not consist of real numbers, or `degree` or `threads` is not a whole number.
    ValueError
        If `omega`, `below`, `above`, `interpolation` or `degree` is not what `FrequencyGrid` takes, or one of the last
        four is given beside a grid; if samples have not n values on their last axis, are not finite or exceed 1e80 in
        magnitude; if leading axes do not broadcast; if `at` is not one-dimensional, positive and within a factor 1e30
        of the last node; if `temperature` is negative, or hbar omega/k_B T above 1e35; if `method` is fft where it
        cannot be; if `threads` is below 1; if the power law below the nodes has an exponent of -1 or less, so that the
        integral diverges, or one above makes it exceed 1e300; if no power law goes through the two samples at an end.

    Notes
    -----
    The integral is that of (3.5), (3.6) and (5.8) without its factor,

    .. math:: C(\omega) = \int_{-\infty}^{\infty} f(\Omega) g(\omega-\Omega)\,d\Omega,
              \qquad f(-\Omega) = e^{-\hbar\Omega/k_BT} f(\Omega),

    and obeys detailed balance as f and g do. Between two nodes f is the polynomial of degree 7 in omega that
    equals Lagrange's interpolation (through the `degree` + 1 nodes around them) at eight Gauss-Lobatto points, the ends
    among them; such products are integrated without further error, with the breaks of both factors as limits.

    Examples
    --------
    A constant spectrum up to a cutoff, at T = 0 and at 1 K: C is omega, and omega + 2 k_B T/hbar.

    >>> import numpy as np, mbfast
    >>> omega = np.geomspace(1e5, 1e15, 100)
    >>> value, error = mbfast.convolve(omega, np.ones(100), temperature=[0.0, 1.0])
    >>> print(f"{value[0, 0]:.6g} {value[1, 0]:.6g}", (error < 1e-12 * value.max()).all())
    100000 2.61841e+11 True
    """
    plan = ConvolutionPlan(FrequencyGrid.of(omega, below, above, interpolation, degree), at=at, method=method)
    value = plan(f, g, temperature=temperature, threads=threads)
    return Estimate(value, plan.error(f, g, temperature=temperature, threads=threads))


class ConvolutionPlan:
    """What `convolve` can compute before the samples are known, to be used many times; `grid` is its `FrequencyGrid`.

    Parameters
    ----------
    omega, at, below, above, interpolation, degree, method
        As in `convolve`.

    Raises
    ------
    TypeError, ValueError
        For these arguments as `convolve` does, and for samples, `temperature` and `threads` at a call; there also if
        `out` is not a writable C-contiguous float64 array of the result's shape.

    Examples
    --------
    >>> import numpy as np, mbfast
    >>> omega = np.geomspace(1e9, 1e15, 200)
    >>> plan = mbfast.ConvolutionPlan(omega)
    >>> result = np.empty(200)
    >>> for exponent in (0.5, 1.0):
    ...     print(f"{plan((omega / 1e15) ** exponent, out=result)[-1] / 1e15:.10f}")
    0.3926990817
    0.1666666667
    >>> f, g = (omega / 1e15) ** 0.5, omega / 1e15
    >>> both = plan.pair(f, g)
    >>> bool(np.allclose(both[0], plan(f), rtol=1e-14)), bool(np.allclose(both[1], plan(f, g), rtol=1e-14))
    (True, True)
    >>> bool(plan.error(f) < 1e-10 * plan(f).max()), len(plan.correction(f)[0])
    (True, 200)
    """

    def __init__(
        self,
        omega: ArrayLike | FrequencyGrid,
        *,
        at: ArrayLike | None = None,
        below: Edge = "power",
        above: Edge = "zero",
        interpolation: Variable = "auto",
        degree: int = 7,
        method: Literal["auto", "direct", "fft"] = "auto",
    ) -> None:
        self.grid = grid = FrequencyGrid.of(omega, below, above, interpolation, degree).require_positive()
        self._targets = check_targets(grid, "at", at)
        require_choice("method", method, ("auto", "direct", "fft"))
        self._only_fft = method == "fft"
        fft = UniformConvolution(grid) if grid.spacing == "uniform" and at is None and method != "direct" else None
        self._fft = fft if fft is not None and fft.possible else None
        if self._only_fft and self._fft is None:
            raise ValueError(
                "method must be direct here: fft needs at=None, interpolation in omega, and uniform nodes, at least "
                f"{fewest(grid.value.size)}, that begin within 1000 spacings of zero"
            )

    def __call__(
        self,
        f: ArrayLike,
        g: ArrayLike | None = None,
        *,
        temperature: ArrayLike = 0.0,
        out: FloatArray | None = None,
        threads: int | None = None,
    ) -> FloatArray:
        """Return the convolution of samples, or fill `out`.

        Parameters
        ----------
        f, g, temperature, out, threads
            As in `convolve`; out: where the result goes, float64 and C-contiguous.

        Returns
        -------
        ndarray, shape (..., n or m)
            In the units of f, of g and rad/s.
        """
        workers = tiles.check_threads(threads)
        if self._fft is not None and type(temperature) in {int, float} and temperature == 0:
            # nothing to broadcast: the compiled code checks the samples, and what it refuses is looked into below
            n, other = self._targets.size, f if g is None else g
            if _plain(f, n) and _plain(other, n):
                out = check_out(out, (n,))
                if self._fft.run([f] if f is other else [f, other], out):
                    return out
        shape, samples, rates = self._check(f, g, temperature)
        out = check_out(out, (*shape, self._targets.size))
        if np.may_share_memory(out, samples):
            samples = samples.copy()
        self._run(samples, rates, out.reshape(samples.shape[0], self._targets.size), workers)
        return out

    def pair(
        self, f: ArrayLike, g: ArrayLike, *, temperature: ArrayLike = 0.0, threads: int | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the convolutions of f with itself and of f with g, in the time of the second alone.

        Parameters
        ----------
        f, g, temperature, threads
            As in `convolve`; g is wanted.

        Returns
        -------
        tuple of two ndarray, shape (..., n or m)
            Of f with f, and of f with g.
        """
        shape, samples, rates = self._check(f, g, temperature)
        own, both = np.empty((2, samples.shape[0], self._targets.size))
        self._run(samples, rates, both, tiles.check_threads(threads), own=own)
        of_targets = *shape, self._targets.size
        return own.reshape(of_targets), both.reshape(of_targets)

    @np.errstate(under="ignore")  # whatever the caller has set
    def error(
        self, f: ArrayLike, g: ArrayLike | None = None, *, temperature: ArrayLike = 0.0, threads: int | None = None
    ) -> FloatArray | np.float64:
        """Return the estimated error of the convolution.

        Parameters
        ----------
        f, g, temperature, threads
            As in `convolve`.

        Returns
        -------
        ndarray or float64, shape (...)
            One number a spectrum, see `Estimate`.
        """
        shape, samples, rates = self._check(f, g, temperature)
        workers = tiles.check_threads(threads)
        changed, missed = self._correction(samples, rates, workers)
        errors = _SAFETY * np.abs(changed).max(axis=1, initial=0.0) + missed.max(axis=1, initial=0.0)
        # what the uncertainty of the power law below the nodes does to the integral over it
        low, largest = self.grid.low.tail(samples), np.abs(samples).max(axis=-1)
        share = np.abs(low.amplitude) * self.grid.nodes[0] / (1.0 + low.exponent) * largest[:, ::-1]
        unsure = 4.0 * self.grid.low.uncertainty(samples) / (1.0 + low.exponent) * share
        errors += self.grid.unit * (unsure[:, 0] + unsure[:, -1])
        return np.asarray(errors).reshape(shape)[()]

    @np.errstate(under="ignore")  # whatever the caller has set
    def correction(
        self, f: ArrayLike, g: ArrayLike | None = None, *, temperature: ArrayLike = 0.0, threads: int | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return what the next term of the interpolant would change, and what that may miss, at every frequency.

        Parameters
        ----------
        f, g, temperature, threads
            As in `convolve`.

        Returns
        -------
        tuple of two ndarray, shape (..., n or m)
            The change, with its sign, and a bound of what `FrequencyGrid.roughness` and rounding may add to it.
        """
        shape, samples, rates = self._check(f, g, temperature)
        parts = self._correction(samples, rates, tiles.check_threads(threads))
        changed, missed = (part.reshape(*shape, self._targets.size) for part in parts)
        return changed, missed

    def _correction(self, samples: FloatArray, rates: FloatArray, workers: int) -> tuple[FloatArray, FloatArray]:
        changed, size, enlarged = np.empty((3, samples.shape[0], self._targets.size))
        self._run(samples, rates, changed, workers, change=True)
        # of what is nowhere negative; with the power laws of the samples
        straight, magnitude = self._straight, np.abs(samples)
        straight._run(magnitude, rates, size, workers)
        rough = np.stack([self.grid.roughness(part) for part in samples.swapaxes(0, 1)], axis=1)
        larger = magnitude.copy()
        larger[..., :-1] += _ROUGH * rough
        larger[..., 1:] = np.maximum(larger[..., 1:], magnitude[..., 1:] + _ROUGH * rough)
        straight._run(larger, rates, enlarged, workers, exponents_of=magnitude)
        return changed, enlarged - size + ROUNDING * self.grid.lebesgue * size.max(axis=1, initial=0.0)[:, None]

    @cached_property
    def _straight(self) -> ConvolutionPlan:
        """The plan for what is nowhere negative, unless it is so at a node."""
        other = copy.copy(self)
        other.grid, other._only_fft = self.grid.straight(), False
        other._fft = None if self._fft is None else UniformConvolution(other.grid)
        return other

    def _check(
        self, f: ArrayLike, g: ArrayLike | None, temperature: ArrayLike
    ) -> tuple[tuple[int, ...], FloatArray, FloatArray]:
        """Return the shape of the leading axes, samples (rows, 1 or 2, n) of one function or two, and rates (rows,)."""
        unit = self.grid.unit
        given = {"f": rows("f", f, self.grid), "temperature": check_temperature(temperature)[..., None]}
        if g is not None:
            given["g"] = rows("g", g, self.grid)
        shape, (one, kelvin, *others) = batch(**given)
        rates = inverse_thermal_frequency(kelvin[:, 0]) * unit
        if (np.isfinite(rates) & (rates > 1e5 * RANGE)).any():
            least = units.HBAR * unit / (1e5 * RANGE * units.K_B)
            raise ValueError(
                f"temperature must be zero or at least {least:.2g} K for these nodes, got {kelvin.min():g}"
            )
        return shape, np.stack([one, *others], axis=1) if others else one[:, None], rates

    @np.errstate(under="ignore")  # whatever the caller has set
    def _run(
        self,
        samples: FloatArray,
        rates: FloatArray,
        out: FloatArray,
        workers: int,
        *,
        own: FloatArray | None = None,
        exponents_of: FloatArray | None = None,
        change: bool = False,
    ) -> None:
        """Do what `convolve_cells` does, by the better method, with the exponents of other samples if given."""
        grid, why = self.grid, "else the integral diverges at zero frequency"
        given = samples if exponents_of is None else exponents_of
        low, high = grid.low.tail(given, over=-1.0, why=why), grid.high.tail(given)
        if exponents_of is not None:
            low, high = (
                Tail(np.where(tail.amplitude != 0.0, samples[..., node], 0.0), tail.exponent)
                for tail, node in ((low, 0), (high, -1))
            )
        suits = np.isinf(rates).all() and (low.exponent <= STEEPEST).all()
        if self._only_fft and not suits:  # before anything is written
            raise ValueError(f"method must be direct or auto at T > 0 and for exponents above {STEEPEST:g}, got fft")
        if self._fft is not None and suits:
            wanted = [(samples, out)] + ([] if own is None else [(samples[:, :1], own)])
            done = [
                self._fft.run(list(functions), result, exponents=list(exponents), change=change)
                for given, results in wanted
                for functions, exponents, result in zip(given, low.exponent[:, : given.shape[1]], results, strict=True)
            ]
            if all(done):
                return
        convolve_cells(grid, self._targets, samples, (low, high), rates, out, workers, own=own, change=change)


def _plain(samples: object, n: int) -> TypeGuard[FloatArray]:
    """Whether samples are just the array that kernels take."""
    if type(samples) is not np.ndarray:
        return False
    return samples.dtype == np.float64 and samples.shape == (n,) and samples.flags.c_contiguous
