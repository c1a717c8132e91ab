"""The scheduler: how many threads there are, tiles of work on them, and the results in order."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import itertools
import os
import re
import sys
import threading
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar, copy_context
from queue import Empty, SimpleQueue
from typing import Generic, TypeAlias, TypeVar

from mbfast._core.machine import usable_cores
from mbfast._core.validate import count_from

T = TypeVar("T")
R = TypeVar("R")

Tile: TypeAlias = tuple[int, int]  # first and one behind the last of neighbours that are worked on together
Progress: TypeAlias = bool | Callable[[int, int], object]
"""Whether to draw a bar (where rich is installed), or a function to call with (tiles done, tiles in all)."""

_OWN_LIMIT, _LIMITS_OF_OTHERS = "MBFAST_NUM_THREADS", ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "SLURM_CPUS_PER_TASK")
_NUMBER = re.compile("0*[1-9][0-9]{0,8}")  # of threads, as text
_set: list[tuple[str, int]] = []  # the limit of set_threads and its name, if there is one
_limits: ContextVar[tuple[int, ...]] = ContextVar("limit_threads", default=())  # of the statements entered, in order
_in_tiles: ContextVar[bool] = ContextVar("in_tiles", default=False)  # whether this thread works on a tile
_is_left: ContextVar[Callable[[], bool]] = ContextVar("is_left", default=lambda: False)  # the run that it helps
_running: dict[int, int] = {}  # by the thread that began a run: the threads it was told to take, 0 where it shares

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_running.clear)  # threads that a fork leaves behind run nothing


class _LeftError(BaseException):
    """Raised in a thread that works on a tile nobody waits for."""


class Shared(int):
    """A number of threads that no call was told to take: runs at the same time share it."""


def check_threads(threads: int | None) -> int:
    """Return the number of threads to use; None means `default_threads`, shared among the runs under way."""
    if threads is None:
        return Shared(default_threads()[0])
    return threads if isinstance(threads, Shared) else count_from(1, "threads", threads)


def set_threads(threads: int | None) -> None:
    """Limit the threads that calls with ``threads=None`` take, in this process from now on.

    Parameters
    ----------
    threads : int or None
        The limit; None removes it.

    Returns
    -------
    None

    Raises
    ------
    TypeError
        If threads is no whole number.
    ValueError
        If threads is below 1.

    Notes
    -----
    ``threads=None`` takes the cores that the process may use, and no more than the first of these that is given:
    ``set_threads``, the environment variable MBFAST_NUM_THREADS, the least of OMP_NUM_THREADS, NUMBA_NUM_THREADS and
    SLURM_CPUS_PER_TASK, as they are at the first call, and one within a task of Dask. ``mbfast info`` says which it
    was. A number given to a call as ``threads=`` has no limit. Calls raise a ValueError where MBFAST_NUM_THREADS is no
    number of threads; a bad value of the others is ignored. `limit_threads` limits a part of a program.

    Examples
    --------
    >>> import mbfast
    >>> mbfast.set_threads(1)  # for code that is parallel already
    >>> mbfast.set_threads(None)
    """
    _set[:] = [] if threads is None else [("set_threads", check_threads(threads))]


def limit_threads(threads: int) -> contextlib.AbstractContextManager[None]:
    """Limit the threads that calls with ``threads=None`` take within a ``with`` statement.

    Parameters
    ----------
    threads : int
        The limit.

    Returns
    -------
    context manager

    Raises
    ------
    TypeError
        If threads is no whole number.
    ValueError
        If threads is below 1.

    Notes
    -----
    It lowers the number that `set_threads` and the environment leave, and never raises it: of two statements, one
    within the other, the lower limit holds. It belongs to the thread or the asynchronous task that enters the
    statement, and others do not see it; a thread started within has no limit of this kind unless it runs in a copy of
    the context, as by ``asyncio.to_thread`` or ``contextvars.copy_context().run``.

    Examples
    --------
    >>> import mbfast
    >>> chain = mbfast.BlockLattice((4, 1, 1), 1e-9)
    >>> with mbfast.limit_threads(1):
    ...     total = mbfast.lattice_sum(chain, 6)
    """
    return _Limit(count_from(1, "threads", threads))


class _Limit(contextlib.AbstractContextManager[None]):
    """A limit that may be entered again, by any thread."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def __enter__(self) -> None:
        outer = _limits.get()
        try:
            _limits.set((*outer, min((self._threads, *outer[-1:]))))
        except KeyboardInterrupt:  # which may come after the limit was set
            _limits.set(outer)
            raise

    def __exit__(self, *_error: object) -> None:
        _limits.set(_limits.get()[:-1])


