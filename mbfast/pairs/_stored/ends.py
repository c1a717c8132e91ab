"""Where moments come from and fields go to, box by box: arrays, memory maps, .npy files, and zarr."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mbfast._core.archive import behind_links, check_writable, hidden_name, naming, naming_output
from mbfast._core.validate import FloatArray, real_array

Box: TypeAlias = tuple[slice, slice, slice]
"""Ranges of blocks along the three axes of a lattice."""

_PIECE = 1 << 23  # bytes that are looked at together where more would be held twice


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

    def write(self, box: Box, field: FloatArray) -> None:
        """Take the field of a box."""

    def finish(self) -> object:
        """Make what was written visible, and return it."""

    def drop(self) -> None:
        """Leave nothing of what was written, where it has a name that nobody sees yet."""


def source_of(moments: object) -> Source:
    """Return where moments come from; a TypeError if they are none."""
    if isinstance(moments, str | os.PathLike):
        path = Path(moments)
        if _is_zarr(path):
            return _ZarrArray(_opened(path, "moments"))
        if path.suffix.lower() != ".npy":
            raise ValueError(f"moments must be arrays, or in files .npy or .zarr, got {path}")
        return _npy_source(path)
    if _is_zarr_array(moments):
        return _ZarrArray(moments)
    # not as a whole what `real_array` makes of it: a memory map stays one
    return _Array(moments if type(moments) is np.memmap and moments.dtype.kind in "iuf" else _real(moments))


def target_of(out: object, shape: tuple[int, ...], parts: tuple[int, ...]) -> Target:
    """Return where a field of a shape goes, which comes in boxes of the sizes of `parts`; nothing is written yet."""
    if isinstance(out, str | os.PathLike):
        path = Path(out)
        if path.suffix.lower() == ".npy":
            check_writable(path)
            return _NpyTarget(path, shape)
        if path.suffix.lower() == ".zarr":
            return _NewZarr(path, shape, parts)
        raise ValueError(f"out must be an array, or a file .npy or .zarr, got {path}")
    wanted = f"out must be a writable float64 array of shape {shape}, or the path of a file .npy or .zarr"
    if _is_zarr_array(out):
        array: Any = out
        if array.dtype != np.float64 or array.shape != shape or array.read_only:
            got = f"zarr of {array.dtype}, shape {array.shape}, read-only: {array.read_only}"
            raise ValueError(f"{wanted}, got {got}")
        return _ZarrArray(array)
    if not isinstance(out, np.ndarray) or type(out) not in (np.ndarray, np.memmap) or out.dtype != np.float64:
        dtype = f" of {out.dtype}" if isinstance(out, np.ndarray) else ""
        raise TypeError(f"{wanted}, got {type(out).__name__}{dtype}")
    if out.shape != shape or not out.flags.writeable:
        raise ValueError(f"{wanted}, got shape {out.shape}, writable: {out.flags.writeable}")
    return _Array(out)


def refuse_same_place(moments: object, out: object, folder: Path) -> None:
    """Raise a ValueError if out is within a folder, or is where the moments are and is not replaced at the end."""
    ours, theirs = _file_of(out), _file_of(moments)
    if ours is not None and ours.is_relative_to(behind_links(folder)):
        raise ValueError(f"out must be outside of folder, got {ours}")
    arrays = isinstance(moments, np.ndarray) and isinstance(out, np.ndarray)
    shared = arrays and np.may_share_memory(moments, out)
    if shared or (ours is not None and ours == theirs and not isinstance(out, str | os.PathLike)):
        raise ValueError("out must not be where the moments are, which a field that was interrupted begins with again")


def _file_of(place: object) -> Path | None:
    """Return the file of a path, of a memory map or of a zarr array, if it is known."""
    if isinstance(place, np.memmap):
        place = place.filename
    elif _is_zarr_array(place):
        place = getattr(getattr(place, "store", None), "root", None)
    return behind_links(Path(place)) if isinstance(place, str | os.PathLike) else None


def _real(moments: object) -> NDArray[Any]:
    return real_array("moments", moments)  # type: ignore[arg-type]


class _Array:
    """An array in memory, or a memory map, whose pages are let go of."""

    held = float(_PIECE)
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
    """Yield what cuts an array into pieces of some `_PIECE` bytes."""
    if array.nbytes <= _PIECE or array.ndim < 2:
        yield (slice(None),)
        return
    per = max(1, _PIECE // max(1, array.nbytes // len(array)))
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


def _npy_source(path: Path) -> Source:
    with path.open("rb") as stream, naming(path):
        try:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(stream)
        except ValueError as error:
            raise ValueError(f"not a NumPy array ({error})") from None
        if dtype.kind not in "iuf":
            raise TypeError(f"moments must consist of real numbers, got dtype {dtype}")
        offset = stream.tell()
        if path.stat().st_size < offset + math.prod(shape) * dtype.itemsize:
            raise ValueError("the file ends before its array")
    if fortran or math.prod(shape) == 0:
        return _Array(np.load(path, mmap_mode="r" if math.prod(shape) else None, allow_pickle=False))
    return _NpySource(path, shape, dtype, offset)


class _NpySource:
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


def _nearest(path: Path) -> Path:
    """Return the folder that a file comes to, or what there is of it."""
    return next(folder for folder in behind_links(path).parents if folder.exists())


class _NpyTarget:
    """A field in a file .npy that has a hidden name until it is complete."""

    held = 0.0

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self._path, self._shape = path, shape
        self._partial: Path | None = None
        self._offset = 0
        self.space = _nearest(path), 8.0 * math.prod(shape)

    def _open(self) -> BinaryIO:
        if self._partial is not None:
            return self._partial.open("r+b")
        target = behind_links(self._path)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._partial = hidden_name(target)
        stream = self._partial.open("w+b")
        described = {"descr": "<f8", "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(stream, described)
        self._offset = stream.tell()
        stream.truncate(self._offset + 8 * math.prod(self._shape))
        return stream

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


def _zarr() -> Any:
    try:
        import zarr  # noqa: PLC0415
    except ImportError:
        raise ImportError("fields in zarr need the package zarr: pip install 'mbfast[zarr]'") from None
    return zarr


def _is_zarr(path: Path) -> bool:
    return path.suffix.lower() == ".zarr" or (path / "zarr.json").exists() or (path / ".zarray").exists()


def _is_zarr_array(value: object) -> bool:
    return "zarr" in sys.modules and isinstance(value, sys.modules["zarr"].Array)


def _opened(path: Path, name: str) -> Any:
    if not path.exists():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    zarr = _zarr()
    try:
        return zarr.open_array(str(path), mode="r")
    except Exception as error:  # of any type: what zarr met on its way
        raise ValueError(f"{name} must be a zarr array, got {path} ({type(error).__name__}: {error})") from None


class _ZarrArray:
    """A zarr array, read and written by pieces that are whole chunks of it where they can be."""

    def __init__(self, array: Any) -> None:
        self._array, self.shape, self.dtype = array, tuple(array.shape), array.dtype
        if self.dtype.kind not in "iuf":
            raise TypeError(f"moments must consist of real numbers, got dtype {self.dtype}")
        chunks, whole = array.chunks[:3], array.shards or array.chunks
        self._chunks, self._whole = chunks, whole[:3]
        chunk, shard = (self.dtype.itemsize * math.prod(sizes) for sizes in (array.chunks, whole))
        # one that is read is there as bytes, as numbers and in place, several at a time; one written is encoded, too
        self.held = 4.0 * max(_PIECE, chunk) + 3.0 * shard * (array.shards is not None)
        self.planes = chunks[0] if chunks else 1
        self.space = Path(), 0.0

    def _cut(self, box: Box, sizes: tuple[int, ...]) -> Iterator[tuple[Box, Box]]:
        """Yield boxes of some whole chunks, and where they are in their box."""
        size = list(sizes)
        for axis in (2, 1):
            while self.dtype.itemsize * math.prod(size) * math.prod(self.shape[3:]) < _PIECE // 2 and (
                size[axis] < self.shape[axis]
            ):
                size[axis] *= 2
        axes = []
        for axis, some in enumerate(box):
            starts = range(some.start // size[axis] * size[axis], some.stop, size[axis])
            axes.append([slice(max(at, some.start), min(at + size[axis], some.stop)) for at in starts])
        for a, b, c in itertools.product(*axes):
            first, second, third = (
                slice(s.start - o.start, s.stop - o.start) for s, o in zip((a, b, c), box, strict=True)
            )
            yield (a, b, c), (first, second, third)

    def read(self, box: Box, out: NDArray[Any]) -> None:
        """As `Source`."""
        for there, here in self._cut(box, self._chunks):
            out[here] = self._array[there]

    def write(self, box: Box, field: FloatArray) -> None:
        """As `Target`."""
        for there, here in self._cut(box, self._whole):
            self._array[there] = field[here]

    def finish(self) -> object:
        """As `Target`."""
        return self._array

    def drop(self) -> None:
        """Leave the array as it is: it is the caller's."""


