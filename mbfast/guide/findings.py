"""Findings about the paper: what stands, what is a slip, and what does not follow.

The paper is D. Zhou and A. J. Leggett, arXiv:1510.05528. ``mbfast reproduce`` recomputes and compares what it prints.
The words of this page are written by hand; its counts and its claims are what the audit gives, which a test sees to.
`mbfast.guide.equations` goes through the paper equation by equation.

A claim "stands", is a "slip" (of printing, rounding, arithmetic, or a factor) that leaves the argument intact, or
"does not follow" from the paper's own Hamiltonian or numbers. Claims that differ are counted one by one and by their
distinct causes. A cause at work in two parts of the paper counts in both, and once in the last line.

| part of the paper | claims | stands | slip | causes | does not follow | causes |
|---|---|---|---|---|---|---|
| I | 2 | 2 | 0 | 0 | 0 | 0 |
| II: response | 7 | 6 | 1 | 1 | 0 | 0 |
| III: absorption | 38 | 12 | 1 | 1 | 25 | 6 |
| IV: renormalization | 15 | 5 | 2 | 2 | 8 | 5 |
| IV: table | 39 | 37 | 2 | 2 | 0 | 0 |
| IV: figure 1 | 4 | 2 | 2 | 2 | 0 | 0 |
| V: dipoles | 10 | 4 | 3 | 2 | 3 | 2 |
| VI | 1 | 0 | 1 | 1 | 0 | 0 |
| appendix | 5 | 3 | 2 | 2 | 0 | 0 |
| all | 121 | 71 | 14 | 11 | 36 | 11 |

What stands
-----------

- The 26 ratios of the table follow from its couplings and velocities.
- The fit of 10 glasses is reproduced: its slope is 1.061 and its correlation 0.745.
- Im χ from levels, (2.9)-(2.12), obeys its sum rules and detailed balance, and (2.2) is its case of two levels.
- Λ (2.15) is half the second derivative of Kelvin's Green function, and the appendix derives it.
- The 1/ρc_a² of (3.7) is the Fourier transform of Λ with the field of a block at itself: δχ_a = -χ_a²/ρc_a², once.
- Blocks without interaction absorb as (3.4) says. In exact super blocks (3.7) as derived is one of the two parts of
  first order; the other averages to zero over stresses of both signs.
- ΔT ~ eT of (2.18) with ΔT = eT + Te is the one with which a rotation of everything costs no energy.
- Re χ̃ ~ ln(ω_c/ω) in (4.3) is right but for the factor 2/π of its definition.
- (4.5) with the printed v gives c_l/c_t, exactly.

What does not follow
--------------------

- **brackets of Joffrin and Levelut's tensor**: The brackets of (3.5) are those of half the Λ of Joffrin and Levelut
  (A1), which the appendix corrects. From the corrected (2.15) they are 55 - 88α + 172α² + 44(1 - α)²x and 35 - 56α +
  164α² + 28(1 - α)²x. Printed → computed: (3.5) bracket, longitudinal: α^1: 176 → -88; longitudinal: α^2: 688 → 172;
  longitudinal: α^1 x: 176 → -88; longitudinal: α^2 x: 176 → 44; transverse: α^1: 112 → -56; transverse: α^2: 656 → 164;
  transverse: α^1 x: 112 → -56; transverse: α^2 x: 112 → 28. Shown by
  `test_the_printed_brackets_are_those_of_joffrin_and_levelut`.
- **ln N0 in place of sums that converge**: The summand of (3.5) falls as x^-6, so its sum over blocks converges; that
  is the finding. Where to depends on what a block is: of points it is 8.40 per block, of which neighbours across faces
  make 71 %, and of cubes less. That of (3.7) is bounded, because Λ averages to zero over directions; of cubes in a
  periodic box and waves that fit into it, it is the same for each N0. Neither grows as ln N0. All scales together add
  (5 + 4α)/15 of χ²/ρc_t² (transverse), waves longer than the super block nearly nothing. Printed → computed: (3.5)
  growth of the sum over blocks, N0 = 8 to 64: 2.00 → 1.1821; (3.7) growth of the sum over blocks, N0 = 8 to 64,
  longitudinal: 2.00 → 1.1007; transverse: 2.00 → 1.1007; growth of the sum over blocks and images, waves that fit, N0 =
  8 to 64, longitudinal: 2.00 → 1; transverse: 2.00 → 1; -δχ ρc²/χ² by the interaction at all scales, a-SiO2,
  longitudinal: ~20 → 0.52266; transverse: ~20 → 0.48553; growth of all orders in random samples per external strain, N0
  = 4 to 16, longitudinal: 2.00 → 1.0385; transverse: 2.00 → 0.98411; growth of all orders in random samples per total
  strain, longitudinal: 2.00 → 0.93862; transverse: 2.00 → 0.96502; (3.8) growth of the second order per block, N0 = 2
  to 4: 2.00 → 1.6195. Shown by `test_lattice_sums_converge_to_the_known_ones`,
  `test_phase_sums_do_not_grow_as_a_logarithm`, `test_laminates_of_cubes`,
  `test_linear_derived_flows_add_up_to_all_pairs_for_any_n0`, `test_random_samples_do_not_grow_as_a_logarithm`,
  `test_second_order_grows_as_pairs_do`.
- **(3.2) without its zero denominators**: The blocks of a super block are taken to be identical. Then E_n - E_p of
  (3.2) is zero wherever a quantum has only gone to another block, and those levels shift by the interaction itself, not
  by its square. Sums over levels, with lines broad beside the interaction, have an expansion nevertheless. Printed →
  computed: (3.2) power of the interaction in what (3.2) leaves out of the levels, equal blocks: 2 → 1. Shown by
  `test_levels_of_equal_blocks_shift_to_first_order`.
- **mean stresses of the neighbours left out**: To first order, each block also has other levels and populations in the
  mean stresses of its neighbours. For a single super block that is more than (3.7). Over stresses of both signs it
  averages to zero, as the moduli of (3.7) as derived do over directions. Printed → computed: (3.8) first order that
  (3.8) leaves out, over (3.7) as derived, rms of single super blocks, N0 = 2: 0.00 → 2.9329. Shown by
  `test_mean_stresses_of_neighbours_are_first_order_and_average_to_zero`.
- **second order of the interaction left out**: What is left on average is of second order, as Ė(2) is. It takes
  absorption away at the lines of the blocks. From all pairs and triples of blocks, of chains up to 16, sheets up to 4²
  and cubes up to 4³, it is -0.32 S_6 u² of Ė(1) for blocks of one splitting, with S_6 the sum of (L/x)⁶ per block:
  pairs make it, and it converges. That is an expansion for lines broad beside the interaction; of narrow lines, or of
  rare pairs in wide distributions, it says nothing. Printed → computed: (3.8) second order that (3.8) leaves out of the
  mean absorption, over Ė(1) u², N0 = 2: 0.00 → -1.1665. Shown by `test_of_a_pair_second_order_is_what_its_levels_say`.
- **|Re χ̃|/ρc² left out of (4.2)**: What the interaction adds over all scales is 2 ln(R/L_1)|Re χ̃|/ρc² of what the
  flow starts from. For silica at 1e7 rad/s that is 0.25, with a constant C = 2.76e-4 (section V) up to ω_c = 1e15
  rad/s; as Re χ̃ is the one-sided transform of Im χ̃, it does not depend on T. With Re χ, the response's own real part,
  it is about half of that: 0.15 at 0.1 K and 0.12 at 1 K. (4.5) neglects the larger of the two terms. Printed →
  computed: (4.2) v log_N0(R/L_1)/ε(L_1), a-SiO2, 1e7 rad/s: ~20 → 0.24823. Shown by
  `test_what_flows_is_smaller_than_what_it_starts_from`.
- **ω_c in place of the integral over Ω**: For a constant Im χ̃ the integral of (3.5) and (5.8) is (ω + 2k_BT/ħ)(Im
  χ̃)², far below the (Im χ̃)²ω_c that (4.3) and (5.9) put in its place. The estimate holds to a factor of two where
  k_BT is ħω_c or more; at T = 0 it holds for ω near ω_c alone. The terms it estimates are smaller still, as the
  argument needs. Printed → computed: (4.3) ∫Im χ̃ Im χ̃ dΩ in units of (Im χ̃)² ω_c, ω = 1e7, ω_c = 1e15 rad/s, T = 1
  K: ~1 → 0.00026185; ε(2)/v at L_1 in units of the estimate, 1e7 rad/s, 1 K: ~1 → 2.9428e-05; (5.9) ε_dipole/v at L_1
  in units of the estimate, BK7, 1e7 rad/s, 1 K: ~1 → 1.0202e-06. Shown by `test_integral_of_constant_susceptibilities`.
- **the self-consistent ratio repels where Re χ̃ < 0**: The renormalization as printed, with v following χ̃, is χ → χ -
  ln N0 χ²/ρc² of an analytic function, or χ/(1 + χ ln(L/L_1)/ρc²) for small steps. It keeps the ratio c_l/c_t where it
  is given. Where Re χ̃ < 0, at all frequencies below those that absorb, |Im χ̃| grows, the larger part of its ρc²
  faster, and the ratio moves away. Where Re χ̃ > 0 it falls, and the ratio comes nearer. Printed → computed: (4.5)
  sqrt(Im χ̃_l/Im χ̃_t) c_t/c_l at 1 mm, a-SiO2, from 0.8 at 50 Å, 1e7 rad/s: 1.00 → 0.77887. Shown by
  `test_the_printed_flow_leaves_the_self_consistent_ratio`.
- **(4.5) without the sum over blocks**: With the sum over blocks, and the stresses that strains induce, (4.5) gives
  γ_l/γ_t = ((40 - 32α)/(35 - 44α))^½ instead of c_l/c_t: 1.48 for silica. Stresses χ_a ê of the strain's own shape give
  another ratio again. Printed → computed: (4.5) slope, 10 glasses, v from the sum of Λ ê ê cos, stress χ_a ê: 1.061 →
  0.62502; v from the sum with the stresses induced: 1.061 → 1.1867. Shown by
  `test_slopes_of_ratios_from_sums_over_blocks`.
- **squares of Δμ and Δp added**: 94 and 53 are squares of Δμ and Δp added, Δp of transverse waves by the symmetric
  strain. The computed numbers follow when Δμ and Δp are added before squaring, with Δp by (5.4), so that a rotation
  costs no energy. The same holds for ΔΛ and a ΔT of stresses that follow the wave. Printed → computed: (3.8) Ė(2) +
  Ė(3) over what ΔΛ and ΔT absorb together, ΔT = gT + Tgᵀ, a-SiO2, longitudinal: 1.00 → 2.3782; transverse: 1.00 →
  2.669; (5.8) coefficient, longitudinal: 94 → 46; transverse: 53 → 32. Shown by
  `test_changes_of_tensor_and_stress_are_added_before_squaring`, `test_which_choices_give_94_and_53`.
- **an external strain in place of the wave's**: (3.7) and (4.5) measure a response by an external strain. Velocity and
  attenuation are measured by the strain of the wave, which contains the field of all blocks. By that strain only a
  block's field at itself is left, with the opposite sign, once and for any N0; (4.5) with it gives γ_l/γ_t = ((8 +
  2c_l²/c_t²)/5)^½. Printed → computed: (4.2) -δχ ρc²/χ² by the interaction at all scales, by the strain of the wave,
  a-SiO2, transverse: ~20 → -0.51447; (4.5) slope, 10 glasses, v from the local field, by the strain of the wave: 1.061
  → 1.0194. Shown by `test_ratios_by_the_strain_of_the_wave`.

What "derived" leaves out
-------------------------

The derived forms are what follows from the Hamiltonian in the paper's own order, the first in the coupling of blocks,
and on the average over the signs of their stresses. Two of the findings above are not in them: the mean stresses of the
neighbours, of first order in a single super block (the Hartree part), which `mbfast.superblock.perturbation` computes
beside the derived part for any blocks; and the second order, of which a mean remains, because squares of Λ do not
average to zero. `mbfast.SuperBlock` has all orders, of as many blocks as fit into memory.

Slips
-----

- **misprint in (2.17)**: A bracket closes before its last δ_jk instead of behind it, and the prefactor -1/(8πρc_t²) is
  missing. Mended, the formula is the derivative of Λ. Printed → computed: (2.17) relative deviation of printed braces
  from the derivative of Λ: 2. Shown by `test_printed_change_of_the_stress_tensor`.
- **factor of (3.5)**: The golden rule gives 3 times the printed 1/(40π³), with S_6, the sum of (L/x)⁶ per block, in
  place of ln N0. That is so with half of Joffrin and Levelut's Λ, too, from which the printed brackets follow. Printed
  → computed: (3.5) 40π³ times the factor of the bracket: 1 → 3. Shown by `test_golden_rule_of_pairs_of_stresses`.
- **ln(R/L_1) taken as 20**: From 50 Å to 1 mm it is 12.2; 20 would need a sample of some metres. Printed → computed:
  (4.2) ln(R/L_1), R = 1 mm, L_1 = 50 Å: ~20 → 12.206. Shown by `test_logarithm_of_the_scales`.
- **arithmetic of the bound 1.7 Å**: (4.4) gives an upper limit of L_c, and the limit stands: L_c is far below 50 Å. Its
  value is less than 1.7 Å for each glass whose density we could source, 0.56 Å for silica; 1.7 Å needs a modulus of 1.2
  GPa. Printed → computed: (4.4) L_c, the largest of glasses of known density, ω = 1e7, ω_c = 1e15 rad/s: ~1.7 → 1.3432
  Å. Shown by `test_cutoff_lengths`.
- **rounded and unrounded ratios mixed**: The deviation of V52 does not follow from the two ratios beside it: it needs
  the unrounded c_l/c_t over the printed γ_l/γ_t. The correlation of 13 glasses needs the printed deviations in place of
  the printed c_l/c_t. Printed → computed: (table) V52: (theo-exp)/exp: 10.4 → 10.18 %; (fig. 1) correlation, 13
  glasses: 0.261 → 0.26043. Shown by `test_printed_deviations`, `test_fits_of_the_printed_ratios`.
- **digits cut off instead of rounded**: The deviation of a-Se, by the two ratios beside it, and the slope of 13 glasses
  are printed with their last digits cut off. Printed → computed: (table) a-Se: (theo-exp)/exp: 6.14 → 6.1453 %; (fig.
  1) slope, 13 glasses: 1.102 → 1.1027. Shown by `test_printed_deviations`, `test_fits_of_the_printed_ratios`.
- **factor of (5.8)**: The golden rule gives 1/(80π³), which is 12/π times the printed 1/(960π²), with S_6 in place of
  ln N0. Printed → computed: (5.8) 960π² times the factor of the coefficient: 1 → 3.8197. Shown by
  `test_golden_rule_of_pairs_of_dipoles`.
- **10 Å by another system of units**: With the 4π of Gaussian units (5.10) gives 14 Å (BK7) and 0.62 Å (SiO2); the
  paper says about 10 Å. Printed → computed: (5.10) L_c of dipoles, BK7, ω = 1e7, ω_c = 1e15 rad/s: ~10 → 2.518 Å; SiO2:
  ~10 → 0.11434 Å. Shown by `test_cutoff_lengths`.
- **slope upside down**: 1.061 is the slope of c_l/c_t against γ_l/γ_t. The conclusion states it as that of γ_l/γ_t
  against c_l/c_t. Printed → computed: (sec. VI) s in γ_l/γ_t = s c_l/c_t, 10 glasses: 1.06 → 0.9392. Shown by
  `test_fits_of_the_printed_ratios`.
- **misprint in (A4)**: A unit vector cannot be orthogonal to itself: e_t1·e_t2 = 0 is meant. Printed → computed: (A4)
  e_t1·e_t1: 0 → 1. Shown by `test_transverse_polarizations`.
- **misprint in (A5)**: q_j e_j + q_j e_i is printed where q_j e_i + q_i e_j is meant; with that the coupling holds.
  Printed → computed: (A5) relative deviation of coupling of (A5) from Σ e T with the strain of (A3): 0.012507. Shown by
  `test_printed_coupling_to_waves`.

Which v, which ratio
--------------------

The solutions of (4.5) beside γ_l/γ_t, both unrounded: slope and correlation as in figure 1, and the root mean square of
(theo-exp)/exp, which no slope is fitted to. ``mbfast ratio --form total-strain`` has them glass by glass.

| v in (4.5) | glasses | slope | r | rms deviation |
|---|---|---|---|---|
| (3.7) as printed: c_l/c_t | 10 | 1.062 | 0.745 | 8.7 % |
| (3.7) as printed: c_l/c_t | 13 | 1.103 | 0.276 | 15.6 % |
| the sum of Λ ê ê cos, stress χ_a ê | 10 | 0.625 | 0.778 | 39.2 % |
| the sum of Λ ê ê cos, stress χ_a ê | 13 | 0.665 | 0.273 | 35.7 % |
| the sum with the stresses induced | 10 | 1.187 | 0.794 | 24.5 % |
| the sum with the stresses induced | 13 | 1.266 | 0.258 | 38.3 % |
| the local field, by the strain of the wave | 10 | 1.019 | 0.752 | 5.6 % |
| the local field, by the strain of the wave | 13 | 1.048 | 0.277 | 9.6 % |
| none: 1.60 for all | 10 | | | 7.1 % |
| none: 1.60 for all | 13 | | | 7.1 % |

The solution by the strain of the wave, ((8 + 2c_l²/c_t²)/5)^½, is nearest to what was measured in slope and deviation.
It does not prove that this is where the ratio comes from:

- v is small beside what blocks absorb by themselves, as |Re χ|/ρc² is beside 1, and comes once. Nothing makes the
  absorption of a sample consist of v, which (4.5) takes for granted. Here it even is an absorption lost.
- The local field is that of a block at itself, undone. It stands there because χ of a block is taken by the strain that
  the block meets from outside; by the strain inside it nothing at all would be left.
- It is the first order in the interaction, with blocks all alike, averaged over directions.
- The correlation is hardly better than that of c_l/c_t, of which this ratio is a function; it varies less, which alone
  brings it nearer to measured ratios that vary little. One number fitted to all 13 glasses does better than any form.

Ratios of the 13 glasses
------------------------

These are γ_l/γ_t from the couplings and c_l/c_t from the sound velocities of the table, unrounded, as in figure 1
(``mbfast ratio``). The audit's fits take the printed, rounded ratios, as the paper does.

| glass | γ_l/γ_t | c_l/c_t | (theo-exp)/exp | by the wave's strain | (theo-exp)/exp |
|---|---|---|---|---|---|
| a-SiO2 | 1.600 | 1.526 | -4.6 % | 1.591 | -0.6 % |
| BK7 | 1.477 | 1.632 | +10.5 % | 1.632 | +10.5 % |
| As2S3 | 1.529 | 1.849 | +20.9 % | 1.723 | +12.6 % |
| LaSF-7 | 1.587 | 1.567 | -1.3 % | 1.607 | +1.2 % |
| SF4 | 1.500 | 1.688 | +12.5 % | 1.655 | +10.3 % |
| SF59 | 1.571 | 1.729 | +10.0 % | 1.672 | +6.4 % |
| V52 | 1.673 | 1.844 | +10.2 % | 1.721 | +2.8 % |
| BALNA | 1.667 | 1.870 | +12.2 % | 1.732 | +3.9 % |
| LAT | 1.738 | 1.707 | -1.8 % | 1.663 | -4.3 % |
| a-Se | 1.786 | 1.905 | +6.7 % | 1.747 | -2.2 % |
| Zn-Glass | 1.842 | 2.000 | +8.6 % | 1.789 | -2.9 % |
| PMMA | 1.444 | 2.006 | +38.9 % | 1.792 | +24.0 % |
| PS | 1.538 | 1.867 | +21.3 % | 1.730 | +12.5 % |
"""
