"""The steps of flows: what is constant along one of them, the integrals of its spectra, and the loop."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mbfast._core.validate import FloatArray
from mbfast.renormalization.errors import Companion
from mbfast.renormalization.terms import Integrals, Terms, fill_jumps
from mbfast.spectra.convolution import ConvolutionPlan
from mbfast.spectra.dispersion import KramersKronigPlan
from mbfast.spectra.spectrum import Spectrum
from mbfast.spectra.thermal import absorbed_fraction

Status: TypeAlias = Literal["done", "diverged", "emission"]

_MOST_STEPS = 100_000


@dataclass(frozen=True, eq=False)
class Member:
    """One flow: what does not change along it, and the integrals of its spectra f (2, n).

    All members share the nodes and the plans on them. The frequencies of a member are `stretch` times the nodes, and
    `kelvin` is its temperature over `stretch`, at which the nodes have the Boltzmann factors of its frequencies.
    """

    terms: Terms
    scales: FloatArray
    samples: FloatArray
    kelvin: float
    stretch: float
    omega: FloatArray  # (n,)
    thermal: FloatArray  # 1 - exp(-hbar omega/k_B T), (n,)
    convolution: ConvolutionPlan
    transform: KramersKronigPlan

    def real_part(self, f: FloatArray) -> FloatArray:
        """Return Re chi_l and Re chi_t (2, n)."""
        return fill_jumps(self.transform(self.terms.real_samples(f, self.thermal), threads=1))

    def products(self, f: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the convolutions tt and lt (n,), or tt twice where the form takes no lt."""
        if self.terms.mixed:
            tt, lt = self.convolution.pair(f[1], f[0], temperature=self.kelvin, threads=1)
        else:
            tt = lt = self.convolution(f[1], temperature=self.kelvin, threads=1)
        return tt * self.stretch, lt * self.stretch

    def product_corrections(self, f: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
        """Return of tt and lt what the next term would change, and what that may miss."""
        pairs = [(f[1],), (f[0], f[1])] if self.terms.mixed else [(f[1],)]
        found = [self.convolution.correction(*pair, temperature=self.kelvin, threads=1) for pair in pairs]
        both = [(change * self.stretch, missed * self.stretch) for change, missed in found]
        return [both[0], both[-1]]

    def integrals(self, f: FloatArray) -> Integrals:
        """Return what the increments take of Im chi~."""
        return Integrals(f, self.real_part(f), *self.products(f))

    def steps(self) -> list[Terms]:
        """Return the terms of each step; the last one may be a smaller one."""
        steps = [self.terms, *[self.terms.following()] * (self.scales.size - 2)][: self.scales.size - 1]
        if steps:
            steps[-1] = dataclasses.replace(steps[-1], n0=float(self.scales[-1] / self.scales[-2]))
        return steps


class Run(NamedTuple):
    """What one flow leaves: the estimated errors are those of its last spectra."""

    scales: FloatArray  # (steps + 1,)
    spectra: FloatArray  # (steps + 1, 2, n)
    terms: FloatArray  # (steps, 3, 2, n)
    status: Status
    error: FloatArray  # (2,)


def prepare(
    kind: type[Terms], spectrum: Spectrum, given: dict[str, NDArray[Any]], shape: tuple[int, ...]
) -> list[Member]:
    """Return the flows of arguments that have the shape of all of them."""
    nodes, n = spectrum.omega, spectrum.omega.size
    convolution = ConvolutionPlan(spectrum.grid)
    transform = KramersKronigPlan(kind.real_grid(spectrum))
    both = [np.broadcast_to(part, (*shape, n)).reshape(-1, n) for part in (spectrum.longitudinal, spectrum.transverse)]
    kelvin = np.broadcast_to(spectrum.temperature, shape).ravel()
    members = []
    for i, place in enumerate(np.ndindex(shape)):
        own: dict[str, Any] = {name: array[place] for name, array in given.items()}
        terms = kind.of(own["interaction"], own["n0"], own["k_l"], own["k_t"])
        scales = _scales(own["start"], own["stop"], terms.n0)
        stretch = float(own.get("omega_c", nodes[-1]) / nodes[-1])
        samples = np.stack([part[i] for part in both])
        cold = float(kelvin[i]) / stretch
        thermal = absorbed_fraction(nodes, np.asarray(cold))
        members.append(Member(terms, scales, samples, cold, stretch, nodes * stretch, thermal, convolution, transform))
    return members


def _scales(start: float, stop: float, n0: float) -> FloatArray:
    """Return L_1, N0 L_1, ... R."""
    if stop < start:
        raise ValueError(f"stop must not be below start, got R = {stop:g} and L_1 = {start:g} m")
    steps = math.ceil(math.log(stop / start) / math.log(n0) - 1e-9)
    if steps > _MOST_STEPS:
        raise ValueError(f"n0 must let R be reached in {_MOST_STEPS} steps, got {n0!r}, which takes {steps}")
    return np.append(start * n0 ** np.arange(steps), stop) if steps else np.array([start])


def run_member(member: Member, *, linear: bool, ends: bool) -> Run:
    """Take all steps of one flow; `ends` keeps the first and the last spectra, and the sum of the terms."""
    f, omega, moduli = member.samples, member.omega, member.terms.moduli
    spectra, kept, total = [f], [], np.zeros((3, *f.shape))
    status: Status = "done"
    integrals, reached = member.integrals(f), 0
    companion = Companion(member, integrals, linear=linear)
    for size, step in zip(member.scales[:-1], member.steps(), strict=True):
        if not linear:
            if reached:
                integrals = member.integrals(f)
                companion.measure(f, integrals)
            if (-integrals.real >= moduli).any():
                status = "diverged"
                break
        columns = np.stack(step.increments(omega, float(size), companion.beside(integrals)))
        terms = np.ascontiguousarray(columns[:, :, 0])
        after = f + terms.sum(axis=0)
        if (after > 0.0).any():
            status = "emission"
            break
        companion.advance(f, columns)
        f, reached = after, reached + 1
        total += terms
        if not ends:
            kept.append(terms)
            spectra.append(f)
    if status == "done" and reached and not linear:
        status = "diverged" if (-member.real_part(f) >= moduli).any() else "done"
    scales = member.scales[: reached + 1]
    if ends:
        return Run(scales[[0, -1]], np.stack([spectra[0], f]), total[None], status, companion.error)
    return Run(scales, np.stack(spectra), np.array(kept).reshape(reached, *total.shape), status, companion.error)
