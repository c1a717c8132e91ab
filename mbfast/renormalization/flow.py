"""The renormalization flow (4.1), (4.2) of Im chi~_l and Im chi~_t from the scale of a block to that of a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core import tiles as _tiles
from mbfast._core.tiles import Progress
from mbfast._core.validate import (
    FloatArray,
    broadcast_shape,
    float_array,
    one_number,
    require_choice,
    require_positive,
)
from mbfast.kernels import displacements
from mbfast.pairs.averages import cube_pairs
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.rates import (
    RATE_FORMS,
    Couplings,
    Integrals,
    RateForm,
    check_moment_changes,
    check_n0,
    contracted,
    fill_jumps,
    real_options,
    real_samples,
    require_signs,
)
from mbfast.spectra.convolution import ConvolutionPlan
from mbfast.spectra.dispersion import KramersKronigPlan
from mbfast.spectra.moduli import Moduli
from mbfast.spectra.spectrum import Spectrum
from mbfast.spectra.thermal import absorbed_fraction

RatioForm: TypeAlias = Literal["printed", "phase-sum", "derived"]
Status: TypeAlias = Literal["done", "diverged", "emission"]

_MOST_STEPS = 100_000


class FlowTerms(NamedTuple):
    """What each term of (4.1) added to Im chi~ (Pa), step by step.

    Attributes
    ----------
    second, third, interaction : Moduli
        Shape (..., steps, n): of (3.5), (3.6) and (3.7).
    """

    second: Moduli
    third: Moduli
    interaction: Moduli


@dataclass(frozen=True, eq=False)
class Flow:
    """Spectra by scale, and what made them.

    Attributes
    ----------
    omega : ndarray, shape (n,) or (..., n)
        Nodes (rad/s); with leading axes where `omega_c` was given.
    temperature : ndarray, shape (...)
        T (K).
    scales : ndarray, shape (..., steps + 1)
        L_1, L_2, ... R (m). Here and below what would follow the end of a flow shorter than others is nan.
    longitudinal, transverse : ndarray, shape (..., steps + 1, n)
        Im chi~_l and Im chi~_t (Pa) at these scales.
    terms : FlowTerms
        Increments of each step.
    status : ndarray of str, shape (...)
        "done"; "diverged": at the last scale kept -Re chi_a has reached rho c_a^2, so that the block is not stable and
        the expansion in the interaction ends (a linear flow is not tested for it); "emission": the next step would make
        Im chi~ positive somewhere.
    stopped_at : ndarray, shape (...)
        That last scale (m) where the flow did not reach R, else nan.
    error : Moduli
        Estimated absolute errors (Pa), shape (...), one number a spectrum: the sum over the steps of what the errors of
        the integrals do in each (of the convolutions those at L_1, or all of them where that is below 1e-7 of the
        largest value). Their growth by the flow itself is not in it, nor what happens at a node where the spectrum
        jumps.
    """

    omega: FloatArray
    temperature: FloatArray
    scales: FloatArray
    longitudinal: FloatArray
    transverse: FloatArray
    terms: FlowTerms
    status: NDArray[np.str_]
    stopped_at: FloatArray
    error: Moduli

    @property
    def ratio(self) -> FloatArray:
        """sqrt(Im chi~_l/Im chi~_t), the Meissner-Berret ratio by scale, shape (..., steps + 1, n)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            result: FloatArray = np.sqrt(self.longitudinal / self.transverse)
        return result

    @property
    def cutoff_length(self) -> Moduli:
        """L_c (m), shape (..., n): where (3.5) + (3.6) equal (3.7), from the terms of the first step and their L^-3."""
        first = FlowTerms(*(Moduli(*(part[..., 0, :] for part in term)) for term in self.terms))
        with np.errstate(divide="ignore", invalid="ignore"):
            return Moduli(
                *(
                    self.scales[..., :1] * np.cbrt(np.abs((second + third) / relevant))
                    for second, third, relevant in zip(*first, strict=True)
                )
            )

    @property
    def shares(self) -> FlowTerms:
        """The terms as fractions of Im chi~ after the step."""
        after = (self.longitudinal[..., 1:, :], self.transverse[..., 1:, :])
        with np.errstate(divide="ignore", invalid="ignore"):
            return FlowTerms(*(Moduli(*(a / b for a, b in zip(term, after, strict=True))) for term in self.terms))

    @property
    def final(self) -> Moduli:
        """Im chi~_l and Im chi~_t (Pa), shape (..., n), at the last scale that each flow reached."""
        last = (~np.isnan(self.scales)).sum(axis=-1)[..., None, None] - 1
        both = (self.longitudinal, self.transverse)
        return Moduli(*(np.take_along_axis(samples, last, axis=-2)[..., 0, :] for samples in both))


