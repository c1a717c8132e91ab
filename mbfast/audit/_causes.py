"""Why claims differ, one cause for one or many of them; `mbfast.guide.findings` says in words what each is."""

from functools import partial
from typing import Literal

from mbfast.audit._claims import Cause


def _cause(flaw: Literal["slip", "unfounded"], name: str, test: str, file: str = "test_findings.py") -> Cause:
    return Cause(name, flaw, f"tests/{file}::{test}")


_slip, _unfounded = partial(_cause, "slip"), partial(_cause, "unfounded")

# The table, figure 1, and what the text says of them
CUT_OFF = _slip("digits cut off instead of rounded", "test_fits_of_the_printed_ratios")
MIXED = _slip("rounded and unrounded ratios mixed", "test_fits_of_the_printed_ratios")
INVERTED = _slip("slope upside down", "test_fits_of_the_printed_ratios")

# Misprints and factors
MISPRINT_2_17 = _slip("misprint in (2.17)", "test_printed_change_of_the_stress_tensor")
MISPRINT_A4 = _slip("misprint in (A4)", "test_transverse_polarizations")
MISPRINT_A5 = _slip("misprint in (A5)", "test_printed_coupling_to_waves")
FACTOR_3_5 = _slip("factor of (3.5)", "test_golden_rule_of_pairs_of_stresses")
FACTOR_5_8 = _slip("factor of (5.8)", "test_golden_rule_of_pairs_of_dipoles")

# Sections III and IV
BRACKETS = _unfounded(
    "brackets of Joffrin and Levelut's tensor",
    "test_the_printed_brackets_are_those_of_joffrin_and_levelut",
    file="test_angular.py",
)
LOGARITHM = _unfounded("ln N0 in place of sums that converge", "test_phase_sums_do_not_grow_as_a_logarithm")
DEGENERATE = _unfounded(
    "(3.2) without its zero denominators",
    "test_levels_of_equal_blocks_shift_to_first_order",
    file="test_perturbation_findings.py",
)
NEIGHBOURS = _unfounded(
    "mean stresses of the neighbours left out",
    "test_mean_stresses_of_neighbours_are_first_order_and_average_to_zero",
    file="test_perturbation_findings.py",
)
SECOND_ORDER = _unfounded(
    "second order of the interaction left out",
    "test_of_a_pair_second_order_is_what_its_levels_say",
    file="test_perturbation_findings.py",
)
LOG_SCALE = _slip("ln(R/L_1) taken as 20", "test_logarithm_of_the_scales")
RE_CHI = _unfounded("|Re χ̃|/ρc² left out of (4.2)", "test_what_flows_is_smaller_than_what_it_starts_from")
INTEGRAL = _unfounded("ω_c in place of the integral over Ω", "test_integral_of_constant_susceptibilities")
STRESS_LENGTH = _slip("arithmetic of the bound 1.7 Å", "test_cutoff_lengths")
REPELS = _unfounded(
    "the self-consistent ratio repels where Re χ̃ < 0",
    "test_the_printed_flow_leaves_the_self_consistent_ratio",
    file="test_flow.py",
)
SUM_OVER_BLOCKS = _unfounded("(4.5) without the sum over blocks", "test_slopes_of_ratios_from_sums_over_blocks")
STRAIN = _unfounded("an external strain in place of the wave's", "test_ratios_by_the_strain_of_the_wave")

# Section V
SQUARES = _unfounded("squares of Δμ and Δp added", "test_which_choices_give_94_and_53", file="test_angular.py")
DIPOLE_LENGTH = _slip("10 Å by another system of units", "test_cutoff_lengths")
