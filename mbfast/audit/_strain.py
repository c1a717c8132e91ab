"""Which strain a response is measured by: (4.2) and (4.5) with the sums over blocks, and by the strain of the wave."""

import math
from typing import NamedTuple

import numpy as np

from mbfast._core.validate import FloatArray
from mbfast.audit import _causes as causes
from mbfast.audit._claims import Claim, Claims, claims_of
from mbfast.audit._common import GLASSES, KEPT, L_1, MEASURED, SILICA, R
from mbfast.meissner_berret import OriginFit, fit_through_origin, rms_deviation
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.ratio import RatioForm, self_consistent_ratio

_FORMS: dict[RatioForm, str] = {
    "printed": "(3.7) as printed: c_l/c_t",
    "phase-sum": "the sum of Λ ê ê cos, stress χ_a ê",
    "derived": "the sum with the stresses induced",
    "total-strain": "the local field, by the strain of the wave",
}


class Comparison(NamedTuple):
    """Predictions of gamma_l/gamma_t by one form beside what was measured: of 10 glasses, and of all 13."""

    form: RatioForm
    what: str
    ratios: FloatArray  # of all 13
    fits: tuple[OriginFit, OriginFit]
    rms: tuple[float, float]  # of predicted/measured - 1


def comparisons() -> list[Comparison]:
    """Return the comparison of each form."""
    found = []
    for form, what in _FORMS.items():
        ratios = np.asarray(self_consistent_ratio([g.c_l for g in GLASSES], [g.c_t for g in GLASSES], form=form))
        ten, thirteen = (fit_through_origin(MEASURED[kept], ratios[kept]) for kept in (KEPT, np.ones_like(KEPT)))
        found.append(Comparison(form, what, ratios, (ten, thirteen), _rms(ratios)))
    return found


def best_constant() -> tuple[float, tuple[float, float]]:
    """Return the one ratio for 13 glasses that is least off, which knows nothing of velocities, and how far it is."""
    best = float(np.sum(1.0 / MEASURED) / np.sum(MEASURED**-2.0))
    return best, _rms(np.full_like(MEASURED, best))


def _rms(ratios: FloatArray) -> tuple[float, float]:
    return rms_deviation(MEASURED[KEPT], ratios[KEPT]), rms_deviation(MEASURED, ratios)


@claims_of("4.2")
def _local_field() -> Claims:
    """Yield what all scales together add by the strain of the wave, beside the logarithm of (4.2)."""
    _, of_g = StressInteraction.of(SILICA).local_strain
    number = -2.0 * of_g * SILICA.modulus_t
    note = (
        f"-(10 - 4α)/15, once, at any N0, and of the other sign, in place of ln(R/L_1) = {math.log(R / L_1):.1f}: "
        "by the strain of the wave only a block's field at itself is left"
    )
    quantity = "-δχ ρc²/χ² by the interaction at all scales, by the strain of the wave, a-SiO2, transverse"
    yield Claim("eq4.2.strain", quantity, "~20", number, note, causes.STRAIN)


@claims_of("4.5")
def _slopes() -> Claims:
    """Yield the slopes of figure 1 by other solutions of (4.5)."""
    for of in comparisons()[1:]:  # the first is the printed one
        listed = ", ".join(f"{g.name} {value:.2f}" for g, value in zip(GLASSES, of.ratios, strict=True))
        (ten, thirteen), (rms_of_ten, rms) = of.fits, of.rms
        note = (
            f"r = {ten.pearson_r:.3f}, rms deviation {100 * rms_of_ten:.1f} %; all 13: {thirteen.slope:.3f}, "
            f"r = {thirteen.pearson_r:.3f}, {100 * rms:.1f} %; {listed}"
        )
        cause = causes.STRAIN if of.form == "total-strain" else causes.SUM_OVER_BLOCKS
        yield Claim(f"eq4.5.{of.form}", f"slope, 10 glasses, v from {of.what}", "1.061", ten.slope, note, cause)
