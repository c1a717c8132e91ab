"""Glossary: words of the code, the docstrings and the paper; symbols are in the table of `mbfast.guide.conventions`.

- **audit**: `mbfast.audit`, the paper's claims as data, each with what is printed, what is computed, and a verdict.
- **averaged**: blocks are cubes whose moments are spread evenly over them; a pair interacts through the mean of Lambda
  (or mu) over both cubes. Without it blocks are points at their centres.
- **block**: a cube of glass of side L that carries a stress moment and, where charges matter, an electric dipole.
  Blocks are the degrees of freedom of the model, and N_0^3 of them make a super block.
- **boundary**: what is around the blocks: nothing ("open"), or copies of them ("periodic").
- **claim, finding, cause**: a statement of the paper; what follows for it ("stands", "slip", "does not
  follow"); and why it differs, where it does. Many claims can share a cause.
- **coefficients**: the numbers (c_0, c_1, c_2) by which a stress kernel composes Lambda; see `mbfast.kernels.stress`.
- **cutoff length**: L_c, the size of a block at which the terms (3.5) and (3.6), which fall as L^-3, equal (3.7).
- **cutoff frequency**: omega_c, above which Im chi~ is taken to vanish.
- **flow**: the renormalization (4.1), step by step, of Im chi~_l and Im chi~_t from the size of a block to a sample's.
- **force, virial**: derivatives of the energy at fixed moments, -dE/dx_s by the position of a block, and dE/dg_ij by a
  gradient of displacement of all blocks, and of the cell: see `mbfast.guide.conventions`.
- **form, printed, derived**: which formula. Of a tensor: "corrected" is Lambda of (2.15), "joffrin-levelut" is the
  earlier one, (A1). Of rates and flows: "printed" is what the paper prints, "derived" what follows from its
  Hamiltonian for an external strain and blocks that are cubes, "derived-points" the same for points at their centres,
  "total-strain" for the strain of the wave: see `mbfast.absorption_rates`. All of
  them but the printed ones are of the first order in the coupling of blocks, averaged over the signs of their stresses.
- **image**: a copy of a block, shifted by a vector of the periodic cell. A shell of images goes one cell further out.
- **interpolant**: the piecewise polynomial that stands for a spectrum between its nodes.
- **K_l, K_t** (K_a): factors of order one in (3.6), which the paper does not determine.
- **Lambda, mu**: the tensors of the interaction of stress moments (2.15) and of electric dipoles (5.2), as r^-3.
- **level**: an energy of a block; its stress matrix and the levels give its susceptibility, (2.9).
- **local strain**: what a block meets, the strain of the wave without the block's own field in it; for a sphere, or a
  cube averaged over directions, e + P chi e (Eshelby). **Total strain**: that of the wave, an external one and the
  field of all blocks; velocity and attenuation are measured by it.
- **macroscopic condition**: what holds a periodic body as a whole, which the sum over its images does not say. Stress:
  "clamped" (no mean strain), "stress-free" (no mean stress) or a given mean stress. Dipoles: "tin-foil" (no mean
  electric field) or "vacuum" (a sphere in the medium of the given permittivity).
- **Meissner-Berret ratio**: gamma_l/gamma_t, the couplings of two-level systems to longitudinal and transverse phonons;
  1.4 to 1.9 in the 13 glasses of the table. In the model it is the square root of Im chi_l/Im chi_t.
- **modulus**: rho c_a^2. **Moduli** are any two numbers, one longitudinal and one transverse.
- **moment**: T_ij of a block, the integral of its stress over its volume (J), or p_i, its electric dipole (C m).
- **node**: a frequency at which a spectrum is sampled. **Tail**: the spectrum below the first and above the last node.
- **phase sum**: the sum over blocks behind (3.7), of Lambda_ijkl e_ij e_kl cos(k.x) over pairs: `mbfast.phase_sum`.
- **prefactor**: the SI value of a reduced interaction times a length^3, -1/(8 pi rho c_t^2) or 1/(8 pi epsilon).
- **reduced units**: of kernels, a length of the caller's choice and energies without the prefactor.
- **rtol**: the error that a pair sum may have, relative to the largest field: see `mbfast.guide.accuracy`.
- **S_6**: the sum of (L/x)^6 over the pairs of a super block, for each block; 8.40 for an infinite simple cubic
  lattice of points, where (3.5) has ln N_0: `mbfast.lattice_sum`.
- **share**: the part of the absorption after a step that a term of this step has made: ``Flow.shares``.
- **stress** (of a block: see moment) is positive as in T_ij e_ij: the energy rises where both have the same sign.
- **super block**: N_0^3 interacting blocks, taken as one block of side N_0 L in the next step.
- **tile**: the unit of work: a range of targets times a range of sources, or of frequencies, computed by one call of a
  kernel. Threads take tiles, progress bars count them, and their results are added in a fixed order.
- **tunnelling strength**: C_a = P-bar gamma_a^2/(rho c_a^2), about 1e-4 to 1e-3 in glasses.
- **two-level system**: two states with an asymmetry Delta and a tunnelling element Delta_0, (2.1). **TTLS**: the model
  of tunnelling two-level systems, which takes them to have a constant distribution, P-bar.
- **v**: the part of the absorption by (3.7) in (4.2), which adds up once for each step; the ratio v_l/v_t enters (4.5).
- **x**: in (3.5) Im chi~_l/Im chi~_t - 2, the weight of delta_ij delta_kl in (2.12); elsewhere a distance.
"""
