"""Speeds of this machine: measured once, and kept beside the compiled kernels."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable

from mbfast._core import jit
from mbfast._core.archive import write_files
from mbfast._core.numba_private import processor
from mbfast._core.simd import CHOICE


def shortest(function: Callable[[], object], repeats: int) -> float:
    """Return the shortest time of some calls, after one that compiles."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def speed(name: str, threads: int, measure: Callable[[], float]) -> float:
    """Return what `measure` returns or, from the cache, has returned for this name with those threads.

    What is not asked for is not compiled. A file that is damaged, or was made by another processor or with other
    threads, has another digest.
    """
    folder = jit.all_kernels()[0].cache_folder
    file = None if folder is None else folder / "speeds.json"
    known: dict[str, float] = {}

    def digest(seconds: dict[str, float]) -> str:
        content = json.dumps([*processor(), CHOICE, threads, seconds], sort_keys=True)
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()

    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        stored = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
        if stored["key"] == digest(stored["seconds"]):
            known = stored["seconds"]
    if name not in known:
        known[name] = measure()
        if file is not None:
            with contextlib.suppress(OSError):  # measured again by the next process
                write_files({file: json.dumps({"key": digest(known), "seconds": known}).encode()})
    return known[name]
