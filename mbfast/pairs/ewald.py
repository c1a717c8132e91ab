"""Fields of blocks at any positions in O(N log N)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import tiles
from mbfast._core.validate import FloatArray
from mbfast.pairs._ewald.plan import Plan, choose
from mbfast.pairs._ewald.split import Split
from mbfast.pairs.fields import SPARE, Cost, PairField, nbytes_of
from mbfast.pairs.geometry import BlockLattice, folded
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.moments import Moments, as_rows
from mbfast.pairs.problem import EWALD_RTOL, Boundary, Macroscopic, PairProblem

_SET_UP = 1.3  # times a field: both of them over one
_ALONE = 0.07  # seconds on one core, below which a sum's steps take less than threads to start
_FINER = 16.0  # how much less than rtol a plan is made for whose field is derived


class EwaldField(PairField):
    r"""Fields of blocks at given positions in O(N log N), set up once and applied to many sets of moments.

    Parameters
    ----------
    interaction, blocks, boundary, cell
        As in `pair_field`; if periodic, of these blocks and all images of them, in cells of any angles.
    macroscopic : {"clamped", "stress-free", "tin-foil", "vacuum"} or array_like, shape (3, 3) or (6,), optional
        What holds the periodic body, as the sum over images does not say. Stress: no strain on average, the default, or
        no stress on average, where the body deforms as its moments, and its moduli, want it to, or a given mean stress
        (Pa), symmetric, which strains it further. Dipoles: no electric field on average, as between short-circuited
        plates, the default, or a sphere of images with nothing but the medium of the interaction's permittivity around
        it.
    rtol : float, optional
        From 1e-12 to 0.01, None for 1e-6: the error of any component at any block relative to the largest field; see
        Notes.
    at : array_like, shape (M, 3), optional
        As in `pair_field`.
    threads : int, optional
        As in `pair_field`, of the set-up.

    Attributes
    ----------
    interaction, boundary, rtol, nbytes, cost
        As of every `PairField`.
    unit : float
        Prefactor/d^3, d^3 the volume of a block among those within the radius of the near sum: the field relative to
        which errors are below `rtol` where all fields are smaller than it, for moments of a largest norm of 1.

    Raises
    ------
    TypeError, MemoryError
        For the arguments that `pair_field` refuses.
    ValueError
        For the arguments that `pair_field` refuses, if blocks are cubes, and if the body is to be stress-free, or to
        have a stress, and has Joffrin and Levelut's form, which no elastic medium has, or c_l^2 <= 4/3 c_t^2, and so no
        bulk modulus.

    Notes
    -----
    Lambda consists of fourth derivatives of r and second ones of 1/r. Both potentials are split as by Ewald, r as by
    Hasimoto, but with the function whose transform ends soonest, Slepian's, in place of a Gaussian: beyond a radius
    the smooth part is all there is, and it has few modes,

    .. math:: \hat h_{ij}(k) = 4\pi\,[(c_0 + c_2)\,\mathrm{sym}(\hat k_i T_{jl} \hat k_l)
              - c_2 \hat k_i \hat k_j\, \hat k T \hat k],

    in units of the prefactor; dipoles have :math:`4\pi \hat k_i\, \hat k \cdot p`. Near pairs are summed directly,
    modes by a non-uniform transform on a mesh that takes two real numbers for one complex one and needs little or no
    oversampling, as the split ends before its aliases matter. In free space each octave of distance has a mesh of its
    own. Radius, modes and mesh are what costs least.

    Parameters are chosen so that no plane wave of moments has an error of half of rtol times the field that its largest
    moment makes at the distance d, prefactor/d^3, d^3 the volume of a block among its neighbours: constants are those
    of the worst waves found on lattices. Moments without order have errors of a tenth of this, and
    fields of five such units and more, so errors are usually far below rtol. Only if moments are such that all fields
    nearly cancel, rtol is relative to that unit, not to them.

    Forces follow from the derivatives of the mesh's window, the virial from those of the modes by wave vectors, neither
    with more transforms. Both are worse than the field of the same plan, so they have a sum of their own, set up at
    their first use, with a plan for a sixteenth of rtol. Errors of forces are then below rtol times the largest of
    them, or times 12 unit T^2/d, the force between the largest moments T, in line, at the distance d; where a period is
    shorter than d, at that distance, as of a block's own images, whose forces cancel. Errors of the virial are below
    rtol times its largest component, or times 3 unit and the sum of all T_s^2, its trace being -3 energies; rounding
    may leave twice 1e-12 of that.

    Up to some thousand blocks in free space, less where rtol is large, are all near: a direct sum. Cells are reduced
    as by Minkowski, so that all cells of one lattice give one answer in one time, and images are found by the distances
    of opposite faces: slabs, chains and sheared cells cost what their blocks and their volume say.

    Without its mean, k = 0, the field is that of the clamped or tin-foil body. With tau the sum of all moments over
    the cell's volume, sums over spheres of images converge to it plus the mean of the above over directions,
    4 pi [(c_0 + c_2) tau/3 - c_2 (2 tau + tr tau)/15] or 4 pi tau/3, which is the vacuum's: the tensor's harmonics of
    order 2 and 4 vanish on average. A stress-free body has the strain -C^-1 tau, or h = -C^-1 tau/2, in addition, one
    of the mean stress sigma h = C^-1 (sigma - tau)/2: a part of the field then does not depend on the moments.

    Transforms are by ducc0, where it is installed (``pip install 'mbfast[ewald]'``), else by SciPy.

    References
    ----------
    P. P. Ewald, Ann. Phys. 369, 253 (1921); H. Hasimoto, J. Fluid Mech. 5, 317 (1959); D. Slepian and H. O. Pollak,
    Bell Syst. Tech. J. 40, 43 (1961); F. Vico, L. Greengard and M. Ferrando, J. Comput. Phys. 323, 191 (2016).

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> rng = np.random.default_rng(0)
    >>> positions, moments = 1e-7 * rng.random((1000, 3)), 1.6e-19 * rng.normal(size=(1000, 6))
    >>> field = mbfast.EwaldField(silica, positions, boundary="periodic", cell=[1e-7, 1e-7, 1e-7])
    >>> strain = 2 * field(moments)
    >>> free = mbfast.EwaldField(silica, positions, boundary="periodic", cell=[1e-7, 1e-7, 1e-7],
    ...                          macroscopic="stress-free")
    >>> bool(np.ptp(2 * free(moments) - strain, axis=0).max() < 1e-9 * strain.max())  # a uniform strain
    True
    """

    method = "ewald"

    def __init__(
        self, interaction: Interaction, blocks: BlockLattice | ArrayLike, *, boundary: Boundary = "open",
        cell: ArrayLike | None = None, macroscopic: Macroscopic | None = None, rtol: float | None = None,
        at: ArrayLike | None = None, threads: int | None = None,
    ) -> None:  # fmt: skip
        options = {"boundary": boundary, "cell": cell, "macroscopic": macroscopic, "rtol": rtol, "at": at}
        self._make(PairProblem.of(interaction, blocks, **options), threads)  # type: ignore[arg-type]

    @classmethod
    def why_not(cls, problem: PairProblem) -> str:
        """Refuse cubes, and explicit images."""
        if problem.geometry.averaged:
            return "blocks must be points for Ewald sums, got averaged=True: method='fft' takes cubes"
        if problem.images is not None:
            got = f"got {problem.images} with method={cls.method!r}, which sums over all of them"
            return f"images are summed explicitly by method='direct' and method='fft', {got}"
        return ""

    @classmethod
    def estimate(cls, problem: PairProblem) -> Cost:
        """Ask the cost model of its parts about blocks so spread."""
        n, components = problem.geometry.n_blocks, problem.interaction.components
        if not n:
            return Cost(0.0, SPARE)
        sample = problem.geometry.sample()
        box, fractions, _ = _placed(problem, sample)
        plan = _plan(problem, box, fractions[: len(sample)], len(fractions) - len(sample))
        return _cost(plan, n + len(fractions) - len(sample), components, n / len(sample))

    def _set_up(self, workers: int) -> None:
        self.rtol, self.nbytes, self.cost = _rtol(self.problem), 0, Cost(0.0, SPARE)
        self._splits: dict[float, Split] = {}
        if self._n:
            self._split(_FINER if self._derivatives else 1.0, workers)

    def _split(self, finer: float, workers: int) -> Split:
        """Return the sum whose plan is made for rtol over `finer`, set up at its first use."""
        if finer in self._splits:
            return self._splits[finer]
        n, problem = self._n, self.problem
        box, fractions, positions = _placed(problem, problem.geometry.reduced().T)
        size = 2.0 ** math.frexp(float(np.abs(box).max()))[1]  # powers of a distance stay within the range of doubles
        box, positions, self._size = box / size, positions / size, size * problem.geometry.unit
        with np.errstate(over="ignore"):
            self._scale = problem.scale * float(np.float64(size) ** -3.0)
        plan = _plan(problem, box, fractions[:n], len(fractions) - n, finer)
        cost = _cost(plan, len(fractions), self.interaction.components, 1.0)
        if self._splits:
            self._fit(cost)
        else:
            self._afford(cost)
            self.unit = abs(self._scale) * plan.density / plan.cutoff**3
        uniform = self.interaction.uniform_field(problem.condition) if problem.boundary == "periodic" else None
        made = Split(self.interaction, positions, fractions, box, plan, uniform, blocks=n, workers=workers)
        self._splits[finer] = made
        self.nbytes = nbytes_of(*self._splits.values())
        return made

    def _worth(self, workers: int) -> int:
        """Return how many of so many threads a sum is worth."""
        return workers if self.cost.seconds > _ALONE else 1

    def _fill(self, moments: Moments, out: FloatArray, workers: int, progress: tiles.Progress) -> None:
        rows = np.zeros((self._n + (0 if self.problem.at is None else self._targets), self.interaction.components))
        rows[: self._n] = moments.components(0, self._n).T  # points are blocks without moments
        with tiles.counter(progress, 1, "field") as advance:
            field = self._split(1.0, workers).field(rows, self._worth(workers))
            advance()
        field *= self._scale * moments.unit
        out.reshape(self._targets, moments.width)[:] = as_rows(field[-self._targets :].T, moments.width)

    def _forces(self, moments: Moments, workers: int, progress: tiles.Progress) -> FloatArray:
        with tiles.counter(progress, 1, "forces") as advance:
            split = self._split(_FINER, workers)
            gradient = split.gradient(moments.components(0, self._n).T.copy(), self._worth(workers))
            advance()
        return gradient * (-2.0 * self._scale * moments.unit / self._size * moments.unit)

    def _virial(self, moments: Moments, workers: int, progress: tiles.Progress) -> FloatArray:
        with tiles.counter(progress, 1, "virial") as advance:
            split = self._split(_FINER, workers)
            virial = split.virial(moments.components(0, self._n).T.copy(), self._worth(workers))
            advance()
        return virial * (self._scale * moments.unit * moments.unit)


def _rtol(problem: PairProblem) -> float:
    return EWALD_RTOL if problem.rtol is None else problem.rtol


def _placed(problem: PairProblem, positions: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a box, its vectors as rows; positions (N, 3) as fractions of them; and the positions as they are taken.

    Points where the field is wanted follow the blocks.
    """
    if problem.at is not None:
        positions = np.concatenate([positions, problem.at])
    if problem.periods is not None:
        fractions, turns = folded(positions, problem.periods)
        return problem.periods, fractions, positions - turns @ problem.periods
    inside = positions - positions.min(axis=0)
    extent = inside.max(axis=0)
    thin = extent <= 1e-100 * extent.max()  # as is a plane: one over such a side is beyond the doubles
    sides = np.where(thin, 1e-3 * (extent.max() or 1.0), extent)
    return np.diag(sides), inside / sides, positions


