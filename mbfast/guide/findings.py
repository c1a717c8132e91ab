"""Findings about the paper: what stands, what is a slip of printing, and what does not follow.

The paper is D. Zhou and A. J. Leggett, arXiv:1510.05528. ``mbfast reproduce`` recomputes what it prints, claim by
claim, and compares. ``python -m mbfast.guide.findings --write`` makes this page of the same records, and a test holds
it to them. `mbfast.guide.equations` goes through the paper equation by equation.

A claim "stands", is a "slip of printing" (of rounding, of arithmetic) that leaves the argument intact, or "does not
follow" from the paper's own Hamiltonian or numbers. Claims that differ are counted twice: one by one, and by their
distinct causes. A cause that is at work in two parts of the paper counts in both, and once in the last line.

| part of the paper | claims | stands | slip of printing | causes | does not follow | causes |
|---|---|---|---|---|---|---|
| I | 2 | 2 | 0 | 0 | 0 | 0 |
| II: response | 5 | 4 | 1 | 1 | 0 | 0 |
| III: absorption | 20 | 6 | 1 | 1 | 13 | 2 |
| IV: renormalization | 22 | 6 | 9 | 3 | 7 | 4 |
| IV: table | 39 | 37 | 2 | 2 | 0 | 0 |
| IV: figure 1 | 4 | 2 | 2 | 2 | 0 | 0 |
| V: dipoles | 12 | 4 | 5 | 3 | 3 | 2 |
| VI | 1 | 0 | 1 | 1 | 0 | 0 |
| appendix | 5 | 3 | 2 | 2 | 0 | 0 |
| all | 110 | 64 | 23 | 12 | 23 | 7 |

What stands
-----------

- The 26 ratios of the table follow from its couplings and velocities.
- The fit of 10 glasses is reproduced: its slope is 1.061 and its correlation 0.745.
- Im χ from levels, (2.9)-(2.12), obeys its sum rules and detailed balance, and (2.2) is its case of two levels.
- Λ (2.15) is half the second derivative of Kelvin's Green function, and the appendix derives it.
- The 1/ρc_a² of (3.7) is the Fourier transform of Λ with the field of a block at itself: δχ_a = -χ_a²/ρc_a², once.
- Re χ̃ ~ ln(ω_c/ω) in (4.3) is right but for the factor 2/π of its definition.
- (4.5) with the printed v gives c_l/c_t, exactly.

What does not follow
--------------------

**brackets of Joffrin and Levelut's tensor**: The brackets of (3.5) are those of half the Λ of Joffrin and Levelut (A1),
which the appendix corrects. From the corrected (2.15) they are 55 - 88α + 172α² + 44(1 - α)²x and 35 - 56α + 164α² +
28(1 - α)²x.

- (3.5) bracket, longitudinal: α^1: printed 176, computed -88
- (3.5) bracket, longitudinal: α^2: printed 688, computed 172
- (3.5) bracket, longitudinal: α^1 x: printed 176, computed -88
- (3.5) bracket, longitudinal: α^2 x: printed 176, computed 44
- (3.5) bracket, transverse: α^1: printed 112, computed -56
- (3.5) bracket, transverse: α^2: printed 656, computed 164
- (3.5) bracket, transverse: α^1 x: printed 112, computed -56
- (3.5) bracket, transverse: α^2 x: printed 112, computed 28
- shown by `tests/test_angular.py::test_the_printed_brackets_are_those_of_joffrin_and_levelut`

**ln N0 in place of sums that converge**: The summand of (3.5) falls as x^-6, so its sum over blocks converges, to 8.40
per block. That of (3.7) is bounded, because Λ averages to zero over directions. Neither grows as ln N0: between N0 = 8
and 64 they grow by factors of 1.18 and 1.10. All scales together add (5 + 4α)/15 of χ²/ρc_t² (transverse, 0.49 for
silica), waves longer than the super block nearly nothing.

- (3.5) growth of the sum over blocks, N0 = 8 to 64: printed 2.00, computed 1.182
- (3.7) growth of the sum over blocks, N0 = 8 to 64, longitudinal: printed 2.00, computed 1.101
- (3.7) growth of the sum over blocks, N0 = 8 to 64, transverse: printed 2.00, computed 1.101
- (3.7) -δχ ρc²/χ² by the interaction at all scales, a-SiO2, longitudinal: printed ~20, computed 0.5227
- (3.7) -δχ ρc²/χ² by the interaction at all scales, a-SiO2, transverse: printed ~20, computed 0.4855
- shown by `tests/test_lattice_sums.py::test_lattice_sums_converge_to_the_known_ones`,
  `tests/test_findings.py::test_phase_sums_do_not_grow_as_a_logarithm`,
  `tests/test_flow.py::test_sum_over_all_pairs_is_bounded`

**|Re χ̃|/ρc² left out of (4.2)**: What the interaction adds over all scales is 2 ln(R/L_1)|Re χ̃|/ρc² of what the flow
starts from: 0.25 for silica, not about 20. (4.5) neglects the larger of the two terms.

- (4.2) v log_N0(R/L_1)/ε(L_1), a-SiO2, 1e7 rad/s: printed ~20, computed 0.2482
- shown by `tests/test_findings.py::test_what_flows_is_smaller_than_what_it_starts_from`

**ω_c in place of the integral over Ω**: For a constant Im χ̃ the integral of (3.5) and (5.8) is (ω + 2k_BT/ħ)(Im χ̃)²,
far below ω_c: of the (Im χ̃)²ω_c that (4.3) and (5.9) put in its place it is 1e-08 at T = 0 and 2.6e-04 at 1 K, for ω =
1e7 and ω_c = 1e15 rad/s. The estimate holds to a factor of two where k_BT is ħω_c or more. The terms it estimates are
smaller still, as the argument needs.

- (4.3) ∫Im χ̃ Im χ̃ dΩ in units of (Im χ̃)² ω_c, ω = 1e7, ω_c = 1e15 rad/s, T = 0 K: printed ~1, computed 1e-08
- (4.3) ∫Im χ̃ Im χ̃ dΩ in units of (Im χ̃)² ω_c, ω = 1e7, ω_c = 1e15 rad/s, T = 1 K: printed ~1, computed 0.0002619
- (4.3) ε(2)/v at L_1 in units of the estimate, 1e7 rad/s, 1 K: printed ~1, computed 2.943e-05
- (5.9) ε_dipole/v at L_1 in units of the estimate, BK7, 1e7 rad/s, 1 K: printed ~1, computed 1.02e-06
- shown by `tests/test_findings.py::test_integral_of_constant_susceptibilities`

**the self-consistent ratio repels**: The renormalization as printed, with v following χ̃, is χ → χ - ln N0 χ²/ρc² of an
analytic function, or χ/(1 + χ ln(L/L_1)/ρc²) for small steps. It keeps the ratio c_l/c_t where it is given, and
otherwise moves away from it: from 0.8 of c_l/c_t at 50 Å to 0.78 of it at 1 mm.

- (4.5) sqrt(Im χ̃_l/Im χ̃_t) c_t/c_l at 1 mm, a-SiO2, from 0.8 at 50 Å, 1e7 rad/s: printed 1.00, computed 0.7789
- shown by `tests/test_flow.py::test_the_printed_flow_leaves_the_self_consistent_ratio`

**(4.5) without the sum over blocks**: With the sum over blocks, and the stresses that strains induce, (4.5) gives
γ_l/γ_t = ((40 - 32α)/(35 - 44α))^½ instead of c_l/c_t: 1.48 for silica, a slope of 1.19 for the 10 glasses. With
stresses χ_a ê of the strain's own shape the slope is 0.63.

- (4.5) slope, 10 glasses, v from the sum of Λ ê ê cos, stress χ_a ê: printed 1.061, computed 0.625
- (4.5) slope, 10 glasses, v from the sum with the stresses induced: printed 1.061, computed 1.187
- shown by `tests/test_findings.py::test_slopes_of_ratios_from_sums_over_blocks`

**squares of Δμ and Δp added**: 94 and 53 are squares of Δμ and Δp added, Δp of transverse waves by the symmetric
strain. Added before squaring, with Δp by (5.4), so that a rotation costs no energy, they are 46 and 32.

- (5.8) coefficient, longitudinal: printed 94, computed 46
- (5.8) coefficient, transverse: printed 53, computed 32
- shown by `tests/test_angular.py::test_which_choices_give_94_and_53`

Slips of printing
-----------------

**misprint in (2.17)**: A bracket closes before its last δ_jk instead of behind it, and the prefactor -1/(8πρc_t²) is
missing. Mended, the formula is the derivative of Λ.

- (2.17) relative deviation of printed braces from the derivative of Λ: computed 2
- shown by `tests/test_findings.py::test_printed_change_of_the_stress_tensor`

**factor of (3.5)**: The golden rule gives 3 times the printed 1/(40π³), with S_6, the sum of (L/x)⁶ per block, in place
of ln N0.

- (3.5) 40π³ times the factor of the bracket: printed 1, computed 3
- shown by `tests/test_findings.py::test_golden_rule_of_pairs_of_stresses`

**ln(R/L_1) taken as 20**: From 50 Å to 1 mm it is 12.2; 20 would need a sample of some metres.

- (4.2) ln(R/L_1), R = 1 mm, L_1 = 50 Å: printed ~20, computed 12.21
- shown by `tests/test_findings.py::test_logarithm_of_the_scales`

**1.7 Å belongs to no glass**: (4.4) with ρc_t², ω = 1e7 and ω_c = 1e15 rad/s gives 0.54 Å to 1.34 Å for the glasses
whose density we could source. 1.7 Å needs a modulus of 1.2 GPa. It is an upper limit, as the paper says.

- (4.4) L_c, a-SiO2, ω = 1e7, ω_c = 1e15 rad/s: printed ~1.7, computed 0.5648 Å
- (4.4) L_c, BK7, ω = 1e7, ω_c = 1e15 rad/s: printed ~1.7, computed 0.5406 Å
- (4.4) L_c, As2S3, ω = 1e7, ω_c = 1e15 rad/s: printed ~1.7, computed 0.9433 Å
- (4.4) L_c, SF4, ω = 1e7, ω_c = 1e15 rad/s: printed ~1.7, computed 0.6199 Å
- (4.4) L_c, SF59, ω = 1e7, ω_c = 1e15 rad/s: printed ~1.7, computed 0.6283 Å
- (4.4) L_c, PMMA, ω = 1e7, ω_c = 1e15 rad/s: printed ~1.7, computed 1.253 Å
- (4.4) L_c, PS, ω = 1e7, ω_c = 1e15 rad/s: printed ~1.7, computed 1.343 Å
- shown by `tests/test_findings.py::test_cutoff_lengths`

**L_c of the estimate, not of the terms**: From the printed terms themselves L_c is 0.02 Å at 1 K for silica, and for
dipoles 0.025 Å (BK7) and 0.0011 Å (SiO2). The lengths of (4.4) and (5.10) are upper limits, and need k_BT ~ ħω_c.

- (4.4) L_c at which ε(2) + ε(3) = v, a-SiO2, 1e7 rad/s, 1 K: printed ~1.7, computed 0.01807 Å
- (5.10) L_c at which the dipoles' absorption is v, BK7, 1e7 rad/s, 1 K: printed ~10, computed 0.02538 Å
- (5.10) L_c at which the dipoles' absorption is v, SiO2, 1e7 rad/s, 1 K: printed ~10, computed 0.00115 Å
- shown by `tests/test_findings.py::test_length_at_which_the_terms_are_equal`

**rounded and unrounded ratios mixed**: The deviation of V52 does not follow from the two ratios beside it: it needs the
unrounded c_l/c_t over the printed γ_l/γ_t. The correlation of 13 glasses needs the printed deviations in place of the
printed c_l/c_t.

- (table) V52: (theo-exp)/exp: printed 10.4, computed 10.18 %
- (fig. 1) correlation, 13 glasses: printed 0.261, computed 0.2604
- shown by `tests/test_findings.py::test_printed_deviations`, `tests/test_findings.py::test_fits_of_the_printed_ratios`

**digits cut off instead of rounded**: The deviation of a-Se is 6.145 % by the two ratios beside it, and the slope of 13
glasses 1.1027. Both are printed with their last digits cut off.

- (table) a-Se: (theo-exp)/exp: printed 6.14, computed 6.145 %
- (fig. 1) slope, 13 glasses: printed 1.102, computed 1.103
- shown by `tests/test_findings.py::test_printed_deviations`, `tests/test_findings.py::test_fits_of_the_printed_ratios`

**factor of (5.8)**: The golden rule gives 1/(80π³), which is 3.82 times the printed 1/(960π²), with S_6 in place of ln
N0.

- (5.8) 960π² times the factor of the coefficient: printed 1, computed 3.82
- shown by `tests/test_findings.py::test_golden_rule_of_pairs_of_dipoles`

**10 Å by another system of units**: (5.10) gives 2.5 Å (BK7) and 0.11 Å (SiO2) with the numbers as printed, 14 Å and
0.62 Å with the 4π of their Gaussian units; the paper says about 10 Å.

- (5.10) L_c of dipoles, BK7, ω = 1e7, ω_c = 1e15 rad/s: printed ~10, computed 2.518 Å
- (5.10) L_c of dipoles, SiO2, ω = 1e7, ω_c = 1e15 rad/s: printed ~10, computed 0.1143 Å
- shown by `tests/test_findings.py::test_cutoff_lengths`

**slope upside down**: 1.061 is the slope of c_l/c_t against γ_l/γ_t. The conclusion states it as that of γ_l/γ_t
against c_l/c_t, which is 0.94.

- (sec. VI) s in γ_l/γ_t = s c_l/c_t, 10 glasses: printed 1.06, computed 0.9392
- shown by `tests/test_findings.py::test_fits_of_the_printed_ratios`

**misprint in (A4)**: A unit vector cannot be orthogonal to itself: e_t1·e_t2 = 0 is meant.

- (A4) e_t1·e_t1: printed 0, computed 1
- shown by `tests/test_findings.py::test_transverse_polarizations`

**misprint in (A5)**: q_j e_j + q_j e_i is printed where q_j e_i + q_i e_j is meant; with that the coupling holds.

- (A5) relative deviation of coupling of (A5) from Σ e T with the strain of (A3): computed 0.01251
- shown by `tests/test_findings.py::test_printed_coupling_to_waves`

Ratios of the 13 glasses
------------------------

These are γ_l/γ_t from the couplings and c_l/c_t from the sound velocities of the table, unrounded, as in figure 1
(``mbfast ratio``). The audit's fits take the printed, rounded ratios, as the paper does.

| glass | γ_l/γ_t | c_l/c_t | (theo-exp)/exp |
|---|---|---|---|
| a-SiO2 | 1.600 | 1.526 | -4.6 % |
| BK7 | 1.477 | 1.632 | +10.5 % |
| As2S3 | 1.529 | 1.849 | +20.9 % |
| LaSF-7 | 1.587 | 1.567 | -1.3 % |
| SF4 | 1.500 | 1.688 | +12.5 % |
| SF59 | 1.571 | 1.729 | +10.0 % |
| V52 | 1.673 | 1.844 | +10.2 % |
| BALNA | 1.667 | 1.870 | +12.2 % |
| LAT | 1.738 | 1.707 | -1.8 % |
| a-Se | 1.786 | 1.905 | +6.7 % |
| Zn-Glass | 1.842 | 2.000 | +8.6 % |
| PMMA | 1.444 | 2.006 | +38.9 % |
| PS | 1.538 | 1.867 | +21.3 % |
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from mbfast.audit import Record, reproduce, summary
from mbfast.glasses import load_glasses
from mbfast.meissner_berret import meissner_berret_ratio

_HEADER = """\
Findings about the paper: what stands, what is a slip of printing, and what does not follow.

