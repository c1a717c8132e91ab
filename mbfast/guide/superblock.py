"""The super block: blocks with levels of their own, coupled, exactly; sizes, times, and which method to choose.

What it is
----------
`mbfast.Block` is one block: its energies, and its stress (or electric dipole moment) as matrices between its levels.
`mbfast.SuperBlock` puts blocks at positions, or on a lattice of points or cubes, and couples them by the interaction
(2.16): each ordered pair counts, as everywhere in mbfast. Nothing is taken to be small, and blocks may differ.

>>> import mbfast, numpy as np
>>> silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)
>>> block = mbfast.Block.two_level(asymmetry=2e-25, tunnelling=1e-24, stress=[0, 0, 1e-19, 0, 0, 1e-19])
>>> cube = mbfast.SuperBlock(silica, mbfast.BlockLattice((2, 2, 2), 5e-9), block)
>>> cube.dimension, cube.energies(3).shape
(256, (3,))

Blocks of random couplings come from `mbfast.superblock.ensembles`, drawn by a generator of yours: two-level blocks of
the standard distribution, levels of Gaussian orthogonal or unitary matrices, isotropic stresses.

>>> from mbfast.superblock import ensembles
>>> rng = np.random.default_rng(1)
>>> stress = ensembles.isotropic_stress(8, 1e-19, rng=rng)
>>> blocks = ensembles.two_level_blocks(8, stress, max_splitting=1e-23, min_tunnelling=1e-26, rng=rng)
>>> disordered = mbfast.SuperBlock(silica, cube.positions, blocks)

A periodic super block, ``boundary="periodic"``, has all images, its blocks' own among them: the energy of a block in
the field of its own images is quadratic in its stress operators, and a part of ``block_hamiltonian``.
``strain=e`` adds e:T of (2.18) and moves the blocks. Their moments stay as they are, or, with
``moment_change="gradient"``, follow the strain: to first order Delta T = eT + Te, and Delta p = e p as in (5.4).

States
------
A state is a vector of D numbers, block 0 the slowest index. Each block has a basis of its own. Where all its stress
operators commute it is the one in which they are diagonal, as the two wells of a two-level system; else its levels.
``block_basis(s)`` has its states, ``block_stress(s)`` and ``block_hamiltonian(s)`` are matrices in it.

>>> psi = rng.normal(size=disordered.dimension)
>>> product = disordered.apply(psi)  # H psi; several states as columns, real or complex
>>> disordered.stress(psi, wavevector=[1e7, 0, 0]).shape  # the sum of exp(ik.x_s) T_s psi
(6, 256)
>>> again = disordered.hamiltonian() @ psi  # a LinearOperator for SciPy's solvers
>>> bool((again == product).all())
True

The Hamiltonian is never a matrix, unless ``dense()`` makes one. Its diagonal is one vector, with all couplings of
blocks whose stresses are diagonal. Of two-level blocks only flips are left. They are done a dozen blocks at a time, on
pieces of the state that stay in the cache. What other blocks have beside the diagonal is a sparse matrix on four or so
blocks at a time, of which the states of all other blocks are lanes side by side; of blocks with very many levels each
of the six operators is applied in turn.

In time
-------
``evolve(psi, times)`` is exp(-i H t/hbar)|psi> by Chebyshev polynomials: about as many H|psi> as half the width of the
spectrum times t/hbar. With ``wave=`` the blocks are driven by a `mbfast.superblock.drive.StrainWave`, a Gaussian pulse
or a sine that is switched on and off; `mbfast.superblock.evolution` has the steps and what their ``rtol`` promises.
``absorption(wave, temperature)`` is the energy that the wave leaves, (3.3), to all orders in the wave and in the
coupling, as the mean over the wave and its opposite; ``linear_absorption`` is the golden rule for the same wave. Where
levels saturate, they part: eight blocks can take up some 8e-24 J, all excited, and a strong pulse empties their levels
as often as it fills them.

>>> from mbfast.superblock.drive import StrainWave
>>> for strain in (1e-8, 1e-7, 1e-6, 4e-6):
...     e = [0, 0, strain, 0, 0, strain]
...     wave = StrainWave(e, omega=1e-24 / mbfast.units.HBAR, duration=3e-10, wavevector=[1e7, 0, 0])
...     found = cube.absorption(wave, temperature=0.0, rtol=1e-3)
...     print(f"{found.energy:.1e} J, golden rule {cube.linear_absorption(wave, 0.0):.1e} J")
8.7e-28 J, golden rule 8.7e-28 J
8.7e-26 J, golden rule 8.7e-26 J
5.8e-24 J, golden rule 8.7e-24 J
4.0e-24 J, golden rule 1.4e-22 J

How large, how long
-------------------
One core of an AMD EPYC (Zen 5), time of one H|psi> and memory with the two vectors, real for two-level blocks and
complex for the others, which have stresses that do not commute:

| blocks | states | H psi | memory |
|---|---|---|---|
| 12 of two levels | 4,096 | 0.012 ms | |
| 16 of two levels | 65,536 | 0.11 ms | 2 MB |
| 20 of two levels | 1,048,576 | 2.7 ms | 25 MB |
| 24 of two levels | 16,777,216 | 55 ms | 0.4 GB |
| 8 of four levels | 65,536 | 4.8 ms | 8 MB |
| 10 of four levels | 1,048,576 | 0.14 s | 51 MB |
| 6 of eight levels | 262,144 | 78 ms | 15 MB |
| 4 of sixteen levels | 65,536 | 19 ms | 4 MB |
| 3 of 32 levels | 32,768 | 8.8 ms | 4 MB |

For 20 two-level blocks that is 0.21 times the time of QuSpin's product by a CSR matrix, which takes 268 MB, and 0.016
times that of its product without a matrix; for 8 and 9 complex blocks of four levels 0.13 and 0.22 times that of
SciPy's CSR matrix. With a few hundred states a matrix is faster: 4 complex blocks of four levels take 0.06 ms, by CSR
0.015 ms. Figures like these come from ``benchmarks/test_superblock.py``.

Which method
------------
| you want | up to | take |
|---|---|---|
| all levels | some 10,000 states, 13 two-level blocks | ``energies()``: LAPACK, D^3 |
| a few of the lowest levels | what memory holds | ``energies(k)``: hundreds of H psi; each level with all its states |
| Im chi and Re chi, at any wave vector | 24 two-level blocks at T = 0, 20 above | ``susceptibility(...)`` |
| the first order in the coupling | some hundred blocks | `mbfast.superblock.perturbation` |
| the second order | 64 two-level blocks | `mbfast.superblock.clusters`: pairs and triples |
| both orders, and what they leave of the exact response | 10 two-level blocks | `mbfast.superblock.orders` |
| eigenvectors | some 10,000 states | ``numpy.linalg.eigh(super_block.dense())`` |
| states in time, in peace or in a wave | what memory holds | ``evolve(psi, times)`` |
| what a wave of any strength leaves | 64 states exactly, else 16 two-level blocks | ``absorption(wave, temperature)`` |
| other solvers | what memory holds | ``hamiltonian()`` and ``scipy.sparse.linalg`` |
| your own compiled loop | | ``diagonal``, ``flips`` and `mbfast.kernels.superblock` |

`mbfast.superblock.response` says how susceptibilities are computed, what their error bars cover, and how long it takes.
What does not fit into memory is refused, with the numbers and with what would fit. Results are the same to the last bit
for any number of threads; small products take one.

Predictions for this machine, and the most blocks that fit, are printed by ``mbfast plan --superblock 20``, with
``--levels`` for others than two; in Python by `mbfast.superblock.planning.predict`.

>>> from mbfast.kernels import superblock
>>> result = disordered.diagonal * psi
>>> superblock.add_flips(disordered.flips, psi, result)
>>> bool(np.abs(result - product).max() < 1e-14 * np.abs(product).max())
True

How far perturbation theory holds
---------------------------------
`mbfast.superblock.orders.measure_orders` compares, over an ensemble, the exact susceptibility with its orders in a
factor g of the couplings: order 0, of the blocks alone; order 1, its random-phase and its Hartree part apart; order 2
as measured, from couplings of both signs. Frequencies are complex, omega + i broadening, so that the series converges
where a coupling moves levels by less than the broadening.

>>> from mbfast.superblock.orders import measure_orders
>>> def pairs(rng):
...     blocks = ensembles.isotropic_two_level_blocks(2, 2e-20, 1e-23, 1e-24, rng=rng)
...     return mbfast.SuperBlock(silica, mbfast.BlockLattice((2, 1, 1), 5e-9), blocks)
>>> omega = np.linspace(0, 1e11, 8) + 2e10j
>>> result = measure_orders({"pairs": pairs}, omega, 0.1, block_volume=5e-9**3, members=20, rng=rng)
>>> zero, one, two = (result.errors(order).value[0, -1, 0] for order in (0, 1, 2))  # by ensemble, coupling, strain
>>> bool(zero > one > two)
True

``result.mean_errors(order)`` is the same for the mean over the ensemble, ``result.share("second")`` how much the second
order changes the mean absorption, ``result.save(file)`` an archive.

Two-level blocks with stresses of 5e-20 J, splittings up to 1e-23 J and tunnelling energies from 1e-24 J, in silica,
5 nm apart, at 0.1 K and with a broadening of 2e10 rad/s, 300 super blocks of each shape; errors are root mean squares
at g = 1, relative to order 0, of transverse strain; S6 is the sum of (L/x)^6 of each block's neighbours:

| shape | S6 | error of order 0 | of orders 0, 1 | of orders 0 to 2 | second order of the mean absorption |
|---|---|---|---|---|---|
| 2x1x1 | 1.00 | 0.028 | 0.0041 | 0.0008 | (-2.9 ± 0.9)e-4 |
| 3x1x1 | 1.34 | 0.025 | 0.0023 | 0.0002 | (-3.4 ± 0.6)e-4 |
| 4x1x1 | 1.52 | 0.021 | 0.0026 | 0.0005 | (-5.1 ± 0.9)e-4 |
| 6x1x1 | 1.69 | 0.024 | 0.0023 | 0.0003 | (-5.1 ± 0.6)e-4 |
| 2x2x1 | 2.12 | 0.028 | 0.0051 | 0.0008 | (-8.9 ± 1.4)e-4 |
| 3x2x1 | 2.52 | 0.026 | 0.0031 | 0.0005 | (-6.3 ± 0.7)e-4 |
| 2x2x2 | 3.41 | 0.032 | 0.0051 | 0.0012 | (-11.3 ± 1.1)e-4 |

The mean second order takes absorption away, and grows with the number of neighbours as S6 does, -2.9e-4 S6 within the
standard errors: a sum that converges. Of the square of the error of orders 0 and 1 the 15 worst of 300 super blocks
have 59 to 96 %: a mean square over wide distributions is made by few.

The second order of a super block of any size consists of that of its pairs and triples, each of which is exact:
`mbfast.superblock.clusters.second_order`. What needs no states of all blocks takes
`mbfast.superblock.coupled.CoupledBlocks`, of which there may be far more than a state vector fits. By it the audit's
chains, sheets and cubes up to 4x4x4, of blocks with one splitting, follow S6 as well (``mbfast reproduce 3.8``).

>>> from mbfast.superblock.clusters import second_order
>>> from mbfast.superblock.coupled import CoupledBlocks
>>> many = ensembles.isotropic_two_level_blocks(27, 2e-20, 1e-23, 1e-24, rng=rng)
>>> cubic = CoupledBlocks(silica, mbfast.BlockLattice((3, 3, 3), 5e-9), many)
>>> second_order(cubic, omega[:2], 0.1, volume=27 * 5e-9**3).shape
(2, 2)

Without Python code ``mbfast superblock CONFIG.toml`` does this for lattices of some shapes, prints a table, and writes
the archive and two figures: errors by coupling, with their slopes, and by shape, with the second order. Its help has an
example. Several super blocks are done side by side; where LAPACK has threads of its own they get in each other's way.
The command takes one for LAPACK; in Python set OPENBLAS_NUM_THREADS=1 before NumPy is imported.
"""
