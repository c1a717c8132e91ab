"""Why claims differ: one reason for one or many of them."""

from __future__ import annotations

from mbfast.audit._claims import Cause

# The table, figure 1, and what the text says of them
CUT_OFF = Cause(
    "digits cut off instead of rounded",
    "slip",
    "tests/test_findings.py::test_fits_of_the_printed_ratios",
    "The deviation of a-Se is %(table.a-Se.deviation).3f %% by the two ratios beside it, and the slope of 13 glasses "
    "%(fit13.slope).4f. Both are printed with their last digits cut off.",
)
MIXED = Cause(
    "rounded and unrounded ratios mixed",
    "slip",
    "tests/test_findings.py::test_fits_of_the_printed_ratios",
    "The deviation of V52 does not follow from the two ratios beside it: it needs the unrounded c_l/c_t over the "
    "printed γ_l/γ_t. The correlation of 13 glasses needs the printed deviations in place of the printed c_l/c_t.",
)
INVERTED = Cause(
    "slope upside down",
    "slip",
    "tests/test_findings.py::test_fits_of_the_printed_ratios",
    "1.061 is the slope of c_l/c_t against γ_l/γ_t. The conclusion states it as that of γ_l/γ_t against c_l/c_t, "
    "which is %(conclusion.slope).2f.",
)

# Misprints and factors
MISPRINT_2_17 = Cause(
    "misprint in (2.17)",
    "slip",
    "tests/test_findings.py::test_printed_change_of_the_stress_tensor",
    "A bracket closes before its last δ_jk instead of behind it, and the prefactor -1/(8πρc_t²) is missing. Mended, "
    "the formula is the derivative of Λ.",
)
MISPRINT_A4 = Cause(
    "misprint in (A4)",
    "slip",
    "tests/test_findings.py::test_transverse_polarizations",
    "A unit vector cannot be orthogonal to itself: e_t1·e_t2 = 0 is meant.",
)
MISPRINT_A5 = Cause(
    "misprint in (A5)",
    "slip",
    "tests/test_findings.py::test_printed_coupling_to_waves",
    "q_j e_j + q_j e_i is printed where q_j e_i + q_i e_j is meant; with that the coupling holds.",
)
FACTOR_3_5 = Cause(
    "factor of (3.5)",
    "slip",
    "tests/test_findings.py::test_golden_rule_of_pairs_of_stresses",
    "The golden rule gives %(eq3.5.prefactor).3g times the printed 1/(40π³), with S_6, the sum of (L/x)⁶ per block, "
    "in place of ln N0.",
)
FACTOR_5_8 = Cause(
    "factor of (5.8)",
    "slip",
    "tests/test_findings.py::test_golden_rule_of_pairs_of_dipoles",
    "The golden rule gives 1/(80π³), which is %(eq5.8.prefactor).3g times the printed 1/(960π²), with S_6 in place of "
    "ln N0.",
)

