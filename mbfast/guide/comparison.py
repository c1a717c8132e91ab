"""Comparison: other programs that do the like, what they can do that mbfast cannot, and the reverse.

Speeds, measured in one run with those of mbfast, are in `mbfast.guide.performance`. Here are capabilities, as the
projects state them in the documents below, in the versions named there; they may do more today. We know of no other
program that sums the elastic tensor of stress moments with a stated error, or that computes the renormalization of the
coupled-block model, so each peer has a part of the task in common.

Pair sums at any positions
--------------------------
| program | moments | boundaries | runs on |
|---|---|---|---|
| mbfast | stress, dipoles, 1/r^3 tensors of yours | open; periodic along all axes, any cell | CPUs, float64 |
| FMM3D [1] | charges, dipoles; Helmholtz, Stokes, Maxwell | open | CPUs of one machine |
| torch-pme [2] | charges, 1/r^p; dipoles by Ewald's sum | periodic, open | CPUs, GPUs |
| ESPResSo [3] | charges, dipoles | periodic (dipoles: cubic boxes), layers, open | CPUs with MPI, GPUs |
| LAMMPS [4] | charges, dipoles | periodic, layers | CPUs with MPI, GPUs |
| ScaFaCoS [5] | charges; dipoles in a branch | by method: FMM, P2NFFT, Ewald, P3M | CPUs with MPI |

What accuracy means differs most. In mbfast `rtol`, from 1e-12 to 0.01, bounds the largest error of any component at any
block, and what cannot be reached is refused. FMM3D takes a relative precision; torch-pme and ESPResSo tune parameters
to a target, ESPResSo's estimate for dipoles assuming a homogeneous system; LAMMPS takes the root mean square of the
errors of forces, relative to two unit charges at 1 Å. What holds a periodic body is a choice in mbfast, "clamped",
"stress-free", a mean stress, "tin-foil" or "vacuum"; LAMMPS has "tin-foil" alone.

Take another

- for charges: mbfast has none;
- on GPUs, or in single precision: mbfast has neither;
- for molecular dynamics: ESPResSo and LAMMPS integrate motion, with neighbour lists, thermostats and domains spread
  over many nodes. mbfast has forces and the virial, a calculator for ASE, and one machine for a sum by Ewald;
- for derivatives by the cell, or training on a GPU: torch-pme. `mbfast.adapters.torch` differentiates by moments and
  positions, on the CPU;
- for systems periodic along one or two axes: ESPResSo and LAMMPS have corrections for layers, mbfast has none;
- for clouds of very uneven density with open boundaries: the trees of FMM3D adapt, in linear time. mbfast takes one
  radius of near pairs for all blocks.

Lattices
--------
Micromagnetics sums dipoles of cuboid cells by the same transforms. magnum.np [6] does it on CPUs and GPUs, with meshes
that are not equidistant, periodic along one to three axes, and with the dynamics of Landau, Lifshitz and Gilbert,
exchange and torques around it; PyTorch differentiates it. mumax3 [7] runs on GPUs. mbfast has no dynamics of moments,
cubes only, and open or threefold periodic boundaries; it has the elastic tensor, all images to 1e-12, bits that do not
depend on threads, and lattices larger than memory, by way of the disk or MPI.

Blocks that differ, composites, plasticity
------------------------------------------
- DAMASK [8] solves for crystal plasticity at finite strains, by FFT in the manner of Moulinec and Suquet [13], among
  other methods. `mbfast.disordered_response` is linear, with one reference medium; its moduli are complex, at a
  frequency each, and its cells are cubes whose tensors are averaged exactly, so that laminates come out exactly.
- MEPLS [9] is a framework for mesoscopic plasticity by finite elements: elastic properties that differ from place to
  place, yield criteria, protocols; in two dimensions. `mbfast.examples.elastoplastic` is one model, in three, in a
  uniform medium, without a mesh: an example to start from and not a framework.

Spectra
-------
| program | nodes | error estimate | what it is for |
|---|---|---|---|
| mbfast | any spacing | yes | convolutions at a temperature, Kramers-Kronig, power laws beyond the nodes |
| ``scipy.signal``: ``fftconvolve``, ``hilbert`` [12] | uniform | no | signals: filters, windows, many axes |
| kkcalc [10] | any spacing | no | X-ray absorption, with tables of scattering factors; a graphical interface |

Piecewise polynomials integrated exactly are the idea of both kkcalc, with straight lines, and mbfast, with degree 7.
For optical constants of real materials kkcalc has tables and the relativistic correction, mbfast neither.

Exact super blocks
------------------
QuSpin [11] diagonalises and evolves bosons, fermions and spins with any couplings, drives and symmetries; a symmetry of
the system makes its matrices far smaller. `mbfast.SuperBlock` has no symmetries: blocks are random. It takes the
couplings from positions and levels from blocks, applies H without storing a matrix, and computes what a phonon needs:
stresses of waves, susceptibilities by Kubo's formula, absorption in time. In the benchmarks it is compared with QuSpin.

Documents and versions
----------------------
1. FMM3D, https://fmm3d.readthedocs.io, revision 38c0655 of April 2026.
2. torch-pme, https://pypi.org/project/torch-pme/; P. Loche and others, J. Chem. Phys. 162 (2025),
   https://doi.org/10.1063/5.0251713.
3. ESPResSo, https://espressomd.github.io, "Magnetostatics" of the documentation at revision 000e11c, of the releases 4;
   J. J. Cerdà and others, J. Chem. Phys. 129, 234104 (2008), https://doi.org/10.1063/1.3000389.
4. LAMMPS, https://docs.lammps.org/kspace_style.html, at revision 019c701.
5. ScaFaCoS, http://www.scafacos.de, as ESPResSo and LAMMPS describe it there; Phys. Rev. E 88, 063308 (2013),
   https://doi.org/10.1103/PhysRevE.88.063308.
6. magnum.np 2.2.0, https://pypi.org/project/magnumnp/.
7. mumax3, https://mumax.github.io; AIP Adv. 4, 107133 (2014), https://doi.org/10.1063/1.4899186.
8. DAMASK 3.0.2, https://damask-multiphysics.org.
9. MEPLS, https://mepls.davidfcastellanos.com, revision 04e05ae.
10. kkcalc, https://github.com/benajamin/kkcalc, revision 4528903.
11. QuSpin, https://quspin.github.io/QuSpin/; P. Weinberg and M. Bukov, SciPost Phys. 2, 003 (2017),
    https://doi.org/10.21468/SciPostPhys.2.1.003.
12. SciPy, https://docs.scipy.org/doc/scipy/reference/signal.html; Nat. Methods 17, 261 (2020),
    https://doi.org/10.1038/s41592-019-0686-2.
13. H. Moulinec and P. Suquet, Comput. Methods Appl. Mech. Eng. 157, 69 (1998),
    https://doi.org/10.1016/S0045-7825(97)00218-1.
"""
