"""Clusters: sums, flows and ensembles on many machines by Dask, with checkpoints, to the same bits.

When a cluster pays
-------------------
Three kinds of work consist of parts that do not know each other, and `mbfast.distributed` has each of them computed by
the workers of a Dask cluster: direct sums over all pairs (`pair_field`, `pair_energy`, `pair_sum`, `pair_forces`,
`pair_virial`), flows of several spectra or media (`flow`), and ensembles (`measure_orders`, and `run_each` for any
function of yours). The extra is ``pip install 'mbfast[cluster]'``, on every machine, in the same version.

| what you have | where it is computed best |
|---|---|
| up to 10^4 blocks | here: a second or less |
| a lattice | here, by "fft", which no cluster takes: 10^6 blocks take seconds |
| a lattice that is larger than memory | a machine with a fast disk, or MPI: see below |
| blocks anywhere, ``rtol`` suffices | here, by "ewald", up to what memory holds |
| blocks anywhere, 10^5 to 10^7, explicit images, or the direct sum itself | a cluster |
| hundreds of samples, of whatever method | a cluster, by ``run_each`` |

Ask before you wait in a queue. ``mbfast plan --blocks 1e6 --workers 64 --memory 4GB --network 1GB/s`` prints time and
memory of both methods, from the speed of this machine, and `mbfast.pairs.cluster_planning.predict_cluster` returns
them. A worker whose thread takes 0.3 of the time of the reference core has ``speed=0.3``:

>>> from mbfast.pairs.cluster_planning import predict_cluster
>>> for n in (10**6, 10**7, 10**8):
...     found = predict_cluster(n, workers=64, memory="4GB", speed=0.3)
...     here = found.client_memory / 1e9
...     print(f"{n:.0e} blocks: {found.seconds:.1e} s, {here:.2g} GB here; {found.why_not or 'fits'}")
1e+06 blocks: 2.4e+01 s, 0.54 GB here; fits
1e+07 blocks: 1.6e+03 s, 2.7 GB here; fits
1e+08 blocks: 1.6e+05 s, 24 GB here; a worker needs 16.5 GB for all blocks, and has 4 GB

Each worker gets all blocks, 50 to 120 bytes each, and sends the field of its targets once for every 131,072 sources,
which the client adds up as it comes. With more workers the work of each becomes less, but what the client receives does
not: the gain ends where ``results`` is longer than ``computing``.

On one machine
--------------
A cluster of workers on your own machine needs no other program. In a script it stands below ``if __name__``, because
every worker imports the script:

    import mbfast.distributed
    import numpy as np
    from distributed import Client, LocalCluster

    if __name__ == "__main__":
        silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)
        rng = np.random.default_rng(1)
        positions, moments = 1e-7 * rng.random((2000, 3)), 1e-19 * rng.normal(size=(2000, 6))
        with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
            field = mbfast.distributed.pair_field(silica, positions, moments, client=client)
        print(bool((field == mbfast.pair_field(silica, positions, moments)).all()))

It prints True. Threads do the same with less: this is for trying out what will run elsewhere.

Two workers by hand
-------------------
A scheduler and its workers are processes that find each other by an address. On one machine, in one terminal:

    dask scheduler --host 127.0.0.1 --port 8786 --no-dashboard
    dask worker tcp://127.0.0.1:8786 --nworkers 2 --nthreads 1 --no-dashboard
    mbfast pairsum blocks.npz --glass a-SiO2 --scheduler tcp://127.0.0.1:8786 --checkpoint blocks.checkpoint

The first two do not end by themselves: put ``&`` behind them, or take three terminals. On several machines the first
has no ``--host``, and the others have its address in place of 127.0.0.1. Whoever can reach the port can run code as
you: keep it within a network that you trust, or give all of them Dask's ``--tls-cert``, ``--tls-key`` and
``--tls-ca-file``. Commands that take long have the option ``--scheduler``: ``pairsum``, ``flow`` and ``superblock``.

Slurm
-----
With ``pip install dask-jobqueue`` one job is scheduler, client and workers: of 66 tasks the first is the scheduler, the
second runs what is in the block, and the other 64 are workers. Save this as ``field.sh`` and send it by ``sbatch
field.sh``:

    #!/bin/bash
    #SBATCH --job-name=field
    #SBATCH --ntasks=66
    #SBATCH --cpus-per-task=1
    #SBATCH --mem-per-cpu=4G
    #SBATCH --time=12:00:00
    export OMP_NUM_THREADS=1
    srun python field.py

and this as ``field.py``:

    import mbfast.distributed
    import numpy as np
    from dask_jobqueue.slurm import SLURMRunner
    from distributed import Client

    if __name__ == "__main__":
        options = {"scheduler_file": "scheduler-{job_id}.json", "worker_options": {"nthreads": 1}}
        with SLURMRunner(**options) as runner, Client(runner) as client:
            client.wait_for_workers(runner.n_workers)
            silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)
            with np.load("blocks.npz") as blocks:
                positions, moments = blocks["positions"], blocks["moments"]
            field = mbfast.distributed.pair_field(
                silica, positions, moments, client=client, checkpoint="field.checkpoint"
            )
            np.save("field.npy", field)

The folder must be one that all nodes see, because the address is in a file of it. Run ``mbfast warmup`` once before, on
a node of the same kind: else each worker compiles the kernels for itself, where the home folder is not shared.

Checkpoints, and what is lost
-----------------------------
- A worker is lost: Dask gives its parts to another one, and the result is the same. A part whose workers were lost four
  times in a row is taken for the cause, and the call ends in a ConnectionError.
- The scheduler is lost, or every worker: the call ends in a ConnectionError, which says how many parts were done.
- The client is killed, by the end of its time in the queue or by hand: workers drop what they were at.

With ``checkpoint=FILE``, or ``--checkpoint FILE``, parts that have come back are kept in FILE as they come. The same
call, or ``mbfast resume FILE`` for a command, then computes what is left, and the result has the bits of a run that
nothing has stopped. The file belongs to the client alone: workers do not see it. It needs a file system with locks, and
at most one run has it at a time. ``resume`` repeats the whole command, the address of the scheduler among it; a call
may go on with another cluster, with other numbers of workers, or with none.

One thread a worker
-------------------
Each part is computed by one thread. A worker of many threads computes as many parts at a time and holds the blocks only
once, which is worth it for direct sums of 10^7 blocks, whose kernels do not hold the interpreter's lock. All else is
better off with one thread a worker: the Python between the kernels holds that lock, and LAPACK, which ensembles of
super blocks take, would start threads of its own in every one of them. ``dask worker`` sets ``OMP_NUM_THREADS`` to 1
for its processes; where workers are started in another way, as above by Slurm, set it yourself.

Lattices larger than memory
---------------------------
`mbfast.StoredLatticeField`, and ``mbfast latticefield``, compute the field of a lattice that no memory holds, by way of
files in a folder. Its time is mostly that of the disk:

>>> for n in (512, 1024, 2048):
...     found = predict_cluster((n, n, n), workers=1, threads_per_worker=8, method="stored-fft", speed=0.3)
...     times, sizes = (found.computing, found.disk), (found.disk_space / 1e12, found.worker_memory / 1e9)
...     line = "{:.1e} s of computing, {:.1e} s of files; {:.2g} TB on disk, at least {:.2g} GB of memory"
...     print(f"{n:4}^3:", line.format(*times, *sizes))
 512^3: 6.8e+00 s of computing, 2.6e+02 s of files; 0.038 TB on disk, at least 1.5 GB of memory
1024^3: 6.0e+01 s of computing, 2.1e+03 s of files; 0.3 TB on disk, at least 5 GB of memory
2048^3: 5.3e+02 s of computing, 1.7e+04 s of files; 2.4 TB on disk, at least 19 GB of memory

Workers of a cluster share the tasks of each pass, if they all see the folder, the moments and the result by the same
paths: within ``with mbfast.distributed.connection(client):`` or by ``--scheduler``. That pays where the shared folder
serves several at once; a disk of one node is faster than most of them. What a job leaves in a folder when its time is
over, a job on any other node goes on with. Two fields at a time need two folders. For many samples let ``run_each``
call a function that makes one field in a folder of its own and returns what you want to know of it; then each worker
computes a whole field, and the disks of the nodes work side by side.

MPI
---
`mbfast.mpi.MPILatticeField` (``pip install 'mbfast[mpi]'``) shares a lattice among the ranks of MPI: each holds the
moments and the field of a slab, ``field.box``, and its share of the kernel. Two exchanges a field are nearly all that
is sent, of 96 bytes a block each for stress and 48 for dipoles, half of that if periodic. The bits are those of
`mbfast.LatticeField`. ``mpiexec -n 8 python -m mpi4py script.py`` ends all ranks where one fails. It is a way to the
memory of several nodes, not to speed: on one node threads are as good or better.

What bits depend on
-------------------
On the inputs and on the processor that kernels are compiled for: its vectors decide in which order a sum is added up.
Not on how many workers or threads there are, which of them computed what, in which order results came, nor on what was
lost meanwhile: parts are cut by the number of blocks alone, and put together in a fixed order. Where workers have
another processor than the client, the logger ``mbfast`` warns that last bits may differ; a checkpoint that another
processor has begun does the same. In a queue of mixed nodes ask for one kind: ``#SBATCH --constraint``.
"""
