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
N, ROUNDS, GROUP = 50_000, 3, "direct fields on a cluster"


@pytest.fixture(scope="module")
def clients():
    with distributed._of_this_machine(1) as one, distributed._of_this_machine(2) as two:
        yield {1: one, 2: two}


@pytest.fixture(scope="module")
def timed(request):
    return not request.config.getoption("benchmark_disable")


@pytest.fixture(scope="module")
def calls(clients, timed):
    """By name and number, what computes one field on threads or on workers of one thread."""
    rng, n = np.random.default_rng(20151019), N if timed else 2000
    given = SILICA, 1e-7 * rng.random((n, 3)), 1e-19 * rng.normal(size=(n, 6))
    of = {
        "threads": lambda number: mbfast.pair_field(*given, method="direct", threads=number),
        "workers": lambda number: distributed.pair_field(*given, client=clients[number]),
    }
    return {(what, number): partial(call, number) for what, call in of.items() for number in (1, 2)}


@pytest.fixture(scope="module")
def least(calls, timed):
    """Least time of each call, taken in turns; workers compile, or load what is compiled, at their first call."""
    found = dict.fromkeys(calls, np.inf)
    for _ in range(ROUNDS if timed else 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            found[name] = min(found[name], time.perf_counter() - start)
    return found


@pytest.fixture(scope="module")
def expected(calls):
    return calls["threads", 1]()


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("what", ["threads", "workers"])
def test_fields(case, calls, expected, what, number):
    case(GROUP, f"{what}, {number}", calls[what, number], expected, rounds=1)


def test_two_workers_are_worth_it(timed, least):
    """At least 1.7 times as fast as one, and at most 10 % slower than two threads."""
    gain = least["workers", 1] / least["workers", 2]
    overhead = least["workers", 2] / least["threads", 2] - 1.0
    print(least, f"two workers {gain:.2f} times as fast as one, {overhead:.1%} more than two threads")
    if timed:
        assert gain >= 1.7
        assert overhead <= 0.1


@pytest.mark.parametrize("workers", [1, 2])
def test_predictions(timed, least, workers):
    """To 25 %, with the speed of this machine as it is in this run."""
    rounds = ROUNDS if timed else 1
    speed = min(planning._measured("direct", "6") for _ in range(rounds)) * tiles.default_threads()[0]
    expected = predict_cluster(N, "stress", workers=workers, speed=speed)
    ratio = (expected.seconds - expected.start) / least["workers", workers]  # the workers are there
    print(f"{workers} workers: predicted / measured {ratio:.2f}")
    assert not timed or 0.75 <= ratio <= 1.25
