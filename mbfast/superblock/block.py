"""One block: its levels and the operators by which it interacts, (2.1) and (2.5)."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core.matrices import ROUNDING, stress_matrices
from mbfast._core.validate import FloatArray, ReadOnly, bounded_number, float_array, require_bounded
from mbfast._core.voigt import symmetric_six


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Block(ReadOnly):
    r"""Levels of a block and its stress or dipole moment as matrices between them.

    Parameters
    ----------
    energies : array_like, shape (d,)
        E_n (J), in any order.
    stress : array_like, shape (6, d, d), (3, 3, d, d) or (3, d, d)
        <m|T_ij|n> (J), real or complex, Hermitian in m, n and symmetric in i, j; as six in the order xx, yy, zz, yz,
        xz, xy. With three matrices the dipole moment <m|p_i|n> (C m).

    Attributes
    ----------
    energies : ndarray, shape (d,)
    stress : ndarray, shape (6, d, d) or (3, d, d)
        float64 where all elements are real.
    n_levels, components : int
        d, and 6 or 3.

    Raises
    ------
    TypeError
        If energies do not consist of real numbers, or stress of complex ones.
    ValueError
        If energies are not (d,), are empty or not finite; if stress has another shape, is not finite, or not Hermitian
        and symmetric to 1e-12 of its largest element, or 500 rounding errors of its type; if a number is above 1e35.

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> block = mbfast.Block.two_level(1e-24, 2e-24, [1e-19, 0, 0, 0, 0, 0])
    >>> print(block.n_levels, f"{np.ptp(block.energies):.3e}")
    2 2.236e-24
    """

    energies: FloatArray
    stress: NDArray[Any]

    def __init__(self, energies: ArrayLike, stress: ArrayLike) -> None:
        levels = float_array("energies", energies)
        if levels.ndim != 1 or levels.size == 0:
            raise ValueError(f"energies must have shape (d,), got {levels.shape}")
        require_bounded("energies", levels)
        matrices = stress_matrices(stress, levels.size, levels_first=False)
        real = matrices if matrices.imag.any() else np.ascontiguousarray(matrices.real)
        for name, array in (("energies", levels.copy()), ("stress", real)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def two_level(cls, asymmetry: float, tunnelling: float, stress: ArrayLike) -> Block:
        """Return the two-level system of (2.1): H_0 = (Delta sigma_z + Delta_0 sigma_x)/2, T = stress sigma_z/2.

        Parameters
        ----------
        asymmetry, tunnelling : float
            Delta and Delta_0 (J), of any sign.
        stress : array_like, shape (6,), (3, 3) or (3,)
            The coupling that multiplies sigma_z/2 in the basis of the two wells: a stress (J), as six or as a symmetric
            matrix, or a dipole moment (C m).

        Returns
        -------
        Block
            In its energy basis, the lower level first.

        Raises
        ------
        TypeError
            If asymmetry or tunnelling is not one real number, or stress does not consist of real numbers.
        ValueError
            If asymmetry, tunnelling or stress is not finite or above 1e35 in magnitude, or stress has another shape or
            is not symmetric.

        Examples
        --------
        >>> import mbfast, numpy as np
        >>> block = mbfast.Block.two_level(3e-24, 4e-24, [0, 0, 0, 0, 0, 1.6e-19])
        >>> print(f"{np.ptp(block.energies):.2e} J, {block.stress[5, 0, 1] / 0.8e-19:+.2f}")  # 5e-24, and Delta_0/E
        5.00e-24 J, +0.80
        """
        delta, delta_0 = bounded_number("asymmetry", asymmetry), bounded_number("tunnelling", tunnelling)
        coupling = float_array("stress", stress)
        require_bounded("stress", coupling)
        if coupling.shape == (3, 3):
            coupling = symmetric_six("stress", coupling, ROUNDING)
        if coupling.shape not in ((6,), (3,)):
            raise ValueError(f"stress must have shape (6,), (3, 3) or (3,), got {coupling.shape}")
        splitting = math.hypot(delta, delta_0)
        d, m = (delta / splitting, delta_0 / splitting) if splitting else (1.0, 0.0)
        # of sigma_z between the lower and the upper level
        between = np.array([[-0.5 * d, 0.5 * m], [0.5 * m, 0.5 * d]])
        return cls(np.array([-0.5 * splitting, 0.5 * splitting]), coupling[:, None, None] * between)

    @property
    def n_levels(self) -> int:
        """Number of levels, d."""
        return self.energies.size

    @property
    def components(self) -> int:
        """6 of a stress, 3 of a dipole moment."""
        return len(self.stress)

    def __repr__(self) -> str:
        kind = {6: "stress", 3: "dipole moment"}[self.components]
        return f"<Block: {self.n_levels} levels, {kind}, {self.stress.dtype}>"

    @functools.cached_property
    def local(self) -> Local:
        """The block in the basis that a super block takes."""
        return Local.of(self)


class Local(NamedTuple):
    """A block in its local basis: that in which its coupled operators are diagonal, if there is one, or its levels."""

    basis: NDArray[Any]  # (d, d), the states of the basis as columns in terms of the levels
    hamiltonian: NDArray[Any]  # (d, d)
    operators: NDArray[Any]  # (r, d, d), independent ones
    composition: FloatArray  # (components, r): the stress is composition @ operators
    diagonal: bool  # whether all operators are

    @classmethod
    def of(cls, block: Block) -> Local:
        """Look for a basis in which all operators are diagonal."""
        d = block.n_levels
        parts = np.stack([block.stress.real, block.stress.imag], axis=1).reshape(block.components, -1)
        scale = np.abs(parts).max()
        left, sizes, right = np.linalg.svd(parts / scale if scale else parts, full_matrices=False)
        rank = int(np.count_nonzero(sizes > 1e-14 * d * sizes.max(initial=0.0))) if scale else 0
        operators = right[:rank].reshape(rank, 2, d, d)
        operators = operators[:, 0] if block.stress.dtype == np.float64 else operators[:, 0] + 1j * operators[:, 1]
        composition = scale * left[:, :rank] * sizes[:rank]
        # weights that are independent over the rationals: states that any operator separates, the sum separates
        basis = np.linalg.eigh(np.einsum("m,mij->ij", np.cos(np.arange(rank) + 1.0), operators))[1]
        turned = basis.conj().T @ operators @ basis
        along = np.einsum("mii->mi", turned).real
        if np.abs(turned - along[..., None] * np.eye(d)).max(initial=0.0) > 1e-13 * d:
            return cls(np.eye(d), np.diag(block.energies), operators, composition, False)
        if np.abs(along).max(initial=0.0) == 0.0:
            basis = np.eye(d)
        hamiltonian = (basis.conj().T * block.energies) @ basis
        first = np.where(hamiltonian[0] == 0.0, 1.0, hamiltonian[0])
        first[0] = 1.0
        phases = np.conj(first / np.abs(first))  # that make the first row real, as all of two levels is then
        basis, hamiltonian = basis * phases, np.outer(phases.conj(), phases) * hamiltonian
        hamiltonian = 0.5 * (hamiltonian + hamiltonian.conj().T)
        if np.abs(hamiltonian.imag).max() <= 1e-15 * d * np.abs(block.energies).max():
            hamiltonian = hamiltonian.real
        return cls(basis, hamiltonian, along[..., None] * np.eye(d), composition, True)

    def changed(self, moments: FloatArray) -> Local:
        """Return the block with its stress multiplied by a matrix (components, components)."""
        return self._replace(composition=moments @ self.composition)

    @property
    def stress(self) -> NDArray[Any]:
        """All components, (components, d, d)."""
        result: NDArray[Any] = np.einsum("am,mij->aij", self.composition, self.operators)
        return result


def check_levels(levels: object, n: int, components: int) -> tuple[Block, ...]:
    """Return a block for each of n positions, or raise a TypeError or a ValueError."""
    if not n:
        raise ValueError("blocks must be one at least, got none")
    given = [levels] * n if isinstance(levels, Block) else list(levels) if isinstance(levels, Sequence) else [levels]
    strange = [levels] if isinstance(levels, str) else [block for block in given if not isinstance(block, Block)]
    if strange:
        raise TypeError(f"levels must be a Block or a sequence of them, got {strange[0]!r:.80}")
    if len(given) != n:
        raise ValueError(f"levels must be as many as there are blocks, {n}, got {len(given)}")
    for s, block in enumerate(given):
        if block.components != components:
            raise ValueError(f"levels must have {components} components as the interaction has, got {block!r} at {s}")
    return tuple(given)
