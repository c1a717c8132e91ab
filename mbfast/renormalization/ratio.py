"""The Meissner-Berret ratio of a sample whose absorption is that of the interaction: the solution of (4.5)."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import validate
from mbfast._core.validate import FloatArray
from mbfast.pairs.phases import ALL_PAIRS
from mbfast.renormalization.terms import DerivedTerms, PointTerms, contracted

RatioForm: TypeAlias = Literal["printed", "phase-sum", "derived", "derived-points", "total-strain"]


def self_consistent_ratio(
    c_l: ArrayLike, c_t: ArrayLike, *, form: RatioForm = "printed", n0: float | None = None, waves: float | None = None
) -> FloatArray | np.float64:
    r"""Meissner-Berret ratio sqrt(Im chi~_l/Im chi~_t) of a sample whose absorption is v: the solution of (4.5).

    Parameters
    ----------
    c_l, c_t : array_like
        Sound velocities, in one unit, c_l >= c_t.
    form : {"printed", "phase-sum", "derived", "derived-points", "total-strain"}
        What v is. (3.7) as printed; (3.7) with the sum over blocks that it stands for, of Lambda with the strains as in
        `phase_sum`; with the stresses that the strains induce, as in `absorption_rates`, for an external strain, of
        cubes or of points, or for the strain of the wave itself.
    n0 : float, optional
        Blocks along a side of the super block, for the forms with a sum; at most 512 but for cubes. None: an infinite
        sample of blocks that are small beside the wavelength, for which cubes and points are alike.
    waves : float, optional
        Wavelengths of the transverse wave along a side, wanted with `n0`; the longitudinal one has the same frequency.

    Returns
    -------
    ndarray or float64
        Of the shape to which c_l and c_t broadcast; nan where no positive ratio solves the equation.

    Raises
    ------
    TypeError
        If c_l or c_t does not consist of real numbers, or n0 or waves is not one real number.
    ValueError
        If a velocity or waves is not from 1e-35 to 1e35; if c_l is below c_t somewhere, or their shapes do not
        broadcast; if `form` is unknown; if only one of n0 and waves is given, or one in a form without a sum; if n0 is
        not above 1, or is above 512 (1e15 for cubes).

    Notes
    -----
    With Im chi~_l = y Im chi~_t at all frequencies, and so Re chi_l = y Re chi_t, (4.5) reads y = v_l/v_t:

    - printed: y = y^2 c_t^2/c_l^2, so sqrt(y) = c_l/c_t;
    - phase-sum: y = y^2 F_l/F_t with the sums F_a of Lambda_ijkl e_ij e_kl cos(k.x) averaged over directions, and the
      stresses chi_a e (a transverse strain induces 2 chi_t e: with that y would be four times as large);
    - derived: y = [F_l + (y - 2) F_m]/F_t, F_m that of Lambda_iikl k_k k_l, because a longitudinal strain also induces
      the stress (chi_l - 2 chi_t) d_ij;
    - total-strain: with z = (3 y - 4)/2, compression over shear, z = z^2 P_K/P_G, `TensorInteraction.local_strain`: z =
      P_G/P_K, because z = 0 is no absorption of compression. So y = (8 + 2 c_l^2/c_t^2)/5.

    In an infinite sample, with alpha = 1 - c_t^2/c_l^2, y of the sums is (5 + 4 alpha)/(40 - 48 alpha) and (40 - 32
    alpha)/(35 - 44 alpha). A block's field at itself is not part of these sums; with it, Lambda's Fourier transform, y
    would be that of the printed form. The flow does not lead to these ratios where Re chi < 0, as below all that
    absorbs: it keeps them there, and moves away from any other. Where Re chi > 0 it comes nearer. It is the other way
    about for the total strain, whose term has the opposite sign: d ln z = 2 Re chi_G P_K (z - P_G/P_K), so that z comes
    nearer where Re chi_G < 0, though only once, and by as little as |chi|/(rho c^2).
    All forms but the printed one are of the first order in the coupling of blocks, averaged over the signs of their
    stresses: see `absorption_rates`, and `mbfast.superblock.perturbation` for what that leaves out.

    Velocity and attenuation are measured by the strain of the wave, which contains Lambda's Fourier transform times the
    stress. Of the derived v that leaves the field of a block at itself, with the opposite sign, in waves longer than a
    block. It comes once and not with each step, and is chi/(rho c^2) of chi: nothing makes the absorption of a sample
    consist of it, and a ratio near the measured ones is no proof that it does.

    Examples
    --------
    >>> import mbfast
    >>> for form in ("printed", "phase-sum", "derived", "total-strain"):
    ...     print(f"{mbfast.self_consistent_ratio(5800, 3800, form=form):.4f}")
    1.5263
    0.7602
    1.4827
    1.5912
    """
    validate.require_choice("form", form, get_args(RatioForm))
    velocities = {"c_l": validate.float_array("c_l", c_l), "c_t": validate.float_array("c_t", c_t)}
    for name, array in velocities.items():
        validate.require_positive(name, array, unit="")
    validate.broadcast_shape(**velocities)
    ratio = velocities["c_l"] / velocities["c_t"]
    if (ratio < 1.0).any():
        raise ValueError(f"c_l must not be below c_t, got c_l/c_t = {ratio.min():g}")
    if form in ("printed", "total-strain"):
        if n0 is not None or waves is not None:
            raise ValueError(f"n0 and waves must not be given in the {form} form, which does not depend on them")
        return ratio if form == "printed" else np.sqrt(1.6 + 0.4 * ratio**2)
    if (n0 is None) != (waves is None):
        raise ValueError(f"n0 and waves must be given both or not at all, got {n0!r} and {waves!r}")
    of_l = of_t = np.array(ALL_PAIRS).reshape(2, *(1,) * ratio.ndim)
    if n0 is not None and waves is not None:
        kind = DerivedTerms if form == "derived" else PointTerms
        side, number = kind.check_n0(n0), validate.positive_number("waves", waves, unit="wavelengths")
        reduced = 2.0 * math.pi * number / side * np.stack([1.0 / ratio, np.ones_like(ratio)])
        of_l, of_t = np.moveaxis(kind.sums(side, reduced), 1, 0)
    alpha = 1.0 - ratio**-2.0
    along, mixed, across = contracted((1.0 - alpha, 6.0 * alpha - 3.0, alpha), of_l, of_t)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = across / along if form == "phase-sum" else (along - 2.0 * mixed) / (across - mixed)
        return np.where((y > 0.0) & np.isfinite(y), np.sqrt(y), np.nan)[()]
