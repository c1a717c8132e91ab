"""The scheduler: tiles of work on threads, their results in order."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias, TypeVar

from mbfast._core.machine import usable_cores
from mbfast._core.validate import whole_number

T = TypeVar("T")
R = TypeVar("R")

Progress: TypeAlias = bool | Callable[[int, int], object]
"""Whether to draw a bar (where rich is installed), or a function to call with (tiles done, tiles in all)."""


def check_threads(threads: int | None) -> int:
    """Return the number of threads to use; None means `usable_cores`."""
    if threads is None:
        return usable_cores()
    number = whole_number("threads", threads)
    if number < 1:
        raise ValueError(f"threads must be at least 1, got {number}")
    return number


def run(
    work: Callable[[T], R], tiles: Sequence[T], *, threads: int, advance: Callable[[], object] = lambda: None
) -> list[R]:
    """Call `work` on every tile, `advance` after each (never twice at once), and return the results in tiles' order.

    Threads live for this call only: nothing is left that a fork could break, and calls from several threads do not
    meet. On an exception, Ctrl-C among them, tiles not begun are dropped and those under way finished.
    """
    results: dict[int, R] = {}
    waiting, lock, stopped = iter(range(len(tiles))), threading.Lock(), threading.Event()

    def drain() -> None:
        try:
            while not stopped.is_set():
                with lock:
                    number = next(waiting, None)
                if number is None:
                    return
                result = work(tiles[number])
                with lock:
                    results[number] = result
                    advance()
        except BaseException:
            stopped.set()
            raise

    if threads == 1 or len(tiles) < 2:
        drain()
    else:
        with ThreadPoolExecutor(min(threads, len(tiles))) as pool:
            try:
                for future in [pool.submit(drain) for _ in range(min(threads, len(tiles)))]:
                    future.result()
            except BaseException:
                stopped.set()
                raise
    return [results[number] for number in range(len(tiles))]


@contextlib.contextmanager
def counter(progress: Progress, total: int, label: str) -> Iterator[Callable[[], object]]:
    """Yield a function to be called after each of `total` tiles."""
    if callable(progress):
        done = itertools.count(1)
        yield lambda: progress(next(done), total)
        return
    if not isinstance(progress, bool):
        raise TypeError(f"progress must be True, False or a function, got {progress!r}")
    if not progress or importlib.util.find_spec("rich") is None:
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    console = Console(stderr=True)
    shown = console.is_terminal or console.is_jupyter  # elsewhere nothing would be left of it but an empty line
    with Bar(console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
