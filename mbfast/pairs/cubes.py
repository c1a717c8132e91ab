r"""Tensors between blocks that are cubes, their moments spread over them evenly, not points at their centres.

With lengths in sides of the cubes, the tensors of stress and of dipoles are made of the fourth derivatives of r,
d_ij(1/r) = d_ijkk r/2 among them. What is wanted is their average over both cubes at a lattice offset d,

    A(d) = integral of w(u) d_ijkl |d + u| over u,    w(u) = product of (1 - |u_x|), (1 - |u_y|), (1 - |u_z|).

Newell's way, closed forms for such averages, loses six digits a decade of distance. Here nothing is lost:

- Far away, a sum over 33 points. r is biharmonic, so its derivatives meet few of the moments of w: points on the axes,
  the face diagonals and the space diagonals with weights that are exact for all biharmonic polynomials of degree 9, as
  are those below. What is left is at most 4 r^-10 of the largest component, 1.3 r^-10 on the axes: 2e-14 from the
  offset 25 on. The point tensor, which errs there by 1.4 r^-2 (for dipoles 0.44 r^-4), would do from 1e7 (2000) on.
  For r^3/3, which is triharmonic, seven of the points also take in its second Laplacian, 8/r, as exactly.
- Nearer, cut each cube in eight. The average is the mean over 64 pairs of cubes half as wide, and because the tensor
  scales as r^-3,

      A(d) = 8 sum over s in {-1, 0, 1}^3 of W(s) A(2 d + s),    W(s) = product of (1/2 if s_a = 0 else 1/4).

  Offsets up to m follow from those up to 2 m + 1: sums with positive weights, which keep relative errors. Cubes with
  a common corner, edge or face see themselves again among their parts, with the factor 1/8, 1/4 or 1/2: a linear
  equation. Sixth derivatives of r^3/3, which the virial wants, scale as r^-3, too.
- A cube and itself see everything that way and learn nothing: A(0) is known in closed form. It is the derivative in
  the sense of distributions, its contact term included: the integral of w d_ijkl r, with trace d_iikk r = -8 pi.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.validate import FloatArray, float_array
from mbfast._core.voigt import NAMES
from mbfast.pairs._kernels import averaged
from mbfast.pairs.derivatives import FOURTH, INDICES, SIXTH, Derivatives
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import Interaction, check_interaction

_NEAR = 24  # largest offset in the table
_FARTHEST = 1e15  # below it whole numbers plus a half are doubles
_PIECE = 1 << 12
# Of the points at zero and on the axes: weights of the second Laplacian, for triharmonic functions
_TRIHARMONIC = {0.0: 1.249765111030307102570e-3, 0.75: -9.55944744612887736501e-5}

# One point of each orbit of the cubic group and the weight of the whole orbit
_ORBITS = (
    ((0.0, 0.0, 0.0), -0.4284943112318012331),
    ((0.5, 0.0, 0.0), 1.087716784378110776914),
    ((0.75, 0.0, 0.0), -0.1105169709973827682344),
    ((0.5467459503406660759416,) * 3, 0.1021368802120874984705),
    ((0.5333454569355122959527,) * 2 + (0.0,), 0.3491576176389857259662),
)


def averaged_tensors(interaction: Interaction, offsets: ArrayLike) -> FloatArray:
    """Tensors between two cubes of side 1, averaged over both, without the prefactor.

    Parameters
    ----------
    interaction : Interaction
        What acts between them.
    offsets : array_like of whole numbers, shape (..., 3)
        From the centre of one to that of the other, in sides.

    Returns
    -------
    ndarray, shape (..., 6, 6) or (..., 3, 3)
        Stress: K with plain components in the order xx, yy, zz, yz, xz, xy, so that Lambda_ijkl = prefactor/side^3
        K[ij, kl] and h_ij = sum over all nine kl of Lambda_ijkl T_kl, that is K @ (T * [1, 1, 1, 2, 2, 2]). For Joffrin
        and Levelut's form its part symmetric in i, j and k, l. Dipoles: mu_ij = prefactor/side^3 K[i, j], K being 4 pi
        times the tensor of A. J. Newell, W. Williams and D. J. Dunlop, J. Geophys. Res. 98, 9551 (1993).

    Raises
    ------
    TypeError
        If interaction is no Interaction, or offsets do not consist of real numbers.
    ValueError
        If the last axis of offsets is not 3, or an offset is not whole or longer than 1e15.

    Notes
    -----
    Errors are below 3e-14 of the largest component, near or far. What comes for an offset does not depend, to the last
    bit, on the others. At offset zero this is the average over one cube and itself, in the sense of distributions,
    contact term included: for dipoles 4 pi/3 times the unit matrix, of trace 4 pi.

    Examples
    --------
    >>> import mbfast
    >>> from mbfast.pairs.cubes import averaged_tensors
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> point = silica.tensor([30e-9, 0, 0])[0, 0, 1, 1] / silica.prefactor * 1e-9**3
    >>> cubes = averaged_tensors(silica, [30, 0, 0])[0, 1]
    >>> print(f"{cubes / point - 1:.5f}")  # by 30^-2
    -0.00111
    """
    matrix = composition(check_interaction(interaction))
    d = float_array("offsets", offsets)
    if d.ndim == 0 or d.shape[-1] != 3:
        raise ValueError(f"offsets must have shape (..., 3), got {d.shape}")
    good = (np.abs(d) <= _FARTHEST) & (d == np.rint(d))
    if not good.all():
        raise ValueError(f"offsets must be whole numbers up to {_FARTHEST:g}, got {d[~good][0]:g}")
    rows = d.reshape(-1, 3)
    result = np.empty((len(rows), *matrix.shape[:2]))
    for start in range(0, len(rows), _PIECE):
        derivatives, piece = averaged_derivatives(rows[start : start + _PIECE].T), result[start : start + _PIECE]
        # no matrix product: its bits depend on how many offsets there are
        for p, q in itertools.combinations_with_replacement(range(len(matrix)), 2):
            used = np.flatnonzero(matrix[p, q])
            piece[:, p, q] = piece[:, q, p] = sum(matrix[p, q, a] * derivatives[a] for a in used)
    return np.reshape(result, (*d.shape[:-1], *matrix.shape[:2]))


def composition(interaction: Interaction) -> FloatArray:
    """Coefficients (c, c, 15) of the fourth derivatives of r in the tensor."""

    def fourth(*axes: str) -> FloatArray:
        name = "".join(sorted("".join(axes)))
        return np.array([float(known == name) for known in INDICES])

    def second(*axes: str) -> FloatArray:
        """-d_ij (1/r), which is (delta_ij - 3 n_i n_j)/r^3."""
        return -0.5 * (fourth(*axes, "xx") + fourth(*axes, "yy") + fourth(*axes, "zz"))

    harmonic, biharmonic = interaction.parts
    names = NAMES if interaction.components == len(NAMES) else tuple("xyz")
    matrix = np.zeros((len(names), len(names), 15))
    for (p, left), (q, right) in itertools.product(enumerate(names), repeat=2):
        if len(left) == 1:
            matrix[p, q] = harmonic * second(left, right)
            continue
        i, j, k, m = [*left, *right]
        matrix[p, q] = 0.5 * biharmonic * fourth(left, right)
        for a, b, c, d in ((i, k, j, m), (i, m, j, k), (j, k, i, m), (j, m, i, k)):
            matrix[p, q] += 0.25 * harmonic * (a == b) * second(c, d)
    return matrix


def averaged_derivatives(d: FloatArray, of: Derivatives = FOURTH) -> FloatArray:
    """Averages of derivatives, the fourth of r or the sixth of r^3/3, at the offsets (3, n)."""
    result = np.empty((len(of.names), d.shape[1]))
    near = (np.abs(d) <= _NEAR).all(axis=0)
    result[:, ~near] = _far(d[:, ~near], of)
    if near.any():
        x, y, z = np.abs(d[:, near]).astype(np.int64)
        mirrored = np.logical_xor.reduce(of.odd[:, :, None] & (d[:, near] < 0.0), axis=1)
        result[:, near] = np.where(mirrored, -1.0, 1.0) * _table(of)[:, x, y, z]
    return result


def offset_derivatives(
    lattice: BlockLattice,
    shifts: FloatArray,
    axis: int,
    steps: range,
    of: Derivatives = FOURTH,
    *,
    itself: bool = False,
) -> FloatArray:
    """Return derivatives, fourth ones or others, at the offsets >= 0 of a lattice with some `steps` along `axis`.

    They are summed over the shifts (s, 3), in spacings, but for a block and itself, unless the cube's own are wanted;
    shape (functions, n1, n2, n3), with the number of steps for n along the axis.
    """
    sides = [np.arange(n, dtype=np.float64) for n in lattice.shape]
    sides[axis] = np.array(steps, dtype=np.float64)
    offsets = np.stack(np.meshgrid(*sides, indexing="ij"))
    d = offsets.reshape(3, -1)
    derivatives = np.zeros((len(of.names), d.shape[1]))
    if of is FOURTH and not lattice.averaged:
        averaged.fourth_derivatives(d, np.ascontiguousarray(shifts.T), np.ones(len(shifts)), derivatives)
        shifts = shifts[:0]
    for shift in shifts:
        places = d + shift[:, None]
        apart = places.any(axis=0) | itself
        at = averaged_derivatives(places[:, apart], of) if lattice.averaged else of.bare(places[:, apart])
        derivatives[:, apart] += at
    return derivatives.reshape(-1, *offsets.shape[1:])


@functools.cache
def _rule() -> tuple[FloatArray, FloatArray]:
    """Points (3, 33) of the sum far away, and weights (2, 33) of functions and of their second Laplacians."""
    points, weights, more = [], [], []
    for representative, weight in _ORBITS:
        signed = itertools.product(*({x, -x} for x in representative))
        orbit = sorted({place for signs in signed for place in itertools.permutations(signs)})
        points += orbit
        weights += [weight / len(orbit)] * len(orbit)
        lacking = _TRIHARMONIC.get(representative[0], 0.0) if representative[1] == 0.0 else 0.0
        more += [lacking / len(orbit)] * len(orbit)
    return np.array(points).T.copy(), np.array([weights, more])


def _far(d: FloatArray, of: Derivatives = FOURTH) -> FloatArray:
    """Sum over the 33 points."""
    points, weights = _rule()
    kernels = {FOURTH: (averaged.fourth_derivatives, weights[0].copy()), SIXTH: (averaged.sixth_derivatives, weights)}
    kernel, its_weights = kernels[of]
    result = np.zeros((len(of.names), d.shape[1]))
    kernel(np.ascontiguousarray(d), points, its_weights, result)
    return result


@functools.cache
def _table(of: Derivatives = FOURTH) -> FloatArray:
    """Averages at the offsets (x, y, z) in [0, _NEAR]^3, shape (n, _NEAR + 1, _NEAR + 1, _NEAR + 1)."""
    offsets = np.indices((2 * _NEAR + 2,) * 3)
    longest = offsets.max(axis=0)
    wedge = (offsets[0] >= offsets[1]) & (offsets[1] >= offsets[2]) & (longest > 0)  # zero is filled in below
    some, table = np.zeros((len(of.names), *longest.shape)), np.zeros((len(of.names), *longest.shape))
    some[:, wedge] = _far(offsets[:, wedge].astype(np.float64), of)
    for order in itertools.permutations(range(3)):
        turned = some[of.turned(order)].transpose(0, *(1 + axis for axis in order))
        table = np.where(wedge.transpose(order), turned, table)
    known = _NEAR + 1  # right where an offset's largest component is at least this
    while known > 2:
        finer = _refined(table[:, : 2 * known, : 2 * known, : 2 * known], of)
        shell = longest[:known, :known, :known] >= (known + 2) // 2
        table[:, :known, :known, :known][:, shell] = finer[:, shell]
        known = (known + 2) // 2
    touching, ones = table[:, :2, :2, :2], offsets[:, :2, :2, :2].sum(axis=0)
    touching[:] = 0.0
    for common in (3, 2, 1):  # corners; edges, which see corners; and faces, which see both
        seen = ones == common
        touching[:, seen] = _refined(table[:, :4, :4, :4], of)[:, seen] / (1.0 - 0.5**common)
    table[:, 0, 0, 0] = _itself(of)
    result = table[:, : _NEAR + 1, : _NEAR + 1, : _NEAR + 1].copy()
    result.flags.writeable = False
    return result


def _itself(of: Derivatives) -> FloatArray:
    """Averages of a cube and itself, (n,)."""
    root2, root3 = math.sqrt(2.0), math.sqrt(3.0)
    mixed = -4.0 + 8.0 * root2 - 4.0 * root3 - 8.0 * math.log1p(root2) + 4.0 * math.log(2.0 + root3)
    known = {(4, 0, 0): -2.0 * mixed - 8.0 / 3.0 * math.pi, (2, 2, 0): mixed}
    # second differences of r^3/3 along all three axes; the Laplacian of r^3/3 is 4 r
    known[2, 2, 2] = 8.0 - 16.0 * root2 + 8.0 * root3
    known[4, 2, 0] = 2.0 * mixed - 0.5 * known[2, 2, 2]
    known[6, 0, 0] = 4.0 * known[4, 0, 0] - 2.0 * known[4, 2, 0]
    return np.array([known.get(tuple(sorted(powers, reverse=True)), 0.0) for powers in of.powers.tolist()])


def _refined(table: FloatArray, of: Derivatives) -> FloatArray:
    """Averages (k, n, n, n) at offsets d >= 0 from those at 2 d + s, (k, 2 n, 2 n, 2 n)."""
    for axis in range(3):
        t = np.moveaxis(table, axis + 1, 1)
        even, above = t[:, 0::2], t[:, 1::2]
        mirrored = np.where(of.odd[:, axis], -1.0, 1.0)[:, None, None, None] * above[:, :1]
        below = np.concatenate([mirrored, above[:, :-1]], axis=1)
        table = np.moveaxis(even + 0.5 * (below + above), 1, axis + 1)  # eight, in all, times the weights
    return table
