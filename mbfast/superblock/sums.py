"""Sums of operators of one block and of pairs of blocks: the form that a Hamiltonian and a total stress have.

A sum is applied to states without a matrix of its size. Its diagonal is one vector. What is beside the diagonal is done
by sweeps over all states, each for as many blocks as fit into the cache: of two-level blocks that are only flipped as
butterflies, of others by the sparse matrix on the blocks of a sweep, whose numbers of states are multiplied.
"""

from __future__ import annotations

import copy
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mbfast._core import tiles
from mbfast._core.tiles import Tile, cut
from mbfast._core.validate import FloatArray, ReadOnly
from mbfast.superblock._kernels import sweeps

Pairs = Mapping[tuple[int, int], FloatArray]
Indices = NDArray[np.int64]

# Elements of x, and of y, that flips within a tile take, as a power of 2: a third of a cache of the first level, or one
# of the second if that saves a sweep.
_LOW, _LOWEST = 11, 15
_HIGH, _WIDTH = 9, 32  # blocks that are flipped in another sweep, and elements of a row: 131 kB each of x and y
_ALONE, _CLUSTER = 256, 16  # states of the blocks of a sweep, and of each half of them where pairs are coupled
_MATRIX = 100  # states of two blocks up to which their matrix is a part of one of more blocks
_WORK = 10  # elements of a flip that take as long as one of a matrix
_SMALL = 1 << 17  # elements of flips, or work like theirs, that are not worth a thread
_LARGE = 1 << 22  # such elements of a tile, at most: they take less than a tenth of a second


class Sweep(NamedTuple):
    """What is done for some blocks, as the kernel wants it."""

    kernel: Callable[..., None]
    matrices: tuple[Any, ...]
    rows: Indices  # states of these blocks, the others in their first one
    others: Indices  # states of the others, these blocks in their first one
    work: int  # of a state of the others


