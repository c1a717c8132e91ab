"""Accuracy and reproducibility: what is promised, what is estimated, and what is equal to the last bit.

The promise of rtol
-------------------
`rtol` belongs to pair sums; states of super blocks in time have one of their own: see `mbfast.superblock.evolution`. It
bounds the error of any component of the field at any block, relative to the largest field, and takes values from 1e-12
to 0.01. A value that cannot be reached is refused with a ValueError; mbfast never warns and returns less. Tests compare
fields with a plain sum over pairs for `rtol` from 1e-3 to 1e-12.

>>> import mbfast, numpy as np
>>> silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)
>>> rng = np.random.default_rng(1)
>>> positions, moments = 1e-7 * rng.random((500, 3)), 1.6e-19 * rng.normal(size=(500, 6))
>>> exact = mbfast.pair_field(silica, positions, moments, method="direct")
>>> for rtol in (1e-3, 1e-6, 1e-9):
...     h = mbfast.EwaldField(silica, positions, rtol=rtol)(moments)
...     print(bool(abs(h - exact).max() < rtol * abs(exact).max()))
True
True
True

The promise holds for ordered moments, too, such as waves on a lattice, where the errors of all pairs add up. If moments
are such that the fields of all blocks nearly cancel, `rtol` is relative to the field of one typical moment at the
distance of its neighbours, and not to what is left: see the notes of `mbfast.EwaldField`.

>>> crystal = mbfast.BlockLattice((4, 4, 4), 1e-9)  # dipoles that all are opposite to their neighbours
>>> dipoles = np.cos(np.pi * crystal.positions.sum(axis=1) / 1e-9).reshape(4, 4, 4, 1) * [0, 0, 3.3e-30]
>>> field = mbfast.EwaldField(mbfast.DipoleInteraction(8.85e-12), crystal, boundary="periodic", rtol=1e-3)
>>> bool(abs(field(dipoles)).max() < 1e-3 * field.unit * 3.3e-30)  # it is zero
True

Forces and the virial have the same promise, relative to the largest force or component, with units of their own in the
place of `field.unit`, which the notes of `mbfast.EwaldField` state.

What rounding leaves
--------------------
All arithmetic is in double precision. Where nothing is approximated, these errors remain:

| result | error, relative to its largest value |
|---|---|
| "direct" and "fft" fields, points | some 1e-15 |
| the tensor of cubes | 3e-14 of its largest component |
| the functions of scale of the derived (3.7) | some 1e-15 |
| convolutions and Kramers-Kronig transforms of the interpolant | 1e-15 to 1e-14 |
| cutoff lengths | 2e-15 |

Cancellation makes more of it: an energy that is a small difference of large terms has the absolute error of the terms.

What estimates cover
--------------------
A spectrum is known at its nodes only. `mbfast.convolve` and `mbfast.kramers_kronig` return an `mbfast.Estimate`: the
value for the interpolating polynomials, which is exact to rounding, and an estimate of the largest error that comes
from interpolating and from rounding.

>>> omega = np.geomspace(1e5, 1e15, 64)
>>> debye = mbfast.kramers_kronig(omega, -1e7 * omega * 1e-9 / (1 + (omega * 1e-9) ** 2), above="power")
>>> error = abs(debye.value - -1e7 / (1 + (omega * 1e-9) ** 2)).max()
>>> bool(error < debye.error < 100 * error)
True

The estimate covers kinks, cusps, branch points, and peaks with at least one node in their width at half of the height.
It covers steps for degrees 1 to 5; with degree 7 the error may be somewhat above it. Of smooth spectra it is
mostly below a hundred times the error, as in the example, but for few nodes and where terms cancel. It does not cover

- what happens between two nodes and leaves no trace at any node;
- what the spectrum is beyond its nodes: `below` and `above` are taken as you state them;
- noise in the samples, which high degrees amplify: take ``degree=1``.

Edges of absorption
-------------------
An interpolant rounds off a step (a band edge, a cutoff): of both integrals the error is then some width of the cell
times the step, near the step more, and the estimate says so. More nodes around the step make the cell narrow; two nodes
that are extremely close do not help, as polynomials through them swing far beyond the samples. The exact way is to let
the nodes end at the edge, with ``below="zero"`` or ``above="zero"``. A Kramers-Kronig transform is linear, so that of a
spectrum with several edges is the sum of those of its parts.

>>> at = np.array([0.5, 1.5, 3.0]) * 1e12
>>> band, exact = np.linspace(1e12, 2e12, 20), np.log(abs((4e24 - at**2) / (1e24 - at**2))) / np.pi
>>> value, error = mbfast.kramers_kronig(band, np.ones(20), below="zero", at=at)
>>> bool(abs(value - exact).max() < error < 1e-12)
True
>>> omega = np.geomspace(1e10, 1e14, 400)
>>> across, error = mbfast.kramers_kronig(omega, np.where((omega > 1e12) & (omega < 2e12), 1.0, 0.0), at=at)
>>> bool(1e-4 < abs(across - exact).max() < error)
True

A convolution is no sum over parts. A cutoff above which nothing is can be the last node; refine nodes at other edges.

The errors of a flow, ``Flow.error``, are those of a second flow beside it, in which the next terms of the interpolants
are not left out, and what the flow changes goes on smoothly beyond the nodes: the difference of both, with its sign,
goes through all steps and grows as the flow makes it grow. Three times that, and bounds of what kinks and rounding add,
are the estimate of the largest error at a node. Against the same flows with three times as many nodes, further out at
both ends, it was 2 to 30 times too large for smooth spectra with 10 to 25 nodes a decade, for 189 of 192, and 43 times
at most; kinks and cutoffs are alike, and of steps it was up to 73 times too large. Nodes where the spectrum jumps do
not count. In the form "derived-points" waves shorter than the blocks make ripples that no nodes show; the estimate was
then down to a third of the error.

>>> shape = 1 / (1 + (omega * 1e-13) ** 2)
>>> start = mbfast.Spectrum(omega, -7e7 * shape, -3e7 * shape, 1.0, above="power")
>>> run = mbfast.flow(start, silica)
>>> bool(0 < run.error.transverse < 1e-3 * abs(run.final.transverse).max())
True

Input that is not finite is refused before any work, and the message says where it is. In results nan means "there is no
such number", and the docstring says where that occurs.

What is equal to the last bit
-----------------------------
On one machine, with the same versions of mbfast, numba, NumPy and SciPy, results are the same to the last bit

- for any number of threads, because partial sums are combined in a fixed order;
- for every run, because no method is chosen by a stopwatch and no order depends on time;
- for one process or many, and before and after a fork.

>>> one, two = (mbfast.pair_field(silica, positions, moments, threads=n) for n in (1, 2))
>>> bool((one == two).all())
True

What may change the last bits is another processor (vectors of another width add in another order) or ``MBFAST_SIMD``,
another version of numba or of the libraries, another method, and another order of the blocks. Results then differ by
the errors of the table above, and those of "ewald" by at most twice `rtol`. A flow may amplify them: compare two flows
within their ``Flow.error``.

``NUMBA_CPU_NAME=x86-64-v3`` compiles kernels for the vectors that all recent x86-64 processors have, at some loss of
speed. It removes the largest difference between such machines, but not all of them: NumPy, the linear algebra and the
mathematical library choose code by processor as well.
"""
