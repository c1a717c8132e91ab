"""Kramers-Kronig integrals over the power laws below the first and above the last node."""

import numpy as np
from numpy.typing import NDArray

from mbfast._core.validate import FloatArray
from mbfast.kernels.spectra import RULE
from mbfast.spectra._kernels import cauchy as kernels
from mbfast.spectra.grid import chunks
from mbfast.spectra.tails import Tail

CELLS = 1 << 20  # of all frequencies that are worked on together, at most: they take a tenth of a second


class Beyond:
    """Frequencies as one end of the nodes sees them: the near ones take its power law on cells, the others by series.

    Cells go from the `node` to an `end` that is out of reach of the near ones; from there on these take the series,
    too, which above the nodes is without its first `skip` terms.
    """

    def __init__(
        self, targets: FloatArray, near: NDArray[np.bool_], *, node: float, end: float, above: bool, skip: int = 0
    ) -> None:
        reached = (targets > 0.0) | above  # zero is below all nodes, and its integral has a closed form
        self._near, self._far = (np.flatnonzero(reached & part) for part in (near, ~near))
        self._close, self._others = targets[self._near], targets[self._far]
        self._node, self._end, self._above, self._skip = node, end, above, skip

    def add(self, tail: Tail, parity: int, out: FloatArray) -> None:
        """Add the integrals to out (rows, frequencies)."""
        for row in np.flatnonzero(tail.amplitude):
            amplitude, exponent = float(tail.amplitude[row]), float(tail.exponent[row])
            if self._near.size:
                breaks, values = Tail(*(both[row : row + 1] for both in tail)).cells(self._node, self._end)
                part = np.zeros((1, self._near.size))
                for begin, stop in chunks(self._near.size, breaks.size, self._near.size, CELLS):
                    kernels.cauchy(self._close[begin:stop], breaks, values, parity, RULE, part[:, begin:stop])
                at_end = amplitude * (self._end / self._node) ** exponent
                self._series(self._close, self._end, at_end, exponent, parity, part[0])
                out[row, self._near] += part[0]
            if self._far.size:
                rest = np.zeros(self._far.size)
                self._series(self._others, self._node, amplitude, exponent, parity, rest)
                out[row, self._far] += rest

    def _series(
        self, some: FloatArray, start: float, amplitude: float, exponent: float, parity: int, out: FloatArray
    ) -> None:
        kernels.power_tail(some, start, amplitude, exponent, int(self._above), parity, self._skip, out)
