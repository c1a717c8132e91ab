"""The tasks that a stored field consists of, pass by pass: each is a function of its pass and number alone.

A task reads chunks and writes chunks, each of them once; what it has written is known by the checksums in `chunks`. A
task that finds chunks missing or damaged raises a DamagedError before it has written any: `ensure` has them made again.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
import queue
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from mbfast._core import jobs, tiles
from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import FloatArray, as_doubles
from mbfast.pairs._stored.chunks import MISSING, Chunks, DamagedError
from mbfast.pairs._stored.ends import Source, Target, bytes_of
from mbfast.pairs._stored.plan import Plan
from mbfast.pairs.geometry import Box
from mbfast.pairs.moments import largest_of, refuse
from mbfast.pairs.pencils import Pencils, WaveKernel, pieces_of

T = TypeVar("T")

_TILES = 4  # of each thread, of what it does on the arrays of a task
_READ = 1 << 26  # bytes of moments that are looked at together
_log = logging.getLogger("mbfast")


class Arena:
    """The memory of all tasks, one after the other: taken once, as new pages would cost as much as a transform."""

    def __init__(self, nbytes: int) -> None:
        self._flat = np.empty(nbytes // 8 + 64)

    @property
    def nbytes(self) -> int:
        """Bytes that there are."""
        return self._flat.nbytes - 8 * 64

    def __reduce__(self) -> tuple[Any, ...]:
        return Arena, (self.nbytes,)  # without what is in it

    def take_as(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Return one array of another type."""
        nbytes = dtype.itemsize * math.prod(shape)
        return self.take((math.ceil(nbytes / 8),))[0].view(np.uint8)[:nbytes].view(dtype).reshape(shape)

    def take(self, *shapes: tuple[int, ...]) -> list[FloatArray]:
        """Return arrays of some shapes, each from the start of a cache line on; what was taken before is theirs."""
        start, arrays = -self._flat.ctypes.data % 64 // 8, []
        for shape in shapes:
            size = math.prod(shape)
            arrays.append(self._flat[start : start + size].reshape(shape))
            start += (size + 7) // 8 * 8
        return arrays


