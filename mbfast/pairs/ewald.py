"""Fields of blocks at any positions in O(N log N)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import tiles as _tiles
from mbfast._core.validate import FloatArray, check_out, one_number, require_choice
from mbfast.pairs._ewald import Near, OpenFar, PeriodicFar, choose, derivative, polynomials
from mbfast.pairs._kernels import ewald as kernels
from mbfast.pairs.geometry import BlockLattice, Cloud, as_blocks
from mbfast.pairs.interactions import DipoleInteraction, Interaction, StressInteraction
from mbfast.pairs.moments import Moments, as_rows, cell_vectors, refuse_coincident_images

Macroscopic = Literal["clamped", "stress-free", "tin-foil", "vacuum"]


class EwaldField:
    r"""Fields of blocks at given positions in O(N log N), set up once and applied to many sets of moments.

    Parameters
    ----------
    interaction : StressInteraction or DipoleInteraction
        Of either form.
    blocks : BlockLattice or array_like, shape (N, 3)
        Where the blocks are (m).
    boundary : {"open", "periodic"}
        "open": these blocks in free space. "periodic": them and all images of them.
    cell : array_like, shape (3,) or (3, 3), optional
        Period along each axis, or three vectors as rows (m), of any angles; wanted for periodic positions, known for a
        lattice.
    macroscopic : {"clamped", "stress-free", "tin-foil", "vacuum"}, optional
        What holds the periodic body, as the sum over images does not say. Stress: no strain on average, the default, or
        no stress on average, where the body deforms as its moments, and its moduli, want it to. Dipoles: no electric
        field on average, as between short-circuited plates, the default, or a sphere of images with nothing but the
        medium of the interaction's permittivity around it.
    rtol : float
        From 1e-12 to 0.01: the error of any component at any block relative to the largest field; see Notes.
    threads : int, optional
        Of the set-up. None: as many as this process may use. No result depends on it, to the last bit.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; blocks coincide, up to periods; a stress-free body of Joffrin and Levelut's
        form, which no elastic medium has, or of c_l^2 <= 4/3 c_t^2, which has no bulk modulus.

    See Also
    --------
    pair_field : the same by ``method="ewald"``, once.

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

    Parameters are chosen so that the root mean square error is below half of rtol times the field that a root mean
    square moment makes at the mean distance d of blocks, prefactor/d^3. Typical fields are five such units, and random
    positions have close pairs that exceed it by orders of magnitude, so errors are usually far below rtol. Only if
    moments are such that all fields nearly cancel, rtol is relative to that unit, not to them.

    Without its mean, k = 0, the field is that of the clamped or tin-foil body. With tau the sum of all moments over
    the cell's volume, sums over spheres of images converge to it plus the mean of the above over directions,
    4 pi [(c_0 + c_2) tau/3 - c_2 (2 tau + tr tau)/15] or 4 pi tau/3, which is the vacuum's: the tensor's harmonics of
    order 2 and 4 vanish on average. A stress-free body has the strain -C^-1 tau, or h = -C^-1 tau/2, in addition.

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

    def __init__(
        self,
        interaction: Interaction,
        blocks: BlockLattice | ArrayLike,
        *,
        boundary: Literal["open", "periodic"] = "open",
        cell: ArrayLike | None = None,
        macroscopic: Macroscopic | None = None,
        rtol: float = 1e-6,
        threads: int | None = None,
    ) -> None:
        require_choice("boundary", boundary, ("open", "periodic"))
        if not isinstance(interaction, (StressInteraction, DipoleInteraction)):
            raise TypeError(f"interaction must be a StressInteraction or a DipoleInteraction, got {interaction!r}")
        tolerance = check_rtol(rtol)
        uniform = _macroscopic(interaction, boundary, macroscopic)
        self._interaction, workers = interaction, _tiles.check_threads(threads)
        self._geometry = as_blocks(blocks)
        if isinstance(self._geometry, BlockLattice) and self._geometry.averaged:
            raise ValueError("blocks must be points for Ewald sums, got averaged=True: method='fft' takes cubes")
        n = self._geometry.n_blocks
        self._leading = self._geometry.shape if isinstance(self._geometry, BlockLattice) else (n,)
        if boundary == "open" and cell is not None:
            raise ValueError("cell belongs to boundary='periodic', got one with boundary='open'")
        box = cell_vectors(self._geometry, cell) if boundary == "periodic" else None
        if not n:
            return
        positions = np.ascontiguousarray(self._geometry.reduced(0, n).T)
        flat = isinstance(interaction, StressInteraction)
        if box is not None:
            if isinstance(self._geometry, Cloud):
                refuse_coincident_images(self._geometry, box)
            fractions = positions @ np.linalg.inv(box)
            turns = np.floor(fractions)
            fractions -= turns
            positions = positions - turns @ box
            plan = choose(fractions @ box, np.linalg.norm(box, axis=1), tolerance, flat=flat, periodic=True)
            reach = np.ceil(plan.cutoff * np.linalg.norm(np.linalg.inv(box), axis=0) * (1.0 + 1e-9)).astype(np.int64)
            images = np.array(list(np.ndindex(*(2 * reach + 1)))) - reach
            images = images[images.any(axis=1)]
            self._far: PeriodicFar | OpenFar = PeriodicFar(fractions, box / plan.cutoff, plan, workers)
            volume = abs(float(np.linalg.det(box / plan.cutoff)))
        else:
            inside = positions - positions.min(axis=0)
            extent = inside.max(axis=0)
            plan = choose(inside, extent, tolerance, flat=flat, periodic=False)
            box, images = np.diag(np.where(extent > 0.0, extent, 1.0)), np.empty((0, 3), dtype=np.int64)
            fractions = inside / np.diag(box)
            self._far = OpenFar(inside / plan.cutoff, extent / plan.cutoff, plan, workers)
            uniform, volume = _of_the_cut(interaction), self._far.radius**3
        self._plan = plan
        self._near = Near(positions, fractions, box, images, plan.cutoff)
        profile, orders = plan.profile(), (2, 3, 4) if flat else (1, 2)
        self._polynomials = polynomials(profile, orders, plan.cutoff, 0.05 * tolerance)
        b, c2 = _parts(interaction)
        self._coefficients = (b, c2) if flat else ()
        # the smooth part's field of a block at itself, and the uniform field of all blocks
        zero = float(derivative(profile, orders[0], np.zeros(1))[0])
        self._self = ((c2 - 2.5 * b) * zero, 0.5 * c2 * zero) if flat else (-zero, 0.0)
        self._uniform = uniform[0] / volume, uniform[1] / volume

    def __call__(
        self,
        moments: ArrayLike,
        *,
        out: FloatArray | None = None,
        threads: int | None = None,
        progress: _tiles.Progress = False,
    ) -> FloatArray:
        """Return the field of all other blocks at each block, as `pair_field`, in the layout of moments, or fill `out`.

        Parameters
        ----------
        moments : array_like
            As in `pair_field`.
        out : ndarray, optional
            float64, of the shape of moments, C-contiguous.
        threads, progress
            As in `pair_field`; all is one tile.

        Returns
        -------
        ndarray
            h, float64: dimensionless for stress, V/m for dipoles.
        """
        checked = Moments(moments, self._leading, self._interaction.components)
        return self._field(checked, out, _tiles.check_threads(threads), progress)

    def energy(self, moments: ArrayLike, *, threads: int | None = None, progress: _tiles.Progress = False) -> float:
        """Return the sum over blocks of T_s : h_s (J), as `pair_energy`; of one cell if periodic.

        Parameters
        ----------
        moments, threads, progress
            As for the field.
        """
        checked = Moments(moments, self._leading, self._interaction.components)
        return checked.contract(self._field(checked, None, _tiles.check_threads(threads), progress))

    def _field(self, moments: Moments, out: FloatArray | None, workers: int, progress: _tiles.Progress) -> FloatArray:
        out = np.empty(moments.shape) if out is None else check_out(out, moments.shape)
        n = self._geometry.n_blocks
        if not n:
            return out
        rows = np.ascontiguousarray(moments.components(0, n).T)
        stress = isinstance(self._interaction, StressInteraction)
        field = _isotropic(*self._uniform, rows.sum(axis=0)[None]) - _isotropic(*self._self, rows)
        modes = partial(_stress_modes, self._coefficients) if stress else _dipole_modes
        near = kernels.near_stress if stress else kernels.near_dipole
        with _tiles.counter(progress, 1, "field") as advance:
            self._far.add(modes, rows, field, workers)
            field *= self._plan.cutoff**-3.0
            self._near.add(near, rows, self._polynomials, self._coefficients, field, workers)
            advance()
        field *= self._interaction.prefactor / self._geometry.unit**3 * moments.unit
        out.reshape(n, moments.width)[:] = as_rows(field.T, moments.width)
        return out


