"""Commands about the machine: predictions, versions, compilation."""

from __future__ import annotations

import contextlib
import importlib.metadata
import itertools
import multiprocessing
import os
import platform
import signal
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

import mbfast
from mbfast.cli.command import Threads, command
from mbfast.cli.output import Plain, echo, show

if TYPE_CHECKING:
    from mbfast._core.jit import Kernel

_YEAR = 365.25 * 86400.0  # seconds


@command
def plan(
    blocks: Annotated[
        str | None, typer.Option(metavar="N or N1xN2xN3", help="A pair sum: blocks anywhere, or of a lattice.")
    ] = None,
    superblock: Annotated[int | None, typer.Option(metavar="N", help="Or: an exact super block of N blocks.")] = None,
    levels: Annotated[
        int | None, typer.Option(help="Of each block of it: 2, two-level systems (default), or more, complex.")
    ] = None,
    kind: Annotated[str, typer.Option(metavar="KIND", help="stress or dipole.")] = "stress",
    rtol: Annotated[float | None, typer.Option(help="What ewald is to reach; by default what auto asks for.")] = None,
    boundary: Annotated[str, typer.Option(help="open or periodic.")] = "open",
    images: Annotated[int | None, typer.Option(help="Shells of explicit images, if periodic.")] = None,
    averaged: Annotated[bool, typer.Option("--averaged", help="Blocks are cubes, on a lattice.")] = False,
    workers: Annotated[int | None, typer.Option(help="Of a cluster: predict for it, in place of this machine.")] = None,
    threads_per_worker: Annotated[int | None, typer.Option(help="Of each worker; 1 by default.")] = None,
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="Of each worker; 4GB by default.")] = None,
    network: Annotated[str | None, typer.Option(metavar="RATE", help="Of each worker; 1GB/s by default.")] = None,
    disk: Annotated[str | None, typer.Option(metavar="RATE", help="Of a worker; 500MB/s by default.")] = None,
    method: Annotated[str | None, typer.Option(help="With --workers: direct or stored-fft alone.")] = None,
    speed: Annotated[
        float | None, typer.Option(help="Time of a worker's thread over a reference core's; by default as here.")
    ] = None,
    threads: Threads = None,
    plain: Plain = False,
) -> None:
    """Predict time and memory on this machine before anything runs: of a pair sum, or of an exact super block.

    Of a pair sum (--blocks): every method, and what auto takes. Of a super block (--superblock): a product with its
    Hamiltonian, levels, susceptibilities, evolution in time, and the most blocks that fit for each. With --workers: of
    a pair sum on a cluster whose workers are like this machine, directly, and of a lattice by way of files.

    Example: mbfast plan --blocks 128x128x128 --kind dipole

    Example: mbfast plan --superblock 20

    Example: mbfast plan --blocks 512x512x512 --workers 64 --memory 4GB --network 10Gbit/s
    """
    from mbfast._core import machine, tiles  # noqa: PLC0415
    from mbfast.pairs import planning  # noqa: PLC0415

    tiles.set_threads(threads)
    if (blocks is None) == (superblock is None):
        raise ValueError(f"--blocks or --superblock is wanted, got {'neither' if blocks is None else 'both'}")
    cluster: dict[str, Any] = {
        "threads_per_worker": threads_per_worker,
        "memory": memory,
        "network": network,
        "disk": disk,
    }
    cluster |= {"method": method, "speed": speed}
    given = {name: value for name, value in cluster.items() if value is not None}
    if given and workers is None:
        raise ValueError(f"--{next(iter(given)).replace('_', '-')} belongs to --workers")
    if superblock is not None:
        if (kind, rtol, boundary, images, averaged, workers) != ("stress", None, "open", None, False, None):
            raise ValueError("--kind, --rtol, --boundary, --images, --averaged and --workers belong to --blocks")
        _plan_super_block(superblock, 2 if levels is None else levels, plain)
        return
    if blocks is None or levels is not None:
        raise ValueError("--levels belongs to --superblock")
    shape = _shape(blocks, averaged)
    if workers is not None:
        if rtol is not None:
            raise ValueError("--rtol is for ewald, which no cluster takes")
        body = {"kind": kind, "boundary": boundary, "images": images, "averaged": averaged}
        _plan_cluster(shape, {**body, "workers": workers, **given}, plain)
        return
    free = machine.available_memory()
    problem = planning.hypothetical(shape, kind, rtol=rtol, boundary=boundary, images=images, averaged=averaged)
    rows = []
    for prediction in planning.predictions(problem):
        remark = prediction.why_not or ("" if prediction.memory <= free else "does not fit")
        rows.append((prediction.method, f"{prediction.seconds:.2g}", f"{prediction.memory / 1e9:.2g}", remark))
    method, exact, why = planning.auto_method(problem)
    count, source = tiles.default_threads()
    lines = (
        f"auto takes {method}, rtol {exact.rtol:g} ({why})",
        f"one field on this machine, set-up included, threads: {count} ({source}); {free / 1e9:.3g} GB are available",
    )
    show(("method", "time (s)", "memory (GB)", "remark"), rows, lines, plain=plain)