class Tasks:
    """Passes of tasks, and the chunks that they make.

    Attributes
    ----------
    passes : dict
        The number of tasks of each pass, in order.
    chunks : dict
        Those that each pass makes; of chunks (i, j) its task i makes the row i, or its task j the column j.
    """

    passes: dict[str, int]
    by_row: ClassVar[dict[str, bool]]  # whether a task makes a row
    needed: ClassVar[dict[str, str]]  # the pass whose chunks a pass is the last to read

    def __init__(self, pencils: Pencils, plan: Plan, folder: Path, threads: int, arena: Arena) -> None:
        self.pencils, self.plan, self.threads, self.arena = pencils, plan, threads, arena
        self.folder = folder
        self.chunks: dict[str, Chunks] = {}

    def run_task(self, name: str, number: int) -> NDArray[np.int64] | None:
        """Do a task and return the checksums of its chunks; a DamagedError if it finds chunks missing or damaged."""
        getattr(self, f"_{name}")(number)
        return self.chunks[name].checksums[self.place(name, number)] if name in self.chunks else None

    def place(self, name: str, number: int) -> tuple[int | slice, int | slice]:
        """Return which chunks a task makes."""
        return (number, slice(None)) if self.by_row[name] else (slice(None), number)

    def is_done(self, name: str, number: int) -> bool:
        """Whether all chunks of a task were made."""
        return not self.chunks[name].wanted(*self.place(name, number))

    def run_pass(self, name: str, keep: Callable[[], object], advance: Callable[[], object]) -> None:
        """Do what is left of a pass, here or on the cluster there is, and call `advance` for each of its tasks."""
        left = [n for n in range(self.passes[name]) if name not in self.chunks or not self.is_done(name, n)]
        for _ in range(self.passes[name] - len(left)):
            advance()
        cluster = jobs.cluster()
        if cluster is None:
            for number in left:
                self.ensure(name, number, keep)
                advance()
            return
        for number, made in cluster.run(functools.partial(_try_task, self, name), dict(zip(left, left, strict=True))):
            if made is False:  # chunks were damaged: this process mends them
                self.ensure(name, number, keep)
            elif made is not None:
                self.chunks[name].checksums[self.place(name, number)] = made
                keep()
                self._remove_read(name, number)
            advance()

    def _remove_read(self, name: str, number: int) -> None:
        """Remove the chunks that a task was the last to read."""
        if self.needed.get(name) in self.chunks:
            self.chunks[self.needed[name]].remove(*self.place(name, number))

    def ensure(self, name: str, number: int, keep: Callable[[], object], again: int = 2) -> None:
        """Do a task, and before it once more those whose chunks are missing or damaged."""
        while True:
            try:
                self.run_task(name, number)
                keep()
                break
            except DamagedError as error:
                if not again:
                    raise OSError(f"{self.folder}: chunks are damaged again and again") from None
                again -= 1
                self.mend(error, keep)
        self._remove_read(name, number)

    def mend(self, error: DamagedError, keep: Callable[[], object]) -> None:
        """Have damaged chunks made again."""
        todo = []
        for chunks, place in error.chunks:
            if chunks.checksums[place] != MISSING:
                _log.info("%s: chunk %s of %s is computed again", self.folder, place, chunks.name)
            chunks.checksums[place] = MISSING
            task = chunks.name, place[0 if self.by_row[chunks.name] else 1]
            if task not in todo:
                todo.append(task)
        for task in todo:
            self.ensure(*task, keep)

    def _run(self, work: Callable[[T], Any], items: Iterable[T]) -> list[Any]:
        return tiles.run(work, list(items), threads=self.threads)

    def _pieces(self, field: FloatArray, axis: int) -> list[Tile]:
        return pieces_of(field.shape[axis], field.size, _TILES * self.threads)

    def _gather(self, chunks: Chunks, parts: dict[tuple[int, int], FloatArray], buffers: list[FloatArray]) -> None:
        """Read chunks to their parts of an array, by way of buffers where these are not contiguous."""
        free: queue.SimpleQueue[FloatArray] = queue.SimpleQueue()
        for buffer in buffers:
            free.put(buffer)

        def read(place: tuple[int, int]) -> bool:
            part = parts[place]
            if part.flags.c_contiguous:
                return chunks.read(place, part)
            buffer = free.get()
            try:
                chunk = buffer[: part.size].reshape(part.shape)
                good = chunks.read(place, chunk)
                part[...] = chunk
            finally:
                free.put(buffer)
            return good

        good = self._run(read, parts)
        bad = [place for place, fine in zip(parts, good, strict=True) if not fine]
        if bad:
            raise DamagedError((chunks, place) for place in bad)

    def _scatter(self, chunks: Chunks, parts: dict[tuple[int, int], FloatArray], buffers: list[FloatArray]) -> None:
        """Write parts of an array as chunks, those that are missing."""
        free: queue.SimpleQueue[FloatArray] = queue.SimpleQueue()
        for buffer in buffers:
            free.put(buffer)

        def write(place: tuple[int, int]) -> None:
            part = parts[place]
            if part.flags.c_contiguous:
                chunks.write(place, part)
                return
            buffer = free.get()
            try:
                chunk = buffer[: part.size].reshape(part.shape)
                chunk[...] = part
                chunks.write(place, chunk)
            finally:
                free.put(buffer)

        self._run(write, [place for place in parts if chunks.checksums[place] == MISSING])


def _try_task(tasks: Tasks, name: str, number: int) -> NDArray[np.int64] | bool | None:
    """Do a task in another process; False where chunks are damaged."""
    try:
        return tasks.run_task(name, number)
    except DamagedError:
        return False