def _plan(problem: PairProblem, box: FloatArray, fractions: FloatArray, points: int, finer: float = 1.0) -> Plan:
    """Return the plan for blocks at fractions of a box, and points that are no blocks, for rtol over `finer`."""
    b, c2 = problem.interaction.parts
    strength = max(abs(b), abs(c2), abs(b - c2))  # of shear or plane waves, of pressure, of longitudinal ones
    options = {"components": problem.interaction.components, "strength": strength}
    periodic = problem.boundary == "periodic"
    return choose(fractions @ box, box, _rtol(problem) / finer, **options, periodic=periodic, points=points)  # type: ignore[arg-type]


def _cost(plan: Plan, n: int, components: int, each: float) -> Cost:
    """Return what a plan of one block of `each` takes for n of them."""
    # measured: two meshes, their edges included, and their modes; the blocks and images in the order of the cells
    nodes, edged = (math.prod(side + more for side in plan.shapes[0]) if plan.shapes else 0 for more in (0, plan.width))
    memory = components * each * (14.0 * nodes + 16.0 * edged) + n * (1.0 + plan.images) * (50.0 * components + 250.0)
    ends = 8.0 * n * (2 * components + 3) + SPARE
    return Cost(1e-9 * _SET_UP * plan.cost * each, ends + memory)
