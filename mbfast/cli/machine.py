"""Commands about the machine: predictions, versions, compilation."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import platform
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

import mbfast
from mbfast.cli.command import command
from mbfast.cli.output import Plain, echo, show

if TYPE_CHECKING:
    from mbfast._core.jit import Kernel


@command
def plan(
    blocks: Annotated[str, typer.Option(metavar="N or N1xN2xN3", help="Blocks anywhere, or of a lattice.")],
    kind: Annotated[str, typer.Option(metavar="KIND", help="stress or dipole.")] = "stress",
    rtol: Annotated[float | None, typer.Option(help="What ewald is to reach; by default what auto asks for.")] = None,
    boundary: Annotated[str, typer.Option(help="open or periodic.")] = "open",
    images: Annotated[int | None, typer.Option(help="Shells of explicit images, if periodic.")] = None,
    averaged: Annotated[bool, typer.Option("--averaged", help="Blocks are cubes, on a lattice.")] = False,
    plain: Plain = False,
) -> None:
    """Predict time and memory of every method of a pair sum on this machine, and what auto takes, before anything runs.

    Example: mbfast plan --blocks 128x128x128 --kind dipole
    """
    from mbfast._core import machine  # noqa: PLC0415
    from mbfast.pairs import planning  # noqa: PLC0415

    sides = blocks.lower().split("x")
    try:
        numbers = [int(float(side)) if float(side) == int(float(side)) else -1 for side in sides]
    except (ValueError, OverflowError):
        numbers = [-1]
    if len(numbers) not in (1, 3) or min(numbers) < 0:
        raise ValueError(f"--blocks must be a whole number, or three with x between them, got {blocks!r}")
    if averaged and len(numbers) == 1:
        raise ValueError("--averaged belongs to a lattice: give --blocks as N1xN2xN3")
    shape = numbers[0] if len(numbers) == 1 else tuple(numbers)
    free = machine.available_memory()
    problem = planning.hypothetical(shape, kind, rtol=rtol, boundary=boundary, images=images, averaged=averaged)
    rows = []
    for prediction in planning.predictions(problem):
        remark = prediction.why_not or ("" if prediction.memory <= free else "does not fit")
        rows.append((prediction.method, f"{prediction.seconds:.2g}", f"{prediction.memory / 1e9:.2g}", remark))
    method, exact, why = planning.auto_method(problem)
    lines = (
        f"auto takes {method}, rtol {exact.rtol:g} ({why})",
        f"one field on this machine, set-up included; {free / 1e9:.3g} GB are available",
    )
    show(("method", "time (s)", "memory (GB)", "remark"), rows, lines, plain=plain)


@command
def info(plain: Plain = False) -> None:
    """Versions, the processor compiled for, threads, and the cache of compiled kernels.

    Example: mbfast info
    """
    from mbfast._core import jit, machine  # noqa: PLC0415

    kernels = jit.all_kernels()
    processor, width = jit.target()
    folders = sorted({str(kernel.cache_folder or "none: kernels are compiled anew") for kernel in kernels})
    files = [file for kernel in kernels for file in kernel.cache_files()]
    cached = sum(bool(kernel.cache_files()) for kernel in kernels)
    size = sum(file.stat().st_size for file in files) / 1024
    rows = (
        ("mbfast", mbfast.__version__),
        ("Python", f"{platform.python_version()} on {platform.platform()}"),
        *((package, importlib.metadata.version(package)) for package in ("numpy", "scipy", "numba", "llvmlite")),
        ("processor", f"{processor}, vectors of up to {width} bits"),
        ("threads", f"{machine.usable_cores()} of {os.cpu_count()} cores usable by this process"),
        *(("cache folder", folder) for folder in folders),
        ("cache", f"{cached} of {len(kernels)} kernels, {size:.0f} KiB"),
    )
    show(("item", "value"), rows, plain=plain, keys=2)


@command
def warmup(
    processes: Annotated[int | None, typer.Option(min=1, help="Processes at once; usable cores by default.")] = None,
) -> None:
    """Compile all kernels and keep them in the cache, so that the first call of each is fast; measure speeds for plan.

    Example: mbfast warmup
    """
    start = time.perf_counter()
    from mbfast._core import jit, machine  # noqa: PLC0415
    from mbfast.pairs import planning  # noqa: PLC0415

    kernels = jit.all_kernels()
    keeps = all(kernel.cache_folder for kernel in kernels)  # else what another process compiles is lost
    compile_kernels(kernels, (processes or machine.usable_cores()) if keeps else 1)
    planning.measure()
    echo(f"{len(kernels)} kernels ready in {time.perf_counter() - start:.1f} s")


def compile_kernels(kernels: Sequence[Kernel], processes: int) -> None:
    """Compile kernels in so many processes, which share the cache, and draw a bar; Ctrl-C ends all of them."""
    # all of a file in one process, which compiles their helpers once; long files first
    files = {kernel.file: [other.name for other in kernels if other.file == kernel.file] for kernel in kernels}
    jobs = [files[file] for file in sorted(files, key=lambda file: file.stat().st_size, reverse=True)]
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("compiling", total=len(kernels))
        if processes == 1:
            for kernel in kernels:
                kernel.compile()
                bar.advance(task)
            return
        # not by fork: this process has threads, such as that of the bar
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(processes, len(jobs)), context, initializer=_ignore_interrupts) as pool:
            try:
                for future in as_completed([pool.submit(_compile, job) for job in jobs]):
                    bar.advance(task, future.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.terminate()
                raise


def _ignore_interrupts() -> None:
    # Ctrl-C reaches all processes of a terminal: the first ends the others
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _compile(names: list[str]) -> int:
    """Compile kernels in a process of their own; return their number."""
    from mbfast._core import jit  # noqa: PLC0415

    for kernel in jit.all_kernels():
        if kernel.name in names:
            kernel.compile()
    return len(names)
