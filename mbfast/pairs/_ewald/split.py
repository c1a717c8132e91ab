"""An Ewald sum of one plan: near pairs, the smooth part's modes, and what these count too much or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mbfast._core.validate import FloatArray
from mbfast._core.voigt import FULL, WEIGHTS
from mbfast.pairs._ewald.mesh import Far, ModeEnergy, OpenFar, PeriodicFar
from mbfast.pairs._ewald.near import Near
from mbfast.pairs._ewald.plan import Plan
from mbfast.pairs._ewald.profile import derivative, polynomials
from mbfast.pairs._kernels import ewald, near
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.moments import isotropic


class _Kernels(NamedTuple):
    """For moments of so many components: near pairs, modes, and the derivatives that near pairs want the smooth of."""

    near: Callable[..., None]
    modes: Callable[..., None]
    near_gradient: Callable[..., None]  # these derivatives are of one order more
    energy: ModeEnergy
    orders: tuple[int, ...]


def _stress_energy(
    moments: Any, k: FloatArray, harmonic: FloatArray, biharmonic: FloatArray, slope: FloatArray, slope_: FloatArray,
    b: float, c2: float,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return A = b H w*.w/k^2 - c2 B q*q/k^4, w = T k, q = k.w, of modes T (..., 6), and dA/dk (..., 3)."""
    t, k2 = moments[..., FULL], np.sum(k * k, axis=-1)
    i2 = np.divide(1.0, k2, out=np.zeros_like(k2), where=k2 > 0.0)
    w = np.einsum("...ij,...j->...i", t, k)
    q = np.einsum("...i,...i->...", w, k)
    ww, qq = np.sum(np.abs(w) ** 2, axis=-1), np.abs(q) ** 2
    h, p = b * i2 * harmonic, c2 * i2 * i2 * biharmonic
    of_k2 = i2 * (b * slope - h) * ww - i2 * (c2 * i2 * slope_ - 2.0 * p) * qq
    of_w = h[..., None] * np.einsum("...ij,...j->...i", t, w.conj()) - (2.0 * p * q)[..., None] * w.conj()
    return h * ww - p * qq, 2.0 * (of_k2[..., None] * k + of_w.real)


