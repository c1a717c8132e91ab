"""Oracles of super blocks: the Hamiltonian as a matrix by Kronecker products, sums over all its levels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mbfast.testing.pairs import Array, Tensor


def on_block(matrices: Array, s: int, dims: Sequence[int]) -> Array:
    """Return a matrix of block s, or several, as one on the product of all blocks, block 0 the slowest.

    Parameters
    ----------
    matrices : array, shape (..., d, d)
        In the basis of block s.
    s : int
        Which block.
    dims : sequence of int
        How many levels each block has; d = dims[s], and D is the product of all.

    Returns
    -------
    array, shape (..., D, D)

    Examples
    --------
    >>> import numpy as np
    >>> on_block(np.array([[0, 1.0], [1.0, 0]]), 1, [2, 2])[0].tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    before, after = np.eye(math.prod(dims[:s])), np.eye(math.prod(dims[s + 1 :]))
    return np.asarray(np.kron(before, np.kron(matrices, after)))


def super_block(tensor: Tensor, positions: Array, energies: Sequence[Any], stresses: Sequence[Any]) -> Array:
    """Return the Hamiltonian (2.16) by Kronecker products, in the basis of the blocks' levels.

    Parameters
    ----------
    tensor : function
        Of a displacement (3,): (3, 3, 3, 3), or (3, 3) for dipoles.
    positions : array, shape (N, 3)
        Of the blocks (m).
    energies : sequence of N arrays (d,)
        Levels of each block (J).
    stresses : sequence of N arrays (3, 3, d, d), or (3, d, d)
        Stress (J) or dipole (C m) of each block between its levels.

    Returns
    -------
    array, shape (D, D)
        In J, D the product of all d.

    Examples
    --------
    >>> import numpy as np
    >>> dipoles = np.zeros((3, 2, 2))
    >>> dipoles[2] = np.diag([1.0, -1.0])
    >>> ends = np.array([[0, 0, 0], [0, 0, 1.0]])
    >>> h = super_block(lambda r: np.diag([1.0, 1.0, -2.0]), ends, [np.zeros(2)] * 2, [dipoles] * 2)
    >>> np.diag(h).real.tolist()
    [-4.0, 4.0, 4.0, -4.0]
    """
    dims = [len(levels) for levels in energies]
    total: Any = sum(on_block(np.diag(levels), s, dims) for s, levels in enumerate(energies))
    for s, t in itertools.permutations(range(len(dims)), 2):
        coupling = tensor(positions[s] - positions[t])
        for index in np.ndindex(coupling.shape):
            half = len(index) // 2
            first, second = stresses[s][index[:half]], stresses[t][index[half:]]
            total = total + coupling[index] * on_block(first, s, dims) @ on_block(second, t, dims)
    return np.asarray(total)


def kubo(
    hamiltonian: Array, operators: Array, temperature: float, z: complex, volume: float, hbar: float, k_b: float
) -> Array:
    """Return the response of <A_a⁺> to a field times A_b exp(-izt) at complex z: Kubo's sum over levels.

    Parameters
    ----------
    hamiltonian : array, shape (D, D)
        In J.
    operators : array, shape (c, D, D)
        A, in the basis of the Hamiltonian.
    temperature, z, volume : float, complex, float
        In K, zero for the lowest level alone; in rad/s, not real; in m³.
    hbar, k_b : float
        In J s and J/K.

    Returns
    -------
    array, shape (c, c)
        In Pa for stresses in J.

    Examples
    --------
    >>> import numpy as np
    >>> flip = np.array([[[0, 1.0], [1.0, 0]]])
    >>> response = kubo(np.diag([0, 2.0]), flip, 0.0, 0.001j, 1.0, 1.0, 1.0)
    >>> print(f"{response[0, 0].real:.4f}")  # -2/E, E = 2
    -1.0000
    """
    energies, states = np.linalg.eigh(hamiltonian)
    energies = energies - energies[0]
    p = np.exp(-energies / (k_b * temperature)) if temperature else 1.0 * (energies == 0.0)
    p = p / p.sum()
    a = states.conj().T @ operators @ states
    total = np.zeros((len(a), len(a)), complex)
    for m, n in itertools.product(range(len(p)), repeat=2):
        factor = (p[m] - p[n]) / (hbar * z - (energies[n] - energies[m]))
        total += factor * np.outer(a[:, n, m].conj(), a[:, n, m])
    return np.asarray(total / volume)


def free_energy(hamiltonian: Array, kt: float) -> float:
    """Return -k_B T ln Tr exp(-H/k_B T).

    Parameters
    ----------
    hamiltonian : array, shape (D, D)
        In J.
    kt : float
        k_B T (J).

    Returns
    -------
    float
        In J.

    Examples
    --------
    >>> import numpy as np
    >>> print(f"{free_energy(np.diag([0.0, 0.0]), 2.0):.6f}")  # -2 ln 2
    -1.386294
    """
    levels = np.linalg.eigvalsh(hamiltonian)
    return float(levels[0] - kt * np.log(np.exp(-(levels - levels[0]) / kt).sum()))
