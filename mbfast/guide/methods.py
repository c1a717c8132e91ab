"""Choosing a method: what computes a sum, what it takes, and what it costs.

Pair sums
---------
Three methods compute the field of N blocks. Each is a class that is set up once and applied to many sets of moments,
and a choice of ``method`` in `mbfast.pair_field`, `mbfast.pair_energy` and `mbfast.pair_sum`, which compute one field,
energy or both. The result of the last one, a `mbfast.PairResult`, says which method made it, with which `rtol` and
estimated error.

| | ``"direct"`` | ``"fft"`` | ``"ewald"`` |
|---|---|---|---|
| class | `mbfast.DirectField` | `mbfast.LatticeField` | `mbfast.EwaldField` |
| blocks | anywhere, or on a lattice | on a lattice | anywhere, or on a lattice |
| cubes (``averaged=True``) | yes | yes | no |
| open boundary | yes | yes | yes |
| periodic boundary | explicit shells of images | all images, or explicit shells | all images |
| error | rounding, some 1e-15 | rounding, some 1e-15; all images 1e-12 | below ``rtol`` |
| time of a field | N^2, times the images | N log N | N log N |
| set-up | none worth naming | two fields | about one field |
| memory a block, stress | below 50 MB in all; cubes 350 bytes | 208 bytes | 4 kB (``rtol`` 1e-3) to 16 kB (1e-12) |
| memory a block, dipoles | below 50 MB in all; cubes 350 bytes | 88 bytes | 1 kB to 7 kB |

Rules of thumb:

- A lattice of more than 2000 blocks: "fft". Its results equal those of "direct" but for rounding.
- Up to 10,000 blocks anywhere: "direct" is fastest, because nothing has to be set up.
- More blocks anywhere, or a periodic body of them: "ewald".
- Blocks as cubes, which touch and whose moments are spread evenly: a lattice with ``averaged=True``, by "fft" or
  "direct". Points at the centres are wrong by about the whole tensor (stress) or 18 % (dipoles) for cubes that share a
  face, and by 0.6/n^2 or 0.4/n^4 for cubes n sides apart.

A cube also has a field of its own, that of its moment averaged over itself. It is left out, as (2.13) leaves it, but
for ``self_field=True``: then laminates of cubes have the fields of a continuum, and cubes cut in eight the same energy.

The three classes have the same attributes and methods: ``interaction``, ``boundary``, ``rtol``, ``nbytes``, ``cost``,
``field(moments)``, ``field.energy(moments)``, ``field.forces(moments)``, ``field.virial(moments)``, and
``field.operator()`` for the solvers of ``scipy.sparse.linalg``. Each takes `mbfast.StressInteraction`,
`mbfast.DipoleInteraction`, or an interaction of yours, a small class that states its prefactor: see
`mbfast.pairs.interactions`.

>>> import mbfast, numpy as np
>>> silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)
>>> lattice = mbfast.BlockLattice((12, 12, 12), spacing=5e-9)
>>> moments = 1.6e-19 * np.random.default_rng(1).normal(size=(12, 12, 12, 6))
>>> field = mbfast.LatticeField(silica, lattice)  # once
>>> h = field(moments)  # many times
>>> direct = mbfast.pair_field(silica, lattice, moments, method="direct")
>>> bool(abs(h - direct).max() < 1e-14 * abs(h).max())
True

Lattices larger than memory
---------------------------
`mbfast.StoredLatticeField` is the lattice field by way of a folder on disk, in as much memory as it is given,
``memory="3GB"``, to the last bit of what `mbfast.LatticeField` would return; ``mbfast latticefield`` is its command.
Moments and fields are files .npy or zarr arrays, or memory maps. Its time is mostly that of the disk, and what an
interrupted field has left in the folder is used again. `mbfast.mpi.MPILatticeField` shares a lattice among the ranks of
MPI instead, with the same bits. `mbfast.guide.cluster` has more.

Fields between the blocks
-------------------------
``at`` asks for the field at points that are no blocks, as of probes or of muon sites, by "direct" and "ewald", of
blocks anywhere or on a lattice, in free space or periodic.

>>> probes = lattice.spacing * (np.array([[0, 0, 0], [5, 5, 5]]) + 0.5)
>>> mbfast.pair_field(silica, lattice, moments, at=probes).shape
(2, 6)

Forces and the virial
---------------------
`mbfast.pair_forces` is the force on each block, -dE/dx_s, and `mbfast.pair_virial` the derivative of the energy by a
gradient of displacement, dE/dg_ij where u_i = g_ij x_j; moments stay what they are. If periodic, images move with their
blocks, and the cell deforms with them. Both come from every method, of points. Cubes deform with the body
and have a virial alone. E is `mbfast.pair_energy`, which counts each pair twice, as (2.13) does: forces and virial are
its derivatives.

>>> positions, some = lattice.positions[:40], moments.reshape(-1, 6)[:40]
>>> forces = mbfast.pair_forces(silica, positions, some)
>>> bool(abs(forces.sum(axis=0)).max() < 1e-12 * abs(forces).max())  # action and reaction
True
>>> virial, energy = mbfast.pair_virial(silica, positions, some), mbfast.pair_energy(silica, positions, some)
>>> bool(abs(virial.trace() + 3 * energy) < 1e-12 * abs(virial).max())  # in free space E falls as the cube of lengths
True

On one core of an AMD EPYC of the fifth generation forces took 1.4 (dipoles) to 1.7 (stress) times a field by "direct",
1.3 to 1.8 times by "ewald"; the virial 2.0, and 1.5 to 2.2. By "ewald" both have a set-up of their own. By "fft", of
64^3 blocks, the virial took 7 to 10 times a field with all images, 30 to 60 times with an open boundary, and forces 13
and 60 to 70 times: they take SciPy's transforms, those of the padding, and up to 2 kB a block meanwhile.

The virial over the volume of a cell is the mean stress that the interaction makes at fixed moments. It is symmetric
only if no moment feels a torque: with the field h, the antisymmetric parts of W + 4 sum h_s T_s, or W + 2 sum h_s p_s
for dipoles, vanish, because a rotation of everything costs nothing.

What "auto" takes
-----------------
``method="auto"`` decides from the kind and number of the blocks, the boundary and `rtol`, by constants that are written
down in the code. It never measures: the same call takes the same method on every run and every machine.

| blocks | boundary | method |
|---|---|---|
| points on a lattice, at most 2000 | open, or periodic with ``images`` | "direct" |
| points on a lattice, more | open, or periodic with ``images`` | "fft" |
| cubes on a lattice | open, or periodic with ``images`` | "direct" or "fft", by number |
| anywhere, at most 10,000 | open | "direct" |
| anywhere, more | open | "direct" or "ewald", by number and `rtol` |
| points or cubes on a lattice | periodic without ``images`` | "fft" |
| anywhere | periodic without ``images`` | "ewald" |

Where `rtol` is not given, "auto" takes 1e-12, so that it gives up no more than rounding does; "ewald" by itself takes
1e-6. A larger `rtol` makes "ewald" faster, and the right choice for fewer blocks. The logger ``mbfast`` says which
method was taken; ``logging.basicConfig(level="INFO")`` shows it.

A sum that does not fit into memory is refused with a MemoryError before any work, and the message says what would fit.
``mbfast plan --blocks 128x128x128`` measures this machine and predicts time and memory of each method; in Python that
is `mbfast.pairs.planning.predict`.

Boundaries
----------
- Open: these blocks and no others.
- Periodic with explicit images: the blocks and ``images`` shells of copies, in a cube or, with
  ``image_shape="spherical"``, in a sphere. The sum converges conditionally: its limit depends on the shape. It is a
  reference, and it is slow.
- Periodic without ``images``, by "fft" and "ewald": all of them, the same for every cell of a lattice, whatever its
  angles. What holds the body is then a choice, ``macroscopic``: "clamped" (no mean strain, the default) or
  "stress-free" for stress, "tin-foil" (no mean electric field, the default) or "vacuum" for dipoles. It may also be a
  mean stress sigma in Pa: then h has C^-1 sigma/2 more, whatever the moments, and the energy T_s : C^-1 sigma of each
  block.

Blocks that differ, to all orders
---------------------------------
`mbfast.disordered_response` takes a lattice of blocks that each have their own complex susceptibility, at one frequency
or many, and returns the effective one of them all: (3.7) summed to all orders of the random phases. One of SciPy's
Krylov solvers works on the field of "fft". It is per external strain, or per total strain, that of the wave, against
which velocities and attenuations are measured. With ``self_field=True`` cubes are the cells of a composite, whose
moduli it then computes: laminates exactly.

>>> chi = -3e8 * (1 + 0.3j) * np.random.default_rng(2).exponential(size=(12, 12, 12))
>>> cubes = mbfast.BlockLattice((12, 12, 12), spacing=5e-9, averaged=True)
>>> effective = mbfast.disordered_response(silica, cubes, mbfast.Moduli(2 * chi, chi), boundary="periodic")
>>> bool(chi.real.mean() < effective.moduli.transverse.real < 0), bool(effective.residual.max() < 1e-6)
(True, True)

For each strain and a complex chi, blocks whose chi is a thousandth of the moduli take 8 fields for 1e-8; those that are
up to half as soft as the medium take 20 for 1e-6, however many blocks there are. Of a real chi it is half of that.
Memory for a complex chi is 0.6 kB a block beside that of the field.

What it leaves out is what the mean stresses of neighbours do to a block's levels and populations: see
`mbfast.guide.superblock`. An unstable sample is refused where one of the vectors on the way shows it.

Spectra
-------
Spectra are sampled at nodes. A few hundred nodes on a logarithmic grid hold ten decades of a smooth spectrum.

| nodes | what happens | cost of a convolution at all nodes |
|---|---|---|
| logarithmic (``numpy.geomspace``) | polynomials of degree 7 in ln omega | n^2; 5 to 8 times more at T > 0 |
| uniform (``numpy.linspace``) | polynomials of degree 7 in omega; at T = 0 by FFT | n log n |
| any others | as logarithmic, with a stencil for each cell | n^2 |

- A step, a kink or noise: give the spectrum more nodes there, or take ``degree=1``.
- Many spectra on the same nodes: `mbfast.ConvolutionPlan` and `mbfast.KramersKronigPlan` prepare once, and what they,
  `mbfast.Spectrum` and the functions share is a `mbfast.FrequencyGrid`.
- Two-level systems in closed form: `mbfast.ttls_susceptibility`, `mbfast.sound_velocity_shift`,
  `mbfast.tunnelling_strength`; any levels: `mbfast.susceptibility_from_levels`.
- ``below`` and ``above`` say what the spectrum is beyond its nodes: a power law, zero, or a given exponent.

Flows
-----
All of it is in `mbfast.renormalization`. `mbfast.absorption_rates` computes the terms of one step for a super block, as
`mbfast.AbsorptionRates`, and `mbfast.flow` all steps; what each term of each step has added is in ``Flow.terms``, a
`mbfast.FlowTerms`. `mbfast.flow` takes arrays of materials, temperatures and parameters, and computes one flow for each
member over threads; for thousands of them take ``keep="ends"``. ``run.save(file)`` writes a flow with its inputs, and
`mbfast.Flow.load` reads it. Forms of its terms:

- "printed": those of the paper, with ln N0 in each;
- "derived": those that follow from its Hamiltonian, the response by an external strain; "derived-points" the same for
  blocks that are points;
- "total-strain": the same by the strain of the wave, as velocity and attenuation are measured. What is left of (3.7) is
  the local field, which the first step adds; `mbfast.guide.findings` says what that does not prove.

In the derived form ``n0`` says how finely a flow is recorded and, if it is not linear, how often the spectra are
renewed; what its steps add up to does not depend on it. Blocks are cubes, and each term of a step is the difference of
one function at the scales L and N_0 L. For points at the centres of the blocks (``form="derived-points"``), which is
what `mbfast.phase_sum` and `mbfast.lattice_sum` are of, it does. Linear flows of silica from 50 Å to 1 m at T = 0, with
Im chi~_l/Im chi~_t = c_l²/c_t², add up to

| N_0 | 1.3 | 2 | 4 | 8 | 16 | all pairs |
|---|---|---|---|---|---|---|
| (3.7) at 1e8 rad/s, longitudinal, in -chi²/(rho c_l²): points | 0.24 | 0.29 | 0.18 | 0.43 | 0.10 | 0.5227 |
| cubes | 0.5226 | 0.5226 | 0.5226 | 0.5226 | 0.5226 | 0.5227 |
| (3.5), of all pairs of an infinite lattice: points | 0.32 | 0.46 | 0.68 | 0.83 | 0.91 | 1 |
| cubes | 1 | 1 | 1 | 1 | 1 | 1 |

>>> low = mbfast.Spectrum(np.geomspace(1e5, 1e15, 64), np.full(64, -6e7), np.full(64, -3e7))
>>> for n0 in (1.3, 2, 64):
...     run = mbfast.flow(low, silica, n0=n0, form="derived", linear=True, stop=1.0)
...     print(f"{run.terms.interaction.transverse[:, 25].sum():.6g} Pa")
-243238 Pa
-243238 Pa
-243238 Pa

>>> omega = np.geomspace(1e5, 1e15, 64)
>>> spectrum = mbfast.Spectrum(omega, np.full(64, -6e7), np.full(64, -3e7), temperature=[[0.1], [1.0]])
>>> run = mbfast.flow(spectrum, silica, n0=[2.0, 4.0], keep="ends")
>>> run.final.longitudinal.shape  # two temperatures, two n0
(2, 2, 64)
"""
