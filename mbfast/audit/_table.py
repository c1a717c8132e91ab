"""The table of 13 glasses, its two fits, and what the text says of them: sections I, IV and VI."""

import numpy as np

from mbfast.audit import _causes as causes
from mbfast.audit._claims import Claim, Claims, claims_of
from mbfast.audit._common import GLASSES, KEPT, MEASURED, PREDICTED
from mbfast.meissner_berret import fit_through_origin

# the columns of the table as they are printed
_MB_EXP, _MB_THEO, _DEVIATION = (
    np.array([float(getattr(glass.printed, column)) for glass in GLASSES])
    for column in ("mb_exp", "mb_theo", "deviation_percent")
)

# Why a printed deviation does not follow from the printed ratios beside it.
_DEVIATIONS = {
    "V52": (causes.MIXED, "unrounded c_l/c_t over the printed 1.67 would give 10.446; "),
    "a-Se": (causes.CUT_OFF, "6.145 is cut off, not rounded; "),
}


@claims_of("sec. I")
def _extremes() -> Claims:
    note = "of the 13 glasses listed; 18 were measured"
    yield Claim("table.mb_exp.min", "smallest γ_l/γ_t observed", "1.44", MEASURED.min(), note)
    yield Claim("table.mb_exp.max", "largest γ_l/γ_t observed", "1.84", MEASURED.max(), note)


@claims_of("table")
def _cells() -> Claims:
    for glass, measured, predicted, exp, theo in zip(GLASSES, MEASURED, PREDICTED, _MB_EXP, _MB_THEO, strict=True):
        row, of, printed = f"table.{glass.name}", f"{glass.name}: ", glass.printed
        yield Claim(f"{row}.mb_exp", f"{of}γ_l/γ_t", printed.mb_exp, measured)
        yield Claim(f"{row}.mb_theo", f"{of}c_l/c_t", printed.mb_theo, predicted)
        cause, why = _DEVIATIONS.get(glass.name, (None, ""))
        note = f"{why}from the printed ratios; unrounded {100 * (predicted / measured - 1):.2f}"
        found = 100 * (theo / exp - 1)
        test = "tests/test_findings.py::test_printed_deviations"
        yield Claim(f"{row}.deviation", f"{of}(theo-exp)/exp", printed.deviation_percent, found, note, cause, "%", test)


@claims_of("fig. 1")
def _fits() -> Claims:
    fit, unrounded = fit_through_origin(_MB_EXP, _MB_THEO), fit_through_origin(MEASURED, PREDICTED)
    mixed = fit_through_origin(_MB_EXP, PREDICTED).slope
    note = f"1.1027 cut off, not rounded; unrounded c_l/c_t against printed γ_l/γ_t would give {mixed:.4f}"
    yield Claim("fit13.slope", "slope, 13 glasses", "1.102", fit.slope, note, causes.CUT_OFF)
    rebuilt = fit_through_origin(_MB_EXP, _MB_EXP * (1 + _DEVIATION / 100)).pearson_r
    why = f"unrounded {unrounded.pearson_r:.4f}; theory rebuilt from the printed deviations {rebuilt:.4f}"
    note = f"from the printed ratios; {why}"
    yield Claim("fit13.r", "correlation, 13 glasses", "0.261", fit.pearson_r, note, causes.MIXED)

    fit, unrounded = (fit_through_origin(x[KEPT], y[KEPT]) for x, y in ((_MB_EXP, _MB_THEO), (MEASURED, PREDICTED)))
    note = "from the printed ratios; unrounded"
    yield Claim("fit10.slope", "slope, 10 glasses", "1.061", fit.slope, f"{note} {unrounded.slope:.4f}")
    yield Claim("fit10.r", "correlation, 10 glasses", "0.745", fit.pearson_r, f"{note} {unrounded.pearson_r:.4f}")


@claims_of("sec. VI")
def _conclusion() -> Claims:
    slope = fit_through_origin(_MB_THEO[KEPT], _MB_EXP[KEPT]).slope
    note = "1.061 is the slope of theory against experiment: c_l/c_t = 1.061 γ_l/γ_t, the inverse"
    yield Claim("conclusion.slope", "s in γ_l/γ_t = s c_l/c_t, 10 glasses", "1.06", slope, note, causes.INVERTED)
