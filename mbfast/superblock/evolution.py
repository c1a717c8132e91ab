r"""States of a super block in time, in peace and in a strain wave of any strength.

In peace
    exp(-i H t/hbar)|psi> is a sum of Chebyshev polynomials whose coefficients are Bessel functions of z = a t/hbar, a
    being half the width of the spectrum. From n = z on they fall faster than exponentially: some z + 10 z^(1/3) + 10
    products with H are enough for any tolerance, however long the time is.
In a wave
    A step of length h is taken by exponentials of two averages of H(t) at the nodes of Gauss, without commutators
    (S. Blanes and P. C. Moan, Appl. Numer. Math. 56, 1519 (2006)): of fourth order, unitary, and symmetric in time, so
    that its error has even powers of h alone. The step is taken whole, in two and in three parts. The combination of
    all is of order eight and goes on; that of the last two, of order six, differs from it by the error estimate. Each
    exponential is a Chebyshev sum. Steps begin and end where the envelope has a corner. So that nothing falls between
    their nodes they take at most a third of a period of the carrier, half of a pulse's duration, and the time in which
    the fields of the wave and of its neighbours turn a block once, `Drive.rate`. Where a million of the longest would
    not be enough the wave is refused.
Tolerance
    What one step does wrong the next ones carry on, but do not enlarge, as they are unitary: errors add up at most.
    Each step has its share, by its length, of rtol times the norm of the states; of a wave too weak to turn any block
    by an angle of one it is rtol times that angle, `Drive.area`. Of several states it is the norm of all together.
Threads
    Sums over states are those of tiles in their order: results are the same to the last bit for any number of threads.

>>> import mbfast, numpy as np
>>> from mbfast.superblock.drive import StrainWave
>>> from mbfast.units import HBAR
>>> block = mbfast.Block.two_level(asymmetry=0.0, tunnelling=1e-24, stress=[0, 0, 0, 0, 0, 1.6e-19])
>>> silica = mbfast.StressInteraction(2200, 5800, 3800)
>>> one = mbfast.SuperBlock(silica, [[0, 0, 0]], block)
>>> ground = np.linalg.eigh(one.dense())[1][:, 0]

Half a turn in a weak wave in resonance, as Rabi has it: E:T is strain times 1.6e-19 J between the levels.

>>> strain, omega = 3e-8, 1e-24 / HBAR
>>> half_turn = np.pi * HBAR / (2 * strain * 1.6e-19)
>>> wave = StrainWave([0, 0, 0, 0, 0, strain], omega, half_turn, envelope="sine")
>>> driven = one.evolve(ground, [0.5 * half_turn, half_turn], wave=wave, rtol=1e-6)
>>> print((np.abs(driven @ ground) ** 2).round(2))
[0.5 0. ]
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast import units
from mbfast._core import tiles
from mbfast._core.validate import FloatArray, bounded_number, float_array, one_number, require_bounded
from mbfast.superblock.chebyshev import evolved
from mbfast.superblock.drive import Drive, StrainWave, check_wave
from mbfast.superblock.lanczos import Bounds, Operator, Vector, bounds
from mbfast.superblock.response import check_super_block

if TYPE_CHECKING:
    from mbfast.superblock.hamiltonian import SuperBlock

_LEAST, _MOST = 1e-12, 0.1  # of rtol
_ROUNDING = 2e-15  # of a step
_PHASE = 1e-15  # rounding error of a phase of one, with those of the levels
_SUMS = 10.0  # at least what the errors of the exponentials of a step are multiplied by in the result
_SHARE, _TERMS = 1e-2, 100_000  # of rtol that polynomials leave out in peace, and most of them in a sum
_PEACE = 7  # vectors: two states, and five of the sums of polynomials
_VECTORS = 12  # in a wave: six states, of them the first and one that was rejected, five of sums, and one of the wave's
_NODES = 0.5 - math.sqrt(3.0) / 6.0, 0.5 + math.sqrt(3.0) / 6.0
_OWN, _OTHER = 0.5 + math.sqrt(1.0 / 3.0), 0.5 - math.sqrt(1.0 / 3.0)  # of both nodes in each half of a step
_PARTS = (1, 2, 3)
# of the results of so many parts: what removes errors of powers 4 and 6, and what removes those of power 4
_EIGHTH, _SIXTH = (1.0 / 336.0, -32.0 / 105.0, 729.0 / 560.0), (0.0, -16.0 / 65.0, 81.0 / 65.0)
_LONGEST = 1_000_000  # steps that are taken unasked
_HUNDREDTHS = 100  # that progress is counted in
_TURN = 2.0 * math.pi  # of a block in a step at most: beyond, differences of results say little about their errors
_SHORTEST = 1e-5  # of the longest step: the error of a shorter one is rounding
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 3.0  # of the next step

Passed: TypeAlias = Callable[[float], object]
"""What is called with each part of the whole way that is done; the parts add up to one."""


class Propagator:
    """Takes states of a super block, (D k,) side by side and complex in a wave, from one time to another.

    Parameters
    ----------
    system : SuperBlock
    wave : StrainWave or None
        Checked.
    rtol : float
        Checked.
    threads : int
    interval : Bounds, optional
        Where the levels of H are, if that is known.

    Attributes
    ----------
    operator, interval
        H, and where its levels are.
    norm : float
        Of the states on their way.
    error : float
        The sum of the errors of all steps so far, relative to the norm.
    steps : int
        Steps in the wave so far.
    """

    def __init__(
        self, system: SuperBlock, wave: StrainWave | None, rtol: float, threads: int, interval: Bounds | None = None
    ) -> None:
        self.operator = Operator.of(system, threads)
        self.interval = bounds(self.operator) if interval is None else interval
        self.norm, self.error, self.steps = 0.0, 0.0, 0
        self._rtol, self._left_out, self._longest = rtol, _SHARE * rtol, math.inf
        self._in_wave: Passed = lambda _: None
        self._in_peace: Passed = self._in_wave
        self._drive = None if wave is None else Drive(system, wave, self.interval, threads)
        if wave is not None and self._drive is not None:
            begin, end = wave.window
            period = 2.0 * np.pi / wave.omega if wave.omega else math.inf
            turn = _TURN / self._drive.rate if self._drive.rate else math.inf
            self._longest = min(turn, period / 3.0, (0.5 if wave.envelope == "pulse" else 1.0) * wave.duration)
            self._step = 0.5 * self._longest
            self._rate: float = rtol * min(1.0, self._drive.area) / (end - begin)

    def through(self, psi: Vector, times: FloatArray, passed: Passed) -> Iterator[Vector]:
        """Yield the states at all times (s) but the first, each reached from the one before, in any order.

        A ValueError before any step if rounding errors of phases would be above rtol, or steps too many. What has
        passed is counted in time, in a wave if there is one.
        """
        time, driven = float(np.abs(np.diff(times)).sum()), self._time_driven(times)
        self._require_accuracy(time)
        self._require_steps(driven)
        self.norm, self._left_out = self.operator.dot(psi, psi) ** 0.5, _SHARE * self._rtol / max(1, times.size - 1)
        if driven:
            self._in_wave = lambda part: passed(part / driven)
        else:
            self._in_peace = lambda part: passed(part / time)
        for begin, end in itertools.pairwise(times.tolist()):
            psi = self._way(psi, begin, end)
            yield psi

    def _time_driven(self, times: FloatArray) -> float:
        """Return for how long the wave drives the states on their way through some times (s)."""
        if self._drive is None or not self._drive.area:
            return 0.0
        return float(np.abs(np.diff(np.clip(times, *self._drive.wave.window))).sum())

    def _require_accuracy(self, time: float) -> None:
        least = _PHASE * (abs(self.interval.center) + self.interval.half) * time / units.HBAR
        if self._rtol < least:
            raise ValueError(f"rtol must be {least:.1g} at least for times as long as these, got {self._rtol:g}")

    def _require_steps(self, time: float) -> None:
        if time > _LONGEST * self._longest:
            raise ValueError(
                f"wave must take at most {_LONGEST} steps, got one of {time:.3g} s in {time / self._longest:.3g} steps "
                f"at least, as none is longer than {self._longest:.2g} s"
            )

    def _way(self, psi: Vector, begin: float, end: float) -> Vector:
        """Return the states at the end of an interval of time (s), which may be before its beginning."""
        if not self.norm:
            return psi
        if self._drive is None or not self._drive.area:
            return self._free(psi, end - begin)
        corners = [t for t in self._drive.wave.corners if min(begin, end) < t < max(begin, end)]
        times = [begin, *(corners if end > begin else reversed(corners)), end]
        first, last = self._drive.wave.window
        for t, then in itertools.pairwise(times):
            inside = first <= min(t, then) and max(t, then) <= last
            psi = self._driven(self._drive, psi, t, then) if inside else self._free(psi, then - t)
        return psi

    def _free(self, psi: Vector, time: float) -> Vector:
        """Return the states after a time in peace, in pieces whose coefficients take little memory."""
        pieces = 1 + int(abs(time) * self.interval.half / (units.HBAR * _TERMS))
        for _ in range(pieces if time else 0):
            psi = evolved(self.operator, psi, time / pieces, self.interval, self._left_out / pieces, self._in_peace)
            self.error += self._left_out / pieces
        return psi

    def _driven(self, drive: Drive, psi: Vector, begin: float, end: float) -> Vector:
        t = begin
        while t != end:
            left = abs(end - t)
            whole = self._step >= left
            h = left if whole else min(self._step, 0.5 * left)
            allowed = max(self._rate * h, _ROUNDING)
            result, error = self._extrapolated(drive, psi, t, math.copysign(h, end - begin), 1e-2 / _SUMS * allowed)
            accepted = error <= allowed
            if not accepted and h < _SHORTEST * self._longest:
                raise ValueError(f"rtol must be larger: rounding errors of a step are above it, got {self._rtol:g}")
            if accepted:
                psi, t = result, end if whole else t + math.copysign(h, end - begin)
                self.error, self.steps = self.error + max(error, _ROUNDING), self.steps + 1
                self._in_wave(h)
            proposed = h * min(_GROW, max(_SHRINK, _SAFETY * (allowed / error) ** (1.0 / 6.0) if error else _GROW))
            if proposed < self._step or h >= self._step or not accepted:
                self._step = min(proposed, self._longest)
        return psi

    def _extrapolated(self, drive: Drive, psi: Vector, t: float, h: float, tolerance: float) -> tuple[Vector, float]:
        """Return the states after a step, and their error relative to the norm."""
        one, two, three = (self._in_parts(drive, psi, t, h / parts, parts, tolerance) for parts in _PARTS)
        a, b, c = (x - y for x, y in zip(_EIGHTH, _SIXTH, strict=True))
        step = self.operator.step
        square, _ = step(a, one, b, two, c, three)
        step(1.0, one, _SIXTH[1], two, _SIXTH[2], three)
        return one, square**0.5 / self.norm + _SUMS * tolerance

    def _in_parts(self, drive: Drive, psi: Vector, t: float, h: float, parts: int, tolerance: float) -> Vector:
        for part in range(parts):
            early, late = (drive.weights(t + (part + node) * h) for node in _NODES)
            for own, other in ((early, late), (late, early)):
                operator, interval = drive.frozen(_OWN * own + _OTHER * other)
                psi = evolved(operator, psi, 0.5 * h, interval, tolerance)
        return psi


@contextlib.contextmanager
def hundredths(progress: tiles.Progress, label: str) -> Iterator[Passed]:
    """Yield a function to be called with the parts of a whole as they are done, which add up to one."""
    with tiles.counter(progress, _HUNDREDTHS, label) as advance:
        done, shown = 0.0, 0

        def passed(part: float) -> None:
            nonlocal done, shown
            done += part
            for _ in range(shown, min(int(_HUNDREDTHS * done), _HUNDREDTHS)):
                shown += 1
                advance()

        yield passed
        passed(1.0)  # what rounding errors, or a way of no length, have left


def check_rtol(rtol: float) -> float:
    """Return a tolerance of states, or raise a TypeError or a ValueError."""
    tolerance = one_number("rtol", rtol)
    if not _LEAST <= tolerance <= _MOST:
        raise ValueError(f"rtol must be from {_LEAST:g} to {_MOST:g}, got {tolerance:g}")
    return tolerance


def evolve(
    super_block: SuperBlock,
    psi: ArrayLike,
    times: ArrayLike,
    *,
    wave: StrainWave | None = None,
    start: float = 0.0,
    rtol: float = 1e-10,
    threads: int | None = None,
    progress: tiles.Progress = False,
) -> NDArray[np.complex128]:
    r"""States in time: exp(-i H t/hbar) psi, or what a wave of strain makes of them.

    Parameters
    ----------
    super_block : SuperBlock
        The blocks.
    psi : array_like, shape (D,) or (D, k)
        At the time `start`, real or complex; k states as columns.
    times : array_like, shape () or (n,)
        When the states are wanted (s), before or after `start`, in any order: each is reached from the one before.
    wave : StrainWave, optional
        `mbfast.superblock.drive.StrainWave`, which drives the blocks.
    start : float
        When psi is the state (s).
    rtol : float
        Error of the states relative to their norm, from 1e-12 to 0.1: that of each way from the start to the last time
        and of each passage through the wave; rounding errors of some 1e-15 a step beside.
    threads : int, optional
        None: as many as this process may use, see `set_threads`. The result does not depend on it, to the last bit.
    progress : bool or callable
        Draw a bar (needs rich), or call ``progress(done, 100)`` after each hundredth of the time in the wave, or of all
        of it in peace.

    Returns
    -------
    ndarray, shape (D,), (D, k), (n, D) or (n, D, k)
        complex128.

    Raises
    ------
    TypeError
        If super_block is none; psi does not consist of numbers; times, start or rtol do not consist of real ones; wave
        is no StrainWave; threads is no whole number; progress is neither True nor False nor a function.
    ValueError
        If psi or times has another shape or is not finite; wave is not of the kind that the blocks interact by, or so
        long that it takes more than a million steps; rtol is out of its range, or below the rounding errors of steps,
        or of phases after so long a time; threads is below 1.
    MemoryError
        If the states do not fit into memory; the message has the numbers.
    ArithmeticError
        If psi shows that there are levels outside of the interval that was found for them.

    Notes
    -----
    See the module's page for the steps. The time in peace goes with its length times the width of the spectrum.

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> block = mbfast.Block.two_level(0.0, 1e-24, [0, 0, 0, 0, 0, 1.6e-19])
    >>> pair = mbfast.SuperBlock(silica, [[0, 0, 0], [0, 0, 5e-9]], block)
    >>> there = pair.evolve([1, 0, 0, 0], 1e-9)
    >>> back = pair.evolve(there, 0.0, start=1e-9)
    >>> bool(np.abs(back - [1, 0, 0, 0]).max() < 1e-10)
    True
    """
    check_super_block(super_block)
    states = super_block._states(psi, real=super_block.dtype == np.float64)
    moments = float_array("times", times)
    if moments.ndim > 1:
        raise ValueError(f"times must have shape () or (n,), got {moments.shape}")
    require_bounded("times", moments)
    now, tolerance, workers = bounded_number("start", start), check_rtol(rtol), tiles.check_threads(threads)
    driven = None if wave is None else check_wave(wave, super_block.interaction.components)
    columns = states.size // super_block.dimension
    refuse_memory(super_block, "evolution", columns, moments.size, driven=driven is not None)
    result = np.empty((moments.size, states.size), np.complex128)
    exponent = int(np.frexp(np.abs(states.view(np.float64)).max(initial=0.0))[1])
    dtype = states.dtype if driven is None else np.dtype(np.complex128)
    with hundredths(progress, "evolution") as passed:
        if states.size:
            propagator, way = Propagator(super_block, driven, tolerance, workers), np.append(now, moments)
            # the first states have no name, so that they are not kept beside later ones
            scaled = propagator.through(
                _times_power(states.reshape(-1), -exponent).astype(dtype, copy=False), way, passed
            )
            for number, there in enumerate(scaled):
                result[number] = _times_power(there, exponent)
    return result.reshape(*moments.shape, *states.shape)


def _times_power(states: NDArray[Any], exponent: int) -> NDArray[Any]:
    """Return states times 2^exponent, digit for digit: squares of very small or large numbers would lose theirs."""
    product: NDArray[Any] = np.ldexp(states.view(np.float64), exponent).view(states.dtype)
    return product


def refuse_memory(super_block: SuperBlock, what: str, columns: float, kept: int, *, driven: bool = True) -> None:
    """Raise a MemoryError if so many states in evolution, and so many times of them, do not fit."""
    super_block._refuse_memory(what, bytes_needed(columns, kept, driven=driven) / super_block.dtype.itemsize)


def bytes_needed(columns: float, kept: int, *, driven: bool) -> float:
    """Return bytes for each of the D numbers of a state, without the diagonal of H but with those of a wave."""
    return 16.0 * columns * ((_VECTORS if driven else _PEACE) + kept) + (24.0 if driven else 0.0)
