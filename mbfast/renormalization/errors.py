"""Estimated errors of flows: the same flow with better integrals, step by step beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mbfast._core.validate import FloatArray
from mbfast.renormalization.terms import Integrals
from mbfast.spectra.grid import FrequencyGrid, everywhere
from mbfast.spectra.tails import ROUNDING

if TYPE_CHECKING:
    from mbfast.renormalization.steps import Member

# Factors on the changes by the next terms and on `roughness`, as those of `convolve` and `kramers_kronig`.
_SAFETY, _ROUGH = 3.0, 8.0
_SMALL = 0.1  # of the errors of Re chi: a bound that is smaller is taken for the error of a convolution
_COUPLED = 1e-3  # of Im chi~: of smaller terms (3.5), (3.6) no errors of spectra are followed
_NEGLIGIBLE = 1e-8  # of the largest value, where relative errors do not count


class Companion:
    """The error of a flow, carried along with it.

    `change` is what the flow would have more if the next terms of its interpolants were in it, and if spectra went on
    beyond the nodes as those at L_1 do, times what the flow changes at the ends, in place of power laws through two
    nodes: what that does to Re chi and to the convolutions at each step, and what the steps that follow make of it. It
    keeps its sign and grows as the flow makes it grow. `doubt` bounds what it misses at kinks, and rounding errors.
    """

    def __init__(self, member: Member, integrals: Integrals, *, linear: bool) -> None:
        self._member, self._linear = member, linear
        self._change, self._doubts = np.zeros(member.samples.shape), np.zeros((2, 4, *member.samples.shape[1:]))
        grid = member.convolution.grid
        self._known = grid.low.tail(member.samples), grid.high.tail(member.samples)
        self._counted = np.ones(member.samples.shape, dtype=bool)  # nodes where no spectrum jumps
        self._real, self._real_doubt, self._products, self._product_doubt = np.zeros((4, *member.samples.shape))
        self._rounding = np.zeros(2)  # of the sums of terms
        self._better, self._coupled = self._products, False
        self.measure(member.samples, integrals)
        self._measure_products(integrals)

    def measure(self, f: FloatArray, integrals: Integrals) -> None:
        """Take the errors of the integrals of spectra f; those of the convolutions remain as they are at first."""
        member, grid = self._member, self._member.transform.grid
        samples, change = (member.terms.real_samples(part, member.thermal) for part in (f, self._change))
        self._real = member.transform.correction(samples, integrals.real, change, member.samples, self._known)
        for end, inner, tail in ((0, 1, grid.low.tail(samples)), (-1, -2, grid.high.tail(samples))):
            jumps = (tail.amplitude == 0.0) & (samples[:, end] != 0.0)
            self._counted[jumps, end] = False
            self._real[jumps, end] = self._real[jumps, inner]  # as `fill_jumps` does
        rough, largest = grid.remainder(samples), np.abs(samples).max(axis=1)
        self._real_doubt = _ROUGH * _around(rough) + everywhere(grid, rough, largest)[:, None]
        if self._coupled:
            with_change = member.products(f + self._follow(f))
            self._better = self._products + np.stack(with_change) - np.stack([integrals.tt, integrals.lt])

    def _measure_products(self, integrals: Integrals) -> None:
        """Take the errors of tt and lt: relative ones of the spectra if these do for a bound, else those computed."""
        member, f, whole = self._member, self._member.samples, np.abs([integrals.tt, integrals.lt])
        of_l, of_t = _relative(member.convolution.grid, f)
        bound = np.array([[2.0 * of_t], [of_l + of_t if member.terms.mixed else 2.0 * of_t]]) * whole
        size, zero = float(member.scales[0]), np.zeros_like(whole[0])
        of_bound = member.terms.uncertainty(member.omega, size, f, [zero, zero, *bound])
        of_real = np.abs(sum(member.terms.increments(member.omega, size, Integrals(f, self._real, zero, zero))))
        if (of_bound.max(axis=1) <= _SMALL * of_real.max(axis=1)).all():
            self._product_doubt = bound
        else:
            parts = member.product_corrections(f)
            self._products, self._product_doubt = (np.stack(part) for part in zip(*parts, strict=True))
        self._better = self._products

    def _follow(self, f: FloatArray) -> FloatArray:
        """Return the change, where it is not so large that it would turn a sign."""
        return np.clip(self._change, -0.5 * np.abs(f), 0.5 * np.abs(f))

    def beside(self, given: Integrals) -> Integrals:
        """Return what a step takes: columns (2, 6, n) of the flow, of the better one, and of each doubt alone."""
        f, real, zero = given.chi, np.zeros((6, *given.chi.shape)), np.zeros_like(given.tt)
        chi = np.stack([f] * 6)
        if not self._linear:
            chi[1] += self._follow(f)
        real[0], real[1] = given.real, given.real + self._real
        real[2, 0], real[3, 1] = self._real_doubt + (0.0 if self._linear else self._doubt)
        tt = [given.tt, given.tt + self._better[0], zero, zero, self._product_doubt[0], zero]
        lt = [given.lt, given.lt + self._better[1], zero, zero, zero, self._product_doubt[1]]
        return Integrals(chi.swapaxes(0, 1), real.swapaxes(0, 1), np.stack(tt), np.stack(lt))

    def advance(self, f: FloatArray, terms: FloatArray) -> None:
        """Take a step of which `terms` (3, 2, 6, n) are the increments."""
        total = terms.sum(axis=0)
        step = total[:, 0]
        self._change = self._change + total[:, 1] - step
        if not self._linear:
            self._doubts = (
                self._doubts * (1.0 + np.divide(np.abs(step), np.abs(f), out=np.zeros_like(f), where=f != 0.0))[:, None]
            )
            self._coupled = bool(
                (np.abs(terms[:2, :, 0]).sum(axis=0).max(axis=1) > _COUPLED * np.abs(f).max(axis=1)).any()
            )
        self._doubts = self._doubts + total[:, 2:]
        self._rounding += ROUNDING * np.abs(f).max(axis=1)

    @property
    def _doubt(self) -> FloatArray:
        return np.asarray(np.abs(self._doubts).sum(axis=1))

    @property
    def error(self) -> FloatArray:
        """Estimate of the largest error (2,) at nodes where no spectrum jumps."""
        errors = _SAFETY * np.abs(self._change) + self._doubt
        return np.asarray(np.where(self._counted, errors, 0.0).max(axis=1) + self._rounding)


def _around(cells: FloatArray) -> FloatArray:
    """Return, at nodes (rows, n), the largest of what cells (rows, n - 1) have, divided by their distance in cells."""
    padded = np.pad(cells, ((0, 0), (1, 1)))
    near = np.maximum(padded[:, :-1], padded[:, 1:])
    result, reach = near, 1
    while reach < cells.shape[1]:
        wide = near.copy()
        wide[:, reach:] = np.maximum(wide[:, reach:], near[:, :-reach])
        wide[:, :-reach] = np.maximum(wide[:, :-reach], near[:, reach:])
        near, reach = wide, 2 * reach
        result = np.maximum(result, near / reach)
    return result


def _relative(grid: FrequencyGrid, f: FloatArray) -> FloatArray:
    """Return the largest relative error of interpolants (rows,), where they are not negligible."""
    values = np.abs(grid.value.values(f)).max(axis=2)
    lost = _SAFETY * np.abs(grid.error.values(f)).max(axis=2) + 2.0 * grid.roughness(f)
    counts = values > _NEGLIGIBLE * values.max(axis=1)[:, None]
    relative = np.divide(lost, values, out=np.zeros_like(lost), where=counts)
    return np.asarray(relative.max(axis=1) + _NEGLIGIBLE)
