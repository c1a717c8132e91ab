"""The renormalization flow (4.1), (4.2) of Im chi~_l and Im chi~_t from the scale of a block to that of a sample."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, BinaryIO, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast import __version__
from mbfast._core import archive, jobs, tiles, validate
from mbfast._core.tiles import Progress
from mbfast._core.validate import FloatArray
from mbfast._core.voigt import POLARIZATIONS
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.steps import Member, Run, prepare, run_member
from mbfast.renormalization.terms import RateForm, terms_of
from mbfast.spectra.moduli import Moduli
from mbfast.spectra.spectrum import Spectrum


class FlowTerms(NamedTuple):
    """What each term of (4.1) added to Im chi~ (Pa), step by step.

    Attributes
    ----------
    second, third, interaction : Moduli
        Shape (..., steps, n): of (3.5), (3.6) and (3.7).

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> spectrum = mbfast.Spectrum(np.geomspace(1e5, 1e15, 64), np.full(64, -7e7), np.full(64, -3e7))
    >>> run = mbfast.flow(spectrum, mbfast.StressInteraction(2200, 5800, 3800), stop=4e-8)
    >>> added = sum(part.transverse for part in run.terms).sum(axis=0)
    >>> bool(np.allclose(run.final.transverse, -3e7 + added, rtol=1e-12))
    True
    """

    second: Moduli
    third: Moduli
    interaction: Moduli


# arrays of a saved flow, and what they have behind its leading axes: n nodes, s scales, - steps
_FIELDS = {"omega": "n", "temperature": "", "scales": "s", "longitudinal": "sn", "transverse": "sn"}
_FIELDS |= {"status": "", "stopped_at": ""}
_MODULI = {**dict.fromkeys(FlowTerms._fields, "-n"), "error": ""}
_ARRAYS = _FIELDS | {f"{name}_{p}": axes for name, axes in _MODULI.items() for p in POLARIZATIONS}


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
        "done"; "diverged": at the last scale kept -Re chi_a has reached rho c_a^2, the block is not stable and the
        expansion ends (not tested of linear flows); "emission": the next step would make Im chi~ positive somewhere.
    stopped_at : ndarray, shape (...)
        That last scale (m) where the flow did not reach R, else nan.
    error : Moduli
        Estimated absolute errors (Pa) of the last spectra, shape (...): of each the largest at any node where it does
        not jump. They are those of sampling: what the integrals lack in each step, and what the following steps make of
        it. Above the errors wherever the nodes show what is between them, and mostly less than thirty times as large.
    inputs : dict
        The arguments, in types that JSON has: "version" of mbfast; "interaction", the parameters of the material, or
        nested lists of them; "start", "stop", "n0", "k_l", "k_t", "omega_c", "form", "linear" and "keep" as given;
        "spectrum", how it goes on beyond its nodes and between them; "config", the text that `read_flow_config` read.

    Examples
    --------
    >>> import mbfast, numpy as np, pathlib, tempfile
    >>> spectrum = mbfast.Spectrum(np.geomspace(1e5, 1e15, 64), np.full(64, -7e7), np.full(64, -3e7))
    >>> run = mbfast.flow(spectrum, mbfast.StressInteraction(2200, 5800, 3800), stop=4e-8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run.save(pathlib.Path(folder) / "run.npz")
    ...     same = mbfast.Flow.load(pathlib.Path(folder) / "run.npz")
    >>> same.status, same.scales.tolist(), bool((same.longitudinal == run.longitudinal).all())
    (array('done', dtype='<U4'), [5e-09, 1e-08, 2e-08, 4e-08], True)
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
    inputs: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> FloatArray:
        """sqrt(Im chi~_l/Im chi~_t), the Meissner-Berret ratio by scale, shape (..., steps + 1, n)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.sqrt(self.longitudinal / self.transverse))

    @property
    def cutoff_length(self) -> Moduli:
        """L_c (m), shape (..., n): where (3.5) + (3.6) equal (3.7), from the terms of the first step and their L^-3.

        A ValueError if there is no step.
        """
        if self.scales.shape[-1] < 2:
            raise ValueError("cutoff_length needs one step of the flow, got none: stop must be above start")
        second, third, relevant = (np.stack([part[..., 0, :] for part in term]) for term in self.terms)
        with np.errstate(divide="ignore", invalid="ignore"):
            return Moduli(*(self.scales[..., :1] * np.cbrt(np.abs((second + third) / relevant))))

    @property
    def shares(self) -> FlowTerms:
        """The terms as fractions of Im chi~ after the step."""
        after = (self.longitudinal[..., 1:, :], self.transverse[..., 1:, :])
        with np.errstate(divide="ignore", invalid="ignore"):
            return FlowTerms(*(Moduli(*map(np.divide, term, after)) for term in self.terms))

    @property
    def final(self) -> Moduli:
        """Im chi~_l and Im chi~_t (Pa), shape (..., n), at the last scale that each flow reached."""
        last = (~np.isnan(self.scales)).sum(axis=-1)[..., None, None] - 1
        both = np.stack([self.longitudinal, self.transverse])
        return Moduli(*np.take_along_axis(both, last[None], axis=-2)[..., 0, :])

    def save(self, file: str | os.PathLike[str] | BinaryIO) -> None:
        """Write the flow into an .npz archive, which `Flow.load` and `numpy.load` read.

        Its arrays are omega, temperature, scales, longitudinal, transverse, status, stopped_at, ratio, and of both
        polarizations second_longitudinal, ... interaction_transverse, error_longitudinal, error_transverse. Strings
        are form, config (if there is one), version, format, and inputs (JSON).

        Parameters
        ----------
        file : path-like or binary stream
            A path, which gets no suffix added, is written whole or not at all, and its folders are made; what was there
            is replaced. Equal flows make equal bytes.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        arrays = {name: getattr(self, name) for name in (*_FIELDS, "ratio")}
        moduli = {**self.terms._asdict(), "error": self.error}
        arrays |= {f"{name}_{p}": part for name, both in moduli.items() for p, part in both._asdict().items()}
        arrays |= {name: self.inputs[name] for name in ("form", "config") if name in self.inputs}
        archive.save_result(file, "flow", arrays, self.inputs)

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Self:
        """Read a flow that `Flow.save` or ``mbfast flow`` wrote.

        Parameters
        ----------
        file : path-like
            The archive. Nothing in it is executed: pickled objects are refused.

        Returns
        -------
        Flow
            With equal arrays and inputs.

        Raises
        ------
        OSError
            If the file cannot be opened.
        TypeError
            If `file` is no path.
        ValueError
            If it is damaged, no saved flow, incomplete, or of a later format than this mbfast; the message names it.
        """
        content, inputs = archive.load_result(file, "flow", _ARRAYS)
        *shape, n_scales = content["scales"].shape or (0,)
        lengths = {"s": n_scales, "-": n_scales - 1, "n": content["omega"].shape[-1] if content["omega"].ndim else 0}
        for name, axes in _ARRAYS.items():
            array, wanted = content[name], (*shape, *(lengths[axis] for axis in axes))
            kind = "U" if name == "status" else "f"
            if array.dtype.kind != kind or array.shape not in {wanted, wanted[-1:] if name == "omega" else wanted}:
                what = "text" if kind == "U" else "numbers"
                got = f"{array.dtype} of shape {array.shape}"
                raise ValueError(f"{file}: not a flow, {name} must be {what} of shape {wanted}, got {got}")

        def both(name: str) -> Moduli:
            return Moduli(*(content[f"{name}_{polarization}"][()] for polarization in POLARIZATIONS))

        terms = FlowTerms(*(both(name) for name in FlowTerms._fields))
        return cls(**{name: content[name] for name in _FIELDS}, terms=terms, error=both("error"), inputs=inputs)


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
    checkpoint: str | os.PathLike[str] | None = None,
) -> Flow:
    r"""Renormalize the susceptibilities from blocks of side L_1 to a sample of side R: (4.1), step by step.

    `absorption_rates` has the terms of one step, `self_consistent_ratio` the ratio that a flow dominated by v keeps.

    Parameters
    ----------
    spectrum : Spectrum
        Im chi~_l and Im chi~_t of the blocks that the flow starts from, nowhere positive (in the printed form Im chi~_t
        not zero), and T. Its leading axes and the following arguments broadcast: each member of the result is a flow.
    interaction : StressInteraction or array_like of them, shape (...)
        The material.
    start, stop : array_like, shape (...)
        L_1 and R (m), R >= L_1.
    n0, k_l, k_t : array_like, shape (...)
        As in `absorption_rates`. The last step is one of a smaller n0 where R is no power of N0 times L_1.
    omega_c : array_like, shape (...), optional
        Frequencies (rad/s) to which the spectrum's last node is moved, the others in proportion.
    form : {"printed", "derived", "derived-points", "total-strain"}
        As in `absorption_rates`. What a linear flow in the derived form adds up to does not depend on `n0`; in the last
        one the result is the response by the strain of the wave.
    linear : bool
        Whether every step takes the integrals of the spectra at L_1, so that v is constant: (4.2).
    keep : {"all", "ends"}
        Record every scale, or L_1 and the last one with the sum of the terms: for many flows at once.
    threads : int, optional
        As in `absorption_rates`, one flow each.
    progress : bool or callable
        Draw a bar (needs rich), or call ``progress(flows done, flows in all)``.
    checkpoint : str or path-like, optional
        A file that keeps finished flows, so that the same call goes on with it after the process was killed, to the
        same bits; see `Checkpoint`.

    Returns
    -------
    Flow

    Raises
    ------
    TypeError
        As in `absorption_rates`, for each element of an array; if start, stop or omega_c does not consist of real
        numbers; or if `linear` is not a bool.
    ValueError
        As in `absorption_rates`, for the arguments of the same name; if start, stop or omega_c is not from 1e-35 to
        1e35, or stop is below start; if n0 is so small that a flow takes more than 100,000 steps; if `keep` is unknown;
        if shapes do not broadcast, or hold no flow. A flow that diverges is no error: see `Flow.status`.

    Notes
    -----
    By (3.1) and (3.8) one step is Im chi~_a(N0 L) = Im chi~_a(L) + the increments of the terms (3.5)-(3.7); in the
    printed form

    .. math:: \mathrm{Im}\,\tilde\chi_a(N_0L) = \mathrm{Im}\,\tilde\chi_a\Bigl(1
              - \frac{2\ln N_0}{\rho c_a^2}\,\mathrm{Re}\,\tilde\chi_a\Bigr) + O(L^{-3}),

    with Re chi~ by Kramers-Kronig at every step. Without the terms in L^-3 this is chi -> chi - ln N0 chi^2/(rho c^2)
    of an analytic function chi, and for small steps chi(L) = chi_1/(1 + (chi_1/rho c^2) ln(L/L_1)). Where Re chi < 0,
    |chi| grows; chi_1 < 0 diverges at L_1 exp(rho c^2/|chi_1|).

    How much that is depends on which real part is taken. In the example C = -Im chi~_t/(pi rho c_t^2) is 3.0e-4, up to
    omega_c = 1e15 rad/s, and -Im chi~_t grows by 33 % from 5 nm to 1 mm, at any T: by 2 ln(R/L_1) |Re chi~|/(rho c_t^2)
    = 27 % to first order. With Re chi, the response's own real part, the latter is 17 % at 0.1 K and 13 % at 1 K.

    The derived forms are of the first order in the coupling of blocks, and of its average over the signs of their
    stresses, in which the effect of the neighbours' static stresses (Hartree) vanishes. They have no second order, of
    which a mean remains. `mbfast.superblock.perturbation` has both parts of the first order for given blocks.

    In the form "total-strain" the first step adds the whole local field, chi P chi, and no other step adds to it: a
    super block answers to the strain of the wave as its blocks do, of whatever size. So it does not depend on N0, and
    no logarithm arises. A flow from the result of such a flow would add it twice.

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
    kind = terms_of(form)
    validate.require_choice("keep", keep, ("all", "ends"))
    validate.require_flag("linear", linear)
    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"spectrum must be a Spectrum, got {spectrum!r}")
    kind.require_signs(spectrum)
    given = {"start": start, "stop": stop, "n0": n0, "k_l": k_l, "k_t": k_t}
    given |= {} if omega_c is None else {"omega_c": omega_c}
    arrays: dict[str, NDArray[Any]] = {name: validate.float_array(name, value) for name, value in given.items()}
    for name, unit in (("start", "m"), ("stop", "m"), ("omega_c", "rad/s")):
        if name in arrays:
            validate.require_positive(name, arrays[name], unit=unit)
    arrays["interaction"] = np.asarray(interaction, dtype=object)
    shape = validate.broadcast_shape(spectrum=spectrum, **arrays)
    if 0 in shape:
        empty = next((name for name, array in arrays.items() if 0 in array.shape), "spectrum")
        raise ValueError(f"{empty} must be of at least one flow, got arguments of shape {shape}")
    members = prepare(kind, spectrum, {name: np.broadcast_to(array, shape) for name, array in arrays.items()}, shape)
    workers = tiles.check_threads(threads)
    inputs = {"version": __version__, "form": form, "linear": bool(linear), "keep": keep, "omega_c": None}
    inputs |= {name: array.tolist() for name, array in arrays.items()}
    inputs["spectrum"] = {**spectrum.options, "degree": int(spectrum.degree)}
    inputs["interaction"] = np.asarray(np.frompyfunc(asdict, 1, 1)(arrays["interaction"]), dtype=object).tolist()
    work = partial(_arrays, members, linear=bool(linear), ends=keep == "ends")
    samples = {name: getattr(spectrum, name) for name in ("omega", "longitudinal", "transverse", "temperature")}
    with jobs.kept(checkpoint, "flow", {**inputs, **samples}):
        found = jobs.run(work, range(len(members)), threads=workers, progress=progress, label="flows")
    runs = [Run(**arrays) for arrays in found]
    longitudinal, transverse = (_padded([run.spectra[:, a] for run in runs], shape) for a in range(2))
    terms = (Moduli(*(_padded([run.terms[:, i, a] for run in runs], shape) for a in range(2))) for i in range(3))
    stretched = np.stack([member.omega for member in members]).reshape(*shape, -1)
    return Flow(
        omega=spectrum.omega.copy() if omega_c is None else stretched,
        temperature=np.broadcast_to(spectrum.temperature, shape).copy(),
        scales=_padded([run.scales for run in runs], shape),
        longitudinal=longitudinal,
        transverse=transverse,
        terms=FlowTerms(*terms),
        status=np.array([run.status for run in runs]).reshape(shape),
        stopped_at=np.array([np.nan if run.status == "done" else run.scales[-1] for run in runs]).reshape(shape),
        error=Moduli(*np.array([run.error for run in runs]).T.reshape(2, *shape)),
        inputs=inputs,
    )


def _arrays(members: list[Member], number: int, *, linear: bool, ends: bool) -> dict[str, Any]:
    """Return what one of the flows has computed, by name."""
    return run_member(members[number], linear=linear, ends=ends)._asdict()


def _padded(parts: list[FloatArray], shape: tuple[int, ...]) -> FloatArray:
    """Stack arrays that differ in the length of their first axis, with nan behind the shorter ones."""
    longest = max(part.shape[0] for part in parts)
    result = np.full((len(parts), longest, *parts[0].shape[1:]), np.nan)
    for part, row in zip(parts, result, strict=True):
        row[: part.shape[0]] = part
    return result.reshape(*shape, *result.shape[1:])
