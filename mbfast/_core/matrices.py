"""Matrices of a stress or a dipole moment between the levels of a block, as a caller gives them, checked."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core.machine import require_room
from mbfast._core.validate import LARGEST, as_doubles, plain_array, real_array
from mbfast._core.voigt import PLACES

ROUNDING = 1e-12  # of what a caller has computed, relative to the largest element


def stress_matrices(stress: ArrayLike, d: int, *, levels_first: bool) -> NDArray[Any]:
    """Return Hermitian, complex matrices (6, d, d), or (3, d, d), or raise a TypeError or a ValueError.

    They come as (d, d, 3, 3) or (d, d, 6), or as (3, 3, d, d), (6, d, d) or, of dipoles, (3, d, d).
    """
    given = plain_array("stress", stress)
    if given.dtype.kind != "c":
        given = real_array("stress", given)
    shapes = ((d, d, 3, 3), (d, d, 6)) if levels_first else ((6, d, d), (3, 3, d, d), (3, d, d))
    if given.shape not in shapes:
        wanted = f"{', '.join(map(str, shapes[:-1]))} or {shapes[-1]}"
        raise ValueError(f"stress must have shape {wanted}, got {given.shape}")
    require_room(40.0 * given.size, "stress of shape {}", given.shape)  # with its Hermitian part, and magnitudes
    matrices = as_doubles(given, np.complex128)
    largest = np.max([np.abs(part).max(initial=0.0) for part in matrices], initial=0.0)
    if not largest <= LARGEST:
        raise ValueError(
            f"stress must be finite, with magnitudes up to {LARGEST:g} J{'' if levels_first else ' or C m'}"
        )
    # some eps of the type that they were computed in
    eps = float(np.finfo(given.dtype).eps) if given.dtype.kind in "fc" else 0.0
    tolerance = max(500.0 * eps, ROUNDING) * largest
    indices, levels = "first", "last"
    if levels_first:
        matrices, indices, levels = np.moveaxis(matrices, (0, 1), (-2, -1)), levels, indices
    if matrices.ndim == 4:
        if np.abs(matrices - matrices.swapaxes(0, 1)).max(initial=0.0) > tolerance:
            raise ValueError(f"stress must be symmetric in its {indices} two axes")
        matrices = np.stack([0.5 * (matrices[i, j] + matrices[j, i]) for i, j in PLACES])
    hermitian = np.empty(matrices.shape, np.complex128)
    for matrix, result in zip(matrices, hermitian, strict=True):  # one by one: Ctrl-C is heard in between
        adjoint = matrix.conj().T
        if np.abs(matrix - adjoint).max(initial=0.0) > tolerance:
            raise ValueError(f"stress must be Hermitian in its {levels} two axes")
        np.multiply(0.5, matrix + adjoint, out=result)
    return hermitian