def flow(
    spectrum: Spectrum,
    interaction: StressInteraction | ArrayLike,
    *,
    start: ArrayLike = 5e-9,
    stop: ArrayLike = 1e-3,
    n0: ArrayLike = 2.0,
    k_l: ArrayLike = 1.0,
    k_t: ArrayLike = 1.0,
    omega_c: ArrayLike | None = None,
    form: RateForm = "printed",
    linear: bool = False,
    keep: Literal["all", "ends"] = "all",
    threads: int | None = None,
    progress: Progress = False,
) -> Flow:
    r"""Renormalize the susceptibilities from blocks of side L_1 to a sample of side R: (4.1), step by step.

    Parameters
    ----------
    spectrum : Spectrum
        Im chi~_l and Im chi~_t of the blocks that the flow starts from, nowhere positive (in the printed form Im chi~_t
        not zero), and T. Its leading axes, and the shapes of the following arguments, broadcast: each member of the
        result is a flow of its own.
    interaction : StressInteraction or array_like of them, shape (...)
        The material.
    start, stop : array_like, shape (...)
        L_1 and R (m), R >= L_1.
    n0 : array_like, shape (...)
        Blocks along a side of a super block: above 1, not necessarily whole, at most 512 in the derived form. The last
        step is a smaller one where R is no power of N0 times L_1.
    k_l, k_t : array_like, shape (...)
        K_l and K_t of (3.6).
    omega_c : array_like, shape (...), optional
        Frequencies (rad/s) to which the spectrum's last node is moved, the others in proportion.
    form : {"printed", "derived"}
        As in `absorption_rates`.
    linear : bool
        Whether every step takes the integrals of the spectra at L_1, so that v is constant: (4.2).
    keep : {"all", "ends"}
        Record every scale, or L_1 and the last one with the sum of the terms: for many flows at once.
    threads : int, optional
        None: as many as this process may use, one flow each. The result does not depend on it.
    progress : bool or callable
        Draw a bar (needs rich), or call ``progress(flows done, flows in all)``.

    Returns
    -------
    Flow

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described. A flow that diverges is no error: see `Flow.status`.

    See Also
    --------
    absorption_rates : the terms of one step.
    self_consistent_ratio : the ratio that a flow dominated by v keeps.

    Notes
    -----
    By (3.1) and (3.8) one step is Im chi~_a(N0 L) = Im chi~_a(L) + the increments of the terms (3.5)-(3.7); in the
    printed form

    .. math:: \mathrm{Im}\,\tilde\chi_a(N_0L) = \mathrm{Im}\,\tilde\chi_a\Bigl(1
              - \frac{2\ln N_0}{\rho c_a^2}\,\mathrm{Re}\,\tilde\chi_a\Bigr) + O(L^{-3}),

    with Re chi~ by Kramers-Kronig at every step. Without the terms in L^-3 this is chi -> chi - ln N0 chi^2/(rho c^2)
    of an analytic function chi, and for small steps chi(L) = chi_1/(1 + (chi_1/rho c^2) ln(L/L_1)): |chi| grows, and
    diverges at L_1 exp(rho c^2/|chi_1|).

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, section IV.

    Examples
    --------
    >>> import numpy as np, mbfast
    >>> omega = np.geomspace(1e5, 1e15, 256)
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> spectrum = mbfast.Spectrum(omega, np.full(256, -7e7), np.full(256, -3e7), temperature=1.0)
    >>> run = mbfast.flow(spectrum, silica)
    >>> at = np.searchsorted(omega, 1e7)
    >>> print(run.status, run.scales.size, f"{run.final.transverse[at] / -3e7:.4f}", f"{run.ratio[-1, at]:.4f}")
    done 19 1.3319 1.5279
    """
    require_choice("form", form, RATE_FORMS)
    require_choice("keep", keep, ("all", "ends"))
    if not isinstance(linear, (bool, np.bool_)):
        raise TypeError(f"linear must be True or False, got {linear!r}")
    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"spectrum must be a Spectrum, got {spectrum!r}")
    materials = np.asarray(interaction, dtype=object)
    for material in materials.flat:
        if not isinstance(material, StressInteraction):
            raise TypeError(f"interaction must consist of StressInteraction, got {material!r}")
    given: dict[str, NDArray[Any]] = {
        "start": float_array("start", start),
        "stop": float_array("stop", stop),
        "n0": float_array("n0", n0),
        "k_l": float_array("k_l", k_l),
        "k_t": float_array("k_t", k_t),
        "omega_c": float_array("omega_c", spectrum.omega[-1] if omega_c is None else omega_c),
    }
    for name, unit in (("start", "m"), ("stop", "m"), ("omega_c", "rad/s")):
        require_positive(name, given[name], unit=unit)
    require_signs(form, spectrum.longitudinal, spectrum.transverse)
    shape = broadcast_shape(spectrum=spectrum, interaction=materials, **given)
    if 0 in shape:
        raise ValueError(f"at least one flow is wanted, got arguments of shape {shape}")
    n = spectrum.omega.size
    flat = {name: np.broadcast_to(array, shape).ravel() for name, array in given.items()}
    flat |= {"material": np.broadcast_to(materials, shape).ravel()}
    flat |= {"temperature": np.broadcast_to(spectrum.temperature, shape).ravel()}
    samples = [
        np.broadcast_to(array, (*shape, n)).reshape(-1, n) for array in (spectrum.longitudinal, spectrum.transverse)
    ]
    members = [
        _Member(
            Couplings(form, material, check_n0(side, form), check_moment_changes(flat["k_l"][i], flat["k_t"][i])),
            _scales(flat["start"][i], flat["stop"][i], side),
            np.stack([part[i] for part in samples]),
            float(flat["temperature"][i]),
            float(flat["omega_c"][i] / spectrum.omega[-1]),
        )
        for i, (material, side) in enumerate(zip(flat["material"], flat["n0"], strict=True))
    ]
    workers = _tiles.check_threads(threads)
    plans = _Plans(form, spectrum)
    with _tiles.counter(progress, len(members), "flows") as advance:
        runs = _tiles.run(
            lambda member: _run(plans, member, linear=bool(linear), ends=keep == "ends"),
            members,
            threads=workers,
            advance=advance,
        )
    stretched = np.outer([member.stretch for member in members], spectrum.omega)
    longitudinal, transverse = (_padded([run.spectra[:, a] for run in runs], shape) for a in range(2))
    terms = (Moduli(*(_padded([run.terms[:, i, a] for run in runs], shape) for a in range(2))) for i in range(3))
    return Flow(
        omega=spectrum.omega.copy() if omega_c is None else stretched.reshape(*shape, n),
        temperature=np.broadcast_to(spectrum.temperature, shape).copy(),
        scales=_padded([run.scales for run in runs], shape),
        longitudinal=longitudinal,
        transverse=transverse,
        terms=FlowTerms(*terms),
        status=np.array([run.status for run in runs]).reshape(shape),
        stopped_at=np.array([np.nan if run.status == "done" else run.scales[-1] for run in runs]).reshape(shape),
        error=Moduli(*np.array([run.error for run in runs]).T.reshape(2, *shape)),
    )


