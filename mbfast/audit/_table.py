"""The table of 13 glasses, its two fits, and what the text says of them."""

from __future__ import annotations

from functools import partial

import numpy as np

from mbfast._core.validate import FloatArray
from mbfast.audit._claims import Claim, Computed, Flaw, claim, register
from mbfast.glasses import Glass, load_glasses
from mbfast.meissner_berret import OriginFit, fit_through_origin, meissner_berret_ratio

GLASSES = load_glasses()
EXCLUDED = ("As2S3", "PMMA", "PS")  # from the fit of 10 glasses

_EXPERIMENT = np.asarray(
    meissner_berret_ratio(gamma_l=[g.gamma_l for g in GLASSES], gamma_t=[g.gamma_t for g in GLASSES])
)
_THEORY = np.asarray(meissner_berret_ratio(c_l=[g.c_l for g in GLASSES], c_t=[g.c_t for g in GLASSES]))
_KEPT = np.array([g.name not in EXCLUDED for g in GLASSES])


def _column(cells: list[str | None]) -> FloatArray:
    return np.array(cells, dtype=np.float64)


_PRINTED_EXPERIMENT = _column([g.printed.mb_exp for g in GLASSES])
_PRINTED_THEORY = _column([g.printed.mb_theo for g in GLASSES])

_FITS = "tests/test_findings.py::test_fits_of_the_printed_ratios"

# Why a printed deviation does not follow from the printed ratios beside it.
_DEVIATION_NOTES = {
    "V52": "unrounded c_l/c_t over the printed 1.67 would give 10.446",
    "a-Se": "6.145 is cut off, not rounded",
}


def _register_row(i: int, glass: Glass) -> None:
    exp, theo = float(_PRINTED_EXPERIMENT[i]), float(_PRINTED_THEORY[i])
    deviation = 100 * (theo / exp - 1)
    unrounded = f"from the printed ratios; unrounded {100 * (_THEORY[i] / _EXPERIMENT[i] - 1):.2f}"
    note = "; ".join(filter(None, (_DEVIATION_NOTES.get(glass.name), unrounded)))
    flawed: tuple[Flaw, str] = ("slip", "tests/test_findings.py::test_printed_deviations")
    cells = (
        ("mb_exp", "γ_l/γ_t", glass.printed.mb_exp, "", Computed(float(_EXPERIMENT[i]))),
        ("mb_theo", "c_l/c_t", glass.printed.mb_theo, "", Computed(float(_THEORY[i]))),
        ("deviation", "(theo-exp)/exp", glass.printed.deviation_percent, "%", Computed(deviation, note)),
    )
    for key, quantity, printed, unit, computed in cells:
        name = f"table.{glass.name}.{key}"
        shown = flawed if key == "deviation" and glass.name in _DEVIATION_NOTES else ()
        compute = partial(Computed, *computed)
        register(Claim(name, "table", f"{glass.name}: {quantity}", printed, unit, compute, *shown))


for _i, _glass in enumerate(GLASSES):
    _register_row(_i, _glass)


_OF_13 = "of the 13 glasses listed; 18 were measured"


@claim("table.mb_exp.min", equation="sec. I", quantity="smallest γ_l/γ_t observed", printed="1.44")
def _smallest() -> Computed:
    return Computed(float(np.min(_EXPERIMENT)), _OF_13)


@claim("table.mb_exp.max", equation="sec. I", quantity="largest γ_l/γ_t observed", printed="1.84")
def _largest() -> Computed:
    return Computed(float(np.max(_EXPERIMENT)), _OF_13)


def _fit(kept: slice | np.ndarray[tuple[int, ...], np.dtype[np.bool_]], *, printed: bool = True) -> OriginFit:
    if printed:
        return fit_through_origin(_PRINTED_EXPERIMENT[kept], _PRINTED_THEORY[kept])
    return fit_through_origin(_EXPERIMENT[kept], _THEORY[kept])


_ALL = slice(None)


@claim("fit13.slope", equation="fig. 1", quantity="slope, 13 glasses", printed="1.102", flaw="slip", test=_FITS)
def _slope13() -> Computed:
    mixed = fit_through_origin(_PRINTED_EXPERIMENT, _THEORY).slope
    note = f"1.1027 cut off, not rounded; unrounded c_l/c_t against printed γ_l/γ_t would give {mixed:.4f}"
    return Computed(_fit(_ALL).slope, note)


@claim("fit13.r", equation="fig. 1", quantity="correlation, 13 glasses", printed="0.261", flaw="slip", test=_FITS)
def _r13() -> Computed:
    deviations = _column([g.printed.deviation_percent for g in GLASSES])
    rebuilt = fit_through_origin(_PRINTED_EXPERIMENT, _PRINTED_EXPERIMENT * (1 + deviations / 100)).pearson_r
    unrounded = _fit(_ALL, printed=False).pearson_r
    note = (
        f"from the printed ratios; unrounded {unrounded:.4f}; theory rebuilt from the printed deviations {rebuilt:.4f}"
    )
    return Computed(_fit(_ALL).pearson_r, note)


@claim("fit10.slope", equation="fig. 1", quantity="slope, 10 glasses", printed="1.061")
def _slope10() -> Computed:
    return Computed(_fit(_KEPT).slope, f"from the printed ratios; unrounded {_fit(_KEPT, printed=False).slope:.4f}")


@claim("fit10.r", equation="fig. 1", quantity="correlation, 10 glasses", printed="0.745")
def _r10() -> Computed:
    return Computed(
        _fit(_KEPT).pearson_r, f"from the printed ratios; unrounded {_fit(_KEPT, printed=False).pearson_r:.4f}"
    )


@claim(
    "conclusion.slope",
    equation="sec. VI",
    quantity="s in γ_l/γ_t = s c_l/c_t, 10 glasses",
    printed="1.06",
    flaw="slip",
    test=_FITS,
)
def _conclusion() -> Computed:
    slope = fit_through_origin(_PRINTED_THEORY[_KEPT], _PRINTED_EXPERIMENT[_KEPT]).slope
    return Computed(slope, "1.061 is the slope of theory against experiment: c_l/c_t = 1.061 γ_l/γ_t, the inverse")
