"""How blocks are coupled: the matrices between their moments, (2.14) to (2.18), open or periodic, strained or not."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.validate import FloatArray, float_array, require_bounded
from mbfast._core.voigt import FULL, WEIGHTS, six, symmetric_six
from mbfast.pairs import angular
from mbfast.pairs.planning import chosen
from mbfast.pairs.problem import PairProblem

MomentChange: TypeAlias = angular.MomentChange


def coupling_matrices(problem: PairProblem) -> FloatArray:
    """Return J (N, N, c, c): the energy (2.13) of moments T is the sum over all s, t of T_s J[s, t] T_t.

    Of six components the weights are those of the components, 2 off the diagonal, for both indices. J[s, s] is the
    interaction of a block with its own images, 0 if open. What a given mean stress does is no coupling.
    """
    made, problem = chosen(problem)
    field = made.of(problem, threads=1)
    n, c = problem.geometry.n_blocks, problem.interaction.components
    couplings = np.empty((n, c, n, c))
    for t in range(n):
        for b in range(c):
            moments = np.zeros((n, c))
            moments[t, b] = 1.0
            checked = problem.moments(moments.reshape(*problem.geometry.leading, c))
            couplings[:, :, t, b] = field.field_of(checked, None, 1, progress=False, held=False).reshape(n, c)
    if c == WEIGHTS.size:
        couplings *= WEIGHTS[:, None, None]
    couplings = couplings.transpose(0, 2, 1, 3)
    return 0.5 * (couplings + couplings.transpose(1, 0, 3, 2))


def check_strain(strain: ArrayLike) -> FloatArray:
    """Return a uniform strain as six components, or raise a TypeError or a ValueError."""
    given = float_array("strain", strain)
    require_bounded("strain", given)
    if given.shape == (3, 3):
        given = symmetric_six("strain", given, 1e-12)
    if given.shape != (6,):
        raise ValueError(f"strain must have shape (6,) or (3, 3), got {given.shape}")
    if not np.abs(given).max() < 0.1:
        raise ValueError(f"strain must be below 0.1 in magnitude, got {np.abs(given).max():g}")
    return given


class Deformation(NamedTuple):
    """What a uniform strain does to the moments of blocks: they become `moments` times themselves, and work on it."""

    work: FloatArray  # (c,): what the changed moments are multiplied with in the energy
    moments: FloatArray  # (c, c)

    @classmethod
    def of(cls, gradient: FloatArray, components: int, moment_change: MomentChange) -> Deformation:
        """Return what a gradient u of the displacement (3, 3) does, F = 1 + u.

        Moments that follow it become F p and F T F^T. The energy is then that of T as it was on E = (F^T F - 1)/2, a
        strain that is zero for rotations, and its derivative by a further strain is the moment as it has become. In
        terms of that one it is its product with F^-T E F^-1.
        """
        strain, follow = 0.5 * (gradient + gradient.T), np.eye(components)
        if moment_change == "gradient":
            forward = np.eye(3) + gradient
            back = np.linalg.inv(forward)
            strain, follow = back.T @ (strain + 0.5 * gradient.T @ gradient) @ back, forward
            if components == WEIGHTS.size:
                follow = six(forward @ np.eye(components)[:, FULL] @ forward.T).T
        return cls(WEIGHTS * six(strain) if components == WEIGHTS.size else np.zeros(components), follow)


def strained(problem: PairProblem, gradient: FloatArray) -> PairProblem:
    """Return the problem of the blocks moved with a gradient of the displacement (3, 3), the cell with them."""
    if problem.geometry.averaged:
        raise ValueError("strain moves blocks that are points, got cubes, averaged=True, which would not stay cubes")
    unit, forward = problem.geometry.unit, np.eye(3) + gradient
    cell = None if problem.cell is None else problem.cell @ forward.T * unit
    return PairProblem.of(
        problem.interaction, (problem.geometry.reduced().T @ forward.T) * unit, boundary=problem.boundary, cell=cell,
        macroscopic=problem.macroscopic,
    )  # fmt: skip
