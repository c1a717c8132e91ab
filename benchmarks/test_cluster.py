"""Direct fields on workers of Dask against threads of one process, in one run, and what `predict_cluster` says of them.

All but the bits depends on how busy the machine is: the times are the least of rounds in turns.
"""

import time
from functools import partial

import numpy as np
import pytest

import mbfast
from mbfast._core import tiles
from mbfast.pairs import planning
from mbfast.pairs.cluster_planning import predict_cluster

pytest.importorskip("distributed", reason="the extra cluster is not installed")

from mbfast import distributed

SILICA = mbfast.StressInteraction(2200.0, 5800.0, 3800.0)
ROUNDS = 7


@pytest.fixture(scope="module")
def clients():
    with distributed._of_this_machine(1) as one, distributed._of_this_machine(2) as two:
        yield {1: one, 2: two}


@pytest.fixture
def calls(rng, clients, benchmark):
    n = 2000 if benchmark.disabled else 50_000
    arguments = SILICA, 1e-7 * rng.random((n, 3)), 1e-19 * rng.normal(size=(n, 6))

    def on_threads(threads):
        return mbfast.pair_field(*arguments, method="direct", threads=threads)

    def on_workers(workers):
        return distributed.pair_field(*arguments, client=clients[workers])

    of = {"threads": on_threads, "workers": on_workers}
    return {(what, number): partial(call, number) for what, call in of.items() for number in (1, 2)}


def shortest(calls, rounds):
    """Return the least time of each call, taken in turns, after one that compiles."""
    found = dict.fromkeys(calls, np.inf)
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number:
                found[name] = min(found[name], time.perf_counter() - start)
    return found


def test_the_same_bits(benchmark, calls):
    expected = calls["threads", 1]()
    for name in (("threads", 2), ("workers", 1), ("workers", 2)):
        np.testing.assert_array_equal(calls[name](), expected)
    benchmark.pedantic(calls["workers", 2], rounds=3, warmup_rounds=1)


def test_two_workers_are_worth_it(benchmark, calls):
    """At least 1.7 times as fast as one, and at most 10 % slower than two threads."""
    found = shortest(calls, 0 if benchmark.disabled else ROUNDS)
    gain = found["workers", 1] / found["workers", 2]
    overhead = found["workers", 2] / found["threads", 2] - 1.0
    benchmark.extra_info.update(gain=gain, overhead=overhead, threads=found["threads", 1] / found["threads", 2])
    print(found, f"two workers {gain:.2f} times as fast as one, {overhead:.1%} more than two threads")
    benchmark.pedantic(calls["workers", 1], rounds=1)
    if not benchmark.disabled:
        assert gain >= 1.7
        assert overhead <= 0.1


def test_predictions(benchmark, calls):
    """To 25 %, with the speed of this machine as it is in this run."""
    workers = {name: call for name, call in calls.items() if name[0] == "workers"}
    speed, found = 1.0, dict.fromkeys(workers, 1.0)
    if not benchmark.disabled:
        threads = tiles.default_threads()[0]
        speed = min(planning._measured("direct", "6") for _ in range(ROUNDS)) * threads
        found = shortest(workers, ROUNDS)
    for name, seconds in found.items():
        expected = predict_cluster(50_000, "stress", workers=name[1], speed=speed)
        ratio = (expected.seconds - expected.start) / seconds  # the workers are there
        benchmark.extra_info[f"predicted / measured, {name[1]}"] = ratio
        print(f"{name[1]} workers: predicted / measured {ratio:.2f}")
        assert benchmark.disabled or 0.75 <= ratio <= 1.25
    benchmark.pedantic(workers["workers", 1], rounds=1)
