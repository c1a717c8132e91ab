"""Absorption of phonons by a block and a super block: each term of (3.1)-(3.8) and (5.8), printed and derived."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.validate import FloatArray, broadcast_shape, float_array, positive_number, require_positive
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.terms import Integrals, RateForm, Terms, fill_jumps, terms_of
from mbfast.spectra.convolution import convolve
from mbfast.spectra.dispersion import kramers_kronig
from mbfast.spectra.grid import Estimate, FrequencyGrid, check_targets, rows
from mbfast.spectra.moduli import Moduli
from mbfast.spectra.spectrum import Spectrum
from mbfast.spectra.thermal import absorbed_fraction


@dataclass(frozen=True, eq=False)
class AbsorptionRates:
    """Absorption by a super block of N0^3 blocks, term by term.

    Attributes
    ----------
    form, omega, block_size, n0
        As given to `absorption_rates`: omega, shape (m,), is its `at` (rad/s), block_size (m) has the shape (...).
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

    Examples
    --------
    >>> import numpy as np, mbfast
    >>> spectrum = mbfast.Spectrum(np.geomspace(1e5, 1e15, 64), np.full(64, -7e7), np.full(64, -3e7))
    >>> rates = mbfast.absorption_rates(spectrum, mbfast.StressInteraction(2200, 5800, 3800), 5e-9, 2, at=[1e7])
    >>> print(f"{rates.first.transverse[0] / rates.single.transverse[0]:.6f}")  # of 2^3 blocks alone, by (3.4)
    8.000000
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
        return Moduli(*np.sum([self.first, self.second, self.third, self.interaction, self.dipole], axis=0))

    @property
    def cutoff_length(self) -> Moduli:
        """L_c of changed couplings and moments."""
        return self._length(Moduli(*map(np.add, self.second, self.third)))

    @property
    def dipole_cutoff_length(self) -> Moduli:
        """L_c of dipoles."""
        return self._length(self.dipole)

    def _length(self, irrelevant: Moduli) -> Moduli:
        # what falls as L^-3 per volume, over what does not
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = map(np.divide, irrelevant, self.interaction)
            return Moduli(*(self.block_size[..., None] * np.cbrt(np.abs(ratio)) for ratio in ratios))


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

    `flow` is the renormalization that these rates drive.

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
        Blocks along a side of the super block, above 1 and not necessarily whole; at most 512 for points.
    form : {"printed", "derived", "derived-points", "total-strain"}
        The formulas of the paper; those that follow from its Hamiltonian for an external strain, for blocks that are
        cubes, or points at their centres; or for the strain of the wave: see Notes.
    at : array_like, shape (m,), optional
        Positive frequencies (rad/s); None: the spectrum's nodes.
    strain : float
        A k, the amplitude of the strain that the form means.
    k_l, k_t : float
        K_l, K_t of (3.6), which the paper knows to be of order one.
    dielectric : array_like, shape (..., n), optional
        Im chi~ of (5.6), samples at the spectrum's nodes, in the unit of `permittivity`.
    permittivity : float, optional
        epsilon of (5.2), wanted with `dielectric`; both rationalised.
    threads : int, optional
        None: as many as this process may use, see `set_threads`. The result does not depend on it.

    Returns
    -------
    AbsorptionRates

    Raises
    ------
    TypeError
        If `spectrum` is not a Spectrum or `interaction` is not a StressInteraction; if n0, strain, k_l, k_t or
        permittivity is not one real number, or block_size, `at` or `dielectric` does not consist of real numbers.
    ValueError
        If a sample of the spectrum or of `dielectric` is positive, or, in the printed form, one of Im chi~_t is zero;
        if block_size, a frequency of `at`, strain or permittivity is not from 1e-35 to 1e35; if n0 is not above 1, or
        is above 1e15 (512 for points); if k_l or k_t is not from 0 to 1e35; if `form` is unknown; if only
        one of `dielectric` and `permittivity` is given; if `at` has not one axis, shapes do not broadcast, or threads
        is below 1; if the power law of a spectrum below its nodes makes an integral infinite.

    Notes
    -----
    hbar is written out: the integrals of (3.5), (3.6) and (5.8) carry hbar dOmega. With beta' = 1 - exp(-hbar
    omega/k_B T), the integral I_ab of chi~_a(Omega) chi~_b(omega - Omega) and x = Im chi~_l/Im chi~_t - 2 the terms are

    ============  =========================================  =================================================
    term          printed                                    derived
    ============  =========================================  =================================================
    second        ln N0 [bracket](omega) I_tt/(40 pi^3)      S [(C_0 - 2 C_1) I_tt + C_1 I_lt]/(16 pi^3)
    third         K_a ln N0 I_tt/pi^3                        8.40 K_a S I_tt/pi^3
    interaction   4 ln N0 Im chi~_a Re chi~_a/(rho c_a^2)    -4 Im[(chi e) F (chi e)]/beta'
    dipole        94 or 53 ln N0 I/(960 pi^2 epsilon^2)      S C I/(16 pi^3 epsilon^2)
    ============  =========================================  =================================================

    times beta' A^2 k^2 N0^3 omega, the first two rows times hbar/(rho c_t^2)^2, the third times L^3, the last times
    hbar. The brackets are those of (3.5); C_0 and C_1 the sums over powers of alpha of `cube_coefficients` of the
    interaction's form: the golden rule for uncorrelated blocks in long waves, without taking x out of the integral; C
    those of dipoles that move and turn coherently. All pairs of an infinite sample of blocks of side L give C/L^3, and
    those of larger blocks are left to the next steps: S = 1 - N0^-3. No other term that depends on L as L^-3 and on N0
    alone adds up to the same for any N0: a step by a, then b, is one by b, then a, so S(a)/(1 - a^-3) is one number.
    The pairs of the N0^3 cubes themselves are fewer, as those across the super block's surface are missing: 0.40, 0.63,
    0.80, 0.89 of it for N0 = 2, 4, 8, 16 (alpha = 0, longitudinal).

    The interaction changes the response of blocks to first order: what is at x meets the strain e + 2 Lambda T of what
    is at x', so the strain energy of the stresses chi:e that pairs respond with decides: F, the integral of Lambda
    cos(k.(x - x')), k = omega/c_a, over the pairs of points of the super block that are not in one block, per volume. A
    longitudinal wave induces (chi_l - 2 chi_t) d_ij + 2 chi_t k_i k_j. F is averaged over the directions of k, exactly.
    It is a difference of one function at kN0L and at kL, so that the steps from L_1 to R add up to that at kR and at
    kL_1, whichever N0 they have. It is small as (k N0 L)^2 for waves longer than the super block, because Lambda
    averages to zero over directions, and bounded for shorter ones. chi is the response, whose real part is the
    Kramers-Kronig transform of Im chi; the printed form takes Re chi~, that of Im chi~, as (4.3) does.

    "derived-points" has sums over the N0^3 blocks at their centres instead, F = N^-1 sum over ordered pairs of L^3
    Lambda cos(k.x), and S_6, the `lattice_sum` of a cube of side N0, times `angular_coefficients` for S C, S_6 for
    8.40 S. They are what `phase_sum` and `strain_coupling_sum` compute, and do not add up to the same for any N0.
    A moment at a point changes more by a strain than one that is spread over a cube: the second term of an infinite
    sample of silica is 5.4 (longitudinal) and 6.9 times as large for x = 0.

    That is for an external strain. Velocity and attenuation are measured by the strain of the wave, which contains the
    field of all blocks, so that in the form "total-strain" what blocks do to each other is in the strain already. Left
    is that a block does not meet its own field: the strain on it is e + P chi e, where P is that of Eshelby's sphere,
    see `TensorInteraction.local_strain`. So chi_K = 3 chi_l - 4 chi_t and chi_G = 2 chi_t change by P_K chi_K^2 and P_G
    chi_G^2, on the average over directions; where waves are no longer than a block, phases in it change that. This
    `interaction` is that of all blocks of a sample and does not depend on n0. Where Re chi < 0 less is absorbed; by the
    printed term it is more. The spectrum given is that of blocks by the strain they meet; by the strain inside them,
    which contains a block's own field, nothing would be left. `second` and `third` are the derived ones.

    All derived forms are of the first order in the coupling, and of its average over the signs of the blocks' stresses.
    For given blocks the static stresses of the neighbours, which change levels and populations (Hartree), are of the
    same order: `mbfast.superblock.perturbation` has that part, too. The second order, of which a mean remains, is in
    `SuperBlock` alone.

    Where a spectrum jumps, at its first or last node, Re chi is infinite; the neighbour's value is taken instead.

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
    terms = terms_of(form).of(interaction, n0, k_l, k_t)
    terms.require_signs(spectrum)
    sizes, amplitude = float_array("block_size", block_size), positive_number("strain", strain, unit="")
    require_positive("block_size", sizes, unit="m")
    electric = _electric(spectrum, dielectric, permittivity)
    given = {} if electric is None else {"dielectric": electric[..., 0]}
    shape = broadcast_shape(block_size=sizes, spectrum=spectrum, **given)
    check_targets(spectrum.grid, "at", at)  # refuses what are no frequencies, before any work
    omega = spectrum.omega if at is None else float_array("at", at)
    full, size = (*shape, omega.size), sizes[..., None]
    integrals, errors = _integrals(terms, spectrum, full, at, threads)
    increments = terms.increments(omega, size, integrals)
    error = terms.uncertainty(omega, size, integrals.chi, errors)
    dipole = np.zeros((2, 1))
    if electric is not None:
        value, lost = convolve(spectrum.grid, electric, at=at, temperature=spectrum.temperature, threads=threads)
        dipole = terms.dipole_increments(size, value)
        of_dipoles = np.abs(terms.dipole_increments(size, np.asarray(lost)[..., None]))
        error = error + np.stack([np.broadcast_to(part, full) for part in of_dipoles])
    thermal = absorbed_fraction(omega, spectrum.temperature)
    factor = np.broadcast_to(2.0 * size**3 * amplitude**2 * omega * thermal, full)

    def rate(increment: FloatArray, volume: float = terms.n0**3) -> Moduli:
        return Moduli(*(-volume * factor * np.broadcast_to(part, full) for part in increment))

    # in the order of the fields
    parts = [rate(integrals.chi, 1.0), *map(rate, (integrals.chi, *increments, dipole, -error))]
    return AbsorptionRates(form, omega.copy(), np.broadcast_to(sizes, shape).copy(), terms.n0, *parts)


def _electric(spectrum: Spectrum, dielectric: ArrayLike | None, permittivity: float | None) -> FloatArray | None:
    """Return Im chi~/epsilon (..., n) of the dipoles, or None where there are none."""
    if dielectric is None and permittivity is None:
        return None
    if dielectric is None or permittivity is None:
        missing, there = ("dielectric", "permittivity") if dielectric is None else ("permittivity", "dielectric")
        raise ValueError(f"{missing} must be given with {there}, got None")
    epsilon = positive_number("permittivity", permittivity, unit="F/m")
    samples = rows("dielectric", dielectric, spectrum.grid)
    if (samples > 0.0).any():
        raise ValueError(f"dielectric must have Im chi~ <= 0 (absorption), got {samples.max():g}")
    return samples / epsilon


def _integrals(
    terms: Terms, spectrum: Spectrum, full: tuple[int, ...], at: ArrayLike | None, threads: int | None
) -> tuple[Integrals, list[FloatArray]]:
    """Return what the terms take, of shape `full` explicitly, or leading axes would meet that of the polarizations."""
    tt = lt = spectrum.convolve("transverse", "transverse", at=at, threads=threads)
    if terms.mixed:
        lt = spectrum.convolve("longitudinal", "transverse", at=at, threads=threads)
    thermal = absorbed_fraction(spectrum.omega, spectrum.temperature)
    both = [terms.real_samples(samples, thermal) for samples in (spectrum.longitudinal, spectrum.transverse)]
    estimates = [*(_real_part(samples, terms.real_grid(spectrum), at, threads) for samples in both), tt, lt]
    chi = spectrum(spectrum.omega if at is None else at)
    l, t, *values = (np.broadcast_to(part, full) for part in (*chi, *(value for value, _ in estimates)))  # noqa: E741
    found = Integrals(np.stack([l, t]), np.stack(values[:2]), *values[2:])
    return found, [np.asarray(error)[..., None] for _, error in estimates]


def _real_part(samples: FloatArray, grid: FrequencyGrid, at: ArrayLike | None, threads: int | None) -> Estimate:
    transform = partial(kramers_kronig, grid, samples, threads=threads)
    value, error = transform(at=at)
    if at is None:
        return Estimate(fill_jumps(value), error)
    if np.isinf(value).any():
        nodes, points = grid.omega, np.asarray(at, dtype=np.float64)
        moved = np.select([points == nodes[0], points == nodes[-1]], [nodes[1], nodes[-2]], points)
        value = np.where(np.isinf(value), transform(at=moved).value, value)
    return Estimate(value, error)