The paper is D. Zhou and A. J. Leggett, arXiv:1510.05528. ``mbfast reproduce`` recomputes what it prints, claim by
claim, and compares. ``python -m mbfast.guide.findings --write`` makes this page of the same records, and a test holds
it to them. `mbfast.guide.equations` goes through the paper equation by equation.

A claim "stands", is a "slip of printing" (of rounding, of arithmetic) that leaves the argument intact, or "does not
follow" from the paper's own Hamiltonian or numbers. Claims that differ are counted twice: one by one, and by their
distinct causes. A cause that is at work in two parts of the paper counts in both, and once in the last line."""

_STANDS = (
    "The 26 ratios of the table follow from its couplings and velocities.",
    "The fit of 10 glasses is reproduced: its slope is %(fit10.slope).3f and its correlation %(fit10.r).3f.",
    "Im χ from levels, (2.9)-(2.12), obeys its sum rules and detailed balance, and (2.2) is its case of two levels.",
    "Λ (2.15) is half the second derivative of Kelvin's Green function, and the appendix derives it.",
    "The 1/ρc_a² of (3.7) is the Fourier transform of Λ with the field of a block at itself: δχ_a = -χ_a²/ρc_a², once.",
    "Re χ̃ ~ ln(ω_c/ω) in (4.3) is right but for the factor 2/π of its definition.",
    "(4.5) with the printed v gives c_l/c_t, exactly.",
)

_RATIOS = """\
These are γ_l/γ_t from the couplings and c_l/c_t from the sound velocities of the table, unrounded, as in figure 1
(``mbfast ratio``). The audit's fits take the printed, rounded ratios, as the paper does."""


