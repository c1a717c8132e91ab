"""Simulations: whole programs around the kernels, and the numbers that they must hit.

Each is a module, run as ``python -m mbfast.examples.NAME [FILE.png] [--seed N]``. It prints what it computes with its
error, beside a reference that is exact or published, and draws a figure if a file is named. Its docstring says what
the model is, what is shown and what is not; its functions are short and are there to be copied. Each takes about a
minute or less on two cores, compilation included.

- `mbfast.examples.tls_monte_carlo`: 10⁴ interacting two-level blocks are annealed until no flip of one or of two gains
  energy. Compared with the dipolar gap to first order in the coupling, with energies and thermal means of all 2¹²
  states of twelve, and with fields summed anew.
- `mbfast.examples.kinetic_monte_carlo`: flips in time, rejection-free, over barriers or with one phonon. Compared with
  Boltzmann's distribution, the exponential of the matrix of rates, the published law of the heat release, and the
  Lorentzian of spectral diffusion.
- `mbfast.examples.elastoplastic`: a sheared body of cubes that yield one by one, or all at once. Compared with
  laminates and the relief of a cube in closed form, with energy and work, and with published exponents of avalanches.
- `mbfast.examples.dipole_relaxation`: dipoles that turn and move by torques and forces. Compared with the states of
  Luttinger and Tisza, and with chains and rings in closed form.
- `mbfast.examples.inference`: C_l, C_t and ω_c from a mock measurement through the flow. Compared with the true values
  and with the Fisher information of a closed form.
- `mbfast.examples.foreign`: a Monte Carlo in C, and maps by OpenMP and in Fortran. Compared with the same in Python.

Small ones show one thing each: `mbfast.examples.one_block` (a field), `mbfast.examples.cutoff_map` (arrays),
`mbfast.examples.embedded` and `mbfast.examples.monte_carlo` (kernels in compiled loops).

What each costs in a flip
-------------------------
A flip of one block changes the field of all others, so that it costs O(N); an attempt that is refused costs O(1), as
its cost is read from the field that is kept up. On a periodic lattice `mbfast.LatticeField.coupling_table` has all
couplings by offset, images included, and `mbfast.kernels.spins` reads them in order. Where many blocks change at once,
one `mbfast.LatticeField` sums all anew in the time of some tens of flips by the table.

>>> import numpy as np, mbfast
>>> from mbfast.kernels import spins
>>> silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)
>>> field = mbfast.LatticeField(silica, mbfast.BlockLattice((4, 4, 4), 5e-9), boundary="periodic")
>>> table, rng = field.coupling_table(), np.random.default_rng(1)
>>> moments = 1.6e-19 * rng.normal(size=(6, 64))  # t, each block's stress moment being sigma t/2
>>> sigma, weights = np.ones(64), np.array([1, 1, 1, 2, 2, 2])[:, None]
>>> own = np.array([spins.lattice_coupling(s, s, table, moments) for s in range(64)])  # images flip with their spin
>>> def summed(sigma):
...     h = field((0.5 * sigma * moments).T.reshape(4, 4, 4, 6)).reshape(64, 6).T
...     return (weights * moments * h).sum(axis=0) - own * sigma
>>> local = summed(sigma)
>>> cost = spins.flip_cost(7, sigma, np.zeros(64), local)
>>> change = spins.lattice_flip(7, sigma, table, moments, local)  # keeps local up
>>> bool(np.allclose(local, summed(sigma), rtol=0, atol=1e-12 * abs(local).max())), bool(abs(change / cost - 1) < 1e-12)
(True, True)

Over many seeds
---------------
Numbers with an error by chance are tested over 20 seeds, mostly in smaller systems: ``pytest -m slow``, which takes
about an hour. Over seeds, their means and mean squares of (value - reference)/error must be those of honest errors,
within the bounds that the tests give. That finds a bias of about one error, and none that is much less.

Long runs
---------
`mbfast.run_each` computes samples on threads, `mbfast.distributed` has the same for a cluster, and ``checkpoint=``
keeps what is finished. `mbfast.Checkpoint` does so for the state of a loop of your own, random numbers included.
"""
