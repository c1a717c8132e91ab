"""Exact averages over directions of the couplings that strain makes between blocks: the brackets of (3.5) and (5.8)."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, TypeAlias, get_args

from mbfast._core.validate import finite_number, require_choice, require_flag
from mbfast._core.voigt import POLARIZATIONS, Polarization
from mbfast.pairs.interactions import Form

MomentChange = Literal["none", "gradient"]
WaveMomentChange = Literal[MomentChange, "strain"]  # the gradient of a longitudinal wave is a strain itself
Coefficients: TypeAlias = tuple[tuple[Fraction, ...], ...]

# The squared, contracted derivative of the tensor along u is isotropic about n and quadratic in u, so it is
# a + b (n.u)^2: here a[p][q] and b[p][q], coefficients of alpha^p x^q.
SQUARED_CHANGE: dict[str, tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]] = {
    "corrected": (((90, 72), (-144, -144), (576, 72)), ((180, 144), (-288, -288), (72, 144))),
    "joffrin-levelut": (((360, 288), (1152, 1152), (9216, 1152)), ((720, 576), (2304, 2304), (1152, 2304))),
    "dipole": (((18, 0),), ((36, 0),)),
}

# Dipoles that also turn with the wave: averages of the whole, times 5. Of longitudinal waves "strain" is "gradient".
_DIPOLE_FIFTHS = {
    ("gradient", True): {"longitudinal": 46, "transverse": 32},
    ("gradient", False): {"longitudinal": 94, "transverse": 68},
    ("strain", True): {"transverse": 47},
    ("strain", False): {"transverse": 53},
}

# Stresses that follow the wave, T + gT + Tg^T: averages of the whole, times 15, coefficients of alpha^p x^q.
_STRESS_FIFTEENTHS = {
    ("gradient", True): {
        "longitudinal": ((1314, 984, 192), (-2640, -2640, -384), (3672, 2088, 192)),
        "transverse": ((948, 708, 144), (-1920, -1920, -288), (2664, 1536, 144)),
    },
    ("gradient", False): {
        "longitudinal": ((2682, 2136, 192), (-4368, -4080, -384), (6552, 2376, 192)),
        "transverse": ((1524, 1212, 144), (-2496, -2280, -288), (5544, 1392, 144)),
    },
    ("strain", True): {"transverse": ((1173, 888, 144), (-2280, -2280, -288), (4104, 1716, 144))},
    ("strain", False): {"transverse": ((1299, 1032, 144), (-2136, -1920, -288), (4104, 1212, 144))},
}

LATTICE_SIXTH = 8.4019239748275396  # the sum of r^-6 over an infinite simple cubic lattice but for its origin, per site

# Blocks that are cubes: sums over all pairs of an infinite lattice, per block, of the squared averages over both cubes.
# P_a is g [5/4 - 2 alpha + (1 - alpha)^2 x] + h alpha^2 there, too, with g, h and the dipoles' C[0][0]:
_CUBES = {
    "longitudinal": (198.937009360, 281.277154052, 22.07057231),
    "transverse": (107.707236908, 215.729749464, 13.09496922),
}


def squared_change(form: str, alpha: float, x: float | None) -> tuple[float, float]:
    """Return a and b of `SQUARED_CHANGE` for an interaction's form and alpha, and the ratio x of isotropic tensors."""
    tables = SQUARED_CHANGE[form]
    needed = len(tables[0]) > 1
    if needed and x is None:
        raise ValueError("x = Im chi~_l/Im chi~_t - 2 must be given for stress, got None")
    if not needed and x is not None:
        raise ValueError(f"x belongs to stress, got {x!r} for dipoles")
    ratio = 0.0 if x is None else finite_number("x", x)
    a, b = (
        sum(float(c) * alpha**p * ratio**q for p, row in enumerate(table) for q, c in enumerate(row))
        for table in tables
    )
    return a, b