def page(records: Iterable[Record] | None = None) -> str:
    """Return this page as the records say it.

    Parameters
    ----------
    records : iterable of Record, optional
        All records of `mbfast.audit.reproduce`. They are computed where they are not given.

    Returns
    -------
    str
        Markdown.

    Raises
    ------
    KeyError
        If `records` lacks a claim whose number the page gives.

    Examples
    --------
    >>> from mbfast.guide import findings
    >>> findings.page([])
    Traceback (most recent call last):
        ...
    KeyError: 'fit10.slope'
    """
    found = list(reproduce() if records is None else records)
    values = {record.id: record.computed for record in found}
    parts = [_HEADER, summary(found), _heading("What stands")]
    parts.append("\n".join(_filled(f"- {text}", values, indent="  ") for text in _STANDS))
    for finding, heading in (("does not follow", "What does not follow"), ("slip of printing", "Slips of printing")):
        parts.append(_heading(heading))
        flawed = [record for record in found if record.finding == finding]
        for cause in dict.fromkeys(record.cause for record in flawed if record.cause is not None):
            parts.append(_filled(f"**{cause.name}**: {cause.reason}", values))
            parts.append(_claims([record for record in flawed if record.cause == cause]))
    parts += [_heading("Ratios of the 13 glasses"), _RATIOS, _table_of_ratios()]
    return "\n\n".join(parts) + "\n"


