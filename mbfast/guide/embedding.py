"""Embedding: mbfast in compiled loops, in C and Fortran, in threads, processes and clusters.

From a slow loop to kernels
---------------------------
`mbfast.kernels` holds compiled functions for your own ``@numba.njit`` code. They take floats and arrays, check nothing,
and work in reduced units: lengths in a unit of yours, energies without the prefactor. ``interaction.prefactor /
unit**3`` turns them into SI. Arrays are by component, (3, n) or (6, n), float64 and C-contiguous. Suppose that this
loop is too slow:

>>> import mbfast, numpy as np
>>> vacuum = mbfast.DipoleInteraction(permittivity=8.8541878128e-12)
>>> rng = np.random.default_rng(1)
>>> unit, debye = 1e-9, 3.33564e-30  # m, C m
>>> positions, moments = 10 * rng.random((3, 50)), rng.normal(size=(3, 50))  # in units of 1 nm and 1 debye
>>> def slow(at):
...     field = np.zeros(3)
...     for s in range(50):
...         field += vacuum.tensor(unit * (at - positions[:, s])) @ (debye * moments[:, s])
...     return field
>>> at = np.array([20.0, 0.0, 0.0])

The first step keeps the loop and compiles it, with a kernel for one pair, of `mbfast.kernels.dipole`:

>>> import numba
>>> from mbfast.kernels import dipole
>>> @numba.njit
... def looped(at, positions, moments):
...     hx, hy, hz = 0.0, 0.0, 0.0
...     for s in range(positions.shape[1]):
...         d = at - positions[:, s]
...         x, y, z = dipole.pair_field(d[0], d[1], d[2], moments[0, s], moments[1, s], moments[2, s])
...         hx, hy, hz = hx + x, hy + y, hz + z
...     return hx, hy, hz
>>> scale = vacuum.prefactor / unit**3 * debye  # to V/m
>>> bool(np.allclose(scale * np.array(looped(at, positions, moments)), slow(at)))
True

The second step hands whole arrays to a kernel, whose loop has no branch and fills the vectors of the processor (the
squares of distances, other than zero, must lie between 1e-300 and 1e300):

>>> @numba.njit
... def whole(targets, positions, moments):
...     field = np.zeros(targets.shape)
...     dipole.field(targets, positions, moments, field)  # adds to field
...     return field
>>> bool(np.allclose(scale * whole(at.reshape(3, 1), positions, moments)[:, 0], slow(at)))
True

Stress moments take the interaction's coefficients as well: ``stress.field(targets, positions, moments, *coefficients,
out)`` with ``coefficients = interaction.coefficients``. For Monte Carlo, ``change_moment`` gives one block a new
moment, updates the field at all blocks, and returns the change of the energy: ``python -m mbfast.examples.monte_carlo``
runs one. Two-level blocks, whose moments have two values, are spins: `mbfast.kernels.spins` has what flips of one and
of two of them cost, and ``stress.flip`` and ``dipole.flip`` keep up one number for each block in place of a field:

>>> from mbfast.kernels import spins
>>> sigma, local, fields = np.ones(50), np.zeros(50), np.zeros((3, 50))
>>> dipole.field(positions, positions, 0.5 * moments, fields)  # of blocks with the dipoles sigma moments/2
>>> local[:] = (moments * fields).sum(axis=0)
>>> cost = spins.flip_cost(7, sigma, np.zeros(50), local)
>>> bool(abs(dipole.flip(7, sigma, positions, moments, local) - cost) < 1e-12)
True

Other modules are `mbfast.kernels.geometry` (indices and nearest images), `mbfast.kernels.cutoffs` (L_c as universal
functions), `mbfast.kernels.levels` and `mbfast.kernels.spectra` (lines of levels, integrals with a pole),
`mbfast.kernels.displacements` (lattice sums) and `mbfast.kernels.superblock` (states). The page of each has an example.

For blocks that move, ``forces`` and ``virial`` add up what all sources do to each target at fixed moments, as
derivatives of the energy of all pairs i < j, and ``pair_gradient`` is that of one pair, by the displacement from the
second block to the first:

>>> forces, virial = np.zeros((3, 50)), np.zeros((9, 50))
>>> dipole.forces(positions, moments, positions, moments, forces)
>>> dipole.virial(positions, moments, positions, moments, virial)
>>> same = 2 * vacuum.prefactor / unit**4 * debye**2 * forces.T  # each pair counts twice in pair_energy
>>> expected = mbfast.pair_forces(vacuum, unit * positions.T, debye * moments.T)
>>> bool(np.allclose(same, expected, rtol=0, atol=1e-12 * abs(expected).max()))
True

Compile time
------------
A kernel is compiled at its first call and kept on disk: in ``NUMBA_CACHE_DIR``, else beside the package, else in your
cache folder, else in a private temporary one. ``mbfast warmup`` compiles all of them, ``mbfast info`` shows the folder,
and ``MBFAST_CACHE=0`` turns the cache off. A file that is damaged is compiled anew, never loaded. Ctrl-C ends a
compilation, after the part of it that is LLVM's. Add ``cache=True`` to your own functions, but note that numba does not
notice a change in a function of another file that yours calls.

C, C++ and Fortran
------------------
`mbfast.kernels.capi.address` compiles a function with a C signature and returns its address. Any code in the same
process may call it, from any thread. The header ``mbfast.h`` in the folder `mbfast.get_include` has their types. C
calls one of them by

    #include "mbfast.h"
    mbfast_dipole_field *field = (mbfast_dipole_field *)address;
    field(m, targets, n, positions, moments, out);  /* adds to out */

and the same, with ctypes in the place of C:

>>> import ctypes
>>> from mbfast.kernels import capi
>>> double_p = ctypes.POINTER(ctypes.c_double)
>>> signature = ctypes.CFUNCTYPE(None, ctypes.c_int64, double_p, ctypes.c_int64, double_p, double_p, double_p)
>>> function, out = signature(capi.address("dipole_field")), np.zeros(3)
>>> pointers = [array.ctypes.data_as(double_p) for array in (at, positions, moments, out)]
>>> function(1, pointers[0], 50, *pointers[1:])
>>> bool(np.allclose(scale * out, slow(at)))
True

An address means something in the process that asked for it and in no other. Python is therefore the host: it loads your
library by ctypes and hands addresses to it, as arguments whose C types are ``mbfast_dipole_field *`` and the like. In
Fortran such an argument is a ``type(c_funptr), value``, of which ``c_f_procpointer`` makes a procedure; a row of C is a
column there, so that positions (3, n) are ``real(c_double) :: positions(n, 3)``. A kernel takes rows of all its
targets: a thread that takes a tile of them copies it, and its result back. ``python -m mbfast.examples.foreign``
compiles and runs a Monte Carlo in C, a map by threads of OpenMP, and one in Fortran; their sources are beside that
module.

Threads
-------
Functions take ``threads=``, by default as many as the process may use: its affinity mask and the quota of its control
group count, and results do not depend on the number. The default can be limited, by the first of these that is given:

1. ``mbfast.set_threads(n)``, in this process;
2. the environment variable ``MBFAST_NUM_THREADS``, in this process and those that it starts;
3. the least of ``OMP_NUM_THREADS``, ``NUMBA_NUM_THREADS`` and ``SLURM_CPUS_PER_TASK``.

``mbfast info`` says which it is; the commands that compute have an option ``--threads``. The caller's thread takes part
in the work, and where no other can be started (``ulimit -u``, the limits of a container) it does all of it.

A limit for a part of a program is a ``with`` statement. It lowers the default and never raises it, and it holds for the
thread, or the asynchronous task, that is within it:

>>> places = 1e-9 * positions.T
>>> with mbfast.limit_threads(2):
...     field = mbfast.pair_field(vacuum, places, debye * moments.T)

Threads live for one call only. Every function may be called from several threads at once; kernels do not hold the
interpreter's lock. Calls at the same time share the cores: each has an equal part of them, and where one more begins,
the others give back threads after the tiles they are at; where one ends, they have its part from their next step on. A
call that was told a number, ``threads=4``, keeps it, and the others share what it leaves. A call from within a call,
such as one in your ``progress`` function, takes one thread. So a pool of yours needs no care; only LAPACK and BLAS have
threads of their own, which ``OPENBLAS_NUM_THREADS`` or the package threadpoolctl limit. Those of OpenBLAS wait for the
next product for some hundredths of a second, at full speed, on cores that mbfast's threads want: where small products
and sums of mbfast follow one another, ``OPENBLAS_NUM_THREADS=1`` is faster. SciPy's solvers in `disordered_response` of
32³ blocks then took 0.68 of the time on two cores (AMD EPYC, Zen 4), those of 64³ the same.

>>> from concurrent.futures import ThreadPoolExecutor
>>> samples = [debye * rng.normal(size=(50, 3)) for _ in range(4)]
>>> energy = lambda sample: mbfast.pair_energy(vacuum, places, sample)
>>> with ThreadPoolExecutor() as pool:
...     threaded = list(pool.map(energy, samples))
>>> threaded == [energy(sample) for sample in samples]  # to the last bit
True

``LatticeField`` and its like may be shared by threads: each call has memory of its own.

Builds of Python without that lock ("free-threaded", 3.14t) are supported by numba as an experiment, since its release
0.63, and mbfast has not been tested with them. ``import mbfast`` alone imports no numba.

Ctrl-C
------
Python hears Ctrl-C between two lines of its own, and compiled code comes back to it after a tenth of a second or so,
whatever there is to compute. A call that is interrupted raises KeyboardInterrupt when its other threads have left what
they were at: none goes on, and no lock is held. Fields, plans, super blocks and spectra are as they were and may be
called again; moments and other arguments are not changed; ``out=`` may have been filled in part, or not at all. Files
are written whole or not at all, a checkpoint has the parts that were done, and a `StoredLatticeField` keeps what it has
in its folder and goes on there. On a cluster, tasks that have not begun are dropped. A command ends with one line and
exit code 130.

These take as long as they take, as they are single calls of other libraries: eigenvalues of whole matrices by LAPACK
(``SuperBlock.energies()`` of all levels, ``method="exact"`` and the orders measured by it: seconds for 4096 states);
products of matrices by BLAS and transforms by SciPy, of 10⁷ numbers or more (a plan for thousands of spectra at once,
spectra on millions of uniform nodes, the forces and the virial of a lattice); NumPy's sorting and SciPy's trees of many
millions of blocks that are not in a lattice; one transform along a chain of millions of blocks; your own compiled
loops, the functions of `mbfast.kernels` that they call, and what a function given to `mbfast.run_each` does on another
thread between two calls of mbfast. Cut loops of yours that take seconds into parts, and call them from Python one by
one. A second Ctrl-C ends no compiled code either.

Processes
---------
Interactions, lattices, spectra and results can be pickled, and both ways to start a process work: "spawn", and "fork",
also after threads and kernels have run, because mbfast leaves no thread behind that a fork would break. Processes do
not know of each other, so that each would take all cores: tell them how many threads they may have. joblib's do so
themselves, by ``OMP_NUM_THREADS``; those of Python's own pools are told by ``initializer``:

>>> import functools, multiprocessing
>>> from concurrent.futures import ProcessPoolExecutor
>>> work = functools.partial(mbfast.pair_energy, vacuum, places)
>>> options = {"initializer": mbfast.set_threads, "initargs": (1,)}
>>> with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), **options) as pool:
...     spawned = list(pool.map(work, samples))
>>> spawned == threaded  # to the last bit
True

Results are saved whole or not at all. Where a process is killed while it saves one, a hidden file may stay,
``.mbfast.HOST.PROCESS.N``, which can be removed.

A script that starts processes needs ``if __name__ == "__main__":``, as Python's documentation says.

Clusters
--------
A Dask cluster takes the same function. A client has an executor with the interface of the pools above, so that one line
changes: ``pool = dask.distributed.Client(...).get_executor()``. Workers that share a home folder share the cache of
compiled kernels. A worker of Dask runs as many tasks at once as it has cores, so that within a task a call takes one
thread, unless ``threads=``, ``set_threads`` or ``MBFAST_NUM_THREADS`` say otherwise. Send large arrays once
(``client.scatter``). `mbfast.distributed` has mbfast's own sums, flows and ensembles in parts that Dask computes, and
`mbfast.guide.cluster` the rest: schedulers by hand and by Slurm, what is lost with a worker, MPI.

Solvers
-------
``field.operator()`` is the map from moments to fields as a ``scipy.sparse.linalg.LinearOperator``, for Krylov solvers
and eigenvalues. It acts on ``moments.ravel()`` of moments (N, 3, 3), or (N, 3) for dipoles. In this layout it is
symmetric; in the layout of six components it would not be, because yz, xz and xy stand for two places each.

Checking your own use
---------------------
`mbfast.testing` has the oracles that mbfast is tested with, in plain NumPy and free of all that is compiled, and random
blocks, moments, levels and spectra to try them on. They find a wrong sign, unit, factor or order of components between
your code and mbfast:

>>> from mbfast import testing
>>> tensor = lambda r: testing.dipole_tensor(r, 8.8541878128e-12)
>>> field = mbfast.pair_field(vacuum, places[:9], debye * moments.T[:9])
>>> expected = testing.pair_field(tensor, places[:9], debye * moments.T[:9])
>>> bool(np.allclose(field, expected, rtol=0, atol=1e-12 * abs(expected).max()))
True
"""
