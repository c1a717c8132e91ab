"""What a pair sum returns, and what made it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mbfast._core.validate import FloatArray
from mbfast.pairs.fields import PairField
from mbfast.pairs.moments import Moments


@dataclass(frozen=True, eq=False)
class PairResult:
    """Field and energies of blocks, and how they were computed.

    Attributes
    ----------
    field : ndarray
        h, in the layout of the moments: dimensionless for stress, V/m for dipoles.
    energies : ndarray, shape (N,)
        T_s : h_s of each block (J).
    method : {"direct", "fft", "ewald"}
        Which method computed it.
    rtol : float
        What the method is held to.
    error : float
        Estimated largest error of a component of the field, in its unit: rtol times the largest of them, or times the
        field of the largest moment at the mean distance of blocks where all fields are smaller than that.
    """

    field: FloatArray
    energies: FloatArray
    method: str
    rtol: float
    error: float

    @classmethod
    def of(cls, summed: PairField, moments: Moments, field: FloatArray) -> PairResult:
        """Return the result of a method for moments whose field it computed."""
        largest = float(np.abs(field).max(initial=0.0))
        error = summed.rtol * max(largest, summed.unit * moments.unit)
        return cls(field, moments.products(field), summed.method, summed.rtol, error)

    @property
    def energy(self) -> float:
        """Sum of `energies` (J), each pair counted twice, as in (2.13); of one cell if periodic."""
        return math.fsum(self.energies)
