"""The scheduler: tiles of work on threads, their results in order."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import operator
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeAlias, TypeVar

T = TypeVar("T")
R = TypeVar("R")

Progress: TypeAlias = bool | Callable[[int, int], object]
"""Whether to draw a bar (where rich is installed), or a function to call with (tiles done, tiles in all)."""

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return the number of cores this process may use: its affinity mask, and the CPU quota of its control group."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, _quota())))


def _quota() -> float:
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):  # control groups v2, v1
        try:
            quota, period = " ".join((_CGROUP / file).read_text() for file in files).split()
            return int(quota) / int(period) if int(quota) > 0 else math.inf
        except (OSError, ValueError):  # not there, or "max"
            continue
    return math.inf


def check_threads(threads: int | None) -> int:
    """Return the number of threads to use; None means `usable_cores`."""
    if threads is None:
        return usable_cores()
    try:
        number = operator.index(threads)
    except TypeError:
        raise TypeError(f"threads must be a whole number or None, got {threads!r}") from None
    if number < 1:
        raise ValueError(f"threads must be at least 1, got {number}")
    return number


def run(
    work: Callable[[T], R], tiles: Sequence[T], *, threads: int, advance: Callable[[], object] = lambda: None
) -> list[R]:
    """Call `work` on every tile, `advance` after each, and return the results in the order of the tiles.

    Threads live for this call only: nothing is left that a fork could break, and calls from several threads do not
    meet. On an exception, Ctrl-C among them, tiles not begun are dropped and those under way finished.
    """
    if threads == 1 or len(tiles) < 2:
        results = []
        for tile in tiles:
            results.append(work(tile))
            advance()
        return results
    with ThreadPoolExecutor(min(threads, len(tiles))) as pool:
        futures = [pool.submit(work, tile) for tile in tiles]
        try:
            for future in as_completed(futures):
                future.result()
                advance()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


@contextlib.contextmanager
def counter(progress: Progress, total: int, label: str) -> Iterator[Callable[[], object]]:
    """Yield a function to be called after each of `total` tiles."""
    if callable(progress):
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        yield count
        return
    if not progress or importlib.util.find_spec("rich") is None:
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