def self_consistent_ratio(
    c_l: ArrayLike,
    c_t: ArrayLike,
    *,
    form: RatioForm = "printed",
    n0: float | None = None,
    waves: float | None = None,
) -> FloatArray | np.float64:
    r"""Meissner-Berret ratio sqrt(Im chi~_l/Im chi~_t) of a sample whose absorption is v: the solution of (4.5).

    Parameters
    ----------
    c_l, c_t : array_like
        Sound velocities, in one unit, c_l >= c_t.
    form : {"printed", "phase-sum", "derived"}
        What v is. (3.7) as printed; (3.7) with the sum over blocks that it stands for, of Lambda with the strains as in
        `phase_sum`; or with the stresses that the strains induce, as in `absorption_rates`.
    n0 : float, optional
        Blocks along a side of the super block, for the forms with a sum; at most 512. None: an infinite sample of
        blocks that are small beside the wavelength.
    waves : float, optional
        Wavelengths of the transverse wave along a side, wanted with `n0`. The longitudinal wave is that of the same
        frequency.

    Returns
    -------
    ndarray or float64
        Of the shape to which c_l and c_t broadcast; nan where no positive ratio solves the equation.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Notes
    -----
    With Im chi~_l = y Im chi~_t at all frequencies, and so Re chi_l = y Re chi_t, (4.5) reads y = v_l/v_t:

    - printed: y = y^2 c_t^2/c_l^2, so sqrt(y) = c_l/c_t;
    - phase-sum: y = y^2 F_l/F_t with the sums F_a of Lambda_ijkl e_ij e_kl cos(k.x) averaged over directions, and the
      stresses chi_a e (a transverse strain induces 2 chi_t e: with that y would be four times as large);
    - derived: y = [F_l + (y - 2) F_m]/F_t, F_m that of Lambda_iikl k_k k_l, because a longitudinal strain also induces
      the stress (chi_l - 2 chi_t) d_ij.

    In an infinite sample, with alpha = 1 - c_t^2/c_l^2, y is (5 + 4 alpha)/(40 - 48 alpha) and (40 - 32 alpha)/(35 -
    44 alpha). A block's field at itself is not part of these sums; with it, Lambda's Fourier transform, y would be that
    of the printed form. The flow does not lead to these ratios: they repel.

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (3.7), (4.5).

    Examples
    --------
    >>> import mbfast
    >>> for form in ("printed", "phase-sum", "derived"):
    ...     print(f"{mbfast.self_consistent_ratio(5800, 3800, form=form):.4f}")
    1.5263
    0.7602
    1.4827
    """
    require_choice("form", form, get_args(RatioForm))
    velocities = {"c_l": float_array("c_l", c_l), "c_t": float_array("c_t", c_t)}
    for name, array in velocities.items():
        require_positive(name, array, unit="")
    broadcast_shape(**velocities)
    ratio = velocities["c_l"] / velocities["c_t"]
    if (ratio < 1.0).any():
        raise ValueError(f"c_l must not be below c_t, got c_l/c_t = {ratio.min():g}")
    if form == "printed":
        if n0 is not None or waves is not None:
            raise ValueError("n0 and waves must not be given in the printed form, which does not depend on them")
        return ratio
    alpha = 1.0 - ratio**-2.0
    if (n0 is None) != (waves is None):
        raise ValueError(f"n0 and waves must be given both or not at all, got {n0!r} and {waves!r}")
    of_l = of_t = np.array([4.0 * math.pi / 3.0, 8.0 * math.pi / 15.0]).reshape(2, *(1,) * alpha.ndim)
    if n0 is not None and waves is not None:
        side, number = check_n0(n0, "derived"), one_number("waves", waves)
        require_positive("waves", np.asarray(number), unit="wavelengths")
        reduced = 2.0 * math.pi * number / side * np.stack([1.0 / ratio, np.ones_like(ratio)])
        out = np.empty((2, reduced.size))
        displacements.isotropic_phase(*cube_pairs(side), reduced.ravel(), out)
        of_l, of_t = np.moveaxis(out.reshape(2, *reduced.shape), 1, 0)
    along, mixed, across = contracted((1.0 - alpha, 6.0 * alpha - 3.0, alpha), of_l, of_t)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = across / along if form == "phase-sum" else (along - 2.0 * mixed) / (across - mixed)
        result: FloatArray = np.where((y > 0.0) & np.isfinite(y), np.sqrt(y), np.nan)
    return result[()]


