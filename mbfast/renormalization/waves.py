"""Waves on a lattice of blocks: their phases, and the strain of the wave that blocks make in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core.validate import FloatArray, wave_vector
from mbfast._core.voigt import FULL, six
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.problem import PairProblem
from mbfast.renormalization.local_response import own_strain

_PHASE = 1e-3  # what rounding may add to a phase
_MOST_PERIODS = _PHASE / (2.0 * math.pi * float(np.finfo(np.float64).eps))


@dataclass(frozen=True)
class Wave:
    """Phases exp(ik.x) along the axes, and what of the blocks' own strain of that wave is not counted.

    That is `matrix` times the mean moment by volume, and with `mean` the mean of the strains that blocks make.
    """

    phases: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
    matrix: FloatArray | None
    mean: bool
    is_complex: bool

    @classmethod
    def of(cls, wavevector: ArrayLike | None, problem: PairProblem, strain: str) -> Wave:
        """Check a wave vector (1/m, None: 0) and which strain is meant; a ValueError says what is wrong with it."""
        lattice, interaction = problem.lattice, problem.interaction
        assert lattice is not None
        k = wave_vector(wavevector)
        to_periods, periodic = lattice.spacing * np.array(lattice.shape) / (2.0 * math.pi), problem.every_image
        periods = k * to_periods
        if np.abs(periods).max() > _MOST_PERIODS:
            raise ValueError(
                f"wavevector must have at most {_MOST_PERIODS:.2g} periods along each side of the lattice, beyond "
                f"which its phases are lost to rounding, got {periods.tolist()}"
            )
        if periodic:
            whole = np.rint(periods)
            if np.abs(periods - whole).max() > min(1e-9 * max(1.0, np.abs(periods).max()), _PHASE):
                wanted = "a wave that fits a periodic body, whole numbers of 2 pi over its sides"
                raise ValueError(f"wavevector must be {wanted}, got {periods.tolist()} of them")
            k = whole / to_periods  # the rest is rounding, which is no wave where the whole number is 0
        moving = bool(k.any())
        turns = [np.exp(1j * k[a] * lattice.spacing * np.arange(n)) for a, n in enumerate(lattice.shape)]
        px, py, pz = turns if moving else [np.ones(n) for n in lattice.shape]
        matrix, mean = None, False
        if strain == "total" and (moving or not periodic):
            if not lattice.averaged and not periodic:
                raise ValueError(
                    "strain must be 'external' for points with an open boundary, which have no strain within, "
                    "got 'total': take cubes, BlockLattice(..., averaged=True), or boundary='periodic'"
                )
            mean = lattice.averaged
            matrix = own_strain(interaction) if mean else wave_strain(interaction, k / np.linalg.norm(k))
        return cls((px, py, pz), matrix, mean, moving)

    def of_amplitude(self, amplitude: NDArray[Any], out: NDArray[Any], *, added: bool = False) -> NDArray[Any]:
        """Fill out (n1, n2, n3, c) with a wave, or add it."""
        px, py, pz = self.phases
        plane = (py[:, None] * pz)[..., None] * amplitude
        for x, phase in enumerate(px):
            out[x] = phase * plane + out[x] if added else phase * plane
        return out

    def amplitude(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the mean of values (n1, n2, n3, c) with the phases taken off."""
        px, py, pz = (part.conj() for part in self.phases)
        planes = [np.einsum("zc,z->c", np.einsum("yzc,y->zc", plane, py), pz) for plane in values]
        total: NDArray[Any] = np.einsum("xc,x->c", np.array(planes), px)
        return total / math.prod(values.shape[:3])


def wave_strain(interaction: Interaction, direction: FloatArray) -> FloatArray:
    """Return the matrix (c, c) of the strain, 2 h, of a wave of moments by volume: twice Lambda's transform."""
    harmonic, biharmonic = interaction.parts
    size = interaction.components
    columns = []
    for unit in np.eye(size):
        if size == 3:
            columns.append(harmonic * direction * (direction @ unit))
            continue
        force = unit[FULL] @ direction
        both = np.outer(direction, force)
        field = harmonic * 0.5 * (both + both.T) - biharmonic * (direction @ force) * np.outer(direction, direction)
        columns.append(six(field))
    return 8.0 * math.pi * interaction.prefactor * np.array(columns).T
