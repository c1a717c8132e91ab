"""A walk through the claims, in the paper's order, and the counts of what it finds."""

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from mbfast.audit._claims import FINDINGS, PARTS, Claims, Record, place, registry

_NAMES = {part.replace(" ", "").lower(): part for part in PARTS}


Functions: TypeAlias = dict[str, list[Callable[[], Claims]]]  # that yield claims, by equation


def _functions(parts: Iterable[str] = tuple(PARTS)) -> Functions:
    """Import what registers the claims of these parts, and return all that are known, in the paper's order."""
    for part in parts:
        for module in PARTS[part][1]:
            importlib.import_module(f"mbfast.audit.{module}")
    ordered = sorted((list(PARTS).index(part), number, of) for of in registry for part, number in [place(of)])
    return {of: sorted(registry[of], key=_number) for _, _, of in ordered}


def _number(function: Callable[[], Claims]) -> int:
    """Return where the module of a function stands in `PARTS`, whichever module was imported first."""
    modules = [f"mbfast.audit.{module}" for _, modules in PARTS.values() for module in modules]
    return modules.index(function.__module__)


def _chosen(equations: Iterable[str]) -> Functions:
    """Return what yields the claims of some equations, given as a reader writes them: "(3.5)", "Fig.1"."""
    wanted = {}
    for name in equations:
        plain = name.strip("() ").replace(" ", "").lower()
        wanted[_NAMES.get(plain, plain.upper())] = name
    known = _functions(PARTS.keys() & {of if of in PARTS else of[:1] for of in wanted})
    for of, name in wanted.items():
        if of not in known:
            raise ValueError(
                f"equations: the audit has no claim of {name!r}; there are claims of {', '.join(_functions())} "
                "(mbfast.guide.equations names the tests of the others)"
            )
    return {of: functions for of, functions in known.items() if of in wanted}


def reproduce(equations: Iterable[str] | None = None) -> Iterator[Record]:
    """Walk the paper's claims in its order, computing each as it is reached.

    Parameters
    ----------
    equations : iterable of str, optional
        Only the claims of these: "3.5", "A16", "table", "fig. 1", "sec. V". None: all, which takes some seconds.

    Returns
    -------
    iterator of Record
        One for each claim.

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
    chosen = _functions() if equations is None else _chosen(equations)
    return (claim.record(of) for of, functions in chosen.items() for function in functions for claim in function())


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
    | part of the paper | claims | stands | slip | causes | does not follow | causes |
    |---|---|---|---|---|---|---|
    | VI | 1 | 0 | 1 | 1 | 0 | 0 |
    | all | 1 | 0 | 1 | 1 | 0 | 0 |
    """
    parts: dict[str, list[Record]] = {}
    for record in records:
        parts.setdefault(PARTS[place(record.equation)[0]][0], []).append(record)
    parts["all"] = [record for part in parts.values() for record in part]
    lines = [f"| part of the paper | claims | {FINDINGS[0]} | {' | causes | '.join(FINDINGS[1:])} | causes |"]
    lines.append("|---" * 7 + "|")
    for name, found in parts.items():
        counts = [len(found), sum(record.finding == FINDINGS[0] for record in found)]
        for finding in FINDINGS[1:]:
            causes = [record.cause for record in found if record.finding == finding]
            counts += [len(causes), len(set(causes))]
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)