def _shape(blocks: str, averaged: bool) -> tuple[int, ...] | int:
    """Return what --blocks says."""
    sides = blocks.lower().split("x")
    try:
        numbers = [int(float(side)) if float(side) == int(float(side)) else -1 for side in sides]
    except (ValueError, OverflowError):
        numbers = [-1]
    if len(numbers) not in (1, 3) or min(numbers) < 0:
        raise ValueError(f"--blocks must be a whole number, or three with x between them, got {blocks!r}")
    if averaged and len(numbers) == 1:
        raise ValueError("--averaged belongs to a lattice: give --blocks as N1xN2xN3")
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def _plan_cluster(shape: tuple[int, ...] | int, asked: dict[str, Any], plain: bool) -> None:
    """Print what methods would take on a cluster."""
    from mbfast._core import machine  # noqa: PLC0415
    from mbfast.pairs.cluster_planning import METHODS, predict_cluster  # noqa: PLC0415

    free, rows = machine.available_memory(), []
    possible = METHODS if isinstance(shape, tuple) else METHODS[:1]
    for method in [asked.pop("method")] if "method" in asked else possible:
        found = predict_cluster(shape, method=method, **asked)
        remark = found.why_not
        if not remark and found.client_memory > free:
            remark = f"the client needs more memory than the {free / 1e9:.3g} GB here"
        if not remark and found.seconds > _YEAR:
            remark = f"{found.seconds / _YEAR:.2g} years"
        times = found.seconds, found.start, found.inputs, found.computing, found.results, found.disk
        sizes = found.worker_memory, found.client_memory, found.disk_space
        cells = [f"{number:.2g}" for number in (*times, *(size / 1e9 for size in sizes))]
        rows.append((method, *(cells if found.seconds else [""] * len(cells)), remark))
    of_time = ("time (s)", "start (s)", "inputs (s)", "computing (s)", "results (s)", "files (s)")
    headings = ("method", *of_time, "a worker (GB)", "client (GB)", "disk (GB)", "remark")
    threads = asked.get("threads_per_worker", 1)
    lines = (
        f"one field, set-up included; workers: {asked['workers']}, threads of each: {threads}",
        "stored-fft goes over one disk for all workers; results come while others are computed; no queue is counted",
    )
    show(headings, rows, lines, plain=plain)


def _plan_super_block(n_blocks: int, levels: int, plain: bool) -> None:
    from mbfast._core import machine, tiles  # noqa: PLC0415
    from mbfast.superblock import planning  # noqa: PLC0415

    free, rows = machine.available_memory(), []
    for found in planning.predict(n_blocks, levels):
        remark = "" if found.memory <= free else "does not fit"
        numbers = (f"{found.seconds:.2g}", f"{found.memory / 1e9:.2g}", str(found.blocks))
        rows.append((found.task, *numbers, remark))
    count, source = tiles.default_threads()
    lines = (
        f"{n_blocks} blocks of {levels} levels: {float(levels**n_blocks):.4g} states",
        f"on this machine, threads: {count} ({source}), LAPACK has its own; {free / 1e9:.3g} GB are available",
    )
    show(("task", "time (s)", "memory (GB)", "most blocks", "remark"), rows, lines, plain=plain)


