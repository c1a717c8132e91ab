r"""Effective response of blocks that differ, to all orders of the random phases: (3.7), summed by a linear equation.

The equation
    Block s, of volume v, answers the strain that it is in, T_s = v chi_s:(e_s + 2 sum over s' of Lambda:T_s'). The
    factor 2 is that of (2.13), where each pair stands twice: what couples to T_s is e_s + 2 h_s. To first order in
    Lambda this is (3.7) as derived; here all orders are kept, and chi_s is another one for each block. What is left out
    is what the stresses of neighbours do to levels and populations (`mbfast.superblock.perturbation`).
Which strain
    The effective chi is the mean of T_s/v, with the phase exp(-ik.x_s), over a strain with the phase exp(ik.x_s). That
    is the external one, e, or the total one of the wave, e and what the blocks add to it at k. Of cubes the latter is
    the mean over the sample of the strain within them, each cube's own field in it; of points in a periodic body it is
    the field of the wave of their moments, Lambda's Fourier transform at k. Velocities of sound are measured against
    it. Of a periodic body at k = 0 the mean strain is given, and both are the same. The phase is that of the centres of
    blocks. Means over cubes, which have no phase within them, are the Fourier component of the wave's strain only where
    k times the spacing is far below 1, and only there do velocities follow from the total one.
Elastic composites
    With ``self_field=True`` cubes answer the mean strain within themselves. Then they are the cells of a composite of
    moduli C + chi_s, C those of the interaction's medium, and its effective moduli are C + chi for the total strain:
    exactly where the stress T_s/v is uniform in each cube, as in layers of cubes along an axis, and otherwise with the
    error of stresses that are uniform in each. For real chi_s <= 0 they are trial stresses of Hashin and Shtrikman's
    principle, so that C + chi is an upper bound, which falls as each cell is cut into more cubes. Where one of eight
    cells has chi_s = -0.95 C, chi_xxxx is -0.4250, -0.4314, -0.4451, -0.4524 of rho c_t^2 with 1, 2, 4, 8 cubes along
    a cell (silica); with -0.5 C, -0.1784 to -0.1797.
How it is solved
    The unknown is the strain that all others make in a block. A block's field in itself is local: what it does to chi_s
    is known in closed form, and is not left to the iteration. One of SciPy's solvers works in single precision, on what
    is left over in double precision, until that is small enough: half the memory, and the residual reported is the true
    one. A complex product takes two fields, of the real and the imaginary part; of real chi all is real.
Which solver
    Products for 1e-6 of 12^3 blocks of moduli -0.6 to 0 times those of the medium, points and cubes: bicgstab 7 to 9,
    gmres with all vectors 8 to 10, with 8 vectors 8 to 11, lgmres 9 to 12, tfqmr 8 to 10, cgs 8 to 10. "bicgstab" needs
    9 vectors whatever the number of products, and is the default; "gmres" and "lgmres" go on where it breaks down.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core import tiles
from mbfast._core.machine import available_memory
from mbfast._core.tiles import cut
from mbfast._core.validate import FloatArray, float_array, one_number, require_bounded, require_choice
from mbfast._core.voigt import WEIGHTS, six
from mbfast.pairs.fields import SPARE
from mbfast.pairs.geometry import ROWS, BlockLattice
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.lattice import LatticeField
from mbfast.pairs.problem import Boundary, PairProblem
from mbfast.renormalization.local_response import LocalResponse, Susceptibilities
from mbfast.renormalization.waves import Wave
from mbfast.spectra.moduli import Moduli, moduli_of_six

Strain: TypeAlias = Literal["external", "total"]
Solver: TypeAlias = Literal["bicgstab", "gmres", "lgmres"]

# by solver: what it is told, and how many vectors it keeps
_SOLVERS: dict[str, tuple[dict[str, int], int]] = {
    "bicgstab": ({"maxiter": 100}, 9),
    "gmres": ({"restart": 20, "maxiter": 10}, 26),
    "lgmres": ({"inner_m": 12, "outer_k": 3, "maxiter": 13}, 34),
}
_PASS = 1e-4  # what is left of a residual after a pass in single precision
_PROBES = 12  # fields
_PASSES = 12
_NEGATIVE = 1e-5  # of an energy's parts: a sum below that is no rounding error of single precision


@dataclass(frozen=True, eq=False)
class EffectiveResponse:
    """What a sample of blocks answers to strains, and how well the equation is solved.

    The axes (...) are those of `chi` before the blocks; c is 6, or 3 of dipoles.

    Attributes
    ----------
    applied : ndarray, shape (m, c)
        The strains (plain components) or, of dipoles, fields.
    stress : ndarray, shape (..., m, c)
        Mean moment by volume for each of them (Pa, or C/m^2), complex where chi is, or at a wave vector.
    residual : ndarray, shape (..., m)
        What the equation's two sides differ by, relative to the strain: root mean square over the blocks; at most rtol.
    error : ndarray, shape (..., m)
        Estimated error of `stress`, in its unit: the residual times the root mean square of the moments by volume, that
        of the strain for which it is largest.
    fields : int
        How many fields of real moments were computed.
    strain, boundary, solver, rtol
        As asked for.
    """

    applied: FloatArray
    stress: NDArray[Any]
    residual: FloatArray
    error: FloatArray
    fields: int
    strain: str
    boundary: str
    solver: str
    rtol: float

    @property
    def tensor(self) -> NDArray[Any]:
        """Effective chi (..., c, c), plain components without factors 2; a ValueError if `applied` is no basis."""
        components = self.applied.shape[1]
        unit = np.ldexp(1.0, np.frexp(np.abs(self.applied).max())[1])  # a power of two: the change is exact
        weighted = self.applied / unit * WEIGHTS[:components]
        if len(weighted) != components or np.linalg.cond(weighted) > 1e8:
            raise ValueError(f"applied must be {components} independent strains for a tensor, got {self.applied.shape}")
        return np.swapaxes(np.linalg.inv(weighted) @ (self.stress / unit), -1, -2)

    @property
    def moduli(self) -> Moduli:
        """Moduli chi_l and chi_t (...) of the tensor's mean over rotations; a ValueError of dipoles, or no basis."""
        tensor = self.tensor
        if tensor.shape[-1] != len(WEIGHTS):
            raise ValueError("moduli are of stress, got dipoles")
        return moduli_of_six(tensor)


