"""The Meissner-Berret ratio gamma_l/gamma_t, and the straight line through the origin it is judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core.validate import FloatArray, ReadOnly, broadcast_shape, float_array, require_finite, require_positive


def meissner_berret_ratio(
    *,
    gamma_l: ArrayLike | None = None,
    gamma_t: ArrayLike | None = None,
    c_l: ArrayLike | None = None,
    c_t: ArrayLike | None = None,
    tunnelling_l: ArrayLike | None = None,
    tunnelling_t: ArrayLike | None = None,
) -> FloatArray | np.float64:
    """Ratio gamma_l/gamma_t of the couplings to longitudinal and transverse phonons.

    Exactly one of three sets of arguments is given. With C_a = P gamma_a^2/(rho c_a^2) the third form is the first one,
    written in measured quantities. The second is the self-consistent solution of Im chi~_l/Im chi~_t = v_l/v_t with
    (3.7), where (2.2) gives gamma_l^2/gamma_t^2 = Im chi~_l/Im chi~_t.

    Parameters
    ----------
    gamma_l, gamma_t : array_like, optional
        Coupling constants, in one unit: the ratio is gamma_l/gamma_t.
    c_l, c_t : array_like, optional
        Sound velocities, in one unit. Alone: the prediction c_l/c_t of (4.5).
    tunnelling_l, tunnelling_t : array_like, optional
        Tunnelling strengths C_l, C_t (dimensionless), with `c_l` and `c_t`: the ratio
        sqrt(C_l c_l^2/(C_t c_t^2)) inferred in experiment from the sound velocity shift dc_a/c_a = C_a ln(T/T_0).

    Returns
    -------
    ndarray or float64
        The ratio, of the shape to which the arguments broadcast.

    Raises
    ------
    TypeError
        If the arguments given are not one of the three sets, or do not consist of real numbers.
    ValueError
        If an argument is not positive and finite, or the shapes do not broadcast.

    Examples
    --------
    >>> import mbfast
    >>> print(round(mbfast.meissner_berret_ratio(gamma_l=1.04, gamma_t=0.65), 3))
    1.6
    >>> print(round(mbfast.meissner_berret_ratio(c_l=5800, c_t=3800), 3))
    1.526
    """
    arguments = {"gamma_l": gamma_l, "gamma_t": gamma_t, "c_l": c_l, "c_t": c_t}
    arguments |= {"tunnelling_l": tunnelling_l, "tunnelling_t": tunnelling_t}
    given = {name: float_array(name, value) for name, value in arguments.items() if value is not None}
    for name, array in given.items():
        require_positive(name, array, unit="")
    broadcast_shape(**given)
    names = tuple(given)
    if names in {("gamma_l", "gamma_t"), ("c_l", "c_t")}:
        return np.divide(*given.values())
    if names == ("c_l", "c_t", "tunnelling_l", "tunnelling_t"):
        return np.multiply(np.sqrt(given["tunnelling_l"] / given["tunnelling_t"]), given["c_l"] / given["c_t"])
    wanted = "gamma_l and gamma_t, or c_l and c_t, or c_l, c_t, tunnelling_l and tunnelling_t"
    raise TypeError(f"wanted are {wanted}; got {', '.join(given) or 'none of them'}")


@dataclass(frozen=True, eq=False)
class OriginFit(ReadOnly):
    """Least-squares line y = slope x.

    Attributes
    ----------
    slope : float
        Sum xy / sum x^2.
    slope_stderr : float
        Its standard error, from the residuals' variance with n - 1 degrees of freedom.
    pearson_r : float
        Linear correlation of x and y, about their means: a line through the origin can fit well where r is small.
    residuals : ndarray, shape (n,)
        y - slope x.

    Examples
    --------
    >>> import mbfast
    >>> fit = mbfast.fit_through_origin([1.0, 2.0], [2.0, 4.0])
    >>> fit.slope, fit.residuals
    (2.0, array([0., 0.]))
    """

    slope: float
    slope_stderr: float
    pearson_r: float
    residuals: FloatArray


def fit_through_origin(x: ArrayLike, y: ArrayLike) -> OriginFit:
    """Fit y = slope x by least squares.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        At least two points, the x not all zero, neither x nor y all equal.

    Returns
    -------
    OriginFit
        Slope, its standard error, Pearson's r and the residuals.

    Raises
    ------
    TypeError
        If an argument does not consist of real numbers.
    ValueError
        If the shapes differ or are not one-dimensional, a number is not finite, there are fewer than two points, x or y
        do not vary, or their largest magnitudes or the quotient of these are not between 1e-300 and 1e300.

    Examples
    --------
    >>> import mbfast
    >>> fit = mbfast.fit_through_origin([1, 2, 3], [2, 4, 6.6])
    >>> print(f"{fit.slope:.3f} +- {fit.slope_stderr:.3f}, r = {fit.pearson_r:.4f}")
    2.129 +- 0.068, r = 0.9972
    """
    x, y = float_array("x", x), float_array("y", y)
    if x.ndim != 1 or x.shape != y.shape or x.size < 2:
        raise ValueError(f"x and y must be of one shape (n,) with n >= 2, got {x.shape} and {y.shape}")
    for name, values in (("x", x), ("y", y)):
        require_finite(name, values)
        if np.all(values == values[0]):
            raise ValueError(f"{name} must vary for a correlation to be defined, got {values[0]:g} throughout")
    scale_x, scale_y = np.abs(x).max(), np.abs(y).max()  # so that no square over- or underflows
    decades = np.log10([scale_x, scale_y])
    if max(*np.abs(decades), abs(decades[1] - decades[0])) > 300.0:
        raise ValueError(
            "x and y must have largest magnitudes, and a quotient of them, from 1e-300 to 1e300, "
            f"got {scale_x:g} and {scale_y:g}"
        )
    u, v = x / scale_x, y / scale_y
    slope = float(u @ v / (u @ u))
    deviation = v - slope * u
    stderr = float(np.sqrt(deviation @ deviation / (x.size - 1) / (u @ u)))
    unit, residuals = float(scale_y / scale_x), deviation * scale_y
    residuals.flags.writeable = False
    return OriginFit(slope * unit, stderr * unit, float(np.corrcoef(u, v)[0, 1]), residuals)


def rms_deviation(measured: ArrayLike, predicted: ArrayLike) -> float:
    """Root mean square of predicted/measured - 1: how far a prediction is off, with no slope fitted to it.

    Parameters
    ----------
    measured, predicted : array_like, shape (n,)
        At least one ratio of each.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If an argument does not consist of real numbers.
    ValueError
        If the shapes differ or are not one-dimensional, there is no ratio, or one is not from 1e-35 to 1e35.

    Examples
    --------
    >>> from mbfast.meissner_berret import rms_deviation
    >>> print(f"{rms_deviation([1.6, 1.5], [1.6, 1.65]):.3f}")
    0.071
    """
    x, y = float_array("measured", measured), float_array("predicted", predicted)
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise ValueError(f"measured and predicted must be of one shape (n,) with n >= 1, got {x.shape} and {y.shape}")
    for name, values in (("measured", x), ("predicted", y)):
        require_positive(name, values, unit="")
    return float(np.sqrt(np.mean((y / x - 1.0) ** 2)))
