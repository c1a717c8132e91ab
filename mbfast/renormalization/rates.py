"""Absorption of phonons by a block and a super block: each term of (3.1)-(3.8) and (5.8), printed and derived."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mbfast import units
from mbfast._core.validate import (
    FloatArray,
    Shaped,
    broadcast_shape,
    float_array,
    one_number,
    require_choice,
    require_finite,
    require_positive,
)
from mbfast._core.voigt import POLARIZATIONS
from mbfast.kernels import displacements
from mbfast.pairs.angular import angular_coefficients
from mbfast.pairs.averages import cube_pairs
from mbfast.pairs.interactions import StressInteraction
from mbfast.spectra.convolution import convolve
from mbfast.spectra.dispersion import kramers_kronig
from mbfast.spectra.grid import rows
from mbfast.spectra.moduli import Moduli
from mbfast.spectra.spectrum import Spectrum
from mbfast.spectra.thermal import absorbed_fraction

RateForm: TypeAlias = Literal["printed", "derived"]
RATE_FORMS: tuple[RateForm, ...] = ("printed", "derived")

_LARGEST_SIDE = 512.0  # blocks along a side whose pairs are listed
_PRINTED_BRACKETS = {"longitudinal": ((55, 176, 688), (44, 176, 176)), "transverse": ((35, 112, 656), (28, 112, 112))}
_PRINTED_DIPOLES = (94.0, 53.0)


@dataclass(frozen=True, eq=False)
class AbsorptionRates:
    """Absorption by a super block of N0^3 blocks, term by term.

    Attributes
    ----------
    form : {"printed", "derived"}
        Whose formulas these are.
    omega : ndarray, shape (m,)
        Frequencies of the phonon (rad/s).
    block_size : ndarray, shape (...)
        L (m).
    n0 : float
        Blocks along a side of the super block.
    single, first, second, third, interaction, dipole : Moduli
        Rates (W), shape (..., m), positive where energy is absorbed: of one block (3.1); of N0^3 blocks alone (3.4); by
        changed couplings Lambda (3.5); by changed moments T (3.6); by the interaction's effect on the blocks' states
        (3.7); by electric dipoles (5.8), zero without them.
    total : Moduli
        The sum (3.8) of the terms from `first` on: the rate of one block of side N0 L.
    error : Moduli
        Estimated error of `total` (W), shape (..., m), from that of the integrals over frequencies.
    cutoff_length, dipole_cutoff_length : Moduli
        L_c (m), shape (..., m): the size of block for which `second` + `third`, or `dipole`, are as large as
        `interaction`, by the power L^-3 of their ratio; nan where all vanish. (4.4) and (5.10) estimate them. In the
        derived form, whose `interaction` depends on L too, it is an extrapolation from this L.
    """

    form: RateForm
    omega: FloatArray
    block_size: FloatArray
    n0: float
    single: Moduli
    first: Moduli
    second: Moduli
    third: Moduli
    interaction: Moduli
    dipole: Moduli
    error: Moduli

    @property
    def total(self) -> Moduli:
        """(3.8)."""
        parts = (self.first, self.second, self.third, self.interaction, self.dipole)
        return Moduli(*(np.sum(of_one, axis=0) for of_one in zip(*parts, strict=True)))

    @property
    def cutoff_length(self) -> Moduli:
        """L_c of changed couplings and moments."""
        return self._length(Moduli(*(a + b for a, b in zip(self.second, self.third, strict=True))))

    @property
    def dipole_cutoff_length(self) -> Moduli:
        """L_c of dipoles."""
        return self._length(self.dipole)

    def _length(self, irrelevant: Moduli) -> Moduli:
        # what falls as L^-3 per volume, over what does not
        size = self.block_size[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            pairs = zip(irrelevant, self.interaction, strict=True)
            return Moduli(*(size * np.cbrt(np.abs(term) / np.abs(relevant)) for term, relevant in pairs))


def absorption_rates(
    spectrum: Spectrum,
    interaction: StressInteraction,
    block_size: ArrayLike,
    n0: float,
    *,
    form: RateForm = "printed",
    at: ArrayLike | None = None,
    strain: float = 1.0,
    k_l: float = 1.0,
    k_t: float = 1.0,
    dielectric: ArrayLike | None = None,
    permittivity: float | None = None,
    threads: int | None = None,
) -> AbsorptionRates:
    r"""Energy that a super block takes from a phonon per unit of time: (3.1), (3.4)-(3.8) and (5.8).

    Parameters
    ----------
    spectrum : Spectrum
        Im chi~_l and Im chi~_t of a block, nowhere positive (in the printed form Im chi~_t not zero), and T. A response
        that absorbs every strain also has |Im chi~_l| >= 4/3 |Im chi~_t|, which is not asked for.
    interaction : StressInteraction
        The material. The printed form takes rho c_l^2 and rho c_t^2 of it; the derived one its Lambda.
    block_size : array_like, shape (...)
        L (m); broadcasts against the leading axes of the spectrum.
    n0 : float
        Blocks along a side of the super block, above 1 and not necessarily whole; at most 512 in the derived form.
    form : {"printed", "derived"}
        The formulas of the paper, or those that follow from its Hamiltonian, see Notes.
    at : array_like, shape (m,), optional
        Positive frequencies (rad/s); None: the spectrum's nodes.
    strain : float
        A k, the strain amplitude.
    k_l, k_t : float
        K_l, K_t of (3.6), which the paper knows to be of order one.
    dielectric : array_like, shape (..., n), optional
        Im chi~ of (5.6), samples at the spectrum's nodes, in the unit of `permittivity`.
    permittivity : float, optional
        epsilon of (5.2), wanted with `dielectric`; both rationalised.
    threads : int, optional
        None: as many as this process may use. The result does not depend on it.

    Returns
    -------
    AbsorptionRates

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    See Also
    --------
    flow : the renormalization that these rates drive.

    Notes
    -----
    hbar is written out: the integrals of (3.5), (3.6) and (5.8) carry hbar dOmega. With beta' = 1 - exp(-hbar
    omega/k_B T), the integral I_ab of chi~_a(Omega) chi~_b(omega - Omega) and x = Im chi~_l/Im chi~_t - 2 the terms are

    ============  =========================================  =================================================
    term          printed                                    derived
    ============  =========================================  =================================================
    second        ln N0 [bracket](omega) I_tt/(40 pi^3)      S_6 [(C_0 - 2 C_1) I_tt + C_1 I_lt]/(16 pi^3)
    third         K_a ln N0 I_tt/pi^3                        K_a S_6 I_tt/pi^3
    interaction   4 ln N0 Im chi~_a Re chi~_a/(rho c_a^2)    -4 Im[(chi e) F (chi e)]/beta'
    dipole        94 or 53 ln N0 I/(960 pi^2 epsilon^2)      S_6 C I/(16 pi^3 epsilon^2)
    ============  =========================================  =================================================

    times beta' A^2 k^2 N0^3 omega, the first two rows times hbar/(rho c_t^2)^2, the third times L^3, the last times
    hbar. The brackets are those of (3.5); C_0 and C_1 the sums over powers of alpha of `angular_coefficients` of the
    interaction's form, that is the golden rule for uncorrelated blocks, without taking x out of the integral; C those
    of dipoles that move and turn coherently (46/5 and 32/5); S_6 is `lattice_sum` of a cube of side N0. These are the
    limits of long waves.

    The interaction changes the response of blocks to first order: block s meets the strain e + 2 sum Lambda T_s', so
    the strain energy of the stresses chi:e that two blocks respond with, F = N^-1 sum over ordered pairs of L^3
    Lambda cos(k.x), k = omega/c_a, decides. A longitudinal wave induces (chi_l - 2 chi_t) d_ij + 2 chi_t k_i k_j. F is
    averaged over the directions of k, exactly. It is small as (k N0 L)^2 for waves longer than the super block,
    because Lambda averages to zero over directions, and bounded for shorter ones. chi is the response, whose real part
    is the Kramers-Kronig transform of Im chi; the printed form takes Re chi~, that of Im chi~, as (4.3) does.

    Where a spectrum jumps, at its first or last node, Re chi is infinite; the neighbour's value is taken instead.

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, section III and (5.8).

    Examples
    --------
    >>> import numpy as np, mbfast
    >>> omega = np.geomspace(1e5, 1e15, 256)
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> spectrum = mbfast.Spectrum(omega, np.full(256, -7e7), np.full(256, -3e7))
    >>> rates = mbfast.absorption_rates(spectrum, silica, 5e-9, 2, at=[1e7])
    >>> print(f"{rates.interaction.transverse[0] / rates.first.transverse[0]:.4f}")
    0.0154
    >>> print(f"{rates.cutoff_length.transverse[0]:.2g} m")
    6.1e-14 m
    """
    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"spectrum must be a Spectrum, got {spectrum!r}")
    require_choice("form", form, RATE_FORMS)
    sizes = float_array("block_size", block_size)
    require_positive("block_size", sizes, unit="m")
    couplings = Couplings(form, interaction, check_n0(n0, form), check_moment_changes(k_l, k_t))
    amplitude = one_number("strain", strain)
    require_positive("strain", np.asarray(amplitude), unit="")
    require_signs(form, spectrum.longitudinal, spectrum.transverse)
    given: dict[str, Shaped] = {"block_size": sizes, "spectrum": spectrum}
    if dielectric is not None:
        given["dielectric"] = rows("dielectric", dielectric, spectrum.omega.size)[..., 0]
    shape = broadcast_shape(**given)
    omega = spectrum.omega
    if at is not None:
        omega = float_array("at", at)
        if omega.ndim != 1:
            raise ValueError(f"at must have shape (m,), got {omega.shape}")
        require_positive("at", omega, unit="rad/s")
    full = (*shape, omega.size)  # explicitly, or leading axes would meet that of the polarizations
    chi = np.stack([np.broadcast_to(part, full) for part in spectrum(omega)])
    thermal = absorbed_fraction(omega, spectrum.temperature)
    tt, tt_error = spectrum.convolve("transverse", "transverse", at=at, threads=threads)
    lt, lt_error = tt, tt_error
    if form == "derived":
        lt, lt_error = spectrum.convolve("longitudinal", "transverse", at=at, threads=threads)
    real, real_error = [], []
    for samples in (spectrum.longitudinal, spectrum.transverse):
        value, error = _real_part(form, spectrum, samples, at, threads)
        real.append(np.broadcast_to(value, full))
        real_error.append(error)
    integrals = Integrals(chi, np.stack(real), np.broadcast_to(tt, full), np.broadcast_to(lt, full))
    terms = couplings.increments(omega, sizes[..., None], integrals)
    errors = [np.asarray(error)[..., None] for error in (*real_error, tt_error, lt_error)]
    error = couplings.uncertainty(omega, sizes[..., None], chi, errors)
    dipole = np.zeros((2, 1))
    if dielectric is not None:
        dipole, lost = _dipole_increments(spectrum, dielectric, permittivity, couplings, sizes[..., None], at, threads)
        error = error + np.stack([np.broadcast_to(part, full) for part in lost])
    elif permittivity is not None:
        raise ValueError("dielectric must be given with permittivity, got None")

    side = couplings.n0
    factor = np.broadcast_to(2.0 * sizes[..., None] ** 3 * amplitude**2 * omega * thermal, full)

    def rate(increment: FloatArray, volume: float = side**3) -> Moduli:
        return Moduli(*(-volume * factor * np.broadcast_to(part, full) for part in increment))

    second, third, relevant = (rate(term) for term in terms)
    return AbsorptionRates(
        form=form,
        omega=omega.copy(),
        block_size=np.broadcast_to(sizes, shape).copy(),
        n0=side,
        single=rate(chi, 1.0),
        first=rate(chi),
        second=second,
        third=third,
        interaction=relevant,
        dipole=rate(dipole),
        error=rate(-error),
    )


class Integrals(NamedTuple):
    """Im chi~ (2, ...), the real part that goes with it (2, ...), and the convolutions of t with t and of l with t."""

    chi: FloatArray
    real: FloatArray
    tt: FloatArray
    lt: FloatArray


class Couplings:
    """What the terms do to Im chi~ in one step: a super block is a block with Im chi~ + the sum of `increments`.

    The rate of a term is -2 (N0 L)^3 A^2 k^2 omega (1 - exp(-hbar omega/k_B T)) times its increment, as (3.1) says.
    """

    def __init__(
        self, form: RateForm, interaction: StressInteraction, n0: float, moment_changes: tuple[float, float]
    ) -> None:
        if not isinstance(interaction, StressInteraction):
            raise TypeError(f"interaction must be a StressInteraction, got {interaction!r}")
        self.form, self.interaction, self.n0, self._moment_changes = form, interaction, n0, moment_changes
        alpha = interaction.alpha
        self.moduli = interaction.density * np.array([[interaction.c_l], [interaction.c_t]]) ** 2
        self.velocities = np.array([interaction.c_l, interaction.c_t])
        if form == "printed":
            self.pairs = math.log(n0)
            polynomials = [[np.polyval(row[::-1], alpha) for row in _PRINTED_BRACKETS[name]] for name in POLARIZATIONS]
            factor = 1.0 / 80.0
        else:
            distances, weights = self.cube = cube_pairs(n0)
            self.pairs = float(np.sum(weights * distances**-6.0))
            tables = [
                np.array(angular_coefficients(interaction.form, name), dtype=np.float64) for name in POLARIZATIONS
            ]
            polynomials = [[np.polyval(column[::-1], alpha) for column in table.T] for table in tables]
            factor = 1.0 / 32.0
        common = units.HBAR * self.pairs / (math.pi**3 * self.moduli[1, 0] ** 2)
        brackets: FloatArray = np.array(polynomials)
        self.at_zero, self.linear = -factor * common * brackets[:, :1], -factor * common * brackets[:, 1:]
        self.third = -0.5 * common * np.array(moment_changes)[:, None]

    def with_n0(self, n0: float) -> Couplings:
        """Return the same for a super block of other size."""
        return Couplings(self.form, self.interaction, n0, self._moment_changes)

    def increments(
        self, omega: FloatArray, size: FloatArray | float, given: Integrals
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the second, third and interaction terms (2, ..., m) at L = `size`."""
        l, t, *_ = given.chi  # noqa: E741
        volume = np.asarray(size) ** 3
        ones = (1,) * (given.chi.ndim - 2)
        at_zero, linear, third = (part.reshape(2, *ones, 1) for part in (self.at_zero, self.linear, self.third))
        if self.form == "printed":
            second = (at_zero + linear * (l / t - 2.0)) * given.tt / volume
            relevant = -2.0 * self.pairs / self.moduli.reshape(2, *ones, 1) * given.chi * given.real
            return second, third * given.tt / volume, relevant
        second = ((at_zero - 2.0 * linear) * given.tt + linear * given.lt) / volume
        along, mixed, across = self.phases(omega, size)
        real_l, real_t = given.real
        relevant = np.stack(
            np.broadcast_arrays(
                16.0 * along * t * real_t + 8.0 * mixed * (t * real_l + real_t * l - 4.0 * t * real_t),
                16.0 * across * t * real_t,
            )
        )
        return second, third * given.tt / volume, relevant

    def phases(self, omega: FloatArray, size: FloatArray | float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return N^-1 sum L^3 Lambda cos(k.x) (1/Pa), averaged over directions of k: see `contracted`."""
        shape = np.broadcast_shapes(omega.shape, np.shape(size))
        sums = []
        for velocity in self.velocities:
            reduced = np.ascontiguousarray(np.broadcast_to(omega * size / velocity, shape)).ravel()
            sums.append(np.empty((2, reduced.size)))
            displacements.isotropic_phase(*self.cube, reduced, sums[-1])
        of_l, of_t = (self.interaction.prefactor * part.reshape(2, *shape) for part in sums)
        return contracted(self.interaction.coefficients, of_l, of_t)

    def uncertainty(
        self, omega: FloatArray, size: FloatArray | float, chi: FloatArray, errors: Sequence[FloatArray | float]
    ) -> FloatArray:
        """Return what errors of Re chi_l, Re chi_t, tt and lt do to the sum of the increments, (2, ..., m)."""
        total = np.zeros_like(chi)
        for number, error in enumerate(errors):  # the increments are linear in each
            alone = [np.zeros((*chi.shape[1:-1], 1))] * 4
            alone[number] = np.broadcast_to(error, alone[0].shape)
            real = np.stack(alone[:2])
            total = total + np.abs(sum(self.increments(omega, size, Integrals(chi, real, *alone[2:]))))
        return total


def contracted(
    coefficients: tuple[ArrayLike, ArrayLike, ArrayLike], of_l: FloatArray, of_t: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the averages of Lambda~ cos(k.x), over directions of k, contracted with kk kk, d kk and e_t e_t.

    `of_l` and `of_t` are what takes the place of j_2 and j_4 (2, ...) for the two waves: where f_2 P_2 + f_4 P_4 of n.k
    is a contraction, the average of it times cos(k.x) is f_4 j_4(kx) - f_2 j_2(kx).
    """
    c1, c2 = (np.asarray(c) for c in coefficients[1:])
    along = -(2.0 / 3.0 * c1 - 16.0 / 7.0 * c2) * of_l[0] - 12.0 / 7.0 * c2 * of_l[1]
    mixed = -2.0 / 3.0 * (c1 - 3.0 * c2) * of_l[0]
    across = -(c1 / 12.0 - 5.0 / 14.0 * c2) * of_t[0] + 6.0 / 7.0 * c2 * of_t[1]
    return along, mixed, across


def check_n0(n0: float, form: str) -> float:
    """Return N0, or raise."""
    side = one_number("n0", n0)
    if not 1.0 < side <= 1e15:
        raise ValueError(f"n0 must be above 1 (blocks along a side), and at most 1e15, got {side:g}")
    if form == "derived" and side > _LARGEST_SIDE:
        raise ValueError(f"n0 must be at most {_LARGEST_SIDE:g} in the derived form, got {side:g}")
    return side


def check_moment_changes(k_l: float, k_t: float) -> tuple[float, float]:
    """Return K_l and K_t, or raise."""
    values = one_number("k_l", k_l), one_number("k_t", k_t)
    for name, value in zip(("k_l", "k_t"), values, strict=True):
        require_finite(name, np.asarray(value))
        if value < 0.0:
            raise ValueError(f"{name} must not be negative (an absorption), got {value:g}")
    return values


def require_signs(form: str, longitudinal: FloatArray, transverse: FloatArray) -> None:
    """Raise a ValueError where a spectrum has not the sign of absorption."""
    for name, samples in (("longitudinal", longitudinal), ("transverse", transverse)):
        if (samples > 0.0).any():
            raise ValueError(f"spectrum must have Im chi~ <= 0 (absorption), got {samples.max():g} Pa, {name}")
    if form == "printed" and not (transverse < 0.0).all():
        raise ValueError(
            "spectrum must have Im chi~_t < 0 at every node in the printed form, which divides by it, got 0"
        )


def real_samples(form: str, samples: FloatArray, thermal: FloatArray) -> FloatArray:
    """Return the samples whose Kramers-Kronig transform goes with Im chi~: its own, or those of the response."""
    return samples if form == "printed" else thermal * samples


def real_options(form: str, spectrum: Spectrum) -> dict[str, Any]:
    """Return how these samples go on beyond the nodes and between them."""
    options = spectrum.options
    if form == "derived" and spectrum.below != "zero":
        options["below"] = "power"  # 1 - exp(-hbar omega/k_B T) is not the spectrum's power
    return options


def fill_jumps(real: FloatArray) -> FloatArray:
    """Put the neighbour's value where a jump at the first or last node made a real part infinite."""
    for end, inner in ((0, 1), (-1, -2)):
        real[..., end] = np.where(np.isinf(real[..., end]), real[..., inner], real[..., end])
    return real


def _real_part(
    form: RateForm, spectrum: Spectrum, samples: FloatArray, at: ArrayLike | None, threads: int | None
) -> tuple[FloatArray, FloatArray | np.float64]:
    responding = real_samples(form, samples, absorbed_fraction(spectrum.omega, spectrum.temperature))
    transform = partial(kramers_kronig, spectrum.omega, responding, threads=threads, **real_options(form, spectrum))
    value, error = transform(at=at)
    if at is None:
        return fill_jumps(value), error
    if np.isinf(value).any():
        nodes, points = spectrum.omega, np.asarray(at, dtype=np.float64)
        moved = np.select([points == nodes[0], points == nodes[-1]], [nodes[1], nodes[-2]], points)
        value = np.where(np.isinf(value), transform(at=moved).value, value)
    return value, error


def _dipole_increments(
    spectrum: Spectrum,
    dielectric: ArrayLike,
    permittivity: float | None,
    couplings: Couplings,
    size: FloatArray,
    at: ArrayLike | None,
    threads: int | None,
) -> tuple[FloatArray, FloatArray]:
    """Return the increments of dipoles, and their errors, (2, ..., m)."""
    if permittivity is None:
        raise ValueError("permittivity must be given with dielectric, got None")
    epsilon = one_number("permittivity", permittivity)
    require_positive("permittivity", np.asarray(epsilon), unit="F/m")
    samples = rows("dielectric", dielectric, spectrum.omega.size) / epsilon
    if (samples > 0.0).any():
        raise ValueError(f"dielectric must have Im chi~ <= 0 (absorption), got {samples.max() * epsilon:g}")
    integral, lost = convolve(
        spectrum.omega,
        samples,
        at=at,
        temperature=spectrum.temperature,
        threads=threads,
        **spectrum.options,
    )
    if couplings.form == "printed":
        factors = [number / (960.0 * math.pi**2) for number in _PRINTED_DIPOLES]
    else:
        tables = (angular_coefficients("dipole", name, moment_change="gradient") for name in POLARIZATIONS)
        factors = [float(table[0][0]) / (16.0 * math.pi**3) for table in tables]
    common = -0.5 * units.HBAR * couplings.pairs / size**3
    both = (
        np.multiply.outer(factors, common * integral),
        np.multiply.outer(factors, common * np.asarray(lost)[..., None]),
    )
    return both[0], np.abs(both[1])