# Sections III and IV
BRACKETS = Cause(
    "brackets of Joffrin and Levelut's tensor",
    "unfounded",
    "tests/test_angular.py::test_the_printed_brackets_are_those_of_joffrin_and_levelut",
    "The brackets of (3.5) are those of half the Λ of Joffrin and Levelut (A1), which the appendix corrects. From the "
    "corrected (2.15) they are %(eq3.5.l.c0).0f - 88α + %(eq3.5.l.c2).0fα² + %(eq3.5.l.d0).0f(1 - α)²x and "
    "%(eq3.5.t.c0).0f - 56α + %(eq3.5.t.c2).0fα² + %(eq3.5.t.d0).0f(1 - α)²x.",
)
LOGARITHM = Cause(
    "ln N0 in place of sums that converge",
    "unfounded",
    "tests/test_findings.py::test_phase_sums_do_not_grow_as_a_logarithm",
    "The summand of (3.5) falls as x^-6, so its sum over blocks converges, to 8.40 per block. That of (3.7) is "
    "bounded, because Λ averages to zero over directions. Neither grows as ln N0: between N0 = 8 and 64 they grow by "
    "factors of %(eq3.5.growth).2f and %(eq3.7.growth.t).2f. All scales together add (5 + 4α)/15 of χ²/ρc_t² "
    "(transverse, %(eq3.7.total.t).2f for silica), waves longer than the super block nearly nothing.",
)
LOG_SCALE = Cause(
    "ln(R/L_1) taken as 20",
    "slip",
    "tests/test_findings.py::test_logarithm_of_the_scales",
    "From 50 Å to 1 mm it is %(rg.log_scale).1f; 20 would need a sample of some metres.",
)
RE_CHI = Cause(
    "|Re χ̃|/ρc² left out of (4.2)",
    "unfounded",
    "tests/test_findings.py::test_what_flows_is_smaller_than_what_it_starts_from",
    "What the interaction adds over all scales is 2 ln(R/L_1)|Re χ̃|/ρc² of what the flow starts from: "
    "%(eq4.2.dominance).2f for silica, not about 20. (4.5) neglects the larger of the two terms.",
)
INTEGRAL = Cause(
    "ω_c in place of the integral over Ω",
    "unfounded",
    "tests/test_findings.py::test_integral_of_constant_susceptibilities",
    "For a constant Im χ̃ the integral of (3.5) and (5.8) is (ω + 2k_BT/ħ)(Im χ̃)², far below ω_c: of the (Im χ̃)²ω_c "
    "that (4.3) and (5.9) put in its place it is %(eq4.3.integral.0K).0e at T = 0 and %(eq4.3.integral.1K).1e at 1 K, "
    "for ω = 1e7 and ω_c = 1e15 rad/s. The estimate holds to a factor of two where k_BT is ħω_c or more. The terms it "
    "estimates are smaller still, as the argument needs.",
)
STRESS_LENGTH = Cause(
    "1.7 Å belongs to no glass",
    "slip",
    "tests/test_findings.py::test_cutoff_lengths",
    "(4.4) with ρc_t², ω = 1e7 and ω_c = 1e15 rad/s gives %(cutoff.stress.BK7).2f Å to %(cutoff.stress.PS).2f Å for "
    "the glasses whose density we could source. 1.7 Å needs a modulus of 1.2 GPa. It is an upper limit, as the "
    "paper says.",
)
LENGTH_OF_TERMS = Cause(
    "L_c of the estimate, not of the terms",
    "slip",
    "tests/test_findings.py::test_length_at_which_the_terms_are_equal",
    "From the printed terms themselves L_c is %(eq4.4).2f Å at 1 K for silica, and for dipoles %(eq5.10.BK7).3f Å "
    "(BK7) and %(eq5.10.SiO2).4f Å (SiO2). The lengths of (4.4) and (5.10) are upper limits, and need k_BT ~ ħω_c.",
)
REPELS = Cause(
    "the self-consistent ratio repels",
    "unfounded",
    "tests/test_flow.py::test_the_printed_flow_leaves_the_self_consistent_ratio",
    "The renormalization as printed, with v following χ̃, is χ → χ - ln N0 χ²/ρc² of an analytic function, or χ/(1 + "
    "χ ln(L/L_1)/ρc²) for small steps. It keeps the ratio c_l/c_t where it is given, and otherwise moves away from "
    "it: from 0.8 of c_l/c_t at 50 Å to %(eq4.5.flow).2f of it at 1 mm.",
)
SUM_OVER_BLOCKS = Cause(
    "(4.5) without the sum over blocks",
    "unfounded",
    "tests/test_findings.py::test_slopes_of_ratios_from_sums_over_blocks",
    "With the sum over blocks, and the stresses that strains induce, (4.5) gives γ_l/γ_t = ((40 - 32α)/(35 - 44α))^½ "
    "instead of c_l/c_t: 1.48 for silica, a slope of %(eq4.5.derived).2f for the 10 glasses. With stresses χ_a ê of "
    "the strain's own shape the slope is %(eq4.5.phase-sum).2f.",
)

# Section V
SQUARES = Cause(
    "squares of Δμ and Δp added",
    "unfounded",
    "tests/test_angular.py::test_which_choices_give_94_and_53",
    "94 and 53 are squares of Δμ and Δp added, Δp of transverse waves by the symmetric strain. Added before squaring, "
    "with Δp by (5.4), so that a rotation costs no energy, they are %(eq5.8.l).0f and %(eq5.8.t).0f.",
)
DIPOLE_LENGTH = Cause(
    "10 Å by another system of units",
    "slip",
    "tests/test_findings.py::test_cutoff_lengths",
    "(5.10) gives %(cutoff.dipole.BK7).1f Å (BK7) and %(cutoff.dipole.SiO2).2f Å (SiO2) with the numbers as printed, "
    "14 Å and 0.62 Å with the 4π of their Gaussian units; the paper says about 10 Å.",
)