def angular_coefficients(
    form: Form | Literal["dipole"], polarization: Polarization, *, moment_change: WaveMomentChange = "none",
    coherent: bool = True,
) -> Coefficients:  # fmt: skip
    r"""Coefficients C[p][q] of P_a(alpha, x) = sum over p, q of C[p][q] alpha^p x^q, exactly.

    Parameters
    ----------
    form : {"corrected", "joffrin-levelut", "dipole"}
        Lambda of (2.15), that of Joffrin and Levelut (A1), or the dipole tensor (5.2).
    polarization : {"longitudinal", "transverse"}
        Of the external wave.
    moment_change : {"none", "gradient", "strain"}
        Nothing but positions changes; moments follow the full gradient g of the displacement, dipoles as (5.4) says,
        Delta p = g p, and stresses of the corrected form by Delta T = gT + Tg^T; or they follow its symmetric part.
    coherent : bool
        Add the changes of tensor and moments before squaring. Of all these choices only this one, with the gradient,
        costs no energy in a rigid rotation.

    Returns
    -------
    tuple of tuple of fractions.Fraction
        For stress 3 x 2 (alpha up to 2, x up to 1), or 3 x 3 if it follows the wave; for dipoles 1 x 1.

    Raises
    ------
    TypeError
        If coherent is not True or False.
    ValueError
        If form, polarization or moment_change is unknown, or moment_change is given for Joffrin and Levelut's form.

    Notes
    -----
    For a plane wave of strain amplitude A k, in the limit of long waves, averaged over directions of n,

    .. math:: \langle M_{ijkl} M^*_{pqrs} X_{ijpq} X_{klrs} \rangle
              = \frac{A^2k^2}{(8\pi\rho c_t^2)^2 r^6} P_a(\alpha, x),

    with M the change of Lambda, X_ijkl = x d_ij d_kl + d_ik d_jl + d_il d_jk; for dipoles <M_ij M*_ij> = A^2 k^2
    C[0][0]/((8 pi epsilon)^2 r^6). The brackets printed in (3.5) are 5/24 of those of Joffrin and Levelut's form; the
    numbers 94 and 53 of (5.8) are 5 C[0][0] for moment_change="strain", coherent=False.

    Examples
    --------
    >>> import mbfast
    >>> mbfast.angular_coefficients("dipole", "longitudinal", moment_change="gradient")
    ((Fraction(46, 5),),)
    """
    require_choice("form", form, (*get_args(Form), "dipole"))
    require_choice("polarization", polarization, POLARIZATIONS)
    require_choice("moment_change", moment_change, get_args(WaveMomentChange))
    require_flag("coherent", coherent)
    if moment_change != "none":
        key = "gradient" if polarization == "longitudinal" else moment_change, bool(coherent)
        if form == "dipole":
            return ((Fraction(_DIPOLE_FIFTHS[key][polarization], 5),),)
        if form != "corrected":
            raise ValueError(f"moment_change must be none for the form {form}, got {moment_change!r}")
        return tuple(tuple(Fraction(c, 15) for c in row) for row in _STRESS_FIFTEENTHS[key][polarization])
    # averages of (k.n)^2 and of (k.n)^2 (u.n)^2 for u along and across k
    second, fourth = Fraction(1, 3), Fraction(1, 5) if polarization == "longitudinal" else Fraction(1, 15)
    a, b = SQUARED_CHANGE[form]
    rows = (tuple(second * p + fourth * q for p, q in zip(*row, strict=True)) for row in zip(a, b, strict=True))
    return tuple(row[:1] if form == "dipole" else row for row in rows)


def cube_coefficients(form: Form | Literal["dipole"], polarization: Polarization) -> tuple[tuple[float, ...], ...]:
    r"""Coefficients of `angular_coefficients` for blocks that are cubes, summed over the pairs of an infinite lattice.

    Parameters
    ----------
    form : {"corrected", "joffrin-levelut", "dipole"}
        As in `angular_coefficients`; dipoles follow the gradient coherently.
    polarization : {"longitudinal", "transverse"}
        Of the external wave.

    Returns
    -------
    tuple of tuple of float
        Sums per block, in units of A^2 k^2/(8 pi rho c_t^2 L^3)^2 (dipoles: epsilon for rho c_t^2): what 8.4019...
        C[p][q] is for points. Relative errors are below 1e-9.

    Raises
    ------
    ValueError
        If form or polarization is unknown.

    Notes
    -----
    The moment of each cube is spread over it and deforms with it: what changes by a strain is the average of Lambda
    over both cubes, and its square is summed. That is less than for points, whose near neighbours count most: 0.45 of
    it in the terms without alpha^2, 0.16 in that with alpha^2, 0.29 for dipoles (all longitudinal). The average of the
    square would be that of moments uncorrelated within a cube. It is infinite for cubes with a common face, as r^-6 of
    points close to it, and where a shortest length ends that, it is the sum over all pairs of the shortest blocks,
    counted once: again C/L_1^3 in all, but no function of the block of each step.

    Examples
    --------
    >>> from mbfast.pairs.angular import LATTICE_SIXTH, angular_coefficients, cube_coefficients
    >>> cubes, points = (f("corrected", "longitudinal")[0][0] for f in (cube_coefficients, angular_coefficients))
    >>> print(f"{cubes:.2f} {LATTICE_SIXTH * float(points):.2f}")
    248.67 554.53
    """
    require_choice("form", form, (*get_args(Form), "dipole"))
    require_choice("polarization", polarization, POLARIZATIONS)
    g, h, dipole = _CUBES[polarization]
    if form == "dipole":
        return ((dipole,),)
    # Joffrin and Levelut's Lambda is -2 times the other one at -2 alpha
    size, step = (1.0, 1.0) if form == "corrected" else (4.0, -2.0)
    return ((1.25 * size * g, size * g), (-2.0 * size * step * g,) * 2, (size * step**2 * h, size * step**2 * g))
