"""Performance: how fast mbfast is, against what, and how that is tracked.

How it is tracked
-----------------
The benchmarks are a pytest-benchmark suite, which the README's commands under "Performance runs" run and report.
``benchmarks/cases.py`` is the table of what is timed beside what: the contenders of each family of cases, the
references in the same run, and the check. Only right answers are timed: each result is checked first. Timings are never
part of a test, and the gate runs the benchmarks once, untimed. Numbers of a shared machine vary by some 10 %, and more
under load. Slower cases stay in the tables.

- ``pytest benchmarks --benchmark-json=run.json`` runs all; ``-m quick`` one case of each hot path, ``-m slow`` those
  that take minutes or many GB. Each benchmark is in the file as soon as it is finished, also if the run is killed.
- ``python -m benchmarks.report run.json`` prints ratios to the references, with the scatter within the run.
- ``python -m benchmarks.compare run.json`` prints the cases whose ratio fell by more than 15 % beyond their scatter,
  against the newest stored ones of the same processor, and has a status of 1 if there are any. ``--store`` adds the run
  to ``benchmarks/history.csv``: ratios, not times, with the processor and the commit.
- ``python -m benchmarks.history history.svg`` draws the stored ratios by commit.
- ``python -m benchmarks.ab COMMIT_A COMMIT_B -k EXPRESSION`` times mbfast of two commits by turns.

The first call of a kernel compiles it; ``mbfast warmup`` does so for all of them (see `mbfast.guide.embedding`). No
time below contains compilation.

How it grows
------------
``pytest benchmarks/test_growth.py`` times each method at several sizes, on one thread, and prints for each the exponent
of its processor time in the number of blocks, nodes or states, fitted to the least times, with its standard error, and
the shares of one core's multiply-adds and bandwidth that it takes at the largest size. Both limits are measured in the
same run. What is counted is what a method cannot do without: the instructions of the inner loop of direct sums, the
operations of bare transforms, each array once. Exponents near those of theory, 2 for all pairs and 1 and a logarithm
for transforms, show that nothing grows faster than it must; they do not show that a method is fast, which the ratios
do.

Pair sums
---------
On a shared machine with two cores of an AMD EPYC (Zen 5, AVX-512), Python 3.11, NumPy 2.4, numba 0.68, g++ 12.2. Pair
sums of 20000 random blocks by the kernels, on one thread: ordered pairs per second of its processor time, the best of
eight runs, against straightforward C++ (``-O3 -march=native -ffast-math -fopenmp``, ``benchmarks/reference.cpp``).
Energies are computed once a pair; the C++ computes each twice:

| N = 20000, 1 thread | mbfast | C++ | mbfast / C++ | of the multiply-adds |
|---|---|---|---|---|
| stress, field | 1214 M/s | 818 M/s | 1.48 | 79 % |
| stress, energy | 2320 M/s | 1092 M/s | 2.12 | 77 % |
| dipoles, field | 2720 M/s | 2326 M/s | 1.17 | 80 % |
| dipoles, energy | 5469 M/s | 2507 M/s | 2.18 | 80 % |

The same on an Intel Xeon (Granite Rapids, AVX-512), medians of nine runs:

| N = 20000, 1 thread | mbfast | C++ | mbfast / C++ | of the multiply-adds |
|---|---|---|---|---|
| stress, field | 866 M/s | 417 M/s | 2.08 | 72 % |
| stress, energy | 1691 M/s | 574 M/s | 2.94 | 70 % |
| dipoles, field | 1663 M/s | 806 M/s | 2.06 | 66 % |
| dipoles, energy | 3218 M/s | 808 M/s | 3.98 | 64 % |

There a flip of one of 10⁴ two-level blocks takes 13 µs for stress and 8 µs for dipoles, 1.4 and 1.75 times as fast as
the same loop in C++, and an attempt that is refused 42 ns with its random numbers (``benchmarks/test_spins.py``).

The last column is the share of the multiply-adds that the core can do, measured in the same run in a loop of nothing
else; it counts every instruction that adds, multiplies or does both. ``python -m benchmarks.report`` prints the like of
your machine. Forces take 1.7 times as long as the field for stress and 1.6 times for dipoles, the virial 2.0 and 2.2.

The loops are written in vectors as wide as the processor's. On Intel's processors they would wait for the division and
the square root of each pair. With AVX-512, r^-1 is therefore an estimate that is refined to rounding error. The divider
of AMD's processors is faster: for stress they divide, for dipoles they do both in turn. Processors without AVX-512
divide. The processor alone decides, and ``mbfast info`` says what it is. The environment variable ``MBFAST_SIMD`` takes
another: ``estimate``, ``both``, or vectors of ``512``, ``256`` or ``128`` bits with divisions.

What takes less than a millisecond or two runs on one thread, as one has to start first: 1000 stress blocks took 1.8 ms
on one thread and 1.4 ms on two, 2000 took 7.2 and 4.1 ms (AMD EPYC, Zen 4). Two threads of C++, which wait for the next
call, are then faster. NumPy (einsum, in pieces) is slower by a factor of 40 to 300.

Lattices and Ewald sums
-----------------------
Fields on a lattice, in O(N log N), against the bare real Fourier transforms that they would take, one there and one
back for each component: of the box if all images are summed, of the padded box if it is open. Processor time of one
thread of an AMD EPYC (Zen 5, AVX-512) that others used as well, the least of many repeats by turns (FFTW with a
measured plan):

| field | mbfast | bare SciPy | bare FFTW | bare ducc0 |
|---|---|---|---|---|
| stress, periodic, 128³ | 75 ms | 222 ms | 83 ms | 114 ms |
| dipoles, periodic, 128³ | 41 ms | 110 ms | 40 ms | 56 ms |
| stress, periodic, 64³ | 8.7 ms | 13.8 ms | 4.9 ms | 6.4 ms |
| dipoles, periodic, 64³ | 4.4 ms | 6.7 ms | 2.4 ms | 3.2 ms |
| stress, open, 128³ | 326 ms | 2880 ms | 900 ms | 1050 ms |
| stress, open, 64³ | 29 ms | 223 ms | 85 ms | 108 ms |
| dipoles, open, 64³ | 12.7 ms | 109 ms | 39 ms | 52 ms |
| stress, open, 32³ | 4.0 ms | 12.6 ms | 4.9 ms | 6.0 ms |
| dipoles, open, 32³ | 1.9 ms | 6.3 ms | 2.4 ms | 3.3 ms |
| stress, open, 16³ | 0.45 ms | 1.43 ms | 0.47 ms | 0.73 ms |
| dipoles, open, 16³ | 0.18 ms | 0.70 ms | 0.23 ms | 0.36 ms |

With two threads of the Intel machine a periodic stress field of 128³ took 69 ms where the bare transforms by SciPy took
107 ms, dipoles of 64³ 3.9 and 5.7 ms; there waking a thread takes 0.3 ms, and open stress fields of 16³, by one thread,
took 0.45 ms beside 0.54 ms of FFTW by one thread and 0.37 ms by two.

The set-up of a periodic field took 0.8 to 3 times the time of a field. What takes about a millisecond is computed by
one thread: fields of 16³ took as long as the bare transforms by two threads of FFTW (0.27 against 0.26 ms, dipoles
0.12 against 0.13 ms).

At any positions, with two cores of an AMD EPYC (Zen 3, AVX2), 2 threads, medians of one run; ``lfmm3d`` of fmm3dpy is
one potential and its gradient, 1e-6:

| stress, random positions, rtol 1e-6 | 10⁴ | 10⁵ | 10⁶ |
|---|---|---|---|
| all pairs | 0.17 s | 16.6 s | |
| lfmm3d (dipoles) | 0.44 s | 10.0 s | |
| Ewald, with set-up | 0.54 s | 1.89 s | 14.9 s |

Up to some 10⁴ blocks the direct sum is faster than Ewald's.

Blocks that differ
------------------
`mbfast.disordered_response` by "bicgstab", one strain, rtol 1e-6, cubes whose bulk and shear moduli are complex and
random, -0.5 to 0 times those of the medium and up to 0.2 of them in the imaginary part: 20 fields of real moments for
32³, 64³ and 128³ blocks alike ("gmres" took 22 for 32³ blocks, "lgmres" 26). With two threads of an Intel Xeon that
other programs used as well, 128³ blocks took 25 s of processor time in free space and 15 s with all images, and 1.7 and
1.4 GB beside the 0.3 GB of the process and its chi.

Spectra
-------
Spectra on logarithmic nodes over ten decades, one thread, with a plan made before; the error is the largest one,
relative to the largest value:

| | 512 nodes | 2048 nodes |
|---|---|---|
| convolution at all nodes, T = 0 | 0.86 ms, 2e-15 | 16 ms, 1e-16 |
| the same, T > 0 | 6.9 ms, 2e-15 | 88 ms, 1e-16 |
| Kramers-Kronig by FFT (Debye) | 0.15 ms, 8e-12 | 0.34 ms, 1e-15 |
| Kramers-Kronig by its matrix | 0.16 ms, 8e-12 | 1.2 ms, 3e-15 |

Against what else one would take, for relaxations three decades apart on the uniform nodes that resolve them (kkcalc: on
our nodes):

| peer | its time and error | mbfast, as accurate | mbfast, more accurate |
|---|---|---|---|
| scipy.signal.fftconvolve, 10⁶ nodes | 77 ms, 2e-7 | 0.15 ms, 170 nodes | 1.3 ms, 2e-12 |
| scipy.signal.hilbert, 2·10⁶ nodes | 1100 ms, 5e-2 | 0.07 ms, 24 nodes | 0.20 ms, 1e-13 |
| pykk, 10⁴ nodes | 59 ms, 3e-2 | 0.07 ms, 24 nodes | 0.20 ms, 1e-13 |
| kkcalc, 2000 nodes | 277 ms, 8e-6 | 0.17 ms, 150 nodes | 0.30 ms, 2e-15 |

On the same uniform nodes a convolution takes the time of fftconvolve divided by 1.3 to 2.7 (a function with itself, 64
to 262,144 nodes) or by 1.02 to 2.4 (two functions; medians of calls by turns, Intel Xeon, Emerald Rapids, one thread),
and is exact for polynomials of degree 7, which the sum of fftconvolve is not.

Cutoff lengths
--------------
Cutoff lengths, against the same formula in NumPy. Small calls are slower than NumPy: checks and broadcasting cost about
10 µs.

| case | mbfast | NumPy | NumPy / mbfast |
|---|---|---|---|
| three arrays of 10⁶ | 1.4 ms | 5.3 ms | 3.8 |
| three arrays of 10⁷ | 19 ms | 51 ms | 2.6 |
| grid of 13 × 277 × 277 (10⁶) | 0.9 ms | 4.6 ms | 5.2 |
| grid of 13 × 877 × 877 (10⁷) | 14 ms | 30 ms | 2.1 |
| three arrays of 10⁴ | 24 µs | 22 µs | 0.9 |
"""
