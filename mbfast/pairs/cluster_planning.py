"""What a pair sum would take on a cluster, and a lattice larger than memory on a disk, before either is there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from mbfast._core import jobs, tiles
from mbfast._core.sizes import byte_rate, memory_size
from mbfast._core.validate import count_from, positive_number, require_choice
from mbfast.pairs import direct, planning
from mbfast.pairs._stored.plan import TASKS, Files, Sizes
from mbfast.pairs.direct import DirectField
from mbfast.pairs.lattice import LatticeField
from mbfast.pairs.pencils import Pencils
from mbfast.pairs.problem import Boundary, PairProblem

Method: TypeAlias = Literal["direct", "stored-fft"]
METHODS: tuple[Method, ...] = get_args(Method)

_START = 4.0  # seconds until workers have imported mbfast and loaded its kernels
_BATCH = 4e-3  # seconds that a client takes for what comes back, beside its bytes
_PROCESS = 3e8  # bytes of a process with all that is imported and compiled


@dataclass(frozen=True)
class ClusterPrediction:
    """What one field would take.

    Attributes
    ----------
    method : {"direct", "stored-fft"}
        Sums over all pairs on the workers of a cluster; or transforms in pieces, which pass over one disk.
    start, inputs, computing, results, disk : float
        Seconds: until workers are ready, without a queue's; until all of them have the blocks; of their work; of the
        client, which takes what comes back while they go on; and of reading and writing files.
    worker_memory, client_memory, disk_space : float
        Bytes: of the largest process of a worker; of the process that asks; of files.
    traffic : float
        Bytes that are read from files and written to them.
    why_not : str
        Why the method cannot be taken, or nothing.
    """

    method: Method
    start: float = 0.0
    inputs: float = 0.0
    computing: float = 0.0
    results: float = 0.0
    disk: float = 0.0
    worker_memory: float = 0.0
    client_memory: float = 0.0
    disk_space: float = 0.0
    traffic: float = 0.0
    why_not: str = ""

    @property
    def seconds(self) -> float:
        """Time until the field is there."""
        return self.start + self.inputs + max(self.computing, self.results) + self.disk


def predict_cluster(
    shape: tuple[int, ...] | int, kind: planning.Kind = "stress", *, boundary: Boundary = "open",
    images: int | None = None, averaged: bool = False, workers: int, threads_per_worker: int = 1,
    memory: int | str = "4GB", network: float | str = "1GB/s", disk: float | str = "500MB/s",
    method: Method = "direct", speed: float | None = None,
) -> ClusterPrediction:  # fmt: skip
    """Predict time, memory and disk of one field on a cluster.

    Parameters
    ----------
    shape, kind, boundary, images, averaged
        As in `mbfast.pairs.planning.predict`.
    workers, threads_per_worker : int
        Processes, and threads of each.
    memory : int or str
        Of each worker: bytes, or a text such as "4GB" or "3.5 GiB".
    network, disk : float or str
        How fast one worker sends and receives, and how fast its disk reads and writes: bytes per second, or a text such
        as "1GB/s" or "10 Gbit/s".
    method : {"direct", "stored-fft"}
        `mbfast.distributed.pair_field`; or `mbfast.StoredLatticeField`, the transforms of `mbfast.LatticeField` with
        all that is between them on one disk, which workers share.
    speed : float, optional
        The time of one thread of a worker, over that of the reference core of `mbfast.DirectField.estimate`; None: of
        a thread of this machine, measured once while all of them work.

    Returns
    -------
    ClusterPrediction
        Where `why_not` says something, of what would be needed.

    Raises
    ------
    TypeError
        If workers or threads_per_worker is no whole number, or network, disk or speed is not one real number.
    ValueError
        For what `mbfast.pairs.planning.predict` refuses; if workers or threads_per_worker is below 1, memory, network,
        disk or speed is not positive, or no text of such a quantity, or method is unknown.

    Notes
    -----
    Direct sums: pairs over threads, in rounds of the batches that Dask hands out; all blocks to each worker, one after
    the other by way of one link, which is the worst case; results to the client, each range of targets once for each
    131,072 sources. Lattices: the transforms' time, and after it that of the disk, in nine passes over files. What the
    system keeps of files in memory makes it faster. Neither knows how long a job waits in a queue, nor that others use
    the network and the disk.

    Examples
    --------
    >>> from mbfast.pairs.cluster_planning import predict_cluster
    >>> few, many = (predict_cluster(10**6, workers=n, speed=0.5).computing for n in (10, 100))
    >>> bool(9 < few / many < 11)
    True
    >>> predict_cluster((2048, 2048, 2048), workers=1, method="stored-fft", memory="64GB", speed=0.5).why_not
    ''
    """
    problem = planning.hypothetical(shape, kind, rtol=None, boundary=boundary, images=images, averaged=averaged)
    require_choice("method", method, METHODS)
    processes, threads = count_from(1, "workers", workers), count_from(1, "threads_per_worker", threads_per_worker)
    limit, link, drive = memory_size("memory", memory), byte_rate("network", network), byte_rate("disk", disk)
    if speed is not None:
        speed = positive_number("speed", speed, unit="")
    if method == "direct":
        return _direct(problem, processes, threads, limit, link, speed)
    return _stored(problem, processes, threads, limit, drive, speed)


def _direct(
    problem: PairProblem, workers: int, threads: int, limit: float, link: float, speed: float | None
) -> ClusterPrediction:
    """Predict a sum over all pairs."""
    n, components = problem.geometry.n_blocks, problem.interaction.components
    if why_not := DirectField.why_not(problem):
        return ClusterPrediction("direct", why_not=why_not)
    large, small, pieces = sum_parts(problem)
    parts, all_threads = large + small, workers * threads
    batch = jobs.batch_size(parts, all_threads)
    computed = DirectField.estimate(problem).seconds * _seconds("direct", components, speed)
    kept = n <= direct._SOURCES  # with reduced positions of their own
    inputs = 8.0 * n * (components + 3 * (problem.lattice is None) + 3 * kept)
    if problem.geometry.averaged:
        inputs += 8.0 * n * components**2
    of_small = computed / max(direct._LARGE * large + small, 1)
    longest = of_small * max(direct._LARGE * math.ceil(large / all_threads), math.ceil(parts / all_threads))
    rows = 8.0 * components * n
    of_thread = 8.0 * min(n, direct._SOURCES) * (components + 3) + rows * pieces * batch / max(parts, 1)
    memory = _PROCESS + 2.0 * inputs + threads * of_thread
    if memory > limit:
        why_not = f"a worker needs {_gb(memory)} for all blocks, and has {_gb(limit)}"
    return ClusterPrediction(
        method="direct",
        start=_START,
        inputs=inputs * (workers + 1) / link,  # to the scheduler, from there to one, and to the others
        computing=max(computed / all_threads, longest),
        results=_BATCH * math.ceil(parts / batch) + rows * pieces / link,
        worker_memory=memory,
        client_memory=_PROCESS + 2.0 * inputs + 2.0 * rows,  # what came before its turn, and the field
        why_not=why_not,
    )


def sum_parts(problem: PairProblem) -> tuple[int, int, int]:
    """Return how many large and small parts `DirectField` makes of a sum elsewhere, and of how many pieces of sources.

    Arithmetic, because of 10^10 blocks nobody wants a list.
    """
    n, copies = problem.geometry.n_blocks, int(problem.copies)
    tile = direct.tile_size(problem)
    tiles_, large, small = math.ceil(problem.n_targets / tile), 0, 0
    pieces = math.ceil(n / direct._SOURCES)
    for count, size, last in ((pieces - 1, direct._SOURCES, False), (1, n - (pieces - 1) * direct._SOURCES, True)):
        pairs = max(1, min(tile, problem.n_targets) * size * copies)
        cost = pairs * (direct._CUBES if problem.geometry.averaged else 1.0)
        (more, _), (few, _) = direct.ranges(tiles_, cost, last)
        large, small = large + count * more, small + count * few
    return large, small, pieces


def _stored(
    problem: PairProblem, workers: int, threads: int, limit: float, drive: float, speed: float | None
) -> ClusterPrediction:
    """Predict a field of a lattice by way of files."""
    if why_not := LatticeField.why_not(problem).replace(repr(LatticeField.method), "'stored-fft'"):
        return ClusterPrediction("stored-fft", why_not=why_not)
    files = stored_files(problem, threads)
    computed = LatticeField.estimate(problem).seconds * _seconds("fft", problem.interaction.components, speed)
    if files.memory > limit:
        why_not = f"at least {_gb(files.memory)} of memory are needed, {_gb(limit)} are there"
    return ClusterPrediction(
        method="stored-fft",
        start=_START if workers > 1 else 0.0,
        computing=computed / (workers * threads),
        disk=files.traffic / drive,
        worker_memory=files.memory,
        disk_space=files.space,
        traffic=files.traffic,
        why_not=why_not,
    )


@dataclass(frozen=True)
class StoredFiles:
    """What a lattice field by way of files takes (bytes): memory at least, room on the disk, read and written."""

    memory: float
    space: float
    traffic: float


def stored_files(problem: PairProblem, threads: int) -> StoredFiles:
    """Return what the files of a lattice field take.

    Moments are spread to planes, these are multiplied by the kernel, and collected: each pass reads what the one before
    has written. The kernel of a padded lattice is written at its offsets, then transformed; where all images are summed
    it comes from modes that are written, too.
    """
    pencils = Pencils(problem)
    found = Files(pencils)
    ends = 8.0 * pencils.components * problem.geometry.n_blocks  # moments, and the field
    return StoredFiles(
        memory=_PROCESS + Sizes(pencils, threads).least,
        space=found.of_field(1.0 / TASKS) + found.of_kernel(1.0 / TASKS) + ends,
        traffic=4.0 * found.field + 4.0 * found.kernel + 2.0 * found.modes + 3.0 * ends,
    )


def _seconds(method: str, components: int, speed: float | None) -> float:
    """Return the time of one thread over that of the reference core."""
    if speed is not None:
        return speed
    threads = tiles.default_threads()[0]
    return planning._speed(f"{method} {components}", threads) * threads


def _gb(nbytes: float) -> str:
    return f"{nbytes / 1e9:.3g} GB"
