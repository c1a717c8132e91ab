"""Convolution integrals of spectra over many decades of frequency."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from mbfast import units
from mbfast._core import tiles as _tiles
from mbfast._core.validate import FloatArray, check_out, require_choice
from mbfast.kernels.spectra import RULE, coefficients
from mbfast.spectra._kernels import products as kernels
from mbfast.spectra.grid import (
    LARGEST_VALUE,
    RANGE,
    ROUNDING,
    Edge,
    Estimate,
    Variable,
    batch,
    check_edge,
    check_targets,
    interpolant,
    power_cells,
    require_exponents,
    roughness,
    rows,
    tail,
    uncertainty,
)
from mbfast.spectra.thermal import check_temperature, inverse_thermal_frequency
from mbfast.spectra.uniform import UniformConvolution

# Beyond this many units of temperature the Boltzmann factor is below 1e-26.
_COLD = 60.0
# Where a Boltzmann factor varies by no more than exp(1/4) it is a polynomial of degree 7 to rounding errors.
_STEP = 0.25
_CHUNK = 256  # frequencies in a tile
# Factors on the effects of the next term and of `roughness`, from jumps, kinks, cusps, narrow peaks and smooth spectra,
# of degrees 1 to 7: the estimate is then above the error, mostly less than a hundred times.
_SAFETY, _ROUGH = 5.0, 1.2


def convolve(
    omega: ArrayLike,
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

    Parameters
    ----------
    omega : array_like, shape (n,)
        Nodes (rad/s): positive and increasing, with any spacing.
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
        None: as many as this process may use. The result does not depend on it.

    Returns
    -------
    Estimate
        value (..., n or m) in the units of f, of g and rad/s; error (...).

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or a power law cannot be integrated.

    See Also
    --------
    ConvolutionPlan : the same for many spectra on the same nodes.

    Notes
    -----
    The integral is that of (3.5), (3.6) and (5.8) without its factor,

    .. math:: C(\omega) = \int_{-\infty}^{\infty} f(\Omega) g(\omega-\Omega)\,d\Omega,
              \qquad f(-\Omega) = e^{-\hbar\Omega/k_BT} f(\Omega),

    and obeys detailed balance as f and g do. Between two nodes f is the polynomial of degree 7 in omega that
    equals Lagrange's interpolation (through the `degree` + 1 nodes around them) at eight Gauss-Lobatto points, the ends
    among them; such products are integrated without further error, with the breaks of both factors as limits.

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (3.5) and below (4.3).

    Examples
    --------
    A constant spectrum up to a cutoff, at T = 0 and at 1 K: C is omega, and omega + 2 k_B T/hbar.

    >>> import numpy as np, mbfast
    >>> omega = np.geomspace(1e5, 1e15, 100)
    >>> value, error = mbfast.convolve(omega, np.ones(100), temperature=[0.0, 1.0])
    >>> print(f"{value[0, 0]:.6g} {value[1, 0]:.6g}", (error < 1e-12 * value.max()).all())
    100000 2.61841e+11 True
    """
    plan = ConvolutionPlan(
        omega, at=at, below=below, above=above, interpolation=interpolation, degree=degree, method=method
    )
    value = plan(f, g, temperature=temperature, threads=threads)
    return Estimate(value, plan.error(f, g, temperature=temperature, threads=threads))


class _Part(NamedTuple):
    """One function: values at the Gauss points between the nodes, amplitude and exponent below and above them."""

    values: FloatArray
    low: tuple[float, float] = (0.0, 0.0)
    high: tuple[float, float] = (0.0, 0.0)


class _Functions(NamedTuple):
    """One or two functions on one side of zero frequency, as the kernels take them, in units of the last node."""

    breaks: FloatArray
    values: FloatArray
    coefficients: FloatArray
    moments: FloatArray
    amplitude: FloatArray
    exponent: FloatArray
    rate: float