_SHARD, _SIDE = 1 << 24, 32  # bytes of a shard, and blocks along a side of a chunk, as a rule


class _NewZarr:
    """A field in a new zarr array, in shards, that has a hidden name until it is complete."""

    def __init__(self, path: Path, shape: tuple[int, ...], parts: tuple[int, ...]) -> None:
        _zarr()
        self._path, self._shape = path, shape
        self._made: _ZarrArray | None = None
        if path.exists() and not _is_zarr(path) and any(path.iterdir() if path.is_dir() else [path]):
            raise ValueError(f"out must be a zarr array or a new folder, got {path}")
        check_writable(path.with_name(path.name + ".probe"))
        self.held = 6.0 * _SHARD
        self.space = _nearest(path), 8.0 * math.prod(shape)
        numbers = math.prod(shape[3:])
        # axes that are cut are cut alike here, so that no shard belongs to two boxes
        self._chunks, self._shards = _grid(shape, parts, numbers)

    def _array(self) -> _ZarrArray:
        if self._made is None:
            target = behind_links(self._path)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._partial = hidden_name(target)
            array = _zarr().create_array(
                str(self._partial), shape=self._shape, dtype="float64", compressors=None,
                chunks=(*self._chunks, *self._shape[3:]), shards=(*self._shards, *self._shape[3:]),
            )  # fmt: skip
            self._made = _ZarrArray(array)
        return self._made

    def write(self, box: Box, field: FloatArray) -> None:
        """As `Target`."""
        with naming_output(self._path):
            self._array().write(box, field)

    def finish(self) -> object:
        """As `Target`."""
        self._array()
        with naming_output(self._path):
            target = behind_links(self._path)
            old = hidden_name(target)
            if target.exists():
                target.rename(old)
            self._partial.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        self._made = None
        return self._path

    def drop(self) -> None:
        """As `Target`."""
        if self._made is not None:
            shutil.rmtree(self._partial, ignore_errors=True)


def _grid(shape: tuple[int, ...], parts: tuple[int, ...], numbers: int) -> tuple[list[int], list[int]]:
    """Return sizes of chunks and of shards along three axes, for boxes of the sizes of `parts`.

    Chunks divide an axis that is cut into boxes, so that no shard belongs to two of them.
    """
    chunks = []
    for n, part in zip(shape[:3], parts, strict=True):
        most = max((d for d in range(1, _SIDE + 1) if part % d == 0), default=1)
        whole = most if most >= _SIDE // 4 or part > 4 * _SIDE else part
        chunks.append(whole if part < n else math.ceil(n / math.ceil(n / _SIDE)))
    shards = list(chunks)
    for axis in (2, 1, 0):
        most = parts[axis] if parts[axis] < shape[axis] else shape[axis]
        room = _SHARD // (8 * numbers * math.prod(shards))
        times = max(1, min(room, math.ceil(most / chunks[axis])))
        while parts[axis] < shape[axis] and parts[axis] // chunks[axis] % times:
            times -= 1
        shards[axis] *= times
    return chunks, shards
