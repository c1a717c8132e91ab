"""A walk through the claims, in the paper's order, and the counts of what it finds."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator

from mbfast.audit._claims import FINDINGS, PARTS, Claim, Record, place, registry

_ORDER = tuple(PARTS)
_NAMES = {part.replace(" ", "").lower(): part for part in PARTS}


def _claims(parts: Iterable[str]) -> list[Claim]:
    """Import what registers the claims of these parts, and return all known ones in the paper's order."""
    for part in parts:
        importlib.import_module(f"mbfast.audit.{PARTS[part][1]}")

    def order(entry: Claim) -> tuple[int, int]:
        part, number = place(entry.equation)
        return _ORDER.index(part), number

    return sorted(registry.values(), key=order)


def _chosen(equations: Iterable[str]) -> list[Claim]:
    """Return the claims of some equations, given as a reader writes them: "(3.5)", "Fig.1"."""
    wanted = {}
    for name in equations:
        plain = name.strip("() ").replace(" ", "").lower()
        wanted[_NAMES.get(plain, plain.upper())] = name
    parts = []
    for equation in wanted:
        with contextlib.suppress(ValueError):
            parts.append(place(equation)[0])
    chosen = [entry for entry in _claims(parts) if entry.equation in wanted]
    missing = [name for equation, name in wanted.items() if equation not in {entry.equation for entry in chosen}]
    if missing:
        known = ", ".join(dict.fromkeys(entry.equation for entry in _claims(_ORDER)))
        raise ValueError(
            f"equations: the audit has no claim of {missing[0]!r}; there are claims of {known} "
            "(mbfast.guide.equations names the tests of the others)"
        )
    return chosen


def reproduce(equations: Iterable[str] | None = None) -> Iterator[Record]:
    """Walk the paper's claims in its order, computing each as it is reached.

    Parameters
    ----------
    equations : iterable of str, optional
        Only the claims of these: "3.5", "A16", "table", "fig. 1", "sec. V". Without it all claims are computed, which
        takes some seconds.

    Returns
    -------
    iterator of Record
        Id, equation, quantity, printed and computed number, unit, verdict, finding, cause, note, and the test that
        shows a finding other than "stands".

    Raises
    ------
    TypeError
        If `equations` is one text instead of several.
    ValueError
        If the audit has no claim of one of `equations`; the message lists what there is.

    Examples
    --------
    >>> from mbfast.audit import reproduce
    >>> [record.id for record in reproduce(["fig. 1"]) if record.verdict == "differs"]
    ['fit13.slope', 'fit13.r']
    """
    if isinstance(equations, str):
        raise TypeError(f"equations must be a list of names, got the text {equations!r}")
    entries = _claims(_ORDER) if equations is None else _chosen(equations)
    return (entry.check() for entry in entries)


def summary(records: Iterable[Record]) -> str:
    """Return a Markdown table that counts the findings by part of the paper, and their sum.

    Parameters
    ----------
    records : iterable of Record
        As `reproduce` makes them.

    Returns
    -------
    str
        Findings other than "stands" are counted twice: by claims, and by distinct causes. A cause that is at work in
        two parts counts in both, and once in the last line.

    Examples
    --------
    >>> from mbfast.audit import reproduce, summary
    >>> print(summary(reproduce(["sec. VI"])))
    | part of the paper | claims | stands | slip of printing | causes | does not follow | causes |
    |---|---|---|---|---|---|---|
    | VI | 1 | 0 | 1 | 1 | 0 | 0 |
    | all | 1 | 0 | 1 | 1 | 0 | 0 |
    """
    parts: dict[str, list[Record]] = {}
    for record in records:
        parts.setdefault(PARTS[place(record.equation)[0]][0], []).append(record)
    parts["all"] = [record for part in parts.values() for record in part]
    heading = ["part of the paper", "claims", FINDINGS[0]]
    for finding in FINDINGS[1:]:
        heading += [finding, "causes"]
    lines = [heading, ["---"] * len(heading)]
    for name, found in parts.items():
        cells = [name, str(len(found)), str(sum(record.finding == FINDINGS[0] for record in found))]
        for finding in FINDINGS[1:]:
            flawed = [record for record in found if record.finding == finding]
            cells += [str(len(flawed)), str(len({record.cause for record in flawed}))]
        lines.append(cells)
    text = ["| " + " | ".join(cells) + " |" for cells in lines]
    text[1] = "|---" * len(heading) + "|"
    return "\n".join(text)