def disordered_response(
    interaction: Interaction, lattice: BlockLattice, chi: Moduli | ArrayLike, *, wavevector: ArrayLike | None = None,
    strain: Strain = "external", applied: ArrayLike | None = None, boundary: Boundary = "open",
    self_field: bool = False, solver: Solver = "bicgstab", rtol: float = 1e-6, threads: int | None = None,
    progress: tiles.Progress = False,
) -> EffectiveResponse:  # fmt: skip
    r"""Effective susceptibility of blocks that each have their own, to all orders of the random phases.

    Parameters
    ----------
    interaction : Interaction
        What couples the blocks.
    lattice : BlockLattice
        Where they are, points or cubes.
    chi : Moduli or array_like, shape (..., n1, n2, n3, 6, 6)
        Response of each block (Pa), real or complex, in its sign negative where static: chi_l and chi_t of isotropic
        blocks, two arrays that broadcast to (..., n1, n2, n3), or symmetric tensors, plain components in the order xx,
        yy, zz, yz, xz, xy. Axes before those of the blocks are frequencies, or samples. Of dipoles (..., n1, n2, n3, 3,
        3), the response of p to a field f of energy p.f, by volume.
    wavevector : array_like, shape (3,), optional
        k (1/m); None: 0. If periodic, a wave that fits.
    strain : {"external", "total"}
        Which strain the effective chi answers; see the module's page.
    applied : array_like, shape (m, 6), (m, 3, 3), or (m, 3) of dipoles, optional
        Strains, symmetric, whose response alone is wanted. None: the six, or three, that make the whole tensor.
    boundary : {"open", "periodic"}
        If periodic, the body is clamped: at k = 0 its mean strain is the one given.
    self_field : bool
        Whether chi is the response to the strain within a block, its own field in it, or to that of all others. Only
        of cubes.
    solver : {"bicgstab", "gmres", "lgmres"}
        Of `scipy.sparse.linalg`; see the module's page.
    rtol : float
        Largest residual, relative to the strain, from 1e-12 to 1e-2.
    threads : int, optional
        None: as many as this process may use, see `set_threads`. Products have the same bits for any number; results
        have them, too, where the solvers' scalar products do, which are those of NumPy's BLAS and of its own threads.
        Where those differ in the last digits, results differ by less than rtol.
    progress : bool or callable
        As in `pair_field`, of the decades by which residuals have to fall.

    Returns
    -------
    EffectiveResponse

    Raises
    ------
    TypeError
        If interaction is no Interaction, lattice no BlockLattice, chi does not consist of numbers, wavevector or
        applied of real ones; if rtol is no number, threads no whole number, self_field not True or False, or progress
        neither a flag nor a function.
    ValueError
        If lattice has no block; if chi has another shape, is not finite, above 1e35 in magnitude, or not symmetric; if
        wavevector has not three finite numbers, fits no period, or is so large that phases are lost to rounding; if
        strain, boundary or solver is unknown; if strain is "total" for points with an open boundary, which have no
        strain within; if applied has another shape, is not finite, zero or not symmetric; if self_field is wanted of
        points; if rtol is outside its limits, or threads below 1.
    ArithmeticError
        If chi makes an unstable sample, whose energy has no minimum, or if the solver does not converge. Of real chi <=
        0, as static responses are, a negative energy proves the first, where one of the vectors on the way has it, or
        one of a dozen that are made from a random one before: of random samples a percent beyond the threshold, of
        equal blocks, whose modes a strain may not reach, a fifth beyond it at most. Closer to it, of complex chi, and
        of points per total strain, that nothing is raised is no proof of stability.
    MemoryError
        If what the solver keeps does not fit; the message has the numbers.

    Notes
    -----
    The largest error of the effective chi is of the order of rtol times the root mean square of chi_s, and estimated
    in `error`. Per external strain, or in a periodic body, the tensor is symmetric for k = 0.

    Memory a block, bicgstab: 96 bytes for a component and a complex chi, 48 for a real one, and what `LatticeField`
    takes. 128^3 blocks of complex moduli, open: 1.7 GB.

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (3.7). G. W. Milton, The Theory of Composites, on laminates.

    Examples
    --------
    Half the cubes soft, half as they are, in layers: across them the compliances add, along them the moduli do.

    >>> import mbfast, numpy as np
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> layers = mbfast.BlockLattice((1, 1, 2), 5e-9, averaged=True)
    >>> soft = -0.5 * 2200 * 3800**2 * np.array([0.0, 1.0])
    >>> chi = mbfast.Moduli(4 / 3 * soft, soft)
    >>> made = mbfast.disordered_response(silica, layers, chi, boundary="periodic", self_field=True, rtol=1e-10)
    >>> shear = 2200 * 3800**2 + made.tensor
    >>> print(f"{shear[5, 5] / 2200 / 3800**2:.4f} {shear[4, 4] / 2200 / 3800**2:.4f}")  # xy, xz
    0.7500 0.6667
    """
    require_choice("strain", strain, get_args(Strain))
    require_choice("solver", solver, get_args(Solver))
    if not isinstance(lattice, BlockLattice):
        raise TypeError(f"lattice must be a BlockLattice, got {type(lattice).__name__}")
    rtol = one_number("rtol", rtol)
    problem = PairProblem.of(interaction, lattice, boundary=boundary, rtol=rtol, self_field=self_field)
    if not lattice.n_blocks:
        raise ValueError(f"lattice must have blocks, got shape {lattice.shape}")
    workers = tiles.check_threads(threads)
    susceptibilities = Susceptibilities.of(chi, problem)
    strains = _strains(applied, problem.interaction.components)
    # solved for magnitudes from 1/2 to 1, whose squares are doubles; powers of two: both changes are exact
    exponents = np.frexp(np.abs(strains).max(axis=1))[1]
    units, scaled = np.ldexp(1.0, exponents), np.ldexp(strains, -exponents[:, None])
    wave = Wave.of(wavevector, problem, strain)
    kind = np.dtype(complex if susceptibilities.is_complex or wave.is_complex else float)
    _afford(problem, kind, solver, susceptibilities.numbers)
    field = LatticeField.of(dataclasses.replace(problem, self_field=False, rtol=None), threads=workers)
    shape = (*susceptibilities.leading, len(strains))
    stress, residual, spread = np.empty((*shape, strains.shape[1]), kind), np.empty(shape), np.empty(shape)
    digits = math.ceil(-math.log10(rtol))
    fields = 0
    with tiles.counter(progress, math.prod(shape) * digits, "response") as advance, np.errstate(all="ignore"):
        for sample, local in susceptibilities.samples(self_field=bool(self_field)):
            system = _System(field, local, wave, kind, solver, rtol, workers)
            system.probe()
            for number, amplitude in enumerate(scaled):
                found = system.solve(amplitude, _decades(advance, digits))
                place = (*sample, number)
                stress[place], residual[place], spread[place] = found
            fields += system.fields
    # adjoint solutions are those of strains: what is left over, with two places of yz, times the largest there is
    sizes = np.sqrt((scaled**2) @ WEIGHTS[: strains.shape[1]])
    error = math.sqrt(2.0) * residual * np.linalg.norm(scaled, axis=1) * (spread / sizes).max(axis=-1, keepdims=True)
    stress *= units[:, None]
    error *= units
    return EffectiveResponse(strains, stress, residual, error, fields, strain, boundary, solver, rtol)