class _Member(NamedTuple):
    """One flow; `stretch` is what its frequencies are multiplied by."""

    couplings: Couplings
    scales: FloatArray
    samples: FloatArray
    kelvin: float
    stretch: float


class _Run(NamedTuple):
    scales: FloatArray  # (steps + 1,)
    spectra: FloatArray  # (steps + 1, 2, n)
    terms: FloatArray  # (steps, 3, 2, n)
    status: Status
    error: FloatArray  # (2,)


def _scales(start: float, stop: float, n0: float) -> FloatArray:
    """Return L_1, N0 L_1, ... R."""
    if stop < start:
        raise ValueError(f"stop must not be below start, got R = {stop:g} and L_1 = {start:g} m")
    check_n0(n0, "printed")
    steps = math.ceil(math.log(stop / start) / math.log(n0) - 1e-9)
    if steps > _MOST_STEPS:
        raise ValueError(f"n0 must let R be reached in {_MOST_STEPS} steps, got {float(n0)!r}, which takes {steps}")
    return np.append(start * n0 ** np.arange(steps), stop) if steps else np.array([start])


class _Plans:
    """Integrals of spectra on the common nodes; frequencies of a member are `stretch` times these."""

    def __init__(self, form: RateForm, spectrum: Spectrum) -> None:
        self.form, self.omega = form, spectrum.omega
        self.convolution = ConvolutionPlan(self.omega, **spectrum.options)
        self.real = KramersKronigPlan(self.omega, **real_options(form, spectrum))

    def real_part(self, f: FloatArray, thermal: FloatArray) -> FloatArray:
        """Return Re chi_l and Re chi_t (2, n)."""
        return fill_jumps(self.real(real_samples(self.form, f, thermal), threads=1))

    def integrals(self, f: FloatArray, thermal: FloatArray, kelvin: float, stretch: float) -> Integrals:
        """Return what the increments take of Im chi~ (2, n)."""
        real = self.real_part(f, thermal)
        l, t = f  # noqa: E741
        if self.form == "derived":
            tt, lt = self.convolution.pair(t, l, temperature=kelvin, threads=1)
        else:
            tt = lt = self.convolution(t, temperature=kelvin, threads=1)
        return Integrals(f, real, tt * stretch, lt * stretch)

    def real_errors(self, f: FloatArray, thermal: FloatArray) -> list[FloatArray]:
        """Return the errors of Re chi_l and Re chi_t."""
        return list(np.asarray(self.real.error(real_samples(self.form, f, thermal), threads=1)))

    def convolution_errors(self, f: FloatArray, kelvin: float, stretch: float) -> list[FloatArray]:
        """Return the errors of the convolutions tt and lt."""
        pairs = [(f[1],), tuple(f)] if self.form == "derived" else [(f[1],)] * 2
        return [np.asarray(self.convolution.error(*pair, temperature=kelvin, threads=1)) * stretch for pair in pairs]


