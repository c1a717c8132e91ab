"""Moments and fields in zarr, an optional package, box by box."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mbfast._core.archive import (
    LocatedError,
    behind_links,
    check_writable,
    hidden_name,
    make_folder,
    naming_output,
    remove_empty,
)
from mbfast._core.validate import FloatArray
from mbfast.pairs._stored.ends import PIECE, nearest
from mbfast.pairs.geometry import Box

_METADATA, _LARGEST_METADATA = ("zarr.json", ".zarray", ".zattrs"), 1 << 24


def _zarr() -> Any:
    try:
        import zarr  # noqa: PLC0415
    except ImportError:
        raise ImportError("fields in zarr need the package zarr: pip install 'mbfast[zarr]'") from None
    return zarr


def is_zarr(path: Path) -> bool:
    return path.suffix.lower() == ".zarr" or (path / "zarr.json").exists() or (path / ".zarray").exists()


def is_zarr_array(value: object) -> bool:
    zarr = sys.modules.get("zarr")  # who has such an array has imported it
    return zarr is not None and isinstance(value, zarr.Array)


def opened(path: Path, name: str) -> Any:
    if not path.exists():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    zarr = _zarr()
    _require_files(path)
    try:
        return zarr.open_array(str(path), mode="r")
    except Exception as error:  # of any type: what zarr met on its way
        raise ValueError(f"{name} must be a zarr array, got {path} ({type(error).__name__}: {error})") from None


def _require_files(path: Path) -> None:
    """Raise an error that names the file for what zarr would wait for, read for ever, or take for a missing chunk."""
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            there = file.stat()
            if not stat.S_ISREG(there.st_mode):
                raise LocatedError(f"{file}: a regular file is wanted, this is a pipe or a device")
            if name in _METADATA and there.st_size > _LARGEST_METADATA:
                raise LocatedError(f"{file}: metadata of at most {_LARGEST_METADATA} bytes are wanted")


class ZarrArray:
    """A zarr array, read and written by pieces that are whole chunks of it where they can be."""

    def __init__(self, array: Any, name: object = "moments") -> None:
        self._array, self.shape, self.dtype, self._name = array, tuple(array.shape), array.dtype, str(name)
        if self.dtype.kind not in "iuf":
            raise TypeError(f"moments must consist of real numbers, got dtype {self.dtype} in {self._name}")
        if 0 in array.chunks and 0 not in self.shape:
            raise ValueError(f"moments must have chunks with numbers, got {self._name} with chunks {array.chunks}")
        chunks, whole = array.chunks[:3], array.shards or array.chunks
        self._chunks, self._whole = chunks, whole[:3]
        chunk, shard = (self.dtype.itemsize * math.prod(sizes) for sizes in (array.chunks, whole))
        # one that is read is there as bytes, as numbers and in place, several at a time; one written is encoded, too
        self.held = 4.0 * max(PIECE, chunk) + 3.0 * shard * (array.shards is not None)
        self.planes = chunks[0] if chunks else 1
        self.space = Path(), 0.0

    def _cut(self, box: Box, sizes: tuple[int, ...]) -> Iterator[tuple[Box, Box]]:
        """Yield boxes of some whole chunks, and where they are in their box."""
        size = list(sizes)
        for axis in (2, 1):
            while self.dtype.itemsize * math.prod(size) * math.prod(self.shape[3:]) < PIECE // 2 and (
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
            try:
                part = self._array[there]
            except OSError:  # it names the file
                raise
            except Exception as error:  # of any type: what zarr and its decompressors met on their way
                what = f"{type(error).__name__}: {' '.join(str(error).split())}"
                raise LocatedError(f"{self._name}: a damaged chunk of zarr ({what})") from None
            out[here] = part

    def begin(self) -> None:
        """As `Target`: an array is there."""

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


class NewZarr:
    """A field in a new zarr array, in shards, that has a hidden name until it is complete."""

    def __init__(self, path: Path, shape: tuple[int, ...], parts: tuple[int, ...]) -> None:
        _zarr()
        self._path, self._shape = path, shape
        self._made: ZarrArray | None = None
        self._partial: Path | None = None
        self._folders: list[Path] = []
        if path.exists() and any(path.iterdir() if path.is_dir() else [path]):
            opened(path, "out")  # which is replaced: nothing but an array may be
        check_writable(path.with_name(path.name + ".probe"))
        self.held = 6.0 * _SHARD
        self.space = nearest(path), 8.0 * math.prod(shape)
        numbers = math.prod(shape[3:])
        # axes that are cut are cut alike here, so that no shard belongs to two boxes
        self._chunks, self._shards = _grid(shape, parts, numbers)

    def begin(self) -> None:
        """As `Target`."""
        with naming_output(self._path):
            self._array()

    def _array(self) -> ZarrArray:
        if self._made is None:
            target = behind_links(self._path)
            make_folder(target.parent, self._folders)
            self._partial = hidden_name(target)
            array = _zarr().create_array(
                str(self._partial), shape=self._shape, dtype="float64", compressors=None,
                chunks=(*self._chunks, *self._shape[3:]), shards=(*self._shards, *self._shape[3:]),
            )  # fmt: skip
            self._made = ZarrArray(array)
        return self._made

    def write(self, box: Box, field: FloatArray) -> None:
        """As `Target`."""
        with naming_output(self._path):
            self._array().write(box, field)

    def finish(self) -> object:
        """As `Target`."""
        with naming_output(self._path):
            self._array()
            assert self._partial is not None
            target = behind_links(self._path)
            old = hidden_name(target)
            if target.exists():
                target.rename(old)
            self._partial.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        self._made = self._partial = None
        return self._path

    def drop(self) -> None:
        """As `Target`."""
        if self._partial is not None:
            shutil.rmtree(self._partial, ignore_errors=True)
            self._made = self._partial = None
        remove_empty(self._folders)


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