def _strains(applied: ArrayLike | None, components: int) -> FloatArray:
    """Return checked strains (m, components), or those that make the whole tensor."""
    if applied is None:
        return np.diag(1.0 / WEIGHTS[:components])
    array = float_array("applied", applied)
    if components == 6 and array.ndim == 3 and array.shape[1:] == (3, 3):
        if np.abs(array - array.swapaxes(1, 2)).max(initial=0.0) > 1e-13 * np.abs(array).max(initial=0.0):
            raise ValueError("applied must be symmetric strains")
        array = six(array)
    if array.ndim != 2 or array.shape[1] != components or not len(array):
        more = " or (m, 3, 3)" if components == 6 else ""
        raise ValueError(f"applied must have shape (m, {components}){more}, got {array.shape}")
    require_bounded("applied", array)
    if not array.any(axis=1).all():
        raise ValueError(f"applied must not be zero, got zeros in row {int(np.argmin(array.any(axis=1)))}")
    return array


def _afford(problem: PairProblem, kind: np.dtype[Any], solver: str, numbers: int) -> None:
    """Raise a MemoryError, with the numbers, for what does not fit."""
    blocks, components = problem.geometry.n_blocks, problem.interaction.components
    # the solution, and vectors of half the size; real moments of a field; what the blocks' responses are kept as
    vectors = components * (kind.itemsize * (1.0 + 0.5 * _SOLVERS[solver][1]) + 8.0) + kind.itemsize * numbers
    needed = vectors * blocks + LatticeField.estimate(problem).memory
    if needed > 2.0 * SPARE and needed > available_memory():
        free = available_memory()
        share = f"about {free / needed:.1g} of the number of blocks would fit"
        raise MemoryError(
            f"solver {solver!r} needs {needed / 1e9:.3g} GB for {blocks} blocks, {free / 1e9:.3g} GB are free: {share}"
        )


