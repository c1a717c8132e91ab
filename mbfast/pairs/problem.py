"""Everything about a pair sum but the moments, checked once: the value that every method is made from."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.validate import (
    SMALLEST,
    FloatArray,
    float_array,
    one_number,
    require_bounded,
    require_choice,
    require_flag,
    whole_number,
)
from mbfast._core.voigt import symmetric_six
from mbfast.pairs.geometry import BlockLattice, Cloud, as_blocks, folded, reduced_cell
from mbfast.pairs.interactions import Interaction, check_interaction
from mbfast.pairs.moments import Moments, isotropic

Boundary = Literal["open", "periodic"]
ImageShape = Literal["cubic", "spherical"]
Macroscopic: TypeAlias = Literal["clamped", "stress-free", "tin-foil", "vacuum"] | ArrayLike  # or a stress (Pa)

_BOUNDARIES, _IMAGE_SHAPES = get_args(Boundary), get_args(ImageShape)
EXACT = 1e-12  # what "auto" asks of a method where no rtol is given, as of a direct sum
EWALD_RTOL = 1e-6  # what an Ewald sum reaches where no rtol is given
ROUNDING = 1e-13  # errors of direct and lattice sums, relative to the largest field: tests hold them to it
_LEAST, _MOST = 1e-12, 1e-2
_STRESSED = "stress-free"  # what a body of a given mean stress is but for a constant field


@dataclass(frozen=True)
class PairProblem:
    """A checked pair sum without its moments."""

    interaction: Interaction
    geometry: BlockLattice | Cloud  # where the blocks are, in units of its `unit`
    boundary: Boundary = "open"
    cell: FloatArray | None = None  # (3, 3), periods as rows, in units of the geometry; None if open
    images: int | None = None  # shells of explicit images; None for all of them, or none if open
    image_shape: ImageShape = "cubic"
    macroscopic: str | tuple[float, ...] | None = None  # what holds the periodic body, or its mean stress, six numbers
    rtol: float | None = None  # what was asked for; None for the method's own
    at: FloatArray | None = None  # points (M, 3) where the field is wanted, in units of the geometry; None: the blocks
    periods: FloatArray | None = None  # (3, 3), the cell's lattice by its shortest vectors
    self_field: bool = False  # whether a cube's own field is part of the sum

    @classmethod
    def of(
        cls, interaction: object, blocks: BlockLattice | ArrayLike, *, boundary: str = "open",
        cell: ArrayLike | None = None, images: int | None = None, image_shape: str = "cubic",
        macroscopic: str | ArrayLike | None = None, rtol: float | None = None, at: ArrayLike | None = None,
        self_field: bool = False,
    ) -> PairProblem:  # fmt: skip
        """Check the arguments of `pair_field`; a TypeError or ValueError names the one that is wrong."""
        checked = check_interaction(interaction)
        require_choice("boundary", boundary, _BOUNDARIES)
        require_choice("image_shape", image_shape, _IMAGE_SHAPES)
        tolerance = None if rtol is None else _check_rtol(rtol)
        held = None if macroscopic is None else _held(checked, macroscopic)
        require_flag("self_field", self_field)
        if self_field and not (isinstance(blocks, BlockLattice) and blocks.averaged):
            raise ValueError(
                "self_field is for cubes, BlockLattice(..., averaged=True): points have no field of their own"
            )
        if boundary == "open":
            if cell is not None or images is not None:
                got = " and ".join(name for name, value in (("cell", cell), ("images", images)) if value is not None)
                raise ValueError(f"cell and images belong to boundary='periodic', got {got} with boundary='open'")
            if held is not None:
                got = f"got {held!r} with boundary='open'"
                raise ValueError(f"macroscopic belongs to boundary='periodic', {got}")
            geometry = as_blocks(blocks)
            return cls(checked, geometry, rtol=tolerance, at=_points(at, geometry, None), self_field=bool(self_field))
        shells = None if images is None else whole_number("images", images)
        if shells is not None and not 0 <= shells <= 10**9:
            limits = "at least 0 shells, at most 1e9, or None for all of them"
            raise ValueError(f"images must be {limits}, got {shells!s:.20}")
        if held is not None and images is not None:
            got = f"{held!r} with images={images}, which end at a surface"
            raise ValueError(f"macroscopic is for sums over all images, got {got}")
        geometry = as_blocks(blocks)
        vectors = _cell_vectors(geometry, cell)
        periods = reduced_cell(vectors) if geometry.n_blocks else vectors
        if images != 0 and isinstance(geometry, Cloud) and geometry.n_blocks:
            _refuse_coincident_images(geometry, periods)
        points = _points(at, geometry, periods if images != 0 else None)
        more = image_shape, held, tolerance, points, periods, bool(self_field)
        return cls(checked, geometry, "periodic", vectors, shells, *more)  # type: ignore[arg-type]

    @property
    def lattice(self) -> BlockLattice | None:
        """The lattice the blocks are on, if they are."""
        return self.geometry if isinstance(self.geometry, BlockLattice) else None

    @property
    def every_image(self) -> bool:
        """Whether all images are summed over, as they are unless their number is given."""
        return self.boundary == "periodic" and self.images is None

    @property
    def condition(self) -> str:
        """What holds a periodic body: what was asked for, or the interaction's first condition.

        A body of a given mean stress is stress-free, with `held_field` in addition.
        """
        given = self.macroscopic
        return _STRESSED if isinstance(given, tuple) else given or self.interaction.conditions[0]

    @property
    def held_field(self) -> FloatArray | None:
        """Field (components, 1) of a given mean stress sigma, C^-1 sigma/2, whatever the moments; None if none is."""
        if not isinstance(self.macroscopic, tuple):
            return None
        uniform = self.interaction.uniform_field(_STRESSED)  # of moments, whose strain is -C^-1 tau
        return -self.interaction.prefactor * isotropic(*uniform, np.array([self.macroscopic])).T

    @property
    def n_targets(self) -> int:
        """At how many blocks or points the field is wanted."""
        return self.geometry.n_blocks if self.at is None else len(self.at)

    @property
    def scale(self) -> float:
        """SI value of a reduced field of unit moments."""
        return self.interaction.prefactor / self.geometry.unit**3

    @functools.cached_property
    def shifts(self) -> FloatArray:
        """Displacements of the explicit images, the cell itself among them, in units of the geometry, (n, 3)."""
        if self.cell is None or self.images is None or not self.geometry.n_blocks:
            return np.zeros((1, 3))
        vectors, reach, radius = self._images
        steps = [np.arange(-most, most + 1.0) for most in reach]
        first, second = (grid.ravel()[:, None] for grid in np.meshgrid(*steps[:2], indexing="ij"))
        planes = []
        for third in steps[2]:
            shifts = first * vectors[0] + second * vectors[1] + third * vectors[2]
            planes.append(shifts[np.linalg.norm(shifts, axis=1) <= radius * (1 + 1e-12)])
        return np.concatenate(planes)

    @property
    def copies(self) -> float:
        """How many cells, at most, the explicit images and the cell itself are, known without listing them."""
        some = self.images is not None and self.geometry.n_blocks > 0
        return float(np.prod(2.0 * self._images[1] + 1.0)) if some else 1.0

    @property
    def _images(self) -> tuple[FloatArray, FloatArray, float]:
        """The vectors that explicit images are counted along, how many there are at most, and the greatest distance."""
        assert self.cell is not None
        assert self.periods is not None
        assert self.images is not None
        if self.image_shape == "cubic":
            return self.cell, np.full(3, float(self.images)), math.inf
        # of the lattice, whatever its cell; a vector of length L has no coordinate beyond L times that of the inverse
        radius = self.images * abs(float(np.linalg.det(self.periods))) ** (1 / 3)
        return self.periods, np.ceil(radius * np.linalg.norm(np.linalg.inv(self.periods), axis=0)), radius

    def moments(self, moments: ArrayLike, workers: int = 1) -> Moments:
        """Return checked moments of these blocks."""
        return Moments(moments, self.geometry.leading, self.interaction.components, workers)


def _held(interaction: Interaction, macroscopic: str | ArrayLike) -> str | tuple[float, ...]:
    """Return a condition, or six components of a mean stress; a TypeError or a ValueError of what no medium can be."""
    if isinstance(macroscopic, str) or _STRESSED not in interaction.conditions:
        given: object = macroscopic.tolist() if isinstance(macroscopic, np.ndarray) else macroscopic
        require_choice("macroscopic", given, interaction.conditions)
        interaction.uniform_field(str(macroscopic))
        return str(macroscopic)
    stress = float_array("macroscopic", macroscopic)
    if stress.shape not in ((3, 3), (6,)):
        wanted = f"one of {', '.join(interaction.conditions)}, or a stress of shape (3, 3) or (6,)"
        raise ValueError(f"macroscopic must be {wanted}, got {stress.tolist()!r:.99}")
    require_bounded("macroscopic", stress)
    if stress.ndim == 2:
        stress = symmetric_six("macroscopic", stress, 1e-13, "a symmetric stress")
    interaction.uniform_field(_STRESSED)
    return tuple(stress.tolist())


def _check_rtol(rtol: float) -> float:
    """Return a tolerance, or raise a TypeError or a ValueError."""
    tolerance = one_number("rtol", rtol)
    if not _LEAST <= tolerance <= _MOST:
        limits = f"from {_LEAST:g}, the least that rounding allows, to {_MOST:g}"
        raise ValueError(f"rtol must be {limits}, got {tolerance:g}")
    return tolerance


def _cell_vectors(geometry: BlockLattice | Cloud, cell: ArrayLike | None) -> FloatArray:
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
    require_bounded("cell", vectors)
    vectors = vectors / geometry.unit
    lengths = np.linalg.norm(vectors, axis=1)
    short = lengths.min() * geometry.unit < SMALLEST  # also where the volume would underflow
    if geometry.n_blocks and (short or not abs(float(np.linalg.det(vectors))) > 1e-12 * float(np.prod(lengths))):
        raise ValueError(f"cell must have a volume, got {np.asarray(cell).tolist()}")
    return vectors


def _points(at: ArrayLike | None, geometry: BlockLattice | Cloud, periods: FloatArray | None) -> FloatArray | None:
    """Return points in units of the geometry, none of them at a block or one of its images, or None."""
    if at is None:
        return None
    points = float_array("at", at)
    if points.shape == (0,):
        points = np.empty((0, 3))
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"at must be an (M, 3) array of points, got shape {points.shape}")
    if geometry.averaged:
        raise ValueError("at is for blocks that are points, got averaged=True")
    require_bounded("at", points)
    points = points / geometry.unit
    if len(points) and geometry.n_blocks:
        from scipy.spatial import cKDTree  # noqa: PLC0415

        blocks = geometry.reduced().T
        (places, turns, errors), (its, its_turns, its_errors) = (_folded(x, periods) for x in (points, blocks))
        distances, nearest = cKDTree(its, boxsize=None if periods is None else [1.0, 1.0, 1.0]).query(places)
        imaged = (turns != its_turns[nearest]).any(axis=1)
        at_block = (distances <= errors + its_errors[nearest]) & imaged
        at_block |= (points == blocks[nearest]).all(axis=1)
        if at_block.any():
            point = int(np.argmax(at_block))
            raise ValueError(f"at must be points between the blocks, got point {point} at block {nearest[point]}")
    return points


def _folded(places: FloatArray, periods: FloatArray | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return places (N, 3), in a cell as fractions of its vectors; periods taken off; and rounding errors."""
    if periods is None:
        return places, np.zeros(places.shape), np.zeros(len(places))
    fractions, turns = folded(places, periods)
    errors = 8.0 * float(np.finfo(np.float64).eps) * np.maximum(np.abs(fractions + turns).max(axis=1), 1.0)
    return fractions % 1.0, turns, errors


def _refuse_coincident_images(cloud: Cloud, periods: FloatArray) -> None:
    """Raise a ValueError if a block is, up to rounding, at an image of another one."""
    from scipy.spatial import cKDTree  # noqa: PLC0415

    places, turns, errors = _folded(cloud.reduced().T, periods)
    if (turns == turns[0]).all():
        return
    tree = cKDTree(places, boxsize=[1.0, 1.0, 1.0])
    for one, other in sorted(tree.query_pairs(2.0 * float(errors.max(initial=0.0)))):
        apart = np.abs(places[one] - places[other])
        near = np.linalg.norm(np.minimum(apart, 1.0 - apart)) <= errors[one] + errors[other]
        if near and (turns[one] != turns[other]).any():
            raise ValueError(f"blocks {one} and {other} coincide up to a period of the cell")