class ConvolutionPlan:
    """What `convolve` can compute before the samples are known, to be used many times.

    Parameters
    ----------
    omega, at, below, above, interpolation, degree, method
        As in `convolve`.

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
    """

    def __init__(
        self,
        omega: ArrayLike,
        *,
        at: ArrayLike | None = None,
        below: Edge = "power",
        above: Edge = "zero",
        interpolation: Variable = "auto",
        degree: int = 7,
        method: Literal["auto", "direct", "fft"] = "auto",
    ) -> None:
        self._made = interpolant(omega, interpolation, degree)
        self._below, self._above = check_edge("below", below), check_edge("above", above)
        if at is None:
            self._targets = self._made.nodes
        else:
            self._targets = check_targets("at", at, self._made.unit)
        require_choice("method", method, ("auto", "direct", "fft"))
        uniform = self._made.spacing == "uniform" and at is None
        self._fft = UniformConvolution(self._made) if uniform and method != "direct" else None
        if self._fft is not None and not self._fft.possible:
            self._fft = None
        if method == "fft" and self._fft is None:
            raise ValueError(
                "method must be direct here: fft needs at=None, interpolation in omega, and uniform nodes, at least "
                f"{2 * (self._made.value.matrices.shape[2] + 1)}, that begin within 1000 spacings of zero"
            )
        self._only_fft = method == "fft"

    def __call__(
        self,
        f: ArrayLike,
        g: ArrayLike | None = None,
        *,
        temperature: ArrayLike = 0.0,
        out: FloatArray | None = None,
        threads: int | None = None,
    ) -> FloatArray:
        """Return the convolution of samples f and g (..., n), at T (K), as an array (..., n or m), or fill `out`."""
        workers = _tiles.check_threads(threads)
        if self._fft is not None and type(temperature) in {int, float} and temperature == 0:
            # nothing to broadcast: the compiled code checks the samples, and what it refuses is looked into below
            n, other = self._targets.size, f if g is None else g
            if _plain(f, n) and _plain(other, n):
                out = check_out(out, (n,))
                if self._fft.run(f, other, self._below, out):
                    return out
        shape, rows_f, rows_g, rates = self._check(f, g, temperature)
        out = check_out(out, (*shape, self._targets.size))
        if np.may_share_memory(out, rows_f) or np.may_share_memory(out, rows_g):
            out[...] = self(f, g, temperature=temperature, threads=threads)
            return out
        flat = out.reshape(rows_f.shape[0], self._targets.size)
        self._run(rows_f, rows_g, rates, flat, workers)
        return out

    def pair(
        self, f: ArrayLike, g: ArrayLike, *, temperature: ArrayLike = 0.0, threads: int | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the convolutions (..., n or m) of f with itself and of f with g, in the time of the second alone."""
        shape, rows_f, rows_g, rates = self._check(f, g, temperature)
        own, both = np.empty((2, rows_f.shape[0], self._targets.size))
        self._run(rows_f, rows_g, rates, both, _tiles.check_threads(threads), own=own)
        return own.reshape(*shape, -1), both.reshape(*shape, -1)

    def error(
        self,
        f: ArrayLike,
        g: ArrayLike | None = None,
        *,
        temperature: ArrayLike = 0.0,
        threads: int | None = None,
    ) -> FloatArray | np.float64:
        """Return the estimated error of the convolution (...), one number a spectrum: see `Estimate`."""
        shape, rows_f, rows_g, rates = self._check(f, g, temperature)
        workers = _tiles.check_threads(threads)
        changed, size, enlarged = np.empty((3, rows_f.shape[0], self._targets.size))
        self._run(rows_f, rows_g, rates, changed, workers, change=True)
        functions = (rows_f,) if rows_g is rows_f else (rows_f, rows_g)
        magnitudes = [np.abs(h) for h in functions]
        self._run(magnitudes[0], magnitudes[-1], rates, size, workers)
        for h, magnitude in zip(functions, magnitudes, strict=True):
            rough = _ROUGH * roughness(h, self._made)
            magnitude[:, 2:] += rough[:, 2:]  # the first two define the power law
        self._run(magnitudes[0], magnitudes[-1], rates, enlarged, workers)
        errors = _SAFETY * np.abs(changed).max(axis=1, initial=0.0) + (enlarged - size).max(axis=1, initial=0.0)
        errors += ROUNDING * self._made.lebesgue * size.max(axis=1, initial=0.0)
        errors += self._made.unit * self._edge_uncertainty(rows_f, rows_g)
        result: FloatArray = errors.reshape(shape)
        return result[()]

    def _check(
        self, f: ArrayLike, g: ArrayLike | None, temperature: ArrayLike
    ) -> tuple[tuple[int, ...], FloatArray, FloatArray, FloatArray]:
        """Return the shape of the leading axes, rows of f and g (the same object for g None), and rates."""
        n = self._made.nodes.size
        given = {"f": rows("f", f, n), "temperature": check_temperature(temperature)[..., None]}
        if g is not None:
            given["g"] = rows("g", g, n)
        shape, flat = batch(**given)
        rates = inverse_thermal_frequency(flat[1][:, 0]) * self._made.unit
        if (np.isfinite(rates) & (rates > 1e5 * RANGE)).any():
            least = units.HBAR * self._made.unit / (1e5 * RANGE * units.K_B)
            raise ValueError(
                f"temperature must be zero or at least {least:.2g} K for these nodes, got {flat[1].min():g}"
            )
        return shape, flat[0], flat[0] if g is None else flat[2], rates

    def _run(
        self,
        f: FloatArray,
        g: FloatArray,
        rates: FloatArray,
        out: FloatArray,
        workers: int,
        *,
        change: bool = False,
        own: FloatArray | None = None,
    ) -> None:
        """Fill out (rows, m) with the convolutions, or with their change when samples are interpolated once better.

        If `own` is given, g is another function than f, and it is filled with the convolutions of f with itself.
        """
        functions = {"f": f} if g is f else {"f": f, "g": g}
        below = {}
        for name, samples in functions.items():
            below[name] = low = tail("below", self._below, samples, self._made.nodes)
            require_exponents("below", low, -1.0, np.inf, "else the integral diverges at zero frequency")
        if self._fft is not None and np.isinf(rates).all():
            wanted = [(f, g, out)] + ([] if own is None else [(f, f, own)])
            done = [
                self._fft.run(a, a if two is one else b, self._below, result, change=change)
                for one, two, results in wanted
                for a, b, result in zip(one, two, results, strict=True)
            ]
            if all(done):
                return
        if self._only_fft:
            raise ValueError("method must be direct or auto at T > 0 and for exponents above 16, got fft")
        tails = {
            name: (below[name], tail("above", self._above, samples, self._made.nodes))
            for name, samples in functions.items()
        }
        starts = range(0, self._targets.size, _CHUNK)

        def prepare(row: int) -> list[tuple[_Functions, _Functions | None]]:
            spectra = [
                _Part(self._made.value.values(samples[row : row + 1])[0], *(edge.of(row) for edge in tails[name]))
                for name, samples in functions.items()
            ]
            if not change:
                return [self._functions(spectra, rates[row])]
            terms = [_Part(self._made.error.values(samples[row : row + 1])[0]) for samples in functions.values()]
            # to first order: the next term of each function with the other function
            return [self._functions([*pair], rates[row]) for pair in zip(spectra[::-1], terms, strict=True)]

        # what is prepared of a row takes a thousand times the memory of its samples
        for group in range(0, f.shape[0], 4 * workers):
            members = range(group, min(group + 4 * workers, f.shape[0]))
            prepared = dict(zip(members, _tiles.run(prepare, members, threads=workers), strict=True))

            def work(tile: tuple[int, int], prepared: dict[int, Any] = prepared) -> None:
                row, start = tile
                targets = self._targets[start : start + _CHUNK]
                total = np.zeros((2, targets.size))
                for stack, image in prepared[row]:
                    sums = total[: stack.amplitude.size]
                    _add(targets, stack, stack, self._made.unit, sums)
                    if image is not None:
                        _add(targets, image, stack, self._made.unit, sums)
                total[0] *= 2.0  # of a function with itself the two halves are equal
                piece = slice(start, start + targets.size)
                if change and g is f:
                    out[row, piece] = 2.0 * total[1]
                else:
                    out[row, piece] = total[0 if g is f else 1]
                if own is not None:
                    own[row, piece] = total[0]

            _tiles.run(work, [(row, start) for row in members for start in starts], threads=workers)

    def _functions(self, parts: list[_Part], rate: float) -> tuple[_Functions, _Functions | None]:
        """Return spectra on common breaks, and their mirror images, None at T = 0."""
        nodes = self._made.nodes
        low, low_exponent, high, high_exponent = np.array([[*part.low, *part.high] for part in parts]).T.copy()
        smallest = min(nodes[0], self._targets.min(initial=nodes[0]))
        # the kernel's wish: the power law ends below every cell, and below half of every frequency; rate first <= 1
        first = min(np.diff(nodes).min(), 0.4 * smallest / (10.0 + np.abs(low_exponent).max()))
        first = min(first, 1.0 / rate) if np.isfinite(rate) else first
        cold, rising = _COLD, high_exponent[high != 0.0]
        for _ in range(5 if rising.size else 0):  # what rises is cut later
            cold = _COLD + 2.0 * max(rising.max(), 0.0) * np.log(cold)
        top = self._targets.max(initial=0.0) + (cold / rate if np.isfinite(rate) else 0.0)
        below_breaks, below_values = power_cells(low, low_exponent, nodes[0], first)
        breaks, inner = [below_breaks[:-1], nodes], [below_values, np.stack([part.values for part in parts])]
        if rising.size and top > 1.0:
            if (np.log(np.abs(high[high != 0.0])) + rising * np.log(top) > np.log(LARGEST_VALUE)).any():
                raise ValueError(f"above must not let the spectrum exceed {LARGEST_VALUE:g}, got {self._above!r}")
            above_breaks, above_values = power_cells(high, high_exponent, 1.0, top)
            breaks.append(above_breaks[1:])
            inner.append(above_values)
        whole = below_values[:, 0, 0] != 0.0  # else it has died out, or there is none
        amplitude = np.where(whole, low * (first / nodes[0]) ** low_exponent, 0.0)
        stack = _stack(np.concatenate(breaks), np.concatenate(inner, axis=1), amplitude, low_exponent)
        return stack, _mirrored(stack, rate, cold)

    def _edge_uncertainty(self, f: FloatArray, g: FloatArray) -> FloatArray:
        """Return what the uncertainty of the power law below the nodes does to the integral over it."""
        nodes, total = self._made.nodes, np.zeros(f.shape[0])
        for one, other in ((f, g), (g, f)):
            low = tail("below", self._below, one, nodes)
            share = np.abs(low.amplitude) * nodes[0] / (1.0 + low.exponent) * np.abs(other).max(axis=1)
            total += 4.0 * uncertainty("below", self._below, one, nodes) / (1.0 + low.exponent) * share
        return total


def _plain(samples: object, n: int) -> TypeGuard[FloatArray]:
    """Whether samples are just the array that kernels take."""
    if type(samples) is not np.ndarray:
        return False
    return samples.dtype == np.float64 and samples.shape == (n,) and samples.flags.c_contiguous


def _stack(
    b: FloatArray, values: FloatArray, amplitude: FloatArray, exponent: FloatArray, rate: float = 0.0
) -> _Functions:
    c, m = np.empty_like(values), np.empty((values.shape[0], b.size, 8))
    for a in range(values.shape[0]):
        coefficients(values[a], RULE, c[a])
        kernels.moments(b, values[a], amplitude[a], exponent[a], rate, RULE, m[a])
    return _Functions(b, values, c, m, amplitude, exponent, rate)


def _mirrored(functions: _Functions, rate: float, cold: float) -> _Functions | None:
    """Return the functions times exp(-rate x), on cells that are short enough; None at T = 0."""
    if not np.isfinite(rate):
        return None
    b, values = functions.breaks, functions.values
    cells = max(int(np.searchsorted(b, cold / rate)), 1)
    cells = min(cells, b.size - 1)
    fall = rate * np.diff(b[: cells + 1])
    parts = np.maximum(np.ceil(fall / _STEP), 1.0)
    # its product with a polynomial has a term of degree 8, which an n-th of the cell has 2^-8 n times smaller
    lost = 0.25 * np.minimum(fall, _STEP) * np.abs(values[:, :cells] @ (RULE[9] + RULE[8]))
    size = np.abs(values).max(axis=(1, 2))[:, None]
    parts = np.maximum(parts, np.ceil((lost / (1e-15 * size + 1e-300)) ** 0.125).max(axis=0))
    parts = np.minimum(parts, np.ceil(cold / _STEP)).astype(np.int64)
    cell = np.repeat(np.arange(cells), parts)
    place = np.arange(cell.size) - np.repeat(np.cumsum(parts) - parts, parts)
    width = np.diff(b[: cells + 1])
    # of a cell that reaches far into the cold only the beginning matters
    width = np.minimum(width, cold / rate)
    finer = np.append(b[cell] + width[cell] * place / parts[cell], b[cells - 1] + width[-1])
    middle, half = 0.5 * (finer[1:] + finer[:-1]), 0.5 * np.diff(finer)
    x = middle[:, None] + half[:, None] * RULE[0]
    t = (2.0 * x - b[cell, None] - b[cell + 1, None]) / np.diff(b)[cell, None]
    y = np.zeros((values.shape[0], *x.shape))
    for k in range(7, -1, -1):
        y = y * t + functions.coefficients[:, cell, k, None]
    return _stack(finer, y * np.exp(-rate * x), functions.amplitude, functions.exponent, rate)


def _add(targets: FloatArray, f: _Functions, g: _Functions, factor: float, out: FloatArray) -> None:
    sign = 1 if f.rate else -1
    kernels.convolution(
        targets,
        sign,
        f.breaks,
        f.coefficients,
        f.moments,
        f.amplitude,
        f.exponent,
        f.rate,
        g.breaks,
        g.coefficients,
        RULE,
        factor,
        out,
    )
