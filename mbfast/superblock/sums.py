"""Sums of operators of one block and of pairs of blocks: the form that a Hamiltonian and a total stress have."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mbfast._core.validate import FloatArray

Pairs = Mapping[tuple[int, int], FloatArray]


class BlockSum:
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
        self._terms = [term for term in self._off_diagonal() if term[1].nnz]
        self.is_real = all(matrix.dtype == np.float64 for _, matrix in self._terms)

    def _off_diagonal(self) -> list[tuple[tuple[int, ...], Any]]:
        """Return what each block and each pair has beside its diagonal, as sparse matrices."""
        found = [((s,), single) for s, single in enumerate(self._singles)]
        for (s, t), coupling in self._pairs.items():
            if any(
                matrix[:, ~np.eye(self.dims[b], dtype=bool)].any() for b in (s, t) for matrix in [self._operators[b]]
            ):
                product = np.einsum("mn,mij,nkl->ikjl", coupling, self._operators[s], self._operators[t])
                found.append(((s, t), product.reshape((self.dims[s] * self.dims[t],) * 2)))
        return [(blocks, sparse.csr_array(matrix - np.diag(np.diagonal(matrix)))) for blocks, matrix in found]

    @functools.cached_property
    def diagonal(self) -> FloatArray:
        """The diagonal, (D,)."""
        result = self._diagonal_of(range(len(self.dims)))
        result.setflags(write=False)
        return result

    def _diagonal_of(self, blocks: Sequence[int]) -> FloatArray:
        """Return the diagonal of the terms of some blocks alone."""
        n = len(blocks)
        result = np.zeros([self.dims[s] for s in blocks])
        for i, s in enumerate(blocks):
            shape = [1] * n
            shape[i] = -1
            result += np.diagonal(self._singles[s]).real.reshape(shape)
        for (i, s), (j, t) in itertools.combinations(enumerate(blocks), 2):
            if (s, t) in self._pairs:
                first, second = (np.einsum("mii->im", self._operators[b]).real for b in (s, t))
                shape = [1] * n
                shape[i], shape[j] = self.dims[s], self.dims[t]
                result += (first @ self._pairs[s, t] @ second.T).reshape(shape)
        return result.reshape(-1)

    def apply(self, x: NDArray[Any], out: NDArray[Any], threads: int) -> None:
        """Fill out, (D, k) as x is, with the sum times x; both of the same type, complex if the sum is."""
        np.multiply(self.diagonal[:, None], x, out=out)
        k = x.shape[1]
        for blocks, matrix in self._terms:
            rows = math.prod(self.dims[s] for s in blocks)
            whole = np.moveaxis(x.reshape(*self.dims, k), blocks, range(len(blocks)))
            product = (matrix @ whole.reshape(rows, -1)).reshape(whole.shape)
            np.moveaxis(out.reshape(*self.dims, k), blocks, range(len(blocks)))[...] += product
