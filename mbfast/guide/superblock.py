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
| eigenvectors | some 10,000 states | ``numpy.linalg.eigh(super_block.dense())`` |
| other solvers, time evolution | what memory holds | ``hamiltonian()`` and ``scipy.sparse.linalg`` |
| your own compiled loop | | ``diagonal``, ``flips`` and `mbfast.kernels.superblock` |

`mbfast.superblock.response` says how susceptibilities are computed, what their error bars cover, and how long it takes.
What does not fit into memory is refused, with the numbers and with what would fit. Results are the same to the last bit
for any number of threads; small products take one.

>>> from mbfast.kernels import superblock
>>> result = disordered.diagonal * psi
>>> superblock.add_flips(disordered.flips, psi, result)
>>> bool(np.abs(result - product).max() < 1e-14 * np.abs(product).max())
True
"""
