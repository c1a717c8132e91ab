"""Moments of blocks, checked and laid out as kernels want them, and periodic cells."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.validate import FloatArray, float_array, real_array, require_choice
from mbfast.pairs.geometry import ROWS, BlockLattice, Cloud

Boundary = Literal["open", "periodic"]
ImageShape = Literal["cubic", "spherical"]

_LARGEST_MOMENT = 1e150  # the product of two, and of a reduced coupling, is still a double


class Moments:
    """Checked moments, handed out as the kernels want them: by component, in a unit near the largest."""

    def __init__(self, moments: ArrayLike, leading: tuple[int, ...], components: int) -> None:
        array = real_array("moments", moments)
        trailing = [(6,), (3, 3)] if components == 6 else [(3,)]
        if array.size == 0 and leading == (0,):
            array = np.empty((0, *(array.shape[1:] if array.shape[1:] in trailing else trailing[0])))
        wanted = [leading + shape for shape in trailing]
        if array.shape not in wanted:
            raise ValueError(f"moments must have shape {' or '.join(map(str, wanted))}, got {array.shape}")
        self.shape = array.shape
        self.width = math.prod(array.shape[len(leading) :])
        self._rows = array.reshape(math.prod(leading), *array.shape[len(leading) :])
        largest = 0.0
        for start in range(0, len(self._rows), ROWS):
            piece = np.asarray(self._rows[start : start + ROWS], dtype=np.float64)
            if not (abs(piece) <= _LARGEST_MOMENT).all():
                row = start + int(np.argwhere(~(abs(piece) <= _LARGEST_MOMENT))[0, 0])
                limit = f"finite, at most {_LARGEST_MOMENT:g}"
                raise ValueError(f"moments must be {limit}, got {self._rows[row].tolist()} for block {row}")
            if piece.ndim == 3:
                _refuse_asymmetric(piece, start, array.dtype)
            largest = max(largest, float(np.abs(piece).max()))
        self.unit = 2.0 ** math.frexp(largest)[1] if largest > 0.0 else 1.0  # a power of two: the change is exact

    def components(self, start: int, stop: int) -> FloatArray:
        """Moments of the blocks [start, stop), shape (components, stop - start), C-contiguous."""
        rows = np.asarray(self._rows[start:stop], dtype=np.float64) / self.unit
        if rows.ndim == 2:
            return np.ascontiguousarray(rows.T)
        return np.stack(
            [rows[:, i, j] if i == j else 0.5 * (rows[:, i, j] + rows[:, j, i]) for i, j in _PLACES], dtype=np.float64
        )

    def rows(self) -> FloatArray:
        """All moments, in the layout in which they came, shape (N, ...)."""
        return np.asarray(self._rows, dtype=np.float64)

    def contract(self, field: FloatArray) -> float:
        """Sum of T_s : h_s over all blocks."""
        rows = field.reshape(self._rows.shape)
        weights = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]) if self._rows.shape[1:] == (6,) else np.array(1.0)
        pieces = (slice(start, start + ROWS) for start in range(0, len(rows), ROWS))
        return math.fsum(float(np.sum(weights * rows[p] * self._rows[p])) for p in pieces)


_PLACES = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def _refuse_asymmetric(piece: FloatArray, start: int, dtype: np.dtype[Any]) -> None:
    difference = np.abs(piece - piece.transpose(0, 2, 1)).max(axis=(1, 2))
    # products of a few matrices leave some eps of the type they were computed in; more is no rounding
    eps = float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0
    allowed = max(500.0 * eps, 1e-13) * np.abs(piece).max(axis=(1, 2))
    if np.any(difference > allowed):
        row = int(np.argmax(difference > allowed))
        raise ValueError(
            f"stress moments must be symmetric, got {piece[row].tolist()} for block {start + row}: "
            f"T and its transpose differ by {difference[row]:g}"
        )


def as_rows(field: FloatArray, columns: int) -> FloatArray:
    """Field by component (components, m) as rows (m, columns)."""
    return field[[0, 5, 4, 5, 1, 3, 4, 3, 2]].T if columns == 9 else field.T


def cell_vectors(geometry: BlockLattice | Cloud, cell: ArrayLike | None) -> FloatArray:
    """Return the periods as rows, in units of the geometry, shape (3, 3)."""
    if isinstance(geometry, BlockLattice):
        if cell is not None:
            raise ValueError("cell is known for a lattice, got one")
        return np.diag(np.array(geometry.shape, dtype=np.float64))
    if cell is None:
        raise ValueError("cell must be given for periodic positions, got None")
    vectors = float_array("cell", cell)
    if vectors.shape == (3,):
        vectors = np.diag(vectors)
    if vectors.shape != (3, 3) or not np.isfinite(vectors).all():
        raise ValueError(f"cell must be finite, of shape (3,) or (3, 3), got {np.asarray(cell).tolist()}")
    vectors = vectors / geometry.unit
    volume = abs(float(np.linalg.det(vectors)))
    if geometry.n_blocks and not volume > 1e-12 * float(np.prod(np.linalg.norm(vectors, axis=1))):
        raise ValueError(f"cell must have a volume, got {np.asarray(cell).tolist()}")
    return vectors


def refuse_coincident_images(cloud: Cloud, vectors: FloatArray) -> None:
    """Raise a ValueError if a block is, up to rounding, at an image of another one."""
    from scipy.spatial import cKDTree  # noqa: PLC0415

    places = cloud.reduced(0, cloud.n_blocks).T @ np.linalg.inv(vectors)
    rounding = 16.0 * float(np.finfo(np.float64).eps) * max(1.0, float(np.abs(places).max(initial=0.0)))
    pairs = cKDTree((places - np.floor(places)) % 1.0, boxsize=[1.0, 1.0, 1.0]).query_pairs(rounding)
    if pairs:
        one, other = min(pairs)
        raise ValueError(f"blocks {one} and {other} coincide up to a period of the cell")


def image_shifts(
    geometry: BlockLattice | Cloud, boundary: str, cell: ArrayLike | None, images: int | None, image_shape: str
) -> FloatArray:
    """Return the displacements of the images, the cell itself among them, in units of the geometry, shape (n, 3)."""
    require_choice("boundary", boundary, get_args(Boundary))
    require_choice("image_shape", image_shape, get_args(ImageShape))
    if boundary == "open":
        if cell is not None or images is not None:
            raise ValueError("cell and images belong to boundary='periodic', got them with boundary='open'")
        return np.zeros((1, 3))
    if isinstance(images, bool) or not isinstance(images, (int, np.integer)) or images < 0:
        raise ValueError(f"images must be a whole number >= 0 of shells if periodic, got {images!r}")
    vectors = cell_vectors(geometry, cell)
    if not geometry.n_blocks:
        return np.zeros((1, 3))
    volume = abs(float(np.linalg.det(vectors)))
    if images and isinstance(geometry, Cloud):
        refuse_coincident_images(geometry, vectors)
    reach = int(images)
    if image_shape == "spherical":  # a vector of length L has no coordinate beyond L times that of the inverse
        heights = 1.0 / np.linalg.norm(np.linalg.inv(vectors), axis=0)
        radius = reach * volume ** (1 / 3)
        reach = math.ceil(radius / heights.min())
    steps = np.arange(-reach, reach + 1)
    planes = []
    for first in steps:
        second, third = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
        shifts = np.stack([np.full(second.size, first), second, third], axis=-1) @ vectors
        if image_shape == "spherical":
            shifts = shifts[np.linalg.norm(shifts, axis=1) <= radius * (1 + 1e-12)]
        planes.append(shifts)
    return np.concatenate(planes)