def _dipole_energy(
    moments: Any, k: FloatArray, harmonic: FloatArray, _: FloatArray, slope: FloatArray, _slope: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return A = H q*q/k^2, q = k.p, of modes p (..., 3), and dA/dk (..., 3)."""
    k2 = np.sum(k * k, axis=-1)
    i2 = np.divide(1.0, k2, out=np.zeros_like(k2), where=k2 > 0.0)
    q = np.einsum("...i,...i->...", moments, k)
    qq, h = np.abs(q) ** 2, i2 * harmonic
    of_q = (h * q.conj())[..., None] * moments
    return h * qq, 2.0 * ((i2 * (slope - h) * qq)[..., None] * k + of_q.real)


_KERNELS = {
    6: _Kernels(near.near_stress, ewald.stress_modes, near.near_stress_gradient, _stress_energy, (2, 3, 4)),
    3: _Kernels(near.near_dipole, ewald.dipole_modes, near.near_dipole_gradient, _dipole_energy, (1, 2)),
}


class Split:
    """Sums over blocks, and points that follow them, at positions (N, 3), at fractions of a box; in its unit of length.

    Without prefactor, and errors as `plan` is made for. A periodic body has the uniform field (e, d) of a condition.
    """

    def __init__(
        self, interaction: Interaction, positions: FloatArray, fractions: FloatArray, box: FloatArray, plan: Plan,
        uniform: tuple[float, float] | None, *, blocks: int, workers: int,
    ) -> None:  # fmt: skip
        self.plan, self._n, self._components = plan, len(positions), interaction.components
        b, c2 = interaction.parts
        # without a biharmonic part kernels want no coefficients
        self._parts = interaction.parts if interaction.components > 3 else ()
        self._near = Near(
            positions, fractions, box, plan.reach * plan.cutoff, blocks=blocks, periodic=uniform is not None
        )
        self._far: Far | None = None
        self._self = self._uniform = (0.0, 0.0)
        if not plan.shapes:
            return
        if uniform is not None:
            self._far = PeriodicFar(fractions, box / plan.cutoff, plan, workers)
            volume = abs(float(np.linalg.det(box / plan.cutoff)))
        else:
            inside = fractions @ box / plan.cutoff
            self._far = OpenFar(inside, inside.max(axis=0), plan, workers)
            # minus the uniform field of the polynomials in `cut_biharmonic` and `cut_harmonic`
            uniform, volume = (b - c2, -0.5 * c2), self._far.radius**3
        # the smooth part's field of a block at itself, and the uniform field of all blocks
        profile = plan.profile()
        zero = float(derivative(profile, self._kernels.orders[0], np.zeros(1))[0])
        self._self = ((c2 - 2.5 * b) * zero, 0.5 * c2 * zero) if profile.flat else (-zero, 0.0)
        self._uniform = uniform[0] / volume, uniform[1] / volume

    @property
    def _kernels(self) -> _Kernels:
        return _KERNELS[self._components]

    @cached_property
    def _polynomials(self) -> FloatArray:
        return self._smooth(0)

    @cached_property
    def _steeper(self) -> FloatArray:
        return self._smooth(1)

    def _smooth(self, more: int) -> FloatArray:
        """Return the smooth part's derivatives, as polynomials, of the kernels' orders and so many more."""
        orders, plan = tuple(order + more for order in self._kernels.orders), self.plan
        if self._far is None:
            return np.zeros((len(orders), 4))
        return polynomials(plan.profile(), orders, plan.cutoff, plan.reach, 2e-3 * plan.rtol)

    def _multiply(self, *given: Any) -> None:
        """Turn modes of moments into those of their field; without a biharmonic part without its factors, the last."""
        self._kernels.modes(*(given if self._parts else given[:-1]), *self._parts)

    def field(self, rows: FloatArray, workers: int) -> FloatArray:
        """Return the field (N, m) of moments (N, m)."""
        field = isotropic(*self._uniform, rows.sum(axis=0)[None]) - isotropic(*self._self, rows)
        if self._far is not None:
            self._far.add(self._multiply, rows, field, workers)
        field *= self.plan.cutoff**-3.0
        self._near.add(self._kernels.near, rows, self._polynomials, self._parts, field, workers)
        return field

    def _near_sums(self, rows: FloatArray, workers: int) -> FloatArray:
        """Return the sums (N, 12) over near pairs of du/dd and of (du/dd_i) d_j."""
        sums = np.zeros((self._n, 12))
        kernel, given = self._kernels.near_gradient, (rows, self._steeper, self._parts, sums, workers)
        self._near.add(kernel, *given, own=True)
        return sums

    def gradient(self, rows: FloatArray, workers: int) -> FloatArray:
        """Return (N, 3) the gradient of the field of moments (N, m) at each block, contracted with the block's own."""
        gradient = self._near_sums(rows, workers)[:, :3]
        if self._far is not None:
            own = rows * WEIGHTS[: rows.shape[1]]
            gradient += self.plan.cutoff**-4.0 * self._far.gradient(self._multiply, rows, own, workers)
        return gradient

    def virial(self, rows: FloatArray, workers: int) -> FloatArray:
        """Return the derivative (3, 3) of the sum of all T:h by a gradient of displacement."""
        virial = np.reshape(self._near_sums(rows, workers)[:, 3:].T.copy().sum(axis=1), (3, 3))
        if self._far is not None:
            far = self._far.virial(lambda *given: self._kernels.energy(*given, *self._parts), rows, workers)
            if isinstance(self._far, PeriodicFar):  # the uniform field falls with the volume
                total = rows.sum(axis=0)
                far -= np.eye(3) * (WEIGHTS[: total.size] * total @ isotropic(*self._uniform, total[None])[0])
            virial += self.plan.cutoff**-3.0 * far
        return virial
