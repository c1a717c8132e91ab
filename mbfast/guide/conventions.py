"""Conventions: units, signs, orders of indices, and the names of symbols.

Symbols and equation numbers are those of the paper, D. Zhou and A. J. Leggett, arXiv:1510.05528.

Units
-----
Every argument and every result is in SI units, and hbar is written out. The table of glasses prints couplings in eV and
velocities in km/s; `mbfast.load_glasses` converts them. `mbfast.units` has the constants:

>>> from mbfast import units
>>> gamma = 1.04 * units.EV  # J
>>> length = 50 * units.ANGSTROM  # m

No check can find a wrong unit, because 5.8 m/s is a velocity as well. Compare results with what is usual: rho c_t^2 is
1 to 100 GPa, -Im chi~ is some 1e-4 to 1e-2 of it, and 1 eV in a block of 5 nm strains its neighbours by about 1e-6.

The functions of `mbfast.kernels` are the exception. They work in reduced units, which each module states, and they
check nothing: see `mbfast.guide.embedding`.

Orders of indices
-----------------
- The six components of a symmetric tensor are xx, yy, zz, yz, xz, xy. They are plain tensor components: no component
  carries a factor of 2, so that T:e is the sum of T_ij e_ij with yz, xz and xy counted twice.
- Stress moments of N blocks have the shape (N, 6) or (N, 3, 3), electric dipoles (N, 3). On a lattice, the shape of the
  lattice stands in place of N: (n1, n2, n3, 6). A field has the layout of the moments that it comes from.
- Block (i, j, k) of a `mbfast.BlockLattice` is at (i, j, k) times the spacing. The last index runs fastest in memory.
- Spectra have the frequency as their last axis. All axes before it, and all other arguments, broadcast as in NumPy.

Energies and fields
-------------------
The interaction (2.13) sums over ordered pairs: each pair of blocks counts twice.

    E = sum over s of T_s : h_s,    h_s = sum over s' of Lambda(x_s - x_s') : T_s'

`mbfast.pair_energy` returns E and `mbfast.pair_field` returns h. As each pair counts twice, dE/dT_s = 2 h_s. The strain
at a block is therefore 2 h, and the electric field at a dipole is -2 h.

>>> import mbfast, numpy as np
>>> silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)
>>> positions = 5e-9 * np.array([[0, 0, 0], [1, 0, 0], [1, 2, 0]])
>>> moments = 1.6e-19 * np.random.default_rng(1).normal(size=(3, 6))
>>> change = 1e-3 * moments[0]  # of the first block alone
>>> plus, minus = moments.copy(), moments.copy()
>>> plus[0] += change / 2
>>> minus[0] -= change / 2
>>> gain = mbfast.pair_energy(silica, positions, plus) - mbfast.pair_energy(silica, positions, minus)
>>> strain = 2 * mbfast.pair_field(silica, positions, moments)[0]
>>> bool(np.isclose(gain, strain @ (change * [1, 1, 1, 2, 2, 2])))
True

Forces are F_s = -dE/dx_s and the virial is W_ij = dE/dg_ij for displacements u_i = g_ij x_j of everything: the first
index is that of the displacement. Both are at fixed moments; a moment that turns with its block adds 2 h_s times its
change.

Strains and waves
-----------------
- A strain is e_ij = (d_j u_i + d_i u_j)/2, and a block in it has the energy T_ij e_ij (2.5).
- A wave is exp(i k.x - i omega t): this fixes the sign of every Fourier transform.
- A wave of complex amplitude A k has the strain A k e_ij exp(i k.x - i omega t) + c.c. A longitudinal one has
  e_ij = k_i k_j, a transverse one e_ij = (k_i u_j + u_i k_j)/2, for unit vectors k along the wave and u across it.

Susceptibilities
----------------
- chi_ijkl is the change of the mean stress T_ij by the strain e_kl, by volume, in Pa. Its imaginary part is NEGATIVE
  for omega > 0: a block absorbs energy.
- chi~ is the reduced susceptibility (2.11), Im chi = (1 - exp(-hbar omega/k_B T)) Im chi~. Detailed balance is
  Im chi~(-omega) = exp(-hbar omega/k_B T) Im chi~(omega), and at T = 0 nothing is left at negative frequencies.
- The real part follows from the imaginary part by the one-sided integral
  Re chi(omega) = (2/pi) P int_0^inf Omega Im chi(Omega)/(Omega^2 - omega^2) dOmega. The paper applies the same
  integral to Im chi~ and calls the result Re chi~ (4.3); a docstring says which of the two it means.
- Populations follow a strain that shifts the levels only if they have time. (2.9) and what follows from it leave that
  out. ``relaxation_time=`` of `mbfast.susceptibility_from_levels` and ``relaxation=`` of `mbfast.ttls_susceptibility`
  add it: -cov(T_mm)/(k_B T), with the factor 1/(1 - i omega tau). `mbfast.spectra.levels.static_susceptibility` has
  both static limits.
- By which strain: that of a block is by the strain it meets, without its own field. That of a sample in the form
  "derived" is by an external strain; in "total-strain" by the strain of the wave, in which velocity and attenuation are
  measured, the external one and the field of all blocks.
- An isotropic susceptibility has two moduli, chi_l and chi_t, with chi_ijkl as in (2.12). `mbfast.Moduli` holds both.

>>> omega = np.geomspace(1e5, 1e15, 64)
>>> spectrum = mbfast.Spectrum(omega, np.full(64, -2e7), np.full(64, -1e7), temperature=0.0)
>>> emitted, absorbed = spectrum([-1e9, 1e9]).longitudinal  # at T = 0
>>> print(emitted == 0.0, f"{absorbed:.4g}")
True -2e+07

Couplings of two-level systems
------------------------------
A coupling gamma is printed in two senses, and no number shows which one is meant. Where couplings are measured, as in
the table of glasses, a strain e changes the energy by gamma (D sigma_z + M sigma_x) e, the asymmetry by 2 gamma e, and
the tunnelling strength is C = P-bar gamma^2/(rho c^2). (2.1) has gamma/2 in that place. The same gamma then absorbs a
quarter, and a P-bar that is inferred from a measured C is four times as large. `mbfast.ttls_susceptibility`,
`mbfast.TwoLevelSystem` and `mbfast.spectra.relaxation.one_phonon_rate` take ``convention="full"``, the default, or
``convention="half"``, that of (2.1) and (2.2). `mbfast.tunnelling_strength` is that of "full". `mbfast.Block.two_level`
takes no gamma: its stress is that of T = t sigma_z/2, so t = 2 gamma for "full" and t = gamma for "half". Ratios
gamma_l/gamma_t are the same in both.

>>> from mbfast.units import EV
>>> one = mbfast.ttls_susceptibility(1e9, 1.0, 8e44, 1.0 * EV, 1e15)
>>> other = mbfast.ttls_susceptibility(1e9, 1.0, 8e44, 1.0 * EV, 1e15, convention="half")
>>> print((one / other).real)
4.0

Symbols and names
-----------------
| symbol | name in mbfast | unit |
|---|---|---|
| rho | ``density`` (of a material) | kg/m^3 |
| c_l, c_t | ``c_l``, ``c_t``: velocities of longitudinal and transverse sound | m/s |
| rho c_a^2 | ``modulus``, ``modulus_l``, ``modulus_t`` | Pa |
| alpha | ``alpha`` = 1 - c_t^2/c_l^2, about 0.57 for silica | |
| gamma_l, gamma_t | ``gamma_l``, ``gamma_t``, ``coupling``: couplings of two-level systems, see above | J |
| P-bar | ``density`` (of two-level systems) | 1/(J m^3) |
| C_l, C_t | ``tunnelling_l``, ``tunnelling_t``, `mbfast.tunnelling_strength` | |
| T_ij, p_i | ``moments`` | J, C m |
| Lambda_ijkl, mu_ij | ``interaction.tensor(r)`` | 1/J, V/(C m) |
| h | what `mbfast.pair_field` returns | 1, V/m |
| chi_l, chi_t | ``longitudinal``, ``transverse`` | Pa |
| omega, omega_c | ``omega``, ``omega_c`` | rad/s |
| L, L_1, R | ``block_size``, ``start``, ``stop``: side of a block, of the first one, of the sample | m |
| N_0 | ``n0``: blocks along a side of a super block | |
| K_l, K_t | ``k_l``, ``k_t``: factors of order one in (3.6) | |
| A k | ``strain``: amplitude of a wave | |
| epsilon | ``permittivity`` | F/m |

`mbfast.guide.glossary` explains the words.
"""
