"""What a claim is, how it is registered, and its verdict."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args

Verdict = Literal["reproduced", "rounding", "differs"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

Finding = Literal["stands", "slip", "does not follow"]
FINDINGS: tuple[Finding, ...] = get_args(Finding)

# Parts of the paper in its order (the table and figure 1 stand in its section IV), what the summary calls them, and the
# modules that register their claims, in the order in which those of one equation are walked through.
PARTS = {
    "sec. I": ("I", ("_table",)),
    "2": ("II: response", ("_response",)),
    "3": ("III: absorption", ("_absorption", "_superblock", "_disordered")),
    "4": ("IV: renormalization", ("_flow", "_strain")),
    "table": ("IV: table", ("_table",)),
    "fig. 1": ("IV: figure 1", ("_table",)),
    "sec. V": ("V: dipoles", ("_dipoles",)),
    "5": ("V: dipoles", ("_dipoles",)),
    "sec. VI": ("VI", ("_table",)),
    "A": ("appendix", ("_appendix",)),
}

# Rounding errors of the identities; some take derivatives by differences of high order.
_NO_DEVIATION = 1e-10


def place(equation: str) -> tuple[str, int]:
    """Return the part of the paper in which an equation stands, and its number there."""
    if equation in PARTS:
        return equation, 0
    match = re.fullmatch(r"(?:([2-5])\.|(A))(\d+)", equation)
    if match is None:
        raise ValueError(f"no equation or section of the paper is called {equation!r}")
    return match[1] or match[2], int(match[3])


@dataclass(frozen=True, slots=True)
class Printed:
    """A number as printed, ``-4.38`` or ``1.62e-3``, with ``~`` in front where the paper says so.

    Examples
    --------
    >>> from mbfast.audit import Printed
    >>> Printed("1.62e-3").verdict(1.6216e-3), Printed("~10").verdict(40.0)
    ('rounding', 'differs')
    """

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


@dataclass(frozen=True, slots=True)
class Cause:
    """What makes claims differ, one reason for one or many of them.

    Findings are counted by its `name`, a few words that the page of findings explains. A slip, of printing, rounding,
    arithmetic or a factor, leaves the argument intact; an unfounded claim does not follow from the paper's own
    Hamiltonian or numbers. `test` shows it without the audit: ``tests/test_x.py::test_y``.
    """

    name: str
    flaw: Literal["slip", "unfounded"]
    test: str


@dataclass(frozen=True, slots=True)
class Record:
    """A claim that is compared with what is computed.

    Attributes
    ----------
    id, equation, quantity : str
        Which claim it is, where it stands, and what is compared: of an identity, a relative deviation.
    printed, computed, unit : Printed or None, float, str
        The two numbers and their unit; of an identity None, and the largest relative deviation.
    verdict, finding : {"reproduced", "rounding", "differs"}, {"stands", "slip", "does not follow"}
        How the two compare, and what follows.
    cause, note, test : Cause or None, str, str
        Why it differs, None where it stands; one line on that, or on how the number comes about; the test that shows
        why it differs, empty where it stands.
    """

    id: str
    equation: str
    quantity: str
    printed: Printed | None
    computed: float
    unit: str
    verdict: Verdict
    finding: Finding
    cause: Cause | None
    note: str
    test: str

    @property
    def relative_difference(self) -> float | None:
        """computed/printed - 1, None where nothing or zero is printed."""
        if self.printed is None or self.printed.value == 0.0:
            return None
        return self.computed / self.printed.value - 1

    def as_dict(self) -> dict[str, str | float | None]:
        """Return the fields by name, the printed number and the name of the cause: what ``--json`` writes."""
        printed, cause = self.printed, self.cause
        plain = {"printed": printed.value if printed else None, "cause": cause.name if cause else None}
        return {field.name: plain.get(field.name, getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of the paper that is checked by a number: what a function under `claims_of` yields."""

    id: str  # a name that no other claim has
    quantity: str  # what is compared; of an identity, of what and from what a relative deviation is computed
    printed: str | None  # the number with its printed digits, see `Printed`; None for an identity
    computed: float
    note: str = ""
    cause: Cause | None = None  # why the claim differs, should it differ
    unit: str = ""
    test: str = ""  # what shows it, where that is another test than the one of the cause

    def record(self, equation: str) -> Record:
        """Compare the two numbers of this claim, which stands in an equation of the paper."""
        computed, quantity, printed = float(self.computed), self.quantity, None
        if self.printed is not None:
            printed = Printed(self.printed)
            verdict = printed.verdict(computed)
        else:
            quantity = f"relative deviation of {quantity}"
            verdict = "reproduced" if abs(computed) <= _NO_DEVIATION else "differs"
        known = (self.id, equation, quantity, printed, computed, self.unit, verdict)
        if verdict != "differs":
            return Record(*known, "stands", None, self.note, "")
        if self.cause is None:
            return Record(*known, "does not follow", None, self.note, self.test)
        finding: Finding = "slip" if self.cause.flaw == "slip" else "does not follow"
        return Record(*known, finding, self.cause, self.note, self.test or self.cause.test)


Claims: TypeAlias = Iterator[Claim]

registry: dict[str, list[Callable[[], Claims]]] = {}


def claims_of(equation: str) -> Callable[[Callable[[], Claims]], Callable[[], Claims]]:
    """Register the decorated function: it yields claims of "3.5", "A16", "table", "fig. 1", "sec. V".

    Several functions may do so for one equation; their module stands in `PARTS`.
    """
    place(equation)

    def decorate(function: Callable[[], Claims]) -> Callable[[], Claims]:
        registry.setdefault(equation, []).append(function)
        return function

    return decorate
