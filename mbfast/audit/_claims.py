"""What a claim is, how it is registered, and its verdict."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

Verdict = Literal["reproduced", "rounding", "differs"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

Finding = Literal["stands", "slip of printing", "does not follow"]
FINDINGS: tuple[Finding, ...] = get_args(Finding)

# Parts of the paper in its order (the table and figure 1 stand in its section IV), what the summary calls them, and the
# modules that register their claims.
PARTS = {
    "sec. I": ("I", "_table"),
    "2": ("II: response", "_response"),
    "3": ("III: absorption", "_absorption"),
    "4": ("IV: renormalization", "_flow"),
    "table": ("IV: table", "_table"),
    "fig. 1": ("IV: figure 1", "_table"),
    "sec. V": ("V: dipoles", "_dipoles"),
    "5": ("V: dipoles", "_dipoles"),
    "sec. VI": ("VI", "_table"),
    "A": ("appendix", "_appendix"),
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
    """A number as printed.

    Parameters
    ----------
    text : str
        ``-4.38`` or ``1.62e-3``, with ``~`` in front where the paper says so.

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


class Computed(NamedTuple):
    """What a claim's function returns.

    Attributes
    ----------
    value : float
        The number, in the unit of the claim.
    note : str
        One line on how it comes about, or why it differs.
    """

    value: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """What makes claims differ, one reason for one or many of them.

    Parameters
    ----------
    name : str
        A few words; findings are counted by it.
    flaw : {"slip", "unfounded"}
        A slip of printing, rounding or arithmetic leaves the argument intact. An unfounded claim does not follow from
        the paper's own Hamiltonian or numbers.
    test : str
        What shows it without the audit, as ``tests/test_x.py::test_y``.
    reason : str
        A sentence or two. ``%(id)FORMAT`` in it stands for the number computed for the claim of that id.
    """

    name: str
    flaw: Literal["slip", "unfounded"]
    test: str
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of the paper that can be checked by a number; `claim` says what the fields are."""

    id: str
    equation: str
    quantity: str
    printed: str | None
    unit: str
    compute: Callable[[], Computed]
    cause: Cause | None = None
    test: str = ""

    def __post_init__(self) -> None:
        """Refuse an equation that is not there, and a test that shows nothing."""
        place(self.equation)
        if self.cause is None and self.test:
            raise ValueError(f"claim {self.id}: a test shows a cause, and none is given")

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
        cause = self.cause if verdict == "differs" else None
        if verdict == "differs":
            finding = "slip of printing" if cause is not None and cause.flaw == "slip" else "does not follow"
        known = (self.id, self.equation, self.quantity, printed, value, self.unit)
        return Record(*known, verdict, finding, cause, note, self.test)


@dataclass(frozen=True, slots=True)
class Record:
    """A checked claim.

    Attributes
    ----------
    id, equation, quantity, unit, test : str
        As `claim` takes them.
    printed : Printed or None
        None where the claim is an identity.
    computed : float
        The number by mbfast, in the same unit; of an identity, the largest relative deviation.
    verdict : {"reproduced", "rounding", "differs"}
        How the two compare.
    finding : {"stands", "slip of printing", "does not follow"}
        What follows.
    cause : Cause or None
        None where the claim stands.
    note : str
        One line on how the number comes about, or why it differs.
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
        plain = {
            "printed": None if self.printed is None else self.printed.value,
            "cause": None if self.cause is None else self.cause.name,
        }
        return {field.name: plain.get(field.name, getattr(self, field.name)) for field in fields(self)}


registry: dict[str, Claim] = {}

_Function = Callable[..., Computed]


def claim(
    id: str,  # noqa: A002
    equation: str,
    quantity: str,
    *,
    printed: str | None = None,
    unit: str = "",
    cause: Cause | None = None,
    test: str = "",
    over: Iterable[Mapping[str, Any]] = ({},),
) -> Callable[[_Function], _Function]:
    """Register the decorated function as the computation of one claim, or of several.

    Parameters
    ----------
    id : str
        A new name. What stands in braces is filled in from the row of `over`, as by `str.format`.
    equation : str
        "3.5", "A16", or a part without numbered equations: "table", "fig. 1", "sec. I", "sec. V", "sec. VI".
    quantity : str
        What is compared, with its parameters; may have braces as the id. Of an identity: of what and from what a
        relative deviation is computed.
    printed : str, optional
        The number with its printed digits, see `Printed`. Without it the claim is an identity.
    unit : str
        Of the printed and the computed number.
    cause : Cause, optional
        Why the claim differs, should it differ.
    test : str
        The test that shows it, where that is another one than the test of the cause.
    over : iterable of mapping
        One claim for each row. Entries called `quantity`, `printed`, `unit`, `cause` or `test` replace the argument
        of that name. All others fill in the braces, and the decorated function gets those that it has parameters for.

    Returns
    -------
    callable
        The decorator. It returns the function as it is.

    Raises
    ------
    ValueError
        If an id is registered already, if the paper has no such equation or section, or if a test comes without a
        cause.
    """
    common = {"quantity": quantity, "printed": printed, "unit": unit, "cause": cause, "test": test}

    def decorate(compute: _Function) -> _Function:
        for row in over:
            own = {**common, **{key: row[key] for key in common.keys() & row.keys()}}
            if own["cause"] is not None:
                own["test"] = own["test"] or own["cause"].test
            arguments = {key: value for key, value in row.items() if key not in common}
            own["quantity"] = own["quantity"].format(**arguments)
            if own["printed"] is None:
                own["quantity"] = f"relative deviation of {own['quantity']}"
            name = id.format(**arguments)
            if name in registry:
                raise ValueError(f"claim {name} is registered twice")
            wanted = {key: arguments[key] for key in inspect.signature(compute).parameters if key in arguments}
            registry[name] = Claim(name, equation, compute=partial(compute, **wanted), **own)
        return compute

    return decorate
