"""Fields on a lattice that is shared among processes of MPI: `MPILatticeField`.

The module can be imported without mpi4py, of the extra ``mpi``, which its class needs. A script is run by
``mpiexec -n 8 python -m mpi4py script.py``: with ``-m mpi4py`` an error of the script's own on one rank ends them all.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core import tiles
from mbfast._core.checkpoint import described
from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import FloatArray
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.moments import Moments, total_of, unit_of
from mbfast.pairs.pencils import Pencils, WaveKernel, aligned, pieces_of
from mbfast.pairs.problem import EXACT, ROUNDING, Boundary, ImageShape, Macroscopic, PairProblem

if TYPE_CHECKING:
    from mpi4py import MPI

Cut: TypeAlias = tuple[int, list[Tile]]  # an axis, and the range of each rank along it
_TILES = 4  # of each of the three steps for a thread
_MESSAGE = 1 << 28  # bytes, about: not every MPI sends more than 2 GB at once


class MPILatticeField:
    r"""Fields on a lattice whose moments are shared among ranks: those of `mbfast.LatticeField`, to the last bit.

    Parameters
    ----------
    interaction, lattice
        As in `mbfast.LatticeField`; these and the options are the same on all ranks.
    comm : mpi4py.MPI.Intracomm
        The ranks. All of them make the field, and call it, together.
    boundary, images, image_shape, macroscopic, self_field
        As in `mbfast.LatticeField`.
    threads : int, optional
        Of each rank. None: as in `mbfast.pair_field`, which takes the cores that a rank may use.

    Attributes
    ----------
    interaction, lattice, boundary, problem, rtol
        As in `mbfast.LatticeField`.
    comm
        As given.
    box : tuple of three slice
        The blocks of this rank: all along two axes, a range along the third, the one of neither the most nor the fewest
        blocks, and the first one where all sides are alike. Where ranks are more than there are blocks along it, or
        pairs of blocks if periodic, some have none.
    nbytes : int
        Memory held by this rank (bytes), its share of what `mbfast.LatticeField` holds but that the transform is there
        twice: in all 112 + 2 x 96 a block for stress and 40 + 2 x 48 for dipoles; periodic with all images 28 + 2 x 48
        and 10 + 2 x 24, if all sides are products of 2, 3 and 5.

    Raises
    ------
    ImportError
        If mpi4py is not installed.
    TypeError, ValueError, MemoryError
        For the arguments that `mbfast.LatticeField` refuses on any rank, on all of them; if they differ from rank to
        rank; if comm is no intracommunicator, or a null one.

    Notes
    -----
    A rank transforms its moments along the lattice's longest axis, z. All ranks then exchange what they have, so that
    each has all of some planes of z's wave vectors, which it transforms along the other axes, multiplies by the kernel
    and transforms back; a second exchange undoes the first. Of each block 96 bytes go each way for stress with open
    boundaries, 48 for dipoles, half of that if periodic, more where sides are no products of 2, 3 and 5. Where they are
    none and all images are summed, the moments are sent, too. The kernel is made by all ranks; if padded, it is sent
    twice in the set-up.

    Exchanges are calls of MPI_Alltoallw on parts of arrays (L. Dalcin, M. Mortensen and D. E. Keyes, J. Parallel
    Distrib. Comput. 128, 137 (2019)), of messages up to some 256 MB.

    Bits are those of one process if all ranks have the same kind of processor.

    Examples
    --------
    Of a script, run by ``mpiexec -n 4 python -m mpi4py script.py``:

    >>> import mbfast, numpy as np
    >>> from mbfast.mpi import MPILatticeField
    >>> from mpi4py import MPI  # doctest: +SKIP
    >>> vacuum = mbfast.DipoleInteraction(8.8541878128e-12)
    >>> lattice = mbfast.BlockLattice((512, 512, 512), 1e-9)
    >>> field = MPILatticeField(vacuum, lattice, MPI.COMM_WORLD, boundary="periodic")  # doctest: +SKIP
    >>> everywhere = np.load("moments.npy", mmap_mode="r")  # doctest: +SKIP
    >>> moments = np.array(everywhere[field.box])  # doctest: +SKIP
    >>> energy = MPI.COMM_WORLD.allreduce(np.vdot(moments, field(moments)))  # doctest: +SKIP
    """

    def __init__(
        self, interaction: Interaction, lattice: BlockLattice, comm: MPI.Intracomm, *, boundary: Boundary = "open",
        images: int | None = None, image_shape: ImageShape = "cubic", macroscopic: Macroscopic | None = None,
        self_field: bool = False, threads: int | None = 1,
    ) -> None:  # fmt: skip
        _check_comm(comm)
        self.comm, size, rank = comm, comm.size, comm.rank
        with _on_all(comm):
            if not isinstance(lattice, BlockLattice):
                raise TypeError(f"lattice must be a BlockLattice, got {type(lattice).__name__}")
            options: dict[str, Any] = {"boundary": boundary, "images": images, "image_shape": image_shape}
            options |= {"macroscopic": macroscopic, "self_field": self_field}
            self.problem = PairProblem.of(interaction, lattice, **options)
            self._threads = tiles.check_threads(threads)
            mine = json.dumps(described(self.problem))
        if len(set(comm.allgather(mine))) > 1:
            raise ValueError("interaction, lattice and options must be the same on all ranks, got different ones")
        self.interaction, self.lattice, self.boundary = self.problem.interaction, lattice, self.problem.boundary
        self.rtol = EXACT if self.problem.every_image else ROUNDING
        self._pencils = pencils = Pencils(self.problem)
        planes, blocks, lines, _ = pencils.shape
        self._planes = 0, _shares(planes, size, pencils.step if pencils.circular else 1)
        self._lines = 2, _shares(lines, size)
        self.box, self._sides = pencils.box((0, blocks), self._lines[1][rank])
        self.nbytes = 0
        if lattice.n_blocks:
            self._kernel = self._circular_kernel() if pencils.circular else self._padded_kernel()
            with _on_all(comm):
                self._spread, self._field = (self._local(pencils.shape, of) for of in (self._lines, self._planes))
            self.nbytes = self._kernel.nbytes + self._spread.nbytes + self._field.nbytes

    def _local(self, shape: tuple[int, ...], of: Cut) -> FloatArray:
        """Return zeros for this rank's part of an array of such a shape."""
        axis, shares = of
        first, last = shares[self.comm.rank]
        return aligned((*shape[:axis], last - first, *shape[axis + 1 :]))

    def _run(self, work: Any, pieces: list[Tile]) -> None:
        """Call work on tiles of lines or planes, in this rank's threads; what it raises, on all ranks."""
        with _on_all(self.comm), np.errstate(all="ignore"):
            tiles.run(work, pieces, threads=self._threads)

    def _pieces(self, field: FloatArray, axis: int) -> list[Tile]:
        return pieces_of(field.shape[axis], field.size, _TILES * self._threads)

    def _circular_kernel(self) -> FloatArray:
        fill, first = WaveKernel(self._pencils), self._planes[1][self.comm.rank][0]
        with _on_all(self.comm):
            kernel = self._local(self._pencils.kernel_shape, self._planes)

        def planes(some: Tile) -> None:
            fill((first + some[0], first + some[1]), kernel[slice(*some)])

        self._run(planes, cut(len(kernel), self._pencils.step))
        return kernel

    def _padded_kernel(self) -> FloatArray:
        parts = 1, _shares(self._pencils.kernel_shape[1], self.comm.size)
        at_tiles = self._at_tiles(parts)

        def lines(some: Tile) -> None:
            for tile in range(*some):
                self._pencils.kernel_lines(tile, at_tiles)

        self._run(lines, self._pieces(at_tiles, 1))
        with _on_all(self.comm):
            kernel = self._local(self._pencils.kernel_shape, self._planes)
        _exchange(self.comm, at_tiles, self._planes, kernel, parts)
        return kernel

    def _at_tiles(self, parts: Cut) -> FloatArray:
        """Return a padded kernel at all offsets along z for this rank's tiles of y: made plane by plane, exchanged."""
        pencils, shape = self._pencils, self._pencils.kernel_shape
        offsets = 0, _shares(pencils.axes[2].n, self.comm.size, pencils.step)
        first, last = offsets[1][self.comm.rank]
        derivatives = self._image_sums(offsets[1]) if self.problem.every_image else pencils.derivatives
        with _on_all(self.comm):
            at_offsets, at_tiles = self._local(shape, offsets), self._local(shape, parts)

        def planes(some: Tile) -> None:
            pencils.offset_planes(derivatives((first + some[0], first + some[1])), at_offsets[slice(*some)])

        self._run(planes, cut(last - first, pencils.step))
        _exchange(self.comm, at_offsets, parts, at_tiles, offsets)
        return at_tiles

    def _image_sums(self, offsets: list[Tile]) -> Any:
        """Return what gives derivatives of r, of all images, at some of this rank's offsets."""
        sums, comm, (x, y, z) = self._pencils.image_sums(), self.comm, self._pencils.axes
        shape = 15, x.n // 2 + 1, y.n, z.n
        modes = 1, _shares(shape[1], comm.size, len(sums.pieces[0]))
        (first, last), start = modes[1][comm.rank], offsets[comm.rank][0]
        with _on_all(comm):
            at_modes, at_offsets = self._local(shape, modes), self._local(shape, (3, offsets))

        def lines(some: Tile) -> None:
            at_modes[:, slice(*some)] = sums.lines(range(first + some[0], first + some[1]))

        self._run(lines, cut(last - first, len(sums.pieces[0])))
        _exchange(comm, at_modes, (3, offsets), at_offsets, modes)
        return lambda some: sums.planes(at_offsets[..., some[0] - start : some[1] - start])

    def __call__(self, moments: ArrayLike) -> FloatArray:
        """Field at each block of this rank of all others, and its own with `self_field`; all ranks call together.

        Parameters
        ----------
        moments : array_like
            Those of the blocks in `box`, shape (n1, n2, n3, 6) or (n1, n2, n3, 3, 3) for stress, (n1, n2, n3, 3) for
            dipoles, n1, n2 and n3 the sides of the box.

        Returns
        -------
        ndarray
            h, in the layout of `moments`: dimensionless for stress, V/m for dipoles.

        Raises
        ------
        TypeError, ValueError, MemoryError
            On all ranks, for moments of any rank that `mbfast.LatticeField` refuses, blocks being those of its box; if
            moments have one layout on one rank and another on another, or the field is beyond the range of doubles.
        """
        comm, pencils = self.comm, self._pencils
        with _on_all(comm):
            checked = Moments(moments, self._sides, self.interaction.components, self._threads)
            source, result = np.ascontiguousarray(checked.rows()), np.empty(checked.shape)
        largest, layouts = zip(*comm.allgather((checked.largest, checked.layout)), strict=True)
        if len(set(layouts)) > 1:
            raise ValueError(f"moments must have the same layout on all ranks, got {', '.join(map(str, layouts))}")
        if not self.lattice.n_blocks:
            return result
        unit, columns = unit_of(max(largest)), checked.width
        boxes = source.reshape(*self._sides, columns), result.reshape(*self._sides, columns)
        total = self._total(boxes[0]) if pencils.adds_uniform else None

        def spread(some: Tile) -> None:
            pencils.spread(some, source, self._sides, columns, unit, self._spread)

        def planes(some: Tile) -> None:
            pencils.planes(some, self._field, self._kernel, self._planes[1][comm.rank][0])

        def collect(some: Tile) -> None:
            pencils.collect(some, self._spread, self._sides, columns, unit, result)

        self._run(spread, self._pieces(self._spread, 2))
        _exchange(comm, self._spread, self._planes, self._field, self._lines)
        self._run(planes, self._pieces(self._field, 0))
        _exchange(comm, self._field, self._lines, self._spread, self._planes)
        self._run(collect, self._pieces(self._spread, 2))
        with _on_all(comm), np.errstate(all="ignore"):
            own = source.reshape(-1, columns) if self.problem.self_field else None
            pencils.finish(result.reshape(-1, columns), own, unit, total)
            if not pencils.is_bounded(unit):
                pencils.refuse_infinite(boxes[1], self.box)
        return result

    def _total(self, moments: FloatArray) -> FloatArray:
        """Return the sum of all moments, piece by piece as `total_of`, each piece on a rank that has all of it sent."""
        sums: list[tuple[int, FloatArray]] = []
        axis = self._pencils.order[1]
        for number, piece in enumerate(self.lattice.pieces()):
            inner = [_within(some, mine) for some, mine in zip(piece, self.box[:2], strict=True)]
            parts = self.comm.gather(moments[tuple(inner)], root=number % self.comm.size)
            if parts is not None:
                sums.append((number, total_of([np.concatenate(parts, axis=axis)])))
        every = sorted((item for some in self.comm.allgather(sums) for item in some), key=lambda item: item[0])
        return total_of(total[None] for _, total in every)

    def __repr__(self) -> str:
        blocks, mine = (" x ".join(map(str, sides)) for sides in (self.lattice.shape, self._sides))
        ranks = f"rank {self.comm.rank} of {self.comm.size} with {mine} blocks, {self.nbytes / 1e6:.3g} MB"
        return f"<{type(self).__name__}: {self.interaction!r}, {blocks} blocks, {self.boundary}, {ranks}>"


