"""Equations of the paper: what each states, which functions compute it, and which tests and claims check it.

The paper is D. Zhou and A. J. Leggett, arXiv:1510.05528. Each entry says what the equation states. Then come functions
of mbfast and tests, which ``pytest -k NAME`` runs. The audit has claims of an equation where its entry says so:
``mbfast reproduce 3.5`` computes them, and `mbfast.guide.findings` says in words what follows.

- *Section I*
- **sec. I** The ratios γ_l/γ_t of 18 glasses lie between 1.44 and 1.84. `mbfast.load_glasses`,
  `mbfast.meissner_berret_ratio`; claims
- *Section II: the response of a block*
- **2.1** A tunnelling two-level system couples to the strain by its asymmetry. `mbfast.TwoLevelSystem`, `test_bases`
- **2.2** Its resonance absorption; l and t stand in the ratio γ_l²/γ_t². `mbfast.TwoLevelSystem.absorption_rate`,
  `test_absorption_of_two_levels`, `test_absorption_of_one_system`; claims
- **2.3** The strain is the symmetric gradient of the displacement. `test_strain_is_what_distances_gain`
- **2.4** Phonons are oscillators of the elastic energy. `mbfast.isotropic_tensor`,
  `test_phonons_are_oscillators_of_the_elastic_energy`
- **2.5** A block is a system of many levels that couples to the strain by its stress operator.
  `mbfast.Block`, `mbfast.susceptibility_from_levels`, `test_levels_shift_by_the_diagonal_stress`
- **2.6** The susceptibility is the linear response of the mean stress to the strain.
  `mbfast.susceptibility_from_levels`, `test_response_to_a_kick`, `test_kubo_response_in_time`
- **2.7** The mean stress is the derivative of the free energy by the strain.
  `mbfast.spectra.levels.static_susceptibility`, `test_stress_is_the_derivative_of_the_free_energy`,
  `test_static_response_has_the_shift_of_populations`, `test_isothermal_is_the_curvature_of_the_free_energy`
- **2.8** χ of a block is the double sum of local ones, by volume. `test_summed_stress_responds_as_the_double_sum`
- **2.9** Im χ is a sum over pairs of levels. `mbfast.susceptibility_from_levels`, `mbfast.SuperBlock.susceptibility`,
  `test_gaussian_lines_against_naive`, `test_first_moment_is_the_double_commutator`, `test_a_wave_against_kubo`
- **2.10** A level absorbs at any frequency and emits at most its energy. `mbfast.susceptibility_from_levels`,
  `test_no_level_emits_more_than_its_energy`
- **2.11** Im χ = (1 - exp(-βħω)) Im χ̃, with detailed balance of the reduced Im χ̃.
  `mbfast.susceptibility_from_levels`, `mbfast.Spectrum`, `test_detailed_balance_line_by_line`,
  `test_sum_rule_line_by_line`, `test_detailed_balance`
- **2.12** The isotropic form of Im χ̃_ijkl, by the negative moduli Im χ̃_l and Im χ̃_t. `mbfast.isotropic_tensor`,
  `mbfast.isotropic_moduli`, `test_isotropic_moduli_average_over_rotations`, `test_detailed_balance_holds_to_rounding`
- **2.13** The interaction is a sum of Λ T T' over ordered pairs of blocks. `mbfast.pair_energy`,
  `test_field_and_energy_equal_the_naive_sums`, `test_known_energies`; claims
- **2.14** Λ has the prefactor -1/(8πρc_t²) and falls as the cube of the distance. `mbfast.StressInteraction`,
  `test_falls_as_the_cube_of_the_distance`; claims
- **2.15** Λ̃ by components, half the second derivative of Kelvin's Green function. `mbfast.StressInteraction.tensor`,
  `test_half_the_second_derivative_of_kelvins_green_function`, `test_stress_tensor_is_the_printed_one`; claims
- **2.16** The Hamiltonian of a super block of N0³ blocks. `mbfast.SuperBlock`, `mbfast.pair_field`,
  `test_hamiltonian_is_that_of_kronecker_products`, `test_energy_is_the_sum_of_moments_times_fields`
- **2.17** The change of Λ when the blocks of a pair move. `mbfast.StressInteraction.tensor_change`,
  `mbfast.pair_forces`, `test_change_is_the_derivative`, `test_direct_sums_equal_the_naive_ones`; claims
- **2.18** The energy in a strain has the terms ΔΛ T T' + 2 Λ ΔT T'; the text leaves open which ΔT ~ e T is meant.
  `mbfast.SuperBlock`, with ΔT = 0 or eT + Te; `mbfast.StressInteraction.tensor_change`, `mbfast.pair_virial`,
  `test_energy_in_a_wave_to_first_order`, `test_forces_and_virial_are_differences_of_the_energy`,
  `test_a_strain_moves_positions_and_couples_to_stresses`, `test_moments_that_follow_a_strain`; claims
- *Section III: absorption*
- **3.1** The absorption of one block. `mbfast.absorption_rates`, `test_one_block_absorbs_as_the_golden_rule_says`,
  `test_a_long_pulse_is_absorbed_as_3_1_says`, `test_printed_terms_of_constant_spectra`
- **3.2** Levels and states to first order in the interaction; of a wave, states in time. `mbfast.SuperBlock.evolve`,
  `test_levels_and_states_to_first_order_in_the_interaction`,
  `test_a_driven_state_is_that_of_first_order_in_the_wave`, `test_levels_of_equal_blocks_shift_to_first_order`; claims
- **3.3** The absorption of a super block by its own levels. `mbfast.SuperBlock.absorption`,
  `mbfast.SuperBlock.linear_absorption`, `test_energy_taken_up_by_coupled_blocks`,
  `test_saturation_against_scipy`, `test_a_weak_wave_is_absorbed_as_the_golden_rule_says`
- **3.4** The first term: N0³ times one block. `mbfast.absorption_rates`,
  `test_uncoupled_blocks_absorb_as_so_many_single_ones`; claims
- **3.5** The second term, by changed couplings: brackets in α and x, and ln N0 for the sum over pairs.
  `mbfast.absorption_rates`, `mbfast.angular_coefficients`, `mbfast.strain_coupling_sum`, `mbfast.lattice_sum`,
  `test_changed_couplings_absorb_as_all_pairs_of_27_blocks`, `test_derived_second_term_is_the_golden_rule_on_pairs`,
  `test_cubes_absorb_as_all_pairs_of_an_infinite_lattice`; claims
- **3.6** The third term, by changed stresses, is K_l or K_t, of order one, times the second. `mbfast.absorption_rates`,
  `test_printed_terms_of_constant_spectra`; claims
- **3.7** The interaction term: Im χ̃ Re χ̃/ρc², and ln N0 for the sum over pairs. `mbfast.absorption_rates`,
  `mbfast.phase_sum`, `mbfast.disordered_response`, `test_derived_interaction_term_is_the_response_of_coupled_blocks`,
  `test_term_is_the_average_over_directions_of_a_cubes_own_field`, `test_equal_blocks_by_a_solver_of_all_orders`,
  `test_sum_over_all_pairs_is_bounded`, `test_laminates_of_cubes`, `test_phases_between_points_of_a_cube`,
  `test_random_samples_do_not_grow_as_a_logarithm`; claims
- **3.8** The next block absorbs what the terms add up to. `mbfast.flow`, `mbfast.absorption_rates`,
  `mbfast.superblock.perturbation.first_order`, `mbfast.superblock.clusters.second_order`,
  `test_each_block_absorbs_what_the_terms_of_the_step_before_add_up_to`, `test_second_order_grows_as_pairs_do`; claims
- *Section IV: renormalization*
- **4.1** One step from blocks of side L to blocks of side N0 L. `mbfast.flow`,
  `test_terms_add_up_and_one_step_is_the_sum_of_rates`,
  `test_each_block_absorbs_what_the_terms_of_the_step_before_add_up_to`
- **4.2** All steps from L_1 to the wavelength R: v log_N0(R/L_1) beside the terms of the first step. `mbfast.flow`,
  `test_linear_flow_is_4_2`, `test_linear_derived_flows_add_up_to_all_pairs_for_any_n0`,
  `test_a_flow_takes_the_local_field_once_for_any_n0`; claims
- **4.3** An estimate of ε(2)/v, with ω_c for the integral and ln(ω_c/ω) for Re χ̃. `mbfast.convolve`,
  `mbfast.kramers_kronig`, `test_integral_of_constant_susceptibilities`; claims
- **4.4** The cutoff length L_c below which ε(2) and ε(3) matter. `mbfast.cutoff_length`,
  `test_stress_length_is_accurate_over_its_whole_domain`; claims
- **4.5** The ratio of v_l and v_t is self-consistently c_l/c_t. `mbfast.self_consistent_ratio`,
  `test_self_consistent_ratio_solves_v_l_over_v_t`, `test_ratio_solves_the_exact_equation`,
  `test_ratio_c_l_to_c_t_stays_in_the_printed_form`; claims
- **table** Couplings, velocities, ratios and deviations of 13 glasses. `mbfast.load_glasses`,
  `mbfast.meissner_berret_ratio`, `test_the_table_is_the_printed_one`; claims
- **fig. 1** Fits through the origin of c_l/c_t against γ_l/γ_t. `mbfast.fit_through_origin`, `mbfast.OriginFit`,
  `test_fit_is_the_textbook_sum`; claims
- *Section V: electric dipoles*
- **sec. V** Strengths of electric dipoles and of stresses in BK7 and SiO2. Claims
- **5.1** The interaction is a sum of μ p p' over ordered pairs. `mbfast.pair_energy`,
  `test_field_and_energy_equal_the_naive_sums`
- **5.2** μ by components. `mbfast.DipoleInteraction.tensor`,
  `test_dipole_tensor_is_the_second_derivative_of_coulombs_potential`
- **5.3** The change of μ when the blocks of a pair move. `mbfast.DipoleInteraction.tensor_change`,
  `mbfast.pair_forces`, `test_printed_change_of_the_dipole_tensor`, `test_direct_sums_equal_the_naive_ones`
- **5.4** The change of a dipole is the gradient of the displacement times the dipole.
  `test_dipoles_change_as_charges_that_move_with_the_wave`, `test_a_rotated_sample_of_dipoles_has_its_energy`
- **5.5** The energy in a strain has the terms Δμ p p' + 2 μ Δp p'. `mbfast.DipoleInteraction.tensor_change`,
  `mbfast.pair_virial`, `test_energy_in_a_wave_to_first_order`, `test_forces_and_virial_are_differences_of_the_energy`
- **5.6** The dielectric susceptibility is isotropic, and its imaginary part negative.
  `test_dielectric_response_is_isotropic_and_negative`
- **5.7** The absorption by pairs of dipoles, by the golden rule. `mbfast.strain_coupling_sum`,
  `test_pairs_of_dipoles_absorb_as_the_golden_rule_says`
- **5.8** The same for isotropic dipoles: the coefficients 94 and 53, and ln N0 for the sum over pairs.
  `mbfast.angular_coefficients`, `mbfast.absorption_rates`, `test_printed_dipoles`, `test_derived_dipoles_by_pairs`;
  claims
- **5.9** An estimate of the dipoles' absorption relative to v. `mbfast.absorption_rates`; claims
- **5.10** The cutoff length below which dipoles matter. `mbfast.dipole_cutoff_length`,
  `test_dipole_length_is_accurate_over_its_whole_domain`; claims
- *Section VI*
- **sec. VI** γ_l/γ_t = 1.06 c_l/c_t. `mbfast.fit_through_origin`; claims
- *Appendix: phonons are integrated out*
- **A1** The tensor of Joffrin and Levelut. `mbfast.StressInteraction`, `test_stress_tensor_is_the_printed_one`,
  `test_joffrin_levelut_is_not_symmetric_in_i_and_j`
- **A2** The potential energy of phonons and their coupling to blocks. `test_completed_square_is_the_energy`
- **A3** The strain of waves, of which N is the number of blocks; the printed text calls it a density.
  `test_strain_is_the_derivative_of_the_waves`
- **A4** The sum over transverse polarizations is a projector; the other line is a misprint.
  `test_transverse_polarizations_add_up_to_the_projector`; claims
- **A5** The coupling in terms of waves, with a misprint. `test_printed_coupling_to_waves`; claims
- **A6** The completed square. `test_completed_square_is_the_energy`
- **A7** The position at which the energy is stationary. `test_energy_is_stationary_at_the_shifted_position`
- **A8** The energy there as a double sum over blocks. `test_energy_at_the_shifted_position_is_the_double_sum`
- **A9** The sum over polarizations. `test_sum_over_polarizations`
- **A10** Λ from two integrals, with m/a³ = ρ. `test_limits_and_their_factors_make_the_tensor`
- **A11** The two integrals over wave vectors. `test_limits_and_their_factors_make_the_tensor`,
  `test_limits_of_the_regularised_integrals`
- **A12** The integrals regularised by λ. `test_regularised_integrals`
- **A13** Their closed forms. `test_regularised_integrals`
- **A14** Their limits as λ → 0. `test_limits_of_the_regularised_integrals`
- **A15** Λ again, as in (2.15). `mbfast.StressInteraction.tensor`,
  `test_half_the_second_derivative_of_kelvins_green_function`
- **A16** Four differences from Joffrin and Levelut: signs and factors of both parts. `mbfast.StressInteraction`,
  `test_joffrin_levelut_is_not_symmetric_in_i_and_j`; claims
"""
