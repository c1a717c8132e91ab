"""Pair sums, flows and ensembles on a cluster, by Dask: the same functions with the same results, to the last bit.

Each function here is that of the same name in `mbfast`, with one argument more, a `distributed.Client`. Its work is cut
into the parts that a checkpoint keeps, 0.1 to 0.5 s of a direct sum, one flow, one super block, one item; what all
parts want is sent to the workers once, and what they return is put together in a fixed order, here. Dask decides which
worker computes what, and computes anew what a lost worker has lost. The package ``distributed`` is in the extra
``cluster``.

>>> import distributed, mbfast.distributed, numpy as np
>>> positions, moments = np.random.default_rng(1).random((2, 500, 3))
>>> vacuum = mbfast.DipoleInteraction(8.8541878128e-12)
>>> def main():
...     with distributed.Client(n_workers=2, threads_per_worker=1) as client:
...         return mbfast.distributed.pair_field(vacuum, positions, moments, client=client)
>>> bool((main() == mbfast.pair_field(vacuum, positions, moments)).all())  # doctest: +SKIP
True

In a script such a call stands below ``if __name__ == "__main__":``, as all that starts processes does.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from pickle import PicklingError
from typing import Any, TypeVar

import mbfast
from mbfast._core import jobs
from mbfast._core.checkpoint import processor
from mbfast._core.machine import usable_cores

try:
    import dask
    from distributed import Client, Future, KilledWorker, LocalCluster, as_completed, default_client
    from distributed.comm.core import CommClosedError
    from distributed.protocol import pickle
except ImportError:
    raise ImportError("mbfast.distributed needs the package distributed: pip install 'mbfast[cluster]'") from None

R = TypeVar("R")
T = TypeVar("T")
_PATIENCE = 60.0  # seconds that a worker may take to come
_GLANCE = 10.0  # seconds between looks whether there are workers
# Of workers that are started here: what they do beside the work takes 2 % of two cores, not 7 %.
_QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.worker.memory.monitor-interval": "1s",
}
_log = logging.getLogger("mbfast")


class _Dask:
    """A client as `jobs.run` wants it."""

    def __init__(self, client: object) -> None:
        if not isinstance(client, Client) or client.asynchronous:
            raise TypeError(f"client must be a distributed.Client, not an asynchronous one, got {client!r:.80}")
        if client.status == "closed":
            raise ValueError(f"client must be a connected one, got a closed one, {client!r:.80}")
        self._client = client
        self._where = f"the scheduler at {client.scheduler_info().get('address')}"
        self._wait_for_a_worker()
        for worker, (version, its) in client.run(_about).items():
            if version != mbfast.__version__:
                raise ValueError(f"client has a worker, {worker}, of mbfast {version}; here it is {mbfast.__version__}")
            if its != processor():
                _log.warning("worker %s is a %s: the last bits may differ there", worker, its)

    def run(self, work: Callable[[T], Any], items: Mapping[int, T]) -> Generator[tuple[int, Any], None, None]:
        """Yield results as they come."""
        client, numbers = self._client, list(items)
        try:
            size = jobs.batch_size(len(numbers), sum(client.nthreads().values()))
            batches = [numbers[first : first + size] for first in range(0, len(numbers), size)]
            given = [[items[number] for number in some] for some in batches]
            with _what_pickle_takes(), dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
                # A task that unpacks it, not data that is scattered: what lost workers had is then made again.
                sent = client.submit(pickle.loads, pickle.dumps(work), pure=False)
                futures = dict(zip(client.map(_compute, given, work=sent, pure=False), batches, strict=True))
            try:
                for finished in self._as_they_come(futures):
                    for future, results in zip(finished, client.gather(finished), strict=True):
                        yield from zip(futures.pop(future), results, strict=True)
            finally:  # also after an error or Ctrl-C: nobody waits for the rest
                with suppress(Exception):
                    client.cancel(list(futures))
        except KilledWorker as error:
            raise ConnectionError(f"{self._where} has lost every worker that a part was given to: {error}") from None
        except (CancelledError, CommClosedError) as error:
            raise ConnectionError(f"{self._where} is lost ({error})") from None

    def _as_they_come(self, futures: Collection[Future]) -> Iterator[list[Future]]:
        """Yield what is done; an error where nothing is left that could do the rest, which Dask would wait for."""
        while futures:
            try:
                yield from as_completed(list(futures), timeout=_GLANCE).batches()
            except TimeoutError:
                self._wait_for_a_worker()

    def _wait_for_a_worker(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise ConnectionError(f"{self._where} has no workers, and none came in {_PATIENCE:g} s") from None


@contextmanager
def _what_pickle_takes() -> Iterator[None]:
    try:
        yield
    except (TypeError, AttributeError, PicklingError) as error:
        raise TypeError(f"function and items must be what pickle takes, to be sent to workers, got {error}") from None


@contextmanager
def _of_this_machine(workers: int) -> Iterator[Client]:
    """Start workers of one thread each, which live as long as the block."""
    with (
        dask.config.set(_QUIET),
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def _compute(items: list[T], work: Callable[[T], Any]) -> list[Any]:
    """Compute a batch, on a worker."""
    return [work(item) for item in items]


def _about() -> tuple[str, str]:
    return mbfast.__version__, processor()


@contextmanager
def connection(client: Client | str | None = None) -> Iterator[None]:
    """Have functions of mbfast that are called within a ``with`` block compute their parts on a cluster.

    Those are the functions of this module, by their names in `mbfast`, and `mbfast.StoredLatticeField`.

    Parameters
    ----------
    client : distributed.Client or str, optional
        Of the cluster, or the address of its scheduler. None: that of this process, if there is one, or else of workers
        on this machine, one a core, which live as long as the block.

    Yields
    ------
    None

    Raises
    ------
    ConnectionError
        If no scheduler answers, or no worker comes within a minute.
    TypeError
        If client is no Client, or an asynchronous one.
    ValueError
        If client is a closed one, or a worker has another version of mbfast.

    Examples
    --------
    >>> import mbfast
    >>> def main():
    ...     with mbfast.distributed.connection("tcp://scheduler:8786"):
    ...         return mbfast.run_each(abs, [-1, 2])
    """
    with ExitStack() as stack:
        if client is None:
            with suppress(ValueError):
                client = default_client()
        if client is None:
            client = stack.enter_context(_of_this_machine(usable_cores()))
        elif isinstance(client, str):
            try:
                client = stack.enter_context(Client(client, timeout=_PATIENCE))
            except (OSError, ValueError) as error:
                raise ConnectionError(f"no scheduler answers at {client}: {error}") from None
        stack.enter_context(jobs.computed_on(_Dask(client)))
        yield


def _over_a_cluster(function: Callable[..., R]) -> Callable[..., R]:
    """Return the function with an argument `client`, whose cluster computes its parts."""

    @functools.wraps(function)
    def over(*args: Any, client: Client | str | None = None, **options: Any) -> R:
        with connection(client):
            return function(*args, **options)

    known = inspect.signature(function)
    given = inspect.Parameter("client", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="Client | str | None")
    over.__signature__ = known.replace(parameters=[*known.parameters.values(), given])  # type: ignore[attr-defined]
    over.__doc__ = f"""`mbfast.{function.__name__}` with its parts computed on a cluster, to the same bits.

    Parameters
    ----------
    *args, **options
        As of `mbfast.{function.__name__}`. Of methods "auto" is "direct", the one that clusters take; `threads` means
        nothing to the workers; `progress` counts the parts that have come back.
    client : distributed.Client or str, optional
        Of the cluster, or the address of its scheduler. None: that of this process, if there is one, or else of
        workers on this machine, one a core, started for this call.

    Raises
    ------
    ConnectionError
        If the scheduler, or every worker that had some part, is lost, or no worker comes within a minute.
    TypeError, ValueError, MemoryError
        As of `mbfast.{function.__name__}`; if client is no Client, or a worker has another version of mbfast.
    """
    return over


pair_field = _over_a_cluster(mbfast.pair_field)
pair_energy = _over_a_cluster(mbfast.pair_energy)
pair_sum = _over_a_cluster(mbfast.pair_sum)
pair_forces = _over_a_cluster(mbfast.pair_forces)
pair_virial = _over_a_cluster(mbfast.pair_virial)
flow = _over_a_cluster(mbfast.flow)
measure_orders = _over_a_cluster(mbfast.superblock.orders.measure_orders)
run_each = _over_a_cluster(mbfast.run_each)
