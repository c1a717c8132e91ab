"""What the methods of summation have in common: one protocol, one way in, one set of errors."""

from __future__ import annotations

import functools
import html
import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import tiles
from mbfast._core.machine import available_memory
from mbfast._core.validate import FloatArray, as_doubles, check_out
from mbfast._core.voigt import WEIGHTS
from mbfast.pairs.cubes import averaged_tensors
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.moments import LAYOUTS, Moments, as_rows
from mbfast.pairs.problem import ROUNDING, Boundary, PairProblem
from mbfast.pairs.strained import lattice_forces, lattice_virial

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

SPARE = 5e7  # bytes that every method may take unasked


class Cost(NamedTuple):
    """What a field takes, set-up included, by constants that do not depend on this machine."""

    seconds: float  # on one core of an AMD EPYC of the third generation (Zen 3)
    memory: float  # bytes, moments and field included


class PairField(ABC):
    """A method of summation, set up for a problem and applied to any number of sets of moments.

    `DirectField`, `LatticeField` and `EwaldField` are its kinds. A new one says its `method`, what it cannot do
    (`why_not`), what it costs (`estimate`), and how it is set up and applied.

    Attributes
    ----------
    method : str
        Its name in `pair_field`.
    problem : PairProblem
        The checked arguments.
    interaction, boundary
        Two of them, as given.
    rtol : float
        Error that the method is held to, relative to the largest field; see its Notes.
    unit : float
        The field below which errors are no longer relative to the largest one, for moments of size 1; 0 where they
        always are.
    nbytes : int
        Memory held (bytes).
    cost : Cost
        What one field takes: seconds on one core of a reference machine, set-up included, and memory.
    """

    method: ClassVar[str]
    problem: PairProblem
    interaction: Interaction
    boundary: Boundary
    rtol = ROUNDING
    unit = 0.0
    nbytes: int
    cost: Cost

    @classmethod
    def of(cls, problem: PairProblem, *, threads: int | None = None, derivatives: bool = False) -> Self:
        """Return the method set up for a checked problem, for forces and virial first if these are wanted at once.

        A ValueError if it is not made for the problem.
        """
        made = cls.__new__(cls)
        made._make(problem, threads, derivatives)
        return made

    def _make(self, problem: PairProblem, threads: int | None, derivatives: bool = False) -> None:
        workers = tiles.check_threads(threads)
        reason = self.why_not(problem)
        if reason:
            raise ValueError(reason)
        self.problem, self.interaction, self.boundary = problem, problem.interaction, problem.boundary
        self._n, self._targets, self._derivatives = problem.geometry.n_blocks, problem.n_targets, derivatives
        self._set_up(workers)

    def _afford(self, cost: Cost) -> None:
        """Take note of the cost; raise a MemoryError, with the numbers, for what does not fit."""
        self.cost = cost
        self._fit(cost)

    def _fit(self, cost: Cost) -> None:
        if cost.memory > 2.0 * SPARE and cost.memory > available_memory():
            from mbfast.pairs.planning import refuse_memory  # noqa: PLC0415

            refuse_memory(self.method, self.problem)

    @classmethod
    def why_not(cls, problem: PairProblem) -> str:
        """Say why the method cannot take a problem, or nothing: here, of methods that sum over explicit images."""
        if not problem.every_image:
            return ""
        if problem.macroscopic is not None:
            got = f"got {problem.macroscopic!r} with method={cls.method!r}"
            return f"macroscopic is for sums over all images, by method='ewald' and method='fft', {got}"
        return f"images must be a whole number >= 0 of shells for method={cls.method!r} if periodic, got None"

    @classmethod
    @abstractmethod
    def estimate(cls, problem: PairProblem) -> Cost:
        """Say what one field would take."""

    @abstractmethod
    def _set_up(self, workers: int) -> None:
        """Compute what does not depend on the moments: `nbytes`, by `_afford` the cost, and what it wants itself."""

    @abstractmethod
    def _fill(self, moments: Moments, out: FloatArray, workers: int, progress: tiles.Progress) -> None:
        """Fill out, of the shape of the moments, with the field."""

    def __call__(
        self, moments: ArrayLike, *, out: FloatArray | None = None, threads: int | None = None,
        progress: tiles.Progress = False,
    ) -> FloatArray:  # fmt: skip
        """Field at each block of all others, and its own with `self_field`, h_s = sum of Lambda : T_s', or at points.

        Parameters
        ----------
        moments
            As in `pair_field`.
        out : ndarray, optional
            Where the field goes: float64, C-contiguous, of the shape of `moments`, which it may be itself; of as many
            rows as there are points, if there are.
        threads, progress
            As in `pair_field`.

        Returns
        -------
        ndarray
            h, in the layout of `moments`, float64: dimensionless for stress, V/m for dipoles.

        Raises
        ------
        TypeError
            If moments are not real numbers, out is no float64 ndarray, or threads is no whole number.
        ValueError
            If moments have another shape, are not symmetric, not finite or above 1e150, out has another shape or
            layout, threads is below 1, or the field is beyond the range of doubles, as of blocks that all but coincide.
        """
        workers = tiles.check_threads(threads)
        return self.field_of(self.problem.moments(moments, workers), out, workers, progress)

    def field_of(
        self, moments: Moments, out: FloatArray | None, workers: int, progress: tiles.Progress, *, held: bool = True
    ) -> FloatArray:
        """Return the field of moments that are checked already, with or without that of a given mean stress."""
        result = check_out(out, moments.shape if self.problem.at is None else (self._targets, *moments.layout))
        if not self._n:
            result[...] = 0.0  # at points
        elif result.size:
            with np.errstate(all="ignore"):  # nothing may depend on what the caller has set
                own = self._own(moments) if self.problem.self_field else None  # now: out may be the moments
                self._fill(moments, result, workers, progress)
                if own is not None:
                    result += own
        if result.size:
            if held and self.problem.held_field is not None:
                result += self.held_of(moments)
            if not self._is_bounded(moments) and not np.isfinite(result).all():
                row = int(np.argwhere(~np.isfinite(result.reshape(self._targets, -1)))[0, 0])
                which = f"{'block' if self.problem.at is None else 'point'} {row}"
                raise ValueError(f"moments and blocks make a field beyond the range of doubles (1.8e308) at {which}")
        return result

    def _is_bounded(self, _moments: Moments) -> bool:
        """Whether it is known beforehand that no field is beyond the range of doubles: to look is a pass more."""
        return False

    def held_of(self, moments: Moments) -> FloatArray:
        """Return the part of the field that is not linear in the moments, in their layout: of a given mean stress."""
        field = self.problem.held_field
        return np.zeros(1) if field is None else as_rows(field, moments.width).reshape(moments.layout)

    @functools.cached_property
    def _own_tensor(self) -> FloatArray:
        """The tensor of a cube and itself, its columns weighted: to compose it takes as long as a small field."""
        return own_tensor(self.problem)

    def _own(self, moments: Moments) -> FloatArray:
        """Return the field of each cube at itself."""
        own = self.problem.scale * moments.unit * self._own_tensor
        field = own_field(own, moments.components(0, self._n))
        return as_rows(field, moments.width).reshape(moments.shape)

    def energy(self, moments: ArrayLike, *, threads: int | None = None, progress: tiles.Progress = False) -> float:
        """Energy of the interaction, E = sum over s of T_s : h_s, each pair counted twice as in (2.13).

        Under a given mean stress sigma the blocks also have the energy T_s : C^-1 sigma, twice what that part of the
        field would give, so that dE/dT_s = 2 h_s.

        Parameters
        ----------
        moments, threads, progress
            As for the field.

        Returns
        -------
        float
            Energy (J). If periodic: of one cell, its images included.

        Raises
        ------
        TypeError, ValueError
            For the moments and threads that `__call__` refuses, if the energy is beyond the range of doubles, and if
            the field is one at points.
        """
        workers = tiles.check_threads(threads)
        return self.energy_of(self.problem.moments(moments, workers), workers, progress)

    @np.errstate(all="ignore")
    def energy_of(self, moments: Moments, workers: int, progress: tiles.Progress) -> float:
        """Return the energy of moments that are checked already."""
        self._refuse_points("energy is that of")
        energy = self._energy(moments, workers, progress)
        if self.problem.held_field is not None:
            energy += moments.contract(np.broadcast_to(self.held_of(moments), moments.shape))
        if not math.isfinite(energy):
            raise ValueError("moments and blocks have an energy beyond the range of doubles (1.8e308)")
        return energy + 0.0  # no negative zero

    def _energy(self, moments: Moments, workers: int, progress: tiles.Progress) -> float:
        return moments.contract(self.field_of(moments, None, workers, progress))

    def forces(self, moments: ArrayLike, *, threads: int | None = None, progress: tiles.Progress = False) -> FloatArray:
        """Force on each block at fixed moments, F_s = -dE/dx_s, E the energy.

        Parameters
        ----------
        moments, threads, progress
            As for the field.

        Returns
        -------
        ndarray, shape (N, 3) or (n1, n2, n3, 3)
            In N. If periodic: a block's images move with it.

        Raises
        ------
        TypeError, ValueError
            For the moments and threads that `__call__` refuses, if blocks are cubes, forces are beyond the range of
            doubles, or the field is one at points.
        """
        workers = tiles.check_threads(threads)
        return self.forces_of(self.problem.moments(moments, workers), workers, progress)

    @np.errstate(all="ignore")
    def forces_of(self, moments: Moments, workers: int, progress: tiles.Progress) -> FloatArray:
        """Return the forces at moments that are checked already."""
        self._refuse_points("forces are those on")
        require_points(self.problem)
        forces = self._forces(moments, workers, progress) if self._n else np.empty((0, 3))
        if not np.isfinite(forces).all():
            block = int(np.argwhere(~np.isfinite(forces))[0, 0])
            raise ValueError(f"moments and blocks make a force beyond the range of doubles (1.8e308) on block {block}")
        return forces.reshape(*self.problem.geometry.leading, 3)

    def virial(self, moments: ArrayLike, *, threads: int | None = None, progress: tiles.Progress = False) -> FloatArray:
        """Virial W_ij = dE/dg_ij: E the energy at fixed moments, when all is displaced by u_i = g_ij x_j.

        Parameters
        ----------
        moments, threads, progress
            As for the field.

        Returns
        -------
        ndarray, shape (3, 3)
            In J: minus the sum of x_s F_s in free space. If periodic: of one cell, which deforms with its blocks, a
            sphere of images in a vacuum staying one. Cubes deform with the body, their moments spread evenly. As a
            rotation of all, moments included, costs nothing, its antisymmetric part is that of -4 times the sum of
            h_s T_s, or of -2 h_s p_s for dipoles; h without that of a given mean stress, whose energy T_s : C^-1 sigma
            does not change.

        Raises
        ------
        TypeError, ValueError
            For the moments and threads that `__call__` refuses, if the virial is beyond the range of doubles, and if
            the field is one at points.
        """
        workers = tiles.check_threads(threads)
        return self.virial_of(self.problem.moments(moments, workers), workers, progress)

    @np.errstate(all="ignore")
    def virial_of(self, moments: Moments, workers: int, progress: tiles.Progress) -> FloatArray:
        """Return the virial of moments that are checked already."""
        self._refuse_points("virial is that of")
        virial = self._virial(moments, workers, progress) if self._n else np.zeros((3, 3))
        if not np.isfinite(virial).all():
            raise ValueError("moments and blocks have a virial beyond the range of doubles (1.8e308)")
        return virial

    def _forces(self, moments: Moments, workers: int, progress: tiles.Progress) -> FloatArray:
        """Return the forces (N, 3), in N: here on the points of a lattice."""
        return lattice_forces(self.problem, moments, workers, progress)

    def _virial(self, moments: Moments, workers: int, progress: tiles.Progress) -> FloatArray:
        """Return the virial (3, 3), in J: here of a lattice, of points or cubes."""
        return lattice_virial(self.problem, moments, workers, progress)

    def _refuse_points(self, what: str) -> None:
        if self.problem.at is not None:
            raise ValueError(f"at is for fields; the {what} the blocks: leave it out")

    def operator(self, *, threads: int | None = None) -> LinearOperator:
        """Return the map from all moments to the field as a symmetric linear operator, for SciPy's solvers.

        Under a given mean stress it is the linear part, that of the stress-free body; what is left is the field of
        moments that are all zero.

        Parameters
        ----------
        threads : int, optional
            As for the field.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator, shape (9 N, 9 N) or (3 N, 3 N)
            On ``moments.ravel()`` of moments (N, 3, 3) or (N, 3). Of a tensor the symmetric part is taken.

        Raises
        ------
        TypeError, ValueError
            For the threads that `__call__` refuses, and if the field is one at points.
        """
        from scipy.sparse.linalg import LinearOperator  # noqa: PLC0415

        workers = tiles.check_threads(threads)
        self._refuse_points("operator is that between")
        layout = LAYOUTS[self.interaction.components][-1]
        shape = (*self.problem.geometry.leading, *layout)

        def apply(vector: FloatArray) -> FloatArray:
            moments = np.reshape(as_doubles(vector), shape)
            if len(layout) > 1:
                moments = 0.5 * (moments + np.swapaxes(moments, -1, -2))
            checked = self.problem.moments(moments, workers)
            return self.field_of(checked, None, workers, progress=False, held=False).ravel()

        size = int(np.prod(shape))
        return LinearOperator((size, size), matvec=apply, rmatvec=apply, dtype=np.float64)

    def _facts(self) -> dict[str, str]:
        geometry, images = self.problem.geometry, self.problem.images
        boundary = self.boundary if images is None else f"{self.boundary}, {images} shells of images"
        if self.problem.every_image:
            held = self.problem.macroscopic
            stress = f"mean stress {', '.join(f'{x:g}' for x in held)} Pa" if isinstance(held, tuple) else ""
            boundary += f", {stress or self.problem.condition}"
        points = "" if self.problem.at is None else f", {self._targets} points"
        what = " cubes" if geometry.averaged else " blocks"
        what += " with their own fields" if self.problem.self_field else ""
        return {
            "interaction": repr(self.interaction),
            "blocks": " x ".join(map(str, geometry.leading)) + what + points,
            "boundary": boundary,
            "rtol": f"{self.rtol:g}",
            "memory": f"{self.nbytes / 1e6:.3g} MB",
        }

    def __repr__(self) -> str:
        facts = self._facts()
        facts["rtol"] = f"rtol {facts['rtol']}"
        return f"<{type(self).__name__}: {', '.join(facts.values())}>"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in self._facts().items())
        return f"<table><caption>{type(self).__name__}</caption>{rows}</table>"