def default_threads() -> tuple[int, str]:
    """Return the number of threads that None stands for, and what it comes from; see `set_threads`.

    A ValueError if MBFAST_NUM_THREADS is no number of threads; a bad value of the others is ignored.
    """
    if _in_tiles.get():
        return 1, "a tile of another call"
    limits = {"usable cores": usable_cores()}
    limits |= dict(_set) or _of_environment()
    if "distributed.worker" in sys.modules and not {"set_threads", _OWN_LIMIT} & limits.keys() and _in_task_of_dask():
        limits["task of Dask"] = 1
    if within := _limits.get():
        limits["limit_threads"] = within[-1]
    source = min(limits, key=limits.__getitem__)
    return limits[source], source


def _in_task_of_dask() -> bool:
    """Whether this thread runs a task for a worker of Dask, which has as many threads for tasks as it has cores."""
    try:
        sys.modules["distributed.worker"].get_worker()
    except ValueError:
        return False
    return True


@functools.cache  # looking takes longer than adding up ten blocks
def _of_environment() -> dict[str, int]:
    own = os.environ.get(_OWN_LIMIT, "").strip()
    if own:
        if not _NUMBER.fullmatch(own):
            raise ValueError(f"{_OWN_LIMIT} must be a whole number of at least 1, got {own[:80]!r}")
        return {_OWN_LIMIT: int(own)}
    firsts = {name: os.environ.get(name, "").split(",")[0].strip() for name in _LIMITS_OF_OTHERS}
    return {name: int(first) for name, first in firsts.items() if _NUMBER.fullmatch(first)}


def cut(n: int, size: int) -> list[Tile]:
    """Return the ranges of at most so many that n items are worked on in."""
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def run(
    work: Callable[[T], R], tiles: Sequence[T], *, threads: int, advance: Callable[[], object] = lambda: None
) -> list[R]:
    """Call `work` on every tile, `advance` after each (never twice at once), and return the results in tiles' order.

    Threads live for this call only: nothing is left that a fork could break, and calls from several threads do not
    meet. On an exception, Ctrl-C among them, tiles not begun are dropped, and those under way are finished, or left
    where their work calls `pause`: what is compiled should come back to Python ten times a second.
    """
    return run_steps([(work, tiles)], threads=threads, advance=advance)[0]


def pause() -> None:
    """Leave the tile that this thread is at if its run was given up, by Ctrl-C or an error: work in pieces calls it.

    In the thread that began the run Ctrl-C is heard between any two lines of Python; in the others only here.
    """
    if _is_left.get()():
        raise _LeftError


def run_steps(
    steps: Sequence[tuple[Callable[[T], R], Sequence[T]]], *, threads: int, advance: Callable[[], object] = lambda: None
) -> list[list[R]]:
    """As `run`, of several works, with the same threads: each on its tiles, when those of the one before are done."""
    most = min(threads, max((len(tiles) for _, tiles in steps), default=0))
    if _in_tiles.get():  # by the call that this one belongs to, its thread is counted
        return _run_steps(steps, threads, most, advance)
    # in a context of its own, which ends with it: Ctrl-C may come before a line that would undo something
    return copy_context().run(_run_first, steps, threads, most, advance)


def _run_first(
    steps: Sequence[tuple[Callable[[T], R], Sequence[T]]], threads: int, most: int, advance: Callable[[], object]
) -> list[list[R]]:
    _in_tiles.set(True)
    caller = threading.get_ident()
    try:
        _running[caller] = 0 if most > 1 and isinstance(threads, Shared) else max(1, most)
        return _run_steps(steps, threads, most, advance)
    finally:
        _running.pop(caller, None)


