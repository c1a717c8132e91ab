"""Kramers-Kronig weights of nodes that repeat themselves, as circulants."""

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mbfast._core.tiles import cut
from mbfast._core.validate import FloatArray
from mbfast.kernels.spectra import RULE
from mbfast.spectra._kernels import cauchy as kernels
from mbfast.spectra.grid import FrequencyGrid, Stencils

_TOGETHER = 1 << 18  # weights of cells, or numbers of rows, that are made at once: in less than a tenth of a second


class Circulant(NamedTuple):
    """Stencils times kernel as a product of Fourier transforms, and the columns of the nodes near the ends as they are.

    On logarithmic nodes the kernel depends on the quotient of frequencies; on uniform ones it is a sum of functions of
    the difference (`forward`) and of the sum (`mirrored`).
    """

    length: int
    ends: int
    forward: NDArray[np.complex128]
    mirrored: NDArray[np.complex128] | None
    columns: FloatArray

    def apply(self, samples: FloatArray) -> FloatArray:
        """Return the integrals between the nodes."""
        n, ends = samples.shape[1], self.ends
        result: FloatArray = np.hstack([samples[:, :ends], samples[:, n - ends :]]) @ self.columns
        rows = max(1, _TOGETHER // self.length)
        for some in (slice(*tile) for tile in cut(len(samples), rows)):
            inner = samples[some].copy()
            inner[:, :ends] = 0.0
            inner[:, n - ends :] = 0.0
            spectrum = np.fft.rfft(inner, self.length)
            product = spectrum * self.forward
            if self.mirrored is not None:
                product += spectrum.conj() * self.mirrored
            result[some] += np.fft.irfft(product, self.length)[:, :n]
        return result


def circulant(grid: FrequencyGrid, stencils: Stencils, parity: int) -> Circulant:
    """Return the weights of a parity for the stencils of a logarithmic or a uniform grid."""
    nodes, n, m = grid.nodes, grid.nodes.size, stencils.size
    length = scipy.fft.next_fast_len(2 * n - 1, real=True)
    middle = (n - 1) // 2
    offset = middle - int(stencils.starts[middle])  # of a cell from the first node of its stencil
    matrix = stencils.matrices[stencils.which[middle]]
    # by the number of cells from a cell's beginning to the node: in units of the node, or of the cells
    steps = np.arange(-(n + m), n + m + 1.0)
    if grid.spacing == "log":
        q = np.exp(-np.log(nodes[0]) / (n - 1))
        forward = _table(np.ones(steps.size), q**-steps, q ** (1.0 - steps), parity) @ matrix
    else:
        forward = _table(steps, np.zeros(steps.size), np.ones(steps.size), 0) @ matrix
    # node a is the r-th of the stencil of the cell a - r + offset
    kernel = np.zeros(length)
    for r in range(m):
        column = forward[n + m + r - offset - (n - 1) :, r]
        kernel[:n] += column[n - 1 : 2 * n - 1]
        kernel[length - n + 1 :] += column[: n - 1]
    mirrored = None
    if grid.spacing != "log":
        sums = np.arange(-m, 2.0 * n + m) + 2.0 * nodes[0] * (n - 1) / (nodes[-1] - nodes[0])
        backward = parity * _table(-sums, np.zeros(sums.size), np.ones(sums.size), 0) @ matrix
        reflected = np.zeros(length)
        for r in range(m):
            reflected[: 2 * n - 1] += backward[m - r + offset :, r][: 2 * n - 1]
        mirrored = np.fft.rfft(reflected)
    cells, columns = 2 * m, []
    for begin, stop, shown in ((0, cells, slice(m)), (n - 1 - cells, n - 1, slice(-m, None))):
        part = Stencils(stencils.starts[begin:stop] - begin, stencils.which[begin:stop].copy(), stencils.matrices)
        block = np.zeros((n, cells + 1))
        kernels.cauchy_matrix(nodes, nodes[begin : stop + 1].copy(), *part, parity, RULE, block)
        columns.append(block[:, shown])
    return Circulant(length, m, np.fft.rfft(kernel), mirrored, np.ascontiguousarray(np.hstack(columns).T))


def _table(omega: FloatArray, a: FloatArray, b: FloatArray, parity: int) -> FloatArray:
    weights = np.empty((omega.size, 8))
    for some in (slice(*tile) for tile in cut(omega.size, _TOGETHER)):
        kernels.cauchy_table(omega[some], a[some], b[some], parity, RULE, weights[some])
    return weights
