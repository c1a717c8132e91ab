"""The super block (2.16): its Hamiltonian applied to states, its levels, its stress."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core import tiles
from mbfast._core.machine import available_memory
from mbfast._core.validate import FloatArray, check_out, number_array, require_finite, whole_number
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.problem import Boundary, Macroscopic
from mbfast.superblock.absorption import absorption, linear_absorption
from mbfast.superblock.block import Block
from mbfast.superblock.coupled import CoupledBlocks
from mbfast.superblock.couplings import MomentChange
from mbfast.superblock.evolution import evolve
from mbfast.superblock.lanczos import Operator
from mbfast.superblock.lowest import lowest_levels, vectors_needed
from mbfast.superblock.response import susceptibility, waves
from mbfast.superblock.sums import BlockSum

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

_DENSE = 512  # states up to which a few levels are those of the whole matrix
_MATRICES = 2.0  # of D x D while that of H is made


class SuperBlock(CoupledBlocks):
    r"""Blocks with levels of their own, coupled by an interaction, exactly (2.16), in an external strain (2.18).

    Parameters
    ----------
    interaction : Interaction
        `StressInteraction`, `DipoleInteraction` or one of your own.
    blocks : BlockLattice or array_like, shape (N, 3)
        Where the blocks are (m); on a lattice as points or as cubes, in the order of its positions.
    levels : Block or sequence of Block
        One for each block, or a single one for all of them.
    boundary, cell, macroscopic
        As in `pair_field`. If periodic, all images are summed over, the block's own included, to 1e-12; a given mean
        stress sigma adds the sum of T_s:C^-1 sigma.
    strain : array_like, shape (6,) or (3, 3), optional
        A uniform strain e: the sum of e:T_s is added (stress only), and blocks, and the cell, are moved by it, which is
        the change of the interaction in (2.18) to all orders.
    moment_change : {"none", "gradient"}
        What the strain does to the moments, the Delta T of (2.18), which the paper leaves open: nothing, or they follow
        the positions as F = 1 + e says, see Notes.

    Attributes
    ----------
    interaction, boundary
        As given.
    positions : ndarray, shape (N, 3)
        Where the blocks are, strained (m).
    n_blocks, dimension : int
        N, and the number of states D, the product of the numbers of levels.
    levels : tuple of Block
        One for each block.
    dims : tuple of int
        Numbers of levels.
    dtype : numpy.dtype
        Of the Hamiltonian: float64 where it is real in the basis that was chosen, else complex128.
    couplings : ndarray, shape (N, N, c, c)
        J, so that the interaction is the sum over all s, t of T_s J[s, t] T_t, T of c = 6 or 3 components: in 1/J, of
        dipoles in J/(C m)^2.
    diagonal : ndarray, shape (D,)
        Of the Hamiltonian (J).
    flips : ndarray, shape (N,), or None
        If all blocks have two levels and diagonal stresses, H is the diagonal and the sum of flips[s] sigma_x (J): what
        `mbfast.kernels.superblock` wants.

    Raises
    ------
    TypeError
        If levels are no Block or sequence of them; for an interaction, blocks, cell or strain that are not of the type.
    ValueError
        If there is no block; levels are not as many as blocks, or not of the kind that interacts; strain is not
        symmetric, is 0.1 or more, or given for cubes; moment_change is unknown; an energy of a pair is beyond the range
        of doubles; for what `pair_field` refuses of boundary, cell and macroscopic.
    MemoryError
        If the diagonal of the Hamiltonian and two vectors do not fit into memory; the message has the numbers.

    Notes
    -----
    .. math:: H = \sum_s H_0^{(s)} + \sum_{s\ne s'} \Lambda_{ijkl}(x_s - x_{s'}) T_{ij}^{(s)} T_{kl}^{(s')},

    a sum over ordered pairs. A state is a vector of D numbers, block 0 the slowest index, each block in a basis of its
    own: that in which all its operators T are diagonal where there is one, as the two wells of a two-level system, else
    its levels: `block_basis` has its states, `block_stress` and `block_hamiltonian` the matrices in it.

    Moments that follow a strain become F p, as (5.4) says, and F T F^T: T is a sum of forces times arms, which both
    follow. The energy is then T:(F^T F - 1)/2 = T:(e + e^2/2) of T as it was, so that its derivative by a further
    strain is the moment as it has become. To first order Delta T = eT + Te; rotations, had e one, would cost nothing.

    Examples
    --------
    >>> import mbfast
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> block = mbfast.Block.two_level(0.0, 1e-24, [0, 0, 0, 0, 0, 1.6e-19])
    >>> pair = mbfast.SuperBlock(silica, [[0, 0, 0], [0, 0, 5e-9]], block)
    >>> print(pair.dimension, pair.energies().round(26))
    4 [-1.01e-24 -1.10e-25  1.10e-25  1.01e-24]
    >>> import numpy as np
    >>> state = np.array([1.0, 0, 0, 0])
    >>> same = [pair.apply(state), pair.hamiltonian() @ state, pair.dense() @ state]
    >>> bool(np.ptp(same, axis=0).max() < 1e-38), pair.stress(state).shape, pair.block_stress(0).shape
    (True, (6, 4), (6, 2, 2))
    >>> bool(np.allclose(pair.block_hamiltonian(0), pair.block_hamiltonian(1))), pair.block_basis(0).shape
    (True, (2, 2))
    """

    susceptibility = susceptibility
    evolve, absorption, linear_absorption = evolve, absorption, linear_absorption

    def __init__(
        self, interaction: Interaction, blocks: BlockLattice | ArrayLike, levels: Block | Sequence[Block], *,
        boundary: Boundary = "open", cell: ArrayLike | None = None, macroscopic: Macroscopic | None = None,
        strain: ArrayLike | None = None, moment_change: MomentChange = "none",
    ) -> None:  # fmt: skip
        super().__init__(
            interaction, blocks, levels, boundary=boundary, cell=cell, macroscopic=macroscopic, strain=strain,
            moment_change=moment_change,
        )  # fmt: skip
        compositions = [local.composition for local in self._local]
        with np.errstate(all="ignore"):
            singles = [self.block_hamiltonian(s) for s in range(self.n_blocks)]
            pairs = {
                (s, t): 2.0 * compositions[s].T @ self.couplings[s, t] @ compositions[t]
                for s, t in itertools.combinations(range(self.n_blocks), 2)
                if compositions[s].size and compositions[t].size  # blocks that interact at all
            }
        if not all(np.isfinite(energy).all() for energy in (*singles, *pairs.values())):
            raise ValueError("levels and blocks make energies beyond the range of doubles (1.8e308)")
        self._sum = BlockSum(singles, [local.operators for local in self._local], pairs)
        self.dtype = np.dtype(np.float64 if self._sum.is_real else np.complex128)

    def _check_size(self) -> None:
        self._refuse_memory("H|psi>", 2)

    def _refuse_memory(self, what: str, vectors: float, *, power: int = 1) -> None:
        """Raise a MemoryError if the diagonal and so many vectors, or with power 2 matrices, do not fit."""
        each, free = 8.0 + vectors * self.dtype.itemsize, available_memory()
        fitting = max((free / each) ** (1.0 / power), 1.0)
        if self.dimension > fitting:
            states = float(min(self.dimension, 10**150))
            raise MemoryError(
                f"{what} of {self.n_blocks} blocks with {states:.4g} states needs {each * states**power / 1e9:.3g} GB, "
                f"{free / 1e9:.3g} GB are available; what would fit: {fitting:.2g} states, "
                f"{int(math.log2(fitting))} two-level blocks"
            )

    @property
    def diagonal(self) -> FloatArray:
        """The diagonal of the Hamiltonian (J), shape (D,)."""
        return self._sum.diagonal

    @property
    def flips(self) -> FloatArray | None:
        """Of two-level blocks with diagonal stresses: what else the Hamiltonian is, sum of flips[s] sigma_x (J)."""
        return self._sum.flips

    def apply(self, psi: ArrayLike, *, out: NDArray[Any] | None = None, threads: int | None = None) -> NDArray[Any]:
        """Return H psi, of one state or of several.

        Parameters
        ----------
        psi : array_like, shape (D,) or (D, k)
            Real or complex; k states as columns.
        out : ndarray, optional
            Where the result goes: C-contiguous, of its shape and type, and not psi itself.
        threads : int, optional
            None: as many as this process may use, see `set_threads`. The result does not depend on it, to the last bit.

        Returns
        -------
        ndarray
            H psi (J), of the shape of psi; float64 if H and psi are real, else complex128.

        Raises
        ------
        TypeError
            If psi does not consist of numbers, out is no such array, or threads is no whole number.
        ValueError
            If psi or out has another shape, psi is not finite, or threads is below 1.
        MemoryError
            If the result does not fit into memory; the message has the numbers.
        """
        return self._apply(self._sum, psi, out, tiles.check_threads(threads))

    def _apply(self, what: BlockSum, psi: ArrayLike, out: NDArray[Any] | None, workers: int) -> NDArray[Any]:
        states = self._states(psi, real=what.is_real)
        result = check_out(out, states.shape, states.dtype)
        if out is not None and np.may_share_memory(out, states):
            raise ValueError("out must not share memory with psi")
        columns = (self.dimension, -1) if states.size else states.shape
        what.apply(states.reshape(columns), result.reshape(columns), workers)
        return result

    def _states(self, psi: ArrayLike, *, real: bool) -> NDArray[Any]:
        """Return states, (D,) or (D, k), C-contiguous, float64 if possible and asked for, else complex128."""
        array = number_array("psi", psi)
        if array.ndim not in (1, 2) or array.shape[0] != self.dimension:
            raise ValueError(f"psi must have shape ({self.dimension},) or ({self.dimension}, k), got {array.shape}")
        dtype = np.float64 if real and array.dtype.kind != "c" else np.complex128
        states = np.ascontiguousarray(array, dtype=dtype)
        numbers = states.reshape(-1).view(np.float64)
        with np.errstate(all="ignore"):  # of large numbers it may be infinite, of those not finite it always is
            # faster than a look at each, and the threads of BLAS would go on waiting on the cores that ours want
            square = Operator.of(self, 1).dot(numbers, numbers)
        if not np.isfinite(square):
            require_finite("psi", states)
        return states

    def hamiltonian(self, *, threads: int | None = None) -> LinearOperator:
        """Return the Hamiltonian as a linear operator, for SciPy's solvers.

        Parameters
        ----------
        threads : int, optional
            As in `apply`.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator, shape (D, D)
            Of `dtype`, in J. Energies are far below one: give solvers that have absolute tolerances, as ARPACK has,
            the operator divided by an energy.

        Raises
        ------
        TypeError, ValueError
            For the threads that `apply` refuses.
        """
        from scipy.sparse.linalg import LinearOperator  # noqa: PLC0415

        workers = tiles.check_threads(threads)

        def apply(psi: NDArray[Any]) -> NDArray[Any]:
            return self.apply(psi, threads=workers)

        shape = (self.dimension, self.dimension)
        return LinearOperator(shape, matvec=apply, rmatvec=apply, matmat=apply, rmatmat=apply, dtype=self.dtype)

    def dense(self, *, threads: int | None = None) -> NDArray[Any]:
        """Return the matrix of the Hamiltonian.

        Parameters
        ----------
        threads : int, optional
            As in `apply`.

        Returns
        -------
        ndarray, shape (D, D)
            Of `dtype`, in J.

        Raises
        ------
        TypeError, ValueError
            For the threads that `apply` refuses.
        MemoryError
            If it does not fit into memory; the message has the numbers.
        """
        self._refuse_memory("the whole matrix", _MATRICES, power=2)
        return self.apply(np.eye(self.dimension, dtype=self.dtype), threads=threads)

    def energies(self, k: int | None = None, *, threads: int | None = None) -> FloatArray:
        """Levels of the super block.

        Parameters
        ----------
        k : int, optional
            How many of the lowest; None: all D of them.
        threads : int, optional
            As in `apply`; LAPACK has its own.

        Returns
        -------
        ndarray, shape (k,) or (D,)
            Increasing (J).

        Raises
        ------
        TypeError
            If k or threads is no whole number.
        ValueError
            If k is not from 1 to D, or threads is below 1.
        MemoryError
            If the matrix, or for a few levels the vectors, do not fit into memory; the message has the numbers.
        RuntimeError
            If a few levels are not found after 10,000 restarts.

        Notes
        -----
        All levels, more than a quarter of them, and those of up to 512 states are LAPACK's. A few are by Lanczos'
        recursion from fixed vectors, to 1e-12 of half the spectrum's width at worst, and mostly to rounding errors. A
        level is there as often as there are states that have it: the recursion starts again in what is orthogonal to
        the states that are found, until nothing there is lower by more than 1e-11. Of levels that lie far from zero,
        beside their width, both are 7e-15 of the largest magnitude. Levels below 1e-280 J are as good as zero.
        """
        workers = tiles.check_threads(threads)
        count = self.dimension if k is None else whole_number("k", k)
        if not 1 <= count <= self.dimension:
            raise ValueError(f"k must be from 1 to {self.dimension}, got {count}")
        if k is None or self.dimension <= _DENSE or count > self.dimension // 4:
            from scipy.linalg import eigvalsh  # noqa: PLC0415

            levels: FloatArray = eigvalsh(self.dense(threads=workers), overwrite_a=True, check_finite=False)[:count]
            return levels
        return self._lowest(count, workers)

    def _lowest(self, count: int, workers: int) -> FloatArray:
        self._refuse_memory("a few levels", vectors_needed(count))
        return lowest_levels(Operator.of(self, workers), count)

    def stress(
        self, psi: ArrayLike, wavevector: ArrayLike | None = None, *, threads: int | None = None
    ) -> NDArray[Any]:
        """Return the total stress, or dipole moment, of a wave, applied to a state: sum over s of exp(i k.x_s) T_s psi.

        Parameters
        ----------
        psi : array_like, shape (D,) or (D, k)
            Real or complex; k states as columns.
        wavevector : array_like, shape (3,), optional
            k (1/m); None: 0.
        threads : int, optional
            As in `apply`.

        Returns
        -------
        ndarray, shape (6, D) or (3, D), or (6, D, k) or (3, D, k)
            In J or C m; float64 if everything is real.

        Raises
        ------
        TypeError
            If psi does not consist of numbers, wavevector not of real ones, or threads is no whole number.
        ValueError
            If psi or wavevector has another shape or is not finite, or threads is below 1.
        MemoryError
            If the result does not fit into memory; the message has the numbers.
        """
        workers = tiles.check_threads(threads)
        phases = waves(self, wavevector)
        real = len(phases) == 1 and all(local.operators.dtype == np.float64 for local in self._local)
        states = self._states(psi, real=real)
        components = self.interaction.components
        self._refuse_memory("the stress", (components + 2.0) * states.nbytes / (self.dimension * self.dtype.itemsize))
        result, stresses = np.zeros((components, *states.shape), states.dtype), [local.stress for local in self._local]
        for a, (factor, wave) in itertools.product(range(components), zip((1.0, 1j), phases, strict=False)):
            weighted = [w * stress[a] for w, stress in zip(wave, stresses, strict=True)]
            result[a] += factor * self._apply(BlockSum(weighted), states, None, workers)
        return result

    def __repr__(self) -> str:
        kinds = sorted(set(self.dims))
        levels = f"{kinds[0]}" if len(kinds) == 1 else f"{kinds[0]} to {kinds[-1]}"
        return (
            f"<SuperBlock: {self.n_blocks} blocks of {levels} levels, {self.dimension} states, {self.dtype}, "
            f"{self.interaction!r}, {self.boundary}>"
        )