@command
def info(plain: Plain = False) -> None:
    """Versions, the processor compiled for, threads, and the cache of compiled kernels.

    Example: mbfast info
    """
    from mbfast._core import jit, machine, numba_private, simd, tiles  # noqa: PLC0415

    kernels, (threads, source) = jit.all_kernels(), tiles.default_threads()
    usable = f"{machine.usable_cores()} of {os.cpu_count()} cores usable by this process"
    roots = {0: "division", 1: "estimates", 2: "divisions and estimates in turn"}[simd.VECTORS.estimates]
    folders = sorted({str(kernel.cache_folder or "none: kernels are compiled anew") for kernel in kernels})
    files = [kernel.cache_files() for kernel in kernels]
    cached = sum(map(bool, files))
    size = sum(file.stat().st_size for of_kernel in files for file in of_kernel) / 1024
    rows = (
        ("mbfast", mbfast.__version__),
        ("Python", f"{platform.python_version()} on {platform.platform()}"),
        *((package, importlib.metadata.version(package)) for package in ("numpy", "scipy", "numba", "llvmlite")),
        ("processor", numba_private.processor()[0]),
        ("pair sums", f"vectors of {64 * simd.VECTORS.width} bits, 1/r by {roots} (MBFAST_SIMD={simd.CHOICE})"),
        ("threads", f"{threads} (from {source}); {usable}"),
        *(("cache folder", folder) for folder in folders),
        ("cache", f"{cached} of {len(kernels)} kernels, {size:.0f} KiB"),
    )
    show(("item", "value"), rows, plain=plain, keys=2)


@command
def warmup(
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes at once; by default as many as threads.")
    ] = None,
) -> None:
    """Compile all kernels and keep them in the cache, so that the first call of each is fast; measure speeds for plan.

    Example: mbfast warmup
    """
    start = time.perf_counter()
    from mbfast._core import jit, tiles  # noqa: PLC0415
    from mbfast.pairs import planning  # noqa: PLC0415
    from mbfast.superblock import planning as super_block_planning  # noqa: PLC0415

    kernels = jit.all_kernels()
    keeps = all(kernel.cache_folder for kernel in kernels)  # else what another process compiles is lost
    compile_kernels(kernels, tiles.check_threads(processes) if keeps else 1)
    planning.measure()
    super_block_planning.measure()
    echo(f"{len(kernels)} kernels ready in {time.perf_counter() - start:.1f} s")


def compile_kernels(kernels: Sequence[Kernel], processes: int) -> None:
    """Compile kernels in so many processes, which share the cache, and draw a bar; Ctrl-C ends all of them."""
    left = [[kernel.name] for kernel in kernels]
    if processes > 1:  # all of a file in one process, which compiles their helpers once; long files first
        files = {kernel.file: [other.name for other in kernels if other.file == kernel.file] for kernel in kernels}
        left = [files[file] for file in sorted(files, key=lambda file: file.stat().st_size, reverse=True)]
    with Progress(console=Console(stderr=True), auto_refresh=False) as bar:
        task = bar.add_task("compiling", total=len(kernels))
        with contextlib.suppress(OSError, EOFError):  # a process has died
            for job in _compiled_by(processes, left.copy()) if processes > 1 else ():
                left.remove(job)
                bar.update(task, advance=len(job), refresh=True)
        for job in left:
            _compile(job)
            bar.update(task, advance=len(job), refresh=True)


def _compiled_by(processes: int, jobs: list[list[str]]) -> Iterator[list[str]]:
    """Yield the jobs that so many processes, or as many as can be started, have done."""
    context, waiting = multiprocessing.get_context("spawn"), iter(jobs)  # not by fork: the caller may have threads
    under_way: dict[Any, list[str]] = {}
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            for job in itertools.islice(waiting, processes):
                pipe, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs,), daemon=True)
                process.start()
                stack.callback(process.join)
                stack.callback(process.terminate)
                theirs.close()
                pipe.send(job)
                under_way[pipe] = job
        while under_way:
            ready: list[Any] = wait(list(under_way))
            for pipe in ready:
                pipe.recv()
                yield under_way.pop(pipe)
                for job in itertools.islice(waiting, 1):
                    pipe.send(job)
                    under_way[pipe] = job


def _serve(pipe: Connection) -> None:
    """Compile what comes, and say so, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal: one ends the others
    with contextlib.suppress(OSError, EOFError):  # nothing more comes
        while True:
            _compile(pipe.recv())
            pipe.send(None)


def _compile(names: list[str]) -> None:
    from mbfast._core import jit  # noqa: PLC0415

    for kernel in jit.all_kernels():
        if kernel.name in names:
            kernel.compile()
