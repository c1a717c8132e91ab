r"""What a super block absorbs from a wave, by its evolution in time, (3.3): to all orders of the wave and the coupling.

What is computed
    The energy <H> after the wave less that before it, H without the wave, on thermal average. The levels of equilibrium
    are `"exact"`: all that are populated evolve side by side. From `"typical"` thermal states exp(-beta H/2)|r> of
    random vectors r it is the mean, and its error is estimated from the scatter. At T = 0 it is that of the ground
    states, `"ground"`. ``"auto"`` is exact up to 64 states, else ground at T = 0 and typical above.
The wave and its opposite
    It is the mean of what is gained from the wave and from its opposite, of strain -E: the part that is even in the
    wave. A typical state is no level: what it gains has a part that is linear in the wave, whose mean over r is zero,
    but which is much larger than what is absorbed of a weak wave; in the mean of both it is absent. Of the thermal
    average what is odd in the wave is of the third order, depends on the phase of the carrier, and vanishes faster than
    any power where the envelope takes many periods to rise and to fall. `SuperBlock.evolve` has it, if it is wanted.
Second order
    `linear_absorption` is the golden rule for the very wave, from all levels: with (3.2) for the wave, the probability
    that level m has become n is
    :math:`|\langle n|W|m\rangle F(\omega_{nm} - \omega) + \langle n|W^+|m\rangle F(\omega_{nm} + \omega)|^2/\hbar^2`,
    where W is the sum over s of exp(i k.x_s) E:T_s and F the spectrum of the envelope. At k = 0 the energy is

    .. math:: -\frac{V}{\pi} \int_0^\infty \Omega\, |G(\Omega)|^2\, \mathrm{Im}\chi(\Omega)\, d\Omega, \qquad
              G(\Omega) = F(\Omega - \omega) + F(\Omega + \omega),

    times the square of the strain, Im chi being that of its component. Of a long wave |G|^2 is 2 pi times the integral
    of f^2 times a delta function: what is left is that integral times (3.1), 2 V A^2 k^2 omega (-Im chi). A pulse has
    for it sqrt(pi) times its duration, and a spectrum of the width that lines of the broadening 1/(sqrt(2) duration)
    have in `SuperBlock.susceptibility`.

>>> import mbfast, numpy as np
>>> from mbfast.superblock.drive import StrainWave
>>> from mbfast.units import HBAR
>>> silica = mbfast.StressInteraction(2200, 5800, 3800)
>>> block = mbfast.Block.two_level(asymmetry=2e-25, tunnelling=1e-24, stress=[0, 0, 1e-19, 0, 0, 1e-19])
>>> pair = mbfast.SuperBlock(silica, [[0, 0, 0], [0, 0, 5e-9]], block)
>>> omega = np.ptp(pair.energies(3)) / HBAR

A weak pulse loses what the golden rule says; a strong one saturates the levels.

>>> for strain in (1e-8, 1e-5):
...     wave = StrainWave([0, 0, strain, 0, 0, strain], omega, 2e-10)
...     print(f"{pair.absorption(wave, 0.1, rtol=1e-3).energy / pair.linear_absorption(wave, 0.1):.2f}")
1.00
0.01
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from mbfast import units
from mbfast._core import tiles
from mbfast._core.validate import count_from, require_choice
from mbfast.spectra.thermal import check_kelvin
from mbfast.superblock.drive import Drive, StrainWave, check_wave
from mbfast.superblock.ensembles import check_generator
from mbfast.superblock.evolution import Passed, Propagator, check_rtol, hundredths, refuse_memory
from mbfast.superblock.lanczos import Bounds, Operator, Vector, bounds, ground_states
from mbfast.superblock.response import check_super_block, jackknife
from mbfast.superblock.routes import levels_of, occupations, typical_state

if TYPE_CHECKING:
    from mbfast.superblock.hamiltonian import SuperBlock

Method: TypeAlias = Literal["auto", "exact", "ground", "typical"]

_EXACT = 64  # states up to which auto takes all levels
_POPULATED = 1e-18  # of all: levels below it are left out
_VECTORS = 8
_ROUNDING = 1e-15  # of an energy


@dataclass(frozen=True)
class Absorption:
    """The energy that a wave has left in a super block.

    Attributes
    ----------
    energy : float
        In J.
    energy_error : float
        Its standard error from the scatter over random vectors (J); 0 where there are none.
    step_error : float
        What the steps in time and rounding may have made wrong in it (J), as estimated step by step.
    method : str
        Which of the methods it was.
    steps, vectors : int
        Steps of all evolutions, and random vectors; 0 where there are none.
    """

    energy: float
    energy_error: float
    step_error: float
    method: str
    steps: int
    vectors: int


@np.errstate(under="ignore")  # of occupations: nothing may depend on what the caller has set
def absorption(
    super_block: SuperBlock,
    wave: StrainWave,
    temperature: float,
    *,
    method: Method = "auto",
    rtol: float = 1e-6,
    vectors: int = _VECTORS,
    rng: np.random.Generator | None = None,
    threads: int | None = None,
    progress: tiles.Progress = False,
) -> Absorption:
    """Energy that a super block in equilibrium absorbs from a wave of any strength, by its evolution in time.

    It is the mean of those from the wave and from its opposite, of strain -E: the part that is even in the wave.

    Parameters
    ----------
    super_block : SuperBlock
        The blocks.
    wave : StrainWave
        `mbfast.superblock.drive.StrainWave`.
    temperature : float
        T (K) before the wave, zero allowed.
    method : {"auto", "exact", "ground", "typical"}
        See the module's page.
    rtol : float
        Of the states, as in `SuperBlock.evolve`.
    vectors : int
        Random vectors of "typical", at least 2.
    rng : numpy.random.Generator, optional
        Where their numbers come from; needed if there are any.
    threads : int, optional
        None: as many as this process may use, see `set_threads`. The result does not depend on it, to the last bit.
    progress : bool or callable
        Draw a bar (needs rich), or call ``progress(done, 100)`` after each hundredth of all passages through the wave.

    Returns
    -------
    Absorption

    Raises
    ------
    TypeError
        If super_block is none, wave is no StrainWave, temperature or rtol is not one real number, vectors or threads is
        no whole number; if rng is no Generator, or None where random vectors are needed; if progress is neither True
        nor False nor a function.
    ValueError
        If wave is not of the kind that the blocks interact by, or so long that it takes more than a million steps;
        temperature is negative; method is unknown, "ground"
        above or "typical" at a temperature of zero; rtol is out of its range, or too small for so long a wave; vectors
        is below 2 or threads below 1; if there are more than 16 ground states at a temperature of zero.
    MemoryError
        If the states do not fit into memory; the message has the numbers.

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (3.1)-(3.3).

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> from mbfast.superblock.drive import StrainWave
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> block = mbfast.Block.two_level(0.0, 1e-24, [0, 0, 0, 0, 0, 1.6e-19])
    >>> pair = mbfast.SuperBlock(silica, [[0, 0, 0], [0, 0, 5e-9]], block)
    >>> wave = StrainWave([0, 0, 0, 0, 0, 1e-8], omega=1e10, duration=1e-9)
    >>> found = pair.absorption(wave, 0.0)
    >>> print(found.method, found.energy > 0, found.step_error < 1e-5 * found.energy)
    exact True True
    """
    check_super_block(super_block)
    checked = check_wave(wave, super_block.interaction.components)
    kelvin = check_kelvin(temperature)
    require_choice("method", method, get_args(Method))
    tolerance, workers = check_rtol(rtol), tiles.check_threads(threads)
    count_from(2, "vectors", vectors)
    if rng is not None:
        check_generator(rng)
    route = method
    if route == "auto":
        route = "exact" if super_block.dimension <= _EXACT else "typical" if kelvin else "ground"
    if (route, kelvin > 0.0) in (("ground", True), ("typical", False)):
        raise ValueError(f"method must be {'typical' if kelvin else 'ground'} or exact at {kelvin:g} K, got {route}")
    with hundredths(progress, "absorption") as passed:
        run = _Run(super_block, checked, tolerance, workers, passed)
        if route == "typical":
            if rng is None:
                raise TypeError("rng must be given for the random vectors of typical states, got None")
            return run.typical(kelvin, vectors, rng)
        return run.exact(kelvin) if route == "exact" else run.ground()


class _Run:
    """What is asked, checked, and what all evolutions have in common."""

    def __init__(self, system: SuperBlock, wave: StrainWave, rtol: float, threads: int, passed: Passed) -> None:
        self._system, self._wave, self._rtol, self._threads, self._passed = system, wave, rtol, threads, passed
        self._steps, self._step_error = 0, 0.0

    @functools.cached_property
    def _operator(self) -> Operator:
        return Operator.of(self._system, self._threads)

    @functools.cached_property
    def _interval(self) -> Bounds:
        """Where the levels are, found once for all states and both waves."""
        return bounds(self._operator)

    def exact(self, temperature: float) -> Absorption:
        """Return the energy on average over all levels that are populated."""
        refuse_memory(self._system, "method='exact'", 1.5 * self._system.dimension, 0)
        energies, states = levels_of(self._system.dense(threads=self._threads))
        _, populations = occupations(energies, temperature)
        chosen = populations > _POPULATED
        energy = self._gained(states[:, chosen] * np.sqrt(populations[chosen]), 1)
        return self._result(energy, "exact")

    def ground(self) -> Absorption:
        """Return the energy on average over the ground states."""
        refuse_memory(self._system, "method='ground'", 1.0, 2)
        _, states = ground_states(self._operator, self._interval)
        energy = sum(self._gained(state, len(states)) for state in states) / len(states)
        self._step_error /= len(states)
        return self._result(energy, "ground")

    def typical(self, temperature: float, vectors: int, rng: np.random.Generator) -> Absorption:
        """Return the energy on average over typical states."""
        refuse_memory(self._system, "method='typical'", 1.0, 2)
        gains, norms = np.zeros((vectors, 1)), np.zeros(vectors)
        for number in range(vectors):
            state, norms[number] = typical_state(self._operator, self._interval, temperature, rng)
            gains[number] = self._gained(state, vectors)
        self._step_error /= float(norms.sum())
        mean, error = jackknife(gains, norms)
        return self._result(float(mean[0]), "typical", float(error[0]), vectors)

    def _gained(self, states: Vector, of: int) -> float:
        """Return what states (D,) or (D, k), one set of so many, gain together of <H>, on average over both waves."""
        waves = self._wave, self._wave.opposite
        return 0.5 * sum(self._gained_in(wave, states, lambda part: self._passed(0.5 * part / of)) for wave in waves)

    def _gained_in(self, wave: StrainWave, states: Vector, passed: Passed) -> float:
        """Return what states gain in a wave, from H less what each of them has before."""
        psi = np.ascontiguousarray(states, dtype=np.complex128).reshape(self._system.dimension, -1)
        operator, interval, product = self._operator, self._interval, np.empty_like(psi)
        propagator = Propagator(self._system, wave, self._rtol, self._threads, interval)
        operator.apply(psi, product)
        before = (psi.conj() * product).real.sum(axis=0) / (psi.conj() * psi).real.sum(axis=0)
        (after,) = propagator.through(psi.reshape(-1), np.array(wave.window), passed)
        after = after.reshape(psi.shape)
        operator.apply(after, product)
        product -= after * before
        gained = operator.dot(after.reshape(-1), product.reshape(-1))
        norm = propagator.norm
        off, change = propagator.error * norm, math.sqrt(operator.dot(product.reshape(-1), product.reshape(-1)))
        rounding = _ROUNDING * (abs(interval.center) + interval.half) * norm**2
        self._step_error += off * (change + interval.half * off) + 0.5 * rounding
        self._steps += propagator.steps
        return gained

    def _result(self, energy: float, method: str, error: float = 0.0, vectors: int = 0) -> Absorption:
        return Absorption(float(energy), error, float(self._step_error), method, self._steps, vectors)


@np.errstate(under="ignore")  # of occupations and of spectra of pulses
def linear_absorption(
    super_block: SuperBlock, wave: StrainWave, temperature: float, *, threads: int | None = None
) -> float:
    """Energy that a super block absorbs from a weak wave: to second order in it, from all levels.

    Parameters
    ----------
    super_block : SuperBlock
        The blocks.
    wave : StrainWave
        `mbfast.superblock.drive.StrainWave`.
    temperature : float
        T (K) before the wave, zero allowed.
    threads : int, optional
        As in `absorption`; LAPACK has its own.

    Returns
    -------
    float
        In J, the square of the strain in it whatever it is.

    Raises
    ------
    TypeError
        If super_block is none, wave is no StrainWave, temperature is not one real number, threads is no whole number.
    ValueError
        If wave is not of the kind that the blocks interact by, temperature is negative, or threads is below 1.
    MemoryError
        If the matrices do not fit into memory; the message has the numbers.

    Examples
    --------
    In resonance with one two-level system of splitting E a pulse of duration tau takes it up with the probability
    pi (2 tau M/hbar)^2/2, M being what E:T has between the levels:

    >>> import mbfast, numpy as np
    >>> from mbfast.superblock.drive import StrainWave
    >>> from mbfast.units import HBAR
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> block = mbfast.Block.two_level(0.0, 1e-24, [0, 0, 0, 0, 0, 1.6e-19])
    >>> one = mbfast.SuperBlock(silica, [[0, 0, 0]], block)
    >>> wave = StrainWave([0, 0, 0, 0, 0, 1e-10], omega=1e-24 / HBAR, duration=1e-8)
    >>> probability = one.linear_absorption(wave, 0.0) / 1e-24
    >>> print(round(probability / (0.5 * np.pi * (2e-8 * 1.6e-29 / HBAR) ** 2), 6))
    1.0
    """
    check_super_block(super_block)
    checked = check_wave(wave, super_block.interaction.components)
    kelvin = check_kelvin(temperature)
    workers = tiles.check_threads(threads)
    super_block._refuse_memory("linear absorption", 80.0 / super_block.dtype.itemsize, power=2)
    energies, states = levels_of(super_block.dense(threads=workers))
    _, populations = occupations(energies, kelvin)
    drive = Drive(super_block, checked, Bounds(0.0, 0.0), workers)
    columns = np.ascontiguousarray(states, dtype=np.complex128)
    parts = []
    for operator in drive.sums:
        product = np.empty_like(columns)
        operator.apply(columns, product, workers)
        parts.append(columns.conj().T @ product)
    cosine, sine = parts if len(parts) == 2 else (parts[0], np.zeros_like(parts[0]))
    gaps = energies[:, None] - energies  # (n, m)
    frequencies = gaps / units.HBAR
    amplitudes = (cosine + 1j * sine) * checked._spectrum(frequencies - checked.omega)
    amplitudes += (cosine - 1j * sine) * checked._spectrum(frequencies + checked.omega)
    probabilities = (amplitudes.conj() * amplitudes).real / units.HBAR**2
    return float((gaps * probabilities * populations).sum())