def _decades(advance: Callable[[], object], digits: int) -> Callable[[float], None]:
    """Return what is called with each residual, the last one 0: it advances by the decades since the one before."""
    done = 0

    def report(residual: float) -> None:
        nonlocal done
        reached = digits if not residual else min(digits, int(max(0.0, -math.log10(residual))))
        for _ in range(done, reached):
            advance()
        done = max(done, reached)

    return report


def _parts(values: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    return (values.real, values.imag) if values.dtype.kind == "c" else (values,)


class _System:
    """The equation of one sample, 1 - 2 H chi' on strains of others, and its solution for a strain."""

    def __init__(
        self, field: LatticeField, local: LocalResponse, wave: Wave, kind: np.dtype[Any], solver: str, rtol: float,
        workers: int,
    ) -> None:  # fmt: skip
        self._field, self._local, self._wave, self._kind, self._solver = field, local, wave, kind, solver
        self._rtol, self._workers, self.fields = rtol, workers, 0
        self._shape = (*field.lattice.shape, field.interaction.components)
        self._moments = np.empty(self._shape)
        self._pieces = cut(field.lattice.n_blocks, ROWS)
        self._weights = WEIGHTS[: self._shape[-1]]
        self._single = np.dtype(np.complex64 if kind.kind == "c" else np.float32)

    def _answer(self, strains: NDArray[Any], out: NDArray[Any]) -> None:
        """Fill out with the moments by volume, over their unit."""
        rows, found = (part.reshape(-1, self._shape[-1]) for part in (strains, out))

        def some(piece: tuple[int, int]) -> None:
            found[slice(*piece)] = self._local.answer(rows[slice(*piece)], *piece)

        tiles.run(some, self._pieces, threads=self._workers)

    def product(self, strains: NDArray[Any]) -> NDArray[Any]:
        """Return strains less those that the blocks make in them; an ArithmeticError if their energy is negative."""
        strains, wave, unit = strains.reshape(self._shape), self._wave, self._local.unit
        result = np.empty_like(strains)
        self._answer(strains, result)
        mean = None if wave.matrix is None else wave.matrix @ wave.amplitude(result) * unit
        energetic = self._local.energetic and mean is None
        for part, strain in zip(_parts(result), _parts(strains), strict=True):
            alone = -self._dot(part, strain) if energetic else 0.0
            self._moments[...] = part
            self._field(self._moments, out=self._moments, threads=self._workers)
            self.fields += 1
            np.multiply(self._moments, -2.0 * self._field.lattice.spacing**3 * unit, out=self._moments)
            if energetic and alone - self._dot(part, self._moments) < -_NEGATIVE * alone:
                raise ArithmeticError(
                    "chi makes an unstable sample: strains were found at which the blocks and their interaction have a "
                    "negative energy, so that it has no minimum"
                )
            part[...] = self._moments
        if mean is not None:
            if wave.mean:
                mean = mean - wave.amplitude(result)
            wave.of_amplitude(mean, result, added=True)
        result += strains
        return result.ravel()

    def probe(self) -> None:
        """Look for strains of negative energy among those that grow fastest from what the blocks make of them."""
        if not self._local.energetic or self._wave.matrix is not None:
            return
        strains = np.random.default_rng(0).standard_normal(math.prod(self._shape))  # reach modes that a wave does not
        largest = 0.0
        for _ in range(_PROBES):
            made = strains - self.product(strains)  # by the blocks
            largest = max(largest, float(np.linalg.norm(made) / np.linalg.norm(strains)))
            if not largest:  # blocks that answer nothing
                return
            strains = made + largest * strains  # what is made against strains, which is harmless, does not grow
            strains /= np.abs(strains).max()

    def _dot(self, one: NDArray[Any], other: NDArray[Any]) -> float:
        return float(np.einsum("xyzc,xyzc,c->", one, other, self._weights, dtype=np.float64))

    def solve(self, amplitude: FloatArray, report: Callable[[float], None]) -> tuple[NDArray[Any], float, float]:
        """Return the mean moment by volume for one strain, the relative residual, and the moments' root mean square."""
        strains = self._wave.of_amplitude(amplitude, np.empty(self._shape, self._kind))
        norm, before = math.sqrt(self._field.lattice.n_blocks) * float(np.linalg.norm(amplitude)), math.inf
        for _ in range(_PASSES):
            left = self.product(strains).reshape(self._shape)
            np.negative(left, out=left)
            self._wave.of_amplitude(amplitude, left, added=True)
            size = float(np.linalg.norm(left.ravel())) / norm
            if size <= self._rtol or not size < 0.5 * before:
                break
            report(size)
            before = size
            left /= size * norm
            left = left.astype(self._single)  # in half the memory
            left = self._correction(left.ravel(), max(_PASS, 0.5 * self._rtol / size))
            left *= size * norm
            strains += left
        if not size <= self._rtol:
            raise ArithmeticError(
                f"chi has a response that {self._solver} does not find: its residual is {size:.2g} after {self.fields} "
                "fields; the sample may be unstable, with a mode whose energy has no minimum, or nearly so"
            )
        report(0.0)
        self._answer(strains, strains)
        squares = np.einsum("xyzc,xyzc,c->", strains, strains.conj(), self._weights).real
        spread = math.sqrt(float(squares) / self._field.lattice.n_blocks)
        return self._wave.amplitude(strains) * self._local.unit, size, self._local.unit * spread

    def _correction(self, left: NDArray[Any], rtol: float) -> NDArray[Any]:
        """Return what in single precision solves the equation for what is left over, of length 1."""
        from scipy.sparse import linalg  # noqa: PLC0415

        operator = linalg.LinearOperator((left.size, left.size), matvec=self.product, dtype=self._single)
        found, _ = getattr(linalg, self._solver)(operator, left, rtol=rtol, atol=0.0, **_SOLVERS[self._solver][0])
        return np.reshape(found, self._shape)