def _heading(text: str) -> str:
    return f"{text}\n{'-' * len(text)}"


def _filled(text: str, values: dict[str, float] | None = None, indent: str = "") -> str:
    whole = text if values is None else text % values
    return textwrap.fill(whole, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _claims(records: list[Record]) -> str:
    """List claims, and the tests that show them."""
    lines = []
    for record in records:
        printed = "" if record.printed is None else f"printed {record.printed.text}, "
        lines.append(
            _filled(f"- ({record.equation}) {record.quantity}: {printed}computed {record.computed:.4g} {record.unit}")
        )
    tests = ", ".join(f"`{test}`" for test in dict.fromkeys(record.test for record in records))
    return "\n".join([*lines, _filled(f"- shown by {tests}", indent="  ")])


def _table_of_ratios() -> str:
    lines = ["| glass | γ_l/γ_t | c_l/c_t | (theo-exp)/exp |", "|---|---|---|---|"]
    for glass in load_glasses():
        measured = float(meissner_berret_ratio(gamma_l=glass.gamma_l, gamma_t=glass.gamma_t))
        predicted = float(meissner_berret_ratio(c_l=glass.c_l, c_t=glass.c_t))
        lines.append(f"| {glass.name} | {measured:.3f} | {predicted:.3f} | {100 * (predicted / measured - 1):+.1f} % |")
    return "\n".join(lines)


def main() -> None:
    """Print the page, or with ``--write`` store it as the docstring of this module."""
    text = page()
    if sys.argv[1:] != ["--write"]:
        sys.stdout.write(text)
        return
    file = Path(__file__)
    _, _, code = file.read_text(encoding="utf-8").split('"""', 2)
    file.write_text(f'"""{text}"""{code}', encoding="utf-8")


if __name__ == "__main__":
    main()
