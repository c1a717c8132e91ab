"""The table of 13 glasses, its two fits, and what the text says of them: sections I, IV and VI."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from mbfast._core.validate import FloatArray
from mbfast.audit import _causes as causes
from mbfast.audit._claims import Computed, claim
from mbfast.audit._common import EXCLUDED, GLASSES
from mbfast.glasses import Glass
from mbfast.meissner_berret import OriginFit, fit_through_origin, meissner_berret_ratio

_KEPT = np.array([glass.name not in EXCLUDED for glass in GLASSES])
_ALL = np.ones(len(GLASSES), dtype=np.bool_)

# Why a printed deviation does not follow from the printed ratios beside it.
_DEVIATIONS = {
    "V52": (causes.MIXED, "unrounded c_l/c_t over the printed 1.67 would give 10.446; "),
    "a-Se": (causes.CUT_OFF, "6.145 is cut off, not rounded; "),
}


@cache
def _ratios() -> tuple[FloatArray, FloatArray]:
    """Return the measured and the predicted ratios of all glasses, unrounded."""
    measured = meissner_berret_ratio(gamma_l=[g.gamma_l for g in GLASSES], gamma_t=[g.gamma_t for g in GLASSES])
    predicted = meissner_berret_ratio(c_l=[g.c_l for g in GLASSES], c_t=[g.c_t for g in GLASSES])
    return np.asarray(measured), np.asarray(predicted)


def _column(name: str) -> FloatArray:
    return np.array([getattr(glass.printed, name) for glass in GLASSES], dtype=np.float64)


def _rows() -> Iterator[dict[str, Any]]:
    for glass in GLASSES:
        printed = glass.printed
        yield {"glass": glass, "key": "mb_exp", "of": "γ_l/γ_t", "printed": printed.mb_exp}
        yield {"glass": glass, "key": "mb_theo", "of": "c_l/c_t", "printed": printed.mb_theo}
        row = {"glass": glass, "key": "deviation", "of": "(theo-exp)/exp", "printed": printed.deviation_percent}
        if glass.name in _DEVIATIONS:
            row |= {"cause": _DEVIATIONS[glass.name][0], "test": "tests/test_findings.py::test_printed_deviations"}
        yield row | {"unit": "%"}


@claim("table.{glass.name}.{key}", "table", "{glass.name}: {of}", over=_rows())
def _cell(glass: Glass, key: str) -> Computed:
    measured, predicted = (float(column[GLASSES.index(glass)]) for column in _ratios())
    if key != "deviation":
        return Computed({"mb_exp": measured, "mb_theo": predicted}[key])
    note = f"from the printed ratios; unrounded {100 * (predicted / measured - 1):.2f}"
    _, why = _DEVIATIONS.get(glass.name, (None, ""))
    exp, theo = (float(_column(name)[GLASSES.index(glass)]) for name in ("mb_exp", "mb_theo"))
    return Computed(100 * (theo / exp - 1), why + note)


@claim(
    "table.mb_exp.{which}",
    "sec. I",
    "{word} γ_l/γ_t observed",
    over=(
        {"which": "min", "word": "smallest", "printed": "1.44"},
        {"which": "max", "word": "largest", "printed": "1.84"},
    ),
)
def _extreme(which: str) -> Computed:
    return Computed(float(getattr(np, which)(_ratios()[0])), "of the 13 glasses listed; 18 were measured")


def _fit(kept: np.ndarray[Any, np.dtype[np.bool_]], *, printed: bool = True) -> OriginFit:
    measured, predicted = (_column("mb_exp"), _column("mb_theo")) if printed else _ratios()
    return fit_through_origin(measured[kept], predicted[kept])


@claim("fit13.slope", "fig. 1", "slope, 13 glasses", printed="1.102", cause=causes.CUT_OFF)
def _slope13() -> Computed:
    mixed = fit_through_origin(_column("mb_exp"), _ratios()[1]).slope
    note = f"1.1027 cut off, not rounded; unrounded c_l/c_t against printed γ_l/γ_t would give {mixed:.4f}"
    return Computed(_fit(_ALL).slope, note)


@claim("fit13.r", "fig. 1", "correlation, 13 glasses", printed="0.261", cause=causes.MIXED)
def _r13() -> Computed:
    measured, deviations = _column("mb_exp"), _column("deviation_percent")
    rebuilt = fit_through_origin(measured, measured * (1 + deviations / 100)).pearson_r
    unrounded = f"unrounded {_fit(_ALL, printed=False).pearson_r:.4f}"
    note = f"from the printed ratios; {unrounded}; theory rebuilt from the printed deviations {rebuilt:.4f}"
    return Computed(_fit(_ALL).pearson_r, note)


@claim(
    "fit10.{key}",
    "fig. 1",
    "{word}, 10 glasses",
    over=(
        {"key": "slope", "word": "slope", "printed": "1.061"},
        {"key": "r", "word": "correlation", "printed": "0.745"},
    ),
)
def _of_10(key: str) -> Computed:
    field = "slope" if key == "slope" else "pearson_r"
    ours, unrounded = (float(getattr(_fit(_KEPT, printed=printed), field)) for printed in (True, False))
    return Computed(ours, f"from the printed ratios; unrounded {unrounded:.4f}")


@claim("conclusion.slope", "sec. VI", "s in γ_l/γ_t = s c_l/c_t, 10 glasses", printed="1.06", cause=causes.INVERTED)
def _conclusion() -> Computed:
    slope = fit_through_origin(_column("mb_theo")[_KEPT], _column("mb_exp")[_KEPT]).slope
    return Computed(slope, "1.061 is the slope of theory against experiment: c_l/c_t = 1.061 γ_l/γ_t, the inverse")
