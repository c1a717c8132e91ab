"""Arrays in files, one for each chunk, which are known by their checksums."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mbfast._core.archive import hidden_name, naming_output
from mbfast._core.validate import FloatArray
from mbfast.pairs._stored.ends import bytes_of, fill

MISSING = -1  # in place of the checksum of a chunk that is not there


class DamagedError(Exception):
    """Chunks that are missing or are not what was written: pairs of an array of chunks and places in it."""

    def __init__(self, chunks: Iterable[tuple[Chunks, tuple[int, int]]]) -> None:
        super().__init__("damaged chunks")
        self.chunks = list(chunks)


class Chunks:
    """Chunks of an array, by their places in two directions, (rows, columns).

    Attributes
    ----------
    name : str
    checksums : ndarray of int64, shape (rows, columns)
        CRC-32 of each chunk, or MISSING.
    """

    def __init__(self, folder: Path, name: str, shape: tuple[int, int]) -> None:
        self._folder, self.name = folder, name
        self.checksums: NDArray[np.int64] = np.full(shape, MISSING)

    def _file(self, place: tuple[int, int]) -> Path:
        return self._folder / f"{self.name}-{place[0]:05d}-{place[1]:05d}"

    def write(self, place: tuple[int, int], chunk: FloatArray) -> None:
        """Write a chunk, C-contiguous, whole or not at all."""
        file = self._file(place)
        partial = hidden_name(file)
        view = bytes_of(chunk)
        try:
            with naming_output(self._folder):
                with partial.open("wb") as stream:
                    stream.write(view)
                partial.replace(file)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        self.checksums[place] = zlib.crc32(view)

    def read(self, place: tuple[int, int], out: FloatArray) -> bool:
        """Fill out, C-contiguous, with a chunk; whether it is what was written."""
        if self.checksums[place] == MISSING:
            return False
        try:
            with self._file(place).open("rb", buffering=0) as stream:
                fill(stream, out, self._file(place))
                longer = bool(stream.read(1))
        except OSError:
            return False
        return not longer and zlib.crc32(bytes_of(out)) == self.checksums[place]

    def wanted(self, row: int | slice, column: int | slice) -> list[tuple[int, int]]:
        """Return the places of those in a row or a column that are missing."""
        some = np.zeros(self.checksums.shape, bool)
        some[row, column] = True
        return [(int(i), int(j)) for i, j in np.argwhere(some & (self.checksums == MISSING))]

    def remove(self, row: int | slice, column: int | slice) -> None:
        """Remove the files of a row or a column, whose checksums stay: the chunks have had their use."""
        for i in range(self.checksums.shape[0])[row] if isinstance(row, slice) else [row]:
            for j in range(self.checksums.shape[1])[column] if isinstance(column, slice) else [column]:
                self._file((i, j)).unlink(missing_ok=True)


def fresh(folder: Path) -> Path:
    """Return a folder without anything in it."""
    shutil.rmtree(folder, ignore_errors=True)
    with naming_output(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def tidy(folder: Path) -> None:
    """Remove what a process that was killed has not completed."""
    for file in folder.glob(".*"):
        file.unlink(missing_ok=True)