def check_rtol(rtol: float) -> float:
    """Return the tolerance of an Ewald sum, or raise."""
    tolerance = one_number("rtol", rtol)
    if not 1e-12 <= tolerance <= 1e-2:
        raise ValueError(f"rtol must be from 1e-12, the least that rounding allows, to 0.01, got {tolerance:g}")
    return tolerance


def _stress_modes(coefficients: tuple[float, ...], *arguments: Any) -> None:
    kernels.stress_modes(*arguments, *coefficients)


def _dipole_modes(*arguments: FloatArray) -> None:
    kernels.dipole_modes(*arguments[:-1])  # without the biharmonic part


def _parts(interaction: StressInteraction | DipoleInteraction) -> tuple[float, float]:
    """Coefficients of the harmonic and the biharmonic part."""
    if isinstance(interaction, DipoleInteraction):
        return 1.0, 0.0
    c0, _, c2 = interaction.coefficients
    return c0 + c2, c2


def _of_the_cut(interaction: StressInteraction | DipoleInteraction) -> tuple[float, float]:
    """Uniform field that undoes that of the polynomials in `cut_biharmonic` and `cut_harmonic`, times R^3.

    As two numbers e and d: e T + d tr T of moments that sum to T.
    """
    b, c2 = _parts(interaction)
    return (b - c2, -0.5 * c2)


