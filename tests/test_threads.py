"""How many threads there are, what limits them, and jobs that may start none."""

import asyncio
import contextlib
import multiprocessing.context
import os
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mbfast
from mbfast._core import jit as _jit
from mbfast._core import tiles
from mbfast.cli import machine
from mbfast.pairs._ewald import fft

OTHERS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "SLURM_CPUS_PER_TASK")


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch):
    """A machine without limits, and this process afterwards as it was."""
    monkeypatch.setattr(tiles, "usable_cores", lambda: 16)
    monkeypatch.setattr(tiles, "_of_environment", tiles._of_environment.__wrapped__)  # as at the first call
    for name in ("MBFAST_NUM_THREADS", *OTHERS):
        monkeypatch.delenv(name, raising=False)
    yield
    mbfast.set_threads(None)


@pytest.mark.parametrize(
    ("environment", "chosen", "expected"),
    [
        ({}, None, (16, "usable cores")),
        ({}, 3, (3, "set_threads")),
        ({}, 40, (16, "usable cores")),
        ({"MBFAST_NUM_THREADS": " 004 "}, None, (4, "MBFAST_NUM_THREADS")),
        ({"MBFAST_NUM_THREADS": ""}, None, (16, "usable cores")),
        ({"MBFAST_NUM_THREADS": "4"}, 5, (5, "set_threads")),
        ({"MBFAST_NUM_THREADS": "4", "OMP_NUM_THREADS": "1"}, None, (4, "MBFAST_NUM_THREADS")),
        ({"OMP_NUM_THREADS": "4,2"}, None, (4, "OMP_NUM_THREADS")),
        ({"OMP_NUM_THREADS": "8", "SLURM_CPUS_PER_TASK": "2"}, None, (2, "SLURM_CPUS_PER_TASK")),
        ({"OMP_NUM_THREADS": "0", "NUMBA_NUM_THREADS": "many"}, None, (16, "usable cores")),
        ({"NUMBA_NUM_THREADS": "7", "SLURM_CPUS_PER_TASK": "9" * 5000}, None, (7, "NUMBA_NUM_THREADS")),
    ],
)
def test_what_none_stands_for(monkeypatch, environment, chosen, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    mbfast.set_threads(chosen)
    assert tiles.default_threads() == expected
    assert tiles.check_threads(None) == expected[0]
    assert tiles.check_threads(20) == 20  # what a call asks for has no limit


@given(st.sampled_from(OTHERS), st.text(st.characters(exclude_characters="\0", codec="ascii")))
def test_variables_of_others_never_stop_a_call(name, value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        assert 1 <= tiles.default_threads()[0] <= 16


@pytest.mark.parametrize("value", ["x", "0", "-1", "2.0", "1_0", "4,2", "٣", "9" * 5000])
def test_a_bad_value_of_our_own_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("MBFAST_NUM_THREADS", value)
    with pytest.raises(ValueError, match=r"MBFAST_NUM_THREADS must be a whole number of at least 1, got '"):
        mbfast.lattice_sum(mbfast.BlockLattice((2, 2, 2), 1.0), 6)
    mbfast.set_threads(2)  # which comes before it
    assert tiles.default_threads() == (2, "set_threads")


@pytest.mark.parametrize(("wrong", "error"), [(0, ValueError), (-3, ValueError), (1.5, TypeError), ("2", TypeError)])
def test_bad_limits_change_nothing(wrong, error):
    mbfast.set_threads(5)
    with pytest.raises(error, match="threads must be"):
        mbfast.set_threads(wrong)
    assert tiles.default_threads() == (5, "set_threads")


def few_threads(monkeypatch, number):
    """Let no more than so many threads start."""
    start, left = threading.Thread.start, iter(range(number))

    def limited(thread):
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)


@pytest.mark.parametrize("number", range(4))
def test_tiles_are_done_by_the_threads_there_are(monkeypatch, number):
    few_threads(monkeypatch, number)
    advanced = []
    done = tiles.run(lambda tile: tile * tile, range(50), threads=4, advance=lambda: advanced.append(1))
    assert done == [tile * tile for tile in range(50)]
    assert len(advanced) == 50


@pytest.mark.parametrize("number", [0, 1])
def test_an_error_comes_out_whoever_meets_it(monkeypatch, number):
    few_threads(monkeypatch, number)
    with pytest.raises(ZeroDivisionError, match="division"):
        tiles.run(lambda tile: 1 / tile, range(50), threads=4)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_steps_wait_for_each_other(monkeypatch, number):
    """Whoever does them: no tile of a step begins before all those of the one before are done."""
    few_threads(monkeypatch, number)
    done, advanced = [], []

    def work(step):
        def one(tile):
            assert len(done) >= 7 * step
            done.append(step)
            return step, tile

        return one

    found = tiles.run_steps([(work(i), range(7)) for i in range(4)], threads=4, advance=lambda: advanced.append(1))
    assert found == [[(step, tile) for tile in range(7)] for step in range(4)]
    assert (done, len(advanced)) == (sorted(done), 28)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_ends_all_steps(threads):
    done = []
    with pytest.raises(ZeroDivisionError):
        tiles.run_steps([(lambda tile: 1 / tile, range(5)), (done.append, range(5))], threads=threads)
    assert not done


def test_the_caller_takes_part():
    both = threading.Barrier(2)

    def work(_):
        both.wait(timeout=60)
        return threading.get_ident()

    assert threading.get_ident() in tiles.run(work, range(2), threads=2)


@pytest.mark.parametrize("method", ["direct", "ewald"])
@pytest.mark.usefixtures("eager_threads")
def test_sums_where_no_thread_can_be_started(monkeypatch, method):
    rng = np.random.default_rng(1)
    positions, moments, mu = 1e-8 * rng.random((60, 3)), rng.normal(size=(60, 3)), mbfast.DipoleInteraction(1e-11)
    options = {"method": method, **({"rtol": 1e-4} if method == "ewald" else {})}
    alone = mbfast.pair_field(mu, positions, moments, threads=1, **options)
    few_threads(monkeypatch, 0)
    assert np.array_equal(mbfast.pair_field(mu, positions, moments, threads=4, **options), alone)


def test_transforms_where_those_of_ducc0_cannot_be_started(monkeypatch):
    ducc = pytest.importorskip("ducc0.fft")

    def fail(*_, **__):
        raise RuntimeError("Resource temporarily unavailable")

    monkeypatch.setattr(ducc, "r2c", fail)
    fft.ducc.cache_clear()
    try:
        assert np.allclose(fft.real(np.arange(4.0), 0), np.fft.rfft(np.arange(4.0)))
    finally:
        fft.ducc.cache_clear()


def test_warmup_without_other_processes(monkeypatch):
    compiled = []
    monkeypatch.setattr(_jit.Kernel, "compile", lambda kernel: compiled.append(kernel.name))

    def fail(process):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(multiprocessing.context.SpawnProcess, "start", fail)
    machine.compile_kernels(_jit.all_kernels(), 4)
    assert sorted(compiled) == [kernel.name for kernel in _jit.all_kernels()]


def test_warmup_does_what_a_process_that_died_has_left(monkeypatch):
    compiled, elsewhere = [], []
    monkeypatch.setattr(_jit.Kernel, "compile", lambda kernel: compiled.append(kernel.name))

    def killed(processes, jobs):
        elsewhere.extend(jobs[1])
        yield jobs[1]
        raise EOFError

    monkeypatch.setattr(machine, "_compiled_by", killed)
    machine.compile_kernels(_jit.all_kernels(), 2)
    assert elsewhere
    assert sorted(compiled + elsewhere) == [kernel.name for kernel in _jit.all_kernels()]


def test_a_limit_holds_within_its_statement():
    mbfast.set_threads(8)
    with mbfast.limit_threads(3):
        assert tiles.default_threads() == (3, "limit_threads")
        assert tiles.check_threads(20) == 20
        with mbfast.limit_threads(5):  # which the one around it does not allow
            assert tiles.default_threads() == (3, "limit_threads")
        with contextlib.suppress(KeyError), mbfast.limit_threads(2):
            assert tiles.default_threads() == (2, "limit_threads")
            raise KeyError
        assert tiles.default_threads() == (3, "limit_threads")
    with mbfast.limit_threads(12):
        assert tiles.default_threads() == (8, "set_threads")
    assert tiles.default_threads() == (8, "set_threads")


def test_a_limit_can_be_entered_again():
    mbfast.set_threads(8)
    limit = mbfast.limit_threads(3)
    with limit, limit:
        assert tiles.default_threads() == (3, "limit_threads")
    with limit:
        assert tiles.default_threads() == (3, "limit_threads")
    assert tiles.default_threads() == (8, "set_threads")


@pytest.mark.parametrize(("wrong", "error"), [(0, ValueError), (1.5, TypeError), (None, TypeError)])
def test_a_bad_limit_is_refused_where_it_is_written(wrong, error):
    with pytest.raises(error, match="threads must be"):
        mbfast.limit_threads(wrong)


def test_threads_have_limits_of_their_own():
    both = threading.Barrier(2)

    def limited(number):
        with mbfast.limit_threads(number):
            both.wait(timeout=60)  # both are within
            found = tiles.default_threads()[0]
            both.wait(timeout=60)
        return found

    with mbfast.limit_threads(1), ThreadPoolExecutor(2) as pool:
        assert list(pool.map(limited, [2, 5])) == [2, 5]


def test_asynchronous_tasks_have_limits_of_their_own():
    async def limited(number):
        with mbfast.limit_threads(number):
            await asyncio.sleep(0)  # the other one enters
            return tiles.default_threads()[0], await asyncio.to_thread(lambda: tiles.default_threads()[0])

    async def both():
        return await asyncio.gather(limited(2), limited(5)), tiles.default_threads()[0]

    assert asyncio.run(both()) == ([(2, 2), (5, 5)], 16)


@pytest.mark.parametrize("threads", [1, 2])
def test_calls_within_a_tile_take_one_thread(threads):
    both = threading.Barrier(threads)

    def work(_):
        both.wait(timeout=60)  # each thread does one tile
        inner = tiles.run(lambda _: threading.get_ident(), range(9), threads=tiles.check_threads(None))
        return tiles.default_threads(), inner

    found = tiles.run(work, range(threads), threads=threads)
    assert [default for default, _ in found] == [(1, "a tile of another call")] * threads
    assert len({ident for _, idents in found for ident in idents}) == threads
    assert tiles.default_threads() == (16, "usable cores")
    assert not tiles._running


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(tiles, "usable_cores", lambda: 4)


def test_calls_at_the_same_time_share_the_cores(four_cores):
    """The first call has all cores; when another begins, half of its threads end after the tiles they are at."""
    all_four, other_began, first_done = threading.Event(), threading.Event(), threading.Event()
    four = threading.Barrier(4, action=all_four.set)

    def first(tile):
        if tile < 4:
            four.wait(timeout=60)
            assert other_began.wait(timeout=60)
        return threading.get_ident()

    def other(_):
        other_began.set()
        assert first_done.wait(timeout=60)
        return threading.get_ident()

    with ThreadPoolExecutor(2) as pool:
        begun = pool.submit(tiles.run, first, range(400), threads=tiles.check_threads(None))
        assert all_four.wait(timeout=60)
        beside = pool.submit(tiles.run, other, range(20), threads=tiles.check_threads(None))
        idents = begun.result()
        first_done.set()
        assert len(set(beside.result())) <= 2
    assert len(set(idents[:4])) == 4
    assert len(set(idents[4:])) <= 2
    assert not tiles._running


@pytest.mark.parametrize(("told", "left"), [((), 4), ((1,), 3), ((2, 1), 1), ((9,), 1), ((0,), 2), ((0, 1), 1)])
def test_shares(monkeypatch, four_cores, told, left):
    """What runs were told to take is theirs, and the others have equal parts of the rest, of at least one thread."""
    monkeypatch.setattr(tiles, "_running", dict(enumerate((0, *told))))
    assert tiles._share(tiles.check_threads(None)) == left
    assert tiles._share(3) == 3


def test_what_a_call_was_told_to_take_is_not_shared(four_cores):
    three = threading.Barrier(3)

    def work(_):
        three.wait(timeout=60)
        return sorted(tiles._running.values())

    began, held = threading.Event(), threading.Event()

    def beside(_):
        began.set()
        return held.wait(timeout=60)

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(tiles.run, beside, range(1), threads=tiles.check_threads(None))
        assert began.wait(timeout=60)
        assert tiles.run(work, range(3), threads=3) == [[1, 3]] * 3
        held.set()
        assert other.result() == [True]


@pytest.mark.compiled
def test_sums_at_the_same_time_are_those_of_one_alone():
    rng = np.random.default_rng(2)
    positions, mu = 1e-8 * rng.random((300, 3)), mbfast.DipoleInteraction(1e-11)
    samples = rng.normal(size=(12, 300, 3))
    alone = [mbfast.pair_field(mu, positions, moments, threads=1) for moments in samples]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda moments: mbfast.pair_field(mu, positions, moments), samples))
    assert np.array_equal(together, alone)