def _check_comm(comm: object) -> None:
    try:
        from mpi4py import MPI  # noqa: PLC0415
    except ImportError:
        raise ImportError("mbfast.mpi needs the package mpi4py: pip install 'mbfast[mpi]'") from None
    if not isinstance(comm, MPI.Intracomm):
        raise TypeError(f"comm must be an mpi4py.MPI.Intracomm, got {type(comm).__name__}")
    if comm == MPI.COMM_NULL:
        raise ValueError("comm must have ranks, got a null communicator")


@contextmanager
def _on_all(comm: MPI.Intracomm) -> Iterator[None]:
    """Raise on all ranks what one of them raises: no rank goes on to wait for it."""
    error = None
    try:
        yield
    except Exception as raised:
        error = raised
    kinds = [kind for kind in (TypeError, ValueError, MemoryError, RuntimeError) if isinstance(error, kind)]
    told = comm.allgather(None if error is None else ([*kinds, RuntimeError][0], f"{error}"))
    if error is not None:
        raise error
    for rank, what in enumerate(told):
        if what is not None:
            raise what[0](f"on rank {rank}: {what[1]}")


def _shares(n: int, size: int, unit: int = 1) -> list[Tile]:
    """Return a range of n for each rank, of whole units but for the last one: so bits do not depend on the ranks."""
    units = math.ceil(n / unit)
    bounds = [min(n, unit * (units * rank // size)) for rank in range(size + 1)]
    return list(itertools.pairwise(bounds))


def _within(some: slice, mine: slice) -> slice:
    """Return what a range has of mine, counted from the start of mine."""
    start = max(some.start, mine.start)
    return slice(start - mine.start, max(start, min(some.stop, mine.stop)) - mine.start)


def _exchange(comm: MPI.Intracomm, source: FloatArray, leaving: Cut, target: FloatArray, entering: Cut) -> None:
    """Send each rank its range of source along one axis; what comes are ranges of target along another one.

    A rank's source is its range along the second axis, and all of the first; its target the reverse.
    """
    (axis, ranges), (other, others) = leaving, entering
    longest, beside = (max(b - a for a, b in some) for some in (ranges, others))
    rest = math.prod(n for i, n in enumerate(source.shape) if i not in (axis, other))
    rounds = max(1, min(longest, math.ceil(8 * longest * beside * rest / _MESSAGE)))
    start = ranges[comm.rank][0]
    for number in range(rounds):
        some = [(a + (b - a) * number // rounds, a + (b - a) * (number + 1) // rounds) for a, b in ranges]
        first, last = some[comm.rank]
        sent = _parts(source, [{axis: part} for part in some])
        received = _parts(target, [{axis: (first - start, last - start), other: part} for part in others])
        try:
            comm.Alltoallw([source, *sent], [target, *received])
        finally:
            for counts, _, types in (sent, received):
                for count, of in zip(counts, types, strict=True):
                    if count:
                        of.Free()


def _parts(array: NDArray[Any], parts: Sequence[dict[int, Tile]]) -> tuple[list[int], list[int], list[MPI.Datatype]]:
    """Return counts, displacements and types of parts of an array, which are ranges along some of its axes."""
    from mpi4py import MPI  # noqa: PLC0415

    counts, types = [], []
    for part in parts:
        ranges = [part.get(axis, (0, n)) for axis, n in enumerate(array.shape)]
        sides = [b - a for a, b in ranges]
        counts.append(int(min(sides) > 0))
        made = MPI.DOUBLE.Create_subarray(array.shape, sides, [a for a, _ in ranges]).Commit() if counts[-1] else None
        types.append(MPI.DOUBLE if made is None else made)
    return counts, [0] * len(counts), types
