"""The page of findings with what the audit computes: ``python tests/findings_page.py --write`` stores it."""

import inspect
import itertools
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from mbfast.audit import Record, reproduce, summary
from mbfast.audit._strain import best_constant, comparisons
from mbfast.glasses import load_glasses
from mbfast.guide import findings
from mbfast.renormalization.ratio import self_consistent_ratio


def page(records: Sequence[Record]) -> str:
    """Return the page of findings with the tables and claims of these records.

    A KeyError names a cause that the page explains and no record has; a ValueError names the opposite.
    """
    causes: dict[str, list[Record]] = {}
    for record in records:
        if record.cause is not None:
            causes.setdefault(record.cause.name, []).append(record)

    def paragraph(match: re.Match[str]) -> str:
        text = f"{' '.join(match[1].split())} Printed → computed: {_claims(causes.pop(match[2]))}"
        return textwrap.fill(text, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)

    pattern = r"^(- \*\*(.+?)\*\*:.+?)\sPrinted\s+→\s+computed:.+?(?=\n- |\n\n|\n\Z)"
    text = re.sub(pattern, paragraph, inspect.cleandoc(findings.__doc__) + "\n", flags=re.DOTALL | re.MULTILINE)
    if causes:
        raise ValueError(f"the page must explain the cause {min(causes)!r}")
    counts, *_, forms, glasses = re.findall(r"^\|.+?\|(?=\n[^|]|\n\Z)", text, flags=re.DOTALL | re.MULTILINE)
    made = {counts: summary(records), forms: _forms(), glasses: _glasses()}
    for table, new in made.items():
        text = text.replace(table, new)
    return text


def _glasses() -> str:
    ratios = [
        "| glass | γ_l/γ_t | c_l/c_t | (theo-exp)/exp | by the wave's strain | (theo-exp)/exp |",
        "|---|---|---|---|---|---|",
    ]
    for glass in load_glasses():
        x, y = glass.gamma_l / glass.gamma_t, glass.c_l / glass.c_t
        other = float(self_consistent_ratio(glass.c_l, glass.c_t, form="total-strain"))
        cells = (f"{z:.3f} | {100 * (z / x - 1):+.1f} %" for z in (y, other))
        ratios.append(f"| {glass.name} | {x:.3f} | {' | '.join(cells)} |")
    return "\n".join(ratios)


def _forms() -> str:
    lines = ["| v in (4.5) | glasses | slope | r | rms deviation |", "|---|---|---|---|---|"]
    for of in comparisons():
        for number, fit, rms in zip((10, 13), of.fits, of.rms, strict=True):
            lines.append(f"| {of.what} | {number} | {fit.slope:.3f} | {fit.pearson_r:.3f} | {100 * rms:.1f} % |")
    constant, of_constant = best_constant()
    for number, rms in zip((10, 13), of_constant, strict=True):
        lines.append(f"| none: {constant:.2f} for all | {number} | | | {100 * rms:.1f} % |")
    return "\n".join(lines)


def _claims(records: list[Record]) -> str:
    """Return claims in one line, each without the words that it shares with the one before, and what shows them."""
    listed, equation, before = [], "", [""]
    for record in records:
        words = record.quantity.split(", ")
        shown = f"({record.equation}) {record.quantity}"
        if record.equation == equation:
            shown = ", ".join(word for word, last in itertools.zip_longest(words, before) if word and word != last)
        printed = "" if record.printed is None else f"{record.printed.text} → "
        listed.append(f"{shown}: {printed}{record.computed:.5g} {record.unit}".strip())
        equation, before = record.equation, words
    tests = dict.fromkeys(f"`{record.test.partition('::')[2]}`" for record in records)
    return f"{'; '.join(listed)}. Shown by {', '.join(tests)}."


if __name__ == "__main__":
    found = page(list(reproduce()))
    if sys.argv[1:] == ["--write"]:
        Path(findings.__file__).write_text(f'"""{found}"""\n', encoding="utf-8")
    else:
        sys.stdout.write(found)
