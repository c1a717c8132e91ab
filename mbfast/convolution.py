"""Convolution integrals of spectra over many decades of frequency."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from mbfast import _tiles, units
from mbfast._interpolant import (
    LARGEST_VALUE,
    RANGE,
    ROUNDING,
    Edge,
    Estimate,
    Tail,
    Variable,
    batch,
    check_edge,
    check_targets,
    check_temperature,
    interpolant,
    inverse_thermal_frequency,
    power_cells,
    require_exponents,
    roughness,
    rows,
    tail,
    uncertainty,
)
from mbfast._uniform import UniformConvolution
from mbfast._validate import FloatArray, check_out, require_choice
from mbfast.kernels import spectra as kernels
from mbfast.kernels.spectra import RULE

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


class _Function(NamedTuple):
    """One spectrum on one side of zero frequency, as the kernels take it, in units of the last node."""

    breaks: FloatArray
    values: FloatArray
    coefficients: FloatArray
    moments: FloatArray
    amplitude: float
    exponent: float
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
        self, f: FloatArray, g: FloatArray, rates: FloatArray, out: FloatArray, workers: int, *, change: bool = False
    ) -> None:
        """Fill out (rows, m) with the convolutions, or with their change when samples are interpolated once better."""
        functions = {"f": f} if g is f else {"f": f, "g": g}
        below = {}
        for name, samples in functions.items():
            below[name] = low = tail("below", self._below, samples, self._made.nodes)
            require_exponents("below", low, -1.0, np.inf, "else the integral diverges at zero frequency")
        if self._fft is not None and np.isinf(rates).all():
            done = [
                self._fft.run(a, a if g is f else b, self._below, result, change=change)
                for a, b, result in zip(f, g, out, strict=True)
            ]
            if all(done):
                return
        if self._only_fft:
            raise ValueError("method must be direct or auto at T > 0 and for exponents above 16, got fft")
        tails = {
            name: (below[name], tail("above", self._above, samples, self._made.nodes))
            for name, samples in functions.items()
        }
        out[:] = 0.0
        starts = range(0, self._targets.size, _CHUNK)

        def prepare(row: int) -> Any:
            spectra = [
                self._functions(samples, tails[name], row, rates[row], change=change)
                for name, samples in functions.items()
            ]
            return spectra if g is not f else spectra * 2

        # what is prepared of a row takes a thousand times the memory of its samples
        for group in range(0, f.shape[0], 4 * workers):
            members = range(group, min(group + 4 * workers, f.shape[0]))
            prepared = dict(zip(members, _tiles.run(prepare, members, threads=workers), strict=True))

            def work(tile: tuple[int, int], prepared: dict[int, Any] = prepared) -> None:
                row, start = tile
                piece = slice(start, start + _CHUNK)
                for a, b, factor in _terms(*prepared[row], same=g is f, change=change):
                    _add(self._targets[piece], a, b, factor * self._made.unit, out[row, piece])

            _tiles.run(work, [(row, start) for row in members for start in starts], threads=workers)

    def _functions(
        self, samples: FloatArray, tails: tuple[Tail, Tail], row: int, rate: float, *, change: bool
    ) -> list[_Function | None]:
        """Return a spectrum and its mirror image, and with `change` the next term of both; images None at T = 0."""
        made, (low, high) = self._made, tails
        nodes = made.nodes
        smallest = min(nodes[0], self._targets.min(initial=nodes[0]))
        # the kernel's wish: the power law ends below every cell, and below half of every frequency; rate first <= 1
        first = min(np.diff(nodes).min(), 0.4 * smallest / (10.0 + abs(low.exponent[row])))
        first = min(first, 1.0 / rate) if np.isfinite(rate) else first
        cold = _COLD
        if high.amplitude[row] != 0.0:  # what rises is cut later
            for _ in range(5):
                cold = _COLD + 2.0 * max(high.exponent[row], 0.0) * np.log(cold)
        top = self._targets.max(initial=0.0) + (cold / rate if np.isfinite(rate) else 0.0)
        breaks, inner = [nodes], [made.value.values(samples[row : row + 1])[0]]
        below_breaks, below_values = power_cells(low, row, nodes[0], first)
        breaks.insert(0, below_breaks[:-1])
        inner.insert(0, below_values)
        if high.amplitude[row] != 0.0 and top > 1.0:
            if np.log(abs(high.amplitude[row])) + high.exponent[row] * np.log(top) > np.log(LARGEST_VALUE):
                raise ValueError(f"above must not let the spectrum exceed {LARGEST_VALUE:g}, got {self._above!r}")
            above_breaks, above_values = power_cells(high, row, 1.0, top)
            breaks.append(above_breaks[1:])
            inner.append(above_values)
        b, values = np.concatenate(breaks), np.concatenate(inner)
        whole = bool(below_values[0, 0])  # else it has died out, or there is none
        amplitude = float(low.amplitude[row]) * (first / nodes[0]) ** low.exponent[row] if whole else 0.0
        powers = (amplitude, float(low.exponent[row]))
        function = _function(b, values, *powers)
        result = [function, _mirrored(function, rate, cold)]
        if change:
            values = np.zeros_like(values)
            values[below_values.shape[0] :][: nodes.size - 1] = made.error.values(samples[row : row + 1])[0]
            term = _function(b, values, 0.0, 0.0)
            result += [term, _mirrored(term, rate, cold)]
        return result

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


def _function(b: FloatArray, values: FloatArray, amplitude: float, exponent: float, rate: float = 0.0) -> _Function:
    c, m = np.empty_like(values), np.empty((b.size, 8))
    kernels.coefficients(values, RULE, c)
    kernels.moments(b, values, amplitude, exponent, rate, RULE, m)
    return _Function(b, values, c, m, amplitude, exponent, rate)


def _mirrored(function: _Function, rate: float, cold: float) -> _Function | None:
    """Return the function times exp(-rate x), on cells that are short enough; None at T = 0."""
    if not np.isfinite(rate):
        return None
    b, values = function.breaks, function.values
    cells = max(int(np.searchsorted(b, cold / rate)), 1)
    cells = min(cells, b.size - 1)
    fall = rate * np.diff(b[: cells + 1])
    parts = np.maximum(np.ceil(fall / _STEP), 1.0)
    # its product with a polynomial has a term of degree 8, which an n-th of the cell has 2^-8 n times smaller
    lost = 0.25 * np.minimum(fall, _STEP) * np.abs(values[:cells] @ (RULE[9] + RULE[8]))
    parts = np.maximum(parts, np.ceil((lost / (1e-15 * np.abs(values).max() + 1e-300)) ** 0.125))
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
    y = np.zeros_like(x)
    for k in range(7, -1, -1):
        y = y * t + function.coefficients[cell, k, None]
    return _function(finer, y * np.exp(-rate * x), function.amplitude, function.exponent, rate)


def _terms(f: Any, g: Any, *, same: bool, change: bool) -> list[tuple[_Function, _Function, float]]:
    """Return the pairs of functions, and their factors, whose half integrals make up the convolution or its change."""
    if change:  # to first order, that of f and that of g
        orders = [(f[2:], g[:2]), (g[:2], f[2:])] + ([] if same else [(f[:2], g[2:]), (g[2:], f[:2])])
    else:
        orders = [(f[:2], g[:2])] + ([] if same else [(g[:2], f[:2])])
    # a function's integrals with itself, or the change of them, are equal by pairs
    factor = 2.0 if same else 1.0
    return [(h, other[0], factor) for one, other in orders for h in one if h is not None]


def _add(targets: FloatArray, f: _Function, g: _Function, factor: float, out: FloatArray) -> None:
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