def _run(plans: _Plans, member: _Member, *, linear: bool, ends: bool) -> _Run:
    couplings, f = member.couplings, member.samples
    kelvin, omega = member.kelvin / member.stretch, plans.omega * member.stretch
    thermal = absorbed_fraction(plans.omega, np.asarray(kelvin))
    spectra, kept, total = [f], [], np.zeros((3, *f.shape))
    status: Status = "done"
    steps = [couplings] * (member.scales.size - 1)
    if steps:
        steps[-1] = couplings.with_n0(float(member.scales[-1] / member.scales[-2]))
    integrals = plans.integrals(f, thermal, kelvin, member.stretch)
    # all of a convolution may be taken as its error where that is small beside those of Re chi, or beside Im chi~:
    # an estimate costs more than several steps
    whole = [np.abs(part).max() for part in (integrals.tt, integrals.lt)]
    errors = [*plans.real_errors(f, thermal), *whole]
    if steps:
        small, large = (
            steps[0].uncertainty(omega, float(member.scales[0]), f, part).max(axis=1)
            for part in ([0.0, 0.0, *whole], errors[:2])
        )
        if (small > np.maximum(0.01 * large, 1e-7 * np.abs(f).max(axis=1))).any():
            errors[2:] = plans.convolution_errors(f, kelvin, member.stretch)
    lost, reached = np.zeros(2), 0
    for size, step in zip(member.scales[:-1], steps, strict=True):
        if not linear:
            if reached:
                integrals = plans.integrals(f, thermal, kelvin, member.stretch)
                errors[:2] = plans.real_errors(f, thermal)
            if (-integrals.real >= couplings.moduli).any():
                status = "diverged"
                break
        terms = np.stack(step.increments(omega, float(size), integrals))
        after = f + terms.sum(axis=0)
        if (after > 0.0).any():
            status = "emission"
            break
        lost += step.uncertainty(omega, float(size), f, errors).max(axis=1)
        f, reached = after, reached + 1
        total += terms
        if not ends:
            kept.append(terms)
            spectra.append(f)
    if status == "done" and reached and not linear:
        status = "diverged" if (-plans.real_part(f, thermal) >= couplings.moduli).any() else "done"
    scales = member.scales[: reached + 1]
    if ends:
        return _Run(scales[[0, -1]], np.stack([spectra[0], f]), total[None], status, lost)
    return _Run(scales, np.stack(spectra), np.array(kept).reshape(reached, *total.shape), status, lost)


def _padded(parts: list[FloatArray], shape: tuple[int, ...]) -> FloatArray:
    """Stack arrays that differ in the length of their first axis, with nan behind the shorter ones."""
    longest = max(part.shape[0] for part in parts)
    result = np.full((len(parts), longest, *parts[0].shape[1:]), np.nan)
    for part, row in zip(parts, result, strict=True):
        row[: part.shape[0]] = part
    return result.reshape(*shape, *result.shape[1:])
