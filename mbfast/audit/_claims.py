"""Claims, their registry, and the verdicts."""

from __future__ import annotations

import importlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["reproduced", "rounding", "differs"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

# What is wrong where a claim differs: printing, rounding or arithmetic, which leave the argument intact; or it does not
# follow from the paper's own Hamiltonian or numbers.
Flaw = Literal["slip", "unfounded"]
Finding = Literal["stands", "slip of printing", "does not follow"]
FINDINGS: tuple[Finding, ...] = get_args(Finding)

# The order of the paper; "table" and "fig. 1" stand in its section IV.
_SECTIONS = ("sec. I", "2", "3", "4", "table", "fig. 1", "sec. V", "5", "sec. VI", "A")

# Rounding errors of the identities; some take derivatives by differences of high order.
_NO_DEVIATION = 1e-10

_MODULES = ("_table", "_cutoffs", "_interactions", "_spectra", "_responses", "_flow")


@dataclass(frozen=True, slots=True)
class Printed:
    """A number as printed: ``-4.38`` or ``1.62e-3``, with ``~`` in front where the paper says so."""

    text: str

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text.removeprefix("~"))

    def verdict(self, computed: float) -> Verdict:
        """Compare a computed value with the printed digits."""
        value = self.value
        if math.isclose(computed, value, rel_tol=1e-12):
            return "reproduced"
        digits, _, exponent = self.text.removeprefix("~").partition("e")
        if self.text.startswith("~") and re.fullmatch(r"10*", digits):
            return "rounding" if computed > 0 and abs(math.log10(computed / value)) <= 0.5 else "differs"
        half_a_unit = 0.5 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
        # the last factor: a value that sits on the half exactly may be a rounding error away from it
        return "rounding" if abs(computed - value) <= half_a_unit * (1 + 1e-9) else "differs"


class Computed(NamedTuple):
    """What a claim's function returns: the number, and one line on how it comes about."""

    value: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of the paper that can be checked by a number.

    Without a printed number it is an identity, a printed formula say, and what is computed the relative deviation from
    it. A claim that may differ says what its `flaw` is, and names the `test` that
    shows it, as ``tests/test_x.py::test_y``.
    """

    id: str
    equation: str
    quantity: str
    printed: str | None
    unit: str
    compute: Callable[[], Computed]
    flaw: Flaw | None = None
    test: str = ""

    def check(self) -> Record:
        """Compute, and compare."""
        printed = None if self.printed is None else Printed(self.printed)
        number, note = self.compute()
        value = float(number)
        verdict: Verdict
        if printed is not None:
            verdict = printed.verdict(value)
        else:
            verdict = "reproduced" if abs(value) <= _NO_DEVIATION else "differs"
        finding: Finding = "stands"
        if verdict == "differs":
            finding = "slip of printing" if self.flaw == "slip" else "does not follow"
        return Record(
            self.id, self.equation, self.quantity, printed, value, self.unit, verdict, finding, note, self.test
        )


@dataclass(frozen=True, slots=True)
class Record:
    """A checked claim; `printed` is None where it is an identity."""

    id: str
    equation: str
    quantity: str
    printed: Printed | None
    computed: float
    unit: str
    verdict: Verdict
    finding: Finding
    note: str
    test: str

    @property
    def relative_difference(self) -> float | None:
        """computed/printed - 1, None where nothing or zero is printed."""
        if self.printed is None or self.printed.value == 0.0:
            return None
        return self.computed / self.printed.value - 1

    def as_dict(self) -> dict[str, str | float | None]:
        """Return the fields by name, `printed` as a number: what ``mbfast reproduce --json`` writes."""
        printed = None if self.printed is None else self.printed.value
        return {field.name: printed if field.name == "printed" else getattr(self, field.name) for field in fields(self)}


_registry: dict[str, Claim] = {}


def register(entry: Claim) -> None:
    """Add a claim; its id must be new, and a flaw comes with its test."""
    if entry.id in _registry:
        raise ValueError(f"claim {entry.id} is registered twice")
    if (entry.flaw is None) is not (entry.test == ""):
        raise ValueError(f"claim {entry.id}: a flaw and the test that shows it are given together, or neither")
    _paper_order(entry)
    _registry[entry.id] = entry


def claim(
    id: str,  # noqa: A002
    *,
    equation: str,
    quantity: str,
    printed: str,
    unit: str = "",
    flaw: Flaw | None = None,
    test: str = "",
) -> Callable[[Callable[[], Computed]], Callable[[], Computed]]:
    """Register the decorated function as the computation of a claim."""

    def decorate(compute: Callable[[], Computed]) -> Callable[[], Computed]:
        register(Claim(id, equation, quantity, printed, unit, compute, flaw, test))
        return compute

    return decorate


def identity(
    id_: str,
    equation: str,
    quantity: str,
    compute: Callable[[], Computed],
    *,
    flaw: Flaw | None = None,
    test: str = "",
) -> None:
    """Register a claim without a printed number, of which the largest relative deviation is computed."""
    register(Claim(id_, equation, f"relative deviation of {quantity}", None, "", compute, flaw, test))


def deviation(ours: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the largest deviation, relative to the largest element."""
    return float(np.max(np.abs(ours - other)) / np.max(np.abs(other)))


def slope(function: Callable[[float], Any], step: float) -> Any:
    """Return the derivative of a function at zero, by a difference of eighth order."""
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    return sum(c * (function(n * step) - function(-n * step)) for n, c in weights.items()) / step


def _paper_order(entry: Claim) -> tuple[int, int]:
    if entry.equation in _SECTIONS:
        return _SECTIONS.index(entry.equation), 0
    match = re.fullmatch(r"(?:([2-5])\.|(A))(\d+)", entry.equation)
    if match is None:
        raise ValueError(f"claim {entry.id}: no equation or section of the paper is called {entry.equation!r}")
    return _SECTIONS.index(match[1] or match[2]), int(match[3])


def summary(records: Iterable[Record]) -> str:
    """Return a Markdown table that counts the findings by part of the paper, and its sum."""
    parts = {
        "2": "II: response",
        "3": "III: absorption",
        "4": "IV: renormalization",
        "5": "V: dipoles",
        "A": "appendix",
    }
    names = {"sec. I": "I", "table": "IV: table", "fig. 1": "IV: figure 1", "sec. V": parts["5"], "sec. VI": "VI"}
    counts: dict[str, Counter[str]] = {}
    for record in records:
        name = names.get(record.equation) or parts[record.equation[0]]
        counts.setdefault(name, Counter())[record.finding] += 1
    counts["all"] = sum(counts.values(), Counter())
    lines = ["| part of the paper | claims | " + " | ".join(FINDINGS) + " |", "|---" * (2 + len(FINDINGS)) + "|"]
    for name, found in counts.items():
        cells = (name, found.total(), *(found[finding] for finding in FINDINGS))
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def reproduce() -> Iterator[Record]:
    """Walk the paper's claims in its order, computing each as it is reached.

    Yields
    ------
    Record
        Id, equation, quantity, printed and computed number, unit, verdict, finding, note, and the test that shows a
        finding other than "stands".

    Examples
    --------
    >>> from mbfast.audit import reproduce
    >>> [record.verdict for record in reproduce() if record.id == "cutoff.temperature"]
    ['rounding']
    """
    for module in _MODULES:
        importlib.import_module(f"mbfast.audit.{module}")
    for entry in sorted(_registry.values(), key=_paper_order):
        yield entry.check()