class KernelTasks(Tasks):
    """The kernel of a padded lattice: planes at offsets along z, then lines along z.

    Where all images are summed, the offsets come from wave vectors along x, whose lines are made first.
    """

    by_row: ClassVar = {"modes": False, "offsets": True, "lines": False}
    needed: ClassVar = {"lines": "offsets", "offsets": "modes"}

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        planes, offsets, parts, modes = (
            len(some) for some in (self.plan.planes, self.plan.offsets, self.plan.tiles, self.plan.modes)
        )
        shapes = {"modes": (offsets, modes), "offsets": (offsets, parts), "lines": (planes, parts)}
        shapes = {name: shape for name, shape in shapes.items() if min(shape)}
        self._sums: Any = self.pencils.image_sums() if modes else None
        self.passes = {name: shape[self.by_row[name] is False] for name, shape in shapes.items()}
        self.chunks = {name: Chunks(self.folder, name, shape) for name, shape in shapes.items()}

    def _modes(self, number: int) -> None:
        first, last = self.plan.modes[number]
        sums, sides = self._sums, [axis.n for axis in self.pencils.axes]
        most = max(b - a for a, b in self.plan.offsets)
        lines, *buffers = self.arena.take(
            (15, last - first, *sides[1:]), *[(15 * (last - first) * sides[1] * most,)] * self.threads
        )

        def some_lines(some: range) -> None:
            lines[:, some.start - first : some.stop - first] = sums.lines(some)

        self._run(some_lines, [some for some in sums.pieces if first <= some.start < last])
        parts = {(a, number): lines[..., slice(*some)] for a, some in enumerate(self.plan.offsets)}
        self._scatter(self.chunks["modes"], parts, buffers)

    def _offsets(self, number: int) -> None:
        first, last = self.plan.offsets[number]
        n, pencils = last - first, self.pencils
        buffer = n * max(b - a for a, b in self.plan.tiles) * math.prod(pencils.kernel_shape[2:])
        of_modes: tuple[int, ...] = (0,)
        derivatives = pencils.derivatives
        if self.plan.modes:
            x, y, _ = pencils.axes
            of_modes = (15, x.n // 2 + 1, y.n, n)
            buffer = max(buffer, 15 * max(b - a for a, b in self.plan.modes) * y.n * n)
        kernel, lines, *buffers = self.arena.take((n, *pencils.kernel_shape[1:]), of_modes, *[(buffer,)] * self.threads)
        if self.plan.modes:
            some_lines = {(number, i): lines[:, slice(*some)] for i, some in enumerate(self.plan.modes)}
            self._gather(self.chunks["modes"], some_lines, buffers)
            sums = self._sums
            derivatives = lambda some: sums.planes(lines[..., some[0] - first : some[1] - first])  # noqa: E731
        kernel[:, -1] = 0.0  # where a tile is not full

        def planes(some: Tile) -> None:
            pencils.offset_planes(derivatives((first + some[0], first + some[1])), kernel[slice(*some)])

        self._run(planes, cut(n, pencils.step))
        parts = {(number, s): kernel[:, slice(*part)] for s, part in enumerate(self.plan.tiles)}
        self._scatter(self.chunks["offsets"], parts, buffers)

    def _lines(self, number: int) -> None:
        count = self.plan.tiles[number][1] - self.plan.tiles[number][0]
        (kernel,) = self.arena.take((self.pencils.kernel_shape[0], count, *self.pencils.kernel_shape[2:]))
        parts = {(a, number): kernel[slice(*some)] for a, some in enumerate(self.plan.offsets)}
        self._gather(self.chunks["offsets"], parts, [])
        self._run(lambda tile: self.pencils.kernel_lines(tile, kernel), range(count))
        parts = {(q, number): kernel[slice(*some)] for q, some in enumerate(self.plan.planes)}
        self._scatter(self.chunks["lines"], parts, [])

    def read(self, number: int, kernel: FloatArray, buffers: list[FloatArray]) -> None:
        """Fill kernel with a range of planes."""
        parts = {(number, s): kernel[:, slice(*part)] for s, part in enumerate(self.plan.tiles)}
        self._gather(self.chunks["lines"], parts, buffers)


class FieldTasks(Tasks):
    """A field of moments that were checked: spread to planes, multiplied by the kernel, and collected."""

    by_row: ClassVar = {"spread": False, "planes": True}
    needed: ClassVar = {"planes": "spread"}

    def __init__(self, kernel: KernelTasks, *given: Any) -> None:
        super().__init__(*given)
        self.kernel = kernel
        self._waves = WaveKernel(self.pencils) if self.pencils.circular else None
        parts, planes = len(self.plan.parts), len(self.plan.planes)
        self.passes = {"spread": parts, "planes": planes, "collect": parts}
        self.chunks = {name: Chunks(self.folder, name, (planes, parts)) for name in ("spread", "planes")}
        self.source: Source
        self.target: Target
        self.columns, self.unit = 0, 1.0
        self.total: FloatArray | None = None  # of all moments, if it is wanted

    def mend(self, error: DamagedError, keep: Callable[[], object]) -> None:
        """Have damaged chunks made again, those of the kernel among them."""
        own = set(self.chunks.values())
        of_kernel = [item for item in error.chunks if item[0] not in own]
        if of_kernel:
            self.kernel.mend(DamagedError(of_kernel), keep)
        super().mend(DamagedError([item for item in error.chunks if item[0] in own]), keep)

    def box(self, number: int) -> tuple[Box, tuple[int, int, int]]:
        """Return the blocks of a part, and how many there are along each axis."""
        b0, b1, l0, l1 = self.plan.parts[number]
        return self.pencils.box((b0, b1), (l0, l1))

    @property
    def sides(self) -> tuple[int, int, int]:
        """The largest sides of parts: those of the first one."""
        return self.box(0)[1]

    def _shape_of(self, number: int) -> tuple[int, ...]:
        b0, b1, l0, l1 = self.plan.parts[number]
        return (self.pencils.shape[0], b1 - b0, l1 - l0, self.pencils.shape[3])

    def _sections(self, number: int, field: FloatArray) -> dict[tuple[int, int], FloatArray]:
        return {(q, number): field[slice(*some)] for q, some in enumerate(self.plan.planes)}

    def _moments(self, box: Box, out: FloatArray) -> None:
        """Fill out (n1, n2, n3, columns) with moments as doubles."""
        shaped = out.reshape(*out.shape[:3], *self.source.shape[3:])
        if self.source.dtype == np.float64 and self.source.dtype.isnative:
            self.source.read(box, shaped)
            return
        for i in range(out.shape[0]):
            some = np.empty(shaped[i : i + 1].shape, self.source.dtype)
            self.source.read((slice(box[0].start + i, box[0].start + i + 1), *box[1:]), some)
            shaped[i : i + 1] = as_doubles(some)

    def _spread(self, number: int) -> None:
        box, sides = self.box(number)
        source, field = self.arena.take((*sides, self.columns), self._shape_of(number))
        self._moments(box, source)

        def spread(tile: Tile) -> None:
            self.pencils.spread(tile, source, sides, self.columns, self.unit, field)

        self._run(spread, self._pieces(field, 2))
        self._scatter(self.chunks["spread"], self._sections(number, field), [])

    def _planes(self, number: int) -> None:
        first, last = self.plan.planes[number]
        n = last - first
        shape = (n, *self.pencils.shape[1:])
        chunk = n * max(math.prod(self._shape_of(p)[1:]) for p in range(len(self.plan.parts)))
        if self.plan.tiles:
            chunk = max(chunk, n * max(b - a for a, b in self.plan.tiles) * math.prod(self.pencils.kernel_shape[2:]))
        field, kernel, *buffers = self.arena.take(
            shape, (n, *self.pencils.kernel_shape[1:]), *[(chunk,)] * self.threads
        )
        parts = {(number, p): field[:, b0:b1, l0:l1] for p, (b0, b1, l0, l1) in enumerate(self.plan.parts)}
        self._gather(self.chunks["spread"], parts, buffers)
        fill = self._waves
        if fill is None:
            self.kernel.read(number, kernel, buffers)
        else:
            kernel[:, -1] = 0.0
            self._run(
                lambda some: fill((first + some[0], first + some[1]), kernel[slice(*some)]), cut(n, self.pencils.step)
            )
        self._run(lambda tile: self.pencils.planes(tile, field, kernel, first), self._pieces(field, 0))
        self._scatter(self.chunks["planes"], parts, buffers)

    def _collect(self, number: int) -> None:
        box, sides = self.box(number)
        target, field, *own = self.arena.take(
            (*sides, self.columns), self._shape_of(number), *[(*sides, self.columns)] * self.pencils.problem.self_field
        )
        self._gather(self.chunks["planes"], self._sections(number, field), [])

        def collect(tile: Tile) -> None:
            self.pencils.collect(tile, field, sides, self.columns, self.unit, target)

        self._run(collect, self._pieces(field, 2))
        for moments in own:
            self._moments(box, moments)
        rows = own[0].reshape(-1, self.columns) if own else None
        self.pencils.finish(target.reshape(-1, self.columns), rows, self.unit, self.total)
        if not self.pencils.is_bounded(self.unit):
            self.pencils.refuse_infinite(target, box)
        self.target.write(box, target.reshape(*sides, *self.source.shape[3:]))


class MomentTasks:
    """What is to be known of all moments before a field: that they are some, the largest, the sum, a checksum."""

    def __init__(self, pencils: Pencils, source: Source, threads: int, arena: Arena) -> None:
        self._source, self._sides, self._threads, self._arena = source, pencils.lattice.shape, threads, arena
        self._plane = source.dtype.itemsize * math.prod(source.shape[1:])
        pieces = list(pencils.lattice.pieces())
        together = pieces[0][0].stop  # planes of a piece
        planes = max(together, source.planes, math.ceil(_READ / self._plane))
        planes = min(math.ceil(planes / together) * together, arena.nbytes // self._plane // together * together)
        # by planes, if some fit; else piece by piece
        groups = itertools.groupby(pieces, lambda piece: piece[0].start // planes if planes else piece)
        self.tasks = [list(group) for _, group in groups]

    def run_task(self, number: int) -> list[tuple[float, int, FloatArray]]:
        """Return the largest, the checksum and the sum of each piece; a ValueError if one is no moments."""
        pieces = self.tasks[number]
        i, j = slice(pieces[0][0].start, pieces[-1][0].stop), slice(pieces[0][1].start, pieces[-1][1].stop)
        layout = self._source.shape[3:]
        shape = i.stop - i.start, j.stop - j.start, self._sides[2], *layout
        moments = self._arena.take_as(self._source.dtype, shape)
        self._source.read((i, j, slice(0, self._sides[2])), moments)

        def look(piece: tuple[slice, slice]) -> tuple[float, int, FloatArray]:
            (i0, i1), (j0, j1) = (
                (some.start - at.start, some.stop - at.start) for some, at in zip(piece, (i, j), strict=True)
            )
            rows = moments[i0:i1, j0:j1].reshape(-1, *layout)
            largest = largest_of(rows)
            if math.isnan(largest):
                refuse(rows, (piece[0].start * self._sides[1] + piece[1].start) * self._sides[2])
            total = as_doubles(rows).reshape(len(rows), -1).sum(axis=0)
            return largest, zlib.crc32(bytes_of(rows)), total

        return tiles.run(look, pieces, threads=self._threads)