def _share(threads: int) -> int:
    """Return how many threads a run may have at present: an equal part of what is left, or what it was told to take."""
    if not isinstance(threads, Shared):
        return threads
    told = list(_running.values())
    return max(1, (threads - sum(told)) // max(1, told.count(0)))


def _run_steps(
    steps: Sequence[tuple[Callable[[T], R], Sequence[T]]], threads: int, most: int, advance: Callable[[], object]
) -> list[list[R]]:
    others = min(most, _share(threads)) - 1 if most > 1 else 0
    if others < 1:
        return [[_one(work, tile, advance) for tile in tiles] for work, tiles in steps]
    return _Run(steps, threads, others, advance).results()


def _one(work: Callable[[T], R], tile: T, advance: Callable[[], object]) -> R:
    pause()
    result = work(tile)
    advance()
    return result


class _Run(Generic[T, R]):
    """Steps that the caller's thread and helpers do; an exception of a signal's handler ends it wherever it comes.

    Python calls handlers in the main thread, which may be the caller's, after any call of a function of C. An exception
    may hence lose the caller what it just took, a lock among it. So helpers never wait for a lock that the caller may
    hold: tiles come from a queue written in C, and who is late to count what is done leaves it to whoever is at it.
    `Thread.start` holds such a lock while it waits for the new thread: a thread of its own, which hears no signal,
    starts the helpers.
    """

    def __init__(
        self, steps: Sequence[tuple[Callable[[T], R], Sequence[T]]], threads: int, others: int,
        advance: Callable[[], object],
    ) -> None:  # fmt: skip
        self._steps, self._threads, self._others, self._advance = steps, threads, others, advance
        self._found: list[dict[int, R]] = [{} for _ in steps]
        self._coming = iter([(step, len(tiles)) for step, (_, tiles) in enumerate(steps)])
        # steps and tiles that may begin; None: leave
        self._waiting: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
        self._ended: deque[int] = deque()  # tiles that are not yet counted
        self._counting, self._left = threading.Lock(), 0  # tiles that this step still has
        self._over, self._outer_is_left, self._errors = False, _is_left.get(), list[BaseException]()
        self._begun: list[bool] = []  # something if the thread that starts helpers has begun, or will
        self._helpers, self._started = list[threading.Thread](), SimpleQueue[None]()

    def results(self) -> list[list[R]]:
        """Do the steps and return what their tiles gave."""
        self._begin_step()
        try:
            with contextlib.suppress(RuntimeError):  # no thread can be started: this one does all
                start_new_thread(self._start, ())
                self._begun.append(True)
            self._drain(0)
        finally:
            try:
                self._end()
            except BaseException:  # a first interrupt may come only here; a second one waits for nobody
                self._end()
                raise
        if self._errors:
            raise self._errors.pop()  # which would otherwise hold what holds it
        return [[found[number] for number in range(len(found))] for found in self._found]

    def _end(self) -> None:
        """Wait for the helpers, which leave now; it may be interrupted and called again."""
        self._over = True
        self._wake()
        if self._begun:
            self._started.get()
        for helper in self._helpers:
            helper.join()

    def _start(self) -> None:
        self._begun.append(True)
        try:
            for number in range(1, self._others + 1):
                if self._over:
                    break
                helper = threading.Thread(target=self._help, args=(number,), daemon=False)
                helper.start()
                self._helpers.append(helper)
        except RuntimeError:  # no more can be started: those there are, and the caller's, do it
            pass
        finally:
            for _ in range(2):  # for each call of `_end`
                self._started.put(None)

    def _help(self, helper: int) -> None:
        _in_tiles.set(True)
        _is_left.set(lambda: self._over or self._outer_is_left())
        try:
            self._drain(helper)
        except BaseException as error:
            if not (self._over and isinstance(error, _LeftError)):
                self._errors.append(error)
            self._over = True
            self._wake()

    def _drain(self, helper: int) -> None:
        # a helper beyond its share leaves its core to a run that has begun; the caller, 0, stays
        while not self._over and helper < _share(self._threads):
            try:
                tile = self._waiting.get(timeout=1.0)
            except Empty:  # a second signal may have come before the caller woke those that wait
                continue
            if tile is None or self._over:
                return
            step, number = tile
            work, tiles = self._steps[step]
            self._found[step][number] = work(tiles[number])
            self._ended.append(number)
            self._count()

    def _count(self) -> None:
        while self._ended and self._counting.acquire(blocking=False):
            try:
                while self._ended:
                    self._ended.popleft()
                    self._left -= 1
                    self._advance()
                    if not self._left:
                        self._begin_step()
            finally:
                self._counting.release()

    def _begin_step(self) -> None:
        for step, number in self._coming:
            if number:
                self._left = number
                for tile in range(number):
                    self._waiting.put((step, tile))
                return
        self._wake()

    def _wake(self) -> None:
        for _ in range(self._others + 1):
            self._waiting.put(None)


def check_progress(progress: Progress) -> None:
    """Raise a TypeError if progress is neither a flag nor a function."""
    if not isinstance(progress, bool) and not callable(progress):
        raise TypeError(f"progress must be True, False or a function, got {progress!r}")


@contextlib.contextmanager
def counter(progress: Progress, total: int, label: str) -> Iterator[Callable[[], object]]:
    """Yield a function to be called after each of `total` tiles."""
    done = itertools.count(1)
    if callable(progress):
        yield lambda: progress(next(done), total)
        return
    check_progress(progress)
    if not progress or importlib.util.find_spec("rich") is None:
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    console = Console(stderr=True)
    shown = console.is_terminal or console.is_jupyter  # elsewhere nothing would be left of it but an empty line
    with Bar(console=console, transient=True, disable=not shown, auto_refresh=False) as bar:  # without a thread for it
        task = bar.add_task(label, total=total)
        yield lambda: bar.update(task, advance=1, refresh=next(done) * 100 % total < 100)
