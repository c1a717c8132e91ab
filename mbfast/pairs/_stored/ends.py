"""Where moments come from and fields go to, box by box: arrays, memory maps, .npy files, and zarr."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from mbfast._core.archive import behind_links, hidden_name, make_folder, naming, naming_output, regular, remove_empty
from mbfast._core.validate import FloatArray
from mbfast.pairs.geometry import Box

PIECE = 1 << 23  # bytes that are looked at together where more would be held twice


class Source(Protocol):
    """Moments: their shape and type, and what of memory it takes to read them (bytes)."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    held: float
    planes: int  # along the first axis, that are best read together

    def read(self, box: Box, out: NDArray[Any]) -> None:
        """Fill out, C-contiguous, with the moments of a box, in its type."""


class Target(Protocol):
    """A field: what it takes to write it, of memory (bytes) and of a disk."""

    held: float
    space: tuple[Path, float]  # a folder, and how many bytes come to it

    def begin(self) -> None:
        """Make room, where it has a name that nobody sees yet: other processes may write from now on."""

    def write(self, box: Box, field: FloatArray) -> None:
        """Take the field of a box."""

    def finish(self) -> object:
        """Make what was written visible, and return it."""

    def drop(self) -> None:
        """Leave nothing of what was written, where it has a name that nobody sees yet."""


class Array:
    """An array in memory, or a memory map, whose pages are let go of."""

    held = float(PIECE)
    planes = 1

    def __init__(self, array: NDArray[Any]) -> None:
        self._array, self.shape, self.dtype = array, array.shape, array.dtype
        self._map = _mapping(array)
        self.space = Path(), 0.0

    def read(self, box: Box, out: NDArray[Any]) -> None:
        """As `Source`."""
        part = self._array[box]
        for rows in _pieces(out):
            out[rows] = part[rows]
            self._let_go()

    def begin(self) -> None:
        """As `Target`: an array is there."""

    def write(self, box: Box, field: FloatArray) -> None:
        """As `Target`."""
        part = self._array[box]
        for rows in _pieces(field):
            part[rows] = field[rows]
            self._let_go()

    def _let_go(self) -> None:
        if self._map is not None:  # of a file that is shared: what was written stays in it
            with suppress(ValueError, OSError):
                self._map.madvise(_DROP)

    def finish(self) -> object:
        """As `Target`."""
        if isinstance(self._array, np.memmap):
            self._array.flush()
        return self._array

    def drop(self) -> None:
        """Leave the array as it is: it is the caller's."""


_DROP: Any = getattr(sys.modules["mmap"], "MADV_DONTNEED", None)  # systems differ


def _mapping(array: NDArray[Any]) -> mmap | None:
    """Return the map of a file whose pages can be let go of, without loss; None where there is none."""
    if not isinstance(array, np.memmap) or array.mode not in ("r", "r+", "w+") or _DROP is None:
        return None
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap) else None


def _pieces(array: NDArray[Any]) -> Iterator[tuple[slice | int, ...]]:
    """Yield what cuts an array into pieces of some `PIECE` bytes."""
    if array.nbytes <= PIECE or array.ndim < 2:
        yield (slice(None),)
        return
    per = max(1, PIECE // max(1, array.nbytes // len(array)))
    for start in range(0, len(array), per):
        if per == 1:
            yield from ((start, *rest) for rest in _pieces(array[start]))
        else:
            yield (slice(start, start + per),)


def _runs(shape: tuple[int, ...], box: Box) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield the places, in elements, where runs of a box begin in an array, and what they are in an array of the box.

    A run is all that is next to each other.
    """
    whole = 3
    while whole > 0 and box[whole - 1] == slice(0, shape[whole - 1]):
        whole -= 1
    outer = max(0, whole - 1)  # axes before the one that is cut
    steps = [math.prod(shape[axis + 1 :]) for axis in range(3)]
    start = sum(box[axis].start * steps[axis] for axis in range(outer, 3))
    for places in itertools.product(*(range(box[axis].stop - box[axis].start) for axis in range(outer))):
        yield start + sum((box[axis].start + places[axis]) * steps[axis] for axis in range(outer)), places


def npy_source(path: Path) -> Source:
    with naming(path), regular(path).open("rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(stream)
        except Exception as error:  # of any type: what NumPy met in a damaged header
            raise ValueError(f"not a NumPy array ({error})") from None
        if dtype.kind not in "iuf":
            raise TypeError(f"moments must consist of real numbers, got dtype {dtype}")
        offset = stream.tell()
        if path.stat().st_size < offset + math.prod(shape) * dtype.itemsize:
            raise ValueError("the file ends before its array")
    if fortran or math.prod(shape) == 0:
        return Array(np.load(path, mmap_mode="r" if math.prod(shape) else None, allow_pickle=False))
    return NpySource(path, shape, dtype, offset)


class NpySource:
    """Moments in a file .npy."""

    held = 0.0
    planes = 1

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int) -> None:
        self._path, self.shape, self.dtype, self._offset = path, shape, dtype, offset

    def read(self, box: Box, out: NDArray[Any]) -> None:
        """As `Source`."""
        with self._path.open("rb", buffering=0) as stream:
            for place, inner in _runs(self.shape, box):
                stream.seek(self._offset + place * self.dtype.itemsize)
                fill(stream, out[inner], self._path)


def bytes_of(array: NDArray[Any]) -> memoryview:
    """Return the bytes of a C-contiguous array."""
    return array.reshape(-1).view(np.uint8).data


def fill(stream: Any, array: NDArray[Any], path: Path) -> None:
    """Fill a C-contiguous array with what a file has next; an OSError if it ends."""
    view = bytes_of(array)
    while view:
        count = stream.readinto(view)
        if not count:
            raise OSError(f"{path}: the file ends before its array")
        view = view[count:]


def nearest(path: Path) -> Path:
    """Return the folder that a file comes to, or what there is of it."""
    return next(folder for folder in behind_links(path).parents if folder.exists())


class NpyTarget:
    """A field in a file .npy that has a hidden name until it is complete."""

    held = 0.0

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self._path, self._shape = path, shape
        self._partial: Path | None = None
        self._folders: list[Path] = []
        self._offset = 0
        self.space = nearest(path), 8.0 * math.prod(shape)

    def _open(self) -> BinaryIO:
        if self._partial is not None:
            return self._partial.open("r+b")
        target = behind_links(self._path)
        make_folder(target.parent, self._folders)
        self._partial = hidden_name(target)
        described = {"descr": "<f8", "fortran_order": False, "shape": self._shape}
        with self._partial.open("w+b") as stream:
            np.lib.format.write_array_header_1_0(stream, described)
            self._offset = stream.tell()
            stream.truncate(self._offset + 8 * math.prod(self._shape))
        return self._partial.open("r+b")

    def begin(self) -> None:
        """As `Target`."""
        with naming_output(self._path):
            self._open().close()

    def write(self, box: Box, field: FloatArray) -> None:
        """As `Target`."""
        field = np.asarray(field, dtype="<f8")
        with naming_output(self._path), self._open() as stream:
            for place, inner in _runs(self._shape, box):
                stream.seek(self._offset + 8 * place)
                stream.write(bytes_of(field[inner]))

    def finish(self) -> object:
        """As `Target`."""
        with naming_output(self._path):
            if self._partial is None:  # an empty field
                self._open().close()
            assert self._partial is not None
            self._partial.replace(behind_links(self._path))
        self._partial = None
        return self._path

    def drop(self) -> None:
        """As `Target`."""
        if self._partial is not None:
            self._partial.unlink(missing_ok=True)
            self._partial = None
        remove_empty(self._folders)
