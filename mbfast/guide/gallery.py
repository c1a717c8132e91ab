"""Gallery: the figures of the examples, what each shows, and the command that draws it.

``python -m mbfast.examples.NAME FILE.png`` runs an example and draws its figure, in 300 dots an inch, with a caption in
a text file beside it; .pdf and .svg do as well. The pictures here are smaller. `mbfast.guide.simulations` says what the
examples compute and what they are compared with, `mbfast.plotting` has the figures of fields, flows and ratios, and
``mbfast reproduce --figures FOLDER`` draws those of the paper.

One block in a plane
--------------------
Strain around a block with a stress moment of 1 eV: it changes its sign with the direction and falls as the cube of the
distance. ``python -m mbfast.examples.one_block FILE.png``

![Maps of the strains xx, yy and xy around one block in a plane](one_block.png)

The dipolar gap
---------------
Two-level blocks that interact, in states that no flip of one or two of them improves: few are left whose flip costs
little, and to first order in the coupling that is the dipolar gap.
``python -m mbfast.examples.tls_monte_carlo FILE.png``

![Density of the costs of flips by cost, beside the theory of the dipolar gap](gallery_tls_monte_carlo.png)

Heat release and spectral diffusion
-----------------------------------
Flips in time: the heat that silica gives off for days after it is cooled, a hole burnt into a spectrum, and its width,
which grow as logarithms of time. ``python -m mbfast.examples.kinetic_monte_carlo FILE.png``

![Released heat, spectral holes and their width over time](gallery_kinetic_monte_carlo.png)

A body that yields
------------------
Cubes that yield under shear: stress and strain, sizes of avalanches beside the published exponent, and the plastic
strain of a plane. ``python -m mbfast.examples.elastoplastic FILE.png``

![Stress over strain, sizes of avalanches, map of plastic strain](gallery_elastoplastic.png)

Dipoles that turn and move
--------------------------
Cubic lattices of dipoles find the states of Luttinger and Tisza; six that move freely close to a ring.
``python -m mbfast.examples.dipole_relaxation FILE.png``

![Orders of dipoles on lattices, a ring of six, and energies by iteration](gallery_dipole_relaxation.png)

What a measurement says
-----------------------
Mock attenuation and sound velocities of silica, and what they tell about C_l, C_t and the cutoff: the latter within a
factor of 2 or 3 only, along a narrow valley. ``python -m mbfast.examples.inference FILE.png``

![Mock data and fit, residuals, and the posterior of C_t and the cutoff](gallery_inference.png)

Kernels in C, OpenMP and Fortran
--------------------------------
A Monte Carlo in C cools two-level blocks by the kernels of mbfast, and threads of OpenMP compute a map of the strain.
``python -m mbfast.examples.foreign FILE.png``

![Map of the strain, and the energy by sweeps of the annealing](gallery_foreign.png)
"""