def _macroscopic(
    interaction: StressInteraction | DipoleInteraction, boundary: str, chosen: str | None
) -> tuple[float, float]:
    """Uniform field of the choice, e T + d tr T of moments that sum to T, times the cell's volume."""
    if boundary == "open":
        if chosen is not None:
            raise ValueError(f"macroscopic belongs to boundary='periodic', got {chosen!r} with boundary='open'")
        return 0.0, 0.0
    stress = isinstance(interaction, StressInteraction)
    known = ("clamped", "stress-free") if stress else ("tin-foil", "vacuum")
    require_choice("macroscopic", known[0] if chosen is None else chosen, known)
    if chosen == "vacuum":
        return 4.0 * math.pi / 3.0, 0.0
    if chosen == "stress-free" and isinstance(interaction, StressInteraction):
        # C e = -tau, C = lambda tr + 2 mu, 2 h = e, in units of -1/(8 pi mu)
        alpha = interaction.alpha
        if interaction.form != "corrected" or alpha <= 0.25:
            raise ValueError(
                "macroscopic must be clamped for form='joffrin-levelut', and where c_l^2 <= 4/3 c_t^2, as there is no "
                f"medium at rest: got 'stress-free' for {interaction!r}"
            )
        return 2.0 * math.pi, -2.0 * math.pi * (2.0 * alpha - 1.0) / (4.0 * alpha - 1.0)
    return 0.0, 0.0


def _isotropic(equal: float, trace: float, moments: FloatArray) -> FloatArray:
    """Rows (n, m) times a number, plus, in the first three columns, their sum times another."""
    field = equal * moments
    field[:, :3] += trace * moments[:, :3].sum(axis=1, keepdims=True)
    return field
