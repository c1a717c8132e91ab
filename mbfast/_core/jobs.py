"""Long calculations in parts that do not know each other: on threads, on a cluster, kept in a checkpoint, in order."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from mbfast._core import tiles
from mbfast._core.archive import path_of
from mbfast._core.checkpoint import Checkpoint, storable

T = TypeVar("T")
_BATCHES = 32  # for each thread of the workers: what the last of them waits for is a small part of the whole


class Cluster(Protocol):
    """Where else parts are computed; the module distributed has the one there is."""

    def run(self, work: Callable[[T], Any], items: Mapping[int, T]) -> Generator[tuple[int, Any], None, None]:
        """Yield the number and the result of each item, as they come."""


_cluster: ContextVar[Cluster | None] = ContextVar("cluster", default=None)
_checkpoint: ContextVar[Checkpoint | None] = ContextVar("checkpoint", default=None)


@contextmanager
def _bound(variable: ContextVar[T], value: T) -> Iterator[None]:
    """Give a variable a value within this block; it is set where Ctrl-C, which may come after any call, undoes it."""
    before = variable.get()
    try:
        variable.set(value)
        yield
    finally:
        variable.set(before)


@contextmanager
def computed_on(cluster: Cluster) -> Iterator[None]:
    """Have the parts of what is called within this block computed by a cluster."""
    with _bound(_cluster, cluster):
        yield


@contextmanager
def kept(file: str | os.PathLike[str] | None, kind: str, inputs: Mapping[str, Any]) -> Iterator[None]:
    """Have the parts of what is called within this block kept in a checkpoint, if a file is given."""
    if file is None:
        yield
        return
    with Checkpoint(path_of("checkpoint", file), inputs, kind=kind) as checkpoint, _bound(_checkpoint, checkpoint):
        yield


@contextmanager
def _here() -> Iterator[None]:
    """Have what a part calls itself computed where it is, and kept nowhere: only the part is."""
    with _bound(_cluster, None), _bound(_checkpoint, None):
        yield


def cluster() -> Cluster | None:
    """Return the cluster of this block, if it has one."""
    return _cluster.get()


def batch_size(parts: int, threads: int) -> int:
    """Return how many parts a cluster's threads are given at a time."""
    return max(1, parts // (_BATCHES * max(1, threads)))


def elsewhere() -> bool:
    """Whether parts go to a cluster or a checkpoint, so that what they return must be all that they do."""
    return _cluster.get() is not None or _checkpoint.get() is not None


def run(
    work: Callable[[T], Any], items: Sequence[T], *, threads: int, progress: tiles.Progress, label: str
) -> list[Any]:
    """Call `work` on every item and return the results in the order of the items, wherever they are computed.

    On a cluster `work` and the items must be what pickle takes. With a checkpoint results must be numbers, arrays or
    mappings of names to these.
    """
    results: list[Any] = []
    run_in_order(work, items, results.append, threads=threads, progress=progress, label=label)
    return results


def run_in_order(
    work: Callable[[T], Any], items: Sequence[T], take: Callable[[Any], object], *, threads: int,
    progress: tiles.Progress, label: str,
) -> None:  # fmt: skip
    """As `run`, calling `take` with each result as soon as those before it were taken; no other is held for long."""
    workers, checkpoint = cluster(), _checkpoint.get()
    names = [f"{label} {number}" for number in range(len(items))]
    in_file = set() if checkpoint is None else set(names) & checkpoint.names()
    todo = {number: items[number] for number, name in enumerate(names) if name not in in_file}
    waiting: dict[int, Any] = {}
    lock, due = threading.Lock(), 0  # the number of the result that is taken next

    def take_what_is_due() -> None:
        nonlocal due
        while due < len(items):
            if due in waiting:
                result = waiting.pop(due)
            elif checkpoint is not None and names[due] in in_file:
                part = checkpoint.get(names[due])
                result = work(items[due]) if part is None else _unpacked(part)  # None: it was damaged
            else:
                return
            take(result)
            due += 1

    def keep(number: int, result: Any) -> None:
        if checkpoint is not None:
            part = _packed(number, result)
            checkpoint.put(names[number], **part)
            result = _unpacked(part)  # of the types that it will have when it is read
        with lock:
            waiting[number] = result
            take_what_is_due()

    with tiles.counter(progress, len(todo), label) as advance, _here():
        take_what_is_due()
        if workers is None:
            tiles.run(lambda number: keep(number, work(todo[number])), list(todo), threads=threads, advance=advance)
            return
        done = len(in_file)
        try:
            with contextlib.closing(workers.run(work, todo)) as computed:
                for number, result in computed:
                    keep(number, result)
                    done += 1
                    advance()
        except ConnectionError as error:
            safe = "none is kept without a checkpoint" if checkpoint is None else f"they are kept in {checkpoint.path}"
            raise ConnectionError(f"{error}; {done} of {len(items)} parts are done, {safe}") from None


def run_each(
    function: Callable[[T], Any], items: Iterable[T], *, threads: int | None = None, progress: tiles.Progress = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> list[Any]:  # fmt: skip
    """Call a function on every item, such as the seed of a sample: on threads, and with a checkpoint if one is given.

    `mbfast.distributed.run_each` does the same on a cluster.

    Parameters
    ----------
    function : callable
        Takes an item and returns a number, an array, or a mapping of names to these. Its result depends on nothing
        but the item. Calls of mbfast in it take one thread each.
    items : iterable
        Of any kind; with a checkpoint of numbers, texts, arrays and the like.
    threads, progress, checkpoint
        As in `pair_field`. With a checkpoint the same items must be given again; that the function is still the same is
        known by its name, and by the arguments of a ``functools.partial``.

    Returns
    -------
    list
        The results in the order of the items, whatever the number of threads; with a checkpoint as NumPy has them,
        whether they were read or computed.

    Raises
    ------
    TypeError
        If function is not callable, items are not iterable, or threads is no whole number; with a checkpoint also if
        items have what pickle does not take, or function returns what has units, a mask or a gradient.
    ValueError
        If threads is below 1, or the checkpoint is one of other items; with a checkpoint also if function returns what
        is no number, text or array of these, nor a mapping of names to such.

    Examples
    --------
    >>> import mbfast, numpy as np
    >>> def largest(seed):
    ...     positions, dipoles = np.random.default_rng(seed).random((2, 50, 3))
    ...     return np.abs(mbfast.pair_field(mbfast.DipoleInteraction(1.0), positions, dipoles)).max()
    >>> len(mbfast.run_each(largest, range(4)))
    4
    """
    if not callable(function):
        raise TypeError(f"function must be callable, got {function!r:.80}")
    if not isinstance(items, Iterable):
        raise TypeError(f"items must be iterable, got {items!r:.80}")
    workers, every = tiles.check_threads(threads), list(items)
    inputs = {} if checkpoint is None else {"function": _named(function), "items": every}
    with kept(checkpoint, "run_each", inputs):
        return run(function, every, threads=workers, progress=progress, label="items")


def _named(function: Callable[..., Any]) -> Any:
    """Return what a checkpoint knows a function by: its name, and the arguments that a partial one has."""
    if isinstance(function, functools.partial):
        return [_named(function.func), list(function.args), function.keywords]
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"


_ALONE = "result"  # of an item, if it is no mapping; names in a mapping have an underscore before them


def _packed(number: int, result: Any) -> dict[str, NDArray[Any]]:
    """Return what is kept of the result of an item; an error that says which item if it cannot be."""
    what = f"what function returns for item {number}"
    if not isinstance(result, Mapping):
        return {_ALONE: storable(what, result)}
    if not all(isinstance(name, str) for name in result):
        raise TypeError(f"{what} must have texts as names, got {result!r:.80}")
    return {f"_{name}": storable(f"{what}, {name},", value) for name, value in result.items()}


def _unpacked(part: Mapping[str, NDArray[Any]]) -> Any:
    return part[_ALONE][()] if _ALONE in part else {name[1:]: array[()] for name, array in part.items()}
