"""Where the blocks are: a lattice, or positions of any kind."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core.machine import require_room
from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import LARGEST, FloatArray, as_doubles, positive_number, real_array, require_flag

ROWS = 1 << 16  # rows looked at together, so that checks need little memory
Box: TypeAlias = tuple[slice, slice, slice]  # ranges of blocks along the three axes of a lattice
_FEW = 256  # blocks that are told apart soonest one by one
_SAMPLE = 1 << 15  # random positions that stand for more


@dataclass(frozen=True)
class BlockLattice:
    """Simple cubic lattice of blocks.

    Parameters
    ----------
    shape : tuple of three int
        Blocks along x, y and z; the last index runs fastest.
    spacing : float
        Distance of neighbours, the side of a block (m).
    averaged : bool
        Blocks are cubes that touch, their moments spread evenly over them: pairs interact through the average of the
        tensor over both cubes. If not, they are points at the centres.

    Attributes
    ----------
    n_blocks : int
    positions : ndarray, shape (n_blocks, 3)
        Block (i, j, k) is at (i, j, k) times the spacing (m).

    Raises
    ------
    TypeError
        If the spacing is not one real number, or averaged is not True or False.
    ValueError
        If the shape is not three whole numbers >= 0, or of more than 2**62 blocks, or the spacing is not positive
        (1e-35 to 1e35 m).

    Examples
    --------
    >>> import mbfast
    >>> lattice = mbfast.BlockLattice((4, 4, 4), 5e-9)
    >>> lattice.n_blocks, lattice.positions.shape
    (64, (64, 3))
    >>> [part.start for part, _ in lattice.pieces()], lattice.reduced()[:, -1], lattice.sample().shape[1]
    ([0], array([3., 3., 3.]), 3)
    """

    shape: tuple[int, int, int]
    spacing: float
    averaged: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        try:
            shape = tuple(int(n) for n in self.shape)
            exact = all(a == b and not isinstance(b, bool) for a, b in zip(shape, self.shape, strict=True))
        except (TypeError, ValueError, OverflowError):
            exact, shape = False, ()
        if not exact or len(shape) != 3 or min(shape) < 0:
            raise ValueError(f"shape must be three whole numbers of blocks, got {self.shape!r}")
        if max(*shape, math.prod(shape)) > 2**62:  # whole numbers of C hold them, and lengths of transforms
            raise ValueError(f"shape must be of at most 2**62 blocks, got {self.shape!r}")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "spacing", positive_number("spacing", self.spacing, unit="m"))
        require_flag("averaged", self.averaged)
        object.__setattr__(self, "averaged", bool(self.averaged))

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return math.prod(self.shape)

    @property
    def positions(self) -> FloatArray:
        """Block (i, j, k) is at (i, j, k) times the spacing: shape (n_blocks, 3), in m."""
        return np.ascontiguousarray(self.reduced().T) * self.spacing

    @property
    def unit(self) -> float:
        """The unit of `reduced`: the spacing (m)."""
        return self.spacing

    @property
    def leading(self) -> tuple[int, ...]:
        """The axes that stand for the blocks in arrays of moments."""
        return self.shape

    def reduced(self, tile: Tile | None = None) -> FloatArray:
        """Positions of the blocks of a tile, or of all, in units of the spacing, shape (3, blocks)."""
        if tile is None:
            require_room(56.0 * self.n_blocks, "blocks at all places of a lattice of shape {}", self.shape)
        blocks = np.arange(*(tile or (0, self.n_blocks)))
        return np.array(np.unravel_index(blocks, self.shape), dtype=np.float64)

    def pieces(self) -> Iterator[tuple[slice, slice]]:
        """Yield ranges along the first two axes: boxes of some `ROWS` blocks, or of one line, in the blocks' order."""
        first, second, third = self.shape
        if second * third < ROWS:
            for start, stop in cut(first, ROWS // max(1, second * third)):
                yield slice(start, stop), slice(0, second)
            return
        for i in range(first):
            for start, stop in cut(second, max(1, ROWS // third)):
                yield slice(i, i + 1), slice(start, stop)

    def sample(self) -> FloatArray:
        """Return positions (few, 3) that stand for all in cost models, in units of `unit`."""
        return _evenly(self.n_blocks, np.array(self.shape, dtype=np.float64))


class Cloud:
    """Checked positions of any kind, handed out in reduced units and in pieces: whatever came is never copied whole."""

    averaged = False

    def __init__(self, positions: ArrayLike) -> None:
        array = real_array("blocks", positions)
        if array.shape == (0,):
            array = np.empty((0, 3))
        if array.ndim != 2 or array.shape[1] != 3:
            raise ValueError(f"blocks must be an (N, 3) array of positions or a BlockLattice, got shape {array.shape}")
        self._positions = array
        self.n_blocks = len(array)
        self.leading = (len(array),)
        ends: list[list[float]] = [[], []]
        for start in range(0, self.n_blocks, ROWS):
            piece = as_doubles(array[start : start + ROWS])
            low, high = np.minimum.reduce(piece).tolist(), np.maximum.reduce(piece).tolist()
            if not (all(x >= -LARGEST for x in low) and all(x <= LARGEST for x in high)):  # which a NaN is not
                row, column = np.argwhere(~(abs(piece) <= LARGEST))[0]
                wanted = f"blocks must be at finite positions, at most {LARGEST:g} m from the origin"
                raise ValueError(f"{wanted}, got {piece[row, column]} in row {start + row}")
            ends = [list(map(min, low, ends[0] or low)), list(map(max, high, ends[1] or high))]
        extent = max(map(operator.sub, ends[1], ends[0]), default=0.0)
        # a power of two: changing the unit is exact
        self.unit = 2.0 ** max(math.frexp(extent)[1], -120) if extent > 0.0 else 1.0
        self._refuse_coincident()

    def reduced(self, tile: Tile | None = None) -> FloatArray:
        """Positions of the blocks of a tile, or of all, in units of `unit`, shape (3, blocks)."""
        rows = self._positions if tile is None else self._positions[slice(*tile)]
        return np.array(rows.T, dtype=np.float64, order="C") / self.unit

    def sample(self) -> FloatArray:
        """Return the positions (N, 3), in units of `unit`."""
        return self.reduced().T

    def _refuse_coincident(self) -> None:
        if self.n_blocks <= _FEW and len(set(map(tuple, self._told_apart(self._positions).tolist()))) == self.n_blocks:
            return
        # Equal positions have equal hashes; those of a share of the blocks at a time are sorted, in little memory.
        shares = np.uint64(1 + self.n_blocks // (1 << 20))
        for share in range(int(shares)):
            hashes = [h[h % shares == share] for h in self._hashes()]
            ordered = np.sort(np.concatenate(hashes)) if hashes else np.empty(0, np.uint64)
            for value in ordered[1:][ordered[1:] == ordered[:-1]]:
                seen: dict[bytes, int] = {}
                for piece, start in zip(self._hashes(), range(0, self.n_blocks, ROWS), strict=True):
                    for row in np.flatnonzero(piece == value) + start:
                        key = self._told_apart(self._positions[row]).tobytes()
                        if key in seen:
                            at = ", ".join(f"{x:g}" for x in self._positions[row])
                            raise ValueError(f"blocks {seen[key]} and {row} coincide at ({at})")
                        seen[key] = int(row)

    def _told_apart(self, positions: NDArray[Any]) -> FloatArray:
        """Return positions without what the square of a distance would lose, and without negative zeros."""
        grid = 1e-124 * self.unit
        places: FloatArray = (np.asarray(positions, dtype=np.float64) + grid) - grid
        return places

    def _hashes(self) -> Iterator[NDArray[np.uint64]]:
        """Yield 64-bit hashes of the positions, piece by piece."""
        for start in range(0, self.n_blocks, ROWS):
            bits = self._told_apart(self._positions[start : start + ROWS]).view(np.uint64)
            mixed = np.zeros(len(bits), dtype=np.uint64)
            for column in bits.T:
                mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
                mixed ^= mixed >> np.uint64(29)
            yield mixed


class Anywhere(Cloud):
    """A number of blocks whose positions are not known, evenly spread over a cube: what predictions are made for."""

    def __init__(self, n_blocks: int) -> None:
        self.n_blocks = n_blocks

    def sample(self) -> FloatArray:
        """As that of `BlockLattice`."""
        return _evenly(self.n_blocks, np.ones(3))


def _evenly(n: int, sides: FloatArray) -> FloatArray:
    return np.random.default_rng(0).random((min(n, _SAMPLE), 3)) * sides


def folded(places: FloatArray, periods: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return where in a cell places (N, 3) are, as fractions of its vectors, and the whole periods taken off."""
    fractions = places @ np.linalg.inv(periods)
    turns = np.floor(fractions)
    return fractions - turns, turns


def reduced_cell(cell: FloatArray) -> FloatArray:
    """Return vectors, as rows, of the lattice of a cell, reduced as by Minkowski: as short as can be."""
    vectors = cell[np.argsort(np.linalg.norm(cell, axis=1), kind="stable")]
    while True:
        a, b, c = vectors
        b = b - np.rint(a @ b / (a @ a)) * a
        if b @ b < a @ a:
            vectors = np.array([b, a, c])
            continue
        # what is nearest to c of the plane's lattice is at one of the four corners around
        i, j = np.floor(np.linalg.lstsq(np.array([a, b]).T, c, rcond=None)[0])
        rest = min((c - m * a - n * b for m in (i, i + 1.0) for n in (j, j + 1.0)), key=np.linalg.norm)
        vectors = np.array(sorted([a, b, rest], key=np.linalg.norm))
        if not np.linalg.norm(rest) < (1.0 - 1e-12) * np.linalg.norm(c):
            return vectors


def as_blocks(blocks: BlockLattice | ArrayLike) -> BlockLattice | Cloud:
    """Return a lattice as it is, anything else as a checked `Cloud`."""
    return blocks if isinstance(blocks, BlockLattice) else Cloud(blocks)