def require_points(problem: PairProblem) -> None:
    """Raise a ValueError if blocks are cubes: they fill a lattice, and none of them can move."""
    if problem.geometry.averaged:
        raise ValueError(
            "blocks must be points for forces, got averaged=True: cubes fill their lattice and cannot move"
        )


def own_tensor(problem: PairProblem) -> FloatArray:
    """Return the tensor of a cube and itself, without the prefactor, its columns weighted."""
    own: FloatArray = averaged_tensors(problem.interaction, [0, 0, 0]) * WEIGHTS[: problem.interaction.components]
    return own


def own_field(own: FloatArray, components: FloatArray) -> FloatArray:
    """Return a tensor of a cube and itself times moments (components, n)."""
    field = np.zeros(components.shape)
    # one product after the other: bits of matrix products depend on threads, and on which blocks come together
    for a, b in np.argwhere(own):
        field[a] += own[a, b] * components[b]
    return field


def nbytes_of(*items: Any) -> int:
    """Return the bytes of arrays, of lists of them, and of the arrays that objects hold."""
    total = 0
    for item in items:
        if isinstance(item, np.ndarray):
            total += item.nbytes
        elif isinstance(item, list | tuple):
            total += nbytes_of(*item)
        elif hasattr(item, "__dict__"):
            total += nbytes_of(*vars(item).values())
    return total
