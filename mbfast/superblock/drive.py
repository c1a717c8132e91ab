"""A strain wave that drives a super block: what it is, and what it adds to the Hamiltonian in time, (2.18)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast import units
from mbfast._core.validate import (
    FloatArray,
    ReadOnly,
    bounded_number,
    float_array,
    positive_number,
    require_bounded,
    require_choice,
    wave_vector,
)
from mbfast._core.voigt import WEIGHTS
from mbfast.superblock.couplings import check_strain
from mbfast.superblock.lanczos import Bounds, Operator, Vector
from mbfast.superblock.response import waves
from mbfast.superblock.sums import BlockSum

if TYPE_CHECKING:
    from mbfast.superblock.hamiltonian import SuperBlock

Envelope: TypeAlias = Literal["pulse", "sine"]

_REACH = 8.0  # standard deviations of a pulse, beyond which it is below 2e-14 and taken as zero


@dataclass(frozen=True, eq=False, init=False)
class StrainWave(ReadOnly):
    r"""A plane wave of strain with an envelope in time.

    Parameters
    ----------
    strain : array_like, shape (6,), (3, 3) or (3,)
        E = A k e^, real: the amplitude of the strain in the convention of (3.1), half the largest strain. Of dipoles
        minus the amplitude of the electric field (V/m), as a field E adds -E.p.
    omega : float
        Of the carrier (rad/s), not negative.
    duration : float
        Of a pulse the standard deviation tau of its envelope, of a sine how long it lasts (s).
    envelope : {"pulse", "sine"}
        f(t) = exp(-t^2/(2 tau^2)); or 1 from t = 0 to the end, but for its rise and its fall.
    rise : float
        How long a sine takes to rise, as sin^2(pi t/(2 rise)), and to fall in the same way (s): at most half of its
        duration; 0: at once.
    wavevector : array_like, shape (3,), optional
        k (1/m); None: 0.

    Attributes
    ----------
    strain : ndarray, shape (6,) or (3,)
        In the order xx, yy, zz, yz, xz, xy.
    omega, duration, rise : float
    envelope : str
    wavevector : ndarray, shape (3,)
    window : tuple of float
        When it begins and ends (s); a pulse is taken as zero beyond eight of its durations.

    Raises
    ------
    TypeError
        If strain or wavevector does not consist of real numbers, or omega, duration or rise is not one.
    ValueError
        If strain has another shape, is not symmetric, or is 0.1 or more; omega or rise is negative; duration is not
        positive; rise is more than half of it, or given for a pulse; envelope is unknown; wavevector has not three
        finite numbers.

    Notes
    -----
    .. math:: e_{ij}(x, t) = f(t)\,[E_{ij} e^{i k\cdot x - i\omega t} + c.c.], \qquad
              H(t) = H + \sum_s e_{ij}(x_s, t)\, T_{ij}^{(s)}

    Of (2.18) that is the term e:T. Blocks stay where they are.

    Examples
    --------
    >>> from mbfast.superblock.drive import StrainWave
    >>> wave = StrainWave([0, 0, 0, 0, 0, 1e-6], omega=1e10, duration=1e-9, wavevector=[1e6, 0, 0])
    >>> wave.amplitude([-1e-9, 0.0]).round(3), wave.window
    (array([0.607, 1.   ]), (-8e-09, 8e-09))
    """

    strain: FloatArray
    omega: float
    duration: float
    envelope: Envelope
    rise: float
    wavevector: FloatArray

    def __init__(
        self, strain: ArrayLike, omega: float, duration: float, *, envelope: Envelope = "pulse", rise: float = 0.0,
        wavevector: ArrayLike | None = None,
    ) -> None:  # fmt: skip
        given = float_array("strain", strain)
        require_bounded("strain", given)
        amplitude = given.copy() if given.shape == (3,) else check_strain(given).copy()
        frequency, span = bounded_number("omega", omega), positive_number("duration", duration, unit="s")
        ramp = bounded_number("rise", rise)
        k = wave_vector(wavevector)
        require_choice("envelope", envelope, get_args(Envelope))
        if frequency < 0.0:
            raise ValueError(f"omega must not be negative, got {frequency:g} rad/s: turn the wavevector")
        if not 0.0 <= ramp <= (0.5 * span if envelope == "sine" else 0.0):
            wanted = f"from 0 to half the duration, {0.5 * span:g} s" if envelope == "sine" else "0 for a pulse"
            raise ValueError(f"rise must be {wanted}, got {ramp:g}")
        values = {
            "strain": amplitude, "omega": frequency, "duration": span, "envelope": envelope, "rise": ramp,
            "wavevector": k.copy(),
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self.strain.setflags(write=False)
        self.wavevector.setflags(write=False)

    @property
    def window(self) -> tuple[float, float]:
        """When the wave begins and when it ends (s)."""
        if self.envelope == "sine":
            return 0.0, self.duration
        return -_REACH * self.duration, _REACH * self.duration

    @property
    def corners(self) -> list[float]:
        """Times (s), increasing, between which the envelope has derivatives of any order."""
        begin, end = self.window
        return sorted({begin, begin + self.rise, end - self.rise, end})

    @property
    def opposite(self) -> StrainWave:
        """The wave of strain -E."""
        return StrainWave(
            -self.strain, self.omega, self.duration, envelope=self.envelope, rise=self.rise, wavevector=self.wavevector
        )

    def amplitude(self, times: ArrayLike) -> FloatArray:
        """Return the envelope f at times (s), of their shape."""
        t = float_array("times", times)
        require_bounded("times", t)
        return self._amplitude(t)

    def _amplitude(self, t: FloatArray) -> FloatArray:
        """Return f at times that follow from what was given, of any magnitude."""
        begin, end = self.window
        if self.envelope == "pulse":
            f = np.exp(-0.5 * (t / self.duration) ** 2)
        elif self.rise:
            f = np.sin(0.5 * np.pi * np.minimum(np.minimum(t, end - t) / self.rise, 1.0)) ** 2
        else:
            f = np.ones_like(t)
        return np.where((t >= begin) & (t <= end), f, 0.0)

    def spectrum(self, omega: ArrayLike) -> NDArray[np.complex128]:
        """Return F, the integral of f(t) exp(i omega t) over all times (s), at frequencies (rad/s), of their shape."""
        w = float_array("omega", omega)
        require_bounded("omega", w)
        return self._spectrum(w)

    def _spectrum(self, w: FloatArray) -> NDArray[np.complex128]:
        """Return F at frequencies that follow from what was given, such as those between levels, of any magnitude."""
        if self.envelope == "pulse":
            pulse = math.sqrt(2.0 * np.pi) * self.duration * np.exp(-0.5 * (w * self.duration) ** 2)
            return pulse.astype(np.complex128)
        # a box of this length, and what makes its ends soft: the half wave of a sine, of area 1
        box, x = self.duration - self.rise, w * self.rise / np.pi
        soft = 0.25 * np.pi * (np.sinc(0.5 * (1.0 - x)) + np.sinc(0.5 * (1.0 + x)))
        shape = box * np.sinc(0.5 * w * box / np.pi) * soft
        result: NDArray[np.complex128] = shape * np.exp(0.5j * w * self.duration)
        return result


def check_wave(wave: object, components: int) -> StrainWave:
    """Return a wave for blocks that have so many components, or raise a TypeError or a ValueError."""
    if not isinstance(wave, StrainWave):
        raise TypeError(f"wave must be a StrainWave, got {wave!r:.80}")
    if wave.strain.size != components:
        raise ValueError(f"wave must have {components} components as the interaction has, got {wave.strain.size}")
    return wave


class Drive:
    """What a wave adds to H: 2 f(t) (C cos omega t + S sin omega t), C + iS = sum over s of exp(i k.x_s) E:T_s.

    Parameters
    ----------
    system : SuperBlock
    wave : StrainWave
        Checked.
    interval : Bounds
        Where the levels of H are.
    threads : int

    Attributes
    ----------
    sums : list of BlockSum
        C, and S if k is not zero.
    area : float
        The integral of 2 f over all times, times the root of the sum of the squares of the norms of E:T_s, over hbar:
        the largest angle by which one block in resonance turns.
    rate : float
        How fast a block turns at most (rad/s): the width of its own levels, that of E:T_s at the top of the wave, and
        twice the root of the sum of the squares of its couplings, over hbar.
    """

    def __init__(self, system: SuperBlock, wave: StrainWave, interval: Bounds, threads: int) -> None:
        self.wave, self._system, self._interval, self._threads = wave, system, interval, threads
        weights = wave.strain * (WEIGHTS if wave.strain.size == WEIGHTS.size else 1.0)
        blocks = [np.tensordot(weights, system.block_stress(s), axes=1) for s in range(system.n_blocks)]
        self._factors = np.array(waves(system, wave.wavevector))
        self.sums = [BlockSum([w * block for w, block in zip(row, blocks, strict=True)]) for row in self._factors]
        self._norms = np.array([np.linalg.norm(block, 2) for block in blocks])
        self.area = 2.0 * float(abs(wave.spectrum(0.0))) * math.hypot(*self._norms) / units.HBAR
        self.rate = float(self._widths(blocks).max()) / units.HBAR
        self._folded = all(total.is_diagonal for total in self.sums)

    def _widths(self, blocks: list[NDArray[Any]]) -> FloatArray:
        """Return what each block may turn in (J), its couplings taken as independent of each other."""
        system, numbers = self._system, range(self._system.n_blocks)
        own = np.array([np.ptp(np.linalg.eigvalsh(system.block_hamiltonian(s))) for s in numbers])
        driven = np.array([np.ptp(np.linalg.eigvalsh(block)) for block in blocks])
        stresses = np.array([0.5 * np.ptp(np.linalg.eigvalsh(system.block_stress(s)), axis=1) for s in numbers])
        pairs = 2.0 * np.einsum("sa,stab,tb->stab", stresses, system.couplings, stresses)
        pairs[np.diag_indices(len(pairs))] = 0.0  # of a block with its own images: that is in its Hamiltonian
        widths: FloatArray = own + 2.0 * driven + 2.0 * np.sqrt((pairs**2).sum(axis=(1, 2, 3)))
        return widths

    def weights(self, t: float) -> FloatArray:
        """Return what multiplies C, and S, at a time (s)."""
        phase = self.wave.omega * t
        carrier = np.array([math.cos(phase), math.sin(phase)])[: len(self.sums)]
        return 2.0 * float(self.wave._amplitude(np.array(t))) * carrier

    def frozen(self, weights: FloatArray) -> tuple[Operator, Bounds]:
        """Return H with so much of C, and of S, and where its levels are."""
        system, threads = self._system, self._threads
        # in the wave of one time each block has its own field
        half = self._interval.half + float(np.abs(weights @ self._factors) @ self._norms)
        if self._folded:
            total = system._sum.shifted(sum(w * part.diagonal for w, part in zip(weights, self.sums, strict=True)))

            def apply(psi: Vector, out: Vector) -> None:
                total.apply(psi.reshape(total.dimension, -1), out.reshape(total.dimension, -1), threads)

        else:
            undriven = Operator.of(system, threads)

            def apply(psi: Vector, out: Vector) -> None:
                undriven.apply(psi, out)
                part: NDArray[Any] = np.empty((system.dimension, psi.size // system.dimension), psi.dtype)
                for w, operator in zip(weights, self.sums, strict=True):
                    operator.apply(psi.reshape(part.shape), part, threads)
                    part *= w
                    out += part.reshape(out.shape)

        return Operator(apply, system.dimension, np.dtype(np.complex128), threads), Bounds(self._interval.center, half)