class BlockSum(ReadOnly):
    """Sum over s of A_s and over s < t, m, n of J[s, t][m, n] O_m^s O_n^t, block 0 the slowest index of a state.

    Parameters
    ----------
    singles
        Hermitian matrices A_s, (d_s, d_s) each.
    operators
        Hermitian matrices O^s, (r_s, d_s, d_s) each.
    pairs
        J, (r_s, r_t), by (s, t).
    """

    def __init__(
        self, singles: Sequence[NDArray[Any]], operators: Sequence[NDArray[Any]] = (), pairs: Pairs | None = None
    ) -> None:
        self._singles, self._operators, self._pairs = singles, operators, pairs or {}
        self.dims = tuple(len(single) for single in singles)
        self.dimension = math.prod(self.dims)
        self._products = {
            (s, t): coupling for (s, t), coupling in self._pairs.items()
            if max(_MATRIX, len(coupling.T) * (self.dims[s] + self.dims[t])) < self.dims[s] * self.dims[t]
            and not (self._is_diagonal(s) and self._is_diagonal(t))
        }  # fmt: skip
        self._terms = list(self._off_diagonal())
        matrices = [m for _, m in self._terms] + [self._operators[s] for pair in self._products for s in pair]
        self.is_real = not any(matrix.imag.any() for matrix in matrices)
        only_flips = self.is_real and set(self.dims) == {2} and all(len(blocks) == 1 for blocks, _ in self._terms)
        self.flips = np.array([single[0, 1].real for single in singles]) if only_flips else None
        if self.flips is not None:
            self.flips.setflags(write=False)

    def _is_diagonal(self, s: int) -> bool:
        return not self._operators[s][:, ~np.eye(self.dims[s], dtype=bool)].any()

    def _off_diagonal(self) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
        """Yield what each block, and each pair that is not done by products, has beside its diagonal, if anything."""
        singles = (((s,), single) for s, single in enumerate(self._singles))
        pairs = (
            ((s, t), sum(map(np.kron, self._operators[s], np.tensordot(coupling, self._operators[t], 1))))
            for (s, t), coupling in self._pairs.items()
            if (s, t) not in self._products and not (self._is_diagonal(s) and self._is_diagonal(t))
        )  # fmt: skip
        for blocks, matrix in itertools.chain(singles, pairs):
            rest = matrix - np.diag(np.diagonal(matrix))
            if rest.any():
                yield blocks, rest

    @functools.cached_property
    def diagonal(self) -> FloatArray:
        """The diagonal, (D,)."""
        return self._whole_diagonal(self._pairs)

    @functools.cached_property
    def _alone(self) -> FloatArray:
        """The diagonal without the pairs whose sweeps multiply by the whole product."""
        pairs = {pair: coupling for pair, coupling in self._pairs.items() if pair not in self._products}
        return self._whole_diagonal(pairs) if self._products else self.diagonal

    def _whole_diagonal(self, pairs: Pairs) -> FloatArray:
        """Return the diagonal with some pairs, from those of its slow and its fast half and what couples these."""
        n = len(self.dims)
        middle = min(
            range(1, n + 1), key=lambda m: abs(math.log(self.dimension) - 2.0 * math.log(math.prod(self.dims[:m])))
        )
        slow, fast = range(middle), range(middle, n)
        columns = [np.zeros((1, self._size(fast)))]
        factors = [np.zeros((self._size(slow), 1))]
        for s in slow:
            coupled = [self._along(t, self._values(t) @ pairs[s, t].T, fast) for t in fast if (s, t) in pairs]
            if coupled:
                columns.append(np.sum(coupled, axis=0).T)
                factors.append(self._along(s, self._values(s), slow))
        result = np.empty((self._size(slow), self._size(fast)))
        of_slow, of_fast = self._diagonal_of(slow, pairs), self._diagonal_of(fast, pairs)
        left, right = np.ascontiguousarray(np.concatenate(factors, axis=1)), np.concatenate(columns)
        for some in (slice(*tile) for tile in cut(len(result), max(1, _LARGE // of_fast.size))):
            sweeps.outer_sums(of_slow[some], of_fast, left[some], right, result[some].reshape(-1))
        diagonal = result.reshape(-1)
        diagonal.setflags(write=False)
        return diagonal

    def _size(self, blocks: Sequence[int]) -> int:
        return math.prod(self.dims[s] for s in blocks)

    def _values(self, s: int) -> FloatArray:
        """Return the diagonals of a block's operators, (d, r)."""
        diagonals: FloatArray = np.einsum("mii->im", self._operators[s]).real
        return diagonals

    def _along(self, s: int, values: FloatArray, blocks: Sequence[int]) -> FloatArray:
        """Return what block s has in its states, (d, r), in all states of some blocks."""
        before, after = self._size([b for b in blocks if b < s]), self._size([b for b in blocks if b > s])
        return np.tile(np.repeat(values, after, axis=0), (before, 1))

    def _diagonal_of(self, blocks: Sequence[int], pairs: Pairs) -> FloatArray:
        """Return the diagonal of the terms of some blocks alone, with some pairs."""
        result = np.zeros(self._size(blocks))
        for s in blocks:
            result += self._along(s, np.diagonal(self._singles[s]).real[:, None], blocks)[:, 0]
        for s, t in itertools.combinations(blocks, 2):
            if (s, t) in pairs:
                first = self._along(s, self._values(s) @ pairs[s, t], blocks)
                result += (first * self._along(t, self._values(t), blocks)).sum(axis=1)
        return result

    @functools.cached_property
    def _sweeps(self) -> list[Sweep]:
        """What is done for some blocks at a time, and is together what is beside the diagonal."""
        coupled = any(len(blocks) > 1 for blocks, _ in self._terms)
        clusters: list[tuple[int, ...]] = []
        for s in range(len(self.dims)):
            joined = (*clusters[-1], s) if clusters else (s,)
            if clusters and self._size(joined) <= (_CLUSTER if coupled else _ALONE):
                clusters[-1] = joined
            else:
                clusters.append((s,))
        groups = [a + b for a, b in itertools.combinations(clusters, 2)] if coupled and len(clusters) > 1 else clusters
        found, terms = [self._product(s, t) for s, t in self._products], self._terms
        for group in groups:
            mine = [term for term in terms if set(term[0]) <= set(group)]
            terms = [term for term in terms if not set(term[0]) <= set(group)]
            if mine:
                found.append(self._matrix(group, mine))
        return found

    def _states(self, blocks: Sequence[int], dims: Sequence[int]) -> Indices:
        """Return the numbers of the states of some blocks, the others in their first, where all have these dims."""
        result = np.zeros(1, np.int64)
        for s in blocks:
            result = (result[:, None] + np.arange(dims[s]) * math.prod(dims[s + 1 :])).ravel()
        return result

    def _matrix(self, group: Sequence[int], terms: Sequence[tuple[tuple[int, ...], NDArray[Any]]]) -> Sweep:
        """Return the sweep that multiplies by the sum of some terms on a group of blocks."""
        from scipy.sparse import coo_array  # noqa: PLC0415

        dims = [d if s in group else 1 for s, d in enumerate(self.dims)]
        size = self._size(group)
        total = coo_array((size, size)).tocsr()
        for blocks, matrix in terms:
            row, column = np.nonzero(matrix)
            mine, rest = self._states(blocks, dims), self._states([s for s in group if s not in blocks], dims)
            places = [(rest[:, None] + mine[index]).ravel() for index in (row, column)]
            total = total + coo_array((np.tile(matrix[row, column], len(rest)), places), (size, size)).tocsr()
        table = _table(total, self._parts)
        return self._sweep(sweeps.sparse, (*table, sweeps.SIDE * np.arange(size * self._parts)), group, len(table[2]))

    def _product(self, s: int, t: int) -> Sweep:
        """Return the sweep that multiplies by the operators of two blocks, one pair after the other."""
        from scipy.sparse import csr_array  # noqa: PLC0415

        parts, dims = self._parts, (self.dims[s], self.dims[t])
        ours = np.tensordot(self._products[s, t].T, self._operators[s], 1)
        both: list[Any] = []
        for operators, other in ((ours, dims[1]), (self._operators[t], dims[0])):
            states = np.arange(operators.shape[-1] * parts)
            table = _table(csr_array(operators.reshape(-1, operators.shape[-1])), parts)
            both += [*table, sweeps.SIDE * (states // parts * other * parts + states % parts)]
        work = len(both[2]) * dims[1] + len(both[6]) * dims[0]
        return self._sweep(sweeps.products, tuple(both), (s, t), work)

    def _sweep(self, kernel: Callable[..., None], matrices: tuple[Any, ...], group: Sequence[int], work: int) -> Sweep:
        others = [s for s in range(len(self.dims)) if s not in group]
        return Sweep(kernel, matrices, self._states(group, self.dims), self._states(others, self.dims), work)

    @property
    def _parts(self) -> int:
        """Real numbers of an element of a state as sweeps see them."""
        return 1 if self.is_real else 2

    def shifted(self, added: FloatArray) -> BlockSum:
        """Return the sum with a vector, (D,), added to its diagonal; what is beside it is shared."""
        result = copy.copy(self)
        result.__dict__["diagonal"] = self.diagonal + added
        result.__dict__["_alone"] = self._alone + added if self._products else result.diagonal
        result.__dict__["_sweeps"] = self._sweeps
        return result

    @property
    def is_diagonal(self) -> bool:
        """Whether nothing is beside the diagonal."""
        return not self._terms and not self._products

    def apply(self, x: NDArray[Any], out: NDArray[Any], threads: int) -> None:
        """Fill out, (D, k) as x is, with the sum times x; both of the same type, complex if the sum is."""
        if not x.size:
            return
        lanes = x.shape[1] * (2 if x.dtype == np.complex128 else 1)
        flat, result = x.reshape(-1).view(np.float64), out.reshape(-1).view(np.float64)
        if self.flips is not None and self.flips.any():
            self._apply_flips(self.flips, flat, result, lanes, threads)
            return
        np.multiply(self._alone[:, None], flat.reshape(-1, lanes), out=result.reshape(-1, lanes))
        parts, steps = self._parts, []  # two lanes of a real sum, or one of a complex one
        for sweep in self._sweeps:
            rows = (sweep.rows[:, None] * lanes + np.arange(parts)).ravel()
            n, others = len(sweep.others) * lanes // parts, sweep.others * lanes
            arguments = (*sweep.matrices, rows, others, lanes // parts, parts, flat, result)
            steps.append(_step(sweep.kernel, n, sweep.work // _WORK, arguments, threads, side=sweeps.SIDE))
        tiles.run_steps(steps, threads=threads)

    def _apply_flips(self, flips: FloatArray, x: FloatArray, y: FloatArray, lanes: int, threads: int) -> None:
        n = flips.size
        within = lanes.bit_length() - 1
        passes = max(0, -(-(n + within - _LOWEST) // _HIGH))
        low = min(n, max(_LOW - within, n - passes * _HIGH, 0))
        size = lanes << low
        arguments: tuple[Any, ...] = (self.diagonal, flips[n - low :], lanes, x, y)
        steps = [_step(sweeps.low_flips, x.size // size, size, arguments, threads)]
        passes = -(-(n - low) // _HIGH)
        for number in range(passes):
            start, stop = (n - low) * number // passes, (n - low) * (number + 1) // passes
            stride = lanes << (n - stop)
            width = min(_WIDTH, stride)
            count, arguments = (1 << start) * -(-stride // width), (flips[start:stop], stride, width, x, y)
            steps.append(_step(sweeps.high_flips, count, width << (stop - start), arguments, threads))
        tiles.run_steps(steps, threads=threads)


def _step(
    kernel: Callable[..., None], n: int, size: int, arguments: tuple[Any, ...], threads: int, side: int = 1
) -> tuple[Callable[[Tile], None], list[Tile]]:
    """Return a step: a kernel, and the ranges of n tiles, each of so many elements, of which it does `side` at once."""
    pieces = max(1, min(4 * threads if threads > 1 else 1, n * size // _SMALL), n * size // _LARGE)
    return lambda piece: kernel(*piece, *arguments), cut(n, math.ceil(n / (pieces * side)) * side)


def _table(matrix: Any, parts: int) -> tuple[Indices, Indices, FloatArray]:
    """Return starts, columns and values of a sparse matrix as kernels want them, on real and imaginary parts if two."""
    from scipy.sparse import kron  # noqa: PLC0415

    if parts == 2:
        turn = np.array([[0.0, -1.0], [1.0, 0.0]])
        matrix = (kron(matrix.real, np.eye(2), "csr") + kron(matrix.imag, turn, "csr")).tocsr()
    counts = np.diff(matrix.indptr)
    starts = np.concatenate([[0], np.cumsum((counts + 1) // 2)]).astype(np.int64)  # in pairs
    places = np.arange(matrix.nnz) + np.repeat(2 * starts[:-1] - matrix.indptr[:-1], counts)
    columns, values = np.zeros(2 * starts[-1], np.int64), np.zeros(2 * starts[-1])
    columns[places], values[places] = matrix.indices * sweeps.SIDE, matrix.data.real
    return starts, columns, values
