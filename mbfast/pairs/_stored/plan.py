"""How a lattice field is cut so that each task fits into memory, and what it takes on disk."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from mbfast._core.tiles import Tile, cut
from mbfast.pairs.pencils import EIGHT, Pencils

TASKS = 8  # of each pass, at least, where there is so much to cut: bars move, and little is lost when it is killed
_PER_OFFSET = {False: 56.0, True: 100.0}  # doubles for a point of a plane of the kernel, of points and of cubes
_DERIVATIVES = 15
_PER_MODE = 64.0  # doubles for a wave vector of one sign along each axis


@dataclass(frozen=True)
class Plan:
    """Ranges that the tasks are about.

    Attributes
    ----------
    parts : list of tuple
        Ranges of blocks of x and of lines, those of the passes "spread" and "collect".
    planes : list of tuple
        Ranges of planes kz, those of the pass "planes".
    offsets, tiles : list of tuple
        Ranges of planes and of tiles of y, of the passes that make a padded kernel.
    modes : list of tuple
        Ranges of wave vectors along x, of the pass before these where all images are summed.
    """

    _RANGES: ClassVar = ("parts", "planes", "offsets", "tiles", "modes")

    parts: list[tuple[int, int, int, int]]
    planes: list[Tile]
    offsets: list[Tile]
    tiles: list[Tile]
    modes: list[Tile]

    def described(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    @classmethod
    def of(cls, described: dict[str, Any]) -> Plan:
        """Undo `described`."""
        return cls(**{name: [tuple(item) for item in described[name]] for name in cls._RANGES})

    def arena(self, pencils: Pencils, threads: int) -> int:
        """Return the bytes of the arrays of the largest task, with so many threads."""
        sizes = Sizes(pencils, threads)
        planes, offsets, tiles, modes = (
            max((b - a for a, b in some), default=0) for some in (self.planes, self.offsets, self.tiles, self.modes)
        )
        blocks, lines = max(b - a for a, b, _, _ in self.parts), max(b - a for _, _, a, b in self.parts)
        some = sizes.piece, sizes.pencil(blocks, lines), sizes.some_planes(planes, blocks, lines, tiles)
        if pencils.circular:
            return max(some)
        of_kernel = sizes.offsets(offsets, tiles, modes), sizes.kernel_lines(tiles), sizes.modes(modes, offsets)
        return max(*some, *of_kernel)


class Files:
    """Bytes of arrays that are kept in files: what moments are spread to, a padded kernel, and modes of its sums."""

    def __init__(self, pencils: Pencils) -> None:
        x, y, z = (axis.n for axis in pencils.axes)
        self.field = 8 * math.prod(pencils.shape)
        self.kernel = 0 if pencils.circular else 8 * math.prod(pencils.kernel_shape)
        self.modes = 8 * _DERIVATIVES * (x // 2 + 1) * y * z if pencils.adds_uniform else 0

    def of_field(self, share: float) -> float:
        """Return what is there while a field is computed: of what a task reads, its share is there beside the new."""
        return self.field * (1.0 + share)

    def of_kernel(self, share: float) -> float:
        """Return what is there while the kernel is made."""
        return self.kernel * (1.0 + share) + self.modes


class Sizes:
    """Bytes of the arrays of tasks."""

    def __init__(self, pencils: Pencils, threads: int) -> None:
        self.pencils, self.threads = pencils, threads
        self.x, self.y, self.z = pencils.axes
        self.k, self.blocks, self.lines, self.row = pencils.shape
        self.columns = (9 if pencils.components == 6 else 3) * (1 + pencils.problem.self_field)
        self.tile = 8 * math.prod(pencils.kernel_shape[2:])  # of one plane of the kernel
        self.kernel_plane = pencils.kernel_shape[1] * self.tile
        self.plane = 8 * self.blocks * self.lines * self.row

    @functools.cached_property
    def together(self) -> int:
        """How many modes are made together, if any are."""
        return len(self.pencils.image_sums().pieces[0]) if self.pencils.adds_uniform else 0

    @functools.cached_property
    def piece(self) -> int:
        """Return those of the moments that are looked at together, at least."""
        i, j = next(self.pencils.lattice.pieces())
        return int(8 * self.columns * (i.stop - i.start) * (j.stop - j.start) * self.pencils.lattice.shape[2])

    def pencil(self, blocks: int, lines: int) -> int:
        """Return those of "spread" and "collect": what comes or goes, and its transform."""
        width, rows = min(blocks * self.pencils.width, self.x.n), min(lines * self.pencils.per_line, self.y.n)
        return 8 * (self.k * blocks * lines * self.row + self.columns * width * rows * self.z.n)

    def some_planes(self, planes: int, blocks: int, lines: int, tiles: int) -> int:
        """Return those of "planes": with the kernel, and chunks on their way."""
        chunk = 8 * planes * blocks * lines * self.row
        kernel_chunk = 0 if self.pencils.circular else planes * tiles * self.tile
        return planes * (self.plane + self.kernel_plane) + self.threads * max(chunk, kernel_chunk)

    def part(self, planes: int, blocks: int, lines: int) -> int:
        """Return those of tasks about a part, "planes" among them with so many planes, at least."""
        return max(self.pencil(blocks, lines), self.some_planes(planes, blocks, lines, 1))

    def kernel_part(self, tiles: int, blocks: int, lines: int) -> int:
        """Return those of tasks about so many tiles, at least."""
        some = self.some_planes(1, blocks, lines, tiles), self.offsets(self.pencils.step, tiles, self.together)
        return max(*some, self.kernel_lines(tiles), self.modes(self.together, self.pencils.step))

    def offsets(self, planes: int, tiles: int, modes: int = 1) -> int:
        """Return those of "offsets"."""
        chunk, lines = planes * tiles * self.tile, 0
        if self.pencils.adds_uniform:
            of_mode = 8 * _DERIVATIVES * self.y.n * planes
            chunk, lines = max(chunk, modes * of_mode), (self.x.n // 2 + 1) * of_mode
        return planes * self.kernel_plane + lines + self.threads * chunk

    def modes(self, modes: int, planes: int) -> int:
        """Return those of "modes"."""
        return 8 * _DERIVATIVES * modes * self.y.n * (self.z.n + self.threads * planes)

    def kernel_lines(self, tiles: int) -> int:
        """Return those of "lines"."""
        return self.z.m * tiles * self.tile

    @property
    def fewest(self) -> int:
        """How many planes of a field are done together, at least."""
        return self.pencils.step if self.pencils.circular else 1

    @property
    def least(self) -> int:
        """Those of any plan."""
        of_kernel = 0 if self.pencils.circular else self.kernel_part(1, 1, 1)
        return max(self.piece, self.part(self.fewest, 1, 1), of_kernel) + self.beside

    @property
    def beside(self) -> int:
        """Those that kernels and their threads take themselves."""
        x, y, z, c = self.x, self.y, self.z, self.pencils.components
        lines = max(z.m, z.n) * self.row
        step, functions = self.pencils.step, self.pencils.kernel_shape[3]
        if self.pencils.circular:
            planes = x.n * 16 * c + c * c * EIGHT
            making = _PER_MODE * step * (x.n // 2 + 1) * (y.n // 2 + 1)
        else:
            row_y, row_x = 4 * c * self.pencils.width, 32 * c
            planes = self.pencils.kernel_shape[1] * x.n * row_x + x.n * row_x + 21 * EIGHT * x.m
            planes += max(y.m * row_y, x.m * row_x)
            making = _PER_OFFSET[self.pencils.lattice.averaged] * step * x.n * y.n
            if self.pencils.adds_uniform:
                sums = self.pencils.image_sums()
                plane = len(sums.pieces[0]) * self.y.n * self.z.n  # with what SciPy's transforms take
                making = max(_PER_MODE * plane / 4 + 25 * plane, 60.0 * sums.step * x.n * y.n)
            making = max(making + 2 * 8 * functions * max(y.m, x.m), 2 * 8 * functions * z.m)
        return int(8 * self.threads * max(lines, planes, making))


def planned(pencils: Pencils, budget: float, threads: int) -> Plan | int:
    """Return the plan within a number of bytes; if there is none, how many are needed."""
    sizes = Sizes(pencils, threads)
    if sizes.least > budget:
        return sizes.least
    room, open_kernel = budget - sizes.beside, not pencils.circular
    step, tiles_of_y, first = pencils.step, pencils.kernel_shape[1], sizes.fewest
    lines, blocks = sizes.lines, sizes.blocks
    # parts are cut along the axis that comes first in memory: what is read and written is then in long runs
    if pencils.order[0] < pencils.order[1]:
        most = math.ceil(lines / math.ceil(TASKS / blocks))
        lines = _largest(lambda n: sizes.part(first, 1, n), most, room)
        whole = lines == most
        blocks = _largest(lambda n: sizes.part(first, n, lines), _share(blocks), room) if whole else 1
    else:
        blocks = _largest(lambda n: sizes.part(first, n, 1), blocks, room)
        whole = blocks == sizes.blocks
        lines = _largest(lambda n: sizes.part(first, blocks, n), _share(lines), room) if whole else 1
    blocks, lines = _balanced(sizes.blocks, blocks), _balanced(sizes.lines, lines)
    tiles, offsets, modes = tiles_of_y, step, sizes.together
    if open_kernel:
        tiles = _largest(lambda n: sizes.kernel_part(n, blocks, lines), _share(tiles), room)
        tiles = _balanced(tiles_of_y, tiles)
        most = _share(math.ceil(sizes.z.n / step))
        offsets *= _largest(
            lambda n: max(sizes.offsets(n * step, tiles, modes), sizes.modes(modes, n * step)), most, room
        )
    if modes:
        most = _share(math.ceil((sizes.x.n // 2 + 1) / modes))
        modes *= _largest(
            lambda n: max(sizes.offsets(offsets, tiles, n * modes), sizes.modes(n * modes, offsets)), most, room
        )
    most = _share(math.ceil(sizes.k / first))
    planes = first * _largest(lambda n: sizes.some_planes(n * first, blocks, lines, tiles), most, room)
    return Plan(
        parts=[(*b, *n) for b in cut(sizes.blocks, blocks) for n in cut(sizes.lines, lines)],
        planes=cut(sizes.k, planes),
        offsets=cut(sizes.z.n, offsets) if open_kernel else [],
        tiles=cut(tiles_of_y, tiles) if open_kernel else [],
        modes=cut(sizes.x.n // 2 + 1, modes) if modes else [],
    )


def _largest(needed: Callable[[int], float], most: int, room: float) -> int:
    """Return the largest number up to `most` that needs no more than there is room, or 1."""
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if needed(middle) <= room else (low, middle - 1)
    return low


def _share(n: int) -> int:
    return math.ceil(n / TASKS)


def _balanced(n: int, size: int) -> int:
    """Return the size of as many pieces of n, which are nearly alike."""
    return math.ceil(n / math.ceil(n / size))