def test_a_task_of_dask_takes_one_thread(monkeypatch):
    within = False

    def get_worker():
        if not within:
            raise ValueError("No worker found")
        return object()

    module = types.ModuleType("distributed.worker")
    module.get_worker = get_worker
    monkeypatch.setitem(sys.modules, "distributed.worker", module)
    assert tiles.default_threads() == (16, "usable cores")
    within = True
    assert tiles.default_threads() == (1, "task of Dask")
    assert tiles.check_threads(4) == 4
    mbfast.set_threads(4)
    assert tiles.default_threads() == (4, "set_threads")
    mbfast.set_threads(None)
    monkeypatch.setenv("MBFAST_NUM_THREADS", "2")
    assert tiles.default_threads() == (2, "MBFAST_NUM_THREADS")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_counts_no_run_of_its_parent(run_python):
    code = """
import os, threading, warnings
warnings.simplefilter("ignore")  # that the process has threads
from mbfast._core import tiles
began, done = threading.Event(), threading.Event()
def work(_):
    began.set()
    done.wait()
beside = threading.Thread(target=tiles.run, args=(work, range(1)), kwargs={"threads": 1})
beside.start()
began.wait()
child = os.fork()
if not child:
    os._exit(len(tiles._running))
print(len(tiles._running), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
done.set()
beside.join()
"""
    assert run_python(code) == "1 0\n"
