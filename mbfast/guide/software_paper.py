r"""mbfast as a short software paper: what it is for, how it computes, how it was checked, what it leaves open.

Summary
-------
At low temperatures glasses absorb phonons by two-level systems [9], whose couplings to longitudinal and transverse
strain stand in nearly the same ratio in all of them, γ_l/γ_t between 1.44 and 1.84 for 18 glasses [1]. Zhou and Leggett
[2] derive the ratio from a generic model: blocks of glass carry stress moments, interact through the elastic field, and
are renormalized from 50 Å to the size of a sample. mbfast computes this model. It sums 1/r³ tensors over pairs of
blocks, transforms spectra over many decades of frequency with estimates of error, diagonalizes and evolves exact super
blocks, and renormalizes spectra; and it recomputes every number that [2] prints. It is a Python library compiled by
numba [3], on NumPy [4] and SciPy [5], with kernels that can be called from compiled loops in Python, C, C++ and
Fortran.

Statement of need
-----------------
Elastic interactions of localized stresses appear in tunnelling systems, spectral diffusion, the plasticity of amorphous
solids and defects in crystals. Programs that sum dipoles are many and good; of the tensor of four indices between
stress moments we found none that takes blocks at any positions, open or periodic, and states its error. In [2] the sums
over blocks are estimated by a logarithm; to know whether they converge takes a program whose errors are known. mbfast
is meant for those who simulate such blocks (Monte Carlo, relaxation, inference) and need a fast and checked sum, and
for those who want to test the theory.

State of the field
------------------
`mbfast.guide.comparison` goes through the peers by capability: trees and meshes for charges and dipoles (FMM3D,
torch-pme, ESPResSo, LAMMPS, ScaFaCoS), micromagnetics on lattices (magnum.np, mumax3), homogenization by FFT (DAMASK),
mesoscopic plasticity (MEPLS), transforms of spectra (SciPy, kkcalc), exact diagonalization (QuSpin). Many do more than
mbfast in their field: GPUs, dynamics, charges, symmetries. We found none that has the
elastic tensor with a bound of error.

What it computes
----------------
The interaction of stress moments T, T' at the displacement r = r n is (2.13)-(2.15) of [2], a corrected form of that of
Joffrin and Levelut,

.. math:: V = \sum_{s \ne s'} \Lambda_{ijkl}(r_{ss'})\, T_{ij}\, T'_{kl}, \qquad
          \Lambda_{ijkl}(r) = -\frac{\tilde\Lambda_{ijkl}(n)}{8\pi\rho c_t^2 r^3},

half of the symmetrized second derivative of Kelvin's Green function; that of dipoles is (5.2). The field of all blocks,
h = Λ T, has three methods: all pairs; Fourier transforms on a lattice, of points or of cubes whose tensors are averaged
over both; and at any positions an Ewald sum [6] whose potentials are split as by Hasimoto [7], with the function whose
transform ends soonest in place of a Gaussian. Periodic sums state what holds the body.

Spectra are sampled at nodes of any spacing. Their interpolants, polynomials of degree 7 in frequency or in its
logarithm, are convolved and transformed exactly,

.. math:: \mathrm{Re}\,\tilde\chi(\omega) = \frac{2}{\pi} P\!\int_0^\infty
          \frac{\Omega\,\mathrm{Im}\,\tilde\chi(\Omega)}{\Omega^2 - \omega^2}\, d\Omega,

and an estimate of what interpolation and rounding leave comes with the result. A step of the renormalization (4.1) adds
the terms (3.5)-(3.7) to Im χ̃; `mbfast.flow` takes them in the form that is printed and in those that follow from the
Hamiltonian. Exact super blocks are (2.16), with N blocks of two or more levels, without a matrix. The equations, the
functions that compute them and the tests that check them stand side by side in `mbfast.guide.equations`.

Design
------
Input is checked once, into a frozen value, and every method is a function of it. An interaction is data, a prefactor
and coefficients, so that a new one is a small class that all methods take. Partial sums are tiles, combined in a fixed
order: results are the same to the last bit for any number of threads, for Dask workers, and for runs that were killed
and resumed from a checkpoint. No method is chosen by a stopwatch. `rtol` is a promise: what cannot be kept is refused.

Quality control
---------------
Each number has two independent routes: an oracle in plain NumPy that imports nothing of mbfast (`mbfast.testing`), and
a closed form or an invariant (exchange of pairs, rotations, scaling, Green's function, sum rules, detailed balance,
transform pairs). Properties are tried on random input, kernels run with and without compilation, and bad input of every
argument is refused by name. Every public name has an example, which is a test. The audit recomputes what [2] prints
claim by claim, and each deviation names a test that shows it without the audit.

How accurate it is, from `mbfast.guide.accuracy`, where the statements are examples that run:

| result | error, relative to the largest value |
|---|---|
| fields by all pairs, and of points on a lattice | some 1e-15 |
| all images of a periodic lattice | 1e-12 |
| the tensor of two cubes | 3e-14 |
| Ewald sums | below `rtol`, from 1e-12 to 0.01 |
| convolutions and Kramers-Kronig transforms of the interpolant | 1e-15 to 1e-14 |

Whole simulations are compared with exact or published numbers, over 20 seeds: the dipolar gap, the heat release of
two-level systems, the states of Luttinger and Tisza, the exponent 1.43 of avalanche sizes [8]; see
`mbfast.guide.simulations`, and the figures in `mbfast.guide.gallery`.

Performance
-----------
`mbfast.guide.performance` has the measurements, with the machines and with the cases in which others are faster. On one
thread of an AMD EPYC (Zen 5) the field of 20000 blocks takes 1214 million ordered pairs of stress moments a second,
1.48 times what straightforward C++ does there, and 79 % of the multiply-adds that the core can do. A periodic stress
field of 128³ blocks takes 75 ms, where the bare transforms take 222 ms by SciPy and 83 ms by FFTW. At random positions
an Ewald sum of 10⁶ blocks with ``rtol`` 1e-6 and its set-up takes 14.9 s on two cores of an EPYC (Zen 3), and of 10⁵
blocks 1.89 s, where the fast multipoles of FMM3D, for one potential of dipoles and its gradient, take 10.0 s. FFTW is
faster for small periodic lattices (64³: 4.9 ms against 8.7 ms), and two threads of C++ for a thousand blocks.

What was found
--------------
`mbfast.guide.findings` has every claim of [2] with what follows. Of 121 claims 71 stand, such as Λ of (2.15), the table
and the fit of ten glasses; 14 are slips that leave the argument intact; 36 do not follow from the Hamiltonian or the
numbers of [2]. The sums that the renormalization takes for ln N0 converge: that of (3.5) falls as x⁻⁶, and that of
(3.7) is bounded because Λ averages to zero over directions. Per strain of the wave, as velocities and attenuation are
measured, the local field alone is left, once, and (4.5) then has the solution γ_l/γ_t = ((8 + 2c_l²/c_t²)/5)^½, 5.6 %
off in the root mean square of ten glasses, where c_l/c_t is 8.7 % off. One number fitted to all, 1.60, is 7.1 % off.
That is no proof of where the ratio comes from; the page says why.

Limits
------
Interactions are elastic and static: without retardation, in an isotropic and uniform medium, at fixed
moments. There are no charges, no GPUs, no single precision, and no boundaries that are periodic along one or two axes.
Super blocks hold up to 24 two-level blocks in memory of a workstation. An estimate of error sees what the nodes of a
spectrum show. Bits are promised per machine and build; on another processor last digits differ. Builds of Python
without the interpreter's lock have not been tested.

Availability
------------
The licence is MIT. Python 3.11 or newer; ``pip install mbfast`` with the extras that are wanted. CITATION.cff says how
to cite it, `mbfast.guide.commands` what it does without Python code.

References
----------
1. M. Meissner and J. F. Berret, as quoted and tabulated in [2].
2. D. Zhou and A. J. Leggett, A generic microscopic theory for the universality of TTLS model Meissner-Berret ratio,
   https://arxiv.org/abs/1510.05528.
3. S. K. Lam, A. Pitrou and S. Seibert, Numba, Proc. LLVM-HPC 2015, https://doi.org/10.1145/2833157.2833162.
4. C. R. Harris and others, Array programming with NumPy, Nature 585, 357 (2020),
   https://doi.org/10.1038/s41586-020-2649-2.
5. P. Virtanen and others, SciPy 1.0, Nat. Methods 17, 261 (2020), https://doi.org/10.1038/s41592-019-0686-2.
6. P. P. Ewald, Ann. Phys. 369, 253 (1921), https://doi.org/10.1002/andp.19213690304.
7. H. Hasimoto, J. Fluid Mech. 5, 317 (1959), https://doi.org/10.1017/S0022112059000222.
8. J. Lin, E. Lerner, A. Rosso and M. Wyart, Proc. Natl. Acad. Sci. 111, 14382 (2014),
   https://doi.org/10.1073/pnas.1406391111.
9. R. O. Pohl, X. Liu and E. Thompson, Low-temperature thermal conductivity and acoustic attenuation in amorphous
   solids, Rev. Mod. Phys. 74, 991 (2002), https://doi.org/10.1103/RevModPhys.74.991.
"""
