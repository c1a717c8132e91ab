"""The appendix: misprints on the way to Λ, and its differences from the tensor of Joffrin and Levelut."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast.audit import _causes as causes
from mbfast.audit._claims import Claim, Claims, claims_of
from mbfast.audit._common import DELTA, SILICA
from mbfast.audit._response import LAMBDA, derivative
from mbfast.pairs.interactions import StressInteraction

_SEED = 151005528

# Four blocks at x with random moments, and five random waves q with three polarizations e and amplitudes u each
_RNG = np.random.default_rng(_SEED)
_X, _MOMENTS, _Q = _RNG.normal(size=(4, 3)), _RNG.normal(size=(4, 3, 3)), _RNG.normal(size=(5, 3))
_MOMENTS = _MOMENTS + _MOMENTS.transpose(0, 2, 1)
_ALONG = _Q / np.linalg.norm(_Q, axis=1)[:, None]
_E = np.concatenate([_ALONG[:, None], np.stack([np.linalg.svd(k[None])[2][1:] for k in _ALONG])], axis=1)
_U = _RNG.normal(size=(5, 3)) + 1j * _RNG.normal(size=(5, 3))


@claims_of("A4")
def _transverse() -> Claims:
    yield Claim("eqA4.norm", "e_t1·e_t1", "0", _E[0, 1] @ _E[0, 1], "e_t1·e_t2 = 0 is meant", causes.MISPRINT_A4)


def _displacement(r: NDArray[Any]) -> NDArray[Any]:
    """Return that of (A3) by all waves, of q and of -q; it is analytic in r."""
    wave = np.exp(1j * (_Q @ r))
    both = _U * wave[:, None] + _U.conj() * (1 / wave)[:, None]
    return np.asarray(np.einsum("qm,qmi->i", both, _E) / math.sqrt(len(_X)))


@claims_of("A5")
def _coupling() -> Claims:
    slopes = (np.stack([derivative(_displacement, DELTA[j])(x).real for j in range(3)], axis=1) for x in _X)
    direct = float(np.sum(np.array([0.5 * (slope + slope.T) for slope in slopes]) * _MOMENTS))
    modes = 1j * _U[:, :, None] * np.exp(-1j * _Q @ _X.T).conj()[:, None, :]
    both = (modes + modes.conj()).real  # of q and of -q

    def off(dyads: NDArray[Any]) -> float:
        summed = float(np.einsum("qms,qmij,sij->", both, dyads, _MOMENTS) / (2 * math.sqrt(len(_X))))
        return abs(summed / direct - 1)

    strain = "from Σ e T with the strain of (A3)"
    meant = np.einsum("qj,qmi->qmij", _Q, _E) + np.einsum("qi,qmj->qmij", _Q, _E)
    yield Claim("eqA5", f"coupling of (A5), mended, {strain}", None, off(meant), "with q_j e_i + q_i e_j")
    printed = _Q[:, None, None, :] * (_E[:, :, None, :] + _E[:, :, :, None])
    note = "q_j e_j + q_j e_i where q_j e_i + q_i e_j is meant"
    yield Claim("eqA5.literal", f"coupling of (A5) {strain}", None, off(printed), note, causes.MISPRINT_A5)


@claims_of("A16")
def _differences() -> Claims:
    """Compare u(T, T') of one part of each: the first stands alone at alpha = 0, the second is linear in alpha."""
    t, t_ = (m + m.T for m in np.random.default_rng(_SEED).normal(size=(2, 3, 3)))
    original = StressInteraction(LAMBDA.density, SILICA.c_l, SILICA.c_t, form="joffrin-levelut")
    parts = []
    for form in (LAMBDA, original):
        at_zero = StressInteraction(form.density, form.c_t, form.c_t, form=form.form)
        u, u0 = (float(np.einsum("ijkl,ij,kl", i.tensor([0.9, -0.7, 1.1]), t, t_)) for i in (form, at_zero))
        parts.append((u0, u - u0))
    (first, second), (first_, second_) = parts
    note = "differences (2) and (3): half, and the sign; (1): theirs is not symmetric in i, j"
    yield Claim("eqA16.first", "first part of Λ over Joffrin and Levelut's", "-0.5", first / first_, note)
    note = "differences (2) and (4): half of a half"
    yield Claim("eqA16.second", "second part of Λ over Joffrin and Levelut's", "0.25", second / second_, note)
