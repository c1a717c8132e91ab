"""Blocks with levels of their own and how they are coupled, of any number: no states of them all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core.machine import require_room
from mbfast._core.validate import FloatArray, ReadOnly, require_choice, whole_number
from mbfast._core.voigt import FULL, WEIGHTS
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.problem import Boundary, Macroscopic, PairProblem
from mbfast.superblock.block import Block, Local, check_levels
from mbfast.superblock.couplings import Deformation, MomentChange, check_strain, coupling_matrices, strained


class CoupledBlocks(ReadOnly):
    """What a `mbfast.SuperBlock` consists of, without its states: for perturbation theory of hundreds of blocks.

    Parameters
    ----------
    interaction, blocks, levels, boundary, cell, macroscopic, strain, moment_change
        As of `mbfast.SuperBlock`.

    Attributes
    ----------
    interaction, boundary, positions, n_blocks, dimension, levels, dims, couplings
        As of `mbfast.SuperBlock`.
    dtype : numpy.dtype
        Of the blocks' matrices.

    Raises
    ------
    TypeError, ValueError
        As `mbfast.SuperBlock` does, but for energies beyond the range of doubles.
    """

    interaction: Interaction
    boundary: Boundary
    positions: FloatArray
    couplings: FloatArray
    dtype: np.dtype[Any]

    def __init__(
        self, interaction: Interaction, blocks: BlockLattice | ArrayLike, levels: Block | Sequence[Block], *,
        boundary: Boundary = "open", cell: ArrayLike | None = None, macroscopic: Macroscopic | None = None,
        strain: ArrayLike | None = None, moment_change: MomentChange = "none",
    ) -> None:  # fmt: skip
        require_choice("moment_change", moment_change, get_args(MomentChange))
        problem = PairProblem.of(interaction, blocks, boundary=boundary, cell=cell, macroscopic=macroscopic)
        gradient = np.zeros((3, 3)) if strain is None else check_strain(strain)[FULL]
        if strain is not None:
            problem = strained(problem, gradient)
        self.interaction, self.boundary = problem.interaction, problem.boundary
        n, components = problem.geometry.n_blocks, problem.interaction.components
        require_room(8.0 * (components * n) ** 2, "blocks, {} of them, and the couplings of every two", n)
        self.levels = check_levels(levels, n, components)
        self.dims = tuple(block.n_levels for block in self.levels)
        self.n_blocks, self.dimension = len(self.dims), math.prod(self.dims)
        work, moments = Deformation.of(gradient, components, moment_change)
        self._local = [block.local.changed(moments) for block in self.levels]
        self.dtype = np.result_type(*(x for local in self._local for x in (local.hamiltonian, local.operators)))
        self._check_size()
        self.positions = problem.geometry.reduced().T * problem.geometry.unit
        self.couplings = coupling_matrices(problem)
        for array in (self.positions, self.couplings):
            array.setflags(write=False)
        held = problem.held_field  # of a given mean stress: it acts as the strain that it makes
        self._strain = work if held is None else work + 2.0 * WEIGHTS * held[:, 0]

    def _check_size(self) -> None:
        """Raise a MemoryError, before any work, for more states than are wanted."""

    def block_hamiltonian(self, s: int) -> NDArray[Any]:
        """Hamiltonian of one block, with what an external strain and its own images add to it.

        Parameters
        ----------
        s : int
            Number of the block.

        Returns
        -------
        ndarray, shape (d, d)
            In the block's basis (J).

        Raises
        ------
        TypeError
            If s is no whole number.
        ValueError
            If s is not the number of a block.
        """
        local = self._of_block(s)
        c, o = local.composition, local.operators
        matrix = local.hamiltonian + np.einsum("m,mij->ij", self._strain @ c, o)
        matrix = matrix + np.einsum("mn,mij,njk->ik", c.T @ self.couplings[s, s] @ c, o, o)
        result: NDArray[Any] = 0.5 * (matrix + matrix.conj().T)
        return result

    def block_stress(self, s: int) -> NDArray[Any]:
        """Stress, or dipole moment, of one block.

        Parameters
        ----------
        s : int
            Number of the block.

        Returns
        -------
        ndarray, shape (6, d, d) or (3, d, d)
            In the block's basis (J or C m).

        Raises
        ------
        TypeError
            If s is no whole number.
        ValueError
            If s is not the number of a block.
        """
        return self._of_block(s).stress

    def block_basis(self, s: int) -> NDArray[Any]:
        """States of the basis of one block.

        Parameters
        ----------
        s : int
            Number of the block.

        Returns
        -------
        ndarray, shape (d, d)
            As columns, each in terms of the block's levels.

        Raises
        ------
        TypeError
            If s is no whole number.
        ValueError
            If s is not the number of a block.
        """
        return self._of_block(s).basis

    def _of_block(self, s: int) -> Local:
        number = whole_number("s", s)
        if not 0 <= number < self.n_blocks:
            raise ValueError(f"s must be the number of a block, 0 to {self.n_blocks - 1}, got {number}")
        return self._local[number]

    def __repr__(self) -> str:
        return f"<CoupledBlocks: {self.n_blocks} blocks, {self.interaction!r}, {self.boundary}>"


def check_coupled_blocks(super_block: object) -> None:
    """Raise a TypeError if it is neither coupled blocks nor a super block."""
    if not isinstance(super_block, CoupledBlocks):
        raise TypeError(f"super_block must be a SuperBlock or CoupledBlocks, got {super_block!r:.80}")
