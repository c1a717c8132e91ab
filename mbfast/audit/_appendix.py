"""The appendix: misprints on the way to Λ, and its differences from the tensor of Joffrin and Levelut."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mbfast._core.validate import FloatArray
from mbfast.audit import _causes as causes
from mbfast.audit._claims import Computed, claim
from mbfast.audit._common import DELTA, SILICA
from mbfast.audit._response import LAMBDA, derivative
from mbfast.pairs.interactions import StressInteraction

_LAMBDA_JL = StressInteraction(LAMBDA.density, SILICA.c_l, SILICA.c_t, form="joffrin-levelut")


class _Waves(NamedTuple):
    """Four blocks with random moments, and five random waves q with three polarizations e and amplitudes u each."""

    x: FloatArray  # (blocks, 3)
    moments: FloatArray  # (blocks, 3, 3)
    q: FloatArray  # (waves, 3)
    e: FloatArray  # (waves, 3 polarizations, 3)
    u: NDArray[np.complex128]  # (waves, 3)


@cache
def _waves() -> _Waves:
    rng = np.random.default_rng(151005528)
    x, moments = rng.normal(size=(4, 3)), rng.normal(size=(4, 3, 3))
    q = rng.normal(size=(5, 3))
    unit = q / np.linalg.norm(q, axis=1)[:, None]
    across = np.stack([np.linalg.svd(u[None])[2][1:] for u in unit])
    u = rng.normal(size=(5, 3)) + 1j * rng.normal(size=(5, 3))
    return _Waves(x, moments + moments.transpose(0, 2, 1), q, np.concatenate([unit[:, None], across], axis=1), u)


@claim("eqA4.norm", "A4", "e_t1·e_t1", printed="0", cause=causes.MISPRINT_A4)
def _norm() -> Computed:
    across = _waves().e[0, 1]
    return Computed(float(across @ across), "e_t1·e_t2 = 0 is meant")


@cache
def _direct_coupling() -> float:
    """Return the sum of e_ij T_ij over the blocks, with strains by the derivative of (A3)'s displacement."""
    w = _waves()

    def displacement(r: NDArray[Any]) -> NDArray[Any]:  # both q and -q; analytic in r
        wave = np.exp(1j * (w.q @ r))
        both = w.u * wave[:, None] + w.u.conj() * (1 / wave)[:, None]
        return np.asarray(np.einsum("qm,qmi->i", both, w.e) / math.sqrt(len(w.x)))

    slopes = (np.stack([derivative(displacement, DELTA[j])(x).real for j in range(3)], axis=1) for x in w.x)
    return float(np.sum(np.array([0.5 * (slope + slope.T) for slope in slopes]) * w.moments))


@claim(
    "eqA5.literal",
    "A5",
    "coupling of (A5) from Σ e T with the strain of (A3)",
    cause=causes.MISPRINT_A5,
    over=({"literal": True, "note": "q_j e_j + q_j e_i where q_j e_i + q_i e_j is meant"},),
)
@claim(
    "eqA5",
    "A5",
    "coupling of (A5), mended, from Σ e T with the strain of (A3)",
    over=({"literal": False, "note": "with q_j e_i + q_i e_j"},),
)
def _coupling(literal: bool, note: str) -> Computed:
    x, moments, q, e, u = _waves()
    dyads = np.einsum("qj,qmi->qmij", q, e) + np.einsum("qi,qmj->qmij", q, e)
    if literal:
        dyads = q[:, None, None, :] * (e[:, :, None, :] + e[:, :, :, None])
    modes = 1j * u[:, :, None] * np.exp(-1j * q @ x.T).conj()[:, None, :]
    both = (modes + modes.conj()).real  # of q and of -q
    summed = float(np.einsum("qms,qmij,sij->", both, dyads, moments) / (2 * math.sqrt(len(x))))
    return Computed(abs(summed / _direct_coupling() - 1), note)


_FIRST = "differences (2) and (3): half, and the sign; (1): theirs is not symmetric in i, j"


@claim(
    "eqA16.{which}",
    "A16",
    "{which} part of Λ over Joffrin and Levelut's",
    over=(
        {"which": "first", "printed": "-0.5", "note": _FIRST},
        {"which": "second", "printed": "0.25", "note": "differences (2) and (4): half of a half"},
    ),
)
def _ratio_of_parts(which: str, note: str) -> Computed:
    """Compare u(T, T') of one part of each: the first stands alone at alpha = 0, the second is linear in alpha."""
    t, t_ = (m + m.T for m in np.random.default_rng(151005528).normal(size=(2, 3, 3)))

    def part(interaction: StressInteraction) -> float:
        at_zero = StressInteraction(interaction.density, interaction.c_t, interaction.c_t, form=interaction.form)
        u, u0 = (np.einsum("ijkl,ij,kl", i.tensor([0.9, -0.7, 1.1]), t, t_) for i in (interaction, at_zero))
        return float(u0 if which == "first" else u - u0)

    return Computed(part(LAMBDA) / part(_LAMBDA_JL), note)
