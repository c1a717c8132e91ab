"""Kramers-Kronig relations of spectra over many decades of frequency."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import tiles, validate
from mbfast._core.validate import FloatArray
from mbfast.kernels.spectra import RULE
from mbfast.spectra._kernels import cauchy as kernels
from mbfast.spectra.beyond import CELLS, Beyond
from mbfast.spectra.circulant import Circulant, circulant
from mbfast.spectra.grid import (
    LARGEST_VALUE,
    Estimate,
    FrequencyGrid,
    Stencils,
    Variable,
    check_targets,
    chunks,
    everywhere,
    lagrange,
    rows,
)
from mbfast.spectra.tails import LARGEST_TAIL, ROUNDING, Edge, Tail

_Weights: TypeAlias = Circulant | FloatArray | None

_CHUNK = 64  # frequencies in a tile
_LARGEST_MATRIX = 1 << 25  # elements: 256 MB
_FEWEST_FOR_FFT = 96
_SAFETY, _ROUGH = 3.0, 6.0  # as in convolution


def kramers_kronig(
    omega: ArrayLike | FrequencyGrid,
    imag: ArrayLike,
    *,
    at: ArrayLike | None = None,
    inverse: bool = False,
    below: Edge = "power",
    above: Edge = "zero",
    anchors: tuple[ArrayLike, ArrayLike] | None = None,
    interpolation: Variable = "auto",
    degree: int = 7,
    method: Literal["auto", "direct", "fft"] = "auto",
    threads: int | None = None,
) -> Estimate:
    r"""Real part of a susceptibility from its imaginary part at positive frequencies, or the inverse.

    For many spectra on the same nodes take a `KramersKronigPlan`.

    Parameters
    ----------
    omega : array_like, shape (n,), or FrequencyGrid
        As in `convolve`; the first node may also be zero, see Notes.
    imag : array_like, shape (..., n)
        Samples of Im chi, or of what is put in its place: (4.3) takes Im chi~. With `inverse`, of Re chi.
    at : array_like, shape (m,), optional
        Frequencies of the result (rad/s), positive or zero; None: the nodes.
    inverse : bool
        Whether to go from the real to the imaginary part. A constant in Re chi has no effect.
    below, above
        As in `convolve`, for `imag`.
    anchors : (array_like, array_like), optional
        Subtractive forms: frequencies, shape (k,), at which the result is known, and its values, shape (..., k).
    interpolation, degree
        As in `convolve`.
    method : {"auto", "direct", "fft"}
        FFT is O(n log n), for logarithmic or uniform nodes and ``at=None``; its rounding errors are relative to the
        largest value. auto takes it for 96 nodes and more.
    threads : int, optional
        None: as many as this process may use, see `set_threads`. The result does not depend on it.

    Returns
    -------
    Estimate
        value (..., n or m) in the units of `imag`; error (...). Where the spectrum jumps, which ``"zero"`` makes it do
        at an end, the integral diverges and the value is infinite.

    Raises
    ------
    TypeError, ValueError
        For the arguments that `convolve` has too, and for `imag` as for its f, as `convolve` does.
    TypeError
        If `anchors` is not a tuple of two.
    ValueError
        If frequencies of `anchors` are not one-dimensional, positive (or zero, not with `inverse`) and within a factor
        1e30 of the last node, if two are equal, or one is where the spectrum jumps; if the values there are missing,
        above 1e80, or do not broadcast to (..., k); if polynomials through the anchors exceed 1e80 at a frequency, or
        the power law above the nodes 1e150; if the integral over a power law diverges, or there is no static limit
        where one is asked for, see Notes.

    Notes
    -----
    The principal values are

    .. math:: \mathrm{Re}\,\chi(\omega) = \frac{2}{\pi}\,P\!\!\int_0^\infty
              \frac{\Omega\,\mathrm{Im}\,\chi(\Omega)}{\Omega^2-\omega^2}\,d\Omega, \qquad
              \mathrm{Im}\,\chi(\omega) = -\frac{2\omega}{\pi}\,P\!\!\int_0^\infty
              \frac{\mathrm{Re}\,\chi(\Omega)}{\Omega^2-\omega^2}\,d\Omega,

    of the interpolant that `convolve` describes: in each cell by the Legendre functions of the second kind, no point
    left out. They hold for an odd Im chi. Im chi~ is not odd at T > 0, and its one-sided transform, which (4.3) writes
    as Re chi~, is not the real part of a response.

    With k anchors the result is that of the k times subtractive form (K. F. Palmer, M. Z. Williams and B. A. Budde,
    Applied Optics 37, 2660 (1998)), which differs by a polynomial of degree k - 1 in omega^2 (times omega, for the
    inverse). A power law omega^s above the last node needs s < 2k, or s < 2k + 1 for the inverse; below the first it
    needs s > -2, or s > -1.

    At zero frequency the result is the static limit, the integral of (2/pi) Im chi/omega, or 0 with `inverse`. It
    exists where Im chi vanishes there: with s > 0 (with `inverse`, s >= 0), or with a sample 0 at a node at zero. From
    such a node on spectra are polynomials in omega, or a straight line up to the first positive node if the others are
    joined in the logarithm: `below` has no meaning then. For a spectrum that begins as another power than the first,
    leave that node out.

    Where absorption sets in or stops with a step, let the nodes end there, with ``below="zero"`` or ``above="zero"``,
    and add the transforms of the parts: `mbfast.guide.accuracy` has an example.

    Examples
    --------
    >>> import numpy as np, mbfast
    >>> omega = np.geomspace(1e5, 1e15, 1024)
    >>> tau = 1e-10
    >>> value, error = mbfast.kramers_kronig(omega, omega * tau / (1 + (omega * tau) ** 2), above="power")
    >>> print(np.abs(value - 1 / (1 + (omega * tau) ** 2)).max() < error < 1e-11)
    True
    """
    if anchors is not None and not (isinstance(anchors, tuple) and len(anchors) == 2):
        raise TypeError(f"anchors must be a tuple of frequencies and values, got {anchors!r}")
    frequencies, known = anchors or (None, None)
    grid = FrequencyGrid.of(omega, below, above, interpolation, degree)
    # a matrix is not worth its while for one call
    plan = KramersKronigPlan(grid, at=at, inverse=inverse, anchors=frequencies, method=method, _matrix=False)
    return Estimate(plan(imag, known, threads=threads), plan.error(imag, threads=threads))


class KramersKronigPlan:
    """What `kramers_kronig` can compute before the samples are known, to be used many times.

    `grid` is its `FrequencyGrid`. Without FFT the weights are a matrix, computed at each call if above 2^25 elements.

    Parameters
    ----------
    omega, at, inverse, below, above
        As in `kramers_kronig`.
    anchors : array_like, shape (k,), optional
        Frequencies (rad/s) at which the result will be known.
    interpolation, degree, method
        As in `kramers_kronig`.

    Raises
    ------
    TypeError, ValueError
        For these arguments as `kramers_kronig` does, and for samples, values at anchors and `threads` at a call; there
        also if `out` is not a writable C-contiguous float64 array of the result's shape.

    Examples
    --------
    >>> import numpy as np, mbfast
    >>> omega = np.geomspace(1e5, 1e15, 512)
    >>> plan = mbfast.KramersKronigPlan(omega, above="power")
    >>> result = np.empty(512)
    >>> for tau in (1e-10, 1e-9):
    ...     print(f"{plan(omega * tau / (1 + (omega * tau) ** 2), out=result)[0]:.6f}")
    1.000000
    1.000000
    >>> bool(plan.error(omega * tau / (1 + (omega * tau) ** 2)) < 1e-9)
    True
    """

    def __init__(
        self,
        omega: ArrayLike | FrequencyGrid,
        *,
        at: ArrayLike | None = None,
        inverse: bool = False,
        below: Edge = "power",
        above: Edge = "zero",
        anchors: ArrayLike | None = None,
        interpolation: Variable = "auto",
        degree: int = 7,
        method: Literal["auto", "direct", "fft"] = "auto",
        _matrix: bool = True,
    ) -> None:
        self.grid = grid = FrequencyGrid.of(omega, below, above, interpolation, degree)
        validate.require_flag("inverse", inverse)
        self._parity, self._odd = (-1, 1) if inverse else (1, 0)
        validate.require_choice("method", method, ("auto", "direct", "fft"))
        nodes = grid.nodes
        self._anchors = np.empty(0) if anchors is None else check_targets(grid, "anchors", anchors, zero=not inverse)
        if np.unique(self._anchors).size < self._anchors.size:
            raise ValueError("anchors must be different frequencies, got one twice")
        self._scale = self._anchors if inverse else np.ones_like(self._anchors)
        self._targets = check_targets(grid, "at", at, zero=True)
        places = {"omega" if at is None else "at": self._targets, "anchors": self._anchors}
        self._at_zero = [name for name, frequencies in places.items() if (frequencies == 0.0).any()]
        self._far = 2.0 * max(1.0, self._targets.max(initial=0.0), self._anchors.max(initial=0.0))
        self._beyond_targets, self._beyond_anchors = self._beyond(self._targets), self._beyond(self._anchors)
        with np.errstate(all="ignore"):
            # Lagrange's polynomials in omega^2 of the anchors at the frequencies, odd ones for the inverse
            polynomials = lagrange(self._anchors**2, self._targets**2).T
            self._from_anchors = np.ascontiguousarray(polynomials * self._targets if inverse else polynomials)
        if not np.abs(self._from_anchors).max(initial=0.0) <= LARGEST_VALUE:
            raise ValueError(
                f"anchors must be fewer, or less far from at: the polynomial through them exceeds {LARGEST_VALUE:g}"
            )
        fewest = 2 * (grid.error.size + 1)  # the ends must not meet
        fits = at is None and grid.spacing != "any" and nodes.size >= fewest
        if method == "fft" and not fits:
            raise ValueError(
                f"method must be direct here: fft needs at=None and at least {fewest} logarithmic or uniform nodes"
            )
        self._value: _Weights = None
        self._change: _Weights = None  # the same for the next term, made when first asked for
        if fits and (method == "fft" or (method == "auto" and nodes.size >= _FEWEST_FOR_FFT)):
            self._value = circulant(grid, grid.value, self._parity)
        elif _matrix and self._targets.size * nodes.size <= _LARGEST_MATRIX:
            self._value = self._matrix_of(grid.value)

    @np.errstate(under="ignore")  # whatever the caller has set
    def __call__(
        self,
        imag: ArrayLike,
        known: ArrayLike | None = None,
        *,
        out: FloatArray | None = None,
        threads: int | None = None,
    ) -> FloatArray:
        """Return the transform of samples, or fill `out`.

        Parameters
        ----------
        imag, known, out, threads
            As in `kramers_kronig`; known (..., k): the result at the anchors; out: where the result goes.

        Returns
        -------
        ndarray, shape (..., n or m)
            In the units of `imag`.
        """
        samples, shape = self._rows(imag)
        workers = tiles.check_threads(threads)
        given = self._known(known, shape)
        out = validate.check_out(out, (*shape, self._targets.size))
        low, high = tails = self._tails(samples)
        steps = []
        for node, beyond, sign in ((0, low, 1.0), (-1, high, -1.0)):
            jumps = (beyond.amplitude == 0.0) & (samples[:, node] != 0.0)
            if jumps.any() and self.grid.nodes[node] > 0.0:
                steps.append((node, jumps, sign))
                if (self._anchors == self.grid.nodes[node]).any():
                    raise ValueError("anchors must not be where a spectrum jumps, at its first or last node")
        factor = 2.0 / np.pi * self._parity
        flat = self._integrate(self._targets, self._value, self.grid.value, samples, workers)
        self._add_tails(self._targets, self._beyond_targets, tails, flat)
        flat *= factor
        if self._anchors.size:
            at_anchors = self._integrate(self._anchors, None, self.grid.value, samples, workers)
            self._add_tails(self._anchors, self._beyond_anchors, tails, at_anchors)
            flat += (given - factor * at_anchors) / self._scale @ self._from_anchors
        for node, jumps, sign in steps:
            there = self._targets == self.grid.nodes[node]
            flat[np.ix_(jumps, there)] = (self._parity * sign * np.inf * np.sign(samples[jumps, node]))[:, None]
        out[...] = flat.reshape(out.shape)  # only now: samples and values at anchors may share its memory
        return out

    @np.errstate(under="ignore")  # whatever the caller has set
    def error(self, imag: ArrayLike, *, threads: int | None = None) -> FloatArray | np.float64:
        """Return the estimated error of the transform.

        Parameters
        ----------
        imag, threads
            As in `kramers_kronig`.

        Returns
        -------
        ndarray or float64, shape (...)
            One number a spectrum, see `Estimate`.
        """
        grid, (samples, shape) = self.grid, self._rows(imag)
        workers = tiles.check_threads(threads)
        changed = self._integrate(self._targets, self._weights_of_change(), grid.error, samples, workers)
        if self._anchors.size:
            at_anchors = self._integrate(self._anchors, None, grid.error, samples, workers)
            changed -= at_anchors / self._scale @ self._from_anchors
        size = np.abs(samples).max(axis=1, initial=0.0)
        effect = 2.0 / np.pi * np.abs(changed).max(axis=1, initial=0.0)
        # samples that miss a peak betray it by a next term of a few percent
        missed = np.minimum(1500.0 * np.divide(effect, size, out=np.zeros_like(size), where=size > 0.0), 16.0)
        errors = _SAFETY * effect * (1.0 + missed)
        rough = grid.roughness(samples)
        errors += _ROUGH * rough.max(axis=1) + everywhere(grid, rough, size)
        low, high = self._tails(samples)
        for end, tail, margin in (
            (grid.low, low, low.exponent + (0.0 if self._at_zero and not self._odd else 2.0 - self._odd)),
            (grid.high, high, 2.0 * self._anchors.size + self._odd - high.exponent),
        ):
            if end is grid.high and self._anchors.size:  # the tail is integrated from far out
                errors += 8.0 * ROUNDING * np.abs(tail.amplitude) * self._far ** np.maximum(tail.exponent, 0.0)
            unsure = np.abs(tail.amplitude) * end.uncertainty(samples)
            there = unsure > 0.0
            errors[there] += unsure[there] * (1.0 + margin[there] ** -2.0)
        return np.asarray(errors).reshape(shape)[()]

    @np.errstate(under="ignore")  # whatever the caller has set
    def correction(
        self, imag: FloatArray, value: FloatArray, change: FloatArray, start: FloatArray, known: tuple[Tail, Tail]
    ) -> FloatArray:
        """Return what the transform lacks, by the next term of the interpolant and by how samples go on at the ends.

        The transform of more nodes, between these and beyond, would be about that much larger, if its samples were
        those of `imag` and a small `change`. Where the spectrum jumps it says nothing.

        Parameters
        ----------
        imag, value, change : ndarray, shape (rows, n or m)
            Samples, their transform, and what is to be added to the samples.
        start, known : ndarray, shape (rows, n), and two tails
            Samples of which is known how they go on below and above the nodes: those of `imag` do so in proportion.

        Returns
        -------
        ndarray, shape (rows, m)
            The correction, with its sign.
        """
        grid = self.grid
        low, high = self._tails(imag)
        result = self._integrate(self._targets, self._value, grid.value, imag + change, 1)
        result += self._integrate(self._targets, self._weights_of_change(), grid.error, imag, 1)
        # a change that is not small must not turn a sign
        share = np.divide(change, imag, out=np.zeros_like(imag), where=imag != 0.0)
        better = imag * (1.0 + np.clip(share, -0.5, 0.5))
        ratios = np.divide(better, start, out=np.zeros_like(better), where=start != 0.0)
        low = grid.low.continued(ratios, low, known[0], low.exponent + 2.0 - self._odd)
        high = grid.high.continued(ratios, high, known[1], 2.0 * self._anchors.size + self._odd - high.exponent)
        grown = (
            Tail(low.amplitude * (1.0 + share[:, 0]), low.exponent),
            Tail(high.amplitude * (1.0 + share[:, -1]), high.exponent),
        )
        self._add_tails(self._targets, self._beyond_targets, grown, result)
        return np.asarray(2.0 / np.pi * self._parity * result - value)

    def _matrix_of(self, stencils: Stencils) -> FloatArray:
        matrix = np.zeros((self._targets.size, self.grid.nodes.size))
        for some in (slice(*tile) for tile in chunks(self._targets.size, self.grid.nodes.size, _CHUNK, CELLS)):
            kernels.cauchy_matrix(self._targets[some], self.grid.nodes, *stencils, self._parity, RULE, matrix[some])
        return matrix

    def _weights_of_change(self) -> _Weights:
        """Return weights for the next term, of the kind of those for the interpolant."""
        if self._change is None and self._value is not None:
            of = self.grid.error
            fft = isinstance(self._value, Circulant)
            self._change = circulant(self.grid, of, self._parity) if fft else self._matrix_of(of)
        return self._change

    def _rows(self, imag: ArrayLike) -> tuple[FloatArray, tuple[int, ...]]:
        samples = rows("imag", imag, self.grid)
        return samples.reshape(-1, samples.shape[-1]), samples.shape[:-1]

    def _known(self, known: ArrayLike | None, shape: tuple[int, ...]) -> FloatArray:
        wanted = (*shape, self._anchors.size)
        if known is None:
            if self._anchors.size:
                raise ValueError(f"known must be given for the {self._anchors.size} anchors, got None")
            return np.empty((0, 0))
        values = validate.float_array("known (of anchors)", known)
        validate.require_bounded("known (of anchors)", values, LARGEST_VALUE)
        if values.size and not self._anchors.size:
            raise ValueError("known must be left out, as there are no anchors")
        try:
            return np.broadcast_to(values, wanted).reshape(math.prod(shape), self._anchors.size)
        except ValueError:
            raise ValueError(f"known must have shape {wanted}, one value an anchor, got {values.shape}") from None

    def _tails(self, samples: FloatArray) -> tuple[Tail, Tail]:
        why = "else the integral diverges at zero frequency"
        low = self.grid.low.tail(samples, over=self._odd - 2.0, why=why)
        limit = 2.0 * self._anchors.size + self._odd
        high = self.grid.high.tail(samples, under=limit, why="else it diverges at high ones; anchors help")
        with np.errstate(over="ignore"):
            if (np.abs(high.amplitude) * self._far ** np.maximum(high.exponent, 0.0) > LARGEST_TAIL).any():
                raise ValueError(f"above must not let the spectrum exceed {LARGEST_TAIL:g}, got {self.grid.above!r}")
        if self._at_zero:  # the integral of Im chi/omega, or the odd result's zero
            at_zero = samples[:, 0] if self.grid.nodes[0] == 0.0 and not self._odd else np.zeros(1)
            # of a real part that begins as a plateau the power law may fall by a little
            falls = (low.exponent < -1e-6) if self._odd else (low.exponent <= 0.0)
            if at_zero.any() or (falls & (low.amplitude != 0.0)).any():
                what = "the real part diverges" if self._odd else "imag does not vanish"
                stated = "as below has it" if self._odd else "towards zero"
                raise ValueError(
                    f"{self._at_zero[0]} must be positive, got 0: there is no static limit, as {what} {stated}"
                )
        return low, high

    def _integrate(
        self, targets: FloatArray, weights: _Weights, stencils: Stencils, samples: FloatArray, workers: int
    ) -> FloatArray:
        """Return the integrals between the nodes (rows, m): by weights, or by the stencils that make them, for None."""
        if isinstance(weights, Circulant):
            return weights.apply(samples)
        if weights is not None:
            return samples @ weights.T
        values, out = stencils.values(samples), np.empty((samples.shape[0], targets.size))

        def work(tile: tiles.Tile) -> None:
            piece = slice(*tile)
            part = np.zeros((samples.shape[0], targets[piece].size))
            kernels.cauchy(targets[piece], self.grid.nodes, values, self._parity, RULE, part)
            out[:, piece] = part

        cells = self.grid.nodes.size * (1 + len(samples) // 16)
        tiles.run(work, chunks(targets.size, cells, _CHUNK, CELLS), threads=workers)
        return out

    def _beyond(self, targets: FloatArray) -> tuple[Beyond, Beyond]:
        """Return what these frequencies see below and above the nodes."""
        first, skip = float(self.grid.nodes[0]), self._anchors.size
        every = np.append(self._targets, self._anchors)  # whichever of them these are
        lowest = every[every > 0.0].min(initial=first)
        # what is left out of a series that anchors make converge must be the same at every frequency
        far = (targets > 0.5) | (skip > 0)
        return (
            Beyond(targets, targets < 2.0 * first, node=first, end=0.5 * lowest, above=False),
            Beyond(targets, far, node=1.0, end=self._far, above=True, skip=skip),
        )

    def _add_tails(
        self, targets: FloatArray, beyond: tuple[Beyond, Beyond], tails: tuple[Tail, Tail], out: FloatArray
    ) -> None:
        """Add the integrals over the power laws beyond the nodes."""
        for end, tail in zip(beyond, tails, strict=True):
            end.add(tail, self._parity, out)
        if self._at_zero and self._parity > 0:  # of y^s/y below the nodes
            low, there = tails[0], tails[0].amplitude != 0.0
            static = np.divide(low.amplitude, low.exponent, out=np.zeros_like(low.amplitude), where=there)
            out[:, targets == 0.0] += static[:, None]
